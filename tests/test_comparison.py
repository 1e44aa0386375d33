"""Who is best, where that can be told: hardly trained models stand behind, ties are named, and JSON stays strict."""

import json
import math
import sys
import time
from dataclasses import replace

import pytest
import torch

from ptheta.applications.bench import LEAST_DRAWS, Bench, contexts_of
from ptheta.applications.compare import Terms, compare, comparing, default_models
from ptheta.applications.comparison import Comparison, Contender
from ptheta.data.dataset import Dataset, Events
from ptheta.metrics import MetricResult
from ptheta.metrics.likelihood import Likelihood
from ptheta.runs import open_run
from ptheta.spaces import Binary, Classes, Levels, Real
from ptheta.taxonomy import leaves
from toy_models import bits


def scored(name: str, log_p: torch.Tensor, *, epochs: float | None = 9.0, **more) -> Contender:
    value = -float(log_p.mean())
    error = 1.96 * float(log_p.std()) / math.sqrt(len(log_p))
    likelihood = Likelihood(value, more.pop("kind", "exact"), len(log_p), error=error, log_p=log_p, **more)
    return Contender(
        name, name, f"runs/{name}", likelihood=likelihood, epochs=epochs, steps=None if epochs is None else 7
    )


def judged(name: str, *metrics: MetricResult, epochs: float | None = 9.0) -> Contender:
    return Contender(name, name, f"runs/{name}", metrics=list(metrics), epochs=epochs)


def metric(value: float, half: float, *, better="lower", real: float | None = None, name="distance") -> MetricResult:
    beside = None if real is None else metric(real, 0.0, better=better, name=name)
    return MetricResult(name, value, (value - half, value + half), better, "", 9, 9, "pixels", "test", beside)


def between(*contenders: Contender) -> Comparison:
    data, names = bits(), [c.name for c in contenders]
    return Comparison(data, "bits", {}, names, (), 1.0, 0, 9, 9, 9, data.test.x, list(contenders))


