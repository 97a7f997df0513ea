"""Time that passes only when a test says so."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

#: Seconds since 1970 at which every play begins: Fri, 15 Jan 2027 08:00:00 GMT.
START = 1_800_000_000.0


@implementer(IReactorTime)
class HandClock(Clock):
    """The reactor's time, and the proxy's two clocks, advanced together by hand."""

    def __init__(self) -> None:
        super().__init__()
        # No machine has been up for no time at all.
        self.rightNow = 1000.0

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return float(self.seconds())

    def wall(self) -> float:
        """Seconds since 1970."""
        return START - 1000.0 + float(self.seconds())
