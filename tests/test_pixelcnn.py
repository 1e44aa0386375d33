"""PixelCNN, gated PixelCNN and PixelCNN++: what they see exactly, one computation per feature, the paper's mixture."""

import math
import warnings
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import laws
import pixel_sight
from ptheta.autoregressive import Autoregressive, GatedPixelCNN, PixelCNN, PixelCNNPP
from ptheta.autoregressive.pixelcnnpp import logistic_channels
from ptheta.distributions.heads import CategoricalHead, LogisticMixtureHead
from ptheta.nn import causal
from ptheta.nn.causal import CausalConv, PixelCache, RowCache, channel_mask
from ptheta.nn.shifted import Stream
from ptheta.noise import Noise
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols

SMALL = {
    PixelCNN: {"width": 6, "layers": 2, "kernel": 3},
    GatedPixelCNN: {"width": 6, "layers": 2, "kernel": 3},
    PixelCNNPP: {"width": 4, "layers": 1},
}
MODELS = [pytest.param(cls, id=cls.__name__) for cls in SMALL]


def small(cls: type, space: Space, **settings) -> Autoregressive:
    torch.manual_seed(0)
    model = cls(space, **{**SMALL[cls], **settings}).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn_like(p)
    return model


def events(space: Space, n: int = 6) -> Tensor:
    return (Noise(3).uniform((n, *space.shape), "x") * space.n).to(space.dtype)


def reach(model: Autoregressive) -> Tensor:
    """Which conditional depends on which variable, (D, D), by the Jacobian at positive weights: nothing cancels."""
    with torch.no_grad():
        for p in model.parameters():
            p.abs_().mul_(0.3)
    cells = torch.full((model.space.dimensions,), 0.5, dtype=torch.float64)
    return torch.autograd.functional.jacobian(lambda x: model.conditionals(x[None])[0].sum(-1), cells) != 0


# What is seen


