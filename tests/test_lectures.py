"""Every claim of the lectures that is a formula or a number. ``CLAIMS`` says where each is tested."""

import ast
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from ptheta.distributions.fdivergences import JensenShannon
from ptheta.distributions.games import alternating_steps, extragradient_steps, pure_equilibria, simultaneous_steps
from ptheta.distributions.information import (
    cross_entropy,
    entropy,
    gaussian_kl,
    information,
    jensen_shannon,
    kl,
    mutual_information,
    optimal_discriminator,
    reverse_kl,
)

pytestmark = pytest.mark.usefixtures("float64")

P, Q = [0.81, 0.05, 0.14], [0.36, 0.34, 0.30]
GRID = torch.linspace(-12, 12, 4801, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])


CLAIMS = {  # the claim, and the words in the names of the tests that hold it, here or in the file named
    "information, entropy, cross-entropy and KL of the two matches": (
        "information_and_entropy_of_the_match",
        "between_the_two_matches",
        "kl_and_cross_entropy_have_the_same_gradient",
    ),
    "the optimal discriminator and the Jensen-Shannon divergence": (
        "optimal_discriminator_of_two_gaussians",
        "value_at_the_optimum",
        "js_is_at_most_log_2",
    ),
    "the generator's gradient under each cost": (
        "generators_gradient_is_that_of_a_divergence",
        "holds_for_the_third_cost_only",
        "every_cost_is_at_rest_where_the_generator_is_the_data",
    ),
    "the best single Gaussian for two": ("kl_averages_modes_and_reverse_kl_picks_one",),
    "the KL of a Gaussian from the standard normal": ("gaussian_kl",),
    "numbers of parameters": (
        "test_tables.py:numbers_of_parameters",
        "test_tables.py:rgb_pixel",
        "test_fvbn.py:number_of_parameters_is_that_of_the_lectures",
        "test_nade.py:number_of_parameters_is_that_of_the_lectures",
    ),
    "ln p = ELBO + KL, and ELBO = reconstruction - KL": (
        "identities_of_the_bound_by_enumeration",
        "test_vae.py:identities_of_the_bound_by_quadrature",
        "test_vae.py:identities_of_the_bound_hold_exactly_for_a_linear_gaussian_model",
    ),
    "likelihood: its rate, its biases, its underflow": (
        "nll_tends_to_the_cross_entropy",
        "product_of_784_likelihoods_underflows",
        "test_tables.py:largest_value_underestimates_the_end_of_a_uniform",
        "test_tables.py:fitted_variance_is_too_small",
    ),
    "the chain rule and Bayes' rule always, conditional independence sometimes": (
        "chain_rule_and_bayes_rule",
        "xor_is_pairwise_independent",
        "test_tables.py:common_cause_explains_a_dependence_away",
    ),
    "linear autoencoders and squared error": (
        "linear_autoencoder_reaches_the_principal_components",
        "thirty_principal_components_of_mnist",
        "squared_error_with_two_right_answers",
    ),
    "the adversarial autoencoder's identity": ("expected_rate_splits",),
    "games": (
        "simultaneous_steps_spiral_out",
        "alternating_steps_stay",
        "extragradient_steps_come",
        "prisoners_dilemma",
    ),
    "equal likelihood, bad samples": ("hundredth_of_the_truth",),
}


def missing_tests(claims: dict[str, tuple[str, ...]]) -> list[str]:
    """The words that no test's name holds."""
    found = []
    for place in (place for places in claims.values() for place in places):
        file, _, word = place.rpartition(":")
        tree = ast.parse((Path(__file__).parent / (file or Path(__file__).name)).read_text())
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        if not any(name.startswith("test_") and word in name for name in names):
            found.append(place)
    return found


def test_every_claim_has_its_tests():
    assert len(CLAIMS) == 13
    assert missing_tests(CLAIMS) == []
    assert missing_tests({"gravity": ("apples_fall", "test_rbm.py:apples_fall")}) == [
        "apples_fall",
        "test_rbm.py:apples_fall",
    ]


def table(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def softmax_table(n: int, seed: int) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)


# Claim 1: information, entropy, cross-entropy, KL.


