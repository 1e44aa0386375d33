"""What a model must be to train in several processes: indifferent to how a batch is divided.

A loss is a mean over examples, so that the gradients of the parts of a batch add up to that of the whole. Batch
statistics break that: an example is normalised by the others, or compared with them. Buffers that follow the batch
(running statistics, persistent chains, codebooks) break it too: each process would keep its own. Those that follow the
step or the weights are the same everywhere, and allowed.

Seen on the first rows of the training events, when training begins: a loss that turns batch-dependent only later in
the run is not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ptheta.model import Objective
from ptheta.noise import Noise

__all__ = ["require_separable"]

PROBED = 8  # rows that stand for all
DROPOUT = ((nn.modules.dropout._DropoutNd, "p"), (nn.RNNBase, "dropout"))  # what drops features, and at which rate
SLACK = 1e-3  # of the sizes: rounding, also that of a GPU's convolutions, is below, batch statistics are above


def require_separable(
    model: nn.Module, objectives: Sequence[Objective], x: Tensor, context: Tensor | None, noise: Noise
) -> None:
    """Refuses a model whose losses, or buffers after them, depend on how a batch is divided: it needs one process.

    Tried on a few rows, whole and in halves; the model is left as it was. Dropout is switched off for it.

    Args:
        model: What is to be trained.
        objectives: Its objectives.
        x: The events of a batch, of which the first few are used.
        context: Their contexts, or None.
        noise: The noise of the batch.
    """
    n = min(len(x), PROBED)
    x, context = x[:n], None if context is None else context[:n]
    kept = _buffers(model)
    try:
        with _without_dropout(model):
            for objective in objectives:
                _require_separable(model, objective, x, context, noise.at(objective.name))
    finally:
        _put(model, kept)


def _require_separable(model: nn.Module, objective: Objective, x: Tensor, context: Tensor | None, noise: Noise) -> None:
    kept, cut, n = _buffers(model), len(x) // 2, len(x)
    found: list[tuple[Tensor, Tensor]] = []
    left: list[dict[str, Tensor]] = []
    for rows in (slice(0, n), slice(0, cut), slice(cut, n)):
        _put(model, kept)
        part = None if context is None else context[rows]
        loss = objective.loss(x[rows], part, noise.rows(rows.start)).mean()
        slopes = torch.autograd.grad(loss, objective.parameters, allow_unused=True)
        gradient = [s.flatten() for s in slopes if s is not None]
        found.append((loss.detach().reshape(1), torch.cat(gradient) if gradient else loss.new_zeros(1)))
        left.append(_buffers(model))
    who, share = f"the {objective.name} loss of {type(model).__name__}", cut / n
    for name in kept:
        if not torch.equal(left[1][name], left[2][name]):
            raise ValueError(
                f"{who} changes the buffer {name} by what is in the batch, and of a batch each process sees only a "
                "part: train this model in one process."
            )
    for whole, first, second in zip(*found, strict=True):  # the mean loss, then its gradient
        error = (whole - share * first - (1 - share) * second).norm()
        scale = whole.norm() + first.norm() + second.norm()
        if error > SLACK * scale:
            raise ValueError(
                f"{who} at one example depends on the rest of the batch (as batch statistics do) or on draws that its "
                "noise does not name, and of a batch each process sees only a part: train this model in one process."
            )


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    """The model with its rates of dropout at zero. All else trains, as a recurrent layer on a GPU must."""
    rates = [(m, name, getattr(m, name)) for m in model.modules() for kind, name in DROPOUT if isinstance(m, kind)]
    for module, name, _ in rates:
        setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, rate in rates:
            setattr(module, name, rate)


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


@torch.no_grad()
def _put(model: nn.Module, buffers: dict[str, Tensor]) -> None:
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
