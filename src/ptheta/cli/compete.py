"""``ptheta compare`` and ``ptheta reproduce``: models against models, and against their papers."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.options import call
from ptheta.cli.train import free_folder, say, watcher

__all__ = ["compare", "reproduce"]


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
    if minutes <= 0:
        raise ValueError(f"--minutes should be positive, but it is {minutes:g}.")
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


def _reproduce(name: Positional[str] = "", seed: int = 0, out: Path | None = None, json: bool = False) -> int:
    """Runs a row of a paper's table and prints their number and ours. Without a name, lists all rows.

    Args:
        name: The row.
        seed: Names every draw.
        out: Where to write the result as JSON.
        json: Prints one JSON object.

    Returns:
        0 if the pass line was reached, else 1.
    """
    from ptheta.recipes.reproductions import ROWS, run_row

    if not name:
        if json:
            say(jsonlib.dumps({"rows": list(ROWS)}))
            return 0
        for row in ROWS.values():
            say(f"{row.name:<34} paper {row.paper:>9}   pass {row.pass_text:<14} about {row.seconds / 60:.1f} CPU min")
        return 0
    result = run_row(name, seed=seed)
    text = jsonlib.dumps(result, indent=1)
    if out is not None:
        out.write_text(text + "\n")
    if json:
        say(text)
    else:
        verdict = "reached" if result["passed"] else "MISSED"
        say(f"{name}: paper {result['paper']}, ours {result['ours']:.2f}, pass line {result['pass_line']}: {verdict}")
        say(f"{result['seconds']:.0f} s; {result['source']}")
    return 0 if result["passed"] else 1
