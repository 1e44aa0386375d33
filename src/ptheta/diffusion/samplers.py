"""Samplers: how a diffusion walks from noise back to an event.

A diffusion passes through moments, at each of which the event is mixed with noise,

    x = sqrt(signal) x_0 + sqrt(noise) ε,    ε ~ N(0, I),

whatever the diffusion: signal + noise = 1 in DDPM, signal = 1 in EDM, and both deviations add to 1 in flow matching. A
sampler is one step from a moment to a cleaner one: it asks for a guess x̂_0 of the event and says where x goes. One step
serves every diffusion, since all of them guess the event:

    DDIM        keeps the noise that the guess implies, or part of it; with none fresh (η = 0) Euler's rule for the
                equation dx = d sqrt(signal) x̂_0 + d sqrt(noise) ε̂, of first order in the number of steps
    Heun        the same equation by the trapezoid, two guesses a step but the last: of second order
    Ancestral   draws from the model p(x_{t-1} | x_t) at every step of its own chain; DDIM with η = 1 and as many steps

References:
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), algorithm 2, https://arxiv.org/abs/2006.11239
    Denoising Diffusion Implicit Models (Song, Meng & Ermon, 2020), https://arxiv.org/abs/2010.02502
    Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022)
    https://arxiv.org/abs/2206.00364
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

from torch import Tensor

from ptheta.noise import Noise

__all__ = ["DDIM", "Ancestral", "Guess", "Heun", "Moment", "Sampler"]


class Moment(NamedTuple):
    """A place on the way from noise to an event. Python floats: float64, whatever the network computes in.

    Args:
        index: How many steps are left; names the noise of the step that starts here.
        time: What the model calls it.
        signal: The share of the event's variance that is there.
        noise: The variance of the noise.
    """

    index: int  # pyright: ignore
    time: float
    signal: float
    noise: float

    @property
    def variance(self) -> float:
        """Of a state, where events have unit variance."""
        return self.signal + self.noise


Guess = Callable[[Tensor, Moment], Tensor]  # the event x̂_0 that a state at a moment hides, embedded


class Sampler(ABC):
    """One step of the walk from noise to an event.

    Args:
        steps: How many of them a walk has; None for as many as the model itself has.
    """

    steps: int | None

    @abstractmethod
    def step(self, guess: Guess, x: Tensor, now: Moment, then: Moment, noise: Noise) -> Tensor:
        """Moves states to the next moment.

        Args:
            guess: What the model thinks of the event.
            x: States with shape (n, *shape).
            now: Where they are.
            then: Where they go; with less noise.
            noise: Where the step draws from.

        Returns:
            States with shape (n, *shape).
        """


@final
@dataclass(frozen=True)
class Ancestral(Sampler):
    """Draws each x_{t-1} from the model (Ho et al., eqs. 6 and 7).

    Args:
        wide: Whether a step's variance is β_t; else it is that of q(x_{t-1} | x_t, x_0). See ``GaussianDiffusion``.
        steps: Fewer steps than the model's own leap; None takes all.
    """

    wide: bool = False
    steps: int | None = None

    def __post_init__(self) -> None:
        _check_steps(self)

    def step(self, guess: Guess, x: Tensor, now: Moment, then: Moment, noise: Noise) -> Tensor:
        beta = _beta(now, then)
        a = math.sqrt(then.signal) * beta / now.noise  # eq. 7
        b = math.sqrt((now.variance - beta) / then.variance) * then.noise / now.noise
        variance = beta if self.wide and then.noise > 0 else then.noise / now.noise * beta  # the last shows its mean
        return _drawn(a * guess(x, now) + b * x, math.sqrt(variance), noise)


@final
@dataclass(frozen=True)
class DDIM(Sampler):
    """Leaps over moments (Song et al., eq. 12); without fresh noise, Euler's rule.

    Args:
        steps: The number S of network calls; all T of them where the model has fewer.
        eta: How much fresh noise: 0 none, 1 as much as ancestral sampling.
    """

    steps: int | None = 50
    eta: float = 0.0

    def __post_init__(self) -> None:
        _check_steps(self)
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta of DDIM should be from 0 to 1, but it is {self.eta:g}.")

    def step(self, guess: Guess, x: Tensor, now: Moment, then: Moment, noise: Noise) -> Tensor:
        sigma = self.eta * math.sqrt(then.noise / now.noise * _beta(now, then))  # eq. 16
        b = math.sqrt(max(then.noise - sigma**2, 0.0) / now.noise)  # of the noise that the guess implies
        a = math.sqrt(then.signal) - b * math.sqrt(now.signal)
        return _drawn(a * guess(x, now) + b * x, sigma, noise)


@final
@dataclass(frozen=True)
class Heun(Sampler):
    """The trapezoid rule (Karras et al., algorithms 1 and 2); the last step, to no noise at all, is Euler's.

    Args:
        steps: The number of steps, of two network calls each but the last.
        churn: How much noise a walk adds on the way and takes off again, S_churn; 0 is a deterministic map. It needs a
            diffusion that leaves the event as it is and knows any amount of noise, as EDM does.
        churn_from: The least deviation of the noise at which any is added.
        churn_to: The largest one.
        churn_scale: The deviation of what is added, S_noise: a little above 1 makes up for too smooth guesses.
    """

    steps: int | None = 18
    churn: float = 0.0
    churn_from: float = 0.05
    churn_to: float = 50.0
    churn_scale: float = 1.003

    def __post_init__(self) -> None:
        _check_steps(self)
        if not 0 <= self.churn < math.inf or self.churn_scale <= 0:
            raise ValueError(f"churn of Heun should not be negative, but it is {self.churn:g} x {self.churn_scale:g}.")

    def step(self, guess: Guess, x: Tensor, now: Moment, then: Moment, noise: Noise) -> Tensor:
        if self.churn:
            x, now = self._stirred(x, now, noise)
        origin = guess(x, now)
        if then.noise == 0:
            return math.sqrt(then.signal) * origin
        rise, fall = (math.sqrt(b) - math.sqrt(a) for a, b in ((now.signal, then.signal), (now.noise, then.noise)))
        slope = rise * origin + fall * _noise_of(x, origin, now)
        ahead = x + slope  # Euler's
        origin = guess(ahead, then)
        return x + (slope + rise * origin + fall * _noise_of(ahead, origin, then)) / 2

    def _stirred(self, x: Tensor, now: Moment, noise: Noise) -> tuple[Tensor, Moment]:
        """More noise than the moment has: what the walk did wrong so far is forgotten."""
        deviation = math.sqrt(now.noise)
        if now.signal != 1 or now.time != deviation:
            raise ValueError("churn needs a diffusion whose time is the deviation of its noise, such as EDM.")
        if not self.churn_from <= deviation <= self.churn_to:
            return x, now
        more = deviation * (1 + min(self.churn / (now.index if self.steps is None else self.steps), math.sqrt(2) - 1))
        sigma = self.churn_scale * math.sqrt(more**2 - now.noise)
        return _drawn(x, sigma, noise), now._replace(time=more, noise=more**2)


def _check_steps(sampler: Sampler) -> None:
    if sampler.steps is not None and sampler.steps < 1:
        raise ValueError(f"{type(sampler).__name__} takes at least 1 step, but steps is {sampler.steps}.")


def _beta(now: Moment, then: Moment) -> float:
    """The variance of the noise that came between: of x_now given x_then."""
    return now.variance - now.signal / then.signal * then.variance


def _noise_of(x: Tensor, origin: Tensor, now: Moment) -> Tensor:
    """The noise ε̂ that a guess of the event implies."""
    return (x - math.sqrt(now.signal) * origin) / math.sqrt(now.noise)


def _drawn(mean: Tensor, sigma: float, noise: Noise) -> Tensor:
    return mean + sigma * noise.normal(mean.shape, "step", mean) if sigma else mean
