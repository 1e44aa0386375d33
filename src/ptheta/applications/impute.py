"""Filling blank cells of a table by draws from p(blank cells | the others), exact in closed forms.

Models in an order of columns (NADE, MADE) draw a cell given those before it. Where known cells come after blank ones,
``PARTICLES`` fills of a row are drawn so and one is kept, with a chance in proportion to how probable it makes the
known cells that come after, prod_known p(x_d | x_<d): exact as their number grows (sampling importance resampling), and
exact at once where all blank cells come last.

A fill is a draw, not a mean: over several fills the spread of a cell says how sure it is. Cells are taken to be missing
at random: that a cell is blank says nothing of what stands in it beyond what the other cells say.
"""

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

__all__ = ["PARTICLES", "fills", "how_filled", "refuse_others"]

PARTICLES = 30  # fills of a row of which one is kept
ROWS = 200  # that are filled at a time


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


def how_filled(model: Model) -> str:
    """How a model draws what stands in blank cells, in a phrase."""
    return "exact draws" if isinstance(model, ColumnMixture) else f"draws, one of {PARTICLES} a row by importance,"


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
    law, full = model.without_blanks(), x.clone()
    for place, rows in enumerate((~known).any(1).nonzero().flatten().split(ROWS)):
        asked, mask = (t[rows].repeat_interleave(PARTICLES, 0) for t in (x, known))
        source = noise.at("rows", place)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*come after open ones.*")  # which is what the weights mend
            drawn = law.complete(asked, mask, noise=source)
        cells = law.cells(drawn)
        fits = law.head.log_prob(law.conditionals(cells), cells) * mask[:, law.order]
        weight = fits.sum(1).double().reshape(len(rows), PARTICLES)
        kept = inverse_cdf(weight, source.uniform((len(rows),), "kept", like=weight))
        full[rows] = drawn.reshape(len(rows), PARTICLES, -1)[torch.arange(len(rows)), kept]
    return full
