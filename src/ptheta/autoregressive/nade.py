"""Neural autoregressive distribution estimator (NADE), and RNADE on reals.

Every conditional is a network with one hidden layer, and all of them share the weights into it:

    a_1 = c,    a_{i+1} = a_i + W_i x_i,    # the accumulator                                                        (1)
    h_i = activation(s_i a_i),    p(x_i | x_1, ..., x_{i-1}) = head(b_i + V_i h_i).                                  (2)

The sharing is the assumption, and what it buys is cost: going from variable i to i + 1 adds one row to the accumulator,
so a score costs O(D H) and so does a sample. 2 D H + D + H parameters for bits: linear in D.

On reals the head is a mixture of Gaussians and the model is RNADE; the accumulator of standardised variables grows
like the square root of i, which s_i = 1 / sqrt(i) undoes (elsewhere s_i = 1).

The recurrence keeps no graph. Forward, one accumulator runs over the variables in place; backward, it runs back by
subtracting the same rows, and the hidden units are computed again. A step holds O(B (D + H)) numbers instead of the
O(B D H) of a loop under autograd. Output weights are applied to a few variables at a time; backward, the accumulators
of such a block are one matrix product with a strictly lower triangular matrix.

Not assumed: independence of any kind. Assumed: that what variables contribute to the hidden units is the same for all
conditionals after them.

Known limits:
    One hidden layer, and one order of the variables, which is chosen beforehand: MADE has more layers, EoNADE all
    orders. Sampling takes D steps that cannot run side by side.

References:
    The Neural Autoregressive Distribution Estimator (Larochelle & Murray, 2011)
    https://proceedings.mlr.press/v15/larochelle11a.html
    RNADE: The real-valued neural autoregressive density-estimator (Uria, Murray & Larochelle, 2013)
    https://arxiv.org/abs/1306.0186
    Neural Autoregressive Distribution Estimation (Uria, Côté, Gregor, Murray & Larochelle, 2016)
    https://arxiv.org/abs/1605.02226
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.model import require_sizes
from ptheta.nn.contexts import Reader, width_of
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, Table, require

__all__ = ["NADE"]

BLOCK_NUMBERS = 200_000  # hidden units of one block of variables: two such buffers fit a core's cache


@final
class NADE(Autoregressive):
    """An autoregressive network whose hidden layer is accumulated over the variables.

    Args:
        space: ``Binary``, ``Levels``, ``Symbols``, ``Table``, or ``Real`` (then it is RNADE).
        hidden: The number of hidden units H.
        context_space: What one context is, or None. A context moves the accumulator's start and every output bias.
        reader: What the network sees of a context; None lets the space of contexts choose.
        order: The order of the variables, or None for that of the event.
        head: The distribution of one variable; None lets the space choose.
        activation: The hidden units' nonlinearity.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = NADE(Binary((4,)), hidden=8)
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([3, 4]), torch.Size([3]))
    """

    scale: Tensor

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 500,
        context_space: Space | None = None,
        reader: Reader | None = None,
        order: Sequence[int] | None = None,
        head: Head | None = None,
        activation: Literal["sigmoid", "relu"] = "sigmoid",
        optimizer: Optimizer = Adam(learning_rate=3e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, Real, Table, who="NADE")
        require_sizes("NADE", hidden=hidden)
        if activation not in ("sigmoid", "relu"):
            raise ValueError(f"activation should be sigmoid or relu, but it is {activation!r}.")
        super().__init__(space, context_space, reader, order, head, optimizer)
        d, width, e, context = space.dimensions, self.head.width, self.features, width_of(self.reader, "NADE")
        self.activation: Literal["sigmoid", "relu"] = activation
        self.is_scaled = isinstance(space, Real)
        self.weight = nn.Parameter(torch.randn(d, e, hidden) / (1 if self.is_scaled else math.sqrt(d)))  # W
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))  # c
        self.output_weight = nn.Parameter(torch.randn(d, width, hidden) / (10 * math.sqrt(hidden)))  # V
        self.output_bias = nn.Parameter(torch.zeros(d, width))  # b
        self.context_layer = nn.Linear(context, hidden + d * width, bias=False) if context else None
        index = torch.arange(1, d + 1, dtype=torch.get_default_dtype())
        self.register_buffer("scale", index.rsqrt() if self.is_scaled else torch.ones(d), persistent=False)

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        start, bias = self._start(len(cells), context)
        y = self.look(cells, start.dtype)  # (B, D, E)
        out = Recurrence.apply(y, self.weight, start, self.output_weight, self.scale, self.activation)
        return out.permute(2, 0, 1) + bias  # (D, width, B) -> (B, D, width)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        a, bias = self._start(n, context)
        a, h = a.clone(), torch.empty_like(a)
        steps = zip(self.weight, self.output_weight.mT, bias.unbind(-2), strict=True)
        cells = []
        for i, (weight, output_weight, b) in enumerate(steps):
            activate(torch.mul(a, self.scale[i], out=h) if self.is_scaled else a, self.activation, out=h)
            cells.append(choice(i, torch.addmm(b, h, output_weight)))  # (2)
            a.addmm_(self.look(cells[-1], a.dtype, i), weight)  # (1)
        return torch.stack(cells, 1)

    def _start(self, n: int, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The first accumulator, with shape (B, H), and the output bias, with shape (D, width) or (B, D, width)."""
        c = self.condition(context)
        if c is None or self.context_layer is None:
            return self.hidden_bias.expand(n, -1), self.output_bias
        shift, bias = self.context_layer(c).tensor_split([len(self.hidden_bias)], 1)
        return self.hidden_bias + shift, self.output_bias + bias.unflatten(1, self.output_bias.shape)


