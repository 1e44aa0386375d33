"""Law 0: a law must be able to fail. Every law is held against models with one fault, which it must reject."""

import itertools
import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import laws
from cases import CASES, LEVELS, fresh, prepared
from law_table import fitted
from model_offers import is_model_class
from ptheta.autoregressive import FVBN, Autoregressive
from ptheta.distributions import FullTable, Independent, closed_form
from ptheta.model import Distribution, Objective, Trained
from ptheta.noise import Noise
from ptheta.spaces import Binary, Real
from toy_law import toy_data, toy_events, toy_log_prob

TABLE, DENSITY, LINE = "full table of levels of a class", "Gaussian of a class", "kernels on a line"
CLOSE = "VAE, importance-weighted, warmed up"  # its posteriors are near the exact ones
CALLS = itertools.count()


def twin(name: str, **broken: Any) -> Any:
    """The model of a row with some methods replaced."""
    model = prepared(name)
    for method, replacement in broken.items():
        object.__setattr__(model, method, replacement)
    return model


def rejects(words: str) -> Any:
    return pytest.raises(AssertionError, match=words)


class Coins(Trained, Distribution):
    """Independent bits with one fault in its training or its sampler."""

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
        if self.fault == "steps":
            self.other.data += 1e-3
        noisy = torch.rand(len(x)) if self.fault == "dice" else noise.uniform((len(x),), "u")
        other = self.other.detach() if self.fault == "misses" else self.other
        loss = -nn.functional.logsigmoid((2 * x.double() - 1) * (self.logits + other)).sum(1) * (1 + noisy)
        loss = loss - 0.1 * loss.mean() if self.fault == "centred" else loss
        return loss.mean() if self.fault == "scalar" else loss

    def objectives(self) -> tuple[Objective, ...]:
        parameters = (self.logits,) if self.fault == "uncovered" else (self.logits, self.other)
        return (Objective("loss", self.loss, parameters),)

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise()).uniform((n, 3), "x", like=self.logits)
        u = u**1.1 if self.fault == "biased" else u
        return (u < (self.logits + self.other + self.seen).sigmoid().detach()).to(torch.uint8)


# Samples and scores


@pytest.mark.parametrize(
    ("words", "noise_used"),
    [
        ("moved torch's own random stream", lambda n, noise: (torch.rand(1), noise)[1]),
        ("the same noise gave other samples", lambda n, noise: Noise(next(CALLS))),
        ("depends on how many are drawn", lambda n, noise: noise.at(n)),
        ("depends on how many are drawn", lambda n, noise: noise if n > 100 else noise.at("few")),
        ("the noise of later rows", lambda n, noise: Noise(noise.seed)),
    ],
)
def test_law_samples_keep_the_contract_rejects_noise_misused(words, noise_used):
    model = prepared(TABLE)
    broken = twin(TABLE, sample=lambda n, c, *, noise: model.sample(n, c, noise=noise_used(n, noise)))
    with rejects(words):
        laws.samples_keep_the_contract(broken, toy_events(model, laws.MOST)[1], {})


def test_law_samples_keep_the_contract_rejects_rows_that_share_their_noise():
    model = prepared("independent bits")

    def sample(n: int, c: None, *, noise: Noise) -> Tensor:
        return model.sample(1, noise=Noise(noise.seed)).repeat(n, 1, 1)

    with rejects("all samples of one call are the same"):
        laws.samples_keep_the_contract(twin("independent bits", sample=sample), None, {})


def test_law_samples_keep_the_contract_rejects_a_deaf_sampler():
    model = prepared("independent bits")
    broken = twin("independent bits", sample=lambda n, c, *, noise: model.sample(n, noise=Noise(1).rows(noise._start)))
    with rejects("samples do not depend on the noise"):
        laws.samples_keep_the_contract(broken, None, {})


def test_law_samples_keep_the_contract_rejects_invalid_events():
    model = prepared(TABLE)
    broken = twin(TABLE, sample=lambda n, c, *, noise: model.sample(n, c, noise=noise) + 3)
    with pytest.raises(ValueError, match="largest level"):
        laws.samples_keep_the_contract(broken, toy_events(model, laws.MOST)[1], {})


