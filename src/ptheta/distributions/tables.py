"""Tables of counts: every variable given its parents.

The chain rule assumes nothing: p(x) = prod_i p(x_i | x_1, ..., x_{i-1}). A table model keeps, for each variable, a few
*parents* among those before it, and one row of K probabilities per state of the parents,

    p(x) = prod_i T_i[state(parents of i), x_i],        T_i = (count + a) / (total + a K)

with a pseudo-counts (a = 1: Laplace's add-one; a = 0: maximum likelihood). No parents is ``Independent``, with n (K-1)
parameters; one parent is a chain or a tree, two and more are ``ptheta.distributions.chains``. Scoring costs one look-up
per variable, fitting one pass over the data, sampling one look-up per variable in order.

Where each variable has one parent at most, what is known of some travels through the tree: from the leaves inwards each
variable tells its parent how likely all that is known behind it is, given each of the parent's values,

    m_i(s) = sum_x T_i[s, x] [x fits what is known of i] prod_{children c of i} m_c(x)

and from the root outwards each open variable is drawn from T_i[s, x] prod_c m_c(x), which costs K^2 a variable.

States are numbers in base K, the first parent the lowest digit; an absent parent is written -1 and reads as 0.

Known limits:
    Without parents nothing that two variables do together is seen. With k of them a variable costs K^(k+1) numbers.

References:
    Pattern Recognition and Machine Learning (Bishop, 2006)
    https://www.microsoft.com/en-us/research/publication/pattern-recognition-machine-learning/
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import CompletedForm, categories, slices
from ptheta.distributions.heads import inverse_cdf
from ptheta.noise import Noise
from ptheta.spaces import Space

__all__ = [
    "Independent",
    "check_size",
    "check_smoothing",
    "complete_tree",
    "count_states",
    "draw_table",
    "free_parameters",
    "score_table",
    "smoothed",
]

ENTRIES = 2**26  # the largest table: half a gigabyte
CODES = 2**24  # the most states coded at once


@final
class Independent(CompletedForm):
    """Independent variables: D tables of K - 1 free numbers, the fewest a model of D variables can have.

    On one variable this is the Bernoulli (Binary) or the categorical distribution, and with ``smoothing=0`` its
    parameters are the observed frequencies, the maximum of the likelihood.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        smoothing: Pseudo-counts per value.

    Example:
        >>> from ptheta.spaces import Binary
        >>> model = Independent(Binary((2,)), smoothing=0).fit(torch.tensor([[0, 1], [1, 1], [1, 1], [1, 1]]).byte())
        >>> model.log_p.exp()[0, :, 0].tolist(), model.n_parameters
        ([[0.25, 0.75], [0.0, 1.0]], 2)
    """

    log_p: Tensor
    parents: Tensor

    def __init__(self, space: Space, *, context_space: Space | None = None, smoothing: float = 1.0) -> None:
        super().__init__(space, context_space)
        self.values = categories(space, "Independent")
        self.smoothing = check_smoothing(smoothing)
        uniform = torch.zeros(self.classes, space.dimensions, 1, self.values, dtype=torch.float64)
        self.register_buffer("log_p", uniform.log_softmax(-1))
        self.register_buffer("parents", torch.zeros(space.dimensions, 0, dtype=torch.int64), persistent=False)

    @property
    def n_parameters(self) -> int:
        """D (K - 1) per class: n for n bits."""
        return self.classes * free_parameters(self.parents, self.values)

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        self.log_p = smoothed(count_states(train, self.parents, self.values, self.classes), self.smoothing)

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        return score_table(self.log_p, self.parents, cells, classes)

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        return draw_table(self.log_p, self.parents, range(self.space.dimensions), classes, noise)

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        order = range(self.space.dimensions)
        return complete_tree(self.log_p, self.parents, order, cells, known, classes, noise, temperature)


def check_smoothing(smoothing: float) -> float:
    """Returns the pseudo-counts, unless they are negative."""
    if not 0 <= smoothing < math.inf:
        raise ValueError(f"smoothing should be a number of pseudo-counts, zero or more, not {smoothing}.")
    return float(smoothing)


def check_size(who: str, space: Space, entries: int, hint: str) -> None:
    """Refuses a table that would not fit into memory."""
    if entries > ENTRIES:
        raise ValueError(
            f"{who} on {space} would need a table of {entries:,} numbers, and {ENTRIES:,} is the most. {hint}"
        )


def free_parameters(parents: Tensor, values: int) -> int:
    """The sum over variables of K^parents (K - 1)."""
    return sum(values**k * (values - 1) for k in (parents >= 0).sum(1).tolist())


def state_codes(cells: Tensor, parents: Tensor, values: int) -> Tensor:
    """The state of each variable's parents, with shape (D, B), from cells (B, D) and parents (D, k)."""
    columns = torch.cat([cells.T, cells.new_zeros(1, len(cells))])  # (D + 1, B): the last stands in for the absent
    codes = torch.zeros(len(parents), len(cells), dtype=torch.int64, device=cells.device)
    for j in range(parents.shape[1]):
        codes.add_(columns[parents[:, j]], alpha=values**j)
    return codes


def _entries(cells: Tensor, classes: Tensor, parents: Tensor, values: int) -> Tensor:
    """Where each variable of each event lies in the flat table (C, D, S, K), with shape (D, B)."""
    d, states = len(parents), values ** parents.shape[1]
    codes = state_codes(cells, parents, values).mul_(values).add_(cells.T)
    codes += torch.arange(d, device=cells.device)[:, None] * (states * values)
    return codes if not classes.any() else codes.add_(classes * (d * states * values))


