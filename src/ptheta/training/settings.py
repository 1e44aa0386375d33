"""How to train: one frozen record, whose defaults are the only place they are written."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, final

from ptheta.hints import did_you_mean

__all__ = ["Training"]


@final
@dataclass(frozen=True)
class Training:
    """The options of ``fit``. One of epochs, steps and minutes sets the length; what is None overrides nothing.

    Args:
        epochs: Passes over the training events.
        steps: Training steps; one step is one fresh batch.
        minutes: Wall time, turned into a number of steps after a timed warm-up.
        batch_size: Events per step, over all processes together.
        learning_rate: Overrides the learning rate of every objective.
        schedule: How the learning rate falls over the run: constant, linear to zero, or half a cosine.
        warmup: Steps over which the learning rate rises from zero.
        weight_decay: Overrides the weight decay of every objective.
        clip: Overrides the largest gradient norm of every objective.
        ema: Decay of the running average of the weights; 0 for none.
        precision: bfloat16 runs losses under autocast; weights stay in float32.
        device: cpu, cuda, or auto for a GPU where there is one; of several processes each takes its own.
        seed: Names every draw of the run.
        validate_every: Steps between validations; by default once an epoch, at most 100 times a run.
        validation_events: The most validation events scored each time, always the same ones.
        patience: Validations without a better score before the run stops early; None never stops.
        checkpoint_minutes: Minutes between checkpoints, where there is a run folder.
        out: The run folder; None keeps nothing on disk.
        resume: Goes on from the run folder's last checkpoint, or starts where there is none.
        progress: Draws a bar with the loss, the validation score and the time left.
    """

    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 100
    learning_rate: float | None = None
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = 0
    weight_decay: float | None = None
    clip: float | None = None
    ema: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"
    seed: int = 0
    validate_every: int | None = None
    validation_events: int = 2000
    patience: int | None = None
    checkpoint_minutes: float = 2.0
    out: Path | None = None
    resume: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        lengths = [name for name in ("epochs", "steps", "minutes") if getattr(self, name) is not None]
        if len(lengths) > 1:
            raise ValueError(f"expected one of epochs, steps and minutes, but {' and '.join(lengths)} were given.")
        for name in ("epochs", "steps", "minutes", "batch_size", "learning_rate", "validate_every", "patience"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} should be positive, but it is {value}.")
        for name in ("warmup", "weight_decay", "clip", "checkpoint_minutes", "validation_events"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} should be zero or positive, but it is {value}.")
        for name, allowed in (("schedule", ("constant", "linear", "cosine")), ("precision", ("float32", "bfloat16"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} should be one of {', '.join(allowed)}, but it is {getattr(self, name)!r}.")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema should be at least 0 and below 1, but it is {self.ema}.")
        if self.out is not None:
            object.__setattr__(self, "out", Path(self.out))

    @classmethod
    def of(cls, **options: Any) -> Self:
        """Builds the record; a misspelled option is refused by naming the nearest."""
        names = [f.name for f in fields(cls)]
        for name in options:
            if name not in names:
                hint = did_you_mean(name, names) or f" The options are {', '.join(names)}."
                raise ValueError(f"fit has no option {name!r}.{hint}")
        return cls(**options)
