"""Products of columns: what mixtures and forests over the rows of a table have in common.

    p(x) = sum_m w_m prod_d p_md(x_d)

Given the component m, the columns are independent. One column has *outcomes* (``ptheta.spaces.Column``): its names, or
the numbers that have a probability of their own, the rest of the numbers, and blank. With P_md over outcomes,

    category, ordered, boolean    p(x) = P(x)
    number                        p(x) = P(rest) N(x; mu, sigma^2), a density in the column's own unit
    whole number                  p(k) = P(k) + P(rest) q(k), a mass:
                                  q(k) = Phi((k + 1/2 - mu) / sigma) - Phi((k - 1/2 - mu) / sigma)
    blank                         p = P(blank): an outcome like others, none where training cells are never blank

q sums to one over all whole numbers; where there is a least one, it takes the tail below. So log p of a row is exact
and normalised with respect to counting measure on whole numbers, codes and blanks and Lebesgue measure on numbers.

Any cells given any others are a mixture of the same components with other weights, so ``complete`` is exact. Blank
cells are known cells there; ``without_blanks`` is the law of what stands in them, if they are missing at random.

Scoring costs B M D; so does a completion. A sample costs D.

Known limits:
    Within a component numbers are Gaussian and columns independent, so sharp dependence takes many components.
"""

import copy
from typing import Self

import torch
from torch import Tensor

from ptheta.distributions.closed_form import CompletedForm, chunks
from ptheta.distributions.heads import inverse_cdf
from ptheta.noise import Noise
from ptheta.spaces import Column, Space, Table, require

__all__ = ["ColumnMixture", "cell_of", "log_between", "log_mass", "margins", "totals"]

IMPOSSIBLE = -1e30  # the log-probability of what cannot be; finite, so that differences stay numbers
NARROWEST = 0.05  # of a step: the least standard deviation of whole numbers
PRIOR = 1.0  # how many rows of all the others each component is mixed with
SMOOTH = 100.0  # steps: a Gaussian so wide has the mass of its density
LOG_ROOT = 0.9189385332046727  # log sqrt(2 pi)
HALF = 0.5  # pseudo-counts that an outcome has over all components


