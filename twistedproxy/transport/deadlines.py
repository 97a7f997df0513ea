"""
One coarse timer for many connections.

Every connection has at most one deadline at a time, which moves with each piece of progress.  A timer of the reactor for each
would cost more than the progress itself.  Here moving a deadline is an attribute that is set; buckets of one tick each hold the
connections whose deadline may have come, and one that moved on is put into a later bucket when its old one is due.
"""

from __future__ import annotations

from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twistedproxy.clock import Clock

_log = Logger()


class Timed:
    """Something with a deadline."""

    __slots__ = ("_due", "deadline")

    #: Monotonic seconds; infinity for none.  May be moved later by plain assignment; sooner only by :meth:`Deadlines.watch`.
    deadline: float
    #: When the bucket that it is in begins; infinity when it is in none.
    _due: float

    def __init__(self) -> None:
        self.deadline = inf
        self._due = inf

    def deadline_passed(self, now: float) -> None:
        """Called at most two ticks after :attr:`deadline`, which is infinity again by then."""
        raise NotImplementedError


class Deadlines:
    """
    Buckets of deadlines.

    :param tick: seconds; the coarseness of every deadline
    """

    def __init__(self, reactor: IReactorTime, clock: Clock, tick: float = 0.1) -> None:
        self._reactor = reactor
        self._tick = tick
        # By the time at which they begin.
        self._buckets: dict[float, set[Timed]] = {}
        self._call: IDelayedCall | None = None
        #: The monotonic clock, for those who set deadlines.
        self.now = clock.monotonic
        self._next = int(self.now() / tick)

    def watch(self, timed: Timed, deadline: float) -> None:
        """Set the deadline of *timed* (monotonic seconds), sooner or later than the one that it has."""
        timed.deadline = deadline
        if deadline < timed._due:
            self._put(timed)

    def forget(self, timed: Timed) -> None:
        """Drop the deadline of *timed* and every reference to it."""
        timed.deadline = inf
        self._take(timed)

    def _take(self, timed: Timed) -> None:
        bucket = self._buckets.get(timed._due)
        if bucket is not None:
            bucket.discard(timed)
        timed._due = inf

    def _put(self, timed: Timed) -> None:
        if timed._due != inf:
            self._take(timed)
        if self._call is None:
            self._next = int(self.now() / self._tick)
            self._call = self._reactor.callLater(self._tick, self._advance)
        due = max(int(timed.deadline / self._tick), self._next) * self._tick
        timed._due = due
        self._buckets.setdefault(due, set()).add(timed)

    def _advance(self) -> None:
        self._call = self._reactor.callLater(self._tick, self._advance)
        now = self.now()
        last = int(now / self._tick)
        # A bucket is looked at when its whole tick has passed, so that nothing in it is early.
        while self._buckets and self._next < last:
            due = self._buckets.pop(self._next * self._tick, ())
            self._next += 1
            for timed in due:
                timed._due = inf
                if timed.deadline <= now:
                    timed.deadline = inf
                    try:
                        timed.deadline_passed(now)
                    except Exception:
                        _log.failure("what a deadline called failed")
                elif timed.deadline != inf:
                    self._put(timed)
        if not self._buckets and self._call is not None:  # None: what was called has stopped us
            self._call.cancel()
            self._call = None

    def stop(self) -> None:
        """Cancel the timer; nothing is called any more."""
        self._buckets.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None
