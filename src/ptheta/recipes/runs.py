"""Runs: a folder per fitted model, which can be resumed, sampled and scored.

    run.json       what was fitted, on what, how: a strict record
    checkpoints/   the weights (see training.checkpoint)
    metrics.jsonl  one line per validation
    samples/       pictures drawn while training

``run.json`` names a recipe of the literal table and its settings; nothing in a file is ever imported or unpickled.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast, final

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from ptheta.data.dataset import Dataset
from ptheta.model import Model, Trained
from ptheta.noise import seeded
from ptheta.recipes import RECIPES, Recipe, find_recipe
from ptheta.recipes.log import logged, replace_file, told
from ptheta.spaces import Space, space_from_json
from ptheta.training import Training, TrainState, training
from ptheta.training import checkpoint as checkpoints
from ptheta.training.checkpoint import Checkpoint
from ptheta.training.distributed import Processes

__all__ = ["Manifest", "Run", "build", "fit_run", "merged_training", "open_run", "save_run"]

MOST_MANIFEST = 256 << 20  # bytes: the mean and scale of a million reals, several times over
Watch = Callable[[Iterator[TrainState], Model], Iterator[TrainState]]


@final
class Manifest(BaseModel):
    """What ``run.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    model: str | None
    settings: dict[str, Any] = {}
    training: dict[str, Any] = {}
    seed: int = 0
    space: dict[str, Any]
    context_space: dict[str, Any] | None = None
    data: str
    data_options: dict[str, Any] = {}
    fingerprint: str
    versions: dict[str, str] = {}


@final
class Run:
    """An opened run.

    Args:
        folder: Where it lies.
        manifest: What it is.
        model: The fitted model, in evaluation mode.
        step: The training steps behind it.
        record: What the checkpoint knows besides tensors: seconds, best score.
    """

    def __init__(self, folder: Path, manifest: Manifest, model: Model, step: int, record: dict[str, Any]) -> None:
        self.folder, self.manifest, self.model = folder, manifest, model
        self.step, self.record = step, record

    @property
    def name(self) -> str:
        """The model's name on the command line, or its class."""
        return self.manifest.model or type(self.model).__name__

    def data(self) -> Dataset:
        """Loads the data set the run was fitted on, and refuses one that has changed since."""
        from ptheta.data import load

        data = load(self.manifest.data, **self.manifest.data_options)
        found = _matching(data, self.model).fingerprint
        if found != self.manifest.fingerprint:
            raise ValueError(
                f"the data set {self.manifest.data} has changed since this run was fitted: its fingerprint is "
                f"{found}, the run's is {self.manifest.fingerprint}. Give --data to use it all the same."
            )
        return data


def build(
    name: str,
    space: Space,
    context_space: Space | None = None,
    *,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
) -> Recipe:
    """Calls a recipe, with the weights of its model drawn under a seed.

    Args:
        name: The recipe's name on the command line.
        space: What one event is.
        context_space: What one context is, or None for an unconditional model.
        seed: Names the initial weights.
        settings: The recipe's dials.

    Returns:
        The model and its training.
    """
    recipe = find_recipe(name)
    try:
        with seeded(seed):
            return recipe(space, context_space, **(settings or {}))
    except (RuntimeError, TypeError, OverflowError) as error:
        if not settings and 0 <= seed < 2**63:
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{name} cannot be built with {settings} and the seed {seed} ({reason}).") from error


def merged_training(recipe: Recipe, overrides: dict[str, Any]) -> dict[str, Any]:
    """The recipe's training with what the user said on top; a length the user gives replaces the recipe's.

    Args:
        recipe: Whose training to start from.
        overrides: Fields of ``Training``; None means not given.

    Returns:
        Fields of ``Training``.
    """
    said = {k: v for k, v in overrides.items() if v is not None}
    lengths = ("epochs", "steps", "minutes")
    kept = dict(recipe.training)
    if any(name in said for name in lengths):
        kept = {k: v for k, v in kept.items() if k not in lengths}
    return {**kept, **said}


