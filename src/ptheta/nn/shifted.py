"""Two streams of shifted convolutions at several resolutions, down and up again: the network of PixelCNN++.

One stream sees all rows above (kernels 2 x 3); the other sees what lies to the left as well (kernels 2 x 2), and is
told, block by block, what the first one made. Each goes through blocks at full size, half and a quarter, and back; on
the way up every block is handed the output of its twin on the way down.

Nothing sees ahead: a small pixel (I, J) is made of pixels up to (2I, 2J), which know of the image strictly before
(2I, 2J), and it is handed back to pixels (2I, 2J) to (2I + 1, 2J + 1), which may know that.

How a stream is applied, to whole images or to one on its way, is in ``ptheta.nn.shifted_steps``.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.causal import CausalConv

if TYPE_CHECKING:
    from ptheta.nn.shifted_steps import Steps

__all__ = ["Stream", "concat_elu"]


@final
class Stream(nn.Module):
    """One of the two streams.

    Args:
        width: The features of every block.
        kernel: The rows and columns of its kernels; the pixel lies in the last row.
        left: How many columns of the kernel lie left of the pixel.
        told: Whether each block is told the output of the other stream's.
        scales: The number of resolutions.
        blocks: The number of blocks at each resolution on the way down; on the way up one more, but at the smallest.
        context: The features of a context at a pixel; 0 for none.
        dropout: The share of features zeroed inside a block while training.
    """

    def __init__(
        self,
        width: int,
        kernel: tuple[int, int],
        left: int,
        *,
        told: bool,
        scales: int,
        blocks: int,
        context: int,
        dropout: float,
    ) -> None:
        super().__init__()

        def some(n: int, skips: int) -> nn.ModuleList:
            return nn.ModuleList(GatedBlock(width, kernel, left, skips, context, dropout) for _ in range(n))

        self.scales = scales
        self.down = nn.ModuleList(some(blocks, int(told)) for _ in range(scales))
        self.up = nn.ModuleList(some(blocks + (k < scales - 1), 1 + told) for k in range(scales))
        self.shrink = nn.ModuleList(CausalConv(width, width, kernel, left=left, stride=2) for _ in range(scales - 1))
        self.enlarge = nn.ModuleList(Enlarge(width) for _ in range(scales - 1))

    def forward(self, x: Tensor, told: Iterable[Tensor | None], steps: "Steps") -> list[Tensor]:
        """Goes down and up again.

        Args:
            x: Features at full size.
            told: What the other stream's blocks said, in turn; Nones for the stream that is told nothing.
            steps: How a layer is applied: to whole images, or to what is due.

        Returns:
            The output of every block, in turn; the last one is that of the stream.
        """
        said, stack, heard = [], [x], iter(told)
        for k in range(self.scales):
            for block in self.down[k].children():
                said.append(steps.block(k, block, stack[-1], next(heard), None))
                stack.append(said[-1])
            if k < self.scales - 1:
                stack.append(steps.shrink(k, self.shrink[k], stack[-1]))
        x = stack.pop()
        for k in reversed(range(self.scales)):
            for block in self.up[k].children():
                x = steps.block(k, block, x, next(heard), stack.pop())
                said.append(x)
            if k:
                x = steps.enlarge(k, self.enlarge[k - 1], x)
        return said


@final
class GatedBlock(nn.Module):
    """Adds a gated correction of two convolutions to its input.

    Args:
        width: The features, in and out.
        kernel: The rows and columns of its kernels.
        left: How many columns of the kernel lie left of the pixel.
        others: How many other tensors of features it is handed.
        context: The features of a context at a pixel; 0 for none.
        dropout: The share of features zeroed between its convolutions while training.
    """

    def __init__(
        self, width: int, kernel: tuple[int, int], left: int, others: int, context: int, dropout: float
    ) -> None:
        super().__init__()
        self.first = CausalConv(2 * width, width, kernel, left=left)
        self.other = nn.Linear(2 * width * others, width) if others else None
        self.dropout = nn.Dropout(dropout).eval()  # nothing is dropped before it is trained
        self.second = CausalConv(2 * width, 2 * width, kernel, left=left)
        self.context = nn.Linear(context, 2 * width, bias=False) if context else None
        with torch.no_grad():
            self.second.weight.mul_(0.1)  # deep stacks start near the identity

    def forward(self, x: Tensor, others: list[Tensor], c: Tensor | None, use: Any) -> Tensor:
        """Maps features (..., width) to the same shape; ``use`` says what to call for a convolution."""
        h = use(self.first)(concat_elu(x))
        if self.other is not None:
            h = h + self.other(concat_elu(torch.cat(others, -1)))
        h = use(self.second)(self.dropout(concat_elu(h)))
        if c is not None and self.context is not None:
            h = h + self.context(c)
        a, b = h.chunk(2, -1)
        return x + a * b.sigmoid()


@final
class Enlarge(nn.Module):
    """Makes four pixels of each.

    Args:
        width: The features, in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps features (..., width) to those of the four: (..., 2 rows, 2 columns, width)."""
        return self.linear(x).unflatten(-1, (2, 2, -1))


def concat_elu(x: Tensor) -> Tensor:
    """elu of x and of -x, side by side: (..., n) to (..., 2n)."""
    return F.elu(torch.cat([x, -x], -1))
