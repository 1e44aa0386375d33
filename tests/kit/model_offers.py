"""What the laws need of a model: its scores, its exact law by whatever way, all its events, a grid to sum over."""

import itertools
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from scipy import stats
from torch import Tensor

import exact_scores
from ptheta.distributions.dequantized import Dequantization
from ptheta.model import Distribution, Model
from ptheta.noise import Noise
from ptheta.protocols import (
    HasCode,
    HasElbo,
    HasEnergy,
    HasImportanceBound,
    HasLogProb,
    HasPseudoLikelihood,
    HasValidation,
)
from ptheta.spaces import Table
from toy_law import is_measured, toy_contexts, values_of

FALSE_ALARM = 1e-3
SIGMAS = 3.29  # a normal deviates further once in a thousand times
DRAWS, STATES, CONTEXTS = 10_000, 1024, 2
GRID = {1: (4096, 64), 2: (240, 8)}  # by dimension: quadrature points per axis, and blocks in which samples are counted

Score = Callable[[Tensor, Tensor | None, Noise], Tensor]
Edges = Callable[[Any, Tensor | None], tuple[Tensor, Tensor]]


@runtime_checkable
class HasBijection(Protocol):
    """Maps events to codes of as many numbers and back, and says how much volume is stretched."""

    def encode_and_log_det(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor: ...


def scores(model: Any) -> dict[str, Score]:
    """Every score of a model as a function of events, contexts and noise."""
    found: dict[str, Score] = {}
    if isinstance(model, HasLogProb):
        found["log_prob"] = lambda x, c, noise: model.log_prob(x, c)
    if isinstance(model, HasElbo):
        found["elbo"] = lambda x, c, noise: model.elbo(x, c, draws=2, noise=noise)
    if isinstance(model, HasImportanceBound):
        found["importance_bound"] = lambda x, c, noise: model.importance_bound(x, 3, c, noise=noise)
    if isinstance(model, HasEnergy):
        found["energy"] = lambda x, c, noise: model.energy(x, c)
    if isinstance(model, HasPseudoLikelihood):
        found["pseudo_log_likelihood"] = lambda x, c, noise: model.pseudo_log_likelihood(x, c)
    if isinstance(model, HasValidation):
        found["validation"] = model.validation
    return found


def answers(model: Any, sampling: dict[str, Any]) -> dict[str, Score]:
    """All that a model says of events, contexts and noise: its scores, samples, codes and what they decode to."""
    found = scores(model)
    if isinstance(model, Distribution):
        found["sample"] = lambda x, c, noise: model.sample(len(x), c, noise=noise, **sampling)
    if isinstance(model, HasCode):
        found["encode"] = lambda x, c, noise: model.encode(x, c)
        found["decode"] = lambda x, c, noise: model.decode(model.encode(x, c), c)
    return found


def tight_log_prob(model: Any) -> Score | None:
    """Log-probabilities that should sum to one: exact, by an exact log Z, by brute force, or a bound of many draws."""
    if isinstance(model, HasLogProb):
        return lambda x, c, noise: model.log_prob(x, c)
    if isinstance(model, HasEnergy) and model.log_partition().exact:
        log_z = model.log_partition().value
        return lambda x, c, noise: -model.energy(x, c) - log_z
    if exact_scores.has_exact(model) and not isinstance(
        model, Dequantization
    ):  # whose density has mass outside all cells
        return lambda x, c, noise: exact_scores.exact_log_prob(model, x, c)
    if isinstance(model, HasImportanceBound) and model.space.is_discrete:
        return lambda x, c, noise: model.importance_bound(x, 3000, c, noise=noise)
    return None


def is_enumerable(space: Any) -> bool:
    """Whether all states of a space are few enough to visit, or it is a line or a plane to integrate over."""
    if isinstance(space, Table) and not is_measured(space):
        return not any(column.is_number for column in space.fields)
    return space.n**space.dimensions <= STATES if space.is_discrete else space.dimensions in GRID


def states(space: Any) -> Tensor:
    """Every event of a small discrete space."""
    rows = itertools.product(range(values_of(space)), repeat=space.dimensions)
    return torch.tensor(list(rows)).to(space.dtype).reshape(-1, *space.shape)


def contexts(model: Any) -> list[Tensor | None]:
    """Every context of a model where they are few, else some of them; None alone without a context space."""
    space = model.context_space
    if space is None:
        return [None]
    few = space.is_discrete and space.n**space.dimensions <= CONTEXTS
    return list(states(space) if few else toy_contexts(space, CONTEXTS, Noise(9)))


def repeated(context: Tensor | None, n: int) -> Tensor | None:
    """One context, n times."""
    return None if context is None else context.expand(n, *context.shape)


def tolerance_of(model: Any) -> float:
    """Enumeration is exact; quadrature of smooth densities nearly so; a bound of many draws falls a little short."""
    if isinstance(model, HasLogProb | HasEnergy) and model.space.is_discrete:
        return 1e-9
    return 2e-4 if exact_scores.has_exact(model) or isinstance(model, HasLogProb) else 0.02


def quadrature(model: Any, context: Tensor | None, edges: Edges | None = None) -> tuple[Tensor, float]:
    """Midpoints of a grid over the line or the plane, with shape (G, *shape), and the volume of its cells.

    The grid is as wide as the model's own samples and more, or as the box outside of which its density is zero.
    """
    if edges is not None:
        low, high = (end.reshape(-1) for end in edges(model, context))
    else:
        seen = model.sample(2000, repeated(context, 2000), noise=Noise(11)).double().reshape(2000, -1)
        low, high = seen.amin(0), seen.amax(0)
        low, high = low - 0.4 * (high - low), high + 0.4 * (high - low)
    n, d = GRID[model.space.dimensions][0], model.space.dimensions
    steps = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    axes = [low[i] + steps * (high[i] - low[i]) for i in range(d)]
    return torch.cartesian_prod(*axes).reshape(-1, *model.space.shape), float((high - low).prod()) / n**d


# Events, counted and compared


def same(a: Tensor, b: Tensor, message: str, within: float = 1e-9) -> None:
    """Equal events: discrete ones exactly, real ones to 1e-9."""
    assert a.shape == b.shape, f"{message}: shapes {tuple(a.shape)} and {tuple(b.shape)}"
    close = torch.allclose(a, b, rtol=within, atol=within) if a.is_floating_point() else torch.equal(a, b)
    assert close, message


def state_index(space: Any, x: Tensor) -> Tensor:
    """The place of events in ``states``."""
    return (space.cells(x).long() * values_of(space) ** torch.arange(space.dimensions - 1, -1, -1)).sum(1)


def agree(counts: Tensor, expected: Tensor) -> None:
    """Chi-square of counts; cells expected less than 5 times are pooled."""
    rare = expected < 5
    if rare.any():
        counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
        expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    keep = expected > 0.5
    assert float(counts[~keep].sum()) < 10, "samples fall where they have no probability"
    counts, expected = counts[keep], expected[keep]
    expected = expected * (counts.sum() / expected.sum())
    if len(expected) == 1:  # the only state there is
        return
    p = float(stats.chisquare(counts.numpy(), expected.numpy()).pvalue)
    assert p > FALSE_ALARM, f"samples disagree with probabilities: p = {p}"


# Refusals and classes


class refusal:
    """Expects a ValueError whose sentence holds the given words; says which call should have been refused."""

    def __init__(self, words: str, what: str) -> None:
        self.words, self.what = words, what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert kind is not None, f"{self.what} was not refused"
        if not issubclass(kind, ValueError):
            return False
        assert self.words in str(error), f"{self.what} was refused with another sentence: {error}"
        return True


def is_model_class(value: Any) -> bool:
    """Whether an exported name is a class of models that can be built."""
    return isinstance(value, type) and issubclass(value, Model) and not getattr(value, "__abstractmethods__", None)
