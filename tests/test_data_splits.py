"""What is fitted, chosen on and reported on never mixes: splits partition, and only training events standardise."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ptheta.data import load, pictures, tabular
from ptheta.data.dataset import Dataset
from ptheta.spaces import Real


def rows(*tensors: torch.Tensor) -> list[list[float]]:
    return sorted(torch.cat([t.double() for t in tensors]).tolist())


def standardised_on_train(data: Dataset) -> None:
    moments = [(space.mean, space.scale) for space in map(Real.standardising, (data.train.x, data.test.x))]
    assert (data.space.mean, data.space.scale) == moments[0] != moments[1]


def test_synthetic_reals_are_standardised_on_train():
    standardised_on_train(load("moons", n=50))


def test_tables_are_standardised_on_train_and_partitioned(tmp_path: Path):
    values = torch.arange(60.0).square().reshape(20, 3)
    (tmp_path / "t.csv").write_text("\n".join(",".join(map(str, row)) for row in values.tolist()))
    data = load(tmp_path / "t.csv", valid=0.2, test=0.1)
    standardised_on_train(data)
    assert [len(s) for s in (data.train, data.valid, data.test)] == [14, 4, 2]
    assert rows(data.train.x, data.valid.x, data.test.x) == rows(values)


def test_the_label_of_a_table_may_be_a_number_from_1(tmp_path: Path):
    lines = [f"{i},{i % 2},{-i}" for i in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *lines]))
    by_name, by_number = (load(tmp_path / "t.csv", label=label) for label in ("b", "2"))
    assert by_number.fingerprint == by_name.fingerprint
    assert by_number.train.context is not None
    assert torch.equal(by_number.train.context, by_number.train.x[:, 0].long() % 2)


def test_a_text_is_cut_in_order_into_the_fractions_asked_for(tmp_path: Path):
    (tmp_path / "t.txt").write_text("abcdefghij" * 10)
    data = load(tmp_path / "t.txt", sequence_length=5, valid=0.1, test=0.3)
    assert [len(s) for s in (data.train, data.valid, data.test)] == [12, 2, 6]


@pytest.fixture
def wine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Ten parts of twenty rows, no two alike, where the red wine would be."""
    monkeypatch.setenv("PTHETA_DATA", str(tmp_path))
    parts = np.random.default_rng(0).normal(size=(10, 20, 11)).astype(np.float32)
    (tmp_path / "uci").mkdir()
    np.savez(tmp_path / "uci" / "red_wine_10folds.npz", **{f"part{k + 1}": part for k, part in enumerate(parts)})
    return parts


def test_a_fold_of_red_wine_tests_on_its_part_and_sees_none_of_it_before(wine: np.ndarray):
    data = tabular.red_wine(fold=3)
    assert rows(data.test.x) == rows(torch.from_numpy(wine[2]))
    others = torch.from_numpy(np.delete(wine, 2, 0)).flatten(0, 1)
    assert rows(data.train.x, data.valid.x) == rows(others)
    assert (len(data.train), len(data.valid)) == (162, 18)
    standardised_on_train(data)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_last_training_images_validate_and_are_not_trained_on(name: str, monkeypatch: pytest.MonkeyPatch):
    number = torch.arange(70_000)
    images = torch.zeros(70_000, 28, 28, dtype=torch.uint8)
    images[:, 0, 0], images[:, 0, 1], images[:, 0, 2] = number // 65536, number // 256 % 256, number % 256
    labels = (number % 10).to(torch.uint8)
    files = iter((images[:60_000], labels[:60_000], images[60_000:], labels[60_000:]))
    monkeypatch.setattr(pictures, "locate", lambda *_: Path())
    monkeypatch.setattr(pictures, "_read_idx", lambda _: next(files))
    data = pictures.idx_images(name=name)
    for split, first, last in ((data.train, 0, 50_000), (data.valid, 50_000, 60_000), (data.test, 60_000, 70_000)):
        x = split.x[:, 0, 0].long()
        assert torch.equal(x[:, 0] * 65536 + x[:, 1] * 256 + x[:, 2], number[first:last])
        assert split.context is not None and torch.equal(split.context, number[first:last] % 10)
