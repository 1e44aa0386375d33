"""Multinomial diffusion: symbols that are replaced at random, one small step after the other, and a walk back.

At each of T steps a variable keeps its value or, with probability β_t, is drawn afresh from all K of them, so that

    q(x_t | x_{t-1}) = (1 - β_t) [x_t = x_{t-1}] + β_t / K,    q(x_t | x_0) = ᾱ_t [x_t = x_0] + (1 - ᾱ_t) / K   (eq. 11)

with ᾱ_t the product of 1 - β_s. By Bayes' rule, all variables apart,

    q(x_{t-1} | x_t, x_0) = q(x_t | x_{t-1}) q(x_{t-1} | x_0) / q(x_t | x_0)                                    (eq. 13)

A network guesses the probabilities x̂_0(x_t, t) of every variable of the event, and a step back is the mixture of (13)
over the guess, which the last step draws from itself (Austin et al., eq. 4). Hoogeboom et al. put the guess into (13)
in place of x_0, where it no longer divides by q(x_t | x_0): then the best guess is not p(x_0 | x_t), and one
variable of three values loses .3 nats in 16 steps. The bound is the sum over t of divergences of categorical laws, with
that of q(x_T | x_0) from the uniform p(x_T), and -log x̂_0 at the end; training draws one of its terms.

Not an absorbing diffusion: a wrong value looks like any other, so the network must also find out what to change, and a
value may change again until the last step. Where T is small the variables that change at once do not see one another.

Scoring: T network calls for all terms, or as many as are drawn. Sampling: T calls.

References:
    Argmax Flows and Multinomial Diffusion (Hoogeboom, Nielsen, Jaini, Forré & Welling, 2021)
    https://arxiv.org/abs/2102.05379
    Structured Denoising Diffusion Models in Discrete State-Spaces (Austin et al., 2021)
    https://arxiv.org/abs/2107.03006
"""

import math
from typing import final

import torch
from torch import Tensor, nn

from ptheta.diffusion.schedules import CosineSchedule, Schedule
from ptheta.distributions.heads import inverse_cdf
from ptheta.model import LossModel
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.nn.defaults import categorical_denoiser, is_convolved
from ptheta.nn.unet import UNet
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, require

__all__ = ["MultinomialDiffusion", "between"]

CHUNK = 256  # events in the sampler at a time


