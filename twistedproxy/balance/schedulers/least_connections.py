"""Weighted least connections: the next exchange goes where the fewest run, in proportion to the shares."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from twistedproxy.balance.peer import Peer
from twistedproxy.balance.schedulers.accounts import Accounts
from twistedproxy.balance.schedulers.round_robin import SmoothRoundRobin


class LeastConnections:
    """
    The peer with the least ``in_flight / share`` is next; among several of these, by their shares in turn.

    What runs counts as long as it runs, a WebSocket until it is closed.
    """

    __slots__ = ("_others", "_peers", "_turns")

    def __init__(self) -> None:
        self._turns = SmoothRoundRobin()
        self._others = Accounts()
        self._peers: list[Peer] = []

    def update(self, peers: Sequence[Peer]) -> None:
        self._peers = list(peers)
        self._turns.update(peers)
        self._others.update(peers)

    def pick(self, now: float) -> Peer | None:
        peer = self._turns.pick(now)
        # Nobody has less than nothing to do: an idle pool is plain round robin.
        if peer is None or not peer.in_flight:
            return peer
        return self._least(self._peers, peer)

    def pick_other(self, tried: Collection[Peer], now: float) -> Peer | None:
        others = [peer for peer in self._peers if peer not in tried]
        return self._least(others, None) if others else None

    def _least(self, peers: Sequence[Peer], favoured: Peer | None) -> Peer:
        """The least busy of *peers*; *favoured*, if it is one of several."""
        loads = [peer.in_flight / peer.share for peer in peers]
        least = min(loads)
        if favoured is not None and favoured.in_flight / favoured.share == least:
            return favoured
        if loads.count(least) == 1:
            return peers[loads.index(least)]
        return self._others.take([peer for peer, load in zip(peers, loads, strict=True) if load == least])
