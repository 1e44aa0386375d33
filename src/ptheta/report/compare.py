"""Which generative model for my data? Every model that fits the space, on equal budgets, scored on the same events.

Counting models and mixtures are fitted to the end; trained ones get the same minutes each. All score the same test
events and draw the same number of samples; likelihoods carry their kind, sample metrics stand beside real data
against real data. One failing model is reported and stops no other.
"""

import csv
import json
import platform
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast, final, runtime_checkable

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.metrics import Likelihood, MetricResult, SampleEvaluator, likelihood
from ptheta.model import Model, Trained
from ptheta.noise import Noise
from ptheta.recipes import RECIPES, find_recipe
from ptheta.recipes.runs import Run, Watch, fit_run
from ptheta.report.pictures import picture
from ptheta.taxonomy import Leaf, leaves

__all__ = ["Comparison", "Contender", "compare", "default_models"]

MAX_TEST = 2000  # events every model scores: always the same ones, of the test split
BOUND_DRAWS = 4000  # draws of a bound over all events together, at least 4 for each
PICTURED, PLOTTED = 36, 1000  # images in a grid, events in a plot


@runtime_checkable
class _Counted(Protocol):
    n_parameters: int


@final
@dataclass
class Contender:
    """One model of a comparison.

    Args:
        name: Its name on the command line.
        title: What it is, in a phrase.
        run: Its run folder.
        error: Why it failed, in a sentence, or None.
        likelihood: Its likelihood on the test events, or None if it failed.
        metrics: Its sample metrics.
        parameters: How many numbers it learned.
        fit_seconds: How long it trained.
        sample_seconds: How long one sample takes, drawn in one batch.
        curve: The lines of its metrics.jsonl.
        picture: Its samples as a png.
    """

    name: str
    title: str
    run: str
    error: str | None = None
    likelihood: Likelihood | None = None
    metrics: list[MetricResult] = field(default_factory=list)
    parameters: int | None = None
    fit_seconds: float | None = None
    sample_seconds: float | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    picture: bytes = b""

    def to_json(self) -> dict[str, Any]:
        """All but the picture, for scripts."""
        return {
            "model": self.name,
            "title": self.title,
            "run": self.run,
            "error": self.error,
            "likelihood": None if self.likelihood is None else self.likelihood.to_json(),
            "metrics": [m.to_json() for m in self.metrics],
            "parameters": self.parameters,
            "fit_seconds": self.fit_seconds,
            "sample_seconds": self.sample_seconds,
            "curve": self.curve,
        }


@final
@dataclass
class Comparison:
    """A finished comparison.

    Args:
        data: What was modelled.
        minutes: The training budget of each trained model.
        seed: Names every draw.
        n_test: How many test events were scored.
        n_drawn: How many samples each model drew.
        n_samples: How many of them were judged: as many as there are real events to compare with.
        contenders: The models, in the order of the family tree.
        left_out: Models that do not fit, and why.
        remarks: What could not be measured, and why.
        seconds: How long it all took.
        real: A picture of real test events.
    """

    data: Dataset
    minutes: float
    seed: int
    n_test: int
    n_drawn: int
    n_samples: int
    contenders: list[Contender] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    real: bytes = b""

    def to_json(self) -> dict[str, Any]:
        """The whole result, for scripts; documented in docs/json.md."""
        return {
            "data": self.data.name,
            "space": str(self.data.space),
            "fingerprint": self.data.fingerprint,
            "minutes": self.minutes,
            "seed": self.seed,
            "n_test": self.n_test,
            "n_drawn": self.n_drawn,
            "n_samples": self.n_samples,
            "seconds": self.seconds,
            "threads": torch.get_num_threads(),
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "models": [c.to_json() for c in self.contenders],
            "left_out": self.left_out,
            "remarks": self.remarks,
        }


def default_models(data: Dataset) -> tuple[list[str], dict[str, str]]:
    """The models that fit the data's space, in the order of the tree, and why the others do not.

    Args:
        data: What to model.

    Returns:
        Names, and a reason for each name left out.
    """
    chosen, left_out = [], {}
    for _, leaf in leaves():
        reason = _reason_against(leaf, data)
        if reason:
            left_out[leaf.name] = reason
        else:
            chosen.append(leaf.name)
    return chosen, left_out


