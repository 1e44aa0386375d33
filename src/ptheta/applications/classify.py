"""Classification by Bayes' rule, with any model that scores events of every class.

    p(c | x) = p(x | c) p(c) / sum_k p(x | k) p(k)                                                                   (1)

The model says p(x | c), one score per class; the prior p(c) is that of the training events, or another. Of a table
that a model knows as a whole, any column of names may be the class: p(c | others) is p(c, others), normalised over c,
and the prior is part of it already. Where classes are met more or less often than in training,

    log p'(c | x) = log p(c | x) + log p'(c) - log p(c) + constant                                                   (2)

moves every log-odds by exactly the log of the ratio of the priors.

Where the model has a bound instead of log p, (1) is computed from bounds: their gaps may differ from class to class
and reorder the classes, which a note says.

Costs K scores per event, for K classes.

References:
    On Discriminative vs. Generative Classifiers (Ng & Jordan, 2001)
    https://papers.nips.cc/paper/2001/hash/7b7a53e239400a13bd6be6c91c4f6c4e-Abstract.html
    Adjusting the Outputs of a Classifier to New a Priori Probabilities (Saerens, Latinne & Decaestecker, 2002)
    https://doi.org/10.1162/089976602753284446
    On Calibration of Modern Neural Networks (Guo, Pleiss, Sun & Weinberger, 2017) https://arxiv.org/abs/1706.04599
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ptheta.applications.peers import boosted_classifier, cells_for_trees, logistic, points_of
from ptheta.data.dataset import Events
from ptheta.hints import did_you_mean
from ptheta.metrics import Kind, scores
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.protocols import HasLogProb
from ptheta.spaces import Binary, Levels, Space, Symbols, Table

__all__ = [
    "Judged",
    "class_scores",
    "classes_of",
    "judged",
    "peers",
    "posterior",
    "prior_of",
    "shifted",
    "some_for_peers",
    "target_of",
    "target_scores",
]

BINS = 10
MOST_NUMBERS = 5_000_000  # of training events and classes, in classifiers of scikit-learn
NORMAL_95 = 1.96


def classes_of(model: Model) -> tuple[str, ...]:
    """The names of the classes that a model is given; ValueError, in a sentence, where it is given none."""
    space = model.context_space
    if not isinstance(space, Symbols) or space.shape != ():
        given = "is given nothing" if space is None else f"is given {space}"
        raise ValueError(
            f"Bayes' rule needs a score for each class, but {type(model).__name__} {given}: fit with --conditional on "
            "data with classes, or, of a table, name the column to guess by --target."
        )
    return tuple(space.names) or tuple(map(str, range(space.n)))


def class_scores(model: Model, x: Tensor, *, draws: int = 2, noise: Noise | None = None) -> tuple[Tensor, Kind]:
    """log p(x | c), or what the model offers instead, of every class.

    Args:
        model: A model whose context is a class.
        x: Events with shape (n, *space.shape).
        draws: Of a bound, how many draws it averages over; the same ones for every class.
        noise: Where they come from; seed 0 if None.

    Returns:
        Scores in nats, float64 with shape (n, K), and their kind. Raises ValueError where the model has none.
    """
    found, kind = [], "exact"
    for c in range(len(classes_of(model))):
        assert model.context_space is not None
        context = torch.full((len(x),), c, dtype=model.context_space.dtype)
        score, kind = scores(model, Events(x, context), draws=draws, noise=noise or Noise(0))
        found.append(score)
    return torch.stack(found, 1), kind


def target_of(space: Space, name: str) -> tuple[int, tuple[str, ...]]:
    """Which column a name is, and the names of its values; ValueError, in a sentence, where it cannot be a class."""
    columns = space.columns or tuple(str(i + 1) for i in range(space.dimensions))
    if name not in columns:
        raise ValueError(f"--target names the column {name}, which is none of {space}.{did_you_mean(name, columns)}")
    k = columns.index(name)
    if isinstance(space, Table):
        if space.fields[k].is_number or len(space.fields[k].names) < 2:
            held = "numbers" if space.fields[k].is_number else "one name only"
            raise ValueError(f"--target should be a column of several names, but {name} holds {held}.")
        return k, space.fields[k].names
    if not isinstance(space, Binary | Levels | Symbols):
        raise ValueError(f"--target should be a column of names, but all of {space} are real numbers.")
    return k, tuple(getattr(space, "names", ())) or tuple(map(str, range(space.n)))


def target_scores(model: Model, x: Tensor, column: int, values: int) -> Tensor:
    """log p(x with each value in a column), exact.

    Args:
        model: An exact model without contexts.
        x: Events with shape (n, *space.shape); what stands in the column does not matter.
        column: Which variable, of the flattened event.
        values: How many values it takes.

    Returns:
        log p in nats, float64 with shape (n, K). Raises ValueError, in a sentence, for other models.
    """
    if not isinstance(model, HasLogProb) or model.context_space is not None:
        what = "takes contexts" if model.context_space is not None else "has no exact log p"
        raise ValueError(
            f"--target needs p(event) of a model without contexts, exactly, and {type(model).__name__} {what}: "
            "fit a mixture or a forest without --conditional."
        )
    found = []
    for k in range(values):
        filled = x.clone().flatten(1)
        filled[:, column] = k
        found.append(scores(model, Events(filled.reshape(x.shape)))[0])
    return torch.stack(found, 1)


def posterior(log_likelihood: Tensor, prior: Tensor) -> Tensor:
    """log p(c | x) by Bayes' rule.

    Args:
        log_likelihood: log p(x | c) in nats, with shape (n, K).
        prior: p(c), with shape (K,).

    Returns:
        Normalised log-probabilities with shape (n, K); those of the prior where no class can make the event.
    """
    joint = log_likelihood.double() + prior.double().log()  # (1)
    joint = torch.where((joint == -math.inf).all(1, keepdim=True), prior.double().log(), joint)
    return joint.log_softmax(1)


def shifted(log_posterior: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """log p(c | x) where classes are met as often as ``new`` says, not ``old``; shapes (n, K), (K,), (K,)."""
    if bool(((old == 0) & (new > 0)).any()):
        raise ValueError("--prior gives a share to a class that never occurs in training, of which nothing is known.")
    ratio = torch.where(old > 0, new.double().log() - old.double().log(), torch.tensor(-math.inf).double())
    return (log_posterior + ratio).log_softmax(1)  # (2)


def prior_of(word: str, names: Sequence[str], shares: Tensor | None) -> Tensor:
    """The prior that a word asks for.

    Args:
        word: data, uniform, or shares such as a=.3,b=.7.
        names: Of the classes.
        shares: Of the classes among training events, with shape (K,); None where they are not known.

    Returns:
        p(c), float64 with shape (K,). Raises ValueError, in a sentence, for other words.
    """
    if word == "uniform":
        return torch.full((len(names),), 1 / len(names), dtype=torch.float64)
    if word == "data":
        if shares is None:
            raise ValueError("--prior data needs the training events, which are not there: say --prior uniform.")
        return shares.double()
    parts = {part.rpartition("=")[0]: part.rpartition("=")[2] for part in word.split(",")}
    if strange := [name for name in parts if name not in names]:
        near = did_you_mean(strange[0], names)
        raise ValueError(
            f"--prior should be data, uniform or a share for each class, such as {names[0]}=.3,{names[1]}=.7, but it "
            f"names {strange[0] or 'nothing'!r}.{near}"
        )
    try:
        values = torch.tensor([float(parts[name]) for name in names], dtype=torch.float64)
    except (KeyError, ValueError):
        raise ValueError(f"--prior should give a number for each of {', '.join(names)}, but it is {word}.") from None
    if not bool((values >= 0).all()) or abs(float(values.sum()) - 1) > 1e-6:
        raise ValueError(f"--prior should be shares that sum to 1, but they sum to {float(values.sum()):g}.")
    return values


@final
@dataclass(frozen=True)
class Judged:
    """How right the probabilities of classes are.

    Args:
        name: Whose they are.
        accuracy: The share of events whose likeliest class is theirs.
        half_width_95: Of the accuracy, over events.
        log_loss: The mean of -log p(class | event), in nats; infinite where some class was given none.
        ece: The expected calibration error: by how much confidence differs from the share right, over ten bins.
        n: How many events.
        bins: Of each bin that is met the mean confidence, the share right and how many events.
    """

    name: str
    accuracy: float
    half_width_95: float
    log_loss: float
    ece: float
    n: int
    bins: tuple[tuple[float, float, int], ...]

    def __str__(self) -> str:
        return (
            f"{self.name:<20} accuracy {self.accuracy:.4f} ± {self.half_width_95:.4f}   log loss {self.log_loss:.4f} "
            f"nats   ECE {self.ece:.4f}   n = {self.n}"
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON."""
        loss = self.log_loss if math.isfinite(self.log_loss) else None
        bins = [{"confidence": c, "right": r, "n": n} for c, r, n in self.bins]
        return {
            "name": self.name, "accuracy": self.accuracy, "half_width_95": self.half_width_95, "log_loss": loss,
            "ece": self.ece, "n": self.n, "bins": bins,
        }  # fmt: skip


