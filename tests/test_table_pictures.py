"""Associations find what hangs together and nothing else; pictures of tables hold a panel for each column."""

import io

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from PIL import Image

from ptheta import Column, Noise, Table, load
from ptheta.applications.compare import compare
from ptheta.metrics.association import associations
from ptheta.report import write
from ptheta.report.pictures import picture

SPACE = Table((
    Column("a", "number"),
    Column("twice a", "number"),
    Column("sign of a", "category", ("plus", "minus"), blank=""),
    Column("b", "whole", least=0, levels=(0, 1, 2)),
    Column("always", "category", ("x",)),
))  # fmt: skip


def rows(n, seed=0):
    noise = Noise(seed)
    a, b = noise.normal((n,), "a").double(), (noise.uniform((n,), "b") * 4).floor().double()
    sign = torch.where(noise.uniform((n,), "gone") < 0.1, torch.nan, (a < 0).double())
    return torch.stack([a, 2 * a + 1, sign, b, torch.zeros(n, dtype=torch.float64)], 1)


def test_associations_are_one_between_functions_and_nothing_between_strangers():
    v = associations(rows(4000), SPACE)
    assert torch.equal(v, v.T)
    assert v[0, 1] == pytest.approx(1, abs=1e-6) and v[0, 2] > 0.6
    assert float(v[3, :3].max()) < 0.08 and float(v[4].max()) == 0
    few = torch.stack([associations(rows(60, seed), SPACE)[3, 0] for seed in range(30)])
    assert float(few.mean()) < 0.12  # without the correction it is .38: chance alone looks like association


def test_associations_of_samples_use_the_groups_of_real_rows():
    x = rows(1000)
    shifted = x + torch.tensor([100.0, 0, 0, 0, 0], dtype=torch.float64)
    assert float(associations(shifted, SPACE)[0, 1]) == pytest.approx(1, abs=1e-6)
    assert float(associations(shifted, SPACE, like=x)[0].max()) == 0  # all in the last group of real rows


@pytest.mark.parametrize("beside", [False, True])
def test_pictures_of_tables_show_every_column(beside):
    real = rows(80)
    image = Image.open(io.BytesIO(picture(rows(300, 1), SPACE, real if beside else None)))
    pixels = np.asarray(image.convert("RGB")).astype(int)
    assert image.size[0] == 1035
    grey = (np.abs(pixels - [180, 186, 197]).max(2) < 3).mean()
    assert (grey > 0.01) == beside  # real rows are there only where they were given


def test_associations_of_samples_stand_above_the_diagonal_and_real_ones_below(monkeypatch):
    shown = []
    monkeypatch.setattr(Axes, "imshow", lambda self, values, **how: shown.append(values.copy()))
    two = Table((Column("a", "number"), Column("b", "number")))
    a, b = Noise(0).normal((500, 2), "x").double().unbind(1)
    picture(torch.stack([a, b], 1), two, torch.stack([a, 2 * a], 1))
    assert shown[0][0, 1] < 0.2 and shown[0][1, 0] > 0.9


@pytest.mark.parametrize(
    ("column", "way"), [(Column("a", "number"), "stairs"), (Column("b", "category", ("x", "y")), "bar")]
)
def test_numbers_have_steps_and_names_have_bars(column: Column, way: str, monkeypatch):
    drawn = []
    for name in ("stairs", "bar"):
        monkeypatch.setattr(Axes, name, lambda self, *values, name=name, **how: drawn.append(name))
    picture(torch.tensor([[0.0], [1.0], [1.0]], dtype=torch.float64), Table((column,)))
    assert drawn == [way]


def test_pictures_survive_columns_without_a_cell_and_many_columns():
    empty = Table((Column("gone", "whole", blank=""), Column("none", "category", (), blank="NA")))
    picture(torch.full((5, 2), torch.nan, dtype=torch.float64), empty, torch.full((2, 2), torch.nan).double())
    wide = Table(tuple(Column(f"${i}", "number") for i in range(90)))
    picture(Noise(0).normal((20, 90), "x").double(), wide)


def test_compare_reports_on_a_file_of_mixed_columns_with_blanks(tmp_path):
    lines = ["height;sex;children"]
    for i, u in enumerate(Noise(0).uniform((150, 3), "u").tolist()):
        cells = [f"{160 + 30 * u[0]:.2f}".replace(".", ","), "mf"[u[1] < 0.5], str(int(4 * u[2]))]
        lines.append(";".join("" if i % 11 == k else cell for k, cell in enumerate(cells)))
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    data = load(tmp_path / "people.csv")
    result = compare(data, tmp_path / "out", models=["independent", "mixture"], total=1)
    write(result, tmp_path / "out")
    assert [c.error for c in result.contenders] == [None, None]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "its blank" in page and page.count("data:image/png") == 3
