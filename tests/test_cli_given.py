"""Pictures of one's own as what is given: photographs to colour or enlarge, holes, sketches, films."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ptheta.cli import main
from ptheta.cli.given import different, read_given
from ptheta.noise import Noise
from ptheta.runs import open_run


def colours(path: Path, n: int = 20, size: int = 8) -> Path:
    """A folder of pictures in colour."""
    path.mkdir()
    u = Noise(0).uniform((n, size, size, 3), "x").numpy()
    for i, x in enumerate(u):
        Image.fromarray((255 * x).astype(np.uint8)).save(path / f"{i:02}.png")
    return path


def fitted(given: str, data: str = "pictures", model: str = "regression") -> None:
    words = ["--data", data, "--given", given, "--out", "run"]
    assert main(["fit", model, *words, "--steps", "2"]) == 0


def test_old_photographs_are_coloured_one_file_each(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colours(tmp_path / "pictures")
    fitted("grey")
    Path("old").mkdir()
    for name in ("aunt", "uncle"):
        Image.new("L", (10, 10), 90).save(f"old/{name}.jpg")
    assert main(["sample", "run", "--context", "old", "--out", "coloured"]) == 0
    assert "were resized to 8x8" in capsys.readouterr().err
    assert sorted(p.name for p in Path("coloured").iterdir()) == ["aunt.png", "uncle.png"]
    with Image.open("coloured/aunt.png") as picture:
        assert picture.mode == "RGB" and picture.size == (8, 8)
    assert main(["sample", "run", "--context", "old", "--out", "coloured"]) == 2, "nothing is overwritten"
    assert "coloured is not empty" in capsys.readouterr().err
    assert main(["sample", "run", "--context", "old", "--out", "coloured", "--force"]) == 0
    assert len([*Path("coloured").iterdir()]) == 2
    assert main(["sample", "run", "--context", "old/aunt.jpg", "-n", "3", "--out", "ways"]) == 0
    assert sorted(p.name for p in Path("ways").iterdir()) == ["aunt-1.png", "aunt-2.png", "aunt-3.png"]


def test_black_and_white_are_the_ends_of_what_a_model_of_greys_is_given(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colours(tmp_path / "pictures")
    fitted("grey")
    picture = Image.new("1", (8, 8), 0)
    picture.paste(1, (0, 0, 4, 8))
    picture.save("halves.png")
    contexts = read_given(open_run("run"), Path("halves.png")).contexts
    assert contexts[0, 0, 0].tolist() == [255] * 4 + [0] * 4


def test_what_is_given_decides_what_is_drawn(tmp_path: Path, monkeypatch):
    """A model that copies the levels it is given shows which picture it was given."""
    monkeypatch.chdir(tmp_path)
    colours(tmp_path / "pictures", 60)
    fitted("box=2", model="nade")
    Image.new("RGB", (8, 8), (250, 10, 90)).save("hole.png")
    assert main(["sample", "run", "--context", "hole.png", "-n", "1", "--out", "filled.png"]) == 0
    assert main(["sample", "run", "--context", "hole.png", "-n", "1", "--out", "filled"]) == 0
    with Image.open("filled/hole.png") as picture:
        pixels = np.asarray(picture)
    known = np.ones((8, 8), bool)
    known[3:5, 3:5] = False
    assert (pixels[known] == (250, 10, 90)).all(), "what is known stays, pixel for pixel"
    assert main(["sample", "run", "--context", "hole.png", "-n", "1", "--out", "part.npy"]) == 0
    assert np.load("part.npy").shape == (1, 3, 2, 2), "a file of events holds what was drawn, alone"
    assert (np.load("part.npy")[0].transpose(1, 2, 0) == pixels[3:5, 3:5]).all()


@pytest.mark.parametrize(
    ("given", "mode", "said"),
    [
        ("low-resolution=4", "RGB", "resized to 2x2"),
        ("low-resolution=4", "L", "Grey pictures were taken as colours"),
        ("grey", "RGB", "Their colours were left out"),
        ("edges", "L", "Their greys became bits"),
    ],
)
def test_what_is_done_to_what_is_given_is_said(given: str, mode: str, said: str, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colours(tmp_path / "pictures")
    fitted(given)
    x = (255 * Noise(1).uniform((5, 5, 3), "x").numpy()).astype(np.uint8)
    Image.fromarray(x).convert(mode).save("one.png")
    assert main(["sample", "run", "--context", "one.png", "-n", "2", "--out", "s.png"]) == 0
    assert said in capsys.readouterr().err


def test_a_film_of_ones_own_is_continued(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    films = (torch.rand(5, 9, 6, 6, generator=torch.Generator().manual_seed(0)) * 255).byte().numpy()
    for i, film in enumerate(films):
        (tmp_path / "films" / str(i)).mkdir(parents=True)
        for k, frame in enumerate(film):
            Image.fromarray(frame).save(tmp_path / "films" / str(i) / f"{k}.png")
    words = ["--given", "frames=2", "--steps", "2", "--out", "run", "--data-options", "film=4"]
    assert main(["fit", "regression", "--data", "films", *words]) == 0
    (tmp_path / "mine" / "a").mkdir(parents=True)
    for k in range(2):
        Image.fromarray(films[0, k]).save(tmp_path / "mine" / "a" / f"{k}.png")
    assert main(["sample", "run", "--context", "mine", "--out", "on.gif"]) == 0
    with Image.open("on.gif") as moving:
        assert moving.n_frames == 4, "the frames given, and those that follow"
    assert main(["sample", "run", "--data", "films", "--out", "more.png"]) == 0, "films as they are, whole"
    assert main(["sample", "run", "--context", "mine/a/0.png", "--out", "x.png"]) == 2
    assert "a folder of films shows it, but mine/a/0.png is none" in capsys.readouterr().err


def test_samples_of_no_pictures_are_not_put_into_a_folder(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "gaussian", "--data", "moons", "--out", "run"]) == 0
    assert main(["sample", "run", "-n", "3", "--out", "folder"]) == 2
    assert "a folder is for pictures, but events are of Real((2,))" in capsys.readouterr().err


def test_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch, capsys):
    """Every command of docs/given.md, on small pictures and for a moment."""
    page = (Path(__file__).parent.parent / "docs" / "given.md").read_text()
    lines = [line.split()[1:] for line in page.splitlines() if line.startswith("    ptheta ")]
    assert [words[0] for words in lines] == ["fit", "sample"] * 6
    monkeypatch.chdir(tmp_path)
    colours(tmp_path / "photos", 20, 32)
    for folder in ("old", "small", "damaged", "sketches"):
        colours(tmp_path / folder, 2, 32)
    for top, length in (("films", 16), ("beginnings", 4)):
        for i in range(3):
            (tmp_path / top / str(i)).mkdir(parents=True)
            for k in range(length):
                Image.new("L", (20, 16), 10 * k + i).save(tmp_path / top / str(i) / f"{k}.png")
    for words in lines:
        if words[0] == "fit":
            words[words.index("--minutes") : words.index("--minutes") + 2] = ["--steps", "1"]
        assert main(words) == 0, " ".join(words)
    assert len(list(Path("coloured").iterdir())) == len(list(Path("drawn").iterdir())) == 2


def test_pictures_of_one_name_are_numbered():
    assert different(["a", "b", "a"]) == ["a-1", "b", "a-2"]
