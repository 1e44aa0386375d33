"""Papers' numbers on small density sets, and ours: counting models, the belief net, NADE and RNADE.

    PTHETA_DATA=... OMP_NUM_THREADS=1 python benchmarks/density.py [ROW ...]

Runs the rows of ``ptheta.recipes.reproductions_density`` with seed 0 (all of them, or those named), prints a table and
keeps it in benchmarks/results/density.json; rows that were not run stay as they are. CPU seconds of one thread.
"""

import json
import sys
import time
from pathlib import Path

import torch

from ptheta.recipes.reproductions import run_row
from ptheta.recipes.reproductions_density import ROWS

RESULTS = Path(__file__).parent / "results" / "density.json"


def main() -> None:
    torch.set_num_threads(1)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = [row for row in ROWS if not sys.argv[1:] or row.name in sys.argv[1:]]
    print(f"{'row':36}{'paper':>9}{'ours':>9}  {'pass line':16}{'':8}{'CPU s':>7}")
    for row in rows:
        start = time.process_time()
        found = run_row(row.name)
        found["seconds"] = round(time.process_time() - start, 1)
        found["settings"] = {**row.settings, **row.training}
        known[row.name] = found
        verdict = "pass" if found["passed"] else "MISSED"
        print(
            f"{row.name:36}{row.paper:9.2f}{found['ours']:9.2f}  {row.pass_text:16}{verdict:8}{found['seconds']:7.1f}"
        )
        known = {row.name: known[row.name] for row in ROWS if row.name in known}
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
