"""Heads: the conditional distribution of one cell, fed by a network.

A head turns ``width`` numbers from a network into a distribution over one variable of an event. The space chooses it:

    Binary                 Bernoulli
    Levels, n <= 32        categorical
    Levels, n > 32         mixture of discretised logistics (ordered: 3 K numbers, whatever n)
    Symbols                categorical
    Real                   mixture of Gaussians, on standardised values
    Table                  a head for each column (``ptheta.distributions.table_heads``)

Samples are deterministic functions of uniforms, by inverse distribution functions, so cached and naive samplers agree.

References:
    PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood (Salimans et al., 2017)
    https://arxiv.org/abs/1701.05517
    Mixture Density Networks (Bishop, 1994) https://publications.aston.ac.uk/id/eprint/373/
"""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.distributions.head import Head, inverse_cdf, require_components, split_mixture
from ptheta.distributions.table_heads import TableHead
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, Table

__all__ = [
    "BernoulliHead",
    "CategoricalHead",
    "GaussianMixtureHead",
    "Head",
    "LogisticMixtureHead",
    "coder_head",
    "nearest_events",
    "default_head",
]

SURE = 40.0  # log-odds beyond which softplus is the identity, in float64 too


@final
@dataclass(frozen=True)
class BernoulliHead(Head):
    """A bit, from its logit."""

    @property
    def width(self) -> int:
        return 1

    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        logits = params.squeeze(-1)
        # log sigmoid(l) of a 1, log sigmoid(-l) of a 0; beyond the threshold exp(-l) is less than float64 can tell
        return F.softplus(logits * (1 - 2 * cell.to(logits.dtype)), threshold=SURE).neg_()

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        return (uniforms.squeeze(-1) < params.squeeze(-1).sigmoid()).view(torch.uint8)

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        return params / temperature

    def mean(self, params: Tensor) -> Tensor:
        return params.squeeze(-1).sigmoid()

    def interval(self, params: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        off = (-params.squeeze(-1).double()).sigmoid()
        is_on = cell > 0
        return torch.where(is_on, off, 0.0), torch.where(is_on, 1.0, off)


@final
@dataclass(frozen=True)
class CategoricalHead(Head):
    """One of n values, from their logits.

    Args:
        n: The number of values.
    """

    n: int

    @property
    def width(self) -> int:
        return self.n

    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        return params.log_softmax(-1).gather(-1, cell.long().expand(params.shape[:-1])[..., None]).squeeze(-1)

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        return inverse_cdf(params, uniforms.squeeze(-1))

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        return params / temperature

    def mean(self, params: Tensor) -> Tensor:
        return params.softmax(-1) @ torch.arange(self.n, dtype=params.dtype, device=params.device)

    def interval(self, params: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        cdf = F.pad(params.double().softmax(-1).cumsum(-1), (1, 0))
        cdf = cdf / cdf[..., -1:]
        k = cell.long()[..., None]
        return cdf.gather(-1, k).squeeze(-1), cdf.gather(-1, k + 1).squeeze(-1)


@final
@dataclass(frozen=True)
class LogisticMixtureHead(Head):
    """A mixture of logistics, integrated over each level; the end levels take the tails (Salimans et al., eq. 2).

    Args:
        n: The number of levels.
        components: The number K of logistics.
        min_log_scale: The floor of the log scale, where levels span [-1, 1].
    """

    n: int
    components: int = 10
    min_log_scale: float = -7.0
    uniforms: ClassVar[int] = 2

    def __post_init__(self) -> None:
        require_components(self.components)

    @property
    def width(self) -> int:
        return 3 * self.components

    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        logits, mean, log_scale = split_mixture(params, self.min_log_scale)
        x = cell.to(params.dtype)[..., None] * (2 / (self.n - 1)) - 1
        inverse = (-log_scale).exp()
        upper = (x + 1 / (self.n - 1) - mean) * inverse
        lower = (x - 1 / (self.n - 1) - mean) * inverse
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), and each factor has a stable log; a - b is
        # the width of a level, not a difference of rounded numbers.
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-2 / (self.n - 1) * inverse))
        ends = torch.where(cell[..., None] == 0, F.logsigmoid(upper), F.logsigmoid(-lower))
        is_end = (cell == 0) | (cell == self.n - 1)
        return torch.logsumexp(logits.log_softmax(-1) + torch.where(is_end[..., None], ends, inside), -1)

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        logits, mean, log_scale = split_mixture(params, self.min_log_scale)
        k = inverse_cdf(logits, uniforms[..., 0])[..., None]
        u = uniforms[..., 1]
        value = mean.gather(-1, k).squeeze(-1) + log_scale.gather(-1, k).squeeze(-1).exp() * (u.log() - (-u).log1p())
        return ((value + 1) * ((self.n - 1) / 2)).round().clamp(0, self.n - 1).to(torch.uint8)

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        logits, mean, log_scale = split_mixture(params, self.min_log_scale)
        return torch.cat([logits / temperature, mean, log_scale + math.log(temperature)], -1)

    def mean(self, params: Tensor) -> Tensor:
        logits, mean, log_scale = split_mixture(params, self.min_log_scale)
        cuts = (torch.arange(self.n - 1, dtype=params.dtype, device=params.device) + 0.5) * (2 / (self.n - 1)) - 1
        above = torch.sigmoid((mean[..., None] - cuts) * (-log_scale).exp()[..., None])  # (..., K, n - 1)
        return (logits.softmax(-1) * above.sum(-1)).sum(-1)  # E x = sum over cuts of P(x > cut)

    def interval(self, params: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        logits, mean, log_scale = split_mixture(params.double(), self.min_log_scale)

        def below(level: Tensor) -> Tensor:  # P(x < level), the end levels taking the tails
            cut = (level.double() - 0.5) * (2 / (self.n - 1)) - 1
            part = torch.sigmoid((cut[..., None] - mean) * (-log_scale).exp())
            whole = (logits.softmax(-1) * part).sum(-1)
            return torch.where(level <= 0, 0.0, torch.where(level >= self.n, 1.0, whole))

        level = cell.long()
        return below(level), below(level + 1)


@final
@dataclass(frozen=True)
class GaussianMixtureHead(Head):
    """A mixture of Gaussians over a standardised real.

    Args:
        components: The number K of Gaussians.
        min_log_scale: The floor of the log standard deviation.
    """

    components: int = 10
    min_log_scale: float = -7.0
    uniforms: ClassVar[int] = 2

    def __post_init__(self) -> None:
        require_components(self.components)

    @property
    def width(self) -> int:
        return 3 * self.components

    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        logits, mean, log_scale = split_mixture(params, self.min_log_scale)
        z = (cell.to(params.dtype)[..., None] - mean) * (-log_scale).exp()
        return torch.logsumexp(logits.log_softmax(-1) - 0.5 * z**2 - log_scale, -1) - 0.5 * math.log(2 * math.pi)

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        logits, mean, log_scale = split_mixture(params, self.min_log_scale)
        k = inverse_cdf(logits, uniforms[..., 0])[..., None]
        z = torch.special.ndtri(uniforms[..., 1])
        return mean.gather(-1, k).squeeze(-1) + log_scale.gather(-1, k).squeeze(-1).exp() * z

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        logits, mean, log_scale = split_mixture(params, self.min_log_scale)
        return torch.cat([logits / temperature, mean, log_scale + 0.5 * math.log(temperature)], -1)

    def mean(self, params: Tensor) -> Tensor:
        logits, mean, _ = split_mixture(params, self.min_log_scale)
        return (logits.softmax(-1) * mean).sum(-1)

    def interval(self, params: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        raise ValueError("a real has a density and no mass, so no coder can place it. Round it to levels first.")


def default_head(space: Space, components: int = 10) -> Head:
    """Chooses the head of a space.

    Args:
        space: What one event is.
        components: The components of a mixture, where the head is one.

    Returns:
        A head over one variable of an event.
    """
    match space:
        case Binary():
            return BernoulliHead()
        case Levels(n=n):
            return CategoricalHead(n) if n <= 32 else LogisticMixtureHead(n, components)
        case Symbols(n=n):
            return CategoricalHead(n)
        case Real():
            return GaussianMixtureHead(components)
        case Table():
            return TableHead.over(space.fields, components)
    raise ValueError(f"no head is known for the space {space}.")


def coder_head(space: Space) -> Head:
    """Chooses the head of a variable given a code: one component, since the code already mixes."""
    return GaussianMixtureHead(1, min_log_scale=-4) if isinstance(space, Real) else default_head(space, components=1)


def nearest_events(space: Space, head: Head, params: Tensor) -> Tensor:
    """The events nearest the means of numbers (B, D, head.width), of symbols the most probable: (B, *space.shape)."""
    if isinstance(space, Symbols):
        return space.events(params.argmax(-1))
    cells = head.mean(params)
    return space.events(cells.round() if space.is_discrete and not isinstance(space, Table) else cells)
