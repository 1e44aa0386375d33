"""How fast counting models and mixtures fit and score, beside scikit-learn where it has the model, else plain code.

    OMP_NUM_THREADS=1 python benchmarks/counting.py

Tables over ten neighbours, a Chow-Liu tree and ten Bernoullis: 10,000 images of 28 x 28 bits. Mixtures of eight
Gaussians: 10,000 events of 11 reals in eight clusters, ten rounds of EM from one start; and twenty diagonal ones on
2000 images of 784 reals. Kernels: 1000 scores under 10,000 of them. One thread, seed 0; median CPU seconds of turns.

The plain code is numpy's for the mutual information of all pairs and for kernels (a product of matrices, in the type of
ours), and PyTorch's for the mixture of Bernoullis: k-means++ and ten rounds over all events at once, in float64. Before
anything is timed, densities are equal, the mutual information is equal, and both mixtures of Bernoullis score
within a fiftieth.

Writes benchmarks/results/counting.json.
"""

import warnings
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Peer
from sklearn.neighbors import KernelDensity
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.distributions import (
    KDE,
    ARTable,
    ChowLiu,
    GaussianMixture,
    Markov,
    ProductMixture,
    causal_neighbours,
)
from ptheta.distributions.chow_liu import mutual_information
from ptheta.noise import Noise
from ptheta.spaces import Binary, Real
from timing import PLAIN, Call, Row, no_grad, row, typical, write

BITS, REALS = Binary((1, 28, 28)), Real((11,))
EVENTS, SCORED, ROUNDS, WIDTH, BERNOULLIS = 10_000, 1000, 10, 0.5, 10
WIDE, FEW, HELD = Real((784,)), 2000, 100


def tables(x: Tensor) -> list[Row]:
    """Tables and trees on bits: no peer has them in one call."""
    models: dict[str, Any] = {
        "markov": Markov(BITS),
        "ar-table": ARTable(BITS, causal_neighbours(BITS.shape, 10)),
        "chow-liu": ChowLiu(BITS),
    }
    rows = []
    for name, model in models.items():
        model.fit(x)
        took = typical({"fit": lambda m=model: m.fit(x), "score": lambda m=model: m.log_prob(x)}, 5)
        rows += [row(name, task, EVENTS, {"ours": seconds}, None) for task, seconds in took.items()]
    return rows


def plain_information(bits: np.ndarray) -> np.ndarray:
    """The mutual information of all pairs of bits, from one product, with entropies on the diagonal."""
    x, n = bits.astype(np.float32), len(bits)
    both, p = (x.T @ x).astype(np.float64) / n, x.mean(0, dtype=np.float64)
    found = np.zeros_like(both)
    only = p[:, None] - both
    quarters = (both, p, p), (only, p, 1 - p), (only.T, 1 - p, p), (1 - p[:, None] - only.T, 1 - p, 1 - p)
    for joint, left, right in quarters:
        with np.errstate(divide="ignore", invalid="ignore"):
            found += np.where(joint > 0, joint * np.log(joint / (left[:, None] * right)), 0)
    return found


def trees(x: Tensor) -> Row:
    cells = x.flatten(1)
    theirs = torch.from_numpy(plain_information(cells.numpy()))
    torch.testing.assert_close(mutual_information(cells, 2), theirs, rtol=0, atol=1e-9)
    calls = {"ours": lambda: mutual_information(cells, 2), "plain": lambda: plain_information(cells.numpy())}
    return row("chow-liu", "mutual information", EVENTS, typical(calls), PLAIN)


class PlainBernoullis:
    """A mixture of Bernoullis by EM over all events at once, with a tenth of a pseudo-count per value."""

    def fit(self, bits: Tensor) -> "PlainBernoullis":
        x = bits.double()
        norms, nearest = x.sum(1), torch.ones(len(x), dtype=x.dtype)
        squared = torch.empty(len(x), BERNOULLIS, dtype=x.dtype)
        for j in range(BERNOULLIS):  # k-means++
            centre = x[torch.multinomial(nearest, 1)].squeeze(0)
            squared[:, j] = norms - 2 * (x @ centre) + centre.sum()
            nearest = squared[:, : j + 1].amin(1).clamp_(min=1e-9)
        r = torch.nn.functional.one_hot(squared.argmin(1), BERNOULLIS).double()
        self.maximise(x, r)
        for _ in range(ROUNDS):
            self.maximise(x, self.joint(x).softmax(1))
        return self

    def maximise(self, x: Tensor, r: Tensor) -> None:
        mass = r.sum(0)
        on = (r.T @ x + 0.1) / (mass[:, None] + 0.2)
        self.ratio, self.off = (on / (1 - on)).log(), (1 - on).log().sum(1) + (mass / mass.sum()).log()

    def joint(self, x: Tensor) -> Tensor:
        return torch.addmm(self.off, x, self.ratio.T)

    def log_prob(self, bits: Tensor) -> Tensor:
        return self.joint(bits.double()).logsumexp(1)


