"""The contexts of training events, kept in the run: a conditional run is sampled wherever its data have gone."""

from pathlib import Path

from torch import Tensor

from ptheta.data.dataset import Dataset
from ptheta.training import checkpoint as checkpoints
from ptheta.training.checkpoint import Checkpoint

__all__ = ["keep_contexts", "kept_contexts"]

FOLDER = "contexts"
MOST = 1 << 24  # bytes of contexts that are kept: all classes of two million events, or some thousand pictures


def keep_contexts(folder: Path, data: Dataset) -> None:
    """Keeps the contexts of training events: all, or as many as are not too large, drawn at random.

    Args:
        folder: The run folder.
        data: What is fitted; without contexts, nothing is kept.
    """
    if data.context_space is None or checkpoints.latest(folder / FOLDER) is not None:
        return
    first = data.train[:1].context
    assert first is not None
    contexts = data.train.some(max(1, MOST // max(1, first.nbytes))).context
    assert contexts is not None
    checkpoints.save(folder / FOLDER, Checkpoint(0, {FOLDER: {FOLDER: contexts}}, {}))


def kept_contexts(folder: Path) -> Tensor | None:
    """What ``keep_contexts`` kept in a run folder, or None; ValueError, in a sentence, where it is damaged."""
    if checkpoints.latest(folder / FOLDER) is None:
        return None
    found = checkpoints.load(folder / FOLDER, (FOLDER,)).tensors.get(FOLDER, {})
    if FOLDER not in found:
        raise ValueError(f"{folder / FOLDER} does not hold the contexts of the run: remove it, or fit the run again.")
    return found[FOLDER]
