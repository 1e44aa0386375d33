"""How an autoregressive model draws: what decides one variable, and two samplers that need no cache.

A variable is a deterministic function of its conditional and of its own uniforms, x_i = F^-1(u_i | x_1, ..., x_{i-1}).
So the event is a fixed point of the map that decides every variable at once from the conditionals of an earlier guess,
and whoever finds that fixed point has drawn the very event that ancestral sampling draws:

    naive           D passes of the whole network, one variable settled by each; the definition
    cached          one pass in D small steps; each family writes its own (``Autoregressive.draw``)
    fixed point     Jacobi iterations of the map; pass k settles at least variable k, and often many more, so it ends
                    after at most D passes and mostly far fewer

References:
    Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving (Song, Meng, Liao & Ermon, 2021)
    https://arxiv.org/abs/2002.03629
    Predictive Sampling with Forecasting Autoregressive Models (Wiggers & Hoogeboom, 2020)
    https://arxiv.org/abs/2002.09928
"""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from ptheta.distributions.heads import BernoulliHead, Head

__all__ = ["Choice", "fixed_point", "naive"]

Conditionals = Callable[[Tensor], Tensor]


@final
class Choice:
    """What decides the variables of one chunk: the head and its uniforms, or the event where it is known.

    Args:
        head: The distribution of one variable.
        uniforms: What drives the draws, in the model's order, with shape (B, D, head.uniforms).
        temperature: What the head is tempered by; below 1, likelier values come more often.
        known: Cells in the model's order, with shape (B, D), or None.
        mask: Where they are known, Boolean, with shape (B, D); needed with ``known``.
    """

    def __init__(
        self,
        head: Head,
        uniforms: Tensor,
        *,
        temperature: float = 1.0,
        known: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature should be positive, but it is {temperature:g}.")
        self.head, self.temperature, self.uniforms = head, temperature, uniforms
        self.known, self.mask = known, mask
        self._u = uniforms.unbind(1)
        self._known = None if known is None else known.unbind(1)
        self._mask = None if mask is None else mask.unbind(1)

    def __call__(self, i: int, params: Tensor) -> Tensor:
        """The cells of the variable in place i, with shape (B,), from its parameters, with shape (B, head.width)."""
        cells = self._draw(self.head.of(i), params, self._u[i])
        if self._known is None or self._mask is None:
            return cells
        return torch.where(self._mask[i], self._known[i].to(cells.dtype), cells)

    def all(self, params: Tensor) -> Tensor:
        """The cells of every variable at once, with shape (B, D), from parameters with shape (B, D, head.width)."""
        cells = self._draw(self.head, params, self.uniforms)
        if self.known is None or self.mask is None:
            return cells
        return torch.where(self.mask, self.known.to(cells.dtype), cells)

    def blank(self) -> Tensor:
        """Cells that hold nothing yet, with shape (B, D) and the type that draws have."""
        return self.all(self.uniforms.new_zeros(*self.uniforms.shape[:2], self.head.width))

    def _draw(self, head: Head, params: Tensor, uniforms: Tensor) -> Tensor:
        if self.temperature != 1:
            params = head.temper(params, self.temperature)
        if isinstance(head, BernoulliHead):  # its own draw, without the way through bytes and back
            return torch.lt(uniforms[..., 0], params[..., 0].sigmoid()).to(params.dtype)
        return head.sample(params, uniforms)


def naive(conditionals: Conditionals, choice: Choice) -> Tensor:
    """Draws by the definition: all conditionals afresh for every variable.

    Args:
        conditionals: Maps cells (B, D) to parameters (B, D, width), in the model's order.
        choice: What decides the variables.

    Returns:
        Cells with shape (B, D).
    """
    cells = choice.blank()
    for i in range(cells.shape[1]):
        cells[:, i] = choice(i, conditionals(cells)[:, i])
    return cells


def fixed_point(conditionals: Conditionals, choice: Choice) -> tuple[Tensor, int]:
    """Draws all variables at once, again and again, until nothing changes.

    Args:
        conditionals: Maps cells (B, D) to parameters (B, D, width), in the model's order.
        choice: What decides the variables.

    Returns:
        Cells with shape (B, D), and how many passes of the network it took: at most D.
    """
    cells, passes = choice.blank(), 0
    for _ in range(cells.shape[1]):
        before, passes = cells, passes + 1
        cells = choice.all(conditionals(cells))
        if _same(cells, before):
            break
    return cells, passes


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether cells are equal, blank ones (NaN) too."""
    return bool(((a == b) | (a.isnan() & b.isnan())).all())
