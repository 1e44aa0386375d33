"""Information theory on tables and Gaussians: what likelihoods are measured in.

    information     -log p(x): how surprised one is by x
    entropy         H(P) = E_p -log p: the expected information, the length of the best code
    cross-entropy   H(P, Q) = E_p -log q: the length of Q's code on P's events
    KL              KL(P || Q) = H(P, Q) - H(P) >= 0: the excess over the entropy, what the wrong code costs
    reverse KL      KL(Q || P)
    Jensen-Shannon  JS(P, Q) = KL(P || M) / 2 + KL(Q || M) / 2, M = (P + Q) / 2, at most log 2

Since H(P) does not depend on Q, minimising KL and minimising the cross-entropy (maximum likelihood) are the same. The
base of the logarithm is an argument: e gives nats, 2 gives bits.

References:
    A Mathematical Theory of Communication (Shannon, 1948) https://doi.org/10.1002/j.1538-7305.1948.tb01338.x
    On Information and Sufficiency (Kullback & Leibler, 1951) https://doi.org/10.1214/aoms/1177729694
    Divergence Measures Based on the Shannon Entropy (Lin, 1991) https://doi.org/10.1109/18.61115
"""

import math

import torch
from torch import Tensor

__all__ = [
    "cross_entropy",
    "entropy",
    "gaussian_kl",
    "information",
    "jensen_shannon",
    "kl",
    "mutual_information",
    "optimal_discriminator",
    "reverse_kl",
]


def information(p: Tensor, base: float = math.e) -> Tensor:
    """The information -log p of events with probability p.

    Args:
        p: Probabilities, with shape (...).
        base: Of the logarithm.

    Returns:
        With shape (...).

    Example:
        >>> information(torch.tensor(0.5), base=2).item()
        1.0
    """
    return -p.log() / math.log(base)


def entropy(p: Tensor, base: float = math.e) -> Tensor:
    """H(P) of tables.

    Args:
        p: Probabilities with shape (..., m), each row adding to one.
        base: Of the logarithm.

    Returns:
        With shape (...).
    """
    return cross_entropy(p, p, base)


def cross_entropy(p: Tensor, q: Tensor, base: float = math.e) -> Tensor:
    """H(P, Q) of tables: infinite where Q gives probability zero to what happens.

    Args:
        p: Probabilities with shape (..., m).
        q: Probabilities with shape (..., m).
        base: Of the logarithm.

    Returns:
        With shape (...).
    """
    for name, table in (("p", p), ("q", q)):
        _check(table, name)
    return -torch.special.xlogy(p, q).sum(-1) / math.log(base)


def kl(p: Tensor, q: Tensor, base: float = math.e) -> Tensor:
    """KL(P || Q) = H(P, Q) - H(P) of tables.

    Args:
        p: Probabilities with shape (..., m).
        q: Probabilities with shape (..., m).
        base: Of the logarithm.

    Returns:
        With shape (...).
    """
    return cross_entropy(p, q, base) - entropy(p, base)


def reverse_kl(p: Tensor, q: Tensor, base: float = math.e) -> Tensor:
    """KL(Q || P) of tables.

    Args:
        p: Probabilities with shape (..., m).
        q: Probabilities with shape (..., m).
        base: Of the logarithm.

    Returns:
        With shape (...).
    """
    return kl(q, p, base)


def jensen_shannon(p: Tensor, q: Tensor, base: float = math.e) -> Tensor:
    """The usual Jensen-Shannon divergence of tables, at most log 2; the f-GAN paper's is twice it.

    Args:
        p: Probabilities with shape (..., m).
        q: Probabilities with shape (..., m).
        base: Of the logarithm.

    Returns:
        With shape (...).
    """
    m = (p + q) / 2
    return (kl(p, m, base) + kl(q, m, base)) / 2


def mutual_information(joint: Tensor, base: float = math.e) -> Tensor:
    """I(X; Y) = KL(P(x, y) || P(x) P(y)) of a joint table.

    Args:
        joint: Probabilities with shape (..., m, k), adding to one over both axes.
        base: Of the logarithm.

    Returns:
        With shape (...).
    """
    product = joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)
    return kl(joint.flatten(-2), product.flatten(-2), base)


def gaussian_kl(mean: Tensor, variance: Tensor, other_mean: Tensor, other_variance: Tensor) -> Tensor:
    """KL of N(mean, variance) from N(other_mean, other_variance) in nats, in one dimension.

    Args:
        mean: With shape (...).
        variance: Positive, with shape (...).
        other_mean: With shape (...).
        other_variance: Positive, with shape (...).

    Returns:
        (v / w + (m - n)^2 / w - 1 - log(v / w)) / 2, with shape (...).
    """
    ratio = variance / other_variance
    return (ratio + (mean - other_mean) ** 2 / other_variance - 1 - ratio.log()) / 2


def optimal_discriminator(p: Tensor, g: Tensor) -> Tensor:
    """D*(x) = p(x) / (p(x) + g(x)), the best answer to "is x real?" when both are equally frequent.

    Args:
        p: Probabilities or densities of real events, with shape (...).
        g: The same of generated ones, with shape (...).

    Returns:
        With shape (...).
    """
    return p / (p + g)


def _check(p: Tensor, name: str) -> None:
    off = (p.detach().sum(-1) - 1).abs().max().item()
    if off > 1e-4 or bool((p < 0).any()):
        raise ValueError(f"{name} should hold probabilities adding to one over the last axis, but is off by {off:.3g}.")
