"""Known-good adversarial models.

All use Adam with a short memory (betas .5 and .999, Radford et al., 2015), decay its steps linearly to zero and end
with averaged weights: without the decay the last batch decides what the generator draws. They penalise the
discriminator's gradient at the data (R1): without it they lose modes, on a ring of eight all of them.
"""

from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from ptheta.adversarial import GeneratorCost
    from ptheta.distributions.fdivergences import FDivergence
    from ptheta.optimizers import Optimizer
    from ptheta.spaces import Space

__all__ = ["dcgan", "f_gan", "gan"]

Cost = Literal["minimax", "non-saturating", "maximum-likelihood"]
Divergence = Literal["kl", "reverse-kl", "js", "pearson", "neyman", "squared-hellinger", "jeffrey", "total-variation"]


def gan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: tuple[int, ...] | None = None,
    latent: int = 64,
    cost: Cost = "non-saturating",
    discriminator_steps: int = 1,
    gradient_penalty: float | None = None,
) -> Recipe:
    """A GAN of two multilayer perceptrons.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        hidden: The widths of the generator's hidden layers; the discriminator has them in reverse. By default
            256, 512 on levels and bits, 128, 128 on reals.
        latent: The number of latent variables.
        cost: What the generator minimises.
        discriminator_steps: Steps of the discriminator per step of the generator.
        gradient_penalty: The weight of half the squared gradient of the discriminator at the data (R1). By default
            1 on levels and bits, 0.1 on reals.

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import GAN

    generator, discriminator = _dense(space, context_space, latent, hidden)
    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        generator=generator,
        discriminator=discriminator,
        cost=_cost(cost),
        discriminator_steps=discriminator_steps,
        gradient_penalty=_penalty(gradient_penalty, space),
        optimizers=_adams(5e-4 if space.is_discrete else 1e-3),
    )
    return Recipe(model, _training(12_000, 64 if space.is_discrete else 256))


def dcgan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int = 32,
    latent: int = 64,
    cost: Cost = "non-saturating",
    discriminator_steps: int = 1,
    gradient_penalty: float | None = None,
) -> Recipe:
    """A GAN of two convolutional networks, for images of any size; classes enter the discriminator by projection.

    Args:
        space: What one event is: images of levels, bits or reals, (channels, height, width).
        context_space: What one context is, or None.
        width: The channels at the finest grid; each coarser one has twice as many.
        latent: The number of latent variables.
        cost: What the generator minimises.
        discriminator_steps: Steps of the discriminator per step of the generator.
        gradient_penalty: The weight of half the squared gradient of the discriminator at the data (R1). By default
            1 on levels and bits, 0.1 on reals.

    Returns:
        The model and its training.

    Raises:
        ValueError: If events are not images.
    """
    import math

    from ptheta.adversarial import GAN
    from ptheta.nn.dcgan import DCGANDiscriminator, DCGANGenerator

    if len(space.shape) != 3:
        raise ValueError(f"dcgan models images (channels, height, width), but the space is {space}. Use gan.")
    shape = (space.shape[0], space.shape[1], space.shape[2])
    features = math.prod(context_space.embedded_shape) if context_space else 0
    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        generator=DCGANGenerator(latent, shape, width, context=features),
        discriminator=DCGANDiscriminator(shape, width, context=features),
        cost=_cost(cost),
        discriminator_steps=discriminator_steps,
        gradient_penalty=_penalty(gradient_penalty, space),
        optimizers=_adams(4e-4),
    )
    return Recipe(model, {**_training(4_500), "precision": "bfloat16"})


def f_gan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    divergence: Divergence = "js",
    practical: bool = True,
    hidden: tuple[int, ...] | None = None,
    latent: int = 64,
    discriminator_steps: int = 1,
    gradient_penalty: float | None = None,
) -> Recipe:
    """An f-GAN of two multilayer perceptrons: a GAN for any f-divergence.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        divergence: Which divergence the discriminator estimates; js is twice the usual one. On images js is by far
            the surest: critics without a ceiling (kl, pearson, jeffrey) tend to collapse.
        practical: Whether the generator maximises the critic on its samples (section 3.2 of the paper), which starts
            well and ends elsewhere where the model is too small, or minimises the divergence's bound.
        hidden: The widths of the generator's hidden layers; the discriminator has them in reverse. By default
            256, 512 on levels and bits, 128, 128 on reals.
        latent: The number of latent variables.
        discriminator_steps: Steps of the discriminator per step of the generator.
        gradient_penalty: The weight of half the squared gradient of the discriminator at the data (R1). By default
            1 on levels and bits, 0.1 on reals.

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import GAN, Minimax, NonSaturating

    generator, discriminator = _dense(space, context_space, latent, hidden)
    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        generator=generator,
        discriminator=discriminator,
        divergence=_divergence(divergence),
        cost=NonSaturating() if practical else Minimax(),
        discriminator_steps=discriminator_steps,
        gradient_penalty=_penalty(gradient_penalty, space),
        optimizers=_adams(2e-4, clip=1.0),
    )
    return Recipe(model, _training(12_000, 64 if space.is_discrete else 256))


def _training(steps: int, batch_size: int = 64) -> dict[str, Any]:
    return {"steps": steps, "batch_size": batch_size, "schedule": "linear", "ema": 0.99}


def _penalty(said: float | None, space: "Space") -> float:
    if said is not None:
        return said
    return 1.0 if space.is_discrete else 0.1


def _adams(learning_rate: float, clip: float | None = None) -> "tuple[Optimizer, Optimizer]":
    from ptheta.optimizers import Adam

    rule = Adam(learning_rate=learning_rate, betas=(0.5, 0.999), clip=clip)
    return rule, rule


def _dense(
    space: "Space", context_space: "Space | None", latent: int, hidden: tuple[int, ...] | None
) -> "tuple[nn.Module, nn.Module]":
    import math
    from functools import partial

    from torch import nn

    from ptheta.nn.mlp import MLP

    hidden = hidden or ((256, 512) if space.is_discrete else (128, 128))
    features = math.prod(context_space.embedded_shape) if context_space else 0
    leaky = partial(nn.LeakyReLU, 0.2)
    generator = MLP(latent, space.dimensions, hidden, context=features, activation=nn.ReLU)
    return generator, MLP(space.dimensions, 1, hidden[::-1], context=features, activation=leaky)


def _cost(name: Cost) -> "GeneratorCost":
    from ptheta.adversarial import MaximumLikelihood, Minimax, NonSaturating

    return {"minimax": Minimax(), "non-saturating": NonSaturating(), "maximum-likelihood": MaximumLikelihood()}[name]


def _divergence(name: Divergence) -> "FDivergence":
    from ptheta.distributions import fdivergences as f

    return {
        "kl": f.KL(),
        "reverse-kl": f.ReverseKL(),
        "js": f.JensenShannon(),
        "pearson": f.Pearson(),
        "neyman": f.Neyman(),
        "squared-hellinger": f.SquaredHellinger(),
        "jeffrey": f.Jeffrey(),
        "total-variation": f.TotalVariation(),
    }[name]
