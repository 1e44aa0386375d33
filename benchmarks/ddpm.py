"""DDPM on digits and MNIST: pictures, the bound on test events, and one model under many samplers.

    PTHETA_DATA=... python benchmarks/ddpm.py --runs FOLDER [digits mnist]

writes benchmarks/results/ddpm.json and docs/pictures/ddpm-*.png; FOLDER keeps the runs, and a run that was cut short
goes on. Bounds are of -log p, with 95 % half-widths over events and over draws. ``frechet`` is between samples and test
events on principal components, and ``real`` is the same for training events that the components have not seen: what a
perfect sampler would get. Times are CPU seconds of one thread; ``fit_cpu_seconds`` is that of this call, near zero if
the run was finished.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from ptheta import Noise, likelihood, load
from ptheta.diffusion import DDIM, DDPM, Ancestral
from ptheta.metrics.features import features, real_halves
from ptheta.metrics.frechet import frechet_distance
from ptheta.recipes.runs import fit_run
from ptheta.report.pictures import save_samples

ROOT = Path(__file__).resolve().parent.parent
SEED = 0


@final
@dataclass(frozen=True)
class Plan:
    """How much to measure: events and draws of the bound, samples of each sampler, whether to walk all T steps."""

    events: int
    draws: int
    samples: int
    components: int


PLANS = {"digits": Plan(180, 100, 1000, 30), "mnist": Plan(200, 20, 200, 30)}


def bound(model: DDPM, data: Any, plan: Plan) -> dict[str, Any]:
    """The bound of the first test events."""
    start = time.process_time()
    found = likelihood(model, data.test.some(plan.events), draws=plan.draws, noise=Noise(SEED))
    return found.to_json() | {"draws": plan.draws, "cpu_seconds": time.process_time() - start}


def samplers(model: DDPM, data: Any, plan: Plan) -> dict[str, Any]:
    """One model under many samplers: seconds per sample and the distance from the test events."""
    extract = features(data, kind="principal components", n=10 * plan.components, seed=SEED)
    test = extract(data.test.x)
    unseen = real_halves(data, SEED)[1].x[: plan.samples]
    rows: dict[str, Any] = {"real": {"frechet": frechet_distance(test, extract(unseen)), "n": len(unseen)}}
    kept = model.sampler
    leaps = (DDIM(10), DDIM(20), DDIM(50), DDIM(100), DDIM(50, eta=1.0))
    for sampler in (*leaps, Ancestral()) if model.steps <= 100 else leaps:
        model.sampler = sampler
        start = time.process_time()
        x = model.sample(plan.samples, noise=Noise(SEED))
        seconds = (time.process_time() - start) / plan.samples
        rows[str(sampler)] = {"frechet": frechet_distance(test, extract(x)), "cpu_seconds_per_sample": seconds}
        print(sampler, rows[str(sampler)], flush=True)
    model.sampler = kept
    return rows | {"extractor": extract.id, "n": plan.samples}


def run(name: str, runs: Path) -> dict[str, Any]:
    """One row: fit, draw, score, compare samplers."""
    data, plan = load(name), PLANS[name]
    start = time.process_time()
    fitted = fit_run("ddpm", data, runs / f"ddpm-{name}", options={"seed": SEED}, resume=True)
    seconds = time.process_time() - start
    model = fitted.model
    assert isinstance(model, DDPM)
    save_samples(model.sample(100, noise=Noise(SEED)), data.space, ROOT / "docs" / "pictures" / f"ddpm-{name}.png")
    return {
        "seed": SEED,
        "training": fitted.manifest.training,
        "parameters": sum(p.numel() for p in model.parameters()),
        "fit_cpu_seconds": seconds,
        "bound": bound(model, data, plan),
        "samplers": samplers(model, data, plan),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", default=list(PLANS), choices=list(PLANS))
    parser.add_argument("--runs", type=Path, required=True, help="the folder that keeps the runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = ROOT / "benchmarks" / "results" / "ddpm.json"
    for name in arguments.rows:
        row = run(name, arguments.runs)
        result = json.loads(path.read_text()) if path.exists() else {}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result | {name: row}, indent=1) + "\n")
        print(name, json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()
