"""StarGAN: one map between any number of classes, learned without pairs.

One generator G(x, t) takes an event and the class it shall have; one critic has two heads, v(x) for "an event, no fake"
and p(k | x) for its class. For an event x of class c and a target t drawn uniformly,

    critic       game(v(x), v(G(x, t)))  -  class weight * log p(c | x)                                   (eq. 2, 5)

    generator    maker(v(G(x, t)))  -  class weight * log p(t | G(x, t))                                  (eq. 3, 5)
                 + cycle weight * |G(G(x, t), c) - x|        and back                                     (eq. 4)
                 + identity weight * |G(x, c) - x|           its own label leaves an event as it is

where | | is a mean over variables. k classes need one network, not k (k - 1) of them, and each learns from all events.
The critic learns classes from events alone: what it says of fakes would teach it their faults.

Cost: a translation is one pass. There is no likelihood, no sample.

Known limits:
    The critic that taught the map is no judge of it: read what it draws by a reader that it has not seen.

References:
    StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation (Choi et al., 2017)
    https://arxiv.org/abs/1711.09020
"""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.games import DivergenceGame, Game
from ptheta.adversarial.penalties import Penalty, Side
from ptheta.adversarial.push_forward import learning
from ptheta.adversarial.translation import Translation, difference
from ptheta.model import Objective
from ptheta.nn.borrowed import run
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["StarGAN"]


@final
class StarGAN(Translation):
    """One map between k classes, and a critic that names them.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: The classes.
        generator: Maps embedded events (B, *) and targets, one-hot (B, k), to what is added to them, with their shape.
        discriminator: The critic: maps embedded events to (B, 1 + k) numbers, v and the logits of the classes.
        naming: The weight of the classes.
        cycle: The weight of the way there and back.
        identity: The weight of leaving alone what is of the class already.
        game: What both minimise.
        penalty: What the critic pays for the slopes of v, or None.
        optimizers: Of the critic and of the generator.

    Example:
        >>> from ptheta import Classes, Real
        >>> from ptheta.nn.mlp import MLP
        >>> model = StarGAN(Real((2,)), Classes(3), MLP(2, 2, (8,), context=3), MLP(2, 4, (8,)))
        >>> model.translate(torch.zeros(3, 2), torch.tensor([0, 1, 2])).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        space: Space,
        context_space: Space | None,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        naming: float = 1.0,
        cycle: float = 10.0,
        identity: float = 5.0,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: Penalty | None = None,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        super().__init__(space, context_space)
        if min(naming, cycle, identity) < 0:
            raise ValueError(
                "naming, cycle and identity of StarGAN should not be negative, but they are "
                f"{naming:g}, {cycle:g} and {identity:g}."
            )
        self.generator, self.discriminator = generator, discriminator
        self.naming, self.cycle, self.identity = naming, cycle, identity
        self.game, self.penalty, self.optimizers = game, penalty, optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        return (
            Objective("discriminator", self.discriminator_loss, learning(self.discriminator), optimizer=critic),
            Objective("generator", self.generator_loss, learning(self.generator), optimizer=maker),
        )

    def moved(self, y: Tensor, target: Tensor) -> Tensor:
        return self._map(y, target)

    def targets(self, n: int, noise: Noise) -> Tensor:
        """The classes that n events of a batch shall have, uniform, with shape (n,)."""
        u = noise.uniform((n,), "target", like=self.like)
        return (u * self.classes).long().clamp(max=self.classes - 1)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic on events and their fakes, and the loss of naming the events' classes.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their classes.
            noise: Where targets and the jitter come from.

        Returns:
            The loss of each event, with shape (B,).
        """
        assert context is not None
        y = self.embedded(x)
        with torch.no_grad():
            fake = self.seen(self._map(y, self.targets(len(x), noise), borrowed=True), noise, "jitter of fakes")
        data = self.seen(y, noise, "jitter of data")
        sloped = self.penalty is not None
        fake, data = (v.detach().requires_grad_(sloped) for v in (fake, data))
        (on_data, logits), (on_fake, _) = self._judged(data), self._judged(fake)
        loss = self.game.critic(on_data, on_fake) + self.naming * F.cross_entropy(logits, context, reduction="none")
        if self.penalty is not None:
            loss = loss + self.penalty(lambda v: self._judged(v)[0], Side(data, on_data), Side(fake, on_fake), noise)
        return loss

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """What the generator pays for fakes that are told from events, misnamed, lead elsewhere, or change needlessly.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their classes.
            noise: Where targets and the jitter come from.

        Returns:
            The loss of each event, with shape (B,).
        """
        assert context is not None
        y, target = self.embedded(x), self.targets(len(x), noise)
        made = self._map(y, target)
        on_fake, logits = self._judged(self.seen(made, noise, "jitter of fakes"), borrowed=True)
        on_data = None
        if self.game.compares:
            with torch.no_grad():
                on_data, _ = self._judged(self.seen(y, noise, "jitter of data"), borrowed=True)
        loss = self.game.maker(on_data, on_fake) + self.naming * F.cross_entropy(logits, target, reduction="none")
        if self.cycle:
            loss = loss + self.cycle * difference(self._map(made, context), y)  # eq. 4
        if self.identity:
            loss = loss + self.identity * difference(self._map(y, context), y)
        return loss

    def _map(self, y: Tensor, target: Tensor, *, borrowed: bool = False) -> Tensor:
        """Counterparts of embedded events in the classes ``target``."""
        wanted = F.one_hot(target, self.classes).to(y.dtype)
        return y + run(self.generator, y, wanted, borrowed=borrowed).to(y.dtype).reshape(y.shape)

    def _judged(self, y: Tensor, *, borrowed: bool = False) -> tuple[Tensor, Tensor]:
        """What the critic says of embedded events: v with shape (B,), the logits of the classes (B, k)."""
        out = run(self.discriminator, y, None, borrowed=borrowed).to(y.dtype)
        return out[:, 0], out[:, 1:]
