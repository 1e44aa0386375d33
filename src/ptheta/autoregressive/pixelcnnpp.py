"""PixelCNN++: whole pixels in raster order, from convolutions at several resolutions.

Three changes to the gated PixelCNN. The network has two streams of *shifted* convolutions, one over the rows above and
one over what lies to the left as well, which go down to a quarter of the size and up again, with shortcuts. It sees
pixels, not channels, so no layer has a mask and no feature belongs to a channel. And levels are not classes: a pixel is
a mixture of K discretised logistics, shared by its channels, whose means depend linearly on the channels before:

    p(r, g, b) = sum_k pi_k L(r; mu_rk, s_rk) L(g; mu_gk + a_k r, s_gk) L(b; mu_bk + b_k r + c_k g, s_bk),  # eq. 2, 3

with L the mass of a logistic between two levels, the end levels taking the tails, and r, g scaled to [-1, 1]. By
Bayes' rule the conditional of a channel is again such a mixture, whose weights have seen the channels before:

    p(g | r) = sum_k w_k L(g; mu_gk + a_k r, s_gk),    w_k proportional to pi_k L(r; mu_rk, s_rk),

so the chain over channels is exact, and it is what ``conditionals`` gives. Bits have one Bernoulli per channel, whose
logit depends linearly on the channels before.

A score is one pass. For a sample, the stream over the rows above goes row by row, the other pixel by pixel, and a
resolution of 1 / 2^k is computed only where it is due: every feature once.

Not assumed: any mask; smaller resolutions see far in few layers, and there is no blind spot within their reach.
Assumed: that channels of a pixel depend on each other linearly, within a component.

Known limits:
    Of the row just above, a pixel in an odd row sees no more than the layers at full size reach. Symbols have no order,
    so they have no logistic, and are refused.

References:
    PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications
    (Salimans, Karpathy, Chen & Kingma, 2017) https://arxiv.org/abs/1701.05517
    Fast Generation for Convolutional Autoregressive Models (Ramachandran et al., 2017)
    https://arxiv.org/abs/1704.06001
"""

from collections.abc import Callable
from itertools import repeat
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive.autoregressive import THERMOMETER, Autoregressive
from ptheta.autoregressive.orders import pixel_order
from ptheta.autoregressive.pixelcnn import image_shape
from ptheta.autoregressive.sampling import Choice
from ptheta.distributions.heads import BernoulliHead, LogisticMixtureHead
from ptheta.model import require_sizes
from ptheta.nn.causal import CausalConv, PixelCache, RowCache
from ptheta.nn.contexts import Reader
from ptheta.nn.shifted import Stream
from ptheta.nn.shifted_steps import Pixels, Rows, Whole
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, require

__all__ = ["PixelCNNPP"]

Value = Callable[[int, Tensor], tuple[Tensor, Tensor]]


