"""What the sample metrics of one set of samples come to, beside the fixed rows that say what the numbers mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from ptheta.metrics.result import MetricResult

__all__ = ["NearestPairs", "SampleReport"]


@final
@dataclass(frozen=True)
class NearestPairs:
    """The samples nearest to the training set beside their training events, and held-out events as the control.

    Args:
        samples: The nearest samples with shape (k, *space.shape), nearest first.
        neighbours: The training event nearest to each.
        held_out: The held-out events nearest to the training set.
        held_out_neighbours: The training event nearest to each.
    """

    samples: Tensor
    neighbours: Tensor
    held_out: Tensor
    held_out_neighbours: Tensor


@final
@dataclass(frozen=True)
class SampleReport:
    """Every sample metric of one set of samples.

    Args:
        metrics: The results, each with its real-against-real value.
        fixed_rows: The same metrics of what stands for perfection, for copying and for no effort: ``real data``,
            ``copy of train`` and ``floor`` (every variable drawn by itself).
        notes: What was left out or cut short, one sentence each.
        pairs: The samples that look most like copies.
    """

    metrics: tuple[MetricResult, ...]
    fixed_rows: Mapping[str, tuple[MetricResult, ...]]
    notes: tuple[str, ...]
    pairs: NearestPairs

    def __getitem__(self, name: str) -> MetricResult:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(f"no metric {name!r}; there are {', '.join(m.name for m in self.metrics)}.")

    def __str__(self) -> str:
        columns = {"samples": self.metrics, **self.fixed_rows}
        rows = [f"{'metric':<17}" + "".join(f"{name:>27}" for name in columns) + "  best"]
        for i, metric in enumerate(self.metrics):
            best = metric.better if metric.better == "near real" else f"{metric.better}, as real"
            rows.append(f"{metric.name:<17}" + "".join(f"{_cell(c[i]):>27}" for c in columns.values()) + f"  {best}")
        return "\n".join([*rows, *self.notes])

    def to_json(self) -> dict[str, Any]:
        """Returns metrics, fixed rows and notes as a dictionary for strict JSON, without the pairs."""
        return {
            "metrics": [metric.to_json() for metric in self.metrics],
            "fixed_rows": {name: [m.to_json() for m in row] for name, row in self.fixed_rows.items()},
            "notes": list(self.notes),
        }


def _cell(result: MetricResult) -> str:
    low, high = result.interval
    return f"{result.value:.4g} [{low:.3g}, {high:.3g}]"
