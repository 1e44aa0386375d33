"""The laws of the general Boltzmann machine, each with a broken twin, on machines small enough to enumerate.

Statistical tests fix their seed; the false-alarm rate is the chance that a correct implementation would fail under
another one.
"""

from itertools import product

import pytest
import torch
from scipy import stats

from ptheta.energy import BoltzmannMachine, annealed_importance_sampling, annealing_schedule
from ptheta.energy.partition import BoltzmannBridge, all_bits, sweep
from ptheta.model import Estimate
from ptheta.noise import Noise
from ptheta.protocols import HasComplete, HasElbo, HasEnergy, HasLogProb, HasPseudoLikelihood
from ptheta.recipes.energy import boltzmann
from ptheta.spaces import Binary, Classes, Levels


def machine(visible=4, hidden=2, seed=0, scale=1.0, **settings) -> BoltzmannMachine:
    """A random machine in float64."""
    model = BoltzmannMachine(Binary((visible,)), hidden=hidden, **settings).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * scale)
        model.centre[:visible] = torch.rand(visible, generator=generator, dtype=torch.float64) * 0.8 + 0.1
    return model


def states(n: int) -> torch.Tensor:
    return torch.tensor(list(product([0, 1], repeat=n)), dtype=torch.uint8)


@torch.no_grad()
def joint(model: BoltzmannMachine, pair: float = 1.0) -> torch.Tensor:
    """exp(-E(s)) of every state by definition (eq. 1), pair by pair, with shape (2^D, 2^H); ``pair`` scales them."""
    (weight, bias), d = model.uncentred(), model.space.dimensions
    s = states(len(bias)).double()
    total = s @ bias
    for i in range(len(bias)):
        for j in range(i):
            total = total + pair * weight[i, j] * s[:, i] * s[:, j]
    return total.exp().reshape(2**d, -1)


def law(model: BoltzmannMachine) -> torch.Tensor:
    """p(x) of every state of the visible bits."""
    mass = joint(model).sum(1)
    return mass / mass.sum()


def chi_square(x: torch.Tensor, p: torch.Tensor) -> float:
    index = (x.flatten(1).long() * 2 ** torch.arange(x.flatten(1).shape[1] - 1, -1, -1)).sum(1)
    return float(stats.chisquare(torch.bincount(index, minlength=len(p)).numpy(), (p * len(x)).numpy()).pvalue)


