"""U-Net: an image to an image of the same size, given a time and context features.

Residual blocks go down a pyramid of resolutions and up again; each block on the way up sees what the way down knew at
its resolution. Time and context scale and shift the normalised features of every block. Any height and width: the image
is padded at the bottom and right to what the pyramid needs, and the result is cropped. With ``patch`` p, each p x p
patch becomes one position of p * p * channels numbers first, which costs 1 / p^2 of the work at equal width.

The last layers start at zero, so a fresh network returns zeros and each residual block is the identity. A context that
was read as a vector joins the time; maps are further channels of the input.

References:
    U-Net: Convolutional Networks for Biomedical Image Segmentation (Ronneberger, Fischer & Brox, 2015)
    https://arxiv.org/abs/1505.04597
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), appendix B, https://arxiv.org/abs/2006.11239
    Diffusion Models Beat GANs on Image Synthesis (Dhariwal & Nichol, 2021), section 3, https://arxiv.org/abs/2105.05233
    Image Super-Resolution via Iterative Refinement (SR3, Saharia et al., 2021), https://arxiv.org/abs/2104.07636
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.contexts import resized
from ptheta.nn.embeddings import TimeEmbedding

__all__ = ["Translator", "UNet", "in_patches"]


@final
class UNet(nn.Module):
    """Maps images to images of the same size, given times and context features.

    Args:
        channels: The channels of the image.
        outputs: Those of the image that comes out; None for as many.
        width: The channels of the features at the first resolution; a multiple of 8.
        multipliers: The width at each resolution, as a multiple; each resolution halves the last.
        blocks: Residual blocks per resolution and direction.
        patch: The side of the patches that become one position.
        attention: Whether positions attend to each other at the lowest resolution.
        context: The shape of what is read of a context, (F,) or (C, H, W); () for none.

    Example:
        >>> network = UNet(3, width=8, context=(2,))
        >>> network(torch.zeros(4, 3, 9, 14), torch.rand(4), torch.zeros(4, 2)).shape
        torch.Size([4, 3, 9, 14])
    """

    def __init__(
        self,
        channels: int,
        outputs: int | None = None,
        *,
        width: int = 32,
        multipliers: tuple[int, ...] = (1, 2),
        blocks: int = 1,
        patch: int = 1,
        attention: bool = True,
        context: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        embedding, pixels = 4 * width, channels * patch**2
        vector, maps = (0, context[0]) if len(context) == 3 else (sum(context), 0)
        widths, leaving = [width * m for m in multipliers], (channels if outputs is None else outputs) * patch**2
        self.patch = patch
        self.multiple = patch * 2 ** (len(widths) - 1)
        self.embed = TimeEmbedding(embedding, vector)
        self.enter = nn.Conv2d(pixels + maps * patch**2, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        last, skips = width, [width]
        for level, w in enumerate(widths):
            if level:
                self.down.append(Downsample(last))
                skips.append(last)
            for _ in range(blocks):
                self.down.append(ResidualBlock(last, w, embedding))
                skips.append(last := w)
        self.middle = nn.ModuleList([ResidualBlock(last, last, embedding), ResidualBlock(last, last, embedding)])
        self.attention = Attention(last) if attention else nn.Identity()
        for level, w in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(ResidualBlock(last + skips.pop(), w, embedding))
                last = w
            if level:
                self.up.append(Upsample(last, last := widths[level - 1]))
        self.leave = nn.Sequential(normalisation(last), nn.SiLU(), zeroed(nn.Conv2d(last, leaving, 3, padding=1)))

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps images (B, C, H, W), times (B,) in [0, 1] and contexts as they were read to (B, outputs, H, W)."""
        height, width = x.shape[-2:]
        if context is not None and context.ndim == 4:
            x, context = torch.cat([x, resized(context, (height, width))], 1), None  # as SR3 does
        embedding = F.silu(self.embed(t, context))
        padded = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple))
        h = self.enter(in_patches(padded, self.patch))
        skips = [h]
        for layer in self.down:
            h = layer(h, embedding)
            skips.append(h)
        h = self.middle[1](self.attention(self.middle[0](h, embedding)), embedding)
        for layer in self.up:
            h = layer(torch.cat([h, skips.pop()], 1) if isinstance(layer, ResidualBlock) else h, embedding)
        return F.pixel_shuffle(self.leave(h), self.patch)[..., :height, :width]


