"""The one training loop.

Every family is trained by the same step: one fresh batch; the objectives in order, those whose ``every`` divides the
step; for each

    optimizer.zero_grad(); objective.loss(x, context, noise).mean().backward(inputs=objective.parameters); step()

Noise is keyed by (seed, step), the order of the data by (seed, epoch), so the state of a run is its weights, its
optimisers and a step: a run resumed equals a run left alone, bit for bit, on the same machine and threads.

``training`` is an iterator of states; ``fit`` drains it. Whoever wants to watch (a bar, pictures) iterates.
"""

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.model import Objective, Trained
from ptheta.noise import Noise
from ptheta.training import checkpoint as checkpoints
from ptheta.training.checkpoint import Checkpoint
from ptheta.training.distributed import Processes
from ptheta.training.separable import require_separable
from ptheta.training.settings import Training
from ptheta.training.validation import validation_kind, validation_score
from ptheta.training.weights import Ema, rate_factor

__all__ = ["TrainState", "fit", "training"]

DEFAULT_EPOCHS = 20
WARMUP_STEPS, TIMED_STEPS, TIMED_SECONDS = 3, 30, 3.0


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

    def to_json(self) -> dict[str, Any]:
        """What a log keeps of it; the checkpoint keeps it too, for a run killed before it could log."""
        names = ("step", "steps", "epoch", "losses", "validation", "best", "seconds")
        return {name: getattr(self, name) for name in names}


def fit(model: Trained, data: Dataset | Tensor, **options: Any) -> None:
    """Trains a model from its present weights, in place.

    At the end the model holds the weights that validated best; without a likelihood to validate by, the running
    average if there is one, else the last.

    Args:
        model: What to train.
        data: A data set, or training events alone (then nothing is validated).
        **options: The fields of ``Training``, which see: epochs, batch_size, learning_rate, ema, out, ...
    """
    settings = Training.of(**options)
    states = training(model, data, settings)
    if settings.progress and Processes().leads:
        from ptheta.training.progress import with_bar

        states = with_bar(states, type(model).__name__)
    for _ in states:
        pass


def training(model: Trained, data: Dataset | Tensor, settings: Training) -> Iterator[TrainState]:
    """Trains step by step; yields after every one.

    Args:
        model: What to train, in place.
        data: A data set, or training events alone.
        settings: How.

    Yields:
        Where the run stands.

    Raises:
        FloatingPointError: If a loss is NaN or infinite; names the step, the objective and the last good checkpoint.
        KeyboardInterrupt: After Ctrl-C, once the step is finished and a checkpoint saved.
    """
    if isinstance(data, Tensor):
        model.space.check(data)
        train, valid = Events(data), Events(data[:0])
    else:
        if data.space != model.space:
            raise ValueError(f"the model was built for events of {model.space}, but {data.name} holds {data.space}.")
        if model.context_space is None:
            data = data.without_context()
        elif data.context_space != model.context_space:
            has = data.context_space or "none"
            raise ValueError(f"the model needs contexts of {model.context_space}, but {data.name} has {has}.")
        train, valid = data.train, data.valid.some(settings.validation_events)
    run = _Run(model, train, valid, settings)
    run.begin()
    with _interruptible() as interrupted:
        yield from run.states(interrupted)


