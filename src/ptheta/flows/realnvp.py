"""RealNVP: a flow of affine couplings, with the same one pass for scoring and for sampling.

One coupling moves half of the variables by

    z_b = (x_b - m(x_a)) exp(-s(x_a)),     log |det| = -sum s(x_a)

with s bounded (eq. 7 to 9, written from events to noise; ``Coupling`` and ``Affine`` are the code of it). Vectors are
cut into two halves that take turns, and are shuffled after every two. Images keep their geometry: the networks are
convolutional and residual, and

    checkerboard    the two halves are the two colours of a checkerboard
    squeeze         2 x 2 pixels become 4 channels at half the size
    channels        the two halves are the two halves of the channels
    factoring out   half of the variables are done: they are noise; the other half goes on at the smaller scale

until the size is odd or below 4. The paper normalises by statistics of the batch; here nothing does, so that an
example's likelihood is its own.

Scoring and sampling cost one pass of every network each. Not assumed: an order of the variables. Assumed: that the map
from noise to events is smooth and has an inverse, so noise and events have the same dimension and the same topology.

Known limits:
    Each coupling moves half of the variables affinely, so many are needed, and modes that lie apart stay joined by thin
    bridges. Bits and levels are dequantised, and their number is a lower bound.

References:
    Density Estimation Using Real NVP (Dinh, Sohl-Dickstein & Bengio, 2016) https://arxiv.org/abs/1605.08803
"""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.flows.coupling import Coupling, coupling_chain
from ptheta.flows.flow import Affine, Bijection, Chain, Flow, Monotone, Permutation, near_zero
from ptheta.model import require_sizes
from ptheta.nn.contexts import Injection, Reader, reader_of, shape_of
from ptheta.nn.defaults import LEAST_SIDE, is_convolved
from ptheta.nn.residual import ResidualBlock
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["FirstPart", "RealNVP", "image_chain"]

Shape = tuple[int, int, int]


