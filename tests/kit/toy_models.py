"""Small models and data that the tests of the engine, the runs and the command line share."""

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.distributions.heads import default_head
from ptheta.model import Distribution, LossModel, Objective, Trained
from ptheta.noise import Noise
from ptheta.optimizers import Adam
from ptheta.spaces import Binary, Space


def bits(n: int = 500, d: int = 5, seed: int = 0) -> Dataset:
    """Independent bits with probabilities .1, .2, ..."""
    p = torch.arange(1, d + 1) / 10
    x = (Noise(seed).uniform((n, d), "bits") < p).to(torch.uint8)
    cut = [int(0.6 * n), int(0.8 * n)]
    return Dataset("toy bits", Binary((d,)), *(Events(part) for part in torch.tensor_split(x, cut)))


class Biases(LossModel):
    """One player: independent bits, with dropout and noise in its loss so that resuming must restore both."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space, self.context_space = space, None
        self.logits = nn.Parameter(torch.zeros(space.dimensions))
        self.dropout = nn.Dropout(0.2)
        self.optimizer = Adam(0.05)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        params = self.logits[:, None].expand(len(x), -1, -1)
        return default_head(self.space).log_prob(params, self.space.cells(x)).sum(1)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        weight = self.dropout(torch.ones(len(x))) * (1 + 0.1 * noise.normal((len(x),), "weight"))
        return -self.log_prob(x) * weight

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise()).uniform((n, *self.space.shape), "x")
        return (u < self.logits.sigmoid().reshape(self.space.shape)).to(torch.uint8)


class Game(Trained, Distribution):
    """Two players: one parameter chases the data's mean, the other chases the first, half as often."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space, self.context_space = space, None
        self.first = nn.Linear(space.dimensions, 1)
        self.second = nn.Parameter(torch.zeros(space.dimensions))

    def objectives(self) -> tuple[Objective, ...]:
        def chase(x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
            u = noise.normal((len(x), 1), "u")
            return (self.first(self.space.embed(x).flatten(1)) - u - 1).square().mean(1)

        def follow(x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
            return (self.first(self.second) + 0.1 * noise.normal((len(x), 1), "u")).square().mean(1)

        return (
            Objective("first", chase, tuple(self.first.parameters())),
            Objective("second", follow, (self.second,), every=2, optimizer=Adam(0.01, clip=1.0)),
        )

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise()).uniform((n, *self.space.shape), "x")
        return (u < self.second.sigmoid()).to(torch.uint8)
