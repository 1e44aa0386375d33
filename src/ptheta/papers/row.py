"""A row of a paper's table: their number, the line we must reach, how to run it, and what a run found."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

__all__ = ["Found", "Row", "shown"]


@final
@dataclass(frozen=True)
class Found:
    """What a run of a row found.

    Args:
        value: Our number, in the row's unit.
        details: Further numbers by what they are, units included, such as error half-widths and other metrics.
    """

    value: float
    details: dict[str, float] = field(default_factory=dict)


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
        dials: The recipe's dials.
        training: Fields of ``Training`` that override the recipe's.
        seconds: The expected seconds on two cores.
        gpu_seconds: The expected seconds on one GPU; None where a GPU would not help.
        small: For a row whose budget is a GPU's: the smaller version that runs without one. It has a name, a line and
            a source of its own, and never claims the paper's row.
        source: Authors, year and title, with what was chosen on validation.
        run: For rows that are not one fit and one test likelihood: takes a seed and a folder for runs, returns our
            number, alone or with further ones.
        floor: What is had for nothing, and a word of what that is: a number that means little must be far from it.
        ceiling: What perfection would have, and a word of what that is, such as the data's own score.
    """

    name: str
    paper: float
    pass_line: float
    rule: Literal["at most", "at least", "within"]
    unit: str
    data: str
    model: str
    dials: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    seconds: float = 60.0
    gpu_seconds: float | None = None
    small: "Row | None" = None
    source: str = ""
    run: Callable[[int, Path], float | Found] | None = None
    floor: tuple[float, str] | None = None
    ceiling: tuple[float, str] | None = None

    @property
    def pass_text(self) -> str:
        """The pass line in words."""
        return f"{self.rule} {self.pass_line:g}"

    @property
    def span_text(self) -> str:
        """The floor and the ceiling in words; empty if there are none."""
        ends = {"floor": self.floor, "ceiling": self.ceiling}
        return ", ".join(f"{name} {end[0]:g} ({end[1]})" for name, end in ends.items() if end)

    def passed(self, ours: float) -> bool:
        """Whether our number reaches the line."""
        if self.rule == "at most":
            return ours <= self.pass_line
        if self.rule == "at least":
            return ours >= self.pass_line
        return abs(ours - self.paper) <= self.pass_line


def shown(number: float, *, beside: float | None = None, sign: str = "") -> str:
    """A number as tables show it: to two decimals, or to four if it is smaller than one.

    Args:
        number: What to show.
        beside: The number whose decimals it takes; its own if None.
        sign: "+" to show the sign always.

    Returns:
        The text.
    """
    decimals = 2 if abs(number if beside is None else beside) >= 1 else 4
    return f"{number:{sign}.{decimals}f}"
