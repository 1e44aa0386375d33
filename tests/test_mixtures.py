"""Mixtures, kernels and dequantisation: EM climbs, closed forms against oracles, bounds below the truth, refusals.

The general laws (normalisation, samples, saving, ...) run over these models in test_laws.py.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.neighbors import KernelDensity
from torch import Tensor
from torch.distributions import Normal

import exact_scores
import ptheta
from ptheta.data.dataset import Dataset, Events
from ptheta.distributions import (
    KDE,
    Dequantized,
    Gaussian,
    GaussianMixture,
    Independent,
    ProductMixture,
    TrainedDequantized,
    Uniform,
    closed_form,
    dequantized_space,
    kde,
)
from ptheta.distributions.mixtures import Mixture, nearest_centre
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols


def blobs(n: int, seed: int = 0) -> Tensor:
    """Three clouds in the plane, unequal and tilted."""
    noise = Noise(seed)
    which = (noise.uniform((n,), "which") * 3).long()
    z = noise.normal((n, 2), "z").double()
    z[:, 1] += 0.8 * z[:, 0]
    return z * torch.tensor([0.5, 1.0, 0.3])[which, None] + torch.tensor([[0.0, 0], [4, 1], [-2, 5]])[which]


def templates(n: int, values: int = 2, seed: int = 0) -> Tensor:
    """Noisy copies of three patterns of twelve cells."""
    noise = Noise(seed)
    patterns = (Noise(99).uniform((3, 12), "patterns") * values).long()
    which = (noise.uniform((n,), "which") * 3).long()
    fresh = (noise.uniform((n, 12), "fresh") * values).long()
    return torch.where(noise.uniform((n, 12), "noisy") < 0.8, patterns[which], fresh)


# EM


def climbs(model: Mixture) -> None:
    """No round of EM lowers its objective."""
    steps = model.trace.diff(dim=1)
    assert model.trace.shape[1] > 3, "EM ended before it could be judged"
    assert float(steps.min()) > -1e-9, f"EM fell by {-float(steps.min())}"


MIXTURES = {
    "bits": (lambda: ProductMixture(Binary((12,)), components=3, tolerance=1e-7, smoothing=0), templates(300).byte()),
    "symbols": (
        lambda: ProductMixture(Symbols((12,), 4), components=3, tolerance=1e-7, smoothing=0.5),
        templates(300, 4),
    ),
    "full": (lambda: GaussianMixture(Real((2,)), components=3, tolerance=1e-7, smoothing=4), blobs(300)),
    "diagonal": (lambda: GaussianMixture(Real((2,)), components=4, tolerance=1e-7, covariance="diagonal"), blobs(300)),
    "unsmoothed": (lambda: GaussianMixture(Real((2,)), components=3, tolerance=1e-7, smoothing=0), blobs(300)),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_em_climbs(name):
    make, x = MIXTURES[name]
    model = make()
    climbs(model.fit(Dataset("x", model.space, Events(x), Events(x[::5]), Events(x[:0]))))


@pytest.mark.parametrize("name", ["bits", "full"])
def test_em_with_a_wrong_m_step_falls(name, monkeypatch):
    make, x = MIXTURES[name]
    model = make()
    model.tolerance = -math.inf
    model.iterations = 20
    right = model.maximise
    rounds = iter(range(1000))

    def wrong(mass, sums, smoothing):
        first, *rest = right(mass, sums, smoothing)
        return first + 0.3 * (next(rounds) % 2), *rest

    monkeypatch.setattr(model, "maximise", wrong)
    with pytest.raises(AssertionError, match="EM fell by"):
        climbs(model.fit(x))


def test_the_trace_ends_at_the_training_likelihood():
    x = templates(300).byte()
    model = ProductMixture(Binary((12,)), components=3, smoothing=0, tolerance=1e-9, iterations=500).fit(x)
    assert model.trace[0, -1].item() == pytest.approx(model.log_prob(x).mean().item(), abs=1e-6)


def test_one_component_is_the_independent_model():
    x = templates(200, 4)
    mixture = ProductMixture(Symbols((12,), 4), components=1, smoothing=1.0).fit(x)
    torch.testing.assert_close(mixture.log_prob(x), Independent(Symbols((12,), 4)).fit(x).log_prob(x))


def test_a_single_symbol_is_certain():
    x = torch.zeros(5, 3, dtype=torch.int64)
    model = ProductMixture(Symbols((3,), 1), components=2).fit(x)
    assert model.log_prob(x).tolist() == pytest.approx([0.0] * 5, abs=1e-12)
    assert torch.equal(model.sample(5, noise=Noise(0)), x)


def test_one_component_is_the_gaussian():
    x = blobs(200)
    mixture = GaussianMixture(Real((2,)), components=1, smoothing=0).fit(x)
    torch.testing.assert_close(mixture.log_prob(x), Gaussian(Real((2,)), floor=0.0).fit(x).log_prob(x))


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_gaussian_mixture_agrees_with_sklearn(covariance):
    x = blobs(400)
    model = GaussianMixture(
        Real((2,)), components=3, covariance=covariance, smoothing=0, tolerance=1e-12, iterations=500
    )
    model.fit(x)
    kind = {"full": "full", "diagonal": "diag"}[covariance]
    oracle = SklearnMixture(
        3, covariance_type=kind, reg_covar=0, tol=1e-12, max_iter=500, means_init=model.mean[0].numpy()
    )
    oracle.fit(x.numpy())
    np.testing.assert_allclose(model.log_prob(x).numpy(), oracle.score_samples(x.numpy()), atol=1e-3)
    oracle.means_, oracle.weights_ = model.mean[0].numpy(), model.log_weight[0].exp().numpy()
    factor = model.factor[0]
    spread = factor @ factor.mT if covariance == "full" else factor.square()
    inverse = torch.linalg.inv(factor).mT if covariance == "full" else 1 / factor
    oracle.covariances_, oracle.precisions_cholesky_ = spread.numpy(), inverse.numpy()
    np.testing.assert_allclose(model.log_prob(x).numpy(), oracle.score_samples(x.numpy()), rtol=1e-9)


def test_a_planted_mixture_is_found():
    train, test = templates(2000).byte(), templates(2000, seed=1).byte()
    model = ProductMixture(Binary((12,)), components=3).fit(train)
    patterns = (Noise(99).uniform((3, 12), "patterns") * 2).long()
    truth = torch.where(patterns[None] == test[:, None], 0.9, 0.1).log().sum(2).logsumexp(1) - math.log(3)
    assert model.log_prob(test).mean().item() > truth.mean().item() - 0.02


def test_the_start_that_validates_best_is_kept():
    train, valid = Events(templates(40).byte()), Events(templates(400, seed=1).byte())
    data = Dataset("templates", Binary((12,)), train, valid, valid)

    def score(restarts):
        model = ProductMixture(Binary((12,)), components=6, restarts=restarts).fit(data)
        return model.log_prob(valid.x).mean().item()

    found = [score(restarts) for restarts in (1, 2, 4, 8)]
    assert found == sorted(found) and found[-1] > found[0]


def test_a_smoothed_component_does_not_shrink_onto_an_event():
    x = torch.cat([blobs(40), torch.full((5, 2), 9.0).double()])  # five equal events
    model = GaussianMixture(Real((2,)), components=4, smoothing=4).fit(x)
    assert float(model.factor.diagonal(dim1=2, dim2=3).min()) > 0.05
    with pytest.raises(ValueError, match="a covariance is singular"):
        GaussianMixture(Real((2,)), components=4, smoothing=0).fit(x)


def collinear(n: int, seed: int = 0) -> Dataset:
    """Six columns, of which three are nearly functions of the others, in two clouds."""
    noise = Noise(seed)
    x = noise.normal((n, 3), "x").double() + 4 * (noise.uniform((n, 1), "which") < 0.5)
    x = torch.cat([x, x @ torch.ones(3, 3).double().tril() + 1e-3 * noise.normal((n, 3), "thin").double()], 1)
    train, valid, test = (Events(part) for part in x.split([n // 2, n // 4, n // 4]))
    return Dataset("collinear", Real.standardising(x), train, valid, test)


def cloud(n: int) -> Dataset:
    """One Gaussian: to have components is to overfit."""
    parts = (Events(Noise(seed).normal((n, 4), "x").double()) for seed in range(3))
    return Dataset("cloud", Real((4,)), *parts)


def coins(n: int) -> Dataset:
    """Independent bits: to have components is to overfit."""
    parts = (Events((Noise(seed).uniform((n, 10), "x") < 0.3).byte()) for seed in range(3))
    return Dataset("coins", Binary((10,)), *parts)


def validates_no_worse_than_one(make, data: Dataset) -> None:
    """A mixture validates at least as well as a single component of its kind."""
    many, one = (make(data.space, components).fit(data).log_prob(data.valid.x).mean() for components in (8, 1))
    assert float(many) >= float(one) - 1e-6, f"a mixture is {float(one - many)} nats worse than one component"


SINGLES = {
    "full, collinear": (lambda space, m, **o: GaussianMixture(space, components=m, **o), collinear(600)),
    "full, one cloud": (lambda space, m, **o: GaussianMixture(space, components=m, **o), cloud(60)),
    "diagonal, one cloud": (lambda space, m: GaussianMixture(space, components=m, covariance="diagonal"), cloud(60)),
    "bits, independent": (lambda space, m: ProductMixture(space, components=m), coins(60)),
}


@pytest.mark.parametrize("name", SINGLES)
def test_a_mixture_validates_at_least_as_well_as_one_component(name, monkeypatch):
    make, data = SINGLES[name]
    validates_no_worse_than_one(make, data)
    if "collinear" not in name:  # the twin: without the single component among what is tried
        monkeypatch.setattr(Mixture, "_single", lambda self, cells, smoothing: self._spread_out(cells, 1e9, ROLL))
        with pytest.raises(AssertionError, match="nats worse than one component"):
            validates_no_worse_than_one(make, data)


ROLL = torch.Generator().manual_seed(0)


def test_smoothing_towards_variances_alone_would_lose_what_one_gaussian_sees(monkeypatch):
    data = collinear(600)

    def gap(**options) -> float:
        model = GaussianMixture(data.space, components=4, **options).fit(data)
        return float((model.log_prob(data.test.x) - Gaussian(data.space).fit(data).log_prob(data.test.x)).mean())

    assert gap() > 0.5  # nats better than one Gaussian
    right = GaussianMixture._broad
    monkeypatch.setattr(GaussianMixture, "_broad", lambda self, mass, sums: right(self, mass, sums).diag().diag())
    assert gap(smoothing=8.0) < -5, "the twin, which shrinks towards a diagonal, should lose"


def test_validation_chooses_the_strength_of_smoothing():
    data = collinear(600)
    scores = {}
    for smoothing in (None, 8.0, 0.8, 0.08, 0.008):
        model = GaussianMixture(data.space, components=4, smoothing=smoothing).fit(data)
        scores[smoothing] = float(model.log_prob(data.valid.x).mean())
    assert scores[None] >= max(scores[8.0], scores[0.8]) - 0.05
    assert max(scores.values()) - min(scores.values()) > 0.1, "smoothing makes no difference here"


def test_without_validation_events_a_fifth_is_held_out_and_all_are_fitted():
    x = collinear(300).train.x
    model = GaussianMixture(Real.standardising(x), components=3).fit(x)
    shuffled = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    assert len(model.smoothings) > 1
    last = model.trace[0, -1]
    total, mass, _ = model._e_step(model.space.cells(x)[shuffled], model.log_weight[0], model.parameters_of(0), 0.0)
    assert float(mass.sum()) == pytest.approx(len(x)) and total > float(last) - 5


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_completions_of_three_reals_follow_the_density(covariance):
    x = torch.cat([blobs(300), blobs(300)[:, :1] ** 2], 1)
    model = GaussianMixture(Real.standardising(x), components=4, covariance=covariance).fit(x)
    for known in ([True, False, True], [False, True, True]):
        mask, at = torch.tensor([known]), x[:1]
        drawn = model.complete(at.expand(3000, -1), mask.expand(3000, -1), noise=Noise(1))[:, ~mask[0]].squeeze(1)
        line = torch.linspace(-20, 30, 20_000, dtype=torch.float64)
        events = at.expand(len(line), -1).clone()
        events[:, ~mask[0]] = line[:, None]
        p = model.log_prob(events).exp()

        def cdf(v: np.ndarray, line: Tensor = line, p: Tensor = p) -> np.ndarray:
            return np.interp(v, line.numpy(), (p.cumsum(0) / p.sum()).numpy())

        assert stats.kstest(drawn, cdf).pvalue > 1e-3
        blind = model.sample(3000, noise=Noise(2))[:, ~mask[0]].squeeze(1)
        assert stats.kstest(blind, cdf).pvalue < 1e-6


# Kernels


def test_kernels_agree_with_sklearn():
    x, query = blobs(200), blobs(50, seed=1)
    oracle = KernelDensity(bandwidth=0.3).fit(x.numpy())
    model = KDE(Real((2,)), bandwidth=0.3).fit(x)
    np.testing.assert_allclose(model.log_prob(query).numpy(), oracle.score_samples(query.numpy()), rtol=1e-9)


def test_the_bandwidth_maximises_the_leave_one_out_likelihood():
    x = blobs(60)

    def leave_one_out(h):
        scores = [
            KDE(Real((2,)), bandwidth=h).fit(torch.cat([x[:i], x[i + 1 :]])).log_prob(x[i : i + 1]) for i in range(60)
        ]
        return float(torch.cat(scores).mean())

    h = float(KDE(Real((2,))).fit(x).width)
    assert leave_one_out(h) > max(leave_one_out(h * 0.9), leave_one_out(h * 1.1))
    training = {g: float(KDE(Real((2,)), bandwidth=g).fit(x).log_prob(x).mean()) for g in (h, h / 10, h / 100)}
    assert training[h] < training[h / 10] < training[h / 100]  # which is why the training likelihood cannot choose


def test_validation_chooses_the_bandwidth_unless_told_otherwise():
    train, valid = Events(blobs(60)), Events(blobs(500, seed=1) * 3)
    data = Dataset("blobs", Real((2,)), train, valid, valid)
    wide = KDE(Real((2,))).fit(data)
    narrow = KDE(Real((2,)), choose="leave-one-out").fit(data)
    assert float(wide.width) > 2 * float(narrow.width)
    assert wide.log_prob(valid.x).mean() > narrow.log_prob(valid.x).mean()


def test_copies_do_not_draw_the_bandwidth_to_zero(monkeypatch):
    once = blobs(60)
    often, alone = (float(KDE(Real((2,))).fit(x).width) for x in (once.repeat(5, 1), once))
    assert often == pytest.approx(alone, rel=0.05)
    data = Dataset("copies", Real((2,)), Events(once), Events(once[:20]), Events(once[:20]))
    assert float(KDE(Real((2,))).fit(data).width) > alone / 2
    monkeypatch.setattr(kde, "SAME", -1.0)
    assert float(KDE(Real((2,))).fit(once.repeat(5, 1)).width) < alone / 50, "the twin keeps copies"
    assert float(KDE(Real((2,))).fit(torch.ones(9, 2)).width) > 0


def test_samples_of_narrow_kernels_are_training_events():
    x = blobs(30)
    drawn = KDE(Real((2,)), bandwidth=1e-6).fit(x).sample(300, noise=Noise(0)).double()
    distance = torch.cdist(drawn, x)
    assert float(distance.amin(1).max()) < 1e-4
    assert len(distance.argmin(1).unique()) == 30


# Dequantisation


def test_the_bound_is_below_the_mass_of_the_cell_and_near_it():
    space = Levels((1,), 17)
    x = (8 + 3 * Noise(0).normal((2000, 1), "x")).round().clamp(0, 16).byte()
    model = Dequantized(Gaussian(dequantized_space(space)), space).fit(x)
    inner = model.model
    normal = Normal(8.5 + 8.5 * inner.mean[0, 0], 8.5 * inner.factor[0, 0, 0])
    levels = torch.arange(17)[:, None].byte()
    y = levels[:, 0].double()
    exact = (normal.cdf(y + 1) - normal.cdf(y)).log()
    bound = model.elbo(levels, draws=2000, noise=Noise(0))
    assert bool((bound < exact + 1e-3).all())
    assert float((exact - bound)[4:13].max()) < 0.01
    with pytest.raises(AssertionError):  # the twin: the density at the lattice point is no bound
        assert bool((inner.log_prob(y[:, None]) < exact + 1e-3).all())


def test_the_bound_is_tight_where_the_density_is_flat():
    space = Levels((3,), 5)
    inner = Uniform(Real((3,)))
    inner.low, inner.high = torch.zeros(1, 3).double(), torch.full((1, 3), 5.0).double()
    x = torch.tensor([[0, 2, 4]]).byte()
    assert Dequantized(inner, space).elbo(x, noise=Noise(0)).item() == pytest.approx(-3 * math.log(5))


@torch.no_grad()
def test_a_logit_spreads_the_ends_and_keeps_the_mass():
    space, margin = Levels((1,), 5), 0.01
    model = TrainedDequantized(ptheta.NADE(dequantized_space(space, margin), hidden=4).double(), space, margin=margin)
    y = torch.linspace(0, 5, 20_001, dtype=torch.float64)[:, None]
    v, stretch = model.spread(y)
    assert float(v[0]) == pytest.approx(math.log(margin / (1 - margin))) and float(v[0]) == pytest.approx(-float(v[-1]))
    inside = torch.trapezoid((model.model.log_prob(v) + stretch).exp(), y[:, 0])  # over the box, as the model of y
    assert float(inside) == pytest.approx(float(torch.trapezoid(model.model.log_prob(v).exp(), v[:, 0])), abs=1e-6)
    assert float(torch.trapezoid(model.model.log_prob(v).exp(), y[:, 0])) != pytest.approx(float(inside), abs=1e-2)
    with pytest.raises(ValueError, match=r"below 0\.5, but it is 0\.5"):
        dequantized_space(space, 0.5)


@torch.no_grad()
def test_through_a_logit_the_loss_is_the_bound_and_samples_follow_the_masses():
    space, margin, n = Levels((1,), 5), 0.4, 4000
    model = TrainedDequantized(ptheta.NADE(dequantized_space(space, margin), hidden=4).double(), space, margin=margin)
    levels = torch.arange(5)[:, None].byte()
    (objective,) = model.objectives()
    loss = objective.loss(levels, None, Noise(0).at("draw", 0))
    torch.testing.assert_close(loss, -model.elbo(levels, noise=Noise(0)), rtol=0, atol=1e-12)
    mass = exact_scores.exact_log_prob(model, levels, None).exp()[1:4]  # what lies outside the box is drawn as its ends
    drawn = model.sample(n, noise=Noise(1)).flatten().bincount(minlength=5)[1:4] / n
    assert bool(((drawn - mass).abs() < 4 * (mass * (1 - mass) / n).sqrt()).all())


def test_samples_outside_the_range_move_to_its_ends():
    space = Binary((1,))
    inner = Gaussian(dequantized_space(space))
    inner.factor = torch.full((1, 1, 1), 100.0).double()
    drawn = Dequantized(inner, space).sample(500, noise=Noise(0))
    space.check(drawn)
    assert 200 < int(drawn.sum()) < 300


def test_one_kind_of_noise_scores_alike_and_two_do_not():
    space = Levels((4,), 5)
    x = (Noise(0).uniform((20, 4), "x") * 5).byte()
    model = Dequantized(KDE(dequantized_space(space)), space).fit(x, seed=1)
    again = Dequantized(KDE(dequantized_space(space)), space).fit(x, seed=1)
    assert torch.equal(model.elbo(x, noise=Noise(3)), again.elbo(x, noise=Noise(3)))
    assert not torch.equal(model.elbo(x, noise=Noise(3)), model.elbo(x, noise=Noise(4)))


def test_every_training_step_dequantises_afresh_and_counts_for_the_inner_model():
    space = Levels((3,), 4)
    model = TrainedDequantized(ptheta.NADE(dequantized_space(space), hidden=4), space)
    x = torch.tensor([[0, 1, 3]]).byte()
    (objective,) = model.objectives()
    losses = [objective.loss(x, None, Noise(0).at("step", k)) for k in (1, 1, 2)]
    assert torch.equal(losses[0], losses[1]) and not torch.equal(losses[0], losses[2])
    model.step += 7
    objective.loss(x, None, Noise(0))
    assert int(model.model.step) == 7


# Refusals, recipes and numbers


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ProductMixture(Levels((1, 28, 28), 256)), "200,704 values, more than 65,536"),
        (lambda: ProductMixture(Real((3,))), "but the space is Real"),
        (lambda: GaussianMixture(Binary((3,))), "GaussianMixture models events of Real spaces"),
        (lambda: GaussianMixture(Real((3,)), components=0), "components should be at least 1"),
        (lambda: GaussianMixture(Real((3,)), components=4).fit(torch.randn(3, 3)), "at least 4 training events"),
        (lambda: KDE(Real((3,)), bandwidth=0.0), "bandwidth should be positive"),
        (lambda: KDE(Levels((3,), 4)), "KDE models events of Real spaces"),
        (lambda: KDE(Real((1,))).fit(torch.zeros(1, 1)), "at least 2 training events"),
        (
            lambda: Dequantized(Gaussian(Real((3,))), Symbols((3,), 4)),
            "dequantisation models events of Binary or Levels",
        ),
        (lambda: Dequantized(Gaussian(Real((2,))), Levels((3,), 4)), r"needs a model of Real\(\(3,\)\)"),
        (lambda: Dequantized(Independent(Levels((3,), 4)), Levels((3,), 4)), "but it models Levels"),
        (
            lambda: TrainedDequantized(ptheta.VAE(Real((3,)), latent=2), Levels((3,), 4)),  # pyright: ignore
            "needs a model with log_prob, but VAE has none",
        ),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()


COUNTING = ["uniform", "independent", "markov", "ar-table", "chow-liu", "full-table", "bernoulli-mixture"]
COUNTING += ["gaussian", "gaussian-mixture", "kde"]


@pytest.mark.parametrize("name", COUNTING)
@pytest.mark.parametrize("space", [Binary((1, 2, 3)), Levels((4,), 5), Symbols((3,), 4), Real((2,))], ids=str)
@pytest.mark.parametrize("context_space", [None, Classes(2)], ids=str)
def test_every_recipe_fits_its_spaces_and_refuses_others_in_a_sentence(name: str, space: Space, context_space):
    n = 60
    if isinstance(space, Real):
        x = Noise(0).normal((n, *space.shape), "x")
    else:
        assert isinstance(space, Binary | Levels | Symbols)
        x = (Noise(0).uniform((n, *space.shape), "x") * space.n).to(space.dtype)
    context = None if context_space is None else torch.arange(n) % 2
    data = Dataset("noise", space, *(Events(x, context),) * 3, context_space=context_space)
    tables = {"markov", "ar-table", "chow-liu", "full-table", "bernoulli-mixture"}
    densities = {"gaussian", "gaussian-mixture", "kde"}
    if (name in tables and isinstance(space, Real)) or (name in densities and isinstance(space, Symbols)):
        with pytest.raises(ValueError, match="but the space is"):
            find_recipe(name)(space, context_space)
        return
    recipe = find_recipe(name)(space, context_space)
    model = recipe.model.fit(data, **recipe.training)
    space.check(model.sample(5, None if context is None else context[:5], noise=Noise(0)))
    exact = isinstance(model, ptheta.HasLogProb)
    assert exact != (name in densities and space.is_discrete)
    score = model.log_prob(x, context) if exact else model.elbo(x, context, noise=Noise(0))  # pyright: ignore
    assert bool(torch.isfinite(score).all())


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize(
    ("name", "settings", "paper", "within"),
    [
        ("dna", {"components": 8, "smoothing": 0.1}, 98.19, 0.6),
        ("mushrooms", {"components": 128, "smoothing": 0.1}, 14.46, 0.3),
    ],
)
def test_mixtures_of_bernoullis_reach_the_papers(name, settings, paper, within):
    data = ptheta.load(name)
    model = ProductMixture(data.space, **settings).fit(data)
    assert -model.log_prob(data.test.x).mean().item() == pytest.approx(paper, abs=within)


@pytest.mark.slow
@pytest.mark.usefixtures("real_data")
def test_ten_bernoullis_on_binarized_mnist():
    data = ptheta.load("binarized-mnist")
    model = ProductMixture(data.space).fit(data)
    assert -model.log_prob(data.test.x).mean().item() == pytest.approx(167.3, abs=2)


@pytest.mark.usefixtures("real_data")
def test_eight_gaussians_on_red_wine():
    found = []
    for fold in range(1, 11):
        data = ptheta.load("red-wine", fold=fold)
        x = torch.cat([data.train.x, data.valid.x])
        space = Real.standardising(x)
        model = GaussianMixture(space, components=8, restarts=1).fit(x)
        found.append(float(model.log_prob(data.test.x).mean()) + space.log_volume)
    assert sum(found) / 10 == pytest.approx(-10.32, abs=0.15)  # of standardised data


# Sharper laws, one for each fault that the others let through


def test_the_start_that_validates_best_need_not_be_the_one_that_trained_best():
    model = ProductMixture(Binary((12,)), components=6, restarts=4)
    cells, valid = templates(40), templates(400, seed=1)
    apart = 0
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        starts = [model._climb(cells, model._spread_out(cells, 0.1, generator), 0.1) for _ in range(model.restarts)]
        held = [float(model._log_prob(valid, fit.log_weight, fit.parameters).mean()) for fit in starts]
        found = model._best(cells, valid, torch.Generator().manual_seed(seed))
        best = max(range(4), key=held.__getitem__)
        assert found.trace == starts[best].trace
        apart += best != max(range(4), key=lambda k: starts[k].trace[-1])
    assert apart > 0, "the two choices never differed, so nothing was tested"


def test_each_centre_is_sought_far_from_all_others():
    clusters = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10]]).double().repeat_interleave(25, 0)
    points = clusters + 1e-3 * Noise(0).normal((100, 2), "points").double()
    for seed in range(20):
        nearest = nearest_centre(points, 4, torch.Generator().manual_seed(seed)).argmax(1).view(4, 25)
        assert bool((nearest == nearest[:, :1]).all()) and len(nearest[:, 0].unique()) == 4


def prior_by_hand(model: GaussianMixture, cells: Tensor) -> float:
    """-a/2 sum_m (log |cov_m| + tr cov_m^-1 S0), S0 = (covariance + 1e-6) / M^(2/D), its diagonal if diagonal."""
    spread = torch.cov(cells.T, correction=0).reshape(cells.shape[1], -1) + 1e-6 * torch.eye(cells.shape[1])
    spread = spread if model.covariance == "full" else spread.diag().diag()
    broad = spread / model.components ** (2 / cells.shape[1])
    factor = model.factor[0] if model.covariance == "full" else model.factor[0].diag_embed()
    covariance = factor @ factor.mT
    trace = (torch.linalg.inv(covariance) @ broad).diagonal(dim1=1, dim2=2).sum()
    return -0.5 * model.smoothings[0] * float(torch.logdet(covariance).sum() + trace)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_objective_is_the_likelihood_times_the_prior(covariance, dimensions):
    x = blobs(150)[:, :dimensions]
    space = Real.standardising(x)
    model = GaussianMixture(space, components=3, covariance=covariance, smoothing=7.0, tolerance=1e-7, iterations=2000)
    model.fit(x)
    likelihood = float((model.log_prob(x) + space.log_volume).sum())
    by_hand = (likelihood + prior_by_hand(model, space.cells(x))) / len(x)
    assert model.trace[0, -1].item() == pytest.approx(by_hand, abs=1e-9)
    assert model.trace.diff(dim=1).min() > -1e-12


def test_much_smoothing_leaves_the_broad_covariance():
    x = blobs(200)
    space = Real.standardising(x)
    model = GaussianMixture(space, components=4, smoothing=1e9, restarts=1, iterations=3).fit(x)
    broad = torch.cov(space.cells(x).T, correction=0) / 4
    torch.testing.assert_close(model.factor[0, 0] @ model.factor[0, 0].T, broad, atol=1e-5, rtol=0)


def test_a_class_chooses_its_bandwidth_on_its_own_validation_events():
    narrow, wide = (scale * Noise(0).normal((120, 2), "x").double() for scale in (0.1, 3.0))
    x, y = torch.cat([narrow, wide]), torch.arange(2).repeat_interleave(120)
    train, valid = Events(x[::2].float(), y[::2]), Events(x[1::2].float(), y[1::2])
    both = Dataset("two", Real((2,)), train, valid, valid, Classes(2))
    width = KDE(Real((2,)), context_space=Classes(2), choose="validation").fit(both).width
    for c in (0, 1):
        part, held = Events(train.x[train.context == c]), Events(valid.x[valid.context == c])
        alone = KDE(Real((2,)), choose="validation").fit(Dataset("one", Real((2,)), part, held, held))
        assert float(width[c]) == pytest.approx(float(alone.width))


def test_samples_of_a_dequantised_density_follow_the_masses_of_its_cells():
    """Chi-square, false alarms once in a thousand seeds."""
    space, n = Levels((1,), 6), 20_000
    x = torch.tensor([0, 1, 2, 2, 3, 3, 3, 4]).byte()[:, None]
    model = Dequantized(Gaussian(dequantized_space(space)), space).fit(x)
    ends = torch.arange(7).double()
    cells = model.model.space.cells(ends[:, None])[:, 0]
    below = torch.special.ndtr((cells - model.model.mean[0, 0]) / model.model.factor[0, 0, 0])
    below[0], below[-1] = 0, 1  # what falls outside moves to the ends
    counts = torch.bincount(model.sample(n, noise=Noise(0))[:, 0].long(), minlength=6)
    assert stats.chisquare(counts.numpy(), (n * below.diff()).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("make", [Independent, Gaussian, KDE, Uniform], ids=lambda c: c.__name__)
def test_samples_do_not_depend_on_the_chunks_they_are_drawn_in(make, monkeypatch):
    space = Real((3,)) if make in (Gaussian, KDE) else Levels((3,), 5)
    x = Noise(1).normal((30, 3), "x") if isinstance(space, Real) else (5 * Noise(1).uniform((30, 3), "x")).byte()
    model = make(space).fit(x)
    whole = model.sample(11, noise=Noise(0))
    monkeypatch.setattr(closed_form, "CELLS", 12)
    assert torch.equal(model.sample(11, noise=Noise(0)), whole)


def test_a_closed_form_cast_to_half_precision_is_refused():
    model = KDE(Real((2,)), bandwidth=1.0).fit(torch.randn(20, 2)).half()
    with pytest.raises(ValueError, match="numbers were cast to"):
        model.log_prob(torch.zeros(1, 2))
    assert model.double().log_prob(torch.zeros(1, 2)).isfinite().all()
