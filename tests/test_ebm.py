"""The laws of energy-based models, each with a broken twin, where the energy is one whose law is known.

Statistical tests fix their seed; the false-alarm rate is the chance that a correct implementation would fail under
another one.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from ptheta.data import load
from ptheta.data.synthetic import truth
from ptheta.distributions import Gaussian
from ptheta.energy import EBM, annealed_importance_sampling, annealing_schedule
from ptheta.metrics import likelihood
from ptheta.noise import Noise
from ptheta.protocols import HasComplete, HasEnergy, HasLogProb
from ptheta.spaces import Classes, Levels, Real


class Bowl(nn.Module):
    """f(y) = sum_i a (y_i - m)^2 / 2: with eq. 1 a Gaussian of known mean, width and Z."""

    def __init__(self, a: float = 3.0, m: float = 0.5) -> None:
        super().__init__()
        self.a, self.m = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(m))

    def forward(self, y: Tensor) -> Tensor:
        return self.a * (y - self.m).square().sum(1, keepdim=True) / 2


def bowl(d: int, **settings) -> tuple[EBM, float, float, float]:
    """A Gaussian in float64 with the mean and the standard deviation of each variable, and log Z."""
    space = Real((d,), (1.0,) * d, (2.0,) * d)
    model = EBM(space, network=Bowl(), **settings).double()
    precision = 3.0 + 1 / 2.0**2
    mean = 3.0 * 0.5 / precision
    log_z = d * (0.5 * math.log(2 * math.pi / precision) - (3.0 * 0.25 - precision * mean**2) / 2)
    return model, mean, precision**-0.5, log_z


def ks(y: Tensor, mean: float, width: float) -> float:
    return float(stats.kstest(y.flatten().detach().numpy(), stats.norm(mean, width).cdf).pvalue)


@pytest.mark.parametrize("d", [1, 2])
def test_quadrature_is_exact_and_the_density_is_per_unit_of_x(d):
    model, mean, width, log_z = bowl(d)
    found = model.log_partition()
    assert found.exact and found.value == pytest.approx(log_z, abs=1e-9)
    y = torch.randn(20, d, generator=torch.Generator().manual_seed(0)).double()
    expected = torch.distributions.Normal(mean, width).log_prob(y).sum(1) - d * math.log(2.0)
    got = (-model.energy(model.space.events(y)) - found.value).detach()
    assert torch.allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("step_size", [0.15, 0.6])
@pytest.mark.parametrize(("heat", "invariant"), [(1.0, True), (1.3, False)])
def test_a_move_leaves_the_law_invariant_whatever_its_step(step_size, heat, invariant):
    model, mean, width, _ = bowl(1, step_size=step_size)  # false alarms: 1e-3
    y = mean + width * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0)).double()
    assert (ks(model.settled(y, 30, Noise(1)), mean, width) > 1e-3) or not invariant
    state = y
    for i in range(30):
        state = model.move(state, Noise(1).at("gibbs", i), temperature=heat)
    assert not torch.equal(state, y) and (ks(state, mean, width) > 1e-3) == invariant


def test_langevin_without_acceptance_ends_elsewhere():
    _, mean, width, _ = bowl(1)
    y, e = mean + width * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0)).double(), 0.6
    for i in range(30):  # the twin: eq. 2 alone
        y = y - e**2 / 2 * (y - mean) / width**2 + e * Noise(i).normal(y.shape, "z", like=y)
    assert ks(y, mean, width) < 1e-3


def test_samples_follow_the_density():
    model, mean, width, _ = bowl(1, step_size=0.5)  # false alarms: 1e-3
    y = model.space.cells(model.sample(10_000, noise=Noise(0), steps=60))
    assert ks(y, mean, width) > 1e-3 > ks(-y, mean, width)


def test_completion_keeps_what_is_known():
    model, mean, width, _ = bowl(2, step_size=0.5)  # false alarms: 1e-3
    x = model.space.events(torch.full((5000, 2), 2.0).double())
    full = model.complete(x, torch.tensor([True, False]).expand(5000, 2), noise=Noise(0), steps=60)
    assert torch.equal(full[:, 0], x[:, 0])
    assert ks(model.space.cells(full)[:, 1], mean, width) > 1e-3


def test_annealing_in_many_dimensions_is_within_its_error():
    model, _, _, log_z = bowl(4, step_size=0.5)
    scores = []
    for seed in range(10):  # false alarms: 1e-3, were the scores normal
        found = annealed_importance_sampling(model.bridge(), annealing_schedule(60), 200, Noise(seed))
        scores.append((found.value - log_z) / found.error)
    assert float(torch.tensor(scores).square().sum()) < stats.chi2(10).ppf(0.999)
    found = model.log_partition(Noise(0), budget=60)
    assert not found.exact and found.bracket is not None and found.bracket[0] < log_z < found.bracket[1]


def test_the_loss_has_the_gradient_of_minus_log_p():
    model, mean, width, _ = bowl(2, step_size=0.5, chains=20_000, fresh=0.0)
    x = model.space.events(torch.tensor([[1.0, -0.5], [0.2, 0.4]]).double())
    loss = torch.zeros(())
    for step in range(6):
        loss = model.loss(x, None, Noise(step)).mean()
        model.step.fill_(1)
    loss.backward()
    network = model.network
    assert isinstance(network, Bowl) and network.a.grad is not None
    data = (model.space.cells(x) - 0.5).square().sum(1).mean() / 2
    theirs = 2 * (width**2 + (mean - 0.5) ** 2) / 2
    assert abs(float(network.a.grad) - float(data - theirs)) < 0.02 < abs(float(network.a.grad) - float(data))


@pytest.mark.parametrize("persistent", [True, False])
def test_chains_go_on_or_begin_afresh(persistent):
    model, _, _, _ = bowl(2, persistent=persistent, chains=6, k=2, fresh=0.0)
    model.step.fill_(1)
    x = model.space.events(torch.zeros(3, 2).double())
    if persistent:
        model.chain_state.fill_(0.3)
    before = model.chain_state.clone()
    expected = model.settled(before if persistent else model.start(6, Noise(3)), 2, Noise(3))
    assert torch.allclose(
        model.eval().loss(x, None, Noise(3)), model.height(model.space.cells(x)) - model.height(expected).mean()
    )
    assert torch.equal(model.chain_state, before)
    model.train().loss(x, None, Noise(3))
    assert torch.equal(model.chain_state, expected if persistent else before)


def test_it_learns_the_moons_better_than_a_gaussian():
    data = load("moons")
    torch.manual_seed(0)
    model = EBM(data.space, k=5)
    model.fit(data, steps=300, batch_size=200, learning_rate=0.005, schedule="linear", seed=0)
    found, floor = likelihood(model, data.test), likelihood(Gaussian(data.space).fit(data), data.test)
    assert found.kind == "exact" and found.value is not None and floor.value is not None
    assert truth("moons").entropy() < found.value < floor.value - 0.1
    assert np.isfinite(found.value)


def test_protocols():
    model = EBM(Real((2,)))
    assert isinstance(model, HasEnergy) and isinstance(model, HasComplete) and not isinstance(model, HasLogProb)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"space": Levels((4,), 3)}, "EBM models events of Real spaces"),
        ({"space": Real((4,)), "context_space": Classes(3)}, "it takes no context"),
        ({"space": Real((4,)), "k": 0}, "k of EBM should be at least 1"),
        ({"space": Real((4,)), "step_size": 0.0}, "width and step_size should be positive"),
        ({"space": Real((4,)), "fresh": 1.5}, "fresh between 0 and 1"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        EBM(**settings)
