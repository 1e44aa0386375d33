"""The mutation check itself: its table does not rot, and on a toy library it tells what is tested from what is not."""

import ast
import json
import shutil
from pathlib import Path

import pytest

import ptheta
from mutants.coverage_map import reached_lines, statement
from mutants.fault import Fault
from mutants.runner import covering, try_fault
from mutants.table import FAULTS

SOURCE = Path(ptheta.__file__).parent
ENTRIES = [(file, fault) for file, faults in FAULTS.items() for fault in faults]


@pytest.mark.parametrize("file", FAULTS)
def test_every_fault_of_the_table_still_applies(file: str):
    text = (SOURCE / file).read_text()
    for fault in FAULTS[file]:
        advice = f"tests/mutants lists a fault that no longer fits {file}: update it, or choose another: {fault}"
        assert text.count(fault.before) == 1 and "\n" not in fault.before and fault.before != fault.after, advice
        ast.parse(fault.seeded(text))


def test_no_fault_is_listed_twice():
    assert len(set(ENTRIES)) == len(ENTRIES) >= 100
    assert len({(file, fault.before, fault.after) for file, fault in ENTRIES}) == len(ENTRIES)


def test_a_fault_that_does_not_apply_is_refused():
    with pytest.raises(ValueError, match="should occur once, but it occurs 2 times"):
        Fault("a", "b", "nothing").seeded("a = a")


def test_a_statement_is_all_its_lines_or_its_head():
    text = "def f(\n    x,\n):\n    return (\n        x +\n        1\n    )\n"
    assert list(statement(text, 5)) == [4, 5, 6, 7]
    assert list(statement(text, 2)) == [1, 2, 3]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy")
    (root / "src" / "toy").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "src" / "toy" / "__init__.py").write_text(
        "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n"
    )
    (root / "tests" / "test_toy.py").write_text(
        "import pytest, time, toy\n\n\n@pytest.fixture(scope='module')\ndef two():\n"
        "    end = time.process_time() + 0.2\n    while time.process_time() < end:\n        pass\n"
        "    return toy.double(1)\n\n\n"
        "def test_double(two):\n    assert two == 2\n\n\ndef test_idle(two):\n    toy.half(0)\n"
    )
    return root


def test_the_check_kills_what_a_test_notices_and_nothing_else(toy: Path):
    reached = reached_lines(toy, toy / "cache.json", "toy")
    tests = [f"tests/test_toy.py::test_{name}" for name in ("double", "idle")]
    assert sorted(reached) == tests
    assert all(found["seconds"] > 0.2 for found in reached.values()), "whichever runs first pays for what they share"
    noticed, idle = Fault("2 * x", "3 * x", "doubling"), Fault("x / 2", "x / 3", "halving")
    assert sorted(covering(reached, toy / "src" / "toy", "__init__.py", noticed)[0]) == tests  # by the shared fixture
    assert covering(reached, toy / "src" / "toy", "__init__.py", idle)[0] == tests[1:]
    assert try_fault(toy, "toy", "__init__.py", noticed, reached).killed_by == tests[0]
    assert try_fault(toy, "toy", "__init__.py", idle, reached).killed_by is None
    assert reached_lines(toy, toy / "cache.json", "toy", ["tests/test_other.py"]) == {}
    kept = json.loads((toy / "cache.json").read_text())
    assert list(kept) == ["tests/test_toy.py"], "what is known of other files is kept"


def test_a_warning_where_pytest_clears_up_changes_no_verdict(toy: Path, tmp_path: Path):
    reached = reached_lines(toy, toy / "cache.json", "toy")
    late = tmp_path / "toy"
    shutil.copytree(toy, late)
    (late / "tests" / "conftest.py").write_text("def pytest_unconfigure(config):\n    raise UserWarning('late')\n")
    noticed, idle = Fault("2 * x", "3 * x", "doubling"), Fault("x / 2", "x / 3", "halving")
    assert try_fault(late, "toy", "__init__.py", noticed, reached).killed_by == "tests/test_toy.py::test_double"
    assert try_fault(late, "toy", "__init__.py", idle, reached).killed_by is None


def test_a_trace_that_broke_off_is_not_taken_for_tests_that_reach_nothing(toy: Path, tmp_path: Path):
    broken = tmp_path / "toy"
    shutil.copytree(toy, broken)
    (broken / "tests" / "test_broken.py").write_text("import no_such_module\n")
    with pytest.raises(SystemExit, match="could not be traced"):
        reached_lines(broken, broken / "new.json", "toy")
    assert not (broken / "new.json").exists()
