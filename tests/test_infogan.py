"""Laws of InfoGAN: what the bound is, whom it moves, and what a code does."""

import math

import pytest
import torch
from torch import Tensor, nn

from ptheta.adversarial import GAN, InfoGAN, ZeroSlopes
from ptheta.noise import Noise
from ptheta.recipes.adversarial_uses import infogan
from ptheta.spaces import Classes, Levels, Real

SPACE = Levels((1, 4, 4), 5)


def small(space=SPACE, **settings) -> InfoGAN:
    torch.manual_seed(0)
    return InfoGAN(space, **{"latent": 3, "categories": 3, "numbers": 1, "features": 8, **settings}).double()


def events(n: int = 6) -> Tensor:
    return (Noise(1).uniform((n, *SPACE.shape), "x") * SPACE.n).to(torch.uint8)


class Told(nn.Module):
    """A generator of three reals, the one-hot category itself; blurred by noise where asked."""

    def __init__(self, blur: float = 0.0) -> None:
        super().__init__()
        self.blur, self.scale = blur, nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * z[:, 3:6] + self.blur * z[:, :3]


def sharp(guess: float = 50.0, **settings) -> InfoGAN:
    """A model whose category is read off the event by a head that is sure of itself by ``guess``."""
    model = small(Real((3,)), numbers=0, features=3, trunk=nn.Identity(), **settings)
    model.code_head = nn.Linear(3, 3)
    with torch.no_grad():
        model.code_head.weight.copy_(guess * torch.eye(3))
        model.code_head.bias.zero_()
    return model.double()


def test_the_bound_attains_the_entropy_and_never_exceeds_it():
    perfect = sharp(generator=Told()).information(500, noise=Noise(0))
    assert perfect.value == pytest.approx(math.log(3), abs=1e-9)
    for guess in (-2.0, 0.0, 1.0, 50.0):
        for blur in (0.0, 1.0):
            assert sharp(guess, generator=Told(blur)).information(500, noise=Noise(0)).value <= math.log(3) + 1e-12
    assert sharp(0.0, generator=Told()).information(500, noise=Noise(0)).value == pytest.approx(0.0, abs=1e-9)


def test_the_bound_is_below_the_information_that_there_is():
    """The information of a blurred category is the mean of its log-posterior; a head that overstates comes below."""
    z = Noise(5).normal((20_000, 3), "z").double()
    k = torch.arange(20_000) % 3
    x = torch.eye(3).double()[k] + z
    truth = float((x.log_softmax(1)[torch.arange(20_000), k] + math.log(3)).mean())  # p(k | x) is proportional to e^x_k
    right, bold = (sharp(guess, generator=Told(1.0)).information(20_000, noise=Noise(0)).value for guess in (1.0, 5.0))
    assert right == pytest.approx(truth, abs=0.02) and bold < right - 0.1


def test_both_losses_hold_the_game_and_the_information():
    model = small(numbers=1)
    x = events()
    latents = model.latents(6, Noise(0))
    fake = model.seen(model.push(latents, None), Noise(0), "jitter of fakes")
    features = model.trunk(fake)
    guess = model.code_head(features)
    category, number = latents[:, 3:6], latents[:, 6]
    log_q = (guess[:, :3].log_softmax(1) * category).sum(1) - (guess[:, 3] - number).square() / 2
    v = model.critic_head(features)[:, 0]
    softplus = nn.functional.softplus
    torch.testing.assert_close(model.generator_loss(x, None, Noise(0)), softplus(-v) - log_q)
    data = model.seen(SPACE.embed(x, torch.float64), Noise(0), "jitter of data")
    on_data = model.critic_head(model.trunk(data))[:, 0]
    torch.testing.assert_close(model.discriminator_loss(x, None, Noise(0)), softplus(v) + softplus(-on_data) - log_q)


