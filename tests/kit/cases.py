"""The table of small models that every law runs over: a new model adds one row and inherits every law.

A row says how to make the model, and where needed how to draw from it and how to fit it to the toy law. Which laws
apply is decided by what the model offers (``HasLogProb``, ``HasElbo``, ``HasEnergy``, ...), never here.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import pixel_sight
from ptheta.adversarial import (
    AAE,
    CTGAN,
    GAN,
    Absolute,
    ConditionalGAN,
    CycleGAN,
    DivergenceGame,
    Features,
    Hinge,
    InfoGAN,
    MaximumLikelihood,
    ProgressiveGAN,
    PuzzleGAN,
    Relativistic,
    SemiSupervisedGAN,
    Squared,
    StarGAN,
    TextToImage,
    UnitSlopes,
    Wasserstein,
    ZeroSlopes,
)
from ptheta.autoregressive import (
    FVBN,
    MADE,
    NADE,
    RNN,
    RNNNADE,
    DiagonalBiLSTM,
    EoNADE,
    GatedPixelCNN,
    PixelCNN,
    PixelCNNPP,
    RowLSTM,
    Transformer,
)
from ptheta.diffusion import (
    DDIM,
    DDPM,
    EDM,
    AbsorbingDiffusion,
    Consistency,
    ConsistencyStudent,
    FlowMatching,
    Heun,
    LinearSchedule,
    MultinomialDiffusion,
    ProbabilityFlow,
    TableDiffusion,
)
from ptheta.distributions import (
    KDE,
    SMOTE,
    ARTable,
    Bootstrap,
    ChowLiu,
    Dequantized,
    Forest,
    FullTable,
    Gaussian,
    GaussianCopula,
    GaussianMixture,
    Independent,
    Markov,
    ProductMixture,
    TableMixture,
    TrainedDequantized,
    Uniform,
    dequantized_space,
    prefix_neighbours,
)
from ptheta.distributions.fdivergences import Pearson
from ptheta.distributions.heads import default_head
from ptheta.energy import DBM, EBM, GSN, RBM, BoltzmannMachine, GaussianRBM
from ptheta.flows import MAF, RealNVP, SplineFlow, TableFlow
from ptheta.latent import (
    VAE,
    VQVAE,
    Autoencoder,
    Codebook,
    FiniteScalars,
    LadderVAE,
    Latent,
    LatentBound,
    MixturePrior,
    StandardNormal,
    VampPrior,
)
from ptheta.model import Model, Trained
from ptheta.nn.contexts import Maps, PictureReader, TextReader
from ptheta.nn.convolutional import ConvDecoder, ConvEncoder, Pyramid
from ptheta.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from ptheta.nn.denoiser import ResidualMLP
from ptheta.nn.enlarging import Enlarger
from ptheta.nn.frames import FramePredictor
from ptheta.nn.mlp import MLP, ProjectionMLP
from ptheta.nn.patches import PatchCritic
from ptheta.nn.puzzle import PatchReader, Placer
from ptheta.nn.retouch import Retouch
from ptheta.nn.spectral import spectrally_normalised
from ptheta.nn.unet import Translator, UNet
from ptheta.noise import Noise, seeded
from ptheta.regression import Regression
from ptheta.spaces import Binary, Classes, Column, Levels, Real, Space, Symbols, Table, Tokens
from toy_law import toy_data

BITS, LEVELS, TOKENS = Binary((2, 3)), Levels((3,), 4), Tokens(3, 3)
TEN_BITS, FIVE_LEVELS, LINE = Binary((10,)), Levels((5,), 4), Real((1,), mean=(3.0,), scale=(0.5,))
REALS, IMAGE = Real((2,), mean=(1.0, -2.0), scale=(2.0, 0.3)), Levels((1, 8, 8), 5)
PICTURE = Levels((1, 16, 16), 5)
SYMBOL, NUMBER = Symbols((), 4), Real((), (2.0,), (3.0,))
CLASSES = Classes(2)
GIVEN, TEXT = Levels((1, 1, 2), 3), Tokens(3, 4)  # contexts that are pictures and texts
PIECES = Levels((2, 4, 4), 5)  # and two patches


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Args:
        make: Makes the model afresh.
        sampling: Keywords of its ``sample``.
        shake: How far its initial weights are moved at random, so that no term is zero by accident.
        training: Keywords of the ``fit`` with which it should learn the toy law.
        gap: How near its score should come to that of the toy law, in nats; None where it cannot.
        distance: How near its samples should come to the toy law, in total variation over all states: for models that
            have no score; None where they cannot.
        sees: What the conditional in place i sees of the variable in place j of the model's order: Boolean, with shape
            (D, D). None: all before it. What is true here must really be used.
        shared: Parameters that several objectives move on purpose: how their names begin.
        idle: Parameters that move nothing in this row, by name, because nothing comes after them.
        alone: Whether the loss of an example is its own, not one against chains or means that all examples share.
        edges: On reals, the box outside of which the density is zero, from the model and a context; None if smooth.
    """

    make: Callable[[], Model]
    sampling: dict[str, Any] = field(default_factory=dict)
    shake: float = 0.3
    training: dict[str, Any] = field(default_factory=dict)
    gap: float | None = None
    distance: float | None = None
    sees: Callable[[], Tensor] | None = None
    shared: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    alone: bool = True
    edges: Callable[[Any, int | None], tuple[Tensor, Tensor]] | None = None


def small_vae(space: Space, outputs: int, context_space: Space | None = None, latent: int = 2, **settings: Any) -> VAE:
    """A VAE with one hidden layer; the decoder gives ``outputs`` numbers per variable."""
    context = 0 if context_space is None else 2
    encoder = MLP(math.prod(space.embedded_shape), 2 * latent, (16,), context=context)
    decoder = MLP(latent, space.dimensions * outputs, (16,), context=context)
    return VAE(space, latent=latent, context_space=context_space, encoder=encoder, decoder=decoder, **settings)


def small_coders() -> dict[str, Any]:
    """The networks of a VAE of three tokens with one latent variable, whose contexts are read as two numbers."""
    return {"encoder": MLP(9, 2, (16,), context=2), "decoder": MLP(1, 9, (16,), context=2)}


def small_autoencoder(space: Space, latent: int = 2, **settings: Any) -> Autoencoder:
    """An autoencoder with one hidden layer."""
    width = math.prod(space.embedded_shape)
    networks = {"encoder": MLP(width, latent, (16,)), "decoder": MLP(latent, width, (16,))}
    return Autoencoder(space, latent=latent, **networks, **settings)


def small_ddpm(
    space: Space, context_space: Space | None = None, *, steps: int = 6, width: int = 8, **settings: Any
) -> DDPM:
    """A DDPM of few steps with a narrow network."""
    network = ResidualMLP(space.shape, width=width, blocks=1, context=0 if context_space is None else 2)
    return DDPM(space, steps=steps, context_space=context_space, network=network, **settings)


