"""How fast flows are against those of other libraries, on 6 and on 63 variables.

    OMP_NUM_THREADS=1 python benchmarks/flows.py

Workloads of the same size in all libraries, batches of 64 and of 1000 normal events, one thread, seed 0:

    maf-6, maf-63    5 masked affine autoregressive transforms, two hidden layers of 100 or 512
    iaf-6, iaf-63    the same the other way round: sampling is the fast side; only one peer has it (see flow_peers.py)
    nsf-6, nsf-63    5 autoregressive rational-quadratic splines of 8 bins, two hidden layers of 128 or 256
    realnvp-63       8 affine couplings, two hidden layers of 256

A training step is one of Adam (fused, in all). CPU seconds, the least of several rounds, the competitors taking turns;
a call that takes over two seconds runs once. Before timing, in float64 and at one event, each library's density is
compared with its own map's Jacobian, and its inverse with its map; ours also with the slowest inversion, a whole pass
per variable. Peers and how to install them: flow_peers.py; one that is not installed is left out.

Writes benchmarks/results/flows.json.
"""

import math
from typing import Any

import torch
from torch import Tensor

from flow_peers import BINS, BOUND, MAKERS, PEERS, Contestant, Ours
from ptheta.flows import MAF, RealNVP, SplineFlow
from ptheta.flows.maf import AutoregressiveBijection
from ptheta.noise import Noise, seeded
from ptheta.spaces import Real
from timing import Call, Row, least, no_grad, row, stepper, write

BATCHES = (64, 1000)
WORKLOADS = {  # kind, variables, width, transforms
    "maf-6": ("maf", 6, 100, 5),
    "maf-63": ("maf", 63, 512, 5),
    "iaf-6": ("iaf", 6, 100, 5),
    "iaf-63": ("iaf", 63, 512, 5),
    "nsf-6": ("nsf", 6, 128, 5),
    "nsf-63": ("nsf", 63, 256, 5),
    "realnvp-63": ("realnvp", 63, 256, 8),
}
AIMS = {("maf-63", "sample", 64): 20.0, ("nsf-63", "sample", 64): 20.0}  # elsewhere no slower


def ours(kind: str, d: int, width: int, transforms: int) -> Ours:
    space, sizes = Real((d,)), {"layers": transforms, "hidden": (width, width)}
    if kind == "nsf":
        return Ours(SplineFlow(space, kind="autoregressive", bins=BINS, bound=BOUND, **sizes))
    if kind == "realnvp":
        return Ours(RealNVP(space, **sizes))
    return Ours(MAF(space, sees="events" if kind == "maf" else "noise", **sizes))


def contestants(workload: str) -> dict[str, Contestant]:
    """Ours and the installed peers that have the workload, in a fixed order, each checked."""
    found = {}
    for name, make in {"ours": ours, **{peer: MAKERS[peer] for peer in PEERS}}.items():
        with seeded(0):
            made = make(*WORKLOADS[workload])
        if made is not None:
            check(name, made, WORKLOADS[workload][1])
            found[name] = made
    return found


def check(name: str, one: Contestant, d: int) -> None:
    """The density is the change of variables, and the inverse is the inverse."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # some peers make constants of the default type
    one.flow.double().eval()
    x = Noise(0).normal((2, d), "check", like=torch.zeros((), dtype=torch.float64))
    z = one.to_noise(x).detach()
    jacobian: Any = torch.autograd.functional.jacobian(lambda y: one.to_noise(y[None])[0], x[0])
    normal = -0.5 * z[0].square().sum() - 0.5 * d * math.log(2 * math.pi)
    with torch.no_grad():
        torch.testing.assert_close(one.log_prob(x)[0], normal + torch.linalg.slogdet(jacobian)[1])
        torch.testing.assert_close(one.from_noise(z), x, rtol=1e-6, atol=1e-6)
        if name == "ours":
            for bijection in one.flow.chain.steps:
                if isinstance(bijection, AutoregressiveBijection) and bijection.sees == "events":
                    torch.testing.assert_close(bijection.inverse(x, None), one_pass_per_variable(bijection, x))
    torch.set_default_dtype(before)
    one.flow.float().train()


def one_pass_per_variable(bijection: AutoregressiveBijection, z: Tensor) -> Tensor:
    x = torch.zeros_like(z)
    for i in range(z.shape[1]):
        x[:, i] = bijection.monotone.inverse(z, bijection.net(x))[:, i]
    return x


def calls(one: Contestant, d: int, n: int) -> dict[str, Call]:
    x = Noise(1).normal((n, d), "x")
    return {
        "train": stepper(one.flow, lambda: -one.log_prob(x).mean()),
        "score": no_grad(lambda: one.log_prob(x)),
        "sample": no_grad(lambda: one.sample(n)),
    }


def measure() -> list[Row]:
    rows = []
    for workload, (_, d, *_) in WORKLOADS.items():
        flows = contestants(workload)
        for n in BATCHES:
            tasks = {name: calls(one, d, n) for name, one in flows.items()}
            for task in ("train", "score", "sample"):
                best = least({name: functions[task] for name, functions in tasks.items()})
                rows.append(row(workload, task, n, best, AIMS.get((workload, task, n), 1.0)))
    return rows


def main() -> None:
    torch.set_num_threads(1)
    write("flows", measure(), {"batches": BATCHES, "workloads": WORKLOADS}, PEERS)


if __name__ == "__main__":
    main()
