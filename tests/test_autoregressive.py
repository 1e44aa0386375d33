"""Sampling and completion, shared by all autoregressive models: one event per noise, however it is drawn."""

import math
import warnings

import pytest
import torch
from scipy import stats

import laws
from ptheta.autoregressive import NADE, Choice, EoNADE, autoregressive, fixed_point, naive, pixel_order
from ptheta.distributions.heads import (
    BernoulliHead,
    CategoricalHead,
    GaussianMixtureHead,
    LogisticMixtureHead,
)
from ptheta.noise import Noise
from ptheta.spaces import Binary, Classes, Real

KINDS = ("raster", "zigzag", "spiral", "random")


def bits(seed: int = 0) -> NADE:
    torch.manual_seed(seed)
    model = NADE(Binary((6,)), hidden=8).double()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
    return model.eval()


# Samplers


def test_the_fixed_point_takes_at_most_as_many_passes_as_variables():
    model = bits()
    with torch.no_grad():
        choice = Choice(model.head, Noise(0).uniform((50, 6, 1), "u").double())
        cells, passes = fixed_point(model.conditionals, choice)
        assert torch.equal(cells, naive(model.conditionals, choice))
        assert passes <= 6
        independent = Choice(model.head, choice.uniforms)
        assert fixed_point(lambda cells: torch.zeros(50, 6, 1), independent)[1] == 1  # the first guess is the answer


def test_unknown_methods_and_bad_temperatures_are_refused():
    with pytest.raises(ValueError, match="cached, fixed-point or naive, but it is 'fast'"):
        bits().sample(2, method="fast")
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature should be positive"):
            bits().sample(2, temperature=temperature)


# Temperature


@pytest.mark.parametrize("head", [BernoulliHead(), CategoricalHead(5)], ids=["bits", "levels"])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_tempered_heads_are_powers(head, temperature):
    params = torch.linspace(-2, 2, head.width, dtype=torch.float64)[None]
    cells = torch.arange(max(head.width, 2))
    log_p = head.log_prob(params.expand(len(cells), -1), cells)
    expected = (log_p / temperature).log_softmax(0)
    tempered = head.log_prob(head.temper(params, temperature).expand(len(cells), -1), cells)
    torch.testing.assert_close(tempered, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("head", "spread"),
    [(GaussianMixtureHead(1), stats.norm.std()), (LogisticMixtureHead(256, 1), stats.logistic.std())],
    ids=["reals", "levels"],
)
def test_tempered_mixtures_narrow(head, spread):
    params = torch.tensor([[0.0, 0.1, -2.0]], dtype=torch.float64).expand(20_000, -1)
    u = Noise(0).uniform((20_000, 2), "u").double()
    seen = []
    for temperature in (1.0, 0.25):
        cells = head.sample(head.temper(params, temperature), u).double()
        seen.append(float(cells.std()) / (1 if isinstance(head, GaussianMixtureHead) else 255 / 2))
    power = 0.5 if isinstance(head, GaussianMixtureHead) else 1.0
    assert seen[0] == pytest.approx(math.exp(-2) * spread, rel=0.03)
    assert seen[1] == pytest.approx(seen[0] * 0.25**power, rel=0.03)


def test_cold_events_are_likelier():
    model = bits()
    warm, cold = (model.sample(2000, noise=Noise(0), temperature=t) for t in (1.0, 0.3))
    assert model.log_prob(cold).mean() > model.log_prob(warm).mean() + 0.5


# Completion


