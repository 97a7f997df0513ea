"""
Those peers of a pool who may be chosen now, and which of them is next.

Primary peers are asked by one scheduler and backups by another, keys by consistent hashing; peers that take nothing more for the
moment (they are full, or a trial of theirs runs) are passed over.  Which peers these are, the pool says whenever that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from functools import partial
from random import Random

from twistedproxy.balance.peer import Peer
from twistedproxy.balance.schedulers.choice import scheduler_called
from twistedproxy.balance.schedulers.consistent_hash import ConsistentHash
from twistedproxy.settings.pools import PoolSettings


class Candidates:
    """
    The candidates of one pool.

    :param random: chance, for schedulers that want it
    :ivar pick: the peer of a first attempt at a moment (monotonic); None: there is nobody
    :ivar pick_other: the peer of a further one, not one of those that were tried, likewise
    :ivar backups_serve: there are no primary peers
    """

    __slots__ = (
        "_backups",
        "_keyed",
        "_keyed_backups",
        "_limited",
        "_primaries",
        "_random",
        "backups_serve",
        "pick",
        "pick_other",
    )

    def __init__(self, settings: PoolSettings, random: Random) -> None:
        self._random = random
        self._primaries = scheduler_called(settings.balance.scheduler, random)
        self._backups = scheduler_called(settings.balance.scheduler, random)
        self._keyed = ConsistentHash(settings.balance.bound) if _is_keyed(settings) else None
        self._keyed_backups = ConsistentHash(settings.balance.bound) if _is_keyed(settings) else None
        #: Peers that may have to be passed over: with a limit, or on trial.
        self._limited: list[Peer] = []
        self.backups_serve = False
        self.pick: Callable[[float], Peer | None] = self._primaries.pick
        self.pick_other: Callable[[Sequence[Peer], float], Peer | None] = self._another

    def revise(self, settings: PoolSettings, before: PoolSettings) -> None:
        """The site says something else of the pool than *before*; :meth:`update` follows."""
        balance = settings.balance
        if balance != before.balance:
            self._primaries = scheduler_called(balance.scheduler, self._random)
            self._backups = scheduler_called(balance.scheduler, self._random)
        if _is_keyed(settings) and (self._keyed is None or balance.bound != before.balance.bound):
            # Never taken away: requests that began before still have keys.
            self._keyed, self._keyed_backups = ConsistentHash(balance.bound), ConsistentHash(balance.bound)

    def update(self, candidates: Sequence[Peer]) -> Sequence[Peer]:
        """From now on exactly *candidates* may be chosen, with the shares that they have now; returns those who come first."""
        primaries = [peer for peer in candidates if not peer.backup]
        self._primaries.update(primaries)
        backups = [peer for peer in candidates if peer.backup]
        first = min((peer.tier for peer in backups), default=0)
        backups = [peer for peer in backups if peer.tier == first]
        self._backups.update(backups)
        self.backups_serve = not primaries
        if self._keyed is not None and self._keyed_backups is not None:
            self._keyed.update(primaries)
            self._keyed_backups.update(backups)
        self.pick = self._primaries.pick if primaries else self._backups.pick
        self.pick_other = self._another
        self._limited = [peer for peer in candidates if peer.settings.max_connections or peer.circuit.on_trial]
        if self._limited:
            self.pick = partial(self._pick_open, self.pick)
            self.pick_other = self._another_open
        return primaries or backups

    def pick_for(self, key: str, tried: Sequence[Peer]) -> Peer | None:
        """The peer of *key*, or the next one in its order that was not tried; None: there is nobody."""
        if not self._limited:
            return self._another_for(key, tried)
        return self._open(partial(self._another_for, key), tried)

    def is_any_full(self, tried: Sequence[Peer]) -> bool:
        """Whether somebody who was not tried is full."""
        return any(peer.is_full and peer not in tried for peer in self._limited)

    def twin(self, peers: Mapping[Peer, Peer]) -> Candidates:
        """The same of the twins of *peers*, and as far: who would be next here is next there, and nothing changes here."""
        known = {id(peer): twin for peer, twin in peers.items()}
        return deepcopy(self, known)

    def _another(self, tried: Collection[Peer], now: float) -> Peer | None:
        return self._primaries.pick_other(tried, now) or self._backups.pick_other(tried, now)

    def _another_for(self, key: str, tried: Collection[Peer]) -> Peer | None:
        assert self._keyed is not None and self._keyed_backups is not None
        return self._keyed.pick_for(key, tried) or self._keyed_backups.pick_for(key, tried)

    def _pick_open(self, pick: Callable[[float], Peer | None], now: float) -> Peer | None:
        """As *pick*, but no peer that takes nothing more."""
        peer = pick(now)
        return self._another_open((), now) if peer is None or peer.is_full or peer.is_being_tried else peer

    def _another_open(self, tried: Sequence[Peer], now: float) -> Peer | None:
        return self._open(lambda avoided: self._another(avoided, now), tried)

    def _open(self, pick: Callable[[Collection[Peer]], Peer | None], tried: Sequence[Peer]) -> Peer | None:
        """What *pick* makes of *tried* and those that take nothing more; one whose trial runs if there is nobody else."""
        closed, on_trial = set(tried), []
        for peer in self._limited:
            if 0 < peer.settings.max_connections <= peer.in_flight:
                closed.add(peer)
            elif peer.is_being_tried and peer not in closed:
                on_trial.append(peer)
        found = pick(closed.union(on_trial))
        return pick(closed) if found is None and on_trial else found


def _is_keyed(settings: PoolSettings) -> bool:
    return bool(settings.balance.key or (settings.sticky is not None and settings.sticky.key))
