"""The full table: one probability per state.

K^D - 1 free parameters (2^n - 1 for n dependent bits) describe *any* distribution of D variables with K values: nothing
is assumed and nothing is shared. So it holds every marginal, every conditional and every independence exactly, and it
cannot be had for more than about twenty bits.

Conditional independence, p(a, b | c) = p(a | c) p(b | c), holds just when the conditional mutual information

    I(a; b | c) = H(a, c) + H(b, c) - H(a, b, c) - H(c)

is zero. On a table *estimated* from n events it is never exactly zero; 2 n I is then nearly chi-square distributed when
the truth is zero, with (K - 1)^2 K^|c| degrees of freedom (the G-test).

Fitting is one pass over the events, scoring a look-up, sampling a search in the cumulated table.

Known limits:
    About four million states, which is 22 bits. States that were never seen share what the smoothing gives them, so it
    learns nothing from events that are merely like them.

References:
    Pattern Recognition and Machine Learning (Bishop, 2006)
    https://www.microsoft.com/en-us/research/publication/pattern-recognition-machine-learning/
"""

import math
from collections.abc import Mapping, Sequence
from typing import Self, final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import CompletedForm, categories, patterns
from ptheta.distributions.tables import check_smoothing, smoothed
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Space, Symbols

__all__ = ["FullTable"]

STATES = 2**22  # the most states, 32 MB


