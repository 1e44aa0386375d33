"""The laws of the restricted Boltzmann machine and of annealed importance sampling, each with a broken twin.

Machines are small enough to enumerate. Statistical tests fix their seed; the false-alarm rate is the chance that a
correct implementation would fail under another one.
"""

import math
from itertools import product

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from ptheta.energy import RBM, Bridge, annealed_importance_sampling, annealing_schedule, bracketed_annealing
from ptheta.noise import Noise
from ptheta.protocols import HasComplete, HasElbo, HasEnergy, HasLogProb, HasPseudoLikelihood
from ptheta.recipes.energy import rbm
from ptheta.spaces import Binary, Classes, Levels
from ptheta.training import Training


def machine(visible=5, hidden=4, seed=0, scale=1.0, **settings) -> RBM:
    """A random machine in float64, with all parameters of the given scale."""
    model = RBM(Binary((visible,)), hidden=hidden, **settings).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * scale)
        model.frequencies.copy_(torch.rand(visible, generator=generator, dtype=torch.float64) * 0.8 + 0.1)
    return model


def number(x: torch.Tensor) -> float:
    return x.detach().item()


def states(n: int) -> torch.Tensor:
    return torch.tensor(list(product([0, 1], repeat=n)), dtype=torch.uint8)


def joint(model: RBM) -> torch.Tensor:
    """The exact p(x, h) by definition (eq. 1), with shape (2^D, 2^H)."""
    x, h = (states(n).double() for n in model.weight.shape)
    weight, visible, hidden = model.uncentred()
    weights = (x @ visible)[:, None] + h @ hidden + x @ weight @ h.T
    return weights.flatten().softmax(0).reshape(weights.shape).detach()


def exact_log_partition(model: RBM) -> float:
    x, h = (states(n).double() for n in model.weight.shape)
    weight, visible, hidden = model.uncentred()
    weights = (x @ visible)[:, None] + h @ hidden + x @ weight @ h.T
    return number(weights.logsumexp((0, 1)))


class TestExact:
    def test_free_energy_is_the_sum_over_hidden_states(self):
        model = machine()
        expected = joint(model).sum(1).log()
        got = -model.energy(states(5)) - model.log_partition().value
        assert torch.allclose(got, expected, atol=1e-10)

    @pytest.mark.parametrize(("visible", "hidden"), [(5, 4), (4, 5), (1, 7), (11, 2)])
    def test_log_partition_over_either_layer(self, visible, hidden):
        model = machine(visible, hidden)
        estimate = model.log_partition()
        assert estimate.exact and estimate.error == 0
        assert estimate.value == pytest.approx(exact_log_partition(model), abs=1e-10)

    def test_probabilities_sum_to_one_and_a_wrong_sign_does_not(self):
        model = machine()
        log_z = model.log_partition().value
        assert number((-model.energy(states(5)) - log_z).exp().sum()) == pytest.approx(1, abs=1e-10)
        assert number((model.energy(states(5)) - log_z).exp().sum()) != pytest.approx(1, abs=1e-3)

    def test_enumeration_in_chunks(self):
        model = machine(12, 13, scale=0.5)  # 2^12 states, several chunks
        x = states(12)
        assert number((-model.energy(x)).logsumexp(0)) == pytest.approx(model.log_partition().value, abs=1e-9)

    def test_pseudo_likelihood_is_every_conditional(self):
        model = machine()
        log_p, x = joint(model).sum(1).log(), states(5)
        expected = torch.zeros(len(x), dtype=torch.float64)
        for i in range(5):
            flipped = x.clone()
            flipped[:, i] ^= 1
            index = (flipped.long() * 2 ** torch.arange(4, -1, -1)).sum(1)
            expected += log_p - torch.logaddexp(log_p, log_p[index])
        assert torch.allclose(model.pseudo_log_likelihood(x), expected, atol=1e-10)


@torch.no_grad()
def gibbs_matrix(model: RBM) -> torch.Tensor:
    """T[x, x'] = sum_h p(h | x) p(x' | h), with shape (2^D, 2^D), from the log-odds the machine itself draws from."""
    x, h = (states(n).double() for n in model.weight.shape)
    up = F.logsigmoid((2 * h - 1) * model._up(x)[:, None]).sum(2).exp()  # (2^D, 2^H)
    down = F.logsigmoid((2 * x - 1) * model._down(h)[:, None]).sum(2).exp()  # (2^H, 2^D)
    return up @ down


