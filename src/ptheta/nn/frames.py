"""Predicting frames: a recurrent network reads those that are given and goes on with those it drew.

A grid of gated recurrent units, joined by convolutions, reads one frame after another; a latent vector then moves its
state, and for each frame to come the state is decoded into a frame, which is read in turn,

    h <- GRU(h, frame),     next frame = 2 sigmoid(gate(h)) last frame + new(h),

before the hyperbolic tangent that keeps levels in their range, so a network that has learned nothing repeats the last
frame, motion is what it learns, and where something left the gate can close. Each p x p patch of a frame is one
position of the grid. A context that was read as a vector moves the state with the latents.

Cost: one step per frame, given or drawn, one after the other.

References:
    Unsupervised Learning of Visual Structure using Predictive Generative Networks (Lotter, Kreiman & Cox, 2015), with
    one recurrent state for the whole frame https://arxiv.org/abs/1511.06380
    Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting (Shi et al., 2015)
    https://arxiv.org/abs/1506.04214
    Delving Deeper into Convolutional Networks for Learning Video Representations (Ballas et al., 2015), for the gates
    https://arxiv.org/abs/1511.06432
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.contexts import resized
from ptheta.nn.unet import in_patches

__all__ = ["FramePredictor"]

LARGEST = 0.95  # of the range of levels, where frames are added before a hyperbolic tangent


@final
class FramePredictor(nn.Module):
    """Maps latents and frames that were given to the frames after them, as unbounded numbers.

    Args:
        latent: The number of latent variables.
        shape: Frames, height and width of what comes out.
        context: The shape of what is read of a context, (F,) or (frames, height, width).
        hidden: The features of the recurrent state at each position.
        patch: The side of the patches that become one position.
        bounded: Whether a hyperbolic tangent follows, as on levels and bits.

    Example:
        >>> net = FramePredictor(5, (2, 7, 9), context=(3, 7, 9), hidden=8)
        >>> net(torch.zeros(4, 5), torch.zeros(4, 3, 7, 9)).shape
        torch.Size([4, 2, 7, 9])
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        *,
        context: tuple[int, ...],
        hidden: int = 48,
        patch: int = 2,
        bounded: bool = True,
    ) -> None:
        super().__init__()
        self.frames, *self.size = shape
        self.patch, self.hidden, self.bounded = patch, hidden, bounded
        vector = 0 if len(context) == 3 else sum(context)
        self.move = nn.Linear(latent + vector, hidden)
        self.gates = nn.Conv2d(patch**2 + hidden, 2 * hidden, 3, padding=1)
        self.candidate = nn.Conv2d(patch**2 + hidden, hidden, 3, padding=1)
        last = nn.Conv2d(hidden, 2 * patch**2, 3, padding=1)
        self.decode = nn.Sequential(nn.Conv2d(hidden, hidden, 3, padding=1), nn.SiLU(), last)
        with torch.no_grad():
            last.weight.mul_(0.1)

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        """Maps latents (B, latent) and contexts as they were read to frames (B, frames, height, width)."""
        given = context if context.ndim == 4 else None
        rows, columns = (-(-side // self.patch) for side in self.size)
        h = z.new_zeros(len(z), self.hidden, rows, columns)
        last = z.new_zeros(len(z), self.patch**2, rows, columns)
        if given is not None:
            for frame in resized(given, self.size).split(1, 1):
                last = self._grid(frame)
                h = self._step(h, last)
        h = h + self.move(z if given is not None else torch.cat([z, context], 1))[:, :, None, None]
        drawn = []
        for _ in range(self.frames):
            new, kept = self.decode(h).chunk(2, 1)
            y = 2 * kept.sigmoid() * self._raised(last) + new
            drawn.append(y)
            last = y.tanh() if self.bounded else y
            h = self._step(h, last)
        height, width = self.size
        return torch.cat([F.pixel_shuffle(y, self.patch)[..., :height, :width] for y in drawn], 1)

    def _grid(self, frame: Tensor) -> Tensor:
        """A frame (B, 1, height, width) as a grid of patches (B, patch^2, rows, columns)."""
        height, width = self.size
        padded = F.pad(frame, (0, -width % self.patch, 0, -height % self.patch), mode="replicate")
        return in_patches(padded, self.patch)

    def _step(self, h: Tensor, frame: Tensor) -> Tensor:
        """The state after one more frame."""
        reset, update = self.gates(torch.cat([frame, h], 1)).sigmoid().chunk(2, 1)
        return h + update * (self.candidate(torch.cat([frame, reset * h], 1)).tanh() - h)

    def _raised(self, frame: Tensor) -> Tensor:
        """A frame as the unbounded numbers that give it back."""
        return frame.clamp(-LARGEST, LARGEST).atanh() if self.bounded else frame
