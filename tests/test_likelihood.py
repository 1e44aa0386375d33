"""A likelihood says what it is: kinds, errors, units, signs."""

import json
import math

import pytest
import torch
from torch import nn

import laws
from cases import CASES, prepared
from ptheta import Binary, Classes, Distribution, Estimate, Events, Noise, Real
from ptheta.metrics import Likelihood, likelihood, scores
from ptheta.protocols import HasElbo, HasElboTerms, HasEnergy, HasImportanceBound, HasLogProb
from ptheta.taxonomy import leaves
from toy_law import toy_events

SPACE = Binary((3,))
PROBS = torch.rand(8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
PROBS /= PROBS.sum()
STATES = torch.tensor([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=torch.uint8)


def true_log_prob(x):
    return PROBS.log()[(x.long() * torch.tensor([4, 2, 1])).sum(1)]


def draw(n, seed=1):
    return STATES[torch.multinomial(PROBS, n, replacement=True, generator=torch.Generator().manual_seed(seed))]


class Sampler(Distribution):
    """Only samples."""

    def __init__(self, space=SPACE, context_space=None):
        self.space, self.context_space = space, context_space

    def fit(self, data):
        return self

    def sample(self, n, context=None, *, noise=None):
        return torch.zeros(n, *self.space.shape, dtype=self.space.dtype)


class Table(Sampler):
    def log_prob(self, x, context=None):
        self.check(x, context)
        return true_log_prob(x)


class Scored(Sampler):
    """Scores by whatever it is given."""

    def __init__(self, score, space=SPACE):
        super().__init__(space)
        self.score = score

    def log_prob(self, x, context=None):
        return self.score(x)


class Bound(Sampler):
    """log p minus a gap, plus noise whose mean is zero."""

    gap, spread = 0.5, 0.3

    def elbo(self, x, context=None, *, draws=1, noise=None):
        z = (noise or Noise()).normal((len(x), draws), "z", like=PROBS)
        return true_log_prob(x) - self.gap + self.spread * z.mean(1)


class Autoencoder(Bound):
    def elbo_terms(self, x, context=None, *, draws=1, noise=None):
        rate = torch.full((len(x),), 0.2, dtype=torch.float64)
        return self.elbo(x, context, draws=draws, noise=noise) + rate, rate

    def importance_bound(self, x, k, context=None, *, noise=None):
        z = (noise or Noise()).normal((len(x),), "w", like=PROBS)
        return true_log_prob(x) - self.gap / k + self.spread / k * z


class Energy(Sampler):
    def __init__(self, log_z):
        super().__init__()
        self.log_z = log_z

    def energy(self, x, context=None):
        return -true_log_prob(x) - 2.0

    def log_partition(self, noise=None, budget=1000):
        return self.log_z


def test_table_is_exact_with_its_entropy_bits_and_error():
    x = draw(4000)
    found = likelihood(Table(), x)
    entropy = -(PROBS * PROBS.log()).sum().item()
    nats = -true_log_prob(x)
    assert (found.kind, found.n, found.unit) == ("exact", 4000, "nats per event")
    assert found.value == pytest.approx(nats.mean().item(), abs=1e-12)
    assert abs(found.value - entropy) < 3.3 / 1.96 * found.error  # false alarms: 1e-3
    assert found.bits_per_dim == pytest.approx(found.value / (3 * math.log(2)), abs=1e-12)
    assert found.error == pytest.approx(1.96 * nats.std().item() / math.sqrt(4000), rel=1e-12)
    assert (found.estimator_error, found.importance, found.standardised, found.bias) == (None, None, None, None)


def test_uniform_bits_are_one_bit_per_dim():
    found = likelihood(Scored(lambda x: torch.full((len(x),), -3 * math.log(2), dtype=torch.float64)), draw(10))
    assert found.bits_per_dim == pytest.approx(1.0, abs=1e-12)


def test_error_bars_cover_the_entropy_in_95_percent_of_test_sets():
    entropy = -(PROBS * PROBS.log()).sum().item()
    covered = 0
    for seed in range(200):
        found = likelihood(Table(), draw(300, seed))
        covered += abs(found.value - entropy) < found.error
    assert 178 <= covered <= 199  # binomial(200, 0.95): false alarms below 1e-3


def test_wrong_sign_is_caught():
    with pytest.raises(ValueError, match="is not normalised, or has the wrong sign"):
        likelihood(Scored(lambda x: -true_log_prob(x)), draw(100))

    class Wrong(Bound):
        def elbo(self, x, context=None, *, draws=1, noise=None):
            return -super().elbo(x, context, draws=draws, noise=noise)

    with pytest.raises(ValueError, match="wrong sign"):
        likelihood(Wrong(), draw(100))


def test_bound_is_a_lower_bound_on_log_p_with_its_monte_carlo_error():
    x = draw(2000)
    found, exact = likelihood(Bound(), x, draws=8), likelihood(Table(), x)
    assert found.kind == "lower bound"
    truth = 1.96 * 0.3 / math.sqrt(8 * 2000)  # the error of a mean of n draws of n events
    assert found.estimator_error == pytest.approx(truth, rel=0.15)  # relative sd 1.6 %, false alarms below 1e-6
    assert abs(found.value - exact.value - 0.5) < 3.3 / 1.96 * truth
    assert found.error >= exact.error * 0.9
    assert likelihood(Bound(), x, draws=1).estimator_error is None
    odd = likelihood(Bound(), x, draws=3)
    assert odd.estimator_error == pytest.approx(1.96 * 0.3 / math.sqrt(3 * 2000), rel=0.15)


def test_bounds_repeat_whatever_the_batch_size_and_leave_torch_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = likelihood(Bound(), draw(101), batch_size=7)
    assert torch.equal(before, torch.get_rng_state())
    again = likelihood(Bound(), draw(101), batch_size=1000)
    assert first.value == pytest.approx(again.value, abs=1e-12)
    assert likelihood(Bound(), draw(101), noise=Noise(1)).value != again.value

    class Dice(Sampler):
        def elbo(self, x, context=None, *, draws=1, noise=None):
            return -torch.rand(len(x))  # a model that breaks the rule

    likelihood(Dice(), draw(5))
    assert torch.equal(before, torch.get_rng_state())


def test_terms_add_up_and_importance_samples_tighten():
    x, model = draw(500), Autoencoder()
    assert isinstance(model, HasElboTerms) and isinstance(model, HasImportanceBound)
    plain = likelihood(model, x, draws=2)
    assert plain.details["rate"] == pytest.approx(0.2)
    assert sum(plain.details.values()) == pytest.approx(plain.value, abs=0.05)
    tight = likelihood(model, x, importance=50, batch_size=100)
    assert (tight.kind, tight.importance) == ("lower bound", 50)
    exact = likelihood(Table(), x).value
    assert exact < tight.value < plain.value
    assert tight.details["elbo"] == pytest.approx(plain.value)
    assert tight.estimator_error == pytest.approx(1.96 * 0.3 / 50 / math.sqrt(500), rel=0.35)
    assert "50 importance samples" in str(tight)
    with pytest.raises(ValueError, match="has a bound but no importance_bound"):
        likelihood(Bound(), x, importance=5)
    assert likelihood(Table(), x, importance=5).kind == "exact"


KINDS = {"none": "undefined", "lower bound": "lower bound", "exact": "exact", "exact or estimate": "exact"}
KINDS = {leaf.model.split(":")[1]: KINDS[leaf.score] for _, leaf in leaves()}  # of small models


@torch.no_grad()
def bound(model, x, context, seed):
    return model.elbo(x, context, noise=Noise(seed))


@pytest.mark.parametrize("name", CASES)
def test_every_model_of_the_table_gets_the_label_of_its_kind(name):
    model = prepared(name)
    x, context = toy_events(model, 12)
    found = likelihood(model, Events(x, context))
    without_leaf = (
        "exact"
        if isinstance(model, HasLogProb | HasEnergy)
        else "lower bound"
        if isinstance(model, HasElbo)
        else "undefined"
    )
    assert found.kind == KINDS.get(type(model).__name__, without_leaf)
    assert (found.n, found.unit, found.bias) == (12, "nats per event", None)
    if found.kind == "undefined":
        assert (found.value, found.error, found.bits_per_dim) == (None, None, None)
        return
    values, kind = scores(model, Events(x, context))
    assert kind == found.kind and found.value == pytest.approx(-values.mean().item(), abs=1e-12)
    assert found.error == pytest.approx(1.96 * values.std().item() / math.sqrt(12), rel=1e-9)
    drawn = kind == "lower bound" and bool((bound(model, x, context, 5) != bound(model, x, context, 6)).any())
    assert (found.estimator_error or 0) > 0 if drawn else not found.estimator_error
    if model.space.is_discrete:
        assert found.bits_per_dim == pytest.approx(found.value / (model.space.dimensions * math.log(2)), abs=1e-12)
        assert found.standardised is None
    else:
        assert found.standardised == pytest.approx(found.value - model.space.log_volume, abs=1e-12)
        assert found.bits_per_dim is None


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("VAE bits", lambda model, x: model.elbo(x, draws=50, noise=Noise(0))),
        ("RBM, persistent", lambda model, x: -model.energy(x)),
    ],
    ids=["a bound", "minus the energy"],
)
def test_a_model_that_calls_another_number_its_log_prob_is_rejected(name, score):
    model = prepared(name)
    with pytest.raises(AssertionError, match="probabilities sum to"):
        laws.probabilities_sum_to_one(Scored(lambda x: score(model, x), model.space))


