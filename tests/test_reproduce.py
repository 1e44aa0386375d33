"""Rows of papers' tables: listed with their times, run, judged, and kept seed by seed."""

import json
import math
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ptheta.cli import main
from ptheta.data import load
from ptheta.data.dataset import Dataset, Events
from ptheta.data.music import KEYS, jsb, jsb_pieces
from ptheta.data.synthetic import truth
from ptheta.metrics import likelihood
from ptheta.papers import ROWS, Found, Row, adversarial, keep, modes, run_row
from ptheta.papers.fitting import fitted
from ptheta.papers.scoring import judged
from ptheta.papers.sequences import per_step
from ptheta.recipes import RECIPES
from ptheta.runs import build, open_run
from ptheta.spaces import Binary, Classes, Tokens
from test_comparison import metric

QUICK = Row(
    "quick", 2.0, 3.0, "at most", "nats", "bars", "independent", source="A test.", run=lambda seed, folder: 2.5 + seed
)


@pytest.fixture(autouse=True)
def rows(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    small = replace(QUICK, name="tiny", paper=0.0, pass_line=9.0, run=lambda seed, folder: 8.0)
    for row in (QUICK, replace(QUICK, name="huge", gpu_seconds=600.0, small=small)):
        monkeypatch.setitem(ROWS, row.name, row)


def test_every_row_names_a_recipe_and_says_where_it_is_from():
    for row in (r for name, r in ROWS.items() if name not in ("quick", "huge")):
        for version in filter(None, (row, row.small)):
            assert version.model in RECIPES and version.source and version.unit and version.seconds > 0, row.name
        assert row.small is None or row.gpu_seconds is not None


def test_the_list_shows_times(capsys):
    assert main(["reproduce", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["row", "paper", "pass", "line", "two", "cores", "one", "GPU"]
    assert len(lines) == len(ROWS) + 3
    assert next(line for line in lines if line.startswith("huge")).endswith("60 s*     10 min")


def test_results_are_printed_and_kept_seed_by_seed(capsys, tmp_path):
    assert main(["reproduce", "quick", "--out", str(tmp_path)]) == 0
    assert "paper 2, ours 2.50 (+0.50), pass line at most 3: reached" in capsys.readouterr().out
    assert main(["reproduce", "quick", "--seed", "1", "--out", str(tmp_path)]) == 1
    assert "ours 3.50 (+1.50), pass line at most 3: MISSED" in capsys.readouterr().out
    kept = json.loads((tmp_path / "quick.json").read_text())
    assert [(seed, r["ours"], r["passed"]) for seed, r in kept.items()] == [("0", 2.5, True), ("1", 3.5, False)]


def test_further_numbers_and_the_ends_of_the_scale_are_kept_and_shown(capsys, tmp_path, monkeypatch):
    rich = replace(QUICK, name="rich", run=lambda seed, folder: Found(2.5, {"half-width": 0.25, "modes": 8.0}))
    monkeypatch.setitem(ROWS, "rich", replace(rich, floor=(9.0, "a coin"), ceiling=(1.5, "real data")))
    assert main(["reproduce", "rich", "--out", str(tmp_path)]) == 0
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[2:6]]
    assert shown == [
        ["9.00", "floor: a coin"],
        ["1.50", "ceiling: real data"],
        ["0.2500", "half-width"],
        ["8.00", "modes"],
    ]
    kept = json.loads((tmp_path / "rich.json").read_text())["0"]
    assert kept["details"] == {"half-width": 0.25, "modes": 8.0}
    assert (kept["ours"], kept["floor"], kept["ceiling"]) == (2.5, [9.0, "a coin"], [1.5, "real data"])
    assert run_row("quick")["details"] == {} and run_row("quick")["floor"] is None


@pytest.mark.parametrize("found", [float("nan"), Found(1.0, {"error": float("inf")})], ids=["value", "detail"])
def test_a_run_that_ends_in_no_number_has_failed(capsys, tmp_path, monkeypatch, found):
    monkeypatch.setitem(ROWS, "lost", replace(QUICK, name="lost", run=lambda seed, folder: found))
    assert main(["reproduce", "lost", "--out", str(tmp_path)]) == 1
    assert "the run of lost ended in" in capsys.readouterr().err and not (tmp_path / "lost.json").exists()


def test_a_row_of_one_fit_tells_all_that_is_known_of_its_likelihood(monkeypatch):
    row = replace(QUICK, name="fitted", model="vae", data="bars", run=None, training={"steps": 5})
    monkeypatch.setitem(ROWS, "fitted", row)
    result = run_row("fitted")
    assert set(result["details"]) >= {"95 % half-width over events", "bits per dimension", "reconstruction", "rate"}
    # Each term is a mean over half of the draws, so that they add up to the bound within its Monte Carlo error only.
    assert result["details"]["rate"] + result["details"]["reconstruction"] == pytest.approx(result["ours"], abs=1.0)


def test_without_a_gpu_a_smaller_version_runs_and_claims_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["reproduce", "huge", "--out", str(tmp_path)]) == 0
    assert "huge, smaller: tiny: ours 8.00, its own line at most 9: reached" in capsys.readouterr().out
    result = run_row("huge")
    assert result["paper"] is None and result["difference"] is None and result["device"] == "cpu"
    assert keep(result, tmp_path / "new").name == "huge.json"


def test_what_a_row_says_of_its_model_and_training_reaches_the_run(tmp_path, monkeypatch):
    row = replace(QUICK, name="fitted", model="nade", data="bars", run=None, dials={"hidden": 4}, training={"steps": 3})
    monkeypatch.setitem(ROWS, "fitted", row)
    result, run = run_row("fitted", 7, tmp_path / "run"), open_run(tmp_path / "run")
    assert (run.manifest.dials, run.manifest.seed, run.step) == ({"hidden": 4}, 7, 3)
    assert result["ours"] == pytest.approx(likelihood(run.model, load("bars").test).value)


def test_seconds_of_the_processor_are_not_those_of_the_wall(monkeypatch):
    monkeypatch.setitem(ROWS, "idle", replace(QUICK, name="idle", run=lambda seed, folder: time.sleep(0.3) or 1.0))
    result = run_row("idle")
    assert result["cpu_seconds"] < 0.2 < 0.3 <= result["seconds"]


def test_a_fit_is_given_contexts_where_it_is_asked_to(tmp_path):
    parts = [Events(torch.ones(40, 3, dtype=torch.uint8), torch.arange(40) % 2) for _ in range(3)]
    data = Dataset("told", Binary((3,)), *parts, Classes(2))
    told, plain = (fitted("independent", data, tmp_path / str(c), 0, conditional=c) for c in (True, False))
    assert told.context_space == Classes(2) and plain.context_space is None


def test_a_row_stopped_goes_on_where_it_was(capsys, tmp_path, monkeypatch):
    fitted = replace(QUICK, name="fitted", model="nade", data="bars", run=None, dials={"hidden": 4})
    monkeypatch.setitem(ROWS, "fitted", replace(fitted, training={"steps": 40}))
    assert main(["reproduce", "fitted", "--out", "alone", "--run", "whole"]) in (0, 1)
    monkeypatch.setitem(ROWS, "fitted", replace(fitted, training={"steps": 40, "checkpoint_minutes": 0}))

    def stop_after(states, name, console=None):
        for state in states:
            if state.step == 15:
                raise KeyboardInterrupt
            yield state

    with monkeypatch.context() as patch:
        patch.setattr("ptheta.training.progress.with_bar", stop_after)
        assert main(["reproduce", "fitted", "--out", "stopped"]) == 130
    assert not (tmp_path / "stopped").exists()
    assert main(["reproduce", "fitted", "--out", "stopped", "--resume"]) in (0, 1)
    assert "--resume goes on in runs/fitted-seed-0-1" in capsys.readouterr().err
    alone, gone_on = (json.loads((tmp_path / d / "fitted.json").read_text())["0"] for d in ("alone", "stopped"))
    assert gone_on["ours"] == alone["ours"] and gone_on["resumed"] and not alone["resumed"]
    assert main(["reproduce", "fitted", "--run", "whole"]) == 2
    assert "whole exists already. Give --resume" in capsys.readouterr().err
    assert main(["sample", "runs/fitted-seed-0-1", "-n", "4", "--out", "x.npy"]) == 0


def test_mistakes_are_sentences(capsys, tmp_path):
    assert main(["reproduce", "quik"]) == 2
    assert "did you mean quick" in capsys.readouterr().err.lower()
    (tmp_path / "file").write_text("")
    assert main(["reproduce", "quick", "--out", str(tmp_path / "file")]) == 2
    assert "--out should be a folder" in capsys.readouterr().err


@torch.no_grad()
def test_longer_pieces_are_scored_by_the_same_weights():
    settings = {"hidden": 8, "layers": 1}
    model = build("rnn", Tokens(4, 5), dials=settings).model
    pieces = [torch.tensor([0, 1, 2, 3]), torch.tensor([4, 3, 2, 1]), torch.tensor([0, 1, 2, 3, 4, 0, 1])]
    short = per_step("rnn", model, pieces[:2], settings)
    assert short == pytest.approx(-float(model.log_prob(torch.stack(pieces[:2])).sum()) / 8, abs=1e-5)
    longer = build("rnn", Tokens(7, 5), dials=settings).model
    longer.load_state_dict({**model.state_dict(), "order": torch.arange(7)})
    expected = -float(model.log_prob(torch.stack(pieces[:2])).sum() + longer.log_prob(pieces[2][None]).sum()) / 15
    assert per_step("rnn", model, pieces, settings) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("std", "near"), [(0.01, 98.89), (1e-4, 100.0)], ids=["true", "shrunken"])
