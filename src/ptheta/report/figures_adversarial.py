"""Figures of adversarial games: what a divergence changes, beside a cost and a penalty; steps that spiral."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from ptheta.adversarial import (
    GAN,
    DivergenceGame,
    Game,
    Minimax,
    NonSaturating,
    Penalty,
    Relativistic,
    UnitSlopes,
    Wasserstein,
    ZeroSlopes,
)
from ptheta.distributions.fdivergences import KL, FDivergence, JensenShannon, Pearson, ReverseKL
from ptheta.distributions.games import alternating_steps, extragradient_steps, simultaneous_steps
from ptheta.metrics.modes import Modes, count_modes, mode_reader
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.optimizers import Adam
from ptheta.report.plots import BLUE, GOLD, GREEN, RED, SOFT, new_figure

__all__ = [
    "GAMES",
    "HIDDEN",
    "SAMPLES",
    "SEEDS",
    "STEPS",
    "Apart",
    "Played",
    "divergence_modes",
    "divergence_study",
    "spiral",
    "true_modes",
]

RING: dict[str, Any] = {"std": 0.05}
SAMPLES, STEPS, SEEDS = 2500, 1000, 5
BATCH, HIDDEN, LATENT = 128, (64, 64), 2


@final
class Played(NamedTuple):
    """A game, and what each seed of it found; None where a loss was no number.

    Args:
        group: What games of one group share: the cost and the penalty.
        name: What sets it apart within its group.
        found: The modes by seed.
    """

    group: str
    name: str
    found: tuple[Modes | None, ...]

    def mean(self, field: str) -> float:
        """The mean over seeds of a field of ``Modes``; NaN where every seed diverged."""
        values = [float(getattr(modes, field)) for modes in self.found if modes is not None]
        return sum(values) / len(values) if values else math.nan


@final
class Apart(nn.Module):
    """A perceptron for each seed, in one: row i of a batch goes through that of seed i modulo their number.

    Args:
        seeds: How many there are.
        inputs: The number of input features.
        outputs: The number of output features.
    """

    def __init__(self, seeds: int, inputs: int, outputs: int) -> None:
        super().__init__()
        nets = []
        for seed in range(seeds):
            with seeded(seed):
                nets.append(MLP(inputs, outputs, HIDDEN, activation=nn.LeakyReLU))
        layers = [[layer for layer in net.layers if isinstance(layer, nn.Linear)] for net in nets]
        stacked = list(zip(*layers, strict=True))
        self.weights = nn.ParameterList(torch.stack([one.weight.detach().T for one in each]) for each in stacked)
        self.biases = nn.ParameterList(torch.stack([one.bias.detach() for one in each])[:, None] for each in stacked)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, inputs) to (n, outputs); n is a multiple of the number of seeds."""
        h = x.unflatten(0, (-1, len(self.weights[0]))).transpose(0, 1)  # (seeds, n / seeds, inputs)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, F.leaky_relu(h) if i else h, weight)
        return h.transpose(0, 1).flatten(0, 1)


PRACTICAL, BOUND, BARE, OTHERS = "practical cost, R1", "the bound, R1", "practical cost, no penalty", "other games"
COLOURS = {PRACTICAL: BLUE, BOUND: GREEN, BARE: RED, OTHERS: GOLD}
R1, R1_AND_R2, UNIT = ZeroSlopes(0.1), ZeroSlopes(0.01, fakes=True), UnitSlopes(10.0)
DIVERGENCES: dict[str, FDivergence] = {
    "jensen-shannon": JensenShannon(),
    "kl": KL(),
    "reverse kl": ReverseKL(),
    "pearson": Pearson(),
}
GAMES: tuple[tuple[str, str, Game, Penalty | None], ...] = (
    *((PRACTICAL, name, DivergenceGame(each, NonSaturating()), R1) for name, each in DIVERGENCES.items()),
    *((BOUND, name, DivergenceGame(each, Minimax()), R1) for name, each in DIVERGENCES.items()),
    *((BARE, name, DivergenceGame(each, NonSaturating()), None) for name, each in DIVERGENCES.items()),
    (OTHERS, "wasserstein, unit slopes", Wasserstein(), UNIT),
    (OTHERS, "relativistic, R1 and R2", Relativistic(), R1_AND_R2),
)


