"""What a process of several does by itself: beside its double, which sends what it sends."""

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ptheta.training import distributed
from ptheta.training.distributed import Processes


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> Processes:
    """The first of two processes; the other one does the same, and so sends the same messages."""

    def call(collective: object, message: Tensor, *source: int) -> None:
        if collective is dist.all_reduce:
            message.mul_(2)

    monkeypatch.setattr(distributed, "_call", call)
    processes = Processes()
    processes.size, processes.rank = 2, 0
    return processes


def test_gradients_are_weighted_by_rows_and_none_where_nothing_reaches(doubled: Processes):
    reached, idle = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.ones(3))
    value = doubled.backward(reached.square().sum(), (reached, idle), 0.25)
    assert value == 2.5
    assert reached.grad is not None and reached.grad.tolist() == [1.0, 2.0]
    assert idle.grad is None, "an optimiser would move or decay what no loss depends on"


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("no such data")])
def test_a_failure_of_one_s_own_keeps_its_kind(doubled: Processes, error: Exception):
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        doubled.together(fail)
    assert caught.value is error


def test_gpus_are_counted_on_each_machine(doubled: Processes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    doubled.rank, doubled.size = 3, 4
    with pytest.raises(ValueError, match="process 3 needs GPU 3 of its own, but torch sees 2 here"):
        doubled.device("cuda")
    monkeypatch.setenv("LOCAL_RANK", "1")  # the second process of the second machine
    assert doubled.device("auto") == torch.device("cuda", 1)
    assert doubled.device("cuda:0") == torch.device("cuda", 0)
