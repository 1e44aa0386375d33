"""``ptheta sample``, ``score`` and ``evaluate``: what one does with a run."""

import inspect
import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional

from ptheta.cli.options import Help, call
from ptheta.cli.train import say

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.data.dataset import Dataset, Events
    from ptheta.recipes.runs import Run
    from ptheta.spaces import Space

__all__ = ["evaluate", "sample", "score"]


def sample(words: Sequence[str]) -> None:
    """Runs ``ptheta sample``.

    Args:
        words: What was typed after ``sample``.
    """
    call(_sample, words, "ptheta sample")


def score(words: Sequence[str]) -> None:
    """Runs ``ptheta score``.

    Args:
        words: What was typed after ``score``.
    """
    call(_score, words, "ptheta score")


def evaluate(words: Sequence[str]) -> None:
    """Runs ``ptheta evaluate``.

    Args:
        words: What was typed after ``evaluate``.
    """
    call(_evaluate, words, "ptheta evaluate")


def _sample(
    run: Positional[Path],
    n: Annotated[int, Help(aliases=["-n"])] = 64,
    out: Path | None = None,
    seed: int = 0,
    context: int | None = None,
    temperature: float = 1.0,
    method: Literal["cached", "fixed-point", "naive"] = "cached",
) -> None:
    """Draws events from a run into a file: a png grid, npy, csv or txt by the ending.

    Args:
        run: The run folder.
        n: How many events.
        out: The file; by default samples.png in the run, samples.txt of texts, else samples.npy.
        seed: Names the draw. Event i is the same at any n.
        context: The class to draw; by default classes as often as in training.
        temperature: Of models that have one, autoregressive ones and flows: below 1, likelier values come more often.
        method: How an autoregressive model goes about it; the events are the same, the time is not.
    """
    from ptheta.model import tempered
    from ptheta.noise import Noise
    from ptheta.recipes.runs import open_run
    from ptheta.report.pictures import save_samples

    opened = open_run(run)
    model = opened.model
    _require_count(n, "-n", 1, model.space)
    manner = {**tempered(model, temperature), **_manner(opened, method)}
    x = model.sample(n, _contexts(opened, n, context, seed), noise=Noise(seed).at("sample"), **manner)
    names = _symbol_names(opened)
    out = out or run / ("samples.png" if model.space.is_image else "samples.txt" if names else "samples.npy")
    save_samples(x, model.space, out, names=names)
    say(f"{n} events of {model.space} drawn from {opened.name}: {out}")


def _symbol_names(run: "Run") -> tuple[str, ...]:
    """The characters of a text, which the run's data know; without the data, symbols keep their numbers."""
    if run.model.space.kind != "symbols" or run.model.space.is_image:
        return ()
    try:
        data = run.data()
    except (ValueError, OSError) as error:
        say(f"symbols are written as numbers: {error}", error=True)
        return ()
    return data.class_names if data.context_space is None else ()


def _manner(run: "Run", method: str) -> dict[str, str]:
    """The method as a keyword of the sampler, where it is not the usual one; refused where the model has no choice."""
    if method == "cached":
        return {}
    if "method" not in inspect.signature(run.model.sample).parameters:
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


def _contexts(run: "Run", n: int, context: int | None, seed: int) -> "Tensor | None":
    """One context per event: the one asked for, else drawn from the training frequencies."""
    import torch

    space = run.model.context_space
    if space is None:
        if context is not None:
            raise ValueError(f"{run.folder} was fitted without classes, so --context means nothing to it.")
        return None
    if context is not None:
        rows = torch.full((n, *space.shape), context, dtype=space.dtype)
        space.check(rows, "--context")
        return rows
    from ptheta.noise import Noise

    train = run.data().train.context
    assert train is not None
    return train[(Noise(seed).uniform((n,), "context") * len(train)).long()]


def _score(run: Positional[Path], data: str | None = None, split: str = "test", out: Path | None = None) -> None:
    """Scores events one by one: log p(x) of each in nats, or what the model offers instead, said in the header.

    Args:
        run: The run folder.
        data: A data set or a path; by default what the run was fitted on.
        split: train, valid or test.
        out: A csv file; by default the screen.
    """
    from ptheta.metrics import scores
    from ptheta.recipes.runs import open_run

    opened = open_run(run)
    _, events = _events(opened, data, split)
    values, kind = scores(opened.model, events)
    lines = [f"log_prob_nats_{kind.replace(' ', '_')}", *(f"{v:.6f}" for v in values.tolist())]
    if out is None:
        say("\n".join(lines))
        return
    out.write_text("\n".join(lines) + "\n")
    say(f"{len(values)} scores ({kind} of log p, nats per event), mean {float(values.double().mean()):.2f}: {out}")


def _events(run: "Run", data: str | None, split: str) -> "tuple[Dataset, Events]":
    from ptheta.data import load

    if split not in ("train", "valid", "test"):
        raise ValueError(f"--split should be train, valid or test, but it is {split!r}.")
    loaded = run.data() if data is None else load(data)
    if loaded.space != run.model.space:
        raise ValueError(f"the run models events of {run.model.space}, but {loaded.name} holds {loaded.space}.")
    return loaded, getattr(loaded, split)


def _evaluate(
    run: Positional[Path],
    data: str | None = None,
    split: str = "test",
    samples: int = 1000,
    importance: int | None = None,
    draws: int = 4,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Scores a run with all that applies: its likelihood, saying of which kind, and sample metrics beside real data.

    Args:
        run: The run folder.
        data: A data set or a path; by default what the run was fitted on.
        split: train, valid or test: the events to score, and to compare samples with.
        samples: How many samples the sample metrics draw; 0 leaves them out.
        importance: Importance samples per event, for models with an importance-weighted bound.
        draws: Draws per event of a bound that is estimated; more make it steadier.
        seed: Names the noise of bounds and samples.
        json: Prints one JSON object instead of a table.
    """
    from ptheta.metrics import evaluate_samples, likelihood
    from ptheta.noise import Noise
    from ptheta.recipes.runs import open_run

    opened = open_run(run)
    _require_count(samples, "--samples", 0, opened.model.space)
    loaded, events = _events(opened, data, split)
    found = likelihood(opened.model, events, noise=Noise(seed), draws=draws, importance=importance)
    report = None
    if samples:
        x = opened.model.sample(samples, _contexts(opened, samples, None, seed), noise=Noise(seed).at("sample"))
        report = evaluate_samples(x, loaded, seed=seed)
    answer = {
        "run": str(run),
        "model": opened.name,
        "data": loaded.name,
        "split": split,
        "likelihood": found.to_json(),
        **({"metrics": [], "notes": []} if report is None else report.to_json()),
    }
    if json:
        say(jsonlib.dumps(answer, indent=1))
    else:
        say(f"{opened.name} on {loaded.name}, {split} split\n  {found}")
        if report is not None:
            say("\n".join(f"  {line}" for line in str(report).splitlines()))
        say(f"next:  ptheta sample {run} -n 64    ptheta compare {loaded.name}")
    (run / "evaluation.json").write_text(jsonlib.dumps(answer, indent=1) + "\n")
