"""Uniform and Gaussian distributions by maximum likelihood.

Uniform: on a box the likelihood is volume^-n as long as the box holds all events, so the smallest box maximises it:
[min, max] of each variable. It is biased inwards: with the lower end known to be 0, E max = n / (n + 1) times the true
upper end. Events outside the box have probability zero, log p = -inf: that is the model's claim, not an accident.

Gaussian: the mean and the mean squared deviation. The variance is biased by (n - 1) / n, since the mean was fitted to
the same events; ``correction=1`` divides by n - 1 instead, and is then not the maximum of the likelihood.

    log N(x; m, L L^T) = -1/2 |L^-1 (x - m)|^2 - sum log L_ii - D/2 log 2 pi

Given some variables the others are Gaussian too. With the known ones first, L = [[A, 0], [B, C]] is still a factor of
the covariance, so that x_known = m + A z_1 gives z_1 and

    x_open | x_known ~ N(m + B z_1, C C^T)

Scoring costs D^2 per event (D if diagonal), fitting one matrix product and one Cholesky factor; a sample is D uniforms
or normals and, for a full covariance, one product; a completion D^3 for each pattern of known variables.

Known limits:
    One mode. A full covariance has D (D + 1) / 2 numbers, and fewer events than variables make it singular. Of the
    uniform, one test event outside the box makes the mean log-likelihood minus infinity.

References:
    On the Mathematical Foundations of Theoretical Statistics (Fisher, 1922) https://doi.org/10.1098/rsta.1922.0009
    Pattern Recognition and Machine Learning (Bishop, 2006)
    https://www.microsoft.com/en-us/research/publication/pattern-recognition-machine-learning/
"""

import math
from typing import Literal, final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import ClosedForm, CompletedForm, chunks, patterns
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = [
    "Gaussian",
    "Uniform",
    "gaussian_completion",
    "gaussian_factor",
    "gaussian_log_prob",
    "known_first",
    "moments",
]

Covariance = Literal["full", "diagonal"]


@final
class Uniform(CompletedForm):
    """The uniform distribution: over all states of a discrete space, over the smallest box on reals.

    Args:
        space: Any space.
        context_space: Classes or None.
        low: The lower ends, where they are known, in the unit of x; None to estimate them. Real spaces only.

    Example:
        >>> from ptheta.spaces import Levels, Real
        >>> Uniform(Levels((2,), 4)).log_prob(torch.tensor([[0, 3]]).byte()).exp().tolist()
        [0.0625]
        >>> model = Uniform(Real((1,)), low=0.0).fit(torch.tensor([[1.0], [4.0], [2.0]]))
        >>> model.log_prob(torch.tensor([[3.0], [5.0]])).exp().tolist()
        [0.25, 0.0]
    """

    low: Tensor
    high: Tensor

    def __init__(self, space: Space, *, context_space: Space | None = None, low: float | None = None) -> None:
        super().__init__(space, context_space)
        require(space, Binary, Levels, Symbols, Real, who="Uniform")
        if low is not None and not isinstance(space, Real):
            raise ValueError(f"low is the known lower end on a Real space, but the space is {space}.")
        self.known = low
        ends = torch.zeros(self.classes, space.dimensions, dtype=torch.float64)
        top = space.n - 1 if isinstance(space, Binary | Levels | Symbols) else 1
        self.register_buffer("low", ends)
        self.register_buffer("high", ends + top)

    @property
    def n_parameters(self) -> int:
        """None on discrete spaces; the ends of the box on reals."""
        if self.space.is_discrete:
            return 0
        return self.classes * self.space.dimensions * (2 if self.known is None else 1)

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        if self.space.is_discrete:
            return
        refuse_empty(self, train.context, 1)
        low, high = torch.zeros_like(self.low), torch.zeros_like(self.high)
        for c, rows in self.per_class(train.context):
            low[c], high[c] = train.x[rows].aminmax(dim=0)
        if self.known is not None:
            known = torch.full((1, *self.space.shape), self.known, dtype=low.dtype)
            low = self.space.cells(known).expand(self.classes, -1).clone()
        if bool((high <= low).any()):
            raise ValueError("a variable is constant in the training events (of a class), so the box has no volume.")
        self.low, self.high = low, high

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        if self.space.is_discrete:
            states = (self.high[0] - self.low[0] + 1).log().sum()
            return -states.expand(len(cells))
        low, high = self.low[classes], self.high[classes]
        inside = ((cells >= low) & (cells <= high)).all(1)
        return torch.where(inside, -(high - low).log().sum(1), -torch.inf)

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        low, high = self.low[classes], self.high[classes]
        u = noise.uniform(tuple(low.shape), "cells", like=low)
        return (u * (high + 1)).floor().minimum(high) if self.space.is_discrete else low + u * (high - low)

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        return self.draw_cells(classes, noise)


