"""The laws of the ladder: exact where its posterior is, rates that sum to one, departures that stay in the loss."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from ptheta.data.dataset import Events
from ptheta.latent import LadderVAE
from ptheta.metrics import likelihood
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.recipes.latent import ladder_vae
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols

D, S, T = 4, 0.7, 0.5  # x = w z_1 + b + S eps, z_1 = a z_2 + m + T eta
W, B = torch.tensor([[1.0, -0.6, 0.3, 0.8], [0.5, -1.0, 0.0, 2.0]], dtype=torch.float64)
A, M = 1.3, -0.4


def numbers(*values: float | list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def affine(inputs: int, weight: Tensor, bias: Tensor) -> MLP:
    """A network that is the affine map of these numbers."""
    net = MLP(inputs, len(bias), ()).double()
    with torch.no_grad():
        for p, value in zip(net.parameters(), (weight, bias), strict=True):
            p.copy_(value)
    return net


def linear_gaussian(**settings) -> tuple[LadderVAE, Callable[[Tensor], Tensor]]:
    """Two layers of one code each, with the exact posterior, and the exact log p."""
    per_variable = torch.stack([torch.zeros(D), torch.ones(D), torch.zeros(D)], 1).double()  # logit, mean, log scale
    bias = torch.stack([torch.zeros(D).double(), B, torch.full((D,), math.log(S), dtype=torch.float64)], 1).flatten()
    model = LadderVAE(
        Real((D,)),
        latents=(1, 1),
        features=D,
        encoders=[affine(D, torch.eye(D), torch.zeros(D)) for _ in range(2)],
        priors=[
            affine(
                1, torch.tensor([[A], [0.0]], dtype=torch.float64), torch.tensor([M, math.log(T)], dtype=torch.float64)
            )
        ],
        decoder=affine(1, (per_variable * W[:, None]).flatten()[:, None], bias),
        **settings,
    ).double()
    spread = S**2 / float(W @ W)  # of z_1 given x alone, under a flat prior
    to_z = W / float(W @ W)
    slope = A / (A**2 + T**2 + spread)  # of z_2 given that z_1 = to_z (x - b) with this spread
    with torch.no_grad():
        for says, way, off, variance in (
            (model.evidence[0], to_z, -float(to_z @ B), spread),
            (model.evidence[1], slope * to_z, -slope * (float(to_z @ B) + M), 1 - slope * A),
        ):
            says.weight.copy_(torch.stack([way, 0 * way]))
            says.bias.copy_(numbers(off, 0.5 * math.log(variance)))
    covariance = (A**2 + T**2) * W[:, None] * W + S**2 * torch.eye(D).double()
    law = torch.distributions.MultivariateNormal(M * W + B, covariance)
    return model, lambda x: law.log_prob(x)


def means_in_order(*bounds: Tensor) -> None:
    """The means rise, within four standard errors."""
    for low, high in pairwise(bounds):
        gap = (high - low).detach()
        assert float(gap.mean()) > -4 * float(gap.std()) / len(gap) ** 0.5 - 1e-9


def test_the_exact_posterior_makes_every_draw_exact():
    """So the evidence of a layer is joined to what the layer above expects by Bayes' rule: eqs. 17 to 19."""
    model, exact = linear_gaussian()
    x = model.sample(50, noise=Noise(1)).double()
    torch.testing.assert_close(model.importance_bound(x, 3, noise=Noise(2)), exact(x), rtol=0, atol=1e-9)
    for wrong in (lambda i, evidence, expected: evidence, lambda i, evidence, expected: expected or evidence):
        model._joined = wrong  # evidence alone, and expectation alone
        assert float((model.importance_bound(x, 3, noise=Noise(2)) - exact(x)).detach().abs().max()) > 0.1


def test_the_bound_is_the_exact_log_p_on_average_and_without_one_layers_rate_it_is_none():
    model, exact = linear_gaussian()
    x = model.sample(2000, noise=Noise(1)).double()
    reconstruction, rate = (term.detach() for term in model.elbo_terms(x, draws=4, noise=Noise(2)))
    gap = reconstruction - rate - exact(x)
    assert abs(float(gap.mean())) < 4 * float(gap.std()) / len(gap) ** 0.5
    for layer in model.layer_rates(x, draws=4, noise=Noise(2)).detach():
        with pytest.raises(AssertionError):
            means_in_order(reconstruction - rate + layer, exact(x))


