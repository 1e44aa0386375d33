"""Enlarging: an image from a smaller one, by residual blocks at the small size and sub-pixel convolutions at the end.

The work is done where there are few pixels; then each doubling makes four values per output, which are shuffled into
place. What goes in, stretched, is added to what comes out, so that only the detail is learned. Latents scale and shift
the features of every block. There is no normalisation: no example depends on another.

Anything but a smaller picture is an image of a fourth of the size that is learned, moved by what was read.

References:
    Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network (Ledig et al., 2016), figure 4,
    whose batch normalisation is left out as in
    Enhanced Deep Residual Networks for Single Image Super-Resolution (Lim et al., 2017)
    https://arxiv.org/abs/1707.02921
    Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network
    (Shi et al., 2016) https://arxiv.org/abs/1609.05158
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.contexts import resized

__all__ = ["Enlarger"]

LARGEST = 0.9  # of the range of levels that a hyperbolic tangent reaches, where what goes in is added to what comes out
DOUBLINGS = 2  # where what is given is no smaller picture


@final
class Enlarger(nn.Module):
    """Maps latents and what was read of contexts to images of unbounded numbers.

    Args:
        latent: The number of latent variables.
        shape: Channels, height and width of the image that comes out.
        context: The shape of what is read of a context, (F,) or (C, h, w).
        width: The number of feature maps.
        blocks: The number of residual blocks at the small size.
        bounded: Whether a hyperbolic tangent follows, as on levels and bits.

    Example:
        >>> net = Enlarger(5, (3, 12, 8), context=(3, 3, 2), width=8)
        >>> net(torch.zeros(4, 5), torch.zeros(4, 3, 3, 2)).shape
        torch.Size([4, 3, 12, 8])
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        *,
        context: tuple[int, ...],
        width: int = 32,
        blocks: int = 4,
        bounded: bool = True,
    ) -> None:
        super().__init__()
        channels, *self.size = shape
        self.bounded, self.channels = bounded, channels
        self.small, doublings = _small((self.size[0], self.size[1]), context)
        maps, vector = (context[0], 0) if len(context) == 3 else (width, sum(context))
        self.start = None if len(context) == 3 else nn.Parameter(torch.randn(1, width, *self.small))
        self.first = nn.Conv2d(maps, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(width, latent + vector) for _ in range(blocks))
        self.up = nn.ModuleList(nn.Conv2d(width, 4 * width, 3, padding=1) for _ in range(doublings))
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        with torch.no_grad():
            self.last.weight.mul_(0.1)

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        """Maps latents (B, latent) and contexts as they were read to images (B, channels, height, width)."""
        if self.start is None:
            given = resized(context, self.small)
        else:
            given, z = self.start.expand(len(z), -1, -1, -1), torch.cat([z, context], 1)
        first = h = self.first(given)
        for block in self.blocks:
            h = block(h, z)
        h = F.silu(h + first)
        for layer in self.up:
            h = F.silu(F.pixel_shuffle(layer(h), 2))
        y = self.last(h if h.shape[2:] == tuple(self.size) else resized(h, self.size))
        if given.shape[1] != self.channels or self.start is not None:
            return y
        base = F.interpolate(given, tuple(self.size), mode="bicubic", align_corners=False)
        return y + (base.clamp(-LARGEST, LARGEST).atanh() if self.bounded else base)


@final
class _Block(nn.Module):
    """Two convolutions around a skip, with features that latents scale and shift between them."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(latent, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """Maps features (B, width, H, W) and latents (B, latent) to features of the same shape."""
        scale, shift = self.modulate(z)[:, :, None, None].chunk(2, 1)
        return h + self.second(F.silu(torch.addcmul(shift, self.first(h), 1 + scale)))


def _small(size: tuple[int, int], context: tuple[int, ...]) -> tuple[tuple[int, int], int]:
    """The size at which the blocks work, and how often it is doubled after them."""
    if len(context) == 3 and context[1] < size[0] and context[2] < size[1]:
        ratio = min(size[0] / context[1], size[1] / context[2])
        return (context[1], context[2]), max(1, round(ratio).bit_length() - 1)
    return (-(-size[0] // 2**DOUBLINGS), -(-size[1] // 2**DOUBLINGS)), DOUBLINGS
