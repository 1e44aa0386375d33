"""Arrays of numpy as events: .npy and .npz. Pickled objects are never loaded.

The type of the numbers says what they are; nothing is cast in silence:

    bool, or bytes 0/1 (0/255)    Binary
    bytes (uint8)                 Levels, 256 of them unless ``levels`` is given
    other integers                Symbols; with ``levels``, Levels
    floating point                Real

Images may come as (n, H, W), (n, H, W, C) or (n, C, H, W); ``Dataset.notes`` says how the axes were read. An .npz holds
``x``, or ``train`` and optionally ``valid`` and ``test``, with labels ``y``, or ``train_y`` and so on, as contexts.

A large array stays in its file: it is looked at once, piece by piece, and then read batch by batch.
"""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ptheta.data.checks import Facts, facts_of, require_reals
from ptheta.data.dataset import SPLITS, Dataset, Events
from ptheta.data.splits import never_trained, split_as_given
from ptheta.data.stored import Array, ArrayFile, open_large, pieces_of, stays_in_file
from ptheta.data.unpack import open_arrays, require_readable
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols

__all__ = ["label_events", "read_array"]

KEYS = {"x": "x", "data": "x", "images": "x", "y": "y", "labels": "y"}
for _split in SPLITS:
    KEYS |= {_split: _split, f"x_{_split}": _split}
    KEYS |= {f"y_{_split}": f"{_split}_y", f"{_split}_y": f"{_split}_y", f"{_split}_labels": f"{_split}_y"}

ONE_AXIS = "The array has one axis: each number was read as an event of shape (1,)."
MOST_CLASSES = 1000  # of a few events

Read = Callable[[np.ndarray], np.ndarray]  # rows as they lie in the file become events


