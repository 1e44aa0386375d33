"""Two-player games small enough to solve: why training a game is not minimising a loss.

In min_x max_y x y the only equilibrium is (0, 0), but simultaneous gradient steps turn round it and move away:
(x, y) <- (x - eta y, y + eta x) multiplies x^2 + y^2 by exactly 1 + eta^2. A GAN's training is such a game.

References:
    The Numerics of GANs (Mescheder, Nowozin & Geiger, 2017) https://arxiv.org/abs/1705.10461
    Non-Cooperative Games (Nash, 1951) https://doi.org/10.2307/1969529
"""

import torch
from torch import Tensor

__all__ = ["pure_equilibria", "simultaneous_steps"]


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
    turn = torch.tensor([[1, -rate], [rate, 1]], dtype=torch.float64)
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
