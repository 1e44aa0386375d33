"""Laws of the GAN: the value of the game, the costs' gradients, who learns from what, what a discriminator may see."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ptheta.adversarial import GAN, DivergenceGame, MaximumLikelihood, Minimax, NonSaturating, ZeroSlopes
from ptheta.adversarial import gan as critic_module
from ptheta.adversarial import push_forward as module
from ptheta.data.dataset import Dataset, Events
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
from ptheta.model import Objective
from ptheta.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.optimizers import Adam
from ptheta.recipes.adversarial import dcgan, f_gan, gan
from ptheta.spaces import Binary, Classes, Levels, Real, Symbols

SMOOTH = (KL(), ReverseKL(), JensenShannon(), GANDivergence(), Pearson(), Neyman(), SquaredHellinger(), Jeffrey())
IMAGES = Levels((1, 9, 8), 17)


def dense(space=IMAGES, **settings) -> GAN:
    torch.manual_seed(0)
    return GAN(space, latent=5, **settings).double()


def convolutional(space=IMAGES, context_space=None, **settings) -> GAN:
    torch.manual_seed(0)
    features = (context_space.n,) if context_space else ()
    generator = DCGANGenerator(5, space.shape, 4, context=features)
    discriminator = DCGANDiscriminator(space.shape, 4, context=features)
    for weight in generator.parameters():
        weight.data *= 10 if weight.ndim > 1 else 1  # fresh running statistics would hide weights this small
    nets = {"generator": generator, "discriminator": discriminator}
    return GAN(space, latent=5, context_space=context_space, **nets, **settings).double()


def normalised() -> GAN:
    """Ordinary batch normalisation in the one network, spectral normalisation, whose buffers move too, in the other."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(5, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 72))
    discriminator = nn.Sequential(
        nn.Flatten(), spectral_norm(nn.Linear(72, 16, bias=False)), nn.BatchNorm1d(16), nn.Linear(16, 1)
    )
    return dense(generator=generator, discriminator=discriminator)


