"""Conditional GANs with a fidelity term: what fidelity asks for, what a critic of patches sees, who uses what."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases import small_pix2pix
from ptheta.adversarial import Absolute, ConditionalGAN, Features, Fidelity, Squared, ZeroSlopes
from ptheta.data.dataset import Dataset, Events
from ptheta.nn.mlp import MLP
from ptheta.nn.patches import PatchCritic, receptive_field
from ptheta.nn.unet import Translator
from ptheta.noise import Noise, seeded
from ptheta.optimizers import Adam
from ptheta.recipes.given import pix2pix
from ptheta.spaces import Classes, Levels, Real
from toy_law import toy_events

# Fidelity -------------------------------------------------------------------------------------------------------------


def best_constant(fidelity: Fidelity, answers: Tensor) -> Tensor:
    """The constant nearest to all answers (n, 1), on a fine grid."""
    grid = torch.linspace(-1, 1, 401).double()
    costs = torch.stack([fidelity(answers, c.expand_as(answers)).mean() for c in grid])
    return grid[costs.argmin()]


def test_fidelity_asks_for_the_mean_or_the_median():
    answers = torch.tensor([[-0.8], [-0.8], [0.7]]).double()
    torch.testing.assert_close(best_constant(Squared(), answers), answers.mean(), atol=0.005, rtol=0)
    torch.testing.assert_close(best_constant(Absolute(), answers), answers.median(), atol=0.005, rtol=0)
    assert abs(best_constant(Absolute(), answers) - answers.mean()) > 0.3


def test_fidelity_is_a_mean_over_variables_of_each_example():
    x, y = torch.zeros(2, 3, 2), torch.tensor([[[1.0, 1], [1, 1], [1, 1]], [[2, 0], [0, 0], [0, 0]]])
    assert Squared()(x, y).tolist() == [1.0, pytest.approx(4 / 6)]
    assert Absolute()(x, y).tolist() == [1.0, pytest.approx(2 / 6)]


def test_features_that_are_the_event_itself_are_the_squared_difference():
    x, y = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Features(nn.Identity())(x, y), Squared()(x, y))
    assert not torch.allclose(Features(MLP(3, 5, (4,)))(x, y), Squared()(x, y))


def test_no_player_moves_the_features():
    learned = MLP(1, 5, (4,))
    nets = MLP(2, 1, context=2), MLP(1, 1, context=2)
    model = ConditionalGAN(Real((1,)), Classes(2), *nets, latent=2, fidelity=Features(learned))
    moved = {id(p) for objective in model.objectives() for p in objective.parameters}
    assert not moved & {id(p) for p in learned.parameters()} and len(moved) == len(list(model.parameters())) - 4


class Given(nn.Module):
    """A generator that returns its latents, times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        return self.weight * z


def test_with_several_draws_fidelity_is_that_of_the_nearest():
    x, context, noise = torch.randn(40, 2), torch.zeros(40).long(), Noise(0)

    def loss(draws: int) -> Tensor:
        model = ConditionalGAN(
            Real((2,)), Classes(2), Given(), None, latent=2, fidelity=Squared(), adversarial_weight=0.0, draws=draws
        )
        return model.generator_loss(x, context, noise).detach()

    z = [part.normal((40, 2), "latent") for part in (noise, noise.at("draw", 1), noise.at("draw", 2))]
    each = torch.stack([Squared()(x, part) for part in z])
    torch.testing.assert_close(loss(1), each[0])
    torch.testing.assert_close(loss(3), each.amin(0))
    assert len(each.argmin(0).unique()) == 3


class Steps(nn.Module):
    """A generator with one number to learn: draws of both signs are as far from 0 as it says."""

    def __init__(self) -> None:
        super().__init__()
        self.far = nn.Parameter(torch.tensor(0.1))

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        return self.far * z.sign()


