"""Every law over every model of the table, and every law over a broken twin, which it must reject."""

import importlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import laws
from cases import CASES, fresh, prepared, toy_data, toy_events, toy_log_prob
from ptheta.autoregressive import Autoregressive
from ptheta.model import HasElbo, Model, Objective, Trained
from ptheta.noise import Noise
from ptheta.spaces import Binary

FAMILIES = ("distributions", "autoregressive", "latent", "diffusion", "adversarial", "energy")


def rows(applies: Callable[[Any], bool]) -> Any:
    """Runs a test over the rows whose model a law applies to."""
    return pytest.mark.parametrize("name", [name for name in CASES if applies(prepared(name))])


def has_probabilities(model: Any) -> bool:
    return laws.is_enumerable(model.space) and laws.tight_log_prob(model) is not None


def has_discrete_bound(model: Any) -> bool:
    return isinstance(model, HasElbo) and model.space.is_discrete and laws.is_enumerable(model.space)


# The laws


@rows(lambda model: True)
def test_samples_keep_the_contract(name):
    model = prepared(name)
    laws.samples_keep_the_contract(model, toy_events(model, 6)[1], CASES[name].sampling)


@rows(lambda model: bool(laws.scores(model)))
def test_scores_keep_the_contract(name):
    model = prepared(name)
    laws.scores_keep_the_contract(model, *toy_events(model, 6))


@rows(has_probabilities)
def test_probabilities_sum_to_one(name):
    laws.probabilities_sum_to_one(prepared(name))


@rows(has_probabilities)
def test_samples_follow_probabilities(name):
    laws.samples_follow_probabilities(prepared(name), CASES[name].sampling)


@rows(lambda model: isinstance(model, Autoregressive))
def test_conditionals_see_only_the_past(name):
    model = prepared(name)
    laws.conditionals_see_only_the_past(model, *toy_events(model, 6))


@rows(has_discrete_bound)
def test_bounds_stay_below(name):
    laws.bounds_stay_below(prepared(name))


@rows(lambda model: isinstance(model, Trained))
def test_objectives_reach_their_parameters(name):
    model = prepared(name)
    laws.objectives_reach_their_parameters(model.train(), *toy_events(model, 16))


@rows(lambda model: isinstance(model, nn.Module))
def test_evaluation_changes_nothing(name):
    model = prepared(name)
    laws.evaluation_changes_nothing(model, *toy_events(model, 6), CASES[name].sampling)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.gap is not None])
def test_models_learn(name):
    model, case = fresh(name).float(), CASES[name]
    if not isinstance(model, Trained):
        model = fresh(name)
    data = toy_data(model, 3000)
    model.fit(data, **case.training)
    laws.learns(model, data, lambda x, c: toy_log_prob(model, x, c), case.gap)


@rows(lambda model: bool(model.state_dict()))
def test_saving_restores(name, tmp_path):
    model = prepared(name)
    laws.saving_restores(model, fresh(name, seed=1), toy_data(model, 8), tmp_path, CASES[name].sampling)


@rows(lambda model: True)
def test_bad_calls_are_refused(name):
    model = prepared(name)
    laws.bad_calls_are_refused(model, *toy_events(model, 4), CASES[name].sampling)


def test_every_public_model_has_a_row():
    made = {type(prepared(name)) for name in CASES}
    for family in FAMILIES:
        package = importlib.import_module(f"ptheta.{family}")
        for export in package.__all__:
            value = getattr(package, export)
            if laws.is_model_class(value):
                assert value in made, f"{family}.{export} has no row in tests/cases.py"


# Law 0: a law must be able to fail


class Twin:
    """A model with some methods replaced."""

    def __init__(self, model: Any, **broken: Any) -> None:
        self.__dict__.update(broken, model=model)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["model"], name)


