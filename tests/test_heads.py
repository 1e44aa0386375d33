"""Heads are normalised, their samples agree with their probabilities, and their means are means."""

import itertools
import math

import pytest
import torch
from scipy import stats
from torch.autograd import gradcheck

from ptheta import Binary, Classes, Levels, Noise, Real
from ptheta.autoregressive import MADE, NADE, RNN, EoNADE
from ptheta.distributions.heads import (
    BernoulliHead,
    CategoricalHead,
    GaussianMixtureHead,
    LogisticMixtureHead,
    default_head,
    inverse_cdf,
)

ALARM = 1e-3  # the false-alarm rate of each statistical test
DISCRETE = [
    (BernoulliHead(), 2),
    (CategoricalHead(1), 1),
    (CategoricalHead(17), 17),
    (LogisticMixtureHead(2, 3), 2),
    (LogisticMixtureHead(17, 1), 17),
    (LogisticMixtureHead(256, 10), 256),
]
CASES = pytest.mark.parametrize(("head", "n"), DISCRETE, ids=lambda v: str(v))
GAUSSIANS = GaussianMixtureHead(4)


def parameters(head, rows=6, scale=2.0, seed=0):
    return torch.randn(rows, head.width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def table(head, n, params):
    """The probabilities of all n values, with shape (rows, n)."""
    values = torch.arange(n).expand(len(params), n)
    return head.log_prob(params[:, None].expand(-1, n, -1), values).exp()


# --- normalisation ---


@CASES
@pytest.mark.parametrize("scale", [0.3, 2.0, 20.0])
def test_probabilities_sum_to_one(head, n, scale):
    assert (table(head, n, parameters(head, scale=scale)).sum(1) - 1).abs().max() < 1e-12


def test_a_mixture_without_its_tails_is_caught():
    head = LogisticMixtureHead(16, 2)
    inner = table(LogisticMixtureHead(18, 2), 18, parameters(head))[:, 1:-1]  # the broken twin forgets both ends
    assert ((inner.sum(1) - 1).abs() > 1e-3).all()


def test_densities_integrate_to_one():
    params = parameters(GAUSSIANS, scale=1.0)
    grid = torch.linspace(-60, 60, 60_001, dtype=torch.float64)
    density = GAUSSIANS.log_prob(params[:, None].expand(-1, len(grid), -1), grid.expand(len(params), -1)).exp()
    assert (torch.trapezoid(density, grid, dim=1) - 1).abs().max() < 1e-10


def test_densities_whose_scale_is_forgotten_do_not():
    params = parameters(GAUSSIANS, scale=1.0)
    grid = torch.linspace(-60, 60, 60_001, dtype=torch.float64)
    logits, mean, log_scale = params.chunk(3, -1)
    z = (grid[:, None, None] - mean) / log_scale.exp()
    twin = (logits.log_softmax(-1) - z**2 / 2 - math.log(2 * math.pi) / 2).logsumexp(-1).exp()
    assert ((torch.trapezoid(twin, grid, dim=0) - 1).abs() > 1e-2).all()


def test_the_gaussian_mixture_agrees_with_torch():
    params = parameters(GAUSSIANS)
    logits, mean, log_scale = params.chunk(3, -1)
    reference = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits), torch.distributions.Normal(mean, log_scale.exp())
    )
    x = torch.linspace(-5, 5, len(params), dtype=torch.float64)
    assert torch.allclose(GAUSSIANS.log_prob(params, x), reference.log_prob(x), rtol=1e-12)
    assert torch.allclose(GAUSSIANS.mean(params), reference.mean, rtol=1e-12)


