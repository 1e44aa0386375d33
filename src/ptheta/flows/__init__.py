"""Explicit, tractable: flows, invertible maps from events to noise."""

from ptheta.flows.flow import Bijection, Flow
from ptheta.flows.maf import MAF
from ptheta.flows.realnvp import RealNVP
from ptheta.flows.spline import SplineFlow
from ptheta.flows.tabular import TableFlow

__all__ = ["MAF", "Bijection", "Flow", "RealNVP", "SplineFlow", "TableFlow"]
