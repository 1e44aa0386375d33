"""What every test may use: real data where it is at hand, float64 where it proves something."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import long_tests


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-long", action="store_true", help="write tests/long.txt by how long each test takes")


@pytest.hookimpl(tryfirst=True)  # before they are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long_tests.mark(items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    long_tests.took[report.nodeid] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-long") and not hasattr(session.config, "workerinput"):
        long_tests.write(long_tests.took)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; without it the test is skipped, and says so."""
    folder = os.environ.get("PTHETA_DATA")
    if not folder:
        pytest.skip("needs real data: set PTHETA_DATA to a folder of data sets")
    return Path(folder)


@pytest.fixture
def float64() -> Iterator[None]:
    """Makes float64 the default type inside the test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small tensors gain nothing from threads, and the last bits of trained features depend on how many there are."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def heard_signals() -> None:
    """A shell makes what it starts in the background ignore signals, which some tests send to themselves."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    for name, handler in usual.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
