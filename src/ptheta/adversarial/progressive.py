"""Progressive GAN: both networks begin with 4 x 4 pixels and grow together, each doubling faded in.

The growth g goes from 0, which is 4 x 4, to L at full size, in phases of so many steps: hold 0, fade 1 in, hold 1, fade
2 in, ..., and L is held for the rest. It is a function of the model's ``step`` alone, a buffer, so a run stopped while
a size is fading in goes on as if it had not been, bit for bit.

While l fades in, by the share a = g - (l - 1), fakes are (1 - a) of the small image enlarged and a of the large one
(``ptheta.nn.progressive``), and data are shown likewise,

    y_a = (1 - a) up(down(y)) + a y        at the size of l                        (Karras et al., 2018, figure 2)

so both are sharp to the same degree. What the players minimise is the game's, and what slopes cost is the penalty's, as
for any GAN; in the paper they are WGAN-GP's.

Early steps work on few pixels and are cheap, and large features are learned before small ones. Scoring: there is none.
Sampling costs one pass, at the size that training has reached; a smaller image is shown at full size by repeating its
pixels. With ``growth`` 0 both are full-grown from the start, which is the same network trained plainly.

Known limits:
    Square images of 4, 8, 16, ... pixels a side. The critic sees how much its batch varies, so training needs one
    process. Contexts are not taken. A run that ends before it is grown draws coarse images.

References:
    Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras, Aila, Laine & Lehtinen, 2018)
    https://arxiv.org/abs/1710.10196
"""

import math
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.adversarial.games import Game, Wasserstein
from ptheta.adversarial.penalties import Penalty, Side, UnitSlopes
from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.model import Objective, require_sizes
from ptheta.nn.borrowed import run
from ptheta.nn.progressive import ProgressiveCritic, ProgressiveGenerator, doublings
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["ProgressiveGAN"]


@final
class ProgressiveGAN(PushForward):
    """A GAN of images that grow while it is trained.

    Args:
        space: What one event is: square images of ``Levels``, ``Binary`` or ``Real``.
        latent: The number of latent variables.
        width: The channels of both networks at full size; each coarser grid has twice as many, up to four times.
        growth: Steps of a phase, of which there are two for each doubling and one before; 0 begins full-grown.
        game: What the players minimise.
        penalty: What the critic pays for its slopes, or None.
        optimizers: Of the critic and of the generator.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = ProgressiveGAN(Levels((1, 8, 8), 17), latent=4, width=2, growth=10)
        >>> model.sample(3, noise=Noise(0)).shape, model.grown
        (torch.Size([3, 1, 8, 8]), 0.0)
    """

    generator: ProgressiveGenerator

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 64,
        width: int = 16,
        growth: int = 500,
        game: Game = Wasserstein(),  # noqa: B008  (frozen)
        penalty: Penalty | None = UnitSlopes(),  # noqa: B008  (frozen)
        optimizers: tuple[Optimizer, Optimizer] = (Adam(1e-3, betas=(0.0, 0.99)), Adam(1e-3, betas=(0.0, 0.99))),
    ) -> None:
        require_sizes("ProgressiveGAN", latent=latent, width=width)
        require_sizes("ProgressiveGAN", least=0, growth=growth)
        self.doublings = doublings(space.shape)
        generator = ProgressiveGenerator(latent, space.shape, width)
        super().__init__(space, context_space=None, reader=None, generator=generator)
        self.discriminator = ProgressiveCritic(space.shape, width)
        self.latent, self.growth = latent, growth
        self.game, self.penalty, self.optimizers = game, penalty, optimizers

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        return (
            Objective("discriminator", self.discriminator_loss, learning(self.discriminator), optimizer=critic),
            Objective("generator", self.generator_loss, learning(self.generator), optimizer=maker),
        )

    @property
    def grown(self) -> float:
        """How far the networks have grown, from 0 at 4 x 4 to the number of doublings at full size."""
        if not self.growth:
            return float(self.doublings)
        phase, within = divmod(int(self.step), self.growth)
        fading = within / self.growth if phase % 2 else 0.0
        return min(float(self.doublings), phase // 2 + fading)

    def latents(self, n: int, noise: Noise) -> Tensor:
        """Normal numbers, and last how far the networks have grown, with shape (n, latent + 1)."""
        z = noise.normal((n, self.latent), "latent", like=self.like)
        return torch.cat([z, z.new_full((n, 1), self.grown)], 1)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic, each event paired with one fake, plus the penalty.

        Args:
            x: Events with shape (B, *space.shape).
            context: None.
            noise: Where latents and jitter come from.

        Returns:
            The loss of each pair, with shape (B,).
        """
        with torch.no_grad():
            fake = self.seen(self.push(self.latents(len(x), noise), None, borrowed=True), noise, "jitter of fakes")
            data = self._data(x, noise)
        fake, data = (y.detach().requires_grad_(self.penalty is not None) for y in (fake, data))
        sides = Side(data, self._score(data)), Side(fake, self._score(fake))
        loss = self.game.critic(*(side.outputs for side in sides))
        return loss if self.penalty is None else loss + self.penalty(self._score, *sides, noise)

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the generator.

        Args:
            x: Events with shape (B, *space.shape); where the game does not compare, only their number matters.
            context: None.
            noise: Where latents and jitter come from.

        Returns:
            The loss of each fake, with shape (B,).
        """
        on_data = None
        if self.game.compares:
            with torch.no_grad():
                on_data = self._score(self._data(x, noise), borrowed=True)
        fake = self.seen(self.push(self.latents(len(x), noise), None), noise, "jitter of fakes")
        return self.game.maker(on_data, self._score(fake, borrowed=True))

    def _data(self, x: Tensor, noise: Noise) -> Tensor:
        """What the critic sees of events: jittered, and as sharp as fakes are by now."""
        y = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")
        level = math.ceil(self.grown)
        side, share = 2 ** (self.doublings - level), self.grown - (level - 1)
        fine = _coarse(y, side)
        return fine if share == 1 else torch.lerp(_coarse(fine, 2 * side), fine, share)

    def _score(self, y: Tensor, *, borrowed: bool = False) -> Tensor:
        """The critic's outputs v, with shape (B,)."""
        growth = y.new_full((1,), self.grown)
        return run(self.discriminator, y, growth, borrowed=borrowed).to(y.dtype)


def _coarse(y: Tensor, side: int) -> Tensor:
    """Images (B, C, H, W) with squares of pixels in place of which there is their mean."""
    return y if side == 1 else F.interpolate(F.avg_pool2d(y, side), scale_factor=side, mode="nearest")
