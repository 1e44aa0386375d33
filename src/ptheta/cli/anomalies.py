"""``ptheta anomalies``: which events are odd, and which of their cells."""

import csv
import io
import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.events import Found, Split, find_events
from ptheta.cli.outputs import claim, write
from ptheta.cli.train import say, say_next

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.applications.anomalies import Detector, Oddness
    from ptheta.data.dataset import Dataset
    from ptheta.runs import Run

__all__ = ["anomalies"]

By = Literal["likelihood", "ratio", "compressor", "typicality", "oddest-cell"]
SHOWN = 5  # odd events on the screen
MOST = 20_000  # training events, whose mean score typicality needs
ALONE = (
    "Likelihood alone is no anomaly detector: simple events can be likelier than any ordinary one (Nalisnick et al., "
    "2019). Compare it with the ratio to independent variables and to a compressor; --labels ranks them where some "
    "odd events are known."
)


def anomalies(
    run: Positional[Path],
    data: str | None = None,
    split: Split | None = None,
    data_options: tuple[str, ...] = (),
    by: By = "likelihood",
    false_alarms: float = 0.01,
    labels: str | None = None,
    out: Path | None = None,
    cells: bool = True,
    draws: int = 4,
    seed: int = 0,
    json: bool = False,
    force: bool = False,
) -> None:
    """Finds odd events, and the cells that make them odd, by several scores of a model of ordinary events.

    The threshold is what the stated share of the run's own validation events would pass.

    Args:
        run: The run folder.
        data: A data set or a path, read as the run's own data were; by default what the run was fitted on.
        split: train, valid, test or all; by default all events of a file, the test split of a named set and of the
            run's own data.
        data_options: Options of --data, where they differ from the run's.
        by: Which score calls events odd; the file has all of them.
        false_alarms: The share of ordinary events that may be called odd.
        labels: A column of the file that --data names, which says in two words which rows are odd: all scores are
            ranked by how well they tell them.
        out: A csv file for the scores of each event and each of its cells.
        cells: Whether each cell is scored too.
        draws: Of a bound, how many draws per event.
        seed: Names the draws.
        json: Prints one JSON object instead of a table.
        force: Replaces a file that is there.
    """
    from ptheta.applications.anomalies import ranked, surpasses, threshold
    from ptheta.runs import open_run

    opened = open_run(run)
    if out is not None:
        claim(out, force=force, run=run, source=data or opened.manifest.data)
    chosen = options.data_options(data_options, None)
    found = find_events(opened, data, split, chosen)
    odd = None if labels is None else _labelled(opened, found, data, chosen, labels)
    name, notes = by.replace("-", " "), [ALONE]
    ordinary, oddness = _scored(opened, found, cells, name, draws, seed, notes)
    limit = threshold(ordinary.scores[name], false_alarms)
    is_odd = surpasses(oddness.scores[name], limit)
    ranks = [] if odd is None else ranked(oddness.scores, odd)
    if out is not None:
        write(out, _rows(found, oddness, is_odd), run)
    answer = {
        "run": str(run), "model": opened.name, "data": found.data.name, "split": found.split, "kind": oddness.kind,
        "n": len(is_odd), "by": by, "false_alarms": false_alarms, "threshold": limit, "n_odd": int(is_odd.sum()),
        "cells": oddness.given, "ranked": [each.to_json() for each in ranks], "notes": notes,
    }  # fmt: skip
    if json:
        say(jsonlib.dumps(answer, indent=1))
        return
    _tell(answer, found, (*_oddest(found, oddness, oddness.scores[name], is_odd), *map(str, ranks), *notes), out)


def _tell(answer: dict[str, Any], found: Found, lines: tuple[str, ...], out: Path | None) -> None:
    """Says how many events are odd, what else was found, where it is written, and what one may do next."""
    from ptheta.report.commands import command

    by, limit, alarms = (answer[key] for key in ("by", "threshold", "false_alarms"))
    passed = f"above {limit:.2f} nats, which {alarms:g} of ordinary events pass"
    say(f"{answer['n_odd']} of {answer['n']} events of {found} are odd by {by}: {passed}")
    for line in lines:
        say(f"  {line}")
    if out is not None:
        say(f"scores of each event{' and cell' if answer['cells'] is not None else ''}: {out}")
    say_next(command("evaluate", Path(answer["run"])))


