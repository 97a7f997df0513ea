"""All that the sections of a site have become, by their names: made for a start or for a reload, and compared by the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.application.service import IService

from twistedproxy.addresses import Address
from twistedproxy.admin.manhole import ShellService
from twistedproxy.admin.ports import BACKLOG, Ports
from twistedproxy.downstream.listener import Listener
from twistedproxy.downstream.stream import StreamDoor
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.map_files import MapFiles
from twistedproxy.forward.maps import MapTable
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.routes import Route
from twistedproxy.lifecycle import Storing
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.running.hosted import Hosted
from twistedproxy.running.pools import Pooled
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.settings.streams import StreamSettings
from twistedproxy.spans.export import Spans
from twistedproxy.tls.parts import NO_PARTS, TlsParts


@dataclass
class Parts:
    """
    The parts of a site.

    :ivar hosted: the apps in this process that routes name
    :ivar certificates: what ports show, and what keeps it so
    """

    settings: Settings | None = None
    apps: dict[str, IService] = field(default_factory=dict)
    hosted: dict[HostedApp, Hosted] = field(default_factory=dict)
    pools: dict[str, Pooled] = field(default_factory=dict)
    caches: dict[str, Storing] = field(default_factory=dict)
    limits: dict[str, Limit] = field(default_factory=dict)
    maps: dict[str, MapTable] = field(default_factory=dict)
    map_files: MapFiles | None = None
    routes: RouteTable = field(default_factory=lambda: RouteTable(()))
    certificates: TlsParts = NO_PARTS
    listeners: dict[str, Listener] = field(default_factory=dict)
    streams: dict[str, StreamDoor] = field(default_factory=dict)
    logs: dict[str, AccessLog] = field(default_factory=dict)
    spans: Spans | None = None
    status: Ports | None = None
    shell: ShellService | None = None

    @property
    def services(self) -> list[IService]:
        """What is to be started, in this order."""
        return [
            *self.apps.values(),
            *(each.service for each in self.hosted.values()),
            *(service for pool in self.pools.values() for service in pool.services),
            *self.caches.values(),
            *([self.map_files] if self.map_files is not None else []),
            *self.certificates.before,
            *self.logs.values(),
            *([self.spans] if self.spans is not None else []),
            *([self.status] if self.status is not None else []),
            *([self.shell] if self.shell is not None else []),
        ]

    @property
    def wanted(self) -> dict[Address, int]:
        """Every address to listen on, with its backlog."""
        assert self.settings is not None
        with_doors: list[ListenSettings | StreamSettings] = [*self.settings.listen, *self.settings.streams]
        doors = {address: door.backlog for door in with_doors for address in door.on}
        lookouts = [each for each in (self.settings.status, self.settings.shell) if each is not None]
        return doors | {address: BACKLOG for each in lookouts for address in each.on}

    @property
    def doors(self) -> list[Listener | StreamDoor]:
        """Where clients come in."""
        return [*self.listeners.values(), *self.streams.values()]

    @property
    def behind(self) -> list[IService]:
        """What is to be started when the doors are open."""
        return self.certificates.behind

    def observer_of(self, log: AccessLog) -> Callable[[Any], None]:
        """What *log* is told by of exchanges that have finished; where no route chooses its logs, that is no question."""
        assert self.settings is not None
        chosen = log.settings.of == "requests" and any(route.log for route in self.settings.routes)
        return log.chosen_finished if chosen else log.exchange_finished

    def same_as_in(self, before: Parts, route: RouteSettings) -> bool:
        """Whether all that *route* is made of is what it was *before*."""
        pools = {route.pool, route.mirror, *(line.pool for line in route.split)} - {None, ""}
        return (
            all(name in before.pools and before.pools[name].backend is self.pools[name].backend for name in pools if name)
            and (route.hosted is None or before.hosted.get(route.hosted) is self.hosted[route.hosted])
            and (route.cache is None or before.caches.get(route.cache) is self.caches[route.cache])
            and all(before.limits.get(name) is self.limits[name] for name in route.limits)
        )

    def predecessor(self, route: Route) -> Route | None:
        """The route here whose place *route* takes: that of the same name, and for the same listeners if there are several."""
        alike = [each for each in self.routes.routes if each.name == route.name]
        same = [each for each in alike if each.settings.listen == route.settings.listen]
        return next(iter(same or alike), None)
