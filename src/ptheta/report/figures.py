"""Figures of the theory, each computed afresh: ``ptheta figure NAME``.

Those that fit models or time them (samples, two-answers, modes, pixel-orders, sample-cost, sampling-steps, priors,
elbo-terms) take up to a few minutes, memory and divergence-modes ten; the others are drawn at once.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ptheta.distributions.information import entropy, information, jensen_shannon, optimal_discriminator
from ptheta.hints import did_you_mean
from ptheta.noise import Noise, seeded
from ptheta.report import figures_adversarial, figures_autoregressive, figures_diffusion, figures_latent
from ptheta.report.plots import BLUE, GOLD, GREEN, INK, RED, SOFT, new_figure, tile
from ptheta.spaces import Real

__all__ = ["FIGURES", "draw"]

FIGURES = {
    "information": "-log2 p, with the outcomes of two matches marked",
    "entropy": "the entropy of (p, 1 - p)",
    "parameters": "how many numbers each factorisation needs, against the number of variables",
    "samples": "samples of independent, Markov, AR-n, Chow-Liu and NADE side by side",
    "divergence-fits": "the best single Gaussian for two, by KL, reverse KL and JS",
    "discriminator": "D* and JS as the generator moves over the data",
    "generator-costs": "what the generator feels under the three costs: saturation",
    "spiral": "simultaneous, alternating and extragradient steps on min max xy",
    "divergence-modes": "modes found on a ring, per divergence, cost and penalty, five seeds",
    "two-answers": "two right answers: squared error against a mixture and a GAN",
    "modes": "modes found on a ring, per divergence",
    "receptive-fields": "what a pixel sees: Row LSTM, Diagonal BiLSTM, PixelCNN with its blind spot, gated PixelCNN",
    "pixel-orders": "the order of the pixels against the likelihood",
    "memory": "how far back each model remembers, on sequences whose entropy is known",
    "sample-cost": "what a sample costs against the number of variables, per family",
    "sampling-steps": "the quality of samples against network calls, for diffusions and their samplers",
    "priors": "codes of digits over their prior: VAE and AAE",
    "elbo-terms": "reconstruction and rate of a VAE, and the rates of a ladder, while training",
}


def draw(name: str, out: str | Path) -> None:
    """Draws a figure into a file.

    Args:
        name: One of ``FIGURES``.
        out: A file ending in .png, .svg or .pdf.
    """
    if name not in FIGURES:
        hint = did_you_mean(name, FIGURES)
        raise ValueError(f"there is no figure {name!r}.{hint} The figures are {', '.join(FIGURES)}.")
    path = Path(out)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"a figure's file should end in .png, .svg or .pdf, but it is {path}.")
    drawers: dict[str, Callable[[], Figure]] = {
        "information": _information,
        "entropy": _entropy,
        "parameters": _parameters,
        "samples": _samples,
        "divergence-fits": _divergence_fits,
        "discriminator": _discriminator,
        "generator-costs": _generator_costs,
        "spiral": figures_adversarial.spiral,
        "divergence-modes": figures_adversarial.divergence_modes,
        "two-answers": _two_answers,
        "modes": _modes,
        "receptive-fields": figures_autoregressive.receptive_fields,
        "pixel-orders": figures_autoregressive.pixel_orders,
        "memory": figures_autoregressive.memory,
        "sample-cost": figures_autoregressive.sample_cost,
        "sampling-steps": figures_diffusion.sampling_steps,
        "priors": figures_latent.priors,
        "elbo-terms": figures_latent.elbo_terms,
    }
    drawers[name]().savefig(path, dpi=150)


def _information() -> Figure:
    figure, (axes,) = new_figure()
    p = torch.linspace(0.01, 1, 400)
    axes.plot(p, information(p, base=2), color=INK)
    for match, color, label in (([0.81, 0.05, 0.14], BLUE, "one-sided"), ([0.36, 0.34, 0.30], RED, "even")):
        probabilities = torch.tensor(match)
        bits = entropy(probabilities, base=2).item()
        text = f"{label}, H = {bits:.3f} bits"
        axes.scatter(match, information(probabilities, base=2), color=color, zorder=3, label=text)
    for q, outcome in zip((0.81, 0.05, 0.14), ("win", "draw", "loss"), strict=True):
        axes.annotate(outcome, (q, -math.log2(q)), xytext=(7, 5), textcoords="offset points", fontsize=8, color=BLUE)
    axes.set(xlabel="probability of the outcome", ylabel="information, bits", title="The rarer, the more it tells")
    axes.legend(frameon=False)
    return figure


def _entropy() -> Figure:
    figure, (axes,) = new_figure()
    p = torch.linspace(0, 1, 401)
    axes.plot(p, entropy(torch.stack([p, 1 - p], -1), base=2), color=INK)
    axes.axhline(1, color=SOFT, lw=0.8, ls=":")
    axes.set(xlabel="p", ylabel="H(p, 1 - p), bits", title="A fair coin is the hardest to guess")
    return figure


def _parameters() -> Figure:
    figure, (axes,) = new_figure()
    n = torch.arange(1, 2001, dtype=torch.float64)
    hidden = 500
    lines = {
        "independent: n": n,
        "Markov: 2n - 1": 2 * n - 1,
        "AR-8 table": 2**8 * (n - 7).clamp(min=1) - 1,
        "FVBN: n(n + 1) / 2": n * (n + 1) / 2,
        f"NADE, H = {hidden}: 2nH + n + H": 2 * n * hidden + n + hidden,
    }
    for i, (label, count) in enumerate(lines.items()):
        axes.plot(n, count, label=label, color=f"C{i}")
    axes.plot(n[:40], 2 ** n[:40] - 1, label="full table: 2^n - 1", color=INK, ls="--")
    axes.axvline(784, color=SOFT, lw=0.8, ls=":")
    axes.annotate("28 x 28 pixels", (784, 2), fontsize=8, color=SOFT, rotation=90, ha="right", va="bottom")
    axes.set(xscale="log", yscale="log", ylim=(1, 1e9), xlabel="binary variables n", ylabel="parameters")
    axes.set_title("What independence saves")
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(0.94, 0.0))
    return figure


def _samples() -> Figure:
    from ptheta.data import load
    from ptheta.metrics import likelihood
    from ptheta.model import distribution
    from ptheta.runs import build

    data = load("digits-binary").without_context()
    figure, panels = new_figure(12, 2.9, 6)
    tile(panels[0], data.test.some(36).x, "real digits", "")
    rows = (
        ("independent", "independent", {}),
        ("Markov", "markov", {}),
        ("AR-8", "ar-table", {"parents": 8, "neighbours": "prefix"}),
        ("Chow-Liu", "chow-liu", {}),
        ("NADE", "nade", {}),
    )
    for axes, (title, name, dials) in zip(panels[1:], rows, strict=True):
        recipe = build(name, data.space, dials=dials)
        model = distribution(recipe.fit(data))
        nats = likelihood(model, data.test).value
        tile(axes, model.sample(36, noise=Noise(0)), title, f"{nats:.1f} nats")
    return figure


def _gaussian(x: Tensor, mean: Tensor | float, sd: Tensor | float) -> Tensor:
    return torch.distributions.Normal(mean, sd).log_prob(x)


def _divergence_fits() -> Figure:
    x = torch.linspace(-12, 12, 2401, dtype=torch.float64)
    step = float(x[1] - x[0])
    p = 0.5 * (_gaussian(x, -3.0, 1.0).exp() + _gaussian(x, 3.0, 1.0).exp())

    def js(log_q: Tensor) -> Tensor:
        m = (p + log_q.exp()) / 2
        return ((p * (p / m).log()).sum() + (log_q.exp() * (log_q - m.log())).sum()) * step / 2

    objectives = {
        "KL(p || q): covers both": lambda log_q: (p * (p.log() - log_q)).sum() * step,
        "KL(q || p): picks one": lambda log_q: (log_q.exp() * (log_q - p.log())).sum() * step,
        "JS": js,
    }
    figure, (axes,) = new_figure()
    axes.fill_between(x, p, color="0.88", label="p, two Gaussians")
    for (label, objective), color in zip(objectives.items(), (BLUE, RED, GREEN), strict=True):
        nats, mean, sd = min(_minimised(objective, x, start) for start in (0.1, 2.5))
        curve = _gaussian(x, mean, sd).exp()
        axes.plot(x, curve, color=color, label=f"{label}, N({mean:.2f}, {sd:.2f}²), {nats:.3f} nats")
    axes.set(xlabel="x", ylabel="density", xlim=(-9, 9), ylim=(0, 0.58))
    axes.set_title("The best single Gaussian depends on the divergence")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def _minimised(objective: Callable[[Tensor], Tensor], x: Tensor, start: float) -> tuple[float, float, float]:
    """The best N(mean, sd) near a start: (objective, mean, sd)."""
    theta = torch.tensor([start, 0.3], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(_gaussian(x, theta[0], theta[1].exp()))
        loss.backward()
        return loss

    optimizer.step(closure)
    return closure().item(), theta[0].item(), theta[1].exp().item()


def _discriminator() -> Figure:
    x = torch.linspace(-6, 8, 1401, dtype=torch.float64)
    step = float(x[1] - x[0])
    p = _gaussian(x, 0.0, 1.0).exp()
    figure, (left, right) = new_figure(9, 3.6, 2)
    left.fill_between(x, p, color="0.9", label="data p")
    for mean, color in ((4.0, BLUE), (2.0, GOLD), (0.5, RED)):
        g = _gaussian(x, mean, 1.0).exp()
        left.plot(x, optimal_discriminator(p, g), color=color, label=f"D* for g at {mean:g}")
        left.plot(x, g, color=color, lw=0.8, ls=":")
    left.set(xlabel="x", ylabel="D*(x) = p / (p + g)", title="The best discriminator")
    left.legend(frameon=False, fontsize=8, loc="center right")
    means = torch.linspace(-6, 6, 121, dtype=torch.float64)
    curve = [float(jensen_shannon(p * step, _normalised(_gaussian(x, float(m), 1.0).exp() * step))) for m in means]
    right.plot(means, curve, color=INK)
    right.axhline(math.log(2), color=SOFT, lw=0.8, ls=":")
    right.annotate("log 2: nothing left to tell the generator", (0, 0.66), fontsize=8, color=SOFT, ha="center")
    right.set(xlabel="mean of g", ylabel="JS(p, g), nats", title="What it measures")
    return figure


def _normalised(table: Tensor) -> Tensor:
    return table / table.sum()


def _generator_costs() -> Figure:
    figure, (left, right) = new_figure(9, 3.6, 2)
    logit = torch.linspace(-6, 6, 601, dtype=torch.float64, requires_grad=True)
    costs = {
        "minimax: log(1 - D)": (torch.nn.functional.logsigmoid(-logit), BLUE),
        "non-saturating: -log D": (-torch.nn.functional.logsigmoid(logit), RED),
        "maximum likelihood: -D / (1 - D)": (-logit.exp(), GREEN),
    }
    d = logit.sigmoid().detach()
    for label, (cost, color) in costs.items():
        (slope,) = torch.autograd.grad(cost.sum(), logit, retain_graph=True)
        left.plot(d, cost.detach(), color=color, label=label)
        right.plot(d, slope.abs().detach(), color=color)
    left.set(xlabel="D(G(z))", ylabel="generator's cost", ylim=(-8, 6), title="Three costs, one fixed point")
    right.set(xlabel="D(G(z))", ylabel="|d cost / d logit D|", ylim=(0, 2), title="What reaches the generator")
    right.annotate("early: fakes are found out,\nminimax feels nothing", (0.45, 0.08), fontsize=8, color=BLUE)
    left.legend(frameon=False, fontsize=8)
    return figure


def _two_answers() -> Figure:
    """y = ±1.5 sqrt(x) + noise, learned three ways given x."""
    from ptheta.adversarial import GAN
    from ptheta.autoregressive import NADE
    from ptheta.data.dataset import Dataset, Events

    noise = Noise(0)
    x = noise.uniform((4000, 1), "x") * 2
    side = torch.where(noise.uniform((4000, 1), "side") < 0.5, 1.5, -1.5)
    y = side * x.sqrt() + 0.1 * noise.normal((4000, 1), "y")
    space, given = Real.standardising(y), Real.standardising(x)
    train, valid = Events(y[:3500], x[:3500]), Events(y[3500:], x[3500:])
    data = Dataset("two answers", space, train, valid, valid, given)
    network = torch.nn.Sequential(torch.nn.Linear(1, 64), torch.nn.SiLU(), torch.nn.Linear(64, 1))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(400):
        optimizer.zero_grad()
        (network(x) - y).square().mean().backward()
        optimizer.step()
    with seeded(0):
        mixture = NADE(space, hidden=32, context_space=given).fit(data, epochs=30, learning_rate=0.01)
        gan = GAN(space, latent=4, context_space=given).fit(data, epochs=120, learning_rate=1e-3)
    figure, panels = new_figure(10, 3.3, 3, sharey=True)
    grid = torch.linspace(0.02, 2, 500)[:, None]
    answers = {
        "squared error: neither": network(grid).detach(),
        "mixture of Gaussians: both": mixture.sample(500, grid, noise=Noise(1)),
        "GAN: samples": gan.sample(500, grid, noise=Noise(1)),
    }
    for axes, (title, answer) in zip(panels, answers.items(), strict=True):
        axes.scatter(x[:600], y[:600], s=3, color="0.8", label="data")
        axes.scatter(grid, answer, s=4, color=RED, label="model")
        axes.set(xlabel="x", title=title)
    panels[0].set_ylabel("y")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _modes() -> Figure:
    """Eight Gaussians on a ring, an f-GAN per divergence, the same networks and steps."""
    from ptheta.data import load
    from ptheta.model import distribution
    from ptheta.runs import build

    data = load("ring", std=0.05).without_context()
    figure, panels = new_figure(12, 3.3, 4, sharex=True, sharey=True)
    angles = torch.arange(8) * (math.pi / 4)
    centres = torch.stack([angles.cos(), angles.sin()], 1)
    for axes, divergence in zip(panels, ("js", "kl", "reverse-kl", "pearson"), strict=True):
        recipe = build("f-gan", data.space, dials={"divergence": divergence})
        axes.set(aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
        try:
            x = distribution(recipe.fit(data, steps=4000)).sample(2000, noise=Noise(0))
        except FloatingPointError:
            axes.set_title(f"{divergence}: diverged")
            continue
        distance, nearest = torch.cdist(x, centres).min(1)
        hits = torch.bincount(nearest[distance < 0.15], minlength=8)
        axes.scatter(*data.test.x[:1000].T, s=10, color="0.8")
        axes.scatter(*x.T, s=2, color=RED, alpha=0.5)
        near = (distance < 0.15).double().mean().item()  # three standard deviations
        axes.set_title(f"{divergence}: {int((hits >= 20).sum())} of 8 modes, {near:.0%} near one", fontsize=10)
    return figure
