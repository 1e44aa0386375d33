"""Precision, recall, density and coverage: is each sample real, and is each real event reached?

Around every event of a set lies a ball that reaches to its k-th nearest neighbour in that set; together they are the
set's manifold.

    precision  share of samples inside some real ball
    recall     share of real events inside some sample's ball
    density    how many real balls a sample lies in, over k: softer against outliers, not bounded by 1
    coverage   share of real balls that hold a sample

A perfect model does not score 1 in precision or recall: compare with real data, at the same n and k. Outliers inflate
balls. Samples shrunk towards the mean have high precision, huge density, full coverage, and no recall: read all four.
They cost O(n^2 d).

References:
    Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019)
    https://arxiv.org/abs/1904.06991
    Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020)
    https://arxiv.org/abs/2002.09797
"""

from typing import NamedTuple, final

import torch
from torch import Tensor

__all__ = ["Manifolds", "precision_recall_density_coverage"]


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
    """
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"balls to neighbour {k} need more events, but there are {len(real)} and {len(fake)}.")
    real, fake = real.double(), fake.double()
    real_radius, fake_radius = _radii(real, k), _radii(fake, k)
    between = _distances(real, fake)  # (n, m)
    in_real = between < real_radius[:, None]
    in_fake = between < fake_radius
    return Manifolds(
        precision=_share(in_real.any(0)),
        recall=_share(in_fake.any(1)),
        density=in_real.sum().item() / (k * len(fake)),
        coverage=_share(between.amin(1) < real_radius),
    )


def _radii(x: Tensor, k: int) -> Tensor:
    return _distances(x, x).fill_diagonal_(0).kthvalue(k + 1, 1).values  # the first is the event itself


def _distances(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist")


def _share(hits: Tensor) -> float:
    return hits.double().mean().item()
