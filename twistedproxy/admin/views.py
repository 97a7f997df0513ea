"""How the shell shows live objects: the columns and rows of each kind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twistedproxy.addresses import Tcp
from twistedproxy.admin.live import Live
from twistedproxy.admin.tables import Column, count, duration, percent, size
from twistedproxy.admin.verb import Listing
from twistedproxy.balance.membership import SITE, Membership
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.cache.responses import Summary
from twistedproxy.downstream.door import Door
from twistedproxy.downstream.http2 import Http2Connection
from twistedproxy.downstream.listener import AnyConnection
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.routes import Route
from twistedproxy.settings.knob import NEVER
from twistedproxy.spelling import counted

#: Entries of a cache that are listed; it may hold millions.
MOST_ENTRIES: Final = 100


class Views:
    """Listings of the live objects, laid out for *width* characters (None: as wide as they are)."""

    def __init__(self, live: Live, width: Callable[[], int | None]) -> None:
        self.live = live
        self.width = width

    def pools(self) -> Listing[Pool]:
        """A row for each pool."""
        for pool in self.live.pools.values():
            pool.refresh(self.live.clock.monotonic())
        several = any(membership.names for membership in self.live.memberships.values())
        bound = any(pool.settings.sticky is not None for pool in self.live.pools.values())
        queues = any(pool.queue is not None for pool in self.live.pools.values())
        hedges = any(pool.hedges for pool in self.live.pools.values())
        columns = (
            Column("POOL"),
            Column("PEERS"),
            *([Column("FOUND BY", drop=4)] if several else []),
            Column("BALANCE", drop=3),
            *([Column("STICKY", drop=4)] if bound else []),
            Column("CHECK", drop=2),
            Column("RUNNING", right=True),
            Column("ATTEMPTS", right=True),
            Column("FAILED", right=True),
            Column("RETRIES", right=True, drop=2),
            *([Column("HEDGES", right=True, drop=2)] if hedges else []),
            *([Column("QUEUED", right=True)] if queues else []),
            Column("IDLE", right=True, drop=1),
        )

        def row(pool: Pool) -> list[str]:
            peers = pool.peers
            available = sum(peer.available for peer in peers)
            return [
                pool.name,
                f"{available} of {len(peers)} up",
                *([_names(self.live.memberships[pool.name])] if several else []),
                str(pool.settings.balance),
                *([_bindings(pool)] if bound else []),
                str(pool.settings.check or "-"),
                count(sum(peer.in_flight for peer in peers)),
                count(sum(peer.attempts for peer in peers)),
                count(sum(peer.failures for peer in peers)),
                count(pool.retries),
                *([count(pool.hedges)] if hedges else []),
                *([count(len(pool.queue)) if pool.queue is not None else "-"] if queues else []),
                count(sum(len(peer.idle) for peer in peers)),
            ]

        return Listing(self.live.pools.items(), columns, row, self.width, empty="no pools")

    def peers(self, pools: Iterable[Pool]) -> Listing[Peer]:
        """A row for each peer of *pools*."""
        pools = list(pools)
        owners = {peer: pool for pool in pools for peer in (*pool.peers, *pool.leaving)}
        for pool in pools:
            pool.refresh(self.live.clock.monotonic())
        strangers = any(peer.origin != SITE for peer in owners)
        named = any(self._addresses(pool, peer) for peer, pool in owners.items())
        several = [Column("POOL")] if len(pools) > 1 else []
        columns = (
            *several,
            Column("PEER"),
            *([Column("FROM", drop=6)] if strangers else []),
            *([Column("ADDRESSES", drop=7)] if named else []),
            Column("STATE"),
            Column("WEIGHT", right=True),
            Column("RUNNING", right=True),
            Column("ATTEMPTS", right=True),
            Column("FAILED", right=True),
            Column("SENT", right=True, drop=5),
            Column("RECEIVED", right=True, drop=4),
            Column("LAST CHECK", drop=2),
            Column("SINCE", right=True, drop=1),
            Column("BECAUSE", drop=3),
        )

        def row(peer: Peer) -> list[str]:
            now = self.live.clock.wall()
            checked = "-"
            if peer.last_checks:
                last = peer.last_checks[-1]
                checked = f"{last.reason or 'passed'} {duration(now - last.at)} ago"
            return [
                *([owners[peer].name] if several else []),
                peer.name,
                *([peer.origin] if strangers else []),
                *([" ".join(self._addresses(owners[peer], peer)) or "-"] if named else []),
                f"{peer.state}{_left(peer, now)}{', backup' if peer.backup else ''}",
                _weight(peer),
                count(peer.in_flight) + (f" of {limit}" if (limit := peer.settings.max_connections) else ""),
                count(peer.attempts),
                count(peer.failures),
                size(peer.bytes_sent),
                size(peer.bytes_received),
                checked,
                duration(now - peer.since),
                peer.why or "-",
            ]

        return Listing(((peer.name, peer) for peer in owners), columns, row, self.width, empty="no peers")

    def _addresses(self, pool: Pool, peer: Peer) -> Sequence[str]:
        membership = self.live.memberships.get(pool.name)
        return membership.addresses(peer) if membership is not None else ()

    def routes(self) -> Listing[Route]:
        """A row for each route, in order of precedence."""
        columns = (
            Column("ROUTE"),
            Column("TO"),
            Column("CACHE", drop=1),
            Column("REQUESTS", right=True),
            *(Column(f"{digit}xx", right=True, drop=2 if digit in (1, 3) else 0) for digit in range(1, 6)),
            Column("ERRORS", right=True),
        )

        def row(route: Route) -> list[str]:
            return [
                route.name,
                destination(route),
                route.settings.cache or "-",
                count(route.requests),
                *(count(route.statuses[digit]) for digit in range(1, 6)),
                count(route.errors),
            ]

        routes = self.live.routes.routes
        return Listing(((route.name, route) for route in routes), columns, row, self.width, empty="no routes")

    def limits(self) -> Listing[Limit]:
        """A row for each limit."""
        columns = (
            Column("LIMIT"),
            Column("KEY", drop=2),
            Column("PASSED", right=True),
            Column("DELAYED", right=True, drop=3),
            Column("REFUSED", right=True),
            Column("WAITING", right=True, drop=4),
            Column("RUNNING", right=True, drop=4),
            Column("TOGETHER", right=True, drop=1),
        )

        def row(limit: Limit) -> list[str]:
            return [
                limit.name + (" (dry run)" if limit.settings.dry_run else ""),
                limit.settings.key,
                count(limit.passed),
                count(limit.delayed),
                count(limit.refused),
                count(limit.waiting),
                count(sum(limit.running.values())),
                count(limit.shared),
            ]

        return Listing(self.live.limits.items(), columns, row, self.width, empty="no limits")

    def listeners(self) -> Listing[Door]:
        """A row for each listener and each stream."""
        columns = (
            Column("LISTENER"),
            Column("ON"),
            Column("TLS"),
            Column("CONNECTIONS", right=True),
            Column("MOST", right=True, drop=1),
            Column("ACCEPTED", right=True),
            Column("TURNED AWAY", right=True, drop=2),
            Column("REFUSED", right=True, drop=3),
        )

        def row(listener: Door) -> list[str]:
            return [
                listener.settings.name + (" (stream)" if listener.kind == "stream" else ""),
                _where_in(listener),
                listener.settings.tls or "-",
                count(len(listener.connections)),
                count(listener.settings.max_connections),
                count(listener.accepted),
                count(listener.turned_away),
                count(sum(listener.refused.values())),
            ]

        listeners = ((listener.settings.name, listener) for listener in self.live.listeners)
        return Listing(listeners, columns, row, self.width, empty="no listeners")

    def connections(self, listeners: Iterable[Door] | None = None) -> Listing[AnyConnection | StreamConnection]:
        """A row for each connection of a client, in the order in which they came to their listeners."""
        listeners = self.live.listeners if listeners is None else listeners
        connections = [connection for listener in listeners for connection in listener.connections]
        columns = (
            Column("NUMBER", right=True),
            Column("CLIENT"),
            Column("LISTENER", drop=2),
            Column("OPEN", right=True),
            Column("REQUESTS", right=True, drop=1),
            Column("NOW"),
        )

        def row(connection: AnyConnection | StreamConnection) -> list[str]:
            return [
                str(connection.number),
                client_of(connection),
                f"{connection.listener_name} ({connection.scheme.decode()})",
                duration(self.live.clock.monotonic() - connection.opened),
                count(connection.requests),
                occupation(connection),
            ]

        ordered = sorted(connections, key=lambda connection: (connection.number, connection.listener_name))
        named = ((str(connection.number), connection) for connection in ordered)
        return Listing(named, columns, row, self.width, empty="no connections")

    def caches(self) -> Listing[Cache]:
        """A row for each cache."""
        columns = (
            Column("CACHE"),
            Column("FILES", right=True),
            Column("SIZE", right=True),
            Column("OF", right=True),
            Column("IN MEMORY", right=True, drop=2),
            Column("HITS", right=True),
            Column("STALE", right=True, drop=3),
            Column("MISSES", right=True),
            Column("PASSED", right=True, drop=4),
            Column("HIT RATIO", right=True),
            Column("PURGES", right=True, drop=6),
            Column("EVICTED", right=True, drop=7),
            Column("DAMAGED", right=True, drop=8),
            Column("DIRECTORY", drop=5),
        )

        def row(cache: Cache) -> list[str]:
            stats = cache.stats()
            counts = stats.counts
            return [
                cache.settings.name,
                count(stats.files) if stats.complete else f"{count(stats.files)}+ ({stats.progress:.0%} seen)",
                size(stats.bytes),
                size(cache.settings.max_size),
                size(stats.memory_bytes),
                count(counts.hits),
                count(counts.stale),
                count(counts.misses),
                count(counts.passed),
                percent(counts.hits, counts.hits + counts.stale + counts.misses),
                count(stats.purges),
                count(stats.evicted),
                count(stats.damaged),
                cache.settings.directory,
            ]

        return Listing(self.live.caches.items(), columns, row, self.width, empty="no caches")

    def entries(self, cache: Cache) -> Listing[Summary]:
        """A row for each stored response of *cache*, as many as people read; VARY says what a variant was selected by."""
        columns = (
            Column("URL"),
            Column("STATUS", right=True),
            Column("SIZE", right=True),
            Column("AGE", right=True, drop=2),
            Column("FRESH"),
            Column("VARY", drop=1),
        )

        def row(entry: Summary) -> list[str]:
            return [
                entry.url,
                str(entry.status),
                size(entry.length),
                duration(entry.age),
                f"for {duration(entry.ttl)}" if entry.ttl > 0 else f"stale, {duration(-entry.ttl)}",
                ", ".join(f"{name}: {'-' if value is None else value}" for name, value in entry.vary) or "-",
            ]

        shown = itertools.islice(cache.entries(), MOST_ENTRIES)
        return Listing(((entry.url, entry) for entry in shown), columns, row, self.width, empty="no entries")


def _left(peer: Peer, now: float) -> str:
    """For how long the operator's will holds, if it ends by itself."""
    return f" for {duration(max(0.0, peer.will_ends - now))}" if peer.will_ends < NEVER else ""


