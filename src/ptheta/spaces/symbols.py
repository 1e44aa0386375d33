"""Unordered symbols: letters, codes, classes. Networks see them one-hot, in a last axis."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from ptheta.hints import did_you_mean
from ptheta.spaces.space import Space, shape_of, some, whole

__all__ = ["Classes", "Symbols", "Tokens"]


@dataclass(frozen=True)
class Symbols(Space):
    """Unordered symbols 0, ..., n - 1: letters, codes, classes. Networks see them one-hot, in a last axis.

    Args:
        shape: The shape of one event; () for a single class.
        n: The number of symbols.
        names: The name of each symbol, or none. A name of no characters is padding: it is shown as nothing, and fills
            up what is parsed.
    """

    shape: tuple[int, ...]
    n: int
    names: tuple[str, ...] = field(default=(), repr=False)
    kind: ClassVar[str] = "symbols"
    dtype: ClassVar[torch.dtype] = torch.int64

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", shape_of(self.shape))
        object.__setattr__(self, "n", whole(self.n, "n"))
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        if self.n < 1:
            raise ValueError(f"Symbols should have at least one symbol, but n is {self.n}.")
        if self.n > 2**31:
            raise ValueError(f"Symbols should have at most 2**31 symbols, but n is {self.n}.")
        if self.names and (len(self.names) != self.n or len(set(self.names)) < self.n):
            came = f"{len(self.names)} names" if len(self.names) != self.n else "some twice"
            raise ValueError(f"names should be one for each of {self.n} symbols, all different, but there are {came}.")

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

    def unlike(self, other: Space) -> str | None:
        if isinstance(other, Symbols) and other.n != self.n:
            return f"they are of {other}"
        if isinstance(other, Symbols) and self.names and other.names and self.names != other.names:
            return "their symbols have other names, or stand in another order"
        return super().unlike(other)

    def adopt(self, x: Tensor, other: Space) -> Tensor:
        if not (isinstance(other, Symbols) and self.names and other.names):
            return super().adopt(x, other)
        if other.shape != self.shape:
            raise ValueError(f"expected events of {self}, but they are of {other}.")
        place = torch.tensor([self._place.get(name, -1) for name in other.names])
        if strange := [other.names[i] for i in x.unique().tolist() if place[i] < 0]:
            raise ValueError(f"expected the symbols {some(self.names)}, but there are others: {some(strange)}.")
        return place[x]

    def write(self, event: Tensor) -> str:
        if not self.names:
            return super().write(event)
        return self._between.join(filter(None, (self.names[i] for i in event.flatten().tolist())))

    def read(self, word: str, what: str) -> Tensor:
        if not self.names:
            return super().read(word, what)
        if not self.shape:
            return torch.tensor(self._symbol(word, what))
        parts = [self._symbol(part, what) for part in (word.split() if self._between else word)]
        if "" in self._place:
            parts += [self._place[""]] * (self.dimensions - len(parts))
        if len(parts) != self.dimensions:
            of = "words" if self._between else "characters"
            raise ValueError(f"{what} should have {self.dimensions} {of}, but {word[:80]!r} has {len(parts)}.")
        return torch.tensor(parts).reshape(self.shape)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    @property
    def _between(self) -> str:
        return "" if all(len(name) <= 1 for name in self.names) else " "

    def _symbol(self, word: str, what: str) -> int:
        """A symbol by its name, or a class by its number where no name is like that."""
        for form in (word, word.strip(string.punctuation).casefold() if self._between else word):
            if form in self._place:
                return self._place[form]
        if not self.shape and word.isascii() and word.isdecimal() and int(word) < self.n:
            return int(word)
        names = [name for name in self.names if name]
        raise ValueError(f"{what} should be of {some(names)}, but it has {word[:40]!r}.{did_you_mean(word, names)}")

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), "n": self.n, "names": list(self.names)}


def Tokens(length: int, n: int, names: Sequence[str] = ()) -> Symbols:
    """Sequences of ``length`` tokens out of ``n``."""
    return Symbols((length,), n, tuple(names))


def Classes(n: int, names: Sequence[str] = ()) -> Symbols:
    """One of ``n`` classes; events have shape ()."""
    return Symbols((), n, tuple(names))
