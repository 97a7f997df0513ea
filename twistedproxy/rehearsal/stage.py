"""A whole site, built of the parts that a running one is built of, without a port, a peer, or a file of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self, cast

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twistedproxy.addresses import Tcp
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.forward.affinity import affinity_of
from twistedproxy.forward.building import build_routes
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.guards.order import Guards
from twistedproxy.forward.guards.premises import Fetched, Premises, at_once
from twistedproxy.forward.maps import MapTable
from twistedproxy.forward.remembered import Remembered, facts
from twistedproxy.forward.routes import Backend, Route
from twistedproxy.forward.secured import secured_by
from twistedproxy.forward.site import Site
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.rehearsal.client import Client
from twistedproxy.rehearsal.peers import Answer, Peers
from twistedproxy.rehearsal.request import Request
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.settings.site_ini import Settings
from twistedproxy.story.tale import Sent, Tale
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Connector

#: Seconds of the stage's time in which an exchange has to end: nothing real is waited for.
_LONGEST: Final = 300.0
SECRET: Final = b"a stage has no secrets"
#: What peers say when nothing else is wanted.
USUAL: Final = Answer(ResponseHead(200, b"OK", Headers([(b"Content-Type", b"text/plain"), (b"Content-Length", b"0")])))


@implementer(IReactorTime)
class StageClock(task.Clock):
    """Time that passes when the stage says so; it begins now, so that dates in answers are right."""

    def __init__(self, monotonic: float, wall: float) -> None:
        super().__init__()
        self.rightNow = monotonic
        self._wall = wall - monotonic

    def monotonic(self) -> float:
        return float(self.seconds())

    def wall(self) -> float:
        return self._wall + float(self.seconds())


@dataclass(frozen=True)
class Told:
    """
    What became of a request.

    :ivar exchange: with its verdicts; it may not have ended, when it waits for something that a stage does not have
    :ivar head: of the answer; None for none
    :ivar heard: what peers were asked, in order
    :ivar copies: what the peers of mirrors were asked
    :ivar passed_over: routes that would have come first, and why they did not take it
    """

    request: Request
    exchange: Exchange
    head: ResponseHead | None
    body: bytes
    heard: list[Sent]
    copies: list[Sent]
    passed_over: list[tuple[Route, str]]

    @property
    def tale(self) -> Tale:
        """The same for those who tell it."""
        exchange = self.exchange
        return Tale(
            Remembered(*facts(exchange)),
            self.passed_over,
            finished=exchange.finished,
            is_websocket=exchange.upgrade is not None,
            heard=self.heard,
            copies=self.copies,
            head=self.head,
        )


class Stage:
    """A site on which requests are tried.  Use it in a ``with`` statement: caches are kept in a directory that goes with it."""

    def __init__(self, settings: Settings) -> None:
        """
        :raises OSError: a file that the settings name cannot be read any more
        :raises ValueError: or has become something else
        """
        self._directory = TemporaryDirectory(prefix="revproxy-")
        self.clock = clock = StageClock(time.monotonic(), time.time())
        self.settings = settings
        self._answer = USUAL
        self._peers: dict[str, Peers] = {}
        backends: dict[str | HostedApp, Backend] = {}
        apps = {app: app.pool for app in (route.hosted for route in settings.routes) if app is not None}
        pools: list[tuple[str | HostedApp, PoolSettings]] = [*settings.pools.items(), *apps.items()]
        for name, pool in pools:
            peers = self._peers[pool.name] = Peers(clock, lambda: self._answer)
            # The same peers are chosen every time.
            live = Pool(_known(pool), clock, Random(0))
            backends[name] = Backend(live, cast(Connector, peers), affinity_of(live, lambda: SECRET))
        self._caches = {
            name: Cache(replace(cache, directory=f"{self._directory.name}/{name}"), clock, clock)
            for name, cache in settings.caches.items()
        }
        tables = {name: MapTable(table) for name, table in settings.maps.items()}
        guards = Guards(settings.limits, Premises(clock, clock, at_once, self._fetch, SECRET))
        routes = build_routes(settings, backends, self._caches, guards.of)
        self.site = Site(routes, clock, clock, Deadlines(clock, clock), maps=tables)

    def __enter__(self) -> Self:
        for cache in self._caches.values():
            cache.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        for cache in self._caches.values():
            cache.stop()
        self._directory.cleanup()

    def ask(self, request: Request, answer: Answer = USUAL) -> Told:
        """What becomes of *request* when peers say *answer*."""
        self._answer = answer
        for peers in self._peers.values():
            peers.heard.clear()
        door = request.listener
        # Nobody here has a certificate to show.
        secured = None if door.tls is None else secured_by(self.settings.tls[door.tls], None, self.clock.wall())
        client = Client(request, secured, lambda: None)
        exchange = Exchange(self.site, client, request.head)
        # A body that was announced and is not here can still be too large.
        exchange.begin((request.body,) if request.body else (), request.head.fields.length <= len(request.body))
        self._play(exchange)
        heard: list[Sent] = []
        copies: list[Sent] = []
        for name, peers in self._peers.items():
            (heard if name == exchange.pool_name else copies).extend(peers.heard)
        if exchange.route is not None and not exchange.pool_name:
            heard, copies = [], []
        return Told(request, exchange, client.head, client.content, heard, copies, self._passed_over(exchange))

    def _fetch(self, url: str, fields: tuple[Field, ...], timeout: float, most: int) -> Deferred[Fetched]:
        """No other server is asked: none answers in time."""
        fetched: Deferred[Fetched] = Deferred()
        fetched.addTimeout(timeout, self.clock)
        return fetched

    def _play(self, exchange: Exchange) -> None:
        """Let happen what happens, one moment after the other."""
        clock = self.clock
        end = clock.seconds() + _LONGEST
        waits = True
        while waits and clock.seconds() < end:
            clock.advance(0)
            due = [call.getTime() for call in clock.getDelayedCalls()]
            now = [moment for moment in due if moment <= clock.seconds()]
            if self._waits(exchange):
                break
            if exchange.finished and not now:
                waits = False
            elif not now:
                if not due:
                    break
                clock.advance(min(due) - clock.seconds())

    def _waits(self, exchange: Exchange) -> bool:
        """Whether *exchange* waits for something that will not happen here."""
        return False

    def _passed_over(self, exchange: Exchange) -> list[tuple[Route, str]]:
        """Asks the table once more, as the exchange has, to be told."""
        head, downstream = exchange.head, exchange.downstream
        seen: list[tuple[Route, str]] = []
        port = head.fields.port or downstream.port
        find = partial(self.site.routes.match, exchange.scheme, head.fields.host, port, head.route_path)
        find(downstream.listener_name, exchange, seen)
        return seen


def _known(pool: PoolSettings) -> PoolSettings:
    """*pool* as if its names had been looked up, and its checks had passed."""
    return replace(pool, servers=tuple(map(_found, pool.servers)), check=None)


def _found(server: ServerSettings) -> ServerSettings:
    if server.stands_for is StandsFor.PEER:
        return server
    address: Any = server.address
    port = address.port or (443 if server.tls else 80)
    return replace(server, stands_for=StandsFor.PEER, address=Tcp(address.host, port))
