"""Pictures show the values they are given, and files are written whole or not at all."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ptheta import Binary, Levels, Real, Symbols, Tokens
from ptheta.metrics import NearestPairs
from ptheta.report.grids import grid_image
from ptheta.report.pictures import pairs_picture, picture, save_samples, text_lines


def opened(png):
    assert png.startswith(b"\x89PNG")
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def test_grid_shows_every_pixel_enlarged_without_smoothing():
    space = Levels((1, 8, 8), 17)
    x = torch.randint(17, (7, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    pixels = np.asarray(grid_image(x, space, columns=3))
    assert pixels.shape == (3 * 66 + 2, 3 * 66 + 2)
    for i in range(7):
        top, left = i // 3 * 66 + 2, i % 3 * 66 + 2
        tile = pixels[top : top + 64, left : left + 64]
        np.testing.assert_array_equal(tile, np.kron(np.round(x[i, 0].double().numpy() * 255 / 16), np.ones((8, 8))))
    assert (pixels[:2] == 96).all() and (pixels[2 * 66 + 2 :, 66 + 2 :] == 96).all()  # separators, empty cells


def test_grid_keeps_colour_bits_and_reals():
    colour = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    colour[0, 0] = 255
    assert np.asarray(grid_image(colour, Levels((3, 4, 4), 256)))[5, 5].tolist() == [255, 0, 0]
    corner = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    corner[0, 2, 0, 3] = 255
    pixels = np.asarray(grid_image(corner, Levels((3, 4, 4), 256)))
    assert (pixels[2, 65].tolist(), pixels[65, 2].tolist()) == ([0, 0, 255], [0, 0, 0]), "right, not below"
    bits = torch.ones(1, 1, 2, 2, dtype=torch.uint8)
    assert np.asarray(grid_image(bits, Binary((1, 2, 2))))[5, 5] == 255
    reals = torch.linspace(-3, 7, 64).reshape(1, 1, 8, 8)
    pixels = np.asarray(grid_image(reals, Real((1, 8, 8))))
    assert (pixels[2, 2], pixels[65, 65]) == (0, 255)
    assert grid_image(torch.zeros(100, 1, 28, 28, dtype=torch.uint8), Binary((1, 28, 28))).size == (582, 582)


def test_pictures_of_other_spaces():
    generator = torch.Generator().manual_seed(0)
    cases = [
        (torch.randn(200, 1, generator=generator), Real((1,))),
        (torch.randn(200, generator=generator), Real(())),
        (torch.randn(200, 2, generator=generator), Real((2,), (1.0, 2.0), (2.0, 3.0))),
        (torch.randn(30, 11, generator=generator), Real((11,))),
        (torch.randint(2, (30, 180), generator=generator).to(torch.uint8), Binary((180,))),
        (torch.randint(9, (30, 4), generator=generator), Tokens(4, 9)),
        (torch.randint(9, (30, 4, 4), generator=generator), Symbols((4, 4), 9)),
        (torch.randint(9, (30,), generator=generator), Symbols((), 9)),
        (torch.zeros(1, 5), Real((5,))),
    ]
    for x, space in cases:
        image = opened(picture(x, space))
        assert min(image.size) > 20 and len(set(image.convert("L").tobytes())) > 1, space


def test_text_lines_use_names_signs_or_numbers():
    x = torch.tensor([[0, 2, 1], [1, 1, 0]])
    assert text_lines(x, Tokens(3, 3)) == ["021", "110"]
    assert text_lines(x, Tokens(3, 3, ("a", "b", "\n"))) == ["a↵b", "bba"]
    assert text_lines(x, Tokens(3, 3, ("yes", "no", "?"))) == ["yes ? no", "no no yes"]
    assert text_lines(x, Tokens(3, 50)) == ["0 2 1", "1 1 0"]
    with pytest.raises(ValueError, match="one for each of 3 symbols, all different, but there are 2 names"):
        Tokens(3, 3, ("a", "b"))


def test_pairs_stand_above_each_other():
    space = Levels((1, 8, 8), 17)
    rows = [torch.full((5, 1, 8, 8), value, dtype=torch.uint8) for value in (16, 8, 4, 0)]
    pixels = np.asarray(opened(pairs_picture(NearestPairs(*rows), space)))
    assert pixels.shape == (4 * 66 + 2, 5 * 66 + 2)
    assert [int(pixels[10 + 66 * i, 10]) for i in range(4)] == [255, 128, 64, 0]


def test_saved_events_are_read_back(tmp_path):
    x = torch.randn(150, 2, generator=torch.Generator().manual_seed(0))  # more than pictures show
    for ending in ("npy", "csv", "txt", "png"):
        save_samples(x, Real((2,)), tmp_path / f"x.{ending}")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x.numpy())
    table = np.loadtxt(tmp_path / "x.csv", delimiter=",", skiprows=1, dtype=np.float32)
    np.testing.assert_array_equal(table, x.numpy())
    assert (tmp_path / "x.csv").read_text().splitlines()[0] == "x1,x2"
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "x.txt", dtype=np.float32), x.numpy())
    opened((tmp_path / "x.png").read_bytes())
    save_samples(torch.tensor([[1, 0]]), Tokens(2, 2, ("a", "b")), tmp_path / "words.txt")
    assert (tmp_path / "words.txt").read_text() == "ba\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["words.txt", "x.csv", "x.npy", "x.png", "x.txt"]


def test_refusals_lose_nothing(tmp_path, monkeypatch):
    space, x = Real((2,)), torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"\.png, \.npy, \.csv or \.txt, but x\.gif ends in none"):
        save_samples(x, space, tmp_path / "x.gif")
    with pytest.raises(ValueError, match=r"x\.npy could not be written: No such file or directory"):
        save_samples(x, space, tmp_path / "missing" / "x.npy")
    with pytest.raises(ValueError, match="images with 1 or 3 channels"):
        grid_image(x, space)
    with pytest.raises(ValueError, match="at least one event"):
        picture(x[:0], space)
    with pytest.raises(ValueError, match="x should be events of"):
        picture(torch.zeros(3, 3), space)
    save_samples(x, space, tmp_path / "x.npy")
    before = (tmp_path / "x.npy").read_bytes()

    written, known = [], Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda self, content: [written.append(self.name), known(self, content)][1])
        save_samples(x, space, tmp_path / "x.npy")
    assert written and "x.npy" not in written, "what is there is replaced, never written over"

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(ValueError, match="No space left on device"):
        save_samples(x + 1, space, tmp_path / "x.npy")
    assert (tmp_path / "x.npy").read_bytes() == before and len(list(tmp_path.iterdir())) == 1
