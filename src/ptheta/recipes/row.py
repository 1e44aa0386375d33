"""A row of a paper's table: their number, the line we must reach, and how to run it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

__all__ = ["Row"]


@final
@dataclass(frozen=True)
class Row:
    """One number of one paper, and the run that answers it.

    Args:
        name: What ``ptheta reproduce`` calls it.
        paper: The paper's number, or the anchor it should meet.
        pass_line: What counts as reproduced.
        rule: Whether ours must be at most or at least the line, or within that distance of the paper's number.
        unit: What is measured.
        data: The data set's name.
        model: The recipe's name.
        settings: The recipe's dials.
        training: Fields of ``Training`` that override the recipe's.
        importance: Importance samples of the bound to report, or None.
        seconds: The expected seconds on two cores.
        gpu_seconds: The expected seconds on one GPU; None where a GPU would not help.
        small: For a row whose budget is a GPU's: the smaller version that runs without one. It has a name, a line and
            a source of its own, and never claims the paper's row.
        source: Authors, year and title, with what was chosen on validation.
        run: For rows that are not one fit and one test likelihood: takes a seed and a folder for runs, returns our
            number.
    """

    name: str
    paper: float
    pass_line: float
    rule: Literal["at most", "at least", "within"]
    unit: str
    data: str
    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    importance: int | None = None
    seconds: float = 60.0
    gpu_seconds: float | None = None
    small: "Row | None" = None
    source: str = ""
    run: Callable[[int, Path], float] | None = None

    @property
    def pass_text(self) -> str:
        """The pass line in words."""
        return f"{self.rule} {self.pass_line:g}"

    def passed(self, ours: float) -> bool:
        """Whether our number reaches the line."""
        if self.rule == "at most":
            return ours <= self.pass_line
        if self.rule == "at least":
            return ours >= self.pass_line
        return abs(ours - self.paper) <= self.pass_line
