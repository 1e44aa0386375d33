"""Diagonal BiLSTM: a PixelRNN whose layers step from diagonal to diagonal, from both sides.

One direction starts in the top left corner: a unit takes its gates from its own pixel (1 x 1, mask B) and from the
states of the pixels to its left and above it. The other starts in the top right corner: right and above. With n a
pixel and K_ss over its two neighbours, one beside it and one above,

    [o, f, i, g] = [s, s, s, tanh](K_is * x_n + K_ss * h)        # s: the logistic sigmoid                   # eq. 3
    c_n = f c_beside + i g,    h_n = o tanh(c_n)

A diagonal is one step; the paper skews the image for it, shifting row r by r columns, so that diagonals become columns
(section 3.2). The right-hand states of a row have seen pixels to the right, so they are handed down one row before both
are added:

    y_{r,c} = left_{r,c} + right_{r-1,c}.

Left states have seen all above and left, right states of the row above all above and right: together, in the very first
layer, every *feature* that came before. Layers stand between a 7 x 7 convolution (mask A) and the head, each added to
what it was given (``ptheta.autoregressive.pixelrnn``). A score takes H + W - 1 steps per layer, O(D h^2) with h units;
a sample keeps all states: as many multiplications, but pixel by pixel, so many times longer.

Not assumed: how far a pixel depends on others. Assumed: that the same rule serves every place.

Known limits:
    The paper's "entire available context" misses one pixel. Features of the first layer have not seen their own pixel
    (mask A), so the last of a row first enters features of the next row, within the first kernel's reach, where no
    state carries it to the left. The conditionals of a row do not see the last pixel of the row above, but for the last
    ones (three, for a kernel of 7 x 7); more layers do not mend it. Diagonals follow one another in training too.

References:
    Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016), section 3.2
    https://arxiv.org/abs/1601.06759
"""

import math
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive.pixelrnn import PixelRNN, RecurrentLayer, by_gate, by_group
from ptheta.nn.causal import CausalConv, PixelCache, Place
from ptheta.nn.scan import diagonals, lstm_update, scan

__all__ = ["DiagonalBiLSTM"]

NEIGHBOURS = (0, 1)  # one diagonal before: the same row, which is the pixel beside, and the row above


@final
class DiagonalBiLSTM(PixelRNN):
    """A PixelRNN that reads an image along its diagonals, from the left and from the right.

    Built as ``PixelRNN`` is.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = DiagonalBiLSTM(Binary((1, 5, 4)), hidden=4, layers=2)
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([2, 1, 5, 4]), torch.Size([2]))
    """

    @staticmethod
    def layer(hidden: int, groups: int) -> RecurrentLayer:
        return Diagonals(hidden, groups)


@final
class Diagonals(RecurrentLayer):
    """One layer: 2h features in, h states out, the sum of two directions."""

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.left, self.right = (CausalConv(2 * hidden, 4 * hidden, mask="B", groups=groups) for _ in range(2))
        bound = 1 / math.sqrt(2 * hidden)
        self.weight = nn.Parameter(torch.empty(2, 2 * hidden, 4 * hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        left, right = by_gate(self.left(x), self.groups), by_gate(self.right(x).flip(2), self.groups)
        gates, size = torch.stack([left, right]).flatten(2, 3), x.shape[1:3]  # (2, B, H W, 4h)
        states = scan(gates, self.weight, diagonals(*size), NEIGHBOURS)
        left, right = states.unflatten(2, size).unbind()
        return left + F.pad(right.flip(2), (0, 0, 0, 0, 1, -1))  # handed down one row

    def cache(self, n: int, width: int, place: Place) -> "_DiagonalsCache":
        return _DiagonalsCache(self, n, width, place)


@final
class _DiagonalsCache:
    """Keeps the left states of the row above and of this row so far, and the right states of the row above."""

    def __init__(self, layer: Diagonals, n: int, width: int, place: Place) -> None:
        self.layer, self.place, self.groups = layer, place, layer.groups
        self.gates = PixelCache(layer.left, n, width, place)
        hidden = layer.weight.shape[2] // 4
        self.h, self.c, self.right = (layer.weight.new_zeros(n, width, hidden) for _ in range(3))
        self.x = layer.weight.new_zeros(n, width, 2 * hidden)
        self.before: tuple[Tensor, ...] = ()  # what states before the pixel contribute to the gates of each group
        self.rows = 0

    def next_row(self) -> None:
        self.gates.next_row()
        if self.rows:
            self._right_row()
        self.rows += 1

    def _right_row(self) -> None:
        """The right states of the row just drawn, from its last column to its first."""
        beside, above = self.layer.weight[1].chunk(2)
        gates = by_gate(self.layer.right(self.x), self.groups) + self.right @ above  # (n, W, 4h), the whole row
        h = c = torch.zeros_like(self.right[:, 0])
        for column in reversed(range(gates.shape[1])):
            h, c = lstm_update(torch.addmm(gates[:, column], h, beside), c)
            self.right[:, column] = h

    def __call__(self, x: Tensor) -> Tensor:
        column, group = self.place.column, self.place.group
        inputs, size = x.shape[1], self.h.shape[2] // self.groups
        self.x[:, column, group * inputs : (group + 1) * inputs] = x
        mine = slice(group * size, (group + 1) * size)
        if group == 0:
            left = self.h[:, column - 1] if column else torch.zeros_like(self.h[:, 0])
            self.before = by_group(torch.cat([left, self.h[:, column]], 1) @ self.layer.weight[0], self.groups)
        c = self.c[:, column - 1, mine] if column else torch.zeros_like(self.c[:, 0, mine])
        h, self.c[:, column, mine] = lstm_update(self.gates(x) + self.before[group], c)
        self.h[:, column, mine] = h
        return h + self.right[:, column, mine]
