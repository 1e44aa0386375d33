"""The residual block of plain convolutional networks, without normalisation: no example depends on another.

References:
    Deep Residual Learning for Image Recognition (He et al., 2015) https://arxiv.org/abs/1512.03385
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ResidualBlock"]


@final
class ResidualBlock(nn.Module):
    """Adds a correction of two convolutions to its input; small at first, so that deep stacks start near the identity.

    Args:
        width: The number of feature maps, in and out.
        dilation: How many pixels apart its 3 x 3 kernels look.
    """

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps features with shape (B, width, H, W) to the same shape."""
        return x + self.second(F.silu(self.first(F.silu(x))))
