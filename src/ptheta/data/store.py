"""Where the files of named data sets come from: a folder of the user's, else a cache filled by download.

A file is looked for in the folder that the environment variable PTHETA_DATA names, then in the cache
(``$XDG_CACHE_HOME/ptheta``, else ``~/.cache/ptheta``), and is then downloaded from its official address. A download is
checked against its sha256 before it gets its name, by one atomic rename, so a file in the cache is whole. Where no
official address has the file, or the network is away, one sentence says what is missing and what to set.
"""

import hashlib
import os
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ptheta.data.unpack import require_readable

__all__ = ["File", "cache_folder", "find", "locate"]

TIMEOUT = 10.0  # seconds without an answer
BLOCK = 1 << 20


@final
@dataclass(frozen=True)
class File:
    """One file of a data set.

    Args:
        path: Its place inside PTHETA_DATA and inside the cache.
        sha256: Of the download; empty where there is no address.
        url: Its official address; empty where there is none.
    """

    path: str
    sha256: str = ""
    url: str = ""


def cache_folder() -> Path:
    """The folder that downloads are kept in."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "ptheta"


def find(path: str) -> Path | None:
    """Looks for a file in PTHETA_DATA and in the cache.

    Args:
        path: Its place inside either.

    Returns:
        Where it is, or None.
    """
    folder = os.environ.get("PTHETA_DATA")
    try:
        roots = ([Path(folder).expanduser()] if folder else []) + [cache_folder()]
    except RuntimeError as error:
        raise ValueError(f"the environment names a home that does not exist: PTHETA_DATA is {folder!r}.") from error
    return next((root / path for root in roots if (root / path).is_file()), None)


def locate(name: str, file: File, missing: str = "") -> Path:
    """Finds a file of a data set, or downloads it.

    Args:
        name: The data set, for sentences.
        file: Which file.
        missing: What the file holds, for the sentence that asks the user to provide it.

    Returns:
        Where it is.

    Raises:
        FileNotFoundError: If it is nowhere and cannot be had.
    """
    found = find(file.path)
    if found is not None:
        require_readable(found)
        return found
    folder = os.environ.get("PTHETA_DATA")
    where = f"the folder {folder} (PTHETA_DATA) does not have it" if folder else "PTHETA_DATA is not set"
    ask = f"set the environment variable PTHETA_DATA to a folder that holds {file.path}"
    if missing:
        ask += f" ({missing})"
    if not file.url:
        raise FileNotFoundError(
            f"the data set {name} needs the file {file.path}, which has no official address, and {where}; {ask}."
        )
    target = cache_folder() / file.path
    try:
        _download(file, target)
    except OSError as error:  # URLError, timeouts and a full disk are OSErrors
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise FileNotFoundError(
            f"the data set {name} needs the file {file.path}, {where}, and downloading it from {file.url} failed "
            f"({reason}); {ask}, or try again with a network."
        ) from error
    return target


def _download(file: File, target: Path) -> None:
    """Downloads to a temporary file, checks it, and renames it in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    part = Path(temporary)
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(file.url, timeout=TIMEOUT) as source:
            total = source.headers.get("Content-Length")
            _copy(source.read, out.write, digest.update, target.name, int(total) if total else None)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != file.sha256:
            raise OSError(f"its sha256 is {digest.hexdigest()} instead of {file.sha256}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _copy(
    read: Callable[[int], bytes],
    write: Callable[[bytes], object],
    update: Callable[[bytes], object],
    name: str,
    total: int | None,
) -> None:
    """Copies block by block, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"downloading {name}", total=total)
        while block := read(BLOCK):
            write(block)
            update(block)
            bar.advance(task, len(block))
