"""Consistency distillation: the whole walk of a diffusion in one network call.

The equation of a diffusion that leaves events as they are and adds noise of deviation σ,

    dx = (x - D(x; σ)) / σ  dσ                                                                             (eq. 3)

carries every state to one event. A consistency function f is that map, from anywhere on the way at once: it is the same
along a path, and it is the identity where there is no noise left,

    f(x_σ, σ) = f(x_σ', σ')  on one path,    f(x, 0) = x.                                                  (section 3)

The student has the teacher's form, f = c_skip x + c_out F(c_in x; ln σ), which at σ = 0 is x whatever F says. It starts
as the teacher, and learns from neighbours of the teacher's own moments σ_0 > ... > σ_{N-1} > σ_N = 0: of noisy events
x at σ_n, one step of Heun's rule with the teacher leads to x̂ at σ_{n+1} (algorithm 2), and

    loss = sqrt(|f(x, σ_n) - f⁻(x̂, σ_{n+1})|² + c²) - c,    c = .1 sqrt(D),

where f⁻ is f without a gradient. (The distance and the missing average of f⁻ are those of the second paper, but its
c = .00054 sqrt(D) makes a gradient of unit length of any error however small, which blurred what needs precision.)

One call makes an event of noise; more calls mend it: noise of a smaller σ is added and taken off again (algorithm 1).

Sampling: as many network calls as there are steps. There is no density.

Known limits:
    What the teacher does wrong the student does too, and its own errors add up over N steps of the way.

References:
    Consistency Models (Song, Dhariwal, Chen & Sutskever, 2023) https://arxiv.org/abs/2303.01469
    Improved Techniques for Training Consistency Models (Song & Dhariwal, 2023) https://arxiv.org/abs/2310.14189
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ptheta.diffusion.edm import EDM
from ptheta.diffusion.gaussian import aligned
from ptheta.model import Distribution, Objective, Trained
from ptheta.nn.contexts import read
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer

__all__ = ["Consistency", "ConsistencyStudent"]

CHUNK = 500  # events drawn at a time
PSEUDO_HUBER = 0.1


@final
class ConsistencyStudent(Trained, Distribution):
    """A network that jumps to the end of its teacher's path.

    Args:
        teacher: A diffusion that is trained already when the student's training begins. It is not part of the student.
        intervals: The number N of the teacher's moments between which the student learns.
        steps: Network calls of a sample.
        network: F of the student, which then begins as it is; None: that of the teacher, and begins as the teacher.
        optimizer: The gradient rule.
    """

    def __init__(
        self,
        teacher: EDM,
        *,
        intervals: int = 18,
        steps: int = 1,
        network: nn.Module | None = None,
        optimizer: Optimizer = Adam(2e-4),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        if intervals < 2 or not 1 <= steps <= intervals:
            raise ValueError(
                "consistency needs at least 2 intervals, and from 1 to as many steps, but they are "
                f"{intervals} and {steps}."
            )
        self._teacher = (teacher,)  # hidden from the parameters
        self.space, self.context_space = teacher.space, teacher.context_space
        self.network, self.as_teacher = deepcopy(teacher), network is None
        if network is not None:
            self.network.network = network
        self.intervals, self.steps, self.optimizer = intervals, steps, optimizer

    @property
    def teacher(self) -> EDM:
        """The diffusion whose path is learnt, where the student is."""
        like = self.network.like()
        return self._teacher[0].to(like.device, like.dtype)

    @property
    def sigmas(self) -> list[float]:
        """The deviations of noise σ_0 > ... > σ_N = 0."""
        return [moment.time for moment in self.network.moments(self.intervals)]

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        """Starts as the teacher, if it has its form."""
        if self.as_teacher:
            self.network.load_state_dict(self.teacher.state_dict())

    def objectives(self) -> Sequence[Objective]:
        return [Objective("loss", self.loss, tuple(self.network.parameters()), optimizer=self.optimizer)]

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """How far jumps from neighbours on a path end from each other, with shape (B,)."""
        origin = self.network.embedded(x)
        sigmas = torch.tensor(self.sigmas, dtype=torch.float64, device=origin.device)
        n = (noise.uniform((len(x),), "time", origin) * self.intervals).long().clamp(max=self.intervals - 1)
        now, then = sigmas[n], sigmas[n + 1]
        state = origin + aligned(now, origin) * noise.normal(origin.shape, "noise", origin)
        with torch.no_grad():
            end = self._end(self._ahead(state, now, then, context), then, read(self.network.reader, context))
        jump = self.network.guess(state, now, read(self.network.reader, context))
        size = self.space.dimensions
        return huber((jump - end).reshape(len(x), size), PSEUDO_HUBER * math.sqrt(size))

    def _ahead(self, state: Tensor, now: Tensor, then: Tensor, context: Tensor | None) -> Tensor:
        """Where the teacher's path leads, by a step of Heun's rule; to no noise at all by Euler's."""
        teacher, steps = self.teacher, aligned(then - now, state)
        features = read(teacher.reader, context)
        slope = (state - teacher.guess(state, now, features)) / aligned(now, state)
        ahead = state + steps * slope
        later = then.clamp(min=teacher.sigma_min)
        again = (ahead - teacher.guess(ahead, later, features)) / aligned(later, state)
        return torch.where(aligned(then, state) > 0, state + steps * (slope + again) / 2, ahead)

    def _end(self, state: Tensor, sigma: Tensor, features: Tensor | None) -> Tensor:
        """f: where a path through the state ends; the state itself where there is no noise."""
        jump = self.network.guess(state, sigma.clamp(min=self.network.sigma_min), features)
        return torch.where(aligned(sigma, state) > 0, jump, state)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n valid events by ``steps`` network calls each, with shape (n, *space.shape)."""
        self.check_context(n, context)
        noise = Noise() if noise is None else noise
        events = [torch.empty(0, *self.space.shape, dtype=self.space.dtype, device=self.network.like().device)]
        for start in range(0, n, CHUNK):
            rows = None if context is None else context[start : start + CHUNK]
            events.append(self.space.project(self._jumped(min(CHUNK, n - start), rows, noise.rows(start))))
        return torch.cat(events)

    def _jumped(self, n: int, context: Tensor | None, noise: Noise) -> Tensor:
        """Embedded events: a jump from noise alone, then from noise of moments in equal strides (algorithm 1)."""
        features = read(self.network.reader, context)
        shape, like = (n, *self.space.shape), self.network.like()
        x = torch.zeros(shape, dtype=like.dtype, device=like.device)
        for k in range(self.steps):
            sigma = torch.full((n,), self.sigmas[k * self.intervals // self.steps], dtype=torch.float64)
            sigma = sigma.to(x.device)
            x = self._end(x + aligned(sigma, x) * noise.normal(shape, f"jump {k}", like), sigma, features)
        return x


@final
class Consistency(nn.Module, Distribution):
    """A diffusion, and a student that draws its events in a call or a few; fitted one after the other.

    Args:
        teacher: The diffusion.
        **student: The other arguments of ``ConsistencyStudent``: intervals, steps, network, optimizer.

    Example:
        >>> from ptheta import EDM, Noise, Real
        >>> model = Consistency(EDM(Real((2,)), steps=10), intervals=4)
        >>> model.sample(3, noise=Noise(0)).shape
        torch.Size([3, 2])
    """

    def __init__(self, teacher: EDM, **student: Any) -> None:
        super().__init__()
        self.space, self.context_space = teacher.space, teacher.context_space
        self.teacher, self.student = teacher, ConsistencyStudent(teacher, **student)

    def fit(self, data: Any, **training: Any) -> Self:
        """Fits the teacher, then the student.

        Args:
            data: A ``Dataset``.
            **training: Those of both fits.

        Returns:
            The model itself.
        """
        self.teacher.fit(data, **training)
        self.student.fit(data, **training)
        return self

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n valid events by the student, with shape (n, *space.shape)."""
        return self.student.sample(n, context, noise=noise)


def huber(error: Tensor, c: float) -> Tensor:
    """The pseudo-Huber length of errors (B, D), with shape (B,)."""
    return (error.square().sum(1) + c**2).sqrt() - c