def fit_run(
    name: str,
    data: Dataset,
    out: Path,
    *,
    settings: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
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
        settings: The recipe's dials, where they differ from its defaults.
        options: Fields of ``Training`` that override the recipe's.
        source: What ``load`` was called with, to load the data again; its name if None.
        data_options: The options ``load`` was called with.
        conditional: Whether to model p(x | context) where the data has contexts.
        resume: Whether to go on from the folder's last checkpoint.
        watch: Wraps the iterator of training states, to draw bars and pictures.

    Returns:
        The finished run, opened; of several processes the first reads its folder, the others hold the same model.
    """
    if conditional and data.context_space is None:
        raise ValueError(f"the data set {data.name} has no contexts to condition on.")
    data = data if conditional else data.without_context()
    settings, options = settings or {}, {k: v for k, v in (options or {}).items() if v is not None}
    seed = options.get("seed", 0)
    _require_path(out)
    recipe = build(name, data.space, data.context_space, seed=seed, settings=settings)
    model, trained = recipe.model, isinstance(recipe.model, Trained)
    if not trained and (extra := [k for k in options if k not in ("seed", "minutes")]):
        raise ValueError(f"{name} is fitted in closed form and has no training option {extra[0]}.")
    chosen = merged_training(recipe, options) if trained else recipe.training
    manifest = _manifest(data, model=name, settings=_plain(settings), training=_plain(chosen), seed=seed).model_copy(
        update={"data": _lasting(source or data.name), "data_options": _plain(data_options or {})}
    )
    processes = Processes()
    if processes.size > 1 and not trained:
        raise ValueError(f"{name} is fitted in closed form, which takes one process.")
    processes.lead(lambda: _open_folder(out, manifest, resume))
    if isinstance(model, Trained):
        states = training(model, data, Training.of(**{**chosen, "out": out, "resume": resume}))
        if processes.leads:
            states = logged(states, out)
            states = watch(states, recipe.model) if watch else states
        for _ in states:
            pass
    elif checkpoints.latest(out / "checkpoints") is None:
        started = time.perf_counter()
        model.fit(data, **chosen, seed=seed)
        _save_closed_form(model, out, time.perf_counter() - started)
    run = open_run(out) if processes.leads else None
    step, record = processes.agree((run.step, run.record) if run else (0, {}))
    return run or Run(out, manifest, recipe.model, step, record)


def save_run(model: Model, data: Dataset, folder: str | Path) -> None:
    """Saves a model built by hand, fitted, as a run; open it again with ``open_run(folder, model=...)``.

    Args:
        model: A fitted model.
        data: What it was fitted on.
        folder: A new folder.
    """
    data = _matching(data, model)
    manifest = _manifest(data)
    _open_folder(Path(folder), manifest, resume=False)
    _save_closed_form(model, Path(folder), 0.0)


def open_run(folder: str | Path, model: Model | None = None) -> Run:
    """Opens a run: builds its model and loads the weights it should be used with.

    Args:
        folder: The run folder.
        model: A fresh model of the right shape, for runs of models built by hand.

    Returns:
        The run, its model in evaluation mode.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    if model is None:
        if manifest.model is None:
            raise ValueError(f"{folder} holds a model built by hand: open it with ptheta.open_run(path, model=...).")
        if manifest.model not in RECIPES:
            raise ValueError(f"{folder} was fitted by the recipe {manifest.model!r}, which this version does not have.")
        model = _rebuilt(folder, manifest)
    saved = checkpoints.load(folder / "checkpoints", ("best", "ema", "last"))
    module = cast("nn.Module", model)
    try:
        if isinstance(model, Trained):
            kept = saved.tensors
            weights = kept["best"] if "best" in kept else {**kept["last"], **kept.get("ema", {})}
            module.load_state_dict(weights)
        else:
            _assign_buffers(module, saved.tensors["last"])
    except (RuntimeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"the weights in {folder} do not fit the model {manifest.model} ({reason}).") from error
    module.eval()
    return Run(folder, manifest, model, saved.step, saved.record)


def _require_path(out: Path) -> None:
    """Weights are written by a library that takes names in UTF-8 only."""
    try:
        str(out.resolve()).encode()
    except (UnicodeEncodeError, ValueError, OSError) as error:
        raise ValueError(f"{str(out)[:80]!r} cannot be a run folder: give an --out in plain characters.") from error


def _rebuilt(folder: Path, manifest: Manifest) -> Model:
    """The fresh model that run.json describes: a recipe of the literal table, called with plain values."""
    assert manifest.model is not None
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in manifest.settings.items()}
    try:
        space = cast("Space", space_from_json(manifest.space))
        context = space_from_json(manifest.context_space)
        return build(manifest.model, space, context, seed=manifest.seed, settings=settings).model
    except Exception as error:  # settings that no command line would let through raise anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{folder / 'run.json'} asks for a model that cannot be built ({reason}).") from error


