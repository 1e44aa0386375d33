"""Mixtures by EM: a hidden cause picks one of M simple distributions.

    p(x) = sum_m w_m p_m(x)

Given the events, the chance that component m made event i is its responsibility r_im = w_m p_m(x_i) / p(x_i) (the E
step). Given the responsibilities, the best w and p_m are weighted counts or moments (the M step). No round lowers the
likelihood; it ends in a local optimum, so several starts are made and the one that scores best on the validation
events is kept. Where there are several strengths of smoothing to choose from, EM goes on from there with weaker ones as
long as that validates better. M equal components are a mixture too: where the best single one validates better than
all of this, it is what is kept. Without validation events a fifth of the training events is held out for the choice,
and EM goes on from what was chosen with all of them.

``Mixture`` is that, whatever the components; ``ProductMixture`` has components of independent variables: a mixture of
Bernoullis on bits, of categoricals otherwise. (Gaussian components are in ``ptheta.distributions.gaussian_mixture``.)

Both steps are matrix products over chunks of events: n M D K for products. Scoring costs as much as an E step; sampling
picks a component, then draws from it. Given some variables a mixture is one of the components' conditionals, weighted
by how likely each makes what is known. Unlike a chain, a mixture sees all variables at once, but knows only M ways of
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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import CompletedForm, categories, slices
from ptheta.distributions.heads import inverse_cdf
from ptheta.distributions.simple import refuse_empty
from ptheta.distributions.tables import check_smoothing
from ptheta.noise import Noise, seeded_generator
from ptheta.spaces import Space

__all__ = ["Mixture", "ProductMixture"]

CHUNK = 2**22  # the most numbers in one chunk of events
SEEDS = 10_000  # the most events among which first centres are sought
INDICATORS = 2**16  # the most values of all variables together
TINY = 1e-30

Parameters = tuple[Tensor, ...]


@dataclass(frozen=True)
class Fit:
    """The components of one class, how they came about, and the strength of smoothing they were fitted with."""

    log_weight: Tensor
    parameters: Parameters
    trace: list[float]
    smoothing: float


class Mixture(CompletedForm):
    """M components and their weights, for one class or several; EM is here, the components are abstract.

    Args:
        space: What one event is.
        context_space: Classes or None.
        components: The number M of components.
        restarts: How many starts are made.
        iterations: The most rounds of each.
        tolerance: A start ends when a round gains less than this, in nats per event and variable.
        smoothings: The strengths of smoothing to choose from, in the order in which they are tried.
    """

    lengths_learned = ("trace",)
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
        smoothings: Sequence[float],
    ) -> None:
        super().__init__(space, context_space)
        for name, value in (("components", components), ("restarts", restarts), ("iterations", iterations)):
            if value < 1:
                raise ValueError(f"{name} should be at least 1, not {value}.")
        self.components, self.restarts = components, restarts
        self.iterations, self.tolerance = iterations, tolerance
        self.smoothings = tuple(check_smoothing(smoothing) for smoothing in smoothings)
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
    def maximise(self, mass: Tensor, sums: Parameters, smoothing: float) -> Parameters:
        """The M step: the components from those sums and the total responsibilities (M,)."""

    @abstractmethod
    def log_prior(self, parameters: Parameters, mass: Tensor, sums: Parameters, smoothing: float) -> float:
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
            none = train.x[:0]
            held = none if valid is None or valid.context is None else valid.x[valid.context == c]
            fits.append(self._best(train.x[rows], held, seeded_generator(seed + c)))
        longest = max(len(fit.trace) for fit in fits)
        self.log_weight = torch.stack([fit.log_weight for fit in fits])
        traces = [fit.trace + fit.trace[-1:] * (longest - len(fit.trace)) for fit in fits]
        self.trace = torch.tensor(traces, dtype=torch.float64)
        self.assign([fit.parameters for fit in fits])

    def _best(self, cells: Tensor, held: Tensor, generator: torch.Generator) -> "Fit":
        """What validates best, of several starts, strengths of smoothing, and the best single component."""
        kept, fifth = cells, len(cells) // 5
        if not len(held) and fifth and len(cells) - fifth >= self.components:
            mixed = torch.randperm(len(cells), generator=generator)
            held, kept = cells[mixed[:fifth]], cells[mixed[fifth:]]
        judged = held if len(held) else kept
        first, *weaker = self.smoothings
        starts = [self._climb(kept, self._spread_out(kept, first, generator), first) for _ in range(self.restarts)]
        best = max(starts, key=lambda fit: self._score(judged, fit))
        for smoothing in weaker:
            other = self._climb(kept, best, smoothing)
            if self._score(judged, other) <= self._score(judged, best):
                break
            best = other
        single = self._single(kept, first)
        if self.components > 1 and len(held) and self._score(judged, single) > self._score(judged, best):
            return single if kept is cells else self._single(cells, first)
        return best if kept is cells else self._climb(cells, best, best.smoothing)

    def _score(self, cells: Tensor, fit: "Fit") -> float:
        return float(self._log_prob(cells, fit.log_weight, fit.parameters).mean())

    def _spread_out(self, cells: Tensor, smoothing: float, generator: torch.Generator) -> "Fit":
        """Where EM starts: each event belongs to the nearest of spread-out centres."""
        first = torch.randperm(len(cells), generator=generator)[: self._rows(cells, SEEDS)]
        seeds = self.features(cells[first])
        r = nearest_centre(seeds, self.components, generator)
        return Fit(*self._m_step(r.sum(0), self.statistics(seeds, r), smoothing), [], smoothing)

    def _single(self, cells: Tensor, smoothing: float) -> "Fit":
        """The best single component, M times."""
        parts = []
        for rows in slices(len(cells), self._rows(cells)):
            features = self.features(cells[rows])
            parts.append(self.statistics(features, features.new_ones(len(features), 1)))
        mass = torch.full((1,), float(len(cells)), dtype=self.log_weight.dtype)
        sums = tuple(torch.stack(part).sum(0) for part in zip(*parts, strict=True))
        one = self.maximise(mass, sums, smoothing)
        parameters = tuple(p.expand(self.components, *p.shape[1:]).contiguous() for p in one)
        log_weight = torch.zeros(self.components, dtype=self.log_weight.dtype).log_softmax(0)
        objective = float(self._log_prob(cells, log_weight, parameters).sum()) + self.log_prior(
            one, mass, sums, smoothing
        )
        return Fit(log_weight, parameters, [objective / len(cells)], smoothing)

    def _climb(self, cells: Tensor, start: "Fit", smoothing: float) -> "Fit":
        """EM from a start; the trace holds the mean objective in nats per event, before each M step."""
        log_weight, parameters = start.log_weight, start.parameters
        trace: list[float] = []
        for _ in range(self.iterations):
            objective, mass, sums = self._e_step(cells, log_weight, parameters, smoothing)
            trace.append(objective)
            if len(trace) > 1 and trace[-1] - trace[-2] < self.tolerance * max(self.space.dimensions, 1):
                break
            log_weight, parameters = self._m_step(mass, sums, smoothing)
        return Fit(log_weight, parameters, trace, smoothing)

    def _e_step(
        self, cells: Tensor, log_weight: Tensor, parameters: Parameters, smoothing: float
    ) -> tuple[float, Tensor, Parameters]:
        total, mass, sums = 0.0, torch.zeros_like(log_weight), ()
        for rows in slices(len(cells), self._rows(cells)):
            features = self.features(cells[rows])
            joint = self.component_log_prob(features, parameters) + log_weight
            log_p = joint.logsumexp(1, keepdim=True)
            r = (joint - log_p).exp()
            total, mass = total + float(log_p.sum()), mass + r.sum(0)
            new = self.statistics(features, r)
            sums = tuple(a + b for a, b in zip(sums, new, strict=True)) if sums else new
        return (total + self.log_prior(parameters, mass, sums, smoothing)) / len(cells), mass, sums

    def _m_step(self, mass: Tensor, sums: Parameters, smoothing: float) -> tuple[Tensor, Parameters]:
        mass = mass + TINY
        return (mass / mass.sum()).log(), self.maximise(mass, sums, smoothing)

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
        super().__init__(space, context_space, components, restarts, iterations, tolerance, (smoothing,))
        self.values = categories(space, "ProductMixture")
        if space.dimensions * self.values > INDICATORS:
            raise ValueError(
                f"ProductMixture keeps a number per value of each variable and component, and {space} has "
                f"{space.dimensions * self.values:,} values, more than {INDICATORS:,}. Use fewer levels, or the "
                "dequantised GaussianMixture."
            )
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

    def maximise(self, mass: Tensor, sums: Parameters, smoothing: float) -> Parameters:
        above = sums[0].view(len(mass), self.space.dimensions, self.values - 1)
        first = (mass[:, None, None] - above.sum(2, keepdim=True)).clamp(min=0)
        counts = torch.cat([first, above], 2) + max(smoothing, TINY)
        return ((counts / counts.sum(2, keepdim=True)).clamp(min=TINY).log(),)

    def log_prior(self, parameters: Parameters, mass: Tensor, sums: Parameters, smoothing: float) -> float:
        return smoothing * float(parameters[0].sum())

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        return self._draw(classes, self.log_weight[classes], noise, 1.0)

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        shares = self.log_weight[classes]
        for c, rows in self.per_class(classes):
            above = self.features(cells[rows]).view(len(rows), self.space.dimensions, -1)
            ratio = (self.log_p[c, :, :, 1:] - self.log_p[c, :, :, :1]).flatten(1)
            seen = known[rows].to(above.dtype)
            shares[rows] += (above * seen[:, :, None]).flatten(1) @ ratio.T + seen @ self.log_p[c, :, :, 0].T
        return self._draw(classes, shares, noise, temperature)

    def _draw(self, classes: Tensor, shares: Tensor, noise: Noise, temperature: float) -> Tensor:
        """Cells of components drawn by the log-weights (B, M)."""
        d, parts = self.space.dimensions, []
        for rows in slices(len(classes), max(1, CHUNK // max(d * self.values, 1))):
            c, n = classes[rows], noise.rows(rows.start)
            m = inverse_cdf(shares[rows] / temperature, n.uniform((len(c),), "component", like=self.log_p))
            u = n.uniform((len(c), d), "cells", like=self.log_p)
            parts.append(inverse_cdf(self.log_p[c, m] / temperature, u))
        return torch.cat(parts)


def nearest_centre(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++: k centres, each drawn by its squared distance to those before; the nearest of each point, one-hot."""
    distances = torch.zeros(len(points), k, dtype=points.dtype)
    nearest = torch.ones(len(points), dtype=points.dtype)
    for j in range(k):
        centre = points[torch.multinomial(nearest.clamp(min=TINY), 1, generator=generator)]
        distances[:, j] = (points - centre).square().sum(1)
        nearest = distances[:, : j + 1].amin(1)
    return torch.nn.functional.one_hot(distances.argmin(1), k).to(points.dtype)
