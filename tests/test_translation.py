"""Maps between classes: what their losses say, what they cannot say, and what is learned where the truth is known."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ptheta.adversarial import CycleGAN, Relativistic, StarGAN
from ptheta.cli import main
from ptheta.data import load, world
from ptheta.data.dataset import Dataset, Events
from ptheta.metrics.translation import map_report
from ptheta.nn.mlp import MLP
from ptheta.nn.patches import PatchCritic
from ptheta.nn.retouch import Retouch
from ptheta.noise import Noise, seeded
from ptheta.recipes.translation import cyclegan, stargan
from ptheta.runs import open_run
from ptheta.spaces import Classes, Levels, Real

PLANE = Real((2,))
SILENT = math.log(2)  # what a critic that says 0 costs the generator


class Adds(nn.Module):
    """What a map adds to y so that it becomes a y + b."""

    def __init__(self, scale: Any = 1.0, shift: Any = 0.0) -> None:
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.as_tensor(v, dtype=torch.float64)) for v in (scale, shift))

    def forward(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        return (self.scale - 1) * y + self.shift


class Says(nn.Module):
    """A critic that says the same number of everything."""

    def __init__(self, *numbers: float) -> None:
        super().__init__()
        self.numbers = nn.Parameter(torch.tensor(numbers, dtype=torch.float64))

    def forward(self, y: Tensor) -> Tensor:
        return self.numbers.expand(len(y), -1)


def pair(to_0: nn.Module, to_1: nn.Module, critics: Any = None, **settings: Any) -> CycleGAN:
    settings = {"cycle": 0.0, "identity": 0.0, "corruption": 0.0, "history": 0, **settings}
    return CycleGAN(PLANE, Classes(2), [to_0, to_1], critics or [Says(0.0), Says(0.0)], **settings).double()


X = torch.tensor([[1.0, 2.0], [-3.0, 0.5], [0.0, -1.0]]).double()
LABELS = torch.tensor([0, 1, 0])


# What the losses say --------------------------------------------------------------------------------------------------


def test_the_cycle_goes_to_the_other_class_and_back():
    model = pair(Adds(0.5), Adds(2.0, 0.1), cycle=3.0)  # back from class 1 by half: 0.05 beside; from class 0: 0.1
    loss = model.generator_loss(X, LABELS, Noise(0)).detach()
    torch.testing.assert_close(loss, SILENT + 3 * torch.tensor([0.05, 0.1, 0.05]).double())


def test_what_is_of_a_class_already_is_left_alone_by_the_map_to_that_class():
    model = pair(Adds(1.0, 0.7), Adds(1.0, 0.0), identity=2.0)  # the map to class 0 changes what is of class 0
    loss = model.generator_loss(X, LABELS, Noise(0)).detach()
    torch.testing.assert_close(loss, SILENT + 2 * torch.tensor([0.7, 0.0, 0.7]).double())
    swapped = SILENT + 2 * torch.tensor([0.0, 0.7, 0.0]).double()  # the twin: each event by the other map
    assert not torch.allclose(loss, swapped)


def test_each_critic_is_asked_of_its_own_class():
    model = pair(Adds(), Adds(), [Says(2.0), Says(-1.0)])
    maker = torch.nn.functional.softplus
    expected = maker(torch.tensor([1.0, -2.0, 1.0])).double()  # fakes of class 1, 0, 1: -log sigmoid of -1, 2, -1
    torch.testing.assert_close(model.generator_loss(X, LABELS, Noise(0)).detach(), expected)
    critic = model.discriminator_loss(X, LABELS, Noise(0)).detach()
    each = [(2.0, -1.0), (-1.0, 2.0), (2.0, -1.0)]  # said of the event, of its fake
    costs = [maker(torch.tensor(-v)) + maker(torch.tensor(w)) for v, w in each]
    torch.testing.assert_close(critic, torch.stack(costs).double())


def symmetric(n: int = 50) -> tuple[Tensor, Tensor]:
    """Events of two classes, each of a law that turning about zero leaves as it is."""
    half = Noise(0).normal((n, 2), "x").double()
    return torch.cat([half, -half, 3 * half, -3 * half]), torch.arange(4).repeat_interleave(n) // 2


def test_a_map_and_its_turned_twin_have_the_same_losses():
    """Any automorphism T of a class is as good: T after the map there, the map back before T's inverse."""
    x, context = symmetric()
    with seeded(0):
        critics = [MLP(2, 1, (8,)), MLP(2, 1, (8,))]
    right = pair(Adds(1 / 3), Adds(3.0), critics, cycle=10.0)
    turned = pair(Adds(-1 / 3), Adds(-3.0), critics, cycle=10.0)
    for name in ("generator_loss", "discriminator_loss"):
        ours, theirs = (getattr(model, name)(x, context, Noise(0)).mean() for model in (right, turned))
        torch.testing.assert_close(ours, theirs)
    for model in (right, turned):
        model.identity = 1.0
    ours, theirs = (model.generator_loss(x, context, Noise(0)).mean().detach() for model in (right, turned))
    assert float(theirs - ours) > 0.5  # what is of the class already stays: only this tells them apart