def divergence_study(
    seeds: int = SEEDS, steps: int = STEPS, games: Sequence[tuple[str, str, Game, Penalty | None]] = GAMES
) -> list[Played]:
    """Plays every game on a ring of eight Gaussians with the same networks, rule and steps, and counts modes.

    The seeds of a game are trained side by side, each with weights, latents and rows of the batch of its own; their
    gradients are clipped together, and where the loss of one is no number, all count as diverged.

    Args:
        seeds: How many seeds each is played with.
        steps: Training steps.
        games: Group, name, game and penalty of each.

    Returns:
        What each found among its samples.
    """
    from ptheta.data import load

    data, reader = load("ring", **RING).without_context(), mode_reader("ring", **RING)
    assert reader is not None
    played, rule = [], Adam(1e-3, betas=(0.5, 0.999), clip=1.0)
    for group, name, game, penalty in games:
        nets: dict[str, Any] = {"generator": Apart(seeds, LATENT, 2), "discriminator": Apart(seeds, 2, 1)}
        model = GAN(data.space, latent=LATENT, **nets, game=game, penalty=penalty, optimizers=(rule, rule))
        found: tuple[Modes | None, ...] = (None,) * seeds
        try:
            model.fit(data, steps=steps, batch_size=seeds * BATCH, schedule="linear", ema=0.99, validate_every=steps)
        except FloatingPointError:
            pass
        else:
            x = model.sample(seeds * SAMPLES, noise=Noise(0).at("sample"))
            found = tuple(count_modes(x[seed::seeds], reader) for seed in range(seeds))
        played.append(Played(group, name, found))
    return played


def true_modes() -> Modes:
    """What as many true samples show."""
    from ptheta.data.synthetic import truth

    reader = mode_reader("ring", **RING)
    assert reader is not None
    return count_modes(truth("ring", **RING).sample(SAMPLES, noise=Noise(0)), reader)


def divergence_modes(played: Sequence[Played] | None = None) -> Figure:
    """Is the divergence what distinguishes GANs? Modes, quality and evenness, a dot for each seed.

    Args:
        played: What the study found; None plays it, which takes minutes.

    Returns:
        The figure.
    """
    played, real = divergence_study() if played is None else played, true_modes()
    figure, panels = new_figure(11, 0.28 * len(played) + 1.4, 3, sharey=True)
    for axes, field, title in zip(
        panels,
        ("found", "high_quality", "reverse_kl"),
        ("modes found, of 8", "share of samples near a mode", "reverse KL over modes, nats"),
        strict=True,
    ):
        axes.axvline(getattr(real, field), color=SOFT, lw=0.8, ls=":", label="true samples")
        _dots(axes, played, field)
        axes.set_title(title, fontsize=10)
    panels[0].set_yticks(range(len(played)), [game.name for game in played], fontsize=8)
    panels[0].invert_yaxis()
    for group, colour in COLOURS.items():
        panels[2].scatter([], [], s=14, color=colour, label=group)
    figure.legend(
        *panels[2].get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=5
    )
    return figure


def _dots(axes: Axes, played: Sequence[Played], field: str) -> None:
    """A dot for each seed and a stroke at their mean, a line for each game."""
    for row, game in enumerate(played):
        colour = COLOURS[game.group]
        values = [float(getattr(modes, field)) for modes in game.found if modes is not None]
        axes.scatter(values, [row] * len(values), s=14, color=colour, alpha=0.6)
        axes.scatter([game.mean(field)], [row], s=120, color=colour, marker="|")
        if None in game.found:
            lost = sum(modes is None for modes in game.found)
            axes.annotate(f"{lost} diverged", (0.02, row), xycoords=("axes fraction", "data"), fontsize=7, va="center")


def spiral() -> Figure:
    """Three kinds of gradient steps on min max xy, whose only equilibrium is the origin."""
    figure, panels = new_figure(11, 3.8, 3, sharex=True, sharey=True)
    kinds = (
        ("simultaneous: x² + y² grows by 1 + η²", simultaneous_steps, 250),
        ("alternating: an ellipse for ever", alternating_steps, 250),
        ("extragradient: x² + y² shrinks by 1 − η² + η⁴", extragradient_steps, 250),
    )
    for axes, (title, walk, steps) in zip(panels, kinds, strict=True):
        path: Tensor = walk(0.6, 0.0, rate=0.1, steps=steps)
        axes.plot(path[:, 0], path[:, 1], color=BLUE, lw=1)
        axes.scatter([0.6], [0.0], color=BLUE, s=24, label="start", zorder=3)
        axes.scatter([0], [0], color=RED, marker="x", label="the only equilibrium", zorder=3)
        axes.set(xlabel="x minimises xy", aspect="equal")
        axes.set_title(title, fontsize=9)
    panels[0].set_ylabel("y maximises xy")
    panels[0].legend(frameon=False, fontsize=8)
    return figure
