"""Checkpoints: a folder per step, made current by renaming one pointer. No pickle anywhere.

    checkpoints/
        current              the folder to open and the checksum of its record, replaced in one rename
        000000012000/        last.safetensors, ema.safetensors, best.safetensors, optimizers.safetensors, record.json

A folder is written beside, synced and renamed; the current one is never touched, and the one before is kept. So a
crash, a full disk or a power cut at any moment leaves a run that opens. Every file's checksum is in the record, and the
record's own is in the record too: a file cut short or changed is refused with a sentence, which names the checkpoint
that is still whole. What a record says is never trusted as a path.
"""

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

__all__ = ["Checkpoint", "latest", "load", "save"]

FOLDER = re.compile(r"(\d{12})(?:-(\d+))?")  # a step, and a number where that step was saved before
POINTER = re.compile(r"(\d{12}(?:-\d+)?) ([0-9a-f]{64})\s*")
FILE = re.compile(r"\w+\.safetensors")
MOST_RECORD = 16 << 20  # bytes; a record has a few hundred


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


class _Damaged(Exception):
    """Says in a phrase what is wrong with one checkpoint."""


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint and makes it current. What was there stays current until the last moment.

    Args:
        folder: The run's ``checkpoints`` folder.
        checkpoint: What to write.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync(folder.parent)
        _sweep(folder)
        fresh = folder / ".new"
        try:
            digest = _write(fresh, checkpoint)
            name = _free_name(folder, checkpoint.step)
            fresh.rename(folder / name)
            _sync(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        pointer = folder / ".current-new"
        pointer.write_text(f"{name} {digest}\n")
        _sync(pointer)
        pointer.replace(folder / "current")
        _sync(folder)
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ValueError(
            f"could not save the checkpoint of step {checkpoint.step} in {folder}: {reason}; {_kept(folder)}. "
            "Make room or mend the permissions, then go on with --resume."
        ) from error
    _prune(folder, name)


def latest(folder: Path) -> int | None:
    """The step of the checkpoint that ``load`` reads, or None where there is none."""
    found = _current(folder)
    return None if found is None else _step(found[0])


def load(folder: Path, parts: tuple[str, ...] | None = None) -> Checkpoint:
    """Reads the current checkpoint, checking every file against its checksum.

    Where the current one was deleted, this is the one before.

    Args:
        folder: The run's ``checkpoints`` folder.
        parts: The files to read, without their endings; those that are not there are left out. None reads all.

    Returns:
        The checkpoint.
    """
    found = _current(folder)
    if found is None:
        raise ValueError(f"there is no checkpoint in {folder}: the run has not saved one yet. Train it with --resume.")
    name, digest = found
    try:
        saved = _read(folder / name, digest, parts)
        if digest not in (None, _digest(folder / name / "record.json")):
            raise _damaged_pointer(folder)
        return saved
    except _Damaged as damage:
        raise ValueError(f"the checkpoint {folder / name} is damaged: {damage}. {_advice(folder, name)}") from damage


def _write(fresh: Path, checkpoint: Checkpoint) -> str:
    """Writes and syncs the folder of a checkpoint; returns the checksum of its record."""
    fresh.mkdir()
    sums = {}
    for part, tensors in checkpoint.tensors.items():
        path = fresh / f"{part}.safetensors"
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path)
        _sync(path)
        sums[path.name] = _digest(path)
    record = {"step": checkpoint.step, **checkpoint.record, "files": sums}
    path = fresh / "record.json"
    path.write_text(json.dumps({**record, "checksum": _checksum(record)}, indent=1))
    _sync(path)
    _sync(fresh)
    return _digest(path)


