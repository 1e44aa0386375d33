"""The laws of the deep Boltzmann machine, each with a broken twin, on machines small enough to enumerate.

Statistical tests fix their seed; the false-alarm rate is the chance that a correct implementation would fail under
another one.
"""

from itertools import product

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from ptheta.energy import DBM, annealed_importance_sampling, annealing_schedule, bracketed_annealing
from ptheta.energy.dbm import layer_loss
from ptheta.metrics import likelihood
from ptheta.noise import Noise
from ptheta.protocols import HasComplete, HasElbo, HasEnergy, HasEnergyBound, HasLogProb
from ptheta.recipes.energy import dbm
from ptheta.spaces import Binary, Classes, Levels


def machine(visible=4, hidden=(3, 2), seed=0, scale=1.0, **settings) -> DBM:
    """A random machine in float64."""
    model = DBM(Binary((visible,)), hidden=hidden, **settings).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * scale)
        model.frequencies.copy_(torch.rand(visible, generator=generator, dtype=torch.float64) * 0.8 + 0.1)
    return model


def states(n: int) -> torch.Tensor:
    return torch.tensor(list(product([0, 1], repeat=n)), dtype=torch.uint8)


@torch.no_grad()
def parts(model: DBM) -> tuple[torch.Tensor, ...]:
    """W1, W2, b, c1, c2 of eq. 1 from the centred ones, by eq. 4."""
    m, lower, upper = model.frequencies, model.lower.detach(), model.upper.detach()
    b = model.visible_bias + torch.logit(m) - lower @ torch.full((lower.shape[1],), 0.5).double()
    c1 = model.first_bias - lower.T @ m - upper @ torch.full((upper.shape[1],), 0.5).double()
    c2 = model.second_bias - upper.T @ torch.full((len(upper),), 0.5).double()
    return lower, upper, b, c1, c2


@torch.no_grad()
def joint(model: DBM) -> torch.Tensor:
    """exp(-E) of every state by definition (eq. 1), with shape (2^D, 2^H1, 2^H2)."""
    lower, upper, b, c1, c2 = parts(model)
    x, h1, h2 = (states(n).double() for n in (len(b), len(c1), len(c2)))
    pairs = (x @ lower @ h1.T)[:, :, None] + (h1 @ upper @ h2.T)[None]
    return ((x @ b)[:, None, None] + (h1 @ c1)[None, :, None] + h2 @ c2 + pairs).exp()


def law(model: DBM) -> torch.Tensor:
    """p(x) of every state of the visible bits."""
    mass = joint(model).sum((1, 2))
    return mass / mass.sum()


def chi_square(x: torch.Tensor, p: torch.Tensor) -> float:
    index = (x.flatten(1).long() * 2 ** torch.arange(x.flatten(1).shape[1] - 1, -1, -1)).sum(1)
    return float(stats.chisquare(torch.bincount(index, minlength=len(p)).numpy(), (p * len(x)).numpy()).pvalue)


def gradient(model: DBM, value: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    value.backward()
    return torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in model.parameters()]
    )


class TestExact:
    @pytest.mark.parametrize(("visible", "hidden"), [(4, (3, 2)), (4, (2, 3)), (1, (1, 1)), (3, (5, 1)), (2, (1, 5))])
    def test_free_energy_and_log_partition_are_sums_over_states(self, visible, hidden):
        model = machine(visible, hidden)
        log_z = model.log_partition()
        assert log_z.exact and log_z.value == pytest.approx(float(joint(model).sum().log()), abs=1e-10)
        assert torch.allclose(-model.energy(states(visible)), joint(model).sum((1, 2)).log(), atol=1e-10)
        assert not model.energy_is_bound()

    def test_the_sum_over_h1_of_both_its_sides_is_z(self):
        model = machine()
        lower, upper, b, c1, c2 = parts(model)
        h1 = states(3).double()
        sides = F.softplus(b + h1 @ lower.T).sum(1) + F.softplus(c2 + h1 @ upper).sum(1)
        z = float(model.log_partition().value)
        assert float((h1 @ c1 + sides).logsumexp(0)) == pytest.approx(z, abs=1e-10)
        forgetful = F.softplus(b + h1 @ lower.T).sum(1) + F.softplus(c2).sum()  # the twin: h2 does not hear of h1
        assert float((h1 @ c1 + forgetful).logsumexp(0)) != pytest.approx(z, abs=1e-2)


