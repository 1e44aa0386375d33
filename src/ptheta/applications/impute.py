"""Filling blank cells of a table by draws from p(blank cells | the others), exact in closed forms.

Models in an order of columns (NADE, MADE) draw a cell given those before it. Where known cells come after blank ones,
``PARTICLES`` fills of a row are drawn so and one is kept, with a chance in proportion to how probable it makes the
known cells that come after, prod_known p(x_d | x_<d): exact as their number grows (sampling importance resampling), and
exact at once where all blank cells come last. The mean of that product over ``EVIDENCE`` fills is an estimate without
bias of p(known cells); its logarithm is too small on average.

A fill is a draw, not a mean: over several fills the spread of a cell says how sure it is. Cells are taken to be missing
at random: that a cell is blank says nothing of what stands in it beyond what the other cells say.
"""

import math
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from ptheta.autoregressive import Autoregressive
from ptheta.distributions.columns import ColumnMixture
from ptheta.distributions.heads import inverse_cdf
from ptheta.distributions.table_heads import TableHead
from ptheta.model import Model
from ptheta.noise import Noise

__all__ = ["EVIDENCE", "PARTICLES", "fills", "how_filled", "known_log_prob", "refuse_others"]

PARTICLES = 30  # fills of a row of which one is kept
EVIDENCE = 300  # fills of a row by which the probability of its known cells is estimated
AT_A_TIME = 6000  # fills


def refuse_others(model: Model) -> None:
    """Raises ValueError, in a sentence, unless a model of tables without contexts can fill blank cells."""
    known = isinstance(model, ColumnMixture) or (
        isinstance(model, Autoregressive) and isinstance(model.head, TableHead)
    )
    if not known or model.context_space is not None:
        raise ValueError(
            "blank cells are filled by models of tables that know one cell given others (mixture, forest, independent, "
            f"made, nade), without contexts, and {type(model).__name__} is none: fit one of them."
        )


def how_filled(model: Model, known: Tensor) -> str:
    """How a model draws what stands in blank cells of rows, in a phrase; known cells are Boolean with shape (B, D)."""
    if isinstance(model, Autoregressive) and bool(_comes_after(model, known).any()):
        return f"draws, one of {PARTICLES} a row by importance"
    return "exact draws"


def fills(model: Model, x: Tensor, *, n: int = 1, seed: int = 0) -> Iterator[Tensor]:
    """Fills the blank cells of rows, several times.

    Args:
        model: A model of tables without contexts: a mixture, a forest, or one in an order of columns.
        x: Rows with shape (B, D), NaN where a cell is blank.
        n: How many fills.
        seed: Names the draws.

    Yields:
        Rows with shape (B, D), equal to x where it is not blank. Raises ValueError for other models.
    """
    refuse_others(model)
    known = ~x.isnan()
    for k in range(n):
        noise = Noise(seed).at("fill", k)
        if isinstance(model, ColumnMixture):
            yield model.without_blanks().complete(x, known, noise=noise)
        elif isinstance(model, Autoregressive):
            yield _by_importance(model, x, known, noise)


@torch.no_grad()
def _by_importance(model: Autoregressive, x: Tensor, known: Tensor, noise: Noise) -> Tensor:
    """Rows (B, D) filled by one of several completions each, drawn by how well the known cells after it fit."""
    full, asked = x.clone(), (~known).any(1).nonzero().flatten()
    for rows, drawn, weight, source in _completions(model, x, known, asked, PARTICLES, noise):
        kept = inverse_cdf(weight, source.uniform((len(rows),), "kept", like=weight))
        full[rows] = drawn[torch.arange(len(rows)), kept]
    return full


@torch.no_grad()
def known_log_prob(model: Autoregressive, x: Tensor, known: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
    """log p of the known cells of rows, the others summed out: exact where these come last, else an estimate.

    Args:
        model: A model of tables in an order of columns, without contexts.
        x: Rows with shape (B, D); only their known cells matter.
        known: Which cells are known, Boolean with shape (B, D).
        noise: Where completions come from.

    Returns:
        Nats and their standard error, 0 where they are exact, float64, each with shape (B,).
    """
    value, error = (torch.zeros(len(x), dtype=torch.float64) for _ in range(2))
    late = _comes_after(model, known)
    for asked, particles in (((~late).nonzero().flatten(), 1), (late.nonzero().flatten(), EVIDENCE)):
        for rows, _, weight, _ in _completions(model, x, known, asked, particles, noise):
            value[rows] = weight.logsumexp(1) - math.log(particles)
            if particles > 1:
                error[rows] = (weight - value[rows, None]).exp().std(1) / math.sqrt(particles)
    return value, error


def _completions(
    model: Autoregressive, x: Tensor, known: Tensor, asked: Tensor, particles: int, noise: Noise
) -> Iterator[tuple[Tensor, Tensor, Tensor, Noise]]:
    """Completes the asked rows of x (B, D) several times, a few rows at a time.

    Yields the numbers of the rows (b,), their completions (b, particles, D), log prod_known p(x_d | x_<d) of each (b,
    particles), and a source of noise for them.
    """
    law = model.without_blanks()
    for place, rows in enumerate(asked.split(max(1, AT_A_TIME // particles)) if len(asked) else ()):
        part, mask = (t[rows].repeat_interleave(particles, 0) for t in (x, known))
        source = noise.at("rows", place)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*come after open ones.*")  # which is what the weights mend
            drawn = law.complete(part, mask, noise=source)
        cells = law.cells(drawn)
        fits = law.head.log_prob(law.conditionals(cells), cells) * mask[:, law.order]
        shape = (len(rows), particles)
        yield rows, drawn.reshape(*shape, x.shape[1]), fits.sum(1).double().reshape(shape), source


def _comes_after(model: Autoregressive, known: Tensor) -> Tensor:
    """Whether a known cell of each row (B, D) comes after one that is not, in the model's order, with shape (B,)."""
    ordered = known[:, model.order]
    return ((~ordered).cumsum(1).gt(0) & ordered).any(1)
