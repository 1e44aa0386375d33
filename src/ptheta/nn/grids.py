"""Networks between images and grids of vectors: convolutional throughout, so that a code keeps its place.

Each halving, rounded up, is a strided convolution; each doubling a sub-pixel convolution cropped to the size that was
halved. Residual blocks work at the smallest size.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.residual import ResidualBlock

__all__ = ["GridDecoder", "GridEncoder", "grid_sizes"]


def grid_sizes(size: tuple[int, int], halvings: int) -> list[tuple[int, int]]:
    """The sizes an image passes through, largest first, its own included.

    Args:
        size: Height and width.
        halvings: How often they are halved, rounding up.

    Returns:
        ``halvings + 1`` sizes.
    """
    sizes = [size]
    for _ in range(halvings):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


@final
class GridEncoder(nn.Module):
    """Maps images (B, C, H, W) to grids of vectors (B, h, w, outputs).

    Args:
        shape: Channels, height and width of the images.
        outputs: The length of a vector.
        halvings: How often the size is halved.
        width: The number of feature maps.
        blocks: The number of residual blocks at the smallest size.

    Example:
        >>> import torch
        >>> GridEncoder((3, 9, 8), 5, halvings=2, width=4)(torch.zeros(2, 3, 9, 8)).shape
        torch.Size([2, 3, 2, 5])
    """

    def __init__(
        self, shape: Sequence[int], outputs: int, *, halvings: int = 2, width: int = 64, blocks: int = 2
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(shape[0], width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, stride=2) for _ in range(halvings))
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.silu(self.first(x))
        for layer in self.down:
            h = F.silu(layer(h))
        return self.last(F.silu(self.blocks(h))).movedim(1, -1)


@final
class GridDecoder(nn.Module):
    """Maps grids of vectors (B, h, w, inputs) to ``outputs`` numbers for each variable, (B, C, H, W, outputs).

    Args:
        inputs: The length of a vector.
        shape: Channels, height and width of the images.
        outputs: How many numbers each variable gets.
        halvings: How often the size was halved.
        width: The number of feature maps.
        blocks: The number of residual blocks at the smallest size.

    Example:
        >>> import torch
        >>> GridDecoder(5, (3, 9, 8), 2, halvings=2, width=4)(torch.zeros(2, 3, 2, 5)).shape
        torch.Size([2, 3, 9, 8, 2])
    """

    def __init__(
        self, inputs: int, shape: Sequence[int], outputs: int, *, halvings: int = 2, width: int = 64, blocks: int = 2
    ) -> None:
        super().__init__()
        channels, height, breadth = shape
        self.sizes, self.parts = grid_sizes((height, breadth), halvings)[::-1], (channels, outputs)
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.up = nn.ModuleList(nn.Conv2d(width, 4 * width, 3, padding=1) for _ in range(halvings))
        self.last = nn.Conv2d(width, channels * outputs, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = F.silu(self.blocks(self.first(z.movedim(-1, 1))))
        for layer, (_, (height, breadth)) in zip(self.up, pairwise(self.sizes), strict=True):
            h = F.silu(F.pixel_shuffle(layer(h), 2)[..., :height, :breadth])
        return self.last(h).unflatten(1, self.parts).movedim(2, -1)
