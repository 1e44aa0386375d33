"""Flow matching: a straight path from noise to each event, and a network that knows the mean velocity along them.

    x_t = t x_1 + (1 - t) x_0,    x_0 ~ N(0, I),    x_1 an embedded event,    t from 0 (noise) to 1 (event)

The network learns v(x, t) = E[x_1 - x_0 | x_t = x] by the squared error of x_1 - x_0 at a random t: its minimum is the
variance that remains, and what is above it is the squared error of v itself (theorem 2). Moving every point of the
noise by dx/dt = v(x, t) ends in the law of the events; a walk in few steps is a better one the straighter its lines.

v is a guess of the event, x̂_1 = x_t + (1 - t) v, so this is a Gaussian diffusion with signal t² and noise (1 - t)²:
samplers, guidance and the bound are those of all of them.

Optimal pairing. By default noise and events are paired as they come. Within a batch they can be assigned to each other
at the least sum of squared distances instead (Tong et al.), which straightens the lines; with contexts it would pair an
event of one class with noise that is more often drawn for another, so it is refused.

The density. Along a solution d log p / dt = -div v, so the equation, solved backwards from an event, gives log p(x), up
to the solver's error: ``ProbabilityFlow``, by Runge and Kutta's fourth-order rule. The divergence takes D derivatives
of the network and is exact; for many variables Hutchinson's estimate of it, E z'(dv/dx)z, makes an estimate of log p,
and is called that.

Scoring: one network call for each draw of a term of the bound; 4 D derivatives a step for the density.

References:
    Flow Matching for Generative Modeling (Lipman, Chen, Ben-Hamu, Nickel & Le, 2022), https://arxiv.org/abs/2210.02747
    Flow Straight and Fast: Rectified Flow (Liu, Gong & Liu, 2022), https://arxiv.org/abs/2209.03003
    Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (Tong et al., 2023)
    https://arxiv.org/abs/2302.00482
    FFJORD: Free-Form Continuous Dynamics for Scalable Reversible Generative Models (Grathwohl et al., 2018)
    https://arxiv.org/abs/1810.01367
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from ptheta.diffusion.gaussian import GaussianDiffusion, aligned
from ptheta.diffusion.samplers import Heun, Moment, Sampler
from ptheta.model import Distribution, Objective, Trained
from ptheta.nn.contexts import Reader, read
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, require

__all__ = ["FlowMatching", "ProbabilityFlow"]

Slopes = Callable[[Tensor, float], tuple[Tensor, Tensor]]  # of states (B, *shape) and of something beside them, (B,)

CHUNK = 500  # events whose equation is solved at a time
MOST_EXACT = 64  # variables whose divergence is taken exactly


@final
class FlowMatching(GaussianDiffusion):
    """A velocity field from noise to events along straight paths, on levels, bits or reals.

    Args:
        space: What one event is.
        steps: The number T of steps of the chain that is scored.
        least_noise: The deviation of the noise before the last step of that chain; None is .002 on reals, and .8 of
            half a level's cell on levels and bits.
        pairing: Whether noise and events are paired as they come, or optimally within a batch, which contexts forbid.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts choose.
        network: Predicts the velocity: takes states (B, *shape), times (B,) and what was read of contexts or None. None
            builds a U-Net for images and a residual MLP for anything else.
        sampler: The walk from noise to events; ``Heun``, 25 steps, if None.
        context_drop: How often training leaves a context out, for guidance.
        guidance: How much a context counts in samples; 1 is the model itself.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Noise, Real
        >>> from ptheta.diffusion import ProbabilityFlow
        >>> model = FlowMatching(Real((2,)), steps=10)
        >>> model.sample(3, noise=Noise(0)).shape, ProbabilityFlow(model).log_prob(torch.zeros(1, 2))
        (torch.Size([3, 2]), tensor([-1.8379]))
    """

    def __init__(
        self,
        space: Space,
        *,
        steps: int = 1000,
        least_noise: float | None = None,
        pairing: Literal["independent", "optimal"] = "independent",
        context_space: Space | None = None,
        reader: Reader | None = None,
        network: nn.Module | None = None,
        sampler: Sampler | None = None,
        context_drop: float = 0.0,
        guidance: float = 1.0,
        optimizer: Optimizer = Adam(1e-3),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(
            space,
            steps=steps,
            sampler=Heun(25) if sampler is None else sampler,
            context_space=context_space,
            reader=reader,
            network=network,
            context_drop=context_drop,
            guidance=guidance,
        )
        if pairing not in ("independent", "optimal"):
            raise ValueError(f"pairing should be independent or optimal, but it is {pairing!r}.")
        if pairing == "optimal" and context_space is not None:
            raise ValueError("optimal pairing forgets which event a context belongs to: leave contexts or it out.")
        lattice = isinstance(space, Levels | Binary)
        self.least_noise = (0.8 / (2 * (space.n - 1)) if lattice else 0.002) if least_noise is None else least_noise
        if not 0 < self.least_noise < 1:
            raise ValueError(f"least_noise should be above 0 and below 1, but it is {self.least_noise:g}.")
        self.pairing, self.optimizer = pairing, optimizer

    def moments(self, steps: int) -> list[Moment]:
        end = 1 - max(1 / steps, self.least_noise)  # before the last step
        times = [end * k / max(steps - 1, 1) for k in range(steps)]
        return [*(Moment(steps - k, t, t**2, (1 - t) ** 2) for k, t in enumerate(times)), Moment(0, 1.0, 1.0, 0.0)]

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The squared error of the velocity at a random time, per variable, with shape (B,)."""
        event = self.embedded(x)
        start = noise.normal(event.shape, "noise", event)
        if self.pairing == "optimal":
            start = start[_assigned(event, start)]
        t = noise.uniform((len(x),), "time", event)
        state = aligned(t, event) * event + (1 - aligned(t, event)) * start
        error = self.network(state, t, self.heard(context, noise)) - (event - start)
        return error.square().reshape(len(x), self.space.dimensions).mean(1)

    def guess(self, state: Tensor, time: Tensor, features: Tensor | None) -> Tensor:
        left = 1 - aligned(time, state)
        return self.clipped(state + left * self.network(state, time.to(state.dtype), features))


