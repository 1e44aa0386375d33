"""What is found beside pictures: pairs from two folders of equal names, captions in texts. It is given of each picture.

    pair            two sub-folders hold pictures of the same names; those of the first, by alphabet, are given
    pair=sketches   those of the sub-folder sketches are given
    caption         each picture NAME.png has a text NAME.txt beside it, a caption a line; or a table captions.csv in
                    the folder has a line with a file's name and a caption for each

Captions are read as words: split at spaces, without punctuation at their ends, in lower case, filled up to the longest.
A picture of several captions is an event for each of them, all in the same split.
"""

import csv
import string
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events, split_events
from ptheta.data.decode import Decoder, pair_of, require_no_tiles
from ptheta.data.decoded import read_pictures
from ptheta.data.folders import named, pictures_of
from ptheta.data.splits import split_by_file
from ptheta.data.tiles import Cutter
from ptheta.data.unpack import read_bytes
from ptheta.spaces import Space, Symbols, Tokens

__all__ = ["FOUND", "read_captions", "read_pairs"]

FOUND = ("pair", "caption")
CAPTIONS = "captions.csv"
MOST_TEXT = 1 << 20  # bytes of the captions of one picture
PUNCTUATION = string.punctuation + "“”‘’„«»、。，！？…"


def read_pairs(
    path: Path,
    *,
    side: str = "",
    size: int | tuple[int, int] | None = None,
    shape: str = "cut",
    shorter: int | None = None,
    crops: int = 0,
    mirror: bool = False,
    skip_corrupt: bool = False,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads two sub-folders of pictures with equal names: one is modelled, the other given.

    Args:
        path: The folder.
        side: The sub-folder whose pictures are given; the first by alphabet if empty.
        size: Height and width to resize both to; None keeps the size that all of a sub-folder have.
        shape: How pictures of another shape are brought to it: cut, pad, stretch or tiles, see ``folders.read_folder``.
        shorter: How many pixels the shorter side of a picture has before it is cut into tiles; None keeps its size.
        crops: How many tiles at random places of each training pair train besides those that cover it.
        mirror: Whether what trains comes twice, the second time mirrored left to right.
        skip_corrupt: Whether to leave out pairs of which one cannot be read.
        valid: The fraction to choose on; a tenth, but 10,000 at most, if None.
        test: The fraction to report on; as much if None.
        seed: Names the split.

    Returns:
        Pictures with pictures as their contexts.
    """
    names = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) != 2:
        raise ValueError(f"pairs are read from two sub-folders of equal names, but {path} has {len(names)}.")
    given = side or names[0]
    if given not in names:
        raise ValueError(f"pair={side} should name a sub-folder of {path}: {' or '.join(names)}.")
    modelled = names[1 - names.index(given)]
    notes = [f"Given are the pictures of {given}, modelled those of {modelled}."]
    found = {
        name: {p.relative_to(path / name).with_suffix(""): p for p in pictures_of(path / name, [])} for name in names
    }
    alone = sorted(found[given].keys() ^ found[modelled].keys())
    if alone:
        raise ValueError(
            f"{len(alone)} pictures of {path} have no counterpart in the other sub-folder, such as {alone[0]}. Remove "
            "them, or add their counterparts."
        )
    stems = sorted(found[modelled])
    files = [[found[name][stem] for stem in stems] for name in (modelled, given)]
    cutter = Cutter(pair_of(size) if shape == "tiles" else None, crops, mirror, seed)
    x, c = (
        read_pictures(f, Decoder(f, size, shape, shorter=shorter), notes, skip_corrupt=skip_corrupt, cutter=cutter)
        for f in files
    )
    own, others = ({i: list(places) for i, places in groupby(range(len(p.kept)), p.kept.__getitem__)} for p in (x, c))
    both = sorted(own.keys() & others.keys())
    for i in both:
        if len(own[i]) != len(others[i]):
            raise ValueError(f"the two pictures of {stems[i]} have different sizes, so their tiles are no pairs.")
    rows = [place for i in both for place in own[i]]
    events = Events(x.events[torch.tensor(rows)].x, c.events[torch.tensor([k for i in both for k in others[i]])].x)
    kept, extra = [x.kept[row] for row in rows], [x.extra[row] for row in rows]
    splits = split_by_file(events, kept, extra, [], valid=valid, test=test, seed=seed, notes=notes)
    about = f"{len(events)} pairs of pictures of the folder {path.resolve().name}."
    sources = named([str(stems[i]) for i in kept])
    return Dataset(path.resolve().name, x.space, *splits, c.space, about, tuple(notes), sources=sources)


def read_captions(
    path: Path,
    *,
    size: int | tuple[int, int] | None = None,
    shape: str = "cut",
    skip_corrupt: bool = False,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads pictures with their captions, which are given.

    Args:
        path: The folder.
        size: Height and width to resize to; None keeps the size they all have.
        shape: How pictures of another shape are brought to it: cut, pad or stretch, see ``folders.read_folder``.
        skip_corrupt: Whether to skip (and count) pictures that cannot be read.
        valid: The fraction of pictures to choose on; a tenth, but 10,000 at most, if None.
        test: The fraction of pictures to report on; as much if None.
        seed: Names the split.

    Returns:
        Pictures with ``Tokens`` of words as their contexts.
    """
    require_no_tiles(shape, "pictures with captions")
    notes: list[str] = []
    files = pictures_of(path, notes, quiet=(".txt", ".csv"))
    texts = _captions(path, files)
    found = read_pictures(files, Decoder(files, size, shape), notes, skip_corrupt=skip_corrupt)
    x, space, lines = found.events.x, found.space, [texts[i] for i in found.kept]
    context_space = _vocabulary(lines)
    splits = split_events(Events(torch.arange(len(x))), valid=valid, test=test, seed=seed)
    train, choose, held = (_captioned(x, part.x, lines, context_space) for part in splits)
    sources = tuple(str(files[i].relative_to(path)) for i in found.kept)
    several = sum(len(own) > 1 for own in lines)
    if several:
        notes.append(f"{several} pictures have several captions, and are an event for each.")
    notes.append(
        f"Captions were read as words in lower case, without punctuation: {context_space.n - 1} different words, at "
        f"most {context_space.dimensions} in a caption."
    )
    notes.append(f"Split by pictures, with seed {seed}, into {len(train)} / {len(choose)} / {len(held)} events.")
    about = f"{len(x)} captioned pictures of the folder {path.resolve().name}."
    return Dataset(path.resolve().name, space, train, choose, held, context_space, about, tuple(notes), sources=sources)


def words_of(caption: str) -> list[str]:
    """The words of a caption: in lower case, without punctuation at their ends."""
    return [word for part in caption.split() if (word := part.strip(PUNCTUATION).casefold())]


def _captions(path: Path, files: list[Path]) -> list[list[str]]:
    """The captions of each picture, at least one."""
    table = path / CAPTIONS
    known: dict[str, list[str]] = {}
    if table.is_file():
        text = read_bytes(table, MOST_TEXT * 256).decode("utf-8-sig", "replace")
        for row in csv.reader(text.splitlines()):
            if len(row) >= 2:
                known.setdefault(row[0].strip(), []).append(row[1])
    found = []
    for file in files:
        beside = file.with_suffix(".txt")
        own = known.get(str(file.relative_to(path)), [])
        if beside.is_file():
            own = [*own, *read_bytes(beside, MOST_TEXT).decode("utf-8-sig", "replace").splitlines()]
        own = [line for line in own if words_of(line)]
        if not own:
            raise ValueError(
                f"the picture {file} has no caption: expected a text {beside.name} beside it, or a line in {table}."
            )
        found.append(own)
    return found


def _vocabulary(captions: list[list[str]]) -> Symbols:
    """The space of captions: every word that occurs, and padding."""
    words = [words_of(line) for own in captions for line in own]
    names = ("", *sorted({word for line in words for word in line}))
    return Tokens(max(map(len, words)), len(names), names)


def _captioned(x: Tensor, rows: Tensor, captions: list[list[str]], space: Space) -> Events:
    places = [(i, " ".join(words_of(line))) for i in rows.tolist() for line in captions[i]]
    context = space.parse([text for _, text in places]) if places else torch.zeros(0, *space.shape, dtype=torch.int64)
    rows_of_places = torch.tensor([i for i, _ in places], dtype=torch.int64)
    return Events(x[rows_of_places], context, rows_of_places)
