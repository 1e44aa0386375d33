"""Likelihoods that say what they are.

The likelihood of held-out events is the one yardstick that all explicit models share, and most confusion about it is
about what a number *is*. So ``likelihood`` returns a record, not a float:

    value   the mean negative log-likelihood -(1/n) sum_i log p(x_i | c_i), in nats per event: lower is better
    kind    what is known of log p: "exact"; "lower bound" (log p is at least -value, so the true value is at most
            ``value``); "estimate" (log Z was estimated); "estimated bound" (and the energy is a bound, too);
            "undefined" (the model only samples)

What a model offers decides the kind: ``log_prob`` is exact, else ``elbo`` (or ``importance_bound``) is a lower bound,
else ``energy`` with an enumerated log Z is exact and with annealed importance sampling an estimate, else undefined. An
energy that is itself a bound, as a deep machine's by mean field, makes a lower bound of the one, an estimated bound of
the other.

    exact        one pass over the events
    lower bound  ``draws`` passes; importance samples cost ``importance`` passes, log p >= L_k >= L_1 (Burda et al.)
    estimate     one pass, and ``budget`` temperatures for log Z, whose logarithm is biased low: log p looks too good

Two errors are kept apart. ``error`` is the 95 % half-width over events, 1.96 sd / sqrt(n): other test events would
have given another value. ``estimator_error`` is the 95 % half-width of the Monte Carlo part: other draws would have.
Neither covers the gap of a bound.

On ``Real`` spaces densities are per unit of x, bits per dimension do not exist, and ``standardised`` is the value in
units of (x - mean) / scale, which many papers quote. Discrete and continuous values are never comparable.

References:
    A note on the evaluation of generative models (Theis, van den Oord, Bethge, 2016) https://arxiv.org/abs/1511.01844
    Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov, 2016) https://arxiv.org/abs/1509.00519
    On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov, Murray, 2008)
    https://www.cs.toronto.edu/~rsalakhu/papers/dbn_ais.pdf
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Events
from ptheta.model import Distribution, Model
from ptheta.noise import Noise, seeded
from ptheta.protocols import (
    HasElbo,
    HasElboTerms,
    HasEnergy,
    HasEnergyBound,
    HasImportanceBound,
    HasLayerRates,
    HasLogProb,
)
from ptheta.spaces import Space

__all__ = ["Kind", "Likelihood", "likelihood", "scores"]

Kind = Literal["exact", "lower bound", "estimate", "estimated bound", "undefined"]

NORMAL_95 = 1.96
PILOT = 100  # events whose importance bound is drawn twice, to see its Monte Carlo error


@final
@dataclass(frozen=True)
class Likelihood:
    """The mean negative log-likelihood of events under a model, and what kind of number it is.

    Args:
        value: The mean of -log p in nats per event, lower is better. None if undefined; infinite if some event has
            probability zero.
        kind: What is known of log p.
        n: How many events.
        bits_per_dim: ``value`` in bits per variable; None on ``Real``.
        error: The 95 % half-width over events; None for one event, or where ``value`` is not finite.
        estimator_error: The 95 % half-width of the Monte Carlo part; None where it is not known.
        bias: The known direction of a bias in a phrase, or None.
        importance: The number of importance samples of the bound, or None.
        impossible: How many events have probability zero.
        standardised: On ``Real``, ``value`` in units of (x - mean) / scale; else None.
        details: More means over the same events in nats, such as the reconstruction and the rate of a VAE.
        unit: The unit of ``value``, ``error``, ``estimator_error``, ``standardised`` and ``details``.
        log_p: What is known of log p of each event in nats, float64 with shape (n,), for paired differences; never
            part of JSON.

    Example:
        >>> print(Likelihood(88.4, "exact", 10000, bits_per_dim=0.1627, error=0.3))
        negative log-likelihood 88.40 ± 0.30 nats (exact, 0.163 bits/dim, n = 10000)
    """

    value: float | None
    kind: Kind
    n: int
    bits_per_dim: float | None = None
    error: float | None = None
    estimator_error: float | None = None
    bias: str | None = None
    importance: int | None = None
    impossible: int = 0
    standardised: float | None = None
    details: Mapping[str, float] = field(default_factory=dict)
    unit: str = "nats per event"
    log_p: Tensor | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        if self.value is None:
            why = "the model offers no log-probability, bound or energy"
            return f"negative log-likelihood undefined: {why} (n = {self.n})"
        about = {"lower bound": "<= ", "estimate": "about ", "estimated bound": "about <= "}.get(self.kind, "")
        spread = "" if self.error is None else f" ± {_number(self.error, self.value)}"
        remarks = ["lower bound on log p" if self.kind == "lower bound" else self.kind]
        if self.importance is not None:
            remarks.append(f"{self.importance} importance samples")
        if self.estimator_error:
            remarks.append(f"Monte Carlo ± {_number(self.estimator_error, self.value)}")
        if self.bits_per_dim is not None:
            remarks.append(f"{self.bits_per_dim:.3f} bits/dim")
        if self.impossible:
            remarks.append(f"{self.impossible} events have probability 0")
        if self.bias:
            remarks.append(self.bias)
        return (
            f"negative log-likelihood {about}{_number(self.value, self.value)}{spread} nats "
            f"({', '.join(remarks)}, n = {self.n})"
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON: an infinite value becomes None, and ``impossible`` says why."""
        record = asdict(replace(self, log_p=None))
        del record["log_p"]
        record["details"] = {name: _finite(number) for name, number in self.details.items()}
        return {name: _finite(entry) for name, entry in record.items()}


