"""The laws of DDPM: its bound is a bound and the exact one where that is known; its samplers have the order they claim.

The denoiser of a Gaussian is affine, so bounds have closed forms (a noise of +1 and -1 averages any quadratic exactly)
and samplers are affine maps: pushing the origin and a basis through them gives their exact mean and covariance.
"""

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from ptheta import Binary, Classes, Levels, Noise, Real, Symbols
from ptheta.diffusion import DDIM, DDPM, Ancestral, CosineSchedule, LinearSchedule, Sampler
from ptheta.diffusion import ddpm as module
from ptheta.diffusion.decoders import log_cell_mass
from ptheta.nn.denoiser import ResidualMLP
from ptheta.recipes import find_recipe
from ptheta.training import Training

F64 = torch.float64


class GaussianDenoiser(nn.Module):
    """E[noise | x_t] where embedded events are N(mean, covariance)."""

    def __init__(self, mean: Tensor, covariance: Tensor, alpha_bar: Tensor) -> None:
        super().__init__()
        self.mean = nn.Parameter(mean)
        self.covariance, self.alpha_bar = covariance, alpha_bar

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        left = self.alpha_bar[(t * (len(self.alpha_bar) - 1)).round().long()][:, None]
        total = left[:, None] * self.covariance + (1 - left[:, None]) * torch.eye(len(self.mean), dtype=F64)
        off = x - left.sqrt() * self.mean
        return (1 - left).sqrt() * torch.linalg.solve(total, off[..., None])[..., 0]


class TableDenoiser(nn.Module):
    """E[noise | x_t] where an event is one of n levels with known probabilities."""

    def __init__(self, probabilities: Tensor, alpha_bar: Tensor) -> None:
        super().__init__()
        self.log_p = nn.Parameter(probabilities.log())
        self.alpha_bar = alpha_bar

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        left = self.alpha_bar[(t * (len(self.alpha_bar) - 1)).round().long()][:, None]
        values = torch.linspace(-1, 1, len(self.log_p), dtype=F64)
        posterior = (self.log_p - (x - left.sqrt() * values) ** 2 / (2 * (1 - left))).softmax(1)
        return (x - left.sqrt() * (posterior @ values)[:, None]) / (1 - left).sqrt()


class Signs:
    """A noise of +1 in even rows and -1 in odd ones: a pair's mean is exact for quadratics without cross terms."""

    def at(self, *path):
        return self

    def normal(self, shape, key, like):
        return (1 - 2 * (torch.arange(shape[0]) % 2)).to(F64)[:, None].expand(*shape)


class Basis:
    """Row 0 draws zeros; each other row draws one unit vector, in one of the draws, and zeros in all others."""

    def __init__(self, draws: int, dimensions: int) -> None:
        self.rows_needed, self.dimensions, self.drawn = 1 + draws * dimensions, dimensions, 0

    def at(self, *path):
        return self

    def normal(self, shape, key, like):
        z = torch.zeros(shape, dtype=F64)
        start = 1 + self.drawn * self.dimensions
        z[start : start + self.dimensions] = torch.eye(self.dimensions, dtype=F64)
        self.drawn += 1
        return z


def gaussian_ddpm(mean, covariance, steps: int, sampler: Sampler, space: Real | None = None) -> DDPM:
    space = Real((len(mean),)) if space is None else space
    network = GaussianDenoiser(mean, covariance, LinearSchedule().alpha_bars(steps))
    return DDPM(space, steps=steps, network=network, sampler=sampler)


# --- schedules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [LinearSchedule(), CosineSchedule()])
@pytest.mark.parametrize("steps", [2, 20, 100, 1000, 4000])
def test_schedules_forget_steadily(schedule, steps):
    alpha_bar = schedule.alpha_bars(steps)
    assert alpha_bar.dtype == F64 and alpha_bar.shape == (steps + 1,)
    assert alpha_bar[0] == 1 and 0 < alpha_bar[-1] < 2e-3
    assert (alpha_bar.diff() < 0).all()


def test_linear_schedule_is_the_papers_at_any_number_of_steps():
    betas = LinearSchedule().betas(1000)
    assert torch.allclose(betas, 1e-4 + (0.02 - 1e-4) * torch.arange(1000, dtype=F64) / 999, atol=1e-15)
    path = LinearSchedule().alpha_bars(1000)
    assert torch.allclose(LinearSchedule().alpha_bars(4000)[::4], path, atol=1e-3)


