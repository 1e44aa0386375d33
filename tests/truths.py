"""The exact log-probability of small models that offer only a bound on it, by brute force. Written afresh.

A variational autoencoder with one or two latent variables is summed over a fine grid of codes: the integrand is smooth
and vanishes at the ends, so the rectangle rule is exact to many digits. A dequantised density is integrated over the
cell of each event by Gauss and Legendre.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ptheta.distributions.dequantized import Dequantization
from ptheta.latent import VAE

CODES = {1: (-8.0, 8.0, 65), 2: (-10.0, 10.0, 81)}  # the grid along each latent variable: ends and points
NODES = 6  # of Gauss-Legendre along each variable of a cell
NUMBERS = 2**22  # in flight at once


def has_exact(model: Any) -> bool:
    """Whether ``exact_log_prob`` knows this model."""
    if isinstance(model, VAE):
        return model.code_space.dimensions in CODES
    return isinstance(model, Dequantization) and model.space.dimensions <= 3


@torch.no_grad()
def exact_log_prob(model: Any, x: Tensor, context: Tensor | None) -> Tensor:
    """log p(x | context) in nats, with shape (B,)."""
    method = latent_integral if isinstance(model, VAE) else cell_integral
    rows = max(1, NUMBERS // (math.prod(model.space.shape) * _points(model)))
    parts = [
        method(model, x[i : i + rows], None if context is None else context[i : i + rows])
        for i in range(0, len(x), rows)
    ]
    return torch.cat(parts)


def _points(model: Any) -> int:
    """How many points one event takes."""
    if isinstance(model, VAE):
        d = model.code_space.dimensions
        return CODES[d][2] ** d * model.head.width
    return NODES**model.space.dimensions


@cache
def codes(d: int) -> tuple[Tensor, float]:
    """A grid of codes, with shape (G, d), and the logarithm of the volume of a cell."""
    low, high, n = CODES[d]
    axis = torch.linspace(low, high, n, dtype=torch.float64)
    z = torch.cartesian_prod(*[axis] * d).reshape(-1, d)
    return z, d * math.log(float(axis[1] - axis[0]))


def latent_integral(model: VAE, x: Tensor, context: Tensor | None) -> Tensor:
    """log of the sum over codes z of p(x | z, context) p(z) dz."""
    z, log_volume = codes(model.code_space.dimensions)
    log_pz, out = model.prior.log_prob(z), torch.zeros(len(x), dtype=torch.float64)  # type: ignore[attr-defined]
    kinds = [None] if context is None else context.unique().tolist()
    for kind in kinds:
        rows = slice(None) if context is None or kind is None else context == kind
        cells, features = model.space.cells(x[rows]), None
        if kind is not None and model.context_space is not None:
            features = model.context_space.embed(torch.full((len(z),), kind), z.dtype).flatten(1)
        params = model.decoder(z, features).reshape(len(z), -1, model.head.width)  # (G, D, width)
        params = params[:, None].expand(-1, len(cells), -1, -1)
        each = model.head.log_prob(params, cells.expand(len(z), -1, -1))  # (G, B, D)
        log_joint = each.sum(2) - model.space.log_volume + log_pz[:, None]
        out[rows] = log_joint.logsumexp(0) + log_volume
    return out


def cell_integral(model: Any, x: Tensor, context: Tensor | None) -> Tensor:
    """log of the mass of each event's unit cell under the density of the inner model."""
    d = model.space.dimensions
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(NODES))
    u = torch.cartesian_prod(*[(nodes + 1) / 2] * d).reshape(-1, d)  # (Q, D)
    log_w = torch.cartesian_prod(*[weights / 2] * d).reshape(-1, d).log().sum(1)
    y = (x[:, None].double() + u.reshape(-1, *model.space.shape)).flatten(0, 1)  # (B Q, *shape)
    c = None if context is None else context.repeat_interleave(len(u))
    log_slope = torch.zeros(())
    if model.margin:  # through a logit, whose slope is 1 / s (1 - s)
        slope = (1 - 2 * model.margin) / model.space.n
        s = model.margin + slope * y
        y, log_slope = (s / (1 - s)).log(), (slope / (s * (1 - s))).log().flatten(1).sum(1)
    log_p = model.model.log_prob(y, c) + log_slope
    return (log_p.reshape(len(x), len(u)) + log_w).logsumexp(1)
