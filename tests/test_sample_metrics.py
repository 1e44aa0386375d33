"""Sample metrics equal their oracles, stand beside real data, and react to what goes wrong with samples."""

import json
import math
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from ptheta import Binary, Classes, Dataset, Events, Levels, Real, Tokens, evaluate_samples
from ptheta.metrics import (
    SampleEvaluator,
    c2st,
    features,
    frechet_distance,
    kernel_distance,
    mmd,
    nearest_neighbours,
    precision_recall_density_coverage,
    samples,
    train_share,
    train_share_interval,
    two_sample_test,
)
from ptheta.metrics.c2st import area_under_curve
from ptheta.metrics.features import real_halves
from ptheta.metrics.memorisation import Neighbours
from ptheta.metrics.result import MetricResult
from ptheta.metrics.samples import distances, in_halves, ratio_of_means


def normal(n, d, seed, scale=1.0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) * scale + shift


REAL, FAKE = normal(150, 6, 0), normal(130, 6, 1, 0.8, 0.3)


def all_digits(first, last):
    raw = load_digits()
    rows = torch.randperm(len(raw.target), generator=torch.Generator().manual_seed(0))[first:last]
    return Events(torch.tensor(raw.images, dtype=torch.uint8)[rows, None], torch.tensor(raw.target)[rows])


@pytest.fixture(scope="module")
def digits():
    splits = {"train": all_digits(0, 1000), "valid": all_digits(1000, 1010), "test": all_digits(1420, None)}
    return Dataset("digits", Levels((1, 8, 8), 17), **splits, context_space=Classes(10))


@pytest.fixture(scope="module")
def unseen():
    """Digits of no split: a perfect model."""
    return all_digits(1010, 1420)


@pytest.fixture(scope="module")
def evaluator(digits):
    return SampleEvaluator(digits)


@pytest.fixture
def quick(monkeypatch):
    """Leaves out the classifiers of the two-sample test, which take most of the time."""
    monkeypatch.setattr(samples, "two_sample_test", lambda real, fake, seed: (0.5, 0.1))


def table(d=3, n=400):
    x = normal(n, d, 5).float()
    space = Real.standardising(x)
    return Dataset("table", space, Events(x[: n // 2]), Events(x[:10]), Events(x[n // 2 :]))


# Oracles


def test_frechet_distance_equals_torchmetrics_and_scipy():
    from scipy.linalg import sqrtm
    from torchmetrics.image.fid import _compute_fid

    moments = [part for x in (REAL, FAKE) for part in (x.mean(0), torch.cov(x.T))]
    found = frechet_distance(REAL, FAKE)
    assert found == pytest.approx(_compute_fid(*moments).item(), abs=1e-9)
    m1, s1, m2, s2 = (part.numpy() for part in moments)
    truth = ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)
    assert found == pytest.approx(truth, abs=1e-9)
    assert frechet_distance(REAL, REAL) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_of_known_gaussians():
    """Sets whose sample moments are exact: the closed form of two Gaussians with commuting covariances."""
    white = REAL - REAL.mean(0)
    white = white @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(white.T))).T  # covariance I, mean 0
    scales, shift = torch.tensor([0.5, 1, 2, 3, 0.1, 1.5]).double(), torch.arange(6).double()
    truth = (shift.square() + (scales - 1).square()).sum().item()
    assert frechet_distance(white, white * scales + shift) == pytest.approx(truth, rel=1e-9)
    assert frechet_distance(white, white * scales) != pytest.approx(truth, rel=1e-2)  # the twin forgets means


