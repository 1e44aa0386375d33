"""Two processes that want the same folder, one of them killed at random; and signals that ask a verb to stop.

Run as a script, it does one errand and prints what happened as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mortal_processes import done, ended, forked, warm
from ptheta.cli import main
from ptheta.papers import rows
from ptheta.papers.row import Row

ROW = Row(
    "tiny",
    paper=3.0,
    pass_line=99.0,
    rule="at most",
    unit="nats",
    data="bars",
    model="nade",
    dials={"hidden": 4},
    training={"steps": 60, "checkpoint_minutes": 1e-9},
)


def rivals(folder: Path, first: list[str], second: list[str], times: int, seed: int) -> list[dict[str, Any]]:
    """Starts two commands at once, kills one of them, or both, or none, and lets the first go on alone to its end."""
    luck, found = random.Random(seed), []
    for i in range(times):
        here = folder / f"trial-{i}"
        here.mkdir()
        os.chdir(here)
        said = [here / "first.txt", here / "second.txt"]
        children = [forked(lambda w=w: main(w), said[k]) for k, w in enumerate((first, second))]
        time.sleep(luck.random() * 1.5)
        victims = luck.choice([[0], [1], [0, 1], []])
        codes: list[int | None] = [None, None]
        for k in victims:
            over, status = os.waitpid(children[k], os.WNOHANG)
            codes[k] = os.waitstatus_to_exitcode(status) if over else None
            if not over:
                os.kill(children[k], signal.SIGKILL)
        codes = [ended(children[k]) if code is None else code for k, code in enumerate(codes)]
        again = done(lambda: main(first), here / "again.txt")
        words = [path.read_text() for path in (*said, here / "again.txt")]
        found.append({"codes": codes, "again": again, "words": words})
    return found


def signals(folder: Path, commands: dict[str, list[str]], seed: int) -> dict[str, list[int]]:
    """Sends each signal to each verb while it works; the exit codes, and whether it said so."""
    luck, found = random.Random(seed), {}
    for name, words in commands.items():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            said = folder / f"{name}-{number}.txt"
            child = forked(lambda words=words, n=number: main([w.replace("SIGNAL", str(int(n))) for w in words]), said)
            time.sleep(1.0 + luck.random())
            os.kill(child, number)
            code = ended(child)
            assert "Traceback" not in said.read_text(), said.read_text()
            found.setdefault(name, []).append(code if "ptheta: stopped" in said.read_text() else -1000 - abs(code))
    return found


ERRANDS = {"rivals": rivals, "signals": signals}

if __name__ == "__main__":
    torch.set_num_threads(1)
    warm()
    rows.ROWS |= {"tiny": ROW, "long": replace(ROW, name="long", training={"steps": 10**6})}
    errand, place, *rest = sys.argv[1:]
    print(json.dumps(ERRANDS[errand](Path(place), *map(json.loads, rest))))
