"""Fills in the lower half of images, exactly: draws from p(lower half | upper half).

    python examples/complete_images.py                      # fits NADE on small digits first
    python examples/complete_images.py RUN completions.png  # with the model of a run, on its test events

A model that goes row by row sees the upper half before it draws the rest, so that the filling is a draw from the very
conditional. Each line of the picture is an event, what is known of it, and six ways to go on.
"""

import sys
from pathlib import Path

import torch

import ptheta
from ptheta.report.grids import grid_image

WAYS, EVENTS = 6, 10


def main() -> None:
    if len(sys.argv) == 3:
        run = ptheta.open_run(sys.argv[1])
        data, model = run.data(), run.model
    else:
        data = ptheta.load("digits-binary").without_context()
        model = ptheta.NADE(data.space, hidden=100).fit(data, epochs=5, learning_rate=5e-3)
    x = data.test.some(EVENTS).x
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[:, :, : x.shape[2] // 2] = True  # the upper half is known
    known = torch.where(mask, x, torch.zeros_like(x))
    ways = [model.complete(x, mask, noise=ptheta.Noise(seed)) for seed in range(WAYS)]
    truth, drawn = model.log_prob(x).mean(), torch.stack([model.log_prob(y) for y in ways]).mean()
    print(f"log p of whole events: {truth:.1f} nats as they are, {drawn:.1f} nats with the lower half drawn")
    if len(sys.argv) == 3:
        rows = torch.stack([x, known, *ways], 1).flatten(0, 1)  # (EVENTS (2 + WAYS), C, H, W)
        grid_image(rows, data.space, columns=2 + WAYS).save(Path(sys.argv[2]))
        print(f"{EVENTS} events, known halves, {WAYS} completions of each: {sys.argv[2]}")


if __name__ == "__main__":
    main()
