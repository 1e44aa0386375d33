"""A spline flow of the rows of a table: first what is counted of a row, by any model of it, then its numbers.

Let c be what is counted of a row x: names, whole numbers, and of each column of reals whether its cell is blank. Let y
be the R numbers that are measured, in standard units up to ``STRAIGHT`` of them, and beyond by their logarithm,

    y = u     where |u| <= 3,     y = 3 + asinh(u - 3)     where u = (x - mean) / scale > 3,     and so below,

so that no tail is out of reach, and no sample is thrown far by what the flow does where no row was seen. Then

    log p(x) = log p(c) + sum_{i present} [log N(z_i; 0, 1) + log |dz_i/dy_i|] - sum_{i present} log |dx_i/dy_i|,

where z = f(y; c) is a chain of couplings or autoregressive transforms by splines (``spline``), whose parameters see c.

A blank cell has no y. Its place holds 0 wherever a network looks, and its spline is the identity, so that f maps the
numbers that are present one to one, whichever these are: for each c the density is one over as many numbers as c has,
and the sum over c of its integral is one. Nothing is filled in, nothing is bounded.

Assumed: that a number given all else has a density, without spikes; a column of few values is better counted.

Scoring: a pass of each network, and what the model of c costs. Sampling: the same by coupling; up to R passes of each
network where transforms are autoregressive.

Known limits:
    Blank cells are not filled: p(blank | known) is known in closed form for none of them. Tables without a column of
    reals are refused, since nothing would be left to the flow.

References:
    Neural Spline Flows (Durkan, Bekasov, Murray & Papamakarios, 2019) https://arxiv.org/abs/1906.04032
"""

import math
from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from ptheta.flows.coupling import Coupling, coupling_chain
from ptheta.flows.flow import Bijection, Chain, Permutation
from ptheta.flows.maf import AutoregressiveBijection, autoregressive_chain
from ptheta.flows.spline import RationalQuadratic
from ptheta.model import LossModel, in_parts, require_sizes, tempered
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.protocols import HasLogProb
from ptheta.spaces import Column, Real, Space, Table, require

__all__ = ["TableFlow", "counted_space"]

CHUNK = 2000  # rows drawn together
STRAIGHT = 3.0  # standard units
FARTHEST = 60.0  # of y: 5e24 standard units


def counted_space(space: Table) -> Table | None:
    """What is counted of the rows of a table: of reals whether they are blank, all else as it is; None for nothing."""
    counted = [space.fields[d] for d in counted_columns(space)]
    found = tuple(Column(f.name, "boolean", ("present", "blank")) if f.kind == "number" else f for f in counted)
    return Table(found, space.dialect) if found else None


def counted_columns(space: Table) -> list[int]:
    """Which columns of a table have something to count."""
    return [d for d, f in enumerate(space.fields) if f.kind != "number" or f.blank is not None]


