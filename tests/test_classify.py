"""Classification: Bayes' rule is exact, a new prior moves log-odds by the log ratio, judgements are right."""

import json
import math

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from ptheta.applications.classify import (
    Judged,
    class_scores,
    judged,
    peers,
    posterior,
    prior_of,
    shifted,
    target_of,
    target_scores,
)
from ptheta.cli import main
from ptheta.data.dataset import Events
from ptheta.distributions import Gaussian, TableMixture
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.report.uses import calibration_picture
from ptheta.spaces import Binary, Classes, Column, Real, Table

LINE = Real((1,))
MEANS, DEVIATIONS, SHARES = (0.0, 2.0), (1.0, 0.5), torch.tensor([0.7, 0.3], dtype=torch.float64)


def two_gaussians() -> Gaussian:
    model = Gaussian(LINE, context_space=Classes(2), floor=0.0)
    model.mean[:, 0] = torch.tensor(MEANS)
    model.factor[:, 0, 0] = torch.tensor(DEVIATIONS)
    return model


def log_odds(x: torch.Tensor) -> torch.Tensor:
    """log p(1 | x) - log p(0 | x) in closed form."""
    terms = [
        -0.5 * ((x - m) / s).square() - math.log(s) + math.log(p)
        for m, s, p in zip(MEANS, DEVIATIONS, SHARES.tolist(), strict=True)
    ]
    return terms[1] - terms[0]


def moved_by_the_ratio(move) -> None:
    """The law of a new prior: log-odds move by the log of the ratio of ratios, whatever the event."""
    generator = torch.Generator().manual_seed(0)
    old, new = (torch.rand(4, generator=generator).double() + 0.1 for _ in range(2))
    old, new = old / old.sum(), new / new.sum()
    before = torch.randn(50, 4, generator=generator).double().log_softmax(1)
    after = move(before, old, new)
    ratio = (new / old).log()
    odds = lambda log_p: log_p[:, 1:] - log_p[:, :1]  # noqa: E731
    torch.testing.assert_close(odds(after) - odds(before), (ratio[1:] - ratio[0]).expand(50, 3))
    torch.testing.assert_close(after.logsumexp(1), torch.zeros(50).double(), atol=1e-12, rtol=0)


def test_a_new_prior_moves_log_odds_by_the_log_ratio():
    moved_by_the_ratio(shifted)


def test_the_law_of_priors_rejects_one_that_forgets_the_old():
    with pytest.raises(AssertionError):
        moved_by_the_ratio(lambda log_p, old, new: (log_p + new.log()).log_softmax(1))


def test_the_posterior_of_two_known_gaussians_is_the_closed_form():
    x = torch.linspace(-3, 4, 71, dtype=torch.float64)[:, None].float()
    values, kind = class_scores(two_gaussians(), x)
    log_p = posterior(values, SHARES)
    assert kind == "exact"
    torch.testing.assert_close(log_p[:, 1] - log_p[:, 0], log_odds(x[:, 0].double()), rtol=1e-5, atol=1e-5)
    uniform = posterior(values, torch.tensor([0.5, 0.5]))
    assert float((uniform[:, 1] - uniform[:, 0] - log_odds(x[:, 0].double())).abs().min()) > 0.5


def test_a_fitted_model_comes_near_the_bayes_error():
    noise, n = Noise(0), 20_000
    c = (noise.uniform((n,), "class").double() > SHARES[0]).long()
    z = noise.normal((n, 1), "x", like=torch.zeros((), dtype=torch.float64))
    x = torch.tensor(MEANS).double()[c, None] + z * torch.tensor(DEVIATIONS).double()[c, None]
    half = n // 2
    model = Gaussian(LINE, context_space=Classes(2)).fit(Events(x[:half].float(), c[:half]))
    log_p = posterior(class_scores(model, x[half:].float())[0], SHARES)
    exact = torch.stack([torch.zeros(half).double(), log_odds(x[half:, 0])], 1).log_softmax(1)
    divergence = (exact.exp() * (exact - log_p)).sum(1).mean()
    ours, best = judged("ours", log_p, c[half:]), judged("best", exact, c[half:])
    assert float(divergence) < 0.01 and ours.accuracy > best.accuracy - 0.005
    assert best.ece < 0.02 and abs(best.accuracy - float(exact.exp().max(1).values.mean())) < 0.01


PEOPLE = Table((
    Column("size", "number", mean=1.0, scale=1.5),
    Column("kind", "category", ("u", "v", "w"), blank=""),
    Column("count", "whole", least=0, levels=(0, 1)),
))  # fmt: skip


def people(n: int) -> torch.Tensor:
    noise = Noise(0)
    kind = (noise.uniform((n,), "kind").double() * 3).floor()
    size = kind + noise.normal((n,), "size").double()
    count = (noise.uniform((n,), "count").double() * (1 + kind)).floor()
    kind[noise.uniform((n,), "blank") < 0.1] = math.nan
    return torch.stack([size, kind, count], 1)


