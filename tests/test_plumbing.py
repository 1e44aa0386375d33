"""What verbs print is what the run says: every number computed again by another way, every split told from the others.

The three splits of the data differ in what their first variables always are, so that no number of one is that of
another.
"""

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptheta.applications.bench import count_parameters
from ptheta.cli import main
from ptheta.data import load
from ptheta.data.dataset import Dataset, Events
from ptheta.metrics import SampleEvaluator, evaluate_samples
from ptheta.metrics.likelihood import PILOT
from ptheta.noise import Noise
from ptheta.papers import ROWS, Row, run_row
from ptheta.runs import Run, build, open_run
from ptheta.training import checkpoint as checkpoints

SPLITS = ("train", "valid", "test")
SIZES = {"train": 160, "valid": 50, "test": 70}
ALWAYS = {"train": (1, 0, 0), "valid": (1, 1, 0), "test": (0, 1, 1)}  # the first variables of every event
D = 6
NORMAL_95 = 1.96

Json = dict[str, Any]


def typed(words: str) -> None:
    assert main(words.split()) == 0, words


@pytest.fixture(scope="module", autouse=True)
def judges_that_learn_nothing() -> Iterator[None]:
    """What most of the time of sample metrics goes to; an untrained judge gives the same number to the same samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["ptheta.metrics.c2st"], "learn", lambda *args, **options: None)
        yield


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bits whose splits are told apart at a glance, the same with classes, reals that lie far apart; runs of them."""
    folder, rng = tmp_path_factory.mktemp("shelf"), np.random.default_rng(0)
    bits, reals, labels = {}, {}, {}
    for k, (split, n) in enumerate(SIZES.items()):
        bits[split] = (rng.random((n, D)) < 0.4).astype(np.uint8)
        bits[split][:, :3] = ALWAYS[split]
        labels[f"{split}_y"] = bits[split][:, 5] ^ (rng.random(n) < 0.2)
        reals[split] = (rng.normal(size=(n, 2)) + 20 * k).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        np.savez("bits.npz", **bits)
        np.savez("classes.npz", **bits, **labels)
        np.savez("reals.npz", **reals)
        typed("fit independent --data bits.npz --out independent")
        typed("fit independent --data reals.npz --out reals")
        typed("fit independent --data classes.npz --conditional --out classes")
        typed("fit vae --data bits.npz --hidden 8 --latent 2 --steps 5 --quiet --out vae")
        typed("fit nade --data bits.npz --hidden 4 --steps 9 --quiet --out nade")
        typed("compare bits.npz --models independent markov nade --minutes .003 --samples 45 --seed 2 --out compared")
    return folder


@pytest.fixture
def here(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shelf)
    return shelf