def test_the_logistic_mixture_is_a_difference_of_distribution_functions():
    head = LogisticMixtureHead(16, 3)
    params = parameters(head, scale=0.7)
    logits, mean, log_scale = params.chunk(3, -1)
    for k in range(16):
        upper = 1.0 if k == 15 else torch.sigmoid(((k + 0.5) * 2 / 15 - 1 - mean) / log_scale.exp())
        lower = 0.0 if k == 0 else torch.sigmoid(((k - 0.5) * 2 / 15 - 1 - mean) / log_scale.exp())
        want = (logits.softmax(-1) * (upper - lower)).sum(-1)
        assert torch.allclose(head.log_prob(params, torch.full((6,), k)).exp(), want, rtol=1e-9)


# --- numbers far out ---


EXTREME = [(head, torch.arange(n)) for head, n in DISCRETE] + [(GAUSSIANS, torch.tensor([-1e3, -1.0, 0.0, 1.0, 1e3]))]


def stays_finite(head, cells, dtype, log_prob) -> bool:
    """Whether scores and gradients are finite where a network's outputs are very large, of one sign or of both."""
    for fill, signs in itertools.product((-60.0, 60.0), (1, 2)):
        params = torch.full((len(cells), head.width), fill, dtype=dtype)
        params[:, ::signs] *= -1
        params.requires_grad_()
        score = log_prob(params, cells)
        (gradient,) = torch.autograd.grad(score.sum(), params)
        if not bool(torch.isfinite(score).all() and torch.isfinite(gradient).all()):
            return False
    return True


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("head", "cells"), EXTREME, ids=lambda v: str(v) if not isinstance(v, torch.Tensor) else "")
def test_extreme_parameters_keep_scores_and_gradients_finite(head, cells, dtype):
    assert stays_finite(head, cells, dtype, head.log_prob)


def test_logarithms_of_rounded_probabilities_do_not():
    twin = lambda params, cell: params.softmax(-1).gather(-1, cell[:, None]).squeeze(-1).log()  # noqa: E731
    assert not stays_finite(CategoricalHead(17), torch.arange(17), torch.float32, lambda p, c: twin(p * 2, c))
    logistic = LogisticMixtureHead(256, 1)

    def difference(params, cell):
        _, mean, log_scale = params.chunk(3, -1)
        upper, lower = ((cell[:, None] + side) * 2 / 255 - 1 for side in (0.5, -0.5))
        scale = log_scale.clamp(min=-7).exp()
        return (torch.sigmoid((upper - mean) / scale) - torch.sigmoid((lower - mean) / scale)).log().squeeze(-1)

    assert not stays_finite(logistic, torch.arange(256), torch.float32, difference)


def test_a_far_mean_costs_no_digits():
    head = LogisticMixtureHead(256, 1)
    params, cells = torch.tensor([[0.0, 300.0, 0.0]]).expand(254, 3), torch.arange(1, 255)
    exact = head.log_prob(params.double(), cells)
    assert torch.allclose(head.log_prob(params, cells).double(), exact, atol=1e-4)


@pytest.mark.parametrize("head", [BernoulliHead(), CategoricalHead(4), LogisticMixtureHead(8, 2), GAUSSIANS], ids=str)
def test_gradients_equal_differences(head):
    cell = torch.tensor([0, 1, 1, 0]) if head.width != 12 else torch.linspace(-1, 1, 4, dtype=torch.float64)
    assert gradcheck(lambda p: head.log_prob(p, cell), parameters(head, 4, 0.7).requires_grad_())


# --- samples and means ---


def agrees(head, n, params, samples) -> bool:
    """The law: counts of samples fit the probabilities by a chi-square test; rare values are pooled."""
    p = table(head, n, params[None])[0]
    order = p.argsort(descending=True)
    expected = p[order] * len(samples)
    counts = torch.bincount(samples.long(), minlength=n)[order].double()
    common = int((expected >= 10).sum())
    if common < n:
        counts = torch.cat([counts[:common], counts[common:].sum()[None]])
        expected = torch.cat([expected[:common], expected[common:].sum()[None]])
    if expected[-1] < 5 and len(expected) > 1:
        counts = torch.cat([counts[:-2], counts[-2:].sum()[None]])
        expected = torch.cat([expected[:-2], expected[-2:].sum()[None]])
    if len(expected) == 1:
        return bool(counts[0] == len(samples))
    return stats.chisquare(counts.numpy(), (expected * counts.sum() / expected.sum()).numpy()).pvalue > ALARM


