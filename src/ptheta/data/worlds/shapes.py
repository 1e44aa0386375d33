"""Coloured shapes: one shape on a plain ground, made of factors, and a reader that gives them back.

    shape        circle, square, triangle           colour       red, blue, green, yellow
    size         small, large                       place        one of four quarters
    background   black, grey, white                 style        filled, outlined
    turn         which way a triangle points        shade        how bright the colour is: five shares of it
    down, right  one step up to one step down, one step left to one step right

Factors are drawn independently and uniformly, save that 12 of the 48 combinations of shape, colour and place are
held out: each shape and colour misses one place, so what is asked of a model is to combine what it has seen.

What may be given of an event (``context``) is one factor, as classes; a caption; or a sketch: the outline in one ink,
which leaves colour, style and shade open. The classes are domains: ``counterpart`` is the same picture in another one.
Known limits: the pictures are few (19,440 in training), so a training set meets its test events.

References:
    In the spirit of dSprites (Matthey, Higgins, Hassabis, Lerchner, 2017) https://github.com/google-deepmind/dsprites-dataset
"""

from itertools import product
from math import prod
from typing import final

import torch
from torch import Tensor

from ptheta.data.dataset import Events
from ptheta.data.worlds.base import OPEN, Reading, World, correlation, pick
from ptheta.data.worlds.captions import SPOKEN, Captions
from ptheta.data.worlds.drawing import (
    COLOUR,
    FACTORS,
    GROUND,
    GROUNDS,
    INK,
    PLACE,
    SHADE,
    SHAPE,
    STYLE,
    TRIANGLE,
    TURN,
    masks,
    nearest,
    shades,
)
from ptheta.noise import Noise
from ptheta.spaces import Classes, Levels, Space

__all__ = ["Shapes"]

COMBINATIONS = ("seen", "held-out", "all")
ROWS = 128  # pictures read at a time


