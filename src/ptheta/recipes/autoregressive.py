"""Known-good autoregressive models."""

from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.orders import PixelOrder, order_of
from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["eonade", "fvbn", "made", "nade"]

LARGE = 700  # variables from which on events are taken to be pictures by the ten thousand
COMMON = {"schedule": "cosine", "batch_size": 50}
TABLES = {"epochs": 30, "batch_size": 100, "learning_rate": 3e-3, "weight_decay": 1e-3, "clip": 1.0}


def fvbn(space: "Space", context_space: "Space | None" = None, *, pixel_order: PixelOrder = "raster") -> Recipe:
    """A fully visible belief net: one logistic regression per variable. Its L2 penalty is the training's weight_decay.

    Args:
        space: What one event is: bits, levels or symbols.
        context_space: What one context is, or None.
        pixel_order: The order in which pixels follow one another.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import FVBN

    model = FVBN(space, context_space=context_space, order=order_of(space, pixel_order))
    if space.dimensions >= LARGE:
        return Recipe.single(model, {**COMMON, "epochs": 25, "batch_size": 100, "learning_rate": 5e-3})
    decay = 3e-4 if space.kind == "binary" else 1e-2
    return Recipe.single(model, {**COMMON, "epochs": 60, "learning_rate": 1e-2, "weight_decay": decay})


def nade(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int | None = None,
    activation: Literal["sigmoid", "relu"] | None = None,
    components: int = 10,
    pixel_order: PixelOrder = "raster",
) -> Recipe:
    """A neural autoregressive distribution estimator; on reals RNADE, with a mixture of Gaussians per variable.

    Args:
        space: What one event is: bits, levels, symbols, reals or rows of a table.
        context_space: What one context is, or None.
        hidden: The number of hidden units. By default 500 on large pictures, 50 on reals, 300 on levels, symbols and
            tables, else 200.
        activation: The hidden units' nonlinearity. By default relu on reals, else sigmoid.
        components: The components of the mixtures on reals, on more than 32 levels and on numbers of tables.
        pixel_order: The order in which pixels follow one another.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import NADE
    from ptheta.distributions.heads import GaussianMixtureHead, default_head

    is_real = space.kind == "real"
    head = GaussianMixtureHead(components, min_log_scale=-3.0) if is_real else default_head(space, components)
    if is_real:
        width, training = 50, {"epochs": 100, "learning_rate": 2e-2, "weight_decay": 3e-3, "clip": 1.0}
    elif space.dimensions >= LARGE:
        width, training = 500, {"epochs": 20, "batch_size": 100, "learning_rate": 3e-3}
    elif space.kind == "binary":
        width, training = 200, {"epochs": 60, "learning_rate": 5e-3, "weight_decay": 3e-4}
    elif space.kind == "table":
        width, training = 300, TABLES
    else:
        width, training = 300, {"epochs": 30, "learning_rate": 3e-3, "weight_decay": 1e-3}
    width = width if hidden is None else hidden
    if activation is None:
        activation = "relu" if is_real else "sigmoid"
    order = order_of(space, pixel_order)
    model = NADE(space, hidden=width, context_space=context_space, order=order, head=head, activation=activation)
    return Recipe.single(model, {**COMMON, **training})


def made(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: tuple[int, ...] | None = None,
    direct: bool = True,
    masks: int = 1,
    components: int = 10,
    pixel_order: PixelOrder = "raster",
) -> Recipe:
    """A masked autoencoder: an autoregressive perceptron of any depth, all conditionals in one pass.

    Args:
        space: What one event is: bits, levels, symbols, reals or rows of a table.
        context_space: What one context is, or None.
        hidden: The width of each hidden layer. By default 500 units in one layer; 100 on reals, 256 on tables.
        direct: Whether variables also reach the outputs directly.
        masks: How many masks share the weights, one on tables; scores and samples average over them.
        components: The components of the mixtures on reals, on more than 32 levels and on numbers of tables.
        pixel_order: The order in which pixels follow one another.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import MADE
    from ptheta.distributions.heads import GaussianMixtureHead, default_head

    is_real = space.kind == "real"
    head = GaussianMixtureHead(components, min_log_scale=-3.0) if is_real else default_head(space, components)
    if is_real:
        training = {"epochs": 100, "learning_rate": 1e-2, "weight_decay": 3e-3, "clip": 1.0}
    elif space.dimensions >= LARGE:
        training = {"epochs": 60, "batch_size": 100, "learning_rate": 1e-3, "precision": "auto"}
    elif space.kind == "table":
        training = TABLES
    else:
        training = {"epochs": 60, "learning_rate": 3e-3, "weight_decay": 1e-3}
    if hidden is None:
        hidden = (100,) if is_real else (256,) if space.kind == "table" else (500,)
    options: dict[str, Any] = {"hidden": hidden, "head": head, "direct": direct, "masks": masks}
    model = MADE(space, context_space=context_space, order=order_of(space, pixel_order), **options)
    return Recipe.single(model, {**COMMON, **training})


def eonade(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: tuple[int, ...] | None = None,
    orders: int | None = None,
    components: int = 10,
) -> Recipe:
    """Orderless NADE, one deep network for every order of the variables, and EoNADE, the mixture over some of them.

    Args:
        space: What one event is: bits, levels, symbols or reals.
        context_space: What one context is, or None.
        hidden: The width of each hidden layer. By default 500 units in one layer; 100 on reals.
        orders: How many orders the mixture has; each costs a whole score. By default 2 on large events, else 8.
        components: The components of the mixtures on reals and on more than 32 levels.

    Returns:
        The model and its training. Each validation scores all orders exactly, so it comes every 500 steps only; on
        large events every 5,000, on 200 events.
    """
    from ptheta.autoregressive import EoNADE
    from ptheta.distributions.heads import GaussianMixtureHead, default_head

    is_real, is_large = space.kind == "real", space.dimensions >= LARGE
    head = GaussianMixtureHead(components, min_log_scale=-3.0) if is_real else default_head(space, components)
    training = {"epochs": 200, "learning_rate": 3e-3, "validate_every": 500}
    if is_real:
        training |= {"learning_rate": 1e-2, "clip": 1.0}
    if is_large:
        training |= {"epochs": 100, "batch_size": 100, "learning_rate": 1e-3}
        training |= {"validate_every": 5000, "validation_events": 200}
    if hidden is None:
        hidden = (100,) if is_real else (256,) if space.kind == "table" else (500,)
    if orders is None:
        orders = 2 if is_large else 8
    model = EoNADE(space, hidden=hidden, orders=orders, context_space=context_space, head=head)
    return Recipe.single(model, {**COMMON, **training})
