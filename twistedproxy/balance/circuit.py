"""
What attempts tell of a peer: when it is ejected, for how long, and how it comes back.

Two things eject a peer: ``max_fails`` failures in a row within ``fail_timeout``, and a share of failed or slow attempts in a
sliding window (``eject_ratio``, ``eject_latency``).  An ejection lasts ``fail_timeout`` at first, and twice as long as the one
before when the peer was not calm in between.  Afterwards the peer is on trial: one attempt at a time, until one ends well.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from twistedproxy.errors import Reason
from twistedproxy.settings.pools import PoolSettings

#: A window slides in this many steps.
_SLICES: Final = 10


class Window:
    """
    Good and bad attempts of the last *span* seconds, give or take a tenth.

    :ivar total: attempts
    :ivar bad: those that failed or were slow
    """

    __slots__ = ("_slices", "_width", "bad", "total")

    def __init__(self, span: float) -> None:
        self._width = span / _SLICES
        # Of each tenth in which anything happened: its number, its attempts, and the bad ones of these.
        self._slices: deque[list[int]] = deque()
        self.total = 0
        self.bad = 0

    def add(self, now: float, *, bad: bool) -> None:
        """An attempt has ended at *now* (monotonic)."""
        number = int(now / self._width)
        slices = self._slices
        if not slices or slices[-1][0] != number:
            while slices and slices[0][0] <= number - _SLICES:
                _, total, wrong = slices.popleft()
                self.total -= total
                self.bad -= wrong
            slices.append([number, 0, 0])
        slices[-1][1] += 1
        self.total += 1
        if bad:
            slices[-1][2] += 1
            self.bad += 1

    def clear(self) -> None:
        """Forget everything."""
        self._slices.clear()
        self.total = self.bad = 0


class Circuit:
    """
    The judge of one peer; time is monotonic.

    :ivar fail_statuses: answers that count as failures
    :ivar latency: seconds after which an answer that has not begun is slow; 0.0 for no such limit
    :ivar window: None when no share ejects
    :ivar on_trial: the peer is back from an ejection, and nothing has ended well yet
    """

    __slots__ = (
        "_calm_from",
        "_fail_timeout",
        "_failed",
        "_judged_by",
        "_lasted",
        "_longest",
        "_max_fails",
        "_min_requests",
        "_ratio",
        "fail_statuses",
        "latency",
        "on_trial",
        "window",
    )

    def __init__(self, settings: PoolSettings) -> None:
        self._judged_by = _terms(settings)
        self._max_fails = settings.max_fails
        self._fail_timeout = settings.fail_timeout
        self._longest = max(settings.fail_timeout, settings.max_fail_timeout)
        self._failed: deque[float] = deque(maxlen=self._max_fails)
        self._ratio = settings.eject_ratio
        self._min_requests = settings.eject_min_requests
        self.fail_statuses = frozenset(status for low, high in settings.fail_statuses or () for status in range(low, high + 1))
        self.window = Window(settings.eject_window) if settings.eject_ratio else None
        self.latency = settings.eject_latency if self.window is not None and settings.eject_latency else 0.0
        self.on_trial = False
        self._lasted = 0.0
        self._calm_from = 0.0

    def is_made_of(self, settings: PoolSettings) -> bool:
        """Whether these say nothing else of circuits than those by which this one was made."""
        return self._judged_by == _terms(settings)

    @property
    def holds_something(self) -> bool:
        """Whether a success has something to forgive."""
        return self.on_trial or bool(self._failed)

    def failed(self, reason: Reason, now: float) -> str:
        """An attempt failed through the peer's fault: why the peer is to be ejected, or nothing."""
        if self.window is not None:
            self.window.add(now, bad=True)
        failed = self._failed
        failed.append(now)
        if self.on_trial:
            return f"back from an ejection it failed again: {reason.text}"
        if self._max_fails and len(failed) == self._max_fails and now - failed[0] < self._fail_timeout:
            attempts = "1 attempt" if len(failed) == 1 else f"{len(failed)} attempts"
            return f"{attempts} failed within {self._fail_timeout:g} s, the last: {reason.text}"
        return self._share(f"the last: {reason.text}")

    def succeeded(self, now: float, header_time: float) -> str:
        """An attempt ended well, its answer began after *header_time*: why the peer is to be ejected all the same, or nothing."""
        self._failed.clear()
        if self.is_slow(header_time):
            return self.slow(now, header_time)
        self.on_trial = False
        if self.window is not None:
            self.window.add(now, bad=False)
        return ""

    def is_slow(self, seconds: float) -> bool:
        """Whether an answer that has not begun after so many *seconds* is slow."""
        return bool(self.latency) and seconds > self.latency

    def slow(self, now: float, seconds: float) -> str:
        """An answer was slow: it began after so many *seconds*, or had not by then.  Returns as :meth:`failed`."""
        assert self.window is not None
        self.window.add(now, bad=True)
        if self.on_trial:
            return f"back from an ejection it was slow again: {seconds:.1f} s"
        return self._share(f"the last took {seconds:.1f} s")

    def _share(self, last: str) -> str:
        window = self.window
        if window is None or window.total < self._min_requests or window.bad <= (self._ratio or 1.0) * window.total:
            return ""
        kind = "failed or were slow" if self.latency else "failed"
        share = f"{window.bad} of {window.total} attempts ({100 * window.bad / window.total:.0f} %)"
        return f"{share} {kind}, {last}"

    def eject(self, now: float) -> float:
        """The peer is ejected at *now*: for how many seconds."""
        self.reprieve()
        self.on_trial = False
        again = self._lasted and now < self._calm_from
        self._lasted = min(2 * self._lasted, self._longest) if again else self._fail_timeout
        # Calm is: as long without an ejection as the last one took.
        self._calm_from = now + 2 * self._lasted
        return self._lasted

    def reprieve(self) -> None:
        """What has been counted so far counts no longer."""
        self._failed.clear()
        if self.window is not None:
            self.window.clear()


def _terms(settings: PoolSettings) -> tuple[object, ...]:
    """What *settings* say of circuits."""
    return (
        settings.max_fails,
        settings.fail_timeout,
        settings.max_fail_timeout,
        settings.fail_statuses,
        settings.eject_ratio,
        settings.eject_latency,
        settings.eject_window,
        settings.eject_min_requests,
    )
