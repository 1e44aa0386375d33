"""Where the printers read and write."""

from pathlib import Path

__all__ = ["DOCS", "RESULTS", "ROOT"]

ROOT = Path(__file__).resolve().parents[2]
DOCS, RESULTS = ROOT / "docs", ROOT / "benchmarks" / "results"
