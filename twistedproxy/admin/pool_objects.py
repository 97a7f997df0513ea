"""Pools and peers, as objects of the shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live_object import LiveObject
from twistedproxy.admin.tables import count, duration, size
from twistedproxy.admin.verb import Listing, known
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool

if TYPE_CHECKING:
    from twistedproxy.admin.objects import Objects


class PoolObject(LiveObject):
    """A pool."""

    values = frozenset(("name", "peers", "up", "running", "attempts", "failures", "retries", "queued"))
    actions = frozenset(("peer", "add_peer"))

    @property
    def _pool(self) -> Pool:
        pools = self._objects.live.pools
        if self.name not in pools:
            raise VerbError(f"there is no pool {self.name!r} any more")
        return pools[self.name]

    @property
    def peers(self) -> Listing[Peer]:
        """Its peers."""
        return self._objects.views.peers([self._pool])

    @property
    def up(self) -> int:
        """Peers that take requests."""
        return sum(peer.available for peer in self._pool.peers)

    @property
    def running(self) -> int:
        """Attempts that run."""
        return sum(peer.in_flight for peer in self._pool.peers)

    @property
    def attempts(self) -> int:
        """Attempts, ever."""
        return sum(peer.attempts for peer in self._pool.peers)

    @property
    def failures(self) -> int:
        """Attempts that failed through a peer's fault, ever."""
        return sum(peer.failures for peer in self._pool.peers)

    @property
    def retries(self) -> int:
        """Attempts after the first, ever."""
        return self._pool.retries

    @property
    def queued(self) -> int:
        """Requests that wait for a peer."""
        queue = self._pool.queue
        return len(queue) if queue is not None else 0

    def peer(self, name: str) -> PeerObject:
        """One of its peers."""
        return PeerObject(self._objects, self.name, known(f"peer of pool {self.name!r}", name, self.peer_names()))

    def peer_names(self) -> Sequence[str]:
        """What its peers are called."""
        return [peer.name for peer in self._pool.peers]

    def add_peer(self, server: str, **options: Any) -> Any:
        """As the verb."""
        return self._do("add_peer", self.name, server, **options)

    def __repr__(self) -> str:
        pool = self._pool
        pool.refresh(self._objects.live.clock.monotonic())
        parts = [
            f"pool {self.name}: {self.up} of {len(pool.peers)} up, {pool.settings.balance}",
            *([f"check {pool.settings.check}"] if pool.settings.check is not None else []),
            f"{count(self.running)} running",
            f"{count(self.attempts)} attempts, {count(self.failures)} failed, {count(self.retries)} retries",
            *([f"{count(self.queued)} queued"] if pool.queue is not None else []),
        ]
        return f"{', '.join(parts)}\n{self.peers!r}"


class PeerObject(LiveObject):
    """A peer of a pool."""

    values = frozenset(
        (
            "name",
            "pool",
            "state",
            "available",
            "why",
            "weight",
            "backup",
            "origin",
            "running",
            "attempts",
            "failures",
            "ejections",
            "checks",
            "bytes_sent",
            "bytes_received",
        )
    )
    actions = frozenset(("drain", "restore", "set_weight", "remove"))

    def __init__(self, objects: Objects, pool: str, name: str) -> None:
        super().__init__(objects, name)
        self.pool = pool

    @property
    def _peer(self) -> Peer:
        pool = self._objects.live.pools.get(self.pool)
        found = next((peer for peer in pool.peers if peer.name == self.name), None) if pool is not None else None
        if found is None:
            raise VerbError(f"there is no peer {self.name!r} of pool {self.pool!r} any more")
        return found

    @property
    def state(self) -> str:
        """``up``, ``draining``, ``down`` and so on."""
        self._objects.live.pools[self.pool].refresh(self._objects.live.clock.monotonic())
        return str(self._peer.state)

    @property
    def available(self) -> bool:
        """Whether new requests may go there."""
        return self._peer.available

    @property
    def why(self) -> str:
        """The reason of its state."""
        return self._peer.why

    @property
    def weight(self) -> int:
        """Its weight."""
        return self._peer.weight

    @property
    def backup(self) -> bool:
        """Whether it serves only when no other does."""
        return self._peer.backup

    @property
    def origin(self) -> str:
        """Where it came from."""
        return self._peer.origin

    @property
    def running(self) -> int:
        """Attempts that run."""
        return self._peer.in_flight

    @property
    def attempts(self) -> int:
        """Attempts, ever."""
        return self._peer.attempts

    @property
    def failures(self) -> int:
        """Attempts that failed through its fault, ever."""
        return self._peer.failures

    @property
    def ejections(self) -> int:
        """How often it was ejected."""
        return self._peer.ejections

    @property
    def bytes_sent(self) -> int:
        """Bytes that went to it."""
        return self._peer.bytes_sent

    @property
    def bytes_received(self) -> int:
        """Bytes that came from it."""
        return self._peer.bytes_received

    @property
    def checks(self) -> Any:
        """Its last checks."""
        return self._do("checks", self.pool, self.name)

    def drain(self, **options: Any) -> Any:
        """As the verb."""
        return self._do("drain", self.pool, self.name, **options)

    def restore(self) -> Any:
        """As the verb."""
        return self._do("restore", self.pool, self.name)

    def set_weight(self, weight: int, **options: Any) -> Any:
        """As the verb."""
        return self._do("set_weight", self.pool, self.name, weight, **options)

    def remove(self, **options: Any) -> Any:
        """As remove_peer."""
        return self._do("remove_peer", self.pool, self.name, **options)

    def __repr__(self) -> str:
        peer, now = self._peer, self._objects.live.clock.wall()
        state = self.state
        last = peer.last_checks[-1] if peer.last_checks else None
        failed = f", the last: {peer.last_failure.text}" if peer.last_failure is not None else ""
        limit = f" of {peer.settings.max_connections}" if peer.settings.max_connections else ""
        return self._told(
            ("peer", f"{self.name} of pool {self.pool}, from {self.origin}{', backup' if self.backup else ''}"),
            ("state", f"{state} for {duration(now - peer.since)}{f': {peer.why}' if peer.why else ''}"),
            ("weight", str(self.weight)),
            ("running", f"{count(self.running)}{limit}"),
            ("attempts", f"{count(self.attempts)}, {count(self.failures)} failed{failed}"),
            ("bytes", f"{size(self.bytes_sent)} sent, {size(self.bytes_received)} received"),
            ("last check", f"{last.reason or 'passed'}, {duration(max(0.0, now - last.at))} ago" if last is not None else ""),
        )
