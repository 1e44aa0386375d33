"""Laws of games, penalties, packs and matching, each with the twin that famous ports of the papers shipped."""

import copy
import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from ptheta.adversarial import (
    GAN,
    DivergenceGame,
    Hinge,
    Relativistic,
    UnitSlopes,
    Wasserstein,
    ZeroSlopes,
)
from ptheta.adversarial import penalties as penalties_module
from ptheta.adversarial.gan import packed
from ptheta.adversarial.penalties import Side
from ptheta.nn.mlp import MLP, ProjectionMLP
from ptheta.nn.spectral import spectrally_normalised
from ptheta.noise import Noise
from ptheta.recipes.adversarial import gan, pacgan, r3gan, wgan_gp
from ptheta.spaces import Classes, Levels, Real

V, W = torch.tensor([2.0, -0.5, 0.3]), torch.tensor([0.5, -2.0, 0.3])  # outputs on data and on fakes


def side(y: Tensor, score) -> Side:
    y = y.detach().requires_grad_()
    return Side(y, score(y))


def normals(key: str, *shape: int) -> Tensor:
    return Noise(0).normal(shape, key).double()


# Games ----------------------------------------------------------------------------------------------------------------


def test_each_game_is_the_formula_of_its_paper():
    sigmoid = torch.sigmoid
    assert torch.allclose(DivergenceGame().critic(V, W), -sigmoid(V).log() - (1 - sigmoid(W)).log())
    assert torch.allclose(DivergenceGame().maker(None, W), -sigmoid(W).log())
    assert torch.equal(Wasserstein().critic(V, W), W - V) and torch.equal(Wasserstein().maker(None, W), -W)
    assert Hinge().critic(V, W).tolist() == pytest.approx([1.5, 1.5, 0.7 + 1.3])  # .5 is within the margin of fakes
    assert torch.equal(Hinge().maker(None, W), -W)
    assert torch.allclose(Relativistic().critic(V, W), -sigmoid(V - W).log())
    assert torch.allclose(Relativistic().maker(V, W), -sigmoid(W - V).log())


def shifts(game, by: float = 5.0) -> float:
    """How much a constant added to all outputs changes the losses of either player."""
    pairs = ((game.critic(V + by, W + by), game.critic(V, W)), (game.maker(V + by, W + by), game.maker(V, W)))
    return max(float((moved - before).abs().max()) for moved, before in pairs)


def test_a_constant_added_to_a_relativistic_critic_changes_nothing():
    assert shifts(Relativistic()) < 1e-6
    assert shifts(DivergenceGame()) > 1 and shifts(Hinge()) > 1  # twins


def test_the_relativistic_game_needs_outputs_on_data():
    with pytest.raises(ValueError, match="compares fakes with data"):
        Relativistic().maker(None, W)


def test_the_relativistic_generator_sees_the_critic_on_the_data_of_the_batch():
    torch.manual_seed(0)
    model = GAN(Real((2,)), latent=2, game=Relativistic()).double()
    x = normals("x", 6, 2)
    near, far = (model.generator_loss(events, None, Noise(0)) for events in (x, x + 3))
    assert not torch.allclose(near, far)
    plain = GAN(Real((2,)), latent=2).double()
    assert torch.equal(plain.generator_loss(x, None, Noise(0)), plain.generator_loss(x + 3, None, Noise(0)))


def test_a_critic_of_slope_one_finds_the_distance_of_shifted_laws():
    """W1 of N(0, 1) and N(3, 1) is 3, by sorting; a linear critic of slope 1 attains it, one of 2 exceeds it."""
    x = normals("x", 2000, 1)
    exact = float((torch.sort(x[:, 0]).values - torch.sort(x[:, 0] + 3).values).abs().mean())
    found = float((-Wasserstein().critic(-x, -(x + 3))).mean())
    assert found == pytest.approx(exact) == pytest.approx(3.0)
    assert float((-Wasserstein().critic(-2 * x, -2 * (x + 3))).mean()) > exact  # the twin: no bound on slopes


# Penalties ------------------------------------------------------------------------------------------------------------


def slanted(shape: tuple[int, ...], norm: float):
    a = normals("slope", math.prod(shape))
    a = norm * a / a.norm()
    return lambda y: y.flatten(1) @ a