class TestMeanField:
    @pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
    def test_the_bound_is_above_and_falls_with_every_update(self, scale):
        for seed in range(5):
            model = machine(seed=seed, scale=scale)
            bits = states(4).double()
            bounds = torch.stack([model.bound(bits, k) for k in (1, 2, 5, 50)])
            assert bool((bounds.diff(dim=0) <= 1e-12).all())
            assert bool((bounds[-1] >= model.energy(states(4)) - 1e-12).all())
            without = -model._energy(
                torch.cat([bits, model._mean_field(bits, 50)[1]], 1), model._mean_field(bits, 50)[0]
            )
            assert not torch.allclose(bounds[-1], -without, atol=1e-3), "the entropy is nothing: no test"

    def test_the_bound_is_the_free_energy_where_the_layers_are_independent(self):
        model = machine()
        with torch.no_grad():
            model.upper.zero_()
        assert torch.allclose(model.bound(states(4).double(), 1), model.energy(states(4)), atol=1e-10)

    def test_large_layers_give_a_bound_and_likelihood_says_so(self):
        model, x = machine(4, (13, 14), scale=0.3), states(4)
        assert model.energy_is_bound() and torch.equal(model.energy(x), model.bound(x.double()))
        gap = (model.energy(x) - model._summed(x.double())).detach()
        assert bool((gap >= 0).all()) and float(gap.max()) > 1e-6
        assert likelihood(model, x).kind == "lower bound"
        larger = machine(4, (21, 22), scale=0.1)
        found = likelihood(larger, x, budget=30)
        assert found.kind == "estimated bound" and "about <=" in str(found) and found.estimator_error
        assert likelihood(machine(), x).kind == "exact"


class TestGibbs:
    @pytest.mark.parametrize("broken", [False, True])
    def test_a_step_keeps_the_exact_law(self, broken):
        model = machine(3, (3, 2))  # false alarms: 1e-3
        p = joint(model).sum(1).flatten() / joint(model).sum()  # of (x, h2)
        u = Noise(0).uniform((20_000,), "exact", like=p)
        state = states(5)[torch.searchsorted(p.cumsum(0), u).clamp(max=31)].double()
        if broken:  # the twin: h2 does not hear of h1
            moved = torch.cat(
                [model.move(state, Noise(1))[:, :3], machine(3, (3, 2), seed=9).start(20_000, Noise(2))[:, 3:]], 1
            )
        else:
            moved = model.move(state, Noise(1))
        assert not torch.equal(moved, state) and (chi_square(moved, p) > 1e-3) != broken

    def test_samples_follow_the_probabilities(self):
        model = machine(4, (3, 2), seed=2)  # false alarms: 1e-3
        x = model.sample(20_000, noise=Noise(0), steps=60)
        assert chi_square(x, law(model)) > 1e-3 > chi_square(1 - x, law(model))

    @pytest.mark.parametrize("temperature", [1.0, 3.0])
    def test_completion_follows_the_conditional(self, temperature):
        model = machine(4, (3, 2), seed=2)  # false alarms: 1e-3
        mass = (joint(model) ** (1 / temperature)).sum((1, 2)).reshape(2, 2, 4)[1, 0]  # given x_1 = 1, x_2 = 0
        x = torch.tensor([[1, 0, 0, 0]], dtype=torch.uint8).repeat(20_000, 1)
        mask = torch.tensor([[True, True, False, False]]).expand(20_000, 4)
        full = model.complete(x, mask, noise=Noise(0), temperature=temperature, steps=60)
        assert bool((full[:, :2] == x[:, :2]).all())
        assert chi_square(full[:, 2:], mass / mass.sum()) > 1e-3
        other = model.complete(x, mask, noise=Noise(0), temperature=4 - temperature, steps=60)
        assert chi_square(other[:, 2:], mass / mass.sum()) < 1e-3

    def test_chains_begin_at_the_frequencies_of_the_data(self):
        model, n = machine(3), 20_000
        start = model.start(n, Noise(0)).mean(0)
        base = torch.cat([model.frequencies, torch.full((2,), 0.5).double()])
        assert bool(((start - base).abs() < 4 * (base * (1 - base) / n).sqrt()).all())


