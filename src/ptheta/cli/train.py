"""``ptheta fit``: options from the recipe's signature and from ``Training``, a bar, pictures, and what to type next."""

import dataclasses
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from ptheta.cli.options import about, data_options, documented, record
from ptheta.files import remove_unused
from ptheta.recipes import RECIPES, find_recipe
from ptheta.recipes.renamed import RENAMED

__all__ = ["fit", "free_folder", "newest_folder", "say", "say_next", "watcher"]

GIVEN = "low-resolution=4, grey, half=top, edges, frames=4, patches=3x8, box=8, random=.5; of folders pair or caption"
PICTURED = 64  # samples in a picture
RUNS = Path("runs")
OWN: dict[str, tuple[Any, Any, str]] = {
    "data": (str, "digits", "a data set's name, or a path to images, .npy, .npz, .csv or .txt"),
    "out": (Path | None, None, "the run folder; by default runs/<model>-<data>-<n>"),
    "resume": (bool, False, "go on from the run folder's last checkpoint, or start there"),
    "conditional": (bool, False, "model p(x | context), where the data has classes or captions"),
    "given": (str | None, None, "what is given of each event becomes its context: " + GIVEN),
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
    dials, options = recipe_fields(recipe), training_fields()
    clash = [n for n in dials if n in options or n in OWN]
    assert not clash, clash
    _require_words_of_today(name, words[1:])
    fields, prog = {**OWN, **dials, **options}, f"ptheta fit {name}"
    if {"-h", "--help"} & set(words):
        said = [word for word in words[1:] if word not in ("-h", "--help")]
        chosen = record(f"fit_{name}", fields, said, prog, about(recipe))
        usual, where = _usual(name, chosen, dials, options, said)
        record(f"fit_{name}", fields, ["--help"], prog, f"{about(recipe)} {where}", usual)
    chosen = record(f"fit_{name}", fields, words[1:], prog, about(recipe))

    from ptheta.data import load
    from ptheta.model import Distribution
    from ptheta.report.commands import command
    from ptheta.runs import fit_run
    from ptheta.training.distributed import Processes

    loading = data_options(chosen["data_options"], chosen["size"], chosen["given"])
    data = Processes().together(lambda: load(chosen["data"], **loading))
    for note in data.notes:
        say(f"data: {note}", error=True)
    conditional = chosen["conditional"] or chosen["given"] is not None
    with ExitStack() as held:
        stem, processes = f"{name}-{Path(data.name).name}", Processes()
        out = chosen["out"] or Path(processes.lead(lambda: str(held.enter_context(free_folder(stem)))))
        run = fit_run(
            name,
            data,
            out,
            dials={n: chosen[n] for n, (_, default, _) in dials.items() if chosen[n] != default},
            training={n: chosen[n] for n in options},
            source=chosen["data"],
            data_options=loading,
            conditional=conditional,
            resume=chosen["resume"],
            watch=None if chosen["quiet"] else watcher(name, out, data if conditional else data.without_context()),
        )
    say(f"fitted {name} on {data.name} in {run.record['seconds']:.1f} s: {out}")
    drawn = [command("sample", out, "-n", 64)] if isinstance(run.model, Distribution) else []
    say_next(command("evaluate", out), *drawn)


def _usual(
    name: str, chosen: dict[str, Any], dials: dict[str, Any], options: dict[str, Any], said: list[str]
) -> tuple[dict[str, str], str]:
    """What the recipe trains with where nothing is said, on the data that were named, and a sentence about it."""
    if "--data" not in {word.partition("=")[0] for word in said}:
        return {}, f"How it trains by default depends on the data: ptheta fit {name} --data DATA --help."
    from ptheta.data import load
    from ptheta.model import Trained
    from ptheta.runs import build
    from ptheta.training.options import Training

    data = load(chosen["data"], **data_options(chosen["data_options"], chosen["size"], chosen["given"]))
    context = data.context_space if chosen["conditional"] or chosen["given"] is not None else None
    turned = {n: chosen[n] for n, (_, default, _) in dials.items() if chosen[n] != default}
    usual: dict[str, list[str]] = {n: [] for n in options}
    for stage in build(name, data.space, context, dials=turned).stages:
        if isinstance(stage.model, Trained):
            rules = [objective.optimizer for objective in stage.model.objectives()]
            training = Training.of(**stage.training)
            for n in options:
                value, own = getattr(training, n), {getattr(rule, n, None) for rule in rules}
                usual[n] += [
                    f"{each:g}" if isinstance(each, float) else str(each) for each in ({value} - {None} or own)
                ]
    found = {n: " or ".join(dict.fromkeys(v)) for n, v in usual.items() if set(v) - {"None"}}
    return found, f"The defaults of training are those on {data.name}." if found else ""


def _require_words_of_today(name: str, words: Sequence[str]) -> None:
    now = {f"--{old}": f"--{new}".replace("_", "-") for old, new in RENAMED.get(name, {}).items()}
    for flag in (word.partition("=")[0].replace("-", "_") for word in words):
        flag = "--" + flag.removeprefix("__")
        if flag in now:
            raise ValueError(f"{flag.replace('_', '-')} of {name} is called {now[flag]}.")


def watcher(name: str, out: Path, data: Any = None) -> Callable[[Iterator[Any], Any], Iterator[Any]]:
    """What watches a run: a bar, and pictures of samples where events are images.

    Args:
        name: What the bar calls the run.
        out: The run folder; pictures go to its ``samples``.
        data: What is fitted; its validation contexts are given in the pictures, where it has any. Without it there are
            no pictures, which take time.

    Returns:
        A function that wraps the iterator of training states.
    """

    def watch(states: Iterator[Any], stage: Any) -> Iterator[Any]:
        from ptheta.model import Distribution
        from ptheta.training.progress import with_bar

        states = with_bar(states, f"{name}, {stage.name}" if stage.name else name)
        model = stage.whole or stage.model
        pictured = data is not None and isinstance(model, Distribution) and (data.before or data).space.is_image
        return _with_pictures(states, model, out / "samples", data) if pictured else states

    return watch


def _with_pictures(states: Iterator[Any], model: Any, folder: Path, data: Any) -> Iterator[Any]:
    """Draws samples under the same noise now and then: never more than a twentieth of the time."""
    from ptheta.data.dataset import Events
    from ptheta.noise import Noise
    from ptheta.report.grids import grid_image

    contexts = data.valid.some(PICTURED).context
    n, due = PICTURED if contexts is None else len(contexts), 0.0
    for state in states:
        last = state.steps is not None and state.step >= state.steps
        if (state.validated and time.perf_counter() > due) or last:
            started = time.perf_counter()
            with state.preview():
                x = model.sample(n, contexts, noise=Noise(0).at("pictures"))
            folder.mkdir(parents=True, exist_ok=True)
            whole = data.whole(Events(x, contexts))
            grid_image(whole, (data.before or data).space).save(folder / f"{state.step:08d}.png")
            due = time.perf_counter() + 20 * (time.perf_counter() - started)
        yield state


@contextmanager
def free_folder(stem: str) -> Iterator[Path]:
    """Makes the first folder of stem-1, stem-2, ... below ``runs`` that is not there: no other process has it then.

    Args:
        stem: What its name begins with.

    Yields:
        The folder, which goes again if nothing comes of it.
    """
    folder = next(each for n in count(1) if _is_new(each := RUNS / f"{stem}-{n}"))
    try:
        yield folder
    finally:
        remove_unused(folder)
        remove_unused(RUNS)


def newest_folder(stem: str) -> Path | None:
    """The last folder of stem-1, stem-2, ... below ``runs`` that is there, or None."""
    there = [*takewhile(Path.exists, (RUNS / f"{stem}-{n}" for n in count(1)))]
    return there[-1] if there else None


def _is_new(folder: Path) -> bool:
    for last in (*[False] * 9, True):
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            return False
        except FileNotFoundError:  # another process takes away the folder above, of which nothing came
            if last:
                raise
            continue
        break
    return True


def say(text: str, *, error: bool = False) -> None:
    """Prints a line, to standard error if it is not the answer itself."""
    plain = "".join(c if c in "\n\t" or c.isprintable() else escaped(c) for c in text)
    print(plain, file=sys.stderr if error else sys.stdout)


def escaped(character: str) -> str:
    """A character that a terminal would obey, or that is none, as one writes it in a program."""
    return character.encode("unicode_escape", "backslashreplace").decode()


def say_next(*commands: str) -> None:
    """Prints what to type next."""
    say("next:  " + "    ".join(commands))


def recipe_fields(recipe: Callable[..., Any]) -> dict[str, tuple[Any, Any, str]]:
    texts = documented(recipe)
    return {
        p.name: (p.annotation, p.default, texts.get(p.name, ""))
        for p in inspect.signature(recipe).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }


def training_fields() -> dict[str, tuple[Any, Any, str]]:
    """Every field of ``Training`` that a person may set, with None for "as the recipe says"."""
    from ptheta.training.options import Training

    texts = documented(Training)
    fields = {}
    for field in dataclasses.fields(Training):
        if field.name in ("out", "resume", "progress"):
            continue
        kind: Any = field.type
        fields[field.name] = (kind | None, None, texts[field.name])
    return fields
