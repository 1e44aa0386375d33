"""Figures: those that need no training are drawn; of the others, the numbers behind them."""

import math

import pytest
import torch
from PIL import Image

from ptheta.adversarial import DivergenceGame
from ptheta.data.synthetic import truth
from ptheta.metrics.modes import Modes
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.report import figures_diffusion
from ptheta.report.figures import draw
from ptheta.report.figures_adversarial import (
    GAMES,
    HIDDEN,
    Apart,
    Played,
    divergence_modes,
    divergence_study,
    true_modes,
)
from ptheta.report.figures_autoregressive import FRESH, LENGTH, READERS, TOKENS, memory_excess, sample_cost
from ptheta.report.figures_diffusion import LINES, RING, hits, sampling_steps
from ptheta.report.figures_latent import CODERS, elbo_terms, priors

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


def test_diffusions_are_drawn_by_each_of_their_samplers(monkeypatch):
    monkeypatch.setattr(figures_diffusion, "POINTS", 50)
    (axes,) = sampling_steps(2).axes
    assert len(axes.lines) == len(LINES) + 1, "a line each, and one of the truth"


def test_the_share_of_hits_is_that_of_the_truth():
    law = truth("ring", **RING)
    assert abs(hits(law.sample(20_000, noise=Noise(0)), law.means) - 0.9889) < 3.3 * (0.011 / 20_000) ** 0.5 + 0.002
    assert hits(3 * law.means.float(), law.means) == 0


def test_codes_are_drawn_over_their_priors():
    panels = priors(2).axes
    assert [axes.get_title() for axes in panels] == list(CODERS)
    for axes in panels:
        drawn, codes = (cloud.get_offsets() for cloud in axes.collections)
        assert len(drawn) == len(codes) == 600
    ring = panels[-1].collections[0].get_offsets()
    assert float((torch.tensor(ring).norm(dim=1) - 2).abs().max()) < 1.2


def test_terms_of_the_bound_add_up_and_layers_have_a_line_each():
    left, right = elbo_terms(3).axes
    bound, tighter = (torch.tensor(line.get_ydata()) for line in left.lines)
    assert len(bound) == 2 and bool((tighter < bound).all()), "more importance samples gave a looser bound"
    assert len(right.lines) == 3, "a line for each layer, and the end of the warm-up"


def test_every_game_of_the_study_is_played_and_drawn():
    games = (GAMES[0], GAMES[-1])
    played = divergence_study(seeds=2, steps=2, games=games)
    assert [game.name for game in played] == [name for _, name, _, _ in games]
    assert all(len(game.found) == 2 and None not in game.found for game in played)
    assert played[0].found[0] != played[0].found[1], "the seeds are one"
    assert len(divergence_modes(played).axes) == 3


def test_a_game_that_diverged_is_counted_and_left_out_of_the_mean():
    game = Played("practical cost, R1", "kl", (Modes(8, 0.5, 0.1), None, Modes(4, 0.5, 0.1)))
    assert game.mean("found") == 6 and math.isnan(Played("x", "kl", (None,)).mean("found"))
    texts = [text.get_text() for text in divergence_modes([game]).axes[0].texts]
    assert texts == ["1 diverged"]


def test_true_samples_are_the_ceiling_of_the_study():
    assert true_modes().found == 8 and abs(true_modes().high_quality - 0.9889) < 0.01


def test_seeds_are_played_side_by_side_and_apart():
    x = Noise(0).normal((6, 2), "x")
    both = Apart(3, 2, 1)
    for seed in range(3):
        with seeded(seed):
            alone = MLP(2, 1, HIDDEN, activation=torch.nn.LeakyReLU)
        torch.testing.assert_close(both(x)[seed::3], alone(x[seed::3]))


def test_games_of_one_group_differ_in_the_divergence_alone():
    groups: dict[str, list[tuple[object, object]]] = {}
    for group, _, game, penalty in GAMES:
        if isinstance(game, DivergenceGame):
            groups.setdefault(group, []).append((game.cost, penalty))
    assert len(groups) == 3 and all(len(set(kinds)) == 1 for kinds in groups.values())
