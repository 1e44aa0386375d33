"""Recipes of models that keep training events and draw from them: baselines that every other model has to beat."""

from typing import TYPE_CHECKING

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["bootstrap", "smote"]


def bootstrap(space: "Space", context_space: "Space | None" = None) -> Recipe:
    """Training events again, drawn with replacement: as like the data as can be, and all copies.

    Args:
        space: Any space.
        context_space: Classes or None.

    Returns:
        A ``Bootstrap``.
    """
    from ptheta.distributions.resampling import Bootstrap

    return Recipe.single(Bootstrap(space, context_space=context_space))


def smote(space: "Space", context_space: "Space | None" = None, *, neighbours: int = 5, most: int = 50_000) -> Recipe:
    """Training events, part of the way to a neighbour: the baseline to beat for synthetic rows of tables.

    Args:
        space: A table, or reals.
        context_space: Classes or None.
        neighbours: Among how many neighbours one is drawn.
        most: The most training events that are kept.

    Returns:
        A ``SMOTE``.
    """
    from ptheta.distributions.resampling import SMOTE

    return Recipe.single(SMOTE(space, context_space=context_space, neighbours=neighbours, most=most))
