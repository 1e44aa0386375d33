"""MADE: its masks against the paper's formulas, its average over masks, its unrolled passes."""

import itertools
import math

import pytest
import torch
from torch import nn

import autoregressive_laws as laws
from ptheta.autoregressive import FVBN, MADE
from ptheta.autoregressive.made import averaged, averaged_head
from ptheta.distributions.heads import (
    BernoulliHead,
    CategoricalHead,
    GaussianMixtureHead,
    Head,
    LogisticMixtureHead,
)
from ptheta.nn import masked
from ptheta.nn.masked import MaskedLinear, MaskedMLP
from ptheta.nn.unrolled import Unrolled
from ptheta.noise import Noise
from ptheta.recipes import autoregressive as recipes
from ptheta.spaces import Binary, Classes, Levels, Real, Symbols

SPACES = [Binary((6,)), Levels((2, 2), 3), Symbols((4,), 3), Real((3,))]


def rough(space=SPACES[0], **options):
    return laws.roughen(MADE(space, **{"hidden": (12, 9), **options}), scale=0.5).eval()


def events(model, n=8):
    return model.sample(n, None if model.context_space is None else torch.arange(n) % 2, noise=Noise(7))


# Masks


@pytest.mark.parametrize("masks", [1, 3])
def test_masks_are_those_of_the_paper(masks):
    net = MaskedMLP(6, 2, 3, (12, 9), masks=masks)
    inputs, asked = [j + 1 for j in range(6) for _ in range(2)], [i for _ in range(3) for i in range(6)]
    for t in range(masks):
        degrees = [inputs, *(layer.after[t].tolist() for layer in net.layers())]
        for layer, (before, after) in zip(net.layers(), itertools.pairwise(degrees), strict=True):
            # A hidden unit hears those whose degree is at most its own (eq. 8).
            assert layer.mask_number(t).tolist() == [[a >= b for b in before] for a in after]
        # The output of variable i, counted from 1, hears hidden units of a degree below i (eq. 9).
        assert net.last.mask_number(t).tolist() == [[i + 1 > b for b in degrees[-1]] for i in asked]


def test_every_degree_is_there_where_units_suffice():
    net = MaskedMLP(6, 1, 1, (6, 13), masks=2)
    for layer in net.layers():
        assert set(layer.after[0].tolist()) == set(range(6))
        assert bool((layer.after[0].diff() >= 0).all()), "the first mask is sorted"
        assert torch.equal(layer.after[1].sort().values, layer.after[0])
        assert not torch.equal(layer.after[1], layer.after[0])


def test_more_masks_keep_the_first_ones():
    few, many = MaskedMLP(6, 1, 1, (12,), masks=3), MaskedMLP(6, 1, 1, (12,), masks=8)
    assert torch.equal(few.last.before, many.last.before[:3])


def test_a_mask_with_at_least_for_more_than_is_rejected():
    model = rough(hidden=(24, 24))
    cells = events(model)
    laws.causal(model.conditionals, cells, 1 - cells)
    last = model.network.last
    last.mask = (last.after[0][:, None] + 1 >= last.before[0]).double()  # i may hear units of degree i: of itself
    with pytest.raises(AssertionError, match="leaks into"):
        laws.causal(model.conditionals, cells, 1 - cells)


def test_few_units_need_direct_connections_to_see_every_neighbour():
    cells = events(rough())
    laws.causal(rough(hidden=(3,), direct=True).conditionals, cells, 1 - cells)
    with pytest.raises(AssertionError, match="does not reach"):
        laws.causal(rough(hidden=(3,)).conditionals, cells, 1 - cells)


def test_without_hidden_units_it_is_a_belief_net():
    model, net = rough(direct=True), laws.roughen(FVBN(SPACES[0]))
    with torch.no_grad():
        model.network.last.weight.zero_()
        model.network.last.bias.copy_(net.bias[:, 0])
        model.network.direct.weight.copy_(net.weight.view(6, 6))
        model.network.direct.bias.zero_()
    x = laws.states(SPACES[0])
    torch.testing.assert_close(model.log_prob(x), net.log_prob(x), rtol=0, atol=1e-12)


# Several masks


class Unknown(BernoulliHead.__bases__[0]):
    """A head that no average is known of."""

    width = 1
    log_prob = sample = temper = mean = interval = lambda self, *inputs: inputs[0]


HEADS = [
    (BernoulliHead(), torch.tensor([0, 1, 1])),
    (CategoricalHead(4), torch.tensor([0, 3, 2])),
    (LogisticMixtureHead(256, 2), torch.tensor([0, 100, 255])),
    (GaussianMixtureHead(2), torch.tensor([-1.0, 0.3, 2.0], dtype=torch.float64)),
]