@pytest.mark.parametrize("shape", [(2,), (3, 4, 4)], ids=str)
def test_a_linear_critic_of_slope_1_7_pays_exactly_049(shape: tuple[int, ...], monkeypatch):
    score = slanted(shape, 1.7)
    data, fake = side(normals("data", 8, *shape), score), side(normals("fake", 8, *shape), score)
    paid = UnitSlopes(1.0)(score, data, fake, Noise(0))
    torch.testing.assert_close(paid, torch.full_like(paid, 0.49), atol=1e-12, rtol=0)
    assert torch.equal(UnitSlopes(10.0)(score, data, fake, Noise(0)), 10 * paid)
    whole = penalties_module._slopes
    monkeypatch.setattr(penalties_module, "_slopes", lambda s: whole(s).reshape(len(s.seen), shape[0], -1)[:, :, 0])
    if len(shape) > 1:  # the twin of many ports: a norm over channels, of one pixel
        assert float((UnitSlopes(1.0)(score, data, fake, Noise(0)) - 0.49).abs().min()) > 0.01
    monkeypatch.setattr(penalties_module, "_slopes", lambda s: whole(s).reshape(1, -1))  # and over the batch
    assert float((UnitSlopes(1.0)(score, data, fake, Noise(0)) - 0.49).abs().min()) > 0.05


def straight(score, data: Side, fake: Side) -> tuple[float, Tensor]:
    """How far the points between stray from the segments, and where on them they are."""
    shown: list[Tensor] = []

    def noted(y: Tensor) -> Tensor:
        shown.append(y)
        return score(y)

    UnitSlopes()(noted, data, fake, Noise(0))
    share = ((shown[0] - data.seen) / (fake.seen - data.seen)).detach().flatten(1)
    return float(share.std(1).max()), share[:, 0]


def test_points_between_lie_on_the_segment_one_share_for_the_whole_event(monkeypatch):
    score = slanted((3, 2, 2), 1.0)
    data, fake = (side(normals(key, 500, 3, 2, 2), score) for key in ("data", "fake"))
    stray, share = straight(score, data, fake)
    assert stray < 1e-9 and stats.kstest(share.numpy(), stats.uniform.cdf).pvalue > 1e-3
    honest = torch.lerp
    monkeypatch.setattr(torch, "lerp", lambda a, b, w: honest(a, b, torch.rand_like(a)))  # one for each pixel
    assert straight(score, data, fake)[0] > 0.1


def test_zero_slopes_are_taken_where_they_are_asked_for():
    def bowl(y: Tensor) -> Tensor:
        return y.square().sum(1) / 2  # whose slope at y is y

    data, fake = side(normals("data", 5, 3), bowl), side(normals("fake", 5, 3), bowl)
    r1, r2 = (2 * s.seen.detach().square().sum(1) for s in (data, fake))  # weight 4, halved
    for at_data, at_fakes, expected in ((True, False, r1), (False, True, r2), (True, True, r1 + r2)):
        torch.testing.assert_close(ZeroSlopes(4.0, at_data, at_fakes)(bowl, data, fake, Noise(0)), expected)
    assert torch.equal(ZeroSlopes(4.0, False, False)(bowl, data, fake, Noise(0)), torch.zeros(5).double())


@pytest.mark.parametrize("penalty", [ZeroSlopes(2.0, fakes=True), UnitSlopes(2.0)], ids=repr)
def test_penalties_move_the_critic_and_never_the_generator(penalty):
    torch.manual_seed(0)
    critic = MLP(2, 1, (4,), activation=nn.Tanh)
    model = GAN(Real((2,)), latent=2, penalty=penalty, game=Wasserstein(), discriminator=critic).double()
    x = normals("x", 6, 2)
    with_it = model.discriminator_loss(x, None, Noise(0))
    model.penalty = None
    (with_it - model.discriminator_loss(x, None, Noise(0))).mean().backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert any(float(p.grad.abs().max()) > 0 for p in model.discriminator.parameters() if p.grad is not None)


def radius(weight: float, rate: float = 0.1) -> float:
    """The largest eigenvalue of simultaneous steps in the Dirac-GAN at its equilibrium (Mescheder et al., section 2).

    Data are at 0, the generator at t, the critic is v(y) = s y: its loss has slope -t / 2 + weight s in s, the
    generator's has -s / 2 in t.
    """
    step = torch.eye(2) - rate * torch.tensor([[0.0, -0.5], [0.5, weight]])
    return float(torch.linalg.eigvals(step.double()).abs().max())


def test_the_game_of_two_points_comes_to_rest_only_with_a_penalty():
    assert radius(0.0) == pytest.approx(math.sqrt(1 + 0.05**2)) and radius(1.0) < 1
    generator, critic = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)  # the same through the losses
    model = GAN(Real((1,)), latent=1, generator=generator, discriminator=critic, penalty=ZeroSlopes(1.0)).double()
    model.latents = lambda n, noise: torch.ones(n, 1, dtype=torch.float64)
    t, s = 1e-4, 2e-4
    nn.init.constant_(generator.weight, t), nn.init.constant_(critic.weight, s)
    slopes = []
    for objective in model.objectives():
        loss = objective.loss(torch.zeros(1, 1).double(), None, Noise(0)).mean()
        slopes.append(float(torch.autograd.grad(loss, objective.parameters)[0]))
    assert slopes == pytest.approx([t / 2 + s, -s / 2], rel=1e-3)


