"""
Accounts: by how many picks each peer lags behind its share.

They divide fairly among some of the peers, others each time: those that are equally good, or those that were not tried yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twistedproxy.balance.peer import Peer


class Accounts:
    """The account of each available peer, in picks."""

    __slots__ = ("_lag",)

    def __init__(self) -> None:
        self._lag: dict[Peer, float] = {}

    def update(self, peers: Sequence[Peer]) -> None:
        """From now on exactly *peers* are available; those that stay keep what they have."""
        self._lag = carried_over(self._lag, peers)

    def take(self, peers: Sequence[Peer]) -> Peer:
        """Whose turn it is among *peers*, one or more of the available ones: they earn by their shares, and the one pays."""
        lag = self._lag
        total = sum([peer.share for peer in peers])
        for peer in peers:
            lag[peer] += peer.share / total
        best = max(peers, key=lag.__getitem__)
        lag[best] -= 1.0
        return best


def carried_over(lag: Mapping[Peer, float], peers: Sequence[Peer]) -> dict[Peer, float]:
    """
    What remains of *lag* (in picks) when *peers* are the ones that share from now on.

    A peer that comes has no claim on the time in which it was away, and no debt: it starts in the middle of the others.
    """
    stay = [lag[peer] for peer in peers if peer in lag]
    middle = sum(stay) / max(1, len(stay))
    return {peer: lag.get(peer, middle) - middle for peer in peers}
