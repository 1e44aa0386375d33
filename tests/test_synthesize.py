"""Synthetic rows and their card: copies win the likeness and fail the tests for copies, real rows pass them all."""

import json
import math

import pytest
import torch

from ptheta.applications.synthesize import as_table, card, copies, told_apart, useful
from ptheta.cli import main
from ptheta.data.dataset import Dataset, Events
from ptheta.distributions import Bootstrap, TableMixture
from ptheta.metrics.association import associations
from ptheta.metrics.likeness import margin_distances
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Column, Levels, Real, Table

SPACE = Table((
    Column("size", "number", mean=1.0, scale=1.5),
    Column("kind", "category", ("u", "v", "w"), blank=""),
    Column("count", "whole", least=0, levels=(0, 1), mean=2.0, scale=2.0),
    Column("label", "boolean", ("no", "yes")),
))  # fmt: skip


def rows(n: int, seed: int = 0) -> torch.Tensor:
    noise = Noise(seed)
    kind = (noise.uniform((n,), "kind").double() * 3).floor()
    size = 2 * kind + noise.normal((n,), "size").double()
    count = (noise.uniform((n,), "count").double() * (2 + 2 * kind)).floor()
    label = (size + noise.normal((n,), "label").double() > 2).double()
    kind[noise.uniform((n,), "blank") < 0.1] = math.nan
    return torch.stack([size, kind, count, label], 1)


def data(n: int = 2400, m: int = 2400) -> Dataset:
    return Dataset("t", SPACE, Events(rows(n)), Events(rows(10, 1)), Events(rows(m, 2)))


def finished(steps):
    *said, found = steps
    return found, said


@pytest.fixture(scope="module")
def made():
    whole = data()
    return finished(card(TableMixture(SPACE, components=8).fit(whole), "mixture", whole, target="label"))


def test_the_card_has_the_rows_that_every_card_has(made):
    found, said = made
    names = ["real, held out", "mixture", "independent", "bootstrap", "smote"]
    assert [row.name for row in found.rows] == names and said == ["real rows", *names[1:]]
    assert json.dumps(found.to_json(), allow_nan=False)


def test_bootstrap_wins_the_likeness_and_fails_the_tests_for_copies(made):
    rows = {row.name: row for row in made[0].rows}
    boot, real = rows["bootstrap"], rows["real, held out"]
    for other in ("independent", "smote", "mixture"):
        assert abs(boot.told_apart - 0.5) <= abs(rows[other].told_apart - 0.5) + 0.05, other
        assert boot.associations <= rows[other].associations + 0.01, other
    assert abs(boot.told_apart - 0.5) < 0.08 and abs(boot.f1 - real.f1) < 0.05  # trained on it is trained on real rows
    assert boot.copies == 1.0 and boot.near_train > 0.95 and boot.membership > 0.75
    assert real.copies < 0.02 and abs(real.near_train - 0.5) < 0.08 and abs(real.membership - 0.5) < 0.08
    assert rows["mixture"].copies < 0.02 and abs(rows["mixture"].near_train - 0.5) < 0.08
    for row in (real, rows["mixture"]):
        assert row.near_train_interval[0] < 0.5 < row.near_train_interval[1] < row.near_train_interval[0] + 0.2
    assert boot.near_train_interval[0] > 0.9 and made[0].cautions == ()


def test_independent_columns_are_the_floor(made):
    rows = {row.name: row for row in made[0].rows}
    floor = rows["independent"]
    assert floor.told_apart > 0.8 and floor.f1 < 0.6 < rows["mixture"].f1 and floor.margins < 0.12
    assert floor.associations > 3 * rows["mixture"].associations
    assert rows["smote"].near_train > 0.6  # between training rows lies near them


def test_shares_near_training_rows_are_half_whatever_the_sizes():
    """An honest generator is nearer to the larger set by its size alone: uncorrected, it would look like a copier."""
    whole = Dataset("t", SPACE, Events(rows(1800)), Events(rows(10, 1)), Events(rows(200, 2)))
    model = Bootstrap(SPACE).fit(rows(1500, 7))  # real rows that nobody was trained on
    found, _ = finished(card(model, "fresh", whole))
    fresh = {row.name: row for row in found.rows}["fresh"]
    assert abs(fresh.near_train - 0.5) < 0.1
    points = SPACE.points
    near = torch.cdist(points(rows(400, 7)), points(rows(1800))).min(1).values
    held_out = torch.cdist(points(rows(400, 7)), points(rows(200, 2))).min(1).values
    assert float((near < held_out).double().mean()) > 0.8


def test_few_held_out_rows_are_said_to_tell_little():
    whole = data(160, 20)
    found, _ = finished(card(TableMixture(SPACE, components=2).fit(whole), "mixture", whole))
    real = found.rows[0]
    assert real.near_train_interval[0] < 0.5 < real.near_train_interval[1]
    (said,) = found.cautions
    assert said.startswith("20 held-out rows are too few to tell copies from honest rows by near train, of real")


def test_margins_by_hand():
    a, b = rows(400), rows(400, 3)
    b[:, 0] += 1.0
    b[:, 1] = 0.0
    found = margin_distances(SPACE, a, b)
    line = torch.cat([a[:, 0], b[:, 0]]).sort().values
    gaps = [(a[:, 0] <= t).double().mean() - (b[:, 0] <= t).double().mean() for t in line]
    assert float(found[0]) == pytest.approx(float(torch.stack(gaps).abs().max()))
    assert float(found[1]) == pytest.approx(1 - float((a[:, 1] == 0).double().mean()))
    assert margin_distances(SPACE, a, a).tolist() == [0, 0, 0, 0]
    c = a.clone()
    c[:200, 0] = math.nan
    blank = Table((Column("size", "number", blank=""), *SPACE.fields[1:]))
    assert float(margin_distances(blank, a, c)[0]) >= 0.5


