"""What makes numbers on data mean less is said: repeats, constant columns, spikes, splits of a few events."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ptheta import Binary, Dataset, Events, Real
from ptheta.applications.compare import compare
from ptheta.cli import main
from ptheta.data import load
from ptheta.data.cautions import cautions
from ptheta.metrics.error import map_error
from ptheta.report.page import page


def reals(n: int, d: int = 3) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def table(x: torch.Tensor, columns=("height", "weight", "age"), *, valid: int = 20, test: int = 20) -> Dataset:
    rest = len(x) - valid - test
    parts = x.split([rest, valid, test])
    return Dataset("people", Real.standardising(x, columns[: x.shape[1]]), *map(Events, parts))


def test_plain_data_have_no_cautions():
    assert cautions(table(reals(200))) == cautions(load("digits"))
    assert cautions(table(reals(200))).notes == () and cautions(table(reals(200))).unranked is None


def test_equal_rows_are_counted():
    found = cautions(load("red-wine", fold=1))
    assert found.notes[-1] == "41 of 159 test events occur in train as well." and found.unranked is None
    x = torch.tensor([[0, 1], [0, 1], [1, 1], [0, 0]], dtype=torch.uint8)
    data = Dataset("bits", Binary((2,)), Events(x.repeat(5, 1)), Events(x.repeat(3, 1)), Events(x.repeat(3, 1)[:11]))
    assert cautions(data).notes == (
        "17 of 20 training events repeat another one.",
        "11 of 11 test events occur in train as well.",
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda x: 4.0 * torch.ones_like(x), "column weight is constant,"),
        (lambda x: (x > 0).float(), "column weight is mostly of a few values,"),
        (lambda x: x.clamp(min=-0.3), "column weight is mostly of a few values,"),  # a spike and a tail
    ],
)
def test_densities_with_spikes_rank_nobody(change, why, tmp_path: Path):
    x = reals(200)
    x[:, 1] = change(x[:, 1])
    found = cautions(table(x)).unranked
    assert found is not None and found.startswith(f"Likelihoods do not rank models here: {why} so a density can be")
    assert "Leave such columns out (of a table by --data-options drop=NAME)" in found
    result = compare(table(x), tmp_path / "c", models=["independent", "gaussian"], samples=0)
    assert result.unranked == found and result.best_by_likelihood() == [] and len(result.by_likelihood()) == 2
    text = page(result)
    assert found in text and "Best likelihood" not in text and 'class="best"' not in text and 'class="tied"' not in text
    record = result.to_json()
    assert record["unranked"] == found and [m["behind"] for m in record["models"]] == [None, None]
    result.unranked = None  # the broken twin
    assert len(result.best_by_likelihood()) >= 1


def test_blank_cells_and_words_are_no_spikes(tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = [f"{x:.4f},{'' if i % 3 else f'{x + 1:.4f}'},{'ab'[i % 2]}" for i, x in enumerate(rng.normal(size=200))]
    (tmp_path / "t.csv").write_text("\n".join(["number,holes,letter", *rows]))
    assert cautions(load(str(tmp_path / "t.csv"))).unranked is None
    rows = [row.replace(row.split(",")[0], "2.5", 1) if i % 2 else row for i, row in enumerate(rows)]
    (tmp_path / "t.csv").write_text("\n".join(["number,holes,letter", *rows]))
    found = cautions(load(str(tmp_path / "t.csv"))).unranked
    assert found is not None and "column number is mostly of a few values" in found


def test_tiny_splits_are_said_and_rank_nobody():
    found = cautions(table(reals(100), valid=1, test=4))
    assert found.notes == ("What is chosen on valid is chosen by chance: it has 1 event.",)
    assert found.unranked == (
        "Likelihoods do not rank models here: test has 4 events. More data would, or a larger part to test on, where "
        "the data are split here: --data-options test=.4."
    )


def test_the_data_verb_and_evaluate_say_them(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = reals(100).numpy()
    x[:, 1] = 2.0
    np.save("a.npy", x)
    assert main(["data", "a.npy", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["cautions"]
    assert told.startswith("Likelihoods do not rank models here: variable 1 is constant")
    assert main(["fit", "independent", "--data", "a.npy", "--out", "r", "--quiet"]) == 0
    assert main(["evaluate", "r", "--samples", "0"]) == 0
    assert told in capsys.readouterr().out
    assert told in json.loads(Path("r/evaluation.json").read_text())["notes"]


def test_a_file_scored_whole_has_no_splits_to_be_warned_of(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", reals(100).numpy())
    np.save("b.npy", np.r_[reals(30).numpy(), reals(30).numpy()[:4]])
    assert main(["fit", "gaussian", "--data", "a.npy", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "r", "--data", "b.npy", "--samples", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == ["4 of 34 events repeat another one."]
    whole = table(reals(100), valid=0, test=0)
    assert cautions(whole) == cautions(table(reals(100)))
    assert cautions(table(reals(100), valid=0, test=1)).notes, "a twin that was split"


def test_a_map_shows_its_own_error_and_what_suits_it(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "autoencoder", "--data", "digits", "--steps", "3", "--out", "r", "--quiet"]) == 0
    assert "next:  ptheta evaluate r\n" in capsys.readouterr().out
    assert main(["evaluate", "r", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    from ptheta.runs import open_run

    opened, data = open_run("r"), load("digits")
    truth = opened.model.validation(data.test.x, None, None).detach().double()
    assert found["error"]["value"] == pytest.approx(float(truth.mean())) and found["error"]["n"] == 180
    assert found["error"]["half_width_95"] == pytest.approx(1.96 * float(truth.std()) / 180**0.5)
    assert found["likelihood"]["kind"] == "undefined" and found["metrics"] == []
    assert main(["evaluate", "r"]) == 0
    said = capsys.readouterr().out
    assert "  error " in said and "undefined" not in said and "ptheta sample" not in said
    one = map_error(opened.model, data.test[:1])
    assert one is not None and one.half_width_95 is None and "±" not in str(one)


def test_a_likelihood_outlives_samples_that_cannot_be_drawn(tmp_path: Path, monkeypatch, capsys):
    from ptheta.distributions import Independent

    def broken(self, n, *args, **options):
        raise RuntimeError("no luck")

    monkeypatch.chdir(tmp_path)
    np.save("a.npy", (reals(300) > 0).to(torch.uint8).numpy())
    assert main(["fit", "independent", "--data", "a.npy", "--out", "r", "--quiet"]) == 0
    monkeypatch.setattr(Independent, "sample", broken)
    assert main(["evaluate", "r"]) == 0
    said = capsys.readouterr().out
    assert "negative log-likelihood" in said and "No sample metrics: no luck" in said
    result = compare(load("a.npy"), tmp_path / "c", models=["independent", "markov"])
    assert result.best_by_likelihood() and [c.unsampled for c in result.contenders] == ["no luck", None]
    assert "scored, but not sampled or judged: no luck" in page(result)
