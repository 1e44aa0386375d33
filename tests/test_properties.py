"""No input, however odd, yields a traceback: spaces and readers of data, on generated inputs.

Random draws are the same every time; PTHETA_EXAMPLES asks for more of them, and other ones.
"""

import io
import json
import math
import os
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from ptheta import load
from ptheta.data import Dataset
from ptheta.data.names import NAMES
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, space_from_json

MORE = int(os.environ.get("PTHETA_EXAMPLES", "0"))


def examples(n: int) -> settings:
    return settings(
        max_examples=MORE or n,
        deadline=None,
        derandomize=not MORE,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# --- spaces ---

SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
FINITE = st.floats(-1e6, 1e6)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    shape = draw(SHAPES)
    kind = draw(st.sampled_from(("binary", "levels", "symbols", "real")))
    if kind == "binary":
        return Binary(shape)
    if kind == "levels":
        return Levels(shape, draw(st.integers(2, 256)))
    if kind == "symbols":
        return Symbols(shape, draw(st.integers(1, 40)))
    d = math.prod(shape)
    mean = draw(st.lists(FINITE, min_size=d, max_size=d) | st.just([]))
    scale = draw(st.lists(st.floats(1e-3, 1e6), min_size=d, max_size=d) | st.just([]))
    return Real(shape, tuple(mean), tuple(scale))


def count(space: Space) -> int:
    assert isinstance(space, (Binary, Levels, Symbols))
    return space.n


def events(space: Space, n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if isinstance(space, Real):
        return torch.randn(n, *space.shape, generator=generator, dtype=torch.float64) * 100
    return torch.randint(0, count(space), (n, *space.shape), generator=generator).to(space.dtype)


@examples(100)
@given(spaces(), st.integers(0, 5), st.integers(0, 10**6))
def test_spaces_lead_there_and_back(space: Space, n: int, seed: int):
    x = events(space, n, seed)
    space.check(x)
    y = space.embed(x, torch.float64)
    assert y.shape == (n, *space.embedded_shape)
    cells = space.cells(x)
    assert cells.shape == (n, space.dimensions)
    for back in (space.project(y), space.events(cells)):
        space.check(back)
        assert torch.equal(back, x) if space.is_discrete else torch.allclose(back, x, rtol=1e-9, atol=1e-9)
    again = space_from_json(json.loads(json.dumps(space.to_json())))
    assert again == space and hash(again) == hash(space) and str(again) == str(space)


@examples(60)
@given(spaces(), st.integers(0, 10**6), st.floats(0, 1e6))
def test_whatever_a_network_puts_out_is_projected_to_an_event(space: Space, seed: int, scale: float):
    y = torch.randn(6, *space.embedded_shape, generator=torch.Generator().manual_seed(seed)) * scale
    space.check(space.project(y.double() if isinstance(space, Real) else y))  # about an offset float32 is refused


DTYPES = [torch.uint8, torch.int8, torch.int32, torch.int64, torch.bool, torch.float16, torch.float32, torch.float64]
DTYPES += [torch.bfloat16, torch.complex64, torch.float8_e4m3fn]


@st.composite
def odd_tensors(draw: st.DrawFn) -> Any:
    shape = draw(st.lists(st.integers(0, 4), max_size=5))
    if draw(st.integers(0, 9)) == 0:
        plain = torch.zeros(3, 3)
        tensors = (plain.to_sparse(), plain.to_sparse().byte(), plain.to("meta"))
        return draw(st.sampled_from((None, 3, "x", [[1]], {}, object(), np.zeros((2, 2)), torch.nn.Linear, *tensors)))
    x = torch.zeros(shape)
    fill = draw(st.sampled_from((0.0, 1.0, 2.0, 7.0, 200.0, -1.0, math.nan, math.inf)))
    dtype = draw(st.sampled_from(DTYPES))
    if x.numel() and (dtype.is_floating_point or math.isfinite(fill)):
        x.flatten()[draw(st.integers(0, x.numel() - 1))] = fill
    return x.to(dtype)


def is_event(space: Space, x: Any) -> bool:
    """What ``check`` should say, written another way."""
    if not isinstance(x, Tensor) or x.layout != torch.strided or x.is_meta:
        return False
    if tuple(x.shape) != (*x.shape[:1], *space.shape) or not x.ndim:
        return False
    if isinstance(space, Real):
        real = x.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        return real and all(map(math.isfinite, x.double().flatten().tolist()))
    return x.dtype == space.dtype and all(0 <= v < count(space) for v in x.flatten().tolist())


@examples(250)
@given(spaces(), odd_tensors())
def test_a_check_refuses_all_but_events(space: Space, x: Any):
    try:
        space.check(x)
    except ValueError as error:
        assert str(error).endswith(".") and not is_event(space, x)
    else:
        assert is_event(space, x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_no_batch():
    with pytest.raises(ValueError, match="Give a plain tensor"):
        Real((3, 3)).check(torch.nested.as_nested_tensor([torch.zeros(3, 3)]))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=3) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
FIELDS = st.sampled_from(("kind", "shape", "n", "mean", "scale", "x"))


@examples(250)
@given(spaces(), st.dictionaries(FIELDS, ANYTHING, max_size=3), st.lists(FIELDS, max_size=2))
def test_any_record_is_a_space_or_refused(space: Space, changes: dict[str, Any], gone: list[str]):
    record = {key: value for key, value in {**space.to_json(), **changes}.items() if key not in gone}
    try:
        built = space_from_json(record)
    except ValueError as error:
        assert str(error)
    else:
        assert built is not None and space_from_json(built.to_json()) == built


# --- readers of data ---


def dataset_or_sentence(source: Any, **options: Any) -> Dataset | None:
    """Either a data set whose events are events, or one sentence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            data = load(source, **options)
        except (ValueError, OSError) as error:
            assert str(error) and "\n" not in str(error), str(error)
            return None
    for part in (data.train, data.valid, data.test):
        data.space.check(part.x)
        if data.context_space is not None:
            data.context_space.check(part.context)
            assert len(part.context) == len(part.x)
    json.dumps(data.describe())
    assert len(data.fingerprint) == 16
    return data


def saved(array: Any, save: Any = np.save, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *([] if array is None else [array]), **arrays)
    return buffer.getvalue()


def picture(kind: str, mode: str = "L", size: tuple[int, int] = (3, 4), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


LABELS = {"x": np.arange(40.0).reshape(10, 4), "y": np.arange(10) % 2}
SPLIT = {"train": np.ones((9, 2), np.uint8), "test": np.ones((4, 2), np.uint8)}
SPLIT |= {"train_y": np.ones(9), "test_y": np.ones(4)}
GOOD: list[tuple[str, bytes]] = [
    (".npy", saved(np.arange(40, dtype=np.int16).reshape(10, 4))),
    (".npy", saved(np.zeros((10, 2, 3, 3), np.uint8))),
    (".npy", saved(np.asfortranarray(np.ones((10, 3), ">f8")))),
    (".npy", saved(np.array([True, False] * 4))),
    (".npz", saved(None, np.savez, **LABELS)),
    (".npz", saved(None, np.savez_compressed, **SPLIT)),
    (".csv", b"a,b,c\n1,2,3\n4.5,6,7\n8,9,1e3\n0,0,0\n1,2,3\n"),
    (".csv", b'"x ""y""";z\n1;0\n0;1\n1;1\n0;0\n'),
    (".tsv", "é\tb\r\n1\t0\r\n0\t1\r\n1\t1\r\n0\t1\r\n".encode("utf-8-sig")),
    (".txt", ("héllo wörld\n" * 120).encode()),
    (".png", picture("PNG")),
    (".png", picture("PNG", "I;16")),
    (".png", picture("PNG", "P", transparency=0)),
    (".jpg", picture("JPEG", "CMYK")),
    (".jpeg", picture("JPEG", "RGB", exif=Image.Exif())),
    (".gif", picture("GIF", "P", save_all=True, append_images=[Image.new("P", (3, 4), 1)])),
    (".bmp", picture("BMP", "RGB")),
    (".webp", picture("WEBP", "RGBA")),
    (".tif", picture("TIFF", "F")),
    (".tiff", picture("TIFF", "LAB")),
    (".pgm", picture("PPM", "L")),
    (".ppm", b"P3\n2 1\n255\n1 2 3 4 5 6\n"),
    (".pbm", b"P1\n2 2\n0 1 1 0\n"),
]
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm")
SNIPPETS = [b"\0", b"\n", b",", b";", b'"', b"\t", b"nan", b"1e999", b"-", b"\xff\xff\xff\xff", b"\r", b"(", b"9" * 30]
SNIPPETS += [b"'|O'", struct.pack("<I", 2**31), b"\xef\xbb\xbf", "\u2028".encode(), b"PK\x03\x04", b"GIF89a"]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file with bytes changed, pieces put in, taken out, doubled or moved, perhaps under another ending."""
    ending, whole = draw(st.sampled_from(GOOD))
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        to = draw(st.integers(at, min(len(content), at + 40)))
        match draw(st.integers(0, 5)):
            case 0:
                content[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                content[at:at] = draw(st.sampled_from(SNIPPETS))
            case 2:
                del content[at:to]
            case 3:
                content[at:at] = content[at:to] * draw(st.integers(1, 30))
            case 4:
                del content[at:]
            case 5:
                content[at:to] = reversed(content[at:to])
    if draw(st.integers(0, 5)) == 0:
        ending = draw(st.sampled_from([e for e, _ in GOOD]))
    return ending, bytes(content)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@examples(300)
@given(mutated())
def test_mutations_of_good_files(bench: Path, file: tuple[str, bytes]):
    ending, content = file
    if ending in PICTURES:
        folder = bench / "pictures"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for k in range(3):
            (folder / f"{k}{ending}").write_bytes(content)
        dataset_or_sentence(folder)
        dataset_or_sentence(folder, size=3, skip_corrupt=True)
    else:
        (bench / f"a{ending}").write_bytes(content)
        dataset_or_sentence(bench / f"a{ending}")


@examples(60)
@given(st.binary(max_size=200), st.sampled_from(sorted({e for e, _ in GOOD} | {"", ".zip", ".PNG", ".gz"})))
def test_any_bytes_under_any_ending(bench: Path, content: bytes, ending: str):
    path = bench / f"b{ending}"
    path.write_bytes(content)
    dataset_or_sentence(path)


def test_the_good_files_are_good(bench: Path):
    """Or the mutations would be of nothing: all but those of real and Lab pixels load."""
    for k, (ending, content) in enumerate(GOOD):
        folder = bench / f"good-{k}"
        folder.mkdir()
        for name in "abc":
            (folder / f"{name}{ending}").write_bytes(content)
        data = dataset_or_sentence(folder if ending in PICTURES else folder / f"a{ending}")
        assert (data is None) == (content == picture("TIFF", "F")), ending


TYPES = ["?", "u1", "i1", "<i2", ">i4", "i8", "u8", "f2", "f4", ">f8", "c8", "S3", "U2", "M8[D]", "V4"]
NUMBERS = (0, 1, -1, 255, 300, 2**31, 2**63 - 1, math.nan, math.inf, 1e-300, 1e300, 65504.0)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.lists(st.integers(0, 6), max_size=5))
    array = np.zeros(shape, draw(st.sampled_from(TYPES)))
    if array.size and array.dtype.kind in "biuf":
        value = draw(st.sampled_from(NUMBERS))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array.flat[draw(st.integers(0, array.size - 1))] = np.array(value).astype(array.dtype)
    return np.asfortranarray(array) if draw(st.booleans()) else array


ROLES = ("x", "y", "train", "valid", "test", "train_y", "y_test", "labels", "data", "other", "../x", "")
PLAIN = st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=3) | st.just(10**30)


@examples(200)
@given(
    st.dictionaries(st.sampled_from(ROLES), arrays(), min_size=1, max_size=4),
    st.sampled_from((None, "levels", "classes", "valid")),
    PLAIN,
)
def test_any_arrays_in_an_npz(bench: Path, found: dict[str, np.ndarray], option: str | None, value: Any):
    with zipfile.ZipFile(bench / "c.npz", "w") as archive:
        for name, array in found.items():
            archive.writestr(f"{name}.npy", saved(array))
    dataset_or_sentence(bench / "c.npz", **({} if option is None else {option: value}))


CELLS = ["0", "1", "2.5", "-1e3", "", "nan", "inf", "x", '"a,b"', " 3 ", "1_0", "٣", "1e400", "9" * 400, "NA", "\0"]


@examples(200)
@given(
    st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4), max_size=8),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    st.sampled_from((None, 1, 2, 99, "a", "x", "", "0", True, 1.5)),
)
def test_any_table(bench: Path, rows: list[list[str]], between: str, end: str, label: Any):
    (bench / "d.csv").write_bytes(end.join(between.join(row) for row in rows).encode())
    dataset_or_sentence(bench / "d.csv", label=label)


OFFLINE = [name for name, entry in NAMES.items() if entry.maker.startswith("synthetic:")]
OPTIONS = ("n", "seed", "classes", "std", "modes", "radius", "side", "spacing", "size", "fold", "binary")


@examples(100)
@given(st.sampled_from([*OFFLINE, "digits"]), st.dictionaries(st.sampled_from(OPTIONS), PLAIN, max_size=3))
def test_any_option_of_a_named_set(name: str, options: dict[str, Any]):
    assume(not (isinstance(options.get("n"), int) and options["n"] > 10**6 and options["n"] < 10**12))
    dataset_or_sentence(name, **options)


PLACES = ["~", "~nobody/x", "/dev/null", "/dev/zero", "a/../b", ".", "-", "NUL"]


@examples(60)
@given(name=st.text(max_size=12) | st.sampled_from(PLACES))
def test_any_name(bench: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    (bench / "empty").mkdir(exist_ok=True)
    monkeypatch.chdir(bench / "empty")
    assume(not name.startswith(("/", "..", "~")) or len(name) > 8)
    dataset_or_sentence(name)
