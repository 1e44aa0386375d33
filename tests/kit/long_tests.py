"""Which tests are long: `long.txt` lists those that take longer than ``LONG`` seconds, and the rest are `make test`.

How long a test takes is measured, not judged: `make long` runs all but the slow ones and writes the list again. A test
that is new, or has another name by now, counts as short until then.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

LONG = 0.4  # seconds, on one core of a processor with AVX2
LIST = Path(__file__).parents[1] / "long.txt"

took: Counter[str] = Counter()


def listed(path: Path = LIST) -> list[str]:
    """The names of the long tests."""
    return path.read_text().splitlines()


def mark(items: list[Any]) -> None:
    """Marks the long ones among the tests that were collected."""
    long = set(listed())
    for item in items:
        if item.nodeid in long:
            item.add_marker(pytest.mark.long)


def write(seconds: dict[str, float], path: Path = LIST) -> None:
    """Writes the list: one name a line, in the order of the alphabet."""
    anywhere = (name for name in sorted(seconds) if "[/" not in name)  # a place on this machine is no name elsewhere
    path.write_text("".join(f"{name}\n" for name in anywhere if seconds[name] > LONG))
