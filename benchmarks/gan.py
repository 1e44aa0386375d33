"""GANs on digits, MNIST and a ring of eight modes: pictures, classes drawn, modes found.

    PTHETA_DATA=... python benchmarks/gan.py [gan-digits gan-mnist dcgan-mnist gan-ring]

writes benchmarks/results/gan.json and docs/pictures/*.png. A GAN has no likelihood, so collapse is looked for: a small
classifier, trained on the data, counts the classes of the samples. ``class_entropy`` is that of the histogram, in nats
(log 10 = 2.303 when even), ``confident`` the share whose likeliest class has probability above .9, beside the same for
test events. A sample of the ring is ``good`` within three standard deviations of its mode (98.89 % of true samples are;
more means shrunken modes); a mode is found if a good sample hits it. Times are CPU seconds of one thread.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta import Dataset, Model, Noise, load
from ptheta.nn.mlp import MLP
from ptheta.noise import seeded
from ptheta.recipes import find_recipe
from ptheta.report.pictures import save_samples

ROOT = Path(__file__).resolve().parent.parent
SEED, SAMPLES = 0, 10_000
RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gan-digits": ("gan", "digits", {}),
    "gan-mnist": ("gan", "mnist", {}),
    "dcgan-mnist": ("dcgan", "mnist", {}),
    "gan-ring": ("gan", "ring", {}),
}


def fitted(recipe_name: str, data: Dataset, dials: dict[str, Any]) -> tuple[Model, float]:
    """Fits a recipe without labels; returns the model and its CPU seconds."""
    with seeded(SEED):
        recipe = find_recipe(recipe_name)(data.space, None, **dials)
    start = time.process_time()
    recipe.model.fit(data, seed=SEED, **recipe.training)
    return recipe.model, time.process_time() - start


def classifier(data: Dataset) -> nn.Module:
    """A perceptron that names the class of an event, trained for 3000 steps."""
    assert data.context_space is not None
    with seeded(SEED):
        net = MLP(data.space.dimensions, data.context_space.n, (256,))
        rule = torch.optim.Adam(net.parameters(), 1e-3)
        for _ in range(3000):
            batch = data.train[torch.randint(len(data.train), (128,))]
            rule.zero_grad()
            F.cross_entropy(net(data.space.embed(batch.x)), batch.context).backward()
            rule.step()
    return net


@torch.no_grad()
def classes(net: nn.Module, data: Dataset, x: Tensor) -> dict[str, Any]:
    """The histogram of the classes of events, its entropy, and how sure the classifier is."""
    p = net(data.space.embed(x)).softmax(1)
    counts = torch.bincount(p.argmax(1), minlength=p.shape[1])
    share = counts / counts.sum()
    return {
        "histogram": counts.tolist(),
        "class_entropy": float(-torch.xlogy(share, share).sum()),
        "confident": float((p.amax(1) > 0.9).double().mean()),
    }


def modes(x: Tensor, n: int = 8, std: float = 0.01) -> dict[str, float]:
    """How many modes of the ring are found, and the share of good samples."""
    angle = torch.arange(n) * (2 * torch.pi / n)
    distance, nearest = torch.cdist(x, torch.stack([angle.cos(), angle.sin()], 1)).min(1)
    good = distance < 3 * std
    share = torch.bincount(nearest, minlength=n) / len(x)
    return {
        "modes": int(nearest[good].unique().numel()),
        "good": float(good.double().mean()),
        "within_ten_deviations": float((distance < 10 * std).double().mean()),
        "smallest_share": float(share.min()),
    }


def run(name: str) -> dict[str, Any]:
    """One row: fit, sample, look."""
    recipe, data_name, dials = RUNS[name]
    data = load(data_name)
    model, seconds = fitted(recipe, data, dials)
    x = model.sample(SAMPLES, noise=Noise(SEED))
    save_samples(x[:100], data.space, ROOT / "docs" / "pictures" / f"{name}.png")
    row = {"recipe": recipe, "data": data_name, "dials": dials, "seed": SEED, "cpu_seconds": seconds}
    if data_name == "ring":
        return row | modes(x) | {"oracle": modes(data.test.x)}
    net = classifier(data)
    right = classes(net, data, data.test.x)
    accuracy = float((net(data.space.embed(data.test.x)).argmax(1) == data.test.context).double().mean())
    return row | classes(net, data, x) | {"test": right, "classifier_accuracy": accuracy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", default=list(RUNS), choices=list(RUNS))
    torch.set_num_threads(1)
    path = ROOT / "benchmarks" / "results" / "gan.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    for name in parser.parse_args().rows:
        result[name] = run(name)
        print(name, json.dumps(result[name], indent=1), flush=True)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
