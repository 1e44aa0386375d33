"""The restricted Boltzmann machine (RBM): visible bits x, hidden bits h, and energies between the two layers only.

    p(x, h) = exp(-E(x, h)) / Z,    E(x, h) = -b'x - c'h - x'W h                                              (eq. 1)

Within a layer the bits are independent given the other layer, so the hidden ones sum out in closed form:

    F(x) = -log sum_h exp(-E(x, h)) = -b'x - sum_j softplus(c_j + x'W_j),    log p(x) = -F(x) - log Z          (eq. 2)

Scoring up to the constant costs one product with W. The constant costs 2^min(D, H) of them, which is exact and takes
seconds up to 20 units on the smaller side; beyond that, annealed importance sampling estimates it. Sampling is a
Markov chain: two products a step, and no number of steps makes it exact.

Training follows the gradient of log p, which is that of -F(x) less its mean under the model (eq. 3). That mean is
approximated by a short Gibbs chain, begun at the data (contrastive divergence, CD-k) or at the hidden bits that the
last step left (persistent contrastive divergence, PCD-k). Neither is the gradient of any function; only k to infinity
is exact.

The parameters are centred: with m the frequencies of the bits in the first training batch, the machine has

    W = W',    b = b' + logit(m) - W'1/2,    c = c' - m'W',                                                    (eq. 4)

and W', b', c' are what gradient descent moves. The family of laws is the same; but from b = 0, data of mostly dark
pixels would switch every hidden unit off before it learns, and stop there. Annealing and sampling start from
independent bits with frequencies m. Not assumed: any order or neighbourhood of the bits.

Known limits:
    Bits only, and no contexts: each would need a constant of its own. An annealed log Z is too small on average, so the
    machine looks too good: with 20 hidden units on binarized MNIST, 100 chains at 1000 temperatures were .46 nats off,
    1000 chains at 2000 within .02. No number of Gibbs steps makes a sample exact. Persistent chains need the whole
    batch, so training in several processes is refused.

References:
    Training Products of Experts by Minimizing Contrastive Divergence (Hinton, 2002),
    https://www.cs.toronto.edu/~hinton/absps/nccd.pdf
    Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (Tieleman, 2008),
    https://www.cs.toronto.edu/~tijmen/pcd/pcd.pdf
    How to Center Binary Restricted Boltzmann Machines (Melchior, Fischer & Wiskott, 2013),
    https://arxiv.org/abs/1311.1354
    On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov & Murray, 2008),
    https://www.cs.toronto.edu/~rsalakhu/papers/dbn_ais.pdf
"""

from collections import deque
from collections.abc import Iterator
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.energy.mcmc import annealed_importance_sampling, annealing_schedule, draw_bits
from ptheta.energy.partition import RBMBridge, enumerate_log_partition
from ptheta.model import Estimate, LossModel, known_part
from ptheta.noise import Noise
from ptheta.optimizers import SGD, Optimizer
from ptheta.spaces import Binary, Space, require

__all__ = ["RBM"]


