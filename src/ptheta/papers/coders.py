"""Rows of coders whose truth is known: autoencoders beside principal components, and bounds beside an exact log p.

With affine networks and squared error the best code of an autoencoder spans the leading principal components, whose
error on test is a formula of the training set: no affine code has less there. A deep one must beat it.

A linear-Gaussian model x = W z + b + s eps has the density N(b, W W' + s^2 I) and a posterior whose precision is
P = I + W' W / s^2. An encoder with independent codes misses it by at least

    (1/2) (ln prod_i P_ii - ln det P)

in its bound of one draw. Those of more draws climb from there to the exact log p, and stay below.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptheta.papers.row import Found, Row

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.latent import VAE

__all__ = ["ROWS", "bounds_of_a_known_law", "coding_error"]

CODES = 30
DRAWS, MOST = (1, 5, 50), 5000
DATA = "mnist"
SOURCE = "Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006)"


def coding_error(dials: dict[str, Any], training: dict[str, Any], seed: int, folder: Path) -> Found:
    """The squared error of an autoencoder on the pixels of test events, beside that of principal components.

    Args:
        dials: The recipe's dials.
        training: Fields of ``Training`` that override the recipe's.
        seed: Names every draw.
        folder: Where the run is kept.

    Returns:
        The mean over events of the sum over pixels, which are in [0, 1]; among the details that of principal
        components as many as there are codes, fitted to the same events, and ours in per cent of it.
    """
    from ptheta.data import load
    from ptheta.metrics.error import map_error
    from ptheta.papers.fitting import fitted

    data = load(DATA).without_context()
    model = fitted("autoencoder", data, folder, seed, dials={"latent": CODES, **dials}, training=training)
    found = map_error(model, data.test)
    assert found is not None
    linear = _components_error(*((data.space.embed(e.x).flatten(1) + 1) / 2 for e in (data.train, data.test)))
    return Found(
        found.value,
        {
            "95 % half-width over events": found.half_width_95 or 0.0,
            f"error of {CODES} principal components": linear,
            "% of that error": 100 * found.value / linear,
        },
    )


def _components_error(train: "Tensor", test: "Tensor") -> float:
    """The mean squared error of points (B, D) projected to the leading principal components of others."""
    import torch

    train, test = train.double(), test.double()
    mean = train.mean(0)
    _, ways = torch.linalg.eigh((train - mean).T @ (train - mean))
    ways, off = ways[:, -CODES:], test - mean
    return float((off - off @ ways @ ways.T).square().sum(1).mean())


def bounds_of_a_known_law(seed: int, folder: Path) -> Found:
    """How far the importance-weighted bounds of a linear-Gaussian model are from its exact log p.

    Args:
        seed: Names the law, the events, the weights of the encoder and every draw.
        folder: Nothing is kept: it takes a minute.

    Returns:
        Exact log p less the bound with the most draws, in nats; among the details the same of fewer draws, and what
        the best encoder with independent codes misses. Raises FloatingPointError where bounds are out of order.
    """
    import torch

    from ptheta.noise import Noise

    model, exact, least = _linear_gaussian(seed)
    model.fit(model.sample(20_000, noise=Noise(seed).at("train")), steps=3000, batch_size=200, schedule="cosine")
    x = model.sample(4000, noise=Noise(seed).at("test")).double()
    model.double().eval()
    with torch.no_grad():
        gaps = {k: exact(x) - model.importance_bound(x, k, noise=Noise(seed)) for k in DRAWS}
        gaps[MOST] = exact(x[:500]) - model.importance_bound(x[:500], MOST, noise=Noise(seed))
    loose = None
    for k, gap in gaps.items():
        further = gap if loose is None else loose[: len(gap)] - gap
        for what in (gap, further):
            if float(what.mean()) < -4 * float(what.std()) / len(what) ** 0.5:
                raise FloatingPointError(f"the bound of {k} draws lies {-float(what.mean()):g} nats out of order.")
        loose = gap
    details = {f"exact log p less the bound of {k} draws": float(gaps[k].mean()) for k in DRAWS}
    details["exact log p less the best bound of one draw"] = least
    return Found(float(gaps[MOST].mean()), details)


def _linear_gaussian(seed: int) -> "tuple[VAE, Any, float]":
    """A VAE whose decoder is held at a linear-Gaussian law, its exact log p, and what independent codes must miss."""
    import torch

    from ptheta.latent import VAE
    from ptheta.nn.mlp import MLP
    from ptheta.noise import Noise, seeded
    from ptheta.optimizers import Adam
    from ptheta.spaces import Real

    d, latent, s = 10, 2, 0.7
    w, b = Noise(seed).normal((d, latent), "weights"), Noise(seed).normal((d,), "means")
    w, b = 0.5 * w, 0.5 * b
    w[:, 1] += w[:, 0]  # so that the codes are correlated given an event
    with seeded(seed):
        encoder, decoder = MLP(d, 2 * latent, ()), MLP(latent, 3 * d, ())
    with torch.no_grad():
        for p in decoder.parameters():
            p.requires_grad_(False).zero_()
        affine: Any = decoder.layers[0]
        affine.weight[1::3], affine.bias[1::3] = w, b
        affine.bias[2::3] = torch.tensor(s).log()
    model = VAE(Real((d,)), latent=latent, encoder=encoder, decoder=decoder, optimizer=Adam(1e-2))
    w, b = w.double(), b.double()
    law = torch.distributions.MultivariateNormal(b, w @ w.T + s**2 * torch.eye(d).double())
    precision = torch.eye(latent).double() + w.T @ w / s**2
    least = 0.5 * float(precision.diagonal().log().sum() - precision.logdet())
    return model, law.log_prob, least


def _autoencoder(name: str, line: float, seconds: float, dials: dict[str, Any], what: str, **training: Any) -> Row:
    """An autoencoder of as many codes as the paper's, which must come at or below the line."""
    from functools import partial

    return Row(
        name=f"autoencoder-{name}-{DATA}",
        paper={"linear": 13.87, "deep": 3.00}[name],
        pass_line=line,
        rule="at most",
        unit="squared error of a test event",
        data=DATA,
        model="autoencoder",
        dials={"latent": CODES, **dials},
        training=training,
        seconds=seconds,
        source=f"{SOURCE}, {what}",
        run=partial(coding_error, dials, training),
        floor=(52.9, "the mean event"),
    )


ROWS = (
    _autoencoder(
        "linear",
        13.94,
        60.0,
        {"hidden": ()},
        "principal components. The line is half a per cent above what these have.",
        steps=24_000,
        learning_rate=2e-3,
        validate_every=4000,
    ),
    _autoencoder(
        "deep",
        5.0,
        1100.0,
        {"hidden": (1000, 500, 250)},
        "784-1000-500-250-30 after pretraining by machines; ours has none of it.",
        steps=30_000,
        validate_every=1000,
    ),
    Row(
        name="vae-linear-gaussian",
        paper=0.0,
        pass_line=0.02,
        rule="at most",
        unit=f"nats, exact log p less the bound of {MOST} draws",
        data="a linear-Gaussian law of 10 variables and 2 codes",
        model="vae",
        seconds=40.0,
        source="Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2015), which has no such row: bounds "
        "must rise with the draws and never exceed the exact log p.",
        run=bounds_of_a_known_law,
        ceiling=(0.0, "the exact log p"),
    ),
)
