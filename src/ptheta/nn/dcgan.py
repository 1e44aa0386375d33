"""The networks of DCGAN: strided convolutions, batch normalisation, no pooling and no hidden dense layer.

The generator projects its input to a small grid and doubles it until the image fits; the discriminator mirrors it.
Any image size is served: grids are rounded up, the generator crops, the discriminator pads with zeros.

Known limits:
    Batch normalisation needs the whole batch, so training in several processes is refused.

References:
    Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks (Radford et al., 2015)
    https://arxiv.org/abs/1511.06434
    cGANs with Projection Discriminator (Miyato & Koyama, 2018) https://arxiv.org/abs/1802.05637
"""

import math
from itertools import pairwise
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DCGANDiscriminator", "DCGANGenerator"]


@final
class DCGANGenerator(nn.Module):
    """Maps vectors to images of unbounded numbers, by transposed convolutions of stride 2.

    Args:
        inputs: The number of input features of one example.
        shape: The shape of one image, (channels, height, width).
        width: The channels before the last layer; each coarser grid has twice as many.
        context: The number of context features, joined to the input; 0 for none.

    Example:
        >>> DCGANGenerator(10, (3, 9, 14), width=8)(torch.zeros(2, 10)).shape
        torch.Size([2, 3, 9, 14])
    """

    def __init__(self, inputs: int, shape: tuple[int, int, int], width: int = 32, *, context: int = 0) -> None:
        super().__init__()
        self.shape = shape
        doublings, self.grid = _grid(shape)
        widths = [width * 2**i for i in reversed(range(doublings))]
        self.project = nn.Linear(inputs + context, widths[0] * math.prod(self.grid), bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
        for before, after in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1))
        self.apply(_start)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps inputs (B, inputs) and context features (B, context) to images (B, channels, height, width)."""
        z = z if context is None else torch.cat([z, context], 1)
        h = self.project(z).unflatten(1, (-1, *self.grid))  # (B, widths[0], *grid)
        y = self.layers(h)
        top, left = (y.shape[2] - self.shape[1]) // 2, (y.shape[3] - self.shape[2]) // 2
        return y[:, :, top : top + self.shape[1], left : left + self.shape[2]]


@final
class DCGANDiscriminator(nn.Module):
    """Maps images to one number each, by convolutions of stride 2. A context enters by projection.

    Args:
        shape: The shape of one image, (channels, height, width).
        width: The channels after the first layer; each coarser grid has twice as many.
        context: The number of context features; 0 for none.

    Example:
        >>> DCGANDiscriminator((3, 9, 14), width=8)(torch.zeros(2, 3, 9, 14)).shape
        torch.Size([2])
    """

    def __init__(self, shape: tuple[int, int, int], width: int = 32, *, context: int = 0) -> None:
        super().__init__()
        doublings, grid = _grid(shape)
        self.size = (grid[0] * 2**doublings, grid[1] * 2**doublings)
        widths = [shape[0], *(width * 2**i for i in range(doublings))]
        layers: list[nn.Module] = [nn.Conv2d(widths[0], widths[1], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for before, after in pairwise(widths[1:]):
            layers += [
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        features = widths[-1] * math.prod(grid)
        self.score = nn.Linear(features, 1)
        self.match = nn.Linear(context, features, bias=False) if context else None
        self.apply(_start)

    def forward(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps images (B, channels, height, width) and context features (B, context) to numbers (B,)."""
        bottom, right = self.size[0] - y.shape[2], self.size[1] - y.shape[3]
        h = self.layers(F.pad(y, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2)))  # (B, features)
        v = self.score(h).squeeze(1)
        return v if self.match is None else v + (self.match(context) * h).sum(1)


def _grid(shape: tuple[int, int, int]) -> tuple[int, tuple[int, int]]:
    """How often to halve an image, and its coarsest grid: at least 4 rows and columns where the image has them."""
    doublings = max(1, int(math.log2(min(shape[1:]) / 4))) if min(shape[1:]) >= 4 else 1
    return doublings, (-(-shape[1] // 2**doublings), -(-shape[2] // 2**doublings))


def _start(layer: nn.Module) -> None:
    """Draws the weights of a layer as the paper does, with standard deviation 0.02."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
