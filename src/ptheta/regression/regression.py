"""Regression: a network reads what is given, and a head for each variable says the rest.

Given its context c every variable of an event is on its own,

    p(x | c) = product over i of head_i(x_i; f(c)_i),                                                              (1)

and minus its logarithm is the loss: with a Gaussian of learned width that is squared error weighted by how sure the
network is, with a Bernoulli cross-entropy. The best means are the conditional means E(x | c), so where c leaves two
answers open the prediction lies between them, and a draw mixes them variable by variable: what models of the whole
event must do better is visible here.

Scoring and sampling cost one pass each; all variables are drawn at once. Assumed: that variables are independent given
the context, which is what makes it a floor for conditional models and no more.

Known limits:
    Draws have the grain of independent variables wherever the context leaves something open.

References:
    Mixture Density Networks (Bishop, 1994) https://publications.aston.ac.uk/id/eprint/373/
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.distributions.heads import GaussianMixtureHead, Head, LogisticMixtureHead, default_head
from ptheta.model import LossModel, in_parts
from ptheta.nn.contexts import Reader, read, reader_of, width_of
from ptheta.nn.mlp import MLP
from ptheta.nn.residual import ResidualBlock
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["Regression", "simple_head"]

CHUNK = 500  # events drawn at a time
ORDERED = 4  # levels from which on their order is worth more than a probability for each


@final
class Regression(LossModel):
    """Independent variables given a context, each by a head that a network feeds.

    Args:
        space: What one event is.
        context_space: What one context is.
        reader: How contexts are read; None chooses: as maps where events and contexts are pictures.
        network: Maps what was read, (B, F) or (B, C, H, W), to ``head.width`` numbers for each variable. None builds a
            perceptron, or convolutions.
        head: The distribution of one variable; one part each, where it is a mixture, by default.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Classes, Levels, Noise
        >>> model = Regression(Levels((1, 4, 4), 17), context_space=Classes(3))
        >>> c = torch.tensor([0, 2])
        >>> x = model.sample(2, c, noise=Noise(0))
        >>> x.shape, model.log_prob(x, c).shape, model.predict(c).shape
        (torch.Size([2, 1, 4, 4]), torch.Size([2]), torch.Size([2, 1, 4, 4]))
    """

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None,
        reader: Reader | None = None,
        network: nn.Module | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(1e-3),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, Levels, Symbols, Real, who="Regression")
        if context_space is None:
            raise ValueError("a regression needs a context to regress on. Give it one, with --conditional or --given.")
        self.space, self.context_space, self.optimizer = space, context_space, optimizer
        self.head = simple_head(space) if head is None else head
        is_picture = len(space.shape) == 3 and not isinstance(space, Symbols)
        self.reader = reader_of(context_space, space.shape[1:] if is_picture else None, reader)
        self.network = network_of(space, self.reader, self.head.width) if network is None else network

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log-likelihood log p(x | context) in nats, with shape (B,)."""
        self.check(x, context)
        return in_parts(self._log_prob, x, context, self.space.dimensions * self.head.width)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self.head.log_prob(self._params(context), self.space.cells(x)).sum(1) - self.space.log_volume  # eq. 1

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-likelihood in nats, with shape (B,); ``noise`` is not used."""
        return -self.log_prob(x, context)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, one per row of the context, with shape (n, *space.shape)."""
        self.check_context(n, context)
        noise, parts = noise or Noise(), []
        for start in range(0, max(n, 1), CHUNK):
            params = self._params(None if context is None else context[start : start + CHUNK])
            u = noise.rows(start).uniform((*params.shape[:2], self.head.uniforms), "event", like=params)
            parts.append(self.space.events(self.head.sample(params, u)))
        return torch.cat(parts)

    @torch.no_grad()
    def predict(self, context: Tensor) -> Tensor:
        """The event nearest the mean of p(x | context) (of symbols the most probable), with shape (n, *space.shape).

        A mean is no sample: label it.
        """
        self.check_context(len(context), context)
        params = self._params(context)
        if isinstance(self.space, Symbols):
            return self.space.events(params.argmax(-1))
        cells = self.head.mean(params)
        return self.space.events(cells.round() if self.space.is_discrete else cells)

    def _params(self, context: Tensor | None) -> Tensor:
        """The numbers of each variable's head, with shape (B, D, head.width)."""
        seen = read(self.reader, context)
        assert seen is not None
        return self.network(seen).to(seen.dtype).reshape(len(seen), self.space.dimensions, self.head.width)


def simple_head(space: Space) -> Head:
    """A head of one part: the context is what there is to mix."""
    if isinstance(space, Real):
        return GaussianMixtureHead(1, min_log_scale=-4)
    return LogisticMixtureHead(space.n, 1) if isinstance(space, Levels) and space.n > ORDERED else default_head(space)


def network_of(space: Space, reader: Reader | None, width: int) -> nn.Module:
    """From what was read to ``width`` numbers for each variable: convolutions of maps, a perceptron of a vector."""
    if reader is not None and len(reader.shape) == 3:
        return PixelNet(reader.shape[0], space.shape[0], width)
    return MLP(width_of(reader, "a perceptron"), space.dimensions * width)


@final
class PixelNet(nn.Module):
    """Residual convolutions from maps to numbers for each variable of each pixel.

    Args:
        maps: The number of maps.
        channels: The variables of a pixel.
        width: How many numbers each variable gets, last in the result's shape.
        hidden: The features in between.
        blocks: The number of residual blocks.

    Example:
        >>> PixelNet(4, 3, 2)(torch.zeros(5, 4, 6, 7)).shape
        torch.Size([5, 3, 6, 7, 2])
    """

    def __init__(self, maps: int, channels: int, width: int, *, hidden: int = 32, blocks: int = 2) -> None:
        super().__init__()
        self.channels = channels
        self.first = nn.Conv2d(maps, hidden, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden) for _ in range(blocks)))
        self.last = nn.Conv2d(hidden, channels * width, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, maps, H, W) to (B, channels, H, W, width)."""
        y = self.last(F.silu(self.blocks(F.silu(self.first(maps)))))
        return y.unflatten(1, (self.channels, -1)).movedim(2, -1)
