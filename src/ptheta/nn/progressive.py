"""The networks of Progressive GANs: images that grow from 4 x 4 on, a doubling at a time, each faded in.

How far they have grown is one number g from 0, which is 4 x 4, to L. Between l - 1 and l the last doubling is fading
in, by the share a = g - (l - 1):

    the generator gives     (1 - a) up(rgb_(l-1)(h)) + a rgb_l(block_l(h))
    the critic sees         (1 - a) from_(l-1)(down(y)) + a block_l(from_l(y))

so at a = 0 each is the smaller network between an enlarging and a shrinking of images, and at a = 1 the larger one. All
images have the full size: a smaller one is shown by repeating its pixels, and looked at by the mean of them.

    EqualisedLinear, EqualisedConv    weights are N(0, 1) and divided by the root of the inputs when they are used, so
                                      every layer starts with unit variance and learns at one rate
    pixel_normed                      features of a pixel have mean square one
    deviation                         how much a batch varies, as one more map: the critic sees when fakes are alike

Cost: what the size reached so far costs. A batch has statistics in the critic, so no example is alone.

References:
    Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras, Aila, Laine & Lehtinen, 2018)
    https://arxiv.org/abs/1710.10196
"""

import math
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "EqualisedConv",
    "EqualisedLinear",
    "ProgressiveCritic",
    "ProgressiveGenerator",
    "deviation",
    "doublings",
    "pixel_normed",
]

SMALLEST = 4
TINY = 1e-8


def doublings(shape: tuple[int, ...]) -> int:
    """How often a 4 x 4 image is doubled to one of this shape; raises ValueError where it never is."""
    sides = shape[1:]
    times = max(0, round(math.log2(max(1, *sides) / SMALLEST))) if len(shape) == 3 else 0
    if len(shape) != 3 or any(side != SMALLEST * 2**times for side in sides):
        raise ValueError(
            "progressive networks grow square images of 4, 8, 16, 32, ... pixels a side, (channels, side, side), but "
            f"the shape is {tuple(shape)}."
        )
    return times


def pixel_normed(h: Tensor) -> Tensor:
    """Features (B, C, *) scaled to a mean square of one at every pixel (section 4.2)."""
    return h * (h.square().mean(1, keepdim=True) + TINY).rsqrt()


def deviation(h: Tensor) -> Tensor:
    """Features (B, C, H, W) and one more map: their standard deviation in the batch, averaged (section 3)."""
    spread = (h.var(0, correction=0) + TINY).sqrt().mean() - math.sqrt(TINY)  # nothing where all are equal
    return torch.cat([h, spread.expand(len(h), 1, *h.shape[2:])], 1)


@final
class EqualisedLinear(nn.Module):
    """A dense layer whose weights are scaled when they are used.

    Args:
        inputs: The number of input features.
        outputs: The number of output features.
        gain: The standard deviation of the outputs for inputs of mean square one.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> round(float(EqualisedLinear(900, 5000, gain=1.0)(torch.ones(1, 900)).detach().std()), 1)
        1.0
    """

    def __init__(self, inputs: int, outputs: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outputs, inputs)), nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs) to (B, outputs)."""
        return F.linear(x, self.weight * self.scale, self.bias)


@final
class EqualisedConv(nn.Module):
    """A convolution that keeps the size, whose weights are scaled when they are used.

    Args:
        inputs: The number of input channels.
        outputs: The number of output channels.
        kernel: The side of the kernel; odd.
        gain: The standard deviation of the outputs for inputs of mean square one.

    Example:
        >>> EqualisedConv(3, 5)(torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 5, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias, self.scale = nn.Parameter(torch.zeros(outputs)), gain / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, H, W)."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding="same")


