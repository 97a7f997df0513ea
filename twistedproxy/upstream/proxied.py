"""Connections that tell peers whose they are, by the PROXY protocol."""

from __future__ import annotations

from typing import Any

from twistedproxy.settings.pools import PoolSettings
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Connector, Dial, PeerLike
from twistedproxy.upstream.http1 import UpstreamConnection
from twistedproxy.upstream.http2_connector import Http2Connector
from twistedproxy.upstream.receiver import Receiver
from twistedproxy.wire.proxy_protocol import ENCODERS


class ProxiedConnector(Connector):
    """
    The connections of a pool with ``proxy_protocol``.

    What a connection began with is true of one connection of one client only: it is kept for that one's further requests, and
    used for nobody else's, not even for the same client's when it comes by another connection.
    """

    def __init__(self, settings: PoolSettings, dial: Dial, tls: TlsClient | None, deadlines: Deadlines) -> None:
        super().__init__(settings, dial, tls, deadlines)
        self._encode = ENCODERS[settings.proxy_protocol]

    def take(self, peer: PeerLike, receiver: Receiver) -> Any:
        """The idle connection to *peer* that was made for the same client's connection, or None."""
        if not peer.idle:
            return None
        preface = self._encode(receiver.ends())
        for connection in reversed(peer.idle):
            if connection.preface == preface:
                peer.idle.remove(connection)
                connection.idle = False
                return connection
        return None

    def connect(self, peer: PeerLike, receiver: Receiver, timeout: float) -> Any:
        """As :meth:`Connector.connect`; the connection begins with the header."""
        connection = UpstreamConnection(self, peer)
        connection.preface = self._encode(receiver.ends())
        cancel = self._dial(peer.address, connection, self._tls_towards(peer), connection.preface)
        connection.wait(receiver, cancel, timeout)
        return connection


def connector_of(settings: PoolSettings, dial: Dial, tls: TlsClient | None, deadlines: Deadlines) -> Connector:
    """The connector that *settings* ask for."""
    if settings.protocol == "h2":
        return Http2Connector(settings, dial, tls, deadlines)
    kind = Connector if settings.proxy_protocol == "no" else ProxiedConnector
    return kind(settings, dial, tls, deadlines)
