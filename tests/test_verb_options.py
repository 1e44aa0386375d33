"""Every option of every verb, changed, changes what comes out; or it is refused where it means nothing."""

import inspect
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from ptheta.cli import VERBS, main
from ptheta.cli.train import OWN, training_fields
from ptheta.papers import ROWS, Row

# What is looked at: the screen, or a file by its ending; the weights of a run; whether a file is there.
SCREEN = "the screen"
QUICK = Row("quick", 2.0, 3.0, "at most", "nats", "bars", "independent", source="A test.", run=lambda seed, _: 2 + seed)
NADE = "fit nade --data bits.npz --hidden 4 --steps 6 --quiet --out new"
COMPARE = "compare bits.npz --models independent markov --samples 40 --minutes 1 --out new"
FILLED = "impute rows --data rows.csv"
ROWS_OUT = "synthesize rows --out f.csv "
MAP = "translate map --to b --out new"
FEW = "compare bits.npz --models nade --samples 0 --out new"


def option(base: str, changed: str, look: str = SCREEN) -> tuple[str, str, str]:
    return base, changed, look


# For each verb and option: a command without it, one with it, and where the difference shows.
TABLE: dict[str, dict[str, tuple[str, str, str]]] = {
    "models": {"json": option("models", "models --json")},
    "data": {
        "name": option("data digits", "data bits.npz"),
        "json": option("data digits", "data digits --json"),
        "out": option("data digits", "data digits --out d.png", "d.png"),
        "size": option("data pictures", "data pictures --size 4"),
        "given": option("data digits", "data digits --given half=top"),
        "data_options": option("data bits.npz --json", "data bits.npz --json --data-options seed=3"),
        "force": option("data digits --out old.png", "data digits --out old.png --force", "old.png"),
    },
    "figure": {
        "name": option("figure", "figure nothing"),
        "out": option("figure entropy --out a.png", "figure entropy --out b.png", "b.png"),
        "force": option("figure entropy --out old.png", "figure entropy --out old.png --force", "old.png"),
    },
    "sample": {
        "run": option("sample nade --out x.npy", "sample classes --out x.npy", "x.npy"),
        "n": option("sample nade --out x.npy", "sample nade --out x.npy -n 7", "x.npy"),
        "out": option("sample nade", "sample nade --out x.npy", "x.npy"),
        "seed": option("sample nade --out x.npy", "sample nade --out x.npy --seed 1", "x.npy"),
        "context": option("sample classes --out x.npy --context 0", "sample classes --out x.npy --context 1", "x.npy"),
        "data": option("sample classes --out x.npy", "sample classes --out x.npy --data other.npz", "x.npy"),
        "split": option(
            "sample classes --out x.npy --data other.npz",
            "sample classes --out x.npy --data other.npz --split valid",
            "x.npy",
        ),
        "data_options": option(
            "sample classes --out x.npy --data other.npz --split test",
            "sample classes --out x.npy --data other.npz --split test --data-options seed=3",
            "x.npy",
        ),
        "temperature": option("sample nade --out x.npy", "sample nade --out x.npy --temperature .1", "x.npy"),
        "tiles": option("sample nade --out x.npy", "sample nade --out x.npy --tiles"),
        "method": option("sample nade --out x.npy", "sample markov --out x.npy --method naive"),
        "force": option("sample nade --out old.npy", "sample nade --out old.npy --force", "old.npy"),
    },
    "score": {
        "run": option("score nade", "score markov"),
        "data": option("score nade", "score nade --data other.npz"),
        "split": option("score nade", "score nade --split train"),
        "data_options": option(
            "score nade --data other.npz --split test", "score nade --data other.npz --split test --data-options seed=3"
        ),
        "out": option("score nade", "score nade --out s.csv", "s.csv"),
        "force": option("score nade --out old.csv", "score nade --out old.csv --force", "old.csv"),
    },
    "evaluate": {
        "run": option("evaluate nade --samples 0", "evaluate markov --samples 0"),
        "data": option("evaluate nade --samples 0", "evaluate nade --samples 0 --data other.npz"),
        "split": option("evaluate nade --samples 0", "evaluate nade --samples 0 --split valid"),
        "data_options": option(
            "evaluate nade --samples 0 --data other.npz --split test",
            "evaluate nade --samples 0 --data other.npz --split test --data-options seed=3",
        ),
        "samples": option("evaluate nade --samples 0", "evaluate nade --samples 30"),
        "importance": option("evaluate vae --samples 0", "evaluate vae --samples 0 --importance 5"),
        "draws": option("evaluate vae --samples 0", "evaluate vae --samples 0 --draws 2"),
        "seed": option("evaluate vae --samples 0", "evaluate vae --samples 0 --seed 1"),
        "json": option("evaluate nade --samples 0", "evaluate nade --samples 0 --json"),
    },
    "impute": {
        "run": option(
            "impute rows --data blanks.csv --out f.csv", "impute trees --data blanks.csv --out f.csv", "f.csv"
        ),
        "data": option("impute rows --data blanks.csv --out f.csv", "impute rows --data few.csv --out f.csv", "f.csv"),
        "out": option(
            "impute rows --data blanks.csv --out f.csv", "impute rows --data blanks.csv --out g.csv", "g.csv"
        ),
        "n": option(
            "impute rows --data blanks.csv --out f.csv", "impute rows --data blanks.csv --out f.csv -n 2", "f-2.csv"
        ),
        "seed": option(
            "impute rows --data blanks.csv --out f.csv", "impute rows --data blanks.csv --out f.csv --seed 1", "f.csv"
        ),
        "hide": option(FILLED + " --out f.csv", FILLED + " --hide .3"),
        "peers": option(FILLED + " --hide .3", FILLED + " --hide .3 --no-peers"),
        "json": option(FILLED + " --hide .3", FILLED + " --hide .3 --json"),
        "force": option(
            "impute rows --data blanks.csv --out old.csv",
            "impute rows --data blanks.csv --out old.csv --force",
            "old.csv",
        ),
    },
    "anomalies": {
        "run": option("anomalies nade --false-alarms .3", "anomalies classes --false-alarms .3"),
        "data": option("anomalies nade --false-alarms .3", "anomalies nade --false-alarms .3 --data other.npz"),
        "split": option("anomalies nade --false-alarms .3", "anomalies nade --false-alarms .3 --split valid"),
        "data_options": option(
            "anomalies nade --false-alarms .3 --data other.npz --split test",
            "anomalies nade --false-alarms .3 --data other.npz --split test --data-options seed=3",
        ),
        "by": option("anomalies nade --false-alarms .3", "anomalies nade --false-alarms .3 --by typicality"),
        "false_alarms": option("anomalies nade --false-alarms .3", "anomalies nade --false-alarms .5"),
        "labels": option(
            "anomalies rows --false-alarms .3 --data odd.csv",
            "anomalies rows --false-alarms .3 --data odd.csv --labels odd",
        ),
        "out": option("anomalies nade --false-alarms .3", "anomalies nade --false-alarms .3 --out a.csv", "a.csv"),
        "cells": option(
            "anomalies nade --false-alarms .3 --out a.csv",
            "anomalies nade --false-alarms .3 --out a.csv --no-cells",
            "a.csv",
        ),
        "draws": option(
            "anomalies vae --false-alarms .3 --out a.csv",
            "anomalies vae --false-alarms .3 --out a.csv --draws 2",
            "a.csv",
        ),
        "seed": option(
            "anomalies vae --false-alarms .3 --out a.csv",
            "anomalies vae --false-alarms .3 --out a.csv --seed 1",
            "a.csv",
        ),
        "json": option("anomalies nade --false-alarms .3", "anomalies nade --false-alarms .3 --json"),
        "force": option(
            "anomalies nade --false-alarms .3 --out old.csv",
            "anomalies nade --false-alarms .3 --out old.csv --force",
            "old.csv",
        ),
    },
    "classify": {
        "run": option("classify classes --no-peers", "classify given --no-peers"),
        "data": option("classify classes --no-peers", "classify classes --no-peers --data other.npz"),
        "split": option("classify classes --no-peers", "classify classes --no-peers --split valid"),
        "data_options": option(
            "classify classes --no-peers --data other.npz --split test",
            "classify classes --no-peers --data other.npz --split test --data-options seed=3",
        ),
        "target": option("classify rows --no-peers", "classify rows --no-peers --target v"),
        "prior": option("classify classes --no-peers", "classify classes --no-peers --prior 0=.9,1=.1"),
        "out": option("classify classes --no-peers", "classify classes --no-peers --out a.csv", "a.csv"),
        "peers": option("classify classes", "classify classes --no-peers"),
        "draws": option("classify given --no-peers", "classify given --no-peers --draws 2"),
        "seed": option("classify given --no-peers", "classify given --no-peers --seed 1"),
        "json": option("classify classes --no-peers", "classify classes --no-peers --json"),
        "force": option(
            "classify classes --no-peers --out old.csv", "classify classes --no-peers --out old.csv --force", "old.csv"
        ),
    },
    "synthesize": {
        "run": option(ROWS_OUT + "--no-card", ROWS_OUT.replace("rows", "trees") + "--no-card", "f.csv"),
        "out": option(ROWS_OUT + "--no-card", ROWS_OUT.replace("f.csv", "g.csv") + "--no-card", "g.csv"),
        "n": option(ROWS_OUT + "--no-card", ROWS_OUT + "--no-card -n 7", "f.csv"),
        "target": option(ROWS_OUT + "-n 60", ROWS_OUT + "-n 60 --target v", "f.md"),
        "card": option(ROWS_OUT + "-n 60", ROWS_OUT + "-n 60 --no-card", "f.md"),
        "seed": option(ROWS_OUT + "--no-card", ROWS_OUT + "--no-card --seed 1", "f.csv"),
        "json": option(ROWS_OUT + "-n 60", ROWS_OUT + "-n 60 --json"),
        "force": option(
            ROWS_OUT.replace("f.csv", "old.csv") + "--no-card",
            ROWS_OUT.replace("f.csv", "old.csv") + "--no-card --force",
            "old.csv",
        ),
    },
    "translate": {
        "run": option(MAP, MAP.replace("map", "stars"), "new-pairs.png"),
        "to": option(MAP, MAP.replace("--to b", "--to a"), "new-pairs.png"),
        "out": option(MAP, MAP.replace("new", "there"), "there-pairs.png"),
        "data": option(MAP, MAP + " --data pictures", "new-pairs.png"),
        "split": option(MAP, MAP + " --split train", "new-pairs.png"),
        "data_options": option(
            MAP + " --data labelled --split test",
            MAP + " --data labelled --split test --data-options seed=3",
            "new-pairs.png",
        ),
        "n": option(MAP, MAP + " -n 1", "new-pairs.png"),
        "tiles": option(MAP + " --data pictures", MAP + " --data pictures --tiles"),
        "force": option(MAP.replace("new", "pictures"), MAP.replace("new", "pictures") + " --force"),
    },
    "reproduce": {
        "name": option("reproduce", "reproduce quick"),
        "seed": option("reproduce quick --json", "reproduce quick --json --seed 1"),
        "out": option("reproduce quick", "reproduce quick --out kept", "kept/quick.json"),
        "run": option("reproduce quick", "reproduce quick --run bits.npz"),  # what is there is refused
        "resume": option("reproduce quick --run pictures", "reproduce quick --run pictures --resume"),
        "list": option("reproduce quick", "reproduce quick --list"),
        "json": option("reproduce quick", "reproduce quick --json"),
    },
    "compare": {
        "data": option(COMPARE, COMPARE.replace("bits", "other"), "new/results.csv"),
        "models": option(COMPARE, COMPARE.replace(" markov", ""), "new/results.csv"),
        "task": option(
            "compare labelled --models stargan --minutes .002 --samples 9 --conditional --out new --json",
            "compare labelled --models stargan --minutes .002 --samples 9 --task translate --out new --json",
        ),
        "total": option(FEW + " --total .02", FEW + " --total .03", "new/results.json"),
        "minutes": option(FEW + " --minutes .002", FEW + " --minutes .004", "new/results.json"),
        "budget": option(FEW + " --minutes .002", FEW + " --minutes .002 --budget cpu", "new/runs/nade/run.json"),
        "samples": option(COMPARE, COMPARE.replace("40", "0"), "new/results.json"),
        "seed": option(FEW + " --minutes .002", FEW + " --minutes .002 --seed 1", "new/runs/nade/run.json"),
        "out": option(COMPARE, COMPARE.replace("new", "there"), "there/results.csv"),
        "size": option(
            "compare pictures --models independent --samples 0 --minutes 1 --out new",
            "compare pictures --models independent --samples 0 --minutes 1 --out new --size 4",
            "new/results.csv",
        ),
        "given": option(
            "compare shots.npy --models regression --samples 0 --minutes .002 --out new",
            "compare shots.npy --models regression --samples 0 --minutes .002 --out new --given half=top",
        ),
        "conditional": option(COMPARE, COMPARE + " --conditional", "new/results.csv"),
        "data_options": option(COMPARE, COMPARE + " --data-options seed=3", "new/results.csv"),
        "resume": option(COMPARE.replace("new", "pictures"), COMPARE.replace("new", "pictures") + " --resume"),
        "json": option(COMPARE, COMPARE + " --json"),
    },
    "fit": {
        "data": option(NADE, NADE.replace("bits", "other"), "weights"),
        "out": option(NADE, NADE.replace("new", "there"), "there/run.json"),
        "resume": option(NADE.replace("new", "nade"), NADE.replace("new", "nade") + " --resume"),
        "conditional": option(NADE, NADE + " --conditional", "new/run.json"),
        "given": option(
            NADE.replace("bits.npz", "shots.npy"),
            NADE.replace("bits.npz", "shots.npy") + " --given half=top",
            "weights",
        ),
        "size": option(
            NADE.replace("bits.npz", "pictures"), NADE.replace("bits.npz", "pictures") + " --size 4", "weights"
        ),
        "data_options": option(NADE, NADE + " --data-options seed=3", "weights"),
        "quiet": option(
            NADE.replace("bits.npz", "shots.npy"),
            NADE.replace("bits.npz", "shots.npy").replace(" --quiet", ""),
            "new/samples/00000006.png",
        ),
        "epochs": option(NADE.replace("--steps 6", "--epochs 1"), NADE.replace("--steps 6", "--epochs 2"), "weights"),
        "steps": option(NADE, NADE.replace("6", "7"), "weights"),
        "minutes": option(NADE, NADE.replace("--steps 6", "--minutes .002"), "new/run.json"),
        "budget": option(
            NADE.replace("--steps 6", "--minutes .002"),
            NADE.replace("--steps 6", "--minutes .002 --budget cpu"),
            "new/run.json",
        ),
        "batch_size": option(NADE, NADE + " --batch-size 10", "weights"),
        "learning_rate": option(NADE, NADE + " --learning-rate .1", "weights"),
        "schedule": option(NADE, NADE + " --schedule linear", "weights"),
        "warmup": option(NADE, NADE + " --warmup 4", "weights"),
        "weight_decay": option(NADE, NADE + " --weight-decay .5", "weights"),
        "clip": option(NADE, NADE + " --clip .0001", "weights"),
        "ema": option(NADE, NADE + " --ema .9", "weights"),
        "precision": option(
            NADE.replace("nade", "made"), NADE.replace("nade", "made") + " --precision bfloat16", "weights"
        ),
        "device": option(NADE, NADE + " --device abacus"),
        "seed": option(NADE, NADE + " --seed 1", "weights"),
        "validate_every": option(NADE, NADE + " --validate-every 2", "new/metrics.jsonl"),
        "validation_events": option(NADE, NADE + " --validation-events 3", "new/metrics.jsonl"),
        "patience": option(
            NADE.replace("6", "20") + " --learning-rate 30 --validate-every 1",
            NADE.replace("6", "20") + " --learning-rate 30 --validate-every 1 --patience 1",
            "new/metrics.jsonl",
        ),
        "checkpoint_minutes": option(NADE, NADE + " --checkpoint-minutes 0", "new/checkpoints"),
    },
}
SLOW = ("compare",)
ROWS_OF_TABLE = [
    pytest.param(verb, name, id=f"{verb}-{name}", marks=pytest.mark.slow if verb in SLOW else ())
    for verb, options in TABLE.items()
    for name in options
]


