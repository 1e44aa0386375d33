"""How fast the PixelCNNs train, score and draw, and how much drawing gains by computing every feature once.

    OMP_NUM_THREADS=1 python benchmarks/pixelcnn.py

28 x 28 bits, the recipes' sizes for large images, one thread, seed 0; CPU seconds per event, the least of several
rounds, with the models taking turns. Training steps are of 16 events, in float32 and under bfloat16; scores and draws
are of 64 events in float32.

Drawing is compared with the way of the public implementations: the whole network on the whole image once per pixel.
That takes minutes, so a few passes are timed and their mean is multiplied by the number of pixels; the file says how
many. Before anything is timed, the parameters that the cached sampler decided by are compared, all of them, with those
of one whole pass over what it drew, in float64.

Writes benchmarks/results/pixelcnn.json.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ptheta.autoregressive import Autoregressive, Choice
from ptheta.noise import Noise
from ptheta.recipes.runs import build
from ptheta.spaces import Binary

SPACE = Binary((1, 28, 28))
MODELS = ("pixelcnn", "gated-pixelcnn", "pixelcnn-pp")
TRAINED, DRAWN, ROUNDS, PASSES = 16, 64, 3, 3
LINE = 20.0  # how many times faster than whole passes drawing should be


def model_of(name: str) -> Autoregressive:
    model = build(name, SPACE, seed=0).model
    assert isinstance(model, Autoregressive)
    return model


def events(n: int) -> Tensor:
    return (Noise(0).uniform((n, *SPACE.shape), "x") < 0.13).to(torch.uint8)


def choice_for(model: Autoregressive, n: int) -> Choice:
    like = next(model.parameters())
    return Choice(model.head, Noise(0).uniform((n, SPACE.dimensions, model.head.uniforms), "u", like=like))


def check(model: Autoregressive) -> None:
    """What the cached sampler decides by is what a whole pass over its draws gives."""
    choice, seen = choice_for(model.double(), 4), []

    def decide(i: int, params: Tensor) -> Tensor:
        seen.append(params)
        return choice(i, params)

    with torch.no_grad():
        cells = model.draw(decide, 4)  # pyright: ignore[reportArgumentType]
        torch.testing.assert_close(torch.stack(seen, 1), model.conditionals(cells), rtol=1e-9, atol=1e-9)
    model.float()


def stepper(model: Autoregressive, precision: str) -> Callable[[], None]:
    optimizer, x = torch.optim.Adam(model.parameters(), fused=True), events(TRAINED)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = -model.log_prob(x).mean()
        loss.backward()
        optimizer.step()

    return step


def passes(model: Autoregressive) -> Callable[[], None]:
    """A few steps of the naive sampler: a whole pass, of which one pixel is used."""
    choice = choice_for(model, DRAWN)

    @torch.no_grad()
    def call() -> None:
        cells = choice.blank()
        for i in range(PASSES):
            cells[:, i] = choice(i, model.conditionals(cells)[:, i])

    return call


def score(model: Autoregressive) -> Callable[[], None]:
    x = events(DRAWN)

    @torch.no_grad()
    def call() -> None:
        model.log_prob(x)

    return call


def draw(model: Autoregressive) -> Callable[[], None]:
    return lambda: [model.sample(DRAWN, noise=Noise(0)), None][1]


def measure() -> dict[str, dict[str, float]]:
    """CPU seconds per event, by model and task."""
    calls: dict[tuple[str, str], tuple[Callable[[], None], float]] = {}
    for name in MODELS:
        model = model_of(name)
        check(model)
        calls[name, "train float32"] = stepper(model_of(name), "float32"), TRAINED
        calls[name, "train bfloat16"] = stepper(model_of(name), "bfloat16"), TRAINED
        calls[name, "score"] = score(model), DRAWN
        calls[name, "draw"] = draw(model), DRAWN
        calls[name, "draw by whole passes"] = passes(model), DRAWN * PASSES / SPACE.dimensions
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for key, (call, n) in calls.items():
            start = time.process_time()
            call()
            best[key] = min(best[key], (time.process_time() - start) / n)
    return {name: {task: seconds for (owner, task), seconds in best.items() if owner == name} for name in MODELS}


def main() -> None:
    torch.set_num_threads(1)
    rows = measure()
    tasks = list(rows[MODELS[0]])
    print("events per CPU second\n" + f"{'':16}" + "".join(f"{task:>22}" for task in tasks) + f"{'gain':>9}")
    for name, row in rows.items():
        row["gain"] = row["draw by whole passes"] / row["draw"]
        cells = "".join(f"{1 / row[task]:22.3g}" for task in tasks)
        print(f"{name:16}{cells}{row['gain']:8.0f}x  {'pass' if row['gain'] >= LINE else 'MISSED'}")
    settings = {
        "shape": SPACE.shape,
        "parameters": {name: sum(p.numel() for p in model_of(name).parameters()) for name in MODELS},
        "batch": {"train": TRAINED, "score": DRAWN, "draw": DRAWN},
        "passes timed": PASSES,
        "threads": 1,
        "seed": 0,
    }
    report = {"settings": settings, "torch": torch.__version__, "seconds per event": rows, "lines": {"gain": LINE}}
    path = Path(__file__).parent / "results" / "pixelcnn.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
