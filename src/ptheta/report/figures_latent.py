"""Figures of latent variables: where codes lie beside their prior, and what the terms of the bound do in training."""

from typing import TYPE_CHECKING, Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ptheta.noise import Noise
from ptheta.report.plots import BLUE, GOLD, GREEN, INK, RED, SOFT, new_figure

if TYPE_CHECKING:
    from ptheta.data import Dataset

__all__ = ["elbo_terms", "priors"]

CODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "VAE": ("vae", {"prior": "standard", "network": "mlp"}),
    "VAE, VampPrior": ("vae", {"prior": "vamp", "network": "mlp"}),
    "AAE": ("aae", {}),
    "AAE, a ring": ("aae", {"prior": "ring"}),
}
POINTS = 600
MOMENTS = (1, 3, 10, 30, 100, 300, 1000, 2000)  # training steps after which the terms are looked at
WARMUP = 0.5  # of the training


def priors(training_steps: int = 1000) -> Figure:
    """Codes of digits in the plane, coloured by class, over draws of the prior that they should follow.

    A code of a VAE is a draw of its posterior, so that all of them together are the aggregate posterior; that of an AAE
    is what its encoder says.

    Args:
        training_steps: How long each model is trained.

    Returns:
        The figure.
    """
    from ptheta.data import load
    from ptheta.recipes import find_recipe

    labelled = load("digits")
    data = labelled.without_context()
    figure, panels = new_figure(12.0, 3.4, columns=len(CODERS))
    for axes, (title, (name, dials)) in zip(panels, CODERS.items(), strict=True):
        recipe = find_recipe(name)(data.space, latent=2, **dials)
        model: Any = recipe.fit(data, seed=0, steps=training_steps, validate_every=training_steps)
        model.eval()
        codes = _codes(model, data.train.x[:POINTS])
        drawn = model.latents(POINTS, Noise(1)) if name == "aae" else model.prior.sample(POINTS, noise=Noise(1))
        axes.scatter(*drawn.detach().T.tolist(), s=14, color=SOFT, alpha=0.35, linewidths=0, label="prior")
        axes.scatter(*codes.T.tolist(), s=5, c=labelled.train.context[:POINTS], cmap="tab10", linewidths=0)  # type: ignore[index]
        axes.set(title=title, xticks=[], yticks=[], aspect="equal")
    panels[0].legend(frameon=False, fontsize=8, loc="upper right")
    return figure


@torch.no_grad()
def _codes(model: Any, x: Tensor) -> Tensor:
    """A draw of the posterior of each event; of an AAE its code."""
    return model.code_terms(x, noise=Noise(0))[0] if hasattr(model, "code_terms") else model.encode(x)


def elbo_terms(training_steps: int = 2000) -> Figure:
    """The terms of the bound on test digits while training: of a VAE, and of each layer of a ladder.

    Args:
        training_steps: How long each model is trained; the ladder's rates grow in weight over the first half.

    Returns:
        The figure.
    """
    from ptheta.data import load

    data = load("digits").without_context()
    figure, (left, right) = new_figure(9.6, 3.8, columns=2)
    moments = [step for step in MOMENTS if step <= training_steps]
    watched = _watched("vae", data, training_steps, moments, network="mlp")
    error, rate, tighter = zip(*watched, strict=True)
    bound = [e + r for e, r in zip(error, rate, strict=True)]
    left.fill_between(moments, error, color=BLUE, alpha=0.25, label="error of reconstruction")
    left.fill_between(moments, error, bound, color=RED, alpha=0.35, label="rate")
    left.plot(moments, bound, color=INK, marker=".", label="their sum, minus the bound")
    left.plot(moments, tighter, color=GREEN, linestyle="--", marker=".", label="with 50 importance samples")
    left.set(ylabel="nats per event", title="A VAE")
    warmup = max(1, int(WARMUP * training_steps))
    watched = _watched("ladder-vae", data, training_steps, moments, rate_warmup=warmup)
    for rates, color, name in zip(list(zip(*watched, strict=True))[3:], (BLUE, GOLD), ("lower", "upper"), strict=True):
        right.plot(moments, rates, color=color, marker=".", label=f"{name} layer")
    right.axvline(warmup, color=SOFT, linewidth=0.8, linestyle=":")
    right.set(ylabel="rate, nats per event", title="A ladder (dotted: the end of the warm-up)")
    for axes in (left, right):
        axes.set(xscale="log", xlabel="training steps", ylim=(0, None))
        axes.legend(frameon=False, fontsize=8)
    return figure


def _watched(name: str, data: "Dataset", steps: int, moments: list[int], **dials: Any) -> list[tuple[float, ...]]:
    """After some steps, of test events: the error of reconstruction, the rate, the tighter bound, each layer."""
    from ptheta.recipes import find_recipe
    from ptheta.training import Training, training

    recipe = find_recipe(name)(data.space, **dials)
    model: Any = recipe.stages[0].model
    how = Training.of(**{**recipe.training, "steps": steps, "validate_every": steps, "seed": 0})
    found, x = [], data.test.x
    for state in training(model, data, how):
        if state.step in moments:
            with torch.no_grad():
                reconstruction, rate = model.elbo_terms(x, draws=4, noise=Noise(0))
                tighter = model.importance_bound(x, 50, noise=Noise(0))
                layers = model.layer_rates(x, draws=4, noise=Noise(0)).mean(1) if name == "ladder-vae" else ()
            found.append((*(float(v.mean()) for v in (-reconstruction, rate, -tighter)), *map(float, layers)))
    return found
