"""The variational autoencoder on digits, MNIST and binarized MNIST: bounds on the test split, and pictures.

    PTHETA_DATA=... python benchmarks/vae.py [digits mnist binarized-mnist]

writes benchmarks/results/vae.json and docs/pictures/vae-*.png (samples from p(x | z), and beside them the means behind
them, which are no samples). Recipes are as they come, without labels; weights are chosen on the validation split.
``bound`` is -ELBO in nats per test event, ``tighter`` the bound of importance samples on the first ``tighter_n`` test
events and ``bound_there`` -ELBO on the same. Times are CPU seconds of one thread; fitting includes validation.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ptheta import Dataset, Levels, Noise, load
from ptheta.latent import VAE
from ptheta.metrics import likelihood
from ptheta.noise import seeded
from ptheta.recipes import find_recipe
from ptheta.report.pictures import grid_image

ROOT = Path(__file__).resolve().parent.parent
SEED, IMPORTANCE = 0, 200
TIGHTER = {"digits": 10_000, "mnist": 500, "binarized-mnist": 10_000}


def run(name: str) -> dict[str, Any]:
    """One row: fit, score, draw."""
    data = load(name).without_context()
    with seeded(SEED):
        recipe = find_recipe("vae")(data.space)
    model = recipe.model
    assert isinstance(model, VAE)
    start = time.process_time()
    model.fit(data, seed=SEED, **recipe.training)
    row: dict[str, Any] = {"seed": SEED, "training": recipe.training, "fit_cpu_seconds": time.process_time() - start}
    row["parameters"] = sum(p.numel() for p in model.parameters())
    save_picture(model, data, ROOT / "docs" / "pictures" / f"vae-{name}.png")
    whole = likelihood(model, data.test)
    row |= {"bound": whole.value, "error": whole.error, "bits_per_dim": whole.bits_per_dim, **whole.details}
    start = time.process_time()
    tighter = likelihood(model, data.test.some(TIGHTER[name]), importance=IMPORTANCE)
    row |= {"tighter": tighter.value, "bound_there": tighter.details["elbo"]}
    row |= {"importance": IMPORTANCE, "tighter_n": tighter.n, "tighter_cpu_seconds": time.process_time() - start}
    return row


def save_picture(model: VAE, data: Dataset, path: Path, n: int = 100) -> None:
    """Draws samples, and beside them the means of p(x | z) at the same codes."""
    grey = Levels(data.space.shape, 256)
    top = getattr(data.space, "n", 2) - 1

    def panel(x: Tensor) -> Any:
        return grid_image((x.float() * (255 / top)).round().to(torch.uint8), grey, columns=10)

    shown = {
        "samples from p(x | z) p(z)": model.sample(n, noise=Noise(SEED)),
        "means of p(x | z), no samples": model.sample_means(n, noise=Noise(SEED)),
    }
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.8), layout="constrained")
    for axis, (title, x) in zip(axes, shown.items(), strict=True):
        axis.imshow(panel(x), cmap="gray", interpolation="antialiased")
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", default=list(TIGHTER), choices=list(TIGHTER))
    torch.set_num_threads(1)
    path = ROOT / "benchmarks" / "results" / "vae.json"
    for name in parser.parse_args().rows:
        row = run(name)
        result = json.loads(path.read_text()) if path.exists() else {}
        result[name] = row
        print(name, json.dumps(row, indent=1), flush=True)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