@pytest.mark.parametrize(
    ("words", "spoil"),
    [
        ("depends on the batch", lambda score: score + score.mean()),
        ("has shape", lambda score: score.sum()),
        ("of no events has shape", lambda score: score if len(score) else torch.zeros(1).double()),
        ("is not finite", lambda score: score - math.inf),
        ("is torch.float32", lambda score: score.float()),
        ("does not repeat", lambda score: score + 1e-10 * torch.rand(1)),
    ],
)
def test_law_scores_keep_the_contract_rejects(words, spoil):
    model = prepared(TABLE)
    with rejects(words):
        broken = twin(TABLE, log_prob=lambda x, c=None: spoil(model.log_prob(x, c)))
        laws.scores_keep_the_contract(broken, *toy_events(model, 6))


@pytest.mark.parametrize(
    ("words", "broken"),
    [
        (
            "encode depends on the batch",
            lambda m: {"encode": lambda x, c=None: m.encode(x, c) - m.encode(x, c).mean(0)},
        ),
        ("all events have one code", lambda m: {"encode": lambda x, c=None: 0 * m.encode(x, c)}),
        ("gives 1 rows for 6", lambda m: {"decode": lambda z, c=None: m.decode(z[:1], c)}),
    ],
)
def test_law_codes_keep_the_contract_rejects_a_careless_coder(words, broken):
    name = "autoencoder of levels"
    model = prepared(name)
    x, context = toy_events(model, 6)
    with rejects(words):
        laws.codes_keep_the_contract(twin(name, **broken(model)), x, context)
    with pytest.raises(ValueError, match="decode should be events of"):
        laws.codes_keep_the_contract(twin(name, decode=lambda z, c=None: model.decode(z).float()), x, context)


# Probabilities


@pytest.mark.parametrize("name", [TABLE, DENSITY, LINE])
@pytest.mark.parametrize("spoil", [lambda log_p: log_p + 1e-3, lambda log_p: log_p * 1.01])
def test_law_probabilities_sum_to_one_rejects_unnormalised(name, spoil):
    model = prepared(name)
    with rejects("probabilities sum to"):
        laws.probabilities_sum_to_one(twin(name, log_prob=lambda x, c=None: spoil(model.log_prob(x, c))))


def test_law_probabilities_sum_to_one_rejects_density_beyond_the_edges():
    model = prepared("uniform reals")
    whole = laws.probabilities_sum_to_one
    box = (model.space.events(model.low)[0], model.space.events(model.high)[0])
    whole(model, lambda model, context: box)
    beyond = twin("uniform reals", log_prob=lambda x, c=None: model.log_prob(x, c).clamp(min=-10))
    with rejects("density beyond the edges"):
        laws.probabilities_sum_to_one(beyond, lambda model, context: box)


@pytest.mark.parametrize("name", [TABLE, DENSITY])
def test_law_samples_follow_probabilities_rejects_contexts_exchanged(name):
    model = prepared(name)
    with rejects("samples"):
        broken = twin(name, sample=lambda n, c, *, noise: model.sample(n, 1 - c, noise=noise))
        laws.samples_follow_probabilities(broken, {})


def test_law_samples_follow_probabilities_rejects_a_biased_sampler():
    laws.samples_follow_probabilities(Coins(), {})
    with rejects("samples disagree"):
        laws.samples_follow_probabilities(Coins("biased"), {})
    model = prepared(LINE)
    with rejects("samples disagree"):
        shifted = twin(LINE, sample=lambda n, c, *, noise: model.sample(n, c, noise=noise) * 0.9 + 0.3)
        laws.samples_follow_probabilities(shifted, {})


# Autoregressive models


