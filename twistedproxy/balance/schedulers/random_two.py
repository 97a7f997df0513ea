"""
Power of two choices: of two peers at random, the one that has less to do.

See M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12 (2001).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Sequence
from copy import deepcopy
from itertools import accumulate
from random import Random
from typing import Any

from twistedproxy.balance.peer import Peer


class RandomTwo:
    """
    Two different peers are drawn, by their shares; the one with less ``in_flight / share`` is next, or else the one drawn first.

    Several proxies that do not know of each other do not all run to the same peer, and a pick costs the same for any number of
    peers.

    :param random: where chance comes from
    """

    __slots__ = ("_chance", "_last", "_peers", "_random", "_sums", "_total")

    def __init__(self, random: Random) -> None:
        self._chance = random
        self._random = random.random
        self._peers: list[Peer] = []
        #: Of each peer, where its part of the line of all shares ends.
        self._sums: list[int] = []
        self._total = 0
        self._last = -1

    def __deepcopy__(self, known: dict[int, Any]) -> RandomTwo:
        # The method by itself would be that of the original's chance.
        copied = RandomTwo(deepcopy(self._chance, known))
        copied.update(deepcopy(self._peers, known))
        return copied

    def update(self, peers: Sequence[Peer]) -> None:
        self._peers = list(peers)
        self._sums = list(accumulate(peer.share for peer in peers))
        self._total = self._sums[-1] if peers else 0
        self._last = len(self._peers) - 1

    def pick(self, now: float) -> Peer | None:
        if self._last < 1:
            return self._peers[0] if self._peers else None
        return self._better(self._peers, self._sums, self._total, self._last)

    def pick_other(self, tried: Collection[Peer], now: float) -> Peer | None:
        others = RandomTwo.__new__(RandomTwo)
        others._random = self._random
        others.update([peer for peer in self._peers if peer not in tried])
        return others.pick(now)

    def _better(self, peers: list[Peer], sums: list[int], total: int, last: int) -> Peer:
        random = self._random
        number = bisect(sums, random() * total, 0, last)
        first = peers[number]
        share = first.share
        # The second one is drawn from the line without the part of the first.
        mark = random() * (total - share)
        if mark >= sums[number] - share:
            mark += share
        second = peers[bisect(sums, mark, 0, last)]
        return second if second.in_flight * share < first.in_flight * second.share else first
