"""Every autoregressive model on shapes and ranges that are easily got wrong, given a class or a picture."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import laws
from cases import shaken
from ptheta.autoregressive import (
    FVBN,
    MADE,
    NADE,
    RNN,
    RNNNADE,
    Autoregressive,
    DiagonalBiLSTM,
    EoNADE,
    GatedPixelCNN,
    PixelCNN,
    PixelCNNPP,
    RowLSTM,
    Transformer,
)
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols
from toy_law import toy_events

Make = Callable[[Space, Space], Any]

CLASSES, PICTURE = Classes(3), Levels((2, 2, 3), 3)
IMAGES: dict[str, Make] = {
    "Row LSTM": lambda s, c: RowLSTM(s, hidden=4 * s.shape[0], layers=1, kernel=3, context_space=c),
    "diagonal BiLSTM": lambda s, c: DiagonalBiLSTM(s, hidden=4 * s.shape[0], layers=1, kernel=3, context_space=c),
    "PixelCNN": lambda s, c: PixelCNN(s, width=8 * s.shape[0], layers=1, position=True, context_space=c),
    "gated PixelCNN": lambda s, c: GatedPixelCNN(s, width=4 * s.shape[0], layers=2, position=True, context_space=c),
    "PixelCNN++": lambda s, c: PixelCNNPP(s, width=4, layers=1, scales=2, components=2, context_space=c),
}
VECTORS: dict[str, Make] = {
    "FVBN": lambda s, c: FVBN(s, context_space=c),
    "NADE": lambda s, c: NADE(s, hidden=6, context_space=c),
    "MADE": lambda s, c: MADE(s, hidden=(20,), masks=2, direct=True, context_space=c),
    "EoNADE": lambda s, c: EoNADE(s, hidden=(8,), orders=3, context_space=c),
    "LSTM": lambda s, c: RNN(s, hidden=6, context_space=c),
    "GRU with places": lambda s, c: RNN(s, hidden=6, layers=2, cell="gru", positions=2, context_space=c),
    "transformer": lambda s, c: Transformer(s, width=4, layers=1, heads=2, context_space=c),
}
SHAPES = [
    Binary((1, 5, 3)),
    Symbols((1, 7, 1), 3),
    Levels((1, 1, 7), 40),
    Levels((1, 1, 1), 256),
    Levels((3, 2, 3), 256),
    Binary((3, 1, 2)),
]
FRAMES = [Binary((3, 2)), Symbols((1, 4), 3), Levels((4, 1), 40), Levels((1, 1), 256)]
PAIRS = [(name, make, space) for name, make in (IMAGES | VECTORS).items() for space in SHAPES]
PAIRS += [(name, make, space) for name, make in VECTORS.items() for space in (Binary(()), Symbols((), 4), Real(()))]
PAIRS += [
    ("RNN-NADE", lambda s, c: RNNNADE(s, hidden=4, recurrent_hidden=6, context_space=c), space) for space in FRAMES
]
UNSUPPORTED = {"PixelCNN++": (Symbols,), "FVBN": (Real,), "transformer": (Real,)}
PAIRS = [pair for pair in PAIRS if not isinstance(pair[2], UNSUPPORTED.get(pair[0], ()))]
TRIPLES = [(*pair, CLASSES) for pair in PAIRS] + [(*pair, PICTURE) for pair in PAIRS if pair[0] in IMAGES]


@pytest.mark.parametrize(
    ("make", "space", "given"),
    [pytest.param(make, space, given, id=f"{name}, {space}, {given}") for name, make, space, given in TRIPLES],
)
def test_odd_shapes_keep_the_laws(make: Make, space: Space, given: Levels | Symbols):
    with seeded(0):
        model = shaken(make(space, given), 0.3)
    x, c = toy_events(model, 6)
    c = torch.arange(6) % 3 if given is CLASSES else c
    assert model.log_prob(x, c).shape == (6,) and bool(torch.isfinite(model.log_prob(x, c)).all())
    assert model.sample(0, c[:0], noise=Noise(0)).shape == (0, *space.shape)
    if isinstance(model, Autoregressive):
        laws.samplers_agree(model, c)
        cells = space.cells(x)[:, model.order]
        moved = model.conditionals(cells, c) != model.conditionals(cells, (c + 1) % 3)
        assert bool(moved.any(2).any(0).all()), "a context does not reach every conditional"
    else:
        drawn = [model.sample(6, c, noise=Noise(1), method=method) for method in ("naive", "cached")]
        laws.same(*drawn, "the cached sampler draws other events than the naive one")
    if space.is_discrete and space.n**space.dimensions < 5000:
        laws.probabilities_sum_to_one(model)
