"""Numbers of papers' rows, each computed again by hand on small data in the place of the papers'."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptheta.data.dataset import Dataset, Events
from ptheta.metrics import likelihood
from ptheta.noise import Noise
from ptheta.papers import few_labels, fitting, latent, sequences, wine
from ptheta.papers.row import Found
from ptheta.runs import build
from ptheta.spaces import Binary, Real, Tokens


def bits(n: int, chance: float, key: int) -> Events:
    return Events((Noise(key).uniform((n, 6), "bits") < chance).to(torch.uint8))


SMALL = Dataset("small", Binary((6,)), bits(60, 0.2, 0), bits(20, 0.5, 1), bits(30, 0.8, 2))


@pytest.mark.parametrize("hold_out", [True, False])
def test_red_wine_is_the_mean_over_ten_test_folds_in_standardised_units(hold_out: bool, monkeypatch, tmp_path: Path):
    rng = np.random.default_rng(0)
    parts = {
        s: rng.normal(2.0 + k, 3.0, (10, n, 2)) for k, (s, n) in enumerate((("train", 40), ("valid", 9), ("test", 12)))
    }
    parts = {split: x.astype(np.float32) for split, x in parts.items()}

    def fold_of(name: str, fold: int) -> Dataset:
        assert name == "red-wine"
        train, valid, test = (Events(torch.from_numpy(parts[s][fold - 1])) for s in parts)
        return Dataset(f"wine-{fold}", Real.standardising(train.x), train, valid, test)

    monkeypatch.setattr("ptheta.data.load", fold_of)
    found = wine.red_wine("gaussian", 0, tmp_path, hold_out=hold_out)
    scores = []
    for train, valid, test in zip(*(x.astype(np.float64) for x in parts.values()), strict=True):
        nine = np.concatenate([train, valid])
        mean, scale = nine.mean(0), nine.std(0)
        fitted, asked = ((train if hold_out else nine) - mean) / scale, (test - mean) / scale
        off, cov = asked - fitted.mean(0), np.cov(fitted.T, bias=True)
        square = (off @ np.linalg.inv(cov) * off).sum(1)
        scores.append(-(square + np.linalg.slogdet(2 * math.pi * cov)[1]).mean() / 2)
    assert found.value == pytest.approx(np.mean(scores), rel=1e-4)
    error = np.std(scores, ddof=1) / math.sqrt(10)
    assert found.details == {"standard error over folds": pytest.approx(error, rel=1e-3)}


def test_characters_are_those_of_the_test_part_in_pieces(monkeypatch, tmp_path: Path):
    texts = {
        s: Events((Noise(k).uniform((8, 16), s) * (2 + k)).long()) for k, s in enumerate(("train", "valid", "test"))
    }
    space = Tokens(16, 5)
    monkeypatch.setattr("ptheta.data.load", lambda name, **options: Dataset(name, space, *texts.values()))
    model: Any = build("rnn", space, dials={"dropout": 0.2}).model.eval()
    monkeypatch.setattr(fitting, "fitted", lambda *args, **options: model)
    longer: Any = build("rnn", Tokens(32, 5), dials={"dropout": 0.2}).model.eval()
    kept = {k: v for k, v in model.state_dict().items() if k != "order"}
    longer.load_state_dict({**longer.state_dict(), **kept})
    with torch.no_grad():
        expected = -float(longer.log_prob(texts["test"].x.reshape(-1, 32)).double().sum()) / 128
    assert sequences.shakespeare_per_character(0, tmp_path, length=32) == pytest.approx(expected, rel=1e-5)


def test_chorales_are_those_of_the_test_part_step_by_step(monkeypatch, tmp_path: Path):
    from ptheta.data import music

    pieces = {
        s: [(Noise(k).uniform((n, 88), s) < 0.1).to(torch.uint8) for n in (5, 7)]
        for k, s in enumerate(("valid", "test"))
    }
    monkeypatch.setattr(music, "jsb_pieces", pieces.get)
    monkeypatch.setattr("ptheta.data.load", lambda name: None)
    dials = {"hidden": 0}
    model: Any = build("rnn-nade", Binary((5, 88)), dials=dials).model.eval()
    monkeypatch.setattr(fitting, "fitted", lambda *args, **options: model)
    assert sequences.jsb_per_step(dials, 0, tmp_path) == sequences.per_step("rnn-nade", model, pieces["test"], dials)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Rows take the small set and models that nobody trained; those they asked for, by their folders."""
    asked: dict[str, Any] = {}

    def fitted(name: str, data: Dataset, folder: Path, seed: int, **how: Any) -> Any:
        asked[folder.name] = (name, how.get("dials"), how.get("training"))
        dials = (
            {"latents": (3, 2)[: len(how["dials"]["latents"])]}
            if name == "ladder-vae"
            else {"latent": 2, "hidden": (8,)}
        )
        return build(name, data.space, dials=dials, seed=seed + len(folder.name)).model.eval()  # type: ignore[attr-defined]

    monkeypatch.setattr("ptheta.data.load", lambda name: SMALL)
    monkeypatch.setattr(fitting, "fitted", fitted)
    return asked


def test_the_bounds_of_a_vae_are_those_of_test_events(untrained, tmp_path: Path):
    model: Any = build("vae", SMALL.space, dials={"latent": 2, "hidden": (8,)}, seed=3).model.eval()  # type: ignore[attr-defined]
    whole, tight = (likelihood(model, SMALL.test, importance=k) for k in (None, latent.IMPORTANCE))
    found = latent.bounds("small", 1000, 0, tmp_path / "one")
    assert found.value == whole.value and found.details["rate"] == whole.details["rate"]
    assert found.details["bound with 200 importance samples of the first 30 test events"] == tight.value
    paper = latent.paper_bound("small", {}, {}, 0, tmp_path / "one")
    assert paper.value == tight.value and paper.details["elbo"] == tight.details["elbo"]
    assert paper.details["95 % half-width over events"] == tight.error


