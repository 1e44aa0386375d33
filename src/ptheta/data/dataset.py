"""What a data set is: train, valid and test events of one space.

A split, once named, is fixed: the same name gives the same rows in the same order on every machine, and the
fingerprint proves it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast, final

import torch
from torch import Tensor

from ptheta.data.events import Events, shuffled
from ptheta.data.splits import split_events
from ptheta.data.views import View
from ptheta.spaces import Real, Space, Table

__all__ = ["SPLITS", "Dataset", "Events", "shuffled", "split_events"]

SPLITS = ("train", "valid", "test")
PROBED = 64  # events of a split in a file that a data set looks at


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
        view: What the contexts show of the events, where they were made by ``given``.
        before: The data set before ``given``, of whole events.
        decided: Options that its reader chose by itself; with them, more of the same kind is read in the same way.
        sources: What each row of the source is called, such as the name of a picture's file, or none.
        digest: Of the bytes of a file that the events lie in; empty where they are in memory.
        columns: Of the file of a table, what each of its columns is and what was done with it, in plain values.
    """

    name: str
    space: Space
    train: Events
    valid: Events
    test: Events
    context_space: Space | None = None
    description: str = ""
    notes: tuple[str, ...] = ()
    view: View | None = None
    before: "Dataset | None" = field(default=None, repr=False, compare=False)
    decided: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = field(default=(), repr=False)
    digest: str = ""
    columns: tuple[dict[str, Any], ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in SPLITS:
            events: Events = getattr(self, name)
            if events.is_stored:
                events = events[:PROBED].loaded()  # whoever reads the file has looked at all of them
            self.space.check(events.x, f"{self.name}.{name}.x")
            if self.context_space is not None:
                context: Any = events.context
                self.context_space.check(context, f"{self.name}.{name}.context")
                if len(context) != len(events):
                    raise ValueError(f"{self.name}.{name} has {len(events)} events but {len(context)} contexts.")
        if not len(self.train):
            raise ValueError(f"the data set {self.name} has no training events.")

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of a hash over the space and every split.

        The mean and scale of a real space follow from the rows and are left out: their last digit may depend on the
        machine that computed them. Where the events lie in a file, it is over the file's digest and the rows of it.
        """
        digest = hashlib.sha256(f"{self.space} {self.context_space}{self.digest}".encode())
        for events in (self.train, self.valid, self.test):
            held = (events.rows,) if events.is_stored else (events.x, events.context)
            for tensor in held:
                if tensor is not None:
                    digest.update(str((tuple(tensor.shape), tensor.dtype)).encode())
                    digest.update(tensor.contiguous().numpy())  # pyright: ignore
        return digest.hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """What the data set is, in plain values that JSON can hold."""
        return {
            "name": self.name,
            "description": self.description,
            "space": str(self.space),
            "dimensions": self.space.dimensions,
            "context": None if self.context_space is None else str(self.context_space),
            "columns": list(self.space.columns),
            "symbols": list(getattr(self.space, "names", ())),
            "classes": list(getattr(self.context_space, "names", ())),
            "splits": {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)},
            **self._extent(),
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
            **({"table": list(self.columns)} if self.columns else {}),
        }

    def _extent(self) -> dict[str, Any]:
        """The least, the largest and the mean value of the training events; of a table, what its likelihoods are."""
        if isinstance(self.space, Table):
            return {"log_p": self.space.measure}
        parts = (part.x for part in self.train.in_file_order().pieces())
        found = [(x.min(), x.max(), x.sum(dtype=torch.float64), x.numel()) for x in parts]
        lows, tops, sums, counts = zip(*found, strict=True)
        return {"range": {"min": float(min(lows)), "max": float(max(tops)), "mean": float(sum(sums)) / sum(counts)}}

    def everything(self) -> Events:
        """The events of all splits, in the order of their source where that is known."""
        return Events.join([self.train, self.valid, self.test]).in_order()

    def without_context(self) -> "Dataset":
        """The same events with their contexts forgotten."""
        train, valid, test = (events.without_context() for events in (self.train, self.valid, self.test))
        return replace(self, train=train, valid=valid, test=test, context_space=None, view=None, before=None)

    def given(self, view: View) -> "Dataset":
        """The same events with what the view shows of them as their contexts, in place of any they had.

        Args:
            view: What is given.

        Returns:
            What is to be modelled, given that. Raises ValueError, in a sentence, where the view shows nothing of such
            events.
        """
        space, context_space = view.spaces(self.space)
        splits = (self.train, self.valid, self.test)
        train, valid, test = (e.map(lambda x, _: view.split(x, self.space)) for e in splits)
        if isinstance(context_space, Real) and not context_space.mean:
            contexts = train.in_file_order().map(lambda _, context: (cast("Tensor", context), None))
            context_space = Real.standardising((part.x for part in contexts.pieces()), context_space.columns)
        notes = self.notes
        if self.context_space is not None:
            notes = (*notes, f"What is given takes the place of the contexts of {self.context_space}.")
        parts = {"space": space, "context_space": context_space, "train": train, "valid": valid, "test": test}
        return replace(self, **parts, notes=notes, view=view, before=self)

    def whole(self, events: Events) -> Tensor:
        """Events together with what was given of them, where they are parts of one: to look at, and to compare."""
        return events.x if self.view is None or events.context is None else self.view.join(events.x, events.context)

    def adopted(self, space: Space, context_space: Space | None) -> "Dataset":
        """The same events as those of another space: columns, symbols and classes are matched by their names.

        Args:
            space: What a model takes an event to be.
            context_space: What it takes a context to be; None leaves contexts out.

        Returns:
            A data set of these spaces. Raises ValueError, naming what does not fit.
        """
        if context_space is not None and self.context_space is None:
            raise ValueError(f"expected contexts of {context_space}, but {self.name} has none.")

        def adopt(x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
            if context_space is None or self.context_space is None or context is None:
                return space.adopt(x, self.space), None
            return space.adopt(x, self.space), context_space.adopt(context, self.context_space)

        try:
            train, valid, test = (events.map(adopt) for events in (self.train, self.valid, self.test))
        except ValueError as error:
            raise ValueError(f"{self.name} does not fit the model: {error}") from error
        return replace(self, space=space, context_space=context_space, train=train, valid=valid, test=test)
