"""Synthetic sets whose true distribution is known: scores and entropies to compare a model with.

    ring            eight Gaussians on a circle                       (VEEGAN, 2017)
    grid            twenty-five Gaussians on a 5 x 5 lattice          (VEEGAN, 2017)
    moons           two interlocked half circles, blurred
    mixture-1d      .33 N(-1, .065) + .67 N(2, 2), variances          (f-GAN, 2016)
    two-gaussians   .5 N(-3, 1) + .5 N(3, 1)
    bars            bars or stripes, each line on or off              (MacKay, 2003)

``truth(name)`` is the distribution: ``log_prob`` is exact (moons: to 1e-12), ``entropy`` is closed or by quadrature.
No model can score better on average than ``-entropy()`` on fresh data. Draws are keyed by (name, split, example), so
every machine has the same rows, and a larger ``n`` only adds rows.

The moons are arcs convolved with a Gaussian; Gauss-Legendre quadrature over the angle turns that integral into a
finite mixture that equals it to rounding, because the blur is wide against the distance of the nodes.

References:
    VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning (Srivastava et al., 2017)
    https://arxiv.org/abs/1705.07761
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization (Nowozin et al., 2016)
    https://arxiv.org/abs/1606.00709
    Information Theory, Inference, and Learning Algorithms (MacKay, 2003), section 43
"""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.unpack import most_bytes
from ptheta.noise import Noise
from ptheta.spaces import Binary, Real, Space, Tokens

__all__ = ["BarsAndStripes", "GaussianMixture", "Truth", "synthetic", "truth"]


