"""The bench of a comparison: it fits and scores models, each in a run folder of its own, all on the same events."""

import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast, final, runtime_checkable

from torch import Tensor, nn

from ptheta.applications.comparison import Comparison, Contender
from ptheta.data.dataset import Events, shuffled
from ptheta.metrics import SampleEvaluator, likelihood
from ptheta.metrics.given import answered
from ptheta.model import Model, Trained, distribution
from ptheta.noise import Noise
from ptheta.runs import Run, Watch, fit_run
from ptheta.spaces import Real, Space, Table
from ptheta.taxonomy import leaves

__all__ = ["Bench", "contexts_of", "count_parameters", "shown"]

BOUND_DRAWS, LEAST_DRAWS, MOST_DRAWS = 4000, 4, 100  # draws of a bound: over all events together, for each event
ASKED = 20  # samples that are drawn for one more context whose draws are measured
ANSWERS = 3  # draws for each of the contexts that are shown with their real events
IMAGES, POINTS, LINES = 36, 1000, 100  # to look at: in a grid, in a plot of one or two numbers, of anything else


@runtime_checkable
class _Counted(Protocol):
    n_parameters: int


@final
class Bench:
    """Fits and scores the models of a comparison.

    Args:
        result: The comparison, to which contenders are added.
        out: Its folder.
        test: The events that every model scores.
        samples: The most samples that are judged; 0 leaves sample metrics out.
        options: More of ``fit_run``: source, data_options, conditional, resume.
        budget: Whose clock keeps the minutes of training.
        watch: Makes the watcher of a run, from the model's name and the run folder.
        say: Told what happens, a line at a time.
    """

    def __init__(
        self,
        result: Comparison,
        out: Path,
        test: Events,
        samples: int,
        options: dict[str, Any],
        budget: str,
        watch: Callable[[str, Path], Watch] | None,
        say: Callable[[str], None],
    ) -> None:
        self.result, self.out, self.test, self.options, self.budget = result, out, test, options, budget
        self.watch, self.say = watch, say
        self.evaluator = _evaluator(result, samples)
        self.titles = {leaf.name: leaf.title for _, leaf in leaves()}
        self.draws = min(MOST_DRAWS, max(LEAST_DRAWS, BOUND_DRAWS // len(test)))

    def contender(self, name: str) -> Contender:
        """A contender that has done nothing yet."""
        return Contender(name, self.titles[name], str(self.out / "runs" / name))

    @contextmanager
    def guarded(self, contender: Contender) -> Iterator[None]:
        """One failing model is told of and stops no other.

        Args:
            contender: Whose error it is.

        Yields:
            Nothing.
        """
        try:
            yield
        except KeyboardInterrupt:
            contender.error = "stopped before it was done; the same command with --resume goes on."
            raise
        except Exception as error:
            contender.error, contender.failure = str(error) or type(error).__name__, traceback.format_exc()
            self.say(f"        failed: {contender.error}")

    def fit(self, contender: Contender, minutes: float | None) -> Run:
        """Fits a model, or goes on with its run until it has had so many minutes.

        Args:
            contender: The model, which is told what its training took.
            minutes: The training budget; None of a model in closed form.

        Returns:
            The run.
        """
        folder, data = Path(contender.run), self.result.data
        watcher = self.watch(contender.name, folder) if self.watch else None
        training = {"minutes": minutes, "budget": self.budget if minutes else None, "seed": self.result.seed}
        run = fit_run(contender.name, data, folder, training=training, watch=watcher, **self.options)
        contender.fit_seconds, contender.cpu_seconds = run.record["seconds"], run.record["cpu_seconds"]
        contender.parameters = count_parameters(run.model)
        if run.record["events"]:
            contender.steps, contender.epochs = run.step, run.record["epochs"]
            contender.events_per_second = run.record["events"] / max(run.record["seconds"], 1e-9)
        log = folder / "metrics.jsonl"
        if log.is_file():
            contender.curve = [json.loads(line) for line in log.read_text().splitlines() if line]
        return run

    def score(self, contender: Contender, model: Model, most: int | None = None, draws: int | None = None) -> None:
        """Scores a model on the test events, draws from it and judges what it drew.

        Args:
            contender: The model's.
            model: The model.
            most: The most samples that are drawn; below those that are judged, none are.
            draws: The draws of a bound for each event, where those of all models would take too long.
        """
        contender.likelihood = self.likelihood(model, self.test, draws)
        try:
            self._sample(contender, model, most)
        except Exception as error:  # its likelihood stands all the same
            contender.unsampled, contender.failure = str(error) or type(error).__name__, traceback.format_exc()

    def _sample(self, contender: Contender, model: Model, most: int | None) -> None:
        result, data, noise = self.result, self.result.data, Noise(self.result.seed)
        n = result.n_drawn if most is None else min(result.n_drawn, max(1, most))
        started, context = time.perf_counter(), contexts_of(data.test, n)
        x = distribution(model).sample(n, context, noise=noise.at("sample"))
        contender.sample_seconds = (time.perf_counter() - started) / n
        x = data.whole(Events(x, context))
        contender.shown = x[: shown(data.space)].clone()
        if self.evaluator is not None and n >= self.evaluator.n:
            contender.metrics = list(self.evaluator(x).metrics)
        elif self.evaluator is not None:
            result.remarks.append(
                f"{contender.name} draws too slowly for its samples to be judged in the time there is."
            )
        if result.questions is not None and result.questions.context is not None:
            asked = {"most": max(len(result.questions), n // ASKED), "draws": ANSWERS}
            contender.given = answered(model, self.test, data, noise=noise.at("given"), **asked)
            asked = result.questions.context.repeat_interleave(ANSWERS, 0)
            drawn = Events(distribution(model).sample(len(asked), asked, noise=noise.at("answers")), asked)
            contender.answers = data.whole(drawn).unflatten(0, (-1, ANSWERS))

    def likelihood(self, model: Model, events: Events, draws: int | None = None) -> Any:
        """What is known of the likelihood of events: by as many draws of a bound whatever is scored."""
        return likelihood(model, events, noise=Noise(self.result.seed), draws=self.draws if draws is None else draws)


def shown(space: Space) -> int:
    """How many samples are to be looked at."""
    if space.is_image:
        return IMAGES
    few = isinstance(space, Real) and space.dimensions <= 2
    return POINTS if few or isinstance(space, Table) else LINES


def contexts_of(events: Events, n: int) -> Tensor | None:
    """The contexts of n events, in random order, again and again where there are fewer."""
    if events.context is None:
        return None
    rows = shuffled(len(events)).repeat(-(-n // len(events)))[:n]
    return events.context[rows]


def _evaluator(result: Comparison, samples: int) -> SampleEvaluator | None:
    """Judges samples on the same events for every model; None where none are asked for, or too few are there."""
    if not samples:
        return None
    try:
        evaluator = SampleEvaluator(result.data.before or result.data, n=samples, seed=result.seed)
    except ValueError as error:
        result.remarks.append(f"No sample metrics: {error}")
        return None
    result.n_samples, result.n_drawn = evaluator.n, max(evaluator.n, result.n_drawn)
    result.fixed_rows = evaluator.fixed_rows
    return evaluator


def count_parameters(model: Model) -> int:
    """How many numbers a model learned.

    Args:
        model: Of any kind.

    Returns:
        Its weights, those of all its stages; of a closed form what it counts, or its buffers.
    """
    if isinstance(model, _Counted) and not isinstance(model, Trained):
        return int(model.n_parameters)
    module = cast("nn.Module", model)
    return sum(p.numel() for p in module.parameters()) or sum(b.numel() for b in module.buffers())
