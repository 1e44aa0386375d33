"""Mode collapse, counted: what no loss of a game shows and a picture hides.

    modes found                 modes that some sample shows surely
    high quality                share of samples that show a mode surely
    reverse KL over modes       sum_k q_k ln(q_k / p_k) of the shares q of samples nearest to each mode and the true p
    duplicates                  share of samples that another sample equals, value for value
    spread within a context     pooled standard deviation of embedded variables among events of one context

The first three need a set whose truth is known (``mode_reader``): of a mixture of Gaussians the mode is the nearest
mean, surely within three standard deviations; of a world it is shape, colour and place, as its reader sees them. A
perfect model finds no more than real events of the same number do, so each stands beside that.

Known limits:
    A mode hit once counts as found, so read the reverse KL with it. A share of high quality above the truth's own,
    98.89 % of round Gaussians in the plane, means shrunken modes. Of n samples from k equal modes the reverse KL is
    about (k - 1) / 2 n even of the truth.

References:
    VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning (Srivastava et al., 2017)
    https://arxiv.org/abs/1705.07761
    PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018)
    https://arxiv.org/abs/1712.04086
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from ptheta.data.synthetic import GaussianMixture, truth, truth_options
from ptheta.data.worlds import world
from ptheta.metrics.result import Better, MetricResult
from ptheta.noise import Noise, seeded_generator
from ptheta.spaces import Space

__all__ = ["ModeReader", "Modes", "collapse", "count_modes", "duplicates", "mode_reader", "spread_within"]

NEAR = 3.0  # standard deviations
LOOKS = 200  # of the bootstrap

MEANINGS: dict[str, tuple[Better, str]] = {
    "modes found": ("higher", "How many modes some sample shows surely."),
    "high quality": (
        "near real",
        "The share of samples that show a mode surely; above real data's, modes have shrunk.",
    ),
    "reverse KL over modes": ("lower", "In nats: how unlike the truth's the shares of the modes are; 0 is perfect."),
    "duplicates": ("near real", "The share of samples that another sample equals, value for value."),
    "spread within a context": ("near real", "How much events of one context vary; far below real data's: one answer."),
}


@final
class Modes(NamedTuple):
    """How many modes were found, the share of samples that show one surely, and the reverse KL over modes in nats."""

    found: int
    high_quality: float
    reverse_kl: float


@final
class ModeReader(NamedTuple):
    """What knows the modes of a set.

    Args:
        law: The true probability of each mode, with shape (K,).
        read: The nearest mode of each event (n,), and whether the event shows it surely (n,).
    """

    law: Tensor
    read: Callable[[Tensor], tuple[Tensor, Tensor]]


def mode_reader(name: str, **options: Any) -> ModeReader | None:
    """The modes of a named set.

    Args:
        name: The set's name.
        **options: What it was loaded with.

    Returns:
        Its reader, or None where the modes are not known: sets other than ring, grid and the worlds of shapes.
    """
    if name in ("ring", "grid"):
        law = truth(name, **{key: value for key, value in options.items() if key in truth_options(name)})
        assert isinstance(law, GaussianMixture)
        return of_mixture(law)
    return of_shapes(name, **options) if name.startswith("shapes") else None


def of_mixture(law: GaussianMixture) -> ModeReader:
    """The components of a mixture of round Gaussians as modes."""

    def read(x: Tensor) -> tuple[Tensor, Tensor]:
        distance, nearest = torch.cdist(x.double(), law.means).min(1)
        return nearest, distance < NEAR * law.stds[nearest]

    return ModeReader(law.weights, read)


def of_shapes(name: str, **options: Any) -> ModeReader:
    """Shape, colour and place of a world of shapes as modes; those held out of training have probability zero."""
    seen = world(name, **options)
    columns = [seen.column(factor) for factor in ("shape", "colour", "place")]
    sizes = [len(seen.factors[column].values) for column in columns]
    index = torch.tensor([sizes[1] * sizes[2], sizes[2], 1])
    drawn = (
        (seen.draw(20_000, noise=Noise(0))[:, columns] * index).sum(1).unique()
    )  # those that there are, all equally likely
    law = torch.zeros(math.prod(sizes), dtype=torch.float64)
    law[drawn] = 1 / len(drawn)

    def read(x: Tensor) -> tuple[Tensor, Tensor]:
        reading = seen.read(x)
        return (reading.factors[:, columns] * index).sum(1), reading.sure

    return ModeReader(law, read)


def count_modes(x: Tensor, reader: ModeReader) -> Modes:
    """Counts the modes of events.

    Args:
        x: Events with shape (n, *space.shape), n at least 1.
        reader: What knows the modes.

    Returns:
        The counts; the reverse KL is infinite where a sample is nearest to a mode that there is not.
    """
    nearest, near = reader.read(x)
    q = torch.bincount(nearest, minlength=len(reader.law)).double() / len(x)
    terms = torch.where(q > 0, q * (q / reader.law).log(), 0.0)
    found = nearest[near & (reader.law[nearest] > 0)].unique().numel()
    return Modes(found, float(near.double().mean()), max(0.0, float(terms.sum())))


def duplicates(x: Tensor) -> float:
    """The share of events, with shape (n, *space.shape), that another event equals, value for value."""
    _, owner, counts = x.flatten(1).unique(dim=0, return_inverse=True, return_counts=True)
    return float((counts[owner] > 1).double().mean())


def spread_within(y: Tensor, context: Tensor) -> float:
    """The pooled standard deviation of variables among events of one context.

    Args:
        y: Embedded events with shape (n, *).
        context: Their contexts, with shape (n, *).

    Returns:
        The square root of the mean variance over variables, each context weighing one less than it has events; NaN
        where no context occurs twice.
    """
    _, owner, counts = context.reshape(len(context), -1).unique(dim=0, return_inverse=True, return_counts=True)
    flat = y.flatten(1).double()
    means = torch.zeros(len(counts), flat.shape[1], dtype=flat.dtype).index_add_(0, owner, flat) / counts[:, None]
    freedom = int((counts - 1).sum())
    return math.sqrt(float((flat - means[owner]).square().mean(1).sum()) / freedom) if freedom else math.nan


def collapse(
    x: Tensor,
    real: Tensor,
    space: Space,
    *,
    reader: ModeReader | None = None,
    contexts: tuple[Tensor, Tensor] | None = None,
    reference: str = "test",
    seed: int = 0,
) -> tuple[MetricResult, ...]:
    """All counts that apply, each beside that of real events of the same number.

    Args:
        x: Samples with shape (n, *space.shape).
        real: Real events.
        space: What one event is.
        reader: What knows the modes, or None.
        contexts: The contexts of the samples and of the real events, or None.
        reference: The split that the real events are from.
        seed: Names the bootstrap.

    Returns:
        The results, with 95 % intervals over samples; empty where nothing applies.
    """
    n = min(len(x), len(real))
    sides = [
        (x[:n], None if contexts is None else contexts[0][:n]),
        (real[:n], None if contexts is None else contexts[1][:n]),
    ]
    mine, theirs = ([*_counted(y, c, space, reader, seed)] for y, c in sides)
    made = []
    for (name, value, interval), (_, real_value, real_interval) in zip(mine, theirs, strict=True):
        better, meaning = MEANINGS[name]
        result = MetricResult(name, real_value, real_interval, better, meaning, n, n, "exact", reference)
        made.append(MetricResult(name, value, interval, better, meaning, n, n, "exact", reference, result))
    return tuple(made)


def _counted(
    x: Tensor, context: Tensor | None, space: Space, reader: ModeReader | None, seed: int
) -> list[tuple[str, float, tuple[float, float]]]:
    """Names, values and intervals of all that can be counted on one set."""
    found: list[tuple[str, float, tuple[float, float]]] = []
    if reader is not None:
        looks = _bootstrap(x, reader, seed)
        for name, value, drawn in zip(MEANINGS, count_modes(x, reader), looks.T, strict=False):
            found.append((name, float(value), _interval(float(value), drawn)))
    if space.is_discrete:
        share = duplicates(x)
        width = 1.96 * math.sqrt(share * (1 - share) / len(x))
        found.append(("duplicates", share, (max(0.0, share - width), min(1.0, share + width))))
    if context is not None and math.isfinite(spread := spread_within(space.embed(x), context)):
        halves = [spread_within(space.embed(x[i::2]), context[i::2]) for i in (0, 1)]
        width = 1.96 * abs(halves[0] - halves[1]) / 2 if all(map(math.isfinite, halves)) else math.nan
        found.append(("spread within a context", spread, (spread - width, spread + width)))
    return found


def _bootstrap(x: Tensor, reader: ModeReader, seed: int) -> Tensor:
    """Counts of samples drawn again with replacement, with shape (looks, 3)."""
    nearest, near = reader.read(x)
    generator = seeded_generator(seed)
    looks = []
    for _ in range(LOOKS):
        rows = torch.randint(len(x), (len(x),), generator=generator)
        again = ModeReader(reader.law, lambda _, rows=rows: (nearest[rows], near[rows]))
        looks.append(torch.tensor(count_modes(x, again), dtype=torch.float64))
    return torch.stack(looks)


def _interval(value: float, drawn: Tensor) -> tuple[float, float]:
    """The value, give or take 1.96 standard deviations of what the bootstrap drew."""
    width = 1.96 * float(drawn.std()) if bool(drawn.isfinite().all()) else math.inf
    return max(0.0, value - width), value + width
