"""Laws of the progressive GAN: what a fade is at its ends, what layers start with, and how a run goes on."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.adversarial import DivergenceGame, ProgressiveGAN, Relativistic
from ptheta.nn.progressive import (
    EqualisedConv,
    EqualisedLinear,
    ProgressiveCritic,
    ProgressiveGenerator,
    deviation,
    pixel_normed,
)
from ptheta.noise import Noise
from ptheta.recipes.adversarial_uses import progressive_gan
from ptheta.spaces import Classes, Levels

SHAPE = (2, 16, 16)
SPACE = Levels((1, 8, 8), 5)


def generator() -> ProgressiveGenerator:
    torch.manual_seed(0)
    return ProgressiveGenerator(3, SHAPE, width=2)


def critic() -> ProgressiveCritic:
    torch.manual_seed(0)
    return ProgressiveCritic(SHAPE, width=2)


def drawn(net: ProgressiveGenerator, growth: float) -> Tensor:
    z = Noise(0).normal((4, 3), "z")
    return net(torch.cat([z, torch.full((4, 1), growth)], 1))


def judged(net: ProgressiveCritic, growth: float) -> Tensor:
    return net(Noise(1).normal((4, *SHAPE), "y"), torch.tensor([growth]))


def up(y: Tensor) -> Tensor:
    return F.interpolate(y, scale_factor=2, mode="nearest")


# The ends of a fade ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [(generator, drawn), (critic, judged)], ids=["generator", "critic"])
@pytest.mark.parametrize("level", [1, 2])
def test_a_fade_is_the_smaller_network_at_its_beginning_and_the_larger_one_at_its_end(make, level: int):
    """Bit for bit at both ends, and nearly so beside them."""
    network, called = make
    net, tiny = network(), 2.0**-20
    small, large = called(net, level - 1.0), called(net, float(level))
    assert not torch.allclose(small, large, atol=1e-2)
    torch.testing.assert_close(called(net, level - 1 + tiny), small, atol=1e-4, rtol=0)
    torch.testing.assert_close(called(net, level - tiny), large, atol=1e-4, rtol=0)
    halfway = called(net, level - 0.5)
    assert not torch.allclose(halfway, small, atol=1e-3) and not torch.allclose(halfway, large, atol=1e-3)
    with torch.no_grad():  # what is not there yet has no part in the smaller one
        block = level if isinstance(net, ProgressiveGenerator) else level - 1
        later = (net.images[level], net.first[block], net.second[block])
        for p in (p for module in later for p in module.parameters()):
            p.fill_(torch.nan)
    assert torch.equal(called(net, level - 1.0), small)


def test_a_fade_mixes_images_by_its_share():
    net = generator()
    z = Noise(0).normal((4, 3), "z")
    h = pixel_normed(net.project(pixel_normed(z)).unflatten(1, (-1, 4, 4)))
    grids = []
    for i, (first, second) in enumerate(zip(net.first[:2], net.second[:2], strict=True)):
        h = up(h) if i else h
        h = pixel_normed(F.leaky_relu(second(pixel_normed(F.leaky_relu(first(h), 0.2))), 0.2))
        grids.append(h)
    small, large = (image(grid) for image, grid in zip(net.images, grids, strict=False))
    torch.testing.assert_close(drawn(net, 0.25), up(0.75 * up(small) + 0.25 * large))


def test_a_coarse_image_repeats_its_pixels():
    y = drawn(generator(), 0.0)
    assert torch.equal(y, F.interpolate(y[..., ::4, ::4], scale_factor=4, mode="nearest"))
    net = critic()  # which sees the mean of them alone
    noise = Noise(2).normal((4, *SHAPE), "fine")
    fine = noise - F.interpolate(F.avg_pool2d(noise, 4), scale_factor=4, mode="nearest")
    growth = torch.tensor([0.0])
    torch.testing.assert_close(net(y + fine, growth), net(y, growth), atol=1e-5, rtol=0)
    assert not torch.allclose(net(y + fine, torch.tensor([1.0])), net(y, torch.tensor([1.0])), atol=1e-3)


# Layers ---------------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("inputs", [3, 300])
def test_equalised_layers_start_with_unit_variance_whatever_comes_in(inputs: int):
    torch.manual_seed(0)
    x = torch.randn(200, inputs)
    assert float(EqualisedLinear(inputs, 500, 1.0)(x).std()) == pytest.approx(1, abs=0.1)
    maps = torch.randn(20, inputs, 8, 8)
    inner = EqualisedConv(inputs, 100, gain=1.0)(maps)[:, :, 1:-1, 1:-1]  # without the zeros around
    assert float(inner.std()) == pytest.approx(1, abs=0.1)
    assert float(F.relu(EqualisedLinear(inputs, 500)(x)).square().mean()) == pytest.approx(1, abs=0.1)
    for layer in (EqualisedLinear(inputs, 500), EqualisedConv(inputs, 100)):  # what an optimiser moves is all alike
        assert float(layer.weight.std()) == pytest.approx(1, abs=0.1)


def test_pixel_norm_leaves_a_mean_square_of_one():
    h = 7 * Noise(0).normal((3, 5, 4, 4), "h")
    torch.testing.assert_close(pixel_normed(h).square().mean(1), torch.ones(3, 4, 4))
    torch.testing.assert_close(pixel_normed(3 * h), pixel_normed(h))


def test_the_deviation_of_equal_images_is_nothing_and_has_a_gradient():
    one = Noise(0).normal((1, 3, 4, 4), "h")
    equal = one.expand(6, -1, -1, -1).clone().requires_grad_()
    more = deviation(equal)
    assert more.shape == (6, 4, 4, 4) and bool((more[:, 3].abs() < 1e-7).all())
    (slope,) = torch.autograd.grad(more[:, 3].sum(), equal)
    assert bool(slope.isfinite().all())
    varied = torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1).expand(2, 3, 4, 4)
    torch.testing.assert_close(deviation(varied)[:, 3], torch.ones(2, 4, 4), atol=1e-3, rtol=0)


# Growing --------------------------------------------------------------------------------------------------------------


def test_phases_hold_and_fade_in_turn():
    model = ProgressiveGAN(Levels((1, 16, 16), 5), latent=2, width=1, growth=4)
    grown = []
    for step in range(28):
        model.step.fill_(step)
        grown.append(model.grown)
    hold, fade = [0.0] * 4, [0.0, 0.25, 0.5, 0.75]
    assert grown == hold + fade + [1.0] * 4 + [1 + share for share in fade] + [2.0] * 12
    model.growth = 0
    assert model.grown == 2.0


def test_data_are_as_sharp_as_fakes():
    model = ProgressiveGAN(SPACE, latent=2, width=1, growth=4, penalty=None)
    x = (Noise(1).uniform((3, *SPACE.shape), "x") * 5).to(torch.uint8)
    shown: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    sharp = model.seen(SPACE.embed(x), Noise(0), "jitter of data")
    coarse = up(F.avg_pool2d(sharp, 2))
    for step, expected in ((0, coarse), (5, 0.75 * coarse + 0.25 * sharp), (8, sharp)):
        model.step.fill_(step)
        shown.clear()
        model.discriminator_loss(x, None, Noise(0))
        torch.testing.assert_close(shown[0], expected)


def test_both_networks_are_told_how_far_they_have_grown():
    model = ProgressiveGAN(SPACE, latent=2, width=1, growth=4, game=Relativistic())
    told: list[float] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: told.append(float(inputs[1])))
    model.generator.register_forward_pre_hook(lambda _, inputs: told.append(float(inputs[0][0, -1])))
    model.step.fill_(6)
    x = torch.zeros(3, *SPACE.shape, dtype=torch.uint8)
    model.discriminator_loss(x, None, Noise(0))
    model.generator_loss(x, None, Noise(0))
    model.sample(2, noise=Noise(0))
    assert len(told) >= 7 and set(told) == {0.5}


def test_the_losses_are_the_game():
    torch.manual_seed(0)
    model = ProgressiveGAN(SPACE, latent=2, width=2, growth=0, game=DivergenceGame(), penalty=None)
    x = (Noise(1).uniform((3, *SPACE.shape), "x") * 5).to(torch.uint8)
    noise, growth = Noise(0), torch.tensor([1.0])
    fake = model.seen(model.push(model.latents(3, noise), None), noise, "jitter of fakes")
    on_fake = model.discriminator(fake, growth)
    on_data = model.discriminator(model.seen(SPACE.embed(x), noise, "jitter of data"), growth)
    torch.testing.assert_close(model.discriminator_loss(x, None, noise), F.softplus(-on_data) + F.softplus(on_fake))
    torch.testing.assert_close(model.generator_loss(x, None, noise), F.softplus(-on_fake))


@pytest.mark.parametrize("stop", [3, 6])
def test_a_run_stopped_while_it_grows_goes_on_bit_for_bit(stop: int, tmp_path):
    x = (Noise(1).uniform((12, *SPACE.shape), "x") * 5).to(torch.uint8)

    def trained(steps: int, **where: Any) -> ProgressiveGAN:
        recipe = progressive_gan(SPACE, width=2, latent=2, growth=4)
        model: Any = recipe.model
        model.load_state_dict(start)
        return model.fit(x, **{**recipe.training, "steps": steps, "batch_size": 4, "schedule": "constant", **where})

    torch.manual_seed(0)
    fresh: Any = progressive_gan(SPACE, width=2, latent=2, growth=4).model
    start = fresh.state_dict()
    whole = trained(9)
    trained(stop, out=tmp_path / "run")
    again = trained(9, out=tmp_path / "run", resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    noise = Noise(3)
    assert torch.equal(whole.sample(5, noise=noise), again.sample(5, noise=noise))
    assert whole.grown == 1.0 and math.isclose(float(whole.step), 9)


def test_bad_calls_get_a_sentence():
    for shape in ((1, 12, 12), (1, 8, 16), (8,), (1, 2, 2)):
        with pytest.raises(ValueError, match="square images of 4, 8, 16, 32"):
            progressive_gan(Levels(shape, 5))
    with pytest.raises(ValueError, match="takes no context"):
        progressive_gan(SPACE, Classes(3))
    with pytest.raises(ValueError, match="growth of ProgressiveGAN should be at least 0"):
        ProgressiveGAN(SPACE, growth=-1)