@final
class MultinomialDiffusion(LossModel):
    """A chain of random replacements, and a network that walks it back.

    Args:
        space: ``Binary``, ``Levels`` or ``Symbols``.
        steps: The number T of steps, at least 2.
        schedule: How fast values are replaced.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts choose.
        network: Takes embedded events, (B, D E) with E numbers for each variable, times t / T with shape (B,) and what
            was read of contexts; gives the logits of every variable's values, (B, D K). A ``UNet`` takes the same as
            maps (B, C E, H, W), and gives (B, C K, H, W). None builds a U-Net for images, else a residual MLP.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Tokens
        >>> model = MultinomialDiffusion(Tokens(3, 4), steps=10)
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, model.elbo(x, noise=Noise(1)).shape
        (torch.Size([2, 3]), torch.Size([2]))
    """

    def __init__(
        self,
        space: Space,
        *,
        steps: int = 100,
        schedule: Schedule = CosineSchedule(),  # noqa: B008  (frozen)
        context_space: Space | None = None,
        reader: Reader | None = None,
        network: nn.Module | None = None,
        optimizer: Optimizer = Adam(1e-3),  # noqa: B008
    ) -> None:
        super().__init__()
        require(space, Binary, Levels, Symbols, who="MultinomialDiffusion")
        assert isinstance(space, Binary | Levels | Symbols)
        if steps < 2:
            raise ValueError(f"MultinomialDiffusion takes at least 2 diffusion steps, but steps is {steps}.")
        self.space, self.context_space, self.steps, self.n = space, context_space, steps, space.n
        self.alpha_bar, self.optimizer = schedule.alpha_bars(steps), optimizer  # (T + 1,), float64 and no buffer
        size = space.shape[1:] if network is None and is_convolved(space) else None
        self.reader = reader_of(context_space, size, reader)
        self.network = categorical_denoiser(space, self.n, self.reader) if network is None else network

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """An unbiased estimate of -elbo in nats from one of its T terms, with shape (B,)."""
        self.check(x, context)
        return self._drawn(x, read(self.reader, context), 0, 1, noise)

    @torch.no_grad()
    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """An unbiased estimate of the bound on log p(x | context) in nats, from ``draws`` of its T terms.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape), or None.
            draws: How many terms to draw for each event, one from each of as many equal slices of the chain.
            noise: Where times and states are drawn from.

        Returns:
            The estimate, with shape (B,).
        """
        self.check(x, context)
        noise, features = noise or Noise(None), read(self.reader, context)
        return -torch.stack([self._drawn(x, features, j, draws, noise.at("draw", j)) for j in range(draws)]).mean(0)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape), by T network calls.

        Args:
            n: How many.
            context: Contexts with shape (n, *context_space.shape), or None.
            noise: Where the walk draws from.

        Returns:
            Valid events.
        """
        self.check_context(n, context)
        noise, features, like = noise or Noise(None), read(self.reader, context), self._like()
        shape, chunks = (self.space.dimensions,), [self.space.events(like.new_zeros(0, self.space.dimensions))]
        for start in range(0, n, CHUNK):
            source, rows = noise.rows(start), min(CHUNK, n - start)
            part = None if features is None else features[start : start + CHUNK]
            cells = (source.uniform((rows, *shape), "start", like) * self.n).long()
            for t in range(self.steps, 0, -1):
                log_p = self.step_back(cells, torch.full((rows,), t, device=like.device), part)
                cells = inverse_cdf(log_p, source.at("step", t).uniform((rows, *shape), "step", like))
            chunks.append(self.space.events(cells))
        return torch.cat(chunks)

    def step_back(self, cells: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
        """log p(x_{t-1} | x_t) of every value of every variable.

        Args:
            cells: States x_t with shape (B, D).
            t: Their times, from 1 to T, with shape (B,).
            features: What was read of contexts, or None.

        Returns:
            Log-probabilities with shape (B, D, K).
        """
        guess = self._guess(cells, t, features)
        return torch.where((t == 1)[:, None, None], guess, self._between(cells, guess.exp(), t))

    def _drawn(self, x: Tensor, features: Tensor | None, slice_of: int, slices: int, noise: Noise) -> Tensor:
        """-elbo from the term of one time, drawn from a slice of all times, with shape (B,)."""
        u = (noise.uniform((len(x),), "time", self._like()) + slice_of) / slices
        t = (1 + (u * self.steps).long()).clamp(max=self.steps)
        cells = self.space.cells(x).long()
        kept = noise.uniform(cells.shape, "kept", self._like()) < self._left(t)[:, None]
        fresh = (noise.uniform(cells.shape, "fresh", self._like()) * self.n).long()
        state = torch.where(kept, cells, fresh)  # eq. 11
        back = self.step_back(state, t, features)
        event = nn.functional.one_hot(cells, self.n).to(back.dtype)
        log_q = self._between(state, event, t.clamp(min=2))
        kl = (log_q.exp() * (log_q - back)).sum(2)
        term = torch.where((t == 1)[:, None], -(event * back).sum(2), kl).sum(1)
        return self.steps * term + self._prior_term()

    def _between(self, cells: Tensor, event: Tensor, t: Tensor) -> Tensor:
        """log of q(x_{t-1} | x_t, x_0), mixed over probabilities (B, D, K) of x_0, with the same shape."""
        before, now = self._left(t - 1)[:, None, None], self._left(t)[:, None, None]
        return between(cells, event, before, now)

    def _guess(self, cells: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
        """log x̂_0 of every value of every variable, with shape (B, D, K)."""
        b, d, like = len(cells), self.space.dimensions, self._like()
        shown, clock = self.space.embed(self.space.events(cells), like.dtype), t.to(like.dtype) / self.steps
        if not isinstance(self.network, UNet):
            out = self.network(shown.reshape(b, math.prod(self.space.embedded_shape)), clock, features)
            return out.reshape(b, d, self.n).log_softmax(2)
        channels = self.space.shape[0]
        maps = shown if shown.ndim == 4 else shown.movedim(-1, 2).flatten(1, 2)  # one-hot symbols have their axis last
        out = self.network(maps, clock, features)  # (B, C K, H, W)
        return out.unflatten(1, (channels, self.n)).movedim(2, -1).flatten(1, 3).log_softmax(2)

    def _prior_term(self) -> float:
        """The divergence of q(x_T | x_0) from the uniform law: the same for every event."""
        left = float(self.alpha_bar[-1])
        kept, other = left + (1 - left) / self.n, (1 - left) / self.n
        kl = kept * math.log(self.n * kept) + (self.n - 1) * other * math.log(self.n * other)
        return kl * self.space.dimensions

    def _left(self, t: Tensor) -> Tensor:
        """ᾱ_t in the type of the weights, with the shape of t."""
        return self.alpha_bar.to(t.device)[t].to(self._like().dtype)

    def _like(self) -> Tensor:
        return next(self.parameters(), torch.zeros(()))


def between(cells: Tensor, event: Tensor, before: Tensor, now: Tensor) -> Tensor:
    """log of q(x_{t-1} | x_t, x_0), mixed over what x_0 may be.

    Args:
        cells: States x_t, int64 with shape (...).
        event: Probabilities of the K values of x_0, with shape (..., K).
        before: The share that is left at t - 1, broadcast to (..., K).
        now: The share that is left at t.

    Returns:
        Log-probabilities with shape (..., K).
    """
    n, stays = event.shape[-1], now / before  # 1 - β_t
    here = nn.functional.one_hot(cells, n).to(event.dtype)
    share = event / (now * here + (1 - now) / n)  # of each x_0, over q(x_t | x_0)
    mixed = before * share + (1 - before) / n * share.sum(-1, keepdim=True)
    return ((stays * here + (1 - stays) / n) * mixed).clamp(min=1e-30).log()  # eq. 13
