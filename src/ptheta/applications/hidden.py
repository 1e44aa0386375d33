"""How well hidden cells are filled: known cells are hidden at random, filled, and looked at again.

    nats        -log p(hidden cells | the others) per hidden cell, of masses and densities, in the columns' units: exact
                of mixtures and forests; of a model in an order of columns an estimate, where known cells come after
                hidden ones, which is too small on average: it flatters
    RMSE        of numbers, in standard deviations of their column; the guess is the mean of the fills
    accuracy    of names; the guess is the name drawn most often
    coverage    how often a number's place among K fills is one of the 90 % in the middle; places that tie are drawn.
                A fill that is a draw from the true conditional covers 90 %, whatever the law; a mean covers none

RMSE and accuracy reward a guess and punish a draw, so they say nothing of uncertainty: nats and coverage do. Beside the
model stand independent columns, the mean or the most frequent name, the mean of near rows, and regressions of every
column on all others in turn (scikit-learn's KNNImputer and IterativeImputer).

References:
    Multiple Imputation after 18+ Years (Rubin, 1996) https://doi.org/10.1080/01621459.1996.10476908
"""

import math
import warnings
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ptheta.applications.impute import fills, how_filled, known_log_prob, refuse_others
from ptheta.autoregressive import Autoregressive
from ptheta.distributions import TableMixture
from ptheta.distributions.columns import ColumnMixture
from ptheta.metrics.result import NORMAL_95
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.spaces import Table

__all__ = ["Filled", "coverage_of", "hidden_cells", "points_of_columns", "score_fills"]

DRAWS = 39  # fills of each cell: places 3 to 38 of 40 are 90 %
MIDDLE = (2, 37)  # how many of the fills may be below
MOST_NEAR, MOST_REGRESSED = 5000, 5000  # training rows of scikit-learn's imputers
COMPONENTS = 2**22  # the most numbers in flight
GUESSES = {
    "mean or mode": "one guess, the mean or the most frequent name",
    "k nearest rows": "one guess, the mean of near rows",
    "regressions": "one guess, each column regressed on all others",
}


