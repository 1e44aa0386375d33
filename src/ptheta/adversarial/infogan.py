"""InfoGAN: a GAN part of whose latents is a code that can be read off what it draws.

The generator is given noise z ~ N(0, I), a category k of K, all equally likely, and numbers u, uniform from -1 to 1.
A second head Q on the critic's features guesses the code c = (k, u) from the event. Both players also raise

    L_I = E ln Q(c | G(z, c)) + H(c)  <=  I(c; G(z, c)),        H(k) = ln K,        (InfoGAN, eq. 5)

a bound on the information that events carry about their code, so each value of it comes to mean something. ln Q is a
log-probability of the category and, of the numbers, a normal density of deviation 1 about the guessed means: their
squared error. The head and the features below it learn with the critic, on the critic's own fakes; the generator learns
through both. The bound on the category's part never exceeds ln K: ``information`` estimates it.

``encode`` reads the code of any event: K probabilities, then the numbers. ``decode`` shows a code with all noise at
zero, and ``traverse`` shows what each code changes while everything else stays.

Scoring: there is none. Sampling costs one pass. Not assumed: that a code means what a person would name. L_I at ln K
says that categories can be told apart, which slanted and upright digits can as well as threes and fives.

Known limits:
    Categories of one fit need not be those of another, and none need be the classes. Contexts are not taken.

References:
    InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets (Chen et al.,
    2016) https://arxiv.org/abs/1606.03657
"""

import math
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.games import DivergenceGame, Game
from ptheta.adversarial.penalties import Penalty, Side
from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.model import Estimate, Objective, require_sizes
from ptheta.nn.borrowed import run
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Real, Space

__all__ = ["InfoGAN"]


