"""What all models here share: events are x = G(z, c), the images of latents z under a network.

Generation happens in the embedded space, and ``sample`` projects to the nearest event. On levels and bits a hyperbolic
tangent keeps what is made in range, and a critic sees data and fakes spread over their lattice cells by noise of the
same kind, or the lattice would give the data away. There is no density, and sampling costs one pass.
"""

from abc import abstractmethod
from itertools import repeat
from typing import final

import torch
from torch import Tensor, nn

from ptheta.model import Distribution, Trained
from ptheta.nn.borrowed import run
from ptheta.nn.contexts import Reader, read
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Real, Space, require

__all__ = ["PushForward", "learning"]

CHUNK = 1000


class PushForward(Trained, Distribution):
    """The law of G(z, c).

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        context_space: What one context is, or None.
        reader: What the generator sees of a context, or None.
        generator: Maps latents to embedded events (B, *), unbounded on levels and bits.
    """

    def __init__(
        self, space: Space, *, context_space: Space | None, reader: Reader | None, generator: nn.Module
    ) -> None:
        super().__init__()
        require(space, Levels, Binary, Real, who=type(self).__name__)
        self.space, self.context_space = space, context_space
        self.reader, self.generator = reader, generator

    @abstractmethod
    def latents(self, n: int, noise: Noise) -> Tensor:
        """What the generator is given for n events, with shape (n, *)."""

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device that networks work in."""
        return next(self.generator.parameters())

    def push(self, z: Tensor, c: Tensor | None, *, borrowed: bool = False) -> Tensor:
        """Maps latents, and contexts as they were read, to embedded events, with shape (B, *embedded_shape)."""
        y = run(self.generator, z, c, borrowed=borrowed)
        y = y.to(z.dtype).reshape(len(z), *self.space.embedded_shape)
        return y.tanh() if self.space.is_discrete else y

    def seen(self, y: Tensor, noise: Noise, key: str) -> Tensor:
        """What a critic sees of embedded events: on a lattice, the same jitter for data and fakes."""
        return self.space.jitter(y, noise.uniform(y.shape, key, like=y)) if self.space.is_discrete else y

    @final
    @torch.no_grad()
    def generate(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The events of given latents, with the generator in evaluation mode.

        Args:
            z: Latents with shape (n, *).
            context: One context per latent, or None.

        Returns:
            Valid events with shape (n, *space.shape).
        """
        self.check_context(len(z), context)
        mode = self.generator.training
        self.generator.eval()
        try:
            chunks = zip(z.split(CHUNK), repeat(None) if context is None else context.split(CHUNK), strict=False)
            return torch.cat([self.space.project(self.push(part, read(self.reader, c))) for part, c in chunks])
        finally:
            self.generator.train(mode)

    @final
    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape), in one pass of the generator."""
        return self.generate(self.latents(n, noise or Noise()), context)


def learning(*modules: nn.Module | None) -> tuple[nn.Parameter, ...]:
    """The parameters that modules learn; None has none."""
    return tuple(p for module in modules if module is not None for p in module.parameters() if p.requires_grad)
