"""One budget for the whole question, spent by successive halving.

    closed forms    priced, then fitted and scored, the dear ones last, as far as a third of the time goes
    first shares    a little time for one model of each family, then for others of the families that lead
    rounds          those that validate best in each column go on with their runs, half as many in each round
    finalists       two in each column; they have all the time that is left, and are scored beside the closed forms

The columns are the likelihood (the validation score, of models whose score is a log-likelihood or its bound) and the
samples (the kernel distance of a few samples to validation events). Test events choose nothing. Those who go on are
brought up to one level, so that all finalists have trained as long; but who validates no better for the time of a round
is given no more, and time that nobody gains by goes to first shares of those who had none. What was stopped early
stands in the report with its steps, apart from the ranking.

Everything counts: pricing, fitting, judging, scoring, opening runs, the report. What a model will cost to score is
measured when it is first judged, and kept back; a bound that would take long is scored by fewer draws. What there is
no time for is left out, for a reason that is told. The state stands in ``race.json``, so that a comparison goes on
where it was stopped, or with more time.

References:
    Non-stochastic Best Arm Identification and Hyperparameter Optimization (Jamieson & Talwalkar, 2016)
    https://arxiv.org/abs/1502.07943
"""

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, final

from ptheta.applications.bench import Bench, contexts_of
from ptheta.applications.comparison import Contender
from ptheta.applications.price import Price, price_of, seconds_per_draw
from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import ClosedForm
from ptheta.distributions.resampling import Resampling
from ptheta.files import replace_file
from ptheta.ladder import ladder
from ptheta.metrics.mmd import kernel_distance
from ptheta.model import Model, distribution
from ptheta.noise import Noise
from ptheta.protocols import HasEnergy
from ptheta.signals import within
from ptheta.taxonomy import Leaf, leaves

__all__ = ["is_closed", "racing"]

