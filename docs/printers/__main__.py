"""Prints every document that is made from code and results: the pages of models, what recipes choose, measured rows,
speed; and what type checkers see of the public names.

python docs/printers            prints them
python docs/printers --write    puts them into docs/
"""

import sys
from pathlib import Path

from places import DOCS, ROOT

sys.path.append(str(ROOT / "benchmarks"))  # where the measures of speed know how they compare

import divergences
import measured
import pages
import settings
import speed
import stub


def documents() -> dict[Path, str]:
    """The text of every document but that of settings, by its place."""
    models = {DOCS / "models" / name: text for name, text in pages.pages().items()}
    pages_of_results = {"measured": measured, "speed": speed, "divergences": divergences}
    results = {DOCS / f"{name}.md": made.page() for name, made in pages_of_results.items()}
    return {**results, stub.PLACE: stub.page(), **models}


def main() -> None:
    for place, text in {**documents(), DOCS / "settings.md": settings.page()}.items():
        if "--write" in sys.argv:
            place.parent.mkdir(exist_ok=True)
            place.write_text(text)
        else:
            print(text)


if __name__ == "__main__":
    main()
