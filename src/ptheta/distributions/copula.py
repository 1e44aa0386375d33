"""Gaussian copulas: margins of any shape, joined by the correlations of a Gaussian.

With F_i the distribution function of variable i and f_i its density, u_i = F_i(x_i) is uniform and z_i = Phi^-1(u_i)
standard normal: the normal scores of x. The model says that together they are Gaussian, with correlations R,

    log p(x) = log N(z; 0, R) + sum_i log f_i(x_i) - log phi(z_i)                                                   (1)

which is a change of variables, so exact and normalised whatever F is, and its margins are the f_i (Sklar's theorem).

Each margin is a mixture of K Gaussians on the quantiles of the training events, as wide as the quantiles about them lie
apart, times a factor c_i, and of a broad one with the weight of one event, which holds the tails:

    f_i(x) = (1 - w) / K sum_k N(x; q_ik, (c_i s_ik)^2) + w N(x; m_i, (3 s_i)^2),  w = 1 / (n + 1)                 (2)

R is the correlation of the normal scores, drawn towards independence: (1 - a) R + a I. The factors c and the share a
are those that score best on the validation events; without them, on a fifth of the training events held out.

Given some variables the others have a closed form: their normal scores are those of a Gaussian. Scoring costs D K + D^2
per event, sampling D K for each of some ten steps of Newton, which inverts F.

Levels and bits are dequantised: the mass of an event is a Gaussian's over a box of D sides, which has no closed form.
Symbols have no order, so no distribution function.

Not assumed: the shape of any margin. Assumed: that what joins the variables is a Gaussian's, one number for each pair.

Known limits:
    Extremes do not come together: given that one variable is in its tail, another is there with a chance that vanishes.
    A dependence without a trend (a ring, a cross) is not seen.

References:
    Fonctions de répartition à n dimensions et leurs marges (Sklar, 1959)
    An Introduction to Copulas (Nelsen, 2006) https://doi.org/10.1007/0-387-28678-0
    Density Estimation for Statistics and Data Analysis (Silverman, 1986) https://doi.org/10.1201/9781315140919
"""

import math
from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import CompletedForm, chunks
from ptheta.distributions.simple import gaussian_completion, gaussian_log_prob, refuse_empty
from ptheta.noise import Noise, seeded_generator
from ptheta.spaces import Real, Space, require

__all__ = ["GaussianCopula"]

CHOOSING = 1000  # the most events that choose
WIDTHS = (0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.2)  # factors c that are tried
SHRINKAGES = (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0)  # shares a that are tried
FLOOR = 0.03  # the least width of a kernel, in standard deviations: values that come again would make it none
STEPS = 100  # the most that invert a margin

Margins = tuple[Tensor, Tensor, Tensor]  # centres (D, K + 1), widths (D, K + 1), log-weights (K + 1,)


