"""
The composition root: settings become every object of the proxy, wired here and nowhere else, in one service.

    poller, deadlines, names, dialer      how bytes, time and names come in
    apps                                  services of others that run in this process
    pools, connectors, checks             who serves
    memberships, drains, memory           who comes and goes, and what is known of them after a restart
    caches                                what is stored
    routes, site                          what becomes of a request
    certificates                          which of them are shown, and what becomes of them
    listeners, streams                    where clients come in
    status, shell, logs                   who looks on
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.reflect import namedAny

from twistedproxy.admin.access_log import AccessLog
from twistedproxy.admin.failure_log import FailureLog
from twistedproxy.admin.live import Live
from twistedproxy.admin.manhole import make_shell_service
from twistedproxy.admin.status_site import make_status_service
from twistedproxy.balance.dns import Dns, records_of
from twistedproxy.balance.drains import Drains
from twistedproxy.balance.health import Health
from twistedproxy.balance.membership import Membership
from twistedproxy.balance.memory import Memory, StateFile
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.clock import SystemClock
from twistedproxy.config import network
from twistedproxy.config.scalars import Context
from twistedproxy.downstream.listener import Listener
from twistedproxy.downstream.stream import StreamDoor, StreamSite, Target, share
from twistedproxy.forward.affinity import affinity_of, sticky_key
from twistedproxy.forward.building import build_routes
from twistedproxy.forward.guards.fetching import Fetcher
from twistedproxy.forward.guards.order import Guards
from twistedproxy.forward.guards.premises import Premises, threads
from twistedproxy.forward.map_files import MapFiles
from twistedproxy.forward.maps import MapTable
from twistedproxy.forward.routes import Backend
from twistedproxy.forward.site import Site
from twistedproxy.lifecycle import Doors, Polling, Proxy, Rotation, Storing
from twistedproxy.settings import CheckSettings, Settings
from twistedproxy.tls.parts import tls_parts
from twistedproxy.transport.contexts import HTTP_1, HTTP_2, TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.dialer import Dialer
from twistedproxy.transport.names import Names, system_look_up
from twistedproxy.transport.poller import EpollPoller
from twistedproxy.upstream.connector import Dial
from twistedproxy.upstream.probes import PROBES, Probe
from twistedproxy.upstream.proxied import connector_of
from twistedproxy.upstream.stream import StreamConnector
from twistedproxy.websocket.probe import WebSocketProbe


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
    state_dir = settings.site.state_dir
    apps = [IService(namedAny(app.run.replace(":", "."))(reactor, state_dir)) for app in settings.apps]

    dns = Dns(look_up, partial(records_of, settings.site.nameservers, reactor))
    backends: dict[str, Backend] = {}
    memberships: dict[str, Membership] = {}
    checks: list[Health] = []
    targets: dict[str, Target] = {}
    for name, pool in settings.pools.items():
        names = Names(look_up, clock, pool.resolve)
        tls = TlsClient(pool, HTTP_2 if pool.protocol == "h2" else HTTP_1) if any(server.tls for server in pool.servers) else None
        dial = Dialer(poller, names, reactor).dial
        connector = connector_of(pool, dial, tls, deadlines)
        peers = Pool(pool, clock)
        targets[name] = Target(peers, StreamConnector(pool, dial, deadlines))
        backends[name] = Backend(peers, connector, affinity_of(peers, partial(sticky_key, state_dir)))
        memberships[name] = Membership(peers, dns.find, names.known, reactor)
        if pool.check is not None:
            checks.append(_health(peers, pool.check, dial, deadlines, reactor))
    pools = {name: backend.pool for name, backend in backends.items()}
    drains = [Drains(pool, reactor) for pool in pools.values()]
    lines = partial(network.server, at=Context("/", {})), network.write_server
    memory = Memory(StateFile(os.path.join(state_dir, "pools.json")), memberships, lines, clock, reactor)
    caches = {name: Cache(cache, clock, reactor) for name, cache in settings.caches.items()}

    guards = Guards(settings.limits, Premises(clock, reactor, threads(reactor), Fetcher(reactor), os.urandom(16)))
    tables = {name: MapTable(table) for name, table in settings.maps.items()}
    site = Site(build_routes(settings, backends, caches, guards.of), clock, reactor, deadlines, maps=tables)
    certificates = tls_parts(settings, site.challenges, clock, reactor)
    listeners = [Listener(door, site, poller, certificates.server_of(door)) for door in settings.listen]

    stream_site = StreamSite(poller, deadlines, reactor, clock)
    streams = [StreamDoor(stream, stream_site, targets, certificates.server_of(stream)) for stream in settings.streams]
    share(listeners, streams)

    doors_open = [*listeners, *streams]
    live = Live(
        settings,
        pools,
        caches,
        site.routes,
        doors_open,
        clock,
        clock.wall(),
        memberships,
        site.websockets,
        guards.limits,
        certificates,
    )
    logs = [AccessLog(log, reactor) for log in settings.logs]
    site.finished += [log.exchange_finished for log in logs if log.settings.of == "requests"]
    stream_site.finished += [log.exchange_finished for log in logs if log.settings.of == "streams"]
    stream_site.finished.append(FailureLog(clock).stream_ended)
    lookouts: list[IService] = []
    if settings.status is not None:
        lookouts.append(make_status_service(settings.status, live, reactor))
    if settings.shell is not None:
        lookouts.append(make_shell_service(settings.shell, state_dir, live, reactor))

    map_files = MapFiles(list(tables.values()), reactor, partial(_in_thread, reactor))
    stores = [Storing(cache) for cache in caches.values()]
    doors = Doors([*listeners, *streams], site, settings.site.stop_timeout, reactor)
    pooling = [memory, *memberships.values(), *drains, *checks]
    lasting = [*apps, *pooling, *stores, map_files, *certificates.before, *logs, Rotation(logs, reactor), *lookouts]
    return Proxy([Polling(poller), *lasting, doors, *certificates.behind])


def _in_thread(reactor: Any, work: Any) -> Deferred[Any]:
    return deferToThreadPool(reactor, reactor.getThreadPool(), work)


def _health(pool: Pool, check: CheckSettings, dial: Dial, deadlines: Deadlines, reactor: Any) -> Health:
    if check.kind == "websocket":
        probe: Probe = WebSocketProbe(check, pool.settings, dial, deadlines, reactor)
    else:
        probe = PROBES[check.kind](check, pool.settings, dial, deadlines)
    return Health(pool, lambda peer: probe(peer.settings), reactor)
