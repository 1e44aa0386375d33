"""No file of a run can run code or name a path outside, and nothing in the source could run what a file holds."""

import ast
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

import ptheta
from planted_files import PLANTED, is_sentence, sentinel  # noqa: F401  (a fixture of every test)
from ptheta import load
from ptheta.cli import main
from ptheta.runs import fit_run, open_run
from ptheta.training import checkpoint

SOURCE = Path(ptheta.__file__).parent


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "run"
    fit_run("nade", load("bars", n=40), folder, dials={"hidden": 3}, training={"steps": 2})
    return folder


@pytest.fixture
def run(fitted: Path, tmp_path: Path) -> Path:
    shutil.copytree(fitted, tmp_path / "run")
    return tmp_path / "run"


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
    {"dials": {"hidden": "os.system"}},
    {"dials": {"hidden": 10**400}},
    {"dials": {"hidden": 10**15}},
    {"dials": {"hidden": -1}},
    {"dials": {"hidden": 1e308}},
    {"dials": {"hidden": None}},
    {"dials": {"hidden": nested(50)}},
    {"dials": {"__class__": "os"}},
    {"dials": {"space": 3}},
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
    {"format": 1},
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
            if name in FORBIDDEN_CALLS or (
                name.split(".")[-1] in ("extractall", "extract", "unsafe_load")
                and (
                    ".str." not in name  # of columns of text
                )
            ):
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
