"""A regression on what is given: the floor of conditional models."""

from typing import TYPE_CHECKING

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["regression"]


def regression(
    space: "Space", context_space: "Space | None" = None, *, hidden: tuple[int, ...] | None = None
) -> Recipe:
    """A network and a head per variable, all variables on their own given the context.

    Args:
        space: What one event is.
        context_space: What one context is; it needs one.
        hidden: The widths of the perceptron's hidden layers, 256, 256 by default. Of no use where both events and
            contexts are pictures, which are read by convolutions.

    Returns:
        The model and its training.
    """
    from ptheta.nn.contexts import reader_of
    from ptheta.nn.mlp import MLP
    from ptheta.regression import Regression
    from ptheta.regression.regression import simple_head

    network = None
    if hidden is not None:
        reader = reader_of(context_space)
        if reader is None or len(space.shape) == len(getattr(context_space, "shape", ())) == 3:
            raise ValueError("hidden are the layers of a perceptron, and these contexts are read by convolutions.")
        network = MLP(reader.shape[0], space.dimensions * simple_head(space).width, hidden)
    model = Regression(space, context_space=context_space, network=network)
    return Recipe.single(model, {"batch_size": 100, "schedule": "cosine", "epochs": 60, "ema": 0.99})
