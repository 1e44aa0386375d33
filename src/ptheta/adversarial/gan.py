"""Generative adversarial networks, with the divergence and the generator's cost as arguments.

A generator G pushes noise z ~ N(0, I) to events x = G(z) with law Q; a discriminator scores events by one number v(x),
large for "from the data P". For any f-divergence the discriminator climbs the variational bound

    F = E_p g(v) - E_q f*(g(v))  <=  D_f(P || Q)                                     (f-GAN, eq. 6)

where g is the divergence's output activation. With ``GANDivergence``, the default, g = log sigmoid(v) and F is the
original value E_p log D + E_q log(1 - D) with D = sigmoid(v): the best discriminator is D* = p / (p + q) and
F = 2 JS - log 4. The generator descends one of three costs, each an expectation over its own samples. With the best
discriminator their gradients are those of

    cost                 in general                default divergence     gradient of, by default
    Minimax              -f*(g(v))                 log(1 - D)             2 JS
    NonSaturating        -g(v)                     -log D                 KL(q || p) - 2 JS
    MaximumLikelihood    -(p / q as v tells it)    -D / (1 - D)           KL(p || q), with every divergence

Minimax vanishes where the discriminator is sure; the non-saturating cost (the practical alternative of f-GAN, section
3.2) has the same fixed point Q = P and another gradient, so where Q cannot equal P it ends elsewhere: with ``KL`` it
minimises the reverse KL. Only the third cost is maximum likelihood.

Scoring: there is none; the model is implicit. Sampling costs one pass. Generation happens in the embedded space and
``sample`` projects to the nearest event; the discriminator sees data and fakes spread over their lattice cells by the
same noise, or the lattice would give the data away. A player runs the other's network on copies of its buffers, so
neither objective moves the other's batch statistics. Not assumed: that Q has a density (with fewer latents than
variables it lives on a thin set), or that it covers P.

Known limits:
    It may collapse to a few modes, and nothing in the losses says so: count them. Without the gradient penalty, 5000
    steps found none of eight modes on a ring; with it, all. On digits, f-GANs of KL, Pearson, Jeffrey and Neyman
    collapsed to one to six of ten classes; those of Jensen-Shannon and reverse KL drew all. There is no likelihood to
    choose the weights by, so training ends with averaged ones.

References:
    Generative Adversarial Networks (Goodfellow et al., 2014) https://arxiv.org/abs/1406.2661
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization (Nowozin et al., 2016)
    https://arxiv.org/abs/1606.00709
    NIPS 2016 Tutorial: Generative Adversarial Networks (Goodfellow, 2016) https://arxiv.org/abs/1701.00160
    Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018) https://arxiv.org/abs/1801.04406
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ptheta.distributions.fdivergences import FDivergence, GANDivergence
from ptheta.model import Model, Objective, Trained
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, require

__all__ = ["GAN", "GeneratorCost", "MaximumLikelihood", "Minimax", "NonSaturating"]

CHUNK = 1000


class GeneratorCost(ABC):
    """What the generator minimises on its samples, given the discriminator's outputs v on them."""

    @abstractmethod
    def __call__(self, divergence: FDivergence, v: Tensor) -> Tensor:
        """The cost of each sample, with the shape of v."""


@final
@dataclass(frozen=True)
class Minimax(GeneratorCost):
    """The bound itself, -f*(g(v)): log(1 - D) by default. Saturates where the discriminator is sure."""

    def __call__(self, divergence: FDivergence, v: Tensor) -> Tensor:
        return -divergence.penalty(v)  # f-GAN eq. 6


@final
@dataclass(frozen=True)
class NonSaturating(GeneratorCost):
    """The practical alternative -g(v): -log D by default."""

    def __call__(self, divergence: FDivergence, v: Tensor) -> Tensor:
        return -divergence.activation(v)  # f-GAN section 3.2


@final
@dataclass(frozen=True)
class MaximumLikelihood(GeneratorCost):
    """Minus the ratio p / q: -exp(v) by default. Its gradient is that of KL(p || q), and is noisy."""

    def __call__(self, divergence: FDivergence, v: Tensor) -> Tensor:
        return -divergence.ratio(v)


