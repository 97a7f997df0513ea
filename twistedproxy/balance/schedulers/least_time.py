"""Least time: the next exchange goes where its answer is likely to begin first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from twistedproxy.balance.peer import Peer
from twistedproxy.balance.schedulers.accounts import Accounts

#: Seconds for which what was read from the peers' averages is good enough.
_REFRESH: Final = 0.1


class LeastTime:
    """
    The peer with the least ``time × (in_flight + 1) / share`` is next; among several of these, by their shares in turn.

    *time* is the average in which its answers begin (:class:`twistedproxy.balance.answer_time.AnswerTime`), which fades when
    nobody asks, so that a peer that was slow is tried again.  One of which nothing is known yet counts as average.
    """

    __slots__ = ("_accounts", "_costs", "_fresh_until", "_peers")

    def __init__(self) -> None:
        self._accounts = Accounts()
        self._peers: list[Peer] = []
        #: Of each peer, what one more exchange costs for each that runs then.
        self._costs: list[float] = []
        self._fresh_until = 0.0

    def update(self, peers: Sequence[Peer]) -> None:
        self._peers = list(peers)
        self._accounts.update(peers)
        self._costs = []

    def pick(self, now: float) -> Peer | None:
        peers = self._peers
        if now >= self._fresh_until or not self._costs:
            if not peers:
                return None
            self._read(now)
        costs = [cost * (peer.in_flight + 1) for cost, peer in zip(self._costs, peers, strict=True)]
        least = min(costs)
        if costs.count(least) == 1:
            return peers[costs.index(least)]
        return self._accounts.take([peer for peer, cost in zip(peers, costs, strict=True) if cost == least])

    def pick_other(self, tried: Collection[Peer], now: float) -> Peer | None:
        if self._peers:
            self._read(now)
        costs = {
            peer: cost * (peer.in_flight + 1) for cost, peer in zip(self._costs, self._peers, strict=True) if peer not in tried
        }
        if not costs:
            return None
        least = min(costs.values())
        return self._accounts.take([peer for peer, cost in costs.items() if cost == least])

    def _read(self, now: float) -> None:
        self._fresh_until = now + _REFRESH
        times = [peer.answer_time.usual(now) for peer in self._peers]
        known = [time for time in times if time]
        average = sum(known) / len(known) if known else 1.0
        self._costs = [(time or average) / peer.share for time, peer in zip(times, self._peers, strict=True)]
