"""Processes that die: one warm process forks children, which train, save and open runs, and are killed.

A fork costs milliseconds where a fresh interpreter costs seconds. The parent never computes a gradient, so it has no
threads that a fork would lose. Run as a script, it does one errand and prints what happened as JSON.
"""

import ctypes
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ptheta.cli import main
from ptheta.data import load
from ptheta.training import checkpoint
from ptheta.training.checkpoint import Checkpoint

CALLS = ("open", "close", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")
DIED = 9


class Calls:
    """Every system call by which a checkpoint is written, counted; the one numbered ``at`` meets its fate first.

    Writing a file counts as three: when it is empty, half written and whole.
    """

    def __init__(self, at: int, fate: Callable[[str], None]) -> None:
        self.at, self.fate, self.names = at, fate, []

    def count(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.at:
            self.fate(name)

    @contextmanager
    def patched(self) -> Iterator[None]:
        real = {name: getattr(os, name) for name in CALLS}
        real_open, real_save = io.open, checkpoint.save_file

        def counted(name: str) -> Callable[..., Any]:
            def call(*args: Any, **keywords: Any) -> Any:
                self.count(f"{name} {args[0]}")
                return real[name](*args, **keywords)

            return call

        def write(path: Path, content: bytes) -> None:
            for part in (b"", content[: len(content) // 2], content):
                with real_open(path, "wb") as file:
                    file.write(part)
                self.count(f"write {len(part)} bytes of {path}")

        def save_file(tensors: dict[str, torch.Tensor], path: Path) -> None:
            real_save(tensors, path)
            write(path, path.read_bytes())

        def opened(path: Any, mode: str = "r", *args: Any, **keywords: Any) -> Any:
            if "w" not in mode:
                return real_open(path, mode, *args, **keywords)
            text = io.StringIO()

            def close() -> None:
                text.close = lambda: None  # where writing fails, the collector would close and so write once more
                write(path, text.getvalue().encode())

            text.close = close
            return text

        try:
            for name in CALLS:
                setattr(os, name, counted(name))
            io.open, checkpoint.save_file = opened, save_file
            yield
        finally:
            for name in CALLS:
                setattr(os, name, real[name])
            io.open, checkpoint.save_file = real_open, real_save


def die(name: str) -> None:
    os._exit(DIED)


def forked(work: Callable[[], Any], words: Path | None = None) -> int:
    """Starts a child that does the work and exits with what it returns; what it says goes to the file ``words``."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        handle = os.open(words or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        code = work() or 0
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Waits for a child; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def done(work: Callable[[], Any], words: Path | None = None) -> int:
    return ended(forked(work, words))


def kills(folder: Path, words: list[str], times: int, seed: int) -> dict[str, Any]:
    """Runs a command until it has been killed so many times, and beside it the same command left alone.

    After each kill the run is opened by another command, which may say in a sentence that there is nothing yet.
    """
    luck, inside, opened, sentences, runs, killed = random.Random(seed), 0, 0, [], 0, 0
    said = folder / "said.txt"
    assert done(lambda: main([*words, "--out", str(folder / "alone")]), said) == 0, said.read_text()
    while killed < times:
        run = folder / f"run-{runs}"
        runs += 1
        command = [*words, "--checkpoint-minutes", "1e-9", "--resume", "--out", str(run)]
        while killed < times:
            before = checkpoint.latest(run / "checkpoints") or 0
            child = forked(lambda command=command: main(command), said)
            over, status = 0, 0
            while killed % 4 and not over and (checkpoint.latest(run / "checkpoints") or 0) <= before:
                time.sleep(0.002)  # most kills fall where it trains, one in four where it may still be starting
                over, status = os.waitpid(child, os.WNOHANG)
            time.sleep(luck.random() * 0.2)
            if not over:
                over, status = os.waitpid(child, os.WNOHANG)
            if over:
                assert status == 0, said.read_text()
                break
            os.kill(child, signal.SIGKILL)
            assert ended(child) == -signal.SIGKILL
            killed += 1
            inside += (run / "checkpoints" / ".new").exists() or (run / "checkpoints" / ".current-new").exists()
            code = done(lambda run=run: main(["sample", str(run), "-n", "2", "--out", str(folder / "x.npy")]), said)
            opened += code == 0
            if code:
                assert code == 2, said.read_text()
                sentences.append(said.read_text())
        assert done(lambda run=run: main([*words, "--resume", "--out", str(run)]), said) == 0, said.read_text()
    return {"killed": killed, "inside": inside, "opened": opened, "sentences": sentences, "runs": runs}


def contents(step: int) -> Checkpoint:
    """A checkpoint that can be told from those of other steps."""
    parts = {part: {"w": torch.full((40,), float(step)), "b": torch.arange(step)} for part in ("last", "ema")}
    return Checkpoint(step, parts, {"score": step / 7, "finished": False})


def is_whole(folder: Path, *steps: int) -> bool:
    """Whether a folder opens at one of the steps, with everything that belongs to it."""
    found = checkpoint.load(folder)
    wanted = contents(found.step)
    same = all(torch.equal(found.tensors[p][k], t) for p, ts in wanted.tensors.items() for k, t in ts.items())
    return found.step in steps and same and found.record == wanted.record


def deaths(folder: Path) -> dict[str, Any]:
    """Dies before each system call of a save, and after the last: the folder opens, before or after, and goes on."""
    found: dict[str, Any] = {}
    for before in (0, 1, 2):  # how many checkpoints there are already
        start = folder / f"start-{before}"
        start.mkdir()
        for step in range(1, before + 1):
            checkpoint.save(start / "checkpoints", contents(step))
        at, steps = 0, []
        while True:
            at += 1
            run = folder / "run"
            shutil.copytree(start, run)

            def work(at: int = at, run: Path = run, step: int = before + 1) -> None:
                with Calls(at, die).patched():
                    checkpoint.save(run / "checkpoints", contents(step))

            code = done(work)
            assert code in (0, DIED), code
            steps.append(checkpoint.latest(run / "checkpoints") or 0)
            if steps[-1]:
                assert is_whole(run / "checkpoints", before, before + 1), (before, at)
            else:
                assert before == 0
            for step in (before + 1, before + 2):  # the run goes on, and leaves nothing behind
                checkpoint.save(run / "checkpoints", contents(step))
                assert is_whole(run / "checkpoints", step)
            left = sorted(path.name for path in (run / "checkpoints").iterdir())
            assert len(left) == 3 and not any(name.startswith(".") for name in left), left
            shutil.rmtree(run)
            if code == 0:
                break
        found[str(before)] = steps
    return found


def full_disks(folder: Path, words: list[str]) -> dict[str, Any]:
    """Trains where no file may grow beyond a size, which the kernel enforces: what a disk that fills up looks like."""
    said, found = folder / "said.txt", {}
    run = folder / "run"
    assert done(lambda: main([*words, "--steps", "3", "--out", str(run)]), said) == 0, said.read_text()
    for size in (0, 1, 50, 300, 1000, 3000):
        broken = folder / f"run-{size}"
        shutil.copytree(run, broken)
        saved = checkpoint.load(broken / "checkpoints")
        record = {**saved.record, "finished": False, "steps": 9}  # as a longer run would have left it
        checkpoint.save(broken / "checkpoints", Checkpoint(3, saved.tensors, record))

        def work(size: int = size, broken: Path = broken) -> int:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            return main([*words, "--steps", "9", "--resume", "--out", str(broken)])

        reader, writer = os.pipe()  # a file would be limited too
        child = os.fork()
        if child == 0:
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            os._exit(work())
        os.close(writer)
        text = os.fdopen(reader).read()
        code = ended(child)
        step = checkpoint.load(broken / "checkpoints").step
        found[str(size)] = {"code": code, "text": text, "step": step}
    return found


def obey_permissions() -> None:
    """Takes from this process, should it be root's, the right to write where permissions forbid it."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    sets[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, of the effective ones
    assert libc.capset(header, sets) == 0


def read_only(folder: Path, words: list[str]) -> dict[str, Any]:
    """Uses a run in a folder where nothing may be written."""
    said, found = folder / "said.txt", {}
    run = folder / "run"
    assert done(lambda: main([*words, "--steps", "3", "--out", str(run)]), said) == 0, said.read_text()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    said.chmod(0o666)
    commands = {
        "fit": [*words, "--steps", "3", "--out", str(folder / "new")],
        "resume": [*words, "--steps", "3", "--resume", "--out", str(run)],
        "sample": ["sample", str(run)],
        "evaluate": ["evaluate", str(run), "--samples", "0"],
        "score": ["score", str(run)],
        "score --out": ["score", str(run), "--out", str(run / "scores.csv")],
        "data": ["data", "digits", "--out", str(run / "x.png")],
        "figure": ["figure", "entropy", "--out", str(run / "x.png")],
        "compare": ["compare", "digits-binary", "--models", "independent", "--out", str(folder / "new")],
    }
    for name, command in commands.items():

        def work(command: list[str] = command) -> int:
            obey_permissions()
            return main(command)

        found[name] = {"code": done(work, said), "text": said.read_text()}
    return found


def warm() -> None:
    """Imports what the children need, once."""
    for module in ("adversarial", "autoregressive", "cli.train", "cli.use", "metrics", "report.pictures"):
        import_module(f"ptheta.{module}")
    load("digits-binary")
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.Adam([weight]).step()


ERRANDS = {"kills": kills, "deaths": deaths, "full_disks": full_disks, "read_only": read_only}

if __name__ == "__main__":
    torch.set_num_threads(1)
    warm()
    errand, place, *rest = sys.argv[1:]
    print(json.dumps(ERRANDS[errand](Path(place), *map(json.loads, rest))))
