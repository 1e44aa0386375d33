"""A table as events: .csv and .tsv in any dialect, .parquet, .xlsx, .jsonl, or a data frame.

What each column is, ``ptheta.data.columns`` finds out; ``types``, ``drop`` and ``missing`` correct it. Then

    all cells 0 or 1                                         ``Binary``
    numbers that take many values, no cell blank             ``Real``
    anything else                                            ``Table``

A hundred rows or more with a column of numbers that takes twenty values or fewer are a ``Table`` too, because a density
could grow without end there. Nothing is dropped, filled, cast or reordered in silence: ``Dataset.columns`` says of each
column of the file what it is and what was done with it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ptheta.data.arrays import label_events
from ptheta.data.cells import Cells, frame_cells, read_cells
from ptheta.data.checks import real_events
from ptheta.data.columns import FEW, Found, find_column, read_column
from ptheta.data.dataset import Dataset, Events, split_events
from ptheta.hints import did_you_mean
from ptheta.spaces import Binary, Real, Space, Table
from ptheta.spaces.column import Column
from ptheta.spaces.space import some

__all__ = ["frame_dataset", "named_table", "read_rows", "read_table"]

Split = tuple[float | None, float | None, int]  # valid, test, seed

ENOUGH = 100  # rows from which on few distinct values mean something


def read_table(
    path: Path,
    *,
    label: str | int | None = None,
    types: Mapping[str, str] | None = None,
    drop: str | int | None = None,
    missing: str | int | float | None = None,
    levels: Mapping[str, str] | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    sheet: str | None = None,
    like: Space | None = None,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads the file of a table.

    Args:
        path: The file: .csv, .tsv, .parquet, .xlsx, .jsonl; .csv.gz and the like.
        label: The column, by name or by number from 1, that is the context of the others; None if there is none.
        types: What columns are, by name: number, whole, category, ordered, boolean, date or text (left out).
        drop: Columns to leave out, separated by commas.
        missing: Words that mean a blank, besides the usual ones, separated by commas.
        levels: The names of ordered columns from least to most, separated by |, by the column's name.
        encoding: How its bytes are text; None finds UTF-8 and UTF-16.
        separator: What stands between cells; None finds it.
        sheet: Which sheet of an .xlsx; None takes the first.
        like: What the columns are, where that is known already: cells are read as of those columns, found by name.
        valid: The fraction to choose on.
        test: The fraction to report on.
        seed: Names the split.

    Returns:
        Events of ``Binary``, ``Real`` or ``Table``.
    """
    cells = read_cells(path, encoding=encoding, separator=separator, sheet=sheet)
    asked = {"types": types, "drop": drop, "missing": missing, "levels": levels}
    name, split = path.name.partition(".")[0] or path.stem, (valid, test, seed)
    if like is not None and like.columns:
        return _alike(cells, str(path), name, label, like, split)
    return _dataset(cells, str(path), name, label, asked, split)


def named_table(path: Path, name: str, header: Sequence[str]) -> Dataset:
    """The data set of a file without a header.

    Args:
        path: The file, with commas between cells.
        name: What to call the data set.
        header: The names of the columns.

    Returns:
        Its rows, split at random.
    """
    asked = dict.fromkeys(("types", "drop", "missing", "levels"))
    return _dataset(read_cells(path, separator=",").renamed(header), str(path), name, None, asked, (None, None, 0))  # pyright: ignore


