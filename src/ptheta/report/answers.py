"""What models answer where something is given: each row what was given, the real event, and a few draws."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ptheta.applications.comparison import Comparison, Contender
from ptheta.data import Dataset
from ptheta.data.view import space_like
from ptheta.data.views import Patches
from ptheta.report.films import MOST, film_sheet
from ptheta.report.grids import as_bytes, image_of, png_of
from ptheta.report.pictures import text_lines
from ptheta.spaces import Space, Symbols

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["answers_picture", "answers_table", "given_as_text"]

CELL, GAP, SHADE = 56, 3, 255  # pixels of a picture, between pictures, and their grey
BLANKS = 2  # gaps around what was given


def answers_picture(result: Comparison, contender: Contender) -> bytes | None:
    """Draws a comparison's questions as rows: what was given, real, draws; of pictures and films only.

    Args:
        result: A comparison with questions.
        contender: Whose draws.

    Returns:
        The bytes of a png file; None where events are neither. Of films each row is one, the real one above the draws.
    """
    from PIL import Image

    space, questions = (result.data.before or result.data).space, result.questions
    if questions is None or contender.answers is None or not (space.is_image or space.is_film):
        return None
    if space.is_film:
        real, draws = result.data.whole(questions), contender.answers
        films = [torch.cat([real[k : k + 1], draws[k]]) for k in range(min(MOST // (1 + draws.shape[1]), len(real)))]
        return png_of(film_sheet(torch.cat(films), space))
    real, rows, context_space = result.data.whole(questions), [], result.data.context_space
    for k in range(len(questions)):
        cells = [_tile(x, space) for x in (real[k], *contender.answers[k])]
        if context_space is not None and questions.context is not None and len(context_space.shape) == 3:
            cells = [_given_tile(questions.context[k], context_space, result.data), *cells]
        rows.append(cells)
    columns, high, wide = len(rows[0]), max(c.height for c in rows[0]), max(c.width for c in rows[0])
    sheet = Image.new(
        "RGB", (columns * (wide + GAP) + GAP + BLANKS * GAP, len(rows) * (high + GAP) + GAP), (SHADE,) * 3
    )
    for i, cells in enumerate(rows):
        for j, cell in enumerate(cells):
            left = GAP + j * (wide + GAP) + (BLANKS * GAP if j and columns == len(cells) else 0)
            sheet.paste(cell, (left + (wide - cell.width) // 2, GAP + i * (high + GAP) + (high - cell.height) // 2))
    return png_of(sheet)


def answers_table(result: Comparison, contender: Contender, most: int = 6) -> list[tuple[str, str, list[str]]]:
    """The same as texts, for events that are no pictures.

    Args:
        result: A comparison with questions.
        contender: Whose draws.
        most: How many rows.

    Returns:
        What was given, the real event, and the draws, each as a text.
    """
    questions, space = result.questions, (result.data.before or result.data).space
    if questions is None or contender.answers is None or space.is_image or space.is_film:
        return []
    real, given = result.data.whole(questions), given_as_text(result)
    return [
        (given[k], _texts(real[k : k + 1], space)[0], _texts(contender.answers[k], space))
        for k in range(min(most, len(questions)))
    ]


def given_as_text(result: Comparison) -> list[str]:
    """What was given in each question, as texts."""
    questions, space = result.questions, result.data.context_space
    if questions is None or questions.context is None or space is None:
        return []
    return _texts(questions.context, space)


def _texts(x: Tensor, space: Space) -> list[str]:
    lines = text_lines(x, space) if isinstance(space, Symbols) and len(space.shape) == 1 else space.show(x)
    return [line if len(line) <= 120 else line[:119] + "…" for line in lines]


def _given_tile(context: Tensor, space: Space, data: Dataset) -> "Image":
    """What is given, as pictures below one another: patches, or a picture and which of its pixels are known."""
    from PIL import Image

    parts = isinstance(data.view, Patches) or not space.is_image
    groups = list(context.split(data.space.shape[0])) if parts else [context]
    tiles = [_tile(group, space_like(space, tuple(group.shape))) for group in groups]
    gaps = GAP * (len(tiles) - 1)
    sheet = Image.new("RGB", (max(t.width for t in tiles), sum(t.height for t in tiles) + gaps), (SHADE,) * 3)
    top = 0
    for tile in tiles:
        sheet.paste(tile, (0, top))
        top += tile.height + GAP
    return sheet


def _tile(x: Tensor, space: Space) -> "Image":
    pixels = as_bytes(x[None], space)[0]
    _, height, width = pixels.shape
    zoom = max(1, CELL // max(height, width)) if max(height, width) < CELL else 1
    return image_of(pixels.repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)).convert("RGB")
