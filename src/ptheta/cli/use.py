"""``ptheta sample``, ``score`` and ``evaluate``: what one does with a run."""

import csv
import inspect
import io
import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.events import Found, Split, contexts_of, domains_of, find_events, judged, tell_unseen
from ptheta.cli.given import Given, read_given, save_pictures, whole_events
from ptheta.cli.options import Help
from ptheta.cli.outputs import claim, claim_folder, remember, write
from ptheta.cli.train import say, say_next
from ptheta.files import replace_file

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.data.dataset import Events
    from ptheta.metrics import MetricResult, SampleReport
    from ptheta.runs import Run
    from ptheta.spaces import Space

__all__ = ["evaluate", "sample", "score"]

MOST_REAL = 20_000  # events beside which duplicates and spread are counted
DRAWS, MOST_DRAWS = 4, 100_000  # of a bound, for each event


def sample(
    run: Positional[Path],
    n: Annotated[int | None, Help(aliases=["-n"])] = None,
    out: Path | None = None,
    seed: int = 0,
    context: str | None = None,
    data: str | None = None,
    split: Split | None = None,
    data_options: tuple[str, ...] = (),
    temperature: float = 1.0,
    method: Literal["cached", "fixed-point", "naive"] = "cached",
    tiles: bool = False,
    force: bool = False,
) -> None:
    """Draws events from a run into a file: a png grid, a gif of films, npy, csv or txt by the ending.

    Where a model draws a part of a picture and is given the rest, pictures show both.

    Args:
        run: The run folder.
        n: How many events; by default 64, or one for each that --data gives.
        out: The file, or a folder for a picture each; by default samples.png in the run, samples.txt of texts,
            samples.csv of tables, else samples.npy.
        seed: Names the draw. Event i is the same at any n.
        context: What is given, for every event: a class by its name or number, a text, or numbers; where the model is
            given pictures, also a picture or a folder of them. By default drawn from the training events.
        data: A data set or a path: what is given is given as in its events, one after another.
        split: The events of --data: train, valid, test or all; by default all of a file, the test split of a named set.
        data_options: Options of --data, where they differ from the run's.
        temperature: Of models that have one, autoregressive ones and flows: below 1, likelier values come more often.
        method: How an autoregressive model goes about it; the events are the same, the time is not.
        tiles: Answers the pictures of --context at their own size: tile by tile, put together where tiles overlap.
        force: Replaces a file that is there.
    """
    from ptheta.model import distribution, tempered
    from ptheta.noise import Noise
    from ptheta.report.pictures import save_samples
    from ptheta.runs import open_run

    opened = open_run(run)
    model = distribution(opened.model)
    manner = {**tempered(model, temperature), **_manner(opened, method)}
    if tiles:
        _sample_in_tiles(opened, context, out, seed, manner, force, others=(n, data))
        return
    given = _pictures_given(opened, context)
    is_folder = out is not None and (out.is_dir() or not out.suffix)
    out = _claimed(run, out, _ending(model.space), is_folder=is_folder, force=force, source=data)
    if data is None and (split is not None or data_options):
        raise ValueError("--split and --data-options are of --data, which says whose contexts are given.")
    if data is not None and opened.model.context_space is None:
        raise ValueError(f"{run} was fitted without contexts, so --data means nothing to it.")
    found = None if data is None else find_events(opened, data, split, options.data_options(data_options, None))
    if n is None:
        n = len(found.events) if found is not None else len(given.contexts) if given is not None else 64
    _require_count(n, "-n", 1, model.space)
    contexts = _contexts(opened, n, context, found, seed) if given is None else given.repeated(n)
    x = model.sample(n, contexts, noise=Noise(seed).at("sample"), **manner)
    whole, space = whole_events(opened, x, contexts)
    if is_folder:
        save_pictures(whole, space, _names(n, given, found), out)
    else:
        save_samples(*((whole, space) if out.suffix.lower() in (".png", ".gif") else (x, model.space)), out)
        remember(out, run)
    say(f"{n} events of {model.space} drawn from {opened.name}: {out}")


