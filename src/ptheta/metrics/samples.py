"""The set of sample metrics: each with an interval, each beside real data against real data.

    frechet distance    are means and covariances of the features right?
    kernel distance     are the first three moments of the features right?
    precision, density  does each sample look real?
    recall, coverage    is each kind of real event reached?
    two-sample AUC      can a classifier tell them apart?
    train share         are samples nearer to training events than to held-out ones?
    distance ratio      are samples as far from the training set as held-out events are?

No single number suffices: noise shows in the first, dropped modes in recall and coverage, shrinking in recall, copying
in the last two only. So three fixed rows stand beside every model, at the same n and on the same real events:

    real data      training events that no extractor has seen; where copying is judged, held-out events: perfection
    copy of train  training events as if they were samples: what the other metrics reward and the last two show
    floor          every variable drawn from training events by itself: no effort

Whatever is better than real data is no better (``MetricResult.shortfall``). Small test splits are joined by the
validation split; ``reference`` says so.

Intervals are 95 %: value ± 1.96 sd. Distances and manifolds take the sd over random halves of both sets, drawn
without replacement, which for a mean is exactly the sd of the full set. The usual bootstrap would repeat events, and
an event at distance zero of itself ruins nearest neighbours and inflates covariances. Random halves are halves of the
events in sorted order, so no value and no interval depends on the order in which events come; the halves of the real
events are the same for all samples, so differences are paired.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Literal, final

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.metrics.c2st import two_sample_test
from ptheta.metrics.coverage import precision_recall_density_coverage
from ptheta.metrics.features import Extractor, features, in_order, real_halves
from ptheta.metrics.frechet import frechet_distance_at_any_n
from ptheta.metrics.memorisation import Neighbours, nearest_neighbours, train_share, train_share_interval
from ptheta.metrics.mmd import kernel_distance, kernel_distances
from ptheta.metrics.result import NORMAL_95, Better, MetricResult
from ptheta.metrics.sample_report import NearestPairs, SampleReport
from ptheta.noise import seeded_generator

__all__ = ["SampleEvaluator", "evaluate_samples"]

LARGEST = 2000  # of each set
SCARCE = 1000  # a test split below this is joined by the validation split
SMALLEST = 20
UNSEEN = 20_000  # held-out events among which copies have no neighbours, at most
SEEN = 200_000  # training events among which they have, at most
HALVES = 40
PAIRS = 16

MEANINGS: dict[str, tuple[Better, float, str]] = {  # better, upper limit, meaning
    "frechet distance": (
        "lower",
        math.inf,
        "How far means and covariances of the features are apart; biased upwards, by the less the larger n is, so "
        "that real data do not reach 0.",
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
        "near real",
        1.0,
        "How well a classifier tells samples from real data, over several splits; 0.5 is perfect, below it is chance, "
        "and near 1 it is saturated: any artefact suffices.",
    ),
    "train share": (
        "near real",
        1.0,
        "The share of samples nearer to training events than to held-out ones, were there as many of both; well above "
        "real data's value, the model copies.",
    ),
    "distance ratio": (
        "near real",
        math.inf,
        "The samples' mean distance to the training set over that of held-out events; 0 are copies, "
        "far above 1 is off the data.",
    ),
}


@final
class SampleEvaluator:
    """Judges samples of any number of models against one data set, on the same features and events.

    Args:
        data: The data set.
        extractor: The features; ``features(data)`` if None.
        n: How many events of each set to compare: fewer if the split has fewer or half the training events are fewer,
            and at most a few thousand.
        split: Whose events samples are compared with. A small test split is joined by the validation split. Of the
            training split only events that no extractor has seen are used, and copies are looked for beside the other
            two splits.
        seed: Names the events and every random choice.
    """

    def __init__(
        self,
        data: Dataset,
        *,
        extractor: Extractor | None = None,
        n: int | None = None,
        split: Literal["train", "valid", "test"] = "test",
        seed: int = 0,
    ) -> None:
        self.data, self.seed = data, seed
        fresh = real_halves(data, seed)[1]
        compared, self.reference, unseen = _sides(data, split, fresh)
        room = len(fresh) // 2 if split == "train" else len(fresh)  # for real data against real data
        limits = {
            f"{n} were asked for": LARGEST if n is None else n,
            f"{self.reference} {'has' if split == self.reference else 'have'} no more events": len(compared),
            "half of train has no more events": room,
            "valid and test have no more events": len(unseen),
            "more cost minutes": LARGEST,
        }
        self.n = min(limits.values())
        if self.n < SMALLEST:
            raise ValueError(f"sample metrics need at least {SMALLEST} events, but there are {self.n} to compare.")
        self._reason = min(limits, key=lambda name: limits[name])
        self.extractor = features(data, n=self.n, seed=seed) if extractor is None else extractor
        compared = _shuffled(compared, seed)
        self._train = data.train.some(SEEN)
        self._real = compared[: self.n].x
        self._perfect = (compared[self.n : 2 * self.n] if split == "train" else fresh[: self.n]).x
        self._unseen = _shuffled(unseen, seed)[:UNSEEN].x

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
        judged = samples[: self.n].cpu()
        metrics, near_train = self._judged(judged)
        pairs = self._pairs(judged, near_train)
        return SampleReport(metrics, self.fixed_rows, tuple(self._notes(len(samples))), pairs)

    @cached_property
    def fixed_rows(self) -> dict[str, tuple[MetricResult, ...]]:
        """The metrics of real data, of copies of training events, and of variables each drawn by itself."""
        generator, train = seeded_generator(self.seed), self._train.some(UNSEEN).x
        rows = torch.randint(len(train), (self.n, train[0].numel()), generator=generator)
        alone = train.flatten(1).gather(0, rows).reshape(self.n, *train.shape[1:])
        copies = train[torch.randperm(len(train), generator=generator)[: self.n]]
        return {"real data": self.real, "copy of train": self._judged(copies)[0], "floor": self._judged(alone)[0]}

    @cached_property
    def real(self) -> tuple[MetricResult, ...]:
        """Real data against real data: training events no extractor saw, held-out ones where copying is judged."""
        perfect = self.extractor(self._perfect)
        return tuple(self._results(perfect, self._control, self._control_unseen))

    @cached_property
    def _real_features(self) -> Tensor:
        return self.extractor(self._real)

    @cached_property
    def _train_features(self) -> Tensor:
        return torch.cat([self.extractor(part.x) for part in self._train.pieces()])

    @cached_property
    def _unseen_features(self) -> Tensor:
        return self.extractor(self._unseen)

    @cached_property
    def _control(self) -> Neighbours:
        """Held-out events, as if they were samples."""
        return nearest_neighbours(self._unseen_features[: self.n], self._train_features)

    @cached_property
    def _control_unseen(self) -> Neighbours:
        unseen = self._unseen_features
        return nearest_neighbours(unseen[: self.n], unseen, own=torch.arange(self.n))

    def _judged(self, samples: Tensor) -> tuple[tuple[MetricResult, ...], Neighbours]:
        fake = self.extractor(samples)
        near_train = nearest_neighbours(fake, self._train_features)
        real = {result.name: result for result in self.real}
        found = self._results(fake, near_train, nearest_neighbours(fake, self._unseen_features))
        return tuple(replace(m, real=real[m.name]) for m in found), near_train

    def _notes(self, given: int) -> Iterator[str]:
        if given > self.n:
            yield f"Compared {self.n} of {given} samples with as many held-out events: {self._reason}."
        if self.n < self.extractor.dimensions:
            yield (
                f"No Fréchet distance: it needs at least as many events as features, but there are {self.n} events "
                f"and {self.extractor.dimensions} features."
            )
        if not self._control.distance.any():
            yield "No distance ratio: every held-out event occurs in train as well."
        yield f"Features: {self.extractor.id}" + (f"; {self.extractor.remark}." if self.extractor.remark else ".")

    def _results(self, fake: Tensor, near_train: Neighbours, near_unseen: Neighbours) -> Iterator[MetricResult]:
        real = self._real_features
        halves = in_halves(real, fake, self.seed)
        for name, value in distances(real, fake).items():
            if name != "frechet distance" or self.n >= self.extractor.dimensions:
                yield self._result(name, value, halves[name].std().item(), halves[name])
        yield self._result("two-sample AUC", *two_sample_test(real, fake, seed=self.seed))
        near = near_train, near_unseen
        yield self._between("train share", train_share(*near)[0], train_share_interval(*near))
        if self._control.distance.any():
            yield self._result("distance ratio", *ratio_of_means(near_train.distance, self._control.distance))

    def _result(self, name: str, value: float, error: float, halves: Tensor | None = None) -> MetricResult:
        half = NORMAL_95 * error
        return self._between(name, value, (value - half, value + half), halves)

    def _between(
        self, name: str, value: float, ends: tuple[float, float], halves: Tensor | None = None
    ) -> MetricResult:
        better, top, meaning = MEANINGS[name]
        bottom = -math.inf if name == "kernel distance" else 0.0
        interval = (max(bottom, ends[0]), min(top, ends[1]))
        terms = (self.n, self.n, self.extractor.id, self.reference)
        return MetricResult(name, value, interval, better, meaning, *terms, halves=halves)

    def _pairs(self, samples: Tensor, neighbours: Neighbours) -> NearestPairs:
        mine, theirs = neighbours.closest(PAIRS), self._control.closest(PAIRS)
        near = (self._train[which].x for which in (neighbours.index[mine], self._control.index[theirs]))
        return NearestPairs(samples[mine], next(near), self._unseen[theirs], next(near))


def evaluate_samples(
    samples: Events | Tensor,
    data: Dataset,
    *,
    extractor: Extractor | None = None,
    n: int | None = None,
    split: Literal["train", "valid", "test"] = "test",
    seed: int = 0,
) -> SampleReport:
    """Compares samples with a data set; for several models use one ``SampleEvaluator``, which keeps the real side.

    Args:
        samples: Events of the data set's space, from a model or elsewhere.
        data: The data set.
        extractor: The features; ``features(data)`` if None.
        n: How many to compare; as many as there are, up to a few thousand, if None.
        split: Whose events to compare with.
        seed: Names every random choice.

    Returns:
        The metrics, each with an interval and beside real data against real data.
    """
    x = samples.x if isinstance(samples, Events) else samples
    data.space.check(x, "samples")
    most = len(x) if n is None else min(n, len(x))
    return SampleEvaluator(data, extractor=extractor, n=max(1, most), split=split, seed=seed)(x)


def _sides(data: Dataset, split: str, fresh: Events) -> tuple[Events, str, Events]:
    """The events to compare with, what they are called, and those that no model was fitted to."""
    if split == "train":
        return fresh, "train", Events.join([data.test, data.valid])
    if split == "valid":
        return data.valid, "valid", data.valid
    if len(data.test) < SCARCE:
        both = Events.join([data.test, data.valid])
        return both, "test and valid", both
    return data.test, "test", data.test


def _shuffled(events: Events, seed: int) -> Events:
    return events[torch.randperm(len(events), generator=seeded_generator(seed))]


def distances(real: Tensor, fake: Tensor) -> dict[str, float]:
    """The metrics that take both sets of features, with shape (n, d) each."""
    return {
        "frechet distance": frechet_distance_at_any_n(real, fake),
        "kernel distance": kernel_distance(real, fake),
        **precision_recall_density_coverage(real, fake)._asdict(),
    }


def in_halves(real: Tensor, fake: Tensor, seed: int) -> dict[str, Tensor]:
    """Each distance on random halves of both sets, with shape (halves,); the halves of real depend on it alone."""
    generator = seeded_generator(seed)
    real, fake = in_order(real), in_order(fake)
    rows = [[torch.randperm(len(x), generator=generator)[: len(x) // 2] for x in (real, fake)] for _ in range(HALVES)]
    found: list[dict[str, float]] = []
    for real_rows, fake_rows in rows:
        parts = real[real_rows], fake[fake_rows]
        manifolds = precision_recall_density_coverage(*parts)._asdict()
        found.append({"frechet distance": frechet_distance_at_any_n(*parts), **manifolds})
    members = [torch.zeros(HALVES, len(x), dtype=torch.bool) for x in (real, fake)]
    for side, member in enumerate(members):
        member.scatter_(1, torch.stack([pair[side] for pair in rows]), True)
    spread = {name: torch.tensor([f[name] for f in found], dtype=torch.float64) for name in found[0]}
    return spread | {"kernel distance": kernel_distances(real, fake, *members)}


def ratio_of_means(ours: Tensor, theirs: Tensor) -> tuple[float, float]:
    """The ratio of two means over independent events, and its standard error."""
    ratio = (ours.mean() / theirs.mean()).item()
    relative = math.hypot(*(standard_error(d) / max(d.mean().item(), 1e-300) for d in (ours, theirs)))
    return ratio, ratio * relative


def standard_error(x: Tensor) -> float:
    return x.std().item() / math.sqrt(len(x))
