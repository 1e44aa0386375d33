"""Fitting in a run folder: stage after stage, each with checkpoints and a log of its own, each resumed in its place."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from torch import nn

from ptheta.data.dataset import Dataset
from ptheta.files import is_unused, locked, replace_file
from ptheta.ladder import ladder
from ptheta.model import Model, Trained
from ptheta.recipes import Recipe, Stage
from ptheta.recipes.dials import require_telling
from ptheta.runs.contexts import keep_contexts
from ptheta.runs.log import logged
from ptheta.runs.manifest import Manifest, described, plain, read_manifest
from ptheta.runs.opening import Run, build, load_stage, matching, save_closed_form, stage_folder, told_of
from ptheta.runs.size import require_affordable
from ptheta.training import Training, TrainState
from ptheta.training import checkpoint as checkpoints
from ptheta.training import training as train
from ptheta.training.distributed import Processes
from ptheta.training.options import LENGTHS
from ptheta.training.precision import NOT_LOWER, fastest_precision

__all__ = ["Watch", "fit_run", "save_run"]

Watch = Callable[[Iterator[TrainState], Stage], Iterator[TrainState]]


def fit_run(
    name: str,
    data: Dataset,
    out: Path,
    *,
    dials: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    source: str | None = None,
    data_options: dict[str, Any] | None = None,
    conditional: bool = False,
    resume: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Fits a recipe to a data set in a run folder.

    Args:
        name: The recipe's name on the command line.
        data: What to fit.
        out: The run folder; one that is not empty is refused without ``resume``.
        dials: The recipe's dials, where they differ from its defaults.
        training: Fields of ``Training`` that override the recipe's, in every stage; minutes are shared out. Of a run
            that is gone on with, what is not given stays as it was; another length makes the run longer.
        source: What ``load`` was called with, to load the data again; its name if None.
        data_options: The options ``load`` was called with.
        conditional: Whether to model p(x | context) where the data has contexts.
        resume: Whether to go on from the folder's last checkpoints.
        watch: Wraps the iterator of training states, to draw bars and pictures.

    Returns:
        The finished run, its model in evaluation mode on the device it was trained on.
    """
    if conditional and data.context_space is None:
        raise ValueError(f"the data set {data.name} has no contexts to condition on.")
    data = data if conditional else data.without_context()
    dials, said = dials or {}, {k: v for k, v in (training or {}).items() if v is not None}
    _require_path(out)
    processes = Processes()
    with ExitStack() as held, warnings.catch_warnings():
        if said.get("precision") != "bfloat16":  # who did not ask for it need not hear that it changes nothing
            warnings.filterwarnings("ignore", NOT_LOWER)
        processes.lead(lambda: _hold(held, out, resume))
        before = processes.lead(lambda: _before(out))
        seed = said.setdefault("seed", before.get("seed", 0))
        recipe = _built(name, data, dials, said, is_new=not before)
        trainings = merged_training(name, recipe, said, before.get("training"))
        origin = {"data": _lasting(source or data.name), "data_options": data_options or {}}
        manifest = described(data, model=name, dials=dials, training=trainings, seed=seed, **origin)
        processes.lead(lambda: _open_folder(out, manifest))
        processes.lead(lambda: keep_contexts(out, data))
        for stage in recipe.stages:
            if isinstance(stage.model, Trained):
                if before and processes.agree(_is_built_upon(stage, recipe, out)):
                    trainings[stage.name] = before["training"][stage.name]
                _train(stage, data, out, trainings[stage.name], resume, watch)
            else:
                _fit_at_once(stage, data, out, seed, trainings[stage.name])
        folders = [stage_folder(out, stage) / "checkpoints" for stage in recipe.stages]
        told = told_of([checkpoints.load(folder, ()) for folder in folders]) if processes.leads else (0, {})
    cast("nn.Module", recipe.model).eval()
    return Run(out, manifest, recipe.model, *processes.agree(told))


def _built(name: str, data: Dataset, dials: dict[str, Any], said: dict[str, Any], *, is_new: bool) -> Recipe:
    """The recipe with its fresh model; refused where it is too large, or where a dial of a new run changes nothing."""
    spaces, minutes, seed = (data.space, data.context_space), said.get("minutes"), said["seed"]
    require_affordable(name, *spaces, dials, None if minutes is None else 60 * minutes)
    if dials and is_new:
        require_telling(name, lambda turned: build(name, *spaces, seed=seed, dials=turned), dials, data.space)
    return build(name, *spaces, seed=seed, dials=dials)


def save_run(model: Model, data: Dataset, folder: str | Path) -> None:
    """Saves a model built by hand, fitted, as a run; open it again with ``open_run(folder, model=...)``.

    Args:
        model: A fitted model.
        data: What it was fitted on.
        folder: A new folder.
    """
    with ExitStack() as held:
        _hold(held, Path(folder), resume=False)
        _open_folder(Path(folder), described(matching(data, model)))
        keep_contexts(Path(folder), matching(data, model))
        save_closed_form(model, Path(folder))


