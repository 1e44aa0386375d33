"""Known-good adversarial models made for a use: codes, classes of few labels, texts to be drawn, images that grow.

They decay their steps linearly to zero and end with averaged weights, as the GANs of ``adversarial.py`` do.
"""

from typing import TYPE_CHECKING, Any

from ptheta.recipes.players import adams, r1, usual_training
from ptheta.recipes.recipe import Recipe, Stage

if TYPE_CHECKING:
    from torch import nn

    from ptheta.spaces import Space

__all__ = ["infogan", "progressive_gan", "semi_supervised_gan", "text_to_image"]


def infogan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    categories: int = 10,
    numbers: int = 2,
    latent: int = 62,
    width: int = 32,
    information: float = 1.0,
    gradient_penalty: float | None = None,
) -> Recipe:
    """A GAN whose code of one category and some numbers can be read off its events.

    Networks are those of DCGAN on images, as in the paper, and dense on all else.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: None: what is given is not taken, since the code is to be found without it.
        categories: The number of categories of the code.
        numbers: How many uniform numbers the code has.
        latent: The number of latent variables besides.
        width: The channels of images at the finest grid; each coarser one has twice as many.
        information: The weight of the bound on the code's information.
        gradient_penalty: The weight of half the squared gradient of the discriminator at the data (R1). By default
            0 on images, 1 on other levels and bits, 0.1 on reals.

    Returns:
        The model and its training.

    Raises:
        ValueError: If there are contexts.
    """
    from ptheta.adversarial import InfoGAN
    from ptheta.nn.dcgan import DCGANGenerator, DCGANTrunk
    from ptheta.nn.defaults import is_convolved
    from ptheta.optimizers import Adam

    if context_space is not None:
        raise ValueError(f"infogan finds its code by itself and takes no context, but one of {context_space} is given.")
    nets: dict[str, Any] = {}
    rules = adams(5e-4 if space.is_discrete else 1e-3)
    if pictures := is_convolved(space):
        shape, inputs = (space.shape[0], space.shape[1], space.shape[2]), latent + categories + numbers
        nets = {"generator": DCGANGenerator(inputs, shape, width), "trunk": DCGANTrunk(shape, 256, width)}
        rules = Adam(2e-4, betas=(0.5, 0.999)), Adam(1e-3, betas=(0.5, 0.999))  # appendix C
    model = InfoGAN(
        space,
        latent=latent,
        categories=categories,
        numbers=numbers,
        information=information,
        penalty=r1(0.0 if gradient_penalty is None and pictures else gradient_penalty, space),
        optimizers=rules,
        **nets,
    )
    return Recipe.single(model, usual_training(10_000 if pictures else 6_000))


def semi_supervised_gan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    labels: int = 100,
    label_seed: int = 0,
    hidden: tuple[int, ...] = (500, 250, 250, 250, 250),
    latent: int = 100,
    corruption: float = 0.6,
    layer_noise: float = 0.5,
) -> Recipe:
    """A GAN whose discriminator learns classes from few labels, with --conditional; it draws events of no chosen class.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: The classes. Without any, the model learns from no label.
        labels: How many training events it is told the class of, as many of each, at least one.
        label_seed: Names those events.
        hidden: The widths of the discriminator's layers; the last are the features that are matched.
        latent: The number of latent variables.
        corruption: The standard deviation of the noise on what the discriminator sees while training; levels have a
            range of 2.
        layer_noise: The same of the noise between its layers.

    Returns:
        The model and its training.

    Raises:
        ValueError: If contexts are no classes.
    """
    from functools import partial

    from torch import nn

    from ptheta.adversarial import SemiSupervisedGAN
    from ptheta.nn.noisy import Disturbed, NoisyMLP
    from ptheta.spaces import Symbols

    if context_space is not None and (not isinstance(context_space, Symbols) or context_space.shape):
        raise ValueError(f"semi-supervised-gan takes classes as its context, but one of {context_space} is given.")
    classes = context_space.n if context_space is not None else 10
    model = SemiSupervisedGAN(
        space,
        classes=classes,
        labels=0 if context_space is None else max(1, labels // classes) * classes,
        latent=latent,
        features=hidden[-1],
        generator=_varied(latent, 500, space.dimensions),
        trunk=NoisyMLP(space.dimensions, hidden, noise=layer_noise),
        head=nn.Sequential(Disturbed(layer_noise), nn.Linear(hidden[-1], classes)),
        corruption=corruption,
        optimizers=adams(3e-3),
    )
    training = {**usual_training(15_000, 100), "ema": 0.999}
    return Recipe(model, (Stage("", model, training, partial(model.taught, seed=label_seed)),))


def _varied(inputs: int, width: int, outputs: int) -> "nn.Module":
    """The generator of the paper's code: normalised by batches, or it would answer the mean features with one event.

    Rows of its last layer keep their lengths apart from their directions, or a step would move pixels too far. Before a
    hyperbolic tangent they begin at half of what they begin at before a logistic function.
    """
    from torch import nn

    from ptheta.nn.noisy import Normalised

    layers: list[nn.Module] = []
    for before in (inputs, width):
        layers += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width), nn.Softplus()]
    return nn.Sequential(*layers, Normalised(width, outputs, length=0.5, learned=True))


