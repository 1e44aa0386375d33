"""Events with their contexts, in memory or in a file that is read when they are asked for.

A part of the events, ``events[rows]``, costs no copy where they lie in a file: it remembers which rows it is. So a set
larger than memory is split, shuffled and drawn from by row numbers, and only batches are ever read. What is done to
events on their way (a view, names matched) is done to each batch: see ``map``.

``rows`` says where each event stands in its source, from 0: a split, shuffled, can be put in the source's order again.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import final

import torch
from torch import Tensor

from ptheta.data.unpack import most_bytes, size_text
from ptheta.noise import Noise

__all__ = ["Events", "shuffled"]

Pair = tuple[Tensor, Tensor | None]  # events and their contexts

PIECE = 1 << 26  # bytes of events that are read at once


@final
class Events:
    """A batch of events, with one context each or none.

    Args:
        x: Events with shape (n, *space.shape).
        context: Contexts with shape (n, *context_space.shape), or None.
        rows: Where they stand in their source, from 0, int64 with shape (n,); None where that means nothing.
    """

    def __init__(self, x: Tensor, context: Tensor | None = None, rows: Tensor | None = None) -> None:
        self._held: Pair | None = (x, context)
        self._read: Callable[[Tensor], Pair] | None = None
        self._n, self.rows = len(x), rows

    @classmethod
    def stored(cls, read: Callable[[Tensor], Pair], rows: Tensor) -> "Events":
        """Events that are read when they are asked for.

        Args:
            read: Takes row numbers, int64 with shape (k,), and returns those events with their contexts or None.
            rows: Which of them these are, with shape (n,).

        Returns:
            The events; nothing is read yet.
        """
        events = cls(rows, rows=rows)
        events._held, events._read = None, read
        return events

    @property
    def is_stored(self) -> bool:
        """Whether they lie in a file and are read when they are asked for."""
        return self._held is None

    @property
    def x(self) -> Tensor:
        """All of them, with shape (n, *space.shape); ValueError where they lie in a file and do not fit in memory."""
        return self._pair[0]

    @property
    def context(self) -> Tensor | None:
        """The context of each, with shape (n, *context_space.shape), or None."""
        if self._held is not None:
            return self._held[1]
        contexts = [part.context for part in self.pieces()]
        return None if not contexts or contexts[0] is None else torch.cat([c for c in contexts if c is not None])

    @property
    def _pair(self) -> Pair:
        if self._held is not None:
            return self._held
        assert self._read is not None and self.rows is not None
        if (size := len(self) * self._event_bytes) > most_bytes():
            raise ValueError(
                f"all {len(self)} events at once take {size_text(size)}, more than the {size_text(most_bytes())} that "
                "data may take in memory here: choose a model that is trained in batches, or give a part of the file."
            )
        return self._read(self.rows)

    @property
    def _event_bytes(self) -> int:
        assert self._read is not None and self.rows is not None
        return sum(part.nbytes for part in self._read(self.rows[:1]) if part is not None)

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, rows: slice | Tensor) -> "Events":
        kept = None if self.rows is None else self.rows[rows]
        if self._held is None:
            assert self._read is not None and kept is not None
            return Events.stored(self._read, kept)
        x, context = self._held
        return Events(x[rows], None if context is None else context[rows], kept)

    def __repr__(self) -> str:
        return f"Events({len(self)}{', in a file' if self.is_stored else ''})"

    def some(self, n: int) -> "Events":
        """At most n events, always the same ones, in random order: files are often sorted by class."""
        return self if len(self) <= n else self[shuffled(len(self))[:n]]

    def map(self, change: Callable[[Tensor, Tensor | None], Pair]) -> "Events":
        """The same events changed one by one; where they lie in a file, each time that they are read.

        Args:
            change: Takes events and their contexts or None, returns as many of both.

        Returns:
            The changed events.
        """
        if self._held is not None:
            return Events(*change(*self._held), self.rows)
        read = self._read
        assert read is not None and self.rows is not None
        return Events.stored(lambda rows: change(*read(rows)), self.rows)

    def without_context(self) -> "Events":
        """The same events with their contexts forgotten."""
        return self.map(lambda x, _: (x, None))

    def loaded(self) -> "Events":
        """The same events in memory; ValueError where they do not fit."""
        return self if self._held is not None else Events(*self._pair, self.rows)

    def pieces(self) -> Iterator["Events"]:
        """All of them in order, as pieces in memory: of some megabytes each where they lie in a file, else one."""
        step = max(1, PIECE // max(1, self._event_bytes) if self.is_stored and len(self) else len(self))
        for start in range(0, len(self), step):
            yield self[start : start + step].loaded()

    def numbered(self) -> "Events":
        """The same events, which know their places in the source: as they stand, where they do not know better."""
        if self._held is None or self.rows is not None:
            return self
        return Events(*self._held, torch.arange(len(self)))

    def in_order(self) -> "Events":
        """The same events in the order of their source, where it is known."""
        return self if self.rows is None else self[self.rows.argsort(stable=True)]

    def in_file_order(self) -> "Events":
        """Events in a file as they lie there, which is the fast way to read all of them; others as they stand."""
        return self.in_order() if self.is_stored else self

    @staticmethod
    def join(parts: Sequence["Events"]) -> "Events":
        """All events of several parts of one source, one after another."""
        kept = [part.rows for part in parts]
        rows = None if any(k is None for k in kept) else torch.cat([k for k in kept if k is not None])
        read = parts[0]._read
        if read is not None:
            assert rows is not None and all(part.is_stored for part in parts)
            return Events.stored(read, rows)
        x, contexts = torch.cat([part.x for part in parts]), [part.context for part in parts]
        return Events(x, None if contexts[0] is None else torch.cat([c for c in contexts if c is not None]), rows)


def shuffled(n: int, seed: int = 0) -> Tensor:
    """A permutation of 0, ..., n - 1 that depends on n and the seed only, on every machine."""
    return Noise(seed).uniform((n,), "split", like=torch.zeros((), dtype=torch.float64)).argsort(stable=True)
