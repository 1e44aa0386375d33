"""Tables: rows of columns of different kinds, some cells blank.

An event is a row: D float64 numbers, one per column, NaN where a cell is blank. What a cell is, how it is written and
what its likelihood is measured in, its ``Column`` says. log p of a row is with respect to the product of its columns'
measures: counting measure on whole numbers, codes and blanks, Lebesgue measure on numbers, in the column's own unit.

Networks see a row as (D, W) numbers, W the most that any column takes: outcomes one-hot (names, levels, rest, blank)
and in the last place asinh of the standardised number, 0 where there is none: near the mean the number itself, far out
its logarithm, so that no row is out of reach.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from ptheta.spaces.column import Column
from ptheta.spaces.space import Space, some

__all__ = ["Dialect", "Table"]

FARTHEST = 30.0  # of embedded numbers: 5e12 standard deviations


@final
@dataclass(frozen=True)
class Dialect:
    """How the file of a table is written.

    Args:
        separator: What stands between cells.
        decimal: What stands before decimals.
        header: Whether the first line names the columns.
        quotes: Which cells stand in quotation marks: those that need it, all, or all that are no numbers.
        newline: What ends a line.
        encoding: How text becomes bytes.
    """

    separator: str = ","
    decimal: Literal[".", ","] = "."
    header: bool = True
    quotes: Literal["needed", "all", "words"] = "needed"
    newline: str = "\n"
    encoding: str = "utf-8"

    def write(self, names: Sequence[str], cells: Sequence[Sequence[str]], is_number: Sequence[bool]) -> str:
        """The text of a file.

        Args:
            names: The header.
            cells: The texts of each column.
            is_number: Which columns are numbers.

        Returns:
            One line per row.
        """
        columns = [
            [text.replace(".", ",") for text in column] if number and self.decimal == "," else list(column)
            for column, number in zip(cells, is_number, strict=True)
        ]
        if self.quotes != "needed":
            columns = [
                column if number and self.quotes == "words" else [quoted(text) for text in column]
                for column, number in zip(columns, is_number, strict=True)
            ]
            head = [quoted(name) for name in names]
        else:
            columns = [[self._as_needed(text) for text in column] for column in columns]
            head = [self._as_needed(name) for name in names]
        if len(columns) == 1:
            columns = [[text or '""' for text in columns[0]]]  # a line without a character is no row
        lines = [self.separator.join(head)] if self.header else []
        lines += [self.separator.join(row) for row in zip(*columns, strict=True)]
        return self.newline.join([*lines, ""])

    def _as_needed(self, text: str) -> str:
        needed = self.separator.strip(" ") in text or '"' in text or "\n" in text or "\r" in text
        return quoted(text) if needed or text != text.strip() else text


def quoted(text: str) -> str:
    """A text in quotation marks."""
    return '"' + text.replace('"', '""') + '"'


@final
@dataclass(frozen=True)
class Table(Space):
    """Rows of a table.

    Args:
        fields: The columns, in order.
        dialect: How the file it was read from is written; samples are written like it.
    """

    fields: tuple[Column, ...]
    dialect: Dialect = field(default=Dialect(), compare=False, repr=False)
    shape: tuple[int, ...] = field(init=False, repr=False)
    columns: tuple[str, ...] = field(init=False, repr=False)
    kind: ClassVar[str] = "table"
    dtype: ClassVar[torch.dtype] = torch.float64

    def __post_init__(self) -> None:
        made = tuple(f if isinstance(f, Column) else Column(**f) for f in self.fields)
        object.__setattr__(self, "fields", made)
        if isinstance(self.dialect, dict):
            object.__setattr__(self, "dialect", Dialect(**self.dialect))
        names = tuple(f.name for f in made)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a Table should have columns, each with a name of its own, but they are {some(names)}.")
        object.__setattr__(self, "shape", (len(names),))
        object.__setattr__(self, "columns", names)

    def __str__(self) -> str:
        counts = Counter(f.kind for f in self.fields)
        return f"Table({len(self.fields)} columns: {', '.join(f'{n} {kind}' for kind, n in sorted(counts.items()))})"

    @property
    def is_discrete(self) -> bool:
        return all(f.kind != "number" for f in self.fields)

    @property
    def measure(self) -> str:
        """What log p is with respect to, in words."""
        reals = [f.name for f in self.fields if f.kind == "number"]
        if not reals:
            return "a probability: all columns are counted"
        counted = len(self.fields) - len(reals)
        return f"a density per unit of {some(reals)}" + (f", a probability on {counted} others" if counted else "")

    @property
    def embedded_shape(self) -> tuple[int, ...]:
        return (*self.shape, max(f.outcomes for f in self.fields) + 1)

    def outcomes(self, x: Tensor) -> Tensor:
        """The outcome of each cell of rows (B, D), int64 with shape (B, D)."""
        return torch.stack([f.outcome(x[:, d]) for d, f in enumerate(self.fields)], 1)

    def standardised(self, x: Tensor) -> Tensor:
        """The numbers of rows (B, D) in standard units, 0 where a cell is blank or a code, with shape (B, D)."""
        mean = x.new_tensor([f.mean for f in self.fields])
        scale = x.new_tensor([f.scale if f.is_number else torch.inf for f in self.fields])
        return ((x - mean) / scale).nan_to_num(0.0)

    def embed(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        width = self.embedded_shape[-1]
        hot = torch.nn.functional.one_hot(self.outcomes(x), width).to(dtype or torch.get_default_dtype())
        hot[..., -1] = self.standardised(x).asinh().to(hot.dtype)
        return hot

    def points(self, x: Tensor) -> Tensor:
        """Rows (n, D) as points (n, W), of which those that are alike are near: float64.

        A number is in standard units. Two names that differ are as far apart as numbers that differ by a deviation,
        and so are a blank cell and one that is not.
        """
        parts = [x.new_zeros(len(x), 0).double()]
        codes, values = self.outcomes(x), self.standardised(x).double()
        for d, f in enumerate(self.fields):
            if f.is_number:
                parts.append(values[:, d, None])
                parts += [] if f.blank is None else [x[:, d, None].isnan().double()]
            elif f.outcomes > 1:
                parts.append(torch.nn.functional.one_hot(codes[:, d], f.outcomes).double() * 0.5**0.5)
        return torch.cat(parts, 1)

    def without(self, column: str) -> "Table":
        """The same table without one column."""
        return Table(tuple(f for f in self.fields if f.name != column), self.dialect)

    def embed_column(self, d: int, cells: Tensor, dtype: torch.dtype) -> Tensor:
        """What networks see of the cells (B,) of column d alone, with shape (B, W)."""
        f = self.fields[d]
        hot = torch.nn.functional.one_hot(f.outcome(cells), self.embedded_shape[-1]).to(dtype)
        if f.is_number:
            hot[..., -1] = ((cells - f.mean) / f.scale).nan_to_num(0.0).asinh().to(dtype)
        return hot

    def reordered(self, order: Sequence[int]) -> "Table":
        """The same columns in another order."""
        return Table(tuple(self.fields[d] for d in order), self.dialect)

    def project(self, y: Tensor) -> Tensor:
        columns = []
        for d, f in enumerate(self.fields):
            code = y[:, d, : f.outcomes].argmax(-1)
            value = code.double()
            if f.is_number:
                value = y[:, d, -1].double().clamp(-FARTHEST, FARTHEST).sinh() * f.scale + f.mean
                value = value.round() if f.kind == "whole" else value
                if f.levels:
                    levels = torch.tensor((*f.levels, 0), dtype=torch.float64, device=y.device)
                    value = torch.where(code < f.rest, levels[code.clamp(max=f.rest)], value)
            columns.append(torch.where(code == f.outcomes - 1, torch.nan, value) if f.blank is not None else value)
        return torch.stack(columns, 1)

    def range_error(self, x: Tensor) -> str | None:
        return next((fault for d, f in enumerate(self.fields) if (fault := f.fault(x[:, d].double()))), None)

    def unlike(self, other: Space) -> str | None:
        if isinstance(other, Table) and other.columns == self.columns:
            strange = [f.name for f, g in zip(self.fields, other.fields, strict=True) if f != g]
            return f"their columns {some(strange)} are of other kinds" if strange else None
        return super().unlike(other)

    def adopt(self, x: Tensor, other: Space) -> Tensor:
        if not isinstance(other, Table):
            return super().adopt(x, other)
        if missing := [name for name in self.columns if name not in other.columns]:
            raise ValueError(f"expected the columns {some(self.columns)}, but there is no {some(missing)}.")
        columns = [_recoded(f, other.fields[k], x[:, k]) for f in self.fields for k in (other.columns.index(f.name),)]
        return torch.stack(columns, 1)

    def standardising(self, x: Tensor) -> "Table":
        """The same table with the mean and scale of each column of numbers in rows (n, D); constants get scale 1."""
        made = []
        for d, f in enumerate(self.fields):
            seen = x[:, d][~x[:, d].isnan()]
            if f.is_number and len(seen):
                mean, scale = float(seen.mean()), float(seen.std(correction=0))
                scale = scale if scale > 1e-12 * float(seen.abs().max()) else 1.0
                f = replace(f, mean=float(f"{mean:.9g}"), scale=float(f"{scale:.9g}"))
            made.append(f)
        return Table(tuple(made), self.dialect)

    def texts(self, x: Tensor) -> list[list[str]]:
        """The cells of rows (n, D) as they are written, column by column."""
        return [f.texts(x[:, d]) for d, f in enumerate(self.fields)]

    def to_csv(self, x: Tensor) -> str:
        """Rows (n, D) as the text of a file in the table's own dialect."""
        bare = [f.is_number and not f.date for f in self.fields]
        return self.dialect.write(self.columns, self.texts(x), bare)

    def write(self, event: Tensor) -> str:
        cells = self.texts(event[None])
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(
            f"{name}={c[0]}" for name, c in zip(self.columns, cells, strict=True)
        )
        return line.getvalue().removesuffix("\n")

    def read(self, word: str, what: str) -> Tensor:
        parts = next(csv.reader(io.StringIO(word, newline=""), skipinitialspace=True), [])
        pairs = [part.partition("=") for part in parts]
        named = all(equals and name.strip() in self.columns for name, equals, _ in pairs)
        cells = (
            {name.strip(): value for name, _, value in pairs} if named else dict(zip(self.columns, parts, strict=False))
        )
        if len(parts) != self.dimensions or len(cells) != self.dimensions:
            raise ValueError(f"{what} should have the {self.dimensions} cells {some(self.columns)}: {word[:80]!r}.")
        event = torch.tensor([f.cell(cells[f.name]) for f in self.fields], dtype=self.dtype)
        self.check(event[None], what)
        return event

    def to_json(self) -> dict[str, Any]:
        dialect = {k: getattr(self.dialect, k) for k in self.dialect.__dataclass_fields__}
        return {"kind": self.kind, "fields": [f.to_json() for f in self.fields], "dialect": dialect}


def _recoded(f: Column, g: Column, cells: Tensor) -> Tensor:
    """Cells of a column ``g`` as cells of the column ``f`` of the same name."""
    if f.is_number and g.is_number and bool(f.date) == bool(g.date) and f.has_time == g.has_time:
        if f.kind == "number":
            return g.values(cells)
        steps = g.values(cells) * 10**f.digits
        return torch.where((steps - steps.round()).abs() < 1e-6, steps.round(), steps)
    if f.is_number != g.is_number:
        try:
            return torch.tensor([f.cell(text) if text else torch.nan for text in g.texts(cells)], dtype=cells.dtype)
        except ValueError as error:
            raise ValueError(f"expected other cells: {error}") from None
    place = torch.tensor([*(f.names.index(n) if n in f.names else -1 for n in g.names), -2], dtype=cells.dtype)
    found = place[torch.where(cells.isnan(), len(g.names), cells.nan_to_num()).long()]
    if bool((found == -1).any()):
        strange = [g.names[i] for i in cells[found == -1].unique().long().tolist()]
        raise ValueError(f"the column {f.name} has categories that were never seen in training: {some(strange)}.")
    return torch.where(found == -2, torch.nan, found)
