"""What a column of texts is: number, whole number, category, ordered, boolean, date, or nothing to model.

    all cells are numbers, all whole         whole number
    numbers with decimals                    number; where most values come again, they are counted in steps of the last
                                             decimal, because a density there could grow without end
    two words that mean yes and no, or 0, 1  boolean
    all cells are dates of one form          whole number of days, or of seconds where there is a time of day
    few texts that come again                category
    one value                                category of one name: a constant, written back and never in doubt
    texts of which most come once            free text or identifiers: left out
    row numbers, unique numbers named id     identifiers: left out

Whatever is decided is said in words beside the column, and ``types`` overrides it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, final

import numpy as np
import torch
from torch import Tensor

from ptheta.data.cells import NUMBER, Cells
from ptheta.spaces import Column

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TYPES", "Found", "find_column", "read_column"]

TYPES = ("number", "whole", "category", "ordered", "boolean", "date", "text")
BLANKS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "?", "#N/A", "n/a", "<NA>", "NAN", "Na", "na", "Null")
NUMBER_BLANKS = (*BLANKS, "-", "--", ".", "..", "none", "None", "NONE", "missing")  # among numbers also these
WORDS = ({"false", "true"}, {"no", "yes"}, {"n", "y"}, {"f", "t"}, {"0", "1"}, {"off", "on"})
FALSE = {"false", "no", "n", "f", "0", "off"}
DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y",
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%SZ",
    "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%H:%M:%S", "%H:%M",
)  # fmt: skip
ROW_NAMES = {"rownames", "row names", "rowname", "unnamed: 0"}  # what R and pandas call them
PLACES = {"index", "row", "rowid", "row_id", "column 1", "x1"}  # of row numbers, where each is that of its row
MOST_NAMES = 1000  # of a category
RANGE = 128  # whole numbers over so many values have a level each
SPIKES, COMMON = 16, 0.02  # other whole numbers have so many levels at most, for values of at least such a share
FEW = 20  # distinct values, in a table of a hundred rows or more, on which no density should stand


@final
@dataclass(frozen=True)
class Found:
    """What became of a column.

    Args:
        name: Its name.
        kind: One of ``TYPES``, or "constant", "identifier", "empty".
        column: How it is modelled; None if it is left out.
        cells: Its cells, float64 with shape (n,); None if it is left out.
        about: The range or the categories, in words.
        blank: The share of its cells that are blank.
        done: What was done with it and why, in words.
    """

    name: str
    kind: str
    column: Column | None
    cells: Tensor | None
    about: str
    blank: float
    done: str


def find_column(cells: Cells, k: int, kind: str | None, missing: Sequence[str], order: Sequence[str]) -> Found:
    """Decides what a column is.

    Args:
        cells: The table.
        k: Which column.
        kind: One of ``TYPES`` to have it so; None to find out.
        missing: Words that stand for a blank, besides the usual ones.
        order: The names of an ordered column from least to most; empty if not given.

    Returns:
        What it is. Raises ValueError, naming the cell, where it cannot be what it was asked to be, or is torn between
        numbers and text.
    """
    name, texts = cells.names[k], cells.columns[k]
    usual = BLANKS if kind in ("category", "ordered", "boolean", "text") else NUMBER_BLANKS
    wide, narrow = texts.is_in([*NUMBER_BLANKS, *missing]), texts.is_in([*BLANKS, *missing])
    is_number = texts.str.contains(NUMBER) & ~texts.str.contains(r"^[+-]?0\d")
    as_number = bool((is_number | wide).all()) and bool(is_number.any())
    blank = wide if as_number and usual is NUMBER_BLANKS else narrow
    seen = texts.filter(~blank)
    words = texts.filter(blank).value_counts(sort=True, name=" n")
    word = str(words[name][0]) if len(words) else None
    found = _decide(cells, k, kind, seen, is_number.filter(~blank), order, blank)
    share = float(blank.mean() or 0.0)  # pyright: ignore
    if found.column is None:
        return replace(found, blank=share)
    column = replace(found.column, blank=word)
    assert found.cells is not None
    whole = torch.full((len(texts),), torch.nan, dtype=torch.float64)
    whole[torch.from_numpy((~blank).to_numpy().copy())] = found.cells
    done = found.done
    if len(words) > 1:
        others = ", ".join(repr(w) for w in words[name].to_list()[1:5])
        done = _join(done, f"blanks are written {word!r}, also where they were {others}")
    elif word is not None and word not in ("", "NA"):
        done = _join(done, f"{word!r} is read as blank")
    changed = _changed(column, found.cells, seen)
    return replace(found, column=column, cells=whole, blank=share, done=_join(done, changed))


def read_column(cells: Cells, k: int, like: Column) -> Tensor:
    """The cells of a column as those of a column that is known already: of new rows for an old model.

    Args:
        cells: The table.
        k: Which column.
        like: What the cells are.

    Returns:
        Cells with shape (n,). Raises ValueError, naming the line, where one is not of that column.
    """
    texts = cells.columns[k]
    distinct = texts.unique(maintain_order=True)
    blanks = set(NUMBER_BLANKS if like.is_number else BLANKS) - set(like.names) | {like.blank or ""}
    values: dict[str, float] = {}
    for text in distinct.to_list():
        try:
            values[text] = float("nan") if text in blanks else like.cell(text)
        except ValueError as error:
            row = int((texts == text).arg_max() or 0)
            raise ValueError(f"{cells.line(row)}: {error}") from None
    return torch.tensor([values[text] for text in texts.to_list()], dtype=torch.float64)


def _decide(
    cells: Cells,
    k: int,
    kind: str | None,
    seen: "pl.Series",
    is_number: "pl.Series",
    order: Sequence[str],
    blank: "pl.Series",
) -> Found:
    """What the cells that are not blank are."""
    name, n = cells.names[k], len(seen)
    if kind is not None and kind not in TYPES:
        raise ValueError(f"types.{name} should be one of {', '.join(TYPES)}, but it is {kind!r}.")
    if kind == "text":
        return _left_out(name, "text", seen, "left out, as asked")
    distinct = seen.unique()
    if not n:
        column = Column(name, "category", (), blank="")
        return Found(
            name, "empty", column, torch.zeros(0, dtype=torch.float64), "", 1.0, "all cells are blank: kept so"
        )
    order = order or cells.orders.get(name, ())
    if kind in ("category", "ordered", "boolean") or (kind is None and order):
        return _named(name, kind or "ordered", seen, order)
    if len(distinct) == 1 and kind is None:
        found = _named(name, "category", seen, ())
        return found if bool(blank.any()) else replace(found, kind="constant", done="constant: written back as it is")
    if kind == "date" or (kind is None and not bool(is_number.any())):
        dated = _dated(name, seen, distinct)
        if dated is not None or kind == "date":
            if dated is None:
                raise ValueError(f"the column {name} should hold dates, but it has {seen[0][:40]!r}, of no known form.")
            return dated
    if kind in ("number", "whole") or (kind is None and bool(is_number.all())):
        if not bool(is_number.all()):
            row = _row_of(cells.columns[k], seen.filter(~is_number)[0])
            raise ValueError(
                f"{cells.line(row)} has the text {cells.columns[k][row][:40]!r} in the column {name}, which should be "
                "of numbers: mend it, or give missing= for words that mean blank."
            )
        if kind is None and {t.lower() for t in distinct.head(3).to_list()} == {"0", "1"}:
            return _named(name, "boolean", seen, ())
        rows = np.flatnonzero(~blank.to_numpy()) if k == 0 else None
        return _numbers(name, kind, seen, len(distinct), rows)
    share, few = float(is_number.mean() or 0.0), len(distinct) <= max(FEW, 0) and len(distinct) <= n / 5  # pyright: ignore
    if share >= 0.5 and not few and not bool(seen.str.contains(r"^[+-]?0\d").any()):
        row = _row_of(cells.columns[k], seen.filter(~is_number)[0])
        raise ValueError(
            f"{cells.line(row)} has the text {cells.columns[k][row][:40]!r} in the column {name}, where a number "
            f"should be: mend it, remove the column (drop={name}), give types.{name}=category, or label={name!r} if it "
            f"holds classes, or missing={cells.columns[k][row][:20]} if that means blank."
        )
    if {t.lower() for t in distinct.head(3).to_list()} in WORDS:
        return _named(name, "boolean", seen, ())
    if len(distinct) > MOST_NAMES or len(distinct) > n / 2:
        why = f"{len(distinct):,} texts in {n:,} cells: identifiers or free text, left out "
        why += f"(types.{name}=category keeps it)"
        return _left_out(name, "text", seen, why)
    return _named(name, "category", seen, ())


def _row_of(texts: "pl.Series", text: str) -> int:
    return int((texts == text).arg_max() or 0)


def _left_out(name: str, kind: str, seen: "pl.Series", why: str) -> Found:
    return Found(name, kind, None, None, f"such as {seen[0][:30]!r}" if len(seen) else "", 0.0, why)


def _named(name: str, kind: str, seen: "pl.Series", order: Sequence[str]) -> Found:
    """A category: names in the order of words, or as given; numbers by size."""
    counts = dict(seen.value_counts(name=" n").iter_rows())
    names = list(order)
    if strange := [t for t in counts if names and t not in names]:
        raise ValueError(f"the column {name} holds {strange[0]!r}, which is not among its levels {', '.join(names)}.")
    if not names and kind == "boolean":
        if len(counts) != 2:
            raise ValueError(f"the column {name} should be boolean, of two words, but it has {len(counts)}.")
        names = sorted(counts, key=lambda t: (t.lower() not in FALSE, t))
    if not names:
        numbers = all(re.match(NUMBER, t) for t in counts)
        names = sorted(counts, key=(lambda t: (float(t), t)) if numbers else None)
    place = {t: float(i) for i, t in enumerate(names)}
    codes = torch.tensor([place[t] for t in seen.to_list()], dtype=torch.float64)
    shown = ", ".join(f"{t[:20]} {counts.get(t, 0) / len(seen):.0%}" for t in _most(names, counts))
    about = f"{len(names)}: {shown}" if len(names) > 2 else shown
    assert kind in ("category", "ordered", "boolean")
    typed: Literal["category", "ordered", "boolean"] = kind  # pyright: ignore[reportAssignmentType]
    return Found(name, kind, Column(name, typed, tuple(names)), codes, about, 0.0, "")


def _most(names: Sequence[str], counts: dict[str, int]) -> list[str]:
    """The names to show: all of few, else the commonest."""
    return list(names) if len(names) <= 4 else sorted(names, key=lambda t: -counts.get(t, 0))[:3]


def _numbers(name: str, kind: str | None, seen: "pl.Series", distinct: int, rows: np.ndarray | None) -> Found:
    """What numbers are; ``rows`` are those of a first column's cells, else None."""
    import polars as pl

    n, values = len(seen), seen.cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ValueError(f"the column {name} has {bad} of {n} numbers that are NaN, infinite or too large for float64.")
    tail = seen.str.extract(r"\.(\d*)$").fill_null("")
    plain = not bool(seen.str.contains("[eE]").any())
    written = tail.str.len_chars()
    decimals = int(written[0]) if plain and n and bool((written == written[0]).all()) else None
    digits = int(tail.str.strip_chars_end("0").str.len_chars().max() or 0) if plain else 0  # pyright: ignore
    is_whole, is_huge = bool((values == values.round()).all()), bool(np.abs(values).max() >= 2**53)
    spread = f"{seen[int(values.argmin())]} to {seen[int(values.argmax())]}"
    if is_whole and is_huge:
        return replace(_left_out(name, "identifier", seen, "numbers of more than 15 digits: left out"), about=spread)
    if kind is None and is_whole and distinct == n > 2 and _is_identifier(name, values, rows):
        why = f"each row has its own: an identifier, left out (types.{name}=whole keeps it)"
        return replace(_left_out(name, "identifier", seen, why), about=spread)
    again = 1 - _once(values) / n  # the share of cells whose value comes again
    steps = not is_whole and plain and digits <= 9 and np.abs(values).max() * 10**digits < 2**53
    counted = kind == "whole" or (kind is None and (is_whole or (steps and again > 0.5)))
    if kind == "whole" and not is_whole and not steps:
        raise ValueError(
            f"the column {name} should hold whole numbers, but it has {seen[int(np.argmax(values % 1 != 0))]}."
        )
    if not counted:
        done = "" if again < 0.1 else f"{again:.0%} of the cells have a value that comes again"
        column = Column(name, "number", decimals=decimals, finest=digits if plain else None)
        return Found(name, "number", column, torch.from_numpy(values.copy()), spread, 0.0, done)
    digits = 0 if is_whole else digits
    cells = torch.from_numpy(np.rint(values * 10**digits))
    least = 0 if float(cells.min()) >= 0 else None
    column = Column(name, "whole", digits=digits, decimals=decimals, least=least, levels=_levels(cells))
    done = (
        ""
        if is_whole
        else f"{again:.0%} of the cells have a value that comes again: counted in steps of {10**-digits:g}"
    )
    return Found(name, "whole", column, cells, spread, 0.0, done)


