"""The laws of the variational autoencoder: identities of the bound, exact cases, enumeration, and broken twins."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from ptheta.distributions.heads import BernoulliHead, GaussianMixtureHead
from ptheta.flows import MAF
from ptheta.latent import VAE, MixturePrior, StandardNormal
from ptheta.latent import vae as vae_module
from ptheta.nn.convolutional import ConvEncoder
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.recipes.latent import vae
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols
from ptheta.training import Training

GRID = torch.linspace(-12, 12, 241, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])


# The linear-Gaussian model: z ~ N(0, I), x | z ~ N(W z + b, s^2 I), W with orthogonal columns, so that the exact
# posterior is a product and the encoder can be it.


class Affine(nn.Module):
    """Maps its input by fixed numbers to (input @ weight.T + bias, extra columns)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return x @ self.weight.T + self.bias


def linear_gaussian(prior: MixturePrior | None = None, *, tilt: float = 0.0) -> tuple[VAE, Callable[[Tensor], Tensor]]:
    """The model with the exact posterior (shifted by ``tilt``), and its exact log-density in raw units."""
    torch.manual_seed(0)
    d, latent, s = 5, 2, 0.7
    w = torch.linalg.qr(torch.randn(d, latent, dtype=torch.float64))[0] * torch.tensor([1.5, 0.4], dtype=torch.float64)
    b = torch.randn(d, dtype=torch.float64)
    scale = torch.tensor([0.5, 1.0, 2.0, 3.0, 0.1], dtype=torch.float64)
    space = Real((d,), tuple([0.3] * d), tuple(scale.tolist()))
    posterior_variance = 1 / (1 + (w**2).sum(0) / s**2)
    to_mean = posterior_variance[:, None] * w.T / s**2  # (latent, d)
    encoder = Affine(
        torch.cat([to_mean, torch.zeros_like(to_mean)]),
        torch.cat([tilt - to_mean @ b, posterior_variance.log() / 2]),
    )
    zero = torch.zeros_like(w)
    decoder = Affine(
        torch.stack([zero, w, zero], 1).flatten(0, 1),
        torch.stack([0 * b, b, 0 * b + math.log(s)], 1).flatten(),
    )
    model = VAE(space, latent=latent, encoder=encoder, decoder=decoder, prior=prior).double()
    marginal = torch.distributions.MultivariateNormal(b, w @ w.T + s**2 * torch.eye(d, dtype=torch.float64))
    return model, lambda x: marginal.log_prob((x - 0.3) / scale) - scale.log().sum()


def flat_mixture() -> MixturePrior:
    """A standard normal in disguise: the rate is then estimated, not in closed form."""
    return MixturePrior(2, components=1, spread=0.0)


def assert_bounds(bound: Tensor, tighter: Tensor, exact: Tensor, errors: float = 4.0) -> None:
    """The means of both bounds keep their order below the truth, within a few standard errors."""
    for low, high in ((bound, tighter), (tighter, exact)):
        gap = (high - low).detach().double()
        assert float(gap.mean()) > -errors * float(gap.std()) / len(gap) ** 0.5 - 1e-9


def test_exact_posterior_makes_every_draw_exact() -> None:
    model, exact = linear_gaussian(flat_mixture())
    x = model.sample(7, noise=Noise(1)).double()
    torch.testing.assert_close(model.elbo(x, noise=Noise(2)), exact(x), rtol=0, atol=1e-9)
    torch.testing.assert_close(model.importance_bound(x, 9, noise=Noise(2)), exact(x), rtol=0, atol=1e-9)
    tilted, _ = linear_gaussian(flat_mixture(), tilt=0.2)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(tilted.elbo(x, noise=Noise(2)), exact(x), rtol=0, atol=1e-9)


