"""What autoregressive models share: the chain rule over the variables of an event, in a fixed order.

Any distribution over D variables factorises, in any order, without assuming anything:

    p(x | context) = p(x_1 | context) p(x_2 | x_1, context) ... p(x_D | x_1, ..., x_{D-1}, context).

A model gives the parameters of every conditional in one pass over a known event (``conditionals``), so scoring is
exact and cheap, and draws the variables one after the other, which takes D small steps. What a family assumes lies in
how the conditionals share weights, never in the factorisation.

The head says what one conditional is: a Bernoulli, a categorical, a mixture. It also fixes what one variable looks
like to the network: bits as 0 and 1, levels scaled to [-1, 1], symbols one-hot, reals standardised.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.distributions.heads import Head, default_head
from ptheta.model import LossModel
from ptheta.noise import Noise
from ptheta.optimizers import Optimizer
from ptheta.spaces import Levels, Space, Symbols

__all__ = ["Autoregressive"]

THERMOMETER = 32  # up to so many levels, the network sees one bit per threshold
CHUNK = 100  # events drawn together: larger ones leave the processor's cache


class Autoregressive(LossModel):
    """A product of one-variable conditionals in a fixed order.

    Args:
        space: What one event is.
        context_space: What one context is, or None.
        order: A permutation of 0, ..., D - 1: which variable of the flattened event comes first, second, ... None
            keeps the order of the event.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.
    """

    order: Tensor

    def __init__(
        self,
        space: Space,
        context_space: Space | None,
        order: Sequence[int] | None,
        head: Head | None,
        optimizer: Optimizer,
    ) -> None:
        super().__init__()
        self.space, self.context_space, self.optimizer = space, context_space, optimizer
        self.head = head or default_head(space)
        d = space.dimensions
        if order is not None and sorted(order) != list(range(d)):
            raise ValueError(f"order should be a permutation of 0, ..., {d - 1}, but it is {list(order)[:20]}.")
        self.register_buffer("order", torch.tensor(range(d) if order is None else list(order)))

    @abstractmethod
    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        """The head parameters of every variable given those before it.

        Args:
            cells: Variables in the model's order, with shape (B, D).
            context: Contexts, with shape (B, *context_space.shape).

        Returns:
            Parameters in the model's order, with shape (B, D, head.width); row i sees cells before i only.
        """

    @abstractmethod
    def draw(self, uniforms: Tensor, context: Tensor | None = None) -> Tensor:
        """Draws the variables one after the other.

        Args:
            uniforms: What drives the draws, with shape (B, D, head.uniforms).
            context: Contexts, with shape (B, *context_space.shape).

        Returns:
            Cells in the model's order, with shape (B, D).
        """

    @property
    def features(self) -> int:
        """How many numbers the network sees of one variable."""
        if isinstance(self.space, Symbols):
            return self.space.n
        return self.space.n - 1 if isinstance(self.space, Levels) and self.space.n <= THERMOMETER else 1

    @final
    def look(self, cells: Tensor, dtype: torch.dtype) -> Tensor:
        """What the network sees of cells with shape (...), with shape (..., features)."""
        if isinstance(self.space, Symbols):
            return F.one_hot(cells, self.space.n).to(dtype)
        if not isinstance(self.space, Levels):
            return cells.to(dtype)[..., None]
        if self.space.n <= THERMOMETER:
            return (cells[..., None] > torch.arange(self.space.n - 1, device=cells.device)).to(dtype)
        return self.space.embed(cells, dtype)[..., None]

    @final
    def condition(self, context: Tensor | None) -> Tensor | None:
        """What the network sees of contexts, with shape (B, features of a context), or None without a context space."""
        if self.context_space is None or context is None:
            return None
        features = self.context_space.embed(context, next(self.parameters()).dtype)
        return features.reshape(len(context), math.prod(self.context_space.embedded_shape))

    @final
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log-likelihood log p(x | context) in nats, with shape (B,).

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape).

        Returns:
            Log-probabilities, on reals log-densities in the unit of x.
        """
        self.check(x, context)
        cells = self.space.cells(x)[:, self.order]
        return self.head.log_prob(self.conditionals(cells, context), cells).sum(1) - self.space.log_volume

    @final
    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-likelihood in nats, with shape (B,); ``noise`` is not used."""
        return -self.log_prob(x, context)

    @final
    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws events by ancestral sampling, D steps per chunk of events.

        Args:
            n: How many.
            context: One context per event, with shape (n, *context_space.shape).
            noise: Where the draws come from; None is torch's global generator.

        Returns:
            Events with shape (n, *space.shape).
        """
        self.check_context(n, context)
        noise, like = noise or Noise(None), next(self.parameters())
        shape, back = (self.space.dimensions, self.head.uniforms), self.order.argsort()
        chunks = []
        for start in range(0, n, CHUNK):
            rows = slice(start, min(start + CHUNK, n))
            u = noise.rows(start).uniform((rows.stop - start, *shape), "variables", like=like)
            cells = self.draw(u, None if context is None else context[rows])
            chunks.append(self.space.events(cells[:, back]))
        return torch.cat(chunks) if chunks else self.space.events(like.new_zeros(0, shape[0]))