def text_to_image(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int = 32,
    latent: int = 32,
    matching: float = 0.2,
    diversity: float = 0.04,
) -> Recipe:
    """A GAN that draws what a text says: ptheta sample RUN --context "a small red circle on grey".

    The critic's layers are spectrally normalised; its second head tells which text of a batch an event belongs to.

    Args:
        space: What one event is: images of levels, bits or reals, (channels, height, width).
        context_space: What one context is: a text, or anything else that says something of an event.
        width: The channels at the finest grid; each coarser one has twice as many.
        latent: The number of latent variables.
        matching: What it weighs for the generator that its text is recognised; with 0 the critic never sees a text.
        diversity: What it pays for images of one text that are alike.

    Returns:
        The model and its training.

    Raises:
        ValueError: If there are no contexts, or events are not images.
    """
    from ptheta.adversarial import Hinge, TextToImage
    from ptheta.nn.contexts import reader_of, shape_of
    from ptheta.nn.dcgan import DCGANGenerator, StridedTrunk
    from ptheta.nn.spectral import spectrally_normalised
    from ptheta.optimizers import Adam

    if context_space is None:
        raise ValueError("text-to-image draws what a context says and needs one: give --conditional or --given.")
    if len(space.shape) != 3:
        raise ValueError(f"text-to-image draws images (channels, height, width), but the space is {space}.")
    shape, rule = (space.shape[0], space.shape[1], space.shape[2]), Adam(learning_rate=1e-3, betas=(0.0, 0.99))
    reader = reader_of(context_space)
    model = TextToImage(
        space,
        context_space,
        latent=latent,
        features=256,
        reader=reader,
        generator=DCGANGenerator(latent, shape, width, context=shape_of(reader)),
        trunk=StridedTrunk(shape, 256, width),
        matching=matching,
        diversity=diversity,
        game=Hinge(),
        optimizers=(rule, rule),
    )
    for network in (model.trunk, model.critic_head):
        spectrally_normalised(network)
    return Recipe.single(model, {**usual_training(12_000), "ema": 0.995})


def progressive_gan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int = 16,
    latent: int = 64,
    growth: int = 250,
    gradient_penalty: float | None = None,
) -> Recipe:
    """A GAN whose images grow from 4 x 4, each doubling faded in; the original game, where the paper plays WGAN-GP's.

    Args:
        space: What one event is: square images of levels, bits or reals, of 4, 8, 16, 32, ... pixels a side.
        context_space: None: contexts are not taken.
        width: The channels at full size; each coarser grid has twice as many, up to four times.
        latent: The number of latent variables.
        growth: Steps of a phase: one holds 4 x 4, two fade in and hold each doubling; the last holds for the rest. With
            0 it begins full-grown.
        gradient_penalty: The weight of half the squared gradient of the critic at the data (R1). By default 1 on levels
            and bits, 0.1 on reals.

    Returns:
        The model and its training.

    Raises:
        ValueError: If events are no such images, or there are contexts.
    """
    from ptheta.adversarial import DivergenceGame, ProgressiveGAN

    if context_space is not None:
        raise ValueError(f"progressive-gan takes no context, but one of {context_space} is given.")
    model = ProgressiveGAN(
        space,
        latent=latent,
        width=width,
        growth=growth,
        game=DivergenceGame(),
        penalty=r1(gradient_penalty, space),
    )
    return Recipe.single(model, {**usual_training(2_500), "ema": 0.995})
