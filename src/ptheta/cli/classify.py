"""``ptheta classify``: the class of each event, by Bayes' rule."""

import csv
import io
import json as jsonlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

import torch
from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.events import Found, Split, find_events
from ptheta.cli.outputs import claim, write
from ptheta.cli.train import say, say_next

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.applications.classify import Judged
    from ptheta.data.dataset import Dataset, Events
    from ptheta.runs import Run
    from ptheta.spaces import Space

__all__ = ["classify"]


def classify(
    run: Positional[Path],
    data: str | None = None,
    split: Split | None = None,
    data_options: tuple[str, ...] = (),
    target: str | None = None,
    prior: str = "data",
    out: Path | None = None,
    peers: bool = True,
    draws: int = 4,
    seed: int = 0,
    json: bool = False,
    force: bool = False,
) -> None:
    """Classifies events by Bayes' rule, with a model that was given classes, or that knows a column of a table.

    Where the classes of the events are known, it says how right the probabilities are, beside classifiers of
    scikit-learn that were fitted to the same training events.

    Args:
        run: The run folder.
        data: A data set or a path, with or without classes; by default what the run was fitted on.
        split: train, valid, test or all; by default all events of a file, the test split of a named set and of the
            run's own data.
        data_options: Options of --data, where they differ from the run's.
        target: Of a table that the run models as a whole, the column of names to guess from the others.
        prior: How often classes are met: data as in training, uniform, or shares such as a=.3,b=.7.
        out: A csv file for the probabilities of each event; where classes are known, a calibration plot goes beside it.
        peers: Whether classifiers of scikit-learn are fitted too.
        draws: Of a bound, how many draws per event and class.
        seed: Names the draws.
        json: Prints one JSON object instead of a table.
        force: Replaces files that are there.
    """
    from ptheta.applications.classify import judged, prior_of
    from ptheta.report.uses import calibration_picture
    from ptheta.runs import open_run

    opened = open_run(run)
    plot = None if out is None else out.with_suffix(".png")
    for place in filter(None, (out, plot)):
        claim(place, force=force, run=run, source=data or opened.manifest.data)
    which = (opened, data, split, options.data_options(data_options, None))
    asked = _by_context(*which, draws, seed) if target is None else _by_target(*which, target)
    new = prior_of(prior, asked.names, asked.shares)
    log_p, known = asked.log_posterior(new), asked.truth >= 0
    found = [] if not bool(known.any()) else [judged(opened.name, log_p[known], asked.truth[known])]
    if found and peers:
        found += _peers(asked, seed)
    table = _rows(asked, log_p)
    if out is not None:
        write(out, table, run)
    if found and plot is not None:
        write(plot, calibration_picture(found), run)
    if json:
        how = {"target": target, "prior": dict(zip(asked.names, new.tolist(), strict=True))}
        answer = {"run": str(run), "model": opened.name, **asked.to_json(), **how}
        say(jsonlib.dumps({**answer, "judged": [each.to_json() for each in found]}, indent=1))
        return
    _tell(opened, asked, found, table, out, plot)


def _tell(run: "Run", asked: "_Asked", found: "list[Judged]", table: str, out: Path | None, plot: Path | None) -> None:
    from ptheta.report.commands import command

    if out is None and not found:
        say(table.removesuffix("\n"))
    else:
        say(f"{len(asked.truth)} events of {asked.found} by {run.name}, of the classes {', '.join(asked.names[:10])}")
    for line in (*map(str, found), *asked.notes):
        say(f"  {line}")
    if out is not None:
        say(f"probabilities of each event: {out}" + (f"; how sure is right how often: {plot}" if found else ""))
    say_next(command("evaluate", run.folder))


@final
@dataclass
class _Asked:
    """What is asked: whose class, out of which, and what a model says of each.

    Args:
        names: Of the classes.
        found: The events.
        truth: Their classes where they are known, else -1, with shape (n,).
        scores: log p of each with each class, or of each given each class, with shape (n, K).
        is_joint: Whether the scores have the prior in them.
        shares: Of the classes among training events, with shape (K,); None where they are not known.
        kind: Of log p.
        notes: What is to be said of it.
        space: What an event is without its class.
        x: The events without their classes.
        train: Training events with their classes as contexts; None where they are not there.
    """

    names: tuple[str, ...]
    found: Found
    truth: "Tensor"
    scores: "Tensor"
    is_joint: bool
    shares: "Tensor | None"
    kind: str
    notes: list[str]
    space: "Space"
    x: "Tensor"
    train: "Events | None"

    def to_json(self) -> dict[str, Any]:
        """What was asked of which events, for strict JSON."""
        facts = {"data": self.found.data.name, "split": self.found.split, "kind": self.kind}
        return {**facts, "n": len(self.truth), "notes": self.notes}

    def log_posterior(self, prior: "Tensor") -> "Tensor":
        """log p(c | x) under a prior, with shape (n, K)."""
        from ptheta.applications.classify import posterior, shifted

        if not self.is_joint:
            return posterior(self.scores, prior)
        even = torch.ones(len(self.names), dtype=torch.float64)
        own = posterior(self.scores, even)
        if self.shares is None or torch.equal(prior, self.shares):
            return own
        return shifted(own, self.shares, prior)


