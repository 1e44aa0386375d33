"""One budget for the whole question: it is kept, the best go on, nothing begins twice, and more time goes on."""

import json
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ptheta.applications import bench, price, race
from ptheta.applications.compare import Terms, compare, comparing
from ptheta.applications.comparison import Comparison
from ptheta.applications.price import Price, price_of
from ptheta.data import Dataset, Events
from ptheta.distributions import Independent
from ptheta.model import Trained
from ptheta.runs import fit_run
from ptheta.runs.opening import build
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, Table
from ptheta.spaces.column import Column
from ptheta.taxonomy import leaves
from toy_models import Biases, bits

DATA = bits(400, d=6)
# What each model's validation score tends to, and how fast: nade leads early, made wins in the end.
CURVES = {"fvbn": (3.5, 9), "nade": (3.3, 4), "made": (3.0, 12), "eonade": (3.6, 9), "rnn": (3.9, 15), "vae": (3.8, 9)}
MODELS = ("independent", *CURVES)


class Stage:
    """A machine of its own: a clock that only fits move, and models whose scores are known."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, overhead: float = 0.5) -> None:
        self.now, self.had, self.fits, self.overhead = 0.0, {}, [], overhead
        self.killed_at = math.inf
        ticking = SimpleNamespace(perf_counter=lambda: self.now, process_time=lambda: self.now)
        for module in (race, bench):
            monkeypatch.setattr(module, "time", ticking)
        monkeypatch.setattr("ptheta.applications.compare.time", ticking)
        monkeypatch.setattr(bench, "fit_run", self.fit)

    def spend(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self.killed_at:
            raise KeyboardInterrupt

    def fit(self, name: str, data: Any, out: Path, *, training: dict[str, Any], resume: bool, **options: Any) -> Any:
        self.spend(self.overhead)
        if name == "independent":
            model, record = Independent(data.space).fit(data), {"seconds": 0.1, "events": 0, "best_score": None}
            return SimpleNamespace(model=model, record={**record, "cpu_seconds": 0.1}, step=0)
        asked = 60 * training["minutes"]
        assert asked >= self.had.get(name, 0.0) - 1e-6, "a run can be made longer, not shorter"
        self.fits.append((name, asked))
        while self.had.get(name, 0.0) < asked:  # a kill leaves what was done until then
            step = min(0.1, asked - self.had.get(name, 0.0))
            self.had[name] = self.had.get(name, 0.0) + step
            self.spend(step)
        final, pace = CURVES[name]
        score = -(final + 2 * math.exp(-asked / pace))
        torch.manual_seed(0)
        record = {"seconds": asked, "cpu_seconds": asked, "events": 999, "epochs": 9.0, "best_score": score}
        return SimpleNamespace(model=Biases(data.space).eval(), record=record, step=int(10 * asked))


def raced(out: Path, total: float, **options: Any) -> Comparison:
    return compare(DATA, out, models=MODELS, total=total, samples=0, **options)


def test_a_total_is_kept_and_the_best_go_on_to_one_level(monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    result = raced(tmp_path / "c", 3)
    assert 0.9 * 180 <= stage.now <= 180 and result.seconds == pytest.approx(stage.now)
    ranked = [c.name for c in result.contenders if c.stopped is None and c.error is None]
    assert ranked[0] == "independent" and set(ranked[1:]) == {"made", "nade"}
    ends = [c.fit_seconds for c in result.done if c.steps is not None]
    assert ends[0] == ends[1] > 2 * max(c.fit_seconds for c in result.stopped)
    assert {c.name for c in result.stopped} == {"fvbn", "eonade", "vae"} and [*result.left_out] == ["rnn"]
    assert all(c.steps and c.validation and c.likelihood is None for c in result.stopped)
    assert not {c.name for c in result.stopped} & {c.name for c in result.by_likelihood()}
    json.dumps(result.to_json(), allow_nan=False)
    for name in CURVES:  # by going on with runs, never by starting again
        asked = [seconds for who, seconds in stage.fits if who == name]
        assert asked == sorted(asked)


def test_what_has_no_share_is_left_out_for_a_reason(monkeypatch, tmp_path: Path):
    Stage(monkeypatch)
    result = raced(tmp_path / "c", 0.5)
    assert result.left_out and not result.not_reached
    assert all("a total of 0:30 has no share for it; give a larger --total" in why for why in result.left_out.values())
    assert "vae" not in result.left_out, "each family has one"


@pytest.mark.parametrize("moment", [3.0, 20.0, 45.0, 90.0, 140.0])
def test_a_race_stopped_anywhere_goes_on_and_keeps_its_total(moment: float, monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    stage.killed_at = moment
    with pytest.raises(KeyboardInterrupt):
        raced(tmp_path / "c", 3)
    stage.killed_at = math.inf
    lost = stage.now - json.loads((tmp_path / "c" / "race.json").read_text())["spent"]
    result = raced(tmp_path / "c", 3, resume=True)
    assert 0.85 * 180 <= stage.now <= 1.1 * 180 + lost
    assert {c.name for c in result.done} == {"independent", "made", "nade"}


def test_more_minutes_go_on_from_there(monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    first = raced(tmp_path / "c", 1)
    assert stage.now <= 60
    had, fits = dict(stage.had), len(stage.fits)
    result = raced(tmp_path / "c", 4, resume=True)
    assert 0.9 * 240 <= stage.now <= 1.02 * 240
    assert all(seconds >= had.get(name, 0.0) for name, seconds in stage.fits[fits:])
    assert {c.name for c in result.done} == {"independent", "made", "nade"} and len(first.done) >= 2
    assert result.left_out == {}


def test_a_model_that_fails_is_told_of_and_its_time_goes_to_others(monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    honest = stage.fit

    def fit(name: str, *args: Any, **options: Any) -> Any:
        if name == "made":
            raise ValueError("no luck")
        return honest(name, *args, **options)

    monkeypatch.setattr(bench, "fit_run", fit)
    result = raced(tmp_path / "c", 3)
    (failed,) = (c for c in result.contenders if c.error)
    assert failed.name == "made" and failed.error == "no luck"
    assert {c.name for c in result.done} == {"independent", "nade", "fvbn"} and 160 < stage.now <= 180


def test_who_does_not_gain_by_more_time_is_given_no_more(monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    monkeypatch.setitem(CURVES, "nade", (3.1, 1e-3))  # at its best from the start
    result = raced(tmp_path / "c", 3)
    had = {c.name: c.fit_seconds for c in result.done}
    assert {"nade", "made"} <= had.keys() and had["made"] > 1.5 * had["nade"] and stage.now <= 180


def test_time_that_nobody_gains_by_goes_to_those_who_had_none(monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    for name, (final, _) in [*CURVES.items()]:
        monkeypatch.setitem(CURVES, name, (final, 1e-3))  # at its best from the start
    monkeypatch.setitem(CURVES, "rnn", (2.9, 1e-3))
    result = raced(tmp_path / "c", 3)
    assert "rnn" in {c.name for c in result.done} and result.left_out == {} and stage.now <= 180
    assert {"made", "nade"} <= {c.name for c in result.done}


def test_one_that_still_gains_does_not_take_the_time_of_all(monkeypatch, tmp_path: Path):
    Stage(monkeypatch)
    for name, (final, _) in [*CURVES.items()]:
        monkeypatch.setitem(CURVES, name, (final, 1e-3))
    monkeypatch.setitem(CURVES, "vae", (1.05, 1e9))  # gains for ever, a little
    monkeypatch.setitem(CURVES, "rnn", (2.9, 1e-3))
    result = raced(tmp_path / "c", 3)
    had = {c.name: c.fit_seconds for c in result.contenders if c.steps}
    assert "rnn" in had and had["vae"] <= 0.5 * sum(had.values()) and result.best_by_likelihood()


def test_dear_samples_keep_no_more_than_a_part_of_the_time(monkeypatch, tmp_path: Path):
    Stage(monkeypatch)
    result = next(comparing(DATA, tmp_path / "c", Terms(models=MODELS, total=3, samples=0)))
    runner = race._Race(bench.Bench(result, tmp_path / "c", result.data.test, 0, {}, "wall", None, print), 180.0, 0.0)
    entrant, costs = runner.entrants[0], []
    for seconds in (0.01, 1000.0):
        monkeypatch.setattr(runner, "time_of_a_sample", lambda model, given, seconds=seconds: seconds)
        entrant.scoring = 0.0
        runner.judge(entrant, Biases(DATA.space).eval(), -3.0)
        costs.append(entrant.scoring)
    assert costs[0] == pytest.approx(1 + 0.01 * result.n_drawn) and costs[1] == pytest.approx(1 + 0.05 * 180)


def runner_of(tmp_path: Path, budget: str = "wall") -> Any:
    result = next(comparing(DATA, tmp_path / "c", Terms(models=MODELS, total=3, samples=0)))
    return race._Race(bench.Bench(result, tmp_path / "c", result.data.test, 0, {}, budget, None, print), 180.0, 0.0)


def test_the_report_and_the_scores_have_their_time(monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    runner = runner_of(tmp_path)
    stage.now += 30
    assert runner.left() == pytest.approx(180 - 30 - race.REPORT)
    pots: list[float] = []
    monkeypatch.setattr(runner, "go_on", lambda going, pot: pots.append(pot))
    runner.entrants = runner.entrants[:2]
    for entrant in runner.entrants:
        entrant.given, entrant.judged, entrant.scoring, entrant.columns = 5.0, 5.0, 20.0, {"likelihood": 3.0}
    runner.run_rounds()
    assert pots[0] == pytest.approx(runner.left() - 40)


def test_the_budget_says_whose_clock_counts(tmp_path: Path):
    assert runner_of(tmp_path, "cpu").clock is time.process_time
    assert runner_of(tmp_path / "d").clock is time.perf_counter


def test_who_was_trained_and_not_yet_judged_is_judged_first(monkeypatch, tmp_path: Path):
    Stage(monkeypatch)
    runner, given = runner_of(tmp_path), []
    monkeypatch.setattr(runner, "give", lambda entrant, seconds: given.append((entrant, seconds)))
    runner.entrants[1].given, runner.entrants[2].given, runner.entrants[2].judged = 7.0, 9.0, 9.0
    runner.run_first_shares()
    assert given[0] == (runner.entrants[1], 7.0) and runner.entrants[2] not in [entrant for entrant, _ in given]


@pytest.mark.parametrize(("kind", "place"), [("log-likelihood", 3.0), ("bound", 3.0), ("error", None)])
def test_an_error_does_not_compete_with_likelihoods(kind: str, place: float | None, monkeypatch, tmp_path: Path):
    Stage(monkeypatch)
    runner = runner_of(tmp_path)
    monkeypatch.setattr(race, "ladder", lambda model: iter([SimpleNamespace(kind=kind)]))
    runner.judge(runner.entrants[0], Biases(DATA.space).eval(), -3.0)
    assert runner.entrants[0].columns["likelihood"] == place


def test_samples_are_judged_beside_validation_events(monkeypatch, tmp_path: Path):
    Stage(monkeypatch)
    runner, seen = runner_of(tmp_path), []
    runner.entrants[0].given = 5.0
    runner.bench.evaluator = SimpleNamespace(extractor=lambda x: [x, seen.append(x)][0])
    monkeypatch.setattr(race, "kernel_distance", lambda real, fake: 0.5)
    runner.judge(runner.entrants[0], Biases(DATA.space).eval(), -3.0)
    valid = runner.bench.result.data.valid
    assert torch.equal(seen[0], valid.some(race.JUDGED).x) and len(seen[0]) == len(valid) == 80


@pytest.mark.parametrize(("epoch", "leads"), [(20.0, True), (500.0, False)])
def test_the_hardly_trained_go_on_where_they_can_see_an_epoch(epoch: float, leads: bool, monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    honest = stage.fit

    def fit(name: str, *args: Any, training: dict[str, Any], **options: Any) -> Any:
        run = honest(name, *args, training=training, **options)
        if name == "made":
            run.record["epochs"] = 60 * training["minutes"] / epoch
        return run

    monkeypatch.setitem(CURVES, "made", (2.5, 1.0))  # best from the first share on
    monkeypatch.setattr(bench, "fit_run", fit)
    result = raced(tmp_path / "c", 3)
    assert ("made" in {c.name for c in result.done}) == leads


def test_samples_far_out_are_not_near_whatever_their_sign(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(race, "kernel_distance", lambda real, fake: -245.6)
    result = compare(bits(400, d=6), tmp_path / "c", models=["nade", "vae"], total=0.1, samples=20)
    state = json.loads((tmp_path / "c" / "race.json").read_text())["entrants"]
    assert result.done and {e["columns"]["samples"] for e in state.values()} <= {245.6, None}


def test_levels_share_what_there_is():
    assert race._level([10, 10, 10], 30) == 20
    assert race._level([10, 50, 10], 20) == 20  # who has more keeps it
    assert race._level([0, 10], 5) == 5
    assert race._level([4, 10], 16) == 15


def test_the_two_budgets_exclude_each_other_and_a_total_is_the_default(tmp_path: Path):
    with pytest.raises(ValueError, match="a total of minutes or minutes for each model, but both were given"):
        next(comparing(DATA, tmp_path / "c", Terms(models=("uniform",), total=1, minutes=1)))
    assert next(comparing(DATA, tmp_path / "c", Terms(models=("uniform",), samples=0))).total == 15


def test_a_race_of_real_models_by_the_processor_s_clock(tmp_path: Path):
    data, words = bits(400, d=6), []
    models = ("independent", "nade", "made", "vae")
    result = compare(data, tmp_path / "c", models=models, total=0.15, budget="cpu", samples=20, say=words.append)
    assert words[0] == "plan for 0:09:" and "one model of each family: nade, vae" in words[2]
    assert len(result.done) + len(result.stopped) == 4 - len(result.left_out)
    assert not [c.error for c in result.contenders if c.error]
    for contender in result.done:
        assert contender.likelihood is not None
    run = fit_run("nade", data, tmp_path / "c" / "runs" / "nade", resume=True, source="toy bits")
    assert run.manifest.training[""]["budget"] == "cpu"


# --- models in closed form ---


def test_whatever_has_no_steps_of_training_is_fitted_at_once():
    for _, leaf in leaves():
        space, context = SPACES[leaf.spaces[0]], Symbols((), 2) if leaf.contexts == "needed classes" else None
        space = Levels((1, 8, 8), 4) if leaf.images or leaf.axes else space
        if leaf.against(space, context) is None:
            stages = build(leaf.name, space, context).stages
            assert race.is_closed(leaf) == (not any(isinstance(stage.model, Trained) for stage in stages)), leaf.name


SPACES = {"binary": Binary((4,)), "levels": Levels((4,), 3), "symbols": Symbols((4,), 3), "real": Real((4,))}
SPACES["table"] = Table((Column("a", "number"), Column("b", "category", names=("x", "y"))))


class Dear:
    """A clock that ``Independent`` moves: a fit takes so long for each event, to a power, and a score as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fit: float, power: float = 1.0, score: float = 0.0) -> None:
        self.now, self.fits = 0.0, []
        honest, scored = Independent.estimate, Independent.score_cells

        def estimate(model: Independent, train: Any, valid: Any, seed: int) -> None:
            self.fits.append(len(train.x))
            self.now += fit * len(train.x) ** power
            honest(model, train, valid, seed)

        def score_cells(model: Independent, cells: Any, classes: Any) -> Any:
            self.now += score * len(cells)
            return scored(model, cells, classes)

        monkeypatch.setattr(Independent, "estimate", estimate)
        monkeypatch.setattr(Independent, "score_cells", score_cells)

    def clock(self) -> float:
        return self.now


