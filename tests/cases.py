"""The table of small models that every law runs over: a new model adds one row and inherits every law.

A row says how to make the model, and where needed how to draw from it and how to fit it to the toy law. Which laws
apply is decided by what the model offers (``HasLogProb``, ``HasElbo``, ``HasEnergy``, ...), never here.

The toy law is known exactly. Discrete events are a chain: the first value is skewed, every other one repeats the value
before it or is drawn afresh. Reals are a Gaussian chain. The class shifts the first value.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

import sight
from ptheta.adversarial import GAN, MaximumLikelihood
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
from ptheta.data.dataset import Dataset, Events
from ptheta.diffusion import DDIM, DDPM, LinearSchedule
from ptheta.distributions import (
    KDE,
    ARTable,
    ChowLiu,
    Dequantized,
    FullTable,
    Gaussian,
    GaussianMixture,
    Independent,
    Markov,
    ProductMixture,
    TrainedDequantized,
    Uniform,
    dequantized_space,
    prefix_neighbours,
)
from ptheta.distributions.fdivergences import Pearson
from ptheta.energy import RBM
from ptheta.flows import MAF, RealNVP, SplineFlow
from ptheta.latent import VAE, MixturePrior, StandardNormal
from ptheta.model import Model, Trained
from ptheta.nn.convolutional import ConvDecoder, ConvEncoder
from ptheta.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from ptheta.nn.denoiser import ResidualMLP
from ptheta.nn.mlp import MLP
from ptheta.nn.unet import UNet
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols, Tokens

REPEAT, SLOPE = 0.7, 0.8  # of the toy law: how strongly a variable follows the one before it

BITS, LEVELS, TOKENS = Binary((2, 3)), Levels((3,), 4), Tokens(3, 3)
TEN_BITS, FIVE_LEVELS, LINE = Binary((10,)), Levels((5,), 4), Real((1,), mean=(3.0,), scale=(0.5,))
REALS, IMAGE = Real((2,), mean=(1.0, -2.0), scale=(2.0, 0.3)), Levels((1, 8, 8), 5)
PICTURE = Levels((1, 16, 16), 5)
SYMBOL, NUMBER = Symbols((), 4), Real((), (2.0,), (3.0,))
CLASSES = Classes(2)


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


def small_ddpm(
    space: Space, context_space: Space | None = None, *, steps: int = 6, width: int = 8, **settings: Any
) -> DDPM:
    """A DDPM of few steps with a narrow network."""
    network = ResidualMLP(space.shape, width=width, blocks=1, context=0 if context_space is None else 2)
    return DDPM(space, steps=steps, context_space=context_space, network=network, **settings)


def small_gan(
    space: Space, context_space: Space | None = None, *, latent: int = 2, width: int = 8, **settings: Any
) -> GAN:
    """A GAN of two networks with one hidden layer."""
    context = 0 if context_space is None else 2
    networks = {
        "generator": MLP(latent, space.dimensions, (width,), context=context),
        "discriminator": MLP(space.dimensions, 1, (width,), context=context),
    }
    return GAN(space, latent=latent, context_space=context_space, **networks, **settings)


def box_of_uniform(model: Uniform, context: int | None) -> tuple[Tensor, Tensor]:
    """The ends of the box of one class, in the unit of events."""
    low, high = (ends[context or 0][None].double() for ends in (model.low, model.high))
    return model.space.events(low)[0], model.space.events(high)[0]


def earlier_frames() -> Tensor:
    """Two frames of three bits; the bits of a frame do not see one another."""
    frame = torch.arange(6) // 3
    return frame[:, None] > frame


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
    "Gaussian": Case(lambda: Gaussian(REALS), **EXACT),
    "Gaussian of a class": Case(lambda: Gaussian(REALS, context_space=CLASSES), **EXACT),
    "Gaussian on a line": Case(lambda: Gaussian(LINE), **EXACT),
    "Gaussian of no shape": Case(lambda: Gaussian(NUMBER), **EXACT),
    "Gaussian mixture": Case(lambda: GaussianMixture(REALS, components=3), **EXACT),
    "diagonal Gaussian mixture of a class": Case(
        lambda: GaussianMixture(REALS, components=2, covariance="diagonal", context_space=CLASSES)
    ),
    "Gaussian mixture on a line of a class": Case(lambda: GaussianMixture(LINE, components=2, context_space=CLASSES)),
    "kernels": Case(lambda: KDE(REALS), gap=0.1),
    "kernels of a class": Case(lambda: KDE(REALS, context_space=CLASSES, points=100)),
    "kernels on a line": Case(lambda: KDE(LINE), gap=0.1),
    "dequantized Gaussian": Case(lambda: Dequantized(Gaussian(dequantized_space(LEVELS)), LEVELS)),
    "dequantized kernels of a class": Case(
        lambda: Dequantized(KDE(dequantized_space(LEVELS), context_space=CLASSES), LEVELS)
    ),
    "dequantized RNADE": Case(lambda: TrainedDequantized(NADE(dequantized_space(LEVELS), hidden=8), LEVELS)),
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
    "MADE reals": Case(lambda: MADE(REALS, hidden=(16,)), training={"steps": 300, "learning_rate": 0.02}, gap=0.1),
    "MADE reals, two masks": Case(lambda: MADE(REALS, hidden=(8, 8), masks=2)),
    "EoNADE bits": Case(
        lambda: EoNADE(BITS, hidden=(32,), orders=4), training={"steps": 400, "learning_rate": 0.02}, gap=0.05
    ),
    "EoNADE levels of a class": Case(lambda: EoNADE(LEVELS, hidden=(8, 8), orders=3, context_space=CLASSES)),
    "EoNADE tokens": Case(lambda: EoNADE(TOKENS, hidden=(8,), orders=2)),
    "EoNADE reals": Case(lambda: EoNADE(REALS, hidden=(8,), orders=2), shake=0.2),
}

SEQUENCES = {
    "LSTM bits": Case(lambda: RNN(BITS, hidden=8), training={"steps": 200, "learning_rate": 0.02}, gap=0.05),
    "LSTM levels of a class": Case(lambda: RNN(LEVELS, hidden=4, positions=2, context_space=CLASSES, order=(2, 0, 1))),
    "GRU tokens": Case(lambda: RNN(TOKENS, hidden=4, layers=2, cell="gru")),
    "LSTM reals": Case(lambda: RNN(REALS, hidden=4, layers=2, positions=2)),
    "RNN-NADE bits": Case(
        lambda: RNNNADE(BITS, hidden=8, units=8), training={"steps": 200, "learning_rate": 0.05}, gap=0.05
    ),
    "RNN-NADE levels of a class": Case(
        lambda: RNNNADE(Levels((2, 2), 3), hidden=4, units=4, cell="lstm", context_space=CLASSES)
    ),
    "recurrent frames of independent bits": Case(lambda: RNNNADE(BITS, hidden=0, units=8), sees=earlier_frames),
    "Row LSTM bits": Case(
        lambda: RowLSTM(Binary((1, 3, 3)), hidden=4, layers=2, kernel=3),
        sees=lambda: sight.row_lstm(1, 3, 3, radius=1, layers=2),
    ),
    "Row LSTM colours of a class": Case(
        lambda: RowLSTM(Levels((3, 2, 1), 2), hidden=6, layers=1, kernel=3, context_space=CLASSES),
        sees=lambda: sight.row_lstm(3, 2, 1, radius=1, layers=1),
    ),
    "diagonal BiLSTM bits": Case(
        lambda: DiagonalBiLSTM(Binary((1, 3, 3)), hidden=4, layers=2, kernel=3),
        sees=lambda: sight.diagonal_bilstm(1, 3, 3, radius=1, layers=2),
    ),
    "diagonal BiLSTM colours of a class": Case(
        lambda: DiagonalBiLSTM(Levels((2, 2, 2), 2), hidden=4, layers=1, kernel=3, context_space=CLASSES),
        sees=lambda: sight.diagonal_bilstm(2, 2, 2, radius=1, layers=1),
    ),
    "transformer bits": Case(
        lambda: Transformer(BITS, width=8, layers=1, heads=2), training={"steps": 200, "learning_rate": 0.02}, gap=0.05
    ),
    "transformer levels of a class": Case(
        lambda: Transformer(LEVELS, width=4, layers=2, heads=2, context_space=CLASSES, order=(2, 0, 1))
    ),
    "transformer tokens": Case(lambda: Transformer(TOKENS, width=4, layers=1, heads=1)),
}

PIXELS = {
    "PixelCNN bits": Case(
        lambda: PixelCNN(Binary((1, 2, 3)), hidden=16, blocks=1, kernel=5, position=True),
        training={"steps": 150, "learning_rate": 0.01},
        gap=0.05,
    ),
    "PixelCNN with a blind spot": Case(
        lambda: PixelCNN(Binary((1, 3, 3)), hidden=16, blocks=2, kernel=3),
        sees=lambda: sight.pixelcnn(1, 3, 3, radius=1, blocks=2),
    ),
    "PixelCNN colours of a class": Case(
        lambda: PixelCNN(Levels((3, 2, 1), 3), hidden=12, blocks=1, context_space=CLASSES)
    ),
    "gated PixelCNN bits": Case(
        lambda: GatedPixelCNN(Binary((1, 2, 3)), hidden=8, layers=2, kernel=3, position=True),
        training={"steps": 250, "learning_rate": 0.005},
        gap=0.05,
    ),
    "gated PixelCNN colours of a class": Case(
        lambda: GatedPixelCNN(Levels((2, 2, 2), 2), hidden=12, layers=2, kernel=3, context_space=CLASSES)
    ),
    "PixelCNN++ bits": Case(
        lambda: PixelCNNPP(Binary((1, 2, 2)), width=8, blocks=1, scales=2),
        training={"steps": 80, "learning_rate": 0.01},
        gap=0.05,
    ),
    "PixelCNN++ bits of two channels of a class": Case(
        lambda: PixelCNNPP(Binary((2, 2, 2)), width=4, blocks=1, scales=1, context_space=CLASSES)
    ),
    "PixelCNN++ levels of three channels": Case(
        lambda: PixelCNNPP(Levels((3, 1, 2), 3), width=4, blocks=1, scales=2, components=2),
        idle=("above.weight", "just_above.weight"),
    ),
}

FLOWS = {
    "RealNVP": Case(
        lambda: RealNVP(REALS, transforms=4, hidden=(8,)), training={"steps": 200, "learning_rate": 0.02}, gap=0.1
    ),
    "RealNVP of a class": Case(lambda: RealNVP(REALS, transforms=3, hidden=(8,), context_space=CLASSES)),
    "dequantized RealNVP of images of a class": Case(
        lambda: TrainedDequantized(
            RealNVP(dequantized_space(IMAGE), transforms=1, width=2, blocks=1, context_space=CLASSES), IMAGE
        ),
        shake=0.1,
    ),
    "MAF": Case(lambda: MAF(REALS, transforms=2, hidden=(8,)), training={"steps": 200, "learning_rate": 0.02}, gap=0.1),
    "MAF of a class": Case(lambda: MAF(REALS, transforms=2, hidden=(8, 8), context_space=CLASSES)),
    "IAF of a class": Case(lambda: MAF(REALS, transforms=2, hidden=(8,), sees="noise", context_space=CLASSES)),
    "IAF by fixed point": Case(lambda: MAF(REALS, transforms=1, hidden=(8,), sees="noise", inversion="fixed-point")),
    "spline couplings": Case(
        lambda: SplineFlow(REALS, transforms=4, hidden=(8,)),
        shake=0.1,  # steeper splines have peaks narrower than the quadrature's grid
        training={"steps": 200, "learning_rate": 0.02},
        gap=0.1,
    ),
    "autoregressive splines of a class": Case(
        lambda: SplineFlow(REALS, kind="autoregressive", transforms=2, hidden=(8,), context_space=CLASSES), shake=0.1
    ),
    "splines on a line": Case(
        lambda: SplineFlow(LINE, kind="autoregressive", transforms=1, hidden=(4,)),
        idle=("chain.steps.0.net.hidden.0.weight",),
    ),
    "splines through a logit": Case(
        lambda: TrainedDequantized(
            SplineFlow(dequantized_space(LEVELS, 0.05), transforms=2, hidden=(8,)), LEVELS, margin=0.05
        )
    ),
    "dequantized splines": Case(
        lambda: TrainedDequantized(SplineFlow(dequantized_space(LEVELS), transforms=2, hidden=(8,)), LEVELS)
    ),
}

LATENT = {
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
    "VAE tokens, learned prior": Case(lambda: small_vae(TOKENS, 3, prior=MixturePrior(2, components=2))),
    "VAE reals": Case(lambda: small_vae(REALS, 3, latent=1), shake=0.03),
    "VAE symbol of no shape": Case(lambda: small_vae(SYMBOL, 4, latent=1)),
    "VAE line": Case(lambda: small_vae(LINE, 3, latent=1), shake=0.1),
    "VAE, importance-weighted, warmed up": Case(lambda: small_vae(BITS, 1, importance=3, warmup=10), shake=0.1),
    "convolutional VAE": Case(
        lambda: VAE(
            Binary((1, 8, 8)),
            latent=2,
            encoder=ConvEncoder((1, 8, 8), 4, width=2, blocks=1, hidden=8),
            decoder=ConvDecoder(2, (1, 8, 8), 1, width=2, blocks=1, hidden=8),
        )
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
}

ADVERSARIAL = {
    "GAN levels": Case(lambda: small_gan(LEVELS)),
    "GAN bits of a class": Case(lambda: small_gan(BITS, CLASSES, discriminator_steps=2)),
    "GAN bits, penalised, learning": Case(
        lambda: small_gan(BITS, latent=6, width=32, gradient_penalty=1.0),
        training={"steps": 400, "batch_size": 200, "learning_rate": 5e-3, "ema": 0.98},
        distance=0.2,
    ),
    "GAN reals, penalised": Case(lambda: small_gan(REALS, gradient_penalty=1.0)),
    "f-GAN reals": Case(lambda: small_gan(REALS, divergence=Pearson(), cost=MaximumLikelihood())),
    "DCGAN": Case(
        lambda: GAN(
            PICTURE,  # large enough for batch normalisation in both networks
            latent=2,
            context_space=CLASSES,
            generator=DCGANGenerator(2, PICTURE.shape, width=2, context=2),
            discriminator=DCGANDiscriminator(PICTURE.shape, width=2, context=2),
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

CASES = DISTRIBUTIONS | AUTOREGRESSIVE | SEQUENCES | PIXELS | FLOWS | LATENT | DIFFUSION | ADVERSARIAL | ENERGY


def fresh(name: str, seed: int = 0) -> Any:
    """The model of a row in float64, as its constructor left it."""
    with seeded(seed):
        model: Any = CASES[name].make()
    return model.double()


@cache
def _prepared(name: str) -> Any:
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
    return deepcopy(_prepared(name))


# The toy law


def toy_events(model: Model, n: int, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """n events of the toy law with their contexts, in the model's spaces."""
    noise, space = Noise(seed).at("toy"), model.space
    c = (noise.uniform((n,), "class") * 2).long()
    u = noise.uniform((n, space.dimensions, 2), "cells", like=torch.zeros((), dtype=torch.float64))
    shift = c if model.context_space is not None else torch.zeros_like(c)
    if isinstance(space, Real):
        cells = torch.special.ndtri(u[..., 0])
        cells[:, 0] += shift
        for i in range(1, space.dimensions):
            cells[:, i] += SLOPE * cells[:, i - 1]
        x = space.events(cells)
    else:
        cells = (u[..., 0] * space.n).long()
        cells[:, 0] = (u[:, 0, 0] ** (2 + shift) * space.n).long()
        for i in range(1, space.dimensions):
            cells[:, i] = torch.where(u[:, i, 1] < REPEAT, cells[:, i - 1], cells[:, i])
        x = space.events(cells)
    return x, None if model.context_space is None else c


def toy_log_prob(model: Model, x: Tensor, context: Tensor | None) -> Tensor:
    """The exact log-probability of the toy law in nats, with shape (B,)."""
    space, cells = model.space, model.space.cells(x)
    shift = torch.zeros(len(x), dtype=torch.int64) if context is None else context
    if isinstance(space, Real):
        means = torch.cat([shift[:, None], SLOPE * cells[:, :-1]], 1)
        normal = -0.5 * ((cells - means) ** 2 + math.log(2 * math.pi))
        return normal.sum(1) - space.log_volume
    power, first = 1 / (2.0 + shift), cells[:, 0].double()
    log_p = (((first + 1) / space.n) ** power - (first / space.n) ** power).log()
    repeats = (cells[:, 1:] == cells[:, :-1]).double()
    return log_p + (REPEAT * repeats + (1 - REPEAT) / space.n).log().sum(1)


def toy_data(model: Model, n: int) -> Dataset:
    """A data set of n training events of the toy law."""
    train, valid, test = (Events(*toy_events(model, k, seed)) for seed, k in enumerate((n, 20, 20)))
    return Dataset("toy", model.space, train, valid, test, context_space=model.context_space)
