"""How fast MADE trains, scores and samples, against the common way of doing it.

    OMP_NUM_THREADS=1 python benchmarks/made.py

784 bits, hidden layers of 500 and 500 ReLU units, one thread, seed 0; CPU seconds, the least of several rounds, with
the competitors taking turns. The peer has the weights and masks of ours and goes about it as the public PyTorch
versions do: masked weights made afresh in every pass, and samples by a pass of the whole network for each of the 784
variables, of which one output is used. All of the peer's sampling time goes into such passes, so that eight of them are
timed and the rest follows. Before anything is timed, both give the same scores, and ours draws the events that whole
passes draw from the same noise. Both train by the same fused Adam.

Writes benchmarks/results/made.json.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive import MADE
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary
from timing import least, no_grad, row, stepper, write

DIMENSIONS, HIDDEN, BATCH, SAMPLES, PASSES = 784, (500, 500), 100, 64, 8
AIMS = {"train": 1.0, "score": 1.0, "sample": 20.0}


class Plain(nn.Module):
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


def check(ours: MADE, peer: Plain, x: Tensor) -> None:
    exact = Plain(ours).double(), MADE(Binary((DIMENSIONS,)), hidden=HIDDEN).double()
    exact[0].masks = [mask.double() for mask in peer.masks]
    exact[1].load_state_dict(ours.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(exact[0].log_prob(x), exact[1].log_prob(x), rtol=0, atol=1e-9)
    drawn = [exact[1].sample(SAMPLES, noise=Noise(1), method=method) for method in ("cached", "fixed-point")]
    assert torch.equal(*drawn), "the cached sampler draws other events than whole passes"


def main() -> None:
    torch.set_num_threads(1)
    with seeded(0):
        ours = MADE(Binary((DIMENSIONS,)), hidden=HIDDEN)
    peer, x = Plain(ours), events(BATCH)
    check(ours, peer, x)
    calls = {
        ("score", "ours"): no_grad(lambda: ours.log_prob(x)),
        ("score", "plain"): no_grad(lambda: peer.log_prob(x)),
        ("sample", "ours"): lambda: ours.sample(SAMPLES, noise=Noise(1)),
        ("sample", "plain"): no_grad(lambda: peer.some_passes(SAMPLES)),
        ("train", "ours"): stepper(ours, lambda: -ours.log_prob(x).mean()),
        ("train", "plain"): stepper(peer, lambda: -peer.log_prob(x).mean()),
    }
    best = least(calls)
    best["sample", "plain"] *= DIMENSIONS / PASSES
    sizes = {"train": BATCH, "score": BATCH, "sample": SAMPLES}
    rows = [
        row("made-784", task, sizes[task], {name: best[task, name] for name in ("ours", "plain")}, aim)
        for task, aim in AIMS.items()
    ]
    write("made", rows, {"dimensions": DIMENSIONS, "hidden": HIDDEN, "passes timed": PASSES})


if __name__ == "__main__":
    main()
