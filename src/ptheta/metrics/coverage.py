"""Precision, recall, density and coverage: is each sample real, and is each real event reached?

Around every event of a set lies a ball that reaches to its k-th nearest neighbour in that set, its edge included;
together they are the set's manifold.

    precision  share of samples inside some real ball
    recall     share of real events inside some sample's ball
    density    how many samples a real ball holds, over how many real events it holds: 1 where both sets are as dense
    coverage   share of real balls that hold a sample

A perfect model does not score 1 in precision or recall: compare with real data, at the same n and k. Outliers inflate
balls. Samples shrunk towards the mean have high precision, huge density, full coverage, and no recall: read all four.

Where distances tie, as among bits or repeated rows, a ball holds more than k neighbours: edges count as inside, and a
ball's density is over the events it holds. Without ties these are the numbers of the papers.

They cost O(n^2 d) time, and memory for a few million distances at a time. Distances are taken in float32, and again in
float64 where that could not tell a ball's edge from its middle.

References:
    Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019)
    https://arxiv.org/abs/1904.06991
    Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020)
    https://arxiv.org/abs/2002.09797
"""

from typing import NamedTuple, final

import torch
from torch import Tensor

from ptheta.metrics.distances import rounding, tiles

__all__ = ["Manifolds", "precision_recall_density_coverage"]

ROUGHEST = 1e-2  # of a ball's squared radius: the most that rounding may amount to in float32


@final
class Manifolds(NamedTuple):
    """Four answers from the balls of two sets."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(real: Tensor, fake: Tensor, *, k: int = 5) -> Manifolds:
    """Precision, recall, density and coverage on balls that reach to the k-th neighbour.

    Args:
        real: Features with shape (n, d).
        fake: Features with shape (m, d).
        k: Which neighbour a ball reaches to; fewer than n and m.

    Returns:
        The four numbers. Raises ValueError if a set has no more than k events.

    Example:
        >>> bits = torch.eye(2).repeat(10, 1)  # ten of each: a ball holds the nine others
        >>> precision_recall_density_coverage(bits, bits)
        Manifolds(precision=1.0, recall=1.0, density=1.1111111111111112, coverage=1.0)
    """
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"balls to neighbour {k} need more events, but there are {len(real)} and {len(fake)}.")
    middle = real.double().mean(0)  # rounding grows with the distance from the origin
    real, fake = ((x.double() - middle).float() for x in (real, fake))
    balls = _balls(real, k), _balls(fake, k)
    if any(ball.is_rough for ball in balls):
        real, fake = (x.double() for x in (real, fake))
        balls = _balls(real, k), _balls(fake, k)
    return _manifolds(real, fake, *balls)


class _Balls(NamedTuple):
    reach: Tensor  # (n,), squared radius, with all that rounding may add
    held: Tensor  # (n,), how many other events of the set lie inside
    is_rough: bool  # whether rounding amounts to much of some ball


def _balls(x: Tensor, k: int) -> _Balls:
    reach, held, is_rough = torch.empty_like(x[:, 0]), torch.empty(len(x), dtype=torch.int64), False
    for rows, squared in tiles(x, x):
        squared[torch.arange(len(squared)), torch.arange(rows.start, rows.stop)] = torch.inf  # not its own neighbour
        radius = squared.topk(k, 1, largest=False).values[:, -1]
        slack = rounding(x[rows], radius)
        is_rough = is_rough or bool((slack > ROUGHEST * radius).any())
        reach[rows] = radius + slack
        held[rows] = (squared <= reach[rows, None]).sum(1)
    return _Balls(reach, held, is_rough)


def _manifolds(real: Tensor, fake: Tensor, real_balls: _Balls, fake_balls: _Balls) -> Manifolds:
    is_real = torch.zeros(len(fake), dtype=torch.bool)
    holds, is_reached = torch.empty(len(real), dtype=torch.int64), torch.empty(len(real), dtype=torch.bool)
    for rows, squared in tiles(real, fake):
        inside = squared <= real_balls.reach[rows, None]  # (rows, m): a sample in a real ball
        holds[rows] = inside.sum(1)
        is_real |= inside.any(0)
        is_reached[rows] = squared.sub_(fake_balls.reach).amin(1) <= 0  # a real event in a sample's ball
    return Manifolds(
        precision=_share(is_real),
        recall=_share(is_reached),
        density=(holds.double() / real_balls.held).sum().item() / len(fake),
        coverage=_share(holds > 0),
    )


def _share(hits: Tensor) -> float:
    return hits.double().mean().item()
