"""Denoising diffusion probabilistic model (DDPM).

A fixed chain of T small steps turns an embedded event x_0 into noise, and the model learns to walk back:

    q(x_t | x_0) = N(sqrt(ᾱ_t) x_0, (1 - ᾱ_t) I)                                    (eq. 4)
    p(x_T) = N(0, I),   p(x_{t-1} | x_t) = N(μ_θ(x_t, t), σ_t² I)                   (eq. 1)

A network predicts the noise ε in x_t = sqrt(ᾱ_t) x_0 + sqrt(1 - ᾱ_t) ε, hence a guess x̂_0 of the event, and μ_θ is the
mean of q(x_{t-1} | x_t, x̂_0). The variance σ_t² is one of the paper's two (section 3.2): β_t on reals, that of
q(x_{t-1} | x_t, x_0) on levels and bits, and β_1 at the last step, where that is 0; ``GaussianDiffusion`` says why, and
what the bound is (eq. 5). Training minimises the squared error of the noise at a random t (eq. 14), a reweighted bound.

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

from typing import final

from torch import Tensor, nn

from ptheta.diffusion.gaussian import GaussianDiffusion, aligned
from ptheta.diffusion.samplers import Ancestral, Moment, Sampler
from ptheta.diffusion.schedules import LinearSchedule, Schedule
from ptheta.nn.contexts import Reader
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Real, Space

__all__ = ["DDPM"]


@final
class DDPM(GaussianDiffusion):
    """Denoising diffusion on levels, bits or reals.

    Args:
        space: What one event is.
        steps: The number T of diffusion steps.
        schedule: How fast noise comes.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts choose: maps of a picture, where
            events are images. A network made by hand needs the one that it was made for; without it it sees a vector.
        network: Predicts the noise: takes states (B, *shape), times t / T with shape (B,) and what was read of contexts
            or None. None builds a U-Net for images and a residual MLP for anything else.
        sampler: The walk from noise to events; the model's own, ``Ancestral``, if None.
        context_drop: How often training leaves a context out, for guidance.
        guidance: How much a context counts in samples; 1 is the model itself.
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
        reader: Reader | None = None,
        network: nn.Module | None = None,
        sampler: Sampler | None = None,
        context_drop: float = 0.0,
        guidance: float = 1.0,
        optimizer: Optimizer = Adam(2e-4),  # noqa: B008
    ) -> None:
        super().__init__(
            space,
            steps=steps,
            sampler=Ancestral(isinstance(space, Real)) if sampler is None else sampler,
            context_space=context_space,
            reader=reader,
            network=network,
            context_drop=context_drop,
            guidance=guidance,
        )
        self.alpha_bar = schedule.alpha_bars(steps)  # (T + 1,), a constant in float64 and no buffer
        self.optimizer = optimizer

    def moments(self, steps: int) -> list[Moment]:
        leaps = min(steps, self.steps)
        times = [round(self.steps * k / leaps) for k in range(leaps, -1, -1)]  # evenly spaced
        return [Moment(t, t, left := float(self.alpha_bar[t]), 1 - left) for t in times]

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The squared error of the predicted noise at a random time, per variable, with shape (B,)."""
        origin = self.embedded(x)
        t = self._times(noise.uniform((len(x),), "time", origin))
        epsilon = noise.normal(origin.shape, "noise", origin)
        state = self._diffuse(origin, t, epsilon)
        error = epsilon - self.network(state, self._clock(t, origin), self.heard(context, noise))
        return error.square().reshape(len(x), self.space.dimensions).mean(1)  # eq. 14, over D

    def guess(self, state: Tensor, time: Tensor, features: Tensor | None) -> Tensor:
        epsilon = self.network(state, self._clock(time, state), features)
        left = self._left(time, state)
        return self.clipped((state - (1 - left).sqrt() * epsilon) / left.sqrt())  # eq. 15

    def _diffuse(self, origin: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        left = self._left(t, origin)
        return left.sqrt() * origin + (1 - left).sqrt() * epsilon  # eq. 4

    def _left(self, t: Tensor, x: Tensor) -> Tensor:
        return aligned(self.alpha_bar.to(t.device)[t.long()], x)

    def _times(self, u: Tensor) -> Tensor:
        return (1 + (u * self.steps).long()).clamp(max=self.steps)

    def _clock(self, t: Tensor, like: Tensor) -> Tensor:
        return t.to(like.dtype) / self.steps