def test_kernel_distance_equals_torchmetrics_and_its_definition():
    from torchmetrics.image.kid import poly_mmd

    same = FAKE[:130], REAL[:130]  # the oracle wants equally many
    assert kernel_distance(*same) == pytest.approx(poly_mmd(*same).item(), abs=1e-9)
    real, fake = REAL[:7], FAKE[:5]
    k = lambda x, y: (float(x @ y) / 6 + 1) ** 3  # noqa: E731
    pairs = [np.mean([k(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j]) for x in (real, fake)]
    cross = np.mean([k(x, y) for x in real for y in fake])
    assert kernel_distance(real, fake) == pytest.approx(sum(pairs) - 2 * cross, abs=1e-9)
    biased = [np.mean([k(x, y) for x in part for y in part]) for part in (real, fake)]  # the twin counts itself
    assert kernel_distance(real, fake) != pytest.approx(sum(biased) - 2 * cross, abs=0.1)


def oracle_agrees(found, oracle):
    return all(getattr(found, name) == pytest.approx(value, abs=1e-12) for name, value in oracle.items())


def test_manifolds_equal_prdc_and_swapped_sets_do_not():
    from prdc import compute_prdc

    oracle = compute_prdc(REAL.numpy(), FAKE.numpy(), nearest_k=5)
    assert oracle_agrees(precision_recall_density_coverage(REAL, FAKE, k=5), oracle)
    assert not oracle_agrees(precision_recall_density_coverage(FAKE, REAL, k=5), oracle)  # the broken twin


def test_area_under_curve_equals_scikit_learn_with_ties():
    real, fake = (REAL[:, 0] * 2).round(), (FAKE[:, 0] * 2).round()
    labels = [0] * len(real) + [1] * len(fake)
    assert area_under_curve(real, fake)[0] == pytest.approx(roc_auc_score(labels, torch.cat([real, fake])), abs=1e-12)


def test_two_sample_test_equals_scikit_learn_and_the_best_possible_classifier():
    from scipy.stats import norm
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_predict

    real, fake = normal(400, 3, 0), normal(400, 3, 1, shift=0.5)
    area, error = two_sample_test(real, fake)
    x, y = torch.cat([real, fake]), torch.arange(800) // 400
    scores = cross_val_predict(LinearDiscriminantAnalysis(), x, y, cv=2, method="decision_function")
    best = norm.cdf(0.5 * math.sqrt(3 / 2))  # of two Gaussians that are |shift| apart: Phi(|shift| / sqrt 2)
    assert area == pytest.approx(roc_auc_score(y, scores), abs=2 * error)
    assert area == pytest.approx(best, abs=3.3 * error)  # false alarms: 1e-3
    assert abs(two_sample_test(real, real[:200].repeat(2, 1))[0] - best) > 3.3 * error  # others are not so far apart


def test_area_under_curve_error_is_the_spread_of_areas():
    areas, errors = zip(
        *(area_under_curve(normal(100, 1, s)[:, 0], normal(80, 1, 900 + s, 1.5, 0.7)[:, 0]) for s in range(200)),
        strict=True,
    )
    assert np.std(areas) == pytest.approx(np.mean(errors), rel=0.18)  # relative sd 5 %: false alarms below 1e-3


def test_nearest_neighbours_equal_scikit_learn():
    found = nearest_neighbours(FAKE, REAL)
    search = NearestNeighbors().fit(REAL)
    distance, index = search.kneighbors(FAKE, 1)
    np.testing.assert_allclose(found.distance, distance[:, 0], atol=1e-9)
    np.testing.assert_array_equal(found.index, index[:, 0])
    rows = torch.arange(100).flip(0)
    apart = nearest_neighbours(REAL[rows], REAL, own=rows)
    np.testing.assert_allclose(apart.distance, search.kneighbors(REAL[rows], 2)[0][:, 1], atol=1e-9)
    assert (found.among, apart.among) == (150, 149)
    assert not nearest_neighbours(REAL, REAL).distance.any()  # exactly 0, whatever is rounded


def test_mmd_equals_its_definition_and_its_p_value_is_honest():
    value, p = mmd(REAL, FAKE, permutations=50)
    both = torch.cat([REAL, FAKE])
    squared = torch.cdist(both, both).square()
    kernel = torch.exp(-squared / (2 * squared[squared > 0].median()))
    n = len(REAL)
    rr, ff = kernel[:n, :n], kernel[n:, n:]
    within = sum((k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (rr, ff))
    assert value == pytest.approx((within - 2 * kernel[:n, n:].mean()).item(), abs=1e-12)
    assert p == pytest.approx(1 / 51)
    small = [mmd(normal(30, 2, 2 * s), normal(30, 2, 2 * s + 1), permutations=39, seed=s)[1] for s in range(200)]
    assert np.mean(np.array(small) <= 0.1) < 0.175  # binomial(200, 0.1): false alarms below 1e-3


# Laws


def shuffled(x, seed):
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]


def test_metrics_do_not_depend_on_the_order_of_events():
    real, fake = shuffled(REAL, 1), shuffled(FAKE, 2)
    assert distances(REAL, FAKE) == pytest.approx(distances(real, fake), abs=1e-10)
    for name, halves in in_halves(REAL, FAKE, 0).items():
        torch.testing.assert_close(halves, in_halves(real, fake, 0)[name], atol=1e-12, rtol=0)
    assert two_sample_test(REAL, FAKE) == two_sample_test(real, fake)
    assert mmd(REAL, FAKE) == mmd(real, fake)
    first, second = nearest_neighbours(FAKE, REAL), nearest_neighbours(fake, real)
    torch.testing.assert_close(first.distance.sort().values, second.distance.sort().values, atol=1e-10, rtol=0)
    # The broken twin takes halves as they come.
    halves = [distances(a[: len(a) // 2], b[: len(b) // 2]) for a, b in ((REAL, FAKE), (real, fake))]
    assert halves[0] != pytest.approx(halves[1], abs=1e-3)


def test_reports_do_not_depend_on_the_order_of_events(digits, unseen, evaluator):
    x = unseen.x[: evaluator.n]
    first, second = evaluator(x), evaluator(shuffled(x, 1))
    for a, b in zip(first.metrics, second.metrics, strict=True):
        assert (a.value, *a.interval) == pytest.approx((b.value, *b.interval), abs=1e-6), a.name  # features are float32


def test_two_sample_test_is_half_for_equals_and_one_for_strangers():
    same = normal(200, 4, 0), normal(200, 4, 1)
    area, error = two_sample_test(*same)
    assert abs(area - 0.5) < 3.3 * error  # false alarms: 1e-3
    assert two_sample_test(*same) == (area, error)
    assert two_sample_test(normal(60, 4, 0), normal(60, 4, 1, shift=4.0))[0] > 0.99


def test_intervals_cover_the_mean_over_repetitions():
    values, errors = [], []
    for seed in range(40):
        real, fake = normal(100, 4, 2 * seed), normal(100, 4, 2 * seed + 1, 0.8)
        values.append(list(distances(real, fake).values()))
        halves = in_halves(real, fake, seed)
        errors.append([halves[name].std().item() for name in distances(real, fake)])
    values, errors = np.array(values), np.array(errors)
    covered = (np.abs(values - values.mean(0)) < 1.96 * errors).mean(0)
    assert (covered >= 0.8).all(), covered  # binomial(40, 0.95) below 32: 6e-4 for all six metrics
    assert (errors.mean(0) < 2.5 * values.std(0)).all()  # and they are not absurdly wide


def test_intervals_of_memorisation_cover_the_mean_over_samples():
    train, unseen = normal(200, 4, 0), normal(150, 4, 9999)
    for scale, shift in ((1.0, 0.0), (0.7, 0.3)):
        values, errors = [], []
        for seed in range(200):
            ours, theirs = normal(60, 4, 2 * seed + 1, scale, shift), normal(60, 4, 2 * seed + 2)
            near_train, near_unseen = (nearest_neighbours(ours, x) for x in (train, unseen))
            found = (
                train_share(near_train, near_unseen),
                ratio_of_means(near_train.distance, nearest_neighbours(theirs, train).distance),
            )
            values.append([value for value, _ in found])
            errors.append([error for _, error in found])
        values, errors = np.array(values), np.array(errors)
        covered = (np.abs(values - values.mean(0)) < 1.96 * errors).mean(0)
        assert ((covered > 0.89) & (covered < 0.99)).all(), covered  # binomial(200, 0.95): false alarms below 1e-3
        narrow = (np.abs(values - values.mean(0)) < 1.96 * errors / 2).mean(0)
        assert (narrow < 0.89).all()  # the broken twin: half as wide


def test_refusals():
    with pytest.raises(ValueError, match="at least as many events as features, but has 5 and 6"):
        frechet_distance(REAL, FAKE[:5])
    with pytest.raises(ValueError, match="balls to neighbour 5 need more events"):
        precision_recall_density_coverage(REAL, FAKE[:5])
    with pytest.raises(ValueError, match="among 1 events, which is too few"):
        nearest_neighbours(REAL[:1], REAL[:1], own=torch.tensor([0]))


# Extractors


def test_extractors_are_named_hashed_and_reproducible(digits, evaluator):
    first, second = evaluator.extractor, features(digits)
    assert first.id == second.id and first.name == "classifier" and first.dimensions == 64
    assert features(digits.without_context(), seed=1).id != features(digits.without_context()).id
    x = first(digits.test.x)
    assert x.dtype == torch.float64 and x.shape == (len(digits.test), 64)
    assert torch.equal(x, second(digits.test.x))
    assert float(first.remark.split("right on ")[1].split("%")[0]) > 88


def test_principal_components_are_few_and_equal_numpy(digits):
    found = features(digits.without_context(), n=200)
    assert (found.name, found.dimensions) == ("principal components", 20)
    data = table(3)
    found = features(data, n=1000)
    assert found.dimensions == 3
    x = data.space.embed(data.test.x, torch.float64)
    a, b = torch.cdist(x, x), torch.cdist(found(data.test.x), found(data.test.x))
    torch.testing.assert_close(a / a.mean(), b / b.mean())  # all components: a rotation, a shift and one scale
    words = Dataset("words", Tokens(5, 7), *(Events(torch.randint(7, (100, 5))) for _ in range(3)))
    assert features(words)(words.test.x).shape == (100, 10)
    bits = Dataset("bits", Binary((9,)), *(Events(torch.randint(2, (50, 9), dtype=torch.uint8)) for _ in range(3)))
    assert features(bits).dimensions == 5


def test_raw_features_are_the_embedded_events_of_small_spaces(digits):
    data = table()
    assert torch.equal(features(data, kind="raw")(data.test.x), data.space.embed(data.test.x, torch.float64))
    assert features(digits, kind="raw").dimensions == 64
    big = Dataset("big", Binary((11, 11)), *(Events(torch.zeros(9, 11, 11, dtype=torch.uint8)) for _ in range(3)))
    with pytest.raises(ValueError, match="at most 100 dimensions"):
        features(big, kind="raw")
    with pytest.raises(ValueError, match="needs classes, but table has none"):
        features(data, kind="classifier")


# Reports


def corrupt(digits, unseen, how):
    x, y = unseen.x, unseen.context
    generator = torch.Generator().manual_seed(0)
    if how == "noise":
        return (x + 4 * torch.randn(x.shape, generator=generator)).round().clamp(0, 16).to(torch.uint8)
    if how == "dropped modes":
        kept = x[y < 7]
        return kept[torch.randint(len(kept), (len(x),), generator=generator)]
    if how == "shrinking":
        mean = x.float().mean(0)
        return (mean + 0.6 * (x - mean)).round().to(torch.uint8)
    if how == "copying":
        return digits.train.x[torch.randperm(len(digits.train), generator=generator)[: len(x)]]
    return x


DISTANCES = ("frechet distance", "kernel distance", "two-sample AUC")


def worse(metric):
    """Whether the interval lies wholly on the worse side of real data's interval."""
    (low, high), (real_low, real_high) = metric.interval, metric.real.interval
    if metric.better == "near real":
        return low > real_high or high < real_low
    return high < real_low if metric.better == "higher" else low > real_high


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("nothing", set()),
        ("noise", {*DISTANCES, "precision", "coverage", "density", "distance ratio"}),
        ("dropped modes", {*DISTANCES, "recall", "coverage"}),
        ("shrinking", {*DISTANCES, "recall", "coverage"}),
        ("copying", {"train share", "distance ratio"}),
    ],
)
def test_default_metrics_react_in_the_right_direction(digits, unseen, evaluator, how, expected):
    report = evaluator(corrupt(digits, unseen, how))
    reacting = {metric.name for metric in report.metrics if worse(metric)}
    assert expected <= reacting, str(report)
    if how in ("nothing", "copying"):
        assert reacting == expected, str(report)


def test_real_against_real_lies_in_a_fixed_band(evaluator):
    real = {metric.name: metric.value for metric in evaluator.real}
    assert real["frechet distance"] < 1 and abs(real["kernel distance"]) < 0.05
    assert min(real[name] for name in ("precision", "recall", "coverage")) > 0.9
    assert abs(real["two-sample AUC"] - 0.5) < 0.1 and 0.35 < real["train share"] < 0.6
    assert real["distance ratio"] == 1


def test_report_prints_and_becomes_json(unseen, evaluator):
    report = evaluator(unseen.x)
    assert len(report.metrics) == 9 and all(metric.real is not None for metric in report.metrics)
    lines = str(report).splitlines()
    assert (
        lines[0].split() == ["metric", "samples", "real", "data", "copy", "of", "train", "floor", "best"]
        and "frechet distance" in lines[1]
    )
    assert report.notes[0] == (
        "Compared 387 of 410 samples with as many held-out events: test and valid have no more events."
    )
    record = json.loads(json.dumps(report.to_json(), allow_nan=False))
    first = record["metrics"][0]
    assert first["name"] == "frechet distance" and first["real"]["extractor"] == first["extractor"]
    assert first["reference"] == "test and valid" and first["n_real"] == first["n_fake"] == evaluator.n
    assert str(report["recall"]).startswith("recall 0.9")
    with pytest.raises(KeyError, match="no metric 'fid'"):
        report["fid"]


def test_nearest_pairs_show_the_copies(digits, unseen, evaluator):
    pairs = evaluator(corrupt(digits, unseen, "copying")).pairs
    assert torch.equal(pairs.samples, pairs.neighbours) and len(pairs.samples) == 16
    assert not torch.equal(pairs.held_out, pairs.held_out_neighbours)


def test_results_that_differ_in_their_terms_do_not_compare(digits, unseen, evaluator, quick):
    mine = evaluator.real[3]
    assert mine.minus(mine) == (0, 0)
    fewer = evaluate_samples(unseen.x, digits, extractor=evaluator.extractor, n=100)[mine.name]
    with pytest.raises(ValueError, match="the same n_real, but one has 387 and the other 100"):
        mine.minus(fewer)
    other = SampleEvaluator(digits, extractor=features(digits, kind="raw"), n=100).real[3]
    with pytest.raises(ValueError, match="the same extractor"):
        fewer.minus(other)
    with pytest.raises(ValueError, match="the same name"):
        mine.minus(evaluator.real[2])


def test_few_events_lose_the_frechet_distance_with_a_note(digits, unseen, quick):
    report = evaluate_samples(unseen.x[:40], digits, extractor=features(digits, kind="raw"))
    assert "frechet distance" not in [metric.name for metric in report.metrics]
    assert any(note.startswith("No Fréchet distance") for note in report.notes)
    with pytest.raises(ValueError, match="at least 20 events, but there are 5"):
        evaluate_samples(unseen.x[:5], digits)
    with pytest.raises(ValueError, match="samples should be events of"):
        evaluate_samples(unseen.x.float(), digits)


def test_vectors_and_reports_repeat_without_touching_torch_random_numbers():
    data = table()
    before = torch.get_rng_state()
    first = evaluate_samples(data.train.x, data)
    assert torch.equal(before, torch.get_rng_state())
    again = evaluate_samples(Events(data.train.x), data)
    assert first.metrics == again.metrics
    assert math.isfinite(sum(metric.value for metric in first.metrics))


# Sharper laws, one for each fault that the others let through


def test_the_error_of_a_small_area_by_hand():
    area, error = area_under_curve(torch.tensor([0.0, 1]), torch.tensor([0.5, 2, 3]))
    assert area == pytest.approx(5 / 6)
    assert error == pytest.approx(math.sqrt(np.var([1 / 2, 1, 1], ddof=1) / 3 + np.var([1, 2 / 3], ddof=1) / 2))


def test_the_error_of_a_two_sample_test_is_that_of_one_half(monkeypatch):
    monkeypatch.setattr(c2st, "_judge", lambda train, test, seed: (0.7, 0.1))
    assert two_sample_test(REAL, FAKE) == pytest.approx((0.7, 0.1))


def test_a_two_sample_test_does_not_depend_on_the_unit():
    real, fake = REAL[:60], FAKE[:60]
    assert two_sample_test(2**20 * real, 2**20 * fake) == pytest.approx(two_sample_test(real, fake), abs=1e-9)


def test_the_closest_are_the_nearest():
    distance = torch.tensor([3.0, 1.0, 2.0])
    assert Neighbours(distance, torch.arange(3), 3).closest(2).tolist() == [1, 2]


def test_real_halves_share_no_event_and_extractors_see_the_first_only():
    x = 5 * normal(120, 3, 5).float()
    data = Dataset("wide", Real((3,)), Events(x[:60]), Events(x[60:70]), Events(x[70:]))
    first, second = real_halves(data)
    assert sorted(torch.cat([first.x, second.x]).tolist()) == sorted(data.train.x.tolist())
    assert len(first) == len(second) == len(data.train) // 2
    extractor = features(data, kind="principal components")
    assert float(extractor(first.x).var(0).mean()) == pytest.approx(1)
    assert torch.equal(SampleEvaluator(data, extractor=extractor, n=20)._perfect, second.x[:20])


def result(value, half=1.0, *, better="lower", real=None, halves=None):
    interval = (value - half, value + half)
    return MetricResult(
        "m",
        value,
        interval,
        better,
        "",
        9,
        9,
        "raw",
        "test",
        real,
        None if halves is None else torch.tensor(halves, dtype=torch.float64),
    )


def test_differences_have_the_sign_of_mine_less_the_others():
    better, worse = result(1.0), result(4.0)
    assert worse.minus(better)[0] == 3 == -better.minus(worse)[0]


def test_the_ratio_of_distances_and_intervals_of_metrics_by_hand():
    ratio, error = ratio_of_means(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 3.0]))
    assert ratio == 2
    assert error == pytest.approx(2 * math.hypot(1 / 4, 1 / 2))
    data = table()
    evaluator = SampleEvaluator(data, extractor=features(data, kind="raw"))
    assert evaluator._result("recall", 0.5, 0.1).interval == pytest.approx((0.5 - 0.196, 0.5 + 0.196))
    assert evaluator._result("recall", 0.9, 0.1).interval == pytest.approx((0.9 - 0.196, 1.0))
    assert evaluator.real[0].value > 1e-4  # training events against held-out ones, not held-out ones against themselves


