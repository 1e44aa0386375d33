"""Memorisation: did the model copy its training set?

Each sample is taken to its nearest training event and to its nearest held-out event in feature space. Samples of a
perfect model are as near to the one set as to the other, copies are nearer to training events:

    train share = t / 2 + (a + b) (a / N) / (a / N + b / M)

where the share a of the samples is nearer to one of N training events, b to one of M held-out events, and t as near to
both. Dividing by N and M makes the sets as good as equal in size: exchangeable sets give 1/2, copies 1 (the larger set
is nearer by its size alone). A sample that lies on an event of both sets is a tie, so where events repeat, copies get
less than 1.

How sure that is depends on the events as much as on the samples: of ten held-out events one may lie in the middle of
all samples, or none. With the number of samples that each event is nearest to, of mean A and standard deviation u over
the N training events, B and v over the M held-out ones,

    log A / B    has the variance    u^2 / (N A^2) + v^2 / (M B^2)

and the share of those without ties is the logistic function of it. A half is added to the samples of each set, without
which an event too few would be certainty.

Only the same share of held-out events, each left out of its own set, says what is normal for the data at hand. The
distance to the training set is looked at beside it: copies have none, and samples off the data have a large one and
may lie nearer to either. The nearest pairs belong into a picture, since no number convinces like seeing the copies.

It costs O(n (N + M) d), a tile at a time.

References:
    A Non-Parametric Test to Detect Data-Copying in Generative Models (Meehan et al., 2020)
    https://arxiv.org/abs/2004.05675
    Exposing flaws of generative model evaluation metrics and their unfair treatment of diffusion models
    (Stein et al., 2023) https://arxiv.org/abs/2306.04675
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ptheta.metrics.distances import rounding, tiles
from ptheta.metrics.result import NORMAL_95

__all__ = ["Neighbours", "nearest_neighbours", "train_share", "train_share_interval"]


@final
@dataclass(frozen=True)
class Neighbours:
    """The nearest event of a set to each of n events.

    Args:
        distance: How far it is, with shape (n,); 0 where rounding cannot tell.
        index: Which it is, with shape (n,).
        among: How many events it was chosen from.
    """

    distance: Tensor
    index: Tensor
    among: int

    def closest(self, n: int) -> Tensor:
        """The rows of the n events nearest to the set."""
        return self.distance.argsort(stable=True)[:n]


def nearest_neighbours(events: Tensor, within: Tensor, *, own: Tensor | None = None) -> Neighbours:
    """Finds the nearest event of a set to each event, by brute force.

    Args:
        events: Features with shape (n, d).
        within: Features of the set with shape (m, d).
        own: For events of the set itself, their rows in it with shape (n,): an event is not its own neighbour.

    Returns:
        Distances and indices.
    """
    if len(within) < (1 if own is None else 2):
        raise ValueError(f"a nearest neighbour is looked for among {len(within)} events, which is too few.")
    middle = within.double().mean(0)
    events, within = events.double() - middle, within.double() - middle
    distance, index = torch.empty(len(events), dtype=torch.float64), torch.empty(len(events), dtype=torch.int64)
    for rows, squared in tiles(events, within):
        if own is not None:
            squared.scatter_(1, own[rows, None], torch.inf)
        nearest = squared.min(1)
        is_equal = nearest.values <= rounding(events[rows], nearest.values)
        distance[rows] = nearest.values.clamp(min=0).sqrt().masked_fill(is_equal, 0.0)
        index[rows] = nearest.indices
    return Neighbours(distance, index, len(within) - (own is not None))


def train_share(train: Neighbours, held_out: Neighbours) -> tuple[float, float]:
    """The share of samples nearer to the training set than to a held-out set, were both of one size.

    Args:
        train: The samples' neighbours among training events.
        held_out: The same samples' neighbours among held-out events.

    Returns:
        The share, 1/2 where both sets are alike to the samples and 1 where they are copies; and its standard error
        over samples.
    """
    near_train, near_other = (near.double() for near in _nearer(train, held_out))
    a, b = near_train.mean().item(), near_other.mean().item()
    if not a + b:
        return 0.5, 0.0
    n, m = train.among, held_out.among
    size = m * a + n * b
    balanced = m * a / size
    share = (1 - a - b) / 2 + (a + b) * balanced
    bend = (a + b) * n * m / size**2
    slopes = balanced - 0.5 + bend * b, balanced - 0.5 - bend * a  # of the share, by a and by b
    influence = slopes[0] * near_train + slopes[1] * near_other
    return share, influence.std().item() / math.sqrt(len(influence)) if len(influence) > 1 else math.inf


def train_share_interval(train: Neighbours, held_out: Neighbours) -> tuple[float, float]:
    """The 95 % interval of ``train_share`` over samples, training events and held-out events, all drawn anew.

    Args:
        train: The samples' neighbours among training events.
        held_out: The same samples' neighbours among held-out events.

    Returns:
        Its low and its high end, the share between them.
    """
    log_odds, variance, ties = 0.0, 0.0, 1.0
    for sign, near, found in zip((1, -1), _nearer(train, held_out), (train, held_out), strict=True):
        counts = torch.bincount(found.index[near]).double()  # of samples, for each event that is nearest to some
        total = counts.sum().item() + 0.5
        log_odds += sign * math.log(total / found.among)
        variance += (counts.square().sum().item() + 0.5) / total**2
        ties -= near.double().mean().item()
    ends = [ties / 2 + (1 - ties) / (1 + math.exp(z * math.sqrt(variance) - log_odds)) for z in (NORMAL_95, -NORMAL_95)]
    share = train_share(train, held_out)[0]
    return min(ends[0], share), max(ends[1], share)


def _nearer(train: Neighbours, held_out: Neighbours) -> tuple[Tensor, Tensor]:
    """Which samples are nearer to the training set, and which to the held-out one: neither where they are as near."""
    is_tied = torch.isclose(train.distance, held_out.distance, rtol=1e-9, atol=0.0)
    near_train = (train.distance < held_out.distance) & ~is_tied
    return near_train, ~near_train & ~is_tied
