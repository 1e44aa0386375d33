"""``load``: a named data set, the user's own folder or file, or a data frame."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin

from ptheta.data.dataset import Dataset
from ptheta.data.decode import IMAGE_SUFFIXES
from ptheta.data.formats import way_out
from ptheta.data.names import NAMES
from ptheta.data.pairs import FOUND
from ptheta.data.views import view_of

__all__ = ["load", "options_of"]

READERS = {".npy": "arrays:read_array", ".npz": "arrays:read_array", ".txt": "text:read_text"}
READERS |= dict.fromkeys((".csv", ".tsv", ".parquet", ".xlsx", ".jsonl", ".ndjson"), "tables:read_table")
FOLDER, FILMS = "folders:read_folder", "films:read_films"
PACKED = (".gz", ".bz2", ".xz")  # of tables
KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
BESIDE = {"pair": "pairs:read_pairs", "caption": "pairs:read_captions"}


def load(source: Any, *, given: str = "", **options: Any) -> Dataset:
    """Loads a named data set, a folder of images, a file (.npy, .npz, .txt, or a table), or a data frame.

    A name wins over a file of the same name; write "./digits" for a file. Every problem with the user's data is one
    sentence in a ValueError or a FileNotFoundError.

    Args:
        source: A name out of ``ptheta.data.NAMES``, a path, or a data frame of pandas or polars. Tables may be .csv,
            .tsv (also packed, as .csv.gz), .parquet, .xlsx or .jsonl.
        given: What is given of each event, such as half=top: it becomes the context. See ``ptheta.data.views``; of
            folders also pair or caption, see ``ptheta.data.pairs``; of sets of shapes also caption.
        **options: For names, ``classes=False`` forgets labels, ``red-wine`` takes fold, UCI tables split,
            ``shakespeare`` sequence_length, synthetic sets n, seed and their shapes, worlds what the functions that
            make them in ``ptheta.data.worlds`` take. For folders of images see ``ptheta.data.folders.read_folder``, of
            films, which film=8 asks for, ``films.read_films``, for arrays ``arrays.read_array``, for tables
            ``tables.read_table``, for texts ``text.read_text``.

    Returns:
        Train, valid and test events of one space.

    Example:
        >>> data = load("digits")
        >>> data.space, len(data.train)
        (Levels(shape=(1, 8, 8), n=17), 1437)
    """
    try:
        if not isinstance(source, str | Path):
            options = _gathered(options)
            data = _call("tables:frame_dataset", "a data frame", {"frame": _frame(source)}, options)
            return data.given(view_of(given)) if given else data
        if given == "caption" and str(source) in NAMES and NAMES[str(source)].maker == "worlds.shape_sets:shapes":
            return _captioned(str(source), options)
        if given.partition("=")[0] in FOUND:
            return _beside(Path(source).expanduser(), given, options)
        data = _load(source, options)
        return data.given(view_of(given)) if given else data
    except MemoryError as error:
        raise ValueError(f"{str(source)[:200]} does not fit in memory: give a part of it.") from error
    except ValueError as error:
        if "\n" not in str(error):
            raise
        raise ValueError(" ".join(str(error).split())) from error  # what a decoder said on several lines


def options_of(source: str | Path, given: str = "") -> list[str]:
    """The options that ``load`` takes for a source.

    Args:
        source: A name or a path.
        given: What is given of each event.

    Returns:
        Their names; none for a path that cannot be read.
    """
    what, path = given.partition("=")[0], Path(source)
    if str(source) in NAMES:
        entry = NAMES[str(source)]
        return ["given", "classes", *_options(_made_by(entry.maker), dict(entry.fixed))]
    if what in FOUND:
        return ["given", *_options(_made_by(BESIDE[what]), {"side": ""})]
    maker = FOLDER if path.is_dir() else _reader_of(path)
    films = _options(_made_by(FILMS), {}) if path.is_dir() else []
    return ["given", *dict.fromkeys([*_options(_made_by(maker), {}), *films])] if maker else []


def _reader_of(path: Path) -> str | None:
    ending = path.suffix.lower()
    return READERS.get(Path(path.stem).suffix.lower() if ending in PACKED else ending)


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


def _frame(source: Any) -> Any:
    """A data frame; anything else is refused in a sentence."""
    if type(source).__module__.split(".")[0] in ("pandas", "polars") and type(source).__name__ == "DataFrame":
        return source
    raise ValueError(
        f"expected a name, a path or a data frame of pandas or polars, but it is a {type(source).__name__}."
    )


def _gathered(options: dict[str, Any]) -> dict[str, Any]:
    """Options such as types.age=category as one, of the columns it names: {"types": {"age": "category"}}."""
    found: dict[str, Any] = {}
    for option, value in options.items():
        name, dot, column = option.partition(".")
        if dot and isinstance(found.setdefault(name, {}), dict):
            found[name] = {**found[name], column: value}
        else:
            found[option] = value
    return found


def _beside(path: Path, given: str, options: dict[str, Any]) -> Dataset:
    """Reads a folder of pictures with what is found beside them."""
    what, _, side = given.partition("=")
    if not path.is_dir():
        raise ValueError(f"{given} is given of a folder of pictures, but {str(path)[:200]} is none.")
    if what == "caption" and side:
        raise ValueError(f"caption takes nothing after it, but it is {given[:60]}.")
    fixed = {"side": side} if what == "pair" else {}
    return _call(BESIDE[what], f"the folder {path}", {"path": path, **fixed}, options)


def _captioned(name: str, options: dict[str, Any]) -> Dataset:
    """Draws a named set that is made together with its captions."""
    if options.get("context", "caption") != "caption":
        raise ValueError(f"caption is given of {name}, but so is its {str(options['context'])[:40]}: ask for one.")
    return _named(name, {**options, "context": "caption"})


def _read(path: Path, is_folder: bool, options: dict[str, Any]) -> Dataset:
    """Reads the user's folder or file."""
    if is_folder:
        maker = FILMS if "film" in options else FOLDER
        return _call(maker, f"the folder {path}", {"path": path}, options, [] if maker == FILMS else ["film"])
    maker = _reader_of(path)
    if maker is None and path.suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(f"{path} is one image, but a data set is many: give the folder that holds them.")
    if maker is None:
        raise ValueError(
            f"{path} cannot be read as data: expected a folder of images or a file that ends in "
            f"{', '.join(READERS)}, but it ends in {path.suffix or 'nothing'}. {way_out(path)}"
        )
    try:
        return _call(maker, f"the file {path}", {"path": path}, _gathered(options))
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
    from_files = not entry.maker.startswith(("synthetic:", "worlds."))
    if from_files and entry.fingerprint and not options and data.fingerprint != entry.fingerprint:
        raise ValueError(
            f"the files of {name} are not the original ones: the fingerprint is {data.fingerprint} instead of "
            f"{entry.fingerprint}; remove them from PTHETA_DATA or from the cache and get them again."
        )
    return data if classes else data.without_context()


