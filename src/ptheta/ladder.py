"""The ladder of scores: what a model knows of an event, the best first.

    log_prob               log p(x) itself, exact
    elbo                   a lower bound on it, one draw
    pseudo_log_likelihood  the sum over variables of log p(x_i | all others): a sign of progress, no likelihood
    validation             minus the error of a map or a coder

A run is watched, and its weights are chosen, by the topmost rung that the model has; likelihoods use the upper two; the
laws use all. What a model with an energy knows of log p takes log Z as well: see ``metrics.likelihood``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

from torch import Tensor

from ptheta.noise import Noise
from ptheta.protocols import HasElbo, HasLogProb, HasPseudoLikelihood, HasValidation

__all__ = ["Rung", "ladder"]


@final
@dataclass(frozen=True)
class Rung:
    """One score of a model.

    Args:
        kind: What it is.
        score: Takes (x, context, noise), returns one number per event, higher is better, with shape (B,).
        chooses: Whether weights may be chosen by it.
    """

    kind: Literal["log-likelihood", "bound", "pseudo-likelihood", "minus the error"]
    score: Callable[[Tensor, Tensor | None, Noise], Tensor]
    chooses: bool = True


def ladder(model: Any) -> list[Rung]:
    """The scores that a model offers.

    Args:
        model: Any model.

    Returns:
        Its rungs, the best first; none for models that only sample.
    """
    rungs = []
    if isinstance(model, HasLogProb):
        log_prob = model.log_prob
        rungs.append(Rung("log-likelihood", lambda x, c, noise: log_prob(x, c)))
    if isinstance(model, HasElbo):
        elbo = model.elbo
        rungs.append(Rung("bound", lambda x, c, noise: elbo(x, c, noise=noise)))
    if isinstance(model, HasPseudoLikelihood):
        pseudo = model.pseudo_log_likelihood  # it may rise while log p falls, so weights are not chosen by it
        rungs.append(Rung("pseudo-likelihood", lambda x, c, noise: pseudo(x, c), chooses=False))
    if isinstance(model, HasValidation):
        error = model.validation
        rungs.append(Rung("minus the error", lambda x, c, noise: -error(x, c, noise)))
    return rungs
