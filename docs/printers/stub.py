"""Prints what type checkers see of ``import ptheta``, whose names are resolved when they are first asked for."""

from pathlib import Path

import ptheta

__all__ = ["PLACE", "page"]

PLACE = Path(ptheta.__file__).with_suffix(".pyi")


def page() -> str:
    """The text of ``__init__.pyi``: each public name from its module, and the modules themselves."""
    modules = sorted({where.partition(".")[0] for where in ptheta.NAMES.values()} | _rooms())
    by_module: dict[str, list[str]] = {}
    for name, where in ptheta.NAMES.items():
        by_module.setdefault(where, []).append(name)
    lines = [f"from ptheta import {module} as {module}" for module in modules]
    for where in sorted(by_module):
        for name in sorted(by_module[where], key=_as_sorted):
            lines.append(f"from ptheta.{where} import {name} as {name}")
    return "\n".join([*lines, "", "__version__: str", "NAMES: dict[str, str]", ""])


def _rooms() -> set[str]:
    """The packages and modules below the library that a person may go through."""
    found = {path.stem for path in PLACE.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    return {name for name in found if not name.startswith("_")}


def _as_sorted(name: str) -> tuple[int, str]:
    """The order of imports that ruff asks for: constants, classes, functions."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name
