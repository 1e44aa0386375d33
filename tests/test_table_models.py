"""Models of tables: log p of mixed rows is exact and normalised, blank cells are summed out, completions are exact."""

import math

import pytest
import torch

from ptheta.cli import main
from ptheta.data.dataset import Dataset, Events
from ptheta.distributions import Forest, TableMixture
from ptheta.distributions.columns import log_mass
from ptheta.noise import Noise
from ptheta.runs import open_run, save_run
from ptheta.spaces import Binary, Classes, Column, Table

SPACE = Table((
    Column("size", "number", blank="", mean=2.0, scale=1.5),
    Column("count", "whole", least=0, levels=(0, 7), mean=4.0, scale=3.0),
    Column("kind", "category", ("u", "v", "w"), blank="?"),
    Column("one", "category", ("x",)),
))  # fmt: skip


def rows(n: int = 600, seed: int = 0) -> torch.Tensor:
    """Two groups of rows, a fifth of the sizes and a tenth of the kinds blank, more of them in the second group."""
    noise = Noise(seed)
    group = (noise.uniform((n,), "group") < 0.4).double()
    size = 1 + 3 * group + noise.normal((n,), "size").double() * (0.3 + 0.5 * group)
    count = (5 + 3 * group + 2 * noise.normal((n,), "count").double()).round().clamp(min=0)
    count[noise.uniform((n,), "zero") < 0.4] = 0
    kind = (noise.uniform((n,), "kind").double() * (3 - group)).floor()
    size[noise.uniform((n,), "lost").double() < 0.1 + 0.2 * group] = math.nan
    kind[noise.uniform((n,), "gone") < 0.1] = math.nan
    return torch.stack([size, count, kind, torch.zeros(n, dtype=torch.float64)], 1)


MODELS = {
    "mixture": lambda: TableMixture(SPACE, components=3),
    "independent": lambda: TableMixture(SPACE, components=1),
    "forest": lambda: Forest(SPACE, trees=3, leaves=6),
}


def fitted(name: str):
    return MODELS[name]().fit(rows())


def lattice() -> tuple[torch.Tensor, torch.Tensor]:
    """All outcomes of counted columns by a line of sizes, and the weight of each in a sum."""
    line = torch.linspace(-12, 16, 561, dtype=torch.float64)
    sizes = torch.cat([line, torch.tensor([math.nan], dtype=torch.float64)])
    kinds = torch.tensor([0.0, 1.0, 2.0, math.nan], dtype=torch.float64)
    counts = torch.arange(0, 60, dtype=torch.float64)
    a, k, c = torch.meshgrid(sizes, counts, kinds, indexing="ij")
    x = torch.stack([a, k, c, torch.zeros_like(a)], -1).reshape(-1, 4)
    weight = torch.where(x[:, 0].isnan(), 1.0, float(line[1] - line[0]))
    return x, weight


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_of_mixed_rows_sum_to_one(name: str):
    x, weight = lattice()
    total = float((fitted(name).log_prob(x).exp() * weight).sum())
    assert abs(total - 1) < 1e-6, total


def test_the_sum_rejects_a_density_in_disguise():
    """Whole numbers scored by a density at them, and a blank that costs nothing, do not sum to one."""
    x, weight = lattice()
    model = fitted("mixture")
    model.scale[...] = model.scale.clamp(max=0.02)
    density = torch.distributions.Normal(torch.tensor(5.3), torch.tensor(0.05)).log_prob(torch.arange(60.0)).exp().sum()
    assert abs(float(density) - 1) > 0.1
    free = fitted("mixture").without_blanks()
    total = float((free.log_prob(x).exp() * weight)[~(x[:, 0].isnan() | x[:, 2].isnan())].sum())
    assert abs(total - 1) < 1e-6  # the law of what stands in blanks sums to one without them
    assert float((fitted("mixture").log_prob(x).exp() * weight)[~x[:, 0].isnan()].sum()) < 0.95


@pytest.mark.parametrize("name", MODELS)
def test_samples_follow_probabilities(name: str):
    x, weight = lattice()
    model, n = fitted(name), 20_000
    p, drawn = model.log_prob(x).exp() * weight, model.sample(n, noise=Noise(3))
    SPACE.check(drawn)
    cell = _cells(x)
    expected = torch.zeros(200, dtype=torch.float64).index_add_(0, cell, p) * n
    counts = torch.bincount(_cells(drawn), minlength=200).double()
    keep = expected > 5
    chi = float(((counts - expected)[keep].square() / expected[keep]).sum())
    assert chi < float(keep.sum()) + 4 * math.sqrt(2 * float(keep.sum())), chi
    assert float(counts[~keep].sum()) < 60


