"""The user's images, arrays, tables and texts."""

import numpy as np
import pytest
import torch
from PIL import Image

from ptheta import Binary, Classes, Levels, Real, Symbols, load

# --- the user's images ---


def _images(folder, n=12, size=(6, 5), mode="L", suffix="png", seed=0, **save):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "LA": 2, "CMYK": 4}[mode]
    for i in range(n):
        pixels = rng.integers(0, 256, (*size, channels), np.uint8).squeeze()
        Image.fromarray(pixels, mode if channels in (2, 4) else None).save(folder / f"{i:02}.{suffix}", **save)
    return folder


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        ("L", "png", 1),
        ("RGB", "png", 3),
        ("RGB", "jpg", 3),
        ("RGB", "bmp", 3),
        ("L", "tif", 1),
        ("L", "pgm", 1),
        ("RGB", "webp", 3),
    ],
)
def test_a_folder_of_images(tmp_path, mode, suffix, channels):
    data = load(_images(tmp_path / "cats", mode=mode, suffix=suffix))
    assert data.name == "cats" and data.space == Levels((channels, 6, 5), 256) and data.context_space is None
    assert [len(s) for s in (data.train, data.valid, data.test)] == [10, 1, 1]


def test_lossless_pixels_arrive_as_they_are(tmp_path):
    folder = _images(tmp_path / "a", n=5, mode="RGB")
    data = load(folder)
    want = sorted(np.asarray(Image.open(f)).transpose(2, 0, 1).tolist() for f in folder.iterdir())
    assert sorted(torch.cat([data.train.x, data.valid.x, data.test.x]).tolist()) == want


def test_sub_folders_are_classes(tmp_path):
    for k, name in enumerate(("dogs", "cats")):
        _images(tmp_path / "pets" / name, n=10, seed=k)
    (tmp_path / "pets" / "cats" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "pets" / "cats" / "notes.txt").write_text("x")
    data = load(tmp_path / "pets")
    assert data.context_space == Classes(2) and data.class_names == ("cats", "dogs")
    assert "The sub-folders were read as 2 classes: cats, dogs." in data.notes
    assert "1 files that are not images were left out, such as notes.txt." in data.notes
    cat = np.asarray(Image.open(tmp_path / "pets" / "cats" / "03.png"))
    for events in (data.train, data.valid, data.test):
        for x, context in zip(events.x, events.context, strict=True):
            assert int(context) == 0 or (x[0].numpy() != cat).any()
    assert load(tmp_path / "pets", classes=False).context_space is None


def test_what_is_done_to_images_is_said(tmp_path):
    _images(tmp_path / "a", n=4, mode="RGBA", size=(8, 10))
    _images(tmp_path / "a", n=2, mode="L", size=(6, 6), suffix="bmp")
    data = load(tmp_path / "a", size=4)
    notes = " ".join(data.notes)
    assert data.space == Levels((3, 4, 4), 256)
    assert "4 of 6 images had an alpha channel: their transparent parts were put on white." in notes
    assert "2 of 6 images are grey and were made colour, because others are in colour." in notes
    assert "The images were resized to 4x4" in notes and "4 of 6 images did not have the shape asked for" in notes


def test_transparent_pixels_become_white(tmp_path):
    for i in range(5):
        Image.new("LA", (3, 3), (90, 0 if i % 2 else 255)).save(tmp_path / f"{i}.png")
    data = load(tmp_path)
    x = torch.cat([data.train.x, data.valid.x, data.test.x])
    assert data.space == Levels((1, 3, 3), 256) and sorted(x[:, 0, 0, 0].tolist()) == [90, 90, 90, 255, 255]


def test_black_and_white_images_are_bits(tmp_path):
    for i in range(5):
        Image.fromarray(np.random.default_rng(i).random((4, 3)) < 0.5).save(tmp_path / f"{i}.png")
    data = load(tmp_path)
    assert data.space == Binary((1, 4, 3)) and any("read as bits: 1 is white" in note for note in data.notes)


