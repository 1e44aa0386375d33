"""A folder of images as events.

PNG, JPEG, BMP, WebP, GIF (first frame), TIFF and PGM/PPM are read; other and hidden files are left out. Sub-folders are
classes, but those called train, valid and test are the splits, and their sub-folders the classes. Links to files are
followed, links to folders are not. Grey stays grey: only a mixture of grey and colour becomes colour. Whatever is done
to the pictures is said in ``Dataset.notes``; what cannot be read is refused, by name.

Many pictures are decoded once into a file without a name, which vanishes with the program, and are read from there.
"""

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO, final

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.decode import IMAGE_SUFFIXES, Decoder
from ptheta.data.splits import never_trained, split_as_given
from ptheta.data.stored import LARGE, ArrayFile, pieces_of
from ptheta.data.unpack import size_text
from ptheta.spaces import Binary, Classes, Levels, Space

__all__ = ["IMAGE_SUFFIXES", "Pictures", "pictures_of", "read_folder", "read_pictures"]

SPLIT_NAMES = {"train": 0, "training": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2, "testing": 2}


def read_folder(
    path: Path,
    *,
    size: int | tuple[int, int] | None = None,
    shape: str = "cut",
    classes: bool = True,
    bits: bool | None = None,
    colour: bool | None = None,
    depth: int | None = None,
    skip_corrupt: bool = False,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads a folder of images of one size, or resizes them to one.

    Args:
        path: The folder.
        size: Height and width to resize to, one number for squares; None keeps the size they all have.
        shape: How pictures of another shape are brought to that of ``size``: cut to their middle, pad (filled up with
            the mean of their edges) or stretch.
        classes: Whether sub-folders are classes; if not, all images below the folder are read alike.
        bits: Whether pixels are black or white; if None, they are where all are.
        colour: Whether pictures are in colour; if None, they are where one is.
        depth: Of pictures of 16 bits, how many bits are used, of which the upper 8 are kept; if None, the fewest that
            hold them all.
        skip_corrupt: Whether to skip (and count) images that cannot be read instead of refusing the folder.
        valid: The fraction to choose on, where no sub-folder is called so; a tenth, but 10,000 at most, if None.
        test: The fraction to report on, where no sub-folder is called so; as much if None.
        seed: Names the split.

    Returns:
        Events of ``Levels((channels, height, width), 256)``, or of ``Binary`` where all pixels are black or white.
    """
    notes: list[str] = []
    files, sizes = _by_split(path, pictures_of(path, notes), notes)
    labels, names = _classes(path, files, 1 if sizes else 0, notes) if classes else ([], ())
    decoder = Decoder(files, size, shape, depth)
    found = read_pictures(files, decoder, notes, bits=bits, colour=colour, skip_corrupt=skip_corrupt)
    events = found.events
    if names:
        context = torch.tensor([labels[i] for i in found.kept])
        events = _with_context(events, context)
    bounds = pairwise([0, *accumulate(sizes)])
    sizes = [sum(low <= i < high for i in found.kept) for low, high in bounds]
    splits = split_as_given(events, sizes, valid=valid, test=test, seed=seed, notes=notes)
    context_space = Classes(len(names), names) if names else None
    notes += never_trained(context_space, splits[0].context if names else None)
    return Dataset(
        path.resolve().name,
        found.space,
        *splits,
        context_space,
        f"{len(events)} images of the folder {path.resolve().name}.",
        tuple(notes),
        decided=found.decided,
        sources=tuple(str(files[i].relative_to(path)) for i in found.kept),
        digest=found.digest,
    )


def _with_context(events: Events, context: Tensor) -> Events:
    """Pictures, in the order they were read, with their classes."""
    if not events.is_stored:
        return Events(events.x, context, events.rows)
    return Events.stored(lambda rows: (events[rows].x, context[rows]), torch.arange(len(events)))


@final
@dataclass(frozen=True)
class Pictures:
    """Pictures that were read.

    Args:
        events: They, in order, without contexts.
        space: Their space.
        kept: Which of the files they are.
        decided: What was decided by looking at all of them, as options of ``read_folder``.
        digest: Of those that lie in a file; empty where they are in memory.
    """

    events: Events
    space: Space
    kept: list[int]
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

    Returns:
        The events, and what is known of them.
    """
    store, kept = _decode_all(files, frames, decoder, colour, skip_corrupt, notes)
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
        return Pictures(Events(levels(array)).numbered(), space, kept, decided)
    events = Events.stored(lambda rows: (levels(array.take(rows.numpy())), None), torch.arange(len(array)))
    return Pictures(events, space, kept, decided, array.digest())


def pictures_of(path: Path, notes: list[str], *, quiet: tuple[str, ...] = ()) -> list[Path]:
    """All image files below the folder, sorted; others are counted in a note, but for those with a ``quiet`` ending."""

    def refuse(error: OSError) -> None:
        raise ValueError(f"the folder {error.filename} cannot be read: {error.strerror}.") from error

    images: list[Path] = []
    others: list[Path] = []
    for root, folders, files in os.walk(path, onerror=refuse):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for file in (Path(root, f) for f in files if not f.startswith(".")):
            (images if file.suffix.lower() in IMAGE_SUFFIXES else others).append(file)
    if not images:
        what = f"only {len(others)} other files, such as {sorted(others)[0].name}" if others else "no files"
        raise ValueError(
            f"the folder {path} has no images: expected files that end in {', '.join(IMAGE_SUFFIXES)}, found {what}."
        )
    others = [file for file in others if file.suffix.lower() not in quiet]
    if others:
        notes.append(f"{len(others)} files that are not images were left out, such as {sorted(others)[0].name}.")
    return sorted(images)


def _by_split(path: Path, files: list[Path], notes: list[str]) -> tuple[list[Path], list[int]]:
    """The pictures in the order train, valid, test and how many each are, where sub-folders are called so."""
    tops = [file.relative_to(path).parts[0] if file.parent != path else "" for file in files]
    names = sorted(set(tops))
    parts = {name: SPLIT_NAMES[name.casefold()] for name in names if name.casefold() in SPLIT_NAMES}
    if 0 not in parts.values() or len(parts) < 2:
        return files, []
    if others := [name or "the folder itself" for name in names if name not in parts]:
        raise ValueError(
            f"{path} has sub-folders {', '.join(parts)}, which are splits, but pictures in {_some(others)} too: move "
            "those into the splits, or elsewhere."
        )
    sizes = [sum(parts[top] == k for top in tops) for k in range(3)]
    notes.append(f"The sub-folders {', '.join(parts)} were read as splits: {' / '.join(map(str, sizes))} pictures.")
    order = sorted(range(len(files)), key=lambda i: (parts[tops[i]], i))
    return [files[i] for i in order], sizes


def _classes(path: Path, files: list[Path], level: int, notes: list[str]) -> tuple[list[int], tuple[str, ...]]:
    """The class of each image: the first folder below the top one, or below that of its split."""
    inner = [file.relative_to(path).parts[level:] for file in files]
    folders = [parts[0] if len(parts) > 1 else "" for parts in inner]
    names = tuple(sorted(set(folders)))
    if names == ("",):
        return [], ()
    if "" in names:
        raise ValueError(
            f"the folder {path} has images both in itself ({folders.count('')}) and in sub-folders "
            f"({', '.join(names[1:4])}): move them, or say classes=False to read them all alike."
        )
    if len(names) == 1:
        notes.append(f"All images are in the one sub-folder {names[0]}, so there are no classes.")
        return [], ()
    notes.append(f"The sub-folders were read as {len(names)} classes: {', '.join(names)}.")
    place = {name: k for k, name in enumerate(names)}
    return [place[folder] for folder in folders], names


def _decode_all(
    files: list[Path],
    frames: list[int] | None,
    decoder: Decoder,
    colour: bool | None,
    skip_corrupt: bool,
    notes: list[str],
) -> tuple["_Store", list[int]]:
    """Decodes images of one size; says which of the files they are."""
    store = _Store(len(files), colour)
    kept: list[int] = []
    skipped: list[str] = []
    for i, file in enumerate(files):
        try:
            picture = decoder.read(file, None if frames is None else frames[i])
        except ValueError as error:
            if not skip_corrupt:
                raise ValueError(f"{error} Remove it, or say skip_corrupt=True to skip it.") from error
            skipped.append(file.name)
            continue
        store.add(picture, file)
        kept.append(i)
    if not kept:
        raise ValueError(f"none of the {len(files)} images could be read; the first is {files[0]}.")
    if skipped:
        notes.append(f"{len(skipped)} of {len(files)} images could not be read and were skipped: {_some(skipped)}.")
    if decoder.size is not None:
        height, width = decoder.size
        notes.append(f"The images were resized to {height}x{width} (height x width, Lanczos).")
    done = dict(decoder.done)
    if store.shape[0] == 3 and store.grey:
        done["are grey and were made colour, because others are in colour"] = store.grey
    notes.extend(f"{count} of {len(kept)} images {remark}." for remark, count in done.items())
    return store, kept


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


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
            before = self.array()
            self._begin((3, *self.shape[1:]))
            for piece in pieces_of(before):
                self._put(np.repeat(piece, 3, 1))
        self.grey += len(picture) == 1
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

    def _put(self, pictures: np.ndarray) -> None:
        if self.held is not None:
            self.held[self.count : self.count + len(pictures)] = pictures
        else:
            self.file.write(pictures.tobytes())
        self.count += len(pictures)