MODELS = {
    "levels": dense,
    "bits": lambda: dense(Binary((12,))),
    "reals": lambda: dense(Real((3,), (1.0, 2.0, 3.0), (0.5, 1.0, 2.0))),
    "conditional": lambda: dense(context_space=Classes(3)),
    "penalised": lambda: dense(penalty=ZeroSlopes()),
    "f-gan": lambda: dense(game=DivergenceGame(Pearson(), Minimax()), discriminator_steps=2),
    "dcgan": convolutional,
    "conditional-dcgan": lambda: convolutional(context_space=Classes(3)),
    "large-dcgan": lambda: convolutional(Levels((3, 18, 25), 256)),
    "normalised": normalised,
}
models = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def batch(model: GAN, n: int = 6) -> tuple[Tensor, Tensor | None]:
    u = torch.rand(n, *model.space.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = u if isinstance(model.space, Real) else (u * model.space.n).to(torch.uint8)
    return x, None if model.context_space is None else torch.arange(n) % model.context_space.n


# The generator's gradient, lecture claim 3 ----------------------------------------------------------------------------

P = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
THETA = torch.tensor([0.3, -0.7, 0.2, 0.9], dtype=torch.float64)


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum()


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


def optimal_output(divergence: FDivergence, u: Tensor) -> Tensor:
    """The v that stands for the ratio u, by bisection."""
    low, high = torch.full_like(u, -60), torch.full_like(u, 60)
    for _ in range(100):
        middle = (low + high) / 2
        below = divergence.ratio(middle) < u
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


def gradient_of(value) -> Tensor:
    theta = THETA.clone().requires_grad_()
    return torch.autograd.grad(value(theta.softmax(0)), theta)[0]


def gradient_of_cost(cost, divergence: FDivergence) -> Tensor:
    """The generator's gradient on four states, with the best discriminator held fixed."""
    v = optimal_output(divergence, P / THETA.softmax(0))
    return gradient_of(lambda q: (q * cost(divergence, v)).sum())


CLAIMS = {
    Minimax(): lambda q: 2 * jensen_shannon(P, q),
    NonSaturating(): lambda q: kl(q, P) - 2 * jensen_shannon(P, q),
    MaximumLikelihood(): lambda q: kl(P, q),
}


@pytest.mark.parametrize("cost", CLAIMS, ids=repr)
def test_each_cost_has_the_gradient_it_claims(cost):
    torch.testing.assert_close(gradient_of_cost(cost, GANDivergence()), gradient_of(CLAIMS[cost]), atol=1e-9, rtol=0)


@pytest.mark.parametrize("cost", CLAIMS, ids=repr)
def test_no_cost_has_the_gradient_of_another(cost):
    for other in set(CLAIMS) - {cost}:
        assert float((gradient_of_cost(cost, GANDivergence()) - gradient_of(CLAIMS[other])).abs().max()) > 1e-3


@pytest.mark.parametrize("divergence", SMOOTH, ids=repr)
def test_minimax_descends_the_divergence_and_maximum_likelihood_descends_kl(divergence: FDivergence):
    descent = gradient_of(lambda q: divergence.between(P, q))
    torch.testing.assert_close(gradient_of_cost(Minimax(), divergence), descent, atol=1e-9, rtol=0)
    likelihood = gradient_of(lambda q: kl(P, q))
    torch.testing.assert_close(gradient_of_cost(MaximumLikelihood(), divergence), likelihood, atol=1e-9, rtol=0)


def test_the_practical_alternative_of_kl_descends_reverse_kl():
    torch.testing.assert_close(
        gradient_of_cost(NonSaturating(), KL()), gradient_of(lambda q: kl(q, P)), atol=1e-9, rtol=0
    )


# The value of the game and its gradients, through the losses that train -----------------------------------------------
#
# P = N(0, 1), Q = N(0.4, 1.25^2), the best discriminator in closed form. The data and the latents are the nodes of a
# quadrature, so a weighted sum of losses is an expectation, to rounding.

NODES = torch.linspace(-16, 16, 6401, dtype=torch.float64)
WEIGHTS = torch.exp(-(NODES**2) / 2) / math.sqrt(2 * math.pi) * 32 / 6400
MEAN, DEVIATION = 0.4, 1.25


class Nodes:
    """A noise whose normals are the nodes."""

    def normal(self, shape, key, like):
        return NODES[:, None]


class Best(nn.Module):
    """The best discriminator of P against Q; ``off`` is how far it errs."""

    def __init__(self, output, off: float = 0.0) -> None:
        super().__init__()
        self.output, self.off = output, off

    def forward(self, x: Tensor) -> Tensor:
        z = (x - MEAN) / DEVIATION
        v = self.output((z**2 - x**2) / 2 + math.log(DEVIATION))  # of log p(x) / q(x)
        return v + self.off * (2 * x).sin()


OUTPUTS = {  # v of the best discriminator, of the log ratio, by hand: g(v) = f'(p / q)
    KL(): lambda r: 1 + r,
    ReverseKL(): lambda r: r,
    JensenShannon(): lambda r: r,
    GANDivergence(): lambda r: r,
    Pearson(): lambda r: 2 * (r.exp() - 1),
    Neyman(): lambda r: 2 * r,
    SquaredHellinger(): lambda r: r / 2,
    Jeffrey(): lambda r: 1 + r - (-r).exp(),
    TotalVariation(): lambda r: 40 * r.sign(),
}
TEXTBOOK = {  # what is integrated over the line
    KL(): lambda p, q: p * np.log(p / q),
    ReverseKL(): lambda p, q: q * np.log(q / p),
    JensenShannon(): lambda p, q: p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)),
    GANDivergence(): lambda p, q: p * np.log(p / (p + q)) + q * np.log(q / (p + q)),
    Pearson(): lambda p, q: (p - q) ** 2 / q,
    Neyman(): lambda p, q: (p - q) ** 2 / p,
    SquaredHellinger(): lambda p, q: (np.sqrt(p) - np.sqrt(q)) ** 2,
    Jeffrey(): lambda p, q: (p - q) * np.log(p / q),
    TotalVariation(): lambda p, q: np.abs(p - q) / 2,
}


def game(divergence: FDivergence, cost=NonSaturating(), off: float = 0.0) -> GAN:  # noqa: B008
    generator = nn.Linear(1, 1).double()
    nn.init.constant_(generator.weight, DEVIATION), nn.init.constant_(generator.bias, MEAN)
    best = Best(OUTPUTS[divergence], off)
    return GAN(
        Real((1,)), latent=1, generator=generator, discriminator=best, game=DivergenceGame(divergence, cost)
    ).double()


