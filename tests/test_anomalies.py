"""Odd events: cells are scored exactly, thresholds keep their promise, and likelihood alone is shown to fail."""

import json
import math

import pytest
import torch

from ptheta.applications.anomalies import Detector, cell_scores, ranked, surpasses, threshold, zlib_nats
from ptheta.autoregressive import NADE
from ptheta.cli import main
from ptheta.cli.anomalies import MOST
from ptheta.data import load
from ptheta.data.dataset import Events
from ptheta.distributions import ChowLiu, Forest, Gaussian, Independent, TableMixture
from ptheta.noise import Noise, seeded
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Column, Levels, Real, Table

SPACE = Table((
    Column("size", "number", mean=1.0, scale=1.5, blank=""),
    Column("kind", "category", ("u", "v", "w"), blank="?"),
    Column("code", "category", ("a", "b", "c")),
    Column("one", "category", ("x",)),
))  # fmt: skip


def rows(n: int, seed: int = 0) -> torch.Tensor:
    """Codes equal kinds nine times in ten, and sizes follow them."""
    noise = Noise(seed)
    kind = (noise.uniform((n,), "kind").double() * 3).floor()
    other = (noise.uniform((n,), "other").double() * 3).floor()
    code = torch.where(noise.uniform((n,), "same") < 0.9, kind, other)
    size = kind + 0.5 * noise.normal((n,), "size").double()
    size[noise.uniform((n,), "lost") < 0.1] = math.nan
    return torch.stack([size, kind, code, torch.zeros(n).double()], 1)


MODELS = {
    "mixture": lambda **k: TableMixture(SPACE, components=4, **k),
    "forest": lambda **k: Forest(SPACE, trees=3, leaves=8, **k),
}


def is_the_conditional(model, x: torch.Tensor, cells: torch.Tensor, context=None) -> None:
    """The law of cell scores: log p(row) less log p of the row with the cell summed out."""
    for d, f in enumerate(SPACE.fields[1:3], start=1):
        values = [*map(float, range(len(f.names))), *([math.nan] if f.blank is not None else [])]
        tried = torch.stack([x.index_fill(1, torch.tensor(d), value) for value in values])
        total = torch.stack([model.log_prob(rows, context) for rows in tried]).logsumexp(0)
        torch.testing.assert_close(cells[:, d], model.log_prob(x, context) - total, rtol=1e-9, atol=1e-9)
    line = torch.linspace(-8, 10, 3601, dtype=torch.float64)
    for i in range(3):
        part = x[i : i + 1].expand(len(line) + 1, -1).clone()
        part[:, 0] = torch.cat([line, torch.tensor([math.nan]).double()])
        p = model.log_prob(part, None if context is None else context[i].expand(len(part))).exp()
        total = float(p[:-1].sum() * (line[1] - line[0]) + p[-1])
        own = float(model.log_prob(x[i : i + 1], None if context is None else context[i : i + 1]))
        assert abs(own - math.log(total) - float(cells[i, 0])) < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_cells_given_all_others_are_exact(name: str):
    model, x = MODELS[name]().fit(rows(500)), rows(20, seed=1)
    is_the_conditional(model, x, model.given_others(x))
    assert float(model.given_others(x)[:, 3].abs().max()) < 1e-12  # a constant is never odd
    c = torch.arange(500) % 2
    model = MODELS[name](context_space=Classes(2)).fit(Events(rows(500), c))
    is_the_conditional(model, x, model.given_others(x, c[:20]), c[:20])


def test_the_law_of_cells_rejects_those_given_the_cells_before_only():
    model, x = MODELS["mixture"]().fit(rows(500)), rows(20, seed=1)
    before, twin = torch.zeros(20).double(), []
    for d in range(4):
        known = torch.arange(4) <= d
        upto = model.joint(x, 0, known.expand(20, 4)).logsumexp(1)
        twin.append(upto - before)
        before = upto
    torch.testing.assert_close(torch.stack(twin, 1).sum(1), model.log_prob(x))
    with pytest.raises(AssertionError):
        is_the_conditional(model, x, torch.stack(twin, 1))


def test_an_impossible_cell_is_the_odd_one():
    model = MODELS["mixture"]().fit(rows(500)).without_blanks()
    x = rows(5, seed=2)
    x[:, 0], x[0, 1] = 1.0, math.nan
    cells = model.given_others(x)
    assert float(cells[0, 1]) == -math.inf and bool(cells[1:].isfinite().all())


