"""Decoder-only transformer over the variables of an event.

Every conditional attends to all variables before it, directly and side by side in training:

    e_i = E x_{i-1} + P_i (+ C context),    p(x_i | x_1, ..., x_{i-1}) = head(V transformer(e_1, ..., e_i) + b),     (1)

with x_0 = 0 and learned vectors P_i of the places. The transformer is L blocks of attention and a small perceptron,
both normalised before they act (``ptheta.nn.transformer``); each head of attention lets place i ask all places up to
its own,

    x <- x + attention(norm(x)),    x <- x + mlp(norm(x)),    attention = softmax(Q K' / sqrt(d)) V,          # eq. 1

where Q, K and V are linear in x and d is the width of a head. Scoring is one pass, O(L (D^2 width + D width^2)) for an
event; sampling keeps keys and values, so that each of its D steps costs O(L (D width + width^2)).

Not assumed: which variables matter to which, not even that near ones do.

Known limits:
    The length is fixed by the learned places, and the cost grows with the square of D. Nothing says which variables are
    neighbours, so that has to be learned too.

References:
    Attention Is All You Need (Vaswani et al., 2017) https://arxiv.org/abs/1706.03762
    Language Models are Unsupervised Multitask Learners (Radford et al., 2019)
    https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
    Generative Pretraining from Pixels (Chen et al., 2020) https://proceedings.mlr.press/v119/chen20s.html
"""

from collections.abc import Sequence
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.model import require_sizes
from ptheta.nn.contexts import Reader, width_of
from ptheta.nn.transformer import CausalTransformer
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, Table, require

__all__ = ["Transformer"]


@final
class Transformer(Autoregressive):
    """Causal self-attention over the variables.

    Args:
        space: ``Binary``, ``Levels``, ``Symbols`` or ``Table``, of which each column has its own way in and out.
        width: The number of features of one place.
        layers: How many blocks.
        heads: How many attention heads; divides the width.
        dropout: The rate of dropout inside the blocks.
        context_space: What one context is, or None. A context is added to the input of every place.
        reader: What the network sees of a context; None lets the space of contexts choose.
        order: The order of the variables, or None for that of the event.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Tokens
        >>> model = Transformer(Tokens(6, 10), width=8, layers=2, heads=2)
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([3, 6]), torch.Size([3]))
    """

    def __init__(
        self,
        space: Space,
        *,
        width: int = 128,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
        context_space: Space | None = None,
        reader: Reader | None = None,
        order: Sequence[int] | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3, betas=(0.9, 0.99)),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, Table, who="the transformer")
        require_sizes("the transformer", width=width, layers=layers, heads=heads)
        super().__init__(space, context_space, reader, order, head, optimizer)
        context = width_of(self.reader, "the transformer")
        linear = partial(PlaceLinear, space.dimensions) if isinstance(space, Table) else nn.Linear
        self.embedding = linear(self.features, width, bias=False)
        self.places = nn.Parameter(0.02 * torch.randn(space.dimensions, width))
        self.context_layer = nn.Linear(context, width, bias=False) if context else None
        self.blocks = CausalTransformer(width, layers=layers, heads=heads, dropout=dropout)
        self.output = linear(width, self.head.width)

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        seen = self.embedding(self.look(cells, self.places.dtype))  # (B, D, width)
        before = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1)
        return self.output(self.blocks(before + self._places(context)))  # (1)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        places = self._places(context).expand(n, -1, -1).unbind(1)
        memory, cells = self.blocks.start(n, len(places)), []
        before = torch.zeros_like(places[0])
        for i, place in enumerate(places):
            cells.append(choice(i, _at(self.output, i)(self.blocks.step(before + place, memory, i))))
            before = _at(self.embedding, i)(self.look(cells[-1], before.dtype, i))
        return torch.stack(cells, 1)

    def _places(self, context: Tensor | None) -> Tensor:
        """What is added to the input of every place, with shape (1 or B, D, width)."""
        features = self.condition(context)
        if features is None or self.context_layer is None:
            return self.places[None]
        return self.places + self.context_layer(features)[:, None]


@final
class PlaceLinear(nn.Module):
    """A linear layer of its own for each place.

    Args:
        places: How many places.
        inputs: The numbers that go in at each.
        outputs: Those that come out.
        bias: Whether numbers are added.
    """

    def __init__(self, places: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs, bias=bias) for _ in range(places))

    def forward(self, x: Tensor) -> Tensor:
        """Maps numbers with shape (B, places, inputs) to (B, places, outputs)."""
        return torch.stack([layer(part) for layer, part in zip(self.layers, x.unbind(1), strict=True)], 1)


def _at(layer: nn.Module, place: int) -> nn.Module:
    """The layer of one place."""
    return layer.layers[place] if isinstance(layer, PlaceLinear) else layer