def options_of(verb: str) -> set[str]:
    """The options that a verb has, as its help lists them."""
    if verb == "fit":
        return {*OWN, *training_fields()}
    module, name = VERBS[verb][0].split(":")
    return set(inspect.signature(getattr(import_module(f"ptheta.cli.{module}"), name)).parameters)


@pytest.mark.parametrize("verb", TABLE)
def test_every_option_of_a_verb_has_a_row(verb: str):
    assert options_of(verb) == set(TABLE[verb]), "say in TABLE what the option changes"


def test_every_verb_is_in_the_table():
    assert set(VERBS) == set(TABLE), "say in TABLE what the options of the verb change"


def type_(words: str) -> int:
    return main(words.split())


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and fitted runs, for all rows of the table."""
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("shelf"), np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, chance in (("bits", 0.3), ("other", 0.6)):
            x = (rng.random((120, 6)) < chance).astype(np.uint8)
            np.savez(f"{name}.npz", x=x, y=x[:, 0] ^ (rng.random(120) < 0.2))
        np.save("shots.npy", rng.integers(0, 2, (60, 8, 8), np.uint8))
        Path("pictures").mkdir()
        for i in range(30):
            Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(f"pictures/{i}.png")
        for label in "ab":
            Path("labelled", label).mkdir(parents=True)
            for i in range(15):
                Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(f"labelled/{label}/{label}{i}.png")
        lines = [f"{rng.random():.3f},{rng.choice(list('xyz'))}" for _ in range(300)]
        Path("rows.csv").write_text("\n".join(["u,v", *lines]) + "\n")
        Path("odd.csv").write_text("u,v,odd\n" + "".join(f"{k / 9},x,{'no' if k % 3 else 'yes'}\n" for k in range(30)))
        Path("blanks.csv").write_text("u,v\n,x\n.2,\n,z\n")
        Path("few.csv").write_text("u,v\n,y\n.7,\n")
        for old in ("old.png", "old.npy", "old.csv"):
            Path(old).write_text("mine")
        small, fast = "--quiet --steps 4", "--quiet --steps 8 --learning-rate .1"
        assert type_(f"fit nade --data bits.npz --hidden 4 {small} --out nade") == 0
        assert type_(f"fit nade --data bits.npz --hidden 4 --learning-rate .3 --conditional {small} --out classes") == 0
        assert type_(f"fit vae --data bits.npz --hidden 8 --latent 2 {small} --out vae") == 0
        assert type_(f"fit vae --data bits.npz --hidden 8 --latent 2 --conditional {small} --out given") == 0
        for model, out in (("cyclegan", "map"), ("stargan", "stars")):
            assert type_(f"fit {model} --data labelled --conditional --width 4 {fast} --out {out}") == 0
        for model, out, data in (
            ("markov", "markov", "bits.npz"),
            ("forest", "trees", "rows.csv"),
            ("mixture", "rows", "rows.csv"),
        ):
            assert type_(f"fit {model} --data {data} --out {out}") == 0
    return folder


@pytest.fixture
def here(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(ROWS, "quick", QUICK)
    return tmp_path


def outcome(words: str, look: str, shelf: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command leaves to look at, in a fresh copy of the shelf."""
    import os
    import shutil

    shutil.copytree(shelf, folder)
    os.chdir(folder)
    capsys.readouterr()
    code = type_(words)
    said = capsys.readouterr()
    if look == SCREEN:
        lines = [line for line in said.out.splitlines() if not line.startswith("next:")]
        return code, re.sub(r"[\d.]+ s\b|\"(cpu_)?seconds\": [\d.e-]+", "", "\n".join(lines)), said.err.strip()
    if look == "weights":
        (file,) = sorted((folder / "new" / "checkpoints").rglob("last.safetensors"))[-1:]
        kept = {f"{p.stem}.{k}": v.tolist() for p in file.parent.glob("*.safetensors") for k, v in load_file(p).items()}
        return code, kept
    path = folder / look
    if path.is_dir():
        return code, sorted(str(p.relative_to(path)) for p in path.rglob("*"))
    text = path.read_bytes() if path.is_file() else None
    if text is not None and path.suffix in (".json", ".jsonl"):
        return code, [_timeless(json.loads(line)) for line in ([text] if path.suffix == ".json" else text.splitlines())]
    if text is not None and path.name == "results.csv":
        return code, [line.split(b",")[:4] for line in text.splitlines()]
    return code, text