def gradient(model: BoltzmannMachine, value: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    value.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


class TestExact:
    @pytest.mark.parametrize(("visible", "hidden"), [(4, 2), (5, 0), (1, 3), (1, 0), (3, 4)])
    def test_free_energy_and_log_partition_are_sums_over_states(self, visible, hidden):
        model = machine(visible, hidden)
        log_z = model.log_partition()
        assert log_z == Estimate(float(joint(model).sum().log()), 0.0, exact=True) or log_z.exact
        assert log_z.value == pytest.approx(float(joint(model).sum().log()), abs=1e-10)
        assert torch.allclose(-model.energy(states(visible)) - log_z.value, law(model).log(), atol=1e-10)

    def test_every_pair_counts_once(self):
        model = machine()
        twice = joint(model, pair=2.0).sum(1).log()  # the twin: s'W s without the half
        assert not torch.allclose(-model.energy(states(4)), twice, atol=1e-2)

    def test_couplings_are_symmetric_without_a_diagonal(self):
        weight, _ = machine().uncentred()
        assert torch.equal(weight, weight.T) and not weight.diagonal().any()

    @pytest.mark.parametrize("hidden", [0, 2])
    def test_pseudo_likelihood_is_every_conditional(self, hidden):
        model = machine(4, hidden)
        log_p, x = law(model).log(), states(4)
        expected = torch.zeros(len(x), dtype=torch.float64)
        for i in range(4):
            expected += log_p - torch.logaddexp(log_p, log_p[torch.arange(16) ^ (8 >> i)])
        assert torch.allclose(model.pseudo_log_likelihood(x), expected, atol=1e-10)

    def test_states_are_numbered_with_the_first_bit_the_highest(self):
        assert torch.equal(all_bits(3), states(3).long())
        assert all_bits(3, torch.tensor([6, 1])).tolist() == [[1, 1, 0], [0, 0, 1]]

    def test_the_loss_is_minus_log_p(self):
        model = machine()
        assert torch.allclose(model.loss(states(4), None, Noise(0)), -law(model).log(), atol=1e-10)

    def test_the_best_ising_machine_has_the_moments_of_the_data(self):
        target = law(machine(4, 2, seed=3, scale=2.0))
        model = machine(4, 0, scale=0.1)
        rule, x = torch.optim.LBFGS(model.parameters(), max_iter=300, tolerance_grad=1e-12), states(4)

        def closure() -> torch.Tensor:
            rule.zero_grad()
            (value := target @ model.loss(x, None, Noise(0))).backward()
            return value

        rule.step(closure)  # pyright: ignore[reportArgumentType]
        s, found = x.double(), law(model)
        moments = [s.T @ (p[:, None] * s) for p in (target, found)]
        assert torch.allclose(*moments, atol=1e-5)
        assert float((target - found).abs().max()) > 1e-3, "the target is an Ising law itself: no test"


class TestGibbs:
    @pytest.mark.parametrize(("heat", "invariant"), [(1.0, True), (1.5, False)])
    def test_a_sweep_keeps_the_exact_law(self, heat, invariant):
        model = machine(5, 0)  # false alarms: 1e-3
        weight, bias = (p.detach() for p in model.uncentred())
        x = model.sample(20_000, noise=Noise(0)).double()
        moved = sweep(x, weight / heat, bias / heat, Noise(1))
        assert not torch.equal(moved, x) and (chi_square(moved, law(model)) > 1e-3) == invariant

    @pytest.mark.parametrize("steps", [None, 60])
    def test_samples_follow_the_probabilities(self, steps):
        model = machine(4, 3, seed=2)  # false alarms: 1e-3
        x = model.sample(20_000, noise=Noise(0), steps=steps)
        assert chi_square(x, law(model)) > 1e-3 > chi_square(1 - x, law(model))

    @pytest.mark.parametrize("temperature", [1.0, 3.0])
    def test_completion_follows_the_conditional(self, temperature):
        model = machine(4, 2, seed=2)  # false alarms: 1e-3
        mass = (joint(model) ** (1 / temperature)).sum(1).reshape(2, 2, 4)[1, 0]  # given x_1 = 1, x_2 = 0
        x = torch.tensor([[1, 0, 0, 0]], dtype=torch.uint8).repeat(20_000, 1)
        mask = torch.tensor([[True, True, False, False]]).expand(20_000, 4)
        full = model.complete(x, mask, noise=Noise(0), temperature=temperature, steps=60)
        assert bool((full[:, :2] == x[:, :2]).all())
        assert chi_square(full[:, 2:], mass / mass.sum()) > 1e-3
        other = model.complete(x, mask, noise=Noise(0), temperature=4 - temperature, steps=60)
        assert chi_square(other[:, 2:], mass / mass.sum()) < 1e-3

    def test_a_row_is_the_same_at_any_n(self):
        model = machine()
        for steps in (None, 20):
            many = model.sample(7, noise=Noise(5), steps=steps)
            assert torch.equal(model.sample(3, noise=Noise(5), steps=steps), many[:3])
            assert torch.equal(model.sample(3, noise=Noise(5).rows(4), steps=steps), many[4:])

    def test_chains_begin_at_the_frequencies_of_the_data(self):
        model, n = machine(3, 0), 20_000
        start = next(model.chain(n, noise=Noise(0), steps=0)).double().mean(0)
        spread = (model.centre * (1 - model.centre) / n).sqrt()
        assert bool(((start - model.centre).abs() < 4 * spread).all())


class TestChains:
    @pytest.mark.parametrize("hidden", [0, 2])
    def test_persistent_chains_reach_the_exact_gradient(self, hidden):
        # Entries lie in [-1, 1] and are means over 40000 chains: Hoeffding's false alarms are below 2e-4 in all.
        model = machine(4, hidden, scale=0.7, exact=False, chains=40_000)
        x = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.uint8)
        for step in range(40):
            loss = model.loss(x, None, Noise(step))
            model.step.fill_(1)
        got = gradient(model, loss.mean())
        exact = gradient(model, model.energy(x).mean() + (-model.energy(states(4))).logsumexp(0))
        positive = gradient(model, model.energy(x).mean())
        assert float((got - exact).abs().max()) < 0.025 < float((positive - exact).abs().max())

    @pytest.mark.parametrize("k", [1, 3])
    def test_chains_take_k_sweeps_and_go_on_from_themselves(self, k):
        model = machine(4, 0, exact=False, chains=6, k=k)
        model.step.fill_(1)
        model.chain_state.copy_(states(4)[:6])
        state = model.chain_state.double()
        with torch.no_grad():
            for i in range(k):
                state = sweep(state, *model.uncentred(), Noise(3).at("gibbs", i))
        model.eval().loss(states(4), None, Noise(3))
        assert torch.equal(model.chain_state, states(4)[:6])
        model.train().loss(states(4), None, Noise(3))
        assert torch.equal(model.chain_state.double(), state)

    def test_frequencies_are_those_of_the_first_batch(self):
        model = machine(4, 2)
        model.begin(torch.ones(6, 4, dtype=torch.uint8), None)
        assert model.centre.tolist() == pytest.approx([7 / 8] * 4 + [1 / 2] * 2)


