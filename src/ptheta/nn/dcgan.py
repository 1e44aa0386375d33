"""The networks of DCGAN: strided convolutions, batch normalisation, no pooling and no hidden dense layer.

The generator projects its input to a small grid and doubles it until the image fits; the discriminator mirrors it.
Any image size is served: grids are rounded up, the generator crops, the discriminator pads with zeros.

A context that was read as a vector joins the generator's input, and the discriminator projects its features onto it.
Maps move every grid of the generator and its image, each at its own resolution, and are further channels of what the
discriminator sees.

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

from ptheta.nn.contexts import Injection, resized

__all__ = ["DCGANDiscriminator", "DCGANGenerator", "DCGANTrunk", "StridedTrunk"]


@final
class DCGANGenerator(nn.Module):
    """Maps vectors to images of unbounded numbers, by transposed convolutions of stride 2.

    Args:
        inputs: The number of input features of one example.
        shape: The shape of one image, (channels, height, width).
        width: The channels before the last layer; each coarser grid has twice as many.
        context: The shape of what is read of a context, (F,) or (C, H, W); () for none.

    Example:
        >>> DCGANGenerator(10, (3, 9, 14), width=8)(torch.zeros(2, 10)).shape
        torch.Size([2, 3, 9, 14])
    """

    def __init__(
        self, inputs: int, shape: tuple[int, int, int], width: int = 32, *, context: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.shape = shape
        widths, self.grid, self.size = _pyramid(shape, width)
        widths = widths[::-1]
        vector = context[0] if len(context) == 1 else 0
        self.project = nn.Linear(inputs + vector, widths[0] * math.prod(self.grid), bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
        for before, after in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1))
        self.maps = nn.ModuleList(Injection(context, w) for w in (*widths, shape[0]) if len(context) == 3)
        self.apply(_start)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps inputs (B, inputs) and contexts as they were read to images (B, channels, height, width)."""
        maps = None if context is None or context.ndim == 2 else context
        z = torch.cat([z, context], 1) if context is not None and maps is None else z
        h = self.project(z).unflatten(1, (-1, *self.grid))  # (B, widths[0], *grid)
        y = self.layers(h) if maps is None else self._moved(h, maps)
        top, left = (y.shape[2] - self.shape[1]) // 2, (y.shape[3] - self.shape[2]) // 2
        return y[:, :, top : top + self.shape[1], left : left + self.shape[2]]

    def _moved(self, h: Tensor, maps: Tensor) -> Tensor:
        """The layers, with maps (B, C, H, W) of the image added at every resolution, to the image itself at last."""
        maps, injections = _padded(resized(maps, self.shape[1:]), self.size), iter(self.maps)
        h = h + next(injections)(maps, h.shape[2:])
        for layer in self.layers:
            h = layer(h)
            if isinstance(layer, nn.ConvTranspose2d):
                h = h + next(injections)(maps, h.shape[2:])
        return h


@final
class DCGANDiscriminator(nn.Module):
    """Maps images to one number each, by convolutions of stride 2. A context enters by projection.

    Args:
        shape: The shape of one image, (channels, height, width).
        width: The channels after the first layer; each coarser grid has twice as many.
        context: The shape of what is read of a context, (F,) or (C, H, W); () for none.
        normalised: Whether layers are normalised by the batch. Without, what is said of one event, and its slope, does
            not depend on the others.

    Example:
        >>> DCGANDiscriminator((3, 9, 14), width=8)(torch.zeros(2, 3, 9, 14)).shape
        torch.Size([2])
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 32,
        *,
        context: tuple[int, ...] = (),
        normalised: bool = True,
    ) -> None:
        super().__init__()
        widths, grid, self.size = _pyramid(shape, width)
        vector, maps = (0, context[0]) if len(context) == 3 else (sum(context), 0)
        self.layers = nn.Sequential(*_convolutions(shape[0] + maps, widths, normalised=normalised), nn.Flatten())
        features = widths[-1] * math.prod(grid)
        self.score = nn.Linear(features, 1)
        self.match = nn.Linear(vector, features, bias=False) if vector else None
        if normalised:
            self.apply(_start)

    def forward(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps images (B, channels, height, width) and contexts as they were read to numbers (B,)."""
        if context is not None and context.ndim == 4:
            y = torch.cat([y, resized(context, y.shape[2:])], 1)
        h = self.layers(_padded(y, self.size))  # (B, features)
        v = self.score(h).squeeze(1)
        return v if self.match is None else v + (self.match(context) * h).sum(1)


