"""``ptheta fit``: options from the recipe's signature and from ``Training``, a bar, pictures, and what to type next."""

import dataclasses
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ptheta.cli.options import data_options, documented, record
from ptheta.recipes import RECIPES, find_recipe

__all__ = ["fit", "free_folder", "say", "watcher"]

OWN: dict[str, tuple[Any, Any, str]] = {
    "data": (str, "digits", "a data set's name, or a path to images, .npy, .npz, .csv or .txt"),
    "out": (Path | None, None, "the run folder; by default runs/<model>-<data>-<n>"),
    "resume": (bool, False, "go on from the run folder's last checkpoint, or start there"),
    "conditional": (bool, False, "model p(x | context), where the data has classes"),
    "size": (int | None, None, "resize the pictures of a folder to this height and width"),
    "data_options": (tuple[str, ...], (), "more options of the data, such as fold=3, label=class, skip_corrupt=true"),
    "quiet": (bool, False, "no bar and no pictures"),
}


def fit(words: Sequence[str]) -> None:
    """Runs ``ptheta fit MODEL --data DATA ...``; under torchrun, in every process, of which the first speaks.

    Args:
        words: What was typed after ``fit``.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        _fit(words)
        return
    from ptheta.training.distributed import joined

    with joined() as processes:
        if processes.leads:
            _fit(words)
        else:
            _follow(words)


def _follow(words: Sequence[str]) -> None:
    """Does the same without a word: what fails in one process fails in all, and the first says it."""
    from ptheta.cli import guarded

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        code = guarded(lambda: _fit(words))
    if code:
        raise SystemExit(code)


def _fit(words: Sequence[str]) -> None:
    if not words or words[0] in ("-h", "--help"):
        say(f"usage: ptheta fit MODEL --data DATA [options]\n\nMODEL is one of {', '.join(RECIPES)}.")
        say("Each model has its own options: ptheta fit nade --help")
        return
    name, recipe = words[0], find_recipe(words[0])
    dials, options = _recipe_fields(recipe), _training_fields()
    clash = [n for n in dials if n in options or n in OWN]
    assert not clash, clash
    doc = (inspect.getdoc(recipe) or "").split("\n\n")[0]
    chosen = record(f"fit_{name}", {**OWN, **dials, **options}, words[1:], f"ptheta fit {name}", doc)

    from ptheta.data import load
    from ptheta.recipes.runs import fit_run
    from ptheta.training.distributed import Processes

    loading = data_options(chosen["data_options"], chosen["size"])
    data = Processes().together(lambda: load(chosen["data"], **loading))
    for note in data.notes:
        say(f"data: {note}", error=True)
    out = chosen["out"] or free_folder(Path("runs"), f"{name}-{Path(data.name).name}")
    settings = {n: chosen[n] for n, (_, default, _) in dials.items() if chosen[n] != default}
    run = fit_run(
        name,
        data,
        out,
        settings=settings,
        options={n: chosen[n] for n in options},
        source=chosen["data"],
        data_options=loading,
        conditional=chosen["conditional"],
        resume=chosen["resume"],
        watch=None if chosen["quiet"] else watcher(name, out),
    )
    say(f"fitted {name} on {data.name} in {run.record['seconds']:.1f} s: {out}")
    say(f"next:  ptheta evaluate {out}    ptheta sample {out} -n 64 --out {out}/samples.png")


def watcher(name: str, out: Path) -> Callable[[Iterator[Any], Any], Iterator[Any]]:
    """What watches a run: a bar, and pictures of samples where events are images.

    Args:
        name: What the bar calls the run.
        out: The run folder; pictures go to its ``samples``.

    Returns:
        A function that wraps the iterator of training states.
    """

    def watch(states: Iterator[Any], model: Any) -> Iterator[Any]:
        from ptheta.training.progress import with_bar

        states = with_bar(states, name)
        return _with_pictures(states, model, out / "samples") if model.space.is_image else states

    return watch


def _with_pictures(states: Iterator[Any], model: Any, folder: Path) -> Iterator[Any]:
    """Draws samples under the same noise now and then: never more than a twentieth of the time."""
    from ptheta.noise import Noise
    from ptheta.report.pictures import grid_image

    due = 0.0
    for state in states:
        last = state.steps is not None and state.step >= state.steps
        if (state.validated and time.perf_counter() > due) or last:
            started = time.perf_counter()
            context = None
            if model.context_space is not None:
                import torch

                context = torch.arange(64) % model.context_space.n
            with state.preview():
                x = model.sample(64, context, noise=Noise(0).at("pictures"))
            folder.mkdir(parents=True, exist_ok=True)
            grid_image(x, model.space).save(folder / f"{state.step:08d}.png")
            due = time.perf_counter() + 20 * (time.perf_counter() - started)
        yield state


def free_folder(parent: Path, stem: str) -> Path:
    """The first of stem-1, stem-2, ... below ``parent`` that does not exist."""
    n = 1
    while (parent / f"{stem}-{n}").exists():
        n += 1
    return parent / f"{stem}-{n}"


def say(text: str, *, error: bool = False) -> None:
    """Prints a line, to standard error if it is not the answer itself."""
    plain = text.encode(errors="backslashreplace").decode()  # names of files may be no text
    print(plain, file=sys.stderr if error else sys.stdout)


def _recipe_fields(recipe: Callable[..., Any]) -> dict[str, tuple[Any, Any, str]]:
    texts = documented(recipe)
    return {
        p.name: (p.annotation, p.default, texts.get(p.name, ""))
        for p in inspect.signature(recipe).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }


def _training_fields() -> dict[str, tuple[Any, Any, str]]:
    """Every field of ``Training`` that a person may set, with None for "as the recipe says"."""
    from ptheta.training.settings import Training

    texts = documented(Training)
    fields = {}
    for field in dataclasses.fields(Training):
        if field.name in ("out", "resume", "progress"):
            continue
        kind: Any = field.type
        fields[field.name] = (kind | None, None, texts[field.name])
    return fields
