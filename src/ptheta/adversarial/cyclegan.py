"""CycleGAN: two maps between two classes of events, learned without pairs.

G_1 maps events of class 0 to class 1, G_0 those of class 1 to class 0. For an event x of class a, with b the other one,

    generators   maker(v_b(G_b(x)))                                  its fake should look like class b        (eq. 1)
                 + cycle weight * |G_a(G_b(x) + s e) - x|            and lead back, e ~ N(0, I)               (eq. 2)
                 + identity weight * |G_a(x) - x|                    what is of a class already stays     (section 5.2)

    critics      game(v_a(x), v_b(old fake))                         one critic for each class

where | | is a mean over variables. Critics are shown fakes out of a history of the last ones, half of the time (section
4), so that they do not forget what they have once rejected.

**Any automorphism is as good.** If T maps the law of class b onto itself, T after G_b, with G_a before T's inverse, has
the same losses: they say what a law is and that the way leads back, never which event belongs to which. What is found
comes from the networks, which begin at the identity and change little, and from the identity term.

**Steganography.** A map that throws away what class b does not show can hide it in faint noise, and the cycle is closed
all the same. The noise s on the fake drowns what is hidden: compare the cycle error with and without.

Cost: a translation is one pass. There is no likelihood, no sample.

Known limits:
    Two classes; the game has to judge each side by itself, so it is not the relativistic one.

References:
    Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu et al., 2017)
    https://arxiv.org/abs/1703.10593
    CycleGAN, a Master of Steganography (Chu, Zhmoginov & Sandler, 2017) https://arxiv.org/abs/1712.02950
    Learning from Simulated and Unsupervised Images through Adversarial Training (Shrivastava et al., 2016), for the
    history https://arxiv.org/abs/1612.07828
"""

from collections.abc import Iterator, Sequence
from typing import final

import torch
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

__all__ = ["CycleGAN"]