def frame_dataset(
    frame: Any,
    *,
    name: str = "table",
    label: str | int | None = None,
    types: Mapping[str, str] | None = None,
    drop: str | int | None = None,
    missing: str | int | float | None = None,
    levels: Mapping[str, str] | None = None,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads a data frame of pandas or polars.

    Args:
        frame: The data frame.
        name: What to call it.
        label: The column that is the context of the others; None if there is none.
        types: What columns are, by name.
        drop: Columns to leave out, separated by commas.
        missing: Words that mean a blank, besides the usual ones, separated by commas.
        levels: The names of ordered columns from least to most, separated by |, by the column's name.
        valid: The fraction to choose on.
        test: The fraction to report on.
        seed: Names the split.

    Returns:
        Events of ``Binary``, ``Real`` or ``Table``.
    """
    asked = {"types": types, "drop": drop, "missing": missing, "levels": levels}
    return _dataset(frame_cells(frame, "the data frame"), "the data frame", name, label, asked, (valid, test, seed))


def read_rows(path: Path, space: Table, **reading: Any) -> Tensor:
    """Reads new rows as those of a table that is known already, matched by the names of columns.

    Args:
        path: The file.
        space: What the columns are.
        **reading: encoding, separator and sheet, as ``read_table`` takes them.

    Returns:
        Rows with shape (n, D), in the order of the file. Raises ValueError, naming line and column, where a cell is not
        of its column, or a column is not there.
    """
    return _rows(read_cells(path, **reading), space.fields, str(path))


def _rows(cells: Cells, fields: Sequence[Column], what: str) -> Tensor:
    """The cells of columns that are known, float64 with shape (n, D)."""
    if missing := [f.name for f in fields if f.name not in cells.names]:
        names = some([f.name for f in fields])
        raise ValueError(f"{what} should have the columns {names}, but it has no {some(missing)}.")
    try:
        return torch.stack([read_column(cells, cells.names.index(f.name), f) for f in fields], 1)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def _alike(cells: Cells, what: str, name: str, label: str | int | None, like: Space, split: Split) -> Dataset:
    """The data set of a table whose columns are those of a space that is known already; others are left out."""
    notes = list(cells.notes)
    x = _rows(cells, like.fields if isinstance(like, Table) else [Column(c) for c in like.columns], what)
    if isinstance(like, Real):
        x = torch.from_numpy(real_events(x.numpy(), like.columns, what, []))
    elif not isinstance(like, Table):
        odd = ~((x == x.round()) & (x >= 0) & (x < getattr(like, "n", 2)))
        if bool(odd.any()):
            row, k = (int(i) for i in odd.nonzero()[0])
            raise ValueError(f"{what} should hold {like}, but row {row} has {float(x[row, k]):g} in {like.columns[k]}.")
        x = x.to(like.dtype)
    labelled = None if label is None else _place(cells, label, what)
    left = [c for k, c in enumerate(cells.names) if c not in like.columns and k != labelled]
    if left:
        notes.append(f"Columns that the run does not know were left out: {some(left)}.")
    context, context_space = (None, None) if labelled is None else _labels(cells, labelled, what)
    valid, test, seed = split
    splits = split_events(Events(x, context), valid=valid, test=test, seed=seed)
    return Dataset(name, like, *splits, context_space, f"The table {Path(what).name}.", tuple(notes))


def _labels(cells: Cells, k: int, what: str) -> tuple[Tensor, Space]:
    return label_events(np.array(cells.columns[k].to_list()), f"the column {cells.names[k]} of {what}")


def _dataset(
    cells: Cells,
    what: str,
    name: str,
    label: str | int | None,
    asked: dict[str, Any],
    split: tuple[float | None, float | None, int],
) -> Dataset:
    """The data set of a table of texts."""
    notes, n = list(cells.notes), len(cells.columns[0])
    labelled = None if label is None else _place(cells, label, what)
    context, context_space = _context(cells, labelled, what)
    found = _found(cells, labelled, asked, what)
    kept = [f for f in found if f.column is not None]
    if not kept:
        why = "no columns of numbers beside the label" if label is not None and len(found) == 0 else (
            f"no column to model: {'; '.join(f'{f.name}: {f.done}' for f in found[:5])}"
        )  # fmt: skip
        raise ValueError(f"{what} has {why}.")
    if all(f.kind == "empty" for f in kept):
        blanks = n * len(kept)
        raise ValueError(f"{what} has {blanks} missing values in {blanks} cells: there is nothing to model.")
    x, space = _events(cells, kept, bool(asked["types"]), what, notes)
    for f in found:
        if f.column is None:
            notes.append(f"The column {f.name}: {f.done}.")
    valid, test, seed = split
    splits = split_events(Events(x, context), valid=valid, test=test, seed=seed)
    if len(splits[0]) < n:
        notes.append(f"Split at random with seed {seed} into {' / '.join(str(len(s)) for s in splits)} events.")
    if isinstance(space, Real):
        space = Real.standardising(splits[0].x, space.columns)
    elif isinstance(space, Table):
        space = space.standardising(splits[0].x)
    names = [f.name for f in kept]
    about = f"The table {Path(what).name}, columns {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}."
    said = tuple(_described(f, space) for f in found)
    return Dataset(name, space, *splits, context_space, about, tuple(notes), columns=said)


def _context(cells: Cells, k: int | None, what: str) -> tuple[Tensor | None, Space | None]:
    """The labels of each row as contexts, where there are some."""
    if k is None:
        return None, None
    context, space = _labels(cells, k, what)
    count = getattr(space, "n", 1)
    if count > max(2, len(context) // 2):
        raise ValueError(
            f"the label {cells.names[k]} of {what} has {count} values in {len(context)} rows: not classes."
        )
    return context, space


def _found(cells: Cells, labelled: int | None, asked: dict[str, Any], what: str) -> list[Found]:
    """What became of each column but the label."""
    types = {_name(cells, k, "types", what): str(v) for k, v in (asked["types"] or {}).items()}
    orders = {_name(cells, k, "levels", what): str(v).split("|") for k, v in (asked["levels"] or {}).items()}
    dropped = {_name(cells, d, "drop", what) for d in _words(asked["drop"])}
    missing, found = _words(asked["missing"]), []
    for k, name in enumerate(cells.names):
        if k == labelled:
            continue
        if name in dropped:
            found.append(Found(name, "text", None, None, "", 0.0, "left out, as asked"))
            continue
        try:
            found.append(find_column(cells, k, types.get(name), missing, orders.get(name, ())))
        except ValueError as error:
            raise ValueError(
                f"{what}: {error}" if not str(error).startswith("line") else _placed(error, what)
            ) from None
    return found


def _placed(error: ValueError, what: str) -> str:
    """line 3 has ... becomes line 3 of table.csv has ..."""
    line, space, rest = str(error).partition(" has ")
    return f"{line} of {what}{space}{rest}"


def _events(cells: Cells, kept: Sequence[Found], typed: bool, what: str, notes: list[str]) -> tuple[Tensor, Space]:
    """The rows of the columns that are modelled, and the plainest space that holds them."""
    names = [f.name for f in kept]
    columns = [f.column for f in kept if f.column is not None]
    x = torch.stack([f.cells for f in kept if f.cells is not None], 1)
    plain = not typed and not any(c.blank is not None or c.date for c in columns)
    values = _plain_numbers(kept, x) if plain else None
    if values is not None:
        named = tuple(names) if cells.dialect.header else ()
        if bool(((values == 0) | (values == 1)).all()):
            return values.to(torch.uint8), Binary((len(names),), named)
        few = [f.name for f, v in zip(kept, values.T, strict=True) if 1 < len(v.unique()) <= FEW]
        if len(x) < ENOUGH or not few:
            reals = real_events(values.numpy(), names, what, notes)
            return torch.from_numpy(reals), Real((len(names),), columns=named)
    return x, Table(tuple(columns), cells.dialect)


def _plain_numbers(kept: Sequence[Found], x: Tensor) -> Tensor | None:
    """All cells as numbers, in float64, where every one is."""
    columns = []
    for f, cells in zip(kept, x.T, strict=True):
        assert f.column is not None
        if f.column.is_number:
            columns.append(f.column.values(cells))
            continue
        try:
            names = torch.tensor([float(name) for name in f.column.names], dtype=torch.float64)
        except ValueError:
            return None
        columns.append(names[cells.long()])
    return torch.stack(columns, 1)


def _described(f: Found, space: Space) -> dict[str, Any]:
    """A line about a column, for people and for JSON."""
    unit = f.column.unit if isinstance(space, Table) and f.column is not None and f.kind != "constant" else ""
    return {"name": f.name, "kind": f.kind, "holds": f.about, "blank": f.blank, "unit": unit, "done": f.done}


def _words(asked: str | int | float | Sequence[str] | None) -> list[str]:
    if asked is None:
        return []
    return [word.strip() for word in str(asked).split(",")] if isinstance(asked, str | int | float) else list(asked)


def _place(cells: Cells, which: str | int, what: str) -> int:
    if str(which) in cells.names:
        return cells.names.index(str(which))
    if str(which).isdecimal() and 1 <= int(which) <= len(cells.names):
        return int(which) - 1
    raise ValueError(f"{what} has no column {which}: its columns are {', '.join(cells.names[:20])}.")


def _name(cells: Cells, which: str | int, option: str, what: str) -> str:
    """The column that an option names, dashes and underlines alike."""
    if str(which) in cells.names or (str(which).isdecimal() and 1 <= int(which) <= len(cells.names)):
        return cells.names[_place(cells, which, what)]
    alike = [name for name in cells.names if name.replace("-", "_") == str(which).replace("-", "_")]
    if len(alike) == 1:
        return alike[0]
    near = did_you_mean(str(which), cells.names)
    raise ValueError(f"{option} names the column {which}, which {what} does not have.{near}")