@final
class GaussianCopula(CompletedForm):
    """Variables of any shape joined by the correlations of a Gaussian.

    Args:
        space: Real.
        context_space: Classes or None.
        quantiles: The number K of kernels in each margin.

    Example:
        >>> from ptheta.spaces import Real
        >>> x = torch.linspace(-2, 2, 200, dtype=torch.float64)
        >>> model = GaussianCopula(Real((2,))).fit(torch.stack([x.exp(), x], 1))  # the one a function of the other
        >>> bool(model.factor[0, 1, 0] > 0.99)
        True
    """

    centre: Tensor
    width: Tensor
    log_weight: Tensor
    factor: Tensor

    def __init__(self, space: Space, *, context_space: Space | None = None, quantiles: int = 200) -> None:
        super().__init__(space, context_space, numbers=quantiles + 1)
        require(space, Real, who="GaussianCopula")
        if quantiles < 2:
            raise ValueError(f"quantiles of a GaussianCopula should be at least 2, but it is {quantiles}.")
        self.quantiles, shape = quantiles, (self.classes, space.dimensions, quantiles + 1)
        kernels = torch.zeros(shape, dtype=torch.float64)
        self.register_buffer("centre", kernels)
        self.register_buffer("width", kernels + 1)
        self.register_buffer("log_weight", kernels[:, 0].log_softmax(-1))
        self.register_buffer("factor", torch.eye(space.dimensions, dtype=torch.float64).repeat(self.classes, 1, 1))

    @property
    def n_parameters(self) -> int:
        """K quantiles, a mean, a spread and a factor per variable, a correlation per pair, and a share, per class."""
        d = self.space.dimensions
        return self.classes * (d * (self.quantiles + 3) + d * (d - 1) // 2 + 1)

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        refuse_empty(self, train.context, 2)
        fits = []
        for c, rows in self.per_class(train.context):
            cells = train.x[rows].double()
            held = cells[:0] if valid is None or valid.context is None else valid.x[valid.context == c].double()
            kept = cells
            if not len(held):
                mixed = torch.randperm(len(cells), generator=seeded_generator(seed + c))
                held, kept = cells[mixed[: 1 + len(cells) // 5]], cells[mixed[1 + len(cells) // 5 :]]
            fits.append(_fit(cells, kept, held[:CHOOSING], self.quantiles))
        self.centre, self.width, self.log_weight, self.factor = (torch.stack(t) for t in zip(*fits, strict=True))

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        out = cells.new_zeros(len(cells))
        for c, rows in self.per_class(classes):
            z, log_f = normal_scores(cells[rows], self._margins(c))
            out[rows] = _joint(z, self.factor[c]) + log_f.sum(1)
        return out

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        z = noise.normal((len(classes), self.space.dimensions), "cells", like=self.centre)
        out = torch.zeros_like(z)
        for c, rows in self.per_class(classes):
            out[rows] = from_scores(z[rows] @ self.factor[c].T, self._margins(c))
        return out

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        """Draws normal scores of the open variables given those of the known ones; a temperature is that of scores."""
        z = noise.normal(tuple(cells.shape), "cells", like=self.centre) * math.sqrt(temperature)
        out = torch.zeros_like(z)
        for c, rows in self.per_class(classes):
            held, _ = normal_scores(cells[rows], self._margins(c))
            full = gaussian_completion(held, known[rows], torch.zeros_like(z[0]), self.factor[c], z[rows])
            out[rows] = from_scores(full, self._margins(c))
        return out

    def _margins(self, c: int) -> Margins:
        return self.centre[c], self.width[c], self.log_weight[c]


def _fit(cells: Tensor, kept: Tensor, held: Tensor, quantiles: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Margins and factor of cells (n, D), after choosing each c and a: fitted to ``kept``, judged by ``held``."""
    one = torch.ones(cells.shape[1], dtype=cells.dtype)
    scored = [normal_scores(held, margins_of(kept, quantiles, c * one))[1].mean(0) for c in WIDTHS]
    width = torch.tensor(WIDTHS, dtype=cells.dtype)[torch.stack(scored).argmax(0)]  # (D,)
    margins = margins_of(kept, quantiles, width)
    z, judged = normal_scores(kept, margins)[0], normal_scores(held, margins)[0]
    shrinkage = max((float(_joint(judged, _factor(z, a)).mean()), a) for a in SHRINKAGES)[1]
    margins = margins_of(cells, quantiles, width)
    return *margins, _factor(normal_scores(cells, margins)[0], shrinkage)


def margins_of(cells: Tensor, quantiles: int, factor: Tensor) -> Margins:
    """The margins (2) of cells (n, D), where ``factor`` (D,) holds the c of each."""
    n, reach = len(cells), max(1, quantiles // 40)  # a twentieth of the events lies as near
    mean, scale = cells.mean(0), cells.std(0, correction=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    ordered = cells.sort(0).values
    middle = (ordered[(3 * n) // 4] - ordered[n // 4]) / 1.35  # the same of a normal, whatever the tails
    floor = FLOOR * torch.where(middle > 0, middle.minimum(scale), scale)
    at = (torch.arange(quantiles, dtype=cells.dtype) + 0.5) / quantiles
    places = at * n - 0.5  # between the sorted events
    below = places.floor().clamp(0, n - 1).long()
    part = (places - below).clamp(0, 1)[:, None]
    q = ordered[below] + part * (ordered[(below + 1).clamp(max=n - 1)] - ordered[below])  # (K, D)
    k = torch.arange(quantiles)
    last, first = (k + reach).clamp(max=quantiles - 1), (k - reach).clamp(min=0)
    apart = (q[last] - q[first]) * (2 * reach / (last - first))[:, None]
    narrow = (factor * apart).maximum(floor)
    log_weight = torch.full((quantiles + 1,), math.log(n / (n + 1) / quantiles), dtype=cells.dtype)
    log_weight[-1] = -math.log(n + 1)
    return torch.cat([q, mean[None]]).T, torch.cat([narrow, 3 * scale[None]]).T, log_weight


def normal_scores(cells: Tensor, margins: Margins) -> tuple[Tensor, Tensor]:
    """Normal scores z of cells (B, D) and the log-densities of the margins, with shape (B, D) each."""
    centre, width, log_weight = margins
    weight, out = log_weight.exp(), []
    for rows in chunks(len(cells), centre.numel()):
        y = (cells[rows, :, None] - centre) / width  # (B, D, K + 1)
        lower, upper = (0.5 * torch.erfc(side * y) @ weight for side in (-(0.5**0.5), 0.5**0.5))  # ndtr has no tails
        tail = torch.minimum(lower, upper).clamp(min=torch.finfo(y.dtype).tiny)  # 37 standard deviations out
        z = torch.special.ndtri(tail) * torch.where(lower < upper, 1.0, -1.0)
        out.append((z, (log_weight - width.log() - 0.5 * y.square()).logsumexp(2) - 0.5 * math.log(2 * math.pi)))
    if not out:
        return torch.zeros_like(cells), torch.zeros_like(cells)
    z, log_f = zip(*out, strict=True)
    return torch.cat(z), torch.cat(log_f)


def from_scores(z: Tensor, margins: Margins) -> Tensor:
    """The cells of normal scores (B, D), by Newton's steps within a bracket, which is halved where they stall."""
    low, high = _bracket(z, margins)
    x, step, left = (low + high) / 2, high - low, torch.arange(len(z), device=z.device)
    for _ in range(STEPS):
        score, log_f = normal_scores(x[left], margins)
        behind = score < z[left]
        low[left], high[left] = torch.where(behind, x[left], low[left]), torch.where(behind, high[left], x[left])
        slope = (log_f + 0.5 * score.square() + 0.5 * math.log(2 * math.pi)).exp()  # dz / dx
        newton, halved = (z[left] - score) / slope, (low[left] + high[left]) / 2 - x[left]
        inside = (x[left] + newton >= low[left]) & (x[left] + newton <= high[left])
        step[left] = torch.where(inside & (newton.abs() <= step[left].abs() / 2), newton, halved)
        x[left] += step[left]
        left = left[(step[left].abs() > 1e-12 * margins[1][:, -1]).any(1)]
        if not len(left):
            break
    return x


def _bracket(z: Tensor, margins: Margins) -> tuple[Tensor, Tensor]:
    """Two values about the cells of normal scores (B, D): neighbouring centres, or the farthest of the kernels' own."""
    centre, width, _ = margins
    own = [torch.stack([(centre[i] + width[i] * e) for i, e in enumerate(end)]) for end in z.aminmax(dim=0)]
    knots = torch.cat([own[0].amin(1)[:, None], centre[:, :-1], own[1].amax(1)[:, None]], 1)  # (D, K + 2), in order
    scores = normal_scores(knots.T.contiguous(), margins)[0].T.contiguous()
    place = torch.searchsorted(scores, z.T.contiguous()).clamp(1, knots.shape[1] - 1)
    return knots.gather(1, place - 1).T.contiguous(), knots.gather(1, place).T.contiguous()


def _factor(z: Tensor, shrinkage: float) -> Tensor:
    """The Cholesky factor of the correlations of normal scores (n, D), drawn towards independence."""
    z = z - z.mean(0)
    z = z / z.square().mean(0).sqrt().clamp(min=1e-12)
    eye = torch.eye(z.shape[1], dtype=z.dtype)
    return torch.linalg.cholesky((1 - shrinkage) * (z.T @ z / len(z)).fill_diagonal_(1.0) + shrinkage * eye)


def _joint(z: Tensor, factor: Tensor) -> Tensor:
    """What the copula adds to the margins: log N(z; 0, R) - sum log phi(z_i), with shape (B,)."""
    alone = 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
    return gaussian_log_prob(z, torch.zeros_like(factor[:1]), factor[None], "full").squeeze(1) + alone
