"""Rows of diffusion models: bounds, one model under many samplers, and samples beside those of a GAN.

Fréchet distances compare samples with test events in features of the data set itself, so that no two sets' numbers
compare. Beside them stand those of training events that the features have not seen: what a perfect sampler would get.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ptheta.papers.row import Found, Row

__all__ = ["KARRAS", "LIPMAN", "ROWS", "bound_and_samplers", "masked", "samples_and_bound"]

PAPER = "Denoising Diffusion Probabilistic Models (Ho, Jain & Abbeel, 2020)"
KARRAS = "Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022)"
LIPMAN = "Flow Matching for Generative Modeling (Lipman et al., 2022)"
MASKS = "Structured Denoising Diffusion Models in Discrete State-Spaces (Austin et al., 2021)"
COMPONENTS, SAMPLES, DRAWS = 30, 1000, 100
SUMMED, EXACT_EVENTS = 16, 24  # variables whose subsets are summed over, and of how many events


def bound_and_samplers(name: str) -> Callable[[int, Path], Found]:
    """A row of a diffusion on digits, as its recipe makes it: all have one network, trained by as many steps."""

    def run(seed: int, folder: Path) -> Found:
        """The bound in nats; among the details the Fréchet distance of each sampler's events."""
        from ptheta.data import load
        from ptheta.diffusion import DDIM, Ancestral, GaussianDiffusion, Heun
        from ptheta.metrics.features import features, real_halves
        from ptheta.metrics.frechet import frechet_distance
        from ptheta.noise import Noise
        from ptheta.papers.fitting import fitted
        from ptheta.papers.scoring import scored

        data = load("digits")
        model = fitted(name, data, folder, seed)
        assert isinstance(model, GaussianDiffusion)
        bound, kept = scored(model, data.test, draws=DRAWS, noise=Noise(seed)), model.sampler
        featured = features(data, kind="principal components", n=10 * COMPONENTS, seed=seed)
        test, unseen = featured(data.test.x), featured(real_halves(data, seed)[1].x[:SAMPLES])
        details = {
            **bound.details,
            f"Fréchet distance of {len(unseen)} unseen training events": frechet_distance(test, unseen),
        }
        samplers: dict[str, Any] = {f"DDIM, {steps} steps": DDIM(steps) for steps in (10, 20, 50)}
        samplers |= {f"Heun, {2 * steps - 1} calls": Heun(steps) for steps in (5, 10, 25)}
        samplers["DDIM, 50 steps, eta 1"] = DDIM(50, eta=1.0)
        if model.steps <= 100:
            samplers[f"the chain of {model.steps} steps"] = Ancestral()
        for title, sampler in samplers.items():
            model.sampler = sampler
            x = model.sample(SAMPLES, noise=Noise(seed))
            details[f"Fréchet distance of {SAMPLES} samples by {title}"] = frechet_distance(test, featured(x))
        model.sampler = kept
        return Found(bound.value, details)

    return run


def samples_and_bound(seed: int, folder: Path) -> Found:
    """Fits MNIST, judges samples by the classifier's features, and bounds the likelihood of all test events.

    Args:
        seed: Names every draw.
        folder: Where the run is kept.

    Returns:
        The Fréchet distance of 500 samples; among the details the other sample metrics, and the bound.
    """
    from ptheta.data import load
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted
    from ptheta.papers.scoring import judged, scored

    data = load("mnist")
    model = fitted("ddpm", data, folder, seed)
    found = judged(model.sample(500, noise=Noise(seed).at("sample")), data, seed)
    bound = scored(model, data.test, draws=2, noise=Noise(seed))
    value = found.pop("frechet distance")
    return Found(value, {**found, "nats, bound on the negative log-likelihood of test": bound.value, **bound.details})


def masked(data_name: str) -> Callable[[int, Path], Found]:
    """A row of absorbing diffusion on a set of bits."""

    def run(seed: int, folder: Path) -> Found:
        """The bound of one variable after the other, beside those of fewer steps; exact, where few variables let it."""
        from ptheta.data import load
        from ptheta.diffusion import AbsorbingDiffusion
        from ptheta.noise import Noise
        from ptheta.papers.fitting import fitted
        from ptheta.papers.scoring import scored

        data = load(data_name).without_context()
        model = fitted("absorbing-diffusion", data, folder, seed)
        assert isinstance(model, AbsorbingDiffusion)
        bound = scored(model, data.test, draws=DRAWS, noise=Noise(seed))
        details, d = dict(bound.details), data.space.dimensions
        if d <= SUMMED:
            few = data.test.some(EXACT_EVENTS)
            exact = -float(model.exact_log_prob(few.x).mean())
            details[f"exact, mean of {EXACT_EVENTS} test events"] = exact
            details["their bound"] = scored(model, few, draws=100 * DRAWS, noise=Noise(seed)).value
        for steps in (1, 2, 4, 8):
            model.steps = steps
            details[f"bound in {steps} step{'s' * (steps > 1)}"] = scored(
                model, data.test, draws=steps * 2, noise=Noise(seed)
            ).value
        model.steps = d
        return Found(bound.value, details)

    return run


ROWS = (
    Row(
        name="absorbing-nltcs",
        paper=6.03,
        pass_line=6.05,
        rule="at most",
        unit="nats, bound on the negative log-likelihood of test",
        data="nltcs",
        model="absorbing-diffusion",
        seconds=60.0,
        source=f"{MASKS}, which has no such row: the anchor is a fully visible Boltzmann machine, fitted exactly.",
        run=masked("nltcs"),
        floor=(9.23, "independent bits"),
    ),
    Row(
        name="absorbing-digits-binary",
        paper=19.8,
        pass_line=17.5,
        rule="at most",
        unit="nats, bound on the negative log-likelihood of test",
        data="digits-binary",
        model="absorbing-diffusion",
        seconds=60.0,
        source=f"{MASKS}, which has no such row: the anchor is a fully visible belief net, exact.",
        run=masked("digits-binary"),
        floor=(25.3, "independent bits"),
    ),
    Row(
        name="ddpm-digits",
        paper=107.72,
        pass_line=107.72,
        rule="at most",
        unit="nats, bound on the negative log-likelihood of test",
        data="digits",
        model="ddpm",
        seconds=400.0,
        source=f"{PAPER}, which has no such row: the anchor is the exact number of independent pixels. The "
        "samplers by leaps are those of Denoising Diffusion Implicit Models (Song, Meng & Ermon, 2020).",
        run=bound_and_samplers("ddpm"),
    ),
    *(
        Row(
            name=f"{name}-digits",
            paper=107.72,
            pass_line=107.72,
            rule="at most",
            unit="nats, bound on the negative log-likelihood of test",
            data="digits",
            model=name,
            seconds=400.0,
            source=f"{source}, which has no such row: the anchor is the exact number of independent pixels.",
            run=bound_and_samplers(name),
        )
        for name, source in (("edm", KARRAS), ("flow-matching", LIPMAN))
    ),
    Row(
        name="ddpm-mnist",
        paper=2.91,
        pass_line=2.91,
        rule="at most",
        unit="Fréchet distance of 500 samples in the features of a classifier",
        data="mnist",
        model="ddpm",
        seconds=1500.0,
        source=f"{PAPER}, which has no such row: the anchor is what `dcgan-mnist` gets in the same features, seed 0.",
        run=samples_and_bound,
    ),
)
