"""Prints the README's tables: the models from the family tree, the measured numbers from benchmarks/results/.

python benchmarks/table.py            prints them
python benchmarks/table.py --write    puts them into README.md
"""

import json
import sys
from pathlib import Path

from ptheta.taxonomy import leaves

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def models() -> str:
    lines = ["| model | what it is | log p | sampling | events | source |", "| --- | --- | --- | --- | --- | --- |"]
    for _, leaf in leaves():
        spaces = ", ".join(leaf.spaces)
        source = f"[{leaf.reference}]({leaf.link})"
        lines.append(f"| `{leaf.name}` | {leaf.title} | {leaf.score} | {leaf.sampling} | {spaces} | {source} |")
    return "\n".join(lines)


def measured() -> str:
    lines = ["| row | paper or anchor | pass line | ours | reached | seconds |", "| --- " * 6 + "|"]
    for file in sorted((RESULTS / "rows").glob("*.json")):
        r = json.loads(file.read_text())
        reached = "yes" if r["passed"] else "**missed**"
        ours = f"{r['ours']:.2f} {r['unit']}"
        cells = (r["row"], f"{r['paper']:g}", r["pass_line"], ours, reached, f"{r['seconds']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    tables = {"models": models(), "measured": measured()}
    if "--write" not in sys.argv:
        print("\n\n".join(tables.values()))
        return
    readme = ROOT / "README.md"
    text = readme.read_text()
    for name, table in tables.items():
        mark, end = f"<!-- table: {name} -->", "<!-- end -->"
        head, tail = text.split(mark)
        rest = tail.split(end, 1)[1] if end in tail.split("<!-- table:")[0] else tail
        text = f"{head}{mark}\n{table}\n{end}{rest}"
    readme.write_text(text)


if __name__ == "__main__":
    main()
