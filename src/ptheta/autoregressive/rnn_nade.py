"""RNN-NADE: a sequence of frames, each a NADE whose biases a recurrent network chooses from the frames before.

An event is T frames of K variables, a piano roll, say. The network carries a state u_t over the frames; given it, the
variables of one frame depend on one another through a NADE:

    u_t = cell(u_{t-1}, v_{t-1}),                                                                                    (1)
    p(v_t | v_1, ..., v_{t-1}) = NADE(v_t; c + u_t W_uc, b + u_t W_ub),                                              (2)

so chords are coherent, where independent outputs per key (``hidden=0``) would mix the notes of several. All frames of
a batch are scored by one pass of the network and one of NADE's recurrence, O(T (U + K) (U + H)) for an event with U
recurrent and H hidden units. A sample takes T steps of the network and T K of NADE. The paper's cell is a plain
recurrent layer, and both parts are pre-trained; here it is a GRU or an LSTM, and all is trained at once.

Not assumed: independence within a frame or between frames. Assumed: that the past moves a frame's biases only, not its
weights.

Known limits:
    Events are binary or discrete frames of one width; keys are taken in the order in which they come.

References:
    Modeling Temporal Dependencies in High-Dimensional Sequences: Application to Polyphonic Music Generation and
    Transcription (Boulanger-Lewandowski, Bengio & Vincent, 2012) https://arxiv.org/abs/1206.6392
"""

import math
from typing import Literal, final

import torch
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.nade import Recurrence, activate
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.model import require_sizes
from ptheta.nn.contexts import Reader, width_of
from ptheta.nn.recurrent import RecurrentStack
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, require

__all__ = ["RNNNADE"]


@final
class RNNNADE(Autoregressive):
    """A NADE per frame under a recurrent network over frames.

    Args:
        space: ``Binary``, ``Levels`` or ``Symbols`` with shape (T, K): T frames of K variables.
        hidden: The number of hidden units of NADE; 0 makes the variables of a frame independent given the past.
        recurrent_hidden: The number of units of each recurrent layer.
        layers: How many recurrent layers.
        cell: ``lstm`` or ``gru``.
        dropout: The rate of dropout on the output of every recurrent layer.
        context_space: What one context is, or None. A context joins the recurrent network's input.
        reader: What the network sees of a context; None lets the space of contexts choose.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = RNNNADE(Binary((5, 4)), hidden=8, recurrent_hidden=8)
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([3, 5, 4]), torch.Size([3]))
    """

    scale: Tensor

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 150,
        recurrent_hidden: int = 200,
        layers: int = 1,
        cell: Literal["lstm", "gru"] = "gru",
        dropout: float = 0.0,
        context_space: Space | None = None,
        reader: Reader | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, who="RNN-NADE")
        if len(space.shape) != 2:
            raise ValueError(f"RNN-NADE needs events with shape (frames, variables), but the space is {space}.")
        super().__init__(space, context_space, reader, None, head, optimizer)
        require_sizes("RNN-NADE", recurrent_hidden=recurrent_hidden, layers=layers)
        require_sizes("RNN-NADE", least=0, hidden=hidden)
        self.frames, self.keys = space.shape
        width, e = self.head.width, self.features
        context = width_of(self.reader, "RNN-NADE")
        self.stack = RecurrentStack(
            self.keys * e + context, recurrent_hidden, layers=layers, cell=cell, dropout=dropout
        )
        self.hidden, self.weight, self.output_weight = hidden, None, None
        if hidden:
            self.weight = nn.Parameter(torch.randn(self.keys, e, hidden) / math.sqrt(self.keys))  # W
            self.output_weight = nn.Parameter(torch.randn(self.keys, width, hidden) / (10 * math.sqrt(hidden)))  # V
        self.biases = nn.Linear(recurrent_hidden, hidden + self.keys * width)  # c, W_uc and b, W_ub
        self.register_buffer("scale", torch.ones(self.keys), persistent=False)

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        seen = self.look(cells, self.biases.weight.dtype).unflatten(1, (self.frames, self.keys))  # (B, T, K, E)
        before = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1).flatten(2)
        features = self.condition(context)
        if features is not None:
            before = torch.cat([before, features[:, None].expand(-1, self.frames, -1)], 2)
        start, bias = self._biases(self.stack(before).flatten(0, 1))  # (1), of every frame of the batch
        if self.weight is None or self.output_weight is None:
            return bias.reshape(*cells.shape, self.head.width)
        frames = seen.flatten(0, 1)  # (B T, K, E)
        out = Recurrence.apply(frames, self.weight, start, self.output_weight, self.scale, "sigmoid")  # (2)
        return (out.permute(2, 0, 1) + bias).reshape(*cells.shape, self.head.width)  # (B, T K, width)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        state, cells = self.stack.start(n), []
        features = self.condition(context)
        tail = [] if features is None else [features]
        frame = self.biases.weight.new_zeros(n, self.keys * self.features)
        for _ in range(self.frames):
            u, state = self.stack.step(torch.cat([frame, *tail], 1), state)
            a, bias = self._biases(u)
            a, seen = a.clone(), []
            for k in range(self.keys):
                params = bias[:, k]
                if self.output_weight is not None:
                    params = params + activate(a, "sigmoid", out=torch.empty_like(a)) @ self.output_weight[k].T
                cells.append(choice(len(cells), params))
                seen.append(self.look(cells[-1], a.dtype))
                if self.weight is not None:
                    a.addmm_(seen[-1], self.weight[k])
            frame = torch.cat(seen, 1)
        return torch.stack(cells, 1)

    def _biases(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """NADE's first accumulator (N, H) and output biases (N, K, width), from recurrent states (N, R)."""
        both = self.biases(u).to(self.biases.weight.dtype)  # under autocast it may be smaller than NADE's
        start, bias = both.tensor_split([self.hidden], 1)
        return start, bias.unflatten(1, (self.keys, self.head.width))
