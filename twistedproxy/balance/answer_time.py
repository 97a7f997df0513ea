"""How soon the answers of a peer begin: an average that follows the last seconds, and fades."""

from __future__ import annotations

from math import exp
from typing import Final

#: Seconds in which two thirds of what was known fade.
MEMORY: Final = 10.0
#: No failure makes a peer seem slower than this, in seconds.
_SLOWEST: Final = 60.0


class AnswerTime:
    """The exponentially weighted average of the seconds after which answers began, by time and not by their number."""

    __slots__ = ("_average", "_noted")

    def __init__(self) -> None:
        self._average = 0.0
        self._noted = 0.0

    def note(self, seconds: float, now: float) -> None:
        """An answer has begun at *now* (monotonic), after so many *seconds*."""
        before = self._average
        keep = exp((self._noted - now) / MEMORY) if before else 0.0
        self._average = seconds + (before - seconds) * keep
        self._noted = now

    def note_failure(self) -> None:
        """An attempt has failed: who fails at once must not seem to be the quickest."""
        self._average = min(2 * self._average, _SLOWEST)

    def usual(self, now: float) -> float:
        """
        The average, in seconds; 0.0 when nothing is known.

        It fades from the last answer on to *now*, so that who was slow is not so for ever.
        """
        return self._average * exp((self._noted - now) / MEMORY)
