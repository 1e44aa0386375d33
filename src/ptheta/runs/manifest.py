"""``run.json``: what was fitted, on what, how. A strict record of plain values."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, final

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from ptheta.data.dataset import Dataset
from ptheta.recipes.renamed import renamed

__all__ = ["Manifest", "described", "plain", "read_manifest"]

MOST_BYTES = 256 << 20  # the mean and scale of a million reals, several times over


@final
class Manifest(BaseModel):
    """What ``run.json`` holds: the recipe and its dials, the training of each stage, the space, whence the data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = 2
    model: str | None
    dials: dict[str, Any] = {}
    training: dict[str, dict[str, Any]] = {}
    seed: int = 0
    space: dict[str, Any]
    context_space: dict[str, Any] | None = None
    data: str
    data_options: dict[str, Any] = {}
    decided: dict[str, Any] = {}
    fingerprint: str
    versions: dict[str, str] = {}
    machine: dict[str, str | int] = {}


def described(fitted: Dataset, **fields: Any) -> Manifest:
    """The record of a run on these data.

    Args:
        fitted: The data.
        **fields: The recipe's name, its dials, training, seed; where the data came from, if not from a name.

    Returns:
        The record.
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in ("ptheta", "torch", "numpy")}}
    return Manifest(
        **{"model": None, "data": fitted.name, **plain(fields)},
        space=fitted.space.to_json(),
        context_space=None if fitted.context_space is None else fitted.context_space.to_json(),
        fingerprint=fitted.fingerprint,
        decided=plain(dict(fitted.decided)),
        versions=versions,
        machine={
            "processor": platform.processor() or platform.machine(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
        },
    )


def read_manifest(folder: Path) -> Manifest:
    """Reads the record of a run.

    Args:
        folder: The run folder.

    Returns:
        The record. Raises ValueError, in a sentence, where there is none or it is no such record.
    """
    path = folder / "run.json"
    if not path.is_file():
        what = "is not a run: it holds no run.json" if folder.is_dir() else "does not exist"
        raise ValueError(f"{folder} {what}. Runs are made by ptheta fit; look in the folder runs/.")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} is not the record of a run: it has {path.stat().st_size} bytes.")
    try:
        found = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "its text"
        raise ValueError(f"{path} is not the record of a run: {where}: {problem['msg']}.") from error
    return found.model_copy(update={"dials": renamed(found.model, found.dials)})


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """What JSON gives back unchanged: tuples as lists, paths as text."""
    return json.loads(json.dumps(values, default=str))
