"""Retouching: what is added to each pixel of an image, given the pixel, those around it, and a vector.

Convolutions at full size, without normalisation. A layer begins as a map of single pixels: only the middle of its
kernel is drawn, all around it is zero, and the last layer is zero, so that a fresh network adds nothing. What lies
around a pixel is taken into account as far as it helps. Networks that begin with whole kernels, and pyramids more so,
answer a critic first with a glow around what should change.

A pixel sees 1 + 2 ``reach`` pixels across; with ``reach`` 0 an image is recoloured and nothing is moved.

The vector scales and shifts the features of every hidden layer. Joined to the input instead, it can only move what
layers are bent at, while a class chooses which channel goes where.

References:
    FiLM: Visual Reasoning with a General Conditioning Layer (Perez et al., 2017) https://arxiv.org/abs/1709.07871
    StarGAN-VC2 (Kaneko et al., 2019), section 3.2, for maps between classes https://arxiv.org/abs/1907.12279
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Retouch"]

LEAST = 2  # hidden layers


@final
class Retouch(nn.Module):
    """Maps images to what is added to them.

    Args:
        channels: The channels of the image.
        width: The features of each pixel.
        reach: How many pixels around one are seen.
        context: The length of the vector, 0 for none.

    Example:
        >>> Retouch(3, width=8, context=2)(torch.zeros(4, 3, 9, 14), torch.zeros(4, 2)).shape
        torch.Size([4, 3, 9, 14])
    """

    def __init__(self, channels: int, *, width: int = 32, reach: int = 1, context: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 1)
        kernels = [3 if i < reach else 1 for i in range(max(reach, LEAST))]
        self.layers = nn.ModuleList(nn.Conv2d(width, width, kernel, padding=kernel // 2) for kernel in kernels)
        self.modulate = nn.ModuleList(nn.Linear(context, 2 * width) for _ in range(len(kernels) + 1) if context)
        self.last = nn.Conv2d(width, channels, 1)
        for layer, kernel in zip(self.layers, kernels, strict=True):
            middle = nn.Conv2d(width, width, 1).weight  # drawn as if there were nothing around
            layer.weight = nn.Parameter(F.pad(middle.detach(), (kernel // 2,) * 4))
        for p in self.last.parameters():
            nn.init.zeros_(p)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps images (B, C, H, W) and vectors (B, context) to images of the same shape."""
        h = x
        for i, layer in enumerate([self.first, *self.layers]):
            h = layer(h)
            if context is not None:
                scale, shift = self.modulate[i](context)[:, :, None, None].chunk(2, 1)  # (B, width, 1, 1) each
                h = torch.addcmul(shift, h, 1 + scale)
            h = F.leaky_relu(h, 0.2)
        return self.last(h)
