"""Hidden cells: nats are exact, true draws cover what they say, and a mean or a narrow law does not."""

import json
import math
from itertools import permutations

import pytest
import torch

from ptheta.applications.classify import target_scores
from ptheta.applications.hidden import coverage_of, hidden_cells, points_of_columns, score_fills
from ptheta.applications.impute import fills, how_filled, known_log_prob
from ptheta.autoregressive import MADE
from ptheta.cli import main
from ptheta.distributions import Gaussian, TableMixture
from ptheta.noise import Noise
from ptheta.spaces import Classes, Column, Real, Table

SPACE = Table((
    Column("size", "number", mean=2.0, scale=2.0),
    Column("weight", "number", mean=4.0, scale=4.0, blank=""),
    Column("kind", "category", ("u", "v", "w"), blank="?"),
    Column("count", "whole", least=0, levels=(0, 1, 2, 3, 4, 5), mean=2.0, scale=1.5),
    Column("one", "category", ("x",)),
))  # fmt: skip


def rows(n: int, seed: int = 0) -> torch.Tensor:
    """Draws of a mixture of three kinds, within which columns are independent: what the model is right about."""
    noise = Noise(seed)
    group = (noise.uniform((n,), "group").double() * 3).floor()
    z = noise.normal((n, 2), "z", like=torch.zeros(()).double())
    size, weight = 2 * group + z[:, 0], 4 * group + z[:, 1]
    count = (noise.uniform((n,), "count").double() * (2 + 2 * group)).floor()
    kind = torch.where(noise.uniform((n,), "kind") < 0.1, (group + 1) % 3, group)
    weight[noise.uniform((n,), "blank") < 0.1] = math.nan
    return torch.stack([size, weight, kind, count, torch.zeros(n).double()], 1)


@pytest.fixture(scope="module")
def found():
    train, x = rows(3000), rows(1500, 1)
    hidden = hidden_cells(SPACE, x, 0.2)
    model = TableMixture(SPACE, components=3).fit(train)
    return {each.name: each for each in score_fills(model, "mixture", train, x, hidden)}


def test_a_true_law_covers_what_it_says_and_beats_what_stands_beside(found):
    names = ["mixture", "independent", "mean or mode", "k nearest rows", "regressions"]
    assert list(found) == names
    ours = found["mixture"]
    assert abs(ours.coverage - 0.9) < 0.025 and ours.nats < found["independent"].nats - 0.3
    assert ours.rmse < 0.8 * found["mean or mode"].rmse and ours.accuracy > found["mean or mode"].accuracy + 0.3
    assert all(ours.rmse < 1.05 * found[name].rmse for name in names[3:])
    assert found["regressions"].nats is None and found["k nearest rows"].coverage is None


def test_a_law_that_is_too_narrow_or_wide_is_seen_in_coverage_and_nats(found):
    train, x = rows(3000), rows(800, 1)
    hidden = hidden_cells(SPACE, x, 0.2)
    for factor, low, high in ((0.4, 0.0, 0.85), (3.0, 0.93, 1.0)):
        twin = TableMixture(SPACE, components=3).fit(train)
        twin.scale *= factor
        seen = score_fills(twin, "twin", train, x, hidden, peers=False)[0]
        assert low < seen.coverage < high and seen.nats > found["mixture"].nats


def test_nats_of_one_hidden_name_are_bayes_rule():
    model, x = TableMixture(SPACE, components=3).fit(rows(500)), rows(50, 1)
    hidden = torch.zeros_like(x, dtype=torch.bool)
    hidden[:, 2] = True
    x[:, 1] = 1.0  # no cell is blank, so that the law of rows is that of their cells
    law = model.without_blanks()
    by_rule = -target_scores(law, x, 2, 3).log_softmax(1).gather(1, x[:, 2:3].long()).mean()
    seen = score_fills(model, "mixture", rows(500), x, hidden, peers=False)[0]
    assert seen.nats == pytest.approx(float(by_rule)) and seen.n == 50 and seen.rmse is None and seen.coverage is None


def test_places_that_tie_are_drawn():
    """A whole number that all fills agree on is covered nine times in ten, no more: ties are no proof of breadth."""
    x = torch.full((4000, 1), 3.0, dtype=torch.float64)
    space = Table((Column("n", "whole"),))
    hidden = torch.ones_like(x, dtype=torch.bool)
    seen = coverage_of(space, x, hidden, x.expand(39, -1, -1), 0)
    assert abs(seen - 0.9) < 4 * math.sqrt(0.09 / 4000)


