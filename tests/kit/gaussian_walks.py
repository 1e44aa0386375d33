"""Diffusions of Gaussian events, whose best network is known: laws of preconditioning, of samplers and of bounds.

Embedded events are N(mean, variance), independent. Then the best guess of an event is affine, walks are affine maps of
the noise they draw, and every expectation of a quadratic is a mean over the corners of a cube.
"""

import itertools

import torch
from torch import Tensor, nn

from ptheta.diffusion import EDM, FlowMatching, GaussianDiffusion, Sampler

F64 = torch.float64
MEAN, VARIANCE = torch.tensor([0.3, -0.5], dtype=F64), torch.tensor([0.6, 1.5], dtype=F64)


class BestOfGaussian(nn.Module):
    """The network of EDM or of flow matching that guesses E[y | x] of events N(mean, variance).

    Args:
        mean: The mean of each variable.
        variance: The variance of each.
    """

    def __init__(self, mean: Tensor = MEAN, variance: Tensor = VARIANCE) -> None:
        super().__init__()
        self.mean, self.variance = nn.Parameter(mean.clone()), variance
        self.edm: EDM | None = None

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        t = t[:, None]
        if self.edm is None:  # x = t y + (1 - t) noise, and the velocity is E[y - noise | x]
            gain = (t * self.variance - (1 - t)) / (t**2 * self.variance + (1 - t) ** 2)
            return self.mean + gain * (x - t * self.mean)
        low, high, data = self.edm.sigma_min, self.edm.sigma_max, self.edm.sigma_data
        sigma = low * (high / low) ** t
        total = (sigma**2 + data**2).sqrt()
        x = x * total
        guess = self.mean + self.variance / (self.variance + sigma**2) * (x - self.mean)
        return (guess - (data / total) ** 2 * x) / (sigma * data / total)


def edm(mean: Tensor = MEAN, variance: Tensor = VARIANCE, **settings) -> EDM:
    """EDM with the best network for events of standard reals."""
    from ptheta.spaces import Real

    network = BestOfGaussian(mean, variance)
    model = EDM(Real((len(mean),)), network=network, **settings).double()
    network.__dict__["edm"] = model  # not a module of its own, or it would hold itself
    return model


def flow_matching(mean: Tensor = MEAN, variance: Tensor = VARIANCE, **settings) -> FlowMatching:
    """Flow matching with the best network for events of standard reals."""
    from ptheta.spaces import Real

    return FlowMatching(Real((len(mean),)), network=BestOfGaussian(mean, variance), **settings).double()


class Basis:
    """Row 0 draws zeros; each other row draws one unit vector, in one of the draws, and zeros in all others."""

    def __init__(self, draws: int, dimensions: int = 2) -> None:
        self.rows_needed, self.dimensions, self.drawn = 1 + draws * dimensions, dimensions, 0

    def at(self, *path):
        return self

    def normal(self, shape, key, like):
        z = torch.zeros(shape, dtype=F64)
        start = 1 + self.drawn * self.dimensions
        z[start : start + self.dimensions] = torch.eye(self.dimensions, dtype=F64)
        self.drawn += 1
        return z


def distance_of_walk(model: GaussianDiffusion, sampler: Sampler, draws: int = 1) -> float:
    """How far mean and covariance of a walk that draws so many times are from where endless steps lead.

    That is the law of the events, but for what the start of EDM lacks: its noise is large, and not endless.
    """
    noise = Basis(draws)
    model.sampler = sampler
    *_, ends = model.chain(noise.rows_needed, noise=noise)  # type: ignore[arg-type]
    spread = ends[1:] - ends[0]  # rows: what each unit of noise adds
    mean, covariance = MEAN, VARIANCE
    if isinstance(model, EDM) and draws == 1:
        shrink = VARIANCE / (VARIANCE + model.sigma_max**2)
        mean, covariance = MEAN * (1 - shrink.sqrt()), shrink * (1 + model.sigma_max**2)
    off = (ends[0] - mean).norm() + (spread.T @ spread - covariance.diag()).norm()
    return float(off.detach())


def has_order(order: int, errors: list[float]) -> bool:
    """Whether halving the step divides the error by two to this power."""
    return all(0.8 * 2**order < a / b < 1.25 * 2**order for a, b in itertools.pairwise(errors))


class Corners:
    """Signs for normals, every combination with those of events once; times and contexts as they are given."""

    def __init__(self, signs: Tensor, time: Tensor) -> None:
        self.signs, self.time = signs, time

    def normal(self, shape, key, like):
        return self.time if key == "time" else self.signs

    def uniform(self, shape, key, like):
        return self.time


def corners() -> tuple[Tensor, Tensor]:
    """Signs of events and of noise in two variables: every combination, each with shape (16, 2)."""
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4)), dtype=F64)
    return signs[:, :2], signs[:, 2:]


class Signs:
    """A noise of +1 in even rows and -1 in odd ones: a pair's mean is exact for quadratics without cross terms."""

    def at(self, *path):
        return self

    def normal(self, shape, key, like):
        return (1 - 2 * (torch.arange(shape[0]) % 2)).to(F64)[:, None].expand(*shape)