def test_energy_is_exact_when_enumerated_and_an_estimate_when_annealed():
    x = draw(300)
    exact = likelihood(Energy(Estimate(2.0, 0.0, exact=True)), x)
    assert exact.kind == "exact" and exact.value == pytest.approx(likelihood(Table(), x).value, abs=1e-12)
    found = likelihood(Energy(Estimate(1.9, 0.05, exact=False, bias="log p looks too high")), x)
    assert (found.kind, found.bias) == ("estimate", "log p looks too high")
    assert found.estimator_error == pytest.approx(1.96 * 0.05)
    assert found.details["log Z"] == 1.9
    assert "about" in str(found) and "log p looks too high" in str(found)


def test_sampler_is_undefined():
    found = likelihood(Sampler(), draw(10))
    assert (found.value, found.kind, found.bits_per_dim, found.error) == (None, "undefined", None, None)
    assert "undefined" in str(found)
    with pytest.raises(ValueError, match="Sampler only samples"):
        scores(Sampler(), draw(10))


def test_scores_are_per_event_and_signed_like_log_p():
    x = draw(20)
    values, kind = scores(Table(), x, batch_size=3)
    assert kind == "exact" and torch.equal(values, true_log_prob(x))
    values, kind = scores(Energy(Estimate(2.0, 0.1, exact=False)), x)
    assert kind == "estimate"
    torch.testing.assert_close(values, true_log_prob(x))
    assert scores(Bound(), x)[1] == "lower bound"


