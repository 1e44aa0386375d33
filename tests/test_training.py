"""The engine: it fits, it stops, and a run resumed equals a run left alone."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ptheta.model import Trained
from ptheta.optimizers import Adam
from ptheta.training import Training, TrainState, checkpoint, clock, fit, training
from ptheta.training.weights import rate_factor
from toy_models import Biases, Game, bits

MODELS = [Biases, Game]


def weights(model: Trained) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def fresh(make: Callable[..., Trained]) -> Trained:
    torch.manual_seed(1)
    return make(bits().space)


def test_training_reaches_the_frequencies():
    data = bits(5000)
    model = Biases(data.space).fit(data, epochs=30, schedule="cosine", ema=0.99)
    wanted = data.train.x.double().mean(0)
    assert (model.logits.sigmoid() - wanted).abs().max() < 0.05


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("stop", [1, 7, 12])
def test_a_resumed_run_equals_one_left_alone_bit_for_bit(make, stop: int, tmp_path: Path):
    data = bits()
    options = {"epochs": 6, "batch_size": 50, "ema": 0.9, "schedule": "cosine", "warmup": 5, "checkpoint_minutes": 1e-9}
    alone = fresh(make)
    fit(alone, data, **options, out=tmp_path / "alone")
    stopped = fresh(make)
    states = training(stopped, data, Training(**options, out=tmp_path / "run"))
    for state in states:
        if state.step == stop:
            break
    states.close()
    resumed = fresh(make)
    fit(resumed, data, **options, out=tmp_path / "run", resume=True)
    assert same(weights(alone), weights(resumed))
    load = checkpoint.load
    a, b = load(tmp_path / "alone" / "checkpoints"), load(tmp_path / "run" / "checkpoints")
    assert same(a.tensors["last"], b.tensors["last"]) and same(a.tensors["ema"], b.tensors["ema"])
    assert a.record["best_score"] == b.record["best_score"]


def test_the_resume_law_rejects_a_run_that_forgets_its_optimiser(tmp_path: Path):
    """The broken twin: the same weights, a fresh Adam."""
    data = bits()
    alone = fresh(Biases)
    fit(alone, data, steps=12)
    forgetful = fresh(Biases)
    fit(forgetful, data, steps=6)
    fit(forgetful, data, steps=6)
    assert not same(weights(alone), weights(forgetful))


def test_the_same_seed_repeats_and_another_does_not():
    data = bits()
    runs = [fresh(Biases) for _ in range(3)]
    for model, seed in zip(runs, (0, 0, 1), strict=True):
        fit(model, data, steps=20, seed=seed)
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


def test_a_finished_run_does_nothing_more(tmp_path: Path):
    data, model = bits(), fresh(Biases)
    fit(model, data, steps=10, out=tmp_path)
    again = fresh(Biases)
    assert list(training(again, data, Training(steps=10, out=tmp_path, resume=True))) == []
    assert same(weights(model), weights(again))


class Explodes(Biases):
    def loss(self, x, context, noise):
        return super().loss(x, context, noise) * (float("nan") if int(self.step) == 5 else 1.0)


def test_nan_stops_the_run_and_names_step_objective_and_last_good_checkpoint(tmp_path: Path):
    data = bits()
    with pytest.raises(
        FloatingPointError, match=r"the loss loss of Explodes became nan at step 5\. The last good .* at step 5"
    ):
        fit(Explodes(data.space), data, steps=10, out=tmp_path, checkpoint_minutes=1e-9)
    saved = checkpoint.load(tmp_path / "checkpoints")
    assert all(torch.isfinite(t).all() for t in saved.tensors["last"].values())


def test_early_stopping_keeps_the_best_weights():
    data = bits(200)
    model = Biases(data.space)
    states = list(training(model, data, Training(epochs=500, batch_size=40, learning_rate=0.5, patience=3)))
    assert states[-1].step < 500 * 3
    best = max(s.validation for s in states if s.validated)
    with torch.no_grad():
        assert model.log_prob(data.valid.x).mean().item() == pytest.approx(best, abs=1e-5)


class Clocked:
    """A clock that only losses and scores move: a busy machine would stretch the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, step: float, score: float = 0.0, first: float = 0.0) -> None:
        self.now, self.events = 0.0, 0
        loss, log_prob = Biases.loss, Biases.log_prob

        def slow_loss(model, x, context, noise):
            self.now += step if model.step else max(step, first)
            return loss(model, x, context, noise)

        def slow_score(model, x, context=None):
            self.now += 0.0 if model.training else score * len(x)
            self.events += 0 if model.training else len(x)
            return log_prob(model, x, context)

        ticking = SimpleNamespace(perf_counter=lambda: self.now, process_time=lambda: 2 * self.now)
        monkeypatch.setattr(clock, "time", ticking)
        monkeypatch.setattr(Biases, "loss", slow_loss)
        monkeypatch.setattr(Biases, "log_prob", slow_score)


