"""Known-good flows: exact densities of reals; bits and levels are dequantised, and their number is then a lower bound.

The weights are those that score best on the validation events. Tables of a thousand events want more weight decay than
the default, which suits ten thousand.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.flows import Flow
    from ptheta.spaces import Space, Table

MARGIN = 1e-3  # of the logit that photographs and grey digits are seen through
ROWS = {"schedule": "cosine", "epochs": 30, "batch_size": 100, "learning_rate": 2e-3, "weight_decay": 1e-3, "clip": 5.0}

__all__ = ["iaf", "maf", "realnvp", "spline_flow"]


def realnvp(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    layers: int | None = None,
    hidden: tuple[int, ...] | None = None,
    width: int = 32,
) -> Recipe:
    """RealNVP: affine couplings; one pass to score and one to sample. Convolutional on images.

    Args:
        space: What one event is: reals, levels or bits.
        context_space: What one context is, or None.
        layers: The number of couplings; on images, of each kind at each scale. By default 8, on images 3.
        hidden: On vectors, the widths of each network's hidden layers. By default two of 64 up to 32 variables, else
            two of 256.
        width: On images, the feature maps of each network.

    Returns:
        The model, dequantised on levels and bits, and its training.
    """
    from ptheta.flows import RealNVP

    settings = {"layers": layers, "hidden": _hidden(space) if hidden is None else hidden, "width": width}
    return _on_reals(space, lambda real: RealNVP(real, context_space=context_space, **settings), steps=3000, decay=0.0)


def maf(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    layers: int = 5,
    hidden: tuple[int, ...] | None = None,
) -> Recipe:
    """A masked autoregressive flow: scores in one pass, samples one variable after the other.

    Args:
        space: What one event is: reals, levels or bits.
        context_space: What one context is, or None.
        layers: The number of transforms.
        hidden: The widths of each network's hidden layers. By default two of 64 up to 32 variables, else two of 256.

    Returns:
        The model, dequantised on levels and bits, and its training.
    """
    from ptheta.flows import MAF

    settings: dict[str, Any] = {"layers": layers, "hidden": _hidden(space) if hidden is None else hidden}
    return _on_reals(space, lambda real: MAF(real, context_space=context_space, **settings))


def iaf(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    layers: int = 3,
    hidden: tuple[int, ...] = (64, 64),
) -> Recipe:
    """An inverse autoregressive flow: samples in one pass, scores and trains one variable after the other.

    Args:
        space: What one event is: reals, levels or bits; of few variables.
        context_space: What one context is, or None.
        layers: The number of transforms.
        hidden: The widths of each network's hidden layers.

    Returns:
        The model, dequantised on levels and bits, and its training.
    """
    from ptheta.flows import MAF

    settings: dict[str, Any] = {"layers": layers, "hidden": hidden, "sees": "noise"}
    return _on_reals(space, lambda real: MAF(real, context_space=context_space, **settings))


def spline_flow(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    kind: Literal["coupling", "autoregressive"] = "coupling",
    layers: int = 4,
    hidden: tuple[int, ...] | None = None,
    bins: int = 8,
) -> Recipe:
    """A neural spline flow: rational-quadratic splines, coupling or autoregressive.

    Args:
        space: What one event is: reals, levels, bits or rows of a table with a column of reals.
        context_space: What one context is, or None.
        kind: Coupling scores and samples in one pass; autoregressive is more flexible and samples step by step.
        layers: The number of transforms.
        hidden: The widths of each network's hidden layers. By default two of 64 up to 32 variables, else one of 256.
        bins: The bins of each spline.

    Returns:
        The model, dequantised on levels and bits; of rows, after a MADE of what is counted; and its training.
    """
    from ptheta.flows import SplineFlow
    from ptheta.spaces import Table

    kind = kind if space.dimensions > 1 else "autoregressive"
    hidden = _hidden(space)[: 1 if space.dimensions > 32 else 2] if hidden is None else hidden
    settings: dict[str, Any] = {"kind": kind, "layers": layers, "hidden": hidden, "bins": bins}
    if isinstance(space, Table):
        return _on_rows(space, context_space, settings)
    bound = 3.0 if space.is_discrete else 4.0  # dequantised events lie in [-1, 1]
    return _on_reals(space, lambda real: SplineFlow(real, context_space=context_space, bound=bound, **settings))


def _on_reals(space: "Space", build: "Callable[[Space], Flow]", *, steps: int = 1000, decay: float = 1e-3) -> Recipe:
    """The flow on reals, or its dequantised form on a lattice, which small pictures fit by these steps and decay."""
    from ptheta.distributions import TrainedDequantized, dequantized_space
    from ptheta.spaces import Levels

    training = {"schedule": "cosine", "clip": 5.0}
    if not space.is_discrete:
        return Recipe.single(build(space), {**training, "steps": 1500, "learning_rate": 2e-3, "weight_decay": 1e-4})
    margin = MARGIN if isinstance(space, Levels) and space.n > 32 else 0.0
    model = TrainedDequantized(build(dequantized_space(space, margin)), space, margin=margin)
    steps = steps if space.dimensions < 200 else 3000
    return Recipe.single(model, {**training, "steps": steps, "learning_rate": 1e-3, "weight_decay": decay})


def _on_rows(space: "Table", context_space: "Space | None", settings: dict[str, Any]) -> Recipe:
    """A masked autoencoder of what is counted of a row, then a flow of its reals."""
    from ptheta.flows.tabular import TableFlow, counted_space
    from ptheta.recipes.autoregressive import made

    rest = counted_space(space)
    counted: Any = None if rest is None else made(rest, context_space).model
    model = TableFlow(space, counted, context_space=context_space, **settings)
    return Recipe.single(model, ROWS)


def _hidden(space: "Space") -> tuple[int, int]:
    return (64, 64) if space.dimensions <= 32 else (256, 256)
