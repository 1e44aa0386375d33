"""How words become arguments, and the one sentence that says why they do not."""

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tyro.conf import Positional

from ptheta.cli.options import Help, call
from ptheta.cli.train import fit
from ptheta.recipes import RECIPES, find_recipe
from test_properties import examples
from test_properties_cli import split


def verb(
    run: Positional[Path],
    n: Annotated[int, Help(aliases=["-n"])] = 3,
    rate: float | None = None,
    out_file: Path | None = None,
    name: str = "x",
    cell: Literal["lstm", "gru"] = "lstm",
    kind: Literal["full", "diagonal"] | None = None,
    sizes: tuple[int, ...] | None = None,
    models: tuple[str, ...] = (),
    resume: bool = False,
) -> tuple:
    """Takes one of each kind of option.

    Args:
        run: The run folder.
        n: How many.
        rate: How fast.
        out_file: Where to.
        name: What of.
        cell: Which cell.
        kind: Which kind.
        sizes: How large.
        models: Which ones.
        resume: Whether to go on.
    """
    return run, n, rate, out_file, name, cell, kind, sizes, models, resume


DEFAULTS = (Path("r"), 3, None, None, "x", "lstm", None, None, (), False)


@pytest.mark.parametrize(
    ("words", "place", "value"),
    [
        ("r", 0, Path("r")),
        ("r -n 5", 1, 5),
        ("r -n5", 1, 5),
        ("r --n=-5", 1, -5),
        ("r --rate -1e-3", 2, -1e-3),
        ("r --rate None", 2, None),
        ("r --out_file x.png", 3, Path("x.png")),
        ("--out-file x.png -- r", 3, Path("x.png")),
        ("r --name=--n", 4, "--n"),
        ("r --cell gru", 5, "gru"),
        ("r --kind diagonal", 6, "diagonal"),
        ("r --sizes 3 4", 7, (3, 4)),
        ("r --models a b", 8, ("a", "b")),
        ("r --resume", 9, True),
        ("r --no-resume", 9, False),
    ],
)
def test_words_become_arguments(words, place, value):
    found = call(verb, words.split(), "ptheta verb")
    assert found == (*DEFAULTS[:place], value, *DEFAULTS[place + 1 :])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "ptheta verb needs RUN: The run folder. See ptheta verb --help."),
        ("--n 3", "ptheta verb needs RUN: The run folder. See ptheta verb --help."),
        ("r s", "ptheta verb takes no more words, but 's' was given. See ptheta verb --help."),
        ("r --n many", "--n should be a whole number, but it is 'many'."),
        ("r -n 1.5", "-n should be a whole number, but it is '1.5'."),
        ("r --rate=fast", "--rate should be a number, but it is 'fast'."),
        ("r --rate", "--rate needs a number after it."),
        ("r --out-file --resume", "--out-file needs a path after it."),
        ("r --name", "--name needs a word after it."),
        ("r --cell gruu", "--cell should be one of lstm, gru, but it is 'gruu'. Did you mean gru?"),
        ("r --cell foo", "--cell should be one of lstm, gru, but it is 'foo'."),
        ("r --cell", "--cell needs one of lstm, gru after it."),
        ("r --kind ful", "--kind should be one of full, diagonal, but it is 'ful'. Did you mean full?"),
        ("r --sizes 3 wide", "--sizes should be whole numbers, but one is 'wide'."),
        ("r --sizes", "--sizes needs whole numbers after it."),
        ("r --models --n 3", "--models needs words after it."),
        ("r --resume=yes", "--resume stands alone and takes no value, but 'yes' was given."),
        ("r --resume yes", "ptheta verb takes no more words, but 'yes' was given. See ptheta verb --help."),
        ("r --nmae x", "ptheta verb has no option --nmae. Did you mean --name?"),
        ("r --zzzzzz", "ptheta verb has no option --zzzzzz. See ptheta verb --help."),
        ("r -z", "ptheta verb has no option -z. See ptheta verb --help."),
    ],
)
def test_a_fault_is_one_sentence_with_the_option_what_it_takes_and_the_nearest(words, sentence):
    with pytest.raises(ValueError) as refused:
        call(verb, words.split(), "ptheta verb")
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("toy", "fit takes options only, but 'toy' was given. Did you mean --data toy? See fit --help."),
        ("--resume toy", "fit takes options only, but 'toy' was given. See fit --help."),
    ],
)
def test_data_that_comes_as_a_bare_word_is_told_its_option(words, sentence):
    def fit(*, data: str = "digits", resume: bool = False) -> None:
        """Fits.

        Args:
            data: What to.
            resume: Whether to go on.
        """

    with pytest.raises(ValueError) as refused:
        call(fit, words.split(), "fit")
    assert str(refused.value) == sentence


PIECES = split("r s -n --n -n3 --rate --out-file --out_file --name --cell --kind --sizes --models --resume --no-resume")
PIECES += split("--no-n --hiden -x - -- --- --= --n= --n=3 --cell=gru --cell=foo --resume=1 3 -3 -0.5 -inf 1e3 x None")
PIECES += ["", " ", "=", "lstm", "full", "\udcff", "-\n", "\x1b[2J"]


@examples(150)
@given(st.lists(st.sampled_from(PIECES), max_size=6))
def test_every_refusal_is_explained(words):
    try:
        assert len(call(verb, words, "ptheta verb")) == len(DEFAULTS)
    except ValueError as refused:
        assert "cannot read these words" not in str(refused), words
        assert str(refused).endswith((".", "?"))


def test_what_cannot_be_explained_is_said_in_the_parser_s_words(monkeypatch):
    monkeypatch.setattr("ptheta.cli.options.refusal", lambda *_: None)
    with pytest.raises(ValueError, match=r"^ptheta verb cannot read these words: .*could not convert.*\.$") as refused:
        call(verb, ["r", "--rate", "fast"], "ptheta verb")
    assert str(refused.value).isascii() and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", RECIPES)
def test_every_dial_and_every_training_option_refuses_nonsense_by_name(name, capsys):
    from ptheta.cli import main
    from ptheta.cli.train import OWN, recipe_fields, training_fields

    fields = recipe_fields(find_recipe(name)) | ({**OWN, **training_fields()} if name == "nade" else {})
    for option, (kind, *_) in fields.items():
        flag = f"--{option}".replace("_", "-")
        numeric_or_choice = not any(word in str(kind) for word in ("str", "Path", "bool"))
        if numeric_or_choice:
            assert main(["fit", name, flag, "nonsense"]) == 2
            assert f"ptheta: {flag} should be " in capsys.readouterr().err


def test_help_shows_what_the_recipe_trains_with_on_the_data_that_are_named(capsys: pytest.CaptureFixture[str]):
    def help_of(*words: str) -> str:
        with pytest.raises(SystemExit) as stop:
            fit([*words, "--help"])
        assert not stop.value.code
        return " ".join(re.sub(r"[^\x21-\x7e]+", " ", capsys.readouterr().out).split())

    plain = help_of("pixelcnn")
    assert "ptheta fit pixelcnn --data DATA --help" in plain and "default: None" not in plain and "{None}|" not in plain
    digits, bits = (help_of("pixelcnn", "--data", name) for name in ("digits", "bars"))
    assert "The defaults of training are those on digits." in digits
    assert "Passes over the training events. (default: 60)" in digits and "every objective. (default: 0.002)" in digits
    assert "(default: 32)" in digits and "Passes over the training events. (default: 60)" in bits
    assert "(default: 0 or 0.999)" in help_of("latent-diffusion", "--data", "digits")  # a number for each stage
    assert "defaults of training" not in help_of("independent", "--data", "digits")
