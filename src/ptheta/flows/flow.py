"""Normalising flows: noise pushed through an invertible map, whose density follows by the change of variables.

A flow maps an event x, standardised and flattened to D numbers, to noise z = f(x) of the same size. With z standard
normal,

    log p(x) = log N(f(x); 0, I) + log |det df/dx|,

exactly; nothing is assumed but that f is invertible and smooth nearly everywhere. Composing maps adds their log
determinants, so f is a chain of bijections, each with a Jacobian whose determinant is cheap: a permutation, or a map in
which each variable goes through a monotone function of one number (``Monotone``) whose parameters are computed from
other variables. Which others decides what costs what:

    coupling          parameters of one half from the other half     scoring and sampling take one pass each
    autoregressive    parameters of x_i from those before it         one of the two takes a pass, the other D steps

Here ``forward`` always goes from events to noise (scoring, training) and ``inverse`` from noise to events (sampling).
No layer normalises by statistics of the batch: every example's loss is its own, and training and evaluation agree.

References:
    Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015) https://arxiv.org/abs/1505.05770
    Normalizing Flows for Probabilistic Modeling and Inference (Papamakarios et al., 2019)
    https://arxiv.org/abs/1912.02762
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from ptheta.model import LossModel, in_parts
from ptheta.nn.contexts import Reader, read
from ptheta.noise import Noise
from ptheta.optimizers import Optimizer
from ptheta.spaces import Real, Space, require

__all__ = ["Affine", "Bijection", "Chain", "Flow", "LULinear", "Monotone", "Permutation", "near_zero"]

CHUNK = 65536  # numbers of an event times events that are inverted at once


class Bijection(nn.Module, ABC):
    """An invertible map of vectors, with the log of how much it stretches volume."""

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """One step from events towards noise.

        Args:
            x: Vectors with shape (B, D).
            context: What was read of contexts, with shape (B, F) or (B, C, H, W), or None.

        Returns:
            z with shape (B, D), and log |det dz/dx| with shape (B,).
        """

    @abstractmethod
    def inverse(self, z: Tensor, context: Tensor | None) -> Tensor:
        """Undoes ``forward``: z with shape (B, D) and what was read of contexts give x with shape (B, D)."""


@final
class Chain(Bijection):
    """Bijections one after the other, the one nearest the events first."""

    def __init__(self, bijections: Iterable[Bijection]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(bijections)

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        z, log_det = x, x.new_zeros(len(x))
        for bijection in self.steps:
            if isinstance(bijection, Permutation):
                z = bijection.move(z)  # stretches nothing, and a small flow is a few dozen calls
                continue
            z, stretch = bijection(z, context)
            log_det = log_det + stretch
        return z, log_det

    def inverse(self, z: Tensor, context: Tensor | None) -> Tensor:
        for bijection in reversed(self.steps):
            assert isinstance(bijection, Bijection)
            z = bijection.inverse(z, context)
        return z


class Monotone(ABC):
    """An increasing function of one number, given ``width`` parameters, which run along axis 1."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many parameters one number takes."""

    @abstractmethod
    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """z and log dz/dx, each with the shape of x: numbers (B, *) and their parameters (B, width, *)."""

    @abstractmethod
    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """Undoes ``forward``: z with shape (B, *) and parameters (B, width, *) give x with shape (B, *)."""


@final
@dataclass(frozen=True)
class Affine(Monotone):
    """z = (x - shift) exp(-log_scale): the conditional of x is Gaussian.

    Args:
        bound: The log scale stays within this distance of zero, softly, so that no chain of them overflows.
    """

    bound: float = 3.0

    @property
    def width(self) -> int:
        return 2

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = params.unbind(1)
        log_slope = torch.tanh(log_scale / self.bound) * -self.bound
        return (x - shift) * torch.exp(log_slope), log_slope  # RealNVP eq. 8, MAF eq. 4 solved for z

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        shift, log_scale = params.unbind(1)
        return torch.addcmul(shift, z, torch.exp(self.bound * torch.tanh(log_scale / self.bound)))


@final
class Permutation(Bijection):
    """Puts the variables into another fixed order.

    Args:
        index: Which variable comes first, second, ..., with shape (D,).
    """

    index: Tensor
    back: Tensor

    def __init__(self, index: Tensor) -> None:
        super().__init__()
        self.register_buffer("index", index.clone())
        self.register_buffer("back", index.argsort())

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.move(x), x.new_zeros(len(x))

    def move(self, x: Tensor) -> Tensor:
        """Puts the variables of x (B, D) into the new order."""
        return x.index_select(1, self.index)

    def inverse(self, z: Tensor, context: Tensor | None) -> Tensor:
        return z.index_select(1, self.back)


