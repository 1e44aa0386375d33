"""Squared distances between many events, a tile at a time, and how far rounding may move them.

    |x - y|^2 = |x|^2 + |y|^2 - 2 x . y

is a product of matrices, which is fast; but where x and y are equal it comes to a few roundings of |x|^2, not to 0.
Whoever compares distances for ties adds ``rounding``.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["TILE", "rounding", "tiles"]

TILE = 4_000_000  # distances held at a time
SAFE = 16.0  # units of rounding; up to 11 were seen, in 2 to 3072 dimensions


def tiles(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yields squared distances from a few rows of x to all of y, in the numbers' own precision.

    Args:
        x: Points with shape (n, d).
        y: Points with shape (m, d).

    Yields:
        Which rows of x, and their squared distances with shape (rows, m); rounding may take them below 0.
    """
    rows = max(1, TILE // max(1, len(y)))
    norms = y.square().sum(1)
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        squared = torch.addmm(norms, part, y.T, alpha=-2).add_(part.square().sum(1, keepdim=True))
        yield slice(start, start + len(part)), squared


def rounding(x: Tensor, reach: Tensor) -> Tensor:
    """The most that rounding may add to squared distances from points to what lies within reach of them.

    Args:
        x: Points with shape (n, d).
        reach: How far from each, squared, with shape (n,).

    Returns:
        Bounds on the error of ``tiles``, with shape (n,).
    """
    largest = x.square().sum(1) + reach.clamp(min=0)  # |y|^2 <= 2 |x|^2 + 2 |x - y|^2
    return SAFE * torch.finfo(x.dtype).eps * largest