class Truth(ABC):
    """A known distribution over events of one space."""

    space: Space

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log-likelihood of events in nats, in float64, with shape (B,)."""

    @abstractmethod
    def entropy(self) -> float:
        """The entropy in nats per event, exact or by quadrature."""

    @abstractmethod
    def sample(self, n: int, *, noise: Noise | None = None) -> Tensor:
        """Draws n events; row i does not depend on n."""


@final
class GaussianMixture(Truth):
    """A mixture of round Gaussians.

    Args:
        weights: K weights, with sum 1.
        means: Means with shape (K, D); D is 1 or 2.
        stds: K standard deviations.

    Example:
        >>> round(truth("two-gaussians").entropy(), 4)
        2.1082
    """

    def __init__(self, weights: Tensor, means: Tensor, stds: Tensor) -> None:
        self.weights, self.means, self.stds = weights.double(), means.double(), stds.double()
        self.space = Real((means.shape[1],))

    def log_prob(self, x: Tensor) -> Tensor:
        self.space.check(x)
        return torch.cat([self._log_prob(rows) for rows in x.double().split(100_000)])

    def _log_prob(self, x: Tensor) -> Tensor:
        d = x.shape[1]
        square = sum((x[:, None, k] - self.means[:, k]) ** 2 for k in range(d))  # (B, K)
        constant = self.weights.log() - d * self.stds.log() - 0.5 * d * math.log(2 * math.pi)
        return torch.logsumexp(constant - 0.5 * square / self.stds**2, 1)

    def entropy(self) -> float:
        """The entropy in nats, by the trapezoid rule on nine deviations around every mean."""
        d = self.means.shape[1]
        line = torch.linspace(-9, 9, 4001 if d == 1 else 55, dtype=torch.float64)
        z = torch.cartesian_prod(*[line] * d).reshape(-1, d)
        mass = torch.exp(-0.5 * (z**2).sum(1))
        mass = mass / mass.sum()
        terms = [
            w * (mass @ self._log_prob(m + s * z)) for w, m, s in zip(self.weights, self.means, self.stds, strict=True)
        ]
        return -float(sum(terms))

    def sample(self, n: int, *, noise: Noise | None = None) -> Tensor:
        noise = noise or Noise(None)
        u = noise.uniform((n,), "component", like=self.weights)
        k = torch.searchsorted(self.weights.cumsum(0)[:-1].contiguous(), u, right=True)
        z = noise.normal((n, self.means.shape[1]), "z", like=self.weights)
        return (self.means[k] + self.stds[k, None] * z).float()


@final
class BarsAndStripes(Truth):
    """Bars or stripes, with probability one half each; then each line is on with probability one half.

    Args:
        size: The height and width.
    """

    def __init__(self, size: int = 4) -> None:
        self.size = size
        self.space = Binary((1, size, size))

    def log_prob(self, x: Tensor) -> Tensor:
        """In nats, with shape (B,); minus infinity for what is neither."""
        self.space.check(x)
        image = x[:, 0].double()
        bars = (image == image[:, :1]).all(2).all(1)  # every row equals the first
        stripes = (image == image[:, :, :1]).all(2).all(1)
        return (bars.double() + stripes.double()).log() - (self.size + 1) * math.log(2)

    def entropy(self) -> float:
        """Exact: 2^(size+1) - 2 pictures, of which blank and full are twice as likely."""
        p = 2.0 ** -(self.size + 1)
        return -(2 ** (self.size + 1) - 4) * p * math.log(p) - 4 * p * math.log(2 * p)

    def sample(self, n: int, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise(None)).uniform((n, self.size + 1), "lines")
        lines = (u[:, 1:] < 0.5)[:, None, :].expand(n, self.size, self.size)
        return torch.where(u[:, :1, None] < 0.5, lines, lines.mT)[:, None].to(torch.uint8).contiguous()


@final
class Copy(Truth):
    """Tokens that repeat those ``lag`` places before, now and then drawn afresh: what a model must remember.

    Args:
        length: How many tokens one event has.
        lag: How far back the copied token lies.
        tokens: How many different tokens there are.
        fresh: How often a token is drawn afresh instead of copied.
    """

    def __init__(self, length: int = 32, lag: int = 8, tokens: int = 4, fresh: float = 0.1) -> None:
        if not (1 <= lag < length and tokens >= 2 and 0 < fresh <= 1):
            raise ValueError(
                "copied sequences need 1 <= lag < length, at least 2 tokens and 0 < fresh <= 1, but "
                f"lag is {lag}, length {length}, tokens {tokens} and fresh {fresh:g}."
            )
        self.length, self.lag, self.tokens, self.fresh = length, lag, tokens, fresh
        self.space = Tokens(length, tokens)

    def log_prob(self, x: Tensor) -> Tensor:
        """In nats, with shape (B,)."""
        self.space.check(x)
        copied = (x[:, self.lag :] == x[:, : -self.lag]).double()
        return ((1 - self.fresh) * copied + self.fresh / self.tokens).log().sum(1) - self.lag * math.log(self.tokens)

    def entropy(self) -> float:
        """Exact: log n for each of the first ``lag`` tokens, and the same less for every later one."""
        other = self.fresh / self.tokens
        same = 1 - self.fresh + other
        later = -same * math.log(same) - (self.tokens - 1) * other * math.log(other)
        return self.lag * math.log(self.tokens) + (self.length - self.lag) * later

    def sample(self, n: int, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise(None)).uniform((n, self.length, 2), "tokens")
        x = (u[..., 0] * self.tokens).long().clamp(max=self.tokens - 1)
        for i in range(self.lag, self.length):
            x[:, i] = torch.where(u[:, i, 1] < self.fresh, x[:, i], x[:, i - self.lag])
        return x


def _constant(n: int, value: float) -> Tensor:
    return torch.full((n,), value, dtype=torch.float64)


def _ring(*, modes: int = 8, radius: float = 1.0, std: float = 0.01) -> GaussianMixture:
    angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    means = radius * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(_constant(modes, 1 / modes), means, _constant(modes, std))


def _grid(*, side: int = 5, spacing: float = 2.0, std: float = 0.05) -> GaussianMixture:
    line = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2) * spacing
    modes = side * side
    return GaussianMixture(_constant(modes, 1 / modes), torch.cartesian_prod(line, line), _constant(modes, std))


def _moons(*, std: float = 0.1) -> GaussianMixture:
    if std < 0.02:
        raise ValueError(f"the moons should have a std of at least 0.02, but std is {std}.")
    node, weight = np.polynomial.legendre.leggauss(math.ceil(8 / std))  # nodes lie within 0.62 std of each other
    angle, weight = torch.from_numpy(node + 1) * (math.pi / 2), torch.from_numpy(weight / 4)
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], 1)
    weights, means = torch.cat([weight, weight]), torch.cat([upper, lower])
    return GaussianMixture(weights, means, _constant(len(means), std))


def _on_line(weights: list[float], means: list[float], variances: list[float]) -> GaussianMixture:
    w, m, v = (torch.tensor(values, dtype=torch.float64) for values in (weights, means, variances))
    return GaussianMixture(w, m[:, None], v.sqrt())


def _mixture_1d() -> GaussianMixture:
    return _on_line([0.33, 0.67], [-1.0, 2.0], [0.065, 2.0])


def _two_gaussians() -> GaussianMixture:
    return _on_line([0.5, 0.5], [-3.0, 3.0], [1.0, 1.0])


TRUTHS: dict[str, Callable[..., Truth]] = {
    "ring": _ring,
    "grid": _grid,
    "moons": _moons,
    "mixture-1d": _mixture_1d,
    "two-gaussians": _two_gaussians,
    "bars": BarsAndStripes,
    "copy": Copy,
}
ABOUT = {
    "ring": "Gaussians on a circle",
    "grid": "Gaussians on a lattice",
    "moons": "Two interlocked half circles, blurred",
    "mixture-1d": "A narrow and a wide Gaussian on the line, the mixture of the f-GAN paper",
    "two-gaussians": "Two far Gaussians on the line",
    "bars": "Bars or stripes",
    "copy": "Tokens that repeat those a lag before",
}


def truth(name: str, **options: Any) -> Truth:
    """The distribution that a synthetic set is drawn from.

    Args:
        name: "ring", "grid", "moons", "mixture-1d", "two-gaussians", "bars" or "copy".
        **options: ring: modes, radius, std; grid: side, spacing, std; moons: std; bars: size; copy: length,
            lag, tokens, fresh.

    Returns:
        An object with ``log_prob``, ``entropy`` and ``sample``.
    """
    if name not in TRUTHS:
        raise ValueError(f"expected a synthetic set out of {', '.join(TRUTHS)}, but the name is {name!r}.")
    for option, value in options.items():
        whole = option in ("modes", "side", "size")
        if not 0 < value < (1000 if whole else math.inf) or (whole and value != int(value)):
            kind = "a whole number from 1 to 999" if whole else "a positive number"
            raise ValueError(f"{option} should be {kind}, but it is {value}.")
    return TRUTHS[name](**options)


def truth_options(name: str) -> list[str]:
    """The options of ``truth(name)``."""
    return list(inspect.signature(TRUTHS[name]).parameters)


def synthetic(*, name: str, n: int = 10_000, seed: int = 0, **options: Any) -> Dataset:
    """Draws a synthetic set: n training events, a fifth as many to validate and to test.

    Args:
        name: As in ``truth``.
        n: How many training events.
        seed: Names the draw.
        **options: As in ``truth``.

    Returns:
        The data set; reals are standardised on the training events.
    """
    if n < 5:
        raise ValueError(f"a synthetic set should have at least 5 training events, but n is {n}.")
    law = truth(name, **options)
    if n * (law.space.dimensions + 1) * 32 > most_bytes():
        raise ValueError(f"{n} events of {law.space} do not fit in memory: give a smaller n.")
    noise = Noise(seed).at("synthetic", name)
    train, valid, test = (
        Events(law.sample(m, noise=noise.at(split))) for split, m in (("train", n), ("valid", n // 5), ("test", n // 5))
    )
    space = Real.standardising(train.x) if isinstance(law.space, Real) else law.space
    settings = "".join(f", {key}={value}" for key, value in options.items())
    text = f"{ABOUT[name]} (synthetic{settings}); ptheta.data.synthetic.truth({name!r}) knows log p and the entropy."
    return Dataset(name, space, train, valid, test, description=text)
