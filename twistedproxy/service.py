"""
The composition root: settings become every object of the proxy, wired here and nowhere else, in one service.

    poller, deadlines, names, dialer      how bytes, time and names come in
    apps                                  services of others that run in this process
    pools, connectors, checks             who serves
    caches                                what is stored
    routes, site                          what becomes of a request
    listeners                             where clients come in
    shell, status, logs                   who looks on
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.reflect import namedAny

from twistedproxy.admin.access_log import AccessLog
from twistedproxy.admin.live import Live
from twistedproxy.admin.manhole import make_shell_service
from twistedproxy.admin.status_site import make_status_service
from twistedproxy.balance.health import Health
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.clock import SystemClock
from twistedproxy.downstream.listener import Listener
from twistedproxy.forward.routes import Backend, Route, RouteTable
from twistedproxy.forward.site import Site
from twistedproxy.settings import PoolSettings, Settings
from twistedproxy.transport.contexts import TlsClient, TlsServer
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.dialer import Dialer
from twistedproxy.transport.names import Names, system_look_up
from twistedproxy.transport.poller import EpollPoller
from twistedproxy.upstream.connector import Connector
from twistedproxy.upstream.probes import Probe

_log = Logger()


def make_service(settings: Settings, reactor: Any) -> MultiService:
    """
    The whole proxy; no port is opened before it is started.

    :raises OSError: a file that the settings name cannot be read any more
    :raises ValueError: or has become something else
    """
    clock = SystemClock()
    poller = EpollPoller(reactor)
    deadlines = Deadlines(reactor, clock)
    look_up = system_look_up(reactor.callInThread, reactor.callFromThread)

    service = MultiService()
    _Core(poller, deadlines).setServiceParent(service)
    for app in settings.apps:
        make_app = namedAny(app.run.replace(":", "."))
        IService(make_app(reactor, settings.site.state_dir)).setServiceParent(service)

    backends: dict[str, Backend] = {}
    for name, pool_settings in settings.pools.items():
        names = Names(look_up, reactor, clock, pool_settings.resolve)
        tls = TlsClient(pool_settings) if any(server.tls for server in pool_settings.servers) else None
        pool = Pool(pool_settings, clock)
        backends[name] = Backend(pool, Connector(pool_settings, Dialer(poller, names).dial, tls, deadlines))
        _check(pool, pool_settings, names, reactor, service)
    caches = {name: Cache(cache, clock, reactor) for name, cache in settings.caches.items()}
    for cache in caches.values():
        _CacheService(cache).setServiceParent(service)

    routes = RouteTable(
        Route(route, backends[route.pool] if route.pool else None, caches[route.cache] if route.cache else None)
        for route in settings.routes
    )
    site = Site(routes, clock, reactor, deadlines)
    tls_servers = {name: TlsServer(tls, settings.site.state_dir, clock) for name, tls in settings.tls.items()}
    listeners = [Listener(door, site, poller, tls_servers[door.tls] if door.tls else None) for door in settings.listen]

    pools = {name: backend.pool for name, backend in backends.items()}
    live = Live(settings, pools, caches, routes, listeners, clock, clock.wall())
    for log_settings in settings.logs:
        log = AccessLog(log_settings, reactor)
        site.finished.append(log.exchange_finished)
        log.setServiceParent(service)
    if settings.status is not None:
        make_status_service(settings.status, live, reactor).setServiceParent(service)
    if settings.shell is not None:
        make_shell_service(settings.shell, settings.site.state_dir, live, reactor).setServiceParent(service)
    _Doors(listeners, site, settings.site.stop_timeout, reactor).setServiceParent(service)
    return service


def _check(pool: Pool, settings: PoolSettings, names: Names, reactor: Any, service: MultiService) -> None:
    if settings.check is None:
        return
    probe = Probe(reactor, names.resolve, settings.check, settings)

    def ask(peer: Peer) -> Deferred[None]:
        return probe(peer.settings)

    Health(pool, ask, reactor).setServiceParent(service)


class _Core(Service):
    """The poller is part of the reactor from start to stop; first to start, last to matter."""

    def __init__(self, poller: EpollPoller, deadlines: Deadlines) -> None:
        self._poller = poller
        self._deadlines = deadlines

    def startService(self) -> None:
        Service.startService(self)
        self._poller.start()


class _CacheService(Service):
    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def startService(self) -> None:
        Service.startService(self)
        self._cache.start()

    def stopService(self) -> None:
        Service.stopService(self)
        self._cache.stop()


class _Doors(Service):
    """
    The listeners: bound before privileges drop, opened last, closed first.

    When it stops, running exchanges have *stop_timeout* seconds to finish; tunnels, which know no end, are cut at once.
    """

    def __init__(self, listeners: list[Listener], site: Site, stop_timeout: float, reactor: Any) -> None:
        self._listeners = listeners
        self._site = site
        self._stop_timeout = stop_timeout
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        for listener in self._listeners:
            listener.bind()

    def startService(self) -> None:
        Service.startService(self)
        for listener in self._listeners:
            if not listener.addresses:
                listener.bind()
            listener.start()
            for address in listener.addresses:
                _log.info("listener {name}: {scheme} on {address}", name=listener.settings.name, scheme=listener.scheme.decode(), address=address)

    def stopService(self) -> Deferred[None] | None:
        Service.stopService(self)
        self._site.stopping = True
        for listener in self._listeners:
            listener.stop()
            for connection in list(listener.connections):
                if connection.tunnel is not None:
                    connection.close_now()
                else:
                    connection.close_when_idle()
        if not self._busy():
            return None
        done: Deferred[None] = Deferred()
        self._wait(done, self._reactor.seconds() + self._stop_timeout)
        return done

    def _busy(self) -> bool:
        return any(listener.connections for listener in self._listeners)

    def _wait(self, done: Deferred[None], until: float) -> None:
        if not self._busy():
            done.callback(None)
        elif self._reactor.seconds() >= until:
            for listener in self._listeners:
                for connection in list(listener.connections):
                    connection.close_now()
            done.callback(None)
        else:
            self._reactor.callLater(0.05, self._wait, done, until)