def priced(dear: Dear, tmp_path: Path, room: float, n: int = 20_000) -> Price:
    result = next(comparing(bits(n, d=6), tmp_path / "c", Terms(models=("independent",), samples=0, resume=True)))
    judge = bench.Bench(result, tmp_path / "c", result.data.test.some(2000), 0, {}, "wall", None, print)
    return price_of("independent", judge, room, dear.clock)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_a_price_is_that_of_the_whole_whatever_the_growth(power: float, monkeypatch, tmp_path: Path):
    truth = 1e-3 * 12_000**power
    dear = Dear(monkeypatch, 1e-3, power)
    found = priced(dear, tmp_path, 2 * truth)
    assert found.seconds() == pytest.approx(truth, rel=0.02)
    assert dear.now <= 0.5 * truth and dear.fits == [50, 200, 800, 3200]
    cheap = Dear(monkeypatch, 1e-3, power)
    assert priced(cheap, tmp_path, 1e9 * truth).seconds() >= truth and cheap.fits == [50], "a bound is enough"
    dearest = Dear(monkeypatch, 1e-3, power)
    assert priced(dearest, tmp_path, truth / 100).seconds() > truth / 100 and dearest.now <= truth / 5
    monkeypatch.setattr(price, "_growth", lambda seconds, least, most: least)  # the broken twin: always linear
    assert power == 1 or priced(Dear(monkeypatch, 1e-3, power), tmp_path, 2 * truth).seconds() < 0.6 * truth


