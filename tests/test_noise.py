"""Noise depends on (seed, path, key, row) and on nothing else, and is uniform or normal."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ptheta import Noise
from ptheta.noise import seeded, seeded_generator

ALARM = 1e-3  # the false-alarm rate of each statistical test
DRAWS = ("uniform", "normal")


def rows_do_not_depend_on_n(draw) -> bool:
    """The law: the first rows of many equal the rows of few."""
    return torch.equal(draw(7, 0)[:3], draw(3, 0)) and torch.equal(draw(7, 0)[3:], draw(4, 3))


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_a_row_does_not_depend_on_how_many_are_drawn(kind, shape):
    assert rows_do_not_depend_on_n(lambda n, start: getattr(Noise(3).rows(start), kind)((n, *shape), "z"))


def test_columns_first_would_break_the_law():
    def twin(n, start):
        return Noise(3).rows(start).uniform((5, n), "z").mT

    assert not rows_do_not_depend_on_n(twin)


@given(st.integers(-(2**40), 2**40), st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_rows_add_up(seed, a, b):
    noise = Noise(seed).at("part", 2)
    assert torch.equal(noise.rows(a).rows(b).uniform((2, 3), "u"), noise.uniform((a + b + 2, 3), "u")[a + b :])
    assert torch.equal(noise.rows(a).at("x").uniform((2,), 1), noise.at("x").rows(a).uniform((2,), 1))


def test_seed_path_and_key_each_name_a_stream_of_their_own():
    draws = [
        noise.uniform((4,), key)
        for noise, key in (
            (Noise(0), "a"),
            (Noise(0), "b"),
            (Noise(1), "a"),
            (Noise(0).at("a"), "a"),
            (Noise(0).at("a", 1), "a"),
            (Noise(0).at("a", "1"), "a"),
            (Noise(0).at("a").at(2), "a"),
        )
    ]
    assert len({tuple(d.tolist()) for d in draws}) == len(draws)
    assert torch.equal(Noise(0).at("a", 1).uniform((4,), "a"), Noise(0).at("a").at(1).uniform((4,), "a"))


PARTS = ("a", "b", "ab", "", ",", "a, 1", "('a', 1)", "'", 0, 1, -1, 10, "0", "1")


def distinct_streams(first_draw) -> bool:
    """Whether every seed, path and key, however alike, opens a stream of its own."""
    paths = [(), *((p,) for p in PARTS), *itertools.product(PARTS[:8], repeat=2)]
    names = [(seed, path, key) for seed in (0, 1, -1, 10) for path in paths for key in PARTS]
    return len({first_draw(*entry) for entry in names}) == len(names)


def test_no_two_names_share_a_stream():
    def draw(seed, path, key):
        return float(Noise(seed).at(*path).uniform((1,), key, like=torch.zeros(0, dtype=torch.float64)))

    def glued(seed, path, key):  # the broken twin joins the parts of a name without marks between them
        return f"{seed}{''.join(map(str, path))}{key}"

    assert distinct_streams(draw)
    assert not distinct_streams(glued)


def test_whole_numbers_of_any_kind_name_the_same_stream():
    want = Noise(3).at("step", 5).uniform((2,), 7)
    for number in (np.int64, np.int32, np.uint8):
        assert torch.equal(Noise(number(3)).at("step", number(5)).uniform((2,), number(7)), want)
    assert torch.equal(Noise(3).at("step", torch.tensor(5)).uniform((2,), 7), want)


def test_the_order_of_calls_and_the_global_generators_do_not_matter():
    noise = Noise(5)
    before = torch.random.get_rng_state()
    first = [noise.normal((3,), key) for key in "abc"]
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(1)
    assert all(torch.equal(noise.normal((3,), key), want) for key, want in zip("cba", first[::-1], strict=True))


def test_draws_are_pinned():
    like = torch.zeros(0, dtype=torch.float64)
    assert Noise(0).uniform((2,), "pin", like=like).tolist() == [0.07364174894263664, 0.7107329266608176]
    z = Noise(0).at("a", 1).rows(5).normal((1, 2), "z", like=like)
    assert z[0].tolist() == pytest.approx([0.02020832348033107, 0.08293414963026079], rel=1e-12)


def test_types_round_the_same_draw():
    wide = Noise(0).normal((50,), "z", like=torch.zeros(0, dtype=torch.float64))
    for dtype in (torch.float32, torch.float16):
        narrow = Noise(0).normal((50,), "z", like=torch.zeros(0, dtype=dtype))
        assert narrow.dtype == dtype and torch.equal(narrow, wide.to(dtype))
    assert Noise(0).normal((2,), "z").dtype == torch.get_default_dtype()


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_uniforms_lie_strictly_inside_and_normals_are_finite(seed, dtype):
    like = torch.zeros(0, dtype=dtype)
    u = Noise(seed).uniform((100_000,), "u", like=like)
    assert float(u.min()) > 0 and float(u.max()) < 1
    assert torch.isfinite(u.log()).all() and torch.isfinite((-u).log1p()).all()
    assert torch.isfinite(Noise(seed).normal((100_000,), "z", like=like)).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 1 - 2**-53, 2**-60])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_ends_are_never_reached(monkeypatch, value, dtype):
    monkeypatch.setattr(Noise, "_draw", lambda self, shape, key: torch.full(tuple(shape), value, dtype=torch.float64))
    like = torch.zeros(0, dtype=dtype)
    u = Noise(0).uniform((1,), "u", like=like)
    assert 0 < float(u) < 1 and math.isfinite(float(Noise(0).normal((1,), "z", like=like)))


@pytest.mark.parametrize("seed", [1, None])
def test_draws_have_their_distribution(seed):
    with seeded(7):
        noise = Noise(seed)
        like = torch.zeros(0, dtype=torch.float64)
        u, z = (draw((100, 200), "z", like=like).numpy() for draw in (noise.uniform, noise.normal))
    assert stats.kstest(u.ravel(), "uniform").pvalue > ALARM
    assert stats.kstest(z.ravel(), "norm").pvalue > ALARM
    assert stats.kstest(z.ravel() * 1.1, "norm").pvalue < ALARM  # the broken twin
    correlation = np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]  # of a row with the next
    assert abs(correlation) < stats.norm.isf(ALARM / 2) / math.sqrt(99 * 200)


STREAMS = {
    "steps": lambda k: Noise(0).at("step", k),
    "seeds": Noise,
    "rows": lambda k: Noise(0).rows(k),
    "names": lambda k: Noise(0).at("x" * k),
}


def independent(streams) -> bool:
    """Whether no two streams are correlated, at any of a few lags: the largest of all is no larger than chance."""
    draws = np.stack([stream.uniform((1, 500), "u").numpy()[0] for stream in streams]) - 0.5
    found = [np.corrcoef(draws, np.roll(draws, lag, 1))[: len(draws), len(draws) :] for lag in (0, 1, 2)]
    pairs = np.concatenate([found[0][np.triu_indices(len(draws), 1)], *(lagged.ravel() for lagged in found[1:])])
    return abs(pairs).max() * math.sqrt(500) < stats.norm.isf(ALARM / 2 / len(pairs))


@pytest.mark.parametrize("kind", STREAMS)
def test_streams_with_neighbouring_names_are_independent(kind):
    assert independent([STREAMS[kind](k) for k in range(40)])


def test_streams_that_overlap_are_seen():
    class Late:
        def __init__(self, k):
            self.k = k

        def uniform(self, shape, key):  # the broken twin starts each stream one number later
            return Noise(0).uniform((1, 540), key)[:, self.k : self.k + 500]

    assert not independent([Late(k) for k in range(40)])


def test_seeded_restores_the_global_generator():
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    with seeded(9):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), want)
    with seeded(9):
        assert torch.equal(torch.rand(2), inside)
    with seeded(None):
        pass
    with pytest.raises(RuntimeError), seeded(9):
        raise RuntimeError


def test_a_seed_that_torch_cannot_hold_is_refused_in_a_sentence_and_nothing_changes():
    before = torch.get_rng_state()
    for seed in (2**63, -(2**63) - 1):
        with (
            pytest.raises(
                ValueError, match=r"^a seed should be an integer from -2\^63 to 2\^63 - 1, but it is -?\d+\.$"
            ),
            seeded(seed),
        ):
            pass
    with seeded(2**63 - 1):
        drawn = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, torch.rand(3, generator=seeded_generator(2**63 - 1)))
