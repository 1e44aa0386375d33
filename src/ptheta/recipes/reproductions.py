"""Every row that ``ptheta reproduce`` knows, and the one way to run a row."""

import time
from itertools import chain
from typing import Any

from ptheta.hints import did_you_mean
from ptheta.recipes import (
    reproductions_adversarial,
    reproductions_density,
    reproductions_energy,
    reproductions_latent,
)
from ptheta.recipes.row import Row

__all__ = ["ROWS", "run_row"]

ROWS: dict[str, Row] = {
    row.name: row
    for row in chain(
        reproductions_density.ROWS, reproductions_energy.ROWS, reproductions_latent.ROWS, reproductions_adversarial.ROWS
    )
}


def run_row(name: str, seed: int = 0) -> dict[str, Any]:
    """Runs a row: fits on train, chooses on valid, reports on test.

    Args:
        name: A key of ``ROWS``.
        seed: Names every draw.

    Returns:
        ``row``, ``paper``, ``ours``, ``pass_line``, ``passed``, ``unit``, ``seed``, ``seconds`` and ``source``.
    """
    if name not in ROWS:
        hint = did_you_mean(name, ROWS)
        raise ValueError(f"there is no row {name!r}.{hint} ptheta reproduce without a name lists them.")
    row = ROWS[name]
    started = time.perf_counter()
    ours = row.run(seed) if row.run else _fitted(row, seed)
    return {
        "row": row.name,
        "paper": row.paper,
        "ours": ours,
        "pass_line": row.pass_text,
        "passed": row.passed(ours),
        "unit": row.unit,
        "seed": seed,
        "seconds": time.perf_counter() - started,
        "source": row.source,
    }


def _fitted(row: Row, seed: int) -> float:
    """The negative log-likelihood, or its bound, of the test split in nats."""
    from ptheta.data import load
    from ptheta.metrics import likelihood
    from ptheta.model import Trained
    from ptheta.recipes.runs import build, merged_training

    data = load(row.data).without_context()
    recipe = build(row.model, data.space, seed=seed, settings=row.settings)
    model = recipe.model
    if isinstance(model, Trained):
        model.fit(data, **{**merged_training(recipe, row.training), "seed": seed, "progress": True})
    else:
        model.fit(data, **recipe.training, seed=seed)
    found = likelihood(model, data.test, importance=row.importance)
    assert found.value is not None
    return found.value
