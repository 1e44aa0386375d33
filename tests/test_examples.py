"""The examples run, those that take minutes for a moment."""

import runpy
import sys
from functools import partial
from pathlib import Path

import pytest

import ptheta

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
USES = {
    "colour_photographs": "shapes",
    "continue_a_film": "bouncing-balls",
    "enlarge_pictures": "shapes",
    "fill_a_hole": "digits",
    "redraw_a_sketch": "shapes-sketches",
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_example_runs(path: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    said = [USES[path.stem], "0.005"] if path.stem in USES else []
    monkeypatch.setattr(sys, "argv", [str(path), *said])
    monkeypatch.setattr(ptheta, "compare", partial(ptheta.compare, samples=0), raising=False)  # which takes seconds
    runpy.run_path(str(path), run_name="__main__")
    told = capsys.readouterr().out
    assert (told.count(" dB; spread of draws") == 2 and "report.html" in told) if said else "nats" in told
    assert not said or list(tmp_path.glob("*/report.html"))


def test_every_use_of_the_page_has_a_script():
    page = (Path(__file__).parent.parent / "docs" / "given.md").read_text()
    assert all(f"examples/{name}.py" in page for name in USES)
    assert {path.stem for path in EXAMPLES} >= set(USES)
