"""The networks that models build where they are given none, and recipes at sizes of their own choice.

Dense where events are vectors, convolutional where they are images; each takes a context as a reader gives it (see
``ptheta.nn.contexts``).
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from ptheta.nn.contexts import Reader, shape_of, width_of
from ptheta.nn.convolutional import ConvDecoder, ConvEncoder
from ptheta.nn.denoiser import ResidualMLP
from ptheta.nn.mlp import MLP, ProjectionMLP
from ptheta.nn.unet import UNet
from ptheta.spaces import Space, Symbols

__all__ = [
    "categorical_denoiser",
    "decoder",
    "denoiser",
    "discriminator",
    "encoder",
    "generator",
    "is_convolved",
    "unmasker",
]

LEAST_SIDE = 4  # of an image that convolutions are worth

Hidden = Sequence[int]


def is_convolved(space: Space) -> bool:
    """Whether events are images large enough for convolutions, and of numbers."""
    return len(space.shape) == 3 and min(space.shape[1:]) >= LEAST_SIDE and not isinstance(space, Symbols)


def encoder(
    space: Space, outputs: int, reader: Reader | None, *, convolved: bool, hidden: Hidden = (256, 256), width: int = 16
) -> nn.Module:
    """Maps embedded events and what was read of contexts to vectors.

    Args:
        space: What one event is.
        outputs: The number of output features.
        reader: How contexts are read, or None.
        convolved: Whether the network is convolutional.
        hidden: The widths of a dense network's hidden layers.
        width: The feature maps of a convolutional network at full size.

    Returns:
        A fresh network.
    """
    if convolved:
        return ConvEncoder(space.shape, outputs, width=width, context=shape_of(reader))
    return MLP(math.prod(space.embedded_shape), outputs, hidden, context=width_of(reader, "a perceptron"))


def decoder(
    space: Space,
    inputs: int,
    outputs: int,
    reader: Reader | None,
    *,
    convolved: bool,
    hidden: Hidden = (256, 256),
    width: int = 16,
) -> nn.Module:
    """Maps vectors and what was read of contexts to ``outputs`` numbers for each variable of an event.

    Args:
        space: What one event is.
        inputs: The number of input features.
        outputs: How many numbers each variable gets.
        reader: How contexts are read, or None.
        convolved: Whether the network is convolutional.
        hidden: The widths of a dense network's hidden layers.
        width: The feature maps of a convolutional network at full size.

    Returns:
        A fresh network.
    """
    if convolved:
        return ConvDecoder(inputs, space.shape, outputs, width=width, context=shape_of(reader))
    return MLP(inputs, space.dimensions * outputs, hidden, context=width_of(reader, "a perceptron"))


def generator(space: Space, latent: int, reader: Reader | None, *, hidden: Hidden = (256, 256)) -> nn.Module:
    """A perceptron from latents (B, latent) to as many numbers as an event has variables."""
    return MLP(latent, space.dimensions, hidden, context=width_of(reader, "a perceptron"), activation=nn.ReLU)


def discriminator(
    space: Space, reader: Reader | None, *, hidden: Hidden = (256, 256), packing: int = 1, projected: bool = False
) -> nn.Module:
    """A perceptron from packs of embedded events to one number each.

    Args:
        space: What one event is.
        reader: How contexts are read, or None.
        hidden: The widths of the hidden layers.
        packing: How many events make a pack.
        projected: Whether contexts enter by projection instead of joining the input.

    Returns:
        A fresh network.
    """
    leaky, context = partial(nn.LeakyReLU, 0.2), packing * width_of(reader, "a perceptron")
    kind = ProjectionMLP if projected and context else MLP
    return kind(packing * space.dimensions, 1, hidden, context=context, activation=leaky)


def denoiser(space: Space, reader: Reader | None, *, width: int | None = None, **pyramid: Any) -> nn.Module:
    """Maps states, times and what was read of contexts to states: a U-Net of images, a residual MLP of all else.

    Args:
        space: What one event is.
        reader: How contexts are read, or None.
        width: The channels of the U-Net at its finest grid, 32 by default, or the width of the MLP, 256.
        **pyramid: Further keywords of ``UNet``.

    Returns:
        A fresh network.
    """
    if len(space.shape) == 3:
        return UNet(space.shape[0], width=32 if width is None else width, context=shape_of(reader), **pyramid)
    return ResidualMLP(space.shape, width=256 if width is None else width, context=width_of(reader, "a residual MLP"))


def unmasker(
    space: Space, outputs: int, reader: Reader | None, *, hidden: Hidden = (256, 256, 256), **pyramid: Any
) -> nn.Module:
    """Maps what is shown of events, each variable beside whether it is, to ``outputs`` numbers for each of them.

    Args:
        space: What one event is.
        outputs: How many numbers each variable gets.
        reader: How contexts are read, or None.
        hidden: The widths of a perceptron's hidden layers.
        **pyramid: Keywords of ``UNet``.

    Returns:
        A U-Net for images that convolutions are worth, of the share of the known as its time; else a perceptron.
    """
    shown = math.prod(space.embedded_shape) // space.dimensions + 1
    if is_convolved(space):
        channels = space.shape[0]
        return UNet(channels * shown, channels * outputs, context=shape_of(reader), **pyramid)
    return MLP(space.dimensions * shown, space.dimensions * outputs, hidden, context=width_of(reader, "a perceptron"))


def categorical_denoiser(
    space: Space, n: int, reader: Reader | None, *, width: int | None = None, **pyramid: Any
) -> nn.Module:
    """Maps embedded events, times and what was read of contexts to ``n`` numbers for each variable.

    Args:
        space: What one event is.
        n: How many numbers each variable gets.
        reader: How contexts are read, or None.
        width: The channels of the U-Net at its finest grid, 32 by default, or the width of the MLP, 256.
        **pyramid: Further keywords of ``UNet``.

    Returns:
        A U-Net for images that convolutions are worth, else a residual MLP.
    """
    shown = math.prod(space.embedded_shape)
    if is_convolved(space):
        channels = shown // math.prod(space.shape[1:])
        return UNet(
            channels, space.shape[0] * n, width=32 if width is None else width, context=shape_of(reader), **pyramid
        )
    context, outputs = width_of(reader, "a residual MLP"), space.dimensions * n
    return ResidualMLP((shown,), width=256 if width is None else width, context=context, outputs=outputs)
