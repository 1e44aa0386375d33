"""Faults that a long run must survive: stopped, killed, a full disk, a damaged file. It opens and goes on exactly."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mortal_processes import CALLS, Calls, contents, is_whole
from ptheta.cli import main
from ptheta.data import load
from ptheta.runs import fit_run, open_run
from ptheta.training import checkpoint

KILLS = 20
NADE = {"hidden": 6}
GAN = {"hidden": (8,), "latent": 3}
COMMANDS = {
    "nade": ["fit", "nade", "--data", "digits-binary", "--hidden", "16", "--steps", "400"],
    "gan": ["fit", "gan", "--data", "digits-binary", "--hidden", "16", "--latent", "4", "--steps", "400"],
}
OPTIONS = ["--ema", "0.9", "--validate-every", "7", "--batch-size", "50", "--quiet"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody cuts the power of these tests, so they need not wait for the disk; the errands do."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def errand(folder: Path, name: str, *words: Any) -> dict[str, Any]:
    """Does an errand of ``mortal`` in a process of its own, and returns what happened."""
    script = Path(__file__).with_name("kit") / "mortal_processes.py"
    command = [sys.executable, str(script), name, str(folder), *map(json.dumps, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def differences(a: Path, b: Path) -> list[str]:
    """What differs between two finished runs: weights, averages, optimisers, records, metrics. Clocks do not count."""
    found = [checkpoint.load(run / "checkpoints") for run in (a, b)]
    names = [{(part, name) for part, tensors in each.tensors.items() for name in tensors} for each in found]
    bad = [str(name) for name in names[0] ^ names[1]]
    for part, name in sorted(names[0] & names[1]):
        if not torch.equal(*(each.tensors[part][name] for each in found)):
            bad.append(f"{part}/{name}")
    records = [timeless({"step": each.step, **each.record}) for each in found]
    bad += [key for key in records[0].keys() | records[1].keys() if records[0].get(key) != records[1].get(key)]
    lines = [
        [timeless(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (a, b)
    ]
    return bad + ["metrics"] * (lines[0] != lines[1])


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    return {
        k: timeless(v) if isinstance(v, dict) else v for k, v in record.items() if k not in ("seconds", "cpu_seconds")
    }


# --- exact resume ---


class Death(BaseException):
    """Nothing in the library catches this."""


def fit(model: str, out: Path, *, steps: int = 12, resume: bool = False, minutes: float = 1e-9) -> None:
    options = {
        "steps": steps,
        "batch_size": 10,
        "ema": 0.9,
        "validate_every": 3,
        "warmup": 4,
        "schedule": "cosine",
        "checkpoint_minutes": minutes,
    }
    settings = NADE if model == "nade" else GAN
    fit_run(model, load("bars", n=60), out, dials=settings, training=options, resume=resume)


def stopped_at(save: Callable[..., None], stop: int) -> Callable[..., None]:
    """Saves, and dies once the checkpoint of a step is there: before the step's line of metrics is."""

    def saved(folder: Path, what: checkpoint.Checkpoint) -> None:
        save(folder, what)
        if what.step == stop:
            raise Death

    return saved


@pytest.mark.parametrize("model", ["nade", "gan"])
def test_a_run_stopped_at_any_step_and_resumed_is_the_run_left_alone(model: str, tmp_path: Path, monkeypatch):
    """Weights, averages, both players' optimisers, the record and the metrics, bit for bit."""
    fit(model, tmp_path / "alone", minutes=1e9)
    save = checkpoint.save
    for stop in range(1, 13):
        run = tmp_path / f"run-{stop}"
        monkeypatch.setattr(checkpoint, "save", stopped_at(save, stop))
        with pytest.raises(Death):
            fit(model, run)
        monkeypatch.setattr(checkpoint, "save", save)
        assert open_run(run).step == stop
        fit(model, run, resume=True, minutes=1e9)
        assert differences(tmp_path / "alone", run) == [], stop


