"""Synthetic rows of a table, and a card that says what they are worth: likeness, usefulness, privacy.

    likeness    margins       the mean distance between a column's values and those of real rows
                associations  the mean difference between how much two columns have to do with one another
                told apart    the area under the ROC curve of gradient boosting that tells rows from real ones; 0.5 best
    usefulness  gradient boosting learns a target column from the rows and is tested on real rows: macro F1 of names,
                R2 of numbers
    privacy     copies        the share of rows that are rows of the training set
                near train    the share nearer to a training row than to one held out, were there as many of both:
                              copies 1, honest rows 1/2, whatever the sizes of the two sets; with its interval over
                              rows of both sets, since few held-out rows tell little
                membership    the area by which the distance to the nearest synthetic row tells a training row from a
                              held-out one: 1/2 where nothing is given away, .82 of N draws from N training rows,
                              which miss 37 % of them

Every number stands between a floor (``independent``: each column by itself) and a ceiling (real rows that were held
out), beside ``bootstrap``, which is training rows again, wins the likeness and gives everything away, and ``smote``.

References:
    TabDDPM: Modelling Tabular Data with Diffusion Models (Kotelnikov et al., 2023) https://arxiv.org/abs/2209.15421
    Synthetic Data -- Anonymisation Groundhog Day (Stadler, Oprisanu & Troncoso, 2022) https://arxiv.org/abs/2011.07018
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast, final

import numpy as np
import torch
from torch import Tensor

from ptheta.applications.peers import boosted_classifier, boosted_regressor, cells_for_trees
from ptheta.data.dataset import Dataset
from ptheta.distributions import SMOTE, Bootstrap, TableMixture
from ptheta.hints import did_you_mean
from ptheta.metrics.association import associations
from ptheta.metrics.likeness import margin_distances
from ptheta.metrics.memorisation import nearest_neighbours, train_share, train_share_interval
from ptheta.model import Distribution
from ptheta.noise import Noise
from ptheta.spaces import Binary, Column, Real, Space, Table

__all__ = ["Card", "CardRow", "Measure", "as_table", "card", "copies", "told_apart", "useful"]

MOST_ROWS = 50_000  # synthetic, from which a target is learned
MOST_ALIKE = 5000  # rows whose likeness is measured
MOST_NEAR = 2000  # rows whose distances to all others are measured
MOST_TRAINING = 50_000  # training rows to which they are
FEWEST = 20  # test rows without which nothing can be said
WIDE = 0.5  # an interval as wide as from honest rows to copies tells neither


@final
@dataclass(frozen=True)
class CardRow:
    """What some rows are worth; None where it was not measured.

    Args:
        name: Whose rows they are.
        margins: The mean distance of columns from those of real rows.
        worst_margin: The largest of them.
        worst_column: Whose it is.
        associations: The mean difference of associations from those of real rows.
        told_apart: The area under the ROC curve of a judge that tells them from real rows.
        f1: Macro F1 on real rows of what learned a target of names from them.
        accuracy: Its accuracy.
        r2: R2 on real rows of what learned a target of numbers from them.
        copies: The share that are training rows.
        near_train: The share nearer to training rows than to held-out ones.
        membership: The area by which they tell training rows from held-out ones.
        near_train_interval: The 95 % interval of ``near_train``.
    """

    name: str
    margins: float
    worst_margin: float
    worst_column: str
    associations: float
    told_apart: float
    f1: float | None
    accuracy: float | None
    r2: float | None
    copies: float
    near_train: float
    membership: float
    near_train_interval: tuple[float, float] | None = None


@final
@dataclass(frozen=True)
class Card:
    """What synthetic rows are worth, beside rows of which that is known.

    Args:
        target: The column that is learned, or None.
        rows: Of real rows that were held out, of the model, of ``independent``, ``bootstrap`` and ``smote``.
        n: How many rows are compared: trained on, held out, learned from, judged for likeness, and for distances.
    """

    target: str | None
    rows: tuple[CardRow, ...]
    n: dict[str, int]

    @property
    def cautions(self) -> tuple[str, ...]:
        """What the card cannot tell, in sentences."""
        spans = {row.name: row.near_train_interval for row in self.rows}
        vague = [name for name, span in spans.items() if span is not None and span[1] - span[0] > WIDE]
        held_out = f"{self.n['test']} held-out rows are too few to tell copies from honest rows by near train"
        return (f"{held_out}, of {', '.join(vague)}: hold out more.",) if vague else ()

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON."""
        return {"target": self.target, "n": self.n, "rows": [asdict(row) for row in self.rows]}


