"""
A stage that stands beside the running site: what would become of a request now, with the routes, the peers and the limits as they
are, and with what the caches hold.

The same code decides as on any other stage, on twins of what lives: nothing is sent, counted, stored or learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any, cast

from twistedproxy.balance.lookback import Seen
from twistedproxy.balance.peer import Peer
from twistedproxy.cache.cache import Cache
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.responses import Lookup
from twistedproxy.forward.building import build_routes
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.guards.order import Guards
from twistedproxy.forward.guards.premises import Premises, at_once
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.route_table import Seen as PassedOver
from twistedproxy.forward.routes import Backend, Route
from twistedproxy.forward.site import Site
from twistedproxy.message import RequestHead
from twistedproxy.rehearsal.peers import Peers
from twistedproxy.rehearsal.stage import SECRET, Stage, StageClock, Told
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.caches import CacheSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.story.tale import Tale
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Connector


class LiveStage(Stage):
    """
    Beside a site that runs.  Use it in a ``with`` statement, and for one request.

    :param settings: of the site that runs
    :param site: its routes, tables and clock
    """

    def __init__(self, settings: Settings, site: Site, caches: Mapping[str, Cache], limits: Mapping[str, Limit]) -> None:
        self.settings = settings
        self.clock = clock = StageClock(site.clock.monotonic(), site.clock.wall())
        self._directory = TemporaryDirectory(prefix="revproxy-")
        self._peers = {}
        self._caches = {}
        self._ran: dict[Peer, int] = {}
        self._routes: dict[Route, Route] = {}
        self._live_site = site
        self._live_caches = caches
        before = {name: _limit(limit) for name, limit in limits.items()}
        self._guards = Guards(settings.limits, Premises(clock, clock, at_once, self._fetch, SECRET), before)
        table = cast(RouteTable, _Table(self))
        self.site = Site(table, clock, clock, Deadlines(clock, clock), maps=site.maps)

    def _waits(self, exchange: Exchange) -> bool:
        """Who waits in a queue waits for others, of whom a stage knows nothing."""
        return exchange.place is not None

    def tale_of(self, told: Told) -> Tale:
        """What is to be told of what became of a request."""
        tale = told.tale
        tale.ran_at = self._ran_at
        route = tale.facts.route
        if route is not None:
            wanted = route.settings.title
            live = next((each for each in self._routes if each.settings.title == wanted), None)
            if live is not None and live.settings.filters:
                tale.note = "the site's own filters (filters) are not asked about requests that are made up"
        return tale

    def _ran_at(self, seen: Seen, moment: float) -> int | None:
        return self._ran.get(seen.peer)

    # What lives, and its twins.

    @property
    def live_routes(self) -> RouteTable:
        """The table of the site that runs."""
        return self._live_site.routes

    def twin(self, route: Route) -> Route:
        """What stands for the live *route*."""
        known = self._routes.get(route)
        if known is None:
            # Filters are programs of others, who may do what they like.
            settings = replace(route.settings, filters=())
            one = replace(self.settings, routes=(settings,))
            known = build_routes(one, _Backends(self), _Caches(self), self._guards.of).given[0]
            self._routes[route] = known
        return known

    def backend(self, key: str | HostedApp) -> Backend:
        """What stands for the pool called *key*, or for that of an app."""
        name = key if isinstance(key, str) else key.pool.name
        live = next(
            backend for route in self.live_routes.routes if (backend := route.backend) is not None and backend.pool.name == name
        )
        pool, peers = live.pool.twin(self.clock)
        affinity = live.affinity.twin(pool, peers) if live.affinity is not None else None
        self._ran.update((peer, peer.in_flight) for peer in pool.peers)
        connector = self._peers[name] = Peers(self.clock, lambda: self._answer)
        return Backend(pool, cast(Connector, connector), affinity)

    def cache(self, name: str) -> Cache:
        """What stands for the cache called *name*."""
        live = self._live_caches[name]
        made = _Looking(live, replace(live.settings, directory=f"{self._directory.name}/{name}"), self.clock)
        self._caches[name] = made
        made.start()
        return made


class _Table:
    """The routes of the site that runs, in whose places others stand."""

    #: No request is recognised: each is routed by itself.
    remembers = False

    def __init__(self, stage: LiveStage) -> None:
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        """As of the live table."""
        return getattr(self._stage.live_routes, name)

    def match(
        self,
        scheme: bytes,
        host: bytes,
        port: int,
        path: bytes,
        listener: str,
        asked: Exchange | None = None,
        seen: PassedOver | None = None,
    ) -> Route | None:
        """As :meth:`twistedproxy.forward.route_table.RouteTable.match`."""
        found = self._stage.live_routes.match(scheme, host, port, path, listener, asked, seen)
        return None if found is None else self._stage.twin(found)


class _Backends(dict[Any, Backend]):
    """Backends by name; each is made when it is needed."""

    def __init__(self, stage: LiveStage) -> None:
        super().__init__()
        self._stage = stage

    def __missing__(self, key: str | HostedApp) -> Backend:
        made = self[key] = self._stage.backend(key)
        return made


class _Caches(dict[str, Cache]):
    """Caches, likewise."""

    def __init__(self, stage: LiveStage) -> None:
        super().__init__()
        self._stage = stage

    def __missing__(self, key: str) -> Cache:
        made = self[key] = self._stage.cache(key)
        return made


class _Looking(Cache):
    """A cache that finds what a live one holds, and keeps what comes in to itself."""

    def __init__(self, live: Cache, settings: CacheSettings, clock: StageClock) -> None:
        super().__init__(settings, clock, clock)
        self._live = live

    def lookup(self, request: RequestHead, scheme: bytes, now: float) -> Lookup:
        """As the live one, where it counts for nothing."""
        found = self._live.ask(request, scheme, now)
        return Lookup(found.key, found.verdict, found.outcome, found.entry, self.removals.latest)

    def ready(self, request: RequestHead, now: float) -> Entry | None:
        """Nothing: :meth:`lookup` has the word."""
        return None


class _Read:
    """A table of arrivals that is only read."""

    def __init__(self, arrivals: Any) -> None:
        self.tag = arrivals.tag
        self.look = arrivals.look
        self.shared = 0

    def note(self, place: int, tag: int, time: float, now: float) -> None:
        """Nothing is used up."""


def _limit(limit: Limit) -> Limit:
    twin = copy(limit)
    twin.arrivals, twin.sent = cast(Any, _Read(limit.arrivals)), cast(Any, _Read(limit.sent))
    twin.running = copy(limit.running)
    return twin
