"""How fast a VAE trains, bounds and samples, beside pythae's and plain PyTorch over the same networks.

    OMP_NUM_THREADS=1 python benchmarks/latent.py

784 bits, dense networks of 400 hidden units, 20 latent variables, a standard normal prior; one thread, seed 0, median
CPU seconds of turns: a training step of 100 events as ``fit`` takes it, the importance-weighted bound of 100 events
with 100 draws each, and 1000 samples. The plain code takes torch's own random numbers. pythae (see coder_peers.py) is
trained by our optimiser, bounds one event after the other, and draws means. Before anything is timed, all bounds agree
within a nat: they are means over draws of their own.

Writes benchmarks/results/latent.json.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ptheta.latent import VAE
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary
from ptheta.training import Training, training
from timing import PLAIN, Call, installed, no_grad, row, stepper, typical, write

DIMENSIONS, HIDDEN, LATENT, BATCH, DRAWS, SAMPLES = 784, 400, 20, 100, 100, 1000
ROWS = 1000  # that pass through the plain decoder at once

peers: Any = installed("coder_peers").get("coder_peers")


class PlainVAE:
    """The same networks, used as a script would.

    Args:
        model: Whose networks.
    """

    def __init__(self, model: VAE) -> None:
        self.model = deepcopy(model).train()

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.model.encoder(2 * x - 1).chunk(2, 1)
        return mean, log_std

    def loss(self, x: Tensor) -> Tensor:
        mean, log_std = self.posterior(x)
        logits = self.model.decoder(mean + log_std.exp() * torch.randn_like(mean))
        rate = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)
        return (F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1) + rate).mean()

    def bound(self, x: Tensor, draws: int) -> Tensor:
        mean, log_std = self.posterior(x)
        eps = torch.randn(draws, *mean.shape)
        z = mean + log_std.exp() * eps
        log_w = (0.5 * (eps.square() - z.square()) + log_std).sum(2)  # (draws, B)
        found = []
        for part in z.split(max(1, ROWS // len(x))):
            logits = self.model.decoder(part.flatten(0, 1)).view(len(part), *x.shape)
            found.append((x * logits - F.softplus(logits)).sum(2))
        return (log_w + torch.cat(found)).logsumexp(0) - math.log(draws)

    def sample(self, n: int) -> Tensor:
        mean = self.means(n)
        return (torch.rand(mean.shape) < mean).to(torch.uint8)

    def means(self, n: int) -> Tensor:
        return torch.cat([self.model.decoder(z).sigmoid() for z in torch.randn(n, LATENT).split(ROWS)])


def build() -> VAE:
    with seeded(0):
        networks = MLP(DIMENSIONS, 2 * LATENT, (HIDDEN,)), MLP(LATENT, DIMENSIONS, (HIDDEN,))
        return VAE(Binary((DIMENSIONS,)), latent=LATENT, encoder=networks[0], decoder=networks[1])


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = (Noise(0).uniform((1000, DIMENSIONS), "x") < 0.13).to(torch.uint8)
    ours = build()
    few, bits, theirs = x[:BATCH], x[:BATCH].float(), PlainVAE(ours)
    with torch.no_grad():
        bounds = ours.importance_bound(few, DRAWS, noise=Noise(0)), theirs.bound(bits, DRAWS)
    torch.testing.assert_close(bounds[0].mean(), bounds[1].mean(), rtol=0, atol=1.0)
    learner, peer = build(), PlainVAE(build())
    steps = training(learner, x, Training.of(steps=10**6, batch_size=BATCH))
    batches: Callable[[], Tensor] = lambda: x[torch.randint(len(x), (BATCH,))].float()  # noqa: E731
    calls: dict[tuple[str, str], Call] = {
        ("train", "ours"): lambda: next(steps),
        ("train", "plain"): stepper(peer.model, lambda: peer.loss(batches())),
        ("bound, 100 draws", "ours"): no_grad(lambda: ours.importance_bound(few, DRAWS, noise=Noise(0))),
        ("bound, 100 draws", "plain"): no_grad(lambda: theirs.bound(bits, DRAWS)),
        ("sample", "ours"): partial(ours.sample, SAMPLES, noise=Noise(0)),
        ("sample", "plain"): no_grad(lambda: theirs.sample(SAMPLES)),
        ("means of samples", "ours"): partial(ours.sample_means, SAMPLES, noise=Noise(0)),
        ("means of samples", "plain"): no_grad(lambda: theirs.means(SAMPLES)),
    }
    if peers:
        copy = build()
        made = peers.vae(copy.encoder, copy.decoder, (DIMENSIONS,), LATENT)
        with torch.no_grad():
            assert abs(made.get_nll(bits, DRAWS) - float(bounds[0].mean())) < 1
        calls["train", "pythae"] = stepper(made, lambda: made({"data": batches()}).loss)
        calls["bound, 100 draws", "pythae"] = no_grad(lambda: made.get_nll(bits, DRAWS))
        calls["means of samples", "pythae"] = no_grad(lambda: peers.drawn(made, SAMPLES, LATENT))
    took = typical(calls)
    sizes = {"train": BATCH, "bound, 100 draws": BATCH, "sample": SAMPLES, "means of samples": SAMPLES}
    rows = [
        row("vae-mlp-784", task, size, {name: cost for (of, name), cost in took.items() if of == task}, PLAIN)
        for task, size in sizes.items()
    ]
    write("latent", rows, {"hidden": HIDDEN, "latent": LATENT, "draws": DRAWS}, ("pythae",) if peers else ())


if __name__ == "__main__":
    main()
