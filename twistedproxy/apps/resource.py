"""
``resource = package.module:thing``: an ``IResource`` of twisted.web.

Its requests are twisted.web's own: bytes pass through a pipe between a connection to a peer and an ``HTTPChannel``, so that all
that twisted.web knows works: NOT_DONE_YET, producers, sessions, static files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request, Session, Site

from twistedproxy.apps.loading import CannotLoad, loaded, made_by
from twistedproxy.apps.process import Process
from twistedproxy.apps.request import origin_of
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.transport.pipe import PipeEnd, pipe
from twistedproxy.upstream.connector import Connector
from twistedproxy.upstream.http1 import UpstreamConnection
from twistedproxy.upstream.receiver import Receiver

_log = Logger()


class ResourceApp(Service):
    """
    A tree of resources.

    :ivar site: that shows it
    :ivar on_stop: called when it stops
    :raises CannotLoad: it is none
    """

    def __init__(self, settings: HostedApp, process: Process) -> None:
        self.called = settings.name
        thing = loaded(settings)
        if not IResource.providedBy(thing) and callable(thing):
            thing = made_by(thing, settings)
        if not IResource.providedBy(thing):
            raise CannotLoad(f"{settings.target} is no IResource of twisted.web", "name one, or what returns one")
        self.site = _Site(thing, self.called, process.reactor)
        self.on_stop: Callable[[], None] = lambda: None

    def stopService(self) -> None:
        """Its sessions end, and no connection is kept."""
        Service.stopService(self)
        self.on_stop()
        for session in list(self.site.sessions.values()):
            session.expire()


class ResourceConnector(Connector):
    """Connections to a :class:`ResourceApp`; one that is idle serves any client, whose address goes with each request."""

    def __init__(self, app: ResourceApp, settings: PoolSettings, process: Process) -> None:
        super().__init__(settings, _no_dialling, None, process.deadlines)
        self._site: Any = app.site
        self._reactor = process.reactor
        self._peer: Any = None
        app.on_stop = self._end

    def take(self, peer: Any, receiver: Receiver) -> UpstreamConnection:
        """An idle connection, or a new one, which is always to be had."""
        connection: UpstreamConnection | None = super().take(peer, receiver)
        if connection is None:
            connection = UpstreamConnection(self, peer)
            connection.receiver = _READY
            self._join(connection)
        _introduce(connection, receiver)
        return connection

    def connect(self, peer: Any, receiver: Receiver, timeout: float) -> UpstreamConnection:
        """A new connection, in a moment."""
        connection = UpstreamConnection(self, peer)
        call = self._reactor.callLater(0, self._join, connection, receiver)
        connection.wait(receiver, call.cancel, timeout)
        return connection

    def _join(self, connection: UpstreamConnection, receiver: Receiver | None = None) -> None:
        ours, theirs = pipe(self._reactor)
        channel = self._site.buildProtocol(None)
        theirs.protocol = channel
        channel.makeConnection(theirs)
        ours.protocol = connection
        if receiver is not None:
            connection.transport = ours
            _introduce(connection, receiver)
        self._peer = connection.peer
        connection.makeConnection(ours)

    def _end(self) -> None:
        if self._peer is not None:
            self.retire([self._peer])


def _introduce(connection: UpstreamConnection, receiver: Receiver) -> None:
    """Tell the other end whose the next request is."""
    asker: Any = receiver
    origin = origin_of(asker.exchange)
    end: PipeEnd = connection.transport.other
    end.origin = origin
    end.peer_address = IPv4Address("TCP", origin.client, origin.client_port)
    end.host_address = IPv4Address("TCP", origin.host, origin.port)


def _no_dialling(*where: object) -> Any:
    raise NotImplementedError(f"an app is not dialled: {where}")


class _Ready:
    """Who waits for a connection that stands at once."""

    upgrades = False

    def connected(self) -> None:
        """That was to be expected."""


_READY: Any = _Ready()


class _Request(Request):
    """A request that knows its client by the word of trusted proxies."""

    def isSecure(self) -> bool:
        """Whether the client came by https."""
        channel: Any = self.channel
        return bool(channel.transport.origin.scheme == "https")

    def processingFailed(self, reason: Failure) -> Failure:
        """The resource has raised: the log gets a traceback, the client an error."""
        site: Any = self.site
        answer: Any = self
        _log.failure(
            "{app} has failed at {method} {path}",
            reason,
            app=site.called,
            method=self.method.decode("latin-1"),
            path=self.path.decode("latin-1"),
        )
        if self.startedWriting:
            # Without its end: the client must not take the part for the whole.
            answer.channel.loseConnection()
            return reason
        body = b"Internal Server Error\n"
        self.setResponseCode(500)
        answer.setHeader(b"Content-Type", b"text/plain")
        answer.setHeader(b"Content-Length", b"%d" % len(body))
        answer.write(b"" if self.method == b"HEAD" else body)
        answer.finish()
        return reason


class _Site(Site):
    """A site without a port, an access log, or a clock of its own."""

    requestFactory = _Request
    displayTracebacks = False

    def __init__(self, resource: Any, called: str, reactor: Any) -> None:
        begin: Any = super().__init__
        begin(resource, timeout=None, reactor=reactor)
        self.called = called

    def sessionFactory(self, site: Site, uid: bytes) -> Session:  # type: ignore[override]
        """A session on the clock of the process."""
        made: Any = Session
        session: Session = made(site, uid, reactor=self.reactor)
        return session

    def getResourceFor(self, request: Any) -> Any:
        """As twisted.web does, under what ``strip_prefix`` has taken off."""
        root: str = request.channel.transport.origin.root
        request.prepath = [segment.encode("ascii") for segment in root.split("/")[1:]]
        found: Any = super()
        return found.getResourceFor(request)

    def log(self, request: Any) -> None:
        """The proxy has logs of its own."""
