"""Autoregressive models: the chain rule, and how its conditionals share weights."""

from ptheta.autoregressive.autoregressive import Autoregressive
from ptheta.autoregressive.fvbn import FVBN
from ptheta.autoregressive.nade import NADE
from ptheta.autoregressive.orders import pixel_order
from ptheta.autoregressive.sampling import Choice, fixed_point, naive

__all__ = ["FVBN", "NADE", "Autoregressive", "Choice", "fixed_point", "naive", "pixel_order"]