@final
class GAN(Trained, Model):
    """A generative adversarial network on levels, bits or reals.

    Networks are called with a batch, and with the embedded context as a second argument if there is one. The
    discriminator learns at every step, the generator at every ``discriminator_steps``-th.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        latent: The number of latent variables.
        context_space: What one context is, or None.
        generator: Maps latents (B, latent) to embedded events (B, *), unbounded: a hyperbolic tangent is applied on
            levels and bits. A multilayer perceptron if None.
        discriminator: Maps embedded events (B, *) to one unbounded number each. A multilayer perceptron if None.
        divergence: Which divergence the discriminator estimates.
        cost: What the generator minimises.
        discriminator_steps: Steps of the discriminator per step of the generator.
        gradient_penalty: The weight of half the squared norm of the discriminator's gradient at the data (R1).
        optimizers: Of the discriminator and of the generator.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = GAN(Levels((1, 4, 4), 17), latent=8)
        >>> model.sample(3, noise=Noise(0)).shape
        torch.Size([3, 1, 4, 4])
    """

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 64,
        context_space: Space | None = None,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        divergence: FDivergence = GANDivergence(),  # noqa: B008  (frozen)
        cost: GeneratorCost = NonSaturating(),
        discriminator_steps: int = 1,
        gradient_penalty: float = 0.0,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        super().__init__()
        require(space, Levels, Binary, Real, who="GAN")
        self.space, self.context_space = space, context_space
        self.latent = latent
        features = math.prod(context_space.embedded_shape) if context_space else 0
        leaky = partial(nn.LeakyReLU, 0.2)
        self.generator = generator or MLP(latent, space.dimensions, context=features, activation=nn.ReLU)
        self.discriminator = discriminator or MLP(space.dimensions, 1, context=features, activation=leaky)
        self.divergence, self.cost = divergence, cost
        self.discriminator_steps, self.gradient_penalty = discriminator_steps, gradient_penalty
        self.optimizers = optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        return (
            Objective("discriminator", self.discriminator_loss, _learning(self.discriminator), optimizer=critic),
            Objective("generator", self.generator_loss, _learning(self.generator), self.discriminator_steps, maker),
        )

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """Minus the bound F, each event paired with one fake, plus the gradient penalty.

        Args:
            x: Events with shape (B, *space.shape).
            context: One context per event, or None; fakes have the same contexts.
            noise: Where the latents and the jitter come from.

        Returns:
            The loss of each pair, with shape (B,).
        """
        c = self._features(context)
        with torch.no_grad():
            fake = self._push(self._latents(len(x), noise), c, borrowed=True)
            fake = self._seen(fake, noise, "jitter of fakes")
        data = self._seen(self.space.embed(x, self._dtype), noise, "jitter of data")
        data = data.detach().requires_grad_(self.gradient_penalty > 0)  # never the caller's own tensor
        v = self._score(data, c)
        loss = self.divergence.penalty(self._score(fake, c)) - self.divergence.activation(v)
        if self.gradient_penalty > 0:
            (slope,) = torch.autograd.grad(v.sum(), data, create_graph=True)
            loss = loss + self.gradient_penalty / 2 * slope.flatten(1).square().sum(1)  # Mescheder et al., eq. 9
        return loss

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The generator's cost on as many fakes as there are events.

        Args:
            x: Events with shape (B, *space.shape); only their number matters.
            context: One context per fake, or None.
            noise: Where the latents and the jitter come from.

        Returns:
            The cost of each fake, with shape (B,).
        """
        c = self._features(context)
        fake = self._seen(self._push(self._latents(len(x), noise), c), noise, "jitter of fakes")
        return self.cost(self.divergence, self._score(fake, c, borrowed=True))

    @torch.no_grad()
    def generate(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The events of given latents, with the generator in evaluation mode.

        Args:
            z: Latents with shape (n, latent).
            context: One context per latent, or None.

        Returns:
            Valid events with shape (n, *space.shape).
        """
        self.check_context(len(z), context)
        c, mode = self._features(context), self.generator.training
        self.generator.eval()
        try:
            chunks = zip(z.split(CHUNK), repeat(None) if c is None else c.split(CHUNK), strict=False)
            return torch.cat([self.space.project(self._push(*chunk)) for chunk in chunks])
        finally:
            self.generator.train(mode)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape), in one pass of the generator."""
        return self.generate(self._latents(n, noise or Noise()), context)

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.generator.parameters()).dtype

    def _latents(self, n: int, noise: Noise) -> Tensor:
        return noise.normal((n, self.latent), "latent", like=next(self.generator.parameters()))

    def _features(self, context: Tensor | None) -> Tensor | None:
        """The embedded context, with shape (B, features)."""
        if self.context_space is None or context is None:
            return None
        return self.context_space.embed(context, self._dtype).flatten(1)

    def _push(self, z: Tensor, c: Tensor | None, *, borrowed: bool = False) -> Tensor:
        """Maps latents to embedded events, with shape (B, *embedded_shape)."""
        y = _run(self.generator, z, c, borrowed)
        y = y.to(z.dtype).reshape(len(z), *self.space.embedded_shape)
        return y.tanh() if self.space.is_discrete else y

    def _seen(self, y: Tensor, noise: Noise, key: str) -> Tensor:
        """What the discriminator sees of embedded events: on a lattice, the same jitter for data and fakes."""
        return self.space.jitter(y, noise.uniform(y.shape, key, like=y)) if self.space.is_discrete else y

    def _score(self, y: Tensor, c: Tensor | None, *, borrowed: bool = False) -> Tensor:
        """The discriminator's outputs v, with shape (B,)."""
        v = _run(self.discriminator, y, c, borrowed)
        return v.reshape(len(y)).to(y.dtype)


def _run(network: nn.Module, x: Tensor, c: Tensor | None, borrowed: bool) -> Tensor:
    """Runs a player's network; the other player borrows it, with copies of its buffers: its statistics stay."""
    inputs = (x,) if c is None else (x, c)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()} if borrowed else {}
    return functional_call(network, buffers, inputs) if buffers else network(*inputs)


def _learning(module: nn.Module) -> tuple[nn.Parameter, ...]:
    return tuple(p for p in module.parameters() if p.requires_grad)
