"""What every model keeps in whatever types and sizes: default types, offsets, fresh models, large batches, state dicts.

Each promise is held for all rows of ``cases.py`` that it concerns, and seen to fail on a broken twin.
"""

import ast
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ptheta
import ptheta.model
from cases import CASES, CLASSES, REALS, as_made, fresh, prepared, shared
from ptheta.autoregressive import MADE, NADE, RNN, PixelCNNPP, Transformer
from ptheta.data.dataset import Dataset, Events
from ptheta.distributions import KDE, Gaussian, GaussianMixture
from ptheta.distributions.closed_form import ClosedForm
from ptheta.model import Model, Trained
from ptheta.noise import Noise
from ptheta.protocols import HasLogProb
from ptheta.spaces import Binary, Levels, Real
from toy_law import toy_data, toy_events

TRAINED = [name for name in CASES if isinstance(shared(name), Trained)]
DENSITIES = [n for n in CASES if isinstance(shared(n), HasLogProb) and isinstance(shared(n).space, Real)]


@pytest.fixture
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def takes_a_step(model: Any, idle: tuple[str, ...] = ()) -> None:
    """Every objective has a gradient in the type of the weights, but of those said to be idle."""
    x, c = toy_events(model, 6)
    still = {id(p) for name, p in model.named_parameters() if name in idle}
    for objective in model.objectives():
        objective.loss(x.to(model.space.dtype), c, Noise(0)).mean().backward(inputs=objective.parameters)
        assert all(
            p.grad is not None and p.grad.dtype == torch.float64
            for p in objective.parameters
            if p.requires_grad and id(p) not in still
        )


@pytest.mark.usefixtures("float64_by_default")
@pytest.mark.parametrize("name", TRAINED)
def test_a_float64_default_trains(name):
    takes_a_step(CASES[name].make(), CASES[name].idle)


@pytest.mark.usefixtures("float64_by_default")
def test_a_buffer_of_another_type_is_seen():
    twin: Any = NADE(REALS, hidden=4)
    twin.scale = twin.scale.float()
    with pytest.raises(RuntimeError, match="same dtype"):
        takes_a_step(twin)


# Offsets


def moved(name: str, offset: float) -> Any:
    """The model of a row about another place."""
    model = prepared(name)
    mean = tuple(m + offset for m in model.space.mean or (0.0,) * model.space.dimensions)
    there = replace(model.space, mean=mean)
    for part in model.modules():  # a wrapper and what it wraps hold the same space
        if isinstance(part, Model) and part is not model:
            part.space = there
    model.space = there
    return model


@pytest.mark.parametrize("name", [name for name in DENSITIES if shared(name).space.mean])
def test_an_offset_changes_no_density(name):
    x, c = toy_events(prepared(name), 6)
    there = moved(name, 1e8).log_prob(x.double() + 1e8, c)
    torch.testing.assert_close(there, prepared(name).log_prob(x.double(), c), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"lies about 1e\+08, where float32 has steps of 12"):
        moved(name, 1e8).log_prob((x.double() + 1e8).float(), c)


def test_rounded_events_would_have_another_density(monkeypatch):
    x, _ = toy_events(prepared("Gaussian"), 6)
    monkeypatch.setattr(Real, "_lost", lambda self, dtype: None)
    wrong = moved("Gaussian", 1e8).log_prob((x.double() + 1e8).float())
    assert float((wrong - prepared("Gaussian").log_prob(x)).abs().max()) > 1


def test_a_file_about_an_offset_stays_float64(tmp_path):
    x = np.random.default_rng(0).normal(size=(200, 2))
    for name, offset, dtype in (("near", 0.0, torch.float32), ("far", 1e8, torch.float64)):
        np.save(tmp_path / f"{name}.npy", x + offset)
        data = ptheta.load(tmp_path / f"{name}.npy")
        assert data.train.x.dtype == dtype
        assert bool(torch.isfinite(Gaussian(data.space).fit(data).log_prob(data.test.x)).all())


# Fresh models


def repeats(model: Any, x: Tensor) -> None:
    """A fresh model scores the same twice, as it will in evaluation mode."""
    first, second = model.log_prob(x), model.log_prob(x)
    assert torch.equal(first, second), "a fresh model scores at random"
    assert torch.equal(model.eval().log_prob(x), first), "a fresh model scores as in training"


DROPPING = {
    "LSTM": lambda: RNN(Binary((6,)), hidden=8, layers=2, dropout=0.5),
    "transformer": lambda: Transformer(Binary((6,)), width=8, layers=1, heads=2, dropout=0.5),
    "PixelCNN++": lambda: PixelCNNPP(Levels((1, 4, 4), 3), width=4, scales=1, layers=1, dropout=0.5),
}