def test_a_gain_is_what_the_change_takes_off_the_bound(untrained, tmp_path: Path):
    found = latent.gain("small", {"prior": "vamp"}, {"steps": 3}, 0, tmp_path)
    assert untrained["without"] == ("vae", latent.PAPER_CLASS, {"steps": 3})
    assert untrained["with"] == ("vae", {**latent.PAPER_CLASS, "prior": "vamp"}, {"steps": 3})
    without, with_ = (latent.paper_bound("small", {}, {}, 0, tmp_path / name).value for name in ("without", "with"))
    assert found.value == without - with_ and abs(found.value) > 1e-3
    assert found.details["bound with 200 importance samples, with the change"] == with_


def test_a_second_layer_is_worth_what_it_takes_off_minus_the_elbo(untrained, tmp_path: Path):
    found = latent.ladder_gain("small", {"steps": 50}, 0, tmp_path)
    assert untrained["two layers"] == ("ladder-vae", {"latents": (32, 16), "rate_warmup": 10}, {"steps": 50})
    one, two = (found.details[f"-ELBO of {name}"] for name in ("one layer", "two layers"))
    assert found.value == one - two and "rate of layer 2" in found.details


def test_codes_cost_what_their_frequencies_say(monkeypatch):
    class Coder:
        code_space = Tokens(2, 3)

        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :2].long() + x[:, 2:3].long()

    model = type("Model", (), {"coder": Coder()})()
    seen, new = (Coder().encode(events.x).numpy() for events in (SMALL.train, SMALL.test))
    shares = (np.bincount(seen.ravel(), minlength=3) + 0.5) / (seen.size + 1.5)
    nats, perplexity = latent._frequencies(model, SMALL, SMALL.test)
    assert nats == pytest.approx(-np.log(shares)[new].sum(1).mean())
    assert perplexity == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))
    whole = Found(9.0, {"rate": 0.75 * nats})
    monkeypatch.setattr("ptheta.data.load", lambda name: SMALL)
    monkeypatch.setattr(fitting, "fitted", lambda *args, **options: model)
    monkeypatch.setattr("ptheta.papers.scoring.scored", lambda model, events: whole)
    found = latent.price_of_codes("small", {}, 0, Path())
    assert found.value == pytest.approx(25.0) and found.details["nats by the prior"] == 0.75 * nats


def test_errors_after_few_labels_are_means_over_draws_of_the_seed(monkeypatch):
    errors = {True: lambda draw: 10.0 + draw**2, False: lambda draw: 14.0 + draw}
    asked = []

    def error(data: Any, steps: int, draw: int, dials: dict[str, Any]) -> float:
        assert dials["latent"] == 3
        asked.append(draw)
        return errors[dials["adversary"] == 1](draw)

    monkeypatch.setattr(few_labels, "_error", error)
    monkeypatch.setattr(
        few_labels, "wrong_by_neighbours", lambda space, unlabelled, labelled, held: float(len(labelled)) / 20
    )
    found = few_labels.named_wrongly("digits", 1, {"latent": 3}, 1, Path())
    draws = range(5, 10)
    assert sorted(set(asked)) == list(draws)
    ours, off = ([errors[which](draw) for draw in draws] for which in (True, False))
    assert found.value == pytest.approx(np.mean(ours) - 5.0) and found.details["% named wrongly in draw 2"] == ours[2]
    shares = np.subtract(off, ours)
    assert found.details["points that the adversary is worth"] == pytest.approx(shares.mean())
    half_width = 2.776 * shares.std(ddof=1) / math.sqrt(5)  # Student's t of four degrees of freedom
    assert found.details["95 % half-width of that over draws"] == pytest.approx(half_width)


def test_label_spreading_names_events_by_those_near_them():
    sides = torch.arange(40) % 2
    x = 4.0 * sides[:, None] + 0.1 * Noise(0).normal((40, 2), "x")
    told, held = Events(x[:2], sides[:2]), [Events(x[20:30], sides[20:30]), Events(x[30:], 1 - sides[30:])]
    wrong = [few_labels.wrong_by_neighbours(Real((2,)), Events(x), told, parts) for parts in (held[:1], held[1:], held)]
    assert wrong == [0.0, 100.0, 50.0]


def test_what_is_named_wrongly_is_counted_on_validation_and_test(monkeypatch):
    x = torch.arange(8, dtype=torch.uint8)[:, None].expand(8, 6) % 2
    truth = torch.tensor([0, 1, 0, 1, 0, 1, 1, 0])
    parts = [Events(x[a:b], truth[a:b]) for a, b in ((0, 2), (2, 4), (4, 8))]
    data = replace(SMALL, train=parts[0], valid=parts[1], test=parts[2])
    asked: dict[str, Any] = {}

    class Namer:
        def fit(self, data: Any, **how: Any) -> Any:
            return self

        def classify(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(x[:, 0].long(), 2)

    def built(name: str, space: Any, context_space: Any, *, seed: int, dials: dict[str, Any]) -> Any:
        asked.update(dials, seed=seed)
        return Namer()

    monkeypatch.setattr("ptheta.runs.build", built)
    assert few_labels._error(data, 3, 7, {"adversary": 0.5}) == pytest.approx(100 * 2 / 6)
    assert asked == {"labels": 100, "label_seed": 7, "adversary": 0.5, "seed": 7}