def likelihood(
    model: Model,
    events: Events | Tensor,
    *,
    noise: Noise | None = None,
    draws: int = 2,
    importance: int | None = None,
    batch_size: int = 500,
    budget: int = 1000,
) -> Likelihood:
    """Measures how probable a model finds events, and says what kind of number that is.

    The model is put in evaluation mode and back, torch's random numbers are left alone, and the result does not
    depend on ``batch_size``. Contexts are ignored where the model takes none.

    Args:
        model: Any model.
        events: The events to score, such as ``data.test``.
        noise: Where bounds and annealing draw from; seed 0 if None, so that every call gives the same number.
        draws: How many draws a bound averages over. The Monte Carlo error is known from two on.
        importance: How many importance samples tighten the bound of a model with ``importance_bound``; ``draws`` then
            counts for the plain bound in ``details`` only. Of no effect where log p is exact.
        batch_size: How many events the model sees at once.
        budget: How many temperatures the annealing of an energy-based model may use.

    Returns:
        The negative log-likelihood in nats per event. Raises ValueError if the model gives NaN, or gives a
        log-probability above zero on a discrete space.

    Example:
        >>> import torch, ptheta
        >>> class Coins(ptheta.Distribution):
        ...     space, context_space = ptheta.Binary((3,)), None
        ...     def fit(self, data): return self
        ...     def sample(self, n, context=None, *, noise=None): return torch.zeros(n, 3, dtype=torch.uint8)
        ...     def log_prob(self, x, context=None): return torch.full((len(x),), 0.125).log()
        >>> print(likelihood(Coins(), torch.zeros(4, 3, dtype=torch.uint8)))
        negative log-likelihood 2.079 ± 0.000 nats (exact, 1.000 bits/dim, n = 4)
    """
    events = _events(events)
    found = _score(model, events, noise or Noise(0), draws, importance, batch_size, budget)
    if found is None:
        return Likelihood(None, "undefined", len(events))
    nats, n, space = -found.log_p, len(events), model.space
    value = nats.mean().item()
    finite = math.isfinite(value)
    return Likelihood(
        value,
        found.kind,
        n,
        bits_per_dim=space.bits_per_dim(value),
        error=NORMAL_95 * nats.std().item() / math.sqrt(n) if finite and n > 1 else None,
        estimator_error=found.estimator_error if finite else None,
        bias=found.bias,
        importance=found.importance,
        impossible=int((nats == math.inf).sum()),
        standardised=None if space.is_discrete else value - space.log_volume,
        details=found.details,
        log_p=found.log_p,
    )


