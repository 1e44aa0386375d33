"""The one training loop.

Every family is trained by the same step: one fresh batch; the objectives in order, those whose ``every`` divides the
step; for each

    optimizer.zero_grad(); objective.loss(x, context, noise).mean().backward(inputs=objective.parameters); step()

Noise is keyed by (seed, step), the order of the data by (seed, epoch), so the state of a run is its weights, its
optimisers and a step: a run resumed equals a run left alone, bit for bit, on the same machine and threads.

``training`` is an iterator of states; ``fit`` drains it. Whoever wants to watch (a bar, pictures) iterates.
"""

import hashlib
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.ladder import Rung, ladder
from ptheta.model import Objective, Trained
from ptheta.noise import Noise
from ptheta.signals import interruptible
from ptheta.spaces import Symbols
from ptheta.training import checkpoint as checkpoints
from ptheta.training.checkpoint import Checkpoint
from ptheta.training.clock import Clock, Pace
from ptheta.training.distributed import Processes
from ptheta.training.options import Training, require_resumable
from ptheta.training.precision import fastest_precision
from ptheta.training.separable import require_separable
from ptheta.training.state import TrainState
from ptheta.training.validation import validation_score
from ptheta.training.weights import Ema, rate_factor

__all__ = ["fit", "training"]

WARMED = 0.2  # of a run by the clock, the part after which its learning rate has risen
TRIED = 50  # validation events that are timed, to see how many can be scored


def fit(model: Trained, data: Dataset | Tensor, **options: Any) -> None:
    """Trains a model from its present weights, in place.

    At the end the model holds the weights that validated best; without a likelihood to validate by, the running
    average if there is one, else the last.

    Args:
        model: What to train.
        data: A data set, or training events alone (then nothing is validated).
        **options: The fields of ``Training``, which see: epochs, batch_size, learning_rate, ema, out, ...
    """
    how = Training.of(**options)
    states = training(model, data, how)
    if how.progress and Processes().leads:
        from ptheta.training.progress import with_bar

        states = with_bar(states, type(model).__name__)
    for _ in states:
        pass


def training(model: Trained, data: Dataset | Tensor, options: Training) -> Iterator[TrainState]:
    """Trains step by step; yields after every one.

    What cannot be trained or resumed so is refused when this is called, before the first step.

    Args:
        model: What to train, in place.
        data: A data set, or training events alone.
        options: How.

    Returns:
        An iterator that trains, and yields where the run stands.

    Raises:
        FloatingPointError: If a loss is NaN or infinite; names the step, the objective and the last good checkpoint.
        KeyboardInterrupt: After Ctrl-C, SIGTERM or SIGHUP, once the step is finished and a checkpoint saved.
    """
    if isinstance(data, Tensor):
        model.space.check(data)
        train, valid = Events(data), Events(data[:0])
    else:
        if why := model.space.unlike(data.space):
            raise ValueError(f"the model is for events of {model.space}, but those of {data.name} differ: {why}.")
        if model.context_space is None:
            data = data.without_context()
        elif data.context_space is None or (why := model.context_space.unlike(data.context_space)):
            has = f"those of {data.name} differ: {why}" if data.context_space else f"{data.name} has none"
            raise ValueError(f"the model needs contexts of {model.context_space}, but {has}.")
        _warn_of_unseen(data, model)
        train, valid = data.train, data.valid.some(options.validation_events)
    run = _Run(model, train, valid, options)
    run.begin()
    return run.states()


