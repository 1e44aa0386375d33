"""The one way to run a row, and to keep what it found beside its other seeds."""

import json
import math
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ptheta.files import is_unused, locked, replace_file
from ptheta.papers.row import Found, Row
from ptheta.papers.rows import find_row

__all__ = ["keep", "kept", "run_row"]


def run_row(name: str, seed: int = 0, folder: Path | None = None) -> dict[str, Any]:
    """Runs a row: fits on train, chooses on valid, reports on test.

    A row whose budget is a GPU's runs on it; without one its smaller version runs, and the result says so.

    Args:
        name: A key of ``ROWS``.
        seed: Names every draw.
        folder: Where the run is kept; one that holds an unfinished run is gone on with. None keeps nothing.

    Returns:
        ``row``, ``version``, ``paper``, ``ours``, ``difference`` (ours less the paper's), ``pass_line``, ``passed``,
        ``floor`` and ``ceiling`` (a number and what it is, or None), ``unit``, ``details`` (further numbers by what
        they are), ``seed``, ``seconds``, ``cpu_seconds``, ``threads``, ``device``, ``resumed`` (then the seconds are
        those since) and ``source``. In the smaller version of a row ``paper`` and ``difference`` are None.
        Raises FloatingPointError if a number that was found is not finite.
    """
    import torch

    row, device = find_row(name), "cuda" if torch.cuda.is_available() else "cpu"
    is_small = row.small is not None and device == "cpu"
    if row.small is not None and is_small:
        row = row.small
    started, started_cpu = time.perf_counter(), time.process_time()
    is_resumed = folder is not None and not is_unused(folder)
    with nullcontext(folder) if folder else TemporaryDirectory() as kept:
        where = Path(kept or "")
        found = row.run(seed, where) if row.run else _fitted(row, seed, device if row.gpu_seconds else "cpu", where)
    found = found if isinstance(found, Found) else Found(found)
    for what, number in {row.unit: found.value, **found.details}.items():
        if not math.isfinite(number):
            raise FloatingPointError(f"the run of {name} ended in {number} ({what}).")
    return {
        "row": name,
        "version": f"smaller: {row.name}" if is_small else "the row",
        "paper": None if is_small else row.paper,
        "ours": found.value,
        "difference": None if is_small else found.value - row.paper,
        "pass_line": row.pass_text,
        "passed": row.passed(found.value),
        "floor": row.floor,
        "ceiling": row.ceiling,
        "unit": row.unit,
        "details": found.details,
        "seed": seed,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - started_cpu,
        "threads": torch.get_num_threads(),
        "device": device if row.gpu_seconds else "cpu",
        "resumed": is_resumed,
        "source": row.source,
    }


def keep(result: dict[str, Any], folder: Path) -> Path:
    """Writes the result of a row beside those of its other seeds.

    Args:
        result: What ``run_row`` returned.
        folder: Where results are kept; made if missing.

    Returns:
        The file: one object per seed, under the seed's number.
    """
    with locked(folder, wait=True):  # for the other seeds of the row, which may be running
        seeds = kept(result["row"], folder)
        seeds[str(result["seed"])] = result
        path = folder / f"{result['row']}.json"
        replace_file(path, json.dumps(dict(sorted(seeds.items())), indent=1) + "\n")
    return path


def kept(row: str, folder: Path) -> dict[str, Any]:
    """The results of a row that are kept already, under the numbers of their seeds.

    Args:
        row: The row's name.
        folder: Where results are kept.

    Returns:
        What ``run_row`` returned for each seed. Raises ValueError where the file holds something else.
    """
    path = folder / f"{row}.json"
    if not path.is_file():
        return {}
    try:
        seeds = json.loads(path.read_text())
        if isinstance(seeds, dict):
            return seeds
    except ValueError:
        pass
    raise ValueError(f"{path} does not hold results of {row}. Move it away, or give another --out.")


def _fitted(row: Row, seed: int, device: str, folder: Path) -> Found:
    """The negative log-likelihood, or its bound, of the test split in nats."""
    from ptheta.data import load
    from ptheta.papers.fitting import fitted
    from ptheta.papers.scoring import scored

    data = load(row.data).without_context()
    options = {**row.training, **({} if device == "cpu" else {"device": device})}
    model = fitted(row.model, data, folder, seed, dials=row.dials, training=options)
    return scored(model, data.test)
