"""Signals that ask a program to stop: Ctrl-C, SIGTERM (of schedulers and ``timeout``), SIGHUP (of a closed terminal).

All become ``KeyboardInterrupt``, whose argument is the signal's number, so that what stops is saved and said alike.
And timers, for what cannot be told in advance how long it takes.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interruptible", "stopping", "within"]

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Keeps the first signal to stop in a list, so that a step is never cut in two; the second interrupts at once.

    Yields:
        A list that holds the number of the signal once one has come.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt(number)
        came.append(number)

    with _handled(note):
        yield came


@contextmanager
def stopping() -> Iterator[None]:
    """Lets every signal to stop raise ``KeyboardInterrupt`` inside the block.

    Yields:
        Nothing.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    with _handled(stop):
        yield


@contextmanager
def within(seconds: float, *, cpu: bool = False) -> Iterator[None]:
    """Raises ``TimeoutError`` inside the block once so many seconds have passed, between two operations of Python.

    Of no effect outside the main thread, and where the system has no such timers.

    Args:
        seconds: How long the block may take.
        cpu: Whether they are the processor's.

    Yields:
        Nothing.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    timer, number = (signal.ITIMER_PROF, signal.SIGPROF) if cpu else (signal.ITIMER_REAL, signal.SIGALRM)

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took more than {seconds:.{0 if seconds >= 10 else 1}f} s.")

    before = signal.signal(number, ring)
    signal.setitimer(timer, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(timer, 0.0)
        signal.signal(number, before)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals are handled in the main thread only; what is ignored, as SIGHUP under nohup, stays ignored."""
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
