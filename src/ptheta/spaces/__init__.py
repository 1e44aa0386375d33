"""Spaces: what one event x *is*.

A space is the joint of the library. A data set has one, a model has one, and they must agree. It checks events,
maps them to what networks eat (``embed``) and back to valid events (``project``), and turns nats into bits per
dimension. Five kinds:

    Binary(shape)             x in {0, 1}^shape,            uint8
    Levels(shape, n)          x in {0, ..., n-1}^shape,     uint8, ordered: intensities
    Symbols(shape, n)         x in {0, ..., n-1}^shape,     int64, unordered: codes, letters, classes
    Real(shape, mean, scale)  x in R^shape,                 float
    Table(columns)            a row of columns of any kinds, float64, some cells blank (NaN)

Networks see levels and bits in [-1, 1], reals as z-scores (x - mean) / scale, symbols one-hot. Likelihoods see
``cells``: the event flattened to its D variables, reals standardised; ``log_volume`` is the constant that turns a
density of cells into a density of events, log p(x) = log p(cells) - log_volume.
"""

from typing import Any

from ptheta.spaces.column import Column
from ptheta.spaces.lattice import Binary, Levels
from ptheta.spaces.real import Real
from ptheta.spaces.space import Space
from ptheta.spaces.symbols import Classes, Symbols, Tokens
from ptheta.spaces.table import Dialect, Table

__all__ = [
    "Binary",
    "Classes",
    "Column",
    "Dialect",
    "Levels",
    "Real",
    "Space",
    "Symbols",
    "Table",
    "Tokens",
    "require",
    "space_from_json",
]


def space_from_json(record: dict[str, Any] | None) -> Space | None:
    """Builds the space that ``to_json`` described; None stays None.

    Args:
        record: What ``Space.to_json`` returned.

    Returns:
        An equal space.
    """
    if record is None:
        return None
    fields = dict(record)
    kind = fields.pop("kind", None)
    for cls in (Binary, Levels, Symbols, Real, Table):
        if kind == cls.kind:
            try:
                return cls(**fields)
            except (TypeError, OverflowError) as error:
                raise ValueError(f"expected the fields of a space of kind {kind}, but {error}.") from error
    raise ValueError(f"expected a space of kind binary, levels, symbols, real or table, but the kind is {kind!r}.")


def require(space: Space, *kinds: type[Space], who: str) -> None:
    """Raises ValueError, in a sentence, unless ``space`` is of one of the kinds that the model ``who`` supports."""
    if not isinstance(space, kinds):
        names = " or ".join(k.__name__ for k in kinds)
        raise ValueError(f"{who} models events of {names} spaces, but the space is {space}.")
