"""How strongly the columns of a table hang together, two by two, whatever their kinds.

Each column is cut into at most ten groups: names as they are, the rest beyond the nine commonest together; numbers at
their quantiles; blank cells a group of their own. Of the table of counts n_ab of two columns with r and s groups,

    phi^2 = sum_ab (n_ab - n_a n_b / n)^2 / (n n_a n_b),      V = sqrt(phi~^2 / min(r~ - 1, s~ - 1)),

where what chance alone would give is taken off (Bergsma): phi~^2 = max(0, phi^2 - (r-1)(s-1)/(n-1)), and r~, s~ shrunk
alike. V is 0 where columns are independent and 1 where each tells the other.

It costs n D and D^2 products of n by ten.

References:
    A bias-correction for Cramer's V and Tschuprow's T (Bergsma, 2013) https://doi.org/10.1016/j.jkss.2012.10.002
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.spaces import Table

__all__ = ["associations", "grouped"]

GROUPS = 10


def associations(x: Tensor, space: Table, like: Tensor | None = None) -> Tensor:
    """Bias-corrected Cramer's V of all pairs of columns.

    Args:
        x: Rows with shape (n, D).
        space: The table.
        like: Rows whose groups are used, so that two tables can be compared; those of ``x`` if None.

    Returns:
        Numbers from 0 to 1, float64 with shape (D, D); 0 for columns of one group, 1 on the diagonal of others.
    """
    groups = grouped(x, space, like)
    n, d = groups.shape
    hot = F.one_hot(groups, GROUPS + 2).double()  # (n, D, G)
    share = hot.mean(0)
    seen = (share > 0).sum(1).double()  # groups of each column
    found = torch.eye(d, dtype=torch.float64)
    shrunk = (seen - (seen - 1).square() / max(n - 1, 1)).clamp(min=1)
    for i in range(d - 1):
        both = torch.einsum("na,ndb->dab", hot[:, i], hot[:, i + 1 :]) / n
        alone = share[i][None, :, None] * share[i + 1 :, None, :]
        phi = torch.where(alone > 0, (both - alone).square() / alone.clamp(min=1e-300), 0.0).sum((1, 2))
        chance = (seen[i] - 1) * (seen[i + 1 :] - 1) / max(n - 1, 1)
        least = torch.minimum(shrunk[i], shrunk[i + 1 :]) - 1
        v = torch.where(least > 0, (phi - chance).clamp(min=0) / least.clamp(min=1e-12), 0.0).sqrt().clamp(max=1)
        found[i, i + 1 :] = found[i + 1 :, i] = v
    constant = seen < 2
    found[constant] = 0.0
    found[:, constant] = 0.0
    return found


def grouped(x: Tensor, space: Table, like: Tensor | None = None) -> Tensor:
    """The group of each cell of rows (n, D), int64 with shape (n, D), below ``GROUPS`` + 2."""
    like = x if like is None else like
    return torch.stack([_groups(x[:, d], like[:, d], f.is_number) for d, f in enumerate(space.fields)], 1)


def _groups(cells: Tensor, like: Tensor, is_number: bool) -> Tensor:
    blank, known = cells.isnan(), like[~like.isnan()]
    if not len(known):
        return torch.where(blank, GROUPS + 1, 0)
    values, counts = known.unique(return_counts=True)
    if is_number and len(values) > GROUPS:
        cuts = known.quantile(torch.arange(1, GROUPS, dtype=known.dtype) / GROUPS).unique()
        code = torch.bucketize(cells.nan_to_num(), cuts)
    else:
        commonest = values[counts.argsort(descending=True, stable=True)[:GROUPS]].sort().values
        place = torch.searchsorted(commonest, cells.nan_to_num().contiguous()).clamp(max=len(commonest) - 1)
        code = torch.where(commonest[place] == cells, place, GROUPS)
    return torch.where(blank, GROUPS + 1, code)