@final
class FullTable(CompletedForm):
    """Any distribution over at most some four million states.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        smoothing: Pseudo-counts per state.

    Example:
        >>> from ptheta.spaces import Binary
        >>> xor = FullTable.of(Binary((3,)), torch.tensor([1, 0, 0, 1, 0, 1, 1, 0]) / 4)  # x2 = x0 xor x1
        >>> xor.are_independent(0, 1), xor.are_independent(0, 1, given=[2])
        (True, False)
    """

    log_p: Tensor
    events: Tensor

    def __init__(self, space: Space, *, context_space: Space | None = None, smoothing: float = 1.0) -> None:
        super().__init__(space, context_space)
        self.values = categories(space, "FullTable")
        self.smoothing = check_smoothing(smoothing)
        states = self.values**space.dimensions
        if self.classes * states > STATES:
            times = f", times {self.classes} classes" if self.classes > 1 else ""
            raise ValueError(
                f"a full table of {space} has {self.values}^{space.dimensions} states{times}, and {STATES:,} are the "
                "most it can hold. Use fewer variables, or a model that shares parameters."
            )
        self.register_buffer("log_p", torch.zeros(self.classes, states, dtype=torch.float64).log_softmax(-1))
        self.register_buffer("events", torch.zeros(self.classes, dtype=torch.float64))

    @classmethod
    def of(cls, space: Space, probabilities: Tensor) -> Self:
        """The table with these probabilities, one per state, the last variable changing fastest; they sum to one."""
        table = cls(space)
        p = probabilities.double().flatten()
        if p.shape != table.log_p[0].shape or bool((p < 0).any()) or abs(float(p.sum()) - 1) > 1e-6:
            raise ValueError(
                f"expected {table.log_p.shape[1]} probabilities that sum to one, one per state of {space}."
            )
        table.log_p = p.log()[None]
        return table

    @property
    def n_parameters(self) -> int:
        """K^D - 1 per class."""
        return self.classes * (self.log_p.shape[1] - 1)

    @property
    def probabilities(self) -> Tensor:
        """The joint probabilities with one axis per variable, after the axis of classes: (C, K, ..., K)."""
        return self.log_p.exp().view(self.classes, *(self.values,) * self.space.dimensions)

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        size = self.log_p.shape[1]
        codes = self._codes(train.x) + train.context * size
        counts = torch.bincount(codes, minlength=self.classes * size).view(self.classes, size).double()
        self.log_p, self.events = smoothed(counts, self.smoothing), counts.sum(1)

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        return self.log_p[classes, self._codes(cells)]

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        # One uniform walks down all variables in turn: within each slice of [0, 1] lie the slices of the next one.
        u = noise.uniform((len(classes),), "state", like=self.log_p)
        codes = torch.zeros_like(classes)
        for c, rows in self.per_class(classes):
            codes[rows] = _draw_states(self.log_p[c], u[rows])
        return codes[:, None] // self._powers(codes) % self.values

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        u, out = noise.uniform((len(classes),), "state", like=self.log_p), cells.long()
        joint, d = (self.log_p / temperature).view(self.classes, *(self.values,) * self.space.dimensions), out.shape[1]
        for c, of_class in self.per_class(classes):
            for pattern, rows in patterns(known[of_class]):
                rows, last = of_class[rows], (~pattern).nonzero().squeeze(1)
                place = self.values ** torch.arange(len(last) - 1, -1, -1, device=out.device)
                given, which = out[rows][:, pattern].unique(dim=0, return_inverse=True)
                for k, held in enumerate(given.tolist()):
                    values, own = iter(held), rows[which == k]
                    log_p = joint[c][tuple(next(values) if pattern[i] else slice(None) for i in range(d))].flatten()
                    code = _draw_states(log_p, u[own])
                    out[own[:, None], last] = code[:, None] // place % self.values
        return out

    def marginal(self, variables: Sequence[int]) -> "FullTable":
        """The table of some variables, in the order given, the others summed out."""
        self._unconditional("marginal")
        return FullTable.of(self._space_of(len(variables)), self._joint(variables))

    def conditional(self, given: Mapping[int, int]) -> "FullTable":
        """The table of the other variables, given the values of some: p(others | given), by Bayes' rule."""
        self._unconditional("conditional")
        self._check_variables(list(given))
        index = tuple(given.get(i, slice(None)) for i in range(self.space.dimensions))
        p = self.probabilities[0][index]
        if float(p.sum()) == 0:
            raise ValueError(f"the condition {dict(given)} has probability zero, so nothing can be said given it.")
        return FullTable.of(self._space_of(self.space.dimensions - len(given)), p / p.sum())

    def entropy(self, variables: Sequence[int]) -> float:
        """The entropy of some variables together, in nats."""
        self._unconditional("entropy")
        return float(torch.special.entr(self._joint(variables)).sum())

    def conditional_mutual_information(self, a: int, b: int, given: Sequence[int] = ()) -> float:
        """I(a; b | given) in nats: zero just when a and b are independent given the others."""
        if a == b or a in given or b in given:
            raise ValueError(f"a, b and given should be different variables, but they are {a}, {b} and {list(given)}.")
        joint = self.entropy([a, b, *given])
        return max(self.entropy([a, *given]) + self.entropy([b, *given]) - joint - self.entropy(given), 0.0)

    def are_independent(self, a: int, b: int, given: Sequence[int] = (), tolerance: float = 1e-9) -> bool:
        """Whether a and b are independent given the others, in this table: I(a; b | given) <= ``tolerance`` nats."""
        return self.conditional_mutual_information(a, b, given) <= tolerance

    def independence_p_value(self, a: int, b: int, given: Sequence[int] = ()) -> float:
        """The G-test: how likely events of independent variables would look at least this dependent.

        It speaks about the training events, so it needs a table fitted to some, best with ``smoothing=0``. Where states
        are expected less than some five times, it calls events dependent a little too often.

        Args:
            a: A variable.
            b: Another.
            given: Those conditioned on.

        Returns:
            A number in [0, 1], uniform for many events if a and b are independent given the others.
        """
        if not float(self.events.sum()):
            raise ValueError("the test asks what the training events say, but this table was fitted to none.")
        g = 2 * float(self.events.sum()) * self.conditional_mutual_information(a, b, given)
        freedom = (self.values - 1) ** 2 * self.values ** len(given)
        half = torch.tensor([freedom / 2, g / 2], dtype=torch.float64)
        return float(torch.special.gammaincc(half[0], half[1]))

    def _powers(self, like: Tensor) -> Tensor:
        return self.values ** torch.arange(self.space.dimensions - 1, -1, -1, device=like.device)

    def _codes(self, cells: Tensor) -> Tensor:
        return (cells.long() * self._powers(cells)).sum(1)

    def _joint(self, variables: Sequence[int]) -> Tensor:
        """The joint probabilities of some variables, with one axis for each."""
        self._check_variables(variables)
        others = [i for i in range(self.space.dimensions) if i not in variables]
        p = self.probabilities[0]
        p = p.sum(others) if others else p
        kept = sorted(variables)
        return p.permute([kept.index(v) for v in variables])

    def _space_of(self, d: int) -> Space:
        match self.space:
            case Binary():
                return Binary((d,))
            case Levels(n=n):
                return Levels((d,), n)
            case _:
                return Symbols((d,), self.values)

    def _check_variables(self, variables: Sequence[int]) -> None:
        d = self.space.dimensions
        if len(set(variables)) != len(variables) or any(not 0 <= v < d for v in variables):
            raise ValueError(f"expected different variables from 0 to {d - 1}, but got {list(variables)}.")

    def _unconditional(self, what: str) -> None:
        if self.context_space is not None:
            raise ValueError(
                f"{what} asks about p(x), but this table holds p(x | class). Fit one without context_space."
            )


def _draw_states(log_p: Tensor, u: Tensor) -> Tensor:
    """States drawn by uniforms (n,) from their log-probabilities up to a constant, with shape (S,)."""
    top = log_p.max()
    if top == -math.inf:
        raise ValueError("what is known has probability zero under the model, so nothing can be said given it.")
    cdf, last = (log_p - top).exp().cumsum(0), int((log_p > -math.inf).nonzero()[-1])
    return torch.searchsorted(cdf, u * cdf[-1], right=True).clamp(max=last)
