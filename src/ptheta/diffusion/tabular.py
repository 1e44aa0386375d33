"""Diffusion of the rows of a table (TabDDPM): Gaussian steps for numbers, multinomial steps for names, one network.

A row is taken apart into N numbers y, the normal scores of its columns of numbers (``distributions.normal_scores``),
and codes c of its names; a column of numbers that may be blank has a code of two values besides. At step t of T, with
the same share ᾱ_t left of both,

    q(y_t | y) = N(sqrt(ᾱ_t) y, 1 - ᾱ_t),    q(c_t | c) = ᾱ_t [c_t = c] + (1 - ᾱ_t) / K                       (eq. 1, 3)

all apart. The network sees the noisy row and t, and guesses the score, ŷ = sqrt(ᾱ_t) y_t - sqrt(1 - ᾱ_t) v̂, and the
probabilities of each code. A step back is Gaussian about the posterior mean at ŷ, and the mixture of categorical
posteriors over the guess. The last step gives a cell:

    number          p(x) = N(g(x); ŷ, σ_1^2) g'(x), a density per unit
    whole number    p(k) = Phi((g(k + 1/2) - ŷ) / σ_1) - Phi((g(k - 1/2) - ŷ) / σ_1), a mass
    name, blank     its probability

so that the bound is one on log p of the mixed row itself, in the units of its columns. Of a blank cell the number is
nobody's concern: its walk is that of score 0, and its last step costs nothing.

    log p(x) >= -KL(q_T || p_T) - sum_{t > 1} [(SNR_{t-1} - SNR_t) / 2 |y - ŷ|^2 + sum_c KL] + log p(x | y_1, c_1)

Training takes one step per row: the mean of the codes' terms of the bound, and in place of those of numbers the plain
squared error of the noise, which counts coarse steps more than the bound would (eq. 5).

Scoring: T network calls for all terms, or as many as are drawn. Sampling: T calls.

References:
    TabDDPM: Modelling Tabular Data with Diffusion Models (Kotelnikov, Baranchuk, Rubachev & Babenko, 2023)
    https://arxiv.org/abs/2209.15421
    Progressive Distillation for Fast Sampling of Diffusion Models (Salimans & Ho, 2022), for v
    https://arxiv.org/abs/2202.00512
"""

import math
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.diffusion.multinomial import between
from ptheta.diffusion.schedules import CosineSchedule, Schedule
from ptheta.distributions.columns import log_between
from ptheta.distributions.heads import inverse_cdf
from ptheta.distributions.normal_scores import NormalScores, Parts
from ptheta.model import LossModel
from ptheta.nn.contexts import Reader, read, reader_of, width_of
from ptheta.nn.denoiser import ResidualMLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space, Table, require

__all__ = ["TableDiffusion"]

CHUNK = 2048  # rows in the sampler at a time