class ColumnMixture(CompletedForm):
    """A mixture of products of columns; how its components are found is for others to say.

    Args:
        space: A table.
        context_space: Classes or None.
        components: How many components it has at first.
        who: What it is called in messages.
    """

    log_weight: Tensor
    log_p: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, space: Space, context_space: Space | None, components: int, who: str) -> None:
        require(space, Table, who=who)
        assert isinstance(space, Table)
        super().__init__(space, context_space, numbers=components)
        if components < 1:
            raise ValueError(f"components should be at least 1, not {components}.")
        self.fields = space.fields
        self.ends = torch.tensor([0, *(max(f.outcomes, 1) for f in space.fields)]).cumsum(0).tolist()
        shape = (self.classes, components)
        log_p = torch.zeros(*shape, self.ends[-1], dtype=torch.float64)
        for low, high in self.spans:
            log_p[..., low:high] = log_p[..., low:high].log_softmax(-1)
        self.register_buffer("log_weight", torch.zeros(shape, dtype=torch.float64).log_softmax(-1))
        self.register_buffer("log_p", log_p)
        self.register_buffer("mean", torch.zeros(*shape, len(space.fields), dtype=torch.float64))
        self.register_buffer("scale", torch.ones(*shape, len(space.fields), dtype=torch.float64))

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where the outcomes of each column lie in the last axis of ``log_p``."""
        return list(zip(self.ends[:-1], self.ends[1:], strict=True))

    @property
    def n_parameters(self) -> int:
        """Per class and component: outcomes less one, two of each column of numbers, and the weights less one."""
        each = sum(max(f.outcomes, 1) - 1 + 2 * (f.has_rest and not is_dense(f)) for f in self.fields)
        return self.log_weight.shape[0] * (self.log_weight.shape[1] * (each + 1) - 1)

    def joint(self, cells: Tensor, c: int, known: Tensor | None = None) -> Tensor:
        """log w_m + log p_m of the known cells (B, D) of class c, with shape (B, M)."""
        total = self.log_weight[c].expand(len(cells), -1).clone()
        for d in range(len(self.fields)):
            term = self.column(cells, c, d)
            total += term if known is None else torch.where(known[:, d, None], term, 0.0)
        return total

    def column(self, cells: Tensor, c: int, d: int) -> Tensor:
        """log p of the cells of column d of rows (B, D) under each component of class c, with shape (B, M)."""
        f, (low, high) = self.fields[d], self.spans[d]
        if high - low == 1 and not f.has_rest:
            return cells.new_zeros(len(cells), self.log_p.shape[1])  # a constant
        return column_log_prob(f, cells[:, d], self.log_p[c, :, low:high], self.mean[c, :, d], self.scale[c, :, d])

    @torch.no_grad()
    def given_others(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p of each cell given all other cells of its row, exact.

            p(x_d | x_others) = sum_m v_m p_md(x_d),    v_m proportional to w_m prod_{e != d} p_me(x_e)

        Args:
            x: Rows with shape (B, D).
            context: One class per row, or None.

        Returns:
            Nats with shape (B, D): masses, and densities in the unit of a column of numbers.
        """
        self.check(x, context)
        classes = torch.zeros(len(x), dtype=torch.int64) if context is None else context
        out = self.log_weight.new_zeros(x.shape)
        for c, found in self.per_class(classes):
            for part in chunks(len(found), 2 * x.shape[1] * self.log_weight.shape[1]):
                rows = found[part]
                terms = torch.stack([self.column(x[rows], c, d) for d in range(x.shape[1])])  # (D, B, M)
                none = torch.zeros_like(terms[:1])
                before = torch.cat([none, terms[:-1]]).cumsum(0)
                after = torch.cat([none, terms.flip(0)[:-1]]).cumsum(0).flip(0)
                others = self.log_weight[c] + before + after
                out[rows] = ((others + terms).logsumexp(2) - others.logsumexp(2)).T
        return torch.where(out < IMPOSSIBLE / 2, -torch.inf, out)

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        out = self.log_weight.new_zeros(len(cells))
        for c, rows in self.per_class(classes):
            out[rows] = self.joint(cells[rows], c).logsumexp(1)
        return torch.where(out < IMPOSSIBLE / 2, -torch.inf, out)

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        weights = self.log_weight[classes]
        return self._drawn(classes, weights, noise, 1.0)

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        weights = self.log_weight.new_zeros(len(cells), self.log_weight.shape[1])
        for c, rows in self.per_class(classes):
            weights[rows] = self.joint(cells[rows], c, known[rows])
        return torch.where(known, cells, self._drawn(classes, weights / temperature, noise, temperature))

    def _drawn(self, classes: Tensor, weights: Tensor, noise: Noise, temperature: float) -> Tensor:
        """Rows from components drawn by their log-weights (B, M), with shape (B, D)."""
        n, d = len(classes), len(self.fields)
        m = inverse_cdf(weights, noise.uniform((n,), "component", like=self.log_p))
        u = noise.uniform((n, d, 2), "cells", like=self.log_p)
        columns = []
        for k, (f, (low, high)) in enumerate(zip(self.fields, self.spans, strict=True)):
            code = inverse_cdf(self.log_p[classes, m, low:high] / temperature, u[:, k, 0])
            z = torch.special.ndtri(u[:, k, 1]) * temperature**0.5
            columns.append(cell_of(f, code, self.mean[classes, m, k] + self.scale[classes, m, k] * z))
        return torch.stack(columns, 1)

    def without_blanks(self) -> Self:
        """The same law of cells that are never blank: of what stands in blank cells, where they miss at random."""
        other = copy.deepcopy(self)
        for f, (low, high) in zip(self.fields, self.spans, strict=True):
            if f.blank is not None and high - low > 1:
                other.log_p[..., high - 1] = IMPOSSIBLE
                other.log_p[..., low:high] = other.log_p[..., low:high].log_softmax(-1)
        return other


def is_dense(f: Column) -> bool:
    """Whether every number seen has a level of its own: the rest is then the same for all components."""
    return f.kind == "whole" and len(f.levels) > 1 and f.levels[-1] - f.levels[0] == len(f.levels) - 1


