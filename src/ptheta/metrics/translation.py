"""How good a map between classes is, on events that it has not seen, each sent to another class at random.

    read as the target   the share of counterparts that a reader takes for events of the class they were sent to
    to the counterpart   the distance to the true counterpart, where the set is a world that knows it
    attributes kept      the share of counterparts of which a reader of the world reads each other factor as before
    there and back       the distance of an event to what comes back; and with noise on the counterpart, which drowns
                         what may be hidden in it
    own label            the distance of an event to its counterpart in its own class
    kernel distance      of counterparts to real events of the classes they were sent to, on the features of a
                         classifier; beside it that of the events as they were

Distances are mean absolute differences as parts of the range (of reals, of four standard deviations). The critic that
taught the map is no judge: the reader is the world's own, which is exact, or a classifier trained on real events.

Known limits: a short way there and back says little by itself, since the map that changes nothing has the shortest;
and where few pixels change, a small distance to the counterpart says little: see the attributes.
"""

from dataclasses import asdict, dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.worlds.base import Factor, Reading
from ptheta.metrics.features import class_reader, features
from ptheta.metrics.mmd import kernel_distance
from ptheta.model import Model
from ptheta.noise import Noise
from ptheta.protocols import HasTranslate
from ptheta.spaces import Real, Space, Symbols

__all__ = ["Domains", "MapReport", "map_report"]

FAINT = 0.05  # the standard deviation of the noise on counterparts, in the unit that networks see


class Domains(Protocol):
    """A world whose classes are a factor of its events."""

    factors: tuple[Factor, ...]
    context: str

    def read(self, x: Tensor) -> Reading:
        """The factors of the nearest event."""
        ...

    def counterpart(self, x: Tensor, target: Tensor) -> Tensor:
        """The same events in other classes: exact."""
        ...

    def column(self, name: str) -> int:
        """Which column of the factors is called that."""
        ...


