"""Convolutions that see the past only, on images whose features come last, and what they keep while an image is drawn.

The past of a pixel are the rows above it and the pixels to its left; kernels stop there, so that nothing is multiplied
by zeros that a mask put in. The channels of one pixel follow one another: features come in as many groups as there are
channels, in turn, and a mask at the kernel's last pixel says which groups see which. A layer that is the first to see
the image lets group g see the groups before g (mask A), all others let it see itself too (mask B).

While an image is drawn, pixel by pixel, each layer is asked for one group of one pixel. A ``PixelCache`` keeps what
the layer has seen of the last few rows; all that the rows above contribute is computed once per row, in one product. A
``RowCache`` serves layers that see whole rows. Both are called like the layer they stand for, so a network is written
once for whole images and for single pixels.
"""

import math
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CausalConv", "PixelCache", "Place", "RowCache"]

Mask = Literal["A", "B"]


@final
class CausalConv(nn.Module):
    """A convolution over pixels that come before, or are, the one it is at.

    Args:
        inputs: The number of input features.
        outputs: The number of output features.
        size: The rows and columns of the kernel. Its last row is that of the pixel itself.
        left: How many columns lie left of the pixel; None puts the pixel in the middle.
        mask: Which channel groups are seen of the pixel itself, and that nothing to its right is; None sees all that
            the kernel covers.
        groups: The number of channel groups; features are cut into equal groups.
        shift: How many rows and columns the whole kernel lies further up and left.
        stride: The step between outputs, in both directions.

    Example:
        >>> layer = CausalConv(1, 4, (2, 3), mask="A")
        >>> layer(torch.zeros(2, 5, 7, 1)).shape
        torch.Size([2, 5, 7, 4])
    """

    mask: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: tuple[int, int] = (1, 1),
        *,
        left: int | None = None,
        mask: Mask | None = None,
        groups: int = 1,
        shift: tuple[int, int] = (0, 0),
        stride: int = 1,
    ) -> None:
        super().__init__()
        if inputs % groups or outputs % groups:
            raise ValueError(f"{inputs} inputs and {outputs} outputs should be multiples of the {groups} groups.")
        self.left = (size[1] - 1) // 2 if left is None else left
        self.groups, self.shift, self.stride = groups, shift, stride
        bound = 1 / math.sqrt(inputs * math.prod(size))
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.is_masked = mask is not None and (groups > 1 or mask == "A" or self.left + 1 < size[1])
        allowed = torch.ones(outputs, inputs, *size, dtype=torch.bool)
        if mask is not None:
            allowed[:, :, -1, self.left + 1 :] = False
            allowed[:, :, -1, self.left] = channel_mask(inputs, outputs, groups, mask)
        self.register_buffer("mask", allowed, persistent=False)

    def kernel(self) -> Tensor:
        """The weights that count, with shape (outputs, inputs, rows, columns)."""
        return self.weight * self.mask if self.is_masked else self.weight

    def forward(self, x: Tensor) -> Tensor:
        """Maps features (B, H, W, inputs) to (B, H / stride, W / stride, outputs), rounding up."""
        kernel = self.kernel()
        rows, columns = kernel.shape[2:]
        if rows == columns == self.stride == 1 and self.shift == (0, 0):
            return F.linear(x, kernel[:, :, 0, 0], self.bias)
        (down, over), right = self.shift, columns - 1 - self.left
        x = F.pad(x, (0, 0, self.left + over, right - over, rows - 1 + down, -down))
        return F.conv2d(x.permute(0, 3, 1, 2), kernel, self.bias, self.stride).permute(0, 2, 3, 1)


def channel_mask(inputs: int, outputs: int, groups: int, mask: Mask) -> Tensor:
    """Which outputs see which inputs of their own pixel: Boolean, with shape (outputs, inputs)."""
    seeing = torch.arange(outputs)[:, None] * groups // outputs
    seen = torch.arange(inputs) * groups // inputs
    return seen < seeing if mask == "A" else seen <= seeing


@final
class Place:
    """Where the drawing is: a column, and a channel group; shared by the caches of one resolution."""

    column = 0
    group = 0