# Packs ----------------------------------------------------------------------------------------------------------------


def test_a_pack_is_its_rows_side_by_side_and_the_last_is_filled_from_the_top():
    y = torch.arange(10).reshape(5, 2)
    assert packed(y, 2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert packed(y, 1) is y and packed(y[:, 0], 2).tolist() == [[0, 2], [4, 6], [8, 0]]
    assert packed(y[:1], 3).tolist() == [[0, 1] * 3]
    pictures = torch.arange(48).reshape(2, 3, 2, 4)
    assert packed(pictures, 2).shape == (1, 6, 2, 4) and torch.equal(packed(pictures, 2)[0, 3:], pictures[1])


def test_packs_of_one_are_the_gan_bit_for_bit():
    torch.manual_seed(0)
    plain = GAN(Levels((1, 4, 4), 5), latent=3, penalty=ZeroSlopes())
    alone = GAN(Levels((1, 4, 4), 5), latent=3, penalty=ZeroSlopes(), packing=1)
    alone.load_state_dict(plain.state_dict())
    x = (Noise(1).uniform((40, 1, 4, 4), "x") * 5).to(torch.uint8)
    for model in (plain, alone):
        model.fit(x, steps=5, batch_size=8)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), alone.parameters(), strict=True))
    torch.manual_seed(0)
    paired = GAN(Levels((1, 4, 4), 5), latent=3, penalty=ZeroSlopes(), packing=2)
    assert paired.discriminator_loss(x[:8], None, Noise(0)).shape == (8,)
    loss = paired.discriminator_loss(x[:7], None, Noise(0))
    assert torch.equal(loss[0], loss[1]) and not torch.equal(loss[1], loss[2]) and loss.shape == (7,)


class Blind(nn.Module):
    """A critic of pairs that cannot see their order, or can."""

    def __init__(self, ordered: bool) -> None:
        super().__init__()
        self.net, self.ordered = MLP(2, 1, (8,)), ordered

    def forward(self, y: Tensor) -> Tensor:
        first, second = self.net(y[:, :2]), self.net(y[:, 2:])
        return first * (2 if self.ordered else 1) + second


@pytest.mark.parametrize("ordered", [False, True])
def test_the_order_within_a_pack_matters_only_to_a_critic_that_sees_it(ordered: bool):
    torch.manual_seed(0)
    model = GAN(Real((2,)), latent=2, packing=2, discriminator=Blind(ordered), game=Wasserstein()).double()
    x = normals("x", 6, 2)
    swapped = x.unflatten(0, (3, 2)).flip(1).flatten(0, 1)
    there, back = (model.discriminator_loss(events, None, Noise(0)) for events in (x, swapped))
    assert torch.allclose(there, back) is not ordered


# Matching -------------------------------------------------------------------------------------------------------------


def conditional(matching: bool) -> GAN:
    torch.manual_seed(0)
    return GAN(Real((2,)), latent=2, context_space=Classes(3), matching=matching).double()


def test_the_critic_that_matches_pays_for_wrong_contexts_as_for_fakes():
    model, plain = conditional(True), conditional(False)
    x, c = normals("x", 4, 2), torch.tensor([0, 1, 2, 1])
    fake = model.push(model.latents(4, Noise(0)), model.reader(c))
    one_hot = model.reader(c)
    right, wrong = (model.discriminator(x, seen)[:, 0] for seen in (one_hot, one_hot.roll(1, 0)))
    on_fake = model.discriminator(fake, one_hot)[:, 0]
    softplus = nn.functional.softplus
    expected = softplus(-right) + (softplus(on_fake) + softplus(wrong)) / 2  # Reed et al., algorithm 1
    torch.testing.assert_close(model.discriminator_loss(x, c, Noise(0)), expected)
    assert not torch.allclose(plain.discriminator_loss(x, c, Noise(0)), expected)  # the twin never sees a wrong one
    torch.testing.assert_close(model.generator_loss(x, c, Noise(0)), plain.generator_loss(x, c, Noise(0)))


def test_contexts_that_happen_to_be_alike_are_not_called_wrong():
    model, plain = conditional(True), conditional(False)
    x, c = normals("x", 4, 2), torch.zeros(4, dtype=torch.int64)
    torch.testing.assert_close(model.discriminator_loss(x, c, Noise(0)), plain.discriminator_loss(x, c, Noise(0)))