@final
class TableFlow(LossModel):
    """A spline flow of mixed rows, blanks and all.

    Args:
        space: A table with a column of kind number.
        counted: A model with ``log_prob`` of ``counted_space(space)``; None where nothing is counted.
        context_space: What one context is, or None; ``counted`` has the same.
        reader: What the networks of the flow see of a context; None lets the space of contexts choose.
        kind: Coupling (one pass both ways) or autoregressive, as it always is on one number.
        layers: The number of transforms.
        hidden: The widths of each network's hidden layers.
        bins: The bins of each spline.
        bound: The splines act on [-bound, bound]; outside they are the identity.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Column, Noise, Table
        >>> model = TableFlow(Table((Column("a"), Column("b"))), layers=2, hidden=(8,))
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    mean: Tensor
    scale: Tensor
    places: Tensor

    def __init__(
        self,
        space: Space,
        counted: LossModel | None = None,
        *,
        context_space: Space | None = None,
        reader: Reader | None = None,
        kind: Literal["coupling", "autoregressive"] = "coupling",
        layers: int = 4,
        hidden: Sequence[int] = (128, 128),
        bins: int = 8,
        bound: float = 4.0,
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Table, who="TableFlow")
        assert isinstance(space, Table)
        require_sizes("TableFlow", layers=layers, hidden=min(hidden, default=1))
        spline = RationalQuadratic(bins, bound)
        reals = [d for d, f in enumerate(space.fields) if f.kind == "number"]
        if not reals:
            raise ValueError("a flow moves reals, and no column of this table is of kind number. Use made or mixture.")
        rest = counted_space(space)
        if (None if counted is None else counted.space) != rest:
            came = "none was given" if counted is None else f"it models {counted.space}"
            raise ValueError(f"counted should be a model of {rest or 'nothing'}, as counted_space says, but {came}.")
        if counted is not None and not isinstance(counted, HasLogProb):
            raise ValueError(f"counted should know log p, but {type(counted).__name__} has no log_prob.")
        if counted is not None and counted.context_space != context_space:
            raise ValueError(f"counted should take contexts of {context_space}, but takes {counted.context_space}.")
        self.space, self.context_space, self.optimizer = space, context_space, optimizer
        self.counted, self.rest, self.reals, self.kept = counted, rest, reals, counted_columns(space)
        self.reader = reader_of(context_space, given=reader)
        columns = [space.fields[d] for d in reals]
        self.register_buffer("mean", torch.tensor([f.mean for f in columns], dtype=torch.float64))
        self.register_buffer("scale", torch.tensor([f.scale for f in columns], dtype=torch.float64))
        beside = len(reals) + (0 if rest is None else math.prod(rest.embedded_shape))
        shared = {"layers": layers, "hidden": hidden, "beside": beside}
        if kind == "coupling" and len(reals) > 1:
            steps = coupling_chain(Real((len(reals),)), self.reader, spline, **shared, linear=False)
        else:
            steps = autoregressive_chain(Real((len(reals),)), self.reader, spline, **shared, inversion="fixed-point")
        self.register_buffer("places", _leave_blanks(steps, len(reals), spline.width))
        self.chain = Chain(steps)

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        if self.counted is not None:
            self.counted.begin(self._counted(x), context)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-likelihood in nats, with shape (B,), what is counted by the loss of its own model."""
        self.check(x, context)
        counts = self._counted(x)
        density = self._log_density(x, counts, context)
        return -density if self.counted is None else self.counted.loss(counts, context, noise) - density

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log p(x | context) in nats, per unit of each number and of each count, with shape (B,).

        Args:
            x: Rows with shape (B, D), NaN where a cell is blank.
            context: Contexts with shape (B, *context_space.shape), or None.

        Returns:
            Log-probabilities of what is counted, plus log-densities of the numbers.
        """
        self.check(x, context)
        return in_parts(self._log_prob, x, context, self.space.dimensions * 3 * len(self.reals))

    @torch.no_grad()
    def sample(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, temperature: float = 1.0
    ) -> Tensor:
        """Draws n rows, with shape (n, D): what is counted, then the numbers.

        Args:
            n: How many.
            context: Contexts with shape (n, *context_space.shape), or None.
            noise: Where the draws come from; None is torch's global generator.
            temperature: Of what is counted, and the standard deviation of the noise of the numbers.

        Returns:
            Valid rows.
        """
        self.check_context(n, context)
        if not temperature > 0:
            raise ValueError(f"temperature should be positive, but it is {temperature:g}.")
        how = {} if self.counted is None else tempered(self.counted, temperature)
        noise, like = noise or Noise(None), self._like()
        drawn = [torch.zeros(0, self.space.dimensions, dtype=torch.float64, device=like.device)]
        for start in range(0, n, CHUNK):
            rows = slice(start, min(start + CHUNK, n))
            source, b, part = noise.rows(start), rows.stop - start, None if context is None else context[rows]
            counts = drawn[0].new_zeros(b, 0)
            if self.counted is not None:
                counts = self.counted.sample(b, part, noise=source.at("counted"), **how)
            present, seen = self._seen(counts, part)
            z = source.normal((b, len(self.reals)), "numbers", like=like) * present[:, self.places] * temperature
            y = self.chain.inverse(z, seen).double().clamp(-FARTHEST, FARTHEST)
            straight = y.clamp(-STRAIGHT, STRAIGHT)
            numbers = (straight + (y - straight).sinh()) * self.scale + self.mean
            drawn.append(self._rows(counts, torch.where(present > 0, numbers, torch.nan)))
        return torch.cat(drawn)

    # Parts

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        counts = self._counted(x)
        density = self._log_density(x, counts, context)
        return density if self.counted is None else density + self.counted.log_prob(counts, context)

    def _log_density(self, x: Tensor, counts: Tensor, context: Tensor | None) -> Tensor:
        """log p of the numbers given what is counted, with shape (B,)."""
        present, seen = self._seen(counts, context)
        u = ((x[:, self.reals] - self.mean) / self.scale).nan_to_num(0.0)
        straight = u.clamp(-STRAIGHT, STRAIGHT)
        z, log_det = self.chain((straight + (u - straight).asinh()).to(present.dtype), seen)
        gauss = -0.5 * (z.square() + math.log(2 * math.pi)) * present[:, self.places]
        slope = -(0.5 * (u - straight).square().log1p() + self.scale.log()) * present  # log |dy/dx|
        return gauss.sum(1) + log_det + slope.sum(1)

    def _seen(self, counts: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Which numbers are present, 1 or 0 with shape (n, R), and what the networks see beside them, (n, C)."""
        present = self._like().new_ones(len(counts), len(self.reals))
        parts = [] if self.rest is None else [self.rest.embed(counts, present.dtype).flatten(1)]
        for i, d in enumerate(self.reals):
            if d in self.kept:
                present[:, i] = 1 - counts[:, self.kept.index(d)].to(present.dtype)
        if (features := read(self.reader, context)) is not None:
            parts.append(features)
        return present, torch.cat([present, *parts], 1)

    def _counted(self, x: Tensor) -> Tensor:
        """What is counted of rows (B, D), as rows of ``counted_space``; with shape (B, 0) where nothing is."""
        counts = [x[:, d].isnan().to(x.dtype) if d in self.reals else x[:, d] for d in self.kept]
        return torch.stack(counts, 1) if counts else x[:, :0]

    def _rows(self, counts: Tensor, numbers: Tensor) -> Tensor:
        """What is counted, and numbers (n, R), as rows with shape (n, D)."""
        columns = dict(zip(self.kept, counts.unbind(1), strict=True))
        columns |= dict(zip(self.reals, numbers.unbind(1), strict=True))
        return torch.stack([columns[d] for d in range(self.space.dimensions)], 1)

    def _like(self) -> Tensor:
        return next(self.chain.parameters())


