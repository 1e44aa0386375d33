"""f-divergences, their conjugates, and the bound that a critic can learn.

For a convex f with f(1) = 0 the divergence of P from Q is

    D_f(P || Q) = E_q f(p / q),

and since f(u) = sup_t (t u - f*(t)), any critic T with values in the domain of the conjugate f* bounds it from below:

    D_f(P || Q) >= F(T) = E_p T - E_q f*(T),     with equality at T = f'(p / q).

A network with an unbounded output v becomes such a critic by the output activation T = g_f(v). Each divergence is a
frozen record without fields: f, f', f*, g_f, the composition f*(g_f(v)) in a stable form, and the ratio p / q that an
output v stands for. All activations increase: a large v says "from P". Everything is in nats.

Conventions, since authors differ:
    * ``JensenShannon`` is the f-GAN paper's. It is twice the usual Jensen-Shannon divergence, which averages
      KL(p || m) and KL(q || m), m = (p + q) / 2, and is at most log 2.
    * ``GANDivergence`` is the value of the original game, twice the usual one minus log 4; its f(1) is -log 4, not 0.
    * ``Pearson`` is E_q (p / q - 1)^2, ``Neyman`` is E_p (q / p - 1)^2 and ``SquaredHellinger`` has no factor 1/2.
    * ``TotalVariation`` is half the L1 distance.

Not assumed: that P and Q share their support. Where q = 0 < p, each unit of p counts the slope of f at infinity, which
is the upper end of the domain of f*.

References:
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization (Nowozin et al., 2016)
    https://arxiv.org/abs/1606.00709
    Estimating divergence functionals and the likelihood ratio by convex risk minimization (Nguyen et al., 2010)
    https://arxiv.org/abs/0809.0853
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "FDivergence",
    "GANDivergence",
    "Jeffrey",
    "JensenShannon",
    "KL",
    "Neyman",
    "Pearson",
    "ReverseKL",
    "SquaredHellinger",
    "TotalVariation",
]


class FDivergence(ABC):
    """A divergence D_f(P || Q) = E_q f(p / q) with its conjugate. ``domain`` is where f* is finite, as an interval."""

    domain: ClassVar[tuple[float, float]]

    @abstractmethod
    def f(self, u: Tensor) -> Tensor:
        """The generator f(u) at ratios u >= 0."""

    @abstractmethod
    def derivative(self, u: Tensor) -> Tensor:
        """f'(u); at u = p / q it is the optimal critic."""

    @abstractmethod
    def conjugate(self, t: Tensor) -> Tensor:
        """f*(t) = sup_u (t u - f(u)) for t in the domain."""

    @abstractmethod
    def activation(self, v: Tensor) -> Tensor:
        """g_f(v): maps any real v into the domain of f*, increasing."""

    @abstractmethod
    def penalty(self, v: Tensor) -> Tensor:
        """f*(g_f(v)), what the critic pays on samples of Q, without overflow on the way."""

    @abstractmethod
    def ratio(self, v: Tensor) -> Tensor:
        """The ratio p / q for which g_f(v) is the optimal critic."""

    @final
    def between(self, p: Tensor, q: Tensor, weights: Tensor | None = None) -> Tensor:
        """The divergence of two tables, or of two densities on the nodes of a quadrature.

        Args:
            p: Probabilities or densities, with shape (..., m).
            q: The same for Q, with shape (..., m).
            weights: Quadrature weights with shape (m,); ones if None.

        Returns:
            D_f(P || Q) in nats, with shape (...); infinite where it is.
        """
        both = (p > 0) | (q > 0)
        inside = q * self.f(p / torch.where(q > 0, q, 1.0))
        outside = torch.where(p > 0, p, 1.0) * self.domain[1]
        terms = torch.where(q > 0, inside, outside)
        terms = torch.where(both, terms, 0.0)
        return (terms if weights is None else terms * weights).sum(-1)

    @final
    def between_densities(
        self,
        log_p: Callable[[Tensor], Tensor],
        log_q: Callable[[Tensor], Tensor],
        low: float,
        high: float,
        points: int = 20_001,
    ) -> float:
        """The divergence of two densities on the line, by the trapezoid rule in float64.

        Args:
            log_p: The log-density of P, of a tensor of points.
            log_q: The log-density of Q.
            low: The left end. Choose both ends so that the tails beyond do not matter.
            high: The right end.
            points: The number of nodes.

        Returns:
            D_f(P || Q) in nats.
        """
        x = torch.linspace(low, high, points, dtype=torch.float64)
        weights = torch.full_like(x, (high - low) / (points - 1))
        weights[[0, -1]] /= 2
        return float(self.between(log_p(x).exp(), log_q(x).exp(), weights))

    @final
    def critic(self, p: Tensor, q: Tensor) -> Tensor:
        """The optimal critic T = f'(p / q), with the shape of p; the end of the domain where q = 0."""
        t = self.derivative(p / torch.where(q > 0, q, 1.0))
        return torch.where(q > 0, t, torch.full_like(t, self.domain[1]))  # eq. 5

    @final
    def bound(self, p: Tensor, q: Tensor, t: Tensor, weights: Tensor | None = None) -> Tensor:
        """F(T) = E_p T - E_q f*(T), never above the divergence.

        Args:
            p: Probabilities or densities, with shape (..., m).
            q: The same for Q, with shape (..., m).
            t: Critic values in the domain of f*, with shape (..., m).
            weights: Quadrature weights with shape (m,); ones if None.

        Returns:
            The bound in nats, with shape (...).
        """
        gain = torch.where(p > 0, p * t, 0.0)
        cost = torch.where(q > 0, q * self.conjugate(t), 0.0)
        terms = gain - cost  # eq. 4
        return (terms if weights is None else terms * weights).sum(-1)


