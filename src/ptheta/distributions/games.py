"""Two-player games small enough to solve: why training a game is not minimising a loss.

In min_x max_y x y the only equilibrium is (0, 0). What gradient steps of size eta do there depends on their order:

    simultaneous     x <- x - eta y,  y <- y + eta x        x^2 + y^2 grows by exactly 1 + eta^2
    alternating      y moves by the new x                   x^2 + y^2 - eta x y stays: an ellipse, below eta 2
    extragradient    both move by the slopes where          x^2 + y^2 shrinks by exactly 1 - eta^2 + eta^4, below eta 1
                     simultaneous steps would lead

A GAN's training is such a game.

References:
    The Numerics of GANs (Mescheder, Nowozin & Geiger, 2017) https://arxiv.org/abs/1705.10461
    The extragradient method for finding saddle points and other problems (Korpelevich, 1976)
    A Variational Inequality Perspective on Generative Adversarial Networks (Gidel et al., 2019)
    https://arxiv.org/abs/1802.10551
    Non-Cooperative Games (Nash, 1951) https://doi.org/10.2307/1969529
"""

import torch
from torch import Tensor

__all__ = ["alternating_steps", "extragradient_steps", "pure_equilibria", "simultaneous_steps"]


def simultaneous_steps(x: float, y: float, rate: float, steps: int) -> Tensor:
    """The path of simultaneous gradient steps on min_x max_y x y.

    Args:
        x: The minimiser's start.
        y: The maximiser's start.
        rate: The step size eta.
        steps: How many steps.

    Returns:
        Points with shape (steps + 1, 2), float64.

    Example:
        >>> path = simultaneous_steps(1.0, 0.0, rate=0.5, steps=2)
        >>> path.square().sum(1).tolist()
        [1.0, 1.25, 1.5625]
    """
    return _walk(x, y, [[1, -rate], [rate, 1]], steps)


def alternating_steps(x: float, y: float, rate: float, steps: int) -> Tensor:
    """The path where the maximiser answers the minimiser's new place, as the players of a GAN do.

    Args:
        x: The minimiser's start.
        y: The maximiser's start.
        rate: The step size eta.
        steps: How many steps.

    Returns:
        Points with shape (steps + 1, 2), float64.

    Example:
        >>> alternating_steps(1.0, 0.0, rate=0.5, steps=2).tolist()
        [[1.0, 0.0], [1.0, 0.5], [0.75, 0.875]]
    """
    return _walk(x, y, [[1, -rate], [rate, 1 - rate**2]], steps)


def extragradient_steps(x: float, y: float, rate: float, steps: int) -> Tensor:
    """The path where both players go by the slopes at the place that simultaneous steps would lead to.

    Args:
        x: The minimiser's start.
        y: The maximiser's start.
        rate: The step size eta.
        steps: How many steps.

    Returns:
        Points with shape (steps + 1, 2), float64.

    Example:
        >>> path = extragradient_steps(1.0, 0.0, rate=0.5, steps=2)
        >>> path.square().sum(1).tolist()
        [1.0, 0.8125, 0.66015625]
    """
    return _walk(x, y, [[1 - rate**2, -rate], [rate, 1 - rate**2]], steps)


def _walk(x: float, y: float, step: list[list[float]], steps: int) -> Tensor:
    """Points of a linear map, applied again and again, with shape (steps + 1, 2)."""
    turn = torch.tensor(step, dtype=torch.float64)
    path = [torch.tensor([x, y], dtype=torch.float64)]
    for _ in range(steps):
        path.append(turn @ path[-1])
    return torch.stack(path)


def pure_equilibria(first: Tensor, second: Tensor) -> list[tuple[int, int]]:
    """The pure Nash equilibria of a game of two tables, by enumeration: neither player gains by moving alone.

    Args:
        first: What the row player gets, with shape (m, k).
        second: What the column player gets, with shape (m, k).

    Returns:
        Pairs (row, column).
    """
    best_rows = first >= first.max(0, keepdim=True).values
    best_columns = second >= second.max(1, keepdim=True).values
    return [(int(i), int(j)) for i, j in (best_rows & best_columns).nonzero()]
