"""Which events a verb works on: those of a split of the run's own data, or other data, whole and in their order."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from ptheta.cli.train import say

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.data.dataset import Dataset, Events
    from ptheta.metrics.translation import Domains
    from ptheta.runs import Run
    from ptheta.spaces import Space

__all__ = ["Found", "Split", "contexts_of", "domains_of", "find_events", "judged", "tell_unseen"]

Split = Literal["train", "valid", "test", "all"]
MOST_TRAINING = 50_000  # training events that samples are compared with


@final
@dataclass(frozen=True)
class Found:
    """What a verb works on.

    Args:
        data: The data set, of the model's spaces.
        events: The events of it, in the order of the source.
        split: Which they are: train, valid, test, or all.
        source: What was loaded.
        options: With which options, besides those that follow from the run.
    """

    data: "Dataset"
    events: "Events"
    split: Split
    source: str
    options: dict[str, Any]

    @property
    def rows(self) -> list[Any]:
        """What each event is called: its file, where it has one, else its place in the source, from 0."""
        rows = range(len(self.events)) if self.events.rows is None else self.events.rows.tolist()
        return [self.data.sources[row] for row in rows] if self.data.sources else list(rows)

    def __str__(self) -> str:
        return f"{self.data.name}, {'all events' if self.split == 'all' else f'{self.split} split'}"


def find_events(
    run: "Run",
    source: str | None,
    split: Split | None,
    options: dict[str, Any],
    *,
    labelled: bool = True,
    space: "Space | None" = None,
) -> Found:
    """Finds the events.

    Args:
        run: The run, whose own data these are, or to whose model they are matched.
        source: A name or a path; None for what the run was fitted on.
        split: A split; None for the test split of a named set, all of a file, and the test split of the run's own.
        options: Of the data, where they differ from the run's.
        labelled: Whether other data come with the model's contexts; without, none are read.
        space: What other data are read as, where that is not the model's own space.

    Returns:
        What was found. What was done to other data is said on standard error.
    """
    from ptheta.data import NAMES

    own = source is None
    if source is None:
        if options:
            raise ValueError("--data-options are of the data that --data names; without it they mean nothing.")
        source, options = run.manifest.data, run.manifest.data_options
        data = run.data().adopted(run.model.space, run.model.context_space)
        split = split or "test"
    else:
        split = split or ("test" if source in NAMES else "all")
        data = run.read(source, whole=split == "all", labelled=labelled, space=space, **options)
        for note in data.notes:
            say(f"data: {note}", error=True)
        if split == "all" and _same(source, run.manifest.data):
            say(f"data: {source} is what the run was fitted on; --split test takes what was held out.", error=True)
    events = data.everything() if split == "all" else getattr(data, split).in_order()
    if not len(events):
        raise ValueError(f"there are no {split} events in {run.manifest.data if own else source}.")
    tell_unseen(run, events.context)
    return Found(data, events, split, source, options)


def tell_unseen(run: "Run", context: "Tensor | None", what: str = "data") -> None:
    """Says of how many events training saw no other of their class, or no text with a word of theirs.

    Nothing has taught the model what that means.

    Args:
        run: A run.
        context: Contexts with shape (n, *context_space.shape), or None.
        what: Whose contexts they are, for the message.
    """
    from ptheta.spaces import Symbols

    space = run.model.context_space
    if context is None or not isinstance(space, Symbols):
        return
    seen = run.contexts().flatten().long().bincount(minlength=space.n) > 0
    strange = ~seen[context.long()]
    if n := int(strange.reshape(len(strange), -1).any(1).sum()):
        unseen = context[strange].unique()[:8].tolist()
        names = ", ".join((space.names[i] if space.names else str(i)) or "(blank)" for i in unseen)
        kind = "text with the word" if space.shape else "event of the class"
        which = f"of {n} of {len(context)} events ({names})" if len(context) > 1 else names
        say(f"{what}: training saw no {kind} {which}: what the model says given it means nothing.", error=True)


def _same(source: str, other: str) -> bool:
    return Path(source).exists() and Path(other).exists() and Path(source).samefile(other)


def contexts_of(run: "Run", n: int, found: Found | None, seed: int) -> "Tensor | None":
    """A context for each of n events: those of other events, drawn at random, else of the training events.

    Args:
        run: The run.
        n: How many.
        found: The events whose contexts they are, or None.
        seed: Names the draw.

    Returns:
        Contexts with shape (n, *context_space.shape), or None where the model takes none.
    """
    from ptheta.noise import Noise

    if run.model.context_space is None:
        return None
    places = Noise(seed).uniform((n,), "context")
    if found is None:
        kept = run.contexts()
        return kept[(places * len(kept)).long()]
    return found.events[(places * len(found.events)).long()].context


def judged(run: "Run", found: Found, own: bool) -> "tuple[Dataset, Literal['train', 'valid', 'test']]":
    """The data set that samples are compared with: the run's training events, and those events that were asked for.

    Args:
        run: The run.
        found: The events that were asked for.
        own: Whether they are of the data the run was fitted on.

    Returns:
        A data set, and which split of it they are. Raises ValueError, in a sentence, where there is nothing to compare
        with.
    """
    from dataclasses import replace

    if own and found.split == "all":
        raise ValueError("they compare with the events of one split: choose --split train, valid or test.")
    data = found.data if own else run.data().adopted(run.model.space, run.model.context_space)
    if not own:
        data = replace(data, valid=data.valid[:0], test=found.events)
    if len(data.train) > MOST_TRAINING:
        say(f"samples are compared with {MOST_TRAINING} of {len(data.train)} training events.", error=True)
    train, valid, test = (events.some(MOST_TRAINING).loaded() for events in (data.train, data.valid, data.test))
    split = found.split if own and found.split != "all" else "test"
    return replace(data, train=train, valid=valid, test=test, view=None, before=None), split


def domains_of(source: str, options: dict[str, Any]) -> "Domains | None":
    """The world of shapes that drew a data set, where its classes are one of its factors; else None.

    Args:
        source: What ``load`` was called with.
        options: The options it was called with.

    Returns:
        The world, which reads events exactly and knows their counterparts.
    """
    from ptheta.data import NAMES, world
    from ptheta.data.worlds.shapes import Shapes

    try:
        law = world(source, **options) if source in NAMES else None
    except ValueError:
        return None
    is_map = isinstance(law, Shapes) and law.context in [factor.name for factor in law.factors]
    return law if isinstance(law, Shapes) and is_map else None