def test_scoring_is_part_of_the_price(monkeypatch, tmp_path: Path):
    dear = Dear(monkeypatch, 0.0, score=0.1)
    found = priced(dear, tmp_path, 1000.0)
    assert found.seconds() == pytest.approx(0.1 * 2000, rel=0.02) and found.per_draw == 0


def test_what_is_too_dear_is_left_out_aloud_and_the_total_is_kept(monkeypatch, tmp_path: Path):
    stage, words = Stage(monkeypatch), []
    honest = Independent.estimate

    def estimate(model: Independent, train: Any, valid: Any, seed: int) -> None:
        stage.now += 0.5 * len(train.x)
        honest(model, train, valid, seed)

    monkeypatch.setattr(Independent, "estimate", estimate)
    result = raced(tmp_path / "c", 3, say=words.append)
    why = result.left_out["independent"]
    assert why.startswith("it would take some 1") and why.endswith("s for it; give a larger --total, or --models")
    assert any(f"left out: independent: {why}" in line for line in words)
    assert 0.9 * 180 <= stage.now <= 180 and {c.name for c in result.done} >= {"made", "nade"}


def test_what_takes_longer_than_its_price_is_cut_short_and_left_out(monkeypatch, tmp_path: Path):
    Stage(monkeypatch)

    def endless(*args: Any, **options: Any) -> None:
        while True:
            time.sleep(0.01)

    result = next(comparing(DATA, tmp_path / "c", Terms(models=MODELS, total=3, samples=0)))
    runner = race._Race(bench.Bench(result, tmp_path / "c", result.data.test, 0, {}, "wall", None, print), 180.0, 0.0)
    for constant, value in (("SMALL", 0.0), ("PRICING", 0.2), ("SLACK", 0.2)):
        monkeypatch.setattr(race, constant, value)
    with monkeypatch.context() as patch:
        patch.setattr(Independent, "estimate", endless)
        assert runner.priced("independent", 0.0) is None and not result.contenders
        assert result.left_out.pop("independent").startswith(
            "to find out what it costs, it took more than 0.2 s; give "
        )
        result.names.append("independent")
    monkeypatch.setattr(bench, "fit_run", endless)
    assert [*runner.run_closed_form("independent", Price(), 0.0)] == [None]
    assert not result.contenders and result.left_out["independent"].startswith("it took more than 0.2 s; give a larger")


