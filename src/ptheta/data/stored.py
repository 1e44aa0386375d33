"""Arrays that stay in their file: rows are read when they are asked for, and nothing else is ever in memory.

Rows are read, not mapped: mapped pages count as the program's memory, and a file cut short by someone else would end
it without a word. A batch of n rows costs n calls of the system, or one where the rows lie close together.
"""

import hashlib
import os
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, final

import numpy as np

from ptheta.data.unpack import size_text

__all__ = ["LARGE", "Array", "ArrayFile", "open_large", "pieces_of", "stays_in_file"]

LARGE = 1 << 28  # bytes from which an array stays in its file
BLOCK = 1 << 24  # bytes that are looked at together
PACKED = 100  # times at most are data smaller in an archive; a bomb is smaller still
SPARSE = 4  # rows asked for lie close together where they are one in so many


@final
class ArrayFile:
    """The rows of an array in a file, in the order of C.

    Args:
        file: The file, open for reading, which the array opens once more: it may be closed, moved or removed.
        dtype: The type of the numbers.
        shape: That of the array, its first axis the rows.
        offset: Where in the file the numbers begin, in bytes.
    """

    def __init__(self, file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...], offset: int = 0) -> None:
        self.dtype, self.shape, self.offset, self.name = dtype, shape, offset, getattr(file, "name", "the file")
        self.ndim, self.size = len(shape), int(np.prod(shape, dtype=object))
        self.row_bytes = self.size // max(1, len(self)) * dtype.itemsize
        self.fd = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.fd)
        found = os.fstat(self.fd).st_size - offset
        if found < self.nbytes:
            raise ValueError(f"it should hold {self.nbytes} bytes of numbers, but it holds {max(0, found)}")

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """The bytes of all its numbers."""
        return self.size * self.dtype.itemsize

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Reads rows.

        Args:
            rows: Which ones, with shape (k,).

        Returns:
            Them, with shape (k, ...), in memory.
        """
        if not len(rows):
            return np.empty((0, *self.shape[1:]), self.dtype)
        low, high = int(rows.min()), int(rows.max()) + 1
        if high - low <= SPARSE * len(rows):
            block = self._block(low, high)
            in_order = high - low == len(rows) and bool((np.diff(rows) == 1).all())
            return block if in_order else block[rows - low]
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        memory = memoryview(found.reshape(-1).view(np.uint8))  # pyright: ignore
        for k, row in enumerate(rows.tolist()):
            self._read(memory[k * self.row_bytes : (k + 1) * self.row_bytes], row)
        return found

    def digest(self) -> str:
        """Sixteen hexadecimal digits over every byte: a hash of the quick checksums (CRC-32) of its blocks."""
        sums = hashlib.sha256(str((self.shape, self.dtype.str)).encode())
        for piece in pieces_of(self):
            sums.update(zlib.crc32(piece.reshape(-1).view(np.uint8)).to_bytes(4))  # pyright: ignore
        return sums.hexdigest()[:16]

    def _block(self, low: int, high: int) -> np.ndarray:
        found = np.empty((high - low, *self.shape[1:]), self.dtype)
        self._read(memoryview(found.reshape(-1).view(np.uint8)), low)  # pyright: ignore
        return found

    def _read(self, memory: memoryview, row: int) -> None:
        """Fills memory from the beginning of a row on."""
        done = 0
        while done < len(memory):
            start = self.offset + row * self.row_bytes + done
            got = os.preadv(self.fd, [memory[done:]], start)
            if not got:
                raise ValueError(f"{self.name} was cut short while it was being read.")
            done += got


Array = np.ndarray | ArrayFile


def pieces_of(array: Array) -> Iterator[np.ndarray]:
    """The rows of an array in order, as pieces of some megabytes each."""
    step = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), step):
        rows = slice(start, min(start + step, len(array)))
        yield array[rows] if isinstance(array, np.ndarray) else array.take(np.arange(rows.start, rows.stop))


def stays_in_file(path: Path) -> bool:
    """Whether an .npy or .npz file is large; an archive that claims to be packed more than data are is not."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size > LARGE
    with suppress(Exception), zipfile.ZipFile(path) as archive:  # what is broken is said when it is read
        size = sum(member.file_size for member in archive.infolist())
        return LARGE < size <= PACKED * path.stat().st_size
    return False


def open_large(path: Path) -> dict[str, Array]:
    """Opens the arrays of an .npy or .npz file that is large: what is large of them stays in a file.

    Members of an .npz are unpacked into files without a name, which vanish with the program; names in it are never
    paths. Python objects are never loaded.

    Args:
        path: The file.

    Returns:
        The arrays by name; a single one is called x. Raises ValueError where they cannot be read so.
    """
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return {"x": _opened(file)}
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
            size, free = sum(member.file_size for member in found), shutil.disk_usage(tempfile.gettempdir()).free
            if size > free:
                raise ValueError(
                    f"its arrays take {size_text(size)}, but {tempfile.gettempdir()} has room for {size_text(free)}"
                )
            return {member.filename.removesuffix(".npy"): _unpacked(archive, member) for member in found}
    except Exception as error:  # the formats' readers raise anything on broken files
        raise ValueError(f"{path} cannot be read as numpy arrays ({error or type(error).__name__}).") from error


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """A member of an archive, in a file without a name."""
    with tempfile.TemporaryFile() as file:
        with archive.open(member) as packed:
            shutil.copyfileobj(packed, file, BLOCK)
        file.seek(0)
        return _opened(file)


def _opened(file: BinaryIO) -> Array:
    """The array of an .npy file: in memory where it is small, else where it lies."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded")
    if not shape:
        raise ValueError("it holds one number")
    if fortran and len(shape) > 1:
        raise ValueError("its columns lie one after another: save np.ascontiguousarray of it, so that its rows do")
    array = ArrayFile(file, dtype, shape, file.tell())
    return array if array.nbytes > LARGE else array.take(np.arange(len(array)))
