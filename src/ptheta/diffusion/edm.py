"""Elucidated diffusion (EDM): the event is left as it is, noise of any size is added, and a network is preconditioned.

    x = y + σ ε,    σ from σ_max (nothing but noise) down to σ_min, then 0,    D(x; σ) = E[y | x]

A network F that always sees inputs and answers of unit size is told the rest by hand (table 1, last column):

    D(x; σ) = c_skip x + c_out F(c_in x; ln σ)                                                             (eq. 7)
    c_skip = σ_d² / (σ² + σ_d²),    c_out = σ σ_d / sqrt(σ² + σ_d²),    c_in = 1 / sqrt(σ² + σ_d²)

where σ_d is the deviation of embedded events, taken from the first batch. The loss is |D - y|² / c_out², so that F's
own error counts the same at any σ (eq. 8): of events N(0, σ_d²) the best F is 0, and the loss is exactly 1. ln(σ / σ_d)
is normal in training: most effort goes where it is neither hopeless nor trivial to guess the event (section 5).

Moments are evenly spaced in σ^(1/ρ), closer together near the event, and Heun's rule walks them (algorithm 1; with
``churn`` algorithm 2). The bound, of a chain of T such moments, is that of every Gaussian diffusion.

Scoring: one network call for each draw of a term. Sampling: two network calls a step but the last.

Known limits:
    The bound is that of the ancestral chain, not of Heun's walk. It depends on σ_min where the network cannot guess the
    event to within it: on levels and bits that is a fraction of a level's cell.

References:
    Elucidating the Design Space of Diffusion-Based Generative Models (Karras, Aittala, Aila & Laine, 2022)
    https://arxiv.org/abs/2206.00364
"""

import math
from typing import final

import torch
from torch import Tensor, nn

from ptheta.diffusion.gaussian import GaussianDiffusion, aligned
from ptheta.diffusion.samplers import Heun, Moment, Sampler
from ptheta.nn.contexts import Reader
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space

__all__ = ["EDM"]


@final
class EDM(GaussianDiffusion):
    """Diffusion with a preconditioned network, on levels, bits or reals.

    Args:
        space: What one event is.
        steps: The number T of steps of the chain that is scored.
        sigma_min: The least noise, where embedded events have about unit size; None is .002 on reals, and .8 of half a
            level's cell on levels and bits.
        sigma_max: The most noise.
        rho: How much closer moments are near the event.
        noise_mean: The mean of ln(σ / σ_d) in training.
        noise_std: Its deviation.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts choose.
        network: F: takes scaled states (B, *shape), ln σ moved to [0, 1] with shape (B,) and what was read of contexts
            or None. None builds a U-Net for images and a residual MLP for anything else.
        sampler: The walk from noise to events; ``Heun``, 18 steps, if None.
        context_drop: How often training leaves a context out, for guidance.
        guidance: How much a context counts in samples; 1 is the model itself.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Real
        >>> model = EDM(Real((2,)), steps=10)
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.elbo(x, noise=Noise(1)).shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    sigma_data: Tensor

    def __init__(
        self,
        space: Space,
        *,
        steps: int = 1000,
        sigma_min: float | None = None,
        sigma_max: float = 80.0,
        rho: float = 7.0,
        noise_mean: float = -0.5,
        noise_std: float = 1.2,
        context_space: Space | None = None,
        reader: Reader | None = None,
        network: nn.Module | None = None,
        sampler: Sampler | None = None,
        context_drop: float = 0.0,
        guidance: float = 1.0,
        optimizer: Optimizer = Adam(1e-3),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(
            space,
            steps=steps,
            sampler=Heun() if sampler is None else sampler,
            context_space=context_space,
            reader=reader,
            network=network,
            context_drop=context_drop,
            guidance=guidance,
        )
        lattice = isinstance(space, Levels | Binary)
        self.sigma_min = (0.8 / (2 * (space.n - 1)) if lattice else 0.002) if sigma_min is None else sigma_min
        self.sigma_max, self.rho = sigma_max, rho
        if not 0 < self.sigma_min < sigma_max < math.inf or rho <= 0 or noise_std <= 0:
            raise ValueError(
                "EDM needs 0 < sigma_min < sigma_max, rho and noise_std above 0, but they are "
                f"{self.sigma_min:g}, {sigma_max:g}, {rho:g} and {noise_std:g}."
            )
        self.noise_mean, self.noise_std, self.optimizer = noise_mean, noise_std, optimizer
        self.register_buffer("sigma_data", torch.tensor(0.5 if lattice else 1.0))

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        """Takes the deviation σ_d of embedded events from the first batch."""
        self.sigma_data.copy_(self.embedded(x).std(correction=0).clamp(min=1e-3))

    def moments(self, steps: int) -> list[Moment]:
        high, low = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        sigmas = [(high + k / max(steps - 1, 1) * (low - high)) ** self.rho for k in range(steps)]  # eq. 5
        noisy = [Moment(steps - k, sigma, 1.0, sigma**2) for k, sigma in enumerate(sigmas)]
        return [*noisy, Moment(0, 0.0, 1.0, 0.0)]

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The squared error of the guess in units of c_out, per variable, with shape (B,)."""
        origin = self.embedded(x)
        z = noise.normal((len(x),), "time", origin)
        sigma = self.sigma_data * (self.noise_mean + self.noise_std * z).exp()
        state = origin + aligned(sigma, origin) * noise.normal(origin.shape, "noise", origin)
        skip, out, answer = self._answer(state, sigma, self.heard(context, noise))
        target = (origin - skip * state) / out
        return (answer - target).square().reshape(len(x), self.space.dimensions).mean(1)  # eq. 8

    def guess(self, state: Tensor, time: Tensor, features: Tensor | None) -> Tensor:
        skip, out, answer = self._answer(state, time, features)
        return self.clipped(skip * state + out * answer)  # eq. 7

    def _answer(self, state: Tensor, sigma: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """c_skip and c_out, each shaped to broadcast over states, and F(c_in x; ln σ), with the shape of states."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        clock = ((sigma.log() - low) / (high - low)).to(state.dtype)
        sigma, data = aligned(sigma, state), self.sigma_data.to(state.dtype)
        total = (sigma.square() + data.square()).sqrt()
        return (data / total).square(), sigma * data / total, self.network(state / total, clock, features)
