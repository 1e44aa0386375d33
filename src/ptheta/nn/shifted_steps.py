"""How a stream of shifted convolutions is applied: to whole images, row after row, or pixel after pixel.

While an image is drawn, the stream over the rows above goes row by row and the other one pixel by pixel. A resolution
of 1 / 2^k is due every 2^k rows and columns only; in between, what it last said is held. What was read of a context is
at hand at every resolution: a vector is the same everywhere, of maps each pixel takes what lies there.
"""

from abc import ABC, abstractmethod
from typing import Any, final

from torch import Tensor, nn

from ptheta.nn.causal import CausalConv, PixelCache, Place, RowCache
from ptheta.nn.contexts import at, features_last
from ptheta.nn.shifted import Stream

__all__ = ["Pixels", "Rows", "Steps", "Whole"]


def halved(size: tuple[int, int], scales: int) -> list[tuple[int, int]]:
    """The sizes of an image halved again and again, rounding up: ``scales`` of them, the first one ``size``."""
    sizes = [size]
    while len(sizes) < scales:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def contexts_at(read: Tensor | None, sizes: list[tuple[int, int]]) -> list[Tensor | None]:
    """What was read of contexts, or None, at each resolution, features last."""
    return [None if read is None else features_last(read, size) for size in sizes]


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
        read: Contexts as they were read, or None.
    """

    def __init__(self, size: tuple[int, int], scales: int, read: Tensor | None) -> None:
        self.sizes = halved(size, scales)
        self.contexts = contexts_at(read, self.sizes)

    def block(self, k: int, block: nn.Module, x: Tensor, told: Tensor | None, twin: Tensor | None) -> Tensor:
        return block(x, [other for other in (told, twin) if other is not None], self.contexts[k], lambda layer: layer)

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
        size: Their height and width.
        read: Contexts as they were read, or None.
    """

    def __init__(self, stream: Stream, n: int, size: tuple[int, int], read: Tensor | None) -> None:
        sizes = halved(size, stream.scales)
        self.row, self.column, self.contexts = 0, 0, contexts_at(read, sizes)
        self.widths = [w for _, w in sizes]
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

    @property
    @abstractmethod
    def here(self) -> tuple[int, ...]:
        """Where the drawing is: a row, or a row and a column."""

    @abstractmethod
    def heard(self, k: int, told: Tensor) -> Tensor:
        """The part that counts of what the other stream said."""

    @final
    def is_due(self, k: int) -> bool:
        """Whether resolution k has something new."""
        return all(index % 2**k == 0 for index in self.here)

    @final
    def block(self, k: int, block: nn.Module, x: Tensor, told: Tensor | None, twin: Tensor | None) -> Tensor:
        if self.is_due(k):
            others = [] if told is None else [self.heard(k, told)]
            others += [] if twin is None else [twin]
            c = self.contexts[k]
            c = None if c is None else at(c, *(index >> k for index in self.here))
            self.held[block] = block(x, others, c, self.caches[k].__getitem__)
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

    @property
    def here(self) -> tuple[int, ...]:
        return (self.row,)

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

    @property
    def here(self) -> tuple[int, ...]:
        return self.row, self.column

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