class TestAnnealing:
    def test_the_bridge_ends_where_it_should(self):
        model = machine(4, 2)
        bridge, s = model.bridge(), states(6).double()
        easy, far = bridge.energy(s, torch.tensor([0.0, 1.0], dtype=torch.float64))
        assert float((-easy).logsumexp(0)) == pytest.approx(bridge.log_partition_start, abs=1e-10)
        assert torch.allclose((-far).exp().reshape(16, 4), joint(model))

    def test_moves_keep_the_law_at_their_temperature(self):
        model = machine(5, 0)  # false alarms: 1e-3
        bridge, s = model.bridge(), states(5).double()
        p = (-bridge.energy(s, torch.tensor([0.6], dtype=torch.float64))[0]).softmax(0)
        u = Noise(0).uniform((20_000,), "exact", like=p)
        x = s[torch.searchsorted(p.cumsum(0), u).clamp(max=31)]
        assert chi_square(bridge.move(x, 0.6, Noise(1)), p) > 1e-3 > chi_square(bridge.move(x, 0.9, Noise(1)), p)

    def test_within_its_error_on_ten_machines(self):
        scores = []
        for seed in range(10):  # false alarms: 1e-3, were the scores normal
            model = machine(6, 2, seed=seed, scale=0.7)
            found = annealed_importance_sampling(model.bridge(), annealing_schedule(100), 100, Noise(seed))
            scores.append((found.value - model.log_partition().value) / found.error)
        assert float(torch.tensor(scores).square().sum()) < stats.chi2(10).ppf(0.999)

    def test_large_machines_are_annealed(self):
        model = machine(24, 0, scale=1.0)
        with torch.no_grad():
            model.coupling.zero_()
            model.coupling[0] = 2.0  # only the first two bits interact, so log Z has a closed form
        _, bias = (p.detach() for p in model.uncentred())
        two = torch.stack([bias.new_zeros(()), bias[0], bias[1], bias[0] + bias[1] + 2.0]).logsumexp(0)
        exact = float(two + torch.nn.functional.softplus(bias[2:]).sum())
        found = model.log_partition(Noise(0), budget=60)
        assert not found.exact and found == model.log_partition(Noise(0), budget=60)
        assert found != model.log_partition(Noise(0), budget=50)
        assert found.bracket is not None and found.bracket[0] < exact < found.bracket[1]
        assert isinstance(model.bridge(), BoltzmannBridge) and model.sample(2, noise=Noise(0), steps=2).shape == (2, 24)


class TestContract:
    def test_protocols(self):
        for question in (HasEnergy, HasPseudoLikelihood, HasComplete):
            assert isinstance(machine(), question)
        assert not isinstance(machine(), HasLogProb) and not isinstance(machine(), HasElbo)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"space": Levels((4,), 3)}, "a Boltzmann machine models events of Binary spaces"),
            ({"space": Binary((4,)), "context_space": Classes(3)}, "it takes no context"),
            ({"space": Binary((4,)), "hidden": 13}, "there may be 0 to 12, not 13"),
            ({"space": Binary((4,)), "chains": 0}, "should be positive, but they are 1 and 0"),
            ({"space": Binary((18,)), "hidden": 3, "exact": True}, "at most 20 bits, but there are 21"),
        ],
    )
    def test_refusals(self, settings, message):
        with pytest.raises(ValueError, match=message):
            BoltzmannMachine(**settings)

    def test_the_recipe_sums_where_it_can(self):
        assert boltzmann(Binary((4, 4)), hidden=4).model.exact
        assert not boltzmann(Binary((4, 5)), hidden=1).model.exact