def _sample_in_tiles(
    run: "Run",
    context: str | None,
    out: Path | None,
    seed: int,
    manner: dict[str, Any],
    force: bool,
    others: tuple[object, ...],
) -> None:
    """An answer to each picture that is given, at its own size."""
    from ptheta.cli.tiled import COVERING, answer_in_tiles
    from ptheta.model import distribution
    from ptheta.noise import Noise

    model, space = distribution(run.model), run.model.context_space
    view = str(run.manifest.data_options.get("given", "")).partition("=")[0]
    if space is None or view not in COVERING:
        raise ValueError(
            f"--tiles is for models whose pictures cover what they are given ({', '.join(COVERING)}), but {run.folder} "
            f"was fitted {f'with {view} given' if view else 'without such contexts'}."
        )
    if context is None or out is None:
        raise ValueError("--tiles needs --context, a picture or a folder of pictures, and --out, a folder for answers.")
    if any(other is not None for other in others):
        raise ValueError("--tiles draws one answer to each picture of --context: leave -n and --data out.")
    claim_folder(out, force=force)

    def answer(given: "Tensor", picture: int, first: int) -> "Tensor":
        noise = Noise(seed).at("sample", picture).rows(first)
        return model.sample(len(given), given, noise=noise, **manner)

    n = answer_in_tiles(Path(context), space, model.space, answer, out)
    say(f"{n} pictures of {context} answered by {run.name}: {out}")


def _claimed(run: Path, out: Path | None, ending: str, *, is_folder: bool, force: bool, source: str | None) -> Path:
    """Where samples go, which may be written to: by default a file of the run, which it may make again."""
    if is_folder and out is not None:
        claim_folder(out, force=force)
        return out
    place = out or run / f"samples.{ending}"
    claim(place, force=force or out is None, run=run, source=source)
    return place


def _names(n: int, given: "Given | None", found: "Found | None") -> list[str]:
    """What n pictures are called: as those that were given, again and again, else by their number."""
    names = given.names if given is not None else [Path(str(row)).stem for row in found.rows] if found else []
    return [names[i % len(names)] for i in range(n)] if names else [str(i) for i in range(n)]


def _pictures_given(run: "Run", context: str | None) -> "Given | None":
    """What pictures of a file or a folder show, where --context names one and the model is given pictures."""
    space = run.model.context_space
    if context is None or space is None or len(space.shape) < 3 or not Path(context).exists():
        return None
    return read_given(run, Path(context))


def _ending(space: "Space") -> str:
    """What samples are saved as by default."""
    if space.is_image or space.is_film:
        return "png"
    return "txt" if getattr(space, "names", ()) else "csv" if space.kind == "table" else "npy"


def _manner(run: "Run", method: str) -> dict[str, str]:
    """The method as a keyword of the sampler, where it is not the usual one; refused where the model has no choice."""
    if method == "cached":
        return {}
    from ptheta.model import distribution

    if "method" not in inspect.signature(distribution(run.model).sample).parameters:
        raise ValueError(f"{run.name} draws in one way only, so --method means nothing to it.")
    return {"method": method}


def _require_count(n: int, what: str, least: int, space: "Space") -> None:
    """Refuses to draw fewer events than make sense, or more than fit in memory."""
    from ptheta.data.unpack import most_bytes

    most = most_bytes() // (16 * space.dimensions)
    if n < least:
        raise ValueError(f"{what} should be at least {least}, but it is {n}.")
    if n > most:
        raise ValueError(f"{what} should be at most {most} events of {space} on this machine, but it is {n}.")


