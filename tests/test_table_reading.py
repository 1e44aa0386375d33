"""Tables as people have them: every dialect and oddity is read, said, and written back byte for byte."""

import bz2
import csv
import gzip
import io
import lzma
import math
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from ptheta.applications.impute import fills
from ptheta.data import load
from ptheta.data.tables import read_rows
from ptheta.distributions.table_mixture import TableMixture
from ptheta.spaces import Classes, Column, Real, Table, space_from_json

N = 240
HEADER = ["age", "price", "ratio", "city", "member", "born", "seen", "zip", "unit", "grade"]
KINDS = ["whole", "number", "number", "category", "boolean", "date", "date", "category", "constant", "category"]


def torture(seed: int = 0) -> list[list[str]]:
    """Ten columns of every kind, with what files of tables hold: commas, quotation marks, line ends, leading zeros."""
    r = np.random.default_rng(seed)
    cities = ["Paris", "서울", 'the "Hague"', "Washington, D.C.", "São Paulo", "two\nlines"]
    rows = []
    for _ in range(N):
        day, month, hour = r.integers(1, 29), r.integers(1, 13), r.integers(0, 24)
        rows.append([
            str(r.integers(0, 400)), f"{r.uniform(0, 1e4):.2f}", repr(float(r.normal())), cities[r.integers(6)],
            ("no", "yes")[r.integers(2)], f"{day:02d}.{month:02d}.{r.integers(1930, 2020)}",
            f"2026-{month:02d}-{day:02d} {hour:02d}:30:00", f"0{r.integers(1000, 1009)}", "EUR", "ABC"[r.integers(3)],
        ])  # fmt: skip
    return rows