def test_matching_without_contexts_is_refused():
    with pytest.raises(ValueError, match="needs contexts"):
        GAN(Real((2,)), matching=True)


@pytest.mark.parametrize("size", ["latent", "packing", "discriminator_steps"])
def test_sizes_below_one_are_refused(size: str):
    with pytest.raises(ValueError, match=f"{size} of GAN should be at least 1"):
        GAN(Real((2,)), **{size: 0})


# Networks -------------------------------------------------------------------------------------------------------------


def test_a_projection_is_the_inner_product_of_context_and_features():
    torch.manual_seed(0)
    net = ProjectionMLP(3, 1, (8, 6), context=2)
    y, c = torch.randn(5, 3), torch.randn(5, 2)
    slope = net(y, c) - net(y, torch.zeros(5, 2))
    torch.testing.assert_close(net(y, 2 * c) - net(y, torch.zeros(5, 2)), 2 * slope)  # linear in the context
    joined = MLP(3, 1, (8, 6), context=2)
    bent = joined(y, 2 * c) - joined(y, torch.zeros(5, 2)) - 2 * (joined(y, c) - joined(y, torch.zeros(5, 2)))
    assert float(bent.detach().abs().max()) > 1e-3  # the twin joins it to the input


def steepest(critic: nn.Module) -> float:
    """The steepest slope at fifty points, after as many passes, each a step of the power iteration."""
    for _ in range(50):
        critic(torch.zeros(1, 4).double())
    y = normals("y", 50, 4).requires_grad_()
    return float(torch.autograd.grad(critic.eval()(y).sum(), y)[0].norm(dim=1).max())


def test_a_spectrally_normalised_critic_is_no_steeper_than_one():
    torch.manual_seed(0)
    twin = MLP(4, 1, (16, 16), activation=nn.ReLU).double()
    for weight in twin.parameters():
        weight.data *= 10
    critic = spectrally_normalised(copy.deepcopy(twin))
    assert steepest(critic) <= 1 + 1e-6 < steepest(twin)


# Recipes --------------------------------------------------------------------------------------------------------------

RECIPES = {
    "hinge": lambda space, given: gan(space, given, hidden=(8,), latent=2, cost="hinge"),
    "projected": lambda space, given: gan(space, given, hidden=(8,), latent=2, conditioning="projected"),
    "pacgan": lambda space, given: pacgan(space, given, hidden=(8,), latent=2, packing=3),
    "wgan-gp": lambda space, given: wgan_gp(space, given, hidden=(8,), latent=2, width=2),
    "r3gan": lambda space, given: r3gan(space, given, hidden=(8,), latent=2, width=2),
}


@pytest.mark.parametrize("given", [None, Classes(3)], ids=["plain", "conditional"])
@pytest.mark.parametrize("space", [Real((2,)), Levels((1, 8, 8), 5)], ids=["reals", "images"])
@pytest.mark.parametrize("name", RECIPES)
def test_recipes_train_as_they_say(name: str, space, given):
    from ptheta.data.dataset import Dataset, Events

    recipe = RECIPES[name](space, given)
    u = Noise(1).uniform((12, *space.shape), "x")
    x = u if isinstance(space, Real) else (u * space.n).to(torch.uint8)
    events = Events(x, None if given is None else torch.arange(12) % 3)
    model = recipe.model.fit(
        Dataset("toy", space, events, events, events, given), **{**recipe.training, "steps": 2, "batch_size": 5}
    )
    space.check(model.sample(4, None if given is None else events.context[:4], noise=Noise(0)))


def test_critics_of_pictures_that_pay_for_slopes_judge_each_event_by_itself():
    space = Levels((1, 16, 16), 5)
    for recipe in (wgan_gp, r3gan, pacgan):
        critic = recipe(space, width=2).model.discriminator
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in critic.modules()), recipe
    assert pacgan(space, width=2, packing=3).model.discriminator(torch.zeros(2, 3, 16, 16)).shape == (2,)


def test_recipes_play_the_games_of_their_papers():
    space = Real((2,))
    assert (wgan_gp(space).model.game, wgan_gp(space).model.penalty) == (Wasserstein(), UnitSlopes(10.0))
    assert [o.every for o in wgan_gp(space).model.objectives()] == [1, 5]
    assert (r3gan(space).model.game, r3gan(space).model.penalty) == (Relativistic(), ZeroSlopes(0.01, fakes=True))
    assert (pacgan(space).model.packing, pacgan(space).model.game) == (2, DivergenceGame())
    assert (gan(space, cost="hinge").model.game, gan(space, cost="hinge").model.penalty) == (Hinge(), None)
