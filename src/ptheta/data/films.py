"""A folder of films as events: clips of some frames each.

A film is a sub-folder whose pictures, in the order of their numbers, are its frames, or a picture that moves (GIF,
WebP, PNG or TIFF of several frames). Clips of one film never stand in two splits: films are shared out where there are
at least three, else each is cut in time, its end to test and what lies before that to validate.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset
from ptheta.data.decode import Decoder, require_no_tiles
from ptheta.data.decoded import read_pictures
from ptheta.data.events import Events, shuffled
from ptheta.data.folders import pictures_of
from ptheta.data.splits import held_out
from ptheta.data.view import space_like

__all__ = ["read_films"]


def read_films(
    path: Path,
    *,
    film: int,
    step: int | None = None,
    size: int | tuple[int, int] | None = None,
    shape: str = "cut",
    bits: bool | None = None,
    colour: bool | None = None,
    depth: int | None = None,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads films of one size, or resizes them to one, and cuts them into clips.

    Args:
        path: The folder.
        film: How many frames one event has.
        step: How many frames further the next clip begins; as many as it has if None, so that none overlap.
        size: Height and width to resize to, one number for squares; None keeps the size they all have.
        shape: How frames of another shape are brought to that of ``size``: cut, pad or stretch.
        bits: Whether pixels are black or white; if None, they are where all are.
        colour: Whether frames are in colour; if None, they are where one is.
        depth: Of frames of 16 bits, how many bits are used; if None, the fewest that hold them all.
        valid: The fraction of films, or of their frames, to choose on; a tenth if None.
        test: The fraction to report on; a tenth if None.
        seed: Names the split.

    Returns:
        Events of ``Levels((film, height, width), 256)``, of ``Levels((film, 3, height, width), 256)`` in colour, or of
        ``Binary``. Raises ValueError, in a sentence, where no film is as long as a clip.
    """
    if film < 2 or (step is not None and step < 1):
        raise ValueError(f"film should be at least 2 frames and step at least 1, but they are {film} and {step}.")
    notes: list[str] = []
    require_no_tiles(shape, "clips of films")
    decoder = Decoder([], size, shape, depth)
    films = _films(path, pictures_of(path, notes), decoder)
    frames = [(file, k) for _, own in films for file, k in own]
    decoder.files = sorted({file for file, _ in frames})
    found = read_pictures(
        [f for f, _ in frames], decoder, notes, bits=bits, colour=colour, frames=[k for _, k in frames]
    )
    parts = _parts([len(own) for _, own in films], film, step or film, valid, test, seed, notes)
    if any(want and not starts for starts, want in zip(parts, (True, valid != 0, test != 0), strict=True)):
        raise ValueError(_too_short(path, [len(own) for _, own in films], film))
    grey = found.space.shape[0] == 1
    space = space_like(found.space, (film, *found.space.shape[1:]) if grey else (film, *found.space.shape))
    notes.append(
        f"{len(films)} films of {len(frames)} frames were cut into {' / '.join(str(len(s)) for s in parts)} clips of "
        f"{film} frames."
    )
    splits = [_clips(found.events, torch.tensor(starts, dtype=torch.int64), film, grey) for starts in parts]
    text = f"{sum(map(len, parts))} clips of {film} frames of the folder {path.resolve().name}."
    about: dict[str, Any] = {"description": text, "notes": tuple(notes)}
    about |= {"decided": found.decided, "digest": found.digest}
    return Dataset(path.resolve().name, space, splits[0], splits[1], splits[2], **about)


def _films(path: Path, files: list[Path], decoder: Decoder) -> list[tuple[str, list[tuple[Path, int]]]]:
    """The frames of each film, (file, number of the frame in it), by the film's name."""
    films: dict[str, list[tuple[Path, int]]] = {}
    for file in sorted(files, key=lambda f: _by_number(f.relative_to(path))):
        if (count := decoder.frames_of(file)) > 1:
            films[str(file.relative_to(path))] = [(file, k) for k in range(count)]
        else:
            films.setdefault(str(file.parent.relative_to(path)), []).append((file, 0))
    return list(films.items())


def _too_short(path: Path, lengths: list[int], film: int) -> str:
    """Why there are no clips for one of the splits, in a sentence."""
    return (
        f"the films of {path} are too short: {len(lengths)} of {min(lengths)} to {max(lengths)} frames leave no clip "
        f"of {film} for one of train, valid and test. Say a smaller film=, or give more."
    )


def _by_number(file: Path) -> list[tuple[int, str]]:
    """A key that sorts frame9 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(file)) if part]


def _parts(
    lengths: Sequence[int], film: int, step: int, valid: float | None, test: float | None, seed: int, notes: list[str]
) -> list[list[int]]:
    """Where the clips of train, valid and test begin, as places among all frames."""
    begins = [sum(lengths[:k]) for k in range(len(lengths))]
    parts: list[list[int]] = [[], [], []]
    if len(lengths) >= 3 or (valid == 0 and test == 0):
        n_valid, n_test = held_out(len(lengths), valid), held_out(len(lengths), test)
        if n_valid + n_test:
            notes.append(f"Whole films were shared out at random with seed {seed}.")
        for place, k in enumerate(shuffled(len(lengths), seed).tolist()):
            part = 1 if place < n_valid else 2 if place < n_valid + n_test else 0
            parts[part] += range(begins[k], begins[k] + lengths[k] - film + 1, step)
        return [sorted(part) for part in parts]
    notes.append("There are fewer than three films: each was cut in time, the end to test, before that to validate.")
    for begin, length in zip(begins, lengths, strict=True):
        n_valid, n_test = (0 if part == 0 else max(film, held_out(length, part)) for part in (valid, test))
        ends = [begin + length - n_valid - n_test, begin + length - n_test, begin + length]
        for part, (low, high) in enumerate(zip([begin, *ends[:2]], ends, strict=True)):
            parts[part] += range(low, high - film + 1, step)
    return parts


def _clips(frames: Events, starts: Tensor, film: int, grey: bool) -> Events:
    """Clips that begin at frames (n,), of frames (N, C, H, W) in memory or in a file."""

    def read(begins: Tensor) -> tuple[Tensor, None]:
        rows = (begins[:, None] + torch.arange(film)).flatten()
        x = frames[rows].loaded().x
        x = x.reshape(len(begins), film, *x.shape[1:])
        return (x.squeeze(2) if grey else x), None

    return Events.stored(read, starts) if frames.is_stored else Events(read(starts)[0], None, starts)
