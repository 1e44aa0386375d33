"""The energy-based model (EBM): a network is the energy of reals, and Langevin dynamics draws from it.

    p(y) = exp(-E(y)) / Z,    E(y) = f(y) + |y|^2 / 2 t^2                                                       (eq. 1)

on standardised reals y, f any smooth network with one output. The bowl of width t keeps Z finite, since a network grows
linearly at most. Nothing else is asked of f: it need not be invertible, causal or normalised, and that is what is paid
for by Z, which nobody knows, and by samples, which only a chain draws. A chain follows the slope, shaken by noise,

    y* = y - (e^2 / 2) grad E(y) + e z,    z standard normal                                                   (eq. 2)

accepted with probability min(1, p(y*) q(y | y*) / p(y) q(y* | y)), q the Gaussian of eq. 2 (Metropolis): then the
law is left invariant whatever the step e. Without that, chains end in a law of their own, and the energy is none of
it.

Training follows the gradient of log p: that of -E at the data less that of -E at the model's samples. The samples come
of chains that go on from step to step (persistent, now and then begun afresh), or of short runs from Gaussian noise
(short-run): then what is learned is the sampler of so many steps, and its energy is not that of the data.

In one or two dimensions Z is an integral over a grid, and scores are exact to many digits. Beyond that it is annealed
from both sides along f, from the bowl alone, whose law is a Gaussian.

Cost: a score takes a pass of the network; a step of a chain a pass there and back.

Known limits:
    Reals only, no contexts. Chains do not cross what is improbable: far modes keep the weights that the starts gave
    them. Narrow modes want small steps. Persistent chains are refused in training by several processes.

References:
    A Tutorial on Energy-Based Learning (LeCun, Chopra, Hadsell, Ranzato & Huang, 2006),
    https://yann.lecun.com/exdb/publis/pdf/lecun-06.pdf
    Implicit Generation and Modeling with Energy-Based Models (Du & Mordatch, 2019), https://arxiv.org/abs/1903.08689
    On the Anatomy of MCMC-Based Maximum Likelihood Learning of Energy-Based Models (Nijkamp et al., 2020),
    https://arxiv.org/abs/1903.12370
    Exponential Convergence of Langevin Distributions (Roberts & Tweedie, 1996), https://doi.org/10.2307/3318418
"""

import math
from typing import final

import torch
from torch import Tensor, nn

from ptheta.energy.gibbs import ChainModel, refuse_context
from ptheta.energy.mcmc import Bridge
from ptheta.model import in_parts, require_sizes
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Real, Space, require

__all__ = ["EBM"]

SPREAD = 5.0  # bowl widths from the middle to the end of the grid
GRID = {1: 4001, 2: 401}  # points along each axis, by dimension


