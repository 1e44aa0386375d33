"""Known-good autoregressive models of images."""

from typing import TYPE_CHECKING, Any

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["gated_pixelcnn", "pixelcnn", "pixelcnn_pp"]

SMALL = 150  # pixels up to which an image is taken to be one of a few hundred or thousand
COMMON: dict[str, Any] = {"schedule": "cosine", "clip": 1.0}
LARGE: dict[str, Any] = {
    **COMMON,
    "epochs": 11,
    "batch_size": 16,
    "learning_rate": 2.5e-3,
    "warmup": 500,
    "precision": "auto",
}
FEW: dict[str, Any] = {**COMMON, "epochs": 60, "batch_size": 32, "learning_rate": 2e-3}


def pixelcnn(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int | None = None,
    layers: int | None = None,
    middle: int = 5,
    position: bool = True,
    components: int = 10,
    softmax: bool = False,
) -> Recipe:
    """A PixelCNN: masked convolutions, all conditionals in one pass.

    Args:
        space: What one event is: images of bits, levels or symbols.
        context_space: What one context is, or None.
        width: The features inside a block, half of those between blocks. By default about 32.
        layers: The number of residual blocks. By default 7, 4 on images below 150 pixels.
        middle: The size of the kernels inside blocks; 3 in the paper.
        position: Whether every pixel has biases of its own in the first layer, which the paper's have not.
        components: The components of the mixtures on more than 32 levels.
        softmax: Whether levels have one logit each, however many they are, as in the paper.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import PixelCNN

    model = PixelCNN(
        space,
        width=_multiple(space, 32) if width is None else width,
        layers=(4 if _is_small(space) else 7) if layers is None else layers,
        middle=middle,
        position=position,
        context_space=context_space,
        head=_head(space, components, softmax),
    )
    return Recipe.single(model, FEW if _is_small(space) else LARGE)


def gated_pixelcnn(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int | None = None,
    layers: int | None = None,
    position: bool = True,
    components: int = 10,
    softmax: bool = False,
) -> Recipe:
    """A gated PixelCNN: a stack above the pixel, a stack to its left, and no blind spot.

    Args:
        space: What one event is: images of bits, levels or symbols.
        context_space: What one context is, or None.
        width: The features of each stack. By default about 32.
        layers: The number of layers. By default 7, 4 on images below 150 pixels.
        position: Whether every pixel has biases of its own in the first layer, which the paper's have not.
        components: The components of the mixtures on more than 32 levels.
        softmax: Whether levels have one logit each, however many they are, as in the paper.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import GatedPixelCNN

    model = GatedPixelCNN(
        space,
        width=_multiple(space, 32) if width is None else width,
        layers=(4 if _is_small(space) else 7) if layers is None else layers,
        position=position,
        context_space=context_space,
        head=_head(space, components, softmax),
    )
    return Recipe.single(model, FEW if _is_small(space) else LARGE)


def pixelcnn_pp(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int | None = None,
    layers: int = 2,
    scales: int | None = None,
    components: int = 10,
    dropout: float = 0.0,
) -> Recipe:
    """A PixelCNN++: whole pixels from shifted convolutions at several sizes, and a mixture of logistics on levels.

    Args:
        space: What one event is: images of bits or levels.
        context_space: What one context is, or None.
        width: The features of every block. By default 24, 32 on images below 150 pixels.
        layers: The blocks of each stream at each size on the way down; one more on the way up.
        scales: The number of sizes, each half of the one before. By default 3, 2 on images below 150 pixels.
        components: The components of a pixel's mixture.
        dropout: The share of features zeroed inside a block while training.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import PixelCNNPP

    is_small = _is_small(space)
    model = PixelCNNPP(
        space,
        width=(32 if is_small else 24) if width is None else width,
        layers=layers,
        scales=(2 if is_small else 3) if scales is None else scales,
        components=components,
        dropout=dropout,
        context_space=context_space,
    )
    return Recipe.single(model, FEW if is_small else {**LARGE, "epochs": 5})


def _is_small(space: "Space") -> bool:
    return space.dimensions <= SMALL * space.shape[0]


def _multiple(space: "Space", features: int) -> int:
    """At least so many features, as a multiple of the channels."""
    return -(-features // space.shape[0]) * space.shape[0]


def _head(space: "Space", components: int, softmax: bool) -> Any:
    from ptheta.distributions.heads import CategoricalHead, default_head
    from ptheta.spaces import Levels

    if softmax and isinstance(space, Levels):
        return CategoricalHead(space.n)
    return default_head(space, components)