@pytest.mark.parametrize(
    ("shape", "kernel", "blocks", "middle"),
    [
        ((1, 5, 9), 3, 1, 3),
        ((1, 6, 9), 3, 3, 3),
        ((1, 7, 11), 5, 2, 3),
        ((1, 6, 10), 3, 1, 5),
        ((1, 5, 9), 3, 2, 5),
        ((3, 3, 5), 3, 1, 3),
        ((2, 4, 6), 3, 0, 3),
    ],
    ids=str,
)
def test_pixelcnn_has_the_blind_spot_of_its_docstring(shape, kernel, blocks, middle):
    seen = reach(small(PixelCNN, Binary(shape), kernel=kernel, layers=blocks, middle=middle, position=True))
    assert torch.equal(seen, pixel_sight.pixelcnn(*shape, radius=kernel // 2, blocks=blocks, middle=middle // 2))
    assert not torch.equal(seen, laws.all_before(seen)), "the image is too small to have a blind spot"


@pytest.mark.parametrize(
    ("shape", "kernel", "layers"),
    [((1, 6, 9), 3, 1), ((1, 6, 9), 3, 3), ((1, 8, 12), 5, 2), ((3, 3, 6), 3, 2), ((2, 5, 5), 7, 2)],
    ids=str,
)
def test_gated_pixelcnn_has_no_blind_spot(shape, kernel, layers):
    seen = reach(small(GatedPixelCNN, Binary(shape), kernel=kernel, layers=layers))
    assert torch.equal(seen, pixel_sight.gated_pixelcnn(*shape, radius=kernel // 2, layers=layers))


def test_deep_gated_stacks_see_everything_and_plain_ones_do_not():
    space, all_before = Binary((1, 6, 8)), torch.ones(48, 48).tril(-1).bool()
    assert torch.equal(reach(small(GatedPixelCNN, space, layers=7)), all_before)
    plain = reach(small(PixelCNN, space, layers=9))
    assert not plain[8, 3]  # the pixel above and three to the right, however many blocks
    assert not bool((plain & ~all_before).any())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 7, 9), (3, 5, 3), (2, 1, 6), (3, 5, 1)], ids=str)
def test_pixelcnnpp_sees_everything_before(shape):
    d = math.prod(shape)
    assert torch.equal(reach(small(PixelCNNPP, Binary(shape), layers=2)), torch.ones(d, d).tril(-1).bool())


def test_a_mask_of_the_wrong_kind_leaks():
    """Twins: mask B in the first layer, so that a channel sees itself, and a mask that ends a pixel too late."""
    for shape in ((1, 3, 3), (3, 2, 2)):
        space = Binary(shape)
        model = small(PixelCNN, space)
        laws.conditionals_see_only_the_past(
            model, events(space), None, pixel_sight.pixelcnn(*shape, radius=1, blocks=2)
        )
        weight, c = model.first.weight, shape[0]
        model.first.mask[:, :, -1, 1] = channel_mask(weight.shape[1], weight.shape[0], c, "B")
        with pytest.raises(AssertionError, match="leaks"):
            laws.conditionals_see_only_the_past(
                model, events(space), None, pixel_sight.pixelcnn(*shape, radius=1, blocks=2)
            )


def test_a_vertical_stack_that_is_not_shifted_leaks():
    space = Binary((1, 3, 4))
    model, truth = small(GatedPixelCNN, space), pixel_sight.gated_pixelcnn(1, 3, 4, radius=1, layers=2)
    laws.conditionals_see_only_the_past(model, events(space), None, truth)
    model.vertical[0].convolution.shift = (0, 0)
    with pytest.raises(AssertionError, match="leaks"):
        laws.conditionals_see_only_the_past(model, events(space), None, truth)


# Sampling


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize(
    "space",
    [Binary((1, 1, 1)), Binary((1, 5, 1)), Binary((1, 1, 6)), Levels((3, 3, 2), 4), Levels((2, 3, 5), 256)],
    ids=str,
)
def test_cached_samples_are_the_naive_ones_at_any_size(cls, space):
    context = {"context_space": Classes(2), **({} if cls is PixelCNNPP else {"position": True})}
    laws.samplers_agree(small(cls, space, **context), torch.arange(6) % 2)


def test_a_cache_that_is_one_row_late_is_rejected(monkeypatch):
    honest = PixelCache.next_row

    def late(self: PixelCache) -> None:
        before = self.above
        honest(self)
        self.above = before

    model = small(PixelCNN, Binary((1, 4, 4)))
    laws.samplers_agree(model, None)
    monkeypatch.setattr(causal.PixelCache, "next_row", late)
    with pytest.raises(AssertionError, match="cached"):
        laws.samplers_agree(model, None)


def places(stream: Stream, sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The size of what each convolution of a stream gives."""
    found = [sizes[k + 1] for k in range(len(stream.shrink))]
    for k, size in enumerate(sizes):
        found += [size] * sum(isinstance(m, CausalConv) for part in (stream.down, stream.up) for m in part[k].modules())
    return found


@pytest.mark.parametrize("cls", MODELS)
def test_every_feature_is_computed_once(cls, monkeypatch):
    """Each layer gives each channel group of each pixel of its resolution, and each row, exactly one time."""
    (channels, height, width), counts = (3, 5, 6), Counter()
    for cache in (PixelCache, RowCache):
        honest = cache.at

        def at(self, honest=honest, cache=cache) -> Tensor:
            counts[cache, id(self)] += 1
            return honest(self)

        monkeypatch.setattr(cache, "at", at)
    model = small(cls, Binary((channels, height, width)))
    model.sample(2, noise=Noise(0))
    pixels = Counter(n for (cache, _), n in counts.items() if cache is PixelCache)
    rows = Counter(n for (cache, _), n in counts.items() if cache is RowCache)
    layers = sum(isinstance(m, CausalConv) for m in model.modules())
    assert pixels.total() + rows.total() == layers
    if cls is PixelCNNPP:  # layers that lead to a size are computed where that size is due
        sizes = [(5, 6), (3, 3), (2, 2)]
        assert pixels == Counter(h * w for h, w in [sizes[0], *places(model.all_before, sizes)])
        assert rows == Counter(h for h, _ in [sizes[0], sizes[0], *places(model.rows_above, sizes)])
    else:
        assert set(pixels) == {channels * height * width}
        assert set(rows) <= {height}


@pytest.mark.parametrize("cls", MODELS)
def test_the_lower_half_is_completed_exactly(cls):
    space = Levels((1, 6, 5), 3)
    model, x = small(cls, space), events(space, 8)
    mask = torch.zeros(8, 1, 6, 5, dtype=torch.bool)
    mask[:, :, :3] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled, naive = (model.complete(x, mask, noise=Noise(0), method=m) for m in ("cached", "naive"))
    assert torch.equal(filled, naive)
    assert torch.equal(filled[mask], x[mask])
    assert not torch.equal(filled, x)


# The mixture of a pixel


def paper_joint(params: Tensor, x: Tensor, n: int, components: int) -> Tensor:
    """log p(r, g, b) of whole pixels (B, 3), written out from equations 2 and 3 of the paper."""
    logits, *rest = params.reshape(len(x), 10, components).unbind(1)
    (mr, mg, mb), (sr, sg, sb), (alpha, beta, gamma) = rest[:3], rest[3:6], (torch.tanh(a) for a in rest[6:])
    r, g, b = (2 * x.double() / (n - 1) - 1)[..., None].unbind(1)
    total = logits.softmax(1)
    for v, mean, log_scale in ((r, mr, sr), (g, mg + alpha * r, sg), (b, mb + beta * r + gamma * g, sb)):
        scale, half = log_scale.exp(), 1 / (n - 1)
        upper = torch.where(v > 1 - half, torch.ones_like(mean), torch.sigmoid((v + half - mean) / scale))
        lower = torch.where(v < -1 + half, torch.zeros_like(mean), torch.sigmoid((v - half - mean) / scale))
        total = total * (upper - lower)
    return total.sum(1).log()


@pytest.mark.parametrize("n", [4, 40])
def test_the_chain_over_channels_is_the_joint_of_the_paper(n):
    head, rows = LogisticMixtureHead(n, 3), 50
    params = torch.randn(rows, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = events(Levels((3,), n), rows)
    seen = Levels((3,), n).embed(x, torch.float64)
    bits = (x[..., None] > torch.arange(n - 1)).double()

    def value(c: int, _: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, c], seen[:, c : c + 1] if n > 32 else bits[:, c]

    chain = torch.stack(logistic_channels(params, value, head, 3), 1)
    joint = paper_joint(params, x, n, 3)
    torch.testing.assert_close(head.log_prob(chain, x).sum(1), joint, rtol=1e-9, atol=1e-9)
    apart = torch.cat([chain[:, :1, :3].expand(-1, 3, -1), chain[..., 3:]], -1)  # twin: a component per channel
    assert float((head.log_prob(apart, x).sum(1) - joint).abs().max()) > 0.1


def test_the_output_layer_has_the_paper_s_numbers():
    assert small(PixelCNNPP, Levels((3, 4, 4), 256)).output.out_features == 100
    assert small(PixelCNNPP, Binary((3, 4, 4))).output.out_features == 6


# Layers


@pytest.mark.parametrize("size", [(2, 3), (2, 2), (1, 3), (2, 1), (4, 7)], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, 1)], ids=str)
def test_convolutions_look_where_they_say(size, stride, shift):
    """Against a convolution that shifts and pads by hand."""
    left = size[1] - 1 if size[1] % 2 == 0 else None
    layer = CausalConv(2, 3, size, left=left, shift=shift, stride=stride).double()
    x = torch.randn(2, 5, 7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    big = F.pad(x.permute(0, 3, 1, 2), (10, 10, 10, 10))
    top, start = 10 - (size[0] - 1) - shift[0], 10 - layer.left - shift[1]
    window = big[:, :, top : top + 5 + size[0] - 1, start : start + 7 + size[1] - 1]
    expected = F.conv2d(window, layer.weight, layer.bias, stride).permute(0, 2, 3, 1)
    torch.testing.assert_close(layer(x), expected)


def test_no_multiplication_is_spent_on_what_is_masked():
    """Kernels end at the pixel: of a 3 x 3 kernel with mask B, one of six products is a zero, not four of nine."""
    model = PixelCNN(Binary((1, 8, 8)))
    assert model.first.weight.shape == (32, 1, 4, 7)
    assert {tuple(block.middle.weight.shape) for block in model.blocks} == {(16, 16, 2, 3)}
    assert {tuple(layer.convolution.weight.shape[2:]) for layer in GatedPixelCNN(Binary((1, 8, 8))).vertical} == {
        (3, 7),
        (2, 3),
    }


# Spaces


def test_a_softmax_over_256_levels_is_a_head():
    space = Levels((1, 3, 3), 256)
    model = PixelCNN(space, width=4, layers=1, head=CategoricalHead(256))
    assert model.output.bias.shape == (256,)
    assert bool(torch.isfinite(model.log_prob(model.sample(2, noise=Noise(0)))).all())


def test_codes_of_images_are_modelled_too():
    space = Symbols((1, 4, 4), 5)
    for cls in (PixelCNN, GatedPixelCNN):
        laws.samplers_agree(small(cls, space), None)


@pytest.mark.parametrize("cls", MODELS)
def test_other_spaces_are_refused(cls):
    with pytest.raises(ValueError, match=r"images of shape \(channels, height, width\), but the space is Binary"):
        cls(Binary((9,)))
    with pytest.raises(ValueError, match=f"{cls.__name__} models events of Binary or Levels"):
        cls(Real((1, 3, 3)))


@pytest.mark.parametrize("cls", [PixelCNN, GatedPixelCNN])
def test_features_that_cannot_be_shared_by_the_channels_are_refused(cls):
    with pytest.raises(ValueError, match="width should be a multiple of the 3 channels, but it is 16"):
        cls(Binary((3, 4, 4)), width=16)
    with pytest.raises(ValueError, match="4 inputs and 6 outputs should be multiples of the 3 groups"):
        CausalConv(4, 6, groups=3)
