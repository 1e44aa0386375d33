"""What autoregressive models share: the chain rule over the variables of an event, in a fixed order.

Any distribution over D variables factorises, in any order, without assuming anything:

    p(x | context) = p(x_1 | context) p(x_2 | x_1, context) ... p(x_D | x_1, ..., x_{D-1}, context).

A model gives the parameters of every conditional in one pass over a known event (``conditionals``), so scoring is
exact and cheap, and draws the variables one after the other, which takes D small steps. What a family assumes lies in
how the conditionals share weights, never in the factorisation.

The head says what one conditional is: a Bernoulli, a categorical, a mixture. The space fixes what one variable looks
like to the network: bits as 0 and 1, up to 32 levels as one bit per threshold (a thermometer), more of them scaled to
[-1, 1], symbols one-hot, reals standardised, cells of a table by their outcome, one-hot, and a standardised number.
"""

import copy
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Literal, Self, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.autoregressive.sampling import Choice, fixed_point, naive
from ptheta.distributions.heads import Head, default_head
from ptheta.distributions.table_heads import TableHead
from ptheta.model import LossModel, in_parts, known_part
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.noise import Noise
from ptheta.optimizers import Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, Table

__all__ = ["Autoregressive"]

Method = Literal["cached", "fixed-point", "naive"]

THERMOMETER = 32  # up to so many levels, the network sees one bit per threshold
FAR = 1e3  # standard deviations; networks see no real further out, or samples could run away to infinity
CHUNK = 100  # events drawn together: larger ones leave the processor's cache


def features(space: Space) -> int:
    """How many numbers a network sees of one variable of a space."""
    if isinstance(space, Symbols):
        return space.n
    if isinstance(space, Table):
        return space.embedded_shape[-1]
    return space.n - 1 if isinstance(space, Levels) and space.n <= THERMOMETER else 1


def look(space: Space, cells: Tensor, dtype: torch.dtype, place: int | None = None) -> Tensor:
    """What a network sees of a space's cells with shape (...), with shape (..., features); of one place, or of all."""
    if isinstance(space, Table):
        return space.embed(cells, dtype) if place is None else space.embed_column(place, cells, dtype)
    if isinstance(space, Symbols):
        return F.one_hot(cells, space.n).to(dtype)
    if not isinstance(space, Levels):
        return cells.to(dtype)[..., None].clamp(-FAR, FAR)
    if space.n <= THERMOMETER:
        return (cells[..., None] > torch.arange(space.n - 1, device=cells.device)).to(dtype)
    return space.embed(cells, dtype)[..., None]


