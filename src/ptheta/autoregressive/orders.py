"""Orders in which to visit the pixels of an image; the channels of a pixel always follow one another.

An order is a permutation of the flattened event: the ``order`` of an autoregressive model. The chain rule holds in any
order, but the conditionals are not equally easy to learn: neighbours should come soon after one another.
"""

import math
from collections.abc import Sequence
from typing import Literal

from ptheta.noise import Noise

__all__ = ["PixelOrder", "pixel_order"]

PixelOrder = Literal["raster", "zigzag", "spiral", "random"]


def pixel_order(shape: Sequence[int], kind: PixelOrder, *, seed: int = 0) -> tuple[int, ...]:
    """The variables of an image in the order of its pixels.

    Args:
        shape: The shape of an event, (C, H, W), (H, W) or (D,).
        kind: ``raster`` goes row by row, left to right; ``zigzag`` too, but every other row right to left, so that
            pixels in turn are always neighbours; ``spiral`` goes round from the top left corner to the middle;
            ``random`` is one fixed permutation of the pixels.
        seed: Names the random permutation.

    Returns:
        A permutation of 0, ..., D - 1.

    Example:
        >>> pixel_order((1, 3, 3), "spiral")
        (0, 1, 2, 5, 8, 7, 6, 3, 4)
    """
    *channels, height, width = shape if len(shape) > 1 else (1, *shape)
    n_channels, area = math.prod(channels), height * width
    match kind:
        case "raster":
            pixels = list(range(area))
        case "zigzag":
            rows = [range(y * width, (y + 1) * width) for y in range(height)]
            pixels = [i for y, row in enumerate(rows) for i in (reversed(row) if y % 2 else row)]
        case "spiral":
            pixels = _spiral(height, width)
        case "random":
            pixels = Noise(seed).uniform((area,), "pixel order").argsort().tolist()
        case _:
            raise ValueError(f"a pixel order is raster, zigzag, spiral or random, but {kind!r} was given.")
    return tuple(c * area + pixel for pixel in pixels for c in range(n_channels))


def _spiral(height: int, width: int) -> list[int]:
    """Round and round, clockwise, from the top left corner."""
    grid = [list(range(y * width, (y + 1) * width)) for y in range(height)]
    pixels: list[int] = []
    while grid:
        pixels += grid.pop(0)
        grid = [list(row) for row in zip(*grid, strict=True)][::-1]  # what is left, turned anticlockwise
    return pixels
