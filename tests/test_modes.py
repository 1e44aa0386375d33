"""Mode collapse is counted: on samples of the truth, of parts of it, and of nothing of it."""

import math

import pytest
import torch

from ptheta.data import load, world
from ptheta.data.synthetic import truth
from ptheta.metrics.modes import collapse, count_modes, duplicates, mode_reader, spread_within
from ptheta.noise import Noise
from ptheta.spaces import Levels, Real

GRID = truth("grid")


def test_the_truth_has_all_modes_and_the_share_of_high_quality_of_a_round_gaussian():
    found = count_modes(GRID.sample(20_000, noise=Noise(0)), mode_reader("grid"))
    assert found.found == 25
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.003)  # .9889
    assert found.reverse_kl == pytest.approx(24 / 40_000, abs=1e-3)


def test_what_is_lost_is_counted():
    x = GRID.sample(10_000, noise=Noise(0))
    left = x[x[:, 0] < 1]  # three columns of five
    found = count_modes(left, mode_reader("grid"))
    assert found.found == 15 and found.reverse_kl == pytest.approx(math.log(25 / 15), abs=2e-3)
    blurred = count_modes(x + 0.3, mode_reader("grid"))
    assert (blurred.found, blurred.high_quality) == (0, 0.0) and blurred.reverse_kl < 2e-3  # shares alone hide it
    shrunk = count_modes((x / 2).round() * 2, mode_reader("grid"))
    assert shrunk.high_quality == 1.0 and duplicates(shrunk_events(x)) == 1.0


def shrunk_events(x: torch.Tensor) -> torch.Tensor:
    return (x / 2).round()


def test_options_of_the_set_move_its_modes():
    ring = truth("ring", modes=5).sample(2000, noise=Noise(0))
    assert count_modes(ring, mode_reader("ring", modes=5, n=2000)).found == 5
    assert count_modes(ring, mode_reader("ring")).found < 5  # eight modes lie elsewhere
    assert mode_reader("moons") is None and mode_reader("digits") is None


def test_a_world_of_shapes_has_the_modes_it_draws_and_no_others():
    reader = mode_reader("shapes")
    assert int((reader.law > 0).sum()) == 36
    seen = count_modes(world("shapes").sample(2000, noise=Noise(0)), reader)
    assert (seen.found, seen.high_quality) == (36, 1.0) and seen.reverse_kl == pytest.approx(35 / 4000, abs=0.01)
    held_out = world("shapes", combinations="held-out").sample(50, noise=Noise(0))
    assert count_modes(held_out, reader).found == 0 and count_modes(held_out, reader).reverse_kl == math.inf
    static = torch.randint(0, 256, (50, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert count_modes(static, reader).high_quality == 0.0


def test_duplicates_are_events_that_have_an_equal():
    assert duplicates(torch.tensor([[1, 2], [1, 2], [2, 1], [3, 3]])) == 0.5
    assert duplicates(torch.arange(6).reshape(3, 2)) == 0.0


def test_the_spread_within_a_context_is_that_of_its_events_about_their_own_mean():
    context = torch.tensor([0, 0, 1, 1, 1, 2])
    y = torch.tensor([[0.0], [2.0], [10.0], [13.0], [16.0], [5.0]])
    assert spread_within(y, context) == pytest.approx(math.sqrt((1 + 1 + 9 + 9) / 3))
    assert spread_within(context[:, None].double(), context) == 0.0
    assert math.isnan(spread_within(y[:2], torch.tensor([0, 1])))


def test_counts_stand_beside_those_of_as_many_real_events():
    data = load("grid", n=2000)
    results = {r.name: r for r in collapse(data.train.x[:300], data.test.x, data.space, reader=mode_reader("grid"))}
    assert list(results) == ["modes found", "high quality", "reverse KL over modes"]  # no spread: nothing is given
    assert all(r.n_fake == r.n_real == 300 and r.real is not None for r in results.values())
    low, high = results["high quality"].interval
    assert low < 0.9889 < high or abs(results["high quality"].value - 0.9889) < 0.02
    pictures = Levels((1, 2, 2), 3)
    x = torch.zeros(10, 1, 2, 2, dtype=torch.uint8)
    real = (Noise(0).uniform((40, 1, 2, 2), "x") * 3).to(torch.uint8)
    context = torch.arange(40) % 2
    counted = {r.name: r for r in collapse(x, real, pictures, contexts=(context[:10], context))}
    assert counted["duplicates"].value == 1.0 and counted["duplicates"].real.value < 0.5
    assert counted["spread within a context"].value == 0.0 < counted["spread within a context"].real.value
    assert collapse(torch.randn(5, 2), torch.randn(5, 2), Real((2,))) == ()