def small_noise(
    model: Any, space: Space, context_space: Space | None = None, *, steps: int = 6, width: int = 8, **settings: Any
) -> Any:
    """EDM or flow matching with a narrow network."""
    network = ResidualMLP(space.shape, width=width, blocks=1, context=0 if context_space is None else 2)
    return model(space, steps=steps, context_space=context_space, network=network, **settings)


def small_absorbing(space: Space, context_space: Space | None = None, *, width: int = 8, **settings: Any) -> Any:
    """An absorbing diffusion with one hidden layer."""
    head, d = default_head(space), space.dimensions
    shown = math.prod(space.embedded_shape) + d
    network = MLP(shown, d * head.width, (width,), context=0 if context_space is None else 2)
    return AbsorbingDiffusion(space, context_space=context_space, network=network, **settings)


def small_multinomial(
    space: Any, context_space: Space | None = None, *, steps: int = 4, width: int = 8, **settings: Any
) -> Any:
    """A multinomial diffusion of few steps with a narrow network."""
    shape, outputs = (math.prod(space.embedded_shape),), space.dimensions * space.n
    context = 0 if context_space is None else 2
    network = ResidualMLP(shape, width=width, blocks=1, context=context, outputs=outputs)
    return MultinomialDiffusion(space, steps=steps, context_space=context_space, network=network, **settings)


def small_gan(
    space: Space, context_space: Space | None = None, *, latent: int = 2, width: int = 8, **settings: Any
) -> GAN:
    """A GAN of two networks with one hidden layer."""
    context, packing = 0 if context_space is None else 2, settings.get("packing", 1)
    networks = {
        "generator": MLP(latent, space.dimensions, (width,), context=context),
        "discriminator": MLP(packing * space.dimensions, 1, (width,), context=packing * context),
    }
    return GAN(space, latent=latent, context_space=context_space, **{**networks, **settings})


def small_pix2pix(**settings: Any) -> ConditionalGAN:
    """A U-Net against a critic of patches, given a picture."""
    reader = PictureReader(GIVEN, IMAGE.shape[1:], features=2, blocks=1)
    nets = (
        Translator(3, IMAGE.shape, context=reader.shape, width=8, pyramid=(1,)),
        PatchCritic(IMAGE.shape, width=2, context=reader.shape),
    )
    return ConditionalGAN(IMAGE, GIVEN, *nets, latent=3, reader=reader, fidelity=Squared(), **settings)


def small_infogan(space: Space, numbers: int = 1, **settings: Any) -> InfoGAN:
    """An InfoGAN of three categories, of networks with one hidden layer."""
    nets = {"generator": MLP(5 + numbers, space.dimensions, (8,)), "trunk": MLP(space.dimensions, 6, (8,))}
    return InfoGAN(space, latent=2, categories=3, numbers=numbers, features=6, **nets, **settings)


def small_semi_supervised(space: Space, labels: int = 4) -> SemiSupervisedGAN:
    """A GAN that names two classes, told of four events that have all the same value."""
    nets = {"generator": MLP(2, space.dimensions, (8,)), "trunk": MLP(space.dimensions, 6, (8,))}
    model = SemiSupervisedGAN(space, classes=2, labels=labels, latent=2, features=6, **nets)
    model.known.copy_(torch.arange(labels) % 2)
    return model


CODERS = ("encoder", "numbers", "logits")  # which an AAE's decoder, discriminators and labels move in turn


def small_aae(space: Space, categories: int = 0, labels: int = 0, **settings: Any) -> AAE:
    """An adversarial autoencoder of networks with one hidden layer, told of events that have all the same value."""
    nets = {
        "encoder": MLP(space.dimensions, 6, (8,)),
        "decoder": MLP(categories + 2, space.dimensions, (8,)),
        "critics": (MLP(2, 1, (8,)), MLP(categories, 1, (8,)) if categories else None),
    }
    model = AAE(space, latent=2, categories=categories, labels=labels, features=6, **nets, **settings)
    if labels:
        model.known.copy_(torch.arange(labels) % categories)
    return model


