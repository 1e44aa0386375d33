"""StarGAN: one map between any number of classes, learned without pairs.

One generator G(x, t) takes an event and the class it shall have; one critic gives a number for each pair of classes,
v_st(x), large for "an event of class t, no fake made of one of class s". For an event x of class c and a target t drawn
uniformly,

    critic       game(v_tc(x), v_ct(G(x, t)))                                        (StarGAN-VC2, section 3.1)

    generator    maker(v_ct(G(x, t)))
                 + cycle weight * |G(G(x, t), c) - x|        and back                        (eq. 4)
                 + identity weight * |G(x, c) - x|           its own label leaves an event as it is

where | | is a mean over variables, and the game's over places, where the critic judges patches. k classes need one
network, not k (k - 1) of them, and each learns from all events.

The paper's critic says "an event" and names its class apart (eq. 2 and 3). It learns names from events alone, so that a
faint tint of the whole picture can say a name without being seen as a fault: on coloured shapes the ground was tinted
and shapes kept their colour. A number for each class (StarGAN v2) sees the tint, since fakes of the class are what it
is shown. But it sees them together, whatever class they came from, so that one source's error can pay for another's:
shades came out too dark from one colour and too bright from the next. A number for each pair asks the fakes of every
source to be like the events of their target.

Cost: a translation is one pass. There is no likelihood, no sample.

Known limits:
    The critic that taught the map is no judge of it: read what it draws by a reader that it has not seen. The game has
    to judge events and fakes apart, since they are of different classes, so it is not the relativistic one.

References:
    StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation (Choi et al., 2017)
    https://arxiv.org/abs/1711.09020
    StarGAN v2: Diverse Image Synthesis for Multiple Domains (Choi et al., 2019) https://arxiv.org/abs/1912.01865
    StarGAN-VC2: Rethinking Conditional Methods for StarGAN-Based Voice Conversion (Kaneko et al., 2019), for the critic
    of pairs https://arxiv.org/abs/1907.12279
"""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.games import DivergenceGame, Game
from ptheta.adversarial.penalties import Side, ZeroSlopes
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
    """One map between k classes, and a critic with a number for each pair of them.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: The classes.
        generator: Maps embedded events (B, *) and targets, one-hot (B, k), to what is added to them, with their shape.
        discriminator: The critic: maps embedded events to unbounded numbers, (B, k^2) or (B, k^2, *places), that of
            source s and target t at s k + t.
        cycle: The weight of the way there and back.
        identity: The weight of leaving alone what is of the class already.
        game: What both minimise.
        penalty: What the critic pays for its slopes at events, or None.
        optimizers: Of the critic and of the generator.

    Example:
        >>> from ptheta import Classes, Real
        >>> from ptheta.nn.mlp import MLP
        >>> model = StarGAN(Real((2,)), Classes(3), MLP(2, 2, (8,), context=3), MLP(2, 9, (8,)))
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
        cycle: float = 10.0,
        identity: float = 5.0,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: ZeroSlopes | None = None,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        super().__init__(space, context_space)
        if game.compares:
            raise ValueError("StarGAN judges each class by itself, so it cannot play a game that compares pairs.")
        if min(cycle, identity) < 0:
            raise ValueError(
                f"cycle and identity of StarGAN should not be negative, but they are {cycle:g} and {identity:g}."
            )
        self.generator, self.discriminator = generator, discriminator
        self.cycle, self.identity = cycle, identity
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
        """The game's loss of the critic on events, and on their fakes in the classes that they were sent to.

        A fake is judged by the number of its source and its target; an event, which has no source, by that of one drawn
        uniformly and its class.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their classes.
            noise: Where targets and the jitter come from.

        Returns:
            The loss of each event, the mean over places, with shape (B,).
        """
        assert context is not None
        y, target = self.embedded(x), self.targets(len(x), noise)
        with torch.no_grad():
            fake = self.seen(self._map(y, target, borrowed=True), noise, "jitter of fakes")
        data = self.seen(y, noise, "jitter of data").detach().requires_grad_(self.penalty is not None)
        on_data = self._places(data, target, context)  # what was drawn as a target is as good as a source
        loss = self.game.critic(on_data, self._places(fake, context, target)).mean(1)
        if self.penalty is not None:
            side = Side(data, on_data.mean(1))
            loss = loss + self.penalty(lambda v: self._places(v, target, context).mean(1), side, side, noise)
        return loss

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """What the generator pays for fakes that are told from events, that lead elsewhere, for needless change.

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
        on_fake = self._places(self.seen(made, noise, "jitter of fakes"), context, target, borrowed=True)
        loss = self.game.maker(None, on_fake).mean(1)
        if self.cycle:
            loss = loss + self.cycle * difference(self._map(made, context), y)  # eq. 4
        if self.identity:
            loss = loss + self.identity * difference(self._map(y, context), y)
        return loss

    def _map(self, y: Tensor, target: Tensor, *, borrowed: bool = False) -> Tensor:
        """Counterparts of embedded events in the classes ``target``."""
        wanted = F.one_hot(target, self.classes).to(y.dtype)
        return y + run(self.generator, y, wanted, borrowed=borrowed).to(y.dtype).reshape(y.shape)

    def _places(self, y: Tensor, source: Tensor, target: Tensor, *, borrowed: bool = False) -> Tensor:
        """What the critic says of each embedded event by the numbers of these pairs, with shape (B, places)."""
        said = run(self.discriminator, y, None, borrowed=borrowed).to(y.dtype).reshape(len(y), self.classes**2, -1)
        return said.take_along_dim((source * self.classes + target)[:, None, None], 1)[:, 0]