@final
class Present(nn.Module):
    """A network whose splines leave blank numbers where they are, at 0: those of parameters 0 are the identity.

    Args:
        net: Maps numbers and what is seen beside them to parameters of splines.
        width: How many parameters a spline has.
        moves: Which places of what is seen beside say whether the numbers it moves are present.
    """

    moves: Tensor

    def __init__(self, net: nn.Module, width: int, moves: Tensor) -> None:
        super().__init__()
        self.net, self.width = net, width
        self.register_buffer("moves", moves.clone())  # like the permutation, which comes before it

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Numbers (B, F) and what is seen beside them (B, C) give the parameters, as ``net`` has them."""
        params = self.net(x, context)
        return (params.reshape(len(x), self.width, len(self.moves)) * context[:, None, self.moves]).reshape(
            params.shape
        )


def _leave_blanks(steps: Sequence[Bijection], r: int, width: int) -> Tensor:
    """Makes a chain leave blank ones of r numbers where they are; returns where each came from, with shape (r,)."""
    at = torch.arange(r)[None]
    for step in steps:
        if isinstance(step, Permutation):
            at = step.move(at)
        elif isinstance(step, Coupling):
            step.net = Present(step.net, width, step.split(at)[1][0])
        elif isinstance(step, AutoregressiveBijection):
            step.net = Present(step.net, width, at[0])
    return at[0]
