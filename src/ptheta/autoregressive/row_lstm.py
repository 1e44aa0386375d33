"""Row LSTM: a PixelRNN whose layers step from row to row.

The pixels come in raster order, and layers stand between a 7 x 7 convolution (mask A) and the head, each added to what
it was given (``ptheta.autoregressive.pixelrnn``). A unit in row r takes its gates from its own row, by a convolution
over the pixel to its left and itself (mask B), and from the states of the three nearest pixels of the row above:

    [o, f, i, g] = [s, s, s, tanh](K_is * x_r + K_ss * h_{r-1})        # s: the logistic sigmoid             # eq. 3
    c_r = f c_{r-1} + i g,    h_r = o tanh(c_r)

All units of a row are updated at once, so a score takes H steps per layer for an image of H rows, O(D h^2) each layer
with h units; a sample keeps all states: as many multiplications, but pixel by pixel,
so many times longer.

Not assumed: how far up a pixel depends on others. Assumed: that the same rule serves every place.

Known limits:
    A pixel sees a triangle: one column more to each side per row up, widened by the first convolution's three columns,
    and to the left by one column per layer; of its own row, as many pixels. What lies outside is a blind spot. Rows
    follow one another in training too, so it is slower than convolutions.

References:
    Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016), section 3.1
    https://arxiv.org/abs/1601.06759
"""

import math
from typing import final

import torch
from torch import Tensor, nn

from ptheta.autoregressive.pixelrnn import PixelRNN, RecurrentLayer, by_gate, by_group
from ptheta.nn.causal import CausalConv, PixelCache, Place
from ptheta.nn.scan import lstm_update, rows, scan, shifted

__all__ = ["RowLSTM"]

NEIGHBOURS = (1, 0, -1)  # the pixels of the row above that feed a state


@final
class RowLSTM(PixelRNN):
    """A PixelRNN that reads an image row by row.

    Built as ``PixelRNN`` is.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = RowLSTM(Binary((1, 5, 4)), hidden=4, layers=2)
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([2, 1, 5, 4]), torch.Size([2]))
    """

    @staticmethod
    def layer(hidden: int, groups: int) -> RecurrentLayer:
        return Rows(hidden, groups)


@final
class Rows(RecurrentLayer):
    """One layer: 2h features in, h states out."""

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.gates = CausalConv(2 * hidden, 4 * hidden, (1, 2), left=1, mask="B", groups=groups)
        bound = 1 / math.sqrt(3 * hidden)
        self.weight = nn.Parameter(torch.empty(1, 3 * hidden, 4 * hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        gates = by_gate(self.gates(x), self.groups).flatten(1, 2)[None]  # (1, B, H W, 4h)
        return scan(gates, self.weight, rows(height, width), NEIGHBOURS)[0].unflatten(1, (height, width))

    def cache(self, n: int, width: int, place: Place) -> "_RowsCache":
        return _RowsCache(self, n, width, place)


@final
class _RowsCache:
    """Keeps the states of the row above, and of this row so far."""

    def __init__(self, layer: Rows, n: int, width: int, place: Place) -> None:
        self.gates, self.weight, self.place = PixelCache(layer.gates, n, width, place), layer.weight[0], place
        self.groups, hidden = layer.groups, layer.weight.shape[2] // 4
        self.h, self.c = (self.weight.new_zeros(n, width, hidden) for _ in range(2))
        self.above: list[tuple[Tensor, ...]] = []
        self.c_above = self.c

    def next_row(self) -> None:
        self.gates.next_row()
        above = shifted(self.h, NEIGHBOURS) @ self.weight  # (n, W, 4h): what the row above contributes, at once
        self.above = [by_group(gates, self.groups) for gates in above.unbind(1)]
        self.c_above, self.c = self.c, torch.zeros_like(self.c)

    def __call__(self, x: Tensor) -> Tensor:
        column, group = self.place.column, self.place.group
        gates = self.gates(x) + self.above[column][group]
        size = gates.shape[1] // 4
        mine = slice(group * size, (group + 1) * size)
        h, self.c[:, column, mine] = lstm_update(gates, self.c_above[:, column, mine])
        self.h[:, column, mine] = h
        return h
