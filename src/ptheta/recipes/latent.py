"""Known-good latent-variable models.

Where the space is of levels, each pixel is one discretised logistic given the code, with its own mean and scale: a
categorical distribution would forget that levels are ordered, which costs several nats on the embedded digits. The
prior is a learned mixture of Gaussians on large spaces, whose aggregate posterior is far from one Gaussian.
"""

from typing import TYPE_CHECKING, Literal

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from ptheta.distributions.heads import Head
    from ptheta.spaces import Space

__all__ = ["vae"]


def vae(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    latent: int | None = None,
    network: Literal["auto", "mlp", "conv"] = "auto",
    hidden: tuple[int, ...] | None = None,
    width: int | None = None,
    components: int | None = None,
    rate_warmup: int | None = None,
    importance: int = 1,
) -> Recipe:
    """A variational autoencoder.

    Args:
        space: What one event is.
        context_space: What one context is, or None.
        latent: The number of latent variables. By default 50 for bits and 32 for others on events of at least 500
            variables, else 16, and no more than the event has.
        network: The networks: dense, or convolutional (images of at least 4 x 4). By default convolutional for images
            of levels and reals, dense for all else.
        hidden: The widths of the dense networks' hidden layers.
        width: The number of feature maps of convolutional networks at full size.
        components: The components of a learned mixture as the prior; 0 for a standard normal.
        rate_warmup: Training steps over which the rate's weight grows to one.
        importance: Draws of the importance-weighted bound to train on; 1 trains on the ELBO.

    Returns:
        The model and its training.
    """
    from ptheta.latent import VAE, MixturePrior
    from ptheta.optimizers import Adam

    large = space.dimensions >= 500
    latent = latent or ((50 if space.kind == "binary" else 32) if large else min(16, space.dimensions))
    components = (200 if large else 0) if components is None else components
    convolved = network == "conv" or (network == "auto" and _is_image(space))
    head = _head(space)
    if convolved:
        networks = _convolutional(space, context_space, latent, head.width, width or (8 if large else 16))
    else:
        networks = _dense(space, context_space, latent, head.width, hidden or ((300, 300) if large else (200, 200)))
    encoder, decoder = networks
    model = VAE(
        space,
        latent=latent,
        context_space=context_space,
        encoder=encoder,
        decoder=decoder,
        prior=MixturePrior(latent, components) if components else None,
        head=head,
        warmup=(1000 if large and not convolved else 0) if rate_warmup is None else rate_warmup,
        importance=importance,
        optimizer=Adam(1e-3),
    )
    training = {"batch_size": 100, "schedule": "cosine"}
    if large and convolved:
        return Recipe(model, {**training, "steps": 4_500, "precision": "bfloat16"})
    return Recipe(model, {**training, "steps": 25_000 if large else 2_000})


def _head(space: "Space") -> "Head":
    from ptheta.distributions.heads import GaussianMixtureHead, LogisticMixtureHead, default_head

    if space.kind == "real":
        return GaussianMixtureHead(1, min_log_scale=-4)
    n = getattr(space, "n", 2)
    return LogisticMixtureHead(n, 1) if space.kind == "levels" and n > 4 else default_head(space)


def _is_image(space: "Space") -> bool:
    return len(space.shape) == 3 and space.kind in ("levels", "real") and min(space.shape[1:]) >= 4


def _convolutional(
    space: "Space", context_space: "Space | None", latent: int, outputs: int, width: int
) -> "tuple[nn.Module, nn.Module]":
    from ptheta.nn.convolutional import ConvDecoder, ConvEncoder

    if len(space.shape) != 3 or space.kind == "symbols":
        raise ValueError(f"convolutional networks need images, but events are of {space}. Use network mlp.")
    context = _features(context_space)
    return (
        ConvEncoder(space.shape, 2 * latent, width=width, context=context),
        ConvDecoder(latent, space.shape, outputs, width=width, context=context),
    )


def _dense(
    space: "Space", context_space: "Space | None", latent: int, outputs: int, hidden: tuple[int, ...]
) -> "tuple[nn.Module, nn.Module]":
    from math import prod

    from ptheta.nn.mlp import MLP

    context = _features(context_space)
    return (
        MLP(prod(space.embedded_shape), 2 * latent, hidden, context=context),
        MLP(latent, space.dimensions * outputs, hidden[::-1], context=context),
    )


def _features(context_space: "Space | None") -> int:
    from math import prod

    return 0 if context_space is None else prod(context_space.embedded_shape)
