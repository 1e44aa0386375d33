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
from ptheta.diffusion import DDIM, DDPM, Ancestral, CosineSchedule, Heun, LinearSchedule, Moment, Sampler
from ptheta.diffusion import gaussian as module
from ptheta.diffusion.decoders import decoder_log_prob, log_cell_mass
from ptheta.nn.denoiser import ResidualMLP
from ptheta.nn.unet import UNet
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


def gaussian_ddpm(mean, covariance, steps: int, sampler: Sampler | None, space: Real | None = None) -> DDPM:
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


def slopes_agree(schedule, log_path) -> bool:
    """Whether T times the steps of log alpha_bar tends to the derivative of its path, by autograd, like 1 / T^2."""
    worst = []
    for steps in (500, 1000, 2000):
        s = ((torch.arange(steps, dtype=F64) + 0.5) / steps).requires_grad_()
        (slope,) = torch.autograd.grad(log_path(s).sum(), s)
        ours = schedule.alpha_bars(steps).log().diff() * steps
        worst.append(float((ours / slope - 1)[: -steps // 20].abs().max()))  # near the end, a cosine's beta is cut off
    return worst[0] < 1e-3 and all(3.5 < a / b < 4.5 for a, b in itertools.pairwise(worst))


def cosine_path(s: Tensor) -> Tensor:
    return ((s + 0.008) / 1.008 * math.pi / 2).cos().square().log()


def test_the_cosine_schedule_has_the_slope_of_its_path():
    assert slopes_agree(CosineSchedule(), cosine_path)
    assert not slopes_agree(CosineSchedule(offset=0.02), cosine_path)
    assert not slopes_agree(CosineSchedule(), lambda s: 1.05 * cosine_path(s))


@pytest.mark.parametrize("steps", [100, 500, 2000])
def test_the_linear_schedule_walks_the_papers_path_at_any_number_of_steps(steps):
    s = torch.linspace(0, 1, steps, dtype=F64)
    ours = LinearSchedule().alpha_bars(steps).log().diff() * steps
    torch.testing.assert_close(ours, 1000 * (1 - (1e-4 + s * (0.02 - 1e-4))).log(), rtol=1e-9, atol=0)
    assert not torch.allclose(LinearSchedule(end=0.03).alpha_bars(steps).log().diff() * steps, ours, rtol=1e-2)


@pytest.mark.parametrize("schedule", [LinearSchedule(), CosineSchedule()])
@pytest.mark.parametrize("space", [Real((1,)), Levels((1,), 3)], ids=str)
def test_a_term_is_a_divergence_of_two_gaussians(schedule, space):
    model = DDPM(space, steps=50, schedule=schedule, network=Told())
    t, then, now = torch.arange(2, 51), model.alpha_bar[1:-1], model.alpha_bar[2:]
    snr = model.alpha_bar[1:] / (1 - model.alpha_bar[1:])
    assert (snr.diff() < 0).all()
    origin, guess = (torch.full((49, 1), value, dtype=F64) for value in (0.7, 0.2))
    model.network.tell(lambda state, left: (state - left.sqrt() * guess) / (1 - left).sqrt(), model.alpha_bar)
    found = model._term(space.project(origin), origin, t, None, Noise(0)).sum() + model._width_term()
    beta = 1 - now / then
    tilde = beta * (1 - then) / (1 - now)  # eq. 7
    means = (then.sqrt() * beta / (1 - now) * x[:, 0] for x in (origin, guess))
    sigmas = tilde.sqrt(), (beta if isinstance(space, Real) else tilde).sqrt()
    p, q = (torch.distributions.Normal(m, s) for m, s in zip(means, sigmas, strict=True))
    torch.testing.assert_close(found, torch.distributions.kl_divergence(p, q).sum(), rtol=1e-9, atol=0)
    if not isinstance(space, Real):
        torch.testing.assert_close(found, 0.25 / 2 * (snr[0] - snr[-1]), rtol=1e-9, atol=0)  # the sum telescopes


# --- what the network predicts, and the event it implies -------------------------------------------------------------


class Told(nn.Module):
    """A network that answers what it was told to."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros((), dtype=F64))

    def tell(self, answer, alpha_bar: Tensor) -> None:
        self.answer, self.alpha_bar = answer, alpha_bar

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        left = self.alpha_bar[(t * (len(self.alpha_bar) - 1)).round().long()]
        return self.answer(x, left.reshape(-1, *[1] * (x.ndim - 1)))


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)])
@pytest.mark.parametrize("t", [torch.tensor(7), torch.tensor([1, 2, 7, 19, 20])], ids=["one time", "a time each"])
def test_the_noise_and_the_event_it_implies_are_converted_back_and_forth(shape, t):
    model = DDPM(Real(shape), steps=20, network=Told())
    x, epsilon = (Noise(seed).normal((5, *shape), "x", like=torch.zeros((), dtype=F64)) for seed in (0, 1))
    state = model._diffuse(x, t, epsilon)
    model.network.tell(lambda state, left: epsilon, model.alpha_bar)
    guess = model.guess(state, t, None)
    assert guess.shape == x.shape
    torch.testing.assert_close(guess, x, atol=1e-9, rtol=1e-9)  # eq. 15 undoes eq. 4
    model.network.tell(lambda state, left: (state - left.sqrt() * x) / (1 - left).sqrt(), model.alpha_bar)
    back = model.network(state, t / 20)
    torch.testing.assert_close(back, epsilon, atol=1e-9, rtol=1e-9)
    if t.ndim:  # the broken twin gives every row the first row's time
        model.network.tell(lambda state, left: epsilon, model.alpha_bar)
        assert not torch.allclose(model.guess(state, t[:1], None), x, atol=1e-2)


# --- the bound ---------------------------------------------------------------------------------------------------


def exact_gaussian_bound(x0: Tensor, mean: Tensor, variance: Tensor, alpha_bar: Tensor, *, wide: bool = True) -> Tensor:
    """The bound in nats of embedded events (B, D) under independent Gaussians, every expectation in closed form.

    ``wide``: steps back have variance beta, as on reals; else the posterior's.
    """
    last = alpha_bar[-1]
    prior = (last * x0**2 - last - (1 - last).log()).sum(1) / 2
    gain = alpha_bar.sqrt()[:, None] * variance / (alpha_bar[:, None] * variance + 1 - alpha_bar[:, None])  # (T + 1, D)
    bias = (x0 - mean)[:, None] * (1 - gain * alpha_bar.sqrt()[:, None])  # (B, T + 1, D)
    error = (bias**2 + gain**2 * (1 - alpha_bar)[:, None]).sum(2)
    beta = 1 - alpha_bar[1:] / alpha_bar[:-1]
    tilde = beta * (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:])  # eq. 7
    sigma = beta if wide else tilde
    weight = alpha_bar[:-1] * beta**2 / (1 - alpha_bar[1:]) ** 2 / (2 * sigma)  # of means, as eq. 7 has them
    widths = ((sigma / tilde).log() + tilde / sigma - 1)[1:].sum() / 2 * x0.shape[1]
    decoder = error[:, 1] / (2 * beta[0]) + x0.shape[1] / 2 * (2 * math.pi * beta[0]).log()
    return -(prior + widths + (weight[1:] * error[:, 2:]).sum(1) + decoder)


def exact_gaussian_marginal(mean: Tensor, variance: Tensor, alpha_bar: Tensor) -> torch.distributions.Normal:
    """p(x0) of the model itself, whose chain is affine."""
    m, v = torch.zeros_like(mean), torch.ones_like(variance)
    for t in range(len(alpha_bar) - 1, 0, -1):
        now, then = alpha_bar[t], alpha_bar[t - 1]
        gain = now.sqrt() * variance / (now * variance + 1 - now)
        beta = 1 - now / then
        a, b = then.sqrt() * beta / (1 - now), (1 - beta).sqrt() * (1 - then) / (1 - now)
        m = a * (mean + gain * (m - now.sqrt() * mean)) + b * m
        v = (a * gain + b) ** 2 * v + beta
    return torch.distributions.Normal(m, v.sqrt())


@pytest.fixture
def gaussian():
    mean, variance = torch.tensor([0.3, -0.5], dtype=F64), torch.tensor([0.6, 1.5], dtype=F64)
    space = Real((2,), (5.0, -2.0), (3.0, 0.5))
    x0 = torch.randn(7, 2, dtype=F64, generator=torch.Generator().manual_seed(0)) * variance.sqrt() + mean
    return mean, variance, space, x0


def chain_of_gaussians(first: Tensor, gains: Tensor, shifts: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of y_0, ..., y_n, where y_0 ~ N(first) and y_i = gain y_{i-1} + shift + noise."""
    n = len(gains)
    lower = torch.eye(n + 1, dtype=F64) - torch.diag(gains, -1)
    root = torch.linalg.inv(lower)
    mean = root @ torch.cat([first[:1], shifts])
    return mean, root @ torch.cat([first[1:], variances]).diag() @ root.T


def gap_by_linear_algebra(x0: float, mean: float, variance: float, alpha_bar: Tensor) -> tuple[float, float]:
    """log p(x0) and KL(q(x_1..T | x0) || p(x_1..T | x0)) of the chain as one Gaussian of T + 1 variables."""
    now, then = alpha_bar[1:].flip(0), alpha_bar[:-1].flip(0)  # from T to 1
    beta = 1 - now / then
    pull = now.sqrt() * variance / (now * variance + 1 - now)  # of the exact denoiser's guess
    a, b = then.sqrt() * beta / (1 - now), (1 - beta).sqrt() * (1 - then) / (1 - now)
    start = torch.tensor([0.0, 1.0], dtype=F64)
    p_mean, p_cov = chain_of_gaussians(start, a * pull + b, a * mean * (1 - pull * now.sqrt()), beta)
    log_prob = torch.distributions.Normal(p_mean[-1], p_cov[-1, -1].sqrt()).log_prob(torch.tensor(x0, dtype=F64))
    onto = p_cov[:-1, -1] / p_cov[-1, -1]
    posterior = p_mean[:-1] + onto * (x0 - p_mean[-1]), p_cov[:-1, :-1] - onto[:, None] * p_cov[-1, :-1]
    forward = 1 - alpha_bar[1:] / alpha_bar[:-1]
    start = torch.tensor([x0 * (1 - forward[0]).sqrt(), forward[0]], dtype=F64)
    q_mean, q_cov = chain_of_gaussians(start, (1 - forward[1:]).sqrt(), torch.zeros_like(forward[1:]), forward[1:])
    q = torch.distributions.MultivariateNormal(q_mean.flip(0), q_cov.flip(0, 1))
    kl = torch.distributions.kl_divergence(q, torch.distributions.MultivariateNormal(*posterior))
    return float(log_prob), float(kl)


def test_the_bound_is_log_p_less_the_divergence_of_the_posteriors():
    for x0, mean, variance, steps in ((0.3, 0.0, 1.0, 3), (-1.1, 0.4, 0.5, 6), (2.0, -0.3, 1.7, 12)):
        parameters = torch.tensor([mean], dtype=F64), torch.tensor([[variance]], dtype=F64)
        model = gaussian_ddpm(*parameters, steps, None)
        x = torch.full((2, 1), x0, dtype=F64)
        log_prob, gap = gap_by_linear_algebra(x0, mean, variance, model.alpha_bar)
        assert gap > 1e-4 or (mean, variance) == (0.0, 1.0)  # of a standard normal the steps back are Gaussian
        assert float(model.elbo_full(x, noise=Signs()).mean()) == pytest.approx(log_prob - gap, abs=1e-8)
        ours = exact_gaussian_marginal(parameters[0], parameters[1][0], model.alpha_bar).log_prob(x[0])
        assert float(ours) == pytest.approx(log_prob, abs=1e-9)
        model.sigma *= 1.5  # a broken twin: its last step is wider than the one that samples
        assert abs(float(model.elbo_full(x, noise=Signs()).mean()) - (log_prob - gap)) > 1e-3


@pytest.mark.parametrize("steps", [5, 40])
def test_the_bound_on_gaussian_data_is_the_exact_one(gaussian, steps):
    mean, variance, space, x0 = gaussian
    model = gaussian_ddpm(mean, variance.diag(), steps, None, space)
    ours = model.elbo_full(space.project(x0).repeat_interleave(2, 0), noise=Signs()).reshape(-1, 2).mean(1)
    exact = exact_gaussian_bound(x0, mean, variance, model.alpha_bar)
    assert torch.allclose(ours + space.log_volume, exact, atol=1e-8)
    truth = exact_gaussian_marginal(mean, variance, model.alpha_bar).log_prob(x0).sum(1)
    assert (exact <= truth).all()
    twin = exact_gaussian_bound(x0, mean, 0.5 * variance, model.alpha_bar)  # a wrong denoiser's bound is another number
    assert not torch.allclose(ours + space.log_volume, twin, atol=1e-2)


def test_the_chain_that_samples_is_the_model_that_the_bound_is_about(gaussian):
    mean, variance, _, _ = gaussian
    model = gaussian_ddpm(mean, variance.diag(), 30, None)
    marginal = exact_gaussian_marginal(mean, variance, model.alpha_bar)
    centre, covariance = moments(model, 30)
    last = (1 - model.alpha_bar[1]) * torch.eye(2, dtype=F64)  # the last step shows its mean
    torch.testing.assert_close(centre, marginal.mean, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(covariance + last, marginal.variance.diag(), rtol=1e-9, atol=1e-12)
    model.sampler = Ancestral()  # the twin, with the other variance
    assert not torch.allclose(moments(model, 30)[1] + last, marginal.variance.diag(), rtol=1e-3)
    assert DDPM(Levels((2,), 3)).sampler == Ancestral(wide=False)


def tends_to_log_p(gaps: list[float]) -> bool:
    """Whether doubling the steps halves the gap."""
    return all(1.7 < a / b < 2.3 for a, b in itertools.pairwise(gaps))


def test_the_bound_on_gaussian_data_tends_to_log_p_with_the_steps(gaussian):
    mean, variance, _, _ = gaussian
    corners = torch.tensor(list(itertools.product((-1, 1), (-1, 1))), dtype=F64)  # their mean is exact for quadratics
    x0 = mean + variance.sqrt() * corners
    truth = torch.distributions.Normal(mean, variance.sqrt()).log_prob(x0).sum(1).mean()
    schedule, narrow, gaps = (
        LinearSchedule(end=0.03),
        [],
        [],
    )  # which ends at 3e-7 of the signal: no more than that stays
    for steps in (250, 500, 1000, 2000):
        alpha_bar = schedule.alpha_bars(steps)
        gaps.append(float(truth - exact_gaussian_bound(x0, mean, variance, alpha_bar).mean()))
        narrow.append(float(truth - exact_gaussian_bound(x0, mean, variance, alpha_bar, wide=False).mean()))
    assert tends_to_log_p(gaps) and 0 < gaps[-1] < 1e-3, gaps
    assert not tends_to_log_p(narrow) and min(narrow) > 0.577, narrow  # the other variance: Euler's constant remains


def test_the_decoder_sums_to_one_over_the_levels():
    for n, sigma in itertools.product((2, 3, 256), (1e-3, 0.1, 1.0)):
        mean = torch.linspace(-1, 1, 5, dtype=F64)[:, None].expand(5, n)
        log_mass = log_cell_mass(mean, sigma, torch.arange(n).expand(5, n), n)
        assert torch.allclose(log_mass.exp().sum(1), torch.ones(5, dtype=F64), atol=1e-12)
    inner = torch.distributions.Normal(0.1, 0.3).cdf(torch.tensor([1 / 3, -1 / 3])).diff().abs().log()
    ours = log_cell_mass(torch.tensor([0.1]), 0.3, torch.tensor([1]), 4)
    exact = torch.distributions.Normal(0.1, 0.3).cdf(torch.tensor([0.0, -2 / 3])).diff().abs().log()
    assert torch.allclose(ours, exact, atol=1e-5) and not torch.allclose(ours, inner, atol=1e-2)


def test_a_decoder_that_cuts_the_tails_off_does_not_sum_to_one():
    mean = torch.linspace(-1, 1, 5, dtype=F64)[:, None].expand(5, 4)
    inner = log_cell_mass(mean * 3 / 5, 0.3, torch.arange(1, 5).expand(5, 4), 6)  # six levels without the end cells
    assert (inner.exp().sum(1) < 0.995).all()


def test_the_decoder_of_reals_integrates_to_one_in_their_own_unit():
    space = Real((1,), (5.0,), (3.0,))
    x = torch.linspace(-40, 50, 20_001, dtype=F64)[:, None]
    density = decoder_log_prob(space, x, torch.full_like(x, 0.4), 0.7).exp()
    assert float(torch.trapezoid(density, x[:, 0])) == pytest.approx(1, abs=1e-9)
    other = decoder_log_prob(Real((1,)), x, torch.full_like(x, 0.4), 0.7).exp()
    assert float(other[density.argmax()]) != pytest.approx(float(density.max()), rel=0.5)  # a density has a unit


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


class Strata:
    """A noise whose times are given and whose normals are the same for every term: what is random is the term alone."""

    def __init__(self, u: Tensor) -> None:
        self.u = u

    def at(self, *path):
        return self

    def uniform(self, shape, key, like):
        return self.u

    def normal(self, shape, key, like):
        return torch.linspace(-1, 1, math.prod(shape[1:]), dtype=F64).reshape(1, *shape[1:]).expand(shape)


@pytest.mark.parametrize("draws", [1, 2, 7])
def test_the_expectation_over_times_is_the_whole_bound(draws):
    space = Levels((2,), 3)
    torch.manual_seed(0)
    network = ResidualMLP((2,), width=8).double()
    nn.init.normal_(network.leave.weight, std=0.2)
    model = DDPM(space, steps=10, schedule=LinearSchedule(start=5e-3), network=network)
    ends = model._shares().cumsum(0) * draws  # between two of them every draw takes the same terms
    cuts = torch.cat([torch.zeros(1, dtype=F64), (ends[:, None] - torch.arange(draws)).flatten()])
    cuts = torch.cat([cuts[(cuts >= 0) & (cuts < 1)].sort().values, torch.ones(1, dtype=F64)])
    widths, u = cuts.diff(), (cuts[1:] + cuts[:-1]) / 2
    x = torch.tensor([[0, 2]], dtype=torch.uint8).expand(len(u), 2)
    drawn = model.elbo(x, draws=draws, noise=Strata(u))
    whole = model.elbo_full(x[:1], noise=Strata(u[:1]))
    assert float(widths @ drawn) == pytest.approx(float(whole), rel=1e-12)
    assert float(drawn.mean()) != pytest.approx(float(whole), rel=1e-3)  # the broken twin: all strata equally likely


def test_the_loss_of_the_exact_denoiser_is_the_variance_that_remains():
    mean, variance, steps = torch.tensor([0.3], dtype=F64), torch.tensor([[0.6]], dtype=F64), 8
    model = gaussian_ddpm(mean, variance, steps, None)
    corners = torch.tensor(list(itertools.product((-1, 1), (-1, 1))), dtype=F64).repeat(steps, 1)
    x = mean + variance.sqrt()[0] * corners[:, :1]  # a mean over the corners is exact for quadratics

    class Corners(Strata):
        def normal(self, shape, key, like):
            return corners[:, 1:]

    noise = Corners(((torch.arange(steps, dtype=F64) + 0.5) / steps).repeat_interleave(4))
    with torch.no_grad():
        loss = model.loss(x, None, noise).reshape(steps, 4).mean(1)
        left = model.alpha_bar[1:]
        torch.testing.assert_close(loss, left * 0.6 / (left * 0.6 + 1 - left), rtol=1e-9, atol=0)
        model.network.mean += 0.01  # any other guess is worse
        assert float(model.loss(x, None, noise).mean()) > float(loss.mean())


# --- samplers ----------------------------------------------------------------------------------------------------


class One:
    """A noise of ones."""

    def normal(self, shape, key, like):
        return torch.ones_like(like)


def coefficients(sampler: Sampler, now: Moment, then: Moment) -> tuple[float, float, float]:
    """The (a, b, sigma) of a move x' = a x̂_0 + b x + sigma z, where the guess does not look at x."""
    zero, one = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)

    def moved(guess: Tensor, x: Tensor) -> float:
        return float(sampler.step(lambda *_: guess, x, now, then, One()))  # type: ignore[arg-type]

    sigma = moved(zero, zero)
    return moved(one, zero) - sigma, moved(zero, one) - sigma, sigma


def keeps_marginals(sampler: Sampler, moments: list[Moment]) -> bool:
    """Whether a move from q(x_now | x_0), told x_0, lands in q(x_then | x_0): means and variances at every step."""
    kept = []
    for now, then in itertools.pairwise(moments):
        a, b, sigma = coefficients(sampler, now, then)
        kept.append(math.isclose(a + b * math.sqrt(now.signal), math.sqrt(then.signal), rel_tol=1e-9))
        kept.append(math.isclose(b**2 * now.noise + sigma**2, then.noise, rel_tol=1e-9, abs_tol=1e-12))
    return all(kept)


@pytest.mark.parametrize("schedule", [LinearSchedule(), CosineSchedule()])
def test_every_move_keeps_the_marginals_of_the_diffusion(schedule):
    model = DDPM(Real((1,)), steps=50, schedule=schedule, network=Told())
    for sampler in (Ancestral(), Ancestral(steps=5), DDIM(7), DDIM(7, eta=0.5), DDIM(50, eta=1.0)):
        assert keeps_marginals(sampler, model.moments(sampler.steps or 50)), sampler
    for twin in (WrongAncestral(), WrongDDIM(7), Ancestral(wide=True)):  # the last only tends to, with the steps
        assert not keeps_marginals(twin, model.moments(twin.steps or 50)), twin


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

    steps: int | None = None

    def step(self, guess, x, now, then, noise):
        lost = 1 - math.sqrt(then.signal / now.signal)
        b = math.sqrt(now.signal / then.signal) * then.noise / now.noise
        return Ancestral().step(guess, x, now, then, noise) - lost * b * x


@dataclass(frozen=True)
class WrongDDIM(Sampler):
    """A broken twin: keeps a little too much of the noise."""

    steps: int | None

    def step(self, guess, x, now, then, noise):
        b = coefficients(DDIM(), now, then)[1]
        return DDIM().step(guess, x, now, then, noise) + 0.001 * b * x


@pytest.mark.parametrize(
    ("make", "right"),
    [
        (lambda s: (s, Ancestral(), s), True),
        (lambda s: (s, Ancestral(wide=True), s), True),
        (lambda s: (4096, DDIM(s), 1), True),
        (lambda s: (4096, DDIM(s, eta=0.5), s), True),
        (lambda s: (4096, DDIM(s, eta=1.0), s), True),
        (lambda s: (s, WrongAncestral(), s), False),
        (lambda s: (4096, WrongDDIM(s), 1), False),
    ],
    ids=["ancestral", "wide-ancestral", "ddim", "ddim-eta-half", "ddim-eta-1", "wrong-ancestral", "wrong-ddim"],
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


def test_a_walk_has_as_many_steps_as_asked():
    model = DDPM(Real((1,)), steps=1000, network=Told())
    assert [moment.time for moment in model.moments(4)] == [1000, 750, 500, 250, 0]
    assert [moment.index for moment in DDPM(Real((1,)), steps=3, network=Told()).moments(50)] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DDIM(0), "DDIM takes at least 1 step, but steps is 0"),
        (lambda: Ancestral(steps=0), "Ancestral takes at least 1 step, but steps is 0"),
        (lambda: DDIM(eta=1.5), "eta of DDIM should be from 0 to 1, but it is 1.5"),
        (lambda: Heun(0), "Heun takes at least 1 step, but steps is 0"),
        (lambda: Heun(churn=-1.0), "churn of Heun should not be negative"),
        (lambda: DDPM(Binary((2,)), steps=4, sampler=Heun(2, churn=1.0)).sample(1), "churn needs a diffusion whose"),
    ],
)
def test_samplers_refuse_in_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        make()


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
    monkeypatch.setattr(module, "CHUNK", 3)
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


def test_the_recipe_cuts_large_images_into_patches():
    small, large = (find_recipe("ddpm")(Levels((1, side, side), 5)).model.network for side in (12, 16))
    assert isinstance(small, UNet) and isinstance(large, UNet) and (small.patch, large.patch) == (1, 2)


def test_every_step_back_draws_noise_of_its_own(monkeypatch):
    torch.manual_seed(0)
    model = DDPM(Real((2,)), steps=5, network=ResidualMLP((2,), width=8, blocks=1)).double()
    honest, drawn = Noise.normal, []

    def normal(noise, shape, key, like=None):
        drawn.append(honest(noise, shape, key, like))
        return drawn[-1]

    monkeypatch.setattr(Noise, "normal", normal)
    model.sample(3, noise=Noise(0))
    assert len(drawn) >= 5  # the start, and a draw for every step back but the last
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))
