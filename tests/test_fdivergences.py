"""Laws of the f-divergences: duality, the bound, and the optimal critic of lecture claim 2."""

import math

import pytest
import torch
from torch import Tensor

from ptheta.distributions.fdivergences import (
    KL,
    FDivergence,
    GANDivergence,
    Jeffrey,
    JensenShannon,
    Neyman,
    Pearson,
    ReverseKL,
    SquaredHellinger,
    TotalVariation,
)

EVERY = (
    KL(),
    ReverseKL(),
    JensenShannon(),
    GANDivergence(),
    Pearson(),
    Neyman(),
    SquaredHellinger(),
    Jeffrey(),
    TotalVariation(),
)
SMOOTH = EVERY[:-1]

P = torch.tensor([0.10, 0.20, 0.30, 0.40], dtype=torch.float64)
Q = torch.tensor([0.35, 0.15, 0.40, 0.10], dtype=torch.float64)
RATIOS = torch.logspace(-2, 2, 41, dtype=torch.float64)
OUTPUTS = torch.linspace(-4, 4, 81, dtype=torch.float64)

every = pytest.mark.parametrize("divergence", EVERY, ids=repr)
smooth = pytest.mark.parametrize("divergence", SMOOTH, ids=repr)


def normal(mean: float, variance: float = 1.0):
    return lambda x: -((x - mean) ** 2) / (2 * variance) - math.log(2 * math.pi * variance) / 2


def gap_to_supremum(divergence: FDivergence, conjugate, t: Tensor) -> float:
    """The largest distance between a conjugate and the supremum over a fine grid of ratios."""
    u = torch.logspace(-9, 9, 400_001, dtype=torch.float64)
    values = torch.stack([(ti * u - divergence.f(u)).max() for ti in t])
    return float((conjugate(t) - values).abs().max())


# Values ---------------------------------------------------------------------------------------------------------------


def test_tables_agree_with_the_textbook_formulas():
    m = (P + Q) / 2
    kl = (P * (P / Q).log()).sum()
    reverse = (Q * (Q / P).log()).sum()
    usual = ((P * (P / m).log()).sum() + (Q * (Q / m).log()).sum()) / 2
    truth = {
        KL(): kl,
        ReverseKL(): reverse,
        JensenShannon(): 2 * usual,
        GANDivergence(): 2 * usual - math.log(4),
        Pearson(): ((P - Q) ** 2 / Q).sum(),
        Neyman(): ((P - Q) ** 2 / P).sum(),
        SquaredHellinger(): ((P.sqrt() - Q.sqrt()) ** 2).sum(),
        Jeffrey(): kl + reverse,
        TotalVariation(): (P - Q).abs().sum() / 2,
    }
    assert set(truth) == set(EVERY)
    for divergence, value in truth.items():
        torch.testing.assert_close(divergence.between(P, Q), value, atol=1e-14, rtol=1e-13)


def test_jensen_shannon_is_twice_the_usual_and_at_most_twice_log_2():
    apart = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double()
    assert JensenShannon.times_usual == 2
    assert float(JensenShannon().between(*apart)) == pytest.approx(JensenShannon.times_usual * math.log(2), abs=1e-15)


@every
def test_a_distribution_is_at_distance_f_of_one_from_itself(divergence: FDivergence):
    expected = -math.log(4) if isinstance(divergence, GANDivergence) else 0.0
    assert float(divergence.between(P, P)) == pytest.approx(expected, abs=1e-15)


def test_disjoint_supports_give_the_known_limits():
    p, q = torch.tensor([1.0, 0.0, 0.0]).double(), torch.tensor([0.0, 1.0, 0.0]).double()
    limits = {
        KL(): math.inf,
        ReverseKL(): math.inf,
        JensenShannon(): 2 * math.log(2),
        GANDivergence(): 0.0,
        Pearson(): math.inf,
        Neyman(): math.inf,
        SquaredHellinger(): 2.0,
        Jeffrey(): math.inf,
        TotalVariation(): 1.0,
    }
    for divergence, value in limits.items():
        assert float(divergence.between(p, q)) == pytest.approx(value, abs=1e-15)


def test_quadrature_agrees_with_the_closed_form_of_gaussians():
    value = KL().between_densities(normal(0.7, 0.25), normal(0.0), -12, 12)
    assert value == pytest.approx((0.25 + 0.49 - math.log(0.25) - 1) / 2, abs=1e-12)  # lecture claim 5
    assert value == pytest.approx(0.563147, abs=5e-7)


# Duality --------------------------------------------------------------------------------------------------------------


@every
def test_derivative_is_that_of_the_generator(divergence: FDivergence):
    u = RATIOS[RATIOS != 1].requires_grad_()
    (slope,) = torch.autograd.grad(divergence.f(u).sum(), u)
    torch.testing.assert_close(divergence.derivative(u.detach()), slope, atol=1e-12, rtol=1e-10)


@every
def test_conjugate_is_the_supremum(divergence: FDivergence):
    t = divergence.derivative(torch.logspace(-1, 1, 9, dtype=torch.float64))
    assert gap_to_supremum(divergence, divergence.conjugate, t) < 1e-7


@every
def test_a_wrong_conjugate_is_not_the_supremum(divergence: FDivergence):
    t = divergence.derivative(torch.logspace(-1, 1, 9, dtype=torch.float64))
    assert gap_to_supremum(divergence, lambda t: divergence.conjugate(t) + 1e-3, t) > 1e-4


