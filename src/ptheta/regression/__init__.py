"""Regression: every variable on its own, given what is given. The floor of all conditional models."""

from ptheta.regression.regression import Regression

__all__ = ["Regression"]
