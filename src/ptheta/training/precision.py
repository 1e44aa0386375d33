"""Which precision this machine is fast with, found by timing it.

Processors with instructions for bfloat16 train networks up to twice as fast in it; on others torch emulates them, ten
times slower than float32. What a processor says of itself tells little of which of its paths torch takes, so a product
and a convolution, forward and backward under autocast, are timed in both: bfloat16 is used where they gain by it, taken
together.
"""

import math
import time
from functools import cache

import torch
from torch import nn

__all__ = ["NOT_LOWER", "fastest_precision", "gain"]

NOT_LOWER = r"\w+'s layers have no bfloat16 here"  # the warning where bfloat16 is nothing
TIMES = 6  # of which the fastest counts
PRECISIONS = ("float32", "bfloat16")


def fastest_precision(device: str) -> str:
    """The precision that recipes mean by ``auto``.

    Args:
        device: Where to train: cpu, cuda or auto.

    Returns:
        bfloat16 where this machine trains faster in it, else float32.
    """
    if device != "cpu" and torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if math.prod(gain().values()) > 1 else "float32"


@cache
def gain() -> dict[str, float]:
    """How many times faster this processor is in bfloat16 than in float32; timed once a process, in some .1 s.

    Returns:
        The factor for a product and for a convolution, each with its gradients.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for one another on a busy machine would hide what is asked
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            product = _gain(nn.Linear(512, 512), torch.zeros(128, 512))
            return {"product": product, "convolution": _gain(nn.Conv2d(32, 32, 3), torch.zeros(16, 32, 16, 16))}
    finally:
        torch.set_num_threads(threads)


def _gain(layer: nn.Module, x: torch.Tensor) -> float:
    best = dict.fromkeys(PRECISIONS, float("inf"))
    for i in range(1 + TIMES):
        for precision in PRECISIONS:
            took = _seconds(layer, x, precision)
            best[precision] = min(best[precision], took) if i else best[precision]  # the first pass makes plans
        if i and best["bfloat16"] > 2 * best["float32"]:
            break  # emulated
    return best["float32"] / max(best["bfloat16"], 1e-9)


def _seconds(layer: nn.Module, x: torch.Tensor, precision: str) -> float:
    """The processor's, which others on the machine change little."""
    started = time.process_time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        layer(x).square().mean().backward()
    return time.process_time() - started