def _contexts(run: "Run", n: int, context: str | None, found: "Found | None", seed: int) -> "Tensor | None":
    """One context per event: the one asked for, those of other data in their order, else of training events."""
    space = run.model.context_space
    if space is None:
        if context is not None:
            raise ValueError(f"{run.folder} was fitted without contexts, so --context means nothing to it.")
        return None
    if found is None:
        if context is None:
            return contexts_of(run, n, None, seed)
        one = space.parse([context], "--context")
        tell_unseen(run, one, "--context")
        return one.expand(n, *space.shape)
    if context is not None:
        raise ValueError("--context and --data both say what is given: give one.")
    if n > len(found.events):
        raise ValueError(f"-n should be at most {len(found.events)}, the events of {found}, but it is {n}.")
    return found.events[:n].context


def score(
    run: Positional[Path],
    data: str | None = None,
    split: Split | None = None,
    data_options: tuple[str, ...] = (),
    out: Path | None = None,
    force: bool = False,
) -> None:
    """Scores events one by one: log p(x) of each in nats, or what the model offers instead, said in the header.

    Beside each stands its row in the data, from 0, or the name of its file.

    Args:
        run: The run folder.
        data: A data set or a path, read as the run's own data were; by default what the run was fitted on.
        split: train, valid, test or all; by default all events of a file, the test split of a named set and of the
            run's own data.
        data_options: Options of --data, where they differ from the run's.
        out: A csv file; by default the screen.
        force: Replaces a file that is there.
    """
    from ptheta.metrics import scores
    from ptheta.runs import open_run

    opened = open_run(run)
    if out is not None:
        claim(out, force=force, run=run, source=data or opened.manifest.data)
    found = find_events(opened, data, split, options.data_options(data_options, None))
    values, kind = scores(opened.model, found.events)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file" if found.data.sources else "row", f"log_prob_nats_{kind.replace(' ', '_')}"])
    writer.writerows((row, f"{value:.6f}") for row, value in zip(found.rows, values.tolist(), strict=True))
    if out is None:
        say(table.getvalue().removesuffix("\n"))
        return
    write(out, table.getvalue(), run)
    mean = float(values.double().mean())
    say(f"{len(values)} scores ({kind} of log p, nats per event) of {found}, mean {mean:.2f}: {out}")


