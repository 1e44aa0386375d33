"""How fast the metrics on nearest neighbours are, beside plain PyTorch.

    OMP_NUM_THREADS=1 python benchmarks/neighbours.py

Precision, recall, density and coverage of 5000 samples beside 5000 real events, 64 features each, k = 5; and the
nearest of 5000 training events to each of 5000 samples. Gaussian features; one thread, seed 0, median CPU seconds of
turns. The plain code is in float32: all distances of two sets at once, radii by ``topk``, and comparisons; it knows
neither ties nor what rounding does. Before anything is timed, both give the same four numbers and neighbours, within
what a few ties on a ball's edge move.

Writes benchmarks/results/neighbours.json.
"""

import torch
from torch import Tensor

from ptheta.metrics.coverage import precision_recall_density_coverage
from ptheta.metrics.memorisation import nearest_neighbours
from ptheta.noise import Noise
from timing import PLAIN, Call, row, typical, write

EVENTS, FEATURES, K = 5000, 64, 5


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of all pairs."""
    return torch.addmm(y.square().sum(1), x, y.T, alpha=-2).add_(x.square().sum(1, keepdim=True))


def plain(real: Tensor, fake: Tensor) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage (Naeem et al., 2020)."""
    radii = [distances(x, x).topk(K + 1, 1, largest=False).values[:, -1:] for x in (real, fake)]
    apart = distances(real, fake)
    in_real, in_fake = apart <= radii[0], apart <= radii[1].T
    return (
        in_real.any(0).float().mean().item(),
        in_fake.any(1).float().mean().item(),
        in_real.sum().item() / (K * len(fake)),
        in_real.any(1).float().mean().item(),
    )


def main() -> None:
    torch.set_num_threads(1)
    real, fake = (Noise(0).normal((EVENTS, FEATURES), key) for key in ("real", "fake"))
    ours = torch.tensor(precision_recall_density_coverage(real, fake, k=K))
    torch.testing.assert_close(ours, torch.tensor(plain(real, fake)), rtol=0, atol=1e-3)
    nearest = nearest_neighbours(fake, real).index, distances(fake, real).argmin(1)
    assert (nearest[0] == nearest[1]).float().mean() > 0.999
    calls: dict[tuple[str, str], Call] = {
        ("manifolds", "ours"): lambda: precision_recall_density_coverage(real, fake, k=K),
        ("manifolds", "plain"): lambda: plain(real, fake),
        ("nearest", "ours"): lambda: nearest_neighbours(fake, real),
        ("nearest", "plain"): lambda: distances(fake, real).min(1),
    }
    took = typical(calls, 7)
    rows = [
        row("neighbours-64", task, EVENTS, {name: took[task, name] for name in ("ours", "plain")}, PLAIN)
        for task in ("manifolds", "nearest")
    ]
    write("neighbours", rows, {"features": FEATURES, "k": K})


if __name__ == "__main__":
    main()
