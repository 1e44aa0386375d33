"""The generative stochastic network (GSN): a denoiser learned by regression, and the Markov chain it makes.

A corruption C(y | x) spoils events, and a model P(x | y) of the events given the spoilt ones is trained by maximum
likelihood, as any conditional model is. Then one walks:

    y_t ~ C(y | x_t),    x_{t+1} ~ P(x | y_t)                                                                  (eq. 1)

If P is the true posterior, proportional to p(x) C(y | x), that is Gibbs sampling of the joint law of (x, y), so the
chain's stationary law is that of the data, whatever the corruption (theorem 1 of Bengio et al., 2013). There is no
energy and no density: the law is what the chain does. On spaces of few states it is the left eigenvector of

    T(x, x') = sum_y C(y | x) P(x' | y)                                                                        (eq. 2)

of eigenvalue 1, which ``stationary`` gives exactly. P is any conditional model of ours. One whose variables are
independent given y (a regression) is wrong wherever y leaves two answers open, the less so the weaker the corruption;
a joint one (NADE) need not be wrong at all. A draw from P must be a draw: its most probable event would leave the chain
in a few attractors.

**Walk-back.** Training on corrupted data alone teaches nothing of where a wrong P leads the chain, and far from the
data there may be attractors of its own. So training walks too: from an event x the chain takes some steps of eq. 1, and
from each y_t on the way the loss asks for x itself,

    loss(x) = mean over t of -log P(x | y_t),    x_0 = x                                                        (eq. 3)

Then P is the posterior under a corruption of several steps, and to spoil by that one and mend is to take several steps
of eq. 1 at once, which leaves the stationary law what it is: the data's still, if P can be exact.

Bits, levels and symbols are spoilt by drawing each anew, with a given probability, from all values alike; reals by
Gaussian noise of a given standard deviation, in units of the data's.

Cost: a step of training takes ``walkback`` draws and scores of P; a sample takes ``steps`` draws, one after the other.
Not assumed: anything of the data but what P assumes.

Known limits:
    No likelihood, no contexts. Weak corruption makes P easy and the chain slow: it may stay in the mode it began in.

References:
    Generalized Denoising Auto-Encoders as Generative Models (Bengio, Yao, Alain & Vincent, 2013),
    https://arxiv.org/abs/1305.6663
    Deep Generative Stochastic Networks Trainable by Backprop (Bengio, Thibodeau-Laufer, Alain & Yosinski, 2014),
    https://arxiv.org/abs/1306.1091
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor

from ptheta.model import LossModel
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["GSN"]

MOST_STATES = 1024  # of which the stationary law is solved for


@final
class GSN(LossModel):
    """A generative stochastic network around a conditional model.

    Args:
        denoiser: The model P(x | y): its ``context_space`` is its ``space``.
        corruption: How often a discrete variable is drawn anew, or the noise on reals, in their standard deviations.
        walkback: How many steps of the chain training takes from each event.
        context_space: None.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise, Regression
        >>> space = Binary((4,))
        >>> model = GSN(Regression(space, context_space=space))
        >>> model.sample(5, noise=Noise(0), steps=10).shape, model.stationary().shape
        (torch.Size([5, 4]), torch.Size([16]))
    """

    def __init__(
        self,
        denoiser: Any,
        *,
        corruption: float = 0.2,
        walkback: int = 4,
        context_space: Space | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        space: Space = denoiser.space
        require(space, Binary, Levels, Symbols, Real, who="GSN")
        if context_space is not None:
            raise ValueError("GSN takes no context: the denoiser's place for one holds the spoilt event.")
        if denoiser.context_space != space:
            raise ValueError(
                f"the denoiser should be given events of {space}, but its contexts are of {denoiser.context_space}."
            )
        if walkback < 1 or not (0 < corruption <= 1 or (corruption > 0 and isinstance(space, Real))):
            raise ValueError(
                "walkback should be at least 1, corruption positive and, on discrete variables, at most 1; "
                f"but they are {walkback} and {corruption:g}."
            )
        self.denoiser, self.space, self.context_space = denoiser, space, None
        self.corruption, self.walkback, self.optimizer = corruption, walkback, optimizer

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        self.denoiser.begin(x, x)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """-log P(x | y) along a walk from each event (eq. 3) in nats, with shape (B,)."""
        total, state = torch.zeros(()), x
        for t in range(self.walkback):
            spoilt = self.corrupt(state, noise.at("corrupt", t))
            total = total + self.denoiser.loss(x, spoilt, noise.at("loss", t))
            if t + 1 < self.walkback:
                state = self.denoiser.sample(len(x), spoilt, noise=noise.at("walk", t))
        return total / self.walkback

    @torch.no_grad()
    def corrupt(self, x: Tensor, noise: Noise) -> Tensor:
        """Spoils events, with shape (B, *space.shape)."""
        cells = self.space.cells(x)
        if isinstance(self.space, Real):
            return self.space.events(cells + self.corruption * noise.normal(cells.shape, "noise", like=cells))
        like = torch.empty((), dtype=torch.float32, device=x.device)
        hit = noise.uniform(cells.shape, "hit", like=like) < self.corruption
        return self.space.events(torch.where(hit, self._uniform(len(x), noise.at("value"), like), cells))

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 200) -> Tensor:
        """Draws n events by as many chains of ``steps`` steps, with shape (n, *space.shape)."""
        return deque(self.chain(n, context, noise=noise, steps=steps), maxlen=1).pop()

    @torch.no_grad()
    def chain(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, steps: int = 200
    ) -> Iterator[Tensor]:
        """Runs n chains, begun at independent variables: all values alike, or Gaussian as the data's spread.

        Args:
            n: How many chains.
            context: None.
            noise: Where they draw from.
            steps: How many steps they take.

        Yields:
            The events before the first step and after each, with shape (n, *space.shape).
        """
        self.check_context(n, context)
        noise, like = noise or Noise(None), next(self.denoiser.parameters())
        if isinstance(self.space, Real):
            x = self.space.events(noise.normal((n, self.space.dimensions), "start", like=like))
        else:
            x = self.space.events(self._uniform(n, noise.at("start"), like))
        yield x
        for t in range(steps):
            x = self.denoiser.sample(n, self.corrupt(x, noise.at("corrupt", t)), noise=noise.at("walk", t))  # eq. 1
            yield x

    @torch.no_grad()
    def transition(self) -> Tensor:
        """T of eq. 2 between all states, the first variable the slowest, float64 with shape (S, S), S at most 1024."""
        n, d = getattr(self.space, "n", 0), self.space.dimensions
        if not n or n**d > MOST_STATES:
            raise ValueError(
                f"a stationary law is solved for on at most {MOST_STATES} states, and {self.space} has more."
            )
        index = torch.arange(n**d)
        states = (index[:, None] // n ** torch.arange(d - 1, -1, -1)) % n
        events = self.space.events(states)
        kept = (states[:, None] == states).sum(2)  # how many variables two states share
        fresh = self.corruption / n
        spoil = (1 - self.corruption + fresh) ** kept.double() * fresh ** (d - kept).double()
        back = [self.denoiser.log_prob(events, y.expand(len(events), *y.shape)).double().exp() for y in events]
        return spoil @ torch.stack(back)

    @torch.no_grad()
    def stationary(self) -> Tensor:
        """The law that the chain ends in, of all states in the order of ``transition``, float64 with shape (S,)."""
        matrix = self.transition()
        equations = matrix.T - torch.eye(len(matrix), dtype=matrix.dtype)
        equations[-1] = 1.0  # one of them follows from the others; instead, they sum to one
        right = torch.zeros(len(matrix), dtype=matrix.dtype)
        right[-1] = 1.0
        return torch.linalg.solve(equations, right)

    def _uniform(self, n: int, noise: Noise, like: Tensor) -> Tensor:
        """Discrete cells (n, D), all values alike."""
        values = getattr(self.space, "n", 2)
        u = noise.uniform((n, self.space.dimensions), "uniform", like=like)
        return (u * values).floor().clamp(max=values - 1).to(self.space.dtype)
