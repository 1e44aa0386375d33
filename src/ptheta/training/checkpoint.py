"""Checkpoints: a folder per step, made current by renaming one pointer. No pickle anywhere.

    checkpoints/
        current              the step and the checksum of its record, replaced in one rename
        000000012000/        last.safetensors, ema.safetensors, best.safetensors, optimizers.safetensors, record.json

A folder is written beside, synced and renamed; the one before is kept. So a crash, a full disk or a power cut at any
moment leaves a run that opens. Every file's checksum is in the record, and the record's is in the pointer: a file cut
short or changed is refused with a sentence.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors.torch import load_file, save_file
from torch import Tensor

__all__ = ["Checkpoint", "latest", "load", "save"]


@final
@dataclass(frozen=True)
class Checkpoint:
    """What one checkpoint holds.

    Args:
        step: How many training steps are done.
        tensors: The tensors of each file, by file name without its ending.
        record: What is not a tensor: the length of the run, the best score, patience, seconds.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    record: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint and makes it current. What was there stays current until the last moment.

    Args:
        folder: The run's ``checkpoints`` folder.
        checkpoint: What to write.
    """
    name = f"{checkpoint.step:012d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(".new-*"):
            shutil.rmtree(old)
        fresh = folder / f".new-{name}"
        fresh.mkdir()
        try:
            sums = {}
            for part, tensors in checkpoint.tensors.items():
                path = fresh / f"{part}.safetensors"
                save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path)
                sums[path.name] = _sync(path)
            record = fresh / "record.json"
            record.write_text(json.dumps({"step": checkpoint.step, **checkpoint.record, "files": sums}, indent=1))
            digest = _sync(record)
            if (folder / name).exists():  # the same step again: a run that was resumed and did nothing
                shutil.rmtree(folder / name)
            fresh.rename(folder / name)
            pointer = folder / ".current-new"
            pointer.write_text(f"{name} {digest}\n")
            _sync(pointer)
            pointer.replace(folder / "current")
            _sync_folder(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        kept = _names(folder)[-1:] if folder.is_dir() else []
        good = f"the last good checkpoint is at step {int(kept[0])}" if kept else "there is no checkpoint yet"
        reason = error.strerror or str(error)
        raise ValueError(
            f"could not save the checkpoint of step {checkpoint.step} in {folder}: {reason}; {good}. "
            "Make room or mend the permissions, then go on with --resume."
        ) from error
    for old in _names(folder)[:-2]:
        shutil.rmtree(folder / old, ignore_errors=True)


def latest(folder: Path) -> int | None:
    """The step of the current checkpoint, or None where there is none."""
    pointer = folder / "current"
    return int(pointer.read_text().split()[0]) if pointer.is_file() else None


def load(folder: Path, parts: tuple[str, ...] | None = None) -> Checkpoint:
    """Reads the current checkpoint, checking every file against its checksum.

    Args:
        folder: The run's ``checkpoints`` folder.
        parts: The files to read, without their endings; those that are not there are left out. None reads all.

    Returns:
        The checkpoint.
    """
    pointer = folder / "current"
    if not pointer.is_file():
        raise ValueError(f"there is no checkpoint in {folder}: the run has not saved one yet. Train it with --resume.")
    words = pointer.read_text(errors="replace").split()
    name, digest = words if len(words) == 2 else ("", "")
    others = [n for n in _names(folder) if n != name]
    if not (folder / name).is_dir() and others:  # deleted by hand, or lost in a crash: the one before
        name, digest = others[-1], None
    record_path = folder / name / "record.json"
    if not name or not record_path.is_file() or digest not in (None, _digest(record_path)):
        raise _damaged(folder, name, "record.json is missing, cut short or changed")
    record = json.loads(record_path.read_text())
    sums: dict[str, str] = record.pop("files")
    tensors = {}
    for file, expected in sums.items():
        part = file.removesuffix(".safetensors")
        path = folder / name / file
        if parts is not None and part not in parts:
            continue
        if not path.is_file() or _digest(path) != expected:
            raise _damaged(folder, name, f"{file} is missing, cut short or changed")
        tensors[part] = load_file(path)
    return Checkpoint(record.pop("step"), tensors, record)


def _damaged(folder: Path, name: str, what: str) -> ValueError:
    others = [n for n in _names(folder) if n != name]
    advice = "There is no other checkpoint in this run."
    if others:
        advice = f"Delete {folder / name if name else folder / 'current'} to go back to step {int(others[-1])}."
    return ValueError(f"the checkpoint {folder / name} is damaged: {what}. {advice}")


def _names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.isdigit() and (p / "record.json").is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return _digest(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