def test_cells_of_few_discrete_values_are_tried_one_by_one():
    x = (Noise(0).uniform((300, 3), "x") < 0.5).byte()
    x[:, 2] = x[:, 0]
    model = ChowLiu(Binary((3,)), smoothing=0.5).fit(x)
    cells, given = cell_scores(model, Events(x[:8]))
    assert given == "given all others" and cells is not None
    for d in range(3):
        flipped = x[:8].clone()
        flipped[:, d] = 1 - flipped[:, d]
        odds = model.log_prob(x[:8]) - model.log_prob(flipped)
        torch.testing.assert_close(cells[:, d], torch.nn.functional.softplus(-odds).double())


def test_cells_of_an_autoregressive_model_add_up_in_its_order():
    with seeded(0):
        model = NADE(Levels((30,), 100), hidden=8, order=[*range(10, 30), *range(10)])
    x = (Noise(0).uniform((7, 30), "x") * 100).byte()
    cells, given = cell_scores(model, Events(x))
    assert given == "given those before" and cells is not None
    torch.testing.assert_close(-cells.sum(1), model.log_prob(x).double().detach(), rtol=1e-4, atol=1e-4)
    other = x.clone()
    other[:, 9] = (other[:, 9] + 1) % 100  # the last in the model's order: no other cell hears of it
    moved = cell_scores(model, Events(other))[0]
    assert moved is not None and (moved != cells).any(0).nonzero().flatten().tolist() == [9]


def test_a_model_without_conditionals_says_so():
    model = Gaussian(Real((3,))).fit(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)))
    assert cell_scores(model, Events(torch.zeros(2, 3))) == (None, None)


def test_likelihood_calls_the_origin_ordinary_though_it_is_never_drawn():
    """In d dimensions |x|^2 is near d: the densest point is the least typical. Likelihood alone must fail here."""
    d, n = 200, 400
    model = Gaussian(Real((d,)), floor=0.0)
    x = model.sample(2 * n, noise=Noise(0))
    detector = Detector(model, None, Events(x[:n]))
    ordinary, origin = detector(Events(x[n:])), detector(Events(torch.zeros(1, d)))
    assert float(origin.scores["likelihood"]) < float(ordinary.scores["likelihood"].min())
    assert float(origin.scores["typicality"]) > 2 * threshold(ordinary.scores["typicality"], 0.01)
    mixed = detector(Events(torch.cat([x[n:], torch.zeros(20, d)])))
    areas = {each.name: each.area for each in ranked(mixed.scores, torch.arange(n + 20) >= n)}
    assert areas["likelihood"] == 0.0 and areas["typicality"] == 1.0


@pytest.mark.parametrize("limit", [-1234.5, 0.0, 7.25])
def test_what_ties_with_the_threshold_is_not_odd_however_it_was_rounded(limit: float):
    """The same event, scored beside others, has another last digit."""
    step = 1e-7 * max(1.0, abs(limit))
    scores = torch.tensor([limit, limit + step, limit - step, limit + 0.01, math.inf], dtype=torch.float64)
    assert surpasses(scores, limit).tolist() == [False, False, False, True, True]
    assert surpasses(scores, math.inf).tolist() == [False] * 5


def test_a_threshold_keeps_its_promise_and_the_plain_quantile_does_not():
    """Over many sets of 19 ordinary events, a new one passes the threshold of .1 with probability exactly .1."""
    u = Noise(1).uniform((4000, 20), "u").double()
    share = sum(float(row[19]) > threshold(row[:19], 0.1) for row in u) / 4000
    assert abs(share - 0.1) < 4 * math.sqrt(0.09 / 4000)
    plain = sum(float(row[19]) > float(row[:19].quantile(0.9)) for row in u) / 4000
    assert plain > 0.1 + 4 * math.sqrt(0.09 / 4000)
    with pytest.raises(ValueError, match="takes at least 99 validation events, and there are 20"):
        threshold(u[0], 0.01)
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        threshold(u[0], 1.5)


def test_the_ratio_and_the_compressor_are_what_they_say():
    x = rows(300)
    model, plain = MODELS["mixture"]().fit(x), TableMixture(SPACE, components=1).fit(x)
    found = Detector(model, plain, Events(x))(Events(x[:40]))
    log_p = model.log_prob(x[:40])
    torch.testing.assert_close(found.scores["ratio"], plain.log_prob(x[:40]) - log_p)
    torch.testing.assert_close(found.scores["compressor"], -log_p - found.scores["zlib"])
    assert found.cells is not None and torch.equal(found.scores["oddest cell"], found.cells.max(1).values)
    flat, busy = torch.zeros(1, 64).byte(), (Noise(0).uniform((1, 64), "x") * 200).byte()
    assert float(zlib_nats(flat, Levels((64,), 256))) < 0.5 * float(zlib_nats(busy, Levels((64,), 256)))
    assert zlib_nats(torch.randn(3, 5), Real((5,))).shape == (3,)


