"""Masked multilayer perceptrons: one pass gives numbers for every variable, computed from the variables before it.

Variables come in an order 1, ..., D. Every hidden unit has a degree m, the number of variables it may see; the input
of variable j has degree j, and the outputs of variable i have degree i - 1. A weight is kept where its row's degree is
at least its column's, so that outputs of variable i are functions of the variables before i, whatever the depth.

Hidden units are sorted by degree. What variable i needs is then a prefix of every layer, and once a variable is known
its hidden units never change again: ``unroll`` computes each unit once, so that running through the variables one
after the other (sampling, inverting a flow) costs as much as one pass, not D of them, and needs no mask at all.

Sorted, a large layer's mask is a staircase, and a pass leaves most of its zeros out too: the outputs are computed in a
few parts, each from the inputs that its last output may see, and only where the stairs are is there anything to mask.
The backward pass is written by hand in the same parts.

One set of weights can serve several masks of the same order: each deals the same degrees to other hidden units. Sorted
by degree they all look alike, so that they unroll side by side.

References:
    MADE: Masked Autoencoder for Distribution Estimation (Germain, Gregor, Murray & Larochelle, 2015)
    https://arxiv.org/abs/1502.03509
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ptheta.noise import Noise

__all__ = ["MaskedLinear", "MaskedMLP", "Unrolled"]

Activation = Callable[[Tensor], Tensor]

PARTS, LARGE = 5, 200_000  # with fewer weights, and on a GPU, the calls of five parts cost more than they save
GROUP = 16  # variables, to which all that is known before them says what it has to say at once


@final
class MaskedLinear(nn.Module):
    """A dense layer in which a unit sees only the units whose degree is at most its own.

    Args:
        before: The degrees of the inputs in every mask, int64 with shape (masks, inputs).
        after: The degrees of the outputs in every mask, int64 with shape (masks, outputs).
        context: The number of context features, which every unit sees; 0 for none.
    """

    mask: Tensor
    before: Tensor
    after: Tensor

    def __init__(self, before: Tensor, after: Tensor, *, context: int = 0) -> None:
        super().__init__()
        seen = torch.searchsorted(before.sort(1).values, after.contiguous(), right=True)
        bound = (seen.to(torch.get_default_dtype()).mean(0) + context).clamp(min=1).rsqrt()
        self.register_buffer("before", before, persistent=False)
        self.register_buffer("after", after, persistent=False)
        self.register_buffer("mask", self.mask_number(0).to(bound.dtype), persistent=False)
        kept = self.mask if len(before) == 1 else 1.0
        self.weight = nn.Parameter((2 * torch.rand(self.mask.shape) - 1) * bound[:, None] * kept)
        self.bias = nn.Parameter((2 * torch.rand(len(bound)) - 1) * bound)
        self.context = nn.Linear(context, len(bound), bias=False) if context else None
        is_sorted = all(bool((degrees[0].diff() >= 0).all()) for degrees in (before, after))
        is_staircase = is_sorted and self.weight.numel() >= LARGE
        self.size = -(-len(bound) // PARTS) if is_staircase else len(bound)
        # How many inputs the first and the last output of each part may see: all of it see the former.
        self.reach = [(part[0].item(), part[-1].item()) for part in seen[0].split(self.size)]

    def forward(self, x: Tensor, context: Tensor | None = None, mask: int = 0) -> Tensor:
        """Maps inputs with shape (B, inputs) and context features with shape (B, context) to (B, outputs)."""
        if len(self.reach) > 1 and not mask and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
            out = Staircase.apply(x, self.weight, self.bias, self.mask, self.reach, self.size)
        else:
            kept = self.mask_number(mask).to(self.mask.dtype) if mask else self.mask
            out = F.linear(x, self.weight * kept, self.bias)
        return out if self.context is None else out + self.context(context)

    def mask_number(self, mask: int) -> Tensor:
        """Which weights a mask keeps, Boolean with shape (outputs, inputs). Only the first one is worth storing."""
        return self.after[mask, :, None] >= self.before[mask]

    def shift(self, n: int, context: Tensor | None) -> Tensor:
        """What each unit adds to its weighted inputs, with shape (outputs, n)."""
        bias = self.bias[:, None].expand(-1, n)
        return bias if self.context is None else self.context(context).T + bias


@final
class Staircase(torch.autograd.Function):
    """A masked product that leaves out, part by part, the inputs that no output of the part sees.

    Takes inputs (B, I), weights (O, I), a bias (O,) and a mask (O, I), sorted both ways; for each part of ``size``
    outputs, how many inputs its first and its last one may see; and that size. Returns (B, O).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, reach: list[tuple[int, int]], size: int
    ) -> Tensor:
        whole = x.new_empty(len(x), len(bias))
        parts = (weight.split(size), bias.split(size), mask.split(size), whole.split(size, 1), reach)
        for w, b, kept, out, (all_see, some_see) in zip(*parts, strict=True):
            stairs = slice(all_see, some_see)
            torch.addmm(b, x[:, :all_see], w[:, :all_see].T, out=out)
            out.addmm_(x[:, stairs], (w[:, stairs] * kept[:, stairs]).T)
        ctx.save_for_backward(x, weight, mask)
        ctx.reach, ctx.size = reach, size
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, mask = ctx.saved_tensors
        grad_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        grad_weight = torch.empty_like(weight)
        parts = (t.split(ctx.size) for t in (weight, mask, grad_weight, grad.T))
        for w, kept, grad_w, g, (all_see, some_see) in zip(*parts, ctx.reach, strict=True):
            stairs = slice(all_see, some_see)
            torch.mm(g, x[:, :some_see], out=grad_w[:, :some_see])
            grad_w[:, stairs].mul_(kept[:, stairs])
            grad_w[:, some_see:].zero_()
            if grad_x is not None:
                grad_x[:, :all_see].addmm_(g.T, w[:, :all_see])
                grad_x[:, stairs].addmm_(g.T, w[:, stairs] * kept[:, stairs])
        return grad_x, grad_weight, grad.sum(0), None, None, None