def compare(
    data: Dataset,
    out: Path,
    *,
    models: Sequence[str] = (),
    minutes: float = 1.0,
    samples: int = 1000,
    seed: int = 0,
    resume: bool = False,
    source: str | None = None,
    data_options: dict[str, Any] | None = None,
    watch: Callable[[str, Path], Watch] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Fits and scores every model, and writes report.html, results.json and results.csv.

    Args:
        data: What to model.
        out: A new folder for the report and the runs.
        models: Names on the command line; all that fit the space by default.
        minutes: The training budget of each trained model.
        samples: How many samples each model draws for the sample metrics.
        seed: Names every draw.
        resume: Whether to go on in a folder that holds some of the runs already.
        source: What ``load`` was called with; the data's name if None.
        data_options: The options ``load`` was called with.
        watch: Makes the watcher of a run, from the model's name and the run folder.
        say: Told what happens, a line at a time.

    Returns:
        The comparison.
    """
    for name in models:
        find_recipe(name)
    names, left_out = (list(models), {}) if models else default_models(data)
    if out.exists() and any(out.iterdir()) and not resume:
        raise ValueError(f"the folder {out} is not empty. Give --resume to go on with it, or another --out.")
    (out / "runs").mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    test = data.test.some(MAX_TEST)
    result = Comparison(data, minutes, seed, len(test), samples, samples, left_out=left_out)
    result.real = _drawn(data.test.some(PLOTTED).x, data)
    evaluator = _evaluator(result)
    options = {"minutes": minutes, "seed": seed}
    fit_one = partial(fit_run, options=options, source=source, data_options=data_options, resume=resume)
    titles = {leaf.name: leaf.title for _, leaf in leaves()}
    for i, name in enumerate(names):
        contender = Contender(name, titles[name], str(out / "runs" / name))
        result.contenders.append(contender)
        say(f"[{i + 1}/{len(names)}] {name}: {contender.title}")
        try:
            _score(contender, _fit(contender, data, fit_one, watch), result, test, evaluator)
            say(f"        {contender.likelihood}")
        except Exception as error:
            contender.error = str(error) or type(error).__name__
            (out / f"{name}-failure.txt").write_text(traceback.format_exc())
            say(f"        failed: {contender.error}")
    result.seconds = time.perf_counter() - started
    _write(result, out)
    return result


def _fit(
    contender: Contender,
    data: Dataset,
    fit_one: Callable[..., Run],
    watch: Callable[[str, Path], Watch] | None,
) -> Model:
    folder = Path(contender.run)
    watcher = watch(contender.name, folder) if watch else None
    run = fit_one(contender.name, data, folder, watch=watcher)
    contender.fit_seconds = run.record["seconds"]
    contender.parameters = _parameters(run.model)
    log = folder / "metrics.jsonl"
    if log.is_file():
        contender.curve = [json.loads(line) for line in log.read_text().splitlines() if line]
    return run.model


def _evaluator(result: Comparison) -> SampleEvaluator | None:
    """Judges samples on the same events for every model; None, with a remark, where there are too few."""
    try:
        evaluator = SampleEvaluator(result.data, n=result.n_drawn, seed=result.seed)
    except ValueError as error:
        result.remarks.append(str(error))
        return None
    result.n_samples = evaluator.n
    return evaluator


def _score(
    contender: Contender, model: Model, result: Comparison, test: Events, evaluator: SampleEvaluator | None
) -> None:
    draws = max(4, BOUND_DRAWS // len(test))
    contender.likelihood = likelihood(model, test, noise=Noise(result.seed), draws=draws)
    started = time.perf_counter()
    x = model.sample(result.n_drawn, noise=Noise(result.seed).at("sample"))
    contender.sample_seconds = (time.perf_counter() - started) / result.n_drawn
    contender.picture = _drawn(x, result.data)
    contender.metrics = list(evaluator(x).metrics) if evaluator else []


def _drawn(x: Tensor, data: Dataset) -> bytes:
    names = data.class_names if data.context_space is None else ()
    return picture(x[: PICTURED if data.space.is_image else PLOTTED], data.space, names=names)


def _parameters(model: Model) -> int:
    if isinstance(model, Trained):
        return sum(p.numel() for p in model.parameters())
    if isinstance(model, _Counted):
        return int(model.n_parameters)
    return sum(b.numel() for b in cast("nn.Module", model).buffers())


def _reason_against(leaf: Leaf, data: Dataset) -> str | None:
    space = data.space
    if leaf.name not in RECIPES:
        return "it has no recipe"
    if space.kind not in leaf.spaces:
        hint = " (try ptheta compare digits-binary)" if data.name == "digits" else ""
        return f"it models {', '.join(leaf.spaces)} events, and these are {space.kind}{hint}"
    if leaf.name == "full-table" and space.dimensions > 16:
        return f"a full table would need a number for each of 2^{space.dimensions} events or more"
    if leaf.name == "f-gan":
        return "it is a GAN under another divergence; ask for it with --models f-gan"
    if leaf.name == "dcgan" and not space.is_image:
        return "it is a GAN for images"
    return None


def _write(result: Comparison, out: Path) -> None:
    from ptheta.report.page import page

    (out / "results.json").write_text(json.dumps(result.to_json(), indent=1) + "\n")
    with (out / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(next(_rows(result))) if result.contenders else ["model"], restval="")
        writer.writeheader()
        writer.writerows(_rows(result))
    (out / "report.html").write_text(page(result))


def _rows(result: Comparison) -> Iterator[dict[str, Any]]:
    metric_names = list(dict.fromkeys(m.name for c in result.contenders for m in c.metrics))
    for c in result.contenders:
        found, values = c.likelihood, {m.name: m.value for m in c.metrics}
        yield {
            "model": c.name,
            "error": c.error,
            "nats_per_event": None if found is None else found.value,
            "kind": None if found is None else found.kind,
            "bits_per_dim": None if found is None else found.bits_per_dim,
            "half_width_95": None if found is None else found.error,
            **{name: values.get(name) for name in metric_names},
            "parameters": c.parameters,
            "fit_seconds": c.fit_seconds,
            "sample_seconds": c.sample_seconds,
        }
