"""How fast the PixelCNNs train, score and draw, and how much drawing gains by computing every feature once.

    OMP_NUM_THREADS=1 python benchmarks/pixelcnn.py

28 x 28 bits, one thread, seed 0; CPU seconds of training steps and scores of 16 events and of draws of 64, the least of
several rounds, the competitors taking turns:

    pixelcnn-28       8 residual blocks of 64 features, kernels 5 x 5
    gatedpixelcnn-28  7 layers of 64 features in each stack, the first kernel 7 x 7
    pixelcnnpp-28     3 sizes of 2 blocks of 40 features

The peers: "plain" is the same network with the same weights, written as public code has it and drawn by a whole pass
per pixel (see common_pixels.py; PixelCNN++ has no masked kernels, so that it would train and score by the very layers
of ours and is compared by draws only), and, where it is installed (see flow_peers.py), pythae's PixelCNN of 8 layers of
64 features, kernels 5 x 5, which is not the same network: it has no bottlenecks. Before anything is timed, plain and
ours give the same conditionals, the cached sampler decides by them, and pythae's logits see no later pixel. Training
under bfloat16 is shown beside float32.

Writes benchmarks/results/pixelcnn.json.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from common_pixels import PASSES, SPACE, check, commonly, events, passes, training
from ptheta.autoregressive import Autoregressive, GatedPixelCNN, PixelCNN, PixelCNNPP
from ptheta.noise import Noise, seeded
from timing import Call, Row, installed, least, no_grad, row, stepper, write

MODELS = {
    "pixelcnn-28": lambda: PixelCNN(SPACE, width=32, layers=8, kernel=5, middle=5),
    "gatedpixelcnn-28": lambda: GatedPixelCNN(SPACE, width=64, layers=7, kernel=7),
    "pixelcnnpp-28": lambda: PixelCNNPP(SPACE, width=40, layers=2),
}
BATCH, DRAWN = 16, 64
AIMS = {"train": 1.0, "score": 1.0, "sample": 20.0}


def of_ours(workload: str, ours: Autoregressive) -> dict[tuple[str, str], Call]:
    common, x = commonly(ours), events(BATCH)
    check(ours, common)
    calls = {
        ("train", "ours"): training(ours, BATCH),
        ("train", "bfloat16"): training(ours, BATCH, "bfloat16"),
        ("score", "ours"): no_grad(lambda: ours.log_prob(x)),
        ("sample", "ours"): lambda: ours.sample(DRAWN, noise=Noise(0)),
        ("sample", "plain"): passes(common, DRAWN),
    }
    if workload != "pixelcnnpp-28":
        calls["train", "plain"] = training(common, BATCH)
        calls["score", "plain"] = no_grad(lambda: common.log_prob(x))
    return calls


def of_pythae() -> dict[tuple[str, str], Call]:
    from pythae.models.normalizing_flows import PixelCNN, PixelCNNConfig

    with seeded(0):
        model = PixelCNN(PixelCNNConfig(input_dim=SPACE.shape, n_embeddings=2, n_layers=8, kernel_size=5))
    x, drawn = events(BATCH).float(), torch.zeros(DRAWN, *SPACE.shape)
    sees_no_later_pixel(model)

    def score() -> Tensor:
        model.eval()
        return -F.cross_entropy(model({"data": x}).out, x.long(), reduction="none").flatten(1).sum(1)

    def some_passes() -> None:
        model.eval()
        for i in range(PASSES):
            p = model({"data": drawn}).out[..., 0, i].softmax(1)[:, :, 0]
            drawn[:, 0, 0, i] = torch.multinomial(p, 1)[:, 0]

    train = stepper(model, lambda: model.train()({"data": x}).loss)
    return {
        ("train", "pythae"): train,
        ("score", "pythae"): no_grad(score),
        ("sample", "pythae"): no_grad(some_passes),
    }


def sees_no_later_pixel(model: Any) -> None:
    model.eval()
    x = events(1).float().requires_grad_()
    at = 300
    (slope,) = torch.autograd.grad(model({"data": x}).out.flatten(3)[0, :, 0, at].sum(), x)
    assert bool((slope.flatten()[at:] == 0).all()), "pythae's logits see their own pixel or later ones"


def measure(workload: str) -> list[Row]:
    with seeded(0):
        ours = MODELS[workload]()
    calls = of_ours(workload, ours)
    if workload == "pixelcnn-28" and installed("pythae"):
        calls |= of_pythae()
    best = least(calls, rounds=3)
    rows = []
    for task, aim in AIMS.items():
        scale = SPACE.dimensions / PASSES if task == "sample" else 1.0
        costs = {name: s if name == "ours" else s * scale for (owner, name), s in best.items() if owner == task}
        beside = {name: costs.pop(name) for name in ("bfloat16",) if name in costs}
        rows.append(row(workload, task, DRAWN if task == "sample" else BATCH, costs, aim, beside=beside))
    return rows


def main() -> None:
    torch.set_num_threads(1)
    rows = [made for workload in MODELS for made in measure(workload)]
    write("pixelcnn", rows, {"shape": SPACE.shape, "passes timed": PASSES}, installed("pythae"))


if __name__ == "__main__":
    main()