@final
class Gaussian(CompletedForm):
    """A Gaussian by maximum likelihood.

    Args:
        space: Real.
        context_space: Classes or None.
        covariance: "full", or "diagonal" for independent variables.
        correction: 0 for maximum likelihood, whose variance is too small by (n - 1) / n on average; 1 to undo that.
        floor: Added to the variances of standardised variables, so that constant ones do no harm.

    Example:
        >>> from ptheta.spaces import Real
        >>> model = Gaussian(Real((1,)), floor=0.0).fit(torch.tensor([[1.0], [3.0]]))
        >>> float(model.mean), float(model.factor), model.n_parameters
        (2.0, 1.0, 2)
    """

    mean: Tensor
    factor: Tensor
    covariance: Covariance

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        covariance: Covariance = "full",
        correction: int = 0,
        floor: float = 1e-6,
    ) -> None:
        super().__init__(space, context_space)
        require(space, Real, who="Gaussian")
        self.covariance, self.correction, self.floor = check_covariance(covariance), correction, floor
        d = space.dimensions
        unit = torch.eye(d, dtype=torch.float64) if covariance == "full" else torch.ones(d, dtype=torch.float64)
        self.register_buffer("mean", torch.zeros(self.classes, d, dtype=torch.float64))
        self.register_buffer("factor", unit.repeat(self.classes, *(1,) * unit.ndim))

    @property
    def n_parameters(self) -> int:
        """D + D (D + 1) / 2 per class, or 2 D if diagonal."""
        d = self.space.dimensions
        return self.classes * (d + (d * (d + 1) // 2 if self.covariance == "full" else d))

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        refuse_empty(self, train.context, 1 + self.correction)
        mean, factor = torch.zeros_like(self.mean), torch.zeros_like(self.factor)
        for c, rows in self.per_class(train.context):
            mean[c], spread = moments(train.x[rows], self.covariance)
            spread *= len(rows) / (len(rows) - self.correction)
            factor[c] = gaussian_factor(spread, self.floor, self.covariance)
        self.mean, self.factor = mean, factor

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        out = cells.new_zeros(len(cells))
        for c, rows in self.per_class(classes):
            mean, factor = self.mean[c][None], self.factor[c][None]
            out[rows] = gaussian_log_prob(cells[rows], mean, factor, self.covariance).squeeze(1)
        return out

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        z = noise.normal((len(classes), self.space.dimensions), "cells", like=self.mean)
        out = torch.zeros_like(z)
        for c, rows in self.per_class(classes):
            factor = self.factor[c]
            out[rows] = self.mean[c] + (z[rows] @ factor.T if self.covariance == "full" else z[rows] * factor)
        return out

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        z = noise.normal(tuple(cells.shape), "cells", like=self.mean) * math.sqrt(temperature)
        out = torch.zeros_like(z)
        for c, rows in self.per_class(classes):
            factor = self.factor[c] if self.covariance == "full" else self.factor[c].diag()
            out[rows] = gaussian_completion(cells[rows], known[rows], self.mean[c], factor, z[rows])
        return out


def check_covariance(covariance: str) -> Covariance:
    """Returns the kind of covariance, unless it is none of the two."""
    if covariance == "full" or covariance == "diagonal":
        return covariance
    raise ValueError(f"covariance should be 'full' or 'diagonal', not {covariance!r}.")


def refuse_empty(model: ClosedForm, classes: Tensor, least: int) -> None:
    """Refuses training events of which a class has too few to estimate from."""
    counts = torch.bincount(classes, minlength=model.classes)
    if int(counts.min()) < least:
        name, short = type(model).__name__, int(counts.argmin())
        if model.context_space is None:
            raise ValueError(f"{name} needs at least {least} training events, but there are {len(classes)}.")
        which = f"class {short} has {int(counts[short])}"
        raise ValueError(f"{name} needs at least {least} training events of each class, but {which}.")


def moments(cells: Tensor, covariance: Covariance) -> tuple[Tensor, Tensor]:
    """The mean (D,) and the biased covariance (D, D), or variances (D,), of cells (n, D), in float64 by chunks."""
    n, d = cells.shape
    mean = torch.stack([cells[rows].double().sum(0) for rows in chunks(n, d)]).sum(0) / n
    spread = torch.zeros((d, d) if covariance == "full" else (d,), dtype=torch.float64)
    for rows in chunks(n, d):
        centred = cells[rows].double() - mean
        spread += centred.T @ centred if covariance == "full" else centred.square().sum(0)
    return mean, spread / n


def gaussian_factor(spread: Tensor, floor: float, covariance: Covariance) -> Tensor:
    """Cholesky factors of covariances (..., D, D), or standard deviations of variances (..., D), after the floor."""
    if covariance == "diagonal":
        if not bool((spread + floor > 0).all()):
            raise ValueError("a variable is constant in the training events, so its Gaussian needs a floor.")
        return (spread + floor).sqrt()
    eye = torch.eye(spread.shape[-1], dtype=spread.dtype)
    factor, failed = torch.linalg.cholesky_ex(spread + floor * eye)
    if bool(failed.any()):
        raise ValueError(
            "a covariance is singular: some variables are exact functions of others, or there are fewer events than "
            "variables. Use more floor or smoothing, or covariance='diagonal'."
        )
    return factor


def gaussian_completion(cells: Tensor, known: Tensor, mean: Tensor, factor: Tensor, z: Tensor) -> Tensor:
    """Draws the open variables of a Gaussian given the known ones.

    Args:
        cells: Values with shape (B, D); only known ones matter.
        known: Which are known, Boolean with shape (B, D).
        mean: The mean, with shape (D,).
        factor: A factor of the covariance, with shape (D, D).
        z: Standard normals with shape (B, D), of which those of open variables are used.

    Returns:
        Values with shape (B, D): drawn where open, the given ones elsewhere.
    """
    out = cells.clone()
    for pattern, rows in patterns(known):
        first, last = pattern.nonzero().squeeze(1), (~pattern).nonzero().squeeze(1)
        a, b, c = known_first(factor, pattern)
        known_z = torch.linalg.solve_triangular(a, (cells[rows][:, first] - mean[first]).T, upper=False)
        out[rows[:, None], last] = mean[last] + (b @ known_z).T + z[rows][:, last] @ c.T
    return out


def known_first(factor: Tensor, pattern: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The blocks A, B, C of lower triangular factors of the same covariances with the known variables first.

    Args:
        factor: Factors with shape (..., D, D).
        pattern: Which variables are known, Boolean with shape (D,).

    Returns:
        A (..., k, k), B (..., D - k, k) and C (..., D - k, D - k), where k are known.
    """
    k, order = int(pattern.sum()), (~pattern).int().argsort(stable=True)
    lower = torch.linalg.qr(factor[..., order, :].mT).R.mT
    return lower[..., :k, :k], lower[..., k:, :k], lower[..., k:, k:]


def gaussian_log_prob(cells: Tensor, mean: Tensor, factor: Tensor, covariance: Covariance) -> Tensor:
    """Log-densities of cells under several Gaussians, by matrix products.

    Args:
        cells: Standardised events with shape (B, D).
        mean: Means with shape (M, D).
        factor: Cholesky factors (M, D, D), or standard deviations (M, D).
        covariance: Which of the two.

    Returns:
        Log-densities of cells in nats, with shape (B, M).
    """
    (m, d), constant = mean.shape, -0.5 * mean.shape[1] * math.log(2 * math.pi)
    if covariance == "diagonal":
        a, b = factor.square().reciprocal(), mean / factor.square()
        distance = cells.square() @ a.T - 2 * (cells @ b.T) + (mean * b).sum(1)  # (B, M)
        return constant - factor.log().sum(1) - 0.5 * distance.clamp(min=0)
    eye = torch.eye(d, dtype=factor.dtype, device=factor.device).expand(m, d, d)
    whiten = torch.linalg.solve_triangular(factor, eye, upper=False)  # (M, D, D): L^-1
    shift = (whiten @ mean[..., None]).flatten()  # (M D,)
    parts = [
        (cells[rows] @ whiten.reshape(m * d, d).T - shift).view(-1, m, d).square().sum(2)
        for rows in chunks(len(cells), m * d)
    ]
    distance = torch.cat(parts) if parts else cells.new_zeros(0, m)
    return constant - factor.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * distance
