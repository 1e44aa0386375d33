"""How well draws answer what was given: nearness to the real event, consistency, spread.

    PSNR           10 log10(range^2 / mean squared error), in decibels, of each event; the mean over events
    SSIM           the mean of local agreement in brightness, contrast and structure; 1 for the same picture
    inconsistency  how far what can be computed of a draw is from what was given, a mean absolute difference over the
                   range; 0 where a draw, looked at through the view, shows what was given
    spread         E|x' - x''|^2 / E|x - x'|^2, two draws x', x'' for the context of a real event x

**A perfect sampler has exactly twice the least squared error.** If x' is drawn from p(x | c), it is to x as x is to
itself drawn again: E|x - x'|^2 = 2 E Var(x | c), and the least, that of the mean of p(x | c), is E Var(x | c). So the
best answers are 10 log10 2 = 3.01 dB below the best mean, and their spread is 1. A regression draws the same again and
again: its spread is 0. A drop of more than 3 dB is a defect; a smaller one with a spread below 1 is a compromise.

Known limits: PSNR and SSIM ask for the one answer that was real, so where several are right they prefer what is
between them. An event that is met exactly counts as 100 dB. The 3.01 dB are of mean squared errors over all events;
means of decibels over events follow them as far as the errors of events are alike.

References:
    Image Quality Assessment: From Error Visibility to Structural Similarity (Wang et al., 2004)
    https://doi.org/10.1109/TIP.2003.819861
    The Perception-Distortion Tradeoff (Blau & Michaeli, 2017) https://arxiv.org/abs/1711.06077
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.views import View
from ptheta.model import Distribution, Model
from ptheta.noise import Noise
from ptheta.spaces import Binary, Levels, Real, Space, Symbols

__all__ = ["Answers", "answered", "answers", "inconsistency", "is_answered", "psnr", "spread", "ssim"]

MOST = 100.0  # decibels
WINDOW, SIGMA = 11, 1.5  # pixels of the local windows, and the deviation of their weights
CONSTANTS = (0.01, 0.03)  # of the range, so that blank windows divide by something


@final
@dataclass(frozen=True)
class Answers:
    """How well draws answer what was given.

    Args:
        psnr: In decibels.
        psnr_of_mean: That of the mean of all draws for one context.
        ssim: Of pictures of at least the window's size, else None.
        inconsistency: A part of the range; None where what was given is not computed of the event.
        spread: Of several draws for one context; None of one. 1 of a perfect sampler, 0 of a regression.
        draws: How many for each context.
        n: How many contexts.
    """

    psnr: float
    psnr_of_mean: float
    ssim: float | None
    inconsistency: float | None
    spread: float | None
    draws: int
    n: int

    def __str__(self) -> str:
        parts = [f"PSNR {self.psnr:.2f} dB (of the mean of {self.draws} draws {self.psnr_of_mean:.2f})"]
        parts += [] if self.ssim is None else [f"SSIM {self.ssim:.3f}"]
        parts += [] if self.inconsistency is None else [f"inconsistency {self.inconsistency:.4f} of the range"]
        parts += [] if self.spread is None else [f"spread {self.spread:.2f} (a perfect sampler 1, a regression 0)"]
        return f"{', '.join(parts)}; {self.n} contexts"

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON."""
        return {k: v if v is None or math.isfinite(v) else None for k, v in asdict(self).items()}


def answers(
    drawn: Tensor, real: Tensor, space: Space, *, view: View | None = None, before: Space | None = None
) -> Answers:
    """Measures draws for contexts beside the real events of those contexts.

    Args:
        drawn: With shape (n, draws, *space.shape).
        real: With shape (n, *space.shape).
        space: What one event is: bits, levels or reals.
        view: What was given of whole events, where it is computed of them.
        before: The space of whole events, of which the view is taken; needed with a view.

    Returns:
        The measures.
    """
    n, k = drawn.shape[:2]
    flat, again = drawn.flatten(0, 1), real.repeat_interleave(k, 0)
    is_picture = len(space.shape) == 3 and min(space.shape[1:]) >= WINDOW
    whole = view is not None and before is not None and before.shape == space.shape
    return Answers(
        psnr(flat, again, space),
        _decibels(_unit(drawn, space).mean(1) - _unit(real, space)),
        ssim(flat, again, space) if is_picture else None,
        inconsistency(flat, again, view, before) if whole and view is not None and before is not None else None,
        spread(drawn, real, space) if k > 1 else None,
        k,
        n,
    )


