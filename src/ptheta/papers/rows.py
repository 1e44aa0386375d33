"""Every row that ``ptheta reproduce`` knows, by name."""

from itertools import chain

from ptheta.hints import did_you_mean
from ptheta.papers import (
    adversarial,
    adversarial_uses,
    autoregressive,
    coders,
    counting,
    density,
    diffusion,
    energy,
    f_gan,
    few_labels,
    flows,
    found_codes,
    given,
    latent,
    mixtures,
    modes,
    pixels,
    sequences,
    stacked,
    tabular,
    translation,
)
from ptheta.papers.row import Row

__all__ = ["ROWS", "find_row"]

ROWS: dict[str, Row] = {
    row.name: row
    for row in chain(
        counting.ROWS,
        density.ROWS,
        autoregressive.ROWS,
        sequences.ROWS,
        pixels.ROWS,
        flows.ROWS,
        latent.ROWS,
        coders.ROWS,
        diffusion.ROWS,
        mixtures.ROWS,
        energy.ROWS,
        f_gan.ROWS,
        adversarial.ROWS,
        adversarial_uses.ROWS,
        found_codes.ROWS,
        given.ROWS,
        translation.ROWS,
        modes.ROWS,
        few_labels.ROWS,
        stacked.ROWS,
        tabular.ROWS,
    )
}


def find_row(name: str) -> Row:
    """The row of a name.

    Args:
        name: A key of ``ROWS``.

    Returns:
        The row.
    """
    if name not in ROWS:
        hint = did_you_mean(name, ROWS)
        raise ValueError(f"there is no row {name!r}.{hint} ptheta reproduce, without a name, lists them all.")
    return ROWS[name]
