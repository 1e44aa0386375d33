"""Prints docs/settings.md: what recipes build for events of several kinds and sizes, and what each dial changes."""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from inspection import needed
from ptheta.recipes import Recipe, find_recipe
from ptheta.runs import build
from ptheta.spaces import Binary, Classes, Column, Levels, Real, Space, Symbols, Table
from ptheta.taxonomy import Leaf, leaves

__all__ = ["by_dials", "by_events", "page", "told"]

EVENTS: dict[str, Space] = {
    "bits": Binary((6,)),
    "digits": Levels((1, 8, 8), 17),
    "two reals": Real((2,)),
    "rows": Table((Column("age", "whole"), Column("sex", "category", ("F", "M")), Column("height", "number"))),
    "text": Symbols((64,), 27),
    "frames": Binary((16, 40)),
    "binarized MNIST": Binary((1, 28, 28)),
    "photographs": Levels((1, 16, 16), 64),
    "one real": Real((1,)),
    "43 reals": Real((43,)),
    "300 reals": Real((300,)),
}
GIVEN: tuple[Space | None, ...] = (None, Classes(3), Classes(2), Levels((1, 8, 8), 4))
BESIDE: dict[str, dict[str, Any]] = {  # what else is turned, where a dial means something beside it only
    "vae.width": {"network": "conv"},
    "vae.components": {"prior": "mixture"},
    "next-frame.gradient_penalty": {"adversarial": 1.0},
}
MOST = 10  # values of a tuple that are spelt out
UNSEEN = ("space", "context_space")
ABOUT = """# What recipes choose

A recipe builds a model for the events that it is given and says how to train it. `make docs` builds each of them for
events of several kinds and sizes, and prints what it built: what differs from the defaults of a class stands behind its
name. Nothing is trained here.

{events}

## By events

| recipe | events (weights) | model | training |
| --- | --- | --- | --- |
{chosen}

## By dials

What becomes different when one dial is turned, on the first of the events above (given nothing, if possible) where that
tells. A dial that shows here by nothing but what is computed says so.

| recipe | dial | what becomes different |
| --- | --- | --- |
{turned}
"""


def page() -> str:
    """The page."""
    events = "\n".join(f"- {name}: {space}" for name, space in EVENTS.items())
    chosen = "\n".join(line for _, leaf in leaves() for line in by_events(leaf))
    turned = "\n".join(line for _, leaf in leaves() for line in by_dials(leaf))
    return ABOUT.format(events=events, chosen=chosen, turned=turned)


def by_events(leaf: Leaf) -> Iterator[str]:
    """A line for all events for which a recipe chooses the same."""
    found: dict[str, list[str]] = {}
    for name, space in EVENTS.items():
        if told := _described(leaf.name, space, needed(leaf)):
            found.setdefault(f"{told['model']} | {told['training']}", []).append(f"{name} ({told['weights']})")
    for text, names in found.items():
        yield f"| `{leaf.name}` | {', '.join(names)} | {text} |"


def by_dials(leaf: Leaf) -> Iterator[str]:
    """A line for each dial, and for each word that it may be turned to."""
    for p in inspect.signature(find_recipe(leaf.name)).parameters.values():
        if p.kind is not p.KEYWORD_ONLY:
            continue
        option = f"--{p.name.replace('_', '-')}"
        words = any(get_origin(kind) is Literal for kind in (p.annotation, *get_args(p.annotation)))
        for values in [[value] for value in _others(p)] if words else [_others(p)]:
            text, value = _first_difference(leaf, p.name, values)
            said = " ".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
            yield f"| `{leaf.name}` | `{option} {said}` | {text} |"


def _first_difference(leaf: Leaf, dial: str, values: list[Any]) -> tuple[str, Any]:
    """The first difference that a dial makes, and by which value."""
    beside, built = BESIDE.get(f"{leaf.name}.{dial}", {}), []
    for context in GIVEN:
        for space in EVENTS.values():
            for value in values:
                before = _described(leaf.name, space, context, **beside)
                after = _described(leaf.name, space, context, **beside, **{dial: value})
                if before and after and before != after:
                    return "; ".join(_changes(before, after)), value
                built += [value] if after else []
    return "what is computed", [*built, *values][0]


