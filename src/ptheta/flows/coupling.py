"""Coupling: one half of the variables is moved by functions whose parameters are computed from the other half.

    z_a = x_a,     z_b = f(x_b; parameters(x_a))

The Jacobian is block triangular, so its determinant is the product of f's slopes, and the network that computes the
parameters may be anything: it is never inverted. Undoing a coupling costs what doing it costs, one pass. Halves take
turns, and a permutation or a learned linear map mixes them, so that in a chain every variable is moved by every other.

References:
    NICE: Non-linear Independent Components Estimation (Dinh, Krueger & Bengio, 2014) https://arxiv.org/abs/1410.8516
    Density Estimation Using Real NVP (Dinh, Sohl-Dickstein & Bengio, 2016) https://arxiv.org/abs/1605.08803
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from ptheta.flows.flow import Bijection, LULinear, Monotone, Permutation, near_zero
from ptheta.nn.contexts import Reader, width_of
from ptheta.nn.mlp import MLP
from ptheta.spaces import Space

__all__ = ["Coupling", "coupling_chain"]


@final
class Coupling(Bijection):
    """Moves the last variables by what the first ones say, or the first by what the last say.

    Args:
        net: Maps the fixed variables with shape (B, fixed) and what was read of contexts to ``monotone.width`` numbers
            for each moved variable, (B, width * moved), those of one kind adjacent.
        monotone: What moves one variable.
        fixed: How many variables stay.
        flip: Whether it is the first variables that move.
    """

    def __init__(self, net: nn.Module, monotone: Monotone, fixed: int, *, flip: bool) -> None:
        super().__init__()
        self.net, self.monotone, self.fixed, self.flip = net, monotone, fixed, flip

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        fixed, moved = self.split(x)
        moved, log_slope = self.monotone.forward(moved, self._params(fixed, context))
        return self._join(fixed, moved), log_slope.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None) -> Tensor:
        fixed, moved = self.split(z)
        return self._join(fixed, self.monotone.inverse(moved, self._params(fixed, context)))

    def _params(self, fixed: Tensor, context: Tensor | None) -> Tensor:
        return self.net(fixed, context).unflatten(1, (self.monotone.width, -1))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Those of x (B, D) that stay, and those that move."""
        if self.flip:
            return x[:, -self.fixed :], x[:, : -self.fixed]
        return x[:, : self.fixed], x[:, self.fixed :]

    def _join(self, fixed: Tensor, moved: Tensor) -> Tensor:
        return torch.cat([moved, fixed] if self.flip else [fixed, moved], 1)


def coupling_chain(
    space: Space,
    reader: Reader | None,
    monotone: Monotone,
    *,
    layers: int,
    hidden: Sequence[int],
    linear: bool,
    beside: int = 0,
) -> list[Bijection]:
    """Couplings of vectors whose halves take turns, near the identity at first; after every two the variables mix.

    Args:
        space: What one event is, of at least two variables.
        reader: How contexts are read, or None.
        monotone: What moves one variable.
        layers: How many couplings.
        hidden: The widths of each network's hidden layers.
        linear: Whether they mix by a learned linear map; else by a fixed random permutation.
        beside: How many numbers the networks see besides what is read of contexts.

    Returns:
        The bijections.
    """
    d, context, chain = space.dimensions, width_of(reader, "a flow of vectors") + beside, []
    if d < 2:
        raise ValueError(f"coupling needs two variables or more, but the space is {space}. Use MAF or another kind.")
    for k in range(layers):
        if k and k % 2 == 0:
            chain.append(LULinear(d) if linear else Permutation(torch.randperm(d)))
        fixed = d // 2 if k % 2 == 0 else d - d // 2
        net = MLP(fixed, monotone.width * (d - fixed), hidden, context=context, activation=nn.ReLU)
        near_zero(net.layers[-1])
        chain.append(Coupling(net, monotone, fixed, flip=k % 2 == 1))
    return chain
