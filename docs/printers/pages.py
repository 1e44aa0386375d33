"""Prints a page of documentation for every model of the family tree, and their index: docs/models/.

A page is the leaf of the tree, the docstring of the model's module (its lecture), what signatures and protocols say,
the recipe's dials, the model's measured rows and speeds, and a picture of samples if there is one.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import measured
import speed
from docstrings import markdown, references, sections
from inspection import offers, source, type_of, usage
from places import DOCS
from ptheta.papers import ROWS
from ptheta.taxonomy import Leaf, leaves

PICTURES = DOCS / "pictures"
LEAVES = {leaf.name: leaf for _, leaf in leaves()}
MORE = {  # lectures beside that of the class
    "gan": ("ptheta.adversarial.games", "ptheta.adversarial.penalties"),
    "dcgan": ("ptheta.nn.dcgan",),
    "rbm": ("ptheta.energy.gaussian_rbm",),
    "f-gan": ("ptheta.adversarial.games", "ptheta.distributions.fdivergences"),
    "wgan-gp": ("ptheta.adversarial.games", "ptheta.adversarial.penalties"),
    "r3gan": ("ptheta.adversarial.games", "ptheta.adversarial.penalties"),
}
ALIASES = {  # other names of models, in benchmarks
    "nsf": "spline-flow",
    "gatedpixelcnn": "gated-pixelcnn",
    "pixelcnnpp": "pixelcnn-pp",
    "pixelrnn-row": "row-lstm",
    "pixelrnn-diag": "diagonal-bilstm",
}


def pages() -> dict[str, str]:
    """Every page, under the name of its file."""
    return {"README.md": index(), **{f"{leaf.name}.md": page(path, leaf) for path, leaf in leaves()}}


def page(path: tuple[str, str, str], leaf: Leaf) -> str:
    """The page of a model."""
    lecture, limits, read_more = taught(leaf)
    parts = [
        f"# `{leaf.name}`: {leaf.title}",
        head(path, leaf),
        picture(leaf.name),
        f"## The model\n\n{lecture}",
        f"## What it offers\n\n{offers(leaf)}",
        f"## How to use it\n\n{usage(leaf)}",
        f"## Measured\n\n{numbers(leaf.name)}",
        f"## Known limits\n\n{limits}" if limits else "",
        f"## References\n\n{read_more}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def head(path: tuple[str, str, str], leaf: Leaf) -> str:
    """Where the model stands in the tree, where it was published, where its code is."""
    ours = [c for c in type_of(leaf).__mro__ if c.__module__.startswith("ptheta.") and c.__module__ != "ptheta.model"]
    links = [f"[`{c.__name__}`]({source(c.__module__)})" for c in ours]
    base = f", built on {' and '.join(links[1:])}" if links[1:] else ""
    family = f"[{path[2]}](README.md#{path[2].replace(' ', '-')})"
    return f"{path[0]} > {path[1]} > {family}: [{leaf.reference}]({leaf.link}). The code is {links[0]}{base}."


def taught(leaf: Leaf) -> tuple[str, str, str]:
    """The lecture, the known limits and the references of a model, from docstrings, in Markdown."""
    modules = [type_of(leaf).__module__, *MORE.get(leaf.name, ())]
    found = [sections(import_module(module).__doc__ or "") for module in modules]
    lecture = "\n\n".join(markdown(part["lecture"]) for part in found)
    limits = "\n\n".join(markdown(part["Known limits"]) for part in found if "Known limits" in part)
    items = [item for part in found for item in references(part.get("References", ""))]
    return lecture, limits, "\n".join(dict.fromkeys(items)) or f"- [{leaf.reference}]({leaf.link})"


# Measured, and drawn


@cache
def answers() -> tuple[measured.Measured, ...]:
    """The measured rows of all models."""
    return tuple(measured.rows())


def numbers(name: str) -> str:
    """The model's rows, what they are, what else they found, what is not measured yet, and speeds."""
    mine = [one for one in answers() if one.row.model == name]
    table = measured.table(mine) if mine else "No row of a paper's table was measured for this model."
    parts = [table, explained(mine), f"Further numbers:\n\n{found}" if (found := measured.further(mine)) else ""]
    seen = [one.row for one in mine]
    waiting = [row for row in ROWS.values() if row.model == name and row not in seen and row.small not in seen]
    if waiting:
        named = ", ".join(f"`ptheta reproduce {row.name}` ({row.paper:g}, {row.pass_text})" for row in waiting)
        parts.append(f"Not measured yet (in brackets the paper's number or the anchor, and the pass line): {named}.")
    return "\n\n".join(part for part in [*parts, *speeds(name)] if part)


