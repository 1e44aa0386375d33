"""Worlds: synthetic sets whose truth is known by construction. What has no likelihood is proven on them.

    shapes           coloured shapes with captions, sketches and domains; an exact reader of what is shown
    coin-flip        a film with two equally likely ends, both known
    bouncing-balls   three balls in a box, by the generator of the papers
    stacked-digits   three digits as colours: a thousand modes to find

``world(name)`` draws, reads and knows the first two; the others are data sets with a number or labels beside them.
"""

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ptheta.data.names import NAMES

if TYPE_CHECKING:
    from ptheta.data.worlds.base import World

__all__ = ["world"]

LAWS = {"worlds.shape_sets:shapes": "shapes:Shapes", "worlds.coins:coin_flip": "coins:CoinFlip"}


def world(name: str, **options: Any) -> "World":
    """The world that a named set is drawn from.

    Args:
        name: "coin-flip", "shapes" or another name of shapes.
        **options: As the data set was loaded with; those that only say what is drawn or given leave the world alike.

    Returns:
        An object that draws, renders and reads events, with ``log_prob`` and ``entropy``.
    """
    worlds = {known: entry for known, entry in NAMES.items() if entry.maker in LAWS}
    if name not in worlds:
        raise ValueError(f"expected a world out of {', '.join(worlds)}, but the name is {name[:40]!r}.")
    entry = worlds[name]
    module, law = LAWS[entry.maker].split(":")
    home, maker = entry.maker.split(":")
    drawn = inspect.signature(getattr(import_module(f"ptheta.data.{home}"), maker)).parameters
    make = getattr(import_module(f"ptheta.data.worlds.{module}"), law)
    wanted = inspect.signature(make).parameters
    for option in options:
        if option not in (*drawn, "classes", "given"):
            raise ValueError(f"the world {name} does not take the option {option}: it takes {', '.join(wanted)}.")
    options = {**entry.fixed, **options}
    return make(**{option: value for option, value in options.items() if option in wanted})
