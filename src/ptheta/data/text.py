"""Text as events: chunks of characters, or lines.

Running text is cut in order into chunks of ``sequence_length`` characters that do not overlap: the first train, then
some validate, the last test. A list, a line an event, is split at random. The vocabulary is every character that
occurs, sorted; the space names it.
"""

from pathlib import Path

import numpy as np
import torch

from ptheta.data.dataset import Dataset, Events
from ptheta.data.splits import split_events
from ptheta.data.store import File, locate
from ptheta.data.unpack import most_bytes, read_bytes
from ptheta.spaces import Symbols, Tokens

__all__ = ["read_text", "shakespeare"]

SHAKESPEARE = File(
    "tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
)
LENGTH = 64  # characters of an event, unless asked for
EVERY = 20  # chunks, of which one validates where chunks inside the training text do


def read_text(
    path: Path,
    *,
    sequence_length: int | None = None,
    lines: bool | None = None,
    valid: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Reads a UTF-8 text file as sequences of characters.

    Args:
        path: The file.
        sequence_length: How many characters one event has: 64 if None; where lines are events, the longest line.
        lines: Whether each line is an event of its own, filled up to the longest, and the lines are split at random;
            if None, they are where no line has a space in it and their lengths differ, as in a list of names.
        valid: The fraction of the text to choose on, before the test part; 0 for none.
        test: The fraction of the text to report on, at the end; 0 for none.
        seed: Names the split of lines; running text is cut in order.

    Returns:
        Events of ``Tokens(sequence_length, characters)``.
    """
    text = _decode(path)
    if sequence_length is not None and sequence_length < 1:
        raise ValueError(f"sequence_length should be at least 1, but it is {sequence_length}.")
    if not (0 <= valid < 1 and 0 <= test < 1):
        raise ValueError(f"valid and test should be fractions from 0 to 1, but they are {valid} and {test}.")
    if lines is None:
        lines = _is_list(text)
    if lines:
        return _lines(path, text, sequence_length, valid, test, seed)
    length = sequence_length or LENGTH
    chunks = len(text) // length
    n_test, n_valid = round(test * chunks), round(valid * chunks)
    sizes = (chunks - n_test - n_valid, n_valid, n_test)
    if chunks < 1 or (n_test < 1 and test) or (n_valid < 1 and valid) or sizes[0] < 1:
        raise ValueError(
            f"{path} has {len(text)} characters, too few for training, validation and test sequences of {length} "
            "characters each; give a longer text or a smaller sequence_length, or lines=true if each line is an event."
        )
    tokens, letters = _tokens([text], 1)
    x = tokens[: chunks * length].reshape(chunks, length)
    space = Tokens(length, letters.n, letters.names)
    first, middle, last = (Events(x, rows=torch.arange(chunks))[rows] for rows in torch.arange(chunks).split(sizes))
    held = ", the last tenths or so for validation and test" if n_test and n_valid else ""
    note = (
        f"The {len(text)} characters ({space.n} distinct) were cut in order into chunks of {length}{held}; "
        f"{len(text) - chunks * length} left-over characters at the end were dropped."
    )
    if text.count("\n") >= chunks // 2:
        note += " With lines=true each line is an event instead."
    about, decided = f"The text {path.name}.", {"lines": False, "sequence_length": length}
    return Dataset(path.stem, space, first, middle, last, description=about, notes=(note,), decided=decided)


def _is_list(text: str) -> bool:
    """Whether lines are events of their own: none is blank or has a space in it, and their lengths differ."""
    lines = text.splitlines()
    words = len(lines) >= 3 and all(line and not any(map(str.isspace, line)) for line in lines)
    return words and len({len(line) for line in lines[:-1]}) > 1  # a sequence that is wrapped has lines of one length


def _lines(path: Path, text: str, length: int | None, valid: float, test: float, seed: int) -> Dataset:
    """Each line that is not blank as an event, filled up with padding, whose name is no characters at all."""
    numbered = [(k, line) for k, line in enumerate(text.splitlines()) if line]
    longest = max((len(line) for _, line in numbered), default=0)
    if not numbered:
        raise ValueError(f"{path} has no lines that are not blank.")
    if length is not None and longest > length:
        k = next(k for k, line in numbered if len(line) > length)
        raise ValueError(
            f"line {k + 1} of {path} has {len(text.splitlines()[k])} characters, more than the {length} of an event: "
            "give a larger sequence_length, or cut the line."
        )
    length = longest if length is None else length
    if length * len(numbered) * 8 > most_bytes():
        raise ValueError(
            f"the {len(numbered)} lines of {path}, filled up to {length} characters, do not fit in memory: cut the "
            "longest, or say lines=false to cut the text into chunks."
        )
    x, space = _tokens([line for _, line in numbered], length)
    events = Events(x, rows=torch.tensor([k for k, _ in numbered]))
    splits = split_events(events, valid=valid, test=test, seed=seed)
    parted = f"; split at random with seed {seed} into {' / '.join(str(len(s)) for s in splits)} events"
    parted = parted if len(splits[0]) < len(events) else ""
    note = (
        f"Each of {len(numbered)} lines was read as an event, filled up to {length} characters ({space.n} distinct, "
        f"padding included){parted}. Say lines=false to cut the text into chunks instead."
    )
    about, decided = f"The lines of the text {path.name}.", {"lines": True, "sequence_length": length}
    return Dataset(path.stem, space, *splits, description=about, notes=(note,), decided=decided)


def _tokens(texts: list[str], length: int) -> tuple[torch.Tensor, Symbols]:
    """Texts as sequences of one length out of the characters that occur, sorted; what is short is filled up."""
    whole = "".join(texts)
    codes = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), np.uint32)
    alphabet, tokens = np.unique(codes, return_inverse=True)
    names, sizes = [chr(code) for code in alphabet.tolist()], [len(text) for text in texts]
    if len(texts) == 1 and sizes[0] % length == 0:
        return torch.from_numpy(tokens.astype(np.int64).reshape(-1, length)), Tokens(length, len(names), names)
    padded = np.zeros((len(texts), length), np.int64)  # 0 is padding
    padded[np.arange(length) < np.array(sizes)[:, None]] = tokens + 1
    return torch.from_numpy(padded), Tokens(length, len(names) + 1, ("", *names))


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
    text = _decode(locate("shakespeare", SHAKESPEARE))
    tenth = round(0.1 * len(text))
    if not 1 <= sequence_length <= tenth:
        raise ValueError(f"sequence_length should be from 1 to {tenth}, but it is {sequence_length}.")
    tokens, space = _tokens([text], 1)
    cuts = [len(text) - 2 * tenth, tenth, tenth]
    parts = [p[: len(p) // sequence_length * sequence_length] for p in tokens.flatten().split(cuts)]
    train, valid, test = (Events(p.reshape(-1, sequence_length)) for p in parts)
    which = "the last tenth tests, the tenth before validates"
    if valid_inside:
        x = torch.cat([train.x, valid.x])
        validates = torch.arange(len(x)) % EVERY == EVERY // 2
        train, valid = Events(x[~validates]), Events(x[validates])
        which = f"the last tenth tests, every {EVERY}th chunk before it validates"
    text_about = f"Plays in chunks of {sequence_length} characters; {which}."
    left = len(text) - sum(map(len, parts))
    note = f"{left} left-over characters at the ends of the parts were dropped."
    space = Tokens(sequence_length, space.n, space.names)
    return Dataset("shakespeare", space, train, valid, test, description=text_about, notes=(note,))
