"""Figures of autoregressive models: what they see, in which order, how far back, and what a sample costs."""

import time
from typing import Any

import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from ptheta.noise import Noise, seeded
from ptheta.report.plots import INK, SOFT, new_figure

__all__ = ["memory", "memory_excess", "pixel_orders", "receptive_fields", "sample_cost"]

LAGS, TOKENS, LENGTH, FRESH = (1, 2, 4, 8, 16), 4, 40, 0.1
READERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # label: recipe, dials, training
    "table of the 4 before": ("ar-table", {"parents": 4, "neighbours": "prefix"}, {}),
    "NADE": ("nade", {}, {"epochs": None, "steps": 1500}),
    "LSTM": ("rnn", {"hidden": 128, "layers": 1}, {"epochs": None, "steps": 1500, "learning_rate": 5e-3}),
    "transformer": ("transformer", {"width": 64, "layers": 2}, {"epochs": None, "steps": 1500, "learning_rate": 2e-3}),
}


def receptive_fields() -> Figure:
    """Which pixels move the conditional of one pixel: derivatives of networks with random weights, that are not zero.

    Returns:
        The figure.
    """
    from ptheta.autoregressive import DiagonalBiLSTM, GatedPixelCNN, PixelCNN, RowLSTM
    from ptheta.spaces import Binary

    side, row, column = 17, 10, 8
    space = Binary((1, side, side))
    with seeded(0):
        models = {
            "Row LSTM": RowLSTM(space, hidden=8, layers=2, kernel=3),
            "Diagonal BiLSTM": DiagonalBiLSTM(space, hidden=8, layers=2, kernel=3),
            "PixelCNN": PixelCNN(space, width=8, layers=6, middle=3, kernel=3),
            "gated PixelCNN": GatedPixelCNN(space, width=8, layers=7, kernel=3),
        }
        cells = torch.rand(1, side * side, dtype=torch.float64)
    figure, panels = new_figure(9.6, 3.2, len(models))
    for axes, (title, model) in zip(panels, models.items(), strict=True):
        x = cells.clone().requires_grad_()
        place = row * side + column
        (slope,) = torch.autograd.grad(model.double().conditionals(x)[0, place].sum(), x)
        seen = (slope != 0).reshape(side, side).long()
        past = torch.arange(side * side).reshape(side, side) < place
        picture = torch.where(past, 1 + seen, seen)
        picture[row, column] = 3
        axes.imshow(picture.numpy(), cmap=ListedColormap(["#f4f5f7", "#e6b8b0", "#8fb3dd", INK]), vmin=0, vmax=3)
        axes.set(xticks=[], yticks=[], title=title)
        missing = int((past & (seen == 0)).sum())
        axes.set_xlabel(f"{missing} of {place} pixels unseen" if missing else "sees all pixels before")
        axes.spines[:].set_visible(False)
    figure.suptitle("What the black pixel sees (blue), and what came before it and is not seen (red)", fontsize=10)
    return figure


def pixel_orders() -> Figure:
    """NADE on binary digits in four orders, three seeds each.

    Returns:
        The figure.
    """
    from ptheta.data import load
    from ptheta.metrics import likelihood
    from ptheta.runs import build

    data = load("digits-binary").without_context()
    figure, (axes,) = new_figure(5.6, 3.4)
    for place, order in enumerate(("raster", "zigzag", "spiral", "random")):
        nats = []
        for seed in range(3):
            recipe = build("nade", data.space, seed=seed, dials={"pixel_order": order})
            recipe.fit(data, seed=seed)
            nats.append(likelihood(recipe.model, data.test).value)
        axes.plot(nats, [place] * 3, "o", color=INK, alpha=0.7)
    axes.set(yticks=range(4), yticklabels=["raster", "zigzag", "spiral", "random"], xlabel="nats per test event")
    axes.invert_yaxis()
    axes.set_title("NADE on 64 binary pixels, three seeds each")
    return figure


def memory_excess(name: str, dials: dict[str, Any], training: dict[str, Any], lag: int, seed: int = 0) -> float:
    """How many nats a model loses on every copied token, against the truth, on the same test sequences.

    Args:
        name: A recipe.
        dials: Its settings.
        training: Overrides of its training; None removes a field.
        lag: How far back the token lies that is copied.
        seed: Names the weights and the batches.

    Returns:
        The excess, in nats per copied token; ``log n`` less the truth's entropy where nothing is remembered.
    """
    from ptheta.data import load
    from ptheta.data.synthetic import truth
    from ptheta.metrics import likelihood
    from ptheta.runs import build

    options = {"length": LENGTH, "lag": lag, "tokens": TOKENS, "fresh": FRESH}
    data = load("copy", **options)
    recipe = build(name, data.space, seed=seed, dials=dials)
    chosen = {k: v for k, v in {**recipe.training, **training}.items() if v is not None}
    model = recipe.model.fit(data, **chosen, seed=seed)
    nats = likelihood(model, data.test).value
    assert nats is not None
    return (nats + float(truth("copy", **options).log_prob(data.test.x).mean())) / (LENGTH - lag)


def memory() -> Figure:
    """Each token repeats the one a lag before, nine times in ten or so.

    Returns:
        The figure.
    """
    from ptheta.data.synthetic import truth

    figure, (axes,) = new_figure(5.8, 3.6)
    for label, reader in READERS.items():
        axes.plot(LAGS, [memory_excess(*reader, lag) for lag in LAGS], "o-", label=label)
    free = truth("copy", length=LENGTH, lag=1, tokens=TOKENS, fresh=FRESH).entropy()
    first = torch.tensor(float(TOKENS)).log()
    axes.axhline(float(first - (free - first) / (LENGTH - 1)), color=SOFT, ls=":", lw=0.9)
    axes.annotate("nothing remembered", (1, float(first - (free - first) / (LENGTH - 1))), fontsize=8, color=SOFT)
    axes.set(xscale="log", xlabel="lag", ylabel="nats lost per copied token", ylim=(-0.02, None))
    axes.set_xticks(LAGS, labels=map(str, LAGS))
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("How far back they remember, after the same 1500 steps")
    return figure


def sample_cost(sides: tuple[int, ...] = (4, 7, 10, 14, 20, 28), n: int = 64) -> Figure:
    """Seconds of this machine's processor for a sample, of n drawn together, by models with random weights.

    Args:
        sides: The sides of the images.
        n: How many samples are drawn together.

    Returns:
        The figure.
    """
    from ptheta.runs import build
    from ptheta.spaces import Binary

    names = ("nade", "made", "rnn", "transformer", "pixelcnn", "row-lstm", "realnvp", "vae", "ddpm", "gan")
    figure, (axes,) = new_figure(6.4, 4.2)
    for index, name in enumerate(names):
        seconds = []
        for side in sides:
            model: Any = build(name, Binary((1, side, side)), seed=0).model
            model.eval()
            model.sample(2, noise=Noise(0))
            started = time.process_time()
            model.sample(n, noise=Noise(0))
            seconds.append((time.process_time() - started) / n)
        axes.plot([side * side for side in sides], seconds, "o-", ms=3, label=name, color=f"C{index}")
    axes.set(xscale="log", yscale="log", xlabel="variables", ylabel="processor seconds per sample")
    axes.set_title(f"What a sample costs, {n} at a time, with everything cached")
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure
