"""Partition functions of Boltzmann machines: by enumeration, or the bridge to anneal over.

Of a restricted machine,

    Z = sum_h exp(c'h) prod_i (1 + exp(b_i + W_i h)),    2^H terms, or 2^D the other way round

in chunks that stay in the processor's cache, in the type of the weights (float64 is meant). Of a general machine, whose
bits s are cut in halves (u, v), the exponents of all 2^n terms are one product of small matrices:

    -E(u, v) = (b_u'u + u'W_uu u / 2) + (b_v'v + v'W_vv v / 2) + u'W_uv v

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

__all__ = [
    "BoltzmannBridge",
    "RBMBridge",
    "all_bits",
    "enumerate_log_partition",
    "joint_log_weights",
    "joint_states",
    "sweep",
]


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
        self._biases = torch.stack([self.base, visible_bias])
        self._known: tuple[Tensor, Tensor] | None = None
        self.log_partition_start = float(F.softplus(self.base).sum()) + len(hidden_bias) * math.log(2)

    def start(self, n: int, noise: Noise) -> Tensor:
        return draw_bits(self.base.expand(n, -1), noise.uniform((n, len(self.base)), "bits", like=self.base))

    def energy(self, x: Tensor, beta: Tensor) -> Tensor:
        up, beta = self._up(x), beta[:, None]  # (n, H), (T, 1)
        base, visible = self._biases @ x.T  # (n,) each
        linear = (1 - beta) * base + beta * visible  # (T, n)
        return -linear - torch.stack([F.softplus(b * up).sum(1) for b in beta])

    def move(self, x: Tensor, beta: float, noise: Noise) -> Tensor:
        up = beta * self._up(x)
        hidden = draw_bits(up, noise.uniform(up.shape, "hidden", like=up))
        down = torch.addmm(beta * self.visible_bias + (1 - beta) * self.base, hidden, self.weight.T, alpha=beta)
        return draw_bits(down, noise.uniform(down.shape, "visible", like=down))

    def _up(self, x: Tensor) -> Tensor:
        """x'W + c with shape (n, H); kept, since the energies of a state and the move from it need the same."""
        if self._known is None or self._known[0] is not x:
            self._known = x, torch.addmm(self.hidden_bias, x, self.weight)
        return self._known[1]


@final
class BoltzmannBridge(Bridge):
    """From independent bits to a Boltzmann machine: the biases go from one to the other while the couplings grow.

    Args:
        weight: W of eq. 1.
        bias: b of eq. 1.
        base: The log-odds of the bits at the easy end, with shape (units,).
    """

    def __init__(self, weight: Tensor, bias: Tensor, base: Tensor) -> None:
        self.weight, self.bias, self.base = weight, bias, base
        self.log_partition_start = float(F.softplus(base).sum())

    def start(self, n: int, noise: Noise) -> Tensor:
        return draw_bits(self.base.expand(n, -1), noise.uniform((n, len(self.base)), "bits", like=self.base))

    def energy(self, x: Tensor, beta: Tensor) -> Tensor:
        beta = beta[:, None]  # (T, 1)
        pairs = (x @ self.weight * x).sum(1) / 2
        return -(1 - beta) * (x @ self.base) - beta * (x @ self.bias + pairs)

    def move(self, x: Tensor, beta: float, noise: Noise) -> Tensor:
        return sweep(x, beta * self.weight, beta * self.bias + (1 - beta) * self.base, noise)


def sweep(state: Tensor, weight: Tensor, bias: Tensor, noise: Noise, known: Tensor | None = None) -> Tensor:
    """Draws every bit of a general machine once given all others, one after the other.

    Args:
        state: Zeros and ones with shape (n, units); left as it is.
        weight: W with shape (units, units).
        bias: b with shape (units,).
        noise: Where the bits are drawn from.
        known: Which bits stay, Boolean, with the state's shape; None: none.

    Returns:
        The new states with shape (n, units).
    """
    state, u = state.clone(), noise.uniform(state.shape, "bits", like=state)
    for i in range(len(bias)):
        bit = draw_bits(torch.addmv(bias[i].expand(len(state)), state, weight[i]), u[:, i])
        state[:, i] = bit if known is None else torch.where(known[:, i], state[:, i], bit)
    return state


def all_bits(n: int, index: Tensor | None = None) -> Tensor:
    """States of n bits by their number, the first bit the highest.

    Args:
        n: How many bits.
        index: Which states, int64 with shape (S,); None: all 2^n in their order.

    Returns:
        int64 zeros and ones with shape (S, n).
    """
    index = torch.arange(2**n) if index is None else index
    return (index[:, None] >> torch.arange(n - 1, -1, -1, device=index.device)) & 1


def joint_log_weights(weight: Tensor, bias: Tensor) -> Tensor:
    """Minus the energy of every state of a general Boltzmann machine.

    Args:
        weight: W, symmetric with a zero diagonal, with shape (n, n); n should be at most 20 or so.
        bias: b with shape (n,).

    Returns:
        In nats, with shape (2^(n // 2), 2^(n - n // 2)): the first half of the bits by the second. Flattened, it is in
        the order of ``all_bits``.
    """
    cut = len(bias) // 2
    u, v = (all_bits(n).to(bias) for n in (cut, len(bias) - cut))
    left = u @ bias[:cut] + (u @ weight[:cut, :cut] * u).sum(1) / 2
    right = v @ bias[cut:] + (v @ weight[cut:, cut:] * v).sum(1) / 2
    return left[:, None] + right + u @ weight[:cut, cut:] @ v.T


def joint_states(weight: Tensor, bias: Tensor, u: Tensor) -> Tensor:
    """Exact draws of a general Boltzmann machine, by inverting the distribution function over all its states.

    Args:
        weight: W, symmetric with a zero diagonal, with shape (n, n); n should be at most 20 or so.
        bias: b with shape (n,).
        u: Uniforms, float64 with shape (N,).

    Returns:
        int64 zeros and ones with shape (N, n).
    """
    mass = joint_log_weights(weight, bias).double().flatten().softmax(0).cumsum(0)
    index = torch.searchsorted(mass, u * mass[-1]).clamp(max=len(mass) - 1)
    return all_bits(len(bias), index)


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
