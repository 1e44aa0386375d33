"""What a machine cannot do is refused in a sentence, what it does badly is left, and one process speaks for all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ptheta.cli import VERBS, main
from ptheta.nn.recurrent import RecurrentStack, runs_under_autocast
from ptheta.runs import build, fit_run, open_run, size
from ptheta.runs.size import require_affordable
from ptheta.signals import within
from ptheta.spaces import Levels
from ptheta.training import precision
from ptheta.training.precision import fastest_precision, gain
from toy_models import bits

COLOUR = Levels((3, 32, 32), 256)


def test_a_model_too_large_for_its_minutes_or_the_memory_is_refused_before_it_is_built(monkeypatch):
    with pytest.raises(
        ValueError, match=r"fvbn on events of .* has 283 207 680 parameters: to build them, .* of the 6 s"
    ):
        require_affordable("fvbn", COLOUR, None, {}, 6.0)
    require_affordable("pixelcnn", COLOUR, None, {}, 6.0)
    require_affordable("made", COLOUR, None, {}, 6.0)  # which counts on numbers while it is built
    require_affordable("fvbn", COLOUR, None, {}, 600.0)
    monkeypatch.setattr(size, "memory", lambda: 8 << 30)
    with pytest.raises(ValueError, match=r"training takes 6\.8 GB, and this machine has 8\.6 GB\. Give smaller events"):
        require_affordable("fvbn", COLOUR, None, {}, None)


def test_counting_weights_needs_no_memory_for_them_and_finds_as_many():
    space = Levels((400,), 256)
    with torch.device("meta"):
        light = build("nade", space).model
    heavy = build("nade", space).model
    assert all(p.is_meta for p in light.parameters())
    assert sum(p.numel() for p in light.parameters()) == sum(p.numel() for p in heavy.parameters())


@pytest.mark.parametrize(
    ("gains", "taken"), [((1.9, 1.2), "bfloat16"), ((0.4, 0.1), "float32"), ((1.5, 0.5), "float32")]
)
def test_what_is_faster_is_taken_and_the_record_says_so(gains, taken: str, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(precision, "gain", lambda: dict(zip(("product", "convolution"), gains, strict=True)))
    assert fastest_precision("cpu") == taken
    run = fit_run("nade", bits(), tmp_path / "r", training={"steps": 2, "precision": "auto"})
    assert run.manifest.training[""]["precision"] == taken and run.manifest.machine["instructions"]
    other = {"bfloat16": (0.1, 0.1), "float32": (2.0, 2.0)}[taken]
    monkeypatch.setattr(precision, "gain", lambda: dict(zip(("product", "convolution"), other, strict=True)))
    fit_run("nade", bits(), tmp_path / "r", training={"steps": 4, "precision": "auto"}, resume=True)
    found = open_run(tmp_path / "r").manifest.training[""]
    assert found["precision"] == taken and found["steps"] == 4, "a run keeps its own, on whatever machine it goes on"


def test_the_probe_leaves_threads_and_random_numbers_alone():
    gain.cache_clear()
    torch.manual_seed(3)
    before, threads = torch.rand(2), torch.get_num_threads()
    torch.manual_seed(3)
    found = gain()
    assert torch.equal(torch.rand(2), before) and torch.get_num_threads() == threads
    assert set(found) == {"product", "convolution"} and min(found.values()) > 0


def test_a_layer_without_a_kernel_runs_in_float32_and_says_so(monkeypatch):
    stack, x = RecurrentStack(3, 4), torch.randn(2, 5, 3)
    expected, honest = stack(x), torch.nn.LSTM.forward

    def missing(self, *args):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive descriptor")
        return honest(self, *args)

    monkeypatch.setattr(torch.nn.LSTM, "forward", missing)
    runs_under_autocast.cache_clear()
    with (
        pytest.warns(UserWarning, match="LSTM layers have no bfloat16 here: they run in float32"),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        found = stack(x)
    runs_under_autocast.cache_clear()
    assert found.dtype == torch.float32 and torch.equal(found, expected)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "fit"])
def test_under_torchrun_a_verb_of_one_process_is_refused_and_one_speaks(verb: str, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, said in (("0", f"ptheta: ptheta {verb} runs in one process: start it without torchrun.\n"), ("1", "")):
        monkeypatch.setenv("RANK", rank)
        assert main([verb]) == 2
        assert capsys.readouterr().err == said


def test_a_signal_ends_a_verb_with_its_own_code_and_nohup_is_heeded(tmp_path: Path):
    words = "import os, signal; from ptheta.cli import guarded; from ptheta.signals import stopping\n"
    for number, how in ((15, "SIGTERM"), (1, "SIGHUP")):
        work = f"def work():\n    with stopping():\n        os.kill(os.getpid(), {number})\n    return 0\n"
        done = subprocess.run(
            [sys.executable, "-c", words + work + "raise SystemExit(guarded(work))"],
            capture_output=True,
            text=True,
            env={**os.environ},
        )
        assert done.returncode == 128 + number and f"stopped by {how}." in done.stderr
    ignoring = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    work = "def work():\n    with stopping():\n        os.kill(os.getpid(), 1)\n    return 0\n"
    done = subprocess.run([sys.executable, "-c", words + ignoring + work + "raise SystemExit(guarded(work))"])
    assert done.returncode == 0


@pytest.mark.parametrize("cpu", [False, True])
def test_a_timer_ends_what_goes_on_and_leaves_alone_what_is_done(cpu: bool):
    before = signal.getsignal(signal.SIGPROF if cpu else signal.SIGALRM)
    with pytest.raises(TimeoutError, match="it took more than"), within(0.06, cpu=cpu):
        while True:
            sum(range(1000))
    with within(0.05, cpu=cpu):
        pass
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert signal.getsignal(signal.SIGPROF if cpu else signal.SIGALRM) == before
