"""Puzzle-GAN: a whole image from a few of its patches, which come without their places.

A generator draws an image y and a mask of probabilities m of where the patches lie in it, out of the patches and noise.
For an event x whose patches cover the pixels M (B, H, W), the generator pays

    spatial weight * cross-entropy of m against M                     where the patches belong
    + appearance weight * mean over M of |x - y|                      there they look as they did
    + adversarial weight * maker(v(y))                                the whole is like an event

and a critic v, which sees images alone, learns to tell events from what is drawn. The patches are a set: their order
changes nothing (``ptheta.nn.puzzle``). M need not be given: a cell of the event's grid is covered if it equals one of
the patches. The patches are those of ``ptheta.data.views.Patches``, the liveliest cells of a grid.

What is given may be something else (a class, a text): then there is no mask to learn, and the game remains.

Cost: one pass to sample. There is no likelihood.

Known limits:
    Patches lie in a grid, since two that overlap would tell their places to whoever compares them. Equal cells, such as
    blank ones, are all covered.

References:
    Unsupervised Holistic Image Generation from Key Local Patches (Lee et al., 2018), eq. 1 to 6
    https://arxiv.org/abs/1703.10730
"""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.games import DivergenceGame, Game
from ptheta.adversarial.penalties import Penalty, Side
from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.model import Objective, require_sizes
from ptheta.nn.borrowed import run
from ptheta.nn.contexts import Reader, read
from ptheta.nn.puzzle import PatchReader, Placer
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["PuzzleGAN", "covered"]