@final
class PixelCache:
    """A layer asked for one channel group of one pixel at a time, in raster order.

    Args:
        layer: The layer.
        n: How many images are drawn together.
        width: The number of columns of the layer's input.
        place: The pixel and group to answer for; ``put`` and ``at`` read it.
    """

    def __init__(self, layer: CausalConv, n: int, width: int, place: Place) -> None:
        kernel = layer.kernel()
        outputs, inputs, rows, columns = kernel.shape
        self.place, self.width, self.stride, self.over = place, width, layer.stride, layer.shift[1]
        self.is_pointwise = rows == columns == 1 and self.over == 0  # then nothing outlives a pixel
        self.left, self.bias, self.above_kernel = layer.left, layer.bias, kernel[:, :, :-1]
        self.inputs, self.outputs = (inputs // layer.groups, outputs // layer.groups)
        slots = 1 if self.is_pointwise else width + columns - 1 + self.over
        self.window = kernel.new_zeros(n, rows, slots, inputs)
        here = kernel[:, :, -1, : self.left + 1].permute(2, 1, 0).flatten(0, 1)  # (columns inputs, outputs)
        self.here = [weight.contiguous() for weight in here.chunk(layer.groups, 1)]
        self.above = [self.bias.chunk(layer.groups)] * width

    def next_row(self) -> None:
        """Starts a row: what all rows above contribute to it is computed at once."""
        if self.is_pointwise:
            return
        self.window = self.window.roll(-1, 1)  # what is left of the oldest row is noted over before it is seen
        if self.window.shape[1] > 1:
            x = self.window[:, :-1].permute(0, 3, 1, 2)
            above = F.conv2d(x, self.above_kernel, self.bias, (1, self.stride))  # (n, outputs, 1, W)
            self.above = [a.chunk(len(self.here), 1) for a in above[:, :, 0].permute(2, 0, 1).contiguous()]

    def put(self, x: Tensor) -> None:
        """Notes the input features of the place's pixel and group, with shape (n, inputs of a group)."""
        slot = 0 if self.is_pointwise else self.place.column + self.left + self.over
        group = self.place.group * self.inputs
        self.window[:, -1, slot, group : group + self.inputs] = x

    def at(self) -> Tensor:
        """The output features of the place's pixel and group, with shape (n, outputs of a group)."""
        group, column = self.place.group, 0 if self.is_pointwise else self.place.column
        seen = self.window[:, -1, column : column + self.left + 1].flatten(1)
        return torch.addmm(self.above[column // self.stride][group], seen, self.here[group])

    def row(self) -> Tensor:
        """The input features noted of the row so far, with shape (n, W, inputs)."""
        start = self.left + self.over
        return self.window[:, -1, start : start + self.width]

    def __call__(self, x: Tensor | None = None) -> Tensor:
        """Notes the input of this pixel and group, unless all it may see was noted by ``put``; returns its output."""
        if x is not None:
            self.put(x)
        return self.at()


@final
class RowCache:
    """A layer asked for one row after the other.

    Args:
        layer: The layer.
        n: How many images are drawn together.
        width: The number of columns of the layer's input.
    """

    def __init__(self, layer: CausalConv, n: int, width: int) -> None:
        self.layer, self.kernel = layer, layer.kernel()
        inputs, rows, columns = self.kernel.shape[1:]
        self.window = self.kernel.new_zeros(n, rows, width + columns - 1, inputs)
        self.inside = slice(layer.left, layer.left + width)

    def put(self, x: Tensor) -> None:
        """Notes the next input row, with shape (n, W, inputs)."""
        self.window = self.window.roll(-1, 1)
        self.window[:, -1, self.inside] = x

    def at(self) -> Tensor:
        """The output at the row noted last, or one further down for a shifted layer: (n, W / stride, outputs)."""
        return F.conv2d(self.window.permute(0, 3, 1, 2), self.kernel, self.layer.bias, self.layer.stride)[:, :, 0].mT

    def __call__(self, x: Tensor) -> Tensor:
        """Notes an input row, and returns its output."""
        self.put(x)
        return self.at()
