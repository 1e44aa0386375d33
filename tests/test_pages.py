"""The documents that a command prints: the committed ones are what it prints now, and their examples hold."""

import doctest
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ptheta.recipes.reproductions import ROWS
from ptheta.taxonomy import leaves

ROOT = Path(__file__).parent.parent
NAMES = [leaf.name for _, leaf in leaves()]


@pytest.fixture(scope="module")
def printer() -> ModuleType:
    """The module that prints the pages, as the command finds it."""
    sys.path.append(str(ROOT / "benchmarks"))
    try:
        import pages
    finally:
        sys.path.pop()
    return pages


def test_the_tables_of_the_readme_are_as_printed(printer):
    import table

    text = (ROOT / "README.md").read_text()
    assert table.filled(text) == text, "python benchmarks/table.py --write"
    assert (ROOT / "docs" / "speed.md").read_text() == table.speed_page(), "python benchmarks/table.py --write"


def test_the_pages_are_as_printed(printer):
    printed, folder = printer.pages(), ROOT / "docs" / "models"
    assert sorted(printed) == sorted(path.name for path in folder.iterdir())
    stale = [name for name, text in printed.items() if (folder / name).read_text() != text]
    assert not stale, "python benchmarks/pages.py --write"


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
    for line in printer.rows():
        assert f"| {line.name} |" in pages[f"{line.row.model}.md"]
    for row in ROWS.values():
        assert row.name in pages[f"{row.model}.md"]


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