def test_what_cannot_be_built_is_left_out_and_did_not_fail(tmp_path: Path):
    x = torch.randint(0, 256, (60, 3, 32, 32), dtype=torch.uint8)
    data = Dataset("colour", Levels((3, 32, 32), 256), Events(x[:40]), Events(x[40:50]), Events(x[50:]))
    result = compare(data, tmp_path / "c", models=["uniform", "chow-liu"], total=1, samples=0)
    assert [c.name for c in result.contenders] == ["uniform"] and result.contenders[0].error is None
    assert "would need a table of" in result.left_out["chow-liu"]


def test_a_bound_that_takes_long_is_scored_by_fewer_draws(monkeypatch, tmp_path: Path):
    Stage(monkeypatch)
    result = next(comparing(DATA, tmp_path / "c", Terms(models=MODELS, total=3, samples=0)))
    judge = bench.Bench(result, tmp_path / "c", result.data.test, 0, {}, "wall", None, print)
    assert judge.draws == 50, "4000 over 80 events"
    drawn = race._Race(judge, 180.0, 0.0)
    assert drawn.draws_within(0.0) is None and drawn.draws_within(0.1) is None
    assert drawn.draws_within(1.0) == 9 and drawn.draws_within(1000.0) == 2
    assert drawn.cost(Price(5.0, 50.0, 1.0)) == 14.0 and drawn.cost(Price(5.0, 5.0, 0.1)) == 10.0
    few = bench.Bench(result, tmp_path / "c", result.data.test[:1], 0, {}, "wall", None, print)
    assert few.draws == 100, "not thousands, however few events there are"


