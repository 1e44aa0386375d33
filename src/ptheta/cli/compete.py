"""``ptheta compare`` and ``ptheta reproduce``: models against models, and against their papers."""

import json as jsonlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.options import call
from ptheta.cli.train import free_folder, say, watcher

__all__ = ["compare", "reproduce"]

RESULTS = Path("benchmarks") / "results" / "rows"


def compare(words: Sequence[str]) -> None:
    """Runs ``ptheta compare``.

    Args:
        words: What was typed after ``compare``.
    """
    call(_compare, words, "ptheta compare")


def reproduce(words: Sequence[str]) -> int:
    """Runs ``ptheta reproduce``.

    Args:
        words: What was typed after ``reproduce``.

    Returns:
        0 if the pass line was reached, else 1.
    """
    return call(_reproduce, words, "ptheta reproduce")


def _compare(
    data: Positional[str] = "digits",
    models: tuple[str, ...] = (),
    minutes: float = 1.0,
    samples: int = 1000,
    seed: int = 0,
    out: Path | None = None,
    size: int | None = None,
    data_options: tuple[str, ...] = (),
    resume: bool = False,
    json: bool = False,
) -> None:
    """Fits every model that suits the data, on equal budgets, and writes one report.

    Args:
        data: A data set's name, or a path to images, .npy, .npz, .csv or .txt.
        models: The models, by name; all that fit the space by default.
        minutes: The training budget of each trained model.
        samples: How many samples each model draws for the sample metrics.
        seed: Names every draw.
        out: The folder; by default runs/compare-<data>-<n>.
        size: Resizes the pictures of a folder to this height and width.
        data_options: More options of the data, such as fold=3, label=class, skip_corrupt=true.
        resume: Goes on in a folder that holds some of the runs already.
        json: Prints the result as one JSON object.
    """
    if not 0 < minutes < math.inf:
        raise ValueError(f"--minutes should be positive, but it is {minutes:g}.")
    if samples < 0:
        raise ValueError(f"--samples should be zero or positive, but it is {samples}.")
    from ptheta.data import load
    from ptheta.report.compare import compare

    loading = options.data_options(data_options, size)
    loaded = load(data, **loading)
    for note in loaded.notes:
        say(f"data: {note}", error=True)
    out = out or free_folder(Path("runs"), f"compare-{Path(loaded.name).name}")
    result = compare(
        loaded,
        out,
        models=models,
        minutes=minutes,
        samples=samples,
        seed=seed,
        resume=resume,
        source=data,
        data_options=loading,
        watch=watcher,
        say=lambda text: say(text, error=True),
    )
    if json:
        say(jsonlib.dumps(result.to_json(), indent=1))
    else:
        say(f"report: {out / 'report.html'}    as data: {out / 'results.json'}, {out / 'results.csv'}")


def _reproduce(
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
    from ptheta.recipes.reproductions import find_row, keep, run_row

    if list or not name:
        _show_rows(json)
        return 0
    row = find_row(name)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out should be a folder that keeps results, but {out} is a file.")
    run = run or _run_folder(f"{name}-seed-{seed}", resume)
    if run.exists() and not resume:
        raise ValueError(f"the folder {run} exists already. Give --resume to go on with it, or another --run.")
    took = _duration(row.small.seconds if row.small else row.seconds)
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
    from ptheta.recipes.reproductions import ROWS

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
    """Their number, ours, the difference, the line and the time."""
    name, ours, line = result["row"], result["ours"], result["pass_line"]
    verdict = "reached" if result["passed"] else "MISSED"
    if result["paper"] is None:
        say(f"{name}, {result['version']}: ours {ours:.2f}, its own line {line}: {verdict}")
        say("Without a GPU this is not the paper's row.")
    else:
        against = f"paper {result['paper']:g}, ours {ours:.2f} ({result['difference']:+.2f})"
        say(f"{name}: {against}, pass line {line}: {verdict}")
    say(f"{result['unit']}; {_duration(result['seconds'])}; {result['source']}")


def _run_folder(stem: str, resume: bool) -> Path:
    """The first free folder of a row and seed, or the newest one to go on with."""
    free = free_folder(Path("runs"), stem)
    newest = free.with_name(f"{stem}-{int(free.name.rpartition('-')[2]) - 1}")
    return newest if resume and newest.exists() else free


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
