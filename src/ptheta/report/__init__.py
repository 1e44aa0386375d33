"""Draws and writes what applications return: pages, tables, pictures; and the figures of the theory."""

from ptheta.report.writing import write

__all__ = ["write"]