def last(minutes: float, **options) -> TrainState:
    return list(training(Biases(bits().space), bits(), Training(minutes=minutes, **options)))[-1]


def test_minutes_are_kept_by_the_clock_and_stored_as_steps(monkeypatch):
    Clocked(monkeypatch, step=5e-3)
    ends = [last(m) for m in (0.01, 0.02)]
    assert [state.step for state in ends] == [state.steps for state in ends]
    assert [state.steps for state in ends] == pytest.approx([0.6 / 5e-3, 1.2 / 5e-3], rel=0.02)
    assert ends[0].seconds == pytest.approx(0.6, rel=0.02)
    assert last(0.02, budget="cpu").step == pytest.approx(0.6 / 5e-3, rel=0.02)  # two processors' seconds a second


def test_the_time_of_validations_is_part_of_the_minutes(monkeypatch):
    ticking = Clocked(monkeypatch, step=5e-3, score=1e-2)  # a validation takes a second, as 200 steps do
    end = last(0.2)
    assert 0.9 * 12 < end.seconds <= 12 and end.validation is not None
    assert ticking.events >= 100 and 1e-2 * ticking.events < 0.45 * 12  # two looks, a tenth of the time, and the last


def test_a_slow_first_step_is_the_only_one_and_validated_on_few_events(monkeypatch):
    ticking = Clocked(monkeypatch, step=30, score=0.1)
    end = last(0.4)
    assert end.step == end.steps == 1 and end.validated
    assert end.seconds == pytest.approx(30 + 0.1 * ticking.events) and ticking.events <= 150


def test_a_slow_first_step_does_not_hurry_those_after_it(monkeypatch):
    Clocked(monkeypatch, step=0.01, first=5.0)
    assert last(0.2).step == pytest.approx(700, rel=0.02)


def test_a_rate_rises_within_a_fifth_of_the_minutes(monkeypatch):
    Clocked(monkeypatch, step=0.1)
    model = Biases(bits().space)
    rates, build = [], Adam.build

    def watched(self, parameters):
        optimizer = build(self, parameters)
        optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return optimizer

    monkeypatch.setattr(Adam, "build", watched)
    fit(model, bits(), minutes=0.2, warmup=1000, schedule="cosine")
    assert len(rates) == pytest.approx(120, abs=2)
    assert max(rates) > 0.85 * 0.05 and rates.index(max(rates)) < 30 and rates[-1] < 0.001


def test_a_run_by_the_clock_goes_on_where_its_clock_stood(monkeypatch, tmp_path: Path):
    Clocked(monkeypatch, step=0.1)
    data, how = bits(), {"minutes": 0.1, "out": tmp_path, "resume": True}
    for state in training(Biases(data.space), data, Training(**how, checkpoint_minutes=1e-9)):
        if state.step == 20:
            break
    states = list(training(Biases(data.space), data, Training(**how)))
    assert states[0].step == 20 or states[0].step == 21
    assert states[-1].seconds == pytest.approx(6, abs=0.2) and states[-1].step == pytest.approx(60, abs=3)
    longer = list(training(Biases(data.space), data, Training(**{**how, "minutes": 0.2})))
    assert longer[-1].step == pytest.approx(120, abs=4) and longer[-1].seconds == pytest.approx(12, abs=0.2)