def test_the_accuracy_of_the_classifier_is_that_on_test_events():
    x = torch.cat([normal(200, 2, 0, 0.1, -1.0), normal(200, 2, 1, 0.1, 1.0)]).float()
    y = torch.arange(2).repeat_interleave(200)
    train, swapped = Events(x[::2], y[::2]), Events(x[1::2], 1 - y[1::2])
    data = Dataset("swapped", Real((2,)), train, swapped, swapped, Classes(2))
    assert features(data, kind="classifier").remark == "the classifier is right on 0.0% of 200 test events"


def test_differences_are_paired_where_halves_are_shared():
    real_events = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mine, theirs = (
        result(3.0, 2.0, halves=(3 + real_events).tolist()),
        result(2.9, 2.0, halves=(2.9 + real_events).tolist()),
    )
    assert mine.minus(theirs) == pytest.approx((0.1, 0.0), abs=1e-12)
    assert mine.minus(result(2.9, 2.0)) == pytest.approx((0.1, math.hypot(2, 2)))  # the twin forgets that they are
    other = result(2.0, halves=(2 - real_events).tolist())
    assert mine.minus(other)[1] == pytest.approx(1.96 * 2 * real_events.std().item())


@pytest.mark.parametrize(
    ("better", "values", "shortfalls"),
    [
        ("lower", (4.0, 5.0, 7.0), (0, 0, 2)),  # real data has 5: a distance below that is what copies have
        ("higher", (4.0, 5.0, 7.0), (1, 0, 0)),
        ("near real", (4.0, 5.0, 7.0), (1, 0, 2)),
    ],
)
def test_beyond_real_data_is_no_better(better, values, shortfalls):
    real = result(5.0, 0.5, better=better)
    found = [result(value, better=better, real=real) for value in values]
    assert [m.shortfall for m in found] == list(shortfalls)
    assert [m.is_as_real for m in found] == [shortfall == 0 for shortfall in shortfalls]
    assert result(5.4, better=better, real=real).is_as_real and result(4.6, better=better, real=real).is_as_real
    assert found[2].behind(found[0])[0] == shortfalls[2] - shortfalls[0]


