"""Docstrings as Markdown: a module's lecture, its known limits and its references; a function's first words."""

import inspect
import re
from typing import Any

__all__ = ["before_arguments", "markdown", "references", "sections", "summary"]

BLOCK = re.compile(r"(?:^ {4}.*\n|^\n(?= {4}))+|(?:^(?! {4}).+\n)+", re.MULTILINE)


def sections(doc: str) -> dict[str, str]:
    """A module's docstring cut at its headings; what comes before them is the lecture."""
    lecture, *rest = re.split(r"^(References|Known limits):\n", inspect.cleandoc(doc), flags=re.MULTILINE)
    found = {name: inspect.cleandoc("\n" + text) for name, text in zip(rest[::2], rest[1::2], strict=True)}
    return {"lecture": lecture, **found}


def markdown(text: str) -> str:
    """Paragraphs as they are, indented blocks as lists or, where they are formulas, as code."""
    blocks = []
    for block in BLOCK.findall(text.strip() + "\n"):
        inner = inspect.cleandoc(block) if block.lstrip("\n").startswith(" ") else ""
        if inner.startswith("* "):
            blocks.append(_plain(re.sub(r"^\* ", "- ", inner, flags=re.MULTILINE)))
        else:
            blocks.append(f"```text\n{inner}\n```" if inner else _plain(block.strip()))
    return "\n\n".join(blocks)


def references(text: str) -> list[str]:
    """The references of a docstring as items of a list. Each ends with its address; what has none stands by itself."""
    words = " ".join(text.split())
    pieces = re.split(r"\s*(https://\S+)\s*", words)
    linked = zip(pieces[::2], pieces[1::2], strict=False)
    items = [f"- [{title.rstrip(',')}]({address})" for title, address in linked]
    return items + ([f"- {pieces[-1]}"] if pieces[-1] else [])


def summary(function: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return _plain(" ".join((inspect.getdoc(function) or "").split("\n\n")[0].split()))


def before_arguments(function: Any) -> str:
    """A docstring up to its arguments, on one line."""
    return _plain(" ".join((inspect.getdoc(function) or "").split("\n\nArgs:")[0].split()))


def _plain(text: str) -> str:
    return text.replace("``", "`")
