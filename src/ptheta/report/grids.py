"""Grids of images, enlarged without smoothing, so that every pixel is one value of an event.

Levels run from black to white. Real images are scaled from their smallest to their largest value, together.
"""

import io
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ptheta.spaces import Real, Space

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["as_bytes", "grid_image", "image_of", "png_of", "require_events"]

CELL = 64  # pixels an image is enlarged to, at most
GAP = 2
SHADE = 96  # grey of separators and empty cells


def grid_image(x: Tensor, space: Space, columns: int | None = None) -> "Image":
    """Lays images out in a grid, row by row.

    Args:
        x: Events with shape (n, *space.shape), with one or three channels.
        space: A space whose events are images.
        columns: How many images stand in a row; a square grid if None.

    Returns:
        A picture in grey or colour. Raises ValueError if events are no images or there are none.
    """
    if not space.is_image:
        raise ValueError(f"a grid is for images with 1 or 3 channels, but events are of {space}. Use picture.")
    require_events(x, space)
    n, (channels, height, width) = len(x), space.shape
    columns = min(n, math.ceil(math.sqrt(n)) if columns is None else columns)
    if columns < 1:
        raise ValueError(f"a grid needs at least one column, but columns is {columns}.")
    zoom = max(1, CELL // max(height, width))
    tiles = as_bytes(x, space).repeat_interleave(zoom, 2).repeat_interleave(zoom, 3)
    rows, high, wide = -(-n // columns), zoom * height + GAP, zoom * width + GAP
    sheet = torch.full((channels, rows * high + GAP, columns * wide + GAP), SHADE, dtype=torch.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * high + GAP, i % columns * wide + GAP
        sheet[:, top : top + high - GAP, left : left + wide - GAP] = tile
    return image_of(sheet)


def as_bytes(x: Tensor, space: Space) -> Tensor:
    """Images in 0, ..., 255, uint8 with shape (n, C, H, W)."""
    x = x.cpu()
    if isinstance(space, Real):
        low, high = x.min(), x.max()
        y = (x - low) / (high - low).clamp(min=1e-12)
    else:
        y = (space.embed(x, torch.float64) + 1) / 2
    return (y * 255).round().to(torch.uint8)


def require_events(x: Tensor, space: Space) -> None:
    """Refuses what are no events of the space, and none at all, in a sentence."""
    space.check(x)
    if not len(x):
        raise ValueError("expected at least one event to show, but there are none.")


def image_of(pixels: Tensor) -> "Image":
    """A picture of bytes (1 or 3 channels, height, width)."""
    from PIL import Image

    return Image.fromarray((pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).contiguous().numpy())


def png_of(image: "Image") -> bytes:
    """The bytes of a picture as a png file."""
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()