def as_table(space: Space) -> Table:
    """Vectors with named columns as a table; ValueError, in a sentence, for other events."""
    if isinstance(space, Table):
        return space
    if isinstance(space, Real | Binary) and len(space.shape) == 1:
        names = space.columns or tuple(f"x{i + 1}" for i in range(space.dimensions))
        if isinstance(space, Binary):
            return Table(tuple(Column(name, "boolean", ("0", "1")) for name in names))
        mean, scale = space.mean or (0.0,) * len(names), space.scale or (1.0,) * len(names)
        return Table(tuple(Column(n, "number", mean=m, scale=s) for n, m, s in zip(names, mean, scale, strict=True)))
    raise ValueError(f"synthetic rows are of tables, and these events are of {space}: draw them with ptheta sample.")


def card(
    model: Distribution, name: str, data: Dataset, *, target: str | None = None, seed: int = 0
) -> Iterator[str | Card]:
    """Measures what rows of a model are worth, row after row of a card.

    Args:
        model: A model of rows, without contexts.
        name: What the card calls it.
        data: What it was fitted on.
        target: The column that is learned from rows, or None.
        seed: Names the draws and the halves.

    Yields:
        Whose rows are measured next, and at last the card.
    """
    space = as_table(data.space)
    if target is not None and target not in space.columns:
        raise ValueError(f"--target names the column {target}, which is none.{did_you_mean(target, space.columns)}")
    if len(data.test) < FEWEST:
        raise ValueError(f"a card needs at least {FEWEST} test rows to compare with, but there are {len(data.test)}.")
    train, test = (events.loaded().x.double() for events in (data.train, data.test))
    measure = Measure(space, train, test, target, seed)
    yield "real rows"
    rows = [measure(name="real, held out", drawn=None)]
    ways: dict[str, Distribution | None] = {name: model, "independent": TableMixture(space, components=1)}
    ways |= {"bootstrap": Bootstrap(space), "smote": SMOTE(space)}
    for title, way in ways.items():
        yield title
        if way is not model:
            assert isinstance(way, TableMixture | Bootstrap | SMOTE)
            way.fit(train)
        assert way is not None
        drawn = way.sample(measure.n, noise=Noise(seed).at("card"))
        rows.append(measure(name=title, drawn=drawn.double()))
    yield Card(target, tuple(rows), measure.sizes)


class Measure:
    """What rows are compared with; called with rows it measures them.

    Args:
        space: The table.
        train: The rows that models were fitted to, with shape (N, D).
        test: Real rows that were held out, with shape (m, D).
        target: The column that is learned from rows, or None.
        seed: Names the halves and the judges.
    """

    def __init__(self, space: Table, train: Tensor, test: Tensor, target: str | None, seed: int) -> None:
        order = Noise(seed).uniform((len(test),), "halves", like=train).argsort()
        self.space, self.train, self.test, self.target, self.seed = space, train, test, target, seed
        self.reference, self.other = test[order[0::2]], test[order[1::2]]
        self.n = min(len(train), MOST_ROWS)
        self.sizes = {
            "train": len(train), "test": len(test), "learned from": self.n,
            "likeness": min(len(self.other), MOST_ALIKE), "distances": min(len(self.other), MOST_NEAR),
        }  # fmt: skip

    def __call__(self, name: str, drawn: Tensor | None) -> CardRow:
        """Measures rows; real ones that were held out, and training rows to learn from, where there are none.

        Args:
            name: What they are called.
            drawn: The rows, with shape (n, D), or None.

        Returns:
            What they are worth.
        """
        space, reference = self.space, self.reference[:MOST_ALIKE]
        alike = (self.other if drawn is None else drawn)[: self.sizes["likeness"]]
        margins = margin_distances(space, reference, alike)
        apart = (associations(reference, space) - associations(alike, space, reference)).abs()
        pairs = len(apart) * (len(apart) - 1)
        worth = {} if self.target is None else useful(
            space, self.train[: self.n] if drawn is None else drawn, self.test, self.target, seed=self.seed
        )  # fmt: skip
        held_out = self.reference if drawn is None else self.test
        return CardRow(
            name, float(margins.mean()), float(margins.max()), space.columns[int(margins.argmax())],
            float(apart.sum()) / pairs if pairs else 0.0, told_apart(space, reference, alike, seed=self.seed),
            worth.get("f1"), worth.get("accuracy"), worth.get("r2"),
            copies(alike, self.train),
            *self._near(self.other if drawn is None else drawn, held_out),
        )  # fmt: skip

    def _near(self, rows: Tensor, held_out: Tensor) -> tuple[float, float, tuple[float, float]]:
        """The share nearer to training rows, the area by which distances tell these, and the share's interval."""
        from sklearn.metrics import roc_auc_score

        points, order = self.space.points, Noise(self.seed).uniform((len(self.train),), "train", like=rows).argsort()
        train = points(self.train[order[:MOST_TRAINING]])
        few = points(rows[:MOST_NEAR])
        near = nearest_neighbours(few, train), nearest_neighbours(few, points(held_out))
        m = min(len(held_out), len(train), MOST_NEAR)
        asked = torch.cat([train[:m], points(held_out[:m])])
        distance = nearest_neighbours(asked, points(rows[: len(self.train)])).distance
        area = float(roc_auc_score([1] * m + [0] * m, (-distance).numpy()))
        return train_share(*near)[0], area, train_share_interval(*near)


