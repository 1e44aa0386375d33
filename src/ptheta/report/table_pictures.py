"""Pictures of tables: a small panel for each column, and how the columns hang together, synthetic beside real.

    numbers     a histogram between the real rows' 1 % and 99 % quantiles, on bins of the real rows
    categories  a bar for each of the commonest names, and one for the others
    blank       a bar of its own, where cells may be blank
    pairs       a heat map of Cramer's V of all pairs of columns: real below the diagonal, synthetic above it

Real rows are grey, synthetic ones blue.
"""

import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ptheta.metrics.association import associations
from ptheta.spaces import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["table_picture"]

MOST_PANELS, MOST_PAIRS, MOST_BARS, BINS = 39, 60, 8, 24
ACROSS = 5
REAL, DRAWN = "#b4bac5", "#205493"


def table_picture(x: Tensor, space: Table, real: Tensor | None = None) -> bytes:
    """Draws the columns of rows, and how they hang together.

    Args:
        x: Rows with shape (n, D).
        space: The table.
        real: Real rows to draw beside them; None where ``x`` are real themselves.

    Returns:
        The bytes of a png file. Of more columns than fit, the first are drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    d = min(len(space.fields), MOST_PANELS)
    rows = -(-(d + 1) // ACROSS)
    figure = Figure(figsize=(2.3 * ACROSS, 1.75 * rows), dpi=90, layout="constrained")
    panels = figure.subplots(rows, ACROSS, squeeze=False).flatten()
    for axes in panels[d + 1 :]:
        axes.set_axis_off()
    for k, axes in enumerate(panels[:d]):
        f, cells = space.fields[k], x[:, k].double()
        beside = None if real is None else real[:, k].double()
        (_histogram if f.is_number else _bars)(axes, f, cells, beside)
        axes.set_title(_short(f.name, 26), fontsize=8)
        axes.tick_params(labelsize=6)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    _pairs(panels[d], x, space, real)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _histogram(axes: "Axes", f: Column, cells: Tensor, real: Tensor | None) -> None:
    like = f.values(cells if real is None else real)
    known = like[~like.isnan()]
    low, high = (float(v) for v in known.quantile(known.new_tensor([0.01, 0.99]))) if len(known) else (0.0, 1.0)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    if f.kind == "whole" and (high - low) * 10**f.digits < BINS:
        step = 10.0**-f.digits
        edges = np.arange(low - step / 2, high + step, step)
    else:
        edges = np.linspace(low, high, min(BINS, max(6, int(1.5 * len(known) ** 0.5))) + 1)
    for part, color, width in ((real, REAL, 0.0), (cells, DRAWN, 1.1)):
        if part is None:
            continue
        value = f.values(part)
        inside = value[~value.isnan()].clamp(edges[0], edges[-1]).numpy()
        heights = np.histogram(inside, edges)[0] / len(part)
        filled = width == 0 or real is None
        axes.stairs(heights, edges, fill=filled, color=color, lw=None if filled else width)
        if f.blank is not None:
            gap = (edges[-1] - edges[0]) / 12
            share = float(value.isnan().double().mean())
            axes.bar([edges[-1] + 1.5 * gap], [share], gap, color=color if filled else "none", edgecolor=color)
    if f.date:
        axes.set_xticks([low, high], f.texts(torch.tensor([round(low), round(high)], dtype=torch.float64)))


def _bars(axes: "Axes", f: Column, cells: Tensor, real: Tensor | None) -> None:
    k = len(f.names)
    shares = [torch.bincount(torch.where(p.isnan(), k, p.nan_to_num()).long(), minlength=k + 1) / len(p)
              for p in (cells, real) if p is not None]  # fmt: skip
    order = shares[-1][:k].argsort(descending=True, stable=True)[:MOST_BARS]
    names = [f.names[i] for i in order.tolist()]
    heights = [s[order] for s in shares]
    if k > MOST_BARS:
        names.append("others")
        heights = [torch.cat([h, (s[:k].sum() - h.sum())[None]]) for s, h in zip(shares, heights, strict=True)]
    if f.blank is not None:
        names.append("blank")
        heights = [torch.cat([h, s[k:]]) for s, h in zip(shares, heights, strict=True)]
    place = np.arange(len(names))
    if real is None:
        axes.bar(place, heights[0].numpy(), 0.8, color=DRAWN)
    else:
        axes.bar(place - 0.2, heights[1].numpy(), 0.4, color=REAL)
        axes.bar(place + 0.2, heights[0].numpy(), 0.4, color=DRAWN)
    axes.set_xticks(place, [_short(name, 9) for name in names], rotation=50, ha="right", fontsize=5)


def _pairs(axes: "Axes", x: Tensor, space: Table, real: Tensor | None) -> None:
    d = min(len(space.fields), MOST_PAIRS)
    part = Table(space.fields[:d], space.dialect)
    drawn = associations(x[:, :d], part, None if real is None else real[:, :d])
    if real is not None:
        drawn = drawn.triu(1) + associations(real[:, :d], part).tril(-1)
    shown = drawn.numpy().copy()
    np.fill_diagonal(shown, np.nan)
    axes.imshow(shown, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title("pairs (Cramer's V)" if real is None else "pairs: real below, drawn above", fontsize=8)


def _short(name: str, most: int) -> str:
    """A name that fits, and in which no sign is read as mathematics."""
    name = " ".join(name.split()).replace("$", r"\$")
    return name if len(name) <= most else name[: most - 1] + "…"