def test_a_column_given_the_others_is_what_completions_draw():
    x = people(1000)
    model = TableMixture(PEOPLE, components=3).fit(x)
    assert target_of(PEOPLE, "kind") == (1, ("u", "v", "w"))
    row = x[:1].expand(20_000, 3)
    p = target_scores(model, row[:1], 1, 3).softmax(1)[0]
    mask = torch.tensor([True, False, True]).expand_as(row)
    drawn = model.complete(row, mask, noise=Noise(1))[:, 1]
    drawn = drawn[~drawn.isnan()]
    counts = torch.bincount(drawn.long(), minlength=3).double() / len(drawn)
    assert float((counts - p).abs().max()) < 4 * math.sqrt(0.25 / len(drawn))
    margin = torch.bincount(x[:, 1][~x[:, 1].isnan()].long()).double() / float((~x[:, 1].isnan()).sum())
    assert float((margin - p).abs().max()) > 0.1  # what stands in the other cells matters


def test_what_cannot_be_classified_is_refused_in_sentences():
    with pytest.raises(ValueError, match="is given nothing: fit with --conditional"):
        class_scores(TableMixture(PEOPLE), people(3))
    with pytest.raises(ValueError, match="takes contexts"):
        target_scores(TableMixture(PEOPLE, context_space=Classes(2)), people(3), 1, 3)
    with pytest.raises(ValueError, match="size holds numbers"):
        target_of(PEOPLE, "size")
    with pytest.raises(ValueError, match="Did you mean kind"):
        target_of(PEOPLE, "kinds")
    with pytest.raises(ValueError, match="only samples"):
        gan = find_recipe("gan")(Binary((4,)), Classes(2)).model
        class_scores(gan, torch.zeros(2, 4).byte())
    for word, said in (("u=.5,x=.5", "names 'x'"), ("u=.5,v=.5", "a number for each"), ("u=1,v=1,w=1", "sum to 3")):
        with pytest.raises(ValueError, match=said):
            prior_of(word, ("u", "v", "w"), None)
    with pytest.raises(ValueError, match="never occurs in training"):
        shifted(torch.zeros(1, 2), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))


def test_priors_are_read():
    shares = torch.tensor([0.2, 0.8])
    assert prior_of("data", ("u", "v"), shares).tolist() == pytest.approx([0.2, 0.8])
    assert prior_of("uniform", ("u", "v"), None).tolist() == [0.5, 0.5]
    assert prior_of("v=.9,u=.1", ("u", "v"), shares).tolist() == pytest.approx([0.1, 0.9])
    assert prior_of("<=50K=.9,>50K=.1", ("<=50K", ">50K"), shares).tolist() == pytest.approx([0.9, 0.1])


def test_an_impossible_event_has_the_prior_of_its_classes():
    log_p = posterior(torch.full((1, 2), -math.inf), SHARES)
    torch.testing.assert_close(log_p.exp()[0], SHARES)


def test_overconfidence_is_seen_and_honesty_is_not_called_so():
    noise, n = Noise(4), 20_000
    p = noise.uniform((n,), "p").double()
    truth = (noise.uniform((n,), "truth").double() < p).long()
    honest = torch.stack([1 - p, p], 1).log()
    sure = (3 * honest).log_softmax(1)
    a, b = judged("honest", honest, truth), judged("sure", sure, truth)
    assert a.ece < 0.015 and b.ece > 0.08 and a.accuracy == b.accuracy and b.log_loss > a.log_loss + 0.05
    assert sum(count for _, _, count in a.bins) == n


def test_a_class_that_training_lacks_shifts_no_other():
    c = torch.arange(60) % 2 * 2  # 0 and 2 of three
    x = (c[:, None] + 0.1 * Noise(0).normal((60, 1), "x")).float()
    for name, log_p in peers(LINE, Events(x, c), x, 3).items():
        assert (log_p.argmax(1) == c).all() and (log_p[:, 1] == -math.inf).all(), name


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 300)
    size = np.where(kind == 1, 3.0, 0.0) + rng.normal(size=300)
    lines = [f"{s:.4f},{a},{('red', 'blue')[k]}" for s, a, k in zip(size, rng.integers(0, 5, 300), kind, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["size,age,colour", *lines, ""]))
    (tmp_path / "new.csv").write_text("\n".join(["size,age", *(line.rsplit(",", 1)[0] for line in lines[:20]), ""]))
    return tmp_path


