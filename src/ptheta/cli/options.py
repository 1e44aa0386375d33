"""Options from signatures: a verb's own, and a recipe's dials together with the training's."""

import dataclasses
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import tyro

from ptheta.cli.refusals import lone_list, refusal

__all__ = ["Help", "about", "call", "data_options", "documented", "record"]

T = TypeVar("T")

KINDS = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}  # what the help calls a value that may be left out
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
    texts = documented(function)
    parameters = inspect.signature(function).parameters.values()
    fields = {p.name: (p.annotation, p.default, texts.get(p.name, "")) for p in parameters}
    return function(**record(function.__name__, fields, words, prog, about(function)))


def record(
    title: str,
    fields: Mapping[str, tuple[Any, Any, str]],
    words: Sequence[str],
    prog: str,
    description: str,
    usual: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Reads options.

    Args:
        title: The name of the record.
        fields: Each option: its type, its default (``Parameter.empty`` where it is required) and its help.
        words: What was typed.
        prog: How the command is called in messages.
        description: The help's first paragraph.
        usual: What the help calls the default of some options, where None stands for it.

    Returns:
        The value of each option. Raises ValueError, in a sentence, where the words cannot be read.
    """
    specs = [
        (
            name,
            Annotated[kind, _shown(kind, default, text, (usual or {}).get(name))],
            dataclasses.field(**_default(default)),
        )
        for name, (kind, default, text) in fields.items()
    ]
    made = dataclasses.make_dataclass(title, specs, kw_only=True)
    if fault := lone_list(words, fields):
        raise ValueError(fault)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return vars(tyro.cli(made, args=list(words), prog=prog, description=description))
    except SystemExit as stop:
        if not stop.code:
            raise  # help was asked for, and given
    reason = " ".join(re.sub(r"[^\x20-\x7e]", " ", said.getvalue()).split())
    raise ValueError(refusal(words, fields, prog) or f"{prog} cannot read these words: {reason}.")


def _shown(kind: Any, default: Any, text: str, usual: Any) -> Any:
    """How the help shows an option: what it takes, and its default, the usual one where that is not said, or none."""
    plain = [each for each in get_args(kind) if each is not type(None)]
    takes = KINDS.get(plain[0]) if type(None) in get_args(kind) and len(plain) == 1 else None
    hint = f"(default: {usual})" if usual is not None else "" if default in (None, ()) else None
    return tyro.conf.arg(help=text, metavar=takes, help_behavior_hint=hint)


def _default(default: Any) -> dict[str, Any]:
    return {} if default is inspect.Parameter.empty else {"default": default}


def about(function: Callable[..., Any]) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(function) or "").split("\n\n")[0]


def data_options(pairs: Sequence[str], size: int | None, given: str | None = None) -> dict[str, Any]:
    """The options of ``load`` from the command line.

    Args:
        pairs: Words such as fold=3, skip_corrupt=true or label=class.
        size: The option ``size``, which has a name of its own.
        given: The option ``given``, which has one too.

    Returns:
        Keywords of ``load``: true and false as such, numbers as numbers, anything else as text.
    """
    options: dict[str, Any] = {} if size is None else {"size": size}
    if given is not None:
        options["given"] = given
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