def count_states(events: Events, parents: Tensor, values: int, classes: int) -> Tensor:
    """Counts values beside states of the parents, in float64, with shape (C, D, K^k, K)."""
    assert events.context is not None
    d, states = len(parents), values ** parents.shape[1]
    size = classes * d * states * values
    counts = torch.zeros(size, dtype=torch.int64, device=events.x.device)
    for rows in slices(len(events), max(1, CODES // max(d, 1))):
        codes = _entries(events.x[rows], events.context[rows], parents, values)
        counts += torch.bincount(codes.flatten(), minlength=size)
    return counts.double().view(classes, d, states, values)


def smoothed(counts: Tensor, smoothing: float) -> Tensor:
    """Log-probabilities over the last axis, with pseudo-counts; states never seen are uniform."""
    weights = counts + smoothing
    total = weights.sum(-1, keepdim=True)
    return torch.where(total > 0, weights / total, torch.full_like(weights, 1 / counts.shape[-1])).log()


def score_table(log_p: Tensor, parents: Tensor, cells: Tensor, classes: Tensor) -> Tensor:
    """Sums the looked-up log-probabilities of cells (B, D) of classes (B,), with shape (B,)."""
    flat = log_p.reshape(-1)
    chunks = [
        flat[_entries(cells[rows], classes[rows], parents, log_p.shape[-1])].sum(0)
        for rows in slices(len(cells), max(1, CODES // max(len(parents), 1)))
    ]
    return torch.cat(chunks) if chunks else flat.new_zeros(0)


def draw_table(log_p: Tensor, parents: Tensor, order: Sequence[int], classes: Tensor, noise: Noise) -> Tensor:
    """Ancestral sampling: each variable given its parents, in an order in which parents come first.

    Args:
        log_p: Log-probabilities with shape (C, D, K^k, K).
        parents: Their indices, with shape (D, k), -1 where absent.
        order: The variables, parents first.
        classes: One class per row, with shape (n,).
        noise: One uniform per variable and row is drawn from it.

    Returns:
        Cells with shape (n, D).
    """
    n, d = len(classes), len(parents)
    uniforms = noise.uniform((n, d), "cells", like=log_p).T.contiguous()
    powers = log_p.shape[-1] ** torch.arange(parents.shape[1], device=log_p.device)[:, None]
    cells = torch.zeros(d + 1, n, dtype=torch.int64, device=log_p.device)  # the last row stands in for the absent
    for i in order:
        state = (cells[parents[i]] * powers).sum(0)
        cells[i] = inverse_cdf(log_p[classes, i, state], uniforms[i])
    return cells[:d].T.contiguous()


def complete_tree(
    log_p: Tensor,
    parents: Tensor,
    order: Sequence[int],
    cells: Tensor,
    known: Tensor,
    classes: Tensor,
    noise: Noise,
    temperature: float,
) -> Tensor:
    """Draws the open variables of a tree given the known ones, by messages from the leaves inwards.

    Args:
        log_p: Log-probabilities with shape (C, D, K or 1, K).
        parents: Their indices, with shape (D, 1), -1 where absent, or (D, 0) for no parents at all.
        order: The variables, parents first.
        cells: Values with shape (B, D); only known ones matter.
        known: Which are known, Boolean with shape (B, D).
        classes: One class per row, with shape (B,).
        noise: One uniform per variable and row is drawn from it.
        temperature: T in p(open | known)^(1/T).

    Returns:
        Cells with shape (B, D). Raises ValueError where what is known has probability zero.
    """
    parent = parents[:, 0].tolist() if parents.shape[1] else [-1] * len(parents)
    uniforms, out = noise.uniform(tuple(cells.shape), "cells", like=log_p), cells.long()
    for c in classes.unique().tolist():
        rows = (classes == c).nonzero().squeeze(1)
        out[rows] = _through_tree(log_p[c] / temperature, parent, order, out[rows], known[rows], uniforms[rows])
    return out


def _through_tree(
    log_p: Tensor, parent: list[int], order: Sequence[int], cells: Tensor, known: Tensor, uniforms: Tensor
) -> Tensor:
    """Completes cells (B, D) of one class, from tables (D, K or 1, K)."""
    other = cells[:, :, None] != torch.arange(log_p.shape[-1], device=cells.device)
    heard = torch.zeros(other.shape, dtype=log_p.dtype, device=cells.device)
    heard = heard.masked_fill_(other & known[:, :, None], -math.inf).unbind(1)  # of each variable, (B, K)
    for i in reversed(order):
        if parent[i] >= 0:
            top = _possible(heard[i])
            heard[parent[i]].add_(((heard[i] - top).exp() @ log_p[i].exp().T).log() + top)
    out = torch.zeros_like(cells)
    for i in order:
        logits = log_p[i, out[:, parent[i]] if parent[i] >= 0 else 0] + heard[i]
        _possible(logits)
        out[:, i] = inverse_cdf(logits, uniforms[:, i])
    return out


def _possible(logits: Tensor) -> Tensor:
    """The largest of each row (B, K), with shape (B, 1), unless a row has none that is possible."""
    top = logits.amax(1, keepdim=True)
    if bool((top == -math.inf).any()):
        raise ValueError("what is known has probability zero under the model, so nothing can be said given it.")
    return top