def test_cosine_schedule_is_its_formula():
    t = torch.arange(1001, dtype=F64) / 1000
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    assert torch.allclose(CosineSchedule().alpha_bars(1000)[:-1], (f / f[0])[:-1], atol=1e-12)


# --- the bound ---------------------------------------------------------------------------------------------------


def exact_gaussian_bound(x0: Tensor, mean: Tensor, variance: Tensor, alpha_bar: Tensor) -> Tensor:
    """The bound in nats of embedded events (B, D) under independent Gaussians, every expectation in closed form."""
    last = alpha_bar[-1]
    prior = (last * x0**2 - last - (1 - last).log()).sum(1) / 2
    gain = alpha_bar.sqrt()[:, None] * variance / (alpha_bar[:, None] * variance + 1 - alpha_bar[:, None])  # (T + 1, D)
    bias = (x0 - mean)[:, None] * (1 - gain * alpha_bar.sqrt()[:, None])  # (B, T + 1, D)
    error = (bias**2 + gain**2 * (1 - alpha_bar)[:, None]).sum(2)
    beta = 1 - alpha_bar[1:] / alpha_bar[:-1]
    tilde = beta * (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:])  # eq. 7
    weight = alpha_bar[:-1] * beta**2 / (1 - alpha_bar[1:]) ** 2 / (2 * tilde)  # of means, as eq. 7 has them
    decoder = error[:, 1] / (2 * beta[0]) + x0.shape[1] / 2 * (2 * math.pi * beta[0]).log()
    return -(prior + (weight[1:] * error[:, 2:]).sum(1) + decoder)


def exact_gaussian_log_prob(x0: Tensor, mean: Tensor, variance: Tensor, alpha_bar: Tensor) -> Tensor:
    """log p(x0) of the model itself: its chain is affine, so the marginal is Gaussian. Events (B, D)."""
    m, v = torch.zeros_like(mean), torch.ones_like(variance)
    for t in range(len(alpha_bar) - 1, 0, -1):
        now, then = alpha_bar[t], alpha_bar[t - 1]
        gain = now.sqrt() * variance / (now * variance + 1 - now)
        beta = 1 - now / then
        a, b = then.sqrt() * beta / (1 - now), (1 - beta).sqrt() * (1 - then) / (1 - now)
        extra = beta if t == 1 else beta * (1 - then) / (1 - now)
        m = a * (mean + gain * (m - now.sqrt() * mean)) + b * m
        v = (a * gain + b) ** 2 * v + extra
    return torch.distributions.Normal(m, v.sqrt()).log_prob(x0).sum(1)


@pytest.fixture
def gaussian():
    mean, variance = torch.tensor([0.3, -0.5], dtype=F64), torch.tensor([0.6, 1.5], dtype=F64)
    space = Real((2,), (5.0, -2.0), (3.0, 0.5))
    x0 = torch.randn(7, 2, dtype=F64, generator=torch.Generator().manual_seed(0)) * variance.sqrt() + mean
    return mean, variance, space, x0


@pytest.mark.parametrize("steps", [5, 40])
def test_the_bound_on_gaussian_data_is_the_exact_one(gaussian, steps):
    mean, variance, space, x0 = gaussian
    model = gaussian_ddpm(mean, variance.diag(), steps, Ancestral(), space)
    ours = model.elbo_full(space.project(x0).repeat_interleave(2, 0), noise=Signs()).reshape(-1, 2).mean(1)
    exact = exact_gaussian_bound(x0, mean, variance, model.alpha_bar)
    assert torch.allclose(ours + space.log_volume, exact, atol=1e-8)
    truth = exact_gaussian_log_prob(x0, mean, variance, model.alpha_bar)
    assert (exact <= truth).all()
    twin = exact_gaussian_bound(x0, mean, 0.5 * variance, model.alpha_bar)  # a wrong denoiser's bound is another number
    assert not torch.allclose(ours + space.log_volume, twin, atol=1e-2)


def test_the_bound_on_gaussian_data_tightens_with_the_steps(gaussian):
    mean, variance, _, x0 = gaussian
    data = torch.distributions.Normal(mean, variance.sqrt()).log_prob(x0).sum(1).mean()
    gaps = [data - exact_gaussian_bound(x0, mean, variance, LinearSchedule().alpha_bars(s)).mean() for s in (50, 400)]
    assert 0 < gaps[1] < gaps[0] / 2