@final
class ProgressiveGenerator(nn.Module):
    """Maps latents, whose last number is the growth g, to images of unbounded numbers at full size.

    Args:
        latent: The number of latent variables besides g.
        shape: The shape of one image at full size, (channels, side, side).
        width: The channels at full size; each coarser grid has twice as many, up to four times.

    Example:
        >>> ProgressiveGenerator(5, (3, 8, 8), width=2)(torch.ones(2, 6)).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(self, latent: int, shape: tuple[int, ...], width: int = 16) -> None:
        super().__init__()
        self.levels, self.side = doublings(shape), shape[1]
        widths = _widths(width, self.levels)
        self.project = EqualisedLinear(latent, widths[0] * SMALLEST**2, math.sqrt(2) / 4)
        before = widths[:1] + widths[:-1]
        self.first = nn.ModuleList(map(EqualisedConv, before, widths))
        self.second = nn.ModuleList(map(EqualisedConv, widths, widths))
        self.images = nn.ModuleList(EqualisedConv(w, shape[0], 1, 1.0) for w in widths)

    def forward(self, z: Tensor) -> Tensor:
        """Maps (B, latent + 1) to (B, channels, side, side)."""
        level, share = _grown(z[:1, -1], self.levels)
        h = pixel_normed(self.project(pixel_normed(z[:, :-1])).unflatten(1, (-1, SMALLEST, SMALLEST)))
        before = h
        for i, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            if i > level:
                break
            before, h = h, _doubled(h) if i else h
            h = pixel_normed(F.leaky_relu(first(h), 0.2))
            h = pixel_normed(F.leaky_relu(second(h), 0.2))
        y = self.images[level](h)
        if share < 1:
            y = torch.lerp(_doubled(self.images[level - 1](before)), y, share)
        return _repeated(y, self.side // y.shape[2])


@final
class ProgressiveCritic(nn.Module):
    """Maps images at full size, and the growth g, to one number each.

    Args:
        shape: The shape of one image at full size, (channels, side, side).
        width: The channels at full size; each coarser grid has twice as many, up to four times.

    Example:
        >>> ProgressiveCritic((3, 8, 8), width=2)(torch.zeros(2, 3, 8, 8), torch.tensor([0.5])).shape
        torch.Size([2])
    """

    def __init__(self, shape: tuple[int, ...], width: int = 16) -> None:
        super().__init__()
        self.levels = doublings(shape)
        widths = _widths(width, self.levels)
        self.images = nn.ModuleList(EqualisedConv(shape[0], w, 1) for w in widths)
        self.first = nn.ModuleList(map(EqualisedConv, widths[1:], widths[1:]))
        self.second = nn.ModuleList(map(EqualisedConv, widths[1:], widths))
        self.last = EqualisedConv(widths[0] + 1, widths[0])
        self.dense = EqualisedLinear(widths[0] * SMALLEST**2, widths[0])
        self.score = EqualisedLinear(widths[0], 1, 1.0)

    def forward(self, y: Tensor, growth: Tensor) -> Tensor:
        """Maps images (B, channels, side, side) and one number g, with shape (1,), to numbers (B,)."""
        level, share = _grown(growth, self.levels)
        y = F.avg_pool2d(y, 2 ** (self.levels - level))
        h = F.leaky_relu(self.images[level](y), 0.2)
        for i in range(level, 0, -1):
            h = F.leaky_relu(self.first[i - 1](h), 0.2)
            h = F.leaky_relu(self.second[i - 1](h), 0.2)
            h = F.avg_pool2d(h, 2)
            if i == level and share < 1:
                before = F.leaky_relu(self.images[level - 1](F.avg_pool2d(y, 2)), 0.2)
                h = torch.lerp(before, h, share)
        h = F.leaky_relu(self.last(deviation(h)), 0.2)
        return self.score(F.leaky_relu(self.dense(h.flatten(1)), 0.2)).squeeze(1)


def _widths(width: int, levels: int) -> list[int]:
    """The channels of each grid, the coarsest first."""
    return [width * min(2**i, 4) for i in reversed(range(levels + 1))]


def _grown(growth: Tensor, levels: int) -> tuple[int, float]:
    """The grid that g has reached, and the share of it that is faded in."""
    g = float(growth[0]) if len(growth) else float(levels)
    level = math.ceil(g)
    return level, 1.0 if g == level else g - (level - 1)


def _doubled(h: Tensor) -> Tensor:
    return _repeated(h, 2)


def _repeated(h: Tensor, times: int) -> Tensor:
    return h if times == 1 else F.interpolate(h, scale_factor=times, mode="nearest")
