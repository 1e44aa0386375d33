"""Embeddings: how a network sees a time, beside the event.

A time t in [0, 1] becomes sines and cosines at geometrically spaced frequencies, so that neighbouring times look alike
and distant ones do not, followed by a small MLP. Contexts enter as plain features (one-hot classes, say), through a
linear map of their own: no context is the same as one of zeros.

References:
    Attention Is All You Need (Vaswani et al., 2017), section 3.5, https://arxiv.org/abs/1706.03762
    Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020), appendix B, https://arxiv.org/abs/2006.11239
"""

import math
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["TimeEmbedding", "sinusoids"]


def sinusoids(t: Tensor, features: int, period: float = 10_000.0) -> Tensor:
    """Cosines and sines of times, at angular frequencies from 1 down to 1 / period.

    Args:
        t: Times with shape (B,).
        features: How many numbers one time becomes; even.
        period: The ratio of the fastest to the slowest frequency.

    Returns:
        The features, with shape (B, features).
    """
    half = features // 2
    frequency = torch.exp(-math.log(period) / max(half - 1, 1) * torch.arange(half, dtype=t.dtype, device=t.device))
    angle = t[:, None] * frequency  # (B, half)
    return torch.cat([angle.cos(), angle.sin()], 1)


@final
class TimeEmbedding(nn.Module):
    """Embeds a time in [0, 1], and context features beside it.

    Args:
        features: The width of the embedding; even.
        context: The number of context features, 0 for none.
        scale: Times are multiplied by this first: where the paper counts steps 1, ..., 1000.
    """

    def __init__(self, features: int, context: int = 0, scale: float = 1000.0) -> None:
        super().__init__()
        self.features = features
        self.scale = scale
        self.mlp = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, features))
        self.context = nn.Linear(context, features, bias=False) if context else None

    def forward(self, t: Tensor, context: Tensor | None = None) -> Tensor:
        """Embeds times (B,) and context features (B, context), with shape (B, features)."""
        h = self.mlp(sinusoids(self.scale * t, self.features))
        return h if self.context is None or context is None else h + self.context(context)
