"""What all diffusions with Gaussian noise share: a walk back from noise, and a bound on log p(x).

A chain of moments t = T, ..., 0 mixes an embedded event x_0 with noise (see ``samplers``),

    q(x_t | x_0) = N(α_t x_0, σ_t² I),    α_t² the signal, σ_t² the noise,    α_0 = 1, σ_0 = 0,

and a network's guess x̂_0(x_t, t) of the event makes a model of the chain: p(x_T) = N(0, (α_T² + σ_T²) I), and each step
back has the mean of q(x_{t-1} | x_t, x̂_0). Which chain it is, what the network predicts and how it is trained is the
model's own affair: DDPM, EDM and flow matching differ in nothing else, and their bounds stand in one column. In nats,

    -log p(x) <= KL(q(x_T | x_0) || p(x_T)) + sum over t > 1 of KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))
                 - E log p(x_0 | x_1)                                                    (Ho et al., eq. 5)

where, but for widths, a term of the sum is half the fall of the signal-to-noise ratio α²/σ² from t-1 to t, times the
squared error of the guess (Kingma et al., eq. 13): the path between does not matter.

Widths. Levels and bits are points: near one, a step back knows its event, and its variance is that of
q(x_{t-1} | x_t, x_0). Reals have a density: near the end a step back is as wide as the step was, β_t. (The other choice
would cost half of Euler's constant, 0.289 nats, per variable, however many steps there are.) Levels and bits live in
[-1, 1], so guesses are clipped to it: in samples and in the bound, which describe one model.

On levels and bits the last factor is a Gaussian integrated over the cell of each level, the end cells taking the tails
(Ho et al., eq. 13): the bound is on the probability of the discrete event. On reals it is a density in raw units.

Guidance. A network that is trained with contexts left out now and then also knows the event without one, and

    x̂_0 = x̂_0(nothing) + w (x̂_0(context) - x̂_0(nothing))

draws events that are more typical of their context for w > 1, at twice the calls (Ho & Salimans, eq. 6). To a network
no context is the same as a context read as zeros. The bound is that of w = 1.

Scoring: T network calls per event for all terms, or as many as are drawn for an unbiased estimate of the bound.

References:
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), https://arxiv.org/abs/2006.11239
    Variational Diffusion Models (Kingma, Salimans, Poole & Ho, 2021), https://arxiv.org/abs/2107.00630
    Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ptheta.diffusion.decoders import decoder_log_prob
from ptheta.diffusion.samplers import Guess, Moment, Sampler
from ptheta.model import LossModel
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.nn.defaults import denoiser
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Real, Space, require

__all__ = ["BoundTerms", "GaussianDiffusion"]

CHUNK = 128  # events in the sampler at a time


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


class GaussianDiffusion(LossModel):
    """Derive from it: say which moments there are, what the network's answer means for the event, and the loss.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        steps: The number T of steps of the model's own chain, at least 2.
        sampler: The walk from noise to events.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts choose: maps of a picture, where
            events are images. A network made by hand needs the one that it was made for; without it it sees a vector.
        network: Takes states (B, *shape), times (B,) and what was read of contexts or None. None builds a U-Net for
            images and a residual MLP for anything else.
        context_drop: How often training leaves a context out; guidance needs it, .1 or so.
        guidance: How much a context counts in samples: 1 as it is, more than it should.
    """

    def __init__(
        self,
        space: Space,
        *,
        steps: int,
        sampler: Sampler,
        context_space: Space | None,
        reader: Reader | None,
        network: nn.Module | None,
        context_drop: float,
        guidance: float,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        require(space, Levels, Binary, Real, who=who)
        if steps < 2:
            raise ValueError(f"{who} takes at least 2 diffusion steps, but steps is {steps}.")
        if not 0 <= context_drop < 1 or not math.isfinite(guidance):
            raise ValueError(
                f"context_drop of {who} should be at least 0 and below 1, and guidance finite, but they are "
                f"{context_drop:g} and {guidance:g}."
            )
        if guidance != 1 and not (context_space and context_drop):
            raise ValueError(f"guidance of {who} needs contexts, and a context_drop above 0 in training.")
        self.space, self.context_space, self.steps, self.sampler = space, context_space, steps, sampler
        self.context_drop, self.guidance = context_drop, guidance
        self.wide = isinstance(space, Real)  # whether the variance of a step back is β_t
        is_image = len(space.shape) == 3
        self.reader = reader_of(context_space, space.shape[1:] if is_image and network is None else None, reader)
        self.network = denoiser(space, self.reader) if network is None else network

    @abstractmethod
    def moments(self, steps: int) -> list[Moment]:
        """The way from noise to events in so many steps: one moment more, the last of no noise; see ``Moment``."""

    @abstractmethod
    def guess(self, state: Tensor, time: Tensor, features: Tensor | None) -> Tensor:
        """The event x̂_0 that states at times hide, embedded; on levels and bits clipped to [-1, 1].

        Args:
            state: States with shape (B, *shape).
            time: What the model calls their moments, float64 with shape (B,).
            features: What was read of their contexts, or None.

        Returns:
            Embedded events with shape (B, *shape).
        """

    @final
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
        origin = self.embedded(x)
        features, shares = read(self.reader, context), self._shares().to(origin.device)
        total = torch.zeros(len(x), dtype=torch.float64, device=origin.device)
        for j in range(draws):
            u = noise.at("draw", j).uniform((len(x),), "time", total)
            t = 1 + torch.searchsorted(shares.cumsum(0)[:-1], (u + j) / draws, right=True)
            total += self._term(x, origin, t, features, noise.at("draw", j)) / shares[t - 1]
        return -(self._prior_term(origin) + self._width_term() + total / draws).to(origin.dtype)

    @final
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
        origin = self.embedded(x)
        features = read(self.reader, context)
        terms = [
            self._term(x, origin, torch.full((len(x),), t, device=origin.device), features, noise.at("term", t))
            for t in range(1, self.steps + 1)
        ]
        parts = self._prior_term(origin), self._width_term() + torch.stack(terms[1:]).sum(0), terms[0]
        return BoundTerms(*(part.to(origin.dtype) for part in parts))

    @final
    def elbo_full(self, x: Tensor, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """The bound on log p(x | context) in nats from all T terms, one draw of each, with shape (B,)."""
        terms = self.bound_terms(x, context, noise=noise)
        return -(terms.prior + terms.steps + terms.decoder)

    @final
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
        chunks = [torch.empty(0, *self.space.shape, dtype=self.space.dtype, device=self.like().device)]
        for start in range(0, n, CHUNK):
            rows = None if context is None else context[start : start + CHUNK]
            walk = self.chain(min(CHUNK, n - start), rows, noise=noise.rows(start))
            chunks.append(self.space.project(deque(walk, maxlen=1).pop()))
        return torch.cat(chunks)

    @final
    @torch.no_grad()
    def chain(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Iterator[Tensor]:
        """Walks from noise to n embedded events, and shows every state on the way; ``sample`` projects the last.

        Args:
            n: How many.
            context: Contexts with shape (n, *context_space.shape), or None.
            noise: Where the walk draws from.

        Yields:
            States with shape (n, *space.shape), at the sampler's moments from noise to event.
        """
        self.check_context(n, context)
        noise = Noise() if noise is None else noise
        guess = self._guided(read(self.reader, context))
        moments = self.moments(self.steps if self.sampler.steps is None else self.sampler.steps)
        x = noise.normal((n, *self.space.shape), "start", self.like())
        x = math.sqrt(moments[0].variance) * x
        yield x
        for now, then in pairwise(moments):
            x = self.sampler.step(guess, x, now, then, noise.at("step", now.index))
            yield x

    @final
    def embedded(self, x: Tensor) -> Tensor:
        """Events as states without noise, in the type of the weights, with shape (B, *shape)."""
        return self.space.embed(x, self.like().dtype)

    @final
    def like(self) -> Tensor:
        """A tensor of the type and on the device of the weights."""
        return next(self.parameters(), torch.zeros(()))

    @final
    def clipped(self, guess: Tensor) -> Tensor:
        """A guess of an event, moved to where events can be."""
        return guess if isinstance(self.space, Real) else guess.clamp(-1, 1)

    @final
    def heard(self, context: Tensor | None, noise: Noise) -> Tensor | None:
        """What training reads of contexts: nothing, now and then, of an example; with shape (B, *reader.shape)."""
        features = read(self.reader, context)
        if features is None or not self.context_drop:
            return features
        kept = noise.uniform((len(features),), "context", features) >= self.context_drop
        return features * kept.reshape(-1, *[1] * (features.ndim - 1))

    def _guided(self, features: Tensor | None) -> Guess:
        def guess(x: Tensor, moment: Moment) -> Tensor:
            time = torch.full((len(x),), moment.time, dtype=torch.float64, device=x.device)
            told = self.guess(x, time, features)
            if features is None or self.guidance == 1:
                return told
            untold = self.guess(x, time, torch.zeros_like(features))
            return self.clipped(untold + self.guidance * (told - untold))  # Ho & Salimans, eq. 6

        return guess

    @cached_property
    def sigma(self) -> float:
        """The deviation of the last step back, σ_1."""
        return math.sqrt(float(self._chain[2][1]))

    @cached_property
    def _chain(self) -> tuple[Tensor, Tensor, Tensor]:
        """Times, signals and noises of the model's own moments 0, ..., T: float64, each with shape (T + 1,)."""
        moments = torch.tensor([moment[1:] for moment in reversed(self.moments(self.steps))], dtype=torch.float64)
        time, signal, noise = moments.unbind(1)
        return time, signal, noise

    def _shares(self) -> Tensor:
        """With which probability ``elbo`` draws each of the T terms: a mixture with the uniform, with shape (T,)."""
        _, signal, noise = (part[2:] for part in self._chain)
        share = self._weight(torch.arange(2, self.steps + 1)) * noise / (signal + noise)  # the terms t > 1
        share = torch.cat([share[:1], share])
        return 0.9 * share / share.sum() + 0.1 / self.steps

    def _prior_term(self, origin: Tensor) -> Tensor:
        signal, noise = (float(part[-1]) for part in self._chain[1:])
        left = signal / (signal + noise)
        kl = left * origin.double() ** 2 - left - math.log1p(-left)
        return kl.reshape(len(origin), self.space.dimensions).sum(1) / 2

    def _width_term(self) -> float:
        """What it costs, over all steps t > 1, that the variance is β_t and not that of q(x_{t-1} | x_t, x_0)."""
        noise = self._chain[2]
        ratio = noise[2:] / noise[1:-1]  # of β_t to that variance (eq. 7)
        return float((ratio.log() + 1 / ratio - 1).sum()) / 2 * self.space.dimensions if self.wide else 0.0

    def _weight(self, t: Tensor) -> Tensor:
        """What a squared error of the guess costs at t > 1 in nats, with the shape of t."""
        _, signal, noise = (part.to(t.device) for part in self._chain)
        weight = (signal[t - 1] / noise[t - 1] - signal[t] / noise[t]) / 2  # half the fall of signal to noise
        return weight * noise[t - 1] / noise[t] if self.wide else weight

    def _term(self, x: Tensor, origin: Tensor, t: Tensor, features: Tensor | None, noise: Noise) -> Tensor:
        """The term of each event at its own t (B,): L_0 where t is 1, else L_{t-1}; float64 with shape (B,)."""
        time, *mixture = (part.to(t.device)[t] for part in self._chain)
        event, spread = (aligned(part.sqrt(), origin) for part in mixture)
        state = event * origin + spread * noise.normal(origin.shape, "state", origin)
        guess = self.guess(state, time, features).double()
        error = (origin.double() - guess).square().reshape(len(x), self.space.dimensions).sum(1)
        # But for their widths, the KL of both Gaussians is a squared error of means, and that one of guesses (eq. 8).
        steps = self._weight(t.clamp(min=2)) * error
        return torch.where(t == 1, -decoder_log_prob(self.space, x, guess, self.sigma), steps)


def aligned(numbers: Tensor, x: Tensor) -> Tensor:
    """One number for each event (B,) in the type of x (B, ...), shaped to broadcast over it."""
    return numbers.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
