"""Rows of GANs on the plane and the line, where the truth is known: modes found, and distances estimated.

Of Gaussians on a ring or a lattice the modes that samples show are counted, as PacGAN's paper does, and beside them
what true samples of the same number give. A WGAN-GP critic claims to bound the distance

    W1(P, Q) = max E_p v - E_q v  over all v of slope at most 1

so its estimate, divided by the steepest slope that it was seen to have, must not exceed the exact distance of two
clouds: on the line by sorting, in the plane by the best assignment of 500 points to 500.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ptheta.papers.row import Found, Row

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.adversarial import GAN

__all__ = ["ROWS", "critics_distance", "modes_found"]

SAMPLES = 10_000
CLOUD = 500  # points of each side, among which the best assignment is found
SLACK = 0.01  # by which a ratio may exceed 1: clouds are finite, and the steepest slope is looked for at their points


def modes_found(
    model: str,
    data: str,
    value: Literal["found", "high_quality"],
    seed: int,
    folder: Path,
    *,
    dials: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
) -> Found:
    """How many modes a GAN draws of a set of Gaussians in the plane, and how well.

    Args:
        model: The recipe's name.
        data: "ring" or "grid".
        value: Which count is the row's number.
        seed: Names every draw.
        folder: Where the run is kept.
        dials: The recipe's dials.
        training: Fields of ``Training`` that override the recipe's.

    Returns:
        The modes with a sample within three standard deviations, or the share of samples that near to a mode in per
        cent; among the details the other one, the reverse KL over modes, and the same of true samples.
    """
    from ptheta.data import load
    from ptheta.data.synthetic import truth
    from ptheta.metrics.modes import count_modes, mode_reader
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    fit = fitted(model, load(data), folder, seed, dials=dials, training=training)
    reader = mode_reader(data)
    assert reader is not None
    ours = count_modes(fit.sample(SAMPLES, noise=Noise(seed).at("sample")), reader)
    true = count_modes(truth(data).sample(SAMPLES, noise=Noise(seed).at("true")), reader)
    counts = {"found": float(ours.found), "high_quality": 100 * ours.high_quality}
    return Found(
        counts[value],
        {
            "modes": counts["found"],
            "% of samples within three standard deviations of a mode": counts["high_quality"],
            "% of true samples that near": 100 * true.high_quality,
            "reverse KL over modes": ours.reverse_kl,
            "reverse KL over modes of true samples": true.reverse_kl,
        },
    )


def critics_distance(seed: int, folder: Path) -> Found:
    """How near a WGAN-GP critic comes to the exact distance of two laws, on the line and in the plane.

    The critic learns with the generator held still: on the line f-GAN's mixture against N(0, 1), in the plane the moons
    against N((2, 2), I). Beside them the ring against N(0, I), where the best critic rises to the ring and falls
    beyond: it has slope 0 on the way, which the penalty forbids, so the critic stays on one side of the hill. That is
    told, and no part of the number.

    Args:
        seed: Names the weights, the clouds and the noise.
        folder: Nothing is kept: it takes a minute.

    Returns:
        The smaller ratio of estimate to distance on the line and in the plane; among the details both, and what they
        are made of. Raises FloatingPointError if an estimate exceeds what it bounds.
    """
    details: dict[str, float] = {}
    ratios = []
    for data, shift, where in (
        ("mixture-1d", 0.0, "on the line"),
        ("moons", 2.0, "in the plane"),
        ("ring", 0.0, "of the ring"),
    ):
        estimate, slope, exact = _critic_and_truth(data, shift, seed)
        ratio = estimate / max(slope, 1e-12) / exact
        if ratio > 1 + SLACK:
            raise FloatingPointError(f"the critic's estimate {where} is {ratio:g} of the distance that it bounds.")
        ratios.append(ratio)
        details |= {
            f"ratio {where}": ratio,
            f"exact distance {where}": exact,
            f"the critic's difference of means {where}": estimate,
            f"its steepest slope {where}": slope,
        }
    return Found(min(ratios[:2]), details)


def _critic_and_truth(data: str, shift: float, seed: int) -> tuple[float, float, float]:
    """A trained critic's difference of means and its steepest slope on two clouds, and their exact distance."""
    import torch
    from scipy.optimize import linear_sum_assignment
    from torch import nn

    from ptheta.adversarial import GAN, UnitSlopes, Wasserstein
    from ptheta.data.synthetic import truth
    from ptheta.nn.mlp import MLP
    from ptheta.noise import Noise, seeded
    from ptheta.optimizers import SGD, Adam
    from ptheta.spaces import Real

    law, noise = truth(data), Noise(seed)
    d = law.space.dimensions
    with seeded(seed):
        wide, critic = nn.Linear(d, d), MLP(d, 1, (64, 64), activation=nn.Tanh)
    final: Any = critic.layers[-1]
    nn.init.zeros_(final.weight)  # flat, so that the laws decide which way it rises: the penalty would keep a wrong one
    nn.init.eye_(wide.weight)
    nn.init.constant_(wide.bias, shift)
    model = GAN(
        Real((d,)),
        latent=d,
        generator=wide,
        discriminator=critic,
        game=Wasserstein(),
        penalty=UnitSlopes(100.0),
        optimizers=(Adam(2e-3, betas=(0.0, 0.9)), SGD(0.0)),  # the generator stands still
    )
    events = law.sample(20_000, noise=noise.at("train"))
    model.fit(events, steps=5000, batch_size=512, schedule="linear", ema=0.995, seed=seed)
    p, q = law.sample(CLOUD, noise=noise.at("p")), model.sample(CLOUD, noise=noise.at("q"))
    if d == 1:
        exact = float((p.sort(0).values - q.sort(0).values).abs().mean())
    else:
        costs = torch.cdist(p.double(), q.double())
        exact = float(costs[linear_sum_assignment(costs.numpy())].mean())
    with torch.no_grad():
        estimate = float((critic(p) - critic(q)).mean())
    return estimate, _steepest(model, torch.cat([p, q, (p + q) / 2])), exact


