"""What people do to tables: every mistake ends in a sentence that says what was expected, what came, what to do."""

import random
from pathlib import Path

import pytest

from ptheta.cli import main


def table(name: str, columns: str, rows: list[str]) -> str:
    Path(name).write_text("\n".join([columns, *rows, ""]))
    return name


def people(towns: str = "abc", n: int = 120) -> list[str]:
    draw = random.Random(0)
    return [f"{draw.randint(1, 90)},{draw.choice(towns)}" for _ in range(n)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("columns", "rows", "says"),
    [
        ("a,b", ["1,x"], "at least 3 events to split into train, valid and test, but there are 1"),
        ("a,b", [","] * 50, "100 missing values"),
        ("a,b", [f"note {i} of {i * i % 97},it was {i}" for i in range(60)], "no column to model"),
    ],
)
def test_tables_of_which_there_is_nothing_to_learn(folder: Path, capsys, columns: str, rows: list[str], says: str):
    table("t.csv", columns, rows)
    for verb in (["data", "t.csv"], ["fit", "mixture", "--data", "t.csv", "--out", "r", "--quiet"]):
        assert main(verb) == 2
        assert says in " ".join(capsys.readouterr().err.split())
    assert not (folder / "r").exists()


@pytest.mark.parametrize("model", ["mixture", "made", "tabddpm", "ctgan"])
def test_a_table_of_one_column_is_a_table(folder: Path, model: str):
    table("t.csv", "town", [row.split(",")[1] for row in people()])
    length = [] if model == "mixture" else ["--steps", "2"]
    assert main(["fit", model, "--data", "t.csv", "--out", "r", "--quiet", *length]) == 0
    assert main(["sample", "r", "-n", "5", "--out", "drawn.csv"]) == 0
    assert Path("drawn.csv").read_text().splitlines()[0] == "town"


def test_events_of_other_columns_are_not_scored(folder: Path, capsys):
    table("t.csv", "age,town", people())
    assert main(["fit", "mixture", "--data", "t.csv", "--out", "r", "--quiet", "--components", "2"]) == 0
    for columns, rows, says in (
        ("age,town", people("abz"), "the column town should be of a, b, c, but it has 'z'"),
        ("years,city", people(), "should have the columns age, town, but it has no age, town"),
        ("age", [row.split(",")[0] for row in people()], "should have the columns age, town, but it has no town"),
    ):
        capsys.readouterr()
        assert main(["score", "r", "--data", table("other.csv", columns, rows)]) == 2
        assert says in " ".join(capsys.readouterr().err.split())
    turned = [",".join(reversed(row.split(","))) for row in people()]
    assert main(["score", "r", "--data", table("other.csv", "town,age", turned)]) == 0  # in another order they are


def test_names_are_not_tried_as_dates(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Ten thousand columns of names took minutes, nearly all of it to find that none are dates."""
    import polars as pl
    from polars.series.string import StringNameSpace

    tried: list[str] = []
    monkeypatch.setattr(pl.Series, "str", property(lambda s: tried.append(s.name) or StringNameSpace(s)))
    table("t.csv", "town,day", [f"{row.split(',')[1]},2026-01-{1 + i % 28:02}" for i, row in enumerate(people())])
    assert main(["data", "t.csv"]) == 0
    assert tried.count("day") > 5 * tried.count("town")
