"""``ptheta models``, ``data`` and ``figure``: what there is."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.outputs import claim
from ptheta.cli.train import say, say_next
from ptheta.taxonomy import Leaf, leaves

__all__ = ["data", "figure", "models"]


def models(json: bool = False) -> None:
    """Prints the family tree: what each model knows of log p(x), how it samples, on what events, given what.

    Args:
        json: Prints one JSON object instead.
    """
    if json:
        rows = [{**asdict(leaf), "scores": _scores(leaf), "path": list(path)} for path, leaf in leaves()]
        say(jsonlib.dumps({"models": rows}, indent=1))
        return
    above: tuple[str, ...] = ()
    for path, leaf in leaves():
        for depth, word in enumerate(path):
            if path[: depth + 1] != above[: depth + 1]:
                say("  " * depth + word)
        above = path
        say(f"      {leaf.name:<18} {leaf.title}")
        kinds: dict[str, list[str]] = {}  # where dequantised, a bound on some and exact on others
        for kind, score in _scores(leaf).items():
            kinds.setdefault(score, []).append(kind)
        told = "; ".join(f"{score} on {', '.join(its)}" for score, its in kinds.items())
        also = [word for word, has in (("completes", leaf.completes), ("temperature", leaf.temperature)) if has]
        say(f"      {'':<18} log p: {told}")
        say(f"      {'':<18} {'; '.join([f'sampling: {leaf.sampling}', f'context: {leaf.contexts}', *also])}")
        say(f"      {'':<18} {leaf.reference}, {leaf.link}")
    say("\nnext:  ptheta fit nade --help    ptheta compare digits")


def _scores(leaf: Leaf) -> dict[str, str]:
    """What a model knows of log p, by the kind of events."""
    return {kind: leaf.score_on(kind) for kind in leaf.spaces}


def data(
    name: Positional[str] = "",
    json: bool = False,
    out: Path | None = None,
    size: int | None = None,
    given: str | None = None,
    data_options: tuple[str, ...] = (),
    force: bool = False,
) -> None:
    """Says what a data set is: its space, its splits, what was done to it; and draws it. Without a name, lists all.

    Args:
        name: A data set's name, or a path to images, .npy, .npz, .txt, or a table (.csv, .parquet, .xlsx, ...).
        json: Prints one JSON object instead.
        out: Where to draw a picture of it; a .png file.
        size: Resizes the pictures of a folder to this height and width.
        given: What is given of each event, such as half=top; of folders also pair or caption.
        data_options: More options of the data, such as fold=3, label=class, types.age=category, drop=id.
        force: Replaces a file that is there.
    """
    from ptheta.data import NAMES, load
    from ptheta.data.cautions import cautions

    if not name:
        _require_idle(out=out, size=size, given=given, data_options=data_options, force=force)
        listing = {known: entry.about for known, entry in NAMES.items()}
        say(jsonlib.dumps({"data": listing}) if json else "\n".join(f"{k:<18} {v}" for k, v in listing.items()))
        return
    if out is not None:
        if out.suffix.lower() != ".png":
            raise ValueError(f"--out should be a .png file, but it is {out}.")
        claim(out, force=force, source=name)
    loading = options.data_options(data_options, size, given)
    loaded = load(name, **loading)
    facts = {**loaded.describe(), "cautions": list(cautions(loaded).sentences)}
    if out is not None:
        from ptheta.report.pictures import save_samples

        save_samples(loaded.train.some(100).x, loaded.space, out)
        facts["picture"] = str(out)
    if json:
        say(jsonlib.dumps(facts, indent=1))
        return
    table = facts.pop("table", [])
    for key, value in facts.items():
        say(f"{key:<14} {_plainly(value)}")
    if table:
        say("\n".join(["", *_aligned(table)]))
    from ptheta.report.commands import command, data_words, source_word

    say_next(command("compare", source_word(name), *data_words(loading)))


def _require_idle(**said: object) -> None:
    """Refuses options of a thing that no name says."""
    for option, value in said.items():
        if value:
            raise ValueError(
                f"--{option.replace('_', '-')} means nothing without a name: this only lists what there is."
            )


def _plainly(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v:.6g}" for k, v in value.items())
    if isinstance(value, list):
        return ("\n" + " " * 15 if any(" " in v for v in value) else ", ").join(value) or "none"
    return str(value)


def _aligned(table: list[dict[str, Any]]) -> list[str]:
    """The columns of a table under one another: what each is, what it holds, what was done with it."""
    rows = [["column", "kind", "holds", "blank", "log p is a", "what was done"]]
    for c in table:
        share = f"{c['blank']:.1%}" if c["blank"] else ""
        rows.append([_short(c["name"], 28), c["kind"], _short(c["holds"], 60), share, c["unit"], c["done"]])
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[5]]).rstrip() for row in rows
    ]


def _short(text: str, most: int) -> str:
    """A text that takes one line of a terminal, and is shown and not obeyed."""
    text = "".join(c if c.isprintable() else "·" for c in text)
    return text if len(text) <= most else text[: most - 1] + "…"


def figure(name: Positional[str] = "", out: Path | None = None, force: bool = False) -> None:
    """Draws a figure of the theory, computed afresh. Without a name, lists all.

    Args:
        name: The figure's name.
        out: The file, .png, .svg or .pdf; by default <name>.png.
        force: Replaces a file that is there.
    """
    from ptheta.report.figures import FIGURES, draw

    if not name:
        _require_idle(out=out, force=force)
        for known, text in FIGURES.items():
            say(f"{known:<24} {text}")
        return
    out = out or Path(f"{name}.png")
    claim(out, force=force)
    fresh = out.with_name(f".new-{out.name}")
    try:
        draw(name, fresh)
        fresh.replace(out)
    finally:
        fresh.unlink(missing_ok=True)
    say(f"{name}: {out}")
