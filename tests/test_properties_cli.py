"""No command line, however odd, yields a traceback: exit code 0, 1, 2 or 130, and a sentence."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ptheta.cli import main
from ptheta.recipes import RECIPES
from test_properties import examples


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, a run, a run that has not saved anything yet, and other things."""
    folder, before = tmp_path_factory.mktemp("desk"), Path.cwd()
    os.chdir(folder)
    rng = np.random.default_rng(0)
    np.save("bits.npy", (rng.random((60, 4)) < 0.4).astype(np.uint8))
    np.save("reals.npy", rng.normal(size=(60, 2)))
    Path("table.csv").write_text("a,b,kind\n" + "".join(f"{i}.5,{i % 3},{'xy'[i % 2]}\n" for i in range(30)))
    Path("words.txt").write_text("to be or not to be\n" * 60)
    Path("empty").mkdir()
    Path("surrogate-\udcff").write_text("x")
    assert main(["fit", "markov", "--data", "bits.npy", "--out", "run"]) == 0
    assert main(split("fit nade --data bits.npy --hidden 3 --steps 2 --out unsaved --quiet")) == 0
    for path in sorted(Path("unsaved", "checkpoints").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    yield folder
    os.chdir(before)


def split(text: str) -> list[str]:
    return text.split()


BYTE = "\udcff"  # how Python shows a byte that is no text
THINGS = split("bits.npy reals.npy table.csv words.txt empty run unsaved nowhere . digits-binary bars ring mnist")
THINGS += [*split("/dev/null run/run.json /proc/self/mem ~"), f"surrogate-{BYTE}"]
VALUES = split("0 1 2 -1 -0 1e3 nan inf -inf 9999999999999999999999999 1.5 x é true None -- - = a=b fold=3 n=9")
VALUES += split("label=kind label=3 size=x valid=nan levels=4 sequence_length=5 train test cpu cuda cosine bfloat16")
VALUES += [*split("x.png x.npy x.csv x.txt run/x.png no/x.npy"), "", " ", BYTE]
FLAGS = split(
    "--help -h --data --out --resume --no-resume --seed --size --data-options --quiet -n --n --json --samples"
)
FLAGS += split("--split --context --draws --importance --models --conditional --hidden --steps --epochs")
FLAGS += split("--batch-size --learning-rate --schedule --warmup --weight-decay --clip --ema --precision --device")
FLAGS += split(
    "--validate-every --validation-events --patience --smoothing --checkpoint-minutes --hiden --datta --_ --= --- --no-"
)
FLAGS += split("--seed= --seed=x --out= --help=3")
QUICK = ["uniform", "independent", "markov", "chow-liu", "gaussian", "nade"]
WORDS = {
    "models": st.just(["models"]),
    "data": st.sampled_from(THINGS).map(lambda thing: ["data", thing]),
    "figure": st.sampled_from(["", "entropi", "x", *VALUES]).map(lambda name: ["figure", name]),
    "fit": st.tuples(
        st.sampled_from([*QUICK, *QUICK, *RECIPES, "nadee", ""]),
        st.sampled_from(THINGS),
        st.sampled_from(["0", "1", "2"]),
    ).map(lambda w: ["fit", w[0], "--data", w[1], *(["--steps", w[2]] if w[0] in ("nade", "nadee") else [])]),
    "sample": st.sampled_from(THINGS).map(lambda thing: ["sample", thing]),
    "score": st.sampled_from(THINGS).map(lambda thing: ["score", thing]),
    "evaluate": st.sampled_from(THINGS).map(lambda thing: ["evaluate", thing, "--samples", "40"]),
    "compare": st.sampled_from(THINGS).map(lambda t: ["compare", t, "--models", "independent", "--minutes", "0.001"]),
    "reproduce": st.sampled_from(VALUES).map(lambda name: ["reproduce", f"x{name}"]),
    "other": st.sampled_from([*VALUES, *FLAGS, "fitt", "Fit", "help", "--version"]).map(lambda word: [word]),
}


@st.composite
def commands(draw: st.DrawFn) -> list[str]:
    words = [*draw(st.one_of(*WORDS.values()))]
    for _ in range(draw(st.integers(0, 3))):
        words += [draw(st.sampled_from(FLAGS))]
        if draw(st.integers(0, 4)):
            words += [draw(st.sampled_from([*VALUES, *THINGS]))]
    if draw(st.integers(0, 7)) == 0 and len(words) > 1:
        del words[draw(st.integers(1, len(words) - 1))]
    if draw(st.integers(0, 7)) == 0:
        words.insert(draw(st.integers(0, len(words))), draw(st.text(max_size=4)))
    return words


def is_long(words: list[str]) -> bool:
    """Commands that do as they are told and take long."""
    trained = words[:1] == ["fit"] and len(words) > 1 and words[1] in set(RECIPES) - set(QUICK[:-1])
    asked = [word for word, flag in zip(words[1:], words, strict=False) if flag in ("--steps", "--epochs", "--minutes")]
    large = {"1e3", "9" * 25, "inf"} & set(words)
    return (
        bool(large)
        or (words[:1] == ["reproduce"] and len(words) == 1)
        or (trained and "--steps" not in words)
        or (trained and any(word not in ("0", "1", "2") for word in asked))
    )


def answered(capsys: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str]:
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = main(words)
    out, err = capsys.readouterr()
    assert code in (0, 1, 2, 130), (code, words)
    assert "Traceback" not in out + err and "is a fault of ptheta" not in err, (words, err)
    return code, err


def require_sentence(words: list[str], err: str) -> None:
    """The last line, and no other, says in one sentence what is wrong, and does nothing to the terminal."""
    *before, last = err.split("\n")[:-1]
    assert last.startswith("ptheta: ") and last.endswith((".", "?")) and last.isprintable(), (words, err)
    assert not any(line.startswith("ptheta: ") or "─" in line for line in before), (words, err)


def test_a_box_or_a_second_sentence_is_rejected():
    require_sentence([], "data: 3 rows.\nptheta: it is 3.\n")
    for err in (
        "╭─ Error ─╮\n",
        "ptheta: one.\nptheta: two.\n",
        "ptheta: no stop\n",
        "─────\nptheta: one.\n",
        "ptheta: \x1b.\n",
    ):
        with pytest.raises(AssertionError):
            require_sentence([], err)


@examples(120)
@given(commands())
def test_any_command_ends_in_a_sentence(desk: Path, capsys: pytest.CaptureFixture[str], words: list[str]):
    assume(not is_long(words))
    code, err = answered(capsys, words)
    if code == 2:
        require_sentence(words, err)


TRAINING = [  # after fit nade --data bits.npy --steps 1
    "--seed 9999999999999999999999999",
    "--seed -5",
    "--hidden 999999999999999",
    "--hidden 0",
    "--hidden -3",
    "--batch-size 9999999999999999999999999",
    "--learning-rate inf",
    "--learning-rate nan",
    "--weight-decay -1",
    "--clip -1",
    "--warmup -1",
    "--ema nan",
    "--device nonsense",
    "--device meta",
    "--validation-events 0",
    "--validation-events -1",
    "--checkpoint-minutes nan",
    "--out bits.npy",
    "--out bits.npy/x",
]
ODD = [
    "sample run -n 9999999999999999999999999",
    "sample run -n 100000000000",
    "sample run --seed 9999999999999999999999999",
    "sample run --seed -1 --out x.npy",
    "fit nade --data bits.npy --epochs nan",
    "fit nade --data bits.npy --epochs inf",
    "fit nade --data bits.npy --minutes nan",
    "fit nade --data surrogate-\udcff",
    "fit markov --data bits.npy --out run-\udcff",
    "fit markov --data bits.npy --smoothing nan --out markov-nan",
    "fit markov --data bits.npy --smoothing -1 --out markov-minus",
    "fit kde --data reals.npy --seed 9999999999999999999999999 --out kde-large",
    "fit gaussian-mixture --data reals.npy --components 0 --out mixture-0",
    "fit gaussian-mixture --data reals.npy --components 999 --out mixture-999",
    "evaluate run --samples -1",
    "evaluate run --samples 9999999999999999999999999",
    "evaluate run --draws 0",
    "evaluate run --importance -1",
    "evaluate run --seed 9999999999999999999999999",
    "evaluate unsaved",
    "score unsaved",
    "sample unsaved",
    "compare bits.npy --minutes nan",
    "compare bits.npy --minutes -1",
    "compare bits.npy --minutes 0.001 --models uniform --samples -5 --out c1",
    "compare bits.npy --minutes 0.001 --models uniform --seed 9999999999999999999999999 --out c2",
    "compare bits.npy --models uniform --out bits.npy",
    "data bits.npy --out empty",
    "data bits.npy --size 3",
    "data bits.npy --out \udcff.png",
    "figure entropy --out x.xyz",
    "figure entropy --out empty",
    "sample run --out empty",
    "fit",
    "fit --data bits.npy",
    "\udcff",
    "data words.txt --data-options sequence_length=nan",
    "data words.txt --data-options sequence_length=1e999",
    "data words.txt --data-options sequence_length=\xb2",
    "data words.txt --data-options valid=inf",
    "data bars --data-options size=1e9",
    "data bars --data-options n=999999999999999999999",
]
ODDER: list[list[str]] = [
    ["figure", "entropy", "--out", ""],
    ["sample", "run", "--out", ""],
    ["score", "run", "--out", ""],
    ["score", "run", "--data", ""],
    ["sample", ""],
    ["sample", "a\x00b"],
    [],
    [""],
    ["\x00"],
    ["fit", "nade", "--data", "bits.npy", "--steps", "1", "--out", "x" * 300],
    ["fit", "nade", "--data", "bits.npy", "--steps", "1", "--out", "a\x00b"],
]


COMMANDS = [
    *(split(f"fit nade --data bits.npy --steps 1 {words}") for words in TRAINING),
    *map(split, ODD),
    *ODDER,
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[-50:].encode("unicode_escape").decode())
def test_odd_values(desk: Path, capsys: pytest.CaptureFixture[str], words: list[str]):
    code, err = answered(capsys, words)
    if code == 2:
        require_sentence(words, err)
