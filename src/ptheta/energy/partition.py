"""The partition function of a restricted Boltzmann machine: by enumeration, or the bridge to anneal over.

    Z = sum_h exp(c'h) prod_i (1 + exp(b_i + W_i h)),    2^H terms, or 2^D the other way round

Enumeration runs in chunks that stay in the processor's cache, in the type of the weights (float64 is meant).

References:
    On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov & Murray, 2008),
    https://www.cs.toronto.edu/~rsalakhu/papers/dbn_ais.pdf
"""

import math
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.energy.mcmc import Bridge, draw_bits
from ptheta.noise import Noise

__all__ = ["RBMBridge", "enumerate_log_partition"]


@final
class RBMBridge(Bridge):
    """From independent bits with given frequencies to an RBM, by the energies of Salakhutdinov & Murray.

    The law at β is that of an RBM with weights βW and biases βb + (1 - β) logit(mean), βc.

    Args:
        weight: With shape (D, H).
        visible_bias: With shape (D,).
        hidden_bias: With shape (H,).
        mean: The frequencies of the bits at the easy end, with shape (D,).
    """

    def __init__(self, weight: Tensor, visible_bias: Tensor, hidden_bias: Tensor, mean: Tensor) -> None:
        self.weight, self.visible_bias, self.hidden_bias = weight, visible_bias, hidden_bias
        self.base = torch.logit(mean.clamp(1e-3, 1 - 1e-3))
        self.log_partition_start = float(F.softplus(self.base).sum()) + len(hidden_bias) * math.log(2)

    def start(self, n: int, noise: Noise) -> Tensor:
        return draw_bits(self.base.expand(n, -1), noise.uniform((n, len(self.base)), "bits", like=self.base))

    def energy(self, x: Tensor, beta: Tensor) -> Tensor:
        beta = beta[:, None]  # (T, 1)
        up = torch.addmm(self.hidden_bias, x, self.weight)  # (n, H)
        linear = (1 - beta) * (x @ self.base) + beta * (x @ self.visible_bias)  # (T, n)
        return -linear - F.softplus(beta[:, :, None] * up).sum(2)

    def move(self, x: Tensor, beta: float, noise: Noise) -> Tensor:
        up = beta * torch.addmm(self.hidden_bias, x, self.weight)
        hidden = draw_bits(up, noise.uniform(up.shape, "hidden", like=up))
        down = beta * torch.addmm(self.visible_bias, hidden, self.weight.T) + (1 - beta) * self.base
        return draw_bits(down, noise.uniform(down.shape, "visible", like=down))


def enumerate_log_partition(weight: Tensor, visible: Tensor, hidden: Tensor) -> float:
    """Sums over every state of the smaller layer, the other in closed form.

    Args:
        weight: W with shape (D, H); the smaller of the two should be at most 20 or so.
        visible: b with shape (D,).
        hidden: c with shape (H,).

    Returns:
        log Z in nats.
    """
    if weight.shape[0] < weight.shape[1]:  # sum over the smaller layer
        weight, visible, hidden = weight.T, hidden, visible
    n, parts = len(hidden), []
    places = torch.arange(n, device=weight.device)
    for start in range(0, 2**n, 512):  # chunks stay in the processor's cache
        states = torch.arange(start, min(start + 512, 2**n), device=weight.device)
        h = ((states[:, None] >> places) & 1).to(weight.dtype)  # (512, n)
        other = torch.addmm(visible, h, weight.T)
        parts.append((h @ hidden + torch.logaddexp(other, other.new_zeros(())).sum(1)).logsumexp(0))
    return float(torch.stack(parts).logsumexp(0))