def test_modes_of_the_ring_are_counted(monkeypatch, tmp_path, std, near):
    law = truth("ring", std=std)
    monkeypatch.setattr("ptheta.papers.fitting.fitted", lambda *a, **k: law)
    found = modes.modes_found("gan", "ring", "found", 0, tmp_path)
    assert found.value == 8 and found.details["reverse KL over modes"] < 2e-3
    assert found.details["% of samples within three standard deviations of a mode"] == pytest.approx(near, abs=0.4)
    assert modes.modes_found("gan", "ring", "high_quality", 0, tmp_path).value == pytest.approx(near, abs=0.4)


def test_a_collapsed_sampler_is_told(monkeypatch, tmp_path):
    class Collapsed:
        def sample(self, n, noise):
            return torch.tensor([1.0, 0.0]).repeat(n, 1)

    monkeypatch.setattr("ptheta.papers.fitting.fitted", lambda *a, **k: Collapsed())
    found = modes.modes_found("gan", "ring", "found", 0, tmp_path)
    assert found.value == 1 and found.details["reverse KL over modes"] == pytest.approx(math.log(8))
    assert found.details["reverse KL over modes of true samples"] < 2e-3
    assert found.details["% of true samples that near"] == pytest.approx(98.89, abs=0.4)


@pytest.mark.parametrize(("steepness", "told"), [(0.5, False), (1.0, False), (3.0, True)])
def test_a_critic_that_exceeds_the_distance_is_told(monkeypatch, tmp_path, steepness, told):
    monkeypatch.setattr(modes, "_critic_and_truth", lambda data, shift, seed: (2.0 * steepness, 1.0, 2.0))
    if told:
        with pytest.raises(FloatingPointError, match="estimate on the line is 3 of the distance"):
            modes.critics_distance(0, tmp_path)
    else:
        assert modes.critics_distance(0, tmp_path).value == steepness


