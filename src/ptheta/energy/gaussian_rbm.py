"""The restricted Boltzmann machine of reals: Gaussian visible units y under hidden bits h.

On standardised reals y, with widths s of the visible units,

    E(y, h) = sum_i (y_i - b_i)^2 / 2 s_i^2 - c'h - sum_ij y_i W_ij h_j / s_i^2                                 (eq. 1)

Given h the reals are independent Gaussians of means b + W h and widths s, given y the bits are independent:

    p(y | h) = N(b + W h, s^2),    p(h_j = 1 | y) = sigmoid(c_j + sum_i W_ij y_i / s_i^2)                       (eq. 2)
    F(y) = sum_i (y_i - b_i)^2 / 2 s_i^2 - sum_j softplus(c_j + sum_i W_ij y_i / s_i^2)

So the machine is a mixture of 2^H Gaussians of one shape whose means are sums of columns of W. The weights of the
mixture, reals integrated out, are those of a general Boltzmann machine over the hidden bits,

    log Z = sum_i log(s_i sqrt(2 pi)) + log sum_h exp(d'h + h'M h / 2),    M = W'S W,  S = diag(1 / s^2)        (eq. 3)

with d = c + W'S b and the diagonal of M counted with d. Up to 20 hidden bits that is summed: then scores are exact
densities, in units of x, and so are samples, a state of h and a Gaussian about its mean. Up to 16, training descends
the exact -log p; beyond, its gradient is taken at persistent Gibbs chains. Beyond 20 log Z is annealed over the bits.

Cost: a score takes one product with W, log Z a sum over 2^H states. Not assumed: that the data are one Gaussian.

Known limits:
    All 2^H Gaussians share one diagonal covariance: clusters of different widths, or thin curves, take many bits. Reals
    only, no contexts. Persistent chains want small steps, and are refused in several processes.

References:
    Exponential Family Harmoniums with an Application to Information Retrieval (Welling, Rosen-Zvi & Hinton, 2004),
    https://papers.nips.cc/paper/2672-exponential-family-harmoniums-with-an-application-to-information-retrieval
    Improved Learning of Gaussian-Bernoulli Restricted Boltzmann Machines (Cho, Ilin & Raiko, 2011),
    https://doi.org/10.1007/978-3-642-21735-7_2
    Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (Tieleman, 2008),
    https://www.cs.toronto.edu/~tijmen/pcd/pcd.pdf
"""

import math
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.energy.gibbs import ChainModel, refuse_context
from ptheta.energy.mcmc import draw_bits
from ptheta.energy.partition import BoltzmannBridge, joint_log_weights, joint_states
from ptheta.model import require_sizes
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Real, Space, require

__all__ = ["GaussianRBM"]

ENUMERABLE = 20  # hidden bits whose states are summed over
TRAINED = 16  # in every step of training


