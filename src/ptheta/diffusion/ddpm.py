"""Denoising diffusion probabilistic model (DDPM).

A fixed chain of T small steps turns an embedded event x_0 into noise, and the model learns to walk back:

    q(x_t | x_0) = N(sqrt(ᾱ_t) x_0, (1 - ᾱ_t) I)                                    (eq. 4)
    p(x_T) = N(0, I),   p(x_{t-1} | x_t) = N(μ_θ(x_t, t), σ_t² I)                   (eq. 1)

A network predicts the noise ε in x_t = sqrt(ᾱ_t) x_0 + sqrt(1 - ᾱ_t) ε, hence a guess x̂_0 of the event, and μ_θ is the
mean of q(x_{t-1} | x_t, x̂_0). The variance σ_t² is one of the paper's two (section 3.2). Levels and bits are points:
near one, a step back knows its event, and σ_t² is the variance of q(x_{t-1} | x_t, x_0); β_1 at the last step, where it
is 0. Reals have a density: near the end a step back is as wide as the step was, and σ_t² = β_t. (The other choice would
cost half of Euler's constant, 0.289 nats, per variable, however many steps there are.) Levels and bits live in [-1, 1],
so guesses are clipped to it: in samples and in the bound, which describe one model. Training minimises the squared
error of the noise at a random t (eq. 14), a reweighted bound.

The bound is the paper's (eq. 5), in nats:

    -log p(x) <= KL(q(x_T | x_0) || p(x_T)) + sum over t > 1 of KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))
                 - E log p(x_0 | x_1).

On levels and bits the last factor is a Gaussian integrated over the cell of each level, the end cells taking the tails
(eq. 13): the bound is on the probability of the discrete event. On reals it is a density in raw units.

Scoring: T network calls per event for all terms, or as many as are drawn for an unbiased estimate of the bound.
Sampling: one network call per step of the sampler, T for ``Ancestral``, S for ``DDIM``; all variables at once.

Not assumed: any order of the variables, any shape of p(x). Assumed: that T is large enough for Gaussian steps back.

Known limits:
    The bound is that of the ancestral chain; another sampler, such as the recipe's DDIM, draws from another law. Few
    steps cost likelihood: on six toy bits of 2.72 nats even the exact denoiser is .78 behind in 10, .20 in 100.

References:
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), https://arxiv.org/abs/2006.11239
    Deep Unsupervised Learning using Nonequilibrium Thermodynamics (Sohl-Dickstein et al., 2015)
    https://arxiv.org/abs/1503.03585
"""

import math
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ptheta.diffusion.decoders import decoder_log_prob
from ptheta.diffusion.samplers import Ancestral, Sampler
from ptheta.diffusion.schedules import LinearSchedule, Schedule
from ptheta.model import LossModel
from ptheta.nn.denoiser import ResidualMLP
from ptheta.nn.unet import UNet
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, require

__all__ = ["DDPM", "BoundTerms"]

_CHUNK = 128  # events in the sampler at a time


class BoundTerms(NamedTuple):
    """The three parts of -elbo in nats, each with shape (B,).

    Args:
        prior: What the last state still knows of the event, L_T.
        steps: The sum of the steps between, L_1 + ... + L_{T-1}.
        decoder: The last step to the event itself, L_0.
    """

    prior: Tensor
    steps: Tensor
    decoder: Tensor