@final
class TableDiffusion(LossModel):
    """A diffusion of mixed rows, blanks and all.

    Args:
        space: A table.
        steps: The number T of steps, at least 2.
        schedule: How fast a row is forgotten.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts choose.
        width: The width of the residual perceptron.
        blocks: How many blocks it has.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Column, Noise, Table
        >>> model = TableDiffusion(Table((Column("a", "boolean", ("no", "yes")), Column("b"))), steps=5, width=8)
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.elbo(x, noise=Noise(1)).shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    begins_with: ClassVar[int] = 20_000

    def __init__(
        self,
        space: Space,
        *,
        steps: int = 100,
        schedule: Schedule = CosineSchedule(),  # noqa: B008  (frozen)
        context_space: Space | None = None,
        reader: Reader | None = None,
        width: int = 256,
        blocks: int = 3,
        optimizer: Optimizer = Adam(1e-3),  # noqa: B008
    ) -> None:
        super().__init__()
        require(space, Table, who="TableDiffusion")
        assert isinstance(space, Table)
        self.fields = space.fields
        if steps < 2:
            raise ValueError(f"TableDiffusion takes at least 2 diffusion steps, but steps is {steps}.")
        self.space, self.context_space, self.steps = space, context_space, steps
        self.alpha_bar, self.optimizer = schedule.alpha_bars(steps), optimizer  # (T + 1,), float64 and no buffer
        self.maps = NormalScores(space)
        self.sizes = [k for _, k in self.maps.coded]
        self.reader = reader_of(context_space, given=reader)
        shown = len(self.maps) + sum(self.sizes)
        if not shown:
            raise ValueError("TableDiffusion needs a column that is not always the same, and this table has none.")
        context = width_of(self.reader, "a residual MLP")
        self.network = ResidualMLP((shown,), width=width, blocks=blocks, context=context)

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        self.maps.begin(x)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The paper's loss at one step of each row, with shape (B,): of codes in nats, of numbers a squared error."""
        self.check(x, context)
        u = noise.uniform((len(x),), "time", self._like())
        t = (1 + (u * self.steps).long()).clamp(max=self.steps)
        numbers, codes = self.terms(x, t, read(self.reader, context), noise, plain=True)
        return numbers + self.steps * codes / max(len(self.sizes), 1)  # eq. 5

    @torch.no_grad()
    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """An unbiased estimate of the bound on log p(x | context) in nats: the last step, and ``draws`` of the others.

        Args:
            x: Rows with shape (B, D).
            context: Contexts with shape (B, *context_space.shape), or None.
            draws: How many terms of t > 1 to draw for each row, one from each of as many equal slices of them.
            noise: Where times and states are drawn from.

        Returns:
            The estimate, with shape (B,).
        """
        self.check(x, context)
        noise, features = noise or Noise(None), read(self.reader, context)
        last = torch.ones(len(x), dtype=torch.int64, device=x.device)
        total = self._prior_term(x) + sum(self.terms(x, last, features, noise.at("last")))
        for j in range(draws):
            u = (noise.at("draw", j).uniform((len(x),), "time", self._like()) + j) / draws
            t = (2 + (u * (self.steps - 1)).long()).clamp(max=self.steps)
            total = total + (self.steps - 1) / draws * sum(self.terms(x, t, features, noise.at("draw", j)))
        return -total.to(self._like().dtype)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n rows, with shape (n, D), by T network calls.

        Args:
            n: How many.
            context: Contexts with shape (n, *context_space.shape), or None.
            noise: Where the walk draws from.

        Returns:
            Valid rows.
        """
        self.check_context(n, context)
        noise, features, like = noise or Noise(None), read(self.reader, context), self._like()
        drawn = [like.new_zeros(0, self.space.dimensions).double()]
        for start in range(0, n, CHUNK):
            source, rows = noise.rows(start), min(CHUNK, n - start)
            part = None if features is None else features[start : start + CHUNK]
            u = source.uniform((rows, len(self.sizes)), "codes", like)
            codes = (u * u.new_tensor(self.sizes)).long()
            state = Parts(source.normal((rows, len(self.maps)), "scores", like), codes)
            for t in range(self.steps, 0, -1):
                state = self._back(state, t, part, source.at("step", t))
            drawn.append(self.maps.rows(state))
        return torch.cat(drawn)

    def _back(self, state: Parts, t: int, features: Tensor | None, noise: Noise) -> Parts:
        """One step back of a walk, from t to t - 1; the last draws cells."""
        like, b = state.scores, len(state.scores)
        at = torch.full((b,), t, device=like.device)
        guess, log_guess = self._guess(state, at, features)
        before, now = (float(self.alpha_bar[s]) for s in (t - 1, t))
        if t == 1:
            mean, deviation = guess, self.sigma
        else:
            stays = now / before
            mean = math.sqrt(before) * (1 - stays) / (1 - now) * guess
            mean = mean + math.sqrt(stays) * (1 - before) / (1 - now) * state.scores
            deviation = math.sqrt((1 - before) / (1 - now) * (1 - stays))
        scores = mean + deviation * noise.normal(tuple(like.shape), "scores", like)
        u, codes = noise.uniform(tuple(state.codes.shape), "codes", like), []
        for j, log_p in enumerate(log_guess):
            here = state.codes[:, j]
            log_q = log_p if t == 1 else between(here, log_p.exp(), like.new_tensor(before), like.new_tensor(now))
            codes.append(inverse_cdf(log_q, u[:, j]))
        return Parts(scores, torch.stack(codes, 1) if codes else state.codes)

    def terms(
        self, x: Tensor, t: Tensor, features: Tensor | None, noise: Noise, *, plain: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The terms of numbers and of codes at one step of each row.

        Args:
            x: Rows with shape (B, D).
            t: Their steps, from 1 to T, with shape (B,).
            features: What was read of contexts, or None.
            noise: Where states are drawn from.
            plain: Whether terms of numbers are squared errors of the noise instead.

        Returns:
            Nats with shape (B,) each.
        """
        like, origin = self._like(), self.maps.parts(x, self._like().dtype)
        now = self._left(t)[:, None]
        scores = now.sqrt() * origin.scores + (1 - now).sqrt() * noise.normal(origin.scores.shape, "scores", like)
        kept = noise.uniform(origin.codes.shape, "kept", like) < now
        fresh = noise.uniform(origin.codes.shape, "fresh", like) * like.new_tensor(self.sizes)
        state = Parts(scores, torch.where(kept, origin.codes, fresh.long()))  # eq. 1 and 3
        guess, log_guess = self._guess(state, t, features)
        codes = like.new_zeros(len(x))
        before, after = self._left((t - 1).clamp(min=1))[:, None], self._left(t.clamp(min=2))[:, None]
        for j, log_p in enumerate(log_guess):
            event = F.one_hot(origin.codes[:, j], self.sizes[j]).to(log_p.dtype)
            log_q, log_back = (between(state.codes[:, j], e, before, after) for e in (event, log_p.exp()))
            kl = (log_q.exp() * (log_q - log_back)).sum(1)
            codes = codes + torch.where(t == 1, -(event * log_p).sum(1), kl)
        error = (origin.scores - guess).square()
        if plain:
            return (error * now / (1 - now)).sum(1), codes
        numbers = (error.double() * self._weight(t)[:, None]).sum(1)
        return torch.where(t == 1, -self._decoded(x, guess.double()), numbers), codes.double()

    def _guess(self, state: Parts, t: Tensor, features: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """The guess of the scores (B, N), and log-probabilities of each code, (B, K) each."""
        like = self._like()
        hot = [F.one_hot(state.codes[:, j], k).to(like) for j, k in enumerate(self.sizes)]
        out = self.network(torch.cat([state.scores.to(like), *hot], 1), t.to(like.dtype) / self.steps, features)
        v, *logits = out.split([len(self.maps), *self.sizes], 1)
        now = self._left(t)[:, None]
        return now.sqrt() * state.scores - (1 - now).sqrt() * v, [part.log_softmax(1) for part in logits]

    def _decoded(self, x: Tensor, guess: Tensor) -> Tensor:
        """log p of the numbers of rows given the guess (B, N) of the last step, with shape (B,): float64."""
        total = guess.new_zeros(len(x))
        for i, d in enumerate(self.maps.columns):
            f, cell = self.fields[d], x[:, d].double()
            known = torch.where(cell.isnan(), f.mean, cell)
            if f.kind == "number":
                z = (self.maps.scores(i, known) - guess[:, i]) / self.sigma
                term = -0.5 * z.square() - math.log(self.sigma * math.sqrt(2 * math.pi)) + self.maps.log_slope(i, known)
            else:
                low, high = ((end - guess[:, i]) / self.sigma for end in self.maps.ends(i, known.round()))
                term = log_between(low, high)
                if f.least is not None:
                    term = torch.where(known < f.least, -torch.inf, term)
            total = total + torch.where(cell.isnan(), 0.0, term)
        return total

    @property
    def sigma(self) -> float:
        """The deviation of the last step back, σ_1."""
        left = float(self.alpha_bar[1])
        return math.sqrt((1 - left) / left)

    def _weight(self, t: Tensor) -> Tensor:
        """What a squared error of a guess costs at t > 1 in nats: half the fall of signal to noise; float64."""
        left = self.alpha_bar.to(t.device)
        t = t.clamp(min=2)
        return (left[t - 1] / (1 - left[t - 1]) - left[t] / (1 - left[t])) / 2

    def _prior_term(self, x: Tensor) -> Tensor:
        """The divergence of the last state from where walks begin, with shape (B,): float64."""
        left = float(self.alpha_bar[-1])
        scores = self.maps.parts(x, self._like().dtype).scores.double()
        kl = (left * scores.square() - left - math.log1p(-left)).sum(1) / 2
        for k in self.sizes:
            kept, other = left + (1 - left) / k, (1 - left) / k
            kl = kl + kept * math.log(k * kept) + (k - 1) * other * math.log(k * other)
        return kl

    def _left(self, t: Tensor) -> Tensor:
        """ᾱ_t in the type of the weights, with the shape of t."""
        return self.alpha_bar.to(t.device)[t].to(self._like().dtype)

    def _like(self) -> Tensor:
        return next(self.network.parameters(), torch.zeros(()))