def activate(a: Tensor, activation: str, out: Tensor) -> Tensor:
    """Writes the activation of ``a`` into ``out``, which may be ``a``."""
    return torch.sigmoid(a, out=out) if activation == "sigmoid" else torch.clamp_min(a, 0, out=out)


def activate_backward(grad: Tensor, h: Tensor, activation: str) -> Tensor:
    """Turns, in place, the gradient of activations ``h`` into that of what went in."""
    if activation == "sigmoid":
        return torch.ops.aten.sigmoid_backward.grad_input(grad, h, grad_input=grad)
    return torch.ops.aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad)


class Block(NamedTuple):
    """K variables in a row: what belongs to them, cut from the whole."""

    y: Tensor  # what the network sees of them, (B, K, E)
    w: Tensor  # their rows, (K E, H)
    v: Tensor  # their output weights, (K, width, H)
    scale: Tensor  # (K, 1, 1)
    feeds: Tensor  # scale_i where variable i of the block hears its variable j, else 0: (K, 1, K, 1)

    def hidden_units(self, a: Tensor, activation: str, buffer: Tensor) -> tuple[Tensor, Tensor]:
        """Fills ``buffer`` from the accumulator before the block, with shape (B, H).

        Args:
            a: The accumulator.
            activation: The name of the activation.
            buffer: Where the hidden units go, with shape (at least K, B, H).

        Returns:
            The hidden units (K, B, H), and the scaled parents of every variable inside the block (K B, K E).
        """
        h = buffer if len(buffer) == len(self.v) else buffer[: len(self.v)]
        flat = h.view(-1, h.shape[2])
        parents = (self.feeds * self.y).view(len(flat), len(self.w))  # (K, B, K, E) -> (K B, K E)
        torch.mul(a, self.scale, out=h)
        activate(flat.addmm_(parents, self.w), activation, out=flat)
        return h, parents


