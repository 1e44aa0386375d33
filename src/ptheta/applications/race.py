"""One budget for the whole question, spent by successive halving.

    closed forms    fitted to the end and scored: they take seconds
    first shares    a little time for one model of each family, then for others of the families that lead
    rounds          those that validate best in each column go on with their runs, half as many in each round
    finalists       two in each column; they have all the time that is left, and are scored beside the closed forms

The columns are the likelihood (the validation score, of models whose score is a log-likelihood or its bound) and the
samples (the kernel distance of a few samples to validation events). Test events choose nothing. Those who go on are
brought up to one level, so that all finalists have trained as long; but who validates no better for the time of a round
is given no more. What was stopped early stands in the report with
its steps, apart from the ranking.

Everything counts: fitting, judging, scoring, opening runs. What a model will cost to score is measured when it is first
judged, and kept back. The state stands in ``race.json``, so that a comparison goes on where it was stopped, or with
more time.

References:
    Non-stochastic Best Arm Identification and Hyperparameter Optimization (Jamieson & Talwalkar, 2016)
    https://arxiv.org/abs/1502.07943
"""

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, final

from ptheta.applications.bench import Bench, contexts_of
from ptheta.applications.comparison import Contender
from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import ClosedForm
from ptheta.files import replace_file
from ptheta.ladder import ladder
from ptheta.metrics.mmd import kernel_distance
from ptheta.model import Model, distribution
from ptheta.noise import Noise
from ptheta.protocols import HasEnergy
from ptheta.taxonomy import Leaf, leaves

__all__ = ["is_closed", "racing"]

FIRST = 0.3  # the part of the time that goes to first shares
LEAST, SHORT, LONG = (
    10.0,
    1 / 12,
    1 / 60,
)  # seconds of a first share: these, at most a 12th, at least a 60th
FINALISTS = 2  # in each column
TRIED, JUDGED, FEWEST = 8, 200, 20  # samples that are timed; that are judged at most, and at least
PATIENCE = 0.25  # the part of a share that may go to drawing samples
TIMED = 100  # events whose scoring is timed
REPORT = 4.0  # seconds that the report takes
COLUMNS = ("likelihood", "samples")


@final
@dataclass
class Entrant:
    """A model in the race.

    Args:
        contender: As the report knows it.
        family: Its family in the tree.
        given: The seconds of training it was last given, in all.
        judged: The seconds it had when it was last judged.
        columns: Where it stands in each column: lower is better; None where it does not compete.
        sample_seconds: What one of its samples costs.
        scoring: What its score on the test events costs.
        stalled: Whether the last time it was given did not help.
    """

    contender: Contender
    family: str
    given: float = 0.0
    judged: float = 0.0
    columns: dict[str, float | None] = field(default_factory=dict)
    sample_seconds: float = 0.0
    scoring: float = 0.0
    stalled: bool = False

    def kept(self) -> dict[str, Any]:
        """What the state of the race keeps of it."""
        names = ("given", "judged", "columns", "sample_seconds", "scoring")
        return {name: getattr(self, name) for name in names}


def is_closed(leaf: Leaf) -> bool:
    """Whether a model is fitted in closed form."""
    module, name = leaf.model.split(":")
    return issubclass(getattr(import_module(f"ptheta.{module}"), name), ClosedForm)


def racing(bench: Bench, total: float, gone: float) -> Iterator[None]:
    """Fits and scores the models of a comparison within one budget.

    Args:
        bench: Fits and scores.
        total: The budget in seconds, of the wall or of the processor, as the bench counts.
        gone: What of it had passed before this was called.

    Yields:
        Nothing, after each model that is scored.
    """
    race = _Race(bench, total, gone)
    race.tell_plan()
    yield from race.run_closed_forms()
    race.run_first_shares()
    race.run_rounds()
    yield from race.run_finals()


