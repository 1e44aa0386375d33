"""Which generative model for my data? Models that fit the space, scored on the same events, within a budget.

Counting models and mixtures are fitted to the end; trained ones get the same minutes each, or share one total among
those that do best (see ``race``). All score the same test events and draw the same number of samples, as many as are
judged or shown; likelihoods carry their kind, sample metrics stand beside real data against real data. One failing
model is told of and stops no other.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from ptheta.applications.bench import Bench, shown
from ptheta.applications.comparison import Comparison
from ptheta.applications.race import is_closed, racing
from ptheta.data.cautions import cautions
from ptheta.data.dataset import Dataset
from ptheta.files import is_unused, locked
from ptheta.recipes import find_recipe
from ptheta.runs import Watch
from ptheta.taxonomy import Leaf, leaves

__all__ = ["TOTAL", "Terms", "compare", "comparing", "default_models"]

TOTAL = 15.0  # minutes for the whole question, where nothing else is said
MAX_TEST = 2000  # events every model scores: always the same ones, of the test split
SHOWING = 10  # test events below which those of all splits are shown
QUESTIONS = 12  # contexts that are shown with their real events


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


@final
@dataclass(frozen=True)
class Terms:
    """On what terms models are compared; ValueError, in a sentence, for terms that contradict one another.

    Args:
        models: Names on the command line; all that fit the space by default.
        total: Minutes for everything; 15 by default, where ``minutes`` are not given.
        minutes: The training budget of each trained model, instead of a total.
        budget: Whether minutes are the wall's or the processor's.
        samples: The most samples of each model that are judged; 0 leaves sample metrics out.
        seed: Names every draw.
        conditional: Whether to model p(x | context), with the models that can; else contexts are left out.
        resume: Whether to go on in a folder that holds some of the runs already.
        source: What ``load`` was called with; the data's name if None.
        data_options: The options ``load`` was called with.
    """

    models: Sequence[str] = ()
    total: float | None = None
    minutes: float | None = None
    budget: Literal["wall", "cpu"] = "wall"
    samples: int = 1000
    seed: int = 0
    conditional: bool = False
    resume: bool = False
    source: str | None = None
    data_options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.total is not None and self.minutes is not None:
            raise ValueError("expected a total of minutes or minutes for each model, but both were given.")

    @property
    def whole(self) -> float | None:
        """Minutes for everything; None where each model has its own."""
        return TOTAL if self.total is None and self.minutes is None else self.total


def compare(
    data: Dataset,
    out: Path,
    *,
    watch: Callable[[str, Path], Watch] | None = None,
    say: Callable[[str], None] = lambda text: None,
    **terms: Any,
) -> Comparison:
    """Fits and scores every model.

    Args:
        data: What to model.
        out: A new folder, below which the runs go.
        watch: Makes the watcher of a run, from the model's name and the run folder.
        say: Told what happens, a line at a time.
        **terms: Those of ``Terms``, which see: models, total, minutes, samples, seed, ...

    Returns:
        The comparison; ``ptheta.report.write`` makes a report of it.
    """
    *_, result = comparing(data, out, Terms(**terms), watch=watch, say=say)
    return result


def comparing(
    data: Dataset,
    out: Path,
    terms: Terms,
    *,
    watch: Callable[[str, Path], Watch] | None = None,
    say: Callable[[str], None] = lambda text: None,
    gone: float = 0.0,
) -> Iterator[Comparison]:
    """Fits and scores one model after the other; yields the comparison before the first and after each.

    Whoever stops in between, or is stopped, holds what was found until then.

    Args:
        data: What to model.
        out: A new folder, below which the runs go.
        terms: Which models, for how long, and by what they are judged.
        watch: Makes the watcher of a run, from the model's name and the run folder.
        say: Told what happens, a line at a time.
        gone: Seconds of the total that had passed before this was called.

    Yields:
        The same comparison, grown by a model.
    """
    if terms.conditional and data.context_space is None:
        raise ValueError(f"the data set {data.name} has no contexts to condition on.")
    if not is_unused(out) and not terms.resume:
        raise ValueError(f"the folder {out} is not empty. Give --resume to go on with it, or another --out.")
    data, total = data if terms.conditional else data.without_context(), terms.whole
    result = _begun(data, terms)
    with locked(out):
        (out / "runs").mkdir(parents=True, exist_ok=True)
        started = time.perf_counter() - gone
        how = {"source": terms.source, "data_options": terms.data_options, "conditional": terms.conditional}
        # In a race runs are gone on with: whatever lies in its folder is its own.
        how["resume"] = terms.resume or total is not None
        bench = Bench(result, out, data.test.some(MAX_TEST), terms.samples, how, terms.budget, watch, say)
        yield result
        passed = time.perf_counter() - started
        turns = _each(bench, terms.minutes) if total is None else racing(bench, 60 * total, passed)
        try:
            for _ in turns:
                result.seconds = time.perf_counter() - started
                yield result
        finally:
            result.seconds = time.perf_counter() - started


def _each(bench: Bench, minutes: float | None) -> Iterator[None]:
    """Every model in its turn, trained ones for the same minutes."""
    names, closed = bench.result.names, {leaf.name for _, leaf in leaves() if is_closed(leaf)}
    for i, name in enumerate(names):
        contender = bench.contender(name)
        bench.result.contenders.append(contender)
        bench.say(f"[{i + 1}/{len(names)}] {name}: {contender.title}")
        with bench.guarded(contender):
            run = bench.fit(contender, None if name in closed else minutes)
            bench.score(contender, run.model)
            bench.say(f"        {contender.likelihood}")
        yield


def _begun(data: Dataset, terms: Terms) -> Comparison:
    """A comparison of nobody yet."""
    for name in terms.models:
        find_recipe(name)
    if not len(data.test):
        raise ValueError(f"{data.name} has no test events, on which models could be compared.")
    names, left_out = (list(terms.models), {}) if terms.models else default_models(data)
    source, options = terms.source or data.name, terms.data_options or {}
    asked = (source, options, names, tuple(terms.models), terms.minutes, terms.seed)
    n_test, n = min(MAX_TEST, len(data.test)), shown(data.space)
    is_test = len(data.test) >= SHOWING
    real = data.whole((data.test if is_test else data.everything()).some(n))
    result = Comparison(data, *asked, n_test, n, 0, real, left_out=left_out, total=terms.whole, real_is_test=is_test)
    result.questions = None if data.context_space is None else data.test.some(QUESTIONS)
    found = cautions(data)
    result.remarks, result.unranked = [*found.notes], found.unranked
    return result


def _reason_against(leaf: Leaf, data: Dataset) -> str | None:
    if leaf.sampling == "none":
        return "it is a map, which neither samples nor scores"
    if reason := leaf.against(data.space, data.context_space):
        is_kind = data.space.kind not in leaf.spaces and "binary" in leaf.spaces
        return f"{reason} (try ptheta compare digits-binary)" if is_kind and data.name == "digits" else reason
    if leaf.variant_of:
        return f"it is a variant of {leaf.variant_of}; ask for it with --models {leaf.name}"
    return None
