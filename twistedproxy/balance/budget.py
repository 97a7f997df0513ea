"""How many retries and hedges a pool may get beside its requests, so that they do not become the overload that they answer to."""

from __future__ import annotations

from typing import Final

from twistedproxy.settings.pools import BudgetSettings

#: Seconds for which a request counts.
WINDOW: Final = 10.0


class RetryBudget:
    """
    A share of the requests of the last ten seconds, and so many a second in any case.

    Requests are not counted here: whoever asks says how many there were so far, and what has come since it last asked is credited
    then.  Credit lapses evenly over :data:`WINDOW`.
    """

    __slots__ = ("_asked", "_credit", "_least", "_seen", "_share")

    def __init__(self, settings: BudgetSettings, now: float) -> None:
        self._share = settings.share
        self._least = settings.least
        self._credit = settings.least * WINDOW
        self._asked = now
        self._seen = 0

    def spend(self, now: float, requests: int) -> bool:
        """
        Whether one more retry may be made at *now* (monotonic); if so it is paid for.

        :param requests: requests so far, retries and hedges not included; peers that have left may take theirs along
        """
        elapsed = now - self._asked
        came = max(0, requests - self._seen)
        self._asked = now
        self._seen = requests
        if elapsed < WINDOW:
            self._credit = self._credit * (1 - elapsed / WINDOW) + self._share * came + self._least * elapsed
        else:
            # Of the requests that came since, those of the last moments count.
            self._credit = self._share * came * WINDOW / elapsed + self._least * WINDOW
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True
