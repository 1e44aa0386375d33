"""Files written whole or not at all, and folders that one process at a time writes to.

A lock is the kernel's (flock), held on the file ``.lock`` of the folder: it ends with the process that holds it,
however that ends, and a file that is left means nothing. What is written in it says who holds it.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # a system without flock has no locks
    fcntl = None

__all__ = ["LOCK", "is_unused", "locked", "remove_unused", "replace_file", "told"]

LOCK = ".lock"
FRESH = ".new-"  # begins the name of a file while it is written


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Holds a folder, which is made if missing, against every other process that would write to it.

    Args:
        folder: The folder.
        wait: Whether to wait for whoever holds it; else that is refused with ValueError, which says who it is.

    Yields:
        Nothing.
    """
    made = not folder.exists()
    handle = _open(folder)
    try:
        if not _taken(handle, wait):
            made = False
            raise ValueError(f"{folder} is in use by {_holder(handle)}. Wait until it is done, or give another folder.")
        words = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        with suppress(OSError):  # a full disk still has locks
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(words).encode(), 0)
        yield
    finally:
        if made:
            remove_unused(folder)
        os.close(handle)


def _open(folder: Path) -> int:
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _taken(handle: int, wait: bool) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _holder(handle: int) -> str:
    try:
        words: dict[str, Any] = json.loads(os.pread(handle, 1000, 0))
        return f"process {words['pid']} on {words['host']} since {words['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_unused(folder: Path) -> bool:
    """Whether a folder is missing or empty, but for a lock and what a kill may leave at the very start."""
    try:
        return all(f.name == LOCK or f.name.startswith(FRESH) for f in folder.iterdir())
    except FileNotFoundError:  # also if another process takes it away meanwhile
        return True


def remove_unused(folder: Path) -> None:
    """Removes a folder of which nothing came; one that holds anything, or cannot be removed, stays."""
    if is_unused(folder):
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def replace_file(path: Path, text: str | bytes) -> None:
    """Writes a file whole or not at all.

    Args:
        path: The file.
        text: What it should hold: bytes as they are, text in UTF-8.
    """
    fresh = path.with_name(f"{FRESH}{os.getpid()}-{path.name}")
    with told(path):
        try:
            with fresh.open("wb") as file:
                file.write(text.encode() if isinstance(text, str) else text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


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
