"""Markov chain Monte Carlo: what undirected models share.

**Gibbs steps.** A bit whose log-odds given everything else are ``l`` is drawn as 1{u < sigmoid(l)} from a uniform u,
so that a chain is a deterministic function of its noise.

**Annealed importance sampling** estimates the ratio of two partition functions. A bridge of unnormalised laws
p*_β(x) = exp(-E_β(x)) joins an easy law (β = 0: it can be sampled and its log Z is known) to the one in question
(β = 1). A chain starts at the easy end, climbs the temperatures 0 = β_0 < β_1 < ... < β_K = 1, and gathers the weight

    log w = sum_k  E_{β_{k-1}}(x_{k-1}) - E_{β_k}(x_{k-1}),   x_k drawn by a move that keeps p_{β_k} invariant   (eq. 1)

The mean of w over chains estimates Z_1 / Z_0 without bias, at any number of temperatures and whether or not the chains
mix; bad mixing shows as variance. Its *logarithm* is too small on average (Jensen), so a model scored with it looks
too good. The standard error is that of the mean weight, carried through the logarithm; it is an honest error bar only
while many chains carry the weight.

**From the other side.** Chains that begin in states of the law in question and go down the same temperatures, each move
before its weight, gather the same sum with another mean: E exp(-log w) = Z_0 / Z_1, and E log w >= log Z_1 / Z_0. The
climbing chains give a lower end of a bracket, log mean w, the falling ones an upper end, mean log w: no exponential,
so that a few chains in a mode that no climbing chain has found are not outvoted. Between them lies the estimate that
uses both, Bennett's: the r for which the mean of sigmoid(log w - r) over climbing chains equals that of
sigmoid(r - log w) over falling ones. Its error is half of the bracket's longer arm. The bracket holds where the falling
chains begin in fair draws; states of a chain that has not mixed make it too low.

Cost: one energy at two temperatures and one move per temperature, for all chains at once; twice that from both sides.

References:
    Annealed Importance Sampling (Neal, 2001), https://arxiv.org/abs/physics/9803008
    Efficient Estimation of Free Energy Differences from Monte Carlo Data (Bennett, 1976),
    https://doi.org/10.1016/0021-9991(76)90078-4
    Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo (Grosse, Ghahramani & Adams, 2015),
    https://arxiv.org/abs/1511.02543
    On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov & Murray, 2008),
    https://www.cs.toronto.edu/~rsalakhu/papers/dbn_ais.pdf
"""

from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor

from ptheta.distributions.heads import inverse_cdf
from ptheta.model import Estimate
from ptheta.noise import Noise

__all__ = ["Bridge", "annealed_importance_sampling", "annealing_schedule", "bracketed_annealing", "draw_bits"]

SIGMAS = 3.0  # standard errors by which the upper end of a bracket lies above the mean it estimates


def draw_bits(logits: Tensor, u: Tensor) -> Tensor:
    """Draws bits with the given log-odds, or those of each row, from uniforms of the shape of the bits; 0.0 and 1.0."""
    return torch.lt(u, logits.detach().sigmoid(), out=torch.empty_like(u, dtype=logits.dtype))


class Bridge(ABC):
    """A path of unnormalised laws from an easy one (β = 0) to the one in question (β = 1)."""

    log_partition_start: float

    @abstractmethod
    def start(self, n: int, noise: Noise) -> Tensor:
        """Draws n independent states of the easy law, with shape (n, D)."""

    @abstractmethod
    def energy(self, x: Tensor, beta: Tensor) -> Tensor:
        """The energies of n states at T inverse temperatures (T,), in nats, with shape (T, n)."""

    @abstractmethod
    def move(self, x: Tensor, beta: float, noise: Noise) -> Tensor:
        """Moves n states by a transition that leaves the law at ``beta`` invariant, with shape (n, D)."""


