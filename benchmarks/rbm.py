"""RBMs on binarized MNIST: exact likelihoods, annealing against enumeration, CD against PCD, speed beside scikit-learn.

    PTHETA_DATA=... python benchmarks/rbm.py            writes benchmarks/results/rbm.json
    PTHETA_DATA=... python benchmarks/rbm.py --picture  also fits 500 hidden units and draws docs/pictures

Times are CPU seconds of one thread. The machine has 20 hidden units, so that log Z is a sum over 2^20 states.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ptheta import Binary, Dataset, Noise, load
from ptheta.energy import RBM, annealed_importance_sampling, annealing_schedule
from ptheta.noise import seeded
from ptheta.recipes.energy import rbm

ROOT = Path(__file__).resolve().parent.parent
SEED = 0


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Runs ``work``; returns what it returned and the CPU seconds it took."""
    start = time.process_time()
    value = work()
    return value, time.process_time() - start


def fitted(data: Dataset, **dials: Any) -> tuple[RBM, float]:
    """Fits the recipe with the given dials; returns the machine and the CPU seconds."""
    with seeded(SEED):
        recipe = rbm(data.space, **dials)
    model, seconds = timed(lambda: recipe.model.fit(data, seed=SEED, validate_every=10**9, **recipe.training))
    return model, seconds


@torch.no_grad()
def exact(model: RBM, data: Dataset) -> dict[str, float]:
    """Exact negative log-likelihoods in nats."""
    log_z, seconds = timed(lambda: model.log_partition().value)
    values = {name: float(model.energy(getattr(data, name).x).double().mean()) + log_z for name in ("valid", "test")}
    return {"nll_test": values["test"], "nll_valid": values["valid"], "log_z": log_z, "log_z_seconds": seconds}


def annealed(model: RBM, log_z: float, temperatures: int, chains: int) -> dict[str, float]:
    """What annealed chains say about the same log Z."""
    betas, bridge = annealing_schedule(temperatures), model.bridge()
    estimate, seconds = timed(lambda: annealed_importance_sampling(bridge, betas, chains, Noise(SEED)))
    record = {"off": estimate.value - log_z, "standard_error": estimate.error, "seconds": seconds}
    return {"temperatures": temperatures, "chains": chains, **record}


def speed(data: Dataset) -> dict[str, dict[str, float]]:
    """Examples per CPU second at 500 hidden units, batches of 100: ours and scikit-learn's BernoulliRBM."""
    from sklearn.neural_network import BernoulliRBM

    x = data.train.some(10_000).x
    model = RBM(data.space, hidden=500)
    model.fit(x, steps=20)
    _, train = timed(lambda: model.fit(x, epochs=1))
    _, sweeps = timed(lambda: model.sample(100, noise=Noise(SEED), steps=100))
    _, density = timed(lambda: model.pseudo_log_likelihood(x[:500]))
    flat = x.flatten(1).numpy().astype("float32")
    peer = BernoulliRBM(n_components=500, batch_size=100, n_iter=1, random_state=SEED)
    _, peer_train = timed(lambda: peer.fit(flat))

    def peer_chain() -> None:
        v = flat[:100]
        for _ in range(100):
            v = peer.gibbs(v)

    _, peer_sweeps = timed(peer_chain)
    return {
        "ptheta": {"train": 1e4 / train, "gibbs": 1e4 / sweeps, "exact_pseudo_likelihood": 500 / density},
        "scikit-learn": {"train": 1e4 / peer_train, "gibbs": 1e4 / peer_sweeps},
    }


def picture(data: Dataset, path: Path) -> dict[str, float]:
    """Draws real digits beside the chains of a machine with 500 hidden units; returns its annealed likelihood."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    model, seconds = fitted(data, hidden=500)
    estimate, _ = timed(lambda: model.log_partition(Noise(SEED), budget=10_000))
    frames = {"data": data.test.some(64).x, "1000 Gibbs steps": model.sample(64, noise=Noise(SEED))}
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.7))
    for axis, (title, x) in zip(axes, frames.items(), strict=True):
        grid = x.reshape(8, 8, 28, 28).transpose(1, 2).reshape(224, 224)
        axis.imshow(grid, cmap="gray_r", interpolation="nearest")
        axis.set_title(title)
        axis.set_axis_off()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    value = float(model.energy(data.test.x).detach().double().mean()) + estimate.value
    return {"nll_test": value, "standard_error": estimate.error, "train_seconds": seconds}


def main() -> None:
    """Measures everything, prints it and writes it down."""
    parser = argparse.ArgumentParser(description="RBMs on binarized MNIST.")
    parser.add_argument("--picture", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = load("binarized-mnist").without_context()
    assert isinstance(data.space, Binary)
    results: dict[str, Any] = {"seed": SEED, "data": "binarized-mnist"}
    for name, persistent in (("pcd-1, 20 hidden", True), ("cd-1, 20 hidden", False)):
        model, seconds = fitted(data, hidden=20, persistent=persistent)
        row: dict[str, Any] = {**exact(model, data), "train_seconds": seconds}
        row["annealing"] = (
            [annealed(model, row["log_z"], *size) for size in ((1000, 100), (2000, 1000))] if persistent else []
        )
        results[name] = row
        print(name, json.dumps(row))
    results["examples per CPU second, 500 hidden"] = speed(data)
    print(json.dumps(results["examples per CPU second, 500 hidden"]))
    if arguments.picture:
        results["pcd-1, 500 hidden"] = picture(data, ROOT / "docs" / "pictures" / "rbm-binarized-mnist.png")
        print(json.dumps(results["pcd-1, 500 hidden"]))
    path = ROOT / "benchmarks" / "results" / "rbm.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
