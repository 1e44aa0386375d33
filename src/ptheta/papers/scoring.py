"""Scores as a row of a paper's table keeps them: a value, and beside it all else that is known of it."""

from typing import TYPE_CHECKING, Any

from ptheta.papers.row import Found

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.data import Dataset, Events
    from ptheta.metrics import SampleReport
    from ptheta.model import Model

__all__ = ["judged", "scored"]


def scored(model: "Model", events: "Events", **options: Any) -> Found:
    """The mean negative log-likelihood of events in nats, or its bound.

    Args:
        model: A model that has one.
        events: What to score.
        **options: Options of ``ptheta.likelihood``, such as draws or importance.

    Returns:
        The value; among the details its half-widths and what the model tells besides, such as reconstruction and rate.
    """
    from ptheta.metrics import likelihood

    found = likelihood(model, events, **options)
    assert found.value is not None
    details = {
        "95 % half-width over events": found.error,
        "95 % half-width of the Monte Carlo part": found.estimator_error or None,  # an exact log Z has none
        "bits per dimension": found.bits_per_dim,
        **found.details,
    }
    return Found(found.value, {what: number for what, number in details.items() if number is not None})


def judged(x: "Tensor", data: "Dataset", seed: int) -> dict[str, float]:
    """Every sample metric, and beside each what real training events get.

    Args:
        x: Samples.
        data: What they should look like; the extractor of features learns from its classes where it has some.
        seed: Names the extractor.

    Returns:
        The metrics by name.
    """
    from ptheta.metrics import evaluate_samples

    report: SampleReport = evaluate_samples(x, data, seed=seed)
    found: dict[str, float] = {}
    for metric in report.metrics:
        found[metric.name] = metric.value
        if metric.real is not None:
            found[f"{metric.name} of real data"] = metric.real.value
    return found
