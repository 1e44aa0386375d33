"""Why words cannot be read as options, in one sentence: the option, what it takes, and the nearest right word.

Tyro reads the words; only when it refuses them are they walked through again, to say what is wrong. So this decides
nothing: a command that tyro takes is never refused here.
"""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Union, final, get_args, get_origin

import tyro

from ptheta.hints import did_you_mean

__all__ = ["lone_list", "refusal"]

NUMBERS: dict[Any, tuple[Callable[[str], Any], str, str]] = {  # how each is read, one of it, several
    int: (int, "a whole number", "whole numbers"),
    float: (float, "a number", "numbers"),
}
WORDS = {Path: ("a path", "paths"), str: ("a word", "words")}


@final
@dataclass(frozen=True)
class _Option:
    """What one option takes.

    ``kind`` is the type of a value, None of a switch; ``many`` says that several follow one another.
    """

    name: str
    kind: Any
    choices: tuple[str, ...]
    many: bool
    or_none: bool
    positional: bool
    required: bool
    help: str

    @property
    def short(self) -> tuple[str, ...]:
        """Another spelling: an option of one letter also stands behind one dash."""
        return (self.name[1:],) if len(self.name) == 3 else ()

    @property
    def takes(self) -> str:
        """What the option takes, in words."""
        if self.choices:
            return f"{'some' if self.many else 'one'} of {', '.join(self.choices)}"
        _, one, several = NUMBERS.get(self.kind, (None, *WORDS.get(self.kind, ("a value", "values"))))
        return several if self.many else one

    def fault(self, value: str, said: str | None = None) -> str | None:
        """What is wrong with a value of the option, which was ``said`` so, or None."""
        name = said or self.name
        if self.or_none and value == "None":
            return None
        came = f"{'one' if self.many else 'it'} is {value!r}"
        if self.choices and value not in self.choices:
            return f"{name} should be {self.takes}, but {came}.{did_you_mean(value, self.choices)}"
        if self.kind in NUMBERS:
            try:
                NUMBERS[self.kind][0](value)
            except ValueError:
                return f"{name} should be {self.takes}, but {came}."
        return None


def refusal(words: Sequence[str], fields: Mapping[str, tuple[Any, Any, str]], prog: str) -> str | None:
    """Says what is wrong with the words.

    Args:
        words: What was typed.
        fields: Each option: its type, its default and its help.
        prog: How the command is called in messages.

    Returns:
        The first fault as a sentence, or None where none is found.
    """
    return next(_faults(list(words), [_option(name, *field) for name, field in fields.items()], prog), None)


def lone_list(words: Sequence[str], fields: Mapping[str, tuple[Any, Any, str]]) -> str | None:
    """Says which option of several words was given none, which tyro takes for an empty list; None if there is none."""
    for option in (_option(name, *field) for name, field in fields.items()):
        for word, after in pairwise([*words, "--"]):
            if option.many and word.replace("_", "-") == option.name and after.startswith("--"):
                return f"{word} needs {option.takes} after it."
    return None


def _faults(words: list[str], options: list[_Option], prog: str) -> Iterator[str]:
    """The faults in the order of the words."""
    flags = {flag: o for o in options if not o.positional for flag in (o.name, *o.short)}
    switches = {o.name.replace("--", "--no-", 1): o for o in options if o.kind is None}
    places, ended = [o for o in options if o.positional], False
    loose = words[0] if words and "--data" in flags else None
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-") if flag.startswith("--") else flag
        option = None if ended else flags.get(flag) or switches.get(flag)
        if word == "--" and not ended:
            ended = True
        elif option is not None and option.kind is None:
            if equals:
                yield f"{flag} stands alone and takes no value, but {value!r} was given."
        elif option is not None:
            values = [value] if equals else []
            while words and not _is_flag(words[0], flags) and (option.many or not values):
                values.append(words.pop(0))
            if not values:
                yield f"{flag} needs {option.takes} after it."
            yield from filter(None, (option.fault(value, flag) for value in values))
        elif not ended and _is_flag(word, flags):
            names = ["--help", *(o.name for o in options if not o.positional), *switches]
            near = did_you_mean(flag, names) or f" See {prog} --help."
            yield f"{prog} has no option {flag}.{near}"
        elif places:
            yield from filter(None, [places.pop(0).fault(word)])
        else:
            what = "takes no more words" if any(o.positional for o in options) else "takes options only"
            near = f" Did you mean --data {word}?" if word is loose else ""
            yield f"{prog} {what}, but {word!r} was given.{near} See {prog} --help."
    for option in places:
        if option.required:
            yield f"{prog} needs {option.name}: {option.help} See {prog} --help."


def _is_flag(word: str, flags: Mapping[str, _Option]) -> bool:
    """Whether a word is an option and no value: a negative number is a value."""
    name = word.partition("=")[0]
    if name in flags or word == "--":
        return True
    negative = name[1:2].isdigit() or name[1:2] == "." or name[1:].lower() in ("inf", "infinity", "nan")
    return name.startswith("--") or (name.startswith("-") and len(name) > 1 and not negative)


def _option(name: str, annotation: Any, default: Any, text: str) -> _Option:
    positional = False
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
        positional = any(mark in get_args(tyro.conf.Positional[Any]) for mark in marks)
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    or_none, kinds = type(None) in kinds, [kind for kind in kinds if kind is not type(None)]
    kind, many = kinds[0], get_origin(kinds[0]) is tuple
    kind = get_args(kind)[0] if many else kind
    choices = tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()
    shown = name.upper() if positional else f"--{name}".replace("_", "-")
    required = default is Parameter.empty
    return _Option(shown, None if kind is bool else kind, choices, many, or_none, positional, required, text)
