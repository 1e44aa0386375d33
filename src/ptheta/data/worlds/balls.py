"""Bouncing balls, by the generator that the papers share, and what copying the last frame costs on them.

Three balls of radius 1.2 and equal mass roll in a box of 10 x 10 without friction and meet walls and one another
elastically. They start at uniform places, apart from one another and from the walls, with velocities whose six numbers
are uniform on the sphere of radius 1/2: |v1|^2 + |v2|^2 + |v3|^2 = 1/4, which collisions keep. A frame is one unit of
time in two steps; a step moves the balls, turns back what goes through a wall, and exchanges the speeds of two balls
along the line between them where they overlap and approach. A pixel at p is the sum over balls, at most 1, of

    exp(-(|p - x|^2 / r^2)^4),

on 15 x 15 pixels, rounded to 256 levels. Motion is made of sums, products, quotients and roots, which are alike on
every machine.

**Units.** The papers' error is the squared error of a frame, summed over its 225 pixels of values in [0, 1], averaged
over frames and films; divide by 225 for an error per pixel. ``copy_last_error`` is that of showing the frame before.

Known limits: the original exchanges speeds whether or not two balls approach; here those that part already are left
alone, which changes one film of a hundred frames in some thirty, and nothing of what copying costs. Starts avoid the
first .8 of the box at the top and the left, as the original's do.

References:
    The Recurrent Temporal Restricted Boltzmann Machine (Sutskever, Hinton, Taylor, 2008)
    Structured Recurrent Temporal Restricted Boltzmann Machines (Mittelman et al., 2014): 15 x 15, errors per frame
    Deep Temporal Sigmoid Belief Networks for Sequence Modeling (Gan et al., 2015) https://arxiv.org/abs/1509.07087
    Unsupervised Learning of Visual Structure using Predictive Generative Networks (Lotter, Kreiman, Cox, 2015)
    https://arxiv.org/abs/1511.06380
"""

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.worlds.base import require_size
from ptheta.noise import Noise
from ptheta.spaces import Levels

__all__ = ["bouncing_balls", "copy_last_error", "trajectories"]

BOX, RADIUS, PIXELS = 10.0, 1.2, 15
STEPS = 2  # in one frame
GRAIN = 2.0**20  # normals are rounded to this grid, since their last digit may depend on the machine