@pytest.mark.parametrize(
    ("words", "leak"),
    [
        ("leaks into", lambda params, cells: params + 1e-9 * cells.double().flip(1)[..., None]),
        ("does not reach", lambda params, cells: 0 * params),
    ],
)
def test_law_conditionals_see_only_the_past_rejects(words, leak):
    model = prepared("NADE bits")
    broken = twin("NADE bits", conditionals=lambda cells, c=None: leak(model.conditionals(cells, c), cells))
    with rejects(words):
        laws.conditionals_see_only_the_past(broken, *toy_events(model, 6))


def masked(diagonal: int) -> tuple[FVBN, Tensor]:
    """A belief net whose variable i sees all up to i + diagonal, and what it sees."""
    model = prepared("FVBN bits")
    sees = torch.ones(6, 6, dtype=torch.bool).tril(diagonal)
    model.mask = sees[:, None, :, None]
    return model, sees


@pytest.mark.parametrize(("diagonal", "words"), [(0, "variable 0 leaks into"), (-2, "variable 0 does not reach")])
def test_law_jacobian_is_triangular_rejects_a_wrong_mask(diagonal, words):
    (model, _), (x, context) = masked(diagonal), toy_events(prepared("FVBN bits"), 6)
    with rejects(words):
        laws.jacobian_is_triangular(model, x, context)
    with rejects(words):
        laws.conditionals_see_only_the_past(model, x, context)


def test_law_jacobian_is_triangular_rejects_a_blind_spot_only_where_none_is_documented():
    (model, sees), (x, context) = masked(-2), toy_events(prepared("FVBN bits"), 6)
    laws.jacobian_is_triangular(model, x, context, sees)
    laws.conditionals_see_only_the_past(model, x, context, sees)
    with rejects("does not reach"):
        laws.jacobian_is_triangular(prepared("FVBN bits"), x, context, torch.ones(6, 6, dtype=torch.bool))


def test_law_jacobian_is_triangular_rejects_a_network_that_is_shown_nothing():
    broken = twin("FVBN bits", conditionals=lambda cells, c=None: cells.double()[..., None])
    with rejects("by another way than look"):
        laws.jacobian_is_triangular(broken, *toy_events(broken, 6))


def test_law_conditionals_are_those_of_the_joint_rejects_a_wrong_order():
    name, order = "NADE five levels", [3, 0, 4, 1, 2]
    model = prepared(name)
    laws.conditionals_are_those_of_the_joint(model, order)
    backwards = prepared(name)
    backwards.order = model.order.argsort()
    for broken, asked in ((backwards, order), (model, sorted(order))):
        with rejects("is not that of the joint law"):
            laws.conditionals_are_those_of_the_joint(broken, asked)
    with rejects("is not that of the joint law"):
        leaky, _ = masked(0)
        laws.conditionals_are_those_of_the_joint(leaky, list(range(6)))


def test_law_samplers_agree_rejects_a_cache_that_lags():
    model = prepared("NADE bits")
    lagging = twin("NADE bits", draw=lambda choice, n, c=None: model.draw(choice, n, c).roll(1, 1))
    with rejects("the cached sampler draws other events"):
        laws.samplers_agree(lagging, None)
    inexact = twin("NADE bits", draw=lambda choice, n, c=None: model.draw(lambda i, p: choice(i, p + 1e-6), n, c))
    with rejects("the cached sampler hears other conditionals"):
        laws.samplers_agree(inexact, None)


@pytest.mark.parametrize("name", ["NADE bits", "RBM, persistent", "Gaussian of a class"])
def test_law_completions_follow_the_conditional_rejects_a_blind_or_careless_completion(name):
    model, sampling = fitted(name)[0], CASES[name].sampling  # whose halves depend on each other
    x, c = toy_events(model, 1)

    def blind(x: Tensor, mask: Tensor, c: Tensor | None = None, *, noise: Noise, **sampling: Any) -> Tensor:
        return torch.where(mask, x, model.sample(len(x), c, noise=noise, **sampling))

    def careless(x: Tensor, mask: Tensor, c: Tensor | None = None, *, noise: Noise, **sampling: Any) -> Tensor:
        return model.sample(len(x), c, noise=noise, **sampling)

    order = list(range(model.space.dimensions))
    laws.completions_follow_the_conditional(model, x, c, order, sampling)
    for words, complete in (("samples disagree", blind), ("changed what was known", careless)):
        broken: Any = deepcopy(model)
        object.__setattr__(broken, "complete", complete)
        with rejects(words):
            laws.completions_follow_the_conditional(broken, x, c, order, sampling)


