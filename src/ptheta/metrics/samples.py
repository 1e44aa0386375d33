"""The set of sample metrics: each with an interval, each beside real data against real data.

    frechet distance    are means and covariances of the features right?
    kernel distance     are the first three moments of the features right?
    precision, density  does each sample look real?
    recall, coverage    is each kind of real event reached?
    two-sample AUC      can a classifier tell them apart?
    memorised           are samples copies of training events?
    distance ratio      are samples as far from the training set as held-out events are?

No single number suffices: noise shows in the first, dropped modes in recall and coverage, shrinking in recall, copying
in ``memorised`` only. Beside each stands what real training events get that no extractor has seen ("real data"): the
value of a perfect model at the same n. Small test splits are joined by the validation split; ``reference`` says so.

Intervals are 95 %: value ± 1.96 sd. Distances and manifolds take the sd over random halves of both sets, drawn
without replacement, which for a mean is exactly the sd of the full set. The usual bootstrap would repeat events, and
an event at distance zero of itself ruins nearest neighbours and inflates covariances. Random halves are halves of the
events in sorted order, so no value and no interval depends on the order in which events come.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.metrics.c2st import two_sample_test
from ptheta.metrics.coverage import precision_recall_density_coverage
from ptheta.metrics.features import Extractor, features, in_order, real_halves
from ptheta.metrics.frechet import frechet_distance_at_any_n
from ptheta.metrics.memorisation import Neighbours, nearest_training_neighbours
from ptheta.metrics.mmd import kernel_distance
from ptheta.metrics.result import Better, MetricResult

__all__ = ["NearestPairs", "SampleEvaluator", "SampleReport", "evaluate_samples"]

_LARGEST = 2000  # of each set
_SCARCE = 1000  # a test split below this is joined by the validation split
_SMALLEST = 20
_HALVES = 40
_PAIRS = 16

_MEANINGS: dict[str, tuple[Better, float, str]] = {  # better, upper limit, meaning
    "frechet distance": (
        "lower",
        math.inf,
        "How far means and covariances of the features are apart; it shrinks with n, and 0 is perfect.",
    ),
    "kernel distance": (
        "lower",
        math.inf,
        "How far the first three moments of the features are apart, without bias; 0 is perfect, below 0 is chance.",
    ),
    "precision": ("higher", 1.0, "The share of samples that lie within the real data's neighbourhoods."),
    "recall": ("higher", 1.0, "The share of real events that lie within the samples' neighbourhoods."),
    "density": (
        "near real",
        math.inf,
        "How crowded with real neighbourhoods the samples are; above real data's value, they crowd in its middle.",
    ),
    "coverage": ("higher", 1.0, "The share of real neighbourhoods that hold a sample."),
    "two-sample AUC": (
        "lower",
        1.0,
        "How well a classifier tells samples from real data; 0.5 is perfect, and near 1 it is saturated: "
        "any artefact suffices.",
    ),
    "memorised": (
        "lower",
        1.0,
        "The share of samples closer to a training event than any other training event is; well above real data's "
        "value, the model copies.",
    ),
    "distance ratio": (
        "near real",
        math.inf,
        "The samples' mean distance to the training set over that of held-out events; 0 are copies, "
        "far above 1 is off the data.",
    ),
}


@final
@dataclass(frozen=True)
class NearestPairs:
    """The samples nearest to the training set beside their training events, and held-out events as the control.

    Args:
        samples: The nearest samples with shape (k, *space.shape), nearest first.
        neighbours: The training event nearest to each.
        held_out: The held-out events nearest to the training set.
        held_out_neighbours: The training event nearest to each.
    """

    samples: Tensor
    neighbours: Tensor
    held_out: Tensor
    held_out_neighbours: Tensor


@final
@dataclass(frozen=True)
class SampleReport:
    """Every sample metric of one set of samples.

    Args:
        metrics: The results, each with its real-against-real value.
        notes: What was left out or cut short, one sentence each.
        pairs: The samples that look most like copies.
    """

    metrics: tuple[MetricResult, ...]
    notes: tuple[str, ...]
    pairs: NearestPairs

    def __getitem__(self, name: str) -> MetricResult:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(f"no metric {name!r}; there are {', '.join(m.name for m in self.metrics)}.")

    def __str__(self) -> str:
        rows = [f"{'metric':<17}{'samples':>30}{'real data':>30}  better"]
        for m in self.metrics:
            real = "" if m.real is None else _cell(m.real)
            rows.append(f"{m.name:<17}{_cell(m):>30}{real:>30}  {m.better}")
        return "\n".join([*rows, *self.notes])

    def to_json(self) -> dict[str, Any]:
        """Returns metrics and notes as a dictionary for strict JSON, without the pairs."""
        return {"metrics": [metric.to_json() for metric in self.metrics], "notes": list(self.notes)}


@final
class SampleEvaluator:
    """Judges samples of any number of models against one data set, on the same features and events.

    Args:
        data: The data set; samples are compared with its test split, and a small one is joined by the validation split.
        extractor: The features; ``features(data)`` if None.
        n: How many events of each set to compare: fewer if there are fewer test events or half the training events
            are fewer, and at most a few thousand.
        seed: Names the events and every random choice.
    """

    def __init__(
        self, data: Dataset, *, extractor: Extractor | None = None, n: int | None = None, seed: int = 0
    ) -> None:
        fresh = real_halves(data, seed)[1]
        held_out, self.reference = data.test.x, "test"
        if len(held_out) < _SCARCE:
            held_out, self.reference = torch.cat([held_out, data.valid.x]), "test and valid"
        limits = {
            f"{n} were asked for": n or _LARGEST,
            f"{self.reference} have no more events": len(held_out),
            "half of train has no more events": len(fresh),
            "more cost minutes": _LARGEST,
        }
        self.n = min(limits.values())
        if self.n < _SMALLEST:
            raise ValueError(f"sample metrics need at least {_SMALLEST} events, but there are {self.n} to compare.")
        self._reason = min(limits, key=lambda name: limits[name])
        self.data, self.seed = data, seed
        self.extractor = features(data, n=self.n, seed=seed) if extractor is None else extractor
        order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed))[: self.n]
        self._held_out = held_out[order]
        self._fresh = fresh.x[: self.n]

    def __call__(self, samples: Tensor) -> SampleReport:
        """Judges samples.

        Args:
            samples: Events of the data set's space, at least ``n`` of them; the first ``n`` are judged.

        Returns:
            The metrics, each beside real data against real data.
        """
        self.data.space.check(samples, "samples")
        if len(samples) < self.n:
            raise ValueError(f"expected at least {self.n} samples, but there are {len(samples)}.")
        notes = list(self._notes(len(samples)))
        judged = samples[: self.n].cpu()
        fake = self.extractor(judged)
        neighbours = nearest_training_neighbours(self._train_features, fake)
        pairs = self._pairs(judged, neighbours)
        real = {result.name: result for result in self.real}
        metrics = tuple(replace(m, real=real[m.name]) for m in self._results(fake, neighbours))
        return SampleReport(metrics, tuple(notes), pairs)

    @cached_property
    def real(self) -> tuple[MetricResult, ...]:
        """Real data against real data: training events no extractor saw, held-out ones where copying is judged."""
        return tuple(self._results(self.extractor(self._fresh), self._control))

    @cached_property
    def _held_out_features(self) -> Tensor:
        return self.extractor(self._held_out)

    @cached_property
    def _train_features(self) -> Tensor:
        return self.extractor(self.data.train.x)

    @cached_property
    def _control(self) -> Neighbours:
        return nearest_training_neighbours(self._train_features, self._held_out_features)

    def _notes(self, given: int) -> Iterator[str]:
        if given > self.n:
            yield f"Compared {self.n} of {given} samples with as many held-out events: {self._reason}."
        if self.n < self.extractor.dimensions:
            yield (
                f"No Fréchet distance: it needs at least as many events as features, but there are {self.n} events "
                f"and {self.extractor.dimensions} features."
            )
        yield f"Features: {self.extractor.id}" + (f"; {self.extractor.remark}." if self.extractor.remark else ".")

    def _results(self, fake: Tensor, neighbours: Neighbours) -> Iterator[MetricResult]:
        real = self._held_out_features
        spread = _spread(real, fake, self.seed)
        for name, value in _distances(real, fake).items():
            if name != "frechet distance" or self.n >= self.extractor.dimensions:
                yield self._result(name, value, spread[name])
        yield self._result("two-sample AUC", *two_sample_test(real, fake, seed=self.seed))
        memorised = neighbours.memorised.double()
        yield self._result("memorised", memorised.mean().item(), _standard_error(memorised))
        yield self._result("distance ratio", *_ratio(neighbours.distance, self._control.distance))

    def _result(self, name: str, value: float, error: float) -> MetricResult:
        better, top, meaning = _MEANINGS[name]
        bottom = -math.inf if name == "kernel distance" else 0.0
        interval = (max(bottom, value - 1.96 * error), min(top, value + 1.96 * error))
        return MetricResult(name, value, interval, better, meaning, self.n, self.n, self.extractor.id, self.reference)

    def _pairs(self, samples: Tensor, neighbours: Neighbours) -> NearestPairs:
        train = self.data.train.x
        mine, theirs = neighbours.closest(_PAIRS), self._control.closest(_PAIRS)
        return NearestPairs(
            samples[mine], train[neighbours.index[mine]], self._held_out[theirs], train[self._control.index[theirs]]
        )


def evaluate_samples(
    samples: Events | Tensor, data: Dataset, *, extractor: Extractor | None = None, n: int | None = None, seed: int = 0
) -> SampleReport:
    """Compares samples with a data set; for several models use one ``SampleEvaluator``, which keeps the real side.

    Args:
        samples: Events of the data set's space, from a model or elsewhere.
        data: The data set.
        extractor: The features; ``features(data)`` if None.
        n: How many to compare; as many as there are, up to a few thousand, if None.
        seed: Names every random choice.

    Returns:
        The metrics, each with an interval and beside real data against real data.
    """
    x = samples.x if isinstance(samples, Events) else samples
    data.space.check(x, "samples")
    most = len(x) if n is None else min(n, len(x))
    return SampleEvaluator(data, extractor=extractor, n=max(1, most), seed=seed)(x)


def _distances(real: Tensor, fake: Tensor) -> dict[str, float]:
    """The metrics that take both sets of features, with shape (n, d) each."""
    return {
        "frechet distance": frechet_distance_at_any_n(real, fake),
        "kernel distance": kernel_distance(real, fake),
        **precision_recall_density_coverage(real, fake)._asdict(),
    }


def _spread(real: Tensor, fake: Tensor, seed: int) -> dict[str, float]:
    """The standard error of each distance, over random halves of both sets."""
    generator = torch.Generator().manual_seed(seed)
    real, fake = in_order(real), in_order(fake)
    found: list[dict[str, float]] = []
    for _ in range(_HALVES):
        rows = [torch.randperm(len(x), generator=generator)[: len(x) // 2] for x in (real, fake)]
        found.append(_distances(real[rows[0]], fake[rows[1]]))
    return {name: torch.tensor([f[name] for f in found], dtype=torch.float64).std().item() for name in found[0]}


def _ratio(ours: Tensor, theirs: Tensor) -> tuple[float, float]:
    """The ratio of two means over independent events, and its standard error."""
    ratio = (ours.mean() / theirs.mean()).item() if theirs.mean() > 0 else math.nan
    relative = math.hypot(*(_standard_error(d) / max(d.mean().item(), 1e-300) for d in (ours, theirs)))
    return ratio, ratio * relative


def _standard_error(x: Tensor) -> float:
    return x.std().item() / math.sqrt(len(x))


def _cell(result: MetricResult) -> str:
    low, high = result.interval
    return f"{result.value:.4g} [{low:.3g}, {high:.3g}]"
