"""Rows of adversarial models made for a use, on sets whose truth is known.

**Texts.** A caption of a coloured shape asks for colour and shape, and some of place, size, ground and style. An exact
reader names what was drawn, so what was asked for and drawn is a count. Asked for are combinations of shape, colour and
place that training has seen, and apart from them those that it has not. Beside them what the model draws at random
captions (by chance) and how much pictures of one caption vary (real ones vary too: shade and place are left open).

**Growing.** The same networks, batches and steps, once grown from 4 x 4 and once full-grown from the start, are judged
by a kernel distance in the features of one classifier of shapes.

**Labels.** A hundred labelled digits, as many of each class, beside two that see the same ones: support vectors, which
see nothing else, and label spreading, which sees others too. ``papers/few_labels.py`` has other rules.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptheta.papers.row import Found, Row

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.data.worlds.shapes import Shapes

__all__ = ["ROWS", "drawn_as_asked", "few_labels", "grown_and_plain"]

ASKED = 1000  # captions
JUDGED, VARIED = 1000, 1000  # samples that are judged, and those whose variety is
EACH = 10  # pictures of one caption, where their spread is measured
LABELS = 100
ONLY = "large+filled"
TOLD = ("shape", "colour", "place", "size", "background", "style")


def drawn_as_asked(seed: int, folder: Path, *, dials: dict[str, Any] | None = None) -> Found:
    """How often text-to-image draws the shape that a caption asks for, and all else that it asks.

    Args:
        seed: Names every draw.
        folder: Where the run is kept.
        dials: The recipe's dials.

    Returns:
        The share of shapes, of combinations seen in training; among the details those of the other factors, all that
        captions ask for together, the same of held-out combinations and of captions of other pictures, and the spread.
    """
    from ptheta.data import load
    from ptheta.data.worlds.shapes import Shapes
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    given: dict[str, Any] = {"context": "caption", "only": ONLY}
    data = load("shapes", **given)
    model = fitted("text-to-image", data, folder, seed, dials=dials, data_options=given, conditional=True)
    noise, details = Noise(seed), dict[str, float]()
    shape = 0.0
    for combinations in ("seen", "held-out"):
        world = Shapes(combinations=combinations, **given)
        events = world.events(ASKED, noise.at("asked", combinations))
        assert events.context is not None
        drawn = model.sample(ASKED, events.context, noise=noise.at("drawn", combinations))
        shares = _shares(world, drawn, events.context)
        details |= {f"{name}, {combinations} combinations": share for name, share in shares.items()}
        if combinations == "seen":
            shape = shares["shape"]
            by_chance = _shares(world, drawn, events.context.roll(1, 0))
            details["all that is asked, of another caption"] = by_chance["all that is asked"]
            details["real pictures that are as asked"] = _shares(world, events.x, events.context)["all that is asked"]
            details |= _spreads(model, world, seed)
    return Found(shape, details)


def _shares(world: "Shapes", x: "Tensor", context: "Tensor") -> dict[str, float]:
    """The share of pictures that show each factor as asked, among those of which it is asked; and all together."""
    asked, read = world.asked(context), world.read(x)
    right, said = read.agrees(asked), asked >= 0
    columns = {name: world.column(name) for name in TOLD}
    shares = {name: float(right[said[:, i], i].double().mean()) for name, i in columns.items()}
    together = right[:, [columns[name] for name in ("shape", "colour", "place")]].all(1)
    return shares | {
        "shape, colour and place": float(together.double().mean()),
        "all that is asked": float(right[:, list(columns.values())].all(1).double().mean()),
        "surely a shape": float(read.sure.double().mean()),
    }


def _spreads(model: Any, world: "Shapes", seed: int) -> dict[str, float]:
    """How much pictures of one caption vary, drawn and real: factors it asks for are held, all else is free."""
    import torch

    from ptheta.metrics.modes import spread_within
    from ptheta.noise import Noise

    noise = Noise(seed).at("spread")
    factors = world.draw(ASKED // EACH, noise=noise)
    context = world.contexts(factors, noise).repeat_interleave(EACH, 0)
    drawn = model.sample(len(context), context, noise=noise.at("drawn"))
    again = factors.repeat_interleave(EACH, 0)
    asked, fresh = world.asked(context), world.draw(len(again), noise=noise.at("fresh"))
    real = world.render(torch.where(asked >= 0, again, fresh))
    embed = world.space.embed
    return {
        "spread within a caption": spread_within(embed(drawn), context),
        "spread within a caption of real pictures": spread_within(embed(real), context),
    }


def grown_and_plain(seed: int, folder: Path) -> Found:
    """How a Progressive GAN that grows compares with the same networks trained plainly, step for step.

    Args:
        seed: Names every draw.
        folder: Where both runs are kept.

    Returns:
        The kernel distance of what grew over that of its twin; among the details both, and the processor's seconds.
    """
    from ptheta.data import load
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted
    from ptheta.papers.scoring import judged
    from ptheta.runs import open_run

    data, details = load("shapes"), dict[str, float]()
    distances, seconds = dict[str, float](), dict[str, float]()
    for name, dials in (("grown", {}), ("plain", {"growth": 0})):
        model = fitted("progressive-gan", data, folder / name, seed, dials=dials)
        found = judged(model.sample(JUDGED, noise=Noise(seed).at("sample")), data, seed)
        distances[name], seconds[name] = found["kernel distance"], open_run(folder / name).record["cpu_seconds"]
        details |= {f"{what}, {name}": found[what] for what in ("kernel distance", "frechet distance")}
        details |= {f"{what}, real": found[f"{what} of real data"] for what in ("kernel distance", "frechet distance")}
        details[f"CPU seconds of training, {name}"] = seconds[name]
    details["CPU seconds, grown over plain"] = seconds["grown"] / seconds["plain"]
    return Found(distances["grown"] / distances["plain"], details)


def few_labels(seed: int, folder: Path) -> Found:
    """The test error of a semi-supervised GAN on a hundred labelled digits; its fakes must not be one picture.

    Args:
        seed: Names the labels and every draw.
        folder: Where the run is kept.

    Returns:
        The error in per cent of all test events; among the details those of support vectors and of label spreading on
        the same labels, and how much fakes vary.
    """
    from sklearn.svm import SVC

    from ptheta.data import load
    from ptheta.data.labels import few_labels as few
    from ptheta.noise import Noise
    from ptheta.papers.few_labels import wrong_by_neighbours
    from ptheta.papers.fitting import fitted

    data = load("mnist")
    assert data.test.context is not None
    model = fitted(
        "semi-supervised-gan", data, folder, seed, dials={"labels": LABELS, "label_seed": seed}, conditional=True
    )
    fakes = model.sample(VARIED, noise=Noise(seed).at("sample"))
    details = {
        f"standard deviation of a pixel among {name}": float(data.space.embed(x).flatten(1).var(0).mean().sqrt())
        for name, x in (("fakes", fakes), ("events", data.test.x[:VARIED]))
    }
    hidden, kept = few(data, labels=LABELS, classes=10, seed=seed)
    flat, tested = (data.space.embed(x).flatten(1).numpy() for x in (kept.x, data.test.x))
    named = SVC(C=10.0).fit(flat, kept.context).predict(tested)
    details["% named wrongly by support vectors"] = 100 * float((named != data.test.context.numpy()).mean())
    details["% named wrongly by label spreading"] = wrong_by_neighbours(data.space, hidden.train, kept, [data.test])
    wrong = model.classify(data.test.x).argmax(1) != data.test.context
    return Found(100 * float(wrong.double().mean()), details)


ROWS = (
    Row(
        name="text-to-image-shapes",
        paper=1.0,
        pass_line=0.8,
        rule="at least",
        unit=f"share of {ASKED} pictures whose shape is the one that their caption asks for",
        data="shapes",
        model="text-to-image",
        seconds=1350.0,
        source="Generative Adversarial Text to Image Synthesis (Reed et al., 2016), which counts nothing: the anchor "
        "is what real pictures have. Shapes are large and filled, on three grounds. Colour and place of at least .98 "
        "are asked for besides.",
        run=drawn_as_asked,
        floor=(0.33, "a shape by chance"),
        ceiling=(1.0, "real pictures"),
    ),
    Row(
        name="progressive-gan-shapes",
        paper=1.0,
        pass_line=1.0,
        rule="at most",
        unit="kernel distance of a GAN that grew over that of the same networks trained plainly, step for step",
        data="shapes",
        model="progressive-gan",
        seconds=1200.0,
        source="Progressive Growing of GANs (Karras et al., 2018), which has no such row: the anchor is the plain "
        "twin, and it should take less time as well.",
        run=grown_and_plain,
    ),
    Row(
        name="semi-supervised-gan-mnist-100",
        paper=0.93,
        pass_line=4.0,
        rule="at most",
        unit="% of test events named wrongly, from 100 labels",
        data="mnist",
        model="semi-supervised-gan",
        seconds=1050.0,
        source="Improved Techniques for Training GANs (Salimans et al., 2016), feature matching, whose networks are "
        "larger and whose training takes 300 epochs instead of 30.",
        run=few_labels,
        floor=(88.65, "the commonest digit"),
    ),
)
