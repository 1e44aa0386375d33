"""What a world is: finitely many events, all equally likely, each made of factors and read back exactly.

A density can be integrated and enumerated. A GAN or a map has none, so what it claims is checked where the truth is
known by construction: an event is a function of a few factors, and a reader gives the factors back,

    read(render(f)) = f        for every f that can occur,

without an error, whatever else is drawn. So a claim such as "it draws the colour that was asked for" is a count. The
law is uniform over the events, so log p(x) is -log(count) for an event and minus infinity for anything else, and
models with a likelihood stand on the same axis.

A reader names the nearest event of anything, noise too: by chance the factors are those asked for as often as a guess.
Its ``confidence`` is the correlation with what it read, each channel or frame about its own mean; below ``SURE`` it
has read nothing. It costs one product with all that can be drawn.
"""

from abc import abstractmethod
from dataclasses import dataclass
from itertools import product
from math import log
from typing import NamedTuple, final

import torch
from torch import Tensor

from ptheta.data.synthetic import Truth
from ptheta.data.unpack import most_bytes
from ptheta.noise import Noise
from ptheta.spaces import Space

__all__ = ["OPEN", "SURE", "Factor", "Reading", "World", "pick", "require_size"]

OPEN = -1  # in place of a factor's value: whatever it is
SURE = 0.6  # the least confidence of a reading that counts: of noise it is .2, of the mean of all shapes .45


@final
@dataclass(frozen=True)
class Factor:
    """Something that varies from event to event.

    Args:
        name: What it is called.
        values: The names of its values.
    """

    name: str
    values: tuple[str, ...]


@final
class Reading(NamedTuple):
    """What a reader saw: factors with shape (n, F), and the correlation with what they would show, with shape (n,)."""

    factors: Tensor
    confidence: Tensor

    @property
    def sure(self) -> Tensor:
        """Whether each event shows something of the world at all, with shape (n,)."""
        return self.confidence >= SURE

    def agrees(self, asked: Tensor) -> Tensor:
        """Whether each factor is as asked, with shape (n, F); where it was left open, and surely read, it is."""
        return ((self.factors == asked) | (asked == OPEN)) & self.sure[:, None]


class World(Truth):
    """Equally likely events made of factors; ``render`` and ``read`` are inverse to one another."""

    factors: tuple[Factor, ...]
    count: int  # of events

    @abstractmethod
    def draw(self, n: int, *, noise: Noise | None = None) -> Tensor:
        """Draws the factors of n events, int64 with shape (n, F); row i does not depend on n."""

    @abstractmethod
    def possible(self, factors: Tensor) -> Tensor:
        """Whether factors with shape (n, F) can occur, with shape (n,)."""

    @abstractmethod
    def render(self, factors: Tensor) -> Tensor:
        """The events of factors with shape (n, F), whether they can occur or not: with shape (n, *space.shape)."""

    @abstractmethod
    def read(self, x: Tensor) -> Reading:
        """The factors of the nearest event, and how like it is; exact on events of the world."""

    @abstractmethod
    def asked(self, context: Tensor) -> Tensor:
        """The factors that contexts ask for, with shape (n, F); ``OPEN`` where they leave one open."""

    @final
    def column(self, name: str) -> int:
        """Which column of the factors is called that."""
        names = [factor.name for factor in self.factors]
        if name not in names:
            raise ValueError(f"expected a factor out of {', '.join(names)}, but it is {name[:40]!r}.")
        return names.index(name)

    @final
    def sample(self, n: int, *, noise: Noise | None = None) -> Tensor:
        return self.render(self.draw(n, noise=noise))

    @final
    def log_prob(self, x: Tensor) -> Tensor:
        """In nats, with shape (B,); minus infinity for what is no event of this world."""
        self.space.check(x)
        factors = self.read(x).factors
        event = self.possible(factors) & (self.render(factors) == x).flatten(1).all(1)
        return torch.where(event, 0.0, -torch.inf).double() - log(self.count)

    @final
    def entropy(self) -> float:
        """Exact: the logarithm of how many events there are."""
        return log(self.count)

    @final
    def known(self, x: Tensor) -> Tensor:
        """The factors of events of this world, with shape (n, F).

        Args:
            x: Events with shape (n, *space.shape). Raises ValueError if one is not what its factors show.

        Returns:
            Their factors.
        """
        self.space.check(x)
        factors = self.read(x).factors
        strange = int((self.render(factors) != x).flatten(1).any(1).sum())
        if strange:
            raise ValueError(f"expected events of this world, but {strange} of {len(x)} are none: nothing is known.")
        return factors

    @final
    def alternatives(self, factors: Tensor, *free: str) -> Tensor:
        """The equally likely events that differ in the free factors alone; their mean is the best squared answer.

        Args:
            factors: With shape (n, F).
            *free: The names of the factors that are not known.

        Returns:
            Events with shape (n, answers, *space.shape). Raises ValueError if some of them cannot occur, since the
            answers are then not as many for each event.
        """
        columns = [self.column(name) for name in free]
        rows = []
        for values in product(*(self.options(column) for column in columns)):
            row = factors.clone()
            row[:, columns] = torch.tensor(values, dtype=factors.dtype)
            rows.append(row)
        every = torch.stack(rows, 1).flatten(0, 1)
        if not bool(self.possible(every).all()):
            raise ValueError(f"not every event has all alternatives in {', '.join(free)}: some cannot occur.")
        return self.render(every).unflatten(0, (len(factors), len(rows)))

    def options(self, column: int) -> tuple[int, ...]:
        """The values that a factor takes in this world."""
        return tuple(range(len(self.factors[column].values)))


def pick(u: Tensor, n: int) -> Tensor:
    """Whole numbers below n from uniforms."""
    return (u * n).long().clamp(max=n - 1)


def correlation(x: Tensor, y: Tensor) -> Tensor:
    """How like two batches with shape (n, parts, cells) are, each part about its own mean: (n,), 0 for the blank."""
    x, y = (v.double() - v.double().mean(2, keepdim=True) for v in (x, y))
    scale = (x.square().sum((1, 2)) * y.square().sum((1, 2))).sqrt()
    return (x * y).sum((1, 2)) / scale.clamp(min=1e-12)


def require_size(n: int, space: Space) -> None:
    """Raises ValueError, in a sentence, for a number of training events that is too small, or too large for memory."""
    if n < 5:
        raise ValueError(f"a synthetic set should have at least 5 training events, but n is {n}.")
    if n * (space.dimensions + 1) * 32 > most_bytes():
        raise ValueError(f"{n} events of {space} do not fit in memory: give a smaller n.")
