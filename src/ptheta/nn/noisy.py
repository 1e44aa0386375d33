"""A perceptron with noise before every layer, and weights of a fixed length.

    h <- relu(W (h + s e) + b),      e ~ N(0, I) while training,      w_k = g_k v_k / |v_k|

Rows w_k of W keep the length g_k that ``begin`` gives them (weight normalisation): the first events leave each unit
with mean zero and variance one, so that noise of one size means the same everywhere, and no unit can outgrow it.
Inputs are centred on those events: where most pixels of most events are ground, each would else act as one more bias.

References:
    Weight Normalization (Salimans & Kingma, 2016), section 3 for what is set by data https://arxiv.org/abs/1602.07868
    Improved Techniques for Training GANs (Salimans et al., 2016), whose code has this network for few labels
    https://arxiv.org/abs/1606.03498
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Disturbed", "NoisyMLP", "Normalised"]

DRAWN = 0.1  # the deviation of v, which decides how far one step turns a row
LEAST = 1e-3  # the least deviation that a unit is divided by


@final
class Disturbed(nn.Module):
    """Adds normal noise of a standard deviation while training.

    Args:
        noise: The standard deviation.
    """

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, h: Tensor) -> Tensor:
        """Returns features of the same shape."""
        return h + self.noise * torch.randn_like(h) if self.training and self.noise else h


@final
class NoisyMLP(nn.Module):
    """Maps vectors to features. Inputs are flattened.

    Args:
        inputs: The number of input features of one example.
        widths: The width of each layer; the last is that of the features.
        noise: The standard deviation of what is added before each layer but the first, while training.

    Example:
        >>> NoisyMLP(6, (16, 4))(torch.zeros(5, 2, 3)).shape
        torch.Size([5, 4])
    """

    centre: Tensor

    def __init__(self, inputs: int, widths: Sequence[int], *, noise: float = 0.5) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(inputs))
        self.layers = nn.ModuleList(Normalised(before, after) for before, after in pairwise((inputs, *widths)))
        self.disturbed = Disturbed(noise)

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Sets the centre and the lengths of weights by the first events, with shape (B, *)."""
        h = x.flatten(1)
        self.centre.copy_(h.mean(0))
        h = h - self.centre
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, Normalised)
            h = self.disturbed(h) if i else h
            layer.begin(h)
            h = F.relu(layer(h))

    def forward(self, x: Tensor) -> Tensor:
        """Maps inputs with shape (B, *) to features (B, widths[-1])."""
        h = x.flatten(1) - self.centre
        for i, layer in enumerate(self.layers):
            h = F.relu(layer(self.disturbed(h) if i else h))
        return h


@final
class Normalised(nn.Module):
    """A dense layer whose rows w_k = g_k v_k / |v_k| have lengths of their own.

    Args:
        inputs: The number of input features.
        outputs: The number of output features.
        length: The lengths g that rows begin with.
        learned: Whether lengths are learned; else they stay.
    """

    length: Tensor

    def __init__(self, inputs: int, outputs: int, *, length: float = 1.0, learned: bool = False) -> None:
        super().__init__()
        self.direction = nn.Parameter(DRAWN * torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        lengths = torch.full((outputs,), length)
        if learned:
            self.length = nn.Parameter(lengths)
        else:
            self.register_buffer("length", lengths)

    def begin(self, x: Tensor) -> None:
        """Leaves each unit with mean zero and variance one over the inputs (B, inputs)."""
        y = self(x)
        scale = 1 / y.std(0, correction=0).clamp(min=LEAST)
        self.length.mul_(scale)
        self.bias.copy_((self.bias - y.mean(0)) * scale)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs) to (B, outputs)."""
        return F.linear(x, self.direction * (self.length / self.direction.norm(dim=1))[:, None], self.bias)
