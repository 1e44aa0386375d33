"""The score a run is watched by: log-likelihood, else its bound under fixed noise, else pseudo-likelihood."""

from typing import TYPE_CHECKING, Any

import torch

from ptheta.data.dataset import Events
from ptheta.model import HasElbo, HasLogProb, HasPseudoLikelihood
from ptheta.noise import Noise

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["chunked", "validation_kind", "validation_score"]


def validation_kind(model: Any) -> str | None:
    """What ``validation_score`` is for this model: log-likelihood, bound, pseudo-likelihood, or None for games."""
    match model:
        case HasLogProb():
            return "log-likelihood"
        case HasElbo():
            return "bound"
        case HasPseudoLikelihood():
            return "pseudo-likelihood"
    return None


@torch.inference_mode()
def validation_score(model: Any, events: Events, *, seed: int = 0, chunk: int = 500) -> float:
    """The mean score in nats per event, higher is better, in evaluation mode.

    Args:
        model: A model with ``log_prob``, ``elbo`` or ``pseudo_log_likelihood``.
        events: What to score.
        seed: Names the noise of a bound, the same at every validation.
        chunk: Events scored at a time.

    Returns:
        Nats per event.
    """
    noise = Noise(seed).at("validation")

    def score(part: Events, start: int) -> "Tensor":
        match model:
            case HasLogProb():
                return model.log_prob(part.x, part.context)
            case HasElbo():
                return model.elbo(part.x, part.context, noise=noise.rows(start))
            case HasPseudoLikelihood():
                return model.pseudo_log_likelihood(part.x, part.context)
        raise TypeError(f"{type(model).__name__} offers no score to validate by.")

    was_training = model.training
    model.eval()
    try:
        total = sum(float(score(part, start).double().sum()) for part, start in chunked(events, chunk))
    finally:
        model.train(was_training)
    return total / len(events)


def chunked(events: Events, chunk: int) -> list[tuple[Events, int]]:
    """Cuts events into pieces of at most ``chunk``, each with the index of its first event."""
    return [(events[start : start + chunk], start) for start in range(0, len(events), chunk)]
