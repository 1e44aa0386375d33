"""PixelRNN: the pixels of an image in raster order, read by two-dimensional LSTMs.

Pixel by pixel, row after row, and within a pixel channel by channel, as PixelCNN (whose masks A and B these are); but
the layers between the first convolution and the head are recurrent, so what they see has no fixed size:

    x <- conv 7 x 7, mask A (image)
    x <- x + conv 1 x 1 (LSTM(x))               # once per layer: 2h features in, h units, 2h features out
    parameters <- conv 1 x 1 (relu(conv 1 x 1 (relu(x)))), mask B

The LSTM of a layer takes its gates from the layer's input (input-to-state, masked: B) and from the states of pixels
before (state-to-state, not masked: all of those pixels came before), eq. 3. ``RowLSTM`` steps row by row, and so sees
a triangle above the pixel; ``DiagonalBiLSTM`` steps diagonal by diagonal, from both sides, and sees all but a pixel.

A score is one pass, whose steps (rows or diagonals) follow one another. While an image is drawn, states are kept, and
each is computed once.

References:
    Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016) https://arxiv.org/abs/1601.06759
"""

from abc import ABC, abstractmethod
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.orders import pixel_order
from ptheta.autoregressive.pixelcnn import image_shape, require_odd
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.model import require_sizes
from ptheta.nn.causal import CausalConv, PixelCache, Place
from ptheta.nn.contexts import Reader, at, features_last
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, require

__all__ = ["LayerCache", "PixelRNN", "RecurrentLayer", "by_gate", "by_group"]


class LayerCache(Protocol):
    """A recurrent layer asked for one channel group of one pixel at a time, in raster order."""

    def next_row(self) -> None:
        """Starts a row."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Notes the input (n, 2h / channels) of this pixel and group; returns its state (n, h / channels)."""
        ...


class RecurrentLayer(nn.Module, ABC):
    """A layer of LSTM units over an image."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Maps features (B, H, W, 2h) to states (B, H, W, h)."""

    @abstractmethod
    def cache(self, n: int, width: int, place: Place) -> LayerCache:
        """What stands for the layer while n images of a width are drawn."""


def by_gate(gates: Tensor, groups: int) -> Tensor:
    """Gates (..., 4h) laid out channel group by channel group, as masked layers give them, become gate by gate."""
    return gates.unflatten(-1, (groups, 4, -1)).transpose(-2, -3).flatten(-3)


def by_group(gates: Tensor, groups: int) -> tuple[Tensor, ...]:
    """Gates (..., 4h) gate by gate, cut into those of each channel group, (..., 4h / groups) each."""
    return gates.unflatten(-1, (4, groups, -1)).transpose(-2, -3).flatten(-2).unbind(-2)


class PixelRNN(Autoregressive):
    """A stack of recurrent layers over an image of any size and any number of channels.

    Args:
        space: ``Binary``, ``Levels`` or ``Symbols``, of shape (channels, height, width).
        hidden: The number of units h of each layer; a multiple of the channels.
        layers: How many recurrent layers.
        kernel: The size of the first kernel, odd.
        context_space: What one context is, or None. A context moves every feature of the first layer, a
            picture each pixel's by what lies there.
        reader: What the network sees of a context; None lets the space of contexts choose.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.
    """

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 16,
        layers: int = 7,
        kernel: int = 7,
        context_space: Space | None = None,
        reader: Reader | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, who=type(self).__name__)
        require_sizes(type(self).__name__, hidden=hidden, layers=layers)
        require_odd(type(self).__name__, kernel=kernel)
        self.shape = image_shape(space, type(self).__name__)
        order = pixel_order(space.shape, "raster")
        super().__init__(space, context_space, reader, order, head, optimizer, size=self.shape[1:])
        groups = self.shape[0]
        if hidden % groups:
            raise ValueError(f"hidden should be a multiple of the {groups} channels, but it is {hidden}.")
        size = (kernel // 2 + 1, kernel)
        self.first = CausalConv(groups * self.features, 2 * hidden, size, mask="A", groups=groups)
        self.layers = nn.ModuleList(self.layer(hidden, groups) for _ in range(layers))
        self.widen = nn.ModuleList(CausalConv(hidden, 2 * hidden, mask="B", groups=groups) for _ in range(layers))
        self.hidden_output = CausalConv(2 * hidden, 2 * hidden, mask="B", groups=groups)
        self.output = CausalConv(2 * hidden, groups * self.head.width, mask="B", groups=groups)
        self.context_layer = None
        if self.reader is not None:
            self.context_layer = nn.Linear(self.reader.shape[0], 2 * hidden, bias=False)

    @staticmethod
    @abstractmethod
    def layer(hidden: int, groups: int) -> RecurrentLayer:
        """Makes a recurrent layer from 2h features to h, in channel groups."""

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        channels, height, width = self.shape
        y = self.look(cells, self.output.bias.dtype)  # (B, D, E)
        x = self.first(y.reshape(-1, height, width, channels * self.features))  # (B, H, W, 2h)
        shift = self._shift(context)
        x = x if shift is None else x + shift
        for layer, widen in zip(self.layers, self.widen, strict=True):
            x = x + widen(layer(x))
        x = self.output(F.relu(self.hidden_output(F.relu(x))))
        return x.reshape(*cells.shape, self.head.width)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        (channels, height, width), place = self.shape, Place()
        first, hidden, output = (PixelCache(m, n, width, place) for m in (self.first, self.hidden_output, self.output))
        widens = [PixelCache(m, n, width, place) for m in self.widen if isinstance(m, CausalConv)]
        layers = [layer.cache(n, width, place) for layer in self.layers if isinstance(layer, RecurrentLayer)]
        shift = self._shift(context)
        cells = []
        for row in range(height):
            for cache in (first, *layers, *widens, hidden, output):
                cache.next_row()
            for place.column in range(width):
                shifts = None if shift is None else at(shift, row, place.column).chunk(channels, 1)
                for place.group in range(channels):
                    x = first()
                    x = x if shifts is None else x + shifts[place.group]
                    for layer, widen in zip(layers, widens, strict=True):
                        x = x + widen(layer(x))
                    cells.append(choice(len(cells), output(F.relu(hidden(F.relu(x))))))
                    first.put(self.look(cells[-1], x.dtype))
        return torch.stack(cells, 1)

    def _shift(self, context: Tensor | None) -> Tensor | None:
        """What a context adds to the features of the first layer, with shape (B, H or 1, W or 1, 2h)."""
        c = self.condition(context)
        if c is None or self.context_layer is None:
            return None
        return self.context_layer(features_last(c, self.shape[1:]))
