"""Data sets and their splits, named sets, and where their files come from."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import ptheta
from ptheta import Binary, Classes, Dataset, Events, Levels, Symbols, load
from ptheta.data import NAMES, pictures, store
from ptheta.data.dataset import shuffled, split_events


@pytest.fixture
def real_data():
    if not os.environ.get("PTHETA_DATA"):
        pytest.skip("PTHETA_DATA is not set, so there is no real data to read")


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Neither PTHETA_DATA nor anything in the cache."""
    monkeypatch.delenv("PTHETA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ptheta"


# --- Dataset ---


def test_a_data_set_refuses_events_that_are_not_of_its_space():
    events = Events(torch.full((3, 2), 5, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"mine\.train\.x should be events of Binary\(\(2,\)\).*largest value is 5"):
        Dataset("mine", Binary((2,)), events, events, events)
    good = Events(torch.zeros(3, 2, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"mine\.train has 3 events but 2 contexts"):
        Dataset("mine", Binary((2,)), good, good, good, Classes(2))
    with pytest.raises(ValueError, match="no training events"):
        Dataset("mine", Binary((2,)), good[:0], good[:0], good[:0])


def test_the_fingerprint_sees_every_split_and_the_context():
    data = load("digits")
    changed = data.test.x.clone()
    changed[0, 0, 0, 0] += 1
    other = Dataset("digits", data.space, data.train, data.valid, Events(changed, data.test.context), Classes(10))
    assert other.fingerprint != data.fingerprint != data.without_context().fingerprint
    assert data.without_context().context_space is None


def test_a_split_is_a_partition_that_depends_on_the_seed_only():
    events = Events(torch.arange(101))
    splits = split_events(events, valid=0.2, test=0.1, seed=3)
    assert [len(s) for s in splits] == [71, 20, 10]
    assert torch.cat([s.x for s in splits]).sort().values.tolist() == list(range(101))
    assert (split_events(events, valid=0.2, test=0.1, seed=3)[0].x == splits[0].x).all()
    assert (split_events(events, valid=0.2, test=0.1, seed=4)[0].x != splits[0].x).any()
    assert shuffled(6).tolist() == [3, 4, 2, 5, 1, 0]


@pytest.mark.parametrize(("n", "valid", "test"), [(2, 0.1, 0.1), (10, 0.5, 0.5), (10, -0.1, 0.1), (10, 0.1, 1.0)])
def test_a_split_must_leave_events_to_train_on(n, valid, test):
    with pytest.raises(ValueError, match=r"^expected (at least 3 events|fractions valid and test)"):
        split_events(Events(torch.arange(n)), valid=valid, test=test)


# --- named sets ---


@pytest.mark.parametrize(
    "name", ["digits", "digits-binary", "ring", "grid", "moons", "mixture-1d", "two-gaussians", "bars"]
)
def test_sets_without_files_are_the_same_everywhere(name, nowhere):
    data = load(name)
    assert data.fingerprint == NAMES[name].fingerprint
    assert data.name == name and data.description.endswith(".")


def test_digits():
    data = load("digits")
    assert (data.space, data.context_space) == (Levels((1, 8, 8), 17), Classes(10, "0123456789"))
    assert [len(s) for s in (data.train, data.valid, data.test)] == [1437, 180, 180]
    assert data.fingerprint == "815d8f25ca52de71"
    bits = load("digits-binary")
    assert bits.space == Binary((1, 8, 8)) and ((data.train.x >= 8).to(torch.uint8) == bits.train.x).all()
    assert load("digits", classes=False).context_space is None


def test_describe_holds_plain_values():
    import json

    text = json.dumps(load("digits").describe())
    assert '"splits": {"train": 1437, "valid": 180, "test": 180}' in text and '"max": 16.0' in text


EXPECTED = {
    "mnist": (Levels((1, 28, 28), 256), 50_000, 10_000, 10_000),
    "fashion-mnist": (Levels((1, 28, 28), 256), 50_000, 10_000, 10_000),
    "binarized-mnist": (Binary((1, 28, 28)), 50_000, 10_000, 10_000),
    "cifar10-subset": (Levels((3, 32, 32), 256), 9_000, 1_000, 3_500),
    "frey-faces": (Levels((1, 28, 20), 256), 1_565, 200, 200),
    "orl-faces": (Levels((1, 28, 23), 256), 320, 40, 40),
    "omniglot-small": (Levels((1, 28, 28), 256), 2_176, 272, 272),
    "horse2zebra": (Levels((3, 64, 64), 256), 320, 40, 40),
    "dna": (Binary((180,)), 1_400, 600, 1_186),
    "dna-debd": (Binary((180,)), 1_600, 400, 1_186),
    "mushrooms": (Binary((112,)), 2_000, 500, 5_624),
    "nips": (Binary((500,)), 400, 100, 1_240),
    "nltcs": (Binary((16,)), 16_181, 2_157, 3_236),
    "plants": (Binary((69,)), 17_412, 2_321, 3_482),
    "baudio": (Binary((100,)), 15_000, 2_000, 3_000),
    "bnetflix": (Binary((100,)), 15_000, 2_000, 3_000),
    "accidents": (Binary((111,)), 12_758, 1_700, 2_551),
    "moviereview": (Binary((1001,)), 1_600, 150, 250),
    "voting": (Binary((1359,)), 1_214, 200, 350),
    "shakespeare": (Symbols((64,), 65), 13_942, 1_742, 1_742),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_sets_from_files(name, real_data):
    data = load(name)  # a wrong fingerprint is refused inside
    space, *counts = EXPECTED[name]
    assert data.space.unlike(space) is None and [len(s) for s in (data.train, data.valid, data.test)] == counts


@pytest.mark.parametrize(
    "name", ["power-plant", "protein", "kin8nm", "energy", "concrete", *(f"red-wine-{k}" for k in range(1, 11))]
)
def test_tables_of_reals_are_standardised_on_the_training_rows(name, real_data):
    data = load(name)
    z = data.space.embed(data.train.x, torch.float64)
    assert z.mean(0).abs().max() < 1e-4 and (z.std(0, correction=0) - 1).abs().max() < 1e-4


def test_red_wine_folds_cover_every_wine_once(real_data):
    folds = [load("red-wine", fold=k) for k in range(1, 11)]
    assert [fold.name for fold in folds] == [f"red-wine-{k}" for k in range(1, 11)]
    assert load("red-wine").fingerprint == folds[0].fingerprint == load("red-wine-1").fingerprint
    wines = torch.cat([fold.test.x for fold in folds])
    everything = torch.cat([folds[3].train.x, folds[3].valid.x, folds[3].test.x])
    assert len(wines) == 1599
    assert sorted(map(tuple, wines.tolist())) == sorted(map(tuple, everything.tolist()))
    with pytest.raises(ValueError, match="red-wine has folds 1 to 10, but fold is 11"):
        load("red-wine", fold=11)


def test_the_two_dna_sets_have_the_same_rows_in_other_splits(real_data):
    rows = [
        sorted(map(tuple, torch.cat([d.train.x, d.valid.x, d.test.x]).tolist()))
        for d in (load("dna"), load("dna-debd"))
    ]
    assert rows[0] == rows[1]


def test_a_uci_split_tests_on_the_published_rows(real_data):
    first, second = load("concrete"), load("concrete", split=1)
    assert len(first.test) == 103 and first.name == "concrete" and second.name == "concrete-1"
    assert first.fingerprint != second.fingerprint
    with pytest.raises(ValueError, match="concrete has splits 0 to 19, but split is 20"):
        load("concrete", split=20)


def test_large_sets_load_quickly(real_data):
    load("mnist")
    for name, seconds in (("mnist", 2), ("binarized-mnist", 0.5)):
        start = time.process_time()
        load(name)
        assert time.process_time() - start < seconds


def test_importing_data_imports_no_optional_package():
    code = """
import sys, ptheta.data
assert not {"torch", "numpy"} & set(sys.modules)
import ptheta.data.loading, ptheta.data.synthetic
assert not {"sklearn", "PIL", "rich", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_option_of_every_name_is_known():
    assert load("ring", modes=3, n=50, seed=2).train.x.shape == (50, 2)
    with pytest.raises(ValueError, match=r"the data set ring does not take the option stdd: did you mean std\?"):
        load("ring", stdd=1)
    with pytest.raises(ValueError, match="does not take the option size: its options are binary, classes"):
        load("digits", size=3)
    with pytest.raises(ValueError, match="the data set bars does not take the option std"):
        load("bars", std=3)


# --- files: PTHETA_DATA, the cache, downloads ---


def _file(url, content=b"bits"):
    return store.File("set/file.bin", hashlib.sha256(content).hexdigest(), url)


@pytest.fixture
def server(tmp_path):
    """A web server on this machine, for the folder tmp_path / "web"."""
    (tmp_path / "web").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "web"))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as web:
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}", tmp_path / "web"
        web.shutdown()
        thread.join()


def test_a_download_is_checked_named_and_kept(nowhere, server):
    address, web = server
    (web / "file.bin").write_bytes(b"bits")
    path = store.locate("mine", _file(f"{address}/file.bin"))
    assert path == nowhere / "set" / "file.bin" and path.read_bytes() == b"bits"
    (web / "file.bin").unlink()
    assert store.locate("mine", _file(f"{address}/file.bin")) == path  # from the cache
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_download_with_another_checksum_is_not_kept(nowhere, server):
    address, web = server
    (web / "file.bin").write_bytes(b"something else")
    with pytest.raises(FileNotFoundError, match=r"from .* failed \(its sha256 is .* instead of .*\); set"):
        store.locate("mine", _file(f"{address}/file.bin"))
    assert not list((nowhere / "set").iterdir())


def test_a_file_address_and_a_missing_page(nowhere, server, tmp_path):
    (tmp_path / "here").write_bytes(b"bits")
    assert store.locate("mine", _file((tmp_path / "here").as_uri())).read_bytes() == b"bits"
    other = store.File("set/other.bin", "0" * 64, f"{server[0]}/nothing")
    with pytest.raises(FileNotFoundError, match=r"needs the file set/other\.bin, PTHETA_DATA is not set, and d"):
        store.locate("mine", other)


def test_a_silent_server_is_given_up(nowhere, monkeypatch):
    import socket

    monkeypatch.setattr(store, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        start = time.monotonic()
        with pytest.raises(FileNotFoundError, match="timed out"):
            store.locate("mine", _file(f"http://127.0.0.1:{deaf.getsockname()[1]}/file.bin"))
        assert time.monotonic() - start < 5


def test_the_users_folder_comes_first(nowhere, monkeypatch, tmp_path):
    for root in (tmp_path / "mine", nowhere):
        (root / "set").mkdir(parents=True)
        (root / "set" / "file.bin").write_text(root.name)
    monkeypatch.setenv("PTHETA_DATA", str(tmp_path / "mine"))
    assert store.locate("mine", _file("")).read_text() == "mine"
    monkeypatch.delenv("PTHETA_DATA")
    assert store.locate("mine", _file("")).read_text() == "ptheta"


def test_what_has_no_address_is_asked_for_in_one_sentence(nowhere, monkeypatch, tmp_path):
    monkeypatch.setenv("PTHETA_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        load("dna")
    sentence = str(caught.value)
    assert "debd/dna/dna_nade_split.npz, which has no official address" in sentence and "PTHETA_DATA" in sentence
    assert "\n" not in sentence


def test_files_that_are_not_the_original_ones_are_refused(nowhere, monkeypatch, tmp_path):
    folder = tmp_path / "debd" / "nltcs"
    folder.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        (folder / f"nltcs.{split}.data").write_text("0,1,1\n1,0,0\n")
    monkeypatch.setenv("PTHETA_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="the files of nltcs are not the original ones: the fingerprint is"):
        load("nltcs")


def test_binarized_mnist_reads_the_original_text(nowhere, monkeypatch, tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (3, 784), np.uint8)
    (tmp_path / "binarized_mnist").mkdir()
    for split in ("train", "valid", "test"):
        text = "".join(" ".join(map(str, row)) + "\n" for row in bits)
        (tmp_path / "binarized_mnist" / f"binarized_mnist_{split}.amat").write_text(text)
    monkeypatch.setenv("PTHETA_DATA", str(tmp_path))
    data = pictures.binarized_mnist()
    assert data.space == Binary((1, 28, 28)) and (data.valid.x.flatten(1).numpy() == bits).all()


def test_cifar10_reads_the_official_binary_files(nowhere, monkeypatch, tmp_path):
    monkeypatch.setattr(pictures, "BATCH", 100)
    folder = tmp_path / "cifar10"
    folder.mkdir()
    rows = np.random.default_rng(0).integers(0, 256, (100, 3073), np.uint8)
    rows[:, 0] %= 10
    for k in range(1, 6):
        (folder / f"data_batch_{k}.bin").write_bytes(rows.tobytes())
    (folder / "test_batch.bin").write_bytes(rows[::-1].tobytes())
    monkeypatch.setenv("PTHETA_DATA", str(tmp_path))
    data = load("cifar10")
    assert (len(data.train), len(data.valid), len(data.test)) == (450, 50, 100)
    assert data.train.x[7, 2, 1, 3] == rows[7, 1 + 2 * 1024 + 32 + 3] and data.test.context[0] == rows[-1, 0]
    (folder / "test_batch.bin").write_bytes(rows.tobytes()[:-1])
    with pytest.raises(ValueError, match=r"test_batch\.bin of cifar10 should have 307300 bytes, but it has 307299"):
        load("cifar10")


def test_public_names():
    assert ptheta.load is load and Path(store.cache_folder()).name == "ptheta"


def test_some_events_are_the_same_random_ones_with_their_contexts():
    events = Events(torch.arange(100)[:, None], torch.arange(100))
    some = events.some(10)
    assert (
        len(some) == 10 and torch.equal(some.x[:, 0], some.context) and not torch.equal(some.context, torch.arange(10))
    )
    assert torch.equal(events.some(10).x, some.x) and events.some(100) is events