def evaluate(
    run: Positional[Path],
    data: str | None = None,
    split: Split | None = None,
    data_options: tuple[str, ...] = (),
    samples: int = 1000,
    importance: int | None = None,
    draws: int | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Scores a run with all that applies: its likelihood, saying of which kind, and sample metrics beside real data.

    Args:
        run: The run folder.
        data: A data set or a path, read as the run's own data were; by default what the run was fitted on.
        split: The events to score, and to compare samples with: train, valid, test or all; by default all events of a
            file, the test split of a named set and of the run's own data.
        data_options: Options of --data, where they differ from the run's.
        samples: How many samples the sample metrics draw; 0 leaves them out.
        importance: Importance samples per event, for models with an importance-weighted bound.
        draws: Draws per event of a bound that is estimated, 4 by default; more make it steadier.
        seed: Names the noise of bounds and samples.
        json: Prints one JSON object instead of a table.
    """
    from ptheta.data.cautions import cautions
    from ptheta.metrics import likelihood
    from ptheta.metrics.error import map_error
    from ptheta.metrics.given import answered
    from ptheta.metrics.translation import map_report
    from ptheta.noise import Noise
    from ptheta.runs import open_run

    opened = open_run(run)
    _require_count(samples, "--samples", 0, opened.model.space)
    found = find_events(opened, data, split, options.data_options(data_options, None))
    drawn_of_bound = _draws(opened, draws, importance)
    number = likelihood(opened.model, found.events, noise=Noise(seed), draws=drawn_of_bound, importance=importance)
    error = None if number.value is not None else map_error(opened.model, found.events, noise=Noise(seed))
    report, counted, notes = _judged(opened, found, data is None, samples, seed)
    given = answered(opened.model, found.events, found.data, noise=Noise(seed).at("given")) if samples else None
    law = domains_of(found.source, found.options)
    mapped = map_report(opened.model, found.events, found.data, world=law) if samples else None
    notes = [*cautions(found.data).sentences, *notes]
    head = {"run": str(run), "model": opened.name, "data": found.data.name, "split": found.split}
    parts = {"error": error, "map": mapped, "given": given}
    answer = {
        **head,
        "likelihood": number.to_json(),
        **({"metrics": [], "fixed_rows": {}} if report is None else report.to_json()),
        "notes": [*notes, *(() if report is None else report.notes)],
        **{key: None if part is None else part.to_json() for key, part in parts.items()},
        "collapse": [result.to_json() for result in counted],
    }
    if json:
        say(jsonlib.dumps(answer, indent=1))
    else:
        told = ("" if report is None else str(report)).splitlines()
        told += [*([] if mapped is None else mapped.lines), *([] if given is None else [f"what was given: {given}"])]
        _tell(opened, found, [str(number if error is None else error), *told, *map(str, counted), *notes])
    replace_file(run / "evaluation.json", jsonlib.dumps(answer, indent=1) + "\n")


def _tell(run: "Run", found: "Found", lines: list[str]) -> None:
    """Says what was found of a run, and what one may do next."""
    from ptheta.model import Distribution
    from ptheta.report.commands import command, data_words, source_word

    say("\n  ".join([f"{run.name} on {found}", *lines]))
    again = command("compare", source_word(found.source), *data_words(found.options))
    say_next(*([command("sample", run.folder, "-n", 64)] if isinstance(run.model, Distribution) else []), again)


def _draws(run: "Run", draws: int | None, importance: int | None) -> int:
    """How many draws a bound takes; refuses to draw where there is no such bound."""
    from ptheta.protocols import HasElbo, HasImportanceBound, HasLogProb

    is_exact = isinstance(run.model, HasLogProb)
    has_bound = isinstance(run.model, HasElbo) and not is_exact
    has_importance = isinstance(run.model, HasImportanceBound) and not is_exact
    for option, value, offers in (("draws", draws, has_bound), ("importance", importance, has_importance)):
        if value is not None and not offers:
            bound = "an importance-weighted bound" if option == "importance" else "a bound"
            why = "its log p is exact" if is_exact else "it has none"
            raise ValueError(f"--{option} is for models with {bound}, and {run.name} is none: {why}. Leave it out.")
        if value is not None and not 1 <= value <= MOST_DRAWS:
            raise ValueError(f"--{option} should be from 1 to {MOST_DRAWS}, but it is {value}.")
    return DRAWS if draws is None else draws


def _judged(
    run: "Run", found: "Found", is_own: bool, samples: int, seed: int
) -> "tuple[SampleReport | None, tuple[MetricResult, ...], list[str]]":
    """Sample metrics and signs of collapse, and why there are none: the likelihood stands all the same."""
    from ptheta.data.dataset import Events
    from ptheta.metrics import evaluate_samples
    from ptheta.model import Distribution
    from ptheta.noise import Noise

    counted: tuple[MetricResult, ...] = ()
    if not samples or not isinstance(run.model, Distribution):
        return None, counted, []
    try:
        contexts = contexts_of(run, samples, found, seed)
        x = run.model.sample(samples, contexts, noise=Noise(seed).at("sample"))
        counted = _counted(run, found, Events(x, contexts), seed)
        whole, part = judged(run, found, is_own)
        return evaluate_samples(x, whole, split=part, seed=seed), counted, []
    except (ValueError, FileNotFoundError, RuntimeError, MemoryError) as error:
        return None, counted, [f"No sample metrics: {error}"]


def _counted(run: "Run", found: "Found", samples: "Events", seed: int) -> "tuple[MetricResult, ...]":
    """Modes, duplicates and spread: the signs of collapse that apply, each beside that of real events."""
    from ptheta.metrics.modes import collapse, mode_reader

    real = found.events.some(MOST_REAL).loaded()
    given = None if samples.context is None or real.context is None else (samples.context, real.context)
    reader = mode_reader(found.source, **found.options)
    return collapse(samples.x, real.x, run.model.space, reader=reader, contexts=given, reference=found.split, seed=seed)