def written(
    rows: list[list[str]], separator: str = ",", *, header: bool = True, newline: str = "\n", quotes: int = 0
) -> str:
    """By Python's own writer, not by ours."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=newline, quoting=quotes)
    writer.writerows(([HEADER] if header else []) + rows)
    return out.getvalue()


def comma_decimals(rows: list[list[str]]) -> list[list[str]]:
    return [[*row[:1], row[1].replace(".", ","), row[2].replace(".", ","), *row[3:]] for row in rows]


DIALECTS = {
    "comma": ("t.csv", written(torture()).encode()),
    "semicolon and decimal comma": ("t.csv", written(comma_decimals(torture()), ";").encode()),
    "tab": ("t.tsv", written(torture(), "\t").encode()),
    "bar": ("t.csv", written(torture(), "|").encode()),
    "marked utf-8": ("t.csv", written(torture()).encode("utf-8-sig")),
    "utf-16": ("t.csv", written(torture()).encode("utf-16")),
    "lines of Windows": ("t.csv", written(torture(), newline="\r\n").encode()),
    "all quoted": ("t.csv", written(torture(), quotes=csv.QUOTE_ALL).encode()),
    "no header": ("t.csv", written(torture(), header=False).encode()),
}


def whole(path: Path, **options) -> tuple[Table, torch.Tensor]:
    """The space of a file, and its rows in the order of the file."""
    data = load(path, **options)
    assert isinstance(data.space, Table), data.space
    return data.space, read_rows(path, data.space)


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_understood_and_written_back_byte_for_byte(tmp_path: Path, name: str):
    file, raw = DIALECTS[name]
    (tmp_path / file).write_bytes(raw)
    data = load(tmp_path / file)
    assert [c["kind"] for c in data.columns] == KINDS, list(data.columns)
    space, x = whole(tmp_path / file)
    assert space.to_csv(x).encode(space.dialect.encoding) == raw
    assert space_from_json(space.to_json()) == space and space.to_json() == Table(**_fields(space)).to_json()
    space.check(x)
    assert torch.equal(space.parse(space.show(x)), x)


def _fields(space: Table) -> dict:
    record = space.to_json()
    record.pop("kind")
    return record


def test_the_law_of_bytes_rejects_a_number_written_otherwise(tmp_path: Path):
    raw = written([[*row[:1], row[1] + "e0", *row[2:]] for row in torture()]).encode()
    (tmp_path / "t.csv").write_bytes(raw)
    space, x = whole(tmp_path / "t.csv")
    assert space.to_csv(x).encode() != raw
    assert "some are written in another form" in load(tmp_path / "t.csv").columns[1]["done"]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_packed_tables(tmp_path: Path, ending: str, pack):
    raw = DIALECTS["comma"][1]
    (tmp_path / "t.csv").write_bytes(raw)
    (tmp_path / f"t.csv{ending}").write_bytes(pack(raw))
    assert load(tmp_path / f"t.csv{ending}").fingerprint == load(tmp_path / "t.csv").fingerprint
    (tmp_path / f"broken.csv{ending}").write_bytes(pack(raw)[:-20])
    with pytest.raises(ValueError, match=r"not a whole|not whole"):
        load(tmp_path / f"broken.csv{ending}")


def typed_frame() -> pl.DataFrame:
    columns = list(zip(*torture(), strict=True))
    return pl.DataFrame({
        "age": [int(v) for v in columns[0]],
        "price": [float(v) for v in columns[1]],
        "member": [v == "yes" for v in columns[4]],
        "born": pl.Series(columns[5]).str.to_date("%d.%m.%Y"),
        "seen": pl.Series(columns[6]).str.to_datetime("%Y-%m-%d %H:%M:%S"),
        "grade": pl.Series(columns[9], dtype=pl.Enum(["C", "B", "A"])),
        "hole": [None if i % 5 == 0 else i % 3 for i in range(N)],
    })  # fmt: skip


def sheet(frame: pl.DataFrame) -> bytes:
    """The least that is an .xlsx: one sheet whose cells are texts and numbers."""

    def cell(i: int, j: int, value) -> str:
        place = f'r="{chr(65 + j)}{i + 1}"'
        if value is None:
            return ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"<c {place}><v>{value}</v></c>"
        return f'<c {place} t="inlineStr"><is><t>{value}</t></is></c>'

    rows = [frame.columns, *frame.rows()]
    body = "".join(
        f'<row r="{i + 1}">{"".join(cell(i, j, value) for j, value in enumerate(row))}</row>'
        for i, row in enumerate(rows)
    )
    base = "http://schemas.openxmlformats.org"
    main, rels = f"{base}/spreadsheetml/2006/main", f"{base}/officeDocument/2006/relationships"
    package = f"{base}/package/2006"

    def related(kind: str, target: str) -> str:
        one = f'<Relationship Id="a" Type="{rels}/{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{package}/relationships">{one}</Relationships>'

    kinds = '<Default Extension="xml" ContentType="application/xml"/>'
    sheets = '<sheets><sheet name="s" sheetId="1" r:id="a"/></sheets>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types">{kinds}</Types>')
        archive.writestr("_rels/.rels", related("officeDocument", "xl/workbook.xml"))
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{rels}">{sheets}</workbook>')
        archive.writestr("xl/_rels/workbook.xml.rels", related("worksheet", "worksheets/s.xml"))
        archive.writestr("xl/worksheets/s.xml", f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>')
    return buffer.getvalue()


def test_parquet_xlsx_jsonl_and_frames_hold_the_same_rows(tmp_path: Path):
    frame = typed_frame()
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.jsonl")
    (tmp_path / "t.xlsx").write_bytes(sheet(frame.with_columns(pl.col("born", "seen", "grade").cast(pl.String))))
    sets = [load(tmp_path / f"t.{ending}") for ending in ("parquet", "xlsx", "jsonl")] + [load(frame)]
    kinds = ["whole", "number", "boolean", "date", "date", "ordered", "whole"]
    assert [c["kind"] for c in sets[0].columns] == kinds
    assert [c["kind"] for c in sets[3].columns] == kinds
    for data in sets[1:]:
        assert torch.equal(data.train.x[:, :4].nan_to_num(-1), sets[0].train.x[:, :4].nan_to_num(-1)), data.name
    assert sets[0].space.fields[5].names == ("C", "B", "A")
    assert 0.15 < sets[0].columns[6]["blank"] < 0.25
    with pytest.raises(ValueError, match=r"a data frame of pandas or polars, but it is a list"):
        load([1, 2])


def test_a_frame_of_pandas(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    frame = typed_frame()
    other = pandas.DataFrame({name: frame[name].to_list() for name in frame.columns})
    other["grade"] = pandas.Categorical(other["grade"], ["C", "B", "A"], ordered=True)
    ours, theirs = load(frame), load(other)
    assert [c["kind"] for c in theirs.columns] == [c["kind"] for c in ours.columns]
    assert torch.equal(theirs.train.x.nan_to_num(-1), ours.train.x.nan_to_num(-1))


def table(tmp_path: Path, text: str, **options):
    (tmp_path / "t.csv").write_text(text)
    return load(tmp_path / "t.csv", **options)


def rows_of(make, n: int = 200) -> str:
    return "".join(f"{make(i)}\n" for i in range(n))


def test_what_is_not_modelled_is_left_out_aloud(tmp_path: Path):
    text = "customer_id,note,kind,empty,one\n" + rows_of(lambda i: f"{i * 7 + 1000},text number {i},{'ab'[i % 2]},,x")
    data = table(tmp_path, text)
    assert [c["kind"] for c in data.columns] == ["identifier", "text", "category", "empty", "constant"]
    assert data.space.columns == ("kind", "empty", "one")
    assert "The column customer_id: each row has its own" in " ".join(data.notes)
    assert data.space.to_csv(data.train.x[:1]).splitlines()[1] in ("a,,x", "b,,x")
    kept = table(tmp_path, text, **{"types.customer_id": "whole", "types.note": "category"})
    assert kept.space.columns == ("customer_id", "note", "kind", "empty", "one")


def test_corrections(tmp_path: Path):
    text = "hours-per-week,grade,size\n" + rows_of(lambda i: f"{i % 150},{i % 5},{'SML'[i % 3]}")
    data = table(
        tmp_path, text, **{"types.hours_per_week": "number", "types.grade": "category", "levels.size": "S|M|L"}
    )
    assert [f.kind for f in data.space.fields] == ["number", "category", "ordered"]
    assert data.space.fields[2].names == ("S", "M", "L")
    assert table(tmp_path, text, drop="grade,size", types={}).space.columns == ("hours-per-week",)
    for options, sentence in [
        ({"types.grde": "category"}, "types names the column grde, which .* does not have. Did you mean grade?"),
        ({"types.size": "number"}, "line 2 of .* has the text 'S' in the column size, which should be of numbers"),
        ({"types.size": "integer"}, "types.size should be one of number, whole, category"),
        ({"levels.size": "S|M"}, "holds 'L', which is not among its levels S, M"),
        ({"types": "category"}, r"is given column by column, such as types\.age="),
        ({"types.size": "date"}, "should hold dates, but it has 'S'"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            table(tmp_path, text, **options)


def test_blanks_in_every_spelling(tmp_path: Path):
    words = ["", "NA", "?", "null", "nan", "-"]
    data = table(tmp_path, "a,b\n" + rows_of(lambda i: f"{words[i % 6] if i % 4 == 0 else i * 1.5},{'uv'[i % 2]}"))
    assert data.columns[0]["kind"] == "number" and data.columns[0]["blank"] == 0.25
    assert data.space.fields[0].blank is not None and data.space.fields[1].blank is None
    assert "blanks are written" in data.columns[0]["done"]
    rows = data.train.x
    assert bool(rows[:, 0].isnan().any()) and not bool(rows[:, 1].isnan().any())
    with pytest.raises(ValueError, match="the column b has 1 blank cells and may have none"):
        data.space.check(torch.tensor([[1.0, math.nan]], dtype=torch.float64))
    none = table(tmp_path, "a,b\n" + rows_of(lambda i: f"{i % 7},{('none', 'some')[i % 2]}"))
    assert none.space.fields[1].names == ("none", "some")  # a word like others, where cells are words
    assert (
        table(tmp_path, "a,b\n" + rows_of(lambda i: f"{i % 7 or -9},{'uv'[i % 2]}"), missing=-9).space.fields[0].blank
        == "-9"
    )


def test_numbers_that_come_again_are_counted(tmp_path: Path):
    text = "height,price,word\n" + rows_of(lambda i: f"{150 + i % 30 / 10:.1f},{i * 0.37:.2f},{'uv'[i % 2]}")
    height, price, _ = table(tmp_path, text).space.fields
    assert (height.kind, height.digits, height.unit) == ("whole", 1, "probability per step of 0.1")
    assert price.kind == "number" and price.unit == "density per unit"
    assert height.texts(torch.tensor([1501.0])) == ["150.1"] and height.cell("150.1") == 1501


def test_samples_of_reals_have_no_more_decimals_than_the_file(tmp_path: Path):
    text = "a,b,c\nu,0.25,1e-3\nv,1.5,2\nu,3.125,0.7\nv,2,5.5\n"
    data = table(tmp_path, text)
    space = space_from_json(data.space.to_json())
    assert isinstance(space, Table)
    drawn = torch.tensor([1.23456, 2.0, 0.0004], dtype=torch.float64)
    assert space.fields[1].texts(drawn) == ["1.235", "2", "0"]
    assert space.fields[2].texts(drawn) == ["1.23456", "2", "0.0004"]


def test_numbers_alone_stay_real_unless_a_density_could_grow(tmp_path: Path):
    many = "a,b\n" + rows_of(lambda i: f"{i * 1.37:.3f},{(i * 31) % 197}")
    assert isinstance(table(tmp_path, many).space, Real)
    few = "a,b\n" + rows_of(lambda i: f"{i * 1.37:.3f},{i % 5}")
    assert isinstance(table(tmp_path, few).space, Table)
    assert isinstance(table(tmp_path, many, **{"types.b": "whole"}).space, Table)


def test_odd_tables(tmp_path: Path):
    names = table(tmp_path, "a,a,,a\n" + rows_of(lambda i: f"{i % 5},{i % 3},{'uv'[i % 2]},{i % 2}"))
    assert names.space.columns == ("a", "a 2", "column 3", "a 3") and "other names" in " ".join(names.notes)
    spaced = table(tmp_path, rows_of(lambda i: f"{i}   {i * 2}"))
    assert isinstance(spaced.space, Real) and spaced.space.dimensions == 2
    zips = table(tmp_path, "zip\n" + rows_of(lambda i: f"0{2100 + i % 9}"))
    assert zips.space.fields[0].kind == "category"
    one = table(tmp_path, "colour\n" + rows_of(lambda i: ("red", "blue")[i % 2]), label=None)
    assert one.space.dimensions == 1
    labelled = table(tmp_path, "colour,n\n" + rows_of(lambda i: f"{('red', 'blue')[i % 2]},{i % 4}"), label="colour")
    assert labelled.context_space == Classes(2, ("blue", "red"))
    (tmp_path / "w.csv").write_bytes(
        "naïve,b\n".encode("cp1252") + rows_of(lambda i: f"{i % 5},{'uv'[i % 2]}").encode()
    )
    with pytest.raises(ValueError, match=r"is not UTF-8 text .* encoding=cp1252"):
        load(tmp_path / "w.csv")
    assert load(tmp_path / "w.csv", encoding="cp1252").space.columns[0] == "naïve"
    with pytest.raises(ValueError, match="there is no encoding 'klingon'"):
        load(tmp_path / "w.csv", encoding="klingon")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,x\n", "at least 3 events"),
        ("a,b\n1,2\n3,x y\n5,6\n", r"line 3 of .* has the text 'x y' in the column b, .*label='b'"),
        ("name,note\nAnn,x\nBob,y\nCid,z\n", "no column to model: name: 3 texts in 3 cells"),
        ("a,b\n?,\n,NA\nnull,nan\n", "there is nothing to model"),
    ],
)
def test_tables_that_cannot_be_modelled_are_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        table(tmp_path, text)


def test_large_files_are_read_as_small_ones_are(tmp_path: Path, monkeypatch):
    raw = written([[*row[:3], "x", *row[4:]] for row in torture()]).encode()
    (tmp_path / "t.csv").write_bytes(raw)
    slow = load(tmp_path / "t.csv")
    monkeypatch.setattr("ptheta.data.cells.LARGE", 1)
    fast = load(tmp_path / "t.csv")
    assert fast.fingerprint == slow.fingerprint and fast.columns == slow.columns
    (tmp_path / "t.csv").write_bytes(raw + b"1,2\n")
    with pytest.raises(ValueError, match=r"line 242 of .* has 2 cells, but line 1 has 10"):
        load(tmp_path / "t.csv")


def test_rows_of_another_file_are_matched_by_name(tmp_path: Path):
    space, x = whole_of(tmp_path)
    rows = [dict(zip(HEADER, row, strict=True)) for row in torture()[:5]]
    order = HEADER[::-1]
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [order, *([row[k] for k in order] for row in rows)]
    )
    text = out.getvalue()
    (tmp_path / "new.csv").write_text(text)
    assert torch.equal(read_rows(tmp_path / "new.csv", space), x[:5])
    (tmp_path / "new.csv").write_text(text.replace("grade", "mark"))
    with pytest.raises(ValueError, match="has no grade"):
        read_rows(tmp_path / "new.csv", space)
    (tmp_path / "new.csv").write_text(text.replace('"Paris"', '"Pariss"').replace('"서울"', '"Pariss"'))
    with pytest.raises(ValueError, match=r"line .* the column city should be of .*Did you mean Paris"):
        read_rows(tmp_path / "new.csv", space)


def whole_of(tmp_path: Path) -> tuple[Table, torch.Tensor]:
    (tmp_path / "t.csv").write_bytes(DIALECTS["comma"][1])
    return whole(tmp_path / "t.csv")


def test_a_table_embeds_and_projects(tmp_path: Path):
    space, x = whole_of(tmp_path)
    y = space.embed(x, torch.float64)
    assert y.shape == (len(x), *space.embedded_shape)
    assert torch.allclose(space.project(y), x)
    holes = Table((Column("a", "number", blank="", mean=2.0, scale=3.0), Column("b", "category", ("u",), blank="?")))
    rows = torch.tensor([[math.nan, 0.0], [5.0, math.nan]], dtype=torch.float64)
    assert torch.allclose(holes.project(holes.embed(rows, torch.float64)), rows, equal_nan=True)
    assert holes.show(rows) == ["a=,b=u", "a=5,b=?"] and torch.equal(
        holes.parse(["a=5,b=u"]), torch.tensor([[5.0, 0.0]]).double()
    )


def test_import_needs_no_polars():
    import subprocess
    import sys

    code = "import sys, ptheta, ptheta.data, ptheta.spaces; ptheta.load; print('polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_years_and_metals_are_names_where_a_word_stands_over_numbers(tmp_path: Path):
    years = table(tmp_path, "state,1990,2000\n" + rows_of(lambda i: f"{'uv'[i % 2]},{i % 7},{i % 3}"), types={})
    assert years.space.columns == ("1", "2", "3")  # nothing tells: words stand over words
    years = table(
        tmp_path, "level,1990,2000\n" + rows_of(lambda i: f"{i % 5},{i % 7},{i % 3}"), types={"1990": "whole"}
    )
    assert years.space.columns == ("level", "1990", "2000")
    metals = table(tmp_path, "RI,Na,type\n" + rows_of(lambda i: f"{i * 0.37:.3f},{i % 7},{'uv'[i % 2]}"))
    assert metals.space.columns == ("RI", "Na", "type")


def test_carriage_returns_within_cells_are_spaces_and_said(tmp_path: Path):
    data = table(tmp_path, "a,b\n" + rows_of(lambda i: f"{i % 7}," + ("u" if i % 2 else "v\rw")))
    assert data.space.fields[1].names == ("u", "v w") and "Carriage returns" in " ".join(data.notes)


def test_row_names_are_left_out_though_some_are_blank_or_skipped(tmp_path: Path):
    def kinds(name: str, number) -> list[str]:
        text = f"{name},x\n" + rows_of(lambda i: f"{number(i)},{i % 7}")
        return [c["kind"] for c in table(tmp_path, text).columns]

    assert kinds("rownames", lambda i: "" if i % 9 == 2 else i + 1) == ["identifier", "whole"]
    assert kinds("rownames", lambda i: i + 1 + i // 10) == ["identifier", "whole"]
    assert kinds("index", lambda i: "" if i % 9 == 2 else i) == ["identifier", "whole"]
    assert kinds("index", lambda i: i + 1 + i // 10) == ["whole", "whole"]  # an index of something else
    assert kinds("rownames", lambda i: (i * 7) % 211) == ["whole", "whole"]


def test_dates_with_seconds_and_slashes(tmp_path: Path):
    data = table(tmp_path, "a,b\n" + rows_of(lambda i: f"{i % 12 + 1}/{i % 9 + 1}/1990 0:00:00,{i % 3}"))
    assert data.columns[0]["kind"] == "date" and "month" in data.columns[0]["done"]


def test_a_column_without_a_cell_stays_so_when_others_are_filled(tmp_path: Path):
    data = table(tmp_path, "a,b,gone\n" + rows_of(lambda i: f"{'' if i % 5 == 0 else i % 7},{'uv'[i % 2]},"))
    model = TableMixture(data.space, components=2).fit(data)
    (full,) = fills(model, data.test.x)
    assert bool(full[:, 2].isnan().all()) and not bool(full[:, :2].isnan().any())
