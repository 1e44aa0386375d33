"""Real numbers, which networks see standardised. Likelihoods are densities per unit of x."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ptheta.spaces.space import Space, columns_of, shape_of

__all__ = ["Real"]


COARSEST = 0.25  # the widest step of a type of numbers, in standard deviations of a variable


@dataclass(frozen=True)
class Real(Space):
    """Real numbers, with the mean and scale that standardise them for networks.

    Args:
        shape: The shape of one event.
        mean: D numbers in the order of the flattened event, or empty for zeros.
        scale: D positive numbers, or empty for ones.
        columns: The names of the variables of a vector, or none.

    Spaces that differ in mean and scale only are equal: they hold the same events.
    """

    shape: tuple[int, ...]
    mean: tuple[float, ...] = field(default=(), compare=False)
    scale: tuple[float, ...] = field(default=(), compare=False)
    columns: tuple[str, ...] = field(default=(), repr=False)
    kind: ClassVar[str] = "real"
    dtype: ClassVar[torch.dtype] = torch.float32

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", shape_of(self.shape))
        object.__setattr__(self, "columns", columns_of(self.columns, self.shape))
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
    def standardising(cls, x: Tensor | Iterable[Tensor], columns: Sequence[str] = ()) -> Self:
        """The space of ``x`` (n, *shape), with the mean and scale of each variable. Constants get scale 1.

        Args:
            x: The events, or several tensors of them, one after another.
            columns: The names of the variables of a vector, or none.

        Returns:
            The space.
        """
        parts: Iterator[Tensor] = iter((x,)) if isinstance(x, Tensor) else iter(x)
        first = next(parts)
        n, mean, squares, largest = _moments_of(first)
        for part in parts:  # Chan, Golub and LeVeque (1979): the moments of both from those of each
            more, mean_of_part, squares_of_part, largest_of_part = _moments_of(part)
            apart = mean_of_part - mean
            mean = mean + apart * (more / (n + more))
            squares = squares + squares_of_part + apart.square() * (n * more / (n + more))
            n, largest = n + more, torch.maximum(largest, largest_of_part)
        scale = (squares / n).sqrt()
        scale = torch.where(scale > 1e-12 * largest.clamp(min=1e-300), scale, torch.ones_like(scale))
        means, scales = ([float(f"{v:.9g}") for v in values.tolist()] for values in (mean, scale))
        return cls(tuple(first.shape[1:]), tuple(means), tuple(scales), tuple(columns))  # nine digits: alike everywhere

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

    def narrowed(self, columns: tuple[str, ...]) -> "Real":
        places = [self.columns.index(name) for name in columns]
        mean, scale = (tuple(numbers[k] for k in places) if numbers else () for numbers in (self.mean, self.scale))
        return Real((len(columns),), mean, scale, columns)

    def range_error(self, x: Tensor) -> str | None:
        if self.mean and (lost := self._lost(x.dtype)):
            return lost
        if math.isfinite(x.sum().item()):
            return None  # not one of them is NaN or infinite; to look at each takes three times as long
        bad = int((~torch.isfinite(x)).sum())
        return f"{bad} of its {x.numel()} numbers are NaN or infinite" if bad else None

    def _lost(self, dtype: torch.dtype) -> str | None:
        """Says which variable numbers of a type cannot hold finely enough to be told apart, or None."""
        if dtype not in self._too_coarse:
            step = torch.finfo(dtype).eps * self._moments[0].abs() / self._moments[1]
            place = int(step.argmax()) if step.numel() else 0
            self._too_coarse[dtype] = None
            if step.numel() and float(step.flatten()[place]) > COARSEST:
                mean, name = self.mean[place], self.columns[place] if self.columns else f"variable {place}"
                kind = str(dtype).removeprefix("torch.")
                self._too_coarse[dtype] = (
                    f"{name} lies about {mean:g}, where {kind} has steps of {abs(mean) * torch.finfo(dtype).eps:.2g} "
                    f"and it varies by {(self.scale or (1.0,) * self.dimensions)[place]:.2g}. Give them as float64, "
                    "never rounded, or take an offset away first"
                )
        return self._too_coarse[dtype]

    @cached_property
    def _too_coarse(self) -> dict[torch.dtype, str | None]:
        return {}

    def to_json(self) -> dict[str, Any]:
        numbers = {"mean": list(self.mean), "scale": list(self.scale)}
        return {"kind": self.kind, "shape": list(self.shape), **numbers, "columns": list(self.columns)}


def _moments_of(x: Tensor) -> tuple[int, Tensor, Tensor, Tensor]:
    """How many events; the mean, the sum of squares about it and the largest magnitude of each variable."""
    flat = x.flatten(1).double()
    return len(flat), flat.mean(0), flat.var(0, correction=0) * len(flat), flat.abs().amax(0)