@pytest.mark.parametrize(("head", "cells"), HEADS, ids=lambda v: type(v).__name__)
def test_averages_are_of_probabilities(head, cells):
    generator = torch.Generator().manual_seed(0)
    parts = [2 * torch.randn(3, head.width, generator=generator, dtype=torch.float64) for _ in range(5)]
    expected = torch.stack([head.log_prob(p, cells).exp() for p in parts]).mean(0)
    average = averaged_head(head, 5)
    found = average.log_prob(averaged(head, parts), cells).exp()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    logits = head.log_prob(torch.stack(parts).mean(0), cells).exp()  # the broken twin
    assert float((logits - expected).abs().max()) > 0.01


def test_the_average_of_an_unknown_head_is_refused():
    assert isinstance(averaged_head(Unknown(), 1), Head)
    with pytest.raises(ValueError, match="build the model with one mask"):
        averaged_head(Unknown(), 2)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_training_takes_the_masks_in_turn_and_the_average_is_no_worse(space):
    model, k = rough(space, masks=3), 3
    x = events(model)
    losses = []
    for step in range(2 * k):
        model.step.fill_(step)
        losses.append(model.loss(x, None, Noise(0)))
    losses = torch.stack(losses)
    torch.testing.assert_close(losses[:k], losses[k:], rtol=0, atol=0)
    assert len({round(v, 9) for v in losses[:k, 0].tolist()}) == k
    assert bool((losses[:k].mean(0) >= -model.log_prob(x) - 1e-12).all())  # by convexity


def test_one_mask_is_a_model_by_itself():
    model = rough(masks=3)
    for step in range(3):
        model.step.fill_(step)
        laws.normalised(lambda x: -model.loss(x, None, Noise(0)), SPACES[0])


# One variable after the other


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("masks", [1, 3])
def test_every_hidden_unit_is_computed_once(space, masks):
    model = rough(space, masks=masks, direct=True, context_space=Classes(2))
    rows = []

    def counted(a):
        rows.append(len(a))
        return nn.functional.relu(a)

    context = torch.arange(8) % 2
    expected = model.sample(8, context, noise=Noise(1), method="naive")
    model.network.activation = counted
    x = model.sample(8, context, noise=Noise(1))
    torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)
    assert sum(rows) == masks * (12 + 9)


def test_a_cache_that_mixes_up_the_masks_is_rejected(monkeypatch):
    model = rough(masks=3)
    monkeypatch.setattr("ptheta.autoregressive.made.Unrolled", lambda net, n, context, t: Unrolled(net, n, context, 0))
    naive, cached = (model.sample(200, noise=Noise(1), method=m) for m in ("naive", "cached"))
    assert not torch.equal(naive, cached)


# The rest


@pytest.mark.parametrize("options", [{"hidden": ()}, {"hidden": (8, 0)}, {"masks": 0}])
def test_networks_without_layers_or_masks_are_refused(options):
    with pytest.raises(ValueError, match="MADE needs hidden layers and a mask"):
        MADE(SPACES[0], **options)


@pytest.mark.parametrize("space", [*SPACES, Levels((2,), 40), Binary((1, 28, 28))], ids=str)
def test_the_recipe_fits_every_space(space):
    recipe = recipes.made(space, hidden=(8,), masks=2)
    assert recipe.model.log_prob(recipe.model.sample(2, noise=Noise(0))).shape == (2,)
    assert recipe.training["epochs"] > 0


def test_one_variable_has_no_parents():
    laws.normalised(rough(Binary((1,))).log_prob, Binary((1,)))


def test_the_loss_of_several_masks_is_in_the_unit_of_the_event():
    plain = rough(Real((2,)), masks=2)
    wide = MADE(Real((2,), (0, 0), (2, 3)), hidden=(12, 9), masks=2).double()
    wide.load_state_dict(plain.state_dict())
    x = torch.tensor([[0.3, -1.0], [1.2, 0.4]]).double()
    raw = wide.loss(x * torch.tensor([2, 3]), None, Noise(0))
    torch.testing.assert_close(raw, plain.loss(x, None, Noise(0)) + math.log(6))


@pytest.mark.parametrize(("d", "widths", "context"), [(500, (450,), 0), (130, (1700,), 3), (9, (470, 470), 2)])
def test_the_parts_of_a_product_are_the_whole(monkeypatch, d, widths, context):
    monkeypatch.setattr(masked, "BUSY", 0)
    net = MaskedMLP(d, 1, 1, widths, context=context).double()
    for parameter in net.parameters():
        nn.init.normal_(parameter)  # also where the masks are
    x, c = torch.randn(3, d).double().requires_grad_(), torch.randn(3, context).double() if context else None
    assert any(len(layer.reach) > 1 for layer in net.layers())

    def grads():
        out = net(x, c)
        return [out, *torch.autograd.grad(out.square().sum(), [x, *net.parameters()])]

    by_parts = grads()
    for layer in net.modules():
        if isinstance(layer, MaskedLinear):
            layer.reach = [(0, 0)]  # one part: the whole
    for part, whole in zip(by_parts, grads(), strict=True):
        torch.testing.assert_close(part, whole, rtol=1e-10, atol=1e-10)
