"""Networks of images: gates, blocks and residuals written out, and contexts that move every gate."""

import pytest
import torch
import torch.nn.functional as F

from ptheta.autoregressive import GatedPixelCNN, PixelCNN
from ptheta.autoregressive.gated_pixelcnn import HorizontalLayer, gate
from ptheta.autoregressive.pixelcnn import Block
from ptheta.nn.shifted import GatedBlock, concat_elu
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary, Classes

LIKE = torch.zeros((), dtype=torch.float64)


def test_a_gate_is_a_tanh_times_a_sigmoid_in_each_group():
    x = Noise(0).normal((5, 3, 2, 4), "x", like=LIKE)  # 3 groups of two halves of 4
    expected = torch.cat([x[:, g, 0].tanh() * x[:, g, 1].sigmoid() for g in range(3)], -1)  # eq. 2
    torch.testing.assert_close(gate(x.flatten(1), 4), expected)
    assert not torch.allclose(gate(x.flatten(1), 4), gate(x.flatten(1), 12))


def test_concat_elu_sees_both_signs():
    x = torch.tensor([[-2.0, 1.0]])
    torch.testing.assert_close(concat_elu(x), torch.cat([F.elu(x), F.elu(-x)], -1))


def test_residual_layers_pass_on_what_they_add_nothing_to():
    x = Noise(1).normal((2, 3, 4, 8), "x", like=LIKE)
    link = torch.zeros(2, 3, 4, 16, dtype=torch.float64)
    horizontal = HorizontalLayer(8, 8, 3, 1, is_first=False).double()
    block = Block(4, 1, 3).double()
    gated = GatedBlock(8, (2, 3), 1, 0, 0, 0.0).double()
    with torch.no_grad():
        for last in (horizontal.last, block.widen, gated.second):
            last.weight.zero_()
            last.bias.zero_()
    torch.testing.assert_close(horizontal(x, link, lambda layer: layer), x)
    torch.testing.assert_close(block(x, lambda layer: layer), x)
    torch.testing.assert_close(gated(x, [], None, lambda layer: layer), x)


def test_the_first_horizontal_layer_adds_nothing_to_the_image():
    layer = HorizontalLayer(8, 8, 3, 1, is_first=True).double()
    with torch.no_grad():
        layer.last.weight.zero_()
        layer.last.bias.zero_()
    x = Noise(1).normal((2, 3, 4, 8), "x", like=LIKE)
    assert not layer(x, torch.zeros(2, 3, 4, 16, dtype=torch.float64), lambda layer: layer).any()


def test_fresh_blocks_are_near_the_identity():
    with seeded(0):
        block = GatedBlock(32, (2, 3), 1, 0, 0, 0.0).double()
    x = Noise(1).normal((4, 6, 6, 32), "x", like=LIKE)
    moved = (block(x, [], None, lambda layer: layer) - x).detach()
    assert 0 < float(moved.std()) < 0.03


def test_a_context_moves_every_gate():
    """Of both stacks, in every layer: no row of a layer's context weights is without a gradient."""
    with seeded(0):
        model = GatedPixelCNN(Binary((1, 3, 4)), width=4, layers=3, kernel=3, context_space=Classes(2)).double()
    x = (Noise(0).uniform((30, 1, 3, 4), "x") < 0.5).to(torch.uint8)
    model.loss(x, torch.arange(30) % 2, Noise(0)).mean().backward()
    for name, p in model.named_parameters():
        if "context" in name:
            assert p.grad is not None and bool((p.grad != 0).any(1).all()), f"rows of {name} move nothing"


@pytest.mark.parametrize("position", [True, False])
def test_a_context_adds_to_the_place(position: bool):
    model = PixelCNN(Binary((1, 3, 4)), width=2, layers=0, position=position, context_space=Classes(2)).double()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p += Noise(0).normal(p.shape, key, like=p)
    shift = model._shift(torch.tensor([0, 1]))
    assert shift is not None and model.context_layer is not None
    expected = model.context_layer.weight.T[:, None, None].expand(-1, 3, 4, -1)
    torch.testing.assert_close(shift, expected if model.position is None else expected + model.position)