@final
class PuzzleGAN(PushForward):
    """An image from patches without places, on levels, bits or reals.

    Args:
        space: What one event is: images (channels, height, width).
        context_space: What is given: patches joined by their channels, (count * channels, side, side).
        reader: What the generator sees of it, a vector.
        generator: Maps latents and that vector to images and masks.
        discriminator: The critic: maps embedded images to unbounded numbers, (B,) or (B, *places).
        latent: The number of latent variables.
        spatial: The weight of where patches belong.
        appearance: The weight of how they look there.
        adversarial: The weight of the game in the generator's loss.
        game: What both minimise.
        penalty: What the critic pays for its slopes, or None.
        optimizers: Of the critic and of the generator.

    Example:
        >>> from ptheta import Levels, Noise
        >>> from ptheta.nn.patches import PatchCritic
        >>> from ptheta.nn.puzzle import PatchReader, Placer
        >>> space, given = Levels((1, 8, 8), 17), Levels((2, 4, 4), 17)
        >>> nets = PatchReader(given, 1, features=8), Placer(4, space.shape, 8, width=4), PatchCritic(space.shape)
        >>> model = PuzzleGAN(space, given, *nets, latent=4)
        >>> patches = torch.zeros(3, 2, 4, 4).byte()
        >>> model.sample(3, patches, noise=Noise(0)).shape, model.place(patches, noise=Noise(0)).shape
        (torch.Size([3, 1, 8, 8]), torch.Size([3, 8, 8]))
    """

    def __init__(
        self,
        space: Space,
        context_space: Space | None,
        reader: Reader,
        generator: Placer,
        discriminator: nn.Module,
        *,
        latent: int = 16,
        spatial: float = 10.0,
        appearance: float = 10.0,
        adversarial: float = 1.0,
        game: Game = DivergenceGame(),  # noqa: B008  (frozen)
        penalty: Penalty | None = None,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.999)), Adam(2e-4, betas=(0.5, 0.999))),
    ) -> None:
        require_sizes("PuzzleGAN", latent=latent)
        if context_space is None:
            raise ValueError("PuzzleGAN needs patches. Give it some, as by --given patches=3x8.")
        if len(space.shape) != 3:
            raise ValueError(f"PuzzleGAN draws images (channels, height, width), but the space is {space}.")
        if min(spatial, appearance, adversarial) < 0:
            raise ValueError(
                "spatial, appearance and adversarial of PuzzleGAN should not be negative, but they are "
                f"{spatial:g}, {appearance:g} and {adversarial:g}."
            )
        super().__init__(space, context_space=context_space, reader=reader, generator=generator)
        self.discriminator, self.latent = discriminator, latent
        self.spatial, self.appearance, self.adversarial = spatial, appearance, adversarial
        self.game, self.penalty, self.optimizers = game, penalty, optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        makers = learning(self.generator, self.reader)
        return (
            Objective("discriminator", self.discriminator_loss, learning(self.discriminator), optimizer=critic),
            Objective("generator", self.generator_loss, makers, optimizer=maker),
        )

    @property
    def placer(self) -> Placer:
        """The generator."""
        assert isinstance(self.generator, Placer)
        return self.generator

    def latents(self, n: int, noise: Noise) -> Tensor:
        return noise.normal((n, self.latent), "latent", like=self.like)

    @torch.no_grad()
    def place(self, context: Tensor, *, noise: Noise | None = None) -> Tensor:
        """Where the patches lie in what ``sample`` draws under the same noise: probabilities (n, height, width)."""
        self.check_context(len(context), context)
        seen = read(self.reader, context)
        assert seen is not None
        return self.placer.both(self.latents(len(context), noise or Noise()), seen)[1].sigmoid()

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic on events and what is drawn of their patches, plus the penalty, (B,)."""
        with torch.no_grad():
            made = self.push(self.latents(len(x), noise), read(self.reader, context), borrowed=True)
            fake = self.seen(made, noise, "jitter of fakes")
            data = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")
        sloped = self.penalty is not None
        fake, data = (y.detach().requires_grad_(sloped) for y in (fake, data))
        on_data, on_fake = self._places(data), self._places(fake)
        loss = self.game.critic(on_data, on_fake).mean(1)
        if self.penalty is not None:
            sides = Side(data, on_data.mean(1)), Side(fake, on_fake.mean(1))
            loss = loss + self.penalty(lambda y: self._places(y).mean(1), *sides, noise)
        return loss

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """What the generator pays for misplaced patches, for those that look otherwise, for being told from events.

        Args:
            x: Events with shape (B, *space.shape).
            context: Their patches.
            noise: Where the latents and the jitter come from.

        Returns:
            The loss of each event, with shape (B,).
        """
        assert context is not None
        seen = read(self.reader, context)
        assert seen is not None
        y = self.space.embed(x, self.like.dtype)
        image, logits = self.placer.both(self.latents(len(x), noise), seen)
        image, logits = image.to(y.dtype).reshape(y.shape), logits.to(y.dtype)
        image = image.tanh() if self.space.is_discrete else image
        on_data = None
        if self.game.compares:
            with torch.no_grad():
                on_data = self._places(self.seen(y, noise, "jitter of data"), borrowed=True)
        on_fake = self._places(self.seen(image, noise, "jitter of fakes"), borrowed=True)
        loss = self.adversarial * self.game.maker(on_data, on_fake).mean(1)
        if not isinstance(self.reader, PatchReader):
            return loss + 0 * logits.flatten(1).sum(1)  # nothing to place
        mask = covered(x, context).to(y.dtype)
        misplaced = F.binary_cross_entropy_with_logits(logits, mask, reduction="none").flatten(1).mean(1)
        away = ((y - image).abs().mean(1) * mask).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=1)
        return loss + self.spatial * misplaced + self.appearance * away

    def _places(self, y: Tensor, *, borrowed: bool = False) -> Tensor:
        """The critic's outputs at all its places, with shape (B, places)."""
        return run(self.discriminator, y, None, borrowed=borrowed).to(y.dtype).reshape(len(y), -1)


def covered(x: Tensor, patches: Tensor) -> Tensor:
    """Which pixels of images lie in a cell of their grid that equals one of the patches.

    Args:
        x: Images with shape (B, channels, height, width).
        patches: Joined patches, (B, count * channels, side, side); they are cells of the grid of their side.

    Returns:
        Boolean, with shape (B, height, width).
    """
    (n, channels, height, width), side = x.shape, patches.shape[2]
    rows, columns = height // side, width // side
    grid = x[:, :, : rows * side, : columns * side].reshape(n, channels, rows, side, columns, side)
    cells = grid.permute(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, 1, channels * side * side)
    wanted = patches.reshape(n, 1, -1, channels * side * side)
    found = (cells == wanted).all(3).any(2).reshape(n, rows, columns)
    mask = found.repeat_interleave(side, 1).repeat_interleave(side, 2)
    return F.pad(mask, (0, width - columns * side, 0, height - rows * side))
