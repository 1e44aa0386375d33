"""Several processes that train as one: the same weights, the same refusals, and nobody left behind."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes

from ptheta import GAN, NADE, RBM, RNN, Transformer, ZeroSlopes
from ptheta.data.dataset import Dataset
from ptheta.model import Trained
from ptheta.noise import Noise
from ptheta.training import Training, checkpoint, fit, training
from ptheta.training.distributed import Processes, joined
from ptheta.training.separable import PROBED, require_separable
from toy_models import Biases, bits

# A batch that two processes cannot halve, a clip that always acts, an average, a schedule: each could break the law.
OPTIONS = {"steps": 14, "batch_size": 51, "ema": 0.9, "clip": 0.05, "schedule": "cosine", "validate_every": 5}
STOP = 7


def nade() -> Trained:
    return NADE(bits().space, hidden=8)


def gan() -> Trained:
    return GAN(bits().space, latent=4, discriminator_steps=2, penalty=ZeroSlopes())


def fresh(make: Callable[[], Trained], dtype: torch.dtype = torch.float64) -> Trained:
    """Other weights in each process: the first one's must win."""
    torch.manual_seed(1 + Processes().rank)
    return make().to(dtype)


def trained(make: Callable[[], Trained], dtype: torch.dtype = torch.float64, **options) -> dict[str, Tensor]:
    """All a run ends with: weights and buffers, and what it reported."""
    model = fresh(make, dtype)
    *_, last = training(model, bits(), Training(**{**OPTIONS, **options}))
    report = [*last.losses.values(), last.validation or 0.0, last.best or 0.0, float(last.step)]
    return {**model.state_dict(), "report": torch.tensor(report, dtype=torch.float64)}


def alike(a: dict[str, Tensor], b: dict[str, Tensor], tolerance: float) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], rtol=tolerance, atol=tolerance) for k in a)


class ExplodesInOne(Biases):
    """Its loss becomes NaN at step 5, in the second process only."""

    def loss(self, x, context, noise):
        return super().loss(x, context, noise) * (float("nan") if int(self.step) == 5 and Processes().rank else 1.0)


class BatchMean(Biases):
    """Compares every event with the mean of its batch, through a weight that is zero at first: no buffer betrays it."""

    def loss(self, x, context, noise):
        spread = (x.float() - x.float().mean(0)).square().sum(1)
        return super().loss(x, context, noise) + spread * self.logits.sum()


class FollowsSteps(Biases):
    """Changes a buffer, but as the step says, not as the batch does."""

    def __init__(self, space):
        super().__init__(space)
        self.register_buffer("fade", torch.zeros(()))

    def loss(self, x, context, noise):
        if self.training:
            self.fade.copy_(1 / (1 + self.step))
        return super().loss(x, context, noise)


def normalised() -> Trained:
    networks = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 5))
    return GAN(bits().space, latent=4, generator=networks)


REFUSED: dict[str, tuple[Callable[[], Trained], str]] = {
    "batch norm": (normalised, "loss of GAN at one example depends on the rest of the batch"),
    "persistent chain": (lambda: RBM(bits().space, hidden=3), "the loss loss of RBM changes the buffer chain_state"),
    "batch mean": (lambda: BatchMean(bits().space), "the loss loss of BatchMean at one example depends on the rest"),
}


# What the two processes do. Each job ends in every process, whatever happens, so that the next one finds both.


