"""A residual MLP: a vector to a vector of the same shape, given a time and context features.

The U-Net's counterpart where an event is not an image. Each block adds to its input what two linear layers make of it,
scaled and shifted by the embedding; the last layer starts at zero, so a fresh network returns zeros.

References:
    Deep Residual Learning for Image Recognition (He et al., 2015), https://arxiv.org/abs/1512.03385
    FiLM: Visual Reasoning with a General Conditioning Layer (Perez et al., 2017), https://arxiv.org/abs/1709.07871
"""

import math
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.embeddings import TimeEmbedding

__all__ = ["ResidualMLP"]


@final
class ResidualMLP(nn.Module):
    """Maps events of any shape, flattened, to the same shape, given times and context features.

    Args:
        shape: The shape of one event.
        width: The width of the hidden layers; even.
        blocks: The number of residual blocks.
        context: The number of context features, 0 for none.
        outputs: How many numbers come out, if it is not an event.

    Example:
        >>> import torch
        >>> network = ResidualMLP((2,), width=8)
        >>> network(torch.zeros(4, 2), torch.rand(4)).shape
        torch.Size([4, 2])
    """

    def __init__(
        self, shape: tuple[int, ...], *, width: int = 256, blocks: int = 3, context: int = 0, outputs: int | None = None
    ) -> None:
        super().__init__()
        features, self.outputs = math.prod(shape), outputs
        self.embed = TimeEmbedding(width, context)
        self.enter = nn.Linear(features, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.leave = nn.Linear(width, features if outputs is None else outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps events (B, *shape), times (B,) in [0, 1] and features (B, context) to (B, *shape), or (B, outputs)."""
        embedding = F.silu(self.embed(t, context))
        h = self.enter(x.flatten(1) if x.ndim > 1 else x[:, None])  # (B, width)
        for block in self.blocks:
            h = block(h, embedding)
        y = self.leave(F.silu(h))
        return y if self.outputs else y.reshape(x.shape)


@final
class _Block(nn.Module):
    """Two linear layers around a skip; the embedding scales and shifts the features between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.modulate = nn.Linear(width, 2 * width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulate(embedding).chunk(2, 1)
        return x + self.second(F.silu(self.first(self.norm(x)) * (1 + scale) + shift))
