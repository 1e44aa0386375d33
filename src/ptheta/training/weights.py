"""Weights over time: the running average and the learning-rate factor."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["Ema", "rate_factor"]


@final
class Ema:
    """The exponential moving average of a module's parameters, bias-free from the first step on.

    Args:
        module: Whose parameters to follow.
        decay: The weight of the past, in the long run; early on it is (1 + step) / (10 + step).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(module.named_parameters())
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the parameters after step number ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.parameters.values()], 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Puts the average into the module."""
        for name, p in module.named_parameters():
            p.copy_(self.average[name])

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Holds the average in the module inside the block."""
        kept = {name: p.detach().clone() for name, p in module.named_parameters()}
        self.copy_to(module)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, p in module.named_parameters():
                    p.copy_(kept[name])

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restores the average that a checkpoint holds."""
        for name, tensor in tensors.items():
            self.average[name].copy_(tensor)


def rate_factor(schedule: str, step: int, steps: float | None, warmup: float) -> float:
    """What the learning rate is multiplied by at a step.

    Args:
        schedule: constant, linear or cosine.
        step: The step, from 0.
        steps: The length of the run; None while it is not known yet.
        warmup: Steps over which the rate rises.

    Returns:
        A factor between 0 and 1.
    """
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if steps is None or schedule == "constant":
        return rise
    done = min(1.0, step / steps)
    return rise * (1 - done if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done)))
