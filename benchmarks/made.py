"""How fast MADE trains, scores and samples, against the common way of doing it.

    OMP_NUM_THREADS=1 python benchmarks/made.py

784 bits, hidden layers of 500 and 500 ReLU units, one thread, seed 0; CPU seconds, the least of several rounds, with
the competitors taking turns. The peer has the weights and masks of ours and goes about it as the public PyTorch
versions do: masked weights made afresh in every pass, a default Adam, and samples by a pass of the whole network for
each of the 784 variables, of which one output is used. All of the peer's sampling time goes into such passes, so that
eight of them are timed and the rest follows. Before anything is timed, both give the same scores, and ours draws the
events that whole passes draw from the same noise.

Writes benchmarks/results/made.json.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive import MADE
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary

DIMENSIONS, HIDDEN, BATCH, SAMPLES, ROUNDS, PASSES = 784, (500, 500), 100, 64, 7, 8
LINES = {"train": 1.0, "score": 1.0, "sample": 20.0}


class Peer(nn.Module):
    """The same masked perceptron, written the common way."""

    def __init__(self, model: MADE) -> None:
        super().__init__()
        layers = [*model.network.layers(), model.network.last]
        self.weights = nn.ParameterList(layer.weight.detach().clone() for layer in layers)
        self.biases = nn.ParameterList(layer.bias.detach().clone() for layer in layers)
        self.masks = [layer.mask for layer in layers]

    def forward(self, x: Tensor) -> Tensor:
        for k, (weight, bias, mask) in enumerate(zip(self.weights, self.biases, self.masks, strict=True)):
            x = F.linear(x if k == 0 else F.relu(x), weight * mask, bias)
        return x

    def log_prob(self, x: Tensor) -> Tensor:
        x = x.to(self.biases[0].dtype)
        return -F.binary_cross_entropy_with_logits(self(x), x, reduction="none").sum(1)

    def some_passes(self, n: int) -> Tensor:
        """The first ``PASSES`` variables of n samples, each by a whole pass."""
        x = self.biases[0].new_zeros(n, DIMENSIONS)
        for i in range(PASSES):
            x[:, i] = torch.bernoulli(self(x)[:, i].sigmoid())
        return x


def events(n: int) -> Tensor:
    return (Noise(0).uniform((n, DIMENSIONS), "x") < 0.13).to(torch.uint8)


def stepper(model: MADE | Peer, x: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), fused=isinstance(model, MADE))

    def step() -> None:
        optimizer.zero_grad()
        (-model.log_prob(x)).mean().backward()
        optimizer.step()

    return step


def least(calls: dict[tuple[str, str], Callable[[], object]]) -> dict[tuple[str, str], float]:
    """The CPU seconds of each call at their best, all of them taking turns."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for key, call in calls.items():
            start = time.process_time()
            call()
            best[key] = min(best[key], time.process_time() - start)
    return best


def no_grad(function: Callable[[], Tensor]) -> Callable[[], Tensor]:
    return torch.no_grad()(function)


def seconds() -> dict[str, dict[str, float]]:
    """CPU seconds by task: a training step and a score of ``BATCH`` events, a draw of ``SAMPLES``."""
    with seeded(0):
        ours = MADE(Binary((DIMENSIONS,)), hidden=HIDDEN)
    peer, x = Peer(ours), events(BATCH)
    exact = Peer(ours).double(), MADE(Binary((DIMENSIONS,)), hidden=HIDDEN).double()
    exact[0].masks = [mask.double() for mask in peer.masks]
    exact[1].load_state_dict(ours.state_dict())
    torch.testing.assert_close(exact[0].log_prob(x), exact[1].log_prob(x), rtol=0, atol=1e-9)
    drawn = [exact[1].sample(SAMPLES, noise=Noise(1), method=method) for method in ("cached", "fixed-point")]
    assert torch.equal(*drawn), "the cached sampler draws other events than whole passes"
    best = least(
        {
            ("score", "ours"): no_grad(lambda: ours.log_prob(x)),
            ("score", "peer"): no_grad(lambda: peer.log_prob(x)),
            ("sample", "ours"): lambda: ours.sample(SAMPLES, noise=Noise(1)),
            ("sample", "peer"): no_grad(lambda: peer.some_passes(SAMPLES)),
            ("train", "ours"): stepper(ours, x),
            ("train", "peer"): stepper(peer, x),
        }
    )
    best["sample", "peer"] *= DIMENSIONS / PASSES
    return {task: {name: best[task, name] for name in ("ours", "peer")} for task in LINES}


def main() -> None:
    torch.set_num_threads(1)
    rows = seconds()
    print(f"{'':10}{'ours':>12}{'peer':>12}{'peer/ours':>11}{'line':>7}")
    for task, row in rows.items():
        ratio = row["peer"] / row["ours"]
        cells = "".join(f"{row[name] * 1e3:9.2f} ms" for name in ("ours", "peer"))
        print(f"{task:10}{cells}{ratio:10.2f}x{LINES[task]:6.0f}x  {'pass' if ratio >= LINES[task] else 'MISSED'}")
    settings = {"dimensions": DIMENSIONS, "hidden": HIDDEN, "batch": BATCH, "samples": SAMPLES, "threads": 1, "seed": 0}
    report = {"settings": settings, "torch": torch.__version__, "rows": rows, "lines": LINES}
    path = Path(__file__).parent / "results" / "made.json"
    path.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