@final
class DCGANTrunk(nn.Module):
    """Maps images to features: the discriminator's convolutions and a dense layer, all normalised by the batch.

    Args:
        shape: The shape of one image, (channels, height, width).
        features: The number of output features.
        width: The channels after the first layer; each coarser grid has twice as many.

    Example:
        >>> DCGANTrunk((3, 9, 14), 10, width=8)(torch.zeros(2, 3, 9, 14)).shape
        torch.Size([2, 10])
    """

    def __init__(self, shape: tuple[int, int, int], features: int = 256, width: int = 32) -> None:
        super().__init__()
        widths, grid, self.size = _pyramid(shape, width)
        self.layers = nn.Sequential(
            *_convolutions(shape[0], widths, normalised=True),
            nn.Flatten(),
            nn.Linear(widths[-1] * math.prod(grid), features, bias=False),
            nn.BatchNorm1d(features),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.apply(_start)

    def forward(self, y: Tensor) -> Tensor:
        """Maps images (B, channels, height, width) to features (B, features)."""
        return self.layers(_padded(y, self.size))


@final
class StridedTrunk(nn.Module):
    """Maps images to features: the discriminator's strided convolutions without normalisation, and a dense layer.

    Nothing is convolved at full size, which makes it several times cheaper than ``ConvEncoder``.

    Args:
        shape: The shape of one image, (channels, height, width).
        features: The number of output features.
        width: The channels after the first layer; each coarser grid has twice as many.

    Example:
        >>> StridedTrunk((3, 9, 14), 10, width=8)(torch.zeros(2, 3, 9, 14)).shape
        torch.Size([2, 10])
    """

    def __init__(self, shape: tuple[int, int, int], features: int = 256, width: int = 32) -> None:
        super().__init__()
        widths, grid, self.size = _pyramid(shape, width)
        self.layers = nn.Sequential(
            *_convolutions(shape[0], widths),
            nn.Conv2d(widths[-1], widths[-1], 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(widths[-1] * math.prod(grid), features),
            nn.LeakyReLU(0.2),
        )

    def forward(self, y: Tensor) -> Tensor:
        """Maps images (B, channels, height, width) to features (B, features)."""
        return self.layers(_padded(y, self.size))


def _convolutions(channels: int, widths: list[int], *, normalised: bool = False) -> list[nn.Module]:
    """Layers that halve an image each; all but the first are normalised by the batch, or none is."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise([channels, *widths])):
        by_batch = normalised and i > 0
        layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=not by_batch))
        if by_batch:
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return layers


def _padded(y: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (B, C, H, W) with zeros around them, up to a size."""
    bottom, right = size[0] - y.shape[2], size[1] - y.shape[3]
    return F.pad(y, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))


def _pyramid(shape: tuple[int, int, int], width: int) -> tuple[list[int], tuple[int, int], tuple[int, int]]:
    """The channels of each grid, finest first; the coarsest grid; and the size of the image that halves to it.

    The coarsest has at least 4 rows and columns, or 2 if that halves the image twice.
    """
    side = min(shape[1:])
    halvings = max(1, min(2, int(math.log2(side / 2))), int(math.log2(side / 4)))
    rows, columns = -(-shape[1] // 2**halvings), -(-shape[2] // 2**halvings)
    widths = [width * 2**i for i in range(halvings)]
    return widths, (rows, columns), (rows * 2**halvings, columns * 2**halvings)


def _start(layer: nn.Module) -> None:
    """Draws the weights of a layer as the paper does, with standard deviation 0.02."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | Injection):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and layer.bias is not None:
        nn.init.zeros_(layer.bias)