class Corners:
    """Instead of normal draws, the four corners (+-1, +-1): their mean is exact for any quadratic function."""

    def __init__(self, draw: int = 0) -> None:
        self.draw = draw

    def at(self, *path: str | int) -> "Corners":
        return Corners(int(path[-1]))

    def normal(self, shape: torch.Size, key: str, like: Tensor) -> Tensor:
        corner = torch.tensor([1 - 2 * (self.draw & 1), 1 - (self.draw & 2)], dtype=like.dtype)
        return corner.expand(shape)


@pytest.mark.parametrize("tilt", [0.0, 0.5])
@pytest.mark.parametrize("prior", [lambda: None, flat_mixture], ids=["closed form", "estimated"])
def test_the_identities_of_the_bound_hold_exactly_for_a_linear_gaussian_model(prior, tilt: float) -> None:
    """ln p(x) = ELBO + KL(q(z | x) || p(z | x)) and ELBO = reconstruction - KL(q(z | x) || p(z)), to rounding."""
    (model, exact), (best, _) = linear_gaussian(prior(), tilt=tilt), linear_gaussian()
    x = best.sample(7, noise=Noise(1)).double()
    corners: Any = Corners()
    reconstruction, rate = model.elbo_terms(x, draws=4, noise=corners)
    q, posterior = (torch.distributions.Normal(m, s.exp()) for m, s in (model.posterior(x), best.posterior(x)))
    gap = torch.distributions.kl_divergence(q, posterior).sum(1)
    assert bool((gap > 0.1).all()) == (tilt > 0)
    torch.testing.assert_close(model.elbo(x, draws=4, noise=corners) + gap, exact(x), rtol=0, atol=1e-9)
    to_prior = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(rate, to_prior, rtol=0, atol=1e-9)
    torch.testing.assert_close(reconstruction - to_prior + gap, exact(x), rtol=0, atol=1e-9)


def test_bounds_are_ordered_for_a_linear_gaussian_model() -> None:
    model, exact = linear_gaussian(tilt=0.3)
    x = model.sample(4000, noise=Noise(1)).double()
    elbo, tighter = model.elbo(x, noise=Noise(2)), model.importance_bound(x, 20, noise=Noise(3))
    assert_bounds(elbo, tighter, exact(x))
    assert float((exact(x) - elbo).mean().detach()) > 0.05  # the posterior is off, so there is a gap to see

    good, exact = linear_gaussian()
    reconstruction, rate = good.elbo_terms(x, noise=Noise(2))
    assert_bounds(reconstruction - rate, good.importance_bound(x, 20, noise=Noise(3)), exact(x) + 1e-9)
    with pytest.raises(AssertionError):  # the broken twin: half the rate is no bound
        assert_bounds(reconstruction - rate / 2, exact(x), exact(x))


