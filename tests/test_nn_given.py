"""Networks of what is given: what enlarges, and what reads and draws frames."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ptheta.nn.contexts import Maps
from ptheta.nn.convolutional import ConvEncoder, Pyramid
from ptheta.nn.enlarging import Enlarger
from ptheta.nn.frames import FramePredictor
from ptheta.noise import seeded
from ptheta.spaces import Levels, Tokens


def awake(net: nn.Module) -> nn.Module:
    """Its weights moved off their start."""
    with seeded(0), torch.no_grad():
        for p in net.parameters():
            p += 0.2 * torch.randn(p.shape)
    return net.double()


def moved(net: nn.Module, shape: tuple[int, ...], context: tuple[int, ...]) -> None:
    """Latents and contexts reach the whole output, and rows do not see each other."""
    with seeded(1):
        z, c = torch.randn(3, 4).double(), torch.randn(3, *context).double()
    y = net(z, c)
    assert y.shape == (3, *shape)
    for other in (net(z + 1, c), net(z, c + 1)):
        assert ((y - other).flatten(1).abs().amax(1) > 1e-6).all()
    torch.testing.assert_close(net(z[:2], c[:2]), y[:2])


@pytest.mark.parametrize("context", [(3, 4, 3), (1, 4, 3), (3, 16, 12), (5,), (2, 9, 9)])
@pytest.mark.parametrize("bounded", [True, False])
def test_an_enlarger_takes_anything_given(context: tuple[int, ...], bounded: bool):
    moved(awake(Enlarger(4, (3, 16, 12), context=context, width=8, blocks=1, bounded=bounded)), (3, 16, 12), context)


def test_a_fresh_enlarger_stretches_what_it_is_given():
    with seeded(0):
        net = Enlarger(4, (1, 16, 16), context=(1, 4, 4), width=8, bounded=False)
        nn.init.zeros_(net.last.weight)
        nn.init.zeros_(net.last.bias)  # pyright: ignore[reportArgumentType]
    flat = torch.full((2, 1, 4, 4), 0.3)
    torch.testing.assert_close(net(torch.zeros(2, 4), flat), torch.full((2, 1, 16, 16), 0.3))


def test_an_enlarger_works_at_the_size_of_what_is_given():
    assert len(Enlarger(4, (1, 28, 28), context=(1, 7, 7), width=8).up) == 2
    assert len(Enlarger(4, (1, 28, 28), context=(1, 14, 14), width=8).up) == 1
    assert Enlarger(4, (1, 28, 28), context=(9,), width=8).small == (7, 7)


@pytest.mark.parametrize(("shape", "context"), [((2, 7, 9), (3, 7, 9)), ((3, 8, 8), (1, 4, 4)), ((1, 5, 5), (6,))])
@pytest.mark.parametrize("bounded", [True, False])
def test_a_frame_predictor_takes_anything_given(shape: tuple[int, ...], context: tuple[int, ...], bounded: bool):
    moved(awake(FramePredictor(4, shape, context=context, hidden=6, bounded=bounded)), shape, context)


def test_a_frame_predictor_that_learned_nothing_repeats_the_last_frame():
    with seeded(0):
        net = FramePredictor(4, (3, 6, 6), context=(2, 6, 6), hidden=6)
    nn.init.zeros_(net.decode[2].weight)  # pyright: ignore[reportArgumentType]
    nn.init.zeros_(net.decode[2].bias)  # pyright: ignore[reportArgumentType]
    given = 0.8 * torch.rand(2, 2, 6, 6) - 0.4
    torch.testing.assert_close(net(torch.zeros(2, 4), given).tanh(), given[:, 1:].expand(-1, 3, -1, -1))


def test_a_frame_predictor_whose_gate_is_closed_forgets_the_last_frame():
    with seeded(0):
        net = FramePredictor(4, (2, 6, 6), context=(2, 6, 6), hidden=6)
    last: Any = net.decode[2]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    nn.init.constant_(last.bias[4:], -50.0)  # of a patch of 2 x 2, new pixels first
    given = 0.8 * torch.rand(2, 2, 6, 6) - 0.4
    torch.testing.assert_close(net(torch.zeros(2, 4), given), torch.zeros(2, 2, 6, 6))


def slope(net: nn.Module, of: int, by: int) -> Tensor:
    """How much a drawn frame depends on each of those given."""
    c = torch.zeros(1, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(net(torch.zeros(1, 4).double(), c)[0, of].sum(), c)
    return g[0, by].abs().max()


def test_every_drawn_frame_depends_on_every_frame_given_and_on_none_to_come():
    net = awake(FramePredictor(4, (2, 6, 6), context=(4, 6, 6), hidden=6))
    assert all(float(slope(net, of, by)) > 1e-9 for of in range(2) for by in range(4))
    with seeded(2):
        longer = FramePredictor(4, (5, 6, 6), context=(4, 6, 6), hidden=6).double()
    longer.load_state_dict(net.state_dict())
    z, c = torch.randn(2, 4).double(), torch.randn(2, 4, 6, 6).double()
    torch.testing.assert_close(longer(z, c)[:, :2], net(z, c))  # drawing more frames does not change the first


def test_the_reader_of_raw_maps_gives_what_is_embedded():
    space = Levels((2, 3, 4), 5)
    context = torch.randint(0, 5, (6, 2, 3, 4)).byte()
    assert torch.equal(Maps(space)(context), space.embed(context, torch.float32))
    with pytest.raises(ValueError, match="three axes"):
        Maps(Tokens(4, 3))


def test_sizes_count_alike_in_a_pyramid_of_features():
    with seeded(0):
        encoder = ConvEncoder((1, 16, 16), 2, width=4)
    x = torch.randn(2, 1, 16, 16)
    maps, vector = encoder.maps(x)[1:], Pyramid(encoder)(x)
    parts = vector.split([h[0].numel() for h in maps], 1)
    for h, part in zip(maps, parts, strict=True):
        torch.testing.assert_close(part.square().sum(1) / vector.shape[1], h.square().flatten(1).mean(1) / len(maps))
