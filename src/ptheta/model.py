"""The interfaces every family shares.

    Model         anything fitted to events of one space
    Distribution  a Model of p(x | context): it samples, and scores where it can
    Trained       a Model that gradient descent fits: it says who minimises what, and the engine does the rest
    LossModel     the common case: a trained distribution with one loss over all parameters

A map (an autoencoder, a translation) is a ``Trained`` that is no ``Distribution``. What else a model offers it says by
its methods: see ``protocols.py``.

One training step, for every family:

    optimizer.zero_grad(); objective.loss(x, context, noise).mean().backward(inputs=objective.parameters); step()
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor, nn

from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["Distribution", "Estimate", "LossModel", "Model", "Objective", "Trained", "check_mask"]

NUMBERS = 2**20  # the most in flight where a batch is scored without gradient
FEWEST = 100  # events that are scored together all the same


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
        bracket: Two ends, one too low and one too high on average, between which it should lie; None without.
    """

    value: float
    error: float
    exact: bool
    bias: str | None = None
    bracket: tuple[float, float] | None = None


class Model(ABC):
    """Anything fitted to events of one space."""

    space: Space
    context_space: Space | None

    @abstractmethod
    def fit(self, data: Any, **training: Any) -> Self:
        """Fits to ``data.train``: closed-form models afresh, trained ones from their present weights; takes a seed."""

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


class Distribution(Model):
    """A distribution p(x | context) over events of one space."""

    @abstractmethod
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n valid events, with shape (n, *space.shape), without gradient; one per row of the context."""


class Trained(nn.Module, Model):
    """Anything gradient descent fits.

    ``step`` is the engine's count of training steps, a buffer that a checkpoint restores. Losses may read it (warm-up,
    fade-in), never change it. What else changes with training time is a buffer too, changed only in training mode.
    """

    step: Tensor
    begins_with: ClassVar[int] = 0  # how many training events ``begin`` is shown, if more than a batch

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @abstractmethod
    def objectives(self) -> Sequence[Objective]:
        """Who minimises what. Asked for afresh at each ``fit``."""

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        """Sets what the first batch decides, such as frequencies or a codebook.

        The engine calls this once, without gradient, before step 0 of a model that has not been trained; never again.

        Args:
            x: The first batch of events, whole, with shape (B, *space.shape); ``begins_with`` asks for more.
            context: Their contexts, or None.
        """

    @final
    def fit(self, data: Any, **training: Any) -> Self:
        """Trains from the present weights; see ``ptheta.training.fit`` for the options."""
        from ptheta.training import fit  # the one import against the arrows

        fit(self, data, **training)
        return self


def require_sizes(who: str, *, least: int = 1, **sizes: int) -> None:
    """Raises ValueError, in a sentence, unless every size that the model ``who`` was given is large enough."""
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{name} of {who} should be at least {least}, but it is {size}.")


def distribution(model: Model) -> Distribution:
    """The model itself; raises ValueError, in a sentence, where it is a map, which has no samples to draw."""
    if not isinstance(model, Distribution):
        raise ValueError(
            f"{type(model).__name__} is a map, not a distribution: it draws no samples. Encode, decode or translate "
            "events with it."
        )
    return model


def tempered(model: Distribution, temperature: float) -> dict[str, float]:
    """Keywords of ``model.sample`` at a temperature; raises ValueError, in a sentence, where the model knows only 1."""
    if temperature == 1:
        return {}
    if "temperature" not in signature(model.sample).parameters:
        raise ValueError(f"{type(model).__name__} has no temperature: it draws from the model as it is.")
    return {"temperature": temperature}


def in_parts(
    score: Callable[[Tensor, Tensor | None], Tensor], x: Tensor, context: Tensor | None, numbers: int
) -> Tensor:
    """Scores events part by part where no gradient is asked for, so that memory does not grow with their number.

    Args:
        score: Takes events and contexts, returns numbers with shape (B,).
        x: Events with shape (B, *space.shape).
        context: Their contexts, or None.
        numbers: How many numbers one event takes, by which parts are cut.

    Returns:
        The scores, with shape (B,).
    """
    rows = max(FEWEST, NUMBERS // max(numbers, 1))
    if torch.is_grad_enabled() or len(x) <= rows:
        return score(x, context)
    contexts = [None] * len(x) if context is None else context.split(rows)
    return torch.cat([score(part, c) for part, c in zip(x.split(rows), contexts, strict=False)])


def check_mask(x: Tensor, mask: Tensor) -> None:
    """Raises ValueError, saying what came, unless the mask is Boolean and has the shape of the events."""
    if mask.shape != x.shape or mask.dtype != torch.bool:
        came = f"{mask.dtype} with shape {tuple(mask.shape)}"
        raise ValueError(f"mask should be torch.bool with shape {tuple(x.shape)}, but it is {came}.")


def known_part(x: Tensor, mask: Tensor) -> Tensor:
    """The events where the mask is true and zeros elsewhere, where they may hold anything, such as NaN."""
    check_mask(x, mask)
    return torch.where(mask, x, torch.zeros_like(x))


class LossModel(Trained, Distribution):
    """The common case: a distribution with one loss over all parameters."""

    optimizer: Optimizer = Adam()

    @abstractmethod
    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The training loss of each example, with shape (B,)."""

    @final
    def objectives(self) -> Sequence[Objective]:
        parameters = tuple(p for p in self.parameters() if p.requires_grad)
        return (Objective("loss", self.loss, parameters, optimizer=self.optimizer),)
