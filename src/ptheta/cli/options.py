"""Options from signatures: a verb's own, and a recipe's dials together with the training's."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import tyro

from ptheta.hints import did_you_mean

__all__ = ["Help", "call", "data_options", "documented", "record"]

T = TypeVar("T")

Help = tyro.conf.arg


def call(function: Callable[..., T], words: Sequence[str], prog: str) -> T:
    """Calls a function with arguments from the command line.

    Args:
        function: Its signature gives the options, its docstring their help.
        words: What was typed.
        prog: How the command is called in messages.

    Returns:
        What the function returns.
    """
    _refuse_unknown(words, list(inspect.signature(function).parameters), prog)
    return tyro.cli(function, args=list(words), prog=prog)


def record(
    title: str, fields: Mapping[str, tuple[Any, Any, str]], words: Sequence[str], prog: str, description: str
) -> dict[str, Any]:
    """Reads options that are known only at run time.

    Args:
        title: The name of the record.
        fields: Each option: its type, its default and its help.
        words: What was typed.
        prog: How the command is called in messages.
        description: The help's first paragraph.

    Returns:
        The value of each option.
    """
    _refuse_unknown(words, list(fields), prog)
    specs = [
        (name, Annotated[kind, tyro.conf.arg(help=text)], dataclasses.field(default=default))
        for name, (kind, default, text) in fields.items()
    ]
    made = dataclasses.make_dataclass(title, specs)
    return vars(tyro.cli(made, args=list(words), prog=prog, description=description))


def data_options(pairs: Sequence[str], size: int | None) -> dict[str, Any]:
    """The options of ``load`` from the command line.

    Args:
        pairs: Words such as fold=3, skip_corrupt=true or label=class.
        size: The option ``size``, which has a name of its own.

    Returns:
        Keywords of ``load``: true and false as such, numbers as numbers, anything else as text.
    """
    options: dict[str, Any] = {} if size is None else {"size": size}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"--data-options takes words such as fold=3 or skip_corrupt=true, but one is {pair!r}.")
        options[name.replace("-", "_")] = _plain(value)
    return options


def _plain(value: str) -> bool | int | float | str:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(value)
    return value


def documented(function: Callable[..., Any]) -> dict[str, str]:
    """The help of each argument, from the Args section of a Google docstring."""
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    entries: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent(section.group(1) if section else "").splitlines():
        if match := re.match(r"\*{0,2}(\w+)(?: \(.*?\))?: (.*)", line):
            name = match.group(1)
            entries[name] = match.group(2)
        elif name:
            entries[name] += " " + line.strip()
    return {name: " ".join(text.split()) for name, text in entries.items()}


def _refuse_unknown(words: Sequence[str], names: Sequence[str], prog: str) -> None:
    known = ["--help", *(f"--{n}".replace("_", "-") for n in names)]
    for word in words:
        option = word.split("=")[0]
        if not option.startswith("--") or option == "--":
            continue
        if option.replace("_", "-").replace("--no-", "--") not in known and option.replace("_", "-") not in known:
            hint = did_you_mean(option, known) or f" See {prog} --help."
            raise ValueError(f"{prog} has no option {option}.{hint}")