@final
class MaskedMLP(nn.Module):
    """A perceptron whose outputs for variable i see only the variables before i, and the context.

    A layer of fewer than D hidden units cannot hold every degree: its outputs then see some variables late or never,
    unless ``direct`` is set.

    Args:
        d: The number D of variables.
        features: How many input numbers one variable has.
        outputs: How many output numbers one variable gets.
        hidden: The width of each hidden layer.
        context: The number of context features, which enter every layer; 0 for none.
        direct: Whether the inputs reach the outputs by a linear (masked) layer too.
        activation: The hidden units' nonlinearity, which may work in place.
        masks: How many masks share the weights. The first is sorted, the others deal its degrees at random, always
            the same way.

    Example:
        >>> net = MaskedMLP(3, 1, 2, (6,), direct=True)
        >>> x = torch.zeros(1, 3)
        >>> moved = net(x + torch.tensor([0.0, 1.0, 0.0])) != net(x)
        >>> moved.any(1)
        tensor([[False, False,  True]])
    """

    def __init__(
        self,
        d: int,
        features: int,
        outputs: int,
        hidden: Sequence[int] = (512, 512),
        *,
        context: int = 0,
        direct: bool = False,
        activation: Activation = torch.relu_,
        masks: int = 1,
    ) -> None:
        super().__init__()
        self.d, self.features, self.outputs, self.activation, self.masks = d, features, outputs, activation, masks
        seen = (torch.arange(d) + 1).repeat_interleave(features).expand(masks, -1)
        # The numbers of one kind lie side by side for all variables: what follows works along whole rows of variables.
        asked = torch.arange(d).repeat(outputs).expand(masks, -1)
        degrees = [seen, *(_dealt(d, width, masks, f"layer {k}") for k, width in enumerate(hidden))]
        self.hidden = nn.ModuleList(MaskedLinear(before, after, context=context) for before, after in pairwise(degrees))
        self.last = MaskedLinear(degrees[-1], asked, context=context)
        self.direct = MaskedLinear(seen, asked) if direct else None
        self.blocks = [torch.bincount(m[0], minlength=d).tolist() for m in degrees[1:]]  # units of each degree

    def forward(self, x: Tensor, context: Tensor | None = None, mask: int = 0) -> Tensor:
        """Computes the outputs of all variables.

        Args:
            x: The variables in order, with shape (B, D) or (B, D, features).
            context: Context features with shape (B, context), or None.
            mask: Which mask to use, 0, ..., masks - 1.

        Returns:
            Numbers with shape (B, outputs, D).
        """
        h = x = x.flatten(1)
        for layer in self.layers():
            h = self.activation(layer(h, context, mask))
        out = self.last(h, context, mask)
        out = out if self.direct is None else out + self.direct(x)
        return out.view(len(x), self.outputs, self.d)

    def layers(self) -> list[MaskedLinear]:
        """The hidden layers."""
        return list(self.hidden)  # pyright: ignore[reportReturnType]

    def unroll(self, n: int, context: Tensor | None = None, mask: int = 0) -> "Unrolled":
        """The same network, one variable after the other, for n examples at once."""
        return Unrolled(self, n, context, mask)


def _dealt(d: int, width: int, masks: int, key: str) -> Tensor:
    """The degrees of a layer in every mask, with shape (masks, width): sorted in the first, then dealt at random."""
    places = Noise(0).uniform((masks, width), key).argsort(1)
    places[0] = torch.arange(width)
    return places * d // width


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
        >>> steps = net.unroll(4)
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