def test_the_information_moves_the_shared_features_and_the_generator():
    """Famous ports let it move the code's head alone, or swapped the losses of the players."""
    x = events()
    for name, objective in (("trunk", 0), ("code_head", 0), ("generator", 1)):
        slopes = []
        for weight in (0.0, 1.0):
            model = small(information=weight)
            loss = model.objectives()[objective].loss(x, None, Noise(0)).mean()
            (slope, *_) = torch.autograd.grad(loss, list(getattr(model, name).parameters()), allow_unused=True)
            slopes.append(torch.zeros(1) if slope is None else slope)
        assert not torch.allclose(*slopes), f"the information leaves the {name} alone"


def test_codes_are_what_they_should_be():
    model = small(categories=4, numbers=2)
    latents = model.latents(4000, Noise(0))
    noise, category, numbers = latents.split([3, 4, 2], 1)
    assert bool((category.sum(1) == 1).all()) and bool(((category == 0) | (category == 1)).all())
    assert float((category.mean(0) - 0.25).abs().max()) < 0.03
    assert float(numbers.abs().max()) <= 1 and float(numbers.var()) == pytest.approx(1 / 3, abs=0.02)  # not normal
    assert float(noise.var()) == pytest.approx(1, abs=0.05)


def test_a_traverse_changes_one_part_of_the_code_and_nothing_else():
    shown: list[Tensor] = []
    model = small(categories=3, numbers=2)
    model.generate = lambda z, context=None: shown.append(z) or torch.zeros(len(z), *SPACE.shape)
    model.traverse(2, noise=Noise(0))
    model.traverse(2, 1, steps=5, noise=Noise(0))
    by_category, by_number = (z.unflatten(0, (2, -1)) for z in shown)
    assert torch.equal(by_category[0, :, 3:6], torch.eye(3).double())
    assert bool((by_category[:, :, :3] == by_category[:, :1, :3]).all())
    assert bool((by_category[:, :, 6:] == by_category[:, :1, 6:]).all())
    assert by_number[0, :, 7].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert bool((by_number[:, :, :7] == by_number[:, :1, :7]).all())
    with pytest.raises(ValueError, match="number should be from 0 to 1, or None, but it is 2"):
        small(numbers=2).traverse(1, 2)


def test_codes_name_what_was_drawn_from_them():
    torch.manual_seed(0)
    means = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    k = torch.arange(1500) % 3
    x = means[k] + 0.2 * Noise(3).normal((1500, 2), "x")
    recipe = infogan(Real((2,)), categories=3, numbers=0, latent=2)
    model = recipe.model.fit(x, steps=500, batch_size=100, schedule="linear", learning_rate=2e-3)
    guess = model.encode(x).argmax(1)
    table = torch.zeros(3, 3).index_put_((guess, k), torch.ones(1500), accumulate=True)
    assert model.information(500, noise=Noise(0)).value <= math.log(3)
    assert float(table.amax(1).sum()) / 1500 > 0.6


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="takes no context"):
        infogan(SPACE, Classes(3))
    with pytest.raises(ValueError, match="categories of InfoGAN should be at least 2"):
        InfoGAN(SPACE, categories=1)
    with pytest.raises(ValueError, match="code"):
        small().decode(torch.zeros(2, 9))
    assert not isinstance(GAN(SPACE), InfoGAN)


def test_it_trains_on_images_as_its_recipe_says():
    space = Levels((1, 8, 8), 5)
    recipe = infogan(space, width=2)
    assert infogan(space, width=2, gradient_penalty=2.0).model.penalty == ZeroSlopes(2.0)
    x = (Noise(1).uniform((12, 1, 8, 8), "x") * 5).to(torch.uint8)
    model = recipe.model.fit(x, **{**recipe.training, "steps": 2, "batch_size": 4})
    assert model.penalty is None and model.encode(x).shape == (12, 12)
    model.space.check(model.traverse(2, 0, steps=3, noise=Noise(0)).flatten(0, 1))
