"""Kernel density estimation: a Gaussian on every training event.

    p(x) = 1/N sum_j N(x; x_j, h^2 I)        (on standardised variables)

Nothing is learnt but the bandwidth h. The training likelihood grows without bound as h shrinks, so h is chosen by the
likelihood of events that are not among the kernels: each training event given all others (leave-one-out), or the
validation events. Copies of a judged event among the kernels are left out: they would draw h to zero, and say only that
events come again. The model *is* its training set: sampling picks an event and blurs it.

All distances are one matrix product, |x|^2 - 2 x.x_j + |x_j|^2, in chunks: N D per scored event, whatever was learnt.

Known limits:
    Every training event is kept and visited by every score. One bandwidth serves all places and, once standardised, all
    variables, so it suits few of them. No sample is new: it is a training event, blurred.

References:
    On Estimation of a Probability Density Function and Mode (Parzen, 1962) https://doi.org/10.1214/aoms/1177704472
    Density Estimation for Statistics and Data Analysis (Silverman, 1986) https://doi.org/10.1201/9781315140919
"""

import math
from typing import Literal, final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import CompletedForm, patterns, slices
from ptheta.distributions.heads import inverse_cdf
from ptheta.distributions.simple import refuse_empty
from ptheta.noise import Noise, seeded_generator
from ptheta.spaces import Real, Space, require

__all__ = ["KDE"]

DISTANCES = 2**18  # the most distances in one chunk
CHOOSING = 1000  # the most events that choose the bandwidth
GRID = 13  # bandwidths tried in each of two rounds
DIRECT = "donot_use_mm_for_euclid_dist"  # differences, not a product, which would cancel
SAME = 1e-14  # the squared distance of copies, relative to their lengths: what rounding leaves
BIG = 1e300
TINY = -700.0  # exponents below would leave the normal numbers, where arithmetic is slow