def bernoullis(x: Tensor) -> list[Row]:
    options: Any = {"components": BERNOULLIS, "restarts": 1, "iterations": ROUNDS, "tolerance": 0.0}
    space, plain = Binary((784,)), PlainBernoullis()
    cells, data, ours = x, chosen_on(x, space), ProductMixture(space, **options)
    scores = ours.fit(data).log_prob(cells).mean(), plain.fit(cells).log_prob(cells).mean()
    torch.testing.assert_close(*(score.double() for score in scores), rtol=0.02, atol=0)
    calls: dict[tuple[str, str], Call] = {
        ("fit", "ours"): lambda: ours.fit(data),
        ("fit", "plain"): no_grad(lambda: plain.fit(cells)),
        ("score", "ours"): lambda: ours.log_prob(cells),
        ("score", "plain"): no_grad(lambda: plain.log_prob(cells)),
    }
    return paired("bernoulli-mixture", "", calls, EVENTS, "plain", PLAIN)


def mixtures(x: Tensor, space: Real, components: int, kinds: tuple[str, ...]) -> list[Row]:
    """Mixtures of Gaussians: as many rounds of EM, from starts of their own."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # tolerance 0, so that no round is left out
    rows, data, exact = [], chosen_on(x, space), x.double().numpy()  # in float64, as ours
    for covariance in kinds:
        options: Any = {"components": components, "covariance": covariance, "smoothing": 1.0}
        ours = GaussianMixture(space, **options, restarts=1, iterations=ROUNDS, tolerance=0.0)
        short: Any = {"full": "full", "diagonal": "diag"}[covariance]
        start: Any = {"init_params": "k-means++", "random_state": 0}
        peer = Peer(components, covariance_type=short, max_iter=ROUNDS, tol=0.0, **start)
        calls: dict[tuple[str, str], Call] = {
            ("fit", "ours"): lambda m=ours: m.fit(data),
            ("fit", "scikit-learn"): lambda m=peer: m.fit(exact),
            ("score", "ours"): lambda m=ours: m.log_prob(x),
            ("score", "scikit-learn"): lambda m=peer: m.score_samples(exact),
        }
        what = f", {covariance}, {space.dimensions} reals"
        rows += paired("gaussian-mixture", what, calls, len(x), "scikit-learn", 1.0)
    return rows


def chosen_on(x: Tensor, space: Any) -> Dataset:
    """A data set with a few validation events, so that a mixture holds out none of its own."""
    return Dataset("bench", space, Events(x), Events(x[:HELD]), Events(x[:HELD]))


def paired(workload: str, what: str, calls: dict[tuple[str, str], Call], n: int, peer: str, aim: float) -> list[Row]:
    """The rows of fitting and of scoring."""
    took = typical(calls, 7)
    return [
        row(workload, task + what, n, {name: took[task, name] for name in ("ours", peer)}, aim)
        for task in ("fit", "score")
    ]


def plain_kernels(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Log-densities by one product a hundred rows."""
    found, norms = [], (kernels**2).sum(1)
    for part in np.array_split(x, len(x) // 100):
        exponents = (part @ kernels.T - 0.5 * norms - 0.5 * (part**2).sum(1, keepdims=True)) / WIDTH**2
        top = exponents.max(1, keepdims=True)
        found.append(np.log(np.exp(exponents - top).sum(1)) + top[:, 0])
    d = kernels.shape[1]
    return np.concatenate(found) - np.log(len(kernels)) - 0.5 * d * np.log(2 * np.pi * WIDTH**2)


def kernels(x: Tensor) -> Row:
    ours, few = KDE(REALS, bandwidth=WIDTH).fit(x), x[:SCORED] + 0.1
    peer = KernelDensity(bandwidth=WIDTH).fit(x.numpy())
    exact = few.double().numpy(), x.double().numpy()
    theirs = torch.from_numpy(peer.score_samples(few.numpy())), torch.from_numpy(plain_kernels(*exact))
    for score in theirs:
        torch.testing.assert_close(ours.log_prob(few).double(), score)
    calls = {
        "ours": lambda: ours.log_prob(few),
        "plain": lambda: plain_kernels(*exact),
        "scikit-learn": lambda: peer.score_samples(few.numpy()),
    }
    return row("kde", "score", SCORED, typical(calls), PLAIN)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    bits = (Noise(0).uniform((EVENTS, *BITS.shape), "bits") < 0.13).to(torch.uint8)
    centres = 2 * Noise(0).normal((8, *REALS.shape), "centres")
    reals = centres[torch.arange(EVENTS) % 8] + Noise(0).normal((EVENTS, *REALS.shape), "reals")
    wide = 2 * Noise(0).normal((20, 784), "wide centres")[torch.arange(FEW) % 20]
    wide = wide + Noise(0).normal((FEW, 784), "wide")
    kinds = Noise(0).uniform((BERNOULLIS, 784), "kinds")[torch.arange(EVENTS) % BERNOULLIS] < 0.3
    of_kinds = (Noise(0).uniform((EVENTS, 784), "of kinds") < torch.where(kinds, 0.3, 0.05)).to(torch.uint8)
    rows = [*tables(bits), trees(bits), *bernoullis(of_kinds)]
    rows += mixtures(reals, REALS, 8, ("full", "diagonal")) + mixtures(wide, WIDE, 20, ("diagonal",))
    write("counting", [*rows, kernels(reals)], {"rounds of EM": ROUNDS}, ("scikit-learn",))


if __name__ == "__main__":
    main()
