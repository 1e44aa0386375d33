"""The user's images, arrays, tables and texts."""

import shlex
import struct
import zlib

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
    assert data.context_space == Classes(2, ("cats", "dogs"))
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
    assert data.context_space == Classes(4, "0123") and all(data.train.x[:, 0] // 3 % 4 == data.train.context)
    np.savez(tmp_path / "b.npz", train=x, test=x[:3], train_labels=y, test_labels=y[:3], extra=y)
    data = load(tmp_path / "b.npz")
    assert (len(data.train), len(data.valid), len(data.test)) == (18, 2, 3) and (data.test.x.numpy() == x[:3]).all()
    assert "no valid events: 2 training events were taken" in " ".join(data.notes)
    assert "left out: extra" in " ".join(data.notes)
    np.savez(tmp_path / "c.npz", x=x, labels=np.array(["b", "a"] * 10))
    assert load(tmp_path / "c.npz").context_space == Classes(2, ("a", "b"))
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
    assert abs(data.space.mean[0] - 5) < 1 and data.space.scale[1] == 1
    assert data.train.x.dtype == torch.float64, "about an offset, float32 would lose what tells rows apart"
    assert _saved(tmp_path, x[:, :3]).train.x.dtype == torch.float32
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
    assert data.space == Binary((2,), ("a", "b")) and data.context_space == Classes(2, ("no", "yes"))
    assert (data.train.x[:, 0].long() == 1 - data.train.context).all()
    (tmp_path / "b.csv").write_text("0.5,10\n1.5,9\n" * 10)
    assert load(tmp_path / "b.csv", label=2).context_space == Classes(2, ("9", "10"))


def test_texts_are_cut_in_order(tmp_path):
    text = "".join(chr(97 + i % 26) for i in range(1005)) + "é\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    data = load(tmp_path / "a.txt", sequence_length=10)
    assert str(data.space) == "Symbols((10,), 28)" and [len(s) for s in (data.train, data.valid, data.test)] == [
        80,
        10,
        10,
    ]
    said = ["".join(data.space.show(s.x)) for s in (data.train, data.valid, data.test)]
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


# --- kinds of input that people have ---


def test_transparency_as_one_colour_is_as_good_as_a_channel(tmp_path):
    """A PNG's tRNS chunk hides the pixels of one colour, in every mode."""
    rng = np.random.default_rng(2)
    for folder in ("grey", "colour", "deep", "bits", "rgba"):
        (tmp_path / folder).mkdir()
    for i in range(5):
        grey = rng.integers(1, 256, (4, 3), np.uint8)
        colour = rng.integers(1, 256, (4, 3, 3), np.uint8)
        grey[:2] = colour[:2] = 0
        Image.fromarray(grey).save(tmp_path / "grey" / f"{i}.png", transparency=0)
        Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep" / f"{i}.png", transparency=0)
        Image.fromarray(grey > 99).save(tmp_path / "bits" / f"{i}.png", transparency=0)
        Image.fromarray(colour).save(tmp_path / "colour" / f"{i}.png", transparency=(0, 0, 0))
        Image.open(tmp_path / "colour" / f"{i}.png").convert("RGBA").save(tmp_path / "rgba" / f"{i}.png")
    for folder, channels in {"grey": 1, "colour": 3, "deep": 1, "bits": 1}.items():
        data = load(tmp_path / folder)
        x = data.everything().x
        white = 1 if folder == "bits" else 255
        assert data.space.shape == (channels, 4, 3) and (x[:, :, :2] == white).all(), folder
        assert "5 of 5 images had an alpha channel: their transparent parts were put on white." in data.notes
    assert load(tmp_path / "colour").fingerprint == load(tmp_path / "rgba").fingerprint


def test_twelve_bits_in_sixteen_keep_all_of_their_upper_eight(tmp_path):
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 4096, (8, 6, 5)).astype(np.uint16)
    deep[3, 0, 0] = 4095
    for i, pixels in enumerate(deep):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    data = load(tmp_path)
    assert (data.everything().x[:, 0].numpy() == deep >> 4).all() and data.decided["depth"] == 12
    assert any("of which all of them together use 12: the upper 8 of those were kept" in note for note in data.notes)
    assert load(tmp_path, depth=16).everything().x.max() == 15
    with pytest.raises(ValueError, match="more than the 10 bits of depth=10"):
        load(tmp_path, depth=10)


