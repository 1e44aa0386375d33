"""What a head is: the conditional distribution of one cell, fed by a network. ``heads`` has those of each space."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

__all__ = ["Head", "inverse_cdf", "require_components", "split_mixture"]

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
        """The log-probability (density on reals) of cells, broadcast to (...), given parameters (..., width)."""

    @abstractmethod
    def sample(self, params: Tensor, uniforms: Tensor) -> Tensor:
        """Cells with shape (...), from parameters (..., width) and uniforms (..., self.uniforms)."""

    @abstractmethod
    def temper(self, params: Tensor, temperature: float) -> Tensor:
        """Parameters of p^(1/temperature), normalised; of a mixture, its weights and each of its parts are tempered."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """The expected cell, in the unit of cells, with shape (...). A mean is not a sample: label it."""

    @abstractmethod
    def interval(self, params: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Where an entropy coder puts cells (...): the ends of their part of [0, 1], in float64.

        The parts of all values lie side by side, as wide as values are probable. Raises ValueError for a density.
        """

    def of(self, i: int) -> "Head":
        """The head of variable i: itself, where all variables are alike."""
        return self


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
