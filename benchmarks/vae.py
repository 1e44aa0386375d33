"""The variational autoencoder on digits, MNIST and binarized MNIST: bounds on the test split, and pictures.

    PTHETA_DATA=... python benchmarks/vae.py [digits mnist binarized-mnist]

writes benchmarks/results/vae.json and docs/pictures/vae-*.png (test events, samples from p(x | z), and the means behind
them, which are no samples). Recipes are as they come, without labels; weights are chosen on the validation split.
``bound`` is -ELBO in nats per test event, ``tighter`` the bound of importance samples on the first ``tighter_n`` test
events and ``bound_there`` -ELBO on the same. Times are CPU seconds of one thread; fitting includes validation.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from ptheta import Dataset, Noise, load
from ptheta.latent import VAE
from ptheta.metrics import likelihood
from ptheta.noise import seeded
from ptheta.recipes import find_recipe

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


def save_picture(model: VAE, data: Dataset, path: Path, columns: int = 8, rows: int = 8) -> None:
    """Draws test events, samples, and the means of p(x | z) at the samples' codes, one square per pixel."""
    n, top = columns * rows, getattr(data.space, "n", 2) - 1
    zoom = max(1, 32 // data.space.shape[-1])
    panels = {
        f"{data.name}: test events": data.test.x[torch.linspace(0, len(data.test) - 1, n).long()],
        "VAE: samples": model.sample(n, noise=Noise(SEED)),
        "means of p(x | z), not samples": model.sample_means(n, noise=Noise(SEED)),
    }
    height, width = (zoom * side + 2 for side in data.space.shape[1:])
    picture = Image.new("L", (len(panels) * (columns * width + 12), rows * height + 18), 255)
    for index, (title, x) in enumerate(panels.items()):
        left = index * (columns * width + 12)
        ImageDraw.Draw(picture).text((left + 2, 2), title, fill=0)
        ink = 255 - (x.float() * (255 / top)).round()
        tiles = F.pad(ink.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3), (1, 1, 1, 1), value=200.0)[:, 0]
        sheet = tiles.unflatten(0, (rows, columns)).transpose(1, 2).reshape(rows * height, columns * width)
        picture.paste(Image.fromarray(sheet.to(torch.uint8).numpy()), (left, 18))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


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
