"""Training events again: whole, or with numbers taken part of the way to a neighbour. Baselines for samples.

Bootstrap draws training events with replacement,

    p(x) = 1/N sum_i [x = x_i]                                                                                       (1)

so its samples are as like the data as N events can be, and all of them are copies: whatever it wins, a test for copies
has to reject it. It has no log p that could be compared: (1) is zero for all other events.

SMOTE draws an event i and one of its k nearest neighbours j, and goes part of the way,

    x = x_i + u (x_j - x_i),    u ~ U(0, 1)                                                                          (2)

Names are those that most of the k neighbours have (SMOTE-NC), the event's own where it ties; a blank is a name like
others there. A number that is blank in x_i stays blank, one that is blank in x_j stays as in x_i. Whole numbers are
rounded. Made to fill up small classes, it is the baseline to beat for synthetic rows of tables. Every sample lies
between two training events: it says little that they do not, and keeps few secrets.

Fitting SMOTE costs N^2 D, once; a sample costs D.

Known limits:
    SMOTE pulls rare names towards frequent ones, and of more than ``most`` training events it keeps as many.

References:
    Bootstrap Methods: Another Look at the Jackknife (Efron, 1979) https://doi.org/10.1214/aos/1176344552
    SMOTE: Synthetic Minority Over-sampling Technique (Chawla, Bowyer, Hall & Kegelmeyer, 2002)
    https://doi.org/10.1613/jair.953
"""

from abc import abstractmethod
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.model import Distribution, require_sizes
from ptheta.noise import Noise
from ptheta.spaces import Real, Space, Symbols, Table, require

__all__ = ["SMOTE", "Bootstrap"]

TILE = 4_000_000  # distances held at a time


