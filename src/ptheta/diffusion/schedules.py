"""Noise schedules: how fast a diffusion forgets its event.

A schedule of T steps is a decreasing sequence 1 = ᾱ_0 > ᾱ_1 > ... > ᾱ_T ≈ 0, the share of the event's variance that is
left after t steps:

    q(x_t | x_0) = N(sqrt(ᾱ_t) x_0, (1 - ᾱ_t) I),    β_t = 1 - ᾱ_t / ᾱ_{t-1}.

Schedules are written for any T: the same path from event to noise, cut into T steps. All of it in float64.

References:
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), https://arxiv.org/abs/2006.11239
    Improved Denoising Diffusion Probabilistic Models (Nichol & Dhariwal, 2021), https://arxiv.org/abs/2102.09672
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

__all__ = ["CosineSchedule", "LinearSchedule", "Schedule"]


@dataclass(frozen=True)
class Schedule(ABC):
    """A way from event to noise."""

    @abstractmethod
    def betas(self, steps: int) -> Tensor:
        """The variances β_1, ..., β_T of T steps, each strictly between 0 and 1: float64 with shape (T,)."""

    @final
    def alpha_bars(self, steps: int) -> Tensor:
        """The shares ᾱ_0 = 1, ᾱ_1, ..., ᾱ_T of the variance that is left: float64 with shape (T + 1,)."""
        return torch.cat([torch.ones(1, dtype=torch.float64), (1 - self.betas(steps)).cumprod(0)])


@final
@dataclass(frozen=True)
class LinearSchedule(Schedule):
    """β_t grows linearly (Ho et al., section 4). At other than 1000 steps, each step counts as 1000 / T of them.

    Args:
        start: The first variance of 1000.
        end: The last variance of 1000.

    Example:
        >>> LinearSchedule().betas(1000)[[0, -1]].tolist()
        [0.0001, 0.02]
    """

    start: float = 1e-4
    end: float = 0.02

    def betas(self, steps: int) -> Tensor:
        thousand = torch.linspace(self.start, self.end, steps, dtype=torch.float64)
        return thousand if steps == 1000 else 1 - (1 - thousand) ** (1000 / steps)


@final
@dataclass(frozen=True)
class CosineSchedule(Schedule):
    """ᾱ_t follows a squared cosine (Nichol & Dhariwal, eq. 17): noise comes more slowly at both ends.

    Args:
        offset: Keeps the first steps from being too small.
        largest: Where β_t is cut off near the end.

    Example:
        >>> CosineSchedule().alpha_bars(1000)[[0, 500]].round(decimals=3).tolist()
        [1.0, 0.494]
    """

    offset: float = 0.008
    largest: float = 0.999

    def betas(self, steps: int) -> Tensor:
        t = torch.arange(steps + 1, dtype=torch.float64) / steps
        f = torch.cos((t + self.offset) / (1 + self.offset) * (math.pi / 2)) ** 2  # eq. 17
        return (1 - f[1:] / f[:-1]).clamp(max=self.largest)
