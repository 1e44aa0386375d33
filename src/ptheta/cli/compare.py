"""``ptheta compare``: models against models, on the user's data."""

import json as jsonlib
import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.train import free_folder, say, watcher

if TYPE_CHECKING:
    from ptheta.applications.comparison import Comparison
    from ptheta.applications.translations import MapTrial
    from ptheta.data import Dataset

__all__ = ["compare"]

MINUTES = 5.0  # of training for each map


def compare(
    data: Positional[str] = "digits",
    models: tuple[str, ...] = (),
    task: Literal["model", "translate"] = "model",
    total: float | None = None,
    minutes: float | None = None,
    budget: Literal["wall", "cpu"] = "wall",
    samples: int = 1000,
    seed: int = 0,
    out: Path | None = None,
    size: int | None = None,
    given: str | None = None,
    conditional: bool = False,
    data_options: tuple[str, ...] = (),
    resume: bool = False,
    json: bool = False,
) -> int:
    """Fits every model that suits the data, within a budget, and writes one report.

    Args:
        data: A data set's name, or a path to images, .npy, .npz, .csv or .txt.
        models: The models, by name; all that fit the space by default.
        task: What they are for: model the data, or translate events into other classes, by maps between the classes of
            a labelled set. These have --minutes each, 5 by default, and send at most --samples test events.
        total: Minutes for everything, 15 by default: models that do well go on, others are stopped early. With
            --resume, a larger total goes on from where it ended.
        minutes: Minutes of training for each trained model, instead of a total.
        budget: Whose minutes count: wall, or cpu, the processor's, which a busy machine does not hurry.
        samples: The most samples of each model that are judged; 0 leaves sample metrics out.
        seed: Names every draw.
        out: The folder; by default runs/compare-<data>-<n>.
        size: Resizes the pictures of a folder to this height and width.
        given: What is given of each event becomes its context: low-resolution=4, grey, half=top, edges, frames=4,
            patches=3x8, box=8, random=.5; of folders pair or caption.
        conditional: Models p(x | context), where the data has classes; only models that take contexts are compared.
        data_options: More options of the data, such as fold=3, label=class, skip_corrupt=true.
        resume: Goes on in a folder that holds some of the runs already.
        json: Prints the result as one JSON object.

    Returns:
        0, or 1 if every model failed.
    """
    began = time.perf_counter()
    _require_sensible(total, minutes, samples)
    _require_meant(task, total=total, given=given, conditional=conditional or None, samples=samples and None)
    from ptheta.data import load

    loading = options.data_options(data_options, size, given)
    loaded = load(data, **loading)
    for note in loaded.notes:
        say(f"data: {note}", error=True)
    with ExitStack() as held:
        out = out or held.enter_context(free_folder(f"compare-{Path(loaded.name).name}"))
        how: dict[str, Any] = {"models": models, "budget": budget, "samples": samples, "seed": seed, "resume": resume}
        how |= {"source": data, "data_options": loading}
        if task == "translate":
            return _translating(loaded, out, {**how, "minutes": minutes or MINUTES}, json)
        how |= {"total": total, "minutes": minutes, "conditional": conditional or given is not None}
        return _told(_reported(loaded, out, how, began), out, json)


def _require_meant(task: str, **options: object) -> None:
    for name, value in options.items():
        if task == "translate" and value is not None:
            said = f"--{name}" if value is True else f"--{name} {value}"
            raise ValueError(f"{said} means nothing to --task translate, which compares maps between classes.")


def _translating(data: "Dataset", out: Path, how: dict[str, Any], json: bool) -> int:
    """Compares maps; keeps what was found, and a picture for each; the exit code."""
    from ptheta.applications.translations import ranked, translating
    from ptheta.cli.events import domains_of
    from ptheta.files import replace_file
    from ptheta.report.grids import grid_image

    law = domains_of(how["source"], how["data_options"])
    trials: list[MapTrial] = []
    found: dict[str, Any] = {"data": data.name, "seed": how["seed"]}
    for trial in translating(data, out, **how, world=law, watch=watcher, say=lambda text: say(text, error=True)):
        trials.append(trial)
        if trial.pairs is not None and data.space.is_image and trial.run:
            grid_image(trial.pairs, data.space, columns=len(trial.pairs) // 2).save(out / f"{trial.name}.png")
        found["best_first"] = [each.name for each in ranked(trials)]
        found["maps"] = [each.to_json() for each in trials]
        replace_file(out / "results.json", jsonlib.dumps(found, indent=1) + "\n")
        if not json and trial.report is not None:
            say("\n  ".join([f"{trial.name}, {trial.steps} steps", *trial.report.lines]))
    say(jsonlib.dumps(found, indent=1) if json else f"best first: {', '.join(found['best_first'])}    {out}")
    return 0 if len(ranked(trials)) > 1 else 1


def _require_sensible(total: float | None, minutes: float | None, samples: int) -> None:
    for name, value in (("minutes", minutes), ("total", total)):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"--{name} should be positive, but it is {value:g}.")
    if samples < 0:
        raise ValueError(f"--samples should be zero or positive, but it is {samples}.")


def _told(result: "Comparison", out: Path, json: bool) -> int:
    """Says where the report is, or all it holds; the exit code."""
    if json:
        say(jsonlib.dumps(result.to_json(), indent=1))
    else:
        say(f"report: {out / 'report.html'}    as data: {out / 'results.json'}, {out / 'results.csv'}")
    if not result.done:
        say("ptheta: every model failed; the report says why.", error=True)
        return 1
    return 0


def _reported(data: "Dataset", out: Path, how: dict[str, Any], began: float) -> "Comparison":
    """The comparison when it is done, with its report; what was found is worth one also where something stops it."""
    from ptheta.applications.compare import Terms, comparing
    from ptheta.report import write

    gone, aside = time.perf_counter() - began, lambda text: say(text, error=True)
    growing = comparing(data, out, Terms(**how), watch=watcher, say=aside, gone=gone)
    result = next(growing)
    try:
        for _ in growing:
            pass
    finally:
        write(result, out)
    return result
