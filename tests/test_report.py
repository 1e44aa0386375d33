"""The report of a comparison: written whatever happens, true about who is best, and every command it prints runs."""

import csv
import html
import io
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from PIL import Image

from ptheta.applications.synthesize import Card, CardRow
from ptheta.cli import main
from ptheta.data.dataset import Dataset, Events
from ptheta.metrics.given import Answers
from ptheta.metrics.likelihood import Likelihood
from ptheta.report.answers import answers_picture, answers_table
from ptheta.report.cards import COLUMNS, card_page
from ptheta.report.commands import command, data_words, next_commands
from ptheta.report.page import page
from ptheta.spaces import Classes, Levels, Symbols
from test_comparison import NOISE, between, judged, metric, scored


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(folder: Path, n: int = 60) -> Path:
    """A folder of small pictures in two classes, whose name has a space in it."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(n):
        place = folder / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(place / f"{i}.png")
    return folder


def printed(text: str) -> list[str]:
    """The commands that a text tells to type, from "next:" lines or the last part of a page."""
    if "<html" in text:
        (block,) = re.findall(r"<h2>What to type next</h2>\s*<pre>\n(.*?)</pre>", text, re.DOTALL)
        return html.unescape(block).splitlines()
    lines = [line.removeprefix("next:").strip() for line in text.splitlines() if line.startswith("next:")]
    return [found for line in lines for found in re.split(r"\s{4,}", line)]


def ran(line: str) -> int:
    words = shlex.split(line)
    assert words[0] == "ptheta"
    return main(words[1:])


def test_every_command_that_is_printed_runs(here: Path, capsys: pytest.CaptureFixture[str]):
    folder = pictures(here / "my pictures")
    words = ["--size", "4", "--data-options", "valid=0.2", "test=0.2", "skip_corrupt=true"]
    models = ["--models", "markov", "nade"]
    assert main(["compare", str(folder), *models, "--minutes", "0.003", "--samples", "20", "--seed", "3", *words]) == 0
    lines = printed(Path("runs/compare-my pictures-1/report.html").read_text())
    assert [shlex.split(line)[1] for line in lines] == ["sample", "evaluate", "fit", "compare"]
    assert shlex.split(lines[-1])[2:] == [str(folder), "--minutes", "0.012", "--seed", "3", *models, *words]
    capsys.readouterr()
    said = []
    for line in lines:
        assert ran(line) == 0, line
        said += printed(capsys.readouterr().out)
    assert main(["data", str(folder), *words]) == 0
    said += printed(capsys.readouterr().out)
    assert {shlex.split(line)[1] for line in said} == {"sample", "evaluate", "compare"}
    for line in said:
        quick = " --samples 20" if " evaluate " in line else " --models uniform" if " compare " in line else ""
        assert ran(line.replace(" --size", f"{quick} --size") if " --size" in line else line + quick) == 0, line
    prints = [json.loads(Path(f"runs/compare-my pictures-{i}/results.json").read_text())["fingerprint"] for i in (1, 2)]
    assert prints[0] == prints[1]  # what is printed is about the same data


def test_commands_are_quoted_and_options_written_as_they_are_read():
    assert command("sample", Path("runs/it's 1"), "-n", 64) == "ptheta sample 'runs/it'\"'\"'s 1' -n 64"
    assert data_words({}) == []
    written = data_words({"size": 8, "label": "my class", "skip_corrupt": True, "valid": 0.2, "given": "half=top"})
    told = ["--data-options", "label=my class", "skip_corrupt=true", "valid=0.2"]
    assert written == ["--size", "8", "--given", "half=top", *told]


def test_next_commands_name_models_that_can_do_it():
    result = between(scored("table", NOISE, epochs=None), scored("net", NOISE - 1))
    result.source = "-x"
    sample, evaluate, fit, compare = next_commands(result)
    assert sample.startswith("ptheta sample runs/table") and evaluate == "ptheta evaluate runs/table"
    assert fit == "ptheta fit net --data ./-x --minutes 4" and compare == "ptheta compare ./-x --minutes 4"
    assert next_commands(between(scored("table", NOISE, epochs=None)))[2] == "ptheta fit table --data bits"
    assert next_commands(between()) == []
    result.minutes, result.total = None, 3.0
    more = shlex.split(next_commands(result)[3])
    assert more[3:] == ["--total", "12", "--resume", "--out", "."], "the same folder goes on"


def plain(text: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", text)).split())


def row(text: str, heading: str, name: str) -> str:
    """The row of a model in the table under a heading."""
    part = text[text.index(heading) :]
    return next(line for line in part.split("<tr>") if line.startswith(f"<td>{name}"))


def test_the_page_marks_the_best_alone_and_the_tied_by_name():
    x = torch.zeros(9, 5, dtype=torch.uint8)
    contenders = [
        scored("a", NOISE),
        scored("b", NOISE - 0.5),
        scored("c", NOISE),
        scored("d", NOISE + 3, epochs=0.4),
        judged("e", metric(1.0, 0.1)),
    ]
    for i, contender in enumerate(contenders):
        contender.metrics, contender.shown, contender.cpu_seconds = [metric(1.0 + i, 0.1)], x, 3.0
        contender.sample_seconds = 0.1
    contenders[1].sample_seconds, contenders[4].sample_seconds = 0.01, 0.001
    contenders[1].steps, contenders[1].metrics = None, [metric(1.1, 0.1)]
    contenders[4].likelihood = Likelihood(None, "undefined", 9)
    text = page(between(*contenders))
    exact, samples = "How probable are unseen events?", "How like the data are the samples?"
    assert 'class="tied"' in row(text, exact, "a") and 'class="tied"' in row(text, exact, "c")
    assert 'class="tied"' not in row(text, exact, "b") and "hardly trained" in row(text, exact, "d")
    order = [text.index(f"<td>{name}", text.index(exact)) for name in "abd"]
    assert order == sorted(order)
    assert 'class="tied"' in row(text, samples, "a") and 'class="tied"' in row(text, samples, "b")
    assert 'class=""' in row(text, samples, "c")
    said = plain(text)
    assert (
        "Best likelihood: a and c, tied" in said and "Samples nearest to real data by distance: a and b, tied" in said
    )
    assert "The fastest of the nearest to draw from: b, 10 ms a sample." in said, "not of all: e is faster"
    assert "Hardly trained, by less than one epoch: d; it stands behind the others everywhere." in said
    assert "7 steps, 3 s CPU" in said and "closed form, 3 s CPU" in said
    alone = page(between(*(c for c in contenders if c.name in "bd")))
    assert 'class="best"' in row(alone, exact, "b") and "tied" not in row(alone, exact, "b")


def test_copying_is_what_chance_does_not_explain():
    x = torch.zeros(9, 5, dtype=torch.uint8)
    contenders = [scored(name, NOISE) for name in "ab"]
    for contender, half in zip(contenders, (0.05, 0.2), strict=True):
        share = metric(0.65, half, name="train share")
        beside = replace(share, value=0.5, interval=(0.45, 0.55))
        contender.metrics, contender.shown = [metric(1.0, 0.1), replace(share, real=beside)], x
    said = plain(page(between(*contenders)))
    assert "so partly copies (train share, real 0.50): a 0.65." in said


def test_the_page_shows_bits_where_they_are_known_and_who_has_no_likelihood():
    text = page(between(scored("a", NOISE, bits_per_dim=0.25), judged("b", metric(1.0, 0.1))))
    assert "Best likelihood: a, 0.250 bits/dim, known exactly." in plain(text)
    assert "undefined" in row(text, "How probable are unseen events?", "b")
    nats = -float(NOISE.mean())
    assert f"Best likelihood: a, {nats:.2f} nats, known exactly." in plain(page(between(scored("a", NOISE))))


def test_names_and_errors_are_text_on_the_page():
    failed = replace(judged("b"), error="<b>no</b>", metrics=[])
    text = page(between(scored("<i>a", NOISE), failed))
    assert "<i>a" not in text and "&lt;i&gt;a" in text and "<b>no</b>" not in text


def test_curves_are_of_what_validation_costs(monkeypatch):
    drawn, known = [], Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda axes, x, y, *a, **how: [drawn.append((x, y)), known(axes, x, y, *a, **how)][1]
    )
    contender = scored("a", NOISE)
    contender.curve = [{"seconds": t, "epoch": t, "validation": -5 + t, "losses": {"loss": t}} for t in (1.0, 2.0)]
    page(between(contender))
    assert ([1.0, 2.0], [4.0, 3.0]) in drawn


def test_who_answers_best_stands_first():
    contenders = [scored(name, NOISE) for name in "abc"]
    for contender, psnr in zip(contenders, (10.0, 30.0, 20.0), strict=True):
        contender.given = Answers(psnr, psnr + 1, None, None, None, draws=3, n=9)
    result = between(*contenders)
    parts = (
        Events(part.x, torch.arange(len(part)) % 2) for part in (result.data.train, result.data.valid, result.data.test)
    )
    result.data = Dataset("bits", result.data.space, *parts, Classes(2))
    result.questions = result.data.test[:2]
    told = page(result).split("What is given, and what models make of it")[1]
    places = [told.index(f"<td>{name}</td><td>{psnr:.2f}") for name, psnr in (("b", 30), ("c", 20), ("a", 10))]
    assert places == sorted(places)


def test_each_row_of_answers_is_what_was_given_the_real_event_and_the_draws():
    space, shades = Levels((1, 4, 4), 256), 10 * torch.arange(5)

    def flat(values: torch.Tensor) -> torch.Tensor:
        return values.to(torch.uint8)[..., None, None, None].expand(*values.shape, 1, 4, 4)

    events = Events(flat(shades), flat(100 + shades))
    contender = scored("a", NOISE)
    result = between(contender)
    result.data = Dataset("shades", space, events, events, events, space)
    result.questions, contender.answers = events, flat(200 + shades[:, None] + torch.arange(3))
    found = answers_picture(result, contender)
    assert found is not None
    pixels = np.asarray(Image.open(io.BytesIO(found)).convert("L")).astype(int)
    for i, shade in enumerate(shades.tolist()):
        told = [100 + shade, shade, 200 + shade, 201 + shade, 202 + shade]
        places = [3 + 59 * j + (6 if j else 0) + 28 for j in range(5)]
        assert pixels[3 + 59 * i + 28, places].tolist() == told


def test_each_line_of_answers_has_the_draws_for_what_was_given():
    space = Symbols((2,), 30)
    events = Events(torch.tensor([[k, k] for k in range(4)]), torch.arange(4) % 2)
    contender = scored("a", NOISE)
    result = between(contender)
    result.data = Dataset("signs", space, events, events, events, Classes(2, ("x", "y")))
    result.questions = events
    contender.answers = torch.tensor([[[10 + k, 20 + j] for j in range(3)] for k in range(4)])
    lines = answers_table(result, contender)
    sign = "0123456789abcdefghijklmnopqrstuvwxyz"
    shown = [("xy"[k % 2], 2 * sign[k], [sign[10 + k] + sign[20 + j] for j in range(3)]) for k in range(4)]
    assert lines == shown


def test_the_page_says_when_nothing_tells_models_apart_and_each_reason_once():
    x = torch.zeros(9, 5, dtype=torch.uint8)
    contenders = [scored(name, NOISE) for name in "abc"]
    for i, contender in enumerate(contenders):
        contender.metrics, contender.shown, contender.sample_seconds = [metric(1.0 + i / 100, 0.5)], x, 0.1
    result = between(*contenders)
    advice = "has no share for it; give a larger --total, or --models"
    result.left_out = {
        "d": "it models real events, and these are binary",
        "e": "it models table events, and these are binary",
        "f": advice,
        "g": "it is a variant of d; ask for it with --models g",
        "h": advice,
        "i": "it is a variant of a; ask for it with --models i",
    }
    said = plain(page(result))
    assert "do not tell the 3 models apart by distance; those of a are nearest to real data." in said
    assert "nearest to real data by distance: a, b and c" not in said
    assert "d, e: made for other kinds of events." in said and f"f, h: {advice}." in said
    assert "g, i: variants of others, which stand for them; ask for one with --models." in said
    assert "The time was too short for 2 more models, named below." in said
    contenders[2].metrics = [metric(9.0, 0.1)]
    assert "Samples nearest to real data by distance: a and b, tied" in plain(page(result)), "the twin"


@pytest.mark.parametrize(
    ("trained", "stopped", "words"),
    [
        (0, 0, "of 2 minutes for everything."),
        (1, 1, "of 2 minutes for everything, the one that went to the end trained 3 s, and 1 was stopped early."),
        (2, 3, "of 2 minutes for everything, the 2 that went to the end trained up to 3 s each, and 3 were stopped"),
    ],
)
def test_who_had_how_much_time_is_said_in_good_grammar(trained: int, stopped: int, words: str):
    contenders = [scored(str(i), NOISE) for i in range(1 + trained + stopped)]
    for i, contender in enumerate(contenders):
        contender.steps = 7 if i else None
        contender.fit_seconds = 3.0 if i == trained else 2.0
        contender.stopped = "after 1 s" if i > trained else None
    result = between(*contenders)
    result.minutes, result.total, result.n_test = None, 2.0, 1
    assert words in plain(page(result)) and "of the same 1 test event;" in plain(page(result))


def test_large_numbers_are_written_out_and_one_point_is_a_dot():
    far = scored("far", NOISE + 16657.82)
    point = {"seconds": 1.0, "epoch": 1.0, "validation": -3.0, "losses": {"loss": 2.0}}
    far.curve, far.sample_seconds = [point], 2.5
    assert "<td>0.40</td>" in page(between(far)), "samples per second"
    assert "16\u2009658" in page(between(far)) and page(between(far)).count("fill: #1f77b4") >= 2, "in both figures"
    far.curve = [point, {**point, "seconds": 2.0, "epoch": 2.0}]
    assert "fill: #1f77b4" not in page(between(far)), "a line"


def test_few_test_events_are_shown_among_all(tmp_path: Path):
    from ptheta.applications.compare import compare
    from toy_models import bits

    few = compare(bits(40, d=3), tmp_path / "a", models=["uniform"], samples=0, total=1)
    many = compare(bits(100, d=3), tmp_path / "b", models=["uniform"], samples=0, total=1)
    assert (len(few.real), few.real_is_test, len(many.real), many.real_is_test) == (40, False, 20, True)
    assert "real events of all splits" in plain(page(few)) and "real test events" in plain(page(many))


@pytest.mark.parametrize("name", ["nade", "latent-diffusion, coder", "a-name-longer-than-any-model-has, and-its-stage"])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_bar_of_a_run_takes_one_line_whatever_its_name(name: str, width: int):
    from io import StringIO
    from types import SimpleNamespace

    from rich.console import Console

    from ptheta.training.progress import with_bar

    state: Any = SimpleNamespace(
        step=5, steps=9, epoch=12.0, losses={"loss": 6.294}, validation=-11.53, seconds_left=3.0
    )
    for states, lines in (([state], 1), ([], 0)):  # a run that was done already shows nothing
        drawn = StringIO()
        assert list(with_bar(iter(states), name, Console(file=drawn, width=width))) == states
        told = [line for line in drawn.getvalue().splitlines() if line.strip()]
        assert len(told) == lines and all("0:03 left" in line and name[:4] in line for line in told)


def test_an_interrupted_comparison_has_a_report(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    from ptheta.distributions import Markov

    np.save("bits.npy", np.random.default_rng(0).integers(0, 2, (80, 4)).astype(np.uint8))

    def stopped(self, data, **settings):
        raise KeyboardInterrupt

    words = ["compare", "bits.npy", "--models", "independent", "markov", "uniform", "--samples", "0", "--out", "c"]
    with monkeypatch.context() as patch:
        patch.setattr(Markov, "fit", stopped)
        assert main(words) == 130
    assert "--resume goes on" in capsys.readouterr().err
    found = json.loads(Path("c/results.json").read_text())
    assert found["models"][0]["likelihood"]["kind"] == "exact" and found["not_reached"] == ["uniform"]
    assert found["models"][1]["error"].startswith("stopped before it was done")
    text = plain(Path("c/report.html").read_text())
    assert (
        "Stopped before uniform. The same command with --resume goes on." in text and "Best likelihood: indep" in text
    )
    assert main([*words, "--resume"]) == 0
    found = json.loads(Path("c/results.json").read_text())
    assert [m["error"] for m in found["models"]] == [None] * 3 and found["not_reached"] == []


def test_a_comparison_in_which_all_fail_exits_1_and_says_why(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch
):
    from ptheta.distributions import Markov

    np.save("bits.npy", np.random.default_rng(0).integers(0, 2, (80, 4)).astype(np.uint8))

    def broken(self, data, **settings):
        raise RuntimeError("this machine has no luck")

    monkeypatch.setattr(Markov, "fit", broken)
    assert main(["compare", "bits.npy", "--models", "markov", "--samples", "0", "--out", "c"]) == 1
    _, err = capsys.readouterr()
    assert err.splitlines()[-1] == "ptheta: every model failed; the report says why."
    text = plain(Path("c/report.html").read_text())
    assert "No model could be fitted and scored" in text and "this machine has no luck" in text
    assert "RuntimeError: this machine has no luck" in Path("c/markov-failure.txt").read_text()
    assert not Path("c/uniform-failure.txt").exists() and "What to type next" not in text
    (line,) = csv.DictReader(Path("c/results.csv").read_text().splitlines())
    assert line["model"] == "markov" and line["error"] == "this machine has no luck" and line["steps"] == ""


@pytest.mark.parametrize(
    ("seconds", "shown"), [(5e-6, "5 µs"), (0.25, "250 ms"), (3.0, "3 s"), (150.0, "2.5 min")], ids=str
)
def test_a_time_is_shown_in_the_unit_that_it_has(seconds: float, shown: str):
    contender = scored("a", NOISE)
    contender.sample_seconds = seconds
    assert re.search(rf"\b{shown}\b", page(between(contender)))


def test_a_card_s_page_speaks_of_the_model_and_of_what_was_measured():
    rows = tuple(
        CardRow(name, 0.1, worst, column, 0.2, 0.5, None, None, None, 0.0, 0.5, 0.5)
        for name, worst, column in (("real, held out", 0.11, "age"), ("forest", 0.37, "pay"))
    )
    sizes = {"train": 90, "test": 10, "learned from": 80, "likeness": 5, "distances": 4}
    text = card_page(Card(None, rows, sizes), model="forest", data="adult", n=7)
    assert "farthest from real rows is pay (0.370)" in text and "90 training rows, 10 held out" in text
    assert "Usefulness" not in text and "`None`" not in text and "F1" not in text
    useful = card_page(Card("pay", (replace(rows[0], f1=0.5), rows[1]), sizes), model="forest", data="adult", n=7)
    head, ours = (next(x for x in useful.splitlines() if x.startswith(f"| {name} |")) for name in ("rows", "forest"))
    assert dict(zip(head.split(" | "), ours.split(" | "), strict=True))[COLUMNS["f1"]] == "", (
        "not measured, so no number"
    )
