"""The last step of a diffusion: from a Gaussian around a guess to the probability of an event.

Levels and bits are points of a lattice in [-1, 1]. The probability of a level is the mass that the Gaussian puts into
its cell, and the cells of the first and the last level take the tails (Ho et al., eq. 13), so the probabilities of all
levels sum to one. On reals it is the density itself, per unit of the raw event.

References:
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), https://arxiv.org/abs/2006.11239
"""

import math

import torch
from torch import Tensor

from ptheta.spaces import Binary, Levels, Real, Space

__all__ = ["decoder_log_prob", "log_cell_mass"]


def decoder_log_prob(space: Space, x: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """The log-probability of events under independent Gaussians; a density in raw units on reals.

    Args:
        space: What one event is.
        x: Events with shape (B, *space.shape).
        mean: Embedded means, with the shape of the events.
        sigma: The standard deviation of embedded variables.

    Returns:
        Log-probabilities in nats, with shape (B,).
    """
    match space:
        case Levels(n=n) | Binary(n=n):
            log_prob = log_cell_mass(mean, sigma, x, n)
        case Real():
            z = (space.embed(x, mean.dtype) - mean) / sigma
            log_prob = -(z**2) / 2 - math.log(sigma) - math.log(2 * math.pi) / 2
        case _:
            raise ValueError(f"a Gaussian decoder needs ordered values, but the space is {space}.")
    return log_prob.reshape(len(x), space.dimensions).sum(1) - space.log_volume


def log_cell_mass(mean: Tensor, sigma: float, levels: Tensor, n: int) -> Tensor:
    """The log of a Gaussian's mass in the cell of each level; the end cells take the tails.

    Args:
        mean: Means, where levels span [-1, 1].
        sigma: The standard deviation there.
        levels: Levels 0, ..., n - 1, with the shape of the means.
        n: The number of levels.

    Returns:
        Log-probabilities in nats, with the shape of the means.
    """
    centre = levels.to(mean.dtype) * (2 / (n - 1)) - 1
    upper = torch.where(levels == n - 1, math.inf, (centre + 1 / (n - 1) - mean) / sigma)
    lower = torch.where(levels == 0, -math.inf, (centre - 1 / (n - 1) - mean) / sigma)
    flip = lower > 0  # both ends to the lower tail, where log_ndtr is exact
    upper, lower = torch.where(flip, -lower, upper), torch.where(flip, -upper, lower)
    high, low = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    return high + torch.log1p(-torch.exp(low - high))
