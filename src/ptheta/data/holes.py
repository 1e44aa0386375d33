"""Views of pictures with holes: what is missing is to be filled in.

A hole is filled with the lowest level (of reals, with zero). The box always lies in the middle, so that its place needs
no saying; where the places are random, one more channel says which pixels are known.

References:
    Context Encoders: Feature Learning by Inpainting (Pathak, Krahenbuhl, Donahue, Darrell, Efros, 2016),
        https://arxiv.org/abs/1604.07379: a box in the middle, and pixels at random
    Fast Splittable Pseudorandom Number Generators (Steele, Lea, Flood, 2014), https://doi.org/10.1145/2660193.2660195:
        the mixing function
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ptheta.data.view import View, picture_shape, space_like, space_part
from ptheta.spaces import Levels, Real, Space

__all__ = ["Box", "Random"]


@final
@dataclass(frozen=True)
class Box(View):
    """All but a box in the middle; the box is modelled.

    Args:
        height: Of the box, in pixels.
        width: Of the box.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"box should be at least 1 x 1, but it is {self.height} x {self.width}.")

    def spaces(self, space: Space) -> tuple[Space, Space]:
        _, height, width = picture_shape(space, "box")
        if self.height > height or self.width > width or (self.height, self.width) == (height, width):
            raise ValueError(
                f"a box of {self.height} x {self.width} leaves nothing to be given of {height} x {width} pixels: make "
                f"it smaller."
            )
        rows, columns = self._rows(height), self._columns(width)
        return space_part(space_part(space, 1, rows), 2, columns), space

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        rows, columns = self._rows(x.shape[2]), self._columns(x.shape[3])
        given = x.clone()
        given[:, :, rows, columns] = 0
        return x[:, :, rows, columns], given

    def join(self, x: Tensor, context: Tensor) -> Tensor:
        whole = context.clone()
        whole[:, :, self._rows(context.shape[2]), self._columns(context.shape[3])] = x
        return whole

    def _rows(self, n: int) -> slice:
        return slice((n - self.height) // 2, (n - self.height) // 2 + self.height)

    def _columns(self, n: int) -> slice:
        return slice((n - self.width) // 2, (n - self.width) // 2 + self.width)


@final
@dataclass(frozen=True)
class Random(View):
    """Pixels at random places, and which they are. The whole picture is modelled: known pixels are to be learned too.

    The places follow from the picture by a hash, so that an event shows the same pixels however it is read.

    Args:
        share: About which share of the pixels is given, each by itself.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"random should be the share that is given, between 0 and 1, but it is {self.share:g}.")

    def spaces(self, space: Space) -> tuple[Space, Space]:
        channels, height, width = picture_shape(space, "random")
        if isinstance(space, Real):
            raise ValueError(
                f"random is given of pictures with levels or bits: a density of {space} has no bound where pixels are "
                f"known. Use box=8, which models the hole alone."
            )
        return space, space_like(space, (channels + 1, height, width))

    def split(self, x: Tensor, space: Space) -> tuple[Tensor, Tensor]:
        known = self.known(x)
        top = space.n - 1 if isinstance(space, Levels) else 1
        return x, torch.cat([x * known, (known * top).to(x.dtype)], 1)

    def known(self, x: Tensor) -> Tensor:
        """Which pixels of events (B, C, H, W) are given, with shape (B, 1, H, W)."""
        levels = x.flatten(1).cpu().numpy().astype(np.uint64)
        places = np.arange(levels.shape[1], dtype=np.uint64)
        keys = _mixed(_mixed(levels * np.uint64(2) + np.uint64(1)) ^ _mixed(places)).sum(1, dtype=np.uint64)
        pixels = np.arange(x.shape[2] * x.shape[3], dtype=np.uint64)
        draws = _mixed(_mixed(keys)[:, None] ^ _mixed(pixels + np.uint64(1 << 40)))
        known = draws.astype(np.float64) < self.share * 2.0**64
        return torch.from_numpy(known).to(x.device).reshape(len(x), 1, *x.shape[2:])


def _mixed(z: np.ndarray) -> np.ndarray:
    """SplitMix64's output function of whole numbers of 64 bits."""
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
