"""The cells of a table's file, as text: .csv and .tsv in any dialect, .parquet, .xlsx, .jsonl, and data frames.

Polars reads (it is strict, has no index, and takes a tenth of the time and memory of Python's own reader); it is
imported when a table is read, never before. A .csv that polars does not take as it stands, because lines are of
different lengths or quotation marks stand where they should not, is read line by line instead, and a fault named by
its line.

    separator    whichever of comma, semicolon, tab and bar cuts the first lines into the most equal cells
    decimal      a comma where commas do not separate and stand between digits
    encoding     UTF-8, or UTF-16 where its mark says so; another where ``encoding`` names it
    packed       .gz, .bz2, .xz after the ending
"""

import bz2
import csv
import io
import lzma
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from ptheta.data.unpack import gunzip, most_bytes, read_bytes
from ptheta.spaces import Dialect

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PACKED", "Cells", "frame_cells", "read_cells"]

PACKED = (".gz", ".bz2", ".xz")
SEPARATORS = ("\t", ";", ",", "|")
SNIFFED = 200  # lines that are looked at for the separator
LARGE = 1 << 20  # bytes of text from which on polars reads; smaller files are read line by line
NUMBER = r"^[+-]?((([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)|inf|Inf|infinity|Infinity)$"
WORDS_OF_NOTHING = frozenset({"", "na", "nan", "n/a", "null", "none", "?", "-"})


@final
@dataclass(frozen=True)
class Cells:
    """The cells of a table as text.

    Args:
        names: The names of the columns, all different.
        columns: The texts of each, without spaces around.
        dialect: How its file is written.
        lines: The line of each row in the file, or None where rows have none.
        orders: Names from least to most, of columns that have an order of their own.
        notes: What was found and done, one sentence each.
    """

    names: "list[str]"
    columns: "list[pl.Series]"
    dialect: Dialect
    lines: "list[int] | None"
    orders: dict[str, tuple[str, ...]]
    notes: "list[str]"

    def renamed(self, names: "Sequence[str]") -> "Cells":
        """The same cells under other names; ValueError unless there is one for each column."""
        if len(names) != len(self.columns) or len(set(names)) < len(names):
            raise ValueError(
                f"expected {len(self.columns)} names of columns, all different, but there are {len(names)}."
            )
        columns = [c.rename(name) for c, name in zip(self.columns, names, strict=True)]
        notes = [note for note in self.notes if "no header" not in note]
        return replace(self, names=list(names), columns=columns, notes=notes)

    def line(self, row: int) -> str:
        """Where a row stands, in words."""
        return f"line {self.lines[row]}" if self.lines else f"row {row + 1}"


def read_cells(
    path: Path, *, encoding: str | None = None, separator: str | None = None, sheet: str | None = None
) -> Cells:
    """Reads a file of a table.

    Args:
        path: The file.
        encoding: How its bytes are text; None finds UTF-8 and UTF-16.
        separator: What stands between cells; None finds it.
        sheet: Which sheet of an .xlsx; None takes the first.

    Returns:
        Its cells. Raises ValueError, in a sentence, where the file is no table.
    """
    import polars as pl

    ending = Path(path.stem).suffix.lower() if path.suffix.lower() in PACKED else path.suffix.lower()
    if ending in (".parquet", ".xlsx", ".jsonl", ".ndjson"):
        raw = _unpacked(path)
        try:
            if ending == ".parquet":
                frame = pl.read_parquet(io.BytesIO(raw))
            elif ending == ".xlsx":
                frame = pl.read_excel(io.BytesIO(raw), **({"sheet_name": sheet} if sheet else {}))  # pyright: ignore
            else:
                frame = pl.read_ndjson(io.BytesIO(raw), infer_schema_length=None)
        except Exception as error:  # what readers of broken files raise may be anything
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"{path} cannot be read as {ending} ({reason}).") from error
        return frame_cells(frame, str(path))
    return _text_cells(path, _unpacked(path), encoding, separator)


def frame_cells(frame: Any, what: str) -> Cells:
    """The cells of a data frame of polars or pandas, as text.

    Args:
        frame: The data frame.
        what: Where it is from, for sentences.

    Returns:
        Its cells.
    """
    import polars as pl

    notes: list[str] = []
    orders: dict[str, tuple[str, ...]] = {}
    names = _different([str(name) for name in frame.columns], notes)
    series = []
    for k, name in enumerate(names):
        column = frame.to_series(k) if isinstance(frame, pl.DataFrame) else _from_pandas(frame.iloc[:, k])
        kind = column.dtype
        if isinstance(kind, pl.Enum):
            orders[name] = tuple(kind.categories.to_list())
        if kind.is_nested() or kind in (pl.Object, pl.Binary):
            raise ValueError(f"the column {name} of {what} holds {kind}, and cells should be numbers, texts or dates.")
        if isinstance(kind, pl.Datetime):
            column = column.dt.replace_time_zone(None).dt.strftime("%Y-%m-%d %H:%M:%S")
        series.append(column.cast(pl.String).fill_null("").str.strip_chars().rename(name))
    if not series or not len(series[0]):
        raise ValueError(f"{what} has no rows.")
    return Cells(names, series, Dialect(), None, orders, notes)


