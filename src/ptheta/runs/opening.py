"""Opening a run: the recipe that run.json names builds the model, each stage's checkpoint gives it its weights."""

from pathlib import Path
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset
from ptheta.data.tiles import TRAIN_ONLY
from ptheta.model import Model, Trained
from ptheta.noise import seeded
from ptheta.recipes import RECIPES, Recipe, Stage, find_recipe
from ptheta.recipes.dials import require_in_range
from ptheta.runs.contexts import kept_contexts
from ptheta.runs.manifest import Manifest, read_manifest
from ptheta.spaces import Space, space_from_json
from ptheta.spaces.space import some
from ptheta.taxonomy import leaves
from ptheta.training import checkpoint as checkpoints
from ptheta.training.checkpoint import Checkpoint

__all__ = ["Run", "build", "load_stage", "matching", "open_run", "save_closed_form", "stage_folder"]


@final
class Run:
    """An opened run.

    Args:
        folder: Where it lies.
        manifest: What it is.
        model: The fitted model, in evaluation mode.
        step: The training steps behind it, of all stages together.
        record: What checkpoints know besides tensors: ``seconds``, ``cpu_seconds`` and ``events`` seen of all stages
            together, the ``epochs`` of the stage that had fewest, and of the last stage the best score.
    """

    def __init__(self, folder: Path, manifest: Manifest, model: Model, step: int, record: dict[str, Any]) -> None:
        self.folder, self.manifest, self.model = folder, manifest, model
        self.step, self.record = step, record

    @property
    def name(self) -> str:
        """The model's name on the command line, or its class."""
        return self.manifest.model or type(self.model).__name__

    def data(self) -> Dataset:
        """Loads the data set the run was fitted on; refuses one that has moved or changed since."""
        from ptheta.data import load

        try:
            data = load(self.manifest.data, **self.manifest.data_options)
        except FileNotFoundError as error:
            if Path(self.manifest.data).exists() or not Path(self.manifest.data).is_absolute():
                raise
            raise ValueError(
                f"{self.manifest.data}, which this run was fitted on, is not there any more. Give --data with its new "
                "place, or with other data."
            ) from error
        found = matching(data, self.model).fingerprint
        if found != self.manifest.fingerprint:
            raise ValueError(
                f"the data set {self.manifest.data} has changed since this run was fitted: its fingerprint is "
                f"{found}, the run's is {self.manifest.fingerprint}. Give --data to use it all the same."
            )
        return data

    def read(
        self, source: str, *, whole: bool = True, labelled: bool = True, space: Space | None = None, **options: Any
    ) -> Dataset:
        """Reads other data as the run's own were read, and matches them to the model by name.

        Args:
            source: A name or a path.
            whole: Whether no event is held out, so that ``everything`` is all that there is; else it is split.
            labelled: Whether events come with the model's contexts; without, none are read.
            space: What the events are read as, where that is not the model's own space, such as some of its columns.
            **options: Of ``load``, where they differ from those of the run.

        Returns:
            Events of that space, and of the model's space of contexts. Raises ValueError, naming what does not fit.
        """
        space = space or self.model.space
        data = self._loaded(source, whole, space, labelled, options)
        return data.adopted(space, self.model.context_space if labelled else None)

    def column(self, source: str, column: str, **options: Any) -> tuple[Tensor, tuple[str, ...]]:
        """A column of the file of other data that the model does not know.

        Args:
            source: A path.
            column: The column.
            **options: Of ``load``, where they differ from those of the run.

        Returns:
            A code for each row of the file, with shape (n,), and what the codes stand for. Raises ValueError, in a
            sentence, where there is no such column, or it holds no classes.
        """
        data = self._loaded(source, True, self.model.space, False, {**options, "label": column})
        context = data.everything().context
        names = getattr(data.context_space, "names", ())
        if context is None or not names:
            raise ValueError(f"the column {column} of {source} should hold classes, but it holds {data.context_space}.")
        return context, tuple(names)

    def _loaded(self, source: str, whole: bool, space: Space, labelled: bool, options: dict[str, Any]) -> Dataset:
        """Other data, read with the options of the run's own where nothing else is said."""
        from ptheta.data.loading import load, options_of

        own = {**self.manifest.decided, **self.manifest.data_options}
        own = {name: value for name, value in own.items() if name not in TRAIN_ONLY}
        if whole:
            own |= {"valid": 0.0, "test": 0.0}
        known = options_of(source, str(options.get("given", own.get("given", ""))))
        own["like"] = space
        if not labelled:
            own = {name: value for name, value in own.items() if name not in ("label", "given")}
        kept = {name: value for name, value in own.items() if name.partition(".")[0] in known}
        return load(source, **{**kept, **options})

    def contexts(self) -> Tensor:
        """Contexts of training events, kept in the run: all, or as many as are not too large, drawn at random."""
        kept = kept_contexts(self.folder)
        contexts = self.data().train.context if kept is None else kept
        space = self.model.context_space
        if space is None or contexts is None:
            raise ValueError(f"{self.folder} was fitted without contexts.")
        space.check(contexts, f"the contexts of {self.folder}")
        return contexts