def scores(
    model: Model,
    events: Events | Tensor,
    *,
    noise: Noise | None = None,
    draws: int = 2,
    importance: int | None = None,
    batch_size: int = 500,
    budget: int = 1000,
) -> tuple[Tensor, Kind]:
    """Scores each event: log p, a lower bound on it, or an estimate. Higher is more probable.

    Args:
        model: Any model that ``likelihood`` does not call undefined.
        events: The events to score.
        noise: Where bounds and annealing draw from; seed 0 if None.
        draws: How many draws a bound averages over.
        importance: How many importance samples tighten a bound.
        batch_size: How many events the model sees at once.
        budget: How many temperatures annealing may use.

    Returns:
        Log-likelihoods in nats, float64 with shape (n,), and their kind. Raises ValueError if there are none.
    """
    found = _score(model, _events(events), noise or Noise(0), draws, importance, batch_size, budget)
    if found is None:
        what, instead = "only samples", "Compare its samples with evaluate_samples."
        if not isinstance(model, Distribution):
            what, instead = "is a map, not a distribution", "Encode, decode or translate events with it."
        raise ValueError(
            f"{type(model).__name__} {what}: it offers no log-probability, bound or energy to score events with. "
            f"{instead}"
        )
    return found.log_p, found.kind


@dataclass(frozen=True)
class _Scores:
    log_p: Tensor  # (n,), float64
    kind: Kind
    estimator_error: float | None = None
    bias: str | None = None
    importance: int | None = None
    details: Mapping[str, float] = field(default_factory=dict)


def _score(
    model: Model, events: Events, noise: Noise, draws: int, importance: int | None, batch_size: int, budget: int
) -> _Scores | None:
    if draws < 1 or batch_size < 1 or (importance is not None and importance < 1):
        raise ValueError(
            f"draws, importance and batch_size should be at least 1, not {draws}, {importance} and {batch_size}."
        )
    if model.context_space is None:
        events = events.without_context()
    with _scoring(model):
        if isinstance(model, HasLogProb):
            found = _Scores(_each(model, events, batch_size, lambda x, c, _: model.log_prob(x, c)), "exact")
        elif isinstance(model, HasElbo):
            found = _bound(model, events, noise, draws, batch_size)
            if importance is not None:
                found = _importance(model, events, noise, importance, batch_size, found)
        elif isinstance(model, HasEnergy) and model.context_space is None:
            found = _energy(model, events, noise, batch_size, budget)
        else:
            return None
    _validate(found, model.space)
    return found


def _bound(model: HasElbo, events: Events, noise: Noise, draws: int, batch_size: int) -> _Scores:
    """The mean over draws; their first and second half show the Monte Carlo error."""

    def half(index: int, k: int) -> Tensor:
        source = noise.at("draws", index)
        return _each(model, events, batch_size, lambda x, c, row: model.elbo(x, c, draws=k, noise=source.rows(row)))

    first, second = draws - draws // 2, draws // 2
    log_p, error = half(0, first), None
    if second:
        other = half(1, second)
        # Var of the mean of k1 + k2 draws, from E (a - b)^2 = s^2 (1 / k1 + 1 / k2).
        variance = first * second / draws**2 * (log_p - other).square().sum().item()
        error = NORMAL_95 * math.sqrt(variance) / len(events)
        log_p = (first * log_p + second * other) / draws
    details: dict[str, float] = {}
    if isinstance(model, HasElboTerms):
        source, terms = noise.at("draws", 0), model.elbo_terms

        def both(x: Tensor, c: Tensor | None, row: int) -> Tensor:
            return torch.stack(terms(x, c, draws=first, noise=source.rows(row)), 1)  # (B, 2)

        means = _each(model, events, batch_size, both, width=(2,)).mean(0).tolist()
        details = {"reconstruction": -means[0], "rate": means[1]}  # what they add to the value
    if isinstance(model, HasLayerRates):
        source, rates = noise.at("draws", 0), model.layer_rates

        def each(x: Tensor, c: Tensor | None, row: int) -> Tensor:
            return rates(x, c, draws=first, noise=source.rows(row)).T

        n = len(rates(events.x[:1], None if events.context is None else events.context[:1]))
        means = _each(model, events, batch_size, each, width=(n,)).mean(0).tolist()
        details |= {f"rate of layer {i}": rate for i, rate in enumerate(means, 1)}
    return _Scores(log_p, "lower bound", error, details=details)


