"""Rows of what is given and of maps, held to models that need no training: perfect ones, and the floors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ptheta.data import world
from ptheta.data.worlds.coins import CoinFlip
from ptheta.noise import Noise
from ptheta.papers.given import both_ends, fillings, next_balls
from ptheta.papers.translation import recoloured
from ptheta.spaces import Classes, Levels


class Answers:
    """A model that answers by a function of what is given."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        self.answer = answer

    def sample(self, n: int, context: Tensor, *, noise: Noise) -> Tensor:
        return self.answer(context)


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Puts a model in the place of those that rows would fit."""
    return lambda model: monkeypatch.setattr("ptheta.papers.fitting.fitted", lambda *words, **options: model)


def test_one_of_both_ends_is_at_no_distance_and_their_average_half_way(instead: Callable[[Any], None], tmp_path: Path):
    law = world("coin-flip")
    assert isinstance(law, CoinFlip)
    for answer, distance in (
        (lambda c: law.futures(c)[:, 0], 0.0),
        (lambda c: law.futures(c).double().mean(1).round().byte(), 0.5),
    ):
        instead(Answers(answer))
        found = both_ends(0, tmp_path)
        assert found.value == pytest.approx(distance, abs=0.01)
        assert found.details["% that go down, game"] == pytest.approx(0.0, abs=100 * distance)


def test_copying_the_last_frame_has_the_error_of_the_floor(instead: Callable[[Any], None], tmp_path: Path):
    instead(Answers(lambda c: c[:, -1:]))
    found = next_balls(0, tmp_path)
    assert found.value == pytest.approx(found.details["copying the last frame"]) and 2.5 < found.value < 3.5


def test_what_is_no_colour_is_no_filling(instead: Callable[[Any], None], tmp_path: Path):
    law = world("shapes-sketches")

    def filled(colours: list[int], context: Tensor) -> Tensor:
        factors = law.asked(context).clamp(min=0)
        factors[:, law.column("shade")] = 4
        drawn = []
        for colour in colours:
            factors[:, law.column("colour")] = colour
            drawn.append(law.render(factors).double())
        return torch.stack(drawn).mean(0).round().byte()

    for colours, right in (([0], 100.0), ([1], 100.0), ([0, 1], 0.0)):  # red, blue, the mean of both
        instead(Answers(lambda context, colours=colours: filled(colours, context)))
        found = fillings(0, tmp_path)
        assert found.value == found.details["% right by squared error alone"] == right
    assert found.details["% of real events that are right"] == 100.0


class Recolours:
    """The true map between colours, or one that changes nothing, or one that draws each shade in another."""

    space, context_space = Levels((3, 16, 16), 256), Classes(4)

    def __init__(self, moves: bool, shades: tuple[int, ...] = (0, 1, 2, 3, 4)) -> None:
        self.world, self.moves, self.shades = world("shapes-colours"), moves, torch.tensor(shades)

    def fit(self, data: Any, **training: Any) -> "Recolours":
        return self

    def translate(self, x: Tensor, target: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        factors = self.world.read(x).factors
        if self.moves and target is not None:
            factors[:, self.world.column("colour")] = target
        shade = self.world.column("shade")
        factors[:, shade] = self.shades[factors[:, shade]]
        return self.world.render(factors)


def test_the_attribute_that_is_treated_worst_counts(instead: Callable[[Any], None], tmp_path: Path):
    least = {}
    shades = {"bright": (4, 4, 4, 4, 4), "darker": (0, 0, 1, 2, 3), "reversed": (4, 3, 2, 1, 0)}
    models = {"true": Recolours(True), "none": Recolours(False)}
    for name, model in (models | {name: Recolours(True, shades[name]) for name in shades}).items():
        instead(model)
        least[name] = recoloured("stargan", {"n": 300}, None, 0, tmp_path)
    assert least["true"].value == pytest.approx(100.0) and least["none"].value == 0.0
    assert least["bright"].value == 0.0 and least["bright"].details["% colour as it should be"] == 100.0
    assert 90 < least["darker"].value < 100 and least["darker"].details["% shade as it should be"] < 40
    assert least["reversed"].value == pytest.approx(-100.0)
    assert (
        least["bright"].details["distance to the true counterpart"]
        < least["none"].details["distance to the true counterpart"]
    )  # the distance alone would not tell
