"""A pool with all that belongs to it, and what becomes of it when the site says something else of the pool."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Final

from twisted.application.service import IService

from twistedproxy.balance.drains import Drains
from twistedproxy.balance.health import Health
from twistedproxy.balance.membership import Find, Membership
from twistedproxy.balance.peer import PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.clock import Clock
from twistedproxy.downstream.stream import Target
from twistedproxy.forward.affinity import affinity_of, sticky_key
from twistedproxy.forward.routes import Backend
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.transport.contexts import HTTP_1, HTTP_2, TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.names import LookUp, Names
from twistedproxy.upstream.connector import Connector, Dial
from twistedproxy.upstream.probes import PROBES, Probe
from twistedproxy.upstream.proxied import connector_of
from twistedproxy.upstream.stream import StreamConnector
from twistedproxy.websocket.probe import WebSocketProbe

# Keys that say nothing of connections, or of checks: while all others stay, connectors and checks do.  A key that is not listed
# here costs a new one, which is always right.
_CHOICE: Final = frozenset(
    (
        "servers",
        "balance",
        "sticky",
        "rise",
        "fall",
        "max_fails",
        "fail_timeout",
        "max_fail_timeout",
        "fail_statuses",
        "eject_ratio",
        "eject_latency",
        "eject_window",
        "eject_min_requests",
        "max_ejected",
        "fail_open",
        "queue",
        "retry_budget",
    )
)
_CHECKS: Final = frozenset(field.name for field in fields(PoolSettings) if field.name.startswith("check"))
_NOT_LINKS: Final = _CHOICE | _CHECKS | {"keepalive", "keepalive_timeout", "resolve"}
_NOT_CHECKS: Final = _CHOICE | {"keepalive", "keepalive_timeout", "resolve"}


@dataclass(frozen=True)
class Surroundings:
    """
    What all pools have in common.

    :ivar dialer: makes what connects to peers whose names are looked up in that way
    :ivar find: finds the peers that a name stands for
    :ivar state_dir: where secrets are kept
    """

    dialer: Callable[[Names], Dial]
    reactor: Any
    clock: Clock
    deadlines: Deadlines
    look_up: LookUp
    find: Find
    state_dir: str


@dataclass(frozen=True)
class Pooled:
    """
    A pool, what reaches its peers, who comes and goes, and who watches them.

    :ivar target: the same for streams
    :ivar names: looks up the names of its peers, for what connects to them: *dial*
    """

    settings: PoolSettings
    backend: Backend
    target: Target
    membership: Membership
    drains: Drains
    names: Names
    dial: Dial
    health: Health | None

    @property
    def pool(self) -> Pool:
        """The pool itself."""
        return self.backend.pool

    @property
    def services(self) -> list[IService]:
        """What is to be started, in this order."""
        return [self.membership, self.drains, *([self.health] if self.health is not None else [])]

    def take_over(self, before: Pooled | None) -> None:
        """This is the pool from now on, in place of *before*; never fails."""
        if before is None or before is self:
            return
        pool, old, new = self.pool, before.settings, self.settings
        pool.revise_settings(new)
        self.names.keep = new.resolve
        self.membership.revise(old.servers, new.servers)
        if old.resolve != new.resolve:
            self.membership.refresh()
        connector = self.backend.connector
        if self.backend is not before.backend:
            before.backend.part()
        if self.target is not before.target:
            before.target.part()
        if connector is not before.backend.connector:
            before.backend.connector.retire([*pool.peers, *pool.leaving])
        connector.revise(new)
        for peer in pool.peers:
            connector.may_keep(peer, peer.state in (PeerState.UP, PeerState.EJECTED))

    def leave(self) -> None:
        """The site has no such pool any more: what runs finishes, and nothing is kept for more."""
        self.backend.connector.retire(self.pool.peers)


def pooled(settings: PoolSettings, before: Pooled | None, around: Surroundings, undo: ExitStack) -> Pooled:
    """
    The pool that *settings* ask for, with all of *before* that can stay; nothing that runs changes before :meth:`take_over`.

    :param undo: takes back what was begun, if it comes to nothing
    :raises OSError: a file cannot be read
    :raises ValueError: or holds something else
    """
    if before is not None and before.settings == settings:
        return before
    if before is None:
        names = Names(around.look_up, around.clock, settings.resolve)
        dial = around.dialer(names)
        pool = Pool(settings, around.clock)
        affinity = affinity_of(pool, partial(sticky_key, around.state_dir))
        backend = Backend(pool, _connector(settings, dial, around), affinity)
        membership = Membership(pool, around.find, names.known, around.reactor)
        drains = Drains(pool, around.reactor)
        target = Target(pool, StreamConnector(settings, dial, around.deadlines))
        return Pooled(settings, backend, target, membership, drains, names, dial, _health(settings, pool, dial, around))
    old, pool = before.settings, before.pool
    choice_differs = (old.balance, old.sticky) != (settings.balance, settings.sticky)
    connector, affinity, health = before.backend.connector, before.backend.affinity, before.health
    if _differ(old, settings, _NOT_LINKS):
        connector = _connector(settings, before.dial, around)
    target = before.target
    if connector is not before.backend.connector or choice_differs:
        target = Target(pool, StreamConnector(settings, before.dial, around.deadlines), settings)
        undo.callback(target.part)
    if choice_differs:
        affinity = affinity_of(pool, partial(sticky_key, around.state_dir), settings)
    if _differ(old, settings, _NOT_CHECKS):
        health = _health(settings, pool, before.dial, around)
    backend = before.backend
    if connector is not backend.connector or affinity is not backend.affinity:
        backend = Backend(pool, connector, affinity)
        undo.callback(backend.part)
    return replace(before, settings=settings, backend=backend, target=target, health=health)


def _differ(one: PoolSettings, other: PoolSettings, apart_from: frozenset[str]) -> bool:
    names = (field.name for field in fields(PoolSettings) if field.name not in apart_from)
    return any(getattr(one, name) != getattr(other, name) for name in names)


def _connector(settings: PoolSettings, dial: Dial, around: Surroundings) -> Connector:
    protocols = HTTP_2 if settings.protocol == "h2" else HTTP_1
    tls = TlsClient(settings, protocols) if any(server.tls for server in settings.servers) else None
    return connector_of(settings, dial, tls, around.deadlines)


def _health(settings: PoolSettings, pool: Pool, dial: Dial, around: Surroundings) -> Health | None:
    check = settings.check
    if check is None:
        return None
    if check.kind == "websocket":
        probe: Probe = WebSocketProbe(check, settings, dial, around.deadlines, around.reactor)
    else:
        probe = PROBES[check.kind](check, settings, dial, around.deadlines)
    return Health(pool, lambda peer: probe(peer.settings), around.reactor)
