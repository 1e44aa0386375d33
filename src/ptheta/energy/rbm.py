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
    Bits only, and no contexts: each would need a constant of its own. Where annealed chains miss a mode, log Z is too
    small and the machine looks too good: with 20 hidden units on binarized MNIST, after one minute of training, 100
    chains at 1000 temperatures were 1.3 to 2.7 nats off at a standard error of .1 to .7. The bracket from both sides
    says so, as long as the persistent chains have been in that mode. No number of Gibbs steps makes a sample exact.
    Persistent chains need the whole batch, so training in several processes is refused.

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

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ptheta.energy.gibbs import SETTLING, ChainModel, refuse_context
from ptheta.energy.mcmc import draw_bits
from ptheta.energy.partition import RBMBridge, enumerate_log_partition
from ptheta.noise import Noise
from ptheta.optimizers import SGD, Optimizer
from ptheta.spaces import Binary, Space, require

__all__ = ["RBM"]

ENUMERABLE = 20  # units of the smaller layer whose states are summed over


@final
class RBM(ChainModel):
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
        refuse_context("RBM", context_space)
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

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        data = self._bits(x)
        self.frequencies.copy_((data.sum(0) + 1) / (len(data) + 2))

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The free energy of the data less that of the chain, with shape (B,); its gradient is CD-k or PCD-k."""
        data = self._bits(x)
        with torch.no_grad():
            h = self._chain_start(data, noise)
            bits = draw_bits(down := self._down(h), noise.uniform(down.shape, "visible", like=down))
            for i in range(1, self.k):
                bits = self.move(bits, noise.at("gibbs", i))
        both = torch.cat([data, bits])  # (B + chains, D): one product for both is faster than two
        visible = self.visible_bias + torch.logit(self.frequencies)
        energy, odds = _FreeEnergy.apply(both, both - self.frequencies, self.weight, visible, self.hidden_bias)
        if self.training and self.persistent:
            odds = odds[len(data) :]
            self.chain_state.copy_(noise.uniform(odds.shape, "hidden", like=odds) < odds)
        energy, chain = energy.tensor_split([len(data)])
        return energy - (chain.mean() if self.persistent else chain)  # eq. 3

    @torch.no_grad()
    def summed_log_partition(self) -> float | None:
        """log Z in nats where a layer has at most 20 units, else None."""
        if min(self.weight.shape) > ENUMERABLE:
            return None
        return enumerate_log_partition(*(p.double() for p in self.uncentred()))

    @torch.no_grad()
    def fantasies(self, noise: Noise) -> Tensor:
        """Visible bits to which the hidden ones that training left lead, with shape (chains, D)."""
        down = self._down(self.chain_state.to(self.weight.dtype))
        bits = draw_bits(down, noise.uniform(down.shape, "fantasies", like=down))
        return self.settled(bits, SETTLING, noise.at("settling"))

    @torch.no_grad()
    def bridge(self) -> RBMBridge:
        """The path from independent bits to this machine, for annealed importance sampling; weights sum in float64."""
        weight, visible, hidden = (p.detach() for p in self.uncentred())
        return RBMBridge(weight, visible, hidden, self.frequencies)

    @torch.no_grad()
    def pseudo_log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The sum over bits of log p(x_i | all others) in nats, with shape (B,). Exact: every bit is flipped."""
        self.check(x, context)
        rows = max(1, 2**18 // self.weight.numel())  # chunks stay in the processor's cache
        return torch.cat([self._pseudo(self._bits(part)) for part in x.split(rows)])

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 1000) -> Tensor:
        """Draws n events by as many Gibbs chains of ``steps`` steps, with shape (n, *space.shape)."""
        return self.drawn(n, context, noise, steps)

    @torch.no_grad()
    def start(self, n: int, noise: Noise) -> Tensor:
        """Independent bits with the frequencies of the data, with shape (n, D)."""
        u = noise.uniform((n, len(self.frequencies)), "start", like=self.frequencies)
        return (u < self.frequencies).to(self.weight.dtype)

    @torch.no_grad()
    def move(self, state: Tensor, noise: Noise, *, temperature: float = 1.0, known: Tensor | None = None) -> Tensor:
        """A Gibbs step of both layers from visible bits (n, D) to visible bits; known ones stay."""
        up = self._up(state) / temperature
        h = draw_bits(up, noise.uniform(up.shape, "hidden", like=up))
        down = self._down(h) / temperature
        bits = draw_bits(down, noise.uniform(down.shape, "visible", like=down))
        return bits if known is None else torch.where(known, state, bits)

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

    def _pseudo(self, bits: Tensor) -> Tensor:
        weight, visible, hidden = self.uncentred()
        flip = 1 - 2 * bits  # what flipping bit i adds to it
        up = torch.addmm(hidden, bits, weight)[:, None]  # (B, 1, H)
        flipped = torch.addcmul(up, flip[:, :, None], weight)  # (B, D, H)
        # F(x) less the free energy of x with bit i flipped, for each i
        gain = flip * visible + F.softplus(flipped).sum(2) - F.softplus(up).sum(2)  # (B, D)
        return F.logsigmoid(-gain).sum(1)


class _FreeEnergy(torch.autograd.Function):
    """The free energy, up to a constant that cancels between data and chain, with its gradient written by hand.

    With the odds p = sigmoid(up) of the hidden bits, dF / d up = 1/2 - p: the pass back is one product.
    """

    @staticmethod
    def forward(
        ctx: Any, bits: Tensor, centred: Tensor, weight: Tensor, visible: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Free energies (B,) and odds (B, H) from bits (B, D), the same less their means, and the parameters."""
        up = torch.addmm(hidden, centred, weight)
        odds = up.sigmoid()
        ctx.save_for_backward(bits, centred, odds)
        ctx.mark_non_differentiable(odds)
        return up.sum(1) / 2 - F.softplus(up).sum(1) - bits @ visible, odds

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        bits, centred, odds = ctx.saved_tensors
        slope = slope.to(bits.dtype)  # it and the odds may be bfloat16
        pull = (0.5 - odds.to(bits.dtype)).mul_(slope[:, None])  # (B, H)
        return None, None, centred.T @ pull, -(slope @ bits), pull.sum(0)
