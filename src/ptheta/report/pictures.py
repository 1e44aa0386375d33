"""Pictures of events, whatever their space: what a person looks at before any number.

images           a grid, enlarged without smoothing, so that every pixel is one value of the event
films            a row of frames for each; as a gif, side by side, moving
one real number  a histogram
two real numbers a scatter plot
sequences        lines of text
rows of a table  a histogram or bars for each column, and how strongly the columns hang together
anything else    a heat map, one row per event and one column per variable
"""

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ptheta.metrics import NearestPairs
from ptheta.report.films import film_sheet, moving
from ptheta.report.grids import grid_image, png_of, require_events
from ptheta.report.table_pictures import table_picture
from ptheta.spaces import Real, Space, Symbols, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

__all__ = ["pairs_picture", "picture", "save_samples", "text_lines"]

ROWS = 100  # of text and heat maps
COLUMNS = 160  # characters
SIGNS = "0123456789abcdefghijklmnopqrstuvwxyz"


def picture(x: Tensor, space: Space, real: Tensor | None = None) -> bytes:
    """Draws events in the way their space asks for.

    Args:
        x: Events with shape (n, *space.shape).
        space: What one event is.
        real: Real events, drawn beside them where they are rows of a table; None without.

    Returns:
        The bytes of a png file.
    """
    require_events(x, space)
    x = x.cpu()
    if space.is_image:
        return png_of(grid_image(x, space))
    if space.is_film:
        return png_of(film_sheet(x, space))
    if isinstance(space, Table):
        return table_picture(x, space, None if real is None else real.cpu())
    if isinstance(space, Symbols) and len(space.shape) == 1:
        return png_of(_page(text_lines(x[:ROWS], space)))
    if isinstance(space, Real) and space.dimensions == 1:
        return _plot(lambda axes: _histogram(axes, x.flatten().double().numpy()))
    if isinstance(space, Real) and space.dimensions == 2:
        return _plot(lambda axes: _scatter(axes, x.flatten(1).double().numpy()))
    return _plot(lambda axes: _heat_map(axes, space.cells(x[:ROWS]).double().numpy()))


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
    return png_of(grid_image(torch.cat([row[:n] for row in rows]), space, columns=n))


def text_lines(x: Tensor, space: Symbols) -> list[str]:
    """Writes each sequence as a line: line ends show as an arrow, so that an event never takes two lines.

    Args:
        x: Sequences with shape (n, length).
        space: Their space; where symbols have no names, they are signs or numbers.

    Returns:
        One string per event.
    """
    if not space.names and space.n <= len(SIGNS):
        space = replace(space, names=tuple(SIGNS[: space.n]))
    return [line.replace("\n", "↵").replace("\r", "↵").replace("\t", "⇥") for line in space.show(x)]


def save_samples(x: Tensor, space: Space, path: Path) -> None:
    """Writes events to a file by its ending: png (a picture), gif (of films), npy (as they are), csv or txt (lines).

    A file that was there stays as it was if the new one cannot be written.

    Args:
        x: Events with shape (n, *space.shape).
        space: What one event is.
        path: Where to. Raises ValueError for another ending, and where writing fails.
    """
    path = Path(path)
    ending = path.suffix.lower()
    require_events(x, space)
    if ending == ".png":
        content = picture(x, space)
    elif ending == ".gif" and space.is_film:
        content = moving(x, space)
    elif ending == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, x.cpu().numpy(), allow_pickle=False)
        content = buffer.getvalue()
    elif ending == ".csv" and isinstance(space, Table):
        content = space.to_csv(x.cpu()).encode(space.dialect.encoding)
    elif ending == ".csv":
        header = ",".join(space.columns or (f"x{i}" for i in range(1, space.dimensions + 1)))
        content = "\n".join([header, *_number_lines(x, ","), ""]).encode()
    elif ending == ".txt":
        if isinstance(space, Symbols) and len(space.shape) == 1:
            lines = text_lines(x, space)
        else:
            lines = _number_lines(x, " ")
        content = "\n".join([*lines, ""]).encode()
    else:
        endings = ".png, .gif, .npy, .csv" if space.is_film else ".png, .npy, .csv"
        raise ValueError(f"events are saved as {endings} or .txt, but {path.name} ends in none of them.")
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


def _number_lines(x: Tensor, between: str) -> list[str]:
    return [between.join(str(value) for value in row) for row in x.cpu().reshape(len(x), -1).numpy()]


def _page(lines: Sequence[str]) -> "Image":
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(Path(get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf"), 14)
    lines = [line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…" for line in lines]
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