def test_the_decoder_sums_to_one_over_the_levels():
    for n, sigma in itertools.product((2, 3, 256), (1e-3, 0.1, 1.0)):
        mean = torch.linspace(-1, 1, 5, dtype=F64)[:, None].expand(5, n)
        log_mass = log_cell_mass(mean, sigma, torch.arange(n).expand(5, n), n)
        assert torch.allclose(log_mass.exp().sum(1), torch.ones(5, dtype=F64), atol=1e-12)
    inner = torch.distributions.Normal(0.1, 0.3).cdf(torch.tensor([1 / 3, -1 / 3])).diff().abs().log()
    ours = log_cell_mass(torch.tensor([0.1]), 0.3, torch.tensor([1]), 4)
    exact = torch.distributions.Normal(0.1, 0.3).cdf(torch.tensor([0.0, -2 / 3])).diff().abs().log()
    assert torch.allclose(ours, exact, atol=1e-5) and not torch.allclose(ours, inner, atol=1e-2)


def level_probabilities(model: DDPM, n: int) -> Tensor:
    """p(x) of a model of one variable by quadrature over every state of its chain."""
    grid = torch.linspace(-6, 6, 1201, dtype=F64)
    alpha_bar, step = model.alpha_bar, 0.01
    p = torch.distributions.Normal(0.0, 1.0).log_prob(grid).exp()
    for t in range(model.steps, 0, -1):
        now, then = alpha_bar[t], alpha_bar[t - 1]
        with torch.no_grad():
            epsilon = model.network(grid[:, None], torch.full_like(grid, t / model.steps), None)[:, 0]
        guess = ((grid - (1 - now).sqrt() * epsilon) / now.sqrt()).clamp(-1, 1)
        beta = 1 - now / then
        if t == 1:
            mass = log_cell_mass(guess[:, None].expand(-1, n), float(beta.sqrt()), torch.arange(n).expand(1201, n), n)
            return step * p @ mass.exp()
        mean = then.sqrt() * beta / (1 - now) * guess + (1 - beta).sqrt() * (1 - then) / (1 - now) * grid
        sigma = (beta * (1 - then) / (1 - now)).sqrt()
        p = step * p @ torch.distributions.Normal(mean[:, None], sigma).log_prob(grid).exp()
    raise AssertionError


def is_below(bound: Tensor, truth: Tensor) -> bool:
    """Whether draws of a bound (draws, levels) lie below the truth; a tight bound fails once in a thousand times."""
    return bool((bound.mean(0) - 3.5 * bound.std(0) / math.sqrt(len(bound)) <= truth).all())


@pytest.mark.parametrize("steps", [4, 20])
def test_the_bound_on_levels_is_below_the_truth(steps):
    space, probabilities = Levels((1,), 3), torch.tensor([0.2, 0.5, 0.3], dtype=F64)
    schedule = LinearSchedule(start=5e-3)  # the first step spreads an event over about its own cell
    network = TableDenoiser(probabilities, schedule.alpha_bars(steps))
    model = DDPM(space, steps=steps, schedule=schedule, network=network)
    truth = level_probabilities(model, 3)
    assert abs(truth.sum() - 1) < 1e-6
    draws = 2000
    x = torch.arange(3, dtype=torch.uint8).repeat(draws)[:, None]
    terms = [part.reshape(draws, 3) for part in model.bound_terms(x, noise=Noise(0))]
    bound = -(terms[0] + terms[1] + terms[2])
    assert is_below(bound, truth.log())
    assert bound.mean(0).exp().sum() <= 1
    assert (truth.log() - bound.mean(0)).max() < 0.5  # and it says something
    assert not is_below(-(terms[0] + 0.3 * terms[1] + terms[2]), truth.log())


@pytest.mark.parametrize("draws", [1, 3])
def test_drawn_terms_estimate_the_whole_bound_without_bias(draws):
    space = Levels((2,), 3)
    torch.manual_seed(0)
    network = ResidualMLP((2,), width=8).double()
    nn.init.normal_(network.leave.weight, std=0.2)
    model = DDPM(space, steps=10, schedule=LinearSchedule(start=5e-3), network=network)
    x = torch.tensor([[0, 2]], dtype=torch.uint8).expand(20_000, 2)
    some, full = model.elbo(x, draws=draws, noise=Noise(1)), model.elbo_full(x, noise=Noise(2))
    error = (some.var() / len(some) + full.var() / len(full)).sqrt()
    assert abs(some.mean() - full.mean()) < 3.3 * error  # false alarms: one in a thousand
    assert abs(0.9 * some.mean() - full.mean()) > 3.3 * error


