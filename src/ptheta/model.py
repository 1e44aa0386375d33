"""The interfaces every family shares.

A ``Model`` is a distribution p(x | context) over events of one space. A ``Trained`` module is anything gradient
descent fits: it says who minimises what (``objectives``) and the engine does the rest. The protocols answer questions
("can I score with this?") and carry no code; Goodfellow's taxonomy is visible in them: explicit and tractable is
``HasLogProb``, explicit and approximate is ``HasElbo`` or ``HasEnergy``, implicit is neither.

One training step, for every family:

    optimizer.zero_grad(); objective.loss(x, context, noise).mean().backward(inputs=objective.parameters); step()
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, Protocol, Self, final, runtime_checkable

import torch
from torch import Tensor, nn

from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = [
    "Estimate",
    "HasCode",
    "HasComplete",
    "HasElbo",
    "HasEnergy",
    "HasLogProb",
    "HasPseudoLikelihood",
    "LossModel",
    "Model",
    "Objective",
    "Trained",
    "check_mask",
]


@final
@dataclass(frozen=True)
class Objective:
    """Who minimises what, how often.

    Args:
        name: What the metrics call it.
        loss: Takes (x, context, noise), returns the loss of each example, with shape (B,). It never calls
            ``backward``, never logs, never counts steps.
        parameters: Those it moves; each requires a gradient, and no others are touched.
        every: Runs on steps that are multiples of this.
        optimizer: The gradient rule.
    """

    name: str
    loss: Callable[[Tensor, Tensor | None, Noise], Tensor]
    parameters: tuple[nn.Parameter, ...]
    every: int = 1
    optimizer: Optimizer = Adam()  # noqa: RUF009  (frozen)


@final
@dataclass(frozen=True)
class Estimate:
    """A number with its error.

    Args:
        value: The estimate.
        error: Its standard error; 0 when exact.
        exact: Whether it was enumerated.
        bias: The known direction of its bias in a phrase, or None.
    """

    value: float
    error: float
    exact: bool
    bias: str | None = None


class Trained(nn.Module, ABC):
    """Anything gradient descent fits.

    ``step`` is the engine's count of training steps, a buffer that a checkpoint restores. Losses may read it (warm-up,
    fade-in), never change it. What else changes with training time is a buffer too, changed only in training mode.
    """

    space: Space
    context_space: Space | None
    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @abstractmethod
    def objectives(self) -> Sequence[Objective]:
        """Who minimises what. Asked for afresh at each ``fit``."""

    @final
    def fit(self, data: Any, **training: Any) -> Self:
        """Trains from the present weights; see ``ptheta.training.fit`` for the options."""
        from ptheta.training import fit  # the one import against the arrows

        fit(self, data, **training)
        return self


class Model(ABC):
    """A distribution p(x | context) over events of one space."""

    space: Space
    context_space: Space | None

    @abstractmethod
    def fit(self, data: Any, **settings: Any) -> Self:
        """Fits to ``data.train``: closed-form models afresh, trained ones from their present weights; takes a seed."""

    @abstractmethod
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n valid events, with shape (n, *space.shape), without gradient; one per row of the context."""

    @final
    def check(self, x: Tensor, context: Tensor | None = None) -> None:
        """The one place where bad events are refused, with ValueError."""
        self.space.check(x)
        self.check_context(len(x), context)

    @final
    def check_context(self, n: int, context: Tensor | None) -> None:
        """Raises ValueError unless the context fits this model and has n rows."""
        if self.context_space is None:
            if context is not None:
                raise ValueError("a context was given, but the model was built without context_space.")
            return
        if context is None:
            raise ValueError(f"the model needs a context of {self.context_space}, but none was given.")
        self.context_space.check(context, "context")
        if len(context) != n:
            raise ValueError(f"expected one context per event: {n} rows, but the context has {len(context)}.")


def require_sizes(who: str, *, least: int = 1, **sizes: int) -> None:
    """Raises ValueError, in a sentence, unless every size that the model ``who`` was given is large enough."""
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{name} of {who} should be at least {least}, but it is {size}.")


def tempered(model: Model, temperature: float) -> dict[str, float]:
    """Keywords of ``model.sample`` at a temperature; raises ValueError, in a sentence, where the model knows only 1."""
    if temperature == 1:
        return {}
    if "temperature" not in signature(model.sample).parameters:
        raise ValueError(f"{type(model).__name__} has no temperature: it draws from the model as it is.")
    return {"temperature": temperature}


def check_mask(x: Tensor, mask: Tensor) -> None:
    """Raises ValueError, saying what came, unless the mask is Boolean and has the shape of the events."""
    if mask.shape != x.shape or mask.dtype != torch.bool:
        came = f"{mask.dtype} with shape {tuple(mask.shape)}"
        raise ValueError(f"mask should be torch.bool with shape {tuple(x.shape)}, but it is {came}.")


def known_part(x: Tensor, mask: Tensor) -> Tensor:
    """The events where the mask is true and zeros elsewhere, where they may hold anything, such as NaN."""
    check_mask(x, mask)
    return torch.where(mask, x, torch.zeros_like(x))


class LossModel(Trained, Model):
    """The common case: one loss over all parameters."""

    optimizer: Optimizer = Adam()

    @abstractmethod
    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The training loss of each example, with shape (B,)."""

    @final
    def objectives(self) -> Sequence[Objective]:
        parameters = tuple(p for p in self.parameters() if p.requires_grad)
        return (Objective("loss", self.loss, parameters, optimizer=self.optimizer),)


@runtime_checkable
class HasLogProb(Protocol):
    """Explicit and tractable."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact, normalised log-likelihood log p(x | context) in nats, with shape (B,)."""
        ...


@runtime_checkable
class HasElbo(Protocol):
    """Explicit, approximated from below."""

    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """A lower bound on log p(x | context) in nats, the mean over ``draws``, with shape (B,)."""
        ...


@runtime_checkable
class HasEnergy(Protocol):
    """Explicit up to a constant: log p(x) = -energy(x) - log Z."""

    def energy(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The (free) energy of events in nats, with shape (B,)."""
        ...

    def log_partition(self, noise: Noise | None = None, budget: int = 1000) -> Estimate:
        """log Z: by enumeration when small, else by annealed importance sampling over ``budget`` temperatures."""
        ...


@runtime_checkable
class HasPseudoLikelihood(Protocol):
    """A cheap sign of progress where no likelihood is at hand. Not a likelihood."""

    def pseudo_log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The sum over variables of log p(x_i | all others) in nats, with shape (B,)."""
        ...


@runtime_checkable
class HasCode(Protocol):
    """Maps events to codes and back."""

    code_space: Space

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The code of each event, with shape (B, *code_space.shape)."""
        ...

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event of each code, with shape (B, *space.shape)."""
        ...


@runtime_checkable
class HasComplete(Protocol):
    """Fills what a mask leaves open."""

    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Events equal to ``x`` where the Boolean ``mask`` is true, sampled elsewhere, with shape (B, *space.shape)."""
        ...
