"""
What a scheduler is: it says which of the available peers is next.

A scheduler knows nothing of states and checks: the pool tells it which peers are available, and asks.  It reads their shares,
and whatever else it schedules by, from the peers themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from twistedproxy.balance.peer import Peer


class Scheduler(Protocol):
    """The order in which peers get exchanges; *now* is monotonic."""

    def update(self, peers: Sequence[Peer]) -> None:
        """From now on exactly *peers* are available, with the shares (1 or more) that they have now."""

    def pick(self, now: float) -> Peer | None:
        """The peer of the next exchange; None when no peer is available."""

    def pick_other(self, tried: Collection[Peer], now: float) -> Peer | None:
        """The peer of a further attempt: not one of *tried*; None when there is no other."""
