"""How long exchanges take: counted in steps, from which shares and percentiles can be told."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

#: The steps, seconds: an exchange counts for the first one that it does not exceed; beyond the last there is one more.
STEPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Durations:
    """
    A histogram of durations.

    :ivar counts: exchanges by step, the last for those beyond all steps
    :ivar total: seconds of all together
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(STEPS) + 1)
        self.total = 0.0

    def note(self, seconds: float) -> None:
        """An exchange has taken so many *seconds*."""
        self.counts[bisect_left(STEPS, seconds)] += 1
        self.total += seconds

    def percentile(self, share: float) -> float | None:
        """
        The duration that *share* (0 to 1) of the exchanges did not exceed, interpolated within its step; None without any.

        Of what is beyond the last step nothing more is known than that.
        """
        rank = share * sum(self.counts)
        if not rank:
            return None
        low, below = 0.0, 0
        for count, step in zip(self.counts, STEPS, strict=False):
            if below + count >= rank:
                return low + (step - low) * (rank - below) / count
            low, below = step, below + count
        return STEPS[-1]
