"""Convolutional encoders and decoders: any size and channel count, and every pixel is seen and drawn."""

import pytest
import torch

from ptheta.nn.convolutional import ConvDecoder, ConvEncoder, ResidualBlock, halvings
from ptheta.nn.mlp import MLP
from ptheta.noise import seeded

SHAPES = [(1, 4, 4), (3, 5, 7), (2, 8, 8), (1, 9, 13), (1, 28, 20), (4, 7, 17), (1, 16, 33)]


def test_halvings_round_up_until_a_side_is_small() -> None:
    assert halvings((28, 28)) == [(28, 28), (14, 14), (7, 7)]
    assert halvings((9, 33)) == [(9, 33), (5, 17)]
    assert halvings((4, 5)) == [(4, 5)]
    with pytest.raises(ValueError, match=r"at least 4 x 4, but the size is \(3, 9\)"):
        halvings((3, 9))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_pixel_is_seen_and_drawn(shape: tuple[int, int, int]) -> None:
    with seeded(0):
        encoder = ConvEncoder(shape, 6, width=3, hidden=16, context=(2,)).double()
        decoder = ConvDecoder(3, shape, 2, width=3, hidden=16, context=(2,)).double()
    context = torch.eye(2, dtype=torch.float64)
    x = torch.randn(2, *shape, dtype=torch.float64, requires_grad=True)
    code = encoder(x, context)
    assert code.shape == (2, 6)
    (gradient,) = torch.autograd.grad(code.sum(), x)
    assert bool((gradient != 0).all())  # no pixel is cut off by a stride or an odd side

    z = torch.zeros(2, 3, dtype=torch.float64)
    y = decoder(z, context)
    assert y.shape == (2, *shape, 2)
    assert bool((decoder(z + 1, context) != y).all())  # and none is out of the code's reach
    assert bool((y[0] != y[1]).any())  # the same code, another context
    assert bool((encoder(x, context.flip(0)) != code).any())


@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_every_parameter_has_a_gradient_and_rows_stand_alone(shape: tuple[int, int, int]) -> None:
    with seeded(0):
        encoder = ConvEncoder(shape, 6, width=3, hidden=16).double()
        decoder = ConvDecoder(6, shape, width=3, hidden=16).double()
        x = torch.randn(3, *shape, dtype=torch.float64)
    y = decoder(encoder(x))
    y.square().sum().backward()
    for name, p in [*encoder.named_parameters(), *decoder.named_parameters()]:
        assert p.grad is not None and float(p.grad.abs().max()) > 0, name
    torch.testing.assert_close(decoder(encoder(x[1:2])), y[1:2])


def test_dense_network_takes_contexts_and_scalars() -> None:
    net = MLP(1, 3, hidden=(), context=2)
    assert net(torch.zeros(4), torch.zeros(4, 2)).shape == (4, 3)
    assert [type(layer).__name__ for layer in net.layers] == ["Linear"]


def test_widths_double_up_to_four_times():
    net = ConvEncoder((1, 70, 70), 3, width=2, hidden=4)
    assert [layer.out_channels for layer in (net.first, *net.down)] == [2, 4, 8, 8, 8]


def test_residual_blocks_add_to_their_input():
    block, x = ResidualBlock(3), torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    block.second.weight.data.zero_()
    block.second.bias.data.zero_()
    assert torch.equal(block(x), x)