def test_shortfalls_on_two_sides_of_real_data_count_its_error_twice():
    real = result(5.0, 0.5, better="near real")
    below, above, far = (result(v, 1.0, better="near real", real=real) for v in (4.0, 7.0, 9.0))
    assert above.behind(below) == (1, pytest.approx(math.sqrt(1 + 1 + 4 * 0.25)))
    assert far.behind(above) == (2, pytest.approx(math.sqrt(2)))
    e = torch.linspace(-1, 1, 9, dtype=torch.float64)
    real = result(5.0, better="near real", halves=(5 + e).tolist())
    below, above = (result(v, better="near real", real=real, halves=(v + e).tolist()) for v in (4.0, 7.0))
    assert above.behind(below) == (1, pytest.approx(0.0, abs=1e-12))  # what moves all three alike moves no shortfall


# Ties


def bits(seed, n=400, d=4, p=0.3):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(n, d, generator=generator) < p).double()


@pytest.mark.parametrize("scale", [1.0, 0.3, 1e-3])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_manifolds_of_tied_events_are_near_one(scale, shift):
    """Bits as reals: distances tie, and many are 0. Strict balls, the twin, give 0 everywhere."""
    real, fake = (scale * bits(seed) + shift for seed in (0, 1))
    found = precision_recall_density_coverage(real, fake)
    assert min(found.precision, found.recall, found.coverage) > 0.97 and found.density == pytest.approx(1, abs=0.15)
    twice = precision_recall_density_coverage(real.repeat(2, 1), fake.repeat(2, 1))  # duplicates only
    assert min(twice.precision, twice.recall, twice.coverage) > 0.97 and twice.density == pytest.approx(1, abs=0.15)
    apart = precision_recall_density_coverage(real, fake + 2 * scale)
    assert (apart.precision, apart.recall, apart.density, apart.coverage) == (0, 0, 0, 0)