def test_completions_of_a_prefix_follow_the_conditional_law():
    model, n = bits(), 5000
    x = torch.tensor([1, 0, 1, 0, 0, 0], dtype=torch.uint8).expand(n, -1)
    mask = torch.tensor([True] * 3 + [False] * 3).expand(n, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled = model.complete(x, mask, noise=Noise(0))
    assert torch.equal(filled[:, :3], x[:, :3])
    states = laws.states(Binary((3,)))
    p = model.log_prob(torch.cat([x[:8, :3], states], 1)).detach().exp()
    index = (filled[:, 3:].long() * torch.tensor([4, 2, 1])).sum(1)
    laws.agree(torch.bincount(index, minlength=8).double(), n * p / p.sum())
    with pytest.raises(AssertionError, match="disagree"):  # a draw that does not see the known part
        laws.agree(torch.bincount(index, minlength=8).double(), n * p.flip(0) / p.sum())


def test_every_method_completes_alike():
    model = bits()
    x, mask = model.sample(40, noise=Noise(1)), torch.rand(40, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    with pytest.warns(UserWarning, match="drawn without seeing them"):
        first, *others = (model.complete(x, mask, noise=Noise(2), method=m) for m in ("cached", "naive", "fixed-point"))
    assert torch.equal(first[mask], x[mask])
    assert all(torch.equal(first, other) for other in others)
    assert torch.equal(model.complete(x, torch.ones_like(mask), noise=Noise(2)), x)
    assert torch.equal(model.complete(x, torch.zeros_like(mask), noise=Noise(2)), model.sample(40, noise=Noise(2)))


@pytest.mark.filterwarnings("ignore:.*filled in under one of the orders")
@pytest.mark.parametrize("model", [NADE(Real((3,)), hidden=4), EoNADE(Real((3,)), hidden=(4,), orders=2)])
def test_what_is_open_may_hold_anything(model):
    x, mask = torch.tensor([[0.5, math.nan, math.inf]]), torch.tensor([[True, False, False]])
    filled = model.complete(x, mask, noise=Noise(0))
    assert bool(torch.isfinite(filled).all()) and filled[0, 0] == 0.5
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.complete(x, ~mask, noise=Noise(0))


def test_bad_masks_are_refused():
    model = bits()
    x = model.sample(3, noise=Noise(0))
    for mask in (torch.ones(3, 5, dtype=torch.bool), torch.ones(3, 6)):
        with pytest.raises(ValueError, match=r"mask should be torch.bool with shape \(3, 6\)"):
            model.complete(x, mask)


# Orders


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 5), (5, 3), (1, 1, 7), (6,)], ids=str)
def test_orders_are_permutations_that_keep_pixels_whole(shape, kind):
    order = pixel_order(shape, kind)
    assert sorted(order) == list(range(math.prod(shape)))
    *channels, height, width = shape if len(shape) > 1 else (1, *shape)
    c = math.prod(channels)
    pixels = torch.tensor(order).reshape(-1, c) % (height * width)
    assert bool((pixels == pixels[:, :1]).all())
    if kind in ("zigzag", "spiral"):
        y, x = pixels[:, 0] // width, pixels[:, 0] % width
        assert bool(((y.diff().abs() + x.diff().abs()) == 1).all()), "pixels in turn are neighbours"


def test_orders_say_what_they_are():
    assert pixel_order((2, 3), "zigzag") == (0, 1, 2, 5, 4, 3)
    assert pixel_order((3, 3), "spiral") == (0, 1, 2, 5, 8, 7, 6, 3, 4)
    assert pixel_order((2, 1, 2), "raster") == (0, 2, 1, 3)
    assert pixel_order((4, 4), "random") == pixel_order((4, 4), "random") != pixel_order((4, 4), "random", seed=1)
    with pytest.raises(ValueError, match="raster, zigzag, spiral or random, but 'hilbert' was given"):
        pixel_order((2, 2), "hilbert")


def test_samples_of_classes_do_not_depend_on_the_chunks_they_are_drawn_in(monkeypatch):
    model = NADE(Binary((6,)), hidden=4, context_space=Classes(3)).double()
    with torch.no_grad():
        model.context_layer.weight.normal_(0, 3, generator=torch.Generator().manual_seed(0))
    context = torch.tensor([0, 2, 1, 1, 0, 2, 2])
    whole = model.sample(7, context, noise=Noise(0))
    monkeypatch.setattr(autoregressive, "CHUNK", 3)
    assert torch.equal(model.sample(7, context, noise=Noise(0)), whole)
