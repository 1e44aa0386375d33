"""Known-good flows: exact densities of reals; bits and levels are dequantised, and their number is then a lower bound.

Small tables are regularised by weight decay and by stopping where the validation events score best.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.flows import Flow
    from ptheta.spaces import Space

__all__ = ["iaf", "maf", "realnvp", "spline_flow"]


def realnvp(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    transforms: int | None = None,
    hidden: tuple[int, ...] = (128, 128),
    width: int = 32,
) -> Recipe:
    """RealNVP: affine couplings; one pass to score and one to sample. Convolutional on images.

    Args:
        space: What one event is: reals, levels or bits.
        context_space: What one context is, or None.
        transforms: The number of couplings; on images, of each kind at each scale. By default 8, on images 3.
        hidden: On vectors, the widths of each network's hidden layers.
        width: On images, the feature maps of each network.

    Returns:
        The model, dequantised on levels and bits, and its training.
    """
    from ptheta.flows import RealNVP

    settings = {"transforms": transforms, "hidden": hidden, "width": width}
    return _on_reals(space, lambda real: RealNVP(real, context_space=context_space, **settings))


def maf(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    transforms: int = 5,
    hidden: tuple[int, ...] = (128, 128),
) -> Recipe:
    """A masked autoregressive flow: scores in one pass, samples one variable after the other.

    Args:
        space: What one event is: reals, levels or bits.
        context_space: What one context is, or None.
        transforms: The number of transforms.
        hidden: The widths of each network's hidden layers.

    Returns:
        The model, dequantised on levels and bits, and its training.
    """
    from ptheta.flows import MAF

    return _on_reals(space, lambda real: MAF(real, context_space=context_space, transforms=transforms, hidden=hidden))


def iaf(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    transforms: int = 3,
    hidden: tuple[int, ...] = (64, 64),
) -> Recipe:
    """An inverse autoregressive flow: samples in one pass, scores and trains one variable after the other.

    Args:
        space: What one event is: reals, levels or bits; of few variables.
        context_space: What one context is, or None.
        transforms: The number of transforms.
        hidden: The widths of each network's hidden layers.

    Returns:
        The model, dequantised on levels and bits, and its training.
    """
    from ptheta.flows import MAF

    settings: dict[str, Any] = {"transforms": transforms, "hidden": hidden, "sees": "noise"}
    return _on_reals(space, lambda real: MAF(real, context_space=context_space, **settings))


def spline_flow(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    kind: Literal["coupling", "autoregressive"] = "coupling",
    transforms: int = 5,
    hidden: tuple[int, ...] = (128, 128),
    bins: int = 8,
) -> Recipe:
    """A neural spline flow: rational-quadratic splines, coupling or autoregressive.

    Args:
        space: What one event is: reals, levels or bits.
        context_space: What one context is, or None.
        kind: Coupling scores and samples in one pass; autoregressive is more flexible and samples step by step.
        transforms: The number of transforms.
        hidden: The widths of each network's hidden layers.
        bins: The bins of each spline.

    Returns:
        The model, dequantised on levels and bits, and its training.
    """
    from ptheta.flows import SplineFlow

    kind = kind if space.dimensions > 1 else "autoregressive"
    settings: dict[str, Any] = {"kind": kind, "transforms": transforms, "hidden": hidden, "bins": bins}
    return _on_reals(space, lambda real: SplineFlow(real, context_space=context_space, **settings))


def _on_reals(space: "Space", build: "Callable[[Space], Flow]") -> Recipe:
    """The flow on reals, or its dequantised form on a lattice."""
    from ptheta.distributions import TrainedDequantized, dequantized_space

    training = {"steps": 5000, "schedule": "cosine", "learning_rate": 1e-3, "clip": 5.0}
    if not space.is_discrete:
        return Recipe(build(space), training)
    return Recipe(TrainedDequantized(build(dequantized_space(space)), space), training)