class Autoregressive(LossModel):
    """A product of one-variable conditionals in a fixed order.

    Args:
        space: What one event is.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts and the size choose.
        order: A permutation of 0, ..., D - 1: which variable of the flattened event comes first, second, ... None
            keeps the order of the event.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.
        size: Height and width of the images that the network works on; None for a network of vectors.
    """

    order: Tensor

    def __init__(
        self,
        space: Space,
        context_space: Space | None,
        reader: Reader | None,
        order: Sequence[int] | None,
        head: Head | None,
        optimizer: Optimizer,
        *,
        size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.space, self.context_space, self.optimizer = space, context_space, optimizer
        self.reader = reader_of(context_space, size, reader)
        self.head = default_head(space) if head is None else head
        d = space.dimensions
        if order is not None and sorted(order) != list(range(d)):
            raise ValueError(f"order should be a permutation of 0, ..., {d - 1}, but it is {list(order)[:20]}.")
        self.register_buffer("order", torch.tensor(range(d) if order is None else list(order)))
        self.seen_space = space
        if order is not None and isinstance(space, Table):  # of which no two variables are alike
            self.seen_space = space.reordered(order)
            self.head = self.head.ordered(order) if isinstance(self.head, TableHead) else self.head

    @abstractmethod
    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        """The head parameters of every variable given those before it.

        Args:
            cells: Variables in the model's order, with shape (B, D).
            context: Contexts, with shape (B, *context_space.shape).

        Returns:
            Parameters in the model's order, with shape (B, D, head.width); row i sees cells before i only.
        """

    @abstractmethod
    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        """Draws the variables one after the other, computing everything only once.

        Args:
            choice: Decides a variable: ``choice(i, params)`` takes the parameters of the one in place i, with shape
                (n, head.width), and returns its cells, with shape (n,).
            n: How many events.
            context: Contexts, with shape (n, *context_space.shape).

        Returns:
            Cells in the model's order, with shape (n, D): those that ``naive`` draws from the same choice.
        """

    @property
    def features(self) -> int:
        """How many numbers the network sees of one variable."""
        return features(self.space)

    @final
    def look(self, cells: Tensor, dtype: torch.dtype, place: int | None = None) -> Tensor:
        """What the network sees of cells with shape (...), with shape (..., features).

        Args:
            cells: Variables in the model's order, with shape (B, D), or those of one place, with shape (B,).
            dtype: The type of the network.
            place: Which place, where cells are of one; only columns of tables differ.

        Returns:
            Numbers.
        """
        return look(self.seen_space, cells, dtype, place)

    @final
    def cells(self, x: Tensor) -> Tensor:
        """The variables of events (B, *space.shape) in the model's order, with shape (B, D)."""
        cells = self.space.cells(x)
        if torch.equal(self.order, torch.arange(cells.shape[1], device=x.device)):
            return cells  # to compare costs a twentieth of putting bytes into the order they are in
        return cells.index_select(1, self.order)  # row by row; by indexing, events lie column by column, which is slow

    @final
    def condition(self, context: Tensor | None) -> Tensor | None:
        """What the network sees of contexts, with shape (B, *reader.shape), or None without a context space."""
        return read(self.reader, context)

    @final
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log-likelihood log p(x | context) in nats, with shape (B,).

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape).

        Returns:
            Log-probabilities, on reals log-densities in the unit of x.
        """
        self.check(x, context)
        return in_parts(self._log_prob, x, context, self.space.dimensions * self.head.width)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        cells = self.cells(x)
        if isinstance(self.space, Binary):
            cells = cells.to(next(self.parameters()).dtype)  # once, for the network and for the head
        return self.head.log_prob(self.conditionals(cells, context), cells).sum(1) - self.space.log_volume

    @final
    def without_blanks(self) -> Self:
        """Of a table, the same law of cells that are never blank: each given those before it, and that it is not.

        It is the law of what stands in blank cells, where a cell is blank given what comes before it in the order only.
        """
        if not isinstance(self.head, TableHead):
            raise ValueError(f"only rows of tables have blank cells, and events are of {self.space}.")
        other = copy.copy(self)
        other.head = self.head.without_blanks()
        return other

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-likelihood in nats, with shape (B,); ``noise`` is not used."""
        return -self.log_prob(x, context)

    @final
    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
        method: Method = "cached",
    ) -> Tensor:
        """Draws events, a chunk at a time. Every method draws the same events from the same noise.

        Args:
            n: How many.
            context: One context per event, with shape (n, *context_space.shape).
            noise: Where the draws come from; None is torch's global generator.
            temperature: What every conditional is tempered by; below 1, likelier values come more often. Events then
                no longer follow ``log_prob``.
            method: ``cached`` takes D small steps, ``fixed-point`` as many whole passes as it needs, mostly far fewer
                than D, and ``naive`` D whole passes.

        Returns:
            Events with shape (n, *space.shape).
        """
        self.check_context(n, context)
        return self._in_chunks(n, context, noise, temperature, method, None, None)

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
        method: Method = "cached",
    ) -> Tensor:
        """Fills in what the mask leaves open, at the cost of a sample.

        Where every open variable comes after every known one in the model's order, the filling is a draw from
        p(open | known), exactly. Elsewhere an open variable is drawn given what comes before it only: it does not see
        the known variables after it, and a warning says so.

        Args:
            x: Events with shape (B, *space.shape); only their known parts matter.
            mask: Which variables are known, Boolean, with the shape of x.
            context: Contexts with shape (B, *context_space.shape).
            noise: Where the draws come from; None is torch's global generator.
            temperature: What every conditional is tempered by.
            method: As for ``sample``.

        Returns:
            Events with the shape of x, equal to it where the mask is true.
        """
        x = known_part(x, mask)
        self.check(x, context)
        known = mask.reshape(len(x), self.space.dimensions)[:, self.order]
        behind = (~known).cumsum(1).gt(0) & known  # known, but only after something open
        if bool(behind.any()):
            rows = int(behind.any(1).sum())
            warnings.warn(
                f"in {rows} of {len(x)} events some known variables come after open ones in the model's order; the "
                "open ones are drawn without seeing them. An order that visits the known part first is exact.",
                stacklevel=2,
            )
        return self._in_chunks(len(x), context, noise, temperature, method, self.cells(x), known)

    def _in_chunks(
        self,
        n: int,
        context: Tensor | None,
        noise: Noise | None,
        temperature: float,
        method: Method,
        known: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        if method not in ("cached", "fixed-point", "naive"):
            raise ValueError(f"method should be cached, fixed-point or naive, but it is {method!r}.")
        noise, like = noise or Noise(None), next(self.parameters())
        shape, back = (self.space.dimensions, self.head.uniforms), self.order.argsort()
        chunks = []
        for start in range(0, n, CHUNK):
            rows = slice(start, min(start + CHUNK, n))
            u = noise.rows(start).uniform((rows.stop - start, *shape), "variables", like=like)
            held = {} if known is None or mask is None else {"known": known[rows], "mask": mask[rows]}
            choice = Choice(self.head, u, temperature=temperature, **held)
            c = None if context is None else context[rows]
            if method == "cached":
                cells = self.draw(choice, len(u), c)
            elif method == "naive":
                cells = naive(partial(self.conditionals, context=c), choice)
            else:
                cells = fixed_point(partial(self.conditionals, context=c), choice)[0]
            chunks.append(self.space.events(cells[:, back]))
        return torch.cat(chunks) if chunks else self.space.events(like.new_zeros(0, shape[0]))
