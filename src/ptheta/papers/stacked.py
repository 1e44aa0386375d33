"""The row of stacked digits: which of a thousand modes a GAN draws, by a classifier whose count on real data is beside.

A small classifier of digits names the three channels of a picture; a mode is found when some sample shows it and the
classifier is sure of all three. Three GANs of the same networks are trained as many steps: plain, packed by two, and
relativistic with two penalties.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptheta.papers.row import Found, Row

if TYPE_CHECKING:
    from ptheta.metrics.modes import ModeReader

__all__ = ["ROWS", "stacked_modes"]

SAMPLES, SURE, STEPS = 10_000, 0.9, 8000
GAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "gan": ("pacgan", {"packing": 1}),
    "pacgan": ("pacgan", {}),
    "r3gan": ("r3gan", {}),
}


def stacked_modes(seed: int, folder: Path) -> Found:
    """How many of a thousand modes three GANs draw.

    Args:
        seed: Names every draw, and the classifier's training.
        folder: Where the runs are kept, one each.

    Returns:
        The modes that the packed GAN draws; among the details all counts, and those of real events.
    """
    from ptheta.data import load
    from ptheta.metrics.modes import count_modes
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    data, reader = load("stacked-digits"), _reader(seed)
    drawn = {
        name: fitted(recipe, data, folder / name, seed, dials=dials, training={"steps": STEPS}).sample(
            SAMPLES, noise=Noise(seed).at("sample")
        )
        for name, (recipe, dials) in GAMES.items()
    }
    details, found = dict[str, float](), dict[str, float]()
    for name, x in (drawn | {"real events": data.train.x[:SAMPLES]}).items():
        modes = count_modes(x, reader)
        found[name] = float(modes.found)
        details |= {
            f"modes, {name}": found[name],
            f"% of samples of which the classifier is sure, {name}": 100 * modes.high_quality,
            f"reverse KL over modes, {name}": modes.reverse_kl,
        }
    return Found(found["pacgan"], details)


def _reader(seed: int) -> "ModeReader":
    """Names the three digits of pictures, and says where it is sure of them all."""
    import torch
    from torch import Tensor

    from ptheta.data import load
    from ptheta.data.worlds.stacked import channels, classes_of, shares
    from ptheta.metrics.modes import ModeReader
    from ptheta.papers.adversarial import classifier

    digits = load("digits")
    net = classifier(digits, seed)

    @torch.no_grad()
    def read(x: Tensor) -> tuple[Tensor, Tensor]:
        p = net(digits.space.embed(channels(x))).softmax(1).unflatten(0, (-1, 3))
        return classes_of(p.argmax(2)), (p.amax(2) > SURE).all(1)

    return ModeReader(shares(), read)


ROWS = (
    Row(
        name="stacked-digits",
        paper=1000.0,
        pass_line=900.0,
        rule="at least",
        unit=f"of 1000 modes, those that {SAMPLES} samples of a packed GAN show surely",
        data="stacked-digits",
        model="pacgan",
        seconds=500.0,
        source="PacGAN: The power of two samples in GANs (Lin et al., 2018), on stacked MNIST "
        "with other networks and 26,000 samples, where its plain GAN finds 99.",
        run=stacked_modes,
        floor=(1.0, "one picture"),
        ceiling=(1000.0, "all modes; what the classifier finds among real events stands beside"),
    ),
)
