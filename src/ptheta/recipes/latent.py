"""Known-good latent-variable models.

Where the space is of levels, each pixel is one discretised logistic given the code, with its own mean and scale: a
categorical distribution would forget that levels are ordered, which costs several nats on the embedded digits. The
prior is a learned mixture of Gaussians on large spaces, whose aggregate posterior is far from one Gaussian.
"""

from math import prod
from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.recipe import Recipe, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from ptheta.distributions.heads import Head
    from ptheta.model import Model
    from ptheta.spaces import Space

__all__ = ["autoencoder", "ladder_vae", "latent_diffusion", "vae", "vq_vae"]


def autoencoder(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    latent: int | None = None,
    network: Literal["auto", "mlp", "conv"] = "auto",
    hidden: tuple[int, ...] | None = None,
    width: int | None = None,
    corruption: float = 0.0,
    sparsity: float = 0.0,
) -> Recipe:
    """An autoencoder: a map to codes and back, no distribution.

    Args:
        space: What one event is.
        context_space: None: codes are of events alone.
        latent: The number of reals in a code. By default 30 on events of at least 500 variables, else 8, and no more
            than the event has.
        network: The networks: dense, or convolutional (images of at least 4 x 4). By default convolutional for images
            of levels and reals, dense for all else and where hidden layers are given.
        hidden: The widths of the dense encoder's hidden layers; the decoder has them in reverse. None of them:
            principal components, where the error is squared.
        width: The number of feature maps of convolutional networks at full size.
        corruption: The standard deviation of the noise on embedded events that the encoder sees in training.
        sparsity: The price of the codes' size.

    Returns:
        The model and its training.
    """
    from ptheta.latent import Autoencoder
    from ptheta.nn.defaults import decoder, encoder
    from ptheta.optimizers import Adam

    if context_space is not None:
        raise ValueError("an autoencoder codes events alone, so it takes no context. Fit it without --conditional.")
    large = space.dimensions >= 500
    latent = min(30 if large else 8, space.dimensions) if latent is None else latent
    convolved = _is_convolved(space, network) and (hidden is None or network == "conv")
    hidden = ((1000, 500, 250) if large else (200, 100)) if hidden is None else hidden
    sizes: dict[str, Any] = {"convolved": convolved, "width": (8 if large else 16) if width is None else width}
    each = prod(space.embedded_shape) // space.dimensions
    model = Autoencoder(
        space,
        latent=latent,
        encoder=encoder(space, latent, None, hidden=hidden, **sizes),
        decoder=decoder(space, latent, each, None, hidden=hidden[::-1], **sizes),
        corruption=corruption,
        sparsity=sparsity,
        optimizer=Adam(1e-3),
    )
    return Recipe.single(model, _training(large and convolved, {"epochs": 20 if large else 50}))


