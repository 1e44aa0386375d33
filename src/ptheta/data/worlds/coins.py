"""A film with two equally likely ends: a ball rolls to a fork, and a fair coin sends it up or down.

    from     left or right                                    row     one of eleven, half a pixel apart
    offset   one of four, half a pixel apart                  coin    up or down

Four frames on a straight line tell all but the coin; then the ball turns off, two pixels a frame, and the two futures
never touch. Given the line, the predictive law is known: each future with probability 1/2. The best squared answer is
their average, two half-bright balls, which is never seen; an answer from the law is one of the two. ``nearest`` says
which one a picture is, and how far from it in units of the distance between the two: an end is at 0, the average at
1/2 by arithmetic, an empty picture at the square root of 1/2. So a predictor that averages cannot come below 1/2.

Frames are 16 x 16 pixels, drawn in quarters between two levels, alike on every machine. There are 176 films, and every
split holds them all: what is tested is whether both ends are drawn, not whether lines never seen are continued.

References:
    The two answers of Unsupervised Learning of Visual Structure using Predictive Generative Networks (Lotter, Kreiman,
    Cox, 2015), by a coin https://arxiv.org/abs/1511.06380
"""

from functools import cache
from itertools import product
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.worlds.base import OPEN, Factor, Reading, World, correlation, pick, require_size
from ptheta.noise import Noise
from ptheta.spaces import Levels

__all__ = ["CoinFlip", "Ends", "coin_flip"]

SIZE, LINE = 16, 4  # pixels, and frames before the fork
DARK, STEP = 28, 50  # the level of the ground, and what a quarter of the ball adds
RADIUS, SPEED = 1.5, 2.0
FACTORS = (
    Factor("from", ("left", "right")),
    Factor("row", tuple(f"{5.5 + i / 2:g}" for i in range(11))),
    Factor("offset", tuple(f"{i / 2:g}" for i in range(4))),
    Factor("coin", ("up", "down")),
)


@final
class Ends(NamedTuple):
    """Which future is nearer, 0 or 1, and how far it is, in units of the distance between the two: both (n,)."""

    coin: Tensor
    distance: Tensor


@final
class CoinFlip(World):
    """The films of a ball and a coin.

    Args:
        after: How many frames follow the fork, 1 or 2.

    Example:
        >>> world = CoinFlip()
        >>> x = world.sample(3, noise=Noise(0))
        >>> world.nearest(x[:, 4:], x[:, :4]).distance.tolist()
        [0.0, 0.0, 0.0]
    """

    factors = FACTORS

    def __init__(self, *, after: int = 2) -> None:
        if after not in (1, 2):
            raise ValueError(f"after should be 1 or 2 frames after the fork, but it is {after}.")
        self.space = Levels((LINE + after, SIZE, SIZE), 256)
        self.count = len(_films())

    def draw(self, n: int, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise(None)).uniform((n, len(FACTORS)), "factors", like=torch.zeros(0, dtype=torch.float64))
        return torch.stack([pick(u[:, i], len(factor.values)) for i, factor in enumerate(FACTORS)], 1)

    def possible(self, factors: Tensor) -> Tensor:
        return ((factors >= 0) & (factors < torch.tensor(SIZES))).all(1)

    def render(self, factors: Tensor) -> Tensor:
        return _films()[_rows(factors)][:, : self.space.shape[0]]

    def read(self, x: Tensor) -> Reading:
        """The factors of the nearest film, of whole films or of their first frames; before the fork the coin is up."""
        films = _films()[:, : x.shape[1]].flatten(1).double()
        rows = (films.square().sum(1) - 2 * x.cpu().flatten(1).double() @ films.T).argmin(1)
        shown = _films()[rows, : x.shape[1]]
        return Reading(_factors()[rows], correlation(x.cpu().flatten(2), shown.flatten(2)))

    def asked(self, context: Tensor) -> Tensor:
        """The factors that the first frames, with shape (n, frames, 16, 16), tell: the coin is open before the fork."""
        frames = context.shape[1]
        if not 1 <= frames < self.space.shape[0]:
            raise ValueError(f"expected the first of {self.space.shape[0]} frames, but there are {frames}.")
        factors = self.read(context).factors
        if frames <= LINE:
            factors[:, -1] = OPEN
        return factors

    def futures(self, given: Tensor) -> Tensor:
        """The two futures, each with probability 1/2; their mean over axis 1 is the mean of what follows.

        Args:
            given: The first frames of films, one to four: with shape (n, frames, 16, 16).

        Returns:
            What follows, coin up and coin down: (n, 2, frames, 16, 16). Raises ValueError where the coin has fallen,
            and where the frames are no beginning of a film of this world.
        """
        factors = self.asked(given)
        if given.shape[1] > LINE:
            raise ValueError(f"the coin has fallen after {LINE} frames: {given.shape[1]} frames leave one future.")
        if bool((self.render(factors.clamp(min=0))[:, : given.shape[1]] != given.cpu()).any()):
            raise ValueError("expected first frames of films of this world, but some are none: nothing is known.")
        return self.alternatives(factors, "coin")[:, :, given.shape[1] :]

    def nearest(self, future: Tensor, given: Tensor) -> Ends:
        """Which of the two futures something is, and how far from it.

        Args:
            future: What was drawn or predicted, in levels, whole or not: with shape (n, frames, 16, 16).
            given: The frames before it, one to four: with shape (n, frames, 16, 16).

        Returns:
            The nearer future, and its distance in units of that between the two; 1/2 at the average of both.
        """
        ends = self.futures(given).double().flatten(2)
        if future[:1].numel() * 2 != ends[:1].numel():
            raise ValueError(f"expected the frames after {given.shape[1]}, but the shape is {tuple(future.shape)}.")
        away = (future.cpu().double().flatten(1)[:, None] - ends).square().sum(2).sqrt()  # (n, 2)
        apart = (ends[:, 0] - ends[:, 1]).square().sum(1).sqrt()
        distance, coin = away.min(1)
        return Ends(coin, distance / apart)


