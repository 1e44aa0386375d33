"""Priors p(z) of latent variables: any model over ``Real((latent,))`` with a ``log_prob`` and a ``sample`` is one.

    StandardNormal   p(z) = N(z; 0, I)
    MixturePrior     p(z) = sum_k w_k N(z; m_k, diag s_k^2), learned along with the decoder
    VampPrior        p(z) = (1/K) sum_k q(z | u_k), the encoder's own posteriors of K learned pseudo-events u_k

The best prior for a fixed encoder is the aggregate posterior, the mean of q(z | x) over the data. It is a mixture with
one component per datum; a learned mixture comes near it with far fewer, and pseudo-events keep its components among
the posteriors that the encoder gives.

References:
    VAE with a VampPrior (Tomczak & Welling, 2017) https://arxiv.org/abs/1705.07120
    (``MixturePrior`` is its baseline "mixture of Gaussians", whose components are free parameters)
"""

import math
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ptheta.model import Distribution, LossModel, Model, require_sizes
from ptheta.noise import Noise
from ptheta.spaces import Real, Space

__all__ = ["MixturePrior", "StandardNormal", "VampPrior"]


@final
class StandardNormal(nn.Module, Distribution):
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

    def fit(self, data: Any, **training: Any) -> Self:
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
        return _mixture_log_prob(x, self.logits.log_softmax(0), self.means, self.log_scales)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-density in nats, with shape (B,)."""
        return -self.log_prob(x)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n points, with shape (n, latent)."""
        self.check_context(n, context)
        return _mixture_sample(n, self.logits, self.means, self.log_scales, noise or Noise())


@final
class VampPrior(LossModel):
    """The mean of an encoder's posteriors of learned pseudo-events. It takes no contexts.

    Args:
        encoder: The encoder of the model whose prior it is, by which it is trained and saved: embedded events to means
            and log standard deviations.
        space: What one event is.
        latent: The number of variables.
        components: The number K of pseudo-events, reals in the place of embedded events.

    Example:
        >>> from ptheta import Binary
        >>> from ptheta.nn.mlp import MLP
        >>> prior = VampPrior(MLP(6, 4), Binary((6,)), 2, components=5)
        >>> prior.sample(3).shape, prior.log_prob(torch.zeros(1, 2)).shape
        (torch.Size([3, 2]), torch.Size([1]))
    """

    def __init__(self, encoder: nn.Module, space: Space, latent: int, components: int = 500) -> None:
        super().__init__()
        require_sizes("VampPrior", components=components)
        self.space: Space = Real((latent,))
        self.context_space = None
        self.pseudo = nn.Parameter(0.1 * torch.randn(components, *space.embedded_shape))
        self.encoder = (encoder,)  # in a tuple: it belongs to the model

    def start_at(self, y: Tensor) -> None:
        """Puts the pseudo-events near embedded events y, in turn."""
        with torch.no_grad():
            self.pseudo += y[torch.arange(len(self.pseudo), device=y.device) % len(y)]

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The log-density in nats of points with shape (B, latent), with shape (B,). One pass of the encoder."""
        _check_shape(self, x, context)
        means, log_scales = self._posteriors()
        return _mixture_log_prob(x, means.new_full((len(means),), -math.log(len(means))), means, log_scales)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative log-density in nats, with shape (B,)."""
        return -self.log_prob(x)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n points, with shape (n, latent)."""
        self.check_context(n, context)
        means, log_scales = self._posteriors()
        return _mixture_sample(n, means.new_zeros(len(means)), means, log_scales, noise or Noise())

    def _posteriors(self) -> tuple[Tensor, Tensor]:
        return gaussian_of(self.encoder[0](self.pseudo, None).to(self.pseudo.dtype))


def gaussian_of(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the log standard deviation that an encoder's outputs (B, 2 * latent) are, within safe bounds."""
    mean, log_std = outputs.chunk(2, 1)
    return mean, log_std.clamp(-8, 4)


def _mixture_log_prob(x: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """The log-density of points (B, latent) under Gaussians with means and log scales (K, latent), with shape (B,)."""
    with torch.autocast(x.device.type, enabled=False):  # the squares below cancel, and would not in bfloat16
        x = x.to(means.dtype)
        precision = (-2 * log_scales).exp()  # (K, latent)
        square = x.square() @ precision.T - 2 * x @ (precision * means).T
        square = square + (precision * means.square()).sum(1)  # (B, K)
        constant = log_scales.sum(1) + 0.5 * means.shape[1] * math.log(2 * math.pi)
        return torch.logsumexp(log_weights - constant - 0.5 * square, 1)


def _mixture_sample(n: int, logits: Tensor, means: Tensor, log_scales: Tensor, noise: Noise) -> Tensor:
    cdf = logits.softmax(0).cumsum(0)
    u = noise.uniform((n,), "component", like=cdf) * cdf[-1]
    k = torch.searchsorted(cdf, u, right=True).clamp(max=len(cdf) - 1)
    return means[k] + log_scales[k].exp() * noise.normal((n, means.shape[1]), "prior", like=cdf)


def _check_shape(prior: Model, x: Tensor, context: Tensor | None) -> None:
    """Refuses bad points as every model does, but lets NaN through: training reports it by step and loss."""
    prior.check(x.detach().nan_to_num() if isinstance(x, Tensor) else x, context)