# --- samplers ----------------------------------------------------------------------------------------------------


def moments(model: DDPM, draws: int) -> tuple[Tensor, Tensor]:
    """The exact mean and covariance of an affine sampler that draws so many times."""
    noise = Basis(draws, 2)
    *_, ends = model.chain(noise.rows_needed, noise=noise)
    spread = ends[1:] - ends[0]  # rows: what each unit of noise adds
    return ends[0].detach(), (spread.T @ spread).detach()


def has_first_order(errors: list[float]) -> bool:
    """Whether halving the step halves the error, the last two times."""
    return all(1.7 < a / b < 2.4 for a, b in itertools.pairwise(errors[-3:])) and errors[-1] < 0.1


def sampler_errors(make) -> list[float]:
    mean = torch.tensor([0.3, -0.5], dtype=F64)
    covariance = torch.tensor([[0.7, 0.3], [0.3, 1.2]], dtype=F64)
    errors = []
    for size in (32, 64, 128, 256):
        steps, sampler, draws = make(size)
        found = moments(gaussian_ddpm(mean, covariance, steps, sampler), draws)
        errors.append(float((found[0] - mean).norm() + (found[1] - covariance).norm()))
    return errors


@dataclass(frozen=True)
class WrongAncestral(Sampler):
    """A broken twin: the state enters its next mean without sqrt(1 - beta)."""

    def times(self, steps):
        return list(range(steps, -1, -1))

    def coefficients(self, now, then):
        a, b, sigma = Ancestral().coefficients(now, then)
        return a, b / math.sqrt(now / then), sigma


@dataclass(frozen=True)
class WrongDDIM(Sampler):
    """A broken twin: keeps a little too much of the noise."""

    steps: int

    def times(self, steps):
        return DDIM(self.steps).times(steps)

    def coefficients(self, now, then):
        a, b, sigma = DDIM(self.steps).coefficients(now, then)
        return a, b * 1.001, sigma


@pytest.mark.parametrize(
    ("make", "right"),
    [
        (lambda s: (s, Ancestral(), s), True),
        (lambda s: (4096, DDIM(s), 1), True),
        (lambda s: (4096, DDIM(s, eta=1.0), s), True),
        (lambda s: (s, WrongAncestral(), s), False),
        (lambda s: (4096, WrongDDIM(s), 1), False),
    ],
    ids=["ancestral", "ddim", "ddim-eta-1", "wrong-ancestral", "wrong-ddim"],
)
def test_samplers_reach_the_gaussian_at_first_order(make, right):
    assert has_first_order(sampler_errors(make)) is right


def test_ddim_with_all_steps_and_noise_is_ancestral_sampling():
    space = Levels((1, 4, 4), 256)
    torch.manual_seed(0)
    model = DDPM(space, steps=20).double()
    nn.init.normal_(model.network.leave[-1].weight, std=0.1)
    walks = []
    for sampler in (Ancestral(), DDIM(steps=20, eta=1.0)):
        model.sampler = sampler
        walks.append(torch.stack(list(model.chain(3, noise=Noise(0)))))
    assert walks[0].shape == (21, 3, 1, 4, 4)
    assert torch.allclose(*walks, atol=1e-10)


def test_ddim_visits_as_many_times_as_asked():
    assert DDIM(4).times(1000) == [1000, 750, 500, 250, 0]
    assert DDIM(50).times(3) == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="at least 1 step and eta in"):
        DDIM(0)


# --- the laws of every model ---------------------------------------------------------------------------------------


def cases() -> dict[str, DDPM]:
    torch.manual_seed(0)
    models = {
        "image": DDPM(Levels((1, 5, 6), 17), steps=6, sampler=DDIM(3, eta=0.5)),
        "bits": DDPM(Binary((4,)), steps=6, context_space=Classes(3)),
        "reals": DDPM(Real((3,), (1.0, 2.0, 3.0), (1.0, 5.0, 0.1)), steps=6),
    }
    for model in models.values():
        with torch.no_grad():
            for p in model.parameters():
                p += 0.1 * torch.randn_like(p)
        model.double().eval()
    return models


