"""What a data set is: train, valid and test events of one space.

A split, once named, is fixed: the same name gives the same rows in the same order on every machine, and the
fingerprint proves it.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from ptheta.noise import Noise
from ptheta.spaces import Space

__all__ = ["Dataset", "Events", "shuffled", "split_events"]


@final
@dataclass(frozen=True)
class Events:
    """A batch of events, with one context each or none.

    Args:
        x: Events with shape (n, *space.shape).
        context: Contexts with shape (n, *context_space.shape), or None.
    """

    x: Tensor
    context: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | Tensor) -> "Events":
        return Events(self.x[rows], None if self.context is None else self.context[rows])

    def some(self, n: int) -> "Events":
        """At most n events, always the same ones, in random order: files are often sorted by class."""
        return self if len(self) <= n else self[shuffled(len(self))[:n]]


@final
@dataclass(frozen=True)
class Dataset:
    """Train, valid and test events of one space.

    Args:
        name: What the command line and the runs call it.
        space: What one event is.
        train: The events to fit.
        valid: The events to choose on.
        test: The events to report on.
        context_space: What one context is, or None.
        description: A sentence or two: what it is, where it is from, which split.
        notes: What was done to the user's data (resized, split, dropped), one sentence each. Never silent.
        class_names: The names of the classes, where contexts are classes; else of the symbols, where events are text.
    """

    name: str
    space: Space
    train: Events
    valid: Events
    test: Events
    context_space: Space | None = None
    description: str = ""
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("train", "valid", "test"):
            events = getattr(self, name)
            self.space.check(events.x, f"{self.name}.{name}.x")
            if self.context_space is not None:
                self.context_space.check(events.context, f"{self.name}.{name}.context")
                if len(events.context) != len(events.x):
                    raise ValueError(
                        f"{self.name}.{name} has {len(events.x)} events but {len(events.context)} contexts."
                    )
        if not len(self.train):
            raise ValueError(f"the data set {self.name} has no training events.")

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of a hash over the space and every split.

        The mean and scale of a real space follow from the rows and are left out: their last digit may depend on the
        machine that computed them.
        """
        digest = hashlib.sha256(f"{self.space} {self.context_space}".encode())
        for events in (self.train, self.valid, self.test):
            for tensor in (events.x, events.context):
                if tensor is not None:
                    digest.update(str((tuple(tensor.shape), tensor.dtype)).encode())
                    digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """What the data set is, in plain values that JSON can hold."""
        x = self.train.x
        return {
            "name": self.name,
            "description": self.description,
            "space": str(self.space),
            "dimensions": self.space.dimensions,
            "context": None if self.context_space is None else str(self.context_space),
            "class_names": list(self.class_names),
            "splits": {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)},
            "range": {"min": float(x.min()), "max": float(x.max()), "mean": float(x.mean(dtype=torch.float64))},
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }

    def without_context(self) -> "Dataset":
        """The same events with their contexts forgotten."""
        train, valid, test = (Events(events.x) for events in (self.train, self.valid, self.test))
        names = self.class_names if self.context_space is None else ()
        return Dataset(self.name, self.space, train, valid, test, None, self.description, self.notes, names)


def split_events(
    events: Events, *, valid: float = 0.1, test: float = 0.1, seed: int = 0
) -> tuple[Events, Events, Events]:
    """Splits events at random, once and for all: the same number of rows and seed give the same split.

    Args:
        events: All of them.
        valid: The fraction to choose on.
        test: The fraction to report on.
        seed: Names the split.

    Returns:
        Train, valid and test events.
    """
    n = len(events)
    if n < 3:
        raise ValueError(f"expected at least 3 events to split into train, valid and test, but there are {n}.")
    fair = 0 <= valid < 1 and 0 <= test < 1
    n_valid, n_test = (max(1, round(part * n)) if fair else n for part in (valid, test))
    if n_valid + n_test >= n:
        raise ValueError(
            f"expected fractions valid and test that leave events to train on, but they are {valid} and {test} of {n}."
        )
    order = shuffled(n, seed)
    return events[order[n_valid + n_test :]], events[order[:n_valid]], events[order[n_valid : n_valid + n_test]]


def shuffled(n: int, seed: int = 0) -> Tensor:
    """A permutation of 0, ..., n - 1 that depends on n and the seed only, on every machine."""
    return Noise(seed).uniform((n,), "split", like=torch.zeros((), dtype=torch.float64)).argsort(stable=True)
