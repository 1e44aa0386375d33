"""Orderless NADE: one deep network for every order of the variables, and EoNADE, the mixture over some of them.

The network reads which variables are known and what they are, and gives the conditional of every other one:

    h_1 = relu(c + sum_{j known} (W_j x_j + U_j)),    h_l = relu(W^l h_{l-1} + c^l),                                 (1)
    p(x_i | known) = head(b_i + V_i h_L).                                                                            (2)

Any order o of the variables makes a distribution p_o of it by the chain rule. Training minimises the mean of their
negative log-likelihoods over all D! orders. An order visits a random subset of d variables first, and the next one is
any of the others, so the mean over orders is a mean over subsets, of which each event draws one:

    E_o[-log p_o(x)] = sum_d E_{known, |known| = d} 1/(D - d) sum_{i open} -log p(x_i | known)
                     = E_{d uniform, known} D/(D - d) sum_{i open} -log p(x_i | known)                               (3)

(eq. 14 to 16 of the 2016 paper). One pass gives an unbiased estimate of it. That is no likelihood: the orders disagree.
The model is their mixture over K fixed orders, whose log-likelihood is exact and, by convexity, at least the mean of
theirs; probabilities of whole events are averaged, never logits:

    log p(x) = log 1/K sum_k p_{o_k}(x)                                                                              (4)

which needs all K D conditionals. Going one variable on adds one row to the first hidden layer, O(H); the layers above
are computed afresh, for all K orders and all events in one product: O(K D (H + (L - 1) H^2)) for one event. A sample
draws one of the orders and costs a K-th of it. The orders are no weights: those of a trained model load into one with
more orders.

Not assumed: an order. Assumed: that one network of moderate size can hold the conditionals of all orders.

Known limits:
    Validation while training scores by the same mixture, so on large events K should be small and the validation events
    few. Completions are exact under each order, but their mixture is not the conditional of ``log_prob``.

References:
    A Deep and Tractable Density Estimator (Uria, Murray & Larochelle, 2014)
    https://arxiv.org/abs/1310.1757
    Neural Autoregressive Distribution Estimation (Uria, Côté, Gregor, Murray & Larochelle, 2016)
    https://arxiv.org/abs/1605.02226
"""

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import CHUNK, features, look
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head, default_head
from ptheta.model import LossModel, known_part
from ptheta.nn.contexts import Reader, read, reader_of, width_of
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["EoNADE"]

Held = tuple[Tensor, Tensor] | None  # cells in the order of the event and which of them are known, each (n, D)

SCORED_NUMBERS = 4_000_000  # hidden units of one layer held while scoring


