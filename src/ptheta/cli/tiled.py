"""Pictures of any size, answered tile by tile: tiles overlap by a quarter, and answers are put together again."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ptheta.cli.given import different, matched, save_pictures
from ptheta.cli.train import say

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.spaces import Space

__all__ = ["COVERING", "answer_in_tiles"]

COVERING = ("low-resolution", "grey", "edges", "pair")  # what covers the picture that answers it
OVERLAP = 4  # the part of a tile that the next one shares
AT_ONCE = 256  # tiles


def answer_in_tiles(
    path: Path, asked: "Space", answers: "Space", answer: "Callable[[Tensor, int, int], Tensor]", out: Path
) -> int:
    """Writes an answer to each picture of a file or a folder, as large as it or by a whole factor larger.

    Args:
        path: A picture, or a folder of pictures of any sizes.
        asked: What one tile is to the model.
        answers: What the answer to a tile is, pictures too.
        answer: Takes tiles with shape (n, *asked.shape), the number of their picture and of the first tile, and returns
            pictures with shape (n, *answers.shape).
        out: The folder to write into.

    Returns:
        How many pictures were answered. ValueError, in a sentence, where tiles mean nothing to the model.
    """
    import torch

    from ptheta.data.tiles import joined
    from ptheta.data.view import space_like

    height, width = asked.shape[-2:]
    by = answers.shape[-2] // height
    if not (asked.is_image and answers.is_image) or tuple(answers.shape[-2:]) != (by * height, by * width):
        raise ValueError(f"--tiles is for pictures that answer pictures, but {answers} answers {asked}.")
    files, said = _files(path), set[str]()
    names = different([file.stem for file in files])
    for number, file in enumerate(files):
        tiles, at, (high, wide) = _tiles(file, asked, said)
        parts = (tiles[i : i + AT_ONCE] for i in range(0, len(tiles), AT_ONCE))
        made = torch.cat([answer(part, number, i * AT_ONCE).cpu() for i, part in enumerate(parts)])
        picture = joined(made, [(by * top, by * left) for top, left in at], by * high, by * wide)
        save_pictures(picture[None], space_like(answers, tuple(picture.shape)), [names[number]], out)
        say(f"{number + 1} of {len(files)}: {file.name}, {high}x{wide} (height x width) in {len(tiles)} tiles")
    return len(files)


def _files(path: Path) -> list[Path]:
    from ptheta.data.folders import pictures_of

    if not path.exists():
        raise FileNotFoundError(f"there is no picture or folder {path}")
    return pictures_of(path, []) if path.is_dir() else [path]


def _tiles(file: Path, space: "Space", said: set[str]) -> "tuple[Tensor, list[tuple[int, int]], tuple[int, int]]":
    """The tiles of a picture as events of a space, their places, and the picture's height and width."""
    import torch

    from ptheta.data.decode import Decoder
    from ptheta.data.tiles import places, tile_at
    from ptheta.spaces import Levels

    height, width = space.shape[-2:]
    size = (height, width)
    decoder = Decoder([file], size, "tiles")
    picture = decoder.read(file)
    _, high, wide = picture.shape
    at = places(high, wide, size, (height // OVERLAP, width // OVERLAP))
    x = torch.stack([torch.from_numpy(tile_at(picture, place, size).copy()) for place in at])
    notes = [f"{file.name} is one of the pictures that {remark}." for remark in decoder.done if remark not in said]
    said |= set(decoder.done)
    found = matched(x, Levels((len(picture), height, width), 256), space, done := list[str]())
    for note in notes + [note for note in done if note not in said]:
        say(f"given: {note}", error=True)
    said |= set(done)
    return found, at, (high, wide)