def _is_identifier(name: str, values: np.ndarray, rows: np.ndarray | None) -> bool:
    """Row numbers under a name that says so, or numbers that never repeat in a column called id."""
    word = name.lower().strip()
    if re.search(r"(^|[ _.-])(id|uuid|key)$", word) or word.endswith(("ID", "Id")):
        return True
    if rows is None or word not in ROW_NAMES | PLACES:
        return False
    if word in ROW_NAMES and bool((np.diff(values) > 0).all()):
        return True  # rows that were taken out took their numbers along
    return bool((values - rows == values[0] - rows[0]).all()) and values[0] - rows[0] in (0, 1)


def _once(values: np.ndarray) -> int:
    """How many values come once."""
    return int((np.unique(values, return_counts=True)[1] == 1).sum())


def _levels(cells: Tensor) -> tuple[int, ...]:
    """The whole numbers that get a probability of their own: all of a short range, else the common ones."""
    low, top = int(cells.min()), int(cells.max())
    if top - low < RANGE:
        return tuple(range(low, top + 1))
    values, counts = cells.unique(return_counts=True)
    common = counts >= max(2.0, COMMON * len(cells))
    best = counts[common].argsort(descending=True)[:SPIKES]
    return tuple(int(v) for v in values[common][best].tolist())


