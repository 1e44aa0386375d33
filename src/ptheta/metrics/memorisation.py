"""Memorisation: did the model copy its training set?

Each sample is taken to its nearest training event in feature space. It counts as memorised if it lies closer to that
event than the event's own nearest training neighbour does. Honest samples do so too, some of the time, and samples
shrunk onto the data more often: only the same share of held-out events says what is normal. The nearest pairs belong
into a picture, since no number convinces like seeing the copies.

References:
    How Faithful is your Synthetic Data? (Alaa et al., 2022) https://arxiv.org/abs/2102.08921
    A Non-Parametric Test to Detect Data-Copying in Generative Models (Meehan et al., 2020)
    https://arxiv.org/abs/2004.05675
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

__all__ = ["Neighbours", "nearest_training_neighbours"]


@final
@dataclass(frozen=True)
class Neighbours:
    """The nearest training event of each of n events.

    Args:
        distance: How far it is, with shape (n,).
        index: Which it is, with shape (n,).
        own: How far that training event is from its own nearest training neighbour, with shape (n,).
    """

    distance: Tensor
    index: Tensor
    own: Tensor

    @property
    def memorised(self) -> Tensor:
        """Whether the event is closer to its training event than any other training event is, with shape (n,)."""
        return self.distance < self.own

    def closest(self, n: int) -> Tensor:
        """The rows of the n events nearest to the training set."""
        return self.distance.argsort(stable=True)[:n]


def nearest_training_neighbours(train: Tensor, events: Tensor) -> Neighbours:
    """Finds the nearest training event of each event, by brute force in chunks: O(n m d) time.

    Args:
        train: Features with shape (m, d), at least two.
        events: Features with shape (n, d).

    Returns:
        Distances and indices.
    """
    if len(train) < 2:
        raise ValueError(f"a training event has a neighbour only if there are two, but there is {len(train)}.")
    train, events = train.double(), events.double()
    distance, index = _nearest(events, train, None)
    asked, back = index.unique(return_inverse=True)
    own = _nearest(train[asked], train, asked)[0][back]
    return Neighbours(distance, index, own)


def _nearest(x: Tensor, train: Tensor, without: Tensor | None) -> tuple[Tensor, Tensor]:
    """The nearest row of ``train`` for each row of x, leaving out row ``without[i]`` for row i."""
    distances, indices = [], []
    rows = max(1, 10_000_000 // len(train))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        d = torch.cdist(part, train, compute_mode="use_mm_for_euclid_dist")
        if without is not None:
            d.scatter_(1, without[start : start + rows, None], torch.inf)
        nearest = d.min(1)
        distances.append(nearest.values)
        indices.append(nearest.indices)
    return torch.cat(distances), torch.cat(indices)
