"""How fast the PixelRNNs train, score and draw, against the common way of writing them.

    OMP_NUM_THREADS=1 python benchmarks/pixelrnn.py

28 x 28 bits, 7 layers of 16 units, one thread, seed 0; CPU seconds of training steps and scores of 16 events and draws
of 64, the least of several rounds, the competitors taking turns. No library on PyPI has PixelRNNs: the peer is the same
network with the same weights, written as public code has it, one convolution per row or diagonal under autograd (see
common_pixels.py). Before anything is timed, both give the same conditionals, and the cached sampler decides by them.

Writes benchmarks/results/pixelrnn.json.
"""

import torch

from common_pixels import PASSES, SPACE, check, commonly, events, passes, training
from ptheta.autoregressive import DiagonalBiLSTM, RowLSTM
from ptheta.noise import Noise, seeded
from timing import Row, least, no_grad, row, write

MODELS = {"pixelrnn-row-28": RowLSTM, "pixelrnn-diag-28": DiagonalBiLSTM}
BATCH, DRAWN = 16, 64
AIMS = {"train": 1.0, "score": 1.0, "sample": 20.0}


def measure(workload: str) -> list[Row]:
    with seeded(0):
        ours = MODELS[workload](SPACE, hidden=16, layers=7)
    common, x = commonly(ours), events(BATCH)
    check(ours, common)
    calls = {
        ("train", "ours"): training(ours, BATCH),
        ("train", "plain"): training(common, BATCH),
        ("score", "ours"): no_grad(lambda: ours.log_prob(x)),
        ("score", "plain"): no_grad(lambda: common.log_prob(x)),
        ("sample", "ours"): lambda: ours.sample(DRAWN, noise=Noise(0)),
        ("sample", "plain"): passes(common, DRAWN),
    }
    best = least(calls, rounds=3)
    best["sample", "plain"] *= SPACE.dimensions / PASSES
    return [
        row(workload, task, DRAWN if task == "sample" else BATCH, {n: best[task, n] for n in ("ours", "plain")}, aim)
        for task, aim in AIMS.items()
    ]


def main() -> None:
    torch.set_num_threads(1)
    rows = [made for workload in MODELS for made in measure(workload)]
    write("pixelrnn", rows, {"shape": SPACE.shape, "layers": 7, "hidden": 16, "passes timed": PASSES})


if __name__ == "__main__":
    main()