def trajectories(n: int, frames: int, noise: Noise, balls: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Where balls are and how they move.

    Args:
        n: How many films.
        frames: How many frames each.
        noise: Where they start; film i does not depend on n.
        balls: How many balls roll.

    Returns:
        Places and velocities, both float64 with shape (n, frames, balls, 2).
    """
    x, v = _places(n, balls, noise), _velocities(n, balls, noise)
    places, velocities = np.empty((2, n, frames, balls, 2))
    for t in range(frames):
        places[:, t], velocities[:, t] = x, v
        for _ in range(STEPS):
            _advance(x, v, 1 / STEPS)
    return places, velocities


def _places(n: int, balls: int, noise: Noise) -> np.ndarray:
    """Uniform places apart from walls and one another: tried again, all of a film together, until they are."""
    x, open_ = np.zeros((n, balls, 2)), np.ones(n, dtype=bool)
    attempt = 0
    while open_.any():
        u = noise.at("attempt", attempt).uniform((n, balls, 2), "place", like=torch.zeros(0, dtype=torch.float64))
        x[open_] = 2 + (BOX - 2) * u.numpy()[open_]
        good = ((x >= RADIUS) & (x <= BOX - RADIUS)).all((1, 2))
        for i in range(balls):
            for j in range(i):
                good &= _distance(x[:, i] - x[:, j]) >= 2 * RADIUS
        open_ &= ~good
        attempt += 1
    return x


def _velocities(n: int, balls: int, noise: Noise) -> np.ndarray:
    z = noise.normal((n, balls, 2), "velocity", like=torch.zeros(0, dtype=torch.float64)).numpy()
    z = np.rint(z * GRAIN) / GRAIN
    square = np.zeros(n)
    for value in z.reshape(n, -1).T:  # one by one: the order of a sum is then the same everywhere
        square += value * value
    return 0.5 * z / np.sqrt(square)[:, None, None]


def _advance(x: np.ndarray, v: np.ndarray, step: float) -> None:
    """Moves balls by one step, in place."""
    x += step * v
    v[x - RADIUS < 0] = np.abs(v[x - RADIUS < 0])
    v[x + RADIUS > BOX] = -np.abs(v[x + RADIUS > BOX])
    for i in range(x.shape[1]):
        for j in range(i):
            between = x[:, i] - x[:, j]
            distance = _distance(between)
            along = between / distance[:, None]
            change = along[:, 0] * (v[:, i, 0] - v[:, j, 0]) + along[:, 1] * (v[:, i, 1] - v[:, j, 1])
            change = np.where((distance < 2 * RADIUS) & (change < 0), change, 0.0)[:, None] * along
            v[:, i] -= change  # equal masses exchange their speeds along the line between them
            v[:, j] += change


def _distance(between: np.ndarray) -> np.ndarray:
    return np.sqrt(between[:, 0] * between[:, 0] + between[:, 1] * between[:, 1])


def _frames(places: np.ndarray) -> Tensor:
    """Pictures of balls at places (n, frames, balls, 2): levels with shape (n, frames, 15, 15)."""
    grid = (np.arange(PIXELS) + 0.5) * (BOX / PIXELS)
    light = np.zeros((*places.shape[:2], PIXELS, PIXELS))
    for i in range(places.shape[2]):
        down = grid - places[:, :, i, :1]
        right = grid - places[:, :, i, 1:]
        square = ((down * down)[..., :, None] + (right * right)[..., None, :]) / (RADIUS * RADIUS)
        light += np.exp(-((square * square) ** 2))
    return torch.from_numpy(np.rint(255 * np.minimum(light, 1)).astype(np.uint8))


def copy_last_error(x: Tensor) -> float:
    """The papers' error of showing each frame's predecessor: squared, summed over pixels in [0, 1], a mean per frame.

    Args:
        x: Films of levels with shape (n, frames, height, width).

    Returns:
        The error of a frame; over its pixels, divided by height x width.
    """
    y = x.double() / 255
    return float((y[:, 1:] - y[:, :-1]).square().sum((2, 3)).mean())


def bouncing_balls(*, frames: int = 20, balls: int = 3, n: int = 2_000, seed: int = 0) -> Dataset:
    """Draws films of bouncing balls: n to train, a tenth as many to validate and to test.

    Args:
        frames: How many frames a film has; the papers use 100 or 128.
        balls: How many balls, 1 to 4; the papers use 3.
        n: How many training films.
        seed: Names the draw.

    Returns:
        The data set.
    """
    if not 2 <= frames <= 1000:
        raise ValueError(f"a film should have 2 to 1000 frames, but frames is {frames}.")
    if not 1 <= balls <= 4:
        raise ValueError(f"1 to 4 balls find room in the box, but balls is {balls}.")
    space = Levels((frames, PIXELS, PIXELS), 256)
    require_size(n, space)
    noise = Noise(seed).at("worlds", "bouncing-balls")
    train, valid, test = (
        Events(_frames(trajectories(m, frames, noise.at(split), balls)[0]))
        for split, m in (("train", n), ("valid", max(1, n // 10)), ("test", max(1, n // 10)))
    )
    floor = copy_last_error(test.x)
    text = (
        f"{balls} balls bounce in a box, {frames} frames of 15 x 15; a frame that copies the one before has squared "
        f"error {floor:.2f} on the test films ({floor / PIXELS**2:.4f} per pixel)."
    )
    return Dataset("bouncing-balls", space, train, valid, test, description=text)
