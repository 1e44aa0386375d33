"""The interface of a space: events checked, embedded, shown and parsed, and those of one space as another's."""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor

__all__ = ["Space", "columns_of", "shape_of", "some", "whole"]

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class Space(ABC):
    """What one event is: a shape, a type and a range. Frozen, comparable, printable."""

    kind: ClassVar[str]
    dtype: ClassVar[torch.dtype]
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()  # the names of the variables of a vector, or none

    @abstractmethod
    def embed(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Maps events with shape (B, *shape) to what networks eat, with shape (B, *embedded_shape)."""

    @abstractmethod
    def project(self, y: Tensor) -> Tensor:
        """Maps network outputs with shape (B, *embedded_shape) to the nearest valid events, with shape (B, *shape)."""

    @abstractmethod
    def range_error(self, x: Tensor) -> str | None:
        """Says in a phrase which values are not allowed, or returns None. Shape and type are checked already."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Returns what ``space_from_json`` needs to build this space again."""

    @property
    def dimensions(self) -> int:
        """The number of variables D of one event."""
        return math.prod(self.shape)

    @property
    def embedded_shape(self) -> tuple[int, ...]:
        """The shape of one embedded event."""
        return self.shape

    @property
    def is_discrete(self) -> bool:
        """Whether events have probabilities (and bits per dimension) rather than densities."""
        return not self.dtype.is_floating_point

    @property
    def is_image(self) -> bool:
        """Whether events look like pictures: (1 or 3 channels, height, width), not symbols."""
        return len(self.shape) == 3 and self.shape[0] in (1, 3) and self.kind != "symbols"

    @property
    def is_film(self) -> bool:
        """Whether events look like films: (frames, height, width), or (frames, 1 or 3 channels, height, width)."""
        *frames, height, width = self.shape if len(self.shape) > 2 else (0, 0, 0)
        plain = len(frames) == 1 and frames[0] not in (1, 3)
        coloured = len(frames) == 2 and frames[1] in (1, 3)
        return (plain or coloured) and min(height, width) >= 4 and self.kind != "symbols"

    @property
    def log_volume(self) -> float:
        """log p(x) = log p(cells(x)) - log_volume. Zero on discrete spaces."""
        return 0.0

    def cells(self, x: Tensor) -> Tensor:
        """Flattens events to what heads score, with shape (B, D): discrete values as they are."""
        return x.flatten(1) if self.shape else x[:, None]

    def events(self, cells: Tensor) -> Tensor:
        """Undoes ``cells``: values with shape (B, D) become events with shape (B, *shape)."""
        return cells.reshape(len(cells), *self.shape).to(self.dtype)

    def unlike(self, other: "Space") -> str | None:
        """Why events of another space are not events of this one as they are, as the end of a sentence; else None."""
        if (self.kind, self.shape) != (other.kind, other.shape):
            return f"they are of {other}"
        if self.columns and other.columns and self.columns != other.columns:
            return f"their columns are {some(other.columns)}, not {some(self.columns)}"
        return None

    def adopt(self, x: Tensor, other: "Space") -> Tensor:
        """Events of another space as events of this one, matched by the names of columns and symbols.

        Args:
            x: Events of ``other``, with shape (n, *other.shape).
            other: Where they come from: a file read anew, whose columns may be more, or stand in another order.

        Returns:
            Events with shape (n, *shape). Raises ValueError, naming what is missing, where they do not fit.
        """
        if self.columns and other.columns and self.kind == other.kind and len(other.shape) == 1:
            if missing := [name for name in self.columns if name not in other.columns]:
                raise ValueError(f"expected the columns {some(self.columns)}, but there is no {some(missing)}.")
            x = x[:, [other.columns.index(name) for name in self.columns]]
            other = other.narrowed(self.columns)
        if why := self.unlike(other):
            raise ValueError(f"expected events of {self}, but {why}.")
        return x

    def narrowed(self, columns: tuple[str, ...]) -> "Space":
        """The space of vectors of some of these columns, in their order."""
        return replace(cast("Any", self), shape=(len(columns),), columns=columns)

    @final
    def show(self, x: Tensor) -> list[str]:
        """Writes events, with shape (n, *shape), as a person does: names, or numbers with spaces between."""
        return [self.write(event) for event in x.cpu()]

    @final
    def parse(self, words: Sequence[str], what: str = "an event") -> Tensor:
        """Reads events as ``show`` writes them.

        Args:
            words: One text per event.
            what: What they are, for messages.

        Returns:
            Events with shape (n, *shape). Raises ValueError, saying what was expected, where a text is none.
        """
        return torch.stack([self.read(word, what) for word in words])

    def write(self, event: Tensor) -> str:
        """One event, with shape (*shape,), as a text."""
        values = event.flatten().tolist()
        return " ".join(f"{value:g}" if self.dtype.is_floating_point else str(value) for value in values)

    def read(self, word: str, what: str) -> Tensor:
        """The event, with shape (*shape,), that a text writes."""
        parts = word.replace(",", " ").split()
        try:
            values = torch.tensor([float(part) for part in parts], dtype=torch.float64)
        except ValueError:
            raise ValueError(f"{what} should be numbers, but it is {word[:80]!r}.") from None
        if len(values) != self.dimensions:
            count = f"{self.dimensions} numbers, for {self}"
            raise ValueError(f"{what} should be {count}, but {word[:80]!r} has {len(values)}.")
        if not self.dtype.is_floating_point and bool((values != values.round()).any() or (values.abs() > 2**31).any()):
            raise ValueError(f"{what} should be whole numbers, for {self}, but it is {word[:80]!r}.")
        if self.dtype == torch.uint8 and bool((values < 0).any() or (values > 255).any()):
            raise ValueError(f"{what} should be numbers from 0 to 255, for {self}, but it is {word[:80]!r}.")
        event = values.to(self.dtype).reshape(self.shape)
        self.check(event[None], what)
        return event

    def jitter(self, y: Tensor, u: Tensor) -> Tensor:
        """Spreads embedded events over their lattice cells by uniforms ``u`` of the same shape; reals stay.

        Rounding to the nearest event undoes it. Both sides of a discriminator need it, or the lattice of the
        data gives generated events away.
        """
        return y

    @final
    def bits_per_dim(self, nats: float) -> float | None:
        """Turns nats per event into bits per dimension; None on ``Real``, where it depends on the unit of x."""
        return nats / (self.dimensions * math.log(2)) if self.is_discrete else None

    @final
    def check(self, x: Tensor, what: str = "x") -> None:
        """Raises ValueError, saying what was expected and what came, unless x is a batch of valid events."""
        if problem := self._problem(x):
            kind, shape = str(self.dtype).removeprefix("torch."), ", ".join(map(str, ("n", *self.shape)))
            expected = f"{what} should be events of {self}: a tensor of type {kind} with shape "
            raise ValueError(f"{expected}({shape}{'' if self.shape else ','}), but {problem}.")

    def _problem(self, x: Any) -> str | None:
        """What keeps x from being a batch of events, as the end of a sentence; None if it is one."""
        if not isinstance(x, Tensor):
            return f"it is a {type(x).__name__}. Convert it with torch.as_tensor first"
        if x.is_nested or x.layout != torch.strided or x.is_meta:
            return "it is sparse, nested or without data. Give a plain tensor"
        if x.ndim != 1 + len(self.shape) or tuple(x.shape[1:]) != self.shape:
            return f"its shape is {tuple(x.shape)}"
        if x.dtype != self.dtype and not (self.dtype.is_floating_point and x.dtype in FLOATS):
            return f"its type is {str(x.dtype).removeprefix('torch.')}. Convert it with x.to({self.dtype})"
        return self.range_error(x) if x.numel() else None


def shape_of(shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, Sequence):
        raise ValueError(f"the shape of an event should be a tuple, such as (1, 28, 28), but it is {shape!r}.")
    sizes = tuple(whole(size, "a size") for size in shape)
    if any(size < 1 for size in sizes) or math.prod(sizes) > 2**40:
        raise ValueError(f"the shape of an event should have positive sizes, 2**40 variables at most, not {sizes}.")
    return sizes


def whole(value: Any, what: str) -> int:
    """A whole number of any kind as Python's own."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{what} should be a whole number, but it is {value!r}.") from None


def columns_of(columns: Sequence[str], shape: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the variables of a vector: none, or one for each, each its own."""
    names = tuple(str(name) for name in columns)
    if names and (len(shape) != 1 or len(names) != shape[0] or len(set(names)) < len(names)):
        raise ValueError(f"columns should be one name per variable of {shape}, all different, not {some(names)}.")
    return names


def some(names: Sequence[str]) -> str:
    """The first few of many names, for messages; those that begin or end with a space are quoted."""
    told = (name if name == name.strip() != "" else repr(name) for name in names[:8])
    return ", ".join(told) + (", ..." if len(names) > 8 else "")
