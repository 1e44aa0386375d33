"""What is given of an event: views, pairs of pictures, captions; and a comparison of models that are given it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ptheta.applications.compare import compare, default_models
from ptheta.cli import main
from ptheta.data import load
from ptheta.data.dataset import Dataset, Events
from ptheta.data.views import VIEWS, Box, Edges, Frames, Grey, Half, LowResolution, Patches, Random, View, view_of
from ptheta.noise import Noise
from ptheta.report import write
from ptheta.report.answers import answers_picture
from ptheta.runs import open_run
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols, Tokens


def events(space: Space, n: int = 7) -> torch.Tensor:
    u = Noise(0).uniform((n, *space.shape), "x", like=torch.zeros((), dtype=torch.float64))
    return (u * 4 - 2).float() if isinstance(space, Real) else (u * space.n).to(space.dtype)  # type: ignore[attr-defined]


def data_of(space: Space, n: int = 30) -> Dataset:
    x = events(space, n)
    return Dataset("toy", space, Events(x[: n - 10]), Events(x[n - 10 : n - 5]), Events(x[n - 5 :]))


GREY, COLOUR, BITS = Levels((1, 8, 12), 256), Levels((3, 6, 4), 17), Binary((1, 4, 6))


@pytest.mark.parametrize(
    ("view", "space", "modelled", "given"),
    [
        (LowResolution(4), GREY, GREY, Levels((1, 2, 3), 256)),
        (LowResolution(2), BITS, BITS, Levels((1, 2, 3), 5)),
        (LowResolution(2), Real((3, 4, 4)), Real((3, 4, 4)), Real((3, 2, 2))),
        (Grey(), COLOUR, COLOUR, Levels((1, 6, 4), 17)),
        (Half("top"), GREY, Levels((1, 4, 12), 256), Levels((1, 4, 12), 256)),
        (Half("bottom"), Levels((1, 5, 2), 3), Levels((1, 3, 2), 3), Levels((1, 2, 2), 3)),
        (Half("left"), GREY, Levels((1, 8, 6), 256), Levels((1, 8, 6), 256)),
        (Half("right"), Levels((1, 2, 3), 3), Levels((1, 2, 2), 3), Levels((1, 2, 1), 3)),
        (Half("first"), Tokens(5, 3, "abc"), Tokens(3, 3, "abc"), Tokens(2, 3, "abc")),
        (Half("last"), Real((4,), columns="abcd"), Real((2,), columns="ab"), Real((2,), columns="cd")),
        (Edges(0.5), COLOUR, COLOUR, Binary((1, 6, 4))),
        (Frames(2), Levels((5, 4, 4), 8), Levels((3, 4, 4), 8), Levels((2, 4, 4), 8)),
        (Frames(1), Binary((4, 9)), Binary((3, 9)), Binary((1, 9))),
        (Patches(3, 2), COLOUR, COLOUR, Levels((9, 2, 2), 17)),
        (Box(2, 3), COLOUR, Levels((3, 2, 3), 17), COLOUR),
        (Box(1, 1), Real((1, 3, 3)), Real((1, 1, 1)), Real((1, 3, 3))),
        (Random(0.5), COLOUR, COLOUR, Levels((4, 6, 4), 17)),
        (Random(0.5), BITS, BITS, Binary((2, 4, 6))),
    ],
    ids=str,
)
def test_a_view_makes_events_and_contexts_of_its_spaces(view: View, space: Space, modelled: Space, given: Space):
    data = data_of(space).given(view)
    assert (data.space, data.context_space) == (modelled, given)
    whole = data_of(space).test.x
    assert torch.equal(data.whole(data.test), whole), "together they are the event again"
    for part in (data.train, data.valid, data.test):
        data.space.check(part.x)
        data.context_space.check(part.context)
    assert data.before is not None and data.without_context().before is None


def test_moments_and_names_follow_their_variables():
    space = Real((4,), mean=(1, 2, 3, 4), scale=(5, 6, 7, 8), columns=("a", "b", "c", "d"))
    modelled, given = Half("first").spaces(space)
    assert (modelled.mean, modelled.scale, modelled.columns) == ((3, 4), (7, 8), ("c", "d"))
    assert (given.mean, given.scale, given.columns) == ((1, 2), (5, 6), ("a", "b"))
    small = data_of(Real((1, 4, 4))).given(LowResolution(2)).context_space
    assert len(small.mean) == 4 and any(small.mean), "reals that are given are standardised on the training events"


def test_low_resolution_is_the_mean_of_blocks():
    x = torch.tensor([[[[0, 2, 9, 9], [1, 1, 9, 9]]]], dtype=torch.uint8)
    assert LowResolution(2).split(x, Levels((1, 2, 4), 10))[1].tolist() == [[[[1, 9]]]]
    bits = torch.tensor([[[[0, 1, 1, 1], [1, 1, 1, 1]]]], dtype=torch.uint8)
    assert LowResolution(2).split(bits, Binary((1, 2, 4)))[1].tolist() == [[[[3, 4]]]], "how many of a block are set"


def test_grey_weighs_colours_as_the_eye_does():
    x = torch.tensor([[[[255, 0, 0]], [[0, 255, 0]], [[0, 0, 255]]]], dtype=torch.uint8)
    assert Grey().split(x, Levels((3, 1, 3), 256))[1].tolist() == [[[[76, 150, 29]]]]


def test_edges_are_where_a_picture_changes():
    x = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    x[..., 2:] = 16
    given = Edges().split(x, Levels((1, 4, 4), 17))[1]
    assert given[0, 0].tolist() == [[0, 1, 0, 0]] * 4
    assert not Edges().split(torch.full_like(x, 9), Levels((1, 4, 4), 17))[1].any()


def test_patches_are_the_liveliest_and_do_not_say_where_they_were():
    x = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    x[0, 0, 2:, 2:] = torch.tensor([[0, 9], [9, 0]])
    x[0, 0, :2, 2:] = torch.tensor([[0, 2], [0, 2]])
    given = Patches(2, 2).split(x, Levels((1, 4, 4), 10))[1]
    assert Patches(2, 2).split(x[:0], Levels((1, 4, 4), 10))[1].shape == (0, 2, 2, 2)  # as of an empty split
    assert given[0].tolist() == [[[0, 9], [9, 0]], [[0, 2], [0, 2]]]
    moved = Patches(2, 2).split(x.flip(2).roll(0, 2), Levels((1, 4, 4), 10))[1]
    assert sorted(moved.flatten().tolist()) == sorted(given.flatten().tolist())


def test_a_box_hides_the_middle_alone():
    x = events(GREY).clamp(min=1)
    box, given = Box(2, 4).split(x, GREY)
    hidden = given == 0
    assert hidden[:, :, 3:5, 4:8].all() and hidden.sum() == len(x) * 8
    assert torch.equal(box, x[:, :, 3:5, 4:8]) and torch.equal(given[~hidden], x[~hidden])


def test_random_pixels_are_those_of_the_event_wherever_it_stands():
    x = events(COLOUR, 400)
    view = Random(0.3)
    _, given = view.split(x, COLOUR)
    known = given[:, 3:] > 0
    assert abs(known.double().mean() - 0.3) < 4 * (0.21 / known.numel()) ** 0.5, "about the share that was asked for"
    assert torch.equal(given[:, :3], x * known), "what is given is true, and the rest is hidden"
    assert torch.equal(view.split(x[[7]], COLOUR)[1], given[[7]]), "alone as among others"
    assert len(known.flatten(1).unique(dim=0)) > 390, "each event has places of its own"
    means = known.double().mean(0).flatten()
    assert (means - 0.3).abs().max() < 5 * (0.21 / 400) ** 0.5, "no place is preferred"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("halb=top", "there is no view 'halb=top'. Did you mean half? What can be given is low-resolution=4, grey,"),
        ("half=up", "half should be one of top, bottom, left, right, first, last, but it is up"),
        ("low-resolution", "low-resolution takes a whole number, such as low-resolution=4, but it is low-resolution="),
        ("low-resolution=1", "low-resolution should be at least 2, but it is 1"),
        ("grey=3", "grey takes nothing after it, but it is grey=3"),
        ("edges=x", "edges takes a number, such as edges=0.25, but it is edges=x"),
        ("edges=2", "edges should be a part of the range, between 0 and 1, but it is 2"),
        ("frames=0", "frames should be at least 1, but it is 0"),
        ("patches=3", "patches takes their number and size, such as patches=3x8, but it is patches=3"),
        ("patches=0x8", "patches should be at least 1x2"),
        ("box=a", "box takes its height and width, such as box=8 or box=8x4, but it is box=a"),
        ("box=0", "box should be at least 1 x 1, but it is 0 x 0"),
        ("random", "random takes a number, such as random=0.25, but it is random="),
        ("random=1", "random should be the share that is given, between 0 and 1, but it is 1"),
    ],
)
def test_a_text_that_is_no_view_is_a_sentence(text: str, sentence: str):
    with pytest.raises(ValueError) as refused:
        view_of(text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("text", "space", "sentence"),
    [
        ("low-resolution=5", GREY, "cuts pictures into blocks, but 8 x 12 pixels are no whole number of them"),
        ("low-resolution=2", Real((4,)), "low-resolution is given of pictures with 1 or 3 channels, but events are of"),
        ("grey", GREY, "grey is given of colour pictures, but these are of Levels((1, 8, 12), 256)"),
        ("half=top", Real((4,)), "half=top is given of pictures, but events are of Real((4,)). Use half=first"),
        ("half=first", Classes(3), "half=first is given of several variables, but events are of Symbols((), 3)"),
        ("half=first", Real((1,)), "half=first needs at least two rows to halve"),
        ("frames=3", Levels((3, 4, 4), 8), "frames=3 is given of events of shape (frames, ...) with more frames"),
        ("patches=9x4", GREY, "9 patches of 4 x 4 do not fit side by side into Levels((1, 8, 12), 256)"),
        ("box=8x12", GREY, "a box of 8 x 12 leaves nothing to be given of 8 x 12 pixels"),
        ("random=.5", Real((1, 4, 4)), "random is given of pictures with levels or bits"),
        ("edges", Tokens(4, 3), "edges is given of pictures with 1 or 3 channels, but events are of Symbols((4,), 3)"),
    ],
)
def test_a_view_that_shows_nothing_of_such_events_is_a_sentence(text: str, space: Space, sentence: str):
    with pytest.raises(ValueError) as refused:
        view_of(text).spaces(space)
    assert sentence in str(refused.value)


def test_every_view_has_an_example_that_is_one():
    for name, (_, form) in VIEWS.items():
        assert form.partition("=")[0] == name and isinstance(view_of(form), View)


# Beside pictures


def save(path: Path, value: int, size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for i in range(20):
        save(tmp_path / "both" / "b photos" / f"{i}.png", 10 * i)
        save(tmp_path / "both" / "a sketch" / f"{i}.png", 10 * i + 5, (2, 2))
    return tmp_path / "both"


def test_pairs_are_matched_by_name(pairs: Path):
    data = load(pairs, given="pair")
    assert (data.space, data.context_space) == (Levels((1, 4, 4), 256), Levels((1, 2, 2), 256))
    for part in (data.train, data.valid, data.test):
        assert torch.equal(part.x[:, 0, 0, 0] + 5, part.context[:, 0, 0, 0])
    assert "Given are the pictures of a sketch, modelled those of b photos." in data.notes
    other = load(pairs, given="pair=b photos")
    assert other.space.shape == (1, 2, 2) and other.context_space.shape == (1, 4, 4)


def test_pairs_and_captions_stay_together_behind_a_picture_that_is_skipped(pairs: Path, captioned: Path):
    for bad in (pairs / "a sketch" / "11.png", pairs / "b photos" / "3.png", captioned / "4.png"):
        bad.write_bytes(b"no picture")
    data = load(pairs, given="pair", skip_corrupt=True)
    parts = (data.train, data.valid, data.test)
    assert sum(map(len, parts)) == 18
    assert all(torch.equal(part.x[:, 0, 0, 0] + 5, part.context[:, 0, 0, 0]) for part in parts)
    told = load(captioned, given="caption", skip_corrupt=True)
    for part in (told.train, told.valid, told.test):
        for x, caption in zip(part.x[:, 0, 0, 0].tolist(), told.context_space.show(part.context), strict=True):
            assert caption == "빨간 원" or ("red" in caption) == bool(x % 2)


@pytest.mark.parametrize(
    ("change", "given", "sentence"),
    [
        (lambda p: save(p / "a sketch" / "x.png", 1, (2, 2)), "pair", "1 pictures of .* have no counterpart .* as x"),
        (lambda p: save(p / "third" / "0.png", 1), "pair", "from two sub-folders of equal names, but .* has 3"),
        (lambda p: None, "pair=c", "should name a sub-folder of .*: a sketch or b photos"),
        (lambda p: None, "caption", "has no caption: expected a text 0.txt beside it, or a line in .*captions.csv"),
        (lambda p: None, "caption=en", "caption takes nothing after it"),
    ],
)
def test_pairs_that_do_not_match_are_a_sentence(pairs: Path, change, given: str, sentence: str):
    change(pairs)
    with pytest.raises(ValueError, match=sentence):
        load(pairs, given=given)


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    folder = tmp_path / "shapes"
    for i in range(20):
        save(folder / f"{i}.png", 100 + i)
        (folder / f"{i}.txt").write_text(f"A {'red' if i % 2 else 'blue'} Square.\n" + ("빨간 원\n" if i == 3 else ""))
    return folder


def test_captions_are_words(captioned: Path):
    data = load(captioned, given="caption")
    names = data.context_space.names
    assert names == ("", "a", "blue", "red", "square", "빨간", "원") and data.context_space.shape == (3,)
    for part in (data.train, data.valid, data.test):
        for x, caption in zip(part.x[:, 0, 0, 0].tolist(), data.context_space.show(part.context), strict=True):
            assert caption in ({"a red square"} if x % 2 else {"a blue square"}) | ({"빨간 원"} if x == 103 else set())
    assert sum(len(part) for part in (data.train, data.valid, data.test)) == 21
    assert any("1 pictures have several captions" in note for note in data.notes)
    assert torch.equal(data.context_space.parse(["A Red, square!"]), data.context_space.parse(["a red square"]))


def test_a_table_of_captions(captioned: Path):
    for text in captioned.glob("*.txt"):
        text.unlink()
    lines = [f'{i}.png,"one, two"' for i in range(20)]
    (captioned / "captions.csv").write_text("\n".join(lines))
    data = load(captioned, given="caption")
    assert set(data.context_space.show(data.train.context)) == {"one two"}
    assert not any("not images" in note for note in data.notes)


# Models that are given something


def test_models_are_asked_only_for_what_they_can_be_given():
    chosen, left_out = default_models(load("digits", given="half=top"))
    assert {"nade", "vae", "ddpm", "gan", "pixelcnn"} <= set(chosen)
    reason = "it takes one class for each event as its context, and these are Levels((1, 4, 8), 17)"
    assert left_out["chow-liu"] == reason
    assert "takes no contexts" in default_models(load("digits-binary"))[1]["rbm"]
    assert "chow-liu" in default_models(load("digits"))[0]


def test_compare_shows_what_is_given_beside_what_is_drawn(tmp_path: Path):
    data = load("digits", given="half=top")
    options = {"models": ["nade", "gan"], "minutes": 0.005, "samples": 50, "conditional": True}
    result = compare(data, tmp_path / "c", data_options={"given": "half=top"}, source="digits", **options)
    nade, _ = result.contenders
    assert nade.likelihood is not None and nade.likelihood.kind == "exact"
    assert nade.answers is not None and nade.answers.shape == (12, 3, 1, 8, 8)
    top = result.questions.context
    assert torch.equal(nade.answers[:, 0, :, :4], top), "what was given stays"
    assert result.real.shape[1:] == (1, 8, 8) and nade.shown.shape[1:] == (1, 8, 8)
    run = open_run(nade.run)
    assert run.model.context_space == data.context_space and run.data().fingerprint == data.fingerprint
    write(result, tmp_path / "c")
    page = (tmp_path / "c" / "report.html").read_text()
    assert 'alt="given, real and drawn by nade"' in page and "--given half=top" in page


@pytest.mark.parametrize(("given", "high"), [("random=.5", 2), ("box=4", 1), ("patches=3x4", 3)])
def test_a_context_of_other_channels_is_drawn_as_pictures_below_one_another(given: str, high: int, tmp_path: Path):
    data = load("digits", given=given)
    result = compare(data, tmp_path / "c", models=["regression"], minutes=0.005, samples=20, conditional=True)
    picture = Image.open(io.BytesIO(answers_picture(result, result.contenders[0])))
    rows = np.asarray(picture.convert("L"))
    assert picture.height > len(result.questions) * 50 * high, "a row is as high as what is given"
    assert (rows[:, :20] < 250).any(), "what is given stands at the left"


def test_captions_from_the_command_line(captioned: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["fit", "nade", "--data", str(captioned), "--given", "caption", "--steps", "2", "--out", "r", "--quiet"]
    assert main(words) == 0
    assert main(["sample", "r", "-n", "3", "--context", "a red square", "--out", "x.npy"]) == 0
    assert np.load("x.npy").shape == (3, 1, 4, 4)
    assert main(["sample", "r", "--context", "a green square"]) == 2
    assert "--context should be of a, blue, red, square, 빨간, 원, but it has 'green'." in capsys.readouterr().err
    assert main(["data", str(captioned), "--given", "caption", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["context"] == "Symbols((3,), 7)"
    assert isinstance(open_run("r").model.context_space, Symbols)


def test_contexts_of_reals_from_the_command_line(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i},{i % 7},{i % 3}" for i in range(40))
    (tmp_path / "t.csv").write_text(f"a,b,c\n{rows}\n")
    words = ["fit", "nade", "--data", "t.csv", "--given", "half=first", "--steps", "2", "--out", "r", "--quiet"]
    assert main(words) == 0
    assert main(["sample", "r", "-n", "2", "--context", "3.5", "--out", "x.csv"]) == 0
    assert (tmp_path / "x.csv").read_text().splitlines()[0] == "b,c"
    assert main(["sample", "r", "--context", "red"]) == 2
    assert "--context should be numbers, but it is 'red'." in capsys.readouterr().err