def _dated(name: str, seen: "pl.Series", distinct: "pl.Series") -> Found | None:
    """Dates, where all cells are of one form."""
    import polars as pl

    if not any(sign.isdigit() for sign in distinct[0]):  # two dozen forms to try take longer than all the rest
        return None
    fits = []
    for form in DATES:
        parsed = distinct.head(50).str.to_datetime(form, strict=False, ambiguous="null", time_unit="us")
        if _has_date(form) and not bool(parsed.is_null().any()):
            whole = distinct.str.to_datetime(form, strict=False, ambiguous="null", time_unit="us")
            if not bool(whole.is_null().any()):
                fits.append(form)
    if not fits:
        return None
    form = fits[0]
    timed = any(sign in form for sign in ("%H", "%M", "%S"))
    micro = seen.str.to_datetime(form, time_unit="us").cast(pl.Int64).to_numpy()
    cells = torch.from_numpy(micro // (1_000_000 if timed else 86_400_000_000)).double()
    column = Column(name, "whole", date=form, levels=_levels(cells))
    about = f"{seen[int(cells.argmin())]} to {seen[int(cells.argmax())]}"
    done = f"dates, in {'seconds' if timed else 'days'} since 1970"
    if {"%m/%d", "%d/%m"} <= {fit[:5] for fit in fits}:
        done += "; the month is taken to stand before the day, which the cells do not tell"
    return Found(name, "date", column, cells, about, 0.0, done)


def _has_date(form: str) -> bool:
    return "%Y" in form


def _changed(column: Column, cells: Tensor, seen: "pl.Series") -> str:
    """How many cells are written back in another form, in words; nothing where none are."""
    some, texts = cells[:2000], seen[:2000].to_list()
    odd = [(old, new) for old, new in zip(texts, column.texts(some), strict=True) if old != new]
    return f"some are written in another form: {odd[0][0]!r} as {odd[0][1]!r}" if odd else ""


def _join(first: str, second: str) -> str:
    return "; ".join(part for part in (first, second) if part)