def _weight(peer: Peer) -> str:
    """A peer's weight, and how much of it counts so far when it has a slow start."""
    now = peer.effective_weight
    return str(peer.weight) if now == peer.weight else f"{peer.weight} (now {now:g})"


def _bindings(pool: Pool) -> str:
    """What binds the clients of a pool to peers, and for how many requests it did."""
    sticky, counts = pool.settings.sticky, pool.bindings
    if sticky is None:
        return "-"
    return str(sticky) if counts is None else f"{sticky}: {count(counts.kept)} kept, {count(counts.moved)} moved"


def _names(membership: Membership) -> str:
    """The names by which the peers of a pool are found, and what is wrong with them."""
    return ", ".join(f"{called} ({name.problem})" if name.problem else called for called, name in membership.names.items()) or "-"


def _where_in(door: Door) -> str:
    """Where connections come in, for people."""
    shared = getattr(door.settings, "listen", ())
    return " ".join((*door.addresses, *(f"names of {name}" for name in shared)))


def destination(route: Route) -> str:
    """Where a route leads, for people."""
    settings = route.settings
    if settings.redirect is not None:
        return f"{settings.redirect.status} {settings.redirect.location}"
    if settings.respond is not None:
        return f"{settings.respond.status} {settings.respond.text}".rstrip()
    behind = settings.hosted.name if settings.hosted is not None else f"pool {settings.pool}"
    if settings.static is not None:
        files = f"files of {settings.static}"
        return files if route.backend is None else f"{files}, then {behind}"
    return behind


