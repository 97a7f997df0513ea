"""A listener: the door of clients who speak HTTP."""

from __future__ import annotations

import socket

from twistedproxy import errors
from twistedproxy.downstream.arrival import Arrival, DoorSettings
from twistedproxy.downstream.door import Door
from twistedproxy.downstream.http1 import DownstreamConnection
from twistedproxy.downstream.http2 import Http2Connection
from twistedproxy.downstream.stream import Way
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.forward.secured import Secured, secured_by
from twistedproxy.forward.site import Site
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.transport.adapted import AdaptedConnection
from twistedproxy.transport.client_certificates import ClientCert
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.opening import NotOpened
from twistedproxy.transport.poller import Poller
from twistedproxy.wire.client_hello import ClientHello
from twistedproxy.wire.http1 import Limits

#: A client's connection, whichever version of HTTP it speaks.
AnyConnection = DownstreamConnection | Http2Connection


class Listener(Door):
    """
    A door for clients.

    :ivar limits: of the heads of requests
    """

    settings: ListenSettings
    connections: set[AnyConnection]

    def __init__(self, settings: ListenSettings, site: Site, poller: Poller, tls: TlsServer | None) -> None:
        super().__init__(settings, poller, site.deadlines, site.reactor, tls)
        self.site = site
        self.numbers = site.numbers
        self.scheme = b"https" if tls is not None else b"http"
        self.trusted_proxies = TrustedProxies(settings.trusted_proxies, settings.trusted_fields)
        self.limits = Limits(head=settings.max_header_size, fields=settings.max_headers, target=settings.max_target)

    def revise(self, settings: DoorSettings, tls: TlsServer | None) -> None:
        """As :meth:`Door.revise`; connections that stand keep their scheme, and have the new times and limits."""
        super().revise(settings, tls)
        self.scheme = b"https" if tls is not None else b"http"
        self.trusted_proxies = TrustedProxies(self.settings.trusted_proxies, self.settings.trusted_fields)
        self.limits = Limits(
            head=self.settings.max_header_size, fields=self.settings.max_headers, target=self.settings.max_target
        )

    def _served(self, arrival: Arrival) -> DownstreamConnection:
        connection = DownstreamConnection(self, arrival.address, arrival.client_port, arrival.port, arrival.number)
        connection.destination = arrival.destination
        return connection

    def _pass(self, sock: socket.socket, arrival: Arrival, hello: ClientHello, way: Way) -> None:
        self._gone(arrival.address)
        way.stream.take(sock, arrival, hello, way.target)

    def _not_passed(self, sock: socket.socket, arrival: Arrival, hello: ClientHello | Exception) -> None:
        if isinstance(hello, NotOpened):
            self._refuse(sock, arrival, errors.NO_CLIENT_HELLO, str(hello), counted=True)
        else:
            # All other names, and whatever is no TLS: OpenSSL knows what to answer.
            self._serve(sock, arrival)

    def opened(self, connection: DownstreamConnection) -> None:
        """*connection* stands (with TLS: its handshake is done)."""
        if isinstance(connection.transport, AdaptedConnection) and connection.transport.is_secure:
            connection.scheme = b"https"
        if self.shook_hands(connection):
            connection.secured = self._secured(connection)
            if connection.transport.alpn == b"h2":
                self.speak_http2(connection, b"")
                return
        if self.settings.protocols == ("h2",):
            # Whatever else the client says is an error of HTTP/2.
            self.speak_http2(connection, b"")
            return
        self.connections.add(connection)

    def _secured(self, connection: DownstreamConnection) -> Secured | None:
        """What exchanges have to know of a connection with TLS."""
        if self._tls is None:
            # The listener has become a plain one since the handshake began.
            return None
        settings = self._tls.settings
        if settings.verify_client == "no":
            return secured_by(settings, None, 0.0)
        certificate = connection.transport.client_certificate
        client_cert = None if certificate is None else ClientCert.of(certificate)
        return secured_by(settings, client_cert, self.site.clock.wall())

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
