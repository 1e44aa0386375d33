"""``load``: a named data set, or the user's own folder or file."""

import difflib
import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from ptheta.data.dataset import Dataset
from ptheta.data.folders import IMAGE_SUFFIXES
from ptheta.data.names import NAMES

__all__ = ["load"]

_READERS = {".npy": "arrays.read_array", ".npz": "arrays.read_array", ".csv": "tables.read_table"}
_KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_READERS |= {".tsv": "tables.read_table", ".txt": "text.read_text"}


def load(source: str | Path, **options: Any) -> Dataset:
    """Loads a named data set, a folder of images, or a file: .npy, .npz, .csv, .tsv or .txt.

    A name wins over a file of the same name; write "./digits" for a file. Every problem with the user's data is one
    sentence in a ValueError or a FileNotFoundError.

    Args:
        source: A name out of ``ptheta.data.NAMES``, or a path.
        **options: For names, ``classes=False`` forgets labels, ``red-wine`` takes fold, UCI tables split,
            ``shakespeare`` sequence_length, synthetic sets n, seed and their shapes. For folders of images see
            ``ptheta.data.folders.read_folder``, for arrays ``arrays.read_array``, for tables ``tables.read_table``,
            for texts ``text.read_text``.

    Returns:
        Train, valid and test events of one space.

    Example:
        >>> data = load("digits")
        >>> data.space, len(data.train)
        (Levels(shape=(1, 8, 8), n=17), 1437)
    """
    try:
        return _load(source, options)
    except MemoryError as error:
        raise ValueError(f"{str(source)[:200]} does not fit in memory: give a part of it.") from error
    except ValueError as error:
        if "\n" not in str(error):
            raise
        raise ValueError(" ".join(str(error).split())) from error  # what a decoder said on several lines


def _load(source: str | Path, options: dict[str, Any]) -> Dataset:
    if str(source) in NAMES:
        return _named(str(source), options)
    try:
        if not str(source).strip():
            raise ValueError("an empty name")
        path = Path(source).expanduser()
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError, RuntimeError) as error:  # the last for the home of nobody
        raise ValueError(f"{str(source)[:80]!r} is neither a data set nor a path that can be looked at.") from error
    if not exists:
        raise _unknown(str(source))
    return _read(path, is_folder, options)


def _read(path: Path, is_folder: bool, options: dict[str, Any]) -> Dataset:
    """Reads the user's folder or file."""
    if is_folder:
        return _call("folders.read_folder", f"the folder {path}", {"path": path}, options)
    maker = _READERS.get(path.suffix.lower())
    if maker is None and path.suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(f"{path} is one image, but a data set is many: give the folder that holds them.")
    if maker is None:
        raise ValueError(
            f"{path} cannot be read as data: expected a folder of images or a file that ends in "
            f"{', '.join(_READERS)}, but it ends in {path.suffix or 'nothing'}."
        )
    try:
        return _call(maker, f"the file {path}", {"path": path}, options)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from error


def _named(name: str, options: dict[str, Any]) -> Dataset:
    entry = NAMES[name]
    options = dict(options)
    classes = options.pop("classes", True)
    try:
        data = _call(entry.maker, f"the data set {name}", dict(entry.fixed), options, ["classes"])
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:  # the files may hold anything
        if isinstance(error, ValueError) and str(error).endswith("."):
            raise  # a sentence already
        reason = str(error) or type(error).__name__
        raise ValueError(f"the files of {name} cannot be read ({reason}): get them again.") from error
    from_files = not entry.maker.startswith("synthetic.")
    if from_files and entry.fingerprint and not options and data.fingerprint != entry.fingerprint:
        raise ValueError(
            f"the files of {name} are not the original ones: the fingerprint is {data.fingerprint} instead of "
            f"{entry.fingerprint}; remove them from PTHETA_DATA or from the cache and get them again."
        )
    return data if classes else data.without_context()


def _call(maker: str, what: str, fixed: dict[str, Any], options: dict[str, Any], more: Sequence[str] = ()) -> Dataset:
    """Calls the maker with the options that it knows, and names the nearest to those it does not know."""
    module, function = maker.split(".")
    make: Callable[..., Dataset] = getattr(import_module(f"ptheta.data.{module}"), function)
    known = [*_options(make, fixed), *more]
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{what} does not take the option {option}: {hint}its options are {', '.join(known)}.")
        _require_type(make, what, option, options[option])
    return make(**fixed, **options)


def _require_type(make: Callable[..., Dataset], what: str, option: str, value: Any) -> None:
    """Refuses plain values of another type than the option has: what the command line was given may be anything."""
    parameter = inspect.signature(make).parameters.get(option)
    kinds = get_args(parameter.annotation) or (parameter.annotation,) if parameter else (int, float)
    fits = type(value) in kinds or (type(value) is int and float in kinds)
    if isinstance(value, tuple(_KINDS)) and not fits:
        words = " or ".join(_KINDS[kind] for kind in kinds if kind in _KINDS)
        raise ValueError(f"the option {option} of {what} should be {words}, but it is {str(value)[:80]!r}.")


def _options(make: Callable[..., Dataset], fixed: dict[str, Any]) -> list[str]:
    known = [n for n, p in inspect.signature(make).parameters.items() if p.kind is p.KEYWORD_ONLY and n not in fixed]
    if make.__name__ == "synthetic":
        from ptheta.data.synthetic import truth_options

        known += truth_options(fixed["name"])
    return known


def _unknown(source: str) -> Exception:
    near = difflib.get_close_matches(source.lower(), NAMES, 3)
    if "/" in source or "\\" in source or Path(source).suffix:
        near = difflib.get_close_matches(source.lower(), NAMES, 1, cutoff=0.8)
        hint = f"; did you mean the data set {near[0]}?" if near else "."
        shown = source if source.isprintable() else repr(source)
        return FileNotFoundError(f"there is no file or folder {shown}{hint}")
    hint = f"did you mean {' or '.join(near)}?" if near else f"the names are {', '.join(NAMES)}."
    return ValueError(f"{source!r} is neither a named data set nor a path: {hint}")