def small_progressive(space: Space, growth: int = 2, **settings: Any) -> ProgressiveGAN:
    """A GAN whose images grow, half way through the last doubling."""
    model = ProgressiveGAN(space, latent=2, width=2, growth=growth, **settings)
    model.step.fill_((2 * model.doublings - 1) * growth + growth // 2)
    return model


def small_text_to_image(space: Space, **settings: Any) -> TextToImage:
    """A GAN that draws what a text says, of networks with one hidden layer."""
    reader = TextReader(TEXT, features=2)
    nets = {"generator": MLP(2, space.dimensions, (8,), context=2), "trunk": MLP(space.dimensions, 6, (8,))}
    return TextToImage(space, TEXT, latent=2, features=6, reader=reader, **nets, **settings)


def box_of_uniform(model: Uniform, context: int | None) -> tuple[Tensor, Tensor]:
    """The ends of the box of one class, in the unit of events."""
    low, high = (ends[context or 0][None].double() for ends in (model.low, model.high))
    return model.space.events(low)[0], model.space.events(high)[0]


def earlier_frames() -> Tensor:
    """Two frames of three bits; the bits of a frame do not see one another."""
    frame = torch.arange(6) // 3
    return frame[:, None] > frame


ROWS = Table((Column("a"), Column("b")))  # of reals
NAMES = Table(tuple(Column(name, "category", ("u", "v", "w")) for name in "abc"))
EXACT = {"gap": 0.05}  # closed forms that hold the toy law
DISTRIBUTIONS = {
    "uniform bits": Case(lambda: Uniform(BITS)),
    "uniform reals": Case(lambda: Uniform(REALS), edges=box_of_uniform),
    "uniform line of a class": Case(lambda: Uniform(LINE, context_space=CLASSES), edges=box_of_uniform),
    "independent bits": Case(lambda: Independent(BITS)),
    "independent symbol of no shape": Case(lambda: Independent(SYMBOL)),
    "independent levels of a class": Case(lambda: Independent(LEVELS, context_space=CLASSES)),
    "Markov levels": Case(lambda: Markov(LEVELS), **EXACT),
    "Markov tokens of a class": Case(lambda: Markov(TOKENS, context_space=CLASSES), **EXACT),
    "Markov bits in another order": Case(lambda: Markov(Binary((4,)), order=(2, 0, 3, 1))),
    "AR table of bits": Case(lambda: ARTable(BITS, prefix_neighbours(6, 2)), **EXACT),
    "AR table of levels of a class": Case(
        lambda: ARTable(LEVELS, prefix_neighbours(3, 1), context_space=CLASSES), **EXACT
    ),
    "Chow-Liu tokens": Case(lambda: ChowLiu(TOKENS), **EXACT),
    "Chow-Liu bits of a class": Case(lambda: ChowLiu(BITS, context_space=CLASSES), **EXACT),
    "full table of bits": Case(lambda: FullTable(BITS), **EXACT),
    "full table of levels of a class": Case(lambda: FullTable(Levels((2,), 3), context_space=CLASSES), **EXACT),
    "product mixture of bits": Case(lambda: ProductMixture(BITS, components=4)),
    "product mixture of levels of a class": Case(lambda: ProductMixture(LEVELS, components=2, context_space=CLASSES)),
    "bootstrap of levels": Case(lambda: Bootstrap(LEVELS)),
    "bootstrap of a class": Case(lambda: Bootstrap(BITS, context_space=CLASSES)),
    "SMOTE of reals": Case(lambda: SMOTE(REALS)),
    "SMOTE of names of a class": Case(lambda: SMOTE(NAMES, context_space=CLASSES)),
    "table mixture": Case(lambda: TableMixture(NAMES, components=6), gap=0.05),
    "table mixture of a class": Case(lambda: TableMixture(NAMES, components=2, context_space=CLASSES)),
    "forest": Case(lambda: Forest(NAMES, trees=5, leaves=20), gap=0.1),
    "forest of a class": Case(lambda: Forest(NAMES, trees=2, leaves=4, context_space=CLASSES)),
    "Gaussian": Case(lambda: Gaussian(REALS), **EXACT),
    "Gaussian of a class": Case(lambda: Gaussian(REALS, context_space=CLASSES), **EXACT),
    "Gaussian on a line": Case(lambda: Gaussian(LINE), **EXACT),
    "Gaussian of no shape": Case(lambda: Gaussian(NUMBER), **EXACT),
    "Gaussian copula": Case(lambda: GaussianCopula(REALS, quantiles=60), gap=0.1),
    "Gaussian copula of a class": Case(lambda: GaussianCopula(REALS, context_space=CLASSES, quantiles=8)),
    "Gaussian copula of no shape": Case(lambda: GaussianCopula(NUMBER, quantiles=60), gap=0.1),
    "dequantized Gaussian copula": Case(
        lambda: Dequantized(GaussianCopula(dequantized_space(LEVELS), quantiles=20), LEVELS)
    ),
    "Gaussian mixture": Case(lambda: GaussianMixture(REALS, components=3), **EXACT),
    "diagonal Gaussian mixture of a class": Case(
        lambda: GaussianMixture(REALS, components=2, covariance="diagonal", context_space=CLASSES)
    ),
    "Gaussian mixture on a line of a class": Case(lambda: GaussianMixture(LINE, components=2, context_space=CLASSES)),
    "kernels": Case(lambda: KDE(REALS), gap=0.1),
    "kernels of a class": Case(lambda: KDE(REALS, context_space=CLASSES, points=100)),
    "kernels on a line": Case(lambda: KDE(LINE, choose="leave-one-out"), gap=0.1),
    "dequantized Gaussian": Case(lambda: Dequantized(Gaussian(dequantized_space(LEVELS)), LEVELS)),
    "dequantized kernels of a class": Case(
        lambda: Dequantized(KDE(dequantized_space(LEVELS), context_space=CLASSES), LEVELS)
    ),
    "dequantized RNADE": Case(lambda: TrainedDequantized(NADE(dequantized_space(LEVELS), hidden=8), LEVELS)),
}

REGRESSION = {
    "regression of bits on a class": Case(
        lambda: Regression(BITS, context_space=CLASSES, network=MLP(2, 6, (8,))),
    ),
    "regression of levels on a picture": Case(
        lambda: Regression(Levels((1, 2, 2), 5), context_space=GIVEN, reader=PictureReader(GIVEN, (2, 2), features=2))
    ),
    "regression of tokens on a text": Case(lambda: Regression(TOKENS, context_space=TEXT)),
    "regression of reals on a vector": Case(
        lambda: Regression(REALS, context_space=Real((2,)), network=MLP(2, 6, (8,)))
    ),
}

AUTOREGRESSIVE = {
    "FVBN bits": Case(lambda: FVBN(BITS), training={"steps": 100, "learning_rate": 0.1}, gap=0.05),
    "FVBN levels of a class": Case(lambda: FVBN(LEVELS, context_space=CLASSES, order=(2, 0, 1))),
    "FVBN tokens": Case(lambda: FVBN(TOKENS), training={"steps": 100, "learning_rate": 0.1}, gap=0.05),
    "FVBN ten bits, backwards": Case(lambda: FVBN(TEN_BITS, order=range(10)[::-1])),
    "NADE bits": Case(lambda: NADE(BITS, hidden=16), training={"steps": 200, "learning_rate": 0.05}, gap=0.05),
    "NADE levels of a class": Case(lambda: NADE(LEVELS, hidden=8, context_space=CLASSES, order=(2, 0, 1))),
    "NADE tokens": Case(lambda: NADE(TOKENS, hidden=8, activation="relu")),
    "NADE five levels": Case(lambda: NADE(FIVE_LEVELS, hidden=8, order=(3, 0, 4, 1, 2))),
    "NADE of a table of a class": Case(
        lambda: NADE(NAMES, hidden=16, context_space=CLASSES, order=(2, 0, 1)),
        training={"steps": 200, "learning_rate": 0.05},
    ),
    "NADE symbol of no shape": Case(lambda: NADE(SYMBOL, hidden=4), idle=("weight",)),
    "RNADE": Case(lambda: NADE(REALS, hidden=16), training={"steps": 300, "learning_rate": 0.02}, gap=0.1),
    "RNADE of a class": Case(lambda: NADE(REALS, hidden=8, context_space=CLASSES)),
    "RNADE on a line": Case(
        lambda: NADE(LINE, hidden=8), training={"steps": 300, "learning_rate": 0.02}, gap=0.1, idle=("weight",)
    ),
    "MADE bits": Case(lambda: MADE(BITS, hidden=(48,)), training={"steps": 200, "learning_rate": 0.02}, gap=0.05),
    "MADE bits, three masks": Case(lambda: MADE(BITS, hidden=(12, 12), masks=3, direct=True)),
    "MADE levels of a class": Case(lambda: MADE(LEVELS, hidden=(9,), masks=2, context_space=CLASSES, order=(2, 0, 1))),
    "MADE tokens": Case(lambda: MADE(TOKENS, hidden=(9,), direct=True)),
    "MADE of a table": Case(
        lambda: MADE(NAMES, hidden=(24,)), training={"steps": 200, "learning_rate": 0.02}, gap=0.05
    ),
    "MADE reals": Case(lambda: MADE(REALS, hidden=(16,)), training={"steps": 300, "learning_rate": 0.02}, gap=0.1),
    "MADE reals, two masks": Case(lambda: MADE(REALS, hidden=(8, 8), masks=2)),
    "EoNADE bits": Case(
        lambda: EoNADE(BITS, hidden=(32,), orders=4), training={"steps": 400, "learning_rate": 0.02}, gap=0.05
    ),
    "EoNADE levels of a class": Case(lambda: EoNADE(LEVELS, hidden=(8, 8), orders=3, context_space=CLASSES)),
    "EoNADE tokens": Case(lambda: EoNADE(TOKENS, hidden=(8,), orders=2)),
    "NADE bits given a text": Case(lambda: NADE(BITS, hidden=8, context_space=TEXT)),
    "MADE bits given a picture, flat": Case(lambda: MADE(BITS, hidden=(12,), context_space=GIVEN)),
    "EoNADE reals": Case(lambda: EoNADE(REALS, hidden=(8,), orders=2), shake=0.2),
}

SEQUENCES = {
    "LSTM bits": Case(lambda: RNN(BITS, hidden=8), training={"steps": 200, "learning_rate": 0.02}, gap=0.05),
    "LSTM levels of a class": Case(lambda: RNN(LEVELS, hidden=4, positions=2, context_space=CLASSES, order=(2, 0, 1))),
    "GRU tokens": Case(lambda: RNN(TOKENS, hidden=4, layers=2, cell="gru")),
    "LSTM bits of one of many classes": Case(lambda: RNN(BITS, hidden=4, context_space=Classes(300))),
    "LSTM reals": Case(lambda: RNN(REALS, hidden=4, layers=2, positions=2)),
    "RNN-NADE bits": Case(
        lambda: RNNNADE(BITS, hidden=8, recurrent_hidden=8), training={"steps": 200, "learning_rate": 0.05}, gap=0.05
    ),
    "RNN-NADE levels of a class": Case(
        lambda: RNNNADE(Levels((2, 2), 3), hidden=4, recurrent_hidden=4, cell="lstm", context_space=CLASSES)
    ),
    "recurrent frames of independent bits": Case(
        lambda: RNNNADE(BITS, hidden=0, recurrent_hidden=8), sees=earlier_frames
    ),
    "Row LSTM bits": Case(
        lambda: RowLSTM(Binary((1, 3, 3)), hidden=4, layers=2, kernel=3),
        sees=lambda: pixel_sight.row_lstm(1, 3, 3, radius=1, layers=2),
    ),
    "Row LSTM colours of a class": Case(
        lambda: RowLSTM(Levels((3, 2, 1), 2), hidden=6, layers=1, kernel=3, context_space=CLASSES),
        sees=lambda: pixel_sight.row_lstm(3, 2, 1, radius=1, layers=1),
    ),
    "Row LSTM bits given a picture": Case(  # a larger one than the event
        lambda: RowLSTM(Binary((1, 2, 3)), hidden=4, layers=1, kernel=5, context_space=Levels((2, 4, 5), 3)),
        sees=lambda: pixel_sight.row_lstm(1, 2, 3, radius=2, layers=1),
    ),
    "diagonal BiLSTM bits": Case(
        lambda: DiagonalBiLSTM(Binary((1, 3, 3)), hidden=4, layers=2, kernel=3),
        sees=lambda: pixel_sight.diagonal_bilstm(1, 3, 3, radius=1, layers=2),
    ),
    "diagonal BiLSTM colours of a class": Case(
        lambda: DiagonalBiLSTM(Levels((2, 2, 2), 2), hidden=4, layers=1, kernel=3, context_space=CLASSES),
        sees=lambda: pixel_sight.diagonal_bilstm(2, 2, 2, radius=1, layers=1),
    ),
    "transformer bits": Case(
        lambda: Transformer(BITS, width=8, layers=1, heads=2), training={"steps": 200, "learning_rate": 0.02}, gap=0.05
    ),
    "transformer levels of a class": Case(
        lambda: Transformer(LEVELS, width=4, layers=2, heads=2, context_space=CLASSES, order=(2, 0, 1))
    ),
    "transformer of rows": Case(
        lambda: Transformer(NAMES, width=8, layers=1, heads=2, order=(2, 0, 1)),
        training={"steps": 200, "learning_rate": 0.02},
        gap=0.05,
        idle=("embedding.layers.2.weight",),
    ),
    "transformer of rows of a class": Case(
        lambda: Transformer(NAMES, width=4, layers=1, heads=1, context_space=CLASSES),
        idle=("embedding.layers.2.weight",),
    ),
    "transformer tokens": Case(lambda: Transformer(TOKENS, width=4, layers=1, heads=1)),
}

PIXELS = {
    "PixelCNN bits": Case(
        lambda: PixelCNN(Binary((1, 2, 3)), width=16, layers=1, kernel=5, position=True),
        training={"steps": 150, "learning_rate": 0.01},
        gap=0.05,
    ),
    "PixelCNN with a blind spot": Case(
        lambda: PixelCNN(Binary((1, 3, 3)), width=16, layers=2, kernel=3),
        sees=lambda: pixel_sight.pixelcnn(1, 3, 3, radius=1, blocks=2),
    ),
    "PixelCNN colours of a class": Case(
        lambda: PixelCNN(Levels((3, 2, 1), 3), width=12, layers=1, context_space=CLASSES)
    ),
    "PixelCNN bits given a picture": Case(
        lambda: PixelCNN(Binary((1, 2, 4)), width=8, layers=1, position=True, context_space=GIVEN),
        training={"steps": 200, "learning_rate": 0.01},
        gap=0.1,
    ),
    "gated PixelCNN bits": Case(
        lambda: GatedPixelCNN(Binary((1, 2, 3)), width=8, layers=2, kernel=3, position=True),
        training={"steps": 250, "learning_rate": 0.005},
        gap=0.05,
    ),
    "gated PixelCNN colours of a class": Case(
        lambda: GatedPixelCNN(Levels((2, 2, 2), 2), width=12, layers=2, kernel=3, context_space=CLASSES)
    ),
    "gated PixelCNN colours given a picture": Case(
        lambda: GatedPixelCNN(Levels((2, 2, 2), 2), width=12, layers=2, kernel=3, context_space=GIVEN)
    ),
    "PixelCNN++ bits": Case(
        lambda: PixelCNNPP(Binary((1, 2, 2)), width=8, layers=1, scales=2),
        training={"steps": 80, "learning_rate": 0.01},
        gap=0.05,
    ),
    "PixelCNN++ bits of two channels of a class": Case(
        lambda: PixelCNNPP(Binary((2, 2, 2)), width=4, layers=1, scales=1, context_space=CLASSES)
    ),
    "PixelCNN++ bits given a picture": Case(
        lambda: PixelCNNPP(Binary((1, 2, 2)), width=4, layers=1, scales=2, context_space=GIVEN)
    ),
    "PixelCNN++ levels of three channels": Case(
        lambda: PixelCNNPP(Levels((3, 1, 2), 3), width=4, layers=1, scales=2, components=2),
        idle=("above.weight", "just_above.weight"),
    ),
}

FLOWS = {
    "RealNVP": Case(
        lambda: RealNVP(REALS, layers=4, hidden=(8,)), training={"steps": 200, "learning_rate": 0.02}, gap=0.1
    ),
    "RealNVP of a class": Case(lambda: RealNVP(REALS, layers=3, hidden=(8,), context_space=CLASSES)),
    "dequantized RealNVP of images of a class": Case(
        lambda: TrainedDequantized(
            RealNVP(dequantized_space(IMAGE), layers=1, width=2, blocks=1, context_space=CLASSES), IMAGE
        ),
        shake=0.1,
    ),
    "dequantized RealNVP of images given a picture": Case(
        lambda: TrainedDequantized(
            RealNVP(dequantized_space(IMAGE), layers=1, width=2, blocks=1, context_space=GIVEN),
            IMAGE,
        ),
        shake=0.1,
    ),
    "MAF given a text": Case(lambda: MAF(REALS, layers=2, hidden=(8,), context_space=TEXT)),
    "MAF": Case(lambda: MAF(REALS, layers=2, hidden=(8,)), training={"steps": 200, "learning_rate": 0.02}, gap=0.1),
    "MAF of a class": Case(lambda: MAF(REALS, layers=2, hidden=(8, 8), context_space=CLASSES)),
    "IAF of a class": Case(lambda: MAF(REALS, layers=2, hidden=(8,), sees="noise", context_space=CLASSES)),
    "IAF by fixed point": Case(lambda: MAF(REALS, layers=1, hidden=(8,), sees="noise", inversion="fixed-point")),
    "flow of rows": Case(
        lambda: TableFlow(ROWS, layers=4, hidden=(8,)),
        shake=0.05,
        training={"steps": 200, "learning_rate": 0.02},
        gap=0.1,
    ),
    "autoregressive flow of rows of a class": Case(
        lambda: TableFlow(ROWS, kind="autoregressive", layers=2, hidden=(8,), context_space=CLASSES), shake=0.05
    ),
    "spline couplings": Case(
        lambda: SplineFlow(REALS, layers=4, hidden=(8,)),
        shake=0.1,  # steeper splines have peaks narrower than the quadrature's grid
        training={"steps": 200, "learning_rate": 0.02},
        gap=0.1,
    ),
    "autoregressive splines of a class": Case(
        lambda: SplineFlow(REALS, kind="autoregressive", layers=2, hidden=(8,), context_space=CLASSES), shake=0.1
    ),
    "splines on a line": Case(
        lambda: SplineFlow(LINE, kind="autoregressive", layers=1, hidden=(4,)),
        idle=("chain.steps.0.net.hidden.0.weight",),
    ),
    "splines through a logit": Case(
        lambda: TrainedDequantized(
            SplineFlow(dequantized_space(LEVELS, 0.05), layers=2, hidden=(8,)), LEVELS, margin=0.05
        )
    ),
    "dequantized splines": Case(
        lambda: TrainedDequantized(SplineFlow(dequantized_space(LEVELS), layers=2, hidden=(8,)), LEVELS)
    ),
}

LATENT = {
    "autoencoder of levels": Case(lambda: small_autoencoder(LEVELS)),
    "autoencoder of reals, denoising and sparse": Case(
        lambda: small_autoencoder(REALS, latent=1, corruption=0.3, sparsity=0.1)
    ),
    "autoencoder of tokens": Case(lambda: small_autoencoder(TOKENS)),
    "a Gaussian on an autoencoder's codes": Case(
        lambda: Latent(coder := small_autoencoder(REALS, latent=1), Gaussian(coder.code_space))
    ),
    "coder of levels, with a codebook": Case(lambda: VQVAE(LEVELS, quantiser=Codebook(5, 2), codes=2, width=4)),
    "coder of pictures, with finite scalars": Case(
        lambda: VQVAE(IMAGE, quantiser=FiniteScalars((3, 2)), halvings=2, width=4)
    ),
    "VQ bits": Case(
        lambda: LatentBound(coder := VQVAE(BITS, quantiser=Codebook(4, 2), codes=2, width=8), MADE(coder.code_space))
    ),
    "VQ levels of a class": Case(
        lambda: LatentBound(
            coder := VQVAE(LEVELS, quantiser=FiniteScalars((2, 2)), codes=2, width=8),
            NADE(coder.code_space, hidden=4, context_space=CLASSES),
        )
    ),
    "VQ reals": Case(
        lambda: LatentBound(
            coder := VQVAE(REALS, quantiser=Codebook(4, 2), codes=2, width=8), NADE(coder.code_space, hidden=4)
        )
    ),
    "diffusion of a VAE's codes": Case(
        lambda: LatentBound(coder := small_vae(BITS, 1, latent=2), small_ddpm(coder.code_space)), shake=0.1
    ),
    "standard normal": Case(lambda: StandardNormal(2)),
    "standard normal on a line": Case(lambda: StandardNormal(1)),
    "mixture prior": Case(lambda: MixturePrior(2, components=3)),
    "mixture prior on a line": Case(lambda: MixturePrior(1, components=3)),
    "VAE bits": Case(
        lambda: small_vae(BITS, 1),
        training={"steps": 300, "learning_rate": 0.03, "batch_size": 200, "schedule": "cosine"},
        gap=0.13,
    ),
    "VAE levels of a class": Case(lambda: small_vae(LEVELS, 4, CLASSES, latent=1)),
    "VAE of a table": Case(lambda: small_vae(NAMES, 3, latent=1)),
    "VAE tokens, learned prior": Case(lambda: small_vae(TOKENS, 3, prior=MixturePrior(2, components=2))),
    "VAE bits, VampPrior": Case(
        lambda: VAE(
            BITS,
            latent=2,
            encoder=(encoder := MLP(6, 4, (16,))),
            decoder=MLP(2, 6, (16,)),
            prior=VampPrior(encoder, BITS, 2, components=3),
        ),
        shake=0.1,
    ),
    "VAE, importance-weighted, doubly reparameterised": Case(
        lambda: small_vae(BITS, 1, importance=3, doubly=True), shake=0.1
    ),
    "VAE bits, posterior bent": Case(
        lambda: small_vae(BITS, 1, bend=MAF(Real((2,)), context_space=Real((4,)), layers=2, hidden=(8,)).chain),
        shake=0.1,
    ),
    "VAE reals": Case(lambda: small_vae(REALS, 3, latent=1), shake=0.03),
    "VAE symbol of no shape": Case(lambda: small_vae(SYMBOL, 4, latent=1)),
    "VAE line": Case(lambda: small_vae(LINE, 3, latent=1), shake=0.1),
    "VAE, importance-weighted, warmed up": Case(lambda: small_vae(BITS, 1, importance=3, warmup=10), shake=0.1),
    "ladder of bits": Case(lambda: LadderVAE(BITS, latents=(1, 1), features=16, free_nats=0.05), shake=0.1),
    "ladder of levels of a class, warmed up": Case(
        lambda: LadderVAE(LEVELS, latents=(1, 1), features=8, context_space=CLASSES, warmup=10), shake=0.1
    ),
    "ladder of reals, three layers": Case(lambda: LadderVAE(REALS, latents=(2, 2, 1), features=8), shake=0.03),
    "convolutional VAE": Case(
        lambda: VAE(
            Binary((1, 8, 8)),
            latent=2,
            encoder=ConvEncoder((1, 8, 8), 4, width=2, blocks=1, hidden=8),
            decoder=ConvDecoder(2, (1, 8, 8), 1, width=2, blocks=1, hidden=8),
        )
    ),
    "convolutional VAE given a picture": Case(
        lambda: VAE(
            IMAGE,
            latent=1,
            context_space=GIVEN,
            reader=(reader := PictureReader(GIVEN, (8, 8), features=2, blocks=1)),
            encoder=ConvEncoder(IMAGE.shape, 2, width=2, blocks=1, hidden=8, context=reader.shape),
            decoder=ConvDecoder(1, IMAGE.shape, 5, width=2, blocks=1, hidden=8, context=reader.shape),
        )
    ),
    "VAE tokens given a text": Case(
        lambda: VAE(TOKENS, latent=1, context_space=TEXT, reader=TextReader(TEXT, features=2), **small_coders())
    ),
}

DIFFUSION = {
    "DDPM levels": Case(lambda: small_ddpm(LEVELS)),
    "DDPM bits of a class": Case(lambda: small_ddpm(BITS, CLASSES)),
    "DDPM bits, learning": Case(  # in ten steps the exact denoiser is .78 nats behind, independent bits are 1.27
        lambda: small_ddpm(BITS, steps=10, schedule=LinearSchedule(start=1e-2), width=32),
        training={"steps": 300, "batch_size": 400, "learning_rate": 0.02, "schedule": "cosine", "validate_every": 300},
        gap=1.1,
        distance=0.2,
    ),
    "DDPM reals": Case(
        lambda: small_ddpm(REALS, steps=50, schedule=LinearSchedule(start=1e-3), width=32),
        training={"steps": 300, "batch_size": 300, "learning_rate": 0.02, "schedule": "cosine", "validate_every": 300},
        gap=0.1,
    ),
    "DDIM": Case(lambda: small_ddpm(LEVELS, sampler=DDIM(3))),
    "DDPM images": Case(lambda: DDPM(IMAGE, steps=3, network=UNet(1, width=8, multipliers=(1, 1)))),
    "DDPM images given a picture": Case(
        lambda: DDPM(
            Levels((1, 4, 4), 3),
            steps=3,
            context_space=GIVEN,
            reader=(reader := PictureReader(GIVEN, (4, 4), features=2, blocks=1)),
            network=UNet(1, width=8, multipliers=(1, 1), context=reader.shape),
        )
    ),
}

LEARNING = {"steps": 300, "batch_size": 300, "learning_rate": 0.02, "schedule": "cosine", "validate_every": 300}
MATCHING = {
    "EDM levels": Case(lambda: small_noise(EDM, LEVELS, sampler=Heun(3))),
    "EDM bits of a class, guided": Case(
        lambda: small_noise(EDM, BITS, CLASSES, context_drop=0.2, guidance=2.0, sampler=Heun(3, churn=1.0))
    ),
    "EDM reals": Case(
        lambda: small_noise(EDM, REALS, steps=100, width=32, noise_mean=-1.0), training=LEARNING, gap=0.3
    ),
    "consistency of reals": Case(lambda: Consistency(small_noise(EDM, REALS), intervals=4)),
    "consistency of levels of a class, in two calls": Case(
        lambda: Consistency(small_noise(EDM, LEVELS, CLASSES), intervals=4, steps=2)
    ),
    "a student of bits": Case(lambda: ConsistencyStudent(small_noise(EDM, BITS), intervals=3)),
    "flow matching levels of a class": Case(lambda: small_noise(FlowMatching, LEVELS, CLASSES)),
    "flow matching bits, paired optimally": Case(
        lambda: small_noise(FlowMatching, BITS, pairing="optimal", sampler=DDIM(4, eta=1.0)), alone=False
    ),
    "flow matching reals": Case(
        lambda: small_noise(FlowMatching, REALS, steps=100, width=32), training=LEARNING, gap=0.3
    ),
    "probability flow on a line": Case(
        lambda: ProbabilityFlow(small_noise(FlowMatching, LINE, width=16), steps=8),
        shake=0.05,
        training=LEARNING,
        gap=0.1,
    ),
    "probability flow on a line of a class": Case(
        lambda: ProbabilityFlow(small_noise(FlowMatching, LINE, CLASSES), steps=8), shake=0.05
    ),
}

MASKED = {
    "multinomial bits": Case(
        lambda: small_multinomial(BITS, steps=10, width=32),
        training=LEARNING,
        gap=0.2,
    ),
    "multinomial levels of a class": Case(lambda: small_multinomial(LEVELS, CLASSES)),
    "multinomial tokens": Case(lambda: small_multinomial(TOKENS)),
    "multinomial symbol of no shape": Case(lambda: small_multinomial(SYMBOL)),
    "multinomial images": Case(
        lambda: MultinomialDiffusion(Levels((1, 4, 4), 3), steps=3, network=UNet(1, 3, width=8, multipliers=(1, 1)))
    ),
    "diffusion of a table": Case(
        lambda: TableDiffusion(NAMES, steps=10, width=32, blocks=1), training=LEARNING, gap=0.3
    ),
    "diffusion of a table of a class": Case(
        lambda: TableDiffusion(NAMES, steps=4, width=8, blocks=1, context_space=CLASSES)
    ),
    "absorbing bits": Case(
        lambda: small_absorbing(BITS, width=32),
        training={"steps": 300, "batch_size": 300, "learning_rate": 0.02, "schedule": "cosine", "validate_every": 300},
        gap=0.05,
    ),
    "absorbing levels of a class": Case(lambda: small_absorbing(LEVELS, CLASSES), shake=1.0),
    "absorbing tokens in two steps": Case(lambda: small_absorbing(TOKENS, steps=2), shake=1.0),
    "absorbing symbol of no shape": Case(
        lambda: small_absorbing(SYMBOL, width=4),
        idle=("network.layers.0.weight",),
    ),
    "absorbing bits given a text, in four steps": Case(lambda: AbsorbingDiffusion(BITS, context_space=TEXT, steps=4)),
    "absorbing images given a picture": Case(
        lambda: AbsorbingDiffusion(
            Levels((1, 4, 4), 3),
            steps=2,
            context_space=GIVEN,
            reader=(reader := PictureReader(GIVEN, (4, 4), features=2, blocks=1)),
            network=UNet(2, 3, width=8, multipliers=(1, 1), context=reader.shape),
        )
    ),
}

ADVERSARIAL = {
    "GAN levels": Case(lambda: small_gan(LEVELS)),
    "GAN bits of a class": Case(lambda: small_gan(BITS, CLASSES, discriminator_steps=2)),
    "GAN bits, penalised, learning": Case(
        lambda: small_gan(BITS, latent=6, width=32, penalty=ZeroSlopes()),
        training={"steps": 400, "batch_size": 200, "learning_rate": 5e-3, "ema": 0.98},
        distance=0.2,
    ),
    "GAN reals, penalised": Case(lambda: small_gan(REALS, penalty=ZeroSlopes())),
    "f-GAN reals": Case(lambda: small_gan(REALS, game=DivergenceGame(Pearson(), MaximumLikelihood()))),
    "WGAN-GP levels of a class": Case(
        lambda: small_gan(LEVELS, CLASSES, game=Wasserstein(), penalty=UnitSlopes()),
        idle=("discriminator.layers.2.bias",),
    ),
    "R3GAN reals": Case(
        lambda: small_gan(REALS, game=Relativistic(), penalty=ZeroSlopes(fakes=True)),
        idle=("discriminator.layers.2.bias",),
    ),
    "R3GAN bits, learning": Case(
        lambda: small_gan(BITS, latent=6, width=32, game=Relativistic(), penalty=ZeroSlopes(fakes=True)),
        idle=("discriminator.layers.2.bias",),
        training={"steps": 400, "batch_size": 200, "learning_rate": 5e-3, "ema": 0.98},
        distance=0.2,
    ),
    "PacGAN levels of a class": Case(lambda: small_gan(LEVELS, CLASSES, packing=2), alone=False),
    "PacGAN bits in threes, penalised": Case(lambda: small_gan(BITS, packing=3, penalty=ZeroSlopes()), alone=False),
    "CTGAN": Case(
        lambda: CTGAN(NAMES, latent=2, hidden=(8,), packing=2), alone=False, idle=("discriminator.layers.2.bias",)
    ),
    "InfoGAN levels": Case(lambda: small_infogan(LEVELS, penalty=ZeroSlopes())),
    "InfoGAN reals, relativistic": Case(
        lambda: small_infogan(REALS, numbers=0, game=Relativistic()), idle=("critic_head.bias",)
    ),
    "semi-supervised GAN levels": Case(lambda: small_semi_supervised(LEVELS), alone=False),
    "semi-supervised GAN reals, without labels": Case(lambda: small_semi_supervised(REALS, labels=0), alone=False),
    "AAE levels": Case(lambda: small_aae(LEVELS, corruption=0.3), shared=CODERS),
    "AAE bits in clusters": Case(lambda: small_aae(BITS, categories=3), shared=CODERS),
    "AAE reals of few labels": Case(lambda: small_aae(REALS, categories=2, labels=4), shared=CODERS, alone=False),
    "AAE reals, a mixture prior": Case(
        lambda: small_aae(REALS, prior=MixturePrior(2, components=3).requires_grad_(False)), shared=CODERS
    ),
    "autoencoder without its adversary": Case(lambda: small_aae(LEVELS, adversary=0.0)),
    "hinge GAN bits, spectrally normalised": Case(
        lambda: small_gan(
            BITS,
            game=Hinge(),
            discriminator=nn.Sequential(spectrally_normalised(MLP(6, 4, (8,))), nn.Linear(4, 1)),
        ),
        shake=2.0,  # outputs beyond the margin, where the pull on data and on fakes cancels
    ),
    "GAN bits of a class, projected": Case(
        lambda: small_gan(BITS, CLASSES, discriminator=ProjectionMLP(6, 1, (8,), context=2))
    ),
    "GAN of pictures that match a text": Case(
        lambda: GAN(
            IMAGE,
            latent=2,
            context_space=TEXT,
            reader=(reader := TextReader(TEXT, features=2)),
            generator=ConvDecoder(2, IMAGE.shape, width=2, hidden=8, context=reader.shape),
            discriminator=ConvEncoder(IMAGE.shape, 1, width=2, hidden=8, context=reader.shape),
            matching=True,
        ),
        alone=False,
    ),
    "progressive GAN, half grown": Case(lambda: small_progressive(IMAGE, game=DivergenceGame()), alone=False),
    "progressive GAN, relativistic": Case(
        lambda: small_progressive(IMAGE, growth=0, game=Relativistic(), penalty=ZeroSlopes()),
        alone=False,
        idle=(
            "discriminator.score.bias",
            *(f"{who}.images.0.{what}" for who in ("generator", "discriminator") for what in ("weight", "bias")),
        ),
    ),
    "text to image": Case(lambda: small_text_to_image(IMAGE), alone=False),
    "text to reals, relativistic, penalised": Case(
        lambda: small_text_to_image(REALS, game=Relativistic(), penalty=ZeroSlopes()),
        alone=False,
        idle=("critic_head.bias",),
    ),
    "DCGAN": Case(
        lambda: GAN(
            PICTURE,  # large enough for batch normalisation in both networks
            latent=2,
            context_space=CLASSES,
            generator=DCGANGenerator(2, PICTURE.shape, width=2, context=(2,)),
            discriminator=DCGANDiscriminator(PICTURE.shape, width=2, context=(2,)),
        )
    ),
    "DCGAN given a picture": Case(
        lambda: GAN(
            PICTURE,
            latent=2,
            context_space=GIVEN,
            reader=(reader := PictureReader(GIVEN, PICTURE.shape[1:], features=2, blocks=1)),
            generator=DCGANGenerator(2, PICTURE.shape, width=2, context=reader.shape),
            discriminator=DCGANDiscriminator(PICTURE.shape, width=2, context=reader.shape),
        )
    ),
    "pix2pix": Case(lambda: small_pix2pix(penalty=ZeroSlopes(), draws=2)),
    "SRGAN": Case(
        lambda: ConditionalGAN(
            IMAGE,
            GIVEN,
            Enlarger(3, IMAGE.shape, context=(1, 1, 2), width=4, blocks=1),
            PatchCritic(IMAGE.shape, width=2, halvings=2, context=(1, 1, 2)),
            latent=3,
            reader=Maps(GIVEN),
            fidelity=Features(Pyramid(ConvEncoder(IMAGE.shape, 2, width=2, hidden=4)).requires_grad_(False)),
        )
    ),
    "next frame": Case(
        lambda: ConditionalGAN(
            IMAGE,
            GIVEN,
            FramePredictor(3, IMAGE.shape, context=(1, 1, 2), hidden=4),
            None,
            latent=3,
            reader=Maps(GIVEN),
            fidelity=Squared(),
            adversarial_weight=0.0,
        )
    ),
    "CycleGAN of reals": Case(
        lambda: CycleGAN(
            REALS,
            CLASSES,
            [MLP(2, 2, (6,)) for _ in range(2)],
            [MLP(2, 1, (6,)) for _ in range(2)],
            history=4,
            penalty=ZeroSlopes(),
        ),
        alone=False,
    ),
    "CycleGAN of pictures": Case(
        lambda: CycleGAN(
            IMAGE,
            CLASSES,
            [Retouch(1, width=8) for _ in range(2)],
            [PatchCritic(IMAGE.shape, width=2) for _ in range(2)],
            history=0,
            game=Hinge(),
        ),
        shake=2.0,
    ),
    "StarGAN of levels": Case(
        lambda: StarGAN(LEVELS, CLASSES, MLP(3, 3, (8,), context=2), MLP(3, 4, (8,)), penalty=ZeroSlopes())
    ),
    "StarGAN of pictures": Case(
        lambda: StarGAN(
            IMAGE,
            CLASSES,
            Retouch(1, width=8, context=2),
            PatchCritic(IMAGE.shape, width=2, outputs=4),
            game=Hinge(),
        ),
        shake=2.0,
    ),
    "Puzzle-GAN": Case(
        lambda: PuzzleGAN(
            IMAGE,
            PIECES,
            PatchReader(PIECES, 1, features=4, hidden=4),
            Placer(3, IMAGE.shape, 4, width=2),
            PatchCritic(IMAGE.shape, width=2),
            latent=3,
            penalty=ZeroSlopes(),
        )
    ),
    "conditional GAN of bits near those of a class": Case(
        lambda: ConditionalGAN(
            BITS,
            CLASSES,
            MLP(3, 6, (8,), context=2),
            MLP(6, 2, (8,), context=2),
            latent=3,
            fidelity=Absolute(),
            game=Relativistic(),
        ),
        idle=("discriminator.layers.2.bias",),
    ),
    "fidelity to features, without a critic": Case(
        lambda: ConditionalGAN(
            REALS,
            CLASSES,
            MLP(3, 2, (8,), context=2),
            None,
            latent=3,
            fidelity=Features(MLP(2, 4, (6,)).requires_grad_(False)),
            adversarial_weight=0.0,
        )
    ),
}

ENERGY = {
    "RBM, persistent": Case(
        lambda: RBM(BITS, hidden=6, chains=20),
        alone=False,
        sampling={"steps": 60},
        training={"steps": 300, "learning_rate": 0.5, "schedule": "linear"},
        gap=0.1,
    ),
    "RBM, contrastive divergence": Case(lambda: RBM(BITS, hidden=3, k=3, persistent=False), sampling={"steps": 60}),
    "GSN, a regression of reals": Case(
        lambda: GSN(Regression(REALS, context_space=REALS, network=MLP(2, 6, (8,))), walkback=2), sampling={"steps": 4}
    ),
    "GSN, NADE of tokens": Case(
        lambda: GSN(NADE(TOKENS, hidden=16, context_space=TOKENS), corruption=0.5),
        sampling={"steps": 8},
        training={"steps": 150, "learning_rate": 0.02, "batch_size": 100, "schedule": "cosine"},
        distance=0.15,
    ),
    "RBM of reals": Case(lambda: GaussianRBM(REALS, hidden=3), training={"steps": 400, "learning_rate": 0.02}),
    "RBM of reals, chains": Case(
        lambda: GaussianRBM(LINE, hidden=2, exact=False, chains=20), alone=False, sampling={"steps": 60}
    ),
    "EBM of a line": Case(
        lambda: EBM(LINE, network=MLP(1, 1, (8,)), step_size=0.7, k=2, chains=20),
        alone=False,
        sampling={"steps": 60},
        idle=("network.layers.2.bias",),  # a constant of the energy is one of Z
    ),
    "DBM": Case(
        lambda: DBM(BITS, hidden=(4, 3), k=1, chains=20),
        alone=False,
        sampling={"steps": 60},
        training={"steps": 300, "schedule": "linear", "learning_rate": 0.03},
        gap=0.1,
    ),
    "Boltzmann machine": Case(lambda: BoltzmannMachine(BITS, hidden=3), training={"steps": 300}, gap=0.05),
    "Boltzmann machine, chains": Case(
        lambda: BoltzmannMachine(BITS, exact=False, chains=20),
        alone=False,
        sampling={"steps": 60},
        training={"steps": 300, "schedule": "linear"},
        gap=0.1,
    ),
}

ORDERED: dict[str, Callable[[Any], Any]] = {  # models that take the order of their variables as an argument
    "FVBN bits": lambda order: FVBN(BITS, order=order),
    "FVBN tokens": lambda order: FVBN(Tokens(4, 3), order=order),
    "NADE bits": lambda order: NADE(BITS, hidden=8, order=order),
    "NADE levels": lambda order: NADE(Levels((4,), 3), hidden=8, order=order),
    "RNADE": lambda order: NADE(Real((5,)), hidden=8, order=order),
    "RNADE of the plane": lambda order: NADE(REALS, hidden=8, order=order),
    "MADE bits": lambda order: MADE(BITS, hidden=(48, 48), order=order),
    "MADE reals, two masks": lambda order: MADE(Real((5,)), hidden=(40,), masks=2, order=order),
    "LSTM bits": lambda order: RNN(BITS, hidden=4, order=order),
    "transformer bits": lambda order: Transformer(BITS, width=4, layers=1, heads=1, order=order),
}

CASES = (
    DISTRIBUTIONS
    | REGRESSION
    | AUTOREGRESSIVE
    | SEQUENCES
    | PIXELS
    | FLOWS
    | LATENT
    | DIFFUSION
    | MATCHING
    | MASKED
    | ADVERSARIAL
    | ENERGY
)


def fresh(name: str, seed: int = 0) -> Any:
    """The model of a row in float64, as its constructor left it."""
    with seeded(seed):
        model: Any = CASES[name].make()
    return model.double()


@cache
def shared(name: str) -> Any:
    """What ``prepared`` copies: for those who only look."""
    model = fresh(name)
    if not isinstance(model, Trained):
        return model.fit(toy_data(model, 200)).eval()
    return shaken(model, CASES[name].shake)


def shaken(model: Any, shake: float) -> Any:
    """The model in float64, its weights moved at random."""
    noise = Noise(1)
    with torch.no_grad():
        for key, p in model.double().named_parameters():
            p += shake * noise.normal(p.shape, key, like=p)
    return model.eval()


def as_made(name: str) -> Any:
    """The model of a row in the types that users have, as its constructor left it or fitted to a few toy events."""
    with seeded(0):
        model: Any = CASES[name].make()
    return model.eval() if isinstance(model, Trained) else model.fit(toy_data(model, 200)).eval()


def prepared(name: str) -> Any:
    """The model of a row in float64, no term zero by accident: weights shaken, or fitted to a few toy events."""
    return deepcopy(shared(name))
