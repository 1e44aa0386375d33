"""Data larger than memory: what stays in its file is the data set that it would be in memory, never held whole."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ptheta
from ptheta import load
from ptheta.data import decoded, stored
from ptheta.data.dataset import Dataset
from ptheta.data.events import Events
from ptheta.data.stored import ArrayFile, pieces_of

RNG = np.random.default_rng(0)
ARRAYS = {
    "bytes.npy": RNG.integers(0, 256, (60, 5, 4, 3), np.uint8),
    "bits.npy": RNG.integers(0, 2, (60, 7), np.uint8),
    "paper.npy": 255 * RNG.integers(0, 2, (60, 4, 4), np.uint8),
    "doubles.npy": RNG.normal(3, 2, (60, 5)),
    "codes.npy": RNG.integers(0, 9, (60, 6), np.int16),
    "row.npy": np.arange(60.0) * 0.37,
}


@pytest.fixture
def nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is large, and is looked at a few rows at a time."""
    for module in (stored, decoded):
        monkeypatch.setattr(module, "LARGE", 100)
    monkeypatch.setattr(stored, "BLOCK", 300)
    monkeypatch.setattr("ptheta.data.events.PIECE", 300)


def same(large: Dataset, small: Dataset) -> None:
    """Both hold the same events in the same splits, under the same names and notes."""
    assert large.train.is_stored and not small.train.is_stored
    assert (large.space, large.context_space, large.notes) == (small.space, small.context_space, small.notes)
    if isinstance(small.space, ptheta.Real):
        assert large.space.mean == pytest.approx(small.space.mean) and large.space.scale == pytest.approx(
            small.space.scale
        )
    assert large.decided == small.decided and large.describe()["range"] == pytest.approx(small.describe()["range"])
    for ours, theirs in zip(
        (large.train, large.valid, large.test), (small.train, small.valid, small.test), strict=True
    ):
        assert torch.equal(ours.x, theirs.x) and torch.equal(ours.rows, theirs.rows)
        assert (ours.context is None) == (theirs.context is None)
        assert ours.context is None or torch.equal(ours.context, theirs.context)
        assert torch.equal(ours[1:3].x, theirs.x[1:3]) and torch.equal(ours.some(2).x, theirs.some(2).x)
    assert torch.equal(large.everything().x, small.everything().x)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_in_its_file_is_the_one_in_memory(name: str, tmp_path: Path, request: pytest.FixtureRequest):
    np.save(tmp_path / name, ARRAYS[name])
    small = load(tmp_path / name)
    request.getfixturevalue("nothing_fits")
    same(load(tmp_path / name), small)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_with_splits_and_labels_is_unpacked_beside_memory(save, tmp_path: Path, request: pytest.FixtureRequest):
    x, y = ARRAYS["bytes.npy"], np.arange(60) % 3 + 1
    save(tmp_path / "a.npz", train=x[:40], test=x[40:], y_train=y[:40], y_test=y[40:])
    small = load(tmp_path / "a.npz")
    request.getfixturevalue("nothing_fits")
    same(load(tmp_path / "a.npz"), small)
    same(load(tmp_path / "a.npz", given="half=top"), load_small(tmp_path / "a.npz", "half=top"))


def load_small(path: Path, given: str) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "LARGE", 1 << 28)
        return load(path, given=given)


