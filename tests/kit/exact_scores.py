"""The exact log-probability of small models that offer only a bound on it, by brute force. Written afresh.

A variational autoencoder with one or two latent variables is summed over a fine grid of codes: the integrand is smooth
and vanishes at the ends, so the rectangle rule is exact to many digits; one with two layers of one code each likewise.
A prior over symbols is summed over all of
them. A dequantised density is integrated over the cell of each event by Gauss and Legendre. An absorbing diffusion is
averaged over all orders of its variables, and a
multinomial one is a Markov chain whose matrices are multiplied.
"""

import math
from functools import cache
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ptheta.diffusion import AbsorbingDiffusion, MultinomialDiffusion
from ptheta.distributions.dequantized import Dequantization
from ptheta.latent import VAE, VQVAE, LadderVAE, LatentBound
from ptheta.nn.contexts import read

CODES = {1: (-8.0, 8.0, 65), 2: (-10.0, 10.0, 81)}  # the grid along each latent variable: ends and points
NODES = 6  # of Gauss-Legendre along each variable of a cell
NUMBERS = 2**22  # in flight at once
MOST_ORDERED = 6  # variables, of 720 orders
MOST_STATES = 64  # of a chain


def has_exact(model: Any) -> bool:
    """Whether ``exact_log_prob`` knows this model."""
    if isinstance(model, VAE):
        return model.code_space.dimensions in CODES
    if isinstance(model, LadderVAE):
        return model.latents == (1, 1)
    if isinstance(model, AbsorbingDiffusion):
        return model.space.dimensions <= MOST_ORDERED
    if isinstance(model, MultinomialDiffusion):
        return model.n**model.space.dimensions <= MOST_STATES
    if isinstance(model, LatentBound):
        return isinstance(model.coder, VQVAE)
    return isinstance(model, Dequantization) and model.space.dimensions <= 3


@torch.no_grad()
def exact_log_prob(model: Any, x: Tensor, context: Tensor | None) -> Tensor:
    """log p(x | context) in nats, with shape (B,)."""
    if isinstance(model, AbsorbingDiffusion):
        return mean_over_orders(model, x, context)
    if isinstance(model, MultinomialDiffusion):
        return sum_over_chains(model, x, context)
    if isinstance(model, LatentBound):
        return code_sum(model, x, context)
    method = cell_integral if isinstance(model, Dequantization) else latent_integral
    rows = max(1, NUMBERS // (math.prod(model.space.shape) * _points(model)))
    parts = [
        method(model, x[i : i + rows], None if context is None else context[i : i + rows])
        for i in range(0, len(x), rows)
    ]
    return torch.cat(parts)


def _points(model: Any) -> int:
    """How many points one event takes."""
    if isinstance(model, VAE | LadderVAE):
        d = 2 if isinstance(model, LadderVAE) else model.code_space.dimensions
        return CODES[d][2] ** d * model.head.width
    return NODES**model.space.dimensions


@cache
def codes(d: int) -> tuple[Tensor, float]:
    """A grid of codes, with shape (G, d), and the logarithm of the volume of a cell."""
    low, high, n = CODES[d]
    axis = torch.linspace(low, high, n, dtype=torch.float64)
    z = torch.cartesian_prod(*[axis] * d).reshape(-1, d)
    return z, d * math.log(float(axis[1] - axis[0]))


def latent_integral(model: VAE | LadderVAE, x: Tensor, context: Tensor | None) -> Tensor:
    """log of the sum over codes z of p(x | z, context) p(z) dz."""
    z, log_volume = codes(2 if isinstance(model, LadderVAE) else model.code_space.dimensions)
    out = torch.zeros(len(x), dtype=torch.float64)
    for kind in [None] if context is None else context.unique(dim=0):
        rows = slice(None) if kind is None else (context == kind).reshape(len(x), -1).all(1)
        seen = None if kind is None else read(model.reader, kind[None]).expand(len(z), *model.reader.shape)
        cells = model.space.cells(x[rows])
        if isinstance(model, LadderVAE):  # z_1 and z_2
            log_pz, lowest = two_layers(model, z, seen), z[:, :1]
        else:
            log_pz, lowest = model.prior.log_prob(z), z  # type: ignore[attr-defined]
        params = model.decoder(lowest, seen).reshape(len(z), -1, model.head.width)  # (G, D, width)
        params = params[:, None].expand(-1, len(cells), -1, -1)
        each = model.head.log_prob(params, cells.expand(len(z), -1, -1))  # (G, B, D)
        log_joint = each.sum(2) - model.space.log_volume + log_pz[:, None]
        out[rows] = log_joint.logsumexp(0) + log_volume
    return out


def two_layers(model: LadderVAE, z: Tensor, seen: Tensor | None) -> Tensor:
    """log p(z_1 | z_2) p(z_2) of pairs (G, 2)."""
    mean, log_std = model.priors[0](z[:, 1:], seen).unbind(1)
    below = torch.distributions.Normal(mean, log_std.exp()).log_prob(z[:, 0])
    return below + torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 1])