@final
class DDPM(LossModel):
    """Denoising diffusion on levels, bits or reals.

    Args:
        space: What one event is.
        steps: The number T of diffusion steps.
        schedule: How fast noise comes.
        context_space: What one context is, or None; classes enter the network one-hot.
        network: Predicts the noise: takes states (B, *shape), times t / T with shape (B,) and context features or
            None. None builds a U-Net for images and a residual MLP for anything else.
        sampler: The walk from noise to events; the model's own, ``Ancestral``, if None.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = DDPM(Levels((1, 4, 4), 17), steps=10)
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, x.dtype, model.elbo(x, noise=Noise(1)).shape
        (torch.Size([2, 1, 4, 4]), torch.uint8, torch.Size([2]))
    """

    def __init__(
        self,
        space: Space,
        *,
        steps: int = 1000,
        schedule: Schedule = LinearSchedule(),  # noqa: B008  (frozen)
        context_space: Space | None = None,
        network: nn.Module | None = None,
        sampler: Sampler | None = None,
        optimizer: Optimizer = Adam(2e-4),  # noqa: B008
    ) -> None:
        super().__init__()
        require(space, Levels, Binary, Real, who="DDPM")
        if steps < 2:
            raise ValueError(f"DDPM takes at least 2 diffusion steps, but steps is {steps}.")
        self.space = space
        self.context_space = context_space
        self.steps = steps
        self.alpha_bar = schedule.alpha_bars(steps)  # (T + 1,), a constant in float64 and no buffer
        self.sigma = math.sqrt(1 - float(self.alpha_bar[1]))  # of the last step, σ_1 = sqrt(β_1)
        self.wide = isinstance(space, Real)  # whether σ_t² = β_t
        self.sampler = Ancestral(self.wide) if sampler is None else sampler
        self.optimizer = optimizer
        self.network = _default_network(space, context_space) if network is None else network

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The squared error of the predicted noise at a random time, per variable, with shape (B,)."""
        origin = self._embed(x)
        t = self._times(noise.uniform((len(x),), "time", origin))
        epsilon = noise.normal(origin.shape, "noise", origin)
        state = self._diffuse(origin, t, epsilon)
        error = epsilon - self.network(state, self._clock(t, origin), self._features(context, origin))
        return error.square().reshape(len(x), self.space.dimensions).mean(1)  # eq. 14, over D

    @torch.no_grad()
    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """An unbiased estimate of the bound on log p(x | context) in nats, from ``draws`` of its T terms.

        Terms are drawn in proportion to how large they would be for Gaussian events of unit variance, and divided by
        their probabilities.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape), or None.
            draws: How many terms to draw for each event, one from each of as many equal slices of probability.
            noise: Where times and states are drawn from.

        Returns:
            The estimate, with shape (B,).
        """
        self.check(x, context)
        noise = Noise() if noise is None else noise
        origin = self._embed(x)
        features, shares = self._features(context, origin), self._shares().to(origin.device)
        total = torch.zeros(len(x), dtype=torch.float64, device=origin.device)
        for j in range(draws):
            u = noise.at("draw", j).uniform((len(x),), "time", total)
            t = 1 + torch.searchsorted(shares.cumsum(0)[:-1], (u + j) / draws, right=True)
            total += self._term(x, origin, t, features, noise.at("draw", j)) / shares[t - 1]
        return -(self._prior_term(origin) + self._width_term() + total / draws).to(origin.dtype)

    @torch.no_grad()
    def bound_terms(self, x: Tensor, context: Tensor | None = None, *, noise: Noise | None = None) -> BoundTerms:
        """All T terms of the bound, by T network calls; log p(x | context) is at least minus their expected sum.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape), or None.
            noise: Where the states are drawn from, one per term.

        Returns:
            The parts of -elbo in nats, each with shape (B,).
        """
        self.check(x, context)
        noise = Noise() if noise is None else noise
        origin = self._embed(x)
        features = self._features(context, origin)
        terms = [
            self._term(x, origin, torch.full((len(x),), t, device=origin.device), features, noise.at("term", t))
            for t in range(1, self.steps + 1)
        ]
        parts = self._prior_term(origin), self._width_term() + torch.stack(terms[1:]).sum(0), terms[0]
        return BoundTerms(*(part.to(origin.dtype) for part in parts))

    def elbo_full(self, x: Tensor, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """The bound on log p(x | context) in nats from all T terms, one draw of each, with shape (B,)."""
        terms = self.bound_terms(x, context, noise=noise)
        return -(terms.prior + terms.steps + terms.decoder)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape); the last step shows its mean, as in the paper.

        Args:
            n: How many.
            context: Contexts with shape (n, *context_space.shape), or None.
            noise: Where the walk draws from.

        Returns:
            Valid events.
        """
        self.check_context(n, context)
        noise = Noise() if noise is None else noise
        chunks = [torch.empty(0, *self.space.shape, dtype=self.space.dtype, device=self._like().device)]
        for start in range(0, n, _CHUNK):
            rows = None if context is None else context[start : start + _CHUNK]
            walk = self.chain(min(_CHUNK, n - start), rows, noise=noise.rows(start))
            chunks.append(self.space.project(deque(walk, maxlen=1).pop()))
        return torch.cat(chunks)

    @torch.no_grad()
    def chain(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Iterator[Tensor]:
        """Walks from noise to n embedded events, and shows every state on the way; ``sample`` projects the last.

        Args:
            n: How many.
            context: Contexts with shape (n, *context_space.shape), or None.
            noise: Where the walk draws from.

        Yields:
            States with shape (n, *space.shape), at the times of the sampler from T to 0.
        """
        self.check_context(n, context)
        noise = Noise() if noise is None else noise
        like = self._like()
        features = self._features(context, like)
        x = noise.normal((n, *self.space.shape), "start", like)
        yield x
        for now, then in pairwise(self.sampler.times(self.steps)):
            origin = self._guess(x, torch.full((n,), now, device=x.device), features)
            a, b, sigma = self.sampler.coefficients(float(self.alpha_bar[now]), float(self.alpha_bar[then]))
            x = a * origin + b * x
            if sigma:
                x = x + sigma * noise.at("step", now).normal(x.shape, "step", like)
            yield x

    def _shares(self) -> Tensor:
        """With which probability ``elbo`` draws each of the T terms: a mixture with the uniform, with shape (T,)."""
        t = torch.arange(2, self.steps + 1)
        share = self._weight(t) * (1 - self.alpha_bar[t])  # the terms t > 1 of a Gaussian of unit variance
        share = torch.cat([share[:1], share])
        return 0.9 * share / share.sum() + 0.1 / self.steps

    def _prior_term(self, origin: Tensor) -> Tensor:
        left = float(self.alpha_bar[-1])
        kl = left * origin.double() ** 2 - left - math.log1p(-left)
        return kl.reshape(len(origin), self.space.dimensions).sum(1) / 2

    def _width_term(self) -> float:
        """What it costs, over all steps t > 1, that σ_t² is not the variance of q(x_{t-1} | x_t, x_0)."""
        ratio = (1 - self.alpha_bar[2:]) / (1 - self.alpha_bar[1:-1])  # of β_t to that variance (eq. 7)
        return float((ratio.log() + 1 / ratio - 1).sum()) / 2 * self.space.dimensions if self.wide else 0.0

    def _weight(self, t: Tensor) -> Tensor:
        """What a squared error of the guess costs at times t > 1 in nats, with the shape of t."""
        before, now = (self.alpha_bar.to(t.device)[s] for s in (t - 1, t))
        weight = (before / (1 - before) - now / (1 - now)) / 2  # half the fall of the signal-to-noise ratio
        return weight * (1 - before) / (1 - now) if self.wide else weight

    def _term(self, x: Tensor, origin: Tensor, t: Tensor, features: Tensor | None, noise: Noise) -> Tensor:
        """The term of each event at its own time t (B,): L_0 where t is 1, else L_{t-1}; float64 with shape (B,)."""
        state = self._diffuse(origin, t, noise.normal(origin.shape, "state", origin))
        guess = self._guess(state, t, features).double()
        error = (origin.double() - guess).square().reshape(len(x), self.space.dimensions).sum(1)
        # But for their widths, the KL of both Gaussians is a squared error of means, and that one of guesses (eq. 8).
        steps = self._weight(t.clamp(min=2)) * error
        return torch.where(t == 1, -decoder_log_prob(self.space, x, guess, self.sigma), steps)

    def _guess(self, state: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
        """The event x̂_0 that the predicted noise implies (eq. 15), embedded."""
        epsilon = self.network(state, self._clock(t, state), features)
        left = self._align(t, state)
        guess = (state - (1 - left).sqrt() * epsilon) / left.sqrt()
        return guess if isinstance(self.space, Real) else guess.clamp(-1, 1)

    def _diffuse(self, origin: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        left = self._align(t, origin)
        return left.sqrt() * origin + (1 - left).sqrt() * epsilon  # eq. 4

    def _align(self, t: Tensor, x: Tensor) -> Tensor:
        """ᾱ_t in x's type, shaped to broadcast over events."""
        left = self.alpha_bar.to(t.device)[t]
        return left.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))

    def _times(self, u: Tensor) -> Tensor:
        return (1 + (u * self.steps).long()).clamp(max=self.steps)

    def _clock(self, t: Tensor, like: Tensor) -> Tensor:
        return t.to(like.dtype) / self.steps

    def _like(self) -> Tensor:
        return next(self.parameters(), torch.zeros(()))

    def _embed(self, x: Tensor) -> Tensor:
        return self.space.embed(x, self._like().dtype)

    def _features(self, context: Tensor | None, like: Tensor) -> Tensor | None:
        if context is None or self.context_space is None:
            return None
        return self.context_space.embed(context, like.dtype).flatten(1)


def _default_network(space: Space, context_space: Space | None) -> nn.Module:
    context = 0 if context_space is None else math.prod(context_space.embedded_shape)
    if len(space.shape) == 3:
        return UNet(space.shape[0], context=context)
    return ResidualMLP(space.shape, context=context)
