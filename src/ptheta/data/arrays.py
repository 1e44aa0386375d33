"""Arrays of numpy as events: .npy and .npz. Pickled objects are never loaded.

The type of the numbers says what they are; nothing is cast in silence:

    bool, or bytes 0/1 (0/255)    Binary
    bytes (uint8)                 Levels, 256 of them unless ``levels`` is given
    other integers                Symbols; with ``levels``, Levels
    floating point                Real

Images may come as (n, H, W), (n, H, W, C) or (n, C, H, W); ``Dataset.notes`` says how the axes were read. An .npz holds
``x``, or ``train`` and optionally ``valid`` and ``test``, with labels ``y``, or ``train_y`` and so on, as contexts.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events, shuffled, split_events
from ptheta.data.unpack import open_arrays
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols

__all__ = ["label_events", "read_array", "real_events"]

_SPLITS = ("train", "valid", "test")
_KEYS = {"x": "x", "data": "x", "images": "x", "y": "y", "labels": "y"}
for _split in _SPLITS:
    _KEYS |= {_split: _split, f"x_{_split}": _split}
    _KEYS |= {f"y_{_split}": f"{_split}_y", f"{_split}_y": f"{_split}_y", f"{_split}_labels": f"{_split}_y"}


def read_array(
    path: Path,
    *,
    levels: int | None = None,
    classes: bool = True,
    valid: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Reads an .npy or .npz file.

    Args:
        path: The file.
        levels: How many levels whole numbers have, where they are intensities.
        classes: Whether to read labels as contexts.
        valid: The fraction to choose on, where the file has no such array.
        test: The fraction to report on, where the file has no such array.
        seed: Names the split.

    Returns:
        Events of the space that the type of the numbers says.
    """
    notes: list[str] = []
    roles = _roles(path, open_arrays(path), notes)
    parts = [roles[k] for k in ("x", *_SPLITS) if k in roles]
    if len({(p.shape[1:], p.dtype) for p in parts}) > 1:
        raise ValueError(f"the splits of {path} should have one type and shape, but they have {_list_arrays(roles)}.")
    x, space = _events(np.concatenate(parts), levels, path, notes)
    labels = [roles[k] for k in ("y", *(f"{s}_y" for s in _SPLITS)) if k in roles] if classes else []
    if labels and [len(y) for y in labels] != [len(p) for p in parts]:
        raise ValueError(f"{path} should have one label per event, but it has {_list_arrays(roles)}.")
    context, context_space, names = None, None, ()
    if labels:
        context, context_space, names = label_events(np.concatenate(labels), f"the labels of {path}")
    sizes = [len(roles[s]) if s in roles else 0 for s in _SPLITS] if "train" in roles else []
    splits = _split_up(Events(x, context), sizes, (valid, test), seed, notes)
    if isinstance(space, Real):
        space = Real.standardising(splits[0].x)
    about = f"The arrays of {path.name}."
    return Dataset(path.stem, space, *splits, context_space, about, tuple(notes), names)