@final
class InfoGAN(PushForward):
    """A GAN with a code of one category and some numbers.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        latent: The number of latent variables besides the code.
        categories: The number K of categories.
        numbers: How many uniform numbers the code has; 0 for none.
        features: The width of what ``trunk`` gives.
        generator: Maps latents and code (B, latent + K + numbers) to embedded events. A perceptron if None.
        trunk: Maps embedded events to features (B, features), from which both heads read. A perceptron if None.
        information: The weight of L_I beside the game.
        game: What the players minimise besides.
        penalty: What the critic pays for its slopes, or None.
        optimizers: Of the critic with the code's head, and of the generator.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = InfoGAN(Levels((1, 4, 4), 17), latent=8, categories=3, numbers=1)
        >>> x = model.sample(5, noise=Noise(0))
        >>> model.encode(x).shape, model.traverse(2, noise=Noise(0)).shape
        (torch.Size([5, 4]), torch.Size([2, 3, 1, 4, 4]))
    """

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 62,
        categories: int = 10,
        numbers: int = 2,
        features: int = 256,
        generator: nn.Module | None = None,
        trunk: nn.Module | None = None,
        information: float = 1.0,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: Penalty | None = None,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(1e-3, betas=(0.5, 0.999))),
    ) -> None:
        require_sizes("InfoGAN", latent=latent, features=features)
        require_sizes("InfoGAN", least=2, categories=categories)
        require_sizes("InfoGAN", least=0, numbers=numbers)
        inputs = latent + categories + numbers
        if generator is None:
            generator = MLP(inputs, space.dimensions, activation=nn.ReLU)
        super().__init__(space, context_space=None, reader=None, generator=generator)
        self.latent, self.categories, self.numbers = latent, categories, numbers
        self.code_space = Real((categories + numbers,))
        self.trunk = MLP(space.dimensions, features) if trunk is None else trunk
        self.critic_head = nn.Linear(features, 1)
        self.code_head = MLP(features, categories + numbers, (128,))
        self.information_weight, self.game, self.penalty, self.optimizers = information, game, penalty, optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        critics = learning(self.trunk, self.critic_head, self.code_head)
        return (
            Objective("discriminator", self.discriminator_loss, critics, optimizer=critic),
            Objective("generator", self.generator_loss, learning(self.generator), optimizer=maker),
        )

    def latents(self, n: int, noise: Noise) -> Tensor:
        z = noise.normal((n, self.latent), "latent", like=self.like)
        k = (noise.uniform((n,), "category", like=self.like) * self.categories).long().clamp(max=self.categories - 1)
        u = 2 * noise.uniform((n, self.numbers), "numbers", like=self.like) - 1
        return torch.cat([z, F.one_hot(k, self.categories).to(z), u], 1)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic, less the weighted bound on the fakes' information, plus the penalty.

        Args:
            x: Events with shape (B, *space.shape).
            context: None.
            noise: Where latents, codes and jitter come from.

        Returns:
            The loss of each pair, with shape (B,).
        """
        latents = self.latents(len(x), noise)
        with torch.no_grad():
            fake = self.seen(self.push(latents, None, borrowed=True), noise, "jitter of fakes")
            data = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")
        fake, data = (y.detach().requires_grad_(self.penalty is not None) for y in (fake, data))
        on_data, on_fake = self._score(data), self._features(fake)
        sides = Side(data, on_data), Side(fake, self._judged(on_fake))
        loss = self.game.critic(*(side.outputs for side in sides))
        loss = loss - self.information_weight * self._log_code(on_fake, latents)  # eq. 6
        return loss if self.penalty is None else loss + self.penalty(self._score, *sides, noise)

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the generator, less the weighted bound on the information of its fakes.

        Args:
            x: Events with shape (B, *space.shape); where the game does not compare, only their number matters.
            context: None.
            noise: Where latents, codes and jitter come from.

        Returns:
            The loss of each fake, with shape (B,).
        """
        on_data = None
        if self.game.compares:
            with torch.no_grad():
                data = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")
                on_data = self._score(data, borrowed=True)
        latents = self.latents(len(x), noise)
        fake = self.seen(self.push(latents, None), noise, "jitter of fakes")
        features = self._features(fake, borrowed=True)
        loss = self.game.maker(on_data, self._judged(features))
        return loss - self.information_weight * self._log_code(features, latents)

    @torch.no_grad()
    def information(self, n: int = 2000, *, noise: Noise | None = None) -> Estimate:
        """The bound L_I on the information that fakes carry about their category, in nats: at most ln K.

        Args:
            n: How many fakes to draw, at least 2.
            noise: Where they come from.

        Returns:
            The mean with its standard error; the bias is downward, since it is a lower bound.
        """
        require_sizes("information", least=2, n=n)
        noise, mode = noise or Noise(), self.training
        self.eval()
        try:
            latents = self.latents(n, noise)
            features = self._features(self.seen(self.push(latents, None), noise, "jitter of fakes"))
            terms = self._log_category(features, latents).double() + math.log(self.categories)  # eq. 5
        finally:
            self.train(mode)
        return Estimate(float(terms.mean()), float(terms.std()) / math.sqrt(n), exact=False, bias="a lower bound")

    @torch.no_grad()
    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The guessed code of each event: K probabilities, then the numbers, with shape (B, K + numbers)."""
        self.check(x, context)
        mode = self.training
        self.eval()
        try:
            guess = self._guessed(self._features(self.space.embed(x, self.like.dtype)))
        finally:
            self.train(mode)
        return torch.cat([guess[:, : self.categories].softmax(1), guess[:, self.categories :]], 1)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event of each code (B, K + numbers), all noise at zero, with shape (B, *space.shape)."""
        self.code_space.check(z, "code")
        rest = self.like.new_zeros(len(z), self.latent)
        return self.generate(torch.cat([rest, z.to(rest)], 1), context)

    def traverse(self, n: int, number: int | None = None, *, steps: int = 10, noise: Noise | None = None) -> Tensor:
        """What one part of the code changes, all else held fast.

        Args:
            n: How many draws of all else.
            number: Which number goes from -1 to 1; None goes through the categories.
            steps: In how many steps a number goes.
            noise: Where all else comes from.

        Returns:
            Events with shape (n, categories or steps, *space.shape).
        """
        if number is not None and not 0 <= number < self.numbers:
            raise ValueError(f"number should be from 0 to {self.numbers - 1}, or None, but it is {number}.")
        steps = self.categories if number is None else steps
        latents = self.latents(n, noise or Noise()).repeat_interleave(steps, 0)
        first = self.latent + self.categories
        if number is None:
            latents[:, self.latent : first] = torch.eye(steps).to(latents).repeat(n, 1)
        else:
            latents[:, first + number] = torch.linspace(-1, 1, steps).to(latents).repeat(n)
        return self.generate(latents).unflatten(0, (n, steps))

    def _features(self, y: Tensor, *, borrowed: bool = False) -> Tensor:
        return run(self.trunk, y, None, borrowed=borrowed).to(y.dtype)

    def _score(self, y: Tensor, *, borrowed: bool = False) -> Tensor:
        """The critic's outputs v, with shape (B,)."""
        return self._judged(self._features(y, borrowed=borrowed))

    def _judged(self, features: Tensor) -> Tensor:
        return self.critic_head(features)[:, 0].to(features.dtype)

    def _guessed(self, features: Tensor) -> Tensor:
        return self.code_head(features).to(features.dtype)

    def _log_category(self, features: Tensor, latents: Tensor) -> Tensor:
        """ln Q(k | x) of the categories that fakes were made of, with shape (B,)."""
        true = latents[:, self.latent : self.latent + self.categories]
        return (self._guessed(features)[:, : self.categories].log_softmax(1) * true).sum(1)

    def _log_code(self, features: Tensor, latents: Tensor) -> Tensor:
        """ln Q(k, u | x) up to a constant, with shape (B,)."""
        start = self.latent + self.categories
        off = self._guessed(features)[:, self.categories :] - latents[:, start:]
        return self._log_category(features, latents) - off.square().sum(1) / 2