def test_errors_of_one_guess_are_roots_of_mean_squares_in_deviations_of_each_column():
    train, x = rows(200), rows(60, 1)
    hidden = torch.zeros_like(x, dtype=torch.bool)
    hidden[:20, 0], hidden[:30, 3], hidden[:10, 2] = True, True, True
    seen = score_fills(TableMixture(SPACE, components=1).fit(train), "m", train, x, hidden, peers=False)[2]
    off = torch.cat([(train[:, 0].mean() - x[:20, 0]) / 2.0, (train[:, 3].mean() - x[:30, 3]) / 1.5])
    assert seen.name == "mean or mode" and seen.rmse == pytest.approx(float(off.square().mean()) ** 0.5)
    assert seen.accuracy == pytest.approx(float((x[:10, 2] == train[:, 2].mode().values).double().mean()))


def test_only_known_cells_that_vary_are_hidden():
    x = rows(2000)
    hidden = hidden_cells(SPACE, x, 0.1)
    assert not bool((hidden & x.isnan()).any()) and not bool(hidden[:, 4].any())
    assert abs(float(hidden[:, 0].double().mean()) - 0.1) < 0.03
    assert torch.equal(hidden_cells(SPACE, x[:100], 0.1), hidden[:100])
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        hidden_cells(SPACE, x, 1.0)
    with pytest.raises(ValueError, match="hides none"):
        hidden_cells(SPACE, x[:1], 1e-9)


def test_points_of_columns_are_where_the_space_has_them():
    x = rows(5)
    points, spans = SPACE.points(x), points_of_columns(SPACE)
    assert spans[-1].stop == points.shape[1]
    changed = x.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 3
    moved = (SPACE.points(changed) != points).any(0).nonzero().flatten().tolist()
    assert set(moved) <= set(range(spans[2].start, spans[2].stop)) and moved


def test_others_are_refused():
    x = rows(20)
    hidden = hidden_cells(SPACE, x, 0.5)
    for model in (Gaussian(Real((2,))), TableMixture(SPACE, context_space=Classes(2))):
        with pytest.raises(ValueError, match="that know one cell given others"):
            score_fills(model, "m", x, x, hidden)


