"""What networks see of a context: a reader turns it into a vector or into maps, and networks take what was read.

    Flat            the embedded context, flattened                       (F,)       nothing to learn
    ClassReader     a learned vector for each class                       (F,)       one-hot without its many zeros
    TextReader      a sequence of symbols, read from both ends            (F,)       "a b" and "b a" differ
    PictureReader   maps at the size of the network's images              (C, H, W)  what is where stays where
    Maps            the embedded picture or film at its own size          (C, H, W)  nothing to learn

``reader_of`` chooses by what a context is and by whether the network that asks works on images. A reader belongs to a
model and is trained with it, and it sees one context at a time: no statistics of a batch.

Networks of vectors join what was read to their input. Networks of images take both: a vector moves the features of all
pixels alike, maps move those of each pixel by what lies there, by a 1 x 1 convolution (``Injection``; where features
come last, a linear layer on ``features_last``). Cost: one pass of the reader per context, however often it is used.

What is given need not lie where it matters: of an upper half, the last row matters most to the first row below. So the
kernels of a ``PictureReader`` look 1, 2, 4, ... pixels apart, until each pixel of the maps sees the whole picture.

Known limits:
    A picture is stretched to the size of the image, whatever its own. A text takes as many steps as it has symbols.

References:
    Learning Phrase Representations using RNN Encoder-Decoder (Cho et al., 2014) https://arxiv.org/abs/1406.1078
    Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), eq. 4 (a vector) and 5 (maps)
    https://arxiv.org/abs/1606.05328
    Multi-Scale Context Aggregation by Dilated Convolutions (Yu & Koltun, 2015) https://arxiv.org/abs/1511.07122
    Image Super-Resolution via Iterative Refinement (Saharia et al., 2021) https://arxiv.org/abs/2104.07636
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.residual import ResidualBlock
from ptheta.spaces import Space, Symbols

__all__ = [
    "ClassReader",
    "Flat",
    "Injection",
    "Maps",
    "PictureReader",
    "Reader",
    "TextReader",
    "at",
    "features_last",
    "read",
    "reader_of",
    "resized",
    "shape_of",
    "width_of",
]

MANY = 256  # classes, above which each gets a learned vector instead of a place in a one-hot one


class Reader(nn.Module, ABC):
    """Maps contexts to what networks see of them, each by itself, in the type of the reader's own numbers.

    Args:
        space: What one context is.
        shape: What it is read as: (F,) for a vector, (C, H, W) for maps.
    """

    like: Tensor

    def __init__(self, space: Space, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.space, self.shape = space, shape
        self.register_buffer("like", torch.zeros(()), persistent=False)  # knows the type, also without parameters

    @abstractmethod
    def forward(self, context: Tensor) -> Tensor:
        """Maps contexts with shape (B, *space.shape) to what networks see, with shape (B, *shape)."""


@final
class Flat(Reader):
    """The embedded context as one vector. There is nothing to learn.

    Args:
        space: What one context is.

    Example:
        >>> from ptheta import Classes
        >>> Flat(Classes(3))(torch.tensor([0, 2]))
        tensor([[1., 0., 0.],
                [0., 0., 1.]])
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space, (math.prod(space.embedded_shape),))

    def forward(self, context: Tensor) -> Tensor:
        return self.space.embed(context, self.like.dtype).reshape(len(context), *self.shape)


@final
class ClassReader(Reader):
    """A learned vector for each class.

    Args:
        space: Classes: ``Symbols`` of shape ().
        features: The length F of the vector.

    Example:
        >>> from ptheta import Classes
        >>> ClassReader(Classes(1000), features=8)(torch.tensor([7, 999])).shape
        torch.Size([2, 8])
    """

    def __init__(self, space: Space, *, features: int = 64) -> None:
        super().__init__(space, (features,))
        if not isinstance(space, Symbols) or space.shape:
            raise ValueError(f"ClassReader reads classes, Symbols of shape (), but a context is of {space}.")
        self.vectors = nn.Embedding(space.n, features)

    def forward(self, context: Tensor) -> Tensor:
        return self.vectors(context)