def test_associations_of_every_kind_of_columns():
    n = 4000
    z = Noise(5).normal((n, 2), "z", like=torch.zeros(()).double())
    code = (z[:, 0] > 0).double() + (z[:, 0] > 1).double()
    free = (Noise(6).uniform((n,), "free").double() * 3).floor()
    x = torch.stack([z[:, 0], -z[:, 0].exp(), z[:, 1], code, code, free], 1)
    kinds = ["number"] * 3 + ["category"] * 3
    space = Table(tuple(Column(f"c{i}", k, ("a", "b", "c") if k == "category" else ()) for i, k in enumerate(kinds)))
    found = associations(x, space)
    assert float(found[0, 1]) == pytest.approx(1.0) and float(found[0, 2]) < 0.06  # of quantiles, without a sign
    assert float(found[3, 4]) > 0.99 and float(found[3, 5]) < 0.06
    assert float(found[0, 3]) > 0.8 and float(found[2, 3]) < 0.06 and torch.equal(found, found.T)


def test_judges_and_copies():
    a, b = rows(600), rows(600, 9)
    assert abs(told_apart(SPACE, a, b) - 0.5) < 0.08
    b[:, 0] = b[:, 0].round()
    assert told_apart(SPACE, a, b) > 0.9
    mixed = torch.cat([a[:30], rows(70, 11)])
    assert copies(mixed, a) == pytest.approx(0.3)
    worth = useful(SPACE, rows(800), rows(400, 4), "size")
    assert 0.6 < worth["r2"] < 1.0 and set(useful(SPACE, rows(800), rows(400, 4), "label")) == {"f1", "accuracy"}
    one = rows(50)
    one[:, 3] = 1.0
    assert 0 < useful(SPACE, one, rows(400, 4), "label")["accuracy"] < 1  # all of one class: it guesses that


def test_a_card_measures_what_is_drawn_under_its_seed(monkeypatch):
    drawn, whole = [], data(60, 30)
    model = TableMixture(SPACE, components=1).fit(whole)

    def sample(n, *, noise):
        drawn.append((n, float(noise.uniform((1,), "first"))))
        return rows(n)

    monkeypatch.setattr(model, "sample", sample)
    next(step for step in card(model, "own", whole, seed=3) if step == "independent")
    assert drawn == [(60, float(Noise(3).at("card").uniform((1,), "first")))]


def test_vectors_are_tables_and_pictures_are_not():
    assert as_table(Real((2,), (1.0, 2.0), (3.0, 4.0), ("a", "b"))).fields[1].scale == 4.0
    assert as_table(Binary((2,))).fields[0].names == ("0", "1")
    with pytest.raises(ValueError, match="synthetic rows are of tables"):
        as_table(Levels((1, 4, 4), 5))
    with pytest.raises(ValueError, match="at least 20 test rows"):
        finished(card(find_recipe("independent")(SPACE, None).model, "m", data(50, 5)))
    with pytest.raises(ValueError, match="Did you mean label"):
        finished(card(find_recipe("independent")(SPACE, None).model, "m", data(50, 50), target="labl"))


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(SPACE.to_csv(rows(700)).replace(",", ";"))
    return tmp_path


def test_synthetic_rows_on_the_command_line(table, capsys):
    assert main(["fit", "mixture", "--data", "t.csv", "--components", "4", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["synthesize", "r", "-n", "50", "--out", "s.csv", "--target", "label"]) == 0
    said = capsys.readouterr().out
    lines = (table / "s.csv").read_text().splitlines()
    assert (
        lines[0] == "size;kind;count;label"
        and len(lines) == 51
        and {x.split(";")[3] for x in lines[1:]} == {"no", "yes"}
    )
    page = (table / "s.md").read_text()
    assert page.startswith("# 50 synthetic rows of ") and "| bootstrap |" in page and "learns `label`" in page
    found = json.loads((table / "s.json").read_text())
    assert found["n"] == 50 and len(found["card"]["rows"]) == 5 and found["card"]["rows"][1]["f1"] > 0.5
    assert "bootstrap" in said and "margins" in said
    for command in said.splitlines()[-1].removeprefix("next:  ").split("    "):
        assert main(command.split()[1:]) == 0
    assert main(["synthesize", "r", "--out", "q.csv", "--no-card"]) == 0
    assert len((table / "q.csv").read_text().splitlines()) == 561 and not (table / "q.md").exists()
    capsys.readouterr()
    (table / "c.md").write_text("mine")
    for words, why in (
        (["r", "--out", "c.csv", "-n", "50"], "c.md is there already"),
        (["r", "--out", "t.csv", "--force"], "never replaced"),
        (["r", "--out", "t.png"], "should be a .csv file"),
        (["r", "--out", "z.csv", "-n", "0"], "at least 1"),
    ):
        assert main(["synthesize", *words]) == 2
        assert why in capsys.readouterr().err
    assert (table / "c.md").read_text() == "mine" and not (table / "c.csv").exists()
    assert main(["fit", "independent", "--data", "digits", "--out", "d", "--quiet"]) == 0
    assert main(["synthesize", "d", "--out", "z.csv"]) == 2
    assert "synthetic rows are of tables" in capsys.readouterr().err
    words = ["--conditional", "--data-options", "label=label"]
    assert main(["fit", "independent", "--data", "t.csv", *words, "--out", "c", "--quiet"]) == 0
    assert main(["synthesize", "c", "--out", "z.csv"]) == 2
    assert "so that the label is a column like others" in capsys.readouterr().err