@every
def test_fenchel_inequality_holds_everywhere(divergence: FDivergence):
    t = divergence.activation(OUTPUTS)
    slack = divergence.f(RATIOS)[:, None] + divergence.conjugate(t)[None, :] - RATIOS[:, None] * t[None, :]
    assert float(slack.min()) > -1e-12


@every
def test_activation_increases_and_stays_in_the_domain(divergence: FDivergence):
    low, high = divergence.domain
    t = divergence.activation(OUTPUTS)
    assert bool((t.diff() > 0).all()) and bool((t > low).all()) and bool((t < high).all())
    assert bool(torch.isfinite(divergence.conjugate(t)).all())


@every
def test_penalty_is_the_conjugate_of_the_activation(divergence: FDivergence):
    composed = divergence.conjugate(divergence.activation(OUTPUTS))
    torch.testing.assert_close(divergence.penalty(OUTPUTS), composed, atol=1e-12, rtol=1e-10)


@smooth
def test_ratio_inverts_the_optimal_critic(divergence: FDivergence):
    # By Fenchel, f' at the ratio that an output stands for is the critic's value.
    v = OUTPUTS[OUTPUTS > -2] if isinstance(divergence, Pearson) else OUTPUTS
    u = divergence.ratio(v)
    torch.testing.assert_close(divergence.derivative(u), divergence.activation(v), atol=1e-11, rtol=1e-9)


def test_total_variation_knows_no_ratio():
    with pytest.raises(ValueError, match="does not know the ratio"):
        TotalVariation().ratio(OUTPUTS)


def test_jeffreys_conjugate_has_the_right_gradient_far_out():
    t = torch.tensor([-400.0, -30.0, 0.0, 5.0, 40.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(Jeffrey().conjugate(t).sum(), t)
    torch.testing.assert_close(slope, Jeffrey().ratio(t.detach()), atol=1e-12, rtol=1e-9)
    torch.testing.assert_close(Jeffrey().derivative(slope), t.detach(), atol=1e-9, rtol=1e-9)


# The bound ------------------------------------------------------------------------------------------------------------


@every
def test_the_optimal_critic_attains_the_divergence(divergence: FDivergence):
    best = divergence.bound(P, Q, divergence.critic(P, Q))
    torch.testing.assert_close(best, divergence.between(P, Q), atol=1e-13, rtol=1e-12)


@every
def test_any_other_critic_stays_below(divergence: FDivergence):
    # The generator is seeded; a critic drawn at random is optimal with probability zero, so this cannot fail by chance.
    v = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    bounds = divergence.bound(P.expand_as(v), Q.expand_as(v), divergence.activation(v))
    assert float(bounds.max()) < float(divergence.between(P, Q))


@smooth
def test_a_critic_trained_against_too_small_a_conjugate_breaks_the_bound(divergence: FDivergence):
    t = divergence.critic(P, Q)
    broken = (P * t).sum() - (Q * (divergence.conjugate(t) - 1e-3)).sum()
    assert float(broken) > float(divergence.between(P, Q))


def test_the_optimal_discriminator_of_two_gaussians():
    # Lecture claim 2: N(0, 1) against N(1, 1).
    x = torch.linspace(-12, 13, 20_001, dtype=torch.float64)
    p, q = normal(0.0)(x).exp(), normal(1.0)(x).exp()
    t = GANDivergence().critic(p, q)
    torch.testing.assert_close(t.exp(), p / (p + q), atol=1e-14, rtol=0)
    torch.testing.assert_close(t.exp(), torch.sigmoid(0.5 - x), atol=1e-14, rtol=0)
    weights = torch.full_like(x, float(x[1] - x[0]))
    value = float(GANDivergence().bound(p, q, t, weights))
    usual = JensenShannon().between_densities(normal(0.0), normal(1.0), -12, 13) / JensenShannon.times_usual
    assert usual == pytest.approx(0.111421, abs=5e-7)
    assert value == pytest.approx(-1.163451, abs=5e-7)
    assert value == pytest.approx(2 * usual - math.log(4), abs=1e-12)
    assert float(GANDivergence().bound(p, p, torch.full_like(p, math.log(0.5)), weights)) == pytest.approx(
        -1.386294, abs=5e-7
    )


# The paper's table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("divergence", "value", "mean", "deviation"),
    [
        (KL(), 0.2831, 1.0100, 1.8307),
        (ReverseKL(), 0.2482, 1.5781, 1.6312),
        (JensenShannon(), 0.1281, 1.3068, 1.7540),
        (Jeffrey(), 0.5708, 1.3216, 1.7029),
        (Pearson(), 0.6458, 0.5737, 1.9273),
    ],
    ids=repr,
)
def test_the_best_gaussian_for_the_papers_mixture(divergence, value: float, mean: float, deviation: float):
    def mixture(x: Tensor) -> Tensor:
        return torch.logaddexp(math.log(0.33) + normal(-1.0, 0.065)(x), math.log(0.67) + normal(2.0, 2.0)(x))

    def of(m: float, s: float) -> float:
        return divergence.between_densities(mixture, normal(m, s * s), -14, 18, 4001)

    best = of(mean, deviation)
    assert best == pytest.approx(value, abs=1e-4)
    for step in (-0.02, 0.02):
        assert of(mean + step, deviation) > best and of(mean, deviation + step) > best


def test_quadrature_counts_the_ends_half():
    """On [0, 1], KL of the density 2x from the uniform one is log 2 - 1/2: the integrand does not vanish at 1."""
    found = KL().between_densities(lambda x: (2 * x).log(), torch.zeros_like, 0.0, 1.0)
    assert found == pytest.approx(math.log(2) - 0.5, abs=1e-7)
