"""Rows of adversarial models made for a use, run on models whose answer is known: perfect ones and broken ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ptheta.data.worlds.shapes import Shapes
from ptheta.data.worlds.stacked import channels
from ptheta.model import Estimate
from ptheta.noise import Noise
from ptheta.papers import adversarial_uses, fitting, found_codes, stacked
from ptheta.papers.row import Found

GIVEN: dict[str, Any] = {"context": "caption", "only": adversarial_uses.ONLY}


class Painter:
    """Draws what captions ask for, or pictures of its own choice."""

    def __init__(self, listens: bool, varies: bool = True) -> None:
        self.listens, self.varies = listens, varies

    def sample(self, n: int, context: Tensor, *, noise: Noise) -> Tensor:
        world = Shapes(combinations="all", **GIVEN)
        own = world.draw(n, noise=noise) if self.varies else world.draw(1, noise=noise).expand(n, -1)
        asked = world.asked(context)
        return world.render(torch.where((asked >= 0) & self.listens, asked, own))


def run(model: Any, monkeypatch: pytest.MonkeyPatch, row: Any) -> Found:
    monkeypatch.setattr(fitting, "fitted", lambda *_, **__: model)
    return row(0, Path("nowhere"))


def test_who_draws_what_is_asked_has_all_of_it_and_who_does_not_has_chance(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adversarial_uses, "ASKED", 200)
    right, deaf = (run(Painter(listens), monkeypatch, adversarial_uses.drawn_as_asked) for listens in (True, False))
    assert right.value == 1 and right.details["all that is asked, held-out combinations"] == 1
    assert right.details["real pictures that are as asked"] == 1
    assert right.details["all that is asked, of another caption"] < 0.15
    assert deaf.value == pytest.approx(1 / 3, abs=0.12) and deaf.details["colour, seen combinations"] < 0.4
    assert deaf.details["surely a shape, seen combinations"] == 1


def test_a_painter_of_one_picture_has_no_spread(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adversarial_uses, "ASKED", 200)
    varied, one = (run(Painter(True, varies), monkeypatch, adversarial_uses.drawn_as_asked) for varies in (True, False))
    spread, real = "spread within a caption", "spread within a caption of real pictures"
    assert varied.details[spread] == pytest.approx(varied.details[real], rel=0.2)
    assert one.details[spread] < 0.3 * one.details[real]


def test_stacked_digits_are_counted_beside_real_ones(monkeypatch: pytest.MonkeyPatch):
    from ptheta.data import load

    monkeypatch.setattr(stacked, "SAMPLES", 3000)
    data = load("stacked-digits")

    class Copier:
        def __init__(self, rows: int) -> None:
            self.rows = rows

        def sample(self, n: int, *, noise: Noise) -> Tensor:
            return data.train.x[3000:][torch.arange(n) % self.rows]

    many, few = (run(Copier(rows), monkeypatch, stacked.stacked_modes) for rows in (3000, 7))
    assert many.value > 700 and abs(many.value - many.details["modes, real events"]) < 60
    assert few.value <= 7 and few.details["reverse KL over modes, pacgan"] > 4
    assert channels(data.train.x[:2]).shape == (6, 1, 8, 8)


class Sorter:
    """Reads digits off test events, under other names; or one category only."""

    categories = 10

    def __init__(self, true: Tensor, sees: bool) -> None:
        self.true, self.sees = true, sees

    def encode(self, x: Tensor) -> Tensor:
        found = (3 * self.true + 1) % 10 if self.sees else torch.zeros(len(x), dtype=torch.long)
        return torch.cat([torch.eye(10)[found], 9 * torch.ones(len(x), 2)], 1)  # the numbers are no categories

    def information(self, n: int, *, noise: Noise) -> Estimate:
        return Estimate(2.3, 0.0, exact=True)


def test_categories_are_named_before_they_are_counted_and_clusters_of_pixels_stand_beside(
    monkeypatch: pytest.MonkeyPatch,
):
    from ptheta.data import load

    monkeypatch.setattr(found_codes, "CLUSTERED", 1000)
    true = load("mnist").test.context
    assert true is not None
    sees, blind = (run(Sorter(true, sees), monkeypatch, found_codes.categories) for sees in (True, False))
    assert sees.value == 1 and sees.details["share, each category named by its commonest digit"] == 1
    assert blind.value < 0.12 and blind.details["nats of information about the category, a lower bound"] == 2.3
    assert 0.4 < sees.details["share of k-means"] < 0.65
    assert (
        sees.details["share of k-means, each cluster named by its commonest digit"] > sees.details["share of k-means"]
    )


def test_two_categories_may_share_a_name_only_where_names_are_the_commonest():
    true, found = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 2, 2, 1])
    assert found_codes.agreement(found, true) == (0.6, 0.8)
