"""Seeds one fault in a copy of the checkout and asks the tests that reach it.

Each fault gets a fresh copy and a process forked from one that has imported everything but the library, so that a
fault costs the tests and not the imports. The covering tests run first, the fastest at the front, up to the first
failure; if none fails, so do all tests of the files they are in and all that reach the fault's file, since a result
that the tests keep between them may hide who depends on it.
"""

import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, final

import pytest

from .coverage_map import Reached, statement
from .fault import Fault

__all__ = ["Verdict", "covering", "copied", "try_fault", "warm"]

COPIED = ("src", "tests", "examples", "benchmarks", "docs")
FILES = ("pyproject.toml", "README.md", "LOG.md", "CHANGELOG.md")
TEST_SECONDS = 60
WARM = (
    "torch._dynamo",
    "torch.optim",
    "scipy.stats",
    "scipy.special",
    "scipy.integrate",
    "sklearn.datasets",
    "sklearn.mixture",
    "sklearn.neighbors",
    "hypothesis.extra.numpy",
    "matplotlib.pyplot",
    "PIL.Image",
    "safetensors.torch",
    "pydantic",
    "tyro",
    "rich.progress",
    "jinja2",
    "torchmetrics",
    "prdc",
)


@final
@dataclass(frozen=True)
class Verdict:
    """What became of one fault.

    Args:
        file: The file, relative to the package.
        fault: What was seeded.
        killed_by: The first test that failed, or how the run broke down; None if all passed.
        tests: How many tests reach the line.
        seconds: How long it took.
    """

    file: str
    fault: Fault
    killed_by: str | None
    tests: int
    seconds: float


def copied(root: Path, to: Path) -> Path:
    """Copies what the tests need of a checkout."""
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name, ignore=shutil.ignore_patterns("results"))
    for name in FILES:
        if (root / name).is_file():
            shutil.copy2(root / name, to / name)
    return to


def warm() -> None:
    """Imports what the tests import, but for the library: processes forked from here need not."""
    os.environ["MPLBACKEND"] = "Agg"
    os.environ.pop("PTHETA_DATA", None)
    for name in WARM:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def covering(reached: Reached, package: Path, file: str, fault: Fault) -> tuple[list[str], list[str]]:
    """The tests that reach a fault's statement, and those to try after them, both with the fastest first.

    Args:
        reached: What ``reached_lines`` found.
        package: The folder of the package.
        file: The file of the fault, relative to it.
        fault: Which.

    Returns:
        Two lists of tests without a common one.
    """
    text = (package / file).read_text()
    lines = set(statement(text, fault.line(text)))
    order = sorted(reached, key=lambda test: reached[test]["seconds"])
    touching = [test for test in order if file in reached[test]["lines"]]
    direct = [test for test in touching if lines.intersection(reached[test]["lines"][file])]
    files = {test.split("::")[0] for test in direct}
    rest = [test for test in order if test in touching or test.split("::")[0] in files]
    return direct, [test for test in rest if test not in set(direct)]


def try_fault(base: Path, package: str, file: str, fault: Fault, reached: Reached) -> Verdict:
    """Seeds a fault in a copy of ``base`` and runs the tests on it."""
    started = time.perf_counter()
    direct, rest = covering(reached, base / "src" / package, file, fault)
    killed_by = None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "checkout"
        shutil.copytree(base, root)
        path = root / "src" / package / file
        path.write_text(fault.seeded(path.read_text()))
        for tests in (direct, rest):
            if tests and killed_by is None:
                killed_by = _run(root, tests)
    return Verdict(file, fault, killed_by, len(direct), time.perf_counter() - started)


def _run(root: Path, tests: list[str]) -> str | None:
    """The first test that fails, or how the process ended, or None."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(root, tests, sender))
    child.start()
    sender.close()
    answer = None
    if receiver.poll(TEST_SECONDS * 10):
        try:
            answer = receiver.recv()
        except EOFError:
            answer = "the process died"
    else:
        answer = "the time ran out"
        os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    return answer


def _child(root: Path, tests: list[str], sender: Connection) -> None:
    sys.dont_write_bytecode = True
    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root / "src")  # for tests that start another Python
    sys.path[:0] = [str(root / "src"), str(root / "tests")]
    silent = os.open(root / "output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    chooser = Chooser(tests)
    files = sorted({test.split("::")[0] for test in tests})
    code = pytest.main(["-x", f"--timeout={TEST_SECONDS}", "--tb=no", *files], plugins=[chooser])
    kept = os.environ.get("MUTANTS_OUTPUT")
    if kept:
        shutil.copy(root / "output.txt", kept)
    if code == 0:
        sender.send(None)
    else:
        sender.send(chooser.failed or ("the tests could not be collected" if code != 5 else None))


class Chooser:
    """The pytest plugin that runs the chosen tests in their order and notes the first that fails."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: i for i, test in enumerate(tests)}
        self.failed: str | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.place), key=lambda i: self.place[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid
