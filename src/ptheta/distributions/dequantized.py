"""Dequantisation: continuous models meet discrete data honestly.

Levels x in {0, ..., K-1}^D become reals y = x + u with u uniform on [0, 1)^D, and a density p(y) of the model gives
each event the mass of its unit cell,

    log P(x) = log integral of p(x + u) du  >=  E_u log p(x + u)        (Jensen)

so the mean log-density of dequantised events is a lower bound, in nats of the *discrete* data, and stands beside exact
log-probabilities. (A density of the bare levels does not: it grows without bound on a lattice.) The bound is tight when
the density is flat inside each cell. P needs the density inside [0, K)^D only: mass outside is lost to the bound.

Pictures are mostly black and white, so that their events crowd at both ends of the box, where a smooth density cannot
follow. With a margin alpha the model sees the logit of what lies between,

    v = logit(s),    s = alpha + (1 - 2 alpha) y / K,    log p(y) = log p(v) + log((1 - 2 alpha) / K) - log s(1 - s),

which spreads the ends out (Dinh et al., section 4.1). The bound stays one: v is a change of variables.

A sample is a sample of the density, floored to its cell and moved to the nearest valid level: mass outside [0, K) lands
on the end levels, so samples follow P up to that.

Two classes, for two ways to fit:

    Dequantized          an inner model with a closed form: the training events are dequantised once
    TrainedDequantized   an inner model fitted by gradient descent: every step draws u afresh

References:
    A Note on the Evaluation of Generative Models (Theis, van den Oord & Bethge, 2016) https://arxiv.org/abs/1511.01844
    RNADE: The Real-Valued Neural Autoregressive Density-Estimator (Uria, Murray & Larochelle, 2013)
    https://arxiv.org/abs/1306.0186
    Density Estimation Using Real NVP (Dinh, Sohl-Dickstein & Bengio, 2016) https://arxiv.org/abs/1605.08803
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.distributions.closed_form import ClosedForm
from ptheta.model import Distribution, Objective, Trained, tempered
from ptheta.noise import Noise
from ptheta.protocols import HasLogProb
from ptheta.spaces import Binary, Levels, Real, Space, require

__all__ = ["Dequantization", "Dequantized", "TrainedDequantized", "dequantized_space"]


def dequantized_space(space: Space, margin: float = 0.0) -> Real:
    """The reals in which events of a lattice lie once dequantised; standardised, they become [-1, 1).

    Args:
        space: Binary or Levels.
        margin: The alpha of the logit, below 1/2; 0 leaves events as they are.

    Returns:
        A Real space of the same shape, whose unit is one level, or one logit.
    """
    require(space, Binary, Levels, who="dequantisation")
    assert isinstance(space, Binary | Levels)
    if not 0 <= margin < 0.5:
        raise ValueError(f"the margin of a logit should be at least 0 and below 0.5, but it is {margin:g}.")
    mean, scale = (0.0, math.log((1 - margin) / margin)) if margin else (space.n / 2, space.n / 2)
    return Real(space.shape, mean=(mean,) * space.dimensions, scale=(scale,) * space.dimensions)


class Dequantization(Distribution):
    """A model of reals as a model of levels: the bound and the samples, however the inner model is fitted."""

    space: Space
    context_space: Space | None
    model: Any  # an nn.Module and Distribution with log_prob, over ``dequantized_space(space, margin)`` or such
    margin: float

    @final
    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """A lower bound on log P(x | context) in nats of the discrete data, the mean of ``draws``, with shape (B,)."""
        self.check(x, context)
        noise = noise or Noise(None)
        scores = []
        for k in range(draws):
            v, stretch = self.spread(self.dequantize(x, noise.at("draw", k)))
            scores.append(self.model.log_prob(v, context) + stretch)
        return torch.stack(scores).mean(0)

    @final
    @torch.no_grad()
    def sample(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, temperature: float = 1.0
    ) -> Tensor:
        """Draws events: samples of the density, floored to their cells, then moved to the nearest valid level.

        Args:
            n: How many.
            context: One context per event, with shape (n, *context_space.shape).
            noise: Where the draws come from; None is torch's global generator.
            temperature: That of the inner model, if it has one.

        Returns:
            Events with shape (n, *space.shape).
        """
        assert isinstance(self.space, Binary | Levels)
        y = self.model.sample(n, context, noise=noise, **tempered(self.model, temperature))
        if self.margin:
            y = (y.sigmoid() - self.margin) * (self.space.n / (1 - 2 * self.margin))
        return y.floor().clamp(0, self.space.n - 1).to(self.space.dtype)

    @final
    def spread(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """What the inner model sees of dequantised events (B, *shape), and how much they are stretched, a log, (B,)."""
        if not self.margin:
            return y, y.new_zeros(len(y))
        assert isinstance(self.space, Binary | Levels)
        s = self.margin + (1 - 2 * self.margin) / self.space.n * y
        stretch = math.log((1 - 2 * self.margin) / self.space.n) - s.log() - (-s).log1p()
        return s.logit(), stretch.flatten(1).sum(1)

    @final
    def dequantize(self, x: Tensor, noise: Noise) -> Tensor:
        """x + u with u uniform on the unit cell, in the inner model's type, with shape (B, *shape)."""
        like = next(t for t in (*self.model.parameters(), *self.model.buffers()) if t.is_floating_point())
        return x.to(like.dtype) + noise.uniform(tuple(x.shape), "dequantize", like=like)


