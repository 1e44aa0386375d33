"""What a view is, and the spaces of parts of events."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from ptheta.spaces import Real, Space

__all__ = ["View", "picture_shape", "space_like", "space_part"]


class View(ABC):
    """What is given of an event."""

    @abstractmethod
    def spaces(self, space: Space) -> tuple[Space, Space]:
        """The space of what is modelled and that of what is given; ValueError, in a sentence, where it makes none."""

    @abstractmethod
    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        """What is modelled and what is given of events of ``space``."""

    def join(self, x: Tensor, context: Tensor) -> Tensor:
        """The whole events of what was modelled and what was given."""
        return x


def picture_shape(space: Space, what: str) -> tuple[int, int, int]:
    """Channels, height and width; ValueError, naming the view, of anything but pictures."""
    if not space.is_image:
        raise ValueError(f"{what} is given of pictures with 1 or 3 channels, but events are of {space}.")
    channels, height, width = space.shape
    return channels, height, width


def space_like(space: Space, shape: tuple[int, ...]) -> Space:
    """The same kind of space with another shape; reals lose their moments, which belong to variables."""
    if isinstance(space, Real):
        return Real(shape)
    return cast("Space", replace(cast("Any", space), shape=shape))


def space_part(space: Space, axis: int, part: slice) -> Space:
    """The space of a part of the event along an axis."""
    places = torch.arange(space.dimensions).reshape(space.shape)
    kept = places[(slice(None),) * axis + (part,)]
    rows = kept.flatten().tolist()
    changes: dict[str, Any] = {"shape": tuple(kept.shape)}
    if space.columns:
        changes["columns"] = tuple(space.columns[i] for i in rows)
    if isinstance(space, Real):
        changes["mean"] = tuple(space.mean[i] for i in rows) if space.mean else ()
        changes["scale"] = tuple(space.scale[i] for i in rows) if space.scale else ()
    return cast("Space", replace(cast("Any", space), **changes))