def annealing_schedule(steps: int) -> Tensor:
    """Inverse temperatures from 0 to 1, most of them near 1, where machines freeze.

    Args:
        steps: How many steps; at least 3.

    Returns:
        float64 with shape (steps + 1,): a thirtieth of the steps lead to 0.5, the next quarter to 0.9, the rest to 1.
    """
    if steps < 3:
        raise ValueError(f"annealing takes at least 3 temperatures, but {steps} were asked for.")
    first, second = max(1, steps // 30), max(1, steps // 4)
    pieces = ((0.0, 0.5, first), (0.5, 0.9, second), (0.9, 1.0, steps - first - second))
    ends = [torch.linspace(low, high, n + 1, dtype=torch.float64)[1:] for low, high, n in pieces]
    return torch.cat([torch.zeros(1, dtype=torch.float64), *ends])


@torch.no_grad()
def annealed_importance_sampling(bridge: Bridge, betas: Tensor, chains: int, noise: Noise) -> Estimate:
    """Estimates log Z at the far end of a bridge.

    Args:
        bridge: The path of laws.
        betas: Inverse temperatures from 0 to 1, increasing, float64, with shape (K + 1,).
        chains: How many independent chains climb it.
        noise: Where they draw from.

    Returns:
        log Z in nats, with its standard error.
    """
    log_w, _ = _climb(bridge, betas, chains, noise)
    value, error = _log_mean(log_w)
    value += bridge.log_partition_start
    return Estimate(value, error, exact=False, bias="log Z is underestimated on average, so the model looks too good")


@torch.no_grad()
def bracketed_annealing(bridge: Bridge, betas: Tensor, chains: int, far: Tensor | None, noise: Noise) -> Estimate:
    """Estimates log Z at the far end of a bridge from both sides, with a bracket.

    Args:
        bridge: The path of laws.
        betas: Inverse temperatures from 0 to 1, increasing, float64, with shape (K + 1,).
        chains: How many independent chains climb it.
        far: States of the law in question with shape (n, D), where the falling chains begin; None for those that the
            climbing ones ended in, drawn by their weights, which know no mode that these have not found.
        noise: Where they draw from.

    Returns:
        log Z in nats, with its standard error and its bracket.
    """
    up, ends = _climb(bridge, betas, chains, noise)
    if far is None:
        u = noise.uniform((chains,), "chosen", like=up)
        far = ends[inverse_cdf(up.expand(chains, -1), u).to(ends.device)]
    down = _fall(bridge, betas, far, noise)
    lowest, error = _log_mean(up)
    low, high = lowest - 2 * error, float(down.mean() + SIGMAS * down.std() / len(down) ** 0.5)
    low, high = min(low, high), max(low, high)
    value = _between(up, down, low, high)
    start = bridge.log_partition_start
    error = max(value - low, high - value) / 2
    return Estimate(value + start, error, exact=False, bracket=(low + start, high + start))


def _climb(bridge: Bridge, betas: Tensor, chains: int, noise: Noise) -> tuple[Tensor, Tensor]:
    """The log-weights of chains from the easy end (n,), in float64, and where they arrive (n, D)."""
    if len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or bool((betas.diff() <= 0).any()):
        raise ValueError("betas should increase from exactly 0 to exactly 1: elsewhere the weights mean nothing.")
    x = bridge.start(chains, noise.at("start"))
    log_w = torch.zeros(chains, dtype=torch.float64)
    for k, (low, high) in enumerate(pairwise(betas.tolist())):
        before, after = bridge.energy(x, torch.tensor([low, high], dtype=x.dtype, device=x.device))
        log_w += (before - after).double().cpu()  # eq. 1
        if high < 1:
            x = bridge.move(x, high, noise.at("temperature", k))
    return log_w, bridge.move(x, 1.0, noise.at("temperature", len(betas) - 2))


def _fall(bridge: Bridge, betas: Tensor, x: Tensor, noise: Noise) -> Tensor:
    """The log-weights of chains from states (n, D) of the far end, in float64, with shape (n,)."""
    log_w = torch.zeros(len(x), dtype=torch.float64)
    for k, (low, high) in reversed(list(enumerate(pairwise(betas.tolist())))):
        x = bridge.move(x, high, noise.at("falling", k))
        before, after = bridge.energy(x, torch.tensor([low, high], dtype=x.dtype, device=x.device))
        log_w += (before - after).double().cpu()
    return log_w


def _log_mean(log_w: Tensor) -> tuple[float, float]:
    """The logarithm of the mean weight, and its standard error."""
    top = log_w.max()
    w = (log_w - top).exp()
    return float(top + w.mean().log()), float(w.std() / w.mean() / len(w) ** 0.5)


def _between(up: Tensor, down: Tensor, low: float, high: float) -> float:
    """Bennett's estimate by bisection within a bracket: the climbing and the falling chains agree on it."""
    for _ in range(60):
        middle = (low + high) / 2
        is_above = torch.sigmoid(up - middle).mean() < torch.sigmoid(middle - down).mean()
        low, high = (low, middle) if is_above else (middle, high)
    return (low + high) / 2
