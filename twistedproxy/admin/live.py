"""The running proxy as one value: what the status page, the metrics and the shell read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from twistedproxy.admin.apps import LiveApp
from twistedproxy.admin.journal import Journal
from twistedproxy.admin.life import Life
from twistedproxy.balance.membership import Membership
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.clock import Clock
from twistedproxy.downstream.door import Door
from twistedproxy.downstream.http2 import Http2Connection
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.site import Site
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.settings.site_ini import Settings
from twistedproxy.spans.export import Spans
from twistedproxy.tls.parts import TlsParts
from twistedproxy.websocket.register import Register


@dataclass(repr=False)
class Live:
    """
    The live objects by their names.  Nothing in here knows that it is watched.

    :ivar settings: the site as it was read from its file
    :ivar pools: by name, in the file's order
    :ivar memberships: who belongs to the pools, by the pools' names
    :ivar caches: by name, in the file's order
    :ivar routes: in order of precedence
    :ivar listeners: in the file's order, and streams behind them
    :ivar clock: the proxy's clocks
    :ivar started: when the proxy started, seconds of the wall clock
    :ivar websockets: those that are open
    :ivar apps: those in this process, by name
    :ivar limits: by name
    :ivar logs: by name, in the file's order
    :ivar spans: of requests, for OpenTelemetry; None: there are none
    :ivar certificates: what is shown to clients, and what keeps it so
    :ivar site: what exchanges share; None where there are none
    :ivar life: what can be asked of the process; None where it was not started from a site file
    :ivar reactor: the proxy's
    :ivar finished: called with each exchange that has ended; whoever wants to see them comes and goes between two of them
    :ivar file: the site file; empty where there is none
    :ivar journal: what operators have changed
    """

    settings: Settings
    pools: dict[str, Pool]
    caches: dict[str, Cache]
    routes: RouteTable
    listeners: Sequence[Door]
    clock: Clock
    started: float
    memberships: dict[str, Membership] = field(default_factory=dict)
    websockets: Register = field(default_factory=Register)
    apps: dict[str, LiveApp] = field(default_factory=dict)
    limits: dict[str, Limit] = field(default_factory=dict)
    logs: dict[str, AccessLog] = field(default_factory=dict)
    spans: Spans | None = None
    certificates: TlsParts = field(default_factory=TlsParts)
    site: Site | None = None
    life: Life | None = None
    reactor: Any = None
    finished: list[Callable[[Any], None]] = field(default_factory=list)
    file: str = ""
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.clock, self.reactor)

    def running(self) -> Iterator[Exchange]:
        """The exchanges that have not ended, those that became WebSockets included."""
        for door in self.listeners:
            for connection in list(door.connections):
                if isinstance(connection, Http2Connection):
                    yield from (stream.exchange for stream in list(connection.streams.values()) if stream.exchange is not None)
                elif connection.exchange is not None:
                    yield connection.exchange

    def __repr__(self) -> str:
        names = ", ".join(each.name for each in fields(self))
        return f"<Live: {names}>"
