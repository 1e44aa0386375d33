"""Heads of the columns of a table: what a network says of one cell given the others, or given a code.

A cell has *outcomes* (``ptheta.spaces.Column``): a name, a number so common that it has a probability of its own, the
rest of the numbers, blank. With P the softmax of as many numbers, and z = (x - mean) / scale,

    category, ordered, boolean    p(x) = P(x)
    blank                         p = P(blank), an outcome like others, none of columns whose cells are never blank
    number                        p(x) = P(rest) sum_j w_j f((z - m_j) / s_j) / (s_j scale), a density per unit     (1)
    whole number                  p(k) = P(k) + P(rest) sum_j w_j [F((z + h - m_j) / s_j) - F((z - h - m_j) / s_j)]  (2)

where F is the logistic distribution function, f its density and h half a step in standard units; the least whole
number takes the tail below it. So (2) sums to one over all whole numbers. Tails of logistics are straight lines in log
p: a row far out costs its distance, not its square, and moves a network as much.

Columns differ in how many numbers they take. ``TableHead`` gives each as many as the widest, and each uses its first.

References:
    PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood (Salimans et al., 2017)
    https://arxiv.org/abs/1701.05517
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.distributions.head import Head, inverse_cdf, require_components, split_mixture
from ptheta.spaces import Column

__all__ = ["ColumnHead", "TableHead"]

IMPOSSIBLE = -1e30  # the logit of what cannot be; finite, so that differences stay numbers


@final
@dataclass(frozen=True)
class ColumnHead(Head):
    """A distribution over the cells of one column; of more numbers than it needs, it takes the first.

    Args:
        field: The column.
        components: The number K of logistics of the rest of the numbers.
        min_log_scale: The floor of their log scale, in standard units.
        is_blank: Whether blank is among the outcomes of a column whose cells may be.
    """

    field: Column
    components: int = 5
    min_log_scale: float = -7.0
    is_blank: bool = True
    uniforms: ClassVar[int] = 3

    def __post_init__(self) -> None:
        require_components(self.components)

    @property
    def outcomes(self) -> int:
        """How many outcomes a cell has: at least one, of a column that is always blank."""
        return max(self.field.outcomes, 1)

    @property
    def is_mixed(self) -> bool:
        """Whether the network says what the rest of the numbers is, rather than one wide logistic beyond all levels."""
        f = self.field
        is_dense = f.kind == "whole" and len(f.levels) > 1 and f.levels[-1] - f.levels[0] == len(f.levels) - 1
        return f.has_rest and not is_dense

    @property
    def width(self) -> int:
        return self.outcomes + 3 * self.components * self.is_mixed

    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        f, (logits, rest) = self.field, self._split(params)
        code, log_p = f.outcome(cell), logits.log_softmax(-1)
        term = log_p.gather(-1, code.expand(log_p.shape[:-1])[..., None]).squeeze(-1)
        if not f.has_rest:
            return term
        blank = cell.isnan()
        inside = self._log_rest(torch.where(blank, f.mean, cell), rest)
        if f.kind == "number":
            return torch.where(blank, term, term + inside - math.log(f.scale))
        inside = inside + log_p[..., f.rest]
        return torch.where(blank, term, torch.where(code < f.rest, torch.logaddexp(term, inside), inside))

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        logits, (mix, mean, log_scale) = self._split(params)
        code, u = inverse_cdf(logits, uniforms[..., 0]), uniforms[..., 2].double()
        if not self.field.is_number:
            return self._cells(code, u)
        j = inverse_cdf(mix, uniforms[..., 1])[..., None]
        scale = log_scale.gather(-1, j).squeeze(-1).double().exp()
        return self._cells(code, mean.gather(-1, j).squeeze(-1).double() + scale * (u.log() - (-u).log1p()))

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        logits, spare = params[..., : self.outcomes] / temperature, params[..., self.width :]
        if not self.is_mixed:
            return torch.cat([logits, params[..., self.outcomes :]], -1)
        mix, mean, log_scale = self._split(params)[1]
        return torch.cat([logits, mix / temperature, mean, log_scale + math.log(temperature), spare], -1)

    def mean(self, params: Tensor) -> Tensor:
        """The most probable outcome, and of the rest of the numbers their mean: codes have no mean."""
        logits, (mix, mean, _) = self._split(params)
        return self._cells(logits.argmax(-1), (mix.softmax(-1) * mean).sum(-1).double())

    def interval(self, params: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        raise ValueError("no coder is known for the cells of a table. Compress its columns as symbols or levels.")

    def _split(self, params: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """The numbers of the outcomes, and those of the rest of the numbers: mixture logits, means, log scales."""
        logits = params[..., : self.outcomes]
        if not self.is_blank and self.field.blank is not None and self.outcomes > 1:
            logits = F.pad(logits[..., :-1], (0, 1), value=IMPOSSIBLE)
        if not self.is_mixed:
            zero = torch.zeros_like(params[..., :1])
            return logits, (zero, zero, zero)
        return logits, split_mixture(params[..., self.outcomes : self.width], self.min_log_scale)

    def _log_rest(self, value: Tensor, rest: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Log densities of numbers per standard unit, or log masses of whole ones, under the rest of the numbers."""
        f, (mix, mean, log_scale) = self.field, rest
        z, inverse = ((value.double() - f.mean) / f.scale).to(mix.dtype)[..., None], (-log_scale).exp()
        if f.kind == "number":
            t = (z - mean) * inverse
            return torch.logsumexp(mix.log_softmax(-1) - t - 2 * F.softplus(-t) - log_scale, -1)  # (1)
        half = 0.5 / f.scale
        upper, lower = (z + half - mean) * inverse, (z - half - mean) * inverse
        # F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)), and a - b is known without a difference of rounded numbers
        mass = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-2 * half * inverse))
        if f.least is not None:
            mass = torch.where((value == f.least)[..., None], F.logsigmoid(upper), mass)
        inside = torch.logsumexp(mix.log_softmax(-1) + mass, -1)  # (2)
        return inside if f.least is None else torch.where(value < f.least, -torch.inf, inside)

    def _cells(self, code: Tensor, z: Tensor) -> Tensor:
        """The cells of outcomes, of the rest of the numbers those at z in standard units."""
        f = self.field
        if not f.is_number:
            return torch.where(code < len(f.names), code.double(), torch.nan)
        value = z * f.scale + f.mean
        if f.kind == "whole":
            value = value.round() if f.least is None else value.round().clamp(min=f.least)
            levels = torch.tensor((*f.levels, 0), dtype=value.dtype, device=value.device)
            value = torch.where(code < f.rest, levels[code.clamp(max=f.rest)], value)
        return torch.where(code > f.rest, torch.nan, value)


