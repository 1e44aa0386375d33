"""The log of a run, metrics.jsonl. It survives a kill at any moment: a run resumed has the log of one left alone."""

import json
from collections.abc import Iterator
from pathlib import Path

from ptheta.files import replace_file, told
from ptheta.training import TrainState
from ptheta.training import checkpoint as checkpoints

__all__ = ["logged"]


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
