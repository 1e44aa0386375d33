"""The score a run is watched by: the topmost rung of the model's ladder, under fixed noise."""

import torch

from ptheta.data.dataset import Events
from ptheta.ladder import Rung
from ptheta.model import Trained
from ptheta.noise import Noise

__all__ = ["chunked", "validation_score"]


@torch.inference_mode()
def validation_score(model: Trained, rung: Rung, events: Events, *, seed: int = 0, chunk: int = 500) -> float:
    """The mean score per event, higher is better, in evaluation mode.

    Args:
        model: The model that the rung belongs to.
        rung: What to score by.
        events: What to score.
        seed: Names the noise, the same at every validation.
        chunk: Events scored at a time.

    Returns:
        Nats per event; minus the error per event where the model has no likelihood but an error.
    """
    noise = Noise(seed).at("validation")
    was_training = model.training
    model.eval()
    try:
        scores = (rung.score(part.x, part.context, noise.rows(start)) for part, start in chunked(events, chunk))
        total = sum(float(score.double().sum()) for score in scores)
    finally:
        model.train(was_training)
    return total / len(events)


def chunked(events: Events, chunk: int) -> list[tuple[Events, int]]:
    """Cuts events into pieces of at most ``chunk``, each with the index of its first event."""
    return [(events[start : start + chunk], start) for start in range(0, len(events), chunk)]