def value(model: GAN) -> float:
    return -float((WEIGHTS * model.discriminator_loss(NODES[:, None], None, Nodes())).sum())


@pytest.mark.parametrize("divergence", OUTPUTS, ids=repr)
def test_the_loss_at_the_best_discriminator_is_the_divergence_and_any_other_is_lower(divergence: FDivergence):
    def integrand(x: float) -> float:
        return TEXTBOOK[divergence](stats.norm.pdf(x), stats.norm.pdf(x, MEAN, DEVIATION))

    truth = integrate.quad(integrand, -16, 16, limit=500, epsabs=1e-12)[0]
    jumps = isinstance(divergence, TotalVariation)  # so does its critic, and the quadrature is that much coarser
    assert value(game(divergence)) == pytest.approx(truth, abs=1e-3 if jumps else 1e-9)
    for off in (-50, 50) if jumps else (-0.3, 0.1, 0.3):
        assert value(game(divergence, off=off)) < truth - 1e-4


def test_at_chance_the_value_is_minus_log_4():
    model = dense(Real((1,)), generator=nn.Linear(5, 1), discriminator=nn.Linear(1, 1))
    nn.init.zeros_(model.discriminator.weight), nn.init.zeros_(model.discriminator.bias)
    loss = model.discriminator_loss(NODES[:, None], None, Noise(0))
    torch.testing.assert_close(loss, torch.full_like(NODES, math.log(4)))


def descent(divergence: FDivergence) -> Tensor:
    """The gradient of the textbook divergence in Q's deviation and mean, by differences of quadratures."""

    def of(deviation: float, mean: float) -> float:
        x = NODES.numpy()
        return float(TEXTBOOK[divergence](stats.norm.pdf(x), stats.norm.pdf(x, mean, deviation)).sum() * 32 / 6400)

    h = 1e-4
    deviation = (of(DEVIATION + h, MEAN) - of(DEVIATION - h, MEAN)) / (2 * h)
    return torch.tensor([deviation, (of(DEVIATION, MEAN + h) - of(DEVIATION, MEAN - h)) / (2 * h)])


def claim(cost, divergence: FDivergence) -> Tensor:
    """What the gradient of a cost should be, in Q's deviation and mean (claim 3, and f-GAN section 3.2)."""
    match cost:
        case Minimax():
            return descent(divergence)
        case MaximumLikelihood():
            return torch.tensor([1 / DEVIATION - (1 + MEAN**2) / DEVIATION**3, MEAN / DEVIATION**2])  # of KL(p || q)
        case _:
            reverse = torch.tensor([DEVIATION - 1 / DEVIATION, MEAN])  # of KL(q || p)
            return reverse if isinstance(divergence, KL) else reverse - descent(JensenShannon())


def gradient_of_loss(cost, divergence: FDivergence) -> Tensor:
    model = game(divergence, cost)
    loss = (WEIGHTS * model.generator_loss(NODES[:, None], None, Nodes())).sum()
    return torch.stack([g.flatten()[0] for g in torch.autograd.grad(loss, list(model.generator.parameters()))])


TRAINED = [(cost, d) for cost in (Minimax(), MaximumLikelihood()) for d in SMOOTH]
TRAINED += [(NonSaturating(), d) for d in (GANDivergence(), JensenShannon(), KL())]


@pytest.mark.parametrize(("cost", "divergence"), TRAINED, ids=repr)
def test_the_generators_loss_has_the_gradient_its_cost_claims(cost, divergence: FDivergence):
    found = gradient_of_loss(cost, divergence).float()
    torch.testing.assert_close(found, claim(cost, divergence), atol=1e-6, rtol=1e-5)


def test_the_generators_loss_has_no_other_gradient():
    for cost in CLAIMS:
        for other in set(CLAIMS) - {cost}:
            off = gradient_of_loss(cost, GANDivergence()).float() - claim(other, GANDivergence())
            assert float(off.abs().max()) > 1e-2


# Who learns -----------------------------------------------------------------------------------------------------------


