"""The toy law that small models are fitted to, known exactly.

Discrete events are a chain: the first value is skewed, every other one repeats the value before it or is drawn afresh.
Reals are a Gaussian chain. The context, whose variables are independent, shifts the first value.
"""

import math
from typing import Any

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.spaces import Real, Table

REPEAT, SLOPE = 0.7, 0.8  # how strongly a variable follows the one before it


def values_of(space: Any) -> int:
    """How many values each variable of a discrete space takes; of a table of names, each column as many."""
    return len(space.fields[0].names) if isinstance(space, Table) else space.n


def is_measured(space: Any) -> bool:
    """Whether all variables are reals: an event of reals, or a row of a table of them."""
    return isinstance(space, Real) or (isinstance(space, Table) and all(f.kind == "number" for f in space.fields))


def toy_contexts(space: Any, n: int, noise: Noise) -> Tensor:
    """n contexts of any space."""
    if isinstance(space, Real):
        return space.events(noise.normal((n, space.dimensions), "class"))
    return (noise.uniform((n, *space.shape), "class") * space.n).to(space.dtype)


def pushed(space: Any, context: Tensor) -> Tensor:
    """By how much each context pushes the first value of its event, 0 or 1: of two classes, their number."""
    first = space.cells(context)[:, 0]
    return (first > 0).long() if isinstance(space, Real) else (2 * first.long() >= space.n).long()


def toy_events(model: Model, n: int, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """n events of the toy law with their contexts, in the model's spaces."""
    noise, space = Noise(seed).at("toy"), model.space
    c = None if model.context_space is None else toy_contexts(model.context_space, n, noise)
    shift = torch.zeros(n, dtype=torch.int64) if c is None else pushed(model.context_space, c)
    u = noise.uniform((n, space.dimensions, 2), "cells", like=torch.zeros((), dtype=torch.float64))
    if is_measured(space):
        cells = torch.special.ndtri(u[..., 0])
        cells[:, 0] += shift
        for i in range(1, space.dimensions):
            cells[:, i] += SLOPE * cells[:, i - 1]
        x = space.events(cells)
    else:
        cells = (u[..., 0] * values_of(space)).long()
        cells[:, 0] = (u[:, 0, 0] ** (2 + shift) * values_of(space)).long()
        for i in range(1, space.dimensions):
            cells[:, i] = torch.where(u[:, i, 1] < REPEAT, cells[:, i - 1], cells[:, i])
        x = space.events(cells)
    return x, c


def toy_log_prob(model: Model, x: Tensor, context: Tensor | None) -> Tensor:
    """The exact log-probability of the toy law in nats, with shape (B,)."""
    space, cells = model.space, model.space.cells(x)
    shift = torch.zeros(len(x), dtype=torch.int64) if context is None else pushed(model.context_space, context)
    if is_measured(space):
        means = torch.cat([shift[:, None], SLOPE * cells[:, :-1]], 1)
        normal = -0.5 * ((cells - means) ** 2 + math.log(2 * math.pi))
        return normal.sum(1) - space.log_volume
    power, first, n = 1 / (2.0 + shift), cells[:, 0].double(), values_of(space)
    log_p = (((first + 1) / n) ** power - (first / n) ** power).log()
    repeats = (cells[:, 1:] == cells[:, :-1]).double()
    return log_p + (REPEAT * repeats + (1 - REPEAT) / n).log().sum(1)


def toy_data(model: Model, n: int) -> Dataset:
    """A data set of n training events of the toy law."""
    train, valid, test = (Events(*toy_events(model, k, seed)) for seed, k in enumerate((n, 20, 20)))
    return Dataset("toy", model.space, train, valid, test, context_space=model.context_space)
