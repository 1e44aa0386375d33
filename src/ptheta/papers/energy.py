"""Rows of energy-based papers' tables.

With 20 hidden units log Z is a sum over 2^20 states, so that likelihoods are exact and annealed estimates of log Z can
be checked against it. With 500 the likelihood is an estimate, and too good where log Z comes out too small.
"""

from pathlib import Path
from typing import Any

from ptheta.papers.row import Found, Row

__all__ = ["ROWS", "annealing_error", "estimated", "walked"]

SOURCE = "On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov & Murray, 2008)"
ISING = "A Learning Algorithm for Boltzmann Machines (Ackley, Hinton & Sejnowski, 1985), which has no such row"
DEEP = "Deep Boltzmann Machines (Salakhutdinov & Hinton, 2009), which has no such row"
WALK = "Deep Generative Stochastic Networks Trainable by Backprop (Bengio et al., 2014)"
BITS = 8  # whose 256 states are enumerated
HARMONIUM = "Exponential Family Harmoniums (Welling, Rosen-Zvi & Hinton, 2004), which has no such row"
MODERN = "Implicit Generation and Modeling with Energy-Based Models (Du & Mordatch, 2019), which has no such row"
DATA = "binarized-mnist"
HIDDEN, TEMPERATURES, CHAINS = 20, 2000, 1000
FEWER = ((1000, 100), (5000, 100))  # temperatures and chains, to show what they cost
BUDGET = 10_000
LARGE = {"hidden": 500, "k": 5}


def annealing_error(seed: int, folder: Path) -> Found:
    """How far annealed importance sampling is from the exact log Z of an RBM on binarized MNIST.

    Args:
        seed: Names the weights, the batches and the chains.
        folder: Where the run is kept.

    Returns:
        The difference, estimate less exact, in nats; among the details that of fewer chains, and standard errors.
    """
    from ptheta.data import load
    from ptheta.energy import RBM, annealed_importance_sampling, annealing_schedule
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    model = fitted("rbm", load(DATA), folder, seed, dials={"hidden": HIDDEN})
    assert isinstance(model, RBM)
    exact, details = model.log_partition().value, {}

    def off(temperatures: int, chains: int) -> float:
        betas, of = annealing_schedule(temperatures), f"{chains} chains at {temperatures} temperatures"
        estimate = annealed_importance_sampling(model.bridge(), betas, chains, Noise(seed))
        details[f"difference with {of}"] = estimate.value - exact
        details[f"standard error with {of}"] = estimate.error
        return estimate.value - exact

    value = off(TEMPERATURES, CHAINS)
    for size in FEWER:
        off(*size)
    return Found(value, details)


def estimated(seed: int, folder: Path) -> Found:
    """The negative log-likelihood of an RBM of 500 hidden units, with log Z from annealed chains.

    Args:
        seed: Names the weights, the batches and the chains.
        folder: Where the run is kept.

    Returns:
        The estimate in nats, and its half-widths.
    """
    from ptheta.data import load
    from ptheta.papers.fitting import fitted
    from ptheta.papers.scoring import scored

    data = load(DATA).without_context()
    model = fitted("rbm", data, folder, seed, dials=LARGE, training={"epochs": 40})
    return scored(model, data.test, budget=BUDGET)


def walked(seed: int, folder: Path) -> Found:
    """How far the law that a GSN's chain ends in is from that of the first eight bits of nltcs, both of all 256 states.

    Args:
        seed: Names the weights, the batches and the walks.
        folder: Of no use: so small a model is not kept.

    Returns:
        The total variation to training events; among the details that to test events, between the two, and others.
    """
    import torch

    from ptheta.data import load
    from ptheta.distributions import Independent
    from ptheta.energy import GSN
    from ptheta.noise import seeded
    from ptheta.recipes import find_recipe
    from ptheta.spaces import Binary

    data, bits = load("nltcs"), torch.arange(BITS - 1, -1, -1)
    space, states = Binary((BITS,)), ((torch.arange(2**BITS)[:, None] >> bits) & 1).byte()

    def law(x: torch.Tensor) -> torch.Tensor:
        counts = torch.bincount((x.long() << bits).sum(1), minlength=2**BITS).double()
        return counts / counts.sum()

    def apart(p: torch.Tensor, q: torch.Tensor) -> float:
        return float((p - q).abs().sum()) / 2

    train, test = data.train.x[:, :BITS], data.test.x[:, :BITS]
    with seeded(seed):
        recipes = {name: find_recipe("gsn")(space, denoiser=name) for name in ("joint", "independent")}
    found = {}
    for name, recipe in recipes.items():
        model = recipe.fit(train, seed=seed)  # pyright: ignore[reportArgumentType]
        assert isinstance(model, GSN)
        found[name] = model.eval().stationary()
    independent = Independent(space).fit(train).log_prob(states).double().exp()
    details = {
        "to test events": apart(found["joint"], law(test)),
        "training events to test events": apart(law(train), law(test)),
        "with a denoiser of independent bits": apart(found["independent"], law(train)),
        "independent bits": apart(independent, law(train)),
    }
    return Found(apart(found["joint"], law(train)), details)


