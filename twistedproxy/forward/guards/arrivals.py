"""
Rates of any number of keys in a fixed amount of memory: the generic cell rate algorithm (ITU-T I.371), in a table.

Of each key one number is kept: the time at which it will have used up nothing any more, its theoretical arrival time.  Each unit
that it takes moves that time on by an interval, and it may run ahead of the clock by a tolerance.

The table has rows of :data:`WAYS` places.  When every place of a row is taken by somebody whose time is still to come, a
newcomer takes the place with the earliest time, *and that time with it*.  So nobody is ever let in earlier than an endless memory
would let him in: whoever was pushed out finds only later times than his own in his row when he comes back.  A table that is too
small makes strangers pay for each other; it never forgets what somebody has used up.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

#: Places in a row, 16 bytes each.
WAYS: Final = 8
_PLACE: Final = 16
#: Keys whose tags are remembered, to save time, and their longest.
_RECENT: Final = 1024
_SHORT: Final = 64


class Arrivals:
    """
    The theoretical arrival times of keys, in seconds of a monotonic clock.

    :param memory: bytes that it takes, and never more; it takes them bit by bit, as places are used
    :param secret: nobody who does not know it can choose keys that fall into the same row
    :ivar shared: times that newcomers have taken over, because the table is too small
    """

    def __init__(self, memory: int, secret: bytes) -> None:
        self._rows = max(1, memory // (_PLACE * WAYS))
        self._secret = secret
        # Zeroed pages that the kernel hands out when they are first written to.
        self._tags = memoryview(bytearray(8 * WAYS * self._rows)).cast("Q")
        self._times = memoryview(bytearray(8 * WAYS * self._rows)).cast("d")
        self._recent: dict[bytes, int] = {}
        self.shared = 0

    @property
    def places(self) -> int:
        """Keys for which there is room."""
        return self._rows * WAYS

    def tag(self, key: bytes) -> int:
        """What stands for *key* in the table."""
        tag = self._recent.get(key)
        if tag is None:
            tag = int.from_bytes(blake2b(key, digest_size=8, key=self._secret).digest(), "little")
            if len(key) <= _SHORT:
                if len(self._recent) >= _RECENT:
                    self._recent.clear()
                self._recent[key] = tag
        return tag

    def look(self, tag: int, now: float) -> tuple[int, float]:
        """The place of *tag*, or the one that it will have, and its time: *now* when it has used up nothing."""
        first = tag % self._rows * WAYS
        tags = self._tags[first : first + WAYS].tolist()
        times = self._times
        if tag in tags:
            place = first + tags.index(tag)
            return place, max(times[place], now)
        row = times[first : first + WAYS].tolist()
        earliest = min(row)
        return first + row.index(earliest), max(earliest, now)

    def note(self, place: int, tag: int, time: float, now: float) -> None:
        """*tag*, which :meth:`look` has found at *place*, has its *time* from now on."""
        if self._tags[place] != tag:
            if self._times[place] > now:
                self.shared += 1
            self._tags[place] = tag
        self._times[place] = time


class Rate:
    """
    A rate and its burst: how far a key may run ahead.

    :param rate: units a second
    :param burst: units beyond it that may come at once
    :ivar interval: seconds that a unit takes
    :ivar tolerance: seconds by which a key's time may be ahead of the clock when a unit comes
    """

    __slots__ = ("interval", "tolerance")

    def __init__(self, rate: float, burst: float) -> None:
        self.interval = 1 / rate
        # A billionth more: sums of fractions are never exact.
        self.tolerance = burst * self.interval * (1 + 1e-9) + 1e-9

    def late(self, time: float, now: float) -> float:
        """Seconds until a unit may come for a key whose time is *time*; 0.0 or less: now."""
        return time - now - self.tolerance

    def left(self, time: float, now: float) -> int:
        """Units that may come at once for a key whose time is *time*."""
        room = self.tolerance - (time - now)
        return int(room / self.interval) + 1 if room >= 0 else 0