def gradient(model: RBM, value: torch.Tensor) -> torch.Tensor:
    """The gradient of a number by all parameters, in one vector."""
    model.zero_grad()
    value.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def chain_gradient(model: RBM, law: torch.Tensor, k: float) -> torch.Tensor:
    """What k Gibbs steps from the data's law (2^D,) give for eq. 3 in expectation, exactly; k may be infinite."""
    energy = model.energy(states(model.weight.shape[0]))
    if math.isinf(k):
        chain = (-energy).detach().softmax(0)
    else:
        chain = law @ torch.linalg.matrix_power(gibbs_matrix(model), int(k))
    return gradient(model, law @ energy - chain @ energy)


def chi_square(x: torch.Tensor, law: torch.Tensor) -> float:
    """The p-value of events x (n, D) under the law (2^D,) of their states."""
    index = (x.flatten(1).long() * 2 ** torch.arange(x[0].numel() - 1, -1, -1)).sum(1)
    observed = torch.bincount(index, minlength=len(law))
    return float(stats.chisquare(observed.numpy(), (law * len(x)).numpy()).pvalue)


def exact_draws(law: torch.Tensor, n: int, noise: Noise) -> torch.Tensor:
    """n states (n, D) drawn from the law (2^D,) itself."""
    index = torch.searchsorted(law.cumsum(0), noise.uniform((n,), "exact", like=law)).clamp(max=len(law) - 1)
    return states(int(math.log2(len(law))))[index]


class TestGibbs:
    def test_the_exact_law_is_invariant(self):
        model = machine()
        law = joint(model).sum(1)
        assert torch.allclose(law @ gibbs_matrix(model), law, atol=1e-12)
        other = machine(seed=1)
        assert not torch.allclose(law @ gibbs_matrix(other), law, atol=1e-2)

    @pytest.mark.parametrize(("temperature", "invariant"), [(1.0, True), (1.3, False)])
    def test_the_drawn_step_keeps_the_exact_law(self, temperature, invariant):
        model = machine()  # false alarms: 1e-3
        law = joint(model).sum(1)
        x = exact_draws(law, 20_000, Noise(0)).double()
        moved = model.move(x, Noise(1), temperature=temperature)
        assert (chi_square(moved, law) > 1e-3) == invariant

    @pytest.mark.parametrize("flip", [False, True])
    def test_samples_follow_the_probabilities(self, flip):
        model = machine(4, 3, seed=2)  # false alarms: 1e-3
        law = joint(model).sum(1)
        x = model.sample(20_000, noise=Noise(0), steps=60)
        model.space.check(x)
        assert (chi_square(1 - x if flip else x, law) > 1e-3) != flip

    def test_completion_follows_the_conditional(self):
        model = machine(4, 3, seed=2)  # false alarms: 1e-3
        law = joint(model).sum(1).reshape(2, 2, 4)[1, 0]  # given x_1 = 1, x_2 = 0
        x = torch.tensor([[1, 0, 0, 0]], dtype=torch.uint8).repeat(20_000, 1)
        mask = torch.tensor([[True, True, False, False]]).expand(20_000, 4)
        full = model.complete(x, mask, noise=Noise(0), steps=60)
        assert bool((full[:, :2] == x[:, :2]).all())
        assert chi_square(full[:, 2:], law / law.sum()) > 1e-3
        hot = model.complete(x, mask, noise=Noise(0), steps=60, temperature=3.0)
        assert chi_square(hot[:, 2:], law / law.sum()) < 1e-3


