"""The laws of the restricted Boltzmann machine of reals, each with a broken twin, against the mixture that it is.

Statistical tests fix their seed; the false-alarm rate is the chance that a correct implementation would fail under
another one.
"""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from ptheta.energy import RBM, GaussianRBM, annealed_importance_sampling, annealing_schedule
from ptheta.noise import Noise
from ptheta.protocols import HasComplete, HasEnergy, HasLogProb
from ptheta.recipes.energy import rbm
from ptheta.spaces import Binary, Classes, Levels, Real


def machine(visible=2, hidden=3, seed=0, scale=1.0, **settings) -> GaussianRBM:
    """A random machine in float64."""
    space = Real((visible,), tuple(range(1, visible + 1)), tuple(0.5 * k for k in range(1, visible + 1)))
    model = GaussianRBM(space, hidden=hidden, **settings).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * scale)
        model.log_width.mul_(0.3)
    return model


def states(n: int) -> torch.Tensor:
    return torch.tensor(list(product([0, 1], repeat=n))).double()


@torch.no_grad()
def mixture(model: GaussianRBM) -> torch.distributions.MixtureSameFamily:
    """The law of standardised reals by definition: a Gaussian per hidden state, weighed by completing the square."""
    h, s, b = states(len(model.hidden_bias)), model.log_width.exp(), model.visible_bias
    means = b + h @ model.weight.T
    logits = h @ model.hidden_bias + ((means**2 - b**2) / (2 * s**2)).sum(1)
    parts = torch.distributions.Independent(torch.distributions.Normal(means, s.expand(len(h), -1)), 1)
    return torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=logits), parts)


@pytest.mark.parametrize(("visible", "hidden"), [(2, 3), (1, 1), (4, 6)])
def test_the_density_is_that_of_the_mixture(visible, hidden):
    model = machine(visible, hidden)
    y = torch.randn(50, visible, generator=torch.Generator().manual_seed(1)).double() * 2
    log_z = model.log_partition()
    got = (-model.energy(model.space.events(y)) - log_z.value).detach()
    assert log_z.exact
    assert torch.allclose(got, mixture(model).log_prob(y) - model.space.log_volume, atol=1e-9)
    assert not torch.allclose(got, mixture(model).log_prob(y), atol=1e-2), "the volume is nothing: no test"


def test_the_loss_is_minus_the_density_of_standardised_data():
    model = machine()
    y = torch.randn(20, 2, generator=torch.Generator().manual_seed(1)).double()
    assert torch.allclose(model.loss(model.space.events(y), None, Noise(0)), -mixture(model).log_prob(y), atol=1e-9)


def ks(model: GaussianRBM, y: torch.Tensor) -> float:
    """The p-value of standardised reals on a line under the machine's law."""
    law = mixture(model)
    edges = torch.linspace(-30, 30, 20_001).double()
    mass = law.log_prob(edges[:, None]).exp().cumsum(0) * (edges[1] - edges[0])
    return float(stats.kstest(y.flatten().numpy(), lambda q: np.interp(q, edges.numpy(), mass.numpy())).pvalue)


@pytest.mark.parametrize("steps", [None, 60])
def test_samples_follow_the_density(steps):
    model, n = machine(1, 3, seed=2), 10_000  # false alarms: 1e-3
    y = model.space.cells(model.sample(n, noise=Noise(0), steps=steps)).double()
    assert ks(model, y) > 1e-3 > ks(model, -y)


@pytest.mark.parametrize(("heat", "invariant"), [(1.0, True), (2.0, False)])
def test_a_step_keeps_the_law(heat, invariant):
    model, n = machine(1, 3, seed=2), 10_000  # false alarms: 1e-3
    y = model.space.cells(model.sample(n, noise=Noise(0))).double()
    moved = model.move(y, Noise(1), temperature=heat)
    assert not torch.equal(moved, y) and (ks(model, moved) > 1e-3) == invariant


