"""What about a data set makes numbers on it mean less than they seem to: repeats, spikes, splits of a few events.

A density of a variable that takes one value, or a few, can be made as high as one likes by a narrow enough spike at
each; so likelihoods on such data say how narrow each model dares to be, and rank nothing. Events that occur both in
train and in test reward copying. What is chosen by a few validation events is chosen by chance.

It costs a hash of every event, and a sort of a few thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from ptheta.data.dataset import Dataset, Events
from ptheta.spaces import Real, Space, Table

__all__ = ["Cautions", "cautions"]

FEW_EVENTS = 5
FEW_VALUES = 10  # of a real variable
SPIKE = 0.2  # the share of one value of a real variable
LOOKED_AT = 2000  # training events whose values are counted
BYTES = 1 << 29  # of a split: in larger ones repeats are not looked for
NAMED = 5  # variables that a sentence names


@final
@dataclass(frozen=True)
class Cautions:
    """What to know before reading numbers on a data set.

    Args:
        notes: What is odd, a sentence each.
        unranked: Why densities do not rank models here, in a sentence; None where they do.
    """

    notes: tuple[str, ...] = ()
    unranked: str | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it."""
        return self.notes if self.unranked is None else (*self.notes, self.unranked)


def cautions(data: Dataset) -> Cautions:
    """Looks for what makes numbers mean less than they seem to.

    Args:
        data: The data set; one whose events all stand in train was not split, and nothing is said of splits.

    Returns:
        What was found.
    """
    if not len(data.valid) + len(data.test):
        return Cautions(tuple(_repeats(data, "events")), _spikes(data.train, data.space))
    notes = _repeats(data)
    if len(data.valid) < FEW_EVENTS:
        notes = [f"What is chosen on valid is chosen by chance: it has {_count(len(data.valid), 'event')}.", *notes]
    if len(data.test) < FEW_EVENTS:
        unranked = (
            f"Likelihoods do not rank models here: test has {_count(len(data.test), 'event')}. More data would, or a "
            "larger part to test on, where the data are split here: --data-options test=.4."
        )
    else:
        unranked = _spikes(data.train, data.space)
    return Cautions(tuple(notes), unranked)


def _repeats(data: Dataset, what: str = "training events") -> list[str]:
    if max(map(len, (data.train, data.test))) * data.train[:1].x.nbytes > BYTES:
        return []
    train, test = _hashes(data.train), _hashes(data.test)
    seen = set(train)
    found, shared = [], sum(row in seen for row in test)
    if len(seen) < len(train):
        found.append(f"{len(train) - len(seen)} of {len(train)} {what} repeat another one.")
    if shared:
        found.append(f"{shared} of {len(test)} test events occur in train as well.")
    return found


def _hashes(events: Events) -> list[int]:
    parts = (part.x.flatten(1).contiguous().numpy() for part in events.pieces()) if len(events) else ()
    return [hash(row.tobytes()) for part in parts for row in part]


def _spikes(train: Events, space: Space) -> str | None:
    """Why densities rank nothing, where some real variables have spikes."""
    reals = list(range(space.dimensions)) if isinstance(space, Real) else []
    if isinstance(space, Table):
        reals = [i for i, field in enumerate(space.fields) if field.kind == "number"]
    if not reals or len(train) < FEW_EVENTS:  # none, or too few to tell
        return None
    values = train.some(LOOKED_AT).x.flatten(1).double()
    spikes: dict[str, list[int]] = {}
    for i in reals:
        counts = values[~values[:, i].isnan(), i].unique(return_counts=True)[1]
        if len(counts) == 1:
            spikes.setdefault("constant", []).append(i)
        elif 1 < len(counts) <= FEW_VALUES or (len(counts) and counts.max() >= SPIKE * counts.sum()):
            spikes.setdefault("mostly of a few values", []).append(i)
    if not spikes:
        return None
    why = [f"{_named(which, space)} {'is' if len(which) == 1 else 'are'} {what}" for what, which in spikes.items()]
    return (
        f"Likelihoods do not rank models here: {' and '.join(why)}, so a density can be made as high as one likes by "
        "narrow spikes. Leave such columns out (of a table by --data-options drop=NAME), or give them as whole numbers "
        "or words."
    )


def _named(columns: Sequence[int], space: Space) -> str:
    names = [space.columns[i] if space.columns else str(i) for i in columns]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    what = "column" if space.columns else "variable"
    return f"{what if len(names) == 1 else what + 's'} {', '.join(names[:NAMED])}{more}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
