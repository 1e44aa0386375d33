"""Mixtures of Gaussians by EM.

    p(x) = sum_m w_m N(x; mean_m, cov_m)

EM is ``ptheta.distributions.mixtures.Mixture``: by turns it gives every event shares in the components, as likely as
each is to have made it, and moves weights, means and covariances to the weighted moments. The E step whitens all events
under all components by one matrix product, n M D^2 (n M D if diagonal), and the M step needs the second moments, as
much again.

The likelihood of a mixture of Gaussians has no maximum: a component on a single event can shrink without end. So each
covariance is drawn towards a broad one, S0 = (covariance of the training events) / M^(2/D), as if a more events with
that spread had been seen (a is ``smoothing``): cov_m = (sum r (x - mean)(x - mean)^T + a S0) / (sum r + a). This is EM
for the likelihood times the prior exp(-a/2 (log |cov| + tr cov^-1 S0)), and that product has a maximum. Where columns
are nearly functions of others S0 is as thin as they are, so that smoothing does not undo what one Gaussian sees. How
strong it should be the validation events say: a = D + 2 is weakened tenfold as long as that scores better. Sampling
picks a component, then draws from it.

Known limits:
    EM ends in a local optimum, so several starts are made. A full covariance has D (D + 1) / 2 numbers in each
    component; the recipe takes diagonal ones beyond 100 variables.

References:
    Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster, Laird & Rubin, 1977)
    https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    Bayesian Regularization for Normal Mixture Estimation and Model-Based Clustering (Fraley & Raftery, 2007)
    https://doi.org/10.1007/s00357-007-0004-5
"""

import math
from typing import final

import torch
from torch import Tensor

from ptheta.distributions.closed_form import patterns
from ptheta.distributions.heads import inverse_cdf
from ptheta.distributions.mixtures import Mixture, Parameters
from ptheta.distributions.simple import Covariance, check_covariance, gaussian_factor, gaussian_log_prob, known_first
from ptheta.noise import Noise
from ptheta.spaces import Real, Space, require

__all__ = ["GaussianMixture"]

FLOOR = 1e-6  # added to the variances of standardised variables: constant ones do no harm
WEAKER = (1.0, 0.1, 0.01, 0.001)  # shares of D + 2 that are tried


