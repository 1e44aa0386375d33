"""Rows of a table as normal scores of their numbers and codes of their names.

A monotone map g makes a column of numbers nearly a standard Gaussian, its normal scores.

With F the distribution function of training cells, straight between a few hundred knots,

    g(x) = Phi^-1(F(x)) + SLOPE (x - mean) / scale  between knots,    z_end + asinh((x - x_end) / scale)  beyond them,

so that g is one to one on the whole line, whatever cells come. A whole number k is the interval from g(k - 1/2) to
g(k + 1/2), wide where many rows have it: its score is the one in the middle of the interval's probability.

A column of numbers that may be blank has a code besides, of two values; a column that is always the same has none.
"""

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ptheta.distributions.columns import cell_of
from ptheta.spaces import Column, Table

__all__ = ["NormalScores", "Parts"]

KNOTS = 256
SLOPE = 1e-2  # of g where no cell was seen
FARTHEST = 60.0


@final
class Parts(NamedTuple):
    """Rows taken apart: scores of N columns of numbers, (B, N), and C codes, int64 with shape (B, C)."""

    scores: Tensor
    codes: Tensor


@final
class NormalScores(nn.Module):
    """Takes rows apart, and puts them together.

    Args:
        space: The table.
    """

    at: Tensor
    score: Tensor

    def __init__(self, space: Table) -> None:
        super().__init__()
        self.table = space.fields
        self.columns = [d for d, f in enumerate(space.fields) if f.is_number]
        self.fields = [space.fields[d] for d in self.columns]
        sizes = [(f.blank is not None) + 1 if f.is_number else f.outcomes for f in space.fields]
        self.coded = [(d, k) for d, k in enumerate(sizes) if k > 1]  # the column of each code, and its values
        line = torch.linspace(-1, 1, KNOTS, dtype=torch.float64)
        self.register_buffer("score", line.repeat(len(self.fields), 1))
        self.register_buffer("at", torch.stack([f.mean + f.scale * line for f in self.fields] or [line])[: len(self)])

    def __len__(self) -> int:
        return len(self.fields)

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Sets the maps from rows (n, D)."""
        for i, (d, f) in enumerate(zip(self.columns, self.fields, strict=True)):
            known = x[:, d][~x[:, d].isnan()].double()
            if len(known):
                self.at[i], self.score[i] = knots_of(f, known)

    def parts(self, x: Tensor, dtype: torch.dtype) -> Parts:
        """Rows (B, D) as scores and codes."""
        scores = [self.embed(i, x[:, d]) for i, d in enumerate(self.columns)]
        codes = [
            x[:, d].isnan().long() if self.table[d].is_number else self.table[d].outcome(x[:, d]) for d, _ in self.coded
        ]
        none = x.new_zeros(len(x))
        return Parts(torch.stack([none, *scores], 1)[:, 1:].to(dtype), torch.stack([none.long(), *codes], 1)[:, 1:])

    def rows(self, parts: Parts) -> Tensor:
        """Scores and codes as rows, with shape (B, D)."""
        columns = {d: self.project(i, parts.scores[:, i]) for i, d in enumerate(self.columns)}
        for j, (d, _) in enumerate(self.coded):
            f, code = self.table[d], parts.codes[:, j]
            if f.is_number:
                columns[d] = torch.where(code == 1, torch.nan, columns[d])
            else:
                columns[d] = torch.where(code < len(f.names), code.double(), torch.nan)
        same = parts.scores.new_zeros(len(parts.scores)).double()
        return torch.stack([columns.get(d, same if f.names else same + torch.nan) for d, f in enumerate(self.table)], 1)

    def scores(self, i: int, values: Tensor) -> Tensor:
        """g of values (B,) of the i-th column of numbers, with shape (B,): float64."""
        at, score, scale = self.at[i], self.score[i], self.fields[i].scale
        inside = values.double().clamp(at[0], at[-1])
        j = torch.searchsorted(at, inside).clamp(1, KNOTS - 1)
        part = (inside - at[j - 1]) / (at[j] - at[j - 1])
        return score[j - 1] + part * (score[j] - score[j - 1]) + ((values.double() - inside) / scale).asinh()

    def log_slope(self, i: int, values: Tensor) -> Tensor:
        """log g' of values (B,), per unit of the column, with shape (B,)."""
        at, score, scale = self.at[i], self.score[i], self.fields[i].scale
        inside = values.double().clamp(at[0], at[-1])
        j = torch.searchsorted(at, inside).clamp(1, KNOTS - 1)
        slope = (score[j] - score[j - 1]) / (at[j] - at[j - 1])
        beyond = (values.double() - inside) / scale
        outer = 1 / (scale * (1 + beyond.square()).sqrt())
        return torch.where(beyond == 0, slope, outer).log()

    def ends(self, i: int, cells: Tensor) -> tuple[Tensor, Tensor]:
        """The scores between which whole numbers (B,) lie; the least one takes the tail below it."""
        f = self.fields[i]
        low, high = (self.scores(i, cells + half) for half in (-0.5, 0.5))
        return low if f.least is None else torch.where(cells <= f.least, -torch.inf, low), high

    def embed(self, i: int, cells: Tensor) -> Tensor:
        """The score of each cell (B,), 0 where it is blank: float64 with shape (B,)."""
        f = self.fields[i]
        known = torch.where(cells.isnan(), f.mean, cells)
        if f.kind == "number":
            found = self.scores(i, known)
        else:
            low, high = self.ends(i, known.round())
            flip = low + high > 0  # from the side where the tails keep their digits
            a, b = torch.where(flip, -high, low), torch.where(flip, -low, high)
            middle = torch.special.ndtri((torch.special.ndtr(a) + torch.special.ndtr(b)) / 2)
            middle = torch.where(middle.isinf(), b.clamp(min=-FARTHEST), middle)
            found = torch.where(flip, -middle, middle)
        return torch.where(cells.isnan(), 0.0, found)

    def project(self, i: int, score: Tensor) -> Tensor:
        """The cells of scores (B,), none of them blank, with shape (B,)."""
        at, knots, f = self.at[i], self.score[i], self.fields[i]
        score = score.double().clamp(-FARTHEST, FARTHEST)
        inside = score.clamp(knots[0], knots[-1])
        j = torch.searchsorted(knots, inside).clamp(1, KNOTS - 1)
        part = (inside - knots[j - 1]) / (knots[j] - knots[j - 1])
        value = at[j - 1] + part * (at[j] - at[j - 1]) + f.scale * (score - inside).sinh()
        return cell_of(f, torch.full_like(value, f.rest).long(), (value - f.mean) / f.scale)


def knots_of(f: Column, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Where the knots of a column lie and their scores, ascending, with shape (KNOTS,) each."""
    values, counts = cells.unique(return_counts=True)
    total, upto = len(cells), counts.cumsum(0).double()
    if f.kind == "whole":  # knots between whole numbers, at both sides of each that was seen
        at = torch.stack([values - 0.5, values + 0.5], 1).flatten()
        share = torch.stack([upto - counts, upto], 1).flatten() / total
        kept = torch.cat([at.diff() > 0, torch.tensor([True])])
        at, share = at[kept], share[kept]
    else:
        at, share = values, (upto - counts / 2) / total
    if len(at) > KNOTS:
        chosen = torch.linspace(0, len(at) - 1, KNOTS, dtype=torch.float64).round().long()
        at, share = at[chosen], share[chosen]
    score = torch.special.ndtri(share.clamp(0.5 / total, 1 - 0.5 / total)) + SLOPE * (at - f.mean) / f.scale
    more = torch.arange(1, KNOTS - len(at) + 1, dtype=torch.float64)
    return torch.cat([at, at[-1] + f.scale * more]), torch.cat([score, score[-1] + more])
