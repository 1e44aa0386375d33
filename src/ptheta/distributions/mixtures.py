"""Mixtures by EM: a hidden cause picks one of M simple distributions.

    p(x) = sum_m w_m p_m(x)

Given the events, the chance that component m made event i is its responsibility r_im = w_m p_m(x_i) / p(x_i) (the E
step). Given the responsibilities, the best w and p_m are weighted counts or moments (the M step). No round lowers the
likelihood; it ends in a local optimum, so several starts are made and the one that scores best on the validation
events (on the training events without them) is kept.

``Mixture`` is that, whatever the components; ``ProductMixture`` has components of independent variables: a mixture of
Bernoullis on bits, of categoricals otherwise. (Gaussian components are in ``ptheta.distributions.gaussian_mixture``.)

Both steps are matrix products over chunks of events: n M D K for products. Scoring costs as much as an E step; sampling
picks a component, then draws from it. Unlike a chain, a mixture sees all variables at once, but knows only M ways of
them.

Known limits:
    EM ends in a local optimum, so starts differ. Within a component the variables of a ``ProductMixture`` are
    independent, so its samples are noisy wherever M ways are not enough.

References:
    Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster, Laird & Rubin, 1977)
    https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    k-means++: The Advantages of Careful Seeding (Arthur & Vassilvitskii, 2007)
    https://dl.acm.org/doi/10.5555/1283383.1283494
"""

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import ClosedForm, categories, slices
from ptheta.distributions.heads import inverse_cdf
from ptheta.distributions.simple import refuse_empty
from ptheta.distributions.tables import check_smoothing
from ptheta.noise import Noise
from ptheta.spaces import Space

__all__ = ["Mixture", "ProductMixture"]

CHUNK = 2**22  # the most numbers in one chunk of events
SEEDS = 10_000  # the most events among which first centres are sought
INDICATORS = 2**16  # the most values of all variables together
TINY = 1e-30

Parameters = tuple[Tensor, ...]


