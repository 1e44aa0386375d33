"""What may be said of a recipe's dials: numbers in their range, and none that changes nothing.

A whole number counts something, so it is at least one; any other number is a weight, a rate or a width, zero or more
and finite. The few that may be less stand in ``LEAST``. Whether a dial that was turned changes anything on these events
is seen by building the recipe with it and without it: what models and trainings are made of is compared part by part.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import signature
from typing import Any, Literal, get_args, get_origin

from ptheta.recipes import Recipe, find_recipe

__all__ = ["LEAST", "parts", "require_in_range", "require_telling"]

LEAST: dict[str, int] = {
    **dict.fromkeys(("parents", "halvings", "reach", "numbers", "labels", "label_seed", "rate_warmup"), 0),
    "aae.clusters": 0,  # none but the classes given
    "boltzmann.hidden": 0,  # visible units alone
    "dbm.pretraining": 0,  # none
    "ddpm.sampling_steps": 0,  # all steps of the model itself
    "progressive-gan.growth": 0,  # full-grown from the start
    "rnn-nade.hidden": 0,  # frames whose variables are independent
}


def require_in_range(name: str, dials: Mapping[str, Any]) -> None:
    """Refuses numbers that no model can be built with.

    Args:
        name: The recipe's name.
        dials: Its dials.

    Raises:
        ValueError: Names the first dial out of its range.
    """
    for dial, value in dials.items():
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, bool) or not isinstance(each, int | float):
                continue
            least = LEAST.get(f"{name}.{dial}", LEAST.get(dial, 1 if isinstance(each, int) else 0))
            if not least <= each < math.inf:
                option = f"--{dial.replace('_', '-')}"
                raise ValueError(f"{option} of {name} should be {least} or more, but it is {value}.")


def require_telling(name: str, make: Callable[[dict[str, Any]], Recipe], dials: dict[str, Any], on: object) -> None:
    """Refuses dials that change nothing on these events, whatever they are turned to.

    Args:
        name: The recipe's name.
        make: Builds the recipe from dials, its weights always drawn under the same seed.
        dials: Those that were turned.
        on: What events are, for messages.

    Raises:
        ValueError: Names the first dial that tells nothing.
    """
    turned = list(parts(make(dials)))
    annotations = {p.name: p.annotation for p in signature(find_recipe(name)).parameters.values()}
    for dial, value in dials.items():
        rest = {other: held for other, held in dials.items() if other != dial}
        tried = [rest, *({**rest, dial: other} for other in _others(annotations.get(dial), value))]
        if all(_same(make, each, turned) for each in tried):
            option = f"--{dial.replace('_', '-')}"
            raise ValueError(f"{option} changes nothing in {name} on events of {on}: leave it out.")


def _same(make: Callable[[dict[str, Any]], Recipe], dials: dict[str, Any], turned: list[Any]) -> bool:
    """Whether dials build what is there already; those that cannot be built do not."""
    try:
        return list(parts(make(dials))) == turned
    except ValueError:
        return False


def _others(annotation: Any, value: Any) -> list[Any]:
    """Other values that a dial could have: one that is the default by chance tells nothing, and may be said."""
    for kind in (annotation, *get_args(annotation)):
        if get_origin(kind) is Literal:
            return [choice for choice in get_args(kind) if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, tuple | list):
        return [(*value, 2)]
    return [2 * value + 1, value + 2] if isinstance(value, int | float) else []


def parts(thing: Any) -> Iterator[Any]:
    """All that a recipe is made of, flat: classes, numbers, names, and the values of tensors."""
    yield from _parts("", thing, set())


def _parts(place: str, thing: Any, seen: set[int]) -> Iterator[Any]:
    import torch

    if thing is None or isinstance(thing, str | bytes | int | float | complex | type):
        yield place, type(thing), repr(thing)
        return
    if isinstance(thing, torch.Tensor):
        values = thing.detach().reshape(-1)[:1000]
        yield place, tuple(thing.shape), thing.dtype, thing.requires_grad, values.tolist()
        return
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield place, type(thing).__qualname__
    for name, held in _inside(thing):
        yield from _parts(f"{place}.{name}", held, seen)


def _inside(thing: Any) -> list[tuple[Any, Any]]:
    """What a thing holds, by name."""
    if isinstance(thing, Mapping):
        return list(thing.items())
    if isinstance(thing, tuple | list | set | frozenset):
        return list(enumerate(thing))
    if isinstance(thing, partial):
        return [("function", thing.func), ("arguments", thing.args), ("keywords", thing.keywords)]
    if hasattr(thing, "__self__"):
        return [("of", thing.__self__), ("name", thing.__name__)]
    if hasattr(thing, "__code__"):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        return [("code", thing.__qualname__), ("defaults", thing.__defaults__), ("closure", cells)]
    held = dict(getattr(thing, "__dict__", {}))
    for kind in type(thing).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(thing, name):
                held[name] = getattr(thing, name)
    return list(held.items())