def code_sum(model: LatentBound, x: Tensor, context: Tensor | None) -> Tensor:
    """log of the sum over all codes z of p(x | z) P(z | context)."""
    space, head = model.coder.code_space, model.coder.head
    z = torch.cartesian_prod(*[torch.arange(space.n)] * space.dimensions).reshape(-1, *space.shape)
    params = model.coder.decoder(model.coder.quantiser.codewords(z.reshape(len(z), *model.coder.grid)))
    params = params.reshape(len(z), 1, -1, head.width)
    prior = model.prior.log_prob(z)[:, None] if context is None else None
    out, rows = [], max(1, NUMBERS // params.numel())
    for some in torch.arange(len(x)).split(rows):
        cells = model.space.cells(x[some])
        log_px = head.log_prob(
            params.expand(-1, len(some), -1, -1).flatten(0, 1), cells.repeat(len(z), *(1,) * (cells.ndim - 1))
        )
        log_px = log_px.sum(1).reshape(len(z), len(some)) - model.space.log_volume
        if context is not None:
            given = context[some].repeat(len(z), *(1,) * (context.ndim - 1))
            prior = model.prior.log_prob(z.repeat_interleave(len(some), 0), given).reshape(len(z), len(some))
        out.append((log_px + prior).logsumexp(0))
    return torch.cat(out).double()


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


def mean_over_orders(model: AbsorbingDiffusion, x: Tensor, context: Tensor | None) -> Tensor:
    """log of the mean over all orders of the probability of each, several variables at once where steps are few."""
    cells, d = model.space.cells(x), model.space.dimensions

    @cache
    def log_p(known: frozenset[int]) -> Tensor:
        sees = torch.tensor([i in known for i in range(d)]).expand(len(x), d)
        return model.head.log_prob(model.conditionals(cells, sees, context), cells)

    chains = [
        sum(log_p(frozenset(order[:a]))[:, order[a:b]].sum(1) for a, b in pairwise(model.known_before))
        for order in permutations(range(d))
    ]
    return torch.stack(chains).logsumexp(0) - math.log(len(chains))  # type: ignore[arg-type]


def sum_over_chains(model: MultinomialDiffusion, x: Tensor, context: Tensor | None) -> Tensor:
    """log of the last row of probabilities of the chain over all states, from the uniform one."""
    d, n = model.space.dimensions, model.n
    states = torch.cartesian_prod(*[torch.arange(n)] * d).reshape(-1, d)
    index = (model.space.cells(x).long() * n ** torch.arange(d - 1, -1, -1)).sum(1)
    out = torch.zeros(len(x), dtype=torch.float64)
    for kind in [None] if context is None else context.unique(dim=0):
        rows = slice(None) if kind is None else (context == kind).reshape(len(x), -1).all(1)
        seen = None if kind is None else read(model.reader, kind[None]).expand(len(states), *model.reader.shape)
        p = torch.full((len(states),), 1 / len(states), dtype=torch.float64)
        for t in range(model.steps, 0, -1):
            log_p = model.step_back(states, torch.full((len(states),), t), seen)  # (S, D, n)
            each = log_p[:, None].expand(-1, len(states), -1, -1)
            move = each.gather(3, states[None, :, :, None].expand(len(states), -1, -1, -1)).squeeze(3).sum(2).exp()
            p = p @ move
        out[rows] = p[index[rows]].log()
    return out