@pytest.mark.parametrize("worse", ["mixture-1d", "moons"])
def test_the_worse_of_two_laws_counts_by_the_steepest_slope(monkeypatch, tmp_path, worse):
    """A critic that is steep is scaled down; the ring is told beside and does not count."""
    seen = {"mixture-1d": (3.2, 2.0, 2.0), "moons": (3.2, 2.0, 2.0), "ring": (1.0, 1.0, 5.0), worse: (3.0, 3.0, 2.0)}
    monkeypatch.setattr(modes, "_critic_and_truth", lambda data, shift, seed: seen[data])
    found = modes.critics_distance(0, tmp_path)
    assert found.value == pytest.approx(0.5) and found.details["ratio of the ring"] == pytest.approx(0.2)
    assert {found.details["ratio on the line"], found.details["ratio in the plane"]} == {0.5, 0.8}


def test_the_steepest_slope_is_the_largest_at_the_points():
    bowl = SimpleNamespace(discriminator=lambda y: y.square().sum(1, keepdim=True))
    assert modes._steepest(bowl, torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]])) == pytest.approx(10.0)


def test_sample_metrics_of_a_row_stand_beside_those_of_real_data(monkeypatch):
    metrics = [metric(1.0, 0.5, real=0.25), metric(3.0, 1.0, name="spread")]
    monkeypatch.setattr("ptheta.metrics.evaluate_samples", lambda x, data, seed: SimpleNamespace(metrics=metrics))
    found = judged(torch.zeros(1), load("bars"), 0)
    assert found == {"distance": 1.0, "distance of real data": 0.25, "spread": 3.0}


def test_the_entropy_of_classes_is_that_of_their_histogram():
    data = load("digits")
    x = torch.arange(4, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 8, 8)

    def judge(y):  # two classes of four, of which one event is not sure
        return torch.tensor([[9.0, 0, 0, 0], [9.0, 0, 0, 0], [0, 9.0, 0, 0], [0, 0.1, 0, 0]])

    entropy, sure = adversarial._classes(judge, data, x)
    assert entropy == pytest.approx(math.log(2)) and sure == 75.0


def test_chorales(real_data):
    data = jsb(frames=30)
    assert data.space == Binary((30, KEYS))
    pieces = jsb_pieces("test")
    assert len(pieces) == 77 and sum(map(len, pieces)) == 4725
    assert torch.equal(data.test.x[0], pieces[0][:30])
    ends = {tuple(p[-30:].flatten().tolist()) for p in pieces if len(p) >= 30}
    assert ends <= {tuple(x.flatten().tolist()) for x in data.test.x}
    notes = torch.cat(pieces).sum(1).double()
    assert 3 < float(notes.mean()) < 4.5  # four voices, some on the same key
