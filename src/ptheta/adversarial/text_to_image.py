"""Events of a text: one head of the critic judges whether an event is real, another which text it belongs to.

A generator G draws x = G(z, c) from noise z ~ N(0, I) and a text c. The critic's features h(x) serve two heads. The
first gives a number v(x), large for "from the data", for which both play a game (``games.py``). The second, with a
reader of texts of its own, compares features with each text of a batch,

    t_ij = s cos(h(x_i), b(c_j)),        M_i = -ln softmax_j(t_ij)_i - ln softmax_j(t_ji)_i.

M asks which of the texts is that of the event, and which of the events is that of the text. A critic that is only
shown right pairs may ignore the texts. Matching-aware critics (Reed et al., 2016, algorithm 1) are shown one wrong text
beside each event as well; here all other texts of the batch are the wrong ones, so that some of them differ in a single
word, and the nearest count most. The critic learns M on data; the generator lowers M of its fakes,

    critic       game(v(x), v(G(z, c)))  +  M(x, c)
    generator    game(v(G(z, c)))        +  weight M(G(z, c), c)

with a small weight: features that no data have can say a text too, and nothing but the game keeps fakes from them.

No loss above keeps events of one text apart: each may be believable and say its text, and all be one. With a second
draw z' for the same text the generator also lowers

    diversity |z - z'| / |G(z, c) - G(z', c)|        mean absolute differences (Mao et al., 2019, eq. 2, turned over)

which falls steeply where fakes are alike, and hardly where they vary as data do.

ln B less half of M bounds from below what events say of their texts, at most ln B in a batch of B. The best t is
ln p(x | c) / p(x) up to a constant for each row, so fakes are pulled to where their text is likelier than by chance,
and what texts leave open moves nothing.

Scoring: there is none. Sampling costs one pass. Texts that are alike, word for word, are no wrong texts to one another.

Known limits:
    The loss of an event depends on the batch beside it, so training needs one process. What no text of the data says
    is not understood, and words never seen are refused by the space of texts. Events of one text vary as far as
    ``diversity`` makes them, which knows nothing of how much data do: measure their spread.

References:
    Generative Adversarial Text to Image Synthesis (Reed et al., 2016) https://arxiv.org/abs/1605.05396
    Representation Learning with Contrastive Predictive Coding (van den Oord, Li & Vinyals, 2018), eq. 4
    https://arxiv.org/abs/1807.03748
    Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis (Mao et al., 2019)
    https://arxiv.org/abs/1903.05628
    Cross-Modal Contrastive Learning for Text-to-Image Generation (Zhang et al., 2021) https://arxiv.org/abs/2101.04702
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.games import DivergenceGame, Game
from ptheta.adversarial.penalties import Penalty, Side
from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.adversarial.translation import difference
from ptheta.model import Objective, require_sizes
from ptheta.nn import defaults
from ptheta.nn.borrowed import run
from ptheta.nn.contexts import Reader, reader_of, width_of
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["TextToImage"]

SHARP = 2.3  # the logarithm of s at the start
LEAST = 1e-3  # added to how far fakes are apart, over how far their latents are


@final
class TextToImage(PushForward):
    """A GAN that draws what a text says.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        context_space: What one context is: texts, or anything that a reader reads as a vector.
        latent: The number of latent variables.
        features: The width of what ``trunk`` gives.
        reader: What the generator sees of a text, and a copy of it the critic; None lets the space choose a vector.
        generator: Maps latents (B, latent) and what was read to embedded events. A perceptron if None.
        trunk: Maps embedded events to features (B, features). A perceptron if None.
        matching: The weight of M beside the generator's game; with 0 the critic never sees a text.
        diversity: What the generator pays for fakes of one text that are alike; with 0 none is drawn twice.
        game: What the players minimise besides.
        penalty: What the critic pays for the slopes of v, or None.
        optimizers: Of the critic and of the generator.

    Example:
        >>> from ptheta import Levels, Noise, Tokens
        >>> model = TextToImage(Levels((1, 4, 4), 17), Tokens(3, 5, ("", "a", "red", "blue", "dot")), latent=8)
        >>> texts = model.context_space.parse(["a red dot", "a blue dot"])
        >>> model.sample(2, texts, noise=Noise(0)).shape
        torch.Size([2, 1, 4, 4])
    """

    context_space: Space
    reader: Reader

    def __init__(
        self,
        space: Space,
        context_space: Space,
        *,
        latent: int = 64,
        features: int = 256,
        reader: Reader | None = None,
        generator: nn.Module | None = None,
        trunk: nn.Module | None = None,
        matching: float = 0.2,
        diversity: float = 0.0,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: Penalty | None = None,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        require_sizes("TextToImage", latent=latent, features=features)
        reader = reader_of(context_space, given=reader)
        assert reader is not None
        width = width_of(reader, "the head that compares texts")
        generator = defaults.generator(space, latent, reader) if generator is None else generator
        super().__init__(space, context_space=context_space, reader=reader, generator=generator)
        self.latent, self.matching, self.diversity = latent, matching, diversity
        self.discriminator_reader = deepcopy(reader)
        self.trunk = MLP(space.dimensions, features) if trunk is None else trunk
        self.critic_head, self.match_head = nn.Linear(features, 1), nn.Linear(width, features)
        self.sharpness = nn.Parameter(torch.tensor(SHARP))
        self.game, self.penalty, self.optimizers = game, penalty, optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        critics = learning(self.trunk, self.critic_head)
        if self.matching:
            critics = (*critics, *learning(self.match_head, self.discriminator_reader), self.sharpness)
        return (
            Objective("discriminator", self.discriminator_loss, critics, optimizer=critic),
            Objective("generator", self.generator_loss, learning(self.generator, self.reader), optimizer=maker),
        )

    def latents(self, n: int, noise: Noise) -> Tensor:
        return noise.normal((n, self.latent), "latent", like=self.like)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic, M of data and the penalty.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their texts, with shape (B, *context_space.shape); fakes have the same.
            noise: Where latents and jitter come from.

        Returns:
            The loss of each pair, with shape (B,).
        """
        text = self._texts(context)
        with torch.no_grad():
            fake = self.push(self.latents(len(x), noise), self.reader(text), borrowed=True)
            fake = self.seen(fake, noise, "jitter of fakes")
            data = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")
        fake, data = (y.detach().requires_grad_(self.penalty is not None) for y in (fake, data))
        on_data = self._features(data)
        sides = Side(data, self._judged(on_data)), Side(fake, self._judged(self._features(fake)))
        loss = self.game.critic(*(side.outputs for side in sides))
        if self.matching:
            loss = loss + self._mismatch(on_data, text)
        return loss if self.penalty is None else loss + self.penalty(self._score, *sides, noise)

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the generator, the weighted M of its fakes, and what it pays for those that are alike.

        Args:
            x: Events with shape (B, *space.shape); where the game does not compare, only their number matters.
            context: One text per fake, with shape (B, *context_space.shape).
            noise: Where latents and jitter come from.

        Returns:
            The loss of each fake, with shape (B,).
        """
        text, on_data = self._texts(context), None
        if self.game.compares:
            with torch.no_grad():
                data = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")
                on_data = self._judged(self._features(data, borrowed=True))
        z, said = self.latents(len(x), noise), self.reader(text)
        made = self.push(z, said)
        features = self._features(self.seen(made, noise, "jitter of fakes"), borrowed=True)
        loss = self.game.maker(on_data, self._judged(features))
        if self.matching:
            loss = loss + self.matching * self._mismatch(features, text)
        if self.diversity:
            other = self.latents(len(x), noise.at("another draw"))
            apart = difference(made, self.push(other, said)) / difference(z, other)
            loss = loss + self.diversity / (apart + LEAST)
        return loss

    def _texts(self, context: Tensor | None) -> Tensor:
        if context is None:
            raise ValueError("text-to-image learns from pairs of events and texts, but the contexts are None.")
        return context

    def _mismatch(self, features: Tensor, text: Tensor) -> Tensor:
        """M of features (B, F) and their texts, with shape (B,)."""
        told = self.match_head(self.discriminator_reader(text)).to(features.dtype)
        table = self.sharpness.exp() * F.normalize(features, dim=1) @ F.normalize(told, dim=1).T  # t, (B, B)
        words = text.reshape(len(text), -1)
        alike = (words[:, None] == words).all(2)
        own = torch.eye(len(text), dtype=torch.bool, device=text.device)
        table = table.masked_fill(alike & ~own, -torch.inf)
        return -(table.log_softmax(1) + table.log_softmax(0)).diagonal()

    def _features(self, y: Tensor, *, borrowed: bool = False) -> Tensor:
        return run(self.trunk, y, None, borrowed=borrowed).to(y.dtype)

    def _judged(self, features: Tensor) -> Tensor:
        return self.critic_head(features)[:, 0].to(features.dtype)

    def _score(self, y: Tensor) -> Tensor:
        """The critic's outputs v, with shape (B,)."""
        return self._judged(self._features(y))
