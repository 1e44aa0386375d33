"""Rows of autoregressive models of images.

The PixelRNNs' budgets are a GPU's. Their smaller versions see every training event once, and their line is the number
of NADE's paper: no paper has such rows.
"""

from dataclasses import replace
from typing import Any

from ptheta.papers.row import Row

__all__ = ["ROWS"]

NLL = "nats, negative log-likelihood on test"
PIXEL_RNN = "Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016)"
ONE_PASS: dict[str, Any] = {"epochs": 1, "batch_size": 16, "learning_rate": 3e-3, "warmup": 200}


def _pixelrnn(model: str, paper: float, line: float, seconds: float, what: str, **dials: Any) -> Row:
    """A PixelRNN on binarized MNIST: thirty passes on a GPU, or one without."""
    row = Row(
        name=f"{model}-binarized-mnist",
        paper=paper,
        pass_line=line,
        rule="at most",
        unit=NLL,
        data="binarized-mnist",
        model=model,
        dials=dials,
        training={"epochs": 30, "batch_size": 64, "learning_rate": 3e-3},
        seconds=60 * seconds,
        gpu_seconds=3600.0,
        source=f"{PIXEL_RNN}, {what}. The time on a GPU is an estimate: it has not been run there.",
    )
    small = replace(
        row,
        name=f"{what}, one pass",
        paper=88.33,
        pass_line=88.33,
        training=ONE_PASS,
        seconds=seconds,
        gpu_seconds=None,
        source=f"{PIXEL_RNN}; the line is NADE's number. Settings as on a GPU, the rate and the one pass apart.",
    )
    return replace(row, small=small)


ONE_PASS_PIXELCNN = Row(
    name="pixelcnn-binarized-mnist",
    paper=81.30,
    pass_line=86.0,
    rule="at most",
    unit=NLL,
    data="binarized-mnist",
    model="pixelcnn",
    dials={"width": 32, "layers": 7, "middle": 5, "position": True},
    training={
        "epochs": 1,
        "batch_size": 16,
        "learning_rate": 2.5e-3,
        "schedule": "cosine",
        "warmup": 500,
        "clip": 1.0,
        "precision": "auto",
    },
    seconds=370.0,
    source=f"{PIXEL_RNN}. Theirs has 15 blocks of half the width, 3 x 3 kernels in them and no biases per pixel, "
    "and trained far longer: ours sees every event once. Its blocks' kernels and biases were chosen on validation "
    "events, out of three settings.",
)

ROWS = (
    ONE_PASS_PIXELCNN,
    Row(
        name="pixelcnn-15-binarized-mnist",
        paper=81.30,
        pass_line=82.0,
        rule="at most",
        unit=NLL,
        data="binarized-mnist",
        model="pixelcnn",
        dials={"width": 32, "layers": 15, "middle": 3, "position": False},
        training={"epochs": 60, "batch_size": 64, "learning_rate": 1e-3},
        seconds=60_000.0,
        gpu_seconds=3600.0,
        small=replace(ONE_PASS_PIXELCNN, name="one pass of 7 blocks"),
        source=f"{PIXEL_RNN}, 15 blocks. The time on a GPU is an estimate: it has not been run there.",
    ),
    _pixelrnn("row-lstm", 80.54, 82.5, 450.0, "7 layers of 16 units"),
    _pixelrnn("diagonal-bilstm", 80.75, 82.1, 300.0, "one layer of 32 units", hidden=32, layers=1),
)