FIRST = 0.3  # the part of the time that goes to first shares
LEAST, SHORT, LONG = (
    10.0,
    1 / 12,
    1 / 60,
)  # seconds of a first share: these, at most a 12th, at least a 60th
FINALISTS = 2  # in each column
KEPT = 0.2  # the part of the time that first shares leave in any case
TRIED, JUDGED, FEWEST = 8, 200, 20  # samples that are timed; that are judged at most, and at least
PATIENCE = 0.25  # the part of a share that may go to drawing samples
SMALL = 0.05  # the part of the time left that one of them has in any case
SLACK = 1.25  # how much dearer than its price a model in closed form may be
PRICING = 0.25  # the part of the room of models in closed form that the price of one may take to find
LEAST_JUDGING = 5.0  # seconds, of a processor that does nothing else
LAST = 0.05  # the part of the time that the score of a finalist may take in any case
CLOSED = 1 / 3  # the part of the time that models in closed form have, where there are others
DRAWING = 0.05  # the part of the time that one bound may take to score, and that is kept for a model's samples
SLOWEST = 10.0  # the most that other work on the machine is thought to slow this down
UNSPENT = 0.1  # the part of the time that is not left unspent while someone may gain
REPORT = 2.0  # seconds that the report takes, of a processor that does nothing else
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
        draws: By how many draws of a bound it is scored; None for as many as all.
        stalled: Whether the last time it was given did not help.
    """

    contender: Contender
    family: str
    given: float = 0.0
    judged: float = 0.0
    columns: dict[str, float | None] = field(default_factory=dict)
    sample_seconds: float = 0.0
    scoring: float = 0.0
    draws: int | None = None
    stalled: bool = False

    def kept(self) -> dict[str, Any]:
        """What the state of the race keeps of it."""
        names = ("given", "judged", "columns", "sample_seconds", "scoring", "draws")
        return {name: getattr(self, name) for name in names}


def is_closed(leaf: Leaf) -> bool:
    """Whether a model is fitted at once, without steps of training."""
    module, name = leaf.model.split(":")
    return issubclass(getattr(import_module(f"ptheta.{module}"), name), ClosedForm | Resampling)


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
        self.began = time.perf_counter(), time.process_time()
        known = {leaf.name: (path[2], leaf) for path, leaf in leaves()}
        chosen = [known[name] for name in bench.result.names]
        self.closed = [leaf.name for _, leaf in chosen if is_closed(leaf)]
        space = bench.result.data.space
        own = sorted((c for c in chosen if c[1].name not in self.closed), key=lambda c: not c[1].stands_on(space))
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
        return self.total - REPORT * self.slowness() - self.spent()

    def slowness(self) -> float:
        """How many of the seconds that are counted one of the processor takes: more than 1 where it has other work."""
        if self.bench.budget == "cpu":
            return 1.0
        wall, cpu = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        return min(SLOWEST, max(1.0, wall / cpu)) if cpu > 1 else 1.0

    def save(self) -> None:
        state = {"spent": self.spent(), "entrants": {e.contender.name: e.kept() for e in self.entrants if e.given}}
        replace_file(self.path, json.dumps(state, indent=1) + "\n")

    def say(self, text: str) -> None:
        self.bench.say(f"[{_clock(self.spent())} of {_clock(self.total)}] {text}")

    def tell_plan(self) -> None:
        say = self.bench.say
        say(f"plan for {_clock(self.total)}:")
        if self.closed:
            part = f", as far as {_clock(self.room())} go" if self.entrants else ""
            say(f"  floors and closed forms{part}: {', '.join(self.closed)}")
        if self.entrants:
            say(f"  a first share, some {self.least():.0f} s, for one model of each family: {_names(self.heads)}")
            say(f"  then for others of the families that lead, while {FIRST:.0%} of the time lasts")
            say(f"  the rest for those that validate best by likelihood or samples, down to {FINALISTS} in each column")

    def room(self) -> float:
        """The seconds that models in closed form have, all together."""
        return self.left() * (CLOSED if self.entrants else 1.0)

    def room_until(self, end: float) -> float:
        """What one of them may still take: a small part of the time in any case."""
        return max(1.0, end - self.clock(), SMALL * self.left())

    def run_closed_forms(self) -> Iterator[None]:
        """In their order; the dear ones last, cheapest first, and what would cost more than is left is left out."""
        end, dear = self.clock() + self.room(), dict[str, Price]()
        for name in self.closed:
            price = self.priced(name, end)
            if price is not None and self.cost(price) > self.room_until(end) / 2:
                dear[name] = price
            elif price is not None:
                yield from self.run_closed_form(name, price, end)
        for name in sorted(dear, key=lambda name: self.cost(dear[name])):
            price, room = self.cost(dear[name]), self.room_until(end)
            if price <= room:
                yield from self.run_closed_form(name, dear[name], end)
            else:
                why = f"it would take some {price:.0f} s, and there are {room:.0f} s for it"
                self.leave_out([name], why)

    def run_closed_form(self, name: str, price: Price, end: float) -> Iterator[None]:
        self.say(f"{name}: {self.bench.titles[name]}")
        started, contender = self.clock(), self.bench.contender(name)
        self.bench.result.contenders.append(contender)
        with self.bench.guarded(contender):
            try:
                with self.within(SLACK * self.room_until(end)):
                    model = self.bench.fit(contender, None).model
                    self.bench.score(contender, model, draws=self.draws_within(price.per_draw))
                self.bench.say(f"        {contender.likelihood}")
            except TimeoutError as error:
                self.bench.result.contenders.remove(contender)
                self.leave_out([name], str(error).removesuffix("."))
        if contender.metrics:
            drawing = (contender.sample_seconds or 0.0) * self.bench.result.n_drawn
            self.evaluating = max(0.0, self.clock() - started - (contender.fit_seconds or 0.0) - drawing)
        self.save()
        yield

    def within(self, seconds: float) -> AbstractContextManager[None]:
        return within(seconds, cpu=self.bench.budget == "cpu")

    def priced(self, name: str, end: float) -> Price | None:
        """What a model in closed form will cost; None where it cannot be built."""
        contender, found = self.bench.contender(name), Price()
        if (Path(contender.run) / "checkpoints").is_dir():  # fitted in an earlier session
            return found
        self.bench.result.contenders.append(contender)  # who stops the comparison now stops this one
        with self.bench.guarded(contender):
            room = self.room_until(end)
            try:
                with self.within(PRICING * room):
                    found = price_of(name, self.bench, room, self.clock)
            except TimeoutError as error:
                found = self.leave_out([name], f"to find out what it costs, {error}".removesuffix("."))
            except ValueError as error:
                found = self.leave_out([name], str(error).removesuffix("."), advice="")
        self.bench.result.contenders.remove(contender)
        return found

    def cost(self, price: Price) -> float:
        """The seconds of a model in closed form, where no bound is scored by more draws than there is time for."""
        return price.seconds(self.draws_within(price.per_draw))

    def draws_within(self, per_draw: float) -> int | None:
        """By how many draws a bound is scored, where those that all take would take too long."""
        most = DRAWING * self.total
        return max(2, int(most / per_draw)) if per_draw * self.bench.draws > most else None

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
            share = min(share, (1 - KEPT) * self.left() / len(heads))
        for e in self.entrants:
            if e.given > e.judged:  # a kill came between
                self.give(e, e.given)
        for i, e in enumerate(heads):
            mine = min(share, (1 - KEPT) * self.left() / (len(heads) - i) - self.overhead())
            if mine < 1.0 and i:
                break
            self.give(e, max(1.0, mine))
        self.try_others(max(1.0, share), pot - (self.clock() - began))

    def try_others(self, share: float, pot: float) -> None:
        """First shares for those that had none, of the families that lead first, while the pot lasts."""
        leaders = [e.family for k in (1, 2, 3) for column in COLUMNS for e in self.best(column, k)]
        others, began = [e for e in self.entrants if not e.given], self.clock()
        others.sort(key=lambda e: leaders.index(e.family) if e.family in leaders else len(leaders))
        for e in others:
            if self.clock() - began + share + self.overhead() > pot:
                break
            self.give(e, share)

    def leave_out(self, names: Sequence[str], why: str, advice: str = "; give a larger --total, or --models") -> None:
        for name in names:
            self.bench.result.names.remove(name)
            self.bench.result.left_out[name] = f"{why}{advice}"
        self.say(f"left out: {', '.join(names)}: {why}{advice}")

    def overhead(self) -> float:
        """What a turn costs besides training, on average until now."""
        return sum(self.overheads) / max(1, len(self.overheads))

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
            self.go_on(going, pot)
        if (pot := self.left() - self.reserved(going)) > UNSPENT * self.total:  # some gained no more, or took less
            self.try_others(max(1.0, min(e.given for e in going)) if going else self.least(), pot)
            able = [e for e in self.entrants if e.given and e.contender.error is None]
            going = [e for e in able if e in going or any(e in self.best(column, FINALISTS) for column in COLUMNS)]
            self.go_on(going, self.left() - self.reserved(going))
        if names := [e.contender.name for e in self.entrants if not e.given]:
            self.leave_out(names, f"a total of {_clock(self.total)} has no share for it")
        self.finalists = [e for e in going if e.contender.error is None]

    def go_on(self, going: Sequence[Entrant], pot: float) -> None:
        """Brings those who may still gain up to one level; the parts of the others are kept."""
        more = [e for e in going if not e.stalled and e.contender.error is None]
        part = pot * len(more) / max(1, len(going))
        level = _level([e.given for e in more], part - self.overhead() * len(more))
        if more and level > min(e.given for e in more) + 1.0:
            below = [e for e in more if e.given < level]
            self.say(f"{_names(below)} go on, to {level:.0f} s of training each")
            for e in below:
                self.give(e, level)

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
            with self.bench.guarded(contender), self.within(max(1.0, self.left(), LAST * self.total)):
                room = max(self.left(), 0.1 * self.total) / max(e.sample_seconds, 1e-9)
                self.bench.score(contender, self.bench.fit(contender, e.given / 60).model, int(room), e.draws)
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
            before, most = e.columns.get("likelihood"), max(e.given, LEAST_JUDGING * self.slowness())
            try:
                with self.within(most):
                    self.judge(e, run.model, run.record.get("best_score"))
            except TimeoutError as error:
                self.bench.say(f"        judging it was cut short: {error}")
                e.scoring = e.scoring or most
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
        e.sample_seconds = self.time_of_a_sample(model, e.given)
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
            started = self.clock()
            per_draw, scoring = seconds_per_draw(model, bench, self.clock)
            if isinstance(model, HasEnergy):  # whose normaliser is found once for all events
                scoring = self.clock() - started
            e.draws = self.draws_within(per_draw)
            scoring = scoring if e.draws is None else per_draw * e.draws
            drawing = min(e.sample_seconds * bench.result.n_drawn, DRAWING * self.total)  # fewer, where that is dear
            e.scoring = scoring + self.evaluating + self.slowness() + drawing

    def time_of_a_sample(self, model: Model, given: float) -> float:
        """What one sample costs: from a few, or from one where that takes long already."""
        for n in (1, TRIED):
            started = self.clock()
            self.draw(model, n)
            each = (self.clock() - started) / n
            if each > PATIENCE * given:
                break
        return each

    def draw(self, model: Model, n: int) -> Any:
        data = self.bench.result.data
        context = contexts_of(data.valid, n)
        noise = Noise(self.bench.result.seed).at("judged")
        return data.whole(Events(distribution(model).sample(n, context, noise=noise), context))

    def stays_hardly_trained(self, e: Entrant) -> bool:
        """Whether half of the time that is left would not let it see an epoch, without which it cannot lead."""
        after = (e.given + max(0.0, self.left()) / 2) / max(e.given, 1e-9)
        return e.contender.hardly_trained and (e.contender.epochs or 0.0) * after < 1

    def best(self, column: str, k: int, among: Sequence[Entrant] | None = None) -> list[Entrant]:
        """The k best of a column, those that would stay hardly trained behind the others."""
        found = self.entrants if among is None else among
        able = [e for e in found if e.contender.error is None and e.columns.get(column) is not None]
        return sorted(able, key=lambda e: (self.stays_hardly_trained(e), e.columns[column]))[:k]


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