@final
class ImageNet(nn.Module):
    """A residual convolutional network from some variables of an image to numbers for some others.

    Args:
        shape: Channels, height and width.
        inputs: Which variables of the flattened image are given, in their order; the others are zero.
        outputs: Which variables get numbers, in their order.
        numbers: How many numbers each gets.
        width: The number of feature maps.
        blocks: The number of residual blocks.
        context: The shape of what is read of a context; () for none.
    """

    inputs: Tensor
    outputs: Tensor

    def __init__(
        self,
        shape: Shape,
        inputs: Tensor,
        outputs: Tensor,
        *,
        numbers: int,
        width: int,
        blocks: int,
        context: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.shape, self.numbers = shape, numbers
        self.register_buffer("inputs", inputs, persistent=False)
        self.register_buffer("outputs", outputs, persistent=False)
        self.first = nn.Conv2d(shape[0], width, 3, padding=1)
        self.context = Injection(context, width) if context else None
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, numbers * shape[0], 3, padding=1)
        near_zero(self.last)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps given variables (B, inputs) and contexts as they were read to (B, numbers * outputs)."""
        d = self.shape[0] * self.shape[1] * self.shape[2]
        image = x.new_zeros(len(x), d).index_copy(1, self.inputs, x).view(-1, *self.shape)
        h = self.first(image)
        if self.context is not None:
            h = h + self.context(context, self.shape[1:])
        h = self.last(F.silu(self.blocks(h)))  # (B, numbers * C, H, W)
        return h.reshape(len(x), self.numbers, d)[..., self.outputs].flatten(1)


@final
class FirstPart(Bijection):
    """Moves the first variables by a chain of bijections; the rest are done, and stay.

    Args:
        bijections: The chain.
        size: How many variables it moves.
    """

    def __init__(self, bijections: Sequence[Bijection], size: int) -> None:
        super().__init__()
        self.chain, self.size = Chain(bijections), size

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        z, log_det = self.chain(x[:, : self.size], context)
        return torch.cat([z, x[:, self.size :]], 1), log_det

    def inverse(self, z: Tensor, context: Tensor | None) -> Tensor:
        return torch.cat([self.chain.inverse(z[:, : self.size], context), z[:, self.size :]], 1)


def image_chain(
    shape: Shape, monotone: Monotone, *, width: int, blocks: int, context: tuple[int, ...], couplings: int = 3
) -> list[Bijection]:
    """The multi-scale chain of couplings of an image, near the identity at first.

    Args:
        shape: Channels, height and width.
        monotone: What moves one variable.
        width: The feature maps of each network.
        blocks: The residual blocks of each network.
        context: The shape of what is read of a context; () for none.
        couplings: The couplings of each kind at each scale; one more at the last.

    Returns:
        The bijections, on flattened images.
    """
    settings = {"numbers": monotone.width, "width": width, "blocks": blocks, "context": context}

    def couple(shape: Shape, first: Tensor, second: Tensor, times: int) -> list[Bijection]:
        chain: list[Bijection] = []
        for k in range(times):
            a, b = (second, first) if k % 2 else (first, second)
            chain.append(Coupling(ImageNet(shape, a, b, **settings), monotone, len(a), flip=k % 2 == 1))
        return chain

    channels, height, breadth = shape
    d, is_last = channels * height * breadth, height % 2 or breadth % 2 or min(height, breadth) < LEAST_SIDE
    black, white = _checkerboard(shape)
    colours = Permutation(torch.cat([black, white]))
    chain = [colours, *couple(shape, black, white, couplings + bool(is_last)), Permutation(colours.back)]
    if is_last:
        return chain
    half: Shape = (2 * channels, height // 2, breadth // 2)
    first, second = torch.arange(d).chunk(2)
    chain += [Permutation(_squeeze(shape)), *couple((4 * channels, *half[1:]), first, second, couplings)]
    rest = image_chain(half, monotone, width=width, blocks=blocks, context=context, couplings=couplings)
    return [*chain, FirstPart(rest, d // 2)]


def _checkerboard(shape: Shape) -> tuple[Tensor, Tensor]:
    """The variables of a flattened image on black and on white squares."""
    _, row, column = torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    colour = ((row + column) % 2).flatten()
    return (colour == 0).nonzero()[:, 0], (colour == 1).nonzero()[:, 0]


def _squeeze(shape: Shape) -> Tensor:
    """The order that turns 2 x 2 pixels into 4 times the channels; the first half is one diagonal of each square."""
    image = torch.arange(shape[0] * shape[1] * shape[2]).view(shape)
    return torch.cat([image[:, i::2, j::2] for i, j in ((0, 0), (1, 1), (0, 1), (1, 0))]).flatten()


@final
class RealNVP(Flow):
    """A flow of affine couplings, on vectors and, from 4 x 4 pixels on, on images.

    Args:
        space: Real, of at least two variables; levels and bits are modelled through ``TrainedDequantized``.
        context_space: What one context is, or None.
        reader: What the networks see of a context; None lets the space of contexts choose: maps of a picture, where
            events are images.
        layers: The number of couplings; on images, of each kind at each scale.
        hidden: On vectors, the widths of each network's hidden layers.
        width: On images, the feature maps of each network.
        blocks: On images, the residual blocks of each network.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Real
        >>> model = RealNVP(Real((1, 4, 4)), layers=2, width=4, blocks=1)
        >>> x = model.sample(3, noise=Noise(0))
        >>> model.log_prob(x).shape, torch.allclose(model.decode(model.encode(x)), x, atol=1e-5)
        (torch.Size([3]), True)
    """

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        reader: Reader | None = None,
        layers: int | None = None,
        hidden: Sequence[int] = (128, 128),
        width: int = 32,
        blocks: int = 2,
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        layers = layers if layers is not None else 3 if is_convolved(space) else 8
        reader = reader_of(context_space, space.shape[1:] if is_convolved(space) else None, reader)
        require_sizes("RealNVP", layers=layers, hidden=min(hidden, default=1), width=width)
        if is_convolved(space):
            channels, height, breadth = space.shape
            chain = image_chain(
                (channels, height, breadth),
                Affine(),
                width=width,
                blocks=blocks,
                context=shape_of(reader),
                couplings=layers,
            )
        else:
            chain = coupling_chain(space, reader, Affine(), layers=layers, hidden=hidden, linear=False)
        super().__init__(space, reader, chain, optimizer)
