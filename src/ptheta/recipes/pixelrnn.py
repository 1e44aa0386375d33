"""Known-good PixelRNNs."""

from typing import TYPE_CHECKING, Any

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["diagonal_bilstm", "row_lstm"]

SMALL = 150  # pixels up to which an image is taken to be one of a few hundred or thousand


def row_lstm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int | None = None,
    layers: int | None = None,
    components: int = 10,
) -> Recipe:
    """A PixelRNN that reads an image row by row.

    Args:
        space: What one event is: images of bits, levels or symbols.
        context_space: What one context is, or None.
        hidden: The number of units of each layer. By default about 16, about 24 on images below 150 pixels.
        layers: How many recurrent layers. By default 7, 3 on images below 150 pixels.
        components: The components of the mixtures on more than 32 levels.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import RowLSTM
    from ptheta.distributions.heads import default_head

    units, depth, training = _sizes(space, hidden, layers)
    head = default_head(space, components)
    model = RowLSTM(space, hidden=units, layers=depth, context_space=context_space, head=head)
    return Recipe.single(model, training)


def diagonal_bilstm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int | None = None,
    layers: int | None = None,
    components: int = 10,
) -> Recipe:
    """A PixelRNN that reads an image along its diagonals, from the left and from the right.

    Args:
        space: What one event is: images of bits, levels or symbols.
        context_space: What one context is, or None.
        hidden: The number of units of each layer and direction. By default about 16, about 24 below 150 pixels.
        layers: How many recurrent layers. By default 7, 3 on images below 150 pixels.
        components: The components of the mixtures on more than 32 levels.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import DiagonalBiLSTM
    from ptheta.distributions.heads import default_head

    units, depth, training = _sizes(space, hidden, layers)
    head = default_head(space, components)
    model = DiagonalBiLSTM(space, hidden=units, layers=depth, context_space=context_space, head=head)
    return Recipe.single(model, training)


def _sizes(space: "Space", hidden: int | None, layers: int | None) -> tuple[int, int, dict[str, Any]]:
    """The units (a multiple of the channels), the layers and the training, where they are not said."""
    channels = space.shape[0]
    is_small = space.dimensions // channels < SMALL
    units, depth = (24, 3) if is_small else (16, 7)
    training = {"schedule": "cosine", "clip": 1.0, "batch_size": 32, "learning_rate": 3e-3}
    units = channels * -(-units // channels) if hidden is None else hidden
    depth = depth if layers is None else layers
    return units, depth, {**training, "epochs": 40 if is_small else 10}