def _list_arrays(arrays: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{key} {a.dtype}{a.shape}" for key, a in arrays.items()) or "no arrays"


def _roles(path: Path, arrays: dict[str, np.ndarray], notes: list[str]) -> dict[str, np.ndarray]:
    """Events and labels by role: x or train, valid, test; y or train_y, valid_y, test_y."""
    if len(arrays) == 1:
        roles = {"x": next(iter(arrays.values()))}
    else:
        roles = {_KEYS[key]: array for key, array in arrays.items() if key in _KEYS}
        if "x" in roles:
            roles = {key: array for key, array in roles.items() if key in ("x", "y")}
    if not ("x" in roles or "train" in roles):
        raise ValueError(
            f"{path} should hold an array x, or train (with valid and test), and labels y, or train_y and so on, "
            f"but it holds {_list_arrays(arrays)}."
        )
    left = [key for key in arrays if len(arrays) > 1 and _KEYS.get(key) not in roles]
    if left:
        notes.append(f"Arrays that were left out: {', '.join(left)}.")
    for key, array in roles.items():
        if array.ndim == 0 or not array.size:
            raise ValueError(f"the array {key} of {path} should hold events, but its shape is {array.shape}.")
        if array.dtype.kind not in "buifUS":
            raise ValueError(f"the array {key} of {path} should hold numbers, but its type is {array.dtype}.")
    return roles


def _events(x: np.ndarray, levels: int | None, path: Path, notes: list[str]) -> tuple[Tensor, Space]:
    """The events of an array of any plain type, and their space (reals not yet standardised)."""
    if x.dtype.kind in "US":
        raise ValueError(f"{path} holds text ({x.dtype}), but events should be numbers; use a .txt file for text.")
    if x.ndim == 1:
        x = x[:, None]
        notes.append("The array has one axis: each number was read as an event of shape (1,).")
    if levels is not None and not 2 <= levels <= 256:
        raise ValueError(f"levels should be from 2 to 256, but it is {levels}.")
    if x.dtype.kind == "f":
        if levels is not None:
            raise ValueError(
                f"{path} holds floating-point numbers, but levels are whole: convert them, as in (x * {levels - 1})"
                ".round().astype('uint8')."
            )
        values = real_events(x.reshape(len(x), -1), [], str(path), notes).reshape(x.shape)
        values = _axes(values, notes)
        return torch.from_numpy(values), Real(values.shape[1:])
    low, top = int(x.min()), int(x.max())
    if low < 0:
        first = tuple(int(i) for i in np.argwhere(x < 0)[0])
        raise ValueError(f"{path} holds the whole number {x[first]} at {first}, but levels and symbols start at 0.")
    if x.dtype.kind == "b" or x.dtype == np.uint8 or levels is not None:
        return _levels(_axes(x, notes), top, levels, path, notes)
    if top >= 2**31:
        raise ValueError(f"{path} holds the whole number {top}, too many for symbols; save floats for reals.")
    notes.append(f"The {x.dtype} numbers were read as unordered symbols 0 to {top}; levels={top + 1} would order them.")
    return torch.from_numpy(x.astype(np.int64)), Symbols(x.shape[1:], top + 1)


def _levels(x: np.ndarray, top: int, levels: int | None, path: Path, notes: list[str]) -> tuple[Tensor, Space]:
    shape = x.shape[1:]
    if levels is None and x.dtype == np.uint8 and top == 255 and bool(((x == 0) | (x == 255)).all()):
        notes.append("All bytes are 0 or 255: they were read as bits 0 and 1.")
        return torch.from_numpy(x // 255), Binary(shape)
    n = levels or (2 if top <= 1 else 256)
    if top >= n:
        raise ValueError(f"{path} holds the level {top}, but with levels={n} the largest is {n - 1}.")
    bytes_ = torch.from_numpy(np.ascontiguousarray(x, np.uint8))
    if n == 2:
        return bytes_, Binary(shape)
    if levels is None and top < 128:
        notes.append(f"The bytes were read as 256 levels, but run up to {top} only; levels={top + 1} may be meant.")
    return bytes_, Levels(shape, n)


def _axes(x: np.ndarray, notes: list[str]) -> np.ndarray:
    """Brings image-shaped arrays to (n, C, H, W), and says so."""
    if x.ndim == 3:
        notes.append(f"The axes {x.shape} were read as (n, height, width): one channel.")
        return x[:, None]
    if x.ndim == 4 and x.shape[1] in (1, 3):
        notes.append(f"The axes {x.shape} were read as (n, channels, height, width).")
    elif x.ndim == 4 and x.shape[3] in (1, 3, 4):
        notes.append(f"The axes {x.shape} were read as (n, height, width, channels).")
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    elif x.ndim > 3:
        notes.append(f"The axes {x.shape} were kept: neither (n, C, H, W) nor (n, H, W, C) with 1 or 3 channels.")
    return x


def real_events(values: np.ndarray, columns: list[str], what: str, notes: list[str]) -> np.ndarray:
    """Checks real numbers (n, D), says in notes what may surprise, and rounds them to float32.

    Args:
        values: The numbers.
        columns: Names of the columns, or empty for numbers from 0.
        what: Where they are from, for sentences.
        notes: Collects sentences.

    Returns:
        The same as float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = values.astype(np.float32)
    bad = ~np.isfinite(rounded)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        name = columns[column] if columns else str(column)
        raise ValueError(
            f"{what} has {int(bad.sum())} of {bad.size} numbers that are NaN, infinite or too large for float32, the "
            f"first in row {row}, column {name} (rows count from 0): fill or remove those rows."
        )
    if values.shape[1] <= 1000:
        _warn(values, rounded, columns, notes)
    if (values == np.round(values)).all():
        low, top = int(values.min()), int(values.max())
        other = "a uint8 .npy file would make them levels" if low >= 0 and top <= 255 else "an int64 .npy file symbols"
        notes.append(f"All numbers are whole ({low} to {top}) and were read as reals all the same; {other}.")
    return rounded


def _warn(values: np.ndarray, rounded: np.ndarray, columns: list[str], notes: list[str]) -> None:
    """Notes on columns that a density cannot or can too easily fit."""
    names = columns or [str(k) for k in range(values.shape[1])]
    kinds = [len(np.unique(values[:, k])) for k in range(values.shape[1])]
    constant = [name for name, k in zip(names, kinds, strict=True) if k == 1]
    few = [name for name, k in zip(names, kinds, strict=True) if 1 < k <= 20 and len(values) >= 100]
    coarse = np.abs(values - rounded).max(0) > 1e-3 * values.std(0)
    lost = [name for name, c, k in zip(names, coarse, kinds, strict=True) if c and k > 1]
    for found, sentence in (
        (constant, "are constant: a density there has no finite value"),
        (few, "take 20 values or fewer: a density can grow without bound there, so think of leaving them out"),
        (lost, "lose digits in float32: subtract an offset"),
    ):
        if found:
            notes.append(f"Columns that {sentence}: {', '.join(found[:10])}{', ...' if len(found) > 10 else ''}.")


def label_events(labels: np.ndarray, what: str) -> tuple[Tensor, Space, tuple[str, ...]]:
    """Reads labels as contexts: whole numbers and texts are classes, floating-point numbers are reals.

    Args:
        labels: With shape (n,).
        what: Where they are from, for sentences.

    Returns:
        The contexts, their space, and the names of the classes.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{what} should have shape (n,), but it is {labels.shape}.")
    if labels.dtype.kind == "f":
        values = torch.from_numpy(labels.astype(np.float32))[:, None]
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{what} should be finite numbers, but some are NaN or infinite.")
        return values, Real.standardising(values), ()
    if labels.dtype.kind in "US":
        texts = [n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in labels.tolist()]
        numbers = all(text.isdecimal() for text in texts)
        names = sorted(set(texts), key=(lambda text: (int(text), text)) if numbers else None)
        index = {name: k for k, name in enumerate(names)}
        return torch.tensor([index[text] for text in texts]), Classes(len(names)), tuple(names)
    low, top = int(labels.min()), int(labels.max())
    if low < 0 or top >= max(1000, len(labels)):
        raise ValueError(f"{what} should be classes 0, 1, ..., but they run from {low} to {top}.")
    return torch.from_numpy(labels.astype(np.int64)), Classes(top + 1), tuple(str(k) for k in range(top + 1))


def _split_up(
    events: Events, sizes: list[int], fractions: tuple[float, float], seed: int, notes: list[str]
) -> tuple[Events, Events, Events]:
    """Cuts at the sizes that the file gives, and takes what is missing from the training events at random."""
    if not sizes:
        splits = split_events(events, valid=fractions[0], test=fractions[1], seed=seed)
        notes.append(f"Split at random with seed {seed} into {' / '.join(str(len(s)) for s in splits)} events.")
        return splits
    train, valid, test = (events[rows] for rows in torch.arange(len(events)).split(sizes))
    if not len(valid) or not len(test):
        wanted = [0 if given else max(1, round(f * len(train))) for given, f in zip(sizes[1:], fractions, strict=True)]
        if sum(wanted) >= len(train):
            raise ValueError(f"{len(train)} training events are too few to take {sum(wanted)} of them to choose on.")
        rows = shuffled(len(train), seed).split([*wanted, len(train) - sum(wanted)])
        valid, test = valid if len(valid) else train[rows[0]], test if len(test) else train[rows[1]]
        train = train[rows[2]]
        taken = " and ".join(name for name, n in zip(("valid", "test"), wanted, strict=True) if n)
        notes.append(f"The file has no {taken} events: {sum(wanted)} training events were taken (seed {seed}).")
    return train, valid, test