def test_sixteen_bits_palettes_cmyk_and_exif(tmp_path):
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    for i in range(4):
        Image.fromarray(deep).save(tmp_path / f"{i}.png")
    data = load(tmp_path)
    assert data.train.x[0, 0].tolist() == (deep >> 8).tolist() and "upper 8 were kept" in " ".join(data.notes)
    for i in range(4):
        Image.new("CMYK", (4, 3)).save(tmp_path / f"{i}.jpg")
        (tmp_path / f"{i}.png").unlink()
    assert "converted to RGB" in " ".join(load(tmp_path).notes)
    for i in range(4):
        (tmp_path / f"{i}.jpg").unlink()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("L", (4, 3)).save(tmp_path / f"{i}.jpeg", exif=exif)
    data = load(tmp_path)
    assert data.space.shape == (1, 4, 3) and "EXIF" in " ".join(data.notes)
    for i in range(4):
        (tmp_path / f"{i}.jpeg").unlink()
        Image.fromarray(deep.astype(np.uint8)).convert("P").save(tmp_path / f"{i}.gif")
    assert load(tmp_path).space.shape == (1, 3, 4)


# --- the user's arrays ---


def _saved(folder, array, name="mine.npy"):
    np.save(folder / name, array)
    return load(folder / name)


ARRAYS = [
    (np.array([[0, 1, 1]] * 9, np.uint8), Binary((3,)), None),
    (np.zeros((9, 3), bool), Binary((3,)), None),
    (np.array([[0, 255, 0]] * 9, np.uint8), Binary((3,)), "read as bits"),
    (np.array([[0, 16, 7]] * 9, np.uint8), Levels((3,), 256), "levels=17 may be meant"),
    (np.full((9, 4, 5), 200, np.uint8), Levels((1, 4, 5), 256), "read as (n, height, width)"),
    (np.full((9, 4, 5, 3), 200, np.uint8), Levels((3, 4, 5), 256), "(n, height, width, channels)"),
    (np.full((9, 1, 4, 5), 200, np.uint8), Levels((1, 4, 5), 256), "(n, channels, height, width)"),
    (np.full((9, 2, 4, 5), 200, np.uint8), Levels((2, 4, 5), 256), "were kept"),
    (np.array([[0, 4, 2]] * 9), Symbols((3,), 5), "unordered symbols 0 to 4"),
    (np.linspace(0, 1, 27).reshape(9, 3), Real((3,)), None),
    (np.arange(27.0).reshape(9, 3), Real((3,)), "a uint8 .npy file would make them levels"),
    (np.arange(9) * 0.5, Real((1,)), "event of shape (1,)"),
]


@pytest.mark.parametrize(("array", "space", "note"), ARRAYS)
def test_the_type_of_the_numbers_says_the_space(tmp_path, array, space, note):
    data = _saved(tmp_path, array)
    assert str(data.space) == str(space)
    assert note is None or note in " ".join(data.notes)
    assert sum(len(s) for s in (data.train, data.valid, data.test)) == 9


def test_levels_may_be_given(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 16, 7]] * 9, np.int32))
    assert load(tmp_path / "a.npy", levels=17).space == Levels((3,), 17)
    with pytest.raises(ValueError, match="holds the level 16, but with levels=16 the largest is 15"):
        load(tmp_path / "a.npy", levels=16)


