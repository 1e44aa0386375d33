"""``python -m tests.mutants``: seeds every fault of the table and says which survive the tests."""

import argparse
import hashlib
import json
import math
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .coverage_map import Reached, reached_lines
from .fault import Fault
from .runner import Verdict, copied, try_fault, warm
from .table import FAULTS

ROOT = Path(__file__).parents[2]
PACKAGE = "ptheta"


def main() -> int:
    """Runs the check; returns 1 if a fault survives without a reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="seed only faults whose file or sentence holds this word")
    parser.add_argument("--tests", nargs="+", default=[], help="trace and try only the tests of these files")
    parser.add_argument("--wide", action="store_true", help="try survivors on every test that reaches their file")
    parser.add_argument(
        "--most", type=float, default=math.inf, help="the most seconds of tests per fault, fastest first"
    )
    parser.add_argument("--sample", type=int, help="seed so many of them only, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--out", type=Path, help="write the verdicts to this file as JSON")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many faults at a time")
    options = parser.parse_args()
    chosen = [(f, fault) for f, faults in FAULTS.items() for fault in faults if options.only in f"{f} {fault.breaks}"]
    if options.sample is not None and options.sample < len(chosen):
        drawn = set(random.Random(options.seed).sample(range(len(chosen)), options.sample))
        chosen = [pair for i, pair in enumerate(chosen) if i in drawn]
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        base = copied(ROOT, Path(folder).resolve() / "base")
        console.print("Which tests reach which lines? Tests that have changed are traced again.")
        reached = reached_lines(base, ROOT / "build" / "mutants.json", PACKAGE, options.tests)
        warm()
        verdicts = []
        with Progress(console=console, auto_refresh=False) as progress:  # no thread of its own: processes are forked
            bar = progress.add_task("faults", total=len(chosen))
            for verdict in _verdicts(base, chosen, reached, options.jobs, wide=options.wide, most=options.most):
                verdicts.append(verdict)
                if verdict.killed_by is None:
                    progress.print(f"survived: {verdict.file}: {verdict.fault.breaks} ({verdict.tests} tests)")
                verdicts.sort(key=lambda v: chosen.index((v.file, v.fault)))
                if options.out:  # each time: a check that is stopped leaves what it found
                    options.out.write_text(json.dumps(_record(verdicts), indent=1, ensure_ascii=False) + "\n")
                progress.advance(bar)
                progress.refresh()
    console.print(_table(verdicts))
    open_ones = [v for v in verdicts if v.killed_by is None and not v.fault.reason]
    killed = sum(v.killed_by is not None for v in verdicts)
    excused = len(verdicts) - killed - len(open_ones)
    console.print(f"{killed} of {len(verdicts)} faults killed, {excused} excused, {len(open_ones)} open.")
    return 1 if open_ones else 0


def _verdicts(
    base: Path, chosen: list[tuple[str, Fault]], reached: Reached, jobs: int, **search: Any
) -> Iterator[Verdict]:
    """A process per fault, as many at a time as asked for."""
    context, waiting, running = get_context("fork"), chosen[::-1], {}
    while waiting or running:
        while waiting and len(running) < jobs:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_send_verdict, args=(sender, base, *waiting.pop(), reached, search))
            process.start()
            sender.close()
            running[receiver] = process
        for receiver in wait(list(running)):
            yield receiver.recv()
            running.pop(receiver).join()


def _send_verdict(
    sender: Connection, base: Path, file: str, fault: Fault, reached: Reached, search: dict[str, Any]
) -> None:
    sender.send(try_fault(base, PACKAGE, file, fault, reached, **search))


def _table(verdicts: list[Verdict]) -> Table:
    table = Table("file", "fault", "killed by", "tests", "seconds", title="Seeded faults")
    for v in verdicts:
        told = v.killed_by or (f"nothing: {v.fault.reason}" if v.fault.reason else "[bold red]nothing[/]")
        table.add_row(v.file, v.fault.breaks, told.removeprefix("tests/"), str(v.tests), f"{v.seconds:.1f}")
    return table


def _record(verdicts: list[Verdict]) -> dict:
    source = hashlib.sha256()
    for path in sorted((ROOT / "src").rglob("*.py")):
        source.update(path.read_bytes())
    rows = [
        {
            "file": v.file,
            "before": v.fault.before,
            "after": v.fault.after,
            "breaks": v.fault.breaks,
            "killed_by": v.killed_by,
            "reason": v.fault.reason or None,
        }
        for v in verdicts
    ]
    killed = sum(v.killed_by is not None for v in verdicts)
    return {"killed": killed, "faults": len(rows), "source": source.hexdigest()[:16], "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
