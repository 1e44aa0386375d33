"""Two streams of shifted convolutions at several resolutions, down and up again: the network of PixelCNN++.

One stream sees all rows above (kernels 2 x 3); the other sees what lies to the left as well (kernels 2 x 2), and is
told, block by block, what the first one made. Each goes through blocks at full size, half and a quarter, and back; on
the way up every block is handed the output of its twin on the way down.

Nothing sees ahead: a small pixel (I, J) is made of pixels up to (2I, 2J), which know of the image strictly before
(2I, 2J), and it is handed back to pixels (2I, 2J) to (2I + 1, 2J + 1), which may know that.

While an image is drawn, the first stream goes row by row and the second pixel by pixel. A resolution of 1 / 2^k is due
every 2^k rows and columns only; in between, what it last said is held.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.causal import CausalConv, PixelCache, Place, RowCache

__all__ = ["Pixels", "Rows", "Steps", "Stream", "Whole", "concat_elu", "halved"]


def halved(size: tuple[int, int], scales: int) -> list[tuple[int, int]]:
    """The sizes of an image halved again and again, rounding up: ``scales`` of them, the first one ``size``."""
    sizes = [size]
    while len(sizes) < scales:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


@final
class Stream(nn.Module):
    """One of the two streams.

    Args:
        width: The features of every block.
        kernel: The rows and columns of its kernels; the pixel lies in the last row.
        left: How many columns of the kernel lie left of the pixel.
        told: Whether each block is told the output of the other stream's.
        scales: The number of resolutions.
        blocks: The number of blocks at each resolution on the way down; on the way up one more, but at the smallest.
        context: The features of a context; 0 for none.
        dropout: The share of features zeroed inside a block while training.
    """

    def __init__(
        self,
        width: int,
        kernel: tuple[int, int],
        left: int,
        *,
        told: bool,
        scales: int,
        blocks: int,
        context: int,
        dropout: float,
    ) -> None:
        super().__init__()

        def some(n: int, skips: int) -> nn.ModuleList:
            return nn.ModuleList(GatedBlock(width, kernel, left, skips, context, dropout) for _ in range(n))

        self.scales = scales
        self.down = nn.ModuleList(some(blocks, int(told)) for _ in range(scales))
        self.up = nn.ModuleList(some(blocks + (k < scales - 1), 1 + told) for k in range(scales))
        self.shrink = nn.ModuleList(CausalConv(width, width, kernel, left=left, stride=2) for _ in range(scales - 1))
        self.enlarge = nn.ModuleList(Enlarge(width) for _ in range(scales - 1))

    def forward(self, x: Tensor, told: Iterable[Tensor | None], steps: "Steps") -> list[Tensor]:
        """Goes down and up again.

        Args:
            x: Features at full size.
            told: What the other stream's blocks said, in turn; Nones for the stream that is told nothing.
            steps: How a layer is applied: to whole images, or to what is due.

        Returns:
            The output of every block, in turn; the last one is that of the stream.
        """
        said, stack, heard = [], [x], iter(told)
        for k in range(self.scales):
            for block in self.down[k].children():
                said.append(steps.block(k, block, stack[-1], next(heard), None))
                stack.append(said[-1])
            if k < self.scales - 1:
                stack.append(steps.shrink(k, self.shrink[k], stack[-1]))
        x = stack.pop()
        for k in reversed(range(self.scales)):
            for block in self.up[k].children():
                x = steps.block(k, block, x, next(heard), stack.pop())
                said.append(x)
            if k:
                x = steps.enlarge(k, self.enlarge[k - 1], x)
        return said


@final
class GatedBlock(nn.Module):
    """Adds a gated correction of two convolutions to its input.

    Args:
        width: The features, in and out.
        kernel: The rows and columns of its kernels.
        left: How many columns of the kernel lie left of the pixel.
        others: How many other tensors of features it is handed.
        context: The features of a context; 0 for none.
        dropout: The share of features zeroed between its convolutions while training.
    """

    def __init__(
        self, width: int, kernel: tuple[int, int], left: int, others: int, context: int, dropout: float
    ) -> None:
        super().__init__()
        self.first = CausalConv(2 * width, width, kernel, left=left)
        self.other = nn.Linear(2 * width * others, width) if others else None
        self.dropout = nn.Dropout(dropout)
        self.second = CausalConv(2 * width, 2 * width, kernel, left=left)
        self.context = nn.Linear(context, 2 * width, bias=False) if context else None
        with torch.no_grad():
            self.second.weight.mul_(0.1)  # deep stacks start near the identity

    def forward(self, x: Tensor, others: list[Tensor], c: Tensor | None, use: Any) -> Tensor:
        """Maps features (..., width) to the same shape; ``use`` says what to call for a convolution."""
        h = use(self.first)(concat_elu(x))
        if self.other is not None:
            h = h + self.other(concat_elu(torch.cat(others, -1)))
        h = use(self.second)(self.dropout(concat_elu(h)))
        if c is not None and self.context is not None:
            h = h + self.context(c)
        a, b = h.chunk(2, -1)
        return x + a * b.sigmoid()


@final
class Enlarge(nn.Module):
    """Makes four pixels of each.

    Args:
        width: The features, in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps features (..., width) to those of the four: (..., 2 rows, 2 columns, width)."""
        return self.linear(x).unflatten(-1, (2, 2, -1))


def concat_elu(x: Tensor) -> Tensor:
    """elu of x and of -x, side by side: (..., n) to (..., 2n)."""
    return F.elu(torch.cat([x, -x], -1))


class Steps(ABC):
    """How the layers of a stream are applied; k is the resolution of their input, 1 / 2^k."""

    @abstractmethod
    def block(self, k: int, block: nn.Module, x: Tensor, told: Tensor | None, twin: Tensor | None) -> Tensor:
        """The output of a block that is handed what it is told and its twin's output."""

    @abstractmethod
    def shrink(self, k: int, layer: nn.Module, x: Tensor) -> Tensor:
        """Features at resolution k + 1."""

    @abstractmethod
    def enlarge(self, k: int, layer: nn.Module, x: Tensor) -> Tensor:
        """Features at resolution k - 1."""