def client_of(connection: AnyConnection | StreamConnection) -> str:
    """A client's address and port."""
    return str(Tcp(connection.client, connection.client_port)) if connection.client_port else connection.client


def occupation(connection: AnyConnection | StreamConnection) -> str:
    """What a connection is doing, for people: ``idle``, a request and who serves it, or a WebSocket or stream and its bytes."""
    if isinstance(connection, StreamConnection):
        return _stream(connection)
    if isinstance(connection, Http2Connection):
        streams = len(connection.streams)
        return f"HTTP/2, {counted(streams, 'stream')}: {_work(connection)}" if streams else "idle, HTTP/2"
    return _work(connection)


def _work(connection: AnyConnection) -> str:
    """The oldest request on *connection*, or what it has become."""
    if connection.tunnel is not None:
        tunnel = connection.tunnel
        return f"websocket {tunnel.route_name} → {tunnel.peer_name}, {size(tunnel.bytes_up)} up, {size(tunnel.bytes_down)} down"
    exchange = connection.exchange
    if exchange is None:
        return "idle"
    head = exchange.head
    request = f"{head.method.decode('latin-1')} {head.authority.decode('latin-1')}{head.target.decode('latin-1')}"
    return f"{request} → {exchange.peer_name}" if exchange.peer_name else request


def _stream(connection: StreamConnection) -> str:
    asked = f" {connection.server_name}" if connection.server_name else ""
    joined = connection.joined
    if joined is not None:
        return f"stream{asked} → {joined.peer_name}, {size(joined.bytes_up)} up, {size(joined.bytes_down)} down"
    if connection.place is not None:
        return f"stream{asked}, waits in the queue of {connection.pool_name}"
    return f"stream{asked}, connects to {connection.peer_name}"