def _assigned(event: Tensor, start: Tensor) -> Tensor:
    """Which noise each event of the batch is paired with, at the least sum of squared distances, with shape (B,)."""
    from scipy.optimize import linear_sum_assignment  # a third of a second

    with torch.no_grad():
        cost = torch.cdist(
            event.flatten(1) if event.ndim > 1 else event[:, None], start.reshape(len(start), -1)
        ).square()
        cost = cost - cost.amin(1, keepdim=True)
        cost = cost - cost.amin(0)  # the same assignment is the best, and found in up to half the time
        return torch.from_numpy(linear_sum_assignment(cost.cpu().numpy())[1]).to(event.device)


@final
class ProbabilityFlow(Trained, Distribution):
    """Flow matching with its exact density: what it draws and what it scores are one law, that of its equation.

    Args:
        model: The velocity, of ``Real`` events.
        steps: Those of the solver, of four network calls each.
    """

    def __init__(self, model: FlowMatching, *, steps: int = 25) -> None:
        super().__init__()
        require(model.space, Real, who="ProbabilityFlow")
        if steps < 1:
            raise ValueError(f"ProbabilityFlow takes at least 1 step, but steps is {steps}.")
        self.model, self.space, self.context_space, self.steps = model, model.space, model.context_space, steps

    def objectives(self) -> Sequence[Objective]:
        """Those of the model."""
        return self.model.objectives()

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The log-density log p(x | context) in nats, exact but for the solver's error, with shape (B,).

        Args:
            x: Events with shape (B, *space.shape); at most 64 variables.
            context: Contexts with shape (B, *context_space.shape), or None.

        Returns:
            Log-densities. Raises ValueError where there are too many variables for an exact divergence.
        """
        if self.space.dimensions > MOST_EXACT:
            raise ValueError(
                f"an exact divergence is for at most {MOST_EXACT} variables, and these are {self.space.dimensions}. "
                "Ask for the elbo of the model, or for estimate_log_prob."
            )
        return self._scored(x, context, exact_divergence)

    def estimate_log_prob(self, x: Tensor, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """An unbiased estimate of log p(x | context) in nats, with one random direction for each event (Hutchinson).

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape), or None.
            noise: Where directions are drawn from.

        Returns:
            Estimates, with shape (B,). Their exponentials are no densities.
        """
        u = (noise or Noise(None)).uniform((len(x), *self.space.shape), "direction", self.model.like())
        signs = (u < 0.5).to(u.dtype) * 2 - 1
        return self._scored(x, context, lambda v, x, rows: (_pulled(v, x, signs[rows]) * signs[rows]).flatten(1).sum(1))

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape), by the solver from noise to event."""
        self.check_context(n, context)
        x = (noise or Noise(None)).normal((n, *self.space.shape), "start", self.model.like())
        features, nothing = read(self.model.reader, context), x.new_zeros(n)
        for k in range(self.steps):
            x, _ = self._moved(
                lambda x, t: (self._velocity(x, t, features), nothing), x, k / self.steps, 1 / self.steps
            )
        return self.space.project(x)

    @torch.inference_mode(False)
    def _scored(
        self, x: Tensor, context: Tensor | None, divergence: Callable[[Tensor, Tensor, slice], Tensor]
    ) -> Tensor:
        """log p by the equation, solved from the event back to the noise; no gradient by weights or events."""
        self.check(x, context)
        origin = self.model.embedded(x.clone()).detach()
        features = read(self.model.reader, None if context is None else context.clone())
        found = [origin.new_zeros(0)]
        for start in range(0, len(x), CHUNK):
            rows = slice(start, start + CHUNK)
            part = None if features is None else features[rows].detach()

            def slopes(y: Tensor, t: float, rows: slice = rows, part: Tensor | None = part) -> tuple[Tensor, Tensor]:
                with torch.enable_grad():
                    y = y.detach().requires_grad_()
                    v = self._velocity(y, t, part)
                    return v.detach(), divergence(v, y, rows).detach()

            y = origin[rows]
            gained = y.new_zeros(len(y))
            for k in range(self.steps, 0, -1):
                y, more = self._moved(slopes, y, k / self.steps, -1 / self.steps)
                gained = gained + more
            base = -(y.square() + math.log(2 * math.pi)).reshape(len(y), self.space.dimensions).sum(1) / 2
            found.append(base + gained - self.space.log_volume)
        return torch.cat(found)

    def _moved(self, slopes: Slopes, x: Tensor, t: float, h: float) -> tuple[Tensor, Tensor]:
        """One step of the fourth-order rule: states at t + h, and the integral of the second slope over it."""
        first = slopes(x, t)
        second = slopes(x + h / 2 * first[0], t + h / 2)
        third = slopes(x + h / 2 * second[0], t + h / 2)
        fourth = slopes(x + h * third[0], t + h)
        v, gain = (h / 6 * (a + 2 * b + 2 * c + d) for a, b, c, d in zip(first, second, third, fourth, strict=True))
        return x + v, gain

    def _velocity(self, x: Tensor, t: float, features: Tensor | None) -> Tensor:
        return self.model.network(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device), features)


def exact_divergence(v: Tensor, x: Tensor, rows: slice) -> Tensor:
    """The sum of dv_i / dx_i of each event, by a derivative for each variable, with shape (B,)."""
    flat, total = v.reshape(len(v), -1), v.new_zeros(len(v))
    for i in range(flat.shape[1]):
        (slope,) = torch.autograd.grad(flat[:, i].sum(), x, retain_graph=True)
        total = total + slope.reshape(len(v), -1)[:, i]
    return total


def _pulled(v: Tensor, x: Tensor, direction: Tensor) -> Tensor:
    """direction' dv/dx, with the shape of x."""
    (slope,) = torch.autograd.grad(v, x, direction)
    return slope
