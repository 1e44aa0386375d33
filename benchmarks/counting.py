"""Counting models on real data: ours, the anchor, and the CPU seconds of one thread to fit and to score the test.

    PTHETA_DATA=... OMP_NUM_THREADS=1 python benchmarks/counting.py [--write] [DATA ...]

Anchors are exact values measured without this library, or a paper's. Negative log-likelihood of the test events in
nats; red wine: log-likelihood in nats of standardised events, mean of the ten folds of the RNADE papers, all nine parts
fitted. ``--write`` keeps the table in benchmarks/results/counting.json. Seed 0.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import ptheta
from ptheta.distributions import (
    KDE,
    ARTable,
    ChowLiu,
    Gaussian,
    GaussianMixture,
    Independent,
    Markov,
    ProductMixture,
    causal_neighbours,
    prefix_neighbours,
)
from ptheta.spaces import Real, Space

RESULTS = Path(__file__).parent / "results" / "counting.json"
Make = Callable[[Space], Any]
Row = tuple[str, Make, float | None]


def ar(k: int, backoff: float = 4.0) -> Make:
    """An AR-k table over the k variables before."""
    return lambda s: ARTable(s, prefix_neighbours(s.dimensions, k), backoff=backoff)


def causal(k: int, backoff: float = 4.0) -> Make:
    """An AR-k table over the k nearest causal pixels."""
    return lambda s: ARTable(s, causal_neighbours(s.shape, k), backoff=backoff)


def mixture(components: int, smoothing: float = 0.1) -> Make:
    """A mixture of Bernoullis."""
    return lambda s: ProductMixture(s, components=components, smoothing=smoothing)


def small(independent: float, markov: float, ar_4: float | None, tree: float) -> list[Row]:
    """The rows that every small set of bits has, with half a pseudo-count as in their anchors."""
    return [
        ("independent", lambda s: Independent(s, smoothing=0.5), independent),
        ("Markov", lambda s: Markov(s, smoothing=0.5), markov),
        ("AR-4", ar(4), ar_4),
        ("Chow-Liu", lambda s: ChowLiu(s, smoothing=0.5), tree),
    ]


ROWS: dict[str, list[Row]] = {
    "binarized-mnist": [
        ("independent", Independent, 205.79),
        ("Markov", Markov, 145.35),
        *((f"AR-{k}", ar(k), anchor) for k, anchor in ((2, 143.33), (4, 140.65), (8, 138.75), (12, 140.93))),
        ("Chow-Liu", ChowLiu, 134.99),
        ("AR-6, causal pixels", causal(6), 101.87),
        ("AR-10, causal pixels", causal(10), 99.37),
        ("AR-12, causal pixels, backoff 8", causal(12, 8.0), 102.34),
        ("mixture of 10 Bernoullis", mixture(10), 167.27),
    ],
    "dna": [
        *small(100.39, 89.88, 80.16, 87.76),
        ("mixture of 8 Bernoullis", mixture(8), 98.12),
        ("mixture of 32 Bernoullis", mixture(32), 98.55),
    ],
    "mushrooms": [
        *small(34.23, 28.29, 21.66, 20.98),
        ("mixture of 32 Bernoullis", mixture(32), 14.91),
        ("mixture of 128 Bernoullis", mixture(128), 14.57),
    ],
    "nips": [
        *small(294.80, 294.41, None, 281.12),
        ("mixture of 8 Bernoullis", mixture(8), 284.14),
        ("mixture of 32 Bernoullis", mixture(32), 289.14),
    ],
    "red-wine": [
        ("Gaussian", Gaussian, -13.179),
        ("diagonal Gaussian", lambda s: Gaussian(s, covariance="diagonal"), -15.65),
        ("mixture of 4 Gaussians", lambda s: GaussianMixture(s, components=4), -10.77),
        ("mixture of 8 Gaussians", lambda s: GaussianMixture(s, components=8), -10.32),
        ("kernels", KDE, None),
    ],
}


def on_bits(name: str, make: Make) -> tuple[float, float, float]:
    """The test negative log-likelihood, and the seconds to fit and to score."""
    data = ptheta.load(name)
    start = time.process_time()
    model = make(data.space).fit(data)
    fitted = time.process_time()
    nll = -model.log_prob(data.test.x).mean().item()
    return nll, fitted - start, time.process_time() - fitted


def on_wine(make: Make) -> tuple[float, float, float]:
    """The mean log-likelihood of standardised test events over ten folds, and the seconds of all of them."""
    found, fitting, scoring = [], 0.0, 0.0
    for fold in range(1, 11):
        data = ptheta.load("red-wine", fold=fold)
        x = torch.cat([data.train.x, data.valid.x])
        space = Real.standardising(x)
        start = time.process_time()
        model = make(space).fit(x)
        fitted = time.process_time()
        found.append(model.log_prob(data.test.x).mean().item() + space.log_volume)
        fitting, scoring = fitting + fitted - start, scoring + time.process_time() - fitted
    return sum(found) / len(found), fitting, scoring


def main() -> None:
    torch.set_num_threads(1)
    names = [name for name in sys.argv[1:] if name != "--write"] or list(ROWS)
    table = []
    print(f"{'data':17}{'model':33}{'ours':>9}{'anchor':>9}{'fit s':>8}{'score s':>8}")
    for name in names:
        for model, make, anchor in ROWS[name]:
            ours, fit, score = on_wine(make) if name == "red-wine" else on_bits(name, make)
            row = {"data": name, "model": model, "ours": round(ours, 3), "anchor": anchor}
            table.append({**row, "fit_seconds": round(fit, 2), "score_seconds": round(score, 2), "seed": 0})
            shown = "" if anchor is None else f"{anchor:.2f}"
            print(f"{name:17}{model:33}{ours:9.2f}{shown:>9}{fit:8.2f}{score:8.2f}", flush=True)
    if "--write" in sys.argv:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