def test_real_values_are_raw_and_standardised():
    space = Real((2,), (1.0, -2.0), (3.0, 0.5))
    z = torch.randn(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = space.events(z)

    def normal(x):
        cells = space.cells(x)
        return torch.distributions.Normal(0.0, 1.0).log_prob(cells).sum(1) - space.log_volume

    found = likelihood(Scored(normal, space), x)
    raw = -torch.distributions.Normal(torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5])).log_prob(x).sum(1).mean()
    assert found.value == pytest.approx(raw.item(), abs=1e-6)
    cells = -torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1).mean()
    assert found.standardised == pytest.approx(cells.item(), abs=1e-6)
    assert found.bits_per_dim is None and "bits" not in str(found)
    likelihood(Scored(lambda x: torch.full((len(x),), 5.0), space), x)  # densities may exceed one


def test_infinity_is_said_and_nan_refused():
    impossible = Scored(lambda x: torch.where(x[:, 0] == 1, -math.inf, true_log_prob(x)))
    x = draw(50)
    found = likelihood(impossible, x)
    assert found.value == math.inf and found.error is None and found.impossible == int(x[:, 0].sum())
    assert f"{found.impossible} events have probability 0" in str(found)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["value"] is None
    with pytest.raises(ValueError, match="the model gives NaN to 50 of 50 events"):
        likelihood(Scored(lambda x: torch.full((len(x),), math.nan)), x)