class _Run:
    """The state of a run: the model, its optimisers, its average, its clock. The step is all that indexes it."""

    def __init__(self, model: Trained, train: Events, valid: Events, settings: Training) -> None:
        self.model, self.settings = model, settings
        self.processes = Processes()
        self.out = settings.out if self.processes.leads else None
        self.device = self.processes.together(lambda: self.processes.device(settings.device))
        model.to(self.device).train()
        self.train, self.valid = train, _on(self.device, valid)
        self.batch_size = min(settings.batch_size, len(train))
        self.rows = self.processes.rows(self.batch_size)
        self.per_epoch = len(train) // self.batch_size
        self.objectives = tuple(_overridden(o, settings) for o in model.objectives())
        self.optimizers = [o.optimizer.build(o.parameters) for o in self.objectives]
        self.ema = Ema(model, settings.ema) if settings.ema else None
        self.kind = validation_kind(model) if len(valid) else None
        self.step = 0
        self.steps = self._length()
        self.best: dict[str, Tensor] | None = None
        self.record: dict[str, Any] = {"best_score": None, "bad": 0, "score": None, "seconds": 0.0, "finished": False}
        self.sums = {o.name: [0.0, 0] for o in self.objectives}
        self.epoch_order: tuple[int, Tensor] | None = None

    def states(self, interrupted: list[bool]) -> Iterator[TrainState]:
        """Steps until the run is done. The clock stops while a state is out with whoever iterates."""
        if self.record["finished"]:
            self._finish()
            return
        started, saved, timed = time.perf_counter(), time.perf_counter(), []
        before = self.record["seconds"]
        while self.steps is None or self.step < self.steps:
            tick = time.perf_counter()
            self._one_step()
            if self.steps is None:
                timed.append(self.processes.agree(time.perf_counter() - tick))
                self._set_length_from(timed)
            validated = self.steps is not None and (
                self.step % self._validation_interval() == 0 or self.step == self.steps
            )
            if validated and self.kind:
                self._validate()
            patience = self.settings.patience
            stopping = patience is not None and self.record["bad"] >= patience
            if stopping:
                self.steps = self.step
            now = time.perf_counter()
            self.record["seconds"] = before + now - started
            state = self._state(validated)  # before the checkpoint: a validation starts the mean losses afresh
            if validated:
                self.record["logged"] = state.to_json()
            done = self.steps is not None and self.step >= self.steps
            due = now - saved > 60 * self.settings.checkpoint_minutes
            due, ending = self.processes.any(due, interrupted[0])
            if self.settings.out is not None and (done or due or ending):
                self.record["finished"] = done
                self.processes.lead(self._save)
                saved = time.perf_counter()
            if ending and not done:
                raise KeyboardInterrupt
            if done:
                self._finish()
            out = time.perf_counter()
            yield state
            started += time.perf_counter() - out
            saved += time.perf_counter() - out

    def _one_step(self) -> None:
        x, context = self._batch(self.step)
        noise = Noise(self.settings.seed).at("training", self.step).rows(self.rows.start)
        factor = rate_factor(self.settings.schedule, self.step, self.steps, self.settings.warmup)
        part = (self.rows.start,) if self.rows.start else ()
        torch.manual_seed(_hash(self.settings.seed, self.step, *part))  # for dropout, the one user of torch's stream
        for objective, optimizer in zip(self.objectives, self.optimizers, strict=True):
            if self.step % objective.every:
                continue
            for group in optimizer.param_groups:
                group["lr"] = objective.optimizer.learning_rate * factor
            optimizer.zero_grad()
            with self._precision():
                loss = objective.loss(x, context, noise.at(objective.name)).mean()
            value = self.processes.backward(loss, objective.parameters, len(x) / self.batch_size)
            if not np.isfinite(value):
                raise FloatingPointError(self._not_finite(objective, value))
            if objective.optimizer.clip is not None:
                nn.utils.clip_grad_norm_(objective.parameters, objective.optimizer.clip)
            optimizer.step()
            total = self.sums[objective.name]
            total[0] += value
            total[1] += 1
        self.step += 1
        self.model.step += 1
        if self.ema:
            self.ema.update(self.step)

    def _batch(self, step: int) -> tuple[Tensor, Tensor | None]:
        epoch, index = divmod(step, self.per_epoch)
        if self.epoch_order is None or self.epoch_order[0] != epoch:
            order = np.random.Generator(np.random.PCG64([_hash(self.settings.seed, "epoch"), epoch]))
            self.epoch_order = epoch, torch.from_numpy(order.permutation(len(self.train)))
        rows = self.epoch_order[1][index * self.batch_size : (index + 1) * self.batch_size]
        batch = _on(self.device, self.train[rows[self.rows]])
        return batch.x, batch.context

    def _validate(self) -> None:
        with self.ema.applied(self.model) if self.ema else nullcontext():
            score = self.processes.lead(lambda: validation_score(self.model, self.valid, seed=self.settings.seed))
            self.record["score"] = score
            best = self.record["best_score"]
            if best is None or score > best:
                self.record.update(best_score=score, bad=0)
                if self.kind != "pseudo-likelihood":
                    self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
            else:
                self.record["bad"] += 1

    def _finish(self) -> None:
        """Leaves in the model what it should be used with."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.ema:
            self.ema.copy_to(self.model)
        self.model.eval()

    def _length(self) -> int | None:
        s = self.settings
        if s.minutes is not None:
            return None
        if s.steps is not None:
            return s.steps
        return max(1, round((s.epochs or DEFAULT_EPOCHS) * self.per_epoch))

    def _set_length_from(self, timed: list[float]) -> None:
        """Turns minutes into steps, once enough steps were timed; a validation's time is part of the budget."""
        measured = timed[WARMUP_STEPS:]
        if not measured or (len(measured) < TIMED_STEPS and sum(measured) < TIMED_SECONDS):
            return
        budget = 60 * (self.settings.minutes or 0) - sum(timed)
        per_step = sum(measured) / len(measured)
        if self.kind:
            tick = time.perf_counter()
            self._validate()
            cost = self.processes.agree(time.perf_counter() - tick)
            steps = int(max(0.0, budget) / per_step)
            interval = max(self.settings.validate_every or self.per_epoch, -(-steps // 100), 1)
            per_step += cost / interval
            budget -= cost
        self.steps = self.step + int(max(0.0, budget) / per_step)

    def _validation_interval(self) -> int:
        assert self.steps is not None
        return self.settings.validate_every or max(self.per_epoch, -(-self.steps // 100))

    def _state(self, validated: bool) -> TrainState:
        losses = {name: total / count for name, (total, count) in self.sums.items() if count}
        if validated:
            self.sums = {name: [0.0, 0] for name in self.sums}
        seconds = self.record["seconds"]
        left = None if self.steps is None else seconds / self.step * (self.steps - self.step)
        return TrainState(
            self.step,
            self.steps,
            self.step / self.per_epoch,
            losses,
            self.record["score"],
            self.record["best_score"],
            validated,
            seconds,
            left,
            self._preview,
        )

    @contextmanager
    def _preview(self) -> Iterator[None]:
        was_training = self.model.training
        self.model.eval()
        try:
            with self.ema.applied(self.model) if self.ema else nullcontext():
                yield
        finally:
            self.model.train(was_training)

    def begin(self) -> None:
        """Puts the run where its last checkpoint left it, if it should go on; and every process where the first is."""
        if self.processes.size == 1:
            self._resume()
            return
        self._require_one_task()
        self.processes.lead(self._resume)
        batch, noise = _on(self.device, self.train[: self.batch_size]), Noise(self.settings.seed).at("probe")
        self.processes.lead(lambda: require_separable(self.model, self.objectives, batch.x, batch.context, noise))
        start = self.processes.share(self._snapshot())
        if not self.processes.leads:
            self._restore(start)

    def _require_one_task(self) -> None:
        """Refuses processes that were not all given the same to do, or too many of them."""
        self.processes.require_same(
            settings=replace(self.settings, out=None, device="", resume=False, progress=False),
            out="a run folder" if self.settings.out else "none",
            events=f"{len(self.train)} that begin with {_hash(self.train[: self.batch_size].x.numpy().tobytes()):x}",
            objectives={o.name: [tuple(p.shape) for p in o.parameters] for o in self.objectives},
        )
        if self.batch_size < self.processes.size:
            raise ValueError(
                f"a batch of {self.batch_size} cannot be divided among {self.processes.size} processes; "
                "give a larger --batch-size, or fewer processes."
            )

    def _save(self) -> None:
        assert self.out is not None
        checkpoints.save(self.out / "checkpoints", self._snapshot())

    def _snapshot(self) -> Checkpoint:
        tensors = {"last": dict(self.model.state_dict())}
        if self.ema:
            tensors["ema"] = self.ema.average
        if self.best is not None:
            tensors["best"] = self.best
        tensors["optimizers"] = {
            f"{objective.name}/{index}/{key}": value
            for objective, optimizer in zip(self.objectives, self.optimizers, strict=True)
            for index, state in optimizer.state_dict()["state"].items()
            for key, value in state.items()
            if isinstance(value, Tensor)
        }
        return Checkpoint(self.step, tensors, {**self.record, "steps": self.steps, "sums": self.sums})

    def _resume(self) -> None:
        """Puts the run back where its last checkpoint left it; does nothing where there is none."""
        if self.settings.resume and self.out and checkpoints.latest(self.out / "checkpoints") is not None:
            saved = checkpoints.load(self.out / "checkpoints")
            try:
                self._restore(saved)
            except (RuntimeError, KeyError, TypeError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise ValueError(
                    f"the checkpoint of step {saved.step} in {self.out} is not of such a run ({reason}): it was made "
                    "with other options, such as --ema, or by another version. Give the same options, or another --out."
                ) from error

    def _restore(self, saved: Checkpoint) -> None:
        self.model.load_state_dict(saved.tensors["last"])
        if self.ema:
            self.ema.load(saved.tensors["ema"])
        elif "ema" in saved.tensors:
            raise ValueError("it averages the weights")
        self.best = saved.tensors.get("best")
        for objective, optimizer in zip(self.objectives, self.optimizers, strict=True):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in saved.tensors["optimizers"].items():
                name, index, field_name = key.rsplit("/", 2)
                if name == objective.name:
                    state.setdefault(int(index), {})[field_name] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        record = dict(saved.record)
        self.step, self.steps, self.sums = saved.step, record.pop("steps"), record.pop("sums")
        self.record = record

    def _not_finite(self, objective: Objective, value: float) -> str:
        good = checkpoints.latest(self.out / "checkpoints") if self.out is not None else None
        kept = f"The last good checkpoint is at step {good}." if good is not None else "No checkpoint was kept."
        return (
            f"the {objective.name} loss of {type(self.model).__name__} became {value} at step {self.step}. {kept} "
            "A smaller --learning-rate or --clip 1 usually helps."
        )

    def _precision(self) -> Any:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def _overridden(objective: Objective, settings: Training) -> Objective:
    optimizer = objective.optimizer.with_(
        learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, clip=settings.clip
    )
    return Objective(objective.name, objective.loss, objective.parameters, objective.every, optimizer)


def _on(device: torch.device, events: Events) -> Events:
    return Events(events.x.to(device), None if events.context is None else events.context.to(device))


def _hash(*key: Any) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest()) >> 1


@contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """Turns the first Ctrl-C into a flag, so that a step is never cut in two; the second one interrupts at once."""
    flag = [False]
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def note(signum: int, frame: Any) -> None:
        if flag[0]:
            raise KeyboardInterrupt
        flag[0] = True

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, previous)
