"""Fully visible belief network (FVBN): one logistic regression per variable.

Every variable of an event is predicted from those before it by a linear model of its own,

    p(x_i | x_1, ..., x_{i-1}) = head(b_i + sum_{j<i} W_ij x_j),                                                     (1)

so the logits of bits are log-odds linear in the parents, those of levels and symbols are multinomial regressions. The
negative log-likelihood is convex for these heads: training from zeros finds the one best fit, and an L2 penalty (the
optimiser's ``weight_decay``) is the only regularisation. All conditionals are one product with a strictly lower
triangular matrix, O(D^2) for an event; a sample takes as many multiplications, but in D steps.

Not assumed: independence of any kind. Assumed: that parents do not interact: their effects on the log-odds add up.

Known limits:
    D (D + 1) / 2 parameters for bits, quadratic in D, where those of NADE grow linearly: 307,720 for 784 pixels. What
    depends on two parents at once, such as an exclusive or, is beyond it.

References:
    Connectionist learning of belief networks (Neal, 1992) https://doi.org/10.1016/0004-3702(92)90065-6
    Does the wake-sleep algorithm produce good density estimators? (Frey, Hinton & Dayan, 1996)
    https://papers.nips.cc/paper/1995/hash/c850371fda6892fbfd1c5a5b457e5777-Abstract.html
"""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.nn.contexts import Reader, width_of
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, require

__all__ = ["FVBN"]


@final
class FVBN(Autoregressive):
    """A chain of (multinomial) logistic regressions over bits, levels or symbols.

    Args:
        space: ``Binary``, ``Levels`` or ``Symbols``.
        context_space: What one context is, or None. A context moves every bias.
        reader: What the network sees of a context; None lets the space of contexts choose.
        order: The order of the variables, or None for that of the event.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule; its ``weight_decay`` is the L2 penalty.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = FVBN(Binary((4,)))
        >>> x = model.sample(3, noise=Noise(0))
        >>> round(model.log_prob(x).exp()[0].item(), 4)  # untrained, all 2^4 events are equally likely
        0.0625
    """

    mask: Tensor

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        reader: Reader | None = None,
        order: Sequence[int] | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-2),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, who="FVBN")
        super().__init__(space, context_space, reader, order, head, optimizer)
        d, width, e, context = space.dimensions, self.head.width, self.features, width_of(self.reader, "FVBN")
        self.weight = nn.Parameter(torch.zeros(d, width, d, e))
        self.bias = nn.Parameter(torch.zeros(d, width))
        self.context_weight = nn.Parameter(torch.zeros(d, width, context)) if context else None
        self.register_buffer("mask", torch.ones(d, d, dtype=torch.bool).tril(-1)[:, None, :, None], persistent=False)

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        y = self.look(cells, self.bias.dtype).flatten(1)  # (B, D E)
        weight = (self.weight * self.mask).flatten(2).flatten(0, 1)  # (D width, D E)
        return F.linear(y, weight).unflatten(1, self.bias.shape) + self._bias(context)  # (1)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        bias = self._bias(context)
        weight = self.weight.flatten(2)  # (D, width, D E)
        d, e = len(weight), self.features
        cells, seen = [], bias.new_zeros(n, d * e)
        for i in range(d):
            parents = slice(0, i * e)
            params = seen[:, parents] @ weight[i, :, parents].T + bias[..., i, :]
            cells.append(choice(i, params))
            seen[:, i * e : (i + 1) * e] = self.look(cells[-1], seen.dtype)
        return torch.stack(cells, 1)

    def _bias(self, context: Tensor | None) -> Tensor:
        """The bias of every variable, with shape (D, width), or (B, D, width) with a context."""
        c = self.condition(context)
        if c is None or self.context_weight is None:
            return self.bias
        return self.bias + F.linear(c, self.context_weight.flatten(0, 1)).unflatten(1, self.bias.shape)