class Resampling(nn.Module, Distribution):
    """Training events, by class where there are classes, from which samples are made.

    Args:
        space: What one event is.
        context_space: Classes or None.
    """

    events: Tensor
    labels: Tensor

    def __init__(self, space: Space, context_space: Space | None) -> None:
        super().__init__()
        if context_space is not None and not (isinstance(context_space, Symbols) and context_space.shape == ()):
            raise ValueError(
                f"{type(self).__name__} takes one class per event as context, Symbols((), n), "
                f"but context_space is {context_space}."
            )
        self.space, self.context_space = space, context_space
        self.classes = 1 if context_space is None else context_space.n
        self.register_buffer("events", torch.zeros(0, *space.shape, dtype=space.dtype))
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int64))

    @property
    def n_parameters(self) -> int:
        """The numbers that it keeps: all of its training events."""
        return self.events.numel()

    @abstractmethod
    def learn(self) -> None:
        """Finds out what else it needs from ``events`` and ``labels``."""

    @abstractmethod
    def made(self, chosen: Tensor, noise: Noise) -> Tensor:
        """Makes a sample (n, *space.shape) of each of the chosen training events (n,)."""

    @final
    def fit(self, data: Any, *, seed: int = 0, **training: Any) -> Self:
        """Keeps the training events.

        Args:
            data: A ``Dataset``, ``Events``, or a tensor of events.
            seed: Of no effect.
            **training: None are known; any is refused.

        Returns:
            The model itself.
        """
        if training:
            raise ValueError(f"{type(self).__name__} keeps events: its fit takes data, not {', '.join(training)}.")
        train = data.train if isinstance(data, Dataset) else Events(data) if isinstance(data, Tensor) else data
        train = self.kept(train).loaded()
        context = None if self.context_space is None else train.context
        self.check(train.x, context)
        self.events = train.x.clone()
        self.labels = torch.zeros(len(train), dtype=torch.int64) if context is None else context.clone()
        counts = torch.bincount(self.labels, minlength=self.classes)
        if not len(train) or int(counts.min()) == 0:
            raise ValueError(f"{type(self).__name__} needs a training event of each class, and class "
                             f"{int(counts.argmin())} has none.")  # fmt: skip
        self.learn()
        return self

    def kept(self, train: Events) -> Events:
        """The events that are kept: all."""
        return train

    @final
    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape); one per row of the context, if the model takes one."""
        self.check_context(n, context)
        noise = noise or Noise(None)
        if not len(self.events):
            raise ValueError(f"{type(self).__name__} draws from its training events and has none: fit it first.")
        counts = torch.bincount(self.labels, minlength=self.classes)
        order, first = self.labels.argsort(stable=True), counts.cumsum(0) - counts
        c = torch.zeros(n, dtype=torch.int64) if context is None else context
        u = noise.uniform((n,), "event", like=torch.zeros((), dtype=torch.float64))
        place = (u * counts[c]).long().minimum(counts[c] - 1)
        return self.made(order[first[c] + place], noise)

    @final
    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:  # pyright: ignore
        """Takes any number of events."""
        for name, buffer in self.named_buffers(recurse=False):
            held = state_dict.get(prefix + name)
            if isinstance(held, Tensor) and held.ndim == buffer.ndim:
                setattr(self, name, buffer.new_zeros(held.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


@final
class Bootstrap(Resampling):
    """Training events, drawn with replacement.

    Args:
        space: Any space.
        context_space: Classes or None.

    Example:
        >>> from ptheta.noise import Noise
        >>> from ptheta.spaces import Binary
        >>> model = Bootstrap(Binary((2,))).fit(torch.tensor([[0, 1], [1, 1]]).byte())
        >>> sorted(model.sample(100, noise=Noise(0)).unique(dim=0).tolist())
        [[0, 1], [1, 1]]
    """

    def __init__(self, space: Space, *, context_space: Space | None = None) -> None:
        super().__init__(space, context_space)

    def learn(self) -> None:
        """Nothing more."""

    def made(self, chosen: Tensor, noise: Noise) -> Tensor:
        return self.events[chosen]


@final
class SMOTE(Resampling):
    """Training events with their numbers taken part of the way to a neighbour, and the names of most neighbours.

    Args:
        space: A table, or reals.
        context_space: Classes or None; neighbours are of one class.
        neighbours: The number k of neighbours; fewer where there are not as many.
        most: The most training events that are kept.

    Example:
        >>> from ptheta.noise import Noise
        >>> from ptheta.spaces import Real
        >>> model = SMOTE(Real((1,)), neighbours=1).fit(torch.tensor([[0.0], [1.0], [10.0], [12.0]]))
        >>> x = model.sample(1000, noise=Noise(0)).flatten()
        >>> bool((((x >= 0) & (x <= 1)) | ((x >= 10) & (x <= 12))).all())
        True
    """

    near: Tensor

    def __init__(
        self, space: Space, *, context_space: Space | None = None, neighbours: int = 5, most: int = 50_000
    ) -> None:
        super().__init__(space, context_space)
        require(space, Table, Real, who="SMOTE")
        require_sizes("SMOTE", neighbours=neighbours, most=most)
        self.neighbours, self.most = neighbours, most
        self.register_buffer("near", torch.zeros(0, 0, dtype=torch.int64))

    def kept(self, train: Events) -> Events:
        """At most ``most`` events, always the same ones."""
        return train.some(self.most)

    def learn(self) -> None:
        """Finds the neighbours of each event within its class; of one that is alone, it is its own."""
        points = self.space.points(self.events) if isinstance(self.space, Table) else self.space.cells(self.events)
        points = points.double() - points.double().mean(0)
        k = self.neighbours
        near = torch.arange(len(points))[:, None].repeat(1, k)
        for c in range(self.classes):
            rows = (self.labels == c).nonzero().squeeze(1)
            if len(rows) > 1:
                found = _nearest(points[rows], min(k, len(rows) - 1))
                near[rows] = rows[found[:, torch.arange(k) % found.shape[1]]]
        self.near = near

    def made(self, chosen: Tensor, noise: Noise) -> Tensor:
        u = noise.uniform((len(chosen), 2), "part", like=torch.zeros((), dtype=torch.float64))
        near = self.near[chosen]  # (n, k)
        j = near.gather(1, (u[:, :1] * near.shape[1]).long().clamp(max=near.shape[1] - 1))[:, 0]
        own, other = self.events[chosen], self.events[j]
        part = u[:, 1].reshape(-1, *(1,) * (own.ndim - 1))
        moved = (own + part * (other - own)).to(own.dtype)  # (2)
        if not isinstance(self.space, Table):
            return moved
        columns = []
        for d, f in enumerate(self.space.fields):
            if f.is_number:
                value = moved[:, d].round() if f.kind == "whole" else moved[:, d]
                columns.append(torch.where(other[:, d].isnan(), own[:, d], value))
                continue
            votes = torch.nn.functional.one_hot(f.outcome(self.events[near, d]), max(f.outcomes, 1)).sum(1).double()
            votes += 0.5 * torch.nn.functional.one_hot(f.outcome(own[:, d]), max(f.outcomes, 1))
            most = votes.argmax(1).double()
            columns.append(most if f.blank is None else torch.where(most == f.outcomes - 1, torch.nan, most))
        return torch.stack(columns, 1)


def _nearest(points: Tensor, k: int) -> Tensor:
    """The k nearest others of each of n points (n, W), nearest first, with shape (n, k)."""
    squares, found = points.square().sum(1), []
    step = max(1, TILE // len(points))
    for start in range(0, len(points), step):
        part = points[start : start + step]
        distance = squares - 2 * part @ points.T
        distance[torch.arange(len(part)), torch.arange(start, start + len(part))] = torch.inf
        found.append(distance.topk(k, dim=1, largest=False).indices)
    return torch.cat(found)