def build(
    name: str,
    space: Space,
    context_space: Space | None = None,
    *,
    seed: int = 0,
    dials: dict[str, Any] | None = None,
) -> Recipe:
    """Calls a recipe, with the weights of its model drawn under a seed.

    Args:
        name: The recipe's name on the command line.
        space: What one event is.
        context_space: What one context is, or None for an unconditional model.
        seed: Names the initial weights.
        dials: The recipe's dials.

    Returns:
        The model and its training.
    """
    recipe = find_recipe(name)
    _require_kind(name, space, context_space)
    require_in_range(name, {} if dials is None else dials)
    try:
        with seeded(seed):
            return recipe(space, context_space, **({} if dials is None else dials))
    except (RuntimeError, TypeError, OverflowError) as error:
        if not dials and 0 <= seed < 2**63:
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{name} cannot be built with {dials} and the seed {seed} ({reason}).") from error


def _require_kind(name: str, space: Space, context_space: Space | None) -> None:
    """Refuses events of a kind that the model is not for, and names some that are: first those most like it."""
    where, own = next(((path, leaf) for path, leaf in leaves() if leaf.name == name), ((), None))
    if own is None or space.kind in own.spaces:
        return
    able = [(path, leaf.name) for path, leaf in leaves() if leaf.against(space, context_space) is None]
    able.sort(key=lambda other: (name not in other[1], other[0] != where))
    raise ValueError(
        f"{name} does not suit {space}: {own.against(space, context_space)}. Models that suit: "
        f"{some([other for _, other in able])}."
    )


def open_run(folder: str | Path, model: Model | None = None) -> Run:
    """Opens a run: builds its model and loads the weights it should be used with.

    Args:
        folder: The run folder.
        model: A fresh model of the right shape, for runs of models built by hand.

    Returns:
        The run, its model in evaluation mode.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    recipe = _rebuilt(folder, manifest) if model is None else Recipe.single(model)
    saved = [load_stage(stage, stage_folder(folder, stage), manifest.model) for stage in recipe.stages]
    cast("nn.Module", recipe.model).eval()
    return Run(folder, manifest, recipe.model, *told_of(saved))


def told_of(saved: list[Checkpoint]) -> tuple[int, dict[str, Any]]:
    """The steps and the record of a run, from those of its stages."""
    sums = {name: sum(stage.record[name] for stage in saved) for name in ("seconds", "cpu_seconds", "events")}
    epochs = min((stage.record["epochs"] for stage in saved if stage.record["epochs"] is not None), default=None)
    return sum(stage.step for stage in saved), {**saved[-1].record, **sums, "epochs": epochs}


def stage_folder(out: Path, stage: Stage) -> Path:
    """Where a stage keeps its checkpoints and its log: the run folder itself, where there is but one."""
    return out / "stages" / stage.name if stage.name else out


def load_stage(stage: Stage, folder: Path, model: str | None) -> Checkpoint:
    """Puts the weights that a stage ended with into its model.

    Args:
        stage: The stage, its model fresh.
        folder: Its folder.
        model: What the run calls the model, for messages.

    Returns:
        What its checkpoint says.
    """
    saved = checkpoints.load(folder / "checkpoints", ("best", "ema", "last"))
    module = cast("nn.Module", stage.model)
    try:
        if isinstance(stage.model, Trained):
            kept = saved.tensors
            module.load_state_dict(kept["best"] if "best" in kept else {**kept["last"], **kept.get("ema", {})})
        else:
            _assign_buffers(module, saved.tensors["last"])
    except (RuntimeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"the weights in {folder} do not fit the model {model} ({reason}).") from error
    return saved


def save_closed_form(model: Model, folder: Path, seconds: float = 0.0, cpu_seconds: float = 0.0) -> None:
    """Saves what a model has learned by a formula as a finished stage."""
    tensors = dict(cast("nn.Module", model).state_dict())
    record = {"seconds": seconds, "cpu_seconds": cpu_seconds, "events": 0, "epochs": None, "finished": True}
    checkpoints.save(folder / "checkpoints", Checkpoint(0, {"last": tensors}, record))


def matching(data: Dataset, model: Model) -> Dataset:
    """The data as the model sees them: without contexts where it takes none."""
    return data.without_context() if model.context_space is None else data


def _rebuilt(folder: Path, manifest: Manifest) -> Recipe:
    """The fresh model that run.json describes: a recipe of the literal table, called with plain values."""
    if manifest.model is None:
        raise ValueError(f"{folder} holds a model built by hand: open it with ptheta.open_run(path, model=...).")
    if manifest.model not in RECIPES:
        raise ValueError(f"{folder} was fitted by the recipe {manifest.model!r}, which this version does not have.")
    dials = {k: tuple(v) if isinstance(v, list) else v for k, v in manifest.dials.items()}
    try:
        space = cast("Space", space_from_json(manifest.space))
        context = space_from_json(manifest.context_space)
        return build(manifest.model, space, context, seed=manifest.seed, dials=dials)
    except Exception as error:  # dials that no command line would let through raise anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{folder / 'run.json'} asks for a model that cannot be built ({reason}).") from error


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