def test_ranks_by_hand():
    found = {"good": torch.tensor([1.0, 2.0, 3.0, math.inf]), "bad": torch.tensor([4.0, 3.0, 2.0, 1.0])}
    best = ranked(found, torch.tensor([False, False, True, True]))
    assert [(r.name, r.area, r.precision) for r in best] == [("good", 1.0, 1.0), ("bad", 0.0, pytest.approx(5 / 12))]
    with pytest.raises(ValueError, match="some events should be odd"):
        ranked(found, torch.zeros(4, dtype=torch.bool))


def test_what_only_samples_is_refused():
    gan = find_recipe("gan")(Binary((4,)), None).model
    with pytest.raises(ValueError, match="only samples"):
        Detector(gan, None, None)(Events(torch.zeros(2, 4).byte()))


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = rows(1200)
    lines = SPACE.to_csv(x).splitlines()
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    new = rows(200, seed=3)
    new[:20, 2] = (new[:20, 1].nan_to_num() + 1) % 3  # codes that do not fit, each of them common
    words = ["odd", *("yes" if i < 20 else "no" for i in range(200))]
    said = SPACE.to_csv(new).splitlines()
    (tmp_path / "new.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(said, words, strict=True)) + "\n")
    return tmp_path


def test_odd_rows_on_the_command_line(table, capsys):
    assert main(["fit", "mixture", "--data", "t.csv", "--components", "6", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    words = ["anomalies", "r", "--data", "new.csv", "--false-alarms", ".1", "--labels", "odd"]
    assert main([*words, "--out", "a.csv", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert "rows whose odd is yes are taken to be odd (20 of 200)." in err
    assert found["cells"] == "given all others" and found["kind"] == "exact" and found["n"] == 200
    areas = {each["name"]: each["area"] for each in found["ranked"]}
    assert list(areas) == sorted(areas, key=lambda name: -areas[name])
    assert areas["ratio"] > 0.9 and areas["zlib"] < 0.7 and areas["oddest cell"] > 0.85
    lines = (table / "a.csv").read_text().splitlines()
    assert lines[0].startswith("row,odd,likelihood,ratio,compressor,typicality,oddest cell,zlib,which cell,size,kind")
    assert len(lines) == 201 and sum(line.split(",")[8] in ("kind", "code") for line in lines[1:21]) >= 15
    assert any("Likelihood alone is no anomaly detector" in note for note in found["notes"])
    assert main([*words, "--by", "ratio"]) == 0
    said = capsys.readouterr().out
    assert "odd by ratio" in said and "most of all" in said and "AUROC" in said
    for command in said.splitlines()[-1].removeprefix("next:  ").split("    "):
        assert main(command.split()[1:]) == 0
    for bad, why in (
        (["--by", "typical"], "typicality"),
        (["--false-alarms", ".001"], "takes at least 999 validation events"),
        (["--labels", "size"], "should be a column of two values"),
        (["--labels", "nothing"], "has no column nothing"),
    ):
        assert main(["anomalies", "r", "--data", "new.csv", *bad]) == 2, bad
        assert why in capsys.readouterr().err, bad


def test_odd_events_of_other_spaces_and_without_cells(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "gaussian", "--data", "digits", "--out", "g", "--quiet"]) == 0
    capsys.readouterr()
    typical = []
    monkeypatch.setattr(
        "ptheta.applications.anomalies.Detector",
        lambda model, background, train, **how: [typical.append(train), Detector(model, background, train, **how)][1],
    )
    assert main(["anomalies", "g", "--false-alarms", ".05", "--draws", "1"]) == 0
    assert "so cells are not scored" in capsys.readouterr().out
    assert torch.equal(typical[0].x, load("digits").train.some(MOST).x)
    assert main(["fit", "independent", "--data", "digits", "--out", "i", "--quiet"]) == 0
    assert main(["anomalies", "i", "--by", "ratio"]) == 2
    assert "--by ratio is not known of independent" in capsys.readouterr().err
    assert isinstance(Independent(Binary((2,))), Independent)
