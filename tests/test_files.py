"""Files are written whole or not at all, and a folder belongs to one process at a time."""

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ptheta.cli import main
from ptheta.cli.train import free_folder, newest_folder
from ptheta.files import LOCK, is_unused, locked, replace_file
from ptheta.papers import ROWS, keep, kept
from ptheta.runs import fit_run, open_run
from ptheta.training import checkpoint
from toy_models import bits

TIMES = int(os.environ.get("PTHETA_RIVALS", "20"))
HOLD = """
import sys, time
from pathlib import Path
from ptheta.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process that holds the folder ``held``."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "held")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_a_folder_in_use_is_refused_by_whom_until_that_process_is_gone(holder: Any, tmp_path: Path):
    held = tmp_path / "held"
    sentence = rf"in use by process {holder.pid} on \S+ since \d{{4}}-.*Wait until"
    with pytest.raises(ValueError, match=sentence), locked(held):
        pass
    assert (held / LOCK).exists()
    holder.kill()
    holder.wait()
    with locked(held):
        (held / "result").touch()
    assert (held / "result").exists()


def test_a_run_a_comparison_and_results_are_held(holder: Any, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (
        ["fit", "nade", "--data", "bars", "--steps", "2", "--out", "held", "--quiet"],
        ["compare", "bars", "--models", "uniform", "--out", "held"],
    ):
        assert main(words) == 2
        assert f"is in use by process {holder.pid}" in capsys.readouterr().err


def test_a_folder_of_which_nothing_came_is_left_as_it_was(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "new"):
        assert is_unused(tmp_path / "new")
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()


def test_two_that_start_at_once_get_a_folder_each_and_one_of_which_nothing_came_goes(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    all_hold = threading.Barrier(8)

    def take(_: int) -> str:
        with free_folder("nade-bars") as folder:
            all_hold.wait()
            return folder.name

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(8))) == [f"nade-bars-{n}" for n in range(1, 9)]
    assert not Path("runs").exists() and newest_folder("nade-bars") is None
    fit = ["fit", "nade", "--data", "bars", "--steps", "1", "--hidden", "4", "--quiet"]
    for words, code in ((fit, 0), ([*fit, "--learning-rate", "-1"], 2), (fit, 0)):
        assert main(words) == code
    assert sorted(path.name for path in Path("runs").iterdir()) == ["nade-bars-1", "nade-bars-2"]
    assert newest_folder("nade-bars") == Path("runs/nade-bars-2")


def test_a_folder_that_another_process_takes_away_is_made_again(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mkdir, gone = Path.mkdir, []

    def taken_away(self: Path, *args: Any, **options: Any) -> None:
        if self.name == "nade-bars-1" and len(gone) < 2:
            gone.append(self)
            raise FileNotFoundError(2, "No such file or directory", str(self))
        mkdir(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", taken_away)
    with free_folder("nade-bars") as folder:
        assert folder.is_dir() and len(gone) == 2
        shutil.rmtree("runs")
    assert not Path("runs").exists()

    def none_there(self: Path) -> Any:
        raise FileNotFoundError(2, "No such file or directory", str(self))

    monkeypatch.setattr(Path, "iterdir", none_there)
    assert is_unused(tmp_path)


def test_a_file_is_replaced_whole_or_stays(tmp_path: Path, monkeypatch):
    path = tmp_path / "scores.csv"
    replace_file(path, "one\r\n")
    assert path.read_bytes() == b"one\r\n"

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ValueError, match=r"could not write .*scores.csv: No space left on device"):
        replace_file(path, "two\n")
    assert path.read_bytes() == b"one\r\n" and [*tmp_path.iterdir()] == [path]


def test_results_of_other_seeds_stay_and_what_is_damaged_is_named_before_the_work(tmp_path: Path, capsys, monkeypatch):
    for seed in (0, 1):
        keep({"row": "r", "seed": seed, "ours": 1.0 + seed}, tmp_path)
    assert {seed: entry["ours"] for seed, entry in kept("r", tmp_path).items()} == {"0": 1.0, "1": 2.0}
    monkeypatch.setattr("ptheta.papers.run_row", lambda *args, **options: pytest.fail("hours would be spent"))
    name = next(iter(ROWS))
    (tmp_path / f"{name}.json").write_text('{"0": {"row": "mar')
    assert main(["reproduce", name, "--out", str(tmp_path), "--run", str(tmp_path / "run")]) == 2
    assert f"{name}.json does not hold results of {name}" in capsys.readouterr().err


def errand(folder: Path, name: str, *words: Any) -> Any:
    script = Path(__file__).with_name("kit") / "rival_processes.py"
    command = [sys.executable, str(script), name, str(folder), *map(json.dumps, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


FIT = ["fit", "nade", "--data", "bars", "--hidden", "4", "--steps", "60", "--checkpoint-minutes", "1e-9"]
MINUTES = ["--minutes", "0.005"]
USED = "is in use by "  # a process, by its number as soon as that is written
RIVALS = {
    "two fits": ([*FIT, "--quiet", "--resume", "--out", "r"],) * 2,
    "a fit and a comparison": (
        ["compare", "bars", "--models", "nade", *MINUTES, "--samples", "0", "--resume", "--out", "c"],
        ["fit", "nade", "--data", "bars", *MINUTES, "--quiet", "--resume", "--out", "c/runs/nade"],
    ),
    "two rows": (["reproduce", "tiny", "--out", "results", "--run", "r", "--resume"],) * 2,
}


@pytest.mark.slow
@pytest.mark.parametrize("pair", RIVALS)
def test_two_at_once_killed_at_random_leave_no_wrong_record_and_lose_no_result(pair: str, tmp_path: Path):
    found = errand(tmp_path, "rivals", *RIVALS[pair], TIMES, 7)
    refused = 0
    for trial in found:
        assert trial["again"] == 0, trial
        for code, words in zip(trial["codes"], trial["words"], strict=False):
            assert code in (0, 2, -9) or (code == 1 and USED in words), trial
            assert "Traceback" not in words and (code != 2 or USED in words), trial
            refused += USED in words
    assert refused
    for i in range(TIMES):
        here = tmp_path / f"trial-{i}"
        if pair == "two rows":
            assert json.loads((here / "results" / "tiny.json").read_text())["0"]["passed"]
        if pair == "two fits":
            weights = [checkpoint.load(tmp_path / f"trial-{k}" / "r" / "checkpoints") for k in (0, i)]
            assert all(bool((weights[0].tensors["last"][n] == t).all()) for n, t in weights[1].tensors["last"].items())
            lines = [json.loads(line)["step"] for line in (here / "r" / "metrics.jsonl").read_text().splitlines()]
            assert lines == sorted(set(lines)) and lines[-1] == weights[1].step == 60
            assert open_run(here / "r").manifest.training[""]["steps"] == 60


@pytest.mark.slow
def test_signals_stop_each_verb_that_works_long_and_it_says_so(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit_run("made", bits(), tmp_path / "m", training={"steps": 2})
    assert main(["fit", "nade", "--data", "digits-binary", "--steps", "2", "--quiet", "--out", "r"]) == 0
    commands = {
        "fit": ["fit", "nade", "--data", "digits-binary", "--steps", "100000", "--quiet", "--out", "f-SIGNAL"],
        "compare": ["compare", "digits-binary", "--models", "nade", "--minutes", "5", "--out", "c-SIGNAL"],
        "reproduce": ["reproduce", "long", "--out", "results", "--run", "l-SIGNAL"],
        "sample": ["sample", "r", "-n", "300000", "--out", "x.npy"],
    }
    for name, codes in errand(tmp_path, "signals", commands, 3).items():
        assert codes == [130, 143, 129], name
