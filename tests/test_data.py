"""Named sets, where their files come from, synthetic truths, and the user's folders and files."""

import functools
import hashlib
import http.server
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import integrate, stats

import ptheta
from ptheta import Binary, Classes, Dataset, Events, Levels, Noise, Real, Symbols, load
from ptheta.data import NAMES, pictures, store, synthetic
from ptheta.data.dataset import shuffled, split_events

ALARM = 1e-3  # the false-alarm rate of every statistical test here


@functools.cache
def entropy_of(name):
    return synthetic.truth(name).entropy()


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
    assert data.without_context().context_space is None and data.without_context().class_names == ()


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
    assert (data.space, data.context_space) == (Levels((1, 8, 8), 17), Classes(10))
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
    assert (data.space, len(data.train), len(data.valid), len(data.test)) == EXPECTED[name]


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


def test_cifar10_reads_the_official_binary_files(nowhere, monkeypatch, tmp_path):
    monkeypatch.setattr(pictures, "_BATCH", 100)
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


# --- synthetic sets ---


@pytest.mark.parametrize("name", ["mixture-1d", "two-gaussians"])
def test_truths_on_the_line_integrate_to_one_and_to_their_entropy(name):
    law = synthetic.truth(name)

    def density(x):
        return law.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp().item()

    total = integrate.quad(density, -12, 12, points=[-3, -1, 2, 3], limit=200)[0]
    entropy = integrate.quad(lambda x: -density(x) * math.log(density(x)), -12, 12, points=[-3, -1, 2, 3], limit=200)[0]
    assert abs(total - 1) < 1e-8
    assert abs(entropy - law.entropy()) < 1e-8


@pytest.mark.parametrize(
    ("name", "low", "high", "step"), [("ring", -1.1, 1.1, 0.004), ("moons", -1.9, 2.9, 0.03), ("grid", -4.4, 4.4, 0.02)]
)
def test_truths_in_the_plane_integrate_to_one_and_to_their_entropy(name, low, high, step):
    law = synthetic.truth(name)
    line = torch.arange(low, high, step, dtype=torch.float64)
    log_prob = law.log_prob(torch.cartesian_prod(line, line))
    assert abs(float(log_prob.exp().sum()) * step**2 - 1) < 1e-8
    assert abs(float(-(log_prob.exp() * log_prob).sum()) * step**2 - entropy_of(name)) < 1e-8


def test_the_entropy_of_far_modes_is_closed():
    closed = math.log(8) + 1 + math.log(2 * math.pi * 0.01**2)
    assert abs(synthetic.truth("ring").entropy() - closed) < 1e-9


def test_a_wrong_density_fails_the_laws():
    ring = synthetic.truth("ring")
    twin = synthetic.GaussianMixture(ring.weights * 1.02, ring.means, ring.stds)
    line = torch.arange(-1.1, 1.1, 0.004, dtype=torch.float64)
    assert abs(float(twin.log_prob(torch.cartesian_prod(line, line)).exp().sum()) * 0.004**2 - 1) > 1e-2


@pytest.mark.parametrize("name", ["ring", "grid", "moons", "mixture-1d", "two-gaussians"])
def test_samples_score_their_entropy_on_average(name):
    law = synthetic.truth(name)
    x = law.sample(20_000, noise=Noise(1))
    scores = law.log_prob(x)
    error = float(scores.std()) / math.sqrt(len(x))
    bound = stats.norm.isf(ALARM / 2) * error
    entropy = entropy_of(name)
    assert abs(float(scores.mean()) + entropy) < bound
    assert abs(float(law.log_prob(x * 1.3).mean()) + entropy) > bound  # the broken twin


def test_bars_are_normalised_and_their_samples_agree():
    law = synthetic.BarsAndStripes(3)
    states = torch.cartesian_prod(*[torch.tensor([0, 1], dtype=torch.uint8)] * 9).reshape(-1, 1, 3, 3)
    log_prob = law.log_prob(states)
    seen = log_prob > -math.inf
    p = log_prob[seen].exp()
    assert int(seen.sum()) == 14 and abs(float(p.sum()) - 1) < 1e-12
    assert abs(float(-(p * p.log()).sum()) - law.entropy()) < 1e-12
    x = law.sample(5000, noise=Noise(0))
    code = (x.flatten(1).long() * 2 ** torch.arange(8, -1, -1)).sum(1)
    counts = torch.bincount(code, minlength=512)[seen].numpy()
    assert counts.sum() == 5000
    assert stats.chisquare(counts, 5000 * p.numpy()).pvalue > ALARM
    flat = np.full(14, 5000 / 14)  # the broken twin: as if blank and full were not twice as likely
    assert stats.chisquare(counts, flat).pvalue < ALARM


@pytest.mark.parametrize("name", ["ring", "moons", "bars"])
def test_more_rows_leave_the_first_as_they_are(name):
    assert (load(name, n=200).train.x[:100] == load(name, n=100).train.x).all()
    assert (load(name, n=100, seed=1).train.x != load(name, n=100).train.x).any()


def test_a_truth_of_an_unknown_name_or_out_of_reach_is_refused():
    with pytest.raises(ValueError, match="expected a synthetic set out of ring, grid"):
        synthetic.truth("rings")
    with pytest.raises(ValueError, match=r"std of at least 0\.02"):
        synthetic.truth("moons", std=0.01)


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


def test_public_names():
    assert ptheta.load is load and Path(store.cache_folder()).name == "ptheta"