def test_bounds_of_another_posterior_climb_and_stay_below():
    model, exact = linear_gaussian()
    with torch.no_grad():
        model.evidence[0].bias += torch.tensor([0.4, 0.3])
        model.evidence[1].bias += torch.tensor([-0.3, 0.2])
    x = model.sample(2000, noise=Noise(1)).double()
    bounds = [model.elbo(x, noise=Noise(2)), *(model.importance_bound(x, k, noise=Noise(3)) for k in (1, 4, 20))]
    means_in_order(bounds[0], bounds[2], bounds[3], exact(x))
    means_in_order(bounds[1], bounds[2])
    assert float((exact(x) - bounds[0]).detach().mean()) > 0.05


def test_rates_are_divergences_and_sum_to_the_rate():
    model, _ = linear_gaussian()
    x = model.sample(5, noise=Noise(1)).double()
    rates, (_, rate) = model.layer_rates(x, noise=Noise(3)), model.elbo_terms(x, noise=Noise(3))
    assert rates.shape == (2, 5) and bool((rates > 0).all())
    torch.testing.assert_close(rates.sum(0), rate)
    mean, log_std = model.evidence[1](x).chunk(2, 1)
    top = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(rates[1], top.sum(1))
    found = likelihood(model, Events(x))
    shown = {name: found.details[name] for name in ("rate of layer 1", "rate of layer 2")}
    assert sum(shown.values()) == pytest.approx(found.details["rate"])


def test_free_nats_and_the_warm_up_stay_in_the_loss():
    (plain, _), (free, _) = linear_gaussian(), linear_gaussian(free_nats=3.0, warmup=10)
    x = plain.sample(6, noise=Noise(1)).double()
    assert torch.equal(plain.elbo(x, noise=Noise(2)), free.elbo(x, noise=Noise(2)))
    torch.testing.assert_close(plain.loss(x, None, Noise(2)), -plain.elbo(x, noise=Noise(2)))
    reconstruction, rates = plain.elbo_terms(x, noise=Noise(2))[0], plain.layer_rates(x, noise=Noise(2))
    for step, weight in ((0, 0.0), (5, 0.5), (10, 1.0), (99, 1.0)):
        free.step.fill_(step)
        expected = weight * rates.clamp(min=3.0).sum(0) - reconstruction
        torch.testing.assert_close(free.loss(x, None, Noise(2)), expected)
    assert not torch.allclose(free.loss(x, None, Noise(2)), -free.elbo(x, noise=Noise(2)))  # the twin reports this


def test_samples_pass_down_through_every_layer():
    model, _ = linear_gaussian()
    x = model.sample(4000, noise=Noise(1)).double()
    covariance = (A**2 + T**2) * W[:, None] * W + S**2 * torch.eye(D).double()
    torch.testing.assert_close(torch.cov(x.T), covariance, rtol=0, atol=0.25)
    torch.testing.assert_close(x.mean(0), M * W + B, rtol=0, atol=0.12)


def test_a_code_is_the_mean_of_the_lowest_layer():
    model, _ = linear_gaussian()
    x = model.sample(20, noise=Noise(1)).double()
    lowest = model.encode(x)
    prior = A**2 + T**2
    spread = S**2 / float(W @ W)
    seen = ((x - B) @ W / float(W @ W))[:, None]
    torch.testing.assert_close(lowest.detach(), (prior * seen + spread * M) / (prior + spread))  # E[z_1 | x]
    torch.testing.assert_close(model.decode(lowest).detach(), (lowest * W + B).detach())


@pytest.mark.parametrize(
    "space",
    [Binary((1, 28, 28)), Levels((1, 8, 8), 17), Levels((5,), 3), Symbols((4,), 5), Real((3,))],
    ids=str,
)
def test_the_recipe_builds_for_every_space(space: Space):
    with seeded(0):
        model = ladder_vae(space, Classes(3)).model
    assert isinstance(model, LadderVAE)
    context = torch.tensor([0, 2])
    x = model.sample(2, context, noise=Noise(0))
    assert bool(model.loss(x, context, Noise(0)).isfinite().all())


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="should be at least 1"):
        LadderVAE(Binary((3,)), latents=())
    with pytest.raises(ValueError, match="free_nats should not be negative"):
        LadderVAE(Binary((3,)), free_nats=-1.0)
    with pytest.raises(ValueError, match="there are 1 encoders and 1 priors"):
        LadderVAE(Binary((3,)), latents=(2, 1), encoders=[nn.Identity()])
