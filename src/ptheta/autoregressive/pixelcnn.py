"""PixelCNN: the pixels of an image in raster order, all conditionals from one stack of masked convolutions.

Pixel by pixel, row after row, and within a pixel channel by channel:

    p(x) = prod_i p(x_i,R | x_<i) p(x_i,G | x_<i, x_i,R) p(x_i,B | x_<i, x_i,R, x_i,G).                          # eq. 2

The first layer is 7 x 7 with mask A: a feature of channel c sees the pixels before and the channels before c. All
others have mask B: it sees itself too. Between them stand residual blocks, 2h -> h -> 2h features, whose middle layer
is 3 x 3; two layers of 1 x 1 end in the parameters of the head. Kernels are cut off after the pixel itself, so the
zeros of the masks cost (almost) nothing.

A score is one pass, O(D blocks h^2). A sample costs about as much: every feature of every pixel is computed once, what
the row above contributes to a layer in one product per row.

Not assumed: anything about the image, if every pixel reached all after it. It does not: b blocks reach 3 + b rows up,
and the paper's masks leave a *blind spot*. A 3 x 3 kernel with mask B steps one pixel left, or up and at most one
pixel right. So what lies up and to the right is only seen within a cone: from the first layer's window, three pixels
to each side and three rows up, the b blocks go one column right only together with one row up. A pixel u rows up and
r columns right is seen if r <= u and u <= 3 + b, or by the first layer alone; with few rows between, the far right is
not (``is_seen``). The gated PixelCNN has none.

References:
    Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016a)
    https://arxiv.org/abs/1601.06759
    Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016b), on the blind spot
    https://arxiv.org/abs/1606.05328
"""

import math
from collections.abc import Callable
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.orders import pixel_order
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.nn.causal import CausalConv, PixelCache, Place
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, require

__all__ = ["PixelCNN"]

Layer = Callable[[Tensor], Tensor]


@final
class PixelCNN(Autoregressive):
    """A stack of masked convolutions over an image of any size and any number of channels.

    Args:
        space: ``Binary``, ``Levels`` or ``Symbols``, of shape (channels, height, width).
        hidden: The features h inside a block; there are 2h between blocks. A multiple of the channels.
        blocks: The number of residual blocks.
        kernel: The size of the first kernel, odd.
        context_space: What one context is, or None. A context moves every feature of the first layer.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = PixelCNN(Levels((3, 5, 4), 8), hidden=6, blocks=2)
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([2, 3, 5, 4]), torch.Size([2]))
    """

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 16,
        blocks: int = 15,
        kernel: int = 7,
        context_space: Space | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, who="PixelCNN")
        self.shape = image_shape(space, "PixelCNN")
        super().__init__(space, context_space, pixel_order(space.shape, "raster"), head, optimizer)
        groups = self.shape[0]
        if hidden % groups:
            raise ValueError(f"hidden should be a multiple of the {groups} channels, but it is {hidden}.")
        size = (kernel // 2 + 1, kernel)
        self.first = CausalConv(groups * self.features, 2 * hidden, size, mask="A", groups=groups)
        self.blocks = nn.ModuleList(Block(hidden, groups) for _ in range(blocks))
        self.hidden_output = CausalConv(2 * hidden, 2 * hidden, mask="B", groups=groups)
        self.output = CausalConv(2 * hidden, groups * self.head.width, mask="B", groups=groups)
        self.context_layer = None
        if context_space is not None:
            self.context_layer = nn.Linear(math.prod(context_space.embedded_shape), 2 * hidden, bias=False)

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        channels, height, width = self.shape
        y = self.look(cells, self.output.bias.dtype)  # (B, D, E)
        x = self.first(y.reshape(-1, height, width, channels * self.features))  # (B, H, W, 2h)
        shift = self._shift(context)
        x = self._network(x if shift is None else x + shift[:, None, None], lambda layer: layer)
        return x.reshape(len(cells), self.space.dimensions, self.head.width)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        (channels, height, width), place = self.shape, Place()
        caches = {m: PixelCache(m, n, width, place) for m in self.modules() if isinstance(m, CausalConv)}
        shift = self._shift(context)
        shifts = None if shift is None else shift.chunk(channels, 1)
        cells = []
        for _ in range(height):
            for cache in caches.values():
                cache.next_row()
            for place.column in range(width):
                for place.group in range(channels):
                    x = caches[self.first]()
                    x = x if shifts is None else x + shifts[place.group]
                    cells.append(choice(len(cells), self._network(x, caches.__getitem__)))
                    caches[self.first].put(self.look(cells[-1], x.dtype))
        return torch.stack(cells, 1)

    def _network(self, x: Tensor, use: Callable[[CausalConv], Layer]) -> Tensor:
        """From the features of the first layer to parameters: of whole images, or of one channel of one pixel.

        Args:
            x: Features with shape (..., 2h), or a group of them.
            use: What to call for a layer: itself, or its cache.

        Returns:
            Parameters with shape (..., channels * head.width), or those of one channel.
        """
        for block in self.blocks:
            x = block(x, use)
        return use(self.output)(F.relu(use(self.hidden_output)(F.relu(x))))

    def _shift(self, context: Tensor | None) -> Tensor | None:
        """What a context adds to the features of the first layer, with shape (B, 2h)."""
        c = self.condition(context)
        return None if c is None or self.context_layer is None else self.context_layer(c)


@final
class Block(nn.Module):
    """The residual block of the paper's figure 5: 1 x 1 to half the features, 3 x 3, 1 x 1 back.

    Args:
        hidden: The features h in the middle.
        groups: The number of channel groups.
    """

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.narrow = CausalConv(2 * hidden, hidden, mask="B", groups=groups)
        self.middle = CausalConv(hidden, hidden, (2, 3), mask="B", groups=groups)
        self.widen = CausalConv(hidden, 2 * hidden, mask="B", groups=groups)

    def forward(self, x: Tensor, use: Callable[[CausalConv], Layer]) -> Tensor:
        """Maps features (..., 2h) to the same shape; ``use`` says what to call for a layer."""
        h = use(self.middle)(F.relu(use(self.narrow)(F.relu(x))))
        return x + use(self.widen)(F.relu(h))


def image_shape(space: Space, who: str) -> tuple[int, int, int]:
    """Channels, height and width of a space of images; raises ValueError, in a sentence, for other shapes."""
    if len(space.shape) != 3:
        raise ValueError(f"{who} models images of shape (channels, height, width), but the space is {space}.")
    channels, height, width = space.shape
    return channels, height, width
