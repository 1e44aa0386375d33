"""Networks of a puzzle: a set of patches without places becomes one vector, and a vector an image with a mask.

Each patch is read by the same layers, and what was read is added up. Numbers are sorted before they are added, so the
order of patches changes nothing, to the last bit. How many of the same patch there are does matter.

References:
    Deep Sets (Zaheer et al., 2017) https://arxiv.org/abs/1703.06114
"""

import math
from typing import final

from torch import Tensor, nn

from ptheta.nn.contexts import Reader
from ptheta.nn.dcgan import DCGANGenerator
from ptheta.spaces import Space, Symbols

__all__ = ["PatchReader", "Placer"]


@final
class PatchReader(Reader):
    """Reads patches that were joined by their channels, whatever their order, as one vector.

    Args:
        space: Joined patches: (count * channels, side, side), no symbols.
        channels: The channels of one patch.
        features: The length F of the vector.
        hidden: The width of the layers that read a patch.

    Example:
        >>> import torch
        >>> from ptheta import Levels
        >>> PatchReader(Levels((6, 5, 5), 256), 3, features=8)(torch.zeros(2, 6, 5, 5).byte()).shape
        torch.Size([2, 8])
    """

    def __init__(self, space: Space, channels: int, *, features: int = 128, hidden: int = 256) -> None:
        super().__init__(space, (features,))
        if len(space.shape) != 3 or space.shape[0] % channels or isinstance(space, Symbols):
            raise ValueError(f"PatchReader reads patches with {channels} channels, but a context is of {space}.")
        self.count = space.shape[0] // channels
        self.each = nn.Sequential(
            nn.Linear(math.prod(space.shape) // self.count, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.all = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, features))

    def forward(self, context: Tensor) -> Tensor:
        y = self.space.embed(context, self.like.dtype)
        y = y.reshape(len(context), self.count, math.prod(self.space.shape) // self.count)
        return self.all(self.each(y).sort(1).values.sum(1))  # sorted: sums of floats depend on their order


@final
class Placer(nn.Module):
    """Maps latents and a vector to an image and to where the patches lie in it.

    Args:
        latent: The number of latent variables.
        shape: Channels, height and width of the image.
        context: The length of the vector.
        width: The channels at the finest grid; each coarser one has twice as many.

    Example:
        >>> import torch
        >>> image, mask = Placer(4, (3, 9, 8), 5, width=4).both(torch.zeros(2, 4), torch.zeros(2, 5))
        >>> image.shape, mask.shape
        (torch.Size([2, 3, 9, 8]), torch.Size([2, 9, 8]))
    """

    def __init__(self, latent: int, shape: tuple[int, ...], context: int, *, width: int = 16) -> None:
        super().__init__()
        channels, height, breadth = shape
        self.decoder = DCGANGenerator(latent, (channels + 1, height, breadth), width, context=(context,))

    def both(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Unbounded numbers of images (B, C, H, W), and logits of the mask (B, H, W)."""
        y = self.decoder(z, context)
        return y[:, :-1], y[:, -1]

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        """The images alone."""
        return self.both(z, context)[0]
