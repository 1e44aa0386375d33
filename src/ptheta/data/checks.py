"""What numbers are, found by looking at all of them once, piece by piece; and notes on what may surprise."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

__all__ = ["Facts", "facts_of", "real_events", "require_reals"]

FEW = 20  # values; of no more a density can make spikes
WIDE = 1000  # columns; of more nothing is said one by one
HEAD = 5000  # rows, of which most columns show that they take many values


@final
@dataclass
class Facts:
    """What whole numbers are.

    Args:
        low: The least.
        top: The largest.
        extremes_only: Whether all are 0 or 255.
        first_negative: Where the first below zero stands.
    """

    low: int
    top: int
    extremes_only: bool
    first_negative: tuple[int, ...] = ()


def facts_of(pieces: Iterable[np.ndarray]) -> Facts:
    """Looks at whole numbers.

    Args:
        pieces: The rows in order.

    Returns:
        What they are.
    """
    found, row = Facts(0, 0, True), 0
    for piece in pieces:
        low, top = int(piece.min()), int(piece.max())
        if low < 0 and found.low >= 0:
            first = np.argwhere(piece < 0)[0]
            found.low, found.first_negative = int(piece[tuple(first)]), (int(first[0]) + row, *map(int, first[1:]))
        found.top = max(found.top, top)
        found.extremes_only = found.extremes_only and bool(((piece == 0) | (piece == 255)).all())
        row += len(piece)
    return found


def real_events(values: np.ndarray, columns: Sequence[str], what: str, notes: list[str]) -> np.ndarray:
    """Checks real numbers (n, D), says in notes what may surprise, and rounds them to float32.

    Args:
        values: The numbers.
        columns: Names of the columns, or empty for numbers from 0.
        what: Where they are from, for sentences.
        notes: Collects sentences.

    Returns:
        The same as float32.
    """
    require_reals([values], columns, what, notes)
    return values.astype(np.float32)


def require_reals(pieces: Iterable[np.ndarray], columns: Sequence[str], what: str, notes: list[str]) -> None:
    """Raises ValueError unless all numbers are finite in float32, and says in notes what may surprise of them.

    Args:
        pieces: The rows in order, each piece with shape (n, ...).
        columns: Names of the columns, or empty for numbers from 0.
        what: Where they are from, for sentences.
        notes: Collects sentences.
    """
    seen = _Reals()
    for piece in pieces:
        seen.add(piece.reshape(len(piece), -1))
    if seen.bad:
        row, column = seen.first_bad
        name = columns[column] if columns else str(column)
        raise ValueError(
            f"{what} has {seen.bad} of {seen.rows * seen.width} numbers that are NaN, infinite or too large for "
            f"float32, the first in row {row}, column {name} (rows count from 0): fill or remove those rows."
        )
    notes.extend(seen.notes(columns))


@final
@dataclass
class _Reals:
    """What was found of reals so far."""

    rows: int = 0
    width: int = 0
    bad: int = 0
    first_bad: tuple[int, int] = (0, 0)
    low: float = np.inf
    top: float = -np.inf
    whole: bool = True
    values: dict[int, np.ndarray] = field(default_factory=dict)  # of columns that take few
    lost: np.ndarray | None = None  # the largest rounding error of each column
    moments: tuple[np.ndarray, np.ndarray] | None = None  # the mean and the squares about it

    def add(self, x: np.ndarray) -> None:
        """Looks at rows with shape (n, D)."""
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = x.astype(np.float32)
        finite = np.isfinite(rounded)
        if not finite.all():
            if not self.bad:
                row, column = (int(i) for i in np.argwhere(~finite)[0])
                self.first_bad = row + self.rows, column
            self.bad += int((~finite).sum())
        self.rows, self.width = self.rows + len(x), x.shape[1]
        if self.bad:
            return
        self.low, self.top = min(self.low, float(x.min())), max(self.top, float(x.max()))
        self.whole = self.whole and bool((x == np.round(x)).all())
        if self.width <= WIDE:
            self._look_at_columns(x, rounded)

    def _look_at_columns(self, x: np.ndarray, rounded: np.ndarray) -> None:
        before = self.rows - len(x)
        if not before:
            self.values = {k: np.empty(0, x.dtype) for k in range(self.width)}
        for rows in (x[:HEAD], x[HEAD:]):
            for k in list(self.values):
                self.values[k] = np.union1d(self.values[k], rows[:, k])
                if len(self.values[k]) > FEW:
                    del self.values[k]
        lost = np.abs(x - rounded).max(0)
        mean = x.mean(0, dtype=np.float64)
        squares = np.square(x - mean).sum(0, dtype=np.float64)
        if self.moments is not None and self.lost is not None:  # Chan, Golub and LeVeque (1979)
            apart = mean - self.moments[0]
            squares = squares + self.moments[1] + apart**2 * (before * len(x) / self.rows)
            mean, lost = self.moments[0] + apart * (len(x) / self.rows), np.maximum(lost, self.lost)
        self.moments, self.lost = (mean, squares), lost

    def notes(self, columns: Sequence[str]) -> list[str]:
        """Sentences on columns that a density cannot or can too easily fit, and on whole numbers."""
        names = columns or [str(k) for k in range(self.width)]
        notes = []
        if self.moments is not None and self.lost is not None:
            spread = np.sqrt(self.moments[1] / self.rows)
            constant = [k for k, values in self.values.items() if len(values) == 1]
            few = [k for k, values in self.values.items() if len(values) > 1 and self.rows >= 100]
            lost = [k for k in range(self.width) if self.lost[k] > 1e-3 * spread[k] and k not in constant]
            for found, sentence in (
                (constant, "are constant: a density there has no finite value"),
                (
                    few,
                    f"take {FEW} values or fewer: a density can grow without bound there, so think of leaving them out",
                ),
                (lost, "lose digits in float32: subtract an offset"),
            ):
                if found:
                    listed = ", ".join(names[k] for k in found[:10]) + (", ..." if len(found) > 10 else "")
                    notes.append(f"Columns that {sentence}: {listed}.")
        if self.whole:
            bytes_ = self.low >= 0 and self.top <= 255
            other = "a uint8 .npy file would make them levels" if bytes_ else "an int64 .npy file symbols"
            other = other if self.low >= 0 else "levels and symbols start at 0"
            run = f"{int(self.low)} to {int(self.top)}"
            notes.append(f"All numbers are whole ({run}) and were read as reals all the same; {other}.")
        return notes
