"""The deep Boltzmann machine (DBM): visible bits x under two layers of hidden bits h1, h2, joined layer by layer.

    p(x, h1, h2) = exp(-E) / Z,    E = -b'x - c1'h1 - c2'h2 - x'W1 h1 - h1'W2 h2                               (eq. 1)

Unlike in a deep belief net no arrow points down: given x, the two hidden layers still depend on each other, and each
h1 hears from below and from above. Given h1, x and h2 are independent; so a DBM is a restricted machine between h1
and (x, h2), some of whose "visible" bits are never seen. Hence

    log Z    a sum over 2^min(H1, D + H2) states, else annealed as that machine's is
    F(x)     = -log sum_h exp(-E): one layer summed state by state, the other in closed form, 2^min(H1, H2) terms

Where both hidden layers are too large for that, F is bounded from above by mean field. With q(h | x) a product of bits
of means mu1, mu2 and H(q) their entropy,

    F(x) <= E(x, mu1, mu2) - H(q),    mu1 = s(c1 + W1'x + W2 mu2),    mu2 = s(c2 + W2'mu1)                      (eq. 2)

s the logistic function, each update lowering the bound. Then log p(x) >= -bound - log Z: an estimated bound where Z is
annealed.

Training follows the gradient of log p, which is that of -E under p(h | x) less that under the model (eq. 3): the first
by mean field, the second at Gibbs chains that go on from step to step (persistent contrastive divergence). The
parameters are centred: with m the frequencies of the bits in the first training batch and 1/2 for hidden bits,

    b = b' + logit(m) - W1/2,    c1 = c1' - W1'm - W2/2,    c2 = c2' - W2'/2,                                  (eq. 4)

so that layers learn together from the start. Layer-wise pretraining, which was once needed for that, remains a dial:
half of its steps train W1 as a restricted machine that sees x twice on the way up, the other half W2 as one that sees
h2 twice on the way down (eq. 5), because within the DBM each h1 hears from two sides; then both learn together.

Cost: a step takes two products with each W for the chains and two for each mean-field update. Not assumed: any order
or neighbourhood of the bits.

Known limits:
    Bits only, no contexts, two hidden layers. Mean field finds one mode of p(h | x), so the bound is loose where there
    are several. Persistent chains need the whole batch, so training in several processes is refused.

References:
    Deep Boltzmann Machines (Salakhutdinov & Hinton, 2009), https://proceedings.mlr.press/v5/salakhutdinov09a.html
    Deep Boltzmann Machines and the Centering Trick (Montavon & Mueller, 2012),
    https://doi.org/10.1007/978-3-642-35289-8_33
    Bounding the Test Log-Likelihood of Generative Models (Bengio, Yao & Cho, 2013), https://arxiv.org/abs/1311.6184
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.energy.gibbs import ChainModel, refuse_context
from ptheta.energy.mcmc import draw_bits
from ptheta.energy.partition import RBMBridge, all_bits, enumerate_log_partition
from ptheta.model import in_parts, require_sizes
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Space, require

__all__ = ["DBM"]

ENUMERABLE = 20  # bits whose states are summed over for log Z
SUMMED = 12  # hidden bits whose states are summed over for each event
UPDATES = 50  # of mean field, where an event is scored


@final
class DBM(ChainModel):
    """A deep Boltzmann machine over bits, with two hidden layers.

    Args:
        space: What one event is: bits on a grid of any shape.
        hidden: The numbers of hidden bits H1, H2.
        k: How many Gibbs steps the chains take for each gradient step.
        chains: How many persistent chains there are.
        updates: How many mean-field updates an event gets in training.
        pretraining: How many of the first steps train layer by layer.
        context_space: None: a machine has one constant, a conditional one would have one per context.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = DBM(Binary((4,)), hidden=(3, 2))
        >>> x = model.sample(5, noise=Noise(0), steps=10)
        >>> log_p = -model.energy(x) - model.log_partition().value
        >>> x.shape, log_p.shape, model.energy_is_bound()
        (torch.Size([5, 4]), torch.Size([5]), False)
    """

    frequencies: Tensor

    def __init__(
        self,
        space: Space,
        *,
        hidden: tuple[int, ...] = (500, 1000),
        k: int = 5,
        chains: int = 100,
        updates: int = 5,
        pretraining: int = 0,
        context_space: Space | None = None,
        optimizer: Optimizer = Adam(learning_rate=0.01),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, who="DBM")
        refuse_context("DBM", context_space)
        if len(hidden) != 2:
            raise ValueError(f"a DBM has two hidden layers, but hidden names {len(hidden)}: {hidden}.")
        first, second = hidden
        require_sizes("DBM", hidden=min(hidden), k=k, chains=chains, updates=updates)
        require_sizes("DBM", least=0, pretraining=pretraining)
        self.space, self.context_space, self.optimizer = space, None, optimizer
        self.k, self.updates, self.pretraining = k, updates, pretraining
        self.lower = nn.Parameter(torch.randn(space.dimensions, first) * 0.1)
        self.upper = nn.Parameter(torch.randn(first, second) * 0.1)
        self.visible_bias = nn.Parameter(torch.zeros(space.dimensions))
        self.first_bias = nn.Parameter(torch.zeros(first))
        self.second_bias = nn.Parameter(torch.zeros(second))
        self.register_buffer("frequencies", torch.full((space.dimensions,), 0.5))
        self.register_buffer("chain_state", torch.zeros(chains, space.dimensions + second, dtype=torch.uint8))

    def energy(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The free energy in nats, with shape (B,): exact, or its upper bound where ``energy_is_bound``."""
        self.check(x, context)
        score = self.bound if self.energy_is_bound() else self._summed
        return in_parts(lambda part, _: score(self._bits(part)), x, None, 2 ** min(SUMMED, *self.upper.shape))

    def energy_is_bound(self) -> bool:
        """Whether both hidden layers have more bits than are summed over, so that ``energy`` is a mean-field bound."""
        return min(self.upper.shape) > SUMMED

    def bound(self, bits: Tensor, updates: int = UPDATES) -> Tensor:
        """The mean-field bound on the free energy (eq. 2) in nats, with shape (B,).

        Args:
            bits: Events as zeros and ones with shape (B, D).
            updates: How many updates the means get.

        Returns:
            A number at least as large as the free energy, for each event.
        """
        first, second = self._mean_field(bits, updates)
        return self._energy(torch.cat([bits, second], 1), first) - _entropy(first) - _entropy(second)

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        data = self._bits(x)
        self.frequencies.copy_((data.sum(0) + 1) / (len(data) + 2))

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The energy of the data under mean field less that of the chains, with shape (B,); its gradient is PCD-k."""
        data = self._bits(x)
        if self.step < self.pretraining:
            return self._pretraining_loss(data, noise)
        means = self._mean_field(data, self.updates)
        chains = self.advanced(self.standing(noise), self.k, noise)
        with torch.no_grad():
            first = self._inner(chains).sigmoid()
        positive = self._energy(torch.cat([data, means[1]], 1), means[0])
        return positive - self._energy(chains, first).mean()  # eq. 3

    def _pretraining_loss(self, data: Tensor, noise: Noise) -> Tensor:
        """The loss of one layer alone, while training is layer by layer (eq. 5), with shape (B,)."""
        m, half = self.frequencies, data.new_tensor(0.5)
        if self.step < self.pretraining // 2:
            return layer_loss(data, m, self.lower, (self.visible_bias, self.first_bias), (2, 1), noise)
        odds = (self.first_bias + 2 * (data - m) @ self.lower).detach()
        first = draw_bits(odds, noise.uniform(odds.shape, "first", like=odds))
        return layer_loss(first, half, self.upper, (self.first_bias, self.second_bias), (1, 2), noise)

    @torch.no_grad()
    def summed_log_partition(self) -> float | None:
        """log Z in nats where H1 or D + H2 is at most 20, else None."""
        machine = self.restricted()
        if min(machine[0].shape) > ENUMERABLE:
            return None
        return enumerate_log_partition(*(p.double() for p in machine))

    @torch.no_grad()
    def bridge(self) -> RBMBridge:
        """The path from independent bits to the restricted machine between (x, h2) and h1."""
        top = self.frequencies.new_full((self.upper.shape[1],), 0.5)
        weight, outer, inner = self.restricted()
        return RBMBridge(weight, outer, inner, torch.cat([self.frequencies, top]))

    def restricted(self) -> tuple[Tensor, Tensor, Tensor]:
        """The machine between (x, h2) and h1: weights (D + H2, H1), biases (D + H2,) and (H1,), not centred."""
        visible = self.visible_bias + torch.logit(self.frequencies) - self.lower.sum(1) / 2  # eq. 4
        first = self.first_bias - self.frequencies @ self.lower - self.upper.sum(1) / 2
        second = self.second_bias - self.upper.sum(0) / 2
        return torch.cat([self.lower, self.upper.T]), torch.cat([visible, second]), first

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 1000) -> Tensor:
        """Draws n events by as many Gibbs chains of ``steps`` steps, with shape (n, *space.shape)."""
        return self.drawn(n, context, noise, steps)

    @torch.no_grad()
    def start(self, n: int, noise: Noise) -> Tensor:
        """Independent bits with the frequencies of the data, and coins for h2, with shape (n, D + H2)."""
        base = torch.cat([self.frequencies, self.frequencies.new_full((self.upper.shape[1],), 0.5)])
        return (noise.uniform((n, len(base)), "start", like=base) < base).to(base.dtype)

    @torch.no_grad()
    def move(self, state: Tensor, noise: Noise, *, temperature: float = 1.0, known: Tensor | None = None) -> Tensor:
        """A Gibbs step of all layers: h1 given x and h2 (n, D + H2), then both given h1; known bits stay."""
        inner = self._inner(state) / temperature
        first = draw_bits(inner, noise.uniform(inner.shape, "first", like=inner))
        weight, bias, _ = self.restricted()
        outer = torch.addmm(bias, first, weight.T) / temperature
        drawn = draw_bits(outer, noise.uniform(outer.shape, "outer", like=outer))
        return drawn if known is None else torch.where(known, state, drawn)

    def _bits(self, x: Tensor) -> Tensor:
        return self.space.cells(x).to(self.lower.dtype)  # (B, D), zeros and ones

    def _inner(self, outer: Tensor) -> Tensor:
        """The log-odds of h1 given x and h2 (B, D + H2), with shape (B, H1)."""
        weight, _, bias = self.restricted()
        return torch.addmm(bias, outer, weight)

    def _energy(self, outer: Tensor, first: Tensor) -> Tensor:
        """E of bits, or its mean under independent bits of given means; x and h2 (B, D + H2), h1 (B, H1); (B,)."""
        weight, bias, inner = self.restricted()
        return -(outer @ bias) - first @ inner - (outer @ weight * first).sum(1)  # eq. 1

    @torch.no_grad()
    def _mean_field(self, bits: Tensor, updates: int) -> tuple[Tensor, Tensor]:
        """The means of both hidden layers, with shapes (B, H1) and (B, H2), without gradient."""
        weight, bias, inner = self.restricted()
        d = bits.shape[1]
        below, upper = torch.addmm(inner, bits, weight[:d]), weight[d:]
        first, second = below, bits.new_full((len(bits), len(upper)), 0.5)
        for _ in range(updates):
            first = torch.sigmoid(below + second @ upper)  # eq. 2
            second = torch.sigmoid(bias[d:] + first @ upper.T)
        return first, second

    def _summed(self, bits: Tensor) -> Tensor:
        """The free energy by a sum over the states of the smaller hidden layer, with shape (B,)."""
        weight, bias, inner = self.restricted()
        d = bits.shape[1]
        below, upper = torch.addmm(inner, bits, weight[:d]), weight[d:]  # (B, H1), (H2, H1)
        states = all_bits(min(upper.shape)).to(bits)
        if len(upper) < upper.shape[1]:
            terms = states @ bias[d:] + F.softplus(below[:, None] + states @ upper).sum(2)  # (B, 2^H2)
        else:
            terms = below @ states.T + F.softplus(bias[d:] + states @ upper.T).sum(1)  # (B, 2^H1)
        return -(bits @ bias[:d]) - terms.logsumexp(1)


def layer_loss(
    data: Tensor, centre: Tensor, weight: Tensor, biases: tuple[Tensor, Tensor], times: tuple[int, int], noise: Noise
) -> Tensor:
    """A step of contrastive divergence of one layer alone, centred, as it will act between its neighbours.

    Args:
        data: The bits below with shape (B, n).
        centre: Their frequencies with shape (n,), or a number.
        weight: With shape (n, m).
        biases: Of the bits below and above, centred.
        times: How often the bits below are seen on the way up, and those above on the way down.
        noise: Where the bits are drawn from.

    Returns:
        The energy of the data less that of their reconstruction, with shape (B,).
    """
    (below, above), (up, down) = biases, times

    def pair(bits: Tensor) -> tuple[Tensor, Tensor]:
        odds = above + up * (bits - centre) @ weight
        return odds.detach(), (bits - centre) @ below + (
            (above + (bits - centre) @ weight) * odds.sigmoid().detach()
        ).sum(1)

    odds, positive = pair(data)
    h = draw_bits(odds, noise.uniform(odds.shape, "above", like=odds))
    again = below + torch.logit(centre) + down * (h - 0.5) @ weight.T
    bits = draw_bits(again, noise.uniform(again.shape, "below", like=again))
    return pair(bits)[1] - positive


def _entropy(mean: Tensor) -> Tensor:
    """The entropy of independent bits with such means in nats, with shape (B,)."""
    return -(torch.xlogy(mean, mean) + torch.xlogy(1 - mean, 1 - mean)).sum(1)
