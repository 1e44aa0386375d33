"""What the two players of a GAN minimise, as functions of the critic's outputs alone.

The critic maps events to one number v(x), large for "from the data P"; Q is the law of the fakes. A game gives the
critic's loss for a pair of a data event and a fake, and the generator's for a fake:

    game                 the critic minimises                 the generator minimises
    DivergenceGame       f*(g(v_q)) - g(v_p)                  one of three costs, below               (f-GAN, eq. 6)
    Wasserstein          v_q - v_p                            -v_q                                    (WGAN, eq. 3)
    Hinge                max(0, 1 - v_p) + max(0, 1 + v_q)    -v_q                                    (SNGAN, eq. 17)
    Relativistic         softplus(v_q - v_p)                  softplus(v_p - v_q)                     (R3GAN, eq. 2)

For any f-divergence the critic of the first climbs F = E_p g(v) - E_q f*(g(v)) <= D_f(P || Q), where g is the
divergence's output activation. With ``GANDivergence``, the default, g = log sigmoid(v) and F is the original value
E_p log D + E_q log(1 - D) with D = sigmoid(v): the best discriminator is D* = p / (p + q) and F = 2 JS - log 4. With
the best discriminator the gradients of the generator's costs are those of

    cost                 in general                default divergence     gradient of, by default
    Minimax              -f*(g(v))                 log(1 - D)             2 JS
    NonSaturating        -g(v)                     -log D                 KL(q || p) - 2 JS
    MaximumLikelihood    -(p / q as v tells it)    -D / (1 - D)           KL(p || q), with every divergence

Minimax vanishes where the discriminator is sure; the non-saturating cost (the practical alternative of f-GAN, section
3.2) has the same fixed point Q = P and another gradient, so where Q cannot equal P it ends elsewhere: with ``KL`` it
minimises the reverse KL. Only the third cost is maximum likelihood.

A critic of the Wasserstein game has to be kept to slopes of at most one, by a penalty; then -E of its loss is at most
the distance of P and Q, and nearly that. In the relativistic game only differences count: a constant added to v changes
nothing, so a fake is judged beside data, and the generator cannot win by leaving all data behind.

References:
    Generative Adversarial Networks (Goodfellow et al., 2014) https://arxiv.org/abs/1406.2661
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization (Nowozin et al., 2016)
    https://arxiv.org/abs/1606.00709
    NIPS 2016 Tutorial: Generative Adversarial Networks (Goodfellow, 2016) https://arxiv.org/abs/1701.00160
    Wasserstein GAN (Arjovsky, Chintala & Bottou, 2017) https://arxiv.org/abs/1701.07875
    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018) https://arxiv.org/abs/1802.05957
    The relativistic discriminator (Jolicoeur-Martineau, 2018) https://arxiv.org/abs/1807.00734
    The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang et al., 2024) https://arxiv.org/abs/2501.05441
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor

from ptheta.distributions.fdivergences import FDivergence, GANDivergence

__all__ = [
    "DivergenceGame",
    "Game",
    "GeneratorCost",
    "Hinge",
    "MaximumLikelihood",
    "Minimax",
    "NonSaturating",
    "Relativistic",
    "Wasserstein",
]


class GeneratorCost(ABC):
    """What the generator of a ``DivergenceGame`` minimises on its samples, given the critic's outputs v on them."""

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


class Game(ABC):
    """What both players minimise. ``compares`` says whether the generator's loss looks at data too."""

    compares: ClassVar[bool] = False

    @abstractmethod
    def critic(self, data: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss for pairs of its outputs on data and on fakes, with their shape."""

    @abstractmethod
    def maker(self, data: Tensor | None, fake: Tensor) -> Tensor:
        """The generator's loss for outputs on fakes, beside those on data where the game compares them."""


@final
@dataclass(frozen=True)
class DivergenceGame(Game):
    """A bound on an f-divergence, and one of three costs: the original game by default.

    Args:
        divergence: Which divergence the critic estimates.
        cost: What the generator minimises.
    """

    divergence: FDivergence = GANDivergence()  # noqa: RUF009  (frozen)
    cost: GeneratorCost = NonSaturating()

    def critic(self, data: Tensor, fake: Tensor) -> Tensor:
        return self.divergence.penalty(fake) - self.divergence.activation(data)

    def maker(self, data: Tensor | None, fake: Tensor) -> Tensor:
        return self.cost(self.divergence, fake)


@final
@dataclass(frozen=True)
class Wasserstein(Game):
    """The difference of two means: a distance, where the critic's slopes are at most one."""

    def critic(self, data: Tensor, fake: Tensor) -> Tensor:
        return fake - data

    def maker(self, data: Tensor | None, fake: Tensor) -> Tensor:
        return -fake


@final
@dataclass(frozen=True)
class Hinge(Game):
    """The critic stops where it is right by a margin of one; the generator never stops."""

    def critic(self, data: Tensor, fake: Tensor) -> Tensor:
        return F.relu(1 - data) + F.relu(1 + fake)

    def maker(self, data: Tensor | None, fake: Tensor) -> Tensor:
        return -fake


@final
@dataclass(frozen=True)
class Relativistic(Game):
    """Is the data event more real than the fake beside it? Both players see the same difference."""

    compares: ClassVar[bool] = True

    def critic(self, data: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake - data)

    def maker(self, data: Tensor | None, fake: Tensor) -> Tensor:
        if data is None:
            raise ValueError(
                "the relativistic game compares fakes with data, but the critic's outputs on data are None."
            )
        return F.softplus(data - fake)
