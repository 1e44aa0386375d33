"""What a model offers and how it is used, found out from its protocols, its signatures and its recipe."""

import inspect
import re
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

import ptheta
from docstrings import before_arguments, summary
from ptheta import Binary, Classes, Column, Levels, Real, Symbols, Table
from ptheta.cli.options import documented
from ptheta.distributions.dequantized import Dequantization
from ptheta.model import Distribution, Trained
from ptheta.protocols import HasComplete, HasImportanceBound, HasPseudoLikelihood, HasTranslate
from ptheta.recipes import find_recipe
from ptheta.taxonomy import Leaf, leaves

__all__ = ["offers", "source", "type_of", "usage"]

KINDS = {
    "binary": lambda shape: Binary(shape),
    "levels": lambda shape: Levels(shape, 4),
    "symbols": lambda shape: Symbols(shape, 3),
    "real": lambda shape: Real(shape),
    "table": lambda shape: Table(tuple(Column(f"c{i}", "number") for i in range(shape[-1]))),
}
SHAPES = {(6,): "of any shape", (2, 3): "as (frames, variables)", (1, 16, 16): "as images (channels, height, width)"}
DATA = {  # to show the command line with: the first that a model takes
    "digits": Levels((1, 8, 8), 17),
    "digits-binary": Binary((1, 8, 8)),
    "bars": Binary((1, 4, 4)),
    "jsb": Binary((32, 88)),
    "adult": Table((Column("age", "whole"), Column("sex", "category", ("Female", "Male")))),
}
CONTINUOUS, DOMAINS = "moons", "shapes-styles"
DATA[DOMAINS] = Levels((3, 16, 16), 256)
LEAVES = {leaf.name: leaf for _, leaf in leaves()}
SCORES = {
    "exact": "exact, in nats: `log_prob(x)`",
    "lower bound": "a lower bound, in nats: `elbo(x)`",
    "exact or estimate": "up to a constant: `energy(x)`. `log_partition()` enumerates that constant on small machines, "
    "and estimates it with an error on larger ones",
    "none": "none: the model is implicit, it can only be sampled",
}
SAMPLING = {
    "parallel": "in parallel, all variables at once",
    "serial": "serial, one variable after the other",
    "chain": "by a chain of steps, all variables at once",
    "none": "none: the model is a map",
}


def needed(leaf: Leaf) -> Any:
    """What must be given to it, or None."""
    return {"needed": Classes(3), "needed classes": Classes(2)}.get(leaf.contexts)


def type_of(leaf: Leaf) -> Any:
    """The class of a leaf."""
    module, name = leaf.model.split(":")
    return getattr(import_module(f"ptheta.{module}"), name)


def source(module: str) -> str:
    """The file of a module, from where the pages are."""
    return f"../../src/{module.replace('.', '/')}.py"


@cache
def built(name: str, kind: str, shape: tuple[int, ...], context: Any = None) -> Any:
    """What a recipe makes of a small space, or None where it refuses; given classes where it needs something."""
    with suppress(ValueError):
        return find_recipe(name)(KINDS[kind](shape), context or needed(LEAVES[name])).model
    return None


# What it offers


