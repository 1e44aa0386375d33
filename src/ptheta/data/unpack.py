"""Files and archives, read within bounds: what would not fit in memory is refused before it is read.

Archives are read by the names of their members and never unpacked on disk, so no name in them is ever a path. Nothing
is unpickled.
"""

import gzip
import os
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = [
    "gunzip",
    "member_names",
    "members",
    "most_bytes",
    "open_arrays",
    "read_bytes",
    "require_readable",
    "size_text",
]


def most_bytes() -> int:
    """How many bytes one data set may take: a quarter of this machine's memory, since readers hold copies."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    except (AttributeError, ValueError, OSError):  # not every system says
        return 2 << 30


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Reads a whole file.

    Args:
        path: The file.
        most: The largest size that is read; by default ``most_bytes``.

    Returns:
        Its bytes. Raises ValueError for what is no plain file, such as a device or a pipe, and for a larger one.
    """
    require_readable(path, most)
    return path.read_bytes()


def require_readable(path: Path, most: int | None = None) -> None:
    """Raises ValueError unless a path is a plain file of at most ``most`` bytes."""
    found, most = path.stat(), most_bytes() if most is None else most
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is not a plain file: expected a file on disk, not a device, a pipe or a folder.")
    if found.st_size > most:
        raise ValueError(
            f"{path} has {size_text(found.st_size)}, but on this machine at most {size_text(most)} of it fit in "
            "memory: give a part of it."
        )


def gunzip(path: Path, most: int) -> bytes:
    """Reads a gzip file.

    Args:
        path: The file.
        most: The most bytes that it should hold.

    Returns:
        Its content. Raises ValueError if that is larger, or if the file is not whole.
    """
    require_readable(path)
    try:
        with gzip.open(path) as file:
            raw = file.read(most + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file ({error}); get it again.") from error
    if len(raw) > most:
        raise ValueError(f"{path} unpacks to more than the {size_text(most)} that it should hold; get it again.")
    return raw


def members(path: Path, names: Sequence[str], most: int = 64 << 20) -> list[bytes]:
    """Reads members of a zip file by their exact names.

    Args:
        path: The file.
        names: The members.
        most: The most bytes that all of them should hold together.

    Returns:
        Their contents. Raises ValueError if they are larger, or if the file is not whole.
    """
    require_readable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(archive.getinfo(name).file_size for name in names)
            if size > most:
                raise ValueError(
                    f"its members unpack to {size_text(size)}, more than the {size_text(most)} they should"
                )
            return [archive.read(name) for name in names]
    except Exception as error:  # damaged archives raise anything
        raise ValueError(f"{path} cannot be read as a zip file ({error}); get it again.") from error


def member_names(path: Path) -> list[str]:
    """The names of the members of a zip file, which are never used as paths."""
    require_readable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except Exception as error:  # damaged archives raise anything
        raise ValueError(f"{path} cannot be read as a zip file ({error}); get it again.") from error


def open_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of an .npy or .npz file; Python objects are never loaded.

    Args:
        path: The file.

    Returns:
        The arrays by name; a single one is called x.
    """
    require_readable(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > most_bytes():
                raise ValueError(f"its arrays take {size_text(size)}, more than fit in memory")
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"x": loaded}
            with loaded:
                arrays = {key: loaded[key] for key in loaded.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("some of its members are no arrays")
        return arrays
    except Exception as error:  # the formats' readers raise anything on broken files
        reason = str(error) or type(error).__name__
        if "pickle" in reason or "Object arrays" in reason:
            reason = "it is no array file, or it holds Python objects, which are never loaded: save plain numbers"
        raise ValueError(f"{path} cannot be read as numpy arrays ({reason}).") from error


def size_text(n: int) -> str:
    """A number of bytes as people write it."""
    return f"{n / 2**30:.1f} GiB" if n >= 1 << 30 else f"{n / 2**20:.1f} MiB" if n >= 1 << 20 else f"{n} bytes"
