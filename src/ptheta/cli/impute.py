"""``ptheta impute``: blank cells of a table, filled; or known cells hidden, filled, and looked at again."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from ptheta.cli.options import Help
from ptheta.cli.outputs import claim
from ptheta.cli.train import say, say_next
from ptheta.files import replace_file

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.runs import Run
    from ptheta.spaces import Table

__all__ = ["impute"]


def impute(
    run: Positional[Path],
    data: Path | None = None,
    out: Path | None = None,
    n: Annotated[int, Help(aliases=["-n"])] = 1,
    hide: float | None = None,
    peers: bool = True,
    seed: int = 0,
    json: bool = False,
    force: bool = False,
) -> None:
    """Fills the blank cells of a table by draws given the other cells of their row.

    With --hide it says how good that is: known cells of rows that were not trained on are hidden, filled, and looked at
    again, beside means, near rows and regressions.

    Args:
        run: The run folder of a mixture, a forest, MADE or NADE.
        data: The table, read as the one the run was fitted on, its columns matched by name; with --hide, by default the
            run's own test rows.
        out: The csv file to write; further fills go beside it, as filled-2.csv.
        n: How many fills: the spread of a cell over several says how sure it is.
        hide: The share of known cells that are hidden, to see how well they are filled; nothing is written then.
        peers: With --hide, whether scikit-learn's imputers are fitted too.
        seed: Names the draws.
        json: Prints one JSON object.
        force: Replaces files that are there.
    """
    from ptheta.applications.impute import fills, how_filled
    from ptheta.data.tables import read_rows
    from ptheta.runs import open_run
    from ptheta.spaces import Table, require

    if n < 1:
        raise ValueError(f"-n should be at least 1, but it is {n}.")
    opened = open_run(run)
    space = opened.model.space
    require(space, Table, who="impute")
    assert isinstance(space, Table)
    if hide is not None:
        if out is not None:
            raise ValueError("--hide looks at cells that are known and writes nothing: leave --out out.")
        _look(opened, space, None if data is None else read_rows(data, space), hide, peers, seed, json)
        return
    if data is None or out is None:
        raise ValueError("--data says which table is filled and --out where to; or --hide .1 says how good that is.")
    places = [out, *(out.with_stem(f"{out.stem}-{k}") for k in range(2, n + 1))]
    for place in places:
        claim(place, force=force, source=str(data))
    x = read_rows(data, space)
    for place, full in zip(places, fills(opened.model, x, n=n, seed=seed), strict=True):
        replace_file(place, space.to_csv(full).encode(space.dialect.encoding))
    blank, how = int(x.isnan().sum()), how_filled(opened.model, ~x.isnan())
    if json:
        head = {"run": str(run), "model": opened.name, "rows": len(x), "blank": blank, "how": how}
        say(jsonlib.dumps({**head, "files": list(map(str, places))}, indent=1))
        return
    say(f"{blank} blank cells in {len(x)} rows filled by {how}, from {opened.name}: {out}")


def _look(run: "Run", space: "Table", x: "Tensor | None", share: float, peers: bool, seed: int, json: bool) -> None:
    """Hides cells, fills them, and says how well."""
    from ptheta.applications.hidden import hidden_cells, score_fills
    from ptheta.applications.impute import refuse_others
    from ptheta.report.commands import command

    refuse_others(run.model)
    own = run.data().adopted(space, None)
    rows = own.test.loaded().x if x is None else x
    hidden = hidden_cells(space, rows, share, seed=seed)
    found = score_fills(run.model, run.name, own.train.loaded().x, rows, hidden, peers=peers, seed=seed)
    if json:
        answer = {"run": str(run.folder), "model": run.name, "rows": len(rows), "hide": share, "hidden": found[0].n}
        say(jsonlib.dumps({**answer, "filled": [each.to_json() for each in found]}, indent=1))
        return
    say(f"{found[0].n} known cells of {len(rows)} rows hidden and filled; 90 % of numbers should be covered")
    for each in found:
        say(f"  {each}")
    say_next(command("evaluate", run.folder))
