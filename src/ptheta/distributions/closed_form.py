"""What models with closed forms share: fit by counting, score and draw on cells, one set of numbers per class.

A ``ClosedForm`` sees events as cells, the D variables of the flattened event (reals standardised), beside the class of
each event (0 where there is no context). Its numbers are buffers with a leading axis of classes, in float64, so that
p(x | class) is one model per class and p(x) is the case of one class.

    fit(data)      estimates from ``data.train`` afresh, without gradient steps
    log_prob(x)    exact, normalised, in nats
    sample(n)      a deterministic function of the noise, in chunks of rows

A ``CompletedForm`` also knows the law of any variables given any others, and fills what a mask leaves open by it.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.model import Distribution, known_part
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Space, Symbols

__all__ = ["ClosedForm", "CompletedForm", "categories", "chunks", "patterns", "slices"]

CELLS = 2**22  # the most numbers in flight in one chunk


class ClosedForm(nn.Module, Distribution):
    """A distribution whose ``fit`` is a formula (or EM), and whose score and samples are exact.

    Args:
        space: What one event is.
        context_space: Classes, ``Symbols((), n)``, or None.
        numbers: How many numbers each variable takes while it is scored or drawn, by which work is cut into chunks.
    """

    def __init__(self, space: Space, context_space: Space | None = None, *, numbers: int = 1) -> None:
        super().__init__()
        if context_space is not None and not (isinstance(context_space, Symbols) and context_space.shape == ()):
            raise ValueError(
                f"{type(self).__name__} takes one class per event as context, Symbols((), n), "
                f"but context_space is {context_space}."
            )
        self.space = space
        self.context_space = context_space
        self.classes = 1 if context_space is None else context_space.n
        self.width_of_event = space.dimensions * numbers

    lengths_learned: ClassVar[tuple[str, ...]] = ()  # buffers as long as the training events made them

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
    def fit(self, data: Any, *, seed: int = 0, **training: Any) -> Self:
        """Estimates the parameters from the training events afresh.

        Args:
            data: A ``Dataset``, ``Events``, or a tensor of events. Only a data set brings validation events.
            seed: Where the estimate is random (initial components, subsets), the same seed gives the same estimate.
            **training: None are known; any is refused.

        Returns:
            The model itself.
        """
        if training:
            raise ValueError(
                f"{type(self).__name__} is fitted in closed form: its fit takes data and seed, "
                f"not {', '.join(training)}."
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
        cells, classes = self.space.cells(self._real(x)), self._class_of(len(x), context).to(x.device)
        scores = [self.score_cells(cells[rows], classes[rows]) for rows in chunks(len(x), self.width_of_event)]
        total = torch.cat(scores) if scores else self.score_cells(cells, classes)
        return total - self.space.log_volume

    @final
    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape); one per row of the context, if the model takes one."""
        self.check_context(n, context)
        noise = noise or Noise(None)
        classes = self._class_of(n, context)
        drawn = [
            self.space.events(self.draw_cells(classes[rows], noise.rows(rows.start))).to(self.space.dtype)
            for rows in chunks(n, self.width_of_event)
        ]
        return torch.cat(drawn) if drawn else torch.zeros(0, *self.space.shape, dtype=self.space.dtype)

    @final
    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:  # pyright: ignore
        """Takes buffers of any length: how many numbers were learned may depend on the data, as kernels do."""
        for name, buffer in self.named_buffers(recurse=False):
            held = state_dict.get(prefix + name)
            if isinstance(held, Tensor) and held.ndim == buffer.ndim and name in self.lengths_learned:
                setattr(self, name, buffer.new_zeros(held.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)

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
        first = next(b for b in self.buffers() if b.is_floating_point())
        device = first.device
        if first.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"{type(self).__name__} computes in float64 or float32, but its numbers were cast to {first.dtype}, in "
                "which solving and sorting are not done on every machine. Call .double() or .float() on it, and fit it "
                "again: what was rounded away does not come back."
            )
        return torch.zeros(n, dtype=torch.int64, device=device) if context is None else context.to(device)


class CompletedForm(ClosedForm):
    """A closed form of which every conditional is one as well."""

    @abstractmethod
    def complete_cells(self, cells: Tensor, known: Tensor, classes: Tensor, noise: Noise, temperature: float) -> Tensor:
        """Draws the open variables given the known ones, which are true in ``known``; all with shape (B, D)."""

    @final
    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Fills in what the mask leaves open by an exact draw from p(open | known), in closed form.

        Args:
            x: Events with shape (B, *space.shape); only their known parts matter.
            mask: Which variables are known, Boolean, with the shape of x.
            context: One class per event, or None.
            noise: Where the draws come from; None is torch's global generator.
            temperature: T in p(open | known)^(1/T), normalised; of a mixture, its weights and each part are tempered.

        Returns:
            Events with the shape of x, equal to it where the mask is true.
        """
        if not temperature > 0:
            raise ValueError(f"temperature should be positive, but it is {temperature}.")
        held = known_part(x, mask)
        self.check(held, context)
        cells, noise = self.space.cells(self._real(held)), noise or Noise(None)
        known, classes = mask.reshape(cells.shape), self._class_of(len(x), context)
        filled = [
            self.complete_cells(cells[rows], known[rows], classes[rows], noise.rows(rows.start), temperature)
            for rows in chunks(len(x), self.width_of_event)
        ]
        full = self.space.events(torch.cat(filled)).to(x.dtype) if filled else x
        return torch.where(mask, x, full)


def patterns(known: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields each pattern of known variables that occurs, Boolean (D,), and the indices of its rows (B, D)."""
    if len(known):
        found, which = known.unique(dim=0, return_inverse=True)
        for k in range(len(found)):
            yield found[k], (which == k).nonzero().squeeze(1)


def slices(n: int, size: int) -> Iterator[slice]:
    """Cuts n rows into consecutive slices of at most ``size``."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def chunks(n: int, width: int) -> Iterator[slice]:
    """Cuts n rows into consecutive slices, where each row takes ``width`` numbers."""
    return slices(n, max(1, CELLS // max(width, 1)))


def categories(space: Space, who: str) -> int:
    """How many values one variable of a discrete space takes; a sentence for other spaces."""
    if isinstance(space, Binary | Levels | Symbols):
        return space.n
    raise ValueError(f"{who} models events of Binary or Levels or Symbols spaces, but the space is {space}.")