class TestNoise:
    def test_row_i_is_the_same_at_any_n_and_under_any_call_order(self):
        model = machine()
        many = model.sample(7, noise=Noise(5), steps=20)
        assert torch.equal(model.sample(3, noise=Noise(5), steps=20), many[:3])
        assert torch.equal(model.sample(3, noise=Noise(5).rows(4), steps=20), many[4:])
        assert not torch.equal(model.sample(7, noise=Noise(6), steps=20), many)

    def test_sample_drains_the_chain(self):
        model = machine()
        frames = list(model.chain(3, noise=Noise(5), steps=8))
        assert len(frames) == 9
        assert torch.equal(frames[-1], model.sample(3, noise=Noise(5), steps=8))

    def test_the_loss_repeats(self):
        model = machine().eval()
        x = model.sample(6, noise=Noise(0), steps=5)
        first, second = (model.loss(x, None, Noise(3)) for _ in range(2))
        assert first.shape == (6,) and torch.equal(first, second)
        assert not torch.equal(first, model.loss(x, None, Noise(4)))


class TestLoss:
    @pytest.mark.parametrize("persistent", [True, False])
    def test_evaluation_changes_no_buffer_and_training_does(self, persistent):
        model = machine(persistent=persistent, chains=9)
        x = torch.ones(6, 5, dtype=torch.uint8)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        model.eval().loss(x, None, Noise(0))
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        model.train().loss(x, None, Noise(0))
        changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
        assert changed == ({"chain_state"} if persistent else set())

    def test_frequencies_are_those_of_the_first_batch_only(self):
        model = machine(chains=9)
        model.fit(torch.ones(6, 5, dtype=torch.uint8), steps=3)
        assert torch.allclose(model.frequencies, torch.full((5,), 7 / 8, dtype=torch.float64))
        model.fit(torch.zeros(6, 5, dtype=torch.uint8), steps=1)
        assert torch.allclose(model.frequencies, torch.full((5,), 7 / 8, dtype=torch.float64))

    @pytest.mark.parametrize("k", [1, 2, 5])
    def test_the_cd_gradient_is_that_of_k_steps(self, k):
        # The same bound as below. One step more or less is seen.
        model = machine(4, 3, scale=1.5, k=k, persistent=False).eval()
        x = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.uint8).repeat(20_000, 1)
        law = torch.zeros(16, dtype=torch.float64)
        law[[0b1100, 0b0110]] = 0.5
        got = gradient(model, model.loss(x, None, Noise(0)).mean())
        assert number((got - chain_gradient(model, law, k)).abs().max()) < 0.025
        if k < 5:
            assert number((got - chain_gradient(model, law, k + 1)).abs().max()) > 0.025

    @pytest.mark.parametrize("seed", range(3))
    def test_the_expected_gradient_tends_to_the_exact_one_as_k_grows(self, seed):
        model, law = machine(4, 3, seed=seed), joint(machine(4, 3, seed=seed + 10)).sum(1)
        exact = chain_gradient(model, law, math.inf)
        log_z = gradient(model, (-model.energy(states(4))).logsumexp(0))
        likelihood = gradient(model, law @ model.energy(states(4))) + log_z
        torch.testing.assert_close(exact, likelihood, rtol=0, atol=1e-12)  # eq. 3
        errors = [number((chain_gradient(model, law, k) - exact).norm()) for k in (1, 2, 4, 8, 16)]
        assert errors == sorted(errors, reverse=True) and errors[-1] < 0.02 * errors[0]

    @pytest.mark.parametrize(("k", "converged"), [(60, True), (1, False)])
    def test_the_cd_gradient_tends_to_the_exact_one(self, k, converged):
        # Entries lie in [-1, 1] and are means over 40000 chains: Hoeffding's false alarms are below 2e-4 in all.
        model = machine(4, 3, scale=1.5, k=k, persistent=False).eval()
        x = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.uint8).repeat(20_000, 1)
        model.loss(x, None, Noise(0)).mean().backward()
        got = torch.cat([p.grad.flatten() for p in model.parameters()])
        model.zero_grad()
        (model.energy(x).mean() + (-model.energy(states(4))).logsumexp(0)).backward()
        exact = torch.cat([p.grad.flatten() for p in model.parameters()])
        assert (number((got - exact).abs().max()) < 0.025) == converged

    def test_persistent_chains_reach_the_exact_gradient(self):
        model = machine(4, 3, scale=0.7, chains=40_000)  # the same bound as above
        x = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.uint8)
        model.step += 1  # the chains start at zeros, and the frequencies stay
        for step in range(60):
            loss = model.loss(x, None, Noise(step))
        loss.mean().backward()
        got = torch.cat([p.grad.flatten() for p in model.parameters()])
        model.zero_grad()
        (model.energy(x).mean() + (-model.energy(states(4))).logsumexp(0)).backward()
        exact = torch.cat([p.grad.flatten() for p in model.parameters()])
        assert number((got - exact).abs().max()) < 0.025

    def test_it_learns_a_table(self):
        law = joint(machine(4, 3, seed=2, scale=1.5)).sum(1)
        torch.manual_seed(0)
        model = RBM(Binary((4,)), hidden=4)
        model.fit(exact_draws(law, 5000, Noise(0)), steps=250, batch_size=500, learning_rate=0.5, schedule="linear")
        nll = number((law * model.energy(states(4))).sum()) + model.log_partition().value
        assert nll < number(-(law * law.log()).sum()) + 0.05


