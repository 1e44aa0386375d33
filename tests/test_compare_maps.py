"""Maps between the classes of a labelled set, compared: who is nearer stands first, beside who changes nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ptheta.applications.translations import MapTrial, maps_for, ranked, translating
from ptheta.cli import main
from ptheta.data import load
from ptheta.data.dataset import Dataset, Events
from ptheta.noise import Noise
from ptheta.spaces import Classes, Real


def columns(classes: int, n: int = 200) -> Dataset:
    """Events whose first variable says their class."""
    context = torch.arange(n) % classes
    x = torch.stack([3.0 * context, Noise(0).normal((n,), "kept")], 1) + 0.05 * Noise(1).normal((n, 2), "blur")
    events = Events(x, context)
    return Dataset("columns", Real((2,)), events, events[:0], events[:100], Classes(classes))


def test_what_fits_is_compared_and_all_else_is_refused_in_a_sentence():
    assert maps_for(columns(2)) == ["cyclegan", "stargan"]
    with pytest.raises(ValueError, match="there is no map between classes for columns: cyclegan: it needs something"):
        maps_for(columns(2).without_context())


class Moves:
    """The run of the true map of the columns."""

    step, record = 7, {"seconds": 2.0, "cpu_seconds": 1.0}

    def __init__(self, data: Dataset) -> None:
        self.model, self.space, self.context_space = self, data.space, data.context_space

    def fit(self, data: Dataset, **training: Any) -> "Moves":
        return self

    def translate(self, x: Tensor, target: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        assert target is not None
        return torch.stack([3.0 * target, x[:, 1]], 1)


def test_a_map_that_moves_stands_before_one_that_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data, told = columns(3), []

    def fit_run(name: str, *words: Any, **options: Any) -> Moves:
        if name == "cyclegan":
            raise ValueError("there are 3 classes.")
        return Moves(data)

    monkeypatch.setattr("ptheta.applications.translations.fit_run", fit_run)
    trials = [*translating(data, tmp_path, models=("cyclegan", "stargan"), samples=60, say=told.append)]
    none, failed, star = trials
    assert none.name == "no map" and none.report is not None and none.report.there_and_back == 0.0
    assert failed.error == "there are 3 classes." and told == ["cyclegan failed: there are 3 classes."]
    assert star.report is not None and (star.steps, star.cpu_seconds, star.report.n) == (7, 1.0, 60)
    assert [trial.name for trial in ranked(trials)] == ["stargan", "no map"]
    assert star.pairs is not None and star.pairs.shape == (32, 2)
    (tmp_path / "note").touch()
    with pytest.raises(ValueError, match="is not empty"):
        next(translating(data, tmp_path))


def test_where_counterparts_are_known_they_decide():
    def trial(name: str, kernel: float, counterpart: float | None) -> MapTrial:
        from ptheta.metrics.translation import MapReport

        return MapTrial(name, report=MapReport(1.0, "", counterpart, None, {}, {}, 0.0, 0.0, 0.0, kernel, 0.0, 9))

    assert [t.name for t in ranked([trial("a", 1.0, None), trial("b", 0.5, None), MapTrial("c", error="no")])] == [
        "b",
        "a",
    ]
    assert [t.name for t in ranked([trial("a", 1.0, 0.1), trial("b", 0.5, 0.2)])] == ["a", "b"]


def test_maps_are_compared_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for label, level in (("a", 40), ("b", 200)):
        Path("pictures", label).mkdir(parents=True)
        for i in range(15):
            Image.fromarray(np.full((6, 6), level + i, np.uint8)).save(f"pictures/{label}/{i}.png")
    words = ["compare", "pictures", "--task", "translate", "--models", "stargan", "--minutes", ".002", "--out", "new"]
    assert main([*words, "--samples", "5"]) == 0
    assert "best first: " in capsys.readouterr().out
    found = json.loads(Path("new/results.json").read_text())
    assert [each["name"] for each in found["maps"]] == ["no map", "stargan"] and Path("new/stargan.png").is_file()
    for more, sentence in (
        (["--total", "1"], "--total 1.0 means nothing to --task translate"),
        (["--given", "grey"], "--given grey means nothing"),
        (["--samples", "0"], "--samples 0 means nothing"),
    ):
        assert main([*words, "--out", "other", *more]) == 2
        assert sentence in capsys.readouterr().err


def test_a_set_without_classes_is_refused():
    with pytest.raises(ValueError, match="no map between classes"):
        maps_for(load("moons").without_context())
