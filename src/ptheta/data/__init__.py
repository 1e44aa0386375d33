"""Data: named sets, the user's folders and files, and synthetic sets whose truth is known."""

from typing import TYPE_CHECKING, Any

from ptheta.data.names import NAMES

if TYPE_CHECKING:  # for type checkers, which do not follow the names below
    from ptheta.data.dataset import Dataset, Events, split_events
    from ptheta.data.loading import load
    from ptheta.data.synthetic import truth
    from ptheta.data.worlds import world

LAZY = {
    "Dataset": "dataset",
    "Events": "dataset",
    "load": "loading",
    "split_events": "dataset",
    "truth": "synthetic",
    "world": "worlds",
}

__all__ = ["NAMES", "Dataset", "Events", "load", "split_events", "truth", "world"]


def __getattr__(name: str) -> Any:
    from importlib import import_module
    from importlib.util import find_spec

    if name not in LAZY:
        if not name.startswith("_") and find_spec(f"ptheta.data.{name}") is not None:
            return import_module(f"ptheta.data.{name}")
        raise AttributeError(f"module 'ptheta.data' has no attribute {name!r}")
    return getattr(import_module(f"ptheta.data.{LAZY[name]}"), name)
