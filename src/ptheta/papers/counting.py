"""Rows of counting models and mixtures: tables, chains, trees and EM, which fit in seconds.

Anchors without a paper were counted once without this library. They have no training noise, so ours must meet them:
within .02 nats on large sets, within .1 on the sets of 400 and 2000 events, where it shows how a table is smoothed. Our
tables back off another way than the anchors of eight and more parents, which they must not exceed.
"""

from functools import partial
from typing import Any, Literal

from ptheta.papers.row import Row
from ptheta.papers.wine import WINE, red_wine

__all__ = ["ROWS"]

COUNTS = "Exact, from counts on the training events; the data are those of Larochelle & Murray (2011)."
MADE = "A mixture of Bernoullis, as tabled by MADE: Masked Autoencoder (Germain et al., 2015)."
RNADE = "RNADE: The real-valued neural autoregressive density-estimator (Uria, Murray & Larochelle, 2013)"
EM = "The anchor is another library's EM on the same folds; all nine parts are fitted."
MNIST = "binarized-mnist"

Rule = Literal["at most", "at least", "within"]


def _bits(
    model: str,
    data: str,
    anchor: float,
    line: float,
    *,
    rule: Rule = "within",
    stem: str = "",
    seconds: float = 2.0,
    source: str = COUNTS,
    **dials: Any,
) -> Row:
    """A model of bits, named after itself, or what is peculiar to it, and its data."""
    unit = "nats, negative log-likelihood on test"
    return Row(f"{stem or model}-{data}", anchor, line, rule, unit, data, model, dials, seconds=seconds, source=source)


def _wine(model: str, anchor: float, line: float, rule: Rule, source: str, *, stem: str = "", **dials: Any) -> Row:
    """A model of reals, fitted to nine folds of red wine, which needs no validation events."""
    return Row(
        name=f"{stem or model}-red-wine",
        paper=anchor,
        pass_line=line,
        rule=rule,
        unit=WINE,
        data="red-wine",
        model=model,
        dials=dials,
        seconds=4.0,
        source=source,
        run=partial(red_wine, model, hold_out=False, dials=dials),
    )


def _prefix(parents: int, anchor: float, line: float, rule: Rule = "within") -> Row:
    """A table over the pixels just before, in raster order."""
    stem = f"ar-table-{parents}"
    return _bits("ar-table", MNIST, anchor, line, rule=rule, stem=stem, seconds=4, parents=parents, neighbours="prefix")


def _causal(stem: str, parents: int, anchor: float, line: float, **dials: Any) -> Row:
    """A table over the nearest pixels before, in both directions."""
    source = COUNTS + f" The parents are the {parents} nearest causal pixels."
    dials = {"parents": parents, "neighbours": "causal", **dials}
    return _bits("ar-table", MNIST, anchor, line, rule="at most", stem=stem, seconds=4, source=source, **dials)


ROWS = (
    _bits("independent", MNIST, 205.79, 0.02),
    _bits("markov", MNIST, 145.35, 0.02),
    _bits("chow-liu", MNIST, 134.99, 0.02, seconds=5),
    _prefix(2, 143.33, 0.02),
    _prefix(4, 140.65, 0.02),
    _prefix(8, 138.75, 0.5),
    _prefix(12, 140.93, 140.93, "at most"),
    _causal("ar-table-causal-6", 6, 101.87, 101.87),
    _causal("ar-table-causal", 10, 99.37, 99.5),
    _causal("ar-table-causal-12", 12, 102.34, 102.34, backoff=8.0),
    _bits("bernoulli-mixture", MNIST, 167.3, 2.0, seconds=37, components=10),
    _bits("independent", "dna", 100.39, 0.02, smoothing=0.5),
    _bits("markov", "dna", 89.88, 0.02, smoothing=0.5),
    _bits("ar-table", "dna", 80.16, 0.02, parents=4, neighbours="prefix"),
    _bits("chow-liu", "dna", 87.76, 0.02, smoothing=0.5),
    _bits("bernoulli-mixture", "dna", 98.19, 0.6, source=MADE, components=8),
    _bits("independent", "mushrooms", 34.23, 0.1, smoothing=0.5),
    _bits("markov", "mushrooms", 28.29, 0.1, smoothing=0.5),
    _bits("ar-table", "mushrooms", 21.66, 0.1, parents=4, neighbours="prefix"),
    _bits("chow-liu", "mushrooms", 20.98, 0.1, smoothing=0.5),
    _bits("bernoulli-mixture", "mushrooms", 14.46, 0.3, source=MADE, components=128),
    _bits("independent", "nips", 294.80, 0.1, smoothing=0.5),
    _bits("markov", "nips", 294.41, 0.1, smoothing=0.5),
    _bits("chow-liu", "nips", 281.12, 0.1, smoothing=0.5),
    _bits("bernoulli-mixture", "nips", 290.02, 290.02, rule="at most", source=MADE, components=8),
    _wine("gaussian", -13.18, 0.02, "within", f"{RNADE}, one full Gaussian: the check of the protocol."),
    _wine("independent", -15.65, 0.02, "within", "Exact, one Gaussian per variable."),
    _wine(
        "gaussian-mixture",
        -10.77,
        -10.77,
        "at least",
        f"{EM} Four components.",
        stem="gaussian-mixture-4",
        components=4,
    ),
    _wine(
        "gaussian-mixture",
        -10.01,
        -10.32,
        "at least",
        f"{EM} Eight components. The anchor adds .01 to the variances and keeps the best of three starts; the line is "
        "one start of plain EM.",
        components=8,
    ),
    _wine("kde", -10.01, -10.01, "at least", "The line is that of a mixture of eight Gaussians."),
)
