"""Sizes that make no model are refused in a sentence, by the constructors and so by the command line."""

from collections.abc import Callable
from typing import Any

import pytest

from ptheta.autoregressive import (
    NADE,
    RNN,
    RNNNADE,
    DiagonalBiLSTM,
    GatedPixelCNN,
    PixelCNN,
    PixelCNNPP,
    RowLSTM,
    Transformer,
)
from ptheta.distributions.heads import GaussianMixtureHead, LogisticMixtureHead
from ptheta.flows import MAF, RealNVP, SplineFlow
from ptheta.spaces import Binary, Real

IMAGE, BITS, REALS = Binary((1, 4, 4)), Binary((2, 3)), Real((3,))
SIZES: dict[str, tuple[Callable[[int], Any], tuple[int, ...]]] = {  # how to build with a size, and what is too small
    "hidden of NADE": (lambda n: NADE(BITS, hidden=n), (0, -3)),
    "hidden of RNN": (lambda n: RNN(BITS, hidden=n), (0,)),
    "layers of RNN": (lambda n: RNN(BITS, layers=n), (0, -1)),
    "recurrent_hidden of RNN-NADE": (lambda n: RNNNADE(BITS, recurrent_hidden=n), (0,)),
    "layers of RNN-NADE": (lambda n: RNNNADE(BITS, layers=n), (0,)),
    "hidden of RNN-NADE": (lambda n: RNNNADE(BITS, hidden=n), (-1,)),
    "width of the transformer": (lambda n: Transformer(BITS, width=n), (0,)),
    "layers of the transformer": (lambda n: Transformer(BITS, layers=n), (0, -1)),
    "heads of the transformer": (lambda n: Transformer(BITS, heads=n), (0, -1)),
    "width of PixelCNN": (lambda n: PixelCNN(IMAGE, width=n), (0,)),
    "layers of PixelCNN": (lambda n: PixelCNN(IMAGE, layers=n), (-1,)),
    "kernel of PixelCNN": (lambda n: PixelCNN(IMAGE, kernel=n), (0, 4)),
    "middle of PixelCNN": (lambda n: PixelCNN(IMAGE, middle=n), (0, 4)),
    "width of GatedPixelCNN": (lambda n: GatedPixelCNN(IMAGE, width=n), (0,)),
    "layers of GatedPixelCNN": (lambda n: GatedPixelCNN(IMAGE, layers=n), (0, -2)),
    "kernel of GatedPixelCNN": (lambda n: GatedPixelCNN(IMAGE, kernel=n), (4,)),
    "width of PixelCNNPP": (lambda n: PixelCNNPP(IMAGE, width=n), (0,)),
    "layers of PixelCNNPP": (lambda n: PixelCNNPP(IMAGE, layers=n), (0,)),
    "scales of PixelCNNPP": (lambda n: PixelCNNPP(IMAGE, scales=n), (0, -1)),
    "components of PixelCNNPP": (lambda n: PixelCNNPP(IMAGE, components=n), (0,)),
    "hidden of RowLSTM": (lambda n: RowLSTM(IMAGE, hidden=n), (0,)),
    "layers of DiagonalBiLSTM": (lambda n: DiagonalBiLSTM(IMAGE, layers=n), (0, -2)),
    "kernel of RowLSTM": (lambda n: RowLSTM(IMAGE, kernel=n), (2,)),
    "layers of RealNVP": (lambda n: RealNVP(REALS, layers=n), (0, -1)),
    "hidden of RealNVP": (lambda n: RealNVP(REALS, hidden=(8, n)), (0,)),
    "layers of MAF": (lambda n: MAF(REALS, layers=n), (0,)),
    "hidden of MAF": (lambda n: MAF(REALS, hidden=(n,)), (0, -5)),
    "layers of SplineFlow": (lambda n: SplineFlow(REALS, layers=n), (0,)),
    "components of a mixture": (lambda n: GaussianMixtureHead(n), (0,)),
    "components of a mixture of levels": (lambda n: LogisticMixtureHead(40, n), (-1,)),
}


@pytest.mark.parametrize("what", SIZES)
def test_sizes_that_make_no_model_are_refused(what: str):
    build, bad = SIZES[what]
    for size in bad:
        with pytest.raises(ValueError, match=f"{what.removesuffix(' of levels')} should be .*, but it is {size}."):
            build(size)
