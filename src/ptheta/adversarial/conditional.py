"""Conditional GANs with a fidelity term: an event for what is given, among several that would do.

A generator G pushes noise z ~ N(0, I) and a context c to an event G(z, c). It is asked for two things: to lie near the
event x that belongs to the context, and to look like one beside it,

    fidelity weight * fidelity(x, G(z, c)) + adversarial weight * maker(v(G(z, c), c))           (pix2pix, eq. 4)

while a critic v learns to tell (x, c) from (G(z, c), c) by the game's loss (``games.py``). The models of the papers:

    pix2pix (2016)     Absolute(), a U-Net, a critic of patches
    SRGAN (2016)       Features(...), residual blocks that enlarge at the end
    PGN (2015)         Squared(), a recurrent encoder and a decoder of frames

Where a context has several answers, fidelity alone asks for a compromise (their mean, their median), and the critic
forbids it. A critic may judge patches: it returns one number for each place, each of which sees a part of the event
only (``ptheta.nn.patches``), and the loss is the mean of the game's over the places. What its slopes cost is of the one
number that is the mean of its outputs: a place's own slopes weigh less the more places there are.

Noise is an input. The original's is dropout and batch statistics at test time, so that outputs depend on their batch;
here no example depends on another, and what is drawn for a context varies with z alone. Fidelity to one event asks each
draw to be near it, so that of two answers it asks for what lies between. With ``draws`` k > 1 it is asked of the
nearest of k draws alone,

    min over j = 1, ..., k of fidelity(x, G(z_j, c)),

which each answer can give as long as it is drawn often enough: of two that are equally likely, all k draws are the
other one once in 2^k times. The critic sees the first draw, whichever is nearest.

Without an adversarial weight there is no critic, and the model is a regression that draws (almost) the same at each z.
Scoring: there is none. Sampling costs one pass of the generator.

Known limits:
    Nothing forces z to be used. Count the answers that are drawn for one context.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2016)
    https://arxiv.org/abs/1611.07004
    Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network (Ledig et al., 2016)
    https://arxiv.org/abs/1609.04802
    Unsupervised Learning of Visual Structure using Predictive Generative Networks (Lotter, Kreiman & Cox, 2015)
    https://arxiv.org/abs/1511.06380
    Accurate and Diverse Sampling of Sequences based on a "Best of Many" Sample Objective (Bhattacharyya, Schiele &
    Fritz, 2018), for the nearest of several draws https://arxiv.org/abs/1806.07772
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from ptheta.adversarial.fidelity import Absolute, Fidelity
from ptheta.adversarial.games import DivergenceGame, Game
from ptheta.adversarial.penalties import Penalty, Side
from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.model import Objective, require_sizes
from ptheta.nn.borrowed import run
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["ConditionalGAN"]


@final
class ConditionalGAN(PushForward):
    """A conditional GAN with a fidelity term, on levels, bits or reals.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        context_space: What one context is.
        generator: Maps latents (B, latent) and what was read of contexts to embedded events (B, *), unbounded: a
            hyperbolic tangent is applied on levels and bits.
        discriminator: The critic: maps embedded events and what was read of contexts to unbounded numbers, (B,) or (B,
            *places). None without an adversarial weight.
        latent: The number of latent variables.
        reader: What the generator sees of a context, and a copy of it the critic; None lets the space of contexts
            choose a vector.
        fidelity: How far a fake lies from the event.
        fidelity_weight: Its weight in the generator's loss; 0 for none.
        adversarial_weight: The game's weight in the generator's loss; 0 for none.
        draws: Of how many draws for one context the nearest should lie near the event.
        game: What both minimise.
        penalty: What the critic pays for its slopes, or None.
        optimizers: Of the critic and of the generator.

    Example:
        >>> from ptheta import Levels, Noise
        >>> from ptheta.nn.mlp import MLP
        >>> nets = MLP(4, 6, (8,), context=2), MLP(6, 1, (8,), context=2)
        >>> model = ConditionalGAN(Levels((6,), 4), Levels((2,), 4), *nets, latent=4)
        >>> model.sample(3, torch.zeros(3, 2).byte(), noise=Noise(0)).shape
        torch.Size([3, 6])
    """

    def __init__(
        self,
        space: Space,
        context_space: Space | None,
        generator: nn.Module,
        discriminator: nn.Module | None,
        *,
        latent: int = 16,
        reader: Reader | None = None,
        fidelity: Fidelity | None = None,
        fidelity_weight: float = 1.0,
        adversarial_weight: float = 1.0,
        draws: int = 1,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: Penalty | None = None,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        require_sizes("ConditionalGAN", latent=latent, draws=draws)
        if context_space is None:
            raise ValueError("a conditional GAN needs something given. Give it contexts, by --conditional or --given.")
        if min(fidelity_weight, adversarial_weight) < 0 or fidelity_weight + adversarial_weight == 0:
            raise ValueError(
                "expected weights of fidelity and of the game that are not negative, one of them positive, but they "
                f"are {fidelity_weight} and {adversarial_weight}."
            )
        if (discriminator is None) != (adversarial_weight == 0):
            raise ValueError("a discriminator goes with an adversarial weight: give both or neither.")
        reader = reader_of(context_space, given=reader)
        super().__init__(space, context_space=context_space, reader=reader, generator=generator)
        self.discriminator = discriminator
        self.discriminator_reader = None if discriminator is None else deepcopy(reader)
        self.fidelity = Absolute() if fidelity is None else fidelity
        self.fidelity_weight, self.adversarial_weight = fidelity_weight, adversarial_weight
        self.latent, self.draws, self.game, self.penalty, self.optimizers = latent, draws, game, penalty, optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        makers = Objective("generator", self.generator_loss, learning(self.generator, self.reader), optimizer=maker)
        if self.discriminator is None:
            return (makers,)
        critics = learning(self.discriminator, self.discriminator_reader)
        return Objective("discriminator", self.discriminator_loss, critics, optimizer=critic), makers

    def latents(self, n: int, noise: Noise) -> Tensor:
        return noise.normal((n, self.latent), "latent", like=self.like)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic, each event beside a fake of its context, plus the penalty.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their contexts.
            noise: Where the latents and the jitter come from.

        Returns:
            The loss of each pair, the mean over the critic's places, with shape (B,).
        """
        c = read(self.discriminator_reader, context)
        with torch.no_grad():
            made = self.push(self.latents(len(x), noise), read(self.reader, context), borrowed=True)
            fake = self.seen(made, noise, "jitter of fakes")
            data = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")
        sloped = self.penalty is not None
        fake, data = (y.detach().requires_grad_(sloped) for y in (fake, data))
        on_data, on_fake = self._places(data, c), self._places(fake, c)
        loss = self.game.critic(on_data, on_fake).mean(1)
        if self.penalty is not None:
            sides = Side(data, on_data.mean(1)), Side(fake, on_fake.mean(1))
            loss = loss + self.penalty(lambda y: self._places(y, c).mean(1), *sides, noise)
        return loss

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """What the generator pays for being far from the events, and for being told from them (pix2pix, eq. 4).

        Args:
            x: Events with shape (B, *space.shape).
            context: Their contexts.
            noise: Where the latents and the jitter come from.

        Returns:
            The loss of each event, with shape (B,).
        """
        y, c = self.space.embed(x, self.like.dtype), read(self.reader, context)
        made = [self.push(self.latents(len(x), part), c) for part in self._parts(noise)]
        loss = torch.zeros(len(x)).to(y)
        if self.fidelity_weight:
            away = torch.stack([self.fidelity(y, each) for each in made])  # (draws, B)
            loss = loss + self.fidelity_weight * away.amin(0)
        if self.discriminator is not None:
            seen = read(self.discriminator_reader, context)
            score = partial(self._places, c=seen, borrowed=True)
            on_data = None
            if self.game.compares:
                with torch.no_grad():
                    on_data = score(self.seen(y, noise, "jitter of data"))
            on_fake = score(self.seen(made[0], noise, "jitter of fakes"))
            loss = loss + self.adversarial_weight * self.game.maker(on_data, on_fake).mean(1)
        return loss

    def _parts(self, noise: Noise) -> list[Noise]:
        """The noise of each draw for one context; the first is that which the critic sees."""
        return [noise, *(noise.at("draw", k) for k in range(1, self.draws))]

    def _places(self, y: Tensor, c: Tensor | None, *, borrowed: bool = False) -> Tensor:
        """The critic's outputs at all its places, with shape (B, places)."""
        assert self.discriminator is not None
        return run(self.discriminator, y, c, borrowed=borrowed).to(y.dtype).reshape(len(y), -1)
