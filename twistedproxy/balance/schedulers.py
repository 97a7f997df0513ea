"""
Schedulers: which of the available peers is next.

A scheduler knows nothing of states, checks and time: the pool tells it which peers are available (:meth:`Scheduler.update`),
and asks.  It reads their weights, and whatever else it schedules by, from the peers themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import gcd
from operator import add, length_hint
from typing import Final, Protocol

from twistedproxy.balance.peer import Peer

#: The longest cycle that is kept; pools whose weights add up to more compute every turn.
LONGEST_CYCLE: Final = 32_768
#: A shorter cycle is kept several times over, so that most turns are taken without a look at its end.
SHORTEST_CYCLE: Final = 128
#: Credit is counted in this many parts of a weight, so that a change of weights loses next to nothing of it.
_PARTS: Final = 1024


class Scheduler(Protocol):
    """The order in which peers get exchanges."""

    def update(self, peers: Sequence[Peer]) -> None:
        """From now on exactly *peers* are available, with the weights (1 or more) that they have now."""

    def pick(self) -> Peer | None:
        """The peer of the next exchange; None when no peer is available."""

    def pick_other(self, tried: Sequence[Peer]) -> Peer | None:
        """The peer of a further attempt: not one of *tried*; None when there is no other."""


class SmoothRoundRobin:
    """
    Smooth weighted round robin, in the order in which nginx takes turns: weights 5, 1, 1 give ``a a b a c a a``.

    Each turn every peer earns its weight, and the one that has most pays the sum of all weights and is picked.  Divided by
    that sum, what a peer has is the number of picks by which it lags behind its share: it is always less than one pick or
    so, and it is what :meth:`update` carries over, so that no change, and no peer that comes and goes all the time, shifts
    the shares of the others.

    Turns repeat after as many picks as the weights (their common divisor removed) add up to.  They are computed in the first
    round, one by one as they are needed, and replayed afterwards.
    """

    __slots__ = (
        "_credit",
        "_credit_at_start",
        "_cycle",
        "_is_cycle",
        "_other_lag",
        "_peers",
        "_round",
        "_total",
        "_turns",
        "_weights",
    )

    def __init__(self) -> None:
        self._peers: list[Peer] = []
        self._weights: list[int] = []
        self._total = 0
        self._round = 0
        self._credit: list[int] = []
        self._credit_at_start: list[int] = []
        self._cycle: list[Peer] = []
        self._is_cycle = False
        self._turns: Iterator[Peer] = iter(())
        self._other_lag: dict[Peer, float] = {}

    def update(self, peers: Sequence[Peer]) -> None:
        lag = carried_over(self._lag(), peers)
        divisor = gcd(*(peer.weight for peer in peers))
        self._peers = list(peers)
        self._round = sum(peer.weight // divisor for peer in peers)
        self._weights = [peer.weight // divisor * _PARTS for peer in peers]
        self._total = self._round * _PARTS
        self._credit = [round(lag[peer] * self._total) for peer in peers]
        self._credit_at_start = list(self._credit)
        self._cycle = []
        self._is_cycle = False
        self._turns = iter(())
        self._other_lag = carried_over(self._other_lag, peers)

    def pick(self) -> Peer | None:
        peer = next(self._turns, None)
        return self._next_round() if peer is None else peer

    def pick_other(self, tried: Sequence[Peer]) -> Peer | None:
        others = [peer for peer in self._peers if peer not in tried]
        if not others:
            return None
        # The same algorithm with accounts of its own: what a failing peer leaves to the others is shared by their weights.
        lag = self._other_lag
        total = sum(peer.weight for peer in others)
        for peer in others:
            lag[peer] += peer.weight / total
        best = max(others, key=lag.__getitem__)
        lag[best] -= 1.0
        return best

    def _next_round(self) -> Peer | None:
        if self._is_cycle:
            self._turns = iter(self._cycle)
            return next(self._turns)
        if not self._peers:
            return None
        credit = self._credit = list(map(add, self._credit, self._weights))
        best = credit.index(max(credit))
        credit[best] -= self._total
        peer = self._peers[best]
        if self._round <= LONGEST_CYCLE:
            self._keep(peer)
        return peer

    def _keep(self, peer: Peer) -> None:
        cycle = self._cycle
        cycle.append(peer)
        if len(cycle) == self._round:
            # After that many turns everything is as it was, unless a carried lag was still being made up for.
            if self._credit == self._credit_at_start:
                cycle *= -(-SHORTEST_CYCLE // self._round)
                self._is_cycle = True
            else:
                self._credit_at_start = list(self._credit)
                self._cycle = []

    def _lag(self) -> dict[Peer, float]:
        """By how many picks each peer lags behind its share at this moment."""
        credit = self._credit
        if self._is_cycle:
            taken = len(self._cycle) - length_hint(self._turns)
            picks = Counter(self._cycle[:taken])
            credit = [
                start + taken * weight - self._total * picks[peer]
                for peer, weight, start in zip(self._peers, self._weights, self._credit_at_start, strict=True)
            ]
        return {peer: earned / self._total for peer, earned in zip(self._peers, credit, strict=True)}


def carried_over(lag: Mapping[Peer, float], peers: Sequence[Peer]) -> dict[Peer, float]:
    """
    What remains of *lag* (in picks) when *peers* are the ones that share from now on.

    A peer that comes has no claim on the time in which it was away, and no debt: it starts in the middle of the others.
    """
    stay = [lag[peer] for peer in peers if peer in lag]
    middle = sum(stay) / max(1, len(stay))
    return {peer: lag.get(peer, middle) - middle for peer in peers}


#: By the names that site.ini has for them (``balance = …``).
SCHEDULERS: Final[dict[str, Callable[[], Scheduler]]] = {"round_robin": SmoothRoundRobin}
