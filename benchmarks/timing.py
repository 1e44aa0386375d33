"""What the speed scripts share: competitors taking turns, the rows that they write, and the verdicts that they print.

A row is one task of one workload: what one call costs each competitor ("ours" among them), in CPU seconds or bytes,
and the aim, how many times the best of the others ours should be. One thread, seed 0. Against libraries a cost is the
least of a few turns; against plain loops, where a twentieth counts, the median of more of them.
"""

import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

RESULTS = Path(__file__).parent / "results"
ROUNDS, MORE = 5, 15
PLAIN = 0.95  # the aim beside the same mathematics as a plain loop: as fast, within what two measurements differ by
TURN = 0.05  # seconds: shorter calls are repeated within a turn, after one that is not counted
SLOW = 2.0  # seconds: longer calls run once

Call = Callable[[], object]
Row = dict[str, Any]


def least(calls: Mapping[Any, Call], rounds: int = ROUNDS) -> dict[Any, float]:
    """The CPU seconds of one call of each at its best, all of them taking turns."""
    return {key: min(seconds) for key, seconds in _turns(calls, rounds).items()}


def typical(calls: Mapping[Any, Call], rounds: int = MORE) -> dict[Any, float]:
    """The median CPU seconds of one call of each, all of them taking turns."""
    return {key: statistics.median(seconds) for key, seconds in _turns(calls, rounds).items()}


def _turns(calls: Mapping[Any, Call], rounds: int) -> dict[Any, list[float]]:
    """The CPU seconds of one call in each turn. A first call warms up; a slow one is all there is."""
    told = {key: [_seconds(call, 1)] for key, call in calls.items()}
    quick = [key for key in calls if told[key][0] <= SLOW]
    times = {key: max(1, round(TURN / _seconds(calls[key], 1))) for key in quick}
    for key in quick:
        told[key].clear()
    for _ in range(rounds):
        for key in quick:
            if times[key] > 1:
                calls[key]()
            told[key].append(_seconds(calls[key], times[key]))
    return told


def _seconds(call: Call, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def stepper(model: nn.Module, loss: Callable[[], Tensor]) -> Call:
    """One training step of Adam, fused."""
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def batches(x: Tensor, size: int) -> Iterator[Tensor]:
    """Whole batches, in a new order each time round."""
    while True:
        yield from (x[rows] for rows in torch.randperm(len(x)).split(size) if len(rows) == size)


def no_grad(function: Callable[[], Any]) -> Call:
    return torch.no_grad()(function)


def installed(*names: str) -> dict[str, ModuleType]:
    """Those of the peers that can be imported; says in a sentence which cannot."""
    found = {}
    for name in names:
        try:
            found[name] = import_module(name)
        except ImportError as error:
            print(f"{name} is left out, since it cannot be imported ({error}).")
    return found


def row(
    workload: str,
    task: str,
    batch: int,
    costs: Mapping[str, float],
    aim: float | None = 1.0,
    *,
    unit: str = "seconds",
    beside: Mapping[str, float] | None = None,
) -> Row:
    """Makes a row, and prints it with its verdict.

    Args:
        workload: The model and its size.
        task: What was measured.
        batch: How many events.
        costs: What one call costs, by competitor.
        aim: How many times the best of the others ours should be; None for no aim.
        unit: Seconds or bytes.
        beside: Costs of what is no competitor, to be shown only.

    Returns:
        The row.
    """
    made = {"workload": workload, "task": task, "batch": batch, "unit": unit, "costs": dict(costs), "aim": aim}
    made |= {"beside": dict(beside)} if beside else {}
    cells = ", ".join(f"{name} {quantity(cost, unit)}" for name, cost in {**costs, **(beside or {})}.items())
    print(f"{workload:18}{task:22}{batch:5}  {cells}; {verdict(made)}", flush=True)
    return made


def gain(made: Row) -> tuple[float, str]:
    """How many times the best of the others ours is, and who that is."""
    peers = {name: cost for name, cost in made["costs"].items() if name != "ours"}
    best = min(peers, key=peers.__getitem__)
    return peers[best] / made["costs"]["ours"], best


def verdict(made: Row) -> str:
    if len(made["costs"]) == 1:
        return "no peer"
    ratio, peer = gain(made)
    if made["aim"] is None:
        return f"{ratio:.3g}x {peer}, no aim"
    return f"{ratio:.3g}x {peer}, aim {made['aim']:g}x: {'pass' if ratio >= made['aim'] else 'MISSED'}"


def quantity(cost: float, unit: str) -> str:
    if unit == "bytes":
        return f"{1e-6 * cost:.3g} MB"
    return f"{1e3 * cost:.3g} ms" if cost < 1 else f"{cost:.3g} s"


def write(name: str, rows: Iterable[Row], settings: Mapping[str, Any], peers: Iterable[str] = ()) -> None:
    """Writes benchmarks/results/NAME.json."""
    versions = {peer: metadata.version(peer) for peer in ("torch", *peers)}
    settings = {"threads": torch.get_num_threads(), "seed": 0, **settings}
    RESULTS.mkdir(exist_ok=True)
    report = {"settings": settings, "machine": machine(), "versions": versions, "rows": list(rows)}
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")


def machine() -> dict[str, str]:
    """The processor, and the instructions that torch uses of those it has."""
    info = Path("/proc/cpuinfo")
    lines = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.is_file() else []
    name = lines[0].partition(":")[2].strip() if lines else platform.processor()
    return {"processor": name, "instructions": torch.backends.cpu.get_cpu_capability()}