SIZES = tuple(len(factor.values) for factor in FACTORS)


def _rows(factors: Tensor) -> Tensor:
    row = torch.zeros(len(factors), dtype=torch.int64)
    for column, size in enumerate(SIZES):
        row = row * size + factors[:, column]
    return row


@cache
def _factors() -> Tensor:
    return torch.tensor(list(product(*map(range, SIZES))))


@cache
def _films() -> Tensor:
    """All films with two frames after the fork, with shape (176, 6, 16, 16)."""
    grid = np.arange(SIZE) + 0.5
    films = np.zeros((len(_factors()), LINE + 2, SIZE, SIZE), dtype=np.uint8)
    for k, (side, row, offset, coin) in enumerate(_factors().tolist()):
        for t in range(LINE + 2):
            along = 2 + offset / 2 + SPEED * t
            right = grid - (along if side == 0 else SIZE - along)
            down = grid - (5.5 + row / 2 + (2 * coin - 1) * SPEED * max(0, t - LINE + 1))
            distance = np.sqrt(down[:, None] * down[:, None] + right * right) - RADIUS
            films[k, t] = DARK + STEP * np.rint(4 * np.clip(0.5 - distance, 0, 1))
    return torch.from_numpy(films)


def coin_flip(*, after: int = 2, n: int = 2_000, seed: int = 0) -> Dataset:
    """Draws films of a ball that a coin sends up or down: n to train, a fifth as many to validate and to test.

    Args:
        after: How many frames follow the fork, 1 or 2.
        n: How many training events.
        seed: Names the draw.

    Returns:
        The data set; ``--given frames=4`` asks for what the coin decides.
    """
    world = CoinFlip(after=after)
    require_size(n, world.space)
    noise = Noise(seed).at("worlds", "coin-flip")
    train, valid, test = (
        Events(world.sample(m, noise=noise.at(split)))
        for split, m in (("train", n), ("valid", n // 5), ("test", n // 5))
    )
    text = (
        f"A ball rolls four frames to a fork and, by a fair coin, {after} frames up or down; {world.count} films, all "
        "equally likely; ptheta.data.world('coin-flip') knows both futures."
    )
    return Dataset("coin-flip", world.space, train, valid, test, description=text)
