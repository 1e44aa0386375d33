"""The engine: it fits, it stops, and a run resumed equals a run left alone."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ptheta.model import Trained
from ptheta.training import Training, checkpoint, fit, training
from ptheta.training.weights import rate_factor
from toys import Biases, Game, bits

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


def test_minutes_become_steps(monkeypatch):
    now = 0.0  # a clock that only losses move: a busy machine would stretch the real one
    honest = Biases.loss

    def loss(self, x, context, noise):
        nonlocal now
        now += 5e-3
        return honest(self, x, context, noise)

    monkeypatch.setattr("ptheta.training.loop.time", SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(Biases, "loss", loss)
    last = [list(training(Biases(bits().space), bits(), Training(minutes=m)))[-1] for m in (0.01, 0.02)]
    assert [state.step for state in last] == [state.steps for state in last]
    assert [state.steps for state in last] == pytest.approx([0.6 / 5e-3, 1.2 / 5e-3], rel=0.02)
    assert last[0].seconds == pytest.approx(0.6, rel=0.02)


def test_losses_of_both_players_are_reported():
    last = list(training(Game(bits().space), bits(), Training(steps=8)))[-1]
    assert set(last.losses) == {"first", "second"} and last.validation is None


def test_interrupt_saves_and_resumes(tmp_path: Path):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    data, alone, model = bits(), fresh(Biases), fresh(Biases)
    fit(alone, data, steps=20)
    with pytest.raises(KeyboardInterrupt):
        for state in training(model, data, Training(steps=20, out=tmp_path)):
            if state.step == 7:
                os.kill(os.getpid(), signal.SIGINT)
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
    with pytest.raises(ValueError, match=r"built for events of Binary\(\(5,\)\), but toy bits holds Binary\(\(4,\)\)"):
        fit(fresh(Biases), bits(d=4), steps=1)


def test_learning_rate_schedules():
    assert rate_factor("constant", 50, 100, 0) == 1
    assert rate_factor("linear", 50, 100, 0) == 0.5
    assert rate_factor("cosine", 50, 100, 0) == pytest.approx(0.5)
    assert rate_factor("cosine", 100, 100, 0) == pytest.approx(0)
    assert rate_factor("constant", 4, 100, 10) == 0.5