def _manifest(data: Dataset, **fields: Any) -> Manifest:
    return Manifest(
        **{"model": None, **fields},
        space=data.space.to_json(),
        context_space=None if data.context_space is None else data.context_space.to_json(),
        data=data.name,
        fingerprint=data.fingerprint,
        versions={"python": platform.python_version(), **{n: version(n) for n in ("ptheta", "torch", "numpy")}},
    )


def _read_manifest(folder: Path) -> Manifest:
    path = folder / "run.json"
    if not path.is_file():
        what = "is not a run: it holds no run.json" if folder.is_dir() else "does not exist"
        raise ValueError(f"{folder} {what}. Runs are made by ptheta fit; look in the folder runs/.")
    if path.stat().st_size > MOST_MANIFEST:
        raise ValueError(f"{path} is not the record of a run: it has {path.stat().st_size} bytes.")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "its text"
        raise ValueError(f"{path} is not the record of a run: {where}: {problem['msg']}.") from error


def _open_folder(out: Path, manifest: Manifest, resume: bool) -> None:
    path = out / "run.json"
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; a run needs a folder of its own. Give another --out.")
    if out.is_dir() and any(file.name != ".new-run.json" for file in out.iterdir()):  # left by a kill at the start
        if not resume:
            raise ValueError(f"the folder {out} is not empty. Give --resume to go on with it, or another --out.")
        found = _read_manifest(out)
        for name in ("model", "settings", "space", "fingerprint", "seed"):
            if getattr(found, name) != getattr(manifest, name):
                was, now = getattr(found, name), getattr(manifest, name)
                raise ValueError(f"{out} cannot be resumed: its {name} was {was}, and now it is {now}.")
        return
    with told(out):
        out.mkdir(parents=True, exist_ok=True)
    replace_file(path, manifest.model_dump_json(indent=1) + "\n")


def _save_closed_form(model: Model, out: Path, seconds: float) -> None:
    tensors = dict(cast("nn.Module", model).state_dict())
    checkpoints.save(out / "checkpoints", Checkpoint(0, {"last": tensors}, {"seconds": seconds, "finished": True}))


def _assign_buffers(module: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Sets buffers by name, whatever their shape: what a closed-form model learned may have any."""
    for name, tensor in tensors.items():
        owner_name, _, buffer = name.rpartition(".")
        owner = module.get_submodule(owner_name)
        if buffer in owner._parameters:
            owner._parameters[buffer] = nn.Parameter(tensor, requires_grad=False)
        elif buffer in owner._buffers:
            owner._buffers[buffer] = tensor
        else:
            raise KeyError(name)


def _matching(data: Dataset, model: Model) -> Dataset:
    return data.without_context() if model.context_space is None else data


def _lasting(source: str) -> str:
    """A path that holds from any folder; names stay."""
    from ptheta.data import NAMES

    return source if source in NAMES or not Path(source).exists() else str(Path(source).resolve())


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """What JSON gives back unchanged: tuples as lists, paths as text."""
    return json.loads(json.dumps(values, default=str))
