"""What the bounds of models with codes have in common.

References:
    Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2016) https://arxiv.org/abs/1509.00519
    Ladder Variational Autoencoders (Sonderby et al., 2016), for the warm-up https://arxiv.org/abs/1602.02282
"""

import math

from torch import Tensor

__all__ = ["importance_weighted", "repeated", "warmed_up"]


def importance_weighted(log_w: Tensor) -> Tensor:
    """The bound of k importance-weighted draws, ln (w_1 + ... + w_k) / k (Burda et al., eq. 8), summed in float64.

    Args:
        log_w: ln p(x, z) - ln q(z | x) of k draws for each event, with shape (k, B).

    Returns:
        A lower bound on log p(x), in expectation, in nats, with shape (B,).
    """
    return (log_w.double().logsumexp(0) - math.log(len(log_w))).to(log_w.dtype)


def warmed_up(step: Tensor, warmup: int) -> float:
    """The weight of the rate at a training step, which grows from 0 to 1 over ``warmup`` steps; 1 without any."""
    return min(1.0, float(step) / warmup) if warmup else 1.0


def repeated(x: Tensor, times: int) -> Tensor:
    """Stacks a batch ``times`` times: (B, *) becomes (times * B, *)."""
    return x if times == 1 else x.repeat(times, *(1,) * (x.ndim - 1))