def offers(leaf: Leaf) -> str:
    """What can be done with a model, as a list."""
    kind = type_of(leaf)
    draws, arguments = parameters_of(kind), documented(kind)
    shape = next(shape for shape in SHAPES if any(built(leaf.name, k, shape) for k in leaf.spaces))
    lines = {
        "Events": f"{', '.join(leaf.spaces)}, {SHAPES[shape]}",
        "log p": scored(leaf),
        "Sampling": sampled(leaf),
        "Contexts": contexts(leaf),
    }
    if "temperature" in draws:
        lines["Temperature"] = f"`sample(n, temperature=1.0)`. {documented(kind.sample)['temperature']}"
    if issubclass(kind, HasComplete):
        lines["Completion"] = f"`complete(x, mask)`. {before_arguments(kind.complete)}"
    for name in {"order", "orders"} & set(arguments):
        lines["Order"] = f"`{name}=` of the class. {arguments[name]}"
    if "pixel_order" in inspect.signature(find_recipe(leaf.name)).parameters:
        lines["Order"] = f"{lines.get('Order', '')} Pixels: `--pixel-order`".strip()
    encode, decode = getattr(kind, "encode", None), getattr(kind, "decode", None)
    if encode and decode:
        lines["Code"] = f"`encode(x)`: {summary(encode)} `decode(z)`: {summary(decode)}"
    if issubclass(kind, HasTranslate):
        lines["Translation"] = f"`translate(x, target)`. {before_arguments(kind.translate)}"
    if issubclass(kind, HasPseudoLikelihood):
        lines["Pseudo-likelihood"] = f"`pseudo_log_likelihood(x)`. {summary(kind.pseudo_log_likelihood)}"
    return "\n".join(f"- **{name}:** {text.replace('``', '`').rstrip('.')}." for name, text in lines.items())


def parameters_of(kind: Any) -> Any:
    """What its sampler takes; nothing where it is a map."""
    return inspect.signature(kind.sample).parameters if issubclass(kind, Distribution) else {}


def scored(leaf: Leaf) -> str:
    """What the model knows of log p(x), and by which method."""
    text = SCORES[leaf.score]
    if leaf.sampling == "none":
        return "none: a map gives a code or a counterpart of each event, no probability"
    if issubclass(type_of(leaf), HasImportanceBound):
        text += "; a tighter one, with k draws: `importance_bound(x, k)`"
    if is_dequantised(leaf):
        link = f"[dequantised]({source('ptheta.distributions.dequantized')})"
        text += f". Binary and levels are {link}, which makes it a lower bound on their log-probability: `elbo(x)`"
    return text


def is_dequantised(leaf: Leaf) -> bool:
    """Whether it is a model of reals, which meets levels and bits dequantised."""
    return any(isinstance(built(leaf.name, "levels", shape), Dequantization) for shape in SHAPES)


def sampled(leaf: Leaf) -> str:
    """How it samples, and what a call may choose."""
    text, draws = SAMPLING[leaf.sampling], parameters_of(type_of(leaf))
    if "method" in draws:
        text += f"; `method` is {one_of(choices(draws['method'].annotation))}: all draw the same events"
    if "steps" in draws:
        text += f"; `sample(n, steps={draws['steps'].default})`"
    return text


def contexts(leaf: Leaf) -> str:
    """Which contexts the recipe takes, found by offering it some."""

    def taken(context: Any) -> bool:
        return any(built(leaf.name, kind, shape, context) is not None for kind in leaf.spaces for shape in SHAPES)

    if taken(Real((2,))):
        return "events of any space: a class, a vector, an image"
    if leaf.contexts == "needed classes":
        return "the classes between which it maps"
    return "classes, each with numbers of its own" if taken(Classes(2)) else "none"


def choices(annotation: Any) -> list[str]:
    """The words that an annotation allows, such as Literal["a", "b"] | None."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    return [word for part in get_args(annotation) for word in choices(part)]


def one_of(words: list[str]) -> str:
    """Words as a choice."""
    return ", ".join(f"`{word}`" for word in words[:-1]) + f" or `{words[-1]}`"


# How to use it


def usage(leaf: Leaf) -> str:
    """The command line, an example in Python, and the recipe's dials."""
    data = shown_data(leaf)
    ending = "csv" if data in (CONTINUOUS, "adult") else "png" if len(DATA[data].shape) == 3 else "npy"
    given = " --conditional" if leaf.contexts.startswith("needed") else ""
    lines = [f"ptheta fit {leaf.name} --data {data}{given} --out runs/{leaf.name}", f"ptheta evaluate runs/{leaf.name}"]
    if leaf.sampling != "none":
        lines.append(f"ptheta sample runs/{leaf.name} -n 64 --out samples.{ending}")
    if issubclass(type_of(leaf), HasTranslate):
        lines.append(f"ptheta translate runs/{leaf.name} --to filled --out filled")
    commands = "\n".join(("```bash", *lines, "```"))
    known = f'`ptheta.recipes.find_recipe("{leaf.name}")(data.space)` gives a known-good model and its training.'
    return f"{commands}\n\n{example(leaf)}\n\n`model.fit(data)` fits it; {known}\n\n{dials(leaf)}"


