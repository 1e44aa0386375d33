"""What recipes choose and what dials change is what docs/settings.md says: a setting that moves, moves there too."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from ptheta.optimizers import SGD, Adam
from ptheta.recipes import RECIPES
from ptheta.taxonomy import leaves

DOCS = Path(__file__).parent.parent / "docs"
LEAVES = {leaf.name: leaf for _, leaf in leaves()}


@pytest.fixture(scope="module")
def printer() -> ModuleType:
    """The module that prints the document."""
    sys.path.insert(0, str(DOCS / "printers"))
    try:
        import settings
    finally:
        sys.path.pop(0)
    return settings


def written(name: str) -> list[str]:
    """The lines of a recipe in the document."""
    return [line for line in (DOCS / "settings.md").read_text().splitlines() if line.startswith(f"| `{name}` |")]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_chooses_what_is_written(name: str, printer: ModuleType):
    lines = list(printer.by_events(LEAVES[name]))
    assert lines and lines == written(name)[: len(lines)], "make docs"


@pytest.mark.parametrize("name", RECIPES)
def test_a_dial_changes_what_is_written(name: str, printer: ModuleType):
    lines = list(printer.by_dials(LEAVES[name]))
    assert lines == [line for line in written(name) if line.startswith(f"| `{name}` | `--")], "make docs"


def test_what_is_told_of_a_thing_is_its_class_and_what_is_not_the_default(printer: ModuleType):
    assert printer.told(Adam()) == "Adam" and printer.told(SGD()) == "SGD"
    assert printer.told((Adam(learning_rate=0.02), SGD(momentum=0.5))) == "Adam (learning_rate 0.02) SGD (momentum 0.5)"


def test_a_difference_is_told_without_what_stays(printer: ModuleType):
    changes = printer._changes({"model": "A (b 1, c 2, d 3)"}, {"model": "A (b 1, c 4, d 3)"})
    assert list(changes) == ["model `c 2,` to `c 4,`"]
