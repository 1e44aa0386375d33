"""Known-good adversarial autoencoders: to sample from, to cluster, and to learn classes from few labels."""

from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.recipe import Recipe, Stage

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["aae"]


def aae(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    latent: int | None = None,
    clusters: int = 0,
    labels: int = 100,
    label_seed: int = 0,
    prior: Literal["standard", "ring"] = "standard",
    hidden: tuple[int, ...] | None = None,
    adversary: float = 1.0,
    corruption: float = 0.3,
) -> Recipe:
    """An autoencoder whose codes are pulled to a prior; with --conditional it learns classes from few labels.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: The classes. Without any, the model learns from no label.
        latent: How many numbers a code has. By default 2 of a ring, else 8, and no more than the event has.
        clusters: The categories that events choose for themselves, where there are no classes; 0 for none.
        labels: How many training events it is told the class of, as many of each, at least one.
        label_seed: Names those events.
        prior: The law of the numbers: standard normals, or eight clouds on a ring in the plane.
        hidden: The widths of the encoder's layers; the decoder has them in reverse. By default 500, 500 on events of
            at least 500 variables, else 200, 200.
        adversary: The weight of what the encoder owes the discriminators; 0 leaves codes free.
        corruption: The standard deviation of noise on the embedded events that the encoder sees in training.

    Returns:
        The model and its training.

    Raises:
        ValueError: If contexts are no classes.
    """
    from functools import partial

    from ptheta.adversarial import AAE
    from ptheta.nn.mlp import MLP
    from ptheta.optimizers import Adam
    from ptheta.spaces import Symbols

    if context_space is not None and (not isinstance(context_space, Symbols) or context_space.shape):
        raise ValueError(f"aae takes classes as its context, but one of {context_space} is given.")
    large = space.dimensions >= 500
    latent = (2 if prior == "ring" else min(8, space.dimensions)) if latent is None else latent
    hidden = ((500, 500) if large else (200, 200)) if hidden is None else hidden
    categories = clusters if context_space is None else context_space.n
    model = AAE(
        space,
        latent=latent,
        categories=categories,
        labels=0 if context_space is None else max(1, labels // categories) * categories,
        prior=_ring(latent) if prior == "ring" else None,
        features=hidden[-1],
        encoder=MLP(space.dimensions, hidden[-1], hidden[:-1], last=True),
        decoder=MLP(categories + latent, space.dimensions, hidden[::-1]),
        adversary=adversary,
        corruption=corruption,
        optimizers=(Adam(1e-3), Adam(1e-3, betas=(0.5, 0.999)), Adam(1e-3, betas=(0.5, 0.999))),
    )
    how: dict[str, Any] = {"steps": 6_000 if large else 2_500, "batch_size": 100, "schedule": "cosine", "ema": 0.99}
    return Recipe(model, (Stage("", model, how, partial(model.taught, seed=label_seed)),))


def _ring(latent: int) -> Any:
    """Eight Gaussians on a circle of radius 2."""
    from ptheta.data.synthetic import truth

    if latent != 2:
        raise ValueError(f"a ring lies in the plane, so latent should be 2 with --prior ring, but it is {latent}.")
    return truth("ring", radius=2.0, std=0.2)
