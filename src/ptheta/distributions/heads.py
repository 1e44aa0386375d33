"""Heads: the conditional distribution of one cell, fed by a network.

A head turns ``width`` numbers from a network into a distribution over one variable of an event. The space chooses it:

    Binary                 Bernoulli
    Levels, n <= 32        categorical
    Levels, n > 32         mixture of discretised logistics (ordered: 3 K numbers, whatever n)
    Symbols                categorical
    Real                   mixture of Gaussians, on standardised values

Samples are deterministic functions of uniforms, by inverse distribution functions, so cached and naive samplers agree.

References:
    PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood (Salimans et al., 2017)
    https://arxiv.org/abs/1701.05517
    Mixture Density Networks (Bishop, 1994) https://publications.aston.ac.uk/id/eprint/373/
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.spaces import Binary, Levels, Real, Space, Symbols

__all__ = [
    "BernoulliHead",
    "CategoricalHead",
    "GaussianMixtureHead",
    "Head",
    "LogisticMixtureHead",
    "default_head",
]

MAX_LOG_SCALE = 7.0  # a thousand standard deviations: without an end, a scale linear in the past feeds on itself


class Head(ABC):
    """A distribution over one cell, given ``width`` parameters. ``uniforms`` is how many a sample uses up."""

    uniforms: ClassVar[int] = 1

    @property
    @abstractmethod
    def width(self) -> int:
        """How many parameters one cell takes."""

    @abstractmethod
    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        """The log-probability (density on reals) of cells (...), given parameters with shape (..., width)."""

    @abstractmethod
    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        """Cells with shape (...), from parameters (..., width) and uniforms (..., self.uniforms)."""

    @abstractmethod
    def temper(self, params: Tensor, temperature: float) -> Tensor:
        """Parameters of p^(1/temperature), normalised; of a mixture, its weights and each of its parts are tempered."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """The expected cell, in the unit of cells, with shape (...). A mean is not a sample: label it."""


@final
@dataclass(frozen=True)
class BernoulliHead(Head):
    """A bit, from its logit."""

    @property
    def width(self) -> int:
        return 1

    def log_prob(self, params: Tensor, cell: Tensor) -> Tensor:
        logits = params.squeeze(-1)
        return F.binary_cross_entropy_with_logits(logits, cell.to(logits.dtype), reduction="none").neg_()

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        return (uniforms.squeeze(-1) < params.squeeze(-1).sigmoid()).to(torch.uint8)

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        return params / temperature

    def mean(self, params: Tensor) -> Tensor:
        return params.squeeze(-1).sigmoid()


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
        return params.log_softmax(-1).gather(-1, cell.long()[..., None]).squeeze(-1)

    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        return inverse_cdf(params, uniforms.squeeze(-1))

    def temper(self, params: Tensor, temperature: float) -> Tensor:
        return params / temperature

    def mean(self, params: Tensor) -> Tensor:
        return params.softmax(-1) @ torch.arange(self.n, dtype=params.dtype, device=params.device)


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


def require_components(components: int) -> None:
    """Raises ValueError, in a sentence, unless a mixture has a component."""
    if components < 1:
        raise ValueError(f"components of a mixture should be at least 1, but it is {components}.")


def split_mixture(params: Tensor, min_log_scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Cuts the parameters of a mixture (..., 3 K) into logits, means and log scales, with shape (..., K) each."""
    logits, mean, log_scale = params.chunk(3, -1)
    return logits, mean, log_scale.clamp(min_log_scale, MAX_LOG_SCALE)


def inverse_cdf(logits: Tensor, u: Tensor) -> Tensor:
    """The category whose slice of [0, 1] holds u: logits (..., n) and uniforms (...) give int64 with shape (...)."""
    cdf = logits.softmax(-1).cumsum(-1)
    return (cdf[..., :-1] <= u[..., None] * cdf[..., -1:]).sum(-1)


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
    raise ValueError(f"no head is known for the space {space}.")
