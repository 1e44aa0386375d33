"""Laws of the GAN: the costs' gradients, who learns from what, and what the discriminator may see."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from ptheta.adversarial import GAN, MaximumLikelihood, Minimax, NonSaturating
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
from ptheta.nn.dcgan import BatchNorm, DCGANDiscriminator, DCGANGenerator
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
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
    features = context_space.n if context_space else 0
    generator = DCGANGenerator(5, space.shape, 4, context=features)
    discriminator = DCGANDiscriminator(space.shape, 4, context=features)
    for weight in generator.parameters():
        weight.data *= 10 if weight.ndim > 1 else 1  # fresh running statistics would hide weights this small
    nets = {"generator": generator, "discriminator": discriminator}
    return GAN(space, latent=5, context_space=context_space, **nets, **settings).double()


MODELS = {
    "levels": dense,
    "bits": lambda: dense(Binary((12,))),
    "reals": lambda: dense(Real((3,), (1.0, 2.0, 3.0), (0.5, 1.0, 2.0))),
    "conditional": lambda: dense(context_space=Classes(3)),
    "penalised": lambda: dense(gradient_penalty=1.0),
    "f-gan": lambda: dense(divergence=Pearson(), cost=Minimax(), discriminator_steps=2),
    "dcgan": convolutional,
    "conditional-dcgan": lambda: convolutional(context_space=Classes(3)),
    "large-dcgan": lambda: convolutional(Levels((3, 18, 25), 256)),
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


class LogRatio(nn.Module):
    """The best discriminator of N(0, 1) against N(1, 1): v(x) = 1/2 - x."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 - x


def test_the_loss_at_the_best_discriminator_is_the_value_of_the_game():
    # Claim 2. False-alarm rate 1e-3: 3.3 standard errors.
    shift = nn.Linear(1, 1)
    nn.init.ones_(shift.weight), nn.init.ones_(shift.bias)
    model = GAN(Real((1,)), latent=1, generator=shift, discriminator=LogRatio()).double()
    x = Noise(1).normal((200_000, 1), "data").double()
    loss = model.discriminator_loss(x, None, Noise(2))
    assert loss.shape == (200_000,)
    assert float(loss.mean()) == pytest.approx(1.163451, abs=3.3 * float(loss.std()) / len(loss) ** 0.5)
    at_chance = GAN(Real((1,)), latent=1, generator=shift, discriminator=nn.Linear(1, 1)).double()
    nn.init.zeros_(at_chance.discriminator.weight), nn.init.zeros_(at_chance.discriminator.bias)
    torch.testing.assert_close(
        at_chance.discriminator_loss(x[:3], None, Noise(2)), torch.full((3,), math.log(4), dtype=torch.float64)
    )


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


def test_the_discriminators_step_leaves_the_generators_statistics_alone():
    model = convolutional()
    before = buffers_and_weights(model.generator)
    model.discriminator_loss(*batch(model), Noise(0))
    assert changed(model.generator, before) == []
    model.generator_loss(*batch(model), Noise(0))
    assert changed(model.generator, before)


def test_ordinary_batch_normalisation_would_disturb_them():
    generator = nn.Sequential(nn.Linear(5, 72), nn.BatchNorm1d(72))
    model = dense(generator=generator)
    before = buffers_and_weights(model.generator)
    model.discriminator_loss(*batch(model), Noise(0))
    assert changed(model.generator, before)


def test_batch_normalisation_agrees_with_torch():
    ours, theirs = BatchNorm(3), nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_the_gradient_penalty_is_that_of_finite_differences():
    smooth = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    model = dense(Real((3,)), discriminator=smooth, gradient_penalty=3.0)
    x = batch(model)[0]
    with_penalty = model.discriminator_loss(x, None, Noise(0))
    model.gradient_penalty = 0.0
    penalty = with_penalty - model.discriminator_loss(x, None, Noise(0))
    step = 1e-5 * torch.eye(3, dtype=torch.float64)
    slopes = [(model.discriminator(x + e) - model.discriminator(x - e))[:, 0] / 2e-5 for e in step]
    expected = 1.5 * torch.stack(slopes).square().sum(0)
    torch.testing.assert_close(penalty, expected, atol=1e-8, rtol=1e-6)


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
    data = next(y for y in model.discriminator.seen if torch.equal(space.project(y), x))
    half_cell = 1 / (space.n - 1)
    spread = (data - lattice).flatten() / half_cell  # uniform on (-1, 1): mean 0, variance 1/3
    # False-alarm rate 1e-3 each: 3.3 standard errors.
    assert abs(float(spread.mean())) < 3.3 / (3 * spread.numel()) ** 0.5
    assert abs(float(spread.square().mean()) - 1 / 3) < 3.3 * (4 / 45 / spread.numel()) ** 0.5


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
    rules = {"divergence": KL(), "cost": Minimax(), "optimizers": (Adam(2e-2), Adam(2e-2))}
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
        model = dense(divergence=TotalVariation(), cost=MaximumLikelihood())
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
    assert repr(gan(IMAGES, cost=cost).model.cost) == f"{words}()"
