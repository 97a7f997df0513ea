"""The connections of a pool with ``protocol = h2``: few, with many requests on each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twistedproxy.settings.pools import PoolSettings
from twistedproxy.transport.contexts import HTTP_2, TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Connector, Dial, PeerLike
from twistedproxy.upstream.http2 import PeerConnection
from twistedproxy.upstream.http2_stream import UpstreamStream
from twistedproxy.upstream.receiver import Receiver


class Http2Connector(Connector):
    """
    A connection is shared by as many requests as the peer allows at a time; beyond that there is another one.

    WebSockets go by HTTP/1.1, each on a connection of its own.
    """

    alpn = HTTP_2

    def __init__(self, settings: PoolSettings, dial: Dial, tls: TlsClient | None, deadlines: Deadlines) -> None:
        super().__init__(settings, dial, tls, deadlines)
        self._once = OnceConnector(settings, dial, None, deadlines)
        #: Those that take requests, or will when they stand.
        self._shared: dict[PeerLike, list[PeerConnection]] = {}

    def take(self, peer: PeerLike, receiver: Receiver) -> Any:
        """A stream on a connection to *peer* that stands and has room, or None."""
        if receiver.upgrades:
            return None
        for connection in self._shared.get(peer, ()):
            if connection.stands and connection.has_room and (connection.streams or connection.is_quiet()):
                return connection.stream()
        return None

    def connect(self, peer: PeerLike, receiver: Receiver, timeout: float) -> Any:
        """A stream on a connection to *peer* that is being made."""
        if receiver.upgrades:
            return self._once.connect(peer, receiver, timeout)
        stream = self._making(peer).stream()
        stream.wait(receiver, timeout)
        return stream

    def _making(self, peer: PeerLike) -> PeerConnection:
        for connection in self._shared.get(peer, ()):
            if not connection.stands and connection.has_room:
                return connection
        connection = PeerConnection(self, peer)
        self._shared.setdefault(peer, []).append(connection)
        connection.cancel_dialling = self._dial(peer.address, connection, self._tls_towards(peer))
        return connection

    def move(self, connection: PeerConnection, streams: Iterable[UpstreamStream]) -> None:
        """*connection* has no room for *streams*, which have waited for it: they wait for another one."""
        for stream in streams:
            connection.streams.pop(stream, None)
            stream.connection = self._making(connection.peer)
            stream.connection.streams[stream] = None

    def leaves(self, connection: PeerConnection) -> None:
        """*connection* takes no requests any more."""
        shared = self._shared.get(connection.peer)
        if shared is not None and connection in shared:
            shared.remove(connection)
            if not shared:
                del self._shared[connection.peer]


class OnceConnector(Connector):
    """Connections of HTTP/1.1 that are used once."""

    def take(self, peer: PeerLike, receiver: Receiver) -> None:
        """Never one that was used before."""
        return

    def keep(self, connection: Any) -> None:
        """Close it."""
        connection.cancel()