class Mixture(ClosedForm):
    """M components and their weights, for one class or several; EM is here, the components are abstract.

    Args:
        space: What one event is.
        context_space: Classes or None.
        components: The number M of components.
        restarts: How many starts are made.
        iterations: The most rounds of each.
        tolerance: A start ends when a round gains less than this, in nats per event and variable.
    """

    log_weight: Tensor
    trace: Tensor

    def __init__(
        self,
        space: Space,
        context_space: Space | None,
        components: int,
        restarts: int,
        iterations: int,
        tolerance: float,
    ) -> None:
        super().__init__(space, context_space)
        for name, value in (("components", components), ("restarts", restarts), ("iterations", iterations)):
            if value < 1:
                raise ValueError(f"{name} should be at least 1, not {value}.")
        self.components, self.restarts = components, restarts
        self.iterations, self.tolerance = iterations, tolerance
        uniform = torch.zeros(self.classes, components, dtype=torch.float64)
        self.register_buffer("log_weight", uniform.log_softmax(-1))
        self.register_buffer("trace", torch.zeros(self.classes, 0, dtype=torch.float64))

    @abstractmethod
    def parameters_of(self, c: int) -> Parameters:
        """The components of class c."""

    @abstractmethod
    def assign(self, parameters: list[Parameters]) -> None:
        """Stores the components of every class in the buffers."""

    @abstractmethod
    def features(self, cells: Tensor) -> Tensor:
        """What the matrix products take, from cells (B, D), with shape (B, F)."""

    @abstractmethod
    def component_log_prob(self, features: Tensor, parameters: Parameters) -> Tensor:
        """The log-probability of each row under each component, with shape (B, M)."""

    @abstractmethod
    def statistics(self, features: Tensor, r: Tensor) -> Parameters:
        """The sums over rows that the M step needs, weighted by responsibilities (B, M)."""

    @abstractmethod
    def maximise(self, mass: Tensor, sums: Parameters) -> Parameters:
        """The M step: the components from those sums and the total responsibilities (M,)."""

    @abstractmethod
    def log_prior(self, parameters: Parameters, mass: Tensor, sums: Parameters) -> float:
        """What smoothing adds to the log-likelihood; zero for maximum likelihood."""

    @final
    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        out = self.log_weight.new_zeros(len(cells))
        for c, rows in self.per_class(classes):
            out[rows] = self._log_prob(cells[rows], self.log_weight[c], self.parameters_of(c))
        return out

    @final
    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        refuse_empty(self, train.context, self.components)
        fits = []
        for c, rows in self.per_class(train.context):
            held = None if valid is None or valid.context is None else valid.x[valid.context == c]
            fits.append(self._best_start(train.x[rows], held, torch.Generator().manual_seed(seed + c)))
        longest = max(len(trace) for _, _, trace in fits)
        self.log_weight = torch.stack([log_weight for log_weight, _, _ in fits])
        traces = [trace + trace[-1:] * (longest - len(trace)) for _, _, trace in fits]
        self.trace = torch.tensor(traces, dtype=torch.float64)
        self.assign([parameters for _, parameters, _ in fits])

    def _best_start(
        self, cells: Tensor, valid: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Parameters, list[float]]:
        best, best_score = None, -torch.inf
        for _ in range(self.restarts):
            log_weight, parameters, trace = self._climb(cells, generator)
            score = trace[-1]
            if valid is not None and len(valid):
                score = float(self._log_prob(valid, log_weight, parameters).mean())
            if best is None or score > best_score:
                best, best_score = (log_weight, parameters, trace), score
        assert best is not None
        return best

    def _climb(self, cells: Tensor, generator: torch.Generator) -> tuple[Tensor, Parameters, list[float]]:
        """EM from spread-out centres; the trace holds the mean objective in nats per event, before each M step."""
        first = torch.randperm(len(cells), generator=generator)[: self._rows(cells, SEEDS)]
        seeds = self.features(cells[first])
        r = _nearest_centre(seeds, self.components, generator)
        log_weight, parameters = self._m_step(r.sum(0), self.statistics(seeds, r))
        trace: list[float] = []
        for _ in range(self.iterations):
            objective, mass, sums = self._e_step(cells, log_weight, parameters)
            trace.append(objective)
            if len(trace) > 1 and trace[-1] - trace[-2] < self.tolerance * max(self.space.dimensions, 1):
                break
            log_weight, parameters = self._m_step(mass, sums)
        return log_weight, parameters, trace

    def _e_step(self, cells: Tensor, log_weight: Tensor, parameters: Parameters) -> tuple[float, Tensor, Parameters]:
        total, mass, sums = 0.0, torch.zeros_like(log_weight), ()
        for rows in slices(len(cells), self._rows(cells)):
            features = self.features(cells[rows])
            joint = self.component_log_prob(features, parameters) + log_weight
            log_p = joint.logsumexp(1, keepdim=True)
            r = (joint - log_p).exp()
            total, mass = total + float(log_p.sum()), mass + r.sum(0)
            new = self.statistics(features, r)
            sums = tuple(a + b for a, b in zip(sums, new, strict=True)) if sums else new
        return (total + self.log_prior(parameters, mass, sums)) / len(cells), mass, sums

    def _m_step(self, mass: Tensor, sums: Parameters) -> tuple[Tensor, Parameters]:
        mass = mass + TINY
        return (mass / mass.sum()).log(), self.maximise(mass, sums)

    def _log_prob(self, cells: Tensor, log_weight: Tensor, parameters: Parameters) -> Tensor:
        chunks = [
            (self.component_log_prob(self.features(cells[rows]), parameters) + log_weight).logsumexp(1)
            for rows in slices(len(cells), self._rows(cells))
        ]
        return torch.cat(chunks) if chunks else log_weight.new_zeros(0)

    def _rows(self, cells: Tensor, most: int = CHUNK) -> int:
        """How many rows make one chunk."""
        width = self.features(cells[:1]).shape[1]
        return max(min(most, CHUNK // max(width * self.components, 1)), self.components)


@final
class ProductMixture(Mixture):
    """A mixture of products: given the component, the variables are independent.

    On bits this is the mixture of Bernoullis.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        components: The number M of components.
        restarts: How many starts are made.
        iterations: The most rounds of each.
        tolerance: A start ends when a round gains less than this, in nats per event and variable.
        smoothing: Pseudo-counts per value in each component.

    Example:
        >>> from ptheta.spaces import Binary
        >>> x = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 1]]).byte().repeat(50, 1)
        >>> model = ProductMixture(Binary((4,)), components=2, smoothing=0).fit(x)
        >>> model.log_prob(x[:2]).exp().round(decimals=3).tolist(), model.n_parameters
        ([0.5, 0.5], 9)
    """

    log_p: Tensor

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        components: int = 10,
        restarts: int = 3,
        iterations: int = 100,
        tolerance: float = 3e-5,
        smoothing: float = 0.1,
    ) -> None:
        super().__init__(space, context_space, components, restarts, iterations, tolerance)
        self.values = categories(space, "ProductMixture")
        if space.dimensions * self.values > INDICATORS:
            raise ValueError(
                f"ProductMixture keeps a number per value of each variable and component, and {space} has "
                f"{space.dimensions * self.values:,} values, more than {INDICATORS:,}. Use fewer levels, or the "
                "dequantised GaussianMixture."
            )
        self.smoothing = check_smoothing(smoothing)
        uniform = torch.zeros(self.classes, components, space.dimensions, self.values, dtype=torch.float64)
        self.register_buffer("log_p", uniform.log_softmax(-1))

    @property
    def n_parameters(self) -> int:
        """M D (K - 1) + M - 1 per class."""
        m = self.components
        return self.classes * (m * self.space.dimensions * (self.values - 1) + m - 1)

    def parameters_of(self, c: int) -> Parameters:
        return (self.log_p[c],)

    def assign(self, parameters: list[Parameters]) -> None:
        self.log_p = torch.stack([log_p for (log_p,) in parameters])

    def features(self, cells: Tensor) -> Tensor:
        """Indicators of all values but the first, which they leave, with shape (B, D (K - 1)); bits are their own."""
        if self.values == 2:
            return cells.to(self.log_weight.dtype)
        above = torch.arange(1, self.values, device=cells.device)
        return (cells[..., None] == above).flatten(1).to(self.log_weight.dtype)

    def component_log_prob(self, features: Tensor, parameters: Parameters) -> Tensor:
        (log_p,) = parameters
        ratio = (log_p[:, :, 1:] - log_p[:, :, :1]).flatten(1)  # (M, D (K - 1))
        return features @ ratio.T + log_p[:, :, 0].sum(1)

    def statistics(self, features: Tensor, r: Tensor) -> Parameters:
        return (r.T @ features,)

    def maximise(self, mass: Tensor, sums: Parameters) -> Parameters:
        above = sums[0].view(self.components, self.space.dimensions, self.values - 1)
        first = (mass[:, None, None] - above.sum(2, keepdim=True)).clamp(min=0)
        counts = torch.cat([first, above], 2) + max(self.smoothing, TINY)
        return ((counts / counts.sum(2, keepdim=True)).clamp(min=TINY).log(),)

    def log_prior(self, parameters: Parameters, mass: Tensor, sums: Parameters) -> float:
        return self.smoothing * float(parameters[0].sum())

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        d = self.space.dimensions
        chunks = []
        for rows in slices(len(classes), max(1, CHUNK // max(d * self.values, 1))):
            c, n = classes[rows], noise.rows(rows.start)
            m = inverse_cdf(self.log_weight[c], n.uniform((len(c),), "component", like=self.log_p))
            chunks.append(inverse_cdf(self.log_p[c, m], n.uniform((len(c), d), "cells", like=self.log_p)))
        return torch.cat(chunks)


def _nearest_centre(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++: k centres, each drawn by its squared distance to those before; the nearest of each point, one-hot."""
    distances = torch.zeros(len(points), k, dtype=points.dtype)
    nearest = torch.ones(len(points), dtype=points.dtype)
    for j in range(k):
        centre = points[torch.multinomial(nearest.clamp(min=TINY), 1, generator=generator)]
        distances[:, j] = (points - centre).square().sum(1)
        nearest = distances[:, : j + 1].amin(1)
    return torch.nn.functional.one_hot(distances.argmin(1), k).to(points.dtype)
