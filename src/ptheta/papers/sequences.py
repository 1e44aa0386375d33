"""Rows of sequence models: characters of Shakespeare, and Bach's chorales.

Training events are windows of one length; test scores are of longer ones, since recurrent weights do not depend on the
length: whole chorales, and 512 characters at a time. Settings were chosen on validation; reported are test events.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptheta.papers.row import Row

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ROWS", "jsb_per_step", "shakespeare_per_character"]

MUSIC = "Modeling Temporal Dependencies in High-Dimensional Sequences (Boulanger-Lewandowski, Bengio & Vincent, 2012); "
STEP = "nats per step of the test chorales, each scored whole"
CHARACTER = "nats per character of the last tenth, in pieces of 512"


def shakespeare_per_character(seed: int, folder: Path, *, length: int = 512, **training: Any) -> float:
    """Trains two layers of 256 LSTM units on windows of 128 characters.

    Args:
        seed: Names every draw.
        folder: Where the run is kept.
        length: How many characters the test pieces have; the state starts empty in each.
        **training: Fields of ``Training`` that override the recipe's.

    Returns:
        The negative log-likelihood of the test characters, in nats per character.
    """
    from ptheta.data import load
    from ptheta.papers.fitting import fitted

    dials, window = {"dropout": 0.2}, {"sequence_length": 128, "valid_inside": True}
    data = load("shakespeare", **window)
    model = fitted("rnn", data, folder, seed, dials=dials, training=training, data_options=window)
    test = data.test.x.flatten()
    pieces = test[: len(test) // length * length].reshape(-1, length)
    return per_step("rnn", model, list(pieces), dials)


def jsb_per_step(dials: dict[str, Any], seed: int, folder: Path, **training: Any) -> float:
    """Trains a recurrent network over frames on windows of 32 quarter notes.

    Args:
        dials: Dials of the recipe ``rnn-nade``.
        seed: Names every draw.
        folder: Where the run is kept.
        **training: Fields of ``Training`` that override the recipe's.

    Returns:
        The negative log-likelihood in nats per step, the mean over all steps of the test chorales.
    """
    from ptheta.data import load
    from ptheta.data.music import jsb_pieces
    from ptheta.papers.fitting import fitted

    model = fitted("rnn-nade", load("jsb"), folder, seed, dials=dials, training=training)
    return per_step("rnn-nade", model, jsb_pieces("test"), dials)


def per_step(name: str, model: Any, pieces: "Sequence[Tensor]", dials: dict[str, Any]) -> float:
    """Minus the mean log-probability of a step, of pieces of any length, by the same weights."""
    from dataclasses import replace

    import torch

    from ptheta.papers.fitting import built

    by_length: dict[int, list[Tensor]] = {}
    for piece in pieces:
        by_length.setdefault(len(piece), []).append(piece)
    weights = {key: value for key, value in model.state_dict().items() if key != "order"}
    total = 0.0
    for length, group in by_length.items():
        space = replace(model.space, shape=(length, *model.space.shape[1:]))
        longer = built(name, space, dials)
        longer.load_state_dict({**longer.state_dict(), **weights})
        with torch.no_grad():
            for chunk in torch.stack(group).split(50):
                total += float(longer.log_prob(chunk).double().sum())
    return -total / sum(map(len, pieces))


ROWS = (
    Row(
        name="rnn-shakespeare",
        paper=1.671,
        pass_line=1.60,
        rule="at most",
        unit=CHARACTER,
        data="shakespeare",
        model="rnn",
        seconds=750.0,
        source="The anchor is the best table of character n-grams, a 4-gram. Two layers of 256 LSTM units, 24 epochs "
        "over the first nine tenths, of which every twentieth chunk chooses the weights.",
        run=partial(shakespeare_per_character, epochs=24, batch_size=32, precision="auto"),
    ),
    Row(
        name="rnn-jsb",
        paper=8.43,
        pass_line=8.6,
        rule="at most",
        unit=STEP,
        data="jsb",
        model="rnn-nade",
        seconds=80.0,
        source="An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling "
        "(Bai, Kolter & Koltun, 2018): a GRU whose keys are independent given the past.",
        run=partial(jsb_per_step, {"hidden": 0, "dropout": 0.2}, epochs=120, learning_rate=4e-3),
    ),
    Row(
        name="rnn-nade-jsb",
        paper=5.56,
        pass_line=6.5,
        rule="at most",
        unit=STEP,
        data="jsb",
        model="rnn-nade",
        seconds=100.0,
        source=MUSIC + "theirs pre-trains both parts, ours trains them at once.",
        run=partial(jsb_per_step, {}, epochs=50, learning_rate=3e-3),
    ),
)