@final
class EoNADE(LossModel):
    """A network trained for all orders of the variables, as the mixture over a few of them.

    Args:
        space: ``Binary``, ``Levels``, ``Symbols`` or ``Real``.
        hidden: The width of each hidden layer.
        orders: The number K of orders in the mixture; more of them score better, at K times the cost.
        order_seed: Names the orders, which are random permutations of the variables.
        context_space: What one context is, or None. A context moves the first layer's start and every output bias.
        reader: What the network sees of a context; None lets the space of contexts choose.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = EoNADE(Binary((4,)), hidden=(8,), orders=3)
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([2, 4]), torch.Size([2]))
    """

    orders: Tensor

    def __init__(
        self,
        space: Space,
        *,
        hidden: Sequence[int] = (500,),
        orders: int = 8,
        order_seed: int = 0,
        context_space: Space | None = None,
        reader: Reader | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, Real, who="EoNADE")
        if not hidden or min(hidden) < 1 or orders < 1:
            raise ValueError(f"EoNADE needs hidden layers and an order, but hidden is {hidden} and orders {orders}.")
        super().__init__()
        self.space, self.context_space, self.optimizer = space, context_space, optimizer
        self.reader = reader_of(context_space, given=reader)
        self.head = default_head(space) if head is None else head
        d, e, width, context = space.dimensions, features(space), self.head.width, width_of(self.reader, "EoNADE")
        self.weight = nn.Parameter(torch.randn(d, e, hidden[0]) / math.sqrt(d))  # W
        self.known_weight = nn.Parameter(torch.randn(d, hidden[0]) / math.sqrt(d))  # U
        self.hidden_bias = nn.Parameter(torch.zeros(hidden[0]))  # c
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(hidden))
        self.output_weight = nn.Parameter(torch.randn(d, width, hidden[-1]) / (10 * math.sqrt(hidden[-1])))  # V
        self.output_bias = nn.Parameter(torch.zeros(d, width))  # b
        self.context_layer = nn.Linear(context, hidden[0] + d * width, bias=False) if context else None
        drawn = Noise(order_seed).uniform((orders, d), "orders").argsort(1)
        self.register_buffer("orders", drawn, persistent=False)

    def conditionals(self, cells: Tensor, known: Tensor, context: Tensor | None = None) -> Tensor:
        """The head parameters of every variable given the known ones, by one pass.

        Args:
            cells: Variables in the order of the event, with shape (B, D).
            known: Which of them the network sees, Boolean with shape (B, D).
            context: Contexts, with shape (B, *context_space.shape).

        Returns:
            Parameters with shape (B, D, head.width); those of known variables mean nothing.
        """
        start, bias = self._start(len(cells), context)
        seen = known.to(start.dtype)
        y = look(self.space, cells, start.dtype) * seen[..., None]  # (B, D, E)
        h = self._upper(y.flatten(1) @ self.weight.flatten(0, 1) + seen @ self.known_weight + start)  # (1)
        return F.linear(h, self.output_weight.flatten(0, 1)).unflatten(1, self.output_bias.shape) + bias  # (2)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """An unbiased estimate of the mean over all orders of -log p_o(x) in nats, with shape (B,)."""
        self.check(x, context)
        return self.open_loss(x, self.known(len(x), noise), context)

    def known(self, n: int, noise: Noise) -> Tensor:
        """The variables that a random order visits before a random place, Boolean with shape (n, D)."""
        d = self.space.dimensions
        u = noise.uniform((n, d + 1), "known", like=self.hidden_bias)
        count = (u[:, :1] * d).long()  # 0, ..., D - 1
        return u[:, 1:].argsort(1).argsort(1) < count

    def open_loss(self, x: Tensor, known: Tensor, context: Tensor | None = None) -> Tensor:
        """What (3) is the mean of, in nats with shape (B,), for the variables that are known, Boolean (B, D)."""
        cells = self.space.cells(x)
        log_p = self.head.log_prob(self.conditionals(cells, known, context), cells)
        n_open = (~known).sum(1).to(log_p.dtype)
        return self.space.log_volume - (log_p * ~known).sum(1) * (self.space.dimensions / n_open)  # (3)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log-likelihood of the mixture in nats, on reals a log-density in the unit of x, with shape (B,)."""
        self.check(x, context)
        rows = max(1, SCORED_NUMBERS // (len(self.orders) * len(self.hidden_bias)))
        parts = x.split(rows)
        contexts = [None] * len(parts) if context is None else context.split(rows)
        log_p = torch.cat([self.order_log_probs(part, c) for part, c in zip(parts, contexts, strict=True)], 1)
        return log_p.logsumexp(0) - math.log(len(self.orders))  # (4)

    def order_log_probs(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log-likelihood of events under each of the K orders alone in nats, with shape (K, B)."""
        cells = self.space.cells(x).T.contiguous()  # (D, B)
        start, bias = self._start(len(x), context)
        seen, bias = look(self.space, cells, start.dtype), bias.movedim(-2, 0)  # (D, B, E), (D, [B,] width)
        a = start.expand(len(self.orders), -1, -1)  # (K, B, H)
        total = start.new_full((1, 1), -self.space.log_volume)
        for i in self.orders.T:  # the variables next in turn, (K,)
            b = bias[i] if bias.ndim == 3 else bias[i, None]
            params = torch.baddbmm(b, self._upper(a), self.output_weight[i].mT)  # (K, B, width)
            total = total + self.head.log_prob(params, cells[i])
            a = torch.baddbmm(a + self.known_weight[i, None], seen[i], self.weight[i])
        return total

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
        method: Literal["cached", "naive"] = "cached",
    ) -> Tensor:
        """Draws events, each in one of the K orders. Both methods draw the same events from the same noise.

        Args:
            n: How many.
            context: One context per event, with shape (n, *context_space.shape).
            noise: Where the draws come from; None is torch's global generator.
            temperature: What every conditional is tempered by; below 1, likelier values come more often. Events then
                no longer follow ``log_prob``.
            method: ``cached`` keeps the first layer and computes one output a step, ``naive`` takes D whole passes.
                There is no fixed-point iteration: all conditionals of an order cost D passes, not one.

        Returns:
            Events with shape (n, *space.shape).
        """
        self.check_context(n, context)
        noise = noise or Noise(None)
        return self._in_chunks(self._drawn_orders(n, noise), None, context, noise, temperature, method)

    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
        method: Literal["cached", "naive"] = "cached",
    ) -> Tensor:
        """Fills in what the mask leaves open, whatever it is.

        One of the K orders is drawn, and its known variables are moved to the front. Under that order the filling is
        an exact draw from p_o(open | known), the product of the network's conditionals of the open variables in turn;
        every one of them sees all that is known. Over the draw of the order it is the mixture of these K conditional
        laws in equal parts. That is not the conditional of ``log_prob``, whose orders do not visit the known first, and
        a warning says so.

        Args:
            x: Events with shape (B, *space.shape); only their known parts matter.
            mask: Which variables are known, Boolean, with the shape of x.
            context: Contexts with shape (B, *context_space.shape).
            noise: Where the draws come from; None is torch's global generator.
            temperature: What every conditional is tempered by.
            method: As for ``sample``.

        Returns:
            Events with the shape of x, equal to it where the mask is true.
        """
        x = known_part(x, mask)
        self.check(x, context)
        noise, known = noise or Noise(None), mask.reshape(len(x), self.space.dimensions)
        if len(split := (known.any(1) & ~known.all(1)).nonzero()):
            warnings.warn(
                f"{len(split)} of {len(x)} events are filled in under one of the orders each: an exact draw under that "
                "order, but not the conditional of log_prob, a mixture of orders that do not visit the known first.",
                stacklevel=2,
            )
        orders = self._drawn_orders(len(x), noise)
        orders = orders.gather(1, (~known.gather(1, orders)).byte().argsort(stable=True, dim=1))
        return self._in_chunks(orders, (self.space.cells(x), known), context, noise, temperature, method)

    def _start(self, n: int, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The first accumulator, with shape (B, H), and the output bias, with shape (D, width) or (B, D, width)."""
        c = read(self.reader, context)
        if c is None or self.context_layer is None:
            return self.hidden_bias.expand(n, -1), self.output_bias
        shift, bias = self.context_layer(c).tensor_split([len(self.hidden_bias)], 1)
        return self.hidden_bias + shift, self.output_bias + bias.unflatten(1, self.output_bias.shape)

    def _upper(self, a: Tensor) -> Tensor:
        """The last hidden layer, from what goes into the first one's units, with shape (..., H)."""
        h = F.relu(a)
        for layer in self.layers:
            h = F.relu(layer(h))
        return h

    def _drawn_orders(self, n: int, noise: Noise) -> Tensor:
        """One of the K orders for each event, with shape (n, D)."""
        u = noise.uniform((n,), "order", like=self.hidden_bias)
        return self.orders[(u * len(self.orders)).long()]

    def _in_chunks(
        self, orders: Tensor, held: Held, context: Tensor | None, noise: Noise, temperature: float, method: str
    ) -> Tensor:
        if method not in ("cached", "naive"):
            raise ValueError(f"method should be cached or naive, but it is {method!r}.")
        step = self._cached if method == "cached" else self._naive
        chunks = []
        for start in range(0, len(orders), CHUNK):
            order = orders[start : start + CHUNK]
            rows = slice(start, start + len(order))
            u = noise.rows(start).uniform((*order.shape, self.head.uniforms), "variables", like=self.hidden_bias)
            known, mask = (None, None) if held is None else (t[rows].gather(1, order) for t in held)
            choice = Choice(self.head, u, temperature=temperature, known=known, mask=mask)
            cells = step(choice, order, None if context is None else context[rows])
            chunks.append(self.space.events(cells.gather(1, order.argsort(1))))
        return torch.cat(chunks) if chunks else self.space.events(self.hidden_bias.new_zeros(0, self.space.dimensions))

    def _cached(self, choice: Choice, order: Tensor, context: Tensor | None) -> Tensor:
        """Cells in the order of each event, with shape (n, D), every accumulator going on from the last variable."""
        a, bias = self._start(len(order), context)
        bias = bias.expand(len(order), -1, -1)
        rows, cells = torch.arange(len(order), device=order.device), []
        for place, i in enumerate(order.T):  # the variable of each event, (n,)
            params = torch.baddbmm(bias[rows, i][:, :, None], self.output_weight[i], self._upper(a)[:, :, None])
            cells.append(choice(place, params[:, :, 0]))
            y = look(self.space, cells[-1], a.dtype)  # (n, E)
            a = torch.baddbmm((a + self.known_weight[i])[:, None], y[:, None], self.weight[i])[:, 0]
        return torch.stack(cells, 1)

    def _naive(self, choice: Choice, order: Tensor, context: Tensor | None) -> Tensor:
        """The same cells by the definition: all conditionals afresh for every variable."""
        rows = torch.arange(len(order), device=order.device)
        drawn, known = choice.blank(), torch.zeros_like(order, dtype=torch.bool)
        cells = drawn.clone()  # the same in the order of the event
        for place, i in enumerate(order.T):
            params = self.conditionals(cells, known, context)[rows, i]
            drawn[:, place] = choice(place, params)
            cells[rows, i], known[rows, i] = drawn[:, place], True
        return drawn
