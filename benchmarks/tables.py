"""Synthetic rows of tables, ours and SDV's, at equal processor minutes: time to fit, to draw, and what rows are worth.

    OMP_NUM_THREADS=1 python benchmarks/tables.py [--minutes 2] [--rows 0] [--table adult] [MODEL ...]

Two tables: ``adult`` (numbers, counts and categories; the income is learned) and ``power-plant`` (five numbers; the
last is learned). Every contestant gets the same training rows, one thread and seed 0. Those that train by steps get the
same processor minutes: ours by ``budget="cpu"``, validation included, SDV's by ending after the epoch in which they run
out, one at least, the fitting of transforms included. Others take what they take. All of them then draw as many rows as
they saw (``--rows`` shows them only some), and the card of ``ptheta synthesize`` judges them: margins and associations
(0 best), the area by which a judge tells rows from real ones (.5 best), and macro F1 or R2 on real rows of gradient
boosting that learned from synthetic ones. Our Gaussian copula is of numbers alone, and so left out of ``adult``.

    pip install -c constraints.txt sdv==2.0.0

SDV takes its networks from ``ctgan`` and its copula from ``copulas``, and is itself no part of anything here.

Writes benchmarks/results/tables.json, a row per model and table as soon as it is there; others keep theirs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import metadata
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ptheta.applications.synthesize import Measure, as_table
from ptheta.data import load
from ptheta.data.dataset import Dataset, Events
from ptheta.noise import Noise, seeded
from ptheta.recipes import find_recipe
from ptheta.spaces import Real, Table
from timing import RESULTS, installed, machine

TABLES = {"adult": "income", "power-plant": None}
TRAINED = ("made", "vae", "ctgan", "tabddpm")
CLOSED = ("gaussian-copula", "mixture")
THEIRS = {
    "SDV GaussianCopula": "GaussianCopulaSynthesizer",
    "SDV TVAE": "TVAESynthesizer",
    "SDV CTGAN": "CTGANSynthesizer",
}
MODELS = (
    "real, held out",
    "gaussian-copula",
    "SDV GaussianCopula",
    "mixture",
    "made",
    "vae",
    "SDV TVAE",
    "ctgan",
    "SDV CTGAN",
    "tabddpm",
)
CARD = ("margins", "associations", "told_apart", "f1", "r2", "copies", "near_train")

Draw = Callable[[int], Tensor]


def data_of(table: str, rows: int) -> Dataset:
    """A table with its splits; ``rows`` of the training set, or all of it if 0."""
    data = load(table)
    parts = [events.loaded().x.double() for events in (data.train, data.valid, data.test)]
    parts[0] = parts[0][: rows or None]
    return Dataset(data.name, as_table(data.space).standardising(parts[0]), *map(Events, parts))


def fit_ours(name: str, data: Dataset, minutes: float) -> Draw:
    space: Any = data.space
    if name == "gaussian-copula":  # of vectors of numbers, not of tables
        parts = [Events(events.x.float()) for events in (data.train, data.valid, data.test)]
        data = Dataset(data.name, Real((len(space.fields),)).standardising(parts[0].x), *parts)
    with seeded(0):
        recipe = find_recipe(name)(data.space)
    how: dict[str, Any] = {"minutes": minutes, "budget": "cpu"} if name in TRAINED else {}
    model: Any = recipe.fit(data, seed=0, **how)
    return lambda n: model.sample(n, noise=Noise(0).at("card"))


def fit_theirs(kind: str, data: Dataset, minutes: float) -> Draw:
    """A synthesizer of SDV's, of all columns as they are."""
    from joblib import parallel_config
    from sdv import single_table
    from sdv.metadata import Metadata

    space = as_table(data.space)
    columns = {f.name: {"sdtype": "numerical" if f.is_number else "categorical"} for f in space.fields}
    known = Metadata.load_from_dict({"tables": {"rows": {"columns": columns}}})
    model = getattr(single_table, kind)(known)
    np.random.seed(0)
    torch.manual_seed(0)
    end = time.process_time() + 60 * minutes
    for part in ("ctgan", "tvae"):
        sys.modules[f"ctgan.synthesizers.{part}"].tqdm = lambda epochs, disable: until(end, epochs)  # type: ignore[attr-defined]
    with parallel_config(backend="sequential"):  # else helpers transform columns, and their seconds are not counted
        model.fit({"rows": frame(space, data.train.x)})
    return lambda n: cells(space, model.sample(n)["rows"])


def until(end: float, epochs: Any) -> Iterator[int]:
    """Epochs that begin before a moment of the processor's clock, one at least."""
    for epoch in count():
        if epoch and time.process_time() >= end:
            return
        yield epoch


def frame(space: Table, x: Tensor) -> Any:
    """Rows as a data frame, with names for codes."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for f, cell in zip(space.fields, x.double().numpy().T, strict=True):
        if f.is_number:
            columns[f.name] = cell
        else:
            columns[f.name] = [None if np.isnan(c) else f.names[int(c)] for c in cell]
    return pd.DataFrame(columns)


def cells(space: Table, rows: Any) -> Tensor:
    """Rows of a data frame as cells; of whole numbers the nearest."""
    columns = []
    for f in space.fields:
        column = rows[f.name]
        if f.is_number:
            cell = column.to_numpy(dtype="float64", na_value=np.nan)
            columns.append(np.round(cell) if f.kind == "whole" else cell)
        else:
            codes = {name: code for code, name in enumerate(f.names)}
            columns.append(np.array([codes.get(name, np.nan) for name in column], dtype="float64"))
    return torch.from_numpy(np.stack(columns, 1))


def measure(name: str, table: str, minutes: float, rows: int) -> dict[str, Any]:
    """A contestant on a table."""
    data = data_of(table, rows)
    space = as_table(data.space)
    train, test = data.train.x, data.test.x
    judge = Measure(space, train, test, TABLES[table] or space.columns[-1], 0)
    found: dict[str, Any] = {"table": table, "model": name, "minutes": minutes, "rows": len(train)}
    drawn = None
    if name != "real, held out":
        started = time.process_time()
        kind = THEIRS.get(name)
        draw = fit_theirs(kind, data, minutes) if kind else fit_ours(name, data, minutes)
        fitted = time.process_time()
        drawn = draw(judge.n).double()
        found |= {"fit seconds": round(fitted - started, 1), "draw seconds": round(time.process_time() - fitted, 2)}
    card = asdict(judge(name, drawn))
    return found | {key: round(card[key], 4) for key in CARD if card[key] is not None}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--table", action="append", choices=list(TABLES), help="one of them only")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    peers = installed("sdv")
    if peers:
        import ctgan.synthesizers.ctgan
        import ctgan.synthesizers.tvae  # noqa: F401
    place = RESULTS / "tables.json"
    kept = json.loads(place.read_text())["rows"] if place.is_file() else []
    for table in asked.table or TABLES:
        for name in asked.models or MODELS:
            if (name in THEIRS and not peers) or (name == "gaussian-copula" and table == "adult"):
                continue
            row = measure(name, table, asked.minutes, asked.rows)
            kept = [r for r in kept if (r["table"], r["model"]) != (table, name)] + [row]
            print(row, flush=True)
            versions = {one: metadata.version(one) for one in ("torch", "sdv", "ctgan", "copulas")} if peers else {}
            report = {"settings": {"threads": 1, "seed": 0}, "machine": machine(), "versions": versions, "rows": kept}
            place.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