def _cells(x: torch.Tensor) -> torch.Tensor:
    """Blocks of sizes, counts and kinds."""
    size = (
        torch.where(x[:, 0].isnan(), 4, ((x[:, 0] + 0.025).clamp(-1, 4.9) / 1.5).floor().nan_to_num())
        .long()
        .clamp(0, 4)
    )
    count = torch.where(x[:, 1] == 0, 0, torch.where(x[:, 1] == 7, 1, torch.where(x[:, 1] < 6, 2, 3))).long()
    return size * 16 + count * 4 + x[:, 2].nan_to_num(3).long()


def test_a_column_that_never_misses_never_misses_in_samples():
    drawn = fitted("mixture").sample(3000, noise=Noise(1))
    assert not bool(drawn[:, 1].isnan().any()) and 0.1 < float(drawn[:, 0].isnan().double().mean()) < 0.3
    assert set(drawn[:, 2][~drawn[:, 2].isnan()].tolist()) == {0.0, 1.0, 2.0}
    assert bool((drawn[:, 1] >= 0).all()) and bool((drawn[:, 1] == drawn[:, 1].round()).all())


@pytest.mark.parametrize("name", MODELS)
def test_completions_follow_the_conditional(name: str):
    model, n = fitted(name), 4000
    event = torch.tensor([[4.2, 0.0, 1.0, 0.0]], dtype=torch.float64).expand(n, 4)
    mask = torch.tensor([True, False, True, True]).expand(n, 4)
    full = model.complete(event, mask, noise=Noise(2))
    assert torch.equal(full[:, [0, 2, 3]], event[:, [0, 2, 3]])
    line = event[:60].clone()
    line[:, 1] = torch.arange(60.0)
    p = model.log_prob(line).softmax(0)
    counts = torch.bincount(full[:, 1].long(), minlength=60).double()[:60]
    assert float((counts / n - p).abs().max()) < 4 * math.sqrt(0.25 / n)
    wrong = model.log_prob(line.clone().index_fill_(1, torch.tensor([0]), 0.5)).softmax(0)  # given another size
    assert name == "independent" or float((counts / n - wrong).abs().sum()) > 2 * float((counts / n - p).abs().sum())


def test_blank_cells_are_filled_by_the_law_of_what_stands_in_them():
    model = fitted("mixture").without_blanks()
    x = rows(200)
    full = model.complete(x, ~x.isnan(), noise=Noise(0))
    assert not bool(full.isnan().any()) and torch.equal(full[~x.isnan()], x[~x.isnan()])
    assert torch.equal(model.complete(x[:9], ~x[:9].isnan(), noise=Noise(0)), full[:9])


def test_one_class_at_a_time():
    x = rows(400)
    c = torch.arange(400) % 2
    x[:, 2] = torch.where(c == 0, 0.0, 2.0)
    for make in (lambda **k: TableMixture(SPACE, components=2, **k), lambda **k: Forest(SPACE, trees=2, leaves=4, **k)):
        model = make(context_space=Classes(2)).fit(Events(x, c))
        drawn = model.sample(400, c, noise=Noise(0))[:, 2]
        agreed = (drawn == torch.where(c == 0, 0.0, 2.0)).double().mean()
        assert float(agreed) > 0.9
        with pytest.raises(ValueError, match="one class per event"):
            make(context_space=Binary((2,)))


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_of_a_table_opens_to_the_same_scores(name: str, tmp_path):
    model, x = fitted(name), rows(50, seed=1)
    data = Dataset("t", SPACE, Events(rows()), Events(x), Events(x))
    save_run(model, data, tmp_path / "r")
    again = open_run(tmp_path / "r", model=MODELS[name]()).model
    assert torch.equal(again.log_prob(x), model.log_prob(x))
    same, other = again.sample(5, noise=Noise(0)), model.sample(5, noise=Noise(0))
    assert torch.equal(same.nan_to_num(-1), other.nan_to_num(-1))


