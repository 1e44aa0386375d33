"""One column of a table: what its cells are, how they are read and written, and how likelihoods see them.

    kind       a cell                                             log p is with respect to
    number     a real, in the column's own unit                   Lebesgue measure: nats of a density per unit
    whole      a count of steps of 10^-digits; of a date, days    counting measure: a mass over all whole numbers
               or seconds since 1970
    category   a code 0, 1, ... of a name                         counting measure
    ordered    the same, from least to most                       counting measure
    boolean    the same, of two names                             counting measure

A blank cell is NaN. It is an outcome of its own, with a probability, in columns that may be blank, and in no others.

Models see a cell as one of a few *outcomes*: a name, a value so common that it has a probability of its own
(``levels``), the rest of the numbers (``has_rest``, in standardised units), and blank.
"""

import math
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, final

import torch
from torch import Tensor

from ptheta.hints import did_you_mean

__all__ = ["Column", "Kind"]

Kind = Literal["number", "whole", "category", "ordered", "boolean"]
KINDS = ("number", "whole", "category", "ordered", "boolean")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_WHOLE = 2.0**53  # beyond, float64 skips whole numbers


@final
@dataclass(frozen=True)
class Column:
    """What one cell of a row is.

    Args:
        name: Its name in the header.
        kind: number, whole, category, ordered or boolean.
        names: What the codes of a category stand for, as they are written; one name makes a constant.
        blank: How a blank cell is written; None where no cell may be blank.
        digits: Of whole numbers, how many decimals one step has: with 1, cells count tenths.
        decimals: How many decimals are written; None for as few as tell the number.
        finest: Of reals, how many decimals are written at most where ``decimals`` is None; None for no end.
        date: Of dates, how they are written, as strptime has it; empty for numbers.
        least: Of whole numbers, the smallest that can be, such as 0 of counts; None where there is no end.
        levels: Of whole numbers, those so common that models give them a probability of their own, ascending.
        mean: What standardises numbers for networks.
        scale: The same.
    """

    name: str
    kind: Kind = "number"
    names: tuple[str, ...] = field(default=(), repr=False)
    blank: str | None = None
    digits: int = 0
    decimals: int | None = None
    finest: int | None = field(default=None, compare=False)
    date: str = ""
    least: int | None = field(default=None, compare=False)
    levels: tuple[int, ...] = field(default=(), compare=False, repr=False)
    mean: float = field(default=0.0, compare=False, repr=False)
    scale: float = field(default=1.0, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"the kind of the column {self.name} should be one of {', '.join(KINDS)}: {self.kind!r}.")
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "levels", tuple(sorted(int(level) for level in self.levels)))
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"the names of the column {self.name} should all be different, but some come twice.")
        if self.is_number == bool(self.names) and not (self.blank is not None and not self.is_number):
            raise ValueError(
                f"the column {self.name} of kind {self.kind} should have names if and only if it is coded."
            )
        if self.kind == "boolean" and len(self.names) != 2:
            raise ValueError(f"the boolean column {self.name} should have two names, but it has {len(self.names)}.")
        if not (math.isfinite(self.mean) and math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"the column {self.name} should have a finite mean and a positive, finite scale.")

    @property
    def is_number(self) -> bool:
        """Whether cells are numbers rather than codes of names."""
        return self.kind in ("number", "whole")

    @property
    def has_rest(self) -> bool:
        """Whether one outcome stands for all numbers without a level of their own: models say which by a margin."""
        return self.is_number

    @property
    def rest(self) -> int:
        """The outcome that stands for the other numbers."""
        return len(self.levels)

    @property
    def outcomes(self) -> int:
        """How many outcomes a cell has: names or levels, the rest of the numbers, and blank last."""
        return (len(self.levels) + 1 if self.is_number else len(self.names)) + (self.blank is not None)

    @property
    def unit(self) -> str:
        """What log p of a cell is measured in, in words."""
        if self.kind == "number":
            return "density per unit"
        if self.date:
            return "probability per day" if not self.has_time else "probability per second"
        if self.kind == "whole":
            return "probability" if not self.digits else f"probability per step of {10**-self.digits:g}"
        return "probability"

    @property
    def has_time(self) -> bool:
        """Whether a date has a time of day: cells then count seconds, else days."""
        return any(sign in self.date for sign in ("%H", "%M", "%S"))

    def outcome(self, cells: Tensor) -> Tensor:
        """The outcome of each cell, int64 with the shape of ``cells``."""
        blank = cells.isnan()
        if self.is_number:
            found = torch.full(cells.shape, self.rest, dtype=torch.int64, device=cells.device)
            if self.levels:
                levels = torch.tensor(self.levels, dtype=cells.dtype, device=cells.device)
                place = torch.searchsorted(levels, cells.nan_to_num().contiguous()).clamp(max=len(levels) - 1)
                found = torch.where(levels[place] == cells, place, found)
        else:
            found = cells.nan_to_num().long()
        return torch.where(blank, self.outcomes - 1, found)

    def fault(self, cells: Tensor) -> str | None:
        """What keeps cells (n,) from being of this column, as a phrase; None if nothing does."""
        blank = cells.isnan()
        if self.blank is None and bool(blank.any()):
            return f"the column {self.name} has {int(blank.sum())} blank cells and may have none"
        seen = cells[~blank]
        if bool(seen.isinf().any()):
            return f"the column {self.name} has infinite numbers"
        if self.kind == "number" or not len(seen):
            return None
        odd = seen[(seen != seen.round()) | (seen.abs() > MOST_WHOLE)]
        if len(odd):
            return f"the column {self.name} of whole numbers holds {float(odd[0]):g}"
        codes = max(len(self.names), 1)  # without names all cells are blank, and 0 may stand where one is open
        if self.kind != "whole" and (float(seen.min()) < 0 or float(seen.max()) >= codes):
            return f"the column {self.name} holds the code {float(seen.max()):g} and has {len(self.names)} names"
        return None

    def values(self, cells: Tensor) -> Tensor:
        """Cells in the column's own unit: counts of steps become numbers."""
        return cells / 10**self.digits if self.kind == "whole" else cells

    def texts(self, cells: Tensor) -> list[str]:
        """Cells (n,) as they are written."""
        blank = self.blank or ""
        if not self.is_number:
            names = {float(code): name for code, name in enumerate(self.names)}
            return [names.get(value, blank) for value in cells.tolist()]
        if self.date:
            return [blank if math.isnan(v) else self._moment(v) for v in cells.tolist()]
        if self.kind == "whole" and not self.digits and not self.decimals:
            return [blank if math.isnan(v) else str(int(v)) for v in cells.tolist()]
        values = self.values(cells).tolist()
        if self.decimals is not None:
            return [blank if math.isnan(v) else f"{v:.{self.decimals}f}" for v in values]
        if self.finest is not None:
            values = [round(v, self.finest) for v in values]
        return [blank if math.isnan(v) else shortest(v) for v in values]

    def cell(self, text: str) -> float:
        """The cell that a text writes. Raises ValueError, saying what was expected."""
        word = text.strip()
        if self.blank is not None and word == self.blank:
            return math.nan
        if not self.is_number:
            if word not in self.names:
                known = " ".join((", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")).split())
                near = did_you_mean(word, self.names)
                raise ValueError(f"the column {self.name} should be of {known}, but it has {word[:40]!r}.{near}")
            return float(self.names.index(word))
        try:
            if self.date:
                return self._count(word)
            return float(round(float(word) * 10**self.digits)) if self.kind == "whole" else float(word)
        except (ValueError, OverflowError):
            what = f"a date like {datetime(2026, 1, 31).strftime(self.date)}" if self.date else "a number"
            raise ValueError(f"the column {self.name} should be {what}, but it has {word[:40]!r}.") from None

    def _moment(self, count: float) -> str:
        try:
            span = timedelta(seconds=count) if self.has_time else timedelta(days=count)
            return (EPOCH + span).strftime(self.date)
        except OverflowError:
            return (datetime.max if count > 0 else datetime.min).strftime(self.date)

    def _count(self, word: str) -> float:
        span = datetime.strptime(word, self.date).replace(tzinfo=UTC) - EPOCH
        return float(span.days * 86400 + span.seconds) if self.has_time else float(span.days)

    def to_json(self) -> dict[str, Any]:
        """What builds it again: everything that is not as by default."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}


def shortest(value: float) -> str:
    """The fewest digits that tell a number, without an exponent where people write none."""
    if value == round(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    return f"{value:.20f}".rstrip("0") if "e-0" in text and abs(value) > 1e-7 else text