def _scored(
    run: "Run", found: Found, cells: bool, name: str, draws: int, seed: int, notes: list[str]
) -> "tuple[Oddness, Oddness]":
    """How odd the run's own validation events are, and those that were asked for."""
    own = run.data().adopted(run.model.space, run.model.context_space)
    if not len(own.valid):
        raise ValueError(f"{run.folder} has no validation events to set a threshold by: fit it on data with some.")
    detector, by_cell = _detector(run, own, draws, seed, notes), name == "oddest cell"
    ordinary = detector(own.valid.loaded(), cells=by_cell)
    if name not in ordinary.scores:
        known = ", ".join(each.replace(" ", "-") for each in ordinary.scores)
        raise ValueError(f"--by {name.replace(' ', '-')} is not known of {run.name}: choose among {known}.")
    oddness = detector(found.events.loaded(), cells=cells or by_cell)
    if oddness.given == "given those before":
        notes.append("Cells are scored given those before them in the model's order: the later of two is blamed.")
    elif oddness.cells is None and cells:
        notes.append(f"{run.name} does not know its conditionals, so cells are not scored one by one.")
    return ordinary, oddness


def _labelled(run: "Run", found: Found, data: str | None, chosen: dict[str, Any], column: str) -> "Tensor":
    """Which events are odd, by a column of two words: the rarer one."""
    if data is None or found.split != "all":
        raise ValueError("--labels names a column of the file that --data names, all of whose rows are scored.")
    values, names = run.column(data, column, **chosen)
    if len(names) != 2:
        raise ValueError(f"--labels should be a column of two values, but {column} has {len(names)}.")
    counts = values.bincount(minlength=2).tolist()
    rarer = int(counts[1] <= counts[0])
    taken = f"rows whose {column} is {names[rarer]} are taken to be odd ({counts[rarer]} of {len(values)})."
    say(f"data: {taken}", error=True)
    return values == rarer


def _detector(run: "Run", own: "Dataset", draws: int, seed: int, notes: list[str]) -> "Detector":
    """The run's model, beside one of independent variables that is fitted to the same events."""
    from ptheta.applications.anomalies import Detector
    from ptheta.runs import build

    background = None
    if run.name != "independent":
        try:
            background = build("independent", own.space, own.context_space, seed=seed).model.fit(own, seed=seed)
        except ValueError as error:
            notes.append(f"No independent variables to compare with: {error}")
    return Detector(run.model, background, own.train.some(MOST).loaded(), draws=draws, seed=seed)


def _rows(found: Found, oddness: "Oddness", is_odd: "Tensor") -> str:
    """A line of csv per event: its row or file, whether it is odd, its scores, and those of its cells."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    names = _columns(found)
    parts = [score.tolist() for score in oddness.scores.values()]
    head = ["file" if found.data.sources else "row", "odd", *oddness.scores]
    if oddness.cells is not None:
        head += ["which cell", *names]
        parts += oddness.cells.T.tolist()
    writer.writerow(head)
    worst = [] if oddness.cells is None else oddness.cells.argmax(1).tolist()
    for i, (row, odd, *values) in enumerate(zip(found.rows, is_odd.tolist(), *parts, strict=True)):
        texts = [f"{value:.6g}" for value in values]
        if worst:
            texts.insert(len(oddness.scores), names[worst[i]])
        writer.writerow([row, "yes" if odd else "no", *texts])
    return table.getvalue()


def _columns(found: Found) -> list[str]:
    space = found.data.space
    return list(space.columns) or [f"x{d + 1}" for d in range(space.dimensions)]


def _oddest(found: Found, oddness: "Oddness", score: "Tensor", is_odd: "Tensor") -> list[str]:
    """The oddest events in words: the row, its score, and the cell that fits least."""
    from ptheta.spaces import Table

    names, lines, space = _columns(found), [], found.data.space
    for i in score.argsort(descending=True)[: min(SHOWN, int(is_odd.sum()))].tolist():
        line = f"{'file' if found.data.sources else 'row'} {found.rows[i]}: {float(score[i]):.2f}"
        if oddness.cells is not None:
            k = int(oddness.cells[i].argmax())
            cells = space.texts(found.events[i : i + 1].x) if isinstance(space, Table) else None
            value = "" if cells is None else f" = {cells[k][0] or 'blank'}"
            line += f", most of all {names[k]}{value} ({float(oddness.cells[i, k]):.2f} {oddness.given})"
        lines.append(line)
    return lines
