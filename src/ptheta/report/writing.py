"""The files of a comparison: a page for people, the same as JSON and as a table for scripts."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ptheta.applications.comparison import Comparison, Contender
from ptheta.files import replace_file
from ptheta.report.page import page

__all__ = ["write"]


def write(result: Comparison, out: Path) -> None:
    """Writes report.html, results.json and results.csv, and NAME-failure.txt for each model that failed.

    Args:
        result: A comparison, finished or as far as it got.
        out: A folder.
    """
    for contender in result.contenders:
        if contender.failure:
            replace_file(out / f"{contender.name}-failure.txt", contender.failure)
    replace_file(out / "results.json", json.dumps(result.to_json(), indent=1) + "\n")
    rows = list(_rows(result))
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(rows[0]) if rows else ["model"])
    writer.writeheader()
    writer.writerows(rows)
    replace_file(out / "results.csv", table.getvalue())
    replace_file(out / "report.html", page(result))


def _rows(result: Comparison) -> Iterator[dict[str, Any]]:
    for c in result.contenders:
        found, values = c.likelihood, {m.name: m.value for m in c.metrics}
        plain = ("parameters", "steps", "epochs", "hardly_trained", "events_per_second")
        yield {
            "model": c.name,
            "error": c.error,
            "nats_per_event": None if found is None else found.value,
            "kind": None if found is None else found.kind,
            "bits_per_dim": None if found is None else found.bits_per_dim,
            "half_width_95": None if found is None else found.error,
            **{name: values.get(name) for name in result.metric_names},
            **({} if result.questions is None else _answers(c)),
            **{name: getattr(c, name) for name in (*plain, "fit_seconds", "cpu_seconds", "sample_seconds")},
        }


def _answers(c: Contender) -> dict[str, float | None]:
    """The measures of draws for what was given."""
    names = ("psnr", "ssim", "inconsistency", "spread")
    return {name: None if c.given is None else getattr(c.given, name) for name in names}
