"""Chow-Liu trees: the best model in which every variable has one parent.

p(x) = p(x_r) prod_i p(x_i | x_parent(i)) over a tree. Its log-likelihood is, up to the entropies of single variables,
the sum over edges of the mutual information

    I(x_i; x_j) = sum p(x_i, x_j) log p(x_i, x_j) / (p(x_i) p(x_j))

so the maximum spanning tree of these weights is the maximum-likelihood tree. It has exactly the parameters of a Markov
chain, 2n - 1 for n bits, and chooses where to spend them. With classes the tree is shared and each class has its own
tables: the weights are then I(x_i; x_j | class), averaged over the classes (tree-augmented naive Bayes).

Fitting costs one matrix product for all D^2 joint tables; scoring and sampling cost one look-up per variable.

Known limits:
    One parent per variable: what three variables do together, such as an exclusive or, is not seen. The D^2 K^2 numbers
    of all pairs bound D K to some 8000.

References:
    Approximating Discrete Probability Distributions with Dependence Trees (Chow & Liu, 1968)
    https://doi.org/10.1109/TIT.1968.1054142
    Bayesian Network Classifiers (Friedman, Geiger & Goldszmidt, 1997) https://doi.org/10.1023/A:1007465528199
"""

from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import CompletedForm, categories, slices
from ptheta.distributions.tables import (
    check_size,
    check_smoothing,
    complete_tree,
    count_states,
    draw_table,
    score_table,
    smoothed,
)
from ptheta.noise import Noise
from ptheta.spaces import Space

__all__ = ["ChowLiu", "mutual_information"]

INDICATORS = 2**25  # the most indicators in one chunk


@final
class ChowLiu(CompletedForm):
    """A tree of variables, learnt.

    Args:
        space: Binary, Levels or Symbols, with D K at most some 8000.
        context_space: Classes or None.
        smoothing: Pseudo-counts per value and state. The tree itself is chosen by the plain frequencies.

    Example:
        >>> from ptheta.spaces import Binary
        >>> x = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]]).byte()  # x2 copies x0
        >>> model = ChowLiu(Binary((3,))).fit(x)
        >>> int(model.parents[2]), model.n_parameters
        (0, 5)
    """

    log_p: Tensor
    parents: Tensor
    order: Tensor

    def __init__(self, space: Space, *, context_space: Space | None = None, smoothing: float = 1.0) -> None:
        super().__init__(space, context_space)
        d, self.values = space.dimensions, categories(space, "ChowLiu")
        check_size("ChowLiu", space, (d * self.values) ** 2, "It needs the joint table of each pair: use fewer levels.")
        self.smoothing = check_smoothing(smoothing)
        uniform = torch.zeros(self.classes, d, self.values, self.values, dtype=torch.float64)
        self.register_buffer("log_p", uniform.log_softmax(-1))
        self.register_buffer("parents", torch.full((d, 1), -1))
        self.register_buffer("order", torch.arange(d))

    @property
    def n_parameters(self) -> int:
        """(K - 1) (1 + (D - 1) K) per class: 2n - 1 for n bits."""
        return self.classes * (self.values - 1) * (1 + (self.space.dimensions - 1) * self.values)

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        weights = torch.zeros(self.space.dimensions, self.space.dimensions, dtype=torch.float64)
        for _, rows in self.per_class(train.context):
            weights += mutual_information(train.x[rows], self.values) * (len(rows) / len(train))
        self.order, self.parents = maximum_spanning_tree(weights)
        self.log_p = smoothed(count_states(train, self.parents, self.values, self.classes), self.smoothing)

    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        return score_table(self.log_p, self.parents, cells, classes)

    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        return draw_table(self.log_p, self.parents, self.order.tolist(), classes, noise)

    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        order = self.order.tolist()
        return complete_tree(self.log_p, self.parents, order, cells, known, classes, noise, temperature)


def mutual_information(cells: Tensor, values: int) -> Tensor:
    """The mutual information of all pairs of variables, in nats, with shape (D, D); entropies on the diagonal.

    Args:
        cells: Integers with shape (n, D).
        values: The number K of values.

    Returns:
        A symmetric matrix in float64.
    """
    (n, d), k = cells.shape, values - 1
    inner, above = torch.zeros(d * k, d * k, dtype=torch.float64), torch.arange(1, values, device=cells.device)
    for rows in slices(n, max(1, INDICATORS // max(d * k, 1))):  # sums below 2^24 are exact in float32
        bits = cells[rows] if k == 1 else (cells[rows, :, None] == above).flatten(1)
        ones = bits.float()  # (B, D (K - 1)): the first value is what is left
        counts = ones.numpy()
        inner += torch.from_numpy(counts.T @ counts)  # NumPy knows that this is symmetric, and computes half of it
    single = inner.diagonal().view(d, k).T / n  # (K - 1, D)
    joint = torch.empty(values, values, d, d, dtype=torch.float64)  # of all pairs of values and of variables
    joint[1:, 1:] = inner.view(d, k, d, k).permute(1, 3, 0, 2) / n
    joint[1:, 0] = single[:, :, None] - joint[1:, 1:].sum(1)
    joint[0, 1:] = single[:, None] - joint[1:, 1:].sum(0)
    joint[0, 0] = 1 - joint[1:, 0].sum(0) - single.sum(0)
    entropy = torch.special.entr(single).sum(0) + torch.special.entr((1 - single.sum(0)).clamp(min=0))
    return (entropy[:, None] + entropy - torch.special.entr(joint.clamp_(min=0)).sum((0, 1))).clamp_(min=0)


def maximum_spanning_tree(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Prim's algorithm from variable 0.

    Args:
        weights: Symmetric, with shape (D, D).

    Returns:
        The variables in an order in which parents come first (D,), and the parent of each (D, 1), -1 for the root.
    """
    d = len(weights)
    order, parents = torch.zeros(d, dtype=torch.int64), torch.full((d, 1), -1)
    best, source = weights[0].clone(), torch.zeros(d, dtype=torch.int64)
    best[0] = -torch.inf
    for t in range(1, d):
        i = int(best.argmax())
        order[t], parents[i, 0] = i, source[i]
        nearer = (weights[i] > best) & (best > -torch.inf)
        best, source = torch.where(nearer, weights[i], best), source.masked_fill(nearer, i)
        best[i] = -torch.inf
    return order, parents
