"""Rows of maps between classes, on coloured shapes whose true counterparts are known.

A map must move the colour and keep the rest. Maps look at single pixels, which say what a colour is: no loss says which
event belongs to which, so what is found comes from the networks. Where few pixels change, a small distance to the
counterpart says little, and a blank page can have it: so each attribute is read apart, by the world's own reader, and
the one that is treated worst counts: of the class the share that is right, of all else the correlation with what the
true counterpart shows, since a shade that is a step too dark is no other shade.
"""

from functools import partial
from pathlib import Path
from typing import Any

from ptheta.papers.row import Found, Row

__all__ = ["ROWS", "recoloured"]

TWO = {"only": "red+blue"}
PIXELS = {"reach": 0}  # dials


def recoloured(model: str, options: dict[str, Any], without: dict[str, Any] | None, seed: int, folder: Path) -> Found:
    """How a map between colours treats each attribute of shapes.

    Args:
        model: The recipe's name.
        options: Of the data set.
        without: The dials of a second run, which shows what a term is for; None for none.
        seed: Names every draw.
        folder: Where the runs are kept.

    Returns:
        The least over attributes, in per cent: of the class the share of counterparts that are read as their targets,
        of all else the correlation with the true counterparts'. Among the details all of them, the shares that are as
        they should be, and the distances; those of the second run follow.
    """
    from ptheta.data import load, world
    from ptheta.data.worlds.shapes import Shapes
    from ptheta.metrics.translation import map_report
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    data, law = load("shapes-colours", **options), world("shapes-colours", **options)
    assert isinstance(law, Shapes)
    details: dict[str, float] = {}
    least: list[float] = []
    plans = {"": PIXELS} | ({", without": PIXELS | without} if without else {})
    for name, dials in plans.items():
        place = folder / ("without" if name else "whole")
        fit = fitted(model, data, place, seed, dials=dials, data_options=options, conditional=True)
        found = map_report(fit, data.test, data, world=law, noise=Noise(seed).at("map"), seed=seed)
        assert found is not None and found.counterpart is not None and found.unmoved is not None
        kept = {attribute: value for attribute, value in found.correlations.items() if attribute != law.context}
        least.append(100 * min(found.accuracy, *kept.values()))
        correlations = {f"correlation of {attribute}": value for attribute, value in kept.items()}
        shares = {f"% {attribute} as it should be": 100 * share for attribute, share in found.attributes.items()}
        distances = {
            "% read as the target": 100 * found.accuracy,
            "distance to the true counterpart": found.counterpart,
            "that of the event itself": found.unmoved,
            "there and back": found.there_and_back,
            "there and back with faint noise": found.with_noise,
            "own label": found.own_label,
            "kernel distance": found.kernel,
            "kernel distance of the events as they were": found.kernel_unmoved,
        }
        details |= {f"{what}{name}": number for what, number in (correlations | shares | distances).items()}
    if len(least) > 1:
        details["the least attribute, without"] = least[1]
    return Found(least[0], details)


ROWS = (
    Row(
        name="cyclegan-shapes",
        paper=100.0,
        pass_line=90.0,
        rule="at least",
        unit="% on the attribute treated worst: counterparts of the right class, correlation with the true one's rest",
        data="shapes-colours",
        model="cyclegan",
        seconds=500.0,
        source="Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu et al., 2017), "
        "which has no such row: red and blue shapes, the anchor is the true map. A second run has no cycle.",
        run=partial(recoloured, "cyclegan", TWO, {"cycle": 0.0, "identity": 0.0}),
        floor=(0.0, "the map that changes nothing"),
        ceiling=(100.0, "the true map"),
    ),
    Row(
        name="stargan-shapes",
        paper=100.0,
        pass_line=90.0,
        rule="at least",
        unit="% on the attribute treated worst: counterparts of the right class, correlation with the true one's rest",
        data="shapes-colours",
        model="stargan",
        seconds=300.0,
        source="StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation (Choi et "
        "al., 2017), which has no such row: four colours. At least 95 % read as the target are asked for.",
        run=partial(recoloured, "stargan", {}, None),
        floor=(0.0, "the map that changes nothing"),
        ceiling=(100.0, "the true map"),
    ),
)
