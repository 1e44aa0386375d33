"""Maximum mean discrepancies: two clouds compared through a kernel.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)

estimated without bias by leaving out pairs of an event with itself, so it is zero on average for identical
distributions at any n, and may be negative. It costs O(n^2 d) time, and memory for a tile of pairs at a time.

    kernel distance  k(x, y) = (x . y / d + 1)^3, which compares the first three moments of the features
    mmd              a Gaussian kernel as wide as the median distance (of at most 2000 events), with a p-value by
                     permutation

References:
    Demystifying MMD GANs (Binkowski et al., 2018) https://arxiv.org/abs/1801.01401
    A Kernel Two-Sample Test (Gretton et al., 2012) https://jmlr.org/papers/v13/gretton12a.html
"""

import torch
from torch import Tensor

from ptheta.metrics.distances import TILE, tiles
from ptheta.metrics.features import in_order
from ptheta.noise import seeded_generator

__all__ = ["kernel_distance", "kernel_distances", "mmd"]

WIDTH_FROM = 2000  # events whose pairs give the median distance


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """The unbiased squared discrepancy under the cubic kernel, over all pairs rather than random subsets.

    Args:
        real: Features with shape (n, d).
        fake: Features with shape (m, d).

    Returns:
        The distance; 0 is perfect, and slightly negative values are chance.
    """
    return kernel_distances(real, fake, *(torch.ones(1, len(x), dtype=torch.bool) for x in (real, fake))).item()


def kernel_distances(real: Tensor, fake: Tensor, real_parts: Tensor, fake_parts: Tensor) -> Tensor:
    """Kernel distances of many parts of two sets at once, at little more than the cost of one.

    Args:
        real: Features with shape (n, d).
        fake: Features with shape (m, d).
        real_parts: Which real events are in each part, bool with shape (parts, n).
        fake_parts: Which samples are in each part, bool with shape (parts, m).

    Returns:
        The distance of each part, with shape (parts,).
    """
    real, fake, real_in, fake_in = (x.double() for x in (real, fake, real_parts, fake_parts))
    cross = _sums_of_kernels(real, fake, real_in, fake_in) / (real_in.sum(1) * fake_in.sum(1))
    return _mean_off_diagonal(real, real_in) + _mean_off_diagonal(fake, fake_in) - 2 * cross


def mmd(real: Tensor, fake: Tensor, *, permutations: int = 200, seed: int = 0) -> tuple[float, float]:
    """The unbiased squared discrepancy under a Gaussian kernel, and how surprising it is.

    Args:
        real: Features with shape (n, d).
        fake: Features with shape (m, d).
        permutations: How many random relabellings to compare with.
        seed: Names them.

    Returns:
        The discrepancy, and its p-value: the share of relabellings, this one included, that reach it.
    """
    both = torch.cat([in_order(real), in_order(fake)])
    n, total = len(real), len(real) + len(fake)
    generator = seeded_generator(seed)
    orders = [torch.arange(total), *(torch.randperm(total, generator=generator) for _ in range(permutations))]
    first = torch.stack([(order < n).double() for order in orders])  # (permutations + 1, total)
    second, m, scale = 1 - first, total - n, _twice_the_median(both)
    ff = ss = cross = torch.zeros(len(orders), dtype=torch.float64)
    for rows, squared in tiles(both, both):
        kernel = squared.div_(-scale).exp_() if scale else torch.ones_like(squared)
        kernel[torch.arange(len(kernel)), torch.arange(rows.start, rows.stop)] = 0.0
        firsts, seconds = first[:, rows] @ kernel, second[:, rows] @ kernel
        ff, ss = ff + (firsts * first).sum(1), ss + (seconds * second).sum(1)
        cross = cross + (firsts * second).sum(1)
    values = ff / (n * (n - 1)) + ss / (m * (m - 1)) - 2 * cross / (n * m)
    return values[0].item(), (values >= values[0] - 1e-12).double().mean().item()


def _sums_of_kernels(x: Tensor, y: Tensor, x_in: Tensor, y_in: Tensor) -> Tensor:
    """The sums of (x . y / d + 1)^3 over the pairs of each part, with shape (parts,)."""
    total, one = torch.zeros(len(x_in), dtype=x.dtype), torch.ones((), dtype=x.dtype)
    rows = max(1, TILE // len(y))
    for part, part_in in zip(x.split(rows), x_in.split(rows, 1), strict=True):
        base = torch.addmm(one, part, y.T, alpha=1 / x.shape[1])  # x . y / d + 1
        total += (part_in @ base.pow(3) * y_in).sum(1)
    return total


def _mean_off_diagonal(x: Tensor, x_in: Tensor) -> Tensor:
    """The mean kernel of pairs of two different events of each part, with shape (parts,)."""
    itself = x_in @ (x.square().sum(1) / x.shape[1] + 1).pow(3)
    n = x_in.sum(1)
    return (_sums_of_kernels(x, x, x_in, x_in) - itself) / (n * (n - 1))


def _twice_the_median(x: Tensor) -> float:
    """Twice the median squared distance between different points; 0 where all are equal."""
    some = x[torch.linspace(0, len(x) - 1, min(len(x), WIDTH_FROM), dtype=torch.float64).long()]
    squared = torch.cdist(some, some).square()
    apart = squared[squared > 0]
    return 2 * apart.median().item() if len(apart) else 0.0
