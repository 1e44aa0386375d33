"""How alike the rows of two tables are, column by column and pair by pair.

    margins        of numbers the Kolmogorov-Smirnov distance, of names (a blank among them) the total variation

                   sup_t |F(t) - G(t)|          1/2 sum_k |p_k - q_k|

    associations   how much two columns have to do with one another, between 0 and 1: of two numbers |correlation of
                   ranks|, of two columns of names Cramér's V without its bias, of both the correlation ratio of ranks

Both are 0 where the tables are alike and at most 1. Two samples of one table differ too, by about 1 / sqrt(n): so they
mean something beside the same of real rows only.

References:
    A bias-correction for Cramér's V and Tschuprow's T (Bergsma, 2013) https://doi.org/10.1016/j.jkss.2012.10.002
"""

import math

import torch
from torch import Tensor

from ptheta.spaces import Table

__all__ = ["association_table", "margin_distances"]


def margin_distances(space: Table, real: Tensor, fake: Tensor) -> Tensor:
    """How far each column of some rows is from that of others.

    Args:
        space: The table.
        real: Rows with shape (n, D).
        fake: Rows with shape (m, D).

    Returns:
        A distance of each column between 0 and 1, with shape (D,). A column of numbers that are blank more or less
        often is at least as far as the shares of blanks.
    """
    found = []
    for d, f in enumerate(space.fields):
        a, b = real[:, d], fake[:, d]
        if f.is_number:
            blank = abs(float(a.isnan().double().mean()) - float(b.isnan().double().mean()))
            found.append(max(blank, _kolmogorov(a[~a.isnan()], b[~b.isnan()])))
            continue
        p, q = (torch.bincount(f.outcome(x), minlength=max(f.outcomes, 1)).double() / len(x) for x in (a, b))
        found.append(float((p - q).abs().sum()) / 2)
    return torch.tensor(found, dtype=torch.float64)


def _kolmogorov(a: Tensor, b: Tensor) -> float:
    """The largest difference between two distribution functions; 0 where one of them has nothing."""
    if not len(a) or not len(b):
        return 0.0
    line = torch.cat([a, b]).sort().values
    steps = [torch.searchsorted(x.sort().values, line, right=True).double() / len(x) for x in (a, b)]
    return float((steps[0] - steps[1]).abs().max())


def association_table(space: Table, x: Tensor) -> Tensor:
    """How much each two columns of rows (n, D) have to do with one another, between 0 and 1, with shape (D, D).

    Rows with a blank among numbers are left out of the pairs of that column; a blank among names is a name.
    """
    d = len(space.fields)
    out = torch.eye(d, dtype=torch.float64)
    codes = [None if f.is_number else f.outcome(x[:, k]) for k, f in enumerate(space.fields)]
    for i in range(d):
        for j in range(i):
            a, b = (x[:, k] if codes[k] is None else codes[k] for k in (i, j))
            assert a is not None and b is not None
            known = ~(a.double().isnan() | b.double().isnan())
            a, b = a[known], b[known]
            if len(a) < 3:
                continue
            if codes[i] is None and codes[j] is None:
                value = abs(_correlation(_ranks(a), _ranks(b)))
            elif codes[i] is not None and codes[j] is not None:
                value = _cramer(a, b)
            else:
                value = _ratio(_ranks(a), b) if codes[i] is None else _ratio(_ranks(b), a)
            out[i, j] = out[j, i] = value
    return out


def _ranks(x: Tensor) -> Tensor:
    """The mean rank of each of n numbers among them all."""
    _, place, counts = x.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() - 1) / 2)[place]


def _correlation(a: Tensor, b: Tensor) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size else 0.0


def _cramer(a: Tensor, b: Tensor) -> float:
    """Cramér's V of codes (n,), without its bias."""
    _, a = a.unique(return_inverse=True)
    _, b = b.unique(return_inverse=True)
    rows, columns, n = int(a.max()) + 1, int(b.max()) + 1, len(a)
    if min(rows, columns) < 2:
        return 0.0
    counts = torch.bincount(a * columns + b, minlength=rows * columns).double().view(rows, columns)
    expected = counts.sum(1, keepdim=True) * counts.sum(0) / n
    phi = float(((counts - expected).square() / expected).sum()) / n
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1) for r in (rows, columns)) - 1
    return min(1.0, math.sqrt(phi / least)) if least > 0 else 0.0


def _ratio(values: Tensor, codes: Tensor) -> float:
    """The correlation ratio: the root of the share of the variance of numbers (n,) that is between codes."""
    total = float((values - values.mean()).square().sum())
    if not total:
        return 0.0
    _, place, counts = codes.unique(return_inverse=True, return_counts=True)
    means = torch.zeros(len(counts), dtype=torch.float64).index_add_(0, place, values.double()) / counts
    return math.sqrt(min(1.0, float((counts * (means - values.mean()).square()).sum()) / total))
