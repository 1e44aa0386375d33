"""Several processes that train as one.

Each process takes its own rows of the global batch, with those rows of the keyed noise. After ``backward``, one sum
over processes of the objective's flattened gradient, each weighted by its share of the rows, is the gradient of the
mean over the global batch:

    grad (1/B) sum_i loss_i = sum_r (B_r / B) grad (1/B_r) sum_{i in r} loss_i

for any division of the B rows. So the weights are those of one process, up to the rounding of sums. That asks two
things of a model, and training refuses one without them (see ``separable``): the loss of an example must not depend
on the rest of the batch, and a training step must leave the same buffers whatever rows it sees. Dropout draws from
torch's own stream, seeded by (seed, step, first row): such a model trains as well, but not to the same weights.

Process 0 leads. It alone validates, saves and reads the clock; what it finds is sent to the others, and what it fails
at fails for all. It alone touches the run folder, so machines need not share a disk. Messages are JSON and safetensors.
Under ``torchrun`` the verb ``ptheta fit`` does all this; in a script of your own, train inside ``joined()``:

    with joined():
        model.fit(data, epochs=20)

Every process must do so, and whoever iterates over ``training`` must do it in every process to the same step.
"""

import gc
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import TypeVar, final

import torch
import torch.distributed as dist
from safetensors import torch as safetensors
from torch import Tensor, nn

from ptheta.training.checkpoint import Checkpoint

__all__ = ["Processes", "joined"]

T = TypeVar("T")

PATIENCE = timedelta(hours=6)  # the others wait this long while process 0 validates or draws


@contextmanager
def joined(url: str = "env://", rank: int = -1, size: int = -1) -> Iterator["Processes"]:
    """Joins the processes that train together, and parts from them cleanly.

    Args:
        url: Where they meet: what torchrun says in the environment, or a file:// that does not exist yet.
        rank: Which process this is; known under torchrun.
        size: How many there are; known under torchrun.

    Yields:
        The processes.
    """
    # Torch's optimisers import these functions, whose defaults keep the process group there is at that moment. Were it
    # this one, its threads would live on until they meet an interpreter that is gone, and abort the process.
    import_module("torch.distributed.nn.functional")
    nccl = torch.cuda.is_available() and dist.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if nccl else "gloo"
    dist.init_process_group(backend, init_method=url, rank=rank, world_size=size, timeout=PATIENCE)
    processes = Processes()
    try:
        yield processes
        processes.any(False)  # none leaves before all have come
    finally:
        gc.collect()  # what fell into a cycle may hold the group
        dist.destroy_process_group()  # joins its threads, now that nothing else holds it