@pytest.fixture
def said(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """What a command prints."""

    def say(words: str) -> str:
        capsys.readouterr()
        typed(words)
        return capsys.readouterr().out

    return say


@pytest.fixture
def told(said: Callable[[str], str]) -> Callable[[str], Json]:
    """What a command prints as JSON, which is strict."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return lambda words: json.loads(said(f"{words} --json"), parse_constant=refuse)


def arrays(name: str, split: str) -> np.ndarray:
    with np.load(f"{name}.npz") as found:
        return np.concatenate([found[s] for s in SPLITS]) if split == "all" else found[split]


def by_counting(x: np.ndarray) -> np.ndarray:
    """log p of events with shape (n, D) by counts of the training events and one more of each value."""
    train = arrays("bits", "train").astype(float)
    p = (train.sum(0) + 1) / (len(train) + 2)
    return np.log(np.where(x == 1, p, 1 - p)).sum(1)


def first_row(split: str) -> int:
    return 0 if split == "all" else sum(SIZES[s] for s in SPLITS[: SPLITS.index(split)])


def agrees(printed: str, number: float) -> bool:
    """Whether a printed number is another one, as far as it is printed."""
    decimals = len(printed.partition(".")[2])
    return abs(float(printed) - number) <= 0.5001 * 10.0**-decimals


# One likelihood per event, and their mean


@pytest.mark.parametrize("split", [*SPLITS, "all"])
def test_scores_are_those_of_the_split_row_by_row(split: str, said):
    rows = list(csv.reader(io.StringIO(said(f"score independent --split {split}"))))
    assert rows[0] == ["row", "log_prob_nats_exact"]
    expected = by_counting(arrays("bits", split))
    assert [int(row) for row, _ in rows[1:]] == list(range(first_row(split), first_row(split) + len(expected)))
    np.testing.assert_allclose([float(value) for _, value in rows[1:]], expected, atol=1e-6)


@pytest.mark.parametrize("split", [*SPLITS, "all"])
def test_a_likelihood_is_the_mean_over_the_split_by_hand(split: str, told, said):
    found = told(f"evaluate independent --samples 0 --split {split}")
    nats = -by_counting(arrays("bits", split))
    number = found["likelihood"]
    assert (found["split"], number["n"], number["kind"]) == (split, len(nats), "exact")
    assert number["value"] == pytest.approx(nats.mean())
    assert number["error"] == pytest.approx(NORMAL_95 * nats.std(ddof=1) / math.sqrt(len(nats)))
    assert number["bits_per_dim"] == pytest.approx(nats.mean() / D / math.log(2))
    others = [-by_counting(arrays("bits", s)).mean() for s in SPLITS if s != split]
    assert min(abs(number["value"] - other) for other in others) > 0.1, "the splits cannot be told apart"
    line = next(line for line in said(f"evaluate independent --samples 0 --split {split}").splitlines() if "±" in line)
    printed = re.findall(r"\d+\.\d+", line)
    assert all(agrees(p, number[key]) for p, key in zip(printed, ("value", "error", "bits_per_dim"), strict=True))


def test_by_default_it_is_the_test_split_of_ones_own_data_and_all_of_a_file(told):
    assert told("evaluate independent --samples 0")["likelihood"]["n"] == SIZES["test"]
    other = told("evaluate independent --samples 0 --data bits.npz")
    assert (other["split"], other["likelihood"]["n"]) == ("all", sum(SIZES.values()))


def test_a_bound_is_the_mean_of_its_draws_and_importance_samples_are_as_many_as_asked_for(told):
    run = open_run("vae")
    x = torch.from_numpy(arrays("bits", "test"))
    model: Any = run.model
    found = told("evaluate vae --samples 0 --draws 4 --seed 3")["likelihood"]
    with torch.no_grad():
        halves = [model.elbo(x, draws=2, noise=Noise(3).at("draws", i)).double() for i in (0, 1)]
        tight = model.importance_bound(x, 7, noise=Noise(3).at("importance")).double()
        again = model.importance_bound(x[:PILOT], 7, noise=Noise(3).at("again")).double()
    value = -float((halves[0] + halves[1]).mean() / 2)
    assert (found["kind"], found["importance"]) == ("lower bound", None)
    assert found["value"] == pytest.approx(value, rel=1e-5)
    spread = float((halves[0] - halves[1]).square().sum()) / 4  # of the sum over events
    assert found["estimator_error"] == pytest.approx(NORMAL_95 * math.sqrt(spread) / len(x), rel=1e-3)
    bound = told("evaluate vae --samples 0 --draws 4 --importance 7 --seed 3")["likelihood"]
    assert bound["importance"] == 7 and bound["value"] == pytest.approx(-float(tight.mean()), rel=1e-5)
    assert bound["details"]["elbo"] == pytest.approx(value, rel=1e-5)
    spread = float((tight[:PILOT] - again).square().mean()) / 2
    assert bound["estimator_error"] == pytest.approx(NORMAL_95 * math.sqrt(spread / len(x)), rel=1e-3)


def test_events_of_files_are_called_by_their_names_in_every_table(said, tmp_path: Path):
    from PIL import Image

    rng, pictures = np.random.default_rng(3), {}
    for i in rng.permutation(24):
        pictures[f"{i}.png"] = rng.integers(0, 2, (4, 4), np.uint8)
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(255 * pictures[f"{i}.png"]).save(tmp_path / "pictures" / f"{i}.png")
    said(f"fit independent --data {tmp_path / 'pictures'} --out {tmp_path / 'run'}")
    model: Any = open_run(tmp_path / "run").model
    for split, n in (("all", 24), ("valid", 2)):
        rows = list(csv.reader(io.StringIO(said(f"score {tmp_path / 'run'} --split {split}"))))
        assert rows[0][0] == "file" and len(rows) == 1 + n
        names = [name for name, _ in rows[1:]]
        assert names == sorted(names), "in the order of the folder"
        x = torch.from_numpy(np.stack([pictures[name] for name in names]))[:, None]
        np.testing.assert_allclose([float(value) for _, value in rows[1:]], model.log_prob(x).numpy(), atol=1e-6)


def test_the_error_of_a_map_is_the_mean_over_the_split(told, said):
    said("fit autoencoder --data bits.npz --latent 2 --hidden 8 --steps 3 --quiet --out coder")
    model: Any = open_run("coder").model
    for split in ("valid", "test"):
        found = told(f"evaluate coder --samples 0 --split {split} --seed 2")
        with torch.no_grad():
            errors = model.validation(torch.from_numpy(arrays("bits", split)), None, Noise(2)).double()
        assert found["likelihood"]["kind"] == "undefined" and found["error"]["n"] == SIZES[split]
        assert found["error"]["value"] == pytest.approx(float(errors.mean()), rel=1e-6)
        spread = float(errors.std()) / math.sqrt(len(errors))
        assert found["error"]["half_width_95"] == pytest.approx(NORMAL_95 * spread, rel=1e-5)


# Samples, and how near they are


def test_samples_are_the_model_s_own_under_the_seed_and_the_context(said):
    plain, classes = open_run("nade").model, open_run("classes").model
    for seed in (0, 5):
        said(f"sample nade -n 9 --seed {seed} --out drawn.npy --force")
        expected: Any = plain.sample(9, noise=Noise(seed).at("sample"))  # type: ignore[attr-defined]
        assert (np.load("drawn.npy") == expected.numpy()).all()
        said(f"sample classes -n 9 --seed {seed} --context 1 --out drawn.npy --force")
        given = torch.ones(9, dtype=torch.int64)
        expected = classes.sample(9, given, noise=Noise(seed).at("sample"))  # type: ignore[attr-defined]
        assert (np.load("drawn.npy") == expected.numpy()).all()


def test_contexts_that_nobody_gives_are_those_of_training_events_at_random(said, told):
    with np.load("classes.npz") as found:
        train, test = (torch.from_numpy(found[f"{s}_y"]).long() for s in ("train", "test"))
    places = Noise(5).uniform((30,), "context")
    model: Any = open_run("classes").model
    said("sample classes -n 30 --seed 5 --out drawn.npy --force")
    given = train[(places * len(train)).long()]
    assert (np.load("drawn.npy") == model.sample(30, given, noise=Noise(5).at("sample")).numpy()).all()
    x = model.sample(30, test[(places * len(test)).long()], noise=Noise(5).at("sample"))
    report = evaluate_samples(x, load("classes.npz"), seed=5).to_json()
    assert told("evaluate classes --samples 30 --seed 5")["metrics"] == report["metrics"]


def test_samples_for_the_contexts_of_a_split_come_in_its_order(said):
    said("sample classes --data classes.npz --split valid --out drawn.npy --force")
    with np.load("classes.npz") as found:
        given = torch.from_numpy(found["valid_y"]).long()
    model: Any = open_run("classes").model
    expected = model.sample(len(given), given, noise=Noise(0).at("sample"))
    assert len(given) == SIZES["valid"] and (np.load("drawn.npy") == expected.numpy()).all()


@pytest.mark.parametrize("split", SPLITS)
def test_sample_metrics_are_those_beside_the_split(split: str, told, said):
    found = told(f"evaluate reals --samples 60 --seed 1 --split {split}")
    said("sample reals -n 60 --seed 1 --out drawn.npy --force")
    report = evaluate_samples(torch.from_numpy(np.load("drawn.npy")), load("reals.npz"), split=split, seed=1)
    by_hand = report.to_json()
    assert found["metrics"] == by_hand["metrics"] and found["fixed_rows"] == by_hand["fixed_rows"]
    coverage = next(m for m in found["metrics"] if m["name"] == "coverage")
    assert (coverage["value"] > 0.6) == (split == "train"), "the model is like its training events alone"
    assert coverage["reference"] == ("test and valid" if split == "test" else split)


def test_samples_beside_other_data_are_judged_by_all_of_it_and_nothing_else(told, said, here: Path):
    other = np.load("reals.npz")["valid"] + 3
    np.save("other.npy", other)
    found = told("evaluate reals --samples 40 --seed 1 --data other.npy")
    said("sample reals -n 40 --seed 1 --out drawn.npy --force")
    data, fresh = load("reals.npz"), Events(torch.from_numpy(other))
    beside = replace(data, valid=data.valid[:0], test=fresh)
    report = evaluate_samples(torch.from_numpy(np.load("drawn.npy")), beside, seed=1).to_json()
    assert found["metrics"] == report["metrics"]
    joined = evaluate_samples(torch.from_numpy(np.load("drawn.npy")), replace(data, test=fresh), seed=1).to_json()
    assert joined["metrics"] != report["metrics"], "the run's own validation events would be seen"


def test_what_is_evaluated_is_printed_and_kept_alike(told, said):
    found = told("evaluate reals --samples 60")
    assert json.loads(Path("reals/evaluation.json").read_text()) == found
    text = said("evaluate reals --samples 60")
    for m in found["metrics"]:
        line = next(line for line in text.splitlines() if line.strip().startswith(m["name"]))
        row = {
            "samples": m,
            **{name: next(r for r in rows if r["name"] == m["name"]) for name, rows in found["fixed_rows"].items()},
        }
        cells = re.findall(r"(\S+) \[(\S+), (\S+)\]", line)
        for cell, one in zip(cells, row.values(), strict=True):
            assert [float(c) for c in cell] == pytest.approx([one["value"], *one["interval"]], rel=6e-3, abs=1e-12)


# A comparison


@pytest.fixture
def compared(here: Path) -> tuple[Json, list[dict[str, str]]]:
    with Path("compared/results.csv").open(newline="") as file:
        return json.loads(Path("compared/results.json").read_text()), list(csv.DictReader(file))


def test_the_table_and_the_record_of_a_comparison_agree_field_by_field(compared):
    found, rows = compared
    assert [row["model"] for row in rows] == [m["model"] for m in found["models"]] == ["independent", "markov", "nade"]
    for row, model in zip(rows, found["models"], strict=True):
        number, metrics = model["likelihood"], {m["name"]: m["value"] for m in model["metrics"]}
        expected = {
            "nats_per_event": number["value"],
            "kind": number["kind"],
            "bits_per_dim": number["bits_per_dim"],
            "half_width_95": number["error"],
            **metrics,
            **{name: model[name] for name in set(row) & set(model)},
        }
        assert metrics and set(row) == set(expected)
        for name, value in expected.items():
            assert row[name] == ("" if value is None else str(value)), name


def test_the_likelihoods_of_a_comparison_are_those_of_its_runs_on_test(compared):
    found, _ = compared
    nats, x = {}, arrays("bits", "test")
    for model in found["models"]:
        run: Any = open_run(model["run"])
        with torch.no_grad():
            nats[model["model"]] = -run.model.log_prob(torch.from_numpy(x)).double().numpy()
        number = model["likelihood"]
        assert number["value"] == pytest.approx(nats[model["model"]].mean(), rel=1e-6)
        spread = nats[model["model"]].std(ddof=1) / math.sqrt(len(x))
        assert number["error"] == pytest.approx(NORMAL_95 * spread, rel=1e-5)
        assert number["bits_per_dim"] == pytest.approx(number["value"] / D / math.log(2))
    np.testing.assert_allclose(nats["independent"].mean(), -by_counting(x).mean(), rtol=1e-6)
    hardly = [m["model"] for m in found["models"] if m["hardly_trained"]]
    leader = min((n for n in nats if n not in hardly), key=lambda n: nats[n].mean())
    for model in found["models"]:
        difference = nats[model["model"]] - nats[leader]
        behind = model["behind"]["nats_per_event"], model["behind"]["half_width_95"]
        spread = difference.std(ddof=1) / math.sqrt(len(x))
        assert behind == pytest.approx((difference.mean(), NORMAL_95 * spread), rel=1e-5, abs=1e-9)
        tied = model["model"] not in hardly and difference.mean() <= NORMAL_95 * spread
        assert (model["model"] in found["best"]["likelihood"]) == tied


def test_the_sample_metrics_of_a_comparison_are_those_of_samples_of_its_runs(compared):
    found, _ = compared
    evaluator = SampleEvaluator(load("bits.npz"), n=45, seed=2)
    assert (found["n_test"], found["n_samples"], found["n_drawn"]) == (SIZES["test"], 45, 100)  # a hundred are shown
    for model in found["models"]:
        run: Any = open_run(model["run"])
        x = run.model.sample(100, noise=Noise(2).at("sample"))
        assert model["metrics"] == [m.to_json() for m in evaluator(x).metrics], model["model"]
    assert found["fixed_rows"] == {k: [m.to_json() for m in row] for k, row in evaluator.fixed_rows.items()}


def test_what_training_took_is_what_the_run_says(compared):
    found, _ = compared
    for model in found["models"]:
        run: Run = open_run(model["run"])
        assert (model["fit_seconds"], model["cpu_seconds"]) == (run.record["seconds"], run.record["cpu_seconds"])
        weights: Any = run.model
        if model["model"] != "nade":
            assert model["steps"] is model["epochs"] is model["events_per_second"] is None and not model["curve"]
            assert model["parameters"] == weights.n_parameters
            continue
        batch = run.manifest.training[""]["batch_size"]
        assert model["steps"] == run.step > 0 and run.manifest.training[""]["minutes"] == 0.003
        assert model["epochs"] == run.step / (SIZES["train"] // batch)
        assert model["events_per_second"] == pytest.approx(run.step * batch / run.record["seconds"])
        assert model["parameters"] == sum(p.numel() for p in weights.parameters())
        lines = Path(model["run"], "metrics.jsonl").read_text().splitlines()
        assert model["curve"] == [json.loads(line) for line in lines] and model["curve"][-1]["step"] == run.step


@pytest.mark.parametrize("name", ["vq-vae", "latent-diffusion"])
def test_a_model_in_two_stages_counts_the_weights_of_both(name: str):
    recipe = build(name, load("digits").space)
    stages: list[Any] = [stage.model for stage in recipe.stages]
    assert len(stages) == 2
    assert count_parameters(recipe.model) == sum(p.numel() for model in stages for p in model.parameters()) > 300_000


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("value", "likelihoods"),
        ("error", "likelihoods"),
        ("bits_per_dim", "likelihoods"),
        ("metrics", "sample_metrics"),
        ("fit_seconds", "what_training_took"),
        ("steps", "what_training_took"),
    ],
)
def test_the_laws_of_a_comparison_reject_a_number_of_something_else(key: str, wrong: str, compared):
    laws = {
        "likelihoods": test_the_likelihoods_of_a_comparison_are_those_of_its_runs_on_test,
        "sample_metrics": test_the_sample_metrics_of_a_comparison_are_those_of_samples_of_its_runs,
        "what_training_took": test_what_training_took_is_what_the_run_says,
    }
    found, rows = compared
    for model in found["models"]:
        holder = model["likelihood"] if key in model["likelihood"] else model
        if key == "metrics":
            holder[key] = found["models"][0][key]
        elif holder[key] is not None:
            holder[key] *= 1.01
    for law in (laws[wrong], test_the_table_and_the_record_of_a_comparison_agree_field_by_field):
        with pytest.raises(AssertionError):
            law((found, rows))


# A row of a paper


def test_a_row_reports_test_events_and_keeps_what_it_prints(here: Path, told, monkeypatch, tmp_path: Path):
    source = str(here / "bits.npz")
    row = Row("apart", 9.0, 1.0, "within", "nats", source, "independent", source="A test.")
    monkeypatch.setitem(ROWS, "apart", row)
    nats = -by_counting(arrays("bits", "test"))
    ours = float(nats.mean())
    for paper, passed in ((ours - 0.9, True), (ours - 1.1, False)):
        monkeypatch.setitem(ROWS, "apart", replace(row, paper=paper))
        result = run_row("apart", seed=4)
        assert result["ours"] == pytest.approx(ours)
        assert result["difference"] == pytest.approx(ours - paper) and result["passed"] is passed
        assert result["details"] == pytest.approx(
            {
                "95 % half-width over events": NORMAL_95 * nats.std(ddof=1) / math.sqrt(len(nats)),
                "bits per dimension": nats.mean() / D / math.log(2),
            }
        )
    monkeypatch.setitem(ROWS, "apart", replace(row, paper=ours))
    printed = told(f"reproduce apart --seed 4 --out {tmp_path} --run {tmp_path / 'run'}")
    assert json.loads((tmp_path / "apart.json").read_text()) == {"4": printed}
    assert open_run(tmp_path / "run").manifest.seed == 4


def test_a_row_s_weights_are_those_that_validated_best(here: Path, monkeypatch, tmp_path: Path):
    """The row's validation score is that of valid, and its number that of test, under the weights it keeps."""
    how = {"steps": 12, "validate_every": 3}
    row = Row("net", 9.0, 9.0, "at most", "nats", str(here / "bits.npz"), "nade", {"hidden": 4}, how, source="A test.")
    monkeypatch.setitem(ROWS, "net", row)
    result = run_row("net", folder=tmp_path / "run")
    run: Any = open_run(tmp_path / "run")
    with torch.no_grad():
        nats = {s: -float(run.model.log_prob(torch.from_numpy(arrays("bits", s))).double().mean()) for s in SPLITS}
    assert result["ours"] == pytest.approx(nats["test"], rel=1e-6)
    best = checkpoints.load(tmp_path / "run" / "checkpoints").record["best_score"]
    assert -best == pytest.approx(nats["valid"], rel=1e-5) and abs(nats["valid"] - nats["test"]) > 0.05
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9, 12] and max(line["validation"] for line in lines) == best