def block_size(n: int, d: int, n_hidden: int) -> int:
    """How many of d variables make a block whose hidden units, for n events, stay in the cache."""
    return max(1, min(32, BLOCK_NUMBERS // max(n * n_hidden, 1), d))


def cut(y: Tensor, w: Tensor, v: Tensor, scale: Tensor) -> list[Block]:
    """Cuts the variables into blocks whose hidden units, for a whole batch, stay in the cache."""
    d, e, n_hidden = w.shape
    k = block_size(len(y), d, n_hidden)
    place = torch.arange(d, device=y.device) % k
    feeds = scale[:, None] * (place[:, None] > torch.arange(k, device=y.device))
    pieces = zip(
        y.split(k, 1),
        w.flatten(0, 1).split(k * e),
        v.split(k),
        scale[:, None, None].split(k),
        feeds[:, None, :, None].split(k),
        strict=True,
    )
    return [Block(y, w, v, s, f if len(v) == k else f[:, :, : len(v)]) for y, w, v, s, f in pieces]


@final
class Recurrence(torch.autograd.Function):
    """The products V_i h_i of all variables, from what the network sees of an event.

    Takes y (B, D, E), W (D, E, H), the first accumulator (B, H), V (D, width, H), the scales (D,) and the name of the
    activation; returns (D, width, B). Keeps its inputs and the last accumulator, nothing per variable.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, w: Tensor, start: Tensor, v: Tensor, scale: Tensor, activation: str) -> Tensor:
        a, k, is_scaled = start.clone(), block_size(len(y), len(w), w.shape[2]), bool((scale != 1).any())
        buffer, out = y.new_empty(k, *a.shape), y.new_empty(*v.shape[:2], len(y))
        variables = iter(zip(y.unbind(1), w.unbind(0), scale.unbind(0), strict=True))
        for rows, piece in zip(v.split(k), out.split(k), strict=True):
            h = buffer[: len(rows)]
            # One variable at a time: without a gradient to keep, going on from a is cheaper than a triangular product.
            for unit, (seen, weight, s) in zip(h.unbind(0), variables, strict=False):
                activate(torch.mul(a, s, out=unit) if is_scaled else a, activation, out=unit)
                a.addmm_(seen, weight)  # (1)
            torch.bmm(rows, h.mT, out=piece)  # (2)
        ctx.save_for_backward(y, w, v, scale, a)
        ctx.activation = activation
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        y, w, v, scale, last = ctx.saved_tensors
        a, blocks, n_hidden = last.clone(), cut(y, w, v, scale), w.shape[2]
        k = len(blocks[0].v)
        grad_y = torch.empty_like(y) if ctx.needs_input_grad[0] else None
        grad_w, grad_v, grad_a = torch.empty_like(w), torch.empty_like(v), torch.zeros_like(a)
        buffer, grad_buffer = (y.new_empty(k, *a.shape) for _ in range(2))
        pieces = zip(blocks, grad.split(k), grad_w.flatten(0, 1).split(k * w.shape[1]), grad_v.split(k), strict=True)
        for i, (block, grad_out, rows, out) in reversed(list(enumerate(pieces))):
            seen = block.y.flatten(1)
            a.addmm_(seen, block.w, alpha=-1)  # back to the accumulator before the block
            h, parents = block.hidden_units(a, ctx.activation, buffer)
            torch.bmm(grad_out, h, out=out)
            dz = torch.bmm(grad_out.mT, block.v, out=grad_buffer[: len(h)])
            flat = activate_backward(dz, h, ctx.activation).view(-1, n_hidden)
            torch.mm(seen.T, grad_a, out=rows)  # through the variables after the block
            rows.addmm_(parents.T, flat)  # and through those inside
            if grad_y is not None:
                inside = (flat @ block.w.T).view(len(h), *block.y.shape)
                after = (grad_a @ block.w.T).view_as(block.y)
                grad_y[:, i * k : i * k + len(h)] = after + (inside * block.feeds).sum(0)
            grad_a.view(-1).addmv_(dz.view(len(h), -1).T, block.scale.flatten())
        return grad_y, grad_w, grad_a, grad_v, None, None
