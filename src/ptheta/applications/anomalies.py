"""Odd events, and which of their cells are odd, by a model of ordinary ones.

An event is odd where a score is above the threshold that a stated share of ordinary validation events would pass: the
m-th smallest of n validation scores, m = ceil((n + 1) (1 - a)), so that a new ordinary event passes it with
probability at most a, whatever the score. The scores, all the higher the odder:

    likelihood     -log p(x)                                  what the model finds improbable
    ratio          log p_independent(x) - log p(x)            less what independent variables find improbable      (1)
    compressor     -log p(x) - 8 log 2 |zlib(x)|              less what a compressor finds complex                 (2)
    typicality     |-log p(x) - mean over training events|    as improbable as ordinary events, neither more nor less
    oddest cell    max_d -log p(x_d | all other cells)        the cell that fits the others least
    zlib           8 log 2 |zlib(x)|                          the compressor alone: a model has to beat it

Likelihood alone is no anomaly detector. Simple events may have a higher likelihood than any ordinary one: the origin is
the densest point of a Gaussian in many dimensions, and it is never drawn. So the others stand beside it, and where some
events are known to be odd, all are ranked by how well they tell them.

The cell scores are exact where a model knows every conditional: products of columns at the cost of two scores, models
of few discrete variables by trying every value. Autoregressive models have log p(x_d | cells before it), which blames
the later of two cells that do not fit together.

References:
    Do Deep Generative Models Know What They Don't Know? (Nalisnick et al., 2019) https://arxiv.org/abs/1810.09136
    Likelihood Ratios for Out-of-Distribution Detection (Ren et al., 2019) https://arxiv.org/abs/1906.02845
    Input Complexity and Out-of-distribution Detection with Likelihood-based Generative Models (Serrà et al., 2020)
    https://arxiv.org/abs/1909.11480
    Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality (Nalisnick et al., 2019)
    https://arxiv.org/abs/1906.02994
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.data.dataset import Events
from ptheta.distributions.columns import ColumnMixture
from ptheta.metrics import Kind, scores
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.protocols import HasLogProb
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, Table

__all__ = ["Detector", "Oddness", "Ranked", "cell_scores", "ranked", "surpasses", "threshold", "zlib_nats"]

Cells = Literal["given all others", "given those before"]

MOST_TRIED = 2000  # values of all cells, that are tried one by one
ROUNDING = 1e-6  # of a threshold, by which one event's score may differ from batch to batch
CLIP, STEPS = 4.0, 255  # of real numbers before they are compressed: deviations, and parts


@final
@dataclass(frozen=True)
class Oddness:
    """How odd events are.

    Args:
        scores: Each score by its name, float64 with shape (n,): the higher the odder.
        kind: What is known of log p.
        cells: -log p of each cell in nats, given what ``given`` says, with shape (n, D); None where it is not known.
        given: What the cells are scored given.
    """

    scores: Mapping[str, Tensor]
    kind: Kind
    cells: Tensor | None
    given: Cells | None


@final
class Detector:
    """A model of ordinary events, beside one of independent variables and a compressor.

    Args:
        model: The model.
        background: One of independent variables, fitted to the same events; None leaves its score out.
        train: Ordinary events, of whose scores typicality needs the mean; None leaves it out.
        draws: Of a bound, how many draws it averages over.
        seed: Names them.
    """

    def __init__(
        self, model: Model, background: Model | None, train: Events | None, *, draws: int = 2, seed: int = 0
    ) -> None:
        self.model, self.background, self.draws, self.noise = model, background, draws, Noise(seed)
        self.mean = None if train is None else float((-scores(model, train, draws=draws, noise=self.noise)[0]).mean())

    def __call__(self, events: Events, *, cells: bool = True) -> Oddness:
        """Scores events.

        Args:
            events: Any number of them.
            cells: Whether each cell is scored too, which costs more.

        Returns:
            Their scores; ValueError, in a sentence, of a model that has none.
        """
        log_p, kind = scores(self.model, events, draws=self.draws, noise=self.noise)
        compressed = zlib_nats(events.x, self.model.space)
        found = {"likelihood": -log_p}
        if self.background is not None:
            found["ratio"] = scores(self.background, events)[0] - log_p  # (1)
            both = (found["likelihood"] == math.inf) & (found["ratio"].isnan())
            found["ratio"] = torch.where(both, math.inf, found["ratio"])
        found["compressor"] = -log_p - compressed  # (2)
        if self.mean is not None:
            found["typicality"] = (-log_p - self.mean).abs()
        parts, given = cell_scores(self.model, events) if cells else (None, None)
        if parts is not None:
            found["oddest cell"] = parts.max(1).values
        return Oddness({**found, "zlib": compressed}, kind, parts, given)


def threshold(ordinary: Tensor, false_alarms: float) -> float:
    """What a new ordinary event passes with probability at most ``false_alarms``.

    Args:
        ordinary: Scores of n ordinary events that were not trained on, with shape (n,).
        false_alarms: The share of ordinary events that may be called odd.

    Returns:
        The threshold; ValueError, in a sentence, where there are too few events to say.
    """
    if not 0 < false_alarms < 1:
        raise ValueError(f"--false-alarms should be a share between 0 and 1, but it is {false_alarms:g}.")
    n = len(ordinary)
    m = math.ceil((n + 1) * (1 - false_alarms))
    if m > n:
        raise ValueError(
            f"a share of {false_alarms:g} false alarms takes at least {math.ceil(1 / false_alarms) - 1} validation "
            f"events, and there are {n}: ask for more false alarms, or fit with more validation events."
        )
    return float(ordinary.sort().values[m - 1])


def surpasses(scores: Tensor, limit: float) -> Tensor:
    """Which scores, with shape (n,), lie above a threshold; one that ties with it does not, however it was rounded."""
    slack = ROUNDING * max(1.0, abs(limit)) if math.isfinite(limit) else 0.0
    return scores > limit + slack


def zlib_nats(x: Tensor, space: Space) -> Tensor:
    """How many nats zlib needs for each event: its texts in a table, a byte per discrete value or standardised number.

    Args:
        x: Events with shape (n, *space.shape).
        space: What an event is.

    Returns:
        Nats, float64 with shape (n,).
    """
    if isinstance(space, Table):
        rows = [",".join(row).encode() for row in zip(*space.texts(x.cpu()), strict=True)]
    else:
        cells = space.cells(x).double().cpu()
        if isinstance(space, Real):
            cells = ((cells.clamp(-CLIP, CLIP) / CLIP + 1) / 2 * STEPS).round()
        wide = torch.int32 if len(cells) and float(cells.max()) > STEPS else torch.uint8
        rows = [row.numpy().tobytes() for row in cells.to(wide)]
    return torch.tensor([8 * math.log(2) * len(zlib.compress(row, 9)) for row in rows], dtype=torch.float64)


def cell_scores(model: Model, events: Events) -> tuple[Tensor | None, Cells | None]:
    """-log p of each cell given the others, or those before it.

    Args:
        model: Any model.
        events: Events to score.

    Returns:
        Nats, float64 with shape (n, D), of real numbers per standard unit; and what they are given. None and None where
        the model does not know.
    """
    events = events.loaded() if model.context_space is not None else events.without_context().loaded()
    x, context, space = events.x, events.context, model.space
    with torch.no_grad():
        if isinstance(model, ColumnMixture):
            return -model.given_others(x, context), "given all others"
        values = space.n if isinstance(space, Binary | Levels | Symbols) else 0
        if isinstance(model, HasLogProb) and 0 < values * space.dimensions <= MOST_TRIED:
            return -_by_trial(model, events, values), "given all others"
        if isinstance(model, Autoregressive):
            cells = model.cells(x)
            looked = cells.to(next(model.parameters()).dtype) if isinstance(space, Binary) else cells
            parts = [
                model.head.log_prob(model.conditionals(looked[s], None if context is None else context[s]), looked[s])
                for s in (slice(start, start + 500) for start in range(0, len(x), 500))
            ]
            return -torch.cat(parts).double()[:, model.order.argsort()], "given those before"
    return None, None


def _by_trial(model: Model, events: Events, values: int) -> Tensor:
    """log p(x_d | all others) by every value that x_d could have."""
    flat = events.x.flatten(1)
    columns = []
    for d in range(flat.shape[1]):
        tried = []
        for value in range(values):
            other = flat.clone()
            other[:, d] = value
            tried.append(scores(model, Events(other.reshape(events.x.shape), events.context))[0])
        log_p = torch.stack(tried, 1).log_softmax(1)
        columns.append(log_p.gather(1, flat[:, d, None].long())[:, 0])
    return torch.stack(columns, 1)


@final
@dataclass(frozen=True)
class Ranked:
    """How well a score tells odd events from ordinary ones.

    Args:
        name: The score.
        area: The area under the ROC curve: the probability that an odd event scores above an ordinary one.
        half_width_95: Of the area, over events.
        precision: The average precision: the mean share of odd events among those that score as high as one of them.
        n_odd: How many events are odd.
        n: How many there are.
    """

    name: str
    area: float
    half_width_95: float
    precision: float
    n_odd: int
    n: int

    def __str__(self) -> str:
        return (
            f"{self.name:<12} AUROC {self.area:.4f} ± {self.half_width_95:.4f}   average precision "
            f"{self.precision:.4f} (chance {self.n_odd / self.n:.4f})"
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def ranked(found: Mapping[str, Tensor], is_odd: Tensor) -> list[Ranked]:
    """Ranks scores by how well they tell events that are known to be odd.

    Args:
        found: Scores with shape (n,), by name.
        is_odd: Which events are odd, Boolean with shape (n,).

    Returns:
        The best first. Raises ValueError where all or none are odd.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    odd, n = int(is_odd.sum()), len(is_odd)
    if not 0 < odd < n:
        raise ValueError(f"to rank scores, some events should be odd and some not, but {odd} of {n} are.")
    made = []
    for name, values in found.items():
        place = values.unique(return_inverse=True)[1].numpy()  # ranks: scores may be infinite
        area = float(roc_auc_score(is_odd.numpy(), place))
        precision = float(average_precision_score(is_odd.numpy(), place))
        made.append(Ranked(name, area, 1.96 * _error(area, odd, n - odd), precision, odd, n))
    return sorted(made, key=lambda each: -each.area)


def _error(area: float, n: int, m: int) -> float:
    """The standard error of an area under the ROC curve (Hanley & McNeil, 1982)."""
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n - 1) * (one - area**2) + (m - 1) * (two - area**2)
    return math.sqrt(max(variance, 0.0) / (n * m))
