"""Masked perceptrons run through the variables one by one, every hidden unit computed once (see ``masked``)."""

from collections.abc import Sequence
from itertools import accumulate
from typing import final

import torch
from torch import Tensor

from ptheta.nn.masked import MaskedMLP

__all__ = ["Unrolled"]

GROUP = 16  # variables, to which all that is known before them says what it has to say at once


@final
class Unrolled:
    """A masked perceptron run through the variables in order, every hidden unit computed once.

    Ask for the next variable's numbers, decide what the variable is, tell; D times. Examples come last here: what is
    known is then a block of rows, without a copy. Variables come in groups: what is known before a group meets all of
    its weights in one product, and what is left for a variable's turn are small ones with what came since.

    Args:
        net: The network.
        n: The number of examples.
        context: Context features with n rows, or None.
        mask: Which mask to use.

    Example:
        >>> net = MaskedMLP(3, 1, 2, (6,))
        >>> steps = Unrolled(net, 4)
        >>> numbers = []
        >>> for i in range(3):
        ...     numbers.append(steps.ask())
        ...     steps.tell(torch.full((1, 4), float(i)))
        >>> torch.allclose(torch.stack(numbers).permute(2, 1, 0), net(torch.arange(3.0).expand(4, 3)), atol=1e-5)
        True
    """

    def __init__(self, net: MaskedMLP, n: int, context: Tensor | None = None, mask: int = 0) -> None:
        self.net, self.i, self.end = net, 0, 0
        d, layers = net.d, net.layers()
        weights, shifts = [layer.weight for layer in layers], [layer.shift(n, context) for layer in layers]
        last_weight = net.last.weight
        if mask:  # sort the hidden units; those of the first mask are
            orders = [layer.after[mask].argsort() for layer in layers]
            weights = [weight[order] for weight, order in zip(weights, orders, strict=True)]
            shifts = [shift[order] for shift, order in zip(shifts, orders, strict=True)]
            weights[1:] = [w[:, order] for w, order in zip(weights[1:], orders[:-1], strict=True)]
            last_weight = last_weight[:, orders[-1]]
        sizes = [[net.features] * d, *net.blocks]
        self.known = [_Rows(blocks, n, net.last.bias) for blocks in sizes]
        parts = zip(weights, shifts, sizes[1:], self.known[:-1], strict=True)
        self.hidden = list(zip([_Layer(*part) for part in parts], self.known[1:], strict=True))
        self.layers = [layer for layer, _ in self.hidden]
        outputs = [net.outputs] * d
        last_shift = self._by_variable(net.last.shift(n, context))
        self.last = _Layer(self._by_variable(last_weight), last_shift, outputs, self.known[-1])
        self.layers.append(self.last)
        self.direct = None
        if net.direct is not None:
            weight, shift = self._by_variable(net.direct.weight), self._by_variable(net.direct.shift(n, None))
            self.direct = _Layer(weight, shift, outputs, self.known[0])
            self.layers.append(self.direct)

    def _by_variable(self, rows: Tensor) -> Tensor:
        """Puts the rows of one variable side by side, which come number by number."""
        return rows.unflatten(0, (self.net.outputs, self.net.d)).transpose(0, 1).flatten(0, 1)

    def ask(self) -> Tensor:
        """The numbers of the next variable, given those told so far, with shape (outputs, n)."""
        if self.i == self.end:
            self._next_group()
        i, k, activation = self.i, self.i - self.start, self.net.activation
        for layer, units in self.hidden:
            if layer.sizes[i]:  # those of the next degree
                block = layer.of(k, units.blocks[k])
                units.append(k, activation(block))
        out = self.last.of(k)
        return out if self.direct is None else out + self.direct.of(k)

    def tell(self, features: Tensor) -> None:
        """Says what the variable just asked about is: its input numbers, with shape (features, n)."""
        self.known[0].append(self.i - self.start, features)
        self.i += 1

    def _next_group(self) -> None:
        self.start, self.end = self.end, min(self.end + GROUP, self.net.d)
        for rows in self.known:
            rows.next_group(self.start, self.end)
        for layer in self.layers:
            layer.next_group(self.start, self.end)


class _Rows:
    """Rows that come in blocks, one per variable: ``before`` the group, and ``group``, those of the group.

    They are written into one buffer where no gradient is kept, in which those that have not come yet are zeros; where
    a gradient is kept, they are joined afresh, and those that have not come are left out.
    """

    def __init__(self, sizes: list[int], n: int, like: Tensor) -> None:
        self.sizes, self.ends, self.keeps_graph = sizes, list(accumulate(sizes, initial=0)), torch.is_grad_enabled()
        self.buffer = like.new_zeros(0 if self.keeps_graph else self.ends[-1], n)
        self.before = self.group = self.buffer[:0]
        self.blocks: Sequence[Tensor | None] = ()  # where those of each variable of the group go, if anywhere

    def next_group(self, start: int, end: int) -> None:
        if self.keeps_graph:
            self.before, self.group = torch.cat([self.before, self.group]), self.group[:0]
            self.blocks = [None] * (end - start)
        else:
            self.before = self.buffer[: self.ends[start]]
            self.group = self.buffer[self.ends[start] : self.ends[end]]
            self.blocks = self.group.split(self.sizes[start:end])

    def append(self, k: int, rows: Tensor) -> None:
        """Says what the rows of the group's variable k are."""
        block = self.blocks[k]
        if block is None:
            self.group = torch.cat([self.group, rows])
        elif block is not rows:
            block.copy_(rows)


class _Layer:
    """A layer asked for the rows of one variable after the other.

    Args:
        weight: Its weights, those of a variable side by side, with shape (rows, inputs).
        shift: What its rows add to their weighted inputs, with shape (rows, n).
        sizes: How many rows belong to each variable.
        seen: Its inputs.
    """

    def __init__(self, weight: Tensor, shift: Tensor, sizes: list[int], seen: _Rows) -> None:
        self.weight, self.shift, self.sizes, self.seen = weight, shift, sizes, seen
        self.ends = list(accumulate(sizes, initial=0))
        self.shifts: Sequence[Tensor] = ()  # of each variable of the group, with all that was known before the group
        self.weights: Sequence[Tensor] = ()  # of each variable of the group, for what comes within it

    def next_group(self, start: int, end: int) -> None:
        rows, sizes, seen = slice(self.ends[start], self.ends[end]), self.sizes[start:end], self.seen
        weight, known = self.weight[rows], seen.ends[start]
        self.shifts = torch.addmm(self.shift[rows], weight[:, :known], seen.before).split(sizes)
        # A view costs as much as a small product: all of a group are made in one call.
        self.weights = weight[:, known : seen.ends[end]].split(sizes)

    def of(self, k: int, out: Tensor | None = None) -> Tensor:
        """The rows of the group's variable k, with shape (rows, n)."""
        weight, seen = self.weights[k], self.seen
        if seen.keeps_graph:
            weight = weight[:, : len(seen.group)]
        return torch.addmm(self.shifts[k], weight, seen.group, out=out)