def refusal(make: Callable[[], Trained], data: Dataset | None = None, **options) -> str:
    try:
        fit(make(), data or bits(), **{"steps": 10, **options})
    except (ValueError, FloatingPointError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was refused"


def stopped_and_resumed(folder: Path) -> dict[str, Tensor]:
    """Ctrl-C reaches the second process only; both stop after that step, with a checkpoint."""
    model, rank = fresh(nade), Processes().rank
    try:
        for state in training(model, bits(), Training(**OPTIONS, out=folder / "run")):
            if state.step == STOP and rank == 1:
                os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass
    assert int(model.step) == STOP + 1
    if rank == 0:
        shutil.copytree(folder / "run", folder / "copy")
    return trained(nade, out=folder / "run", resume=True)


def broken(twin: str) -> dict[str, Tensor]:
    """The weights under an engine with one fault."""
    kept = Processes.backward, Noise.rows
    if twin == "no weights":
        Processes.backward = lambda self, loss, parameters, share: kept[0](self, loss, parameters, 1 / self.size)
    elif twin == "no average":
        Processes.backward = lambda self, loss, parameters, share: _alone(loss, parameters)
    else:
        Noise.rows = lambda self, start: kept[1](self, start if start < PROBED else 0)
    try:
        return trained(gan)
    finally:
        Processes.backward, Noise.rows = kept


def _alone(loss: Tensor, parameters: tuple[nn.Parameter, ...]) -> float:
    loss.backward(inputs=parameters)
    return float(loss.detach())


def only_in_one() -> None:
    if Processes().rank == 1:
        raise FileNotFoundError("one file is missing here")


def said(folder: Path) -> dict[str, str]:
    """What was refused, in words."""
    rank, words = Processes().rank, {}
    for name, (make, _) in REFUSED.items():
        words[name] = refusal(make)
    words["explodes"] = refusal(lambda: ExplodesInOne(bits().space), out=folder / "explodes", checkpoint_minutes=1e-9)
    words["small batch"] = refusal(nade, batch_size=1)
    words["other data"] = refusal(nade, bits(seed=rank))
    words["other options"] = refusal(nade, learning_rate=0.1 + rank)
    words["full disk"] = refusal(nade, out=Path(__file__) / "a file is no folder")
    try:
        Processes().together(only_in_one)
    except (ValueError, OSError) as error:
        words["only in one"] = f"{type(error).__name__}: {error}"
    return words


JOBS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    "nade": lambda folder: trained(nade),
    "nade in float32": lambda folder: trained(nade, torch.float32),
    "gan": lambda folder: trained(gan),
    "resumed": stopped_and_resumed,
    "begun in one": lambda folder: trained(nade, out=folder / "one", resume=True),
    "no weights": lambda folder: broken("no weights"),
    "no average": lambda folder: broken("no average"),
    "no offset": lambda folder: broken("no offset"),
    "dropout": lambda folder: trained(lambda: Biases(bits().space), torch.float32),
    "follows steps": lambda folder: trained(lambda: FollowsSteps(bits().space), torch.float32),
    "patience": lambda folder: trained(nade, steps=400, learning_rate=0.5, patience=2),
    "minutes": lambda folder: trained(nade, steps=None, minutes=0.001),
}


def work(rank: int, folder: Path) -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    with joined(f"file://{folder}/meeting", rank, 2):
        for name, job in JOBS.items():
            save_file({k: v.contiguous() for k, v in job(folder).items()}, folder / f"{name} {rank}")
        (folder / f"said {rank}").write_text(json.dumps({**said(folder), "threads within": threads()}))
    (folder / f"threads {rank}").write_text(threads_left())


