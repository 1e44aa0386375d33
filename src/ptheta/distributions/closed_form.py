"""What models with closed forms share: fit by counting, score and draw on cells, one set of numbers per class.

A ``ClosedForm`` sees events as cells, the D variables of the flattened event (reals standardised), beside the class of
each event (0 where there is no context). Its numbers are buffers with a leading axis of classes, in float64, so that
p(x | class) is one model per class and p(x) is the case of one class.

    fit(data)      estimates from ``data.train`` afresh, without gradient steps
    log_prob(x)    exact, normalised, in nats
    sample(n)      a deterministic function of the noise, in chunks of rows
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Space, Symbols

__all__ = ["ClosedForm", "categories", "slices"]

CELLS = 2**22  # the most cells in flight in one chunk


class ClosedForm(nn.Module, Model):
    """A distribution whose ``fit`` is a formula (or EM), and whose score and samples are exact.

    Args:
        space: What one event is.
        context_space: Classes, ``Symbols((), n)``, or None.
    """

    def __init__(self, space: Space, context_space: Space | None = None) -> None:
        super().__init__()
        if context_space is not None and not (isinstance(context_space, Symbols) and context_space.shape == ()):
            raise ValueError(
                f"{type(self).__name__} takes one class per event as context, Symbols((), n), "
                f"but context_space is {context_space}."
            )
        self.space = space
        self.context_space = context_space
        self.classes = 1 if context_space is None else context_space.n

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """The number of free parameters, over all classes."""

    @abstractmethod
    def estimate(self, train: Events, valid: Events | None, seed: int) -> None:
        """Sets the buffers from cells (n, D) and classes (n,); ``valid``, of the same form, may help to choose."""

    @abstractmethod
    def score_cells(self, cells: Tensor, classes: Tensor) -> Tensor:
        """The log-probability of cells (B, D) of classes (B,), in nats, with shape (B,)."""

    @abstractmethod
    def draw_cells(self, classes: Tensor, noise: Noise) -> Tensor:
        """Draws one row of cells per class: classes (n,) give cells (n, D)."""

    @final
    def fit(self, data: Any, *, seed: int = 0, **settings: Any) -> Self:
        """Estimates the parameters from the training events afresh.

        Args:
            data: A ``Dataset``, ``Events``, or a tensor of events. Only a data set brings validation events.
            seed: Where the estimate is random (initial components, subsets), the same seed gives the same estimate.
            **settings: None are known; any is refused.

        Returns:
            The model itself.
        """
        if settings:
            raise ValueError(
                f"{type(self).__name__} is fitted in closed form: its fit takes data and seed, "
                f"not {', '.join(settings)}."
            )
        train, valid = data, None
        if isinstance(data, Dataset):
            train, valid = data.train, data.valid if len(data.valid) else None
        elif isinstance(data, Tensor):
            train = Events(data)
        with torch.no_grad():
            self.estimate(self._cells(train), None if valid is None else self._cells(valid), seed)
        return self

    @final
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log-likelihood log p(x | context) in nats, with shape (B,)."""
        self.check(x, context)
        cells = self._real(self.space.cells(x if self.space.is_discrete else self._real(x)))
        return self.score_cells(cells, self._class_of(len(x), context).to(x.device)) - self.space.log_volume

    @final
    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape); one per row of the context, if the model takes one."""
        self.check_context(n, context)
        noise = noise or Noise(None)
        classes = self._class_of(n, context)
        chunks = [
            self.space.events(self.draw_cells(classes[rows], noise.rows(rows.start))).to(self.space.dtype)
            for rows in slices(n, max(1, CELLS // max(self.space.dimensions, 1)))
        ]
        return torch.cat(chunks) if chunks else torch.zeros(0, *self.space.shape, dtype=self.space.dtype)

    @final
    def per_class(self, classes: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yields each class that occurs and the indices of its rows."""
        for c in range(self.classes):
            rows = (classes == c).nonzero().squeeze(1)
            if len(rows):
                yield c, rows

    @final
    def _real(self, x: Tensor) -> Tensor:
        """Reals in the model's own type; discrete values as they are."""
        return x if not x.is_floating_point() else x.to(next(b for b in self.buffers() if b.is_floating_point()).dtype)

    @final
    def _cells(self, events: Events) -> Events:
        context = None if self.context_space is None else events.context
        self.check(events.x, context)
        return Events(self.space.cells(events.x), self._class_of(len(events), context).to(events.x.device))

    @final
    def _class_of(self, n: int, context: Tensor | None) -> Tensor:
        device = next(self.buffers()).device
        return torch.zeros(n, dtype=torch.int64, device=device) if context is None else context.to(device)


def slices(n: int, size: int) -> Iterator[slice]:
    """Cuts n rows into consecutive slices of at most ``size``."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def categories(space: Space, who: str) -> int:
    """How many values one variable of a discrete space takes; a sentence for other spaces."""
    if isinstance(space, Binary | Levels | Symbols):
        return space.n
    raise ValueError(f"{who} models events of Binary or Levels or Symbols spaces, but the space is {space}.")
