"""Known-good models of sequences: recurrent networks, a NADE per frame under one, and the transformer."""

from typing import TYPE_CHECKING, Literal

from ptheta.recipes.orders import PixelOrder, order_of
from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["rnn", "rnn_nade", "transformer"]


def rnn(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int = 256,
    layers: int | None = None,
    cell: Literal["lstm", "gru"] = "lstm",
    dropout: float = 0.0,
    pixel_order: PixelOrder = "raster",
) -> Recipe:
    """A recurrent network that reads the variables one after the other.

    Args:
        space: What one event is: bits, levels, symbols or reals.
        context_space: What one context is, or None.
        hidden: The number of units of each layer.
        layers: How many layers. By default 2 on symbols, else 1.
        cell: The kind of unit.
        dropout: The rate of dropout on the output of every layer.
        pixel_order: The order in which pixels are read.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import RNN

    is_text = space.kind == "symbols"
    model = RNN(
        space,
        hidden=hidden,
        layers=(2 if is_text else 1) if layers is None else layers,
        cell=cell,
        positions=0 if is_text else 16,
        dropout=dropout,
        context_space=context_space,
        order=order_of(space, pixel_order),
    )
    rate = 2e-3 if is_text else 3e-3
    training = {"schedule": "cosine", "batch_size": 64, "epochs": 15, "learning_rate": rate, "clip": 1.0}
    return Recipe.single(model, training)


def rnn_nade(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int = 150,
    recurrent_hidden: int = 200,
    layers: int = 1,
    cell: Literal["lstm", "gru"] = "gru",
    dropout: float = 0.3,
) -> Recipe:
    """A NADE per frame whose biases a recurrent network chooses, for piano rolls and their like.

    Args:
        space: What one event is: bits, levels or symbols with shape (frames, variables).
        context_space: What one context is, or None.
        hidden: The number of hidden units of NADE.
        recurrent_hidden: The number of units of each recurrent layer.
        layers: How many recurrent layers.
        cell: The kind of unit.
        dropout: The rate of dropout on the output of every recurrent layer.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import RNNNADE

    model = RNNNADE(
        space,
        hidden=hidden,
        recurrent_hidden=recurrent_hidden,
        layers=layers,
        cell=cell,
        dropout=dropout,
        context_space=context_space,
    )
    training = {"schedule": "cosine", "batch_size": 16, "epochs": 100, "learning_rate": 2e-3, "clip": 1.0}
    return Recipe.single(model, training)


def transformer(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    dropout: float = 0.0,
    pixel_order: PixelOrder = "raster",
) -> Recipe:
    """A decoder-only transformer over the variables.

    Args:
        space: What one event is: bits, levels or symbols.
        context_space: What one context is, or None.
        width: The number of features of one place.
        layers: How many blocks.
        heads: How many attention heads; divides the width.
        dropout: The rate of dropout inside the blocks.
        pixel_order: The order in which pixels are read.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import Transformer

    model = Transformer(
        space,
        width=width,
        layers=layers,
        heads=heads,
        dropout=dropout,
        context_space=context_space,
        order=order_of(space, pixel_order),
    )
    training = {"schedule": "cosine", "warmup": 50, "batch_size": 64, "epochs": 15, "learning_rate": 1e-3, "clip": 1.0}
    return Recipe.single(model, training)
