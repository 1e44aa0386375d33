"""Music as events: piano rolls, one row of 88 keys per time step."""

import json
from typing import Literal

import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.data.store import File, locate
from ptheta.spaces import Binary

__all__ = ["KEYS", "jsb", "jsb_pieces"]

KEYS, LOWEST = 88, 21  # a piano's keys, and the MIDI number of the lowest

JSB = File(
    "music/jsb_chorales/jsb-chorales-quarter.json",
    "2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91",
    "https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/master/jsb-chorales-quarter.json",
)


def jsb_pieces(split: Literal["train", "valid", "test"]) -> list[Tensor]:
    """The chorales of a split of JSB Chorales, whole.

    Args:
        split: Which of the splits of Boulanger-Lewandowski et al. (2012): 229, 76 and 77 chorales.

    Returns:
        Piano rolls, uint8 with shape (steps, 88) each; a step is a quarter note.
    """
    pieces = json.loads(locate("jsb", JSB).read_bytes())[split]
    rolls = []
    for piece in pieces:
        roll = torch.zeros(len(piece), KEYS, dtype=torch.uint8)
        for t, chord in enumerate(piece):
            roll[t, [pitch - LOWEST for pitch in chord]] = 1
        rolls.append(roll)
    return rolls


def jsb(*, frames: int = 32) -> Dataset:
    """Bach's chorales as windows of piano roll.

    Args:
        frames: How many quarter notes one event has.

    Returns:
        Events of ``Binary((frames, 88))``: the windows of a piece follow one another from its start, the last one ends
        where the piece ends, so it may overlap the one before.
    """
    if not 1 <= frames <= 100:
        raise ValueError(f"frames should be between 1 and 100, but it is {frames}.")
    splits, short = [], 0
    for split in ("train", "valid", "test"):
        pieces = jsb_pieces(split)
        short += sum(len(piece) < frames for piece in pieces)
        starts = [sorted({*range(0, len(p) - frames + 1, frames), len(p) - frames}) for p in pieces]
        windows = [p[s : s + frames] for p, at in zip(pieces, starts, strict=True) if len(p) >= frames for s in at]
        splits.append(Events(torch.stack(windows)))
    notes = (f"{short} of 382 chorales are shorter than {frames} quarter notes and were left out.",) if short else ()
    text = f"Bach's chorales, {frames} quarter notes of 88 keys, in the split of Boulanger-Lewandowski et al. (2012)."
    return Dataset("jsb", Binary((frames, KEYS)), *splits, description=text, notes=notes)
