"""Recipes: one function per known-good model and its training, with the few dials worth turning.

``RECIPES`` is the whole list, as the family tree has it: the name on the command line, and where its function lives.
Recipe modules import no torch at the top, so that ``ptheta --help`` is instant.
"""

from collections.abc import Callable
from importlib import import_module

from ptheta.hints import did_you_mean
from ptheta.recipes.recipe import Recipe, Stage
from ptheta.taxonomy import leaves

__all__ = ["RECIPES", "Recipe", "Stage", "find_recipe"]

RECIPES: dict[str, str] = {leaf.name: leaf.recipe for _, leaf in leaves()}


def find_recipe(name: str) -> Callable[..., Recipe]:
    """Finds a recipe's function by its name on the command line.

    Args:
        name: One of ``RECIPES``.

    Returns:
        A function of (space, context_space, *, dials) that returns a ``Recipe``.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES)
        raise ValueError(f"there is no model named {name!r}.{hint} ptheta models lists them all.")
    module, function = RECIPES[name].split(":")
    return getattr(import_module(f"ptheta.recipes.{module}"), function)