def _call(maker: str, what: str, fixed: dict[str, Any], options: dict[str, Any], more: Sequence[str] = ()) -> Dataset:
    """Calls the maker with the options that it knows, and names the nearest to those it does not know."""
    make = _made_by(maker)
    known = [*_options(make, fixed), *more]
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{what} does not take the option {option}: {hint}its options are {', '.join(known)}.")
        _require_type(make, what, option, options[option])
    return make(**fixed, **options)


def _made_by(maker: str) -> Callable[..., Dataset]:
    module, function = maker.split(":")
    return getattr(import_module(f"ptheta.data.{module}"), function)


def _require_type(make: Callable[..., Dataset], what: str, option: str, value: Any) -> None:
    """Refuses plain values of another type than the option has: what the command line was given may be anything."""
    parameter = inspect.signature(make).parameters.get(option)
    kinds = get_args(parameter.annotation) or (parameter.annotation,) if parameter else (int, float)
    fits = type(value) in kinds or (type(value) is int and float in kinds)
    if any(get_origin(kind) is Mapping for kind in kinds) and not isinstance(value, Mapping):
        raise ValueError(
            f"the option {option} of {what} is given column by column, such as {option}.age=..., not at once."
        )
    if isinstance(value, tuple(KINDS)) and not fits:
        words = " or ".join(KINDS[kind] for kind in kinds if kind in KINDS)
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