def _others(p: inspect.Parameter) -> list[Any]:
    """Values that a dial could be turned to."""
    kinds = [kind for kind in (p.annotation, *get_args(p.annotation)) if kind is not type(None)]
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if words:
        return [word for word in words if word != p.default]
    if bool in kinds:
        return [not p.default]
    if any(get_origin(kind) is tuple for kind in kinds):
        return [(24, 16)]
    if int in kinds:
        return [24, 16, 2] if p.default is None else [p.default + (1 if p.default % 8 else 8), 2 * p.default, 2, 3, 0]
    return [0.3] if p.default is None else [p.default + 0.25]


@cache
def _described(name: str, space: Space, context: Space | None, **dials: Any) -> dict[str, str]:
    """What the page tells of what a recipe makes, by name; nothing where it refuses."""
    leaf = next(leaf for _, leaf in leaves() if leaf.name == name)
    if leaf.against(space, context) is not None:
        return {}
    try:
        recipe = build(name, space, context, dials=dials)
    except ValueError:
        return {}
    return {"weights": _weights(recipe), "model": told(recipe.model), "training": _training(recipe)}


def _weights(recipe: Recipe) -> str:
    """How many numbers are trained."""
    return f"{sum(p.numel() for p in recipe.model.parameters()):,}" if isinstance(recipe.model, nn.Module) else "0"


def _training(recipe: Recipe) -> str:
    """How each stage is trained."""
    stages = []
    for stage in recipe.stages:
        text = ", ".join(f"{name} {told(value)}" for name, value in stage.training.items())
        stages.append(f"{stage.name}: {text}" if stage.name else text)
    return "; ".join(stages)


def told(thing: Any) -> str:
    """A thing by its class and by what its constructor was given that is not the default."""
    if isinstance(thing, float):
        return f"{thing:.4g}"
    if isinstance(thing, torch.Tensor):  # of whole numbers, such as an order; of several rows the last
        return told(thing.tolist()) if thing.dim() == 1 else f"{len(thing)} x {told(thing.flatten(1)[-1].tolist())}"
    if isinstance(thing, tuple | list):
        return " ".join(map(told, thing[:MOST])) + (" ..." if len(thing) > MOST else "")
    if isinstance(thing, nn.ModuleList):
        return f"{len(thing)} x {told(thing[0])}"
    if thing is None or isinstance(thing, str | int | torch.dtype):
        return str(thing)
    held = ", ".join(f"{name} {told(value)}" for name, value in _held(thing).items())
    return f"{type(thing).__name__} ({held})" if held else type(thing).__name__


def _held(thing: Any) -> dict[str, Any]:
    """What a thing was given that its class has no such default for, and the parts that it is made of."""
    parameters = {} if isinstance(thing, type) else inspect.signature(type(thing)).parameters
    defaults = {p.name: None if p.default is p.empty else p.default for p in parameters.values()}
    parts: dict[str, Any] = {}
    if isinstance(thing, nn.Module):
        network = type(thing).__module__.startswith("ptheta.nn")
        parts = {"normalised": "spectrally"} if any(map(is_parametrized, thing.modules())) and network else {}
        parts |= {} if network else {**dict(thing.named_buffers(recurse=False)), **dict(thing.named_children())}
        defaults = {} if network else defaults
    given = {name: value for name, value in {**vars(thing), **parts}.items() if name in defaults or name in parts}
    return {
        name: value
        for name, value in given.items()
        if name not in UNSEEN and _is_telling(value) and told(value) != told(defaults.get(name))
    }


def _is_telling(value: Any) -> bool:
    """Whether a value is a setting: a number, a word, or a thing of the library other than a space."""
    if isinstance(value, tuple | list | nn.ModuleList):
        return len(value) > 0 and all(map(_is_telling, value))
    if isinstance(value, torch.Tensor):
        whole = value.dtype == torch.int64 and value.dim() > 0 and value.numel() > 0
        return whole and value.tolist() != list(range(len(value)))  # not the order of the event itself
    if isinstance(value, Space | Column):
        return False
    return isinstance(value, str | int | float | torch.dtype) or type(value).__module__.startswith("ptheta.")


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """What is not as it was."""
    for name, text in after.items():
        if text != before[name]:
            yield f"{name} {_cut(before[name], text)}"


def _cut(before: str, after: str) -> str:
    """What stands between the words that two texts begin and end with alike."""
    a, b = before.split(" "), after.split(" ")
    head = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest = zip(reversed(a[head:]), reversed(b[head:]), strict=False)
    tail = next((i for i, (x, y) in enumerate(rest) if x != y), min(len(a), len(b)) - head)
    cut = (" ".join(words[max(head - 1, 0) : len(words) - tail]) for words in (a, b))
    return " to ".join(f"`{text}`" if text else "nothing" for text in cut)
