"""Autoregressive models: the chain rule, and how its conditionals share weights."""

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.diagonal_bilstm import DiagonalBiLSTM
from ptheta.autoregressive.eonade import EoNADE
from ptheta.autoregressive.fvbn import FVBN
from ptheta.autoregressive.gated_pixelcnn import GatedPixelCNN
from ptheta.autoregressive.made import MADE
from ptheta.autoregressive.nade import NADE
from ptheta.autoregressive.orders import pixel_order
from ptheta.autoregressive.pixelcnn import PixelCNN
from ptheta.autoregressive.pixelcnnpp import PixelCNNPP
from ptheta.autoregressive.rnn import RNN
from ptheta.autoregressive.rnn_nade import RNNNADE
from ptheta.autoregressive.row_lstm import RowLSTM
from ptheta.autoregressive.sampling import Choice, fixed_point, naive
from ptheta.autoregressive.transformer import Transformer

__all__ = [
    "FVBN",
    "MADE",
    "NADE",
    "RNN",
    "RNNNADE",
    "Autoregressive",
    "Choice",
    "DiagonalBiLSTM",
    "EoNADE",
    "GatedPixelCNN",
    "PixelCNN",
    "PixelCNNPP",
    "RowLSTM",
    "Transformer",
    "fixed_point",
    "naive",
    "pixel_order",
]
