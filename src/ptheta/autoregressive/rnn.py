"""Recurrent network over the variables of an event: characters of a text, pixels of an image, reals of a vector.

One cell, the same at every step, carries a state from variable to variable:

    s_i = cell(s_{i-1}, x_{i-1}),    p(x_i | x_1, ..., x_{i-1}) = head(V h(s_i) + b),                                (1)

with x_0 = 0. The cell is an LSTM or a GRU, in several layers if wanted. The number of parameters does not grow with D,
so weights fitted to windows score pieces of any length, and no window is cut: the state may keep anything. Where places
differ, as in images, a learned vector per place (``positions``) joins the input and each place has an output bias of
its own; then the length is fixed.

Scoring is one pass over the sequence, O(D H^2) in D steps that cannot run side by side; sampling takes the same D steps
with the state kept.

Not assumed: that what lies far back does not matter. Assumed: that one rule serves every place.

Known limits:
    Training is serial too, which convolutions and attention avoid. What must be remembered has to pass through every
    step, so neighbours in an image that are a row apart in the order are D steps of one row apart for the state.

References:
    Generating Sequences With Recurrent Neural Networks (Graves, 2013) https://arxiv.org/abs/1308.0850
    Recurrent neural network based language model (Mikolov, Karafiát, Burget, Černocký & Khudanpur, 2010)
    https://www.isca-archive.org/interspeech_2010/mikolov10_interspeech.html
"""

from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.model import require_sizes
from ptheta.nn.contexts import Reader, width_of
from ptheta.nn.recurrent import RecurrentStack
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["RNN"]


@final
class RNN(Autoregressive):
    """An LSTM or GRU that reads the variables one after the other.

    Args:
        space: ``Binary``, ``Levels``, ``Symbols`` or ``Real``.
        hidden: The number of units of each layer.
        layers: How many layers.
        cell: ``lstm`` or ``gru``.
        positions: The length of the vector that each place learns; 0 makes every place alike, as in text.
        dropout: The rate of dropout on the output of every layer.
        context_space: What one context is, or None. A context joins the input of every step.
        reader: What the network sees of a context; None lets the space of contexts choose.
        order: The order of the variables, or None for that of the event.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Tokens
        >>> model = RNN(Tokens(6, 10), hidden=8)
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([3, 6]), torch.Size([3]))
    """

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 256,
        layers: int = 1,
        cell: Literal["lstm", "gru"] = "lstm",
        positions: int = 0,
        dropout: float = 0.0,
        context_space: Space | None = None,
        reader: Reader | None = None,
        order: Sequence[int] | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=2e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, Real, who="RNN")
        require_sizes("RNN", hidden=hidden, layers=layers)
        super().__init__(space, context_space, reader, order, head, optimizer)
        d, context = space.dimensions, width_of(self.reader, "RNN")
        inputs = self.features + positions + context
        self.stack = RecurrentStack(inputs, hidden, layers=layers, cell=cell, dropout=dropout)
        self.places = nn.Parameter(torch.randn(d, positions)) if positions else None
        self.output = nn.Linear(hidden, self.head.width)
        self.output_bias = nn.Parameter(torch.zeros(d, self.head.width)) if positions else None

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        seen = self.look(cells, self.output.weight.dtype)  # (B, D, E)
        before = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1)
        parts = [before]
        if self.places is not None:
            parts.append(self.places.expand(len(cells), -1, -1))
        features = self.condition(context)
        if features is not None:
            parts.append(features[:, None].expand(-1, cells.shape[1], -1))
        out = self.output(self.stack(torch.cat(parts, 2)))  # (1), with shape (B, D, width)
        return out if self.output_bias is None else out + self.output_bias

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        weight, state, cells = self.output.weight, self.stack.start(n), []
        features = self.condition(context)
        tail = [] if features is None else [features]
        seen = weight.new_zeros(n, self.features)
        for i in range(self.space.dimensions):
            place = [] if self.places is None else [self.places[i].expand(n, -1)]
            h, state = self.stack.step(torch.cat([seen, *place, *tail], 1), state)
            params = self.output(h)
            cells.append(choice(i, params if self.output_bias is None else params + self.output_bias[i]))
            seen = self.look(cells[-1], weight.dtype)
        return torch.stack(cells, 1)