def test_a_finished_run_given_more_steps_equals_one_that_had_them(tmp_path: Path):
    data = bits()
    fit(fresh(Biases), data, steps=20, ema=0.9, out=tmp_path / "alone")
    fit(fresh(Biases), data, steps=10, ema=0.9, out=tmp_path / "run")
    how = Training(steps=20, ema=0.9, out=tmp_path / "run", resume=True)
    assert [state.step for state in training(fresh(Biases), data, how)] == [*range(11, 21)]
    a, b = (checkpoint.load(tmp_path / name / "checkpoints") for name in ("alone", "run"))
    assert all(same(a.tensors[part], b.tensors[part]) for part in ("last", "ema", "optimizers"))
    assert list(training(fresh(Biases), data, how)) == []


def test_a_run_that_patience_ended_goes_on_when_given_more(tmp_path: Path):
    data = bits(200)
    how = {"batch_size": 40, "learning_rate": 0.5, "patience": 3, "out": tmp_path}
    first = list(training(Biases(data.space), data, Training(epochs=500, **how)))[-1]
    assert list(training(Biases(data.space), data, Training(epochs=500, **how, resume=True))) == []
    more = list(training(Biases(data.space), data, Training(epochs=600, **how, resume=True)))
    assert len(more) >= 3 and more[0].step == first.step + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 7}, "its batch_size was 100, and now it is 7"),
        ({"learning_rate": 0.5}, "its learning_rate was None, and now it is 0.5"),
        ({"seed": 4}, "its seed was 0, and now it is 4"),
        ({"ema": 0.9}, "its ema was 0.0, and now it is 0.9"),
        ({"steps": 9}, "longer, not shorter: it was to have 10 steps, and now 9 are asked for"),
        ({"steps": None, "epochs": 1}, "it was to have 10 steps, and now 3 are asked for"),
        ({"steps": None, "minutes": 1e-9}, "it has .* minutes behind it, and now 1e-09 are asked for"),
    ],
)
def test_what_would_make_another_run_is_refused_by_name(options: dict, message: str, tmp_path: Path):
    fit(fresh(Biases), bits(), steps=10, out=tmp_path)
    with pytest.raises(ValueError, match=message):
        fit(fresh(Biases), bits(), **{"steps": 10, **options}, out=tmp_path, resume=True)


def test_the_last_step_is_validated_whatever_the_interval(tmp_path: Path):
    states = list(training(fresh(Biases), bits(), Training(steps=7, validate_every=3)))
    assert [state.step for state in states if state.validated] == [3, 6, 7]