@final
@dataclass(frozen=True)
class Filled:
    """How well hidden cells were filled; None where that is not known.

    Args:
        name: By what.
        how: How it fills a cell, in a phrase.
        nats: -log p per hidden cell.
        kind: Of nats: exact, or an estimate.
        estimator_error: The 95 % half-width of the Monte Carlo part of an estimate.
        rmse: Of numbers, in standard deviations.
        accuracy: Of names.
        coverage: Of 90 % intervals of numbers.
        n: How many cells were hidden.
    """

    name: str
    how: str
    nats: float | None
    kind: str | None
    estimator_error: float | None
    rmse: float | None
    accuracy: float | None
    coverage: float | None
    n: int

    def __str__(self) -> str:
        parts = {"nats": self.nats, "RMSE": self.rmse, "accuracy": self.accuracy, "coverage": self.coverage}
        numbers = "".join(f"  {k} {'      ' if v is None else f'{v:6.3f}'}" for k, v in parts.items())
        about = "" if self.estimator_error is None else f"; nats are an estimate, ± {self.estimator_error:.3f}"
        return f"{self.name:<18}{numbers}  {self.how}{about}"

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON."""
        return {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in asdict(self).items()}


def hidden_cells(space: Table, x: Tensor, share: float, *, seed: int = 0) -> Tensor:
    """Chooses known cells at random, in columns that are no constants.

    Args:
        space: The table.
        x: Rows with shape (n, D).
        share: The chance of each.
        seed: Names the choice.

    Returns:
        Which are hidden, Boolean with shape (n, D); ValueError, in a sentence, where there are none.
    """
    if not 0 < share < 1:
        raise ValueError(f"--hide should be a share between 0 and 1, but it is {share:g}.")
    varies = torch.tensor([f.is_number or len(f.names) > 1 for f in space.fields])
    hidden = (Noise(seed).uniform(tuple(x.shape), "hide", like=x) < share) & ~x.isnan() & varies
    if not bool(hidden.any()):
        raise ValueError(
            f"a share of {share:g} of the cells of {len(x)} rows hides none: give more rows, or hide more."
        )
    return hidden


def score_fills(
    model: Model, name: str, train: Tensor, x: Tensor, hidden: Tensor, *, peers: bool = True, seed: int = 0
) -> list[Filled]:
    """Fills hidden cells by a model and by what stands beside it.

    Args:
        model: A model of tables without contexts that fills blank cells.
        name: What it is called.
        train: The rows it was fitted to, with shape (N, D).
        x: Rows with shape (n, D).
        hidden: Which of their cells to hide, with shape (n, D).
        peers: Whether scikit-learn's imputers are fitted too.
        seed: Names the draws.

    Returns:
        Of the model, of independent columns, of means, and of scikit-learn's.
    """
    space = model.space
    refuse_others(model)
    assert isinstance(space, Table)
    asked = x.masked_fill(hidden, torch.nan)
    plain = TableMixture(space, components=1).fit(train)
    found = []
    for title, law in ((name, model), ("independent", plain)):
        drawn = torch.stack(list(fills(law, asked, n=DRAWS, seed=seed)))  # (K, n, D)
        guess = torch.stack([_guess(f.is_number, drawn[..., d]) for d, f in enumerate(space.fields)], 1)
        coverage = coverage_of(space, x, hidden, drawn, seed)
        nats = _nats(law, x, hidden) if isinstance(law, ColumnMixture) else _estimated_nats(law, x, hidden, seed)
        how = how_filled(law, ~asked.isnan())
        found.append(Filled(title, how, *nats, *_errors(space, x, hidden, guess), coverage, int(hidden.sum())))
    others = {"mean or mode": _means(space, train, x)} | (_imputed(space, train, asked, hidden) if peers else {})
    for title, guess in others.items():
        errors = _errors(space, x, hidden, guess)
        found.append(Filled(title, GUESSES[title], None, None, None, *errors, None, int(hidden.sum())))
    return found


def _guess(is_number: bool, drawn: Tensor) -> Tensor:
    """One value for each cell (n,) of its draws (K, n): the mean, or the code drawn most often."""
    return drawn.mean(0) if is_number else drawn.mode(0).values


def _nats(law: ColumnMixture, x: Tensor, hidden: Tensor) -> tuple[float, str, None]:
    """-log p(hidden cells | the others) per hidden cell: log p of both less that of the others; its kind and error."""
    law, known, total = law.without_blanks(), ~x.isnan(), 0.0
    step = max(1, COMPONENTS // law.log_weight.shape[1])
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        both, others = (law.joint(x[rows], 0, which[rows]).logsumexp(1) for which in (known, known & ~hidden))
        total -= float((both - others).sum())
    return total / int(hidden.sum()), "exact", None


def _estimated_nats(law: Model, x: Tensor, hidden: Tensor, seed: int) -> tuple[float, str, float | None]:
    """The same of a model in an order of columns, which sums cells out by importance."""
    assert isinstance(law, Autoregressive)
    rows = hidden.any(1)
    x, hidden, known = x[rows], hidden[rows], ~x[rows].isnan()
    both, of_both = known_log_prob(law, x, known, Noise(seed).at("evidence of both"))
    others, of_others = known_log_prob(law, x, known & ~hidden, Noise(seed).at("evidence of others"))
    n, variance = int(hidden.sum()), float((of_both.square() + of_others.square()).sum())
    nats = float((others - both).sum()) / n
    return (nats, "estimate", NORMAL_95 * math.sqrt(variance) / n) if variance else (nats, "exact", None)


def coverage_of(space: Table, x: Tensor, hidden: Tensor, drawn: Tensor, seed: int) -> float | None:
    """How often the place of a hidden number among its fills is one of the 90 % in the middle."""
    numbers = hidden & torch.tensor([f.is_number for f in space.fields])
    if not bool(numbers.any()):
        return None
    truth, values = x[numbers], drawn[:, numbers]
    below, equal = (values < truth).sum(0), (values == truth).sum(0)
    u = Noise(seed).uniform((len(truth),), "ties", like=x)
    place = below + (u * (equal + 1)).floor().long()
    return float(((place >= MIDDLE[0]) & (place <= MIDDLE[1])).double().mean())


def _errors(space: Table, x: Tensor, hidden: Tensor, guess: Tensor) -> tuple[float | None, float | None]:
    """The root mean square error of hidden numbers, and the share of hidden names that are right."""
    is_number = torch.tensor([f.is_number for f in space.fields])
    scale = torch.tensor([f.scale if f.is_number else 1.0 for f in space.fields], dtype=x.dtype)
    numbers, names = hidden & is_number, hidden & ~is_number
    off = ((guess - x) / scale)[numbers]
    rmse = float(off.square().mean().sqrt()) if len(off) else None
    return rmse, float((guess == x)[names].double().mean()) if bool(names.any()) else None


def _means(space: Table, train: Tensor, x: Tensor) -> Tensor:
    """The mean of each column of numbers, the most frequent name of each other, for every row of x (n, D)."""
    columns = [t[~t.isnan()] for t in train.T]
    empty = torch.tensor(torch.nan, dtype=x.dtype)
    values = [_guess(f.is_number, c) if len(c) else empty for f, c in zip(space.fields, columns, strict=True)]
    return torch.stack(values).expand(len(x), -1)


def points_of_columns(space: Table) -> list[slice]:
    """Where the coordinates of each column lie in ``Table.points``."""
    widths = [1 + (f.blank is not None) if f.is_number else f.outcomes * (f.outcomes > 1) for f in space.fields]
    ends = np.cumsum([0, *widths])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def _imputed(space: Table, train: Tensor, asked: Tensor, hidden: Tensor) -> dict[str, Tensor]:
    """What scikit-learn's imputers put into hidden cells, which they see as points without coordinates."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer

    order = Noise(0).uniform((len(train),), "imputers").argsort()
    known, points = space.points(train[order[: max(MOST_NEAR, MOST_REGRESSED)]]), space.points(asked)
    spans = points_of_columns(space)
    for d, span in enumerate(spans):
        points[hidden[:, d], span] = torch.nan
    ways = {"k nearest rows": KNNImputer(n_neighbors=5), "regressions": IterativeImputer(max_iter=5, random_state=0)}
    found = {}
    for title, way in ways.items():
        most = MOST_NEAR if title == "k nearest rows" else MOST_REGRESSED
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Cc]onverge.*")
            full = torch.from_numpy(way.fit(known[:most].numpy()).transform(points.numpy()))
        guess = []
        for f, span in zip(space.fields, spans, strict=True):
            if f.is_number:
                guess.append(full[:, span.start] * f.scale + f.mean)
            elif len(f.names) > 1:
                guess.append(full[:, span][:, : len(f.names)].argmax(1).double())
            else:
                guess.append(torch.zeros(len(full), dtype=torch.float64))
        found[title] = torch.stack(guess, 1)
    return found
