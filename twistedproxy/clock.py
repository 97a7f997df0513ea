"""Time as a value that is handed in: the one interface through which the proxy learns the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that never jumps, for durations, and one that people agree on, for dates."""

    def monotonic(self) -> float:
        """Seconds since an unnamed moment; never goes back (timeouts, durations, rates)."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC (Date, Age, Expires, log lines); may jump when the machine's clock is set."""


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
