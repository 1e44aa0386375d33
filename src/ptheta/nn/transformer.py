"""Causal self-attention over a sequence: whole sequences at once, or one step at a time with keys and values kept.

Blocks normalise before they act (pre-norm), which trains without a warm-up:

    x <- x + attention(norm(x)),    x <- x + mlp(norm(x)).

References:
    Attention Is All You Need (Vaswani et al., 2017) https://arxiv.org/abs/1706.03762
    Language Models are Unsupervised Multitask Learners (Radford et al., 2019)
    https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
"""

import math
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CausalTransformer"]


@final
class _Block(nn.Module):
    """One layer: attention to the past and oneself, then a small MLP."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, width) to (B, T, width); row t sees rows up to t."""
        q, k, v = self._heads(x)
        rate = self.dropout.p if self.dropout.training else 0.0
        return self._finish(x, F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=rate))  # eq. 1

    def step(self, x: Tensor, keys: Tensor, values: Tensor, t: int) -> Tensor:
        """Maps row t, with shape (B, 1, width); writes its keys and values (B, heads, T, width / heads) in place."""
        q, keys[:, :, t : t + 1], values[:, :, t : t + 1] = self._heads(x)
        return self._finish(x, F.scaled_dot_product_attention(q, keys[:, :, : t + 1], values[:, :, : t + 1]))

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.qkv(self.attention_norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v  # (B, heads, T, width / heads) each

    def _finish(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.dropout(self.projection(attended.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.down(F.gelu(self.up(self.mlp_norm(x)))))


@final
class CausalTransformer(nn.Module):
    """Blocks of causal self-attention, and a last normalisation.

    Args:
        width: The number of features of one step.
        layers: How many blocks.
        heads: How many attention heads; divides the width.
        dropout: The rate of dropout inside the blocks, in training mode.
    """

    def __init__(self, width: int, *, layers: int = 4, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width should be a multiple of heads, but {width} is not one of {heads}.")
        self.width, self.heads = width, heads
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.apply(_initialise)
        for name, p in self.named_parameters():
            if name.endswith(("projection.weight", "down.weight")):  # so that the sum over layers keeps its size
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers))
        self.eval()  # nothing is dropped before it is trained

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, width) to (B, T, width); row t sees rows up to t."""
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def start(self, n: int, length: int) -> list[tuple[Tensor, Tensor]]:
        """Room for the keys and values of n sequences of a length, per block."""
        shape = (n, self.heads, length, self.width // self.heads)
        p = self.norm.weight
        return [(p.new_empty(shape), p.new_empty(shape)) for _ in self.blocks]

    def step(self, x: Tensor, memory: list[tuple[Tensor, Tensor]], t: int) -> Tensor:
        """Maps row t of n sequences, with shape (n, width), and keeps its keys and values in ``memory``."""
        x = x[:, None]
        for block, (keys, values) in zip(self.blocks, memory, strict=True):
            assert isinstance(block, _Block)
            x = block.step(x, keys, values, t)
        return self.norm(x)[:, 0]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