@pytest.mark.parametrize("part", ["last", "ema", "optimizers", "sums", "best_score"])
def test_the_law_of_resuming_rejects_a_run_that_forgets(part: str, tmp_path: Path, monkeypatch):
    """Broken twins: a checkpoint without one of the things that make a run."""
    fit("nade", tmp_path / "alone", minutes=1e9)
    save = checkpoint.save

    def forgetful(folder: Path, what: checkpoint.Checkpoint) -> None:
        tensors = {name: dict(part) for name, part in what.tensors.items()}
        record = dict(what.record)
        if part in tensors:
            tensors[part] = {k: v if v.ndim == 0 else v * 0.999 for k, v in tensors[part].items()}
        else:
            record[part] = {"loss": [0.0, 0]} if part == "sums" else None
        save(folder, checkpoint.Checkpoint(what.step, tensors, record))

    monkeypatch.setattr(checkpoint, "save", stopped_at(forgetful, 8))
    with pytest.raises(Death):
        fit("nade", tmp_path / "run")
    monkeypatch.setattr(checkpoint, "save", save)
    fit("nade", tmp_path / "run", resume=True, minutes=1e9)
    assert differences(tmp_path / "alone", tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["nade", "gan"])
def test_a_run_killed_at_random_moments_ends_where_one_left_alone_does(model: str, tmp_path: Path):
    """SIGKILL, a checkpoint at every step so that many fall into one; after each kill another command opens the run."""
    found = errand(tmp_path, "kills", [*COMMANDS[model], *OPTIONS], KILLS, 0)
    assert found["killed"] == KILLS and found["inside"] >= 3 and found["opened"] >= KILLS // 2
    for sentence in found["sentences"]:
        assert sentence.startswith("ptheta: ") and sentence.count("\n") == 1, sentence
        assert "does not exist" in sentence or "is not a run" in sentence or "has not saved one yet" in sentence
    for run in range(found["runs"]):
        assert differences(tmp_path / "alone", tmp_path / f"run-{run}") == []


@pytest.mark.slow
def test_a_save_may_die_at_any_system_call(tmp_path: Path):
    """The folder opens at the step before or the one saved, whole; then it goes on and is tidy."""
    found = errand(tmp_path, "deaths")
    for before, steps in found.items():
        assert len(steps) > 30 and set(steps) == {int(before), int(before) + 1}
        assert steps == sorted(steps)  # once it is current it stays current


def test_a_run_killed_while_it_made_its_folder_begins_afresh(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".new-run.json").write_text('{"format": 1, "mo')
    fit("nade", tmp_path / "run", resume=True)
    assert open_run(tmp_path / "run").step == 12


def test_metrics_cut_short_by_a_crash_are_mended(tmp_path: Path):
    fit("nade", tmp_path / "run")
    fit("nade", tmp_path / "alone")
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    fit("nade", tmp_path / "run", resume=True)
    assert differences(tmp_path / "alone", tmp_path / "run") == []


def test_other_options_than_those_of_the_checkpoint_are_a_sentence(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["fit", "nade", "--data", "bars", "--hidden", "6", "--quiet", "--steps", "9", "--out", "run", "--resume"]
    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", stopped_at(save, 5))
    with pytest.raises(Death):
        main([*words, "--checkpoint-minutes", "1e-9"])
    monkeypatch.setattr(checkpoint, "save", save)
    assert main([*words, "--ema", "0.9"]) == 2
    assert "its ema was 0.0, and now it is 0.9" in capsys.readouterr().err
    assert main(words) == 0


# --- disks ---


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_system_call_that_fails_is_a_sentence_and_loses_nothing(code: int, tmp_path: Path):
    """Every call of a save in turn; what is there opens, and the next save succeeds."""

    def fail(name: str) -> None:
        raise OSError(code, os.strerror(code), name)

    at, refused = 0, 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        for step in (1, 2):
            checkpoint.save(folder, contents(step))
        calls = Calls(at, fail)
        try:
            with calls.patched():
                checkpoint.save(folder, contents(3))
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"could not save the checkpoint of step 3 in {folder}: {os.strerror(code)};")
            assert f"the last good checkpoint is at step {checkpoint.latest(folder)}." in str(error)
        assert is_whole(folder, 2, 3)
        checkpoint.save(folder, contents(4))
        assert is_whole(folder, 4) and len(list(folder.iterdir())) == 3
        if len(calls.names) < at:
            break
    assert refused > 20


@pytest.mark.slow
def test_a_disk_that_fills_up(tmp_path: Path):
    """No file may grow beyond a size, which the kernel enforces in whatever language the writer is."""
    words = [*COMMANDS["nade"][:-2], "--batch-size", "50", "--quiet"]
    for size, found in errand(tmp_path, "full_disks", words).items():
        assert found["code"] == 2 and found["step"] == 3, (size, found)
        sentence = found["text"]
        assert sentence.startswith("ptheta: ") and sentence.count("\n") == 1 and "ile too large" in sentence