def _read(path: Path, digest: str | None, parts: tuple[str, ...] | None) -> Checkpoint:
    """Reads the folder of a checkpoint; the pointer's checksum of its record may be None."""
    record = _record(path / "record.json", digest)
    sums, step = record.pop("files"), record.pop("step")
    tensors = {}
    for file, expected in sums.items():
        part = file.removesuffix(".safetensors")
        if parts is not None and part not in parts:
            continue
        if not (path / file).is_file() or _digest(path / file) != expected:
            raise _Damaged(f"{file} is missing, cut short or changed")
        try:
            tensors[part] = load_file(path / file)
        except SafetensorError as error:
            raise _Damaged(f"{file} is not a file of tensors ({error})") from error
    return Checkpoint(step, tensors, record)


def _record(path: Path, digest: str | None) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > MOST_RECORD:
        raise _Damaged("record.json is missing or changed")
    try:
        record = json.loads(path.read_bytes())
        own = record.pop("checksum", None)  # the first version kept it in the pointer only
        whole = own == _checksum(record) if own else digest == _digest(path)
        sums = record["files"]
        named = all(map(FILE.fullmatch, sums)) and all(sums.values())
        counted = type(record["step"]) is int and 0 <= record["step"] < 10**12
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise _Damaged(f"record.json is not the record of a checkpoint ({type(error).__name__})") from error
    if not (whole and named and counted):
        raise _Damaged("record.json is cut short or changed")
    return record


def _kept(folder: Path) -> str:
    try:
        return f"the last good checkpoint is at step {load(folder).step}"
    except (ValueError, OSError):
        return "there is no checkpoint to go back to"


def _advice(folder: Path, name: str) -> str:
    good = _newest_whole(folder, without=name)
    if good is None:
        return "There is no other checkpoint in this run that is whole."
    return f"Delete {folder / name} to go back to step {_step(good)}."


def _current(folder: Path) -> tuple[str, str | None] | None:
    """The name of the folder to open and its record's checksum, as the pointer says; without it, the newest name."""
    pointer = folder / "current"
    names = _names(folder)
    if pointer.is_file():
        with pointer.open("rb") as file:
            words = POINTER.fullmatch(file.read(200).decode(errors="replace"))
        if words is None:
            raise _damaged_pointer(folder)
        if (folder / words[1]).is_dir():
            return words[1], words[2]
    return (names[-1], None) if names else None


def _damaged_pointer(folder: Path) -> ValueError:
    good = _newest_whole(folder)
    advice = "There is no checkpoint in this run that is whole."
    if good is not None:
        advice = f"Delete it to go on from the checkpoint of step {_step(good)}, which is whole."
    return ValueError(f"{folder / 'current'}, which names the checkpoint to open, is damaged. {advice}")


def _newest_whole(folder: Path, without: str = "") -> str | None:
    for name in reversed(_names(folder)):
        try:
            if name != without:
                _read(folder / name, None, None)
                return name
        except (_Damaged, OSError):
            continue
    return None


def _names(folder: Path) -> list[str]:
    """The finished folders, oldest first."""
    if not folder.is_dir():
        return []
    found = [match for path in folder.iterdir() if (match := FOLDER.fullmatch(path.name))]
    return [match[0] for match in sorted(found, key=lambda match: (int(match[1]), int(match[2] or 1)))]


def _free_name(folder: Path, step: int) -> str:
    """A step is saved twice where a run was killed between writing it and making it current."""
    name, times = f"{step:012d}", 1
    while (folder / name).exists():
        times += 1
        name = f"{step:012d}-{times}"
    return name


def _step(name: str) -> int:
    return int(name.split("-")[0])


def _prune(folder: Path, name: str) -> None:
    """Removes all but the checkpoint ``name`` and the one before; what cannot be removed does no harm."""
    before = [other for other in _names(folder) if other != name and _step(other) <= _step(name)][-1:]
    for old in _names(folder):
        if old not in (name, *before):
            with suppress(OSError):
                (folder / old).rename(folder / f".old-{old}")
    _sweep(folder)


def _sweep(folder: Path) -> None:
    """Removes what a crash left behind."""
    for leftover in (*folder.glob(".new*"), *folder.glob(".old-*")):
        shutil.rmtree(leftover, ignore_errors=True)


def _checksum(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
