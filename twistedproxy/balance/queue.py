"""
The queue of a pool whose peers have as many exchanges as they may: first in, first out, and bounded.

It knows neither exchanges nor time.  When something has changed, those who wait try again in the order in which they came; who
still finds no peer keeps its place.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import Protocol


class Turn(Enum):
    """What came of it when somebody in a queue tried again."""

    WENT = "found a peer, or needs none any more"
    WAITS = "finds no peer; others may, who have tried fewer of them in vain"
    FULL = "finds no peer, and nobody else can"


class Waiter(Protocol):
    """Who waits in a queue."""

    def call(self) -> None:
        """Something has changed: see to it that :meth:`Queue.serve` is called, soon but not at once."""

    def try_again(self) -> Turn:
        """Go on, if there is a peer now."""


class Queue:
    """
    Those who wait, in order.

    :ivar length: so many may wait
    :ivar timeout: so many seconds
    :ivar waits: who has waited, ever
    :ivar refused: who found it full, ever
    :ivar timeouts: who waited in vain, ever
    :ivar left: who gave up waiting, ever
    """

    def __init__(self, length: int, timeout: float = 5.0) -> None:
        self.length = length
        self.timeout = timeout
        self.waits = 0
        self.refused = 0
        self.timeouts = 0
        self.left = 0
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()
        #: Somebody was called, and :meth:`serve` is to come.
        self._called = False
        #: There is no room for anybody, as far as is known.
        self._full = False

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def is_before(self) -> bool:
        """Whether who comes now has to take its place behind others, and need not look for a peer."""
        return bool(self._waiters) and (self._full or self._called)

    def join(self, waiter: Waiter, *, particular: bool) -> bool:
        """
        *waiter* takes the last place; False when there is none.

        :param particular: it has tried some peers in vain, so that there may be room for others
        """
        if len(self._waiters) >= self.length:
            self.refused += 1
            return False
        self.waits += 1
        self._waiters[waiter] = None
        if not particular and not self._called:
            self._full = True
        return True

    def leave(self, waiter: Waiter, *, timed_out: bool = False) -> None:
        """*waiter* waits no longer."""
        del self._waiters[waiter]
        if timed_out:
            self.timeouts += 1
        else:
            self.left += 1

    def tell(self) -> None:
        """Something has changed: there may be room for somebody."""
        self._full = False
        if self._waiters and not self._called:
            self._called = True
            next(iter(self._waiters)).call()

    def serve(self) -> None:
        """Who can goes on, in order."""
        self._called = False
        waiters = self._waiters
        stay: list[Waiter] = []
        while waiters and not self._full:
            waiter, _ = waiters.popitem(last=False)
            turn = waiter.try_again()
            if turn is not Turn.WENT:
                stay.append(waiter)
                self._full = turn is Turn.FULL
        for waiter in reversed(stay):
            waiters[waiter] = None
            waiters.move_to_end(waiter, last=False)
