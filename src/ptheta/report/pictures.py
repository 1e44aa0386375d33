"""Pictures of events, whatever their space: what a person looks at before any number.

    images           a grid, enlarged without smoothing, so that every pixel is one value of the event
    one real number  a histogram
    two real numbers a scatter plot
    sequences        lines of text
    anything else    a heat map, one row per event and one column per variable

Levels run from black to white. Real images are scaled from their smallest to their largest value, together.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ptheta.metrics import NearestPairs
from ptheta.spaces import Real, Space, Symbols

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

__all__ = ["grid_image", "pairs_picture", "picture", "save_samples", "text_lines"]

_CELL = 64  # pixels an image is enlarged to, at most
_GAP = 2
_SHADE = 96  # grey of separators and empty cells
_ROWS = 100  # of text and heat maps
_COLUMNS = 160  # characters
_SIGNS = "0123456789abcdefghijklmnopqrstuvwxyz"


def grid_image(x: Tensor, space: Space, columns: int | None = None) -> "Image":
    """Lays images out in a grid, row by row.

    Args:
        x: Events with shape (n, *space.shape), with one or three channels.
        space: A space whose events are images.
        columns: How many images stand in a row; a square grid if None.

    Returns:
        A picture in grey or colour. Raises ValueError if events are no images or there are none.
    """
    from PIL import Image

    if not space.is_image:
        raise ValueError(f"a grid is for images with 1 or 3 channels, but events are of {space}. Use picture.")
    _require_events(x, space)
    n, (channels, height, width) = len(x), space.shape
    columns = min(n, math.ceil(math.sqrt(n)) if columns is None else columns)
    if columns < 1:
        raise ValueError(f"a grid needs at least one column, but columns is {columns}.")
    zoom = max(1, _CELL // max(height, width))
    tiles = _bytes(x, space).repeat_interleave(zoom, 2).repeat_interleave(zoom, 3)
    rows, high, wide = -(-n // columns), zoom * height + _GAP, zoom * width + _GAP
    sheet = torch.full((channels, rows * high + _GAP, columns * wide + _GAP), _SHADE, dtype=torch.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * high + _GAP, i % columns * wide + _GAP
        sheet[:, top : top + high - _GAP, left : left + wide - _GAP] = tile
    pixels = sheet[0] if channels == 1 else sheet.permute(1, 2, 0)
    return Image.fromarray(pixels.contiguous().numpy())


def picture(x: Tensor, space: Space, *, names: Sequence[str] = ()) -> bytes:
    """Draws events in the way their space asks for.

    Args:
        x: Events with shape (n, *space.shape).
        space: What one event is.
        names: The name of each symbol, such as the characters of a text.

    Returns:
        The bytes of a png file.
    """
    _require_events(x, space)
    x = x.cpu()
    if space.is_image:
        return _png(grid_image(x, space))
    if isinstance(space, Symbols) and len(space.shape) == 1:
        return _png(_page(text_lines(x[:_ROWS], space, names=names)))
    if isinstance(space, Real) and space.dimensions == 1:
        return _plot(lambda axes: _histogram(axes, x.flatten().double().numpy()))
    if isinstance(space, Real) and space.dimensions == 2:
        return _plot(lambda axes: _scatter(axes, x.flatten(1).double().numpy()))
    return _plot(lambda axes: _heat_map(axes, space.cells(x[:_ROWS]).double().numpy()))


def pairs_picture(pairs: NearestPairs, space: Space) -> bytes:
    """Draws the samples nearest to the training set over their training events, then held-out ones over theirs.

    Args:
        pairs: From a report on samples.
        space: A space whose events are images.

    Returns:
        The bytes of a png file with four rows.
    """
    rows = (pairs.samples, pairs.neighbours, pairs.held_out, pairs.held_out_neighbours)
    n = min(len(row) for row in rows)
    return _png(grid_image(torch.cat([row[:n] for row in rows]), space, columns=n))


def text_lines(x: Tensor, space: Symbols, *, names: Sequence[str] = ()) -> list[str]:
    """Writes each sequence as a line: line ends show as an arrow, so that an event never takes two lines.

    Args:
        x: Sequences with shape (n, length).
        space: Their space.
        names: The name of each symbol; signs or numbers if empty.

    Returns:
        One string per event.
    """
    names = names or (_SIGNS[: space.n] if space.n <= len(_SIGNS) else [str(i) for i in range(space.n)])
    if len(names) != space.n:
        raise ValueError(f"expected one name for each of {space.n} symbols, but there are {len(names)}.")
    between = "" if all(len(name) <= 1 for name in names) else " "
    shown = [name.replace("\n", "↵").replace("\r", "↵").replace("\t", "⇥") for name in names]
    return [between.join(shown[i] for i in row) for row in x.flatten(1).tolist()]


def save_samples(x: Tensor, space: Space, path: Path, *, names: Sequence[str] = ()) -> None:
    """Writes events to a file by its ending: png (a picture), npy (as they are), csv or txt (a line per event).

    A file that was there stays as it was if the new one cannot be written.

    Args:
        x: Events with shape (n, *space.shape).
        space: What one event is.
        path: Where to. Raises ValueError for another ending, and where writing fails.
        names: The name of each symbol, such as the characters of a text.
    """
    path = Path(path)
    ending = path.suffix.lower()
    _require_events(x, space)
    if ending == ".png":
        content = picture(x, space, names=names)
    elif ending == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, x.cpu().numpy(), allow_pickle=False)
        content = buffer.getvalue()
    elif ending == ".csv":
        header = ",".join(f"x{i}" for i in range(1, space.dimensions + 1))
        content = "\n".join([header, *_number_lines(x, ","), ""]).encode()
    elif ending == ".txt":
        if isinstance(space, Symbols) and len(space.shape) == 1:
            lines = text_lines(x, space, names=names)
        else:
            lines = _number_lines(x, " ")
        content = "\n".join([*lines, ""]).encode()
    else:
        raise ValueError(f"events are saved as .png, .npy, .csv or .txt, but {path.name} ends in none of them.")
    _write(path, content)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".new-{path.name}")
    try:
        try:
            fresh.write_bytes(content)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"{path} could not be written: {error.strerror or error}.") from error


def _require_events(x: Tensor, space: Space) -> None:
    space.check(x)
    if not len(x):
        raise ValueError("expected at least one event to show, but there are none.")


def _bytes(x: Tensor, space: Space) -> Tensor:
    """Images in 0, ..., 255, uint8 with shape (n, C, H, W)."""
    x = x.cpu()
    if isinstance(space, Real):
        low, high = x.min(), x.max()
        y = (x - low) / (high - low).clamp(min=1e-12)
    else:
        y = (space.embed(x, torch.float64) + 1) / 2
    return (y * 255).round().to(torch.uint8)


def _number_lines(x: Tensor, between: str) -> list[str]:
    return [between.join(str(value) for value in row) for row in x.cpu().reshape(len(x), -1).numpy()]


def _page(lines: Sequence[str]) -> "Image":
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(Path(get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf"), 14)
    lines = [line if len(line) <= _COLUMNS else line[: _COLUMNS - 1] + "…" for line in lines]
    wide, high = math.ceil(font.getlength("0") * max(map(len, lines))), 20
    sheet = Image.new("L", (wide + 20, high * len(lines) + 20), 255)
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((10, 10 + i * high), line, fill=20, font=font)
    return sheet


def _histogram(axes: "Axes", x: np.ndarray) -> None:
    axes.hist(x, bins=min(80, max(10, int(2 * len(x) ** 0.5))), density=True, color="#4477aa")
    axes.set(xlabel="x", ylabel="density")


def _scatter(axes: "Axes", x: np.ndarray) -> None:
    axes.scatter(x[:, 0], x[:, 1], s=6, alpha=0.6, linewidths=0, color="#4477aa")
    axes.set(xlabel="x1", ylabel="x2")
    axes.set_aspect("equal", adjustable="datalim")


def _heat_map(axes: "Axes", x: np.ndarray) -> None:
    drawn = axes.imshow(x, aspect="auto", interpolation="nearest", cmap="viridis")
    axes.set(xlabel="variable", ylabel="event")
    if axes.figure is not None:
        axes.figure.colorbar(drawn, ax=axes)


def _plot(draw: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), dpi=100, layout="constrained")
    draw(figure.subplots())
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _png(image: "Image") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()
