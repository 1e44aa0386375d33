"""No file of data can run code, name a path outside, or fill the memory: each is refused in a sentence."""

import gzip
import io
import json
import os
import pickle
import shutil
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

from planted_files import PLANTED, is_sentence, pickled, refused, sentinel  # noqa: F401  (a fixture of every test)
from ptheta import load
from ptheta.data import unpack
from ptheta.data.store import File, locate


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
    "horse2zebra": ["horse2zebra/horse2zebra_train_subset.zip"],
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
import ptheta.data.folders, ptheta.data.cells, ptheta.data.text, ptheta.data.arrays, PIL.Image
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
for module in (unpack, ptheta.data.decode, ptheta.data.cells, ptheta.data.text):
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
    "zeros.npy": "the magic string is not correct",
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