def judged(name: str, log_p: Tensor, truth: Tensor) -> Judged:
    """Judges probabilities of classes.

    Args:
        name: Whose they are.
        log_p: Normalised log-probabilities with shape (n, K).
        truth: The class of each event, with shape (n,).

    Returns:
        Accuracy, log loss and calibration.
    """
    n, truth = len(truth), truth.long()
    confidence, guess = log_p.exp().max(1)
    right = (guess == truth).double()
    place = (confidence * BINS).long().clamp(max=BINS - 1)
    bins = []
    for b in place.unique().tolist():
        inside = place == b
        bins.append((float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum())))
    accuracy = float(right.mean())
    half_width = NORMAL_95 * math.sqrt(accuracy * (1 - accuracy) / n)
    log_loss = -float(log_p.gather(1, truth[:, None]).mean())
    ece = sum(count * abs(sure - share) for sure, share, count in bins) / n
    return Judged(name, accuracy, half_width, log_loss, ece, n, tuple(bins))


def peers(space: Space, train: Events, x: Tensor, classes: int, *, seed: int = 0) -> Mapping[str, Tensor]:
    """What classifiers of scikit-learn say, fitted to training events.

    Args:
        space: What an event is, without its class.
        train: Training events, whose contexts are their classes; see ``some_for_peers``.
        x: Events to classify, with shape (n, *space.shape).
        classes: The number K of classes.
        seed: Names their random draws.

    Returns:
        Log-probabilities with shape (n, K), by the name of the classifier.
    """
    assert train.context is not None
    y = train.context.long().numpy()
    if len(np.unique(y)) < 2:
        raise ValueError("the training events are of one class, which no classifier learns from.")
    found: dict[str, Tensor] = {}
    cells, names = cells_for_trees(space, train.x)
    ways = {
        "logistic regression": (logistic(), points_of(space, train.x), points_of(space, x)),
        "gradient boosting": (boosted_classifier(names, seed), cells, cells_for_trees(space, x)[0]),
    }
    for name, (way, known, asked) in ways.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "lbfgs failed to converge")  # where it stops is good enough to stand by
            way.fit(known, y)
        log_p = torch.full((len(x), classes), -math.inf, dtype=torch.float64)
        log_p[:, torch.from_numpy(way.classes_).long()] = torch.from_numpy(way.predict_proba(asked)).double().log()
        found[name] = log_p
    return found


def some_for_peers(train: Events, space: Space, classes: int) -> Events:
    """As many training events as classifiers of scikit-learn learn from in a minute or two, always the same ones."""
    return train.some(max(1000, MOST_NUMBERS // (space.dimensions * classes))).loaded()
