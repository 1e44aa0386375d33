"""``ptheta reproduce``: a row of a paper's table."""

import json as jsonlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from ptheta.cli.train import free_folder, newest_folder, say

__all__ = ["reproduce"]

RESULTS = Path("benchmarks") / "results" / "rows"


def reproduce(
    name: Positional[str] = "",
    seed: int = 0,
    out: Path = RESULTS,
    run: Path | None = None,
    resume: bool = False,
    list: bool = False,
    json: bool = False,
) -> int:
    """Runs a row of a paper's table; prints their number, ours, the difference and the time it took, and keeps them.

    Args:
        name: The row.
        seed: Names every draw.
        out: The folder that keeps the results, a file per row, an entry per seed.
        run: The folder of the run, which ptheta sample opens; by default runs/<row>-seed-<seed>-<n>.
        resume: Goes on where the run stands that was stopped: that of --run, or the newest of the row and seed.
        list: Shows all rows with the time each is expected to take.
        json: Prints one JSON object.

    Returns:
        0 if the pass line was reached, else 1.
    """
    from ptheta.papers import find_row, keep, kept, run_row

    if list or not name:
        for option, said in (("run", run is not None), ("resume", resume), ("seed", seed), ("out", out != RESULTS)):
            if said:
                raise ValueError(
                    f"--{option} is for a row that runs, and this only lists them: name one, without --list."
                )
        _show_rows(json)
        return 0
    row = find_row(name)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out should be a folder that keeps results, but {out} is a file.")
    kept(name, out)  # what is there must be readable before hours are spent
    if run is not None and run.exists() and not resume:
        raise ValueError(f"the folder {run} exists already. Give --resume to go on with it, or another --run.")
    took, stem = _duration(row.small.seconds if row.small else row.seconds), f"{name}-seed-{seed}"
    with ExitStack() as held:
        run = run or (newest_folder(stem) if resume else None) or held.enter_context(free_folder(stem))
        say(f"{name}: expected to take {took}; if stopped, --resume goes on in {run}", error=True)
        result = run_row(name, seed=seed, folder=run)
        path = keep(result, out)
    if json:
        say(jsonlib.dumps(result, indent=1))
    else:
        _show_result(result)
        say(f"kept in {path}    next: ptheta reproduce {name} --seed {seed + 1}")
    return 0 if result["passed"] else 1


def _show_rows(json: bool) -> None:
    """All rows, with the time each is expected to take."""
    from ptheta.papers import ROWS

    if json:
        say(jsonlib.dumps({"rows": [*ROWS]}))
        return
    say(f"{'row':<36}{'paper':>9}  {'pass line':<18}{'two cores':>11}{'one GPU':>11}")
    for row in ROWS.values():
        on_cores = _duration(row.small.seconds) + "*" if row.small else _duration(row.seconds)
        on_gpu = "-" if row.gpu_seconds is None else _duration(row.gpu_seconds)
        say(f"{row.name:<36}{row.paper:>9g}  {row.pass_text:<18}{on_cores:>11}{on_gpu:>11}")
    if any(row.small for row in ROWS.values()):
        say("* a smaller version with a line of its own; the row itself needs a GPU")
    say("next: ptheta reproduce ROW [--seed 1]")


def _show_result(result: dict[str, Any]) -> None:
    """Their number, ours, the difference, the line, the time and all further numbers."""
    from ptheta.papers import shown

    name, ours, line = result["row"], shown(result["ours"]), result["pass_line"]
    verdict = "reached" if result["passed"] else "MISSED"
    if result["paper"] is None:
        say(f"{name}, {result['version']}: ours {ours}, its own line {line}: {verdict}")
        say("Without a GPU this is not the paper's row.")
    else:
        difference = shown(result["difference"], beside=result["ours"], sign="+")
        say(f"{name}: paper {result['paper']:g}, ours {ours} ({difference}), pass line {line}: {verdict}")
    say(f"{result['unit']}; {_duration(result['seconds'])}; {result['source']}")
    ends = {f"{end}: {result[end][1]}": result[end][0] for end in ("floor", "ceiling") if result[end]}
    for what, number in (ends | result["details"]).items():
        say(f"  {shown(number):>10}  {what}")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