def test_the_newest_checkpoints_stay_and_each_is_synced_before_it_is_current(tmp_path: Path, monkeypatch):
    contents = checkpoint.Checkpoint(0, {"last": {"w": torch.zeros(1)}}, {})
    synced, replaced, sync = [], [], checkpoint._sync
    monkeypatch.setattr(checkpoint, "_sync", lambda path: (synced.append(path.name), sync(path)))
    replace_path = Path.replace
    monkeypatch.setattr(Path, "replace", lambda a, b: (replaced.append([*synced]), replace_path(a, b)))
    for step in (1, 2, 3, 4):
        checkpoint.save(tmp_path, replace(contents, step=step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000003", "000000000004", "current"]
    before, after = replaced[-1][len(replaced[-2]) :], synced[len(replaced[-1]) :]
    assert {"last.safetensors", "record.json", ".new", ".current-new"} <= set(before)
    assert after == [tmp_path.name], "the rename itself is synced"


def test_losses_of_both_players_are_reported():
    last = list(training(Game(bits().space), bits(), Training(steps=8)))[-1]
    assert set(last.losses) == {"first", "second"} and last.validation is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_saves_and_resumes(number: signal.Signals, tmp_path: Path):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    data, alone, model = bits(), fresh(Biases), fresh(Biases)
    fit(alone, data, steps=20)
    with pytest.raises(KeyboardInterrupt) as stop:
        for state in training(model, data, Training(steps=20, out=tmp_path)):
            if state.step == 7:
                os.kill(os.getpid(), number)
    assert stop.value.args == (number,)
    assert checkpoint.latest(tmp_path / "checkpoints") == 8
    resumed = fresh(Biases)
    fit(resumed, data, steps=20, out=tmp_path, resume=True)
    assert same(weights(alone), weights(resumed))


@pytest.mark.parametrize("damage", ["cut", "flip", "record", "gone"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_stays_usable(damage: str, tmp_path: Path):
    data = bits()
    for steps in (5, 10):
        fit(fresh(Biases), data, steps=steps, out=tmp_path, resume=steps > 5, checkpoint_minutes=1e-9)
    folder = tmp_path / "checkpoints"
    newest = folder / f"{checkpoint.latest(folder):012d}"
    target = newest / ("record.json" if damage == "record" else "last.safetensors")
    raw = target.read_bytes()
    if damage == "gone":
        target.unlink()
    elif damage == "cut":
        target.write_bytes(raw[: len(raw) // 2])
    else:
        target.write_bytes(raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:])
    with pytest.raises(ValueError, match=r"is damaged: .* Delete .* to go back to step"):
        checkpoint.load(folder)
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    assert checkpoint.load(folder).step < 10


def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = bits()
    fit(fresh(Biases), data, steps=5, out=tmp_path)
    before = checkpoint.load(tmp_path / "checkpoints")

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(ValueError, match="No space left on device; the last good checkpoint is at step 5"):
        checkpoint.save(tmp_path / "checkpoints", checkpoint.Checkpoint(9, before.tensors, {}))
    assert same(checkpoint.load(tmp_path / "checkpoints").tensors["last"], before.tensors["last"])


def test_a_half_written_checkpoint_is_invisible(tmp_path: Path):
    data = bits()
    fit(fresh(Biases), data, steps=5, out=tmp_path)
    crashed = tmp_path / "checkpoints" / ".new-000000000007"
    crashed.mkdir()
    (crashed / "last.safetensors").write_bytes(b"half")
    assert checkpoint.load(tmp_path / "checkpoints").step == 5
    assert json.loads((tmp_path / "checkpoints" / "000000000005" / "record.json").read_text())["step"] == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "fit has no option 'epoch'. Did you mean epochs?"),
        ({"epochs": 3, "steps": 3}, "expected one of epochs, steps and minutes, but epochs and steps were given"),
        ({"batch_size": 0}, "batch_size should be positive, but it is 0"),
        ({"schedule": "cubic"}, "schedule should be one of constant, linear, cosine, but it is 'cubic'"),
        ({"ema": 1.5}, "ema should be at least 0 and below 1"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(options: dict, message: str):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        fit(fresh(Biases), bits(), **options)


def test_data_of_another_space_is_refused():
    words = "is for events of Binary((5,)), but those of toy bits differ: they are of Binary((4,))."
    with pytest.raises(ValueError, match=re.escape(words)):
        fit(fresh(Biases), bits(d=4), steps=1)


def test_learning_rate_schedules():
    assert rate_factor("constant", 50, 100, 0) == 1
    assert rate_factor("linear", 50, 100, 0) == 0.5
    assert rate_factor("cosine", 50, 100, 0) == pytest.approx(0.5)
    assert rate_factor("cosine", 100, 100, 0) == pytest.approx(0)
    assert rate_factor("constant", 4, 100, 10) == 0.5


def test_processor_time_is_counted_over_sessions_and_not_while_a_state_is_out(tmp_path: Path):
    data, model = bits(), fresh(Biases)
    first = list(training(model, data, Training(steps=20, out=tmp_path, checkpoint_minutes=0)))
    assert 0 < first[0].cpu_seconds < first[-1].cpu_seconds and first[-1].to_json()["cpu_seconds"] > 0
    saved = checkpoint.load(tmp_path / "checkpoints")
    checkpoint.save(tmp_path / "checkpoints", replace(saved, record={**saved.record, "finished": False, "steps": 40}))
    spent = first[-1].cpu_seconds
    for state in training(fresh(Biases), data, Training(steps=40, out=tmp_path, resume=True)):
        until = time.process_time() + 0.01
        while time.process_time() < until:  # what whoever watches does is not training
            pass
        assert spent < state.cpu_seconds < spent + 0.1
