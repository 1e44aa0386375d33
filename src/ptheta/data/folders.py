"""A folder of images as events.

PNG, JPEG, BMP, WebP, GIF (first frame), TIFF and PGM/PPM are read; other and hidden files are left out. Sub-folders are
classes, but those called train, valid and test are the splits, and their sub-folders the classes. Links to files are
followed, links to folders are not. Grey stays grey: only a mixture of grey and colour becomes colour. Whatever is done
to the pictures is said in ``Dataset.notes``; what cannot be read is refused, by name.
"""

import os
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.decode import IMAGE_SUFFIXES, Decoder
from ptheta.data.decoded import read_pictures
from ptheta.data.splits import never_trained, split_by_file
from ptheta.data.tiles import Cutter
from ptheta.spaces import Classes
from ptheta.spaces.space import some

__all__ = ["IMAGE_SUFFIXES", "named", "pictures_of", "read_folder"]

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
    shorter: int | None = None,
    crops: int = 0,
    mirror: bool = False,
    skip_corrupt: bool = False,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads a folder of images of one size, or resizes them to one, or cuts them into tiles of one.

    Args:
        path: The folder.
        size: Height and width to resize to, one number for squares; None keeps the size they all have.
        shape: How pictures of another shape are brought to that of ``size``: cut to their middle, pad (filled up with
            the mean of their edges) or stretch. With tiles they keep their size, and an event is one of as few tiles of
            that ``size`` as cover a picture; all of a picture are in the same split.
        classes: Whether sub-folders are classes; if not, all images below the folder are read alike.
        bits: Whether pixels are black or white; if None, they are where all are.
        colour: Whether pictures are in colour; if None, they are where one is.
        depth: Of pictures of 16 bits, how many bits are used, of which the upper 8 are kept; if None, the fewest that
            hold them all.
        shorter: How many pixels the shorter side of a picture has before it is cut into tiles; None keeps its size.
        crops: How many tiles at random places of each training picture train besides those that cover it.
        mirror: Whether what trains comes twice, the second time mirrored left to right.
        skip_corrupt: Whether to skip (and count) images that cannot be read instead of refusing the folder.
        valid: The fraction to choose on, where no sub-folder is called so; a tenth, but 10,000 at most, if None.
        test: The fraction to report on, where no sub-folder is called so; as much if None.
        seed: Names the split, and the random places.

    Returns:
        Events of ``Levels((channels, height, width), 256)``, or of ``Binary`` where all pixels are black or white.
    """
    notes: list[str] = []
    files, sizes = _by_split(path, pictures_of(path, notes), notes)
    labels, names = _classes(path, files, 1 if sizes else 0, notes) if classes else ([], ())
    decoder = Decoder(files, size, shape, depth, shorter=shorter)
    cutter = Cutter(decoder.size if shape == "tiles" else None, crops, mirror, seed)
    kinds = {"bits": bits, "colour": colour, "skip_corrupt": skip_corrupt}
    found = read_pictures(files, decoder, notes, cutter=cutter, **kinds)
    events = found.events
    if names:
        context = torch.tensor([labels[i] for i in found.kept])
        events = _with_context(events, context)
    fractions = {"valid": valid, "test": test}
    splits = split_by_file(events, found.kept, found.extra, sizes, **fractions, seed=seed, notes=notes)
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
        sources=named([str(files[i].relative_to(path)) for i in found.kept]),
        digest=found.digest,
    )


def named(files: list[str]) -> tuple[str, ...]:
    """What the events of files are called: as their file, with a number where a file has several, one after another."""
    found: list[str] = []
    for file, own in groupby(files):
        path, n = Path(file), len(list(own))
        found += [file] if n == 1 else [str(path.with_name(f"{path.stem}-{k + 1}{path.suffix}")) for k in range(n)]
    return tuple(found)


def _with_context(events: Events, context: Tensor) -> Events:
    """Pictures, in the order they were read, with their classes."""
    if not events.is_stored:
        return Events(events.x, context, events.rows)
    return Events.stored(lambda rows: (events[rows].x, context[rows]), torch.arange(len(events)))


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
            f"{path} has sub-folders {', '.join(parts)}, which are splits, but pictures in {some(others)} too: move "
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