@pytest.fixture(params=["image", "bits", "reals"])
def case(request):
    model = cases()[request.param]
    context = None if model.context_space is None else torch.arange(7) % 3
    return model, model.sample(7, context, noise=Noise(9)), context


def test_samples_are_events_that_repeat_and_do_not_depend_on_their_number(case, monkeypatch):
    model, x, context = case
    model.check(x, context)
    state = torch.random.get_rng_state()
    monkeypatch.setattr(module, "_CHUNK", 3)
    fewer = model.sample(5, None if context is None else context[:5], noise=Noise(9))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.allclose(fewer.double(), x[:5].double(), atol=1e-9)
    assert not torch.allclose(fewer.double(), model.sample(7, context, noise=Noise(8))[:5].double())
    assert model.sample(0, None if context is None else context[:0]).shape == (0, *model.space.shape)


def test_losses_and_scores_belong_to_their_event(case):
    model, x, context = case
    some = None if context is None else context[:4]
    for score in (
        lambda x, c: model.loss(x, c, Noise(0)),
        lambda x, c: model.elbo(x, c, draws=2, noise=Noise(0)),
        lambda x, c: model.elbo_full(x, c, noise=Noise(0)),
    ):
        assert score(x, context).shape == (7,)
        assert torch.allclose(score(x, context)[:4], score(x[:4], some), rtol=1e-9)


def test_the_loss_reaches_every_parameter_and_changes_no_buffer(case):
    model, x, context = case
    before = {name: b.clone() for name, b in model.named_buffers()}
    (objective,) = model.objectives()
    objective.loss(x, context, Noise(0)).mean().backward(inputs=objective.parameters)
    assert {id(p) for p in objective.parameters} == {id(p) for p in model.parameters()}
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
    assert all(torch.equal(before[name], b) for name, b in model.named_buffers())


def test_a_silent_network_loses_one_per_variable():
    model = DDPM(Levels((1, 8, 8), 17))
    loss = model.loss(torch.zeros(400, 1, 8, 8, dtype=torch.uint8), None, Noise(0))
    assert abs(loss.mean() - 1) < 3.3 * math.sqrt(2 / (400 * 64))  # false alarms: one in a thousand


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"DDPM models events of Levels or Binary or Real spaces"):
        DDPM(Symbols((3,), 5))
    with pytest.raises(ValueError, match="at least 2 diffusion steps, but steps is 1"):
        DDPM(Binary((3,)), steps=1)
    with pytest.raises(ValueError, match="the model needs a context"):
        DDPM(Binary((3,)), steps=4, context_space=Classes(2)).sample(2)


@pytest.mark.parametrize(
    ("space", "context_space", "dials"),
    [
        (Levels((1, 8, 8), 17), Classes(10), {}),
        (Levels((3, 20, 17), 256), None, {"width": 16, "noise_schedule": "cosine"}),
        (Binary((5,)), Classes(2), {"sampling_steps": 0, "diffusion_steps": 4}),
        (Real((2,)), None, {"width": 32}),
    ],
)
def test_the_recipe_fits_any_space_of_numbers(space, context_space, dials):
    recipe = find_recipe("ddpm")(space, context_space, **dials)
    context = None if context_space is None else torch.zeros(3, dtype=torch.int64)
    recipe.model.check(recipe.model.sample(3, context, noise=Noise(0)), context)
    Training.of(**recipe.training)


def test_training_finds_what_the_variables_share():
    space = Binary((2,))
    torch.manual_seed(0)
    network = ResidualMLP((2,), width=32, blocks=2)
    model = DDPM(space, steps=20, schedule=LinearSchedule(start=5e-3), network=network)
    x = (torch.arange(256) % 2).to(torch.uint8)[:, None].expand(256, 2)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(200):
        optimizer.zero_grad()
        model.loss(x, None, Noise(0).at(step)).mean().backward()
        optimizer.step()
    bound = -model.elbo_full(x, noise=Noise(1)).mean()
    assert bound < 1.35  # independent bits cost log 4 = 1.386, and the truth is log 2 = 0.693
    samples = model.sample(200, noise=Noise(2))
    assert (samples[:, 0] == samples[:, 1]).double().mean() > 0.95
