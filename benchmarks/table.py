"""Prints the README's tables: the models from the family tree, the measured numbers from benchmarks/results/.

python benchmarks/table.py            prints them
python benchmarks/table.py --write    puts them into README.md
"""

import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ptheta.recipes import reproductions_adversarial
from ptheta.recipes.reproductions import ROWS
from ptheta.recipes.row import Row
from ptheta.taxonomy import leaves
from timing import gain, quantity

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def models() -> str:
    lines = ["| model | what it is | log p | sampling | events | source |", "| --- " * 6 + "|"]
    for _, leaf in leaves():
        spaces = ", ".join(leaf.spaces)
        source = f"[{leaf.reference}]({leaf.link})"
        lines.append(f"| `{leaf.name}` | {leaf.title} | {leaf.score} | {leaf.sampling} | {spaces} | {source} |")
    return "\n".join(lines)


def read(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


class Measured(NamedTuple):
    """One line of the table, and the row of ``ptheta reproduce`` that it answers."""

    row: Row
    name: str
    paper: str
    line: str
    ours: str
    passed: bool
    seconds: float  # NaN where the runs were stopped and resumed, so that nobody counted


def rows() -> Iterator[Measured]:
    """Name, the paper's number or the anchor, the pass line, ours, whether it is reached, seconds."""
    reproduced = {path.stem: json.loads(path.read_text()) for path in sorted((RESULTS / "rows").glob("*.json"))}
    for name in sorted(reproduced, key=[*ROWS].index):
        yield over_seeds(name, list(reproduced[name].values()))
    rbm = read("rbm").get("pcd-1, 20 hidden")
    if rbm:
        row, seconds, nll = ROWS["rbm-binarized-mnist"], rbm["train_seconds"] + rbm["log_z_seconds"], rbm["nll_test"]
        yield Measured(row, f"{row.name}, 20 hidden", "143.2", "at most 146", f"{nll:.2f}", nll <= 146, seconds)
        row, name, last = ROWS["rbm-annealing"], "its AIS log Z less the exact one", rbm["annealing"][-1]
        off, line = last["off"], f"within 0.2 at {last['temperatures']} temperatures"
        yield Measured(row, name, "0", line, f"{off:+.3f}", abs(off) <= 0.2, last["seconds"])
    vae = read("vae").get("binarized-mnist")
    if vae:
        row, bound, seconds = ROWS["vae-binarized-mnist"], vae["bound"], vae["fit_cpu_seconds"]
        yield Measured(row, f"{row.name}, -ELBO", "89.9", "at most 95", f"{bound:.2f}", bound <= 95, seconds)
        name = f"the same events: bound with {vae['importance']} importance samples (-ELBO {vae['bound_there']:.2f})"
        yield Measured(row, name, "87.1", "none", f"{vae['tighter']:.2f}", True, vae["tighter_cpu_seconds"])
    divergences = dict(zip(reproductions_adversarial.TABLE, reproductions_adversarial.ROWS, strict=True))
    for name, r in read("fgan").get("rows", {}).items():
        best = f"N({r['best_mean']:.2f}, {r['best_deviation']:.2f}²)"
        ours = f"N({r['mean']:.2f}, {r['deviation']:.2f}²); bound {r['bound']:.4f} <= {r['true']:.4f}"
        row, name = divergences[name], f"f-gan, {name}"
        yield Measured(row, name, best, "both within 0.1", ours, r["passed"], r["cpu_seconds"])


def over_seeds(name: str, runs: list[dict[str, Any]]) -> Measured:
    """A row of ``ptheta reproduce``: the mean of the seeds, and how far they spread; reached if the mean is."""
    row, ours = ROWS[name], [r["ours"] for r in runs]
    if runs[0].get("paper") is None and row.small is not None:
        row, name = row.small, f"{name}, smaller: {row.small.name}"
    mean = statistics.mean(ours)
    spread = f" ± {statistics.stdev(ours):.2f} ({len(ours)} seeds)" if len(ours) > 1 else ""
    paper = "none" if runs[0].get("paper", row.paper) is None else f"{row.paper:g}"
    whole = [r["cpu_seconds"] for r in runs if not r.get("resumed")]
    seconds = statistics.mean(whole) if whole else math.nan
    return Measured(row, name, paper, row.pass_text, f"{mean:.2f}{spread}", row.passed(mean), seconds)


def measured(found: Iterable[Measured] | None = None) -> str:
    lines = ["| row | paper or anchor | pass line | ours | reached | CPU seconds |", "| --- " * 6 + "|"]
    for _, name, paper, line, ours, passed, seconds in rows() if found is None else found:
        reached = "" if line == "none" else "yes" if passed else "**missed**"
        spent = "resumed" if math.isnan(seconds) else f"{seconds:.0f}"
        lines.append(f"| {name} | {paper} | {line} | {ours} | {reached} | {spent} |")
    return "\n".join(lines)


def speed(least: float = 0.0) -> str:
    """Every workload and task of at least such an aim, against the fastest peer that was installed, on one thread."""
    lines = ["| workload | task | events | ours | best peer | ratio | aim | reached |", "| --- " * 8 + "|"]
    for r in speed_rows():
        if r["aim"] < least:
            continue
        ratio, peer = gain(r)
        ours, theirs = (quantity(r["costs"][name], r["unit"]) for name in ("ours", peer))
        reached = "yes" if ratio >= r["aim"] else "**missed**"
        cells = (r["workload"], r["task"], r["batch"], ours, f"{theirs} ({peer})", f"{ratio:.3g}", r["aim"], reached)
        lines.append("| " + " | ".join(f"{c:g}" if isinstance(c, float) else str(c) for c in cells) + " |")
    return "\n".join(lines)


def speed_rows() -> list[dict[str, Any]]:
    """The measured rows that have a competitor and an aim."""
    found = (r for name in ("nade", "made", "pixelcnn", "pixelrnn", "flows") for r in read(name).get("rows", []))
    return [r for r in found if len(r["costs"]) > 1 and r["aim"] is not None]


def speed_summary() -> str:
    """How many rows reach their aim, and what the nearest of the others miss."""
    rows = speed_rows()
    ratios = [gain(r)[0] / r["aim"] for r in rows]
    missed = [ratio for ratio in ratios if ratio < 1]
    worst = f"; the other {len(missed)} come to {min(missed):.2f} to {max(missed):.2f} of it" if missed else ""
    reached = f"{len(rows) - len(missed)} of {len(rows)} rows reach their aim{worst}"
    return f"{reached}. All rows: [docs/speed.md](docs/speed.md)."


def tables() -> dict[str, str]:
    """Every table of the README, under the name that marks its place."""
    return {"models": models(), "measured": measured(), "speed": f"{speed(2.0)}\n\n{speed_summary()}"}


def speed_page() -> str:
    """docs/speed.md."""
    about = """# Speed against peers

`make bench` measures, `make docs` prints this page. CPU time of one call on one thread, the competitors taking turns.
The aim is how many times the best peer ours should be. What "plain" and "peer" are is said in the
[README](../README.md#speed-against-peers); the sizes are those of the scripts in `benchmarks/`.
"""
    return f"{about}\n{speed()}\n"


def filled(text: str) -> str:
    """The README with its tables as they are now."""
    for name, table in tables().items():
        mark, end = f"<!-- table: {name} -->", "<!-- end -->"
        head, tail = text.split(mark)
        rest = tail.split(end, 1)[1] if end in tail.split("<!-- table:")[0] else tail
        text = f"{head}{mark}\n{table}\n{end}{rest}"
    return text


def main() -> None:
    if "--write" not in sys.argv:
        print("\n\n".join(tables().values()))
        return
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text()))
    (ROOT / "docs" / "speed.md").write_text(speed_page())


if __name__ == "__main__":
    main()
