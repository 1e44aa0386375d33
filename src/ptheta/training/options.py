"""How to train: one frozen record, whose defaults are the only place they are written."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, final

from ptheta.hints import did_you_mean

__all__ = ["Training"]

DEFAULT_EPOCHS = 20
LENGTHS = ("epochs", "steps", "minutes")
CHOICES = {
    "schedule": ("constant", "linear", "cosine"),
    "precision": ("float32", "bfloat16", "auto"),
    "budget": ("wall", "cpu"),
}
PASSING = (*LENGTHS, "budget", "patience", "device", "checkpoint_minutes", "out", "resume", "progress")


@final
@dataclass(frozen=True)
class Training:
    """The options of ``fit``. One of epochs, steps and minutes sets the length; what is None overrides nothing.

    Args:
        epochs: Passes over the training events.
        steps: Training steps; one step is one fresh batch.
        minutes: Time for training, validating and saving, kept by the clock: only the first step can overrun it.
        budget: Whose clock keeps the minutes: wall, or cpu, the processor's, which a busy machine does not hurry.
        batch_size: Events per step, over all processes together.
        learning_rate: Overrides the learning rate of every objective.
        schedule: How the learning rate falls over the run: constant, linear to zero, or half a cosine.
        warmup: Steps over which the learning rate rises from zero.
        weight_decay: Overrides the weight decay of every objective.
        clip: Overrides the largest gradient norm of every objective.
        ema: Decay of the running average of the weights; 0 for none.
        precision: bfloat16 runs losses under autocast; weights stay in float32. auto takes what this machine is faster
            with.
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
    budget: Literal["wall", "cpu"] = "wall"
    batch_size: int = 100
    learning_rate: float | None = None
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = 0
    weight_decay: float | None = None
    clip: float | None = None
    ema: float = 0.0
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
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
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} should be one of {', '.join(allowed)}, but it is {getattr(self, name)!r}.")
        if self.budget == "cpu" and self.minutes is None:
            raise ValueError("budget says whose clock keeps the minutes, but no minutes are given.")
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

    def target(self, per_epoch: int) -> dict[str, Any]:
        """How long the run is: its steps, or its minutes and by whose clock.

        Args:
            per_epoch: Steps of an epoch.

        Returns:
            A plain value, which a checkpoint keeps.
        """
        if self.minutes is not None:
            return {"minutes": self.minutes, "budget": self.budget}
        if self.steps is not None:
            return {"steps": self.steps}
        return {"steps": max(1, round((DEFAULT_EPOCHS if self.epochs is None else self.epochs) * per_epoch))}

    def lasting(self) -> dict[str, Any]:
        """The options that a run keeps for good: with another value of one it would be another run."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in PASSING}


def require_resumable(options: Training, target: dict[str, Any], record: dict[str, Any], step: int, out: Path) -> None:
    """Refuses to go on with a run as if it were another one, or to make it shorter than it was to be.

    Args:
        options: How to go on.
        target: How long the run is now.
        record: What the checkpoint says of the options, the length and the time behind it.
        step: The steps behind it.
        out: The run folder, for messages.
    """
    for name, was in record["options"].items():
        if (now := getattr(options, name)) not in (was, "auto"):
            raise ValueError(
                f"{out} cannot be resumed: its {name} was {was}, and now it is {now}. Give the same, or another --out."
            )
    before = record["target"]
    if target == before:
        return
    done = step if "steps" in target else record["seconds" if target["budget"] == "wall" else "cpu_seconds"] / 60
    (unit, asked), was = next(iter(target.items())), before.get(next(iter(target)))
    if asked < done or (was is not None and asked < was):
        told = f"it was to have {was:g} {unit}" if was is not None else f"it has {done:.4g} {unit} behind it"
        raise ValueError(f"{out} can be made longer, not shorter: {told}, and now {asked:g} are asked for.")