@final
class GaussianRBM(ChainModel):
    """A restricted Boltzmann machine over reals.

    Args:
        space: What one event is: reals of any shape.
        hidden: The number of hidden bits.
        exact: Whether training sums over all hidden states; None: where there are at most 16.
        k: How many Gibbs steps the persistent chains take for each gradient step, where training does not sum.
        chains: How many persistent chains there are.
        context_space: None: a machine has one constant, a conditional one would have one per context.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Real
        >>> model = GaussianRBM(Real((2,)), hidden=3)
        >>> x = model.sample(5, noise=Noise(0))
        >>> log_p = -model.energy(x) - model.log_partition().value
        >>> x.shape, log_p.shape, model.log_partition().exact
        (torch.Size([5, 2]), torch.Size([5]), True)
    """

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 16,
        exact: bool | None = None,
        k: int = 1,
        chains: int = 100,
        context_space: Space | None = None,
        optimizer: Optimizer = Adam(learning_rate=0.01),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Real, who="GaussianRBM")
        refuse_context("GaussianRBM", context_space)
        require_sizes("GaussianRBM", hidden=hidden, k=k, chains=chains)
        if exact and hidden > ENUMERABLE:
            raise ValueError(
                f"training sums over the states of at most {ENUMERABLE} hidden bits, not of {hidden}: leave exact out."
            )
        self.space, self.context_space, self.optimizer, self.k = space, None, optimizer, k
        self.exact, self.is_small = hidden <= TRAINED if exact is None else exact, hidden <= ENUMERABLE
        self.weight = nn.Parameter(torch.randn(space.dimensions, hidden) * 0.3)
        self.visible_bias = nn.Parameter(torch.zeros(space.dimensions))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.log_width = nn.Parameter(torch.zeros(space.dimensions))
        self.register_buffer("chain_state", torch.zeros(0 if self.exact else chains, space.dimensions))

    def energy(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The free energy -log sum_h exp(-E(x, h)) in nats, of densities per unit of x, with shape (B,)."""
        self.check(x, context)
        return self._free_energy(self._reals(x)) + self.space.log_volume

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """Minus log p of standardised data where training is exact; else their free energy less the chains'; (B,)."""
        energy = self._free_energy(self._reals(x))
        if self.exact:
            return energy + self._log_partition()
        chains = self.advanced(self.standing(noise), self.k, noise)
        return energy - self._free_energy(chains).mean()

    @torch.no_grad()
    def summed_log_partition(self) -> float | None:
        """log Z in nats where there are at most 20 hidden bits, else None."""
        return float(self._log_partition()) if self.is_small else None

    @torch.no_grad()
    def fantasies(self, noise: Noise) -> Tensor:
        """Hidden bits under the reals to which the chains of training lead, with shape (chains, H)."""
        up = self._up(super().fantasies(noise))
        return draw_bits(up, noise.uniform(up.shape, "fantasies", like=up))

    @torch.no_grad()
    def bridge(self) -> BoltzmannBridge:
        """The path from fair coins to the machine of the hidden bits, reals integrated out."""
        bridge = BoltzmannBridge(*self.marginal(), torch.zeros_like(self.hidden_bias))
        bridge.log_partition_start += float(self._log_volume())  # eq. 3
        return bridge

    def marginal(self) -> tuple[Tensor, Tensor]:
        """The general Boltzmann machine of the hidden bits (eq. 3): couplings (H, H), biases (H,)."""
        scaled = self.weight * (-2 * self.log_width).exp()[:, None]
        pairs = self.weight.T @ scaled
        return pairs - torch.diag(
            pairs.diagonal()
        ), self.hidden_bias + self.visible_bias @ scaled + pairs.diagonal() / 2

    @torch.no_grad()
    def sample(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int | None = None
    ) -> Tensor:
        """Draws n events.

        Args:
            n: How many.
            context: None.
            noise: Where they draw from.
            steps: How many steps n Gibbs chains take. None: draws are exact up to 20 hidden bits, else 1000 steps.

        Returns:
            Events with shape (n, *space.shape).
        """
        if steps is not None or not self.is_small:
            return self.drawn(n, context, noise, 1000 if steps is None else steps)
        self.check_context(n, context)
        noise = noise or Noise(None)
        h = joint_states(*self.marginal(), noise.uniform((n,), "state", like=self.weight.double()))
        return self.event(self._down(h.to(self.weight.dtype), noise))

    @torch.no_grad()
    def start(self, n: int, noise: Noise) -> Tensor:
        """Independent Gaussians of the data's mean and spread, with shape (n, D)."""
        return noise.normal((n, self.space.dimensions), "start", like=self.weight)

    @torch.no_grad()
    def move(self, state: Tensor, noise: Noise, *, temperature: float = 1.0, known: Tensor | None = None) -> Tensor:
        """A Gibbs step of both layers from reals (n, D) to reals; known ones stay."""
        up = self._up(state) / temperature
        y = self._down(draw_bits(up, noise.uniform(up.shape, "hidden", like=up)), noise, temperature)
        return y if known is None else torch.where(known, state, y)

    def _reals(self, x: Tensor) -> Tensor:
        return self.space.cells(x).to(self.weight.dtype)  # (B, D), standardised

    def _up(self, y: Tensor) -> Tensor:
        """The log-odds of the hidden bits, with shape (B, H)."""
        return torch.addmm(self.hidden_bias, y * (-2 * self.log_width).exp(), self.weight)

    def _down(self, h: Tensor, noise: Noise, temperature: float = 1.0) -> Tensor:
        """Draws of the reals given the hidden bits (eq. 2), with shape (B, D)."""
        mean = torch.addmm(self.visible_bias, h, self.weight.T)
        return mean + math.sqrt(temperature) * self.log_width.exp() * noise.normal(mean.shape, "visible", like=mean)

    def _free_energy(self, y: Tensor) -> Tensor:
        bowl = ((y - self.visible_bias) * (-self.log_width).exp()).square().sum(1) / 2
        return bowl - F.softplus(self._up(y)).sum(1)

    def _log_volume(self) -> Tensor:
        return self.log_width.sum() + len(self.log_width) * math.log(2 * math.pi) / 2

    def _log_partition(self) -> Tensor:
        return self._log_volume() + joint_log_weights(*self.marginal()).logsumexp((0, 1))  # eq. 3