@final
class CycleGAN(Translation):
    """Two maps between two classes, each with a critic.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: Two classes.
        generators: The map to class 0 and that to class 1: what is added to embedded events (B, *), with their shape.
        discriminators: The critics of class 0 and class 1: embedded events to unbounded numbers, (B,) or (B, *places).
        cycle: The weight of the way there and back.
        identity: The weight of leaving alone what is of the class already.
        corruption: The standard deviation s of the noise on fakes on their way back.
        history: How many fakes of each class are kept; 0 for none.
        game: What both minimise.
        penalty: What the critics pay for their slopes at events, or None.
        optimizers: Of the critics and of the generators.

    Example:
        >>> from ptheta import Classes, Real
        >>> from ptheta.nn.mlp import MLP
        >>> nets = [MLP(2, 2, (8,)) for _ in range(2)], [MLP(2, 1, (8,)) for _ in range(2)]
        >>> model = CycleGAN(Real((2,)), Classes(2), *nets)
        >>> model.translate(torch.zeros(3, 2), torch.tensor([0, 1, 1])).shape
        torch.Size([3, 2])
    """

    history: Tensor
    held: Tensor

    def __init__(
        self,
        space: Space,
        context_space: Space | None,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        *,
        cycle: float = 10.0,
        identity: float = 1.0,
        corruption: float = 0.05,
        history: int = 50,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: ZeroSlopes | None = None,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        super().__init__(space, context_space, 2)
        if game.compares:
            raise ValueError("CycleGAN judges each class by itself, so it cannot play a game that compares pairs.")
        if min(cycle, identity, corruption, history) < 0:
            raise ValueError(
                "cycle, identity, corruption and history of CycleGAN should not be negative, but they are "
                f"{cycle:g}, {identity:g}, {corruption:g} and {history}."
            )
        self.generators, self.discriminators = nn.ModuleList(generators), nn.ModuleList(discriminators)
        self.cycle, self.identity, self.corruption, self.kept = cycle, identity, corruption, history
        self.game, self.penalty, self.optimizers = game, penalty, optimizers
        self.register_buffer("history", torch.zeros(2, history, *space.embedded_shape))
        self.register_buffer("held", torch.zeros(2, dtype=torch.int64))

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        return (
            Objective("discriminator", self.discriminator_loss, learning(self.discriminators), optimizer=critic),
            Objective("generator", self.generator_loss, learning(self.generators), optimizer=maker),
        )

    def moved(self, y: Tensor, target: Tensor) -> Tensor:
        made = torch.empty_like(y)
        for k, rows in self._groups(target):
            made[rows] = self._map(k, y[rows])
        return made

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic of each event's class, and of the other class's critic on the event's fake.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their classes.
            noise: Where the jitter and the choice out of the history come from.

        Returns:
            The loss of each event, the mean over places, with shape (B,).
        """
        assert context is not None
        y = self.embedded(x)
        data, loss = self.seen(y, noise, "jitter of data"), torch.zeros(len(x)).to(y)
        with torch.no_grad():
            fakes = self.seen(self._others(y, context, borrowed=True), noise, "jitter of fakes")
        for a, rows in self._groups(context):
            real = data[rows].detach().requires_grad_(self.penalty is not None)
            on_data = self._places(a, real)
            on_fake = self._places(1 - a, self._out_of_history(1 - a, fakes[rows], noise))
            part = self.game.critic(on_data, on_fake).mean(1)
            if self.penalty is not None:
                side = Side(real, on_data.mean(1))
                part = part + self.penalty(lambda v: v.flatten(1).sum(1), side, side, noise)
            loss = loss.index_add(0, rows, part)
        return loss

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """What both generators pay for fakes that are told from events, that do not lead back, for needless change.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their classes.
            noise: Where the jitter and the corruption come from.

        Returns:
            The loss of each event, with shape (B,).
        """
        assert context is not None
        y, loss = self.embedded(x), torch.zeros(len(x)).to(self.like)
        fakes = self._others(y, context)
        seen = self.seen(fakes, noise, "jitter of fakes")
        drowned = fakes + self.corruption * noise.normal(fakes.shape, "corruption", like=fakes)
        for a, rows in self._groups(context):
            part = self.game.maker(None, self._places(1 - a, seen[rows], borrowed=True)).mean(1)
            if self.cycle:
                part = part + self.cycle * difference(self._map(a, drowned[rows]), y[rows])  # eq. 2
            if self.identity:
                part = part + self.identity * difference(self._map(a, y[rows]), y[rows])
            loss = loss.index_add(0, rows, part)
        return loss

    def _groups(self, context: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Each class with the rows that are of it, where there are any."""
        for k in range(2):
            rows = (context == k).nonzero().flatten()
            if len(rows):
                yield k, rows

    def _map(self, k: int, y: Tensor, *, borrowed: bool = False) -> Tensor:
        """Counterparts of embedded events in class k."""
        return y + run(self.generators[k], y, None, borrowed=borrowed).to(y.dtype).reshape(y.shape)

    def _others(self, y: Tensor, context: Tensor, *, borrowed: bool = False) -> Tensor:
        """The counterpart of each embedded event in the other class."""
        made = torch.zeros_like(y)
        for a, rows in self._groups(context):
            made = made.index_add(0, rows, self._map(1 - a, y[rows], borrowed=borrowed))
        return made

    def _places(self, k: int, y: Tensor, *, borrowed: bool = False) -> Tensor:
        """What the critic of class k says at all its places, with shape (B, places)."""
        return run(self.discriminators[k], y, None, borrowed=borrowed).to(y.dtype).reshape(len(y), -1)

    @torch.no_grad()
    def _out_of_history(self, k: int, fakes: Tensor, noise: Noise) -> Tensor:
        """Fakes of class k, half of them changed for earlier ones, which they replace; as they are after training."""
        if not self.training or not self.kept:
            return fakes
        n, held = min(len(fakes), self.kept), int(self.held[k])
        fresh, room = fakes[:n], min(n, self.kept - held)
        self.history[k, held : held + room] = fresh[:room]
        self.held[k] += room
        order = noise.at("history", k).uniform((self.kept,), "places", like=fakes).argsort()
        places = order[order < held][: n - room]  # distinct, and filled before this batch
        rows = torch.arange(room, room + len(places), device=fakes.device)
        swapped = noise.at("history", k).uniform((len(places),), "swapped", like=fakes) < 0.5
        places, rows = places[swapped], rows[swapped]
        shown = fakes.clone()
        shown[rows] = self.history[k, places].to(fakes.dtype)
        self.history[k, places] = fakes[rows].to(self.history.dtype)
        return shown
