"""The common way to write models of images: the same networks as ours, with the same weights.

The public PyTorch versions convolve with square kernels whose mask is multiplied in afresh in every pass, step LSTMs
row by row or column by column under autograd, and draw by a pass of the whole network over the whole image for every
pixel, of which one pixel is used. The last takes minutes, so a few passes are timed and the rest follows.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive import Autoregressive, Choice
from ptheta.autoregressive.diagonal_bilstm import Diagonals
from ptheta.autoregressive.row_lstm import Rows
from ptheta.nn.causal import CausalConv
from ptheta.noise import Noise
from ptheta.spaces import Binary
from timing import Call, stepper

SPACE = Binary((1, 28, 28))
PASSES = 3


class SquareConv(nn.Module):
    """A masked convolution with a square kernel; features last, as its surroundings have them."""

    def __init__(self, layer: CausalConv) -> None:
        super().__init__()
        rows, columns = layer.weight.shape[2:]
        below = (0, 0, 0, rows - 1)
        self.weight = nn.Parameter(F.pad(layer.weight.detach(), below))
        self.bias = nn.Parameter(layer.bias.detach().clone())
        self.register_buffer("mask", F.pad(layer.mask.to(self.weight.dtype), below))
        self.sides, self.rows = (layer.left, columns - 1 - layer.left), rows - 1
        self.is_masked = layer.is_masked

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight * self.mask if self.is_masked else self.weight
        x, left = x.permute(0, 3, 1, 2), self.sides[0]
        if left == self.sides[1]:
            return F.conv2d(x, kernel, self.bias, padding=(self.rows, left)).permute(0, 2, 3, 1)
        return F.conv2d(F.pad(x, (*self.sides, self.rows, self.rows)), kernel, self.bias).permute(0, 2, 3, 1)


def lstm(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """New states and cells from gates (B, 4h, P) and cells (B, h, P)."""
    o, f, i, g = gates.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class RowByRow(nn.Module):
    """A row LSTM: a one-dimensional convolution of the states for every row."""

    def __init__(self, layer: Rows) -> None:
        super().__init__()
        self.gates = SquareConv(layer.gates)
        h = layer.weight.shape[2] // 4  # the pixel to the left, the one above, the one to the right
        self.kernel = nn.Parameter(layer.weight.detach()[0].unflatten(0, (3, h)).permute(2, 1, 0).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        rows = self.gates(x).permute(1, 0, 3, 2)  # (H, B, 4h, W)
        h = c = rows.new_zeros(len(x), rows.shape[2] // 4, rows.shape[3])
        states = []
        for gates in rows.unbind(0):
            h, c = lstm(gates + F.conv1d(h, self.kernel, padding=1), c)
            states.append(h)
        return torch.stack(states, 1).transpose(2, 3)  # (B, H, W, h)


class ColumnByColumn(nn.Module):
    """A diagonal BiLSTM: images skewed, and a one-dimensional convolution of the states for every column."""

    def __init__(self, layer: Diagonals) -> None:
        super().__init__()
        self.left, self.right = SquareConv(layer.left), SquareConv(layer.right)
        h = layer.weight.shape[2] // 4
        kernels = layer.weight.detach().unflatten(1, (2, h)).permute(0, 3, 2, 1).flip(3)  # row above, same row
        self.kernels = nn.ParameterList(kernel.contiguous() for kernel in kernels)

    def forward(self, x: Tensor) -> Tensor:
        left = self.scan(self.left(x), self.kernels[0])
        right = self.scan(self.right(x).flip(2), self.kernels[1]).flip(2)
        return left + F.pad(right, (0, 0, 0, 0, 1, -1))

    def scan(self, gates: Tensor, kernel: Tensor) -> Tensor:
        n, height, width, features = gates.shape
        skewed = [F.pad(gates[:, r], (0, 0, r, height - 1 - r)) for r in range(height)]
        columns = torch.stack(skewed, 3).unbind(1)  # W + H - 1 of (B, 4h, H)
        h = c = gates.new_zeros(n, features // 4, height)
        states = []
        for column in columns:
            h, c = lstm(column + F.conv1d(F.pad(h, (1, 0)), kernel), c)
            states.append(h)
        whole = torch.stack(states, 1)  # (B, W + H - 1, h, H)
        return torch.stack([whole[:, r : r + width, :, r] for r in range(height)], 1)


def commonly(model: Autoregressive) -> Autoregressive:
    """A copy of a model whose layers are written the common way."""
    common = copy.deepcopy(model)
    kinds = ((Rows, RowByRow), (Diagonals, ColumnByColumn), (CausalConv, SquareConv))
    for kind, make in kinds:
        for name, module in list(common.named_modules()):
            if isinstance(module, kind) and (kind is not CausalConv or is_common(module)):
                parent, _, own = name.rpartition(".")
                setattr(common.get_submodule(parent), own, make(module))  # pyright: ignore[reportArgumentType]
    return common


def is_common(layer: CausalConv) -> bool:
    """Whether the public versions have a square masked kernel there; the others shift and crop, as ours do."""
    return layer.is_masked or tuple(layer.weight.shape[2:]) == (1, 1)


def events(n: int) -> Tensor:
    return (Noise(0).uniform((n, *SPACE.shape), "x") < 0.13).to(torch.uint8)


def choice_for(model: Autoregressive, n: int) -> Choice:
    like = next(model.parameters())
    return Choice(model.head, Noise(0).uniform((n, SPACE.dimensions, model.head.uniforms), "u", like=like))


@torch.no_grad()
def check(model: Autoregressive, common: Autoregressive) -> None:
    """In float64: what the cached sampler decides by is what a whole pass over its draws gives, in both ways."""
    choice, seen = choice_for(model.double(), 2), []

    def decide(i: int, params: Tensor) -> Tensor:
        seen.append(params)
        return choice(i, params)

    cells = model.draw(decide, 2)  # pyright: ignore[reportArgumentType]
    for one in (model, common.double()):
        torch.testing.assert_close(torch.stack(seen, 1), one.conditionals(cells), rtol=1e-9, atol=1e-9)
        one.float()


def training(model: Autoregressive, n: int, precision: str = "float32") -> Call:
    x = events(n)

    def loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return -model.log_prob(x).mean()

    return stepper(model, loss)


def passes(model: Autoregressive, n: int) -> Call:
    """A few steps of the common sampler: a whole pass, of which one pixel is used."""
    choice = choice_for(model, n)

    @torch.no_grad()
    def call() -> None:
        cells = choice.blank()
        for i in range(PASSES):
            cells[:, i] = choice(i, model.conditionals(cells)[:, i])

    return call
