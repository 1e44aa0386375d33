"""What the documents say is so: the keys of ``--json``, and that the commands in them can be typed."""

import json
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptheta.cli import VERBS, main
from ptheta.cli.options import call, record
from ptheta.cli.train import OWN, recipe_fields, training_fields
from ptheta.data import NAMES
from ptheta.papers import ROWS
from ptheta.recipes import find_recipe
from ptheta.report.figures import FIGURES

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "json.md").read_text()
FREE = ("details", "losses", "best", "fixed_rows", "versions", "left_out", "data_options", "scores", "splits", "range")
COMMANDS = {  # of which each prints one object; together they print every key
    "models": ["models --json"],
    "data": ["data --json", "data bits.npz --json", "data t.csv --json --out p.png"],
    "evaluate": ["evaluate vae --samples 20 --json", "evaluate map --json"],
    "compare": ["compare bits.npz --json --models independent nade --minutes .003 --samples 20 --out c"],
    "reproduce": ["reproduce --json", "reproduce bars-entropy --json"],
}


def keys(found: Any) -> Iterator[str]:
    """The keys of an object; below what maps free names to things, those of the things only."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield key
            free = key in FREE and isinstance(value, dict)
            for each in value.values() if free else [value]:
                yield from keys(each)
    elif isinstance(found, list):
        for each in found:
            yield from keys(each)


def section(verb: str) -> str:
    """What the document says of a verb."""
    (found,) = re.findall(rf"^## `ptheta {verb}[^\n]*\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    return found


def documented(verb: str) -> set[str]:
    """The words in the code type of a section, parted at dots."""
    return {part for word in re.findall(r"`([\w.]+)`", section(verb)) for part in word.split(".")}


def listed(verb: str) -> set[str]:
    """The keys that a section's table lists."""
    cells = re.findall(r"^\| ((?:`[\w.]+`(?:, )?)+) \|", section(verb), re.MULTILINE)
    return {part for cell in cells for word in re.findall(r"`([\w.]+)`", cell) for part in word.split(".")}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the commands print."""
    import contextlib
    import io

    rng, found = np.random.default_rng(0), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("json"))
        patch.setitem(ROWS, "bars-entropy", quick_row())
        x = (rng.random((200, 6)) < 0.4).astype(np.uint8)
        np.savez("bits.npz", x=x, y=x[:, 0])
        rows = [f"{rng.random():.3f},{rng.choice(list('xyz'))}" for _ in range(200)]
        Path("t.csv").write_text("\n".join(["a,b", *rows]) + "\n")
        for model, out in (("vae --latent 2", "vae"), ("autoencoder --latent 2", "map")):
            assert main(f"fit {model} --data bits.npz --hidden 4 --steps 4 --quiet --out {out}".split()) == 0
        for verb, commands in COMMANDS.items():
            for command in commands:
                with contextlib.redirect_stdout(io.StringIO()) as said:
                    main(command.split())
                found.setdefault(verb, []).append(json.loads(said.getvalue()))
    return found


def quick_row() -> Any:
    from ptheta.papers import Row

    return Row("bars-entropy", 2.0, 3.0, "at most", "nats", "bars", "independent", source="-", run=lambda seed, _: 2.0)


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_document_has_every_key_and_no_other(verb: str, printed: dict[str, list[Any]]):
    free = {"data"} if verb == "data" else set()  # a map from names to lines
    objects = [{k: None if k in free else v for k, v in found.items()} for found in printed[verb]]
    written = {key for found in objects for key in keys(found)}
    known = documented(verb) | (documented("evaluate") if verb == "compare" else set())
    assert written - known == set(), f"say in docs/json.md what these keys of {verb} are"
    assert listed(verb) - written == set(), f"docs/json.md has keys that {verb} does not print"


def commands() -> list[tuple[str, str]]:
    """Every command line of the documents, and where it stands."""
    places = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    found = []
    for path in places:
        for line in re.findall(r"^ {4}(ptheta .*)$|`(ptheta [^`]*)`", path.read_text(), re.MULTILINE):
            words = next(filter(None, line)).partition("  #")[0].strip()
            found.append((str(path.relative_to(ROOT)), words))
    return sorted(set(found))


STAND_INS = {"RUN": "run", "DATA": "digits", "NAME": "", "ROW": "nade-dna", "MODEL": "nade", "<name>": "nade"}


@pytest.mark.parametrize(("place", "line"), commands())
def test_a_command_in_a_document_can_be_typed(place: str, line: str, monkeypatch, capsys):
    words = [STAND_INS.get(word, word) for word in shlex.split(line)[1:]]
    verb, rest = words[0], [word for word in words[1:] if word]
    assert verb in VERBS, f"{place}: {line}"
    if rest == ["--help"] or (verb == "fit" and rest[1:] == ["--help"]):
        assert main([verb, *rest]) == 0
        return
    module, name = VERBS[verb][0].split(":")
    function = getattr(import_module(f"ptheta.cli.{module}"), name)
    if verb == "fit":
        fields = {**OWN, **recipe_fields(find_recipe(rest[0])), **training_fields()}
        taken: dict[str, Any] = record("fit", fields, rest[1:], "ptheta fit", "")
    elif not rest:
        return
    else:
        taken = {}
        call(recorder(function, taken), rest, f"ptheta {verb}")
    known = {"data": NAMES, "reproduce": ROWS, "figure": FIGURES}.get(verb)
    if known is not None and taken.get("name"):
        assert taken["name"] in known, f"{place}: {line}"


def recorder(function: Any, taken: dict[str, Any]) -> Any:
    """A function with the options of another, which keeps what it was called with."""
    from functools import wraps

    @wraps(function)
    def kept(**said: Any) -> None:
        taken.update(said)

    return kept


def test_a_command_that_cannot_be_typed_is_seen(monkeypatch, capsys):
    for line in ("ptheta fitt nade", "ptheta fit nade --hiden 3", "ptheta data minst", "ptheta score RUN --outt s.csv"):
        with pytest.raises((AssertionError, ValueError)):
            test_a_command_in_a_document_can_be_typed("here", line, monkeypatch, capsys)