def test_hidden_cells_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(SPACE.to_csv(rows(600)))
    assert main(["fit", "mixture", "--data", "t.csv", "--components", "3", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["impute", "r", "--hide", ".2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 60 and found["hide"] == 0.2 and len(found["filled"]) == 5
    assert found["filled"][0]["name"] == "mixture" and found["filled"][0]["n"] == found["hidden"] > 33
    assert [each["kind"] for each in found["filled"]] == ["exact", "exact", None, None, None]
    assert [each["how"][:5] for each in found["filled"]] == ["exact", "exact", "one g", "one g", "one g"]
    assert main(["impute", "r", "--hide", ".2", "--data", "t.csv", "--no-peers"]) == 0
    said = capsys.readouterr().out
    assert "known cells of 600 rows hidden" in said and "regressions" not in said
    for command in said.splitlines()[-1].removeprefix("next:  ").split("    "):
        assert main(command.split()[1:]) == 0
    capsys.readouterr()
    assert main(["impute", "r", "--data", "t.csv", "--out", "f.csv", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["files"] == ["f.csv"] and answer["how"] == "exact draws"
    assert answer["blank"] == int(rows(600).isnan().sum()), "blank cells, not all"
    (tmp_path / "g-2.csv").write_text("mine")
    assert main(["impute", "r", "--data", "t.csv", "-n", "2", "--out", "g.csv"]) == 2
    assert "g-2.csv is there already" in capsys.readouterr().err
    assert (tmp_path / "g-2.csv").read_text() == "mine" and not (tmp_path / "g.csv").exists()
    for words, why in ((["--hide", ".1", "--out", "f.csv"], "writes nothing"), ([], "--data says which table")):
        assert main(["impute", "r", *words]) == 2
        assert why in capsys.readouterr().err


@pytest.mark.parametrize("order", [None, (1, 2, 0)])
def test_in_an_order_of_columns_fills_follow_their_exact_law(order):
    """A column that comes first is filled given those after it, by weights; the twin draws it given nothing."""
    space = Table(tuple(Column(name, "category", ("u", "v", "w"), blank="") for name in "abc"))
    torch.manual_seed(3)
    model = MADE(space, hidden=(16,), order=order).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn_like(p))
    x = torch.tensor([[math.nan, 1.0, 2.0]], dtype=torch.float64).repeat(1500, 1)
    states = torch.tensor([[a, 1.0, 2.0] for a in range(3)], dtype=torch.float64)
    exact = model.without_blanks().log_prob(states).softmax(0).detach()
    (full,) = fills(model, x)
    assert torch.equal(full[:, 1:], x[:, 1:])
    seen = full[:, 0].long().bincount(minlength=3) / len(x)
    assert float((seen - exact).abs().max()) < 0.05, (seen, exact)
    if order is None:
        with pytest.warns(UserWarning, match="come after open ones"):
            twin = model.without_blanks().complete(x, ~x.isnan(), noise=Noise(0))
        assert float((twin[:, 0].long().bincount(minlength=3) / len(x) - exact).abs().max()) > 0.1


def test_nats_in_an_order_of_columns_are_summed_over_what_is_hidden():
    """-log p(a, b | c) by all nine states of a and b, some rows blank in b; the twin sees only what comes before."""
    space = Table(tuple(Column(name, "category", ("u", "v", "w"), blank="") for name in "abc"))
    torch.manual_seed(3)
    model = MADE(space, hidden=(16,)).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn_like(p))
    law, x = model.without_blanks(), (Noise(0).uniform((60, 3), "x") * 3).floor().double()
    states = torch.cartesian_prod(*[torch.arange(3)] * 3).double()
    table = law.log_prob(states).exp().detach().reshape(3, 3, 3)
    a, b, c = x.long().T
    hidden = torch.zeros_like(x, dtype=torch.bool)
    hidden[:, 0] = True
    exact = -(table[a, b, c] / table[:, b, c].sum(0)).log()
    blind = -(table.sum((1, 2))[a]).log()
    x[:20, 1] = math.nan
    exact[:20] = -(table.sum(1)[a, c] / table.sum((0, 1))[c]).log()[:20]
    seen = score_fills(model, "made", x, x, hidden, peers=False)[0]
    assert seen.kind == "estimate" and seen.estimator_error is not None and seen.nats is not None
    assert abs(seen.nats - float(exact.mean())) < 1.5 * seen.estimator_error < 0.03  # false alarms: 3e-3
    assert abs(float(blind.mean() - exact.mean())) > 2 * seen.estimator_error
    sure = score_fills(model, "made", x, x[20:], hidden[20:].flip(1), peers=False)[0]
    assert sure.kind == "exact" and sure.how == "exact draws" and sure.estimator_error is None
    assert sure.nats == pytest.approx(float(-(table[a, b, c] / table[a, b].sum(1)).log()[20:].mean()), abs=1e-6)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_which_cells_come_late_is_said_of_the_order_and_not_of_the_columns(order: tuple[int, ...]):
    """p(known cells) by all 27 states, for each set of known cells: exact where none comes after a blank one."""
    space = Table(tuple(Column(name, "category", ("u", "v", "w")) for name in "abc"))
    torch.manual_seed(3)
    model = MADE(space, hidden=(16,), order=order).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn_like(p))
    states = torch.cartesian_prod(*[torch.arange(3)] * 3).double()
    p, x = model.log_prob(states).exp().detach(), torch.tensor([0.0, 1.0, 2.0]).double()
    known = torch.cartesian_prod(*[torch.tensor([False, True])] * 3)
    exact = torch.stack([p[(states == x)[:, mask].all(1)].sum() for mask in known]).log()
    in_order = known[:, list(order)].tolist()
    late = torch.tensor([row != sorted(row, reverse=True) for row in in_order])
    value, error = known_log_prob(model, x.expand(8, 3), known, Noise(0))
    assert torch.equal(error > 0, late) and torch.allclose(value[~late], exact[~late], atol=1e-6)
    assert ((value - exact).abs() <= 4 * error + 1e-6).all()
    said = [how_filled(model, mask[None]) == "exact draws" for mask in known]
    assert said == (~late).tolist()


def test_a_model_in_an_order_of_columns_fills_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(SPACE.to_csv(rows(300)))
    assert main(["fit", "made", "--data", "t.csv", "--steps", "5", "--out", "r", "--quiet"]) == 0
    assert main(["impute", "r", "--data", "t.csv", "--out", "f.csv"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "one of 30 a row by importance, from made" in said and ",," not in (tmp_path / "f.csv").read_text()
    assert main(["impute", "r", "--hide", ".2", "--no-peers", "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)["filled"][0]
    assert ours["kind"] == "estimate" and ours["nats"] > 0 and 0 < ours["estimator_error"] < 0.2
    assert "one of 30 a row by importance" in ours["how"]
