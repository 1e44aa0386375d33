"""The card of synthetic rows as a page: what they are worth, beside what that means."""

from ptheta.applications.synthesize import Card, CardRow

__all__ = ["card_lines", "card_page"]

COLUMNS = {
    "margins": "margins", "associations": "associations", "told_apart": "told apart", "f1": "F1",
    "accuracy": "accuracy", "r2": "R2", "copies": "copies", "near_train": "near train", "near_train_interval": "(95 %)",
    "membership": "membership",
}  # fmt: skip
MEANINGS = (
    "**Likeness.** `margins`: the mean distance of a column from that of real test rows (Kolmogorov-Smirnov of "
    "numbers, total variation of names); `associations`: the mean difference of how much two columns have to do with "
    "one another; `told apart`: the area under the ROC curve of gradient boosting that tells rows from real ones, .5 "
    "where it cannot.",
    "**Usefulness.** Gradient boosting learns `{target}` from the rows and is tested on real ones: the mean F1 of the "
    "classes and the accuracy, or R2 of a number.",
    "**Privacy.** `copies`: the share of rows that are training rows, beside the share of held-out rows that are; "
    "`near train`: the share nearer to a training row than to a held-out one, as if there were as many of both, .5 of "
    "honest rows, 1 of copies, with its 95 % interval; `membership`: the area by which the distance to the nearest "
    "synthetic row tells training rows from held-out ones, .5 where it cannot. None of these is a guarantee.",
    "`real, held out` is the ceiling of likeness and usefulness (where training rows themselves are learned from), and "
    "what privacy looks like where nothing was given away; `independent` draws every column by itself; `bootstrap` is "
    "training rows again, which wins the likeness and gives everything away; `smote` goes part of the way between.",
)


def _text(row: CardRow, name: str) -> str:
    value = getattr(row, name)
    if isinstance(value, tuple):
        return "-".join(f"{end:.2f}" for end in value)
    return "" if value is None else f"{value:.3f}"


def _shown(card: Card) -> list[str]:
    return [name for name in COLUMNS if any(getattr(row, name) is not None for row in card.rows)]


def card_lines(card: Card) -> list[str]:
    """The card as lines of a terminal.

    Args:
        card: What was measured.

    Returns:
        A line of headings, and one for each row.
    """
    names, width = _shown(card), max(len(row.name) for row in card.rows)
    lines = [f"{'':<{width}}  " + "  ".join(f"{COLUMNS[name]:>10}" for name in names)]
    return lines + [f"{r.name:<{width}}  " + "  ".join(f"{_text(r, name):>10}" for name in names) for r in card.rows]


def card_page(card: Card, *, model: str, data: str, n: int, notes: tuple[str, ...] = ()) -> str:
    """The card as a page in Markdown.

    Args:
        card: What was measured.
        model: What drew the synthetic rows.
        data: What it was fitted on.
        n: How many synthetic rows were written.
        notes: What else is to be said.

    Returns:
        The text of the page.
    """
    names, sizes = _shown(card), card.n
    own = next(row for row in card.rows if row.name == model)
    table = [
        "| rows | " + " | ".join(COLUMNS[name] for name in names) + " |",
        "| --- |" + " ---: |" * len(names),
        *(f"| {row.name} | " + " | ".join(_text(row, name) for name in names) + " |" for row in card.rows),
    ]
    meanings = [text.format(target=card.target) for text in MEANINGS if card.target or "{target}" not in text]
    counts = (
        f"{sizes['train']} training rows, {sizes['test']} held out; {sizes['learned from']} rows are learned from, "
        f"{sizes['likeness']} judged for likeness, {sizes['distances']} for distances. The column of the model that is "
        f"farthest from real rows is {own.worst_column} ({own.worst_margin:.3f})."
    )
    head = f"# {n} synthetic rows of {data}, drawn by {model}"
    return "\n\n".join([head, "\n".join(table), counts, *meanings, *notes]) + "\n"
