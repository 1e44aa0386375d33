"""What a comparison of models found, and who is best where that can be told.

A model is best only where the same events tell it from the others; whoever they do not tell apart are tied:

    likelihood      tied with the leader where the 95 % interval of the mean of log p_leader(x_i) - log p(x_i), over the
                    same test events x_i, holds 0. Pairing takes out what makes an event hard for every model.
    sample metrics  nearest to real data is best, and what is within the interval of real data against real data is as
                    good as it; tied with the leader where the 95 % interval of the difference, paired by the same real
                    events, holds 0.

A trained model that saw less than one epoch is hardly trained: it stands behind all that saw more, in every ranking.

Known limits: nothing is corrected for how many models compete. A bound is taken at its value: where the leader's
lead is over a bound, the true likelihood behind that bound may be better.
"""

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.metrics import Likelihood, MetricResult
from ptheta.metrics.given import Answers

__all__ = ["Comparison", "Contender"]

NORMAL_95 = 1.96


@final
@dataclass
class Contender:
    """One model of a comparison.

    Args:
        name: Its name on the command line.
        title: What it is, in a phrase.
        run: Its run folder.
        error: Why it failed, in a sentence, or None.
        unsampled: Why it could be scored but not sampled or judged, in a sentence, or None.
        failure: The traceback of what failed.
        likelihood: Its likelihood on the test events, or None if it failed.
        metrics: Its sample metrics.
        parameters: How many numbers it learned.
        steps: How many training steps it took; None of a model in closed form.
        epochs: How often it saw the training events; None of a model in closed form.
        events_per_second: How many training events it saw in a second of wall time; None of a model in closed form.
        fit_seconds: How long it trained.
        cpu_seconds: The processor time of its training.
        sample_seconds: How long one sample takes, drawn in one batch.
        curve: The lines of its metrics.jsonl.
        shown: Some of its samples, to be looked at.
        answers: Draws for each of the comparison's questions, with shape (questions, draws, *shape); None without.
        given: How well its draws answer what was given, beside the real events; None without.
        stopped: When it was stopped early, for others that validated better, in a phrase; it is not ranked.
        validation: Where it was stopped early, its negative log-likelihood or bound on validation events, in nats.
        nearness: Where it was stopped early, the kernel distance of a few samples to validation events.
    """

    name: str
    title: str
    run: str
    error: str | None = None
    unsampled: str | None = None
    failure: str = ""
    likelihood: Likelihood | None = None
    metrics: list[MetricResult] = field(default_factory=list)
    parameters: int | None = None
    steps: int | None = None
    epochs: float | None = None
    events_per_second: float | None = None
    fit_seconds: float | None = None
    cpu_seconds: float | None = None
    sample_seconds: float | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    shown: Tensor | None = field(default=None, repr=False)
    answers: Tensor | None = field(default=None, repr=False)
    given: Answers | None = None
    stopped: str | None = None
    validation: float | None = None
    nearness: float | None = None

    @property
    def hardly_trained(self) -> bool:
        """Whether it is trained by steps and saw less than one epoch."""
        return self.epochs is not None and self.epochs < 1

    @property
    def nats(self) -> float:
        """The negative log-likelihood: infinite where an event is impossible, NaN where it is undefined."""
        return self.likelihood.value if self.likelihood and self.likelihood.value is not None else math.nan

    def metric(self, name: str) -> MetricResult | None:
        """Its sample metric of a name, if it has that."""
        return next((m for m in self.metrics if m.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """All but events, scores and the traceback, for scripts."""
        plain = ("error", "unsampled", "parameters", "steps", "epochs", "hardly_trained", "events_per_second")
        seconds = ("fit_seconds", "cpu_seconds", "sample_seconds")
        return {
            "model": self.name,
            "title": self.title,
            "run": self.run,
            "likelihood": None if self.likelihood is None else self.likelihood.to_json(),
            "metrics": [m.to_json() for m in self.metrics],
            "given": None if self.given is None else self.given.to_json(),
            **{name: getattr(self, name) for name in (*plain, *seconds, "stopped", "validation", "nearness", "curve")},
        }


@final
@dataclass
class Comparison:
    """A comparison, finished or as far as it got.

    Args:
        data: What was modelled.
        source: What ``load`` was called with.
        data_options: The options ``load`` was called with.
        names: The models to compare, in the order of the family tree or as they were asked for.
        asked: Those asked for by name; empty where all that fit were chosen.
        minutes: The training budget of each trained model; None where they share a total.
        seed: Names every draw.
        n_test: How many test events were scored.
        n_drawn: How many samples each model drew: as many as are judged or shown.
        n_samples: How many of them were judged: as many as there are real events to compare with.
        real: Some real events, to be looked at: of test, or of all splits where test has too few to show much.
        contenders: The models that were begun.
        left_out: Models that do not fit, and why.
        fixed_rows: The sample metrics of real data, of copies of training events and of no effort.
        unranked: Why likelihoods rank nobody on this data, in a sentence; None where they do.
        real_is_test: Whether ``real`` are of test.
        remarks: What could not be measured, and why; what is odd about the data.
        seconds: How long it all took.
        questions: Where models are given a context, some test events with theirs; else None.
        total: The budget of everything in minutes; None where each trained model has its own.
    """

    data: Dataset
    source: str
    data_options: dict[str, Any]
    names: list[str]
    asked: tuple[str, ...]
    minutes: float | None
    seed: int
    n_test: int
    n_drawn: int
    n_samples: int
    real: Tensor = field(repr=False)
    contenders: list[Contender] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    fixed_rows: dict[str, tuple[MetricResult, ...]] = field(default_factory=dict)
    unranked: str | None = None
    real_is_test: bool = True
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    questions: Events | None = field(default=None, repr=False)
    total: float | None = None

    @property
    def done(self) -> list[Contender]:
        """The contenders that did not fail and were not stopped early."""
        return [c for c in self.contenders if c.error is None and c.stopped is None]

    @property
    def stopped(self) -> list[Contender]:
        """Those that were stopped early, best on validation events first."""
        ended = [c for c in self.contenders if c.error is None and c.stopped is not None]
        return sorted(ended, key=lambda c: math.inf if c.validation is None else c.validation)

    @property
    def not_reached(self) -> list[str]:
        """The models that a comparison stopped early has not begun."""
        begun = {c.name for c in self.contenders}
        return [name for name in self.names if name not in begun]

    @property
    def metric_names(self) -> list[str]:
        """The sample metrics that any contender has."""
        return list(dict.fromkeys(m.name for c in self.done for m in c.metrics))

    def by_likelihood(self) -> list[Contender]:
        """Those with a likelihood, best first, the hardly trained behind the others."""
        scored = (c for c in self.done if not math.isnan(c.nats))
        return sorted(scored, key=lambda c: (c.hardly_trained, c.nats))

    def by_metric(self, name: str) -> list[Contender]:
        """Those with a sample metric, nearest to real data first, the hardly trained behind the others."""
        judged = [(c, m) for c in self.done if (m := c.metric(name)) and math.isfinite(m.shortfall)]
        return [c for c, m in sorted(judged, key=lambda each: (each[0].hardly_trained, each[1].shortfall))]

    def by_samples(self) -> list[Contender]:
        """Those with sample metrics, best first by the first of them."""
        return self.by_metric(self.metric_names[0]) if self.metric_names else []

    def best_by_likelihood(self) -> list[str]:
        """The leader and all that the test events do not tell from it; nobody where likelihoods rank nobody."""
        ranked = _contest(self.by_likelihood())
        if self.unranked or not ranked or not math.isfinite(ranked[0].nats):
            return []
        leads = ((c.name, self.lead_over(c)) for c in ranked)
        return [name for name, lead in leads if lead is not None and not abs(lead[0]) > lead[1]]

    def best_by_metric(self, name: str) -> list[str]:
        """The leader by a sample metric, all that are as good as real data, and all that are not told from it."""
        found = [(c.name, m) for c in _contest(self.by_metric(name)) if (m := c.metric(name))]
        return [who for who, m in found if m.is_tied_with(found[0][1])]

    def lead_over(self, contender: Contender) -> tuple[float, float] | None:
        """By how many nats per event the leader finds the test events more probable than another, which it tells from.

        Args:
            contender: The other.

        Returns:
            The mean of the paired differences and its 95 % half-width; None where they are not finite.
        """
        ranked = _contest(self.by_likelihood())
        found = [c.likelihood for c in (ranked[0], contender) if c.likelihood] if ranked else []
        scores = [likelihood.log_p for likelihood in found if likelihood.log_p is not None]
        if len(scores) < 2:
            return None
        difference = scores[0] - scores[1]
        if not bool(difference.isfinite().all()):
            return None
        n = len(difference)
        halves = [NORMAL_95 * float(difference.std()) / math.sqrt(n) if n > 1 else math.inf]
        # The error of an estimated normaliser moves all events together, so the differences do not show it.
        halves += [each.estimator_error or 0.0 for each in found if each.kind in ("estimate", "estimated bound")]
        return float(difference.mean()), math.hypot(*halves) if contender is not ranked[0] else 0.0

    def to_json(self) -> dict[str, Any]:
        """The whole result, for scripts; documented in docs/json.md."""
        return {
            "data": self.data.name,
            "source": self.source,
            "data_options": self.data_options,
            "space": str(self.data.space),
            "fingerprint": self.data.fingerprint,
            "minutes": self.minutes,
            "total": self.total,
            "seed": self.seed,
            "n_test": self.n_test,
            "n_drawn": self.n_drawn,
            "n_samples": self.n_samples,
            "seconds": self.seconds,
            "threads": torch.get_num_threads(),
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "best": {
                "likelihood": self.best_by_likelihood(),
                **{name: self.best_by_metric(name) for name in self.metric_names},
            },
            "models": [{**c.to_json(), "behind": self._behind(c)} for c in self.contenders],
            "fixed_rows": {name: [m.to_json() for m in row] for name, row in self.fixed_rows.items()},
            "not_reached": self.not_reached,
            "left_out": self.left_out,
            "unranked": self.unranked,
            "remarks": self.remarks,
        }

    def _behind(self, contender: Contender) -> dict[str, float | None] | None:
        lead = None if self.unranked else self.lead_over(contender)
        if lead is None:
            return None
        return {"nats_per_event": lead[0], "half_width_95": lead[1] if math.isfinite(lead[1]) else None}


def _contest(ranked: Sequence[Contender]) -> list[Contender]:
    """Those who may win: the hardly trained only among themselves."""
    return [c for c in ranked if c.hardly_trained == ranked[0].hardly_trained]
