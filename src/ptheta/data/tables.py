"""A table of numbers as events: .csv and .tsv.

Cells are separated by a comma, a semicolon or a tab, whichever the first line has; a first line without a number is a
header. All cells 0 or 1 make ``Binary``, other numbers ``Real``. A text among numbers, a line of another length, or a
missing value is refused with its line and column; nothing is filled in or dropped in silence.
"""

import csv
import io
from pathlib import Path

import numpy as np
import torch

from ptheta.data.arrays import label_events, real_events
from ptheta.data.dataset import Dataset, Events, split_events
from ptheta.data.unpack import most_bytes, read_bytes
from ptheta.spaces import Binary, Real

__all__ = ["read_table"]

_MISSING = {"", "na", "nan", "n/a", "null", "none", "?", "-"}


def read_table(
    path: Path, *, label: str | int | None = None, valid: float = 0.1, test: float = 0.1, seed: int = 0
) -> Dataset:
    """Reads a .csv or .tsv file of numbers.

    Args:
        path: The file.
        label: The column, by name or by number from 1, that is the context of the others; None if there is none.
        valid: The fraction to choose on.
        test: The fraction to report on.
        seed: Names the split.

    Returns:
        Events of ``Binary((columns,))`` or ``Real((columns,))``.
    """
    rows, lines = _rows(path)
    notes: list[str] = []
    columns = _header(rows, lines, notes)
    if not rows:
        raise ValueError(f"{path} has a header but no rows of numbers.")
    context, context_space, names = None, None, ()
    if label is not None:
        k = _column(path, columns, label)
        texts = np.array([row.pop(k).strip() for row in rows])
        name = columns.pop(k)
        context, context_space, names = label_events(texts, f"the column {name} of {path}")
        if len(names) > max(2, len(rows) // 2):
            raise ValueError(f"the label {name} of {path} has {len(names)} values in {len(rows)} rows: not classes.")
    if not columns:
        raise ValueError(f"{path} has no columns of numbers beside the label.")
    values = _numbers(path, rows, lines, columns)
    binary = bool(((values == 0) | (values == 1)).all())
    x = torch.from_numpy(values.astype(np.uint8) if binary else real_events(values, columns, str(path), notes))
    splits = split_events(Events(x, context), valid=valid, test=test, seed=seed)
    notes.append(f"Split at random with seed {seed} into {' / '.join(str(len(s)) for s in splits)} events.")
    space = Binary((len(columns),)) if binary else Real.standardising(splits[0].x)
    about = f"The table {path.name}, columns {', '.join(columns[:20])}{', ...' if len(columns) > 20 else ''}."
    return Dataset(path.stem, space, *splits, context_space, about, tuple(notes), names)


def _rows(path: Path) -> tuple[list[list[str]], list[int]]:
    """The cells of every line that is not blank, all of one length, and the numbers of the lines."""
    try:
        text = read_bytes(path, most_bytes() // 12).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    first = next((line for line in text.splitlines() if line.strip()), None)
    if first is None:
        raise ValueError(f"{path} is empty.")
    delimiter = next((d for d in "\t;," if d in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                rows.append(row)
                lines.append(reader.line_num)
                if len(row) != len(rows[0]):
                    raise ValueError(
                        f"line {reader.line_num} of {path} has {len(row)} cells, but line {lines[0]} has "
                        f"{len(rows[0])} (separated by {delimiter!r})."
                    )
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} of {path} is not a line of a table ({error}).") from error
    if not rows:
        raise ValueError(f"{path} is empty but for quotation marks.")
    return rows, lines


def _header(rows: list[list[str]], lines: list[int], notes: list[str]) -> list[str]:
    """Takes the header off, where there is one, and names the columns."""
    if any(_is_number(cell) or cell.strip().lower() in _MISSING for cell in rows[0]):
        notes.append("The first line has numbers, so the table has no header: columns are called 1, 2, ...")
        return [str(k + 1) for k in range(len(rows[0]))]
    lines.pop(0)
    return [cell.strip() for cell in rows.pop(0)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(path: Path, columns: list[str], label: str | int) -> int:
    if str(label) in columns:
        return columns.index(str(label))
    if str(label).isdecimal() and 1 <= int(label) <= len(columns):
        return int(label) - 1
    raise ValueError(f"{path} has no column {label}: its columns are {', '.join(columns[:20])}.")


def _numbers(path: Path, rows: list[list[str]], lines: list[int], columns: list[str]) -> np.ndarray:
    """The cells as float64, or a sentence about the first that is not a number."""
    try:
        values = np.array([[float(cell) for cell in row] for row in rows])
        if not np.isnan(values).any():
            return values
    except ValueError:
        pass  # said below, with its place
    missing: list[str] = []
    for row, line in zip(rows, lines, strict=True):
        for cell, column in zip(row, columns, strict=True):
            if cell.strip().lower() in _MISSING:
                missing.append(f"line {line}, column {column}")
            elif not _is_number(cell):
                raise ValueError(
                    f"line {line} of {path} has the text {cell.strip()[:40]!r} in the column {column}, where a number "
                    f"should be: {_remedy(cell, column)}."
                )
    raise ValueError(
        f"{path} has {len(missing)} missing values in {len(rows) * len(columns)} cells, the first in {missing[0]}: "
        "fill them in, or remove those rows or columns."
    )


def _remedy(cell: str, column: str) -> str:
    """What to do about a cell that is not a number."""
    if cell.replace(",", "", 1).strip().lstrip("-").isdecimal():
        return "write decimals with a point"
    if all(map(_is_number, cell.split())):
        return "separate the columns by commas, semicolons or tabs"
    return f"remove the column, or give label={column!r} if it holds classes"