class _Run:
    """The state of a run: the model, its optimisers, its average, its clock. The step is all that indexes it."""

    def __init__(self, model: Trained, train: Events, valid: Events, options: Training) -> None:
        self.model, self.options = model, options
        self.clock = Clock()
        self.clock.go()
        self.processes = Processes()
        self.out = options.out if self.processes.leads else None
        self.device = self.processes.together(lambda: self.processes.device(options.device))
        model.to(self.device).train()
        self.train, self.valid = train, _on(self.device, valid)
        self.batch_size = min(options.batch_size, len(train))
        self.rows = self.processes.rows(self.batch_size)
        self.per_epoch = len(train) // self.batch_size
        self.objectives = tuple(_overridden(o, options) for o in model.objectives())
        self.optimizers = [o.optimizer.build(o.parameters) for o in self.objectives]
        self.ema = Ema(model, options.ema) if options.ema else None
        self.precision: str = options.precision
        self.rung = next(iter(ladder(model)), None) if len(valid) else None
        if options.patience is not None and self.rung is None:
            why = "has no score to validate by" if len(valid) else "has no validation events here"
            raise ValueError(f"{type(model).__name__} {why}, so patience would never stop it: leave it out.")
        self.step, self.target = 0, options.target(self.per_epoch)
        self.steps: int | None = self.target.get("steps")
        self.pace: Pace | None = None
        self.looked = False
        self.best: dict[str, Tensor] | None = None
        self.record: dict[str, Any] = {"best_score": None, "bad": 0, "score": None, "finished": False}
        self.record |= {
            "seconds": 0.0,
            "cpu_seconds": 0.0,
            "validation_events": len(valid),
            "options": options.lasting(),
            "target": self.target,
        }
        self.sums = {o.name: [0.0, 0] for o in self.objectives}
        self.epoch_order: tuple[int, Tensor] | None = None

    def states(self) -> Iterator[TrainState]:
        """Steps until the run is done. The clock stops while a state is out with whoever iterates."""
        with interruptible() as interrupted:
            done = self.record["finished"]
            if done:
                self._finish()
            saved = time.perf_counter()
            while not done:
                self.clock.go()
                done, validated = self._advance()
                state = self._state(validated)  # before the checkpoint: a validation starts the mean losses afresh
                self.record |= {"seconds": state.seconds, "cpu_seconds": state.cpu_seconds}
                if validated:
                    self.record["logged"] = state.to_json()
                due = time.perf_counter() - saved > 60 * self.options.checkpoint_minutes
                due, ending = self.processes.any(due, bool(interrupted))
                if self.options.out is not None and (done or due or ending):
                    self.record["finished"] = done
                    self.processes.lead(self._save)
                    saved = time.perf_counter()
                if ending and not done:
                    raise KeyboardInterrupt(*interrupted[:1])
                if done:
                    self._finish()
                self.clock.stop()
                out = time.perf_counter()
                yield state
                saved += time.perf_counter() - out

    def _advance(self) -> tuple[bool, bool]:
        """One step, and the validation that is due after it: whether the run is done, and whether it was validated."""
        if self.pace is None:
            self._one_step(self.steps, None)
            done = self.step == self.steps
            validated = done or self.step % self._validation_interval() == 0
        else:
            pace, started = self.pace, self.pace.now()
            part, likely = self.processes.agree([pace.done(), pace.steps(self.step)])
            self._one_step(self.step / part if self.step and part else None, likely)
            pace.step(started)
            if self.rung and not self.looked:
                self.looked = True
                self.processes.lead(lambda: self._look(pace))
            due = pace.should_validate(self.step, self.options.validate_every)
            done, due = self.processes.agree([pace.must_end(due), due])
            validated = done or due
            self.steps = max(self.step + 1, round(likely or 0))
        if validated:
            self._validate()
        patience = self.options.patience
        if done or (patience is not None and self.record["bad"] >= patience):
            self.steps = self.step
            return True, validated
        return False, validated

    def _one_step(self, steps: float | None, likely: float | None) -> None:
        """One step of a run whose schedule has so many, and which by the clock will likely take so many."""
        batch = self._batch(self.step, self.rows)
        x, context = batch.x, batch.context
        noise = Noise(self.options.seed).at("training", self.step).rows(self.rows.start)
        warmup: float = self.options.warmup
        if likely is not None:  # the clock may end a run before its rate has risen
            warmup = min(warmup, WARMED * likely)
        factor = rate_factor(self.options.schedule, self.step, steps, warmup)
        part = (self.rows.start,) if self.rows.start else ()
        _seed(self.device, self.options.seed, self.step, *part)  # for dropout, the one user of torch's stream
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

    def _batch(self, step: int, part: slice) -> Events:
        """The rows ``part`` of the batch of a step."""
        epoch, index = divmod(step, self.per_epoch)
        if self.epoch_order is None or self.epoch_order[0] != epoch:
            order = np.random.Generator(np.random.PCG64([_hash(self.options.seed, "epoch"), epoch]))
            self.epoch_order = epoch, torch.from_numpy(order.permutation(len(self.train)))
        rows = self.epoch_order[1][index * self.batch_size : (index + 1) * self.batch_size]
        return _on(self.device, self.train[rows[part]])

    def _validate(self) -> None:
        started = 0.0 if self.pace is None else self.pace.now()
        if rung := self.rung:
            with self.ema.applied(self.model) if self.ema else nullcontext():
                score = self.processes.lead(lambda: self._score(rung, self.valid))
                self.record["score"] = score
                best = self.record["best_score"]
                if best is None or score > best:
                    self.record.update(best_score=score, bad=0)
                    if rung.chooses:
                        self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
                else:
                    self.record["bad"] += 1
        if self.pace is not None:
            self.pace.validated(self.step, started)

    def _score(self, rung: Rung, events: Events) -> float:
        return validation_score(self.model, rung, events, seed=self.options.seed)

    def _look(self, pace: Pace) -> None:
        """Times a few validation events, and leaves out as many of them as the minutes cannot afford."""
        assert self.rung is not None
        few = self.valid[:TRIED]
        self._score(self.rung, few)  # the first pass of a network makes plans
        started = pace.now()
        self._score(self.rung, few)
        took = pace.now() - started
        if self.record["best_score"] is None:
            self.valid = self.valid[: pace.affordable(len(self.valid), len(few), took)]
            self.record["validation_events"] = len(self.valid)
        pace.validation_seconds = took * len(self.valid) / len(few)

    def _finish(self) -> None:
        """Leaves in the model what it should be used with."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.ema:
            self.ema.copy_to(self.model)
        self.model.eval()

    def _validation_interval(self) -> int:
        assert self.steps is not None
        every = self.options.validate_every
        return max(self.per_epoch, -(-self.steps // 100)) if every is None else every

    def _state(self, validated: bool) -> TrainState:
        losses = {name: total / count for name, (total, count) in self.sums.items() if count}
        if validated:
            self.sums = {name: [0.0, 0] for name in self.sums}
        seconds, cpu_seconds = self.clock.read()
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
            cpu_seconds,
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
            self._open()
            self._set_pace()
            self.clock.stop()
            return
        self._require_one_task()
        self.processes.lead(self._open)
        batch, noise = _on(self.device, self.train[: self.batch_size]), Noise(self.options.seed).at("probe")
        self.processes.lead(lambda: require_separable(self.model, self.objectives, batch.x, batch.context, noise))
        start = self.processes.share(self._snapshot())
        if not self.processes.leads:
            self._restore(start)
        self._set_pace()
        self.clock.stop()

    def _set_pace(self) -> None:
        if "minutes" in self.target:
            cpu = self.target["budget"] == "cpu"
            self.pace = Pace(self.clock, 60 * self.target["minutes"], cpu, self.per_epoch)
            self.pace.validated_step = self.step

    def _require_one_task(self) -> None:
        """Refuses processes that were not all given the same to do, or too many of them."""
        self.processes.require_same(
            options=replace(self.options, out=None, device="", resume=False, progress=False),
            out="a run folder" if self.options.out else "none",
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
        started = 0.0 if self.pace is None else self.pace.now()
        checkpoints.save(self.out / "checkpoints", self._snapshot())
        if self.pace is not None:
            self.pace.saving_seconds = self.pace.now() - started

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
        seen = {"epochs": self.step / self.per_epoch, "events": self.step * self.batch_size}
        return Checkpoint(self.step, tensors, {**self.record, **seen, "steps": self.steps, "sums": self.sums})

    def _open(self) -> None:
        """Puts the run back where its last checkpoint left it; where there is none, lets a fresh model begin."""
        self._resume()
        if self.precision == "auto":
            self.precision = fastest_precision(self.options.device)
        self.record["options"]["precision"] = self.precision
        if self.step == 0 and not self.model.step:
            batch = self._batch(0, slice(None))
            if self.model.begins_with > len(batch.x) and self.epoch_order is not None:
                batch = _on(self.device, self.train[self.epoch_order[1][: self.model.begins_with]])
            _seed(self.device, self.options.seed, "begin")
            with torch.no_grad():
                self.model.begin(batch.x, batch.context)
        if self.step == 0 and self.options.precision == "bfloat16":
            self._warn_of_precision()

    def _warn_of_precision(self) -> None:
        """Says where bfloat16 changes nothing: no operation runs in it, which shows in gradients that are the same."""
        batch, noise = self._batch(0, self.rows), Noise(self.options.seed).at("precision")
        slopes: list[list[Tensor]] = [[], []]
        self.model.eval()  # so that no buffer changes
        for found, self.precision in zip(slopes, ("float32", "bfloat16"), strict=True):
            for o in self.objectives:
                with self._precision():
                    loss = o.loss(batch.x, batch.context, noise.at(o.name)).mean()
                found += torch.autograd.grad(loss, o.parameters, materialize_grads=True)
        self.model.train()
        if all(torch.equal(a, b) for a, b in zip(*slopes, strict=True)):
            who = type(self.model).__name__
            warnings.warn(f"{who}'s layers have no bfloat16 here: it trains in float32.", stacklevel=2)

    def _resume(self) -> None:
        if self.options.resume and self.out and checkpoints.latest(self.out / "checkpoints") is not None:
            saved = checkpoints.load(self.out / "checkpoints")
            require_resumable(self.options, self.target, saved.record, saved.step, self.out)
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
        steps, same = record.pop("steps"), record["target"] == self.target
        self.step, self.sums = saved.step, record.pop("sums")
        self.clock.seconds += record["seconds"]
        self.clock.cpu_seconds += record["cpu_seconds"]
        self.valid = self.valid[: record["validation_events"]]  # so that scores stay comparable
        self.record, self.precision = {**record, "target": self.target}, record["options"]["precision"]
        if same:
            self.steps = steps
        elif record["finished"]:
            self.record.update(finished=self.step == self.steps, bad=0)

    def _not_finite(self, objective: Objective, value: float) -> str:
        good = checkpoints.latest(self.out / "checkpoints") if self.out is not None else None
        kept = f"The last good checkpoint is at step {good}." if good is not None else "No checkpoint was kept."
        return (
            f"the {objective.name} loss of {type(self.model).__name__} became {value} at step {self.step}. {kept} "
            "A smaller --learning-rate or --clip 1 usually helps."
        )

    def _precision(self) -> Any:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def _overridden(objective: Objective, options: Training) -> Objective:
    optimizer = objective.optimizer.with_(
        learning_rate=options.learning_rate, weight_decay=options.weight_decay, clip=options.clip
    )
    return Objective(objective.name, objective.loss, objective.parameters, objective.every, optimizer)


def _on(device: torch.device, events: Events) -> Events:
    return Events(events.x.to(device), None if events.context is None else events.context.to(device))


def _seed(device: torch.device, *key: Any) -> None:
    """Seeds torch's stream on a device; ``torch.manual_seed`` asks every kind of device, at a millisecond a step."""
    torch.default_generator.manual_seed(_hash(*key))
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(_hash(*key))


def _hash(*key: Any) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest()) >> 1


def _warn_of_unseen(data: Dataset, model: Trained) -> None:
    """Says which classes have no training events: what the model says given one of them, nothing has taught it."""
    space, context = model.context_space, data.train.context
    if isinstance(space, Symbols) and space.shape == () and context is not None and space.n <= len(context):
        if len(unseen := (torch.bincount(context, minlength=space.n) == 0).nonzero().flatten()):
            names = ", ".join(space.show(unseen[:8])) + (", ..." if len(unseen) > 8 else "")
            warnings.warn(
                f"of {space.n} classes {len(unseen)} have no training event ({names}): scores and samples given one of "
                "them mean nothing.",
                stacklevel=4,
            )
