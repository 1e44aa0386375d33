"""How a row of a paper's table fits a model: as a run, with a bar, and from the last checkpoint where there is one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptheta.data import Dataset
    from ptheta.spaces import Space

__all__ = ["built", "fitted"]


def fitted(
    name: str,
    data: "Dataset",
    folder: Path,
    seed: int,
    *,
    dials: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    data_options: dict[str, Any] | None = None,
    conditional: bool = False,
) -> Any:
    """Fits a recipe in a run folder, or goes on where the folder's last checkpoint stands.

    Args:
        name: The recipe's name.
        data: What to fit.
        folder: The run folder; ``ptheta sample`` opens it afterwards.
        seed: Names every draw.
        dials: The recipe's dials.
        training: Fields of ``Training`` that override the recipe's.
        data_options: What ``load`` was called with, to load the data again.
        conditional: Whether the model is given the contexts of the data; else they are left out.

    Returns:
        The model, on the device it was trained on.
    """
    import torch

    from ptheta.runs import fit_run
    from ptheta.training.progress import with_bar

    training = {**(training or {}), "seed": seed}
    run = fit_run(
        name,
        data,
        folder,
        dials=dials,
        training=training,
        data_options=data_options,
        conditional=conditional,
        resume=True,
        watch=lambda states, stage: with_bar(states, folder.name),
    )
    model: Any = run.model
    return model.to(training["device"]) if isinstance(model, torch.nn.Module) and training.get("device") else model


def built(name: str, space: "Space", dials: dict[str, Any]) -> Any:
    """A fresh model of a recipe.

    Args:
        name: The recipe's name.
        space: What one event is.
        dials: The recipe's dials.

    Returns:
        The model, in evaluation mode.
    """
    from ptheta.runs import build

    model: Any = build(name, space, dials=dials).model
    return model.eval()
