"""Prints docs/divergences.md: what the study of divergences found, which ``benchmarks/divergences.py`` kept."""

import json
import math
from typing import Any

from places import RESULTS
from ptheta.metrics.modes import Modes
from ptheta.report.figures_adversarial import Played

__all__ = ["page", "table"]

ABOUT = """# Is the divergence what distinguishes GANs?

A GAN descends a divergence that its critic estimates, so one would think that the divergence decides what it draws: KL
should cover all modes, reverse KL should pick some. Goodfellow's tutorial of 2016 doubts it. Here every game is played
on a ring of eight Gaussians by the same networks (two hidden layers of 64), with the same batches of 128, rate and
steps, from {seeds} seeds, {steps} steps each; modes are counted among {samples} samples, as PacGAN's paper does. The
practical cost maximises the critic on fakes, the bound is the divergence itself, R1 pays for slopes at data.

`python benchmarks/divergences.py` plays all ({minutes:.0f} minutes of one core), `make docs` prints this page,
`ptheta figure divergence-modes` plays it afresh and draws it.

![Modes, quality and reverse KL, a dot for each seed](pictures/figure-divergence-modes.png)
"""
READING = """## How far means differ

{ranges}

The first three lines are what a change of divergence does while all else is held; the others what a change of the cost
or of the penalty does while the divergence is held, on average over divergences. Compare them before calling a
divergence the reason for anything.

- With the bound and R1 nearly all games find all modes, whatever their divergence; only Pearson sometimes fails.
- With the practical cost KL and Pearson lose modes; Jensen-Shannon and reverse KL do not. The folklore has it the other
  way round: KL should cover. But the practical cost of a divergence descends another one (`games.py`): that of KL is
  reverse KL. The same divergences keep their modes when the generator minimises the bound itself. Why reverse KL, whose
  critic is bounded from above, keeps its modes under either cost is not shown by this.
- Without a penalty every divergence loses modes from some seed: the penalty is no detail.
- The relativistic game with two penalties finds all modes from all seeds, and estimates no f-divergence.
- Nobody is near the truth's quality in this budget. The Wasserstein critic takes one step for each of the generator
  here, as all do, where its paper takes five: its line says that this is too few, and nothing of the distance.

So the answer depends on the rest of the game: with the practical cost the divergence matters more than the cost does,
with the bound and a penalty it hardly matters. And where it matters it does not do what its formula promises, since the
generator here is large enough for the ring, and need not choose between covering and picking.

What this does not say: the ring has two variables, the networks are small and the budget is short, so a game that is
slow looks like one that is wrong. A mode counts when one sample hits it: read it beside the reverse KL. Of so few seeds
a difference of one mode is noise.

## The three costs, and steps that spiral

`ptheta figure generator-costs` draws what reaches the generator through each of the three costs while its fakes are
found out: minimax gives nothing there, the practical cost gives most. `ptheta figure spiral` draws min max xy, where
simultaneous steps move away from the only equilibrium, alternating ones, which are those of a GAN, go round it for
ever, and extragradient steps come to rest (`ptheta.distributions.games`).
"""


def table(played: list[Played], true: Modes) -> str:
    """A line for each game: means over seeds, the least and the most modes, and how many seeds diverged."""
    lines = ["| cost and penalty | game | modes of 8 | near a mode | reverse KL, nats | diverged |", "| --- " * 6 + "|"]
    for game in played:
        modes = [each.found for each in game.found if each is not None]
        span = f"{game.mean('found'):.1f} ({min(modes)} to {max(modes)})" if modes else "none"
        near, kl = game.mean("high_quality"), game.mean("reverse_kl")
        shown = (f"{100 * near:.1f} %", f"{kl:.3f}") if modes else ("none", "none")
        lines.append(f"| {game.group} | {game.name} | {span} | {shown[0]} | {shown[1]} | {game.found.count(None)} |")
    truth = f"| | true samples | {true.found} | {100 * true.high_quality:.1f} % | {true.reverse_kl:.3f} | |"
    return "\n".join([*lines, truth])


def _ranges(played: list[Played]) -> str:
    """How far means over seeds differ between divergences in a group, and between groups for one divergence."""
    by: dict[str, dict[str, Played]] = {}
    for game in played:
        by.setdefault(game.group, {})[game.name] = game
    groups = [group for group, games in by.items() if len(games) > 2]
    lines = ["| what changes | what is held | modes | near a mode | reverse KL, nats |", "| --- " * 5 + "|"]
    for group in groups:
        apart = [_apart([game.mean(field) for game in by[group].values()]) for field in Modes._fields]
        lines.append(_line("the divergence", group, apart))
    first, *others = groups
    for other in others:
        pairs = [(by[first][name], by[other][name]) for name in by[first]]
        apart = [_mean([_apart([a.mean(f), b.mean(f)]) for a, b in pairs]) for f in Modes._fields]
        lines.append(_line(f"{first} to {other}", "each divergence", apart))
    return "\n".join(lines)


def _line(changes: str, held: str, apart: list[float]) -> str:
    found, near, kl = apart
    return f"| {changes} | {held} | {found:.1f} | {100 * near:.1f} % | {kl:.3f} |"


def _apart(values: list[float]) -> float:
    """The largest less the smallest, of those that are numbers."""
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) - min(finite) if finite else math.nan


def _mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def page() -> str:
    """docs/divergences.md."""
    found: dict[str, Any] = json.loads((RESULTS / "divergences.json").read_text())
    played = [
        Played(game["group"], game["name"], tuple(modes and Modes(**modes) for modes in game["found"]))
        for game in found["games"]
    ]
    about = ABOUT.format(**found, minutes=found["cpu_seconds"] / 60)
    return f"{about}\n{table(played, Modes(**found['true']))}\n\n{READING.format(ranges=_ranges(played))}"