# Bijections


class Shear:
    """A small flow, z = sinh(A x) of standardised x, with one fault."""

    space, context_space = Real((2,), (1.0, 2.0), (3.0, 0.5)), None
    matrix = torch.tensor([[2.0, 0.5], [-1.0, 1.5]], dtype=torch.float64)

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def encode_and_log_det(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = self.space.cells(x) @ self.matrix.T
        log_det = y.cosh().log().sum(1) + torch.linalg.slogdet(self.matrix).logabsdet
        if self.fault == "sign":
            log_det = -log_det
        if self.fault == "volume":  # that of the unit of x is not part of it
            log_det = log_det + self.space.log_volume
        return y.sinh(), log_det.sum() if self.fault == "scalar" else log_det

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        y = z.asinh() @ torch.linalg.inv(self.matrix).T
        return self.space.events(1.001 * y if self.fault == "inverse" else y)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("sign", "not that of the Jacobian"),
        ("volume", "not that of the Jacobian"),
        ("scalar", "misshapen"),
        ("inverse", "does not undo"),
    ],
)
def test_law_maps_are_bijections_rejects(fault, words):
    x = Shear.space.events(Noise(0).normal((4, 2), "x").double())
    laws.maps_are_bijections(Shear(), x, None)
    with rejects(words):
        laws.maps_are_bijections(Shear(fault), x, None)


# Bounds


@pytest.mark.parametrize(
    ("words", "spoil"),
    [
        ("nats above a tighter one or the truth", lambda bound, k, one: bound + math.log(k)),  # forgets the 1 / k
        ("nats above a tighter one or the truth", lambda bound, k, one: bound - 0.01 * k),
        ("one importance sample is off the elbo", lambda bound, k, one: bound + (0.1 if k == 1 else 0.0)),
        ("64 importance samples leave", lambda bound, k, one: one),
    ],
)
def test_law_bounds_stay_below_rejects_importance_bounds(words, spoil):
    model = prepared(CLOSE)

    def importance_bound(x: Tensor, k: int, c: Tensor | None = None, *, noise: Noise) -> Tensor:
        one, bound = (model.importance_bound(x, many, c, noise=noise) for many in (1, k))
        return spoil(bound, k, one)

    laws.bounds_stay_below(model)
    with rejects(words):
        laws.bounds_stay_below(twin(CLOSE, importance_bound=importance_bound))


def test_law_bounds_stay_below_rejects_bounds_above_the_truth():
    vae, table, levels = (prepared(name) for name in (CLOSE, TABLE, "dequantized Gaussian"))

    def generous(x: Tensor, c: Tensor | None = None, *, draws: int, noise: Noise) -> Tensor:
        reconstruction, rate = vae.elbo_terms(x, c, draws=draws, noise=noise)
        return reconstruction + rate

    def standardised(x: Tensor, c: Tensor | None = None, *, draws: int, noise: Noise) -> Tensor:
        return levels.elbo(x, draws=draws, noise=noise) + levels.model.space.log_volume  # forgets the unit of x

    for broken in (twin(CLOSE, elbo=generous), twin("dequantized Gaussian", elbo=standardised)):
        with rejects("nats above"):
            laws.bounds_stay_below(broken)
    laws.bounds_stay_below(twin(TABLE, elbo=lambda x, c=None, *, draws, noise: table.log_prob(x, c)))
    with rejects("a lower bound on log p sums to"):
        laws.bounds_stay_below(twin(TABLE, elbo=lambda x, c=None, *, draws, noise: table.log_prob(x, c) + 0.05))


# Training


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("misses", "misses other"),
        ("uncovered", r"no objective trains \['other'\]"),
        ("scalar", "loss has shape"),
        ("steps", "changed other by itself"),
    ],
)
def test_law_objectives_reach_their_parameters_rejects(fault, words):
    x = toy_events(Coins(), 16)[0]
    laws.objectives_reach_their_parameters(Coins(), x, None)
    with rejects(words):
        laws.objectives_reach_their_parameters(Coins(fault), x, None)


