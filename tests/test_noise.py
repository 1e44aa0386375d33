"""Noise depends on (seed, path, key, row) and on nothing else, and is uniform or normal."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ptheta import Noise
from ptheta.noise import seeded

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


def test_streams_of_neighbouring_steps_are_uncorrelated():
    draws = np.stack([Noise(0).at("step", k).uniform((500,), "u").numpy() for k in range(40)])
    correlations = np.corrcoef(draws)[np.triu_indices(40, 1)] * math.sqrt(500)
    assert abs(correlations).max() < stats.norm.isf(ALARM / 2 / len(correlations))


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
