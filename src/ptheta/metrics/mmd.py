"""Maximum mean discrepancies: two clouds compared through a kernel.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)

estimated without bias by leaving out pairs of an event with itself, so it is zero on average for identical
distributions at any n, and may be negative. It costs O(n^2 d).

    kernel distance  k(x, y) = (x . y / d + 1)^3, which compares the first three moments of the features
    mmd              a Gaussian kernel as wide as the median distance, with a p-value by permutation

References:
    Demystifying MMD GANs (Binkowski et al., 2018) https://arxiv.org/abs/1801.01401
    A Kernel Two-Sample Test (Gretton et al., 2012) https://jmlr.org/papers/v13/gretton12a.html
"""

import torch
from torch import Tensor

from ptheta.metrics.features import in_order

__all__ = ["kernel_distance", "mmd"]


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """The unbiased squared discrepancy under the cubic kernel, over all pairs rather than random subsets.

    Args:
        real: Features with shape (n, d).
        fake: Features with shape (m, d).

    Returns:
        The distance; 0 is perfect, and slightly negative values are chance.
    """
    real, fake = real.double(), fake.double()
    d = real.shape[1]

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        base = torch.addmm(torch.ones((), dtype=x.dtype), x, y.T, alpha=1 / d)  # x . y / d + 1
        return base * base * base

    within = _off_diagonal(kernel(real, real)) + _off_diagonal(kernel(fake, fake))
    return (within - 2 * kernel(real, fake).mean()).item()


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
    squared = torch.cdist(both, both).square()
    kernel = torch.exp(-squared / (2 * squared[squared > 0].median())) if bool((squared > 0).any()) else squared + 1
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.arange(total), *(torch.randperm(total, generator=generator) for _ in range(permutations))]
    first = torch.stack([(order < n).double() for order in orders])  # (permutations + 1, total)
    second = 1 - first
    diagonal, m = kernel.diagonal(), total - n
    ff, ss = ((side @ kernel * side).sum(1) - side @ diagonal for side in (first, second))
    cross = (first @ kernel * second).sum(1)
    values = ff / (n * (n - 1)) + ss / (m * (m - 1)) - 2 * cross / (n * m)
    return values[0].item(), (values >= values[0] - 1e-12).double().mean().item()


def _off_diagonal(kernel: Tensor) -> Tensor:
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))
