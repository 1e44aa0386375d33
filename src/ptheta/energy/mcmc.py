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

Cost: one energy at two temperatures and one move per temperature, for all chains at once.

References:
    Annealed Importance Sampling (Neal, 2001), https://arxiv.org/abs/physics/9803008
    On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov & Murray, 2008),
    https://www.cs.toronto.edu/~rsalakhu/papers/dbn_ais.pdf
"""

from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor

from ptheta.model import Estimate
from ptheta.noise import Noise

__all__ = ["Bridge", "annealed_importance_sampling", "annealing_schedule", "draw_bits"]


def draw_bits(logits: Tensor, u: Tensor) -> Tensor:
    """Draws bits with the given log-odds from uniforms of the same shape, as 0.0 and 1.0."""
    return (u < torch.sigmoid(logits)).to(logits.dtype)


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
    if len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or bool((betas.diff() <= 0).any()):
        raise ValueError("betas should increase from exactly 0 to exactly 1: elsewhere the weights mean nothing.")
    x = bridge.start(chains, noise.at("start"))
    log_w = torch.zeros(chains, dtype=torch.float64)
    for k, (low, high) in enumerate(pairwise(betas.tolist())):
        before, after = bridge.energy(x, torch.tensor([low, high], dtype=x.dtype, device=x.device))
        log_w += (before - after).double().cpu()  # eq. 1
        if high < 1:
            x = bridge.move(x, high, noise.at("temperature", k))
    top = log_w.max()
    w = (log_w - top).exp()
    value = bridge.log_partition_start + float(top + w.mean().log())
    error = float(w.std() / w.mean() / chains**0.5)
    return Estimate(value, error, exact=False, bias="log Z is underestimated on average, so the model looks too good")
