"""How a row of a paper's table fits a model: as a run, with a bar, and from the last checkpoint where there is one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptheta.data import Dataset

__all__ = ["fitted"]


def fitted(
    name: str,
    data: "Dataset",
    folder: Path,
    seed: int,
    *,
    settings: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    data_options: dict[str, Any] | None = None,
) -> Any:
    """Fits a recipe in a run folder, or goes on where the folder's last checkpoint stands.

    Args:
        name: The recipe's name.
        data: What to fit; its contexts are left out.
        folder: The run folder; ``ptheta sample`` opens it afterwards.
        seed: Names every draw.
        settings: The recipe's dials.
        options: Fields of ``Training`` that override the recipe's.
        data_options: What ``load`` was called with, to load the data again.

    Returns:
        The model, on the device it was trained on.
    """
    import torch

    from ptheta.recipes.runs import fit_run
    from ptheta.training.progress import with_bar

    options = {**(options or {}), "seed": seed}
    run = fit_run(
        name,
        data,
        folder,
        settings=settings,
        options=options,
        data_options=data_options,
        resume=True,
        watch=lambda states, _: with_bar(states, folder.name),
    )
    model: Any = run.model
    return model.to(options["device"]) if isinstance(model, torch.nn.Module) and options.get("device") else model