# What one does with models


@pytest.mark.parametrize("split", SPLITS)
def test_odd_events_are_those_above_the_threshold_of_validation(split: str, told):
    found = told(f"anomalies independent --split {split} --false-alarms .2 --out odd.csv --force")
    with Path("odd.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    nats, ordinary = -by_counting(arrays("bits", split)), np.sort(-by_counting(arrays("bits", "valid")))
    limit = ordinary[math.ceil((len(ordinary) + 1) * 0.8) - 1]
    assert (found["split"], found["n"], len(rows)) == (split, SIZES[split], SIZES[split])
    assert found["threshold"] == pytest.approx(limit)
    assert found["n_odd"] == int((nats > limit + 1e-9).sum()) == sum(row["odd"] == "yes" for row in rows)
    assert [int(row["row"]) for row in rows] == list(range(first_row(split), first_row(split) + len(rows)))
    for row, value in zip(rows, nats, strict=True):
        cells = [float(row[f"x{d + 1}"]) for d in range(D)]
        assert float(row["likelihood"]) == pytest.approx(value, abs=1e-4)
        assert sum(cells) == pytest.approx(value, abs=1e-4), "cells that are independent add up"
        assert float(row["oddest cell"]) == max(cells) == float(row[row["which cell"]])


@pytest.mark.parametrize("split", SPLITS)
def test_classes_are_judged_by_the_probabilities_that_are_written(split: str, told):
    found = told(f"classify classes --no-peers --split {split} --out classes.csv --force")
    with Path("classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with np.load("classes.npz") as kept:
        truth = kept[f"{split}_y"].astype(int)
        shares = np.bincount(kept["train_y"], minlength=2) / SIZES["train"]
        train, labels, x = kept["train"].astype(float), kept["train_y"], kept[split]
    joint = []
    for k in (0, 1):
        p = (train[labels == k].sum(0) + 1) / ((labels == k).sum() + 2)
        joint.append(np.log(shares[k]) + np.log(np.where(x == 1, p, 1 - p)).sum(1))
    expected = np.exp(np.array(joint) - np.logaddexp(*joint)).T
    written = np.array([[float(row["p(0)"]), float(row["p(1)"])] for row in rows])
    np.testing.assert_allclose(written, expected, atol=1e-5)
    assert [int(row["class"]) for row in rows] == truth.tolist()
    assert [int(row["guess"]) for row in rows] == written.argmax(1).tolist()
    judged, right = found["judged"][0], written.argmax(1) == truth
    assert found["prior"] == pytest.approx({"0": shares[0], "1": shares[1]})
    assert (judged["accuracy"], judged["n"]) == (pytest.approx(right.mean()), SIZES[split])
    assert judged["half_width_95"] == pytest.approx(NORMAL_95 * right.std() / math.sqrt(len(right)))
    assert judged["log_loss"] == pytest.approx(-np.log(written[np.arange(len(truth)), truth]).mean(), rel=1e-4)
    confidence, place = written.max(1), (written.max(1) * 10).astype(int)
    bins = [abs(confidence[place == b].mean() - right[place == b].mean()) * (place == b).mean() for b in set(place)]
    assert judged["ece"] == pytest.approx(sum(bins), abs=1e-4)


def test_hidden_cells_are_filled_the_same_whatever_is_in_flight_at_once(told, monkeypatch):
    rng = np.random.default_rng(1)
    lines = [f"{rng.random():.3f},{rng.choice(list('xyz'))}" for _ in range(200)]
    Path("rows.csv").write_text("\n".join(["u,v", *lines]) + "\n")
    typed("fit mixture --data rows.csv --components 3 --out rows")
    whole = told("impute rows --hide .4 --no-peers")
    monkeypatch.setattr("ptheta.applications.hidden.COMPONENTS", 5)
    cut = told("impute rows --hide .4 --no-peers")
    for a, b in zip(whole["filled"], cut["filled"], strict=True):
        assert a == pytest.approx(b)
    assert whole["hidden"] == whole["filled"][0]["n"] > 4


# Data


def test_what_a_data_set_is_said_to_be_is_counted(told):
    found = told("data bits.npz")
    train = arrays("bits", "train")
    assert found["splits"] == SIZES and found["dimensions"] == D
    assert found["range"] == pytest.approx({"min": 0.0, "max": 1.0, "mean": train.mean()})
    data: Dataset = load("bits.npz")
    for split in SPLITS:
        assert (getattr(data, split).x.numpy() == arrays("bits", split)).all(), split
    assert found["fingerprint"] == data.fingerprint
