"""Stacks of LSTM or GRU layers: whole sequences by torch's own kernels, or one step at a time with the state kept.

References:
    Long Short-Term Memory (Hochreiter & Schmidhuber, 1997) https://doi.org/10.1162/neco.1997.9.8.1735
    Learning Phrase Representations using RNN Encoder-Decoder (Cho et al., 2014) https://arxiv.org/abs/1406.1078
"""

import warnings
from functools import cache
from typing import Literal, final

import torch
from torch import Tensor, nn

__all__ = ["RecurrentStack"]

WIDTH = 8  # of the layer that is tried

State = list[tuple[Tensor, ...]]  # of each layer: (h, c) of an LSTM, (h,) of a GRU


@final
class RecurrentStack(nn.Module):
    """Layers of LSTM or GRU units, each fed by the one below.

    Args:
        inputs: The number of input features of one step.
        hidden: The number of units of each layer.
        layers: How many layers.
        cell: ``lstm`` or ``gru``.
        dropout: The rate of dropout on the output of every layer, in training mode.
    """

    def __init__(
        self, inputs: int, hidden: int, *, layers: int = 1, cell: Literal["lstm", "gru"] = "lstm", dropout: float = 0.0
    ) -> None:
        super().__init__()
        if cell not in ("lstm", "gru"):
            raise ValueError(f"cell should be lstm or gru, but it is {cell!r}.")
        kind: type[nn.LSTM] | type[nn.GRU] = nn.LSTM if cell == "lstm" else nn.GRU
        between = dropout if layers > 1 else 0.0
        self.cell, self.hidden, self.layers = cell, hidden, layers
        self.rnn = kind(inputs, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.eval()  # nothing is dropped before it is trained
        if cell == "lstm":  # remember by default (Gers, Schmidhuber & Cummins, 2000)
            with torch.no_grad():
                for name, p in self.rnn.named_parameters():
                    if name.startswith("bias_ih"):
                        p[hidden : 2 * hidden] += 1

    def forward(self, x: Tensor) -> Tensor:
        """Maps sequences (B, T, inputs) to the states of the last layer after every step, (B, T, hidden)."""
        if torch.is_autocast_enabled(x.device.type) and not runs_under_autocast(self.cell, x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                out, _ = self.rnn(x.float())
        else:
            out, _ = self.rnn(x)
        return self.dropout(out)

    def start(self, n: int) -> State:
        """The state before n sequences."""
        zero = self.rnn.all_weights[0][0].new_zeros(n, self.hidden)
        return [(zero, zero) if self.cell == "lstm" else (zero,)] * self.layers

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One more step of n sequences, without dropout.

        Args:
            x: Inputs with shape (n, inputs).
            state: The state before the step.

        Returns:
            The output of the last layer, with shape (n, hidden), and the state after the step.
        """
        after: State = []
        for before, weights in zip(state, self.rnn.all_weights, strict=True):
            if self.cell == "lstm":
                h, c = torch.lstm_cell(x, before, *weights)
                after.append((h, c))
            else:
                after.append((torch.gru_cell(x, before[0], *weights),))
            x = after[-1][0]
        return x, after


@cache
def runs_under_autocast(cell: str, device: str) -> bool:
    """Whether this processor has a kernel of lower precision for a recurrent layer; says so once where it has none.

    Args:
        cell: ``lstm`` or ``gru``.
        device: The kind of device.

    Returns:
        False where the layer must run in float32.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        layer = (nn.LSTM if cell == "lstm" else nn.GRU)(WIDTH, WIDTH, batch_first=True, device=device)
        try:
            layer(torch.zeros(2, 2, WIDTH, device=device))
        except RuntimeError:
            warnings.warn(f"{cell.upper()} layers have no bfloat16 here: they run in float32.", stacklevel=2)
            return False
    return True
