"""Known-good conditional GANs with a fidelity term: an event for what is given.

Their steps decay to zero and they end with averaged weights, as all games here do. The critic is penalised for its
slopes at the data (R1). What is drawn is to be near the event that belongs to the context and to look like one: with
adversarial=0 only the former is asked for, and with draws=1 besides the model is a regression.
"""

from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.players import adams, r1, usual_training
from ptheta.recipes.recipe import Recipe, Stage

if TYPE_CHECKING:
    from ptheta.adversarial import Fidelity
    from ptheta.data import Dataset
    from ptheta.spaces import Space

__all__ = ["next_frame", "pix2pix", "puzzle_gan", "srgan"]

Nearness = Literal["l1", "squared"]
Content = Literal["squared", "features"]


def pix2pix(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    fidelity: Nearness = "l1",
    weight: float = 10.0,
    adversarial: float = 1.0,
    draws: int = 2,
    width: int = 16,
    latent: int = 8,
    halvings: int = 1,
    gradient_penalty: float = 1.0,
) -> Recipe:
    """A picture for what is given: a U-Net against a critic of patches, and near the picture that belongs to it.

    Args:
        space: What one event is: images of levels, bits or reals of at least 4 x 4.
        context_space: What one context is; it needs one.
        fidelity: How distance from the picture is measured: l1, whose best single answer is the median, or squared,
            whose best is the mean.
        weight: The weight of that distance, a mean over variables.
        adversarial: The weight of the game; 0 leaves the critic out.
        draws: Of how many draws for one context the nearest should be near: 1 pulls all draws to one answer, more leave
            room for others.
        width: The features of the U-Net at full size, a multiple of 8; the critic has twice as many.
        latent: The number of latent variables.
        halvings: How many layers of the critic are strided: a patch is 16, 34, 70 pixels across at 1, 2, 3.
        gradient_penalty: The weight of half the squared gradient of the critic at the data (R1).

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import Absolute, ConditionalGAN, Squared
    from ptheta.nn.contexts import shape_of
    from ptheta.nn.patches import PatchCritic
    from ptheta.nn.unet import Translator

    reader = _reader("pix2pix", space, context_space)
    context = shape_of(reader)
    critic = PatchCritic(space.shape, width=2 * width, halvings=halvings, context=context) if adversarial else None
    nearness: Fidelity = Absolute() if fidelity == "l1" else Squared()
    model = ConditionalGAN(
        space,
        context_space,
        Translator(latent, space.shape, context=context, width=width),
        critic,
        latent=latent,
        reader=reader,
        fidelity=nearness,
        fidelity_weight=weight,
        adversarial_weight=adversarial,
        draws=draws,
        optimizers=adams(1e-3, squares=0.99),
        penalty=r1(gradient_penalty if adversarial else 0.0, space),
    )
    return Recipe.single(model, usual_training(2_000, 32))


def srgan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    fidelity: Content = "features",
    weight: float = 10.0,
    adversarial: float = 0.1,
    width: int = 32,
    layers: int = 4,
    latent: int = 8,
    gradient_penalty: float = 1.0,
) -> Recipe:
    """A picture from a smaller one: residual blocks that enlarge at the end, near in content, against a critic.

    Args:
        space: What one event is: images of levels, bits or reals of at least 4 x 4.
        context_space: What one context is: a smaller picture, as of --given low-resolution=4; it needs one.
        fidelity: How distance from the picture is measured: squared, or by squared differences of features, those of
            the encoder of an autoencoder that is trained first.
        weight: The weight of that distance.
        adversarial: The weight of the game; 0 leaves the critic out.
        width: The feature maps of the generator; the critic has as many.
        layers: The generator's residual blocks.
        latent: The number of latent variables.
        gradient_penalty: The weight of half the squared gradient of the critic at the data (R1).

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import ConditionalGAN, Features, Squared
    from ptheta.latent import Autoencoder
    from ptheta.nn.contexts import shape_of
    from ptheta.nn.convolutional import ConvDecoder, ConvEncoder, Pyramid
    from ptheta.nn.enlarging import Enlarger
    from ptheta.nn.patches import PatchCritic
    from ptheta.optimizers import Adam

    reader = _reader("srgan", space, context_space, raw=True)
    context = shape_of(reader)
    encoder = ConvEncoder(space.shape, 32, width=8) if fidelity == "features" else None
    model = ConditionalGAN(
        space,
        context_space,
        Enlarger(latent, space.shape, context=context, width=width, blocks=layers, bounded=space.is_discrete),
        PatchCritic(space.shape, width=width, halvings=2, context=context) if adversarial else None,
        latent=latent,
        reader=reader,
        fidelity=Squared() if encoder is None else Features(Pyramid(encoder)),
        fidelity_weight=weight,
        adversarial_weight=adversarial,
        optimizers=adams(1e-3, squares=0.99),
        penalty=r1(gradient_penalty if adversarial else 0.0, space),
    )
    training = usual_training(3_000, 32)
    if encoder is None:
        return Recipe.single(model, training)
    decoder = ConvDecoder(32, space.shape, width=8)
    coder = Autoencoder(space, latent=32, encoder=encoder, decoder=decoder, corruption=0.1, optimizer=Adam(1e-3))
    coding = {"steps": 800, "batch_size": 64, "schedule": "cosine"}
    return Recipe(model, (Stage("features", coder, coding, _alone, 0.2), Stage("game", model, training)))


