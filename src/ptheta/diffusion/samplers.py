"""Samplers: how a diffusion walks from noise back to an event.

A sampler visits times T = t_0 > t_1 > ... > 0. At each, the network's guess of the noise gives a guess x̂_0 of the
event, and the sampler says where to go next. ``Ancestral`` draws from the model p(x_{t-1} | x_t) at every step.
``DDIM`` may leap: S steps with any η in [0, 1], where η = 0 is a deterministic map (first-order in 1 / S) and η = 1 at
all T steps is ancestral sampling again.

References:
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), algorithm 2, https://arxiv.org/abs/2006.11239
    Denoising Diffusion Implicit Models (Song, Meng & Ermon, 2020), https://arxiv.org/abs/2010.02502
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

__all__ = ["DDIM", "Ancestral", "Sampler"]


class Sampler(ABC):
    """A walk from noise to an event. Scalars are Python floats: float64, whatever the network computes in."""

    @abstractmethod
    def times(self, steps: int) -> list[int]:
        """The times visited in a diffusion of ``steps`` steps: decreasing, from ``steps`` to 0."""

    @abstractmethod
    def coefficients(self, now: float, then: float) -> tuple[float, float, float]:
        """The (a, b, sigma) of a move x' = a x̂_0 + b x + sigma z, from ᾱ = ``now`` to ᾱ = ``then`` > ``now``."""


@final
@dataclass(frozen=True)
class Ancestral(Sampler):
    """Draws each x_{t-1} from the model (Ho et al., eqs. 6 and 7).

    Args:
        wide: Whether a step's variance is β_t; else it is that of q(x_{t-1} | x_t, x_0). See ``DDPM``.
    """

    wide: bool = False

    def times(self, steps: int) -> list[int]:
        return list(range(steps, -1, -1))

    def coefficients(self, now: float, then: float) -> tuple[float, float, float]:
        beta = 1 - now / then
        a = math.sqrt(then) * beta / (1 - now)  # eq. 7
        b = math.sqrt(1 - beta) * (1 - then) / (1 - now)
        variance = beta if self.wide and then < 1 else (1 - then) / (1 - now) * beta  # the last step shows its mean
        return a, b, math.sqrt(variance)


@final
@dataclass(frozen=True)
class DDIM(Sampler):
    """Leaps over evenly spaced times (Song et al., eq. 12).

    Args:
        steps: The number S of network calls; all T of them where T is smaller.
        eta: How much fresh noise: 0 none, 1 as much as ancestral sampling.
    """

    steps: int = 50
    eta: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 <= self.eta <= 1:
            raise ValueError(f"DDIM takes at least 1 step and eta in [0, 1], not {self.steps} and {self.eta}.")

    def times(self, steps: int) -> list[int]:
        leaps = min(self.steps, steps)
        return [round(steps * k / leaps) for k in range(leaps, -1, -1)]

    def coefficients(self, now: float, then: float) -> tuple[float, float, float]:
        sigma = self.eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))  # eq. 16
        b = math.sqrt(max(1 - then - sigma**2, 0.0) / (1 - now))  # of the noise (x - sqrt(now) x̂_0) / sqrt(1 - now)
        return math.sqrt(then) - b * math.sqrt(now), b, sigma
