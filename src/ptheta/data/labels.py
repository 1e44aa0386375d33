"""A few labels of many events: which are kept is decided once, by a seed, as many of each class."""

from dataclasses import replace

import torch

from ptheta.data.dataset import Dataset, Events
from ptheta.noise import seeded_generator
from ptheta.spaces import Symbols

__all__ = ["few_labels"]


def few_labels(data: Dataset, *, labels: int, classes: int, seed: int = 0) -> tuple[Dataset, Events]:
    """Keeps the labels of a few training events, as many of each class, and forgets all others.

    Args:
        data: Events with one class each.
        labels: How many labels are kept, a multiple of the classes; 0 for none.
        classes: The number of classes.
        seed: Names the events whose labels are kept.

    Returns:
        The same events without any labels, to train on; and those with a label, class by class. Raises ValueError
        where contexts are no classes or a class has too few events.
    """
    context, space = data.train.context, data.context_space
    if not labels:
        return data.without_context(), Events(data.train.x[:0])
    if context is None or not isinstance(space, Symbols) or space.shape or space.n != classes:
        raise ValueError(f"expected one of {classes} classes for each event, but contexts are of {space}.")
    order = torch.randperm(len(context), generator=seeded_generator(seed))
    share = labels // classes
    rows = [order[context[order] == k][:share] for k in range(classes)]
    if short := [k for k, found in enumerate(rows) if len(found) < share]:
        raise ValueError(f"expected {share} training events of each class, but class {short[0]} has fewer.")
    hidden = replace(data.without_context(), notes=(*data.notes, f"{labels} labels are kept, of seed {seed}."))
    return hidden, data.train[torch.cat(rows)]
