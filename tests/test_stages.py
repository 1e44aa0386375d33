"""Several trainings in one run folder, each stopped and resumed bit for bit; and what the first batch decides."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ptheta.autoregressive import NADE
from ptheta.data import load
from ptheta.data.dataset import Dataset
from ptheta.distributions import Gaussian
from ptheta.latent import Autoencoder, Latent
from ptheta.model import Model
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.recipes import Recipe, Stage
from ptheta.runs import fit_run, open_run
from ptheta.training import TrainState
from ptheta.training import checkpoint as checkpoints
from toy_models import Biases, bits

STEPS = 6


def coder(space: Any) -> Autoencoder:
    width = space.dimensions
    return Autoencoder(space, latent=2, encoder=MLP(width, 2, (8,)), decoder=MLP(2, width, (8,)))


def two_stages(prior: Any, training: dict[str, Any]) -> Any:
    """A recipe of a coder and a prior over its codes."""

    def make(space: Any, context_space: Any = None) -> Recipe:
        first = coder(space)
        model = Latent(first, prior(first.code_space))
        how = {"steps": STEPS, "batch_size": 10, "validate_every": 2, "ema": 0.9, "checkpoint_minutes": 0.0}
        prior_stage = Stage("prior", model.prior, training and {**how, **training}, data=model.coded)
        return Recipe(model, (Stage("coder", first, how), prior_stage))

    return make


@pytest.fixture
def made(monkeypatch) -> None:
    """Two recipes: NADE on an autoencoder's codes, and one Gaussian on them, which has a closed form."""
    known = {
        "coded-nade": two_stages(lambda space: NADE(space, hidden=4), {"learning_rate": 0.01}),
        "coded-gaussian": two_stages(Gaussian, {}),
    }
    monkeypatch.setattr("ptheta.runs.opening.find_recipe", known.__getitem__)
    monkeypatch.setattr("ptheta.runs.opening.RECIPES", known)


def data() -> Dataset:
    return load("moons", n=60)


class Stop(Exception):
    """Somebody cut the run."""


def stopping_after(stage: str, step: int) -> Any:
    """A watcher that cuts the run after a step of a stage."""

    def watch(states: Iterator[TrainState], running: Stage) -> Iterator[TrainState]:
        for state in states:
            yield state
            if (running.name, state.step) == (stage, step):
                raise Stop

    return watch


def contents(run: Path) -> dict[str, Any]:
    """What a finished run holds: every tensor, and every line of its logs but for the clock."""
    found: dict[str, Any] = {}
    for folder in sorted((run / "stages").iterdir()):
        saved = checkpoints.load(folder / "checkpoints")
        for part, tensors in saved.tensors.items():
            found |= {f"{folder.name}/{part}/{name}": tensor for name, tensor in tensors.items()}
        log = folder / "metrics.jsonl"
        for line in log.read_text().splitlines() if log.is_file() else []:
            entry = json.loads(line)
            found[f"{folder.name}/log/{entry['step']}"] = {k: v for k, v in entry.items() if "seconds" not in k}
    return found


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    equal = (torch.equal(v, b[k]) if isinstance(v, Tensor) else v == b[k] for k, v in a.items() if k in b)
    return a.keys() == b.keys() and all(equal)


def fit(name: str, out: Path, **more: Any) -> Any:
    return fit_run(name, data(), out, data_options={"n": 60}, **more)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("name", ["coded-nade", "coded-gaussian"])
def test_two_stages_make_one_run_that_opens(name: str, tmp_path: Path):
    run, opened = fit(name, tmp_path / "run"), open_run(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run" / "stages").iterdir()) == ["coder", "prior"]
    assert run.step == opened.step == (2 * STEPS if name == "coded-nade" else STEPS)
    assert opened.record["seconds"] == run.record["seconds"] > 0
    state = opened.model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in run.model.state_dict().items())
    assert torch.equal(run.model.sample(5, noise=Noise(3)), opened.model.sample(5, noise=Noise(3)))


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("stage", ["coder", "prior"])
@pytest.mark.parametrize("step", [1, STEPS - 1, STEPS])
def test_a_run_stopped_in_either_stage_and_resumed_is_the_run_left_alone(stage: str, step: int, tmp_path: Path):
    fit("coded-nade", tmp_path / "whole")
    with pytest.raises(Stop):
        fit("coded-nade", tmp_path / "cut", watch=stopping_after(stage, step))
    if stage == "coder":
        with pytest.raises(ValueError, match="there is no checkpoint"):
            open_run(tmp_path / "cut")
    fit("coded-nade", tmp_path / "cut", resume=True)
    assert same(contents(tmp_path / "whole"), contents(tmp_path / "cut"))


