"""Multilayer perceptrons: the network of vectors, and of anything small enough to flatten.

References:
    cGANs with Projection Discriminator (Miyato & Koyama, 2018) https://arxiv.org/abs/1802.05637
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["MLP", "ProjectionMLP"]


@final
class MLP(nn.Module):
    """A stack of dense layers with an activation after each but the last. Inputs are flattened.

    Args:
        inputs: The number of input features of one example.
        outputs: The number of output features.
        hidden: The width of each hidden layer; none makes the network affine.
        context: The number of context features, joined to the input; 0 for none.
        activation: Makes the activation.
        last: Whether there is one after the last layer too.

    Example:
        >>> net = MLP(6, 4, hidden=(16,), context=3)
        >>> net(torch.zeros(5, 2, 3), torch.zeros(5, 3)).shape
        torch.Size([5, 4])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (256, 256),
        *,
        context: int = 0,
        activation: Callable[[], nn.Module] = nn.SiLU,
        last: bool = False,
    ) -> None:
        super().__init__()
        widths = (inputs + context, *hidden, outputs)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), activation()]
        self.layers = nn.Sequential(*layers if last else layers[:-1])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps inputs with shape (B, *) and context features with shape (B, context) to (B, outputs)."""
        x = x.flatten(1) if x.ndim > 1 else x[:, None]
        return self.layers(x if context is None else torch.cat([x, context], 1))


@final
class ProjectionMLP(nn.Module):
    """A perceptron whose features meet the context in an inner product: outputs are a(h(x)) + <b(c), h(x)> (eq. 3).

    Args:
        inputs: The number of input features of one example.
        outputs: The number of output features.
        hidden: The width of each hidden layer, at least one.
        context: The number of context features.
        activation: Makes the activation.

    Example:
        >>> net = ProjectionMLP(6, 1, hidden=(16,), context=3)
        >>> net(torch.zeros(5, 2, 3), torch.zeros(5, 3)).shape
        torch.Size([5, 1])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (256, 256),
        *,
        context: int,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        *below, features = hidden
        self.features, self.activation = MLP(inputs, features, below, activation=activation), activation()
        self.last = nn.Linear(features, outputs)
        self.match = nn.Linear(context, features, bias=False)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Maps inputs with shape (B, *) and context features with shape (B, context) to (B, outputs)."""
        h = self.activation(self.features(x))  # (B, features)
        return self.last(h) + (self.match(context) * h).sum(1, keepdim=True)