def check_objectives(model: GAN, objectives: tuple[Objective, ...]) -> None:
    """Each objective reaches each of its parameters; together they cover them all, each once."""
    x, context = batch(model)
    for objective in objectives:
        loss = objective.loss(x, context, Noise(0))
        assert loss.shape == (len(x),) and bool(torch.isfinite(loss).all())
        for gradient in torch.autograd.grad(loss.mean(), objective.parameters):
            assert bool((gradient != 0).any())
    owned = [id(p) for objective in objectives for p in objective.parameters]
    assert len(owned) == len(set(owned)), "two objectives move one parameter"
    assert set(owned) == {id(p) for p in model.parameters()}


@models
def test_each_objective_reaches_its_own_parameters_and_no_other(make):
    model = make()
    check_objectives(model, model.objectives())


def test_a_generator_objective_that_touches_the_discriminator_is_rejected():
    model = dense()
    critic, generator = model.objectives()
    greedy = Objective("generator", generator.loss, tuple(model.parameters()))
    with pytest.raises(AssertionError, match="two objectives"):
        check_objectives(model, (critic, greedy))


def test_the_discriminators_loss_builds_no_graph_through_the_generator():
    model = dense()
    model.discriminator_loss(*batch(model), Noise(0)).mean().backward()
    assert all(p.grad is None for p in model.generator.parameters())


def test_the_generator_learns_at_every_kth_step():
    model = dense(Real((2,)), discriminator_steps=3, optimizers=(Adam(1e-2), Adam(1e-2)))
    assert [o.every for o in model.objectives()] == [1, 3]
    x, moved = batch(model, 50)[0], []
    for steps in (1, 3, 4):
        learner = copy.deepcopy(model)
        learner.fit(x, steps=steps, batch_size=10)
        moved.append(next(learner.generator.parameters()).detach().clone())
    assert bool((moved[0] == moved[1]).all()) and not bool((moved[1] == moved[2]).all())


def buffers_and_weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> list[str]:
    return [name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])]


@models
def test_losses_in_evaluation_mode_change_nothing(make):
    model = make().eval()
    before = buffers_and_weights(model)
    for objective in model.objectives():
        objective.loss(*batch(model), Noise(0))
    assert changed(model, before) == []


def check_that_players_leave_each_other_alone(model: GAN, objectives: tuple[Objective, ...]) -> None:
    """A step of each objective moves all of its own parameters, and no weight, buffer or statistic of the other's."""
    for objective in objectives:
        before = buffers_and_weights(model)
        model.zero_grad()
        objective.loss(*batch(model), Noise(0)).mean().backward(inputs=objective.parameters)
        torch.optim.SGD(objective.parameters, 0.1).step()
        moved = changed(model, before)
        own = {name for name, _ in model.named_parameters() if name.startswith(objective.name)}
        assert own <= set(moved), f"the {objective.name}'s step leaves {own - set(moved)} as they are"
        touched = [name for name in moved if not name.startswith(objective.name)]
        assert not touched, f"the {objective.name}'s step moves {touched}"


@models
def test_players_leave_each_other_alone(make):
    model = make().train()
    check_that_players_leave_each_other_alone(model, model.objectives())


@pytest.mark.parametrize("make", [MODELS["large-dcgan"], normalised])
def test_a_borrowed_network_that_counts_is_rejected(make, monkeypatch):
    for place in (module, critic_module):
        monkeypatch.setattr(place, "run", lambda network, x, c, borrowed: network(x) if c is None else network(x, c))
    critic, generator = (model := make()).objectives()
    with pytest.raises(AssertionError, match=r"the generator's step moves \['discriminator"):
        check_that_players_leave_each_other_alone(model, (generator,))
    with pytest.raises(AssertionError, match=r"the discriminator's step moves \['generator"):
        check_that_players_leave_each_other_alone(model, (critic,))


def test_a_generator_objective_that_moves_the_discriminator_is_rejected():
    model = dense()
    generator = model.objectives()[1]
    greedy = Objective("generator", generator.loss, tuple(model.parameters()))
    with pytest.raises(AssertionError, match=r"the generator's step moves \['discriminator"):
        check_that_players_leave_each_other_alone(model, (greedy,))


