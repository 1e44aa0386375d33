"""The U-Net and the residual MLP keep shapes, start at zero, and use all they are given."""

import pytest
import torch
from torch import nn

from ptheta.nn.denoiser import ResidualMLP
from ptheta.nn.embeddings import TimeEmbedding, sinusoids
from ptheta.nn.unet import Attention, ResidualBlock, UNet, in_patches


def awake(network: nn.Module) -> nn.Module:
    """Moves every parameter off its start: zeros would hide what depends on what."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return network.double()


@pytest.mark.parametrize(
    ("shape", "patch", "multipliers"),
    [((1, 8, 8), 1, (1, 2)), ((3, 7, 5), 1, (1, 2, 2)), ((2, 9, 14), 2, (1, 1)), ((1, 1, 1), 1, (1,))],
)
def test_unet_keeps_the_shape_of_any_image(shape, patch, multipliers):
    network = awake(UNet(shape[0], width=8, multipliers=multipliers, patch=patch))
    y = network(torch.randn(2, *shape).double(), torch.rand(2).double())
    assert y.shape == (2, *shape)
    assert y.isfinite().all()


def test_patches_are_those_of_torch_also_of_no_image():
    x = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    assert torch.equal(in_patches(x, 2), nn.functional.pixel_unshuffle(x, 2))
    assert in_patches(x[:0], 2).shape == (0, 12, 2, 3)
    assert UNet(1, width=8, patch=2)(torch.zeros(0, 1, 8, 8), torch.zeros(0)).shape == (0, 1, 8, 8)


@pytest.mark.parametrize("build", [lambda: UNet(1, width=8), lambda: ResidualMLP((1, 4, 4), width=8)])
def test_a_fresh_network_returns_zeros(build):
    assert not build()(torch.randn(3, 1, 4, 4), torch.rand(3)).any()


@pytest.mark.parametrize(
    "build", [lambda: UNet(2, width=8, context=(3,)), lambda: ResidualMLP((2, 4, 4), width=8, context=3)]
)
def test_output_depends_on_event_time_and_context(build):
    network = awake(build())
    x, t, context = torch.randn(3, 2, 4, 4).double(), torch.rand(3).double(), torch.eye(3).double()
    y = network(x, t, context)
    for other in (network(x + 1, t, context), network(x, t / 2, context), network(x, t, context.roll(1, 0))):
        assert ((y - other).flatten(1).abs().amax(1) > 1e-6).all()


def rows_stand_alone(network: nn.Module) -> bool:
    """Whether the output of the first rows does not depend on the others."""
    x, t = torch.randn(5, 1, 4, 4).double(), torch.rand(5).double()
    return torch.allclose(network(x, t)[:2], network(x[:2], t[:2]), atol=1e-12)


@pytest.mark.parametrize("build", [lambda: UNet(1, width=8), lambda: ResidualMLP((1, 4, 4), width=8)])
def test_rows_do_not_see_each_other(build):
    assert rows_stand_alone(awake(build()))


def test_batch_normalisation_would_show_them_to_each_other():
    network = awake(UNet(1, width=8))
    network.middle[0].norm = nn.BatchNorm2d(network.middle[0].norm.num_channels).double()
    assert not rows_stand_alone(network)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5)])
def test_every_pixel_is_seen_and_every_parameter_used(shape):
    network = awake(UNet(shape[0], width=8, context=(2,)))
    x = torch.randn(2, *shape).double().requires_grad_()
    y = network(x, torch.rand(2).double(), torch.eye(2).double())
    weights = torch.linspace(1, 2, y.numel()).double().reshape(y.shape)  # so that nothing cancels
    inputs = [x, *network.parameters()]
    gradients = torch.autograd.grad((weights * y).sum(), inputs)
    assert bool((gradients[0] != 0).all())
    assert all(bool((g != 0).any()) for g in gradients)


def test_times_close_together_look_alike():
    t = torch.tensor([0.5, 0.5001, 0.9], dtype=torch.float64)
    features = sinusoids(1000 * t, 64)
    near, far = (features[0] - features[1]).norm(), (features[0] - features[2]).norm()
    assert near < far / 10
    assert torch.allclose(features.square().sum(1), torch.full((3,), 32.0).double())


def test_no_context_is_a_context_of_zeros():
    embed = TimeEmbedding(8, context=2).double()
    t = torch.rand(3).double()
    assert torch.equal(embed(t), embed(t, torch.zeros(3, 2).double()))


def test_blocks_start_as_the_identity():
    generator = torch.Generator().manual_seed(1)
    x, embedding = torch.randn(2, 8, 4, 4, generator=generator), torch.randn(2, 6, generator=generator)
    assert torch.equal(ResidualBlock(8, 8, 6)(x, embedding), x)
    assert torch.equal(Attention(8)(x), x)
    vectors, block = torch.randn(2, 6, generator=generator), ResidualMLP((3,), width=6).blocks[0]
    nn.init.zeros_(block.second.weight)
    nn.init.zeros_(block.second.bias)
    assert torch.equal(block(vectors, embedding), vectors)


def test_the_way_up_sees_the_way_down():
    """What the first layer says reaches the end past the whole pyramid, which is switched off here."""
    network = awake(UNet(1, width=8, multipliers=(1, 2), attention=False))
    for layer in network.down:
        layer.register_forward_hook(lambda module, inputs, output: 0 * output)
    x, t = torch.randn(2, 1, 4, 4).double(), torch.rand(2).double()
    assert not torch.equal(network(x, t), network(-x, t))


def test_times_become_sinusoids_of_a_thousand():
    t = torch.tensor([0.0, 0.3, 1.0]).double()
    slow = t / 100  # the lowest of two frequencies is 1 / period
    expected = torch.stack([t.cos(), slow.cos(), t.sin(), slow.sin()], 1)
    torch.testing.assert_close(sinusoids(t, 4, period=100.0), expected)
    embedding = TimeEmbedding(6).double()
    torch.testing.assert_close(embedding(t), embedding.mlp(sinusoids(1000 * t, 6)))
