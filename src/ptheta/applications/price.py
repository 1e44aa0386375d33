"""What a model in closed form will cost, told before it is paid: fits to growing parts of the training events.

    t_k, s_k     the seconds of a fit to k events, and of scoring with what came of it
    t_n          about t_k g^log_c(n / k),  g = t_ck / t_k,  c <= g <= c^2: no fit gets cheaper by events, none is cubic
    s_n          likewise, with 1 <= g <= c: kernels are scored with the events they stand on, most models are not

The parts grow c-fold until the whole is so near, or so cheap, that its price is known, or until the next part alone
would cost more than there is room. All parts together cost some 1 / (c - 1) of the fit that follows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

from ptheta.applications.bench import Bench
from ptheta.data.dataset import Dataset
from ptheta.protocols import HasLogProb
from ptheta.runs.opening import build

__all__ = ["Price", "price_of", "seconds_per_draw"]

FIRST, FACTOR = 50, 4  # events of the first part; c
CHEAP = 0.02  # the part of the room below which nobody asks for the price more exactly
TIMED = 100  # test events that are scored to time that


@final
@dataclass(frozen=True)
class Price:
    """What a model in closed form will cost.

    Args:
        fit: The seconds of its fit.
        score: Those of scoring the test events, by as many draws as the bench takes.
        per_draw: Those of scoring them by one draw of a bound; 0 where log p is exact.
    """

    fit: float = 0.0
    score: float = 0.0
    per_draw: float = 0.0

    def seconds(self, draws: int | None = None) -> float:
        """What it costs, where a bound is scored by so many draws."""
        return self.fit + (self.score if draws is None else self.per_draw * draws)


def price_of(name: str, bench: Bench, room: float, clock: Callable[[], float]) -> Price:
    """Finds out what a model in closed form will cost.

    Args:
        name: The model.
        bench: What will fit and score it.
        room: The seconds that there are at most for it.
        clock: Counts seconds.

    Returns:
        Its price. Raises ValueError, in a sentence, where it cannot be built.
    """
    data, n, k = bench.result.data, len(bench.result.data.train), FIRST
    fits: list[float] = []
    uses: list[float] = []
    while True:
        k, started = min(k, n), clock()
        found = _tried(name, bench, replace(data, train=data.train.some(k), valid=data.valid.some(k)), clock)
        if found is None:  # too few events of some class, or whatever the bench will tell
            if k == n or FACTOR * (clock() - started) > room:
                return Price(clock() - started)
            k *= FACTOR
            continue
        fit, use, per_draw = found
        fits, uses, steps = [*fits, fit], [*uses, use], math.log(n / k, FACTOR)
        most = (fit + use) * FACTOR ** (2 * steps)
        if most <= CHEAP * room:
            return Price(most, 0.0, per_draw)
        if k == n or (len(fits) > 1 and steps <= 1) or FACTOR * (fit + use) > room:
            scored = _growth(uses, 1, FACTOR) ** steps
            return Price(fit * _growth(fits, FACTOR, FACTOR**2) ** steps, use * scored, per_draw * scored)
        k *= FACTOR


def seconds_per_draw(model: Any, bench: Bench, clock: Callable[[], float]) -> tuple[float, float]:
    """Times the scoring of a few test events.

    Args:
        model: The model.
        bench: What will score it.
        clock: Counts seconds.

    Returns:
        The seconds of scoring all test events by one draw, and by as many as the bench takes.
    """
    few, started = bench.test[:TIMED], clock()
    bench.likelihood(model, few, 2)
    all_ = (clock() - started) * len(bench.test) / len(few)
    return (0.0, all_) if isinstance(model, HasLogProb) else (all_ / 2, all_ / 2 * bench.draws)


def _tried(name: str, bench: Bench, part: Dataset, clock: Callable[[], float]) -> tuple[float, float, float] | None:
    """Seconds of a fit to a part, of scoring after it, and of scoring by one draw; None where it fails."""
    seed, started = bench.result.seed, clock()
    model = build(name, part.space, part.context_space, seed=seed).model
    try:
        model.fit(part, seed=seed)
        fitted = clock()
        per_draw, scoring = seconds_per_draw(model, bench, clock)
    except TimeoutError:
        raise
    except Exception:  # the bench meets it again, and tells it
        return None
    return fitted - started, scoring, per_draw


def _growth(seconds: list[float], least: float, most: float) -> float:
    """How much dearer the next part is, from the last two."""
    if len(seconds) < 2 or seconds[-2] <= 0:
        return least
    return min(max(seconds[-1] / seconds[-2], least), most)