def shown_data(leaf: Leaf) -> str:
    """A data set that the model takes; it needs no download if there is such a one."""
    if is_dequantised(leaf) or leaf.spaces == ("real",):
        return CONTINUOUS
    if leaf.contexts == "needed classes":
        return DOMAINS
    for name, space in DATA.items():
        with suppress(ValueError):
            find_recipe(leaf.name)(space, needed(leaf))
            return name
    raise ValueError(f"{leaf.name} takes none of {', '.join(DATA)}.")


def example(leaf: Leaf) -> str:
    """The example of the class, or of the recipe where an earlier leaf of the same class has shown that."""
    kind = type_of(leaf)
    if next(other.name for _, other in leaves() if other.model == leaf.model) == leaf.name:
        text = inspect.cleandoc("\n" + (inspect.getdoc(kind) or "").split("Example:\n")[1])
        asked = "".join(re.findall(r"^(?:>>>|\.\.\.) .*", text, re.MULTILINE))
        public = "ptheta" if kind.__name__ in ptheta.__all__ else f"ptheta.{leaf.model.split(':')[0]}"
        torch = ">>> import torch\n" if "torch." in asked else ""
        head, rest = text.split("\n", 1)
        others = head.removeprefix(f">>> from {public} import ").split(", ")
        names, text = (others, rest) if head.startswith(f">>> from {public} import ") else ([], text)
        return f"```pycon\n{torch}>>> from {public} import {', '.join(sorted([*names, kind.__name__]))}\n{text}\n```"
    space, given = DATA.get(shown_data(leaf), Real((2,))), needed(leaf)
    lines = [
        *(["import torch"] if given else []),
        f"from ptheta import {', '.join(sorted(('Noise', type(space).__name__, *(['Classes'] if given else []))))}",
        "from ptheta.recipes import find_recipe",
        f'model = find_recipe("{leaf.name}")({space!r}{", Classes(3)" if given else ""}).model',
        f"model.sample(3, {'torch.tensor([0, 1, 2]), ' if given else ''}noise=Noise(0)).shape",
    ]
    shape = f"torch.Size({[3, *space.shape]})"
    return "```pycon\n" + "\n".join(f">>> {line}" for line in lines) + f"\n{shape}\n```"


def dials(leaf: Leaf) -> str:
    """The recipe's options: name, default, meaning."""
    recipe = find_recipe(leaf.name)
    texts, lines = documented(recipe), []
    for p in inspect.signature(recipe).parameters.values():
        if p.kind is not p.KEYWORD_ONLY:
            continue
        words, option = choices(p.annotation), p.name.replace("_", "-")
        default = " ".join(map(str, p.default)) if isinstance(p.default, tuple) else p.default
        shown = f"`--{option}`" + (f" or `--no-{option}`" if isinstance(default, bool) else "")
        meaning = texts[p.name].replace("``", "`") + (f" One of {one_of(words)}." if words else "")
        lines.append(f"| {shown} | {'' if default is None else f'`{default}`'} | {meaning} |")
    table = "\n".join(["| dial | default | meaning |", "| --- " * 3 + "|", *lines])
    if not issubclass(type_of(leaf), Trained):
        rest = "It is fitted in closed form or by EM, so the options of training do not apply."
    elif lines:
        rest = f"`ptheta fit {leaf.name} --help` lists them beside the options of training."
    else:
        rest = f"`ptheta fit {leaf.name} --help` lists the options of training."
    return f"{table}\n\n{rest}" if lines else f"It has no dials of its own. {rest}"