class TestAnnealing:
    BETAS = annealing_schedule(200)

    def z_scores(self, wrap=lambda bridge: bridge) -> torch.Tensor:
        scores = []
        for seed in range(20):
            model = machine(10, 8, seed=seed, scale=0.7)
            estimate = annealed_importance_sampling(wrap(model.bridge()), self.BETAS, 100, Noise(seed))
            assert not estimate.exact and estimate.error > 0 and "too good" in estimate.bias
            scores.append((estimate.value - model.log_partition().value) / estimate.error)
        return torch.tensor(scores)

    def test_within_its_error_on_twenty_machines(self):
        # False alarms: 1e-3 each, were the scores normal: all together; how many lie beyond two errors; on one side.
        z = self.z_scores()
        assert float(z.square().sum()) < stats.chi2(20).ppf(0.999)
        assert int((z.abs() > 2).sum()) <= stats.binom(20, 2 * stats.norm.sf(2)).ppf(0.999)  # 5 of 20
        assert abs(float(z.mean())) < stats.norm.isf(5e-4) / 20**0.5

    def test_the_bracket_holds_the_truth_on_twenty_machines(self):
        misses, wide = {"fair": 0, "easy": 0}, 0.0
        for seed in range(20):
            model = machine(10, 8, seed=seed, scale=0.7)
            exact, bridge = model.log_partition().value, model.bridge()
            fair = exact_draws((-model.energy(states(10))).detach().softmax(0), 100, Noise(seed)).double()
            easy = (1 - fair).double()  # the twin: falling chains that begin where the law is not
            for name, far in (("fair", fair), ("easy", easy)):
                found = bracketed_annealing(bridge, self.BETAS, 100, far, Noise(seed))
                low, high = found.bracket
                assert low < found.value < high
                assert found.error == pytest.approx(max(found.value - low, high - found.value) / 2, abs=1e-9)
                misses[name] += not low < exact < high
                wide = max(wide, high - low) if name == "fair" else wide
        assert misses["fair"] <= 2 and wide < 0.5
        fair = bracketed_annealing(machine(10, 8).bridge(), self.BETAS, 100, None, Noise(0))
        assert abs(fair.value - machine(10, 8).log_partition().value) < 3 * fair.error

    def test_a_mode_that_no_climbing_chain_finds_widens_the_bracket(self):
        model = machine(30, 25, scale=0.0)
        with torch.no_grad():  # all bits off, or, behind a wall, all on, which is e^4 times likelier
            model.weight[:, 0], model.frequencies[:] = 4.0, 0.05
            visible = -3.0
            model.visible_bias[:] = visible - torch.logit(model.frequencies) + model.weight.sum(1) / 2
            off, on = (number(F.softplus(torch.tensor(v)) * 30) for v in (visible, visible + 4.0))
            model.hidden_bias[0] = off - on + 4.0 + number(model.frequencies @ model.weight[:, 0])
        exact = number(torch.tensor([off, off + 4.0]).logsumexp(0)) + 24 * math.log(2)
        betas = annealing_schedule(30)
        climbing = annealed_importance_sampling(model.bridge(), betas, 10, Noise(0))
        assert exact - climbing.value > 3 * climbing.error, "the climbing chains have found the mode: no test"
        found = bracketed_annealing(model.bridge(), betas, 10, torch.ones(10, 30).double(), Noise(0))
        assert found.bracket[0] < exact < found.bracket[1] and abs(found.value - exact) < 2.01 * found.error

    def test_a_wrong_schedule_is_caught(self):
        assert float(self.z_scores(WrongSchedule).square().sum()) > stats.chi2(20).ppf(0.999)

    def test_the_bridge_ends_where_it_should(self):
        model = machine()
        x = states(5)
        easy, far = model.bridge().energy(x.double(), torch.tensor([0.0, 1.0], dtype=torch.float64))
        assert number((-easy).logsumexp(0)) == pytest.approx(model.bridge().log_partition_start, abs=1e-10)
        assert torch.allclose(far, model.energy(x), atol=1e-10)

    def test_moves_keep_the_law_at_their_temperature(self):
        model, beta = machine(4, 3, seed=2), 0.6  # false alarms: 1e-3
        bridge = model.bridge()
        law = (-bridge.energy(states(4).double(), torch.tensor([beta], dtype=torch.float64))[0]).softmax(0)
        x = exact_draws(law, 20_000, Noise(0)).double()
        assert chi_square(bridge.move(x, beta, Noise(1)), law) > 1e-3
        assert chi_square(bridge.move(x, 0.9, Noise(1)), law) < 1e-3

    def test_large_machines_are_annealed(self):
        model = machine(30, 25)
        with torch.no_grad():
            model.weight[:, 1:] = 0  # only one hidden unit interacts, so log Z has a closed form
        weight, visible, hidden = (p.detach() for p in model.uncentred())
        on, off = hidden[0] + F.softplus(visible + weight[:, 0]).sum(), F.softplus(visible).sum()
        lone = torch.logaddexp(on, off)
        exact = number(lone + F.softplus(hidden[1:]).sum())
        first, second = (model.log_partition(Noise(0), budget=300) for _ in range(2))
        assert first == second and not first.exact
        assert abs(first.value - exact) < 2 * first.error and first.bracket[0] < exact < first.bracket[1]

    @pytest.mark.parametrize("steps", [3, 4, 29, 1000])
    def test_the_schedule_rises_from_0_to_1(self, steps):
        betas = annealing_schedule(steps)
        assert len(betas) == steps + 1 and betas[0] == 0 and betas[-1] == 1
        assert bool((betas.diff() > 0).all())
        with pytest.raises(ValueError, match="at least 3 temperatures"):
            annealing_schedule(2)

    @pytest.mark.parametrize("betas", [[0.1, 1.0], [0.0, 0.9], [0.0, 0.5, 0.5, 1.0], [0.0]])
    def test_schedules_that_mean_nothing_are_refused(self, betas):
        with pytest.raises(ValueError, match="increase from exactly 0 to exactly 1"):
            annealed_importance_sampling(machine().bridge(), torch.tensor(betas, dtype=torch.float64), 5, Noise(0))