@pytest.mark.parametrize("mode", ["L", "RGB", "mixed", "1"])
def test_pictures_are_decoded_once_into_a_file(mode: str, tmp_path: Path, request: pytest.FixtureRequest):
    for i in range(20):
        kind = ("RGB" if i == 7 else "L") if mode == "mixed" else mode
        pixels = RNG.integers(0, 256, (6, 5, 3), np.uint8)
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(pixels).convert(kind).save(tmp_path / "ab"[i % 2] / f"{i:02}.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    small = load(tmp_path, skip_corrupt=True)
    request.getfixturevalue("nothing_fits")
    same(load(tmp_path, skip_corrupt=True), small)


@pytest.mark.usefixtures("nothing_fits")
def test_a_model_is_fitted_and_scored_from_a_file_as_from_memory(tmp_path: Path):
    np.save(tmp_path / "bits.npy", ARRAYS["bits.npy"])
    large = load(tmp_path / "bits.npy")
    small = Dataset("bits", large.space, *(Events(e.x) for e in (large.train, large.valid, large.test)))
    scores = []
    for data in (large, small):
        torch.manual_seed(0)
        model = ptheta.NADE(data.space, hidden=4).fit(data, steps=5, batch_size=10)
        scores.append(ptheta.likelihood(model, data.test).value)
    assert scores[0] == scores[1]


@pytest.mark.usefixtures("nothing_fits")
def test_the_fingerprint_sees_every_byte_of_a_file(tmp_path: Path):
    x = ARRAYS["doubles.npy"].copy()
    np.save(tmp_path / "a.npy", x)
    before = load(tmp_path / "a.npy").fingerprint
    assert load(tmp_path / "a.npy").fingerprint == before != load(tmp_path / "a.npy", seed=1).fingerprint
    for row, column in ((0, 0), (31, 2), (59, 4)):
        changed = x.copy()
        changed[row, column] += 1e-3
        np.save(tmp_path / "a.npy", changed)
        assert load(tmp_path / "a.npy").fingerprint != before


@pytest.mark.usefixtures("nothing_fits")
def test_faults_far_into_a_file_are_found_at_their_place(tmp_path: Path):
    x = ARRAYS["doubles.npy"].copy()
    x[41, 3] = np.nan
    np.save(tmp_path / "a.npy", x)
    with pytest.raises(ValueError, match=r"1 of 300 numbers that are NaN.*first in row 41, column 3"):
        load(tmp_path / "a.npy")
    codes = ARRAYS["codes.npy"].copy()
    codes[59, 1] = -7
    np.save(tmp_path / "b.npy", codes)
    with pytest.raises(ValueError, match=r"whole number -7 at \(59, 1\)"):
        load(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", np.asfortranarray(ARRAYS["doubles.npy"]))
    with pytest.raises(ValueError, match=r"save np\.ascontiguousarray of it"):
        load(tmp_path / "c.npy")
    np.save(tmp_path / "d.npy", np.array([{}] * 99))
    with pytest.raises(ValueError, match="cannot be read as numpy arrays"):
        load(tmp_path / "d.npy")


def test_an_archive_that_is_packed_too_well_is_not_unpacked_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1000, 1000), np.uint8))
    np.savez_compressed(tmp_path / "data.npz", x=RNG.integers(0, 256, (1000, 1000), np.uint8))
    monkeypatch.setattr(stored, "LARGE", 1000)
    assert stored.stays_in_file(tmp_path / "data.npz") and not stored.stays_in_file(tmp_path / "bomb.npz")


def test_rows_come_as_asked_for_and_a_file_cut_short_is_said(tmp_path: Path):
    x = np.arange(400, dtype=np.int32).reshape(100, 4)
    (tmp_path / "x").write_bytes(b"head" + x.tobytes())
    with (tmp_path / "x").open("rb") as opened:
        file = ArrayFile(opened, x.dtype, x.shape, 4)
    for rows in ([], [7], [3, 4, 5], [99, 0, 50], [5, 5, 4], list(range(99, -1, -1))):
        at = np.array(rows, np.int64)
        assert (file.take(at) == x[at]).all() and file.take(at).shape == (len(at), 4)
    assert (np.concatenate(list(pieces_of(file))) == x).all()
    with (tmp_path / "x").open("r+b") as cut:
        cut.truncate(900)
    assert (file.take(np.array([3, 55])) == x[[3, 55]]).all()
    with pytest.raises(ValueError, match="was cut short while it was being read"):
        file.take(np.array([1, 56]))
    (tmp_path / "short").write_bytes(b"abc")
    with (tmp_path / "short").open("rb") as opened, pytest.raises(ValueError, match="it should hold 1600 bytes of"):
        ArrayFile(opened, x.dtype, x.shape)


def test_what_is_large_is_never_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    x = np.random.default_rng(0).integers(0, 256, (40_000, 1, 16, 16), np.uint8)  # 10 MB
    np.save(tmp_path / "a.npy", x)
    del x
    monkeypatch.setattr(stored, "LARGE", 1 << 20)
    monkeypatch.setattr(stored, "BLOCK", 1 << 18)
    monkeypatch.setattr("ptheta.data.events.PIECE", 1 << 18)
    tracemalloc.start()
    data = load(tmp_path / "a.npy")
    assert data.fingerprint and data.describe()["splits"] == {"train": 32_000, "valid": 4000, "test": 4000}
    data.train[torch.arange(0, 32_000, 400)].loaded()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5e6, "the row numbers and a few blocks"
    monkeypatch.setattr("ptheta.data.events.most_bytes", lambda: 1 << 20)
    with pytest.raises(ValueError, match=r"all 32000 events at once take 7\.8 MiB.*trained in batches"):
        _ = data.train.x


def test_large_sets_hold_out_ten_thousand(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((150_000, 1), np.uint8))
    assert load(tmp_path / "a.npy").describe()["splits"] == {"train": 130_000, "valid": 10_000, "test": 10_000}
    assert load(tmp_path / "a.npy", valid=0.2).describe()["splits"] == {
        "train": 110_000,
        "valid": 30_000,
        "test": 10_000,
    }