@final
class Dequantized(nn.Module, Dequantization):
    """A closed-form model of reals, fitted to the dequantised training events and scored by the bound.

    Args:
        model: A closed-form model over Real events of the same shape; see ``dequantized_space``.
        space: Binary or Levels.

    Example:
        >>> from ptheta.distributions.simple import Gaussian
        >>> space = Levels((1,), 17)
        >>> model = Dequantized(Gaussian(dequantized_space(space)), space)
        >>> x = torch.arange(17)[:, None].byte()
        >>> model.fit(x).sample(2, noise=Noise(0)).shape, model.elbo(x).shape
        (torch.Size([2, 1]), torch.Size([17]))
    """

    def __init__(self, model: ClosedForm, space: Space) -> None:
        super().__init__()
        self.margin = 0.0
        _check_inner(model, space)
        self.model, self.space, self.context_space = model, space, model.context_space

    @property
    def n_parameters(self) -> int:
        """Those of the inner model."""
        return self.model.n_parameters

    def fit(self, data: Any, *, seed: int = 0, **training: Any) -> Self:
        """Dequantises the events once, then fits the inner model to them afresh.

        Args:
            data: A ``Dataset``, ``Events``, or a tensor of events.
            seed: Of the dequantisation, and of the inner model's fit.
            **training: Those of the inner model's fit.

        Returns:
            The model itself.
        """
        noise = Noise(seed).at("fit")
        if isinstance(data, Dataset):
            train, valid = self._spread(data.train, noise.at("train")), self._spread(data.valid, noise.at("valid"))
            inner: Any = replace(data, space=self.model.space, train=train, valid=valid, test=valid)
        else:
            inner = self._spread(Events(data) if isinstance(data, Tensor) else data, noise.at("train"))
        self.model.fit(inner, seed=seed, **training)
        return self

    def _spread(self, events: Events, noise: Noise) -> Events:
        self.space.check(events.x)
        return Events(self.dequantize(events.x, noise).float(), events.context)


@final
class TrainedDequantized(Trained, Dequantization):
    """A model of reals fitted by gradient descent, on events dequantised afresh at every step.

    Args:
        model: A trained model with ``log_prob`` over Real events of the same shape; see ``dequantized_space``.
        space: Binary or Levels.
        margin: The alpha of the logit; 0 shows events to the model as they are.
    """

    def __init__(self, model: Trained, space: Space, *, margin: float = 0.0) -> None:
        super().__init__()
        self.margin = margin
        _check_inner(model, space)
        self.model, self.space, self.context_space = model, space, model.context_space

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        like = next(self.model.parameters())
        self.model.begin(self.spread(x.to(like.dtype) + 0.5)[0], context)  # the middle of each cell

    def objectives(self) -> Sequence[Objective]:
        """Those of the inner model, each fed dequantised events."""
        return [replace(objective, loss=self._dequantizing(objective.loss)) for objective in self.model.objectives()]

    def _dequantizing(self, loss: Any) -> Any:
        def dequantizing(x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
            if self.training:
                self.model.step.copy_(self.step)
            v, stretch = self.spread(self.dequantize(x, noise))
            return loss(v, context, noise) - stretch

        return dequantizing


def _check_inner(model: nn.Module, space: Space) -> None:
    require(space, Binary, Levels, who="dequantisation")
    if not (isinstance(model, Distribution) and isinstance(model, HasLogProb)):
        raise ValueError(f"Dequantized needs a model with log_prob, but {type(model).__name__} has none.")
    if not (isinstance(model.space, Real) and model.space.shape == space.shape):
        raise ValueError(f"Dequantized on {space} needs a model of Real({space.shape}), but it models {model.space}.")
