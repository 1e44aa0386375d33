"""What is wrong with the user's data is said in one sentence, in a ValueError or a FileNotFoundError."""

import io
import os
import pickle
import re
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ptheta import load

FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def refused(source, pattern, error=ValueError, **options):
    with pytest.raises(error) as caught:
        load(source, **options)
    sentence = str(caught.value)
    assert re.search(pattern, sentence), sentence
    assert "\n" not in sentence and sentence.endswith(".")


def png(path, shape=(4, 4), value=7):
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


@pytest.mark.parametrize(
    ("source", "pattern", "error"),
    [
        ("mnits", r"'mnits' is neither a named data set nor a path: did you mean mnist", ValueError),
        ("zzzzzz", r"the names are digits, digits-binary, mnist", ValueError),
        ("no/such/folder", r"there is no file or folder no/such/folder\.", FileNotFoundError),
        ("digitz.npy", r"there is no file or folder digitz\.npy", FileNotFoundError),
        ("", r"^'' is neither", ValueError),
        ("a\0b", r"neither", ValueError),
        ("~nobody-of-that-name/x", r"neither", ValueError),
        ("x" * 5000, r"neither", ValueError),
    ],
)
def test_unknown_names_and_paths(source, pattern, error, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=pattern):
        load(source)


# --- folders ---


def test_a_folder_without_images(tmp_path):
    refused(tmp_path, r"has no images: expected files that end in \.png.*found no files")
    (tmp_path / "a.doc").write_text("x")
    refused(tmp_path, r"found only 1 other files, such as a\.doc")


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def deny(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", deny)
    refused(tmp_path, r"the folder .* cannot be read: Permission denied\.")


def test_images_of_different_sizes(tmp_path):
    png(tmp_path / "a.png", (4, 6))
    png(tmp_path / "b.png", (5, 6))
    refused(tmp_path, r"a\.png has 4x6 pixels \(height x width\), b\.png has 5x6\. Say size=32")


def test_a_corrupt_image_among_good_ones(tmp_path):
    for i in range(9):
        png(tmp_path / f"{i}.png")
    whole = (tmp_path / "3.png").read_bytes()
    (tmp_path / "3.png").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, r"the image .*3\.png cannot be read .* skip_corrupt=True to skip it\.")
    data = load(tmp_path, skip_corrupt=True)
    assert len(data.train) == 6
    assert "1 of 9 images could not be read and were skipped: 3.png." in data.notes


