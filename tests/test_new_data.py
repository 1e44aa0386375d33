"""New data are data: read whole and in order, as the run's own were, matched by name; nothing of the user's is lost."""

import csv
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ptheta import load
from ptheta.cli import main
from ptheta.runs import open_run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Typed:
    """Types commands, and keeps what they say."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys, self.err = capsys, ""

    def __call__(self, *words: object) -> str:
        code, out, self.err = self.said(*words)
        assert code == 0, self.err
        return out

    def said(self, *words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        captured = self.capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    def refused(self, *words: object) -> str:
        code, _, err = self.said(*words)
        assert code == 2 and err.startswith("ptheta: "), err
        return err

    def scores(self, *words: object) -> dict[str, float]:
        """The scores by row, or file, as printed."""
        rows = list(csv.reader(self("score", *words).splitlines()))
        assert rows[0][0] in ("row", "file") and rows[0][1] == "log_prob_nats_exact"
        return {name: float(score) for name, score in rows[1:]}


@pytest.fixture
def type_(capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(capsys)


def table(path: str, columns: str, rows: np.ndarray, labels: list[str] | None = None) -> None:
    lines = [",".join(f"{cell:.6f}" for cell in row) for row in rows]
    if labels:
        lines = [f"{line},{label}" for line, label in zip(lines, labels, strict=True)]
    Path(path).write_text("\n".join([columns, *lines]) + "\n")


RNG = np.random.default_rng(0)
REALS = RNG.normal(3, 2, (200, 2))


@pytest.fixture
def gaussian(here: Path, type_: Typed) -> str:
    table("a.csv", "u,v", REALS * [1, 5])
    type_("fit", "gaussian", "--data", "a.csv", "--out", "g", "--quiet")
    return "g"


# --- whole, in order, by row ---


def test_a_file_is_scored_whole_and_in_its_order(gaussian: str, type_: Typed):
    new = RNG.normal(3, 2, (30, 2)) * [1, 5]
    new[17] = 99
    table("b.csv", "u,v", new)
    scores = type_.scores(gaussian, "--data", "b.csv")
    assert list(scores) == [str(k) for k in range(30)] and min(scores, key=lambda row: scores[row]) == "17"
    model = open_run(gaussian).model
    own = model.log_prob(torch.tensor(np.round(new, 6), dtype=torch.float32))  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.tensor(list(scores.values())) == pytest.approx(own, abs=1e-4), "under the run's own standardisation"
    table("one.csv", "u,v", new[17:18])
    assert type_.scores(gaussian, "--data", "one.csv") == {"0": scores["17"]}, "one row is data too"
    assert "all events" in type_("evaluate", gaussian, "--data", "b.csv", "--samples", "0")


def test_splits_partition_the_rows_of_a_file(gaussian: str, type_: Typed):
    parts = [type_.scores(gaussian, "--split", split) for split in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [160, 20, 20]
    whole = type_.scores(gaussian, "--split", "all")
    assert {row: score for part in parts for row, score in part.items()} == whole and len(whole) == 200
    assert all([int(row) for row in part] == sorted(int(row) for row in part) for part in parts)
    again = type_.scores(gaussian, "--data", "a.csv")
    assert again == whole and "--split test takes what was held out" in type_.err
    assert type_.scores(gaussian, "--data", "a.csv", "--split", "test") == parts[2]
    assert type_.scores(gaussian) == parts[2]


def test_named_sets_keep_their_test_split(here: Path, type_: Typed):
    type_("fit", "independent", "--data", "digits", "--out", "d", "--quiet")
    assert type_.scores("d", "--data", "digits") == type_.scores("d") and len(type_.scores("d")) == 180


def test_scores_of_pictures_carry_the_names_of_their_files(here: Path, type_: Typed):
    for folder, n in (("a", 30), ("my other pictures", 4)):
        (here / folder).mkdir()
        for i in range(n):
            pixels = RNG.integers(0, 256, (9, 12), np.uint8)
            Image.fromarray(pixels).save(here / folder / f"p {i:02}.png")
    type_("fit", "independent", "--data", "a", "--size", "4", "--out", "r", "--quiet")
    scores = type_.scores("r", "--data", "my other pictures")
    assert list(scores) == [f"p {i:02}.png" for i in range(4)], "read with the run's own size"
    assert "resized to 4x4" in type_.err and "Split" not in type_.err
    (here / "ink").mkdir()
    for i in range(3):
        Image.fromarray(255 * RNG.integers(0, 2, (4, 4)).astype(np.uint8)).save(here / "ink" / f"{i}.png")
    assert len(type_.scores("r", "--data", "ink")) == 3, "black and white are levels too, where the run's are"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(here / "ink" / "x.png")
    assert "should be grey, as colour=false says, but ink/x.png is in colour" in type_.refused(
        "score", "r", "--data", "ink"
    )


# --- matched by name ---


def test_columns_in_another_order_are_put_in_order(gaussian: str, type_: Typed):
    table("b.csv", "u,v", REALS[:9] * [1, 5])
    table("c.csv", "w,v,u", np.c_[np.arange(9.0) / 7, REALS[:9, 1] * 5, REALS[:9, 0]])
    assert type_.scores(gaussian, "--data", "c.csv") == type_.scores(gaussian, "--data", "b.csv")
    table("d.csv", "u,w", REALS[:9])
    assert "but it has no v" in type_.refused("score", gaussian, "--data", "d.csv")


@pytest.mark.parametrize("letters", ["abcd ", "가나다라 "])
def test_texts_are_matched_by_character(letters: str, here: Path, type_: Typed):
    text = "".join(RNG.choice(list(letters), 4000))
    (here / "a.txt").write_text(text, encoding="utf-8")
    type_("fit", "markov", "--data", "a.txt", "--out", "m", "--quiet")
    few = "".join(c for c in text[:900] if c != letters[1])[:128]
    (here / "few.txt").write_text(few, encoding="utf-8")
    scores = type_.scores("m", "--data", "few.txt")
    model = open_run("m").model
    own = model.log_prob(model.space.parse([few[:64], few[64:]]))  # pyright: ignore[reportAttributeAccessIssue]
    assert list(scores.values()) == pytest.approx(own.tolist(), abs=1e-4), "characters keep their codes"
    (here / "other.txt").write_text("xyz " * 40)
    assert "expected the symbols ' ', " in type_.refused("score", "m", "--data", "other.txt")
    assert "there are others: x, y, z" in type_.refused("score", "m", "--data", "other.txt")


def test_lines_are_filled_up_as_those_of_the_run(here: Path, type_: Typed):
    (here / "a.txt").write_text("\n".join(["anna", "bo", "clementine"] * 20))
    type_("fit", "markov", "--data", "a.txt", "--out", "m", "--quiet")
    (here / "b.txt").write_text("bo\nanna")
    scores = type_.scores("m", "--data", "b.txt")
    assert len(scores) == 2 and scores["0"] == type_.scores("m", "--split", "all")["1"]
    (here / "c.txt").write_text("anna\nclementineanna")
    assert "line 2 of c.txt has 14 characters, more than the 10" in type_.refused("score", "m", "--data", "c.txt")


def test_whole_numbers_are_read_as_those_of_the_run(here: Path, type_: Typed):
    np.save("bytes.npy", RNG.integers(0, 256, (60, 4), np.uint8))
    np.save("dark.npy", RNG.integers(0, 2, (5, 4), np.uint8))
    np.save("codes.npy", RNG.integers(0, 9, (60, 4)))
    np.save("few.npy", RNG.integers(0, 4, (5, 4)))
    type_("fit", "independent", "--data", "bytes.npy", "--out", "b", "--quiet")
    type_("fit", "independent", "--data", "codes.npy", "--out", "c", "--quiet")
    assert len(type_.scores("b", "--data", "dark.npy")) == 5 and len(type_.scores("c", "--data", "few.npy")) == 5
    options = ("--data-options", "symbols=3")
    assert "with symbols=3 the largest is 2" in type_.refused("score", "c", "--data", "few.npy", *options)
    np.save("more.npy", RNG.integers(9, 12, (5, 4)))
    assert "with symbols=9 the largest is 8" in type_.refused("score", "c", "--data", "more.npy")
    np.save("paper.npy", 255 * RNG.integers(0, 2, (60, 4), np.uint8))
    type_("fit", "independent", "--data", "paper.npy", "--out", "p", "--quiet")
    assert type_.scores("p", "--data", "dark.npy")
    np.save("white.npy", np.full((3, 4), 255, np.uint8))
    assert len(type_.scores("p", "--data", "white.npy")) == 3


def test_classes_are_matched_by_name(here: Path, type_: Typed):
    labels = [("no", "yes")[k % 2] for k in range(200)]
    rows = REALS + np.array([[10.0 * (label == "yes"), 0] for label in labels])
    table("a.csv", "u,v,kind", rows, labels)
    options = ("--data-options", "label=kind")
    type_("fit", "gaussian", "--data", "a.csv", "--conditional", "--out", "g", "--quiet", *options)
    whole = type_.scores("g", "--split", "all")
    table("b.csv", "u,v,kind", rows[1:8:2], labels[1:8:2])
    assert list(type_.scores("g", "--data", "b.csv").values()) == [whole[k] for k in "1357"], "yes is yes alone too"
    table("c.csv", "u,v,kind", rows[:3], ["no", "yes", "perhaps"])
    assert "there are others: perhaps" in type_.refused("score", "g", "--data", "c.csv")
    table("d.csv", "u,v", rows[:4])
    assert "has no column kind" in type_.refused("score", "g", "--data", "d.csv")
    type_("sample", "g", "--data", "b.csv", "--out", "s.npy")
    assert np.load("s.npy").shape == (4, 2) and (np.load("s.npy")[:, 0] > 8).all(), "contexts come from the file"
    type_("sample", "g", "--data", "a.csv", "-n", 6, "--out", "t.npy")
    assert ((np.load("t.npy")[:, 0] > 8) == np.array([False, True] * 3)).all(), "one after another"
    assert "-n should be at most 4" in type_.refused("sample", "g", "--data", "b.csv", "-n", 5)
    assert "both say what is given" in type_.refused("sample", "g", "--data", "b.csv", "--context", "no")
    assert "--split and --data-options are of --data" in type_.refused("sample", "g", "--split", "test")
    assert "of the data that --data names" in type_.refused("score", "g", *options)


def test_a_view_is_given_of_new_pictures(here: Path, type_: Typed):
    np.save("a.npy", RNG.integers(0, 2, (60, 4, 4), np.uint8))
    type_("fit", "nade", "--data", "a.npy", "--given", "half=top", "--hidden", 4, "--steps", 3, "--out", "r", "--quiet")
    np.save("b.npy", np.load("a.npy")[:5])
    assert list(type_.scores("r", "--data", "b.npy").values()) == list(type_.scores("r", "--split", "all").values())[:5]


def test_a_run_without_contexts_is_given_none(gaussian: str, type_: Typed):
    assert "so --data means nothing to it" in type_.refused("sample", gaussian, "--data", "a.csv")


# --- a run folder is self-contained ---


def test_the_source_may_move(here: Path, type_: Typed):
    x = RNG.integers(0, 2, (60, 5), np.uint8)
    np.savez("a.npz", x=x, y=np.array(["no", "yes"] * 30))
    type_("fit", "nade", "--data", "a.npz", "--conditional", "--hidden", 4, "--steps", 3, "--out", "r", "--quiet")
    type_("sample", "r", "-n", 20, "--out", "before.npy")
    scores = type_.scores("r", "--split", "all")
    shutil.move("a.npz", "elsewhere.npz")
    (here / "b").mkdir()
    shutil.move("r", here / "b" / "moved run")
    run = here / "b" / "moved run"
    type_("sample", run, "-n", 20, "--out", "after.npy")
    assert (np.load("before.npy") == np.load("after.npy")).all(), "contexts are kept in the run"
    assert type_.scores(run, "--data", "elsewhere.npz") == scores
    assert "is not there any more. Give --data" in type_.refused("score", run)
    assert "is not there any more. Give --data" in type_.refused("evaluate", run)
    out = type_("evaluate", run, "--data", "elsewhere.npz")
    assert "negative log-likelihood" in out and "No sample metrics" in out and "is not there any more" in out
    damaged = next((run / "contexts").rglob("contexts.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert "is damaged" in type_.refused("sample", run, "-n", 20, "--out", "x.npy")


def test_samples_are_compared_with_the_events_that_were_asked_for(here: Path, type_: Typed):
    table("a.csv", "u,v", REALS)
    type_("fit", "gaussian", "--data", "a.csv", "--out", "g", "--quiet")
    table("far.csv", "u,v", REALS[:100] + 30)
    near = json.loads(type_("evaluate", "g", "--split", "valid", "--json"))
    far = json.loads(type_("evaluate", "g", "--data", "far.csv", "--json"))
    assert near["split"] == "valid" and far["split"] == "all" and far["likelihood"]["n"] == 100
    auc = {m["name"]: m["value"] for m in far["metrics"]}["two-sample AUC"]
    assert auc > 0.95, "the file's events are far from the samples"
    every = json.loads(type_("evaluate", "g", "--split", "all", "--json"))
    assert not every["metrics"] and "choose --split train, valid or test" in every["notes"][0]


# --- nothing of the user's is overwritten ---


def test_what_is_there_is_not_replaced_unless_asked(gaussian: str, here: Path, type_: Typed):
    mine = (here / "a.csv").read_bytes()
    for force in ((), ("--force",)):
        assert "is what is read here and is never replaced" in type_.refused(
            "score", gaussian, "--out", "a.csv", *force
        )
        words = ("score", gaussian, "--data", "a.csv", "--out", here / "a.csv", *force)
        assert "is what is read here" in type_.refused(*words)
    assert (here / "a.csv").read_bytes() == mine
    for verb, name in (("score", "notes.csv"), ("sample", "notes.npy")):
        (here / name).write_text("years of work")
        assert f"{name} is there already. Give --force" in type_.refused(verb, gaussian, "--out", name)
        assert (here / name).read_text() == "years of work"
        type_(verb, gaussian, "--out", name, "--force")
        type_(verb, gaussian, "--out", name)
        (here / name).write_text("changed since")
        assert "is there already" in type_.refused(verb, gaussian, "--out", name)
    (here / "x.png").write_text("mine")
    assert "is there already" in type_.refused("data", "digits", "--out", "x.png")
    assert "is there already" in type_.refused("figure", "entropy", "--out", "x.png")
    assert (here / "x.png").read_text() == "mine"
    type_("data", "digits", "--out", "x.png", "--force")
    assert "should be a .png file" in type_.refused("data", "digits", "--out", "x.csv")
    for part in ("run.json", "checkpoints", "outputs.json"):
        words = ("score", gaussian, "--out", f"{gaussian}/{part}", "--force")
        assert "part of the record" in type_.refused(*words) or part == "checkpoints"
    assert "is a folder" in type_.refused("score", gaussian, "--out", here)


def test_every_output_of_a_run_may_be_made_again_from_any_folder(gaussian: str, here: Path, type_: Typed, monkeypatch):
    for name in ("one.csv", "two.csv"):
        type_("score", gaussian, "--out", name)
    type_("score", gaussian, "--out", "one.csv")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    type_("score", here / gaussian, "--out", here / "two.csv")
    (here / "elsewhere" / "one.csv").write_text("mine")
    assert "is there already" in type_.refused("score", here / gaussian, "--out", "one.csv"), "another of that name"
    (here / "kept.csv").write_bytes((here / "one.csv").read_bytes())
    (here / "one.csv").unlink()
    (here / "one.csv").symlink_to(here / "kept.csv")
    assert "is there already" in type_.refused("score", here / gaussian, "--out", here / "one.csv"), "a link, since"


def test_links_are_replaced_and_never_followed(gaussian: str, here: Path, type_: Typed):
    outside = here / "thesis.txt"
    outside.write_text("years of work")
    for name in ("evaluation.json", "samples.npy", "outputs.json"):
        (here / gaussian / name).unlink(missing_ok=True)
        (here / gaussian / name).symlink_to(outside)
    type_("evaluate", gaussian, "--samples", "0")
    type_("sample", gaussian)
    (here / "link.csv").symlink_to(outside)
    assert "is there already" in type_.refused("score", gaussian, "--out", "link.csv")
    type_("score", gaussian, "--out", "link.csv", "--force")
    (here / "dangling.csv").symlink_to(here / "nowhere.csv")
    assert "is there already" in type_.refused("score", gaussian, "--out", "dangling.csv")
    assert outside.read_text() == "years of work" and not (here / "nowhere.csv").exists()
    assert not any((here / gaussian / name).is_symlink() for name in ("evaluation.json", "samples.npy", "outputs.json"))


def test_the_log_of_a_run_follows_no_link(here: Path, type_: Typed):
    outside = here / "thesis.txt"
    outside.write_text("years of work\n")
    np.save("a.npy", RNG.integers(0, 2, (60, 5), np.uint8))
    words = ("fit", "nade", "--data", "a.npy", "--hidden", 4, "--quiet", "--out", "r")
    type_(*words, "--steps", 3)
    (here / "r" / "metrics.jsonl").unlink()
    (here / "r" / "metrics.jsonl").symlink_to(outside)
    type_(*words, "--steps", 6, "--resume")
    assert outside.read_text() == "years of work\n" and not (here / "r" / "metrics.jsonl").is_symlink()


# --- what a terminal is shown ---


def test_control_characters_of_a_file_never_reach_the_terminal(here: Path, type_: Typed):
    nasty = "\x1b[31m\x07\x9b\u202e"
    (here / "e.txt").write_text(("ab" + nasty + "cd ") * 200, encoding="utf-8")
    (here / nasty).mkdir()
    for k in range(12):
        (here / nasty / f"{nasty}{k % 2}").mkdir(exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (4, 4), np.uint8)).save(here / nasty / f"{nasty}{k % 2}" / f"{k}.png")
    for words in (("data", "e.txt"), ("data", nasty), ("data", nasty, "--json"), ("score", nasty)):
        _, out, err = type_.said(*words)
        shown = (out + err).replace("\n", "").replace("\t", "")
        assert shown.isprintable() and ("\\x1b" in shown or "\\u001b" in shown), words


def test_a_mixed_table_is_read_as_that_of_the_run(here: Path):
    rng = np.random.default_rng(1)
    lines = [f"{'abc'[rng.integers(3)]},{rng.normal():.4f},{rng.integers(0, 4)},{k % 2}" for k in range(200)]
    (here / "a.csv").write_text("\n".join(["kind,size,count,flag", *lines]) + "\n")
    whole = load("a.csv")
    few = [",".join(line.split(",")[k] for k in (3, 1, 0, 2)) for line in lines[:3]]
    (here / "b.csv").write_text("\n".join(["flag,size,kind,count", *few]) + "\n")
    new = load("b.csv", like=whole.space, valid=0.0, test=0.0)
    assert new.space == whole.space and torch.equal(new.everything().x, whole.everything().x[:3])
    (here / "c.csv").write_text("flag,size,kind,count\n1,.5,d,2\n")
    with pytest.raises(ValueError, match=r"c\.csv: line 2: .*kind should be of .*, but it has 'd'"):
        load("c.csv", like=whole.space)


def test_numbers_are_numbers_whatever_the_new_rows_look_like(gaussian: str, here: Path, type_: Typed):
    """A file of bits, or of few values, is read as the reals that the run knows."""
    table("bits.csv", "u,v", RNG.integers(0, 2, (150, 2)).astype(float))
    assert len(type_.scores(gaussian, "--data", "bits.csv")) == 150
    (here / "blank.csv").write_text("u,v\n1,2\n,3\n")
    assert "blank" in (said := type_.refused("score", gaussian, "--data", "blank.csv")) or "NaN" in said
    (here / "word.csv").write_text("u,v\n1,2\n1,many\n")
    assert "line 3" in type_.refused("score", gaussian, "--data", "word.csv")
    table("b.csv", "u,v", RNG.integers(0, 2, (50, 2)).astype(float))
    type_("fit", "independent", "--data", "b.csv", "--out", "b", "--quiet")
    table("c.csv", "u,v", np.array([[0, 1], [0, 3.0]]))
    assert "row 1 has 3 in v" in type_.refused("score", "b", "--data", "c.csv")


def test_a_class_that_training_never_saw_is_said_where_it_is_scored(here: Path, type_: Typed):
    rows = np.random.default_rng(0).normal(size=(40, 2))
    for odd in range(40):  # the one event of its class, not among those that are trained on
        labels = ["zebra" if i == odd else "ab"[i % 2] for i in range(40)]
        table("d.csv", "u,v,label", rows, labels)
        data = load("d.csv", label="label")
        if int((data.train.context == 2).sum()) == 0:
            break
    options = ("--data-options", "label=label", "--conditional", "--steps", 2, "--quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        type_("fit", "maf", "--data", "d.csv", "--out", "r", *options)
    type_.scores("r", "--split", "train")
    assert "training saw no event" not in type_.err
    type_.scores("r", "--split", "all")
    assert "training saw no event of the class of 1 of 40 events (zebra)" in type_.err


def test_a_word_that_training_never_saw_is_said_where_it_is_drawn(here: Path, type_: Typed):
    options = ("--data-options", "context=caption", "only=large+filled", "n=60", "--conditional", "--steps", 1)
    type_("fit", "gan", "--data", "shapes", *options, "--out", "r", "--quiet")
    for text, said in (("a large red circle", ""), ("a small circle", " text with the word small: what the model")):
        type_("sample", "r", "-n", 2, "--context", text, "--out", "x.png", "--force")
        assert ("training saw no" + said in type_.err) == bool(said)
