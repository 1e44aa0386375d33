"""Whether a model can be fitted here at all, seen before it is built: its weights are counted without memory for them.

Large events make some models huge: a logistic regression per variable on all before it has a weight for every pair of
values. Such a model is refused in a sentence, not after minutes of paging.
"""

import os
from typing import Any

import torch

from ptheta.recipes import find_recipe
from ptheta.recipes.dials import require_in_range
from ptheta.spaces import Space

__all__ = ["require_affordable"]

LARGE = 50_000  # values of all variables together, below which nothing is huge
COPIES = 6  # of the weights while they are trained: themselves, a gradient, two moments, the best, the average
BUILT, STEPPED, SAVED = 10e-9, 5e-9, 40e-9  # seconds a parameter, at least: to draw it, to move it once, to save it
MOST = 0.5  # the part of the memory, or of the minutes, that may go to that


def require_affordable(
    name: str, space: Space, context_space: Space | None, dials: dict[str, Any], seconds: float | None
) -> None:
    """Refuses a model that is too large to be trained in this memory, or to take a step in the seconds it is given.

    Args:
        name: The recipe's name.
        space: What one event is.
        context_space: What one context is, or None.
        dials: The recipe's dials.
        seconds: How long it may train; None where that is not limited.
    """
    require_in_range(name, dials)
    values = space.dimensions * max(1, getattr(space, "n", 1))
    if values < LARGE:
        return
    try:
        with torch.device("meta"):
            model: Any = find_recipe(name)(space, context_space, **dials).model
    except (RuntimeError, TypeError):  # some count on numbers while they are built
        return
    n = sum(p.numel() for p in model.parameters())
    advice = "Give smaller events (--size makes pictures smaller), smaller layers, or another model."
    large = f"{name} on events of {space} has {n:,} parameters".replace(",", " ")
    if (needed := 4 * COPIES * n) > MOST * memory():
        raise ValueError(
            f"{large}: training takes {needed / 1e9:.1f} GB, and this machine has {memory() / 1e9:.1f} GB. {advice}"
        )
    takes = n * (BUILT + STEPPED + SAVED)
    if seconds is not None and takes > MOST * seconds:
        raise ValueError(
            f"{large}: to build them, step once and save them takes some {takes:.0f} s of the {seconds:.0f} s it has. "
            f"Give more --minutes. {advice}"
        )


def memory() -> int:
    """The bytes of memory that this machine has."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system says
        return 8 << 30