def test_only_corrupt_images(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not an image")
    refused(tmp_path, "none of the 1 images could be read", skip_corrupt=True)


def test_images_beside_classes(tmp_path):
    png(tmp_path / "a.png")
    (tmp_path / "cats").mkdir()
    png(tmp_path / "cats" / "b.png")
    refused(tmp_path, r"images both in itself \(1\) and in sub-folders \(cats\).*classes=False")


@pytest.mark.parametrize("size", [0, (3,), (3, 4, 5), 10_000, (4, -1)])
def test_sizes_that_are_none(tmp_path, size):
    png(tmp_path / "a.png")
    refused(tmp_path, "size should be one number or", size=size)


def test_too_few_images(tmp_path):
    png(tmp_path / "a.png")
    refused(tmp_path, "at least 3 events")


def bomb(width, height):
    """A small PNG file that claims to be huge."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [11_000, 60_000])
def test_decompression_bombs(tmp_path, side):
    (tmp_path / "a.png").write_bytes(bomb(side, side))
    refused(tmp_path, r"the image .*a\.png has more pixels than any picture should")


def test_one_image_is_not_a_data_set(tmp_path):
    png(tmp_path / "a.png")
    refused(tmp_path / "a.png", "is one image, but a data set is many: give the folder")
    (tmp_path / "a.mat").write_bytes(b"x")
    refused(tmp_path / "a.mat", r"cannot be read as data: expected a folder of images or a file that ends in \.npy")
    refused(tmp_path, r"the folder .* does not take the option siz: did you mean size\?", siz=3)


# --- arrays ---


@pytest.mark.parametrize(
    ("array", "pattern"),
    [
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), r"2 of 4 numbers that are NaN.*first in row 0, column 1"),
        (np.array([[1e300]] * 5), "too large for float32"),
        (np.array([[0, -3]] * 5), r"whole number -3 at \(0, 1\)"),
        (np.array([[2**40]] * 5), "too many for symbols"),
        (np.zeros((0, 3)), r"should hold events, but its shape is \(0, 3\)"),
        (np.float64(3), r"its shape is \(\)"),
        (np.zeros((4, 2), complex), "should hold numbers, but its type is complex128"),
        (np.array(["a", "b"] * 3), "holds text"),
        (np.zeros(4, [("a", int)]), "should hold numbers"),
        (np.array(["2020-01-01"] * 4, "M8[D]"), "should hold numbers"),
        (np.zeros((2, 2), np.uint8), "at least 3 events"),
    ],
)
def test_arrays_that_are_no_events(tmp_path, array, pattern):
    np.save(tmp_path / "a.npy", array)
    refused(tmp_path / "a.npy", pattern)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickles_are_never_loaded(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = np.array([Evil()] * 5, object)
    (np.save if name == "a.npy" else np.savez)(tmp_path / name, objects)
    refused(tmp_path / name, "holds Python objects, which are never loaded")
    (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    refused(tmp_path / name, "never loaded")
    assert not (tmp_path / "evil").exists()


def test_an_array_cut_short_or_too_large(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((100, 10)))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-100])
    refused(tmp_path / "a.npy", "cannot be read as numpy arrays")
    (tmp_path / "a.npy").write_bytes(whole.replace(b"(100, 10), }         ", b"(999999999999999, 10)}"[:21]))
    refused(tmp_path / "a.npy", "cannot be read as numpy arrays")
    (tmp_path / "b.npy").write_bytes(b"")
    refused(tmp_path / "b.npy", "cannot be read as numpy arrays")


def test_an_npz_of_other_things(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.zeros(3), biases=np.zeros(3))
    refused(tmp_path / "a.npz", r"should hold an array x, or train .* but it holds weights float64\(3,\), biases")
    np.savez(tmp_path / "b.npz", x=np.zeros((9, 2), np.uint8), y=np.zeros(8, int))
    refused(tmp_path / "b.npz", "should have one label per event")
    np.savez(tmp_path / "c.npz", train=np.zeros((9, 2), np.uint8), test=np.zeros((9, 3), np.uint8))
    refused(tmp_path / "c.npz", "should have one type and shape")
    np.savez(tmp_path / "d.npz", x=np.zeros((9, 2), np.uint8), y=np.full(9, 1j))
    refused(tmp_path / "d.npz", "should hold numbers, but its type is complex128")
    np.savez(tmp_path / "h.npz", x=np.zeros((3000, 2), np.uint8), y=np.arange(3000))
    refused(tmp_path / "h.npz", "should be classes, but 3000 events have 3000 different ones")
    np.savez(tmp_path / "e.npz", x=np.zeros((9, 2), np.uint8), y=np.full((9, 2), 1))
    refused(tmp_path / "e.npz", r"should have shape \(n,\)")
    np.savez(tmp_path / "f.npz", train=np.zeros((2, 2), np.uint8))
    refused(tmp_path / "f.npz", "at least 3|too few")
    with zipfile.ZipFile(tmp_path / "g.npz", "w") as archive:
        archive.writestr("../../outside.npy", b"x")
    refused(tmp_path / "g.npz", "cannot be read as numpy arrays|should hold")
    refused(tmp_path / "f.npz", "levels should be from 2 to 256", levels=1)


def test_levels_of_floats(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((9, 2)))
    refused(tmp_path / "a.npy", "levels are whole: convert them", levels=4)


# --- tables ---


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", "is empty"),
        ("\n  \n", "is empty"),
        ('"', "is empty"),
        ("a,b\n", "has a header but no rows of numbers"),
        ("a,b\n1,2\n3,x y\n", r"line 3 of .*a\.csv has the text 'x y' in the column b, .*label='b'"),
        ("1,2\nfoo,4\n", "line 2 .* has the text 'foo' in the column 1"),
        ("abc,2\n3,4\n", "expected at least 3 events"),  # a header, as of years
        ("a,b\n1,2\n3\n", r"line 3 of .* has 1 cells, but line 1 has 2 \(separated by ','\)"),
        ("a,b\n,\n?,NA\nnull,\n", r"has 6 missing values in 6 cells: there is nothing to model"),
        ("a,b\n1,inf\n3,4\n5,6\n", "the column b has 1 of 3 numbers that are NaN, infinite"),
        ("name\nAnn\nBob\nCid\n", "no column to model: name: 3 texts in 3 cells: identifiers or free text"),
        ("a,b\n1,1e999\n3,4\n5,6\n", "1 of 3 numbers that are NaN, infinite or too large for float64"),
        ("1,2\n3,4\n", "at least 3 events"),
    ],
)
def test_tables_that_are_not_numbers(tmp_path, text, pattern):
    (tmp_path / "a.csv").write_text(text)
    refused(tmp_path / "a.csv", pattern)


def test_labels_that_are_none(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{i},{i * 2}\n" for i in range(9)))
    refused(tmp_path / "a.csv", "has no column c: its columns are a, b", label="c")
    refused(tmp_path / "a.csv", "has 9 values in 9 rows: not classes", label="b")
    (tmp_path / "a.csv").write_text("a\n" + "1\n2\n" * 9)
    refused(tmp_path / "a.csv", "no columns of numbers beside the label", label="a")


def test_files_that_are_not_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"1,2\n\xff\xfe\n")
    refused(tmp_path / "a.csv", "is not UTF-8 text")
    (tmp_path / "a.txt").write_bytes(b"abc\xff")
    refused(tmp_path / "a.txt", "byte 0xff at position 3")
    (tmp_path / "b.txt").write_text("too short")
    refused(tmp_path / "b.txt", "has 9 characters, too few")
    refused(tmp_path / "b.txt", "sequence_length should be at least 1", sequence_length=0)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.setattr(
        "pathlib.Path.read_bytes", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    refused(tmp_path / "a.txt", "cannot be read: Permission denied")


# --- whatever the bytes ---


def survives(source):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load(source)
        except (ValueError, FileNotFoundError) as error:
            assert str(error)


NPY = io.BytesIO()
np.save(NPY, np.arange(40, dtype=np.int16).reshape(10, 4))
NPZ = io.BytesIO()
np.savez(NPZ, x=np.arange(40.0).reshape(10, 4), y=np.arange(10) % 2)
PNG = io.BytesIO()
Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(PNG, "PNG")
GIF = io.BytesIO()
Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(GIF, "GIF")
TABLE = b"a,b,c\n1,2,3\n4.5,6,7\n8,9,1e3\n0,0,0\n1,2,3\n"


@st.composite
def damaged(draw, whole):
    """The bytes of a good file with a few of them changed, or cut short."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(len(content) // 2, len(content)))])


@FUZZ
@given(st.binary(max_size=300), st.sampled_from([".npy", ".npz", ".csv", ".tsv", ".txt"]))
def test_random_bytes_as_files(tmp_path, content, suffix):
    (tmp_path / f"a{suffix}").write_bytes(content)
    survives(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("whole", "name"), [(NPY, "a.npy"), (NPZ, "a.npz"), (TABLE, "a.csv"), (PNG, "a.png"), (GIF, "a.gif")]
)
def test_damaged_files(tmp_path, whole, name):
    good = whole if isinstance(whole, bytes) else whole.getvalue()

    @FUZZ
    @given(damaged(good))
    def check(content):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir(exist_ok=True)
        for k in range(3):
            (folder / f"{k}{name}").write_bytes(content)
        survives(folder if name in ("a.png", "a.gif") else folder / f"0{name}")

    check()


@FUZZ
@given(st.text(max_size=200))
def test_random_text_as_tables_texts_and_names(tmp_path, content):
    for suffix in (".csv", ".txt"):
        (tmp_path / f"a{suffix}").write_text(content, encoding="utf-8", errors="surrogatepass")
        survives(tmp_path / f"a{suffix}")
    if not content.startswith(("/", ".", "~")):
        survives(content)
