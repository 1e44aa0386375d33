"""Rows of autoregressive networks: MADE and EoNADE on sets of bits.

Settings were chosen on the validation events, out of a handful. Reported are test events, each model at its best
validated weights.
"""

from typing import Any

from ptheta.papers.row import Row

__all__ = ["ROWS"]

NLL = "nats, negative log-likelihood on test"
MADE = "MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015)"
EONADE = "Neural Autoregressive Distribution Estimation (Uria et al., 2016)"


def _bits(
    name: str, paper: float, line: float, training: dict[str, Any], seconds: float, source: str, **dials: Any
) -> Row:
    """A network on a set of bits, named <model>-<data>, which must come at or below the line."""
    model, data = name.split("-", 1)
    return Row(name, paper, line, "at most", NLL, data, model, dials, training, seconds=seconds, source=source)


ROWS = (
    _bits(
        "made-dna",
        83.63,
        84.0,
        {"weight_decay": 2e-2},
        9,
        MADE + ", one mask; ours has direct connections.",
    ),
    _bits(
        "made-mushrooms",
        9.68,
        9.9,
        {"epochs": 100, "weight_decay": 3e-4},
        19,
        MADE + ", one mask; ours has direct connections.",
    ),
    _bits(
        "made-nips",
        280.25,
        281.0,
        {"epochs": 40, "weight_decay": 3e-2},
        4,
        MADE + ", one mask; ours has direct connections.",
    ),
    _bits(
        "made-binarized-mnist",
        94.5,
        94.5,
        {"epochs": 12, "learning_rate": 3e-3, "precision": "float32"},
        100,
        MADE + ", one layer of 500 units, one mask and one random order: the start of its figure on masks.",
        pixel_order="random",
        direct=False,
    ),
    _bits(
        "eonade-nips",
        272.39,
        275.0,
        {"epochs": 300, "weight_decay": 3e-2, "validate_every": 300},
        55,
        EONADE + ", one hidden layer, 16 orders.",
        orders=16,
    ),
    Row(
        name="made-8000-binarized-mnist",
        paper=88.40,
        pass_line=88.5,
        rule="at most",
        unit=NLL,
        data="binarized-mnist",
        model="made",
        dials={"hidden": (8000,)},
        training={"epochs": 60},
        seconds=12_000,
        gpu_seconds=600,
        source=f"{MADE}, one layer of 8000 units and one mask. The time on a GPU is an estimate: it has not been run "
        "there.",
        small=Row(
            name="2000 units, 8 epochs",
            paper=89.59,
            pass_line=89.59,
            rule="at most",
            unit=NLL,
            data="binarized-mnist",
            model="made",
            dials={"hidden": (2000,)},
            training={"epochs": 8, "learning_rate": 2e-3},
            seconds=400,
            source=f"{MADE}. The line is its number for two layers of 8000 units and one mask; ours goes row by row.",
        ),
    ),
    Row(
        name="eonade-binarized-mnist",
        paper=85.10,
        pass_line=88.5,
        rule="at most",
        unit=NLL,
        data="binarized-mnist",
        model="eonade",
        dials={"hidden": (500, 500), "orders": 128},
        training={"epochs": 500},
        seconds=100_000,
        gpu_seconds=1800,
        source=EONADE + ", two hidden layers, 128 orders.",
        small=Row(
            name="2 orders, 60 epochs",
            paper=97.45,
            pass_line=97.45,
            rule="at most",
            unit=NLL,
            data="binarized-mnist",
            model="eonade",
            dials={"hidden": (500, 500), "orders": 2},
            training={"epochs": 60, "learning_rate": 2e-3, "precision": "auto", "validate_every": 7500},
            seconds=900,
            source=f"{EONADE}, two hidden layers. The line is the belief net's number in the table of MADE (Germain "
            "et al., 2015): no paper has this row.",
        ),
    ),
)
