"""The classifier two-sample test: can a small network tell samples from real data?

It learns on one half of both sets and is judged on the other, then the halves change places; all of it over several
splits into halves, whose areas are averaged. The value is the area under the ROC curve: the probability that a random
sample looks more like a sample than a random real event does. 0.5 is perfect, and below it is chance too; 1 is
saturated, as any artefact suffices, and no longer ranks models. The error is DeLong's for one half, as each half also
trained the other's judge: the areas are far from independent.

References:
    Revisiting Classifier Two-Sample Tests (Lopez-Paz, Oquab, 2017) https://arxiv.org/abs/1610.06545
    Comparing the Areas under Two or More Correlated ROC Curves (DeLong et al., 1988)
    https://doi.org/10.2307/2531595
"""

import statistics

import torch
from torch import Tensor, nn

from ptheta.metrics.features import in_order, learn
from ptheta.noise import seeded, seeded_generator

__all__ = ["area_under_curve", "two_sample_test"]

Pair = tuple[Tensor, Tensor]


def two_sample_test(real: Tensor, fake: Tensor, *, splits: int = 3, seed: int = 0) -> tuple[float, float]:
    """Judges how well a small network tells two sets apart on events it has not seen.

    Args:
        real: Features with shape (n, d).
        fake: Features with shape (m, d).
        splits: How many random splits into halves are averaged over.
        seed: Names the halves and the first weights.

    Returns:
        The area under the ROC curve and its standard error.
    """
    if min(len(real), len(fake)) < 4:
        raise ValueError(f"a two-sample test needs at least 4 events of each, but has {len(real)} and {len(fake)}.")
    generator, folds = seeded_generator(seed), []
    real, fake = in_order(real), in_order(fake)
    for split in range(splits):
        first, second = zip(*(_halves(x, generator) for x in (real, fake)), strict=True)  # (real, fake) each
        folds += [_judge(first, second, seed + split), _judge(second, first, seed + split)]
    areas, errors = zip(*folds, strict=True)
    return statistics.fmean(areas), statistics.fmean(errors)


def area_under_curve(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """The probability that a sample has the higher score, ties counting one half, and its standard error.

    Args:
        real: Scores of real events with shape (n,).
        fake: Scores of samples with shape (m,).

    Returns:
        The area under the ROC curve and its standard error by DeLong's method.
    """
    wins = (fake[:, None] > real).double() + 0.5 * (fake[:, None] == real).double()  # (m, n)
    variance = wins.mean(1).var() / len(fake) + wins.mean(0).var() / len(real)
    return wins.mean().item(), variance.sqrt().item()


def _halves(x: Tensor, generator: torch.Generator) -> Pair:
    order = torch.randperm(len(x), generator=generator)
    return x[order[0::2]], x[order[1::2]]


def _judge(train: Pair, test: Pair, seed: int) -> tuple[float, float]:
    x = torch.cat(train)
    mean, scale = x.mean(0), x.std(0).clamp(min=1e-6 * x.std().item() + 1e-12)
    y = torch.cat([torch.zeros(len(train[0]), dtype=torch.int64), torch.ones(len(train[1]), dtype=torch.int64)])
    with seeded(seed):
        net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    learn(net, ((x - mean) / scale).float(), y, steps=min(400, max(100, len(x) // 4)), seed=seed, decay=0.1)
    with torch.no_grad():
        real, fake = (net(((part - mean) / scale).float()).diff(dim=1)[:, 0] for part in test)
    return area_under_curve(real, fake)