def test_masses_of_whole_numbers_sum_to_one_far_out_and_near():
    k = torch.arange(-400, 401, dtype=torch.float64)
    mean, scale = torch.tensor([0.3, -7.5, 100.0]).double(), torch.tensor([0.02, 3.0, 60.0]).double()
    assert torch.allclose(log_mass(k, mean, scale, None).exp().sum(0), torch.ones(3).double(), atol=1e-6)
    some = log_mass(k, mean, scale, 0)
    assert torch.allclose(some.exp().sum(0), torch.ones(3).double(), atol=1e-6)
    assert bool((some[k < 0] < -1e20).all()) and bool(torch.isfinite(some).all())
    whole = torch.tensor([0.0, 60.0, 300.0]).double()
    exact = torch.distributions.Normal(0.0, 10.0)
    ours = log_mass(whole, torch.zeros(1).double(), torch.full((1,), 10.0).double(), None)[:2, 0]
    ends = [exact.cdf(whole[:2] + half) for half in (0.5, -0.5)]
    assert torch.allclose(ours, (ends[0] - ends[1]).log(), rtol=1e-4)


def test_where_a_gaussian_is_wide_its_density_at_whole_numbers_is_their_mass():
    k, mean, scale = torch.arange(-4000, 4001).double(), torch.tensor([300.0]).double(), torch.tensor([101.0]).double()
    wide = log_mass(k, mean, scale, None)[:, 0]
    cells = torch.special.ndtr((k + 0.5 - mean) / scale) - torch.special.ndtr((k - 0.5 - mean) / scale)
    assert torch.allclose(wide.exp(), cells, rtol=0, atol=1e-7) and not torch.equal(wide.exp(), cells)
    assert float(wide.exp().sum()) == pytest.approx(1.0, abs=1e-12)
    with_tail = log_mass(k, mean, scale, 0)[:, 0].exp()
    assert float(with_tail.sum()) == pytest.approx(1.0, abs=1e-5) and float(with_tail[k < 0].sum()) == 0
    both = log_mass(k, torch.tensor([300.0, 0.0]).double(), torch.tensor([101.0, 0.3]).double(), None)
    assert torch.equal(both[:, 0], wide) and float(both[:, 1].exp().sum()) == pytest.approx(1.0, abs=1e-9)


def test_more_components_say_more_and_the_forest_finds_dependence():
    x, held = rows(2000), rows(1000, seed=5)
    nats = {name: -float(MODELS[name]().fit(x).log_prob(held).mean()) for name in MODELS}
    assert nats["mixture"] < nats["independent"] - 0.3 and nats["forest"] < nats["independent"] - 0.3, nats


def test_a_table_from_file_to_samples_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [
        f"{i % 40 + 20};{'' if i % 7 == 0 else f'{i * 37 % 101 / 8:.3f}'};{('red', 'blue')[i % 2]}" for i in range(200)
    ]
    (tmp_path / "people.csv").write_text("\n".join(["age;size;colour", *lines, ""]))
    assert main(["fit", "mixture", "--data", "people.csv", "--components", "3", "--out", "r", "--quiet"]) == 0
    assert main(["sample", "r", "-n", "50"]) == 0
    drawn = (tmp_path / "r" / "samples.csv").read_text().splitlines()
    assert drawn[0] == "age;size;colour" and len(drawn) == 51
    assert {line.split(";")[2] for line in drawn[1:]} == {"red", "blue"}
    capsys.readouterr()
    assert main(["score", "r", "--data", "people.csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 200
    assert main(["impute", "r", "--data", "people.csv", "--out", "filled.csv", "-n", "2"]) == 0
    filled = (tmp_path / "filled.csv").read_text().splitlines()
    before = (tmp_path / "people.csv").read_text().splitlines()
    assert all(new == old for new, old in zip(filled, before, strict=True) if ";;" not in old)
    assert not any(";;" in line for line in filled) and (tmp_path / "filled-2.csv").read_text().splitlines() != filled
    assert main(["impute", "r", "--data", "people.csv", "--out", "people.csv", "--force"]) == 2
    (tmp_path / "new.csv").write_text("colour;age;size\nred;31;2.5\ngreen;30;1\n")
    assert main(["score", "r", "--data", "new.csv"]) == 2
    assert "the column colour should be of blue, red, but it has 'green'" in capsys.readouterr().err


def test_tables_only():
    for make in (TableMixture, Forest):
        with pytest.raises(ValueError, match="models events of Table spaces, but the space is Binary"):
            make(Binary((3,)))
