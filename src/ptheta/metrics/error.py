"""The error of a map or a coder: what it is trained and chosen by, in its own unit, over events it has not seen."""

import math
from dataclasses import asdict, dataclass
from typing import Any, final

import torch

from ptheta.data.dataset import Events
from ptheta.metrics.result import NORMAL_95
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.protocols import HasValidation

__all__ = ["MapError", "map_error"]


@final
@dataclass(frozen=True)
class MapError:
    """The mean error of a map.

    Args:
        value: The mean over events, lower is better.
        half_width_95: The 95 % half-width over events; None for one event.
        n: How many events.
        meaning: What the error is, in the map's own words.

    Example:
        >>> print(MapError(1.25, 0.03, 180, "The error of each event: lower is better."))
        error 1.25 ± 0.03 (n = 180). The error of each event: lower is better.
    """

    value: float
    half_width_95: float | None
    n: int
    meaning: str

    def __str__(self) -> str:
        spread = "" if self.half_width_95 is None else f" ± {self.half_width_95:.3g}"
        return f"error {self.value:.4g}{spread} (n = {self.n}). {self.meaning}"

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON."""
        return asdict(self)


def map_error(model: Model, events: Events, *, noise: Noise | None = None, batch_size: int = 500) -> MapError | None:
    """Measures the error by which a map's or a coder's weights are chosen.

    Args:
        model: Any model.
        events: The events to measure on, at least one.
        noise: Where an error that draws draws from; seed 0 if None.
        batch_size: How many events the model sees at once.

    Returns:
        The error; None of a model that has none.
    """
    if not isinstance(model, HasValidation):
        return None
    noise, errors = noise or Noise(0), []
    with torch.no_grad():
        for start in range(0, len(events), batch_size):
            part = events[start : start + batch_size].loaded()
            context = part.context if model.context_space is not None else None
            errors.append(model.validation(part.x, context, noise.rows(start)).cpu().double())
    error = torch.cat(errors)
    half_width = NORMAL_95 * float(error.std()) / math.sqrt(len(error)) if len(error) > 1 else None
    meaning = (type(model).validation.__doc__ or "The error by which weights are chosen; lower is better.").strip()
    return MapError(
        float(error.mean()), half_width, len(error), " ".join(meaning.split()).replace(", with shape (B,)", "")
    )
