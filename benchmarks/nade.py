"""How fast NADE is, and how little it keeps, against a loop over the variables under autograd.

    OMP_NUM_THREADS=1 python benchmarks/nade.py

784 bits, 500 hidden sigmoid units, batches of 100, one thread, seed 0; CPU seconds, the least of several rounds, with
the competitors taking turns. Two of them, both with the weights of ours and a loss on logits:

    peer  the way the one PyTorch library that offers NADE goes about it: one loop for everything, which draws every
          variable from a ``Bernoulli`` object and then keeps the drawn or the given value, in scoring and training too
    lean  the tightest loop that autograd allows: no draws where none are needed, no objects. No library has it; it is
          shown beside the peer, and no aim is set by it

Memory is that of one training step: the bytes autograd keeps for the backward pass (parameters aside), and the most
that the step has allocated at any moment (gradients included, parameters and the optimiser's state apart).

Writes benchmarks/results/nade.json.
"""

import itertools
import json
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli
from torch.profiler import ProfilerActivity, profile

from ptheta.autoregressive import NADE
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary
from timing import least, no_grad, row, stepper, write

DIMENSIONS, HIDDEN, BATCH = 784, 500, 100
AIMS = {"train": 3.0, "score": 2.0, "sample": 2.0, "kept for backward": 10.0, "peak memory": 10.0}


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


def seconds() -> dict[str, dict[str, float]]:
    """CPU seconds of one call on a batch, by task and competitor."""
    x, calls = events(BATCH), {}
    for name, model in competitors().items():
        calls["train", name] = stepper(model, lambda model=model: -model.log_prob(x).mean())
        calls["score", name] = no_grad(lambda model=model: model.log_prob(x))
        calls["sample", name] = no_grad(lambda model=model: model.sample(BATCH))
    scores = [no_grad(lambda model=model: model.log_prob(x))() for model in competitors().values()]
    for other in scores[1:]:
        torch.testing.assert_close(other, scores[0], rtol=1e-4, atol=1e-2)
    best = least(calls)
    return {task: {name: best[task, name] for name in competitors()} for task in ("train", "score", "sample")}


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
    x = events(BATCH)
    step = stepper(model, lambda: -model.log_prob(x).mean())
    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        trace = json.loads(path.read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in trace if e["name"] == "[memory]")
    return int(max(itertools.accumulate(change for _, change in changes)))


def main() -> None:
    torch.set_num_threads(1)
    costs = seconds()
    costs["kept for backward"] = {name: kept_bytes(model) for name, model in competitors().items()}
    costs["peak memory"] = {name: peak_bytes(model) for name, model in competitors().items()}
    rows = []
    for task, aim in AIMS.items():
        lean = {"lean": costs[task].pop("lean")}
        unit = "seconds" if task in ("train", "score", "sample") else "bytes"
        rows.append(row("nade-784", task, BATCH, costs[task], aim, unit=unit, beside=lean))
    write("nade", rows, {"dimensions": DIMENSIONS, "hidden": HIDDEN})


if __name__ == "__main__":
    main()