def test_statistics_follow_the_players_own_steps():
    model = convolutional()
    before = buffers_and_weights(model.generator)
    model.generator_loss(*batch(model), Noise(0))
    assert len(changed(model.generator, before)) == 2 * 3  # the mean, the variance and the count of either layer


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_the_losses_leave_the_callers_events_alone(penalty: float):
    model = dense(
        Real((3,)), penalty=ZeroSlopes(penalty)
    )  # reals that need no standardising are embedded as themselves
    x = batch(model)[0]
    before = x.clone()
    for objective in model.objectives():
        objective.loss(x, None, Noise(0)).mean().backward(inputs=objective.parameters)
    assert torch.equal(x, before) and not x.requires_grad and x.grad is None


def test_the_gradient_penalty_is_that_of_finite_differences():
    smooth = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    model = dense(Real((3,)), discriminator=smooth, penalty=ZeroSlopes(3.0))
    x = batch(model)[0]
    with_penalty = model.discriminator_loss(x, None, Noise(0))
    model.penalty = None
    penalty = with_penalty - model.discriminator_loss(x, None, Noise(0))
    step = 1e-5 * torch.eye(3, dtype=torch.float64)
    slopes = [(model.discriminator(x + e) - model.discriminator(x - e))[:, 0] / 2e-5 for e in step]
    expected = 1.5 * torch.stack(slopes).square().sum(0)
    torch.testing.assert_close(penalty, expected, atol=1e-8, rtol=1e-6)
    assert not torch.allclose(penalty, expected / 1.5 * 3, rtol=1e-2)  # the broken twin forgets the half


# What the discriminator sees ------------------------------------------------------------------------------------------