@pytest.mark.usefixtures("made")
def test_the_law_of_stages_rejects_a_prior_on_other_codes(tmp_path: Path, monkeypatch):
    """The broken twin: a coder that is fresh when the second stage asks for codes."""
    fit("coded-nade", tmp_path / "whole")
    with pytest.raises(Stop):
        fit("coded-nade", tmp_path / "cut", watch=stopping_after("prior", 1))
    honest = Latent.coded

    def forgetful(self: Latent, events: Dataset) -> Dataset:
        torch.manual_seed(1)
        return honest(Latent(coder(self.space), self.prior), events)

    monkeypatch.setattr(Latent, "coded", forgetful)
    fit("coded-nade", tmp_path / "cut", resume=True)
    assert not same(contents(tmp_path / "whole"), contents(tmp_path / "cut"))


@pytest.mark.usefixtures("made")
def test_a_budget_is_shared_by_the_stages_and_a_length_replaces_theirs(tmp_path: Path):
    run = fit("coded-nade", tmp_path / "a", training={"minutes": 0.001})
    assert [run.manifest.training[name]["minutes"] for name in ("coder", "prior")] == [0.0005, 0.0005]
    assert not any("steps" in training for training in run.manifest.training.values())
    run = fit("coded-nade", tmp_path / "b", training={"steps": 2})
    assert run.step == 4 and run.manifest.training["prior"]["learning_rate"] == 0.01


def test_a_recipe_of_several_stages_fits_in_memory():
    recipe = two_stages(lambda space: NADE(space, hidden=4), {"steps": 3})(data().space)
    model = recipe.fit(data(), steps=2)
    assert model is recipe.model and int(model.coder.step) == int(model.prior.step) == 2
    with pytest.raises(ValueError, match="values to unpack"):
        _ = recipe.training


# What the first batch decides


class Beginner(Biases):
    """Notes what it is begun with."""

    def __init__(self, space: Any) -> None:
        super().__init__(space)
        self.begun: list[tuple[int, float]] = []
        self.register_buffer("mean", torch.zeros(space.dimensions))

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        assert not torch.is_grad_enabled() and int(self.step) == 0
        self.begun.append((len(x), float(torch.rand(()))))
        self.mean = x.float().mean(0)


def test_a_model_begins_once_with_the_whole_first_batch(tmp_path: Path):
    first, second = Beginner(bits().space), Beginner(bits().space)
    first.fit(bits(), steps=2, batch_size=7, out=tmp_path / "a")
    second.fit(bits(), steps=2, batch_size=7)
    assert first.begun == second.begun and first.begun[0][0] == 7, "the same draws, whatever came before"
    assert torch.equal(first.mean, second.mean) and bool(first.mean.any())
    first.fit(bits(), steps=2)
    assert len(first.begun) == 1, "a model that was trained before has begun"
    third = Beginner(bits().space)
    third.fit(bits(), steps=4, batch_size=7, out=tmp_path / "a", resume=True)
    assert third.begun == [] and torch.equal(third.mean, first.mean)


def test_data_of_a_stage_are_asked_for_when_the_stages_before_are_done():
    seen: list[int] = []
    first = coder(data().space)

    def after(events: Dataset) -> Dataset:
        seen.append(int(first.step))
        return replace(events, name="later")

    second: Model = coder(data().space)
    Recipe(second, (Stage("a", first, {"steps": 3}), Stage("b", second, {"steps": 1}, data=after))).fit(data())
    assert seen == [3]
