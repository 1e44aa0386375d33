"""Pictures of any size as pieces of one size, and put together again.

As few tiles as cover a picture stand at even distances along each side; those at the edges end there, so neighbours
overlap. Extras, which are for training only, are tiles at random places and mirror images (left is right).

    starts of tiles of size s along a length L, which overlap by o at least:
        round(k (L - s) / (n - 1)),  k = 0, ..., n - 1,  n = ceil((L - o) / (s - o))

Put together, a pixel is the mean over the tiles that hold it, each weighted by its distance to that tile's nearest
edges, so that no seam shows where tiles agree.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import final

import numpy as np
import torch
from torch import Tensor

from ptheta.noise import Noise

__all__ = ["TRAIN_ONLY", "Cutter", "joined", "places", "tile_at"]

TRAIN_ONLY = ("crops", "mirror")  # options of readers that make more training events, and none of other data

Place = tuple[int, int]  # the row and the column of a tile's first pixel


def places(height: int, width: int, size: tuple[int, int], overlap: tuple[int, int] = (0, 0)) -> list[Place]:
    """Where as few tiles as cover a picture begin.

    Args:
        height: The picture's height, at least that of a tile.
        width: Its width.
        size: Height and width of a tile.
        overlap: By how many pixels neighbours overlap at least, along each side.

    Returns:
        The place of each tile, row by row.

    Example:
        >>> places(4, 10, (4, 4))
        [(0, 0), (0, 3), (0, 6)]
    """
    rows, columns = (_starts(*side) for side in zip((height, width), size, overlap, strict=True))
    return list(product(rows, columns))


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    if length <= tile:
        return [0]
    n = math.ceil((length - overlap) / (tile - overlap))
    return [round(k * (length - tile) / (n - 1)) for k in range(n)]


def tile_at(picture: np.ndarray, place: Place, size: tuple[int, int]) -> np.ndarray:
    """A tile of a picture (C, height, width) that begins at a place: a view of its pixels."""
    (top, left), (h, w) = place, size
    return picture[:, top : top + h, left : left + w]


def joined(tiles: Tensor, at: list[Place], height: int, width: int) -> Tensor:
    """One picture of tiles that cover it.

    Args:
        tiles: With shape (n, C, h, w).
        at: The place of each.
        height: The picture's height.
        width: Its width.

    Returns:
        The picture, with shape (C, height, width); whole numbers where tiles are.
    """
    h, w = tiles.shape[-2:]
    weight = _slope(h)[:, None] * _slope(w)
    total = torch.zeros(tiles.shape[1], height, width, dtype=torch.float64)
    weights = torch.zeros(height, width, dtype=torch.float64)
    for tile, (top, left) in zip(tiles.double(), at, strict=True):
        total[:, top : top + h, left : left + w] += tile * weight
        weights[top : top + h, left : left + w] += weight
    picture = total / weights
    return picture.to(tiles.dtype) if tiles.is_floating_point() else picture.round().to(tiles.dtype)


def _slope(n: int) -> Tensor:
    """The distance of each of n pixels to the nearer end, counted from one."""
    return torch.minimum(torch.arange(n) + 1, n - torch.arange(n)).double()


@final
@dataclass(frozen=True)
class Cutter:
    """Makes events of a picture: itself or the tiles that cover it, and extras, which are for training only.

    Args:
        size: Height and width of a tile; None leaves pictures whole.
        crops: How many extra tiles at random places.
        mirror: Whether each of them comes once more, mirrored left to right.
        seed: Names the random places.
    """

    size: tuple[int, int] | None = None
    crops: int = 0
    mirror: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.crops < 0:
            raise ValueError(f"crops should be how many tiles at random places, but it is {self.crops}.")
        if self.crops and self.size is None:
            raise ValueError("crops are tiles at random places: say shape=tiles, and --size for how large they are.")

    def cut(self, picture: np.ndarray, number: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The events of a picture.

        Args:
            picture: With shape (C, height, width), neither side less than that of a tile.
            number: Which picture it is; with the seed it names the random places.

        Returns:
            Those that cover it, and the extras.
        """
        if self.size is None:
            tiles, extras = [picture], []
        else:
            height, width = picture.shape[1:]
            tiles = [tile_at(picture, place, self.size) for place in places(height, width, self.size)]
            room = torch.tensor([height - self.size[0] + 1, width - self.size[1] + 1])
            at = (Noise(self.seed).at("crops", number).uniform((self.crops, 2), "place") * room).long().tolist()
            extras = [tile_at(picture, (top, left), self.size) for top, left in at]
        if self.mirror:
            extras += [np.ascontiguousarray(piece[..., ::-1]) for piece in (*tiles, *extras)]
        return tiles, extras
