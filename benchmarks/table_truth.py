"""How near models of tables come to a table whose law is known: a Gaussian copula with mixed margins.

    OMP_NUM_THREADS=1 python benchmarks/table_truth.py [MODEL ...]

Five columns hang together by a Gaussian copula: a normal, an exponential and a lognormal number, a Poisson count and a
category of three. A tenth of the cells but those of the first column are blank, the more probably the larger the first
one is: at random, given what is seen. 12,000 rows train, 2000 validate, 2000 test; seeds 0, 1, 2.

    rho       the largest error of a correlation of normal scores, between the three numbers
    KS        the largest distance of a margin's distribution function from the true one
    both are of the law of cells that are not blank (``without_blanks``), 20,000 samples
    nats      mean -log p of test rows, blanks an outcome
    coverage  of models that fill exactly, how often the true value of a blank number lies within the 5 % and 95 %
              quantiles of 60 fills

The lines (rho .03, KS .03, coverage .88 to .92) are printed beside what was found. Writes
benchmarks/results/table_truth.json, a row per model and seed; models that were not asked for keep their rows.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from ptheta.applications.impute import fills
from ptheta.data.dataset import Dataset, Events
from ptheta.distributions.columns import ColumnMixture
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.spaces import Column, Table

RESULTS = Path(__file__).parent / "results" / "table_truth.json"
CORRELATION = np.array(
    [
        [1, 0.6, 0.5, -0.3, 0.4], [0.6, 1, 0.3, 0.0, 0.2], [0.5, 0.3, 1, -0.5, 0.3], [-0.3, 0.0, -0.5, 1, 0.1],
        [0.4, 0.2, 0.3, 0.1, 1],
    ]
)  # fmt: skip
MARGINS: list[Any] = [stats.norm(10, 2), stats.expon(0, 3), stats.lognorm(0.5), stats.poisson(4)]
CUTS = (-0.5, 0.6)  # of the category's normal score
NUMBERS, COUNT, KIND = (0, 1, 2), 3, 4
TRAIN, HELD, FILLS, SEEDS = 12_000, 2000, 60, (0, 1, 2)
OPTIONS: dict[str, dict[str, Any]] = {"mixture": {"components": 40}}
MODELS = ("independent", "mixture", "made")


def whole_rows(n: int, seed: int) -> Tensor:
    """Rows of the true law, no cell blank."""
    g = np.random.default_rng(seed).multivariate_normal(np.zeros(5), CORRELATION, n)
    u = stats.norm.cdf(g)
    columns = [margin.ppf(u[:, k]) for k, margin in enumerate(MARGINS)]
    return torch.from_numpy(np.stack([*columns, np.digitize(g[:, KIND], CUTS)], 1)).double()


def with_blanks(x: Tensor, seed: int) -> Tensor:
    """The same rows with a tenth of the cells blank, given the first column."""
    chance = torch.from_numpy(0.2 * stats.norm.cdf((x[:, 0].numpy() - 10) / 2))
    gone = Noise(seed).uniform(x.shape, "gone").double() < chance[:, None]
    gone[:, 0] = False
    return torch.where(gone, torch.nan, x)


def data_of(seed: int) -> tuple[Dataset, Tensor]:
    """The data set, and its test rows without blanks."""
    space = Table((
        Column("normal", "number"),
        Column("exponential", "number", blank=""),
        Column("lognormal", "number", blank=""),
        Column("count", "whole", blank="", least=0, levels=tuple(range(20))),
        Column("kind", "category", ("a", "b", "c"), blank=""),
    ))  # fmt: skip
    whole = whole_rows(TRAIN + 2 * HELD, seed)
    x = with_blanks(whole, seed)
    train, valid, test = (Events(part) for part in x.split([TRAIN, HELD, HELD]))
    return Dataset("truth", space.standardising(x[:TRAIN]), train, valid, test), whole[-HELD:]


def distances(x: Tensor) -> dict[str, float]:
    """How far whole rows are from the true law."""
    scores = []
    ks = []
    for k, margin in enumerate(MARGINS):
        values = np.sort(x[:, k].numpy())
        values = values[np.isfinite(values)]
        if k == COUNT:
            grid = np.arange(20)
            ks.append(np.abs(np.searchsorted(values, grid, side="right") / len(values) - margin.cdf(grid)).max())
        else:
            ks.append(stats.kstest(values, margin.cdf).statistic)
    truth = np.diff(stats.norm.cdf([-math.inf, *CUTS, math.inf]))
    kinds = np.bincount(x[:, KIND].long().numpy(), minlength=3) / len(x)
    ks.append(np.abs(np.cumsum(kinds - truth)).max())
    for k in NUMBERS:
        scores.append(stats.norm.ppf(np.clip(MARGINS[k].cdf(x[:, k].numpy()), 1e-6, 1 - 1e-6)))
    found = np.corrcoef(scores) - CORRELATION[:3, :3]
    return {"rho": float(np.abs(found).max()), "KS": float(max(ks))}


def coverage(model: Any, x: Tensor, truth: Tensor) -> float:
    """How often 90 % intervals of fills hold the true number."""
    drawn = torch.stack(list(fills(model, x, n=FILLS)))
    low, high = drawn.quantile(0.05, 0), drawn.quantile(0.95, 0)
    gone = x.isnan()
    gone[:, [COUNT, KIND]] = False
    return float(((truth >= low) & (truth <= high))[gone].double().mean())


def run(name: str, seed: int) -> dict[str, Any]:
    """A model on one table."""
    data, truth = data_of(seed)
    started = time.process_time()
    model: Any = find_recipe(name)(data.space, **OPTIONS.get(name, {})).fit(data, seed=seed)
    found: dict[str, Any] = {"model": name, "seed": seed, "fit seconds": round(time.process_time() - started, 1)}
    with torch.no_grad():
        found["nats"] = round(-float(model.log_prob(data.test.x).mean()), 3)
    x = model.without_blanks().sample(20_000, noise=Noise(seed))
    found |= {key: round(value, 4) for key, value in distances(x).items()}
    if isinstance(model, ColumnMixture):
        found["coverage"] = round(coverage(model, data.test.x, truth), 4)
    return found


def main(names: list[str]) -> None:
    """Runs models and writes their rows."""
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.is_file() else []
    rows = [row for row in rows if row["model"] not in names]
    for name in names:
        for seed in SEEDS:
            rows.append(run(name, seed))
            print(rows[-1], flush=True)
    real = [distances(whole_rows(20_000, 100 + seed)) for seed in SEEDS]
    settings = {"train": TRAIN, "test": HELD, "fills": FILLS, "threads": torch.get_num_threads()}
    lines = {"rho": 0.03, "KS": 0.03, "coverage": [0.88, 0.92]}
    table = {"settings": settings, "lines": lines, "true law": real, "rows": rows}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(MODELS))
