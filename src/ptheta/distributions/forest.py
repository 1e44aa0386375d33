"""Adversarial random forests: trees that cannot tell rows from their own samples cut a table into independent leaves.

A forest learns to tell the rows from rows whose columns were drawn independently. Its leaves are then where columns
hang together; drawing the columns independently within leaves gives better samples, which the next forest has to tell
from the rows, until it cannot. Then, within a leaf, columns are nearly independent, and

    p(x) = 1/T sum_t sum_l w_tl prod_d p_tld(x_d),    w_tl the share of rows in leaf l of tree t                     (1)

is a mixture of products, one component for each leaf: exact, and a blank cell is summed out. The margins p_tld are
those of ``ptheta.distributions.columns``. The trees are scikit-learn's.

Unlike the paper's, the margins of numbers do not end at the bounds of their leaf, so that the density is positive
everywhere; and each leaf is mixed with one row's worth of the whole table.

Scoring costs B T L D, for L leaves in a tree; a sample costs D.

Known limits:
    Names are numbered before they are cut, so that a tree needs several cuts to single out one of many.

References:
    Adversarial Random Forests for Density Estimation and Generative Modeling (Watson, Blesch, Kapar & Wright, 2023)
    https://proceedings.mlr.press/v206/watson23a.html
"""

from typing import final

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.columns import ColumnMixture, margins, totals
from ptheta.distributions.simple import refuse_empty
from ptheta.noise import Noise, seeded_generator
from ptheta.spaces import Space

__all__ = ["Forest"]

FAIR = 0.55  # a forest that is right no more often than this, on rows it did not see, cannot tell


@final
class Forest(ColumnMixture):
    """An adversarial random forest.

    Args:
        space: A table.
        context_space: Classes or None.
        trees: The number T of trees.
        leaves: The most leaves of each.
        least: The fewest rows of a leaf, real and drawn together.
        rounds: How often the forest has to tell rows from its own samples, at most.

    Example:
        >>> from ptheta import Column, Table
        >>> space = Table((Column("a", "boolean", ("no", "yes")), Column("b", "category", ("u", "v", "w"))))
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=torch.float64).repeat(500, 1)
        >>> model = Forest(space, trees=4).fit(x)
        >>> model.log_prob(x[:2]).exp().round(decimals=1).tolist()
        [0.5, 0.5]
    """

    lengths_learned = ("log_weight", "log_p", "mean", "scale")

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        trees: int = 20,
        leaves: int = 200,
        least: int = 10,
        rounds: int = 3,
    ) -> None:
        for name, value in (("trees", trees), ("leaves", leaves), ("least", least), ("rounds", rounds)):
            if value < 1 + (name == "leaves"):
                raise ValueError(f"{name} should be at least {1 + (name == 'leaves')}, not {value}.")
        super().__init__(space, context_space, 1, "Forest")
        self.trees, self.leaves, self.least, self.rounds = trees, leaves, least, rounds
        self.width_of_event = space.dimensions * trees * leaves

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        refuse_empty(self, train.context, 1)
        grown = [self._grown(train.x[rows], c, seed) for c, rows in self.per_class(train.context)]
        most = max(len(found[0]) for found in grown)
        padded = [[_padded(part, most, fill) for part, fill in zip(found, FILL, strict=True)] for found in grown]
        self.log_weight, self.log_p, self.mean, self.scale = (torch.stack(part) for part in zip(*padded, strict=True))

    def _grown(self, cells: Tensor, c: int, seed: int) -> tuple[Tensor, ...]:
        """Forest after forest until one cannot tell: its leaves as components."""
        order = [torch.randperm(len(cells), generator=seeded_generator(seed + 31 * d)) for d in range(cells.shape[1])]
        drawn = torch.stack([cells[rows, d] for d, rows in enumerate(order)], 1)
        found = self._leaves([torch.zeros(len(cells), dtype=torch.int64)], cells)
        for k in range(self.rounds):
            trees, right = self._trained(cells, drawn, seed + k)
            if k and right <= FAIR:
                break
            found = self._leaves(trees, cells)
            if k + 1 < self.rounds:
                drawn = _sampled(self, found, len(cells), Noise(seed).at("forest", c, k))
        return found

    def _trained(self, cells: Tensor, drawn: Tensor, seed: int) -> tuple[list[Tensor], float]:
        """The leaf of each row in each tree, and how often the forest tells rows that it did not see."""
        from sklearn.ensemble import RandomForestClassifier

        both = np.concatenate([cells.numpy(), drawn.numpy()]).astype(np.float32)
        labels = np.repeat([1, 0], [len(cells), len(drawn)])
        forest = RandomForestClassifier(
            self.trees, max_leaf_nodes=self.leaves, min_samples_leaf=min(self.least, len(cells)), oob_score=False,
            max_samples=0.8 if len(both) > 20 else None, random_state=seed % 2**32, n_jobs=1,
        )  # fmt: skip
        held = np.arange(len(both)) % 10 == 0 if len(both) >= 200 else np.zeros(len(both), dtype=bool)
        forest.fit(both[~held], labels[~held])
        right = float(forest.score(both[held], labels[held])) if held.any() else 1.0
        found = forest.apply(both[: len(cells)])  # (n, T)
        return [torch.from_numpy(found[:, t].astype(np.int64)) for t in range(found.shape[1])], right

    def _leaves(self, trees: list[Tensor], cells: Tensor) -> tuple[Tensor, ...]:
        """Every leaf that holds a row as a component: log-weights, log_p, means and scales."""
        weights, counts, first, second = [], [], [], []
        for leaf in trees:
            _, place, n = leaf.unique(return_inverse=True, return_counts=True)
            r = torch.nn.functional.one_hot(place, len(n)).double()
            sums = totals(self.fields, cells, r)
            weights.append(n.double() / (len(cells) * len(trees)))
            counts.append(sums[0])
            first.append(sums[1])
            second.append(sums[2])
        return torch.cat(weights).log(), *margins(self.fields, (torch.cat(counts), torch.cat(first), torch.cat(second)))


FILL = (-torch.inf, 0.0, 0.0, 1.0)  # of components that a class has fewer of than another: log-weight, log_p, ...


def _padded(part: Tensor, most: int, fill: float) -> Tensor:
    return torch.cat([part, part.new_full((most - len(part), *part.shape[1:]), fill)])


def _sampled(model: Forest, found: tuple[Tensor, ...], n: int, noise: Noise) -> Tensor:
    """Rows that leaves draw."""
    model.log_weight, model.log_p, model.mean, model.scale = (part[None] for part in found)
    return model.draw_cells(torch.zeros(n, dtype=torch.int64), noise)