@final
@dataclass(frozen=True)
class KL(FDivergence):
    """KL(P || Q) = E_p log(p / q). Minimising it over Q is maximum likelihood: Q covers all of P.

    Example:
        >>> p, q = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
        >>> round(float(KL().between(p, q)), 4)
        0.1308
    """

    domain: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, u)

    def derivative(self, u: Tensor) -> Tensor:
        return 1 + u.log()

    def conjugate(self, t: Tensor) -> Tensor:
        return (t - 1).exp()

    def activation(self, v: Tensor) -> Tensor:
        return v

    def penalty(self, v: Tensor) -> Tensor:
        return (v - 1).exp()

    def ratio(self, v: Tensor) -> Tensor:
        return (v - 1).exp()


@final
@dataclass(frozen=True)
class ReverseKL(FDivergence):
    """KL(Q || P) = E_q log(q / p). Minimising it over Q picks a mode of P."""

    domain: ClassVar[tuple[float, float]] = (-math.inf, 0.0)

    def f(self, u: Tensor) -> Tensor:
        return -u.log()

    def derivative(self, u: Tensor) -> Tensor:
        return -1 / u

    def conjugate(self, t: Tensor) -> Tensor:
        return -1 - (-t).log()

    def activation(self, v: Tensor) -> Tensor:
        return -(-v).exp()

    def penalty(self, v: Tensor) -> Tensor:
        return v - 1

    def ratio(self, v: Tensor) -> Tensor:
        return v.exp()