class Recorder(nn.Module):
    """A discriminator that keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, y: Tensor) -> Tensor:
        self.seen.append(y.detach())
        return self.scale * y.flatten(1).sum(1)


def on_the_lattice(space, y: Tensor) -> Tensor:
    return space.embed(space.project(y), y.dtype) == y


@pytest.mark.parametrize("space", [Levels((1, 4, 4), 17), Binary((16,))], ids=str)
def test_data_and_fakes_are_jittered_alike_and_rounding_undoes_it(space):
    model = dense(space, discriminator=Recorder())
    x = batch(model, 200)[0]
    model.discriminator_loss(x, None, Noise(0))
    model.generator_loss(x, None, Noise(0))
    lattice = space.embed(x, torch.float64)
    assert bool(on_the_lattice(space, lattice).all())  # the leak that the jitter closes
    assert len(model.discriminator.seen) == 3
    assert not any(bool(on_the_lattice(space, y).any()) for y in model.discriminator.seen)
    data, fake, again = model.discriminator.seen
    assert torch.equal(space.project(data), x) and torch.equal(fake, again)
    with torch.no_grad():
        made = model.push(model.latents(200, Noise(0)), None)
    offsets = [((seen - clean) * (space.n - 1)).flatten().numpy() for seen, clean in ((data, lattice), (fake, made))]
    # False-alarm rate 1e-3 each: uniform over the cell on both sides, and one side's noise says nothing of the other's.
    for offset in offsets:
        assert stats.kstest(offset, stats.uniform(-1, 2).cdf).pvalue > 1e-3
        assert stats.kstest(0.9 * offset, stats.uniform(-1, 2).cdf).pvalue < 1e-3  # the broken twin: smaller cells
    assert abs(np.corrcoef(*offsets)[0, 1]) < 3.3 / math.sqrt(len(offsets[0]))


# Sampling -------------------------------------------------------------------------------------------------------------


@models
def test_a_row_depends_on_the_noise_and_not_on_its_neighbours(make):
    model = make()  # in training mode, where batch normalisation would look at the batch
    context = None if model.context_space is None else torch.arange(7) % 3
    first = None if context is None else context[:2]
    x = model.sample(7, context, noise=Noise(3))
    assert not x.requires_grad and x.shape == (7, *model.space.shape)
    model.space.check(x)
    assert torch.equal(model.sample(7, context, noise=Noise(3)), x)
    assert not torch.equal(model.sample(7, context, noise=Noise(4)), x)
    torch.testing.assert_close(model.sample(2, first, noise=Noise(3)), x[:2], atol=1e-9, rtol=0)
    rest = None if context is None else context[2:]
    torch.testing.assert_close(model.sample(5, rest, noise=Noise(3).rows(2)), x[2:], atol=1e-9, rtol=0)
    assert model.training


def test_batch_statistics_would_tie_rows_together():
    model = convolutional()
    z = Noise(3).normal((7, 5), "latent").double()
    together, alone = model.generator(z)[:2], model.generator(z[:2])
    assert float((together - alone).detach().abs().max()) > 1e-3


def test_no_events_are_an_empty_tensor():
    assert dense().sample(0).shape == (0, *IMAGES.shape)


def test_many_events_equal_one_batch_of_them():
    model = dense(Levels((2,), 5))
    assert torch.equal(model.sample(2500, noise=Noise(0))[:3], model.sample(3, noise=Noise(0)))


# Learning -------------------------------------------------------------------------------------------------------------


def test_a_gaussian_is_learnt_through_the_engine():
    x = Noise(5).normal((4000, 1), "data") * 0.5 + 2
    torch.manual_seed(0)
    affine = nn.Linear(1, 1)
    nn.init.ones_(affine.weight), nn.init.zeros_(affine.bias)
    critic = MLP(1, 1, (32, 32), activation=nn.Tanh)
    rules = {"game": DivergenceGame(KL(), Minimax()), "optimizers": (Adam(2e-2), Adam(2e-2))}
    model = GAN(Real((1,)), latent=1, generator=affine, discriminator=critic, **rules)
    model.fit(x, steps=400, batch_size=200, schedule="linear", ema=0.98)
    assert affine.bias.item() == pytest.approx(2, abs=0.1)
    assert abs(affine.weight.item()) == pytest.approx(0.5, abs=0.1)


def test_classes_decide_what_is_drawn():
    labels = torch.arange(2000) % 2
    x = labels[:, None] * 4.0 - 2 + 0.3 * Noise(5).normal((2000, 1), "data")
    events = Events(x, labels)
    data = Dataset("two", Real((1,)), events, events[:1], events[:1], Classes(2))
    torch.manual_seed(0)
    model = gan(Real((1,)), Classes(2), hidden=(32,), latent=2).model
    model.fit(data, steps=300, batch_size=100, learning_rate=2e-3)
    drawn = model.sample(500, torch.arange(500) % 2, noise=Noise(1))[:, 0]
    assert float(drawn[1::2].mean() - drawn[0::2].mean()) > 3


# Refusals -------------------------------------------------------------------------------------------------------------


def test_symbols_are_refused():
    with pytest.raises(ValueError, match="GAN models events of Levels or Binary or Real spaces"):
        GAN(Symbols((3,), 4))


def test_a_missing_or_unexpected_context_is_refused():
    with pytest.raises(ValueError, match="needs a context"):
        dense(context_space=Classes(3)).sample(2)
    with pytest.raises(ValueError, match="without context_space"):
        dense().sample(2, torch.tensor([0, 1]))


def test_total_variation_refuses_the_cost_that_needs_ratios():
    with pytest.raises(ValueError, match="does not know the ratio"):
        model = dense(game=DivergenceGame(TotalVariation(), MaximumLikelihood()))
        model.generator_loss(*batch(model), Noise(0))


# Recipes --------------------------------------------------------------------------------------------------------------

DIVERGENCES = ("kl", "reverse-kl", "js", "pearson", "neyman", "squared-hellinger", "jeffrey", "total-variation")


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_every_divergence_trains(divergence: str):
    recipe = f_gan(Real((2,)), divergence=divergence, hidden=(8,), latent=2)
    model = recipe.model.fit(torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), steps=3, batch_size=10)
    assert bool(torch.isfinite(model.sample(5, noise=Noise(0))).all())


@pytest.mark.parametrize("recipe", [gan, dcgan, f_gan])
@pytest.mark.parametrize("context_space", [None, Classes(3)], ids=["plain", "conditional"])
def test_recipes_train_on_images_as_they_say(recipe, context_space):
    built = recipe(IMAGES, context_space)
    x, context = batch(built.model, 8)
    data = Dataset("toy", IMAGES, Events(x, context), Events(x, context), Events(x, context), context_space)
    built.model.fit(data, **{**built.training, "steps": 2, "batch_size": 4})
    IMAGES.check(built.model.sample(3, None if context is None else context[:3], noise=Noise(0)))


def test_dcgan_refuses_vectors():
    with pytest.raises(ValueError, match="dcgan models images"):
        dcgan(Levels((12,), 4))


@pytest.mark.parametrize("cost", ["minimax", "non-saturating", "maximum-likelihood"])
def test_costs_have_names(cost: str):
    words = "".join(word.capitalize() for word in cost.split("-"))
    assert repr(gan(IMAGES, cost=cost).model.game.cost) == f"{words}()"


def test_weights_start_with_the_standard_deviation_of_the_paper():
    with seeded(0):
        networks = DCGANGenerator(32, (3, 16, 16), width=32), DCGANDiscriminator((3, 16, 16), width=32)
    for network in networks:
        layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        spread = torch.cat([layer.weight.detach().flatten() for layer in layers]).std()
        assert float(spread) == pytest.approx(0.02, rel=0.05)


def test_a_critic_without_normalisation_judges_each_event_by_itself():
    y = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    alone = {}
    for normalised in (False, True):
        with seeded(0):
            critic = DCGANDiscriminator((1, 16, 16), width=4, normalised=normalised)  # which is training
        alone[normalised] = torch.allclose(critic(y)[:2], critic(y[:2]), atol=1e-6)
    assert alone == {False: True, True: False}


class Seen(nn.Module):
    """A discriminator that notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.shown = nn.Parameter(torch.ones(())), []

    def forward(self, y: Tensor) -> Tensor:
        self.shown.append(y.detach().flatten(1))
        return self.weight * y.flatten(1).sum(1)


