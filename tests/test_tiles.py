"""Tiles: pictures of any size as events of one, more of them for training, and answers as large as what was asked."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ptheta import load
from ptheta.cli import main
from ptheta.data.tiles import Cutter, joined, places

RNG = np.random.default_rng(0)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def size_of(path: str) -> tuple[int, int]:
    """Width and height."""
    with Image.open(path) as image:
        return image.size


def photographs(folder: Path, n: int = 12, *sizes: tuple[int, int]) -> dict[str, np.ndarray]:
    """Grey pictures of several sizes, whose pixels name the picture: its number times 16, and less than 16."""
    made = {}
    for i in range(n):
        height, width = (sizes or ((9, 20), (8, 8), (17, 11)))[i % (len(sizes) or 3)]
        made[f"{i:02}.png"] = 16 * i + RNG.integers(0, 16, (height, width))
        save(folder / f"{i:02}.png", made[f"{i:02}.png"])
    return made


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(4, 20), st.integers(4, 20), st.integers(2, 4), st.integers(2, 4), st.integers(0, 1), st.integers(0, 1)
)
def test_as_few_tiles_as_cover_a_picture_overlap_as_asked_and_give_it_back(high, wide, h, w, up, left):
    at = places(high, wide, (h, w), (up, left))
    covered = torch.zeros(high, wide)
    for i, j in at:
        assert 0 <= i <= high - h and 0 <= j <= wide - w
        covered[i : i + h, j : j + w] += 1
    assert covered.min() >= 1
    rows = sorted({i for i, _ in at})
    assert all(after - before <= h - up for before, after in pairwise(rows))
    assert len(rows) == 1 or (len(rows) - 1) * (h - up) + up < high  # one less would not cover it
    picture = torch.randint(0, 256, (2, high, wide), dtype=torch.uint8)
    tiles = torch.stack([picture[:, i : i + h, j : j + w] for i, j in at])
    assert torch.equal(joined(tiles, at, high, wide), picture)


def test_where_tiles_differ_the_nearer_to_its_middle_weighs_more_and_nothing_jumps():
    tiles = torch.stack([torch.zeros(1, 4, 8), torch.ones(1, 4, 8)])
    row = joined(tiles, [(0, 0), (0, 4)], 4, 12)[0, 2]
    assert row[:4].eq(0).all() and row[8:].eq(1).all()
    assert torch.allclose(row[4:8], torch.tensor([1 / 5, 2 / 5, 3 / 5, 4 / 5]))
    levels = joined((255 * tiles).to(torch.uint8), [(0, 0), (0, 4)], 4, 12)[0, 2, 4:8]
    assert levels.tolist() == [51, 102, 153, 204] and levels.dtype == torch.uint8
    assert joined(tiles.to(torch.uint8), [(0, 0), (0, 4)], 4, 12)[0, 2, 4:8].tolist() == [0, 0, 1, 1]  # to the nearest


def test_tiles_of_a_picture_are_events_of_its_pixels_in_one_split(tmp_path):
    made = photographs(tmp_path)
    data = load(tmp_path, shape="tiles", size=8)
    owners = [set((events.x // 16).flatten().tolist()) for events in (data.train, data.valid, data.test)]
    assert [len(own) for own in owners] == [10, 1, 1] and not owners[0] & owners[1] and not owners[1] & owners[2]
    assert len(data.everything()) == sum(len(places(*p.shape, (8, 8))) for p in made.values()) == len(data.sources)
    assert "The 12 images were cut into 52 tiles of 8x8 (height x width) that cover them." in data.notes
    assert "Split at random with seed 0 into 10 / 1 / 1 files." in data.notes
    assert any(note.startswith("All events of a file are in one split: ") for note in data.notes)
    for row, name in enumerate(data.sources):
        tile, picture = data.everything().x[row, 0].numpy(), made[f"{name[:2]}.png"]
        at = places(*picture.shape, (8, 8))
        top, left = at[int(name.partition("-")[2].removesuffix(".png")) - 1] if len(at) > 1 else at[0]
        assert (tile == picture[top : top + 8, left : left + 8]).all()


def test_extras_train_only_and_are_pixels_and_mirror_images_of_training_pictures(tmp_path):
    made = photographs(tmp_path)
    plain, more = (load(tmp_path, shape="tiles", size=8, **extra) for extra in ({}, {"crops": 3, "mirror": True}))
    assert torch.equal(plain.valid.x, more.valid.x) and torch.equal(plain.test.x, more.test.x)
    assert len(more.train) == 2 * (len(plain.train) + 3 * 10)
    assert f"of which {len(plain.train) + 60} only train." in " ".join(more.notes)
    kept = {tile.numpy().tobytes() for tile in more.train.x}
    assert kept == {tile.flip(-1).numpy().tobytes() for tile in more.train.x}
    owners = {int(tile.flatten()[0]) // 16 for tile in more.train.x}
    windows = {
        made[f"{i:02}.png"][top : top + 8, left : left + 8].astype(np.uint8).tobytes()
        for i in owners
        for top, left in np.ndindex(*(n - 7 for n in made[f"{i:02}.png"].shape))
    }
    mirrored = {np.frombuffer(w, np.uint8).reshape(8, 8)[:, ::-1].tobytes() for w in windows}
    assert kept <= windows | mirrored
    assert torch.equal(more.train.x, load(tmp_path, shape="tiles", size=8, crops=3, mirror=True).train.x)


def test_random_places_depend_on_the_picture_and_the_seed():
    picture = RNG.integers(0, 256, (1, 40, 40), np.uint8)
    first, second, other = (Cutter((4, 4), 5, seed=seed).cut(picture, n)[1] for seed, n in ((0, 0), (0, 1), (1, 0)))
    assert not all((a == b).all() for a, b in zip(first, second, strict=True))
    assert not all((a == b).all() for a, b in zip(first, other, strict=True))
    corners = {(int(c[0, 0, 0]), int(c[0, -1, -1])) for c in Cutter((40, 39), 64).cut(picture, 0)[1]}
    assert len(corners) == 2  # the last place is drawn as well


def test_mirror_images_need_no_tiles_and_keep_classes(tmp_path):
    for i in range(20):
        save(tmp_path / "ab"[i % 2] / f"{i}.png", np.full((4, 4), 10 * (i % 2)) + np.arange(4))
    data = load(tmp_path, mirror=True)
    assert len(data.train) == 2 * 16 and len(data.test) == 2 and data.train.context is not None
    assert torch.equal(data.train.x[:, 0, 0].amin(1).long() // 10, data.train.context)


def test_pairs_are_cut_at_the_same_places(tmp_path):
    for i in range(12):
        picture = RNG.integers(0, 128, (9, 13))
        save(tmp_path / "a" / f"{i}.png", picture)
        save(tmp_path / "b" / f"{i}.png", 2 * picture)
    data = load(tmp_path, given="pair", shape="tiles", size=4, crops=4, mirror=True)
    assert len(data.test) == 12 and torch.equal(data.train.x, 2 * data.train.context)
    save(tmp_path / "a" / "0.png", RNG.integers(0, 128, (20, 20)))
    with pytest.raises(ValueError, match="two pictures of 0 have different sizes"):
        load(tmp_path, given="pair", shape="tiles", size=4)


def test_the_shorter_side_is_resized_and_small_pictures_are_enlarged_aloud(tmp_path):
    photographs(tmp_path, 4, (20, 40), (4, 6))
    data = load(tmp_path, shape="tiles", size=8, shorter=10)
    assert len(data.everything()) == 2 * 2 * 3 + 2 * 2 * 2
    assert "4 of 4 images were resized until their shorter side has 10 pixels." in data.notes
    assert "2 of 4 images are smaller than a tile" in " ".join(load(tmp_path, shape="tiles", size=8).notes)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"shape": "tiles"}, "shape=tiles needs the size of a tile"),
        ({"crops": 3}, "crops are tiles at random places: say shape=tiles"),
        ({"shape": "tiles", "size": 4, "crops": -1}, "crops should be how many"),
        ({"size": 4, "shorter": 9}, "it goes with shape=tiles"),
        ({"shape": "tiles", "size": 4, "shorter": 0}, "from 1 to 4096"),
    ],
)
def test_what_makes_no_tiles_is_refused(options, problem, tmp_path):
    photographs(tmp_path)
    with pytest.raises(ValueError, match=problem):
        load(tmp_path, **options)


def test_whole_pictures_are_answered_at_their_size_and_their_own_kind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photographs(Path("photos"), 12, (16, 24))
    run = ["fit", "regression", "--data", "photos", "--size", "8", "--out", "run", "--steps", "3"]
    main([*run, "--given", "low-resolution=2", "--data-options", "shape=tiles", "mirror=true"])
    photographs(Path("small"), 2, (9, 7))
    main(["sample", "run", "--context", "small", "--tiles", "--out", "large"])
    assert [size_of(f"large/0{i}.png") for i in range(2)] == [(14, 18)] * 2
    main(["sample", "run", "--context", "small/00.png", "--tiles", "--out", "one"])
    assert Path("one/00.png").read_bytes() == Path("large/00.png").read_bytes()
    for i in range(2):
        save(Path(f"deep/{i}/same/0.png"), RNG.integers(0, 256, (9, 7)))
    main(["sample", "run", "--context", "deep", "--tiles", "--out", "both"])
    assert sorted(p.name for p in Path("both").iterdir()) == ["0-1.png", "0-2.png"], "no answer replaces another"
    capsys.readouterr()
    for wrong, problem in (
        (["--tiles"], "--tiles needs --context"),
        (["--tiles", "-n", "3", "--context", "small", "--out", "x"], "leave -n and --data out"),
    ):
        assert main(["sample", "run", *wrong]) == 2
        assert problem in capsys.readouterr().err


def test_other_data_of_a_run_of_tiles_are_tiles_without_extras(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photographs(Path("photos"), 12, (16, 24))
    fit = ["fit", "independent", "--data", "photos", "--size", "8", "--out", "run"]
    main([*fit, "--data-options", "shape=tiles", "mirror=true", "crops=2"])
    photographs(Path("new"), 2, (16, 9))
    main(["score", "run", "--data", "new", "--out", "scores.csv"])
    rows = Path("scores.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [f"0{i}-{k}.png" for i in range(2) for k in range(1, 5)]


def test_a_map_between_classes_translates_whole_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["fit", "stargan", "--data", "shapes-colours", "--conditional", "--steps", "2", "--out", "run"])
    save(Path("photos/0.png"), RNG.integers(0, 256, (20, 33, 3)))
    main(["translate", "run", "--to", "red", "--data", "photos", "--tiles", "--out", "red"])
    assert size_of("red/0.png") == (33, 20)
