"""The clock of a run, and the pace it sets where a run has minutes: how far it is, when to validate, when to end.

A run of so many steps is counted. A run of so many minutes is kept by its clock, which goes while the run trains,
validates and saves, over all sessions, and stands while a state is out with whoever iterates. It ends before the step
that would not leave time for the last validation and the last checkpoint, so only its first step can overrun.
"""

import time
from typing import final

__all__ = ["Clock", "Pace"]

LOOKS = 0.1  # the part of a run's minutes that validations may take, and that passes at most between two of them
OFTEN = 0.01  # the part that passes at least between two validations
RECENT = 0.1  # how much the newest step counts in the seconds of one


@final
class Clock:
    """Wall and processor seconds of a run, over all sessions; of several processes, those of the first."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0
        self._since: tuple[float, float] | None = None

    def read(self) -> tuple[float, float]:
        """The wall and the processor seconds until now."""
        now = time.perf_counter(), time.process_time()
        if self._since is not None:
            self.seconds += now[0] - self._since[0]
            self.cpu_seconds += now[1] - self._since[1]
            self._since = now
        return self.seconds, self.cpu_seconds

    def go(self) -> None:
        """Goes on from here."""
        self._since = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Stands still until it goes on."""
        self.read()
        self._since = None


@final
class Pace:
    """The pace of a run that has so many seconds.

    Args:
        clock: The run's.
        limit: The seconds it has in all.
        cpu: Whether they are the processor's.
        least: The fewest steps between two validations, unless a tenth of the time has passed: those of an epoch.
    """

    def __init__(self, clock: Clock, limit: float, cpu: bool, least: int) -> None:
        self.clock, self.limit, self.cpu, self.least = clock, limit, cpu, least
        self.step_seconds: float | None = None
        self.timed = 0
        self.validation_seconds = self.saving_seconds = 0.0
        self.ticked = self.validated_at = self.now()
        self.validated_step = 0

    def now(self) -> float:
        """The seconds that count, until now."""
        return self.clock.read()[self.cpu]

    def done(self) -> float:
        """The part of the run that is over, at most 1."""
        return min(1.0, self.now() / self.limit)

    def step(self, started: float) -> None:
        """Takes in a step that began at ``started``; the first, which makes plans, counts only while alone."""
        took, self.timed = self.now() - started, self.timed + 1
        before = self.step_seconds
        self.step_seconds = took if before is None or self.timed == 2 else (1 - RECENT) * before + RECENT * took

    def steps(self, step: int) -> float | None:
        """How many steps the run will likely have when ``step`` are done; None before one can tell."""
        if self.timed < 2 or not self.step_seconds:
            return None
        return step + max(0.0, self.limit - self.now()) / self.step_seconds

    def must_end(self, due: bool) -> bool:
        """Whether another step, after a validation if that is due, would leave no time for the last one and saving."""
        needed = (self.step_seconds or 0.0) + (1 + due) * self.validation_seconds + self.saving_seconds
        return self.now() + needed > self.limit

    def should_validate(self, step: int, every: int | None) -> bool:
        """Whether a validation is due: after ``every`` steps, else when an epoch or a tenth of the time has passed."""
        since, steps = self.now() - self.validated_at, step - self.validated_step
        if every is not None:
            return steps >= every
        if since < max(OFTEN * self.limit, self.validation_seconds / LOOKS):
            return False
        return steps >= self.least or since >= LOOKS * self.limit

    def validated(self, step: int, started: float) -> None:
        """Takes in a validation after a step, which began at ``started``."""
        self.validated_at, self.validated_step = self.now(), step
        self.validation_seconds = self.validated_at - started

    def affordable(self, n: int, tried: int, took: float) -> int:
        """How many of n events a validation can score, if ``tried`` of them took so many seconds."""
        return min(n, max(tried, int(LOOKS * self.limit / max(took, 1e-9) * tried)))