def test_ties_at_any_distance_are_counted_though_rounded():
    """Each ball among the corners of a cube ends at a neighbour just as far as the next ones, in turned coordinates."""
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 6)
    turn = torch.linalg.qr(normal(6, 6, 3)).Q
    real = corners @ turn + 7
    found = precision_recall_density_coverage(real, (corners + 1e-12) @ turn + 7, k=3)
    assert found == (1, 1, pytest.approx(7 / 6), 1)  # six neighbours at the same distance, and itself among the samples


def test_a_cluster_far_from_the_origin_is_told_apart():
    """In float32 all of a tight cluster would be one point, so any two sets would be alike."""
    near, far = normal(100, 3, 0, 1e-4), normal(100, 3, 1, 1e-4, 50.0)
    real, fake = torch.cat([near, far]), torch.cat([near + 1e-3, far + 1e-3])
    assert max(precision_recall_density_coverage(real, fake)) < 0.1


def test_distances_in_tiles_equal_those_at_once(monkeypatch):
    from ptheta.metrics import distances as tiled

    whole = (
        precision_recall_density_coverage(REAL, FAKE),
        kernel_distance(REAL, FAKE),
        mmd(REAL, FAKE, permutations=5),
    )
    nearest = nearest_neighbours(FAKE, REAL)
    sizes = []
    honest = tiled.tiles
    monkeypatch.setattr(tiled, "TILE", 1000)
    monkeypatch.setattr(sys.modules["ptheta.metrics.mmd"], "TILE", 1000)
    for rows, squared in honest(REAL, FAKE):
        assert squared.numel() <= 1000
        sizes.append(rows.stop - rows.start)
    assert sum(sizes) == len(REAL) and len(sizes) > 1
    assert precision_recall_density_coverage(REAL, FAKE) == pytest.approx(whole[0], abs=1e-12)
    assert kernel_distance(REAL, FAKE) == pytest.approx(whole[1], abs=1e-12)
    assert mmd(REAL, FAKE, permutations=5) == pytest.approx(whole[2], abs=1e-12)
    assert torch.equal(nearest_neighbours(FAKE, REAL).index, nearest.index)


