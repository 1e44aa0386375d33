"""Neural spline flows: every variable moved by a monotone rational-quadratic spline.

On [-B, B] a spline joins K + 1 knots, rising from corner to corner; in each of the K bins it is a quotient of two
quadratics, which meets the knots' heights and slopes, rises everywhere, and has an inverse in closed form (a quadratic
equation). Outside [-B, B] it is the identity, with slope 1 at both ends, so the tails of the flow are those of the
noise: Gaussian. Events are standardised, so B is a number of standard deviations.

With s the slope of the bin's chord, d0 and d1 the slopes at its ends, and t in [0, 1] the place in the bin,

    y = y0 + h (s t^2 + d0 t (1 - t)) / (s + (d0 + d1 - 2 s) t (1 - t))                                         # eq. 4
    dy/dx = s^2 (d1 t^2 + 2 s t (1 - t) + d0 (1 - t)^2) / (s + (d0 + d1 - 2 s) t (1 - t))^2                     # eq. 5

3 K - 1 parameters per variable: widths and heights by softmax, inner slopes by softplus. They are computed by coupling
(half of the variables from the other half, both sides in one pass, a learned linear map in between) or autoregressively
(from all before; sampling takes D steps, each hidden unit computed once, see ``maf``). The spline is more flexible than
an affine map where conditionals are not Gaussian: several modes, bounded support, levels dequantised.

Not assumed: Gaussian conditionals. Assumed: that the map between noise and events is smooth and has an inverse.

The reals of the rows of a table are moved so, given what is counted of a row, by ``TableFlow`` (``tabular``).

All K bins of a parameter lie along an early axis, variables along the last: a softmax over a short last axis costs ten
times as much.

Known limits:
    Beyond [-B, B] the tails are those of the noise. A chain of flexible splines overfits small tables and images: on
    digits it begins after 800 steps. Bits and levels are dequantised, and their number is a lower bound.

References:
    Neural Spline Flows (Durkan, Bekasov, Murray & Papamakarios, 2019) https://arxiv.org/abs/1906.04032
    Piecewise Rational Quadratic Interpolation (Gregory & Delbourgo, 1982) https://doi.org/10.1093/imanum/2.2.123
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.flows.coupling import coupling_chain
from ptheta.flows.flow import Flow, Monotone
from ptheta.flows.maf import Inversion, autoregressive_chain
from ptheta.model import require_sizes
from ptheta.nn.contexts import Reader, reader_of
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["RationalQuadratic", "SplineFlow"]

LEAST_BIN, LEAST_SLOPE = 1e-3, 1e-3  # of a bin as a share of the interval; of the spline at a knot


class Piece(NamedTuple):
    """The bin a number falls into: left and bottom, counted from the corner; width and height; slopes at both ends."""

    x0: Tensor
    y0: Tensor
    w: Tensor
    h: Tensor
    d0: Tensor
    d1: Tensor


@final
@dataclass(frozen=True)
class RationalQuadratic(Monotone):
    """A monotone rational-quadratic spline on [-bound, bound], the identity outside.

    Args:
        bins: The number K of bins.
        bound: Where the linear tails begin.
    """

    bins: int = 8
    bound: float = 4.0

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ValueError(f"bins should be at least 2, but it is {self.bins}.")

    @property
    def width(self) -> int:
        return 3 * self.bins - 1

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        inside = x.clamp(-self.bound, self.bound)
        u = (inside + self.bound)[:, None]
        p = self._piece(u, params, by_height=False)
        s, t = p.h / p.w, (u - p.x0) / p.w
        v, st = t * (1 - t), s * t
        denominator = torch.addcmul(s, torch.sub(p.d0 + p.d1, s, alpha=2), v)
        y = torch.addcmul(p.y0, p.h, torch.addcmul(st * t, p.d0, v) / denominator)  # eq. 4
        slope = s * s * (p.d1 * t * t + 2 * s * v + p.d0 * (1 - t) ** 2) / (denominator * denominator)  # eq. 5
        return self._back(y, x - inside), slope.log().squeeze(1)

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        inside = z.clamp(-self.bound, self.bound)
        u = (inside + self.bound)[:, None]
        p = self._piece(u, params, by_height=True)
        s, y = p.h / p.w, u - p.y0
        sy, bend = s * y, y * torch.sub(p.d0 + p.d1, s, alpha=2)
        b = torch.addcmul(-bend, p.h, p.d0)  # eq. 6 to 8, with c = -s y; few calls, since a flow may come D times
        a = torch.addcmul(-b, p.h, s)
        root = torch.addcmul(b * b, a, sy, value=4).clamp(min=0).sqrt()
        return self._back(torch.addcmul(p.x0, sy / (b + root), p.w, value=2), z - inside)

    def _back(self, y: Tensor, beyond: Tensor) -> Tensor:
        """From [0, 2 bound] to [-bound, bound]; what was beyond goes on from there with slope 1."""
        return beyond + (y.squeeze(1) - self.bound)

    def _piece(self, u: Tensor, params: Tensor, *, by_height: bool) -> Piece:
        """What lies around numbers u (B, 1, *) in [0, 2 bound], found by width or by height, with the shape of u."""
        k, whole, params = self.bins, 2 * self.bound, params.to(u.dtype)  # autocast's types are too coarse for bins
        shares = params[:, : 2 * k].reshape(len(u), 2, k, *u.shape[2:]).softmax(2)  # (B, 2, K, *), widths and heights
        shares = shares * (whole * (1 - k * LEAST_BIN)) + whole * LEAST_BIN
        ends = shares.cumsum(2)
        index = (u >= ends[:, int(by_height), :-1]).sum(1, keepdim=True)  # (B, 1, *)
        both = index[:, None].expand(-1, 2, 1, *u.shape[2:])
        sizes = shares.gather(2, both)
        starts = ends.gather(2, both) - sizes
        # A raw slope of zero is a slope of one: those of the first and last knot.
        zero = torch.zeros_like(u)
        raw = torch.cat([zero, params[:, 2 * k :], zero], 1).gather(1, torch.cat([index, index + 1], 1))
        slopes = F.softplus(raw, beta=math.log(2)).clamp(min=LEAST_SLOPE)  # (B, 2, *)
        return Piece(*starts.unbind(1), *sizes.unbind(1), *slopes.chunk(2, 1))


@final
class SplineFlow(Flow):
    """A neural spline flow, coupling or autoregressive.

    Args:
        space: Real; levels and bits are modelled through ``TrainedDequantized``.
        context_space: What one context is, or None.
        reader: What the networks see of a context; None lets the space of contexts choose.
        kind: Coupling (one pass both ways) or autoregressive (more flexible; sampling takes D steps).
        layers: The number of transforms.
        hidden: The widths of each network's hidden layers.
        bins: The bins of each spline.
        bound: The splines act on [-bound, bound], in standard deviations; outside they are the identity.
        inversion: How autoregressive sampling goes, see ``MAF``.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Real
        >>> model = SplineFlow(Real((3,)), layers=2, hidden=(8,))
        >>> x = model.sample(3, noise=Noise(0))
        >>> model.log_prob(x).shape, torch.allclose(model.decode(model.encode(x)), x, atol=1e-5)
        (torch.Size([3]), True)
    """

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        reader: Reader | None = None,
        kind: Literal["coupling", "autoregressive"] = "coupling",
        layers: int = 5,
        hidden: Sequence[int] = (128, 128),
        bins: int = 8,
        bound: float = 4.0,
        inversion: Inversion = "cached",
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        spline, reader = RationalQuadratic(bins, bound), reader_of(context_space, given=reader)
        require_sizes("SplineFlow", layers=layers, hidden=min(hidden, default=1))
        shared = {"layers": layers, "hidden": hidden}
        if kind == "coupling":
            chain = coupling_chain(space, reader, spline, **shared, linear=True)
        else:
            chain = autoregressive_chain(space, reader, spline, **shared, inversion=inversion)
        super().__init__(space, reader, chain, optimizer)
