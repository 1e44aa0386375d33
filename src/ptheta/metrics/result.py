"""What a sample metric returns: a number with its interval, and everything that makes it comparable or not."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

__all__ = ["Better", "MetricResult"]

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

    def __str__(self) -> str:
        real = "" if self.real is None else f", real data {self.real.value:.4g}{_interval(self.real.interval)}"
        return f"{self.name} {self.value:.4g}{_interval(self.interval)}{real}, {_way(self.better)} on {self.extractor}"

    def minus(self, other: "MetricResult") -> float:
        """Returns ``self.value - other.value``.

        Args:
            other: The same metric of another model.

        Returns:
            The difference. Raises ValueError unless both have the same name, extractor, reference and numbers.
        """
        for what in ("name", "extractor", "reference", "n_real", "n_fake"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                raise ValueError(
                    f"two results of a sample metric compare only if they have the same {what}, "
                    f"but one has {mine} and the other {theirs}. Evaluate both again in one go."
                )
        return self.value - other.value

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON; numbers that are not finite become None."""
        return _plain(asdict(self))


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
