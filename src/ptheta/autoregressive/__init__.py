"""Autoregressive models: the chain rule, and how its conditionals share weights."""

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.fvbn import FVBN
from ptheta.autoregressive.nade import NADE

__all__ = ["FVBN", "NADE", "Autoregressive"]