def _from_pandas(column: Any) -> "pl.Series":
    """A column of pandas, value by value: its blanks are blanks, and its order is kept where it has one."""
    import polars as pl

    blank = column.isna().tolist()
    texts = [None if gone else str(value) for value, gone in zip(column.tolist(), blank, strict=True)]
    whole = column.dtype.kind == "f" and all(t is None or t.endswith(".0") for t in texts)
    texts = [t if t is None or not whole else t[:-2] for t in texts]  # whole numbers that blanks have made floats
    texts = [t if t is None else t.removesuffix(" 00:00:00") for t in texts] if column.dtype.kind == "M" else texts
    order = getattr(getattr(column, "cat", None), "ordered", False)
    kind = pl.Enum([str(c) for c in column.cat.categories]) if order else pl.String
    return pl.Series(str(column.name), texts, dtype=kind)


def _unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked where its ending says that it is packed."""
    most, packed = most_bytes() // 12, path.suffix.lower()
    if packed == ".gz":
        return gunzip(path, most)
    raw = read_bytes(path, most)
    if packed not in PACKED:
        return raw
    unpacker = bz2.BZ2Decompressor() if packed == ".bz2" else lzma.LZMADecompressor()
    try:
        found = unpacker.decompress(raw, max_length=most + 1)
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise ValueError(f"{path} is not a whole {packed} file ({error}); get it again.") from error
    if len(found) > most or not unpacker.eof:
        raise ValueError(f"{path} unpacks to more than fits in memory, or it is not whole.")
    return found


def _text_cells(path: Path, raw: bytes, encoding: str | None, separator: str | None) -> Cells:

    notes: list[str] = []
    text, encoding = _decoded(path, raw, encoding)
    newline = "\r\n" if "\r\n" in text else "\r" if "\r" in text and "\n" not in text else "\n"
    lines = [line for line in text[: 1 << 20].splitlines()[:SNIFFED] if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty.")
    separator = _separator(path, lines, separator)
    text = text.replace(newline, "\n") if newline == "\r" else text
    if newline == "\n" and "\r" in text:
        text = text.replace("\r", " ")
        notes.append("Carriage returns within lines are read as spaces.")
    if separator == " ":
        text = re.sub(" +", " ", re.sub("(?m)^ +| +$", "", text.replace("\t", " ")))
    columns, numbers = _parsed(path, text, separator)
    decimal = _decimal_comma(columns) if separator != "," else False
    padded = separator != " " and len(columns) > 1 and all(separator + " " in line for line in lines)
    padded = padded and all(line.count(separator) == line.count(separator + " ") for line in lines)
    quotes = _quotes(lines, separator)
    columns = [c.str.strip_chars() for c in columns]
    if decimal:
        notes.append("Decimals are written with a comma.")
        comma = r"^([+-]?\d+),(\d+([eE][+-]?\d+)?)$"
        columns = [c.str.replace(comma, "${1}.${2}") for c in columns]
    named = _has_header(columns)
    dialect = Dialect(
        separator + " " if padded else separator, "," if decimal else ".", named, quotes, newline, encoding
    )
    if named:
        names, columns, numbers = [c[0] for c in columns], [c[1:] for c in columns], numbers[1:]
    else:
        notes.append("The first line has numbers, so the table has no header: columns are called 1, 2, ...")
        names = [str(k + 1) for k in range(len(columns))]
    if not len(columns[0]):
        raise ValueError(f"{path} has a header but no rows of numbers.")
    names = _different(names, notes)
    return Cells(names, [c.rename(n) for c, n in zip(columns, names, strict=True)], dialect, numbers, {}, notes)


def _decoded(path: Path, raw: bytes, encoding: str | None) -> tuple[str, str]:
    """The text of a file, and the name of its encoding."""
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    found = encoding or next((name for mark, name in marks.items() if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(found), found
    except LookupError:
        raise ValueError(
            f"there is no encoding {encoding!r}: names are such as utf-8, utf-16, cp1252, cp949."
        ) from None
    except UnicodeDecodeError as error:
        if encoding is None and found == "utf-8":
            advice = "save it as UTF-8, or give encoding=cp1252 (Windows), latin-1, cp949 or whatever wrote it"
            raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); {advice}.") from None
        raise ValueError(f"{path} is not {found} text (byte {error.start}).") from None


def _separator(path: Path, lines: list[str], asked: str | None) -> str:
    """The separator that cuts the first lines into the most cells, the same number in each."""
    if asked is not None:
        names = {"tab": "\t", "space": " ", "comma": ",", "semicolon": ";", "bar": "|", "\\t": "\t"}
        asked = names.get(asked, asked)
        if len(asked) != 1:
            raise ValueError(f"separator should be one character, or tab or space, but it is {asked!r}.")
        return asked
    best, most = ",", (0.0, 0)
    for candidate in SEPARATORS:
        try:
            rows = [row for row in csv.reader(lines, delimiter=candidate) if row]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 1
        alike = sum(len(row) == width for row in rows) / max(len(rows), 1)
        if width > 1 and (score := (round(alike, 2), width)) > most:
            best, most = candidate, score
    words = [line.split() for line in lines]
    if most == (0.0, 0) and len(words[0]) > 1 and len({len(row) for row in words}) == 1:
        if all(re.match(NUMBER, word) for row in words[1:] for word in row):
            return " "  # numbers in columns of blanks
    return best


def _parsed(path: Path, text: str, separator: str) -> "tuple[list[pl.Series], list[int]]":
    """The columns of a text, and the line of each row."""
    import numpy as np
    import polars as pl

    raw = text.encode()
    if len(raw) >= LARGE and '"' not in text:
        signs = np.frombuffer(raw, np.uint8)
        ends = np.flatnonzero(signs == ord("\n"))
        ends = ends if raw.endswith(b"\n") else np.append(ends, len(raw))
        counts = np.diff(np.searchsorted(np.flatnonzero(signs == ord(separator)), ends), prepend=0)
        short = np.diff(ends, prepend=-1) <= (2 if "\r\n" in text else 1)
        if not short.any() and (counts == counts[0]).all():
            frame = pl.read_csv(
                raw, has_header=False, separator=separator, infer_schema=False, empty_string_is_null=False,
                quote_char=None,
            )  # fmt: skip
            if frame.shape == (len(counts), counts[0] + 1):
                return frame.get_columns(), list(range(1, len(counts) + 1))
    rows, lines = _line_by_line(path, text, separator)
    return [pl.Series(column, dtype=pl.String) for column in zip(*rows, strict=True)], lines


def _line_by_line(path: Path, text: str, separator: str) -> tuple[list[list[str]], list[int]]:
    """The cells of every line that is not blank, all of one length, and the numbers of the lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
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
                        f"{len(rows[0])} (separated by {separator!r})."
                    )
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} of {path} is not a line of a table ({error}).") from error
    if not rows:
        raise ValueError(f"{path} is empty but for quotation marks.")
    return rows, lines


