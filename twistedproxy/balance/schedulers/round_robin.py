"""Smooth weighted round robin: peers take turns in proportion to their shares, and a heavy peer's turns are spread out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from math import gcd
from operator import add, length_hint
from typing import Final

from twistedproxy.balance.peer import Peer
from twistedproxy.balance.schedulers.accounts import Accounts, carried_over

#: The longest cycle that is kept; pools whose weights add up to more compute every turn.
LONGEST_CYCLE: Final = 32_768
#: A shorter cycle is kept several times over, so that most turns are taken without a look at its end.
SHORTEST_CYCLE: Final = 128
#: Credit is counted in this many parts of a weight, so that a change of weights loses next to nothing of it.
_PARTS: Final = 1024


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
        "_others",
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
        self._others = Accounts()

    def update(self, peers: Sequence[Peer]) -> None:
        lag = carried_over(self._lag(), peers)
        divisor = gcd(*(peer.share for peer in peers))
        self._peers = list(peers)
        self._round = sum(peer.share // divisor for peer in peers)
        self._weights = [peer.share // divisor * _PARTS for peer in peers]
        self._total = self._round * _PARTS
        self._credit = [round(lag[peer] * self._total) for peer in peers]
        self._credit_at_start = list(self._credit)
        self._cycle = []
        self._is_cycle = False
        self._turns = iter(())
        self._others.update(peers)

    def pick(self, now: float) -> Peer | None:
        peer = next(self._turns, None)
        return self._next_round() if peer is None else peer

    def pick_other(self, tried: Collection[Peer], now: float) -> Peer | None:
        others = [peer for peer in self._peers if peer not in tried]
        # Accounts of their own: what a failing peer leaves to the others is shared by their weights.
        return self._others.take(others) if others else None

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