def column_log_prob(f: Column, cells: Tensor, log_p: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """log p of the cells (B,) of a column under M components, with shape (B, M).

    Args:
        f: The column.
        cells: Its cells.
        log_p: The log-probabilities of its outcomes, with shape (M, K).
        mean: The means of the rest, in standard units, with shape (M,).
        scale: Their standard deviations.

    Returns:
        log p of each cell under each component, with shape (B, M): a mass, or a density in the column's unit.
    """
    code = f.outcome(cells)
    term = log_p.T[code]  # (B, M)
    if not f.has_rest:
        return term
    blank = cells.isnan()[:, None]
    value = cells.nan_to_num(f.mean)
    if f.kind == "number":
        z = ((value[:, None] - f.mean) / f.scale - mean) / scale
        density = -0.5 * z.square() - (scale * f.scale).log() - LOG_ROOT
        return torch.where(blank, term, term + density)
    if is_dense(f):
        mean, scale = mean[:1], scale[:1]
    mass = log_mass(value, f.mean + f.scale * mean, f.scale * scale, f.least)  # (B, M)
    rest = log_p[:, f.rest] + mass
    if f.levels:
        rest = torch.where((code < f.rest)[:, None], torch.logaddexp(term, rest), rest)
    return rest if f.blank is None else torch.where(blank, term, rest)


def log_mass(k: Tensor, mean: Tensor, scale: Tensor, least: int | None) -> Tensor:
    """log of a Gaussian's mass on each whole number (B,), for means and deviations (M,), with shape (B, M).

    The least number takes the tail below it, and numbers below it have none. Where a deviation is more than ``SMOOTH``
    steps, the density stands for the mass: they differ by (z^2 - 1) / (24 scale^2) of it, and densities at whole
    numbers sum to one as well, to within exp(-2 pi^2 scale^2) (Poisson's summation), at a tenth of the cost.
    """
    z = (k[:, None] - mean) / scale
    inside = -0.5 * z.square() - (scale.log() + LOG_ROOT)
    narrow = scale <= SMOOTH
    if bool(narrow.any()):
        low, high = ((k[:, None] + half - mean[narrow]) / scale[narrow] for half in (-0.5, 0.5))
        inside[:, narrow] = log_between(low, high)
    inside = inside.clamp(min=IMPOSSIBLE)
    if least is None:
        return inside
    ends = k == least
    inside[ends] = torch.special.log_ndtr((least + 0.5 - mean) / scale).clamp(min=IMPOSSIBLE)
    inside[k < least] = IMPOSSIBLE
    return inside


def log_between(low: Tensor, high: Tensor) -> Tensor:
    """log of a standard Gaussian's mass between two ends, of one shape: ``IMPOSSIBLE`` where float64 has none."""
    flip = low > 0  # the tail where a difference of logarithms keeps its digits
    a, b = torch.where(flip, -high, low), torch.where(flip, -low, high)
    top, bottom = torch.special.log_ndtr(b), torch.special.log_ndtr(a)
    inside = top + torch.log(-torch.expm1((bottom - top).clamp(max=-1e-300)))
    return inside.nan_to_num(IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE).clamp(min=IMPOSSIBLE)


def cell_of(f: Column, code: Tensor, rest: Tensor) -> Tensor:
    """The cells (n,) of outcomes, where ``rest`` are numbers in standard units."""
    if f.is_number:
        value = rest * f.scale + f.mean
        if f.kind == "whole":
            value = value.round() if f.least is None else value.round().clamp(min=f.least)
            levels = torch.tensor((*f.levels, 0), dtype=value.dtype, device=value.device)
            value = torch.where(code < f.rest, levels[code.clamp(max=f.rest)], value)
    else:
        value = code.to(rest.dtype)
    return value if f.blank is None else torch.where(code == f.outcomes - 1, torch.nan, value)


def totals(fields: tuple[Column, ...], cells: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the components' margins follow from, weighted by responsibilities.

    Args:
        fields: The columns.
        cells: Rows with shape (B, D).
        r: How much each row belongs to each component, with shape (B, M).

    Returns:
        Counts of outcomes with shape (M, F); sums and sums of squares of the rest in standard units, (M, D) each.
    """
    counts, first, second = [], [], []
    for d, f in enumerate(fields):
        code = f.outcome(cells[:, d])
        counts.append(r.new_zeros(max(f.outcomes, 1), r.shape[1]).index_add_(0, code.clamp(min=0), r))
        if f.has_rest and not is_dense(f):
            inside = (code == f.rest)[:, None]
            v = ((cells[:, d] - f.mean) / f.scale).nan_to_num()[:, None]
            first.append((r * inside * v).sum(0))
            second.append((r * inside * v.square()).sum(0))
        else:
            first.append(r.new_zeros(r.shape[1]))
            second.append(r.new_zeros(r.shape[1]))
    return torch.cat(counts).T, torch.stack(first, 1), torch.stack(second, 1)


def margins(fields: tuple[Column, ...], sums: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The margins of components from their totals, each mixed with a little of all of them together.

    Args:
        fields: The columns.
        sums: Counts, first and second moments, as ``totals`` returns them.

    Returns:
        log_p with shape (M, F), mean and scale with shape (M, D).
    """
    counts, first, second = sums
    log_p, means, scales, start = [], [], [], 0
    for d, f in enumerate(fields):
        own = counts[:, start : start + max(f.outcomes, 1)]
        start += max(f.outcomes, 1)
        every = own.sum(0) + HALF
        p = own + PRIOR * every / every.sum()
        log_p.append((p / p.sum(1, keepdim=True)).log())
        if not f.has_rest or is_dense(f):
            means.append(torch.zeros_like(first[:, d]))
            scales.append(torch.ones_like(first[:, d]))
            continue
        n = own[:, f.rest]
        whole = float(n.sum())
        centre, spread = (float(first[:, d].sum()) / whole, float(second[:, d].sum()) / whole) if whole else (0.0, 1.0)
        spread = max(spread - centre**2, 1e-6)
        mean = (first[:, d] + 0.01 * PRIOR * centre) / (n + 0.01 * PRIOR)
        square = (second[:, d] - 2 * mean * first[:, d] + n * mean.square()).clamp(min=0)
        variance = (square + PRIOR * spread) / (n + PRIOR)
        if f.kind == "whole":  # rounding has added a twelfth of a step (Sheppard)
            step = 1 / f.scale
            variance = (variance - step**2 / 12).clamp(min=(NARROWEST * step) ** 2)
        means.append(mean)
        scales.append(variance.clamp(min=1e-12).sqrt())
    return torch.cat(log_p, 1), torch.stack(means, 1), torch.stack(scales, 1)
