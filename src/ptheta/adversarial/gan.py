"""Generative adversarial networks: the game, the penalty, packing and what is given are arguments.

A generator G pushes noise z ~ N(0, I) to events x = G(z) with law Q; a critic scores events by one number v(x), large
for "from the data P". What each minimises is the game's (``games.py``: divergences, Wasserstein, hinge, relativistic),
and what slopes the critic pays for the penalty's (``penalties.py``: R1, R2, WGAN-GP's). The GANs of the papers:

    GAN (2014)        DivergenceGame()
    f-GAN (2016)      DivergenceGame(KL(), Minimax()), ...
    WGAN-GP (2017)    Wasserstein(), UnitSlopes(10), five steps of the critic for each of the generator
    SNGAN (2018)      Hinge(), a critic of spectrally normalised layers (``ptheta.nn.spectral``)
    PacGAN (2018)     packing=2: the critic sees two events of one law at once
    R3GAN (2024)      Relativistic(), ZeroSlopes(fakes=True)

Packing. A critic of m independent events compares P^m with Q^m. A law that lacks modes draws alike events far too
often, which shows in pairs and not in single events. Packs are joined in the first axis: vectors grow longer, images
have more channels. A last pack that lacks events is filled with the first ones of the batch.

Matching. A critic that is given contexts may learn to ignore them. Shown data beside contexts of other data as well, it
must tell (data, right context) from both kinds of wrong pairs. Its loss is the mean of that on either,

    (1/2) [critic(v(x, c), v(G(z, c), c)) + critic(v(x, c), v(x, c'))]            (Reed et al., 2016, algorithm 1)

Scoring: there is none; the model is implicit. Sampling costs one pass. A player runs the other's network on copies of
its buffers, so neither objective moves the other's batch statistics; and each has a reader of contexts of its own, or
both would move what is learned in it. Not assumed: that Q has a density (with fewer latents than variables it lives on
a thin set), or that it covers P.

Known limits:
    It may collapse to a few modes, and nothing in the losses says so: count them. Without a penalty, 5000 steps of the
    original game found none of eight modes on a ring; with R1, all. On digits, f-GANs of KL, Pearson, Jeffrey and
    Neyman collapsed to one to six of ten classes; those of Jensen-Shannon and reverse KL drew all. There is no
    likelihood to choose the weights by, so training ends with averaged ones.

References:
    Generative Adversarial Networks (Goodfellow et al., 2014) https://arxiv.org/abs/1406.2661
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization (Nowozin et al., 2016)
    https://arxiv.org/abs/1606.00709
    Generative Adversarial Text to Image Synthesis (Reed et al., 2016) https://arxiv.org/abs/1605.05396
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017) https://arxiv.org/abs/1704.00028
    PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018)
    https://arxiv.org/abs/1712.04086
    Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018) https://arxiv.org/abs/1801.04406
    The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang et al., 2024) https://arxiv.org/abs/2501.05441
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from ptheta.adversarial.games import DivergenceGame, Game
from ptheta.adversarial.penalties import Penalty, Side
from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.model import Objective, require_sizes
from ptheta.nn import defaults
from ptheta.nn.borrowed import run
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["GAN"]


@final
class GAN(PushForward):
    """A generative adversarial network on levels, bits or reals.

    Networks are called with a batch, and with what was read of contexts as a second argument if there are any. The
    critic learns at every step, the generator at every ``discriminator_steps``-th.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        latent: The number of latent variables.
        context_space: What one context is, or None.
        reader: What the generator sees of a context, and a copy of it the critic; None lets the space of
            contexts choose a vector. Networks made by hand need the one that they were made for.
        generator: Maps latents (B, latent) to embedded events (B, *), unbounded: a hyperbolic tangent is applied on
            levels and bits. A multilayer perceptron if None.
        discriminator: The critic: maps packs of embedded events to one unbounded number each. A multilayer perceptron
            if None.
        game: What both minimise.
        penalty: What the critic pays for its slopes, or None.
        packing: How many events the critic sees at once; their contexts are joined as they are.
        matching: Whether the critic is also shown data beside contexts of other data.
        discriminator_steps: Steps of the critic per step of the generator.
        optimizers: Of the critic and of the generator.

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
        reader: Reader | None = None,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: Penalty | None = None,
        packing: int = 1,
        matching: bool = False,
        discriminator_steps: int = 1,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        require_sizes("GAN", latent=latent, packing=packing, discriminator_steps=discriminator_steps)
        if matching and context_space is None:
            raise ValueError(
                "a critic that judges whether a context matches needs contexts, but context_space is None."
            )
        reader = reader_of(context_space, given=reader)
        super().__init__(
            space,
            context_space=context_space,
            reader=reader,
            generator=defaults.generator(space, latent, reader) if generator is None else generator,
        )
        self.latent = latent
        self.discriminator_reader = deepcopy(reader)
        if discriminator is None:
            discriminator = defaults.discriminator(space, reader, packing=packing)
        self.discriminator = discriminator
        self.game, self.penalty, self.packing, self.matching = game, penalty, packing, matching
        self.discriminator_steps, self.optimizers = discriminator_steps, optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        critics = learning(self.discriminator, self.discriminator_reader)
        makers = learning(self.generator, self.reader)
        return (
            Objective("discriminator", self.discriminator_loss, critics, optimizer=critic),
            Objective("generator", self.generator_loss, makers, self.discriminator_steps, maker),
        )

    def latents(self, n: int, noise: Noise) -> Tensor:
        return noise.normal((n, self.latent), "latent", like=self.like)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic, each event paired with one fake, plus the penalty.

        Args:
            x: Events with shape (B, *space.shape).
            context: One context per event, or None; fakes have the same contexts.
            noise: Where the latents and the jitter come from.

        Returns:
            The loss of each pair, with shape (B,); events of one pack share theirs.
        """
        c = read(self.discriminator_reader, context)
        with torch.no_grad():
            fake = self._fakes(x, context, noise, borrowed=True)
            data = self._data(x, noise)
        sloped = self.penalty is not None
        fake, data = (y.detach().requires_grad_(sloped) for y in (fake, data))  # never the caller's own tensor
        score = partial(self._score, c=c)
        on_data, on_fake = score(data), score(fake)
        loss = self.game.critic(on_data, on_fake)
        if self.matching and context is not None:
            loss = (loss + self._mismatched(data, on_data, on_fake, context)) / 2
        if self.penalty is not None:
            loss = loss + self.penalty(score, Side(data, on_data), Side(fake, on_fake), noise)
        return self._each(loss, len(x))

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the generator on as many fakes as there are events.

        Args:
            x: Events with shape (B, *space.shape); where the game does not compare, only their number matters.
            context: One context per fake, or None.
            noise: Where the latents and the jitter come from.

        Returns:
            The loss of each fake, with shape (B,); events of one pack share theirs.
        """
        c = read(self.discriminator_reader, context)
        on_data = None
        if self.game.compares:
            with torch.no_grad():
                on_data = self._score(self._data(x, noise), c, borrowed=True)
        on_fake = self._score(self._fakes(x, context, noise), c, borrowed=True)
        return self._each(self.game.maker(on_data, on_fake), len(x))

    def _fakes(self, x: Tensor, context: Tensor | None, noise: Noise, *, borrowed: bool = False) -> Tensor:
        """What the critic sees of as many fakes as there are events: packs of them."""
        fake = self.push(self.latents(len(x), noise), read(self.reader, context), borrowed=borrowed)
        return packed(self.seen(fake, noise, "jitter of fakes"), self.packing)

    def _data(self, x: Tensor, noise: Noise) -> Tensor:
        """What the critic sees of events: packs of them."""
        return packed(self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data"), self.packing)

    def _mismatched(self, data: Tensor, on_data: Tensor, on_fake: Tensor, context: Tensor) -> Tensor:
        """The critic's loss beside data whose contexts are those of other data; of the fakes, where they are alike."""
        wrong = context.roll(1, 0)
        alike = packed((wrong == context).reshape(len(context), -1).all(1), self.packing)
        on_wrong = self._score(data, read(self.discriminator_reader, wrong))
        return self.game.critic(on_data, torch.where(alike.reshape(len(data), -1).any(1), on_fake, on_wrong))

    def _score(self, y: Tensor, c: Tensor | None, *, borrowed: bool = False) -> Tensor:
        """The critic's outputs v on packs, with shape (packs,)."""
        v = run(self.discriminator, y, None if c is None else packed(c, self.packing), borrowed=borrowed)
        return v.reshape(len(y)).to(y.dtype)

    def _each(self, loss: Tensor, n: int) -> Tensor:
        """The losses of packs as those of their n events."""
        return loss if self.packing == 1 else loss.repeat_interleave(self.packing)[:n]


def packed(y: Tensor, packing: int) -> Tensor:
    """Joins rows (B, F, *) by ``packing`` in their first axis, the last pack filled from the top.

    Args:
        y: What a critic sees, events or contexts.
        packing: How many rows make a pack.

    Returns:
        The packs, with shape (packs, packing * F, *); y itself where a pack is one row.
    """
    if packing == 1:
        return y
    rows = torch.arange(-(-len(y) // packing) * packing, device=y.device) % max(1, len(y))
    y = y[rows] if y.ndim > 1 else y[rows, None]
    return y.unflatten(0, (-1, packing)).flatten(1, 2)
