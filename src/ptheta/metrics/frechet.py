"""The Fréchet distance: how far two clouds of features are apart, were both Gaussian.

    FD = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2)

with the means m and covariances S of the features. It costs O(n d^2 + d^3). It falls as 1/n even for identical
distributions, by an amount that depends on the model, so only distances at the same n compare; it sees means and
covariances only, and not whether the training set was copied. It is called FID only on the features of one particular
network, which this library does not have.

References:
    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017)
    https://arxiv.org/abs/1706.08500
    Effectively Unbiased FID and Inception Score and where to find them (Chong, Forsyth, 2020)
    https://arxiv.org/abs/1911.07023
"""

import torch
from torch import Tensor

__all__ = ["frechet_distance"]


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """The Fréchet distance between Gaussians fitted to two sets of features.

    Args:
        real: Features with shape (n, d).
        fake: Features with shape (m, d).

    Returns:
        The squared distance, at least 0; 0 is perfect. Raises ValueError if either set has fewer events than
        features: its covariance would be singular and the number mostly bias.

    Example:
        >>> x = torch.tensor([[0.0], [2.0]])
        >>> frechet_distance(x, x + 3)
        9.0
    """
    n, d = min(len(real), len(fake)), real.shape[1]
    if n < d:
        raise ValueError(f"a Fréchet distance needs at least as many events as features, but has {n} and {d}.")
    return frechet_distance_at_any_n(real, fake)


def frechet_distance_at_any_n(real: Tensor, fake: Tensor) -> float:
    """The same without the refusal, for the half samples of an interval."""
    real, fake = real.double(), fake.double()
    shift = (real.mean(0) - fake.mean(0)).square().sum()
    cov_real, cov_fake = _covariance(real), _covariance(fake)
    values, basis = torch.linalg.eigh(cov_real)
    root = basis * values.clamp(min=0).sqrt() @ basis.T
    product = torch.linalg.eigvalsh(root @ cov_fake @ root).clamp(min=0).sqrt().sum()
    return max(0.0, (shift + cov_real.trace() + cov_fake.trace() - 2 * product).item())


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)
