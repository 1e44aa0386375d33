"""Sample metrics equal their oracles, stand beside real data, and react to what goes wrong with samples."""

import json
import math

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
    nearest_training_neighbours,
    precision_recall_density_coverage,
    two_sample_test,
)
from ptheta.metrics.c2st import area_under_curve
from ptheta.metrics.features import real_halves
from ptheta.metrics.memorisation import Neighbours
from ptheta.metrics.result import MetricResult
from ptheta.metrics.samples import _distances, _ratio, _spread, _standard_error


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
    found = nearest_training_neighbours(REAL, FAKE)
    search = NearestNeighbors().fit(REAL)
    distance, index = search.kneighbors(FAKE, 1)
    own = search.kneighbors(REAL, 2)[0][:, 1][index[:, 0]]
    np.testing.assert_allclose(found.distance, distance[:, 0], atol=1e-9)
    np.testing.assert_array_equal(found.index, index[:, 0])
    np.testing.assert_allclose(found.own, own, atol=1e-9)
    assert nearest_training_neighbours(REAL, REAL).memorised.all()


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
    assert _distances(REAL, FAKE) == pytest.approx(_distances(real, fake), abs=1e-10)
    assert _spread(REAL, FAKE, 0) == _spread(real, fake, 0)
    assert two_sample_test(REAL, FAKE) == two_sample_test(real, fake)
    assert mmd(REAL, FAKE) == mmd(real, fake)
    first, second = nearest_training_neighbours(REAL, FAKE), nearest_training_neighbours(real, fake)
    for field in ("distance", "own"):
        a, b = (getattr(found, field).sort().values for found in (first, second))
        torch.testing.assert_close(a, b, atol=1e-10, rtol=0)
    # The broken twin takes halves as they come.
    halves = [_distances(a[: len(a) // 2], b[: len(b) // 2]) for a, b in ((REAL, FAKE), (real, fake))]
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
        values.append(list(_distances(real, fake).values()))
        errors.append(list(_spread(real, fake, seed).values()))
    values, errors = np.array(values), np.array(errors)
    covered = (np.abs(values - values.mean(0)) < 1.96 * errors).mean(0)
    assert (covered >= 0.8).all(), covered  # binomial(40, 0.95) below 32: 6e-4 for all six metrics
    assert (errors.mean(0) < 2.5 * values.std(0)).all()  # and they are not absurdly wide


def test_intervals_of_memorisation_cover_the_mean_over_samples():
    train = normal(200, 4, 0)
    for scale, shift in ((1.0, 0.0), (0.7, 0.3)):
        values, errors = [], []
        for seed in range(200):
            ours = nearest_training_neighbours(train, normal(60, 4, 2 * seed + 1, scale, shift))
            theirs = nearest_training_neighbours(train, normal(60, 4, 2 * seed + 2))
            copies = ours.memorised.double()
            found = ((copies.mean().item(), _standard_error(copies)), _ratio(ours.distance, theirs.distance))
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
    with pytest.raises(ValueError, match="there is 1"):
        nearest_training_neighbours(REAL[:1], FAKE)


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
        ("copying", {"memorised", "distance ratio"}),
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
    assert abs(real["two-sample AUC"] - 0.5) < 0.1 and 0.25 < real["memorised"] < 0.6
    assert real["distance ratio"] == 1


def test_report_prints_and_becomes_json(unseen, evaluator):
    report = evaluator(unseen.x)
    assert len(report.metrics) == 9 and all(metric.real is not None for metric in report.metrics)
    lines = str(report).splitlines()
    assert lines[0].split() == ["metric", "samples", "real", "data", "better"] and "frechet distance" in lines[1]
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


def test_results_that_differ_in_their_terms_do_not_compare(digits, unseen, evaluator):
    mine = evaluator.real[3]
    assert mine.minus(mine) == 0
    fewer = evaluate_samples(unseen.x, digits, extractor=evaluator.extractor, n=100)[mine.name]
    with pytest.raises(ValueError, match="the same n_real, but one has 387 and the other 100"):
        mine.minus(fewer)
    other = SampleEvaluator(digits, extractor=features(digits, kind="raw"), n=100).real[3]
    with pytest.raises(ValueError, match="the same extractor"):
        fewer.minus(other)
    with pytest.raises(ValueError, match="the same name"):
        mine.minus(evaluator.real[2])


def test_few_events_lose_the_frechet_distance_with_a_note(digits, unseen):
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
    assert Neighbours(distance, torch.arange(3), distance).closest(2).tolist() == [1, 2]


def test_real_halves_share_no_event_and_extractors_see_the_first_only():
    x = 5 * normal(120, 3, 5).float()
    data = Dataset("wide", Real((3,)), Events(x[:60]), Events(x[60:70]), Events(x[70:]))
    first, second = real_halves(data)
    assert sorted(torch.cat([first.x, second.x]).tolist()) == sorted(data.train.x.tolist())
    assert len(first) == len(second) == len(data.train) // 2
    extractor = features(data, kind="principal components")
    assert float(extractor(first.x).var(0).mean()) == pytest.approx(1)
    assert torch.equal(SampleEvaluator(data, extractor=extractor, n=20)._fresh, second.x[:20])


def test_differences_have_the_sign_of_mine_less_the_others():
    better, worse = (MetricResult("m", v, (0, 9), "lower", "", 9, 9, "raw", "test") for v in (1.0, 4.0))
    assert worse.minus(better) == 3 == -better.minus(worse)


def test_the_ratio_of_distances_and_intervals_of_metrics_by_hand():
    ratio, error = _ratio(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 3.0]))
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
