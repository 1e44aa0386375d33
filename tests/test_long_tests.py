"""The list of long tests: it names tests that there are, and marks them alone."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

import long_tests

ROOT = Path(__file__).parents[1]


def test_the_list_names_tests_that_there_are():
    names = long_tests.listed()
    assert names == sorted(set(names)) and len(names) > 100
    known = {
        f"{path.relative_to(ROOT).as_posix()}::{node.name}"
        for path in {ROOT / name.split("::")[0] for name in names}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert [
        name
        for name in names
        if "::".join(name.split("[")[0].split("::")[:: 2 if "::Test" in name else 1]) not in known
    ] == []


def test_the_long_are_marked_and_no_others(tmp_path: Path):
    long_tests.write(
        {"a.py::test_short": long_tests.LONG, "a.py::test_long[1]": long_tests.LONG + 0.01}, tmp_path / "t"
    )
    assert long_tests.listed(tmp_path / "t") == ["a.py::test_long[1]"]
    marks: dict[str, list[str]] = {}
    items = [
        SimpleNamespace(nodeid=name, add_marker=lambda mark, name=name: marks.setdefault(name, []).append(mark.name))
        for name in (long_tests.listed()[0], "tests/test_aae.py::test_short")
    ]
    long_tests.mark(items)
    assert marks == {long_tests.listed()[0]: ["long"]}


def test_what_is_marked_is_left_to_the_slow_ones(pytestconfig: pytest.Config):
    assert "not long" in pytestconfig.getini("addopts")[-1] and "slow or long" in (ROOT / "Makefile").read_text()