NOISE = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OTHER = torch.randn(400, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def unpaired_tie(a: Contender, b: Contender) -> bool:
    """The broken twin: intervals over events, which what makes an event hard for every model makes wide."""
    return abs(a.nats - b.nats) <= a.likelihood.error + b.likelihood.error


def test_pairs_tell_apart_what_intervals_over_events_do_not():
    hard = 50 * NOISE
    a, b, c = scored("a", hard), scored("b", hard - 0.5 + 0.1 * OTHER), scored("c", hard + 0.01 * OTHER)
    result = between(b, a, c)
    leader, others = result.best_by_likelihood()[0], result.best_by_likelihood()[1:]
    assert {leader, *others} == {"a", "c"}  # a twentieth of a nat more or less does not tell
    assert unpaired_tie(a, b)
    mean, half = result.lead_over(b)
    assert mean == pytest.approx(0.5, abs=0.02) and half == pytest.approx(1.96 * 0.1 / 20, rel=0.1)


def test_alone_or_equal_or_of_one_event():
    assert between(scored("a", NOISE)).best_by_likelihood() == ["a"]
    assert between(scored("a", NOISE), scored("b", NOISE)).best_by_likelihood() == ["a", "b"]
    one = torch.zeros(1, dtype=torch.float64)
    result = between(
        *(Contender(n, n, n, likelihood=Likelihood(v, "exact", 1, log_p=one - v)) for n, v in (("a", 1.0), ("b", 2.0)))
    )
    assert result.best_by_likelihood() == ["a", "b"]
    json.dumps(result.to_json(), allow_nan=False)


def test_the_error_of_a_normaliser_is_in_no_difference_and_counts_all_the_same():
    sure = between(scored("a", NOISE), scored("b", NOISE - 0.5))
    assert sure.best_by_likelihood() == ["a"]
    unsure = between(scored("a", NOISE), scored("b", NOISE - 0.5, kind="estimate", estimator_error=0.6))
    assert unsure.best_by_likelihood() == ["a", "b"]


def test_impossible_events_rank_last_and_tie_with_nobody():
    impossible = torch.where(NOISE > 2, -math.inf, NOISE)
    result = between(scored("never", impossible), scored("a", NOISE - 99))
    assert [c.name for c in result.by_likelihood()] == ["a", "never"] and result.best_by_likelihood() == ["a"]
    assert between(scored("never", impossible)).best_by_likelihood() == []
    json.dumps(result.to_json(), allow_nan=False)


def test_the_hardly_trained_stand_behind_in_every_ranking():
    better = scored("quick", NOISE + 5, epochs=0.99)
    better.metrics = [metric(0.1, 0.01)]
    worse = scored("slow", NOISE, epochs=1.0)
    worse.metrics = [metric(9.0, 0.01)]
    closed = scored("closed", NOISE - 1, epochs=None)
    closed.metrics = [metric(10.0, 0.01)]
    result = between(better, worse, closed)
    assert better.hardly_trained and not worse.hardly_trained and not closed.hardly_trained
    for ranking in (result.by_likelihood(), result.by_samples(), result.by_metric("distance")):
        assert [c.name for c in ranking] == ["slow", "closed", "quick"]
    assert result.best_by_likelihood() == ["slow"] and result.best_by_metric("distance") == ["slow"]
    alone = between(better)
    assert alone.best_by_likelihood() == ["quick"] and alone.best_by_metric("distance") == ["quick"]


@pytest.mark.parametrize(
    ("better", "real", "values", "best"),
    [
        ("lower", None, (1.0, 2.0, 1.25), ["a", "c"]),
        ("higher", None, (1.0, 2.0, 1.75), ["b", "c"]),
        ("near real", 5.0, (4.5, 5.4, 9.0), ["a", "b"]),  # beside it on either side
        ("near real", 5.0, (4.95, 5.0, 5.25), ["a", "b", "c"]),
        ("lower", 5.0, (1.0, 5.0, 9.0), ["a", "b"]),  # better than real data is no better
        ("higher", 5.0, (1.0, 5.0, 9.0), ["b", "c"]),
        ("near real", None, (1.0, 2.0, 3.0), []),
        ("lower", None, (math.nan, 2.0, 3.0), ["b"]),
    ],
)
def test_metrics_tie_where_the_interval_of_the_difference_holds_nothing(better, real, values, best):
    found = [judged(n, metric(v, 0.2, better=better, real=real)) for n, v in zip("abc", values, strict=True)]
    assert sorted(between(*found).best_by_metric("distance")) == best


def test_metrics_on_the_same_real_events_are_paired():
    """What the choice of real events does to both says nothing about which is better."""
    events = 0.1 * NOISE[:40]
    a, b = (replace(metric(v, 0.5), halves=v + events) for v in (1.0, 1.1))
    assert between(judged("a", a), judged("b", b)).best_by_metric("distance") == ["a"]
    apart = replace(b, halves=None)
    assert between(judged("a", a), judged("b", apart)).best_by_metric("distance") == ["a", "b"]  # the broken twin


def test_what_failed_takes_no_part():
    failed = scored("failed", NOISE + 9)
    failed.error = "no luck"
    assert between(failed, scored("a", NOISE)).best_by_likelihood() == ["a"]


def test_json_has_the_budget_and_the_ties_and_no_scores():
    result = between(scored("a", NOISE, epochs=0.5), scored("b", NOISE, epochs=None)).to_json()
    text = json.dumps(result, allow_nan=False)
    assert "log_p" not in text and result["best"] == {"likelihood": ["b"]}
    a, b = result["models"]
    assert a["hardly_trained"] is True and a["steps"] == 7 and a["epochs"] == 0.5 and b["steps"] is None
    assert {"events_per_second", "cpu_seconds", "fit_seconds"} <= set(a) and a["behind"]["nats_per_event"] == 0


# A comparison run


def test_as_many_samples_are_drawn_as_are_judged_or_shown(tmp_path, monkeypatch):
    from ptheta.distributions import Independent

    drawn, honest = [], Independent.sample

    def counted(self, n, *args, **options):
        drawn.append(n)
        return honest(self, n, *args, **options)

    monkeypatch.setattr(Independent, "sample", counted)
    pictures = torch.randint(4, (600, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    parts = (Events(pictures[:400]), Events(pictures[400:450]), Events(pictures[450:]))
    data = Dataset("pictures", Levels((1, 4, 4), 4), *parts)
    for samples, judged_, expected in ((1000, 200, 200), (25, 25, 36), (0, 0, 36)):
        result = compare(data, tmp_path / str(samples), models=["independent"], samples=samples)
        assert (drawn.pop(), result.n_drawn, result.n_samples) == (expected, expected, judged_) and not drawn
        assert len(result.contenders[0].shown) == 36 and bool(result.contenders[0].metrics) == bool(samples)


def test_every_model_scores_the_same_events_as_many_as_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["ptheta.applications.compare"], "MAX_TEST", 30)
    data = bits(400)
    result = compare(data, tmp_path / "c", models=["independent", "markov"], samples=0)
    assert result.n_test == 30 < len(data.test)
    for contender in result.contenders:
        scores = open_run(contender.run).model.log_prob(data.test.some(30).x)
        torch.testing.assert_close(contender.likelihood.log_p, scores.double())


def test_who_cannot_be_sampled_is_scored_and_ranked_all_the_same(tmp_path, monkeypatch):
    from ptheta.distributions import Markov

    def fail(*args, **options):
        raise RuntimeError("no sampler today")

    monkeypatch.setattr(Markov, "sample", fail)
    result = compare(bits(400), tmp_path / "c", models=["independent", "markov"], samples=0)
    markov = result.contenders[1]
    assert markov.error is None and markov.unsampled == "no sampler today" and "RuntimeError" in markov.failure
    assert math.isfinite(markov.nats) and markov in result.done and markov in result.by_likelihood()


def test_there_is_a_context_for_each_sample_however_few_events_there_are():
    events = Events(torch.zeros(7, 2), torch.arange(7))
    for n in (3, 7, 10, 20):
        found = contexts_of(events, n)
        counts = torch.bincount(found, minlength=7)
        assert len(found) == n and int(counts.max()) - int(counts.min()) <= 1


def test_a_trained_model_says_what_its_training_took(tmp_path):
    data = bits(400)
    result = compare(data, tmp_path / "c", models=["markov", "nade"], minutes=0.01, samples=0)
    markov, nade = result.contenders
    assert markov.steps is markov.epochs is markov.events_per_second is None and markov.cpu_seconds > 0
    last = nade.curve[-1]
    assert (nade.steps, nade.epochs) == (last["step"], last["epoch"]) and nade.cpu_seconds == last["cpu_seconds"]
    batch = open_run(nade.run).manifest.training[""]["batch_size"]
    assert nade.events_per_second == pytest.approx(nade.steps * batch / nade.fit_seconds)
    again = compare(data, tmp_path / "c", models=["markov", "nade"], minutes=0.01, samples=0, resume=True)
    assert again.contenders[0].cpu_seconds == markov.cpu_seconds
    assert again.contenders[1].cpu_seconds == nade.cpu_seconds
    assert torch.equal(again.contenders[1].likelihood.log_p, nade.likelihood.log_p)


def test_a_comparison_grows_a_model_at_a_time(tmp_path):
    growing = comparing(bits(), tmp_path / "c", Terms(models=["uniform", "markov"], samples=0))
    assert [(len(r.contenders), r.not_reached) for r in growing] == [
        (0, ["uniform", "markov"]),
        (1, ["markov"]),
        (2, []),
    ]


def test_data_without_test_events_are_refused(tmp_path):
    x = torch.zeros(9, 2, dtype=torch.uint8)
    data = Dataset("few", Binary((2,)), Events(x), Events(x[:0]), Events(x[:0]))
    with pytest.raises(ValueError, match="few has no test events, on which models could be compared"):
        compare(data, tmp_path / "c")


def test_every_model_is_chosen_or_left_out_for_a_reason():
    x = torch.randn(20, 2)
    data = Dataset("plane", Real((2,)), Events(x), Events(x), Events(x))
    chosen, left_out = default_models(data)
    assert "gaussian" in chosen and left_out["markov"].startswith("it models binary")


def test_variants_compete_only_where_they_are_asked_for():
    chosen, left_out = default_models(bits())
    variants = {leaf.name: leaf.variant_of for _, leaf in leaves() if leaf.variant_of}
    told = [name for name, why in left_out.items() if why.startswith(f"it is a variant of {variants.get(name)}; ")]
    assert told and not variants.keys() & set(chosen)


def test_trained_models_alone_are_given_minutes_and_all_the_seed(tmp_path, monkeypatch):
    asked, honest = {}, Bench.fit

    def fit(self, contender, minutes):
        asked[contender.name] = minutes
        return honest(self, contender, minutes)

    monkeypatch.setattr(Bench, "fit", fit)
    terms = {"models": ["independent", "nade"], "minutes": 0.002, "samples": 0, "seed": 3}
    result = compare(bits(200), tmp_path / "c", **terms)
    assert asked == {"independent": None, "nade": 0.002}
    assert [open_run(c.run).manifest.seed for c in result.contenders] == [3, 3]


def test_contexts_that_nobody_asks_for_are_left_out_of_the_comparison(tmp_path):
    parts = (Events(part.x, torch.arange(len(part)) % 2) for part in (bits().train, bits().valid, bits().test))
    data = Dataset("told", bits().space, *parts, Classes(2))
    for asked in (False, True):
        terms = Terms(models=["independent"], samples=0, conditional=asked)
        result = next(comparing(data, tmp_path / str(asked), terms))
        assert (result.questions is not None) == (result.data.context_space is not None) == asked


def test_what_passed_before_belongs_to_the_time_of_a_comparison(tmp_path):
    terms = Terms(models=["independent"], samples=0, minutes=1)
    *_, result = comparing(bits(), tmp_path / "c", terms, gone=1000.0)
    assert 1000 < result.seconds < 1900


def test_the_seconds_of_a_sample_are_those_of_one(tmp_path, monkeypatch):
    from ptheta.distributions import Independent

    honest = Independent.sample
    monkeypatch.setattr(Independent, "sample", lambda *a, **k: [time.sleep(0.3), honest(*a, **k)][1])
    result = compare(bits(), tmp_path / "c", models=["independent"], samples=0, minutes=1)
    seconds = result.contenders[0].sample_seconds
    assert result.n_drawn > 20 and seconds * result.n_drawn >= 0.3 and seconds < 0.3


def test_bounds_have_as_many_draws_as_tell_their_error(tmp_path):
    result = next(comparing(bits(), tmp_path / "c", Terms(models=["vae"], samples=0)))
    for n, draws in ((10, 100), (100, 40), (4000, LEAST_DRAWS)):
        test = Events(torch.zeros(n, 5, dtype=torch.uint8))
        assert Bench(result, tmp_path / "c", test, 0, {}, "wall", None, print).draws == draws >= 2
