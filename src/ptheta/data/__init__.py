"""Data: named sets, the user's folders and files, and synthetic sets whose truth is known."""

from typing import Any

from ptheta.data.names import NAMES

_LAZY = {"Dataset": "dataset", "Events": "dataset", "load": "loading", "split_events": "dataset", "truth": "synthetic"}

__all__ = ["NAMES", "Dataset", "Events", "load", "split_events", "truth"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'ptheta.data' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"ptheta.data.{_LAZY[name]}"), name)