def samples_of(head, params, m=20_000, seed=0):
    uniforms = Noise(seed).uniform((m, head.uniforms), "u", like=params)
    return head.sample(params.expand(m, -1), uniforms)


@CASES
@pytest.mark.parametrize("row", [0, 1, 2])
def test_samples_agree_with_probabilities(head, n, row):
    params = parameters(head, scale=0.8)[row]
    samples = samples_of(head, params)
    assert samples.shape == (20_000,) and not samples.is_floating_point()
    assert agrees(head, n, params, samples)


@pytest.mark.parametrize(("head", "n"), [case for case in DISCRETE if case[1] > 1], ids=lambda v: str(v))
def test_samples_of_other_parameters_do_not_agree(head, n):
    params = parameters(head, scale=0.8)[0]
    assert not agrees(head, n, params, samples_of(head, params + 0.3 * parameters(head, seed=1)[0]))


def test_samples_of_reals_agree_with_the_density():
    params = parameters(GAUSSIANS, scale=0.8)[0]
    logits, mean, log_scale = params.chunk(3, -1)

    def cdf(x):
        z = (torch.as_tensor(x)[..., None] - mean) / log_scale.exp()
        return (logits.softmax(-1) * torch.special.ndtr(z)).sum(-1).numpy()

    samples = samples_of(GAUSSIANS, params).numpy()
    assert stats.kstest(samples, cdf).pvalue > ALARM
    assert stats.kstest(samples * 1.1, cdf).pvalue < ALARM  # the broken twin


@pytest.mark.parametrize(("head", "n"), [case for case in DISCRETE if case[0].uniforms == 1], ids=lambda v: str(v))
def test_evenly_spaced_uniforms_give_each_value_its_share(head, n):
    """No chance in it: of m evenly spaced uniforms, each value gets its probability times m, to within two."""
    params, m = parameters(head, 1, 0.8), 10_000
    u = ((torch.arange(m, dtype=torch.float64) + 0.5) / m)[:, None]
    counts = torch.bincount(head.sample(params.expand(m, -1), u).long(), minlength=max(n, 2))[:n]
    assert (counts - m * table(head, n, params)[0]).abs().max() < 2
    if n > 1:
        wrong = torch.bincount(head.sample(params.expand(m, -1), u**1.01).long(), minlength=n)  # the broken twin
        assert (wrong - m * table(head, n, params)[0]).abs().max() > 2


@CASES
def test_the_mean_is_the_mean_of_the_table(head, n):
    params = parameters(head)
    want = table(head, n, params) @ torch.arange(n, dtype=torch.float64)
    assert torch.allclose(head.mean(params), want, rtol=1e-9, atol=1e-9)


def test_a_sample_depends_on_its_own_row_only():
    for head in (*(h for h, _ in DISCRETE), GAUSSIANS):
        params, noise = parameters(head, 9), Noise(2)
        many = head.sample(params, noise.uniform((9, head.uniforms), "u", like=params))
        few = head.sample(params[:4], noise.uniform((4, head.uniforms), "u", like=params))
        assert torch.equal(many[:4], few)


def test_the_inverse_distribution_function_never_leaves_the_support():
    logits = torch.tensor([[-math.inf, 0.0, 0.0, -math.inf]])
    u = torch.tensor([1e-12, 0.25, 0.5 - 1e-7, 0.5 + 1e-7, 1 - 1e-7])
    assert inverse_cdf(logits.expand(5, -1), u).tolist() == [1, 1, 1, 2, 2]


# --- the choice ---


