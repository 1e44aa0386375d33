"""Prints docs/measured.md: every row of a paper's table that ``ptheta reproduce`` ran and kept."""

import json
import math
import statistics
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from scipy.stats import t

from places import RESULTS
from ptheta.papers import ROWS, Row, shown

__all__ = ["Measured", "further", "page", "rows", "table"]

ABOUT = """# Rows of papers' tables

`ptheta reproduce ROW` runs a row and keeps what it found in `benchmarks/results/rows/`; `make docs` prints this page
from there. Settings are chosen on validation events, numbers are of test events. The run stays in `runs/`, and
`ptheta sample` draws pictures from it. A row is reached if every seed that was run reaches the line. Without a GPU some
rows run in a smaller version, which has a line of its own. CPU seconds are the mean over seeds, fitting and scoring.
"""
HEADING = "| row | paper or anchor | pass line | ours | reached | CPU seconds |\n" + "| --- " * 6 + "|"


class Measured(NamedTuple):
    """A row with the results of its seeds, all of the same version of it."""

    row: Row
    name: str
    is_smaller: bool
    results: dict[str, dict[str, Any]]  # by seed

    @property
    def missed(self) -> dict[str, float]:
        """The seeds that miss the line, and their numbers."""
        ours = {seed: result["ours"] for seed, result in self.results.items()}
        return {seed: value for seed, value in ours.items() if not self.row.passed(value)}


def rows() -> Iterator[Measured]:
    """Every row that was measured, in the order of ``ptheta reproduce --list``; its versions one after the other."""
    for name, row in ROWS.items():
        path = RESULTS / "rows" / f"{name}.json"
        results = json.loads(path.read_text()) if path.is_file() else {}
        whole = {seed: result for seed, result in results.items() if result["version"] == "the row"}
        smaller = {seed: result for seed, result in results.items() if seed not in whole}
        if whole:
            yield Measured(row, name, False, whole)
        if smaller and row.small is not None:
            yield Measured(row.small, f"{name}, smaller: {row.small.name}", True, smaller)


def table(found: Iterable[Measured]) -> str:
    """A line for each row; says what ± means if it occurs."""
    text = "\n".join([HEADING, *map(_line, found)])
    return text + ("\n\n± is the 95 % half-width of the mean over seeds (Student's t)." if "±" in text else "")


def further(found: Iterable[Measured]) -> str:
    """A list of what else was found: the ends of the scale, half-widths, other metrics; means over seeds."""
    items = []
    for one in found:
        numbers: dict[str, list[float]] = {}
        for result in one.results.values():
            for what, number in result.get("details", {}).items():
                numbers.setdefault(what, []).append(number)
        texts = [one.row.span_text, *(f"{what}: {_spread(values)}" for what, values in numbers.items())]
        if any(texts):
            items.append(f"- `{one.name}`: {'; '.join(text for text in texts if text)}.")
    return "\n".join(items)


def page() -> str:
    """docs/measured.md."""
    found = list(rows())
    return f"{ABOUT}\n{table(found)}\n\n## Further numbers\n\n{further(found)}\n"


def _line(one: Measured) -> str:
    results = one.results.values()
    ours = _spread([result["ours"] for result in results], count=True)
    paper = "none" if one.is_smaller else f"{one.row.paper:g}"
    seconds = [r["cpu_seconds"] for r in results if "cpu_seconds" in r and not r.get("resumed")]
    spent = f"{statistics.mean(seconds):.0f}" if seconds else "not counted"
    return f"| {one.name} | {paper} | {one.row.pass_text} | {ours} | {_verdict(one.missed)} | {spent} |"


def _verdict(missed: dict[str, float]) -> str:
    if not missed:
        return "yes"
    return f"**{'seed' if len(missed) == 1 else 'seeds'} {', '.join(missed)} missed** " + (
        f"({', '.join(map(shown, missed.values()))})"
    )


def _spread(values: list[float], *, count: bool = False) -> str:
    """The mean over seeds and the 95 % half-width of it."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return shown(mean)
    seeds = f" ({len(values)} seeds)" if count else ""
    half_width = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{shown(mean)} ± {half_width:.2g}{seeds}"