def test_rate_is_the_divergence_of_two_gaussians() -> None:
    model, _ = linear_gaussian(tilt=0.7)
    x = model.sample(6, noise=Noise(1)).double()
    mean, log_std = model.posterior(x)
    q = torch.distributions.Normal(mean, log_std.exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(model.elbo_terms(x)[1], expected, rtol=1e-12, atol=1e-12)
    disguised, _ = linear_gaussian(flat_mixture(), tilt=0.7)
    estimate = disguised.elbo_terms(x, draws=2000, noise=Noise(0))[1]
    torch.testing.assert_close(estimate, expected, rtol=0, atol=0.12)  # 5 standard errors at most


def correlated() -> tuple[VAE, Tensor, float]:
    """A linear-Gaussian decoder held still whose codes are correlated given an event, and the covariance of events.

    Also what the best Gaussian with independent codes misses: (ln prod of the diagonal of P - ln det P) / 2, with P the
    precision of the posterior.
    """
    w, s = torch.tensor([[1.0, 0.9], [0.0, 0.5], [0.7, 0.7]], dtype=torch.float64), 0.7
    zero = torch.zeros_like(w)
    decoder = Affine(torch.stack([zero, w, zero], 1).flatten(0, 1), torch.tensor([0.0, 0.0, math.log(s)] * 3).double())
    with seeded(0):
        encoder = MLP(3, 4, ())
        bend = MAF(Real((2,)), context_space=Real((4,)), layers=1, hidden=(8,)).chain
    model = VAE(Real((3,)), latent=2, encoder=encoder, decoder=decoder.requires_grad_(False), bend=bend).double()
    precision = torch.eye(2).double() + w.T @ w / s**2
    return (
        model,
        w @ w.T + s**2 * torch.eye(3).double(),
        0.5 * float(precision.diagonal().log().sum() - precision.logdet()),
    )


def test_a_bent_posterior_misses_less_than_independent_codes_must():
    model, covariance, least = correlated()
    model.fit(
        model.sample(2000, noise=Noise(0)), steps=400, batch_size=200, learning_rate=0.02, schedule="cosine", seed=0
    )
    x = model.sample(2000, noise=Noise(1)).double()
    exact = torch.distributions.MultivariateNormal(torch.zeros(3).double(), covariance).log_prob(x)
    elbo = model.elbo(x, draws=4, noise=Noise(2)).detach()
    assert_bounds(elbo, model.importance_bound(x, 20, noise=Noise(3)), exact)
    assert float((exact - elbo).mean()) < 0.5 * least
    assert least > 0.1
    bent = model._bent
    model._bent = lambda z, q: (bent(z, q)[0], -bent(z, q)[1])  # the twin: the determinant upside down
    with pytest.raises(AssertionError):
        assert_bounds(model.elbo(x, draws=4, noise=Noise(2)), exact, exact)


def test_a_bent_posterior_refuses_the_gradient_of_a_gaussian():
    with pytest.raises(ValueError, match="leave bend or doubly out"):
        VAE(Binary((3,)), latent=2, importance=3, doubly=True, bend=nn.Identity())


# A small binary model whose marginal is a two-dimensional integral: dense quadrature, every event.


def small_binary() -> tuple[VAE, Tensor]:
    torch.manual_seed(3)
    space = Binary((4,))
    model = VAE(space, latent=2, encoder=MLP(4, 4, (8,)), decoder=MLP(2, 4, (8,), activation=nn.Tanh)).double()
    with torch.no_grad():
        for p in model.decoder.parameters():
            p.mul_(2.5)
    bits = torch.arange(16)[:, None] >> torch.arange(4) & 1
    return model, bits.to(torch.uint8)


def log_joint(model: VAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Grid points (G, 2), and log p(x | z) and log p(z) there, with shapes (B, G) and (G,). Written afresh."""
    z = torch.cartesian_prod(GRID, GRID)
    logits = model.decoder(z, None)
    signs = 2.0 * x.double() - 1
    log_px = nn.functional.logsigmoid(signs[:, None] * logits).sum(-1)
    return z, log_px, -0.5 * (z**2).sum(1) - math.log(2 * math.pi)


def integral(values: Tensor) -> Tensor:
    return values.sum(-1) * STEP**2


@torch.no_grad()
def test_identities_of_the_bound_by_quadrature() -> None:
    model, x = small_binary()
    z, log_px, log_pz = log_joint(model, x)
    log_p = (log_px + log_pz).logsumexp(1) + 2 * math.log(STEP)
    assert abs(float(log_p.exp().sum()) - 1) < 1e-9  # the marginal is normalised over all events

    mean, log_std = model.posterior(x)
    log_q = torch.distributions.Normal(mean[:, None], log_std.exp()[:, None]).log_prob(z).sum(-1)
    q = log_q.exp()
    torch.testing.assert_close(integral(q), torch.ones(16, dtype=torch.float64), rtol=0, atol=1e-9)
    elbo = integral(q * (log_px + log_pz - log_q))
    gap = integral(q * (log_q - (log_px + log_pz - log_p[:, None])))  # KL(q || p(z | x))
    reconstruction, rate = integral(q * log_px), integral(q * (log_q - log_pz))
    torch.testing.assert_close(log_p, elbo + gap, rtol=0, atol=1e-9)
    torch.testing.assert_close(elbo, reconstruction - rate, rtol=0, atol=1e-9)
    assert bool((gap > 0).all())

    terms = model.elbo_terms(x, draws=4000, noise=Noise(0))
    torch.testing.assert_close(terms[0], reconstruction, rtol=0, atol=0.12)  # 5 standard errors at most
    torch.testing.assert_close(terms[1], rate, rtol=0, atol=1e-9)


@torch.no_grad()
def test_importance_bound_rises_to_the_truth() -> None:
    model, x = small_binary()
    _, log_px, log_pz = log_joint(model, x)
    log_p = (log_px + log_pz).logsumexp(1) + 2 * math.log(STEP)
    many, exact = x.repeat(250, 1), log_p.repeat(250)
    bounds = [model.importance_bound(many, k, noise=Noise(5)) for k in (1, 2, 8, 64)]
    for bound, tighter in zip(bounds, [*bounds[1:], exact], strict=True):
        assert_bounds(bound, tighter, exact)
    torch.testing.assert_close(model.importance_bound(x, 5000, noise=Noise(6)), log_p, rtol=0, atol=0.1)
    with pytest.raises(AssertionError):  # the broken twin forgets the 1 / k
        assert_bounds(bounds[2] + math.log(8), exact, exact)


@torch.no_grad()
def test_samples_follow_the_marginal() -> None:
    model, x = small_binary()
    _, log_px, log_pz = log_joint(model, x)
    p = integral((log_px + log_pz).exp())

    def p_value(events: Tensor) -> float:
        codes = (events.long() << torch.arange(4)).sum(1)
        counts = torch.bincount(codes, minlength=16).double()
        return float(stats.chisquare(counts.numpy(), (p / p.sum() * len(events)).numpy()).pvalue)

    assert p_value(model.sample(20000, noise=Noise(0))) > 1e-3  # false alarms: one seed in a thousand
    z = model.prior.sample(20000, noise=Noise(0))
    assert p_value(model.decode(z.double())) < 1e-6  # the broken twin: likely events are no samples


# Every space, every kind of network.

CASES: dict[str, Callable[[], VAE]] = {
    "binary": lambda: VAE(Binary((6,)), latent=3),
    "binary image": lambda: VAE(Binary((1, 5, 7)), latent=3),
    "levels": lambda: VAE(Levels((3, 9, 8), 256), latent=4),
    "levels by class": lambda: VAE(Levels((2, 8, 11), 17), latent=2, context_space=Classes(3)),
    "grades": lambda: VAE(Levels((5,), 4), latent=2, warmup=10),
    "symbols": lambda: VAE(Symbols((4,), 5), latent=2, prior=MixturePrior(2, 3)),
    "symbols in a square": lambda: VAE(Symbols((1, 4, 4), 3), latent=2, importance=3),
    "reals by class": lambda: VAE(Real((3,), (1, 2, 3), (1, 10, 2)), latent=2, context_space=Classes(2)),
    "real images": lambda: VAE(Real((1, 4, 6)), latent=2, importance=4, warmup=5),
    "one real": lambda: VAE(Real(()), latent=1, prior=MixturePrior(1, 4)),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[VAE, Tensor, Tensor | None]:
    with seeded(0):
        model = CASES[request.param]().double()
    context = torch.arange(5) % 2 if model.context_space else None
    return model, model.sample(5, context, noise=Noise(9)), context


def test_shapes_events_and_codes(case: tuple[VAE, Tensor, Tensor | None]) -> None:
    model, x, context = case
    model.check(x, context)
    assert not x.requires_grad
    for score in (model.elbo(x, context, draws=2), model.importance_bound(x, 3, context)):
        assert score.shape == (5,) and bool(score.isfinite().all())
    z = model.encode(x, context)
    model.code_space.check(z, "z")
    model.check(model.decode(z.detach(), context).detach(), context)
    if not isinstance(model.space, Symbols):
        assert model.sample_means(5, context, noise=Noise(9)).shape == x.shape


def test_loss_reaches_every_parameter(case: tuple[VAE, Tensor, Tensor | None]) -> None:
    model, x, context = case
    model.step.fill_(3)  # during the warm-up, where there is one: at its start the rate has no weight
    (objective,) = model.objectives()
    assert {id(p) for p in objective.parameters} == {id(p) for p in model.parameters()}
    objective.loss(x, context, Noise(0)).mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and float(p.grad.abs().max()) > 0, name


def test_loss_in_evaluation_changes_no_buffer(case: tuple[VAE, Tensor, Tensor | None]) -> None:
    model, x, context = case
    model.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.loss(x, context, Noise(0)).sum().backward()
    assert all(bool((v == before[k]).all()) for k, v in model.state_dict().items())


def test_same_noise_same_result_and_rows_stand_alone(case: tuple[VAE, Tensor, Tensor | None]) -> None:
    model, x, context = case
    part = None if context is None else context[2:4]
    scores: tuple[Callable[..., Tensor], ...] = (
        lambda x, c, noise: model.elbo(x, c, draws=3, noise=noise),
        lambda x, c, noise: model.importance_bound(x, 4, c, noise=noise),
        model.loss,
    )
    for score in scores:
        whole = score(x, context, Noise(4))
        assert bool((whole == score(x, context, Noise(4))).all())
        torch.testing.assert_close(score(x[2:4], part, Noise(4).rows(2)), whole[2:4])
    assert bool((model.sample(5, context, noise=Noise(9)) == x).all())
    fewer = model.sample(3, None if context is None else context[:3], noise=Noise(9))
    torch.testing.assert_close(fewer, x[:3])


def test_scores_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = small_binary()
    many = model.sample(300, noise=Noise(0))
    assert bool((many[:3] == model.sample(3, noise=Noise(0))).all())
    bound = model.importance_bound(x, 30, noise=Noise(1))
    monkeypatch.setattr("ptheta.latent.vae.CHUNK", 17)
    torch.testing.assert_close(model.importance_bound(x, 30, noise=Noise(1)), bound)
    assert bool((model.sample(300, noise=Noise(0)) == many).all())
    assert model.sample(0).shape == (0, 4)


def test_loss_is_the_bound_and_the_warmup_weighs_the_rate() -> None:
    model, x = small_binary()
    reconstruction, rate = model.elbo_terms(x, noise=Noise(0))
    torch.testing.assert_close(model.loss(x, None, Noise(0)), rate - reconstruction)
    model.warmup = 8
    for step, weight in ((0, 0.0), (2, 0.25), (8, 1.0), (100, 1.0)):
        model.step.fill_(step)
        torch.testing.assert_close(model.loss(x, None, Noise(0)), weight * rate - reconstruction)
    model.importance = 7
    torch.testing.assert_close(model.loss(x, None, Noise(0)), -model.importance_bound(x, 7, noise=Noise(0)))


def test_training_beats_independence() -> None:
    with seeded(0):
        model = VAE(Binary((6,)), latent=2, encoder=MLP(6, 4, (32,)), decoder=MLP(2, 6, (32,)))
    patterns = torch.tensor([[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]], dtype=torch.uint8)
    x = patterns[torch.arange(400) % 2]
    model.fit(x, steps=200, learning_rate=1e-2)
    bound = float(model.elbo(x, draws=10, noise=Noise(0)).mean().detach())
    assert -2.0 < bound < -math.log(2) + 1e-3  # the entropy is log 2, independent bits get 6 log 2


def test_classes_are_told_apart() -> None:
    with seeded(0):
        model = VAE(Binary((4,)), latent=1, context_space=Classes(2))
    context = torch.arange(400) % 2
    x = context[:, None].expand(400, 4).to(torch.uint8)
    model.fit(_events(model.space, x, context), steps=60, learning_rate=1e-2)
    assert bool(
        (model.sample(2, torch.tensor([0, 1]), noise=Noise(0)).float().mean(1) == torch.tensor([0.0, 1.0])).all()
    )


def _events(space: Space, x: Tensor, context: Tensor) -> object:
    from ptheta.data.dataset import Dataset, Events

    events = Events(x, context)
    return Dataset("toy", space, events, events[:50], events[:50], context_space=Classes(2))


def test_bfloat16_loss_is_near() -> None:
    with seeded(0):
        model = VAE(Levels((1, 8, 8), 17), latent=4, prior=MixturePrior(4, 5))
    x = model.sample(8, noise=Noise(0))
    full = model.loss(x, None, Noise(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model.loss(x, None, Noise(1))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=0.01, atol=0.5)


def test_user_mistakes_are_sentences() -> None:
    class Silent(nn.Module):
        space, context_space = Real((2,)), None

    with pytest.raises(ValueError, match="should have a log_prob, but Silent has none"):
        VAE(Binary((3,)), latent=2, prior=Silent())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"should model Real\(\(2,\)\), but it models Real\(\(3,\)\)"):
        VAE(Binary((3,)), latent=2, prior=StandardNormal(3))
    with pytest.raises(ValueError, match="the mean of unordered symbols has no meaning"):
        VAE(Symbols((3,), 4), latent=2).sample_means(2)
    model = VAE(Binary((3,)), latent=2, context_space=Classes(2))
    with pytest.raises(ValueError, match="needs a context"):
        model.sample(2)
    with pytest.raises(ValueError, match="largest value is 2"):
        model.elbo(torch.full((1, 3), 2, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))


# Priors


def mixture(latent: int) -> MixturePrior:
    with seeded(1):
        prior = MixturePrior(latent, components=3, spread=3.0).double()
        with torch.no_grad():
            prior.logits.copy_(torch.tensor([0.0, 1.0, 2.0]))
            prior.log_scales.normal_(-0.5, 0.3)
    return prior


@torch.no_grad()
def test_mixture_prior_is_a_density_and_agrees_with_torch() -> None:
    prior = mixture(2)
    z = torch.cartesian_prod(GRID, GRID)
    log_p = prior.log_prob(z)
    assert abs(float(integral(log_p.exp())) - 1) < 1e-6
    reference = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=prior.logits),
        torch.distributions.Independent(torch.distributions.Normal(prior.means, prior.log_scales.exp()), 1),
    )
    torch.testing.assert_close(log_p, reference.log_prob(z), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(StandardNormal(2).log_prob(z), -0.5 * (z**2).sum(1) - math.log(2 * math.pi))


@torch.no_grad()
def test_mixture_prior_samples_follow_it() -> None:
    prior = mixture(1)
    weights, means, scales = prior.logits.softmax(0), prior.means[:, 0], prior.log_scales[:, 0].exp()

    def p_value(w: Tensor) -> float:
        cdf = lambda z: (w.numpy() * stats.norm.cdf(z[:, None], means.numpy(), scales.numpy())).sum(1)  # noqa: E731
        return float(stats.kstest(prior.sample(5000, noise=Noise(2))[:, 0].numpy(), cdf).pvalue)

    assert p_value(weights) > 1e-3  # false alarms: one seed in a thousand
    assert p_value(torch.full((3,), 1 / 3, dtype=torch.float64)) < 1e-6  # the broken twin ignores the weights


def test_heads_are_chosen_by_the_space() -> None:
    assert VAE(Binary((3,)), latent=1).head == BernoulliHead()
    head = VAE(Real((3,)), latent=1).head
    assert isinstance(head, GaussianMixtureHead) and head.components == 1


# The recipe


@pytest.mark.parametrize(
    ("space", "network"),
    [
        (Binary((6,)), MLP),
        (Binary((1, 28, 28)), MLP),
        (Levels((1, 8, 8), 17), ConvEncoder),
        (Levels((3, 9, 12), 256), ConvEncoder),
        (Levels((5,), 3), MLP),
        (Symbols((1, 8, 8), 4), MLP),
        (Real((3,)), MLP),
    ],
    ids=str,
)
def test_recipe_builds_for_every_space(space: Space, network: type) -> None:
    recipe = vae(space, Classes(3))
    model = recipe.model
    assert isinstance(model, VAE) and isinstance(model.encoder, network)
    context = torch.tensor([0, 2])
    x = model.sample(2, context, noise=Noise(0))
    assert bool(model.loss(x, context, Noise(0)).isfinite().all())
    Training.of(**recipe.training)


def test_recipe_refuses_to_convolve_vectors() -> None:
    with pytest.raises(ValueError, match="convolutional networks need images"):
        vae(Binary((6,)), network="conv")
    assert isinstance(vae(Binary((1, 28, 28)), network="conv").model, VAE)


def test_samples_of_classes_do_not_depend_on_the_chunks_they_are_drawn_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with seeded(0):
        model = VAE(Binary((6,)), latent=2, context_space=Classes(3)).double()
        for p in model.decoder.parameters():
            nn.init.normal_(p, std=0.5)
    context = torch.tensor([0, 2, 1, 1, 0, 2, 2])
    whole = model.sample(7, context, noise=Noise(0))
    monkeypatch.setattr(vae_module, "CHUNK", 3)
    assert torch.equal(model.sample(7, context, noise=Noise(0)), whole)


class Told(nn.Module):
    """A decoder that says the same of every code."""

    def __init__(self, params: Tensor) -> None:
        super().__init__()
        self.params = nn.Parameter(params)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return self.params.flatten().expand(len(z), -1)


def test_a_code_decodes_to_the_event_nearest_the_mean() -> None:
    logits = torch.tensor([[0.0, 2.0, 0.5], [1.0, -1.0, 0.9]])
    symbols = VAE(Symbols((2,), 3), latent=2, decoder=Told(logits))
    assert symbols.decode(torch.zeros(1, 2)).tolist() == [[1, 0]]
    levels = VAE(Levels((2,), 3), latent=2, decoder=Told(logits))
    means = logits.softmax(1) @ torch.arange(3.0)  # 1.04 and 0.96
    assert levels.decode(torch.zeros(1, 2)).tolist() == [means.round().int().tolist()]


@pytest.mark.parametrize("settings", [{}, {"importance": 3}, {"warmup": 4}, {"prior": MixturePrior(2, 3)}], ids=str)
def test_the_gradient_is_that_of_finite_differences(settings: dict[str, Any]) -> None:
    with seeded(0):
        model = VAE(Binary((5,)), latent=2, **settings).double()
    model.step.fill_(1)
    x, noise, h = torch.tensor([[0, 1, 1, 0, 1], [1, 1, 0, 0, 0]]).byte(), Noise(0), 1e-5
    generator = torch.Generator().manual_seed(1)
    model.loss(x, None, noise).sum().backward()
    for part in (model.encoder, model.decoder, model.prior):
        ways = [(p, torch.randn(p.shape, generator=generator, dtype=p.dtype)) for p in part.parameters()]
        slope = sum(float((p.grad * way).sum()) for p, way in ways if p.grad is not None)
        ends = []
        for sign in (1, -2):
            with torch.no_grad():
                for p, way in ways:
                    p.add_(way, alpha=sign * h)
                ends.append(float(model.loss(x, None, noise).sum()))
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-7)
        with torch.no_grad():
            for p, way in ways:
                p.add_(way, alpha=h)
