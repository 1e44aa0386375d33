"""What a person gives a model: pictures of a file or a folder, in place of a view of known events.

A model that colours pictures was fitted on pictures in colour, of which it was given the grey; old photographs have
none. They are what is given itself. So are small pictures to enlarge, sketches, and the first frames of a film.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from ptheta.cli.train import say

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.runs import Run
    from ptheta.spaces import Space

__all__ = ["Given", "different", "matched", "read_given", "save_pictures", "whole_events"]


@final
@dataclass(frozen=True)
class Given:
    """What is given, for one event after another.

    Args:
        contexts: With shape (n, *context_space.shape).
        names: What each is called: its file, where it has one, else its number.
    """

    contexts: "Tensor"
    names: list[str]

    def repeated(self, n: int) -> "Tensor":
        """The contexts of n events: one after another, and from the first again."""
        return self.contexts[[i % len(self.contexts) for i in range(n)]]


def read_given(run: "Run", path: Path) -> Given:
    """Reads pictures, or films, as what a run's model is given.

    Args:
        run: A run whose model is given pictures or films.
        path: A picture, a folder of pictures, or a folder of films.

    Returns:
        What they hold. What was done to them is said on standard error; ValueError, in a sentence, if they do not fit.
    """
    from ptheta.data import load
    from ptheta.data.decode import Decoder
    from ptheta.data.decoded import read_pictures

    space = run.model.context_space
    assert space is not None
    *outer, height, width = space.shape
    is_film = str(run.manifest.data_options.get("given", "")).startswith("frames=")
    if is_film and path.is_dir():
        data = load(path, film=outer[0], size=(height, width), valid=0.0, test=0.0)
        x, found, notes = data.train.loaded().x, data.space, list(data.notes)
        return Given(_adopted(x, found, space, notes), [str(i) for i in range(len(x))])
    if is_film or len(outer) != 1:
        raise ValueError(f"the model is given {space}: a folder of films shows it, but {path} is none.")
    notes: list[str] = []
    if path.is_dir():
        data = load(path, size=(height, width), classes=False, valid=0.0, test=0.0)
        events = data.train.in_order()
        x, found, notes = events.loaded().x, data.space, list(data.notes)
        return Given(_adopted(x, found, space, notes), [Path(name).stem for name in data.sources])
    pictures = read_pictures([path], Decoder([path], (height, width)), notes)
    return Given(_adopted(pictures.events.x, pictures.space, space, notes), [path.stem])


def _adopted(x: "Tensor", found: "Space", space: "Space", notes: list[str]) -> "Tensor":
    """Pictures as events of the space of contexts, and what was done to them, aloud."""
    given = matched(x, found, space, notes)
    for note in notes:
        say(f"given: {note}", error=True)
    return given


def matched(x: "Tensor", found: "Space", space: "Space", notes: list[str]) -> "Tensor":
    """Pictures as events of another space: colours made grey, greys made bits.

    Args:
        x: Pictures, with shape (n, *found.shape).
        found: Their space.
        space: The other one.
        notes: Told what was done.

    Returns:
        Events with shape (n, *space.shape). ValueError, in a sentence, where they do not fit.
    """
    from ptheta.data.views import Grey
    from ptheta.spaces import Binary, Levels

    channels = space.shape[-3] if len(space.shape) > 2 and not space.is_film else 1
    if isinstance(found, Binary) and isinstance(space, Levels):
        x, found = x * (space.n - 1), Levels(found.shape, space.n)
    if found.is_image and found.shape[0] == 3 and channels == 1:
        grey = Grey()
        found, x = grey.spaces(found)[1], grey.split(x, found)[1]
        notes.append("Their colours were left out: the model is given grey.")
    if found.is_image and found.shape[0] == 1 and channels == 3:
        x = x.expand(-1, 3, -1, -1)
        found = Levels((3, *found.shape[1:]), found.n) if isinstance(found, Levels) else Binary((3, *found.shape[1:]))
        notes.append("Grey pictures were taken as colours: the model is given colours.")
    if isinstance(found, Levels) and isinstance(space, Binary):
        x, found = (x >= found.n // 2).to(space.dtype), Binary(found.shape)
        notes.append("Their greys became bits: what is brighter than the middle is 1.")
    return space.adopt(x, found)


def whole_events(run: "Run", x: "Tensor", contexts: "Tensor | None") -> "tuple[Tensor, Space]":
    """The whole pictures, where a model draws a part of each and is given the rest; else the events as they are."""
    from ptheta.data.view import space_like
    from ptheta.data.views import VIEWS, view_of

    space, given = run.model.space, str(run.manifest.data_options.get("given", ""))
    if contexts is None or given.partition("=")[0] not in VIEWS or not (space.is_image or space.is_film):
        return x, space
    whole = view_of(given).join(x.cpu(), contexts.cpu())
    return (whole, space_like(space, tuple(whole.shape[1:]))) if whole.shape != x.shape else (x, space)


def save_pictures(x: "Tensor", space: "Space", names: list[str], folder: Path) -> None:
    """Writes each picture into a folder, under the name of what it was made of.

    Args:
        x: Pictures with shape (n, C, H, W).
        space: Their space.
        names: What each is called.
        folder: Where to; made if it is not there.
    """
    from ptheta.report.grids import as_bytes, image_of, png_of

    if not space.is_image:
        raise ValueError(
            f"a folder is for pictures, but events are of {space}: give --out a file, such as samples.npy."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(different(names), as_bytes(x, space), strict=True):
        (folder / f"{name}.png").write_bytes(png_of(image_of(pixels)))


def different(names: list[str]) -> list[str]:
    """The names, numbered where one comes twice."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if names.count(name) == 1 else f"{name}-{seen[name]}")
    return found