def test_sixteen_bits_in_colour_are_said(tmp_path):
    for kind, channels in ((2, 3), (4, 2), (6, 4)):
        folder = tmp_path / str(kind)
        folder.mkdir()
        for i in range(4):
            (folder / f"{i}.png").write_bytes(_png16(kind, channels))
        data = load(folder)
        assert data.space.shape[0] == (1 if kind == 4 else 3), "grey with alpha stays grey"
        assert "4 of 4 images have 16 bits per channel: the upper 8 were kept." in data.notes


def _png16(kind, channels):
    """A PNG of 16 bits per channel, which Pillow reads but does not write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + bytes(range(40, 40 + 8 * channels)) for _ in range(3))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_labels_are_classes_by_name_and_none_is_made_up(tmp_path):
    x = np.arange(90, dtype=np.uint8).reshape(30, 3)
    np.savez(tmp_path / "y.npz", x=x, y=np.arange(30) % 3 + 1)
    data = load(tmp_path / "y.npz")
    assert data.context_space == Classes(3, ("1", "2", "3"))
    everything = data.everything()
    assert (everything.x.numpy() == x).all() and (everything.context.numpy() == np.arange(30) % 3).all()
    np.savez(tmp_path / "z.npz", x=x, y=np.arange(30) % 2 * 12 - 2)
    assert load(tmp_path / "z.npz").context_space == Classes(2, ("-2", "10"))
    np.savez(tmp_path / "t.npz", train=x, test=x, y_train=np.zeros(30, int), y_test=np.ones(30, int))
    assert "No training event is of the class 1: a model cannot know it." in load(tmp_path / "t.npz").notes


def test_sub_folders_called_train_and_test_are_splits(tmp_path):
    for k, part in enumerate(("test", "train")):
        for j, kind in enumerate(("dog", "cat")):
            _images(tmp_path / "a" / part / kind, n=10, seed=10 * k + j)
    data = load(tmp_path / "a")
    assert data.context_space == Classes(2, ("cat", "dog"))
    assert [len(s) for s in (data.train, data.valid, data.test)] == [18, 2, 20]
    assert "The sub-folders test, train were read as splits: 20 / 0 / 20 pictures." in data.notes
    held = {tuple(np.asarray(Image.open(f)).flatten()) for f in (tmp_path / "a" / "test").rglob("*.png")}
    assert {tuple(x.flatten().tolist()) for x in data.test.x} == held
    assert not held & {tuple(x.flatten().tolist()) for x in torch.cat([data.train.x, data.valid.x])}
    assert all(data.sources[i].startswith("test") for i in data.test.rows)
    _images(tmp_path / "a" / "extra", n=2)
    with pytest.raises(ValueError, match="which are splits, but pictures in extra too"):
        load(tmp_path / "a")
    _images(tmp_path / "b" / "Train", n=10)
    _images(tmp_path / "b" / "val", n=3)
    data = load(tmp_path / "b")
    assert data.context_space is None and [len(s) for s in (data.train, data.valid, data.test)] == [9, 3, 1]


def test_pictures_of_another_shape_are_cut_filled_up_or_stretched(tmp_path):
    wide = np.zeros((4, 8), np.uint8)
    wide[:, :2], wide[:, 6:] = 200, 100
    for i in range(4):
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    cut, pad, stretch = (load(tmp_path, size=4, shape=shape) for shape in ("cut", "pad", "stretch"))
    assert cut.train.x[0, 0].max() == 0 and "cut to their middle" in " ".join(cut.notes)
    assert "shape=pad or shape=stretch keeps all" in " ".join(cut.notes)
    assert stretch.train.x[0, 0, 0].tolist()[::3] == [189, 95] and "stretched" in " ".join(stretch.notes)
    edge = pad.train.x[0, 0][[0, 3]].unique().tolist()
    assert len(edge) == 1 and 50 < edge[0] < 150 and "mean of their edges" in " ".join(pad.notes)
    with pytest.raises(ValueError, match="shape should be one of cut, pad, stretch"):
        load(tmp_path, size=4, shape="crop")


def test_advice_works_when_it_is_followed(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(600).reshape(60, 10).astype("u2"))
    note = next(n for n in load(tmp_path / "a.npy").notes if "unordered symbols" in n)
    assert "levels=" not in note and "saved as floats they would be reals" in note
    np.save(tmp_path / "a.npy", np.arange(600).reshape(60, 10).astype("f8"))
    assert str(load(tmp_path / "a.npy").space) == "Real((10,))"
    np.save(tmp_path / "b.npy", np.arange(60).reshape(12, 5))
    note = next(n for n in load(tmp_path / "b.npy").notes if "unordered symbols" in n)
    assert "levels=60 would order them" in note and load(tmp_path / "b.npy", levels=60).space == Levels((5,), 60)


def test_a_list_is_read_a_line_an_event(tmp_path):
    (tmp_path / "a.txt").write_text("anna\nbo\nclementine\n" * 10)
    data = load(tmp_path / "a.txt")
    assert data.space.names[0] == "" and data.space.shape == (10,) and data.decided["lines"]
    assert data.space.show(data.everything().x) == ["anna", "bo", "clementine"] * 10
    assert "Each of 30 lines was read as an event" in data.notes[0] and "lines=false" in data.notes[0]
    assert load(tmp_path / "a.txt", lines=False, sequence_length=4).space.shape == (4,)
    (tmp_path / "b.txt").write_text("to be or not\nto be that\n\nis the question\n" * 20)
    data = load(tmp_path / "b.txt")
    assert data.space.shape == (64,) and "lines=true" in data.notes[0]
    data = load(tmp_path / "b.txt", lines=True)
    assert data.space.show(data.everything().x)[:3] == ["to be or not", "to be that", "is the question"]
    assert data.everything().rows[:3].tolist() == [0, 1, 3], "lines of the file, from 0"
    with pytest.raises(ValueError, match=r"line 4 of .* has 15 characters, more than the 12 of an event"):
        load(tmp_path / "b.txt", lines=True, sequence_length=12)
    (tmp_path / "dna.txt").write_text(("ACGT" * 20 + "\n") * 9 + "ACG\n")
    assert not load(tmp_path / "dna.txt").decided["lines"], "a sequence that is wrapped"


def test_formats_that_are_not_read_are_refused_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wavfile, savemat = pytest.importorskip("scipy.io.wavfile"), pytest.importorskip("scipy.io").savemat
    x = np.random.default_rng(0).normal(size=(40, 3))
    wavfile.write("it's.wav", 8000, np.random.default_rng(0).normal(size=4000).astype("f4"))
    savemat("a.mat", {"x": x})
    for name, made in (("it's.wav", "it's.npy"), ("a.mat", "a.npz")):
        with pytest.raises(ValueError, match="cannot be read as data") as refused:
            load(name)
        code, *_ = shlex.split(str(refused.value).partition("first (python -c ")[2].rpartition(")")[0])
        exec(code)
        assert len(load(made).train)
    for name in ("a.feather", "a.xls", "a.json", "a.zip", "a.pkl", "a.mp4", "a.h5", "a.pt", "README"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ValueError, match=r"but it ends in .*\. (Turn|Unpack|Pickles|Such|If)"):
            load(name)