def _steepest(model: "GAN", y: "Tensor") -> float:
    """The largest slope of a critic at points."""
    import torch

    y = y.detach().requires_grad_()
    (slope,) = torch.autograd.grad(model.discriminator(y).sum(), y)
    return float(slope.norm(dim=1).max())


def _grid(name: str, model: str, value: Literal["found", "high_quality"], **row: Any) -> Row:
    """A GAN on 25 Gaussians."""
    dials = row.get("dials", {})
    return Row(
        name=name,
        rule="at least",
        data="grid",
        model=model,
        run=partial(modes_found, model, "grid", value, dials=dials, training=row.pop("training", None)),
        **row,
    )


ROWS = (
    Row(
        name="gan-ring",
        paper=6.3,
        pass_line=8.0,
        rule="at least",
        unit=f"of 8 modes, those that {SAMPLES} samples hit",
        data="ring",
        model="gan",
        seconds=100.0,
        source="PacGAN: The power of two samples in GANs (Lin et al., 2018), its plain GAN, whose networks and penalty "
        "are others, of 2500 samples. A share of near samples above that of true ones means shrunken modes.",
        run=partial(modes_found, "gan", "ring", "found"),
        floor=(1.0, "one mode, as VEEGAN's plain GAN"),
        ceiling=(8.0, "true samples"),
    ),
    _grid(
        "pacgan-grid",
        "pacgan",
        "found",
        paper=23.8,
        pass_line=23.8,
        unit=f"of 25 modes, those that {SAMPLES} samples hit",
        dials={"latent": 2},
        seconds=150.0,
        source="PacGAN: The power of two samples in GANs (Lin et al., 2018), packs of two, whose networks are others "
        "and which has no penalty, of 2500 samples; 91.3 % of its samples are near a mode, its reverse KL is .13.",
        floor=(17.3, "the paper's plain GAN"),
        ceiling=(25.0, "true samples"),
    ),
    _grid(
        "r3gan-grid",
        "r3gan",
        "high_quality",
        paper=98.89,
        pass_line=85.0,
        unit=f"% of {SAMPLES} samples within three standard deviations of one of 25 modes",
        dials={"latent": 2},
        seconds=240.0,
        source="The GAN is dead; long live the GAN! (Huang et al., 2024), which has no such row: the anchor is what "
        "true samples have. All 25 modes and a reverse KL of at most .05 are asked for besides.",
        floor=(1.5, "a plain GAN of as many networks after 1200 steps"),
        ceiling=(98.89, "true samples"),
    ),
    Row(
        name="wgan-distance",
        paper=1.0,
        pass_line=0.1,
        rule="within",
        unit="of the exact distance, what the critic estimates, divided by its steepest slope; the worse of two laws",
        data="moons",
        model="wgan-gp",
        seconds=140.0,
        source="Improved Training of Wasserstein GANs (Gulrajani et al., 2017), which has no such row: a critic of "
        "64-64 tanh units and a penalty of weight 100 after 5000 steps at batch 512, the generator held still. It must "
        "not exceed the distance.",
        run=critics_distance,
        floor=(0.0, "a critic that sees no difference"),
        ceiling=(1.0, "the best critic"),
    ),
)
