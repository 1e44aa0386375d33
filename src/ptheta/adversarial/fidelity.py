"""Fidelity: how far what is drawn lies from the event that belongs to its context.

    Absolute    mean over variables of |x_i - y_i|             the best constant answer is the median   (pix2pix, eq. 3)
    Squared     mean over variables of (x_i - y_i)^2           the best is the mean                     (PGN, eq. 2)
    Features    mean over the features of (f_j(x) - f_j(y))^2  the best has the mean's features         (SRGAN, eq. 5)

x and y are embedded: levels and bits in [-1, 1], reals standardised. With several answers to one context the first two
ask for one between them, which is none of them where they lie apart; an adversarial term asks for one of them.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2016)
    https://arxiv.org/abs/1611.07004
    Unsupervised Learning of Visual Structure using Predictive Generative Networks (Lotter, Kreiman & Cox, 2015)
    https://arxiv.org/abs/1511.06380
    Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network (Ledig et al., 2016)
    https://arxiv.org/abs/1609.04802
"""

from abc import ABC, abstractmethod
from typing import final

from torch import Tensor, nn

__all__ = ["Absolute", "Features", "Fidelity", "Squared"]


class Fidelity(nn.Module, ABC):
    """How far fakes lie from the events whose contexts they have."""

    @abstractmethod
    def forward(self, x: Tensor, fake: Tensor) -> Tensor:
        """The distance of embedded events and fakes (B, *), with shape (B,)."""


@final
class Absolute(Fidelity):
    """The mean absolute difference."""

    def forward(self, x: Tensor, fake: Tensor) -> Tensor:
        return (x - fake).abs().flatten(1).mean(1)


@final
class Squared(Fidelity):
    """The mean squared difference."""

    def forward(self, x: Tensor, fake: Tensor) -> Tensor:
        return (x - fake).square().flatten(1).mean(1)


@final
class Features(Fidelity):
    """The mean squared difference of what a network makes of both.

    Args:
        network: Maps embedded events (B, *) to features (B, *). It has learned before, and no player moves it.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, fake: Tensor) -> Tensor:
        return (self.network(x) - self.network(fake)).square().flatten(1).mean(1)
