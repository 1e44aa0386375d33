"""Masked multilayer perceptrons: one pass gives numbers for every variable, computed from the variables before it.

Variables come in an order 1, ..., D. Every hidden unit has a degree m, the number of variables it may see; the input
of variable j has degree j, and the outputs of variable i have degree i - 1. A weight is kept where its row's degree is
at least its column's, so that outputs of variable i are functions of the variables before i, whatever the depth.

Hidden units are sorted by degree. What variable i needs is then a prefix of every layer, and once a variable is known
its hidden units never change again: ``nn.unrolled`` computes each unit once, so that running through the variables one
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
from itertools import pairwise
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ptheta.noise import Noise

__all__ = ["MaskedLinear", "MaskedMLP"]

Activation = Callable[[Tensor], Tensor]

PARTS = 5
LARGE, BUSY = 200_000, 20_000_000  # with fewer weights or products, and on a GPU, the calls cost more than they save


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
        is_busy = len(x) * self.weight.numel() >= BUSY and x.device.type == "cpu"
        if is_busy and len(self.reach) > 1 and not mask and not torch.is_autocast_enabled("cpu"):
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


def _dealt(d: int, width: int, masks: int, key: str) -> Tensor:
    """The degrees of a layer in every mask, with shape (masks, width): sorted in the first, then dealt at random."""
    places = Noise(0).uniform((masks, width), key).argsort(1)
    places[0] = torch.arange(width)
    return places * d // width
