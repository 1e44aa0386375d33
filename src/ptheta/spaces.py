"""Spaces: what one event x *is*.

A space is the joint of the library. A data set has one, a model has one, and they must agree. It checks events,
maps them to what networks eat (``embed``) and back to valid events (``project``), and turns nats into bits per
dimension. Four kinds:

    Binary(shape)             x in {0, 1}^shape,            uint8
    Levels(shape, n)          x in {0, ..., n-1}^shape,     uint8, ordered: intensities
    Symbols(shape, n)         x in {0, ..., n-1}^shape,     int64, unordered: codes, letters, classes
    Real(shape, mean, scale)  x in R^shape,                 float

Networks see levels and bits in [-1, 1], reals as z-scores (x - mean) / scale, symbols one-hot. Likelihoods see
``cells``: the event flattened to its D variables, reals standardised; ``log_volume`` is the constant that turns a
density of cells into a density of events, log p(x) = log p(cells) - log_volume.
"""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor

__all__ = ["Binary", "Classes", "Levels", "Real", "Space", "Symbols", "Tokens", "require", "space_from_json"]


_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class Space(ABC):
    """What one event is: a shape, a type and a range. Frozen, comparable, printable."""

    kind: ClassVar[str]
    dtype: ClassVar[torch.dtype]
    shape: tuple[int, ...]

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
    def log_volume(self) -> float:
        """log p(x) = log p(cells(x)) - log_volume. Zero on discrete spaces."""
        return 0.0

    def cells(self, x: Tensor) -> Tensor:
        """Flattens events to what heads score, with shape (B, D): discrete values as they are."""
        return x.flatten(1) if self.shape else x[:, None]

    def events(self, cells: Tensor) -> Tensor:
        """Undoes ``cells``: values with shape (B, D) become events with shape (B, *shape)."""
        return cells.reshape(len(cells), *self.shape).to(self.dtype)

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
        if x.dtype != self.dtype and not (self.dtype.is_floating_point and x.dtype in _FLOATS):
            return f"its type is {str(x.dtype).removeprefix('torch.')}. Convert it with x.to({self.dtype})"
        return self.range_error(x) if x.numel() else None


@dataclass(frozen=True)
class Levels(Space):
    """Ordered levels 0, ..., n - 1 on a grid of the given shape: pixel intensities, grades.

    Args:
        shape: The shape of one event, images as (channels, height, width).
        n: The number of levels, from 2 to 256.
    """

    shape: tuple[int, ...]
    n: int
    kind: ClassVar[str] = "levels"
    dtype: ClassVar[torch.dtype] = torch.uint8

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _shape(self.shape))
        object.__setattr__(self, "n", _whole(self.n, "n"))
        if not 2 <= self.n <= 256:
            raise ValueError(f"Levels should have 2 to 256 levels, but n is {self.n}.")

    def __str__(self) -> str:
        return f"Levels({self.shape}, {self.n})"

    def embed(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        return x.to(dtype or torch.get_default_dtype()) * (2 / (self.n - 1)) - 1

    def project(self, y: Tensor) -> Tensor:
        return ((y + 1) * ((self.n - 1) / 2)).round().clamp(0, self.n - 1).to(self.dtype)

    def jitter(self, y: Tensor, u: Tensor) -> Tensor:
        return y + (u - 0.5) * (2 / (self.n - 1))

    def range_error(self, x: Tensor) -> str | None:
        top = int(x.max())
        return f"its largest value is {top} and {self.n - 1} is the largest level" if top >= self.n else None

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), "n": self.n}


@dataclass(frozen=True)
class Binary(Space):
    """Bits 0 and 1 on a grid of the given shape.

    Args:
        shape: The shape of one event; (D,) for vectors, (channels, height, width) for images.
    """

    shape: tuple[int, ...]
    n: ClassVar[int] = 2
    kind: ClassVar[str] = "binary"
    dtype: ClassVar[torch.dtype] = torch.uint8

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _shape(self.shape))

    def __str__(self) -> str:
        return f"Binary({self.shape})"

    def embed(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        return x.to(dtype or torch.get_default_dtype()) * 2 - 1

    def project(self, y: Tensor) -> Tensor:
        return (y > 0).to(self.dtype)

    def jitter(self, y: Tensor, u: Tensor) -> Tensor:
        return y + (2 * u - 1)

    def range_error(self, x: Tensor) -> str | None:
        top = int(x.max())
        return f"its largest value is {top} and only 0 and 1 are bits" if top > 1 else None

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape)}


@dataclass(frozen=True)
class Symbols(Space):
    """Unordered symbols 0, ..., n - 1: letters, codes, classes. Networks see them one-hot, in a last axis.

    Args:
        shape: The shape of one event; () for a single class.
        n: The number of symbols.
    """

    shape: tuple[int, ...]
    n: int
    kind: ClassVar[str] = "symbols"
    dtype: ClassVar[torch.dtype] = torch.int64

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _shape(self.shape))
        object.__setattr__(self, "n", _whole(self.n, "n"))
        if self.n < 1:
            raise ValueError(f"Symbols should have at least one symbol, but n is {self.n}.")
        if self.n > 2**31:
            raise ValueError(f"Symbols should have at most 2**31 symbols, but n is {self.n}.")

    def __str__(self) -> str:
        return f"Symbols({self.shape}, {self.n})"

    @property
    def embedded_shape(self) -> tuple[int, ...]:
        return (*self.shape, self.n)

    def embed(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        return torch.nn.functional.one_hot(x, self.n).to(dtype or torch.get_default_dtype())

    def project(self, y: Tensor) -> Tensor:
        return y.argmax(-1)

    def range_error(self, x: Tensor) -> str | None:
        low, top = int(x.min()), int(x.max())
        bad = low if low < 0 else top
        return f"it holds {bad} and symbols run from 0 to {self.n - 1}" if low < 0 or top >= self.n else None

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), "n": self.n}