@final
class GaussianMixture(Mixture):
    """A mixture of Gaussians.

    Args:
        space: Real.
        context_space: Classes or None.
        components: The number M of components.
        covariance: "full" or "diagonal".
        restarts: How many starts are made.
        iterations: The most rounds of each.
        tolerance: A start ends when a round gains less than this, in nats per event and variable.
        smoothing: How many events the broad covariance is worth in each component; None to choose it.

    Example:
        >>> from ptheta.spaces import Real
        >>> x = torch.tensor([-1.1, -1.0, -0.9, 0.9, 1.0, 1.1]).repeat(10)[:, None]
        >>> model = GaussianMixture(Real((1,)), components=2).fit(x)
        >>> sorted(model.mean.flatten().round(decimals=2).tolist()), model.n_parameters
        ([-1.0, 1.0], 5)
    """

    mean: Tensor
    factor: Tensor
    covariance: Covariance

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        components: int = 10,
        covariance: Covariance = "full",
        restarts: int = 3,
        iterations: int = 200,
        tolerance: float = 3e-5,
        smoothing: float | None = None,
    ) -> None:
        require(space, Real, who="GaussianMixture")
        d = space.dimensions
        tried = [(d + 2) * weaker for weaker in WEAKER] if smoothing is None else [smoothing]
        super().__init__(space, context_space, components, restarts, iterations, tolerance, tried)
        self.covariance = check_covariance(covariance)
        unit = torch.eye(d, dtype=torch.float64) if covariance == "full" else torch.ones(d, dtype=torch.float64)
        self.register_buffer("mean", torch.zeros(self.classes, components, d, dtype=torch.float64))
        self.register_buffer("factor", unit.repeat(self.classes, components, *(1,) * unit.ndim))

    @property
    def n_parameters(self) -> int:
        """M - 1 weights, M D means and M D (D + 1) / 2 covariances (M D if diagonal) per class."""
        d = self.space.dimensions
        width = d * (d + 1) // 2 if self.covariance == "full" else d
        return self.classes * (self.components * (d + width) + self.components - 1)

    def parameters_of(self, c: int) -> Parameters:
        return self.mean[c], self.factor[c]

    def assign(self, parameters: list[Parameters]) -> None:
        self.mean = torch.stack([mean for mean, _ in parameters])
        self.factor = torch.stack([factor for _, factor in parameters])

    def features(self, cells: Tensor) -> Tensor:
        return cells.to(self.log_weight.dtype)

    def component_log_prob(self, features: Tensor, parameters: Parameters) -> Tensor:
        mean, factor = parameters
        return gaussian_log_prob(features, mean, factor, self.covariance)

    def statistics(self, features: Tensor, r: Tensor) -> Parameters:
        if self.covariance == "diagonal":
            return r.T @ features, r.T @ features.square()
        weighted = (r[:, :, None] * features[:, None, :]).flatten(1)  # (B, M D)
        return r.T @ features, (weighted.T @ features).view(r.shape[1], -1, features.shape[1])

    def maximise(self, mass: Tensor, sums: Parameters, smoothing: float) -> Parameters:
        (first, second), a = sums, smoothing
        mean, broad = first / mass[:, None], self._broad(mass, sums)
        if self.covariance == "diagonal":
            centred = (second - first * mean).clamp(min=0)
            return mean, gaussian_factor((centred + a * broad) / (mass[:, None] + a), 0.0, "diagonal")
        centred = second - first[:, :, None] * mean[:, None, :]
        return mean, gaussian_factor((centred + a * broad) / (mass[:, None, None] + a), 0.0, "full")

    def log_prior(self, parameters: Parameters, mass: Tensor, sums: Parameters, smoothing: float) -> float:
        if not smoothing:
            return 0.0
        factor, broad = parameters[1], self._broad(mass, sums)
        if self.covariance == "diagonal":
            return -0.5 * smoothing * float((2 * factor.log() + broad / factor.square()).sum())
        inverse = torch.linalg.solve_triangular(factor, torch.linalg.cholesky(broad).expand_as(factor), upper=False)
        log_det = 2 * factor.diagonal(dim1=1, dim2=2).log().sum()
        return -0.5 * smoothing * float(log_det + inverse.square().sum())

    def _broad(self, mass: Tensor, sums: Parameters) -> Tensor:
        """S0 with shape (D, D), or (D,) if diagonal: the sums over components are those over all events."""
        first, second = (s.sum(0) / mass.sum() for s in sums)
        if self.covariance == "diagonal":
            broad = (second - first.square()).clamp(min=0) + FLOOR
        else:
            broad = second - first[:, None] * first + FLOOR * torch.eye(len(first), dtype=first.dtype)
        return broad / len(mass) ** (2 / max(self.space.dimensions, 1))

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        m = inverse_cdf(self.log_weight[classes], noise.uniform((len(classes),), "component", like=self.mean))
        z = noise.normal((len(classes), self.space.dimensions), "cells", like=self.mean)
        if self.covariance == "diagonal":
            return self.mean[classes, m] + self.factor[classes, m] * z
        out = torch.zeros_like(z)
        which = classes * self.components + m
        for k in which.unique().tolist():
            rows = (which == k).nonzero().squeeze(1)
            c, j = divmod(k, self.components)
            out[rows] = self.mean[c, j] + z[rows] @ self.factor[c, j].T
        return out

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        cells, u = cells.to(self.mean.dtype), noise.uniform((len(classes),), "component", like=self.mean)
        z, out = noise.normal(tuple(cells.shape), "cells", like=self.mean) * math.sqrt(temperature), cells.clone()
        for c, of_class in self.per_class(classes):
            factor = self.factor[c] if self.covariance == "full" else self.factor[c].diag_embed()
            for pattern, rows in patterns(known[of_class]):
                rows, first, last = of_class[rows], pattern.nonzero().squeeze(1), (~pattern).nonzero().squeeze(1)
                a, b, open_factor = known_first(factor, pattern)
                apart = cells[rows][:, first] - self.mean[c][:, None, first]  # (M, B, k)
                known_z = torch.linalg.solve_triangular(a, apart.mT, upper=False)  # (M, k, B)
                log_det = a.diagonal(dim1=1, dim2=2).abs().log().sum(1)
                shares = self.log_weight[c] - (0.5 * known_z.square().sum(1) + log_det[:, None]).T  # (B, M)
                m, place = inverse_cdf(shares / temperature, u[rows]), torch.arange(len(rows), device=rows.device)
                centre = self.mean[c][:, last] + (b @ known_z).permute(2, 0, 1)  # (B, M, D - k)
                for j in m.unique().tolist():
                    own = m == j
                    spread = z[rows[own]][:, last] @ open_factor[j].T
                    out[rows[own][:, None], last] = centre[place[own], j] + spread
        return out
