"""The general Boltzmann machine: bits s, some of them visible, every two of them joined.

    p(s) = exp(-E(s)) / Z,    E(s) = -b's - s'W s / 2,    W symmetric with a zero diagonal                       (eq. 1)

s = (x, h): D visible bits x and H hidden ones h. Without hidden bits this is the Ising model: of all laws with the
data's means and pairwise correlations it is the one of largest entropy, and its likelihood is concave in (W, b), so
that there is one best machine. Hidden bits are summed out, state by state:

    F(x) = -log sum_h exp(-E(x, h)),    log p(x) = -F(x) - log Z                                                (eq. 2)

Up to 20 bits in all, Z is a sum over all states. With s cut in halves (u, v) the energy is E(u) + E(v) - u'W_uv v, so
that one product of 2^10 x 10 and 10 x 2^10 numbers gives all of them. Then everything is exact: scores; samples, by
inverting the distribution function over all states; and training, which descends F(x) + log Z, minus the
log-likelihood itself. Beyond 20 bits the gradient of log Z is that of -F at states of Gibbs chains, which go on from
step to step (persistent contrastive divergence), log Z is annealed from independent bits, and samples are states of
chains, which no number of sweeps makes exact. A sweep draws each bit once, given all the others:

    p(s_i = 1 | all others) = sigmoid(b_i + W_i s)                                                             (eq. 3)

The parameters are centred: with m the frequencies of the bits in the first training batch, 1/2 for hidden ones,
b = b' + logit(m) - W m, and W, b' are what gradient descent moves. The family of laws is the same.

Cost: a score takes D (D + H) + H 2^H products, log Z 10 x 2^(D + H) where it is summed; a sweep takes D + H steps, one
after the other. Not assumed: any order or neighbourhood of the bits, or independence of any given others.

Known limits:
    Bits only, and no contexts: each would need a constant of its own. Hidden bits are summed out, so at most 12. Beyond
    20 bits nothing is exact but the energy, and sweeps cannot be run in parallel over bits: from some hundred bits on,
    a restricted machine learns faster.

References:
    A Learning Algorithm for Boltzmann Machines (Ackley, Hinton & Sejnowski, 1985),
    https://doi.org/10.1207/s15516709cog0901_7
    Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (Tieleman, 2008),
    https://www.cs.toronto.edu/~tijmen/pcd/pcd.pdf
    Information Theory, Inference, and Learning Algorithms (MacKay, 2003), sections 31 and 43,
    https://www.inference.org.uk/mackay/itila/
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.energy.gibbs import ChainModel, refuse_context
from ptheta.energy.mcmc import draw_bits
from ptheta.energy.partition import BoltzmannBridge, all_bits, joint_log_weights, joint_states, sweep
from ptheta.model import in_parts
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Space, require

__all__ = ["BoltzmannMachine"]

ENUMERABLE = 20  # bits whose states are summed over
MOST_HIDDEN = 12  # hidden bits whose states are summed over for each event


@final
class BoltzmannMachine(ChainModel):
    """A general Boltzmann machine over bits.

    Args:
        space: What one event is: bits on a grid of any shape.
        hidden: The number of hidden bits, at most 12.
        exact: Whether training sums over all states; None: where there are at most 20 bits in all.
        k: How many sweeps the persistent chains take for each gradient step, where training does not sum.
        chains: How many persistent chains there are.
        context_space: None: a machine has one constant, a conditional one would have one per context.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = BoltzmannMachine(Binary((4,)), hidden=2)
        >>> x = model.sample(5, noise=Noise(0))
        >>> log_p = -model.energy(x) - model.log_partition().value
        >>> x.shape, log_p.shape, model.log_partition().exact
        (torch.Size([5, 4]), torch.Size([5]), True)
    """

    centre: Tensor
    pairs: Tensor

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 0,
        exact: bool | None = None,
        k: int = 1,
        chains: int = 100,
        context_space: Space | None = None,
        optimizer: Optimizer = Adam(learning_rate=0.02),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, who="a Boltzmann machine")
        refuse_context("a Boltzmann machine", context_space)
        if not 0 <= hidden <= MOST_HIDDEN:
            raise ValueError(
                f"a Boltzmann machine sums its hidden bits out, so there may be 0 to {MOST_HIDDEN}, not {hidden}. "
                "RBM and DBM have more."
            )
        if min(k, chains) < 1:
            raise ValueError(f"k and chains should be positive, but they are {k} and {chains}.")
        units = space.dimensions + hidden
        self.is_small = units <= ENUMERABLE
        if exact and not self.is_small:
            raise ValueError(
                f"training sums over the states of at most {ENUMERABLE} bits, but there are {units}: leave exact out."
            )
        self.space, self.context_space, self.hidden = space, None, hidden
        self.exact, self.k, self.optimizer = self.is_small if exact is None else exact, k, optimizer
        self.coupling = nn.Parameter(torch.randn(units * (units - 1) // 2) * 0.1)
        self.bias = nn.Parameter(torch.zeros(units))
        self.register_buffer("pairs", torch.triu_indices(units, units, 1), persistent=False)
        self.register_buffer("centre", torch.full((units,), 0.5))
        rows = 0 if self.exact else chains
        self.register_buffer("chain_state", torch.zeros(rows, units, dtype=torch.uint8))

    def energy(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The free energy -log sum_h exp(-E(x, h)) in nats, with shape (B,)."""
        self.check(x, context)
        return in_parts(lambda part, _: self._free_energy(self._bits(part)), x, None, 2**self.hidden)

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        data = self._bits(x)
        self.centre[: self.space.dimensions] = (data.sum(0) + 1) / (len(data) + 2)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """Minus log p of the data where training is exact; else their free energy less that of the chains; (B,)."""
        energy = self._free_energy(self._bits(x))
        if self.exact:
            return energy + joint_log_weights(*self.uncentred()).logsumexp((0, 1))
        chains = self.advanced(self.standing(noise), self.k, noise)
        return energy - self._free_energy(chains[:, : self.space.dimensions]).mean()

    @torch.no_grad()
    def summed_log_partition(self) -> float | None:
        """log Z in nats where there are at most 20 bits in all, else None."""
        if not self.is_small:
            return None
        return float(joint_log_weights(*(p.double() for p in self.uncentred())).logsumexp((0, 1)))

    @torch.no_grad()
    def bridge(self) -> BoltzmannBridge:
        """The path from independent bits to this machine, over all its bits."""
        weight, bias = self.uncentred()
        return BoltzmannBridge(weight, bias, torch.logit(self.centre))

    @torch.no_grad()
    def pseudo_log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The sum over bits of log p(x_i | all other visible bits) in nats, with shape (B,). Exact."""
        self.check(x, context)
        return in_parts(lambda part, _: self._pseudo(self._bits(part)), x, None, 2**self.hidden)

    @torch.no_grad()
    def sample(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int | None = None
    ) -> Tensor:
        """Draws n events.

        Args:
            n: How many.
            context: None.
            noise: Where they draw from.
            steps: How many sweeps n Gibbs chains take. None: draws are exact up to 20 bits in all, else 1000 sweeps.

        Returns:
            Events with shape (n, *space.shape).
        """
        if steps is not None or not self.is_small:
            return self.drawn(n, context, noise, 1000 if steps is None else steps)
        self.check_context(n, context)
        u = (noise or Noise(None)).uniform((n,), "state", like=self.bias.double())
        return self.event(joint_states(*self.uncentred(), u))

    @torch.no_grad()
    def start(self, n: int, noise: Noise) -> Tensor:
        """Independent bits with the frequencies of the data, coins for hidden ones, with shape (n, D + H)."""
        return draw_bits(torch.logit(self.centre), noise.uniform((n, len(self.centre)), "start", like=self.centre))

    @torch.no_grad()
    def move(self, state: Tensor, noise: Noise, *, temperature: float = 1.0, known: Tensor | None = None) -> Tensor:
        """A sweep over all bits (n, D + H), each drawn given the others; known ones stay."""
        weight, bias = (p / temperature for p in self.uncentred())
        return sweep(state, weight, bias, noise, known)

    def uncentred(self) -> tuple[Tensor, Tensor]:
        """W (D + H, D + H) and b (D + H,) of eq. 1."""
        units = len(self.bias)
        upper = self.coupling.new_zeros(units, units).index_put(tuple(self.pairs), self.coupling)
        weight = upper + upper.T
        return weight, self.bias + torch.logit(self.centre) - weight @ self.centre

    def _bits(self, x: Tensor) -> Tensor:
        return self.space.cells(x).to(self.bias.dtype)  # (B, D), zeros and ones

    def _free_energy(self, bits: Tensor) -> Tensor:
        weight, bias = self.uncentred()
        d = self.space.dimensions
        seen = bits @ bias[:d] + (bits @ weight[:d, :d] * bits).sum(1) / 2
        if not self.hidden:
            return -seen
        h = all_bits(self.hidden).to(bits)  # (2^H, H)
        alone = h @ bias[d:] + (h @ weight[d:, d:] * h).sum(1) / 2
        return -seen - (alone + bits @ weight[:d, d:] @ h.T).logsumexp(1)  # eq. 2

    def _pseudo(self, bits: Tensor) -> Tensor:
        weight, bias = self.uncentred()
        if not self.hidden:
            return F.logsigmoid((2 * bits - 1) * (bits @ weight + bias)).sum(1)  # eq. 3
        energy, total = self._free_energy(bits), bits.new_zeros(len(bits))
        for i in range(bits.shape[1]):
            flipped = bits.clone()
            flipped[:, i] = 1 - flipped[:, i]
            total += F.logsigmoid(self._free_energy(flipped) - energy)
        return total