@final
@dataclass(frozen=True)
class MapReport:
    """What a map does to events.

    Args:
        accuracy: The share of counterparts that are read as their targets.
        reader: Who read them.
        counterpart: The distance to the true counterpart; None where it is not known.
        unmoved: That of the event itself, which is had for nothing; None where it is not known.
        attributes: By factor of a world, the share of counterparts that show it as the true one does; else empty.
        correlations: By factor, the correlation of its values, counted from 0, with those of the true counterpart.
        there_and_back: The distance to what comes back.
        with_noise: That with noise on the counterpart.
        own_label: The distance to the counterpart in the own class.
        kernel: The kernel distance of counterparts to real events of their classes.
        kernel_unmoved: That of the events as they were.
        n: How many events.
    """

    accuracy: float
    reader: str
    counterpart: float | None
    unmoved: float | None
    attributes: dict[str, float]
    correlations: dict[str, float]
    there_and_back: float
    with_noise: float
    own_label: float
    kernel: float
    kernel_unmoved: float
    n: int

    @property
    def lines(self) -> list[str]:
        """The report in sentences."""
        found = [f"{self.accuracy:.1%} of {self.n} counterparts are read as their targets ({self.reader})"]
        if self.counterpart is not None:
            found.append(
                f"distance to the true counterpart {self.counterpart:.4f} (of the event itself {self.unmoved:.4f})"
            )
        if self.attributes:
            kept = ", ".join(f"{name} {share:.1%}" for name, share in self.attributes.items())
            found.append(f"as the true counterpart shows them: {kept}")
            along = ", ".join(f"{name} {value:.2f}" for name, value in self.correlations.items())
            found.append(f"correlation with the true counterpart's: {along}")
        found.append(f"there and back {self.there_and_back:.4f}, with faint noise in between {self.with_noise:.4f}")
        found.append(f"own label {self.own_label:.4f} (0: the event comes back)")
        found.append(
            f"kernel distance to real events of the targets {self.kernel:.4g} (unmoved {self.kernel_unmoved:.4g})"
        )
        return found

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary for strict JSON."""
        return asdict(self)


def map_report(
    model: Model,
    events: Events,
    data: Dataset,
    *,
    world: Domains | None = None,
    noise: Noise | None = None,
    most: int = 500,
    seed: int = 0,
) -> MapReport | None:
    """Sends events to other classes and back.

    Args:
        model: A map between classes.
        events: Events with their classes.
        data: The labelled set that they are of, on whose training events a reader learns.
        world: The world that drew them, which reads them exactly and knows counterparts; None if there is none.
        noise: Where targets and the faint noise come from; seed 0 if None.
        most: How many events at most; always the same ones.
        seed: Names the reader.

    Returns:
        The report; None of a model that does not translate, and of events without classes.
    """
    space, classes = model.space, model.context_space
    some = events.some(most).loaded()
    x, own = some.x, some.context
    if not isinstance(model, HasTranslate) or not isinstance(classes, Symbols) or own is None:
        return None
    noise = noise or Noise(0)
    u = noise.uniform((len(x),), "target")
    target = (own + 1 + (u * (classes.n - 1)).long().clamp(max=classes.n - 2)) % classes.n
    made = model.translate(x, target).cpu()
    faint = _faintly(made, space, noise)
    true = None if world is None else world.counterpart(x, target)
    accuracy, reader = _read(made, target, data, world, true, seed)
    shares, correlations = ({}, {}) if world is None or true is None else _attributes(world, made, true)
    extractor = features(data, seed=seed)
    real = data.train.some(4 * most).loaded()
    assert real.context is not None
    like = torch.cat([real.x[real.context == k][: int((target == k).sum())] for k in range(classes.n)])
    return MapReport(
        accuracy,
        reader,
        None if true is None else distance(made, true, space),
        None if true is None else distance(x, true, space),
        shares,
        correlations,
        distance(model.translate(made, own).cpu(), x, space),
        distance(model.translate(faint, own).cpu(), x, space),
        distance(model.translate(x, own).cpu(), x, space),
        kernel_distance(extractor(like), extractor(made)),
        kernel_distance(extractor(like), extractor(x)),
        len(x),
    )


def distance(x: Tensor, y: Tensor, space: Space) -> float:
    """The mean absolute difference of events, as a part of the range."""
    unit = 4.0 if isinstance(space, Real) else 2.0
    return float((space.embed(x, torch.float64) - space.embed(y, torch.float64)).abs().mean()) / unit


def _faintly(x: Tensor, space: Space, noise: Noise) -> Tensor:
    """Events with faint noise on them."""
    y = space.embed(x, torch.float64)
    return space.project(y + FAINT * noise.normal(y.shape, "faint", like=y))


def _read(
    made: Tensor, target: Tensor, data: Dataset, world: Domains | None, true: Tensor | None, seed: int
) -> tuple[float, str]:
    """The share of counterparts that are read as their targets, and who read them."""
    if world is not None and true is not None:
        column = world.column(world.context)
        reading, wanted = world.read(made), world.read(true).factors[:, column]
        return float(((reading.factors[:, column] == wanted) & reading.sure).double().mean()), "an exact reader"
    reader, right = class_reader(data, seed)
    share = float((reader(made) == target).double().mean())
    return share, f"a classifier that is right on {right:.1%} of real events"


def _attributes(world: Domains, made: Tensor, true: Tensor) -> tuple[dict[str, float], dict[str, float]]:
    """By factor that varies, the share of counterparts that show it as the true ones do, and the correlation."""
    reading, wanted = world.read(made), world.read(true).factors
    kept = (reading.factors == wanted) & reading.sure[:, None]
    varying = {factor.name: i for i, factor in enumerate(world.factors) if len(wanted[:, i].unique()) > 1}
    along = {name: torch.stack([reading.factors[:, i], wanted[:, i]]).double() for name, i in varying.items()}
    return (
        {name: float(kept[:, i].double().mean()) for name, i in varying.items()},
        {name: float(torch.corrcoef(both)[0, 1].nan_to_num()) for name, both in along.items()},
    )
