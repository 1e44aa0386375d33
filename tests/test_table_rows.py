"""Rows of synthetic tables, run on models whose answer is known: training rows again, and columns by themselves."""

from pathlib import Path

import pytest
import torch

from ptheta import data as reading
from ptheta.data import Dataset, Events
from ptheta.distributions import Bootstrap, TableMixture
from ptheta.noise import Noise
from ptheta.papers import fitting, tabular
from ptheta.papers.row import Found
from ptheta.spaces import Column, Table

SPACE = Table((Column("age", scale=1.0), Column("sex", "boolean", ("f", "m")), Column("income", "boolean", ("0", "1"))))


def people() -> Dataset:
    """People whose income is told by their age."""
    u = Noise(0).uniform((900, 3), "people").double()
    age = torch.special.ndtri(u[:, 0].clamp(1e-6, 1 - 1e-6))
    x = torch.stack([age, (u[:, 1] < 0.5).double(), (age + 0.2 * u[:, 2] > 0.3).double()], 1)
    return Dataset("people", SPACE, Events(x[:500]), Events(x[500:600]), Events(x[600:]))


def worth(model, monkeypatch: pytest.MonkeyPatch) -> Found:
    data = people()
    monkeypatch.setattr(reading, "load", lambda *_: data)
    monkeypatch.setattr(fitting, "fitted", lambda *_, **__: model.fit(data))
    return tabular.synthetic_adult("any", 0, Path("nowhere"))


def test_training_rows_again_are_useful_and_columns_by_themselves_are_not(monkeypatch: pytest.MonkeyPatch):
    again = worth(Bootstrap(SPACE), monkeypatch)
    assert again.value > 0.9 and again.details["share that are training rows"] == 1
    assert not any("nats" in what for what in again.details)  # they have no likelihood
    alone = worth(TableMixture(SPACE, components=1), monkeypatch)
    assert alone.value < 0.7 and alone.details["share that are training rows"] == 0
    assert "nats, negative log-likelihood on test (exact)" in alone.details
