"""Markov chains and AR-k tables: each variable given the few before it.

``Markov`` keeps one parent, the variable before: p(x) = p(x_1) prod_i p(x_i | x_{i-1}), with 2n - 1 parameters for n
bits. ``ARTable`` keeps k: K^k rows per variable, 2^k (n - k + 1) - 1 parameters, so that k = n - 1 is the full table
again. Which k is an argument: those before in the order (``prefix_neighbours``), or the nearest pixels of an image
among those before (``causal_neighbours``). Both assume x_i independent of its other predecessors given these k; the
order matters then.

Rows that few events reach back off to the row with one parent less, the farthest forgotten, down to no parent and at
last to the uniform distribution,

    p_k(x | s_1 ... s_k) = (count + b K p_{k-1}(x | s_1 ... s_{k-1})) / (total + b K)

so b K is how many events the shorter memory is worth: b for each of the K values, as pseudo-counts are. A chain costs
one look-up per variable to score and to sample; an AR-k table costs K^(k+1) numbers per variable to store, which is
what networks avoid.

Known limits:
    A chain is completed exactly whatever is known; a table with several parents is not, since what is known later would
    have to be summed over K^k states at every variable.
    What is further away than the parents is forgotten, and the order, or the neighbourhood, is chosen beforehand.

References:
    The Performance of Universal Encoding (Krichevsky & Trofimov, 1981) https://doi.org/10.1109/TIT.1981.1056331
    A Hierarchical Dirichlet Language Model (MacKay & Peto, 1995) https://doi.org/10.1017/S1351324900000218
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import ClosedForm, CompletedForm, categories
from ptheta.distributions.tables import (
    check_size,
    check_smoothing,
    complete_tree,
    count_states,
    draw_table,
    free_parameters,
    score_table,
    smoothed,
)
from ptheta.noise import Noise
from ptheta.spaces import Space

__all__ = ["ARTable", "Markov", "causal_neighbours", "prefix_neighbours"]


@final
class Markov(CompletedForm):
    """A chain: each variable depends on the one before it.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        order: The variables in the order of the chain; None for 0, 1, 2, ...
        smoothing: Pseudo-counts per value and state.

    Example:
        >>> from ptheta.noise import Noise
        >>> from ptheta.spaces import Binary
        >>> model = Markov(Binary((6,)), smoothing=0).fit(torch.tensor([[0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0]]).byte())
        >>> model.sample(2, noise=Noise(0)).tolist(), model.n_parameters
        ([[0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0]], 11)
    """

    log_p: Tensor
    parents: Tensor

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        order: Sequence[int] | None = None,
        smoothing: float = 1.0,
    ) -> None:
        super().__init__(space, context_space)
        d, self.values = space.dimensions, categories(space, "Markov")
        check_size("Markov", space, self.classes * d * self.values**2, "Use fewer levels, or Independent.")
        self.smoothing = check_smoothing(smoothing)
        self.order = check_order(order, d)
        uniform = torch.zeros(self.classes, d, self.values, self.values, dtype=torch.float64)
        self.register_buffer("log_p", uniform.log_softmax(-1))
        self.register_buffer("parents", prefix_neighbours(d, 1, self.order), persistent=False)

    @property
    def n_parameters(self) -> int:
        """(K - 1) (1 + (D - 1) K) per class: 2n - 1 for n bits."""
        return self.classes * free_parameters(self.parents, self.values)

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        self.log_p = smoothed(count_states(train, self.parents, self.values, self.classes), self.smoothing)

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        return score_table(self.log_p, self.parents, cells, classes)

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        return draw_table(self.log_p, self.parents, self.order, classes, noise)

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        return complete_tree(self.log_p, self.parents, self.order, cells, known, classes, noise, temperature)


@final
class ARTable(ClosedForm):
    """Each variable given k of those before it, by tables that back off to shorter memories.

    Args:
        space: Binary, Levels or Symbols.
        neighbours: The parents of each variable, with shape (D, k), nearest first, -1 where there is none; see
            ``prefix_neighbours`` and ``causal_neighbours``.
        context_space: Classes or None.
        order: The variables in an order in which parents come first; None for 0, 1, 2, ...
        backoff: How many events per value the row with one parent less is worth.

    Example:
        >>> from ptheta import Binary, prefix_neighbours
        >>> model = ARTable(Binary((784,)), prefix_neighbours(784, 8))
        >>> model.n_parameters == 2**8 * (784 - 8 + 1) - 1
        True
    """

    log_p: Tensor
    parents: Tensor

    def __init__(
        self,
        space: Space,
        neighbours: Tensor,
        *,
        context_space: Space | None = None,
        order: Sequence[int] | None = None,
        backoff: float = 4.0,
    ) -> None:
        super().__init__(space, context_space)
        d, self.values = space.dimensions, categories(space, "ARTable")
        self.order = check_order(order, d)
        parents = _check_parents(neighbours, self.order)
        states = self.values ** parents.shape[1]
        check_size("ARTable", space, self.classes * d * states * self.values, "Use fewer neighbours or fewer levels.")
        if backoff <= 0:
            raise ValueError(f"backoff should be a positive number of events per value, not {backoff}.")
        self.backoff = float(backoff)
        uniform = torch.zeros(self.classes, d, states, self.values, dtype=torch.float64)
        self.register_buffer("log_p", uniform.log_softmax(-1))
        self.register_buffer("parents", parents, persistent=False)

    @property
    def n_parameters(self) -> int:
        """The sum over variables of K^parents (K - 1) per class: 2^k (n - k + 1) - 1 for n bits and the k before."""
        return self.classes * free_parameters(self.parents, self.values)

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        counts = count_states(train, self.parents, self.values, self.classes)
        self.log_p = _backed_off(counts, (self.parents >= 0).sum(1), self.backoff * self.values)

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        return score_table(self.log_p, self.parents, cells, classes)

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        return draw_table(self.log_p, self.parents, self.order, classes, noise)


def _backed_off(counts: Tensor, n_parents: Tensor, backoff: float) -> Tensor:
    """Log-probabilities (C, D, K^k, K) from counts of that shape, each row drawn towards the row with a parent less."""
    c, d, _, values = counts.shape
    by_depth = [counts]
    while by_depth[-1].shape[2] > 1:  # the farthest parent, the highest digit, is summed out
        by_depth.append(by_depth[-1].view(c, d, values, -1, values).sum(2))
    p = counts.new_full((c, d, 1, values), 1 / values)
    for depth, rows in enumerate(reversed(by_depth)):
        shorter = p if depth == 0 else p.repeat(1, 1, values, 1)  # (C, D, K^depth, K)
        p = (rows + backoff * shorter) / (rows.sum(-1, keepdim=True) + backoff)
        p = torch.where((n_parents >= depth)[:, None, None], p, shorter)  # the same counts are not used twice
    return p.log()


def prefix_neighbours(dimensions: int, k: int, order: Sequence[int] | None = None) -> Tensor:
    """The k variables before each one, nearest first, -1 where there are fewer.

    Args:
        dimensions: The number of variables D.
        k: How many.
        order: The variables in order; None for 0, 1, 2, ...

    Returns:
        Indices with shape (D, k).
    """
    sequence = torch.tensor(check_order(order, dimensions))
    before = torch.arange(dimensions)[:, None] - torch.arange(1, k + 1)  # places in the order
    parents = torch.empty(dimensions, k, dtype=torch.int64)
    parents[sequence] = torch.where(before >= 0, sequence[before.clamp(min=0)], -1)
    return parents


def causal_neighbours(shape: tuple[int, ...], k: int) -> Tensor:
    """The k nearest cells of a grid among those before each one in raster order, -1 where there are fewer.

    Near is Euclidean, over all axes (channels count as one); among equals, the one before comes first.

    Args:
        shape: The shape of an event, such as (1, 28, 28).
        k: How many.

    Returns:
        Indices with shape (D, k), nearest first.
    """
    places = torch.cartesian_prod(*(torch.arange(s) for s in shape)).view(-1, len(shape)).double()
    parents = torch.full((len(places), k), -1)
    for i in range(1, len(places)):
        distance = (places[:i] - places[i]).square().sum(1).flip(0)  # the latest first, and a stable sort keeps it so
        nearest = i - 1 - distance.sort(stable=True).indices[:k]
        parents[i, : len(nearest)] = nearest
    return parents


def check_order(order: Sequence[int] | None, dimensions: int) -> list[int]:
    """The order as a list, or 0, 1, 2, ...; refuses what is no permutation."""
    chosen = list(range(dimensions)) if order is None else [int(i) for i in order]
    if sorted(chosen) != list(range(dimensions)):
        raise ValueError(f"order should hold each variable from 0 to {dimensions - 1} once.")
    return chosen


def _check_parents(neighbours: Tensor, order: list[int]) -> Tensor:
    d = len(order)
    if neighbours.ndim != 2 or len(neighbours) != d or neighbours.is_floating_point():
        raise ValueError(
            f"neighbours should be integers with shape ({d}, k), but their shape is {tuple(neighbours.shape)}."
        )
    parents = neighbours.long()
    place = torch.full((d + 1,), -1)  # the last stands in for the absent
    place[torch.tensor(order)] = torch.arange(d)
    if bool((parents < -1).any() or (parents >= d).any() or (place[parents] >= place[:d, None]).any()):
        raise ValueError("each neighbour should be -1 or a variable that comes before its own in the order.")
    if bool((parents[:, 1:] >= 0).logical_and(parents[:, :-1] < 0).any()):
        raise ValueError("absent neighbours, -1, should come last in each row of neighbours.")
    return parents