@final
class KDE(CompletedForm):
    """A Gaussian kernel on every training event.

    Args:
        space: Real.
        context_space: Classes or None.
        bandwidth: The standard deviation h of the kernels, in units of the standardised variables; None to choose it.
        choose: On what it is chosen, where it is None: the validation events, or, as always where there are none, each
            training event given the others.
        points: The most events that become kernels, drawn at random; None for all.

    Example:
        >>> from ptheta.spaces import Real
        >>> model = KDE(Real((1,)), bandwidth=1.0).fit(torch.tensor([[0.0]]))
        >>> round(float(model.log_prob(torch.tensor([[0.0]])).exp()), 6)  # 1 / sqrt(2 pi)
        0.398942
    """

    lengths_learned = ("kernels", "owner")
    kernels: Tensor
    owner: Tensor
    width: Tensor

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        bandwidth: float | None = None,
        choose: Literal["leave-one-out", "validation"] = "validation",
        points: int | None = None,
    ) -> None:
        super().__init__(space, context_space)
        require(space, Real, who="KDE")
        if bandwidth is not None and bandwidth <= 0:
            raise ValueError(f"bandwidth should be positive, not {bandwidth}.")
        if choose not in ("leave-one-out", "validation"):
            raise ValueError(f"choose should be 'leave-one-out' or 'validation', not {choose!r}.")
        self.bandwidth, self.choose, self.points = bandwidth, choose, points
        self.register_buffer("width", torch.ones(self.classes, dtype=torch.float64))
        self.register_buffer("kernels", torch.zeros(self.classes, space.dimensions, dtype=torch.float64))
        self.register_buffer("owner", torch.arange(self.classes))

    @property
    def n_parameters(self) -> int:
        """Every stored number: the kernels and the bandwidths. Only the bandwidths are learnt."""
        return self.kernels.numel() + self.classes

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        refuse_empty(self, train.context, 1 if self.bandwidth else 2)
        generator = seeded_generator(seed)
        kept = torch.randperm(len(train), generator=generator)[: self.points].sort().values
        self.kernels, self.owner = train.x[kept].double(), train.context[kept]
        refuse_empty(self, self.owner, 1 if self.bandwidth else 2)
        self.width = torch.full((self.classes,), 0.0 if self.bandwidth is None else self.bandwidth, dtype=torch.float64)
        if self.bandwidth is None:
            for c, rows in self.per_class(self.owner):
                held = None
                if self.choose == "validation" and valid is not None and valid.context is not None:
                    held = valid.x[valid.context == c].double()
                self.width[c] = _choose_width(self.kernels[rows], held, generator)

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        out = cells.new_zeros(len(cells))
        for c, rows in self.per_class(classes):
            kernels, width = self.kernels[self.owner == c], self.width[c : c + 1]
            out[rows] = _log_densities(cells[rows], kernels, width)[:, 0]
        return out

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        u = noise.uniform((len(classes),), "kernel", like=self.kernels)
        z = noise.normal((len(classes), self.space.dimensions), "cells", like=self.kernels)
        out = z * self.width[classes][:, None]
        for c, rows in self.per_class(classes):
            own = (self.owner == c).nonzero().squeeze(1)
            out[rows] += self.kernels[own[(u[rows] * len(own)).long().clamp(max=len(own) - 1)]]
        return out

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        """Blurs a kernel's event, drawn by how near it lies to what is known."""
        u = noise.uniform((len(classes),), "kernel", like=self.kernels)
        out = noise.normal(tuple(cells.shape), "cells", like=self.kernels) * math.sqrt(temperature)
        for c, of_class in self.per_class(classes):
            kernels, h = self.kernels[self.owner == c], self.width[c]
            for pattern, rows in patterns(known[of_class]):
                seen = kernels[:, pattern]
                for part in slices(len(rows), max(1, DISTANCES // len(kernels))):
                    at = of_class[rows[part]]
                    square = torch.cdist(cells[at][:, pattern].to(seen.dtype), seen, compute_mode=DIRECT).square()
                    k = inverse_cdf(square / (-2 * temperature * h**2), u[at])
                    out[at] = kernels[k] + out[at] * h
        return out


def _log_densities(cells: Tensor, kernels: Tensor, widths: Tensor, *, without_copies: bool = False) -> Tensor:
    """Log-densities of cells (B, D) at several bandwidths (H,), with shape (B, H).

    Where ``without_copies``, kernels that equal the row are left out; rows that equal all of them are -inf.
    """
    (n, d), out = kernels.shape, []
    norms, transposed = kernels.square().sum(1), kernels.T
    for rows in slices(len(cells), max(1, DISTANCES // n)):
        x = cells[rows]
        square = x.square().sum(1, keepdim=True)
        distance = torch.addmm(norms, x, transposed, alpha=-2)  # (B, N), but for |x|^2
        count = torch.full_like(square, n)
        if without_copies:
            copies = distance + square <= SAME * (norms + square)
            count, distance = n - copies.sum(1, keepdim=True), distance.masked_fill(copies, torch.inf)
        nearest = distance.amin(1, keepdim=True).clamp(max=BIG)
        apart = distance - nearest
        sums = torch.cat(
            [(apart * (-0.5 / h**2)).clamp(min=TINY).exp().sum(1, keepdim=True) for h in widths.tolist()], 1
        )
        log_sums = torch.where(count > 0, sums.log() - count.log(), -torch.inf)
        out.append(log_sums - 0.5 * (nearest + square).clamp(min=0) / widths.square())
    total = torch.cat(out) if out else cells.new_zeros(0, len(widths))
    return total - d * widths.log() - 0.5 * d * math.log(2 * math.pi)


def _choose_width(kernels: Tensor, held: Tensor | None, generator: torch.Generator) -> float:
    """The bandwidth that scores best, by a coarse grid of factors and a fine one between its neighbours."""
    judged = held
    if judged is None or not len(judged):
        judged = kernels[torch.randperm(len(kernels), generator=generator)[:CHOOSING]]
    low, high = math.log(1e-3), math.log(10.0)
    best = 0.0
    for _ in range(3):
        grid = torch.linspace(low, high, GRID, dtype=torch.float64)
        scores = _log_densities(judged[:CHOOSING], kernels, grid.exp(), without_copies=True)
        if not bool((told := scores[:, 0] > -torch.inf).any()):
            return 1.0  # all events are one: any blur is as good
        best = float(grid[scores[told].mean(0).argmax()])
        step = (high - low) / (GRID - 1)
        low, high = best - step, best + step
    return math.exp(best)