def test_the_space_chooses_the_head():
    assert default_head(Binary((2,))) == BernoulliHead()
    assert default_head(Levels((2,), 17)) == CategoricalHead(17)
    assert default_head(Levels((2,), 256), 5) == LogisticMixtureHead(256, 5)
    assert default_head(Classes(300)) == CategoricalHead(300)
    assert default_head(Real((2,)), 3) == GaussianMixtureHead(3)


@pytest.mark.parametrize("head", [BernoulliHead(), CategoricalHead(5), LogisticMixtureHead(40, 3), GAUSSIANS], ids=str)
def test_the_width_is_what_a_cell_takes(head):
    params = parameters(head, 7)
    u = Noise(0).uniform((7, head.uniforms), "u", like=params)
    cell = head.sample(params, u)
    assert cell.shape == head.mean(params).shape == head.log_prob(params, cell).shape == (7,)


@pytest.mark.parametrize("head", [GaussianMixtureHead(1, min_log_scale=-2), LogisticMixtureHead(17, 1, -2.0)], ids=str)
def test_scales_have_a_floor(head):
    below, at, above = (torch.tensor([[0.3, 0.1, log_scale]]).double() for log_scale in (-9.0, -2.0, -1.0))
    cell, u = torch.tensor([1]), torch.tensor([[0.5, 0.9]]).double()
    assert torch.equal(head.log_prob(below, cell), head.log_prob(at, cell))
    assert torch.equal(head.sample(below, u), head.sample(at, u))
    assert not torch.equal(head.log_prob(above, cell), head.log_prob(at, cell))


def test_the_space_chooses_the_head_of_the_table():
    assert default_head(Levels((2,), 32)) == CategoricalHead(32)
    assert default_head(Levels((2,), 33), 5) == LogisticMixtureHead(33, 5)


@pytest.mark.parametrize("make", [NADE, MADE, RNN, EoNADE], ids=lambda cls: cls.__name__)
def test_samples_of_reals_do_not_run_away(make):
    """However strongly scales and means depend on the past: a scale linear in it would feed on itself."""
    settings = {MADE: {"hidden": (64,), "direct": True}, EoNADE: {"hidden": (64,)}}.get(make, {"hidden": 64})
    torch.manual_seed(0)
    model = make(Real((30,)), **settings)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.5 * torch.randn_like(p)
    x = model.sample(500, noise=Noise(0))
    model.space.check(x)
    assert bool(torch.isfinite(model.log_prob(x)).all())
    assert float(x.abs().max()) < 1e6  # growth is not compounded from variable to variable
    params = torch.tensor([0.0, 0.0, 1e4]).expand(100, -1)
    assert bool(torch.isfinite(GaussianMixtureHead(1).sample(params, torch.rand(100, 2))).all())


# Where an entropy coder puts a value


@pytest.mark.parametrize(
    "head", [BernoulliHead(), CategoricalHead(7), LogisticMixtureHead(9, 3), LogisticMixtureHead(256, 2)], ids=str
)
def test_intervals_lie_side_by_side_and_are_as_wide_as_values_are_probable(head):
    n = getattr(head, "n", 2)
    params = 3 * Noise(0).normal((5, head.width), "params", like=torch.zeros((), dtype=torch.float64))
    cells = torch.arange(n).expand(5, n)
    low, high = head.interval(params[:, None].expand(5, n, -1), cells)
    assert bool((low[:, 0] == 0).all()) and torch.allclose(high[:, -1], torch.ones(5, dtype=torch.float64))
    assert torch.equal(low[:, 1:], high[:, :-1])
    log_p = head.log_prob(params[:, None].expand(5, n, -1), cells)
    assert torch.allclose(high - low, log_p.exp(), atol=1e-12)
    assert head.of(3) is head


def test_a_density_has_no_interval():
    with pytest.raises(ValueError, match="Round it to levels first"):
        GaussianMixtureHead(2).interval(torch.zeros(1, 6), torch.zeros(1))
