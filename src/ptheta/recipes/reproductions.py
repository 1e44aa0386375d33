"""Every row that ``ptheta reproduce`` knows, and the one way to run a row."""

import json
import time
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ptheta.hints import did_you_mean
from ptheta.recipes import (
    reproductions_adversarial,
    reproductions_autoregressive,
    reproductions_density,
    reproductions_energy,
    reproductions_flows,
    reproductions_latent,
    reproductions_pixels,
    reproductions_sequences,
)
from ptheta.recipes.row import Row

__all__ = ["ROWS", "find_row", "keep", "run_row"]

ROWS: dict[str, Row] = {
    row.name: row
    for row in chain(
        reproductions_density.ROWS,
        reproductions_autoregressive.ROWS,
        reproductions_sequences.ROWS,
        reproductions_pixels.ROWS,
        reproductions_flows.ROWS,
        reproductions_energy.ROWS,
        reproductions_latent.ROWS,
        reproductions_adversarial.ROWS,
    )
}


def run_row(name: str, seed: int = 0, folder: Path | None = None) -> dict[str, Any]:
    """Runs a row: fits on train, chooses on valid, reports on test.

    A row whose budget is a GPU's runs on it; without one its smaller version runs, and the result says so.

    Args:
        name: A key of ``ROWS``.
        seed: Names every draw.
        folder: Where the run is kept; one that holds an unfinished run is gone on with. None keeps nothing.

    Returns:
        ``row``, ``version``, ``paper``, ``ours``, ``difference`` (ours less the paper's), ``pass_line``, ``passed``,
        ``unit``, ``seed``, ``seconds``, ``cpu_seconds``, ``threads``, ``device``, ``resumed`` (then the seconds are
        those since) and ``source``. In the smaller version of a row ``paper`` and ``difference`` are None.
    """
    import torch

    row, device = find_row(name), "cuda" if torch.cuda.is_available() else "cpu"
    is_small = row.small is not None and device == "cpu"
    if row.small is not None and is_small:
        row = row.small
    started, started_cpu = time.perf_counter(), time.process_time()
    is_resumed = folder is not None and folder.exists()
    with nullcontext(folder) if folder else TemporaryDirectory() as kept:
        where = Path(kept or "")
        ours = row.run(seed, where) if row.run else _fitted(row, seed, device if row.gpu_seconds else "cpu", where)
    return {
        "row": name,
        "version": f"smaller: {row.name}" if is_small else "the row",
        "paper": None if is_small else row.paper,
        "ours": ours,
        "difference": None if is_small else ours - row.paper,
        "pass_line": row.pass_text,
        "passed": row.passed(ours),
        "unit": row.unit,
        "seed": seed,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - started_cpu,
        "threads": torch.get_num_threads(),
        "device": device if row.gpu_seconds else "cpu",
        "resumed": is_resumed,
        "source": row.source,
    }


def find_row(name: str) -> Row:
    """The row of a name.

    Args:
        name: A key of ``ROWS``.

    Returns:
        The row.
    """
    if name not in ROWS:
        hint = did_you_mean(name, ROWS)
        raise ValueError(f"there is no row {name!r}.{hint} ptheta reproduce, without a name, lists them all.")
    return ROWS[name]


def keep(result: dict[str, Any], folder: Path) -> Path:
    """Writes the result of a row beside those of its other seeds.

    Args:
        result: What ``run_row`` returned.
        folder: Where results are kept; made if missing.

    Returns:
        The file: one object per seed, under the seed's number.
    """
    path = folder / f"{result['row']}.json"
    seeds = json.loads(path.read_text()) if path.is_file() else {}
    seeds[str(result["seed"])] = result
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(sorted(seeds.items())), indent=1) + "\n")
    return path


def _fitted(row: Row, seed: int, device: str, folder: Path) -> float:
    """The negative log-likelihood, or its bound, of the test split in nats."""
    from ptheta.data import load
    from ptheta.metrics import likelihood
    from ptheta.recipes.rowfit import fitted

    data = load(row.data).without_context()
    options = {**row.training, **({} if device == "cpu" else {"device": device})}
    model = fitted(row.model, data, folder, seed, settings=row.settings, options=options)
    found = likelihood(model, data.test, importance=row.importance)
    assert found.value is not None
    return found.value
