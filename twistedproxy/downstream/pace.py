"""Patience with slow clients: a look at how far they have come every now and then, instead of a timer for each byte."""

from __future__ import annotations

from twistedproxy.settings.route_knobs import RouteKnobs


def time_to_look(settings: RouteKnobs) -> float:
    """Seconds from one look at a client to the next: a quarter of the shortest time that could be exceeded."""
    return min(settings.client_timeout, settings.min_rate_grace) / 4


class Pace:
    """
    How fast a client moves the bytes of one body, in one direction.

    :param now: monotonic time from which on it is expected to move them
    :param count: bytes that it has moved so far, on any scale
    """

    __slots__ = ("_began", "_count", "_first", "_looked", "_moved")

    def __init__(self, now: float, count: int) -> None:
        self._began = self._looked = self._moved = now
        self._first = self._count = count

    def has_stopped(self, now: float, count: int, settings: RouteKnobs) -> bool:
        """Whether nothing was moved for ``client_timeout``; *count*: bytes moved by now."""
        if count != self._count:
            self._count = count
            self._moved = now
            return False
        return now - self._moved >= settings.client_timeout

    def is_too_slow(self, now: float, count: int, settings: RouteKnobs) -> bool:
        """
        Whether nothing was moved for ``client_timeout``, or less than ``min_rate`` on average since the beginning.

        The average lets honest clients pause: what came fast speaks for them.  Whoever holds a connection pays for it all the
        same, by so many bytes a second.
        """
        self._looked = now
        if self.has_stopped(now, count, settings):
            return True
        return count - self._first < settings.min_rate * (now - self._began - settings.min_rate_grace)

    def waits(self, now: float) -> None:
        """The time since the last look does not count for the rate: the client had reason to wait."""
        self._began += now - self._looked
        self._looked = now

    def is_held_back(self, now: float) -> None:
        """The time since the last look does not count at all: the client could not move anything."""
        self.waits(now)
        self._moved = now
