"""The end of commands that would never end: the proxy waits while a command runs."""

from __future__ import annotations

import signal
import threading
from _thread import interrupt_main
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

#: A statement that is ready to be run.
Step = Callable[[], None]


class Overrun(BaseException):
    """A command ran for longer than the proxy can wait."""


class Patience:
    """
    Raises Overrun in what :func:`run` has called, when that takes longer than *seconds*.

    What catches Overrun and goes on, as ``while True: try: … except: pass`` does, hears it again after a second, and from then on
    at every turn of a loop and every call, until nothing is left that could catch it.  Nothing but what was called so is
    interrupted.  Works in the main thread, where the reactor runs; elsewhere there is no limit.  What runs inside one function of
    C hears nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._interrupts = 0
        self._before: Any = None
        self._is_ours = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self._is_ours:
            self._before = signal.signal(signal.SIGALRM, self._interrupt)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, min(self._seconds, 1.0))

    def __exit__(self, *failure: object) -> None:
        if self._is_ours:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        outer = frame.f_back if frame is not None else None
        while outer is not None and outer.f_code is not run.__code__:
            outer = outer.f_back
        if outer is None:
            return  # what was called has ended already
        self._interrupts += 1
        if self._interrupts > 1:
            # It was caught before: this is heard again wherever signals are heard next.  Not in here: between the two steps of
            # this loop is no such place, as there would be behind a call.
            for _ in map(interrupt_main, (signal.SIGALRM,)):
                raise Overrun
        raise Overrun


def run(steps: Iterable[Step]) -> None:
    """Take each of *steps*."""
    for step in steps:
        step()