def test_information_and_entropy_of_the_match():
    assert information(table(P), base=2).tolist() == pytest.approx([0.3040, 4.3219, 2.8365], abs=5e-5)
    assert entropy(table(P), base=2).item() == pytest.approx(0.8595, abs=5e-5)
    assert entropy(table(Q), base=2).item() == pytest.approx(1.5809, abs=5e-5)


def test_between_the_two_matches():
    p, q = table(P), table(Q)
    assert cross_entropy(p, q, base=2).item() == pytest.approx(1.5149, abs=5e-5)
    assert kl(p, q, base=2).item() == pytest.approx(0.6554, abs=5e-5)
    assert reverse_kl(p, q, base=2).item() == pytest.approx(0.8490, abs=5e-5)
    assert cross_entropy(p, q).item() == pytest.approx((entropy(p) + kl(p, q)).item(), abs=1e-12)


def test_kl_and_cross_entropy_have_the_same_gradient_in_q():
    p, logits = table(P), torch.randn(3, dtype=torch.float64, requires_grad=True)
    grads = [torch.autograd.grad(f(p, logits.softmax(-1)), logits)[0] for f in (kl, cross_entropy)]
    torch.testing.assert_close(*grads, atol=1e-12, rtol=0)


def test_tables_that_do_not_add_to_one_are_refused():
    with pytest.raises(ValueError, match="p should hold probabilities adding to one"):
        entropy(table([0.5, 0.4]))


# Claim 2: the optimal discriminator and the Jensen-Shannon divergence.


def two_gaussians() -> tuple[Tensor, Tensor]:
    return Normal(0.0, 1.0).log_prob(GRID).exp(), Normal(1.0, 1.0).log_prob(GRID).exp()


def value(p: Tensor, g: Tensor, d: Tensor) -> float:
    return float(((p * d.log()).sum() + (g * (1 - d).log()).sum()) * STEP)


def test_the_optimal_discriminator_of_two_gaussians_is_a_sigmoid():
    p, g = two_gaussians()
    torch.testing.assert_close(optimal_discriminator(p, g), torch.sigmoid(0.5 - GRID), atol=1e-12, rtol=0)


def test_value_at_the_optimum_is_minus_log_4_plus_2_js():
    p, g = two_gaussians()
    m = (p + g) / 2
    js = float(((p * (p / m).log()).sum() + (g * (g / m).log()).sum()) * STEP / 2)
    assert js == pytest.approx(0.111421, abs=1e-6)
    best = value(p, g, optimal_discriminator(p, g))
    assert best == pytest.approx(-1.163451, abs=1e-6)
    assert best == pytest.approx(-math.log(4) + 2 * js, abs=1e-9)
    assert value(p, p, optimal_discriminator(p, p)) == pytest.approx(-1.386294, abs=1e-6)
    for shift in (-0.3, 0.4):  # any other discriminator is worse
        assert value(p, g, torch.sigmoid(0.5 - GRID + shift)) < best


def test_js_is_at_most_log_2_and_half_of_the_fgan_papers():
    p, q = table([1.0, 0.0]), table([0.0, 1.0])
    assert jensen_shannon(p, q).item() == pytest.approx(math.log(2))
    for seed in range(5):
        p, q = softmax_table(6, seed), softmax_table(6, seed + 100)
        assert 0 < jensen_shannon(p, q) < math.log(2)
        assert JensenShannon().between(p, q).item() == pytest.approx(2 * jensen_shannon(p, q).item(), abs=1e-12)


# Claim 3: what the generator's gradient is under each cost, with an optimal discriminator.


def costs(g: Tensor, d: Tensor) -> dict[str, Tensor]:
    """E_g of each cost at a fixed discriminator."""
    return {
        "minimax": (g * (1 - d).log()).sum(),
        "non-saturating": -(g * d.log()).sum(),
        "maximum likelihood": -(g * d / (1 - d)).sum(),
    }


