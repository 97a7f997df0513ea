"""
A pool's twin: the same peers in the same state, and schedulers that are as far as its own; what happens to it changes nothing.

It says what the pool would do next, as often as somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any, Final

from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.queue import Queue
from twistedproxy.balance.stickiness import Sessions
from twistedproxy.clock import Clock

#: What a twin has of its own; all else is the same for both.
_OWN: Final = frozenset(
    ("answer_time", "circuit", "idle", "last_checks", "may_eject", "on_change", "on_room", "on_trial_over", "standing")
)
#: Of which copies are made.
_COPIED: Final = ("answer_time", "circuit", "standing")


def twin_of(pool: Pool, clock: Clock) -> tuple[Pool, dict[Peer, Peer]]:
    """
    The twin of *pool*, and of each of its peers the twin.

    Queues are as long as there is room in that of *pool*: nobody waits there.
    """
    now = clock.monotonic()
    pool.refresh(now)
    random = Random()
    random.setstate(pool._random.getstate())
    twin = Pool(replace(pool.settings, servers=()), clock, random)
    twin.settings = pool.settings
    peers = {peer: _peer(peer, pool) for peer in pool.peers}
    known: dict[int, Any] = {id(peer): other for peer, other in peers.items()}
    known[id(pool._random)] = random
    for name in ("_primaries", "_backups", "_keyed", "_keyed_backups", "_budget"):
        scheduler = getattr(pool, name)
        drawn = getattr(scheduler, "_random", None)
        if drawn is not None:
            known[id(drawn)] = random.random
        setattr(twin, name, deepcopy(scheduler, known))
    twin._last_resort = pool._last_resort
    twin.peers = list(peers.values())
    for peer in twin.peers:
        since = peer.since
        twin._adopt(peer)
        peer.since = since
    if pool.queue is not None:
        twin.queue = Queue(max(0, pool.queue.length - len(pool.queue)), pool.queue.timeout)
    twin.refresh(now)
    return twin, peers


def _peer(peer: Peer, pool: Pool) -> Peer:
    twin = Peer(peer.settings, pool.settings, peer.origin)
    for name in Peer.__slots__:
        if name not in _OWN:
            setattr(twin, name, getattr(peer, name))
    for name in _COPIED:
        setattr(twin, name, deepcopy(getattr(peer, name)))
    twin.last_checks = deque(peer.last_checks, peer.last_checks.maxlen)
    return twin


class SessionsSeen(Sessions):
    """
    Sessions that are looked up, and not touched.

    :param sessions: those of the pool; *peers*: whose twins are found
    """

    __slots__ = ("_peers", "_seen")

    def __init__(self, sessions: Sessions, peers: Mapping[Peer, Peer]) -> None:
        super().__init__(0, 0.0)
        self._seen = sessions
        self._peers = peers

    def find(self, session: str, now: float) -> Peer | None:
        """As the original, but that it is not seen."""
        found = self._seen.peek(session, now)
        return None if found is None else self._peers.get(found)

    def bind(self, session: str, peer: Peer, now: float) -> Peer | None:
        """Nothing is learnt."""
        return None

    def forget(self, session: str) -> None:
        """Nor forgotten."""