@pytest.mark.parametrize("name", DROPPING)
def test_a_fresh_model_with_dropout_scores_what_it_says(name):
    model = DROPPING[name]()
    x = (Noise(0).uniform((4, *model.space.shape), "x") * 2).to(torch.uint8)
    repeats(model, x)
    with pytest.raises(AssertionError, match="scores at random"):
        repeats(model.train(), x)


def test_every_dropout_belongs_to_a_network_that_is_tried():
    """A new network that drops features joins DROPPING."""
    folder = Path(ptheta.model.__file__).parent
    found = {
        path.name
        for path in folder.rglob("*.py")
        if "nn" in path.parts or path.parent.name in ("autoregressive", "flows", "latent", "diffusion", "energy")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("Dropout", "Dropout2d")
    }
    assert found <= {"recurrent.py", "transformer.py", "shifted.py"}, found


# Large batches


def largest_part(model: Any, x: Tensor) -> int:
    """How many events are in flight at once while they are scored without gradient."""
    seen, honest = [], model.conditionals
    object.__setattr__(model, "conditionals", lambda cells, context=None: (seen.append(len(cells)), honest(cells))[1])
    with torch.no_grad():
        model.log_prob(x)
    return max(seen)


def test_a_large_batch_is_scored_in_parts(monkeypatch):
    x = torch.zeros(4000, 784, dtype=torch.uint8)
    assert largest_part(MADE(Binary((784,)), hidden=(5,)), x) * 784 <= ptheta.model.NUMBERS
    monkeypatch.setattr(ptheta.model, "NUMBERS", 2**40)
    assert largest_part(MADE(Binary((784,)), hidden=(5,)), x) == 4000


# State


@pytest.mark.parametrize("name", [name for name in CASES if isinstance(shared(name), ClosedForm)])
def test_a_fresh_closed_form_takes_a_state_dict(name):
    fitted, other = prepared(name), fresh(name, seed=1)
    other.load_state_dict(fitted.state_dict())
    x, c = toy_events(fitted, 6)
    assert torch.equal(other.log_prob(x, c), fitted.log_prob(x, c))
    noise = Noise(3)
    assert torch.equal(other.sample(6, c, noise=noise), fitted.sample(6, c, noise=noise))


def test_a_state_dict_of_another_size_is_refused():
    small, large = (GaussianMixture(REALS, components=m) for m in (2, 3))
    with pytest.raises(RuntimeError, match="size mismatch"):
        small.load_state_dict(large.fit(toy_data(large, 50)).state_dict())
    other = KDE(Real((3,))).fit(Noise(0).normal((9, 3), "x"))
    kernels = KDE(REALS)
    kernels.load_state_dict(KDE(REALS).fit(Noise(0).normal((9, 2), "x")).state_dict())
    assert len(kernels.kernels) == 9
    kernels.load_state_dict(other.state_dict())
    with pytest.raises(RuntimeError):
        kernels.log_prob(torch.zeros(1, 2))


def test_a_closed_form_is_fitted_afresh_and_a_trained_model_goes_on():
    x, y = Noise(0).normal((60, 2), "x"), Noise(1).normal((60, 2), "y") + 5
    again = Gaussian(Real((2,))).fit(x).fit(y)
    torch.testing.assert_close(again.mean, Gaussian(Real((2,))).fit(y).mean)
    going_on, afresh = as_made("RNADE"), as_made("RNADE")
    before = going_on.fit(x, steps=50).log_prob(x).mean()
    assert going_on.fit(x, steps=1).log_prob(x).mean() > before - 0.5 > afresh.fit(x, steps=1).log_prob(x).mean()


# Gradients and classes


@pytest.mark.parametrize("name", ["kernels", "Gaussian", "Gaussian mixture", "Gaussian copula"])
def test_a_density_has_the_gradient_of_finite_differences(name):
    model, (x, _) = prepared(name), toy_events(prepared(name), 5)
    assert torch.autograd.gradcheck(model.log_prob, x.double().requires_grad_(), atol=1e-4)


def test_a_class_without_training_events_is_said():
    x, c = Noise(0).normal((40, 2), "x"), torch.zeros(40, dtype=torch.int64)
    data = Dataset("one class", REALS, Events(x, c), Events(x[:8], c[:8]), Events(x[:8], c[:8]), CLASSES)
    with pytest.warns(UserWarning, match=r"of 2 classes 1 have no training event \(1\)"):
        NADE(REALS, hidden=4, context_space=CLASSES).fit(data, steps=1)
    both = replace(data, train=Events(x, torch.arange(40) % 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NADE(REALS, hidden=4, context_space=CLASSES).fit(both, steps=1)
    with pytest.raises(ValueError, match="needs at least 1 training events of each class, but class 1 has 0"):
        Gaussian(REALS, context_space=CLASSES).fit(data)
