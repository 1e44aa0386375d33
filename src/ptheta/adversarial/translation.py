"""What maps between classes share: an event, and the class it shall have, to an event; one pass, nothing drawn.

Classes are the domains: what is unpaired has no counterpart to be near, only a law to be like. A map makes y = x + f(x)
in the embedded space, so that a map that has learned nothing leaves events as they are, and ``translate`` projects to
the nearest event. There is no hyperbolic tangent: where the ground of pictures is black or white, at the very end of
the range, it is flat, and a generator that has once drawn a blank page has no slope to leave it by.

A map has no ``validation`` to choose weights by: the errors at hand (of the way there and back, of the own label) are
zero for the map that changes nothing. Training ends with averaged weights.
"""

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from ptheta.model import Trained
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["Translation", "difference"]

CHUNK = 1000


class Translation(Trained):
    """A map of events between classes.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        context_space: The classes.
        classes: How many there must be; None for any number from two on.
    """

    def __init__(self, space: Space, context_space: Space | None, classes: int | None = None) -> None:
        super().__init__()
        who = type(self).__name__
        require(space, Levels, Binary, Real, who=who)
        if not isinstance(context_space, Symbols) or context_space.shape:
            came = "there are none" if context_space is None else f"contexts are of {context_space}"
            raise ValueError(f"{who} maps between classes, but {came}. Give it labelled events, with --conditional.")
        if context_space.n < 2 or (classes is not None and context_space.n != classes):
            wanted = "at least 2" if classes is None else str(classes)
            raise ValueError(f"{who} maps between {wanted} classes, but there are {context_space.n}. Choose others.")
        self.space, self.context_space, self.classes = space, context_space, context_space.n

    @abstractmethod
    def moved(self, y: Tensor, target: Tensor) -> Tensor:
        """Embedded counterparts of embedded events (B, *) in the classes ``target`` (B,), with shape (B, *)."""

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device that networks work in."""
        return next(self.parameters())

    def embedded(self, x: Tensor) -> Tensor:
        """What networks see of events, (B, *space.embedded_shape)."""
        return self.space.embed(x, self.like.dtype)

    def seen(self, y: Tensor, noise: Noise, key: str) -> Tensor:
        """What a critic sees of embedded events: on a lattice, the same jitter for events and fakes."""
        return self.space.jitter(y, noise.uniform(y.shape, key, like=y)) if self.space.is_discrete else y

    @final
    @torch.no_grad()
    def translate(self, x: Tensor, target: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Counterparts of events, whatever their classes, with shape (B, *space.shape).

        Args:
            x: Events with shape (B, *space.shape).
            target: The classes that they shall have, with shape (B,).
            noise: Nothing is drawn.

        Returns:
            Valid events.
        """
        if target is None:
            raise ValueError(f"there are {self.classes} classes: say in target to which one each event shall go.")
        self.check(x, target)
        mode = self.training
        self.eval()
        try:
            parts = zip(x.split(CHUNK), target.split(CHUNK), strict=True)
            made = [self.space.project(self.moved(self.embedded(part), t)) for part, t in parts]
        finally:
            self.train(mode)
        return torch.cat(made) if made else x[:0]


def difference(x: Tensor, y: Tensor) -> Tensor:
    """The mean absolute difference of embedded events (B, *), with shape (B,)."""
    return (x - y).abs().flatten(1).mean(1)