def explained(mine: list[measured.Measured]) -> str:
    """What the rows measure, on which data, and how far they are the paper's."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in (one.row for one in mine):
        found.setdefault((row.unit, row.source), {})[row.name] = row.data
    return "\n".join(
        f"- {', '.join(f'`{name}`' for name in data)}: {unit}; on {', '.join(dict.fromkeys(data.values()))}. {text}"
        for (unit, text), data in found.items()
    )


def speeds(name: str) -> Iterator[str]:
    """The table of speed, cut to a model's lines."""
    heading, rule, *lines = speed.table().splitlines()
    mine = [line for line in lines if owner(cell(line)) == name]
    if mine:
        yield "\n".join([heading, rule, *mine])


def cell(line: str) -> str:
    """The first cell of a line of a table."""
    return line.split("|")[1].strip()


def owner(text: str) -> str | None:
    """The model that a picture or a line of a table is of: the longest name that its words begin with."""
    known = {**{name: name for name in LEAVES}, **ALIASES}
    found = [name for name in known if re.match(rf"{re.escape(name)}(?![a-z])", text.lower())]
    return known[max(found, key=len)] if found else None


def picture(name: str) -> str:
    """A picture of samples, if there is one; that of the digits of MNIST before others."""
    mine = {p.stem.removeprefix(f"{name}-"): p for p in sorted(PICTURES.glob("*.png")) if owner(p.stem) == name}
    data = next((d for d in ("binarized-mnist", "mnist", *mine) if d in mine), None)
    if data is None:
        return ""
    caption = f"Samples of `{name}` fitted to `{data}`"
    note = "Draws of the model, no means; if there are several panels, each has its title."
    text = f"![{caption.replace('`', '')}](../pictures/{mine[data].name})"
    return f"{text}\n\n*{caption}: {budget(mine[data].stem)}. {note}*"


def budget(stem: str) -> str:
    """What the fit behind a picture cost: that of the row of the same name, whose run it is of."""
    found = next((one for one in measured.rows() if one.name.split(",")[0] == stem), None)
    if found is None:
        raise ValueError(f"docs/pictures/{stem}.png is of no row that was run, so nobody knows what it cost.")
    result = next(iter(found.results.values()))
    seconds = result.get("cpu_seconds")
    if seconds is None:
        took = "its time was not counted"
    else:
        took = f"{seconds:.0f} CPU seconds" if seconds < 120 else f"{seconds / 60:.0f} CPU minutes"
    version = f", {result['version']}" if found.is_smaller else ""
    return f"the row `{stem}`{version}, {took}"


# The index


def index() -> str:
    """The list of pages by branch of the tree."""
    lines = [
        "# The models",
        "",
        "A page for every model that `ptheta models` lists: its mathematics, what it offers, how to use it, what was",
        "measured, its known limits. `make docs` prints them from docstrings, signatures and `benchmarks/results/`.",
        "What all models share is in the [README](../../README.md).",
    ]
    above: tuple[str, ...] = ()
    for path, leaf in leaves():
        if path[:2] != above[:2]:
            lines += ["", f"## {path[0]}, {path[1]}"]
        if path != above:
            lines += [
                "",
                f"### {path[2]}",
                "",
                "| model | what it is | log p | sampling | events | measured |",
                "| --- " * 6 + "|",
            ]
        above = path
        link = f"[`{leaf.name}`]({leaf.name}.md)"
        cells = (link, leaf.title, leaf.score, leaf.sampling, ", ".join(leaf.spaces), reached(leaf.name))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def reached(name: str) -> str:
    """How many of the model's measured rows reach their line."""
    mine = [not one.missed for one in answers() if one.row.model == name]
    if not mine:
        return ""
    missed = f", **{len(mine) - sum(mine)} missed**" if not all(mine) else ""
    return f"{sum(mine)} {'row' if sum(mine) == 1 else 'rows'} reached{missed}"