def test_sample_metrics_of_tied_data_are_finite_and_near_one(quick):
    x = bits(5, 600).float()
    data = Dataset("bits as reals", Real((4,)), Events(x[:300]), Events(x[300:400]), Events(x[400:]))
    report = evaluate_samples(bits(6, 300).float(), data)
    for row in (report.metrics, *report.fixed_rows.values()):
        assert all(math.isfinite(m.value) for m in row)
    assert all(report[name].value > 0.95 for name in ("precision", "recall", "coverage"))
    assert report["density"].value == pytest.approx(1, abs=0.2)
    assert all(row[-1].name == "train share" and row[-1].value == 0.5 for row in report.fixed_rows.values())
    assert "distance ratio" not in [m.name for m in report.metrics]
    assert "No distance ratio: every held-out event occurs in train as well." in report.notes


# Memorisation


def test_the_train_share_is_half_for_strangers_and_one_for_copies():
    train, unseen = normal(400, 4, 0), normal(80, 4, 1)
    shares = [
        train_share(*(nearest_neighbours(normal(300, 4, s), x) for x in (train, unseen)))[0] for s in range(2, 12)
    ]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)  # though training events are five times as many
    copies = train[:50] + 1e-3 * normal(50, 4, 3)
    assert train_share(nearest_neighbours(copies, train), nearest_neighbours(copies, unseen)) == (1, 0)
    plain = np.mean(
        [
            (
                nearest_neighbours(normal(300, 4, s), train).distance
                < nearest_neighbours(normal(300, 4, s), unseen).distance
            )
            .double()
            .mean()
            for s in range(2, 12)
        ]
    )
    assert plain > 0.7  # the twin forgets how many there are