@final
class PixelCNNPP(Autoregressive):
    """Two streams of shifted convolutions and one distribution per pixel, for images of any size and channels.

    Args:
        space: ``Binary`` or ``Levels``, of shape (channels, height, width).
        width: The features of every block.
        layers: The blocks of each stream at each resolution on the way down; one more on the way up.
        scales: The number of resolutions, each half of the one before.
        components: The components of a pixel's mixture, on levels.
        dropout: The share of features zeroed inside a block while training.
        context_space: What one context is, or None. A context moves every gate, a picture each pixel's by
            what lies there.
        reader: What the network sees of a context; None lets the space of contexts choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = PixelCNNPP(Levels((3, 5, 6), 256), width=4, layers=1, components=2)
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, model.log_prob(x).shape
        (torch.Size([2, 3, 5, 6]), torch.Size([2]))
    """

    def __init__(
        self,
        space: Space,
        *,
        width: int = 32,
        layers: int = 2,
        scales: int = 3,
        components: int = 10,
        dropout: float = 0.0,
        context_space: Space | None = None,
        reader: Reader | None = None,
        optimizer: Optimizer = Adam(learning_rate=1e-3),  # noqa: B008  (frozen)
    ) -> None:
        require(space, Binary, Levels, who="PixelCNNPP")
        require_sizes("PixelCNNPP", width=width, layers=layers, scales=scales, components=components)
        self.shape = image_shape(space, "PixelCNNPP")
        head = LogisticMixtureHead(space.n, components) if isinstance(space, Levels) else BernoulliHead()
        order = pixel_order(space.shape, "raster")
        super().__init__(space, context_space, reader, order, head, optimizer, size=self.shape[1:])
        channels, self.scales = self.shape[0], scales
        context = 0 if self.reader is None else self.reader.shape[0]
        inputs = channels * self.features + 1  # a feature that is always 1 tells the image from the padding
        self.above = CausalConv(inputs, width, (2, 3), shift=(1, 0))
        self.just_above = CausalConv(inputs, width, (1, 3), shift=(1, 0))
        self.just_left = CausalConv(inputs, width, (2, 1), shift=(0, 1))
        settings = {"scales": scales, "blocks": layers, "context": context, "dropout": dropout}
        self.rows_above = Stream(width, (2, 3), 1, told=False, **settings)
        self.all_before = Stream(width, (2, 2), 1, told=True, **settings)
        self.output = nn.Linear(width, pixel_parameters(channels, head))

    def conditionals(self, cells: Tensor, context: Tensor | None = None) -> Tensor:
        channels, height, width = self.shape
        pixels = self.look(cells, self.output.bias.dtype).reshape(-1, height, width, channels, self.features)
        x = F.pad(pixels.flatten(3), (0, 1), value=1.0)
        steps = Whole((height, width), self.scales, self.condition(context))
        told = self.rows_above(self.above(x), repeat(None), steps)
        y = self.all_before(self.just_above(x) + self.just_left(x), told, steps)[-1]
        known = cells.reshape(-1, height, width, channels)
        params = self._channels(self.output(F.elu(y)), lambda c, _: (known[..., c], pixels[..., c, :]))
        return torch.stack(params, -2).reshape(*cells.shape, self.head.width)

    def draw(self, choice: Choice, n: int, context: Tensor | None = None) -> Tensor:
        (_, height, width), c = self.shape, self.condition(context)
        rows, pixels = Rows(self.rows_above, n, (height, width), c), Pixels(self.all_before, n, (height, width), c)
        above, just_above = RowCache(self.above, n, width), RowCache(self.just_above, n, width)
        just_left = PixelCache(self.just_left, n, width, pixels.places[0])
        cells: list[Tensor] = []
        for i in range(height):
            rows.row = pixels.row = i
            pixels.next_row()
            if i:
                above.put(just_left.row())
                just_above.put(just_left.row())
            just_left.next_row()
            told = [said.transpose(0, 1) for said in self.rows_above(above.at(), repeat(None), rows)]
            start = just_above.at()
            for j in range(width):
                pixels.go_to(j)
                y = self.all_before(start[:, j] + just_left.at(), told, pixels)[-1]
                seen: list[Tensor] = []

                def draw(c: int, params: Tensor, seen: list[Tensor] = seen) -> tuple[Tensor, Tensor]:
                    cells.append(choice(len(cells), params))
                    seen.append(self.look(cells[-1], params.dtype))
                    return cells[-1], seen[-1]

                self._channels(self.output(F.elu(y)), draw)
                just_left.put(F.pad(torch.cat(seen, 1), (0, 1), value=1.0))
        return torch.stack(cells, 1)

    def _channels(self, params: Tensor, value: Value) -> list[Tensor]:
        """The chain over the channels of a pixel.

        Args:
            params: What the network says of a pixel, with shape (..., numbers).
            value: Takes a channel and its head parameters; returns its cells (...), and what the network sees of them.

        Returns:
            Head parameters per channel, with shape (..., head.width) each.
        """
        if isinstance(self.head, LogisticMixtureHead):
            return logistic_channels(params, value, self.head, self.shape[0])
        return bernoulli_channels(params, value, self.shape[0])


def pixel_parameters(channels: int, head: BernoulliHead | LogisticMixtureHead) -> int:
    """How many numbers the network says of a pixel."""
    pairs = channels * (channels - 1) // 2
    if isinstance(head, BernoulliHead):
        return channels + pairs
    return head.components * (1 + 2 * channels + pairs)


def bernoulli_channels(params: Tensor, value: Value, channels: int) -> list[Tensor]:
    """The logit of each channel's bit, linear in the bits before it: see ``logistic_channels``."""
    logits, slopes = params[..., :channels], iter(params[..., channels:].unbind(-1))
    found, before = [], []
    for c, logit in enumerate(logits.unbind(-1)):
        found.append((logit + sum(next(slopes) * x for x in before))[..., None])
        before.append(value(c, found[-1])[1].squeeze(-1))
    return found


def logistic_channels(params: Tensor, value: Value, head: LogisticMixtureHead, channels: int) -> list[Tensor]:
    """The mixture of a pixel as one mixture per channel, each given the channels before.

    Args:
        params: Weights, means, log scales and slopes, with shape (..., numbers).
        value: Takes a channel and its head parameters; returns its cells (...), and what the network sees of them.
        head: The head of one channel.
        channels: The number of channels.

    Returns:
        Head parameters per channel, with shape (..., head.width) each.
    """
    pairs, part = channels * (channels - 1) // 2, LogisticMixtureHead(head.n, 1, head.min_log_scale)
    numbers = params.unflatten(-1, (-1, head.components)).split([1, channels, channels, pairs], -2)
    weight, slopes, found, before = numbers[0].squeeze(-2), iter(numbers[3].tanh().unbind(-2)), [], []
    for c, (mean, log_scale) in enumerate(zip(numbers[1].unbind(-2), numbers[2].unbind(-2), strict=True)):
        mean = mean + sum(next(slopes) * x for x in before)  # eq. 3
        found.append(torch.cat([weight, mean, log_scale], -1))
        cells, seen = value(c, found[-1])
        if c < channels - 1:
            each = torch.stack([torch.zeros_like(mean), mean, log_scale], -1)  # K mixtures of one part
            weight = weight + part.log_prob(each, cells[..., None].expand_as(mean))  # eq. 2, by Bayes' rule
            before.append(seen if head.n > THERMOMETER else 2 * seen.mean(-1, keepdim=True) - 1)  # in [-1, 1]
    return found