@final
class Whole(Steps):
    """Whole images at once.

    Args:
        size: Height and width.
        scales: The number of resolutions.
        c: The features of contexts, with shape (B, features), or None.
    """

    def __init__(self, size: tuple[int, int], scales: int, c: Tensor | None) -> None:
        self.sizes, self.c = halved(size, scales), None if c is None else c[:, None, None]

    def block(self, k: int, block: nn.Module, x: Tensor, told: Tensor | None, twin: Tensor | None) -> Tensor:
        return block(x, [other for other in (told, twin) if other is not None], self.c, lambda layer: layer)

    def shrink(self, k: int, layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x)

    def enlarge(self, k: int, layer: nn.Module, x: Tensor) -> Tensor:
        height, width = self.sizes[k - 1]
        return layer(x).transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, :height, :width]


class Held(Steps):
    """An image on its way: a layer is applied where its resolution is due, and what it said is held.

    Args:
        stream: The stream.
        n: How many images are drawn together.
        width: Their number of columns.
        c: The features of contexts, with axes of size 1 for those of pixels, or None.
    """

    def __init__(self, stream: Stream, n: int, width: int, c: Tensor | None) -> None:
        self.c, self.row, self.column = c, 0, 0
        self.widths = [w for _, w in halved((1, width), stream.scales)]
        self.places = [Place() for _ in self.widths]
        self.held: dict[Any, Any] = {}
        self.caches: list[dict[nn.Module, Any]] = []
        for k, w in enumerate(self.widths):
            modules = [*stream.down[k].modules(), *stream.up[k].modules(), *stream.shrink[k : k + 1]]
            layers = [m for m in modules if isinstance(m, CausalConv)]
            self.caches.append({m: self.cache(m, n, w, self.places[k]) for m in layers})

    @abstractmethod
    def cache(self, layer: CausalConv, n: int, width: int, place: Place) -> PixelCache | RowCache:
        """What stands for a convolution."""

    @abstractmethod
    def is_due(self, k: int) -> bool:
        """Whether resolution k has something new."""

    @abstractmethod
    def heard(self, k: int, told: Tensor) -> Tensor:
        """The part that counts of what the other stream said."""

    @final
    def block(self, k: int, block: nn.Module, x: Tensor, told: Tensor | None, twin: Tensor | None) -> Tensor:
        if self.is_due(k):
            others = [] if told is None else [self.heard(k, told)]
            others += [] if twin is None else [twin]
            self.held[block] = block(x, others, self.c, self.caches[k].__getitem__)
        return self.held[block]

    @final
    def shrink(self, k: int, layer: nn.Module, x: Tensor) -> Tensor:
        if self.is_due(k):
            self.caches[k][layer].put(x)
        if self.is_due(k + 1):
            self.held[layer] = self.caches[k][layer].at()
        return self.held[layer]


@final
class Rows(Held):
    """Row after row: the stream that sees the rows above."""

    def cache(self, layer: CausalConv, n: int, width: int, place: Place) -> RowCache:
        return RowCache(layer, n, width)

    def is_due(self, k: int) -> bool:
        return self.row % 2**k == 0

    def heard(self, k: int, told: Tensor) -> Tensor:
        return told

    def enlarge(self, k: int, layer: nn.Module, x: Tensor) -> Tensor:
        if self.is_due(k):
            self.held[layer] = layer(x).transpose(1, 2).flatten(2, 3)  # (n, 2 rows, 2 W, width)
        return self.held[layer][:, (self.row >> (k - 1)) % 2, : self.widths[k - 1]]


@final
class Pixels(Held):
    """Pixel after pixel: the stream that also sees what lies to the left. It is told rows, with shape (W, n, width)."""

    def cache(self, layer: CausalConv, n: int, width: int, place: Place) -> PixelCache:
        return PixelCache(layer, n, width, place)

    def is_due(self, k: int) -> bool:
        return self.row % 2**k == 0 and self.column % 2**k == 0

    def heard(self, k: int, told: Tensor) -> Tensor:
        return told[self.places[k].column]

    def enlarge(self, k: int, layer: nn.Module, x: Tensor) -> Tensor:
        big, small = self.places[k - 1].column, self.places[k].column
        if self.is_due(k):
            self.held[layer, small] = layer(x)  # (n, 2 rows, 2 columns, width)
        return self.held[layer, small][:, (self.row >> (k - 1)) % 2, big % 2]

    def next_row(self) -> None:
        """Starts the row that ``row`` says."""
        for k, caches in enumerate(self.caches):
            if self.row % 2**k == 0:
                for cache in caches.values():
                    cache.next_row()

    def go_to(self, column: int) -> None:
        """Goes to a column of the row."""
        self.column = column
        for k, place in enumerate(self.places):
            place.column = column >> k
