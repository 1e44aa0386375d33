"""Which tests reach which lines of the library, and how long each takes.

Loaded into pytest by ``-p tests.mutants.coverage_map``, it traces a session and writes what it saw. ``tests_by_line``
runs such sessions for the test files that have changed and keeps the rest. What a fixture of a module or a session
reaches counts for every test that asks for it.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Reached", "reached_lines", "statement"]

RECORD = "MUTANTS_RECORD"  # the environment variable that names the file to write
Reached = dict[str, dict[str, Any]]  # test -> {"seconds": float, "import": float, "lines": {file: [numbers]}}


def reached_lines(root: Path, cache: Path, package: str, only: Sequence[str] = ()) -> Reached:
    """The lines of ``root / src / package`` that each passing test reaches.

    Args:
        root: A checkout with ``src`` and ``tests``.
        cache: A file that keeps the answer; test files that are as they were are not run again.
        package: The name of the package.
        only: The files of tests that matter, relative to ``root``; all if empty.

    Returns:
        For each test its processor seconds, those that its file takes to import, and its lines by file, relative to the
        package.
    """
    known = json.loads(cache.read_text()) if cache.is_file() else {}
    keys = {file: key for file, key in _keys(root).items() if not only or file in only}
    stale = [file for file in keys if known.get(file, {}).get("key") != keys[file]]
    if stale:
        record = cache.with_suffix(".new")
        record.parent.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        path = os.pathsep.join([str(root / "src"), str(Path(__file__).parents[2])])
        environment = {**os.environ, "PYTHONPATH": path, RECORD: str(record), "MUTANTS_PACKAGE": package}
        environment.pop("PTHETA_DATA", None)
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # all but these take long to import and do nothing here
        plugins = ["-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin", "-p", "tests.mutants.coverage_map"]
        command = [sys.executable, "-m", "pytest", *plugins, "-m", "not slow", "--tb=short", *stale]
        done = subprocess.run(command, cwd=root, env=environment)
        traced = done.returncode in (0, 1, 5)  # 1: some failed, and are left out; 5: there are slow ones only
        if not traced or not record.is_file():
            raise SystemExit(f"the tests could not be traced: pytest ended with {done.returncode}.")
        fresh = json.loads(record.read_text())
        record.unlink()
        known = {file: entry for file, entry in known.items() if file not in stale}
        known |= {file: {"key": keys[file], "tests": fresh.get(file, {})} for file in stale}
        cache.write_text(json.dumps(known))
    return {test: entry for file in keys for test, entry in known[file]["tests"].items()}


def _keys(root: Path) -> dict[str, str]:
    """The files that pytest collects, each with a hash of itself, the library and the helpers of the tests."""
    sources = sorted((root / "src").rglob("*.py"))
    tests = sorted(p for p in (root / "tests").rglob("*.py") if "mutants" not in str(p.relative_to(root)))
    own = [p for p in tests if p.name.startswith("test_")]
    shared = hashlib.sha256()
    for path in (*sources, *(p for p in tests if p not in own)):
        shared.update(path.read_bytes())
    doctests = [p for p in sources if ">>>" in p.read_text()]
    return {
        str(p.relative_to(root)): hashlib.sha256(shared.digest() + p.read_bytes()).hexdigest()
        for p in (*own, *doctests)
    }


def statement(text: str, line: int) -> range:
    """The lines of the innermost statement around a line; of one with a body, the head.

    Args:
        text: A Python file.
        line: A line number from 1.

    Returns:
        Line numbers.
    """
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if node.lineno <= line <= max(last, node.lineno):
                found = range(node.lineno, max(last, node.lineno) + 1)
    return found


class Tracer:
    """The pytest plugin: one context of coverage per test, and one per fixture that several tests share."""

    def __init__(self, package: Path, record: Path) -> None:
        import coverage

        self.package, self.record = package, record
        self.coverage = coverage.Coverage(data_file=None, include=[f"{package}/*"], config_file=False)
        self.coverage.start()
        self.context = ""
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.imports: dict[str, float] = defaultdict(float)
        self.setups: dict[str, float] = defaultdict(float)
        self.shared: dict[str, set[str]] = defaultdict(set)

    def _switch(self, context: str) -> None:
        self.context = context
        self.coverage.switch_context(context)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        started = time.process_time()
        yield
        if isinstance(collector, pytest.File):
            self.imports[collector.nodeid] += time.process_time() - started

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        for definitions in item._fixtureinfo.name2fixturedefs.values():
            self.shared[item.nodeid] |= {_name(d) for d in definitions if d.scope != "function"}
        self._switch(item.nodeid)
        started = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - started
        self._switch("")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        before, started, shared = self.context, time.process_time(), fixturedef.scope != "function"
        if shared:
            self._switch(_name(fixturedef))
        yield
        if shared:
            self.setups[_name(fixturedef)] += time.process_time() - started
        self._switch(before)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        lines: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for file in data.measured_files():
            name = str(Path(file).relative_to(self.package))
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    lines[context][name].append(line)
        found: dict[str, Reached] = defaultdict(dict)
        for test, seconds in self.seconds.items():
            if test in self.failed:
                continue
            reached = {name: set(numbers) for name, numbers in lines[test].items()}
            for fixture in self.shared[test]:
                for name, numbers in lines[fixture].items():
                    reached.setdefault(name, set()).update(numbers)
            seconds += sum(self.setups[fixture] for fixture in self.shared[test])  # whoever runs first pays for them
            file = test.split("::")[0]
            numbers = {k: sorted(v) for k, v in reached.items()}
            found[file][test] = {"seconds": seconds, "import": self.imports[file], "lines": numbers}
        self.record.write_text(json.dumps(found))


def _name(fixture: Any) -> str:
    return f"fixture {fixture.baseid} {fixture.argname}"


def pytest_configure(config: pytest.Config) -> None:
    """Where pytest loads this file as a plugin."""
    record = os.environ.get(RECORD)
    if record:
        package = config.rootpath / "src" / os.environ["MUTANTS_PACKAGE"]
        config.pluginmanager.register(Tracer(package, Path(record)), "mutants")
