"""What a sample metric returns: a number with its interval, and everything that makes it comparable or not."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, final

from torch import Tensor

__all__ = ["NORMAL_95", "Better", "MetricResult"]

NORMAL_95 = 1.96

Better = Literal["lower", "higher", "near real"]


@final
@dataclass(frozen=True)
class MetricResult:
    """One sample metric of one set of samples.

    Args:
        name: The metric.
        value: Its value.
        interval: Low and high end of the 95 % interval over events.
        better: Which way is better; "near real" where both directions are bad.
        meaning: What the number says, in one sentence.
        n_real: How many real events it used.
        n_fake: How many samples it used.
        extractor: The features it was computed on, with the hash of their weights.
        reference: Which split the real events are from.
        real: The same metric of real data against real data: what a perfect model would get; None if not computed.
        halves: The metric on random halves of both sets, the same real events for all samples, with shape (halves,),
            from which paired differences get their error; None where the error comes otherwise. Never part of JSON.
    """

    name: str
    value: float
    interval: tuple[float, float]
    better: Better
    meaning: str
    n_real: int
    n_fake: int
    extractor: str
    reference: str
    real: "MetricResult | None" = None
    halves: Tensor | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        real = "" if self.real is None else f", real data {self.real.value:.4g}{_interval(self.real.interval)}"
        return f"{self.name} {self.value:.4g}{_interval(self.interval)}{real}, {_way(self.better)} on {self.extractor}"

    @property
    def half_width(self) -> float:
        """The 95 % half-width, also where the interval is cut at the end of the metric's scale."""
        return max(self.value - self.interval[0], self.interval[1] - self.value)

    @property
    def shortfall(self) -> float:
        """How much worse than real data it is: 0 where it is as good or, but for "near real", better.

        What goes beyond real data is no better: a distance below that between real sets is what copies have. Without
        a real value lower or higher is better without end, and the shortfall of "near real" is NaN.
        """
        worse = self._worse
        return worse if self.real is None or self.better == "near real" else max(0.0, worse)

    @property
    def is_as_real(self) -> bool:
        """Whether it is no worse than the interval of real data against real data."""
        if self.real is None:
            return False
        low, high = self.real.interval
        return self.shortfall == 0 or low <= self.value <= high

    def minus(self, other: "MetricResult") -> tuple[float, float]:
        """The difference from the same metric of other samples, and its 95 % half-width.

        Paired where both were computed on the same halves of the real events, which takes out what the choice of real
        events does to both.

        Args:
            other: The same metric of another model.

        Returns:
            ``self.value - other.value`` and its half-width. Raises ValueError unless both have the same name,
            extractor, reference and numbers.
        """
        self._require_same_terms(other)
        return self.value - other.value, _half_width((self, 1.0), (other, -1.0))

    def behind(self, leader: "MetricResult") -> tuple[float, float]:
        """By how much its shortfall is larger than that of a leader, and the 95 % half-width of that.

        Args:
            leader: The same metric of the best model.

        Returns:
            The difference, at least zero if the leader leads, and its half-width.
        """
        self._require_same_terms(leader)
        mine, theirs = self._side, leader._side
        terms = [(self, mine), (leader, -theirs)]
        if self.real is not None and mine != theirs:  # on two sides of real data, whose own error then counts twice
            terms.append((self.real, theirs - mine))
        return self.shortfall - leader.shortfall, _half_width(*terms)

    def is_tied_with(self, leader: "MetricResult") -> bool:
        """Whether it is as good as real data, or not told from the best.

        Args:
            leader: The same metric of the best model.

        Returns:
            Whether nothing separates the two.
        """
        difference, half_width = self.behind(leader)
        return self.is_as_real or abs(difference) <= half_width

    @property
    def _worse(self) -> float:
        if self.better == "near real":
            return math.nan if self.real is None else abs(self.value - self.real.value)
        return self._side * (self.value - (self.real.value if self.real else 0.0))

    @property
    def _side(self) -> float:
        """1 where larger is worse, -1 where smaller is."""
        if self.better == "near real":
            return -1.0 if self.real is not None and self.value < self.real.value else 1.0
        return -1.0 if self.better == "higher" else 1.0

    def _require_same_terms(self, other: "MetricResult") -> None:
        for what in ("name", "extractor", "reference", "n_real", "n_fake"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                raise ValueError(
                    f"two results of a sample metric compare only if they have the same {what}, "
                    f"but one has {mine} and the other {theirs}. Evaluate both again in one go."
                )

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON; numbers that are not finite become None."""
        real = None if self.real is None else replace(self.real, halves=None)
        return _plain(_without_halves(asdict(replace(self, halves=None, real=real))))


def _half_width(*terms: tuple[MetricResult, float]) -> float:
    """The 95 % half-width of a sum of results times factors."""
    shared = [None if m.halves is None else factor * m.halves for m, factor in terms]
    paired = [halves for halves in shared if halves is not None]
    if len(paired) == len(terms):
        return NORMAL_95 * float(sum(paired[1:], paired[0]).std())
    return math.hypot(*(factor * m.half_width for m, factor in terms))


def _without_halves(entry: dict[str, Any]) -> dict[str, Any]:
    nested = {name: _without_halves(value) if name == "real" and value else value for name, value in entry.items()}
    return {name: value for name, value in nested.items() if name != "halves"}


def _plain(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {name: _plain(value) for name, value in entry.items()}
    if isinstance(entry, (list, tuple)):
        return [_plain(value) for value in entry]
    return None if isinstance(entry, float) and not math.isfinite(entry) else entry


def _interval(interval: Sequence[float]) -> str:
    return f" [{interval[0]:.4g}, {interval[1]:.4g}]"


def _way(better: Better) -> str:
    return "nearer to real data is better" if better == "near real" else f"{better} is better"
