"""Rows of papers' tables: their number, the line to reach, and the run that answers it.

A row is one number of one paper. ``ROWS`` holds all of them by name, a file per family; ``run_row`` runs one and
``keep`` writes its result beside those of other seeds. Nothing here imports torch before a row runs.
"""

from ptheta.papers.row import Found, Row, shown
from ptheta.papers.rows import ROWS, find_row
from ptheta.papers.running import keep, kept, run_row

__all__ = ["ROWS", "Found", "Row", "find_row", "keep", "kept", "run_row", "shown"]