@final
class Shapes(World):
    """Coloured shapes of one size of picture.

    Args:
        size: The height and width, 16 or 32.
        context: What is given: the name of a factor, "caption" or "sketch".
        only: Names of values joined by +, such as "red+blue+filled": each factor they name takes those alone.
        combinations: Which of shape, colour and place occur together: "seen", "held-out" or "all".
        language: Of captions.

    Example:
        >>> world = Shapes()
        >>> x = world.sample(2, noise=Noise(0))
        >>> bool((world.render(world.read(x).factors) == x).all())
        True
    """

    factors = FACTORS

    def __init__(
        self,
        *,
        size: int = 16,
        context: str = "shape",
        only: str = "",
        combinations: str = "seen",
        language: str = "both",
    ) -> None:
        if size not in (16, 32):
            raise ValueError(f"shapes are drawn on 16 x 16 or 32 x 32 pixels, but size is {size}.")
        if combinations not in COMBINATIONS:
            raise ValueError(
                f"combinations should be one of {', '.join(COMBINATIONS)}, but it is {combinations[:40]!r}."
            )
        names = [factor.name for factor in FACTORS]
        if context not in (*names, "caption", "sketch"):
            raise ValueError(f"context should be caption, sketch or one of {', '.join(names)}, not {context[:40]!r}.")
        self.size, self.context, self.combinations = size, context, combinations
        self.space = Levels((3, size, size), 256)
        self.captions = Captions(language)
        self._values = _restricted(only)
        self._together = [
            row for row in product(*(self._values[i] for i in (SHAPE, COLOUR, PLACE))) if self._occurs(*row)
        ]
        if not self._together:
            raise ValueError(f"no {combinations} combination of shape, colour and place is left by only={only}.")
        self.count = len(self._together) * prod(len(self._values[i]) for i in OTHERS)

    @property
    def context_space(self) -> Space:
        """What is given."""
        if self.context == "caption":
            return self.captions.space
        if self.context == "sketch":
            return self.space
        column = self.column(self.context)
        names = FACTORS[column].values
        return Classes(len(self._values[column]), [names[i] for i in self._values[column]])

    @property
    def held_out(self) -> tuple[str, ...]:
        """The twelve combinations that training does not see, in words."""
        rows = product(range(3), range(4), range(4))
        shape, colour, place = (FACTORS[i].values for i in (SHAPE, COLOUR, PLACE))
        return tuple(f"{colour[c]} {shape[s]} {place[p]}" for s, c, p in rows if _is_held_out(s, c, p))

    def _occurs(self, shape: int, colour: int, place: int) -> bool:
        return self.combinations == "all" or _is_held_out(shape, colour, place) == (self.combinations == "held-out")

    def options(self, column: int) -> tuple[int, ...]:
        return self._values[column]

    def draw(self, n: int, *, noise: Noise | None = None) -> Tensor:
        u = (noise or Noise(None)).uniform((n, 1 + len(OTHERS)), "factors", like=torch.zeros(0, dtype=torch.float64))
        factors = torch.zeros(n, len(FACTORS), dtype=torch.int64)
        together = torch.tensor(self._together)
        factors[:, [SHAPE, COLOUR, PLACE]] = together[pick(u[:, 0], len(together))]
        for i, column in enumerate(OTHERS, 1):
            values = torch.tensor(self._values[column])
            factors[:, column] = values[pick(u[:, i], len(values))]
        return factors

    def possible(self, factors: Tensor) -> Tensor:
        allowed = torch.ones(len(factors), dtype=torch.bool)
        for column, values in enumerate(self._values):
            allowed &= torch.isin(factors[:, column], torch.tensor(values))
        together = torch.zeros(3, 4, 4, dtype=torch.bool)
        together[tuple(torch.tensor(self._together).T)] = True
        shape, colour, place = (factors[:, i] for i in (SHAPE, COLOUR, PLACE))
        return allowed & together[shape.clamp(0, 2), colour.clamp(0, 3), place.clamp(0, 3)]

    def render(self, factors: Tensor) -> Tensor:
        table = masks(self.size)
        ink = shades()[factors[:, COLOUR], factors[:, SHADE]]
        return self._painted(table.quarters[table.rows(factors)], ink, factors)

    def sketch(self, factors: Tensor) -> Tensor:
        """The outlines of what factors show, in one ink on their grounds: events with shape (n, 3, size, size)."""
        table, outlined = masks(self.size), factors.clone()
        outlined[:, STYLE] = 1
        return self._painted(table.quarters[table.rows(outlined)], torch.tensor(INK), factors)

    def _painted(self, quarters: Tensor, ink: Tensor, factors: Tensor) -> Tensor:
        ground = torch.tensor(tuple(GROUNDS.values()))[factors[:, GROUND]]
        change = (ink - ground) // 4
        flat = ground[:, :, None] + quarters[:, None] * change[:, :, None]  # (n, 3, pixels)
        return flat.reshape(-1, *self.space.shape).to(torch.uint8)

    def read(self, x: Tensor) -> Reading:
        """The factors of the nearest picture among all that can be drawn, whatever this world leaves out."""
        return self._read_in(x, shades().flatten(0, 1))

    def _read_in(self, x: Tensor, inks: Tensor) -> Reading:
        """The nearest picture in one of the inks; where there is one ink only, it is a sketch."""
        table = masks(self.size)
        best = [nearest(rows, table, inks) for rows in x.cpu().flatten(2).double().split(ROWS)]
        if not best:
            return Reading(torch.zeros(0, len(FACTORS), dtype=torch.int64), torch.zeros(0, dtype=torch.float64))
        mask, ink, ground = torch.cat(best).T
        factors = table.factors[mask]
        factors[:, GROUND] = ground
        shown = self.sketch(factors)
        if len(inks) > 1:
            factors[:, COLOUR], factors[:, SHADE] = ink // shades().shape[1], ink % shades().shape[1]
            shown = self.render(factors)
        return Reading(factors, correlation(x.cpu().flatten(2), shown.flatten(2)))

    def off_colour(self, x: Tensor) -> Tensor:
        """How far what is shown is from every colour there is: a mixture of two right answers is none of them.

        Args:
            x: Pictures in levels, whole or not, with shape (n, 3, size, size).

        Returns:
            The largest channel of the difference between the ink that explains the picture best, in squared error,
            and the one that was read, in the range of 2 that networks see: with shape (n,), 0 on real events.
        """
        factors, table = self.read(x).factors, masks(self.size)
        cover = table.quarters[table.rows(factors)].double()[:, None] / 4  # (n, 1, pixels)
        ground = torch.tensor(tuple(GROUNDS.values()))[factors[:, GROUND]]
        above = x.cpu().flatten(2).double() - ground[:, :, None]
        ink = ground + (cover * above).sum(2) / cover.square().sum(2)
        read = shades()[factors[:, COLOUR], factors[:, SHADE]]
        return (ink - read).abs().amax(1) * (2 / 255)

    def asked(self, context: Tensor) -> Tensor:
        """The factors that contexts ask for, with shape (n, F); ``OPEN`` where they leave one open."""
        self.context_space.check(context, "context")
        asked = torch.full((len(context), len(FACTORS)), OPEN)
        if self.context == "caption":
            asked[:, : len(SPOKEN)] = self.captions.asked(context)
        elif self.context == "sketch":
            asked = self._read_in(context, torch.tensor([INK])).factors
            asked[:, [COLOUR, STYLE, SHADE]] = OPEN
        else:
            column = self.column(self.context)
            asked[:, column] = torch.tensor(self._values[column])[context.cpu()]
        return asked

    def contexts(self, factors: Tensor, noise: Noise) -> Tensor:
        """What is given of events, by their factors: with shape (n, *context_space.shape)."""
        if self.context == "caption":
            texts = self.captions.write(factors, noise)
            return self.captions.space.parse(texts) if texts else torch.zeros(0, *self.captions.space.shape).long()
        if self.context == "sketch":
            return self.sketch(factors)
        column = self.column(self.context)
        return torch.searchsorted(torch.tensor(self._values[column]), factors[:, column].contiguous())

    def events(self, n: int, noise: Noise) -> Events:
        """Draws n events with their contexts."""
        factors = self.draw(n, noise=noise)
        return Events(self.render(factors), self.contexts(factors, noise))

    def counterpart(self, x: Tensor, target: Tensor) -> Tensor:
        """The same pictures in other domains, where the context is a factor: exact.

        Args:
            x: Pictures of any world of shapes of this size, with shape (n, 3, size, size).
            target: Classes of the context with shape (n,).

        Returns:
            Pictures that differ from x in that factor alone. Raises ValueError if x holds anything else.
        """
        column = self.column(self.context)
        self.context_space.check(target, "target")
        factors = self.known(x)
        factors[:, column] = torch.tensor(self._values[column])[target.cpu()]
        return self.render(factors)


OTHERS = tuple(i for i in range(len(FACTORS)) if i not in (SHAPE, COLOUR, PLACE))


def _is_held_out(shape: int, colour: int, place: int) -> bool:
    return (shape + colour + place) % 4 == 0


def _restricted(only: str) -> list[tuple[int, ...]]:
    """The values of each factor, where only some are wanted."""
    named: dict[int, set[int]] = {}
    places = {value: (i, j) for i, factor in enumerate(FACTORS) for j, value in enumerate(factor.values)}
    for word in filter(None, only.split("+")):
        name = word.strip().replace("-", " ") if word.strip() not in places else word.strip()
        if name not in places:
            raise ValueError(f"only should name values out of {', '.join(places)}, joined by +, not {word[:40]!r}.")
        column, value = places[name]
        named.setdefault(column, set()).add(value)
    named.setdefault(TURN, {0})
    values = [tuple(sorted(named.get(i, range(len(factor.values))))) for i, factor in enumerate(FACTORS)]
    if values[TURN] != (0,) and values[SHAPE] != (TRIANGLE,):
        raise ValueError("circles and squares turned look alike: with another turn than up, only should name triangle.")
    return values