def vae(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    latent: int | None = None,
    network: Literal["auto", "mlp", "conv"] = "auto",
    hidden: tuple[int, ...] | None = None,
    width: int | None = None,
    prior: Literal["auto", "standard", "mixture", "vamp", "flow", "autoregressive"] = "auto",
    components: int | None = None,
    posterior: Literal["gaussian", "iaf"] = "gaussian",
    rate_warmup: int | None = None,
    importance: int = 1,
    doubly: bool = False,
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
        prior: The law of codes: standard normal, a learned mixture of Gaussians, the mean of the encoder's posteriors
            of learned pseudo-events (VampPrior), affine couplings, or one code variable after the other (MADE with
            Gaussian mixtures). By default a mixture on events of at least 500 variables, else a standard normal.
        components: The components of a mixture, or the pseudo-events. By default 200 on events of at least 500
            variables, else 50.
        posterior: The encoder's law of codes: a Gaussian with independent codes, or that one bent by two inverse
            autoregressive transforms.
        rate_warmup: Training steps over which the rate's weight grows to one.
        importance: Draws of the importance-weighted bound to train on; 1 trains on the ELBO.
        doubly: Whether the encoder gets the doubly reparameterised gradient of that bound.

    Returns:
        The model and its training.
    """
    from ptheta.flows import MAF
    from ptheta.latent import VAE
    from ptheta.nn.contexts import reader_of
    from ptheta.nn.defaults import decoder, encoder
    from ptheta.optimizers import Adam
    from ptheta.spaces import Real

    large = space.dimensions >= 500
    latent = _codes(space) if latent is None else latent
    prior = ("mixture" if large else "standard") if prior == "auto" else prior
    convolved = _is_convolved(space, network)
    head, hidden = _head(space), _dense(large) if hidden is None else hidden
    reader = reader_of(context_space, space.shape[1:] if convolved else None)
    sizes: dict[str, Any] = {"convolved": convolved, "width": (8 if large else 16) if width is None else width}
    coder = encoder(space, 2 * latent, reader, hidden=hidden, **sizes)
    bend = MAF(Real((latent,)), context_space=Real((2 * latent,)), layers=2, hidden=(max(64, latent),)).chain
    model = VAE(
        space,
        latent=latent,
        context_space=context_space,
        reader=reader,
        encoder=coder,
        decoder=decoder(space, latent, head.width, reader, hidden=hidden[::-1], **sizes),
        prior=_prior(prior, latent, components, coder, space, context_space),
        bend=bend if posterior == "iaf" else None,
        head=head,
        warmup=(1000 if large and not convolved else 0) if rate_warmup is None else rate_warmup,
        importance=importance,
        doubly=doubly,
        optimizer=Adam(1e-3),
    )
    steps = 25_000 if large else 5_000 if space.kind == "table" else 2_000
    return Recipe.single(model, _training(large and convolved, {"steps": steps}))


def ladder_vae(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    latents: tuple[int, ...] | None = None,
    hidden: int | None = None,
    rate_warmup: int | None = None,
    free_nats: float = 0.0,
) -> Recipe:
    """A variational autoencoder with layers of codes, each conditioned on the one above.

    Args:
        space: What one event is.
        context_space: What one context is, or None.
        latents: The codes of each layer, the lowest first. By default 32, 16 on events of at least 500 variables, else
            12, 6, and no more than the event has.
        hidden: The hidden units of every network. By default 256 on events of at least 500 variables, else 128.
        rate_warmup: Training steps over which the rates' weight grows to one. By default a fifth of all.
        free_nats: What each layer may tell of an event in training at no price.

    Returns:
        The model and its training.
    """
    from ptheta.latent import LadderVAE
    from ptheta.optimizers import Adam

    large = space.dimensions >= 500
    steps, sizes = (10_000, (32, 16)) if large else (2_500, (12, 6))
    model = LadderVAE(
        space,
        latents=tuple(min(n, space.dimensions) for n in sizes) if latents is None else latents,
        features=(256 if large else 128) if hidden is None else hidden,
        context_space=context_space,
        head=_head(space),
        warmup=steps // 5 if rate_warmup is None else rate_warmup,
        free_nats=free_nats,
        optimizer=Adam(1e-3),
    )
    return Recipe.single(model, {"batch_size": 100, "schedule": "cosine", "steps": steps})


def vq_vae(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    codewords: int = 64,
    quantiser: Literal["codebook", "finite-scalars"] = "codebook",
    codes: int | None = None,
    halvings: int = 2,
    width: int = 32,
    prior_width: int | None = None,
) -> Recipe:
    """A VQ-VAE and an autoregressive model of its codes, in two stages.

    Args:
        space: What one event is.
        context_space: What one context is, or None. The prior sees it, the coder does not.
        codewords: The size of the codes' alphabet; of finite scalars 4 to the power of their number, at least so many.
        quantiser: Learned codewords, or a fixed lattice.
        codes: How many symbols code an event that is no image; by default a quarter of its variables, at most 16.
        halvings: How often an image is halved: its codes are a grid.
        width: The feature maps of the coder, or half of its hidden units.
        prior_width: The features of the prior, a PixelCNN on grids; or the hidden units of NADE on all else.

    Returns:
        The model and the trainings of the coder and of the prior.
    """
    from math import ceil, log

    from ptheta.autoregressive import NADE, PixelCNN
    from ptheta.latent import VQVAE, Codebook, FiniteScalars, LatentBound
    from ptheta.optimizers import Adam

    lattice = FiniteScalars((4,) * ceil(log(codewords, 4) - 1e-9)) if quantiser == "finite-scalars" else None
    coder = VQVAE(
        space,
        quantiser=Codebook(codewords, 16) if lattice is None else lattice,
        codes=max(1, min(16, space.dimensions // 4)) if codes is None else codes,
        halvings=halvings,
        width=width,
        optimizer=Adam(1e-3),
    )
    prior: Model
    if len(coder.code_space.shape) == 3:
        features = 32 if prior_width is None else prior_width
        prior = PixelCNN(coder.code_space, width=features, layers=4, position=True, context_space=context_space)
    else:
        prior = NADE(coder.code_space, hidden=200 if prior_width is None else prior_width, context_space=context_space)
    model = LatentBound(coder, prior)
    return _two_stages(model, 4_000 if space.dimensions >= 500 else 2_000)


def latent_diffusion(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    latent: int | None = None,
    width: int = 256,
    diffusion_steps: int = 200,
) -> Recipe:
    """A diffusion model of a variational autoencoder's codes, in two stages.

    Args:
        space: What one event is.
        context_space: What one context is, or None. The diffusion sees it, the coder does not.
        latent: The number of reals in a code. By default 50 for bits and 32 for others on events of at least 500
            variables, else 16, and no more than the event has.
        width: The hidden units of the denoiser.
        diffusion_steps: The number of noise levels.

    Returns:
        The model and the trainings of the coder and of the prior.
    """
    from ptheta.diffusion import DDPM
    from ptheta.latent import LatentBound
    from ptheta.nn.contexts import reader_of
    from ptheta.nn.defaults import denoiser

    first = vae(space, latent=latent, prior="standard")
    coder: Any = first.model
    codes, reader = coder.code_space, reader_of(context_space, None)
    prior = DDPM(
        codes,
        steps=diffusion_steps,
        context_space=context_space,
        reader=reader,
        network=denoiser(codes, reader, width=width),
    )
    return _two_stages(LatentBound(coder, prior), 4_000, first.training)


def _training(is_costly: bool, length: dict[str, int]) -> dict[str, Any]:
    """Of a coder: as long as it takes, or for 4500 steps, faster ones where the machine has them, of a costly one."""
    costly = {"steps": 4_500, "precision": "auto"}
    return {"batch_size": 100, "schedule": "cosine", **(costly if is_costly else length)}


def _is_convolved(space: "Space", network: str) -> bool:
    """Whether networks are convolutional: as was said, or for images of levels and reals."""
    from ptheta.nn.defaults import is_convolved

    if network == "conv" and (len(space.shape) != 3 or space.kind == "symbols"):
        raise ValueError(f"convolutional networks need images, but events are of {space}. Use network mlp.")
    return network == "conv" or (network == "auto" and is_convolved(space) and space.kind != "binary")


def _two_stages(model: Any, steps: int, coding: dict[str, Any] | None = None) -> Recipe:
    """The coder of a model, then its prior, each with half of a budget in minutes."""
    how = {"batch_size": 100, "schedule": "cosine", "steps": steps}
    coder = Stage("coder", model.coder, how if coding is None else coding)
    prior = Stage("prior", model.prior, {**how, "ema": 0.999}, data=model.coded, whole=model)
    return Recipe(model, (coder, prior))


def _codes(space: "Space") -> int:
    """The numbers in a code."""
    return (50 if space.kind == "binary" else 32) if space.dimensions >= 500 else min(16, space.dimensions)


def _dense(large: bool) -> tuple[int, int]:
    """The widths of dense networks."""
    return (300, 300) if large else (200, 200)


def _prior(
    name: str, latent: int, components: int | None, coder: "nn.Module", space: "Space", context_space: "Space | None"
) -> "Model":
    from ptheta.autoregressive import MADE
    from ptheta.flows import RealNVP
    from ptheta.latent import MixturePrior, StandardNormal, VampPrior
    from ptheta.spaces import Real

    if components is None:
        components = 200 if space.dimensions >= 500 else 50
    if name == "vamp" and context_space is not None:
        raise ValueError("the prior vamp sees no contexts, which the encoder wants. Take another --prior.")
    makers: dict[str, Callable[[], Model]] = {
        "standard": lambda: StandardNormal(latent),
        "mixture": lambda: MixturePrior(latent, components),
        "vamp": lambda: VampPrior(coder, space, latent, components),
        "flow": lambda: RealNVP(Real((latent,)), layers=4, hidden=(64,)),
        "autoregressive": lambda: MADE(Real((latent,)), hidden=(100,)),
    }
    return makers[name]()


def _head(space: "Space") -> "Head":
    from ptheta.distributions.heads import GaussianMixtureHead, LogisticMixtureHead, default_head

    if space.kind == "real":
        return GaussianMixtureHead(1, min_log_scale=-4)
    if space.kind == "table":
        return default_head(space, components=3)
    n = getattr(space, "n", 2)
    return LogisticMixtureHead(n, 1) if space.kind == "levels" and n > 4 else default_head(space)
