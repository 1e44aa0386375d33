"""Convolutional encoders and decoders for images of any size from 4 x 4 on and any number of channels.

The encoder halves the image (rounding up) until its shorter side is below 8, with strided convolutions; the decoder
runs the same sizes backwards. It enlarges by sub-pixel convolution: a convolution at the small size makes four values
per output, which are shuffled into place and cropped where the size is odd. That costs a quarter of convolving after
enlarging, and spares the transposed convolution, which is slow on a CPU for few channels.

There is no normalisation: no example depends on another, and training and evaluation agree. Contexts enter each
stage as a bias per feature, or where they are pictures per pixel.

References:
    Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network
    (Shi et al., 2016) https://arxiv.org/abs/1609.05158
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.contexts import Injection
from ptheta.nn.residual import ResidualBlock

__all__ = ["ConvDecoder", "ConvEncoder", "Pyramid", "halvings"]


def halvings(size: tuple[int, int], least: int = 8) -> list[tuple[int, int]]:
    """The sizes an image passes through when it is halved, rounding up, until a side is below ``least``.

    Args:
        size: Height and width, each at least 4.
        least: The shortest side that is still halved.

    Returns:
        The sizes, largest first, the image's own included.
    """
    if min(size) < 4:
        raise ValueError(f"convolutional networks need images of at least 4 x 4, but the size is {size}. Use an MLP.")
    sizes = [size]
    while min(sizes[-1]) >= least:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


@final
class ConvEncoder(nn.Module):
    """Maps images to vectors.

    Args:
        shape: Channels, height and width of the images.
        outputs: The number of output features.
        width: The number of feature maps after the first convolution; it doubles with each halving, up to four times.
        blocks: The number of residual blocks at the smallest size.
        hidden: The width of the dense layer before the last.
        context: The shape of what is read of a context; () for none.

    Example:
        >>> import torch
        >>> net = ConvEncoder((3, 9, 13), 10, width=4, hidden=16)
        >>> net(torch.zeros(2, 3, 9, 13)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        *,
        width: int = 32,
        blocks: int = 1,
        hidden: int = 256,
        context: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        channels, height, breadth = shape
        self.sizes = halvings((height, breadth))
        widths = _widths(width, len(self.sizes))
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1, stride=1)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, stride=2) for before, after in pairwise(widths)
        )
        self.context = nn.ModuleList(Injection(context, w) for w in widths if context)
        self.blocks = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(blocks)))
        flat = widths[-1] * self.sizes[-1][0] * self.sizes[-1][1]
        self.dense = nn.Linear(flat, hidden)
        self.last = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps images with shape (B, C, H, W) and contexts as they were read, (B, *context), to (B, outputs)."""
        h = F.silu(self.blocks(self.maps(x, context)[-1]))
        return self.last(F.silu(self.dense(h.flatten(1))))

    def maps(self, x: Tensor, context: Tensor | None = None) -> list[Tensor]:
        """The features at each size, largest first, each with shape (B, widths[i], *sizes[i])."""
        found = [F.silu(_shift(self.first(x), self.context, 0, context))]
        for i, layer in enumerate(self.down):
            found.append(F.silu(_shift(layer(found[-1]), self.context, i + 1, context)))
        return found


@final
class Pyramid(nn.Module):
    """The features of an encoder at every size but the largest, as one vector; sizes count alike.

    Args:
        encoder: Of images that are halved at least once.

    Example:
        >>> import torch
        >>> Pyramid(ConvEncoder((1, 8, 8), 2, width=4))(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 128])
    """

    def __init__(self, encoder: ConvEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        """Maps images (B, C, H, W) to vectors (B, features)."""
        found = [h.flatten(1) for h in self.encoder.maps(x)]
        found = found[1:] or found
        total = sum(h.shape[1] for h in found)
        return torch.cat([h * (total / (len(found) * h.shape[1])) ** 0.5 for h in found], 1)


@final
class ConvDecoder(nn.Module):
    """Maps vectors to images of vectors: ``outputs`` numbers for each channel of each pixel.

    Args:
        inputs: The number of input features.
        shape: Channels, height and width of the images.
        outputs: How many numbers each variable of the image gets, last in the result's shape.
        width: The number of feature maps at full size; it doubles with each halving, up to four times.
        blocks: The number of residual blocks at the smallest size.
        hidden: The width of the first dense layer.
        context: The shape of what is read of a context; () for none.

    Example:
        >>> import torch
        >>> net = ConvDecoder(10, (3, 9, 13), 2, width=4, hidden=16)
        >>> net(torch.zeros(2, 10)).shape
        torch.Size([2, 3, 9, 13, 2])
    """

    def __init__(
        self,
        inputs: int,
        shape: Sequence[int],
        outputs: int = 1,
        *,
        width: int = 32,
        blocks: int = 1,
        hidden: int = 256,
        context: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        channels, height, breadth = shape
        self.channels, self.outputs = channels, outputs
        self.sizes = halvings((height, breadth))
        widths = _widths(width, len(self.sizes))
        self.small = (widths[-1], *self.sizes[-1])
        self.first = nn.Linear(inputs, hidden)
        self.dense = nn.Linear(hidden, widths[-1] * self.sizes[-1][0] * self.sizes[-1][1])
        self.blocks = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(blocks)))
        self.up = nn.ModuleList(
            nn.Conv2d(before, 4 * after, 3, padding=1) for before, after in pairwise(reversed(widths))
        )
        self.context = nn.ModuleList(Injection(context, w) for w in reversed(widths) if context)
        self.last = nn.Conv2d(widths[0], channels * outputs, 3, padding=1)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps vectors with shape (B, inputs) and contexts as they were read to (B, C, H, W, outputs)."""
        h = self.dense(F.silu(self.first(z))).unflatten(1, self.small)
        h = F.silu(self.blocks(_shift(h, self.context, 0, context)))
        for i, layer in enumerate(self.up):
            height, breadth = self.sizes[-2 - i]
            h = F.pixel_shuffle(layer(h), 2)[..., :height, :breadth]
            h = F.silu(_shift(h, self.context, i + 1, context))
        return self.last(h).unflatten(1, (self.channels, self.outputs)).movedim(2, -1)


def _widths(width: int, sizes: int) -> list[int]:
    """The number of feature maps at each size, largest size first."""
    return [width * min(2**i, 4) for i in range(sizes)]


def _shift(h: Tensor, layers: nn.ModuleList, i: int, context: Tensor | None) -> Tensor:
    """Adds the bias that the context gives each feature map at stage i, or each of its pixels."""
    return h if context is None else h + layers[i](context, h.shape[2:])
