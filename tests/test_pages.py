"""The documents that a command prints: the committed ones are what it prints now, and their examples hold."""

import doctest
import re
import sys
from pathlib import Path
from runpy import run_path
from types import ModuleType

import pytest

from ptheta.papers import ROWS, Row
from ptheta.taxonomy import leaves

ROOT = Path(__file__).parent.parent
NAMES = [leaf.name for _, leaf in leaves()]


@pytest.fixture(scope="module")
def documents() -> dict[Path, str]:
    """What the command prints, by the place of each document; its modules can be imported afterwards."""
    sys.path[:0] = added = [str(ROOT / "docs" / "printers"), str(ROOT / "benchmarks")]
    try:
        return run_path(str(ROOT / "docs" / "printers"))["documents"]()
    finally:
        sys.path[:] = [place for place in sys.path if place not in added]


@pytest.fixture(scope="module")
def printer(documents) -> ModuleType:
    """The module that prints the pages of models."""
    return sys.modules["pages"]


def test_the_documents_are_as_printed(documents):
    stale = [str(path) for path, text in documents.items() if not path.is_file() or path.read_text() != text]
    assert not stale, "make docs"
    folder = ROOT / "docs" / "models"
    assert sorted(folder.iterdir()) == sorted(path for path in documents if path.parent == folder)


def test_the_readme_points_to_the_documents():
    links = re.findall(r"\]\((?!https://)([^)#]+)", (ROOT / "README.md").read_text())
    assert {"docs/models/README.md", "docs/measured.md", "docs/speed.md"} <= set(links)
    assert not [link for link in links if not (ROOT / link).exists()]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_and_links_of_a_page_hold(name: str):
    path = ROOT / "docs" / "models" / f"{name}.md"
    text = path.read_text()
    (example,) = re.findall(r"^```pycon\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(example, {}, name, str(path), 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\((?!https://)([^)#]+)", prose):
        assert (path.parent / link).exists(), link


def test_a_page_and_a_picture_belong_to_the_longest_name(printer):
    assert printer.owner("rnn-nade-mnist") == "rnn-nade" and printer.owner("rnn-mnist") == "rnn"
    assert printer.owner("pixelcnn-pp, 28 x 28, whole passes") == "pixelcnn-pp"
    assert printer.owner("NADE, 784 variables") == "nade" and printer.owner("nsf-63, zuko") == "spline-flow"
    assert printer.owner("gang-mnist") is None


def test_every_measured_line_is_on_the_page_of_its_model(printer):
    pages = printer.pages()
    for one in printer.answers():
        assert f"| {one.name} |" in pages[f"{one.row.model}.md"]
    for row in ROWS.values():
        assert row.name in pages[f"{row.model}.md"]


def test_a_row_is_reached_if_every_seed_reaches_it(printer):
    from measured import Measured, further, table

    row = Row("r", -9.36, -9.5, "at least", "nats", "red-wine", "nade", floor=(-13.18, "one Gaussian"))
    ours = {"0": -9.4, "1": -9.45, "2": -9.53}
    results = {seed: {"ours": value, "cpu_seconds": 2.0, "details": {"error": 0.25}} for seed, value in ours.items()}
    lines = table([Measured(row, "r", False, results)]).splitlines()
    assert lines[2] == "| r | -9.36 | at least -9.5 | -9.46 ± 0.16 (3 seeds) | **seed 2 missed** (-9.53) | 2 |"
    assert lines[-1] == "± is the 95 % half-width of the mean over seeds (Student's t)."  # 4.303 * 0.0656 / sqrt 3
    assert further([Measured(row, "r", False, results)]) == "- `r`: floor -13.18 (one Gaussian); error: 0.2500 ± 0."
    results["1"]["ours"] = -9.6
    assert "**seeds 1, 2 missed** (-9.60, -9.53)" in table([Measured(row, "r", False, results)])
    alone = {"0": {"ours": -9.4, "resumed": True, "cpu_seconds": 1.0}}
    assert table([Measured(row, "r", True, alone)]).splitlines()[2] == (
        "| r | none | at least -9.5 | -9.40 | yes | not counted |"
    )


def test_docstrings_become_markdown(printer):
    from docstrings import markdown, references, sections

    doc = """Title.

    A law of ``x_i``

        p(x)  =  1

            /2

    and so on.

    Known limits:
        It is small.

    References:
        One (A, 2001), part 2 https://a.b/c
        Two (B & C,
        2002)
        https://d.e/f
        Three, a book
    """
    parts = sections(doc)
    assert markdown(parts["lecture"]) == (
        "Title.\n\nA law of `x_i`\n\n```text\np(x)  =  1\n\n    /2\n```\n\nand so on."
    )
    assert parts["Known limits"] == "It is small."
    assert references(parts["References"]) == [
        "- [One (A, 2001), part 2](https://a.b/c)",
        "- [Two (B & C, 2002)](https://d.e/f)",
        "- Three, a book",
    ]