def merged_training(
    name: str, recipe: Recipe, said: dict[str, Any], before: dict[str, dict[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """The training of each stage, with what the user said on top; a length the user gives replaces the recipe's.

    Args:
        name: What the command line calls the recipe.
        recipe: Whose training to start from.
        said: Fields of ``Training``.
        before: The training of each stage of a run that is gone on with, which takes the place of the recipe's.

    Returns:
        Fields of ``Training`` for each stage, by its name.
    """
    trained = [stage for stage in recipe.stages if isinstance(stage.model, Trained)]
    if not trained and (extra := [k for k in said if k != "seed"]):
        raise ValueError(f"{name} is fitted in closed form and has no training option {extra[0]}.")
    if len(trained) < len(recipe.stages) and Processes().size > 1:
        raise ValueError(f"{name} is fitted in closed form, which takes one process.")
    if "validation_events" in said and not any(ladder(stage.model) for stage in trained):
        raise ValueError(f"{name} has no score to validate by, so validation_events changes nothing: leave it out.")
    whole = sum(stage.share for stage in trained)
    merged = {}
    for stage in recipe.stages:
        own = dict(said) if stage in trained else {}
        if "minutes" in own:
            own["minutes"] *= stage.share / whole
        start = (before or {}).get(stage.name, stage.training)
        kept = dict(start)
        if own.keys() & set(LENGTHS):  # another length takes the place of the one before, whose clock goes with it
            kept = {k: v for k, v in start.items() if k not in (*LENGTHS, "budget")}
        merged[stage.name] = _with_precision({**kept, **own}, kept)
        if stage in trained:
            Training.of(**merged[stage.name])  # what cannot be is refused before anything is written
    return merged


def _with_precision(options: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """The options with what ``auto`` means here; a run that is gone on with keeps its own precision."""
    if options.get("precision") != "auto":
        return options
    own = kept.get("precision", "auto")
    decided = own if own != "auto" else Processes().agree(fastest_precision(options.get("device", "cpu")))
    return {**options, "precision": decided}


def _train(stage: Stage, data: Dataset, out: Path, options: dict[str, Any], resume: bool, watch: Watch | None) -> None:
    """Trains a stage; what the run's record says of its training is what the engine took."""
    folder = stage_folder(out, stage)
    how = Training.of(**{**options, "out": folder, "resume": resume})
    states = train(cast("Trained", stage.model), stage.data(data), how)
    if Processes().leads:
        manifest = read_manifest(out)
        if manifest.training[stage.name] != plain(options):
            training = {**manifest.training, stage.name: options}
            _write_manifest(out, manifest.model_copy(update={"training": training}))
        folder.mkdir(parents=True, exist_ok=True)
        states = logged(states, folder)
        states = watch(states, stage) if watch else states
    for _ in states:
        pass


def _fit_at_once(stage: Stage, data: Dataset, out: Path, seed: int, options: dict[str, Any]) -> None:
    """Fits a stage in closed form, unless that is done."""
    folder = stage_folder(out, stage)
    if checkpoints.latest(folder / "checkpoints") is not None:
        load_stage(stage, folder, None)
        return
    started, cpu_started = time.perf_counter(), time.process_time()
    stage.model.fit(stage.data(data), seed=seed, **options)
    spent, cpu_spent = time.perf_counter() - started, time.process_time() - cpu_started
    save_closed_form(stage.model, folder, spent, cpu_spent)


def _is_built_upon(stage: Stage, recipe: Recipe, out: Path) -> bool:
    """Whether a later stage has begun, which was fitted to what this one had learned."""
    after = recipe.stages[recipe.stages.index(stage) + 1 :]
    return any(checkpoints.latest(stage_folder(out, late) / "checkpoints") is not None for late in after)


def _hold(held: ExitStack, out: Path, resume: bool) -> None:
    """Locks the run folder until the end; refuses one that holds something else, or a run that is not to go on."""
    for i in range(2):  # before the lock, which makes the folder, and after: another run may have come and gone
        if out.exists() and not out.is_dir():
            raise ValueError(f"{out} is a file; a run needs a folder of its own. Give another --out.")
        if not is_unused(out):
            if not resume:
                raise ValueError(f"the folder {out} is not empty. Give --resume to go on with it, or another --out.")
            read_manifest(out)
        if i == 0:
            held.enter_context(locked(out))


def _before(out: Path) -> dict[str, Any]:
    """What the record of a run that is gone on with says; nothing where there is none."""
    return {} if is_unused(out) else read_manifest(out).model_dump(mode="json")


def _open_folder(out: Path, manifest: Manifest) -> None:
    """Writes the record of a new run, or finds that of the same run in its folder."""
    if is_unused(out):
        _write_manifest(out, manifest)
    else:
        _require_same(out, read_manifest(out), manifest)


def _require_same(out: Path, found: Manifest, manifest: Manifest) -> None:
    """Refuses to go on with a run as if it were another one; what differs is named."""
    for name in ("model", "space", "seed"):
        if (was := getattr(found, name)) != (now := getattr(manifest, name)):
            raise ValueError(f"{out} cannot be resumed: its {name} was {was}, and now it is {now}.")
    for name in (*found.dials, *manifest.dials):
        if found.dials.get(name) != manifest.dials.get(name):
            was, now = (m.dials.get(name, "the default") for m in (found, manifest))
            raise ValueError(f"{out} cannot be resumed: its {name} was {was}, and now it is {now}.")
    if found.fingerprint != manifest.fingerprint:
        raise ValueError(
            f"{out} cannot be resumed: its data, {found.data}, had the fingerprint {found.fingerprint}, and now it is "
            f"{manifest.fingerprint}."
        )


def _write_manifest(out: Path, manifest: Manifest) -> None:
    replace_file(out / "run.json", manifest.model_dump_json(indent=1) + "\n")


def _require_path(out: Path) -> None:
    """Weights are written by a library that takes names in UTF-8 only."""
    try:
        str(out.resolve()).encode()
    except (UnicodeEncodeError, ValueError, OSError) as error:
        raise ValueError(f"{str(out)[:80]!r} cannot be a run folder: give an --out in plain characters.") from error


def _lasting(source: str) -> str:
    """A path that holds from any folder; names stay."""
    from ptheta.data import NAMES

    return source if source in NAMES or not Path(source).exists() else str(Path(source).resolve())
