"""Films: folders of frames and pictures that move, cut into clips."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ptheta.applications.compare import compare
from ptheta.cli import main
from ptheta.data import load
from ptheta.data.views import Frames
from ptheta.report.answers import answers_picture
from ptheta.report.films import film_sheet, moving
from ptheta.spaces import Levels


def frame(film: int, k: int, colour: bool = False) -> Image.Image:
    """A frame that says which it is."""
    pixels = np.full((4, 6), 10 * film + k, np.uint8)
    pixels[0, 0] = 255 - k
    if not colour:
        return Image.fromarray(pixels)
    return Image.fromarray(np.stack([pixels, pixels // 2, pixels], -1))


def folder_of(path: Path, films: int, length: int, colour: bool = False) -> Path:
    for i in range(films):
        (path / f"film{i}").mkdir(parents=True)
        for k in range(length):
            frame(i, k, colour).save(path / f"film{i}" / f"frame{k}.png")
    return path


def starts(x: torch.Tensor) -> list[tuple[int, int]]:
    """Which film and frame each clip begins with; each goes on frame by frame."""
    first = x[:, :, -1, -1].long() if x.dim() == 4 else x[:, :, 0, -1, -1].long()
    steps = 255 - (x[:, :, 0, 0] if x.dim() == 4 else x[:, :, 0, 0, 0]).long()
    assert (steps.diff(dim=1) == 1).all(), "frames follow one another, 9 before 10"
    return [(int(f - k) // 10, int(k)) for f, k in zip(first[:, 0], steps[:, 0], strict=True)]


def test_whole_films_are_shared_out(tmp_path: Path):
    data = load(folder_of(tmp_path / "f", films=5, length=12), film=3)
    assert data.space == Levels((3, 4, 6), 256)
    found = [starts(part.x) for part in (data.train, data.valid, data.test)]
    assert [len(part) for part in found] == [12, 4, 4]
    who = [{film for film, _ in part} for part in found]
    assert not who[0] & who[1] and not who[0] & who[2] and not who[1] & who[2], "no film stands in two splits"
    assert sorted(found[0] + found[1] + found[2]) == [(i, k) for i in range(5) for k in (0, 3, 6, 9)]


def test_one_film_is_cut_in_time(tmp_path: Path):
    data = load(folder_of(tmp_path / "f", films=1, length=30), film=3, step=1)
    found = [[k for _, k in starts(part.x)] for part in (data.train, data.valid, data.test)]
    assert found == [list(range(22)), [24], [27]], "no frame stands in two splits"
    assert any("cut in time" in note for note in data.notes)


def test_a_picture_that_moves_is_a_film_of_its_own(tmp_path: Path):
    (tmp_path / "f").mkdir()
    for i in range(4):
        first, *rest = [frame(i, k) for k in range(8)]
        first.save(tmp_path / "f" / f"{i}.gif", save_all=True, append_images=rest, duration=50)
    data = load(tmp_path / "f", film=4)
    assert data.space == Levels((4, 4, 6), 256), "grey stays grey"
    whole = torch.cat([part.x for part in (data.train, data.valid, data.test)])
    assert sorted(starts(whole)) == [(i, k) for i in range(4) for k in (0, 4)]


def test_colour_stays_colour(tmp_path: Path):
    data = load(folder_of(tmp_path / "f", films=3, length=4, colour=True), film=2)
    assert data.space == Levels((2, 3, 4, 6), 256)
    assert (data.train.x[:, :, 1] == data.train.x[:, :, 0] // 2).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"film": 20}, "films of {} are too short: 3 of 4 to 4 frames leave no clip of 20"),
        ({"film": 1}, "film should be at least 2 frames and step at least 1, but they are 1 and None"),
        ({"film": 2, "step": 0}, "but they are 2 and 0"),
        ({"step": 2}, "does not take the option step"),
    ],
)
def test_films_that_make_no_clips_are_a_sentence(tmp_path: Path, options, sentence: str):
    path = folder_of(tmp_path / "f", films=3, length=4)
    with pytest.raises(ValueError) as refused:
        load(path, **options)
    assert sentence.format(path) in str(refused.value)


def test_a_film_is_continued_from_the_command_line(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "films", films=5, length=12)
    words = ["--data", "films", "--given", "frames=2", "--steps", "2", "--out", "run", "--data-options", "film=4"]
    assert main(["fit", "regression", *words]) == 0
    assert main(["sample", "run", "-n", "2"]) == 0
    with Image.open("run/samples.png") as sheet:  # two rows of four frames, enlarged tenfold
        assert sheet.size == (4 * 62 + 2, 2 * 42 + 2), "those given and those drawn"
    assert main(["sample", "run", "-n", "2", "--out", "s.gif"]) == 0
    with Image.open("s.gif") as moving:
        assert moving.n_frames == 4
    assert main(["evaluate", "run"]) == 0
    assert "n = " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("shape", "film"),
    [
        *[((8, 4, 4), True), ((8, 3, 4, 4), True), ((2, 1, 9, 4), True)],
        *[
            ((3, 8, 8), False),
            ((1, 8, 8), False),
            ((8, 3, 3), False),
            ((8,), False),
            ((), False),
            ((8, 2, 4, 4), False),
        ],
    ],
)
def test_what_looks_like_a_film(shape: tuple[int, ...], film: bool):
    assert Levels(shape, 256).is_film == film


def test_frames_are_drawn_in_their_order(tmp_path: Path):
    x = torch.arange(6, dtype=torch.uint8).reshape(1, 6, 1, 1).expand(1, 6, 4, 5) * 40
    sheet = np.asarray(film_sheet(x, Levels((6, 4, 5), 256)))
    assert sheet[20, 20::62].tolist() == [0, 40, 80, 120, 160, 200]


def test_a_film_begins_again_at_its_end():
    x = torch.arange(6, dtype=torch.uint8).reshape(1, 6, 1, 1).expand(1, 6, 4, 5) * 40
    assert Image.open(io.BytesIO(moving(x, Levels((6, 4, 5), 256)))).info["loop"] == 0


def test_a_comparison_shows_how_films_go_on(tmp_path: Path):
    data = load(folder_of(tmp_path / "f", films=5, length=12), film=4).given(Frames(2))
    result = compare(data, tmp_path / "c", models=["regression"], minutes=0.005, samples=9, conditional=True)
    picture = Image.open(io.BytesIO(answers_picture(result, result.contenders[0])))
    assert picture.width == 4 * 62 + 2, "whole films of four frames, given and drawn"