@final
@dataclass(frozen=True)
class TableHead(Head):
    """The heads of all columns, side by side.

    Args:
        heads: The head of each column, in the order in which variables come.
    """

    heads: tuple[ColumnHead, ...]
    uniforms: ClassVar[int] = ColumnHead.uniforms

    @classmethod
    def over(cls, fields: Sequence[Column], components: int, min_log_scale: float = -7.0) -> "TableHead":
        """The head of columns that all have as many logistics."""
        return cls(tuple(ColumnHead(f, components, min_log_scale) for f in fields))

    @property
    def width(self) -> int:
        return max(head.width for head in self.heads)

    def of(self, i: int) -> Head:
        return self.heads[i]

    def ordered(self, order: Sequence[int]) -> "TableHead":
        """The heads of the same columns in another order."""
        return replace(self, heads=tuple(self.heads[i] for i in order))

    def without_blanks(self) -> "TableHead":
        """The heads of the same cells, given that they are not blank."""
        return TableHead(tuple(replace(head, is_blank=False) for head in self.heads))

    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        parts = zip(self.heads, params.unbind(-2), cell.unbind(-1), strict=True)
        return torch.stack([head.log_prob(p, x) for head, p, x in parts], -1)

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        parts = zip(self.heads, params.unbind(-2), uniforms.unbind(-2), strict=True)
        return torch.stack([head.sample(p, u) for head, p, u in parts], -1)

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        parts = zip(self.heads, params.unbind(-2), strict=True)
        return torch.stack([head.temper(p, temperature) for head, p in parts], -2)

    def mean(self, params: Tensor) -> Tensor:
        return torch.stack([head.mean(p) for head, p in zip(self.heads, params.unbind(-2), strict=True)], -1)

    def interval(self, params: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        return self.heads[0].interval(params, cell)
