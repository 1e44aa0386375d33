"""Kernel density estimation: a Gaussian on every training event.

    p(x) = 1/N sum_j N(x; x_j, h^2 I)        (on standardised variables)

Nothing is learnt but the bandwidth h. The training likelihood grows without bound as h shrinks, so h is chosen by the
likelihood of events that are not among the kernels: each training event given all others (leave-one-out), or the
validation events. The model *is* its training set: sampling picks an event and blurs it.

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
from ptheta.distributions.closed_form import ClosedForm, slices
from ptheta.distributions.simple import refuse_empty
from ptheta.noise import Noise
from ptheta.spaces import Real, Space, require

__all__ = ["KDE"]

DISTANCES = 2**18  # the most distances in one chunk
CHOOSING = 1000  # the most events that choose the bandwidth
GRID = 13  # bandwidths tried in each of two rounds
TINY = -700.0  # exponents below would leave the normal numbers, where arithmetic is slow


@final
class KDE(ClosedForm):
    """A Gaussian kernel on every training event.

    Args:
        space: Real.
        context_space: Classes or None.
        bandwidth: The standard deviation h of the kernels, in units of the standardised variables; None to choose it.
        choose: On what it is chosen, where it is None. Without validation events leave-one-out is used.
        points: The most events that become kernels, drawn at random; None for all.

    Example:
        >>> from ptheta.spaces import Real
        >>> model = KDE(Real((1,)), bandwidth=1.0).fit(torch.tensor([[0.0]]))
        >>> round(float(model.log_prob(torch.tensor([[0.0]])).exp()), 6)  # 1 / sqrt(2 pi)
        0.398942
    """

    kernels: Tensor
    owner: Tensor
    width: Tensor

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        bandwidth: float | None = None,
        choose: Literal["leave-one-out", "validation"] = "leave-one-out",
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
        generator = torch.Generator().manual_seed(seed)
        kept = torch.randperm(len(train), generator=generator)[: self.points].sort().values
        self.kernels, self.owner = train.x[kept].double(), train.context[kept]
        refuse_empty(self, self.owner, 1 if self.bandwidth else 2)
        self.width = torch.full((self.classes,), self.bandwidth or 0.0, dtype=torch.float64)
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


def _log_densities(cells: Tensor, kernels: Tensor, widths: Tensor, own: Tensor | None = None) -> Tensor:
    """Log-densities of cells (B, D) at several bandwidths (H,), with shape (B, H).

    Where ``own`` (B,) is given, it is the index of each row's own kernel, which is left out.
    """
    (n, d), out = kernels.shape, []
    norms, transposed = kernels.square().sum(1), kernels.T
    for rows in slices(len(cells), max(1, DISTANCES // n)):
        x = cells[rows]
        distance = torch.addmm(norms, x, transposed, alpha=-2)  # (B, N), but for |x|^2
        if own is not None:
            distance.scatter_(1, own[rows, None], torch.inf)
        nearest = distance.amin(1, keepdim=True)
        distance -= nearest
        sums = torch.stack([(distance * (-0.5 / h**2)).clamp_(min=TINY).exp_().sum(1) for h in widths.tolist()], 1)
        square = (nearest + x.square().sum(1, keepdim=True)).clamp_(min=0)
        out.append(sums.log() - 0.5 * square / widths.square())
    count = n - (own is not None)
    total = torch.cat(out) if out else cells.new_zeros(0, len(widths))
    return total - d * widths.log() - 0.5 * d * math.log(2 * math.pi) - math.log(count)


def _choose_width(kernels: Tensor, held: Tensor | None, generator: torch.Generator) -> float:
    """The bandwidth that scores best, by a coarse grid of factors and a fine one between its neighbours."""
    own, judged = None, held
    if judged is None or not len(judged):
        own = torch.randperm(len(kernels), generator=generator)[:CHOOSING]
        judged = kernels[own]
    low, high = math.log(1e-3), math.log(10.0)
    best = 0.0
    for _ in range(3):
        grid = torch.linspace(low, high, GRID, dtype=torch.float64)
        best = float(grid[_log_densities(judged[:CHOOSING], kernels, grid.exp(), own).mean(0).argmax()])
        step = (high - low) / (GRID - 1)
        low, high = best - step, best + step
    return math.exp(best)