class TestLoss:
    def test_it_reaches_the_exact_gradient_where_mean_field_is_exact(self):
        # Entries lie in [-1, 1] and are means over 40000 chains: Hoeffding's false alarms are below 2e-4 in all.
        model = machine(4, (3, 2), scale=0.7, chains=40_000, k=1)
        with torch.no_grad():
            model.upper[:, 1] = 0  # so few pairs of hidden bits that the posterior is nearly a product
            model.upper[:, 0] *= 0.1
        x = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.uint8)
        loss = torch.zeros(())
        for step in range(40):
            loss = model.loss(x, None, Noise(step)).mean()
            model.step.fill_(1)
        got = gradient(model, loss)
        exact = gradient(model, model.energy(x).mean() + (-model.energy(states(4))).logsumexp(0))
        positive = gradient(model, model.energy(x).mean())
        assert float((got - exact).abs().max()) < 0.025 < float((positive - exact).abs().max())

    @pytest.mark.parametrize("k", [1, 3])
    def test_chains_take_k_steps_and_go_on_from_themselves(self, k):
        model = machine(4, (3, 2), chains=6, k=k)
        model.step.fill_(1)
        model.chain_state.copy_(states(6)[20:26])
        expected = model.settled(model.chain_state.double(), k, Noise(3))
        model.eval().loss(states(4), None, Noise(3))
        assert torch.equal(model.chain_state, states(6)[20:26])
        model.train().loss(states(4), None, Noise(3))
        assert torch.equal(model.chain_state.double(), expected)

    def test_pretraining_trains_a_layer_at_a_time_and_leaves_the_chains(self):
        model, x = machine(4, (3, 2), pretraining=10), states(4)
        moved = {}
        for step in (0, 5, 10):
            model.step.fill_(step)
            before = model.chain_state.clone()
            gradient(model, model.loss(x, None, Noise(0)).mean())
            moved[step] = {name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
            assert torch.equal(model.chain_state, before) == (step < 10)
        assert moved[0] == {"lower", "visible_bias", "first_bias"}
        assert moved[5] == {"upper", "first_bias", "second_bias"}
        assert len(moved[10]) == 5

    @pytest.mark.parametrize("times", [(2, 1), (1, 1)])
    def test_pretraining_sees_the_bits_below_twice(self, times):
        """A first layer whose upper copy of x has been folded in: W1 seen twice from below is one machine of 2 W1."""
        model, n = machine(3, (2, 2), scale=0.7), 40_000
        m, x = model.frequencies, states(3).repeat(n // 8, 1).double()
        biases = (model.visible_bias, model.first_bias)
        loss = layer_loss(x, m, model.lower, biases, times, Noise(0)).mean()
        (got,) = torch.autograd.grad(loss, model.visible_bias)
        with torch.no_grad():  # E of the reconstruction, exactly: x -> h by doubled odds, h -> x by plain ones
            h = states(2).double()
            up = torch.sigmoid(model.first_bias + 2 * (x[:8] - m) @ model.lower)
            p = torch.where(h > 0, up[:, None], 1 - up[:, None]).prod(2)  # (8, 4)
            back = torch.sigmoid(model.visible_bias + torch.logit(m) + (h - 0.5) @ model.lower.T)
            exact = (p @ back).mean(0) - x.mean(0)
        assert (float((got - exact).abs().max()) < 0.01) == (times == (2, 1))

    def test_frequencies_are_those_of_the_first_batch(self):
        model = machine(4)
        model.begin(torch.ones(6, 4, dtype=torch.uint8), None)
        assert model.frequencies.tolist() == pytest.approx([7 / 8] * 4)


class TestAnnealing:
    def test_within_its_error_on_ten_machines(self):
        scores, stale = [], []
        for seed in range(10):  # false alarms: 1e-3, were the scores normal
            model, other = machine(8, (6, 4), seed=seed, scale=0.7), machine(8, (6, 4), seed=seed, scale=0.75)
            found = annealed_importance_sampling(model.bridge(), annealing_schedule(100), 100, Noise(seed))
            for machines, z in ((model, scores), (other, stale)):  # the twin: weights of other parameters
                z.append((found.value - machines.log_partition().value) / found.error)
        assert float(torch.tensor(scores).square().sum()) < stats.chi2(10).ppf(0.999)
        assert float(torch.tensor(stale).square().sum()) > stats.chi2(10).ppf(0.999)

    def test_the_bridge_ends_where_it_should(self):
        model = machine(3, (3, 2))
        bridge, s = model.bridge(), states(5).double()
        easy, far = bridge.energy(s, torch.tensor([0.0, 1.0], dtype=torch.float64))
        assert float((-easy).logsumexp(0)) == pytest.approx(bridge.log_partition_start, abs=1e-10)
        assert torch.allclose((-far).exp().reshape(8, 4), joint(model).sum(1))

    def test_large_machines_are_annealed(self):
        model = machine(6, (21, 22), scale=0.3)
        with torch.no_grad():
            model.upper.zero_()  # then h2 is apart, and h1 sums out in closed form for each x
        _, _, b, c1, c2 = parts(model)
        x = states(6).double()
        exact = float((x @ b + F.softplus(c1 + x @ model.lower.detach()).sum(1)).logsumexp(0) + F.softplus(c2).sum())
        found = model.log_partition(Noise(0), budget=100)
        assert not found.exact and found == model.log_partition(Noise(0), budget=100)
        assert found != model.log_partition(Noise(0), budget=90)
        assert found.bracket is not None and found.bracket[0] < exact < found.bracket[1]

    @pytest.mark.parametrize("step", [0, 9, 10, 11])
    def test_chains_fall_from_those_of_training_once_these_have_set_out(self, step):
        model = machine(6, (21, 22), scale=0.3, pretraining=10)
        model.step.fill_(step)
        unknown = bracketed_annealing(model.bridge(), annealing_schedule(10), 100, None, Noise(0).at("annealing"))
        assert (model.log_partition(Noise(0), budget=10) == unknown) == (step <= 10)


class TestContract:
    def test_protocols(self):
        for question in (HasEnergy, HasEnergyBound, HasComplete):
            assert isinstance(machine(), question)
        assert not isinstance(machine(), HasLogProb) and not isinstance(machine(), HasElbo)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"space": Levels((4,), 3)}, "DBM models events of Binary spaces"),
            ({"space": Binary((4,)), "context_space": Classes(3)}, "it takes no context"),
            ({"space": Binary((4,)), "hidden": (3,)}, "two hidden layers, but hidden names 1"),
            ({"space": Binary((4,)), "hidden": (3, 0)}, "hidden of DBM should be at least 1, but it is 0"),
            ({"space": Binary((4,)), "pretraining": -1}, "pretraining of DBM should be at least 0"),
        ],
    )
    def test_refusals(self, settings, message):
        with pytest.raises(ValueError, match=message):
            DBM(**settings)

    @pytest.mark.parametrize(("shape", "hidden"), [((1, 28, 28), (500, 1000)), ((1, 8, 8), (16, 8))])
    def test_the_recipe_fits_the_space(self, shape, hidden):
        assert dbm(Binary(shape)).model.upper.shape == hidden