def test_one_sample_is_enough_where_it_takes_long(monkeypatch, tmp_path: Path):
    stage = Stage(monkeypatch)
    result = next(comparing(DATA, tmp_path / "c", Terms(models=MODELS, total=3, samples=0)))
    runner = race._Race(bench.Bench(result, tmp_path / "c", result.data.test, 0, {}, "wall", None, print), 180.0, 0.0)
    drawn: list[int] = []

    def draw(model: Any, n: int) -> None:
        drawn.append(n)
        stage.now += 5 + n

    monkeypatch.setattr(runner, "draw", draw)
    assert runner.time_of_a_sample(Biases(DATA.space), 10.0) == 6.0 and drawn == [1]
    assert runner.time_of_a_sample(Biases(DATA.space), 100.0) == 13 / 8 and drawn == [1, 1, 8]


@pytest.mark.parametrize(
    ("space", "first"),
    [
        (Symbols((8,), 5), "transformer"),
        (Levels((1, 8, 8), 5), "pixelcnn"),
        (Real((5,)), "nade"),
    ],
)
def test_what_is_best_known_for_a_kind_of_events_stands_for_its_family(space: Space, first: str, tmp_path: Path):
    events = Events((torch.rand(40, *space.shape) * 5).to(space.dtype))
    data = Dataset("toy", space, events, events[:20], events[20:])
    models = ("nade", "made", "transformer", "pixelcnn")
    result = next(comparing(data, tmp_path / "c", Terms(models=[m for m in models if fits(m, space)], samples=0)))
    judge = bench.Bench(result, tmp_path / "c", data.test, 0, {}, "wall", None, print)
    assert [e.contender.name for e in race._Race(judge, 60.0, 0.0).heads] == [first]


def fits(name: str, space: Space) -> bool:
    return next(leaf for _, leaf in leaves() if leaf.name == name).against(space) is None