class _Race:
    """The state of a race."""

    def __init__(self, bench: Bench, total: float, gone: float) -> None:
        self.bench, self.total = bench, total
        self.clock = time.process_time if bench.budget == "cpu" else time.perf_counter
        self.path = bench.out / "race.json"
        state = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.started = self.clock() - gone - state.get("spent", 0.0)
        known = {leaf.name: (path[2], leaf) for path, leaf in leaves()}
        chosen = [known[name] for name in bench.result.names]
        self.closed = [leaf.name for _, leaf in chosen if is_closed(leaf)]
        own = sorted((c for c in chosen if c[1].name not in self.closed), key=lambda c: not c[1].stands)
        self.entrants = [Entrant(bench.contender(leaf.name), family) for family, leaf in own]
        for entrant in self.entrants:
            for name, value in state.get("entrants", {}).get(entrant.contender.name, {}).items():
                setattr(entrant, name, value)
        self.heads = [e for i, e in enumerate(self.entrants) if e.family not in [f.family for f in self.entrants[:i]]]
        self.overheads: list[float] = []
        self.evaluating = 0.0

    def spent(self) -> float:
        return self.clock() - self.started

    def left(self) -> float:
        return self.total - REPORT - self.spent()

    def save(self) -> None:
        state = {"spent": self.spent(), "entrants": {e.contender.name: e.kept() for e in self.entrants if e.given}}
        replace_file(self.path, json.dumps(state, indent=1) + "\n")

    def say(self, text: str) -> None:
        self.bench.say(f"[{_clock(self.spent())} of {_clock(self.total)}] {text}")

    def tell_plan(self) -> None:
        say = self.bench.say
        say(f"plan for {_clock(self.total)}:")
        if self.closed:
            say(f"  floors and closed forms, to the end: {', '.join(self.closed)}")
        if self.entrants:
            say(f"  a first share, some {self.least():.0f} s, for one model of each family: {_names(self.heads)}")
            say(f"  then for others of the families that lead, while {FIRST:.0%} of the time lasts")
            say(f"  the rest for those that validate best by likelihood or samples, down to {FINALISTS} in each column")

    def run_closed_forms(self) -> Iterator[None]:
        for name in self.closed:
            self.say(f"{name}: {self.bench.titles[name]}")
            started = self.clock()
            contender = self.bench.closed(name)
            if contender.metrics:
                drawing = (contender.sample_seconds or 0.0) * self.bench.result.n_drawn
                self.evaluating = max(0.0, self.clock() - started - (contender.fit_seconds or 0.0) - drawing)
            self.save()
            yield

    def least(self) -> float:
        """The seconds of a first share."""
        left = max(0.0, self.left())
        return max(min(LEAST, SHORT * left), LONG * left)

    def run_first_shares(self) -> None:
        """Heads of families first, then others of the families that lead, as many as the time for it allows."""
        pot, share = FIRST * self.left(), self.least()
        new = [e for e in self.entrants if not e.given]
        heads, began = [e for e in self.heads if e in new], self.clock()
        if heads:
            share = max(share, pot / max(1, len(new)) - 1.0)
            share = min(share, 0.8 * self.left() / len(heads))
        for e in self.entrants:
            if e.given > e.judged:  # a kill came between
                self.give(e, e.given)
        for e in heads:
            self.give(e, max(1.0, share))
        leaders = [e.family for k in (1, 2, 3) for column in COLUMNS for e in self.best(column, k)]
        others = [e for e in new if e not in heads]
        others.sort(key=lambda e: leaders.index(e.family) if e.family in leaders else len(leaders))
        for e in others:
            cost = share + sum(self.overheads) / max(1, len(self.overheads))
            if self.clock() - began + cost > pot:
                break
            self.give(e, max(1.0, share))
        for e in self.entrants:
            if not e.given:
                self.leave_out(e)

    def leave_out(self, e: Entrant) -> None:
        result = self.bench.result
        result.names.remove(e.contender.name)
        time_ = _clock(self.total)
        result.left_out[e.contender.name] = (
            f"a total of {time_} has no share for it; give a larger --total, or --models"
        )

    def run_rounds(self) -> None:
        """Successive halving: in each round fewer, brought up to one level of training."""
        going = [e for e in self.entrants if e.given and e.contender.error is None]
        most = max(len(self.best(column, len(going))) for column in COLUMNS)
        sizes = [most]
        while sizes[-1] > FINALISTS:
            sizes.append(max(FINALISTS, -(-sizes[-1] // 2)))
        for i, k in enumerate(sizes[1:] or sizes):
            if most:
                going = [e for e in going if any(e in self.best(column, k, going) for column in COLUMNS)]
            rounds = len(sizes[1:] or sizes) - i
            pot = (self.left() - self.reserved(going)) / (rounds + (rounds > 1))
            costs = sum(self.overheads) / max(1, len(self.overheads))
            more = [e for e in going if not e.stalled]
            level = _level([e.given for e in more], pot - costs * len(more))
            if more and level > min(e.given for e in more) + 1.0:
                self.say(f"{_names(more)} go on, to {level:.0f} s of training each")
                for e in more:
                    if e.given < level:
                        self.give(e, level)
        self.finalists = [e for e in going if e.contender.error is None]

    def reserved(self, going: Sequence[Entrant]) -> float:
        """What it will cost to score the finalists, of whom there are two in each column at most."""
        costs = sorted((e.scoring for e in going), reverse=True)
        return sum(costs[: FINALISTS * len(COLUMNS)])

    def run_finals(self) -> Iterator[None]:
        """Scores the finalists; those who were stopped early stand with what they had."""
        result = self.bench.result
        for e in self.entrants:
            if e.given and e not in self.finalists:
                result.contenders.append(e.contender)
                if e.contender.error is None:
                    self.note_stopped(e)
        for e in sorted(self.finalists, key=lambda e: e.scoring):
            contender = e.contender
            result.contenders.append(contender)
            self.say(f"{contender.name}: {contender.title}")
            with self.bench.guarded(contender):
                room = max(self.left(), 0.1 * self.total) / max(e.sample_seconds, 1e-9)
                self.bench.score(contender, self.bench.fit(contender, e.given / 60).model, int(room))
                self.bench.say(f"        {contender.likelihood}")
            self.save()
            yield

    def note_stopped(self, e: Entrant) -> None:
        if e.contender.steps is None:  # of an earlier session
            with self.bench.guarded(e.contender):
                self.bench.fit(e.contender, e.given / 60)
        e.contender.stopped = f"after {e.given:.0f} s"
        e.contender.validation, e.contender.nearness = (e.columns.get(column) for column in COLUMNS)

    def give(self, e: Entrant, seconds: float) -> None:
        """Lets a model train until it has had so many seconds, and judges it."""
        e.given = max(e.given, seconds)
        self.save()
        self.say(f"{e.contender.name}, to {e.given:.0f} s: {e.contender.title}")
        started, had = self.clock(), e.judged
        with self.bench.guarded(e.contender):
            run = self.bench.fit(e.contender, e.given / 60)
            before = e.columns.get("likelihood")
            self.judge(e, run.model, run.record.get("best_score"))
            now, e.judged = e.columns["likelihood"], e.given
            e.stalled = before is not None and now is not None and now >= before
            told = (f"{column} {v:.4g}" for column, v in e.columns.items() if v is not None)
            self.bench.say(f"        {e.contender.steps} steps; on validation events: {', '.join(told) or 'no score'}")
        self.overheads.append(max(0.0, self.clock() - started - (e.given - had)))
        self.save()

    def judge(self, e: Entrant, model: Model, best: float | None) -> None:
        """Where a model stands in each column, and what it will cost to score it."""
        bench, data = self.bench, self.bench.result.data
        rung = next((rung.kind for rung in ladder(model)), None)
        e.columns["likelihood"] = -best if best is not None and rung in ("log-likelihood", "bound") else None
        started = self.clock()
        self.draw(model, TRIED)
        e.sample_seconds = (self.clock() - started) / TRIED
        n = min(JUDGED, len(data.valid), int(PATIENCE * e.given / max(e.sample_seconds, 1e-9)))
        e.columns["samples"] = None
        if bench.evaluator is not None and n >= FEWEST:
            started = self.clock()
            x = self.draw(model, n)
            e.sample_seconds = (self.clock() - started) / n
            real = data.whole(data.valid.some(n))
            distance = kernel_distance(bench.evaluator.extractor(real), bench.evaluator.extractor(x))
            # Without bias, a perfect model has 0: far below is as bad as far above, and comes of samples far out.
            e.columns["samples"] = abs(distance) if math.isfinite(distance) else None
        if not e.scoring:
            started, few = self.clock(), bench.test[:TIMED]
            bench.likelihood(model, few)
            more = 1.0 if isinstance(model, HasEnergy) else len(bench.test) / len(few)
            scoring = (self.clock() - started) * more + self.evaluating + 1.0
            e.scoring = scoring + e.sample_seconds * bench.result.n_drawn

    def draw(self, model: Model, n: int) -> Any:
        data = self.bench.result.data
        context = contexts_of(data.valid, n)
        noise = Noise(self.bench.result.seed).at("judged")
        return data.whole(Events(distribution(model).sample(n, context, noise=noise), context))

    def best(self, column: str, k: int, among: Sequence[Entrant] | None = None) -> list[Entrant]:
        """The k best of a column, the hardly trained behind the others."""
        found = self.entrants if among is None else among
        able = [e for e in found if e.contender.error is None and e.columns.get(column) is not None]
        return sorted(able, key=lambda e: (e.contender.hardly_trained, e.columns[column]))[:k]


def _level(given: list[float], pot: float) -> float:
    """The level up to which all can be brought with what is in the pot; those above it keep what they have."""
    ordered = sorted(given)
    for i in range(len(ordered), 0, -1):
        level = (max(0.0, pot) + sum(ordered[:i])) / i
        if level >= ordered[i - 1]:
            return level
    return 0.0


def _names(entrants: Sequence[Entrant]) -> str:
    return ", ".join(e.contender.name for e in entrants)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"