def _machine(stem: str, paper: float, line: float, unit: str, seconds: float, source: str, **more: Any) -> Row:
    """A machine on binarized MNIST, which must come at or below the line."""
    unit = f"nats, {unit} negative log-likelihood of test"
    name, source = f"{stem}-{DATA}", f"{SOURCE}: {source}"
    return Row(name, paper, line, "at most", unit, DATA, "rbm", seconds=seconds, source=source, **more)


def _exact(
    name: str, anchor: float, line: float, data: str, model: str, seconds: float, source: str, **more: Any
) -> Row:
    """A small machine whose likelihood is enumerated, which must come at or below the line."""
    unit = "nats, exact negative log-likelihood of test"
    return Row(name, anchor, line, "at most", unit, data, model, seconds=seconds, source=source, **more)


ROWS = (
    _machine(
        "rbm",
        143.20,
        146.0,
        "exact",
        40.0,
        "20 hidden units by CD-25, on its own binarization; ours is PCD-1 with centred parameters.",
        dials={"hidden": HIDDEN},
    ),
    _machine(
        "rbm-cd-1",
        164.50,
        164.5,
        "exact",
        40.0,
        "20 hidden units by CD-1, on its own binarization; ours has centred parameters.",
        dials={"hidden": HIDDEN, "persistent": False},
    ),
    _machine(
        "rbm-500",
        86.34,
        90.0,
        "estimated",
        900.0,
        f"500 hidden units by CD-25; ours is 40 epochs of PCD-5, log Z from 100 chains at {BUDGET} temperatures.",
        dials=LARGE,
        run=estimated,
    ),
    Row(
        name="rbm-annealing",
        paper=0.0,
        pass_line=0.2,
        rule="within",
        unit="nats, annealed log Z less the exact one",
        data=DATA,
        model="rbm",
        dials={"hidden": HIDDEN},
        seconds=90.0,
        source=f"{SOURCE}, whose estimator it is: {CHAINS} chains, {TEMPERATURES} temperatures.",
        run=annealing_error,
    ),
    *(
        _exact(
            f"dbm-{data}",
            anchor,
            line,
            data,
            "dbm",
            60.0,
            f"{DEEP}; the anchor is a prototype's, of hidden layers of {first} and {second} bits.",
            dials={"hidden": (first, second)},
            floor=(floor, "independent bits"),
            ceiling=ceiling,
        )
        for data, first, second, anchor, line, floor, ceiling in (
            ("bars", 8, 4, 3.70, 4.1, 11.09, (3.379, "the entropy of the data")),
            ("nltcs", 8, 4, 6.15, 6.25, 9.23, None),
            ("digits-binary", 12, 6, 18.88, 20.0, 25.29, None),
        )
    ),
    _exact(
        "rbm-moons",
        1.008,
        1.6,
        "moons",
        "rbm",
        20.0,
        f"{HARMONIUM}; the anchor is what the data themselves have.",
        floor=(1.915, "one Gaussian"),
        ceiling=(1.008, "the entropy of the data"),
    ),
    _exact(
        "ebm-moons",
        1.008,
        1.4,
        "moons",
        "ebm",
        100.0,
        f"{MODERN}; the anchor is what the data themselves have. Z is integrated over a grid.",
        floor=(1.915, "one Gaussian"),
        ceiling=(1.008, "the entropy of the data"),
    ),
    Row(
        name="gsn-bits",
        paper=0.0,
        pass_line=0.1,
        rule="at most",
        unit=f"total variation of the enumerated stationary law to the first {BITS} bits of the data",
        data="nltcs",
        model="gsn",
        seconds=60.0,
        source=f"{WALK}, which has no such row: the anchor is the data themselves.",
        run=walked,
        floor=(0.541, "independent bits"),
    ),
    _exact(
        "boltzmann-bars",
        3.447,
        3.5,
        "bars",
        "boltzmann",
        20.0,
        f"{ISING}; the anchor is a prototype's, without hidden units.",
        floor=(11.09, "independent bits"),
        ceiling=(3.379, "the entropy of the data"),
    ),
    _exact(
        "boltzmann-nltcs",
        6.033,
        6.05,
        "nltcs",
        "boltzmann",
        15.0,
        f"{ISING}; the anchor is a prototype's, without hidden units.",
        floor=(9.23, "independent bits"),
    ),
    _exact(
        "boltzmann-hidden-nltcs",
        6.033,
        6.033,
        "nltcs",
        "boltzmann",
        60.0,
        f"{ISING}; the anchor is a prototype's without hidden units, ours has four.",
        dials={"hidden": 4},
        training={"batch_size": 1000, "learning_rate": 0.02},
        floor=(9.23, "independent bits"),
    ),
)
