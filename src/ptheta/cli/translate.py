"""``ptheta translate``: counterparts of events in another class."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from ptheta.cli import options
from ptheta.cli.events import Split, find_events
from ptheta.cli.options import Help
from ptheta.cli.outputs import claim, claim_folder, remember
from ptheta.cli.tiled import answer_in_tiles
from ptheta.cli.train import say

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.spaces import Space

__all__ = ["translate"]

PAIRS = 32  # events beside their counterparts, in one picture


def translate(
    run: Positional[Path],
    to: str,
    out: Path,
    data: str | None = None,
    split: Split | None = None,
    data_options: tuple[str, ...] = (),
    n: Annotated[int | None, Help(aliases=["-n"])] = None,
    tiles: bool = False,
    force: bool = False,
) -> None:
    """Writes the counterparts of events in another class into a folder: a png each of pictures, else one npy file.

    Of pictures, a file beside the folder, such as OUT-pairs.png, shows the first of them above their counterparts.

    Args:
        run: The run folder of a map between classes, such as cyclegan or stargan.
        to: The class, by its name or number.
        out: The folder; one that holds files is refused.
        data: A data set or a path, read as the run's own data were; it needs no labels. By default what the run was
            fitted on.
        split: train, valid, test or all; by default all events of a file, the test split of a named set and of the
            run's own data.
        data_options: Options of --data, where they differ from the run's.
        n: How many events at most, the first ones.
        tiles: Translates the pictures of --data at their own size: tile by tile, put together where tiles overlap.
        force: Writes into a folder that holds files, and replaces those of the same names.
    """
    import torch

    from ptheta.model import Model
    from ptheta.protocols import HasTranslate
    from ptheta.runs import open_run
    from ptheta.spaces import Symbols

    opened = open_run(run)
    model: Model = opened.model
    classes = model.context_space
    if not isinstance(model, HasTranslate) or not isinstance(classes, Symbols):
        raise ValueError(f"{opened.name} is no map between classes. Fit cyclegan or stargan to labelled events.")
    claim_folder(out, force=force)
    target = classes.parse([to], "--to")
    if tiles:
        if data is None or split is not None or data_options or n is not None:
            raise ValueError(
                "--tiles translates each picture of --data, whole: leave --split, --data-options and -n out."
            )
        space = model.space
        made = answer_in_tiles(Path(data), space, space, lambda x, *_: model.translate(x, target.expand(len(x))), out)
        say(f"{made} pictures of {data} sent to {classes.show(target)[0]}: {out}")
        return
    claim(_pairs(out), force=force, run=run, source=data)
    if n is not None and n < 1:
        raise ValueError(f"-n should be at least 1, but it is {n}.")
    found = find_events(opened, data, split, options.data_options(data_options, None), labelled=False)
    events = found.events[: len(found.events) if n is None else n].loaded()
    made = model.translate(events.x, target.expand(len(events)))
    _write(events.x, made, model.space, [Path(str(row)).stem for row in found.rows[: len(events)]], out)
    remember(_pairs(out), run)
    same = float((made == events.x).flatten(1).all(1).to(torch.float64).mean())
    remark = f"; {same:.0%} of them did not change" if same > 0 else ""
    say(f"{len(events)} events of {found} sent to {classes.show(target)[0]}: {out}{remark}")


def _write(x: "Tensor", made: "Tensor", space: "Space", names: list[str], out: Path) -> None:
    """A picture of each counterpart, and of pairs; or all counterparts in one file."""
    import torch

    from ptheta.cli.given import save_pictures
    from ptheta.report.grids import grid_image
    from ptheta.report.pictures import save_samples

    if not space.is_image:
        out.mkdir(parents=True, exist_ok=True)
        save_samples(made, space, out / "events.npy")
        return
    save_pictures(made, space, names, out)
    few = min(PAIRS, len(x))
    grid_image(torch.cat([x[:few], made[:few]]), space, columns=few).save(_pairs(out))


def _pairs(out: Path) -> Path:
    """The picture of pairs lies beside the folder, which holds counterparts alone and can be read as data."""
    return out.with_name(f"{out.name}-pairs.png")
