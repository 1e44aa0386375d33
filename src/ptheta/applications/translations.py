"""Which map for my labelled data? Maps between its classes, trained for the same minutes, sent over the same events.

Nobody knows a counterpart of real data, so maps are ranked by how near what they make is to real events of the classes
it was sent to, on the features of a classifier (kernel distance); where a world drew the events, by the distance to the
true counterparts. Beside both stand the reader's accuracy, the way there and back with and without noise, and the own
label: see ``ptheta.metrics.translation``. The map that changes nothing stands among them; it leads back for nothing.

Known limits: no number tells a glow from a colour. Look at the pictures, events above their counterparts.
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset
from ptheta.files import is_unused, locked
from ptheta.metrics.translation import Domains, MapReport, map_report
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.protocols import HasTranslate
from ptheta.recipes import find_recipe
from ptheta.runs import Watch, fit_run
from ptheta.spaces import Space
from ptheta.taxonomy import leaves

__all__ = ["MapTrial", "maps_for", "ranked", "translating"]

UNMOVED = "no map"  # what the map that changes nothing is called
SHOWN = 16  # events that are shown above their counterparts


@final
@dataclass
class MapTrial:
    """One map of a comparison.

    Args:
        name: Its name on the command line.
        run: Its run folder; empty of the map that changes nothing.
        report: How good it is; None if it failed.
        error: Why it failed, in a sentence, or None.
        failure: The traceback of what failed.
        steps: How many training steps it took.
        seconds: How long it trained.
        cpu_seconds: The processor time of its training.
        pairs: Some events, then their counterparts in the next class, to be looked at.
    """

    name: str
    run: str = ""
    report: MapReport | None = None
    error: str | None = None
    failure: str = ""
    steps: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    pairs: Tensor | None = None

    @property
    def miss(self) -> float:
        """What maps are ranked by: the distance to the true counterpart, where it is known, else the kernel's."""
        if self.report is None:
            return float("inf")
        return self.report.kernel if self.report.counterpart is None else self.report.counterpart

    def to_json(self) -> dict[str, Any]:
        """All but pictures and the traceback."""
        plain = ("name", "run", "error", "steps", "seconds", "cpu_seconds")
        report = None if self.report is None else self.report.to_json()
        return {**{name: getattr(self, name) for name in plain}, "report": report}


@final
class _Unmoved(Model):
    """The map that changes nothing."""

    def __init__(self, space: Space, context_space: Space | None) -> None:
        self.space, self.context_space = space, context_space

    def fit(self, data: Any, **training: Any) -> "_Unmoved":
        return self

    def translate(self, x: Tensor, target: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        return x


def maps_for(data: Dataset) -> list[str]:
    """The maps between classes that fit a labelled set, in the order of the tree; ValueError where none does.

    Args:
        data: Events with their classes.

    Returns:
        Names on the command line.
    """
    chosen, reasons = [], []
    for path, leaf in leaves():
        if path[-1] == "translations":
            reason = leaf.against(data.space, data.context_space)
            reasons += [] if reason is None else [f"{leaf.name}: {reason}"]
            chosen += [leaf.name] if reason is None else []
    if not chosen:
        raise ValueError(f"there is no map between classes for {data.name}: {'; '.join(reasons)}.")
    return chosen


def translating(
    data: Dataset,
    out: Path,
    *,
    models: Sequence[str] = (),
    minutes: float = 5.0,
    budget: str = "wall",
    samples: int = 500,
    seed: int = 0,
    resume: bool = False,
    source: str | None = None,
    data_options: dict[str, Any] | None = None,
    world: Domains | None = None,
    watch: Callable[[str, Path], Watch] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[MapTrial]:
    """Fits one map after the other; yields that which changes nothing first, and each when it is judged.

    Args:
        data: Events with their classes.
        out: A new folder, below which the runs go.
        models: Maps by name; all that fit by default.
        minutes: The training budget of each.
        budget: Whether minutes are the wall's or the processor's.
        samples: How many test events are sent at most.
        seed: Names every draw.
        resume: Whether to go on in a folder that holds some of the runs already.
        source: What ``load`` was called with; the data's name if None.
        data_options: The options ``load`` was called with.
        world: The world that drew the events, which knows their counterparts; None if there is none.
        watch: Makes the watcher of a run, from the model's name and the run folder.
        say: Told what happens, a line at a time.

    Yields:
        Maps, with their reports; a failing one is told of and stops no other.
    """
    names = list(models) or maps_for(data)
    for name in names:
        find_recipe(name)
    if not len(data.test):
        raise ValueError(f"{data.name} has no test events, on which maps could be compared.")
    if not is_unused(out) and not resume:
        raise ValueError(f"the folder {out} is not empty. Give --resume to go on with it, or another --out.")
    judge = partial(_judged, data=data, world=world, most=samples, seed=seed)
    with locked(out):
        (out / "runs").mkdir(parents=True, exist_ok=True)
        yield judge(MapTrial(UNMOVED), _Unmoved(data.space, data.context_space))
        for name in names:
            trial, folder = MapTrial(name, str(out / "runs" / name)), out / "runs" / name
            how = {"source": source, "data_options": data_options, "conditional": True, "resume": resume}
            training = {"minutes": minutes, "budget": budget, "seed": seed}
            try:
                run = fit_run(name, data, folder, training=training, watch=watch and watch(name, folder), **how)
                trial.steps = run.step
                trial.seconds, trial.cpu_seconds = run.record["seconds"], run.record["cpu_seconds"]
                judge(trial, run.model)
            except Exception as error:
                trial.error, trial.failure = str(error) or type(error).__name__, traceback.format_exc()
                say(f"{name} failed: {trial.error}")
            yield trial


def _judged(trial: MapTrial, model: Model, data: Dataset, world: Domains | None, most: int, seed: int) -> MapTrial:
    """The trial with its report, and with some events and their counterparts."""
    noise, classes = Noise(seed).at("map"), getattr(data.context_space, "n", 2)
    trial.report = map_report(model, data.test, data, world=world, noise=noise, most=most, seed=seed)
    if trial.report is None:
        raise ValueError(f"{trial.name} is no map between classes.")
    some = data.test.some(SHOWN).loaded()
    assert some.context is not None and isinstance(model, HasTranslate)
    trial.pairs = torch.cat([some.x, model.translate(some.x, (some.context + 1) % classes).cpu()])
    return trial


def ranked(trials: Sequence[MapTrial]) -> list[MapTrial]:
    """Those that did not fail, best first."""
    return sorted((trial for trial in trials if trial.report is not None), key=lambda trial: trial.miss)
