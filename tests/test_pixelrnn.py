"""PixelRNN: the scan against a loop under autograd, what each kind sees, and twins that see too much."""

import math

import pytest
import torch

import laws
import pixel_sight
from cases import prepared
from ptheta.autoregressive import DiagonalBiLSTM, RowLSTM
from ptheta.nn.scan import LSTMScan, diagonals, lstm_update, rows
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary, Levels, Real

ROWS = ["Row LSTM bits", "Row LSTM colours of a class", "diagonal BiLSTM bits", "diagonal BiLSTM colours of a class"]


def rough(model, scale: float = 0.5):
    """In float64, with random weights everywhere."""
    noise = Noise(0)
    with torch.no_grad():
        for name, p in model.double().named_parameters():
            p += scale * noise.normal(p.shape, name, like=p)
    return model.eval()


# The scan


def loop(gates, weight, before, shape):
    """The recurrence one pixel at a time, under autograd; ``before(r, c)`` are the pixels that feed one, its own first.

    The cell that a pixel goes on from is that of the pixel which the update of its line keeps: above, or beside.
    """
    groups, n, _, width = gates.shape
    zero = gates.new_zeros(groups, n, width // 4)
    h, c = {}, {}
    for r in range(shape[0]):
        for k in range(shape[1]):
            fed = before(r, k)
            u = torch.cat([h.get(pixel, zero) for pixel in fed], -1)
            a = gates[:, :, r * shape[1] + k] + torch.einsum("gnk,gkf->gnf", u, weight)
            h[r, k], c[r, k] = lstm_update(a, c.get(fed[0], zero))
    return torch.stack(list(h.values()), 2)


def beside(r, k):
    return [(r, k - 1), (r - 1, k)]  # the cell goes on along the row, skewed or not


def above(r, k):
    return [(r - 1, k), (r - 1, k - 1), (r - 1, k + 1)]


SCANS = {"rows": (rows, (0, 1, -1), above), "diagonals": (diagonals, (0, 1), beside)}


@pytest.mark.parametrize("shape", [(4, 5), (5, 3), (1, 4), (4, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("kind", SCANS)
def test_the_scan_equals_a_loop_and_its_gradient(kind, shape):
    (lines, shifts, before), noise = SCANS[kind], Noise(0)
    like = torch.zeros((), dtype=torch.float64)
    gates = noise.normal((2, 3, math.prod(shape), 12), "gates", like=like).requires_grad_()
    weight = noise.normal((2, 3 * len(shifts), 12), "weight", like=like).requires_grad_()
    out, expected = LSTMScan.apply(gates, weight, lines(*shape), shifts), loop(gates, weight, before, shape)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    wanted = noise.normal(out.shape, "wanted", like=like)
    ours, theirs = (torch.autograd.grad((o * wanted).sum(), (gates, weight)) for o in (out, expected))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)
    if min(shape) > 1:  # a twin whose neighbours are the wrong ones
        with pytest.raises(AssertionError):
            torch.testing.assert_close(LSTMScan.apply(gates, weight, lines(*shape), (2, *shifts[1:])), expected)


@pytest.mark.parametrize("shape", [(4, 5), (5, 3), (1, 4), (4, 1)], ids=str)
def test_lines_visit_every_pixel_once_in_order(shape):
    pixels = torch.arange(math.prod(shape))
    for lines in (rows(*shape), diagonals(*shape)):
        assert sorted(torch.cat([pixels[line.pixels] for line in lines]).tolist()) == pixels.tolist()
        assert all(len(pixels[line.pixels]) == line.length for line in lines)
    for t, line in enumerate(diagonals(*shape)):
        places = range(line.first, line.first + line.length)
        assert pixels[line.pixels].tolist() == [r * shape[1] + t - r for r in places]


# What they see


def exact_sight(model, classes: int = 0):
    """Which conditionals a change of each variable moves."""
    x = model.sample(30, torch.arange(30) % classes if classes else None, noise=Noise(3))
    cells, context = model.space.cells(x)[:, model.order], torch.arange(30) % classes if classes else None
    base = model.conditionals(cells, context)
    columns = []
    for j in range(cells.shape[1]):
        other = cells.clone()
        other[:, j] = (cells[:, j] + 1) % model.space.n
        columns.append((model.conditionals(other, context) != base).flatten(2).any(2).any(0))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("shape", [(1, 4, 7), (1, 7, 3), (3, 3, 4)], ids=str)
@pytest.mark.parametrize(
    ("make", "truth"), [(RowLSTM, pixel_sight.row_lstm), (DiagonalBiLSTM, pixel_sight.diagonal_bilstm)]
)
def test_the_sight_is_the_documented_one(make, truth, shape):
    with seeded(0):
        model = rough(make(Levels(shape, 3), hidden=12, layers=2, kernel=3))
    seen, expected = exact_sight(model), truth(*shape, radius=1, layers=2)
    assert torch.equal(seen, expected)
    assert not expected.triu().any()


def test_the_blind_spot_of_the_diagonal_bilstm_is_the_end_of_the_row_above():
    """The last pixel of a row first enters features of the row below, near its end; nothing carries them left there."""
    height, width, radius = 4, 12, 3
    seen = pixel_sight.diagonal_bilstm(1, height, width, radius=radius, layers=1)
    unseen = (torch.ones_like(seen).tril(-1) & ~seen).nonzero().tolist()
    expected = [
        [r * width + c, (r - 1) * width + width - 1] for r in range(1, height) for c in range(width - 1 - radius)
    ]
    assert unseen == expected
    assert torch.equal(
        seen, pixel_sight.diagonal_bilstm(1, height, width, radius=radius, layers=3)
    )  # layers do not mend it


def test_a_row_lstm_sees_a_triangle():
    seen = pixel_sight.row_lstm(1, 7, 15, radius=1, layers=1)[6 * 15 + 7].reshape(7, 15)
    assert [int(row.sum()) for row in seen[:6]] == [14, 13, 11, 9, 7, 5]
    assert seen[6].nonzero().flatten().tolist() == [5, 6]


def test_handing_the_right_states_over_undelayed_is_rejected(monkeypatch):
    """The twin of a known public version's fault: the right direction not moved down by one row leaks the future."""
    from ptheta.autoregressive import diagonal_bilstm

    honest = diagonal_bilstm.F.pad

    def undelayed(x, pad):
        return x if pad == (0, 0, 0, 0, 1, -1) else honest(x, pad)

    with seeded(0):
        model = rough(DiagonalBiLSTM(Binary((1, 3, 4)), hidden=4, layers=1, kernel=3))
    cells = model.space.cells(model.sample(6, noise=Noise(0)))
    sees = pixel_sight.diagonal_bilstm(1, 3, 4, radius=1, layers=1)
    laws.conditionals_see_only_the_past(model, model.space.events(cells), None, sees)
    monkeypatch.setattr(diagonal_bilstm.F, "pad", undelayed)
    with pytest.raises(AssertionError, match="leaks into"):
        laws.conditionals_see_only_the_past(model, model.space.events(cells), None, sees)


def test_a_right_direction_that_is_not_mirrored_is_rejected(monkeypatch):
    """Two left directions are causal, but do not see what lies above and to the right."""
    from ptheta.autoregressive import diagonal_bilstm

    with seeded(0):
        model = rough(DiagonalBiLSTM(Binary((1, 3, 9)), hidden=4, layers=1, kernel=3))
    x, sees = model.sample(6, noise=Noise(0)), pixel_sight.diagonal_bilstm(1, 3, 9, radius=1, layers=1)
    laws.conditionals_see_only_the_past(model, x, None, sees)
    monkeypatch.setattr(torch.Tensor, "flip", lambda x, axis: x)
    assert diagonal_bilstm is not None
    with pytest.raises(AssertionError, match="does not reach"):
        laws.conditionals_see_only_the_past(model, x, None, sees)


# The rest


@pytest.mark.parametrize("name", ROWS)
def test_a_cache_one_row_late_is_rejected(name, monkeypatch):
    from ptheta.autoregressive import pixelrnn

    model = prepared(name)
    context = None if model.context_space is None else torch.arange(20) % 2
    laws.samplers_agree(model, context)
    honest = pixelrnn.PixelCache.next_row
    monkeypatch.setattr(pixelrnn.PixelCache, "next_row", lambda self: None if self.left else honest(self))
    with pytest.raises(AssertionError, match="cached sampler draws other events"):
        laws.samplers_agree(model, context)


def test_wrong_spaces_are_refused():
    with pytest.raises(ValueError, match="RowLSTM models images of shape"):
        RowLSTM(Binary((9,)))
    with pytest.raises(ValueError, match="Real"):
        DiagonalBiLSTM(Real((1, 3, 3)))
    with pytest.raises(ValueError, match="hidden should be a multiple of the 3 channels, but it is 4"):
        RowLSTM(Binary((3, 2, 2)), hidden=4)


def test_a_small_image_law_is_learned():
    """Bars or stripes: the entropy is known, and needs sight of whole rows and columns."""
    from ptheta.data.synthetic import synthetic, truth

    data, law = synthetic(name="bars", n=2000), truth("bars")
    for make in (RowLSTM, DiagonalBiLSTM):
        torch.manual_seed(0)
        model = make(Binary((1, 4, 4)), hidden=8, layers=1)
        model.fit(data, steps=150, learning_rate=3e-2, batch_size=100, schedule="cosine")
        with torch.no_grad():
            behind = float((law.log_prob(data.test.x) - model.log_prob(data.test.x)).mean())
        assert behind < 0.5, behind
        assert -float(law.log_prob(data.test.x).mean()) == pytest.approx(law.entropy(), rel=0.05)
        assert math.isfinite(behind)