def answered(
    model: Model, events: Events, data: Dataset, *, noise: Noise, most: int = 100, draws: int = 3
) -> Answers | None:
    """Draws for what is given of events, and measures the draws.

    Args:
        model: What draws.
        events: Real events with their contexts.
        data: The data set that they are of, which knows what was given.
        noise: Where draws come from.
        most: How many contexts at most; always the same ones.
        draws: For each context.

    Returns:
        The measures; None where nothing is given but a class, where events are symbols or rows of tables, and of maps.
    """
    context = events.context
    if not isinstance(model, Distribution) or context is None or not is_answered(data):
        return None
    some = events.some(most).loaded()
    assert some.context is not None
    drawn = model.sample(len(some) * draws, some.context.repeat_interleave(draws, 0), noise=noise)
    drawn = drawn.cpu().unflatten(0, (-1, draws))
    return answers(drawn, some.x, data.space, view=data.view, before=data.before.space if data.before else None)


def is_answered(data: Dataset) -> bool:
    """Whether draws for what is given can be measured beside real events: more than a class is given, of numbers."""
    space, given = data.space, data.context_space
    is_class = isinstance(given, Symbols) and not given.shape
    return given is not None and not is_class and isinstance(space, Binary | Levels | Real)


def psnr(x: Tensor, real: Tensor, space: Space) -> float:
    """The peak signal to noise ratio of events (n, *space.shape) to real ones, in decibels: the mean over events."""
    return _decibels(_unit(x, space) - _unit(real, space))


def ssim(x: Tensor, real: Tensor, space: Space) -> float:
    """The structural similarity of pictures to real ones.

    Args:
        x: With shape (n, channels, height, width), each side at least 11 pixels.
        real: With the same shape.
        space: What they are.

    Returns:
        The mean over places, channels and pictures; 1 of the same pictures.
    """
    x, real = (_unit(y, space).flatten(0, 1)[:, None] + 0.5 for y in (x, real))  # (n channels, 1, height, width)
    offsets = torch.arange(WINDOW).double() - WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    kernel = (weights[:, None] * weights / weights.sum() ** 2)[None, None]
    mean_x, mean_y, xx, yy, xy = (F.conv2d(y, kernel) for y in (x, real, x * x, real * real, x * real))
    c1, c2 = (c**2 for c in CONSTANTS)
    brightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * (xy - mean_x * mean_y) + c2) / (xx - mean_x**2 + yy - mean_y**2 + c2)
    return float((brightness * structure).mean())


def inconsistency(x: Tensor, real: Tensor, view: View, space: Space) -> float:
    """How far draws, looked at through a view, are from what was given of the real events.

    Args:
        x: Whole events with shape (n, *space.shape).
        real: Those of whose view the draws were made.
        view: What was given.
        space: What a whole event is.

    Returns:
        The mean absolute difference, as a part of the range of what is given.
    """
    given_space = view.spaces(space)[1]
    seen, given = (_unit(view.split(y, space)[1], given_space) for y in (x, real))
    return float((seen - given).abs().mean())


def spread(drawn: Tensor, real: Tensor, space: Space) -> float:
    """How far draws for one context are apart, as a part of how far they are from the real event: squared, averaged.

    Args:
        drawn: With shape (n, draws, *space.shape), at least two draws.
        real: With shape (n, *space.shape).
        space: What one event is.

    Returns:
        E|x' - x''|^2 / E|x - x'|^2; 0 where all draws are the real event.
    """
    y, real = _unit(drawn, space).flatten(2), _unit(real, space).flatten(1)
    away = (y - real[:, None]).square().mean()
    if y.shape[1] < 2 or away == 0:
        return 0.0
    return float(2 * y.var(1, correction=1).mean() / away)  # twice the variance is the mean over pairs of two draws


def _unit(x: Tensor, space: Space) -> Tensor:
    """Events (*, *space.shape) in float64, the range of bits and levels as 1, of reals four standard deviations."""
    y = space.embed(x.reshape(-1, *space.shape), torch.float64).reshape(x.shape)
    return y / 4 if isinstance(space, Real) else y / 2


def _decibels(difference: Tensor) -> float:
    error = difference.square().flatten(1).mean(1)
    return float((-10 * error.clamp(min=10 ** (-MOST / 10)).log10()).mean())