@final
class ResidualBlock(nn.Module):
    """Two convolutions around a skip; the embedding scales and shifts the features between them."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Sequential(normalisation(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.modulate = nn.Linear(embedding, 2 * outputs)
        self.norm = normalisation(outputs)
        self.second = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Maps features (B, inputs, H, W) and an embedding (B, embedding) to features (B, outputs, H, W)."""
        scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, 1)  # (B, outputs, 1, 1) each
        h = torch.addcmul(shift, self.norm(self.first(x)), 1 + scale)
        return self.skip(x) + self.second(F.silu(h))


@final
class Attention(nn.Module):
    """Every position attends to every other, around a skip."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = normalisation(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.leave = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to features of the same shape."""
        qkv = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3 * self.heads, -1)).mT  # (B, 3 heads, H W, C / heads)
        h = F.scaled_dot_product_attention(*qkv.chunk(3, 1))
        return x + self.leave(h.mT.flatten(1, 2).unflatten(2, x.shape[-2:]))


@final
class Downsample(nn.Module):
    """Halves the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to (B, C, H / 2, W / 2)."""
        return self.conv(x)


@final
class Upsample(nn.Module):
    """Doubles the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Maps features (B, inputs, H, W) to (B, outputs, 2 H, 2 W)."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


def in_patches(x: Tensor, patch: int) -> Tensor:
    """Images (B, C, H, W) as grids of patches, (B, C patch^2, H / patch, W / patch), also where B is 0."""
    if patch == 1:
        return x
    cut = x.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # (B, C, rows, patch, columns, patch)
    return cut.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def normalisation(channels: int) -> nn.GroupNorm:
    """Group normalisation in groups of eight channels or fewer groups where they do not divide."""
    return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """Starts a layer at zero."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


@final
class Translator(nn.Module):
    """A U-Net from what is given to an image, in which latents scale and shift the features of every block.

    What was read as maps is the image that goes in; a vector joins the latents, and the image that goes in is learned.

    Args:
        latent: The number of latent variables.
        shape: Channels, height and width of the image that comes out.
        context: The shape of what is read of a context, (F,) or (C, H, W).
        width: The channels of the features at the first resolution; a multiple of 8.
        pyramid: Their multiples at each resolution.
        patch: The side of the patches that become one position.

    Example:
        >>> network = Translator(5, (3, 9, 14), context=(2, 9, 14), width=8)
        >>> network(torch.zeros(4, 5), torch.zeros(4, 2, 9, 14)).shape
        torch.Size([4, 3, 9, 14])
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        *,
        context: tuple[int, ...],
        width: int = 32,
        pyramid: tuple[int, ...] = (1, 2),
        patch: int = 1,
    ) -> None:
        super().__init__()
        channels, *self.size = shape
        maps, vector = (context[0], 0) if len(context) == 3 else (width, sum(context))
        self.start = None if len(context) == 3 else nn.Parameter(torch.randn(1, maps, *self.size))
        self.network = UNet(
            maps,
            channels,
            width=width,
            multipliers=pyramid,
            patch=patch,
            attention=False,
            context=(latent + vector,),
        )

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        """Maps latents (B, latent) and contexts as they were read to images of unbounded numbers."""
        time = z.new_zeros(len(z))
        if self.start is None:
            return self.network(resized(context, self.size), time, z)
        return self.network(self.start.expand(len(z), -1, -1, -1), time, torch.cat([z, context], 1))
