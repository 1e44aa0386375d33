"""Three digits as colours: a thousand modes of equal right, to count which of them a model finds.

An event is three of scikit-learn's 8 x 8 digits, drawn independently from one split of the named set digits, as the
red, green and blue of a picture; its class is their three numerals. Digits are about equally frequent, so the modes
are: ``shares`` gives the exact law of the classes, from which a reverse KL over modes is taken. Splits are made of
different digits. ``channels`` parts pictures into digits again, each an event of digits, so that a classifier of
digits counts modes; how many it finds among real events of the same number says what a count is worth.

References:
    Unrolled Generative Adversarial Networks (Metz, Poole, Pfau, Sohl-Dickstein, 2017): stacked MNIST
    https://arxiv.org/abs/1611.02163
    PacGAN: The power of two samples in generative adversarial networks (Lin, Khetan, Fanti, Oh, 2018)
    https://arxiv.org/abs/1712.04086
"""

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.pictures import digits
from ptheta.data.worlds.base import pick, require_size
from ptheta.noise import Noise
from ptheta.spaces import Classes, Levels

__all__ = ["channels", "classes_of", "shares", "stacked_digits"]

NUMERALS = 10


def stacked_digits(*, n: int = 20_000, seed: int = 0) -> Dataset:
    """Draws pictures of three digits: n to train, a fifth as many to validate and to test.

    Args:
        n: How many training events.
        seed: Names the draw.

    Returns:
        The data set, with classes 000 to 999.
    """
    whole, space = digits(), Levels((3, 8, 8), 17)
    require_size(n, space)
    noise = Noise(seed).at("worlds", "stacked-digits")
    train, valid, test = (
        _stacked(own, m, noise.at(split))
        for split, own, m in (("train", whole.train, n), ("valid", whole.valid, n // 5), ("test", whole.test, n // 5))
    )
    names = [f"{label:03d}" for label in range(NUMERALS**3)]
    text = (
        "Three handwritten digits of scikit-learn, 8x8, as the colours of a picture: a thousand classes, each split "
        "of its own digits."
    )
    return Dataset("stacked-digits", space, train, valid, test, Classes(len(names), names), text)


def _stacked(one: Events, n: int, noise: Noise) -> Events:
    """Stacks three of a split's digits, n times."""
    rows = pick(noise.uniform((n, 3), "digits", like=torch.zeros(0, dtype=torch.float64)), len(one))
    return Events(one.x[rows, 0], classes_of(_labels(one)[rows]))


def _labels(one: Events) -> Tensor:
    if one.context is None:
        raise RuntimeError("the digits have lost their labels.")
    return one.context


def classes_of(numerals: Tensor) -> Tensor:
    """The class of three numerals, with shape (n,), from numerals with shape (n, 3)."""
    return (numerals * torch.tensor([NUMERALS**2, NUMERALS, 1], device=numerals.device)).sum(1)


def channels(x: Tensor) -> Tensor:
    """The three digits of each picture, red first: (n, 3, 8, 8) becomes (3 n, 1, 8, 8), events of digits."""
    return x.flatten(0, 1)[:, None]


def shares() -> Tensor:
    """The probability of each class among training events, float64 with shape (1000,)."""
    one = torch.bincount(_labels(digits().train), minlength=NUMERALS).double()
    one = one / one.sum()
    return (one[:, None, None] * one[:, None] * one).flatten()
