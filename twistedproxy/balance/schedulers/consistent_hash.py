"""
Consistent hashing: the same key goes to the same peer, and a peer that comes or goes takes along its own keys only.

Weighted rendezvous hashing (D. Thaler and C. Ravishankar, A Name-Based Mapping Scheme for Rendezvous, 1996; the weights as by
J. Resch): for each key every peer draws a number, and the highest wins.  What a peer draws depends on its name and the key
alone: not on the process, so that restarts and several workers agree, and not on the other peers.  Keys fall into :data:`SLOTS`
slots, and the winner of a slot is remembered.

With a bound (V. Mirrokni, M. Thorup and M. Zadimoghaddam, Consistent Hashing with Bounded Loads, SODA 2018) no peer gets more
than so many times its share of what runs: the next one in the order of what was drawn is taken instead.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Sequence
from copy import deepcopy
from math import ceil, log
from typing import Any, Final
from zlib import crc32

from twistedproxy.balance.peer import Peer

#: Keys are told apart in so many ways.
SLOTS: Final = 1 << 15

_HIGHEST: Final = 32 * log(2)


class ConsistentHash:
    """
    Peers by key.

    :param bound: times its share of what runs on all peers that one may have, more than 1.0; 0.0 for no bound
    """

    __slots__ = ("_bound", "_draws", "_peers", "_total", "_winners")

    def __init__(self, bound: float = 0.0) -> None:
        self._bound = bound
        self._peers: list[Peer] = []
        self._draws: dict[Peer, array[int]] = {}
        self._total = 0
        self._winners: dict[int, Peer] = {}

    def __deepcopy__(self, known: dict[int, Any]) -> ConsistentHash:
        # What the peers have drawn is large, and never changes.
        copied = ConsistentHash(self._bound)
        copied._draws = {deepcopy(peer, known): drawn for peer, drawn in self._draws.items()}
        copied.update(deepcopy(self._peers, known))
        return copied

    def update(self, peers: Sequence[Peer]) -> None:
        """From now on exactly *peers* are available, with the shares (1 or more) that they have now."""
        self._peers = list(peers)
        self._draws = {peer: self._draws.get(peer) or draws(peer.name) for peer in peers}
        self._total = sum(peer.share for peer in peers)
        self._winners.clear()

    def pick_for(self, key: str, avoided: Collection[Peer]) -> Peer | None:
        """The peer of *key*; the next one in its order when that is one of *avoided*, or has enough; None: there is no other."""
        slot = slot_of(key)
        peer = self._winners.get(slot)
        if peer is None:
            if not self._peers:
                return None
            peer = self._winners[slot] = self._winner(slot)
        if self._bound:
            return self._within_bound(peer, slot, avoided)
        if not avoided or peer not in avoided:
            return peer
        return next((peer for peer in self._order(slot) if peer not in avoided), None)

    def _ranks(self, slot: int) -> list[float]:
        # The logarithm of a number from 0 to 1: the higher the share, the closer to 0.
        return [(log(drawn[slot] + 0.5) - _HIGHEST) / peer.share for peer, drawn in self._draws.items()]

    def _winner(self, slot: int) -> Peer:
        ranks = self._ranks(slot)
        return self._peers[ranks.index(max(ranks))]

    def _order(self, slot: int) -> list[Peer]:
        """All peers, by what they have drawn."""
        ranks = self._ranks(slot)
        return [self._peers[number] for number in sorted(range(len(ranks)), key=ranks.__getitem__, reverse=True)]

    def _within_bound(self, first: Peer, slot: int, avoided: Collection[Peer]) -> Peer | None:
        # What runs, the exchange in question included, as many times over as a peer may have of it, for each part of all shares.
        allowed = self._bound * (sum([peer.in_flight for peer in self._peers]) + 1) / self._total
        if first.in_flight < ceil(allowed * first.share) and first not in avoided:
            return first
        others = [peer for peer in self._order(slot) if peer not in avoided]
        # Those that are avoided may be the ones that have room: then the order alone counts.
        return next((peer for peer in others if peer.in_flight < ceil(allowed * peer.share)), others[0] if others else None)


def slot_of(key: str) -> int:
    """The slot of *key*."""
    return crc32(key.encode("utf-8", "surrogateescape")) % SLOTS


def draws(name: str) -> array[int]:
    """What the peer called *name* draws for each slot: 32 bits each."""
    drawn = array("I")
    drawn.frombytes(hashlib.shake_128(name.encode("utf-8", "surrogateescape")).digest(4 * SLOTS))
    return drawn
