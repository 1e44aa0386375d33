"""Gated PixelCNN: two stacks of convolutions, one above the pixel and one to its left, and no blind spot.

    vertical    a = W_v * v                  v <- tanh(a_1) sigmoid(a_2)                    all rows above
    horizontal  b = W_h * h + W_l a          h <- h + W_o (tanh(b_1) sigmoid(b_2))          and the pixels to the left

The gates are equation 2; a context adds V c to a and to b, with c the same at all pixels (equation 4) or, where it is a
picture, what was read of it at the pixel (equation 5). The first layer is 7 wide, all others 3. The vertical stack sees
whole rows, shifted down by one, so its kernels need no mask; the horizontal one has mask A in the first layer and mask
B after it, for the pixel itself and its channels. The link goes from vertical to horizontal only: the other way, the
vertical stack would see the pixel.

With L layers a pixel sees a whole rectangle, L + 2 rows up and L + 2 columns to each side, and L + 2 pixels to its
left; nothing before it and inside is missed. That is what the plain PixelCNN lacks.

A score is one pass, O(D L p^2). For a sample, the vertical stack is computed row by row, each once, and the horizontal
one pixel by pixel, as in the plain PixelCNN: about as much in D steps.

Not assumed: any form of the conditionals. Assumed: that a pixel depends on others near it, in the same way everywhere.

Known limits:
    What is further away than L + 2 pixels is not seen; biases per pixel (``position``, the recipe's default and not the
    paper's) at least say where in the image a pixel is.

References:
    Conditional Image Generation with PixelCNN Decoders (van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves &
    Kavukcuoglu, 2016b) https://arxiv.org/abs/1606.05328
"""

from collections.abc import Callable
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.orders import pixel_order
from ptheta.autoregressive.pixelcnn import image_shape, require_odd
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import Head
from ptheta.model import require_sizes
from ptheta.nn.causal import CausalConv, PixelCache, Place, RowCache
from ptheta.nn.contexts import Reader, at, features_last
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, require

__all__ = ["GatedPixelCNN"]

Use = Callable[[CausalConv], Callable[..., Tensor]]  # what to call for a layer: itself, or its cache


@final
class GatedPixelCNN(Autoregressive):
    """A vertical and a horizontal stack of gated convolutions, over an image of any size and any number of channels.

    Args:
        space: ``Binary``, ``Levels`` or ``Symbols``, of shape (channels, height, width).
        width: The features p of each stack. A multiple of the channels.
        layers: The number of layers.
        kernel: The size of the first kernel, odd.
        position: Whether every pixel has biases of its own in the first layer, which the paper's have not.
        context_space: What one context is, or None. A context moves every gate, a picture each pixel's by
            what lies there.
        reader: What the network sees of a context; None lets the space of contexts choose.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Classes, Noise
        >>> model = GatedPixelCNN(Binary((1, 4, 6)), width=4, layers=2, context_space=Classes(3))
        >>> model.sample(2, torch.tensor([0, 2]), noise=Noise(0)).shape
        torch.Size([2, 1, 4, 6])
    """

    def __init__(
        self,
        space: Space,
        *,
        width: int = 32,
        layers: int = 7,
        kernel: int = 7,
        position: bool = False,
        context_space: Space | None = None,
        reader: Reader | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, Symbols, who="GatedPixelCNN")
        require_sizes("GatedPixelCNN", width=width, layers=layers)
        require_odd("GatedPixelCNN", kernel=kernel)
        self.shape = image_shape(space, "GatedPixelCNN")
        order = pixel_order(space.shape, "raster")
        super().__init__(space, context_space, reader, order, head, optimizer, size=self.shape[1:])
        groups = self.shape[0]
        if width % groups:
            raise ValueError(f"width should be a multiple of the {groups} channels, but it is {width}.")
        context = 0 if self.reader is None else self.reader.shape[0]
        inputs = [groups * self.features, *[width] * (layers - 1)]
        kernels = [kernel, *[3] * (layers - 1)]
        parts = list(zip(inputs, kernels, strict=True))
        self.vertical = nn.ModuleList(
            VerticalLayer(i, width, k, context, is_first=n == 0) for n, (i, k) in enumerate(parts)
        )
        self.horizontal = nn.ModuleList(
            HorizontalLayer(i, width, k, groups, is_first=n == 0) for n, (i, k) in enumerate(parts)
        )
        self.position = nn.Parameter(torch.zeros(*self.shape[1:], 2 * width)) if position else None
        self.hidden_output = CausalConv(width, width, mask="B", groups=groups)
        self.output = CausalConv(width, groups * self.head.width, mask="B", groups=groups)

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        channels, height, width = self.shape
        x = self.look(cells, self.output.bias.dtype).reshape(-1, height, width, channels * self.features)
        links = self._vertical(x, self._context(context), lambda layer: layer)
        if self.position is not None:
            links[0] = links[0] + self.position
        return self._horizontal(x, links, lambda layer: layer).reshape(*cells.shape, self.head.width)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        (channels, height, width), place, c = self.shape, Place(), self._context(context)
        rows = {m: RowCache(m, n, width) for m in self.vertical.modules() if isinstance(m, CausalConv)}
        after = nn.ModuleList([self.horizontal, self.hidden_output, self.output])
        pixels = {m: PixelCache(m, n, width, place) for m in after.modules() if isinstance(m, CausalConv)}
        image = next(iter(pixels.values()))  # the first layer's cache holds what was drawn
        seen = self.output.bias.new_zeros(n, width, channels * self.features)  # the row above, as the network sees it
        cells: list[Tensor] = []
        for i in range(height):
            for cache in pixels.values():
                cache.next_row()
            links = self._vertical(seen, None if c is None else at(c, i), rows.__getitem__)
            if self.position is not None:
                links[0] = links[0] + self.position[i]
            columns = [link.transpose(0, 1).contiguous() for link in links]  # (W, n, 2p)
            for place.column in range(width):
                here = [column[place.column].chunk(channels, 1) for column in columns]
                for place.group in range(channels):
                    params = self._horizontal(None, [link[place.group] for link in here], pixels.__getitem__)
                    cells.append(choice(len(cells), params))
                    image.put(self.look(cells[-1], params.dtype))
            seen = image.row()
        return torch.stack(cells, 1)

    def _context(self, context: Tensor | None) -> Tensor | None:
        """What was read of contexts, features last, with shape (B, H or 1, W or 1, features)."""
        c = self.condition(context)
        return None if c is None else features_last(c, self.shape[1:])

    def _vertical(self, x: Tensor, c: Tensor | None, use: Use) -> list[Tensor]:
        """What the vertical stack tells each layer of the horizontal one.

        Args:
            x: What the network sees of images, (B, H, W, C E), or of one row, (B, W, C E).
            c: What was read of contexts, features last: of all pixels or of a row; axes of size 1 are for all.
            use: What to call for a layer.

        Returns:
            Per layer, a tensor (B, H, W, 2p), or (B, W, 2p) for the row below.
        """
        links = []
        for layer in self.vertical:
            x, link = layer(x, c, use)
            links.append(link)
        return links

    def _horizontal(self, x: Tensor | None, links: list[Tensor], use: Use) -> Tensor:
        """Parameters of all variables of images, (B, H, W, C width), or of one variable, (B, width).

        Args:
            x: What the network sees of images; None where the first layer's cache was told already.
            links: What the vertical stack tells.
            use: What to call for a layer.

        Returns:
            Parameters of the head.
        """
        for layer, link in zip(self.horizontal, links, strict=True):
            x = layer(x, link, use)
        assert x is not None
        return use(self.output)(F.relu(use(self.hidden_output)(F.relu(x))))


