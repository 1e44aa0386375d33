"""Files that would run code if they were unpickled, and how their refusal is told."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptheta import load


class Payload:
    """Unpickled, it would make the folder ``sentinel``."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("sentinel",)


@pytest.fixture(autouse=True)
def sentinel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every test runs in a folder of its own, and no code that a file holds may have run at its end."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "sentinel").exists()


def refused(source: Any, **options: Any) -> str:
    """The sentence by which data is refused."""
    with pytest.raises(ValueError) as caught:
        load(source, **options)
    return is_sentence(str(caught.value))


def is_sentence(text: str) -> str:
    assert "\n" not in text and text.endswith("."), text
    return text


def pickled() -> bytes:
    return pickle.dumps(Payload())


def torch_saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": Payload()}, buffer)
    return buffer.getvalue()


def numpy_saved(save: Callable[..., Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, np.array([Payload()] * 5, object))
    return buffer.getvalue()


def labelled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((5, 2)), y=np.array([Payload()] * 5, object))
    return buffer.getvalue()


PLANTED = {
    "pickle": pickled,
    "torch.save": torch_saved,
    "object array": lambda: numpy_saved(np.save),
    "object arrays": lambda: numpy_saved(np.savez),
    "object labels": labelled,
}