def test_the_train_share_by_hand():
    """Of five samples two are nearer to 30 training events, one to the 10 held-out, and two as near to both."""
    near = [
        Neighbours(torch.tensor(d), torch.arange(5), among)
        for d, among in (([1.0, 2, 3, 4, 0], 30), ([1.0, 3, 4, 1, 0], 10))
    ]

    def share_of(a, b):
        return (1 - a - b) / 2 + (a + b) * (a / 30) / (a / 30 + b / 10)

    share, error = train_share(*near)
    assert share == pytest.approx(share_of(0.4, 0.2))
    step = 1e-6
    slopes = [(share_of(0.4 + step * i, 0.2 + step * j) - share) / step for i, j in ((1, 0), (0, 1))]
    influence = [0, slopes[0], slopes[0], slopes[1], 0]
    assert error == pytest.approx(np.std(influence, ddof=1) / math.sqrt(5), rel=1e-4)
    assert train_share(near[1], near[1]) == (0.5, 0)


@pytest.mark.parametrize(("sizes", "width"), [((160, 10, 10), 0.9), ((160, 20, 1000), 0.35), ((800, 100, 500), 0.2)])
def test_the_interval_of_the_train_share_covers_a_half_of_strangers(sizes, width):
    """Also of few held-out events, of which the error over samples alone, the twin, misses it too often."""
    covered, twin, widths = 0, 0, []
    for seed in range(60):
        near = [
            nearest_neighbours(normal(sizes[2], 3, 3 * seed), normal(n, 3, 3 * seed + i))
            for i, n in enumerate(sizes[:2], 1)
        ]
        (low, high), (share, error) = train_share_interval(*near), train_share(*near)
        assert 0 <= low <= share <= high <= 1
        covered, twin = covered + (low <= 0.5 <= high), twin + (abs(share - 0.5) < 1.96 * error)
        widths.append(high - low)
    assert covered >= 51 and np.mean(widths) < width  # binomial(60, 0.95) below 51: 1e-3
    assert twin < 51 or sizes[1] > 20


