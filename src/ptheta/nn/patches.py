"""A critic of patches: one number, or several, for each place of an image, each of which sees a patch of it.

Convolutions of 4 x 4 pixels, the first of them at every other pixel, then two at every pixel. An output sees

    r = 1 + sum over layers of (kernel - 1) * (product of the strides before)                         pixels across:

with one, two, three strided layers 16, 34 and the 70 of the paper. What lies farther away changes nothing, so structure
within a patch is judged and the rest is left to the fidelity term. A context that was read as maps is further channels
of the image; a vector moves all features alike. There is no normalisation: no example depends on another.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2016), section 3.2.2 and appendix
    https://arxiv.org/abs/1611.07004
    Precomputed Real-Time Texture Synthesis with Markovian Generative Adversarial Networks (Li & Wand, 2016)
    https://arxiv.org/abs/1604.04382
"""

from collections.abc import Iterable, Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.contexts import Injection, resized

__all__ = ["PatchCritic", "receptive_field"]

KERNEL = 4


def receptive_field(layers: Iterable[tuple[int, int]]) -> int:
    """How many pixels across one output sees.

    Args:
        layers: The kernel and the stride of each convolution, first to last.

    Returns:
        The side of the patch.

    Example:
        >>> receptive_field([(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)])
        70
    """
    seen, apart = 1, 1
    for kernel, stride in layers:
        seen += (kernel - 1) * apart
        apart *= stride
    return seen


@final
class PatchCritic(nn.Module):
    """Maps images to a number, or several, for each of their patches.

    Args:
        shape: Channels, height and width of the images.
        width: The features after the first layer; they double with each layer, up to four times.
        halvings: How many layers are strided; fewer where the image has no room for them.
        context: The shape of what is read of a context, (F,) or (C, H, W); () for none.
        outputs: How many numbers, such as one for each class; None for one, without a dimension of its own.

    Example:
        >>> critic = PatchCritic((3, 16, 20), width=4, halvings=1)
        >>> critic.field, critic(torch.zeros(2, 3, 16, 20)).shape
        (16, torch.Size([2, 6, 8]))
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        width: int = 32,
        halvings: int = 1,
        context: tuple[int, ...] = (),
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        channels, height, breadth = shape
        if min(height, breadth) < KERNEL:
            raise ValueError(f"a critic of patches needs images of at least {KERNEL} x {KERNEL}, not {tuple(shape)}.")
        room = max(0, (min(height, breadth) // KERNEL).bit_length() - 1)
        strides = [2] * min(halvings, room) + [1, 1]
        vector, maps = (0, context[0]) if len(context) == 3 else (sum(context), 0)
        widths = [channels + maps, *(width * min(2**i, 4) for i in range(len(strides) - 1)), outputs or 1]
        self.layers = nn.ModuleList(
            nn.Conv2d(widths[i], widths[i + 1], KERNEL, stride, 1) for i, stride in enumerate(strides)
        )
        self.context = nn.ModuleList(Injection(context, w) for w in widths[1:-1] if vector)
        self.outputs = outputs
        self.field = receptive_field((KERNEL, stride) for stride in strides)

    def forward(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps images (B, channels, H, W) and contexts as they were read to numbers (B, [outputs,] rows, columns)."""
        if context is not None and context.ndim == 4:
            y, context = torch.cat([y, resized(context, y.shape[2:])], 1), None
        *hidden, last = self.layers
        for i, layer in enumerate(hidden):
            y = layer(y) if context is None else layer(y) + self.context[i](context, y.shape[2:])
            y = F.leaky_relu(y, 0.2)
        return last(y).squeeze(1) if self.outputs is None else last(y)
