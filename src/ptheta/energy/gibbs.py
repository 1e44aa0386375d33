"""Models known up to a constant and sampled by a Markov chain of their own: what they share.

A state of the chain holds an event, and after it what the model keeps beside it, such as hidden bits. One move redraws
all of it, each part given the rest, and leaves the model's law invariant; known variables stay. So a chain of moves
from anywhere ends in samples, and one in which variables are clamped ends in draws given these. No number of moves
makes either exact.

Training may keep chains that go on from step to step. They are also where annealing for the constant begins to fall
from, since they have been where the model puts its mass.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.energy.mcmc import Bridge, annealing_schedule, bracketed_annealing
from ptheta.model import Estimate, LossModel, known_part
from ptheta.noise import Noise
from ptheta.spaces import Space

__all__ = ["ChainModel", "refuse_context"]

SETTLING = 100  # moves of the chains of training after it, before annealed chains fall from them
ANNEALED = 100  # chains that climb, and as many that fall where training left none


class ChainModel(LossModel):
    """A trained distribution whose samples are states of a Markov chain, its constant summed or annealed."""

    chain_state: Tensor  # where the chains of training are, with shape (chains, units); no rows where there are none
    pretraining: int = 0  # steps of training before its chains set out

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

    @abstractmethod
    def summed_log_partition(self) -> float | None:
        """log Z in nats by a sum over all states; None where there are too many."""

    @abstractmethod
    def bridge(self) -> Bridge:
        """The path from an easy law to this model, over which log Z is annealed."""

    @final
    @torch.no_grad()
    def log_partition(self, noise: Noise | None = None, budget: int = 1000) -> Estimate:
        """log Z in nats: exact where it can be summed, else by annealing from both sides.

        Args:
            noise: Where the annealed chains draw from.
            budget: The number of temperatures, for 100 chains that climb and as many that fall.

        Returns:
            The value with its standard error, 0 when exact, and a bracket.
        """
        value = self.summed_log_partition()
        if value is not None:
            return Estimate(value, 0.0, exact=True)
        noise = (noise or Noise(None)).at("annealing")
        far = self.fantasies(noise) if len(self.chain_state) and self.step > self.pretraining else None
        return bracketed_annealing(self.bridge(), annealing_schedule(budget), ANNEALED, far, noise)

    def fantasies(self, noise: Noise) -> Tensor:
        """States of the bridge's far end to which the chains of training lead, a row for each chain."""
        return self.settled(self.standing(noise), SETTLING, noise.at("settling"))

    @final
    def standing(self, noise: Noise) -> Tensor:
        """Where the chains of training are, with shape (chains, units): before they set out, independent variables."""
        if self.step > self.pretraining:
            return self.chain_state.to(next(self.parameters()).dtype)
        return self.start(len(self.chain_state), noise)

    @final
    @torch.no_grad()
    def advanced(self, state: Tensor, k: int, noise: Noise) -> Tensor:
        """States after k moves, with shape (n, units); training goes on from them, where it keeps chains."""
        state = self.settled(state, k, noise)
        if self.training and len(self.chain_state):
            self.chain_state.copy_(state)
        return state

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


def refuse_context(who: str, context_space: Space | None) -> None:
    """Raises ValueError, in a sentence, where a model of one constant is given contexts, each of which has its own."""
    if context_space is not None:
        raise ValueError(f"{who} models p(x) only, so it takes no context. Build it without context_space.")
