"""What threads of apps want done on the reactor of a play, which has none: it is done in the play's turns."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

#: Seconds in which threads must have done what a play waits for, and for which it waits at a time.
_PATIENCE = 10.0
_MOMENT = 0.005


class Crossing:
    """Calls that came from threads, and wait for a turn."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
        self._moments = 0

    def put(self, call: Callable[..., object], *arguments: Any) -> None:
        """In any thread: have it called."""
        self._calls.put((call, arguments))

    def turn(self) -> bool:
        """Do what is here; whether there was anything."""
        happened = False
        while True:
            try:
                call, arguments = self._calls.get_nowait()
            except queue.Empty:
                return happened
            happened = True
            call(*arguments)

    def wait(self) -> None:
        """Wait a moment for a thread, and do what it wants; it may also do something of its own meanwhile."""
        try:
            call, arguments = self._calls.get(timeout=_MOMENT)
        except queue.Empty:
            self._moments += 1
            assert self._moments * _MOMENT < _PATIENCE, "no thread of an app does anything"
            return
        self._moments = 0
        call(*arguments)
