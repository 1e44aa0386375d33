"""Figures: those that need no training are drawn; of the others, the numbers behind them."""

import math

import pytest
from PIL import Image

from ptheta.data.synthetic import truth
from ptheta.report.figures import draw
from ptheta.report.figures_autoregressive import FRESH, LENGTH, READERS, TOKENS, memory_excess, sample_cost

QUICK = ("information", "entropy", "parameters", "discriminator", "generator-costs", "spiral", "receptive-fields")


@pytest.mark.parametrize("name", QUICK)
def test_figures_of_the_theory_are_drawn(name, tmp_path):
    draw(name, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        low, high = picture.convert("L").getextrema()
    assert high - low > 100


def test_a_table_of_four_remembers_four_back_and_no_further():
    name, dials, training = READERS["table of the 4 before"]
    entropy = truth("copy", length=LENGTH, lag=1, tokens=TOKENS, fresh=FRESH).entropy()
    forgotten = math.log(TOKENS) - (entropy - math.log(TOKENS)) / (LENGTH - 1)  # nats per copied token
    assert 0 <= memory_excess(name, dials, training, 2) < 0.05 * forgotten
    assert memory_excess(name, dials, training, 8) > 0.95 * forgotten


def test_every_family_is_timed():
    (axes,) = sample_cost((4, 5), n=2).axes
    assert len(axes.lines) == 10 and all(len(line.get_xdata()) == 2 for line in axes.lines)