def test_what_is_hidden_in_faint_noise_is_drowned():
    faint = torch.tensor([1.0, 0.01])
    hiding = {"to_0": Adds(1 / faint), "to_1": Adds(faint), "cycle": 1.0}
    x, context = Noise(1).normal((500, 2), "x").double(), torch.zeros(500).long()
    clean, noisy = (
        (pair(**hiding, corruption=s).generator_loss(x, context, Noise(2)) - SILENT).detach().mean()
        for s in (0.0, 0.05)
    )
    assert float(clean) < 1e-6
    expected = 0.05 * math.sqrt(2 / math.pi) * (1 + 100) / 2  # the noise comes back a hundredfold
    assert float(noisy) == pytest.approx(expected, rel=0.1)
    honest = pair(Adds(), Adds(), cycle=1.0, corruption=0.05).generator_loss(x, context, Noise(2)).detach().mean()
    assert float(honest - SILENT) < 0.05


def test_half_of_the_fakes_that_critics_see_are_earlier_ones():
    with seeded(0):
        model = pair(Adds(), Adds(), history=40).train()
    first, second = torch.full((40, 2), 1.0).double(), torch.full((40, 2), 2.0).double()
    shown = model._out_of_history(1, first, Noise(0))
    assert torch.equal(shown, first) and int(model.held[1]) == 40 and int(model.held[0]) == 0
    shown = model._out_of_history(1, second, Noise(1))
    old = (shown[:, 0] == 1).sum()
    assert 10 <= int(old) <= 30
    assert int((model.history[1, :, 0] == 2).sum()) == int(old)  # each is replaced by the fake that it stood in for
    before = model.history.clone()
    assert torch.equal(model.eval()._out_of_history(1, first, Noise(2)), first)
    assert torch.equal(model.history, before)


def star(generator: nn.Module, critic: nn.Module, **settings: Any) -> StarGAN:
    settings = {"cycle": 0.0, "identity": 0.0, **settings}
    return StarGAN(PLANE, Classes(3), generator, critic, **settings).double()


class Shifts(nn.Module):
    """A map that adds a number for the target."""

    def __init__(self, shifts: Tensor) -> None:
        super().__init__()
        self.shifts = nn.Parameter(shifts.double())

    def forward(self, y: Tensor, context: Tensor) -> Tensor:
        return (context @ self.shifts)[:, None].expand_as(y)


def test_one_map_pays_for_the_way_back_and_for_its_own_label():
    shifts, labels = torch.tensor([0.0, 0.5, -0.25]), torch.tensor([0, 1, 2])
    critic = Says(*[0.0] * 9)
    targets = star(Shifts(shifts), critic).targets(3, Noise(4))
    added, own = shifts[targets].double(), shifts[labels].double()

    def loss(**weights: float) -> Tensor:
        return (star(Shifts(shifts), critic, **weights).generator_loss(X, labels, Noise(4)) - SILENT).detach()

    torch.testing.assert_close(loss(cycle=2.0), 2 * (added + own).abs())
    torch.testing.assert_close(loss(identity=3.0), 3 * own.abs())