def test_completion_keeps_what_is_known_and_follows_the_conditional():
    model, n = machine(2, 3, seed=3), 8000
    x = model.space.events(torch.tensor([[2.0, 0.0]]).double()).expand(n, 2)
    mask = torch.tensor([True, False]).expand(n, 2)
    full = model.complete(x, mask, noise=Noise(0), steps=60)
    assert torch.equal(full[:, 0], x[:, 0])
    grid = torch.linspace(-12, 12, 4001).double()
    mass = mixture(model).log_prob(torch.stack([torch.full_like(grid, 2.0), grid], 1)).exp()
    mean, square = ((mass * grid**k).sum() / mass.sum() for k in (1, 2))
    drawn = model.space.cells(full)[:, 1]
    assert abs(float(drawn.mean() - mean)) < 4 * float(square - mean**2) ** 0.5 / n**0.5  # false alarms: 6e-5
    alone = model.space.cells(model.sample(n, noise=Noise(0)))[:, 1]
    assert abs(float(alone.mean() - mean)) > 4 * float(square - mean**2) ** 0.5 / n**0.5, "what is known says nothing"


def test_persistent_chains_reach_the_exact_gradient():
    exact, chains = (machine(2, 2, scale=0.5, exact=e, chains=100_000) for e in (True, False))
    x = chains.space.events(torch.tensor([[1.0, -0.5], [0.2, 0.4]]).double())
    loss = torch.zeros(())
    for step in range(30):
        loss = chains.loss(x, None, Noise(step)).mean()
        chains.step.fill_(1)
    loss.backward()
    exact.loss(x, None, Noise(0)).mean().backward()
    for p, q in zip(exact.parameters(), chains.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None
        assert float((p.grad - q.grad).abs().max()) < 0.03
    chains.zero_grad()
    chains._free_energy(chains._reals(x)).mean().backward()  # the twin: no negative phase
    assert float((exact.visible_bias.grad - chains.visible_bias.grad).abs().max()) > 0.03  # pyright: ignore


def test_chains_go_on_from_themselves():
    model = machine(2, 2, exact=False, chains=6, k=3)
    model.step.fill_(1)
    state = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).double()
    model.chain_state.copy_(state)
    expected = model.settled(state, 3, Noise(3))
    model.eval().loss(model.space.events(state), None, Noise(3))
    assert torch.equal(model.chain_state, state)
    model.train().loss(model.space.events(state), None, Noise(3))
    assert torch.equal(model.chain_state, expected)


def test_annealing_within_its_error_on_ten_machines():
    scores = []
    for seed in range(10):  # false alarms: 1e-3, were the scores normal
        model = machine(3, 8, seed=seed, scale=0.4)
        found = annealed_importance_sampling(model.bridge(), annealing_schedule(60), 100, Noise(seed))
        scores.append((found.value - model.log_partition().value) / found.error)
    assert float(torch.tensor(scores).square().sum()) < stats.chi2(10).ppf(0.999)


def test_many_hidden_bits_are_annealed():
    model = machine(2, 22, scale=0.3)
    with torch.no_grad():
        model.weight[:, 1:] = 0  # only one hidden bit moves the reals, so log Z has a closed form
    h = torch.tensor([[0.0], [1.0]]).double()
    s, b = model.log_width.detach().exp(), model.visible_bias.detach()
    means = b + h @ model.weight.detach()[:, :1].T
    lone = (h[:, 0] * model.hidden_bias.detach()[0] + ((means**2 - b**2) / (2 * s**2)).sum(1)).logsumexp(0)
    rest = torch.nn.functional.softplus(model.hidden_bias.detach()[1:]).sum()
    exact = float(lone + rest + model._log_volume().detach())
    found = model.log_partition(Noise(0), budget=60)
    assert not found.exact and found.bracket is not None and found.bracket[0] < exact < found.bracket[1]
    assert found.bracket[0] <= found.value <= found.bracket[1]
    assert model.sample(3, noise=Noise(0), steps=2).shape == (3, 2)


def test_protocols():
    assert isinstance(machine(), HasEnergy) and isinstance(machine(), HasComplete)
    assert not isinstance(machine(), HasLogProb)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"space": Levels((4,), 3)}, "GaussianRBM models events of Real spaces"),
        ({"space": Real((4,)), "context_space": Classes(3)}, "it takes no context"),
        ({"space": Real((4,)), "hidden": 0}, "hidden of GaussianRBM should be at least 1"),
        ({"space": Real((4,)), "hidden": 21, "exact": True}, "at most 20 hidden bits, not of 21"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        GaussianRBM(**settings)


def test_the_recipe_chooses_by_the_space():
    assert isinstance(rbm(Real((3,))).model, GaussianRBM) and isinstance(rbm(Binary((3,))).model, RBM)
