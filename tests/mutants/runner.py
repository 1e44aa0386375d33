"""Seeds one fault in a copy of the checkout and asks the tests that reach it.

Each fault gets a fresh copy and a process forked from one that has imported everything but the library, so that a
fault costs the tests and not the imports. The covering tests run first, the fastest at the front and those of files
that are slow to import last, up to the first failure. A *wide* search goes on with all other tests of the files they
are in and all that reach the fault's file, since a result that tests keep between them may hide who depends on it.
"""

import compileall
import gc
import importlib
import math
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, final

import pytest

from .coverage_map import Reached, statement
from .fault import Fault

__all__ = ["Verdict", "covering", "copied", "try_fault", "warm"]

COPIED = ("src", "tests", "examples", "benchmarks", "docs")
FILES = ("pyproject.toml", "README.md", "CONTRIBUTING.md", "LOG.md", "CHANGELOG.md")
TEST_SECONDS = 300  # by the wall's clock: on a busy machine a shorter limit kills what no test notices
SLOW_IMPORT = 1.0
OUTPUT = "output.txt"
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
    "pydantic.main",
    "pydantic.json_schema",
    "tyro",
    "rich.progress",
    "jinja2",
    "torchmetrics",
    "prdc",
    "pytest_timeout",
    "_hypothesis_pytestplugin",
    "_pytest.doctest",
    "pdb",
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
    """Copies what the tests need of a checkout, compiled."""
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name)
    for name in FILES:
        if (root / name).is_file():
            shutil.copy2(root / name, to / name)
    # By hash: a file with a fault may have the size and the second of the file without.
    compileall.compile_dir(to, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
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
    gc.freeze()


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


def try_fault(
    base: Path, package: str, file: str, fault: Fault, reached: Reached, *, wide: bool = False, most: float = math.inf
) -> Verdict:
    """Seeds a fault in a copy of a checkout and runs tests on it.

    Args:
        base: The checkout.
        package: The name of the package.
        file: The file of the fault, relative to the package.
        fault: What to seed.
        reached: What ``reached_lines`` found.
        wide: Whether to go on with tests that do not reach the line.
        most: The most seconds of tests; the slowest are left out.

    Returns:
        What became of it.
    """
    started = time.perf_counter()
    direct, rest = (_fastest(tests, reached, most) for tests in covering(reached, base / "src" / package, file, fault))
    killed_by = None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "checkout"
        shutil.copytree(base, root)
        path = root / "src" / package / file
        path.write_text(fault.seeded(path.read_text()))
        for tests in (direct, rest) if wide or not direct else (direct,):
            for slow in (False, True):
                stage = [test for test in tests if (reached[test]["import"] > SLOW_IMPORT) == slow]
                if stage and killed_by is None:
                    killed_by = _run(root, stage)
    return Verdict(file, fault, killed_by, len(direct), time.perf_counter() - started)


def _fastest(tests: list[str], reached: Reached, most: float) -> list[str]:
    totals = accumulate(reached[test]["seconds"] for test in tests)
    return [test for test, total in zip(tests, totals, strict=True) if total <= most]


def _run(root: Path, tests: list[str]) -> str | None:
    """The first test that fails, or how the process ended, or None."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(root, tests, sender))
    child.start()
    sender.close()
    answer = None
    if not receiver.poll(TEST_SECONDS * 2):
        answer = "the time ran out"
        child.kill()
    else:
        try:
            answer = receiver.recv()
        except EOFError:
            answer = "the process died"
    child.join()
    if child.exitcode and child.exitcode > 0:
        raise RuntimeError(f"the tests could not be run:\n{(root / OUTPUT).read_text()[-3000:]}")
    return answer


def _child(root: Path, tests: list[str], sender: Connection) -> None:
    sys.dont_write_bytecode = True
    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root / "src")  # for tests that start another Python
    sys.path[:0] = [str(root / "src"), str(root / "tests")]
    silent = os.open(root / OUTPUT, os.O_WRONLY | os.O_CREAT)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    chooser = Chooser(tests)
    files = sorted({test.split("::")[0] for test in tests})
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugins = ["-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin"]
    calm = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins were imported before the fork
    options = ["-x", "-m", "not slow", f"--timeout={TEST_SECONDS}", "--tb=no", "--assert=plain", *plugins, *calm]
    code = None
    with suppress(Warning):  # raised where pytest clears up after the last test: the verdict is known by then
        code = pytest.main([*options, *files], plugins=[chooser])
    code = chooser.code if code is None else code
    if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sender.send(None)
    elif chooser.failed:
        sender.send(chooser.failed)
    elif code == pytest.ExitCode.USAGE_ERROR:  # conftest itself
        sender.send("the tests could not be imported")
    else:
        raise RuntimeError(f"pytest ended with {code}.")


class Chooser:
    """The pytest plugin that runs the chosen tests in their order and notes the first that fails."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: i for i, test in enumerate(tests)}
        self.failed: str | None = None
        self.code: int | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.place), key=lambda i: self.place[i.nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.failed is None:
            self.failed = f"{report.nodeid} (its import)"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.code = exitstatus
