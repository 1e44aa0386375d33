"""Rows of synthetic tables: what gradient boosting learns from rows of a model of adult, tested on real rows.

The target is the income. TabDDPM's table has macro F1 .815 of real rows, .791 of SMOTE and .795 of TabDDPM; here real
rows have .811 and SMOTE .796. The line is SMOTE's less one point. Beside F1 stand the likelihood of test rows, of the
kind that the model has, in nats of the row's own measure, and what the card of synthetic rows says of likeness and
privacy. Every model has ten minutes of one thread at most.
"""

from pathlib import Path
from typing import Any

from ptheta.papers.row import Found, Row

__all__ = ["ROWS", "synthetic_adult"]

TARGET = "income"
SOURCE = "TabDDPM: Modelling Tabular Data with Diffusion Models (Kotelnikov et al., 2023)"


def synthetic_adult(
    name: str, seed: int, folder: Path, *, dials: dict[str, Any] | None = None, **training: Any
) -> Found:
    """What rows of a model of adult are worth.

    Args:
        name: The recipe's name.
        seed: Names every draw.
        folder: The run folder.
        dials: The recipe's dials.
        **training: Fields of ``Training`` that override the recipe's.

    Returns:
        Macro F1 on real test rows of gradient boosting that learned from synthetic ones; with the likelihood of test
        rows, where there is one, and the card's numbers.
    """
    from ptheta.applications.synthesize import Measure
    from ptheta.data import load
    from ptheta.metrics import likelihood
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted
    from ptheta.spaces import Table

    data = load("adult")
    assert isinstance(data.space, Table)
    model = fitted(name, data, folder, seed, dials=dials, training=training)
    train, test = data.train.x.double(), data.test.x.double()
    measure = Measure(data.space, train, test, TARGET, seed)
    card = measure(name, model.sample(measure.n, noise=Noise(seed).at("card")).double())
    details = {
        "accuracy": card.accuracy,
        "area by which a judge tells them from real rows": card.told_apart,
        "mean distance of margins": card.margins,
        "mean difference of associations": card.associations,
        "share that are training rows": card.copies,
        "share nearer to training rows": card.near_train,
        "area by which they tell training rows": card.membership,
    }
    found = likelihood(model, data.test)
    if found.value is not None:
        details[f"nats, negative log-likelihood on test ({found.kind})"] = found.value
        details["95 % half-width over events"] = found.error
    assert card.f1 is not None
    return Found(card.f1, {what: number for what, number in details.items() if number is not None})


def _row(model: str, paper: float, line: float, seconds: float, source: str, **training: Any) -> Row:
    def run(seed: int, folder: Path) -> Found:
        return synthetic_adult(model, seed, folder, **training)

    return Row(
        f"{model}-adult", paper, line, "at least", "macro F1 on real rows of what learned from synthetic ones", "adult",
        model, training=training, seconds=seconds, source=source, run=run, floor=(0.429, "columns by themselves"),
        ceiling=(0.811, "real rows"),
    )  # fmt: skip


ROWS = (
    _row("mixture", 0.791, 0.786, 100, f"{SOURCE}, which has no such row: the anchor is SMOTE's."),
    _row("forest", 0.791, 0.786, 150, f"{SOURCE}, which has no such row: the anchor is SMOTE's."),
    _row("made", 0.791, 0.786, 250, f"{SOURCE}, which has no such row: the anchor is SMOTE's.", epochs=15),
    _row("vae", 0.791, 0.786, 400, f"{SOURCE}, which has no such row: the anchor is SMOTE's."),
    _row("ctgan", 0.78, 0.77, 700, f"{SOURCE}; the best of its GANs."),
    _row("tabddpm", 0.795, 0.786, 600, SOURCE + "."),
)
