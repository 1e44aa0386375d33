"""The protocol of red wine: ten folds, each standardised by its nine other parts, as in the papers on RNADE."""

import statistics
from pathlib import Path
from typing import Any

from ptheta.papers.row import Found

__all__ = ["WINE", "red_wine"]

WINE = "nats, log-likelihood of standardised events, mean of ten test folds"
FOLDS = 10


def red_wine(
    model: str, seed: int, folder: Path, *, hold_out: bool = True, dials: dict[str, Any] | None = None, **training: Any
) -> Found:
    """The mean test log-likelihood over the ten folds, in nats of standardised events.

    Args:
        model: The recipe's name.
        seed: Names every draw.
        folder: Where the ten runs are kept.
        hold_out: Whether a tenth of the nine parts only chooses the weights; else all nine are fitted.
        dials: The recipe's dials.
        **training: Fields of ``Training`` that override the recipe's.

    Returns:
        The mean over folds, with its standard error.
    """
    from dataclasses import replace

    import torch

    from ptheta.data import Events, load
    from ptheta.papers.fitting import fitted
    from ptheta.papers.scoring import scored

    scores = []
    for fold in range(1, FOLDS + 1):
        data = load("red-wine", fold=fold)
        parts = torch.cat([data.train.x, data.valid.x])
        if not hold_out:
            data = replace(data, train=Events(parts))
        fit = fitted(model, data, folder / f"fold-{fold}", seed, dials=dials, training=training)
        volume = float(parts.double().std(0, correction=0).log().sum())
        scores.append(volume - scored(fit, data.test).value)
    error = statistics.stdev(scores) / FOLDS**0.5
    return Found(statistics.mean(scores), {"standard error over folds": error})