def test_events_are_judged_in_their_classes_and_fakes_in_those_they_were_sent_to():
    """A fake of class t made of one of class s is judged by the number of (s, t); an event by that of its class."""
    numbers, labels = Noise(1).normal((3, 3), "numbers").double(), torch.tensor([0, 2, 1])
    model = star(Adds(), Says(*numbers.flatten().tolist()))
    targets = model.targets(3, Noise(2))
    assert not torch.equal(targets, labels)
    critic = F.softplus(-numbers[targets, labels]) + F.softplus(numbers[labels, targets])
    torch.testing.assert_close(model.discriminator_loss(X, labels, Noise(2)).detach(), critic)
    maker = F.softplus(-numbers[labels, targets])
    torch.testing.assert_close(model.generator_loss(X, labels, Noise(2)).detach(), maker)


def test_the_number_of_a_pair_is_taught_on_fakes_of_that_source_and_target():
    """One source's error cannot pay for another's: numbers of other sources are not taught on its fakes."""
    critic = MLP(2, 9, (4,))
    model = star(Adds(shift=torch.tensor([0.1, 0.1])), critic)
    labels, noise = torch.tensor([0, 0, 0]), Noise(2)
    loss = model.discriminator_loss(X, labels, noise).sum()
    slope = torch.autograd.grad(loss, list(critic.parameters())[-1])[0]
    targets = model.targets(3, noise).tolist()
    seen = {3 * 0 + t for t in targets} | {3 * s + 0 for s in targets}  # of fakes of 0; of events of 0
    assert {k for k in range(9) if slope[k] != 0} == seen


def test_targets_are_uniform():
    counts = star(Adds(), Says(*[0.0] * 9)).targets(3000, Noise(0)).bincount(minlength=3)
    assert (counts - 1000).abs().max() < 120  # 4.6 standard deviations


# What is learned ------------------------------------------------------------------------------------------------------


def columns(classes: int, n: int = 600) -> Dataset:
    """Events whose first variable is their class's, and whose second is kept by a true counterpart."""
    context = torch.arange(n) % classes
    u = 2 * Noise(0).uniform((n,), "kept") - 1
    x = torch.stack([2.0 * context - 1 + 0.05 * Noise(1).normal((n,), "blur"), u], 1)
    events = Events(x, context)
    return Dataset("columns", PLANE, events, events[:0], events, Classes(classes))


@pytest.mark.parametrize(("recipe", "classes"), [(cyclegan, 2), (stargan, 2)])
def test_a_map_moves_what_a_class_is_and_keeps_the_rest(recipe: Any, classes: int):
    data = columns(classes)
    with seeded(0):
        fitted = recipe(data.space, data.context_space)
    model = fitted.model
    x, context = data.train.x[:200], data.train.context[:200]
    target = (context + 1) % classes
    assert torch.equal(model.translate(x, target), x)  # a map that has learned nothing changes nothing
    fitted.fit(data, steps=400, batch_size=64, seed=0)
    y = model.translate(x, target)
    assert (y[:, 0] - (2.0 * target - 1)).abs().mean() < 0.3  # of a distance of 2
    assert torch.corrcoef(torch.stack([x[:, 1], y[:, 1]]))[0, 1] > 0.9
    assert (model.translate(x, context) - x).abs().mean() < 0.2  # the own label gives the event back


def test_a_map_of_pictures_begins_at_the_identity():
    space = Levels((3, 16, 16), 256)
    x = (Noise(0).uniform((4, 3, 16, 16), "x") * 256).floor().clamp(max=255).byte()
    for recipe, classes in ((cyclegan, 2), (stargan, 4)):
        model: Any = recipe(space, Classes(classes)).model
        assert torch.equal(model.translate(x, torch.tensor([1, 0, 1, 0])), x)
        assert model.translate(x[:0], torch.zeros(0).long()).shape == (0, 3, 16, 16)