def _timeless(record: Any) -> Any:
    """A record without what no two runs have in common."""
    if isinstance(record, dict):
        dropped = ("created", "seconds", "cpu_seconds", "left", "machine", "events_per_second", "curve", "run", "steps")
        return {k: _timeless(v) for k, v in record.items() if k not in dropped or isinstance(v, dict)}
    return [_timeless(v) for v in record] if isinstance(record, list) else record


@pytest.mark.parametrize(("verb", "name"), ROWS_OF_TABLE)
def test_an_option_changes_what_comes_out(verb, name, shelf, here, capsys):
    base, changed, look = TABLE[verb][name]
    first, second = (outcome(w, look, shelf, here / str(i), capsys) for i, w in enumerate((base, changed)))
    assert first != second, f"{changed} leaves what {base} leaves"


@pytest.mark.parametrize(
    "words", ["score nade", "sample nade --out x.npy", NADE, "evaluate vae --samples 0", "data bits.npz"]
)
def test_a_command_typed_twice_leaves_the_same(words, shelf, here, capsys):
    look = "weights" if words == NADE else "x.npy" if "x.npy" in words else SCREEN
    first, second = (outcome(words, look, shelf, here / str(i), capsys) for i in range(2))
    assert first == second and first[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("evaluate nade --samples 0 --importance 5", "--importance is for models with an importance-weighted bound"),
        (
            "evaluate nade --samples 0 --draws 5",
            "--draws is for models with a bound, and nade is none: its log p is exact",
        ),
        ("evaluate vae --samples 0 --importance 10000000", "--importance should be from 1 to 100000"),
        ("evaluate vae --samples 0 --draws 0", "--draws should be from 1 to"),
        ("data --size 4", "--size means nothing without a name"),
        ("data --out x.png", "--out means nothing without a name"),
        ("figure --force", "--force means nothing without a name"),
        ("reproduce --seed 3", "--seed is for a row that runs"),
        ("fit markov --data bits.npz --minutes -1 --out new", "no training option minutes"),
        ("fit nade --data bits.npz --components 20 --out new", "--components changes nothing in nade"),
        ("fit nade --data bits.npz --hidden 0 --out new", "--hidden of nade should be 1 or more"),
        ("fit gan --data bits.npz --patience 3 --out new", "patience would never stop it"),
    ],
)
def test_an_option_that_means_nothing_is_refused(words, said, shelf, here, capsys):
    code, _, error = outcome(words, SCREEN, shelf, here / "a", capsys)
    assert code == 2 and said in error, error