def test_reports_give_the_interval_of_the_train_share_over_all_that_was_drawn(digits, quick):
    evaluator = SampleEvaluator(digits)  # its own, since it keeps what `quick` leaves out
    x = digits.train.x[: evaluator.n]
    found = evaluator(x)["train share"]
    others = digits.train.x, torch.cat([digits.valid.x, digits.test.x])
    near = [nearest_neighbours(evaluator.extractor(x), evaluator.extractor(other)) for other in others]
    assert (found.value, found.interval) == (train_share(*near)[0], train_share_interval(*near))
    assert found.value == 1 and found.interval[0] < 1  # which the error over samples, all of them copies, cannot say


def test_the_interval_of_the_train_share_knows_copies_and_ties():
    train, unseen = normal(400, 4, 0), normal(80, 4, 1)
    copies = train[:50] + 1e-3 * normal(50, 4, 3)
    near = [nearest_neighbours(copies, train), nearest_neighbours(copies, unseen)]
    low, high = train_share_interval(*near)
    assert low > 0.5 and high == 1
    assert train_share_interval(near[1], near[1]) == (0.5, 0.5)
    assert train_share_interval(near[1], near[0])[0] == 0


def test_the_fixed_rows_are_perfection_copies_and_no_effort(digits, evaluator):
    rows = {name: {m.name: m for m in row} for name, row in evaluator.fixed_rows.items()}
    assert list(rows) == ["real data", "copy of train", "floor"]
    assert rows["copy of train"]["train share"].value == 1 and rows["copy of train"]["distance ratio"].value == 0
    assert 0.4 < rows["real data"]["train share"].value < 0.6 and rows["real data"]["distance ratio"].value == 1
    assert {name for name, m in rows["copy of train"].items() if worse(m)} == {"train share", "distance ratio"}
    assert rows["floor"]["frechet distance"].value > 5 * rows["real data"]["frechet distance"].value
    assert rows["floor"]["recall"].value < 0.8 and rows["floor"]["two-sample AUC"].value > 0.8
    assert all(m.real == rows["real data"][m.name] for m in evaluator.fixed_rows["floor"])


def test_the_split_decides_whose_events_samples_are_compared_with(quick):
    """Each split lies elsewhere, so samples of one are like it and like no other."""
    parts = {name: normal(120, 2, i, 1.0, 20.0 * i).float() for i, name in enumerate(("train", "valid", "test"))}
    data = Dataset("apart", Real((2,)), *(Events(x) for x in parts.values()))
    for split in ("train", "valid"):
        for name, x in parts.items():
            found = evaluate_samples(x, data, split=split)
            assert (found["coverage"].value > 0.8) == (name == split), (split, name)
            assert found["coverage"].reference == split
    assert evaluate_samples(parts["test"], data)["coverage"].reference == "test and valid"
    only = Dataset("apart", Real((2,)), Events(parts["train"]), Events(parts["valid"][:0]), Events(parts["test"][:5]))
    with pytest.raises(ValueError, match="at least 20 events, but there are 5"):  # copies could not be told
        evaluate_samples(parts["train"], only, split="train")
