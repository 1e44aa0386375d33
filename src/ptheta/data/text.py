"""Text as events: chunks of characters.

The text is cut in order: first training, then validation, then test, each into chunks of ``sequence_length``
characters that do not overlap. The vocabulary is every character that occurs, sorted; ``class_names`` lists it.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ptheta.data.dataset import Dataset, Events
from ptheta.data.store import File, locate
from ptheta.data.unpack import most_bytes, read_bytes
from ptheta.spaces import Tokens

__all__ = ["read_text", "shakespeare"]

_SHAKESPEARE = File(
    "tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
)
_EVERY = 20  # chunks, of which one validates where chunks inside the training text do


def read_text(path: Path, *, sequence_length: int = 64, valid: float = 0.1, test: float = 0.1) -> Dataset:
    """Reads a UTF-8 text file as sequences of characters.

    Args:
        path: The file.
        sequence_length: How many characters one event has.
        valid: The fraction of the text to choose on, before the test part.
        test: The fraction of the text to report on, at the end.

    Returns:
        Events of ``Tokens(sequence_length, characters)``.
    """
    text = _decode(path)
    if sequence_length < 1:
        raise ValueError(f"sequence_length should be at least 1, but it is {sequence_length}.")
    if not (0 <= valid < 1 and 0 <= test < 1):
        raise ValueError(f"valid and test should be fractions from 0 to 1, but they are {valid} and {test}.")
    n_test, n_valid = round(test * len(text)), round(valid * len(text))
    if min(n_test, n_valid, len(text) - n_test - n_valid) < sequence_length:
        raise ValueError(
            f"{path} has {len(text)} characters, too few for training, validation and test sequences of "
            f"{sequence_length} characters each; give a longer text or a smaller sequence_length."
        )
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    alphabet, tokens = np.unique(codes, return_inverse=True)
    cuts = (len(text) - n_test - n_valid, len(text) - n_test)
    parts = [p[: len(p) // sequence_length * sequence_length] for p in np.split(tokens.astype(np.int64), cuts)]
    train, validate, held = (Events(torch.from_numpy(p.copy()).reshape(-1, sequence_length)) for p in parts)
    note = (
        f"The {len(text)} characters ({len(alphabet)} distinct) were cut in order into chunks of {sequence_length}, "
        f"the last tenths or so for validation and test; {len(text) - sum(map(len, parts))} left-over characters "
        "at the ends of the parts were dropped."
    )
    space = Tokens(sequence_length, len(alphabet))
    names = tuple(map(chr, alphabet.tolist()))
    about = f"The text {path.name}."
    return Dataset(path.stem, space, train, validate, held, description=about, notes=(note,), class_names=names)


def _decode(path: Path) -> str:
    raw = read_bytes(path, most_bytes() // 12)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text: byte {raw[error.start]:#04x} at position {error.start} is not allowed there; "
            "save it as UTF-8."
        ) from None


def shakespeare(*, sequence_length: int = 64, valid_inside: bool = False) -> Dataset:
    """A million characters of Shakespeare.

    Args:
        sequence_length: How many characters one event has.
        valid_inside: Whether every twentieth chunk before the last tenth validates and all others train, so that a
            model sees all plays before the test part, as those do that papers report; else the tenth before it.

    Returns:
        The last tenth, on which char-rnn and nanoGPT report, to test; what comes before to train and validate.
    """
    data = read_text(locate("shakespeare", _SHAKESPEARE), sequence_length=sequence_length)
    which = "the last tenth tests, the tenth before validates"
    if valid_inside:
        x = torch.cat([data.train.x, data.valid.x])
        validates = torch.arange(len(x)) % _EVERY == _EVERY // 2
        data = replace(data, train=Events(x[~validates]), valid=Events(x[validates]))
        which = f"the last tenth tests, every {_EVERY}th chunk before it validates"
    text = f"Plays in chunks of {sequence_length} characters; {which}."
    return replace(data, name="shakespeare", description=text)
