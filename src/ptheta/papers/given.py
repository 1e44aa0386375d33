"""Rows of conditional GANs: what is drawn for an outline, a small picture, the frames before, some patches.

Of an outline that is filled in one of two colours by a coin, the best squared answer is the mean of both, which is
neither; an adversarial term asks for one of them. A filling is right if what was given is there and its ink is within
a twentieth of the range of a colour of the world.

Of a small picture the best squared answer is to be nearer than the best linear map; an adversarial answer may lose 3 dB
on it (see ``ptheta.metrics.given``) and has to be more like real pictures. Of the frames before, it is to be nearer
than the last of them; of a film that a coin decides, squared error must stay half way between both ends.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptheta.papers.row import Found, Row

if TYPE_CHECKING:
    from torch import Tensor

    from ptheta.data import Dataset, Events
    from ptheta.data.worlds.shapes import Shapes

__all__ = ["ROWS", "both_ends", "enlarged", "fillings", "next_balls", "placed"]

SKETCHES = 400  # test outlines that are filled
AGAIN, DRAWS = 60, 8  # outlines that are filled several times, and how often
NEAR = 0.1  # of the range of 2 that networks see
PICTURES = 2000  # test pictures that are enlarged
JUDGED = 1000  # of them beside which kernel distances are taken
WINDOW = 4  # frames that are given
PUZZLES, BESIDE = 500, 5000  # test pictures that are put together, and training events among which one is nearest


def fillings(seed: int, folder: Path) -> Found:
    """How many outlines pix2pix fills in a colour that there is, with its critic and by squared error alone.

    Args:
        seed: Names every draw.
        folder: Where both runs are kept.

    Returns:
        The share with the critic in per cent; among the details that of squared error, of real events, and of outlines
        that are filled in both colours when filled several times.
    """
    from ptheta.data import load, world
    from ptheta.data.worlds.shapes import Shapes
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    data, law = load("shapes-sketches"), world("shapes-sketches")
    assert isinstance(law, Shapes)
    test = data.test.some(SKETCHES)
    assert test.context is not None
    alone = {"adversarial": 0.0, "fidelity": "squared", "draws": 1}
    plans = {"critic": ({}, {"steps": 1500}), "squared": (alone, {"steps": 400})}
    right, models = {}, {}
    for name, (dials, training) in plans.items():
        how = {"dials": dials, "training": training, "conditional": True}
        models[name] = fitted("pix2pix", data, folder / name, seed, **how)
        x = models[name].sample(len(test), test.context, noise=Noise(seed).at("sample"))
        right[name] = _right(law, x, test.context)
    asked = test.context[:AGAIN].repeat_interleave(DRAWS, 0)
    again = models["critic"].sample(len(asked), asked, noise=Noise(seed).at("again"))
    red = (law.read(again).factors[:, law.column("colour")] == 0).double().reshape(-1, DRAWS).mean(1)
    return Found(
        100 * right["critic"],
        {
            "% right by squared error alone": 100 * right["squared"],
            "% of real events that are right": 100 * _right(law, test.x, test.context),
            f"% of outlines that {DRAWS} draws fill in both colours": 100
            * float(((red > 0) & (red < 1)).double().mean()),
            "% of draws that are red": 100 * float(red.mean()),
        },
    )


def _right(law: "Shapes", x: "Tensor", context: "Tensor") -> float:
    """The share of pictures that show what was given, in a colour that there is."""
    shown = law.read(x).agrees(law.asked(context)).all(1)
    return float((shown & (law.off_colour(x) <= NEAR)).double().mean())


def enlarged(seed: int, folder: Path) -> Found:
    """How near SRGAN's network comes to clothes of which the means of 4 x 4 pixels are given, by squared error alone.

    Args:
        seed: Names every draw.
        folder: Where both runs are kept.

    Returns:
        The PSNR of squared error in decibels; among the details that of the game, of the best linear map and of
        bicubic interpolation, and what else tells answers apart.
    """
    import torch.nn.functional as F

    from ptheta.data import load
    from ptheta.metrics import features, kernel_distance
    from ptheta.metrics.given import answered, psnr
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    data = load("fashion-mnist", given="low-resolution=4")
    test = data.test.some(PICTURES)
    assert test.context is not None
    extractor = features(load("fashion-mnist"), seed=seed)
    real, details = extractor(test.x[:JUDGED]), {}
    plans = {"squared": {"fidelity": "squared", "adversarial": 0.0}, "game": {}}
    for name, dials in plans.items():
        options = {"given": "low-resolution=4"}
        model = fitted("srgan", data, folder / name, seed, dials=dials, data_options=options, conditional=True)
        found = answered(model, test, data, noise=Noise(seed).at("answers"), most=200)
        x = model.sample(len(test), test.context, noise=Noise(seed).at("sample"))
        assert found is not None
        details |= {f"PSNR, {name}": psnr(x, test.x, data.space), f"SSIM, {name}": found.ssim or 0.0}
        details |= {f"inconsistency, {name}": found.inconsistency or 0.0, f"spread, {name}": found.spread or 0.0}
        details[f"kernel distance, {name}"] = kernel_distance(real, extractor(x[:JUDGED]))
    stretched = F.interpolate(test.context.float(), (28, 28), mode="bicubic").clamp(0, 255).round().byte()
    details["PSNR, bicubic"] = psnr(stretched, test.x, data.space)
    details["PSNR, the best linear map"] = psnr(_linear(data, test), test.x, data.space)
    details["kernel distance, bicubic"] = kernel_distance(real, extractor(stretched[:JUDGED]))
    return Found(details["PSNR, squared"], details)


def _linear(data: "Dataset", test: "Events") -> "Tensor":
    """The answers of the best affine map from what is given to whole pictures, by 20,000 training events."""
    import torch

    def joined(context: "Tensor | None") -> "Tensor":
        assert context is not None
        flat = context.double().flatten(1)
        return torch.cat([flat, torch.full((len(flat), 1), 255.0).double()], 1)

    train = data.train.some(20_000)
    a, b = joined(train.context), train.x.double().flatten(1)
    weights = torch.linalg.solve(a.T @ a + 255**2 * torch.eye(a.shape[1]).double(), a.T @ b)
    return (joined(test.context) @ weights).clamp(0, 255).round().byte().reshape(test.x.shape)


def next_balls(seed: int, folder: Path) -> Found:
    """The squared error of the next frame of bouncing balls, given four: summed over pixels in [0, 1].

    Args:
        seed: Names every draw.
        folder: Where the run is kept.

    Returns:
        The mean over all windows of the test films; among the details that of copying the last frame.
    """
    from ptheta.data import load
    from ptheta.data.dataset import Dataset, Events
    from ptheta.data.views import Frames
    from ptheta.data.worlds.balls import copy_last_error
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted
    from ptheta.spaces import Levels

    films = load("bouncing-balls")

    def windows(events: "Events") -> "Events":
        cut = events.x.unfold(1, WINDOW + 1, 1).movedim(-1, 2)  # (films, windows, frames, 15, 15)
        return Events(cut.flatten(0, 1).contiguous())

    train, valid, test = (windows(part) for part in (films.train, films.valid, films.test))
    data = Dataset("bouncing-balls", Levels((WINDOW + 1, 15, 15), 256), train, valid, test).given(Frames(WINDOW))
    model = fitted("next-frame", data, folder, seed, conditional=True)
    test = data.test
    x = model.sample(len(test), test.context, noise=Noise(seed).at("sample"))
    error = float(((x.double() - test.x.double()) / 255).square().flatten(1).sum(1).mean())
    return Found(error, {"copying the last frame": copy_last_error(films.test.x[:, WINDOW - 1 :])})


def both_ends(seed: int, folder: Path) -> Found:
    """How far what next-frame draws after a coin is from the nearer of both ends, by a game and by squared error.

    Args:
        seed: Names every draw.
        folder: Where both runs are kept.

    Returns:
        The mean distance of the game's draws in units of that between both ends; among the details that of squared
        error, and how often the game draws either end.
    """
    from ptheta.data import load, world
    from ptheta.data.worlds.coins import CoinFlip
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    data, law = load("coin-flip", given="frames=4"), world("coin-flip")
    assert isinstance(law, CoinFlip) and data.test.context is not None
    game = {"adversarial": 1.0, "fidelity": "l1", "draws": 4}
    plans: dict[str, Any] = {"game": (game, {"steps": 1600, "learning_rate": 2e-3}), "squared error": ({}, {})}
    details: dict[str, float] = {}
    for name, (dials, training) in plans.items():
        how = {"dials": dials, "training": training, "data_options": {"given": "frames=4"}, "conditional": True}
        model = fitted("next-frame", data, folder / name, seed, **how)
        ends = law.nearest(
            model.sample(len(data.test), data.test.context, noise=Noise(seed).at("sample")), data.test.context
        )
        details[f"distance to the nearer end, {name}"] = float(ends.distance.mean())
        details[f"% within a tenth, {name}"] = 100 * float((ends.distance <= NEAR).double().mean())
        details[f"% that go down, {name}"] = 100 * float(ends.coin.double().mean())
    return Found(details["distance to the nearer end, game"], details)


def placed(seed: int, folder: Path) -> Found:
    """By how much Puzzle-GAN places patches of digits better than the training event whose patches are nearest.

    Args:
        seed: Names every draw.
        folder: Where the run is kept.

    Returns:
        The difference of both intersections over unions, means over digits; among the details both, that of the places
        that are likeliest for all, and the PSNR of what is drawn there.
    """
    from ptheta.adversarial.puzzle import covered
    from ptheta.data import load
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    data = load("mnist", given="patches=3x7")
    options = {"given": "patches=3x7"}
    model = fitted("puzzle-gan", data, folder, seed, data_options=options, conditional=True)
    test, train = data.test.some(PUZZLES), data.train.some(BESIDE)
    assert test.context is not None and train.context is not None
    mask, known = covered(test.x, test.context), covered(train.x, train.context)
    noise = Noise(seed).at("sample")
    ours = _overlap(_likeliest(model.place(test.context, noise=noise)), mask)
    near = _overlap(known[_nearest(test.context, train.context)], mask)
    usual = _overlap(_likeliest(known.double().mean(0, keepdim=True)).expand_as(mask), mask)
    x = model.sample(len(test), test.context, noise=noise)
    error = ((x.double() - test.x.double())[:, 0] / 255).square()[mask].mean()
    details = {"IoU": ours, "IoU of the nearest training event": near, "IoU of the usual places": usual}
    return Found(ours - near, {**details, "PSNR where patches lie, dB": float(-10 * error.log10())})


def _likeliest(mask: "Tensor", side: int = 7, count: int = 3) -> "Tensor":
    """The cells (n, 28, 28) of a grid that are likeliest by the mean of a mask over them."""
    import torch.nn.functional as F

    cells = F.avg_pool2d(mask[:, None].double(), side)[:, 0]
    least = cells.flatten(1).topk(count).values[:, -1]
    return (cells >= least[:, None, None]).repeat_interleave(side, 1).repeat_interleave(side, 2)


def _overlap(a: "Tensor", b: "Tensor") -> float:
    """The mean over pictures of the intersection over the union of masks."""
    return float(((a & b).flatten(1).sum(1) / (a | b).flatten(1).sum(1).clamp(min=1)).double().mean())


def _nearest(asked: "Tensor", known: "Tensor") -> "Tensor":
    """The row of ``known`` whose patches are nearest to each of ``asked``, in the best order of both."""
    from itertools import permutations

    import torch

    count = asked.shape[1]
    apart = [
        [torch.cdist(asked[:, i].float().flatten(1), known[:, j].float().flatten(1)).square() for j in range(count)]
        for i in range(count)
    ]
    orders = permutations(range(count))
    costs = torch.stack([torch.stack([apart[i][j] for i, j in enumerate(order)]).sum(0) for order in orders])
    return costs.amin(0).argmin(1)


ROWS = (
    Row(
        name="pix2pix-shapes",
        paper=100.0,
        pass_line=90.0,
        rule="at least",
        unit=f"% of {SKETCHES} outlines that are filled in one of the two right colours",
        data="shapes-sketches",
        model="pix2pix",
        seconds=320.0,
        source="Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2016), which has no "
        "such row: the anchor is what real events have. Squared error alone must stay at 10 % or below.",
        run=fillings,
        floor=(0.0, "the mean of both colours"),
        ceiling=(100.0, "real events"),
    ),
    Row(
        name="srgan-fashion-mnist",
        paper=29.40,
        pass_line=19.0,
        rule="at least",
        unit=f"dB, PSNR of {PICTURES} clothes enlarged from 7 x 7 to 28 x 28 by squared error",
        data="fashion-mnist",
        model="srgan",
        seconds=400.0,
        source="Photo-Realistic Single Image Super-Resolution Using a GAN (Ledig et al., 2016), whose number is of "
        "photographs (Set5). With the game 0 to 3 dB below that are asked for, and a smaller kernel distance.",
        run=enlarged,
        floor=(18.04, "the best linear map"),
    ),
    Row(
        name="next-frame-balls",
        paper=0.65,
        pass_line=1.5,
        rule="at most",
        unit="squared error of the next frame, summed over pixels in [0, 1]",
        data="bouncing-balls",
        model="next-frame",
        seconds=240.0,
        source="Unsupervised Learning of Visual Structure using Predictive Generative Networks (Lotter, Kreiman & Cox, "
        "2015), which sees all frames before; here four.",
        run=next_balls,
    ),
    Row(
        name="next-frame-coin-flip",
        paper=0.0,
        pass_line=0.1,
        rule="at most",
        unit="distance of what is drawn to the nearer of both ends, of that between them",
        data="coin-flip",
        model="next-frame",
        seconds=900.0,
        source="Unsupervised Learning of Visual Structure using Predictive Generative Networks (Lotter, Kreiman & Cox, "
        "2015), which has no such row: the anchor is what real films have. Squared error must stay at a half.",
        run=both_ends,
        floor=(0.5, "the average of both ends"),
        ceiling=(0.0, "real films"),
    ),
    Row(
        name="puzzle-gan-mnist",
        paper=0.1,
        pass_line=0.1,
        rule="at least",
        unit="intersection over union of where patches belong, less that of the nearest training event",
        data="mnist",
        model="puzzle-gan",
        seconds=800.0,
        source="Unsupervised Holistic Image Generation from Key Local Patches (Lee et al., 2018), which has no number: "
        "three patches of 7 x 7 out of 16, and the line is ours.",
        run=placed,
        floor=(0.0, "the nearest training event"),
    ),
)