def test_a_target_column_on_the_command_line(table, capsys):
    assert main(["fit", "mixture", "--data", "t.csv", "--components", "4", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["classify", "r", "--target", "colour", "--out", "c.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "exact" and found["target"] == "colour" and found["split"] == "test" and found["n"] == 30
    by_name = {j["name"]: j for j in found["judged"]}
    assert list(by_name) == ["mixture", "as often as trained", "logistic regression", "gradient boosting"]
    assert by_name["mixture"]["accuracy"] > 0.8 > by_name["as often as trained"]["accuracy"]
    lines = (table / "c.csv").read_text().splitlines()
    assert lines[0] == "row,class,guess,p(blue),p(red)" and len(lines) == 31
    assert (table / "c.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["classify", "r", "--target", "colour", "--data", "new.csv", "--prior", "red=.01,blue=.99"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row,class,guess,p(blue),p(red)" and all(line.split(",")[1] == "" for line in lines[1:21])
    assert sum(line.split(",")[2] == "blue" for line in lines[1:21]) >= 15
    assert lines[-1].startswith("next:  ptheta ")
    for command in lines[-1].removeprefix("next:  ").split("    "):
        assert main(command.split()[1:]) == 0
    assert main(["classify", "r"]) == 2
    assert "name the column to guess by --target" in capsys.readouterr().err


def test_a_target_between_other_columns_is_guessed_from_those_alone(tmp_path, monkeypatch, capsys):
    """Nobody can guess a coin; a row has the same classes with the coin in the file, blank, or without its column."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    coin = rng.choice(["heads", "tails", ""], 400, p=[0.5, 0.4, 0.1])
    rows = [
        (f"{a:.3f}", c, f"{b:.3f}") for a, c, b in zip(rng.normal(size=400), coin, rng.normal(5, size=400), strict=True)
    ]
    for name, kept in (("t", rows), ("tossed", rows[:30]), ("blank", [(a, "", b) for a, _, b in rows[:30]])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["u,coin,v", *map(",".join, kept), ""]))
    (tmp_path / "without.csv").write_text("\n".join(["u,v", *(f"{a},{b}" for a, _, b in rows[:30]), ""]))
    assert main(["fit", "mixture", "--data", "t.csv", "--components", "2", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["classify", "r", "--target", "coin", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {judge["name"] for judge in found["judged"]} >= {"logistic regression", "gradient boosting"}
    assert all(judge["accuracy"] < 0.8 for judge in found["judged"])
    guessed = {}
    for name in ("tossed", "blank", "without"):
        assert (
            main(["classify", "r", "--target", "coin", "--data", f"{name}.csv", "--split", "all", "--out", "g.csv"])
            == 0
        )
        guessed[name] = [line.split(",") for line in (tmp_path / "g.csv").read_text().splitlines()[1:]]
    assert [row[1] for row in guessed["tossed"]] == [c for _, c, _ in rows[:30]] and "" in coin[:30]
    for name in ("blank", "without"):
        assert [row[1] for row in guessed[name]] == [""] * 30
        assert [row[2:] for row in guessed[name]] == [row[2:] for row in guessed["tossed"]]


def test_contexts_on_the_command_line_with_and_without_classes(table, capsys):
    words = ["--data", "t.csv", "--conditional", "--data-options", "label=colour", "types.age=whole"]
    assert main(["fit", "mixture", *words, "--components", "2", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["classify", "r", "--json", "--prior", "uniform"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["judged"][0]["accuracy"] > 0.8 and found["prior"] == {"blue": 0.5, "red": 0.5}
    assert main(["classify", "r", "--data", "new.csv", "--out", "n.csv"]) == 0
    assert len((table / "n.csv").read_text().splitlines()) == 21 and not (table / "n.png").exists()
    assert main(["classify", "r", "--data", "new.csv", "--out", "n.csv"]) == 0  # what the run made it makes again
    (table / "t.csv").unlink()
    capsys.readouterr()
    assert main(["classify", "r", "--data", "new.csv"]) == 0
    assert "No classifiers of scikit-learn stand beside" in capsys.readouterr().out


def test_a_bound_is_said_to_be_one(table, capsys):
    assert main(["fit", "vae", "--data", "digits", "--conditional", "--steps", "5", "--out", "v", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["classify", "v", "--no-peers", "--draws", "1"]) == 0
    said = capsys.readouterr().out
    assert "each a lower bound of log p(event | class)" in said and "can reorder the classes" in said


def test_calibration_is_drawn_against_how_sure_a_classifier_is(monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, "plot", lambda self, x, y, **how: drawn.append((tuple(x), tuple(y))))
    monkeypatch.setattr(Axes, "legend", lambda self, **how: None)
    calibration_picture([Judged("a", 0.6, 0.1, 0.7, 0.1, 40, ((0.55, 0.5, 30), (0.95, 0.9, 10)))])
    assert drawn[1:] == [((0.55, 0.95), (0.5, 0.9)), ((0.55, 0.95), (0.75, 0.25))]