def threads() -> str:
    """The names of this process's threads, where the system tells."""
    names: list[str] = []
    for path in Path("/proc/self/task").glob("*/comm"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
            names.append(path.read_text().strip())
    return " ".join(sorted(names))


def threads_left(seconds: float = 5) -> str:
    """The names of the threads that stay: the system lists one that has been joined for a moment longer."""
    end = time.monotonic() + seconds
    while "gloo" in threads() and time.monotonic() < end:
        time.sleep(0.01)
    return threads()


class Outcome:
    """What two processes left: tensors by job and rank, words by rank, and the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tensors = {(job, rank): load_file(folder / f"{job} {rank}") for job in JOBS for rank in (0, 1)}
        self.said = [json.loads((folder / f"said {rank}").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One start of two processes for all these tests: importing torch twice is most of their time."""
    folder = tmp_path_factory.mktemp("two")
    states = training(fresh(nade), bits(), Training(**OPTIONS, out=folder / "one", checkpoint_minutes=1e-9))
    for state in states:
        if state.step == STOP:
            break
    states.close()
    start_processes(work, args=(folder,), nprocs=2, daemon=True, start_method="spawn")
    return Outcome(folder)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("job", ["nade", "gan"])
def test_two_processes_equal_one(two: Outcome, job: str, rank: int):
    assert alike(trained({"nade": nade, "gan": gan}[job]), two.tensors[job, rank], 1e-12)


def test_two_processes_equal_one_in_float32(two: Outcome):
    one = trained(nade, torch.float32)
    assert alike(one, two.tensors["nade in float32", 0], 1e-5)
    exact = {k: v.to(one[k].dtype) for k, v in two.tensors["nade", 0].items()}
    assert not alike(one, exact, 1e-9)  # the law sees rounding


@pytest.mark.parametrize("twin", ["no weights", "no average", "no offset"])
def test_the_law_of_two_rejects_broken_engines(two: Outcome, twin: str):
    one = trained(gan)
    assert not all(alike(one, two.tensors[twin, rank], 1e-6) for rank in (0, 1))


def test_the_law_of_two_would_see_the_clip_the_average_and_the_schedule():
    one = trained(nade)
    for change in ({"clip": None}, {"ema": 0.0}, {"schedule": "constant"}, {"batch_size": 50}):
        assert not alike(one, trained(nade, **change), 1e-6), change


def test_two_processes_stop_at_the_same_step_and_resume(two: Outcome):
    alone = trained(nade)
    for rank in (0, 1):
        assert alike(alone, two.tensors["resumed", rank], 1e-12)
    assert checkpoint.latest(two.folder / "copy" / "checkpoints") == STOP + 1


def test_a_run_of_one_process_goes_on_in_two(two: Outcome):
    assert checkpoint.latest(two.folder / "one" / "checkpoints") == OPTIONS["steps"]
    assert all(alike(trained(nade), two.tensors["begun in one", rank], 1e-12) for rank in (0, 1))


def test_a_run_of_two_processes_goes_on_in_one(two: Outcome):
    assert alike(trained(nade), trained(nade, out=two.folder / "copy", resume=True), 1e-12)


@pytest.mark.parametrize("job", ["dropout", "follows steps", "patience", "minutes"])
def test_all_processes_end_with_the_same(two: Outcome, job: str):
    first, second = two.tensors[job, 0], two.tensors[job, 1]
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_a_run_that_stops_early_stops_where_one_process_does(two: Outcome):
    one = trained(nade, steps=400, learning_rate=0.5, patience=2)
    assert one["step"] < 400 and alike(one, two.tensors["patience", 0], 1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_the_division_of_a_batch_is_refused(two: Outcome, name: str):
    for words in two.said:
        assert REFUSED[name][1] in words[name] and words[name].endswith("train this model in one process.")


def test_nan_in_one_process_stops_both(two: Outcome):
    for words in two.said:
        assert words["explodes"].startswith("FloatingPointError: the loss loss of ExplodesInOne became nan at step 5.")
    assert checkpoint.latest(two.folder / "explodes" / "checkpoints") == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small batch", "a batch of 1 cannot be divided among 2 processes; give a larger --batch-size"),
        ("other data", "every process should be given the same events, but process 0 has 300 that begin with"),
        ("other options", "every process should be given the same options, but process 0 has Training("),
        ("full disk", "could not save the checkpoint of step 10"),
        ("only in one", "one file is missing here"),
    ],
)
def test_what_fails_in_one_process_fails_in_both(two: Outcome, name: str, message: str):
    for words in two.said:
        assert message in words[name]


def test_no_thread_is_left_that_could_outlive_the_interpreter(two: Outcome):
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list the threads of a process")
    for rank in (0, 1):
        assert "gloo" in two.said[rank]["threads within"]
        assert "gloo" not in (two.folder / f"threads {rank}").read_text()


def test_rows_are_contiguous_even_and_all():
    for n in (2, 7, 51):
        for size in (1, 2, 3):
            parts = []
            for rank in range(size):
                processes = Processes()
                processes.rank, processes.size = rank, size
                parts.append(list(range(n))[processes.rows(n)])
            assert [i for part in parts for i in part] == list(range(n))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def rates(model: Trained) -> list[float]:
    """Of dropout, wherever a model has it."""
    recurrent = [m.dropout for m in model.modules() if isinstance(m, nn.RNNBase)]
    return recurrent + [m.p for m in model.modules() if isinstance(m, nn.Dropout)]


SEPARABLE: dict[str, Callable[[], Trained]] = {
    "NADE": nade,
    "GAN": gan,
    "biases": lambda: Biases(bits().space),
    "follows steps": lambda: FollowsSteps(bits().space),
    "deep GRU with dropout": lambda: RNN(bits().space, hidden=4, layers=2, cell="gru", dropout=0.5),
    "transformer with dropout": lambda: Transformer(bits().space, width=4, layers=1, heads=2, dropout=0.5),
}