def test_a_retoucher_begins_with_single_pixels_and_never_sees_farther_than_its_reach():
    x = Noise(0).uniform((1, 3, 9, 9), "x").double()
    for reach in (0, 1, 3):
        with seeded(1):
            net = Retouch(3, width=8, reach=reach).double()
        assert (net(x) == 0).all()
        for layers, far in ((net.last, 0), (net.layers, reach)):
            with seeded(2), torch.no_grad():
                for p in layers.parameters():
                    p.normal_()
            seen = torch.autograd.functional.jacobian(lambda v, net=net: net(v)[0, :, 4, 4].sum(), x)[0].abs().sum(0)
            apart = torch.stack(torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")).sub(4).abs().amax(0)
            assert (seen[apart > far] == 0).all() and (seen[apart <= far] > 0).all()
    with seeded(1):
        twin = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 1)).double()  # whole kernels from the start
    slope = torch.autograd.functional.jacobian(lambda v: twin(v)[0, :, 4, 4].sum(), x)[0].abs().sum(0)
    assert (slope[apart == 1] > 0).any()


def test_a_vector_scales_and_shifts_every_hidden_layer_of_a_retoucher():
    with seeded(1):
        net = Retouch(1, width=4, reach=0, context=2).double()
        nn.init.normal_(net.last.weight)
    x, context = Noise(0).uniform((2, 1, 3, 3), "x").double(), torch.eye(2).double()
    h = x
    for layer, modulate in zip([net.first, *net.layers], net.modulate, strict=True):
        scale, shift = modulate(context)[:, :, None, None].chunk(2, 1)
        h = F.leaky_relu(layer(h) * (1 + scale) + shift, 0.2)
    torch.testing.assert_close(net(x, context), net.last(h))


def test_a_critic_of_patches_has_a_number_for_each_class_and_place():
    with seeded(0):
        critic = PatchCritic((3, 16, 16), width=4, outputs=5)
    assert critic(torch.zeros(2, 3, 16, 16)).shape == (2, 5, 6, 6)
    assert PatchCritic((3, 16, 16), width=4)(torch.zeros(2, 3, 16, 16)).shape == (2, 6, 6)


# How good a map is ----------------------------------------------------------------------------------------------------