def Tokens(length: int, n: int) -> Symbols:
    """Sequences of ``length`` tokens out of ``n``."""
    return Symbols((length,), n)


def Classes(n: int) -> Symbols:
    """One of ``n`` classes; events have shape ()."""
    return Symbols((), n)


@dataclass(frozen=True)
class Real(Space):
    """Real numbers, with the mean and scale that standardise them for networks.

    Args:
        shape: The shape of one event.
        mean: D numbers in the order of the flattened event, or empty for zeros.
        scale: D positive numbers, or empty for ones.
    """

    shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    kind: ClassVar[str] = "real"
    dtype: ClassVar[torch.dtype] = torch.float32

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _shape(self.shape))
        for name in ("mean", "scale"):
            values = tuple(float(v) for v in getattr(self, name))
            object.__setattr__(self, name, values)
            if values and len(values) != self.dimensions:
                raise ValueError(f"{name} should hold {self.dimensions} numbers, one per variable, not {len(values)}.")
        if not all(map(math.isfinite, self.mean)):
            raise ValueError("mean should hold finite numbers.")
        if any(not (s > 0 and math.isfinite(s)) for s in self.scale):
            raise ValueError("scale should hold positive, finite numbers.")

    @classmethod
    def standardising(cls, x: Tensor) -> Self:
        """The space of ``x`` (n, *shape), with the mean and scale of each variable. Constants get scale 1."""
        flat = x.flatten(1).double()
        scale = flat.std(0, correction=0)
        scale = torch.where(scale > 1e-12 * flat.abs().amax(0).clamp(min=1e-300), scale, torch.ones_like(scale))
        mean, std = ([float(f"{v:.9g}") for v in values.tolist()] for values in (flat.mean(0), scale))
        return cls(tuple(x.shape[1:]), tuple(mean), tuple(std))  # nine digits: the same on every machine

    def __str__(self) -> str:
        return f"Real({self.shape})"

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        d = self.dimensions
        mean = torch.tensor(self.mean or (0.0,) * d, dtype=torch.float64).reshape(self.shape)
        return mean, torch.tensor(self.scale or (1.0,) * d, dtype=torch.float64).reshape(self.shape)

    def embed(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        dtype = dtype or torch.get_default_dtype()
        if not self.mean and not self.scale:
            return x.to(dtype)
        mean, scale = (m.to(x.device) for m in self._moments)
        return ((x - mean) / scale).to(dtype)

    def project(self, y: Tensor) -> Tensor:
        if not self.mean and not self.scale:
            return y
        mean, scale = (m.to(y.device) for m in self._moments)
        return (y * scale + mean).to(y.dtype)

    @property
    def log_volume(self) -> float:
        return float(sum(math.log(s) for s in self.scale))

    def cells(self, x: Tensor) -> Tensor:
        return self.embed(x, x.dtype).flatten(1) if self.shape else self.embed(x, x.dtype)[:, None]

    def events(self, cells: Tensor) -> Tensor:
        return self.project(cells.reshape(len(cells), *self.shape))

    def range_error(self, x: Tensor) -> str | None:
        if math.isfinite(x.sum().item()):
            return None  # not one of them is NaN or infinite; to look at each takes three times as long
        bad = int((~torch.isfinite(x)).sum())
        return f"{bad} of its {x.numel()} numbers are NaN or infinite" if bad else None

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), "mean": list(self.mean), "scale": list(self.scale)}


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, Sequence):
        raise ValueError(f"the shape of an event should be a tuple, such as (1, 28, 28), but it is {shape!r}.")
    sizes = tuple(_whole(size, "a size") for size in shape)
    if any(size < 1 for size in sizes) or math.prod(sizes) > 2**40:
        raise ValueError(f"the shape of an event should have positive sizes, 2**40 variables at most, not {sizes}.")
    return sizes


def _whole(value: Any, what: str) -> int:
    """A whole number of any kind as Python's own."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{what} should be a whole number, but it is {value!r}.") from None


def space_from_json(record: dict[str, Any] | None) -> Space | None:
    """Builds the space that ``to_json`` described; None stays None.

    Args:
        record: What ``Space.to_json`` returned.

    Returns:
        An equal space.
    """
    if record is None:
        return None
    fields = dict(record)
    kind = fields.pop("kind", None)
    for cls in (Binary, Levels, Symbols, Real):
        if kind == cls.kind:
            try:
                return cls(**fields)
            except (TypeError, OverflowError) as error:
                raise ValueError(f"expected the fields of a space of kind {kind}, but {error}.") from error
    raise ValueError(f"expected a space of kind binary, levels, symbols or real, but the kind is {kind!r}.")


def require(space: Space, *kinds: type[Space], who: str) -> None:
    """Raises ValueError, in a sentence, unless ``space`` is of one of the kinds that the model ``who`` supports."""
    if not isinstance(space, kinds):
        names = " or ".join(k.__name__ for k in kinds)
        raise ValueError(f"{who} models events of {names} spaces, but the space is {space}.")