@pytest.mark.parametrize("bias", [0.0, 50.0])
def test_data_and_fakes_are_jittered_each_by_noise_of_its_own_within_the_cells_of_levels(bias: float):
    generator = nn.Linear(2, 6)
    nn.init.zeros_(generator.weight)
    nn.init.constant_(generator.bias, bias)
    model = GAN(Levels((6,), 3), latent=2, generator=generator, discriminator=Seen())
    model.discriminator_loss(torch.ones(50, 6).byte(), None, Noise(0))  # the level in the middle is embedded as 0
    jitters = [shown - shown.median().round() for shown in model.discriminator.shown]
    assert not torch.equal(*jitters)
    for jitter in jitters:
        assert 0.45 < float(jitter.abs().max()) <= 0.5
    assert max(float(shown.abs().max()) for shown in model.discriminator.shown) <= 1.5


def test_each_player_has_its_own_optimiser():
    critic, maker = Adam(0.1), Adam(0.2)
    first, second = GAN(Real((2,)), latent=2, optimizers=(critic, maker)).objectives()
    assert (first.name, first.optimizer, second.name, second.optimizer) == ("discriminator", critic, "generator", maker)


def test_samples_of_classes_do_not_depend_on_the_chunks_they_are_drawn_in(monkeypatch):
    model = GAN(Real((2,)), latent=2, context_space=Classes(3)).double()
    context = torch.tensor([0, 2, 1, 1, 0, 2, 2])
    whole = model.sample(7, context, noise=Noise(0))
    monkeypatch.setattr(module, "CHUNK", 3)
    torch.testing.assert_close(model.sample(7, context, noise=Noise(0)), whole)


@pytest.mark.parametrize("mode", [True, False])
def test_sampling_leaves_the_mode_of_the_generator(mode: bool):
    model = GAN(Real((2,)), latent=2)
    model.train(mode)
    model.sample(2, noise=Noise(0))
    assert model.generator.training is mode


@pytest.mark.parametrize("penalty", [0.0, 5.0])
def test_gradients_are_those_of_finite_differences(penalty: float):
    with seeded(0):
        critic = MLP(2, 1, (4,), activation=nn.Tanh)
        model = GAN(Real((2,)), latent=2, discriminator=critic, penalty=ZeroSlopes(penalty)).double()
    x, noise, h = Noise(1).normal((5, 2), "x").double(), Noise(0), 1e-5
    for objective in model.objectives():
        model.zero_grad()
        objective.loss(x, None, noise).sum().backward(inputs=objective.parameters)
        generator = torch.Generator().manual_seed(1)
        ways = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in objective.parameters]
        slope = sum(float((p.grad * way).sum()) for p, way in zip(objective.parameters, ways, strict=True))
        ends = []
        for sign in (1, -2):
            with torch.no_grad():
                for p, way in zip(objective.parameters, ways, strict=True):
                    p.add_(way, alpha=sign * h)
            ends.append(float(objective.loss(x, None, noise).sum().detach()))
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4)
