"""Models that are sampled by a Markov chain of their own: what they share.

A state of the chain holds an event, and after it what the model keeps beside it, such as hidden bits. One move redraws
all of it, each part given the rest, and leaves the model's law invariant; known variables stay. So a chain of moves
from anywhere ends in samples, and one in which variables are clamped ends in draws given these. No number of moves
makes either exact.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.model import LossModel, known_part
from ptheta.noise import Noise

__all__ = ["ChainModel"]


class ChainModel(LossModel):
    """A trained distribution whose samples are states of a Markov chain."""

    @abstractmethod
    def start(self, n: int, noise: Noise) -> Tensor:
        """States of independent variables like those of the data, with shape (n, units); the event comes first."""

    @abstractmethod
    def move(self, state: Tensor, noise: Noise, *, temperature: float = 1.0, known: Tensor | None = None) -> Tensor:
        """Redraws states once.

        Args:
            state: With shape (n, units); left as it is.
            noise: Where the draws come from.
            temperature: Divides all energies.
            known: Which parts of the state stay, Boolean, with its shape; None: none.

        Returns:
            The new states, with shape (n, units).
        """

    @final
    def settled(self, state: Tensor, steps: int, noise: Noise) -> Tensor:
        """States after as many moves, with shape (n, units)."""
        for i in range(steps):
            state = self.move(state, noise.at("gibbs", i))
        return state

    @final
    def drawn(self, n: int, context: Tensor | None, noise: Noise | None, steps: int) -> Tensor:
        """The events in which n chains of ``steps`` moves end, with shape (n, *space.shape)."""
        return deque(self.chain(n, context, noise=noise, steps=steps), maxlen=1).pop()

    @final
    @torch.no_grad()
    def chain(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 1000
    ) -> Iterator[Tensor]:
        """Runs n chains, begun at independent variables like those of the data.

        Args:
            n: How many chains.
            context: None.
            noise: Where they draw from.
            steps: How many moves they take.

        Yields:
            The events before the first move and after each, with shape (n, *space.shape).
        """
        self.check_context(n, context)
        noise = noise or Noise(None)
        state = self.start(n, noise)
        yield self.event(state)
        for i in range(steps):
            state = self.move(state, noise.at("gibbs", i))
            yield self.event(state)

    @final
    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
        steps: int = 1000,
    ) -> Tensor:
        """Fills in variables by chains in which the known ones are clamped.

        Args:
            x: Events; only what is known of them matters.
            mask: Which variables are known, Boolean, with shape (B, *space.shape).
            context: None.
            noise: Where the chains draw from.
            temperature: Divides all energies; below 1, likelier fillings come more often.
            steps: How many moves the chains take.

        Returns:
            Events with shape (B, *space.shape).
        """
        x = known_part(x, mask)
        self.check(x, context)
        noise = noise or Noise(None)
        state = self.start(len(x), noise)
        beside = (0, state.shape[1] - self.space.dimensions)
        known = F.pad(mask.reshape(len(x), self.space.dimensions), beside)
        state = torch.where(known, F.pad(self.space.cells(x).to(state.dtype), beside), state)
        for i in range(steps):
            state = self.move(state, noise.at("gibbs", i), temperature=temperature, known=known)
        return self.event(state)

    @final
    def event(self, state: Tensor) -> Tensor:
        """The events of states, with shape (n, *space.shape)."""
        return self.space.events(state[:, : self.space.dimensions])
