"""A figure of diffusion models: what few network calls cost, per model and sampler."""

from typing import Any

import torch
from matplotlib.figure import Figure

from ptheta.noise import Noise
from ptheta.report.plots import BLUE, GREEN, INK, RED, SOFT, new_figure

__all__ = ["hits", "sampling_steps"]

CALLS, POINTS = (1, 2, 5, 10, 20, 50), 4000
RING: dict[str, Any] = {"radius": 2.0, "std": 0.2}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDPM": ("ddpm", {}),
    "EDM": ("edm", {}),
    "flow matching": ("flow-matching", {}),
    "paired optimally": ("flow-matching", {"pairing": "optimal"}),
}
LINES = (  # model, sampler, colour, dashes
    ("DDPM", "DDIM", SOFT, "-"),
    ("DDPM", "DDIM, eta 1", SOFT, ":"),
    ("EDM", "DDIM", BLUE, "--"),
    ("EDM", "Heun", BLUE, "-"),
    ("flow matching", "DDIM", RED, "--"),
    ("flow matching", "Heun", RED, "-"),
    ("paired optimally", "DDIM", GREEN, "--"),
    ("paired optimally", "Heun", GREEN, "-"),
)


def hits(x: torch.Tensor, means: torch.Tensor) -> float:
    """The share of points (n, 2) within three deviations of a mode of the ring."""
    return float((torch.cdist(x.double(), means).amin(1) < 3 * RING["std"]).double().mean())


def sampling_steps(training_steps: int = 1500) -> Figure:
    """The share of samples near a mode of a ring of eight against network calls: four models, each by its samplers.

    Args:
        training_steps: How long each model is trained.

    Returns:
        The figure.
    """
    from ptheta.data import load
    from ptheta.data.synthetic import GaussianMixture, truth
    from ptheta.diffusion import DDIM, Heun
    from ptheta.recipes import find_recipe

    data, law = load("ring", **RING), truth("ring", **RING)
    assert isinstance(law, GaussianMixture)
    fitted: dict[str, Any] = {}
    for title, (name, dials) in MODELS.items():
        recipe = find_recipe(name)(data.space, width=64, **dials)
        options = {"steps": training_steps, "validate_every": training_steps}
        fitted[title] = recipe.fit(data, seed=0, batch_size=256, **options)
    figure, (axes,) = new_figure(6.4, 4.0)
    samplers = {"DDIM": DDIM, "DDIM, eta 1": lambda n: DDIM(n, eta=1.0), "Heun": lambda n: Heun((n + 1) // 2)}
    for title, sampler, color, style in LINES:
        model, shares, calls = fitted[title], [], [n for n in CALLS if sampler != "Heun" or n >= 5]
        for n in calls:
            model.sampler = samplers[sampler](n)
            shares.append(hits(model.sample(POINTS, noise=Noise(0)), law.means))
        axes.plot(calls, shares, color=color, linestyle=style, marker=".", label=f"{title}, {sampler}")
    axes.axhline(hits(law.sample(POINTS, noise=Noise(0)), law.means), color=INK, linewidth=0.8)
    axes.set(xscale="log", xticks=CALLS, xticklabels=CALLS, xlabel="network calls", ylim=(0, 1.02))
    axes.set(ylabel="share within 3 deviations of a mode", title="Samples of a ring of eight (line: the ring itself)")
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    return figure
