"""What all figures share: colours, a page with its axes, and a tile of images."""

import math
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

__all__ = ["BLUE", "GOLD", "GREEN", "INK", "RED", "SOFT", "new_figure", "tile"]

INK, SOFT = "#1c2330", "#8a93a3"
BLUE, RED, GREEN, GOLD = "#205493", "#c0392b", "#2e8555", "#b8860b"


def new_figure(width: float = 6.0, height: float = 3.8, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False, **options)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(panels)


def tile(axes: Axes, x: Tensor, title: str, below: str) -> None:
    height, width = x.shape[2:]
    side = math.isqrt(len(x))
    grid = x[: side * side, 0].reshape(side, side, height, width)
    padded = torch.nn.functional.pad(grid, (0, 1, 0, 1)).permute(0, 2, 1, 3).reshape(side * (height + 1), -1)
    axes.imshow(padded.numpy(), cmap="gray_r", interpolation="nearest")
    axes.set(xticks=[], yticks=[], title=title, xlabel=below)
    axes.spines[:].set_visible(False)
