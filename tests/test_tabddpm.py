"""What only the diffusion of tables promises: scores one to one, a last step that sums to one, divergences."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence

from ptheta.diffusion import TableDiffusion
from ptheta.distributions.normal_scores import NormalScores
from ptheta.noise import Noise
from ptheta.spaces import Classes, Column, Table

SPACE = Table(
    (
        Column("age", "whole", least=0, mean=40.0, scale=12.0, blank=""),
        Column("town", "category", ("a", "b", "c"), blank="?"),
        Column("gain", "number", mean=10.0, scale=30.0),
        Column("all", "category", ("same",)),
    )
)


def rows(n: int = 2000) -> Tensor:
    """People whose ages differ by town and of whom one in seven has none; gains have a tail."""
    u = Noise(0).uniform((n, 3), "rows").double().clamp(1e-6, 1 - 1e-6)
    town = (u[:, 0] * 3).floor()
    age = (20 + 20 * town + 12 * (u[:, 1] - 0.5)).round()
    gain = 10 + 30 * torch.special.ndtri(u[:, 2]).sinh()
    x = torch.stack([age, town, gain, torch.zeros(n, dtype=torch.float64)], 1)
    x[::7, 0] = torch.nan
    x[::5, 1] = torch.nan
    return x


def small(seed: int = 0, **settings) -> TableDiffusion:
    torch.manual_seed(seed)
    model = TableDiffusion(SPACE, **{"steps": 8, "width": 16, "blocks": 1, **settings}).double()
    model.begin(rows(), None)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model.eval()


def test_scores_are_nearly_normal_and_one_to_one():
    x, maps = rows(), NormalScores(SPACE)
    maps.begin(x)
    for i, d in enumerate(maps.columns):
        y = maps.embed(i, x[:, d])
        known = ~x[:, d].isnan()
        assert abs(float(y[known].mean())) < 0.1 and abs(float(y[known].std()) - 1) < 0.1
        assert torch.allclose(maps.project(i, y)[known], x[known, d], atol=1e-8)
    far = torch.tensor([-1e9, -400.0, 0.3, 500.0, 1e9], dtype=torch.float64)
    assert torch.allclose(maps.project(1, maps.scores(1, far)), far, rtol=1e-9)
    assert bool((maps.scores(1, far).diff() > 0).all())


def test_the_slope_is_that_of_the_scores():
    maps = NormalScores(SPACE)
    maps.begin(rows())
    x = torch.tensor([-900.0, -40.0, 3.7, 12.0, 800.0], dtype=torch.float64)
    finite = (maps.scores(1, x + 1e-5) - maps.scores(1, x - 1e-5)) / 2e-5
    assert torch.allclose(maps.log_slope(1, x).exp(), finite, rtol=1e-4)


def test_the_last_step_is_a_mass_on_whole_numbers_and_a_density_on_others():
    model = small()
    ages = torch.arange(-5, 400, dtype=torch.float64)
    at = torch.zeros(len(ages), 4, dtype=torch.float64)
    at[:, 0], at[:, 1] = ages, torch.nan
    guess = torch.tensor([[0.8, -0.3]], dtype=torch.float64)
    both = model._decoded(at, guess.expand(len(ages), 2))
    only = at.clone()
    only[:, 0] = torch.nan
    beside = model._decoded(only, guess.expand(len(ages), 2))
    assert float((both - beside).exp().sum()) == pytest.approx(1.0, abs=1e-9)
    assert bool((both[ages < 0] == -torch.inf).all())
    line = torch.linspace(-400, 400, 200_001, dtype=torch.float64)
    only = only[:1].repeat(len(line), 1)
    only[:, 2] = line
    density = model._decoded(only, guess.expand(len(line), 2)).exp()
    assert float(density.sum() * (line[1] - line[0])) == pytest.approx(1.0, abs=1e-3)


@torch.no_grad()
def test_terms_are_divergences_of_steps():
    """One term of one row beside torch's divergences of the step and of the model's step."""
    model, x = small(steps=2), rows(3)[1:2]  # T = 2: the term of t = 2 is one divergence
    origin, noise = model.maps.parts(x, torch.float64), Noise(5)
    one, two = float(model.alpha_bar[1]), float(model.alpha_bar[2])
    numbers, codes = model.terms(x, torch.tensor([2]), None, noise)
    z = noise.normal((1, 2), "scores", like=model._like())
    kept = noise.uniform((1, 2), "kept", like=model._like()) < two
    fresh = (noise.uniform((1, 2), "fresh", like=model._like()) * torch.tensor([2.0, 4.0])).long()
    scores, state = math.sqrt(two) * origin.scores + math.sqrt(1 - two) * z, torch.where(kept, origin.codes, fresh)
    guess, log_guess = model._guess(type(origin)(scores, state), torch.tensor([2]), None)
    stays = two / one
    deviation = math.sqrt((1 - one) / (1 - two) * (1 - stays))

    def step(event: Tensor) -> Normal:
        mean = math.sqrt(one) * (1 - stays) / (1 - two) * event + math.sqrt(stays) * (1 - one) / (1 - two) * scores
        return Normal(mean, deviation)

    assert float(numbers) == pytest.approx(float(kl_divergence(step(origin.scores), step(guess)).sum()), rel=1e-6)
    total = 0.0
    for j, k in enumerate((2, 4)):
        eye = torch.eye(k).double()
        into = stays * eye[state[0, j]] + (1 - stays) / k  # q(x_2 | x_1), of each x_1
        q = [into * (one * eye[c] + (1 - one) / k) for c in range(k)]
        q = torch.stack([row / row.sum() for row in q])  # of each x_0
        mixed = log_guess[j][0].exp() @ q
        total += float(kl_divergence(Categorical(q[origin.codes[0, j]]), Categorical(mixed)))
    assert float(codes) == pytest.approx(total, rel=1e-6)


def test_a_blank_cell_is_drawn_as_often_as_it_comes_and_its_number_costs_nothing():
    model, x = small(), rows(8)
    blank = x[x[:, 0].isnan()]
    moved = small()
    with torch.no_grad():
        moved.maps.at[0] += 7.0  # the map of a number that is not there
    first, second = (m._decoded(blank, torch.zeros(len(blank), 2).double()) for m in (model, moved))
    assert torch.equal(first, second)


def test_it_learns_mixed_rows():
    data = rows(3000)
    torch.manual_seed(0)
    model = TableDiffusion(SPACE, steps=20, width=32, blocks=1)
    nats = []
    for steps in (1, 200):  # after one step, the twin, nothing is known but the margins' shapes
        model.fit(data, steps=steps, batch_size=200, learning_rate=5e-3)
        nats.append(-float(model.elbo(data[:500], draws=5, noise=Noise(1)).mean()))
    drawn = model.sample(2000, noise=Noise(2))
    SPACE.check(drawn)
    means = [float(drawn[drawn[:, 1] == town, 0].nanmean()) for town in (0, 1, 2)]
    assert nats[1] < nats[0] - 3, nats
    assert all(abs(mean - true) < 5 for mean, true in zip(means, (20, 40, 60), strict=True)), means
    assert abs(float(drawn[:, 0].isnan().double().mean()) - 1 / 7) < 0.05
    assert abs(float(drawn[:, 1].isnan().double().mean()) - 1 / 5) < 0.05


def test_tables_of_one_kind_of_columns_and_contexts_do():
    for field in (Column("a"), Column("a", "boolean", ("no", "yes"))):
        space = Table((field,))
        model = TableDiffusion(space, steps=3, width=8, blocks=1, context_space=Classes(2))
        context = torch.tensor([0, 1, 1])
        x = model.sample(3, context, noise=Noise(0))
        space.check(x)
        assert model.elbo(x, context, noise=Noise(1)).isfinite().all()
        assert model.loss(x, context, Noise(2)).shape == (3,)


def test_bad_calls_are_refused_in_sentences():
    with pytest.raises(ValueError, match="at least 2 diffusion steps"):
        small(steps=1)
    with pytest.raises(ValueError, match="a column that is not always the same"):
        TableDiffusion(Table((Column("a", "category", ("same",)),)))