@final
class LULinear(Bijection):
    """An invertible matrix z = P L U x + b: P a fixed random permutation, L and U triangular (the identity at first).

    The determinant is the product of U's diagonal, which is kept positive.

    Args:
        d: The number of variables.
    """

    index: Tensor

    def __init__(self, d: int) -> None:
        super().__init__()
        self.register_buffer("index", torch.randperm(d))
        self.entries = nn.Parameter(torch.zeros(d, d))  # below the diagonal those of L, above it those of U
        self.log_diagonal = nn.Parameter(torch.zeros(d))
        self.bias = nn.Parameter(torch.zeros(d))

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U, each with shape (D, D)."""
        one = torch.eye(len(self.bias), dtype=self.bias.dtype, device=self.bias.device)
        return self.entries.tril(-1) + one, self.entries.triu(1) + self.log_diagonal.exp().diag()

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        lower, upper = self.factors()
        z = (x @ upper.T @ lower.T)[:, self.index] + self.bias
        return z, self.log_diagonal.sum().expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None) -> Tensor:
        lower, upper = self.factors()
        y = (z - self.bias)[:, self.index.argsort()].T
        y = torch.linalg.solve_triangular(lower, y, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, y, upper=True).T


class Flow(LossModel):
    """A chain of bijections from events to standard normal noise. A flow is a constructor that builds its chain.

    Args:
        space: Real; levels and bits are modelled through ``TrainedDequantized``.
        reader: How contexts are read, or None where there are none.
        bijections: The chain, the one nearest the events first.
        optimizer: The gradient rule.
    """

    @abstractmethod
    def __init__(
        self, space: Space, reader: Reader | None, bijections: Iterable[Bijection], optimizer: Optimizer
    ) -> None:
        super().__init__()
        require(space, Real, who=type(self).__name__)
        self.space, self.reader, self.optimizer = space, reader, optimizer
        self.context_space = None if reader is None else reader.space
        self.code_space = Real((space.dimensions,))
        self.chain = Chain(bijections)

    @final
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log-density log p(x | context) in nats, in the unit of x, with shape (B,).

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape).

        Returns:
            Log-densities.
        """
        self.check(x, context)
        return in_parts(self._log_prob, x, context, self.space.dimensions)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        z, log_det = self.encode_and_log_det(x, context)
        constant = 0.5 * math.log(2 * math.pi) * self.space.dimensions + self.space.log_volume
        return torch.sub(log_det, z.square().sum(1), alpha=0.5) - constant

    @final
    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-likelihood in nats, with shape (B,); ``noise`` is not used."""
        return -self.log_prob(x, context)

    @final
    def encode_and_log_det(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The noise of each event, and log |det| of its derivative by the standardised event.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape).

        Returns:
            z with shape (B, D), and the log determinant with shape (B,).
        """
        self.check(x, context)
        like = next(self.parameters())
        cells = self.space.embed(x, like.dtype).reshape(len(x), self.space.dimensions)
        return self.chain(cells, read(self.reader, context))

    @final
    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The noise z = f(x) of each event, with shape (B, D)."""
        return self.encode_and_log_det(x, context)[0]

    @final
    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event of each noise, the exact inverse of ``encode``, with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        return self.space.events(self.chain.inverse(z, read(self.reader, context)))

    @final
    @torch.no_grad()
    def sample(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, temperature: float = 1.0
    ) -> Tensor:
        """Draws events: noise, decoded.

        Args:
            n: How many.
            context: One context per event, with shape (n, *context_space.shape).
            noise: Where the draws come from; None is torch's global generator.
            temperature: The standard deviation of the noise; below 1 samples are more probable and less diverse.

        Returns:
            Events with shape (n, *space.shape).
        """
        self.check_context(n, context)
        if not temperature > 0:
            raise ValueError(f"temperature should be positive, but it is {temperature:g}.")
        noise, like, d = noise or Noise(None), next(self.parameters()), self.space.dimensions
        step = min(max(1, CHUNK // d), 1000)
        chunks = []
        for start in range(0, max(n, 1), step):
            rows = slice(start, min(start + step, n))
            z = temperature * noise.rows(start).normal((rows.stop - start, d), "noise", like=like)
            chunks.append(self.decode(z, None if context is None else context[rows]))
        return torch.cat(chunks)


def near_zero(layer: nn.Module, factor: float = 0.01) -> None:
    """Shrinks a network's last layer, so that the bijection it steers starts near the identity."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(factor)
