"""Masked autoencoder for distribution estimation (MADE): every conditional in one pass of a masked perceptron.

An autoencoder reads an event and gives numbers for each of its variables. Masks cut every connection through which a
variable could see itself or a later one, so that what remains is a chain rule in the order of the variables:

    h_1 = relu((M_1 * W_1) x + c_1),  h_l = relu((M_l * W_l) h_{l-1} + c_l),                                         (1)
    p(x_i | x_1, ..., x_{i-1}) = head(((M * V) h_L + A x + b)_i),    # A: direct connections, strictly triangular    (2)

A hidden unit of degree m sees the first m variables, and is seen by the variables after them (eq. 8, 9 and 12 of the
paper; masks and pass are in ``ptheta.nn.masked``). NADE's hidden layer is accumulated; MADE's units each belong to one
degree, so the layers can be many and a score is a few matrix products, O(D H + H^2). A sample takes as many
multiplications, every hidden unit computed once, but in D small steps one after the other: many times longer.

With several masks, one set of weights serves all of them. Training takes them in turn, one per step; the probability
of a value is then the average of what the masks say of it,

    p(x_i | x_1, ..., x_{i-1}) = 1/k sum_t p_t(x_i | x_1, ..., x_{i-1}),                                             (3)

probabilities, never logits: an average of distributions is one. All masks share the order, so that the average is
taken variable by variable and is sampled like a single mask at k times the cost. By the convexity of -log the score of
the average is at least as good as the average score that training minimises.

Not assumed: anything about the order, or independence of any kind. Assumed: that hidden units which many conditionals
share suffice for all of them.

Known limits:
    A hidden layer of fewer than D units lacks some degrees, and its outputs then see some variables late or never; the
    direct connections (the recipe's default, not the paper's) keep them in sight. All masks share one order.

References:
    MADE: Masked Autoencoder for Distribution Estimation (Germain, Gregor, Murray & Larochelle, 2015)
    https://arxiv.org/abs/1502.03509
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import (
    BernoulliHead,
    CategoricalHead,
    GaussianMixtureHead,
    Head,
    LogisticMixtureHead,
    default_head,
)
from ptheta.nn.contexts import Reader, width_of
from ptheta.nn.masked import MaskedMLP
from ptheta.nn.unrolled import Unrolled
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, Table, require

__all__ = ["MADE"]


@final
class MADE(Autoregressive):
    """A masked autoencoder: an autoregressive perceptron of any depth.

    Args:
        space: ``Binary``, ``Levels``, ``Symbols``, ``Real`` or ``Table``.
        hidden: The width of each hidden layer. A layer of fewer than D units cannot hold every degree; direct
            connections then keep neighbours in sight.
        context_space: What one context is, or None. A context moves the inputs of every unit.
        reader: What the network sees of a context; None lets the space of contexts choose.
        order: The order of the variables, or None for that of the event.
        head: What one mask says of one variable; None lets the space choose.
        direct: Whether variables also reach the outputs directly.
        masks: How many masks share the weights; training takes them in turn, scores and samples average over all.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = MADE(Binary((4,)), hidden=(8, 8))
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([3, 4]), torch.Size([3]))
    """

    def __init__(
        self,
        space: Space,
        *,
        hidden: Sequence[int] = (500,),
        context_space: Space | None = None,
        reader: Reader | None = None,
        order: Sequence[int] | None = None,
        head: Head | None = None,
        direct: bool = False,
        masks: int = 1,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, Real, Table, who="MADE")
        if not hidden or min(hidden) < 1 or masks < 1:
            raise ValueError(f"MADE needs hidden layers and a mask, but hidden is {tuple(hidden)} and masks {masks}.")
        part = default_head(space) if head is None else head
        super().__init__(space, context_space, reader, order, averaged_head(part, masks), optimizer)
        context = width_of(self.reader, "MADE")
        self.part = part if masks > 1 else self.head
        self.network = MaskedMLP(
            space.dimensions, self.features, part.width, hidden, context=context, direct=direct, masks=masks
        )

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        y, c = self._inputs(cells), self.condition(context)
        return averaged(self.part, [self.network(y, c, t).mT for t in range(self.network.masks)])  # (2), (3)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-likelihood under one mask in nats, with shape (B,): the masks take turns with the steps."""
        masks = self.network.masks
        if masks == 1:
            return super().loss(x, context, noise)
        self.check(x, context)
        cells = self.cells(x)
        params = self.network(self._inputs(cells), self.condition(context), int(self.step) % masks).mT
        return self.space.log_volume - self.part.log_prob(params, cells).sum(1)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        c, dtype = self.condition(context), self.network.last.bias.dtype
        steps = [Unrolled(self.network, n, c, t) for t in range(self.network.masks)]
        cells = []
        for i in range(self.space.dimensions):
            cells.append(choice(i, averaged(self.part, [step.ask().T for step in steps])))
            seen = self.look(cells[-1], dtype, i).T
            for step in steps:
                step.tell(seen)
        return torch.stack(cells, 1)

    def _inputs(self, cells: Tensor) -> Tensor:
        """What the network reads, with shape (B, D features)."""
        return self.look(cells, self.network.last.bias.dtype).flatten(1)


def averaged_head(head: Head, k: int) -> Head:
    """The head of an average of k distributions of one head: of mixtures, one with all their components."""
    if k == 1 or isinstance(head, BernoulliHead | CategoricalHead):
        return head
    if isinstance(head, GaussianMixtureHead | LogisticMixtureHead):
        return replace(head, components=k * head.components)
    raise ValueError(f"the average of several masks is not known for {head}; build the model with one mask.")


def averaged(head: Head, params: Sequence[Tensor]) -> Tensor:
    """The parameters of the average of distributions: of their probabilities, not of their logits.

    Args:
        head: The head of each.
        params: The parameters of each, with shape (..., head.width).

    Returns:
        Parameters of ``averaged_head(head, k)``, with shape (..., width).
    """
    if len(params) == 1:
        return params[0]
    parts = torch.stack(tuple(params), -2)  # (..., k, width)
    if isinstance(head, BernoulliHead):
        return F.logsigmoid(parts).logsumexp(-2) - F.logsigmoid(-parts).logsumexp(-2)
    if isinstance(head, CategoricalHead):
        return parts.log_softmax(-1).logsumexp(-2)
    logits, means, log_scales = parts.chunk(3, -1)
    return torch.cat([t.flatten(-2) for t in (logits.log_softmax(-1), means, log_scales)], -1)
