"""The command line: what a newcomer types works, and what goes wrong is one sentence and an exit code."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ptheta.cli import guarded, main
from ptheta.cli.options import data_options
from ptheta.data import load


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bits(here: Path) -> Path:
    """A small binary table of the user's own."""
    rng = np.random.default_rng(0)
    x = (rng.random((400, 6)) < np.linspace(0.2, 0.8, 6)).astype(np.uint8)
    np.save(here / "bits.npy", x)
    return here / "bits.npy"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main([str(w) for w in words])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one sentence of a refusal: exit code 2, no traceback, one line."""
    code, _, err = run(capsys, *words)
    assert code == 2, err
    lines = [line for line in err.splitlines() if line.startswith("ptheta: ")]
    assert len(lines) == 1 and "Traceback" not in err, err
    return lines[0]


def test_help_answers_at_once():
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "ptheta", "--help"], capture_output=True, text=True, check=True)
    assert "compare" in done.stdout and "reproduce" in done.stdout
    assert time.perf_counter() - started < 5  # half a second on an idle machine; the tests check that torch stays out


@pytest.mark.parametrize(
    "verb",
    [
        "models",
        "data",
        "figure",
        "fit",
        "sample",
        "score",
        "evaluate",
        "translate",
        "impute",
        "classify",
        "anomalies",
        "synthesize",
        "compare",
        "reproduce",
    ],
)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0 and "usage" in out


def test_models_as_json(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "models", "--json")
    names = [m["name"] for m in json.loads(out)["models"]]
    assert code == 0 and {"nade", "vae", "rbm", "ddpm", "gan", "chow-liu"} <= set(names)


def test_data_as_json(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "data", "digits", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["space"] == "Levels((1, 8, 8), 17)" and facts["fingerprint"]


def test_fit_sample_score_evaluate(bits: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "fit", "nade", "--data", bits, "--hidden", "8", "--epochs", "2", "--out", "r", "--quiet")
    assert code == 0 and "next:" in out
    code, out, _ = run(capsys, "sample", "r", "-n", "5", "--out", "x.npy")
    assert code == 0 and np.load(here / "x.npy").shape == (5, 6)
    code, out, _ = run(capsys, "score", "r", "--out", "scores.csv")
    assert code == 0 and len((here / "scores.csv").read_text().splitlines()) == 41
    assert (here / "scores.csv").read_text().startswith("row,log_prob_nats_exact\n")
    code, out, _ = run(capsys, "evaluate", "r", "--samples", "0", "--json")
    found = json.loads(out)["likelihood"]
    assert code == 0 and found["kind"] == "exact" and found["unit"] == "nats per event" and found["n"] == 40
    assert found["bits_per_dim"] == pytest.approx(found["value"] / 6 / np.log(2)) and found["error"] > 0
    code, out, _ = run(
        capsys, "fit", "nade", "--data", bits, "--hidden", "8", "--epochs", "2", "--out", "r", "--resume"
    )
    assert code == 0


def test_a_counting_model_is_fitted_and_reopened(bits: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "fit", "chow-liu", "--data", bits, "--out", "r")[0] == 0
    code, out, _ = run(capsys, "evaluate", "r", "--samples", "0", "--json")
    assert code == 0 and json.loads(out)["likelihood"]["kind"] == "exact"


def test_samples_do_not_depend_on_how_many_are_drawn(bits: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "fit", "markov", "--data", bits, "--out", "r")
    for n in ("3", "9"):
        run(capsys, "sample", "r", "-n", n, "--out", f"{n}.npy")
    assert (np.load(here / "3.npy") == np.load(here / "9.npy")[:3]).all()


def test_samples_by_any_method_are_the_same(bits: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "fit", "made", "--data", bits, "--hidden", "8", "--epochs", "1", "--out", "r", "--quiet")
    drawn = {}
    for method in ("cached", "naive", "fixed-point"):
        assert run(capsys, "sample", "r", "-n", "9", "--method", method, "--out", "x.npy")[0] == 0
        drawn[method] = np.load(here / "x.npy")
    assert (drawn["naive"] == drawn["cached"]).all() and (drawn["fixed-point"] == drawn["cached"]).all()
    run(capsys, "fit", "markov", "--data", bits, "--out", "m")
    assert "draws in one way only" in refused(capsys, "sample", "m", "--method", "naive")


def test_samples_are_tempered_where_the_model_can_be(bits: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    small = ("--steps", "2", "--quiet", "--out")
    run(capsys, "fit", "nade", "--data", bits, "--hidden", "8", *small, "nade")
    run(capsys, "fit", "maf", "--data", bits, "--hidden", "8", *small, "maf")
    run(capsys, "fit", "markov", "--data", bits, "--out", "markov")
    for name in ("nade", "maf"):
        drawn = []
        for temperature in ("1", "0.02"):
            words = ("-n", "200", "--temperature", temperature, "--out", f"{name}.npy")
            assert run(capsys, "sample", name, *words)[0] == 0
            drawn.append(np.load(here / f"{name}.npy"))
        assert len(np.unique(drawn[1], axis=0)) < len(np.unique(drawn[0], axis=0))
        assert "temperature should be positive" in refused(capsys, "sample", name, "--temperature", "-1")
    assert "Markov has no temperature" in refused(capsys, "sample", "markov", "--temperature", "0.5")


def test_unknown_names_are_answered_with_the_nearest(bits: Path, capsys: pytest.CaptureFixture[str]):
    assert "Did you mean fit?" in refused(capsys, "fitt")
    assert "Did you mean nade?" in refused(capsys, "fit", "nadee", "--data", bits)
    assert "digits" in refused(capsys, "data", "digit")
    assert "Did you mean --hidden?" in refused(capsys, "fit", "nade", "--data", bits, "--hiden", "8")
    assert "Did you mean --epochs?" in refused(capsys, "fit", "nade", "--data", bits, "--epoch", "8")
    assert "Did you mean chow-liu?" in refused(capsys, "compare", bits, "--models", "chow-lu")


def test_values_of_the_wrong_type_are_refused(bits: Path, capsys: pytest.CaptureFixture[str]):
    code, _, err = run(capsys, "fit", "nade", "--data", bits, "--hidden", "many")
    assert code == 2 and "--hidden" in err and "Traceback" not in err


def test_a_model_that_does_not_support_the_space(here: Path, capsys: pytest.CaptureFixture[str]):
    np.save(here / "reals.npy", np.random.default_rng(0).normal(size=(50, 3)))
    said = refused(capsys, "fit", "dbm", "--data", here / "reals.npy")
    assert "dbm does not suit Real((3,)): it models binary events, and these are real. Models that suit: " in said
    rows = "\n".join(f"{x},{y}" for x, y in np.random.default_rng(0).choice([-1, 1], (400, 2)))
    (here / "whole.csv").write_text(f"u,v\n{rows}\n")
    said = refused(capsys, "fit", "kde", "--data", here / "whole.csv")
    assert "kde does not suit Table(2 columns" in said and "Models that suit: mixture, forest, independent" in said
    said = refused(capsys, "fit", "mixture", "--data", here / "reals.npy")
    assert "mixture does not suit Real((3,))" in said and "Models that suit: gaussian-mixture, " in said


def test_runs_that_are_none(here: Path, bits: Path, capsys: pytest.CaptureFixture[str]):
    assert "nowhere does not exist" in refused(capsys, "sample", "nowhere")
    (here / "empty").mkdir()
    assert "is not a run" in refused(capsys, "evaluate", "empty")
    (here / "empty" / "run.json").write_text("{}")
    assert "is not the record of a run" in refused(capsys, "evaluate", "empty")


def test_a_folder_in_use_is_not_overwritten(here: Path, bits: Path, capsys: pytest.CaptureFixture[str]):
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("years of work")
    assert "is not empty" in refused(capsys, "fit", "markov", "--data", bits, "--out", "mine")
    assert "is not empty" in refused(capsys, "compare", bits, "--out", "mine")
    assert (here / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_run_of_something_else_is_not_resumed(bits: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "fit", "markov", "--data", bits, "--out", "r")
    assert "cannot be resumed: its model was markov" in refused(
        capsys, "fit", "chow-liu", "--data", bits, "--out", "r", "--resume"
    )


def test_a_checkpoint_cut_short(here: Path, bits: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "fit", "markov", "--data", bits, "--out", "r")
    file = next((here / "r" / "checkpoints").rglob("last.safetensors"))
    file.write_bytes(file.read_bytes()[:20])
    assert "is damaged" in refused(capsys, "sample", "r")


def test_sample_endings_and_counts(bits: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "fit", "markov", "--data", bits, "--out", "r")
    assert ".xyz" in refused(capsys, "sample", "r", "--out", "x.xyz")
    assert "at least 1" in refused(capsys, "sample", "r", "-n", "0")
    assert "without contexts" in refused(capsys, "sample", "r", "--context", "3")


def test_bad_files_of_the_user(here: Path, capsys: pytest.CaptureFixture[str]):
    np.save(here / "nan.npy", np.array([[1.0, np.nan], [2.0, 3.0], [1.0, 1.0]]))
    assert "NaN" in refused(capsys, "data", here / "nan.npy")
    (here / "text.csv").write_text("a,b\n1,2\n3,many\n4,5\n")
    assert "many" in refused(capsys, "data", here / "text.csv")
    (here / "pictures").mkdir()
    refused(capsys, "compare", here / "pictures")
    np.save(here / "objects.npy", np.array([{"a": 1}], dtype=object))
    refused(capsys, "data", here / "objects.npy")


def test_options_of_the_data_reach_the_reader(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "t.csv").write_text("a,b,c\n" + "".join(f"{i}.5,{2 * i},{'xy'[i % 2]}\n" for i in range(30)))
    code, out, _ = run(capsys, "data", here / "t.csv")
    assert code == 0 and re.search(r"\nc +category +x 50%, y 50% +probability", out)
    code, out, _ = run(capsys, "data", here / "t.csv", "--data-options", "label=c", "--json")
    assert code == 0 and json.loads(out)["context"] == "Symbols((), 2)"
    code, _, _ = run(capsys, "fit", "gaussian", "--data", here / "t.csv", "--data-options", "label=c", "--out", "r")
    assert code == 0 and run(capsys, "evaluate", "r", "--samples", "0")[0] == 0
    assert "fold=3" in refused(capsys, "data", "red-wine", "--data-options", "fold")


def test_ctrl_c_is_130_and_the_run_goes_on(bits: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    import os
    import threading

    timer = threading.Timer(3.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    words = ("fit", "nade", "--data", str(bits), "--hidden", "8", "--steps", "1000000", "--out", "r", "--quiet")
    code, _, err = run(capsys, *words)
    timer.cancel()
    assert code == 130 and "--resume" in err
    assert run(capsys, "sample", "r", "-n", "3", "--out", "x.npy")[0] == 0


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "ptheta: stopped."),
        (KeyboardInterrupt(signal.SIGTERM), 143, "ptheta: stopped by SIGTERM."),
        (KeyboardInterrupt(signal.SIGHUP), 129, "ptheta: stopped by SIGHUP."),
        (FloatingPointError("the loss is nan."), 1, "ptheta: the loss is nan."),
        (ValueError("there is no such split."), 2, "ptheta: there is no such split."),
        (MemoryError(), 1, "ptheta: there is not enough memory"),
        (KeyError("x"), 1, "ptheta: this is a fault of ptheta, not yours (KeyError: 'x')."),
    ],
)
def test_what_stops_a_verb_decides_its_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
):
    def work() -> int:
        raise error

    assert guarded(work) == code
    assert capsys.readouterr().err.startswith(said)
    assert guarded(lambda: 3) == 3 and guarded(lambda: None) == 0


def test_words_of_the_data_are_numbers_truths_or_text():
    words = ["skip-corrupt=false", "shuffle=True", "fold=3", "share=.5", "label=class", "path=a=b"]
    found = data_options(words, 8, "grey")
    told = {"skip_corrupt": False, "shuffle": True, "fold": 3, "share": 0.5, "label": "class", "path": "a=b"}
    assert found == {**told, "size": 8, "given": "grey"}
    assert [type(found[name]) for name in told] == [type(value) for value in told.values()]


def test_compare_reports_failures_and_goes_on(bits: Path, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    from ptheta.distributions import Markov

    def broken(self, data, **settings):
        raise RuntimeError("this machine has no luck")

    monkeypatch.setattr(Markov, "fit", broken)
    words = ("compare", bits, "--models", "independent", "markov", "nade", "--minutes", "0.02", "--samples", "40")
    code, out, _ = run(capsys, *words, "--out", "c", "--json")
    models = {m["model"]: m for m in json.loads(out)["models"]}
    assert code == 0 and models["markov"]["error"] == "this machine has no luck"
    assert models["nade"]["likelihood"]["kind"] == "exact" and models["independent"]["metrics"]
    page = (here / "c" / "report.html").read_text()
    assert "this machine has no luck" in page and "data:image/png" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert (here / "c" / "results.csv").read_text().count("\n") == 4


def test_a_likelihood_stands_where_there_are_too_few_events_for_samples(here: Path, capsys: pytest.CaptureFixture[str]):
    np.save(here / "few.npy", np.eye(2, dtype=np.uint8).repeat(15, 0))
    run(capsys, "fit", "markov", "--data", "few.npy", "--out", "r")
    code, out, _ = run(capsys, "evaluate", "r")
    assert (
        code == 0 and "negative log-likelihood" in out and "No sample metrics: sample metrics need at least 20" in out
    )
    found = json.loads((here / "r" / "evaluation.json").read_text())
    assert found["likelihood"]["kind"] == "exact" and found["metrics"] == []
    assert sum("No sample metrics" in note for note in found["notes"]) == 1, "beside what is said of so few events"


def test_samples_of_a_text_are_text(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "ab.txt").write_text("ab" * 400)
    run(capsys, "fit", "markov", "--data", "ab.txt", "--data-options", "sequence_length=8", "--out", "r")
    code, out, _ = run(capsys, "sample", "r", "-n", "3")
    assert code == 0 and "samples.txt" in out
    assert all(set(line) == {"a", "b"} for line in (here / "r" / "samples.txt").read_text().splitlines())
    (here / "ab.txt").unlink()
    code, _, err = run(capsys, "sample", "r", "-n", "3", "--out", "x.txt")
    assert code == 0 and not err, "a run knows its own symbols"
    assert set((here / "x.txt").read_text()) == {"a", "b", "\n"}


def test_the_picture_of_data_is_of_training_events(here: Path, monkeypatch):
    shown = []
    monkeypatch.setattr("ptheta.report.pictures.save_samples", lambda x, space, out: shown.append(x))
    assert main(["data", "digits", "--out", "d.png"]) == 0
    assert torch.equal(shown[0], load("digits").train.some(100).x)


def test_loading_is_inside_the_total_of_a_comparison(bits: Path, here: Path, monkeypatch):
    told = []

    def comparing(*args: object, gone: float, **options: object) -> None:
        told.append(gone)
        raise ValueError("that is enough")

    monkeypatch.setattr("ptheta.applications.compare.comparing", comparing)
    assert main(["compare", str(bits), "--models", "independent", "--out", "c"]) == 2
    assert told[0] > 0
