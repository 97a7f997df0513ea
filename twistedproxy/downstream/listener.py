"""A listener: its sockets, the connections that came in by them, and its limits."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from twistedproxy.downstream.http1 import DownstreamConnection
from twistedproxy.downstream.http2 import Http2Connection
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.forward.site import Site
from twistedproxy.settings import ListenSettings
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.poller import Poller
from twistedproxy.transport.port import Port, bind
from twistedproxy.transport.tcp import Connection
from twistedproxy.transport.tls_handshake import IncomingTls
from twistedproxy.transport.tls_problems import TlsProblem
from twistedproxy.wire.http1 import Limits

#: A client's connection, whichever version of HTTP it speaks.
AnyConnection = DownstreamConnection | Http2Connection

_log = Logger()


class Listener:
    """
    A door for clients.

    :ivar addresses: where it really listens, once bound
    :ivar connections: live ones
    :ivar accepted: connections accepted, ever
    :ivar turned_away: connections closed at once because their client had too many
    :ivar failed_handshakes: connections whose TLS handshake did not succeed, ever
    :ivar refused: requests that could not be read, by reason
    """

    def __init__(self, settings: ListenSettings, site: Site, poller: Poller, tls: TlsServer | None) -> None:
        self.settings = settings
        self.site = site
        self.scheme = b"https" if tls is not None else b"http"
        self.trusted_proxies = TrustedProxies(settings.trusted_proxies)
        self.limits = Limits(head=settings.max_header_size, fields=settings.max_headers, target=settings.max_target)
        self.addresses: list[str] = []
        self.connections: set[AnyConnection] = set()
        self.accepted = 0
        self.turned_away = 0
        self.failed_handshakes = 0
        self.refused: dict[str, int] = {}
        self._tls = tls
        self._poller = poller
        self._ports: list[Port] = []
        self._live = 0
        self._handshakes: set[IncomingTls] = set()
        self._per_client: Counter[str] = Counter()

    def trusts(self, address: str) -> bool:
        """Whether *address* is a trusted proxy; whoever can reach a unix socket is one if ``unix:`` could be said, so: no."""
        return bool(self.settings.trusted_proxies) and address in self.trusted_proxies

    def bind(self) -> None:
        """
        Take the addresses; nothing is accepted yet.

        :raises CannotListen: one of them cannot be had
        """
        for address in self.settings.on:
            for sock in bind(address, self.settings.backlog):
                self.adopt(sock)

    def adopt(self, sock: socket.socket) -> None:
        """Listen on a socket that is bound already."""
        port_number = sock.getsockname()[1] if sock.family != socket.AF_UNIX else 0

        def accept(client: socket.socket, address: Any) -> None:
            self._accept(client, address, port_number)

        port = Port(sock, accept, self._may_accept, self._poller, self.site.reactor)
        self._ports.append(port)
        host = port.getHost()
        self.addresses.append(_shown(host))

    def start(self) -> None:
        """Begin to accept."""
        for port in self._ports:
            port.startListening()

    def stop(self) -> None:
        """Accept no more; what is connected goes on."""
        for port in self._ports:
            port.stopListening()
        self._ports.clear()
        for handshake in list(self._handshakes):
            handshake.abort()

    def _may_accept(self) -> bool:
        return self._live < self.settings.max_connections

    def _accept(self, sock: socket.socket, where: Any, port: int) -> None:
        if sock.family == socket.AF_UNIX:
            address, client_port = "unix:", 0
        else:
            address, client_port = where[0], where[1]
            if address.startswith("::ffff:"):
                address = address[7:]
        limit = self.settings.max_connections_per_client
        if limit and self._per_client[address] >= limit:
            self.turned_away += 1
            sock.close()
            return
        self.accepted += 1
        self._live += 1
        if limit:
            self._per_client[address] += 1
        connection = DownstreamConnection(self, address, client_port, port, self.accepted)
        if self._tls is None:
            Connection(sock, self._poller, connection).start()
            return
        handshake = IncomingTls(sock, self._poller, connection, self._tls)
        self._handshakes.add(handshake)

        def failed(problem: TlsProblem, _: IAddress | None) -> None:
            self._handshakes.discard(handshake)
            connection.handshake = None
            self.failed_handshakes += 1
            self._gone(address)
            _log.debug(
                "listener {name}: no TLS with {address}: {problem}", name=self.settings.name, address=address, problem=problem
            )

        connection.handshake = handshake
        handshake.start(self.site.deadlines, self.settings.handshake_timeout, failed)

    def opened(self, connection: DownstreamConnection) -> None:
        """*connection* stands (with TLS: its handshake is done)."""
        if connection.handshake is not None:
            self._handshakes.discard(connection.handshake)
            connection.handshake = None
            if connection.transport.alpn == b"h2":
                self.speak_http2(connection, b"")
                return
        if self.settings.protocols == ("h2",):
            # Whatever else the client says is an error of HTTP/2.
            self.speak_http2(connection, b"")
            return
        self.connections.add(connection)

    @property
    def knows_prior_knowledge(self) -> bool:
        """Whether a client may begin to speak HTTP/2 unasked, without TLS (RFC 9113 §3.3)."""
        return self._tls is None and "h2" in self.settings.protocols

    def speak_http2(self, connection: DownstreamConnection, data: bytes) -> None:
        """The client of *connection* speaks HTTP/2, as its first *data* or ALPN says: another takes its place."""
        self.site.deadlines.forget(connection)
        self.connections.discard(connection)
        successor = Http2Connection(connection)
        self.connections.add(successor)
        successor.start(data)

    def closed(self, connection: AnyConnection) -> None:
        """*connection* is gone."""
        if connection in self.connections:
            self.connections.remove(connection)
            self._gone(connection.address)

    def _gone(self, address: str) -> None:
        self._live -= 1
        if self._per_client:
            self._per_client[address] -= 1
            if self._per_client[address] <= 0:
                del self._per_client[address]
        if self._live == self.settings.max_connections - 1:
            for port in self._ports:
                port.wake()


def _shown(host: Any) -> str:
    if hasattr(host, "name"):
        name = host.name
        return "unix:" + (name.decode() if isinstance(name, bytes) else str(name))
    return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
