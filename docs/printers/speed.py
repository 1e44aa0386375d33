"""Prints docs/speed.md: every workload and task that ``make bench`` measured against a peer, with an aim."""

import json
from typing import Any

from places import RESULTS
from timing import gain, quantity

__all__ = ["page", "table"]

ABOUT = """# Speed against peers

`make bench` measures, `make docs` prints this page: CPU time of one call on one thread, the competitors taking turns; a
training step, a score, or a draw of so many events. The aim is how many times the best peer ours should be. The best
peer is the fastest library that could be imported, or the same network written the way public code has it ("plain",
"peer"), such as a pass of the whole network for every variable drawn (`benchmarks/common_pixels.py`). Nothing is timed
before it is checked: densities against autograd's Jacobians, inverses against their maps, cached draws against whole
passes. The sizes are those of the scripts in `benchmarks/`. Beside the same mathematics in a plain loop the aim is
.95 of its speed: two measurements of one thing differ by as much.
"""
SCRIPTS = ("nade", "made", "pixelcnn", "pixelrnn", "flows", "rbm", "latent", "coders", "diffusion", "steps")
SCRIPTS += ("counting", "neighbours")


def table() -> str:
    """Every measured task that has a competitor and an aim, against the fastest peer."""
    lines = ["| workload | task | events | ours | best peer | ratio | aim | reached |", "| --- " * 8 + "|"]
    for r in _rows():
        ratio, peer = gain(r)
        ours, theirs = (quantity(r["costs"][name], r["unit"]) for name in ("ours", peer))
        reached = "yes" if ratio >= r["aim"] else "**missed**"
        cells = (r["workload"], r["task"], r["batch"], ours, f"{theirs} ({peer})", f"{ratio:.3g}", r["aim"], reached)
        lines.append("| " + " | ".join(f"{c:g}" if isinstance(c, float) else str(c) for c in cells) + " |")
    return "\n".join(lines)


def page() -> str:
    """docs/speed.md."""
    return f"{ABOUT}\n{_machines()}\n\n{_summary()}\n\n{table()}\n"


def _rows() -> list[dict[str, Any]]:
    found = (r for _, report in _reports() for r in report["rows"])
    return [r for r in found if len(r["costs"]) > 1 and r["aim"] is not None]


def _reports() -> list[tuple[str, dict[str, Any]]]:
    paths = {name: RESULTS / f"{name}.json" for name in SCRIPTS}
    return [(name, json.loads(path.read_text())) for name, path in paths.items() if path.is_file()]


def _machines() -> str:
    """Which machine, by which of its instructions, gave the rows of which scripts."""
    by: dict[str, list[str]] = {}
    for name, report in _reports():
        it = report.get("machine")
        where = f"on {it['processor']} by {it['instructions']}" if it else "on a machine that was not written down"
        by.setdefault(where, []).append(f"`{name}.py`")
    return "Measured " + "; ".join(f"{where}: {', '.join(names)}" for where, names in by.items()) + "."


def _summary() -> str:
    """How many rows reach their aim, and what the nearest of the others miss."""
    ratios = [gain(r)[0] / r["aim"] for r in _rows()]
    missed = [ratio for ratio in ratios if ratio < 1]
    worst = f"; the other {len(missed)} come to {min(missed):.2f} to {max(missed):.2f} of it" if missed else ""
    return f"{len(ratios) - len(missed)} of {len(ratios)} rows reach their aim{worst}."
