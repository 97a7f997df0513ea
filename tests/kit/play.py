"""
A play: a site from a few lines of site.ini, clients that talk to it, and origins that it talks to.

    with Play(SITE) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\\nHost: example.com")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\\nHost: example.com\\nVia: 1.1 twistedproxy")
        origin.says("HTTP/1.1 204 No Content")
        client.hears("HTTP/1.1 204 No Content")

Everything between a client's socket and an origin's is the real program.  A play fails on whatever it does not mention: bytes,
connections, ends of connections, and messages in the log.  When it ends, everybody leaves, and nothing may be left behind: no
exchange, no attempt that a peer still counts, no connection, no deadline.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from textwrap import dedent
from types import TracebackType
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure

from tests.kit.beside import Beside
from tests.kit.clock import HandClock
from tests.kit.crossing import Crossing
from tests.kit.party import Party
from tests.kit.streams import HandPoller, Stream, connected
from twistedproxy.addresses import Address
from twistedproxy.apps.process import Process
from twistedproxy.balance.health import Health
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.config.load import load_text
from twistedproxy.downstream.listener import Listener
from twistedproxy.downstream.stream import StreamDoor, StreamSite, Target, share
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.forward.affinity import affinity_of
from twistedproxy.forward.building import build_routes
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.guards.order import Guards
from twistedproxy.forward.guards.premises import Premises
from twistedproxy.forward.maps import MapTable
from twistedproxy.forward.routes import Backend
from twistedproxy.forward.site import Site
from twistedproxy.running.hosted import Hosted, hosted
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.tcp import Connection
from twistedproxy.upstream.probes import PROBES
from twistedproxy.upstream.proxied import connector_of
from twistedproxy.upstream.stream import StreamConnector

#: Turns of the poller for one move of a play; more can only mean that the proxy turns in circles.
_MOST_TURNS = 20_000

_LISTEN = """
[listen http]
on = tcp:80
"""

#: What a play assumes unless it has a [defaults] of its own: short heads.
_DEFAULTS = """
[defaults]
forwarded = no
response_headers = remove Date
"""


class Play:
    """
    A site on a stage.

    :param text: of site.ini; ``[listen http]`` and ``[defaults]`` are added when they are missing
    :param directory: where relative paths of *text* begin
    :ivar finished: the exchanges that have ended, in order; *ended*: the connections of streams
    :ivar calls: the addresses that the proxy has tried to connect to, in order
    """

    def __init__(self, text: str, directory: Path | None = None) -> None:
        text = dedent(text)
        for section, addition in (("[listen ", _LISTEN), ("[defaults]", _DEFAULTS)):
            if section not in text and "[route" in text:
                text += addition
        self.clock = HandClock()
        self.finished: list[Exchange] = []
        self.ended: list[StreamConnection] = []
        self.calls: list[str] = []
        self._poller = HandPoller()
        self._deadlines = Deadlines(self.clock, self.clock)
        self.crossing = Crossing()
        self.hosted: dict[HostedApp, Hosted] = {}
        self._answers: dict[str, str] = {}
        self._problems: dict[str, Exception] = {}
        self._parties: list[Party] = []
        self._clients: list[Party] = []
        self._unclaimed: list[tuple[str, Party]] = []
        self._last: Party | None = None
        self._failures: list[str] = []
        self._next_port = 50_000
        self._build(text, directory)

    def _build(self, text: str, directory: Path | None) -> None:
        settings = load_text(text, str((directory or Path("/play")) / "site.ini"), {}).settings
        clock = self.clock
        self.pools = {name: Pool(pool, clock, Random(4)) for name, pool in settings.pools.items()}
        self.caches = {name: Cache(cache, clock, clock) for name, cache in settings.caches.items()}
        backends: dict[str | HostedApp, Backend] = {
            name: Backend(
                pool,
                connector_of(pool.settings, self._dial, None, self._deadlines),
                affinity_of(pool, lambda: b"the secret of plays"),
            )
            for name, pool in self.pools.items()
        }
        self.checks = {
            name: Health(pool, self._probe(pool.settings), clock, Random(4))
            for name, pool in self.pools.items()
            if pool.settings.check is not None
        }
        self.process = Process(clock, self._deadlines, self.crossing.put)
        apps = dict.fromkeys(route.hosted for route in settings.routes)
        self.hosted = {app: hosted(app, self.process, clock) for app in apps if app is not None}
        self._connectors = {name: backend.connector for name, backend in backends.items()}
        backends |= {app: each.backend for app, each in self.hosted.items()}
        self.beside = Beside(clock, self.turn)
        self.guards = Guards(
            settings.limits, Premises(clock, clock, self.beside.in_thread, self.beside.fetch, b"the secret of plays")
        )
        tables = {name: MapTable(table) for name, table in settings.maps.items()}
        self.site = Site(
            build_routes(settings, backends, self.caches, self.guards.of),
            clock,
            clock,
            self._deadlines,
            maps=tables,
            in_thread=self.beside.in_thread,
        )
        self.routes = {route.name: route for route in self.site.routes.routes}
        self.site.finished.append(self.finished.append)
        self.listeners: dict[str, Listener] = {}
        for door in settings.listen:
            listener = self.listeners[door.name] = Listener(door, self.site, self._poller, None)
            if door.tls is not None:
                listener.scheme = b"https"
        targets = {
            name: Target(pool, StreamConnector(pool.settings, self._dial, self._deadlines)) for name, pool in self.pools.items()
        }
        stream_site = StreamSite(self._poller, self._deadlines, clock, clock)
        stream_site.finished.append(self.ended.append)
        self.streams = {stream.name: StreamDoor(stream, stream_site, targets, None) for stream in settings.streams}
        share(self.listeners.values(), self.streams.values())
        for cache in self.caches.values():
            cache.start()
        for each in self.hosted.values():
            each.service.startService()

    @property
    def doors(self) -> dict[str, Listener | StreamDoor]:
        """Listeners and streams."""
        return {**self.listeners, **self.streams}

    def _probe(self, pool: PoolSettings) -> Callable[[Peer], Deferred[None]]:
        assert pool.check is not None
        probe = PROBES[pool.check.kind](pool.check, pool, self._dial, self._deadlines)
        return lambda peer: probe(peer.settings)

    def begins_checks(self) -> None:
        """From now on peers are checked, until the play ends."""
        for health in self.checks.values():
            health.startService()
        self.turn()

    # The cast.

    def client(self, *, address: str = "192.0.2.1", listener: str = "http", port: int = 80) -> Party:
        """Somebody who connects from *address* to our *port*."""
        self._next_port += 1
        theirs, ours = self._connect((address, self._next_port), ("198.51.100.1", port))
        party = self._enter(f"client {len(self._clients) + 1}", theirs)
        self._clients.append(party)
        self.doors[listener]._accept(ours, (address, self._next_port), port)  # type: ignore[arg-type]
        self.turn()
        return party

    def asks(self, path: str = "/", *fields: str, method: str = "GET", body: bytes = b"") -> Party:
        """Somebody new has connected and asked; nothing of the answer is awaited."""
        client = self.client()
        client.says("\n".join((f"{method} {path} HTTP/1.1", "Host: example.com", *fields)), body)
        return client

    def origin(self, name: str | None = None) -> Party:
        """The peer's side of the next connection that the proxy has made, to the peer called *name* if that is given."""
        for position, (peer, party) in enumerate(self._unclaimed):
            if name is None or peer == name:
                del self._unclaimed[position]
                self._last = party
                return party
        raise AssertionError(f"the proxy has made no connection{f' to {name}' if name else ''}; it called {self.calls}")

    @property
    def has_origin(self) -> bool:
        """Whether the proxy has made a connection that the play has not spoken of."""
        return bool(self._unclaimed)

    def same_origin(self) -> Party:
        """The origin that :meth:`origin` gave last; or, when the proxy has made a new connection, that one's."""
        return self.origin() if self._unclaimed or self._last is None else self._last

    def no_connection(self) -> None:
        """The proxy has made no connection that the play has not spoken of."""
        assert not self._unclaimed, f"the proxy has made connections to {[peer for peer, _ in self._unclaimed]}"

    def refuses(self, name: str) -> None:
        """From now on the peer called *name* refuses connections."""
        self._answers[name] = "refuses"

    def fails(self, name: str, problem: Exception) -> None:
        """From now on connections to the peer called *name* fail by *problem*, as a dialer tells it."""
        self._answers[name] = "fails"
        self._problems[name] = problem

    def ignores(self, name: str) -> None:
        """From now on the peer called *name* does not answer to connections at all."""
        self._answers[name] = "ignores"

    def accepts(self, name: str) -> None:
        """From now on the peer called *name* accepts connections, as all do at first."""
        self._answers.pop(name, None)
        self._problems.pop(name, None)

    def in_flight(self) -> int:
        """Attempts that the peers count as running."""
        return sum(peer.in_flight for pool in self.pools.values() for peer in pool.peers)

    def idle(self) -> int:
        """Connections to peers that wait for another request."""
        return sum(len(peer.idle) for pool in self.pools.values() for peer in pool.peers)

    def connections(self) -> list[Any]:
        """The connections of clients."""
        return [connection for door in self.doors.values() for connection in door.connections]

    def exchange(self) -> Exchange:
        """The exchange that has ended last."""
        return self.finished[-1]

    def forgives(self, number: int = 1) -> str:
        """So many failures are in the log, or soon will be, and are what the play expects; returns what was told of them."""
        self.until(lambda: len(self._failures) >= number)
        told = "\n".join(self._failures)
        assert len(self._failures) == number, told
        self._failures.clear()
        return told

    # Time and events.

    def turn(self) -> None:
        """Let everything happen that can happen without time going by."""
        for _ in range(_MOST_TURNS):
            self.clock.advance(0)
            happened = self._poller.turn() | self.crossing.turn()
            for party in self._parties:
                happened |= party.take()
            if not happened and not any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
                return
        raise AssertionError("the proxy turns in circles")

    def until(self, so: Callable[[], bool]) -> None:
        """Let threads of apps work, and happen what follows, until it is *so*."""
        self.turn()
        while not so():
            self.crossing.wait()
            self.turn()

    def later(self, seconds: float) -> None:
        """Time goes by, in at most fifty steps, and what is due happens."""
        step = max(0.1, seconds / 50)
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.seconds()))
            self.turn()

    def _connect(self, one: tuple[str, int], other: tuple[str, int]) -> tuple[Stream, Stream]:
        theirs, ours = connected(one, other)
        self._poller.streams[ours.fileno()] = ours
        return theirs, ours

    def _enter(self, name: str, stream: Stream) -> Party:
        party = Party(name, stream, self.turn)
        self._parties.append(party)
        return party

    def _dial(self, address: Address, protocol: IProtocol, tls: TlsClient | None, preface: bytes = b"") -> Callable[[], None]:
        """As :meth:`twistedproxy.transport.dialer.Dialer.dial`."""
        name = str(address)
        self.calls.append(name)
        call = _Call(self, name, protocol, preface)
        if self._answers.get(name) != "ignores":
            self.clock.callLater(0, call.answer, refused=name in self._answers)
        return call.cancel

    def _accept(self, name: str, protocol: IProtocol, preface: bytes) -> None:
        theirs, ours = self._connect((name, 0), ("198.51.100.1", 0))
        ours.send(preface)
        self._unclaimed.append((name, self._enter(f"origin {name}", theirs)))
        Connection(ours, self._poller, protocol).start()  # type: ignore[arg-type]

    # The end.

    def __enter__(self) -> Play:
        globalLogPublisher.addObserver(self._logged)
        return self

    def _logged(self, event: LogEvent) -> None:
        if "log_failure" in event:
            failure: Failure = event["log_failure"]
            self._failures.append(failure.getTraceback())

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._check()
        finally:
            globalLogPublisher.removeObserver(self._logged)

    def _check(self) -> None:
        for health in self.checks.values():
            if health.running:
                health.stopService()
        self.turn()
        assert not self._failures, "\n".join(self._failures)
        self.no_connection()
        for party in self._parties:
            party.check_out()
        for party in self._clients:
            party.reads_on()
            party.leaves()
        for party in self._parties:
            party.follows()
        self.later(3)
        assert not self._failures, "\n".join(self._failures)
        assert self.in_flight() == 0, "a peer counts attempts that have ended"
        assert len(self.finished) == self.site.exchanges, "an exchange has not finished"
        assert not self.connections(), "a connection of a client is left"
        assert all(door._live == 0 for door in self.doors.values()), "a listener counts connections that are gone"
        for name, connector in self._connectors.items():
            for peer in self.pools[name].peers:
                connector.close_idle(peer)
        self.turn()
        for party in self._parties:
            assert party.is_closed, f"the proxy keeps its connection with {party.name}"
        for each in self.hosted.values():
            assert not each.backend.pool.peers[0].in_flight, "a call of an app is left"
            self._stop(each.service)
        self.turn()
        watched: Any = self._deadlines._buckets
        assert not any(watched.values()), f"deadlines are left: {watched}"
        for cache in self.caches.values():
            assert cache.stats().fills == 0, "a fill is left"
            cache.stop()

    def _stop(self, service: IService) -> None:
        stopped = service.stopService()
        self.until(lambda: stopped is None or stopped.called)


class _Call:
    """A connection in the making."""

    def __init__(self, play: Play, name: str, protocol: IProtocol, preface: bytes) -> None:
        self._play = play
        self._name = name
        self._protocol = protocol
        self._preface = preface
        self._over = False

    def answer(self, *, refused: bool) -> None:
        if self._over:
            return
        self._over = True
        if refused:
            problem = self._play._problems.get(self._name) or ConnectionRefusedError(
                errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)
            )
            self._protocol.connectionLost(Failure(problem))
        else:
            self._play._accept(self._name, self._protocol, self._preface)

    def cancel(self) -> None:
        self._over = True
