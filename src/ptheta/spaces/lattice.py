"""Spaces whose events lie on a lattice of ordered values: levels and bits. Networks see them in [-1, 1]."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from ptheta.spaces.space import Space, columns_of, shape_of, whole

__all__ = ["Binary", "Levels"]


@dataclass(frozen=True)
class Levels(Space):
    """Ordered levels 0, ..., n - 1 on a grid of the given shape: pixel intensities, grades.

    Args:
        shape: The shape of one event, images as (channels, height, width).
        n: The number of levels, from 2 to 256.
        columns: The names of the variables of a vector, or none.
    """

    shape: tuple[int, ...]
    n: int
    columns: tuple[str, ...] = field(default=(), repr=False)
    kind: ClassVar[str] = "levels"
    dtype: ClassVar[torch.dtype] = torch.uint8

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", shape_of(self.shape))
        object.__setattr__(self, "columns", columns_of(self.columns, self.shape))
        object.__setattr__(self, "n", whole(self.n, "n"))
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

    def unlike(self, other: Space) -> str | None:
        if isinstance(other, Levels) and other.n != self.n:
            return f"they are of {other}"
        return super().unlike(other)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), "n": self.n, "columns": list(self.columns)}


@dataclass(frozen=True)
class Binary(Space):
    """Bits 0 and 1 on a grid of the given shape.

    Args:
        shape: The shape of one event; (D,) for vectors, (channels, height, width) for images.
        columns: The names of the variables of a vector, or none.
    """

    shape: tuple[int, ...]
    columns: tuple[str, ...] = field(default=(), repr=False)
    n: ClassVar[int] = 2
    kind: ClassVar[str] = "binary"
    dtype: ClassVar[torch.dtype] = torch.uint8

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", shape_of(self.shape))
        object.__setattr__(self, "columns", columns_of(self.columns, self.shape))

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
        return {"kind": self.kind, "shape": list(self.shape), "columns": list(self.columns)}
