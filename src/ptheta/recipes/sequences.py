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
    width: int | None = None,
    layers: int | None = None,
    heads: int = 4,
    dropout: float = 0.0,
    pixel_order: PixelOrder = "raster",
) -> Recipe:
    """A decoder-only transformer over the variables.

    Args:
        space: What one event is: bits, levels, symbols or rows of a table.
        context_space: What one context is, or None.
        width: The number of features of one place. By default 64 on tables, else 128.
        layers: How many blocks. By default 2 on tables, else 4.
        heads: How many attention heads; divides the width.
        dropout: The rate of dropout inside the blocks.
        pixel_order: The order in which pixels are read.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import Transformer

    is_table = space.kind == "table"
    model = Transformer(
        space,
        width=(64 if is_table else 128) if width is None else width,
        layers=(2 if is_table else 4) if layers is None else layers,
        heads=heads,
        dropout=dropout,
        context_space=context_space,
        order=order_of(space, pixel_order),
    )
    training = {"schedule": "cosine", "warmup": 50, "batch_size": 64, "epochs": 15, "learning_rate": 1e-3, "clip": 1.0}
    return Recipe.single(model, {**training, "batch_size": 100, "epochs": 30} if is_table else training)
