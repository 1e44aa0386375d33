"""Priors p(z) of latent variables: any model over ``Real((latent,))`` with a ``log_prob`` and a ``sample`` is one.

    StandardNormal   p(z) = N(z; 0, I)
    MixturePrior     p(z) = sum_k w_k N(z; m_k, diag s_k^2), learned along with the decoder

The best prior for a fixed encoder is the aggregate posterior, the mean of q(z | x) over the data. It is a mixture with
one component per datum; a learned mixture comes near it with far fewer.

References:
    VAE with a VampPrior (Tomczak & Welling, 2017) https://arxiv.org/abs/1705.07120
    (``MixturePrior`` is its baseline "mixture of Gaussians", whose components are free parameters)
"""

import math
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ptheta.model import LossModel, Model
from ptheta.noise import Noise
from ptheta.spaces import Real, Space

__all__ = ["MixturePrior", "StandardNormal"]


@final
class StandardNormal(nn.Module, Model):
    """Independent standard normals.

    Args:
        latent: The number of variables.

    Example:
        >>> StandardNormal(2).log_prob(torch.zeros(1, 2))
        tensor([-1.8379])
    """

    zero: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.space: Space = Real((latent,))
        self.context_space = None
        self.register_buffer("zero", torch.zeros(()), persistent=False)  # knows the type and the device

    def fit(self, data: Any, **settings: Any) -> Self:
        """Returns the prior as it is: it has nothing to fit."""
        return self

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The log-density in nats of points with shape (B, latent), with shape (B,)."""
        _check_shape(self, x, context)
        return -0.5 * (x.square() + math.log(2 * math.pi)).sum(1)

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n points, with shape (n, latent)."""
        self.check_context(n, context)
        return (noise or Noise()).normal((n, *self.space.shape), "prior", like=self.zero)


@final
class MixturePrior(LossModel):
    """A mixture of diagonal Gaussians, whose weights, means and scales are learned.

    Args:
        latent: The number of variables.
        components: The number of Gaussians.
        spread: The standard deviation of the means at the start.

    Example:
        >>> prior = MixturePrior(2, components=5)
        >>> prior.sample(3).shape, prior.log_prob(torch.zeros(1, 2)).shape
        (torch.Size([3, 2]), torch.Size([1]))
    """

    def __init__(self, latent: int, components: int = 100, spread: float = 1.0) -> None:
        super().__init__()
        self.space: Space = Real((latent,))
        self.context_space = None
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(spread * torch.randn(components, latent))
        self.log_scales = nn.Parameter(torch.zeros(components, latent))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The log-density in nats of points with shape (B, latent), with shape (B,)."""
        _check_shape(self, x, context)
        with torch.autocast(x.device.type, enabled=False):  # the squares below cancel, and would not in bfloat16
            x = x.to(self.means.dtype)
            precision = (-2 * self.log_scales).exp()  # (K, latent)
            square = x.square() @ precision.T - 2 * x @ (precision * self.means).T
            square = square + (precision * self.means.square()).sum(1)  # (B, K)
            constant = self.log_scales.sum(1) + 0.5 * self.means.shape[1] * math.log(2 * math.pi)
            return torch.logsumexp(self.logits.log_softmax(0) - constant - 0.5 * square, 1)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-density in nats, with shape (B,)."""
        return -self.log_prob(x)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n points, with shape (n, latent)."""
        self.check_context(n, context)
        noise = noise or Noise()
        cdf = self.logits.softmax(0).cumsum(0)
        u = noise.uniform((n,), "component", like=cdf) * cdf[-1]
        k = torch.searchsorted(cdf, u, right=True).clamp(max=len(cdf) - 1)
        return self.means[k] + self.log_scales[k].exp() * noise.normal((n, *self.space.shape), "prior", like=cdf)


def _check_shape(prior: Model, x: Tensor, context: Tensor | None) -> None:
    """Refuses bad points as every model does, but lets NaN through: training reports it by step and loss."""
    prior.check(x.detach().nan_to_num() if isinstance(x, Tensor) else x, context)
