"""
The composition root: settings become every object of the proxy, wired here and nowhere else.

What stands as long as the process:

    poller, deadlines, look_up, dns       how bytes, time and names come in
    site, live                            what exchanges share, and what lookers-on see
    sockets, doors                        where clients come in
    memory                                what is known of pools after a restart
    failures, recorder                    what is told of failures, what the dashboard remembers

What a site is made of, and what a reload replaces (:func:`compose`; the start is a reload from nothing):

    apps, hosted                          services and apps of others that run in this process
    pools                                 who serves, who comes and goes, who watches
    caches                                what is stored
    limits, maps, routes                  what becomes of a request
    certificates                          which of them are shown, and what becomes of them
    listeners, streams                    where clients come in
    logs, status, shell                   who looks on
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.python.reflect import namedAny

from twistedproxy.admin.dashboard.recorder import Recorder
from twistedproxy.admin.failure_log import FailureLog
from twistedproxy.admin.live import Live
from twistedproxy.admin.manhole import make_shell_service
from twistedproxy.admin.status_site import make_status_service
from twistedproxy.apps.process import Process
from twistedproxy.balance.dns import Dns, records_of
from twistedproxy.balance.memory import Memory, StateFile
from twistedproxy.cache.cache import Cache
from twistedproxy.clock import Clock, SystemClock
from twistedproxy.config import network
from twistedproxy.config.load import load
from twistedproxy.config.scalars import Context
from twistedproxy.downstream.listener import Listener
from twistedproxy.downstream.stream import StreamDoor, StreamSite
from twistedproxy.forward.building import build_routes
from twistedproxy.forward.guards.fetching import Fetcher
from twistedproxy.forward.guards.order import Guards
from twistedproxy.forward.guards.premises import Premises, threads
from twistedproxy.forward.map_files import MapFiles
from twistedproxy.forward.maps import MapTable
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.routes import Backend, Route
from twistedproxy.forward.site import Site
from twistedproxy.lifecycle import Polling, Proxy, Rotation, Storing
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.logs.making import Place, make_log
from twistedproxy.running.control import Control, path_of
from twistedproxy.running.doors import Doors
from twistedproxy.running.heritage import Heritage, inherit
from twistedproxy.running.hosted import hosted
from twistedproxy.running.life import Life, Outside
from twistedproxy.running.notify import Notify
from twistedproxy.running.parts import Parts
from twistedproxy.running.pools import Surroundings, pooled
from twistedproxy.running.reload import Reload
from twistedproxy.running.running import Running
from twistedproxy.running.upgrade import Command
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.caches import CacheSettings
from twistedproxy.settings.logs import TracingSettings
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.spans.export import Spans
from twistedproxy.tls.parts import tls_parts
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.dialer import Dialer
from twistedproxy.transport.names import Names, system_look_up
from twistedproxy.transport.poller import EpollPoller, Poller
from twistedproxy.transport.sockets import Sockets
from twistedproxy.upstream.connector import Dial


@dataclass(frozen=True)
class Ground:
    """What stands as long as the process."""

    reactor: Any
    clock: Clock
    poller: Poller
    pools: Surroundings
    site: Site
    stream_site: StreamSite
    live: Live
    recorder: Recorder
    sockets: Sockets
    premises: Premises
    in_thread: Callable[[Any], Deferred[Any]]


@dataclass(frozen=True)
class Origin:
    """
    Where the settings come from.

    :ivar file: the absolute path of the site file
    :ivar command: how the process was started
    """

    file: str
    command: Command


def make_service(settings: Settings, reactor: Any, origin: Origin | None = None) -> Proxy:
    """
    The whole proxy; no port is opened before it is started.

    :param origin: None: the site cannot be read again, and nobody takes over; signals are somebody else's
    :raises OSError: a file that the settings name cannot be read any more
    :raises ValueError: or has become something else
    :raises CertificateProblem: a certificate cannot be used
    :raises CannotLoad: an app cannot be had
    """
    clock = SystemClock()
    poller = EpollPoller(reactor)
    deadlines = Deadlines(reactor, clock)
    look_up = system_look_up(reactor.callInThread, reactor.callFromThread)
    state_dir = settings.site.state_dir
    in_thread = threads(reactor)
    site = Site(RouteTable(()), clock, reactor, deadlines, in_thread=in_thread)
    stream_site = StreamSite(poller, deadlines, reactor, clock, numbers=site.numbers)
    live = Live(settings, {}, {}, site.routes, (), clock, clock.wall(), {}, site.websockets, site=site, reactor=reactor)
    live.finished = site.finished
    live.file = origin.file if origin is not None else ""
    live.journal.audit.path = os.path.join(state_dir, "audit.log")
    failures, recorder = FailureLog(clock), Recorder(live, reactor)
    site.failed += [failures.exchange_failed, recorder.failures.exchange_failed]
    stream_site.finished.append(failures.stream_ended)
    dns = Dns(look_up, lambda: records_of(live.settings.site.nameservers, reactor))

    def dial_of(names: Names) -> Dial:
        return Dialer(poller, names, reactor).dial

    around = Surroundings(dial_of, reactor, clock, deadlines, look_up, dns.find, state_dir)
    premises = Premises(clock, reactor, in_thread, Fetcher(reactor), os.urandom(16))
    heritage = inherit(os.environ) if origin is not None else Heritage()
    sockets = Sockets(heritage.sockets, heritage.nameless)
    ground = Ground(reactor, clock, poller, around, site, stream_site, live, recorder, sockets, premises, in_thread)
    doors = Doors(sockets, reactor)
    lines = partial(network.server, at=Context("/", {})), network.write_server
    memory = Memory(StateFile(os.path.join(state_dir, "pools.json")), {}, lines, clock, reactor)
    logs: list[AccessLog] = []
    host = partial(hosted, process=Process(reactor, deadlines, reactor.callFromThread), clock=clock)
    running = Running(partial(compose, ground), (site, stream_site), live, doors, sockets, memory, logs, host)
    running.on_replaced.append(partial(_nameservers_replaced, dns))
    running.begin(settings)
    rotation = Rotation(logs, live.journal.audit, reactor)
    parts: list[IService] = [Polling(poller), memory, live.journal, running.group, rotation, recorder]
    if origin is None:
        return Proxy([*parts, doors, running.behind], doors, partial(_stopping, site))
    reload = Reload(partial(load, origin.file, os.environ), running, in_thread)
    outside = Outside(heritage, Notify(os.environ, reactor), origin.command)
    life = live.life = Life(running, doors, reload, outside, reactor)
    control = Control(path_of(origin.file, state_dir), live, sockets, reactor)
    life.on_succeeded.append(control.stopService)
    return Proxy([*parts, control, life, doors, running.behind], doors, partial(_stopping, site, life))


def _stopping(site: Site, life: Life | None = None) -> None:
    site.stopping = True
    if life is not None:
        life.stopping()


def _nameservers_replaced(dns: Dns, before: Settings | None, after: Settings) -> None:
    if before is not None and before.site.nameservers != after.site.nameservers:
        dns.ask_others()


def compose(ground: Ground, settings: Settings, before: Parts, undo: ExitStack) -> Parts:
    """
    The parts of a site, made of *settings*; what of *before* was made of the same is taken as it is.

    Nothing that runs is changed, and nothing is started: see :class:`twistedproxy.running.running.Compose`.
    """
    old = before.settings
    reactor, clock, site, live = ground.reactor, ground.clock, ground.site, ground.live
    state_dir = settings.site.state_dir
    parts = Parts(settings)

    known = {app.name: before.apps[app.name] for app in (old.apps if old is not None else ()) if app in settings.apps}
    for app in settings.apps:
        made = known.get(app.name) or IService(namedAny(app.run.replace(":", "."))(reactor, state_dir))
        parts.apps[app.name] = made

    for each in dict.fromkeys(route.hosted for route in settings.routes):
        if each is not None:
            parts.hosted[each] = before.hosted[each]

    for name, pool in settings.pools.items():
        parts.pools[name] = pooled(pool, before.pools.get(name), ground.pools, undo)
    for name, cache in settings.caches.items():
        parts.caches[name] = _same_store(cache, before) or Storing(Cache(cache, clock, reactor))
    guards = Guards(settings.limits, ground.premises, before.limits)
    parts.limits = guards.limits
    for name, table in settings.maps.items():
        known_map = before.maps.get(name)
        parts.maps[name] = known_map if known_map is not None and known_map.settings == table else MapTable(table)
    same_maps = before.map_files is not None and _same_maps(parts.maps, before)
    parts.map_files = before.map_files if same_maps else MapFiles(list(parts.maps.values()), reactor, ground.in_thread)
    backends: dict[str | HostedApp, Backend] = {name: made.backend for name, made in parts.pools.items()}
    backends |= {app: made.backend for app, made in parts.hosted.items()}
    caches = {name: store.cache for name, store in parts.caches.items()}
    parts.routes = build_routes(settings, backends, caches, guards.of, partial(_same_route, parts, before))

    parts.certificates = tls_parts(settings, site.challenges, clock, reactor, before.certificates)
    for door in settings.listen:
        tls = parts.certificates.server_of(door)
        parts.listeners[door.name] = before.listeners.get(door.name) or Listener(door, site, ground.poller, tls)
    targets = {name: pool.target for name, pool in parts.pools.items()}
    for stream in settings.streams:
        parts.streams[stream.name] = before.streams.get(stream.name) or StreamDoor(
            stream, ground.stream_site, targets, parts.certificates.server_of(stream)
        )

    logs_at = Place(reactor, clock, ground.pools.look_up)
    for log in settings.logs:
        kept = before.logs.get(log.name)
        parts.logs[log.name] = kept if kept is not None and kept.settings == log else make_log(log, logs_at)
    if settings.tracing is not None:
        same = old is not None and old.tracing == settings.tracing
        parts.spans = before.spans if same else _spans(settings.tracing, ground)
    if settings.status is not None:
        same = old is not None and old.status == settings.status
        make_status = partial(make_status_service, settings.status, live, ground.recorder, ground.premises)
        parts.status = before.status if same else make_status(reactor, ground.sockets)
    if settings.shell is not None:
        same = old is not None and old.shell == settings.shell
        parts.shell = before.shell if same else make_shell_service(settings.shell, state_dir, live, reactor, ground.sockets)
    return parts


def _spans(settings: TracingSettings, ground: Ground) -> Spans:
    # Part of an extra: only who wants spans needs it.
    from twistedproxy.spans.otlp import OtlpSender

    return Spans(settings, OtlpSender(settings), ground.in_thread, ground.reactor)


def _same_store(cache: CacheSettings, before: Parts) -> Storing | None:
    """What keeps the same directory under the same name."""
    store = before.caches.get(cache.name)
    return store if store is not None and store.cache.settings.directory == cache.directory else None


def _same_route(parts: Parts, before: Parts, settings: RouteSettings) -> Route | None:
    """The route that was made of the same *before*; None: something is new."""
    if not parts.same_as_in(before, settings):
        return None
    return next((route for route in before.routes.given if route.settings == settings), None)


def _same_maps(tables: dict[str, MapTable], before: Parts) -> bool:
    return tables.keys() == before.maps.keys() and all(before.maps[name] is table for name, table in tables.items())
