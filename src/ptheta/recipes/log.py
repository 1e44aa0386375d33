"""The log of a run, metrics.jsonl. It survives a kill at any moment: a run resumed has the log of one left alone."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptheta.training import TrainState
from ptheta.training import checkpoint as checkpoints

__all__ = ["logged", "replace_file", "told"]


def logged(states: Iterator[TrainState], out: Path) -> Iterator[TrainState]:
    """Appends a line to metrics.jsonl at each validation; on resume, first makes it what it was at the checkpoint.

    Args:
        states: What ``training`` yields.
        out: The run folder.

    Yields:
        The same states.
    """
    path = out / "metrics.jsonl"
    replace_file(path, "".join(f"{line}\n" for line in _lines_until_checkpoint(path, out / "checkpoints")))
    with path.open("a") as file:
        for state in states:
            if state.validated:
                with told(path):
                    file.write(json.dumps(state.to_json()) + "\n")
                    file.flush()
            yield state


def _lines_until_checkpoint(path: Path, folder: Path) -> list[str]:
    """The lines up to the checkpoint's step. A crash may have cut the last one short, or left none of it."""
    if checkpoints.latest(folder) is None:
        return []
    saved = checkpoints.load(folder, ())
    text = path.read_text(errors="replace") if path.is_file() else ""
    lines = [*text.splitlines(), json.dumps(saved.record.get("logged"))]
    steps = {step: line for line in lines if (step := _step(line)) is not None}
    return [steps[step] for step in sorted(steps) if step <= saved.step]


def _step(line: str) -> int | None:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def replace_file(path: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Args:
        path: The file.
        text: What it should hold.
    """
    fresh = path.with_name(f".new-{path.name}")
    with told(path):
        fresh.write_text(text)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns a full or read-only disk into a ValueError with a sentence.

    Args:
        path: What is being written.

    Yields:
        Nothing.
    """
    try:
        yield
    except OSError as error:
        advice = "Make room or mend the permissions, then go on with --resume."
        raise ValueError(f"could not write {path}: {error.strerror or error}. {advice}") from error