@pytest.mark.parametrize(("draws", "far"), [(1, 0.0), (2, 0.5), (6, 1 - 2**-5)])
def test_of_two_answers_the_nearest_draw_asks_for_either_and_one_draw_for_the_mean(draws: int, far: float):
    """Of -1 and 1, all k draws have the wrong sign once in 2^k: the best is at 1 - 2 / 2^k by squared error."""
    x, context, net = torch.tensor([[-1.0], [1.0]]).repeat(5000, 1), torch.zeros(10_000).long(), Steps()
    model = ConditionalGAN(
        Real((1,)), Classes(2), net, None, latent=1, fidelity=Squared(), adversarial_weight=0.0, draws=draws
    )
    (slope,) = torch.autograd.grad(model.generator_loss(x, context, Noise(0)).mean(), net.far)
    best = float(net.far.detach() - slope / 2)  # of a parabola whose second slope is 2
    assert best == pytest.approx(far, abs=0.03)


def test_the_critic_sees_the_first_draw_whichever_is_nearest():
    nets = Given(), MLP(2, 1, (4,), context=2)
    model = ConditionalGAN(Real((2,)), Classes(2), *nets, latent=2, fidelity_weight=0.0, draws=3)
    alone = ConditionalGAN(Real((2,)), Classes(2), *nets, latent=2, fidelity_weight=0.0)
    x, context = torch.randn(5, 2), torch.zeros(5).long()
    torch.testing.assert_close(*(each.generator_loss(x, context, Noise(0)) for each in (model, alone)))


# Patches --------------------------------------------------------------------------------------------------------------


