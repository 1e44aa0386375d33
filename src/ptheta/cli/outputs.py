"""Where a verb writes: nothing of the user's is ever replaced without being asked to be.

A run remembers what was written from it, in its folder: files by their places and their hashes. So a file that is still
what the run made may be made again, and one that was changed since is the user's.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from ptheta.files import is_unused, replace_file

__all__ = ["claim", "claim_folder", "remember", "write"]

MADE = "outputs.json"
RECORDS = ("run.json", "metrics.jsonl", "contexts", "checkpoints", "stages", "samples", MADE)  # never an output


def claim(out: Path, *, force: bool = False, run: Path | None = None, source: str | None = None) -> None:
    """Raises ValueError unless a file may be written; to be asked before the work is done.

    Args:
        out: The file.
        force: Whether a file that is there may be replaced. A link is then replaced itself, never what it points to.
        run: The run folder whose verb this is, if any: what it made itself may be made again.
        source: What the verb reads: never replaced, not even by force.
    """
    if out.is_dir():
        raise ValueError(f"--out should be a file, but {out} is a folder.")
    if out.name in RECORDS and (out.parent / "run.json").exists():
        raise ValueError(f"{out} is a part of the record of a run and is never replaced: give another --out.")
    if not os.path.lexists(out):
        return
    if source is not None and Path(source).exists() and out.exists() and out.samefile(source):
        raise ValueError(f"{out} is what is read here and is never replaced: give another --out.")
    if not force and (run is None or out.is_symlink() or _made(run).get(_place(out)) != _hash(out)):
        raise ValueError(f"{out} is there already. Give --force to replace it, or another --out.")


def claim_folder(out: Path, *, force: bool = False) -> None:
    """Raises ValueError unless pictures may be written into a folder; to be asked before the work is done.

    Args:
        out: The folder.
        force: Whether it may hold files already; those of the same names are replaced.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out should be a folder, but {out} is a file.")
    if not is_unused(out) and not force:
        raise ValueError(f"the folder {out} is not empty. Give --force to write into it, or another --out.")


def write(out: Path, what: str | bytes, run: Path) -> None:
    """Writes a file that was made from a run, and notes that in its folder.

    Args:
        out: The file, which was claimed.
        what: What it holds.
        run: The run folder.
    """
    replace_file(out, what)
    remember(out, run)


def remember(out: Path, run: Path) -> None:
    """Notes in the run folder that a file was made from the run.

    Args:
        out: The file.
        run: The run folder; nothing is noted in one that cannot be written to.
    """
    with suppress(OSError, ValueError):
        replace_file(run / MADE, json.dumps({**_made(run), _place(out): _hash(out)}, indent=1) + "\n")


def _made(run: Path) -> dict[str, str]:
    try:
        found = json.loads((run / MADE).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _place(out: Path) -> str:
    return str(out.parent.resolve() / out.name)


def _hash(out: Path) -> str:
    try:
        with out.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