@final
class EBM(ChainModel):
    """An energy network over reals.

    Args:
        space: What one event is: reals of any shape.
        network: Maps standardised, flattened events (B, D) to numbers (B, 1); smooth. None builds a perceptron.
        width: The width t of the bowl, in standard deviations of the data.
        step_size: The e of Langevin dynamics, in the same unit.
        k: How many moves the chains take for each gradient step.
        persistent: Whether the chains go on from step to step, or are short runs from noise.
        fresh: How many of the persistent chains begin afresh at each step, as a part of all.
        chains: How many chains there are.
        context_space: None: a model has one constant, a conditional one would have one per context.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Real
        >>> model = EBM(Real((2,)))
        >>> x = model.sample(5, noise=Noise(0), steps=10)
        >>> log_p = -model.energy(x) - model.log_partition().value
        >>> x.shape, log_p.shape, model.log_partition().exact
        (torch.Size([5, 2]), torch.Size([5]), True)
    """

    def __init__(
        self,
        space: Space,
        *,
        network: nn.Module | None = None,
        width: float = 2.0,
        step_size: float = 0.15,
        k: int = 10,
        persistent: bool = True,
        fresh: float = 0.05,
        chains: int = 200,
        context_space: Space | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Real, who="EBM")
        refuse_context("EBM", context_space)
        require_sizes("EBM", k=k, chains=chains)
        if min(width, step_size) <= 0 or not 0 <= fresh <= 1:
            raise ValueError(
                "width and step_size should be positive and fresh between 0 and 1, but they are "
                f"{width:g}, {step_size:g} and {fresh:g}."
            )
        self.space, self.context_space, self.optimizer = space, None, optimizer
        self.width, self.step_size, self.k, self.persistent, self.fresh = width, step_size, k, persistent, fresh
        self.network = MLP(space.dimensions, 1, (128, 128), activation=nn.SiLU) if network is None else network
        self.chains = chains
        self.register_buffer("chain_state", torch.zeros(chains if persistent else 0, space.dimensions))

    def energy(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """E in nats, of densities per unit of x, with shape (B,)."""
        self.check(x, context)
        return in_parts(lambda part, _: self.height(self._reals(part)), x, None, 256) + self.space.log_volume

    def height(self, y: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """E of standardised reals (B, D), the network weighed by beta (eq. 1), with shape (B,)."""
        return beta * self.network(y).flatten() + y.square().sum(1) / (2 * self.width**2)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The energy of the data less that of the chains, with shape (B,); its gradient is that of -log p."""
        chains = self.start(self.chains, noise)
        if self.persistent and self.step > 0:
            again = noise.uniform((self.chains,), "fresh", like=chains) < self.fresh
            chains = torch.where(again[:, None], chains, self.chain_state)
        chains = self.advanced(chains, self.k, noise)
        return self.height(self._reals(x)) - self.height(chains).mean()

    @torch.no_grad()
    def summed_log_partition(self) -> float | None:
        """log Z in nats by quadrature over a grid in one or two dimensions, else None."""
        d, like = self.space.dimensions, next(self.parameters())
        if d not in GRID:
            return None
        line = torch.linspace(-1, 1, GRID[d], dtype=like.dtype, device=like.device) * SPREAD * self.width
        grid = torch.cartesian_prod(*[line] * d).reshape(-1, d)
        heights = torch.cat([self.height(part).double() for part in grid.split(10_000)])
        return float((-heights).logsumexp(0)) + d * math.log(float(line[1] - line[0]))

    def bridge(self) -> "EBMBridge":
        """The path from the Gaussian of the bowl to this model, along the network."""
        return EBMBridge(self)

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 500) -> Tensor:
        """Draws n events by as many Langevin chains of ``steps`` moves, with shape (n, *space.shape)."""
        return self.drawn(n, context, noise, steps)

    @torch.no_grad()
    def start(self, n: int, noise: Noise) -> Tensor:
        """Gaussians of the data's mean and spread, with shape (n, D)."""
        return noise.normal((n, self.space.dimensions), "start", like=next(self.parameters()))

    def move(self, state: Tensor, noise: Noise, *, temperature: float = 1.0, known: Tensor | None = None) -> Tensor:
        """A Langevin step (eq. 2) of reals (n, D), accepted or not; known ones stay."""
        return self.langevin(state, noise, 1.0, temperature, known)

    def langevin(
        self, y: Tensor, noise: Noise, beta: float, temperature: float = 1.0, known: Tensor | None = None
    ) -> Tensor:
        """A step that leaves exp(-E / temperature) invariant, the network in E weighed by beta, with shape (n, D)."""
        moves = torch.ones_like(y) if known is None else (~known).to(y.dtype)

        def slope(y: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                y = y.detach().requires_grad_()
                height = self.height(y, beta) / temperature
                (gradient,) = torch.autograd.grad(height.sum(), y)
            return height.detach(), gradient * moves

        e2, z = self.step_size**2, noise.normal(y.shape, "langevin", like=y) * moves
        height, down = slope(y)
        there = y - e2 / 2 * down + self.step_size * z
        height_there, down_there = slope(there)
        back = y - there + e2 / 2 * down_there  # what the way back would have to draw, times e
        log_ratio = height - height_there + (z.square().sum(1) - back.square().sum(1) / e2) / 2
        accepted = noise.uniform((len(y),), "accept", like=y).log() < log_ratio
        return torch.where(accepted[:, None], there, y.detach())

    def _reals(self, x: Tensor) -> Tensor:
        return self.space.cells(x).to(next(self.parameters()).dtype)  # (B, D), standardised


@final
class EBMBridge(Bridge):
    """From a Gaussian to an energy-based model: the network sets in.

    Args:
        model: The model at the far end.
    """

    def __init__(self, model: EBM) -> None:
        self.model = model
        self.log_partition_start = model.space.dimensions * math.log(model.width * math.sqrt(2 * math.pi))

    def start(self, n: int, noise: Noise) -> Tensor:
        return self.model.width * self.model.start(n, noise)

    def energy(self, x: Tensor, beta: Tensor) -> Tensor:
        network, bowl = self.model.network(x).flatten(), x.square().sum(1) / (2 * self.model.width**2)
        return beta[:, None] * network + bowl

    def move(self, x: Tensor, beta: float, noise: Noise) -> Tensor:
        return self.model.langevin(x, noise, beta)