class Oracle:
    """The true map of a world, or one that changes nothing, or one that throws the shade away and hides it."""

    def __init__(self, world: Any, moves: bool) -> None:
        self.world, self.space, self.context_space, self.moves = world, world.space, world.context_space, moves

    def fit(self, data: Any, **training: Any) -> "Oracle":
        return self

    def translate(self, x: Tensor, target: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        if not self.moves or target is None:
            return x
        factors = self.world.read(x).factors
        factors[:, self.world.column("colour")] = target
        return self.world.render(factors)


def test_the_report_tells_the_true_map_from_none():
    data, law = load("shapes-colours", n=400), world("shapes-colours")
    true, none = (map_report(Oracle(law, moves), data.test, data, world=law, most=60) for moves in (True, False))
    assert true is not None and none is not None
    assert (true.accuracy, true.counterpart, true.there_and_back, true.own_label) == (1.0, 0.0, 0.0, 0.0)
    assert true.with_noise == 0.0 and set(true.attributes.values()) == {1.0}
    assert "turn" not in true.attributes and {"shape", "colour", "shade"} <= set(true.attributes)
    assert none.accuracy == 0.0 and none.counterpart == none.unmoved == true.unmoved
    assert none.unmoved is not None and none.unmoved > 0.005
    assert min(true.correlations.values()) == pytest.approx(1.0) == none.correlations["shade"]
    assert none.attributes["colour"] == 0.0 and none.attributes["shape"] == 1.0  # it keeps all but what it should move
    assert none.there_and_back == 0.0  # the map that changes nothing has the shortest way back: it says little
    assert true.kernel < none.kernel == none.kernel_unmoved == true.kernel_unmoved
    read = map_report(Oracle(law, True), data.test, data, most=60)  # the same without the world, by a classifier
    assert read is not None and read.accuracy > 0.5 and read.counterpart is None and "classifier" in read.reader


def one_pixel(x: torch.Tensor) -> torch.Tensor:
    """The same events but for one pixel."""
    y = x.clone()
    y[:, 0, 0, 0] = (y[:, 0, 0, 0] + 1) % 2
    return y


def test_a_map_is_fitted_evaluated_and_used_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    fit = ["fit", "stargan", "--data", "shapes-colours", "--data-options", "n=100", "--conditional", "--steps", "2"]
    assert main([*fit, "--out", "r", "--quiet"]) == 0
    assert main(["evaluate", "r", "--samples", "20", "--json"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out[out.index("{") :])
    assert found["map"]["n"] == 20 and found["map"]["reader"] == "an exact reader"
    assert main(["translate", "r", "--to", "blue", "--out", "blue", "-n", "3"]) == 0
    assert "3 events" in capsys.readouterr().out
    pictures = sorted(path.name for path in (tmp_path / "blue").iterdir())
    assert len(pictures) == 3 and (tmp_path / "blue-pairs.png").is_file()
    for words, sentence in (
        (["translate", "r", "--to", "blue", "--out", "blue"], "is not empty"),
        (["translate", "r", "--to", "purple", "--out", "new"], "purple"),
        (["translate", "r", "--to", "red", "--out", "new", "-n", "0"], "at least 1"),
    ):
        assert main(words) == 2
        assert sentence in capsys.readouterr().err
    known = type(open_run("r").model)
    for name, answer in (("one-pixel", one_pixel), ("same", lambda x: x), ("black", torch.zeros_like)):
        with monkeypatch.context() as patch:
            patch.setattr(known, "translate", lambda self, x, target, answer=answer: answer(x))
            assert main(["translate", "r", "--to", "blue", "--out", name, "-n", "4"]) == 0
        assert ("100% of them did not change" in capsys.readouterr().out) == (name == "same")
    pixels = np.asarray(Image.open("black-pairs.png")).astype(int)
    half = len(pixels) // 2
    assert pixels[:half].sum() > pixels[half:].sum(), "what is given stands above its counterpart"
    unlabelled = str(tmp_path / "blue")
    assert main(["translate", "r", "--to", "red", "--data", unlabelled, "--out", "red"]) == 0
    assert len(list((tmp_path / "red").iterdir())) == 3


# Refusals -------------------------------------------------------------------------------------------------------------


def test_maps_refuse_in_sentences():
    nets = [Adds(), Adds()], [Says(0.0), Says(0.0)]
    for space, message in ((None, "there are none"), (Real((2,)), "contexts are of"), (Classes(3), "2 classes")):
        with pytest.raises(ValueError, match=message):
            CycleGAN(PLANE, space, *nets)
    with pytest.raises(ValueError, match="compares pairs"):
        CycleGAN(PLANE, Classes(2), *nets, game=Relativistic())
    with pytest.raises(ValueError, match="not be negative"):
        CycleGAN(PLANE, Classes(2), *nets, cycle=-1.0)
    with pytest.raises(ValueError, match="not be negative"):
        star(Adds(), Says(*[0.0] * 9), cycle=-1.0)
    with pytest.raises(ValueError, match="compares pairs"):
        star(Adds(), Says(*[0.0] * 9), game=Relativistic())
    with pytest.raises(ValueError, match="at least 2"):
        StarGAN(PLANE, Classes(1), Adds(), Says(0.0, 0.0))
    model = pair(Adds(), Adds())
    with pytest.raises(ValueError, match="say in target"):
        model.translate(X)
    with pytest.raises(ValueError, match="3 rows, but the context has 2"):
        model.translate(X, torch.tensor([0, 1]))