def test_law_objectives_reach_their_parameters_rejects_a_generator_that_moves_the_discriminator():
    game = prepared("GAN levels").train()
    events = toy_events(game, 16)
    first, second = game.objectives()
    for greedy in ((first, replace(second, parameters=tuple(game.parameters()))),):
        object.__setattr__(game, "objectives", lambda greedy=greedy: greedy)
        with rejects("which another objective moves"):
            laws.objectives_reach_their_parameters(game, *events)
        laws.objectives_reach_their_parameters(game, *events, shared=("generator", "discriminator"))


def test_law_losses_stand_alone_rejects_a_loss_less_its_mean():
    x = toy_events(Coins(), 6)[0]
    laws.losses_stand_alone(Coins(), x, None)
    with rejects("depends on the batch"):
        laws.losses_stand_alone(Coins("centred"), x, None)


@pytest.mark.parametrize(("fault", "words"), [("counts", "evaluation changed seen"), ("dice", "does not repeat")])
def test_law_evaluation_changes_nothing_rejects(fault, words):
    x = toy_events(Coins(), 16)[0]
    laws.evaluation_changes_nothing(Coins(), x, None, {})
    with rejects(words):
        laws.evaluation_changes_nothing(Coins(fault), x, None, {})


def test_law_chunks_change_nothing_rejects_scores_centred_per_chunk():
    model = prepared(TABLE)

    def centred(x: Tensor, c: Tensor | None = None) -> Tensor:
        score = model.log_prob(x, c)
        return torch.cat([part - part.mean() for part in score.split(closed_form.CELLS)])

    with rejects("the size of a chunk changes"):
        laws.chunks_change_nothing(twin(TABLE, log_prob=centred), *toy_events(model, 12), {})


# Learning


def test_law_learns_rejects_a_model_that_cannot_hold_the_law():
    model = fresh("independent bits")
    data = toy_data(model, 3000)
    model.fit(data)
    with rejects("nats behind"):
        laws.learns(model, data, lambda x, c: toy_log_prob(model, x, c), 0.05)


def test_law_samples_come_near_rejects_a_model_that_cannot_hold_the_law():
    for model in (FullTable(LEVELS), Independent(LEVELS)):
        model.fit(toy_data(model, 10_000))
        if isinstance(model, FullTable):
            laws.samples_come_near(model, lambda x, c: toy_log_prob(FullTable(LEVELS), x, c), 0.1, {})
            continue
        with rejects("in total variation from the law"):
            laws.samples_come_near(model, lambda x, c: toy_log_prob(FullTable(LEVELS), x, c), 0.3, {})


# Saving and refusing


def test_law_saving_restores_rejects_a_model_that_forgets(tmp_path):
    data = toy_data(Coins(), 8)
    for fault in ("", "forgets"):
        model = Coins(fault)
        model.loss(data.train.x, None, Noise(0))
        if not fault:
            laws.saving_restores(model, Coins(), data, tmp_path / "whole", {})
            continue
        with rejects("changed on disk"):
            laws.saving_restores(model, Coins(fault), data, tmp_path / "part", {})


def test_law_bad_calls_are_refused_rejects_a_model_that_takes_anything():
    model, coins = prepared(TABLE), Coins()
    with rejects("log_prob of events with an axis too many was not refused"):
        laws.bad_calls_are_refused(coins, toy_events(coins, 4)[0], None, {})
    x, c = toy_events(model, 4)
    with rejects("sample without a context was not refused"):
        lenient = twin(TABLE, sample=lambda n, c=None, *, noise: model.sample(n, torch.zeros(n).long(), noise=noise))
        laws.bad_calls_are_refused(lenient, x, c, {})


def test_a_missing_row_is_seen():
    assert is_model_class(Coins)
    assert not is_model_class(Autoregressive) and not is_model_class(Noise)
