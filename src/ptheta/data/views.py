"""Views: what is *given* of an event. The rest, or the whole, is modelled given it: p(x | view of x).

    low-resolution=4   the mean of each block of 4 x 4 pixels           the picture
    grey               the luminance of a colour picture                the picture
    half=top           one half of a picture (top, bottom, left, right) the other half
    half=first         one half of a vector or a sequence (first, last) the other half
    edges              where the picture changes steeply, as bits       the picture
    frames=4           the first 4 frames                               the frames after them
    patches=3x8        the 3 liveliest patches of 8 x 8, placeless      the picture
    box=8              all but a box of 8 x 8 in the middle             the box
    random=.5          about half of the pixels, at random places       the picture

``dataset.given(view)`` makes the view the context, so any conditional model answers: super-resolution, colourisation,
completion, prediction are one question. Where what is given is a part of the event, only the other part is modelled: a
density of a part that is known would be infinite. ``join`` puts both together again, to be looked at.

References:
    Colour luminance is that of Recommendation ITU-R BT.601, .299 R + .587 G + .114 B.
    Puzzle-GAN, for placeless patches (Lee et al., 2018)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.data.holes import Box, Random
from ptheta.data.view import View, picture_shape, space_like, space_part
from ptheta.hints import did_you_mean
from ptheta.spaces import Binary, Levels, Space

__all__ = ["VIEWS", "Box", "Edges", "Frames", "Grey", "Half", "LowResolution", "Patches", "Random", "View", "view_of"]

LUMINANCE = (0.299, 0.587, 0.114)
SIDES = ("top", "bottom", "left", "right", "first", "last")


@final
@dataclass(frozen=True)
class LowResolution(View):
    """The mean of each block of pixels, rounded to the nearest level; of bits, how many of a block are set.

    Args:
        factor: The height and width of a block.
    """

    factor: int

    def __post_init__(self) -> None:
        if self.factor < 2:
            raise ValueError(f"low-resolution should be at least 2, but it is {self.factor}.")

    def spaces(self, space: Space) -> tuple[Space, Space]:
        channels, height, width = picture_shape(space, "low-resolution")
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"low-resolution={self.factor} cuts pictures into blocks, but {height} x {width} pixels are no whole "
                f"number of them. Choose a divisor of both, or another --size."
            )
        shape = (channels, height // self.factor, width // self.factor)
        return space, Levels(shape, min(256, self.factor**2 + 1)) if isinstance(space, Binary) else space_like(
            space, shape
        )

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        mean = F.avg_pool2d(x.double(), self.factor)
        if isinstance(space, Binary):
            mean = mean * min(255, self.factor**2)
        return x, mean.to(x.dtype) if x.is_floating_point() else mean.round().to(x.dtype)


@final
@dataclass(frozen=True)
class Grey(View):
    """The luminance of a colour picture, rounded to the nearest level."""

    def spaces(self, space: Space) -> tuple[Space, Space]:
        channels, height, width = picture_shape(space, "grey")
        if channels != 3 or isinstance(space, Binary):
            raise ValueError(f"grey is given of colour pictures, but these are of {space}.")
        return space, space_like(space, (1, height, width))

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        weights = torch.tensor(LUMINANCE, dtype=torch.float64, device=x.device)[:, None, None]
        grey = (x.double() * weights).sum(1, keepdim=True)
        return x, grey.to(x.dtype) if x.is_floating_point() else grey.round().to(x.dtype)


@final
@dataclass(frozen=True)
class Half(View):
    """One half; the other half is modelled. An odd middle belongs to what is modelled.

    Args:
        side: Which half is given: top, bottom, left or right of pictures, first or last of anything else.
    """

    side: str

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"half should be one of {', '.join(SIDES)}, but it is {self.side}.")

    def spaces(self, space: Space) -> tuple[Space, Space]:
        if self.side in ("first", "last"):
            if not space.shape:
                raise ValueError(f"half={self.side} is given of several variables, but events are of {space}.")
        elif len(space.shape) != 3:
            raise ValueError(f"half={self.side} is given of pictures, but events are of {space}. Use half=first.")
        size = space.shape[self._axis - 1]
        if size < 2:
            raise ValueError(f"half={self.side} needs at least two rows to halve, but events are of {space}.")
        cut = size // 2 if self._early else size - size // 2
        head, tail = space_part(space, self._axis - 1, slice(cut)), space_part(space, self._axis - 1, slice(cut, None))
        return (tail, head) if self._early else (head, tail)

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        n = x.shape[self._axis]
        cut = n // 2 if self._early else n - n // 2
        head, tail = x.narrow(self._axis, 0, cut), x.narrow(self._axis, cut, n - cut)
        return (tail, head) if self._early else (head, tail)

    def join(self, x: Tensor, context: Tensor) -> Tensor:
        return torch.cat([context, x] if self._early else [x, context], self._axis)

    @property
    def _axis(self) -> int:
        return {"top": 2, "bottom": 2, "left": 3, "right": 3}.get(self.side, 1)

    @property
    def _early(self) -> bool:
        return self.side in ("top", "left", "first")


@final
@dataclass(frozen=True)
class Edges(View):
    """Where a picture changes steeply from one pixel to the next, as bits.

    Args:
        threshold: The least change, as a part of the whole range of values.
    """

    threshold: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"edges should be a part of the range, between 0 and 1, but it is {self.threshold:g}.")

    def spaces(self, space: Space) -> tuple[Space, Space]:
        _, height, width = picture_shape(space, "edges")
        return space, Binary((1, height, width))

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        y = space.embed(x, torch.float64)
        span = 2.0 if space.is_discrete else 4.0  # of [-1, 1], or of four standard deviations
        down = F.pad((y[:, :, 1:] - y[:, :, :-1]).abs(), (0, 0, 0, 1))
        right = F.pad((y[..., 1:] - y[..., :-1]).abs(), (0, 1))
        change = torch.maximum(down, right).amax(1, keepdim=True)
        return x, (change >= self.threshold * span).to(torch.uint8)


@final
@dataclass(frozen=True)
class Frames(View):
    """The first frames of a film or a piece; those after them are modelled.

    Args:
        count: How many are given.
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"frames should be at least 1, but it is {self.count}.")

    def spaces(self, space: Space) -> tuple[Space, Space]:
        if len(space.shape) < 2 or space.shape[0] <= self.count:
            raise ValueError(
                f"frames={self.count} is given of events of shape (frames, ...) with more frames, but these are of "
                f"{space}."
            )
        return space_part(space, 0, slice(self.count, None)), space_part(space, 0, slice(self.count))

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        return x[:, self.count :], x[:, : self.count]

    def join(self, x: Tensor, context: Tensor) -> Tensor:
        return torch.cat([context, x], 1)


