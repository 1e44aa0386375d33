"""Captions of coloured shapes, in English and Korean: several wordings each, and what they ask for.

Every word that says something belongs to one factor and allows some of its values: "top" allows two of four places,
"left" two others. A caption asks for what all its words allow, and leaves a factor open where not one value remains.
No word says two things, so captions are read exactly, whatever the order of their words: a model is tested, no parser.
"""

from typing import NamedTuple, final

import torch
from torch import Tensor

from ptheta.data.worlds.base import OPEN
from ptheta.noise import Noise
from ptheta.spaces import Tokens

__all__ = ["LANGUAGES", "SPOKEN", "Captions"]

LANGUAGES = ("english", "korean", "both")
SPOKEN = ("shape", "colour", "size", "place", "background", "style")  # in the order of the factors' columns


@final
class Slot(NamedTuple):
    """What fills a place in a wording.

    Args:
        factor: What its words speak of.
        allowed: The values that each word allows.
        words: The words, in each choice of them.
    """

    factor: str
    allowed: tuple[tuple[int, ...], ...]
    words: tuple[tuple[str, ...], ...]


def _each(factor: str, *words: str) -> Slot:
    choices = tuple(tuple(line.split()) for line in words)
    return Slot(factor, tuple((i,) for i in range(len(choices[0]))), choices)


def _places(allowed: tuple[tuple[int, ...], ...], *words: str) -> Slot:
    return Slot("place", allowed, tuple(tuple(line.split()) for line in words))


ROWS, COLUMNS = ((0, 1), (2, 3)), ((0, 2), (1, 3))  # of the four places, read as one reads
SLOTS: dict[str, dict[str, Slot]] = {
    "english": {
        "size": _each("size", "small large", "little big"),
        "colour": _each("colour", "red blue green yellow"),
        "shape": _each("shape", "circle square triangle"),
        "background": _each("background", "black grey white"),
        "style": _each("style", "filled outlined", "solid hollow"),
        "row": _places(ROWS, "top bottom", "upper lower"),
        "column": _places(COLUMNS, "left right"),
    },
    "korean": {
        "size": _each("size", "작은 큰"),
        "colour": _each("colour", "빨간 파란 초록 노란"),
        "hue": _each("colour", "빨강 파랑 초록 노랑"),
        "shape": _each("shape", "원 네모 세모", "동그라미 사각형 삼각형"),
        "background": _each("background", "검은 회색 흰"),
        "ground": _each("background", "검정 회색 하양"),
        "style": _each("style", "찬 빈"),
        "row": _places(ROWS, "위 아래"),
        "column": _places(COLUMNS, "왼쪽 오른쪽"),
    },
}
WORDINGS = {
    "english": (
        "a {size} {colour} {shape} on {background}",
        "a {size} {style} {colour} {shape} at the {row} {column} on {background}",
        "in the {row} {column} there is a {colour} {shape}",
        "the {style} {shape} at the {row} {column} is {colour}",
        "on {background} a {colour} {shape} {size} and {style} {row} {column}",
    ),
    "korean": (
        "{background} 바탕에 {size} {colour} {shape}",
        "{background} 바탕 {column} {row}에 있는 {size} 속이 {style} {colour} {shape}",
        "{column} {row}에 {colour} {shape} 하나",
        "{column} {row}에 그린 속이 {style} {shape} 색은 {hue}",
        "{size} {colour} {shape} {column} {row} 바탕은 {ground}",
    ),
}


@final
class Captions:
    """Captions in one language, or in both.

    Args:
        language: "english", "korean" or "both".

    Example:
        >>> captions = Captions("english")
        >>> captions.asked(captions.space.parse(["a small red circle on black"])).tolist()
        [[0, 0, 0, -1, 0, -1]]
    """

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"language should be one of {', '.join(LANGUAGES)}, but it is {language[:40]!r}.")
        spoken = LANGUAGES[:2] if language == "both" else (language,)
        self.wordings = [(SLOTS[each], wording) for each in spoken for wording in WORDINGS[each]]
        says: dict[str, tuple[str, tuple[int, ...]]] = {}
        for slots, wording in self.wordings:
            for part in wording.split():
                says.update(_meanings(slots, part))
        names = ("", *sorted(says))
        self.space = Tokens(max(len(wording.split()) for _, wording in self.wordings), len(names), names)
        self._allows = torch.ones(len(names), len(SPOKEN), 4, dtype=torch.bool)
        for name, (factor, values) in says.items():
            if factor:
                row = self._allows[names.index(name), SPOKEN.index(factor)]
                row[:] = False
                row[list(values)] = True

    def write(self, factors: Tensor, noise: Noise) -> list[str]:
        """A caption for each row of factors, in a wording and in words drawn at random.

        Args:
            factors: With shape (n, F); the first columns are ``SPOKEN``.
            noise: Where wordings and words are drawn from.

        Returns:
            One text for each.
        """
        slots = sorted({name for own, _ in self.wordings for name in own})
        u = noise.uniform((len(factors), 1 + len(slots)), "captions", like=torch.zeros((), dtype=torch.float64))
        texts = []
        for row, (first, *others) in zip(factors.tolist(), u.tolist(), strict=True):
            own, wording = self.wordings[int(first * len(self.wordings))]
            chances = dict(zip(slots, others, strict=True))
            texts.append(wording.format(**{name: _word(slot, row, chances[name]) for name, slot in own.items()}))
        return texts

    def asked(self, tokens: Tensor) -> Tensor:
        """What captions ask for.

        Args:
            tokens: Captions with shape (n, length).

        Returns:
            Values of ``SPOKEN`` with shape (n, 6), ``OPEN`` where not exactly one is allowed.
        """
        allowed = self._allows[tokens.cpu()].all(1)  # (n, factors, values)
        for i, factor in enumerate(SPOKEN):
            allowed[:, i, _counts(factor) :] = False
        return torch.where(allowed.sum(2) == 1, allowed.long().argmax(2), OPEN)


def _counts(factor: str) -> int:
    """How many values captions know of a factor."""
    slots = [slot for slot in SLOTS["english"].values() if slot.factor == factor]
    return 1 + max(value for slot in slots for values in slot.allowed for value in values)


def _meanings(slots: dict[str, Slot], part: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The words that a part of a wording can become, each with its factor and the values it allows."""
    name = part[part.find("{") + 1 : part.find("}")]
    if name not in slots:
        return {part: ("", ())}
    slot = slots[name]
    return {
        part.replace(f"{{{name}}}", word): (slot.factor, values)
        for choice in slot.words
        for word, values in zip(choice, slot.allowed, strict=True)
    }


def _word(slot: Slot, row: list[int], chance: float) -> str:
    """The word of a slot that is true of a row of factors, out of the choice that chance makes."""
    value = row[SPOKEN.index(slot.factor)]
    place = next(i for i, values in enumerate(slot.allowed) if value in values)
    return slot.words[int(chance * len(slot.words))][place]
