"""``ptheta synthesize``: synthetic rows of a table, and a card that says what they are worth."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from ptheta.cli.options import Help
from ptheta.cli.outputs import claim, remember, write
from ptheta.cli.train import say, say_next

if TYPE_CHECKING:
    from ptheta.applications.synthesize import Card
    from ptheta.model import Distribution
    from ptheta.runs import Run

__all__ = ["synthesize"]


def synthesize(
    run: Positional[Path],
    out: Path,
    n: Annotated[int | None, Help(aliases=["-n"])] = None,
    target: str | None = None,
    card: bool = True,
    seed: int = 0,
    json: bool = False,
    force: bool = False,
) -> None:
    """Draws synthetic rows of a table, in its own columns and formats, with a card of what they are worth.

    The card says how like the rows are to real ones, how useful to learn from, and what they give away, each beside
    real rows, independent columns, training rows again and rows between them.

    Args:
        run: The run folder of a model of a table, without contexts.
        out: The csv file to write; the card goes beside it, as .md and .json.
        n: How many rows; by default as many as there are training rows.
        target: The column that gradient boosting learns from the rows: how well it guesses that of real ones is their
            usefulness.
        card: Whether a card is made, which takes the run's own data, and a minute or more.
        seed: Names the draws.
        json: Prints the card as one JSON object.
        force: Replaces files that are there.
    """
    from ptheta.model import distribution
    from ptheta.noise import Noise
    from ptheta.report.cards import card_page
    from ptheta.report.commands import command
    from ptheta.report.pictures import save_samples
    from ptheta.runs import open_run

    opened = open_run(run)
    model = distribution(opened.model)
    _require_rows(run, model, out)
    pages = [out.with_suffix(ending) for ending in (".md", ".json")] if card else []
    for place in (out, *pages):
        claim(place, force=force, run=run, source=opened.manifest.data)
    n = len(opened.data().train) if n is None else n
    if n < 1:
        raise ValueError(f"-n should be at least 1, but it is {n}.")
    save_samples(model.sample(n, noise=Noise(seed).at("sample")), model.space, out)
    remember(out, run)
    if not card:
        say(f"{n} synthetic rows drawn from {opened.name}: {out}")
        say_next(command("evaluate", run))
        return
    made = _made(opened, model, target, seed)
    answer = {"run": str(run), "model": opened.name, "data": opened.manifest.data, "n": n, "card": made.to_json()}
    notes = (*made.cautions, *(() if target else ("Usefulness was not measured: name a column by --target.",)))
    page = card_page(made, model=opened.name, data=opened.manifest.data, n=n, notes=notes)
    for place, text in zip(pages, (page, jsonlib.dumps({**answer, "notes": notes}, indent=1) + "\n"), strict=True):
        write(place, text, run)
    _tell(answer, made, notes, (out, *pages), run, json)


def _require_rows(run: Path, model: "Distribution", out: Path) -> None:
    """Refuses models of anything but whole rows of a table, and files that hold none."""
    from ptheta.applications.synthesize import as_table

    if model.context_space is not None:
        raise ValueError(
            f"{run} was fitted given {model.context_space}, and synthetic rows have all columns: fit it without "
            "--conditional and without a label, so that the label is a column like others."
        )
    as_table(model.space)
    if out.suffix.lower() != ".csv":
        raise ValueError(f"--out should be a .csv file, but it is {out}.")


def _tell(
    answer: dict[str, object], made: "Card", notes: tuple[str, ...], places: tuple[Path, ...], run: Path, json: bool
) -> None:
    from ptheta.report.cards import card_lines
    from ptheta.report.commands import command

    if json:
        say(jsonlib.dumps({**answer, "notes": notes}, indent=1))
        return
    say(f"{answer['n']} synthetic rows drawn from {answer['model']}: {places[0]}; what they are worth: {places[1]}")
    for line in (*card_lines(made), *notes):
        say(f"  {line}")
    say_next(command("evaluate", run))


def _made(run: "Run", model: "Distribution", target: str | None, seed: int) -> "Card":
    """The card; what is measured is said on the way."""
    from ptheta.applications.synthesize import Card, card

    found = None
    for found in card(model, run.name, run.data().adopted(model.space, None), target=target, seed=seed):
        if not isinstance(found, Card):
            say(f"card: {found}", error=True)
    assert isinstance(found, Card)
    return found
