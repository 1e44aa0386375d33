"""What a critic pays for its slopes: the norm |grad v(y)| of the gradient of its output by what it sees.

    ZeroSlopes    weight / 2 |grad v|^2  at data (R1), at fakes (R2), or at both    (Mescheder et al., 2018, eq. 9)
    UnitSlopes    weight (|grad v| - 1)^2  between data and fakes                   (Gulrajani et al., 2017, eq. 3)

The first lets a game come to rest: at the equilibrium the critic is flat. The second keeps a critic of the Wasserstein
game near the slopes that the best one has. The point between a data event and its fake is one uniform share of the way
for the whole event; norms are over all that one event, or one pack of them, is made of. A linear critic of slope 1.7
pays exactly weight x .49 of the second kind.

Cost: a second pass backward for each place where slopes are taken, and for ``UnitSlopes`` a pass forward.

References:
    Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018) https://arxiv.org/abs/1801.04406
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017) https://arxiv.org/abs/1704.00028
    The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang et al., 2024), for R1 and R2 together
    https://arxiv.org/abs/2501.05441
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from ptheta.noise import Noise

__all__ = ["Penalty", "Side", "UnitSlopes", "ZeroSlopes"]


@final
class Side(NamedTuple):
    """What the critic saw of data or of fakes, (B, *), which asks for a gradient, and its outputs (B,)."""

    seen: Tensor
    outputs: Tensor


class Penalty(ABC):
    """What is added to the critic's loss of each pair."""

    @abstractmethod
    def __call__(self, score: Callable[[Tensor], Tensor], data: Side, fake: Side, noise: Noise) -> Tensor:
        """The penalty of each pair.

        Args:
            score: The critic, of what it sees.
            data: What it saw of data.
            fake: What it saw of fakes.
            noise: Where points between them come from.

        Returns:
            Penalties with shape (B,), with a graph.
        """


@final
@dataclass(frozen=True)
class ZeroSlopes(Penalty):
    """Pulls slopes to zero at data (R1), at fakes (R2), or at both.

    Args:
        weight: Of half the squared norm.
        data: Whether at data.
        fakes: Whether at fakes.
    """

    weight: float = 1.0
    data: bool = True
    fakes: bool = False

    def __call__(self, score: Callable[[Tensor], Tensor], data: Side, fake: Side, noise: Noise) -> Tensor:
        sides = [side for side, wanted in ((data, self.data), (fake, self.fakes)) if wanted]
        paid = sum(_slopes(side).square().sum(1) for side in sides)
        return self.weight / 2 * (paid + torch.zeros_like(data.outputs))


@final
@dataclass(frozen=True)
class UnitSlopes(Penalty):
    """Pulls slopes to one between data and fakes.

    Args:
        weight: Of the squared distance of the norm from one.
    """

    weight: float = 10.0

    def __call__(self, score: Callable[[Tensor], Tensor], data: Side, fake: Side, noise: Noise) -> Tensor:
        share = noise.uniform((len(data.seen),), "between", like=data.seen)  # one for the whole event
        between = torch.lerp(data.seen, fake.seen, share.reshape(-1, *(1,) * (data.seen.ndim - 1)))
        between = between.detach().requires_grad_()
        norm = torch.linalg.vector_norm(_slopes(Side(between, score(between))), dim=1)
        return self.weight * (norm - 1).square()


def _slopes(side: Side) -> Tensor:
    """The gradient of each output by what was seen, with shape (B, numbers)."""
    (slope,) = torch.autograd.grad(side.outputs.sum(), side.seen, create_graph=True)
    return slope.reshape(len(side.seen), -1)