def copies(rows: Tensor, train: Tensor) -> float:
    """The share of rows (n, D) that are rows of the training set (N, D), blanks and all."""
    known = {tuple(row) for row in train.nan_to_num(nan=-math.pi).tolist()}
    return float(np.mean([tuple(row) in known for row in rows.nan_to_num(nan=-math.pi).tolist()]))


def told_apart(space: Table, real: Tensor, fake: Tensor, *, seed: int = 0) -> float:
    """The area under the ROC curve by which gradient boosting tells rows from real ones it has not seen.

    Args:
        space: The table.
        real: Rows with shape (n, D).
        fake: Rows with shape (m, D).
        seed: Names the halves: each judges what was learned on the other.

    Returns:
        The area: 1/2 where they cannot be told apart.
    """
    from sklearn.metrics import roc_auc_score

    n = min(len(real), len(fake))
    cells, names = cells_for_trees(space, torch.cat([real[:n], fake[:n]]))
    labels = np.repeat([0, 1], n)
    first = (Noise(seed).uniform((n,), "judges").argsort().argsort() % 2 == 0).numpy()
    half, score = np.concatenate([first, first]), np.zeros(2 * n)
    for learned in (half, ~half):
        judge = boosted_classifier(names, seed).fit(cells[learned], labels[learned])
        score[~learned] = judge.predict_proba(cells[~learned])[:, 1]
    return float(np.mean([roc_auc_score(labels[h], score[h]) for h in (half, ~half)]))


def useful(space: Table, rows: Tensor, test: Tensor, target: str, *, seed: int = 0) -> dict[str, float]:
    """How well gradient boosting that learned a column from some rows guesses it in real ones.

    Args:
        space: The table.
        rows: What it learns from, with shape (n, D).
        test: What it is tested on, with shape (m, D).
        target: The column.
        seed: Of its held-out rows.

    Returns:
        "f1" (the mean of the classes') and "accuracy" of a column of names; "r2" of one of numbers.
    """
    from sklearn.metrics import accuracy_score, f1_score, r2_score

    k = space.columns.index(target)
    rest, smaller = [i for i in range(len(space.columns)) if i != k], space.without(target)
    known, asked = (x[~x[:, k].isnan()] for x in (rows, test))
    (cells, names), (tested, _) = (cells_for_trees(smaller, x[:, rest]) for x in (known, asked))
    y, truth = known[:, k].numpy(), asked[:, k].numpy()
    if space.fields[k].is_number:
        guess = boosted_regressor(names, seed).fit(cells, y).predict(tested)
        return {"r2": float(r2_score(truth, guess))}
    if len(np.unique(y)) < 2:
        guess = np.full(len(truth), y[0] if len(y) else 0)
    else:
        guess = boosted_classifier(names, seed).fit(cells, y).predict(tested)
    f1 = f1_score(truth, guess, average="macro", zero_division=cast("Any", 0.0))
    return {"f1": float(f1), "accuracy": float(accuracy_score(truth, guess))}