def _by_context(
    run: "Run", data: str | None, split: Split | None, chosen: dict[str, Any], draws: int, seed: int
) -> _Asked:
    """p(c | x) from p(x | c)."""
    from ptheta.applications.classify import class_scores, classes_of
    from ptheta.noise import Noise

    names = classes_of(run.model)
    try:
        found = find_events(run, data, split, chosen)
    except ValueError as error:
        if data is None:
            raise
        try:
            found = find_events(run, data, split, chosen, labelled=False)
        except ValueError:
            raise error from None
    events = found.events.loaded()
    values, kind = class_scores(run.model, events.x, draws=draws, noise=Noise(seed))
    notes = []
    if kind != "exact":
        notes.append(
            f"The scores are each a {kind} of log p(event | class), not log p: gaps that differ from class to class "
            "can reorder the classes."
        )
    contexts = run.contexts()
    shares = torch.bincount(contexts.long(), minlength=len(names)).double() / len(contexts)
    truth = torch.full((len(events),), -1) if events.context is None else events.context.long()
    train = _own(run, notes)
    part = None if train is None else train.train.loaded()
    return _Asked(names, found, truth, values, False, shares, kind, notes, run.model.space, events.x, part)


def _by_target(run: "Run", data: str | None, split: Split | None, chosen: dict[str, Any], target: str) -> _Asked:
    """p(column | others) from p(row)."""
    from ptheta.applications.classify import target_of, target_scores
    from ptheta.data.dataset import Events
    from ptheta.spaces import Table

    space = run.model.space
    k, names = target_of(space, target)
    try:
        found = find_events(run, data, split, chosen)
        x = found.events.loaded().x
    except ValueError as error:
        if not isinstance(space, Table) or not str(error).endswith(f"it has no {target}."):
            raise
        found = find_events(run, data, split, chosen, space=space.without(target))
        others = found.events.loaded().x
        x = torch.cat([others[:, :k], others.new_full((len(others), 1), torch.nan), others[:, k:]], 1)
    values, notes = target_scores(run.model, x, k, len(names)), []
    cells = space.cells(x)[:, k].double()
    truth = torch.where(cells.isnan(), -1, cells.nan_to_num()).long()
    rest = [i for i in range(space.dimensions) if i != k]
    kept = tuple(space.columns[i] for i in rest if space.columns)
    smaller = space.without(target) if isinstance(space, Table) else (
        replace(cast("Any", space), shape=(len(rest),), columns=kept)
    )  # fmt: skip
    own, train, shares = _own(run, notes), None, None
    if own is not None:
        rows = own.train.loaded().x
        seen = rows[~rows[:, k].isnan()] if rows.is_floating_point() else rows
        train = Events(seen[:, rest], seen[:, k].long())
        shares = torch.bincount(seen[:, k].long(), minlength=len(names)).double() / len(seen)
    return _Asked(names, found, truth, values, True, shares, "exact", notes, smaller, x[:, rest], train)


def _own(run: "Run", notes: list[str]) -> "Dataset | None":
    """What the run was fitted on, where it is still there."""
    try:
        return run.data().adopted(run.model.space, run.model.context_space)
    except (ValueError, FileNotFoundError) as error:
        notes.append(f"No classifiers of scikit-learn stand beside: {error}")
        return None


def _peers(asked: _Asked, seed: int) -> "list[Judged]":
    """Classifiers of scikit-learn, and the class met most often."""
    from ptheta.applications.classify import judged, peers, some_for_peers

    known = asked.truth >= 0
    if asked.train is None or asked.shares is None:
        return []
    most = asked.shares.log().expand(int(known.sum()), -1)
    found = [judged("as often as trained", most, asked.truth[known])]
    train = some_for_peers(asked.train, asked.space, len(asked.names))
    if len(train) < len(asked.train):
        asked.notes.append(f"The classifiers of scikit-learn saw {len(train)} of {len(asked.train)} training events.")
    try:
        others = peers(asked.space, train, asked.x[known], len(asked.names), seed=seed)
    except ValueError as error:
        asked.notes.append(f"No classifiers of scikit-learn stand beside: {error}")
        return found
    return [*found, *(judged(name, log_p, asked.truth[known]) for name, log_p in others.items())]


def _rows(asked: _Asked, log_p: "Tensor") -> str:
    """A line of csv per event: its row or file, its class where known, the likeliest, and all probabilities."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    head = "file" if asked.found.data.sources else "row"
    writer.writerow([head, "class", "guess", *(f"p({name})" for name in asked.names)])
    guess = log_p.argmax(1).tolist()
    for row, truth, best, p in zip(asked.found.rows, asked.truth.tolist(), guess, log_p.exp().tolist(), strict=True):
        known = "" if truth < 0 else asked.names[truth]
        writer.writerow([row, known, asked.names[best], *(f"{value:.6g}" for value in p)])
    return table.getvalue()
