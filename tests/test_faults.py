"""Faults that a long run must survive: killed at any moment, it opens and goes on as if nothing had happened."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ptheta.training import checkpoint

KILLS = 6

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from toys import {model}, bits
from ptheta.training import fit
torch.manual_seed(1)
fit({model}(bits().space), bits(), steps={steps}, ema=0.9, batch_size=50, validate_every=20, resume=True,
    checkpoint_minutes={minutes}, out={out!r})
"""


def start(model: str, out: Path, steps: int, minutes: float) -> subprocess.Popen[bytes]:
    text = SCRIPT.format(tests=str(Path(__file__).parent), model=model, steps=steps, minutes=minutes, out=str(out))
    return subprocess.Popen([sys.executable, "-c", text])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Biases", "Game"])
def test_a_run_killed_at_random_moments_ends_where_an_uninterrupted_one_does(model: str, tmp_path: Path):
    """A checkpoint at every step, so that many of the kills fall into one."""
    steps, luck = 200, random.Random(0)
    assert start(model, tmp_path / "alone", steps, 1e9).wait() == 0
    killed, process = 0, None
    while killed < KILLS:
        process = start(model, tmp_path / "run", steps, 1e-9)
        folder, before = tmp_path / "run" / "checkpoints", checkpoint.latest(tmp_path / "run" / "checkpoints") or 0
        while process.poll() is None and (checkpoint.latest(folder) or 0) <= before:
            time.sleep(0.02)
        time.sleep(luck.random() * 0.3)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        assert checkpoint.load(folder).step > before  # it opens, and it went on
    assert killed >= 3
    assert start(model, tmp_path / "run", steps, 1e9).wait() == 0
    alone = checkpoint.load(tmp_path / "alone" / "checkpoints")
    run = checkpoint.load(tmp_path / "run" / "checkpoints")
    assert alone.step == run.step == steps
    for part, tensors in alone.tensors.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, run.tensors[part][name]), (part, name)