@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_models_pass_and_are_left_as_they_were(name: str):
    model = SEPARABLE[name]().train()
    before_rates = rates(model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    require_separable(model, model.objectives(), bits().train.x[:51], None, Noise(0))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(m.training for m in model.modules()) and all(p.grad is None for p in model.parameters())
    assert rates(model) == before_rates


@pytest.mark.parametrize("name", SEPARABLE)
def test_odd_batches_are_divided_by_their_rows(name: str):
    model = SEPARABLE[name]().train()
    require_separable(model, model.objectives(), bits().train.x[:5], None, Noise(0))


@pytest.mark.parametrize("name", REFUSED)
def test_the_probe_alone_refuses_what_depends_on_the_batch(name: str):
    model = REFUSED[name][0]().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match=REFUSED[name][1]):
        require_separable(model, model.objectives(), bits().train.x[:51], None, Noise(0))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# With processes of their own: how they end.

SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {tests!r} + '/kit']
from test_distributed import brief
brief(int(sys.argv[1]), {url!r}, {steps})
"""


def brief(rank: int, url: str, steps: int) -> None:
    torch.set_num_threads(1)
    with joined(url, rank, 2):
        for state in training(fresh(gan), bits(), Training(steps=steps, batch_size=51)):
            if state.step == 3:
                Path(f"{url.removeprefix('file://')}-{rank}").touch()
    assert "gloo" not in threads_left()


def start(folder: Path, steps: int) -> list[subprocess.Popen[str]]:
    text = SCRIPT.format(tests=str(Path(__file__).parent), url=f"file://{folder}/meeting-{time.time_ns()}", steps=steps)
    return [
        subprocess.Popen([sys.executable, "-c", text, str(rank)], stderr=subprocess.PIPE, text=True) for rank in (0, 1)
    ]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_processes_end_cleanly_twenty_times_of_twenty(tmp_path: Path):
    for _ in range(20):
        ends = [(p.communicate()[1], p.returncode) for p in start(tmp_path, steps=5)]
        assert ends == [("", 0), ("", 0)]


@pytest.mark.slow
def test_without_its_first_import_the_end_would_leave_threads(tmp_path: Path):
    """The broken twin: torch's optimisers import functions whose defaults hold the process group."""
    code = (
        "import sys, torch, torch.distributed as dist; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/kit']\n"
        "dist.init_process_group('gloo', init_method=sys.argv[2], rank=0, world_size=1)\n"
        "p = torch.nn.Parameter(torch.ones(1)); torch.optim.Adam([p]).step(); dist.destroy_process_group()\n"
        "from test_distributed import threads_left; print(threads_left(), flush=True); import os; os._exit(0)"
    )
    words = [sys.executable, "-c", code, str(Path(__file__).parent), f"file://{tmp_path}/meeting"]
    assert "gloo" in subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_whose_fellow_is_killed_says_so_and_ends(victim: int, tmp_path: Path):
    processes = start(tmp_path, steps=10**9)
    while len(list(tmp_path.glob("meeting-*-?"))) < 2:  # pytest's limit is that of this test
        time.sleep(0.1)
    processes[victim].kill()
    words = [process.communicate()[1] for process in processes][1 - victim]
    assert processes[1 - victim].returncode == 1
    assert "ConnectionError: another process of this run has stopped; what it said tells why" in words


def torchrun(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ptheta"]
    return subprocess.run([*launcher, *words], cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_torchrun_fits_a_run_that_opens_and_goes_on(tmp_path: Path):
    command = ("fit", "nade", "--data", "digits-binary", "--hidden", "20", "--out", "run")
    done = torchrun(tmp_path, *command, "--steps", "40")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("fitted nade") == 1 and "Traceback" not in done.stderr
    for words in ("score", "run", "--out", "scores.csv"), (*command, "--steps", "40", "--resume"):
        subprocess.run([sys.executable, "-m", "ptheta", *words], cwd=tmp_path, check=True, capture_output=True)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 40 and math.isfinite(lines[-1]["validation"])


@pytest.mark.slow
def test_torchrun_says_a_mistake_once(tmp_path: Path):
    for words, sentence in (
        (("fit", "nade", "--data", "nowhere"), "ptheta: 'nowhere' is neither"),
        (("fit", "kde", "--data", "digits-binary"), "ptheta: kde is fitted in closed form, which takes one process."),
    ):
        done = torchrun(tmp_path, *words)
        assert done.returncode != 0
        assert done.stderr.count("ptheta: ") == done.stderr.count(sentence) == 1
