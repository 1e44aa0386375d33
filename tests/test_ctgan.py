"""What only CTGAN promises: rows come back from the critic's view, rare names have their turn."""

import math

import pytest
import torch
from torch import Tensor

from ptheta.adversarial import CTGAN, Relativistic, ZeroSlopes
from ptheta.distributions.modes import Modes, modes_of
from ptheta.noise import Noise
from ptheta.spaces import Column, Table

SPACE = Table(
    (
        Column("age", "whole", least=0, mean=40.0, scale=12.0, blank=""),
        Column("town", "category", ("a", "b", "c"), blank="?"),
        Column("rare", "boolean", ("no", "yes")),
        Column("gain", "number", mean=10.0, scale=30.0),
    )
)


def rows(n: int = 2000, seed: int = 0) -> Tensor:
    """People of whom one in fifty is rare, half of whom gain nothing; ages differ by town."""
    u = Noise(seed).uniform((n, 5), "rows").double()
    town = (u[:, 0] * 3).floor()
    age = (20 + 20 * town + 12 * (u[:, 1] - 0.5)).round()
    gain = torch.where(u[:, 2] < 0.5, 0.0, 20 + 5 * torch.special.ndtri(u[:, 3].clamp(1e-6, 1 - 1e-6)))
    rare = (u[:, 4] < 0.02).double()
    x = torch.stack([age, town, rare, gain], 1)
    x[::7, 0] = torch.nan
    x[::5, 1] = torch.nan
    return x


def small(**settings) -> CTGAN:
    torch.manual_seed(0)
    return CTGAN(SPACE, **{"latent": 4, "modes": 6, "hidden": (16,), "packing": 2, **settings})


def begun(**settings) -> CTGAN:
    model = small(**settings)
    model.begin(rows(), None)
    return model


def come_back(modes: Modes, x: Tensor) -> Tensor:
    return modes.project(modes.embed(x, Noise(1), torch.float64))


def test_rows_come_back_from_modes_and_places():
    x, modes = rows(), begun().modes
    back = come_back(modes, x)
    assert torch.equal(back[:, :3].nan_to_num(-1.0), x[:, :3].nan_to_num(-1.0))
    assert torch.allclose(back[:, 3], x[:, 3], atol=1e-9)
    with torch.no_grad():
        modes.width_of[0] *= 0.01  # a twin whose places are beyond their ends
    assert not torch.equal(come_back(modes, x)[:, 0].nan_to_num(-1.0), x[:, 0].nan_to_num(-1.0))


def test_a_value_that_half_of_the_rows_have_is_a_mode_of_no_width():
    centre, width, log_weight = modes_of(rows()[:, 3], 6)
    assert float(centre[0]) == 0.0 and float(width[0]) == 0.0 and bool((width[1:] > 0).all())
    assert float(log_weight[1:].exp().sum()) == pytest.approx(1.0, abs=1e-9)
    few = modes_of(torch.tensor([1.0, 2.0]).repeat(5), 6)
    assert few[0][:2].tolist() == [1.0, 2.0] and bool((few[2][2:] < -1e20).all())


def test_names_are_told_as_often_as_the_logarithm_of_their_count_has_it():
    x = rows(20_000)
    model = begun()
    model.begin(x, None)
    told, c, column = model._told_rows(x, Noise(3))
    of_rare = model.told.index(2)
    seen = told[column == of_rare, 2]
    counts = torch.stack([(x[:, 2] == k).sum() for k in (0, 1)])
    expected = float(counts[1].log1p() / counts.log1p().sum())
    error = 4 * math.sqrt(expected * (1 - expected) / len(seen))
    assert abs(float(seen.mean()) - expected) < error
    assert float((x[:, 2]).mean()) < expected - 5 * error  # rows as they come, the twin, tell it too seldom
    assert torch.equal(c.sum(1), torch.ones(len(x)))
    assert torch.equal(c[column == of_rare][:, -1].double(), seen)


def test_rows_of_a_step_have_the_names_that_are_told():
    model, x = begun(), rows(300)
    told, c, column = model._told_rows(x, Noise(0))
    codes = model.modes.outcomes(told)
    for place, d in enumerate(model.told):
        start = sum(model.modes.sizes[e] for e in model.told[:place])
        part = c[column == place, start : start + model.modes.sizes[d]]
        assert torch.equal(part.argmax(1), codes[column == place, d])


def test_in_samples_names_are_told_as_often_as_they_come():
    """A generator that draws what it is told and nothing else draws a rare name in half of its turns' share."""
    model = begun().eval()
    heard = []
    model.generator.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0][:, model.latent :]))
    model.sample(4000, noise=Noise(2))
    c = torch.cat(heard)
    told = c[c[:, -2:].sum(1) > 0, -1]
    true = float(rows()[:, 2].mean())
    assert abs(float(told.mean()) - true) < 4 * math.sqrt(true * (1 - true) / len(told))


def test_the_generator_pays_for_not_drawing_what_it_is_told():
    model, x = begun(), rows(200)
    with torch.no_grad():
        rows_, c, column = model._told_rows(x, Noise(0))
    obeys = torch.zeros(200, model.modes.width)
    start = 0
    for d in model.told:
        size = model.modes.sizes[d]
        obeys[:, model.modes.spans[d][0]] = 50 * c[:, start : start + size]
        start += size
    assert float(model._off(obeys, c, column).max()) < 1e-6
    assert float(model._off(-obeys, c, column).min()) > 40
    assert len(rows_) == 200


def test_it_learns_which_ages_a_town_has():
    space = Table(SPACE.fields[:2])
    torch.manual_seed(0)
    settings = {"latent": 4, "modes": 6, "hidden": (32,), "packing": 1}
    model = CTGAN(space, game=Relativistic(), penalty=ZeroSlopes(0.1), **settings)
    means = []
    for steps in (1, 200):  # after one step, the twin, towns are alike
        model.fit(rows()[:, :2], steps=steps, batch_size=100, learning_rate=5e-3, ema=0.95)
        drawn = model.sample(2000, noise=Noise(4))
        space.check(drawn)
        means.append([float(drawn[drawn[:, 1] == town, 0].nanmean()) for town in (0, 1, 2)])
    assert max(means[0]) - min(means[0]) < 10, means
    assert all(abs(mean - true) < 6 for mean, true in zip(means[1], (20, 40, 60), strict=True)), means


def test_a_table_of_numbers_alone_is_told_nothing():
    space = Table((Column("a"), Column("b", "whole")))
    x = torch.randn(100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).round()
    model = CTGAN(space, latent=2, hidden=(8,), packing=3).fit(x, steps=2, batch_size=20)
    assert model.told == [] and model.sample(5, noise=Noise(0)).shape == (5, 2)


def test_bad_calls_are_refused_in_sentences():
    with pytest.raises(ValueError, match="what it is told is a part of the row"):
        CTGAN(SPACE, context_space=SPACE)
    with pytest.raises(ValueError, match="at least one mode"):
        small(modes=0)
    with pytest.raises(ValueError, match="packing of CTGAN should be at least 1"):
        small(packing=0)


def test_modes_are_those_of_more_rows_than_a_batch():
    data = rows(3000)
    model = small().fit(data, steps=1, batch_size=10)
    assert float(model.counts.sum()) == SPACE.dimensions * len(data)