def read_array(
    path: Path,
    *,
    levels: int | None = None,
    symbols: int | None = None,
    classes: bool = True,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Reads an .npy or .npz file.

    Args:
        path: The file.
        levels: How many levels whole numbers have, where they are intensities.
        symbols: How many symbols whole numbers are, where they are codes; as many as there are if None.
        classes: Whether to read labels as contexts.
        valid: The fraction to choose on, where the file has no such array; a tenth, but 10,000 at most, if None.
        test: The fraction to report on, where the file has no such array; as much if None.
        seed: Names the split.

    Returns:
        Events of the space that the type of the numbers says.
    """
    notes: list[str] = []
    require_readable(path, 1 << 62)
    arrays = open_large(path) if stays_in_file(path) else dict(open_arrays(path))
    roles = _roles(path, arrays, notes)  # pyright: ignore
    parts = [roles[k] for k in ("x", *SPLITS) if k in roles]
    if len({(p.shape[1:], p.dtype) for p in parts}) > 1:
        raise ValueError(f"the splits of {path} should have one type and shape, but they have {_list_arrays(roles)}.")
    space, read, decided = _space(parts, levels, symbols, path, notes)
    labels = [roles[k] for k in ("y", *(f"{s}_y" for s in SPLITS)) if k in roles] if classes else []
    if labels and [len(y) for y in labels] != [len(p) for p in parts]:
        raise ValueError(f"{path} should have one label per event, but it has {_list_arrays(roles)}.")
    context, context_space = None, None
    if labels:
        whole = np.concatenate([y if isinstance(y, np.ndarray) else y.take(np.arange(len(y))) for y in labels])
        context, context_space = label_events(whole, f"the labels of {path}")
    events, digest = _events(parts, read, context)
    sizes = [len(roles[s]) if s in roles else 0 for s in SPLITS] if "train" in roles else []
    splits = split_as_given(events, sizes, valid=valid, test=test, seed=seed, notes=notes)
    if isinstance(space, Real):
        space = Real.standardising(part.x for part in splits[0].in_file_order().pieces())
    notes += never_trained(context_space, context if context is None else splits[0].context)
    about = f"The arrays of {path.name}."
    return Dataset(path.stem, space, *splits, context_space, about, tuple(notes), decided=decided, digest=digest)


def _events(parts: list[Array], read: Read, context: Tensor | None) -> tuple[Events, str]:
    """The events of one or several arrays after another, and the digest of what stays in a file."""
    held = [part for part in parts if isinstance(part, np.ndarray)]
    if len(held) == len(parts):
        whole = held[0] if len(held) == 1 else np.concatenate(held)
        return Events(torch.from_numpy(np.ascontiguousarray(read(whole))), context), ""
    starts = np.cumsum([0, *map(len, parts)])

    def rows_of(rows: Tensor) -> tuple[Tensor, Tensor | None]:
        asked = rows.numpy()
        found = np.empty((len(asked), *parts[0].shape[1:]), parts[0].dtype)
        for part, start in zip(parts, starts, strict=False):
            mine = np.flatnonzero((asked >= start) & (asked < start + len(part)))
            own = asked[mine] - start
            found[mine] = part[own] if isinstance(part, np.ndarray) else part.take(own)
        x = torch.from_numpy(np.ascontiguousarray(read(found)))
        return x, None if context is None else context[rows]

    digest = "".join(part.digest() for part in parts if isinstance(part, ArrayFile))
    return Events.stored(rows_of, torch.arange(int(starts[-1]))), digest


def _list_arrays(arrays: dict[str, Array]) -> str:
    return ", ".join(f"{key} {a.dtype}{a.shape}" for key, a in arrays.items()) or "no arrays"


def _roles(path: Path, arrays: dict[str, Array], notes: list[str]) -> dict[str, Array]:
    """Events and labels by role: x or train, valid, test; y or train_y, valid_y, test_y."""
    if len(arrays) == 1:
        roles = {"x": next(iter(arrays.values()))}
    else:
        roles = {KEYS[key]: array for key, array in arrays.items() if key in KEYS}
        if "x" in roles:
            roles = {key: array for key, array in roles.items() if key in ("x", "y")}
    if not ("x" in roles or "train" in roles):
        raise ValueError(
            f"{path} should hold an array x, or train (with valid and test), and labels y, or train_y and so on, "
            f"but it holds {_list_arrays(arrays)}."
        )
    left = [key for key in arrays if len(arrays) > 1 and KEYS.get(key) not in roles]
    if left:
        notes.append(f"Arrays that were left out: {', '.join(left)}.")
    for key, array in roles.items():
        if array.ndim == 0 or not array.size:
            raise ValueError(f"the array {key} of {path} should hold events, but its shape is {array.shape}.")
        if array.dtype.kind not in "buifUS":
            raise ValueError(f"the array {key} of {path} should hold numbers, but its type is {array.dtype}.")
    return roles


def _space(
    parts: list[Array], levels: int | None, symbols: int | None, path: Path, notes: list[str]
) -> tuple[Space, Read, dict[str, int]]:
    """The space of arrays of any plain type (reals not yet standardised), how rows are read, what was decided."""
    shape, dtype = parts[0].shape, parts[0].dtype
    n = sum(map(len, parts))
    if dtype.kind in "US":
        raise ValueError(f"{path} holds text ({dtype}), but events should be numbers; use a .txt file for text.")
    if levels is not None and not 2 <= levels <= 256:
        raise ValueError(f"levels should be from 2 to 256, but it is {levels}: save floats for reals.")
    if levels is not None and symbols is not None:
        raise ValueError("whole numbers are levels or symbols: give levels or symbols, not both.")
    if dtype.kind == "f":
        if levels is not None or symbols is not None:
            what, most = ("levels", levels) if levels is not None else ("symbols", symbols)
            turned = f"(x * {most - 1}).round().astype('uint8')" if levels and most else "x.astype('int64')"
            raise ValueError(
                f"{path} holds floating-point numbers, but {what} are whole: convert them, as in {turned}."
            )
        require_reals(chain.from_iterable(map(pieces_of, parts)), (), str(path), notes)
        event, turn = _axes((n, *shape[1:]), notes)
        return Real(event), lambda x: _single(turn(x)), {}
    facts = facts_of(chain.from_iterable(map(pieces_of, parts)))
    if facts.low < 0:
        raise ValueError(
            f"{path} holds the whole number {facts.low} at {facts.first_negative}, but levels and symbols start at 0."
        )
    if symbols is None and (dtype.kind == "b" or dtype == np.uint8 or levels is not None):
        event, turn = _axes((n, *shape[1:]), notes)
        return _levels(event, turn, facts, dtype, levels, path, notes)
    return _symbols((n, *shape[1:]), facts, symbols, dtype, path, notes)


def _symbols(
    shape: tuple[int, ...], facts: Facts, symbols: int | None, dtype: np.dtype, path: Path, notes: list[str]
) -> tuple[Space, Read, dict[str, int]]:
    if facts.top >= 2**31:
        raise ValueError(f"{path} holds the whole number {facts.top}, too many for symbols; save floats for reals.")
    n = facts.top + 1 if symbols is None else symbols
    if facts.top >= n:
        raise ValueError(f"{path} holds the symbol {facts.top}, but with symbols={n} the largest is {n - 1}.")
    if symbols is None:
        other = f"levels={n} would order them" if 2 <= n <= 256 else "saved as floats they would be reals, in order"
        notes.append(f"The {dtype} numbers were read as unordered symbols 0 to {facts.top}; {other}.")
    event = shape[1:] or (1,)
    if len(shape) == 1:
        notes.append(ONE_AXIS)
    return Symbols(event, n), lambda x: x.reshape(len(x), *event).astype(np.int64), {"symbols": n}


def _levels(
    event: tuple[int, ...],
    turn: Read,
    facts: Facts,
    dtype: np.dtype,
    levels: int | None,
    path: Path,
    notes: list[str],
) -> tuple[Space, Read, dict[str, int]]:
    if levels in (None, 2) and dtype == np.uint8 and facts.top == 255 and facts.extremes_only:
        notes.append("All bytes are 0 or 255: they were read as bits 0 and 1.")
        return Binary(event), lambda x: turn(x) // 255, {"levels": 2}
    n = levels or (2 if facts.top <= 1 else 256)
    if facts.top >= n:
        raise ValueError(f"{path} holds the level {facts.top}, but with levels={n} the largest is {n - 1}.")
    if levels is None and n == 256 and facts.top < 128:
        top = facts.top
        notes.append(f"The bytes were read as 256 levels, but run up to {top} only; levels={top + 1} may be meant.")
    space = Binary(event) if n == 2 else Levels(event, n)
    return space, lambda x: turn(x).astype(np.uint8), {"levels": n}


def _axes(shape: tuple[int, ...], notes: list[str]) -> tuple[tuple[int, ...], Read]:
    """The shape of an event of arrays of a shape, images as (C, H, W), and how rows are brought to it; says so."""
    if len(shape) == 1:
        notes.append(ONE_AXIS)
        return (1,), lambda x: x[:, None]
    if len(shape) == 3:
        notes.append(f"The axes {shape} were read as (n, height, width): one channel.")
        return (1, *shape[1:]), lambda x: x[:, None]
    if len(shape) == 4 and shape[1] in (1, 3):
        notes.append(f"The axes {shape} were read as (n, channels, height, width).")
    elif len(shape) == 4 and shape[3] in (1, 3, 4):
        notes.append(f"The axes {shape} were read as (n, height, width, channels).")
        return (shape[3], *shape[1:3]), lambda x: x.transpose(0, 3, 1, 2)
    elif len(shape) > 3:
        notes.append(f"The axes {shape} were kept: neither (n, C, H, W) nor (n, H, W, C) with 1 or 3 channels.")
    return shape[1:], lambda x: x


def label_events(labels: np.ndarray, what: str) -> tuple[Tensor, Space]:
    """Reads labels as contexts: whole numbers and texts are classes by name, floating-point numbers are reals.

    Args:
        labels: With shape (n,).
        what: Where they are from, for sentences.

    Returns:
        The contexts, and their space with the names of the classes that occur.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{what} should have shape (n,), but it is {labels.shape}.")
    if labels.dtype.kind == "f":
        values = torch.from_numpy(labels.astype(np.float32))[:, None]
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{what} should be finite numbers, but some are NaN or infinite.")
        return values, Real.standardising(values)
    found, places = np.unique(labels, return_inverse=True)
    if len(found) > max(MOST_CLASSES, len(labels) // 2):
        raise ValueError(
            f"{what} should be classes, but {len(labels)} events have {len(found)} different ones: save floats for "
            "numbers that are given."
        )
    texts = [n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in found.tolist()]
    names = sorted(set(texts), key=(lambda t: (int(t), t)) if all(map(_is_whole, texts)) else None)
    index = {name: k for k, name in enumerate(names)}
    order = torch.tensor([index[text] for text in texts])
    return order[torch.from_numpy(places.reshape(-1))], Classes(len(names), names)


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _single(x: np.ndarray) -> np.ndarray:
    """Reals as float32, unless that would round away how they vary: about a large offset they stay float64."""
    narrow = x.astype(np.float32)
    if x.dtype == np.float32 or not len(x):
        return narrow
    lost, varies = np.abs(narrow - x).max(0), np.ptp(x, 0) > 0  # the deviation of equal numbers may round above zero
    return x.astype(np.float64) if bool((lost > 1e-3 * x.std(0))[varies].any()) else narrow
