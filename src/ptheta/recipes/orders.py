"""The order in which a recipe's model visits the pixels of an image."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["PixelOrder", "order_of"]

PixelOrder = Literal["raster", "zigzag", "spiral", "random"]


def order_of(space: "Space", kind: PixelOrder) -> tuple[int, ...] | None:
    """The order of the variables of a space.

    Args:
        space: What one event is.
        kind: The order of the pixels; of other events, that of the variables.

    Returns:
        A permutation; None, which is the order of the event, for vectors and texts in raster order.
    """
    from ptheta.autoregressive import pixel_order

    return None if kind == "raster" and len(space.shape) < 3 else pixel_order(space.shape, kind)