def test_an_npz_may_hold_splits_and_labels(tmp_path):
    x, y = np.arange(60, dtype=np.uint8).reshape(20, 3), np.arange(20) % 4
    np.savez(tmp_path / "a.npz", x=x, y=y)
    data = load(tmp_path / "a.npz")
    assert data.context_space == Classes(4) and all(data.train.x[:, 0] // 3 % 4 == data.train.context)
    np.savez(tmp_path / "b.npz", train=x, test=x[:3], train_labels=y, test_labels=y[:3], extra=y)
    data = load(tmp_path / "b.npz")
    assert (len(data.train), len(data.valid), len(data.test)) == (18, 2, 3) and (data.test.x.numpy() == x[:3]).all()
    assert "no valid events: 2 training events were taken" in " ".join(data.notes)
    assert "left out: extra" in " ".join(data.notes)
    np.savez(tmp_path / "c.npz", x=x, labels=np.array(["b", "a"] * 10))
    assert load(tmp_path / "c.npz").class_names == ("a", "b")
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y / 2, x_valid=x, y_valid=y / 2, x_test=x, y_test=y / 2)
    assert isinstance(load(tmp_path / "d.npz").context_space, Real)
    assert load(tmp_path / "d.npz", classes=False).context_space is None


def test_reals_are_standardised_and_surprises_are_said(tmp_path):
    rng = np.random.default_rng(0)
    x = np.stack(
        [rng.normal(5, 2, 200), np.full(200, 3.3), rng.integers(0, 2, 200) + 0.5, 1e9 + rng.normal(size=200)], 1
    )
    data = _saved(tmp_path, x)
    notes = " ".join(data.notes)
    assert data.train.x.dtype == torch.float32 and abs(data.space.mean[0] - 5) < 1 and data.space.scale[1] == 1
    assert "are constant: a density there has no finite value: 1." in notes
    assert "grow without bound" in notes and "lose digits in float32: subtract an offset: 3." in notes


# --- the user's tables and texts ---


@pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")])
@pytest.mark.parametrize("header", [True, False])
def test_tables_of_numbers(tmp_path, delimiter, name, header):
    rows = np.random.default_rng(0).normal(size=(20, 3))
    lines = [delimiter.join(f"{cell:.6f}" for cell in row) for row in rows]
    (tmp_path / name).write_text("\n".join([delimiter.join(("one", '"two"', "three"))] * header + lines) + "\n\n")
    data = load(tmp_path / name)
    x = torch.cat([data.train.x, data.valid.x, data.test.x])
    assert isinstance(data.space, Real) and x.shape == (20, 3)
    assert np.allclose(np.sort(x[:, 1]), np.sort(rows[:, 1]), atol=1e-5)
    assert ("one, two, three" in data.description) == header
    assert header or "has no header" in " ".join(data.notes)


def test_tables_of_bits_and_labels(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,kind\n" + "0,1,yes\n1,1,no\n" * 10)
    data = load(tmp_path / "a.csv", label="kind")
    assert data.space == Binary((2,)) and data.class_names == ("no", "yes")
    assert (data.train.x[:, 0].long() == 1 - data.train.context).all()
    (tmp_path / "b.csv").write_text("0.5,10\n1.5,9\n" * 10)
    assert load(tmp_path / "b.csv", label=2).class_names == ("9", "10")


def test_texts_are_cut_in_order(tmp_path):
    text = "".join(chr(97 + i % 26) for i in range(1005)) + "é\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    data = load(tmp_path / "a.txt", sequence_length=10)
    assert data.space == Symbols((10,), 28) and [len(s) for s in (data.train, data.valid, data.test)] == [80, 10, 10]
    said = ["".join(data.class_names[t] for t in s.x.flatten().tolist()) for s in (data.train, data.valid, data.test)]
    assert text.startswith(said[0]) and said[1] in text[805:] and said[2] in text[900:]
    assert "left-over characters" in data.notes[0]


def test_chunks_inside_the_training_text_can_validate(real_data):
    after, inside = (
        load("shakespeare", sequence_length=128),
        load("shakespeare", sequence_length=128, valid_inside=True),
    )
    assert torch.equal(after.test.x, inside.test.x)
    assert len(inside.train) + len(inside.valid) == len(after.train) + len(after.valid)
    assert len(inside.valid) == len(after.train.x[10::20]) + len(after.valid.x[(10 - len(after.train)) % 20 :: 20])
    assert torch.equal(inside.valid.x[0], after.train.x[10]) and torch.equal(inside.train.x[10], after.train.x[11])
