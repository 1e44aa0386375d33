"""How fast NADE is, and how little it keeps, against a loop over the variables under autograd.

    OMP_NUM_THREADS=1 python benchmarks/nade.py

784 bits, 500 hidden sigmoid units, batches of 100, one thread, seed 0; CPU seconds, the least of several rounds, with
the competitors taking turns. Two of them, both with the weights of ours and a loss on logits:

    peer  the way the one PyTorch library that offers NADE goes about it: one loop for everything, which draws every
          variable from a ``Bernoulli`` object and then keeps the drawn or the given value, in scoring and training too
    lean  the tightest loop that autograd allows: no draws where none are needed, no objects

Memory is that of one training step: the bytes autograd keeps for the backward pass (parameters aside), and the most
that the step has allocated at any moment (gradients included, parameters and the optimiser's state apart).

Writes benchmarks/results/nade.json.
"""

import itertools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli
from torch.profiler import ProfilerActivity, profile

from ptheta.autoregressive import NADE
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary

DIMENSIONS, HIDDEN, BATCH, ROUNDS = 784, 500, 100, 5
LINES = {"train": 3.0, "score": 2.0, "sample": 2.0, "kept bytes": 10.0, "peak bytes": 10.0}


class Loop(nn.Module):
    """NADE as a loop over slices of the weight matrices."""

    def __init__(self, model: NADE, *, is_peer: bool) -> None:
        super().__init__()
        self.w = nn.Parameter(model.weight.detach()[:, 0].T.clone())  # (H, D)
        self.c = nn.Parameter(model.hidden_bias.detach().clone())
        self.v = nn.Parameter(model.output_weight.detach()[:, 0].clone())  # (D, H)
        self.b = nn.Parameter(model.output_bias.detach()[:, 0].clone())
        self.is_peer = is_peer

    def forward(self, x: Tensor, *, draw: bool = False) -> tuple[Tensor, Tensor]:
        """Logits and events; negative entries of x are drawn by the peer, all of them if ``draw`` by the lean one."""
        a, logits, events = self.c.expand(len(x), -1), [], []
        for i in range(x.shape[1]):
            logit = torch.sigmoid(a) @ self.v[i : i + 1].T + self.b[i : i + 1]
            x_i = x[:, i : i + 1]
            if self.is_peer:
                x_i = torch.where(x_i < 0, Bernoulli(logits=logit).sample(), x_i)
            elif draw:
                x_i = torch.bernoulli(logit.sigmoid())
            logits.append(logit)
            events.append(x_i)
            a = a + x_i @ self.w[:, i : i + 1].T
        return torch.cat(logits, 1), torch.cat(events, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        logits, _ = self(x.to(self.b.dtype))
        return -F.binary_cross_entropy_with_logits(logits, x.to(self.b.dtype), reduction="none").sum(1)

    def sample(self, n: int) -> Tensor:
        return self(-torch.ones(n, DIMENSIONS), draw=True)[1]


def competitors() -> dict[str, NADE | Loop]:
    with seeded(0):
        ours = NADE(Binary((DIMENSIONS,)), hidden=HIDDEN)
    return {"ours": ours, "lean": Loop(ours, is_peer=False), "peer": Loop(ours, is_peer=True)}


def events(n: int) -> Tensor:
    return (Noise(0).uniform((n, DIMENSIONS), "x") < 0.13).to(torch.uint8)


def stepper(model: NADE | Loop, x: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        (-model.log_prob(x)).mean().backward()
        optimizer.step()

    return step


def no_grad(function: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def call() -> Tensor:
        with torch.no_grad():
            return function()

    return call


def seconds() -> dict[str, dict[str, float]]:
    """CPU seconds of one call on a batch, by competitor and task."""
    x, calls = events(BATCH), {}
    for name, model in competitors().items():
        calls[name, "score"] = no_grad(lambda model=model: model.log_prob(x))
        calls[name, "sample"] = no_grad(lambda model=model: model.sample(BATCH))
        calls[name, "train"] = stepper(model, x)
    reference = calls["ours", "score"]()
    for name in ("lean", "peer"):
        torch.testing.assert_close(calls[name, "score"](), reference, rtol=1e-4, atol=1e-2)
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for key, call in calls.items():
            start = time.process_time()
            call()
            best[key] = min(best[key], time.process_time() - start)
    return {
        task: {name: best[name, task] for name in ("ours", "lean", "peer")} for task in ("train", "score", "sample")
    }


def kept_bytes(model: NADE | Loop) -> int:
    """What autograd keeps for one backward pass, parameters aside."""
    own, kept = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

    def pack(t: Tensor) -> Tensor:
        if t.untyped_storage().data_ptr() not in own:
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss = model.log_prob(events(BATCH)).mean()
    loss.backward()
    return sum(kept.values())


def peak_bytes(model: NADE | Loop) -> int:
    """How much memory one training step allocates at its worst, the optimiser's state apart."""
    step = stepper(model, events(BATCH))
    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        trace = json.loads(path.read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in trace if e["name"] == "[memory]")
    return int(max(itertools.accumulate(change for _, change in changes)))


def measure() -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = seconds()
    rows["kept bytes"] = {name: kept_bytes(model) for name, model in competitors().items()}
    rows["peak bytes"] = {name: peak_bytes(model) for name, model in competitors().items()}
    return rows


def main() -> None:
    torch.set_num_threads(1)
    rows = measure()
    print(f"{'':12}{'ours':>12}{'lean':>12}{'peer':>12}{'lean/ours':>11}{'peer/ours':>11}{'line':>7}")
    for task, row in rows.items():
        unit, scale = ("MB", 1e-6) if "bytes" in task else ("ms", 1e3)
        cells = "".join(f"{row[name] * scale:9.2f} {unit}" for name in ("ours", "lean", "peer"))
        ratios = "".join(f"{row[name] / row['ours']:10.2f}x" for name in ("lean", "peer"))
        passed = "pass" if row["peer"] / row["ours"] >= LINES[task] else "MISSED"
        print(f"{task:12}{cells}{ratios}{LINES[task]:6.0f}x  {passed}")
    settings = {"dimensions": DIMENSIONS, "hidden": HIDDEN, "batch": BATCH, "threads": 1, "seed": 0}
    report = {"settings": settings, "torch": torch.__version__, "rows": rows, "lines": LINES}
    path = Path(__file__).parent / "results" / "nade.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