class Coins(Trained, Model):
    """Independent bits with one fault in its training."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.space, self.context_space, self.fault = Binary((3,)), None, fault
        self.logits = nn.Parameter(torch.linspace(-1, 1, 3))
        self.other = nn.Parameter(torch.ones(3))
        self.register_buffer("seen", torch.zeros(3), persistent=fault != "forgets")
        self.double()

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return nn.functional.logsigmoid((2 * x.double() - 1) * (self.logits + self.other + self.seen)).sum(1)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        if self.training or self.fault == "counts":
            self.seen += x.double().mean(0)
        noisy = torch.rand(len(x)) if self.fault == "dice" else noise.uniform((len(x),), "u")
        other = self.other.detach() if self.fault == "misses" else self.other
        loss = -nn.functional.logsigmoid((2 * x.double() - 1) * (self.logits + other)).sum(1) * (1 + noisy)
        return loss.mean() if self.fault == "scalar" else loss

    def objectives(self) -> tuple[Objective, ...]:
        parameters = (self.logits,) if self.fault == "uncovered" else (self.logits, self.other)
        return (Objective("loss", self.loss, parameters),)

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise()).uniform((n, 3), "x", like=self.logits)
        return (u < (self.logits + self.other + self.seen).sigmoid().detach()).to(torch.uint8)


def rejects(words: str) -> Any:
    return pytest.raises(AssertionError, match=words)


TABLE, DENSITY = "full table of levels of a class", "Gaussian of a class"
CALLS = itertools.count()


@pytest.mark.parametrize(
    ("words", "noise_used"),
    [
        ("moved torch's own random stream", lambda n, noise: (torch.rand(1), noise)[1]),
        ("the same noise gave other samples", lambda n, noise: Noise(next(CALLS))),
        ("depends on how many are drawn", lambda n, noise: noise.at(n)),
        ("the noise of later rows", lambda n, noise: Noise(noise.seed)),
    ],
)
def test_law_1_rejects(words, noise_used):
    model = prepared(TABLE)
    broken = Twin(model, sample=lambda n, c, *, noise: model.sample(n, c, noise=noise_used(n, noise)))
    with rejects(words):
        laws.samples_keep_the_contract(broken, toy_events(model, 6)[1], {})


def test_law_1_rejects_invalid_events():
    model = prepared(TABLE)
    broken = Twin(model, sample=lambda n, c, *, noise: model.sample(n, c, noise=noise) + 3)
    with pytest.raises(ValueError, match="largest level"):
        laws.samples_keep_the_contract(broken, toy_events(model, 6)[1], {})


@pytest.mark.parametrize(
    ("words", "spoil"),
    [
        ("depends on the batch", lambda score: score + score.mean()),
        ("has shape", lambda score: score.sum()),
        ("is not finite", lambda score: score - math.inf),
        ("is torch.float32", lambda score: score.float()),
        ("does not repeat", lambda score: score + 1e-10 * torch.rand(1)),
    ],
)
def test_law_2_rejects(words, spoil):
    model = prepared(TABLE)
    with rejects(words):
        broken = Twin(model, log_prob=lambda x, c=None: spoil(model.log_prob(x, c)))
        laws.scores_keep_the_contract(broken, *toy_events(model, 6))


@pytest.mark.parametrize("name", [TABLE, DENSITY])
def test_law_3_rejects(name):
    model = prepared(name)
    for broken in (lambda x, c=None: model.log_prob(x, c) + 0.05, lambda x, c=None: model.log_prob(x, c) * 1.05):
        with rejects("probabilities sum to"):
            laws.probabilities_sum_to_one(Twin(model, log_prob=broken))


@pytest.mark.parametrize("name", [TABLE, DENSITY])
def test_law_4_rejects(name):
    model = prepared(name)
    with rejects("samples"):
        broken = Twin(model, sample=lambda n, c, *, noise: model.sample(n, 1 - c, noise=noise))
        laws.samples_follow_probabilities(broken, {})


@pytest.mark.parametrize(
    ("words", "leak"),
    [
        ("leaks into", lambda params, cells: params + 1e-9 * cells.double().flip(1)[..., None]),
        ("does not reach", lambda params, cells: 0 * params),
    ],
)
def test_law_5_rejects(words, leak):
    model = prepared("NADE bits")
    broken = Twin(model, conditionals=lambda cells, c=None: leak(model.conditionals(cells, c), cells))
    with rejects(words):
        laws.conditionals_see_only_the_past(broken, *toy_events(model, 6))


def test_law_7_rejects():
    table, vae = prepared(TABLE), prepared("VAE bits")
    exact = Twin(table, elbo=lambda x, c=None, *, draws=1, noise=None: table.log_prob(x, c))
    laws.bounds_stay_below(exact)
    with rejects("a lower bound on log p sums to"):
        laws.bounds_stay_below(Twin(exact, elbo=lambda x, c=None, *, draws=1, noise=None: table.log_prob(x, c) + 0.05))
    with rejects("importance samples loosened the bound"):
        tail = Twin(vae, importance_bound=lambda x, k, c=None, *, noise=None: vae.elbo(x, c, draws=k) - 0.1)
        laws.bounds_stay_below(tail)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("misses", "misses other"), ("uncovered", r"no objective trains \['other'\]"), ("scalar", "loss has shape")],
)
def test_law_13_rejects(fault, words):
    x = toy_events(Coins(), 16)[0]
    laws.objectives_reach_their_parameters(Coins(), x, None)
    with rejects(words):
        laws.objectives_reach_their_parameters(Coins(fault), x, None)


@pytest.mark.parametrize(("fault", "words"), [("counts", "evaluation changed seen"), ("dice", "does not repeat")])
def test_law_14_rejects(fault, words):
    x = toy_events(Coins(), 16)[0]
    laws.evaluation_changes_nothing(Coins(), x, None, {})
    with rejects(words):
        laws.evaluation_changes_nothing(Coins(fault), x, None, {})


def test_law_15_rejects_a_model_that_cannot_hold_the_law():
    model = fresh("independent bits")
    data = toy_data(model, 3000)
    model.fit(data)
    with rejects("nats behind"):
        laws.learns(model, data, lambda x, c: toy_log_prob(model, x, c), 0.05)


def test_law_16_rejects_a_model_that_forgets(tmp_path):
    data = toy_data(Coins(), 8)
    for fault in ("", "forgets"):
        model = Coins(fault)
        model.loss(data.train.x, None, Noise(0))
        if not fault:
            laws.saving_restores(model, Coins(), data, tmp_path / "whole", {})
            continue
        with rejects("changed on disk"):
            laws.saving_restores(model, Coins(fault), data, tmp_path / "part", {})


def test_law_18_rejects_a_model_that_takes_anything():
    model, coins = prepared(TABLE), Coins()
    with rejects("log_prob of events with an axis too many was not refused"):
        laws.bad_calls_are_refused(coins, toy_events(coins, 4)[0], None, {})
    x, c = toy_events(model, 4)
    with rejects("sample without a context was not refused"):
        lenient = Twin(model, sample=lambda n, c=None, *, noise: model.sample(n, torch.zeros(n).long(), noise=noise))
        laws.bad_calls_are_refused(lenient, x, c, {})


def test_a_missing_row_is_seen():
    assert laws.is_model_class(Coins)
    assert not laws.is_model_class(Autoregressive) and not laws.is_model_class(Noise)