@final
class TextReader(Reader):
    """A vector of a sequence of symbols, by a recurrent layer that reads it from both ends.

    Args:
        space: Sequences of any length: ``Symbols`` of shape (length,).
        features: The length F of the vector; even.
        width: The length of the vector of one symbol.

    Example:
        >>> from ptheta import Tokens
        >>> read = TextReader(Tokens(3, 10), features=8)
        >>> one, other = read(torch.tensor([[1, 2, 3], [2, 1, 3]]))
        >>> one.shape, bool((one == other).any())
        (torch.Size([8]), False)
    """

    def __init__(self, space: Space, *, features: int = 64, width: int = 32) -> None:
        super().__init__(space, (features,))
        if not isinstance(space, Symbols) or len(space.shape) != 1:
            raise ValueError(f"TextReader reads sequences of symbols, but a context is of {space}.")
        if features % 2:
            raise ValueError(f"features should be even, one half for each direction, but it is {features}.")
        self.vectors = nn.Embedding(space.n, width)
        self.directions = nn.GRU(width, features // 2, batch_first=True, bidirectional=True)

    def forward(self, context: Tensor) -> Tensor:
        _, last = self.directions(self.vectors(context))  # (2, B, F / 2), the state at either end
        return last.transpose(0, 1).flatten(1)


@final
class PictureReader(Reader):
    """Maps at the size of the network's images: the picture stretched to that size, then convolutions.

    Args:
        space: Pictures of any size, or anything else of shape (channels, height, width).
        size: Height and width of the maps.
        features: The number of maps.
        blocks: The number of residual blocks; a pixel sees 2^(blocks + 1) - 1 pixels far. None lets it see them all.

    Example:
        >>> from ptheta import Levels
        >>> PictureReader(Levels((3, 4, 4), 256), (8, 12), features=6)(torch.zeros(2, 3, 4, 4).byte()).shape
        torch.Size([2, 6, 8, 12])
    """

    def __init__(self, space: Space, size: Sequence[int], *, features: int = 16, blocks: int | None = None) -> None:
        height, width = size
        super().__init__(space, (features, height, width))
        if len(space.shape) != 3:
            raise ValueError(
                f"PictureReader reads pictures of shape (channels, height, width), but a context is of {space}."
            )
        self.first = nn.Conv2d(_channels(space), features, 3, padding=1)
        blocks = max(1, (max(height, width) - 1).bit_length() - 1) if blocks is None else blocks
        self.blocks = nn.Sequential(*(ResidualBlock(features, dilation=2**i) for i in range(blocks)))

    def forward(self, context: Tensor) -> Tensor:
        return self.blocks(self.first(resized(_as_maps(self.space, context, self.like), self.shape[1:])))


@final
class Maps(Reader):
    """The embedded picture, or the frames of a film, at its own size. There is nothing to learn.

    Args:
        space: Anything of shape (channels, height, width) or (frames, height, width).

    Example:
        >>> from ptheta import Levels
        >>> Maps(Levels((4, 5, 6), 256))(torch.zeros(2, 4, 5, 6).byte()).shape
        torch.Size([2, 4, 5, 6])
    """

    def __init__(self, space: Space) -> None:
        if len(space.shape) != 3:
            raise ValueError(f"Maps reads pictures or frames, of three axes, but a context is of {space}.")
        super().__init__(space, (_channels(space), *space.shape[1:]))

    def forward(self, context: Tensor) -> Tensor:
        return _as_maps(self.space, context, self.like)


def _channels(space: Space) -> int:
    """The channels of an embedded picture."""
    return math.prod(space.embedded_shape) // math.prod(space.shape[1:])


def _as_maps(space: Space, context: Tensor, like: Tensor) -> Tensor:
    """Embedded pictures (B, channels, height, width); of symbols with a channel for each symbol."""
    y = space.embed(context, like.dtype)
    return y if y.ndim == 4 else y.movedim(-1, 2).flatten(1, 2)  # symbols have their one-hot axis last


def reader_of(space: Space | None, size: Sequence[int] | None = None, given: Reader | None = None) -> Reader | None:
    """Chooses how a context is read.

    Args:
        space: What one context is, or None.
        size: Height and width of the images that the network works on; None for a network of vectors.
        given: A reader made by hand, which is then the answer.

    Returns:
        A fresh reader, or None where there is no context.

    Raises:
        ValueError: If the reader made by hand reads other contexts.
    """
    if given is not None:
        if given.space != space:
            raise ValueError(f"the reader reads contexts of {given.space}, but those of the model are of {space}.")
        return given
    if space is None:
        return None
    if size is not None and len(space.shape) == 3:
        return PictureReader(space, size)
    if isinstance(space, Symbols) and len(space.shape) == 1:
        return TextReader(space)
    if isinstance(space, Symbols) and not space.shape and space.n > MANY:
        return ClassReader(space)
    return Flat(space)


def read(reader: Reader | None, context: Tensor | None) -> Tensor | None:
    """What a reader sees of contexts, with shape (B, *reader.shape), or None where there is none of either."""
    return None if reader is None or context is None else reader(context)


def shape_of(reader: Reader | None) -> tuple[int, ...]:
    """The shape of what is read, () without a reader: what networks of images ask for."""
    return () if reader is None else reader.shape


def width_of(reader: Reader | None, who: str) -> int:
    """How many numbers are read, 0 without a reader: what networks of vectors ask for.

    Args:
        reader: The reader, or None.
        who: Who asks, for the sentence that refuses maps.

    Returns:
        F of a vector.

    Raises:
        ValueError: If it reads maps.
    """
    if reader is not None and len(reader.shape) != 1:
        raise ValueError(
            f"{who} takes a context as a vector, but its reader gives maps of shape {reader.shape}. "
            "Give it Flat, or no reader: then one is chosen."
        )
    return 0 if reader is None else reader.shape[0]


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Stretches maps (B, C, H, W) to a height and width.

    Pixels are repeated where the size grows by whole factors, averaged where it shrinks, else interpolated.
    """
    (before, after) = maps.shape[-2:], tuple(size)
    if before == after:
        return maps
    if all(a % b == 0 for a, b in zip(after, before, strict=True)):
        return F.interpolate(maps, after, mode="nearest")
    if all(a <= b for a, b in zip(after, before, strict=True)):
        return F.interpolate(maps, after, mode="area")
    return F.interpolate(maps, after, mode="bilinear")


def features_last(read: Tensor, size: Sequence[int]) -> Tensor:
    """What was read, for features that come last: (B, 1, 1, F) of a vector, (B, h, w, C) of maps at a size."""
    return read[:, None, None] if read.ndim == 2 else resized(read, size).permute(0, 2, 3, 1)


def at(features: Tensor, *place: int) -> Tensor:
    """Features (B, h, w, F) at a row, (B, w, F), or at a pixel, (B, F); axes of size 1 are the same everywhere."""
    for index in place:
        features = features[:, min(index, features.shape[1] - 1)]
    return features


@final
class Injection(nn.Module):
    """Puts what was read of a context into the features of a convolution, as a bias per feature, of maps per pixel.

    Args:
        shape: The shape of what was read: (F,) or (C, H, W).
        width: The number of features.

    Example:
        >>> Injection((5,), 8)(torch.zeros(2, 5), (6, 6)).shape
        torch.Size([2, 8, 1, 1])
        >>> Injection((5, 6, 6), 8)(torch.zeros(2, 5, 6, 6), (3, 3)).shape
        torch.Size([2, 8, 3, 3])
    """

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(shape[0], width, bias=False).weight

    def forward(self, read: Tensor, size: Sequence[int]) -> Tensor:
        """Maps (B, F) to (B, width, 1, 1), or maps (B, C, H, W) to (B, width, *size)."""
        if read.ndim == 2:
            return F.linear(read, self.weight)[..., None, None]
        return F.conv2d(resized(read, size), self.weight[:, :, None, None])