@final
class Processes:
    """Those that train together: the process group this one has joined, else this one alone.

    Alone, every method is what one process does: the whole batch, its own gradient, its own word.
    """

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.size = dist.get_world_size() if together else 1
        self.rank = dist.get_rank() if together else 0

    @property
    def leads(self) -> bool:
        """Whether this process is the one that validates, saves and speaks."""
        return self.rank == 0

    def rows(self, n: int) -> slice:
        """This process's part of n rows: contiguous, in the order of ranks, sizes at most one apart."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def device(self, name: str) -> torch.device:
        """This process's device of a kind: of several on a machine, each has a GPU of its own.

        Args:
            name: cpu, cuda, or auto for a GPU where there is one.

        Returns:
            The device.
        """
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if name == "auto":
            name = "cuda" if gpus else "cpu"
        try:
            device = torch.device(name)
        except RuntimeError as error:
            raise ValueError(f"device should be cpu, cuda or auto, but it is {name!r}.") from error
        if device.type == "meta":
            raise ValueError("device is meta, which holds no numbers to train. Give cpu, cuda or auto.")
        if device.type != "cuda":
            return device
        if not gpus:
            raise ValueError("device is cuda, but torch sees no GPU here. Use --device cpu.")
        if self.size == 1 or device.index is not None:
            return device
        local = int(os.environ.get("LOCAL_RANK", self.rank))
        if local >= gpus:
            raise ValueError(f"process {self.rank} needs GPU {local} of its own, but torch sees {gpus} here.")
        return torch.device("cuda", local)

    def backward(self, loss: Tensor, parameters: Sequence[nn.Parameter], share: float) -> float:
        """Gives parameters the gradient of the mean loss over the global batch.

        Args:
            loss: The mean loss of this process's rows, a scalar.
            parameters: Those that the gradient is of, without one yet.
            share: This process's part of the global batch, between 0 and 1.

        Returns:
            The mean loss over the global batch.
        """
        if self.size == 1:
            value = float(loss.detach())
            loss.backward(inputs=parameters)
            return value
        loss = loss * share
        loss.backward(inputs=parameters)
        reached = [float(p.grad is not None) for p in parameters]
        flat = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
        message = torch.cat([loss.detach().reshape(1), loss.new_tensor(reached), *flat])
        _call(dist.all_reduce, message)
        head, *parts = message.split([1 + len(flat), *(len(f) for f in flat)])
        value, *reached = head.tolist()
        for p, part, anywhere in zip(parameters, parts, reached, strict=True):
            p.grad = part.view_as(p).to(p.dtype) if anywhere else None
        return value

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is up in any process."""
        if self.size == 1:
            return list(flags)
        message = torch.tensor(flags, dtype=torch.int64)
        _call(dist.all_reduce, message)
        return [bool(count) for count in message]

    def agree(self, value: T) -> T:
        """What process 0 gives, which JSON must hold, in every process."""
        return value if self.size == 1 else json.loads(self._told(json.dumps(value).encode()))

    def lead(self, work: Callable[[], T]) -> T:
        """Does the work in process 0, and tells the others: its result, which JSON must hold, or how it failed."""
        if self.size == 1:
            return work()
        done = self.together(lambda: [work()] if self.leads else [])
        return self.agree(done)[0]

    def together(self, work: Callable[[], T]) -> T:
        """Does the work in every process; where one fails for a reason a person can mend, all fail with its sentence.

        Args:
            work: What to do.

        Returns:
            What it returned in this process.

        Raises:
            ValueError: If it failed in another process.
        """
        if self.size == 1:
            return work()
        done: list[T] = []
        error = None
        try:
            done.append(work())
        except (ValueError, OSError) as failure:
            error = failure
        failed = self.any(*(error is not None and rank == self.rank for rank in range(self.size)))
        if True in failed:
            said = self._told(str(error).encode(), failed.index(True)).decode()
            raise error or ValueError(said)
        return done[0]

    def require_same(self, **facts: object) -> None:
        """Refuses to go on unless every process was given the same: say what, in words that JSON can hold."""
        mine = {name: str(fact) for name, fact in facts.items()}
        theirs = self.agree(mine)

        def compare() -> None:
            for name, fact in mine.items():
                if fact != theirs[name]:
                    raise ValueError(
                        f"every process should be given the same {name}, but process 0 has {theirs[name]} and "
                        f"process {self.rank} has {fact}."
                    )

        self.together(compare)

    def share(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint of process 0, in every process."""
        if self.size == 1:
            return checkpoint
        tensors = {
            f"{part}/{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for part, tensors in checkpoint.tensors.items()
            for name, tensor in tensors.items()
        }
        head = json.dumps([checkpoint.step, list(checkpoint.tensors), checkpoint.record])
        step, parts, record = json.loads(self._told(head.encode()))
        shared: dict[str, dict[str, Tensor]] = {part: {} for part in parts}
        for key, tensor in safetensors.load(self._told(safetensors.save(tensors))).items():
            part, name = key.split("/", 1)
            shared[part][name] = tensor
        return Checkpoint(step, shared, record)

    def _told(self, words: bytes, source: int = 0) -> bytes:
        """The bytes of process ``source``."""
        length = torch.tensor([len(words)])
        _call(dist.broadcast, length, source)
        message = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == source:
            message = torch.frombuffer(bytearray(words), dtype=torch.uint8)
        _call(dist.broadcast, message, source)
        return message.numpy().tobytes()


def _call(collective: Callable[..., object], *message: object) -> None:
    try:
        collective(*message)
        return
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
    # Raised out here, or its context would hold the frames of the call, and those the process group.
    raise ConnectionError(f"another process of this run has stopped; what it said tells why ({reason}).")
