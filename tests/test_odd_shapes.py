"""Every autoregressive model on shapes and ranges that are easily got wrong, with a class that must reach all."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import laws
from cases import shaken, toy_events
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

CLASSES = {"context_space": Classes(3)}
IMAGES: dict[str, Callable[[Space], Any]] = {
    "Row LSTM": lambda s: RowLSTM(s, hidden=4 * s.shape[0], layers=1, kernel=3, **CLASSES),
    "diagonal BiLSTM": lambda s: DiagonalBiLSTM(s, hidden=4 * s.shape[0], layers=1, kernel=3, **CLASSES),
    "PixelCNN": lambda s: PixelCNN(s, hidden=8 * s.shape[0], blocks=1, position=True, **CLASSES),
    "gated PixelCNN": lambda s: GatedPixelCNN(s, hidden=4 * s.shape[0], layers=2, position=True, **CLASSES),
    "PixelCNN++": lambda s: PixelCNNPP(s, width=4, blocks=1, scales=2, components=2, **CLASSES),
}
VECTORS: dict[str, Callable[[Space], Any]] = {
    "FVBN": lambda s: FVBN(s, **CLASSES),
    "NADE": lambda s: NADE(s, hidden=6, **CLASSES),
    "MADE": lambda s: MADE(s, hidden=(20,), masks=2, direct=True, **CLASSES),
    "EoNADE": lambda s: EoNADE(s, hidden=(8,), orders=3, **CLASSES),
    "LSTM": lambda s: RNN(s, hidden=6, **CLASSES),
    "GRU with places": lambda s: RNN(s, hidden=6, layers=2, cell="gru", positions=2, **CLASSES),
    "transformer": lambda s: Transformer(s, width=4, layers=1, heads=2, **CLASSES),
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
PAIRS += [("RNN-NADE", lambda s: RNNNADE(s, hidden=4, units=6, **CLASSES), space) for space in FRAMES]
UNSUPPORTED = {"PixelCNN++": (Symbols,), "FVBN": (Real,), "transformer": (Real,)}
PAIRS = [pair for pair in PAIRS if not isinstance(pair[2], UNSUPPORTED.get(pair[0], ()))]


@pytest.mark.parametrize(
    ("make", "space"), [pytest.param(make, space, id=f"{name}, {space}") for name, make, space in PAIRS]
)
def test_odd_shapes_keep_the_laws(make: Callable[[Space], Any], space: Space):
    with seeded(0):
        model = shaken(make(space), 0.3)
    x, c = toy_events(model, 6)[0], torch.arange(6) % 3
    assert model.log_prob(x, c).shape == (6,) and bool(torch.isfinite(model.log_prob(x, c)).all())
    assert model.sample(0, c[:0], noise=Noise(0)).shape == (0, *space.shape)
    if isinstance(model, Autoregressive):
        laws.samplers_agree(model, c)
        cells = space.cells(x)[:, model.order]
        moved = model.conditionals(cells, c) != model.conditionals(cells, (c + 1) % 3)
        assert bool(moved.any(2).any(0).all()), "a class does not reach every conditional"
    else:
        drawn = [model.sample(6, c, noise=Noise(1), method=method) for method in ("naive", "cached")]
        laws.same(*drawn, "the cached sampler draws other events than the naive one")
    if space.is_discrete and space.n**space.dimensions < 5000:
        laws.probabilities_sum_to_one(model)
