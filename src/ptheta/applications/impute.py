"""Filling blank cells of a table by draws from p(blank cells | the others), exact in closed forms.

A fill is a draw, not a mean: over several fills the spread of a cell says how sure it is. Cells are taken to be missing
at random: that a cell is blank says nothing of what stands in it beyond what the other cells say.
"""

from collections.abc import Iterator

from torch import Tensor

from ptheta.distributions.columns import ColumnMixture
from ptheta.model import Model
from ptheta.noise import Noise

__all__ = ["fills", "refuse_others"]


def refuse_others(model: Model) -> None:
    """Raises ValueError, in a sentence, unless a model is a mixture or a forest of tables, without contexts."""
    if not isinstance(model, ColumnMixture) or model.context_space is not None:
        raise ValueError(
            "blank cells are filled by models of tables whose conditionals are exact (mixture, forest, independent), "
            f"without contexts, and {type(model).__name__} is none: fit one of them."
        )


def fills(model: Model, x: Tensor, *, n: int = 1, seed: int = 0) -> Iterator[Tensor]:
    """Fills the blank cells of rows, several times.

    Args:
        model: A mixture or a forest of tables, without contexts.
        x: Rows with shape (B, D), NaN where a cell is blank.
        n: How many fills.
        seed: Names the draws.

    Yields:
        Rows with shape (B, D), equal to x where it is not blank. Raises ValueError for other models.
    """
    refuse_others(model)
    assert isinstance(model, ColumnMixture)
    law, known = model.without_blanks(), ~x.isnan()
    for k in range(n):
        yield law.complete(x, known, noise=Noise(seed).at("fill", k))