@final
class RBM(LossModel):
    """A restricted Boltzmann machine over bits.

    Args:
        space: What one event is: bits on a grid of any shape.
        hidden: The number of hidden bits.
        k: How many Gibbs steps the chain takes for each gradient step.
        persistent: Whether the chain goes on from step to step (PCD) or restarts at the data (CD).
        chains: How many persistent chains there are.
        context_space: None: a machine has one constant, a conditional one would have one per context.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = RBM(Binary((4,)), hidden=3)
        >>> x = model.sample(5, noise=Noise(0), steps=10)
        >>> log_p = -model.energy(x) - model.log_partition().value
        >>> x.shape, log_p.shape, model.log_partition().exact
        (torch.Size([5, 4]), torch.Size([5]), True)
    """

    chain_state: Tensor
    frequencies: Tensor

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 500,
        k: int = 1,
        persistent: bool = True,
        chains: int = 100,
        context_space: Space | None = None,
        optimizer: Optimizer = SGD(learning_rate=0.05),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, who="RBM")
        if context_space is not None:
            raise ValueError("RBM models p(x) only, so it takes no context. Build it without context_space.")
        if min(hidden, k, chains) < 1:
            raise ValueError(f"hidden, k and chains should be positive, but they are {hidden}, {k} and {chains}.")
        self.space, self.context_space = space, None
        self.k, self.persistent, self.optimizer = k, persistent, optimizer
        self.weight = nn.Parameter(torch.randn(space.dimensions, hidden) * 0.01)
        self.visible_bias = nn.Parameter(torch.zeros(space.dimensions))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.register_buffer("frequencies", torch.full((space.dimensions,), 0.5))
        rows = chains if persistent else 0
        self.register_buffer("chain_state", torch.zeros(rows, hidden, dtype=torch.uint8))

    def energy(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The free energy -log sum_h exp(-E(x, h)) in nats, with shape (B,)."""
        self.check(x, context)
        bits = self._bits(x)
        weight, visible, hidden = self.uncentred()
        return -(bits @ visible) - F.softplus(torch.addmm(hidden, bits, weight)).sum(1)  # eq. 2

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The free energy of the data less that of the chain, with shape (B,); its gradient is CD-k or PCD-k."""
        data = self._bits(x)
        if self.training and self.step == 0:
            self.frequencies.copy_((data.sum(0) + 1) / (len(data) + 2))
        with torch.no_grad():
            h = self._chain_start(data, noise)
            bits = draw_bits(down := self._down(h), noise.uniform(down.shape, "visible", like=down))
            for i in range(1, self.k):
                bits = self._gibbs(bits, noise.at("gibbs", i))
        both = torch.cat([data, bits])  # (B + chains, D): one product for both is faster than two
        up = self._up(both)
        if self.training and self.persistent:
            odds = up.detach()[len(data) :]
            self.chain_state.copy_(draw_bits(odds, noise.uniform(odds.shape, "hidden", like=odds)))
        energy, chain = self._free_energy(both, up).tensor_split([len(data)])
        return energy - (chain.mean() if self.persistent else chain)  # eq. 3

    @torch.no_grad()
    def log_partition(self, noise: Noise | None = None, budget: int = 1000) -> Estimate:
        """log Z in nats: exact when a layer has at most 20 units, else annealed importance sampling.

        Args:
            noise: Where the annealed chains draw from.
            budget: The number of temperatures, for 100 chains.

        Returns:
            The value with its standard error; 0 when exact.
        """
        if min(self.weight.shape) <= 20:
            return Estimate(enumerate_log_partition(*(p.double() for p in self.uncentred())), 0.0, exact=True)
        noise = (noise or Noise(None)).at("annealing")
        return annealed_importance_sampling(self.bridge(), annealing_schedule(budget), 100, noise)

    @torch.no_grad()
    def bridge(self) -> RBMBridge:
        """The path from independent bits to this machine, in float64, for annealed importance sampling."""
        weight, visible, hidden = (p.detach().double() for p in self.uncentred())
        return RBMBridge(weight, visible, hidden, self.frequencies.double())

    @torch.no_grad()
    def pseudo_log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The sum over bits of log p(x_i | all others) in nats, with shape (B,). Exact: every bit is flipped."""
        self.check(x, context)
        rows = max(1, 2**18 // self.weight.numel())  # chunks stay in the processor's cache
        return torch.cat([self._pseudo(self._bits(part)) for part in x.split(rows)])

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 1000) -> Tensor:
        """Draws n events by as many Gibbs chains of ``steps`` steps, with shape (n, *space.shape)."""
        return deque(self.chain(n, context, noise=noise, steps=steps), maxlen=1).pop()

    def chain(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 1000
    ) -> Iterator[Tensor]:
        """Runs n Gibbs chains, begun at independent bits with the frequencies of the data.

        Args:
            n: How many chains.
            context: None.
            noise: Where they draw from.
            steps: How many steps they take, each of both layers.

        Yields:
            The events before the first step and after each, with shape (n, *space.shape).
        """
        self.check_context(n, context)
        noise = noise or Noise(None)
        bits = self._independent_bits(n, noise)
        yield self.space.events(bits)
        for i in range(steps):
            bits = self._gibbs(bits, noise.at("gibbs", i))
            yield self.space.events(bits)

    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
        steps: int = 1000,
    ) -> Tensor:
        """Fills in bits by Gibbs chains in which the known ones are clamped.

        Args:
            x: Events; only their known bits matter.
            mask: Which bits are known, Boolean, with shape (B, *space.shape).
            context: None.
            noise: Where the chains draw from.
            temperature: Divides all energies; below 1, likelier fillings come more often.
            steps: How many steps the chains take.

        Returns:
            Events with shape (B, *space.shape).
        """
        x = known_part(x, mask)
        self.check(x, context)
        noise = noise or Noise(None)
        known, clamped = mask.reshape(len(x), self.space.dimensions), self._bits(x)
        bits = torch.where(known, clamped, self._independent_bits(len(x), noise))
        for i in range(steps):
            bits = torch.where(known, clamped, self._gibbs(bits, noise.at("gibbs", i), temperature))
        return self.space.events(bits)

    def uncentred(self) -> tuple[Tensor, Tensor, Tensor]:
        """W (D, H), b (D,) and c (H,) of eq. 1, from the centred ones."""
        visible = self.visible_bias + torch.logit(self.frequencies) - self.weight.sum(1) / 2  # eq. 4
        return self.weight, visible, self.hidden_bias - self.frequencies @ self.weight

    def _bits(self, x: Tensor) -> Tensor:
        return self.space.cells(x).to(self.weight.dtype)  # (B, D), zeros and ones

    def _up(self, bits: Tensor) -> Tensor:
        """The log-odds of the hidden bits, with shape (B, H)."""
        return torch.addmm(self.hidden_bias, bits - self.frequencies, self.weight)

    def _down(self, h: Tensor) -> Tensor:
        """The log-odds of the visible bits, with shape (B, D)."""
        return torch.addmm(self.visible_bias + torch.logit(self.frequencies), h - 0.5, self.weight.T)

    def _chain_start(self, data: Tensor, noise: Noise) -> Tensor:
        """The hidden bits that the chain goes on from: those it kept, or draws given the data."""
        if self.persistent and self.step > 0:
            return self.chain_state.to(data.dtype)
        up = self._up(data)
        h = draw_bits(up, noise.uniform(up.shape, "start", like=up))
        return h[torch.arange(len(self.chain_state), device=h.device) % len(h)] if self.persistent else h

    def _free_energy(self, bits: Tensor, up: Tensor) -> Tensor:
        """The free energy, up to a constant that cancels between data and chain, from the hidden log-odds."""
        visible = self.visible_bias + torch.logit(self.frequencies)
        return up.sum(1) / 2 - F.softplus(up).sum(1) - bits @ visible

    def _pseudo(self, bits: Tensor) -> Tensor:
        weight, visible, hidden = self.uncentred()
        flip = 1 - 2 * bits  # what flipping bit i adds to it
        up = torch.addmm(hidden, bits, weight)[:, None]  # (B, 1, H)
        flipped = torch.addcmul(up, flip[:, :, None], weight)  # (B, D, H)
        # F(x) less the free energy of x with bit i flipped, for each i
        gain = flip * visible + F.softplus(flipped).sum(2) - F.softplus(up).sum(2)  # (B, D)
        return F.logsigmoid(-gain).sum(1)

    @torch.no_grad()
    def _independent_bits(self, n: int, noise: Noise) -> Tensor:
        u = noise.uniform((n, len(self.frequencies)), "start", like=self.frequencies)
        return (u < self.frequencies).to(self.weight.dtype)

    @torch.no_grad()
    def _gibbs(self, bits: Tensor, noise: Noise, temperature: float = 1.0) -> Tensor:
        up = self._up(bits) / temperature
        h = draw_bits(up, noise.uniform(up.shape, "hidden", like=up))
        down = self._down(h) / temperature
        return draw_bits(down, noise.uniform(down.shape, "visible", like=down))