def _decimal_comma(columns: "list[pl.Series]") -> bool:
    """Whether some column has numbers with a comma, and none has numbers with a point."""
    comma, point = r"^\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*$", r"^\s*[+-]?\d+\.\d+([eE][+-]?\d+)?\s*$"
    found = [c[1:].str.contains(comma).mean() for c in columns if len(c) > 1]
    return any((share or 0) > 0.5 for share in found) and not any(c[1:].str.contains(point).any() for c in columns)  # pyright: ignore


def _quotes(lines: list[str], separator: str) -> Literal["needed", "all", "words"]:
    """Which cells stand in quotation marks, as the last of the first lines show."""
    parts = [part.strip() for part in lines[-1].split(separator)] if len(lines) > 1 else []
    marked = [part.startswith('"') for part in parts]
    if marked and all(marked):
        return "all"
    needless = [p for p, m in zip(parts, marked, strict=True) if m and p.count('"') == 2 and p.endswith('"')]
    return "words" if needless else "needed"


def _has_header(columns: "list[pl.Series]") -> bool:
    """Names of columns are words: a first line with a number, or a word for nothing, is a row.

    Not where a word stands over nothing but numbers: then years, and such, are names too.
    """
    first = [c[0] for c in columns]
    if not any(re.match(NUMBER, cell) or cell.lower() in WORDS_OF_NOTHING for cell in first if cell):
        return any(first)
    words = [c for c, cell in zip(columns, first, strict=True) if cell.lower() not in WORDS_OF_NOTHING]
    return any(not re.match(NUMBER, c[0]) and _is_numbers(c[1:]) for c in words)


def _is_numbers(texts: "pl.Series") -> bool:
    """Whether some texts are numbers, and all others blank."""
    number = texts.str.contains(NUMBER)
    return bool(number.any()) and bool((number | texts.str.to_lowercase().is_in(list(WORDS_OF_NOTHING))).all())


def _different(names: list[str], notes: list[str]) -> list[str]:
    """Names that are all different: those without one are called by their place, repeated ones are numbered."""
    found: list[str] = []
    for k, name in enumerate(names):
        name = " ".join(name.split()) or f"column {k + 1}"
        fresh, n = name, 2
        while fresh in found:
            fresh, n = f"{name} {n}", n + 1
        found.append(fresh)
    changed = [f"{new!r} for {old!r}" for old, new in zip(names, found, strict=True) if old != new]
    if changed:
        notes.append(f"Columns were given other names, each its own: {', '.join(changed[:8])}.")
    return found
