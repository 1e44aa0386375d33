"""Mixtures over the rows of a table by EM, whatever kinds its columns are, some cells blank.

    p(x) = sum_m w_m prod_d p_md(x_d)                                                                                (1)

``ptheta.distributions.columns`` says what p_md is. The E step finds how much each row belongs to each component,

    r_im = w_m prod_d p_md(x_id) / p(x_i),                                                                           (2)

where a blank cell is an outcome like others: its number or name is summed out, exactly. The M step counts outcomes and
takes moments of numbers weighted by r; each component's margins are mixed with one row's worth of the whole table's.

One component is the independent model: every column by itself.

A round costs n M D. Known limits: where whole numbers have no level of their own, the moments of their rest are
Sheppard's, not the exact M step, so a round may lose a little; the best round is kept. Starts differ.

References:
    Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster, Laird & Rubin, 1977)
    https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    Supervised Learning from Incomplete Data via an EM Approach (Ghahramani & Jordan, 1993)
    https://papers.nips.cc/paper/1993/hash/f2201f5191c4e92cc5af043eebfd0946-Abstract.html
"""

from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.distributions.closed_form import slices
from ptheta.distributions.columns import ColumnMixture, margins, totals
from ptheta.distributions.mixtures import nearest_centre
from ptheta.distributions.simple import refuse_empty
from ptheta.noise import seeded_generator
from ptheta.spaces import Space, Table

__all__ = ["TableMixture"]

SEEDS = 3000  # the most rows among which first centres are sought
CHUNK = 2**21  # the most numbers in one chunk of rows

Margins = tuple[Tensor, Tensor, Tensor, Tensor]


@final
class TableMixture(ColumnMixture):
    """A mixture of products of columns, by EM.

    Args:
        space: A table.
        context_space: Classes or None.
        components: The number M of components; fewer where there are not as many rows.
        restarts: How many starts are made; the one that scores best on the validation rows is kept.
        iterations: The most rounds of each.
        tolerance: A start ends when a round gains less than this, in nats per row and column.

    Example:
        >>> from ptheta import Column, Table
        >>> space = Table((Column("a", "boolean", ("no", "yes")), Column("b", "category", ("u", "v", "w"))))
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=torch.float64).repeat(500, 1)
        >>> model = TableMixture(space, components=2).fit(x)
        >>> model.log_prob(x[:2]).exp().round(decimals=2).tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        components: int = 30,
        restarts: int = 1,
        iterations: int = 100,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__(space, context_space, components, "TableMixture")
        if restarts < 1 or iterations < 1:
            raise ValueError(f"restarts and iterations should be at least 1, not {restarts} and {iterations}.")
        self.components, self.restarts, self.iterations, self.tolerance = components, restarts, iterations, tolerance

    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        assert train.context is not None
        refuse_empty(self, train.context, 1)
        self._reset(self.components)
        for c, rows in self.per_class(train.context):
            held = None if valid is None or valid.context is None else valid.x[valid.context == c]
            self._put(c, self._best_start(train.x[rows], held, c, seeded_generator(seed + c)))

    def _reset(self, components: int) -> None:
        """Room for so many components of each class."""
        shape, like = (self.classes, components), self.log_p
        self.log_weight = like.new_zeros(shape).log_softmax(-1)
        self.log_p, self.mean = like.new_zeros(*shape, self.ends[-1]), like.new_zeros(*shape, len(self.fields))
        self.scale = torch.ones_like(self.mean)

    def _put(self, c: int, found: Margins) -> None:
        self.log_weight[c], self.log_p[c], self.mean[c], self.scale[c] = found

    def _best_start(self, cells: Tensor, valid: Tensor | None, c: int, generator: torch.Generator) -> Margins:
        best, best_score = None, -torch.inf
        for _ in range(self.restarts):
            found, score = self._climb(cells, c, generator)
            if self.restarts > 1 and valid is not None and len(valid):
                self._put(c, found)
                score = sum(float(self.joint(valid[s], c).logsumexp(1).sum()) for s in self._rows(valid)) / len(valid)
            if best is None or score > best_score:
                best, best_score = found, score
        assert best is not None
        return best

    def _climb(self, cells: Tensor, c: int, generator: torch.Generator) -> tuple[Margins, float]:
        """EM from spread-out centres: the best round and its mean log-likelihood."""
        first = cells[torch.randperm(len(cells), generator=generator)[:SEEDS]]
        assert isinstance(self.space, Table)
        points = self.space.embed(first, torch.float32).flatten(1)
        r = nearest_centre(points, self.components, generator).double()
        found = self._maximised(r.sum(0), totals(self.fields, first, r))
        best, best_score, last = found, -torch.inf, -torch.inf
        for _ in range(self.iterations):
            self._put(c, found)
            score, mass, sums = self._e_step(cells, c)
            if score > best_score:
                best, best_score = found, score
            if score - last < self.tolerance * len(self.fields):
                break
            last, found = score, self._maximised(mass, sums)
        return best, best_score

    def _e_step(self, cells: Tensor, c: int) -> tuple[float, Tensor, tuple[Tensor, Tensor, Tensor]]:
        total, mass, sums = 0.0, torch.zeros_like(self.log_weight[c]), None
        for rows in self._rows(cells):
            joint = self.joint(cells[rows], c)
            log_p = joint.logsumexp(1, keepdim=True)
            r = (joint - log_p).exp()  # (2)
            total, mass, new = total + float(log_p.sum()), mass + r.sum(0), totals(self.fields, cells[rows], r)
            sums = new if sums is None else (sums[0] + new[0], sums[1] + new[1], sums[2] + new[2])
        assert sums is not None
        return total / len(cells), mass, sums

    def _maximised(self, mass: Tensor, sums: tuple[Tensor, Tensor, Tensor]) -> Margins:
        mass = mass + 1e-3
        return (mass / mass.sum()).log(), *margins(self.fields, sums)

    def _rows(self, cells: Tensor) -> list[slice]:
        return list(slices(len(cells), max(1, CHUNK // max(self.components, 1))))