@final
@dataclass(frozen=True)
class JensenShannon(FDivergence):
    """KL(P || M) + KL(Q || M) with M = (P + Q) / 2: ``times_usual`` the usual Jensen-Shannon divergence."""

    domain: ClassVar[tuple[float, float]] = (-math.inf, math.log(2))
    times_usual: ClassVar[float] = 2.0

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, 2 * u / (1 + u)) - ((1 + u) / 2).log()

    def derivative(self, u: Tensor) -> Tensor:
        return (2 * u / (1 + u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return -(2 - t.exp()).log()

    def activation(self, v: Tensor) -> Tensor:
        return math.log(2) + F.logsigmoid(v)

    def penalty(self, v: Tensor) -> Tensor:
        return F.softplus(v) - math.log(2)

    def ratio(self, v: Tensor) -> Tensor:
        return v.exp()


@final
@dataclass(frozen=True)
class GANDivergence(FDivergence):
    """The value max_D E_p log D + E_q log(1 - D) of the original game: 2 JS - log 4 with the usual JS."""

    domain: ClassVar[tuple[float, float]] = (-math.inf, 0.0)

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, u / (1 + u)) - u.log1p()

    def derivative(self, u: Tensor) -> Tensor:
        return (u / (1 + u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return -(-t.expm1()).log()

    def activation(self, v: Tensor) -> Tensor:
        return F.logsigmoid(v)

    def penalty(self, v: Tensor) -> Tensor:
        return F.softplus(v)

    def ratio(self, v: Tensor) -> Tensor:
        return v.exp()


@final
@dataclass(frozen=True)
class Pearson(FDivergence):
    """E_q (p / q - 1)^2.

    The conjugate is the paper's, that of the parabola on the whole line. Below t = -2 the supremum over ratios u >= 0
    would be the smaller bound -1; the parabola keeps a gradient there and bounds the divergence all the same.
    """

    domain: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def f(self, u: Tensor) -> Tensor:
        return (u - 1).square()

    def derivative(self, u: Tensor) -> Tensor:
        return 2 * (u - 1)

    def conjugate(self, t: Tensor) -> Tensor:
        return t.square() / 4 + t

    def activation(self, v: Tensor) -> Tensor:
        return v

    def penalty(self, v: Tensor) -> Tensor:
        return v.square() / 4 + v

    def ratio(self, v: Tensor) -> Tensor:
        return v / 2 + 1


@final
@dataclass(frozen=True)
class Neyman(FDivergence):
    """E_p (q / p - 1)^2, the reverse of Pearson's."""

    domain: ClassVar[tuple[float, float]] = (-math.inf, 1.0)

    def f(self, u: Tensor) -> Tensor:
        return (1 - u).square() / u

    def derivative(self, u: Tensor) -> Tensor:
        return 1 - u.pow(-2)

    def conjugate(self, t: Tensor) -> Tensor:
        return 2 - 2 * (1 - t).sqrt()

    def activation(self, v: Tensor) -> Tensor:
        return -(-v).expm1()

    def penalty(self, v: Tensor) -> Tensor:
        return 2 - 2 * (-v / 2).exp()

    def ratio(self, v: Tensor) -> Tensor:
        return (v / 2).exp()


@final
@dataclass(frozen=True)
class SquaredHellinger(FDivergence):
    """The integral of (sqrt p - sqrt q)^2, at most 2."""

    domain: ClassVar[tuple[float, float]] = (-math.inf, 1.0)

    def f(self, u: Tensor) -> Tensor:
        return (u.sqrt() - 1).square()

    def derivative(self, u: Tensor) -> Tensor:
        return 1 - u.rsqrt()

    def conjugate(self, t: Tensor) -> Tensor:
        return t / (1 - t)

    def activation(self, v: Tensor) -> Tensor:
        return -(-v).expm1()

    def penalty(self, v: Tensor) -> Tensor:
        return v.expm1()

    def ratio(self, v: Tensor) -> Tensor:
        return (2 * v).exp()


@final
@dataclass(frozen=True)
class Jeffrey(FDivergence):
    """KL(P || Q) + KL(Q || P). Its conjugate holds Lambert's W: with w = W(exp(1 - t)), f* = w + 1/w + t - 2."""

    domain: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def f(self, u: Tensor) -> Tensor:
        return (u - 1) * u.log()

    def derivative(self, u: Tensor) -> Tensor:
        return 1 - 1 / u + u.log()

    def conjugate(self, t: Tensor) -> Tensor:
        s = _log_lambert(1 - t)
        return s.exp() + (-s).exp() + t - 2

    def activation(self, v: Tensor) -> Tensor:
        return v

    def penalty(self, v: Tensor) -> Tensor:
        return self.conjugate(v)

    def ratio(self, v: Tensor) -> Tensor:
        return (-_log_lambert(1 - v)).exp()


@final
@dataclass(frozen=True)
class TotalVariation(FDivergence):
    """Half the L1 distance, at most 1. Its critic says which density is larger, not by how much."""

    domain: ClassVar[tuple[float, float]] = (-0.5, 0.5)

    def f(self, u: Tensor) -> Tensor:
        return (u - 1).abs() / 2

    def derivative(self, u: Tensor) -> Tensor:
        return (u - 1).sign() / 2

    def conjugate(self, t: Tensor) -> Tensor:
        return t

    def activation(self, v: Tensor) -> Tensor:
        return v.tanh() / 2

    def penalty(self, v: Tensor) -> Tensor:
        return v.tanh() / 2

    def ratio(self, v: Tensor) -> Tensor:
        raise ValueError("a critic of TotalVariation does not know the ratio p / q; choose another divergence or cost.")


def _log_lambert(y: Tensor) -> Tensor:
    """log W(exp(y)), the root s of exp(s) + s = y, by Newton steps from above; the last one carries the gradient."""
    with torch.no_grad():
        s = torch.where(y <= 1, y, y.clamp(min=1).log())
        for _ in range(8):
            s = s - (s.exp() + s - y) / (s.exp() + 1)
    return s - (s.exp() + s - y) / (s.exp() + 1)