def test_printed_forms():
    exact = Likelihood(88.4, "exact", 10000, bits_per_dim=0.16268, error=0.3)
    assert str(exact) == "negative log-likelihood 88.40 ± 0.30 nats (exact, 0.163 bits/dim, n = 10000)"
    bound = Likelihood(95.0, "lower bound", 100, bits_per_dim=0.17485, error=0.2, estimator_error=0.01, importance=200)
    assert str(bound) == (
        "negative log-likelihood <= 95.00 ± 0.20 nats (lower bound on log p, 200 importance samples, "
        "Monte Carlo ± 0.01, 0.175 bits/dim, n = 100)"
    )
    assert str(Likelihood(None, "undefined", 5)) == (
        "negative log-likelihood undefined: the model offers no log-probability, bound or energy (n = 5)"
    )
    record = json.loads(json.dumps(bound.to_json()))
    assert record["kind"] == "lower bound" and record["unit"] == "nats per event" and record["importance"] == 200


class Moody(nn.Module, Sampler):
    """Scores badly in training mode; one part is frozen in evaluation mode."""

    def __init__(self):
        nn.Module.__init__(self)
        self.space, self.context_space = SPACE, None
        self.part = nn.Dropout()
        self.layer = nn.Linear(3, 1)
        self.part.eval()
        self.calls = []

    def log_prob(self, x, context=None):
        assert not self.training and not torch.is_grad_enabled()
        self.calls.append(len(x))
        return true_log_prob(x) + 0 * self.layer(x.float())[:, 0]


def test_modes_are_restored_even_after_an_error():
    model = Moody()
    likelihood(model, draw(25), batch_size=10)
    assert model.calls == [10, 10, 5]
    assert model.training and model.layer.training and not model.part.training
    model.log_prob = lambda x, context: torch.full((len(x),), math.nan)
    with pytest.raises(ValueError, match="NaN"):
        likelihood(model, draw(5))
    assert model.training and torch.is_grad_enabled()


def test_contexts_are_dropped_or_demanded_by_the_model():
    x, context = draw(10), torch.zeros(10, dtype=torch.int64)
    assert likelihood(Table(), Events(x, context)) == likelihood(Table(), x)
    conditional = Table(context_space=Classes(2))
    assert likelihood(conditional, Events(x, context)).n == 10
    with pytest.raises(ValueError, match="needs a context"):
        likelihood(conditional, x)
    conditional = Energy(Estimate(2.0, 0.0, exact=True))
    conditional.context_space = Classes(2)
    assert likelihood(conditional, Events(x, context)).kind == "undefined"  # log Z would depend on the context


def test_bad_calls():
    with pytest.raises(ValueError, match="at least one event"):
        likelihood(Table(), draw(1)[:0])
    with pytest.raises(ValueError, match="got a list"):
        likelihood(Table(), [1])
    with pytest.raises(ValueError, match="should give one score per event, with shape"):
        likelihood(Scored(lambda x: true_log_prob(x)[:, None]), draw(4))
    with pytest.raises(ValueError, match="should be at least 1"):
        likelihood(Table(), draw(4), draws=0)
    with pytest.raises(ValueError, match="x should be events of"):
        likelihood(Table(), torch.zeros(3, 4, dtype=torch.uint8))
    assert likelihood(Table(), draw(1)).error is None
