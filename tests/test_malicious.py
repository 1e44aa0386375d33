"""Nothing in a file can run code, name a path outside, or fill the memory: planted files are refused in a sentence."""

import ast
import gzip
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ptheta
from ptheta import load
from ptheta.cli import main
from ptheta.data import unpack
from ptheta.data.store import File, locate
from ptheta.recipes.runs import fit_run, open_run
from ptheta.training import checkpoint

SOURCE = Path(ptheta.__file__).parent


class Payload:
    """Unpickled, it would make the folder ``sentinel``."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("sentinel",)


@pytest.fixture(autouse=True)
def sentinel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every test runs in a folder of its own, and no code that a file holds may have run at its end."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "sentinel").exists()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "run"
    fit_run("nade", load("bars", n=40), folder, settings={"hidden": 3}, options={"steps": 2})
    return folder


@pytest.fixture
def run(fitted: Path, tmp_path: Path) -> Path:
    shutil.copytree(fitted, tmp_path / "run")
    return tmp_path / "run"


def refused(source: Any, **options: Any) -> str:
    """The sentence by which data is refused."""
    with pytest.raises(ValueError) as caught:
        load(source, **options)
    return is_sentence(str(caught.value))


def is_sentence(text: str) -> str:
    assert "\n" not in text and text.endswith("."), text
    return text


def pickled() -> bytes:
    return pickle.dumps(Payload())


def torch_saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": Payload()}, buffer)
    return buffer.getvalue()


def numpy_saved(save: Callable[..., Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, np.array([Payload()] * 5, object))
    return buffer.getvalue()


def labelled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((5, 2)), y=np.array([Payload()] * 5, object))
    return buffer.getvalue()


PLANTED = {
    "pickle": pickled,
    "torch.save": torch_saved,
    "object array": lambda: numpy_saved(np.save),
    "object arrays": lambda: numpy_saved(np.savez),
    "object labels": labelled,
}


def test_the_planted_files_would_run_code(tmp_path: Path):
    """The broken twins: each of them makes the sentinel in a reader that unpickles."""
    for name, plant in PLANTED.items():
        (tmp_path / "planted").write_bytes(plant())
        if name == "pickle":
            pickle.loads(plant())
        elif name == "torch.save":
            torch.load(tmp_path / "planted", weights_only=False)
        else:
            loaded = np.load(tmp_path / "planted", allow_pickle=True)
            assert all(len(loaded[key]) == 5 for key in getattr(loaded, "files", ()))
        (tmp_path / "sentinel").rmdir()


# --- data ---


@pytest.mark.parametrize("plant", PLANTED)
@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv", ".tsv", ".txt", ".pt", ".pkl", ".pth", ".png", ""])
def test_data_is_never_unpickled(plant: str, ending: str, tmp_path: Path):
    (tmp_path / f"data{ending}").write_bytes(PLANTED[plant]())
    refused(tmp_path / f"data{ending}")
    (tmp_path / "folder").mkdir()
    (tmp_path / f"data{ending}").rename(tmp_path / "folder" / "0.png")
    refused(tmp_path / "folder")


NAMED = {
    "mnist": ["mnist/train-images-idx3-ubyte.gz"],
    "binarized-mnist": ["binarized_mnist/binarized_mnist.npz"],
    "cifar10": ["cifar10/cifar-10-binary.tar.gz"],
    "cifar10-subset": ["cifar10/cifar10_subset.npz"],
    "frey-faces": ["freyfaces/freyfaces.npz"],
    "orl-faces": ["orl_faces/orl_faces_28x23.npz"],
    "omniglot-small": ["omniglot/images_background_small1.zip"],
    "dna": ["debd/dna/dna_nade_split.npz"],
    "nltcs": [f"debd/nltcs/nltcs.{split}.data.gz" for split in ("train", "valid", "test")],
    "plants": [f"debd/plants/plants.{split}.data" for split in ("train", "valid", "test")],
    "red-wine": ["uci/red_wine_10folds.npz"],
    "energy": ["uci/energy.zip"],
    "shakespeare": ["tinyshakespeare/input.txt"],
}


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(member: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


OTHERS: dict[str, Callable[[], bytes]] = {
    "nothing": bytes,
    "text": lambda: b"hello",
    "gzip": lambda: gzip.compress(b"hello"),
    "gzip of a pickle": lambda: gzip.compress(pickled()),
    "zip that climbs": lambda: zipped({"../../evil.png": b"x", "/etc/evil.png": b"y", "energy/data.txt": b"1 x"}),
    "zip of pickles": lambda: zipped({"energy/n_splits.txt": pickled(), "energy/data.txt": pickled()}),
    "zip of other numbers": lambda: zipped(
        {"energy/n_splits.txt": b"1", "energy/data.txt": b"1 2\n3 4\n", "energy/index_test_0.txt": b"99"}
    ),
    "tar that climbs": lambda: tarred(tarfile.TarInfo("../../evil.bin"), b"x"),
    "tar with a link": lambda: tarred(link("cifar-10-batches-bin/data_batch_1.bin", "/etc/passwd")),
    "arrays of another shape": lambda: saved({"images": np.zeros((3, 3)), "train": np.zeros(2), "part1": np.zeros(1)}),
    "arrays of text": lambda: saved({key: np.array(["a"]) for key in ("images", "train", "part1", "subject")}),
}


def saved(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("name", NAMED)
def test_the_files_of_named_sets_are_not_trusted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever lies where the files of a named set should: a sentence, and nothing outside is touched."""
    data = tmp_path / "some" / "where" / "data"
    monkeypatch.setenv("PTHETA_DATA", str(data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for plant in {**PLANTED, **OTHERS}.values():
        for place in NAMED[name]:
            file = data / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(plant())
        refused(name)
    shutil.rmtree(data)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "some", tmp_path / "some" / "where"]


def test_links_are_followed_to_files_only(tmp_path: Path):
    """A link to a picture is a picture, as people who link their data expect; a link to a folder is not walked."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    for i in range(4):
        Image.fromarray(np.full((3, 3), 60 * i, np.uint8)).save(tmp_path / "outside" / f"{i}.png")
        (tmp_path / "inside" / f"{i}.png").symlink_to(tmp_path / "outside" / f"{i}.png")
    (tmp_path / "inside" / "loop").symlink_to(tmp_path / "inside")
    (tmp_path / "inside" / "elsewhere").symlink_to(tmp_path / "outside")
    data = load(tmp_path / "inside")
    assert len(data.train) + len(data.valid) + len(data.test) == 4 and data.context_space is None
    (tmp_path / "inside" / "4.png").symlink_to("/etc/passwd")
    sentence = refused(tmp_path / "inside")
    assert "root:" not in sentence and "cannot be read" in sentence


# --- devices, bombs and memory ---


@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv", ".tsv", ".txt"])
def test_devices_and_pipes_are_not_data(ending: str, tmp_path: Path):
    """Reading one would never end."""
    os.mkfifo(tmp_path / f"pipe{ending}")
    assert "is not a plain file" in refused(tmp_path / f"pipe{ending}")
    (tmp_path / f"zero{ending}").symlink_to("/dev/zero")
    assert "is not a plain file" in refused(tmp_path / f"zero{ending}")
    (tmp_path / f"folder{ending}").mkdir()
    refused(tmp_path / f"folder{ending}")
    (tmp_path / "pictures").mkdir()
    os.mkfifo(tmp_path / "pictures" / "a.png")
    assert "is not a plain file" in refused(tmp_path / "pictures")


BOMBS = """
import gzip, io, json, resource, sys, zipfile, zlib, struct
import numpy as np, torch
from pathlib import Path
torch.set_num_threads(1)
from ptheta import load
from ptheta.cli import main
import ptheta.data.folders, ptheta.data.tables, ptheta.data.text, ptheta.data.arrays, PIL.Image
here = Path(sys.argv[1])
G = 1 << 30

def sparse(name, size):
    with open(here / name, "wb") as file:
        file.truncate(size)
    return here / name

def bomb(name, members):
    block = bytes(1 << 24)
    with zipfile.ZipFile(here / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, header, size in members:
            with archive.open(member, "w", force_zip64=True) as file:
                file.write(header)
                for _ in range(size >> 24):
                    file.write(block)
    return here / name

def header(shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()

def png(name, width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    start = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    (here / name).mkdir()
    (here / name / "a.png").write_bytes(
        b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", start)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    )
    return here / name

def liar(name, shape):
    (here / name).write_bytes(header(shape) + b"few")
    return here / name

def gzipped(name, size):
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(here / name, "wb", compresslevel=1) as file:
        for _ in range(size >> 24):
            file.write(bytes(1 << 24))

files = [
    sparse("line.csv", 200 * G), sparse("line.tsv", 200 * G), sparse("line.txt", 200 * G), sparse("zeros.npy", 200 * G),
    bomb("bomb.npz", [("x.npy", header((160 << 20,)), 160 << 20)]), liar("liar.npy", (1 << 45,)),
    png("wide", 9000, 9000), png("huge", 60000, 60000), png("long", 2**31 - 1, 1),
]
gzipped("data/mnist/train-images-idx3-ubyte.gz", 96 << 20)
gzipped("data/debd/nltcs/nltcs.train.data.gz", 96 << 20)
(here / "data/uci").mkdir(parents=True)
bomb("data/uci/energy.zip", [("energy/n_splits.txt", b"", 0), ("energy/data.txt", b"", 96 << 20)])
import os
os.environ["PTHETA_DATA"] = str(here / "data")
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
said = {}
import ptheta.data.unpack as unpack
for module in (unpack, ptheta.data.folders, ptheta.data.tables, ptheta.data.text):
    module.most_bytes = lambda: 128 << 20
for source in [*map(str, files), "mnist", "nltcs", "energy"]:
    try:
        load(source)
        said[Path(source).name] = "loaded"
    except ValueError as error:
        said[Path(source).name] = str(error)
more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - used
print(json.dumps({"said": said, "more": more}))
"""


BOUNDS = {
    "line.csv": "has 200.0 GiB, but on this machine at most 10.7 MiB",
    "zeros.npy": "has 200.0 GiB, but on this machine at most 128.0 MiB",
    "bomb.npz": "its arrays take 160.0 MiB, more than fit in memory",
    "wide": "has more pixels than any picture should",
    "mnist": "unpacks to more than the 44.9 MiB that it should hold",
    "nltcs": "unpacks to more than the 64.0 MiB that it should hold",
    "energy": "its members unpack to 96.0 MiB, more than the 64.0 MiB they should",
}


def test_bombs_are_refused_before_they_fill_the_memory(tmp_path: Path):
    """Sparse files of 200 GiB, archives and pictures that unpack to far more than they are, headers that lie.

    The machine is said to let one data set take 128 MiB; the peak of the process, measured, may not grow by much more.
    """
    done = subprocess.run([sys.executable, "-c", BOMBS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name, sentence in found["said"].items():
        assert sentence != "loaded", name
        is_sentence(sentence)
    assert len(found["said"]) == 12 and found["more"] < 256 << 20, found
    for name, why in BOUNDS.items():
        assert why in found["said"][name], found["said"][name]


def test_every_reader_of_a_named_set_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PTHETA_DATA", str(tmp_path))
    (tmp_path / "file").write_bytes(bytes(1000))
    monkeypatch.setattr(unpack, "most_bytes", lambda: 999)
    with pytest.raises(ValueError, match="1000 bytes, but on this machine at most 999 bytes"):
        locate("a set", File("file"))


# --- runs ---


def opening(run: Path) -> str:
    """The sentence by which opening a run is refused, in the library and by each command."""
    with pytest.raises(ValueError) as caught:
        open_run(run)
    return is_sentence(str(caught.value))


@pytest.mark.parametrize("plant", PLANTED)
@pytest.mark.parametrize("signed", [False, True])
def test_checkpoints_are_never_unpickled(plant: str, signed: bool, run: Path):
    """Not even where whoever planted the file also wrote the checksums anew."""
    saved_as = checkpoint.load(run / "checkpoints")
    folder = next((run / "checkpoints").glob("0*"))
    for file in ("best.safetensors", "record.json", "current", "run.json"):
        shutil.rmtree(run / "checkpoints")
        checkpoint.save(run / "checkpoints", saved_as)
        path = {"current": run / "checkpoints" / "current", "run.json": run / "run.json"}.get(file, folder / file)
        whole = path.read_bytes()
        path.write_bytes(PLANTED[plant]())
        if signed and file == "best.safetensors":
            sign(run)
        opening(run)
        assert main(["sample", str(run)]) == 2 and main(["score", str(run)]) == 2
        path.write_bytes(whole)


def sign(run: Path, **fields: Any) -> None:
    """Writes the record and the pointer of a checkpoint to fit its files, as whoever planted them would."""
    folder = next((run / "checkpoints").glob("0*"))
    record = json.loads((folder / "record.json").read_text())
    record.pop("checksum")
    record["files"] = {name: checkpoint._digest(folder / name) for name in record["files"]}
    record.update(fields)
    (folder / "record.json").write_text(json.dumps({**record, "checksum": checkpoint._checksum(record)}))
    (run / "checkpoints" / "current").write_text(f"{folder.name} {checkpoint._digest(folder / 'record.json')}\n")


@pytest.mark.parametrize(
    "fields",
    [
        {"files": {"../../../secret.safetensors": "0" * 64}},
        {"files": {"/etc/passwd": "0" * 64}},
        {"files": ["last.safetensors"]},
        {"files": {"last.safetensors": None}},
        {"files": {}},
        {"step": -1},
        {"files": 3},
        {"step": "1"},
        {"step": 10**400},
        {"step": None},
    ],
    ids=str,
)
def test_a_record_that_names_other_things_is_refused(fields: dict[str, Any], run: Path):
    sign(run, **fields)
    opening(run)


@pytest.mark.parametrize("pointer", ["../../outside " + "0" * 64, "/etc " + "0" * 64, "", "\0" * 9, "0" * 10**6])
def test_the_pointer_is_never_a_path(pointer: str, run: Path):
    (run / "checkpoints" / "current").write_text(pointer)
    sentence = opening(run)
    assert "is damaged" in sentence
    assert main(["fit", "nade", "--data", "bars", "--out", str(run), "--resume"]) == 2


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 10**12) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 4) + b"null",
        b"",
        b"\0" * 8,
    ],
    ids=["absurd", "long", "empty", "null", "nothing", "zeros"],
)
def test_tensor_files_that_lie(header: bytes, run: Path):
    next((run / "checkpoints").rglob("best.safetensors")).write_bytes(header)
    sign(run)
    opening(run)


def test_tensors_of_other_shapes_and_names(run: Path):
    what = checkpoint.load(run / "checkpoints")
    for tensors in ({}, {"os.system": torch.zeros(1)}, {k: torch.zeros(2, 2) for k in what.tensors["last"]}):
        shutil.rmtree(run / "checkpoints")
        checkpoint.save(run / "checkpoints", checkpoint.Checkpoint(2, {"last": tensors}, {}))
        opening(run)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


ODD: list[dict[str, Any]] = [
    {"model": "os:system"},
    {"model": "ptheta.cli:main"},
    {"model": "../../evil"},
    {"model": "__import__"},
    {"model": None},
    {"model": ["nade"]},
    {"class": "os.system"},
    {"settings": {"hidden": "os.system"}},
    {"settings": {"hidden": 10**400}},
    {"settings": {"hidden": 10**15}},
    {"settings": {"hidden": -1}},
    {"settings": {"hidden": 1e308}},
    {"settings": {"hidden": None}},
    {"settings": {"hidden": nested(50)}},
    {"settings": {"__class__": "os"}},
    {"settings": {"space": 3}},
    {"settings": []},
    {"seed": 10**100},
    {"seed": "x"},
    {"space": {"kind": "os.system", "shape": [1]}},
    {"space": {"kind": "levels", "shape": "abc", "n": 3}},
    {"space": {"kind": "levels", "shape": [4, -4], "n": 3}},
    {"space": {"kind": "levels", "shape": [10**30], "n": 3}},
    {"space": {"kind": "levels", "shape": [16], "n": 10**30}},
    {"space": {"kind": "real", "shape": [1], "mean": [10**400]}},
    {"space": {"kind": "real", "shape": [1], "scale": [0]}},
    {"space": {"kind": "binary", "shape": [[16]]}},
    {"space": {"kind": "binary"}},
    {"space": {}},
    {"space": None},
    {"context_space": {"kind": "symbols", "shape": [], "n": 0}},
    {"format": 2},
]


@pytest.mark.parametrize("change", ODD, ids=lambda change: str(change)[:60])
def test_odd_records_of_runs_are_refused(change: dict[str, Any], run: Path):
    """run.json is data: names that are no recipes, numbers out of any range, values of other types."""
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **change}))
    opening(run)
    assert main(["sample", str(run)]) == 2


NONE = ["", "null", "[]", "{", "[" * 10**5, '{"seed": NaN}', "\ufeff{}", "3", '{"a": "\\ud800"}']


@pytest.mark.parametrize("text", NONE, ids=lambda text: text[:9])
def test_run_json_that_is_none(text: str, run: Path):
    (run / "run.json").write_text(text)
    assert "is not the record of a run" in opening(run)


def test_the_data_that_a_run_names_is_read_as_data(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A run may name any file; it is read by the readers of data, and never run."""
    record = json.loads((run / "run.json").read_text())
    (tmp_path / "evil.npy").write_bytes(PLANTED["object array"]())
    for data, options in (("evil.npy", {}), ("/etc/passwd", {}), ("bars", {"n": 10**12}), ("bars", {"evil": 1})):
        (run / "run.json").write_text(json.dumps({**record, "data": data, "data_options": options}))
        assert main(["score", str(run)]) == 2
        err = capsys.readouterr().err
        assert err.startswith("ptheta: ") and "root:" not in err and err.count("\n") == 1


# --- the source ---

FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "code", "runpy"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.jit.load",
    "torch.hub.load",
    "os.system",
    "os.popen",
    "yaml.load",
}


def unsafe(source: str) -> list[str]:
    """What in a source could run code that a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = []
        found += [n for n in names if n.split(".")[0] in FORBIDDEN_MODULES or n in FORBIDDEN_CALLS]
        if isinstance(node, ast.Call):
            name, keywords = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            if name in FORBIDDEN_CALLS or name.split(".")[-1] in ("extractall", "extract", "unsafe_load"):
                found.append(name)
            if name in ("np.load", "numpy.load") and keywords.get("allow_pickle") != "False":
                found.append(f"{name} with pickles")
            if keywords.get("shell", "False") != "False" or name.startswith(("os.exec", "os.spawn")):
                found.append(f"{name} of a shell")
            if name.endswith("import_module") and not isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                found.append(f"{name} of {ast.unparse(node.args[0])}")
            if name.endswith("import_module") and isinstance(node.args[0], ast.JoinedStr):
                start = node.args[0].values[0]
                if not (isinstance(start, ast.Constant) and str(start.value).startswith("ptheta.")):
                    found.append(f"{name} of {ast.unparse(node.args[0])}")
    return found


def test_nothing_in_the_source_could_run_what_a_file_holds():
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 80
    assert {str(file): bad for file in files if (bad := unsafe(file.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "from torch import load",
        "import yaml",
        "torch.load(path)",
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "eval(text)",
        "exec(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "archive.extractall(path)",
        "import_module(name)",
        "importlib.import_module(record['class'])",
        "import_module(f'{name}.x')",
    ],
)
def test_the_law_of_the_source_rejects(source: str):
    assert unsafe(source)


def test_only_literal_tables_name_modules():
    """What ``import_module`` is given comes from tables in the source, never from a file."""
    from ptheta.cli import VERBS
    from ptheta.data.names import NAMES
    from ptheta.recipes import RECIPES

    names = [*(v for v, _ in VERBS.values()), *RECIPES.values(), *(entry.maker for entry in NAMES.values())]
    assert all(name.replace(":", ".").replace(".", "").replace("_", "").isalnum() for name in names)
