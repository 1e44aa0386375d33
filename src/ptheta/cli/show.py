"""``ptheta models``, ``data`` and ``figure``: what there is."""

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.options import call
from ptheta.cli.train import say
from ptheta.taxonomy import leaves

__all__ = ["data", "figure", "models"]


def models(words: Sequence[str]) -> None:
    """Runs ``ptheta models``.

    Args:
        words: What was typed after ``models``.
    """
    call(_models, words, "ptheta models")


def data(words: Sequence[str]) -> None:
    """Runs ``ptheta data``.

    Args:
        words: What was typed after ``data``.
    """
    call(_data, words, "ptheta data")


def figure(words: Sequence[str]) -> None:
    """Runs ``ptheta figure``.

    Args:
        words: What was typed after ``figure``.
    """
    call(_figure, words, "ptheta figure")


def _models(json: bool = False) -> None:
    """Prints the family tree: what each model knows of log p(x), how it samples, on what events.

    Args:
        json: Prints one JSON object instead.
    """
    if json:
        rows = [{**asdict(leaf), "path": list(path)} for path, leaf in leaves()]
        say(jsonlib.dumps({"models": rows}, indent=1))
        return
    above: tuple[str, ...] = ()
    for path, leaf in leaves():
        for depth, word in enumerate(path):
            if path[: depth + 1] != above[: depth + 1]:
                say("  " * depth + word)
        above = path
        say(f"      {leaf.name:<18} {leaf.title}")
        say(f"      {'':<18} log p: {leaf.score}; sampling: {leaf.sampling}; {', '.join(leaf.spaces)}")
        say(f"      {'':<18} {leaf.reference}, {leaf.link}")
    say("\nnext:  ptheta fit nade --help    ptheta compare digits")


def _data(
    name: Positional[str] = "",
    json: bool = False,
    out: Path | None = None,
    size: int | None = None,
    data_options: tuple[str, ...] = (),
) -> None:
    """Says what a data set is: its space, its splits, what was done to it; and draws it. Without a name, lists all.

    Args:
        name: A data set's name, or a path to images, .npy, .npz, .csv or .txt.
        json: Prints one JSON object instead.
        out: Where to draw a picture of it; a .png file.
        size: Resizes the pictures of a folder to this height and width.
        data_options: More options of the data, such as fold=3, label=class, skip_corrupt=true.
    """
    from ptheta.data import NAMES, load

    if not name:
        listing = {known: entry.about for known, entry in NAMES.items()}
        say(jsonlib.dumps({"data": listing}) if json else "\n".join(f"{k:<18} {v}" for k, v in listing.items()))
        return
    loaded = load(name, **options.data_options(data_options, size))
    facts = loaded.describe()
    if out is not None:
        from ptheta.report.pictures import picture

        out.write_bytes(picture(loaded.train.some(100).x, loaded.space))
        facts["picture"] = str(out)
    if json:
        say(jsonlib.dumps(facts, indent=1))
        return
    for key, value in facts.items():
        say(f"{key:<14} {_plainly(value)}")
    say(f"next:  ptheta compare {name}")


def _plainly(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v:.6g}" for k, v in value.items())
    if isinstance(value, list):
        return ("\n" + " " * 15 if any(" " in v for v in value) else ", ").join(value) or "none"
    return str(value)


def _figure(name: Positional[str] = "", out: Path | None = None) -> None:
    """Draws a figure of the theory, computed afresh. Without a name, lists all.

    Args:
        name: The figure's name.
        out: The file, .png, .svg or .pdf; by default <name>.png.
    """
    from ptheta.report.figures import FIGURES, draw

    if not name:
        for known, text in FIGURES.items():
            say(f"{known:<24} {text}")
        return
    out = out or Path(f"{name}.png")
    draw(name, out)
    say(f"{name}: {out}")
