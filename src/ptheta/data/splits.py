"""How the events of a source are split into those that train, validate and test: at random, or as the source says."""

from itertools import accumulate, pairwise
from typing import cast

import torch
from torch import Tensor

from ptheta.data.events import Events, shuffled
from ptheta.spaces import Space, Symbols
from ptheta.spaces.space import some

__all__ = ["LARGEST_HELD_OUT", "held_out", "never_trained", "split_as_given", "split_by_file", "split_events"]

LARGEST_HELD_OUT = 10_000  # events that validate, or test, unless a fraction is asked for


def split_events(
    events: Events, *, valid: float | None = None, test: float | None = None, seed: int = 0
) -> tuple[Events, Events, Events]:
    """Splits events at random, once and for all: the same number of rows and seed give the same split.

    Args:
        events: All of them.
        valid: The fraction to choose on; None for a tenth, but 10,000 at most; 0 for none.
        test: The fraction to report on; None for a tenth, but 10,000 at most; 0 for none.
        seed: Names the split.

    Returns:
        Train, valid and test events.
    """
    n = len(events)
    n_valid, n_test = held_out(n, valid), held_out(n, test)
    if n < 1 + (n_valid > 0) + (n_test > 0):
        raise ValueError(f"expected at least 3 events to split into train, valid and test, but there are {n}.")
    if n_valid + n_test >= n:
        raise ValueError(
            f"expected fractions valid and test that leave events to train on, but they are {valid} and {test} of {n}."
        )
    events, order = events.numbered(), shuffled(n, seed)
    return events[order[n_valid + n_test :]], events[order[:n_valid]], events[order[n_valid : n_valid + n_test]]


def held_out(n: int, fraction: float | None) -> int:
    """How many of n events are held out; all where the fraction is none, which leaves nothing to train on."""
    if fraction is None:
        return max(1, min(round(0.1 * n), LARGEST_HELD_OUT))
    return max(fraction > 0, round(fraction * n)) if 0 <= fraction < 1 else n


def split_as_given(
    events: Events,
    sizes: list[int],
    *,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
    notes: list[str],
    what: str = "events",
) -> tuple[Events, Events, Events]:
    """Cuts events where the source does, and takes what it leaves out from the training events at random.

    Args:
        events: All of them: first those that train, then those that validate, then those that test.
        sizes: How many each of the three are; none where the source has no splits.
        valid: The fraction to choose on, where the source says none; as of ``split_events``.
        test: The fraction to report on, where the source says none.
        seed: Names what is taken at random.
        notes: Told what was done.
        what: What is split, for notes.

    Returns:
        Train, valid and test events.
    """
    if not sizes:
        splits = split_events(events, valid=valid, test=test, seed=seed)
        if len(splits[0]) < len(events):
            notes.append(f"Split at random with seed {seed} into {' / '.join(str(len(s)) for s in splits)} {what}.")
        return splits
    n = sizes[0]
    wanted = [0 if given else held_out(n, part) for given, part in zip(sizes[1:], (valid, test), strict=True)]
    if sum(wanted) >= n:
        raise ValueError(f"{n} training events are too few to take {sum(wanted)} of them to choose on.")
    train, *held = (events.numbered()[rows] for rows in torch.arange(len(events)).split(sizes))
    if any(wanted):
        *taken, rest = shuffled(n, seed).split([*wanted, n - sum(wanted)])
        held = [train[rows] if len(rows) else own for own, rows in zip(held, taken, strict=True)]
        train = train[rest]
        names = " and ".join(name for name, k in zip(("valid", "test"), wanted, strict=True) if k)
        notes.append(f"There are no {names} {what}: {sum(wanted)} training {what} were taken (seed {seed}).")
    return train, held[0], held[1]


def split_by_file(
    events: Events,
    kept: list[int],
    extra: list[bool],
    sizes: list[int],
    *,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
    notes: list[str],
) -> tuple[Events, Events, Events]:
    """Splits events of which a file may have several: all of a file are in the same split.

    Args:
        events: All of them, in the order of their files.
        kept: Of which file each is.
        extra: Whether each is for training only.
        sizes: How many files train, validate and test; none where the source has no splits.
        valid: The fraction of files to choose on, where the source says none; as of ``split_events``.
        test: The fraction of files to report on, where the source says none.
        seed: Names what is taken at random.
        notes: Told what was done.

    Returns:
        Train, valid and test events.
    """
    files, counts = torch.tensor(kept).unique_consecutive(return_counts=True)
    sizes = [int(((low <= files) & (files < high)).sum()) for low, high in pairwise([0, *accumulate(sizes)])]
    what = "files" if len(files) < len(kept) else "events"
    parts = split_as_given(Events(files), sizes, valid=valid, test=test, seed=seed, notes=notes, what=what)
    rows = [cast("Tensor", part.rows) for part in parts]
    if len(files) < len(kept):
        own = torch.arange(len(kept)).split(counts.tolist())
        train, *held = (torch.cat([own[i] for i in part.tolist()] or [part]) for part in rows)
        more = torch.tensor(extra)
        rows = [train, *(part[~more[part]] for part in held)]
        last = f", of which {n} only train." if (n := int(more[train].sum())) else "."
        notes.append(f"All events of a file are in one split: {' / '.join(str(len(r)) for r in rows)} events{last}")
    train, choose, report = (events.numbered()[part] for part in rows)
    return train, choose, report


def never_trained(space: Space | None, contexts: Tensor | None) -> list[str]:
    """A note about the classes of a source that no training event has, where there are any."""
    if not isinstance(space, Symbols) or space.shape or not space.names or contexts is None:
        return []
    missing = set(range(space.n)) - set(contexts.unique().tolist())
    names = some([space.names[i] for i in sorted(missing)])
    return [f"No training event is of the class {names}: a model cannot know it."] if missing else []
