"""Films as pictures: a row of frames for each, or pictures that move."""

import io
import math
from typing import TYPE_CHECKING

from torch import Tensor

from ptheta.data.view import space_like
from ptheta.report.grids import grid_image
from ptheta.spaces import Space

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["film_sheet", "frames_of", "moving"]

MOST = 16  # films drawn below one another
MILLISECONDS = 120  # of a frame


def frames_of(x: Tensor, space: Space) -> tuple[Tensor, Space]:
    """The frames of films.

    Args:
        x: Films with shape (n, frames, H, W) or (n, frames, C, H, W).
        space: Their space, one that ``is_film``.

    Returns:
        Pictures with shape (n, frames, C, H, W), and the space of one.
    """
    x = x if x.dim() == 5 else x[:, :, None]
    return x, space_like(space, tuple(x.shape[2:]))


def film_sheet(x: Tensor, space: Space) -> "Image":
    """Draws films below one another, frame by frame.

    Args:
        x: Films with shape (n, *space.shape).
        space: Their space, one that ``is_film``.

    Returns:
        A picture of the first of them.
    """
    frames, one = frames_of(x[:MOST].cpu(), space)
    return grid_image(frames.flatten(0, 1), one, columns=frames.shape[1])


def moving(x: Tensor, space: Space) -> bytes:
    """Draws films side by side as one picture that moves.

    Args:
        x: Films with shape (n, *space.shape).
        space: Their space, one that ``is_film``.

    Returns:
        The bytes of a gif file, which begins again at its end.
    """
    frames, one = frames_of(x.cpu(), space)
    columns = math.ceil(math.sqrt(len(frames)))
    sheets = [grid_image(frame, one, columns) for frame in frames.unbind(1)]
    buffer = io.BytesIO()
    sheets[0].save(buffer, "gif", save_all=True, append_images=sheets[1:], duration=MILLISECONDS, loop=0)
    return buffer.getvalue()