def _importance(model: Any, events: Events, noise: Noise, k: int, batch_size: int, plain: _Scores) -> _Scores:
    if not isinstance(model, HasImportanceBound):
        raise ValueError(
            f"{type(model).__name__} has a bound but no importance_bound. Leave importance out to get its bound."
        )
    rows = max(1, min(batch_size, 4 * batch_size // k))  # k rows each: memory stays that of a few batches

    def bound(part: Events, key: str) -> Tensor:
        source = noise.at(key)
        return _each(model, part, rows, lambda x, c, row: model.importance_bound(x, k, c, noise=source.rows(row)))

    log_p = bound(events, "importance")
    pilot = events[:PILOT]
    variance = (log_p[:PILOT] - bound(pilot, "again")).square().mean().item() / 2
    error = NORMAL_95 * math.sqrt(variance / len(events))
    details = {"elbo": -plain.log_p.mean().item(), **plain.details}
    return _Scores(log_p, "lower bound", error, importance=k, details=details)


def _energy(model: HasEnergy, events: Events, noise: Noise, batch_size: int, budget: int) -> _Scores:
    energy = _each(model, events, batch_size, lambda x, c, _: model.energy(x, c))
    log_z = model.log_partition(noise.at("partition"), budget)
    is_bound = isinstance(model, HasEnergyBound) and model.energy_is_bound()
    kinds: tuple[Kind, Kind] = ("lower bound", "estimated bound") if is_bound else ("exact", "estimate")
    kind = kinds[0] if log_z.exact else kinds[1]
    error = 0.0 if log_z.exact else NORMAL_95 * log_z.error
    details = {"energy": energy.mean().item(), "log Z": log_z.value}
    return _Scores(-energy - log_z.value, kind, error, None if log_z.exact else log_z.bias, details=details)


def _validate(found: _Scores, space: Space) -> None:
    bad, n = int(found.log_p.isnan().sum()), len(found.log_p)
    if bad:
        raise ValueError(f"the model gives NaN to {bad} of {n} events. Its weights are broken: train it again.")
    if not space.is_discrete:
        return
    slack = 1e-4 * space.dimensions + 1e-3  # rounding of float32 sums
    top = found.log_p.max().item() if found.kind == "exact" else -math.inf
    if found.kind == "lower bound":
        top = found.log_p.mean().item() - 5 * (found.estimator_error or 0.0)
    if top > slack:
        raise ValueError(
            f"the model gives a log-probability of {top:.3g} nats, but on {space} none is above 0. "
            "Its score is not normalised, or has the wrong sign."
        )


def _each(
    model: Any,
    events: Events,
    batch_size: int,
    function: Callable[[Tensor, Tensor | None, int], Tensor],
    width: tuple[int, ...] = (),
) -> Tensor:
    """Maps (x, context, first row) -> (B, *width) over batches, on the model's device, to float64."""
    device = _device(model)
    parts: list[Tensor] = []
    for start in range(0, len(events), batch_size):
        batch = events[start : start + batch_size]
        context = None if batch.context is None else batch.context.to(device)
        score = function(batch.x.to(device), context, start)
        if score.shape != (len(batch), *width):
            raise ValueError(
                f"{type(model).__name__} should give one score per event, with shape {(len(batch), *width)}, "
                f"but its shape is {tuple(score.shape)}."
            )
        parts.append(score.cpu().double())
    return torch.cat(parts)


def _events(events: Events | Tensor) -> Events:
    if isinstance(events, Tensor):
        events = Events(events)
    if not isinstance(events, Events):
        raise ValueError(f"expected events, such as data.test, or a tensor of them, but got a {type(events).__name__}.")
    if not len(events):
        raise ValueError("expected at least one event to score, but there are none.")
    return events


def _device(model: Any) -> torch.device:
    if isinstance(model, nn.Module):
        for tensor in chain(model.parameters(), model.buffers()):
            return tensor.device
    return torch.device("cpu")


@contextmanager
def _scoring(model: Any) -> Iterator[None]:
    """Evaluation mode, no gradients, torch's generator untouched; each submodule's mode is restored.

    Not inference mode: a tensor that a model or a space caches there could never take part in training again.
    """
    modes = {module: module.training for module in model.modules()} if isinstance(model, nn.Module) else {}
    try:
        for module in modes:
            module.eval()
        with torch.no_grad(), seeded(0):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _number(value: float, scale: float) -> str:
    return f"{value:.3f}" if abs(scale) < 10 else f"{value:.2f}"


def _finite(entry: Any) -> Any:
    return None if isinstance(entry, float) and not math.isfinite(entry) else entry
