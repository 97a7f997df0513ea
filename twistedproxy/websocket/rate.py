"""How many messages may come: a bucket of tokens that fills at a rate."""

from __future__ import annotations


class Bucket:
    """
    Tokens for messages.

    :param rate: tokens a second, *burst*: as many as there can be; *now*: monotonic seconds
    """

    __slots__ = ("_burst", "_rate", "_since", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._since = now

    def take(self, now: float) -> float:
        """Take a token; returns the seconds after which it is there, 0.0 for one that is there already."""
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate) - 1
        self._since = now
        return max(0.0, -self._tokens / self._rate)
