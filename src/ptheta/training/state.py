"""Where a run stands: what training yields after each step."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, final

__all__ = ["TrainState"]


@final
@dataclass(frozen=True)
class TrainState:
    """Where a run stands.

    Args:
        step: Training steps done.
        steps: The length of the run; None while it is being timed.
        epoch: Passes over the training events done.
        losses: The mean loss of each objective since the last state with a validation.
        validation: The newest validation score in nats per event, higher is better; None for games.
        best: The best one so far.
        validated: Whether ``validation`` was measured at this step.
        seconds: Training time so far, over all sessions.
        seconds_left: An estimate of what is left, or None.
        preview: A context in which the model is as it would be used now: averaged weights, evaluation mode.
        cpu_seconds: Processor time so far, over all sessions and threads: of several processes, that of the first.
    """

    step: int
    steps: int | None
    epoch: float
    losses: dict[str, float] = field(default_factory=dict)
    validation: float | None = None
    best: float | None = None
    validated: bool = False
    seconds: float = 0.0
    seconds_left: float | None = None
    preview: Callable[[], AbstractContextManager[None]] = nullcontext
    cpu_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """What a log keeps of it; the checkpoint keeps it too, for a run killed before it could log."""
        names = ("step", "steps", "epoch", "losses", "validation", "best", "seconds", "cpu_seconds")
        return {name: getattr(self, name) for name in names}
