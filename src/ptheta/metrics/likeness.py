"""How alike the rows of two tables are, column by column; pair by pair see ``association``.

    margins        of numbers the Kolmogorov-Smirnov distance, of names (a blank among them) the total variation

                   sup_t |F(t) - G(t)|          1/2 sum_k |p_k - q_k|

It is 0 where the tables are alike and at most 1. Two samples of one table differ too, by about 1 / sqrt(n): so they
mean something beside the same of real rows only.
"""

import torch
from torch import Tensor

from ptheta.spaces import Table

__all__ = ["margin_distances"]


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