class WrongSchedule(Bridge):
    """A broken twin: weights at the temperature β², moves at β."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge, self.log_partition_start = bridge, bridge.log_partition_start

    def start(self, n, noise):
        return self.bridge.start(n, noise)

    def energy(self, x, beta):
        return self.bridge.energy(x, beta**2)

    def move(self, x, beta, noise):
        return self.bridge.move(x, beta, noise)


class TestContract:
    def test_protocols(self):
        model = machine()
        assert (
            isinstance(model, HasEnergy) and isinstance(model, HasPseudoLikelihood) and isinstance(model, HasComplete)
        )
        assert not isinstance(model, HasLogProb) and not isinstance(model, HasElbo)

    def test_images(self):
        model = RBM(Binary((1, 3, 4)), hidden=5)
        x = model.sample(2, noise=Noise(0), steps=3)
        assert x.shape == (2, 1, 3, 4)
        assert model.energy(x).shape == model.pseudo_log_likelihood(x).shape == (2,)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"space": Levels((4,), 3)}, "RBM models events of Binary spaces"),
            ({"space": Binary((4,)), "context_space": Classes(3)}, "it takes no context"),
            ({"space": Binary((4,)), "hidden": 0}, "should be positive, but they are 0, 1 and 100"),
        ],
    )
    def test_refusals(self, settings, message):
        with pytest.raises(ValueError, match=message):
            RBM(**settings)

    def test_a_mask_of_another_shape_is_refused(self):
        model, x = machine(), torch.zeros(2, 5, dtype=torch.uint8)
        with pytest.raises(ValueError, match=r"mask should be torch.bool with shape \(2, 5\)"):
            model.complete(x, torch.zeros(2, 5))

    @pytest.mark.parametrize(("shape", "hidden"), [((1, 28, 28), 500), ((180,), 200)])
    def test_the_recipe_fits_the_space(self, shape, hidden):
        recipe = rbm(Binary(shape))
        assert recipe.model.weight.shape == (math.prod(shape), hidden)
        assert Training.of(**recipe.training).schedule == "linear"


# Sharper laws, one for each fault that the others let through


def test_most_temperatures_lie_near_one():
    betas = annealing_schedule(120)
    assert betas[[0, 4, 34, 120]].tolist() == pytest.approx([0, 0.5, 0.9, 1])
    assert bool((betas.diff() > 0).all())


def test_annealing_uses_its_budget_of_temperatures():
    model, noise = RBM(Binary((21,)), hidden=22), Noise(0)
    found = model.log_partition(noise, budget=7)
    expected = bracketed_annealing(model.bridge(), annealing_schedule(7), 100, None, noise.at("annealing"))
    assert found == expected != model.log_partition(noise, budget=8)


@pytest.mark.parametrize("k", [1, 3])
def test_the_chain_takes_k_steps(k: int, monkeypatch: pytest.MonkeyPatch):
    calls, step = [], RBM.move
    monkeypatch.setattr(RBM, "move", lambda self, *args: (calls.append(1), step(self, *args))[1])
    RBM(Binary((4,)), hidden=3, k=k).loss(torch.ones(2, 4).byte(), None, Noise(0))
    assert len(calls) == k - 1  # the first goes from the kept hidden bits to the visible ones only


def test_persistent_chains_go_on_from_themselves_whatever_the_data():
    torch.manual_seed(0)
    model, states = RBM(Binary((6,)), hidden=5, chains=8), []
    for data in (torch.zeros(8, 6).byte(), torch.ones(8, 6).byte()):
        model.step.fill_(1)
        model.chain_state.copy_(torch.arange(40).view(8, 5) % 2)
        with torch.no_grad():
            model.weight.copy_(torch.linspace(-3, 3, 30).view(6, 5))
        model.loss(data, None, Noise(0))
        states.append(model.chain_state.clone())
    assert torch.equal(*states)


def test_chains_begin_at_the_frequencies_of_the_data():
    model, n = RBM(Binary((3,)), hidden=2), 20_000
    model.frequencies.copy_(torch.tensor([0.1, 0.5, 0.8]))
    start = next(model.chain(n, noise=Noise(0), steps=0)).double().mean(0)
    spread = (model.frequencies * (1 - model.frequencies) / n).sqrt()
    assert bool(((start - model.frequencies).abs() < 4 * spread).all())


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_a_temperature_divides_all_energies(temperature: float):
    """Chi-square, false alarms once in a thousand seeds."""
    torch.manual_seed(0)
    model, n = RBM(Binary((3,)), hidden=2).double(), 8000
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape).double())
    x, h = (torch.tensor(list(product((0.0, 1.0), repeat=d))).double() for d in (3, 2))
    weight, visible, hidden = (p.detach() for p in model.uncentred())
    energy = -(x @ visible)[:, None] - h @ hidden - x @ weight @ h.T
    p = (-energy / temperature).exp().sum(1)
    blank = torch.zeros(n, 3).byte()
    drawn = model.complete(blank, blank.bool(), noise=Noise(0), temperature=temperature, steps=60)
    counts = torch.bincount((drawn.long() * torch.tensor([4, 2, 1])).sum(1), minlength=8)
    assert stats.chisquare(counts.numpy(), (n * p / p.sum()).numpy()).pvalue > 1e-3