@pytest.mark.parametrize(
    ("cost", "divergence"),
    [
        ("minimax", lambda p, g: 2 * jensen_shannon(p, g)),
        ("non-saturating", lambda p, g: kl(g, p) - 2 * jensen_shannon(p, g)),
        ("maximum likelihood", lambda p, g: kl(p, g)),
    ],
)
def test_the_generators_gradient_is_that_of_a_divergence(cost: str, divergence):
    p = softmax_table(4, 1)
    logits = torch.randn(4, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    g = logits.softmax(-1)
    d = optimal_discriminator(p, g).detach()
    ours = torch.autograd.grad(costs(g, d)[cost], logits, retain_graph=True)[0]
    truth = torch.autograd.grad(divergence(p, g), logits)[0]
    torch.testing.assert_close(ours, truth, atol=1e-9, rtol=0)


def test_the_notes_sentence_holds_for_the_third_cost_only():
    """The broken twin: minimax is not maximum likelihood."""
    p = softmax_table(4, 1)
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    g = logits.softmax(-1)
    d = optimal_discriminator(p, g).detach()
    likelihood = torch.autograd.grad(kl(p, g), logits, retain_graph=True)[0]
    for name in ("minimax", "non-saturating"):
        other = torch.autograd.grad(costs(g, d)[name], logits, retain_graph=True)[0]
        assert not torch.allclose(other, likelihood, atol=1e-3)


def test_every_cost_is_at_rest_where_the_generator_is_the_data():
    """The costs have one fixed point and different gradients on the way to it."""
    p = softmax_table(4, 1)
    for g, at_rest in ((p, True), (softmax_table(4, 2), False)):
        logits = g.log().requires_grad_()
        d = optimal_discriminator(p, g)
        gradients = [torch.autograd.grad(cost, logits)[0] for cost in costs_of(logits, d)]
        assert all(bool(grad.abs().max() < 1e-12) == at_rest for grad in gradients)


def costs_of(logits: Tensor, d: Tensor) -> list[Tensor]:
    return [costs(logits.softmax(-1), d)[name] for name in ("minimax", "non-saturating", "maximum likelihood")]


# Claim 4: the best single Gaussian for two.


def bimodal() -> Tensor:
    return 0.5 * Normal(-3.0, 1.0).log_prob(GRID).exp() + 0.5 * Normal(3.0, 1.0).log_prob(GRID).exp()


def fit_gaussian(objective, mean: float, sd: float) -> tuple[float, float, float]:
    theta = torch.tensor([mean, math.log(sd)], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(Normal(theta[0], theta[1].exp()).log_prob(GRID))
        loss.backward()
        return loss

    optimizer.step(closure)
    return theta[0].item(), theta[1].exp().item(), closure().item()


def test_kl_averages_modes_and_reverse_kl_picks_one():
    p = bimodal()
    forward = fit_gaussian(lambda log_q: (p * (p.log() - log_q)).sum() * STEP, 0.5, 2.0)
    assert forward[0] == pytest.approx(0, abs=1e-3) and forward[1] == pytest.approx(math.sqrt(10), abs=1e-2)
    assert forward[2] == pytest.approx(0.462, abs=2e-3)

    def reverse(log_q: Tensor) -> Tensor:
        return (log_q.exp() * (log_q - p.log())).sum() * STEP

    for start in (-2.0, 2.0):
        mean, sd, nats = fit_gaussian(reverse, start, 1.0)
        assert abs(mean) == pytest.approx(2.98, abs=0.01) and math.copysign(1, mean) == math.copysign(1, start)
        assert sd == pytest.approx(1.02, abs=0.01) and nats == pytest.approx(0.689, abs=2e-3)
    stuck = fit_gaussian(reverse, 0.0, 2.0)
    assert stuck[0] == pytest.approx(0, abs=1e-6) and stuck[2] == pytest.approx(0.84, abs=0.01)


# Claim 5: the KL of a Gaussian from the standard normal.


def test_gaussian_kl():
    mean, variance, zero, one = (torch.tensor(v) for v in (0.7, 0.25, 0.0, 1.0))
    ours = gaussian_kl(mean, variance, zero, one).item()
    assert ours == pytest.approx(0.563147, abs=1e-6)
    assert ours == pytest.approx(((0.25 + 0.49 - math.log(0.25) - 1) / 2), abs=1e-12)
    assert ours == pytest.approx(kl_divergence(Normal(mean, 0.5), Normal(zero, one)).item(), abs=1e-12)


# Claim 7: the evidence lower bound.


def test_the_identities_of_the_bound_by_enumeration():
    """For any p(z), p(x | z) and q(z | x) on four codes and three events, to rounding."""
    prior, likelihood = softmax_table(4, 20), torch.stack([softmax_table(3, seed) for seed in range(21, 25)])
    q = torch.stack([softmax_table(4, seed) for seed in range(25, 28)])  # q(z | x), (3, 4)
    joint = (prior[:, None] * likelihood).T  # p(x, z), (3, 4)
    log_p, posterior = joint.sum(1).log(), joint / joint.sum(1, keepdim=True)
    elbo = (q * (joint.log() - q.log())).sum(1)
    torch.testing.assert_close(elbo + kl(q, posterior), log_p, rtol=0, atol=1e-14)
    reconstruction = (q * likelihood.T.log()).sum(1)
    torch.testing.assert_close(reconstruction - kl(q, prior.expand(3, 4)), elbo, rtol=0, atol=1e-14)
    assert bool((elbo < log_p).all())
    tight = (posterior * (joint.log() - posterior.log())).sum(1)
    torch.testing.assert_close(tight, log_p, rtol=0, atol=1e-14)  # equality just for the exact posterior
    reverse = elbo + kl(posterior, q)  # the broken twin: the divergence the other way round
    assert not torch.allclose(reverse, log_p, rtol=0, atol=1e-3)


# Claim 6 (parameter counts) and 8 (bias of maximum likelihood) are tested on the models, in test_tables.py.


def test_the_empirical_nll_tends_to_the_cross_entropy_like_one_over_root_n():
    p, q = softmax_table(5, 3), softmax_table(5, 4)
    generator = torch.Generator().manual_seed(0)
    errors = []
    for n in (100, 10_000):
        draws = torch.multinomial(p, 200 * n, replacement=True, generator=generator).reshape(200, n)
        means = -q.log()[draws].mean(1)
        errors.append((means - cross_entropy(p, q)).square().mean().sqrt().item())
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.2)


def test_a_product_of_784_likelihoods_underflows_and_the_sum_of_logs_does_not():
    p = torch.full((784,), 0.5, dtype=torch.float32)
    assert p.prod().item() == 0
    assert p.log().sum().item() == pytest.approx(-784 * math.log(2), rel=1e-5)


# Claim 9: the chain rule and Bayes' rule always hold, conditional independence sometimes.


def test_chain_rule_and_bayes_rule_hold_for_any_table():
    joint = softmax_table(8, 5).reshape(2, 2, 2)
    a, ab = joint.sum((1, 2)), joint.sum(2)
    for i, j, k in product(range(2), repeat=3):
        chained = a[i] * (ab[i, j] / a[i]) * (joint[i, j, k] / ab[i, j])
        assert chained.item() == pytest.approx(joint[i, j, k].item(), abs=1e-15)
    b = ab.sum(0)
    posterior = (ab / a[:, None]) * a[:, None] / b
    torch.testing.assert_close(posterior, ab / b)


def test_xor_is_pairwise_independent_and_not_given_the_third():
    xor = torch.zeros(2, 2, 2, dtype=torch.float64)
    for a, b in product(range(2), repeat=2):
        xor[a, b, a ^ b] = 0.25
    assert mutual_information(xor.sum(2)).item() == pytest.approx(0, abs=1e-12)
    given = [mutual_information(xor[:, :, c] / xor[:, :, c].sum()).item() for c in range(2)]
    assert given == pytest.approx([math.log(2)] * 2)


# Claim 10: linear autoencoders and squared error.


def test_a_linear_autoencoder_reaches_the_principal_components():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    x = x - x.mean(0)
    variances = torch.linalg.svdvals(x).square() / len(x)
    encode = torch.randn(6, 2, generator=generator).mul(0.1).requires_grad_()
    decode = torch.randn(2, 6, generator=generator).mul(0.1).requires_grad_()
    optimizer = torch.optim.LBFGS([encode, decode], max_iter=500, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (x @ encode @ decode - x).square().sum(1).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert closure().item() == pytest.approx(variances[2:].sum().item(), rel=1e-4)


def test_thirty_principal_components_of_mnist(real_data):
    from ptheta.data import load

    data = load("mnist")
    train = torch.cat([data.train.x, data.valid.x]).flatten(1).double() / 255
    test = data.test.x.flatten(1).double() / 255
    mean = train.mean(0)
    _, vectors = torch.linalg.eigh((train - mean).T @ (train - mean))
    basis = vectors[:, -30:]
    error = ((test - mean) - (test - mean) @ basis @ basis.T).square().sum(1).mean().item()
    assert error == pytest.approx(13.866, abs=5e-4)


def test_squared_error_with_two_right_answers_gives_neither():
    y = torch.tensor([-1.0, 1.0]).repeat(500)
    guesses = torch.linspace(-1.5, 1.5, 301)
    errors = (y[:, None] - guesses).square().mean(0)
    assert guesses[errors.argmin()].item() == pytest.approx(0, abs=1e-6)
    assert errors.min().item() == pytest.approx(y.var(correction=0).item(), abs=1e-9)


# Claim 11: the adversarial autoencoder matches the aggregate, not each posterior.


def test_the_expected_rate_splits_into_information_and_a_divergence_of_the_aggregate():
    posterior = torch.stack([softmax_table(4, seed) for seed in range(3)])  # q(z | x), (3, 4)
    prior, data = softmax_table(4, 9), softmax_table(3, 10)
    aggregate = data @ posterior
    rate = (data * kl(posterior, prior.expand(3, 4))).sum()
    split = mutual_information(data[:, None] * posterior) + kl(aggregate, prior)
    assert rate.item() == pytest.approx(split.item(), abs=1e-12)


# Claim 12: games.


def test_simultaneous_steps_spiral_out_by_one_plus_eta_squared():
    squares = simultaneous_steps(0.6, -0.2, rate=0.1, steps=50).square().sum(1)
    torch.testing.assert_close(squares[1:] / squares[:-1], torch.full((50,), 1.01), atol=1e-12, rtol=0)


def test_alternating_steps_stay_on_an_ellipse():
    x, y = alternating_steps(0.6, -0.2, rate=0.3, steps=500).T
    torch.testing.assert_close(x**2 + y**2 - 0.3 * x * y, torch.full((501,), 0.436, dtype=torch.float64))
    spiralling = simultaneous_steps(0.6, -0.2, rate=0.3, steps=500).square().sum(1)
    assert float((x**2 + y**2).max()) < 0.6 < 1e10 < float(spiralling[-1])
    first, second = alternating_steps(0.6, -0.2, rate=0.3, steps=1)  # the second player has seen the first one's move
    assert second[0] == first[0] - 0.3 * first[1] and second[1] == first[1] + 0.3 * second[0]


def test_extragradient_steps_come_to_rest():
    path = extragradient_steps(0.6, -0.2, rate=0.3, steps=50)
    squares = path.square().sum(1)
    shrink = 1 - 0.3**2 + 0.3**4
    torch.testing.assert_close(squares[1:] / squares[:-1], torch.full((50,), shrink, dtype=torch.float64))
    x, y = path[0]
    ahead = torch.stack([x - 0.3 * y, y + 0.3 * x])
    torch.testing.assert_close(path[1], torch.stack([x - 0.3 * ahead[1], y + 0.3 * ahead[0]]))


def test_the_prisoners_dilemma_has_one_equilibrium_and_nobody_likes_it():
    row = torch.tensor([[-1.0, -3.0], [0.0, -2.0]])  # silent, confess
    assert pure_equilibria(row, row.T) == [(1, 1)]
    assert row[0, 0] > row[1, 1]


def test_matching_pennies_has_no_pure_equilibrium():
    row = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert pure_equilibria(row, -row) == []


# "Equal likelihood, bad samples."


def test_a_hundredth_of_the_truth_costs_at_most_log_100():
    p, noise = softmax_table(50, 1), torch.full((50,), 1 / 50, dtype=torch.float64)
    assert kl(p, 0.01 * p + 0.99 * noise).item() < math.log(100) == pytest.approx(4.605, abs=1e-3)
    assert np.isfinite(kl(p, noise).item())
