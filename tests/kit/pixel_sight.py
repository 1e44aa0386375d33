"""What image models see, worked out on sets of variables, apart from any convolution: the truth that their law needs.

Variables are in raster order, the channels of a pixel one after another. ``sets[r, c, g]`` is what a feature of
channel g at pixel (r, c) has seen, a Boolean vector over variables.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor


def first_layer(channels: int, height: int, width: int, radius: int) -> Tensor:
    """Mask A: the pixels before within the window, and the channels before of the pixel itself."""
    d = channels * height * width
    sets = torch.zeros(height, width, channels, d, dtype=torch.bool)
    variables = torch.arange(d).reshape(height, width, channels)
    for r in range(height):
        for c in range(width):
            top, left = max(r - radius, 0), max(c - radius, 0)
            sets[r, c, :, variables[top:r, left : c + radius + 1].flatten()] = True
            sets[r, c, :, variables[r, left:c].flatten()] = True
            for g in range(channels):
                sets[r, c, g, variables[r, c, :g]] = True
    return sets


def here(sets: Tensor) -> Tensor:
    """Mask B at the pixel itself: channels up to one's own."""
    return sets.cumsum(2).bool()


def row_lstm(channels: int, height: int, width: int, *, radius: int, layers: int) -> Tensor:
    """Of ``RowLSTM``: (D, D), whether conditional i sees variable j."""
    sets = first_layer(channels, height, width, radius)
    for _ in range(layers):
        gates, states = here(sets), torch.zeros_like(sets)
        gates[:, 1:] |= sets[:, :-1].any(2, keepdim=True)  # the pixel to the left
        for r in range(height):
            states[r] = gates[r]
            for c in range(width):
                if r:
                    states[r, c] |= states[r - 1, max(c - 1, 0) : c + 2].any(0).any(0)
        sets = sets | here(states)
    return here(sets).flatten(0, 2)


def diagonal_bilstm(channels: int, height: int, width: int, *, radius: int, layers: int) -> Tensor:
    """Of ``DiagonalBiLSTM``: (D, D), whether conditional i sees variable j."""
    sets = first_layer(channels, height, width, radius)
    for _ in range(layers):
        left, right = here(sets), here(sets)
        for r in range(height):
            for c in range(width):
                for there in ((r, c - 1), (r - 1, c)):
                    if min(there) >= 0:
                        left[r, c] |= left[there].any(0)
            for c in reversed(range(width)):
                for there in ((r, c + 1), (r - 1, c)):
                    if there[0] >= 0 and there[1] < width:
                        right[r, c] |= right[there].any(0)
        states = left
        states[1:] |= right[:-1]
        sets = sets | here(states)
    return here(sets).flatten(0, 2)


def by_offset(channels: int, height: int, width: int, sees: Callable[[int, int], bool]) -> Tensor:
    """(D, D) from whether a pixel sees the one so many rows up and columns to the right; and the channels before."""
    found = torch.zeros(height, width, channels, height, width, channels, dtype=torch.bool)
    for r, c, above, column in itertools.product(range(height), range(width), range(height), range(width)):
        found[r, c, :, above, column] = sees(r - above, column - c)
        found[r, c, :, r, c] = torch.ones(channels, channels).tril(-1).bool()
    return found.flatten(3).flatten(0, 2)


def pixelcnn(channels: int, height: int, width: int, *, radius: int, blocks: int, middle: int = 1) -> Tensor:
    """Of ``PixelCNN``: a block goes left, or up and sideways, ``middle`` pixels each. What is missing is blind."""
    far = radius + middle * blocks

    def sees(up: int, right: int) -> bool:
        if up == 0:
            return -far <= right < 0
        return 0 < up <= far and -far <= right <= radius + middle * min(blocks, up - 1)

    return by_offset(channels, height, width, sees)


def gated_pixelcnn(channels: int, height: int, width: int, *, radius: int, layers: int) -> Tensor:
    """Of ``GatedPixelCNN``: all before it in a square."""
    far = radius + layers - 1
    return by_offset(
        channels, height, width, lambda up, right: abs(right) <= far and (0 < up <= far or (up == 0 and right < 0))
    )
