"""What every test may use: real data where it is at hand, float64 where it proves something."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


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