@final
@dataclass(frozen=True)
class Patches(View):
    """The liveliest patches, without their places: those of a grid whose values vary most, the liveliest first.

    Args:
        count: How many.
        size: Their height and width.
    """

    count: int
    size: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.size < 2:
            raise ValueError(f"patches should be at least 1x2 (one of 2 x 2), but it is {self.count}x{self.size}.")

    def spaces(self, space: Space) -> tuple[Space, Space]:
        channels, height, width = picture_shape(space, "patches")
        places = (height // self.size) * (width // self.size)
        if places < self.count:
            raise ValueError(f"{self.count} patches of {self.size} x {self.size} do not fit side by side into {space}.")
        return space, space_like(space, (self.count * channels, self.size, self.size))

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        s, (n, channels, height, width) = self.size, x.shape
        grid = x[:, :, : height // s * s, : width // s * s].reshape(n, channels, height // s, s, width // s, s)
        patches = grid.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (n, places, channels, s, s), also of no events
        values = patches.double().flatten(2)
        order = (values - values.mean(2, keepdim=True)).square().mean(2).neg().argsort(dim=1, stable=True)
        rows = torch.arange(n, device=x.device)[:, None]
        return x, patches[rows, order[:, : self.count]].reshape(n, self.count * channels, s, s)


# What --given takes: the name, and what makes the view from the text after the equals sign.
VIEWS: dict[str, tuple[Callable[[str], View], str]] = {
    "low-resolution": (lambda word: LowResolution(_whole("low-resolution", word)), "low-resolution=4"),
    "grey": (lambda word: _plain("grey", word, Grey()), "grey"),
    "half": (Half, "half=top"),
    "edges": (lambda word: Edges(_number("edges", word)) if word else Edges(), "edges"),
    "frames": (lambda word: Frames(_whole("frames", word)), "frames=4"),
    "patches": (lambda word: Patches(*_pair(word)), "patches=3x8"),
    "box": (lambda word: Box(*_sides(word)), "box=8"),
    "random": (lambda word: Random(_number("random", word)), "random=.5"),
}


def view_of(text: str) -> View:
    """The view that a text such as half=top names.

    Args:
        text: A name of ``VIEWS``, and what it takes after an equals sign.

    Returns:
        The view. Raises ValueError, saying what there is, for any other text.
    """
    name, _, word = text.partition("=")
    if name not in VIEWS:
        forms = ", ".join(form for _, form in VIEWS.values())
        raise ValueError(f"there is no view {text[:40]!r}.{did_you_mean(name, VIEWS)} What can be given is {forms}.")
    return VIEWS[name][0](word)


def _whole(name: str, word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise ValueError(f"{name} takes a whole number, such as {name}=4, but it is {name}={word[:40]}.")
    return int(word)


def _number(name: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} takes a number, such as {name}=0.25, but it is {name}={word[:40]}.")
    return value


def _plain(name: str, word: str, view: View) -> View:
    if word:
        raise ValueError(f"{name} takes nothing after it, but it is {name}={word[:40]}.")
    return view


def _pair(word: str) -> tuple[int, int]:
    count, _, size = word.partition("x")
    if not (count.isdecimal() and size.isdecimal()):
        raise ValueError(f"patches takes their number and size, such as patches=3x8, but it is patches={word[:40]}.")
    return int(count), int(size)


def _sides(word: str) -> tuple[int, int]:
    height, _, width = word.partition("x")
    if not (height.isdecimal() and (width or height).isdecimal()):
        raise ValueError(f"box takes its height and width, such as box=8 or box=8x4, but it is box={word[:40]}.")
    return int(height), int(width or height)
