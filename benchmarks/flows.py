"""How fast flows are against zuko, on 63 variables.

    OMP_NUM_THREADS=1 python benchmarks/flows.py

Three workloads of the same size in both libraries, batches of 64 and of 1000 normal events, one thread, seed 0:

    maf-63      5 masked affine autoregressive transforms, two hidden layers of 512
    nsf-63      5 autoregressive rational-quadratic splines of 8 bins, two hidden layers of 256
    realnvp-63  8 affine couplings, two hidden layers of 256

A training step is one of Adam (fused, in both). CPU seconds, the least of several rounds, the competitors taking turns;
a call that takes over two seconds runs once. Before timing, in float64 and at one event, each library's density is
compared with its own map's Jacobian, and its inverse with its map; ours also with the slowest inversion, a whole pass
per variable.

Writes benchmarks/results/flows.json.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import zuko
from torch import Tensor

from ptheta.flows import MAF, RealNVP, SplineFlow
from ptheta.flows.maf import AutoregressiveBijection
from ptheta.noise import Noise, seeded
from ptheta.spaces import Real

D, BATCHES, ROUNDS, SLOW = 63, (64, 1000), 7, 2.0
LINES = {("maf-63", "sample"): 20.0, ("nsf-63", "sample"): 20.0}  # elsewhere no slower
MAKERS: dict[str, dict[str, Callable[[], Any]]] = {
    "maf-63": {
        "ours": lambda: MAF(Real((D,)), transforms=5, hidden=(512, 512)),
        "zuko": lambda: zuko.flows.MAF(D, transforms=5, hidden_features=[512, 512]),
    },
    "nsf-63": {
        "ours": lambda: SplineFlow(Real((D,)), kind="autoregressive", transforms=5, hidden=(256, 256), bins=8),
        "zuko": lambda: zuko.flows.NSF(D, bins=8, transforms=5, hidden_features=[256, 256]),
    },
    "realnvp-63": {
        "ours": lambda: RealNVP(Real((D,)), transforms=8, hidden=(256, 256)),
        "zuko": lambda: zuko.flows.RealNVP(D, transforms=8, hidden_features=[256, 256]),
    },
}


def log_prob(name: str, model: Any, x: Tensor) -> Tensor:
    return model.log_prob(x) if name == "ours" else model().log_prob(x)


def sample(name: str, model: Any, n: int) -> Tensor:
    return model.sample(n) if name == "ours" else model().sample((n,))


def to_noise(name: str, model: Any, x: Tensor) -> Tensor:
    return model.encode(x) if name == "ours" else model().transform(x)


def from_noise(name: str, model: Any, z: Tensor) -> Tensor:
    return model.decode(z) if name == "ours" else model().transform.inv(z)


def check(name: str, model: Any) -> None:
    """The density is the change of variables, and the inverse is the inverse."""
    x = Noise(0).normal((2, D), "check", like=torch.zeros((), dtype=torch.float64))
    z = to_noise(name, model, x)
    jacobian: Any = torch.autograd.functional.jacobian(lambda y: to_noise(name, model, y[None])[0], x[0])
    normal = -0.5 * z[0].square().sum() - 0.5 * D * math.log(2 * math.pi)
    torch.testing.assert_close(log_prob(name, model, x)[0], normal + torch.linalg.slogdet(jacobian)[1])
    with torch.no_grad():
        torch.testing.assert_close(from_noise(name, model, z), x, rtol=1e-6, atol=1e-6)
        if name == "ours":
            for bijection in model.chain.steps:
                if isinstance(bijection, AutoregressiveBijection):
                    torch.testing.assert_close(bijection.inverse(x, None), one_pass_per_variable(bijection, x))


def one_pass_per_variable(bijection: AutoregressiveBijection, z: Tensor) -> Tensor:
    x = torch.zeros_like(z)
    for i in range(D):
        x[:, i] = bijection.monotone.inverse(z, bijection.net(x))[:, i]
    return x


def calls(name: str, model: Any, n: int) -> dict[str, Callable[[], None]]:
    x = Noise(1).normal((n, D), "x")
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def train() -> None:
        optimizer.zero_grad()
        (-log_prob(name, model, x)).mean().backward()
        optimizer.step()

    def score() -> None:
        with torch.no_grad():
            log_prob(name, model, x)

    def draw() -> None:
        with torch.no_grad():
            sample(name, model, n)

    return {"train": train, "score": score, "sample": draw}


def seconds(functions: dict[str, Callable[[], None]]) -> dict[str, float]:
    """CPU seconds of one call of each, taking turns; slow ones once."""
    best = dict.fromkeys(functions, math.inf)
    for _ in range(ROUNDS):
        for name, function in functions.items():
            if SLOW < best[name] < math.inf:
                continue
            start = time.process_time()
            function()
            best[name] = min(best[name], time.process_time() - start)
    return best


def measure() -> list[dict[str, Any]]:
    rows = []
    for workload, makers in MAKERS.items():
        models = {}
        for name, make in makers.items():
            with seeded(0):
                models[name] = make()
            check(name, models[name].double().eval())
            models[name].float().train()
        for n in BATCHES:
            tasks = {name: calls(name, model, n) for name, model in models.items()}
            for task in ("train", "score", "sample"):
                best = seconds({name: functions[task] for name, functions in tasks.items()})
                line = LINES.get((workload, task), 1.0)
                rows.append({"workload": workload, "batch": n, "task": task, **best, "line": line})
                show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    ratio, milliseconds = row["zuko"] / row["ours"], [f"{row[name] * 1e3:9.2f} ms" for name in ("ours", "zuko")]
    verdict = "pass" if ratio >= row["line"] else "MISSED"
    print(
        f"{row['workload']:12}{row['batch']:6}  {row['task']:8}{''.join(milliseconds)}{ratio:9.2f}x"
        f"{row['line']:6.0f}x  {verdict}",
        flush=True,
    )


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'':12}{'batch':>6}  {'':8}{'ours':>12}{'zuko':>12}{'zuko/ours':>10}{'line':>7}")
    rows = measure()
    settings = {"dimensions": D, "batches": BATCHES, "threads": 1, "seed": 0}
    report = {"settings": settings, "torch": torch.__version__, "zuko": zuko.__version__, "rows": rows}
    path = Path(__file__).parent / "results" / "flows.json"
    path.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
