"""Known-good adversarial models.

All decay their steps linearly to zero and end with averaged weights: without the decay the last batch decides what the
generator draws. Most penalise the critic's gradient at the data (R1): without it they lose modes, of a ring all eight.
"""

from typing import TYPE_CHECKING, Literal

from ptheta.recipes.players import adams, dense, r1, smooth, strided, usual_training
from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.adversarial import Game
    from ptheta.distributions.fdivergences import FDivergence
    from ptheta.spaces import Space

__all__ = ["dcgan", "f_gan", "gan", "pacgan", "r3gan", "wgan_gp"]

Cost = Literal["minimax", "non-saturating", "maximum-likelihood", "hinge"]
Conditioning = Literal["joined", "projected"]
Divergence = Literal["kl", "reverse-kl", "js", "pearson", "neyman", "squared-hellinger", "jeffrey", "total-variation"]


def gan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: tuple[int, ...] | None = None,
    latent: int = 64,
    cost: Cost = "non-saturating",
    conditioning: Conditioning = "joined",
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
        cost: What the generator minimises in the original game; or hinge, a game of its own, whose discriminator has
            spectrally normalised layers.
        conditioning: Whether contexts join what the discriminator sees, or its features are projected onto them.
        discriminator_steps: Steps of the discriminator per step of the generator.
        gradient_penalty: The weight of half the squared gradient of the discriminator at the data (R1). By default
            1 on levels and bits, 0.1 on reals, 0 with hinge.

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import GAN

    how = {"projected": conditioning == "projected", "spectral": cost == "hinge"}
    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        **dense(space, context_space, latent, hidden, **how),
        game=_game(cost),
        discriminator_steps=discriminator_steps,
        penalty=r1(0.0 if gradient_penalty is None and cost == "hinge" else gradient_penalty, space),
        optimizers=adams(5e-4 if space.is_discrete else 1e-3),
    )
    return Recipe.single(model, usual_training(12_000, 64 if space.is_discrete else 256))


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
    """A GAN of two convolutional networks, for images of any size.

    Classes enter the discriminator by projection; pictures are given to both at every pixel.

    Args:
        space: What one event is: images of levels, bits or reals, (channels, height, width).
        context_space: What one context is, or None.
        width: The channels at the finest grid; each coarser one has twice as many.
        latent: The number of latent variables.
        cost: What the generator minimises in the original game; or hinge, a game of its own.
        discriminator_steps: Steps of the discriminator per step of the generator.
        gradient_penalty: The weight of half the squared gradient of the discriminator at the data (R1). By default
            1 on levels and bits, 0.1 on reals.

    Returns:
        The model and its training.

    Raises:
        ValueError: If events are not images.
    """
    from ptheta.adversarial import GAN

    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        **strided(space, context_space, latent, width),
        game=_game(cost),
        discriminator_steps=discriminator_steps,
        penalty=r1(gradient_penalty, space),
        optimizers=adams(4e-4),
    )
    return Recipe.single(model, {**usual_training(4_500), "precision": "auto"})


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
    from ptheta.adversarial import GAN, DivergenceGame, Minimax, NonSaturating

    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        **dense(space, context_space, latent, hidden),
        game=DivergenceGame(_divergence(divergence), NonSaturating() if practical else Minimax()),
        discriminator_steps=discriminator_steps,
        penalty=r1(gradient_penalty, space),
        optimizers=adams(2e-4, clip=1.0),
    )
    return Recipe.single(model, usual_training(12_000, 64 if space.is_discrete else 256))