def next_frame(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    fidelity: Nearness = "squared",
    weight: float = 10.0,
    adversarial: float = 0.0,
    draws: int = 1,
    hidden: int = 32,
    latent: int = 8,
    gradient_penalty: float = 1.0,
) -> Recipe:
    """The frames after those given: a recurrent encoder and decoder; by their distance, by a game, or by both.

    Args:
        space: What one event is: frames (frames, height, width) of levels, bits or reals of at least 4 x 4.
        context_space: What one context is: the frames before, as of --given frames=4; it needs one.
        fidelity: How distance from the frames is measured: squared, whose best single answer is the mean, or l1, whose
            best is the median.
        weight: The weight of that distance, a mean over variables; 0 leaves it out.
        adversarial: The weight of the game; 0 leaves the critic out.
        draws: Of how many draws for one context the nearest should be near: more than 1 leaves room for other answers.
        hidden: The features of the recurrent state at each place; the critic has as many.
        latent: The number of latent variables.
        gradient_penalty: The weight of half the squared gradient of the critic at the data (R1).

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import Absolute, ConditionalGAN, Squared
    from ptheta.nn.contexts import shape_of
    from ptheta.nn.frames import FramePredictor
    from ptheta.nn.patches import PatchCritic

    reader = _reader("next-frame", space, context_space, raw=True)
    context = shape_of(reader)
    model = ConditionalGAN(
        space,
        context_space,
        FramePredictor(latent, space.shape, context=context, hidden=hidden, bounded=space.is_discrete),
        PatchCritic(space.shape, width=hidden, halvings=2, context=context) if adversarial else None,
        latent=latent,
        reader=reader,
        fidelity=Absolute() if fidelity == "l1" else Squared(),
        fidelity_weight=weight,
        adversarial_weight=adversarial,
        draws=draws,
        optimizers=adams(1e-3 if adversarial else 2e-3, squares=0.99),
        penalty=r1(gradient_penalty if adversarial else 0.0, space),
    )
    return Recipe.single(model, usual_training(2_000, 32))


def puzzle_gan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    spatial: float = 10.0,
    appearance: float = 10.0,
    adversarial: float = 1.0,
    width: int = 32,
    latent: int = 16,
    gradient_penalty: float = 1.0,
) -> Recipe:
    """A picture from some of its patches, which come without their places.

    Args:
        space: What one event is: images of levels, bits or reals of at least 4 x 4.
        context_space: What one context is: patches, as of --given patches=3x7; it needs something given.
        spatial: The weight of where the patches belong.
        appearance: The weight of how they look there.
        adversarial: The weight of the game.
        width: The channels of generator and critic at the finest grid; each coarser one has twice as many.
        latent: The number of latent variables.
        gradient_penalty: The weight of half the squared gradient of the critic at the data (R1).

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import PuzzleGAN
    from ptheta.nn.contexts import Flat
    from ptheta.nn.dcgan import DCGANDiscriminator
    from ptheta.nn.puzzle import PatchReader, Placer
    from ptheta.spaces import Symbols

    shown = _reader("puzzle-gan", space, context_space)
    assert context_space is not None
    channels, height, breadth = space.shape
    count, *side = context_space.shape if len(context_space.shape) == 3 else (0,)
    fits = bool(side) and side[0] == side[1] <= min(space.shape[1:]) and count % channels == 0
    if fits and not isinstance(context_space, Symbols):
        shown = PatchReader(context_space, channels)
    elif len(shown.shape) != 1:
        shown = Flat(context_space)
    model = PuzzleGAN(
        space,
        context_space,
        shown,
        Placer(latent, space.shape, shown.shape[0], width=width),
        DCGANDiscriminator((channels, height, breadth), width, normalised=False),
        latent=latent,
        spatial=spatial,
        appearance=appearance,
        adversarial=adversarial,
        optimizers=adams(1e-3, squares=0.99),
        penalty=r1(gradient_penalty, space),
    )
    return Recipe.single(model, usual_training(3_000, 128))


def _alone(data: "Dataset") -> "Dataset":
    """The events without what is given of them."""
    return data.without_context()


def _reader(who: str, space: "Space", context_space: "Space | None", *, raw: bool = False) -> Any:
    """What networks of images see of a context, maps or a raw picture, or a vector.

    Raises ValueError where events are no images, or nothing is given.
    """
    from ptheta.nn.contexts import Maps, PictureReader, reader_of
    from ptheta.nn.defaults import is_convolved

    if not is_convolved(space):
        raise ValueError(f"{who} draws images of at least 4 x 4, but the space is {space}. Use gan or regression.")
    if context_space is None:
        raise ValueError(f"{who} needs something given. Give it contexts, by --conditional or --given.")
    if len(context_space.shape) == 3 and raw:
        return Maps(context_space)
    if len(context_space.shape) == 3:
        return PictureReader(context_space, space.shape[1:], features=8, blocks=1)  # the networks see far themselves
    return reader_of(context_space)