def seen_by_gradient(critic: PatchCritic, side: int) -> int:
    """How many pixels across the middle output depends on."""
    x = torch.zeros(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    y = critic(x)[0]
    (slope,) = torch.autograd.grad(y[y.shape[0] // 2, y.shape[1] // 2], x)
    rows = slope[0, 0].abs().amax(1).nonzero()
    return int(rows.max() - rows.min()) + 1


@pytest.mark.parametrize(("halvings", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_is_as_large_as_the_formula_says(halvings: int, field: int):
    with seeded(0):
        critic = PatchCritic((1, 160, 160), width=2, halvings=halvings).double()
    assert critic.field == field == seen_by_gradient(critic, 160)
    strides = [(4, 2)] * halvings + [(4, 1), (4, 1)]
    assert receptive_field(strides) == field != receptive_field(reversed(strides))  # the twin: strides after


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 9), (2, 8, 6), (1, 16, 16)])
@pytest.mark.parametrize("context", [(), (3,), (2, 4, 4)])
def test_a_critic_of_patches_judges_images_of_any_size(shape: tuple[int, ...], context: tuple[int, ...]):
    critic = PatchCritic(shape, width=2, halvings=3, context=context)
    y = critic(torch.zeros(2, *shape), torch.zeros(2, *context) if context else None)
    assert y.ndim == 3 and min(y.shape) > 0


def test_a_critic_of_patches_refuses_smaller_images_in_a_sentence():
    with pytest.raises(ValueError, match="at least 4 x 4"):
        PatchCritic((1, 3, 8))


# The generator --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [(3,), (2, 4, 4)])
def test_a_translator_uses_its_latents_and_its_context(context: tuple[int, ...]):
    with seeded(0):
        net = Translator(5, (3, 9, 6), context=context, width=8).double()
        for p in net.parameters():
            nn.init.normal_(p, std=0.3)
    z, c = torch.randn(2, 5).double(), torch.randn(2, *context).double()
    y = net(z, c)
    assert y.shape == (2, 3, 9, 6)
    assert ((net(z + 1, c) - y).flatten(1).abs().amax(1) > 1e-6).all()
    assert ((net(z, c + 1) - y).flatten(1).abs().amax(1) > 1e-6).all()


def test_what_is_drawn_is_the_same_in_training_mode_and_in_any_batch():
    """The original draws with dropout and batch statistics; here noise is an input."""
    model = small_pix2pix(penalty=ZeroSlopes()).double()
    x, context = toy_events(model, 6)
    assert x.shape[0] == 6
    noise = Noise(3)
    drawn = model.eval().sample(6, context, noise=noise)
    assert torch.equal(model.train().sample(6, context, noise=noise), drawn)
    assert context is not None and torch.equal(model.sample(2, context[:2], noise=noise), drawn[:2])


# The game -------------------------------------------------------------------------------------------------------------


class Blind(nn.Module):
    """A critic that does not look at what is given."""

    def __init__(self) -> None:
        super().__init__()
        self.net = MLP(1, 1, (16,))

    def forward(self, y: Tensor, context: Tensor) -> Tensor:
        return self.net(y)


def answered(critic: nn.Module | None, **settings: Any) -> Tensor:
    """The mean of what is drawn for either class, after learning that x = -1 of one and x = +1 of the other."""
    context = torch.arange(400) % 2
    x = (2.0 * context - 1)[:, None] + 0.1 * Noise(0).normal((400, 1), "x")
    data = Dataset("two", Real((1,)), Events(x, context), Events(x[:0], context[:0]), Events(x, context), Classes(2))
    with seeded(0):
        generator = MLP(2, 1, (16,), context=2)
    rule = Adam(5e-3, betas=(0.5, 0.99))
    model = ConditionalGAN(Real((1,)), Classes(2), generator, critic, latent=2, optimizers=(rule, rule), **settings)
    model.fit(data, steps=300, batch_size=64, seed=0)
    return torch.stack([model.sample(200, torch.full((200,), k), noise=Noise(1)).mean() for k in (0, 1)])


def test_the_critic_teaches_what_belongs_to_what():
    with seeded(1):
        seeing, blind = MLP(1, 1, (16,), context=2), Blind()
    game = {"fidelity_weight": 0.0, "penalty": ZeroSlopes(0.1)}
    right = torch.tensor([-1.0, 1.0])
    assert (answered(seeing, **game) - right).abs().max() < 0.4
    assert (answered(blind, **game) - right).abs().max() > 0.6


def test_fidelity_alone_teaches_it_without_a_critic():
    found = answered(None, fidelity=Squared(), adversarial_weight=0.0)
    torch.testing.assert_close(found, torch.tensor([-1.0, 1.0]), atol=0.1, rtol=0)


def test_the_critic_sees_events_and_fakes_off_the_lattice_alike():
    seen: list[Tensor] = []

    class Looking(nn.Module):
        def forward(self, y: Tensor, context: Tensor) -> Tensor:
            seen.append(y.detach())
            return y.sum(1)

    space = Levels((4,), 3)
    model = ConditionalGAN(space, Classes(2), MLP(2, 4, context=2), Looking(), latent=2)
    x, context = torch.tensor([[0, 1, 2, 1]] * 50).byte(), torch.zeros(50).long()
    model.discriminator_loss(x, context, Noise(0))
    model.generator_loss(x, context, Noise(0))
    data, fake, again = seen
    off = data - space.embed(x)
    assert 0.2 < float(off.abs().max()) <= 1 / 2 and len(off.unique()) > 150
    assert torch.equal(fake, again)
    made = model.push(model.latents(50, Noise(0)), model.reader(context) if model.reader else None).detach()
    assert not torch.equal(off, fake - made) and len((fake - made).unique()) > 150


def test_without_a_critic_there_is_one_objective():
    model = ConditionalGAN(Real((1,)), Classes(2), MLP(2, 1, context=2), None, latent=2, adversarial_weight=0.0)
    assert [objective.name for objective in model.objectives()] == ["generator"]
    assert [objective.name for objective in small_pix2pix().objectives()] == ["discriminator", "generator"]


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context_space": None}, "needs something given"),
        ({"fidelity_weight": -1.0}, "not negative"),
        ({"fidelity_weight": 0.0, "adversarial_weight": 0.0, "discriminator": None}, "one of them positive"),
        ({"discriminator": None}, "both or neither"),
        ({"adversarial_weight": 0.0}, "both or neither"),
        ({"draws": 0}, "draws of ConditionalGAN"),
    ],
)
def test_a_conditional_gan_refuses_in_a_sentence(changes: dict[str, Any], message: str):
    nets = {"generator": MLP(16, 1, context=2), "discriminator": MLP(1, 1, context=2)}
    with pytest.raises(ValueError, match=message):
        ConditionalGAN(Real((1,)), **{"context_space": Classes(2), **nets, **changes})


def test_the_recipe_refuses_vectors_and_nothing_given():
    with pytest.raises(ValueError, match="at least 4 x 4"):
        pix2pix(Levels((6,), 4), Classes(2))
    with pytest.raises(ValueError, match="needs something given"):
        pix2pix(Levels((1, 8, 8), 4))