def pacgan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    packing: int = 2,
    width: int = 32,
    hidden: tuple[int, ...] | None = None,
    latent: int = 64,
    cost: Cost = "non-saturating",
    gradient_penalty: float | None = None,
) -> Recipe:
    """A GAN whose discriminator judges several events at once, so that missing variety shows.

    Networks are those of DCGAN on images, the critic's without normalisation by batches, and dense on all else.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        packing: How many events the discriminator sees at once; 1 is a GAN.
        width: The channels of images at the finest grid; each coarser one has twice as many.
        hidden: The widths of the dense generator's hidden layers; the discriminator has them in reverse. By default
            256, 512 on levels and bits, 128, 128 on reals.
        latent: The number of latent variables.
        cost: What the generator minimises in the original game; or hinge, a game of its own, whose discriminator has
            spectrally normalised layers.
        gradient_penalty: The weight of half the squared gradient of the discriminator at the data (R1). By default
            1 on levels and bits, 0.1 on reals, 0 with hinge.

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import GAN

    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        **smooth(space, context_space, latent, hidden, width, packing=packing, spectral=cost == "hinge"),
        game=_game(cost),
        packing=packing,
        penalty=r1(0.0 if gradient_penalty is None and cost == "hinge" else gradient_penalty, space),
        optimizers=adams(5e-4 if space.is_discrete else 1e-3),
    )
    return Recipe.single(model, usual_training(12_000, 64 * packing if space.is_discrete else 256))


def wgan_gp(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int = 32,
    hidden: tuple[int, ...] | None = None,
    latent: int = 64,
    discriminator_steps: int = 5,
    gradient_penalty: float = 10.0,
) -> Recipe:
    """A Wasserstein GAN whose critic is kept to slopes of one by a penalty between data and fakes.

    Networks are those of DCGAN on images, the critic's without normalisation by batches, and dense on all else.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        width: The channels of images at the finest grid; each coarser one has twice as many.
        hidden: The widths of the dense generator's hidden layers; the critic has them in reverse. By default
            256, 512 on levels and bits, 128, 128 on reals.
        latent: The number of latent variables.
        discriminator_steps: Steps of the critic per step of the generator.
        gradient_penalty: The weight of the squared distance of the critic's slope from one.

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import GAN, UnitSlopes, Wasserstein
    from ptheta.nn.defaults import is_convolved
    from ptheta.optimizers import Adam

    rule = Adam(learning_rate=1e-3 if is_convolved(space) else 3e-4, betas=(0.0, 0.9))
    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        **smooth(space, context_space, latent, hidden, width),
        game=Wasserstein(),
        penalty=UnitSlopes(gradient_penalty),
        discriminator_steps=discriminator_steps,
        optimizers=(rule, rule),
    )
    return Recipe.single(model, usual_training(12_000, 64 if space.is_discrete else 256))


def r3gan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int = 32,
    hidden: tuple[int, ...] | None = None,
    latent: int = 64,
    gradient_penalty: float | None = None,
) -> Recipe:
    """A relativistic GAN whose critic pays for slopes at data and at fakes: the modern baseline.

    Networks are those of DCGAN on images, the critic's without normalisation by batches, and dense on all else.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        width: The channels of images at the finest grid; each coarser one has twice as many.
        hidden: The widths of the dense generator's hidden layers; the critic has them in reverse. By default
            256, 512 on levels and bits, 128, 128 on reals.
        latent: The number of latent variables.
        gradient_penalty: The weight of half the squared gradient of the critic, at data and at fakes (R1 and R2). By
            default 1 on levels and bits, 0.01 on reals, where more blurs.

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import GAN, Relativistic, ZeroSlopes
    from ptheta.optimizers import Adam

    rule = Adam(learning_rate=5e-4 if space.is_discrete else 1e-3, betas=(0.0, 0.99))
    weight = (1.0 if space.is_discrete else 0.01) if gradient_penalty is None else gradient_penalty
    model = GAN(
        space,
        latent=latent,
        context_space=context_space,
        **smooth(space, context_space, latent, hidden, width),
        game=Relativistic(),
        penalty=ZeroSlopes(weight, fakes=True),
        optimizers=(rule, rule),
    )
    steps, batch_size = (10_000, 64) if space.is_discrete else (20_000, 256)
    return Recipe.single(model, {**usual_training(steps, batch_size), "ema": 0.999})


def _game(name: Cost) -> "Game":
    from ptheta.adversarial import DivergenceGame, Hinge, MaximumLikelihood, Minimax, NonSaturating

    costs = {"minimax": Minimax(), "non-saturating": NonSaturating(), "maximum-likelihood": MaximumLikelihood()}
    return Hinge() if name == "hinge" else DivergenceGame(cost=costs[name])


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