@final
class VerticalLayer(nn.Module):
    """The left half of the paper's figure 2: sees all rows above.

    Args:
        inputs: The features of its input.
        width: The features p of its output.
        kernel: The size of its kernel before it is cut off.
        context: The features of a context at a pixel; 0 for none.
        is_first: Whether its input is the image; then it does not see the pixel's own row.
    """

    def __init__(self, inputs: int, width: int, kernel: int, context: int, *, is_first: bool) -> None:
        super().__init__()
        rows = kernel // 2 + (not is_first)
        self.convolution = CausalConv(inputs, 2 * width, (rows, kernel), shift=(int(is_first), 0))
        self.link = nn.Linear(2 * width, 2 * width, bias=False)
        self.context = nn.Linear(context, 4 * width, bias=False) if context else None

    def forward(self, x: Tensor, c: Tensor | None, use: Use) -> tuple[Tensor, Tensor]:
        """Features after this layer (..., p), and what the horizontal layer adds to its convolution (..., 2p)."""
        a = use(self.convolution)(x)
        if c is None or self.context is None:
            return gate(a, a.shape[-1] // 2), self.link(a)
        shift, link_shift = self.context(c).chunk(2, -1)  # eq. 4, or 5
        a = a + shift
        return gate(a, a.shape[-1] // 2), self.link(a) + link_shift


@final
class HorizontalLayer(nn.Module):
    """The right half of the paper's figure 2: sees the pixels to the left, and what the vertical layer tells.

    Args:
        inputs: The features of its input.
        width: The features p of its output.
        kernel: The size of its kernel before it is cut off.
        groups: The number of channel groups.
        is_first: Whether its input is the image: then it does not see the pixel itself, and adds nothing to its input.
    """

    def __init__(self, inputs: int, width: int, kernel: int, groups: int, *, is_first: bool) -> None:
        super().__init__()
        reach, mask = kernel // 2, "A" if is_first else "B"
        self.is_first, self.part = is_first, width // groups
        self.convolution = CausalConv(inputs, 2 * width, (1, reach + 1), left=reach, mask=mask, groups=groups)
        self.last = CausalConv(width, width, mask="B", groups=groups)

    def forward(self, x: Tensor | None, link: Tensor, use: Use) -> Tensor:
        """Features after this layer, (..., p), or of one channel group of one pixel."""
        h = use(self.last)(gate(use(self.convolution)(x) + link, self.part))
        return h if x is None or self.is_first else x + h


def gate(x: Tensor, part: int) -> Tensor:
    """tanh(first half) sigmoid(second half) of each group: (..., groups 2 part) to (..., groups part); eq. 2."""
    a, b = x.unflatten(-1, (-1, 2, part)).unbind(-2)
    return (a.tanh() * b.sigmoid()).flatten(-2)  # eq. 2