@pytest.mark.slow
def test_a_folder_that_must_not_be_written(tmp_path: Path):
    """Reading verbs work; writing ones say in a sentence what is not permitted."""
    try:
        found = errand(tmp_path, "read_only", [*COMMANDS["nade"][:-2], "--batch-size", "50", "--quiet"])
    finally:
        for path in (tmp_path, *tmp_path.rglob("*")):
            path.chmod(0o755)
    assert found.pop("score")["code"] == 0
    assert found["evaluate"]["text"].startswith("nade on digits-binary")  # what was computed is not lost
    for name, said in found.items():
        *_, sentence = said["text"].splitlines()
        assert said["code"] == 2 and sentence.startswith("ptheta: "), (name, said)
        assert "ermission denied" in sentence and "Traceback" not in said["text"], (name, said)


# --- damage ---


def damaged(folder: Path, file: str, how: str, luck: random.Random) -> None:
    path = folder / file
    raw = bytearray(path.read_bytes())
    if how == "flip":
        raw[luck.randrange(len(raw))] ^= 1 << luck.randrange(8)
    elif how == "cut":
        del raw[luck.randrange(len(raw)) :]
    elif how == "grow":
        raw += b"\0"
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how != "gone":
        path.write_bytes(bytes(raw))


@pytest.mark.parametrize("how", ["flip", "cut", "grow", "gone", "folder"])
def test_every_file_of_a_checkpoint_is_guarded(how: str, tmp_path: Path):
    """Whatever happens to one file, what is read is what was written, or a sentence says where to go back to."""
    luck, whole = random.Random(0), tmp_path / "whole"
    for step in (1, 2):
        checkpoint.save(whole, contents(step))
    assert is_whole(whole, 2)
    files = [str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()]
    assert len(files) == 7
    for file in files:
        for trial in range(16 if how in ("flip", "cut") else 1):
            folder = tmp_path / "run"
            shutil.copytree(whole, folder)
            damaged(folder, file, how, luck)
            try:
                assert is_whole(folder, 2), (file, trial)  # a blank more in the pointer, or the older checkpoint
                assert "000000000002" not in file or Path(file).name == "record.json"  # where one blank became another
            except ValueError as error:
                sentence = str(error)
                assert "is damaged" in sentence and sentence.endswith(".") and "\n" not in sentence
                deleted = Path(sentence.split("Delete ")[1].split(" to go back")[0]) if "000000000002" in file else None
                if deleted:
                    assert "to go back to step 1." in sentence
                    shutil.rmtree(deleted)
                else:
                    assert file == "current" and "Delete it to go on from the checkpoint of step 2" in sentence
                    (folder / "current").unlink()
                assert is_whole(folder, 1 if deleted else 2)
            if trial == 0 and (file, how) != ("current", "folder"):
                checkpoint.save(folder, contents(3))
                assert is_whole(folder, 3)
            shutil.rmtree(folder)


def test_a_guard_without_checksums_would_be_fooled(tmp_path: Path, monkeypatch):
    """The broken twin: a flipped bit in the weights reads as other weights."""
    checkpoint.save(tmp_path, contents(1))
    path = next(tmp_path.rglob("last.safetensors"))
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="is damaged"):
        checkpoint.load(tmp_path)
    record = json.loads(next(tmp_path.rglob("record.json")).read_text())
    real = checkpoint._digest
    monkeypatch.setattr(checkpoint, "_digest", lambda file: record["files"].get(file.name) or real(file))
    assert not is_whole(tmp_path, 1)


def test_where_nothing_is_whole_the_sentence_says_so(tmp_path: Path):
    for step in (1, 2):
        checkpoint.save(tmp_path, contents(step))
    for record in tmp_path.rglob("record.json"):
        record.write_text("{}")
    with pytest.raises(ValueError, match="There is no other checkpoint in this run that is whole"):
        checkpoint.load(tmp_path)


def test_every_call_that_writes_is_watched(tmp_path: Path):
    """The count of system calls is that of a real save: what is synced is synced before it is renamed."""
    calls = Calls(0, lambda name: None)
    with calls.patched():
        checkpoint.save(tmp_path / "checkpoints", contents(1))
    verbs = [name.split()[0] for name in calls.names]
    assert set(verbs) <= {*CALLS, "write"} and verbs.count("fsync") >= 6
    last_write = max(i for i, name in enumerate(calls.names) if name.startswith("write") and "current" not in name)
    renamed, pointed = verbs.index("rename"), verbs.index("replace")
    assert last_write < renamed < pointed and verbs[last_write:renamed].count("fsync") >= 2
    assert "fsync" in verbs[renamed:pointed] and "fsync" in verbs[pointed:]
