"""Pictures of files as events, in memory, or in a file where they are many.

Many pictures are decoded once into a file without a name, which vanishes with the program, and are read from there.
"""

import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

import numpy as np
import torch
from torch import Tensor

from ptheta.data.decode import Decoder
from ptheta.data.events import Events
from ptheta.data.stored import LARGE, ArrayFile, pieces_of
from ptheta.data.tiles import Cutter
from ptheta.data.unpack import size_text
from ptheta.spaces import Binary, Levels, Space
from ptheta.spaces.space import some

__all__ = ["Pictures", "read_pictures"]

WHOLE = Cutter()  # leaves pictures as they are


@final
@dataclass(frozen=True)
class Pictures:
    """Pictures that were read.

    Args:
        events: They, in order, without contexts.
        space: Their space.
        kept: Which of the files each is of, in order.
        extra: Whether each is for training only: a crop at a random place, or a mirror image.
        decided: What was decided by looking at all of them, as options of ``read_folder``.
        digest: Of those that lie in a file; empty where they are in memory.
    """

    events: Events
    space: Space
    kept: list[int]
    extra: list[bool]
    decided: dict[str, Any]
    digest: str = ""


def read_pictures(
    files: list[Path],
    decoder: Decoder,
    notes: list[str],
    *,
    bits: bool | None = None,
    colour: bool | None = None,
    skip_corrupt: bool = False,
    frames: list[int] | None = None,
    cutter: Cutter = WHOLE,
) -> Pictures:
    """Reads pictures as events.

    Args:
        files: The pictures.
        decoder: Decodes them.
        notes: Told what was done.
        bits: Whether pixels are black or white; if None, they are where all are.
        colour: Whether they are in colour; if None, they are where one is.
        skip_corrupt: Whether to skip (and count) those that cannot be read.
        frames: Which frame of each file, where they are films; if None, the first.
        cutter: Makes the events of a picture.

    Returns:
        The events, and what is known of them.
    """
    store, kept, extra = _decode_all(files, frames, decoder, cutter, colour, skip_corrupt, notes)
    array = store.array()
    if bits and not store.extremes_only:
        raise ValueError("the pictures should be black or white, as bits=true says, but some have greys or colours.")
    as_bits = store.extremes_only and store.shape[0] == 1 if bits is None else bits
    decided: dict[str, Any] = {"bits": as_bits, "colour": store.shape[0] == 3}
    if decoder.depth is not None:
        decided["depth"] = decoder.depth
    if as_bits:
        notes.append("All pixels are black or white, so they were read as bits: 1 is white.")
    space = Binary(store.shape) if as_bits else Levels(store.shape, 256)

    def levels(pixels: np.ndarray) -> Tensor:
        return torch.from_numpy(pixels // 255 if as_bits else pixels)

    if isinstance(array, np.ndarray):
        return Pictures(Events(levels(array)).numbered(), space, kept, extra, decided)
    events = Events.stored(lambda rows: (levels(array.take(rows.numpy())), None), torch.arange(len(array)))
    return Pictures(events, space, kept, extra, decided, array.digest())


def _decode_all(
    files: list[Path],
    frames: list[int] | None,
    decoder: Decoder,
    cutter: Cutter,
    colour: bool | None,
    skip_corrupt: bool,
    notes: list[str],
) -> tuple["_Store", list[int], list[bool]]:
    """Decodes images of one size, or tiles; says of which of the files they are, and which are extras."""
    store = _Store(len(files), colour)
    kept: list[int] = []
    extra: list[bool] = []
    skipped: list[str] = []
    for i, file in enumerate(files):
        try:
            picture = decoder.read(file, None if frames is None else frames[i])
        except ValueError as error:
            if not skip_corrupt:
                raise ValueError(f"{error} Remove it, or say skip_corrupt=True to skip it.") from error
            skipped.append(file.name)
            continue
        store.grey += len(picture) == 1
        for pieces, is_extra in zip(cutter.cut(picture, i), (False, True), strict=True):
            for piece in pieces:
                store.add(piece, file)
            kept += [i] * len(pieces)
            extra += [is_extra] * len(pieces)
    if not kept:
        raise ValueError(f"none of the {len(files)} images could be read; the first is {files[0]}.")
    if skipped:
        notes.append(f"{len(skipped)} of {len(files)} images could not be read and were skipped: {some(skipped)}.")
    read = len(files) - len(skipped)
    if decoder.size is not None:
        height, width = decoder.size
        if cutter.size is None:
            notes.append(f"The images were resized to {height}x{width} (height x width, Lanczos).")
        else:
            tiles = f"{len(extra) - sum(extra)} tiles of {height}x{width} (height x width)"
            notes.append(f"The {read} images were cut into {tiles} that cover them.")
    done = dict(decoder.done)
    if store.shape[0] == 3 and store.grey:
        done["are grey and were made colour, because others are in colour"] = store.grey
    notes.extend(f"{count} of {read} images {remark}." for remark, count in done.items())
    return store, kept, extra


@final
class _Store:
    """Pictures of one size, collected in memory, or in a file without a name where they are many."""

    shape: tuple[int, ...] = ()
    held: np.ndarray | None = None
    file: BinaryIO

    def __init__(self, n: int, colour: bool | None) -> None:
        self.n, self.colour, self.count, self.grey = n, colour, 0, 0
        self.first, self.extremes_only = "", True

    def add(self, picture: np.ndarray, file: Path) -> None:
        """Adds a picture, bytes with shape (1 or 3, height, width)."""
        if not self.first:
            self.first = file.name
            self._begin((3 if self.colour else len(picture), *picture.shape[1:]))
        if picture.shape[1:] != self.shape[1:]:
            first, other = ("x".join(map(str, shape[1:])) for shape in (self.shape, picture.shape))
            raise ValueError(
                f"the images have different sizes: {self.first} has {first} pixels (height x width), {file.name} has "
                f"{other}. Say size=32, or size=(height, width), to resize them all (--size 32)."
            )
        if len(picture) == 3 and self.colour is False:
            raise ValueError(f"the pictures should be grey, as colour=false says, but {file} is in colour.")
        if len(picture) == 3 and self.shape[0] == 1:
            self._begin_again((3, *self.shape[1:]), self.n)
        self.extremes_only = self.extremes_only and bool(((picture == 0) | (picture == 255)).all())
        self._put(np.broadcast_to(picture, self.shape)[None])

    def array(self) -> np.ndarray | ArrayFile:
        """What was added, with shape (count, channels, height, width)."""
        if self.held is not None:
            return self.held[: self.count]
        self.file.flush()
        return ArrayFile(self.file, np.dtype(np.uint8), (self.count, *self.shape))

    def _begin(self, shape: tuple[int, ...]) -> None:
        self.shape, self.count, size = shape, 0, self.n * int(np.prod(shape))
        self.held = np.empty((self.n, *shape), np.uint8) if size <= LARGE else None
        if self.held is not None:
            return
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if size > free:
            raise ValueError(
                f"{self.n} images as large as {self.first} take {size_text(size)}, but {tempfile.gettempdir()} has "
                f"room for {size_text(free)}: say size=64, or smaller."
            )
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  (it is closed with the store)
        weakref.finalize(self, self.file.close)

    def _begin_again(self, shape: tuple[int, ...], n: int) -> None:
        """Makes room for n pictures of a shape, and puts back those that were there: grey ones become colour."""
        before, self.n = self.array(), n
        self._begin(shape)
        for piece in pieces_of(before):
            self._put(np.broadcast_to(piece, (len(piece), *shape)))

    def _put(self, pictures: np.ndarray) -> None:
        if self.held is not None and self.count + len(pictures) > self.n:
            self._begin_again(self.shape, 2 * self.n)
        if self.held is not None:
            self.held[self.count : self.count + len(pictures)] = pictures
        else:
            self.file.write(pictures.tobytes())
        self.count += len(pictures)
